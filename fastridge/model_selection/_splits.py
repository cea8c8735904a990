"""Split rows into training rows and held-out rows."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.groups import codes_of_rows
from ..data.inputs import as_real, note_foreign

Rows = NDArray[np.intp]


class OneOut:
    """Split that leaves out one row of positive weight; training rows are computed on access."""

    __slots__ = ("live", "position")
    whole = True

    def __init__(self, live: Rows, position: int) -> None:
        self.live, self.position = live, position

    @property
    def train(self) -> Rows:
        return np.delete(self.live, self.position)

    @property
    def test(self) -> Rows:
        return self.live[self.position : self.position + 1]


class Split(NamedTuple):
    """Rows of one fold; `whole`: each row of positive weight is in exactly one of the two."""

    train: Rows
    test: Rows
    whole: bool


def make_splits(
    cv: Any,
    n: int,
    X: Any,
    y: Any,
    groups: Any,
    weight: NDArray[np.float64] | None,
    labels: Any,
    metadata: dict[str, Any] | None = None,
) -> list[Split]:
    """Return the folds of `cv`.

    Parameters
    ----------
    cv : int, splitter or iterable of (train, test)
        An int of at least 2: folds of consecutive rows, as scikit-learn's ``KFold``; stratified by
        class with `labels`; of whole groups with `groups`.
    n : int
        Number of rows.
    X, y : any
        Arguments of ``cv.split``.
    groups : array-like of shape (n,) or None
    weight : ndarray of shape (n,) or None
    labels : ndarray of shape (n,), integer, or None
        Codes of the classes.
    metadata : dict or None
        Keyword arguments of ``cv.split`` in place of `groups`.

    Raises
    ------
    ValueError, TypeError
        If `cv` is not what is expected, or a fold has no row to train on or to hold out.
    """
    names = None if groups is None else codes_of_rows(groups, n)
    if not isinstance(cv, Integral):
        note_foreign()
    if isinstance(cv, Integral) and not isinstance(cv, bool):
        count = int(cv)
        if not 2 <= count <= n:
            raise ValueError(
                f"cv is {count} for {n} samples; expected 2 to the number of samples: n_samples={n}"
                f" is less than n_splits={count}."
                if count > n
                else f"cv is {count}; expected at least 2 folds."
            )
        if names is not None:
            fold = _whole_groups(names, count, weight)
        elif labels is not None:
            fold = _by_class(labels, count)
        else:
            # the first n % count folds have one row more
            sizes = np.full(count, n // count)
            sizes[: n % count] += 1
            fold = np.repeat(np.arange(count), sizes)
        pairs: Iterable[Any] = (
            (np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(count)
        )
    elif hasattr(cv, "split") and not isinstance(cv, str):
        pairs = cv.split(X, y, groups) if metadata is None else cv.split(X, y, **metadata)
        if not isinstance(pairs, Iterable):
            raise TypeError(
                f"cv.split returned {pairs!r}; expected an iterable of (train, test) rows."
            )
    elif isinstance(cv, Iterable) and not isinstance(cv, str):
        pairs = cv
    else:
        raise ValueError(
            "Expected `cv` as an integer, a cross-validation object (from"
            " sklearn.model_selection), or an iterable of (train, test) rows; for ridge also 'loo'"
            f" or 'gcv'. Got {cv!r}."
        )
    splits = [_split(pair, n, weight, i) for i, pair in enumerate(pairs)]
    if not splits:
        raise ValueError("cv yields no folds; expected at least one.")
    kept = [s for s in splits if weight is None or weight[s.test].any()]
    if not kept:
        raise ValueError("cv holds out no rows of positive weight; expected at least one.")
    return kept


def hold_out(
    share: float, n: int, groups: Any, labels: Any, rng: np.random.Generator
) -> list[Split]:
    """Return one split that holds out a share of the rows, groups or each class at random."""
    if groups is not None:
        names = codes_of_rows(groups, n)
        order = rng.permutation(names.max() + 1)
        held = np.isin(names, order[: max(1, round(share * len(order)))])
    else:
        held = np.zeros(n, dtype=bool)
        codes = np.zeros(n, dtype=np.intp) if labels is None else labels
        for code in np.unique(codes):
            shuffled = rng.permutation(np.flatnonzero(codes == code))
            held[shuffled[: round(share * len(shuffled))]] = True
        if not held.any():
            held[rng.integers(n)] = True
    if held.all():
        raise ValueError(
            f"validation={share:g} holds out all {n} samples; expected a smaller share."
        )
    return [Split(np.flatnonzero(~held), np.flatnonzero(held), True)]


def check_share(validation: Any) -> float:
    """Check and return the share of the rows to hold out."""
    if (
        isinstance(validation, bool)
        or not isinstance(validation, Real)
        or not 0 < as_real(validation) < 1
    ):
        raise ValueError(
            f"validation is {validation!r}; expected a number between 0 and 1, (X, y),"
            " (X, y, sample_weight) or None."
        )
    return float(validation)


def _by_class(labels: Rows, count: int) -> Rows:
    """Return folds stratified by class, the same as scikit-learn's ``StratifiedKFold``."""
    classes, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    if sizes.max() < count:
        raise ValueError(
            f"cv is {count}, but the largest class has {sizes.max()} samples: n_splits={count}"
            " cannot be greater than the number of members in each class."
        )
    fold = np.empty(len(labels), dtype=np.intp)
    place = 0
    for code, size in sorted(
        zip(classes, sizes, strict=True), key=lambda c: first[classes == c[0]]
    ):
        # rows sorted by class are dealt out in turn, and those of a class then put in order
        fold[labels == code] = np.sort((place + np.arange(size)) % count)
        place += size
    return fold


