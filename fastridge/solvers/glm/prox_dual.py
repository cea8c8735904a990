"""The dual of a problem with an L1 penalty or bounds, which certifies its solutions; see `prox`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .problem import Array, GLMProblem, State

_EPS = float(np.finfo(np.float64).eps)
# Round-off of a product of a column and theta, over the product of their norms; the same for
# features without a penalty, whose products would be 0 but for round-off.
_ROUNDING, _ROUNDING_OF_FREE = 16 * _EPS, 1e-10


class Dual:
    """Values of the dual objective D at any penalty of a problem.

    Attributes
    ----------
    start : ndarray (p,)
        Where coefficients rest: at 0, or at the bound nearest to it.
    rests_at_0, is_free : bool
        Whether they all rest at 0, and whether there are no bounds.
    has_l2 : bool
        Whether the penalty has an L2 part.
    """

    def __init__(self, problem: GLMProblem) -> None:
        self.problem, self.has_l2 = problem, False
        self.start = np.zeros(problem.p)
        for bound, clip in ((problem.lower, np.maximum), (problem.upper, np.minimum)):
            if bound is not None:
                clip(self.start, bound, out=self.start)
        self.rests_at_0 = not self.start.any()
        self.is_free = problem.lower is None and problem.upper is None

    def loss_part(self, theta: Array) -> float:
        """Return the part of D from the loss."""
        q = self.problem
        value = -q.loss.evaluate_conjugate(q.y, theta, q.weight)
        if not math.isfinite(value):
            return -np.inf
        return value if q.offset is None else value + float(theta @ q.offset)

    def value(
        self,
        theta: Array,
        v: Array,
        looked: NDArray[np.intp] | None,
        whole: float | None = None,
    ) -> float:
        """Return the best D over multiples of theta, whose products with the columns are v.

        It is -inf where none is known to be finite.

        looked: features among which are all that are beyond l1; None: not known. whole: the loss
        part at theta itself.
        """
        l1 = self.problem.l1
        size = v if self.is_free else np.abs(v)
        over = np.flatnonzero(size > l1) if looked is None else looked[size[looked] > l1[looked]]
        most = self.largest_multiple(theta, v, over)
        # at 0 it is the least loss, which interpolation reaches
        t, value = max(most, 0.0), -np.inf
        if most == 1:
            whole = self.loss_part(theta) if whole is None else whole
            value = whole - self._conjugates(theta, v, over)
            kinks = over[l1[over] > 0]
            if not self.has_l2 or not len(kinks):
                return value
            t = float((l1[kinks] / size[kinks]).min())
        theta = t * theta
        return max(value, self.loss_part(theta) - self._conjugates(theta, t * v, over))

    def rounding(self, state: State, theta: Array) -> float:
        """Return the round-off of the gap, from the sizes of its terms."""
        q = self.problem
        live = q.weight > 0
        w, y, t = q.weight[live], q.y[live], theta[live]
        with np.errstate(all="ignore"):
            size = w @ np.abs(q.loss.value(y, state.eta[live]))
            if q.loss.is_convex:
                terms = w * q.loss.conjugate(y, t / w)
                size += np.abs(terms[np.isfinite(terms)]).sum()
        size += np.abs(t) @ np.abs(state.eta[live]) + state.penalty
        return 64 * _EPS * float(size)

    def largest_multiple(self, theta: Array, v: Array, over: NDArray[np.intp]) -> float:
        """Return the largest multiple up to 1 with finite conjugates; over: features beyond l1."""
        q = self.problem
        hard = q.l2[over] == 0
        if q.lower is not None:
            hard &= (v[over] <= 0) | np.isinf(q.lower[over])
        if q.upper is not None:
            hard &= (v[over] >= 0) | np.isinf(q.upper[over])
        over = over[hard]
        if not len(over):
            return 1.0
        size, l1 = np.abs(v[over]), q.l1[over]
        slack = np.where(l1 > 0, _ROUNDING, _ROUNDING_OF_FREE)
        beyond = size > l1 + slack * sizes_of(self.problem, theta)[over]
        if not beyond.any():
            return 1.0
        return float((l1[beyond] / size[beyond]).min())

    def _conjugates(self, theta: Array, v: Array, over: NDArray[np.intp]) -> float:
        """Return sum_j h*_j(-v_j); with 0 within all bounds only features beyond l1 count.

        A product that is beyond l1 by round-off counts as l1: a wide range between bounds would
        multiply it.
        """
        q = self.problem
        chosen: NDArray[np.intp] | slice = over if self.rests_at_0 else slice(None)
        z, l1, l2 = -v[chosen], q.l1[chosen], q.l2[chosen]
        beyond = np.maximum(np.abs(z) - l1, 0.0)
        if not self.is_free:
            beyond[beyond <= _ROUNDING * sizes_of(self.problem, theta)[chosen]] = 0.0
        beyond *= np.sign(z)
        with np.errstate(divide="ignore", invalid="ignore"):
            x = np.where(beyond == 0, 0.0, beyond / l2)
        if q.lower is not None:
            x = np.maximum(x, q.lower[chosen])
        if q.upper is not None:
            x = np.minimum(x, q.upper[chosen])
        # for unpenalised, unbounded features the excess is round-off
        x = np.where(np.isinf(x), self.start[chosen], x)
        return float(np.sum(z * x - l1 * np.abs(x) - 0.5 * l2 * x * x))


def sizes_of(problem: GLMProblem, theta: Array) -> Array:
    """Return the products of the norms of the columns and theta (p,)."""
    if problem.rows.weight is None:
        square = problem.n * float(theta @ theta)
    else:
        live = problem.weight > 0
        square = float(np.sum(theta[live] ** 2 / problem.weight[live]))
    norm = math.sqrt(square)
    return norm * np.sqrt(problem.rows.squares())
