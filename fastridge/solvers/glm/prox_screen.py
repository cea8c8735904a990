"""Products of the columns with a dual point, of which bounds rule out most; see `prox`."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..._matrix import Matrix
from .problem import Array, GLMProblem
from .prox_dual import Dual

# Share of its l1 below which a product with theta is bounded, not computed; the factor of column
# norms in the bound that covers their round-off.
_FAR, _OVER_ROUNDING = 0.7, 1.0 + 1e-9
# A feature is close to its l1 within this share of the last step of l1. Where one is, all features
# within the second share enter the set, so that later steps need not extend it.
_AHEAD, _FURTHER = 0.5, 2.0
# Share of its l1 that a feature has to reach in any case to enter the set.
NEAR = 0.8


class Screen:
    """Sizes of the products of the columns with a dual point, and the features that they call for.

    Attributes
    ----------
    theta : ndarray (n,)
        The dual point.
    v : ndarray (p,) or None
        Sizes of the products, or upper bounds; with bounds of coefficients, signed products.
    looked : ndarray or None
        Features whose products were computed last; None: all.
    limit : ndarray (p,)
        l1 at that time.
    """

    def __init__(self, problem: GLMProblem, A: Matrix, dual: Dual, is_whole: bool) -> None:
        self.problem, self.A, self.dual, self.is_whole = problem, A, dual, is_whole
        self.theta = np.zeros(0)
        self.v: Array | None = None
        self.looked: NDArray[np.intp] | None = None
        self.limit = problem.l1

    def look(self, theta: Array) -> None:
        """Compute the products of the columns with theta, or upper bounds of small ones.

        Between two theta, a product changes by at most the norm of its column times the distance,
        sqrt(sum_i s_i a_ij^2) sqrt(sum_i change_i^2 / s_i). A product that this bounds by `_FAR` of
        its l1 is not computed; the bound replaces it. Such a feature neither enters the set nor
        violates the constraints of the dual.
        """
        q = self.problem
        if not self.dual.is_free:
            # signs matter
            self.v = self.A.tdot(theta)
            return
        bound = None
        if self.v is not None and self.A.kind != "C" and not self.is_whole:
            bound = self.norms * self._distance(theta)
            bound += self.v
            looked = np.flatnonzero(bound > _FAR * q.l1)
            if 2 * len(looked) > q.p:
                bound = None
        self.theta = theta
        if bound is None:
            v = self.A.tdot(theta)
            self.v, self.looked = np.abs(v, out=v), None
            return
        bound[looked] = np.abs(self.A.dot_columns(looked.astype(np.int32), theta))
        self.v, self.looked = bound, looked
        self.limit = q.l1

    def _distance(self, theta: Array) -> float:
        """Distance from the last theta in the norm that is dual to that of the columns."""
        moved = theta - self.theta
        moved *= moved
        moved *= self.per_weight
        return math.sqrt(float(moved.sum()))

    def know(self, theta: Array, v: Array) -> None:
        """Take the products of all columns with theta, which are known."""
        self.theta, self.looked = theta, None
        self.v = np.abs(v) if self.dual.is_free else v

    @cached_property
    def norms(self) -> Array:
        return np.sqrt(self.problem.rows.squares()) * _OVER_ROUNDING

    @cached_property
    def per_weight(self) -> Array:
        """1 / s, 0 of rows without weight, where theta is 0."""
        s = self.problem.weight
        return np.divide(1.0, s, out=np.zeros(len(s)), where=s > 0)

    def violations(
        self, inside: NDArray[np.bool_], before: Array | None = None
    ) -> NDArray[np.intp]:
        """Return violating features that are not `inside` the set.

        before: l1 of an earlier penalty; with a margin, where l1 has fallen; None: without.
        """
        l1 = self.problem.l1
        if before is not None and self.looked is not None:
            # features that were not computed are below `_FAR` of the l1 of that time
            known = (_FAR * self.limit <= NEAR * l1).all()
            if not known:
                self.look(self.theta)
        pull, looked = self.pull(), self.looked
        if looked is not None:
            l1, pull, inside = l1[looked], pull[looked], inside[looked]
        if before is not None:
            fallen = before if looked is None else before[looked]
            fallen = np.maximum(fallen - l1, 0.0)
            least = np.maximum(l1 - _AHEAD * fallen, NEAR * l1)
            found = (pull > least) & ~inside
            if found.any():
                least = np.maximum(l1 - _FURTHER * fallen, NEAR * l1)
                found = (pull > least) & ~inside
        else:
            found = (pull > l1) & ~inside
        places = np.flatnonzero(found)
        return places if looked is None else looked[places]

    def pull(self) -> Array:
        """Return the gradient of the loss by each feature towards leaving rest; read only."""
        q = self.problem
        assert self.v is not None
        v = self.v
        if self.dual.is_free:
            return v
        v = v + q.l2 * self.dual.start
        down = v if q.lower is None else np.where(self.dual.start > q.lower, v, -np.inf)
        up = -v if q.upper is None else np.where(self.dual.start < q.upper, -v, -np.inf)
        return np.maximum(up, down)
