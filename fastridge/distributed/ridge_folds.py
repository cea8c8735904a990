"""Ridge regressions of data in parts that choose their penalty: by folds, or leaving out rows.

Folds come out of one pass: the moments of the rows that each holds out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.check import check_design
from ..data.parameters import check_penalty_factor
from ..data.parts import Part, Parts, row_count
from ..data.rows import take_rows
from ..losses import SQUARED
from ..model_selection._scores import right_rows
from ..model_selection._search import FoldSearch, Scoring, Search
from ..moments import Moments
from ..solvers.ridge.moments import solve_moments
from ..solvers.ridge.options import SOLVERS
from ..solvers.ridge_path.folds import Folds, RidgeErrors
from .fold_paths import LARGE, FoldPath
from .folds import class_folds, fold_count, make_folds
from .left_out import LeftOutSearch
from .squared import FoldTask, fit_folds, moments, require_memory, standing_rows
from .sums import (
    LabelCounts,
    Targets,
    Totals,
    class_weights,
    codes_of,
    design_of,
    fold_of_rows,
    label_counts_of,
    labels_of,
    with_targets,
)

Array = NDArray[np.float64]


class _Shape(NamedTuple):
    """What a search asks of the rows of all parts."""

    n_rows: int
    n_columns: int
    is_float32: bool


class MomentFolds(Folds):
    """Ridge problems of each fold's training rows and of all rows, from moments alone."""

    def __init__(self, parts: list[Moments], options: dict[str, Any]) -> None:
        self.parts = dict(enumerate(parts))
        total = parts[0].copy()
        for part in parts[1:]:
            total += part
        self.total = total
        self.options = self.given = options
        self.A: Any = _Shape(total.n_samples, total.n_features, total.is_float32)
        self.count, self.solver, self.is_sparse = len(parts), "cholesky", False
        self.apart = self.held = self.units = self.prior = self.weight = None
        self.unsettled = []
        # coefficients (m, k, p) and intercepts (m, k) of the folds' last penalties
        self.models: dict[int, tuple[Array, Array]] = {}
        # the last path of the total, and what it leaves to others
        self._last: Any = None
        self._again: Any = None

    def designs(self) -> list[Any]:
        """Return no matrices that a caller's function could change."""
        return []

    def test_size(self, i: int) -> int:
        return self.parts[i].n_samples

    def _training(self, i: int, held: Any) -> Moments:
        others = [part for j, part in self.parts.items() if j != i]
        train = others[0].copy()
        for part in others[1:]:
            train += part
        return train

    def evaluate(
        self, i: int, alphas: Any, *, keep: bool = False, visit: Any = None, callback: Any = None
    ) -> RidgeErrors:
        held = self.parts[i]
        train = self._training(i, held)
        run = self._path_of_fold(train, np.asarray(alphas, np.float64))
        coef = run.rough()
        if self.options["fit_intercept"]:
            intercept, null = train.y_mean - coef @ train.mean, train.y_mean
        else:
            intercept, null = np.zeros(coef.shape[:2]), np.zeros(held.n_targets)
        self.models[i] = coef, intercept
        validation = SQUARED.error_of_moments(held, coef, intercept)
        if validation is None:
            # squares of rows that stand for the sums do not cancel
            X, Y, w = standing_rows(held, np.zeros(held.n_features), np.zeros(held.n_targets))
            A = check_design(X, finite=False)
            validation = SQUARED.error_of_rows(A, Y, w, coef, intercept)
        spread = held.yy / held.total_weight
        return RidgeErrors(
            np.maximum(run.residual, 0.0) / train.total_weight,
            validation,
            np.linalg.norm(coef, axis=2),
            spread + (held.y_mean - null) ** 2,
            spread,
            coef if keep else None,
        )

    def _path_of_fold(self, train: Moments, alphas: Array) -> Any:
        options, p = self.options, train.n_features
        factor = np.ones(p) if options["factor"] is None else options["factor"]
        if p >= LARGE and factor.all():
            whole = self.path(alphas)
            # small penalties may be less than the reduction shows, but not than its round-off
            if whole.reduced is not None and whole.reduced.is_positive(0.5 * alphas).all():
                variance = np.diagonal(train.gram) / train.total_weight
                unit = np.where(variance > 0, variance, 1.0)
                d = factor * unit if options["standardize"] else factor
                found = FoldPath(train, whole, alphas, d, options["fit_intercept"])
                if found.converged:
                    return found
        return self.path_of_moments(train, alphas, None)

    def path(self, alphas: Any, callback: Any = None) -> Any:
        if self._last is None or not np.array_equal(self._last.alphas, alphas):
            self._last = None
            self._last = self.path_of_moments(self.total, alphas, None, self._again)
            self._again = self._last.again
        return self._last

    def null_deviance(self) -> Array:
        total = self.total
        null = total.yy / total.total_weight
        return np.asarray(null if self.options["fit_intercept"] else null + total.y_mean**2)

    def fit(self, alpha: Any) -> Any:
        options = self.options
        return solve_moments(
            self.total,
            alpha,
            single=False,
            penalty_factor=options["factor"],
            fit_intercept=options["fit_intercept"],
            standardize=options["standardize"],
            tol=options["tol"],
        )


