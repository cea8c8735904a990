"""Train and validation errors of every penalty, the marked penalties, and the verdict on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.check import check_design
from ..losses import Loss, loss_of
from ..model_selection._choice import choose
from ..model_selection._diagnosis import Diagnosis, Freedom, Scores, diagnose
from ..plot.held_out import held_out
from .fits import Array, Fits, Sample, rows_of_ratio


@dataclass(slots=True)
class Curves:
    """Errors (m,) of penalties from small to large, and what they say.

    Attributes
    ----------
    alphas, train, validation : ndarray (m,)
    train_se, validation_se, dof : ndarray (m,) or None
    chosen, least, one_se : int
        Positions of the chosen penalty, of the least validation error, and of the largest penalty
        within one standard error of it.
    null : float
        Validation error of the null model.
    how : str
        How the validation error was measured, in words.
    verdicts : list of Diagnosis
    """

    alphas: Array
    train: Array
    train_se: Array | None
    validation: Array
    validation_se: Array | None
    dof: Array | None
    chosen: int
    least: int
    one_se: int
    null: float
    how: str
    verdicts: list[Diagnosis]


def curves_of_choice(estimator: Any, fits: Fits, sample: Sample, target: int) -> Curves:
    """Return the curves of a fitted estimator that chose its penalty, from its `cv_results_`."""
    from ..plot.cross_validation import CrossValidationDisplay
    from ..plot.estimator_path import marked_penalty
    from ..plot.glm_path import penalty_of_C

    results = estimator.cv_results_
    alphas = np.asarray(results["alpha"])
    per_target = np.ndim(results["validation_error"]) == 2
    display = CrossValidationDisplay.from_estimator(
        estimator, target=target if per_target else None, plot=False
    )
    same = rows_of_ratio(estimator)
    # the search's order decides between equal scores
    grid = alphas[same]

    def column(name: str) -> Any:
        if name not in results:
            return None
        values = np.asarray(results[name])
        values = values[:, same] if name.startswith("fold_") else values[same]
        return values[..., target] if per_target and values.ndim == 2 else values

    alpha: Any = penalty_of_C(estimator) if hasattr(estimator, "Cs_") else None
    alpha = marked_penalty(estimator, target) if alpha is None else alpha
    least: Any = display.alpha_min
    one_se: Any = display.alpha_1se
    told = estimator.diagnosis_[target] if per_target else estimator.diagnosis_
    loss = fits.loss
    scoring = estimator.scoring if callable(getattr(estimator, "scoring", None)) else told.scoring
    folds = None
    if results.kind != "loo" and "fold_score" in results:
        folds = np.asarray(results["fold_score"])[:, same]
        if folds.ndim == 3:
            folds = folds[:, :, target if per_target else 0]
    scores = Scores(scoring, column("score"), column("score_se"), folds)
    null = np.ravel(results["null_error"])
    freedom = _Freedom(sample, fits, column("dof") if fits.kind != "glm" else None)
    train, validation = column("train_error"), column("validation_error")
    known = float(null[target if len(null) > 1 else 0])
    place = {float(a): i for i, a in enumerate(fits.alphas)}
    order = [int(np.flatnonzero(grid == a)[0]) for a in fits.alphas]
    verdicts = [
        diagnose(
            loss,
            grid,
            i,
            train,
            validation,
            known,
            scores,
            freedom.of(not fits.coef[place[float(grid[i])]].any()),
        )
        for i in order
    ]
    how = {
        "folds": f"{results.n_folds} folds",
        "loo": "leave-one-out",
        "gcv": "generalised cross-validation",
        "held-out": "rows held out from the fit",
    }[results.kind]

    def ordered(values: Any) -> Any:
        if values is None:
            return None
        found = np.asarray(values, dtype=np.float64)[order]
        return found if np.isfinite(found).any() else None

    return Curves(
        fits.alphas,
        ordered(train),
        ordered(column("train_error_se")),
        ordered(validation),
        ordered(column("validation_error_se")),
        ordered(column("dof")),
        place[float(alpha)],
        place[float(least)],
        place[float(one_se)],
        known,
        how,
        verdicts,
    )


def curves_of_held_out(
    fits: Fits, train: Sample, held: Sample, alpha: float | None, dof: Any, how: str
) -> Curves:
    """Return the curves of fits to `train`, judged on `held`.

    alpha: the chosen penalty; None: that of the least error.
    """
    m = len(fits.alphas)
    error, se = errors_of(fits, held)
    loss = fits.loss
    if train.offset is None:
        y = train.y.reshape(train.A.n_rows, -1)
        own = loss.error_of_rows(train.A, y, train.weight, fits.coef, fits.intercept).mean(axis=1)
        mean = np.atleast_1d(loss.null_mean(y, train.weight, fits.fit_intercept))
        n = held.A.n_rows
        shown = np.broadcast_to(mean, (n, len(mean)))
        other = held.y if loss.name == "multinomial" else held.y.reshape(n, -1)
        null = float(np.mean(loss.mean_deviance(other, shown, held.weight)))
    else:
        own = errors_of(fits, train)[0]
        null = _constant_error(loss, held, _constant(fits, train))
    least = choose("min", fits.alphas, -error, se, None)
    one_se = choose("1se", fits.alphas, -error, se, None)
    chosen = least
    if alpha is not None and alpha > 0:
        chosen = int(np.argmin(abs(np.log(fits.alphas / alpha))))
    scores = Scores(loss.error_score, -error, se, None)
    freedom = _Freedom(train, fits, dof)
    verdicts = [
        diagnose(loss, fits.alphas, i, own, error, null, scores, freedom.of(not fits.coef[i].any()))
        for i in range(m)
    ]
    return Curves(
        fits.alphas, own, None, error, se, dof, chosen, least, one_se, null, how, verdicts
    )


def errors_of(fits: Fits, held: Sample) -> tuple[Array, Array]:
    """Return mean deviances (m,) on held-out rows, and their standard errors."""
    k = fits.coef.shape[1]
    if k == 1 or fits.loss.name == "multinomial":
        return held_out(fits, fits.loss, held.X, held.y, held.weight, held.offset, None)
    # a squared error for each class
    parts = [
        held_out(
            _one_target(fits, t),
            fits.loss,
            held.X,
            held.y[:, t],
            held.weight,
            None,
            None,
        )
        for t in range(k)
    ]
    # the errors of classes are dependent: their mean standard error is an upper bound
    return np.mean([e for e, _ in parts], axis=0), np.mean([s for _, s in parts], axis=0)


def _one_target(fits: Fits, t: int) -> Fits:
    part = fits.take(slice(None))
    part.coef, part.intercept = part.coef[:, t : t + 1], part.intercept[:, t : t + 1]
    return part


def _constant(fits: Fits, sample: Sample) -> Any:
    """Return the constants (k,) that the model without features adds to the offset."""
    from ..solvers.glm import softmax
    from ..solvers.glm.options import NOTHING, Options
    from ..solvers.glm.problem import GLMProblem

    k = fits.coef.shape[1]
    if not fits.fit_intercept:
        return np.zeros(k)
    A = check_design(np.zeros((sample.A.n_rows, 1)))
    given = sample.weight, sample.offset
    if k == 1:
        options = (None, None, None, True, False)
        return np.array([GLMProblem(A, sample.y, fits.loss, given[0], *options, given[1]).null.b])
    problem, some = softmax.make_problem(A, sample.y, k, Options(), given[0], NOTHING, given[1])
    level = np.full(k, -np.inf)
    level[slice(None) if some is None else some] = problem.null.b
    return level


def _constant_error(loss: Loss, sample: Sample, constant: Any) -> float:
    """Return the mean deviance of constants added to the offset."""
    assert sample.offset is not None
    eta = sample.offset + (constant if len(constant) > 1 else constant[0])
    each = 2.0 * np.maximum(loss.value(sample.y, eta) - loss.least(sample.y), 0.0)
    return float(np.average(each, weights=sample.weight))


class _Freedom:
    """What the verdict needs to know beside the errors."""

    def __init__(self, sample: Sample, fits: Fits, dof: Any) -> None:
        if sample.offset is None:
            y = sample.y.reshape(sample.A.n_rows, -1)
            null = loss_of(fits.loss).null_deviance(y, sample.weight, fits.fit_intercept)
            self.null = float(np.mean(null))
        else:
            self.null = _constant_error(fits.loss, sample, _constant(fits, sample))
        self.dof = None if dof is None else np.asarray(dof, dtype=np.float64)
        n, p = sample.A.shape
        self.most = min(n - fits.fit_intercept, p) if dof is not None else np.inf

    def of(self, zero: bool) -> Freedom:
        return Freedom(self.null, bool(zero), self.dof, self.most)


def rows_apart(n: int, labels: NDArray[Any] | None, groups: Any, seed: int) -> Any:
    """Return the split that holds out a fifth of the rows, whole groups of them where given."""
    from ..model_selection._splits import hold_out

    return hold_out(0.2, n, groups, labels, np.random.default_rng(seed))[0]
