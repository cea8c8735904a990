"""Long LAPACK calls that Ctrl-C can interrupt.

Python handles signals between calls only, in the main thread only. A long call therefore runs in a
helper thread, without the GIL, while the main thread waits for it in steps. If a signal ends the
wait, the helper's result is discarded.
"""

from __future__ import annotations

import contextvars
import ctypes
import functools
import importlib
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg import lapack

from .. import _blas_buffers, _dense
from .._threads import get_num_threads
from .blas import on_one_thread, one_thread

# SciPy's own OpenBLAS
_blas_buffers.take(lapack.dpotrf)

Array = NDArray[np.float64]

_LONG = 2e9  # operations (a tenth of a second) from which a call runs in a helper thread
_STEP = 0.1  # seconds between checks for signals
_SHARED = 1e10  # operations from which a call uses all threads of BLAS
_BLOCK = 1e8  # operations of a block of a product
_ROWS = 64  # fewest rows of a block
_WHOLE = 64  # order up to which LAPACK's own inverse of a factor is as fast
_INVERSE = (
    ("cython_blas", "dgemm"),
    ("cython_blas", "dsyrk"),
    ("cython_lapack", "dpotrf"),
    ("cython_lapack", "dtrtri"),
)


def call(operations: float, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return function(*args, **options), interruptible by signals; it must release the GIL.

    operations: their approximate number. In other threads than the main one, which get no signals,
    this is a plain call.
    """
    if operations >= _SHARED and get_num_threads() > 1:
        with one_thread.lifted():
            return _call(function, *args, **options)
    return call_alone(operations, function, *args, **options)


def call_alone(operations: float, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Do the same, always on one thread of BLAS where the solver is.

    For routines that multiply by a vector thousands of times: threads that wait for each other
    every time gain little, and lose much where other processes keep the processors busy.
    """
    if operations < _LONG:
        return function(*args, **options)
    return _call(function, *args, **options)


def _call(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    if threading.current_thread() is not threading.main_thread():
        return function(*args, **options)
    found: list[Any] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(function(*args, **options))
        except BaseException as error:
            failed.append(error)

    helper = threading.Thread(target=work, daemon=True, name="fastridge-lapack")
    helper.start()
    while helper.is_alive():
        helper.join(_STEP)
    if failed:
        raise failed[0]
    return found[0]


def svd(A: Array, *, full_matrices: bool = False) -> tuple[Array, Array, Array]:
    """Return numpy.linalg.svd of A (m, n)."""
    m, n = A.shape
    return call(8.0 * max(m, n) * min(m, n) ** 2, np.linalg.svd, A, full_matrices)


def triangle(A: Array) -> Array:
    """Return R of the QR factorisation of A (m, n)."""
    m, n = A.shape
    return call(2.0 * m * n * min(m, n), np.linalg.qr, A, "r")


def orthonormal(A: Array, *, complete: bool = False) -> Array:
    """Return Q of the QR factorisation of A (m, n); with `complete`, all m columns."""
    m, n = A.shape
    mode = "complete" if complete else "reduced"
    size = m if complete else min(m, n)
    return call(4.0 * m * n * size, np.linalg.qr, A, mode)[0]


@on_one_thread
def product(A: Array, B: Array) -> Array:
    """Return A @ B, with blocks of rows distributed over the threads that fastridge may use.

    The blocks do not depend on the number of threads, and each is one call of BLAS on one thread.
    """
    step = int(_BLOCK / max(2 * B.size, 1))
    if len(A) < 2 * step:
        return A @ B
    if step < _ROWS:
        return call(2.0 * len(A) * B.size, np.matmul, A, B)
    out = np.empty((len(A), B.shape[1]))
    starts = iter(range(0, len(A), step))
    failed: list[BaseException] = []

    def work() -> None:
        try:
            # each thread takes the next block
            for start in starts:
                np.matmul(A[start : start + step], B, out=out[start : start + step])
        except BaseException as error:
            failed.append(error)

    count = min(get_num_threads(), -(-len(A) // step)) - 1
    # a helper inherits the floating-point error handling of its caller
    helpers = [
        threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
        for _ in range(count)
    ]
    for helper in helpers:
        helper.start()
    work()
    for _ in starts if failed else ():
        pass  # take the remaining blocks, so that the helpers end
    for helper in helpers:
        helper.join()
    if failed:
        raise failed[0]
    return out


def pivoted_qr(A: Array) -> tuple[Array, Array, NDArray[np.intp]]:
    """Return Q, R and the order of the columns of the pivoted QR factorisation of A (m, n)."""
    m, n = A.shape
    return call_alone(
        4.0 * m * n * min(m, n),
        scipy.linalg.qr,
        A,
        mode="economic",
        pivoting=True,
        check_finite=False,
    )


def reflections(A: Array) -> tuple[Array, Array]:
    """H (m, n) and upper triangular T (n, n) of the QR factorisation of A (m, n): Q = I - H T H'.

    A has at least as many rows as columns.
    """
    m, n = A.shape
    (raw, tau), _ = call(4.0 * m * n * n, scipy.linalg.qr, A, mode="raw", check_finite=False)
    H = np.tril(raw[:, :n], -1)
    H[np.arange(n), np.arange(n)] = 1.0
    T = np.zeros((n, n))
    inner = H.T @ H
    for j in range(n):
        T[:j, j] = -tau[j] * (T[:j, :j] @ inner[:j, j])
        T[j, j] = tau[j]
    return H, T


def eigh(A: Array) -> tuple[Array, Array]:
    """Return eigenvalues and eigenvectors of symmetric A (n, n); the lower triangle is read."""
    n = len(A)
    if 4.0 * n**3 < _LONG:
        return scipy.linalg.eigh(A, check_finite=False, driver="evd")
    # the same routine, without the GIL
    return call(4.0 * n**3, np.linalg.eigh, A)


def eigvalsh(A: Array) -> Array:
    """Return the eigenvalues of symmetric A (n, n), in ascending order."""
    return call(4.0 / 3.0 * len(A) ** 3, np.linalg.eigvalsh, A)


def cholesky(A: Array) -> Array:
    """Return L with L L' = A (n, n); only the lower triangle of A is read."""
    return call(len(A) ** 3 / 3.0, np.linalg.cholesky, A)


def solve_triangular(L: Array, B: Array, **options: Any) -> Array:
    """Call scipy.linalg.solve_triangular, in blocks of right-hand sides where there are many."""
    n, k = len(L), B.shape[1] if B.ndim == 2 else 1
    step = max(1, int(_LONG / max(n * n, 1)))
    if B.ndim == 1 or k <= step:
        return scipy.linalg.solve_triangular(L, B, check_finite=False, **options)
    out = np.empty((n, k), order="F")
    for start in range(0, k, step):
        part = B[:, start : start + step]
        out[:, start : start + step] = scipy.linalg.solve_triangular(
            L, part, check_finite=False, **options
        )
    return out


def tridiagonal(M: Array) -> tuple[Array, Array, Array, Array]:
    """Return reflectors, diagonal, subdiagonal and scalar factors from dsytrd for M (n, n).

    The lower triangle of M, in F order, is read; M is overwritten by the reflectors.
    """
    M = np.asfortranarray(M)
    n = len(M)
    size, _ = lapack.dsytrd_lwork(n, lower=1)
    routine = _routine("dsytrd") if 4.0 / 3.0 * n**3 >= _LONG else None
    if routine is None:
        return lapack.dsytrd(M, lower=1, lwork=int(size), overwrite_a=1)[:4]
    d, e, tau = np.empty(n), np.empty(n - 1), np.empty(n - 1)
    work, info = np.empty(int(size)), ctypes.c_int(0)
    order, length = ctypes.c_int(n), ctypes.c_int(int(size))

    def run() -> None:
        routine(
            *(ctypes.c_char_p(b"L"), ctypes.byref(order), _at(M), ctypes.byref(order)),
            *(_at(d), _at(e), _at(tau)),
            *(_at(work), ctypes.byref(length), ctypes.byref(info)),
        )

    call_alone(4.0 / 3.0 * n**3, run)
    return M, d, e, tau


def jacobi_svd(A: Array) -> tuple[Array, Array, Array]:
    """Return U (m, r), s (r,) and V (n, r), r = min(m, n), of A with graded rows or columns."""
    m, n = A.shape
    if m < n:
        V, s, U = jacobi_svd(A.T)
        return U, s, V
    if not n:
        return np.zeros((m, 0)), np.zeros(0), np.zeros((0, 0))
    U, s, V, info = _gejsv(np.array(A, order="F"))
    if info or not (np.isfinite(s).all() and np.isfinite(U).all() and np.isfinite(V).all()):
        U, s, vt = svd(A)
        return U, s, vt.T
    return U, s, V


def _gejsv(A: Array) -> tuple[Array, Array, Array, int]:
    """Call dgejsv, with row pivoting, on A (m, n) in F order, m >= n, which is overwritten."""
    m, n = A.shape
    routine = _routine("dgejsv") if 20.0 * m * n * n >= _LONG else None
    if routine is None:
        s, U, V, work, _, info = lapack.dgejsv(A, joba=2, jobu=0, jobv=0, overwrite_a=1)
        return U[:, :n], s * (work[0] / work[1]), V, info
    s, U, V = np.empty(n), np.empty((m, n), order="F"), np.empty((n, n), order="F")
    length = max(2 * m + n, 6 * n + 2 * n * n, 7)
    work, indices = np.empty(length), np.empty(m + 3 * n, dtype=np.intc)
    size, info = (ctypes.c_int(m), ctypes.c_int(n), ctypes.c_int(length)), ctypes.c_int(0)
    rows, columns, given = (ctypes.byref(number) for number in size)

    def run() -> None:
        routine(
            *(ctypes.c_char_p(name) for name in (b"F", b"U", b"V", b"R", b"N", b"N")),
            *(rows, columns, _at(A), rows, _at(s), _at(U), rows, _at(V), columns),
            *(_at(work), given, _at(indices), ctypes.byref(info)),
        )

    call_alone(20.0 * m * n * n, run)
    return U, s * (work[0] / work[1]), V, info.value


def half_inverse(M: Array) -> Array | None:
    """Return L^-1 for the Cholesky factor L of M (n, n); None if M is not definite.

    M, in F order, is overwritten. Above its diagonal, L^-1 is 0.
    """
    n = len(M)
    routines = _addresses() if n > _WHOLE else None
    if routines is not None:
        return M if call(2.0 / 3.0 * n**3, _dense.half_inverse, M, routines) else None
    L, info = lapack.dpotrf(M, lower=1, clean=1, overwrite_a=1)
    if info == 0 and n:
        L, info = lapack.dtrtri(L, lower=1, overwrite_c=1)
    return L if info == 0 else None


def lower_product(M: Array) -> Array:
    """Return M'M for lower triangular M (n, n) in F order, with zeros above its diagonal."""
    n = len(M)
    routines = _addresses() if n > _WHOLE else None
    if routines is None:
        return M.T @ M
    out = np.empty((n, n), order="F")
    call(n**3 / 3.0, _dense.lower_product, M, out, routines)
    return out


def factor(M: Array) -> Array:
    """Overwrite the lower triangle of M (n, n), in F order, with its Cholesky factor L; return it.

    Raises numpy.linalg.LinAlgError where M is not definite.
    """
    n = len(M)
    if not n:
        return M
    routine = _routine("dpotrf") if n**3 / 3.0 >= _LONG else None
    if routine is None:
        M, status = lapack.dpotrf(M, lower=1, clean=0, overwrite_a=1)
    else:
        status = _run(n**3 / 3.0, routine, M)
    if status:
        raise np.linalg.LinAlgError("the matrix is not positive definite")
    return M


def inverse_factored(L: Array) -> Array:
    """Return the inverse of L L' for a factor from `factor`."""
    n = len(L)
    if not n:
        return L
    routine = _routine("dpotri") if 2.0 / 3.0 * n**3 >= _LONG else None
    if routine is None:
        M, status = lapack.dpotri(L, lower=1)
    else:
        M = L.copy(order="F")
        status = _run(2.0 / 3.0 * n**3, routine, M)
    if status:
        raise np.linalg.LinAlgError("the factor is singular")
    _mirror(M)
    return M


def _run(operations: float, routine: Any, M: Array) -> int:
    """Call a routine (lower, n, M, n, status) that overwrites M (n, n)."""
    order, status = ctypes.c_int(len(M)), ctypes.c_int(0)
    call(
        operations,
        routine,
        *(ctypes.c_char_p(b"L"), ctypes.byref(order), _at(M)),
        *(ctypes.byref(order), ctypes.byref(status)),
    )
    return status.value


def _mirror(M: Array) -> None:
    """Copy the lower triangle to the upper, in blocks that fit into the cache."""
    n, step = len(M), 64
    for i in range(0, n, step):
        block = M[i : i + step, i : i + step]
        lower = np.tril(block)
        block[...] = lower + np.tril(lower, -1).T
        M[i : i + step, i + step :] = M[i + step :, i : i + step].T


def solve_factored(L: Array, B: Array) -> Array:
    """Solve L L' X = B (n,) or (n, k) for a factor from `factor`."""
    if not len(L):
        return B
    if B.ndim == 1 or L.size * B.shape[1] < _LONG:
        return lapack.dpotrs(L, B, lower=1)[0]
    inner = solve_triangular(L, B, lower=True)
    return solve_triangular(L, inner, lower=True, trans="T")


def pivoted_cholesky(M: Array, tol: float) -> tuple[Array, NDArray[np.intp], int]:
    """Return R (n, n), the order of the columns and the rank: R'R is M (n, n) in that order.

    M, in F order, is overwritten. Rows of R from the rank on, and elements below its diagonal, are
    undefined.
    """
    n = len(M)
    routine = _routine("dpstrf") if n**3 / 3.0 >= _LONG else None
    if routine is None:
        R, order, count, _ = lapack.dpstrf(M, tol=tol, overwrite_a=1)
        return R, order.astype(np.intp) - 1, int(count)
    order, work = np.empty(n, dtype=np.intc), np.empty(2 * n)
    size, count, info = ctypes.c_int(n), ctypes.c_int(0), ctypes.c_int(0)
    rows = ctypes.byref(size)

    def run() -> None:
        routine(
            *(ctypes.c_char_p(b"U"), rows, _at(M), rows, _at(order), ctypes.byref(count)),
            *(ctypes.byref(ctypes.c_double(tol)), _at(work), ctypes.byref(info)),
        )

    call(n**3 / 3.0, run)
    return M, order.astype(np.intp) - 1, count.value


def pseudo_inverse(M: Array) -> Array:
    """Return numpy.linalg.pinv of symmetric M (n, n)."""
    return call(10.0 * len(M) ** 3, np.linalg.pinv, M, hermitian=True)


@functools.cache
def _addresses() -> NDArray[np.uintp] | None:
    """Return the addresses of SciPy's dgemm, dsyrk, dpotrf and dtrtri; None if not found."""
    found = [_address(module, name) for module, name in _INVERSE]
    return None if None in found else np.array(found, dtype=np.uintp)


def _at(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _routine(name: str) -> Any:
    """Return SciPy's LAPACK routine as a function that releases the GIL; None if not found."""
    address = _address("cython_lapack", name)
    return None if address is None else ctypes.CFUNCTYPE(None)(address)


def _address(module: str, name: str) -> int | None:
    """Return the address of a routine of scipy.linalg.cython_*; None if not found."""
    loaded = importlib.import_module(f"scipy.linalg.{module}")
    capsule = getattr(loaded, "__pyx_capi__", {}).get(name)
    if capsule is None:
        return None
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
