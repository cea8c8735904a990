"""Errors and scores of every penalty, by folds or a held-out set."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _sklearn
from .._stack import outside
from ..data.check import guarded
from ..data.rows import as_container
from ..solvers.left_out.gcv import PRODUCTS, Estimate
from ..solvers.ridge_path.folds import Folds
from ._choice import EXTENSIONS, at_end, best, beyond, spread
from ._results import CVResults
from ._scores import make_scorer, right_rows

# Largest number of multiplications for which degrees of freedom are estimated by default.
_AFFORDABLE = 1e9


class Scoring:
    """Compute scores of predictions: from errors, as an accuracy, or by a scorer.

    Parameters
    ----------
    loss : Loss
        Loss of the estimator; errors are its mean deviances.
    scoring : str, callable or None
    default : str
        Score for `scoring` None.
    per_target : bool
        A score for each target.
    shown : callable
        shown(alpha, coef, intercept, X, prediction): a fitted estimator whose predictions for X are
        `prediction`.
    truth : ndarray, (n,) or (n, k)
        Targets or class labels that a scorer compares with.
    codes : ndarray or None
        Class index of each row.
    frame : data frame or None
        Data frame of the scored rows, where X is one: scorers are given its rows.
    metadata : dict or None
        Metadata that the scorer requests, other than weights.
    """

    frame: Any = None
    metadata: dict[str, Any] | None = None

    def __init__(self, loss, scoring, default, per_target, shown, truth, codes) -> None:
        self.loss = loss
        self.given, self.name = scoring is not None, default if scoring is None else scoring
        self.per_target, self.shown = per_target, shown
        self.truth, self.codes = truth, codes
        # formula of a score that depends on errors alone, else None
        self.of_errors = loss.scores.get(self.name) if isinstance(self.name, str) else None
        self.scorer = None
        # the accuracy of a classifier, computed without a scorer
        self.own_accuracy = codes is not None and self.name == "accuracy"
        if self.of_errors is None and not self.own_accuracy:
            self.scorer, self.weighted = make_scorer(self.name, loss.scores)

    def from_errors(self, error: Any, spread_: Any) -> Any:
        """Return scores (m, k), or (m, 1) over all targets, from errors (m, k)."""
        score = self.of_errors.value(np.asarray(error), np.asarray(spread_))
        return score if self.per_target else score.mean(axis=-1, keepdims=True)

    def rows_of(self, A, rows):
        """Return X for a scorer: rows of the data frame, if any, else A, which holds them."""
        if self.frame is None:
            return as_container(A)
        if rows is None:
            return self.frame
        return self.frame.iloc[rows] if hasattr(self.frame, "iloc") else self.frame[rows]

    def options(self, weight, rows):
        """Return keyword arguments of the scorer for rows (None: all) with weights `weight`."""
        found = {"sample_weight": weight} if self.weighted and weight is not None else {}
        for name, value in (self.metadata or {}).items():
            found[name] = value if rows is None else _rows(value, rows, len(self.truth))
        return found

    def error_of(self, error_se: Any, error: Any, spread_: Any) -> Any:
        """Return standard errors of scores to first order, from those of errors (m, k)."""
        if not self.per_target:
            error, spread_ = error.mean(axis=-1, keepdims=True), spread_.mean()
        return self.of_errors.deviation(error_se, error, spread_)

    def of(self, alpha, prediction, coef, intercept, X, truth, codes, weight, options, scorer):
        """Return scores (k,) or (1,) of predictions (n, k); scorer: `scorer`, guarded."""
        if self.own_accuracy:
            return np.array([np.average(right_rows(prediction, codes), weights=weight)])
        if self.per_target:
            return np.array(
                [
                    scorer(
                        self.shown(alpha, coef[t : t + 1], intercept[t : t + 1], X, column),
                        X,
                        truth[:, t],
                        options,
                    )
                    for t, column in enumerate(prediction.T)
                ]
            )
        return np.array(
            [scorer(self.shown(alpha, coef, intercept, X, prediction), X, truth, options)]
        )


def _rows(value, rows, n):
    """Return rows of metadata that has one entry per sample; return other metadata unchanged."""
    shape = getattr(value, "shape", None)
    if (shape[0] if shape else len(value) if isinstance(value, (list, tuple)) else -1) != n:
        return value
    if shape is None:
        return [value[i] for i in rows]
    return value.iloc[rows] if hasattr(value, "iloc") else value[rows]


class Search:
    """Base of the searches: the table of all penalties so far, and its extension.

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

    def noise(self, t: int) -> Any:
        """Return standard errors (m,), due to estimates, of score t's differences from its best.

        None where nothing is estimated.
        """
        return None

    def add(self, alphas) -> None:
        """Evaluate more penalties."""
        self.rounds.append(self._evaluate(np.asarray(alphas, dtype=np.float64)))
        self._join()

    def _evaluate(self, alphas) -> dict[str, Any]:
        raise NotImplementedError

    def _join(self) -> None:
        """Join columns (m, ...) of all rounds; of several rounds, sorted by falling penalty."""
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
        """Extend the grid beyond ends where the best scores lie; return a log in words."""
        said = []
        for _ in range(EXTENSIONS):
            if self.stopped:
                break
            score = self.score.mean(axis=1)
            columns = self.score.T if self.scoring.per_target else [score]
            ends = (
                beyond(self.alphas, column, noise=self.noise(t)) for t, column in enumerate(columns)
            )
            more = next((e for e in ends if e is not None), None)
            if more is None:
                break
            lower = more[0] < self.alphas.min()
            end = self.alphas.min() if lower else self.alphas.max()
            try:
                self.add(more)
            except Incomplete:
                break
            said.append(f"{'lower' if lower else 'upper'} from {end:.3g} to {more[-1]:.3g}")
        return said

    def end(self) -> str:
        """Return the end, "lower" or "upper", where a best score still improves, or ""."""
        score = self.score.mean(axis=1)
        columns = self.score.T if self.scoring.per_target else [score]
        ends = (at_end(self.alphas, c, self.noise(t)) for t, c in enumerate(columns))
        return next((e for e in ends if e), "")

    def results(self, per_target: bool, single: bool, stored: Any) -> CVResults:
        """Return the table for users."""
        values: dict[str, Any] = {"alpha": self.alphas}
        for name, value in self.table.items():
            if name in ("alpha", "null", "shift"):
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
        return CVResults(values, self.scoring.loss.name, self.kind, self.n_folds, stored)


