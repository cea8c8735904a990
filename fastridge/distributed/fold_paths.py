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

        def precondition(R: Array) -> Array:
            rotated = np.ascontiguousarray(reduced.rotate(R).T).reshape(m, k, p)
            solved = [reduced.solve(alphas[i : i + 1], rotated[i].T)[0][0] for i in range(m)]
            return np.asarray(reduced.rotate(np.concatenate(solved).T, back=True))

        X, R = np.zeros((p, m * k), order="F"), right.copy(order="F")
        Z = precondition(R)
        step = Z.copy(order="F")
        size = first = np.einsum("ij,ij->j", R, Z)
        self.converged = False
        for _ in range(_MOST):
            product = M @ step + penalties * step
            curve = np.einsum("ij,ij->j", step, product)
            t = np.divide(size, curve, out=np.zeros(m * k), where=curve > 0)
            X += t * step
            R -= t * product
            Z = precondition(R)
            after = np.einsum("ij,ij->j", R, Z)
            if (after <= _SETTLED**2 * first).all():
                self.converged = True
                break
            ratio = np.divide(after, size, out=np.zeros(m * k), where=size > 0)
            step = Z + ratio * step
            size = after
        # yy - 2 c'x + x'Mx, with Mx = c - r - alpha x
        left = np.einsum("ij,ij->j", X, right + R) + penalties * np.einsum("ij,ij->j", X, X)
        self.residual = problem.yy - left.reshape(m, k)
        self.coef = np.zeros((m, k, problem.p))
        self.coef[:, :, chosen] = (inverse[:, None] * X).T.reshape(m, k, p)

    def rough(self) -> Array:
        return self.coef
