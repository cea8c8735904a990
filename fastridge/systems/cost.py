"""Choice of the solver "auto": predicted seconds on one thread, within the memory allowed.

With q = min(n, p), r_i the elements of row i (of column i where n < p), and k targets:

    direct, dense     n p q flops for the Gram matrix (half of a product), q^3 / 3 for its factor
    direct, sparse    sum_i r_i^2 / 2 updates, q^2 elements to clear, q^3 / 3 flops
    cg                ITERATIONS k times two passes over the elements of X, after a block of
                      heavy columns; where the Gram matrix is small, see `gram_pays`, no more than
                      its set-up and ITERATIONS k passes over its elements

The memory of a direct solver is its Gram matrix and copies of it, known before it starts; a fit,
the reduction for a path, and the sums of folds need different numbers of copies. Where that exceeds
the memory allowed, "cg" runs whatever it costs. Memory excludes the input, the result and vectors
of n or p elements. The rates are those of one AVX-512 core; only their ratios matter.
"""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix

_FLOP = 1 / 4.0e10
_UPDATE = 2.0e-9  # update of a random element of a Gram matrix
_CLEAR = 1.0e-9
_DENSE = 0.8e-9  # product with an element of dense X
_SPARSE = 1.1e-9
_ITERATIONS = 100

SMALL = 2000  # order of dense data up to which a direct solver is always chosen
_HEAVY = 1000  # columns of the block that conjugate gradients treat exactly
ALWAYS = 1e8  # bytes that always fit: the memory of the machine is not read
_BYTES = 12  # bytes of a sparse element: a double and its index
_COPY = 24  # bytes of a sparse element and its copy in the other format
_GATHERED = 1 << 22  # elements of the dense rows gathered for the exact block
BLOCK = 1_000_000  # elements of a block of residuals of leave-one-out
ROWS = 2_000_000  # elements of a block of its rows
KEPT = 1e9  # bytes of moments of folds held at once
_PACKED = 1600  # bytes per column while rows are packed for a Gram matrix
_BLOCK = 64  # bytes per element of the exact block, with its factor and partial sums
_ROW = 16  # bytes per element of the rows that are gathered for it
_COUNTED = 0.9  # share of the memory allowed that these may take
_MOST_PARTS, _PART_WORK, _DEPTH = 16, 1 << 20, 200  # those of src/matrix/gram.c
_PART, _PARTS = 256, 1 << 21  # largest order of partial sums; work from which they have two parts

_LANCZOS = 4e7  # bound on the elements of the vectors of a Lanczos process
LEAST_STEPS, _MOST_STEPS = 60, 400
# Gram matrices that are held at once
FIT, PATH, FOLDS, LEFT_OUT = 1.0, 4.25, 7.5, 4.25


class Cost(NamedTuple):
    seconds: float
    memory: int  # bytes beyond the input and the vectors


def choose_solver(
    A: Matrix,
    n_targets: int = 1,
    max_memory: float | None = None,
    matrices: float = FIT,
    more: float = 0.0,
) -> str:
    """Return "cholesky", "dual" or "cg": the fastest that fits into max_memory bytes.

    matrices: number of Gram matrices held at once; more: bytes besides them.
    """
    n, p = A.n_rows, A.n_columns
    direct = "cholesky" if p <= n else "dual"
    if max_memory is None:
        if not A.is_sparse and min(n, p) <= SMALL:
            return direct
        max_memory = default_memory()
    cost = direct_cost(A, n_targets)
    if cost.memory + (matrices - FIT) * 8.0 * min(n, p) ** 2 + more > max_memory:
        return "cg"
    return direct if cost.seconds <= cg_cost(A, n_targets).seconds else "cg"


def direct_cost(A: Matrix, n_targets: int = 1) -> Cost:
    """Return the cost of the smaller Gram matrix, its factor, and a solution for each target."""
    n, p = A.n_rows, A.n_columns
    q = float(min(n, p))
    seconds = q**3 / 3 * _FLOP + 6 * n_targets * q * q * _FLOP
    if A.is_sparse:
        seconds += _pairs(A, p <= n) * _UPDATE + q * q * _CLEAR
    else:
        seconds += float(n) * p * q * _FLOP
    nnz = A.nnz if A.is_sparse else None
    return Cost(seconds + 4 * n_targets * _pass(A), int(direct_memory(n, p, nnz, A.kind)))


def direct_memory(n: int, p: int, nnz: int | None, kind: str) -> float:
    """Return the bytes of a direct solver; nnz: stored elements of sparse data, else None."""
    q = float(min(n, p))
    # the dual form keeps its matrix besides the factor, for products
    memory = 8 * q * q * (1 if p <= n else 3)
    if nnz is None:
        return memory + _PACKED * q + _partial_sums(q, max(n, p))
    return memory + (kind == ("csc" if p <= n else "csr")) * float(nnz) * _BYTES


def _partial_sums(m: float, rows: float) -> float:
    """Return the bytes of the parts of the rows that a Gram matrix of order m sums apart."""
    if m > _PART:
        return 0.0
    return 8.0 * (m * m + _DEPTH * m) * min(_MOST_PARTS, rows * m * m / _PART_WORK)


