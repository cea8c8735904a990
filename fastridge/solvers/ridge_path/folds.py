"""Solve for every penalty on every fold, with shared moments.

The moments of each fold's held-out rows are summed once and subtracted from those of all rows,
which gives those of its training rows, centred and scaled by their own means and deviations. One
reduction of these serves all penalties (`direct`). With fewer features than held-out rows, the
held-out error of every solution follows from the moments of the held-out rows:
with G, c, yy centred about their means m, m_y and of weight W,

    sum_i s_i (y_i - b - x_i w)^2 = yy - 2 c'w + w'Gw + W (m_y - b - m'w)^2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..._cached import cached
from ...data.rounding import to_float32
from ...data.rows import take_rows
from ...losses import SQUARED
from ...moments import Moments
from ...quadratic.penalty_matrix import MatrixRows
from ...quadratic.problem import RidgeProblem
from ...quadratic.projected import rounding_scale
from ...quadratic.variances import variances
from ...systems.blas import on_one_thread, one_thread
from ...systems.cost import FOLDS, KEPT, choose_solver, data_bytes, fits, gcv_matrices, rows_fit
from ...systems.tridiagonal import Tridiagonal
from ..ridge.moments import solve_moments
from ..ridge.options import SOLVERS
from ..ridge.result import RidgeResult
from ..ridge.solve import solve
from .direct import LEAST_SHOWN, DualPath, MomentsPath
from .iterative import IterativePath
from .matrix_path import MatrixPath, stays_sparse

_LEFT = 1e-8  # share of a column's squares that a difference of moments must leave


class RidgeErrors(NamedTuple):
    """Errors on one fold, weighted mean squares, for m penalties and k targets.

    null: the held-out error of the training mean (of 0 without an intercept); spread: that of the
    held-out mean.
    """

    train: Any  # (m, k)
    validation: Any  # (m, k)
    norm: Any  # (m, k), Euclidean; None where only inner products were formed
    null: Any  # (k,)
    spread: Any  # (k,)
    coef: Any  # (m, k, p), or None unless requested


class Folds:
    """Ridge problems of the training rows of each fold, and of all rows.

    Parameters
    ----------
    A : Matrix (n, p), not centred
    Y : ndarray (n, k), F order
    weight : ndarray (n,) or None
    splits : list of Split
    options : dict
        factor, fit_intercept, standardize, solver, tol, max_iter, max_memory.
    apart : tuple of Matrix, ndarray (n_test, k) and ndarray or None, or None
        Held-out rows that are not among those of A: the only fold, which trains on all of A.
    prior : tuple of ndarray (k, p) or None and PenaltyMatrix or None, or None
        Mean of the coefficients and matrix of penalties.

    Attributes
    ----------
    A, Y, options, apart
        With a prior, in the coordinates of `units`; as they came they are `source`, `targets`,
        `given` and `held`.
    units : PriorUnits or None
    """

    def __init__(self, A, Y, weight, splits, options, apart=None, prior=None) -> None:
        self.source, self.targets, self.given, self.held = A, Y, options, apart
        self.prior, self.is_sparse = prior, False
        self.units: Any = None
        self.splits, self.count = splits, len(splits) if apart is None else 1
        if prior is not None:
            A, Y, options, apart = self._in_units(weight)
        self.A, self.Y, self.weight = A, Y, weight
        self.options, self.apart = options, apart
        run = SOLVERS[options["solver"]]
        if run in ("auto", "qr"):
            matrices = FOLDS if splits else gcv_matrices(*A.shape, options["fit_intercept"])
            copied = self._copied()
            run = choose_solver(A, Y.shape[1], options["max_memory"], matrices, copied)
        if run == "dual" and prior is not None and prior[1] is not None and A.shape[1] < A.shape[0]:
            # small eigenvalues of the matrix make inner products of rows large
            run = "cholesky"
        self.solver = run
        # set held-out rows to weight 0 instead of copying the others
        most = options["max_memory"]
        self.masked = run == "cg" and apart is None and not fits(data_bytes(A), most)
        if run == "cg" and splits and most is not None and not self.masked:
            # the rows of a fold, and gathered blocks of them, are copied beside the system
            self.options = options | {"max_memory": max(most - 2.0 * data_bytes(A), 0.0)}
        self.whole = None  # the path of all rows, where they were reduced by samples
        self.unsettled: list[tuple[float, float]] = []
        seen = np.zeros(A.n_rows, dtype=np.intp)
        for split in splits:
            seen[split.test] += 1
        live = slice(None) if weight is None else weight > 0
        # sum each fold once if the folds partition the rows
        needed = 8.0 * A.n_columns**2 * (len(splits) + FOLDS)
        self.covers = apart is None and bool((seen[live] == 1).all()) and needed < KEPT
        self.covers = self.covers and fits(needed, most)
        self.parts: dict[int, Moments] = {}

    def _in_units(self, weight):
        """What stands for A, Y, options and apart in the units of the prior."""
        from ...quadratic.prior_units import PriorUnits

        mean, matrix = self.prior
        options, apart = self.given, self.held
        self.is_sparse = bool(self.count) and stays_sparse(self.source, matrix, options["solver"])
        units = self.units = PriorUnits(
            *(self.source, self.targets, weight),
            *(options[name] for name in ("factor", "fit_intercept", "standardize")),
            mean=mean,
            matrix=matrix,
            max_memory=options["max_memory"],
            rotate=not self.is_sparse,
        )
        options = options | {"factor": units.factor, "standardize": units.standardize}
        if self.is_sparse:
            # factors of about this size, for the grid
            options |= {"factor": units.scaled.diagonal, "solver": "cg"}
        if apart is not None:
            rows, y, w = apart
            apart = units.rows(rows), units.targets(rows, y), w
        return units.A, units.Y, options, apart

    def _copied(self) -> float:
        """Return the bytes of the rows that a fold copies to sum them."""
        if self.apart is not None or not self.splits:
            return 0.0
        largest = max(len(s.test) if s.whole else len(s.train) for s in self.splits)
        return float(data_bytes(self.A)) * largest / max(self.A.n_rows, 1)

    def _moments(self, rows) -> Moments:
        return Moments._of_matrix(*self._rows(rows))

    @cached
    def total(self) -> Moments:
        """Moments of all rows."""
        if not self.covers:
            return Moments._of_matrix(self.A, self.Y, self.weight)
        for i, split in enumerate(self.splits):
            self.parts[i] = self._moments(split.test)
        total = self.parts[0].copy()
        for i in range(1, len(self.splits)):
            total += self.parts[i]
        return total

    def _held_out(self, i) -> Moments:
        if self.apart is not None:
            return Moments._of_matrix(*self.apart)
        total = self.total if self.covers else None
        return self.parts[i] if total is not None else self._moments(self.splits[i].test)

    def _training(self, i, held) -> Moments:
        if self.apart is not None:
            return self.total
        split = self.splits[i]
        if split.whole:
            try:
                train = self.total - held
            except ValueError:  # round-off makes squares negative
                return self._moments(split.train)
            left, whole = np.diagonal(train.gram), np.diagonal(self.total.gram)
            if (left >= _LEFT * whole).all():
                return train
            # the difference has lost its digits
        return self._moments(split.train)

    def _training_rows(self, i):
        if self.apart is not None:
            return self.A, self.Y, self.weight
        if self.masked:
            weight = np.bincount(self.splits[i].train, minlength=self.A.n_rows).astype(np.float64)
            return self.A, self.Y, weight if self.weight is None else weight * self.weight
        return self._rows(self.splits[i].train)

    def designs(self) -> list[Any]:
        """Return the matrices that later fits and scores read."""
        return [self.source, self.A, *([] if self.apart is None else [self.apart[0]])]

    def test_size(self, i) -> int:
        """Number of held-out rows."""
        return len(self.splits[i].test) if self.apart is None else self.apart[0].n_rows

    def test_rows(self, i):
        """Matrix, targets and weights of the held-out rows, as they came."""
        return self.held if self.held is not None else self.rows_given(self.splits[i].test)

    def rows_given(self, rows):
        """Matrix, targets and weights of some rows, as they came."""
        weight = None if self.weight is None else self.weight[rows]
        return take_rows(self.source, rows), np.asfortranarray(self.targets[rows]), weight

    def _test_rows(self, i):
        return self._rows(self.splits[i].test) if self.apart is None else self.apart

    def _rows(self, rows):
        weight = None if self.weight is None else self.weight[rows]
        return take_rows(self.A, rows), np.asfortranarray(self.Y[rows]), weight

    def restored(self, coef) -> Any:
        """Coefficients (..., k, p) in the units of X."""
        return coef if self.units is None else self.units.coefficients(coef)

    def evaluate(self, i, alphas, *, keep=False, visit=None, callback=None) -> RidgeErrors:
        """Return the errors of every penalty on fold i.

        visit: called as visit(j, prediction (n_test, k), coef (k, p), intercept (k,)) for each
        penalty. callback: called without arguments after each penalty of an iterative solver.
        """
        if self.units is not None:
            return self._evaluate_prior(i, alphas, keep, visit, callback)
        return self._evaluate(i, alphas, keep, visit, callback)

    def _evaluate_prior(self, i, alphas, keep, visit, callback) -> RidgeErrors:
        """The same of coefficients in the units of the prior."""
        A, y, weight = self.test_rows(i)
        if self.given["standardize"] and not self.options["standardize"] and self.held is None:
            # a matrix in units of the fold's own
            train = self.splits[i].train
            of_fold = Folds(*self.rows_given(train), [], self.given, (A, y, weight), self.prior)
            found = of_fold.evaluate(0, alphas, keep=keep, visit=visit, callback=callback)
            self.unsettled += of_fold.unsettled
            return found
        units = self.units
        offset = 0.0 if units.mean is None else units.offset(A)

        def restored(j, prediction, coef, intercept):
            intercept = units.intercepts(coef, intercept)
            visit(j, prediction + offset, units.coefficients(coef), intercept)

        passed = None if visit is None else restored
        found = self._evaluate(i, alphas, keep or self.solver == "cg", passed, callback)
        y_mean = np.zeros(y.shape[1])
        if self.options["fit_intercept"]:
            rows = slice(None) if self.held is not None else self.splits[i].train
            weights = None if self.weight is None else self.weight[rows]
            y_mean = np.average(self.targets[rows], axis=0, weights=weights)
        coef = None if found.coef is None else units.coefficients(found.coef)
        return found._replace(
            norm=None if coef is None else np.linalg.norm(coef, axis=2),
            null=SQUARED.mean_deviance(y, y_mean, weight),
            spread=SQUARED.spread(y, weight),
            coef=coef if keep else None,
        )

    def _evaluate(self, i, alphas, keep, visit, callback) -> RidgeErrors:
        if self.solver == "dual" and self._shares_samples() and not keep and visit is None:
            found = self._by_samples(i, alphas)
            if found is not None:
                return found
        held = None
        if self.solver == "cholesky":
            held = self._held_out(i)
            train = self._training(i, held)
            run = self.path_of_moments(train, alphas, lambda: self.problem(*self._training_rows(i)))
            total, mean, y_mean = train.total_weight, train.mean, train.y_mean
        else:
            run = self.path_of_rows(*self._training_rows(i), alphas, callback)
            total, mean, y_mean = run.problem.total, run.problem.mean, run.problem.y_mean
        coef = _rough(run)
        fit_intercept = self.options["fit_intercept"]
        intercept = y_mean - coef @ mean if fit_intercept else np.zeros(coef.shape[:2])
        null = y_mean if fit_intercept else np.zeros_like(y_mean)
        if self.masked:
            rows = self.splits[i].test
            test, y = self.A, self.Y[rows]
            w = None if self.weight is None else self.weight[rows]
        else:
            rows = slice(None)
            test, y, w = self._test_rows(i)
        validation = None
        if visit is None and held is not None and coef.shape[2] <= len(y):
            with one_thread:
                validation = SQUARED.error_of_moments(held, coef, intercept)
        if validation is None:
            validation = SQUARED.error_of_rows(test, y, w, coef, intercept, visit, rows)
        return RidgeErrors(
            np.maximum(run.residual, 0.0) / total,
            validation,
            np.linalg.norm(coef, axis=2),
            SQUARED.mean_deviance(y, null, w),
            SQUARED.spread(y, w),
            coef if keep else None,
        )

    def _shares_samples(self) -> bool:
        """Return whether all folds can use the inner products of all rows: their units agree."""
        options = self.options
        factor = options["factor"]
        free = factor is not None and bool((factor == 0).any())
        return self.apart is None and not options["standardize"] and not free

    @cached
    def _products(self):
        """Inner products of the rows, centred where there is an intercept, and the size that their
        round-off is relative to."""
        factor = self.options["factor"]
        inverse = np.ones(self.A.n_columns) if factor is None else 1.0 / factor
        problem = self.problem(self.A, self.Y, self.weight)
        return problem.A.gram_rows(inverse), rounding_scale(problem, np.sqrt(inverse))

    @on_one_thread
    def _by_samples(self, i, alphas):
        """Return the errors from inner products alone; None where round-off could matter.

        About the training mean m = sum_t v_t x_t, with v of sum 1, (x_i - m)'(x_j - m) is
        K_ij - (K v)_i - (K v)_j + v'K v.
        """
        train, test = self.splits[i].train, self.splits[i].test
        y, held = self.Y[train], self.Y[test]
        s = np.ones(len(train)) if self.weight is None else self.weight[train]
        w = None if self.weight is None else self.weight[test]
        products = self._products[0]
        K, across = products[np.ix_(train, train)], products[np.ix_(test, train)]
        total, root = float(s.sum()), np.sqrt(s)
        y_mean = np.zeros(y.shape[1])
        if self.options["fit_intercept"]:
            y_mean = s @ y / total
            v = s / total
            u = K @ v
            squared_mean = float(v @ u)
            across = across - (across @ v)[:, None] - u + squared_mean
            K -= u[:, None] + u - squared_mean
        K *= root
        K *= root[:, None]
        right = np.asfortranarray(root[:, None] * (y - y_mean))
        reduced = Tridiagonal(np.asfortranarray(K))
        hidden = self._products[1]
        if not reduced.is_positive(alphas - LEAST_SHOWN * max(reduced.largest, hidden)).all():
            return None
        rotated = reduced.rotate(right)
        x, _ = reduced.solve(alphas, rotated)
        m, k, n = x.shape
        left = alphas[:, None, None] * x
        a = reduced.rotate(x.reshape(m * k, n).T, back=True)
        error = (across @ (root[:, None] * a)).T.reshape(m, k, -1)
        error += (y_mean - held).T
        np.square(error, out=error)
        return RidgeErrors(
            np.einsum("akj,akj->ak", left, left) / total,
            np.average(error, axis=2, weights=w),
            None,
            SQUARED.mean_deviance(held, y_mean, w),
            SQUARED.spread(held, w),
            None,
        )

    def path_of_moments(self, moments, alphas, rows, before=None) -> MomentsPath:
        options = self.options
        d = np.ones(moments.n_features) if options["factor"] is None else options["factor"]
        if options["standardize"]:
            variance = np.diagonal(moments.gram) / moments.total_weight
            d = d * np.where(variance > 0, variance, 1.0)
        return MomentsPath(
            moments, alphas, d, options["fit_intercept"], options["tol"], rows, before
        )

    def problem(self, A, Y, weight) -> RidgeProblem:
        """Return the problem of some rows, in units of their own deviations."""
        options = self.options
        if self.is_sparse:
            matrix, k = self.units.scaled, Y.shape[1]
            return MatrixRows(A, Y, np.ones(k), weight, matrix, options["fit_intercept"])
        factor = options["factor"]
        if options["standardize"]:
            variance = variances(A, weight)
            factor = variance if factor is None else factor * variance
        return RidgeProblem(A, Y, np.ones(1), weight, factor, options["fit_intercept"])

    def path_of_rows(self, A, Y, weight, alphas, callback=None):
        options = self.options
        problem = self.problem(A, Y, weight)
        if self.solver == "dual":
            by_rows = rows_fit(problem.n, problem.p, options["max_memory"])
            return DualPath(problem, alphas, options["tol"], by_rows)
        step = None if callback is None else lambda *_: callback()
        path: IterativePath
        if self.is_sparse:
            path = MatrixPath(problem, alphas, options["tol"], options["max_iter"], step)
        else:
            path = IterativePath(
                problem, alphas, options["tol"], options["max_iter"], options["max_memory"], step
            )
        for i in np.flatnonzero(~path.converged.all(axis=1)):
            left = path.relative_error[i][~path.converged[i]]
            self.unsettled.append((float(alphas[i]), float(left.max())))
        return path

    def path(self, alphas, callback=None):
        """Solve for every penalty on all rows."""
        if self.solver == "cholesky":
            return self.path_of_moments(
                self.total, alphas, lambda: self.problem(self.A, self.Y, self.weight)
            )
        found = self.path_of_rows(self.A, self.Y, self.weight, alphas, callback)
        self.whole = found
        return found

    def norm(self, path) -> Any:
        """Return the Euclidean norms (m, k) of the coefficients of a path."""
        options = self.options
        if options["factor"] is None and not options["standardize"] and self.units is None:
            return np.sqrt(np.maximum(path.squared_norm, 0.0))
        return np.linalg.norm(self.restored(_rough(path)), axis=2)

    def null_deviance(self) -> Any:
        """Return the mean squares (k,) about the mean, or about 0 without an intercept."""
        return SQUARED.null_deviance(self.targets, self.weight, self.given["fit_intercept"])

    def fit(self, alpha) -> Any:
        """Return the RidgeResult of all rows, for one penalty per target."""
        options = self.given
        rest = {
            "penalty_factor": options["factor"],
            "fit_intercept": options["fit_intercept"],
            "standardize": options["standardize"],
            "tol": options["tol"],
        }
        if self.prior is not None:
            from ..ridge.prior import solve_checked_prior

            mean, matrix = self.prior
            return solve_checked_prior(
                self.source,
                self.targets,
                alpha,
                mean,
                matrix,
                rest["penalty_factor"],
                {
                    **{name: rest[name] for name in ("fit_intercept", "standardize", "tol")},
                    "sample_weight": self.weight,
                    # the dual does without a matrix
                    "solver": "auto" if self.solver == "dual" and matrix else self.solver,
                    "max_iter": options["max_iter"],
                    "max_memory": options["max_memory"],
                },
            )
        if self.solver == "cholesky" and "total" in self.__dict__:
            return solve_moments(self.total, alpha, single=False, **rest)
        path = self.whole
        if path is not None and path.solver == "dual" and np.all(alpha == alpha[0]):
            at = np.flatnonzero(path.alphas == alpha[0])
            if len(at) and at[0] in path.together:
                return self._of_path(path, int(at[0]))
        return solve(
            self.A,
            self.Y,
            alpha,
            sample_weight=self.weight,
            solver=self.solver,
            max_iter=options["max_iter"],
            max_memory=options["max_memory"],
            **rest,
        )

    def _of_path(self, path, i) -> RidgeResult:
        """Return the result for penalty i of an existing reduction."""
        coef, relative, objective = path.one(i)
        intercept = path.problem.intercept(coef)
        real = np.float32 if self.A.is_float32 else np.float64
        if self.A.is_float32:
            coef = to_float32(coef, "coef")
            relative = path.certify(i, coef.astype(np.float64))
        return RidgeResult(
            coef.astype(real, copy=False),
            intercept.astype(real, copy=False),
            "dual",
            np.ones(len(coef), dtype=np.intp),
            relative,
            objective,
        )


def _rough(path) -> Any:
    """Coefficients (m, k, p) in float64, without the refinement of direct solvers."""
    return path.rough() if hasattr(path, "rough") else path.solution
