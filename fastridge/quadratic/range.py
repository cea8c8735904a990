"""Data whose squares leave the range of float64, brought into it by powers of two.

With X' = 2^a X, y' = 2^b y and weights s' = 2^c s, the problem with the penalty alpha' = 2^(2a + c)
alpha has the solution w' = 2^(b - a) w and the objective f' = 2^(2b + c) f. Powers of two round
nothing, so that the result is that of the data as they came. A column far smaller than the largest
gets a power of its own, which its penalty factor makes up for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix

# sums of squares between these have products in the range of float64; see src/matrix/range.h
LEAST, MOST = 2.0**-400, 2.0**400
# between these they have products at all
_LEAST_PRODUCT, _MOST_PRODUCT = 2.0**-500, 2.0**500
# and these are sums of squares that keep their digits
_LEAST_SUM, _MOST_SUM = 2.0**-960, 2.0**1000
_LIGHT = 1e-8  # weight of a light row, over the largest
_LOST = 1e-6  # share of sums of light rows that may be rounding
_SMALL = 2.0**-470  # numbers whose squares may be below _LEAST_SUM

_NEAR = 100  # exponents of data whose sums of squares stay far inside that range
_HUGE = 600  # exponent of a penalty beside which squares of columns are rounding
_ALONE = 160  # least exponent for that
_ROWS = 1 << 20  # elements looked at together
_TOO_LARGE = (
    "{} is too large: it has sums of squares beyond float64, or close to that; expected numbers"
    " that can be squared: divide them by their largest magnitude."
)
_TOO_SMALL = (
    "{} too small: its sums of squares vanish in float64, or come close to that; expected numbers"
    " that can be squared: divide them by their largest magnitude."
)


def largest(A: Matrix, weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Largest magnitude in each column (p,), of the rows that have weight."""
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


def _exponent(x: Any) -> NDArray[np.intp]:
    """The least e with |x| < 2^e; 0 of 0."""
    return np.frexp(x)[1].astype(np.intp)


def _far(e: Any) -> Any:
    """The power of two that brings 2^e to 1, 0 where it is near."""
    return np.where(np.abs(e) > _NEAR, -e, 0)


def _log2(x: Any) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.log2(x)


def squares_leave_range(squares, mean, total, peaks, least=LEAST, most=MOST) -> bool:
    """Whether sums of squares (p,) about the means overflow, or vanish though columns vary.

    peaks: a function that gives the largest magnitudes, which are asked for in doubt.
    """
    if not (squares <= most).all() or not least <= total <= most:
        return True
    small = squares < least
    if small.any():
        # a constant column is told by its mean, which does not vanish when squared
        small &= (squares > 0) | (total * mean**2 < least)
    return bool(small.any() and peaks()[small].any())


def require_range(
    A, Y, squares, mean, total, yy, fit_intercept, weight=None, products=True
) -> None:
    """Refuse sums of squares that are out of range, or whose products are.

    squares (p,), yy (k,): of columns of A and Y (n, k), about their means with an intercept; total:
    the sum of the weights (n,).
    """
    least, most = (_LEAST_PRODUCT, _MOST_PRODUCT) if products else (_LEAST_SUM, _MOST_SUM)
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
            f"sample_weight sums to {total:.3g}; expected numbers of a usual scale, which have"
            " products with squares of X and y."
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
    """Refuse sums of squares of X and y whose product overflows or vanishes."""
    if xx > 0 and yy > 0 and not _LEAST_SUM <= xx * yy <= _MOST_SUM:
        name = "X" if abs(np.log2(xx)) > abs(np.log2(yy)) else "y"
        text = _TOO_SMALL if xx * yy < 1 else _TOO_LARGE
        raise ValueError(text.format(name if xx * yy > 1 else f"{name} is"))


def require_sums(A, y, xx, yy, fit_intercept) -> None:
    """Refuse data all of whose squares overflow or vanish: xx of A together, yy of y (n, ...)."""
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
    """Weights (n,) of rows, None: ones, as levels (m, 3): largest weight, rows and their sum.

    Rows of one level weigh alike but for a factor of 1e8, or of 2 where there are several.
    """
    if weight is None:
        return np.array([[1.0, n, n]])
    most = weight.max()
    live = weight if weight.min() >= _LIGHT * most else weight[weight > 0]
    if live is weight or live.min() >= _LIGHT * most:
        return np.array([[most, len(live), live.sum()]])
    exponent = _exponent(live)
    exponent -= exponent.min()
    count = np.bincount(exponent)
    seen = np.flatnonzero(count)
    top = np.zeros(len(count))
    np.maximum.at(top, exponent, live)
    return np.stack([top, count, np.bincount(exponent, live)], axis=1)[seen]


