"""Elastic nets for every fold and every penalty.

Each fold goes down the grid with warm starts. Where a Gram matrix of all features
pays, that of a fold's training rows is the whole's less the fold's. Folds are independent and run
on threads, each with kernels of one thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import numpy as np

from ... import _threads
from ...data.rows import take_rows
from ...losses import SQUARED
from ...moments import Moments
from ...systems.blas import on_one_thread
from .dof import DescentFreedom
from .fit import find_solver, free_are_dependent, make_problem
from .grid import LEAST_L1_RATIO, alpha_grid, spaced
from .groups import GroupPath
from .path import DescentPath
from .working_set import take_buffer

_POLL = 0.1  # seconds between checks for an interrupt
_KEPT = 1e9  # bytes of moments of folds held at once
# Elements read per penalty below which the interpreter takes most of the time, and passes over a
# Gram matrix per penalty.
_LEAST_WORK, _GRAM_PASSES = 2e5, 3.0


class PathErrors(NamedTuple):
    """Errors, weighted mean squares, on one fold for one l1_ratio and m penalties."""

    train: Any  # (m,)
    validation: Any  # (m,)
    coef: Any  # (m, k, p), or None unless requested
    df: Any  # (m,), number of features with non-zero coefficients
    dof: Any  # (m,), effective degrees of freedom of one target
    norm: Any  # (m,), norm of the coefficients
    gap: Any  # (m,)


class FoldPath:
    """One fold's solutions for one l1_ratio, from penalty to penalty."""

    def __init__(self, folds, i, options) -> None:
        self.folds, self.i, self.options = folds, i, options
        self.path = self.saved = self.rows = None

    def _open(self):
        folds, options = self.folds, self.options
        if folds.grouped:
            A, Y, weight = folds.training_rows(self.i)
            self.path = GroupPath(
                A,
                Y,
                weight,
                folds.constraints.factor,
                options.fit_intercept,
                options.standardize,
                options.max_iter,
                options.seed,
            )
            self.freedom = DescentFreedom(self.path, True, self._most(A.n_rows))
            return
        if folds.solver == "gram":
            source, Y, weight = folds.training(self.i), None, None
        else:
            self.rows = folds.take_row_buffer()
            source, Y, weight = folds.training_rows(self.i, self.rows)
        self.problem = make_problem(source, Y, 0, folds.solver, weight, folds.constraints, options)
        u, last_l1 = self.saved or (None, None)
        self.path = DescentPath(
            self.problem, folds.solver, options.max_iter, options.seed, u, folds.buffers
        )
        self.path.last_l1 = last_l1
        self.freedom = DescentFreedom(self.path, False, self._most(self.problem.n))

    def _close(self):
        """Release the copy of the training rows and the working set; keep a warm start."""
        path, folds = self.path, self.folds
        if folds.grouped or folds.solver == "gram":
            return
        self.saved = path.u, path.last_l1
        path.release()
        if self.rows is not None:
            folds.row_buffers.append(self.rows)
        self.path = self.problem = self.freedom = self.rows = None

    def _most(self, n):
        """Return the largest rank of n rows."""
        return min(n - bool(self.options.fit_intercept), self.folds.p)

    @on_one_thread
    def solve(self, alphas, keep, stop) -> PathErrors:
        """Continue with these penalties, from large to small."""
        folds, options = self.folds, self.options
        if self.path is None:
            self._open()
        m, k, p = len(alphas), folds.k, folds.p
        coef, intercept = np.zeros((m, k, p)), np.zeros((m, k))
        train, gap, df, norm = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
        path, ratio, freedom = self.path, options.l1_ratio, self.freedom
        freedom.extend(m)
        for j, alpha in enumerate(alphas):
            if stop.is_set():
                raise _threads.Stopped
            if folds.grouped:
                path.solve(float(alpha), ratio, options.tol)
                coef[j], intercept[j] = path.to_caller()
                size = np.linalg.norm(path.full, axis=0)
                l1, l2 = alpha * ratio * path.factor, alpha * (1 - ratio) * path.factor
                penalty = l1 @ size + 0.5 * l2 @ size**2
                null = path.null
            else:
                l1, l2 = self.problem.penalties(alpha, ratio)
                path.solve(l1, l2, options.tol * self.problem.null)
                coef[j, 0], intercept[j, 0] = self.problem.to_caller(path.u)
                penalty = float(l1 @ np.abs(path.u)) + 0.5 * float(l2 @ path.u**2)
                null = self.problem.null
            train[j] = max(2.0 * (path.objective - penalty), 0.0) / k
            gap[j] = path.gap / null
            df[j] = np.count_nonzero(coef[j].any(axis=0))
            norm[j] = np.linalg.norm(coef[j])
            freedom.add(j, float(alpha), l1, l2)
        dof = freedom.result()
        self._close()
        validation = folds.errors(self.i, coef, intercept)
        kept = coef if keep else None
        return PathErrors(train, validation, kept, df, dof, norm, gap)


