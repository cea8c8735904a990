"""Options of ridge solvers: the names of solvers, and checks of the arguments."""

from __future__ import annotations

import numpy as np

from ...data.parameters import check_bounds, check_tolerance

# accepted names, and the solver that each runs
SOLVERS = {
    "auto": "auto",
    "cholesky": "cholesky",
    "dual": "dual",
    "cg": "cg",
    "qr": "qr",
    "svd": "qr",
    "lsqr": "cg",
    "sparse_cg": "cg",
    "sag": "cg",
    "saga": "cg",
    "lbfgs": "active_set",
}


def bounds(lower, upper, positive, p: int):
    """Check the bounds of the coefficients; with `positive`, 0 is one of them."""
    low, high = check_bounds(lower, upper, p)
    if positive:
        low = np.zeros(p) if low is None else np.maximum(low, 0.0)
        low, high = check_bounds(low, high, p)
    return low, high


def check_options(solver, tol, max_iter, bounded) -> None:
    if not isinstance(solver, str) or solver not in SOLVERS:
        raise ValueError(f"solver must be one of {', '.join(SOLVERS)}; got {solver!r}.")
    if bounded and solver not in ("auto", "lbfgs"):
        raise ValueError(
            "only 'lbfgs' solver can be used with positive=True or bounds; expected 'auto' or"
            f" 'lbfgs', got {solver!r}."
        )
    if solver == "lbfgs" and not bounded:
        raise ValueError(
            "solver='lbfgs' needs positive=True, or lower or upper; expected another solver."
        )
    check_tolerance(tol)
    if max_iter is not None and (isinstance(max_iter, bool) or not hasattr(max_iter, "__index__")):
        raise TypeError(f"max_iter must be an integer or None; got {max_iter!r}.")
    if max_iter is not None and max_iter < 1:
        raise ValueError(f"max_iter must be at least 1; got {max_iter!r}.")


def check_memory(max_memory) -> None:
    number = isinstance(max_memory, (int, float, np.integer, np.floating))
    if isinstance(max_memory, bool) or not number or not max_memory >= 0:
        raise ValueError(f"max_memory must be a non-negative number of bytes; got {max_memory!r}.")
