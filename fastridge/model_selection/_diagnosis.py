"""Diagnose a penalty from its train and validation errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..losses import Loss, loss_of

UNDER, OVER = "under-fitting", "over-fitting"
RIGHT, INDIFFERENT = "about right", "the penalty does not matter here"

_SAME = 0.01  # share of the best score's loss within which losses are equivalent
_TAIL = 1e-3  # share of that loss that a grid's last decade must gain to point beyond the end
_ABOVE = 0.05  # share of the train error by which a validation error is well above it
_NEAR = 0.05  # share of the mean's error that a fit must explain to count as more than the mean
_HOLDS = 0.75  # share of what it explains of train rows that a good fit explains of others
_EXACT = 1e-4  # share of the mean's error below which nothing is left to gain


@dataclass(slots=True)
class Diagnosis:
    """Verdict on whether a penalty is too large, too small or about right.

    Attributes
    ----------
    verdict : {"under-fitting", "over-fitting", "about right", \
"the penalty does not matter here"}
        Verdict; see the notes.
    reason : str
        Reason of the verdict, in words.
    alpha, best_alpha : float
        The chosen penalty, and that of the best score.
    train_error, validation_error : float
        Mean deviances at the chosen penalty; for the squared loss, mean squared errors.
    best_error, worst_error : float
        Validation errors at the penalties of the best and the worst score.
    null_error : float
        Validation error of the null model; for the squared loss, that of the mean alone.
    scoring : str
        Score by which the penalty was chosen; larger is better.
    score, best_score, worst_score : float
        Mean scores of the chosen penalty, and the best and the worst of the grid.
    standard_error : float
        Standard error of the best mean score; NaN for one fold.
    at_end : bool
        True where the best score lies at an end of the grid, and still improves there.
    loss : str
        Name of the loss, in `fastridge.losses.LOSSES`.

    Notes
    -----
    Penalties are compared by the score that chose the penalty, so that the choice of "1se" is
    within one standard error here too; how well they fit is judged by the mean deviances. "The
    mean" is the null model. The loss of a score is 1 - score where 1 is perfect, as for R^2 and
    accuracy, else -score. Two scores are equivalent if they differ by at most 1 % of the least
    loss, or by at most the standard error of their difference over the folds, or if both validation
    errors are below 1e-4 of the mean's. A validation error is well above the train error if it
    exceeds it by more than 5 % plus the excess of the mean's held-out error over the mean's train
    error. The verdict is the first of these that holds:

    1. The chosen score is worse than the best by more than its standard error, and not equivalent.
       "under-fitting" if the best has a smaller penalty; if it has a larger one, "over-fitting"
       where the validation error is well above the train error, else "about right".
    2. "over-fitting": the validation error is well above the train error, some coefficient is not
       0, and the errors call for a larger penalty in one of three ways. Either the validation error
       is more than 1 % above that of the mean, unless a penalty that leaves little more than the
       mean was tried and scores worse. Or the chosen penalty is the best and the largest of the
       grid, and the score still improves there: by 0.1 % of the least loss per decade, and over the
       grid by more than the standard error of the difference. Where less than 3/4 of what the fit
       explains of train rows holds on held-out rows, any improvement there counts, if it is more
       than twice that standard error over the grid. Or the penalty was chosen by another score than
       the deviance, and a larger one has less than 3/4 of the validation error.
    3. "under-fitting": the chosen penalty is the best and the smallest, the score still improves
       there, and train and validation error are above 1e-4 of the mean's. Or even the smallest
       penalty, whose score is equivalent to the best, leaves little more than the mean: its train
       error is within 5 % of the mean's, and at most half of the degrees of freedom are left (where
       they are known).
    4. "the penalty does not matter here": all scores of several penalties are equivalent, and the
       fit is good: its validation error is not well above the train error, or at least 3/4 of what
       it explains of train rows holds on held-out rows.
    5. "about right".

    A fit whose coefficients are all 0 is therefore never called over-fitting.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import RidgeCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((40, 30))
    >>> y = X @ rng.standard_normal(30) + 5 * rng.standard_normal(40)
    >>> model = RidgeCV(alphas=[1e-3, 1e-2], cv=5).fit(X, y)
    >>> model.diagnosis_.verdict
    'over-fitting'
    """

    verdict: str
    reason: str
    alpha: float
    best_alpha: float
    train_error: float
    validation_error: float
    best_error: float
    worst_error: float
    null_error: float
    scoring: str
    score: float
    best_score: float
    worst_score: float
    standard_error: float
    at_end: bool
    loss: str

    def __str__(self) -> str:
        loss = loss_of(self.loss)
        return (
            f"{self.verdict}: at alpha={self.alpha:.3g} the {loss.error_name} is"
            f" {self.train_error:.4g} on the rows fitted to and {self.validation_error:.4g} on"
            f" those held out; {self.reason}; {loss.null_name} alone has {self.null_error:.4g}."
        )


class Scores(NamedTuple):
    """Scores of every penalty; larger is better."""

    scoring: Any  # name or callable
    mean: NDArray[np.float64]  # (m,)
    error: NDArray[np.float64]  # (m,), of these means
    folds: NDArray[np.float64] | None  # (n_folds, m), where there are folds

    @property
    def name(self) -> str:
        scoring = self.scoring
        return scoring if isinstance(scoring, str) else getattr(scoring, "__name__", repr(scoring))

    def losses(self) -> NDArray[np.float64]:
        """Return losses (m,), 0 for a perfect score if that is known; infinite for NaN scores."""
        named = isinstance(self.scoring, str)
        top = 1.0 if named and not self.scoring.startswith("neg_") else 0.0
        return np.where(np.isfinite(self.mean), top - self.mean, np.inf)


class Freedom(NamedTuple):
    """Facts about the fits other than their errors."""

    train_null: float  # train error of the mean alone
    zero: bool  # whether all coefficients of the chosen fit are 0
    dof: NDArray[np.float64] | None = None  # (m,)
    most: float = np.inf  # degrees of freedom without a penalty


def diagnose(
    loss: Loss,
    alphas: NDArray[np.float64],
    chosen: int,
    train: NDArray[np.float64],
    validation: NDArray[np.float64],
    null: float,
    scores: Scores,
    freedom: Freedom,
) -> Diagnosis:
    """Diagnose one curve; errors are mean deviances (m,)."""
    curve = _Curve(loss, alphas, train, validation, null, scores, freedom)
    # scores of a scorer may be infinite, or NaN
    with np.errstate(invalid="ignore"):
        verdict, reason = curve.judge(chosen)
    best, worst = curve.best, curve.worst
    return Diagnosis(
        verdict,
        reason,
        float(alphas[chosen]),
        float(alphas[best]),
        float(train[chosen]),
        float(validation[chosen]),
        float(validation[best]),
        float(validation[worst]),
        float(null),
        scores.name,
        float(scores.mean[chosen]),
        float(scores.mean[best]),
        float(scores.mean[worst]),
        float(scores.error[best]),
        curve.at_end,
        loss.name,
    )


class _Curve:
    """Errors and scores of a grid, and the verdict on a penalty of it."""

    def __init__(
        self,
        of: Loss,
        alphas: NDArray[np.float64],
        train: NDArray[np.float64],
        validation: NDArray[np.float64],
        null: float,
        scores: Scores,
        freedom: Freedom,
    ) -> None:
        self.alphas, self.train, self.validation, self.null = alphas, train, validation, null
        self.scores, self.freedom = scores, freedom
        self.null_name, self.error_name = of.null_name, of.error_name
        # whether the score is the error itself
        self.of_error = scores.name == of.error_score
        loss = self.loss = scores.losses()
        self.best = int(np.argmin(loss))
        self.worst = int(np.argmax(np.where(np.isfinite(loss), loss, -np.inf)))
        self.scale = abs(loss[self.best])
        order = np.argsort(alphas, kind="stable")
        self.weak, self.strong = int(order[0]), int(order[-1])
        self.gain = 0.0  # gain per decade in the last step to the end where the best is
        if len(alphas) > 1 and self.best in (self.weak, self.strong):
            beside = int(order[1] if self.best == self.weak else order[-2])
            step = abs(np.log10(max(alphas[beside], 1e-300) / max(alphas[self.best], 1e-300)))
            if step > 0 and np.isfinite(loss[beside]):
                self.gain = (loss[beside] - loss[self.best]) / min(step, 1.0)
        self.at_end = bool(self.gain > _TAIL * self.scale)

    def chance(self, a: int, b: int) -> float:
        """Return the standard error of the difference of two mean scores over the same folds."""
        folds = self.scores.folds
        if folds is None or len(folds) < 2:
            return 0.0
        difference = folds[:, a] - folds[:, b]
        return float(difference.std(ddof=1) / np.sqrt(len(difference)))

    def alike(self, a: int, b: int) -> bool:
        """Return whether the scores of two penalties differ by little, or by at most chance."""
        if a == b or max(self.validation[a], self.validation[b]) <= _EXACT * self.null:
            return True
        if not np.isfinite(self.loss[[a, b]]).all():
            return False
        gap = abs(self.loss[a] - self.loss[b])
        return bool(gap <= _SAME * self.scale or gap <= self.chance(a, b))

    def holds(self, c: int) -> bool:
        """Return whether 3/4 of what the fit explains of train rows holds on held-out rows."""
        explained = self.freedom.train_null - self.train[c]
        return bool(self.null - self.validation[c] >= _HOLDS * explained)

    def above(self, c: int) -> bool:
        """Return whether the validation error is well above the train error."""
        excess_of_mean = max(self.null - self.freedom.train_null, 0.0)
        return bool(self.validation[c] - self.train[c] > _ABOVE * self.train[c] + excess_of_mean)

    def worse_beyond(self, c: int) -> bool:
        """Return whether a penalty that leaves little more than the mean was tried and is worse."""
        end = self.strong
        tried = self.train[end] >= (1.0 - _NEAR) * self.freedom.train_null
        return bool(tried and self.loss[end] > self.loss[c] and not self.alike(c, end))

    def milder(self, c: int) -> int | None:
        """Return the larger penalty of the least validation error, if that is much less."""
        larger = np.flatnonzero(self.alphas > self.alphas[c])
        if not len(larger):
            return None
        least = int(larger[np.argmin(self.validation[larger])])
        return least if self.validation[least] < _HOLDS * self.validation[c] else None

    def held_back(self) -> bool:
        """Return whether even the smallest penalty leaves little more than the mean."""
        weak, free = self.weak, self.freedom
        if free.dof is not None and free.dof[weak] > 0.5 * free.most:
            return False
        return bool(self.train[weak] >= (1.0 - _NEAR) * free.train_null > 0)

    def judge(self, c: int) -> tuple[str, str]:
        """Return the verdict on penalty c, and its reason."""
        i, loss, alphas = self.best, self.loss, self.alphas
        above = not self.freedom.zero and self.above(c)
        better = f"alpha={alphas[i]:.3g} has {self.value(i)}"
        if not (self.alike(i, c) or loss[c] - loss[i] <= self.scores.error[i]):
            if alphas[c] > alphas[i]:
                return UNDER, better
            return (OVER if above else RIGHT), better
        beaten = self.validation[c] > (1.0 + _SAME) * self.null
        if above and beaten and not self.worse_beyond(c):
            return OVER, f"that is worse than {self.null_name} alone: try larger penalties"
        if above and i == c == self.strong and len(alphas) > 1:
            all_over, chance = loss[self.weak] - loss[i], self.chance(i, self.weak)
            much = self.at_end and all_over > chance
            if much or (not self.holds(c) and self.gain > 0 and all_over > 2.0 * chance):
                return OVER, f"{self.curve()} at that end of the grid: try larger penalties"
        milder = self.milder(c)
        if above and not self.of_error and milder is not None:
            return OVER, (
                f"{self.what()} is {self.figure(c)} there, but alpha={alphas[milder]:.3g} has a"
                f" {self.error_name} of {self.validation[milder]:.4g} on held-out rows: try larger"
                " penalties"
            )
        to_gain = min(self.train[c], self.validation[c]) > _EXACT * self.null
        if i == c == self.weak and self.at_end and to_gain:
            return UNDER, f"{self.curve()} at that end of the grid: try smaller penalties"
        if self.held_back() and self.alike(i, self.weak):
            return UNDER, (
                f"on the rows fitted to, the smallest penalty of the grid has"
                f" {self.train[self.weak]:.4g} and {self.null_name}"
                f" {self.freedom.train_null:.4g}: try smaller penalties"
            )
        if len(alphas) > 1 and self.alike(i, self.worst) and (self.holds(c) or not above):
            return INDIFFERENT, (
                f"over the whole grid {self.what()} only goes from {self.figure(i)} to"
                f" {self.figure(self.worst)}"
            )
        if len(alphas) == 1:
            return RIGHT, "no other penalty was tried"
        if self.validation[c] > (1.0 - _SAME) * self.null:
            return RIGHT, (
                f"the best of the grid is {self.value(i)}, at alpha={alphas[i]:.3g}, which is no"
                f" better than {self.null_name}: held-out rows show no effect of the features"
            )
        return RIGHT, f"the best of the grid is {self.value(i)}, at alpha={alphas[i]:.3g}"

    def what(self) -> str:
        return "the validation error" if self.of_error else f"the score ({self.scores.name})"

    def figure(self, j: int) -> str:
        return f"{self.validation[j] if self.of_error else self.scores.mean[j]:.4g}"

    def value(self, j: int) -> str:
        return self.what().replace("the ", "a ", 1) + f" of {self.figure(j)}"

    def curve(self) -> str:
        return f"{self.what()} still {'falls' if self.of_error else 'rises'}"
