"""The joint Hessian of a multinomial model at its solution, and quantities derived from it.

For k classes with coefficients (k, q), including the intercept, the loss has the second derivatives
sum_i s_i C_i (x) z_i z_i' for C_i = diag(p_i) - p_i p_i'. They vanish along the common direction,
in which the coefficients of a feature move together in all classes. For penalised features only the
prior determines that direction. For others (the intercept, and features of factor 0) it is not part
of the model, whose intercepts sum to 0: it gets some curvature here, and results exclude it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.check import check_design
from ...data.parameters import check_count, check_seed
from ...quadratic.posterior import deviations_of
from ...systems.blas import on_one_thread
from ...systems.lapack import cholesky, product, solve_triangular
from .left_out import LeftOut, mean_and_error
from .options import check_offsets
from .softmax_problem import Array, SoftmaxProblem, SoftmaxState, common_level, hessian

if TYPE_CHECKING:
    from .result import GLMResult

MOST = 4000  # largest number of coefficients, of all classes together, of a joint Hessian
_KEEP = 1e-14  # share of a pivot that the coefficients before it must leave
_ROUNDING = 1e-12  # determinant below which a row alone determines its predictors
_ELEMENTS = 4_000_000  # elements of a block of rows


class SoftmaxHessian:
    """Hessian of the objective by the active coefficients of all classes.

    Parameters
    ----------
    problem : SoftmaxProblem
    state : SoftmaxState

    Attributes
    ----------
    active : ndarray of bool (k, q)
        Coefficients that an L1 part does not hold at 0; the intercept is the last of q.
    common : ndarray of bool (q,)
        Unpenalised features, whose coefficients may move together in all classes.
    """

    @on_one_thread
    def __init__(self, problem: SoftmaxProblem, state: SoftmaxState) -> None:
        self.problem, self.state = problem, state
        n, p, k = problem.n, problem.p, problem.k
        q = p + bool(problem.fit_intercept)
        require_small(problem)
        self.k, self.q = k, q
        Z = problem.A.rows(0, n)
        self.Z = np.column_stack([Z, np.ones(n)]) if problem.fit_intercept else Z
        self.l2 = np.zeros(q)
        self.l2[:p] = problem.l2
        self.active = np.ones((k, q), dtype=bool)
        self.active[:, :p] = (state.U.T != 0) | (problem.l1 == 0)
        self.common = (self.l2 == 0) & self.active.all(axis=0)
        M = hessian(self.Z, problem.weight, state.prob, state.h)
        level = common_level(M, k)
        # an unpenalised column of zeros has no curvature
        self.level = np.where(level > 0, level, 1.0)
        blocks = np.einsum("cjdj->cdj", M.reshape(k, q, k, q))
        blocks[...] += np.where(self.common, self.level - level, -level)
        M.flat[:: k * q + 1] += np.tile(self.l2, k)
        chosen = np.flatnonzero(self.active)
        M = np.ascontiguousarray(M[np.ix_(chosen, chosen)])
        empty = np.diagonal(M) <= 0
        M.flat[:: len(M) + 1] += empty
        self._empty = int(empty.sum())
        self._chosen = chosen
        try:
            L = cholesky(M)
        except np.linalg.LinAlgError:
            L = np.zeros_like(M)
        pivots = np.diagonal(L)
        if (pivots**2 <= _KEEP * np.diagonal(M)).any():
            raise ValueError(
                "the joint Hessian of the classes is singular: features without a penalty are"
                " linearly dependent, or separate the classes; expected a penalty on them."
            )
        self._log_determinant = 2.0 * float(np.log(pivots).sum())
        self._factor = L

    @cached_property
    @on_one_thread
    def inverse(self) -> Array:
        """M^-1 (k, q, k, q), 0 for held coefficients."""
        k, q, chosen = self.k, self.q, self._chosen
        root = solve_triangular(self._factor, np.eye(len(self._factor)), lower=True)
        inverse = np.zeros((k * q, k * q))
        inverse[np.ix_(chosen, chosen)] = product(np.ascontiguousarray(root.T), root)
        return inverse.reshape(k, q, k, q)

    @property
    def dof(self) -> float:
        """Trace of M^-1 times the Hessian of the loss, intercepts included."""
        held = float(np.einsum("cjcj,j->", self.inverse, self.l2))
        return len(self._chosen) - self._empty - held - int(self.common.sum())

    def covariance(self) -> Array:
        """M^-1 (k, q, k, q) without the common directions, which are not part of the model."""
        inverse = self.inverse.copy()
        part = np.where(self.common, 1.0 / (self.k**2 * self.level), 0.0)
        np.einsum("cjdj->cdj", inverse)[...] -= part
        return inverse

    def log_evidence(self) -> float:
        """Return the log evidence; flat priors are on differences from one of the classes.

        See `GLMResult.log_evidence`.
        """
        problem, state, k = self.problem, self.state, self.k
        if problem.has_l1:
            raise ValueError(
                "the evidence is not defined for an L1 penalty; expected l1_ratio=0, whose penalty"
                " is a Gaussian prior."
            )
        W, l2 = problem.total, self.l2
        free = int((l2 == 0).sum())
        determinant = self._log_determinant
        determinant -= float(np.log(k * self.level[self.common]).sum())
        value = -W * (max(state.loss - problem.least, 0.0) + state.penalty) - 0.5 * determinant
        value += 0.5 * k * float(np.log(l2[l2 > 0]).sum()) + 0.5 * free * float(np.log(k))
        return value + 0.5 * (k - 1) * free * float(np.log(2.0 * np.pi / W))

    @on_one_thread
    def left_out(self) -> LeftOut:
        """Return leave-one-out predictions, one Newton step from the fit for each row.

        With V = z' M^-1 z (k, k) its predictors change by V (1 - s C V)^-1 r.
        """
        problem, state = self.problem, self.state
        V = quadratic(self.Z, self.inverse)
        weighted = problem.weight[:, None] * state.prob
        C = -weighted[:, :, None] * state.prob[:, None, :]
        np.einsum("icc->ic", C)[...] += weighted
        system = np.eye(self.k) - C @ V
        good = np.linalg.det(system) > _ROUNDING
        system[~good] = np.eye(self.k)
        moved = np.einsum("icd,id->ic", V, np.linalg.solve(system, state.r[:, :, None])[:, :, 0])
        moved[~good] = np.nan
        moved[(state.r == 0).all(axis=1)] = 0.0
        eta = state.eta + moved
        loss, y = problem.loss, problem.y
        least = 0.0 if problem.share is None else loss.least(problem.share)
        deviance = 2.0 * np.maximum(loss.value(y, eta) - least, 0.0)
        error, error_se = mean_and_error(deviance, problem.weight)
        return LeftOut(eta, np.asarray(loss.inverse_link(eta)), deviance, error, error_se)


def require_small(problem: SoftmaxProblem) -> None:
    """Raise if the joint Hessian would have too many coefficients."""
    k, q = problem.k, problem.p + bool(problem.fit_intercept)
    if k * q > MOST:
        raise ValueError(
            f"the joint Hessian of {k} classes with {q} coefficients each has order {k * q};"
            f" expected at most {MOST}: fewer features or classes."
        )


def quadratic(Z: Array, S: Array) -> Array:
    """Return z' S z (n, k, k) for rows z (n, q) and S (k, q, k, q)."""
    k = len(S)
    out = np.empty((len(Z), k, k))
    for c in range(k):
        for d in range(c, k):
            out[:, c, d] = out[:, d, c] = np.einsum("ij,ij->i", Z @ S[c, :, d], Z)
    return out


