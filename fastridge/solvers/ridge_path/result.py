"""The result of ridge regressions for many penalties."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._checks import held
from ...data.check import (
    check_design,
)
from ...losses import SQUARED
from ..ridge.result import RidgeResult, sufficient_gradient


class PathRun:
    """Results of a path's solver, which replace the solver in copies and files.

    Attributes
    ----------
    coef : ndarray of shape (n_alphas, n_targets, n_features)
    intercept, n_iter, relative_gradient : ndarray of shape (n_alphas, n_targets)
    dof : tuple of two ndarray of shape (n_alphas,), or None
        Degrees of freedom and their standard errors; None where the solver does not compute them.
    log_det : ndarray of shape (n_alphas,) or None
        None where the solver does not compute it.
    gcv : ndarray of shape (n_alphas, n_targets) or None
    rank : int
        Rank of what is not penalised, the intercept not counted.
    """

    __slots__ = (
        *("coef", "dof", "gcv", "intercept", "log_det", "n_iter", "rank"),
        "relative_gradient",
    )

    def __init__(self, run: Any, log_det: Any, gcv: Any) -> None:
        self.log_det, self.gcv = log_det, gcv
        for name in ("coef", "dof", "intercept", "n_iter", "rank", "relative_gradient"):
            setattr(self, name, getattr(run, name))


class RidgePath:
    """Solutions of a ridge problem for a range of penalties, and their accuracy.

    ``path[k]`` is the `RidgeResult` of penalty number k. Arrays have one entry per penalty, in the
    given order of `alphas`; for a two-dimensional y a second axis of targets follows.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        The penalties.
    coef : ndarray of shape (n_alphas, n_features) or (n_alphas, n_targets, n_features)
        Coefficients, in the type of X; a direct solver computes them on first access.
    intercept : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        0 where none was fitted.
    norm : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        sqrt(sum_j d_j w_j^2), d the penalty factors (times the variances if standardised): the
        Euclidean norm of the coefficients where all are penalised alike. Of w - m and with the
        matrix of penalties, where these were given.
    residual : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        Weighted sum of squared residuals.
    objective : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        residual + alpha * norm^2.
    dof : ndarray of shape (n_alphas,)
        Effective degrees of freedom: the trace of the hat matrix, without the intercept. For "cg"
        an estimate, made on first access.
    dof_error : ndarray of shape (n_alphas,)
        Standard error of `dof`; 0 where `dof` is exact.
    relative_gradient : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        Norm of the gradient at each solution, in the type of `coef`, over that at zero
        coefficients.
    relative_error : ndarray of shape (n_alphas,) or (n_alphas, n_targets), or None
        Bound of the relative error of each solution, to be compared with `tol`; None for direct
        solvers.
    n_iter : ndarray of int, shape (n_alphas,) or (n_alphas, n_targets)
        Iterations; of a direct solver, refinements.
    n_samples : float
        Sum of the weights: the number of rows in the criteria.
    gcv : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        Generalised cross-validation, residual / n / (1 - (dof + 1) / n)^2, with dof in place of
        dof + 1 without an intercept. Where this would cancel and X is given, it is computed from
        the rows, so that it has its limit as alpha tends to 0. It is infinite where no residual
        degree of freedom is left. For "cg" an estimate, as `dof`.
    aic, bic : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        n log(2 pi residual / n) + n + c q, the criteria of Akaike (c = 2) and Schwarz (c = log n),
        for q = dof + 1 parameters, plus one with an intercept.
    aic_error, bic_error : ndarray of shape (n_alphas,)
        Standard errors of `aic` and `bic` due to `dof_error`: c dof_error.
    log_evidence : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        Log density of y under the prior w_j ~ N(0, noise / (alpha d_j)), for the noise variance
        that maximises it, (residual + alpha norm^2) / n. Coefficients without a penalty are
        integrated out, up to a constant, and n is less by their number. For direct solvers, with
        alpha > 0.
    solver : str
        The solver that ran: "cholesky", "dual" or "cg".
    converged : bool
        Whether every error is within `tol`, or the gradient is round-off; for float32 `X`, before
        the solutions were rounded to float32.

    See Also
    --------
    ridge_path : Ridge regression for many penalties.

    Examples
    --------
    >>> import fastridge
    >>> path = fastridge.ridge_path([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0], [0.0, 2.0])
    >>> path.coef.ravel(), path.intercept
    (array([1. , 0.5]), array([0., 1.]))
    >>> len(path), path[1].coef
    (2, array([0.5]))
    """

    __slots__ = (
        "_error",
        "_fit_intercept",
        "_near",
        "_run",
        "_single",
        "_tol",
        "alphas",
        "n_samples",
        "norm",
        "objective",
        "residual",
        "solver",
    )

    def __init__(self, alphas: NDArray[np.float64], run: Any, *, single: bool, tol: float) -> None:
        self.alphas = alphas
        self._run, self._single, self._tol = run, single, float(tol)
        self.solver: str = run.solver
        # whether each solution converged; None: decided by their gradients
        self._near: NDArray[np.bool_] | None = getattr(run, "converged", None)
        self._error: NDArray[np.float64] | None = getattr(run, "relative_error", None)
        problem = run.problem
        total = problem.moments.total_weight if hasattr(problem, "moments") else problem.total
        self.n_samples = float(total)
        self._fit_intercept = bool(problem.fit_intercept)
        self.norm = self._shape(np.sqrt(np.maximum(run.squared_norm, 0.0)))
        self.residual = self._shape(np.maximum(run.residual, 0.0))
        self.objective = self.residual + self._per_target(alphas) * self.norm**2

    def __len__(self) -> int:
        return len(self.alphas)

    def __getitem__(self, k: int) -> RidgeResult:
        k = range(len(self))[k]
        gradient = self.relative_gradient[k]
        numbers = (self.intercept[k], self.n_iter[k], gradient, self.objective[k])
        if self._single:
            numbers = tuple(value.item() for value in numbers)
        intercept, n_iter, gradient, objective = numbers
        if self._single and self.coef.dtype == np.float32:
            intercept = np.float32(intercept)
        error = None
        if self._error is not None:
            error = self._error[k, 0].item() if self._single else self._error[k]
        return RidgeResult(
            self.coef[k].copy(),
            intercept,
            self.solver,
            n_iter,
            gradient,
            objective,
            bool(self._settled()[k].all()),
            error,
        )

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        # for copies and files: without the solver, which holds the data
        state = {name: getattr(self, name) for name in self.__slots__}
        if not isinstance(self._run, PathRun):
            gcv = None if self._run.dof is None else self._gcv()
            state["_run"] = PathRun(self._run, self._log_det(), gcv)
            state["_near"] = self._settled()
        return None, state

    def _log_det(self) -> NDArray[np.float64] | None:
        """Return log det (I + M / alpha) for every penalty; None where it is not known."""
        found = getattr(self._run, "log_det", None)
        if not callable(found):
            return found
        return found(self.alphas) if (self.alphas > 0).all() else None

    def _shape(self, values: NDArray[Any]) -> NDArray[Any]:
        return values[:, 0] if self._single else values

    def _per_target(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values if self._single else values[:, np.newaxis]

    @property
    def coef(self) -> NDArray[Any]:
        return self._shape(self._run.coef)

    @property
    def intercept(self) -> NDArray[Any]:
        return self._shape(self._run.intercept)

    @property
    def relative_gradient(self) -> NDArray[np.float64]:
        return self._shape(self._run.relative_gradient)

    @property
    def relative_error(self) -> NDArray[np.float64] | None:
        return None if self._error is None else self._shape(self._error)

    @property
    def n_iter(self) -> NDArray[np.intp]:
        return self._shape(self._run.n_iter)

    @property
    def dof(self) -> NDArray[np.float64]:
        return self._dof()[0]

    @property
    def dof_error(self) -> NDArray[np.float64]:
        return self._dof()[1]

    def _dof(self) -> Any:
        if self._run.dof is None:
            raise ValueError(
                "dof is not computed for a sparse penalty_matrix by conjugate gradients; expected"
                " solver='cholesky', or folds (cv=5) to choose a penalty."
            )
        return self._run.dof

    def _parameters(self) -> NDArray[np.float64]:
        return self.dof + float(self._fit_intercept)

    @property
    def gcv(self) -> NDArray[np.float64]:
        self._dof()
        return self._shape(self._gcv())

    def _gcv(self) -> NDArray[np.float64]:
        """Generalised cross-validation (n_alphas, n_targets)."""
        from ..left_out.gcv import generalised as estimated
        from ..left_out.loo import generalised

        run = self._run
        if isinstance(run, PathRun):
            return run.gcv
        if self.solver == "cg":
            return estimated(run)
        if self.solver == "dual":
            return generalised(run.problem, self.alphas)
        found = run.generalised()
        if found is not None:
            return found
        if run.rows is not None:
            return generalised(run.rows(), self.alphas)
        n, error = self.n_samples, self.residual.reshape(len(self.alphas), -1) / self.n_samples
        left = np.maximum(1.0 - self._parameters() / n, 0.0)[:, np.newaxis]
        return np.divide(error, left**2, out=np.full_like(error, np.inf), where=left > 0)

    @property
    def aic(self) -> NDArray[np.float64]:
        return self._criterion(2.0)

    @property
    def bic(self) -> NDArray[np.float64]:
        return self._criterion(float(np.log(self.n_samples)))

    @property
    def aic_error(self) -> NDArray[np.float64]:
        return 2.0 * self.dof_error

    @property
    def bic_error(self) -> NDArray[np.float64]:
        return abs(float(np.log(self.n_samples))) * self.dof_error

    def _criterion(self, price: float) -> NDArray[np.float64]:
        n = self.n_samples
        fit = SQUARED.minus_twice_log_likelihood(self.residual / n, n)
        return fit + price * self._per_target(self._parameters() + 1.0)

    @property
    def log_evidence(self) -> NDArray[np.float64]:
        log_det = self._log_det()
        if log_det is None:
            raise ValueError(
                "log_evidence needs a direct solver and penalties above 0; the solver is"
                f" {self.solver!r}, and the smallest penalty is {self.alphas.min():g}."
            )
        # what is not penalised is as likely anywhere
        n = self.n_samples - self._run.rank
        if n <= 0:
            return np.full(self.objective.shape, np.nan)
        noise = np.maximum(self.objective / n, np.finfo(np.float64).tiny)
        shape = self._per_target(log_det)
        return -0.5 * (n * (np.log(2.0 * np.pi * noise) + 1.0) + shape)

    @property
    def converged(self) -> bool:
        return bool(self._settled().all())

    def _settled(self) -> NDArray[np.bool_]:
        """Return which solutions (n_alphas, n_targets) have converged."""
        if self._near is not None:
            return self._near
        run = self._run
        reached = run.relative_gradient if isinstance(run, PathRun) else run.unrounded
        return reached <= sufficient_gradient(self.solver, self._tol)

    def limit(self, exact: NDArray[np.bool_]) -> None:
        """Count penalties and targets (n_alphas, n_targets) that are not exact as not converged."""
        self._near = self._settled() & exact

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the predictions for every penalty.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of float64, shape (n_alphas, n_samples) or (n_alphas, n_samples, n_targets)

        Raises
        ------
        ValueError, TypeError
            If X is not such a matrix, or has another number of features.
        """
        coef = held(self._run.coef)
        m, k, p = coef.shape
        A = check_design(X, n_features=p, caller="RidgePath")
        out = A.dot(np.asfortranarray(coef.reshape(m * k, p).T, dtype=np.float64))
        predicted = out.T.reshape(m, k, A.n_rows) + held(self._run.intercept)[:, :, np.newaxis]
        return predicted[:, 0] if self._single else predicted.transpose(0, 2, 1)

    def __repr__(self) -> str:
        ends = f"{self.alphas[0]:g} .. {self.alphas[-1]:g}" if len(self.alphas) else ""
        return f"RidgePath({len(self.alphas)} penalties {ends}, solver={self.solver!r})"
