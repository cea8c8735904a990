"""A quadratic objective given by moments, without the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .base import Quadratic
from .range import require_moments

if TYPE_CHECKING:
    from ..moments import Moments

_FAR = 1e8  # squared mean over variance at which raw second moments lose half their digits


class SumProblem(Quadratic):
    """Minimise, for the centred Gram matrix G, cross products C and total weight W of moments,

        yy - 2 C'w + w'Gw + W e^2 + alpha w' diag(d) w,

    with e = m_y - m'w, the error at the means m and m_y, which is 0 with an intercept.

    Attributes
    ----------
    moments : Moments
    weight : float
        W, 0 with an intercept.
    squares, cross, yy : ndarray (p,), (p, k) and (k,)
        Sums about the means, or about zero without an intercept.
    centred_squares : ndarray (p,)
        Sums of squares about the means.
    """

    def __init__(
        self,
        moments: Moments,
        alpha: NDArray[np.float64],
        d: NDArray[np.float64],
        fit_intercept: bool,
        check: bool = True,
    ) -> None:
        self.moments, self.alpha, self.d = moments, alpha, d
        self.p, self.k = moments.n_features, moments.n_targets
        self.weight = 0.0 if fit_intercept else moments.total_weight
        self.fit_intercept = fit_intercept
        self.mean, self.y_mean = moments.mean, moments.y_mean
        self.centred_squares = np.diagonal(moments.gram)
        self.squares, self.cross, self.yy = self.centred_squares, moments.cross, moments.yy
        if not fit_intercept:
            self.squares = self.centred_squares + self.weight * self.mean**2
            self.cross = self.cross + self.weight * np.outer(self.mean, self.y_mean)
            self.yy = self.yy + self.weight * self.y_mean**2
        if check:
            require_moments(self.squares, self.yy)

    def column_squares(self) -> NDArray[np.float64]:
        return self.squares

    def gradient_at_zero(self) -> NDArray[np.float64]:
        return self.cross

    def gram(self) -> NDArray[np.float64]:
        """Return a copy of the Gram matrix, which is raw without an intercept."""
        if self.fit_intercept:
            return self.moments.gram.copy()
        rooted = np.sqrt(self.weight) * self.mean
        M = np.multiply.outer(rooted, rooted)
        M += self.moments.gram
        return M

    def means_are_far(self) -> bool:
        """Return whether raw second moments are used and lose the digits of the centred ones."""
        if self.fit_intercept:
            # squares are about the means
            return False
        return bool((self.squares > _FAR * self.centred_squares)[self.centred_squares > 0].any())

    def evaluate(
        self, coef: NDArray[np.float64], chosen: Any = slice(None), alpha: Any = None
    ) -> tuple[NDArray[np.float64], ...]:
        m = self.moments
        cross, y_mean = m.cross[:, chosen], self.y_mean[chosen]
        r = cross - m.gram @ coef
        shrunk = (self.alpha[chosen] if alpha is None else alpha) * (self.d[:, None] * coef)
        gradient = r - shrunk
        # w'Gw = w'(C - r)
        objective = m.yy[chosen] + ((shrunk - r - cross) * coef).sum(axis=0)
        if not self.fit_intercept:
            e = y_mean - self.mean @ coef
            gradient += self.weight * np.outer(self.mean, e)
            objective += self.weight * e**2
        return gradient, np.maximum(objective, 0.0)

    def certify(
        self,
        gradient: NDArray[np.float64],
        coef: NDArray[np.float64],
        alpha: Any,
        first: Any = None,
    ) -> NDArray[np.float64]:
        """Return relative gradients (m,), plus the round-off of the coefficients and of the sums.

        first: norms (m,) that they are relative to, instead of those at zero.
        """
        at_zero = np.linalg.norm(self.cross, axis=0) if first is None else first
        at_zero = np.tile(at_zero, coef.shape[1] // self.k)
        return self.relative(gradient, at_zero, self.rounding(coef, alpha))

    def gradients(self, coef: NDArray[np.float64], alpha: Any) -> NDArray[np.float64]:
        """Return negative half gradients at coefficients (p, m k), the targets repeated m times."""
        g = np.tile(self.cross, coef.shape[1] // self.k) - self.moments.gram @ coef
        g -= self.weight * np.outer(self.mean, self.mean @ coef)
        g -= alpha * (self.d[:, None] * coef)
        return g

    def intercept(self, coef: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the intercepts (k,) for coefficients (k, p)."""
        if not self.fit_intercept:
            return np.zeros(self.k)
        m = self.moments
        return (m._y_shift - coef @ m._shift) + (m._y_offset - coef @ m._offset)
