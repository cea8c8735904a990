"""Newton's method for sparse data with a small Gram matrix, such as one-hot data.

The frequent columns are eliminated exactly, and the others are solved for by conjugate gradients on
their Gram matrix, so that no iteration touches X; see `fastridge._systems.Reduced`. Summing the
Gram matrix takes as long as a dozen products with X, so it is kept while it reduces the gap: with
the curvatures h' of an earlier state instead of h, a step multiplies the error by at most
max |h / h' - 1|, in the norm of the Hessian.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._systems import Reduced
from ...systems.blas import on_one_thread
from ...systems.cost import default_memory, most_gram_elements
from ..ridge.cg import heavy_first
from .newton import Solution
from .newton_model import SUFFICIENT, QuadraticModel, gap_of, model_at, search_along, step_of
from .problem import Array, GLMProblem, State
from .search import ROUNDING

Order = NDArray[np.int32]

# Share of the gradient's norm that a step leaves: iterations do not touch X, steps do.
_LEFT = 0.01
# Share of the last gap above which the Gram matrix is summed again, for a dozen products with X: a
# larger one saves sums and takes more steps, of about three products each.
_STALE = 0.1
_MOST_STEPS = 500  # iterations of conjugate gradients in a step


class ReducedHessian:
    """The Hessian under the curvatures of some state, in units of X.

    Parameters
    ----------
    problem : GLMProblem
    order : ndarray of int32
        Non-empty columns, frequent ones first.
    n_heavy : int
        Number of columns to eliminate.
    max_memory : float
        Bytes that the Gram matrix may take.
    """

    def __init__(self, problem: GLMProblem, order: Order, n_heavy: int, max_memory: float) -> None:
        self.problem, self.order, self.n_heavy = problem, order, n_heavy
        self.most = most_gram_elements(problem.rows.near, max_memory)
        self.system: Reduced | None = None
        self.l2: Array | None = None
        scale = problem.A.scale
        # constant columns have a scale of 0; like empty ones, their only curvature is l2
        self.unit = np.ones(problem.p) if scale is None else np.where(scale == 0, 1.0, scale)
        self.is_flat = np.ones(problem.p, dtype=bool)
        self.is_flat[order] = False
        if scale is not None:
            self.is_flat |= scale == 0
            self.order = order[scale[order] != 0]
            self.n_heavy = int((scale[order[:n_heavy]] != 0).sum())

    def take(self, model: QuadraticModel) -> None:
        """Sum the Gram matrix under the curvatures of a state.

        Raises
        ------
        OverflowError
            If its sparse part has more elements than the memory allows.
        """
        q = self.problem
        means = model.A.shift if q.fit_intercept else np.zeros(q.p)
        sums = means, model.squares / self.unit**2, model.total if q.fit_intercept else 0.0, model.h
        if self.system is None:
            near = q.by_rows
            self.system = Reduced(near, self.order, self.n_heavy, *sums, self.most)
        else:
            self.system.reweigh(*sums)
        self.l2 = None

    def factor(self, l2: Array) -> None:
        """Prepare for a penalty; ArithmeticError where the Hessian is singular to rounding."""
        assert self.system is not None
        if self.l2 is not l2:
            # the norm of a residual r is that of the gap, sum_j r_j^2 / l2_j
            self.system.factor(1.0, l2 / self.unit**2, self.unit**2 / l2)
            self.l2 = l2

    def solve(self, r: Array, bound: float) -> Array:
        """Solve M d = r, to a residual of that norm."""
        assert self.system is not None
        assert self.l2 is not None
        d, _ = self.system.solve(r / self.unit, bound, _MOST_STEPS)
        d /= self.unit
        d[self.is_flat] = r[self.is_flat] / self.l2[self.is_flat]
        return d


def reduced_hessian(problem: GLMProblem) -> ReducedHessian | None:
    """Return the Hessian of sparse data with a small Gram matrix and no free features; or None."""
    if not (problem.l2 > 0).all():
        return None
    if problem.reduced is None:
        max_memory = default_memory()
        chosen = heavy_first(problem.rows.near, max_memory)
        problem.reduced = False if chosen is None else ReducedHessian(problem, *chosen, max_memory)
    return problem.reduced or None


@on_one_thread
def newton_reduced(
    problem: GLMProblem, hessian: ReducedHessian, state: State, tol: float, max_iter: int
) -> Solution:
    """Minimise until the gap is tol of the null objective, or no step is left."""
    goal = tol * problem.null_objective
    inverse, free = 1.0 / problem.l2, np.zeros(problem.p, dtype=bool)
    last, gap, met, n_iter = np.inf, np.inf, False, 0
    is_fresh, failed = False, False
    # means and squares under h are needed only for a new matrix
    squares: Array | None = None if hessian.system is None else inverse
    while True:
        model = model_at(problem, state, squares)
        size = abs(state.loss) + state.penalty
        gap = gap_of(problem, state, model, inverse, free)
        met = gap <= goal or gap <= ROUNDING * size
        if met or n_iter == max_iter:
            break
        is_fresh = squares is None or failed or not gap < _STALE * last
        try:
            if is_fresh:
                if squares is not None:
                    model = model_at(problem, state)
                squares = model.squares
                hessian.take(model)
            hessian.factor(problem.l2)
        except (ArithmeticError, OverflowError):
            break
        length = np.sqrt(float(model.g**2 @ inverse))
        d = hessian.solve(-model.g, max(_LEFT * length, SUFFICIENT * np.sqrt(2.0 * goal)))
        searched = search_along(problem, state, d, *step_of(problem, model, d))
        failed = searched is None
        if searched is not None:
            last, state = gap, searched[1]
            n_iter += 1
        elif is_fresh:
            break
    return Solution(state, gap, n_iter, "newton-cg", bool(met))