class AccuracySearch(FoldSearch):
    """Search by folds of data in parts whose score is an accuracy: a pass for each grid."""

    folds: MomentFolds

    def __init__(
        self, folds: Any, scoring: Any, keep: bool, callback: Any, held: Any, parts: Parts
    ) -> None:
        super().__init__(folds, scoring, keep, callback, "folds")
        self.held, self.passes = held, parts

    def _fold(self, i: int, alphas: Any, step: Any) -> Any:
        return self.folds.evaluate(i, alphas, keep=self.keep), np.full((len(alphas), 1), np.nan)

    def _columns(self, alphas: Any, done: Any) -> Any:
        which, targets, shared, each = self.held
        models = {int(which[i]): self.folds.models[i] for i in range(len(done))}
        found: Totals = self.passes.sum(_Right(shared, targets, models), each=each)
        right, weight = found.values
        places = which[: len(done)]
        score = (right[places] / weight[places, None])[:, :, None]
        return super()._columns(
            alphas, [(found, s) for (found, _), s in zip(done, score, strict=True)]
        )


class _Right:
    """Weight of the rows that are classified correctly by the models of the fold they are in."""

    def __init__(self, shared: Any, targets: Targets, models: Any) -> None:
        self.shared, self.targets, self.models = shared, targets, models

    def __call__(self, part: Part, folds: Any = None) -> Totals | None:
        n = row_count(part.X)
        if n == 0:
            return None
        fold = fold_of_rows(part, self.shared if folds is None else folds, n)
        A, code = design_of(part), codes_of(labels_of(part, n), self.targets[0])
        weight = with_targets(part, self.targets).weight
        weight = np.ones(n) if weight is None else weight
        m = len(next(iter(self.models.values()))[0])
        F = max(self.models) + 1
        right, total = np.zeros((F, m)), np.zeros(F)
        for f, (coef, intercept) in self.models.items():
            rows = np.flatnonzero(fold == f)
            if not len(rows):
                continue
            B, w = take_rows(A, rows), weight[rows]
            total[f] = w.sum()
            for j in range(m):
                decision = B.dot(np.asfortranarray(coef[j].T)) + intercept[j]
                right[f, j] = w @ right_rows(decision, code[rows])
        return Totals(right, total)


def fit_ridge_cv(estimator: Any, parts: Parts) -> None:
    """Fit a ridge regression that chooses its penalty."""
    if estimator.prior_mean is not None or estimator.penalty_matrix is not None:
        fit_folds(estimator, parts)
        return
    _refuse(estimator)
    scoring = Scoring(
        estimator._loss,
        estimator.scoring,
        estimator._loss.error_score
        if estimator._kind() in ("loo", "gcv")
        else estimator._loss.fit_score,
        False,
        None,
        None,
        None,
    )
    folds = None
    if estimator._kind() == "folds":
        # too many columns are refused before rows are counted
        require_memory(parts, estimator.max_memory, fold_count(estimator.cv))
        folds = make_folds(parts, estimator.cv)
    _search(estimator, parts, None, folds, scoring)


def fit_labels_cv(estimator: Any, parts: Parts) -> None:
    """Fit a ridge classifier that chooses its penalty."""
    _refuse(estimator, "accuracy")
    require_memory(parts, estimator.max_memory, fold_count(estimator.cv))
    counts: LabelCounts = parts.sum(label_counts_of)
    if counts.weights is None:
        raise ValueError("X has no rows in any part; expected at least one.")
    classes, by_class = counts.weights.labels, None
    if estimator.class_weight:
        by_class = class_weights(classes, counts.weights.weight, estimator.class_weight)
    folds, loss, targets = None, estimator._loss, Targets(classes, by_class)
    if estimator._kind() == "folds":
        folds = class_folds(parts, estimator.cv, counts, targets)
    default = loss.error_score if folds is None else "accuracy"
    scoring = Scoring(loss, estimator.scoring, default, False, None, None, np.arange(0))
    _search(estimator, parts, targets, folds, scoring)
    estimator.classes_, estimator.indicator_ = classes, None


