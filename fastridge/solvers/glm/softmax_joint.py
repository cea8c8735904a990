"""Prox-Newton steps of a multinomial model on the coefficients of all classes together.

About a state the loss is replaced by its second-order model on a working set of pairs of a feature
and a class. Its minimum with the penalty is found on a matrix of all pairs, `softmax_pairs`, or by
blocks of classes, `softmax_blocks`, where that matrix would be large; a line search along the step
lowers the objective. The derivatives r + H A d of the model are a dual point of second order in the
step d.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...systems.blas import on_one_thread
from ..descent.problem import by_columns
from .softmax_blocks import BlockModel
from .softmax_pairs import Curvature, Found, PairMatrix, image_of
from .softmax_problem import Array, SoftmaxProblem, SoftmaxState

_EPS = float(np.finfo(np.float64).eps)
_FEW = 100  # number of pairs that may enter the set at once, whatever its size
_NEAR = 0.8  # share of its l1 below which a pair without a coefficient leaves the set
_ENOUGH = 1e-4  # share of the predicted decrease that a step has to reach (Armijo)
_HALVINGS = 30
_BOLD = 0.1  # see `JointSteps.is_careful`
_WRONG = 0.05  # probability of a row's class below which its curvature is too small for a step
# Addition to all curvatures, over the weights: after the first step that fails, and at most.
_DAMPING, _MOST_DAMPING = 1e-3, 1e3

_Step = tuple[SoftmaxState, Array | None, float]


class Aim(NamedTuple):
    """What the minimum of a model should be like.

    Attributes
    ----------
    inner, exact
        Tolerance, and how to end; see `Descent.solve`.
    is_last : bool
        Whether its dual point may end the fit.
    far : float
        Decrease by a step above which its minimum may be rough.
    """

    inner: float
    exact: int
    is_last: bool
    far: float


class JointSteps:
    """Steps of one problem for any sequence of penalties.

    Attributes
    ----------
    inside : ndarray of bool (p, k)
        The working set.
    pull : ndarray (p, k) or None
        Products of the features with the last dual point; None: with r.
    """

    def __init__(self, problem: SoftmaxProblem) -> None:
        self.problem = problem
        self.inside = np.zeros((problem.p, problem.k), dtype=bool)
        self.pull: Array | None = None
        self.A = by_columns(problem.A)
        self.matrix = PairMatrix(problem, self.A)
        self._blocks: BlockModel | None = None
        # whether rows on the wrong side get curvature, and the predicted decrease over the
        # objective below which they do not, unless the step is too long
        self.is_careful, self._bold = True, _BOLD
        self._damping = 0.0

    def choose(self, state: SoftmaxState) -> None:
        """Choose the working set for a state."""
        q = self.problem
        pull = q.A.tdot(state.r) if self.pull is None else self.pull
        size, l1 = np.abs(pull), q.l1[:, None]
        wanted = (state.U != 0) | ((l1 == 0) & (q.l2 == 0)[:, None])
        self.inside &= size > _NEAR * l1
        self.inside |= wanted
        new = np.flatnonzero((size > l1) & ~self.inside)
        most = max(_FEW, 2 * int(np.count_nonzero(wanted)))
        if len(new) > most:
            excess = (size - l1).ravel()[new]
            new = new[np.argpartition(-excess, most)[:most]]
        self.inside.flat[new] = True

    @on_one_thread
    def step(self, state: SoftmaxState, aim: Aim) -> _Step | None:
        """Return the state after a step, the model's derivatives (n, k), and its decrease.

        It is None where no step on the set lowers the objective; the next one is shorter. Such
        steps have no derivatives that are a dual point, but None.
        """
        found = self._minimum(state, aim)
        moved = None if found is None else self._search(state, found)
        if moved is not None and self._damping:
            self.pull, moved = None, (moved[0], None, moved[2])
        if moved is not None:
            self._damping = 0.1 * self._damping if self._damping > _DAMPING else 0.0
        elif self.is_careful:
            self._damping = max(10.0 * self._damping, _DAMPING)
        self.is_careful = self.is_careful or moved is None
        return moved

    def image(self, D: Array) -> Array:
        """Return A D (n, k), for D (p, k) with few elements other than 0."""
        return image_of(self.problem, self.A, D)

    def begin(self) -> None:
        """Forget the failures of the last penalty."""
        self._damping = 0.0

    @property
    def is_stuck(self) -> bool:
        """Whether the shortest steps fail."""
        return self._damping > _MOST_DAMPING

    def _minimum(self, state: SoftmaxState, aim: Aim) -> Found | None:
        q = self.problem
        m = int(np.count_nonzero(self.inside))
        if not m and not q.fit_intercept:
            return None
        curvature = self._curvature(state)
        blocks = self._blocks
        if self.matrix.is_cheap(m) or (
            blocks is not None and blocks.is_slow and self.matrix.fits(m)
        ):
            inner, exact, is_last, _ = aim
            return self.matrix.minimise(state, curvature, self.inside, inner, exact, is_last)
        if blocks is None:
            blocks = self._blocks = BlockModel(q, self.A)
        return blocks.minimise(state, curvature, self.inside, aim.inner, aim.far)

    def _curvature(self, state: SoftmaxState) -> Curvature:
        """Return the second derivatives for a model.

        Rows that are far on the wrong side have slopes without curvature. After a step that was too
        long, they get that of the middle between their probabilities and their targets.
        """
        weight = self.problem.weight
        prob, h = state.prob, state.h
        if self.is_careful:
            share = self.problem.shares()
            wrong = np.einsum("ik,ik->i", prob, share) < _WRONG
            prob, h = prob.copy(order="F"), h.copy(order="F")
            prob[wrong] = 0.5 * (prob[wrong] + share[wrong])
            h[wrong] = weight[wrong, None] * prob[wrong] * (1.0 - prob[wrong])
        if self._damping:
            h = np.asfortranarray(h + (self._damping * weight)[:, None])
        return Curvature(prob, h, self._damping)

    def _search(self, state: SoftmaxState, found: Found) -> _Step | None:
        """Halve the step until the objective falls enough; return what `step` does."""
        q = self.problem
        target, along, move = found.U, found.along, found.move
        slope = float(np.vdot(state.r, along)) + q.penalty(target) - state.penalty
        size = abs(state.loss) + state.penalty
        if not slope < 0:
            # only round-off is left to gain
            return (state, found.theta, abs(slope)) if abs(slope) <= 64 * _EPS * size else None
        t = 1.0
        for _ in range(_HALVINGS):
            U = target if t == 1 else state.U + t * (target - state.U)
            eta = state.eta + (along if t == 1 else t * along)
            new = q.at(U, state.b + t * move, eta)
            allowed = state.objective + _ENOUGH * t * slope
            if abs(t * slope) <= 1e-10 * size:
                # differences of the objective are round-off
                allowed = state.objective + 4 * _EPS * size
            if new.objective <= allowed:
                if t < 1 and not self.is_careful:
                    self._bold *= 0.1
                self.is_careful = t < 1 or -slope > self._bold * size
                if t < 1:
                    self.pull = None
                return new, found.theta, -slope
            t *= 0.5 if math.isfinite(new.objective) else 0.1
        return None
