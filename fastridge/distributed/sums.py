"""Partial sums of passes: what travels between parts, all of it arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix
from ..data.check import check_design, check_target, feature_names
from ..data.groups import group_labels
from ..data.labels import as_labels, weights_of_classes
from ..data.parameters import non_negative
from ..data.parts import Part, Sum, row_count
from ..data.rows import take_rows
from ..moments import Moments

Array = NDArray[np.float64]


class Weights(Sum):
    """Total weight of each label of an argument."""

    def __init__(
        self, labels: NDArray[Any], weight: NDArray[np.float64], argument: str = "y"
    ) -> None:
        self.labels, self.weight, self.argument = labels, weight, argument

    def add(self, other: Weights) -> None:
        if (self.labels.dtype.kind in "US") != (other.labels.dtype.kind in "US"):
            raise ValueError(
                f"{self.argument} has labels of dtype {self.labels.dtype} in one part and"
                f" {other.labels.dtype} in another; expected strings in all parts, or numbers in"
                " all."
            )
        joined = np.concatenate([self.labels, other.labels])
        labels, code = np.unique(joined, return_inverse=True)
        weight = np.concatenate([self.weight, other.weight])
        self.labels = labels
        self.weight = np.bincount(code, weight, len(labels)).astype(np.float64)

    def of(self, classes: NDArray[Any], factors: Array | None) -> Array:
        """Return the weight of each class, of which the labels are some, times its factor."""
        weight = np.zeros(len(classes))
        weight[places_of(self.labels, classes, self.argument)] = self.weight
        return weight if factors is None else weight * factors


def require_weight(total: float) -> None:
    """Refuse data without weight."""
    if not total > 0:
        raise ValueError(
            "sample_weight is zero for every sample; expected at least one positive weight."
        )


class Totals(Sum):
    """Sums of arrays or numbers."""

    def __init__(self, *values: Any) -> None:
        self.values = [np.asarray(value, np.float64) for value in values]

    def add(self, other: Totals) -> None:
        for ours, theirs in zip(self.values, other.values, strict=True):
            if ours.shape != theirs.shape:
                raise ValueError(
                    f"sums have shape {theirs.shape}; expected {ours.shape}, as in the parts"
                    " before."
                )
        self.values = [a + b for a, b in zip(self.values, other.values, strict=True)]


class Many(Sum):
    """Sums of several requests."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def add(self, other: Many) -> None:
        for ours, theirs in zip(self.values, other.values, strict=True):
            ours.add(theirs)


class Count(Sum):
    """Numbers of rows by part, and the weight of each group where there are groups."""

    def __init__(self, lengths: list[tuple[int, int]], groups: Weights | None) -> None:
        self.lengths, self.groups = lengths, groups

    def add(self, other: Count) -> None:
        self.lengths += other.lengths
        if self.groups is not None and other.groups is not None:
            self.groups.add(other.groups)
        elif other.groups is not None:
            self.groups = other.groups


class LabelCounts(Sum):
    """Labels of each part, in the order of their first rows, with their numbers of rows.

    Attributes
    ----------
    weights : Weights or None
        Total weight of each label; None where no part has rows.
    parts : list of (int, ndarray, ndarray)
        Number of the part, its labels, and how many rows each has.
    lengths : list of int
        Rows of each part.
    has_groups : bool
    """

    def __init__(self, weights: Weights | None, parts: list[Any], has_groups: bool) -> None:
        self.weights, self.parts, self.has_groups = weights, parts, has_groups

    def add(self, other: LabelCounts) -> None:
        if self.weights is None:
            self.weights = other.weights
        elif other.weights is not None:
            self.weights.add(other.weights)
        self.parts += other.parts
        self.has_groups |= other.has_groups

    @property
    def lengths(self) -> list[int]:
        return [int(counts.sum()) for _, _, counts in sorted(self.parts, key=lambda one: one[0])]

    def by_class(self) -> tuple[NDArray[Any], Array, NDArray[np.intp], NDArray[np.intp]]:
        """Return classes, ranks of their first rows, rows of each before each part, and in all."""
        assert self.weights is not None
        classes = self.weights.labels
        ordered = sorted(self.parts, key=lambda one: one[0])
        first = np.full(len(classes), np.inf)
        before = np.zeros((len(ordered) + 1, len(classes)), np.intp)
        seen = 0
        for i, (_, labels, counts) in enumerate(ordered):
            codes = np.searchsorted(classes, labels)
            before[i + 1] = before[i]
            before[i + 1, codes] += counts
            for rank, code in enumerate(codes):
                first[code] = min(first[code], seen + rank)
            seen += len(codes)
        return classes, first, before[:-1], before[-1]


