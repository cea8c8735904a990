"""Newton's method by conjugate gradients in a trust region, for data too large for a Gram matrix.

A step minimises the quadratic model g'd + d'M d / 2 within |d| <= radius, in the norm of the
preconditioner, in which the iterates of conjugate gradients grow (Steihaug 1983; Lin, Weng &
Keerthi 2008). M = A' diag(h) A + diag(l2) is centred by the means under the weights h, which
eliminates the intercept. The preconditioner treats the heaviest columns exactly, as one-hot data
need, and the others by their diagonal (Hsia, Chiang & Lin 2018); on text, where no column is
frequent, it is diagonal.

The gap is the duality gap, with free features projected out. Where these are many it is Newton's
decrement g'M^-1 g, as in `newton`. Conjugate gradients give it up to the residual's part, which is
estimated by its square over the least Ritz value so far.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...quadratic.preconditioner import Preconditioner, heaviest
from ...systems.blas import on_one_thread
from ..ridge.cg import Ritz
from .newton import Solution
from .newton_model import (
    SUFFICIENT,
    QuadraticModel,
    gap_of,
    is_flat,
    model_at,
    search_along,
    step_of,
)
from .newton_reduced import newton_reduced, reduced_hessian
from .problem import Array, GLMProblem, State
from .search import ROUNDING

_POOR, _GOOD = 0.25, 0.75  # shares of the predicted decrease
_SHRINK, _GROW = 0.25, 4.0  # factors of the radius
_LOOSE = 0.1  # share of the gradient that a step may leave
_MOST_STEPS = 500  # iterations of conjugate gradients in a step
_REST = 0.1  # bound on the residual's part of a decrement, as a share of the step's gain
_BLOCK = 1500  # columns of the preconditioner's block
_PAIRS = 20  # largest cost of the block and its factor, in pairs of products with A and A'
_UPDATE, _PRODUCT, _FLOP = 2.0e-9, 1.1e-9, 2.5e-11  # seconds, as `systems.cost` has them
_STALE = 1.6  # growth of iterations above which a block is summed again
_FEW = 10  # number of iterations up to which a block always stays
_MOST_FREE = 500  # free features that are projected out exactly


@on_one_thread
def newton_cg(problem: GLMProblem, state: State, tol: float, max_iter: int) -> Solution:
    """Minimise without an L1 penalty and bounds, until the gap is tol of the null objective."""
    done = 0
    hessian = reduced_hessian(problem)
    if hessian is not None:
        found = newton_reduced(problem, hessian, state, tol, max_iter)
        if found.converged or found.n_iter == max_iter:
            return found
        state, done = found.state, found.n_iter
    goal = tol * problem.null_objective
    l2, free = problem.l2, problem.l2 <= 0
    inverse = np.divide(1.0, l2, out=np.zeros(problem.p), where=~free)
    own = inverse
    # too many to project out of the gradient: use the decrement as the gap, as in `newton`
    many_free = int(free.sum()) > _MOST_FREE
    block: HeavyBlock | None = None
    radius = np.inf
    gap = np.inf
    met = False
    squares: Array | None = None
    last, least = 0, np.inf
    for n_iter in range(done, max_iter + 1):
        model = model_at(problem, state, squares)
        size = abs(state.loss) + state.penalty
        if not many_free:
            gap = gap_of(problem, state, model, inverse, free)
            met = gap <= goal or gap <= ROUNDING * size
            if met or n_iter == max_iter:
                break
        if block is None:
            block = HeavyBlock(problem, model)
        precondition = block.at(model, l2)
        if free.any():
            own = np.divide(
                1.0, model.squares, out=inverse.copy(), where=free & (model.squares > 0)
            )
        # tolerance of the gradient, in the norm of the gap
        enough = _LOOSE * np.sqrt(float(model.g**2 @ own))
        if not many_free:
            enough = max(enough, SUFFICIENT * np.sqrt(2.0 * goal))
        d, predicted, length, used, decrement, least = steihaug(
            model.g,
            _products(model),
            l2,
            own,
            precondition,
            radius,
            enough,
            least if many_free else None,
        )
        block.note(used)
        # keep the diagonal of earlier weights until iterations become too many
        squares = model.squares if n_iter > done and used <= _STALE * max(last, _FEW) else None
        last = used
        move, along = step_of(problem, model, d)
        predicted += 0.5 * model.shift * model.shift * model.total
        if many_free:
            near = problem.is_near(state.eta, along) and not is_flat(model, free)
            gap = decrement + model.shift * model.shift * model.total if near else np.inf
            met = gap <= goal or gap <= ROUNDING * size
            if met or n_iter == max_iter:
                break
        searched = search_along(problem, state, d, move, along)
        if searched is None:
            break
        t, found = searched
        ratio = (state.objective - found.objective) / predicted if predicted > 0 else 1.0
        if t < 1.0 or ratio < _POOR:
            radius = max(t, _SHRINK) * length if t == 1.0 else t * length
        elif ratio > _GOOD and length >= 0.9 * radius:
            radius = _GROW * radius
        state = found
    return Solution(state, gap, n_iter, "newton-cg", bool(met))


class HeavyBlock:
    """Block of the heavy columns for the preconditioner, kept until iterations become too many."""

    def __init__(self, problem: GLMProblem, model: QuadraticModel) -> None:
        A = model.A
        self._fresh = self._last = 0
        squares, most = model.squares, min(_BLOCK, problem.n // 4)
        if A.is_sparse:
            counts = A.column_counts()
            squares = np.where(counts > 0, squares, 0.0)
            chosen = heaviest(squares, most)
            length = float(counts[chosen].sum()) / problem.n
            cost = 0.5 * problem.n * length**2 * _UPDATE + most**3 / 3 * _FLOP
            # with few rows, no column is frequent enough
            pays = problem.n >= problem.p and cost <= _PAIRS * 2 * A.nnz * _PRODUCT
            most = most if pays else 0
        free = problem.l2 <= 0
        if free.any() and free.sum() <= _MOST_FREE:
            squares = np.where(free, np.inf, squares)
            most = max(most, int(free.sum()))
        self.heavy = heaviest(squares, most)
        self.gram: Array | None = None if len(self.heavy) else np.zeros((0, 0))

    def at(self, model: QuadraticModel, l2: Array) -> Preconditioner:
        if self.gram is None or (self._fresh and self._last > _STALE * max(self._fresh, _FEW)):
            self.gram = model.A.gram(model.h, columns=self.heavy)
            self._fresh = 0
        return Preconditioner(model.squares, l2, self.heavy, self.gram)

    def note(self, used: int) -> None:
        self._last = used
        self._fresh = self._fresh or used


def _products(model: QuadraticModel) -> Callable[[Array, Array], None]:
    """Return a function multiply(v, out) that sets `out` to A' diag(h) A v."""
    u = np.empty(len(model.h))
    flat = np.flatnonzero(model.h == 0)

    def multiply(v: Array, out: Array) -> None:
        model.A.dot(v, out=u)
        # rows of weight 0 may overflow
        u[flat] = 0.0
        np.multiply(u, model.h, out=u)
        model.A.tdot(u, out=out)

    return multiply


