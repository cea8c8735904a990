"""SciPy: LAPACK, and Krylov methods on the implicitly centred matrix."""

import numpy as np
import scipy
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, cg, lsmr, lsqr

from libraries import Fitted, Solver, centred


def version():
    return scipy.__version__


def cho_factor(work, tol):
    """Over BLAS syrk, which takes half the arithmetic of a product."""

    def call():
        A, y, mean, y_mean = centred(work.X, work.y)
        by_rows = A.shape[0] < A.shape[1]
        # syrk reads A.T in F order, which lies there as A in C order
        M = scipy.linalg.blas.dsyrk(1.0, A.T, trans=by_rows)
        M.ravel(order="K")[:: len(M) + 1] += work.alpha
        c = scipy.linalg.cho_factor(M, overwrite_a=True, check_finite=False)
        b = y if by_rows else A.T @ y
        w = scipy.linalg.cho_solve(c, b, check_finite=False)
        w = A.T @ w if by_rows else w
        return Fitted(w.T, y_mean - mean @ w)

    return call


def _operator(X):
    """(X - 1 mean'), its mean, and the two products; a transpose in rows where X is sparse."""
    mean = np.asarray(X.mean(axis=0)).ravel()
    XT = X.T

    def dot(v):
        return X @ v - mean @ v

    def tdot(u):
        return XT @ u - mean * u.sum()

    return LinearOperator(X.shape, matvec=dot, rmatvec=tdot, dtype=X.dtype), mean, dot, tdot


def _least_squares(function):
    def make(work, tol):
        def call():
            A, mean, _, _ = _operator(work.X)
            y_mean = work.y.mean()
            w = function(A, work.y - y_mean, np.sqrt(work.alpha), tol)[0]
            return Fitted(w, y_mean - mean @ w)

        return call

    return make


def conjugate_gradients(preconditioned):
    def make(work, tol):
        def call():
            X, y = work.X, work.y
            n, p = X.shape
            _, mean, dot, tdot = _operator(X)
            y_mean = y.mean()
            H = LinearOperator((p, p), matvec=lambda v: tdot(dot(v)) + work.alpha * v)
            M = None
            if preconditioned:
                if work.is_sparse:
                    squares = np.asarray(X.power(2).sum(axis=0)).ravel()
                else:
                    squares = np.einsum("ij,ij->j", X, X)
                inverse = 1.0 / (np.maximum(squares - n * mean**2, 0.0) + work.alpha)
                M = LinearOperator((p, p), matvec=lambda v: inverse * v)
            w, _ = cg(H, tdot(y - y_mean), rtol=tol, maxiter=100_000, M=M)
            return Fitted(w, y_mean - mean @ w)

        return call

    return make


def solvers():
    yield Solver("cho_factor", cho_factor, ("fit", "targets"))
    krylov = {"tunable": True, "sparse": True}
    for function in (lsqr, lsmr):
        most = {"iter_lim" if function is lsqr else "maxiter": 100_000}
        yield Solver(
            function.__name__,
            _least_squares(
                lambda A, y, damp, tol, function=function, most=most: function(
                    A, y, damp=damp, atol=tol, btol=tol, conlim=0.0, **most
                )
            ),
            **krylov,
        )
    yield Solver("cg", conjugate_gradients(False), **krylov)
    yield Solver("cg, diagonal", conjugate_gradients(True), **krylov)
