"""Scale data whose squares leave the range of float64 by powers of two.

With X' = 2^a X, y' = 2^b y and weights s' = 2^c s, the problem with the penalty alpha' = 2^(2a + c)
alpha has the solution w' = 2^(b - a) w and the objective f' = 2^(2b + c) f. Powers of two cause no
round-off, so that the result is that of the given data. A column far smaller than the largest gets
a power of its own, for which its penalty factor compensates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix
from .problem import RidgeProblem
from .range import MOST_PRODUCT, exponents

_NEAR = 100  # largest exponent of data whose sums of squares are far inside that range
_HUGE = 600  # exponent of a penalty beside which squares of columns are round-off
_ALONE = 160  # least exponent for that


def _far(e: Any) -> Any:
    """Return the power of two that scales 2^e to 1; 0 for |e| <= _NEAR."""
    return np.where(np.abs(e) > _NEAR, -e, 0)


def _log2(x: Any) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.log2(x)


class Scaled:
    """A ridge problem with its data scaled; see `scale`."""

    def __init__(
        self, A, Y, weight, penalty, alpha, *, solution, target, objective, by_column, fit_intercept
    ):
        self.A, self.Y, self.weight, self.penalty, self.alpha = A, Y, weight, penalty, alpha
        self._solution, self._target, self._objective = solution, target, objective
        self._fit_intercept = fit_intercept
        self.by_column = by_column  # whether columns have different powers

    def scale_coef(self, coef: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert coefficients (p,) or (k, p) of the given data to units of the scaled data."""
        with np.errstate(over="ignore"):
            return np.ldexp(coef, -self._solution if coef.ndim == 2 else -self._solution[0])

    def restore(self, result: Any) -> None:
        """Convert a result of the scaled data, in place, to that of the given data."""
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
                    f"y is too large{' relative to X' if name == 'coef' else ''}: the {name}"
                    f" overflows {found.dtype}; expected smaller numbers."
                )
        size = np.abs(coef).max(axis=-1, initial=0.0)
        if ((size < np.finfo(coef.dtype).tiny) & result.coef.any(axis=-1)).any():
            raise ValueError(
                f"y is too small relative to X: the coef underflows {coef.dtype}; expected larger"
                " numbers."
            )
        if coef.dtype == np.float32 and (back != result.coef).any():
            self._certify(result, back)
        result.coef = coef
        result.intercept = intercept.item() if single and coef.dtype == np.float64 else intercept
        result.objective = float(objective) if single else objective

    def _certify(self, result: Any, coef: NDArray[Any]) -> None:
        """Recompute the relative gradient at restored coefficients, which float32 rounds more."""
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
    """Scale a problem into range; return None if it is in range already.

    The penalty factors of the scaled problem include the variances of standardised columns.
    """
    n, p = A.shape
    k = 1 if Y.ndim == 1 else Y.shape[1]
    targets = Y.reshape(n, k)
    at_most = 0 if weight is None else int(exponents(weight.max()))
    c = int(_far(at_most))
    weight = weight if not c else np.ldexp(weight, c)
    b = _far(exponents(np.abs(targets).max(axis=0)))
    # squares of float32 are in range, and coefficients must fit into float32 too
    a = 0 if A.is_float32 else int(_far(exponents(peaks.max())))
    alphas = np.broadcast_to(alpha, (k,))
    d = np.ones(p) if penalty is None else penalty
    # exponents of the penalties in units of the scaled data
    shift = c + (0 if standardize else 2 * a)
    column_power = np.zeros(p, dtype=np.intp)
    small = (peaks > 0) & (exponents(peaks) + a < -_NEAR) & (not A.is_float32)
    if small.any():
        # scale up to -_NEAR, or to where a penalty dominates
        column_power[small] = -_NEAR - (exponents(peaks[small]) + a)
        if (alphas > 0).any() and (alphas == 0).any():
            raise ValueError(
                "X has columns that are too small relative to the others for an alpha that is 0"
                " for only some targets; expected columns of similar scales."
            )
        if not standardize and alphas.any():
            least = _log2(alphas.min()) + shift + _log2(d[small])
            most = np.floor(np.maximum(-least, 0.0) / 2)
            column_power[small] = np.minimum(column_power[small], np.minimum(most, 2000.0)).astype(
                np.intp
            )
    power = a + column_power
    in_range = not (c or b.any() or power.any())
    if in_range and not alphas.max() > MOST_PRODUCT:
        return None
    A = scaled_matrix(A, power) if power.any() else A
    if standardize:
        variance = A.column_stats(weight)[1]
        # a constant column counts as one of variance 1 in its own units
        log_d = _log2(d) + np.where(variance > 0, _log2(variance), 2.0 * power)
        d = np.where(variance > 0, variance * d, np.ldexp(d, np.minimum(2 * power, 1000)))
    else:
        log_d = _log2(d) + 2.0 * column_power
        if column_power.any() and alphas.any():
            d = np.ldexp(d, np.minimum(2 * column_power, 1000))
    # coefficients shrink as 1 / alpha under huge penalties, so that smaller ones can stand in
    log_alpha = _log2(alphas) + shift
    top = np.maximum(log_alpha + log_d.max(), log_alpha)
    less = np.where(np.isfinite(top), np.ceil(np.maximum(top - _HUGE, 0.0)), 0.0).astype(np.intp)
    positive = log_d[np.isfinite(log_d)]
    if less.any() and (log_alpha - less)[less > 0].min() + positive.min() < _ALONE:
        if in_range:
            return None
        raise ValueError(
            "alpha times penalty_factor is too large relative to the squares of X for some of the"
            " features; expected penalties that do not overflow float64 in units of these squares."
        )
    scaled_alpha = np.ldexp(alphas, shift - less)
    # a positive penalty, however small, stays positive
    scaled_alpha = np.where(alphas > 0, np.maximum(scaled_alpha, 2.0**-1000), 0.0)
    if b.any():
        targets = np.asfortranarray(np.ldexp(targets, b))
    penalised = (d > 0).astype(np.intp)
    return Scaled(
        A,
        targets[:, 0] if Y.ndim == 1 else targets,
        weight,
        d,
        scaled_alpha,
        solution=(power - b[:, np.newaxis] - less[:, np.newaxis] * penalised).astype(np.int32),
        target=(-b).astype(np.int32),
        objective=(-2 * b - c).astype(np.int32),
        by_column=bool(column_power.any()),
        fit_intercept=fit_intercept,
    )


def scaled_matrix(A: Matrix, power: NDArray[np.intp]) -> Matrix:
    """Return a copy with each column times 2^power."""
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
