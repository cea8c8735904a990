"""Ridge regressions of data in parts with too many columns for moments: conjugate gradients.

The objective is that of rows, whose products A'S A d are sums over the parts: one pass for each
iteration. The solver, its preconditioner and its certificate are those of a local fit. A first pass
sums the columns' statistics and the gradient at zero, a second one the preconditioner's block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix
from ..data.check import check_finite, check_target
from ..data.parameters import check_alpha, check_penalty_factor
from ..data.parts import Part, Parts, Sum, row_count
from ..quadratic.base import Quadratic
from ..quadratic.range import joined_levels, lost_rows, require_moments, weight_levels
from ..solvers.ridge.cg import Products, Systems, solve_cg
from ..solvers.ridge.result import cast_and_warn, sufficient_gradient
from ..solvers.ridge.solve import finished
from ..systems.cost import heavy_columns
from .sums import Targets, Totals, design_of, weights_of_rows, with_targets

Array = NDArray[np.float64]

ONLY_MOMENTS = ("prior_mean", "penalty_matrix", "lower", "upper")  # parameters
_EPS = float(np.finfo(np.float64).eps)
_NEAR = 0.1  # deviation over mean from which on the rounding of the mean is not corrected


class Columns(Sum):
    """Statistics of the columns, and their sums with the targets about the means.

    Attributes
    ----------
    n : int
        Rows.
    total : float
        Sum of the weights.
    mean, squares : ndarray (p,)
        Means, and sums of squares about them.
    y_mean, yy : ndarray (k,)
    cross : ndarray (p, k)
    levels : ndarray (m, 3)
        See `weight_levels`.
    """

    def __init__(self, A: Matrix, Y: Array, weight: Array | None) -> None:
        self.n, self.is_float32, self.is_sparse = A.n_rows, A.is_float32, A.is_sparse
        self.y_ndim = Y.ndim
        Y = Y.reshape(self.n, -1)
        self.total = float(self.n) if weight is None else float(weight.sum())
        self.levels = weight_levels(weight, self.n) if self.total > 0 else np.zeros((0, 3))
        p, k = A.n_columns, Y.shape[1]
        if not self.total > 0:
            check_finite(A)
            self.mean, self.squares, self.cross = np.zeros(p), np.zeros(p), np.zeros((p, k))
            self.y_mean, self.yy = np.zeros(k), np.zeros(k)
            return
        self.mean, variance = A.column_stats(weight)
        self.squares = self.total * variance
        w = np.ones(self.n) if weight is None else weight
        self.y_mean = w @ Y / self.total
        R = Y - self.y_mean
        self.yy = np.einsum("ik,i,ik->k", R, w, R)
        near, shift = near_matrix(A, self.mean, variance)
        self.cross = near.centered(shift).tdot(np.asfortranarray(R * w[:, None])).reshape(p, k)

    def add(self, other: Columns) -> None:
        total = self.total + other.total
        if total > 0:
            share = other.total / total
            d, e = other.mean - self.mean, other.y_mean - self.y_mean
            both = self.total * share
            self.squares = self.squares + other.squares + both * d * d
            self.cross = self.cross + other.cross + both * np.outer(d, e)
            self.yy = self.yy + other.yy + both * e * e
            self.mean, self.y_mean = self.mean + share * d, self.y_mean + share * e
        self.total, self.n = total, self.n + other.n
        self.levels = joined_levels(self.levels, other.levels, 1)
        self.is_float32 &= other.is_float32
        self.is_sparse |= other.is_sparse


def near_matrix(A: Matrix, mean: Array, variance: Array) -> tuple[Matrix, Array]:
    """Return A with sparse columns far from zero about their means, and what is left of these."""
    near = A.near(mean, variance)[0]
    return near, mean if near.about is None else mean - near.about


def _rows(part: Part, targets: Targets | None) -> tuple[Matrix, Array, Array | None]:
    n = row_count(part.X)
    if targets is not None:
        part = with_targets(part, targets)
    A = design_of(part)
    return A, check_target(part.y, n), weights_of_rows(part, n)


def columns_of(part: Part, targets: Targets | None = None) -> Columns | None:
    """Return the statistics of the columns of a part."""
    if row_count(part.X) == 0:
        return None
    A, Y, weight = _rows(part, targets)
    check_finite(A)
    return Columns(A, Y, weight)


class Place(NamedTuple):
    """How columns are centred; constant ones are left out.

    Attributes
    ----------
    mean, variance : ndarray (p,)
    rest : ndarray (p,)
        What the mean lacks by its rounding, where sparse columns are far from zero.
    y_mean : ndarray (k,)
    is_constant : ndarray (p,) of bool
    """

    mean: Array
    variance: Array
    rest: Array
    y_mean: Array
    is_constant: NDArray[np.bool_]

    def centred(self, A: Matrix) -> Matrix:
        near, shift = near_matrix(A, self.mean, self.variance)
        scale = np.where(self.is_constant, 0.0, 1.0) if self.is_constant.any() else None
        return near.centered(shift + self.rest, scale)


def _operator(part: Part, targets: Any, place: Place | None) -> tuple[Matrix, Array, Any]:
    A, Y, weight = _rows(part, targets)
    Y = Y.reshape(A.n_rows, -1)
    if place is None:
        return A, Y, weight
    return place.centred(A), Y - place.y_mean, weight


def rest_of(part: Part, targets: Any, place: Place | None) -> Totals | None:
    """Return the sums of the centred columns of a part, and those of their products with y."""
    if row_count(part.X) == 0:
        return None
    A, Y, weight = _operator(part, targets, place)
    w = np.ones(A.n_rows) if weight is None else weight
    return Totals(A.tdot(w), A.tdot(np.asfortranarray(Y * w[:, None])))


def product_of(part: Part, targets: Any, place: Place | None, D: Array) -> Totals | None:
    """Return A'S A D of a part, for D (p, m)."""
    if row_count(part.X) == 0:
        return None
    A, _, weight = _operator(part, targets, place)
    U = A.dot(D)
    if weight is not None:
        U *= weight[:, None]
    return Totals(A.tdot(np.asfortranarray(U)))


