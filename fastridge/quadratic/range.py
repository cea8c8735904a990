"""Refuse data whose squares leave the range of float64, and weights that lose rows in sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix

# sums of squares between these have products in the range of float64; see src/matrix/range.h
LEAST, MOST = 2.0**-400, 2.0**400
# between these their products neither overflow nor underflow
_LEAST_PRODUCT, MOST_PRODUCT = 2.0**-500, 2.0**500
# between these sums of squares keep their digits
_LEAST_SUM, _MOST_SUM = 2.0**-960, 2.0**1000
_LIGHT = 1e-8  # weight of a light row, over the largest
_FAR_LIGHTER = 1e-10  # the same where a variance may be 0 though light rows vary; see matrix.h
_LOST = 1e-6  # share of the sums of light rows that may be round-off
_SMALL = 2.0**-470  # magnitude below which squares may be below _LEAST_SUM

_WIDE = 1e12  # mean squares of columns above it, or below its inverse, need float64

_ROWS = 1 << 20  # elements checked at a time
_TOO_LARGE = (
    "{} is too large: sums of its squares overflow float64, or nearly so; expected smaller"
    " numbers: divide them by their largest magnitude."
)
_TOO_SMALL = (
    "{} too small: sums of its squares underflow float64, or nearly so; expected larger numbers:"
    " divide them by their largest magnitude."
)


def suits_single(squares: NDArray[np.float64]) -> bool:
    """Return whether products of columns with these mean squares keep their digits in float32."""
    live = squares[squares > 0]
    return not len(live) or bool(live.min() >= 1.0 / _WIDE and live.max() <= _WIDE)


def largest(A: Matrix, weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return the largest magnitude in each column (p,), over rows of positive weight."""
    n, p = A.shape
    peak = np.zeros(p)
    dead = None if weight is None or weight.all() else weight == 0
    if A.is_sparse:
        values, indices, indptr = A.arrays
        values = np.abs(values)
        if dead is not None:
            rows = indices if A.kind == "csc" else np.repeat(np.arange(n), np.diff(indptr))
            values[dead[rows]] = 0.0
        if A.kind == "csc":
            filled = np.flatnonzero(np.diff(indptr))
            if len(filled):
                peak[filled] = np.maximum.reduceat(values, indptr[filled])
        else:
            np.maximum.at(peak, indices, values)
        return peak
    X = A.arrays[0]
    step = max(1, _ROWS // p)
    for i in range(0, n, step):
        part = np.abs(X[i : i + step])
        if dead is not None:
            part[dead[i : i + step]] = 0.0
        np.maximum(peak, part.max(axis=0), out=peak)
    return peak


def exponents(x: Any) -> NDArray[np.intp]:
    """Return the least e with |x| < 2^e; 0 for x = 0."""
    return np.frexp(x)[1].astype(np.intp)


def squares_leave_range(squares, mean, total, peaks, least=LEAST, most=MOST) -> bool:
    """Return whether centred sums of squares (p,) overflow, or underflow though columns vary.

    peaks: a function that returns the largest magnitudes; called only where sums do not decide.
    """
    if not (squares <= most).all() or not least <= total <= most:
        return True
    small = squares < least
    if small.any():
        # a constant column is one of zero variance whose squared mean does not underflow
        small &= (squares > 0) | (total * mean**2 < least)
    return bool(small.any() and peaks()[small].any())


def require_range(
    A, Y, squares, mean, total, yy, fit_intercept, weight=None, products=True
) -> None:
    """Raise if sums of squares or their products are out of range.

    squares (p,), yy (k,): sums for the columns of A and Y (n, k), about their means with an
    intercept; total: the sum of the weights (n,).
    """
    least, most = (_LEAST_PRODUCT, MOST_PRODUCT) if products else (_LEAST_SUM, _MOST_SUM)
    if (
        least <= np.minimum.reduce(squares)
        and np.maximum.reduce(squares) <= most
        and least <= np.minimum.reduce(yy)
        and np.maximum.reduce(yy) <= most
        and least <= total <= most
    ):
        return
    if not least <= total <= most:
        raise ValueError(
            f"sample_weight sums to {total:.3g}; expected weights whose products with squares of X"
            " and y are within the range of float64."
        )
    for name, found in (("X", squares), ("y", yy)):
        if not (found <= most).all():
            raise ValueError(_TOO_LARGE.format(name))
    if squares_leave_range(squares, mean, total, lambda: largest(A, weight), least, most):
        raise ValueError(_TOO_SMALL.format("X has a column that is"))
    small = yy < least
    given = Y[:, small]
    if (given != (given[:1] if fit_intercept else 0.0)).any():
        near = np.abs(given).max(axis=0) ** 2 * total < least
        if ((yy[small] > 0) | near).any():
            raise ValueError(_TOO_SMALL.format("y is"))


def require_sum_products(xx: float, yy: float) -> None:
    """Raise if the product of the sums of squares of X and y overflows or underflows."""
    if xx > 0 and yy > 0 and not _LEAST_SUM <= xx * yy <= _MOST_SUM:
        name = "X" if abs(np.log2(xx)) > abs(np.log2(yy)) else "y"
        text = _TOO_SMALL if xx * yy < 1 else _TOO_LARGE
        raise ValueError(text.format(name if xx * yy > 1 else f"{name} is"))


def require_squares(xx: float) -> None:
    """Raise if a sum of squares of X overflows."""
    if not xx <= _MOST_SUM:
        raise ValueError(_TOO_LARGE.format("X"))


def require_sums(A, y, xx, yy, fit_intercept) -> None:
    """Raise if the total sum of squares xx of A, or yy of y (n, ...), overflows or underflows."""
    if _LEAST_SUM <= xx <= _MOST_SUM and _LEAST_SUM <= yy <= _MOST_SUM:
        return
    for name, found in (("X", xx), ("y", yy)):
        if not found <= _MOST_SUM:
            raise ValueError(_TOO_LARGE.format(name))
    if xx < _LEAST_SUM and 0 < largest(A).max() < _SMALL:
        raise ValueError(_TOO_SMALL.format("X is"))
    if yy < _LEAST_SUM and 0 < np.abs(y).max() < _SMALL and not (fit_intercept and _constant(y)):
        raise ValueError(_TOO_SMALL.format("y is"))


def _constant(y) -> bool:
    return bool((y == y[0]).all())


def weight_levels(weight: NDArray[np.float64] | None, n: int) -> NDArray[np.float64]:
    """Group row weights (n,) into levels (m, 3): largest weight, number of rows, sum of weights.

    Weights of one level are within a factor of 1e8, or of 2 where there are several levels. None
    stands for ones.
    """
    if weight is None:
        return np.array([[1.0, n, n]])
    most = weight.max()
    live = weight if weight.min() >= _LIGHT * most else weight[weight > 0]
    if live is weight or live.min() >= _LIGHT * most:
        return np.array([[most, len(live), live.sum()]])
    exponent = exponents(live)
    exponent -= exponent.min()
    count = np.bincount(exponent)
    seen = np.flatnonzero(count)
    top = np.zeros(len(count))
    np.maximum.at(top, exponent, live)
    return np.stack([top, count, np.bincount(exponent, live)], axis=1)[seen]


def joined_levels(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], sign: int
) -> NDArray[np.float64]:
    """Return the weight levels (see `weight_levels`) of ours plus, with sign -1 minus, theirs."""
    if len(ours) == 1 and len(theirs) == 1 and ours[0, 0] == theirs[0, 0]:
        levels = ours + sign * theirs
        levels[0, 0] = ours[0, 0]
        return levels
    levels = np.concatenate([ours, theirs * (1.0, sign, sign)])
    place = np.frexp(levels[:, 0])[1]
    place -= place.min(initial=0)
    top = np.zeros(place.max(initial=-1) + 1)
    np.maximum.at(top, place, levels[:, 0])
    rows, sums = np.bincount(place, levels[:, 1]), np.bincount(place, levels[:, 2])
    return np.stack([top, rows, sums], axis=1)[rows > 0]