class MultinomialPosterior:
    """Laplace approximation of the posterior of a penalised multinomial model.

    It is a Gaussian about the solution, whose covariance is 1 / W times the inverse of the
    objective's Hessian by the coefficients of all classes, with W the sum of the weights. See
    `GLMPosterior` for the meaning of standard errors and intervals. Coefficients are those of the
    symmetric form, one for each class: their variances include that of the prior for moving in all
    classes together. Intercepts sum to 0 at the means of the features.

    Attributes
    ----------
    coef : ndarray of float64, shape (n_classes, n_features)
        Means of the coefficients: the solution.
    intercept : ndarray of float64, shape (n_classes,)
    covariance : ndarray of shape (n_classes * k, n_classes * k)
        Covariance of the k coefficients of each class, class after class, each followed by its
        intercept where one was fitted; 0 for coefficients that an L1 part holds at 0.
    standard_errors : ndarray of shape (n_classes, n_features)
        Posterior standard deviations of the coefficients; NaN for held ones.
    intercept_standard_errors : ndarray of shape (n_classes,)
        NaN where no intercept was fitted.
    active : ndarray of bool, shape (n_classes, n_features)
        Coefficients that are not held.

    See Also
    --------
    GLMResult : Result of one generalised linear model.
    GLMPosterior : Laplace approximation of the posterior.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 3))
    >>> y = np.digitize(X[:, 0] + rng.standard_normal(200), [-0.5, 0.5])
    >>> posterior = fastridge.glm(X, y, "multinomial", alpha=0.01).posterior()
    >>> posterior.standard_errors.shape, posterior.intervals(0.9).shape
    ((3, 3), (3, 3, 2))
    >>> posterior.predict(X[:2]).shape
    (2, 3)
    """

    __slots__ = (
        "active",
        "coef",
        "covariance",
        "fit_intercept",
        "intercept",
    )

    def __init__(self, result: GLMResult) -> None:
        found = result.hessian()
        assert isinstance(found, SoftmaxHessian)
        problem, k, q = found.problem, found.k, found.q
        self.coef = np.asarray(result.coef, dtype=np.float64)
        self.intercept = np.asarray(result.intercept, dtype=np.float64)
        self.fit_intercept = bool(problem.fit_intercept)
        p = problem.p
        self.active = found.active[:, :p].copy()
        # convert to the caller's units, and to uncentred intercepts
        to = np.eye(q)
        if problem.rows.unit is not None:
            to[:p, :p] /= problem.rows.unit
        if self.fit_intercept:
            to[p, :p] = -np.asarray(problem.rows.mean) @ to[:p, :p]
        S = np.einsum("aj,cjdl,bl->cadb", to, found.covariance(), to, optimize=True)
        self.covariance = S.reshape(k * q, k * q) / problem.total

    def _deviations(self) -> Array:
        """Return the coefficients' standard deviations by class, the intercept last if any."""
        k, p = self.coef.shape
        found = np.sqrt(np.maximum(np.diagonal(self.covariance), 0.0))
        return found.reshape(k, p + self.fit_intercept)

    @property
    def standard_errors(self) -> Array:
        return np.where(self.active, self._deviations()[:, : self.coef.shape[1]], np.nan)

    @property
    def intercept_standard_errors(self) -> Array:
        if not self.fit_intercept:
            return np.full(len(self.coef), np.nan)
        return self._deviations()[:, -1]

    def intervals(self, level: float = 0.95) -> Array:
        """Return credible intervals of the coefficients, symmetric about the solution.

        Parameters
        ----------
        level : float, default=0.95
            Posterior probability that each coefficient, on its own, lies in its interval.

        Returns
        -------
        ndarray of float64, shape (n_classes, n_features, 2)
            Lower and upper ends; NaN for held coefficients.

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1.
        """
        half = deviations_of(level) * self.standard_errors
        return np.stack([self.coef - half, self.coef + half], axis=2)

    def variance(self, X: Any) -> Array:
        """Return the posterior covariance of the linear predictors of each row.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes, n_classes)

        Raises
        ------
        ValueError, TypeError
            If X is not such a matrix, or has another number of features.
        """
        k, p = self.coef.shape
        A = check_design(X, n_features=p, caller=type(self).__name__)
        q = p + self.fit_intercept
        S = self.covariance.reshape(k, q, k, q)
        out = np.empty((A.n_rows, k, k))
        step = max(1, _ELEMENTS // max(q, 1))
        for i in range(0, A.n_rows, step):
            rows = A.rows(i, min(i + step, A.n_rows))
            if self.fit_intercept:
                rows = np.column_stack([rows, np.ones(len(rows))])
            out[i : i + step] = quadratic(rows, S)
        return out

    def predict(
        self, X: Any, n_draws: int = 1000, random_state: int = 0, *, offset: Any = None
    ) -> Array:
        """Return probabilities of the classes, averaged over the posterior.

        The average is over draws of the predictors, in antithetic pairs about the solution; with m
        draws its error is about 0.5 / sqrt(m) at most, and usually much less.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
        n_draws : int, default=1000
            Number of draws; an odd one is raised by one.
        random_state : int, default=0
            Seed of the draws.
        offset : array-like of shape (n_samples, n_classes) or None, default=None
            Added to the linear predictors.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes)

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described.
        """
        k, p = self.coef.shape
        A = check_design(X, n_features=p, caller=type(self).__name__)
        eta = A.dot(np.asfortranarray(self.coef.T)) + self.intercept
        known = check_offsets(offset, None, len(eta), k)
        return self.average(eta if known is None else eta + known, X, n_draws, random_state)

    def average(self, eta: Array, X: Any, n_draws: int = 1000, random_state: int = 0) -> Array:
        """Return the result of `predict`, given the linear predictors of the solution.

        Parameters
        ----------
        eta : ndarray of shape (n_samples, n_classes)
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
        n_draws : int, default=1000
            Number of draws; an odd one is raised by one.
        random_state : int, default=0
            Seed of the draws.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes)
        """
        m = (check_count("n_draws", n_draws) + 1) // 2
        seed = check_seed(random_state)
        k = len(self.coef)
        values, vectors = np.linalg.eigh(self.variance(X))
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        draws = np.random.default_rng(seed).standard_normal((m, k))
        out = np.zeros((len(eta), k))
        step = max(1, _ELEMENTS // (m * k))
        for i in range(0, len(eta), step):
            some = slice(i, i + step)
            moved = np.einsum("icd,md->imc", root[some], draws)
            for sign in (1.0, -1.0):
                z = eta[some, None, :] + sign * moved
                z = np.exp(z - z.max(axis=2, keepdims=True))
                out[some] += (z / z.sum(axis=2, keepdims=True)).sum(axis=1)
        return out / (2 * m)

    def __repr__(self) -> str:
        k, p = self.coef.shape
        return f"MultinomialPosterior({k} classes, {p} features, {int(self.active.sum())} active)"