def lost_rows(levels: NDArray[np.float64], p: int) -> str | None:
    """Say what rows are lost in sums of squares of p features, which keep the few heaviest alone.

    Beside one heavy row, at which the sums are placed, the others lose nothing; beside more than
    there are features, they do not matter.
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
        f"sample_weight has {heavy} rows that weigh up to {most:.3g}, beside which the sums of"
        f" the others, of weight {rest:.3g} together, are lost to rounding; expected weights"
        " that are less unlike, or a fit of the data themselves."
    )


def require_light_rows(levels: NDArray[np.float64], p: int) -> None:
    """Refuse weights of which sums of squares keep the few heaviest rows alone."""
    lost = lost_rows(levels, p)
    if lost is not None:
        raise ValueError(lost)


def unit_sum(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights over their sum, which may be beyond the largest number."""
    with np.errstate(over="ignore"):
        total = weight.sum()
    if not LEAST <= total <= MOST:
        weight = np.ldexp(weight, -int(_exponent(weight.max())))
        total = weight.sum()
    return weight / total


def require_moments(squares, yy) -> None:
    """Refuse sums of squares (p,) and (k,) of moments that do not have products in range."""
    for name, found in (("X", squares), ("y", yy)):
        if (
            len(found)
            and np.minimum.reduce(found) >= _LEAST_PRODUCT
            and np.maximum.reduce(found) <= _MOST_PRODUCT
        ):
            continue
        if not (found <= _MOST_PRODUCT).all():
            raise ValueError(_TOO_LARGE.format(name))
        if ((found > 0) & (found < _LEAST_PRODUCT)).any():
            raise ValueError(_TOO_SMALL.format("X has a column that is" if name == "X" else "y is"))


