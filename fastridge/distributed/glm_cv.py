"""Generalised linear models of data in parts that choose their penalty by folds.

Rows that a fold leaves out have weight 0 in it, as in local fits. All folds and penalties share
their passes (`lockstep.py`): some penalties of each fold are fitted from the model without
features, then those between from what their neighbours found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.parts import Part, Parts, row_count
from ..data.rows import take_rows
from ..losses import MULTINOMIAL
from ..model_selection._glm_search import GLMScoring, GLMSearch
from ..model_selection._search import Scoring
from ..systems.cost import default_memory
from .glm import GLM, Found, Null
from .glm_sums import Data, Known, known_of, read
from .lockstep import run_together, without
from .sums import Many, Totals, fold_of_rows, require_weight, weights_of, weights_of_rows

Array = NDArray[np.float64]

_STRIDE = 4  # of the penalties that are fitted first
_BLOCK = 4_000_000  # elements of predictors held at a time
_ROOM = 1 << 29  # bytes of the Hessians that a pass sums, at most
_MOST = 500  # fits that share a pass, at most: each has a thread
_CONSTANT = 36.0  # predictor of rows that are all of one class: -log of the round-off of 1


class Folds(NamedTuple):
    """Folds of data in parts; see `make_folds`."""

    number: int
    shared: Any
    each: Any


class _Facts:
    """What is known of a part, and of it without each fold; and the weights of the folds."""

    def __init__(self, count: int, shared: Any, data: Data) -> None:
        self.count, self.shared, self.data = count, shared, data

    def __call__(self, part: Part, folds: Any = None) -> Many | None:
        n = row_count(part.X)
        if n == 0:
            return None
        folds = self.shared if folds is None else folds
        fold, weight = fold_of_rows(part, folds, n), weights_of_rows(part, n)
        held = np.bincount(fold, weight, self.count)
        rest = [without(part, folds, i) for i in range(self.count)]
        known = [known_of(one, self.data, False) for one in (part, *rest)]
        labels = []
        if self.data.classes is not None:
            labels = [weights_of(one, "y", True) for one in rest]
        return Many([Totals(held), *known, *labels])


class Models(NamedTuple):
    """Models of each fold: coefficients (F, M, k, p), intercepts (F, M, k) and null models (F, k).

    level : ndarray (k,)
        The mean of the model without features of all rows.
    mean : ndarray (F, k) or None
        Means of the held-out targets, where a score needs deviances about them.
    """

    coef: Array
    intercept: Array
    null: Array
    level: Array
    mean: Array | None


class _Held:
    """Weighted sums of the deviances, and of the right classes, of the rows held out.

    The errors are weighted as the fits are, and the scores by the sample weights.
    """

    def __init__(self, shared: Any, data: Data, models: Models) -> None:
        self.shared, self.data, self.models = shared, data, models

    def __call__(self, part: Part, folds: Any = None) -> Totals | None:
        n = row_count(part.X)
        if n == 0:
            return None
        data, models = self.data, self.models
        fold = fold_of_rows(part, self.shared if folds is None else folds, n)
        rows = read(part, data)
        weight = np.ones(n) if rows.weight is None else rows.weight
        own = weights_of_rows(part, n)
        own = np.ones(n) if own is None else own
        F, M, k, p = models.coef.shape
        error, scored, right = (np.zeros((F, M)) for _ in range(3))
        null, spread, total, own_total = (np.zeros(F) for _ in range(4))
        for f in np.flatnonzero(np.bincount(fold, minlength=F)):
            held = np.flatnonzero(fold == f)
            held = held[(weight[held] > 0) | (own[held] > 0)]
            if not len(held):
                continue
            A, y, w, s = take_rows(rows.A, held), rows.y[held], weight[held], own[held]
            offset = 0.0 if rows.offset is None else rows.offset[held][:, None]
            total[f], own_total[f] = w.sum(), s.sum()
            step = max(1, _BLOCK // (len(held) * k))
            for start in range(0, M, step):
                W = models.coef[f, start : start + step]
                eta = A.dot(np.asfortranarray(W.reshape(-1, p).T)).reshape(len(held), -1, k)
                for j in range(eta.shape[1]):
                    of = eta[:, j] + models.intercept[f, start + j] + offset
                    values = deviances(data, y, of)
                    error[f, start + j], scored[f, start + j] = w @ values, s @ values
                    if data.classes is not None:
                        right[f, start + j] = s @ _is_right(of, y)
            of = np.broadcast_to(models.null[f] + offset, (len(y), k))
            null[f] = w @ deviances(data, y, of)
            if models.mean is not None:
                spread[f] = s @ about_mean(data, y, models.mean[f])
        live = weight > 0
        whole = weight[live] @ about_mean(data, rows.y[live], models.level)
        return Totals(error, scored, right, null, spread, total, own_total, whole)


def deviances(data: Data, y: Array, eta: Array) -> Array:
    """Return unit deviances (n,) of predictors (n, k)."""
    if data.loss is None:
        return np.asarray(2.0 * MULTINOMIAL.value(y.astype(np.intp), eta))
    return np.asarray(2.0 * (data.loss.value(y, eta[:, 0]) - data.loss.least(y)))


def about_mean(data: Data, y: Array, mean: Array) -> Array:
    """Return unit deviances (n,) of a mean (k,)."""
    if data.loss is None:
        same = np.broadcast_to(mean, (len(y), len(mean)))
        return np.asarray(MULTINOMIAL.deviance(y.astype(np.intp), same))
    return np.asarray(data.loss.deviance(y, np.broadcast_to(mean, y.shape)))


def _is_right(eta: Array, y: Array) -> NDArray[np.bool_]:
    if eta.shape[1] == 1:
        return np.asarray((eta[:, 0] > 0) == (y == 1))
    return np.asarray(eta.argmax(axis=1) == y)


class _Means:
    """Weighted sums of the targets, or of the classes, that are held out."""

    def __init__(self, count: int, shared: Any, data: Data) -> None:
        self.count, self.shared, self.data = count, shared, data

    def __call__(self, part: Part, folds: Any = None) -> Totals | None:
        n = row_count(part.X)
        if n == 0:
            return None
        fold = fold_of_rows(part, self.shared if folds is None else folds, n)
        y = read(part, self.data._replace(class_weight=None)).y
        own = weights_of_rows(part, n)
        own = np.ones(n) if own is None else own
        columns = [y]
        if self.data.loss is None:
            assert self.data.classes is not None
            columns = [(y == c).astype(np.float64) for c in range(len(self.data.classes))]
        sums = [np.bincount(fold, own * column, self.count) for column in columns]
        return Totals(np.column_stack(sums), np.bincount(fold, own, self.count))


class _Rows:
    """What a search asks of all rows."""

    def __init__(self, data: Data, count: int) -> None:
        self.loss: Any = MULTINOMIAL if data.loss is None else data.loss
        self.k = 1 if data.loss is not None or data.classes is None else len(data.classes)
        self.count, self.null = count, np.nan

    def designs(self) -> list[Any]:
        """Return no matrices that a caller's function could change: rows are read anew."""
        return []

    def null_error(self, fit_intercept: bool) -> float:
        return self.null


