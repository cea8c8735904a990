"""The evidence of a Gaussian prior, maximised from one reduction to tridiagonal form.

With the model y_i ~ N(b + x_i w, 1 / (a s_i)), w_j ~ N(0, 1 / (lam d_j)) and r = lam / a, the
posterior mean of w is the ridge solution for the penalty r, and with g its effective degrees of
freedom the evidence is stationary where (D. J. C. MacKay, "Bayesian interpolation", Neural
Computation 4, 1992)

    lam = (g + 2 l_1) / (|w|^2 + 2 l_2),   a = (n - g + 2 a_1) / (residual + 2 a_2),

for gamma priors of shape l_1, a_1 and rate l_2, a_2. Each step costs a tridiagonal system.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...moments import Moments
from ...quadratic.problem import RidgeProblem
from ...systems.blas import on_one_thread
from ...systems.cost import rows_fit
from ..ridge_path.direct import CANCELS, DualPath, MomentsPath

_EPS = np.finfo(np.float64).eps


class Evidence:
    """A ridge problem of one target, reduced, by features or by samples.

    Parameters
    ----------
    A : Matrix (n, p), not centred
    y : ndarray (n,)
    weight : ndarray (n,) or None
    d : ndarray (p,)
    fit_intercept : bool
    by_rows : bool
    """

    @on_one_thread
    def __init__(self, A, y, weight, d, fit_intercept, by_rows) -> None:
        self.by_rows, self.weighted = by_rows, weight is not None
        self.moments = None
        self.exact = False  # whether a penalty was too small for the accuracy of the reduction
        Y = np.asfortranarray(y.reshape(-1, 1))
        fits = rows_fit(*A.shape)
        if by_rows:
            self.problem = RidgeProblem(A, Y, np.ones(1), weight, d, fit_intercept)
            scale = float(self.problem.column_squares().sum())
            self.path = DualPath(self.problem, np.array([scale or 1.0]), 1e-6, fits)
            self.total = self.problem.total
        else:

            def rows():
                return RidgeProblem(A, Y, np.ones(1), weight, d, fit_intercept)

            self.moments = Moments._of_matrix(A, y, weight)
            self.path = MomentsPath(
                self.moments,
                np.zeros(0),  # penalties come later
                d,
                fit_intercept,
                1e-6,
                rows if fits else None,
            )
            self.problem = self.path.problem
            self.total = self.moments.total_weight
        path = self.path
        self.rank = path.rank
        self.size = int((d > 0).sum())
        self._moved = False  # whether the last call of `at` changed the basis
        if by_rows:
            self.yy = float(path.right[:, 0] @ path.right[:, 0])
        else:
            self.yy = float(path.yy[0])

    def at(self, ratio):
        """Return x in the rotated basis, |w|^2, residual and degrees of freedom for a penalty."""
        path, alphas = self.path, np.array([ratio])
        if path.reduced is None:
            return np.zeros(0), 0.0, self.yy, float(self.rank)
        self._moved = not self.exact and not path.shows(alphas)[0]
        self.exact = self.exact or self._moved
        if self.exact:
            found = path.spectrum
            x, norm = found.solutions(alphas)[0, 0], found.squared_norm(alphas)[0, 0]
            residual = found.residual(alphas)[0, 0]
            return x, float(norm), float(residual), float(found.dof(alphas)[0])
        x, trace = path.reduced.solve(alphas, path.rotated)
        x, rotated = x[0, 0], path.rotated[:, 0]
        square = float(x @ x)
        dof = len(x) - ratio * float(trace[0]) + self.rank
        if self.by_rows:
            norm = max(float(x @ rotated) - ratio * square, 0.0)
            return x, norm, ratio**2 * square, dof
        residual = self.yy - float(x @ rotated) - ratio * square
        if residual < CANCELS * self.yy and path.rows is not None:
            # the residual is lost to cancellation
            self.exact = True
            x, square, residual, dof = self.at(ratio)
            self._moved = True
        return x, square, max(residual, _EPS**2 * self.yy), dof

    def step_size(self, x, before, ratio, ratio_before):
        """Return a bound on sum_j |w_j - before_j|, in units of the priors.

        It is infinite where the basis changed in between.
        """
        if self._moved:
            return np.inf
        if self.by_rows and not self.exact:
            # w = B'a and |B'a|^2 = a'T a
            c = x - before
            T = self.path.reduced
            product = T.d * c
            product[:-1] += T.e * c[1:]
            product[1:] += T.e * c[:-1]
            square = max(float(c @ product), 0.0)
        else:
            square = float((x - before) @ (x - before))
        return float(np.sqrt(self.size * square))

    def log_evidence(self, a, lam, norm, residual, priors):
        """Return the log marginal likelihood, including the terms of the hyperpriors.

        Coefficients without a penalty are integrated out, up to a constant.
        """
        a_1, a_2, l_1, l_2 = priors
        alphas = np.array([lam / a])
        found = self.path.spectrum if self.exact else self.path
        shape = float(found.log_det(alphas)[0])
        n = self.total - self.rank
        score = l_1 * np.log(lam) - l_2 * lam + a_1 * np.log(a) - a_2 * a
        return score + 0.5 * (
            n * np.log(a) - a * residual - lam * norm - shape - n * np.log(2.0 * np.pi)
        )


@on_one_thread
def maximise(
    evidence: Evidence, a: float, lam: float, priors: Any, tol: float, max_iter: int, keep: bool
) -> Any:
    """Return precisions a and lam, iterations, the score of each, and the degrees of freedom."""
    a_1, a_2, l_1, l_2 = priors
    scores = []
    before, ratio = None, None
    n_iter = 0
    tiny = np.finfo(np.float64).tiny
    while n_iter < max_iter:
        n_iter += 1
        last, ratio = ratio, lam / a
        x, norm, residual, dof = evidence.at(ratio)
        if keep:
            scores.append(evidence.log_evidence(a, lam, norm, residual, priors))
        penalised = dof - evidence.rank
        lam = (penalised + 2.0 * l_1) / max(norm + 2.0 * l_2, tiny)
        # intermediate fits may have more degrees of freedom than the total weight
        left = max(evidence.total - dof, _EPS * evidence.total)
        a = (left + 2.0 * a_1) / max(residual + 2.0 * a_2, tiny)
        if before is not None and evidence.step_size(x, before, ratio, last) < tol:
            break
        before = x
    x, norm, residual, dof = evidence.at(lam / a)
    if dof >= evidence.total * (1.0 - _EPS) and evidence.weighted:
        raise ValueError(
            f"sample_weight sums to {evidence.total:.3g}, which counts as the number of samples,"
            f" but the fit has {dof:.3g} degrees of freedom, which leaves none for the noise;"
            " expected weights with a larger sum."
        )
    if keep:
        scores.append(evidence.log_evidence(a, lam, norm, residual, priors))
    return float(a), float(lam), n_iter, np.array(scores), float(dof)
