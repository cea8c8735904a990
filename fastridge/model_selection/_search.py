"""Errors and scores of every penalty, by folds, a held-out set, leave-one-out or their average."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import _sklearn
from ..solvers._folds import Folds
from ..solvers._loo import LeaveOneOut
from ..solvers._ridge_cost import default_memory, direct_cost
from ..solvers._ridge_problem import RidgeProblem
from ..solvers._rows import as_container
from ..solvers.ridge import _variances
from ._choice import EXTENSIONS, best, beyond, spread
from ._results import CVResults
from ._scores import accuracy, is_of_errors, make_scorer, of_errors


class Scoring:
    """How predictions become scores: from errors, as an accuracy, or by a scorer.

    Parameters
    ----------
    scoring : str, callable or None
    default : str
        What None means.
    per_target : bool
        A score for each target.
    shown : callable
        shown(alpha, coef, intercept, X, prediction): a fitted estimator whose predictions for X
        are those.
    truth : ndarray, (n,) or (n, k)
        What a scorer compares with: targets, or class labels.
    codes : ndarray or None
        Positions of the classes.
    """

    def __init__(self, scoring, default, per_target, shown, truth, codes) -> None:
        self.name = default if scoring is None else scoring
        self.per_target, self.shown = per_target, shown
        self.truth, self.codes = truth, codes
        self.of_errors = is_of_errors(self.name)
        self.scorer = None
        # the score of the estimator itself, for one target or the mean of several
        self.own_accuracy = codes is not None and self.name == "accuracy"
        if not self.of_errors and not self.own_accuracy:
            self.scorer = make_scorer(self.name)

    def from_errors(self, error, spread_):
        """Scores (m, k), or (m, 1) of all targets, of errors (m, k)."""
        score = of_errors(self.name, error, spread_)
        return score if self.per_target else score.mean(axis=-1, keepdims=True)

    def of(self, alpha, prediction, coef, intercept, X, truth, codes, weight):
        """Scores (k,) or (1,) of predictions (n, k)."""
        if self.own_accuracy:
            return np.array([accuracy(prediction, codes, weight)])
        if self.per_target:
            return np.array(
                [
                    self.scorer(
                        self.shown(alpha, coef[t : t + 1], intercept[t : t + 1], X, column),
                        X,
                        truth[:, t],
                        weight,
                    )
                    for t, column in enumerate(prediction.T)
                ]
            )
        return np.array(
            [self.scorer(self.shown(alpha, coef, intercept, X, prediction), X, truth, weight)]
        )


class Search:
    """What is common: the table of all penalties so far, and its extension.

    Attributes
    ----------
    alphas : ndarray (m,)
    score, score_se : ndarray (m, k) or (m, 1)
    """

    kind: str
    n_folds: int

    def __init__(self, folds: Folds, scoring: Scoring) -> None:
        self.folds, self.scoring = folds, scoring
        self.rounds: list[dict[str, Any]] = []
        self.stopped = False

    def add(self, alphas) -> None:
        """Evaluate more penalties."""
        self.rounds.append(self._evaluate(np.asarray(alphas, dtype=np.float64)))
        self._join()

    def _evaluate(self, alphas) -> dict[str, Any]:
        raise NotImplementedError

    def _join(self) -> None:
        """Columns (m, ...) of all rounds, from the largest penalty down where there are several."""
        order = slice(None)
        self.alphas = np.concatenate([r["alpha"] for r in self.rounds])
        if len(self.rounds) > 1:
            order = np.argsort(-self.alphas, kind="stable")
            self.alphas = self.alphas[order]
        self.table = {}
        for name in self.rounds[0]:
            if name == "null":
                self.table[name] = self.rounds[0][name]
                continue
            axis = 1 if name.startswith("fold_") else 0
            joined = np.concatenate([r[name] for r in self.rounds], axis=axis)
            self.table[name] = joined[:, order] if axis else joined[order]
        self.score, self.score_se = self.table["score"], self.table["score_se"]

    def extend(self) -> list[str]:
        """Go on beyond the ends at which the best scores lie; what was done, in words."""
        said = []
        for _ in range(EXTENSIONS):
            if self.stopped:
                break
            score = self.score.mean(axis=1)
            columns = self.score.T if self.scoring.per_target else [score]
            ends = (beyond(self.alphas, column) for column in columns)
            more = next((e for e in ends if e is not None), None)
            if more is None:
                break
            end = self.alphas.min() if more[0] < self.alphas.min() else self.alphas.max()
            try:
                self.add(more)
            except _Incomplete:
                break
            said.append(f"from {end:.3g} to {more[-1]:.3g}")
        return said

    def results(self, per_target: bool, single: bool, stored: Any) -> CVResults:
        """The table as users see it."""
        values: dict[str, Any] = {"alpha": self.alphas}
        for name, value in self.table.items():
            if name in ("alpha", "null"):
                continue
            targets = value.ndim == (3 if name.startswith("fold_") else 2)
            if name == "fold_coef":
                values[name] = value[:, :, 0] if single else value
            elif not targets or per_target:
                values[name] = value
            elif name.endswith("_se"):
                values[name] = value[..., 0]
            else:
                values[name] = value.mean(axis=-1)
        null = np.asarray(self.table["null"])
        values["null_error"] = null if per_target else float(null.mean())
        return CVResults(values, self.kind, self.n_folds, stored)


class FoldSearch(Search):
    """By folds, or one held-out set."""

    def __init__(self, folds, scoring, keep, callback, kind) -> None:
        super().__init__(folds, scoring)
        self.keep, self.callback, self.kind = keep, callback, kind
        self.n_folds = folds.count

    def _evaluate(self, alphas):
        folds, done = self.folds, []
        steps = len(alphas) if folds.way == "cg" else 1
        count, total = 0, folds.count * steps

        def step():
            nonlocal count
            count += 1
            if self.callback is not None:
                self.callback(count, total)

        try:
            for i in range(folds.count):
                done.append(self._fold(i, alphas, step))
                if folds.way != "cg":
                    step()
        except StopIteration:
            self.stopped = True
        except BaseException:
            # what is done is kept
            if done and not self.rounds:
                self.n_folds = len(done)
                self.rounds.append(self._columns(alphas, done))
                self._join()
            raise
        if not done and not self.rounds:
            raise ValueError("callback ended the search before the first fold was done.")
        if self.rounds and len(done) < self.n_folds:
            raise _Incomplete
        self.n_folds = len(done)
        return self._columns(alphas, done)

    def _fold(self, i, alphas, step):
        folds, scoring = self.folds, self.scoring
        scores = []
        visit = None
        if not scoring.of_errors:
            A, _, weight = folds.test_rows(i)
            X = as_container(A)
            truth, codes = scoring.truth, scoring.codes
            if folds.apart is None:
                rows = folds.splits[i].test
                truth = truth[rows]
                codes = None if scoring.codes is None else scoring.codes[rows]

            def visit(j, prediction, coef, intercept):
                scores.append(
                    scoring.of(alphas[j], prediction, coef, intercept, X, truth, codes, weight)
                )

        found = folds.evaluate(i, alphas, keep=self.keep, visit=visit, callback=step)
        if scoring.of_errors:
            score = scoring.from_errors(found.validation, found.spread)
        else:
            score = np.array(scores)
        return found, score

    def _columns(self, alphas, done):
        found = [f for f, _ in done]
        train = np.array([f.train for f in found])
        validation = np.array([f.validation for f in found])
        score = np.array([s for _, s in done])
        columns = {
            "alpha": alphas,
            "train_error": train.mean(axis=0),
            "train_error_se": self._error(train),
            "validation_error": validation.mean(axis=0),
            "validation_error_se": self._error(validation),
            "score": score.mean(axis=0),
            "score_se": spread(score),
            "norm": np.array([f.norm for f in found]).mean(axis=0),
            "null": np.array([f.null for f in found]).mean(axis=0),
            "fold_train_error": train,
            "fold_validation_error": validation,
            "fold_score": score,
        }
        if self.keep:
            columns["fold_coef"] = np.array([f.coef for f in found])
        return columns

    def _error(self, values):
        return spread(values if self.scoring.per_target else values.mean(axis=2, keepdims=True))

    def finish(self) -> None:
        """Degrees of freedom and norms of the fit to all rows, where a factorisation has them."""
        if self.folds.way == "cg":
            return
        path = self.folds.path(self.alphas)
        self.table["dof"], self.table["dof_error"] = path.dof
        self.table["norm"] = np.sqrt(np.maximum(path.squared_norm, 0.0))


class _Incomplete(Exception):
    """An extension of the grid that did not see every fold."""


class PathSearch(Search):
    """By leave-one-out or generalised cross-validation, from the fit to all rows."""

    n_folds = 0

    def __init__(self, folds, scoring, kind, seed, store) -> None:
        super().__init__(folds, scoring)
        self.kind, self.seed, self.store = kind, seed, store
        self.rows = np.arange(folds.A.n_rows)
        self.live = self.rows
        if folds.weight is not None:
            self.live = np.flatnonzero(folds.weight > 0)
        if kind == "loo":
            self.n_folds = len(self.live)
            if self.n_folds < 2:
                raise ValueError(
                    f"X has {self.n_folds} sample(s) of positive weight (n_samples={self.n_folds});"
                    " expected at least 2 to leave one out."
                )
        weight = folds.weight
        self.total = float(folds.A.n_rows if weight is None else weight.sum())
        self.spread = np.average(
            (folds.Y - np.average(folds.Y, axis=0, weights=weight)) ** 2, axis=0, weights=weight
        )
        base = self.spread
        if not folds.options["fit_intercept"]:
            base = np.average(folds.Y**2, axis=0, weights=weight)
        elif kind == "loo":
            # the mean without a row, whole weight v, errs by (y - mean) / (1 - v)
            v = 1.0 / self.total if weight is None else (weight[self.live] / self.total)[:, None]
            y, w = folds.Y[self.live], None if weight is None else weight[self.live]
            left = (y - np.average(y, axis=0, weights=w)) / (1.0 - v)
            base = np.average(left**2, axis=0, weights=w)
        else:
            base = base / (1.0 - 1.0 / self.total) ** 2 if self.total > 1 else base
        self.null = base
        self.stored: list[Any] = []

    def _evaluate(self, alphas):
        if self.kind == "gcv":
            return self._generalised(alphas)
        return self._leave_one_out(alphas)

    def _problem(self):
        folds = self.folds
        options = folds.options
        A, Y, weight = folds.A, folds.Y, folds.weight
        if len(self.live) < len(self.rows):
            A, Y, weight = folds._rows(self.live)
        factor = options["factor"]
        if options["standardize"]:
            variance = _variances(A, weight)
            factor = variance if factor is None else factor * variance
        return RidgeProblem(A, Y, np.ones(1), weight, factor, options["fit_intercept"])

    def _leave_one_out(self, alphas):
        folds, scoring = self.folds, self.scoring
        most = folds.options["max_memory"]
        most = default_memory() if most is None else most
        need = direct_cost(folds.A, folds.Y.shape[1]).memory
        if need > most:
            raise ValueError(
                f"leave-one-out of {folds.A.n_rows} x {folds.A.n_columns} needs a matrix of"
                f" {need:.2g} bytes, beyond the {most:.2g} allowed; expected cv='gcv' or folds."
            )
        problem = self._problem()
        loo = LeaveOneOut(problem, alphas, by_rows=problem.n <= problem.p)
        weight = problem.weight
        squares = loo.residuals**2
        error = np.average(squares, axis=2, weights=weight)
        rows = squares.transpose(2, 0, 1)
        if not scoring.per_target:
            rows = rows.mean(axis=2, keepdims=True)
        error_se = spread(rows, weight)
        prediction = None
        if not scoring.of_errors or (self.store and scoring.name != "neg_mean_squared_error"):
            prediction = problem.given.T - loo.residuals
        if scoring.of_errors:
            score = scoring.from_errors(error, self.spread)
            score_se = error_se
            if scoring.name == "r2":
                size = self.spread if scoring.per_target else self.spread.mean()
                score_se = error_se / np.where(size > 0, size, 1.0)
            elif scoring.name == "neg_root_mean_squared_error":
                score_se = error_se / np.maximum(-2.0 * score, np.finfo(float).tiny)
        else:
            live = self.live
            truth = scoring.truth[live]
            codes = None if scoring.codes is None else scoring.codes[live]
            X = as_container(problem.source)
            p, k = problem.p, problem.k
            unknown = np.full((k, p), np.nan), np.full(k, np.nan)
            score = np.array(
                [
                    scoring.of(alpha, prediction[j].T, *unknown, X, truth, codes, weight)
                    for j, alpha in enumerate(alphas)
                ]
            )
            score_se = np.full(score.shape, np.nan)
        if self.store:
            self._store(problem, squares, prediction)
        return {
            "alpha": alphas,
            "train_error": loo.residual / self.total,
            "validation_error": error,
            "validation_error_se": error_se,
            "score": score,
            "score_se": score_se,
            "dof": loo.dof,
            "dof_error": np.zeros(len(alphas)),
            "norm": np.sqrt(np.maximum(loo.squared_norm, 0.0)),
            "null": self.null,
        }

    def _store(self, problem, squares, prediction):
        """Weighted squared errors, or predictions for a scorer: (m, k, n)."""
        part = squares if prediction is None else prediction
        if prediction is None and problem.weight is not None:
            part = part * problem.weight
        full = np.zeros((*part.shape[:2], len(self.rows)))
        full[:, :, self.live] = part
        self.stored.append(full)

    def all_stored(self, single: bool) -> Any:
        """(n, m), or (n, k, m) of several targets."""
        if not self.stored:
            return None
        joined = np.concatenate(self.stored)
        if len(self.rounds) > 1:
            alphas = np.concatenate([r["alpha"] for r in self.rounds])
            joined = joined[np.argsort(-alphas, kind="stable")]
        joined = joined.transpose(2, 1, 0)
        return joined[:, 0] if single else joined

    def _generalised(self, alphas):
        folds, scoring = self.folds, self.scoring
        path = folds.path(alphas)
        path.seed = self.seed
        dof, dof_error = path.dof
        train = np.maximum(path.residual, 0.0) / self.total
        left = 1.0 - (dof + folds.options["fit_intercept"]) / self.total
        # a fit of as many degrees of freedom as samples says nothing of others
        left = np.where(left > 0, left, 0.0)[:, None]
        error = np.divide(train, left**2, out=np.full_like(train, np.inf), where=left > 0)
        factor = np.divide(2.0, left * self.total, out=np.zeros_like(left), where=left > 0)
        error_se = np.where(np.isfinite(error), error, 0.0) * factor * dof_error[:, None]
        if not scoring.per_target:
            error_se = error_se.mean(axis=1, keepdims=True)
        return {
            "alpha": alphas,
            "train_error": train,
            "validation_error": error,
            "validation_error_se": error_se,
            "score": scoring.from_errors(error, self.spread),
            "score_se": error_se,
            "dof": dof,
            "dof_error": dof_error,
            "norm": np.sqrt(np.maximum(path.squared_norm, 0.0)),
            "null": self.null,
        }


def warn_unsettled(unsettled: list[tuple[float, float]], tol: float) -> None:
    alpha, worst = max(unsettled, key=lambda u: u[1])
    warnings.warn(
        f"cg reached a relative gradient of {worst:.2g} at alpha={alpha:g} in {len(unsettled)}"
        f" fits, where tol={tol:g} was asked for; what helps: a larger max_iter, a larger tol,"
        " larger penalties, or standardize.",
        _sklearn.exception("ConvergenceWarning"),
        stacklevel=4,
    )


__all__ = ["FoldSearch", "PathSearch", "Scoring", "best", "warn_unsettled"]
