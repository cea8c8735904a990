"""Groups of features: labels, lists of columns, or names of columns; and of rows, by labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .inputs import is_sparse, note_foreign


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
    """Convert groups in any accepted form to a group number for each feature.

    Parameters
    ----------
    groups : array-like of shape (n_features,), list, mapping, "each" or None
        A label for each feature, where equal labels form a group, in the order of the features or,
        for a Series indexed by names of columns, of its names; or the columns of each group: their
        numbers, names, a boolean mask or a slice. "each": one group per feature. None: one
        group.
    n_features : int
    columns : ndarray of shape (n_features,) or None
        Names of the columns.

    Returns
    -------
    FeatureGroups
        Groups given by labels are sorted by label; others keep their order.

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
    if isinstance(groups, (bytes, set, frozenset)) or not (
        hasattr(groups, "__len__") or hasattr(groups, "__array__")
    ):
        raise TypeError(f"groups is {groups!r}; expected {_EXPECTED}.")
    return _of_labels(_in_order(groups, columns), n_features, "feature")


def _in_order(groups: Any, columns: Any) -> Any:
    """Return labels in the order of the columns, if they are a Series indexed by column names."""
    index = None if isinstance(groups, (list, np.ndarray)) else getattr(groups, "index", None)
    if columns is None or index is None or callable(index):
        return groups
    names = list(index)
    if not names or not all(isinstance(name, str) for name in names):
        return groups
    place = {name: i for i, name in enumerate(names)}
    missing = [name for name in columns if name not in place]
    if missing or len(names) != len(columns):
        what = f"lacks {missing[0]!r}" if missing else f"has {len(names)} names"
        raise ValueError(
            f"groups is a Series whose index {what}; expected the {len(columns)} column names of X,"
            " in any order."
        )
    note_foreign()
    return np.asarray(groups)[[place[name] for name in columns]]


def codes_of_rows(groups: Any, n_samples: int) -> NDArray[np.intp]:
    """Number the groups of the rows, in the order of their labels.

    Parameters
    ----------
    groups : array-like of shape (n_samples,)
        Label of each row's group; labels compare with each other.
    n_samples : int

    Returns
    -------
    ndarray of shape (n_samples,), dtype intp

    Raises
    ------
    ValueError
        If `groups` has another shape, or a label is NaN.
    TypeError
        If labels do not compare.
    """
    return _of_labels(groups, n_samples, "row").codes


def _of_labels(groups: Any, size: int, unit: str) -> FeatureGroups:
    """Return groups from a label for each feature or row, sorted by label."""
    if not isinstance(groups, np.ndarray):
        note_foreign()
    labels = group_labels(groups, unit)
    if labels.shape != (size,):
        raise ValueError(
            f"groups has shape {labels.shape}; expected ({size},): a label for each {unit}."
        )
    try:
        names, codes = np.unique(labels, return_inverse=True)
    except TypeError:
        raise TypeError(
            "groups has labels that cannot be compared with each other; expected all strings or"
            " all numbers."
        ) from None
    return FeatureGroups(names, codes.astype(np.intp, copy=False).reshape(-1))


def group_labels(groups: Any, unit: str) -> NDArray[Any]:
    """Return an array of labels; raise if some are missing, or only some are strings."""
    if is_sparse(groups):
        raise TypeError(
            f"groups is a sparse {type(groups).__name__}; expected an array of a label for each"
            f" {unit}."
        )
    if np.ma.isMaskedArray(groups) and np.ma.getmaskarray(groups).any():
        raise ValueError("groups is a masked array with masked values; fill or drop them.")
    try:
        labels = np.asarray(groups)
    except (TypeError, ValueError) as error:
        raise TypeError(f"groups cannot be read as an array of labels: {error}") from None
    kind = labels.dtype.kind
    if kind == "O" or (kind in "US" and not isinstance(groups, np.ndarray)):
        # NumPy would turn the numbers and NaN of a mixed list into strings
        parts = np.asarray(groups, dtype=object).ravel()
        strings = sum(isinstance(label, str) for label in parts)
        if strings and strings < len(parts):
            odd = next(label for label in parts if not isinstance(label, str))
            raise TypeError(
                f"groups has strings and the label {odd!r}; expected all strings or all numbers."
            )
        if kind == "O":
            odd = [label for label in parts if isinstance(label, (list, tuple, np.ndarray))]
            if odd:
                raise TypeError(
                    f"groups has the label {odd[0]!r}; expected a finite number or a string for"
                    " each."
                )
            labels = np.asarray(parts.tolist()).reshape(labels.shape)
    if labels.dtype.kind not in "biufUSMmO":
        raise TypeError(
            f"groups has labels of dtype {labels.dtype}; expected strings or real numbers."
        )
    missing = np.zeros(labels.shape, bool)
    if labels.dtype.kind == "f":
        missing = ~np.isfinite(labels)
    elif labels.dtype.kind in "Mm":
        missing = np.isnat(labels)
    elif labels.dtype.kind == "O":
        missing = np.array([_is_missing(label) for label in labels.flat]).reshape(labels.shape)
    if missing.any():
        raise ValueError(
            f"groups has the label {labels[missing][0]} at {unit} {np.flatnonzero(missing)[0]};"
            " expected a finite number or a string for each."
        )
    return labels


