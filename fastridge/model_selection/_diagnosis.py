"""What train and validation errors say about a penalty, in words and as a value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNDER, OVER = "under-fitting", "over-fitting"
RIGHT, INDIFFERENT = "about right", "the penalty does not matter here"

_SAME = 0.01  # share of the least error within which errors are alike
_TAIL = 1e-3  # share of the least error that half a grid's end must gain to point beyond it


@dataclass(slots=True)
class Diagnosis:
    """Whether a penalty holds the fit back too much or too little.

    Attributes
    ----------
    verdict : {"under-fitting", "over-fitting", "about right", \
"the penalty does not matter here"}
        "under-fitting": a smaller penalty does better on rows that were held out, or would, where
        the least error lies at the weak end of the grid. "over-fitting": a larger one. "the penalty
        does not matter here": all penalties of the grid have the same validation error, to 1 % or
        to the standard error of its difference. "about right": the least validation error is within
        one standard error.
    alpha, best_alpha : float
        The penalty that was chosen, and that of the least validation error.
    train_error, validation_error : float
        Mean squared errors at the chosen penalty.
    best_error, worst_error : float
        Least and largest validation error of the grid.
    standard_error : float
        Of the least validation error; NaN where there is one fold.
    null_error : float
        Validation error of the mean alone.
    at_end : bool
        Whether the least validation error lies at an end of the grid, and still falls there.

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
    alpha: float
    best_alpha: float
    train_error: float
    validation_error: float
    best_error: float
    worst_error: float
    standard_error: float
    null_error: float
    at_end: bool

    def __str__(self) -> str:
        errors = (
            f"at alpha={self.alpha:.3g} the mean squared error is {self.train_error:.4g} on the"
            f" rows fitted to and {self.validation_error:.4g} on those held out"
        )
        if self.verdict == INDIFFERENT:
            why = (
                f"over the whole grid the validation error only goes from {self.best_error:.4g} to"
                f" {self.worst_error:.4g}"
            )
        elif self.verdict == RIGHT:
            why = (
                f"the least validation error of the grid is {self.best_error:.4g}, at"
                f" alpha={self.best_alpha:.3g}"
            )
        elif self.at_end and self.alpha == self.best_alpha:
            side = "smaller" if self.verdict == UNDER else "larger"
            why = f"the validation error still falls at that end of the grid: try {side} penalties"
        else:
            why = f"alpha={self.best_alpha:.3g} has a validation error of {self.best_error:.4g}"
        null = f"the mean alone has {self.null_error:.4g}"
        return f"{self.verdict}: {errors}; {why}; {null}."


def diagnose(
    alphas: NDArray[np.float64],
    chosen: int,
    train: NDArray[np.float64],
    validation: NDArray[np.float64],
    folds: NDArray[np.float64] | None,
    error: NDArray[np.float64],
    null: float,
) -> Diagnosis:
    """The diagnosis of one curve; folds: validation errors (n_folds, n_alphas), where there are."""
    known = np.where(np.isfinite(validation), validation, np.inf)
    i, worst = int(np.argmin(known)), int(np.argmax(np.where(np.isfinite(known), known, -np.inf)))
    least = float(validation[i])

    def alike(a: int, b: int) -> bool:
        """Whether the validation errors of two penalties differ by no more than chance."""
        gap = abs(validation[a] - validation[b])
        return bool(gap <= _SAME * least or gap <= _paired(folds, a, b))

    order = np.argsort(alphas)
    at = int(np.flatnonzero(order == i)[0])
    at_end = False
    if len(alphas) > 1 and at in (0, len(alphas) - 1):
        beside = order[1] if at == 0 else order[-2]
        step = abs(np.log10(max(alphas[beside], 1e-300) / max(alphas[i], 1e-300)))
        # per decade
        at_end = bool(validation[beside] - least > _TAIL * least * min(step, 1.0))
    if alike(i, worst):
        verdict = INDIFFERENT
    elif not (alike(i, chosen) or validation[chosen] - least <= error[i]):
        verdict = UNDER if alphas[chosen] > alphas[i] else OVER
    elif at_end and chosen == i:
        verdict = UNDER if at == 0 else OVER
    else:
        verdict = RIGHT
    return Diagnosis(
        verdict,
        float(alphas[chosen]),
        float(alphas[i]),
        float(train[chosen]),
        float(validation[chosen]),
        least,
        float(validation[worst]),
        float(error[i]),
        float(null),
        at_end,
    )


def _paired(folds: NDArray[np.float64] | None, a: int, b: int) -> float:
    """Standard error of the difference of two validation errors over the same folds."""
    if folds is None or len(folds) < 2:
        return 0.0
    difference = folds[:, a] - folds[:, b]
    return float(difference.std(ddof=1) / np.sqrt(len(difference)))