def iterative_memory(n: int, p: int, nnz: int | None, max_memory: float | None) -> float:
    """Return the bytes at most of conjugate gradients, besides vectors."""
    most = default_memory() if max_memory is None else max_memory
    m = float(min(heavy_columns(most), p, n if nnz is None else max(1, n // 2)))
    need = _BLOCK * m**2
    if nnz is None:
        rows = rows_at_once(n, int(m), most)
        need += _ROW * m * rows + _partial_sums(m, rows)
    else:
        # copies by row and by column, and a Gram matrix of twice as many elements, twice
        need += 2.0 * _COPY * nnz + 4.0 * _BYTES * nnz
    return min(need, most)


def lanczos_steps(n: int) -> int:
    """Return the number of vectors (n,) that a Lanczos process keeps at most."""
    return int(min(n, np.clip(_LANCZOS / max(n, 1), LEAST_STEPS, _MOST_STEPS)))


def lanczos_memory(n: int) -> float:
    """Return the bytes of these vectors."""
    return 8.0 * n * lanczos_steps(n)


def gcv_matrices(n: int, p: int, fit_intercept: bool) -> float:
    """Return the Gram matrices that generalised cross-validation holds at once."""
    # without more rows than features it needs what leave-one-out does
    return PATH if n > p + fit_intercept else PATH + 1.0


def left_out_memory(n: int, p: int, nnz: int | None, kind: str, n_values: int) -> float:
    """Return the bytes of leave-one-out; n_values: residuals of all penalties and targets."""
    need = direct_memory(n, p, nnz, kind) + (LEFT_OUT - 1) * 8.0 * min(n, p) ** 2
    # residuals, and blocks of rows
    return need + 16.0 * min(BLOCK, n_values) + 24.0 * min(ROWS, n * p)


def cg_cost(A: Matrix, n_targets: int = 1) -> Cost:
    """Return the cost of conjugate gradients for an assumed number of iterations."""
    iterations = _ITERATIONS * n_targets
    plain = iterations * 2 * _pass(A)
    memory = 16 * min(_HEAVY, A.n_columns) ** 2
    if gram_pays(A):
        reduced = _pairs(A, True) * _UPDATE
        reduced += iterations * (2 * _HEAVY**2 * _DENSE + A.nnz / 2 * _SPARSE)
        plain = min(plain, reduced)
    return Cost(plain, memory)


def gram_pays(A: Matrix, counts: NDArray[np.int64] | None = None) -> bool:
    """Return whether the Gram matrix of sparse X may be smaller than X.

    It may where rows are short, with few elements outside the most frequent columns.
    """
    n = A.n_rows
    if not A.is_sparse or n < A.n_columns or _pairs(A, True) > 100.0 * A.nnz:
        return False
    if A.n_columns <= _HEAVY:
        return True
    counts = A.column_counts() if counts is None else counts
    light = A.nnz - int(np.partition(counts, -_HEAVY)[-_HEAVY:].sum())
    return light <= 8 * n


def most_gram_elements(A: Matrix, max_memory: float) -> float:
    """Return the number of sparse elements that a Gram matrix may have.

    They must cost less than two passes over X, and fit into memory twice, besides the lists of
    columns and the block.
    """
    lists = (2.0 if A.kind == "csc" else 1.0) * _BYTES * A.nnz
    block = 8.0 * heavy_columns(max_memory) ** 2
    return min(2.0 * A.nnz, max(max_memory - lists - block, 0.0) / (2 * _BYTES))


def heavy_columns(max_memory: float) -> int:
    """Return the number of columns of the exact block that fit into the memory allowed.

    A square of dense rows is gathered beside it, at least; a tenth is left for what is not counted.
    """
    return int(min(_HEAVY, np.sqrt(_COUNTED * max_memory / (_BLOCK + _ROW))))


def rows_at_once(n: int, m: int, max_memory: float) -> int:
    """Return the number of dense rows gathered at a time for the exact block of m columns."""
    least = m if m > _PART else min(m, _PARTS // max(m, 1) ** 2)
    left = _COUNTED * max_memory - _BLOCK * float(m) ** 2
    most = max(least, _GATHERED // max(m, 1))
    row = _ROW * float(max(m, 1))
    # partial sums grow with the rows until all parts have theirs; both together fit into the rest
    room = max(left / (row + _partial_sums(m, 1)), (left - _partial_sums(m, np.inf)) / row)
    return int(min(n, max(1, least, min(most, room))))


def data_bytes(A: Matrix) -> int:
    """Return the bytes of a copy of the data."""
    return sum(part.nbytes for part in A.arrays if part is not None)


def rows_fit(n: int, p: int, max_memory: float | None = None) -> bool:
    """Return whether the rows, made dense, and two copies of them fit into the memory allowed."""
    return fits(24.0 * n * p, max_memory)


def fits(need: float, max_memory: float | None) -> bool:
    """Return whether `need` bytes are within the memory allowed."""
    if max_memory is None:
        # reading the memory of the machine takes longer than solving a small problem
        return need <= ALWAYS or need <= default_memory()
    return need <= max_memory


def default_memory() -> float:
    """Return half of the memory of the machine, or of the limit of this process' control group."""
    limits = [_physical_memory()]
    try:
        with open("/sys/fs/cgroup/memory.max") as file:
            limits.append(int(file.read()))
    except (OSError, ValueError):
        pass  # no such group, or no limit
    return min(limits) / 2


def _physical_memory() -> int:
    if sys.platform == "win32":
        import ctypes

        class Status(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
                (f"size{i}", ctypes.c_ulonglong) for i in range(7)
            ]

        status = Status(length=ctypes.sizeof(Status))
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return int(status.size0)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _pairs(A: Matrix, by_row: bool) -> float:
    """Return the updates of the Gram matrix of the columns (of the rows, if not by_row)."""
    counts: Any = A.row_counts() if by_row else A.column_counts()
    counts = counts.astype(np.float64)
    # not by BLAS, whose threads would wait in a busy loop while the solver runs
    return float(np.einsum("i,i->", counts, counts)) / 2


def _pass(A: Matrix) -> float:
    return A.nnz * (_SPARSE if A.is_sparse else _DENSE)
