"""Choice of the solver "auto" without an L1 penalty and bounds: predicted seconds on one thread.

newton      STEPS times a weighted Gram matrix of the features and its factor
newton-samples  the Gram matrix of the rows once, and STEPS times a factor of it
newton-cg   the products that conjugate gradients for a ridge take; see `systems.cost`

Where this is "newton-cg", logistic fits to sparse data with fewer samples than features first try
"dual-descent", which takes a third to a tenth of the time on text; see `minimise`.
"""

from __future__ import annotations

from ...systems.cost import cg_cost, direct_cost
from .problem import GLMProblem

_STEPS = 6
_FLOP = 2.5e-11  # seconds of a multiply-add
_FEW = 200  # number of features up to which "newton" is always chosen


def choose_solver(problem: GLMProblem) -> str:
    """Return the name of the solver."""
    A = problem.A
    if A.n_columns <= _FEW:
        return "newton"
    cg = cg_cost(A).seconds
    if A.n_rows < A.n_columns:
        if A.is_sparse or not (problem.l2 > 0).all():
            return "newton-cg"
        samples = direct_cost(A).seconds + _STEPS * float(A.n_rows) ** 3 / 3 * _FLOP
        return "newton-samples" if samples <= cg else "newton-cg"
    newton = _STEPS * direct_cost(A).seconds
    return "newton" if newton <= cg else "newton-cg"