class FoldSearch(Search):
    """Search by folds, or by one held-out set."""

    def __init__(self, folds, scoring, keep, callback, kind) -> None:
        super().__init__(folds, scoring)
        self.keep, self.callback, self.kind = keep, callback, kind
        self.n_folds = folds.count

    def _evaluate(self, alphas):
        folds, done = self.folds, []
        steps = len(alphas) if folds.solver == "cg" else 1
        count, total = 0, folds.count * steps

        def step():
            nonlocal count
            count += 1
            if self.callback is not None:
                self.callback(count, total)

        try:
            for i in range(folds.count):
                done.append(self._fold(i, alphas, step))
                if folds.solver != "cg":
                    step()
        except StopIteration:
            self.stopped = True
        except BaseException:
            # keep finished folds
            if done and not self.rounds:
                self.n_folds = len(done)
                self.rounds.append(self._columns(alphas, done))
                self._join()
            raise
        if not done and not self.rounds:
            raise ValueError(
                "callback stopped the search before the first fold was finished; expected at least"
                " one fold."
            )
        if self.rounds and len(done) < self.n_folds:
            raise Incomplete
        self.n_folds = len(done)
        return self._columns(alphas, done)

    def _fold(self, i, alphas, step):
        folds, scoring = self.folds, self.scoring
        scores = []
        visit = None
        if not scoring.of_errors:
            A, _, weight = folds.test_rows(i)
            scorer = guarded(scoring.scorer, A, *folds.designs())
            truth, codes, rows = scoring.truth, scoring.codes, None
            if folds.apart is None:
                rows = folds.splits[i].test
                truth = truth[rows]
                codes = None if scoring.codes is None else scoring.codes[rows]
            X = scoring.rows_of(A, rows)
            options = None if scoring.scorer is None else scoring.options(weight, rows)

            def visit(j, prediction, coef, intercept):
                score = scoring.of(
                    alphas[j], prediction, coef, intercept, X, truth, codes, weight, options, scorer
                )
                scores.append(score)

        found = folds.evaluate(i, alphas, keep=self.keep, visit=visit, callback=step)
        if scoring.of_errors:
            score = scoring.from_errors(found.validation, found.spread)
            if folds.test_size(i) < scoring.of_errors.needs:
                warnings.warn(
                    f"{scoring.of_errors.label} is not defined for a fold of fewer than two"
                    f" samples, whose score is NaN; try scoring={scoring.loss.error_score!r}.",
                    _sklearn.exception("UndefinedMetricWarning"),
                    stacklevel=outside(),
                )
                score = np.full_like(score, np.nan)
        else:
            score = np.array(scores)
        return found, score

    def _columns(self, alphas: Any, done: Any) -> dict[str, Any]:
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
            "null": np.array([f.null for f in found]).mean(axis=0),
            "fold_train_error": train,
            "fold_validation_error": validation,
            "fold_score": score,
        }
        if self.folds.solver == "cg":
            columns["norm"] = np.array([f.norm for f in found]).mean(axis=0)
        if self.keep:
            columns["fold_coef"] = np.array([f.coef for f in found])
        return columns

    def _error(self, values):
        return spread(values if self.scoring.per_target else values.mean(axis=2, keepdims=True))

    def finish(self, seed: Callable[[], int]) -> None:
        """Add degrees of freedom and norms of the fit to all rows to the table.

        Without a factorisation, degrees of freedom are estimated where that takes seconds, but not
        with a sparse matrix of penalties, and norms remain means over the folds.
        """
        folds = self.folds
        if folds.is_sparse:
            return
        if folds.solver == "cg":
            if PRODUCTS * folds.A.nnz > _AFFORDABLE:
                return
            estimate = Estimate(folds.problem(folds.A, folds.Y, folds.weight), self.alphas, seed())
            self.table["dof"], self.table["dof_error"] = estimate.dof, estimate.dof_error
            return
        path = folds.path(self.alphas)
        self.table["dof"], self.table["dof_error"] = path.dof
        self.table["norm"] = folds.norm(path)


class Incomplete(Exception):
    """Raised when an extension of the grid ends before every fold is done."""


def warn_unsettled(unsettled: list[tuple[float, float]], tol: float) -> None:
    alpha, worst = max(unsettled, key=lambda u: u[1])
    warnings.warn(
        f"cg reached a relative error of at most {worst:.2g} at alpha={alpha:g} in {len(unsettled)}"
        f" fits, above tol={tol:g}; try a larger max_iter, a larger tol, larger penalties, or"
        " standardize=True.",
        _sklearn.exception("ConvergenceWarning"),
        stacklevel=outside(),
    )


__all__ = ["FoldSearch", "Incomplete", "Scoring", "Search", "best", "warn_unsettled"]
