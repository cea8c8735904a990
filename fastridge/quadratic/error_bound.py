"""Stopping criteria of iterative ridge solvers: error bounds from strong convexity.

With g = A' S^2 (y - A w) - alpha D w, minus half of the gradient, and M = A' S^2 A + alpha D, the
objective F lies above its minimum by

    F(w) - min F = g' M^-1 g = |w - w*|_M^2 <= g' D^-1 g / alpha

since M >= alpha D. `tol` bounds the root of the right-hand side over F(w), so that

    F(w) - min F <= tol^2 F(w),   |w - w*|_M <= tol sqrt(F(w)),   |w - w*|_D <= tol sqrt(F(w)/alpha)

No estimate of an eigenvalue enters: the bound holds for any data. For alpha = 0 the least Ritz
value of conjugate gradients replaces alpha D, so that the bound is an estimate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .problem import RidgeProblem, pieces

_FREE = 1e-4  # assumed share of an unpenalised column's curvature that the other columns leave
_ULPS = 4.0  # round-off of a gradient, in units in the last place of its sums
_EPS = float(np.finfo(np.float64).eps)


class Goal:
    """The required accuracy at one penalty.

    Attributes
    ----------
    weights : ndarray (p,) or None
        D^-1, as weights of squared gradients; None: ones.
    least : float
        alpha; for alpha = 0 the least Ritz value so far (infinite before the first).
    """

    def __init__(self, problem: RidgeProblem, alpha: float, tol: float) -> None:
        self.problem, self.alpha, self.tol = problem, alpha, tol
        self.least = alpha if alpha > 0 else np.inf
        self.weights: NDArray[np.float64] | None = None
        d = problem.d
        if alpha > 0 and problem.penalty is not None and not (d == 1).all():
            self.weights = np.zeros(problem.p)
            np.divide(1.0, d, out=self.weights, where=d > 0)
            free = (d == 0) & (problem.column_squares() > 0)
            self.weights[free] = alpha / (_FREE * problem.column_squares()[free])
        self._trace = None

    @property
    def share(self) -> float:
        """Bound on the norm of the gradient, over the root of the objective."""
        if not np.isfinite(self.least):
            return 0.0
        return self.tol * float(np.sqrt(self.least))

    def norm(self, G: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the norms (k,) of gradients (p, k)."""
        if self.weights is None:
            return np.linalg.norm(G, axis=0)
        return np.sqrt(np.einsum("jk,j,jk->k", G, self.weights, G))

    def floor(self, W: NDArray[np.float64], objective: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the norms (k,) of the round-off of the gradients at W (p, k)."""
        size = self.problem.column_squares()
        if self._trace is None:
            self._trace = float(size.sum() if self.weights is None else self.weights @ size)
        squares = np.zeros(W.shape[1])
        for piece in pieces(len(W)):
            diagonal = size[piece] + self.alpha * self.problem.d[piece]
            diagonal *= diagonal if self.weights is None else diagonal * self.weights[piece]
            squares += diagonal @ W[piece] ** 2
        rounded = np.sqrt(squares) + np.sqrt(self._trace * np.maximum(objective, 0.0))
        return _ULPS * _EPS * rounded

    def value(self, W: NDArray[np.float64], objective: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values (k,) that errors are relative to.

        This is the objective, or for least squares, whose objective may be 0, at least a multiple
        of |w|^2.
        """
        if self.alpha > 0 or not np.isfinite(self.least):
            return np.maximum(objective, 0.0)
        return np.maximum(objective, self.least * np.einsum("jk,jk->k", W, W))

    def met(self, norm, W, objective) -> NDArray[np.bool_]:
        """Return whether gradients of these norms (k,) at W (p, k) are small enough."""
        near = norm <= self.share * np.sqrt(self.value(W, objective))
        return near if near.all() else near | (norm <= self.floor(W, objective))

    def error(self, norm, W, objective) -> NDArray[np.float64]:
        """Return bounds (k,) of the relative error sqrt((F - min F) / F); inf where unknown."""
        out = np.where(norm > 0, np.inf, 0.0)
        if not np.isfinite(self.least):
            return out
        size = np.sqrt(self.value(W, objective) * self.least)
        return np.divide(norm, size, out=out, where=(size > 0) & (norm > 0))


class Bound:
    """A goal that bounds the Euclidean norms of gradients by given numbers (k,)."""

    weights, share = None, 0.0

    def __init__(self, bound: NDArray[np.float64], alpha: float) -> None:
        self.bound, self.alpha, self.least = bound, alpha, np.inf

    def norm(self, G):
        return np.linalg.norm(G, axis=0)

    def floor(self, W, objective):
        return self.bound

    def value(self, W, objective):
        return np.zeros(len(self.bound))

    def met(self, norm, W, objective):
        return norm <= self.bound
