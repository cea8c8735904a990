"""Paths with a Gaussian prior in full: those of `PriorUnits`, in the units of the coefficients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ... import _sklearn
from ..._cached import cached
from ..._matrix import Matrix
from ..._stack import outside
from ...data.priors import check_prior_mean
from ...data.rounding import to_float32
from ...quadratic.penalty_matrix import INEXACT, MatrixRows, factors_and_matrix
from ...quadratic.prior_units import PriorUnits
from ...quadratic.problem import RidgeProblem
from ...quadratic.sums import SumProblem
from ...quadratic.variances import variances_in_range
from ..ridge.moments import root_of
from ..ridge.result import sufficient_gradient
from .matrix_path import stays_sparse

_EPS = float(np.finfo(np.float64).eps)
_LIGHT = 1e-9  # round-off of P, in squares of the data, below which it is not looked at


class PriorPath:
    """A path of w = m + T u, by the run that found u, whose other numbers are those of w too.

    Attributes
    ----------
    run : MomentsPath, DualPath or IterativePath
    units : PriorUnits
    is_float32 : bool
        Whether the coefficients are to be rounded to float32.
    """

    def __init__(self, run: Any, units: PriorUnits, is_float32: bool) -> None:
        self.run, self.units, self.is_float32 = run, units, is_float32

    def __getattr__(self, name: str) -> Any:
        if name in ("run", "units", "is_float32"):
            # of a copy that has none yet
            raise AttributeError(name)
        return getattr(self.run, name)

    def _typed(self, values: Any, name: str) -> Any:
        return to_float32(values, name) if self.is_float32 else values

    @cached
    def coef(self) -> Any:
        return self._typed(self.units.coefficients(self.run.solution), "coef")

    @cached
    def intercept(self) -> Any:
        u = self.run.solution
        found = np.array([self.run.problem.intercept(part) for part in u])
        return self._typed(self.units.intercepts(u, found), "intercept")

    def rough(self) -> Any:
        """Coefficients (m, k, p), as `MomentsPath.rough` has them."""
        return self.units.coefficients(self.run.rough())


class PriorRowsPath(PriorPath):
    """The same, with certificates from X and y as they came."""

    @cached
    def relative_gradient(self) -> Any:
        """Relative gradients (m, k), beside the larger of those at zero and at the prior's mean."""
        units, alphas = self.units, self.run.alphas
        A, weight = units.source, units.weight
        k = units.Y.shape[1]
        common = (A, units.Y, np.ones(k), weight)
        problem: RidgeProblem
        if units.scaled is not None:
            problem = MatrixRows(*common, units.scaled, units.fit_intercept)
            penalised = None if units.mean is None else units.scaled.dot(units.mean.T)
        else:
            d = np.ones(A.n_columns) if units.factor is None else units.factor
            if units.standardize:
                d = d * variances_in_range(A, weight)[0]
            problem = RidgeProblem(*common, d, units.fit_intercept, check=False)
            penalised = None if units.mean is None else d[:, None] * units.mean.T
        first = np.linalg.norm(problem.gradient_at_zero(), axis=0)
        out = np.empty((len(alphas), k))
        for i, (alpha, w) in enumerate(zip(alphas, self.coef.astype(np.float64), strict=True)):
            moved = w if units.mean is None else w - units.mean
            gradient, _ = problem.evaluate(moved.T, alpha=np.full(k, alpha))
            out[i] = problem.relative(gradient, first)
            if penalised is not None:
                assert units.shift is not None
                out[i] *= units.shift.share(alpha * penalised)
        return out


class PriorMomentsPath(PriorPath):
    """The same of moments, whose means the intercept is taken from."""

    def __init__(self, run: Any, units: PriorUnits, problem: SumProblem) -> None:
        super().__init__(run, units, problem.moments.is_float32)
        self.sums = problem

    @cached
    def intercept(self) -> Any:
        w = self.units.coefficients(self.run.solution)
        return self._typed(np.array([self.sums.intercept(part) for part in w]), "intercept")


