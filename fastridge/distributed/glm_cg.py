"""Newton steps of many coefficients by conjugate gradients: a pass for each product.

As in `solvers/glm/newton_cg.py`, a step minimises the quadratic model in a trust region. The
intercept of one predictor is eliminated by the weighted means of the columns; those of several
classes are coordinates as the others are, with a small penalty, since the same constant on all of
them changes nothing. The preconditioner treats the columns of the largest curvatures exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.parts import Parts
from ..quadratic.preconditioner import Preconditioner, heaviest
from ..solvers.glm.newton_cg import steihaug
from .glm_sums import Data, Equations, block_of, products_of
from .sums import Totals

Array = NDArray[np.float64]

_LOOSE = 0.1  # share of the gradient that a step may leave
_BLOCK = 500  # columns of the preconditioner's block
_POOR, _GOOD = 0.25, 0.75  # shares of the predicted decrease
_SHRINK, _GROW = 0.25, 4.0  # factors of the radius
_LEVEL = 1e-3  # curvature of the same constant on all classes, as a share of an intercept's


class Gradients:
    """Steps from gradients and products over parts."""

    def __init__(self, parts: Parts, data: Data, origin: Array, total: float) -> None:
        self.parts, self.data, self.origin, self.total = parts, data, origin, total
        self.radius, self.least = np.inf, np.inf
        self.block: tuple[NDArray[np.intp], Array] | None = None
        self.predicted = self.length = 0.0

    def step(
        self,
        state: Equations,
        at: tuple[Array, Array],
        l2: Array,
        constant: NDArray[np.bool_],
        fit_intercept: bool,
        goal: float,
    ) -> tuple[Array, Array, float]:
        """Return the step of coefficients (k, p) and intercepts (k,), and the decrement.

        goal: the decrement that ends the fit.
        """
        coef = at[0]
        k, p = coef.shape
        assert state.border is not None
        assert state.squares is not None
        border, squares = state.border, state.squares
        one = k == 1 and fit_intercept and border[0, p] > 0
        live = np.tile(np.append(np.where(constant, 0.0, 1.0), float(fit_intercept and k > 1)), k)
        g = state.gradient.copy()
        g[:, :p] += l2 * coef
        mean = border[0, :p] / border[0, p] if one else np.zeros(p)
        penalty = np.append(l2, _LEVEL * squares[:, p].max())
        slope = state.gradient[0, p]
        diagonal = squares.copy()
        if one:
            g[0, :p] -= slope * mean
            diagonal[0, :p] = np.maximum(squares[0, :p] - border[0, p] * mean**2, 0.0)

        def multiply(v: Array, out: Array) -> None:
            V = (v * live).reshape(k, p + 1)
            if one:
                V[0, p] = -(mean @ V[0, :p])
            sums: Totals = self.parts.sum(products_of, self.data, at, self.origin, self.total, V)
            H = sums.values[0]
            if one:
                H[0, :p] -= H[0, p] * mean
                H[0, p] = 0.0
            out[...] = H.ravel() * live

        every = np.tile(penalty, k)
        heavy, gram = self._block_of(at, diagonal, one, mean, border)
        precondition = Preconditioner((diagonal.ravel()) * live, every, heavy, gram)
        inverse = 1.0 / every
        g = g.ravel() * live
        enough = max(_LOOSE * np.sqrt(float(g**2 @ inverse)), 0.3 * np.sqrt(goal))
        found = steihaug(g, multiply, every, inverse, precondition, self.radius, enough, self.least)
        self.least, self.predicted, self.length = found.least, found.predicted, found.length
        d = (found.d * live).reshape(k, p + 1)
        if not one:
            return d[:, :p], d[:, p], found.decrement
        shift = -slope / border[0, p]
        self.predicted += 0.5 * shift**2 * border[0, p]
        gap = found.decrement + shift**2 * border[0, p]
        return d[:, :p], np.array([shift - mean @ d[0, :p]]), gap

    def _block_of(
        self, at: Any, diagonal: Array, one: bool, mean: Array, border: Array
    ) -> tuple[NDArray[np.intp], Array]:
        """Return heavy columns of one predictor, and their Gram matrix at the first step."""
        if len(diagonal) > 1:
            return np.zeros(0, np.intp), np.zeros((0, 0))
        if self.block is None:
            heavy = heaviest(diagonal[0, :-1], _BLOCK)
            sums: Totals = self.parts.sum(block_of, self.data, at, self.origin, self.total, heavy)
            gram = sums.values[0]
            if one:
                gram = gram - border[0, -1] * np.outer(mean[heavy], mean[heavy])
            self.block = heavy, gram
        return self.block

    def note(self, t: float, decrease: float) -> None:
        """Adapt the radius to a step that was shortened by t, and to its decrease."""
        ratio = decrease / self.predicted if self.predicted > 0 else 1.0
        if t < 1.0 or ratio < _POOR:
            self.radius = max(t, _SHRINK) * self.length if t == 1.0 else t * self.length
        elif ratio > _GOOD and self.length >= 0.9 * self.radius:
            self.radius *= _GROW
