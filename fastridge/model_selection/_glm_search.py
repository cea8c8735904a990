"""Search over penalties and shares of the L1 part of generalised linear models, by folds."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _threads
from .._stack import outside
from ..data.check import guarded
from ..data.rows import as_container, take_rows
from ..exceptions import GridWarning
from ..solvers.descent.folds import run_paths
from ..solvers.glm.folds import FoldPath, GLMFolds, LeftOutPath, paths_together
from ..systems.blas import on_one_thread
from ._choice import advice_of_end, at_end, best, choose, spread, warn_without_scores
from ._diagnosis import Freedom, Scores, diagnose
from ._results import CVResults


class GLMScoring:
    """Compute scores of predictions.

    Parameters
    ----------
    folds : GLMFolds
    scoring : Scoring
    weight : ndarray (n,) or None
        Weights of the scores, which may differ from those of the fits.
    """

    def __init__(self, folds: GLMFolds, scoring: Any, weight: Any) -> None:
        self.folds, self.scoring, self.weight = folds, scoring, weight
        self.rows: dict[int, Any] = {}

    def __call__(self, i: int, j: int, eta: Any, coef: Any, intercept: Any, error: float) -> float:
        scoring, folds = self.scoring, self.folds
        rows, y, weight = folds.test_rows(i)
        if rows is not None:
            weight = None if self.weight is None else self.weight[rows]
        if scoring.of_errors is not None:
            if folds.weight is not self.weight and rows is not None:
                error = folds.error(y, eta, weight)
            needs_spread = scoring.name not in (scoring.loss.error_score, "neg_log_loss")
            level = folds.loss.spread(y[:, None], weight) if needs_spread else np.ones(1)
            return float(scoring.from_errors(np.array([[error]]), level)[0, 0])
        truth, codes = scoring.truth, scoring.codes
        if rows is not None:
            truth = truth[rows]
            codes = None if codes is None else codes[rows]
        X = options = None
        if scoring.scorer is not None:
            if i not in self.rows:
                apart = folds.apart
                A = take_rows(folds.A, rows) if apart is None else apart[0]
                self.rows = {
                    i: scoring.rows_of(A, rows) if scoring.frame is not None else as_container(A)
                }
            X, options = self.rows[i], scoring.options(weight, rows)
        scorer = guarded(scoring.scorer, *folds.designs())
        value = scoring.of(j, eta, coef, intercept, X, truth, codes, weight, options, scorer)
        return float(value[0])


class GLMSearch:
    """Errors, scores and coefficients of every l1_ratio, penalty and fold.

    Attributes
    ----------
    alphas : ndarray (n_ratios, m)
        Penalties in the given order.
    parts : dict of ndarray (n_ratios, n_folds, m, ...)
        Of the finished folds; empty before the first.
    """

    def __init__(
        self,
        folds: GLMFolds,
        options: Any,
        scoring: GLMScoring,
        n_jobs: Any,
        callback: Any,
        kind: str,
    ) -> None:
        self.folds, self.options, self.scoring = folds, options, scoring
        self.n_jobs, self.kind = n_jobs, kind
        self.callback = guarded(callback, *folds.designs())
        self.stopped = False
        self.parts: dict[str, NDArray[Any]] = {}

    @on_one_thread
    def run(self, alphas: NDArray[np.float64], own: bool) -> None:
        """Evaluate penalties (n_ratios, m); own: each fold has its own, by its weight."""
        folds, ratios = self.folds, len(self.options)
        kind = LeftOutPath if self.kind == "loo" else FoldPath
        found: dict[int, Any] = {}

        def after(position: int, fits: Any) -> None:
            found[position] = fits
            if self.callback is not None:
                self.callback(len(found), folds.count * ratios)

        self.alphas = alphas
        try:
            if kind is FoldPath:
                self._run_together(alphas, own, after)
            left = [p for p in range(folds.count * ratios) if p not in found]
            paths = [kind(folds, p // ratios, self.options[p % ratios], self.scoring) for p in left]
            grids = [None if own else alphas[p % ratios] for p in left]
            run_paths(paths, grids, False, self.n_jobs, lambda k, fits: after(left[k], fits))
        except StopIteration:
            self.stopped = True
        except BaseException:
            self._take(found)
            raise
        self._take(found)
        if not self.parts:
            raise ValueError(
                "callback stopped the search before one fold was finished for each l1_ratio;"
                " expected at least one."
            )

    def _take(self, found: dict[int, Any]) -> None:
        """Keep the folds that are done for every l1_ratio."""
        ratios = len(self.options)
        whole = [
            i
            for i in range(self.folds.count)
            if all(i * ratios + r in found for r in range(ratios))
        ]
        if not whole:
            return
        self.n_folds = len(whole)
        self.parts = {
            name: np.array(
                [[getattr(found[i * ratios + r], name) for i in whole] for r in range(ratios)]
            )
            for name in found[next(iter(found))]._fields
        }

    def _run_together(self, alphas: NDArray[np.float64], own: bool, after: Any) -> None:
        """Fit folds that share their passes over the rows."""
        for r, (grid, options) in enumerate(zip(alphas, self.options, strict=True)):
            for path in paths_together(self.folds, options, self.scoring):
                with _threads.num_threads(self.n_jobs or _threads.get_num_threads()):
                    fits = path.solve(None if own else grid)
                for i, fit in zip(path.which, fits or [], strict=bool(fits)):
                    after(i * len(alphas) + r, fit)

    @property
    def unsettled(self) -> list[tuple[float, float]]:
        """(alpha, relative gap) of fits that did not reach their tolerance."""
        gap = np.where(self.parts["converged"], 0.0, self.parts["gap"]).max(axis=1)
        met = self.parts["converged"].all(axis=1)
        return list(zip(self.alphas[~met].tolist(), gap[~met].tolist(), strict=True))

    def results(self, keep: bool, **columns: Any) -> CVResults:
        """Return the table, one l1_ratio after the other; columns: more columns (n_ratios, m)."""
        ratios, m = self.alphas.shape

        def table(name: str) -> Any:
            return self.parts[name].transpose(1, 0, 2).reshape(self.n_folds, -1)

        train, validation, score = table("train"), table("validation"), table("score")
        coef = self.parts["coef"]
        norm = np.sqrt(np.einsum("rfmkp,rfmkp->rfm", coef, coef)).mean(axis=1)
        count = (coef != 0).any(axis=3).sum(axis=3).mean(axis=1)
        values = {
            "l1_ratio": np.repeat([o.l1_ratio for o in self.options], m),
            "alpha": self.alphas.ravel(),
            "train_error": train.mean(axis=0),
            "train_error_se": spread(train),
            "validation_error": validation.mean(axis=0),
            "validation_error_se": spread(validation),
            "score": score.mean(axis=0),
            "score_se": spread(score),
            "norm": norm.ravel(),
            "n_features": count.ravel(),
            "null_error": float(self.parts["null"][0].mean()),
            "fold_train_error": train,
            "fold_validation_error": validation,
            "fold_score": score,
        }
        if self.kind == "loo":
            own = table("error_se")[0]
            values["validation_error_se"], values["score_se"] = own, self._score_se(own)
            for name in ("fold_train_error", "fold_validation_error", "fold_score"):
                del values[name]
        for name, column in columns.items():
            values[name] = np.ravel(column)
        if keep:
            joined = np.moveaxis(coef, 0, 1).reshape(self.n_folds, ratios * m, *coef.shape[3:])
            values["fold_coef"] = joined[:, :, 0] if self.folds.k == 1 else joined
        return CVResults(values, self.folds.loss.name, self.kind, self.n_folds)

    def _score_se(self, error_se: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return standard errors of scores that are multiples of the mean deviance, else NaN."""
        scoring = self.scoring.scoring
        if scoring.name == scoring.loss.error_score:
            return error_se
        if scoring.name == "neg_log_loss":
            return 0.5 * error_se
        return np.full(len(error_se), np.nan)

    def choose(self, select: Any, results: CVResults) -> int:
        """Return the position of the chosen penalty in the table.

        Of equal scores, the first by penalty and then by l1_ratio is chosen, as in scikit-learn.
        """
        alphas, ratios = results["alpha"], results["l1_ratio"]
        score, error = results["score"], results["score_se"]
        warn_without_scores(score)
        if callable(select):
            select = guarded(select, *self.folds.designs())
            return choose(select, alphas, score, error, results)
        r, m = self.alphas.shape
        order = np.arange(r * m).reshape(r, m).T.ravel()
        i = int(order[best(score[order])])
        if select == "min":
            return i
        if np.isnan(error[i]) and self.kind == "loo":
            raise ValueError(
                "select is '1se' with leave-one-out and scoring="
                f"{self.scoring.scoring.name!r}, which has no standard error; expected 'min', folds"
                " or the mean deviance as the score."
            )
        # one standard error compares penalties of the same l1_ratio only
        same = np.flatnonzero(ratios == ratios[i])
        return int(same[choose(select, alphas[same], score[same], error[same], results)])

    def warn_of_end(self, results: CVResults, i: int) -> None:
        """Warn if the chosen penalty is the end of an automatic grid, where scores improve."""
        same = results["l1_ratio"] == results["l1_ratio"][i]
        alphas = results["alpha"][same]
        end = at_end(alphas, results["score"][same]) if np.ptp(alphas) > 0 else ""
        if end == "upper" and results["l1_ratio"][i] > 0:
            # the model without features
            return
        helps = advice_of_end(alphas, results["alpha"][i], end)
        if helps:
            warnings.warn(
                f"the best penalty is at the {end} end of the grid, where the score still improves;"
                f" try {helps}.",
                GridWarning,
                stacklevel=outside(),
            )

    def diagnose(self, results: CVResults, i: int, coef: Any, fit_intercept: bool) -> Any:
        """Diagnose the curve of the chosen l1_ratio."""
        folds, loss = self.folds, self.folds.loss
        same = np.flatnonzero(results["l1_ratio"] == results["l1_ratio"][i])
        scoring = self.scoring.scoring
        name = scoring.name
        return diagnose(
            loss,
            results["alpha"][same],
            int(np.flatnonzero(same == i)[0]),
            results["train_error"][same],
            results["validation_error"][same],
            results["null_error"],
            Scores(
                name,
                results["score"][same],
                results["score_se"][same],
                None if self.kind == "loo" else results["fold_score"][:, same],
            ),
            Freedom(folds.null_error(fit_intercept), not np.any(coef)),
        )