def _whole_groups(names: Rows, count: int, weight: NDArray[np.float64] | None) -> Rows:
    """Assign groups to folds, from the heaviest down, each to the fold lightest so far."""
    sizes = np.bincount(names, weights=weight)
    if len(sizes) < count:
        raise ValueError(f"groups has {len(sizes)} groups; expected at least cv={count}.")
    return whole_groups(sizes, count)[names]


def whole_groups(sizes: NDArray[Any], count: int) -> Rows:
    """Return the fold of each group, of which `sizes` are the weights."""
    load, fold = np.zeros(count), np.empty(len(sizes), dtype=np.intp)
    for group in np.argsort(-sizes, kind="stable"):
        fold[group] = lightest = int(load.argmin())
        load[lightest] += sizes[group]
    return fold


def pair_of_rows(pair: Any, n: int, i: int) -> tuple[Rows, Rows]:
    """Return the checked rows of fold i, to train on and to test on."""
    try:
        train, test = (_rows(part, n) for part in pair)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"element {i} of cv is not a pair of (train, test) rows: {error}"
        ) from None
    return train, test


def _split(pair: Any, n: int, weight: NDArray[np.float64] | None, i: int) -> Split:
    train, test = pair_of_rows(pair, n, i)
    for name, rows in (("train", train), ("test", test)):
        if not len(rows):
            raise ValueError(f"fold {i} of cv has no {name} rows; expected at least one.")
    if weight is not None and not weight[train].any():
        raise ValueError(
            f"all train rows of fold {i} of cv have weight 0; expected at least one positive"
            " weight."
        )
    seen = np.bincount(np.concatenate([train, test]), minlength=n)
    alike = seen == 1
    if weight is not None:
        alike |= weight == 0
    return Split(train, test, bool(alike.all()))


def _rows(part: Any, n: int) -> Rows:
    rows = np.asarray(part)
    if rows.dtype == bool and rows.shape == (n,):
        return np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.dtype.kind not in "iu" and rows.size):
        raise ValueError(f"expected integer rows of one dimension; got {rows.dtype} {rows.shape}")
    rows = rows.astype(np.intp)
    if rows.size and not (-n <= rows.min() and rows.max() < n):
        raise ValueError(f"expected rows from 0 to {n - 1}; got {rows.min()} to {rows.max()}")
    return np.where(rows < 0, rows + n, rows)
