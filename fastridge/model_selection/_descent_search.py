"""Search over penalties and shares of the L1 part, by folds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.check import guarded
from ..losses import Loss
from ..solvers.descent.folds import DescentFolds, FoldPath
from ._choice import at_end, beyond, spread
from ._results import CVResults

_EXTENSIONS = 3  # of a grid; fits of lassos take longer than those of ridge
_EQUAL = 1e-9  # share of the best score within which others equal it up to round-off


class DescentSearch:
    """Errors of every l1_ratio, penalty and fold.

    Attributes
    ----------
    alphas : ndarray (n_ratios, m)
    train, validation : ndarray (n_ratios, n_folds, m)
    """

    def __init__(
        self, loss: Loss, folds: DescentFolds, options, keep, n_jobs, callback, kind
    ) -> None:
        self.loss, self.folds, self.options = loss, folds, options
        self.keep, self.n_jobs, self.kind = keep, n_jobs, kind
        self.callback = guarded(callback, *folds.designs())
        self.paths = [[FoldPath(folds, i, o) for i in range(folds.count)] for o in options]
        self.n_folds = folds.count
        self.alphas: Any = None
        self.unsettled: list[tuple[float, float]] = []
        self.stopped = False

    def add(self, alphas) -> None:
        """Evaluate more penalties, (n_ratios, m), below the previous ones."""
        found: dict[int, Any] = {}
        # fold by fold, so that an interrupt leaves folds that are done for every l1_ratio
        paths = [own[i] for i in range(self.folds.count) for own in self.paths]
        grids = list(alphas) * self.folds.count

        def after(position, errors):
            found[position] = errors
            if self.callback is not None:
                self.callback(len(found), len(paths))

        try:
            self.folds.run(paths, grids, self.keep, self.n_jobs, after)
        except StopIteration:
            self.stopped = True
        except BaseException:
            self._take(alphas, found)
            raise
        self._take(alphas, found)
        if self.alphas is None:
            raise ValueError(
                "callback stopped the search before one fold was finished for each l1_ratio;"
                " expected at least one."
            )

    def _take(self, alphas, found) -> None:
        """Keep the folds that are done for every l1_ratio."""
        count, ratios = self.folds.count, len(self.paths)
        whole = [i for i in range(count) if all(i * ratios + r in found for r in range(ratios))]
        if not whole or (self.alphas is not None and len(whole) < count):
            return

        def table(name):
            return np.array(
                [[getattr(found[i * ratios + r], name) for i in whole] for r in range(ratios)]
            )

        parts = {name: table(name) for name in ("train", "validation", "df", "dof", "norm", "gap")}
        if self.keep:
            parts["coef"] = table("coef")
        if self.alphas is None:
            self.alphas, self.n_folds, self.whole = np.array(alphas), len(whole), whole
            self.parts = parts
        else:
            self.alphas = np.concatenate([self.alphas, alphas], axis=1)
            self.parts = {
                name: np.concatenate([self.parts[name], values], axis=2)
                for name, values in parts.items()
            }
        self.train, self.validation = self.parts["train"], self.parts["validation"]
        reached = parts["gap"].max(axis=1)
        for row, alpha_row, o in zip(reached, alphas, self.options, strict=True):
            over = row > o.tol
            self.unsettled += zip(alpha_row[over], row[over], strict=True)

    def extend(self) -> list[str]:
        """Extend the grid downwards while its least penalty is the best; return a log in words."""
        said = []
        for _ in range(_EXTENSIONS):
            if self.stopped:
                break
            score = level(-self.validation.mean(axis=1))
            r = int(np.unravel_index(score.argmax(), score.shape)[0])
            if np.ptp(self.alphas[r]) == 0:
                break
            more = beyond(self.alphas[r], score[r], 1.0)
            if more is None or more[0] > self.alphas[r].max():
                break
            factor = more / self.alphas[r].min()
            least = self.alphas[r].min()
            before = self.alphas.shape[1]
            self.add(self.alphas.min(axis=1)[:, None] * factor)
            if self.alphas.shape[1] == before:
                break
            said.append(f"lower from {least:.3g} to {more[-1]:.3g}")
        return said

    def end(self) -> str:
        """Return the end, "lower" or "upper", where the best score lies and still improves, or "".

        With an L1 part the upper end is the model without features, above which nothing changes.
        """
        score = level(-self.validation.mean(axis=1))
        r = int(np.unravel_index(score.argmax(), score.shape)[0])
        if np.ptp(self.alphas[r]) == 0:
            return ""
        end = at_end(self.alphas[r], score[r])
        return "" if end == "upper" and self.options[r].l1_ratio > 0 else end

    def results(self) -> CVResults:
        """Return the table, one l1_ratio after the other."""
        m = self.alphas.shape[1]

        def table(name):
            return self.parts[name].transpose(1, 0, 2).reshape(self.n_folds, -1)

        train, validation = table("train"), table("validation")
        fit_intercept = self.options[0].fit_intercept
        null = np.mean([self.folds.null_error(i, fit_intercept) for i in self.whole])
        error, error_se = validation.mean(axis=0), spread(validation)
        values = {
            "l1_ratio": np.repeat([o.l1_ratio for o in self.options], m),
            "alpha": self.alphas.ravel(),
            "train_error": train.mean(axis=0),
            "train_error_se": spread(train),
            "validation_error": error,
            "validation_error_se": error_se,
            "score": -error,
            "score_se": error_se,
            "dof": table("dof").mean(axis=0),
            "dof_error": spread(table("dof")),
            "norm": table("norm").mean(axis=0),
            "n_features": table("df").mean(axis=0),
            "null_error": float(null),
            "fold_train_error": train,
            "fold_validation_error": validation,
            "fold_score": -validation,
        }
        if self.keep:
            coef = np.concatenate(list(self.parts["coef"]), axis=1)
            values["fold_coef"] = coef if self.folds.several else coef[:, :, 0]
        return CVResults(values, self.loss.name, self.kind, self.n_folds)


def level(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores, with those that equal the best up to round-off set to it.

    A solution that already meets the tolerance is kept for the next penalties; the largest of such
    penalties is then chosen, whatever the order of the rows.
    """
    top = np.nanmax(score, initial=-np.inf)
    return np.where(score >= top - _EQUAL * abs(top), top, score)