def label_counts_of(part: Part) -> LabelCounts:
    """Return the labels of a part, and how often each is there."""
    n = row_count(part.X)
    has_groups = part.groups is not None
    if n == 0:
        return LabelCounts(None, [(part.number, np.empty(0), np.zeros(0, np.intp))], has_groups)
    labels, first, counts = np.unique(labels_of(part, n), return_index=True, return_counts=True)
    order = np.argsort(first)
    return LabelCounts(
        weights_of(part, "y", True), [(part.number, labels[order], counts[order])], has_groups
    )


def count_of(part: Part, targets: Targets | None = None) -> Count:
    """Return the number of rows of a part, empty ones too, and the weights of its groups.

    targets: of classes, whose weights count.
    """
    if targets is not None and part.groups is not None and row_count(part.X):
        part = with_targets(part, targets)
    groups = None if part.groups is None else weights_of(part, "groups", True)
    return Count([(part.number, row_count(part.X))], groups)


def weights_of(part: Part, field: str, weighted: bool) -> Weights | None:
    """Return the total weight, or the number of rows, of each label in a field of a part."""
    n = row_count(part.X)
    if n == 0:
        return None
    values = labels_of(part, n) if field == "y" else column(getattr(part, field), n, field)
    labels, code = np.unique(values, return_inverse=True)
    weight = weights_of_rows(part, n) if weighted else None
    return Weights(labels, np.bincount(code, weight, len(labels)).astype(np.float64), field)


def design_of(part: Part) -> Matrix:
    """Return X of a part, checked but for NaN and infinity of dense data."""
    return part.X if isinstance(part.X, Matrix) else check_design(part.X, finite=False)


def weights_of_rows(part: Part, n: int) -> NDArray[np.float64] | None:
    """Return the checked weights of the n rows of a part, or None."""
    if part.weight is None:
        return None
    return non_negative(part.weight, n, "sample_weight", "sample", scalar=True)


def labels_of(part: Part, n: int) -> NDArray[Any]:
    """Return the labels of a part, after the checks that a local fit does."""
    labels = as_labels(part.y, n)
    if labels.ndim != 1:
        raise ValueError(f"y has shape {labels.shape}; expected ({n},) class labels.")
    return labels


def codes_of(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.intp]:
    """Return the positions of labels among the classes, which hold all of them."""
    return places_of(labels, classes, "y")


def places_of(labels: NDArray[Any], known: NDArray[Any], name: str) -> NDArray[np.intp]:
    """Return the positions of labels among those of an earlier pass; refuse others."""
    if (known.dtype.kind in "US") != (labels.dtype.kind in "US"):
        places, unknown = np.zeros(len(labels), np.intp), np.ones(len(labels), bool)
    else:
        places = np.searchsorted(known, labels)
        unknown = known[np.minimum(places, len(known) - 1)] != labels
    if unknown.any():
        raise ValueError(
            f"{name} has the label {labels[unknown].tolist()[0]!r}, which it had not in an earlier"
            " pass; expected the same data in each pass."
        )
    return places


def class_weights(
    classes: NDArray[Any], weight: NDArray[np.float64], given: Any
) -> NDArray[np.float64]:
    """Return the factor of each class; given: a dict or "balanced"."""
    if isinstance(given, str):
        share = np.where(weight > 0, weight, 1.0) * len(classes)
        return np.asarray(weight.sum() / share)
    return weights_of_classes(classes, given)


def refuse_others(part: Part, *names: str) -> None:
    """Refuse values of rows that a fit does not take."""
    for name in names:
        if getattr(part, name) is not None:
            raise ValueError(f"{name} is given, but this fit does not use it; expected None.")


def column(values: Any, n: int, name: str) -> NDArray[Any]:
    """Return a value for each row as a vector."""
    if values is None:
        raise ValueError(f"{name} is None; expected one value per row of X.")
    found = group_labels(values, "row") if name == "groups" else np.asarray(values)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.shape != (n,):
        raise ValueError(
            f"{name} has shape {found.shape}; expected ({n},): one value per row of X."
        )
    return found


class GroupFolds:
    """The fold of each label of `groups`."""

    def __init__(self, labels: NDArray[Any], fold: NDArray[np.intp]) -> None:
        self.labels, self.fold = labels, fold


class ClassFolds:
    """Folds stratified by class, as of scikit-learn's ``StratifiedKFold``.

    Attributes
    ----------
    classes : ndarray (k,)
    before : ndarray (k,)
        Rows of each class in the parts before.
    ends : ndarray (k, count)
        Number of rows of each class in the folds up to each one.
    """

    def __init__(self, classes: NDArray[Any], before: NDArray[Any], ends: NDArray[Any]) -> None:
        self.classes, self.before, self.ends = classes, before, ends

    def fold_of(self, labels: NDArray[Any]) -> NDArray[np.intp]:
        code = codes_of(labels, self.classes)
        fold = np.empty(len(code), np.intp)
        for c, ends in enumerate(self.ends):
            rows = np.flatnonzero(code == c)
            if len(rows) > ends[-1] - self.before[c]:
                raise ValueError(
                    f"y has {len(rows)} rows of the class {self.classes.tolist()[c]!r}, more than"
                    " in an earlier pass; expected the same data in each pass."
                )
            fold[rows] = np.searchsorted(ends, self.before[c] + np.arange(len(rows)), "right")
        return fold