class DescentFolds:
    """Elastic net problems of the training rows of each fold.

    Parameters
    ----------
    A : Matrix (n, p), not centred
    Y : ndarray (n, k), F order; k > 1 are fitted together
    weight : ndarray (n,) or None
    splits : list of Split
    constraints : Constraints
    n_alphas : int
    solver : {"auto", "gram"}
    several : bool
        Whether the targets are fitted together.
    fit_intercept : bool
    apart : tuple of Matrix, ndarray (n_test, k) and ndarray or None, or None
        The held-out rows, if they are not among the rows of A.
    """

    def __init__(
        self,
        A,
        Y,
        weight,
        splits,
        constraints,
        n_alphas,
        solver,
        several,
        fit_intercept,
        apart=None,
    ) -> None:
        self.A, self.Y, self.weight, self.splits = A, Y, weight, splits
        self.constraints, self.several, self.apart = constraints, several, apart
        self.count = len(splits) if apart is None else 1
        self.k, self.p = Y.shape[1], A.n_columns
        self.solver = find_solver(A, solver, n_alphas, weight)
        # use GroupPath also for one target if unpenalised features must be projected out
        self.grouped = several or free_are_dependent(A, weight, constraints, fit_intercept)
        if self.grouped:
            self.solver = "working"
        self.total, self.parts = None, {}
        # buffers of finished paths, for reuse
        self.buffers: list[Any] = []
        self.row_buffers: list[Any] = []
        if self.solver == "gram":
            size = 8.0 * self.p**2 * (self.count + 3)
            self.keeps = size < _KEPT
            self.total = self._sum()
            self.total._y_ndim = 1

    def _sum(self) -> Moments:
        """Return the moments of all rows; sum each fold once if the folds partition the rows."""
        seen = np.zeros(self.A.n_rows, dtype=np.intp)
        for split in self.splits:
            seen[split.test] += 1
        live = slice(None) if self.weight is None else self.weight > 0
        if self.apart is not None or not self.keeps or not (seen[live] == 1).all():
            return Moments._of_matrix(self.A, self.Y, self.weight)
        total = self.held_out(0).copy()
        for i in range(1, self.count):
            total += self.held_out(i)
        return total

    def _rows(self, rows, buffer=None):
        weight = None if self.weight is None else self.weight[rows]
        return take_rows(self.A, rows, buffer), np.asfortranarray(self.Y[rows]), weight

    def take_row_buffer(self):
        """Return memory for the training rows of a fold; None if they are not copied by columns."""
        if self.A.kind != "F" or self.apart is not None:
            return None
        rows = take_buffer(self.row_buffers)
        if rows is None:
            rows = np.empty((self.p, max(len(s.train) for s in self.splits)), self.A.dtype)
        return rows

    def training_rows(self, i, buffer=None):
        if self.apart is not None:
            return self.A, self.Y, self.weight
        return self._rows(self.splits[i].train, buffer)

    def designs(self) -> list[Any]:
        """Return the matrices that later fits and scores read."""
        return [self.A, *([] if self.apart is None else [self.apart[0]])]

    def test_rows(self, i):
        return self._rows(self.splits[i].test) if self.apart is None else self.apart

    def held_out(self, i) -> Moments:
        if i not in self.parts:
            found = Moments._of_matrix(*self.test_rows(i))
            if not self.keeps:
                return found
            self.parts[i] = found
        return self.parts[i]

    def training(self, i) -> Moments:
        if self.apart is not None:
            return self.total
        if self.splits[i].whole:
            return self.total - self.held_out(i)
        return Moments._of_matrix(*self.training_rows(i))

    def errors(self, i, coef, intercept):
        """Return mean squared errors (m,) on the held-out rows."""
        found = None
        if self.solver == "gram":
            found = SQUARED.error_of_moments(self.held_out(i), coef, intercept)
        if found is None:
            A, y, weight = self.test_rows(i)
            found = SQUARED.error_of_rows(A, y, weight, coef, intercept)
        return found.mean(axis=1)

    def null_error(self, i, fit_intercept):
        """Return the held-out error of the training mean."""
        Y, s = self.Y, self.weight
        if self.apart is not None:
            _, y, weight = self.apart
        else:
            train, test = self.splits[i].train, self.splits[i].test
            y, weight = Y[test], None if s is None else s[test]
            Y, s = Y[train], None if s is None else s[train]
        null = SQUARED.null_mean(Y, s, fit_intercept)
        return float(SQUARED.mean_deviance(y, null, weight).mean())

    def grid(self, options, eps, n_alphas) -> Any:
        """Return the automatic penalties for one l1_ratio, from all rows."""
        if self.grouped:
            path = GroupPath(
                self.A,
                self.Y,
                self.weight,
                self.constraints.factor,
                options.fit_intercept,
                options.standardize,
                options.max_iter,
                options.seed,
            )
            first = path.largest(options.l1_ratio or LEAST_L1_RATIO)
            rounding = np.finfo(np.float64).resolution
            if first <= rounding:
                return np.full(n_alphas, rounding)
            return spaced(first, eps, n_alphas)
        if self.solver == "gram":
            problem = make_problem(self.total, None, 0, "gram", None, self.constraints, options)
        else:
            problem = make_problem(
                self.A, self.Y, 0, self.solver, self.weight, self.constraints, options
            )
        return alpha_grid(problem, options.l1_ratio, eps, n_alphas, options.max_iter)[0]

    def run(self, paths, alphas, keep, n_jobs, after):
        """Run `run_paths`, on one thread where kernels are too short for more."""
        run_paths(paths, alphas, keep, 1 if n_jobs is None and self._are_short() else n_jobs, after)

    def _are_short(self) -> bool:
        """Return whether threads would mostly wait for the interpreter's lock."""
        work = _GRAM_PASSES * self.p**2 if self.solver == "gram" else self.A.nnz
        return work < _LEAST_WORK


