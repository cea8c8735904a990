"""Rows sorted by group, windows over them, and scaling so that squares are in range."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import _rolling
from ..._matrix import Matrix
from ...data.groups import codes_of_rows
from ...quadratic.range import exponents, largest

_NEAR = 100  # largest exponent of data whose sums of squares are far inside the range of float64


class Series(NamedTuple):
    """Rows sorted by group, and the ends of windows."""

    order: NDArray[np.int64] | None  # row of each position; None: the position
    starts: NDArray[np.int64]  # positions where groups begin, and the end
    row: NDArray[np.int64]  # last row of each window
    window_of: NDArray[np.int64] | None  # window that ends at each row, or -1; None: the row number
    longest: int

    def rows(self, places: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the rows at these positions."""
        return places if self.order is None else self.order[places]

    @classmethod
    def of(cls, groups: Any, n: int, step: int) -> Series:
        order = None
        starts = np.array([0, n], dtype=np.int64)
        if groups is not None:
            codes = codes_of_rows(groups, n)
            order = np.argsort(codes, kind="stable").astype(np.int64, copy=False)
            ordered = codes[order]
            changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
            starts = np.concatenate([[0], changes, [n]]).astype(np.int64, copy=False)
            if (order[1:] > order[:-1]).all():
                order = None
        longest = int(np.diff(starts).max())
        if step == 1:
            return cls(order, starts, np.arange(n, dtype=np.int64), None, longest)
        place = np.arange(n) - np.repeat(starts[:-1], np.diff(starts))
        ends = np.flatnonzero((place + 1) % step == 0)
        rows = np.sort(ends if order is None else order[ends]).astype(np.int64, copy=False)
        window_of = np.full(n, -1, dtype=np.int64)
        window_of[rows] = np.arange(len(rows))
        return cls(order, starts, rows, window_of, longest)


class Problem(NamedTuple):
    """A series and its windows, checked."""

    X: NDArray[Any]
    y: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    factor: NDArray[np.float64]
    fit_intercept: bool
    series: Series
    window: int  # no longer than the longest group
    all_rows: bool
    step: int
    least: int  # rows of positive weight that a fit needs
    half_life: float | None
    tol: float

    def decay(self) -> NDArray[np.float64] | None:
        """Return the weights of rows 0, 1, ... positions back, for the kernels."""
        if self.half_life is None:
            return None
        length = max(self.window, _rolling.BLOCK_ROWS, self.step) + 1
        return faded(np.arange(length), self.half_life)


def faded(back: Any, half_life: float) -> NDArray[np.float64]:
    """Return the relative weights of rows that are `back` positions back."""
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.exp2(-np.asarray(back, dtype=np.float64) / half_life))


class Scaled(NamedTuple):
    """Data times powers of two, which is exact: x_j 2^of_x_j, y 2^of_y."""

    X: NDArray[Any]
    y: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    factor: NDArray[np.float64]
    of_x: NDArray[np.intp]
    of_y: int
    is_scaled: bool
    looked: bool


def scaled(problem: Problem, look: bool) -> Scaled:
    """Return the data scaled to be near 1 where they are far from it; columns only with `look`."""
    X, y, weight, factor = problem.X, problem.y, problem.weight, problem.factor
    p = X.shape[1]
    of_x = np.zeros(p, dtype=np.intp)
    if look:
        of_x = -exponents(largest(Matrix.from_dense(X), weight))
        of_x[np.abs(of_x) <= _NEAR] = 0
    of_y = -int(exponents(max(y.max(), -y.min())))
    of_y = 0 if abs(of_y) <= _NEAR else of_y
    of_w = 0 if weight is None else -int(exponents(weight.max()))
    of_w = 0 if abs(of_w) <= _NEAR else of_w
    if of_x.any():
        X = np.ldexp(X.astype(np.float64), of_x)
    if of_y:
        y = np.ldexp(y, of_y)
    if of_w and weight is not None:
        weight = np.ldexp(weight, of_w)
    if of_x.any() or of_w:
        with np.errstate(over="ignore", under="ignore"):
            # alpha' = 2^(2 a + c) alpha
            factor = np.minimum(np.ldexp(factor, 2 * of_x + of_w), 1e300)
    return Scaled(X, y, weight, factor, of_x, of_y, bool(of_x.any() or of_y or of_w), look)
