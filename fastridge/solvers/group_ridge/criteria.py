"""Criteria for group penalties, with derivatives in the logarithms of the penalties.

Every criterion V is to be minimised, in units of -2 log likelihood. With n the sum of the weights
and m the degrees of freedom of the intercept and the free features,

    reml    (n - m) log Q + L                    integrates over intercept and free coefficients
    ml      n log Q + L + log|I + J C J'|        maximises over them; J the fixed columns' products
    gcv     n log R - 2 n log(n - m - dof)       R the sum of squared residuals
    loo     n log(sum_i s_i (r_i / (1 - h_i))^2)

A state computes the terms. A group whose penalty is infinite is out; it returns if the derivative
in its prior variance t = 1 / alpha is negative at t = 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_TINY = float(np.finfo(np.float64).tiny)
_FEW_LEFT = (
    1e-4  # share of degrees of freedom that is left where all rows are fitted nearly exactly
)
_MOST_ROUNDING = 1e-3  # largest relative round-off of a criterion that is compared
_ROUNDING = 16.0 * float(np.finfo(np.float64).eps)


class Terms(NamedTuple):
    """A number and its derivatives.

    Attributes
    ----------
    value : float
    first : ndarray (g,)
    second : ndarray (g, g)
    """

    value: float
    first: Array
    second: Array

    def log(self) -> Terms:
        """Return the logarithm with its derivatives."""
        share = self.first / self.value
        return Terms(
            float(np.log(self.value)), share, self.second / self.value - np.outer(share, share)
        )


class Derivatives(NamedTuple):
    """Derivatives of a criterion.

    Attributes
    ----------
    gradient : ndarray (g,)
    hessian : ndarray (m, m)
    size : ndarray (g,)
        Magnitude of the terms that cancel in the gradient at the optimum.
    index : ndarray (m,) or None
        Groups of the rows and columns of the Hessian; None: all.
    """

    gradient: Array
    hessian: Array
    size: Array
    index: Any = None

    def hessian_of(self, chosen: Any) -> Array:
        """Return the Hessian of some groups, as a new array."""
        if self.index is not None:
            chosen = np.searchsorted(self.index, chosen)
        H = self.hessian
        return H.copy() if len(chosen) == len(H) else H.take(chosen, 0).take(chosen, 1)


class Criterion(ABC):
    """A criterion for data of total weight n and m fixed degrees of freedom."""

    may_be_zero = False  # whether a penalty of 0 can be optimal

    def __init__(self, total: float, rank: int) -> None:
        self.total, self.left = total, total - rank

    @abstractmethod
    def value(self, state: Any) -> float:
        """Return V."""

    @abstractmethod
    def derivatives(self, state: Any) -> Derivatives:
        """Return the derivatives of V in the logarithms of the penalties."""

    @abstractmethod
    def entering(self, state: Any) -> Array:
        """Return derivatives (g,) in the prior variances of groups that are out; 0 for others."""

    @abstractmethod
    def noise(self, state: Any) -> float:
        """Return the noise variance, for y of length 1."""

    def alone(self, state: Any) -> Array | None:
        """Return steps (g,) in the logarithm of each penalty to the minimum over it alone.

        For groups of one feature; infinite if the group is dropped there. None: not known.
        """
        return None

    def entering_alone(self, state: Any) -> Array | None:
        """Return the best penalty (g,) of each dropped group of one feature; else infinity."""
        return None

    def rounding(self, state: Any) -> float:
        """Return the relative round-off of the terms of the gradient."""
        return _ROUNDING * (1.0 + state.cancelled)


class Restricted(Criterion):
    """The restricted likelihood."""

    def value(self, state: Any) -> float:
        return _log(state.Q) * self.left + state.log_determinant()

    def derivatives(self, state: Any) -> Derivatives:
        if state.by_features and state.ones:
            Q = self.left / state.Q * state.slopes
            H, index = state.restricted_hessian(self.left)
            return Derivatives(Q - state.dof, H, Q + state.dof, index)
        Q, L = state.quadratic().log(), state.determinant()
        return _sum((self.left, Q), (1.0, L))

    def alone(self, state: Any) -> Array | None:
        # with u the degrees of freedom of a feature, what its penalty changes in the criterion is
        # left log(Q - b u) - log(1 - u), Q and b from the other features
        if not state.by_features or not (state.sizes == 1).any():
            return None
        ones = state.sizes == 1
        c, D, w = state.diagonal, state.D, state.w
        best = self._best(np.maximum(1.0 / c - D, _TINY), (w / c) ** 2, state.Q + w**2 / c)
        out = np.full(len(state.sizes), np.nan)
        with np.errstate(divide="ignore"):
            out[ones] = np.log(best / D)[state.start[ones]]
        return out

    def _best(self, spread: Array, squares: Array, Q: Any) -> Array:
        """Return the best penalty of a feature from x'Px, (x'r)^2 and Q without it."""
        b = squares / spread
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            u = np.clip((self.left - Q / b) / max(self.left - 1.0, 1.0), 0.0, 1.0)
            return spread * (1.0 - u) / u

    def entering_alone(self, state: Any) -> Array | None:
        if not state.by_features:
            return None
        out = state.outside
        absent = ~state.inside & (state.data.groups.size == 1)
        found = np.full(len(absent), np.inf)
        spread, squares = np.maximum(out.spread, _TINY), out.sums(out.slope**2)
        found[absent] = self._best(spread[absent], squares[absent], state.Q)
        return found

    def entering(self, state: Any) -> Array:
        out = state.outside
        return out.spread - self.left / state.Q * out.squares

    def noise(self, state: Any) -> float:
        return state.Q / self.left


class Likelihood(Criterion):
    """The likelihood, maximised over the intercept and the free features."""

    def value(self, state: Any) -> float:
        return _log(state.Q) * self.total + state.log_determinant() + state.border.value

    def derivatives(self, state: Any) -> Derivatives:
        Q, L = state.quadratic().log(), state.determinant()
        return _sum((self.total, Q), (1.0, L), (1.0, state.border))

    def entering(self, state: Any) -> Array:
        out = state.outside
        return out.spread + out.raw - self.total / state.Q * out.squares

    def noise(self, state: Any) -> float:
        return state.Q / self.total


class Generalised(Criterion):
    """Generalised cross-validation."""

    may_be_zero = True

    def value(self, state: Any) -> float:
        left = self.left - float(state.dof.sum())
        if left <= _FEW_LEFT * self.total and self.rounding(state) > _MOST_ROUNDING:
            # a quotient of numbers that both vanish, and of which round-off is left
            return np.inf
        return self.total * (_log(state.residual) - 2.0 * _log(left))

    def derivatives(self, state: Any) -> Derivatives:
        R, dof = state.residuals().log(), state.total_dof()
        left = Terms(self.left - dof.value, -dof.first, -dof.second).log()
        return _sum((self.total, R), (-2.0 * self.total, left))

    def entering(self, state: Any) -> Array:
        out = state.outside
        left = self.left - float(state.dof.sum())
        R = -2.0 * out.products / state.residual
        return self.total * (R + 2.0 * out.spread_twice / left)

    def rounding(self, state: Any) -> float:
        left = self.left - float(state.dof.sum())
        if left <= 1e-9 * self.total:
            return np.inf
        return _ROUNDING * (state.residual_cancelled + self.total / left)

    def noise(self, state: Any) -> float:
        return state.residual / (self.left - float(state.dof.sum()))


class LeaveOneOut(Criterion):
    """Leave-one-out errors."""

    may_be_zero = True

    def value(self, state: Any) -> float:
        return self.total * _log(state.left_out.value)

    def derivatives(self, state: Any) -> Derivatives:
        terms = state.left_out.terms()
        V = Terms(terms.value, terms.first.sum(axis=0), terms.second).log()
        size = np.abs(terms.first).sum(axis=0) / terms.value
        return Derivatives(self.total * V.first, self.total * V.second, self.total * size)

    def entering(self, state: Any) -> Array:
        return self.total * state.left_out.entering() / state.left_out.value

    def noise(self, state: Any) -> float:
        return state.residual / max(self.left - float(state.dof.sum()), 1e-9 * self.total)

    def rounding(self, state: Any) -> float:
        return _ROUNDING * state.left_out.cancelled


def _log(x: float) -> float:
    return float(np.log(x)) if x > 0 else -np.inf


def _sum(*terms: tuple[float, Terms]) -> Derivatives:
    gradient = sum(a * t.first for a, t in terms)
    hessian = sum(a * t.second for a, t in terms)
    size = sum(abs(a) * np.abs(t.first) for a, t in terms)
    return Derivatives(gradient, hessian, size)


def criterion_of(name: str, total: float, rank: int) -> Criterion:
    """Return the criterion with the given name."""
    kinds: dict[str, type[Criterion]] = {
        "reml": Restricted,
        "ml": Likelihood,
        "gcv": Generalised,
        "loo": LeaveOneOut,
    }
    return kinds[name](total, rank)
