"""Ridge regressions of data in parts that choose their penalty: by folds, or leaving out rows.

Folds come out of one pass: the moments of the rows that each holds out. Leave-one-out needs the
rows again, once the moments of all are known: with G their Gram matrix, D the penalty factors and
D^-1/2 G D^-1/2 = V L V', a row of weight s has the coordinates z = V' D^-1/2 (x - m), and

    h = s (1 / W + sum_j z_j^2 / (l_j + alpha)),    e = y - m_y - sum_j z_j t_j / (l_j + alpha),

with t = V' D^-1/2 X'S (y - m_y). Columns without a penalty are projected out first.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._cached import cached
from .._stack import outside
from ..data.check import check_design, check_target
from ..data.parameters import check_penalty_factor
from ..data.parts import Part, Parts, Sum, row_count
from ..data.rows import take_rows
from ..losses import SQUARED
from ..model_selection._scores import right_rows
from ..model_selection._search import FoldSearch, Scoring, Search
from ..moments import Moments
from ..quadratic.sums import SumProblem
from ..solvers.ridge.moments import solve_moments
from ..solvers.ridge_path.folds import Folds, RidgeErrors
from ..systems import lapack
from .fold_paths import LARGE, FoldPath
from .folds import class_folds, make_folds
from .squared import FOLDS, FoldTask, fit_folds, moments, require_memory, standing_rows
from .sums import (
    LabelCounts,
    Targets,
    Totals,
    class_weights,
    codes_of,
    fold_of_rows,
    label_counts_of,
    labels_of,
    refuse_others,
    weights_of_rows,
    with_targets,
)

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_BLOCK = 500_000  # elements of rows' coordinates held at a time: they stay in the cache
_OWN = 1e-10  # 1 - h below which a row alone determines a coefficient
_LEAST = 1e-9  # eigenvalue plus penalty, over the largest, that sums of squares give to 1e-6


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
        # the reduction of the total, and its last path
        self.reduced: Any = None
        self._last: Any = None

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
            if not len(whole.alone):
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
            self._last = self.path_of_moments(self.total, alphas, None, self.reduced)
            self.reduced = self._last.reduced
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
        A, code = check_design(part.X, finite=False), codes_of(labels_of(part, n), self.targets[0])
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


class Coordinates:
    """Coordinates of rows in which the penalised Gram matrix is diagonal.

    Attributes
    ----------
    turn : ndarray (p, q)
        Coordinates of x are (x - mean) @ turn; the first `n_free` have no penalty.
    values : ndarray (q - n_free,)
        Eigenvalues.
    projected : ndarray (q, k)
        Sums of the products of coordinates and centred targets.
    """

    def __init__(self, total: Moments, d: Array, fit_intercept: bool) -> None:
        problem = SumProblem(total, np.ones(1), d, fit_intercept)
        G, c = problem.gram(), problem.cross
        p = len(d)
        self.total, self.fit_intercept = total.total_weight, fit_intercept
        self.mean = total.mean if fit_intercept else np.zeros(p)
        self.y_mean = total.y_mean if fit_intercept else np.zeros(total.n_targets)
        alive = np.diagonal(G) > 0
        free, chosen = np.flatnonzero((d == 0) & alive), np.flatnonzero((d > 0) & alive)
        inverse = 1.0 / np.sqrt(d[chosen])
        first = np.zeros((p, 0))
        M, hidden = G[np.ix_(chosen, chosen)], 0.0
        turn = np.zeros((p, len(chosen)))
        turn[chosen] = np.diag(inverse)
        if len(free):
            size = 1.0 / np.sqrt(np.diagonal(G)[free])
            values, V = lapack.eigh(G[np.ix_(free, free)] * size * size[:, None])
            kept = values > len(free) * 16 * _EPS * values.max()
            first = np.zeros((p, int(kept.sum())))
            first[free] = size[:, None] * V[:, kept] / np.sqrt(values[kept])
            across = first.T @ G[:, chosen]
            hidden = float(np.abs(np.diagonal(M)).max(initial=0.0))
            M = M - across.T @ across
            turn -= first @ (across * inverse)
        M = M * inverse * inverse[:, None]
        values, V = lapack.eigh(M)
        self.largest = max(float(values.max(initial=0.0)), hidden)
        kept = values > 4 * p * _EPS * self.largest
        self.n_free, self.values = first.shape[1], values[kept]
        self.turn = np.hstack([first, turn @ V[:, kept]])
        self.projected = self.turn.T @ c

    def inverse(self, alphas: Array) -> Array:
        """Return the weights (m, q) of the coordinates."""
        m = len(alphas)
        return np.hstack([np.ones((m, self.n_free)), 1.0 / (self.values + alphas[:, None])])

    def dof(self, alphas: Array) -> Array:
        shares = self.values / (self.values + alphas[:, None])
        return np.asarray(shares.sum(axis=1) + self.n_free)

    def coef(self, alphas: Array) -> Array:
        """Return the coefficients (m, k, p)."""
        weights = self.inverse(alphas)
        return np.einsum("mq,qk,pq->mkp", weights, self.projected, self.turn, optimize=True)


class RowSums(Sum):
    """Sums over rows of their squared residuals x (m, k), or means of these over targets.

    Attributes
    ----------
    count : int
        Rows of positive weight.
    squares : ndarray (m, k)
        Sum of s e^2, e the residuals of the fit to all rows.
    error : ndarray (m, k)
        Sum of s x.
    moments : list of ndarray
        Sums of s^2, s^2 x and s^2 x^2; for generalised cross-validation of s, s x and s x^2.
    right : list of ndarray
        Sums of s and s^2 of the rows whose class is predicted right.
    null : ndarray (k,)
        Sum of s x of the model without features.
    """

    def __init__(self, count: int, values: list[Any]) -> None:
        self.count, self.values = count, values

    def add(self, other: RowSums) -> None:
        self.count += other.count
        self.values = [a + b for a, b in zip(self.values, other.values, strict=True)]


class LeftOutTask(NamedTuple):
    """Sums of the rows of a part.

    Attributes
    ----------
    targets : Targets or None
    at : Coordinates
    alphas : ndarray (m,)
    share : ndarray (m,) or None
        What residuals are divided by in generalised cross-validation; None: by 1 - h.
    per_target, accurate : bool
        A score for each target; an accuracy.
    """

    targets: Targets | None
    at: Coordinates
    alphas: Array
    share: Array | None
    per_target: bool
    accurate: bool

    def of(self, part: Part) -> RowSums | None:
        n = row_count(part.X)
        if n == 0:
            return None
        refuse_others(part, "offset", "exposure", "groups")
        code = None
        if self.targets is not None:
            code = codes_of(labels_of(part, n), self.targets.classes)
            part = with_targets(part, self.targets)
        A, Y = check_design(part.X, finite=False), check_target(part.y, n).reshape(n, -1)
        weight = weights_of_rows(part, n)
        weight = np.ones(n) if weight is None else weight
        live = np.flatnonzero(weight > 0)
        at = self.at
        m, k, q = len(self.alphas), Y.shape[1], at.turn.shape[1]
        columns = k if self.per_target else 1
        out: list[Any] = [np.zeros((m, k)), np.zeros((m, k)), 0.0]
        out += [np.zeros((m, columns)), np.zeros((m, columns))]
        out += [np.zeros(m), np.zeros(m), np.zeros(k)]
        step = max(1, _BLOCK // max(q, m * k, 1))
        for start in range(0, len(live), step):
            rows = live[start : start + step]
            self._add(out, take_rows(A, rows), Y[rows], weight[rows], rows, code)
        return RowSums(len(live), out)

    def _add(self, out: Any, A: Any, Y: Array, s: Array, rows: Any, code: Any) -> None:
        at, alphas = self.at, self.alphas
        m, k = len(alphas), Y.shape[1]
        Z = A.centered(at.mean).dot(np.asfortranarray(at.turn)).reshape(len(s), -1)
        inverse = at.inverse(alphas)
        weights = (inverse.T[:, :, None] * at.projected[:, None]).reshape(-1, m * k)
        e = (Y - at.y_mean)[:, None] - (Z @ weights).reshape(len(s), m, k)
        out[0] += (s @ (e * e).reshape(len(s), -1)).reshape(m, k)
        own = s / at.total if at.fit_intercept else np.zeros(len(s))
        if self.share is None:
            left = 1.0 - s[:, None] * (Z * Z) @ inverse.T - own[:, None]
            bad = np.argwhere(left <= _OWN)
            if len(bad):
                i, j = bad[0]
                raise ValueError(
                    f"row {rows[i]} alone determines a coefficient at alpha={alphas[j]:g}, so that"
                    " it cannot be left out of data in parts; expected larger penalties, cv='gcv'"
                    " or folds."
                )
            e /= left[:, :, None]
        else:
            e /= self.share[:, None]
        x = e * e
        out[1] += (s @ x.reshape(len(s), -1)).reshape(m, k)
        x = x if self.per_target else x.mean(axis=2, keepdims=True)
        v = s if self.share is not None else s * s
        out[2] += v.sum()
        flat = x.reshape(len(s), -1)
        out[3] += (v @ flat).reshape(m, -1)
        out[4] += (v @ (flat * flat)).reshape(m, -1)
        if self.accurate:
            predicted = Y[:, None] - e
            for j in range(m):
                right = right_rows(predicted[:, j], code[rows])
                out[5][j] += s @ right
                out[6][j] += v @ right
        alone = (Y - at.y_mean) / (1.0 - own[:, None])
        out[7] += s @ alone**2


def left_out_of(part: Part, task: LeftOutTask) -> RowSums | None:
    """Return the sums of a part."""
    return task.of(part)


class LeftOutSearch(Search):
    """Search by leave-one-out, with a second pass for each grid, or generalised cross-validation.

    The latter needs the rows again only for standard errors, or where moments cancel.

    Parameters
    ----------
    folds : MomentFolds
        Of a single fold: all rows.
    scoring : Scoring
    kind : {"loo", "gcv"}
    parts : Parts
    targets : Targets or None
    d : ndarray (p,)
        Penalty factors in units of X.
    with_errors : bool
        Whether standard errors of generalised cross-validation are used; NaN otherwise.
    """

    n_folds = 0
    folds: MomentFolds

    def __init__(
        self,
        folds: Any,
        scoring: Any,
        kind: str,
        parts: Parts,
        targets: Targets | None,
        d: Array,
        with_errors: bool,
    ) -> None:
        super().__init__(folds, scoring)
        self.kind, self.passes, self.targets = kind, parts, targets
        self.d, self.with_errors = d, with_errors
        total = self.total = folds.total
        self.spread = total.yy / total.total_weight

    @cached
    def at(self) -> Coordinates:
        return Coordinates(self.total, self.d, self.folds.options["fit_intercept"])

    def _evaluate(self, alphas: Any) -> dict[str, Any]:
        found = None
        if self.kind == "gcv" and not self.with_errors:
            found = self._generalised(alphas)
        return found or self._of_rows(alphas)

    def _null_generalised(self) -> Any:
        W, null = self.total.total_weight, self.folds.null_deviance()
        if not self.folds.options["fit_intercept"] or not W > 1:
            return null
        return null / (1.0 - 1.0 / W) ** 2

    def _generalised(self, alphas: Any) -> dict[str, Any] | None:
        """Return the columns from moments, without standard errors; None where these cancel."""
        path = self.folds.path(alphas)
        error = path.generalised()
        if error is None:
            return None
        score = self.scoring.from_errors(error, self.spread)
        return {
            "alpha": alphas,
            "train_error": path.residual / self.total.total_weight,
            "validation_error": error,
            "validation_error_se": np.full_like(score, np.nan),
            "score": score,
            "score_se": np.full_like(score, np.nan),
            "dof": path.dof[0],
            "dof_error": path.dof[1],
            "norm": self.folds.norm(path),
            "null": self._null_generalised(),
        }

    def _of_rows(self, alphas: Any) -> dict[str, Any]:
        at, total, scoring = self.at, self.total, self.scoring
        W, dof = total.total_weight, at.dof(alphas)
        least = at.values.min(initial=np.inf) + alphas.min()
        if least < _LEAST * at.largest:
            warnings.warn(
                f"left-out rows at alpha={alphas.min():g} need eigenvalues of {least:.2g} beside"
                f" {at.largest:.2g}, which the sums of data in parts do not give exactly; try"
                " larger penalties, standardize=True with folds, or folds.",
                _sklearn.exception("ConvergenceWarning"),
                stacklevel=outside(),
            )
        share = None
        if self.kind == "gcv":
            left = W - at.fit_intercept - dof
            share = np.where(left > 0, left, np.nan) / W
        task = LeftOutTask(
            self.targets, at, alphas, share, scoring.per_target, scoring.own_accuracy
        )
        found: RowSums = self.passes.sum(left_out_of, task)
        squares, error, v, vx, vxx, right, vright, null = found.values
        n = found.count
        if self.kind == "loo":
            self.n_folds = n
            if n < 2:
                raise ValueError(
                    f"X has {n} sample(s) of positive weight (n_samples={n}); expected at least 2"
                    " to leave one out."
                )
        error = error / W
        null = null / W
        if self.kind == "gcv":
            error = np.where(np.isnan(error), np.inf, error)
            mean = vx / v
            error_se = np.sqrt(np.maximum(vxx / v - mean**2, 0.0) / (W - 1.0))
            null = self._null_generalised()
        else:
            mean = error if scoring.per_target else error.mean(axis=1, keepdims=True)
            error_se = _spread(n, W, v, vx, vxx, mean)
        if scoring.own_accuracy:
            score = (right / W)[:, None]
            score_se = _spread(n, W, v, vright[:, None], vright[:, None], score)
        else:
            score = scoring.from_errors(error, self.spread)
            score_se = scoring.error_of(error_se, error, self.spread)
        return {
            "alpha": alphas,
            "train_error": squares / W,
            "validation_error": error,
            "validation_error_se": error_se,
            "score": score,
            "score_se": score_se,
            "dof": dof,
            "dof_error": np.zeros(len(alphas)),
            "norm": np.linalg.norm(at.coef(alphas), axis=2),
            "null": null,
        }


def _spread(n: int, W: float, v: Any, vx: Any, vxx: Any, mean: Any) -> Array:
    """Return sqrt(n / (n - 1) sum_i s_i^2 (x_i - mean)^2) / W from sums of s^2, s^2 x, s^2 x^2."""
    left = np.maximum(vxx - 2.0 * mean * vx + mean**2 * v, 0.0)
    return np.asarray(np.sqrt(n / (n - 1.0) * left) / W)


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
        require_memory(parts, estimator.max_memory, _fold_count(estimator.cv))
        folds = make_folds(parts, estimator.cv)
    _search(estimator, parts, None, folds, scoring)


def fit_labels_cv(estimator: Any, parts: Parts) -> None:
    """Fit a ridge classifier that chooses its penalty."""
    _refuse(estimator, "accuracy")
    require_memory(parts, estimator.max_memory, _fold_count(estimator.cv))
    counts: LabelCounts = parts.sum(label_counts_of)
    if counts.weights is None:
        raise ValueError("X has no rows in any part; expected at least one.")
    classes, by_class = counts.weights.labels, None
    if estimator.class_weight:
        by_class = class_weights(classes, counts.weights.weight, estimator.class_weight)
    folds, loss = None, estimator._loss
    if estimator._kind() == "folds":
        folds = class_folds(parts, estimator.cv, counts)
    default = loss.error_score if folds is None else "accuracy"
    scoring = Scoring(loss, estimator.scoring, default, False, None, None, np.arange(0))
    _search(estimator, parts, Targets(classes, by_class), folds, scoring)
    estimator.classes_, estimator.indicator_ = classes, None


def _fold_count(cv: Any) -> int:
    return cv if isinstance(cv, int) else FOLDS


def _refuse(estimator: Any, *more: str) -> None:
    """Refuse what needs the rows together."""
    known = [*more, *sorted(estimator._loss.scores)]
    scoring, kind = estimator.scoring, estimator._kind()
    if scoring is not None and not (isinstance(scoring, str) and scoring in known):
        raise ValueError(
            f"scoring is {scoring!r}; for data in parts, expected None or one of {known}."
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
