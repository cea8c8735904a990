"""Choose the solver of coordinate descent by the cost of products and of a Gram matrix."""

import numpy as np

# Multiplications for a Gram matrix in the time of one read of an element of the data.
_PER_READ = 16.0
# Updates of a Gram matrix by sparse rows in the time of one read of a sparse element; reads in the
# time that each of its elements takes; columns up to which it may be larger than the data.
_PER_SPARSE_READ = 2.5
_PER_ELEMENT = 4.0
_SMALL_GRAM = 1000
# Reads of the data per penalty with a working set.
_PASSES = 1.5
# Fixed cost of each such read, in reads of an element.
_FIXED = 3e4


def choose_solver(A, n_alphas):
    """Choose the solver for "auto" by a cost model of shape and storage.

    One read of the data costs one unit per stored element. A Gram matrix of all features costs
    n p^2 / 2 multiplications for dense data, `_PER_READ` of which take one unit; for sparse data
    sum_i e_i^2 / 2 updates by rows with e_i elements, `_PER_SPARSE_READ` of which take one unit,
    and `_PER_ELEMENT` units for each of its elements. It pays where that is less than the reads of
    a working set, `_PASSES` per penalty plus two, each with a fixed cost, and where it is no larger
    than the data, or for sparse data small with no more columns than rows.
    """
    n, p, stored = A.n_rows, A.n_columns, A.nnz
    reads = (_PASSES * n_alphas + 2) * (stored + _FIXED)
    if not A.is_sparse:
        pays = 0.5 * n * float(p) ** 2 / _PER_READ <= reads
    else:
        left = (reads - _PER_ELEMENT * float(p) ** 2) * 2 * _PER_SPARSE_READ
        # lower bound first (rows of equal length): exact counts take a pass
        pays = float(stored) ** 2 / n <= left
        if pays and float(stored) * p > left:
            lengths = A.row_counts().astype(np.float64)
            pays = float(lengths @ lengths) <= left
    small = p * p <= max(stored, 1e5) or (A.is_sparse and p <= min(n, _SMALL_GRAM))
    return "gram" if pays and small and p <= 4 * n else "working"