class HashedRows(NamedTuple):
    """Folds by a hash of the row's number.

    Attributes
    ----------
    splitter : HashedKFold
    start : int or None
        Number of the first row; None: that of the part.
    """

    splitter: Any
    start: int | None


def fold_of_rows(part: Part, folds: Any, n: int) -> NDArray[np.intp]:
    """Return the fold of each row of a part: of its group, its class, its number, or given."""
    if isinstance(folds, GroupFolds):
        groups = column(part.groups, n, "groups")
        return folds.fold[places_of(groups, folds.labels, "groups")]
    if isinstance(folds, ClassFolds):
        return folds.fold_of(labels_of(part, n))
    if isinstance(folds, HashedRows):
        fold: NDArray[np.intp] = folds.splitter.folds_of(
            part.start if folds.start is None else folds.start, n
        )
        return fold
    if isinstance(folds, list):
        fold = np.empty(n, np.intp)
        for number, begin, end in folds:
            fold[begin:end] = number
        return fold
    return np.asarray(folds)


def rows_of(part: Part, folds: Any, n: int) -> Iterator[tuple[int, NDArray[np.intp] | slice]]:
    """Yield folds with their rows in a part."""
    if isinstance(folds, list):
        for number, begin, end in folds:
            yield number, slice(begin, end)
        return
    fold = fold_of_rows(part, folds, n)
    for i in np.flatnonzero(np.bincount(fold)):
        yield int(i), np.flatnonzero(fold == i)


class MomentSum(Sum):
    """Moments of each fold; a single one where there are no folds."""

    def __init__(self, parts: list[Moments]) -> None:
        self.parts = parts

    def add(self, other: MomentSum) -> None:
        for ours, theirs in zip(self.parts, other.parts, strict=True):
            ours += theirs


def moments_of(
    part: Part, targets: Targets | None, most: float, otherwise: Any = None
) -> Sum | None:
    """Return the moments of a part.

    Beyond `most` columns, the result is that of ``otherwise(part)``, or an error.
    """
    if row_count(part.X) == 0:
        return None
    refuse_others(part, "offset", "exposure", "groups")
    if targets is not None:
        part = with_targets(part, targets)
    shape: Any = getattr(part.X, "shape", ())
    if len(shape) == 2 and shape[1] > most:
        if otherwise is None:
            raise ValueError(too_wide(shape[1], most))
        found: Sum = otherwise(part)
        return found
    return MomentSum([Moments(part.X, part.y, part.weight)])


def too_wide(p: int, most: float) -> str:
    """Return the message for more columns than moments have room for."""
    return (
        f"X has {p} columns, but the memory allowed is that of moments of {int(most)}; expected"
        " fewer columns, a larger max_memory where the estimator has it, or Ridge or"
        " RidgeClassifier, which are then fitted by conjugate gradients."
    )


def fold_moments_of(
    part: Part, count: int, folds: Any, most: float, targets: Targets | None = None
) -> MomentSum | None:
    """Return the moments of the rows of each of `count` folds; see `rows_of`."""
    n = row_count(part.X)
    if n == 0:
        return None
    refuse_others(part, "offset", "exposure")
    by_fold = list(rows_of(part, folds, n))
    if targets is not None:
        part = with_targets(part, targets)
    names = feature_names(part.X)
    A = design_of(part)
    if A.n_columns > most:
        raise ValueError(too_wide(A.n_columns, most))
    Y = check_target(part.y, n)
    weight = weights_of_rows(part, n)
    parts = [Moments() for _ in range(count)]
    for fold, rows in by_fold:
        y, w = np.asfortranarray(Y[rows]), None if weight is None else weight[rows]
        moments = Moments._of_matrix(take_rows(A, rows), y, w)
        moments.feature_names = names
        parts[fold] += moments
    return MomentSum(parts)


class Targets(NamedTuple):
    """The classes of labels, which become targets of -1 and 1, and their weights or None."""

    classes: NDArray[Any]
    class_weight: NDArray[np.float64] | None


def with_targets(part: Part, targets: Targets) -> Part:
    """Return a part with a target of -1 and 1 for each class, or for the second of two."""
    n, (classes, class_weight) = row_count(part.X), targets
    code = codes_of(labels_of(part, n), classes)
    weight = weights_of_rows(part, n)
    if class_weight is not None:
        by_class = class_weight[code]
        weight = by_class if weight is None else weight * by_class
    if len(classes) <= 2:
        y: Any = np.where(code == 1, 1.0, -1.0)
    else:
        y = np.where(code[:, None] == np.arange(len(classes)), 1.0, -1.0)
    return part._replace(y=y, weight=weight)
