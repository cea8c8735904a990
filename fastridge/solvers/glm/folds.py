"""Generalised linear models for every fold and every penalty.

Rows that a fold leaves out have weight 0 in it, so that no rows are copied and the fit has their
predictors too. Each fold fits decreasing penalties with warm starts; folds run on threads.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._folds import MOST_FITS
from ..._matrix import Matrix
from ..._threads import Stopped
from ...data.check import check_finite
from ...losses import Loss, Multinomial
from ...systems.blas import on_one_thread
from . import softmax
from .hessian import Hessian, most_of
from .left_out import left_out_predictors, mean_and_error
from .options import Constraints, Options
from .path_run import PathRun, fold_run
from .problem import Array, GLMProblem
from .softmax_path import SoftmaxPathRun
from .together import FoldsTogether, may_share, parts_of, together

_BELOW = 36.0  # -log of the round-off of 1


class FoldFits(NamedTuple):
    """Fits on one fold for one l1_ratio and m penalties; errors are mean deviances."""

    train: Array  # (m,)
    validation: Array  # (m,)
    score: Array  # (m,)
    coef: Array  # (m, k, p)
    intercept: Array  # (m, k)
    n_iter: NDArray[np.intp]  # (m,)
    gap: Array  # (m,), relative
    converged: NDArray[np.bool_]  # (m,)
    null: float  # held-out error of the null model


class Step(NamedTuple):
    """One penalty: training mean deviance, relative gap, iterations, and convergence."""

    error: float
    gap: float
    n_iter: int
    converged: bool


class OneRun:
    """Warm-started fits of one predictor for a sequence of penalties."""

    def __init__(self, data: GLMFolds, options: Options, weight: Array | None) -> None:
        everything = np.ones(data.A.n_rows, dtype=bool)
        self.run = fold_run(
            data.A,
            data.y,
            data.loss,
            options,
            everything,
            weight,
            data.constraints,
            data.offset,
            data.columns,
        )
        data.columns = self.run.columns
        self.problem = self.run.problem

    def null(self) -> tuple[Array, Array]:
        state = self.problem.null
        return state.eta[:, None], np.array([state.b])

    def solve(self, alpha: float) -> Step:
        q = self.problem
        found = self.run.solve(alpha)
        error = 2.0 * max(found.state.loss - q.least, 0.0)
        return Step(error, found.gap / q.null_objective, found.n_iter, bool(found.converged))

    @property
    def eta(self) -> Array:
        """(n, 1)."""
        return self.run.state.eta[:, None]

    def coef(self) -> tuple[Array, Array]:
        """(1, p) and (1,)."""
        state = self.run.state
        coef, intercept = self.problem.restore(state.u, state.b)
        return coef[None, :], np.array([intercept])


class ConstantRun:
    """Constant fits for training rows of only one of two classes, with probability near 1."""

    def __init__(self, data: GLMFolds, label: float) -> None:
        self.shape = 1, data.A.n_columns
        self.level = np.array([_BELOW if label > 0.5 else -_BELOW])
        self.eta = np.full((data.A.n_rows, 1), self.level)

    def null(self) -> tuple[Array, Array]:
        return self.eta, self.level

    def solve(self, alpha: float) -> Step:
        return Step(0.0, 0.0, 0, True)

    def coef(self) -> tuple[Array, Array]:
        return np.zeros(self.shape), self.level


class SoftmaxRun:
    """Warm-started fits of one predictor per class for a sequence of penalties.

    The predictor of a class without training rows is constant, `_BELOW` below the least intercept:
    its probability is close to 0, and errors on held-out rows stay finite.
    """

    def __init__(self, data: GLMFolds, options: Options, weight: Array | None) -> None:
        self.problem, self.some = softmax.make_problem(
            data.A, data.y, data.k, options, weight, data.constraints, data.offset
        )
        self.k = data.k
        self.run = SoftmaxPathRun(self.problem, options)

    def null(self) -> tuple[Array, Array]:
        state = self.problem.null
        level = self._of_all(state.b[None, :], state.b)
        return self._of_all(state.eta, state.b), level[0]

    def solve(self, alpha: float) -> Step:
        q, found = self.problem, self.run.solve(alpha)
        error = 2.0 * max(found.state.loss - q.least, 0.0)
        return Step(error, found.gap / q.null_objective, found.n_iter, bool(found.converged))

    def _of_all(self, eta: Array, intercept: Array) -> Array:
        if self.some is None:
            return eta
        full = np.full((len(eta), self.k), intercept.min() - _BELOW)
        full[:, self.some] = eta
        return full

    @property
    def eta(self) -> Array:
        """(n, k)."""
        state = self.run.state
        intercept = self.problem.restore(state.U, state.b)[1]
        return self._of_all(state.eta, intercept)

    def coef(self) -> tuple[Array, Array]:
        """(k, p) and (k,)."""
        coef, intercept = self.problem.restore(self.run.state.U, self.run.state.b)
        level = self._of_all(intercept[None, :], intercept)[0]
        if self.some is None:
            return coef, level
        return softmax.among(coef, intercept, self.some, self.k)[0], level


class GLMFolds:
    """The models of each fold's training rows.

    Parameters
    ----------
    A : Matrix (n, p), not centred
    y : ndarray (n,)
        Targets, or numbers of classes of a multinomial loss.
    loss : Loss
    k : int
        Predictors: 1, or the number of classes.
    weight : ndarray (n,) or None
    splits : list of Split
    constraints : Constraints
    offset : ndarray (n,) or (n, k), or None
    penalties : callable
        penalties(total): alphas (m,) for training rows whose weights sum to `total`.
    apart : tuple of Matrix, ndarray (n_test,) and ndarray or None, or None
        The held-out rows, if they are not among the rows of A.
    """

    def __init__(
        self,
        A: Matrix,
        y: NDArray[Any],
        loss: Loss,
        k: int,
        weight: Array | None,
        splits: list[Any],
        constraints: Constraints,
        offset: Array | None,
        penalties: Any,
        apart: Any = None,
    ) -> None:
        check_finite(A)
        self.A, self.y, self.loss, self.k, self.weight = A, y, loss, k, weight
        self.splits, self.constraints, self.offset = splits, constraints, offset
        self.penalties, self.apart = penalties, apart
        self.count = len(splits) if apart is None else 1
        self.columns: Matrix | None = None

    def run(self, options: Options, weight: Array | None) -> Any:
        """Return the warm-started fits of rows with these weights."""
        if isinstance(self.loss, Multinomial):
            return SoftmaxRun(self, options, weight)
        if self.loss.name == "logistic" and options.fit_intercept:
            live = self.y if weight is None else self.y[weight > 0]
            if live[0] in (0.0, 1.0) and (live == live[0]).all():
                return ConstantRun(self, float(live[0]))
        return OneRun(self, options, weight)

    def grid(self, options: Options, eps: float, n_alphas: int) -> Array:
        """Return the automatic penalties for one l1_ratio, from all rows."""
        run = self.run(options, self.weight)
        alphas: Array = run.run.alphas(eps, n_alphas)
        return alphas

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.A.n_rows if self.weight is None else self.weight.sum())

    def training_weight(self, i: int) -> Array | None:
        """Return the weights (n,) of a fold, 0 for rows that it leaves out."""
        if self.apart is not None:
            return self.weight
        times = np.bincount(self.splits[i].train, minlength=self.A.n_rows).astype(np.float64)
        return times if self.weight is None else times * self.weight

    def designs(self) -> list[Any]:
        """Return the matrices that later fits and scores read."""
        return [self.A, *([] if self.apart is None else [self.apart[0]])]

    def test_rows(self, i: int) -> tuple[Any, NDArray[Any], Array | None]:
        """Return held-out rows, or None if they are separate data, targets and weights."""
        if self.apart is not None:
            return None, self.apart[1], self.apart[2]
        rows = self.splits[i].test
        return rows, self.y[rows], None if self.weight is None else self.weight[rows]

    def error(self, y: NDArray[Any], eta: Array, weight: Array | None) -> float:
        """Return the mean deviance of predictors (n, k)."""
        values = self.loss.value(y, eta if self.k > 1 else eta[:, 0]) - self.least(y)
        return 2.0 * max(float(np.average(values, weights=weight)), 0.0)

    def least(self, y: NDArray[Any]) -> Any:
        return 0.0 if self.k > 1 else self.loss.least(y)

    def null_error(self, fit_intercept: bool) -> float:
        """Return the mean deviance of the model without features on all rows, without an offset."""
        if self.k == 1:
            null = self.loss.null_deviance(self.y[:, None], self.weight, fit_intercept)
            return float(null.mean())
        if not fit_intercept:
            return 2.0 * math.log(self.k)
        share = np.bincount(self.y, weights=self.weight, minlength=self.k)
        share = share / share.sum()
        live = share[share > 0]
        return float(-2.0 * live @ np.log(live))


class FoldPath:
    """One fold's solutions for one l1_ratio.

    Parameters
    ----------
    folds : GLMFolds
    i : int
    options : Options
    score : callable
        score(i, j, eta (n_test, k), coef (k, p), intercept (k,), error): a number.
    """

    def __init__(self, folds: GLMFolds, i: int, options: Options, score: Any) -> None:
        self.folds, self.i, self.options, self.score = folds, i, options, score

    @on_one_thread
    def solve(self, alphas: Any, keep: bool, stop: Any) -> FoldFits:
        """Fit the penalties, from large to small; results are in the order of `penalties`."""
        folds, i = self.folds, self.i
        weight = folds.training_weight(i)
        total = float(folds.A.n_rows if weight is None else weight.sum())
        own = folds.penalties(total) if alphas is None else alphas
        run = folds.run(self.options, weight)
        rows, y, test_weight = folds.test_rows(i)
        m, k, p = len(own), folds.k, folds.A.n_columns
        train, validation, score, gap = (np.empty(m) for _ in range(4))
        coef, intercept = np.zeros((m, k, p)), np.zeros((m, k))
        n_iter, converged = np.zeros(m, dtype=np.intp), np.zeros(m, dtype=bool)
        eta, level = run.null()
        eta = eta[rows] if rows is not None else np.broadcast_to(level, (len(y), k))
        null = folds.error(y, eta, test_weight)
        for j in np.argsort(-own, kind="stable"):
            if stop.is_set():
                raise Stopped
            train[j], gap[j], n_iter[j], converged[j] = run.solve(float(own[j]))
            coef[j], intercept[j] = run.coef()
            if rows is not None:
                eta = run.eta[rows]
            else:
                eta = folds.apart[0].dot(np.asfortranarray(coef[j].T)) + intercept[j]
            validation[j] = folds.error(y, eta, test_weight)
            score[j] = self.score(i, j, eta, coef[j], intercept[j], validation[j])
        return FoldFits(train, validation, score, coef, intercept, n_iter, gap, converged, null)


class TogetherPath:
    """Simultaneous solutions of some folds for one l1_ratio; see `together`.

    Parameters
    ----------
    folds : GLMFolds
    which : list of int
        Numbers of the folds.
    states : FoldsTogether
    score : callable
        See `FoldPath`.
    """

    def __init__(
        self, folds: GLMFolds, which: list[int], states: FoldsTogether, score: Any
    ) -> None:
        self.folds, self.which, self.states, self.score = folds, which, states, score

    @on_one_thread
    def solve(self, alphas: Any) -> list[FoldFits] | None:
        """Return the fits of each fold; None where folds order their own penalties differently.

        alphas: the same for all folds, or None.
        """
        folds, states = self.folds, self.states
        own = np.stack([folds.penalties(t) if alphas is None else alphas for t in states.total])
        order = np.argsort(-own, axis=1, kind="stable")
        if (order != order[0]).any():
            return None
        k, m, p = len(self.which), own.shape[1], folds.A.n_columns
        train, validation, score, gap = (np.empty((k, m)) for _ in range(4))
        coef, intercept = np.zeros((k, m, 1, p)), np.zeros((k, m, 1))
        n_iter, converged = np.zeros((k, m), dtype=np.intp), np.zeros((k, m), dtype=bool)
        tests = [folds.test_rows(i) for i in self.which]
        null = [
            folds.error(y, problem.null.eta[rows][:, None], weight)
            for problem, (rows, y, weight) in zip(states.problems, tests, strict=True)
        ]
        for j in order[0]:
            for f, fit in enumerate(states.solve(own[:, j])):
                problem, (rows, y, weight) = states.problems[f], tests[f]
                train[f, j] = 2.0 * max(states.sums[f, 0] - problem.least, 0.0)
                gap[f, j] = fit.gap / problem.null_objective
                n_iter[f, j], converged[f, j] = fit.n_iter, fit.converged
                coef[f, j, 0], intercept[f, j, 0] = problem.restore(states.u[f], states.b[f])
                eta = states.eta[f][rows][:, None]
                error = validation[f, j] = folds.error(y, eta, weight)
                i = self.which[f]
                score[f, j] = self.score(i, j, eta, coef[f, j], intercept[f, j], error)
        return [
            FoldFits(
                *(train[f], validation[f], score[f], coef[f], intercept[f]),
                *(n_iter[f], gap[f], converged[f], null[f]),
            )
            for f in range(k)
        ]


def paths_together(folds: GLMFolds, options: Options, score: Any) -> list[TogetherPath]:
    """Return groups of folds to fit simultaneously; an empty list: fit folds one by one."""
    if folds.apart is not None or isinstance(folds.loss, Multinomial) or folds.count < 2:
        return []
    if not may_share(folds.A, folds.loss, min(folds.count, MOST_FITS), options):
        return []
    part = parts_of(folds.splits, folds.A.n_rows)
    if part is None:
        return []
    groups = np.array_split(np.arange(folds.count), -(-folds.count // MOST_FITS))
    if len(groups[-1]) < 2:
        return []
    paths: list[TogetherPath] = []
    for group in groups:
        runs = [folds.run(options, folds.training_weight(int(i))) for i in group]
        if not all(isinstance(run, OneRun) for run in runs):
            return []
        states = together([run.problem for run in runs], part - group[0], options)
        if states is None:
            return []
        paths.append(TogetherPath(folds, [int(i) for i in group], states, score))
    return paths


class LeftOutFits(NamedTuple):
    """Leave-one-out fits: `FoldFits` of one fit to all rows, with standard errors of the errors."""

    train: Array
    validation: Array
    score: Array
    coef: Array
    intercept: Array
    n_iter: NDArray[np.intp]
    gap: Array
    converged: NDArray[np.bool_]
    null: float
    error_se: Array  # (m,)


class LeftOutPath(FoldPath):
    """Solutions on all rows for one l1_ratio, with leave-one-out predictors by one Newton step.

    Each fit without a row has the same penalty relative to the sum of the losses; see `left_out`.
    The only split has all rows on both sides.
    """

    @on_one_thread
    def solve(self, alphas: Any, keep: bool, stop: Any) -> Any:
        folds = self.folds
        own = folds.penalties(folds.total) if alphas is None else alphas
        run = OneRun(folds, self.options, folds.weight)
        m, p = len(own), folds.A.n_columns
        train, validation, score, gap, error_se = (np.empty(m) for _ in range(5))
        coef, intercept = np.zeros((m, 1, p)), np.zeros((m, 1))
        n_iter, converged = np.zeros(m, dtype=np.intp), np.zeros(m, dtype=bool)
        problem, y = run.problem, folds.y
        least = folds.least(y)
        null = _null_left_out(problem)[:, None]
        for j in np.argsort(-own, kind="stable"):
            if stop.is_set():
                raise Stopped
            train[j], gap[j], n_iter[j], converged[j] = run.solve(float(own[j]))
            coef[j], intercept[j] = run.coef()
            eta = left_out_predictors(Hessian(problem, run.run.state, most_of()))
            with np.errstate(over="ignore", invalid="ignore"):
                deviance = 2.0 * np.maximum(folds.loss.value(y, eta) - least, 0.0)
            validation[j], error_se[j] = mean_and_error(deviance, problem.weight)
            score[j] = self.score(0, j, eta[:, None], coef[j], intercept[j], validation[j])
        error = folds.error(y, null, folds.weight)
        return LeftOutFits(
            *(train, validation, score, coef, intercept),
            *(n_iter, gap, converged, error, error_se),
        )


def _null_left_out(problem: GLMProblem) -> Array:
    """Return leave-one-out predictors (n,) of the null model, by one Newton step each."""
    state = problem.null
    if not problem.fit_intercept:
        return state.eta
    left = state.h.sum() - state.h
    return state.eta + np.divide(state.r, left, out=np.zeros(problem.n), where=left > 0)


__all__ = ["FoldFits", "FoldPath", "GLMFolds", "LeftOutPath", "PathRun"]