def run_paths(
    paths: Sequence[Any],
    alphas: Sequence[Any],
    keep: bool,
    n_jobs: int | None,
    after: Callable[[int, Any], None],
) -> None:
    """Run paths on threads, and call `after` with the PathErrors of each finished one.

    alphas: penalties of each path. after: called as after(position, errors) when a path ends, so
    that finished ones survive an interrupt.
    """
    workers = min(n_jobs or _threads.get_num_threads(), len(paths))
    stop = threading.Event()
    if workers <= 1:
        for position, (path, grid) in enumerate(zip(paths, alphas, strict=True)):
            after(position, path.solve(grid, keep, stop))
        return

    def work(path, grid):
        with _threads.num_threads(1), _threads.stopped_by(stop):
            return path.solve(grid, keep, stop)

    with ThreadPoolExecutor(workers) as pool:
        jobs = {
            pool.submit(work, path, grid): position
            for position, (path, grid) in enumerate(zip(paths, alphas, strict=True))
        }
        try:
            left = set(jobs)
            while left:
                done, left = wait(left, timeout=_POLL, return_when=FIRST_COMPLETED)
                for job in sorted(done, key=jobs.__getitem__):
                    after(jobs[job], job.result())
        except BaseException:
            stop.set()
            for job in jobs:
                job.cancel()
            raise