def residuals_of(
    part: Part, targets: Any, place: Place | None, W: Array, chosen: Any
) -> Totals | None:
    """Return A'S R and the sums of the squares of R = Y - A W, for W (p, m) of some targets."""
    if row_count(part.X) == 0:
        return None
    A, Y, weight = _operator(part, targets, place)
    R = np.asfortranarray(Y[:, chosen] - A.dot(W))
    S = R if weight is None else np.asfortranarray(R * weight[:, None])
    return Totals(A.tdot(S), np.einsum("ik,ik->k", R, S))


def block_of(part: Part, targets: Any, place: Place | None, columns: Any) -> Totals | None:
    """Return the Gram matrix of some columns of a part."""
    if row_count(part.X) == 0:
        return None
    A, _, weight = _operator(part, targets, place)
    return Totals(A.gram(weight, columns=columns))


class PartsProblem(Quadratic):
    """Minimise ||S (Y - A w)||^2 + alpha * w' diag(d) w over rows in parts; see `RidgeProblem`."""

    def __init__(
        self,
        parts: Parts,
        columns: Columns,
        targets: Targets | None,
        alpha: Array,
        factor: Array | None,
        fit_intercept: bool,
    ) -> None:
        self.parts, self.columns, self.targets = parts, columns, targets
        self.source = columns
        self.n, self.p, self.k = columns.n, len(columns.mean), len(columns.y_mean)
        self.alpha, self.penalty = np.broadcast_to(alpha, (self.k,)), factor
        self.d = np.broadcast_to(1.0, (self.p,)) if factor is None else factor
        self.fit_intercept, self.total = fit_intercept, columns.total
        c, total = columns, columns.total
        variance = c.squares / total
        # round-off of a constant column, as in moments
        constant = c.squares <= total * (4 * _EPS * c.mean) ** 2
        self.place = None
        if fit_intercept:
            place = Place(c.mean, variance, np.zeros(self.p), c.y_mean, constant)
            self.place, self.cross = place, c.cross.copy()
            if c.is_sparse and (variance < (_NEAR * c.mean) ** 2).any():
                rest, self.cross = self._sum(rest_of)
                self.place = place._replace(rest=rest / total)
            self.squares = np.where(constant, 0.0, c.squares)
            self.cross[constant] = 0.0
            self.yy, self.mean, self.y_mean = c.yy, c.mean, c.y_mean
        else:
            self.squares = c.squares + total * c.mean**2
            self.cross = c.cross + total * np.outer(c.mean, c.y_mean)
            self.yy = c.yy + total * c.y_mean**2
            self.mean, self.y_mean = np.zeros(self.p), np.zeros(self.k)
        require_moments(self.squares, self.yy)

    def column_squares(self) -> Array:
        return self.squares

    def gradient_at_zero(self) -> Array:
        return self.cross.copy(order="F")

    def objective_at_zero(self, t: int) -> float:
        return float(self.yy[t])

    def _sum(self, task: Any, *args: Any) -> list[Array]:
        found: Totals = self.parts.sum(task, self.targets, self.place, *args)
        return found.values

    def normal_product(self, k: int) -> Callable[[Array, Array], None]:
        def multiply(D: Array, out: Array) -> None:
            (found,) = self._sum(product_of, np.asfortranarray(D.T))
            out[...] = found.T

        return multiply

    def gram(self, columns: NDArray[np.intp]) -> Array:
        """Return the block of some columns of A'S A."""
        return self._sum(block_of, columns)[0]

    def evaluate(
        self, coef: Array, chosen: Any = slice(None), alpha: Any = None
    ) -> tuple[Array, ...]:
        W = np.array(coef, order="F")
        gradient, objective = self._sum(residuals_of, W, chosen)
        gradient = np.asfortranarray(gradient)
        alphas = np.broadcast_to(self.alpha[chosen] if alpha is None else alpha, W.shape[1])
        objective = objective + alphas * np.einsum("jk,j,jk->k", W, self.d, W)
        return gradient - alphas * (self.d[:, None] * W), objective

    def gradient(self, w: Array, t: int, alpha: float) -> tuple[Array, float]:
        """Return the negative half gradient (p,) and objective of target t at w (p,)."""
        gradient, objective = self.evaluate(w[:, None], slice(t, t + 1), alpha)
        return gradient[:, 0], float(objective[0])

    def intercept(self, coef: Array) -> Array:
        """Return the intercepts (k,) for coefficients (k, p)."""
        return self.y_mean - coef @ self.mean


