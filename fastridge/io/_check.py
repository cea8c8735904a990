"""Check that the fields of a model belong together, before it is written and when it is read."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..data.inputs import is_sparse
from ..losses import Loss
from ._classes import class_of

# Kinds of arrays and of scalars: letters of their dtypes, whether they must be finite, and a text.
_NUMBERS = {
    "real": ("f", True, "finite floats"),
    "number": ("f", False, "floats"),
    "real64": ("f", True, "finite float64"),
    "number64": ("f", False, "float64"),
    "count": ("iu", False, "whole numbers of at least 0"),
    "int": ("i", False, "whole numbers"),
    "index": ("iu", False, "numbers of features"),
    "bool": ("b", False, "booleans"),
    "labels": ("biufmMSUO", False, "labels"),
    "names": ("O", False, "str"),
}
_TYPES = {
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "float": float,
    "Loss": Loss,
    "str": str,
    "None": type(None),
}

Dimensions = dict[str, Any]


class Kind(NamedTuple):
    """One alternative of a specification: its name, and its axes; None for a value without any."""

    name: str
    axes: tuple[str, ...] | None


@functools.cache
def _parsed(specification: str) -> tuple[Kind, ...]:
    kinds = []
    for text in specification.split("|"):
        name, bracket, axes = text.partition("[")
        kinds.append(Kind(name, tuple(axes[:-1].split(",")) if bracket else None))
    return tuple(kinds)


def _lengths(axes: tuple[str, ...], shape: tuple[int, ...], known: Dimensions) -> Dimensions | None:
    """Return the dimensions that `shape` adds to the known ones, or None where it contradicts."""
    new: Dimensions = {}
    left = list(axes)
    stars = [i for i, axis in enumerate(left) if axis[0] in "*?"]
    if stars:
        star = left[stars[0]]
        extra = len(shape) - (len(left) - 1)
        if extra < 0 or (star[0] == "?" and extra > 1):
            return None
        at = stars[0]
        found = shape[at : at + extra]
        if known.get(star, found) != found:
            return None
        new[star] = found
        left[at : at + 1] = []
        shape = shape[:at] + shape[at + extra :]
    if len(left) != len(shape):
        return None
    for axis, length in zip(left, shape, strict=True):
        if axis == "+":
            continue
        expected = int(axis) if axis.isdigit() else {**known, **new}.get(axis, length)
        if expected != length:
            return None
        if not axis.isdigit():
            new[axis] = length
    return new


def _numbers(value: Any, kind: Kind, known: Dimensions) -> Dimensions | None:
    letters, finite, _ = _NUMBERS[kind.name]
    if type(value) in (bool, int, float) or isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
    else:
        return None
    # numbers of a parameter may be stored as they were given
    if array.dtype.kind not in (letters + "iu" if not array.ndim and letters == "f" else letters):
        return None
    if array.dtype.kind == "f" and array.ndim:
        wide = kind.name.endswith("64")
        if array.dtype != np.float64 and (wide or array.dtype != np.float32):
            return None
    if not array.dtype.isnative:
        return None
    new = _lengths(kind.axes or (), array.shape, known)
    if new is None:
        return None
    if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
        return None
    if kind.name in ("count", "index") and array.size and array.min() < 0:
        return None
    if kind.name == "index" and array.size and array.max() >= known["p"]:
        return None
    if kind.name == "names" and not all(type(name) is str for name in array):
        return None
    return new


def _match(value: Any, kind: Kind, known: Dimensions) -> Dimensions | None:
    """Return the dimensions that a value adds, or None where it is not of a kind."""
    name, axes = kind
    if name in _NUMBERS:
        return _numbers(value, kind, known)
    if name == "any":
        return {}
    if name.startswith("="):
        whole = type(value) is int or isinstance(value, np.integer)
        if not whole or value < 1 or known.get(name[1:], value) != value:
            return None
        return {name[1:]: int(value)}
    if name == "sparse":
        if not is_sparse(value) or not np.isfinite(value.data).all():
            return None
        return _lengths(axes or (), value.shape, known)
    if name == "dtype":
        found = isinstance(value, np.dtype) and value in (np.float32, np.float64)
        return {} if found else None
    if name in _TYPES:
        return {} if isinstance(value, _TYPES[name]) else None
    return {} if name in (c.__name__ for c in type(value).__mro__) and class_of(value) else None


def _described(kind: Kind, known: Dimensions) -> str:
    name, axes = kind
    if name.startswith("="):
        return f"the number of features {name[1:]}={known.get(name[1:], 'any')}"
    of = _NUMBERS[name][2] if name in _NUMBERS else name
    if axes is None:
        return f"a scalar of {of}" if name in _NUMBERS else name
    lengths = [f"{axis}={known[axis]}" if axis in known else axis for axis in axes]
    return f"an array of {of} of shape ({', '.join(lengths)})"


def shown(value: Any) -> str:
    """Return what a value is, for messages."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    text = repr(value) if type(value) in (bool, int, float, str) else type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."


def check(
    fields: Mapping[str, Any], specifications: Mapping[str, str], known: Dimensions | None = None
) -> Dimensions:
    """Raise ValueError, with a field's name, for fields that are not as specified.

    Returns
    -------
    dict
        The length of each dimension.
    """
    known = dict(known or {})
    for name, specification in specifications.items():
        key = name.rstrip("?")
        if key not in fields:
            if name == key:
                raise ValueError(f"{key} is missing; expected it in a fitted model")
            continue
        kinds = _parsed(specification)
        for kind in kinds:
            new = _match(fields[key], kind, known)
            if new is not None:
                known.update(new)
                break
        else:
            expected = " or ".join(_described(kind, known) for kind in kinds)
            raise ValueError(f"{key} must be {expected}; found {shown(fields[key])}")
    return known


def require(condition: bool, name: str, expected: str) -> None:
    if not condition:
        raise ValueError(f"{name} must be {expected}")
