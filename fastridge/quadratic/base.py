"""Base class of quadratic objectives, whose data are rows or sums."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EPS = float(np.finfo(np.float64).eps)


class Quadratic(ABC):
    """Minimise w'(G + alpha diag(d)) w - 2 c'w + constant for each of k targets.

    Attributes
    ----------
    p, k : int
    alpha : ndarray (k,)
    d : ndarray (p,)
    fit_intercept : bool
        Whether G and c are about the means.
    mean, y_mean : ndarray (p,) and (k,)
    """

    p: int
    k: int
    alpha: NDArray[np.float64]
    d: NDArray[np.float64]
    fit_intercept: bool
    mean: NDArray[np.float64]
    y_mean: NDArray[np.float64]

    @abstractmethod
    def column_squares(self) -> NDArray[np.float64]:
        """Diagonal of G, (p,)."""

    @abstractmethod
    def gradient_at_zero(self) -> NDArray[np.float64]:
        """Return c, (p, k): half of the negative gradient at zero."""

    @abstractmethod
    def evaluate(
        self, coef: NDArray[np.float64], chosen: Any = slice(None), alpha: Any = None
    ) -> tuple[NDArray[np.float64], ...]:
        """Return the negative half gradient (p, m) and the objective (m,) at coefficients (p, m).

        They are those of the chosen targets; alpha, where given, replaces their penalties.
        """

    def rounding(self, coef: NDArray[np.float64], alpha: Any) -> NDArray[np.float64]:
        """Return bounds (m,) on the norm of the gradient due to rounding coefficients (p, m).

        The bound is |G r| + |alpha d r| with |G r| <= sqrt(tr G) sqrt(r'Gr) and r an ulp of each.
        """
        squares = self.column_squares()
        size = np.sqrt(squares.sum() * (squares @ coef**2))
        return _EPS * (size + np.linalg.norm(alpha * self.d[:, None] * coef, axis=0))

    def relative(
        self, gradient: NDArray[np.float64], at_zero: NDArray[np.float64], hidden: Any = 0.0
    ) -> NDArray[np.float64]:
        """Return norms of gradients plus `hidden` over the norms at zero; 0 where the latter is 0.

        at_zero: gradients at zero coefficients, or their norms; hidden: round-off, as a norm.
        """
        norm = np.linalg.norm(gradient, axis=0) + hidden
        first = at_zero if at_zero.ndim == 1 else np.linalg.norm(at_zero, axis=0)
        return np.divide(norm, first, out=np.zeros_like(norm), where=first > 0)