class Scaled:
    """A ridge problem with its data scaled; see `scale`."""

    def __init__(
        self, A, Y, weight, penalty, alpha, *, solution, target, objective, own, fit_intercept
    ):
        self.A, self.Y, self.weight, self.penalty, self.alpha = A, Y, weight, penalty, alpha
        self._solution, self._target, self._objective = solution, target, objective
        self._fit_intercept = fit_intercept
        self.has_own = own  # whether columns have powers of their own

    def scale_coef(self, coef: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coefficients (p,) or (k, p) of the given data in the units of the scaled."""
        with np.errstate(over="ignore"):
            return np.ldexp(coef, -self._solution if coef.ndim == 2 else -self._solution[0])

    def restore(self, result: Any) -> None:
        """Turn a result of the scaled data into that of the given."""
        single = result.coef.ndim == 1
        at = 0 if single else slice(None)
        with np.errstate(over="ignore", under="ignore"):
            coef = np.ldexp(result.coef, self._solution[at])
            intercept = np.ldexp(result.intercept, self._target[at])
            objective = np.ldexp(result.objective, self._objective[at])
            back = np.ldexp(coef, -self._solution[at])
        for name, found in (("coef", coef), ("intercept", intercept), ("objective", objective)):
            if not np.isfinite(found).all():
                raise ValueError(
                    f"y is too large{' beside X' if name == 'coef' else ''}: the {name} overflows"
                    f" {found.dtype}; expected numbers of a smaller scale."
                )
        size = np.abs(coef).max(axis=-1, initial=0.0)
        if ((size < np.finfo(coef.dtype).tiny) & result.coef.any(axis=-1)).any():
            raise ValueError(
                f"y is too small beside X: the coef vanishes in {coef.dtype}; expected numbers of"
                " a larger scale."
            )
        if coef.dtype == np.float32 and (back != result.coef).any():
            self._certify(result, back)
        result.coef = coef
        result.intercept = intercept.item() if single and coef.dtype == np.float64 else intercept
        result.objective = float(objective) if single else objective

    def _certify(self, result: Any, coef: NDArray[Any]) -> None:
        """Take the relative gradient at other coefficients, which float32 rounds further."""
        from .problem import RidgeProblem

        problem = RidgeProblem(
            self.A, self.Y, self.alpha, self.weight, self.penalty, self._fit_intercept, False
        )
        gradient, _ = problem.evaluate(np.atleast_2d(coef).T.astype(np.float64))
        relative = problem.relative(gradient, problem.gradient_at_zero())
        result.relative_gradient = float(relative[0]) if coef.ndim == 1 else relative


def scale(
    A: Matrix,
    Y: NDArray[np.float64],
    alpha: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    penalty: NDArray[np.float64] | None,
    standardize: bool,
    fit_intercept: bool,
    peaks: NDArray[np.float64],
) -> Scaled | None:
    """Scale a problem into range; None where it is there already.

    The penalty factors that come back include the variances of columns that are standardised.
    """
    n, p = A.shape
    k = 1 if Y.ndim == 1 else Y.shape[1]
    flat = Y.reshape(n, k)
    at_most = 0 if weight is None else int(_exponent(weight.max()))
    c = int(_far(at_most))
    weight = weight if not c else np.ldexp(weight, c)
    b = _far(_exponent(np.abs(flat).max(axis=0)))
    # squares of float32 are in range, and coefficients are to be float32, too
    a = 0 if A.is_float32 else int(_far(_exponent(peaks.max())))
    alphas = np.broadcast_to(alpha, (k,))
    d = np.ones(p) if penalty is None else penalty
    # exponents of the penalties in units of the scaled data
    shift = c + (0 if standardize else 2 * a)
    own = np.zeros(p, dtype=np.intp)
    small = (peaks > 0) & (_exponent(peaks) + a < -_NEAR) & (not A.is_float32)
    if small.any():
        # up to -_NEAR, or to where a penalty takes over
        own[small] = -_NEAR - (_exponent(peaks[small]) + a)
        if (alphas > 0).any() and (alphas == 0).any():
            raise ValueError(
                "X has columns that are too small beside the others for an alpha that is 0 for some"
                " targets alone; expected columns of a similar scale."
            )
        if not standardize and alphas.any():
            least = _log2(alphas.min()) + shift + _log2(d[small])
            room = np.floor(np.maximum(-least, 0.0) / 2)
            own[small] = np.minimum(own[small], np.minimum(room, 2000.0)).astype(np.intp)
    power = a + own
    in_range = not (c or b.any() or power.any())
    if in_range and not alphas.max() > _MOST_PRODUCT:
        return None
    A = _scaled_matrix(A, power) if power.any() else A
    if standardize:
        variance = A.column_stats(weight)[1]
        # a constant column counts as one of variance 1 in its own units
        log_d = _log2(d) + np.where(variance > 0, _log2(variance), 2.0 * power)
        d = np.where(variance > 0, variance * d, np.ldexp(d, np.minimum(2 * power, 1000)))
    else:
        log_d = _log2(d) + 2.0 * own
        if own.any() and alphas.any():
            d = np.ldexp(d, np.minimum(2 * own, 1000))
    # penalties that overflow shrink as 1 / alpha, so that less of them can be taken
    log_alpha = _log2(alphas) + shift
    top = np.maximum(log_alpha + log_d.max(), log_alpha)
    less = np.where(np.isfinite(top), np.ceil(np.maximum(top - _HUGE, 0.0)), 0.0).astype(np.intp)
    positive = log_d[np.isfinite(log_d)]
    if less.any() and (log_alpha - less)[less > 0].min() + positive.min() < _ALONE:
        if in_range:
            return None
        raise ValueError(
            "alpha, with penalty_factor, is too large beside the squares of X, and not for all"
            " features; expected penalties that float64 holds in units of these squares."
        )
    scaled_alpha = np.ldexp(alphas, shift - less)
    # no penalty, however small, becomes none
    scaled_alpha = np.where(alphas > 0, np.maximum(scaled_alpha, 2.0**-1000), 0.0)
    if b.any():
        flat = np.asfortranarray(np.ldexp(flat, b))
    penalised = (d > 0).astype(np.intp)
    return Scaled(
        A,
        flat[:, 0] if Y.ndim == 1 else flat,
        weight,
        d,
        scaled_alpha,
        solution=(power - b[:, np.newaxis] - less[:, np.newaxis] * penalised).astype(np.int32),
        target=(-b).astype(np.int32),
        objective=(-2 * b - c).astype(np.int32),
        own=bool(own.any()),
        fit_intercept=fit_intercept,
    )


def require_penalties(alphas: NDArray[np.float64]) -> None:
    """Refuse penalties that float64 cannot square."""
    most = alphas.max(initial=0.0)
    if most > _MOST_PRODUCT:
        raise ValueError(
            f"alphas is too large: it reaches {most:.3g}; expected penalties of at most"
            f" {_MOST_PRODUCT:.3g}, whose squares float64 holds."
        )


def _scaled_matrix(A: Matrix, power: NDArray[np.intp]) -> Matrix:
    """A copy with each column times 2^power."""
    if A.is_sparse:
        values, indices, indptr = A.arrays
        by_column = A.kind == "csc"
        each = np.repeat(power, np.diff(indptr)) if by_column else power[indices]
        values = np.ldexp(values.astype(np.float64), each.astype(np.int32))
        return Matrix.from_compressed(values, indices, indptr, A.shape, by_column)
    X = A.arrays[0]
    out = np.empty(X.shape, order="F" if X.flags.f_contiguous else "C")
    np.ldexp(X, power.astype(np.int32), out=out)
    return Matrix.from_dense(out)