def has_light_rows(weight: NDArray[np.float64] | None) -> bool:
    """Return whether light rows may vary where sums take a column for constant; see matrix.h."""
    if weight is None:
        return False
    live = weight[weight > 0]
    return bool(live.min(initial=np.inf) < _FAR_LIGHTER * live.max(initial=0.0))


def weight_with_rounding(levels: NDArray[np.float64]) -> float:
    """Return the weight of the rows whose squares about the mean have round-off.

    A single row that outweighs the others is the place about which sums are taken, exactly.
    """
    light = levels[:, 0] < _FAR_LIGHTER * levels[:, 0].max(initial=0.0)
    alone = light.any() and levels[~light, 1].sum() == 1
    return float(levels[light if alone else slice(None), 2].sum())


def lost_rows(levels: NDArray[np.float64], p: int) -> str | None:
    """Return a message if sums of squares of p features lose the light rows; else None.

    With one heavy row, about which the sums are taken, the others lose nothing; with more heavy
    rows than features, light rows do not matter.
    """
    if len(levels) < 2:
        return None
    most = levels[:, 0].max()
    light = levels[:, 0] < _LIGHT * most
    heavy, rest = int(levels[~light, 1].sum()), float(levels[light, 2].sum())
    lost = float(np.finfo(np.float64).eps) * float(levels[:, 2].sum())
    if not (2 <= heavy <= p and rest > 0 and lost > _LOST * rest):
        return None
    return (
        f"sample_weight has {heavy} rows of weights up to {most:.3g}; the other rows, whose weights"
        f" sum to {rest:.3g}, are lost to rounding in sums of squares; expected weights that differ"
        " less, or a fit of the rows themselves."
    )


def require_light_rows(levels: NDArray[np.float64], p: int) -> None:
    """Raise if sums of squares keep only the few heaviest rows."""
    lost = lost_rows(levels, p)
    if lost is not None:
        raise ValueError(lost)


def unit_sum(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights over their sum, which may overflow."""
    with np.errstate(over="ignore"):
        total = weight.sum()
    if not LEAST <= total <= MOST:
        weight = np.ldexp(weight, -int(exponents(weight.max())))
        total = weight.sum()
    return weight / total


def require_moments(squares, yy) -> None:
    """Raise if products of the sums of squares (p,) and (k,) of moments are out of range."""
    for name, found in (("X", squares), ("y", yy)):
        if (
            len(found)
            and np.minimum.reduce(found) >= _LEAST_PRODUCT
            and np.maximum.reduce(found) <= MOST_PRODUCT
        ):
            continue
        if not (found <= MOST_PRODUCT).all():
            raise ValueError(_TOO_LARGE.format(name))
        if ((found > 0) & (found < _LEAST_PRODUCT)).any():
            raise ValueError(_TOO_SMALL.format("X has a column that is" if name == "X" else "y is"))


def require_penalties(alphas: NDArray[np.float64]) -> None:
    """Raise if the square of a penalty overflows float64."""
    most = np.maximum.reduce(alphas, initial=0.0)
    if most > MOST_PRODUCT:
        raise ValueError(
            f"alphas is too large: it reaches {most:.3g}; expected at most {MOST_PRODUCT:.3g}, so"
            " that squares do not overflow float64."
        )
