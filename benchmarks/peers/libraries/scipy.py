"""SciPy: LAPACK, and Krylov methods on the implicitly centred matrix."""

from dataclasses import replace

import numpy as np
import scipy
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, cg, lsmr, lsqr

from libraries import Fitted, Solver, centred


def version():
    return scipy.__version__


def cho_factor(work, tol):
    """Use BLAS syrk, which takes half the arithmetic of a product."""

    def call():
        A, y, mean, y_mean = centred(work.X, work.y)
        by_rows = A.shape[0] < A.shape[1]
        # A.T in F order, as syrk needs it, is A in C order
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


def _one_by_one(make):
    """A fit for each penalty."""

    def make_path(work, tol):
        calls = [make(replace(work, kind="fit", alpha=alpha), tol) for alpha in work.alpha]

        def call():
            found = [fit() for fit in calls]
            return Fitted([f.coef for f in found], [f.intercept for f in found])

        return call

    return make_path


def moments(work, tol):
    """BLAS syrk, or a product of sparse matrices, and the rank-one update that centres it."""

    def call():
        X, y = work.X, work.y
        mean, y_mean = np.asarray(X.mean(axis=0)).ravel(), y.mean()
        if work.is_sparse:
            gram = (X.T @ X).toarray()
        else:
            gram = scipy.linalg.blas.dsyrk(1.0, X.T)
            gram += np.triu(gram, 1).T
        gram -= len(y) * np.outer(mean, mean)
        return Fitted(gram, X.T @ y - len(y) * y_mean * mean)

    return call


def solvers():
    yield Solver("cho_factor", cho_factor, ("fit", "targets"))
    krylov = {"tunable": True, "sparse": True}
    for function in (lsqr, lsmr):
        most = {"iter_lim" if function is lsqr else "maxiter": 100_000}
        make = _least_squares(
            lambda A, y, damp, tol, function=function, most=most: function(
                A, y, damp=damp, atol=tol, btol=tol, conlim=0.0, **most
            )
        )
        yield Solver(function.__name__, make, **krylov)
        yield Solver(f"{function.__name__}, one by one", _one_by_one(make), ("path",), **krylov)
    yield Solver("cg", conjugate_gradients(False), **krylov)
    yield Solver("cg, diagonal", conjugate_gradients(True), **krylov)
    yield Solver(
        "cg, diagonal, one by one", _one_by_one(conjugate_gradients(True)), ("path",), **krylov
    )
    yield Solver("syrk or product", moments, ("moments",), sparse=True)