class GLMPartsSearch(GLMSearch):
    """Search over the penalties of data in parts.

    Parameters
    ----------
    parts : Parts
    data : Data
    folds : Folds
    options : list of Options
        For each l1_ratio.
    scoring : Scoring
        That follows from errors, or an accuracy.
    callback : callable or None
    """

    def __init__(
        self,
        parts: Parts,
        data: Data,
        folds: Folds,
        options: list[Any],
        scoring: Scoring,
        callback: Any,
    ) -> None:
        self.data, self.passes, self.split = data, parts, folds
        self.constraints: tuple[Any, Any] = None, (None, None)  # factors, and bounds
        task = _Facts(folds.number, folds.shared, data)
        facts: Many = parts.sum(task, each=folds.each)
        held, self.known, *rest = facts.values
        (weight,) = held.values
        require_weight(self.known.total)
        self.which = [i for i in range(folds.number) if weight[i] > 0]
        if not self.which:
            raise ValueError("cv holds out no rows of positive weight; expected at least one.")
        for i in self.which:
            if not rest[i].total > 0:
                raise ValueError(
                    f"all train rows of fold {i} of cv have weight 0; expected at least one"
                    " positive weight."
                )
        self.of_fold: list[Known] = rest[: folds.number]
        if data.classes is not None:
            self._note_classes(rest[folds.number :])
        rows_: Any = _Rows(data, len(self.which))
        super().__init__(rows_, options, GLMScoring(rows_, scoring, None), None, callback, "folds")

    def _note_classes(self, labels: list[Any]) -> None:
        """Give the facts of folds the weights of the classes."""
        classes, by_class = self.data.classes, self.data.class_weight
        assert classes is not None
        for i in self.which:
            weight = labels[i].of(classes, by_class)
            if len(classes) > 2 and not weight.all():
                raise ValueError(
                    f"fold {i} of cv trains on no rows of the class"
                    f" {classes[weight.argmin()].item()!r}; expected rows of every class, for data"
                    " in parts with several classes."
                )
            self.of_fold[i].set_classes(classes, weight)

    def _model(self, view: Any, fold: int | None, options: Any) -> GLM:
        known = self.known if fold is None else self.of_fold[fold]
        return GLM(view, self.data, known, *self.constraints, options)

    def grid(self, options: Any, eps: float, n_alphas: int) -> Array:
        """Return the automatic penalties for one l1_ratio, from all rows."""
        from ..solvers.glm.path_run import spaced_from

        model = self._model(self.passes, None, options)
        return spaced_from(model.first_alpha(), eps, n_alphas)

    def null_of(self, model: GLM, alpha: float) -> Null:
        """Return the model without features of all rows."""
        return self.nulls[None, model.is_wide(model.penalty(alpha))]

    def mean_fit(self, i: int) -> tuple[Array, Array]:
        """Return the mean over the folds of penalty i of the table, where a fit to all begins."""
        r, j = divmod(i, self.alphas.shape[1])
        coef, intercept = self.parts["coef"][r, :, j], self.parts["intercept"][r, :, j]
        return coef.mean(axis=0), intercept.mean(axis=0)

    def _is_constant(self, fold: int, fit_intercept: bool) -> bool:
        """Return whether a fold trains on one of two classes."""
        known = self.of_fold[fold]
        if known.labels is None or len(known.labels.weight) > 2 or not fit_intercept:
            return False
        return not known.labels.weight.all()

    def run_parts(self, alphas: Array, penalties: Callable[[float], Array] | None) -> None:
        """Evaluate penalties (n_ratios, m); penalties(total): those of each fold, or None."""
        self.alphas = alphas
        ratios, m = alphas.shape
        own = {
            (r, i): alphas[r] if penalties is None else penalties(self.of_fold[i].total)
            for r in range(ratios)
            for i in self.which
        }
        order = {key: np.argsort(-values, kind="stable").tolist() for key, values in own.items()}
        first = sorted({*range(0, m, _STRIDE), m - 1})
        early = {key: [sorted_[j] for j in first] for key, sorted_ in order.items()}
        late = {key: [j for j in order[key] if j not in early[key]] for key in order}
        nulls = self.nulls = self._nulls(alphas)
        self.found: dict[tuple[int, int, int], Found] = {}
        try:
            self._fit([(*key, j) for key in own for j in early[key]], own, nulls, {})
            starts = {
                (*key, j): self._between(own[key], j, {a: self.found[*key, a] for a in early[key]})
                for key in own
                for j in late[key]
            }
            self._fit(list(starts), own, nulls, starts)
        except StopIteration:
            self.stopped = True
        done = [i for i in self.which if self._is_done(i)]
        if not done:
            raise ValueError(
                "callback stopped the search before one fold was finished for each l1_ratio;"
                " expected at least one."
            )
        self.which = done
        self._note(nulls)

    def _is_done(self, fold: int, ratio: int | None = None) -> bool:
        ratios, m = self.alphas.shape
        some = range(ratios) if ratio is None else [ratio]
        return all((r, fold, j) in self.found for r in some for j in range(m))

    @staticmethod
    def _between(own: Array, j: int, done: dict[int, Found]) -> tuple[Array, Array] | None:
        """Return coefficients and intercepts interpolated in log alpha, in units of X."""
        above = [a for a in done if own[a] >= own[j]]
        below = [a for a in done if own[a] <= own[j]]
        if not above or not below:
            return None
        a, b = min(above, key=lambda i: own[i]), max(below, key=lambda i: own[i])
        t = 0.0
        if own[a] > own[b] > 0:
            t = float(np.log(own[a] / own[j]) / np.log(own[a] / own[b]))
        one, two = done[a], done[b]
        return (
            one.coef + t * (two.coef - one.coef),
            one.intercept + t * (two.intercept - one.intercept),
        )

    def _nulls(self, alphas: Array) -> dict[tuple[int | None, bool], Null]:
        """Return the models without features of each fold and of all rows, by the kind of step."""
        needed = {}
        for options, values in zip(self.options, alphas, strict=True):
            for i in [*self.which, None]:
                if i is not None and self._is_constant(i, options.fit_intercept):
                    continue
                model = self._model(None, i, options)
                for alpha in values:
                    needed[i, model.is_wide(model.penalty(float(alpha)))] = options
        keys = list(needed)
        is_kept = sum(not wide for _, wide in keys) <= self._at_once()

        def fit_of(key: tuple[int | None, bool]) -> Callable[[Any], Null]:
            def fit(view: Any) -> Null:
                null = self._model(view, key[0], needed[key]).null(key[1])
                # each fit that begins there then sums its Hessian anew
                return null if is_kept or key[1] else null._replace(state=None)

            return fit

        fits = [(key[0], fit_of(key)) for key in keys]
        return dict(zip(keys, self._together(fits), strict=True))

    def _fit(self, which: Any, own: Any, nulls: Any, starts: Any) -> None:
        """Fit some penalties (ratio, fold, position), and add them to what is found."""
        fits, keys = [], []
        for r, i, j in which:
            options, alpha, start = self.options[r], float(own[r, i][j]), starts.get((r, i, j))
            if self._is_constant(i, options.fit_intercept):
                self._add((r, i, j), self._constant(i))
                continue

            def fit(
                view: Any,
                i: Any = i,
                options: Any = options,
                alpha: Any = alpha,
                start: Any = start,
            ) -> Found:
                model = self._model(view, i, options)
                null = nulls[i, model.is_wide(model.penalty(alpha))]
                return model.fit(alpha, null, start)

            fits.append((i, fit))
            keys.append((r, i, j))
        self._together(fits, lambda place, one: self._add(keys[place], one))

    def _add(self, key: tuple[int, int, int], one: Found) -> None:
        self.found[key] = one
        r, i, _ = key
        if self.callback is not None and self._is_done(i, r):
            whole = [(q, f) for q in range(len(self.alphas)) for f in self.which]
            done = sum(self._is_done(f, q) for q, f in whole)
            self.callback(done, len(whole))

    def _at_once(self) -> int:
        """Return the number of fits whose Hessians have room."""
        order = self.folds.k * (len(self.known.mean) + 1)
        room = min(_ROOM, default_memory() / 8)
        return int(min(max(1.0, room / (8.0 * order**2)), _MOST))

    def _together(self, fits: Any, after: Any = None) -> list[Any]:
        split = self.split
        folds = split.shared, split.each
        return run_together(self.passes, fits, folds, self._at_once(), after)

    def _constant(self, fold: int) -> Found:
        labels = self.of_fold[fold].labels
        assert labels is not None
        level = _CONSTANT if labels.weight[1] > 0 else -_CONSTANT
        coef = np.zeros((1, len(self.known.mean)))
        return Found(coef, np.array([level]), 0.0, 0.0, 1.0, 0, True, "newton", False, 0.0)

    def _note(self, nulls: Any) -> None:
        """Score the models in a last pass, and set the table."""
        ratios, m = self.alphas.shape
        which = self.which
        fits = [[[self.found[r, i, j] for j in range(m)] for i in which] for r in range(ratios)]

        def table(value: Callable[[Found], Any]) -> Any:
            return np.array([[[value(one) for one in row] for row in rows] for rows in fits])

        coef, intercept = table(lambda f: f.coef), table(lambda f: f.intercept)
        k, p, count = self.folds.k, len(self.known.mean), self.split.number
        every = np.zeros((count, ratios * m, k, p)), np.zeros((count, ratios * m, k))
        null = np.zeros((count, k))
        for place, i in enumerate(which):
            every[0][i] = coef[:, place].reshape(ratios * m, k, p)
            every[1][i] = intercept[:, place].reshape(ratios * m, k)
            kept = [one for (fold, _), one in nulls.items() if fold == i]
            null[i] = kept[0].intercept if kept else self._constant(i).intercept
        mean = self._held_means()
        models = Models(*every, null, self._level(), mean)
        held = _Held(self.split.shared, self.data, models)
        sums: Totals = self.passes.sum(held, each=self.split.each)
        *columns, whole = sums.values
        error, scored, right, null_sum, spread, total, own = (v[which] for v in columns)
        own = np.where(own > 0, own, np.nan)
        scoring = self.scoring.scoring
        if scoring.own_accuracy:
            score = right / own[:, None]
        else:
            level = np.ones(len(which)) if mean is None else spread / own
            scored = np.maximum(scored / own[:, None], 0.0)
            pairs = zip(scored, level, strict=True)
            score = np.array(
                [scoring.from_errors(e[:, None], np.array([s]))[:, 0] for e, s in pairs]
            )
        shape = len(which), ratios, m
        self.n_folds = len(which)
        rows: Any = self.folds
        rows.count, rows.null = len(which), max(float(whole) / self.known.total, 0.0)
        error = np.maximum(error / total[:, None], 0.0)
        self.parts = {
            "train": table(lambda f: f.error),
            "validation": error.reshape(shape).swapaxes(0, 1),
            "score": score.reshape(shape).swapaxes(0, 1),
            "coef": coef,
            "intercept": intercept,
            "n_iter": table(lambda f: f.n_iter),
            "gap": table(lambda f: f.gap / f.null),
            "converged": table(lambda f: f.converged),
            "null": np.tile(np.maximum(null_sum / total, 0.0), (ratios, 1)),
        }

    def _level(self) -> Array:
        """Return the mean (k,) of the model without features of all rows, without an offset."""
        known, k = self.known, self.folds.k
        if not self.options[0].fit_intercept:
            loss = self.data.loss
            return np.full(k, 1.0 / k) if loss is None else loss.inverse_link(np.zeros(1))
        if k == 1:
            return np.array([known.y_sum / known.total])
        assert known.labels is not None
        return np.asarray(known.labels.weight / known.total)

    def _held_means(self) -> Array | None:
        """Return the means (F, k) of held-out targets, where the score needs them."""
        scoring = self.scoring.scoring
        if scoring.own_accuracy or scoring.name in (scoring.loss.error_score, "neg_log_loss"):
            return None
        split = self.split
        task = _Means(split.number, split.shared, self.data)
        sums: Totals = self.passes.sum(task, each=split.each)
        values, weight = sums.values
        return np.asarray(values / np.where(weight > 0, weight, 1.0)[:, None])
