"""Validation of estimator parameters: a test and the text of its error for each kind.

An estimator declares a table ``_parameters`` of its parameters. Before a fit, `Estimator` checks
those that are not the constructor's defaults.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from .._descriptions import defaults_of
from ..data.inputs import as_real, is_sparse
from ..data.parameters import LARGEST_INT

_INF = math.inf


class Parameter(NamedTuple):
    """Requirement on a parameter.

    Attributes
    ----------
    holds : callable
        holds(value): whether the value is valid.
    expected : str
        Text of the error after "must be".
    check : callable or None
        check(name, value): raises its own error, where `expected` does not say enough.
    quick : str
        Expression in the value v that is True only for values that are valid whatever the other
        parameters are; "" for no such test.
    """

    holds: Callable[[Any], bool]
    expected: str
    check: Callable[[str, Any], None] | None = None
    quick: str = ""


Parameters = Mapping[str, Parameter | tuple[Parameter, ...]]
Checks = tuple[tuple[str, Any, tuple[Parameter, ...]], ...]  # name, default and kinds

_NOTHING = object()  # the default of a parameter that is always checked


def checks_of(init: Any, parameters: Parameters) -> Checks:
    """Return the checks before a fit: (name, default, kinds) for each parameter.

    A valid default of the constructor `init` is not checked again: a parameter that is the same
    object passes.
    """
    defaults = defaults_of(init)
    checks = []
    for name, kind in parameters.items():
        kinds = (kind,) if isinstance(kind, Parameter) else kind
        default = defaults.get(name, _NOTHING)
        if not all(k.check is None and k.holds(default) for k in kinds):
            default = _NOTHING
        checks.append((name, default, kinds))
    return tuple(checks)


def compile_quick_test(checks: Checks) -> Callable[[Any], bool]:
    """Return a function that tells whether all parameters are defaults or pass `quick`.

    It is compiled to one expression: a call per parameter can take longer than a fit of few rows.
    """
    known: dict[str, Any] = {"inf": _INF}
    terms = []
    for i, (name, default, kinds) in enumerate(checks):
        known[f"default_{i}"] = default
        quick = next((f" or {kind.quick}" for kind in kinds if kind.quick), "")
        terms.append(f"((v := self.{name}) is default_{i}{quick})")
    test: Callable[[Any], bool] = eval("lambda self: " + " and ".join(terms or ["True"]), known)
    return test


def without(parameters: Parameters, *names: str) -> Parameters:
    """Return a table without some parameters."""
    return {name: kind for name, kind in parameters.items() if name not in names}


def is_array_like(value: Any) -> bool:
    """Return whether a parameter may be an array: it has a length or converts itself."""
    return not isinstance(value, (str, bytes, dict)) and (
        hasattr(value, "__len__") or hasattr(value, "__array__")
    )


def is_count(value: Any) -> bool:
    """Return whether a parameter is an int of at least 1, but not a bool."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def is_grid_size(value: Any) -> bool:
    """Return whether a parameter is the number of penalties of an automatic grid."""
    return is_count(value) and int(value) <= LARGEST_INT


def is_finite(value: Any) -> bool:
    """Return whether a parameter is a finite number of at least 0."""
    return isinstance(value, Real) and 0 <= as_real(value) < _INF


def is_evidence(value: Any) -> bool:
    """Return whether a penalty is to be chosen by the evidence."""
    return isinstance(value, str) and value == "evidence"


def is_positive(value: Any) -> bool:
    """Return whether a parameter is a finite number above 0."""
    return isinstance(value, Real) and 0 < as_real(value) < _INF


def _is_bool(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_none_or(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or holds(value)


def _is_random_state(value: Any) -> bool:
    if isinstance(value, Integral):
        return 0 <= int(value) <= 2**32 - 1
    return value is None or isinstance(
        value, getattr(sys.modules.get("numpy.random"), "RandomState", ())
    )


def _is_bound(value: Any) -> bool:
    number = isinstance(value, Real) and not isinstance(value, bool)
    return value is None or number or is_array_like(value)


def _is_class_weight(value: Any) -> bool:
    return (
        value is None or isinstance(value, dict) or (isinstance(value, str) and value == "balanced")
    )


def is_memory(value: Any) -> bool:
    """Return whether a parameter is None or a number of at least 0, but not a bool."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return value is None or (number and value >= 0)


def is_in(names: Iterable[str]) -> Callable[[Any], bool]:
    """Return a function that tests whether a parameter is one of some strings."""
    known = frozenset(names)
    return lambda value: isinstance(value, str) and value in known


def one_of(names: Iterable[str]) -> Parameter:
    """Return the requirement to be one of some strings, which the error lists."""
    names = tuple(names)
    return Parameter(is_in(names), f"one of {', '.join(map(repr, names))}")


def _check_select(name: str, value: Any) -> None:
    from ..model_selection._choice import check_select

    check_select(value)


def _any(value: Any) -> bool:
    return True


_QUICK_COUNT = "type(v) is int and v >= 1"
QUICK_AT_LEAST_0 = "type(v) is float and 0.0 <= v < inf"

ANY = Parameter(_any, "")
BOOL = Parameter(_is_bool, "a bool", quick="type(v) is bool")
COUNT = Parameter(is_count, "an int of at least 1", quick=_QUICK_COUNT)
GRID_SIZE_TEXT = f"an int from 1 to {LARGEST_INT}"
GRID_SIZE = Parameter(is_grid_size, GRID_SIZE_TEXT)
COUNT_OR_NONE = Parameter(
    _is_none_or(is_count), "an int of at least 1, or None", quick=_QUICK_COUNT
)
AT_LEAST_0 = Parameter(is_finite, "a finite number of at least 0", quick=QUICK_AT_LEAST_0)
AT_LEAST_0_OR_EVIDENCE = Parameter(
    lambda value: is_evidence(value) or is_finite(value),
    "a finite number of at least 0, or 'evidence'",
    quick=QUICK_AT_LEAST_0,
)
ABOVE_0 = Parameter(is_positive, "a finite number above 0")
ABOVE_0_OR_NONE = Parameter(_is_none_or(is_positive), "a finite number above 0, or None")
CALLBACK = Parameter(_is_none_or(callable), "a callable or None")
MAX_MEMORY = Parameter(is_memory, "a number of bytes of at least 0, or None")
RANDOM_STATE = Parameter(
    _is_random_state, "an int from 0 to 2**32 - 1, a numpy.random.RandomState or None"
)
PENALTY_FACTOR = Parameter(
    _is_none_or(is_array_like), "an array-like of shape (n_features,), or None"
)
PRIOR_MEAN = Parameter(
    _is_none_or(is_array_like),
    "an array-like of shape (n_features,) or (n_targets, n_features), or None",
)
PENALTY_MATRIX = Parameter(
    lambda value: value is None or is_array_like(value) or is_sparse(value),
    "an array-like or sparse matrix of shape (n_features, n_features), or None",
)
PENALTY_MATRICES = Parameter(
    lambda value: PENALTY_MATRIX.holds(value) or isinstance(value, Mapping),
    "an array-like or sparse matrix of shape (n_features, n_features), a mapping of names of groups"
    " to matrices, a list of them, or None",
)
BOUND = Parameter(_is_bound, "a number, an array-like of shape (n_features,), or None")
CLASS_WEIGHT = Parameter(_is_class_weight, "a dict, 'balanced' or None")
SELECTION = Parameter(is_in(("cyclic", "random")), "'cyclic' or 'random'")
SELECT = Parameter(_any, "", _check_select)
