"""Folds of data in parts: each row is held out once, by the fold that local fits have it in."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.parts import Parts
from ..model_selection._hashed import HashedKFold
from ..model_selection._splits import pair_of_rows, whole_groups
from .sums import ClassFolds, Count, GroupFolds, HashedRows, LabelCounts, Targets, count_of

FOLDS = 5  # where cv is None


def fold_count(cv: Any) -> int:
    """Return the number of folds of an int; of others, which tell later, the default."""
    if not isinstance(cv, Integral):
        return FOLDS
    if isinstance(cv, bool) or cv < 2:
        raise ValueError(f"cv is {cv}; expected at least 2 folds.")
    return int(cv)


def make_folds(
    parts: Parts,
    cv: Any,
    lengths: list[int] | None = None,
    has_groups: bool = False,
    targets: Targets | None = None,
) -> tuple[int, Any, Any]:
    """Return the number of folds, and what `rows_of` needs for all parts, and for each.

    Parameters
    ----------
    parts : Parts
    cv : int or splitter
        An int: consecutive rows, as scikit-learn's ``KFold``, or whole groups. A splitter has to
        hold out each row once; it is asked with the number of rows alone.
    lengths : list of int or None
        Rows of each part, where they are known.
    has_groups : bool
        Whether rows are known to have groups.
    targets : Targets or None
        Classes, whose weights make groups heavier.

    Raises
    ------
    ValueError
        If `cv` is not as described.
    """
    fold_count(cv)
    if isinstance(cv, HashedKFold):
        if parts.in_order:
            return cv.n_splits, HashedRows(cv, None), None
        lengths = lengths or parts.lengths or lengths_of(parts)
        starts = np.cumsum([0, *lengths[:-1]])
        return cv.n_splits, None, [HashedRows(cv, int(start)) for start in starts]
    lengths = lengths or parts.lengths
    if lengths is None or has_groups or parts.has_groups:
        counted = parts.sum(count_of, targets)
        lengths = [n for _, n in sorted(counted.lengths)]
        if counted.groups is not None and isinstance(cv, Integral):
            labels, weight = counted.groups.labels, counted.groups.weight
            if len(labels) < int(cv):
                raise ValueError(f"groups has {len(labels)} groups; expected at least cv={cv}.")
            return int(cv), GroupFolds(labels, whole_groups(weight, int(cv))), None
    n = sum(lengths)
    if isinstance(cv, Integral):
        count = int(cv)
        if count > n:
            raise ValueError(f"cv is {count} for {n} samples; expected 2 to n_samples={n}.")
        sizes = np.full(count, n // count)
        sizes[: n % count] += 1
        ends = np.cumsum(sizes)
        starts = np.cumsum([0, *lengths[:-1]])
        return count, None, [_runs(ends, int(a), m) for a, m in zip(starts, lengths, strict=True)]
    fold = _of_splitter(cv, n)
    return int(fold.max()) + 1, None, np.split(fold, np.cumsum(lengths[:-1]))


def lengths_of(parts: Parts) -> list[int]:
    """Return the number of rows of each part, by a pass."""
    counted: Count = parts.sum(count_of)
    return [n for _, n in sorted(counted.lengths)]


def class_folds(
    parts: Parts, cv: Any, labels: LabelCounts, targets: Targets | None = None
) -> tuple[int, Any, Any]:
    """Return folds as `make_folds` does, for classes: an int is stratified where no groups are."""
    fold_count(cv)
    if not isinstance(cv, Integral) or labels.has_groups:
        return make_folds(parts, cv, labels.lengths, labels.has_groups, targets)
    count, n = int(cv), sum(labels.lengths)
    if count > n:
        raise ValueError(f"cv is {count} for {n} samples; expected 2 to n_samples={n}.")
    classes, first, before, sizes = labels.by_class()
    if sizes.max() < count:
        raise ValueError(
            f"cv is {count}, but the largest class has {sizes.max()} samples: n_splits={count}"
            " cannot be greater than the number of members in each class."
        )
    ends = np.empty((len(classes), count), np.intp)
    place = 0
    for c in np.argsort(first, kind="stable"):
        # rows sorted by class are dealt out in turn, and those of a class then put in order
        dealt = (place + np.arange(count)) % count
        share = np.empty(count, np.intp)
        share[dealt] = (sizes[c] - np.arange(count) + count - 1) // count
        ends[c] = np.cumsum(share)
        place += int(sizes[c])
    return count, None, [ClassFolds(classes, one, ends) for one in before]


def _runs(ends: NDArray[np.intp], start: int, n: int) -> list[tuple[int, int, int]]:
    """Return the folds that rows start to start + n are in: (fold, first, end) within the part."""
    begins = np.r_[0, ends[:-1]]
    live = np.flatnonzero((begins < start + n) & (ends > start))
    return [(int(i), max(int(begins[i]) - start, 0), min(int(ends[i]) - start, n)) for i in live]


def _split(cv: Any, n: int) -> Iterable[Any]:
    """Yield the folds of a splitter that is asked with the number of rows alone."""
    try:
        yield from cv.split(np.zeros((n, 1)))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"cv is {cv!r}; for data in parts, expected an int, which keeps groups whole and"
            " stratifies classes, or a splitter that needs no more than the number of rows:"
            f" {error}"
        ) from error


def _of_splitter(cv: Any, n: int) -> NDArray[np.int32]:
    if hasattr(cv, "split") and not isinstance(cv, str):
        pairs = _split(cv, n)
    elif isinstance(cv, Iterable) and not isinstance(cv, str):
        pairs = cv
    else:
        raise ValueError(
            "Expected `cv` as an integer, a cross-validation object (from sklearn.model_selection),"
            f" or an iterable of (train, test) rows. Got {cv!r}."
        )
    fold, seen = np.zeros(n, np.int32), np.zeros(n, np.intp)
    i = -1
    for i, pair in enumerate(pairs):
        train, test = pair_of_rows(pair, n, i)
        seen[test] += 1
        fold[test] = i
        if len(train) + len(test) != n:
            raise ValueError(
                f"cv trains fold {i} on {len(train)} of the {n - len(test)} other rows; for data in"
                " parts, expected folds that train on all other rows."
            )
    if i < 0:
        raise ValueError("cv yields no folds; expected at least one.")
    if not (seen == 1).all():
        raise ValueError(
            f"cv holds out row {int(np.argmax(seen != 1))} {seen[seen != 1][0]} times; for data in"
            " parts, expected folds that hold out each row once."
        )
    return fold