class _Products(Products):
    """Steps by products with parts."""

    def _most_heavy(self) -> int:
        return heavy_columns(self.max_memory)

    def _block(self) -> Array:
        problem: Any = self.problem
        block: Array = problem.gram(self.heavy)
        return block


class _Systems(Systems):
    make_products = _Products

    def _find_best(self, at_zero: Any) -> None:
        return None


def fit_wide(estimator: Any, parts: Parts, columns: Columns, targets: Targets | None) -> None:
    """Fit a ridge regression by conjugate gradients, and set its attributes."""
    for name in ONLY_MOMENTS:
        if getattr(estimator, name, None) is not None:
            raise ValueError(
                f"{name} is given for data in parts with {len(columns.mean)} columns, too many for"
                " their moments; expected None, fewer columns or a larger max_memory."
            )
    if estimator.positive:
        raise ValueError(
            f"positive=True is given for data in parts with {len(columns.mean)} columns, too many"
            " for their moments; expected False, fewer columns or a larger max_memory."
        )
    parts.keep()
    p, k = len(columns.mean), len(columns.y_mean)
    alpha = check_alpha(estimator.alpha, k)
    factor = check_penalty_factor(estimator.penalty_factor, p)
    if estimator.standardize:
        variance = columns.squares / columns.total
        variance = np.where(variance > 0, variance, 1.0)
        factor = variance if factor is None else factor * variance
    problem: Any = PartsProblem(parts, columns, targets, alpha, factor, estimator.fit_intercept)
    tol = float(estimator.tol)
    with np.errstate(under="ignore"):
        systems = _Systems(problem, None, estimator.max_memory)
        coef, n_iter, gradient, objective, error, near = solve_cg(
            problem, tol, estimator.max_iter, None, estimator.max_memory, systems
        )
        near |= gradient <= sufficient_gradient("cg", tol)
        # a gradient within the round-off of heavy rows does not certify light rows
        near &= (error <= tol) | (lost_rows(columns.levels, p) is None)
        solution = coef, "cg", n_iter, gradient, objective
        result = finished(problem, solution, near, error, None, None, k == 1)
    result = cast_and_warn(columns, result, tol, True)
    column = columns.y_ndim == 2 if targets is None else True
    estimator._set_result(result, k == 1 and column)
    estimator._set_features(p, parts.names)
    estimator.__dict__.pop("moments_", None)
