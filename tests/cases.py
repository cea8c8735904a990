"""Cases that one test runs in a loop: a test of its own costs more than what it checks."""

import functools
import inspect

import pytest


def each(names, values):
    """Call a test for every value, as ``pytest.mark.parametrize`` would in tests of their own.

    An error names the case. For cheap cases that need no fresh fixture; `names` is a name, or
    several with commas between them.
    """
    names = [name.strip() for name in names.split(",")]

    def decorator(test):
        signature = inspect.signature(test)
        rest = [p for p in signature.parameters.values() if p.name not in names]

        @functools.wraps(test)
        def run(**given):
            reasons = []
            for value in values:
                case = dict(zip(names, value if len(names) > 1 else [value], strict=True))
                try:
                    test(**given, **case)
                except pytest.skip.Exception as reason:
                    reasons.append(reason)
                except BaseException as error:
                    error.add_note(f"with {', '.join(f'{k}={v!r}' for k, v in case.items())}")
                    raise
            if len(reasons) == len(values):
                raise reasons[0]

        run.__signature__ = signature.replace(parameters=rest)
        return run

    return decorator