def _refuse(estimator: Any, *more: str) -> None:
    """Refuse what needs the rows together."""
    known = [*more, *sorted(estimator._loss.scores)]
    scoring, kind = estimator.scoring, estimator._kind()
    if scoring is not None and not (isinstance(scoring, str) and scoring in known):
        raise ValueError(
            f"scoring is {scoring!r}; for data in parts, expected None or one of {known}."
        )
    if SOLVERS[estimator.solver] not in ("auto", "cholesky"):
        raise ValueError(
            f"solver is {estimator.solver!r}; for data in parts, a search solves by moments:"
            " expected 'auto' or 'cholesky'."
        )
    if kind == "held-out":
        raise ValueError(
            "validation is not supported for data in parts; expected None. Use cv instead."
        )
    if estimator.store_cv_results:
        raise ValueError(
            "store_cv_results is True, which keeps a number for each row and is not supported for"
            " data in parts; expected False."
        )
    if kind == "loo" and estimator.standardize:
        raise ValueError(
            "standardize is True with leave-one-out, which changes the deviations with each row"
            " and is not supported for data in parts; expected False, cv='gcv' or folds."
        )
    if kind in ("loo", "gcv") and estimator.store_coef:
        raise ValueError(
            f"store_coef is True, but cv={estimator.cv!r} fits no folds; expected folds, or"
            " store_coef=False."
        )
    if kind == "gcv" and scoring == "accuracy":
        raise ValueError(
            "scoring is 'accuracy', which needs predictions of left-out rows, and cv='gcv' makes"
            " none; expected a score of squared errors, or another cv."
        )


def _search(
    estimator: Any, parts: Parts, targets: Targets | None, split: Any, scoring: Scoring
) -> None:
    """Sum the moments, evaluate the penalties, choose one, and fit all rows."""
    memory, which, shared, each = estimator.max_memory, np.zeros(1, np.intp), None, None
    if split is None:
        found = [moments(parts, memory, targets)]
    else:
        count, shared, each = split
        task = FoldTask(count, shared, require_memory(parts, memory, count), targets)
        found = parts.sum(task, each=each).parts
        which = np.array([i for i, f in enumerate(found) if f.n_features and f.total_weight > 0])
        if len(which) < 2:
            raise ValueError(
                f"cv has {len(which)} fold(s) that hold out rows of positive weight; expected at"
                " least 2."
            )
        found = [found[i] for i in which]
    p = found[0].n_features
    options = {
        "factor": check_penalty_factor(estimator.penalty_factor, p),
        "fit_intercept": estimator.fit_intercept,
        "standardize": estimator.standardize,
        "tol": estimator.tol,
        "max_memory": memory,
    }
    folds = MomentFolds(found, options)
    total = folds.total
    k, several = total.n_targets, total._y_ndim == 2 and targets is None
    if scoring.codes is None:
        scoring.per_target = bool(estimator.alpha_per_target) and k > 1
    variance = np.diagonal(total.gram) / total.total_weight
    d = np.ones(p) if options["factor"] is None else options["factor"]
    if options["standardize"]:
        d = d * np.where(variance > 0, variance, 1.0)
    search: Search
    if split is None:
        with_errors = estimator.select != "min"
        search = LeftOutSearch(folds, scoring, estimator._kind(), parts, targets, d, with_errors)
    elif scoring.own_accuracy:
        held = which, targets, shared, each
        search = AccuracySearch(
            folds, scoring, estimator.store_coef, estimator.callback, held, parts
        )
    else:
        search = FoldSearch(folds, scoring, estimator.store_coef, estimator.callback, "folds")
    squares = variance if estimator.fit_intercept else variance + total.mean**2
    alphas = estimator._given_alphas(total.total_weight * squares, d)
    single = k == 1
    column = single and (several or targets is not None)
    estimator._run_search(search, folds, alphas, k, single, column)
    estimator._set_features(p, parts.names)
