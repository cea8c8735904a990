"""Report the progress of long computations to a callback and to a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def check_callback(callback: Any) -> None:
    """Raise TypeError unless `callback` is callable or None."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is {callback!r}; expected a function of (done, total) or None.")


def reporter(callback: Any, verbose: Any, what: str) -> Callable[[int, int], None] | None:
    """Return a function report(done, total) to call after each piece of work, or None.

    A total of 0 says that it is not known; the end is then reported by a call with both numbers
    equal. With `verbose`, it updates a progress bar on standard error (by tqdm where installed) and
    then calls `callback`.
    """
    if not verbose:
        return callback
    bar = _bar(what)

    def report(done: int, total: int) -> None:
        bar(done, total)
        if callback is not None:
            callback(done, total)

    return report


def _bar(what: str) -> Callable[[int, int], None]:
    try:
        from tqdm import tqdm
    except ImportError:
        return lambda done, total: print(
            f"{what}: {done} of {total or 'an unknown number'}", file=sys.stderr
        )
    shown: list[Any] = []

    def move(done: int, total: int) -> None:
        if shown and done < shown[0].n:
            # the pass before was interrupted
            shown.pop().close()
        if not shown:
            shown.append(tqdm(total=total or None, desc=what))
        shown[0].update(done - shown[0].n)
        if 0 < total <= done:
            shown.pop().close()

    return move