def warn_of_round_off(path: Any, units: PriorUnits, tol: float) -> None:
    """Warn where alpha times the round-off of P hides the data in the null space of its root.

    Coefficients are found for the root, which has no eigenvalues near zero; such penalties have not
    converged.
    """
    matrix = units.scaled
    if matrix is None or units.factor is None or not _is_heavy(units, float(path.alphas.max())):
        return
    k = units.Y.shape[1]
    common = (units.source, units.Y, np.ones(k), units.weight, matrix, units.fit_intercept)
    problem = MatrixRows(*common)
    coef = path.coef.reshape(len(path.alphas), k, -1).astype(np.float64)
    if units.mean is not None:
        coef = coef - units.mean
    enough = np.maximum(sufficient_gradient("qr", tol), problem.floor())
    reached = np.array(
        [problem.null_gradient(w, alpha) for alpha, w in zip(path.alphas, coef, strict=True)]
    )
    if (reached <= enough).all():
        return
    path.limit(reached <= enough)
    warnings.warn(
        f"penalties reached a relative gradient of {reached.max():.2g} where penalty_matrix has no"
        f" penalty, and at most {float(enough.min()):.2g} was expected; try {INEXACT}.",
        _sklearn.exception("ConvergenceWarning"),
        stacklevel=outside(),
    )


def _is_heavy(units: PriorUnits, alpha: float) -> bool:
    """Return whether alpha times the round-off of P is large beside what rows see of free ones."""
    d = units.factor
    free = d == 0
    if not free.any() or alpha == 0:
        return False
    squares = units.A.column_stats(units.weight)
    seen = (squares[1] + squares[0] ** 2)[free].min(initial=np.inf)
    total = units.A.n_rows if units.weight is None else units.weight.sum()
    return bool(alpha * len(d) * _EPS * d.max() >= _LIGHT * total * seen)


def units_of(
    A: Matrix,
    Y: Any,
    weight: Any,
    factor: Any,
    fit_intercept: bool,
    standardize: bool,
    *,
    prior_mean: Any,
    penalty_matrix: Any,
    max_memory: float | None = None,
    solver: str | None = None,
) -> PriorUnits:
    """Check the prior and return its units, of data that are checked, also for finiteness.

    solver: of a path, which may keep X and P sparse; None: X is always rotated.
    """
    if prior_mean is not None:
        prior_mean = check_prior_mean(prior_mean, Y.shape[1], A.n_columns)
    factor, matrix = factors_and_matrix(factor, penalty_matrix, A.n_columns)
    return PriorUnits(
        A,
        Y,
        weight,
        factor,
        fit_intercept,
        standardize,
        mean=prior_mean,
        matrix=matrix,
        max_memory=max_memory,
        rotate=solver is None or not stays_sparse(A, matrix, solver),
    )


def units_of_moments(
    problem: SumProblem, prior_mean: Any, penalty_matrix: Any
) -> tuple[PriorUnits, Any]:
    """Units of rows of the same moments, and their moments in these units."""
    R, Z = root_of(problem)
    if not len(R):
        R, Z = np.zeros((1, problem.p)), np.zeros((1, problem.k), order="F")
    units = units_of(
        Matrix.from_dense(R),
        Z,
        None,
        problem.d,
        False,
        False,
        prior_mean=prior_mean,
        penalty_matrix=penalty_matrix,
    )
    hidden = np.maximum(problem.yy - (Z**2).sum(axis=0), 0.0)
    cross = units.A.tdot(np.asfortranarray(units.Y))
    yy = (units.Y**2).sum(axis=0) + hidden
    from ...moments import moments_about_zero

    n, total = problem.moments.n_samples, problem.moments.total_weight
    return units, moments_about_zero(units.A.gram(), cross, yy, n, total)
