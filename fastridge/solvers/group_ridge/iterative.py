"""Group penalties by conjugate gradients, for data whose Gram matrices are too large.

The score of the restricted likelihood in the logarithm of a prior variance is

    dof_g - w'D_g w / s,    dof_g = p_g - tr(C D_g),    C = (X'X + D)^-1,

s the variance of the noise. Traces are means over random signs z (M. F. Hutchinson, 1989) in the
system scaled to a diagonal of ones, where they are exact for columns without a correlation. The
signs stay the same, so that the estimated score is smooth and Newton's method with the average
information (A. R. Gilmour, R. Thompson and B. R. Cullis, Biometrics 51, 1995) ends where it is 0.
The log determinant is by Lanczos' method from the coefficients of conjugate gradients (S. Ubaru,
J. Chen and Y. Saad, 2017). Errors are those of means over the signs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal

from ...quadratic.problem import RidgeProblem
from ...systems import lapack
from .features import group_features

Array = NDArray[np.float64]

_RANK = 1e-12  # share of a free column that must be left by the columns before it
_RESIDUAL = 1e-9  # relative residual at which conjugate gradients end
_MOST = 2000  # most of their iterations
_STEP = 3.0  # most that a logarithm changes in a step
_OUT = 1e-3  # degrees of freedom below which a group whose prior variance falls is out
_ERROR = 0.05  # share of the error of the estimates that a score may have
_NEAR = 0.01  # and share of the terms that cancel in it
_EPS = float(np.finfo(np.float64).eps)


class Estimate(NamedTuple):
    """Penalties of a target and their errors.

    Attributes
    ----------
    coef : ndarray (p,)
    alpha : ndarray (g,)
        Penalties; infinite of groups that are out.
    alpha_error : ndarray (g,)
        Relative standard errors of `alpha` by the random signs; nan of groups that are out.
    noise : float
    dof : ndarray (g,)
    log_evidence, log_evidence_error : float
    relative_gradient : float
    n_iter : int
    converged : bool
    """

    coef: Array
    alpha: Array
    alpha_error: Array
    noise: float
    dof: Array
    log_evidence: float
    log_evidence_error: float
    relative_gradient: float
    n_iter: int
    converged: bool


class Iterative:
    """Data of one or more targets, of which products alone are taken.

    Parameters
    ----------
    problem : RidgeProblem
    d : ndarray (p,)
        Penalty factors.
    codes : ndarray (p,)
        Group of each feature.
    count : int
        Number of groups.
    signs : ndarray (p, s)
        Random signs.
    """

    def __init__(
        self, problem: RidgeProblem, d: Array, codes: Any, count: int, signs: Array
    ) -> None:
        self.problem, self.d, self.codes, self.count, self.signs = problem, d, codes, count, signs
        self.p, self.k, self.total = problem.p, problem.k, problem.total
        self.column_squares = squares = problem.column_squares()
        self.is_free = d == 0
        live = squares > 0
        self.groups = groups = group_features(codes, count, live & (d > 0))
        self.size = groups.size
        self.penalised = np.zeros(self.p, dtype=bool)
        self.penalised[groups.order] = True
        free = np.flatnonzero(live & self.is_free)
        self.fixed = float(np.log(self.total)) if problem.fit_intercept else 0.0
        if len(free):
            M = self._gram(free)
            root = np.sqrt(squares[free])
            _, pivots, rank = lapack.pivoted_cholesky(
                np.asfortranarray(M / root / root[:, None]), _RANK
            )
            free = free[pivots[:rank]]
        self.free = free
        self.rank = len(free) + problem.fit_intercept
        self.left = self.total - self.rank
        self.right = problem.gradient_at_zero()
        Y = problem.rooted(problem.Y)
        self.y_squares = np.einsum("ik,ik->k", Y, Y)
        self.unit = np.ones(count)
        for g in np.flatnonzero(groups.size):
            part = groups.order[groups.start[g] : groups.start[g] + groups.size[g]]
            self.unit[g] = 1.0 / np.exp((np.log(d[part]) - np.log(squares[part])).mean())

    def _gram(self, free: NDArray[np.intp]) -> Array:
        """Gram matrix of the centred free columns."""
        A, weight = self.problem.A, self.problem.weight
        if A.is_sparse:
            left = np.ones(self.p, dtype=bool)
            left[free] = False
            order = np.r_[free, np.flatnonzero(left)].astype(np.int32)
            return A.split_columns(order, len(free))[0].gram(weight)
        F = np.empty((len(free), self.problem.n))
        A.copy_columns(free.astype(np.int32), F)
        return (F if weight is None else F * weight) @ F.T

    def weighted(self, F: Array) -> Array:
        """X'W F."""
        if self.problem.weight is not None:
            F = F * self.problem.weight[:, None]
        return self.problem.A.tdot(np.asfortranarray(F))

    def products(self, w: Array) -> Array:
        """Products (p,) of all features with the fit of coefficients (p,)."""
        return self.weighted(self.problem.A.dot(np.ascontiguousarray(w))[:, None])[:, 0]

    def sums(self, values: Array) -> Array:
        """Sums (g,) over the penalised features of each group."""
        return np.bincount(self.codes, np.where(self.penalised, values, 0.0), self.count)

    def fit(self, t: int, tol: float, max_iter: int) -> Estimate:
        """Penalties of target t."""
        live = max(int((self.size > 0).sum()), 1)
        alpha = np.where(self.size > 0, live * np.maximum(self.size, 1) / self.total, np.inf)
        alpha *= self.unit
        if self.left <= 0 or self.y_squares[t] == 0:
            alpha = np.full(self.count, np.inf)
        known: tuple[Any, Any] = (None, None)
        n_iter, before, damping = 0, np.zeros(self.count), np.ones(self.count)
        while True:
            found = Score(self, alpha, t, known)
            known = found.w, found.x
            relative, converged = found.relative(tol)
            # groups that fit next to nothing and would fit less
            out = np.isfinite(alpha) & (found.dof < _OUT) & (found.score > 0)
            if out.any() and self.size[out].all():
                alpha = np.where(out, np.inf, alpha)
                n_iter += 1
                continue
            if converged or n_iter >= max_iter:
                break
            # steps that jump over the zero of the score become shorter
            over = (found.score * before < 0) & (np.abs(found.score) > 0.1 * np.abs(before))
            damping = np.where(over, 0.5 * damping, np.minimum(1.0, 1.2 * damping))
            before = found.score
            inside = np.isfinite(alpha)
            step = np.clip(damping * found.step(), -_STEP, _STEP)
            alpha[inside] *= np.exp(step[inside])
            n_iter += 1
        log_evidence, error = found.log_evidence()
        errors = found.errors()
        return Estimate(
            found.w,
            alpha,
            errors,
            found.noise,
            np.maximum(found.dof, 0.0),
            log_evidence,
            error,
            relative,
            n_iter,
            bool(converged) and found.solved,
        )