def _is_missing(label: Any) -> bool:
    """Return whether an object is None, or NaN or NA of any library: not equal to itself."""
    try:
        return label is None or bool(label != label)
    except (TypeError, ValueError):
        return True


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
            raise ValueError(
                f"groups[{name!r}] is empty; expected at least one feature in each group."
            )
        if len(np.unique(chosen)) < len(chosen):
            raise ValueError(f"groups[{name!r}] has a feature twice; expected each feature once.")
        taken = chosen[codes[chosen] >= 0]
        if len(taken):
            other = names[codes[taken[0]]]
            raise ValueError(
                f"groups has feature {_name(taken[0], columns)} in {other!r} and in {name!r};"
                " expected each feature in one group."
            )
        codes[chosen] = g
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise ValueError(
            f"groups has no group for {len(missing)} feature(s), of which"
            f" {_name(missing[0], columns)} is the first; expected each feature in one group. Use"
            " penalty_factor 0 for features without a penalty."
        )
    return FeatureGroups(_names(names), codes)


def _name(j: Any, columns: Any) -> str:
    return str(int(j)) if columns is None else repr(columns[j])


def _columns_of(name: Any, part: Any, p: int, columns: Any) -> NDArray[np.intp]:
    """Return the numbers of the columns of a group."""
    if isinstance(part, slice):
        return _columns_of_slice(name, part, p, columns)
    if isinstance(part, str) or _is_whole(part):
        part = [part]
    if not _is_collection(part):
        raise TypeError(
            f"groups[{name!r}] is {part!r}; expected columns: numbers, names, a mask or a slice."
        )
    if getattr(part, "dtype", None) == np.bool_ or (
        isinstance(part, list) and part and all(type(v) is bool for v in part)
    ):
        mask = np.asarray(part)
        if mask.shape != (p,):
            raise ValueError(
                f"groups[{name!r}] is a mask of shape {mask.shape}; expected ({p},), one element"
                " per feature."
            )
        return np.flatnonzero(mask)
    return np.array([_number(name, v, p, columns) for v in part], dtype=np.intp)


def _columns_of_slice(name: Any, part: slice, p: int, columns: Any) -> NDArray[np.intp]:
    ends = (part.start, part.stop, part.step)
    if any(isinstance(end, str) for end in ends[:2]):
        # a slice of names includes both ends, as in pandas
        first = None if part.start is None else _number(name, part.start, p, columns)
        last = None if part.stop is None else _number(name, part.stop, p, columns) + 1
        ends = (first, last, part.step)
    if part.step == 0 or any(not (end is None or _is_whole(end)) for end in ends):
        raise TypeError(f"groups[{name!r}] is {part!r}; expected a slice of numbers or names.")
    if any(end is not None and not -p <= end <= p for end in ends[:2]):
        raise ValueError(
            f"groups[{name!r}] is {part!r}; expected bounds within the {p} columns of X."
        )
    return np.arange(p)[slice(*ends)]


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def _number(name: Any, column: Any, p: int, columns: Any) -> int:
    if _is_whole(column):
        j = int(column)
        if not -p <= j < p:
            raise ValueError(
                f"groups[{name!r}] has column {j}; expected one of the {p} columns of X."
            )
        return j % p
    if isinstance(column, str):
        found: Any = [] if columns is None else np.flatnonzero(np.asarray(columns) == column)
        if len(found) != 1:
            what = "X has no column names" if columns is None else f"X has {len(found)} such"
            raise ValueError(
                f"groups[{name!r}] has column {column!r}, but {what}; expected exactly one."
            )
        return int(found[0])
    raise TypeError(f"groups[{name!r}] has {column!r}; expected numbers or names of columns.")
