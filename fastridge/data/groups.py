"""Groups of features: labels, lists of columns, or a mapping of names to columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class FeatureGroups(NamedTuple):
    """A partition of the features.

    Attributes
    ----------
    names : ndarray (g,)
        Name of each group.
    codes : ndarray (p,), dtype intp
        Group of each feature, a number into `names`.
    """

    names: NDArray[Any]
    codes: NDArray[np.intp]


_EXPECTED = (
    "an array of a label per feature, a list of lists of columns or of slices, a mapping of names"
    " to columns, 'each' for one group per feature, or None for one group"
)


def check_groups(groups: Any, n_features: int, columns: Any = None) -> FeatureGroups:
    """Turn what a user says of groups into a number for each feature.

    Parameters
    ----------
    groups : array-like of shape (n_features,), list, mapping, "each" or None
        A label for each feature, of which those that are equal are a group; or columns for each
        group: their numbers, names, a boolean mask or a slice. "each": one group per feature.
        None: one group.
    n_features : int
    columns : ndarray of shape (n_features,) or None
        Names of the columns.

    Returns
    -------
    FeatureGroups
        Groups of labels are sorted by label; others keep their order.

    Raises
    ------
    ValueError
        If a group is empty, or a feature is in none or in several.
    TypeError
        If `groups` or a column is of another type.

    Examples
    --------
    >>> from fastridge.data.groups import check_groups
    >>> check_groups(["a", "b", "a"], 3).codes
    array([0, 1, 0])
    >>> check_groups({"first": slice(2), "last": [2]}, 3).names
    array(['first', 'last'], dtype=object)
    """
    if groups is None:
        return FeatureGroups(_names(["all"]), np.zeros(n_features, dtype=np.intp))
    if isinstance(groups, str):
        if groups != "each":
            raise ValueError(f"groups is {groups!r}; expected {_EXPECTED}.")
        names = np.arange(n_features) if columns is None else np.array(columns, dtype=object)
        return FeatureGroups(names, np.arange(n_features))
    if isinstance(groups, Mapping):
        return _of_columns(list(groups), list(groups.values()), n_features, columns)
    if isinstance(groups, (list, tuple)) and any(_is_collection(part) for part in groups):
        return _of_columns(list(range(len(groups))), list(groups), n_features, columns)
    if not (hasattr(groups, "__len__") or hasattr(groups, "__array__")):
        raise TypeError(f"groups is {groups!r}; expected {_EXPECTED}.")
    labels = np.asarray(groups)
    if labels.shape != (n_features,):
        raise ValueError(
            f"groups has shape {labels.shape}; expected ({n_features},): one label per feature."
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("groups has labels that are NaN or infinite; expected a label each.")
    try:
        names, codes = np.unique(labels, return_inverse=True)
    except TypeError:
        raise TypeError(
            "groups has labels of types that do not compare; expected all strings or all numbers."
        ) from None
    return FeatureGroups(names, codes.astype(np.intp).reshape(-1))


def _names(values: Sequence[Any]) -> NDArray[np.object_]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _is_collection(part: Any) -> bool:
    return isinstance(part, (slice, list, tuple, range, set, np.ndarray)) or (
        hasattr(part, "__len__") and not isinstance(part, (str, bytes))
    )


def _of_columns(names: list[Any], parts: list[Any], p: int, columns: Any) -> FeatureGroups:
    codes = np.full(p, -1, dtype=np.intp)
    for g, (name, part) in enumerate(zip(names, parts, strict=True)):
        chosen = _columns_of(name, part, p, columns)
        if not len(chosen):
            raise ValueError(f"group {name!r} is empty; expected at least one feature in each.")
        if len(np.unique(chosen)) < len(chosen):
            raise ValueError(f"group {name!r} has a feature twice; expected each once.")
        taken = chosen[codes[chosen] >= 0]
        if len(taken):
            other = names[codes[taken[0]]]
            raise ValueError(
                f"feature {_name(taken[0], columns)} is in groups {other!r} and {name!r}; expected"
                " each in one."
            )
        codes[chosen] = g
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise ValueError(
            f"feature {_name(missing[0], columns)} is in no group, and {len(missing)} are; expected"
            " each in one. A penalty_factor of 0 leaves a feature without a penalty."
        )
    return FeatureGroups(_names(names), codes)


def _name(j: Any, columns: Any) -> str:
    return str(int(j)) if columns is None else repr(columns[j])


def _columns_of(name: Any, part: Any, p: int, columns: Any) -> NDArray[np.intp]:
    """The numbers of the columns of a group."""
    if isinstance(part, slice):
        if any(isinstance(v, str) for v in (part.start, part.stop)):
            # names: both ends belong to it, as in pandas
            first = 0 if part.start is None else _number(name, part.start, p, columns)
            last = p - 1 if part.stop is None else _number(name, part.stop, p, columns)
            return np.arange(first, last + 1, part.step)
        try:
            return np.arange(p)[part]
        except TypeError:
            raise TypeError(
                f"group {name!r} is {part!r}; expected a slice of numbers or names."
            ) from None
    if isinstance(part, (str, Integral)) and not isinstance(part, (bool, np.bool_)):
        part = [part]
    if not _is_collection(part):
        raise TypeError(
            f"group {name!r} is {part!r}; expected columns: numbers, names, a mask or a slice."
        )
    if getattr(part, "dtype", None) == np.bool_ or (
        isinstance(part, list) and part and all(type(v) is bool for v in part)
    ):
        mask = np.asarray(part)
        if mask.shape != (p,):
            raise ValueError(
                f"group {name!r} is a mask of shape {mask.shape}; expected ({p},), the features."
            )
        return np.flatnonzero(mask)
    return np.array([_number(name, v, p, columns) for v in part], dtype=np.intp)


def _number(name: Any, column: Any, p: int, columns: Any) -> int:
    if isinstance(column, Integral) and not isinstance(column, (bool, np.bool_)):
        j = int(column)
        if not -p <= j < p:
            raise ValueError(f"group {name!r} has column {j}; expected one of the {p} of X.")
        return j % p
    if isinstance(column, str):
        found: Any = [] if columns is None else np.flatnonzero(np.asarray(columns) == column)
        if len(found) != 1:
            what = "X has no column names" if columns is None else f"X has {len(found)} such"
            raise ValueError(f"group {name!r} has column {column!r}, and {what}; expected one.")
        return int(found[0])
    raise TypeError(f"group {name!r} has {column!r}; expected numbers or names of columns.")