class Score:
    """The score and the average information at penalties (g,).

    Attributes
    ----------
    w : ndarray (p,)
        Coefficients.
    x : ndarray (p, s)
        Solutions for the signs, in the scaled system.
    dof, score : ndarray (g,)
    solved : bool
        Whether conjugate gradients ended at their tolerance, in each solve so far.
    """

    def __init__(self, data: Iterative, alpha: Array, t: int, known: tuple[Any, Any]) -> None:
        self.data, self.alpha, self.solved = data, alpha, True
        self.inside = np.isfinite(alpha)
        kept = data.penalised & self.inside[data.codes]
        self.D = np.where(kept, np.where(self.inside, alpha, 0.0)[data.codes] * data.d, 0.0)
        kept[data.free] = True
        self.kept = kept
        P = np.where(kept, data.column_squares + self.D, 1.0)
        self.P = P
        self.scale = np.where(kept, 1.0 / np.sqrt(P), 0.0)
        # columns that are not kept have 1 on the diagonal
        self.share = np.where(kept, self.D / P, 1.0)
        w, x = known
        right = (data.right[:, t] * self.scale)[:, None]
        start = None if w is None else (w * np.sqrt(P) * kept)[:, None]
        self.w = self.solve(right, start)[:, 0] * self.scale
        signs = data.signs
        self.x = self.solve(signs, x)
        of_signs = signs * (signs - self.share[:, None] * self.x)
        self.samples = np.stack([data.sums(np.where(kept, z, 0.0)) for z in of_signs.T])
        self.dof = self.samples.mean(axis=0)
        problem = data.problem
        self.residual = problem.Y[:, t] - problem.A.dot(np.ascontiguousarray(self.w))
        R = self.residual if problem.weight is None else self.residual * problem.weight
        self.R = float(self.residual @ R)
        self.weights = data.sums(self.D * self.w**2)
        self.Q = self.R + float(self.weights.sum())
        self.noise = self.Q / data.left if data.left > 0 else 0.0
        self.score = np.zeros(data.count)
        if self.noise > 0:
            self.score = self.dof - self.weights / self.noise
        self.score[~self.inside] = 0.0

    def times(self, V: Array) -> Array:
        """The scaled system times V (p, k)."""
        fit = self.data.problem.A.dot(np.asfortranarray(V * self.scale[:, None]))
        return self.data.weighted(fit) * self.scale[:, None] + self.share[:, None] * V

    def solve(self, B: Array, start: Any = None, coefficients: Any = None) -> Array:
        """Solve the scaled system for right sides (p, k) by conjugate gradients, side by side."""
        X = np.zeros(B.shape) if start is None else start.copy()
        R = B.copy() if start is None else B - self.times(X)
        V = R.copy()
        squares = np.einsum("ij,ij->j", R, R)
        least = _RESIDUAL**2 * np.einsum("ij,ij->j", B, B)
        for _ in range(_MOST):
            active = squares > least
            if not active.any():
                break
            AV = self.times(V[:, active])
            inner = np.einsum("ij,ij->j", V[:, active], AV)
            step = np.zeros(B.shape[1])
            step[active] = squares[active] / np.maximum(inner, np.finfo(float).tiny)
            X += V * step
            R[:, active] -= AV * step[active]
            after = np.einsum("ij,ij->j", R, R)
            ratio = np.divide(after, squares, out=np.zeros_like(after), where=active)
            V = R + V * ratio
            if coefficients is not None:
                coefficients.append((np.where(active, step, 0.0), np.where(active, ratio, 0.0)))
            squares = np.where(active, after, squares)
        self.solved &= not (squares > least).any()
        return X

    def relative(self, tol: float) -> tuple[float, bool]:
        """Return the largest score over what cancels in it, and whether it ends the search.

        It does at `tol`, or at a small share of the standard error of each score that is small
        beside what cancels too, for few signs have large errors.
        """
        inside = self.inside & (self.data.size > 0)
        size = self.dof + self.weights / max(self.noise, np.finfo(float).tiny)
        error = self.samples.std(axis=0) / np.sqrt(len(self.samples))
        score = np.abs(self.score)
        found = float((score / np.maximum(size, 1e-12))[inside].max(initial=0.0))
        least = np.maximum(tol * size, np.minimum(_ERROR * error, _NEAR * size))
        return found, bool((score <= least)[inside].all())

    def information(self) -> Array:
        """Average information (g + 1, g + 1) in the logarithms of the prior variances and s."""
        data = self.data
        F = np.zeros((data.p, data.count))
        F[np.arange(data.p), data.codes] = np.where(data.penalised, self.w, 0.0)
        Z = data.problem.A.dot(np.asfortranarray(F))
        Z = np.column_stack([Z, self.residual])
        H = data.weighted(Z)
        solved = self.solve(H * self.scale[:, None]) * self.scale[:, None]
        weight = data.problem.weight
        inner = Z.T @ (Z if weight is None else Z * weight[:, None])
        return (inner - H.T @ solved) / self.noise

    def _log_alpha(self, right: Array, extra: Array) -> Array:
        """Changes (g, k) of log alpha for scores (g, k); `extra` (g,) is added to the curvature."""
        right = np.vstack([right, -right.sum(axis=0)])
        inside = np.r_[np.flatnonzero(self.inside & (self.data.size > 0)), len(right) - 1]
        M = self.information()[np.ix_(inside, inside)]
        # away from its zero the score itself is most of its derivative where y says little
        M[np.diag_indices(len(M))] += np.r_[extra[inside[:-1]] + 1e-12, 0.0]
        change = np.linalg.solve(M, right[inside])
        out = np.zeros((len(right) - 1, right.shape[1]))
        out[inside[:-1]] = change[:-1] - change[-1]
        return out

    def step(self) -> Array:
        """Newton's step (g,) of log alpha."""
        return self._log_alpha(self.score[:, None], np.abs(self.score))[:, 0]

    def errors(self) -> Array:
        """Relative standard errors (g,) of alpha; nan where it is infinite."""
        if not self.inside.any() or self.noise <= 0 or len(self.samples) < 2:
            return np.where(self.inside, 0.0, np.nan)
        spread = self.samples - self.samples.mean(axis=0)
        right = np.where(self.inside[:, None], spread.T, 0.0)
        changes = self._log_alpha(right, np.zeros(len(self.alpha)))
        errors = changes.std(axis=1) / np.sqrt(len(self.samples) - 1)
        return np.where(self.inside, errors, np.nan)

    def log_evidence(self) -> tuple[float, float]:
        """Log restricted likelihood and its standard error."""
        data = self.data
        if self.noise <= 0:
            return np.inf, 0.0
        coefficients: list[Any] = []
        self.solve(data.signs, None, coefficients)
        values = _log_of(coefficients, data.signs.shape)
        D = self.D[self.kept & data.penalised]
        log = float(values.mean() + np.log(self.P).sum() - np.log(D).sum())
        log += float(np.log(data.total)) if data.problem.fit_intercept else 0.0
        error = 0.5 * float(values.std() / np.sqrt(max(len(values) - 1, 1)))
        value = data.left * (np.log(self.noise) + np.log(2.0 * np.pi)) + data.left + log
        return -0.5 * float(value), error


def _log_of(coefficients: list[Any], shape: tuple[int, int]) -> Array:
    """z'log(A)z of each right side z, from the coefficients of conjugate gradients from zero."""
    p, k = shape
    out = np.zeros(k)
    if not coefficients:
        return out
    steps = np.array([step for step, _ in coefficients])
    ratios = np.array([ratio for _, ratio in coefficients])
    for j in range(k):
        m = int((steps[:, j] > 0).sum())
        a, b = steps[:m, j], ratios[:m, j]
        diagonal = 1.0 / a
        diagonal[1:] += b[:-1] / a[:-1]
        off_diagonal = np.sqrt(b[: m - 1]) / a[: m - 1]
        values, vectors = eigh_tridiagonal(diagonal, off_diagonal)
        out[j] = p * float(vectors[0] ** 2 @ np.log(np.maximum(values, _EPS)))
    return out
