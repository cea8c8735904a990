"""Paths of the folds of many columns, from one reduction of the Gram matrix of all rows.

The training rows of a fold are most of all rows, so that (M + alpha I)^-1 of these, from their
reduction to tridiagonal form, preconditions conjugate gradients for M_f + alpha I. All penalties
are solved at once: products with M_f and rotations are those of matrices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..quadratic.sums import SumProblem

Array = NDArray[np.float64]

LARGE = 3000  # columns from which this is faster than a reduction for each fold
_MOST = 100  # iterations
_SETTLED = 1e-11  # norm of the residual, relative to the first


class FoldPath:
    """Solutions for every penalty on the training rows of a fold; as of `MomentsPath`.

    Attributes
    ----------
    coef : ndarray (m, k, p)
    residual : ndarray (m, k)
        Weighted sums of squares.
    converged : bool
    """

    def __init__(
        self, train: Any, whole: Any, alphas: Array, d: Array, fit_intercept: bool
    ) -> None:
        problem = SumProblem(train, alphas, d, fit_intercept)
        m, k, chosen = len(alphas), problem.k, whole.chosen
        p = len(chosen)
        inverse = 1.0 / np.sqrt(d[chosen])
        M = problem.gram() if p == problem.p else problem.gram()[np.ix_(chosen, chosen)]
        M *= inverse
        M *= inverse[:, None]
        right = np.asfortranarray(np.tile(inverse[:, None] * problem.cross[chosen], m))
        penalties = np.repeat(alphas, k)
        reduced = whole.reduced

        def precondition(R: Array, which: NDArray[np.intp]) -> Array:
            rotated = np.ascontiguousarray(reduced.rotate(R).T)
            each = zip(penalties[which, None], rotated, strict=True)
            solved = [reduced.solve(penalty, one[:, None])[0][0, 0] for penalty, one in each]
            return np.asarray(reduced.rotate(np.array(solved).T, back=True))

        X, R = np.zeros((p, m * k), order="F"), right.copy(order="F")
        # systems that have not settled yet
        live = np.arange(m * k)
        Z = precondition(R, live)
        step = Z.copy(order="F")
        size = first = np.einsum("ij,ij->j", R, Z)
        for _ in range(_MOST):
            product = M @ step + penalties[live] * step
            curve = np.einsum("ij,ij->j", step, product)
            t = np.divide(size, curve, out=np.zeros(len(live)), where=curve > 0)
            X[:, live] += t * step
            R[:, live] -= t * product
            Z = precondition(R[:, live], live)
            after = np.einsum("ij,ij->j", R[:, live], Z)
            ratio = np.divide(after, size, out=np.zeros(len(live)), where=size > 0)
            left = after > _SETTLED**2 * first[live]
            step = np.asfortranarray((Z + ratio * step)[:, left])
            size, live = after[left], live[left]
            if not len(live):
                break
        self.converged = not len(live)
        # yy - 2 c'x + x'Mx, with Mx = c - r - alpha x
        gain = np.einsum("ij,ij->j", X, right + R) + penalties * np.einsum("ij,ij->j", X, X)
        self.residual = problem.yy - gain.reshape(m, k)
        self.coef = np.zeros((m, k, problem.p))
        self.coef[:, :, chosen] = (inverse[:, None] * X).T.reshape(m, k, p)

    def rough(self) -> Array:
        return self.coef