class Step(NamedTuple):
    """A step, the decrease it predicts, and its length in the preconditioner's norm.

    decrement: g'M^-1 g, where requested and found, else infinite.
    least: the least Ritz value so far of the preconditioned M.
    """

    d: Array
    predicted: float
    length: float
    used: int
    decrement: float
    least: float


def steihaug(
    g: Array,
    multiply: Callable[[Array, Array], None],
    l2: Array,
    inverse: Array,
    precondition: Preconditioner,
    radius: float,
    enough: float,
    least: float | None,
) -> Step:
    """Minimise g'd + d'M d / 2 in the radius, until the gradient's norm by `inverse` is `enough`.

    multiply: sets its second argument to (M - diag(l2)) times the first.
    least: the least Ritz value so far of the preconditioned M, to compute the decrement; or None.
    """
    ritz = None if least is None else Ritz()
    least = np.inf if least is None else least
    p = len(g)
    d, r = np.zeros(p), -g
    z, q = np.empty(p), np.empty(p)
    # multiply by a scalar where all elements are equal
    same = bool((inverse == inverse[0]).all())
    precondition(z, r)
    v = z.copy()
    rz = float(r @ z)
    dd, dv, vv = 0.0, 0.0, rz  # in the norm of the preconditioner
    predicted, decrement = 0.0, np.inf
    used = 0
    while used < _MOST_STEPS and rz > 0:
        multiply(v, q)
        np.multiply(l2, v, out=z)
        q += z
        curvature = float(v @ q)
        used += 1
        if not curvature > 0:
            break
        step = rz / curvature
        longer = dd + 2.0 * step * dv + step * step * vv
        if longer >= radius * radius:
            # end on the boundary
            step = (-dv + np.sqrt(max(dv * dv + vv * (radius * radius - dd), 0.0))) / vv
            np.multiply(v, step, out=z)
            d += z
            predicted += step * rz - 0.5 * step * step * curvature
            return Step(d, predicted, radius, used, np.inf, least)
        if ritz is not None:
            ritz.add(step, rz)
        np.multiply(v, step, out=z)
        d += z
        q *= step
        r -= q
        predicted += 0.5 * step * rz
        dd = longer
        left = inverse[0] * float(r @ r) if same else float(np.einsum("j,j,j->", r, r, inverse))
        if ritz is None and np.sqrt(left) <= enough:
            break
        precondition(z, r)
        before, rz = rz, float(r @ z)
        if ritz is not None and np.sqrt(left) <= enough:
            # g'M^-1 g is twice the gain of the step, plus r'M^-1 r of the residual
            least = min(least, ritz.least)
            rest = rz / least
            if rest <= _REST * predicted:
                decrement = 2.0 * predicted + rest
                break
        ratio = rz / before
        dv = ratio * (dv + step * vv)
        vv = rz + ratio * ratio * vv
        v *= ratio
        v += z
    return Step(d, predicted, float(np.sqrt(dd)), used, decrement, least)
