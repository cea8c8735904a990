"""glmnet, in R: 1/(2n) sum (y - b - xw)^2 + lambda/2 ||w||^2, y scaled to a deviation of 1.

By the scaling lambda = alpha sd(y) / n; for lassos (its alpha = 1) lambda = alpha. For elastic nets
the L2 part is scaled by the deviation of y in each fold: errors by folds differ in the third
digit. R measures the time of the fit only. Several penalties are warm-started, the largest first.
"""

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import scipy.sparse
from work import FOLDS

from libraries import Fitted, Solver

PROGRAM = """
suppressMessages(library(glmnet)); suppressMessages(library(Matrix))
a <- commandArgs(TRUE); folder <- a[1]; tol <- as.numeric(a[2])
numbers <- function(name, n, what) readBin(file.path(folder, name), what, n)
size <- numbers("size", 6, "double")
n <- size[1]; p <- size[2]; nnz <- size[3]
y <- numbers("y", n, "double"); lambda <- numbers("lambda", size[4], "double")
X <- if (nnz < 0) matrix(numbers("x", n * p, "double"), n, p) else sparseMatrix(
  i = numbers("i", nnz, "integer"), p = numbers("p", p + 1, "integer"),
  x = numbers("x", nnz, "double"), dims = c(n, p), index1 = FALSE)
fold <- numbers("fold", size[6], "integer")
if (length(fold)) {
  seconds <- system.time(fit <- cv.glmnet(X, y, alpha = size[5], lambda = lambda, foldid = fold,
    standardize = FALSE, keep = TRUE, thresh = tol, maxit = 1e6))[["elapsed"]]
  errors <- rowsum((fit$fit.preval - y)^2, fold) / as.numeric(table(fold))
  found <- colMeans(errors)
} else {
  seconds <- system.time(fit <- glmnet(X, y, alpha = size[5], lambda = lambda, standardize = FALSE,
                                       thresh = tol, maxit = 1e6))[["elapsed"]]
  found <- c(as.numeric(fit$a0), as.numeric(fit$beta))
}
writeBin(c(seconds, found), file.path(folder, "out"))
"""


@cache
def version():
    if not shutil.which("Rscript"):
        raise ImportError("Rscript")
    program = 'cat(as.character(packageVersion("glmnet")))'
    found = subprocess.run(["Rscript", "-e", program], capture_output=True, text=True)
    if found.returncode:
        raise ImportError("the R package glmnet")
    return found.stdout


def fit(work, tol):
    X, y = work.X, work.y
    folder = tempfile.TemporaryDirectory()
    to = Path(folder.name)
    if work.is_sparse:
        C = scipy.sparse.csc_array(X)
        arrays = {
            "i": C.indices.astype(np.int32),
            "p": C.indptr.astype(np.int32),
            "x": C.data.astype(np.float64),
        }
    else:
        arrays = {"x": X.ravel(order="F")}
    alphas = np.atleast_1d(np.asarray(work.alpha, dtype=np.float64))
    order = np.argsort(-alphas, kind="stable")
    is_lasso, by_folds = work.kind in ("lasso", "net folds"), work.kind == "net folds"
    stored = X.nnz if work.is_sparse else -1
    fold = np.zeros(0, dtype=np.int32)
    if by_folds:
        parts = np.array_split(np.arange(len(y)), FOLDS)
        fold = np.repeat(np.arange(1, FOLDS + 1, dtype=np.int32), [len(part) for part in parts])
    share = work.l1_ratio if is_lasso else 0.0
    size = np.array([*X.shape, stored, len(alphas), share, len(fold)], dtype=np.float64)
    unit = 1.0 if is_lasso else y.std() / len(y)
    numbers = {"y": y, "size": size, "lambda": alphas[order] * unit, "fold": fold}
    for name, values in {**arrays, **numbers}.items():
        values.tofile(to / name)
    (to / "fit.R").write_text(PROGRAM)
    back = np.argsort(order)

    def call(_keep=folder):
        command = ["Rscript", to / "fit.R", to, repr(tol)]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
        seconds, *found = np.fromfile(to / "out")
        if by_folds:
            return Fitted(np.array(found)[back], 1.0, seconds)
        intercept, coef = np.split(np.array(found), [len(back)])
        return Fitted(coef.reshape(len(back), -1)[back], intercept[back], seconds)

    return call


def solvers():
    yield Solver(
        "glmnet", fit, ("fit", "path", "lasso", "net folds"), tunable=True, sparse=True, most=1e11
    )
