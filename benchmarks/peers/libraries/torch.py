"""PyTorch on the CPU, in double precision."""

import torch

from libraries import Fitted, Solver


def version():
    return torch.__version__


def _centred(work):
    X, y = torch.from_numpy(work.X), torch.from_numpy(work.y)
    mean, y_mean = X.mean(0), y.mean(0)
    return X - mean, (y - y_mean).reshape(len(y), -1), mean, y_mean


def _fitted(w, mean, y_mean):
    return Fitted(w.T.numpy(), (y_mean - mean @ w).numpy())


def cholesky(work, tol):
    def call():
        A, y, mean, y_mean = _centred(work)
        by_rows = A.shape[0] < A.shape[1]
        M = A @ A.T if by_rows else A.T @ A
        M.diagonal().add_(work.alpha)
        factor = torch.linalg.cholesky(M)
        w = torch.cholesky_solve(y if by_rows else A.T @ y, factor)
        return _fitted(A.T @ w if by_rows else w, mean, y_mean)

    return call


def lstsq(work, tol):
    def call():
        A, y, mean, y_mean = _centred(work)
        p = A.shape[1]
        A = torch.cat([A, work.alpha**0.5 * torch.eye(p, dtype=A.dtype)])
        y = torch.cat([y, torch.zeros((p, y.shape[1]), dtype=y.dtype)])
        return _fitted(torch.linalg.lstsq(A, y).solution, mean, y_mean)

    return call


def batch(work, tol):
    def call():
        X, y = torch.from_numpy(work.X), torch.from_numpy(work.y)
        mean, y_mean = X.mean(1), y.mean(1)
        A, b = X - mean[:, None], (y - y_mean[:, None])[..., None]
        M = A.mT @ A
        M.diagonal(dim1=1, dim2=2).add_(work.alpha)
        w = torch.cholesky_solve(A.mT @ b, torch.linalg.cholesky(M))[..., 0]
        return Fitted(w.numpy(), (y_mean - (mean * w).sum(1)).numpy())

    return call


def solvers():
    yield Solver("cholesky", cholesky, ("fit", "targets"))
    yield Solver("lstsq", lstsq, most=5e10)
    yield Solver("batched cholesky", batch, ("batch",))
