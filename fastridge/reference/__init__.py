"""The kernels and the solvers again, in plain NumPy: what they compute, to be read.

Everything is dense, float64 and unblocked, and written as the formula is. The tests hold the
compiled code against it, and the benchmarks show it as the price of plainness.
"""

from .matrix import (
    cholesky,
    cholesky_solve,
    column_axpy,
    column_dot,
    column_stats,
    dot,
    gram,
    gram_rows,
    operator,
    row_axpy,
    row_dot,
    tdot,
)
from .moments import Sums, add_moments, moments, ridge_of_moments, subtract_moments
from .optim import adam_step, sgd_momentum_step, sgd_step
from .ridge import (
    Solution,
    _augmented,
    gradient,
    objective,
    penalties,
    ridge,
    ridge_batch,
    ridge_cg,
    ridge_dual,
    ridge_lstsq,
    ridge_mixed,
    ridge_normal_equations,
    ridge_positive,
)
from .schur import schur_solve

__all__ = [
    "Solution",
    "Sums",
    "_augmented",
    "adam_step",
    "add_moments",
    "cholesky",
    "cholesky_solve",
    "column_axpy",
    "column_dot",
    "column_stats",
    "dot",
    "gradient",
    "gram",
    "gram_rows",
    "moments",
    "objective",
    "operator",
    "penalties",
    "ridge",
    "ridge_batch",
    "ridge_cg",
    "ridge_dual",
    "ridge_lstsq",
    "ridge_mixed",
    "ridge_normal_equations",
    "ridge_of_moments",
    "ridge_positive",
    "row_axpy",
    "row_dot",
    "schur_solve",
    "sgd_momentum_step",
    "sgd_step",
    "subtract_moments",
    "tdot",
]
