"""Calibration plot: observed means against predicted means."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.check import check_design, check_sample_weight, check_target
from .base import BLUE, Display, draw_legend


class CalibrationDisplay(Display):
    """Observed means against predicted means, in bins of the predictions.

    They are shares of a class against its predicted probabilities, or observed means of counts and
    amounts against predicted ones. The points of a calibrated model lie on the diagonal, up to
    their errors.

    Parameters
    ----------
    predicted, observed : ndarray of shape (n_bins,)
        Weighted means of the predictions and of the targets in each bin.
    observed_se : ndarray of shape (n_bins,) or None, default=None
        Standard errors of `observed`, for independent samples; NaN for bins of one sample.
    weight : ndarray of shape (n_bins,) or None, default=None
        Sums of the weights of the bins.
    label : str or None, default=None
        Name in the legend, such as that of a model or a class.
    is_probability : bool, default=False
        The means are probabilities, so that both axes go from 0 to 1.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the plot.
    line_ : matplotlib.lines.Line2D
        The points.
    diagonal_ : matplotlib.lines.Line2D
        The diagonal, where observed equals predicted.

    See Also
    --------
    LogisticRegression : Logistic and multinomial regression with L2 and L1 penalties.
    CrossValidationDisplay : Train and validation errors against the penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import CalibrationDisplay, LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 3))
    >>> y = rng.random(1000) < 1 / (1 + np.exp(-X[:, 0]))
    >>> model = LogisticRegression().fit(X[:500], y[:500])
    >>> display = CalibrationDisplay.from_estimator(model, X[500:], y[500:], n_bins=5, plot=False)
    >>> display.predicted.shape, bool(abs(display.observed - display.predicted).max() < 0.2)
    ((5,), True)
    """

    def __init__(
        self,
        predicted: NDArray[np.float64],
        observed: NDArray[np.float64],
        *,
        observed_se: NDArray[np.float64] | None = None,
        weight: NDArray[np.float64] | None = None,
        label: str | None = None,
        is_probability: bool = False,
    ) -> None:
        self.predicted, self.observed = np.asarray(predicted), np.asarray(observed)
        if self.predicted.ndim != 1 or self.observed.shape != self.predicted.shape:
            raise ValueError(
                f"predicted and observed have shapes {self.predicted.shape} and"
                f" {self.observed.shape}; expected (n_bins,) of both."
            )
        self.observed_se, self.weight = observed_se, weight
        self.label, self.is_probability = label, is_probability

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        target: Any = None,
        n_bins: int = 10,
        label: str | None = None,
        ax: Any = None,
        plot: bool = True,
        **predict_options: Any,
    ) -> Self:
        """Make the display of a fitted model's predictions for X, preferably new samples, and of y.

        Parameters
        ----------
        estimator : classifier with predict_proba, or regressor
            Fitted.
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Class labels, or values.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights of the samples; for means per unit of exposure, the exposures.
        target : label or None, default=None
            The class whose probability is shown; None: the last one of `classes_`.
        n_bins : int, default=10
            Largest number of bins, which are quantiles of the predictions: about equally many
            samples in each. Samples of equal predictions are in one bin.
        label : str or None, default=None
            Name in the legend; None: the class of the estimator.
        ax : matplotlib Axes or None, default=None
            Where to draw; None: a new figure.
        plot : bool, default=True
            Draw at once.
        **predict_options
            Passed to `predict_proba` or `predict`: offset, exposure, posterior.

        Returns
        -------
        CalibrationDisplay

        Raises
        ------
        TypeError
            If a classifier has no probabilities.
        ValueError
            If `target` is not a class, or the arguments do not fit together.
        """
        name = type(estimator).__name__ if label is None else label
        classes = getattr(estimator, "classes_", None)
        if classes is None:
            mean = np.asarray(estimator.predict(X, **predict_options))
            if mean.ndim != 1:
                raise ValueError(f"estimator predicts {mean.shape[1]} targets; expected one.")
            truth = y
        else:
            if not hasattr(estimator, "predict_proba"):
                raise TypeError(
                    f"estimator is a {type(estimator).__name__}, which has no predict_proba;"
                    " expected one that predicts probabilities, such as LogisticRegression."
                )
            chosen = classes[-1] if target is None else target
            place = np.flatnonzero(classes == chosen)
            if len(place) != 1:
                raise ValueError(
                    f"target is {target!r}; expected one of the classes {classes.tolist()}."
                )
            mean = np.asarray(estimator.predict_proba(X, **predict_options))[:, place[0]]
            labels = np.asarray(y)
            if labels.shape != mean.shape:
                raise ValueError(f"y has shape {labels.shape}; expected {mean.shape}.")
            truth = (labels == chosen).astype(np.float64)
        return cls.from_predictions(
            truth,
            mean,
            sample_weight=sample_weight,
            n_bins=n_bins,
            label=name,
            is_probability=classes is not None,
            ax=ax,
            plot=plot,
        )

    @classmethod
    def from_predictions(
        cls,
        y: Any,
        mean: Any,
        *,
        sample_weight: Any = None,
        n_bins: int = 10,
        label: str | None = None,
        is_probability: bool = False,
        ax: Any = None,
        plot: bool = True,
    ) -> Self:
        """Make the display of given predictions.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Values, or 1 for samples of the class and 0 for others.
        mean : array-like of shape (n_samples,)
            Predicted means, or probabilities of the class.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights of the samples.
        n_bins : int, default=10
            Largest number of bins, of about equally many samples.
        label : str or None, default=None
            Name in the legend.
        is_probability : bool, default=False
            The means are probabilities.
        ax : matplotlib Axes or None, default=None
            Where to draw; None: a new figure.
        plot : bool, default=True
            Draw at once.

        Returns
        -------
        CalibrationDisplay

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described.

        Examples
        --------
        >>> from fastridge import CalibrationDisplay
        >>> display = CalibrationDisplay.from_predictions(
        ...     [0, 1, 2, 5], [0.5, 0.5, 3.0, 4.0], n_bins=2, plot=False
        ... )
        >>> display.predicted, display.observed
        (array([0.5, 3.5]), array([0.5, 3.5]))
        """
        if isinstance(n_bins, bool) or not isinstance(n_bins, (int, np.integer)) or n_bins < 1:
            raise ValueError(f"n_bins is {n_bins!r}; expected an int of at least 1.")
        predicted = check_design(np.asarray(mean).reshape(-1, 1), name="mean").rows(
            0, np.size(mean)
        )
        x = np.ascontiguousarray(predicted[:, 0], dtype=np.float64)
        n = len(x)
        y = check_target(y, n)
        if y.ndim != 1:
            raise ValueError(f"y has shape {y.shape}; expected ({n},).")
        weight = check_sample_weight(sample_weight, n)
        weight = np.ones(n) if weight is None else weight
        display = cls(
            **_means(x, y, weight, int(n_bins)), label=label, is_probability=is_probability
        )
        return display.plot(ax=ax) if plot else display

    def plot(self, ax: Any = None) -> Self:
        """Draw the points with bars of two standard errors, and the diagonal.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None: a new figure. Axes of another display: compare two models.

        Returns
        -------
        self : CalibrationDisplay
        """
        ax = self._start(ax)
        ends = np.array([0.0, 1.0])
        if not self.is_probability:
            both = np.concatenate([self.predicted, self.observed])
            ends = np.array([both.min(), both.max()])
        known = [line for line in ax.lines if line.get_label() == "calibrated"]
        if known:
            self.diagonal_ = known[0]
        else:
            (self.diagonal_,) = ax.plot(ends, ends, ":", color="black", label="calibrated")
        colour = BLUE if not known else None
        error = None if self.observed_se is None else 2.0 * np.nan_to_num(self.observed_se)
        bars = ax.errorbar(
            self.predicted,
            self.observed,
            yerr=error,
            marker="o",
            markersize=4,
            color=colour,
            capsize=2,
            label=self.label or "observed",
        )
        self.line_ = bars.lines[0]
        if self.is_probability:
            ax.set_xlim(0.0, 1.0)
            ax.set_ylim(0.0, 1.0)
        what = "probability" if self.is_probability else "value"
        ax.set_xlabel(f"mean predicted {what}")
        ax.set_ylabel("share of the class" if self.is_probability else "mean observed value")
        draw_legend(ax)
        return self


def _means(
    x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64], n_bins: int
) -> dict[str, Any]:
    """Return means and standard errors in bins of x, whose edges are its quantiles."""
    live = weight > 0
    x, y, weight = x[live], y[live], weight[live]
    # samples of equal predictions share a bin
    edges = np.unique(np.quantile(x, np.arange(1, n_bins) / n_bins, method="lower"))
    bins = np.searchsorted(edges, x, side="left" if len(edges) else "right")
    _, bins = np.unique(bins, return_inverse=True)
    total = np.bincount(bins, weights=weight)
    predicted = np.bincount(bins, weights=weight * x) / total
    observed = np.bincount(bins, weights=weight * y) / total
    count = np.bincount(bins)
    off = (weight * (y - observed[bins])) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(np.bincount(bins, weights=off) * (count / (count - 1.0))) / total
    return {
        "predicted": predicted,
        "observed": observed,
        "observed_se": np.where(count > 1, se, np.nan),
        "weight": total,
    }
