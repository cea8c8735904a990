"""Train and validation error against the penalty."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from ..losses import SQUARED, loss_of
from .base import BLUE, GREEN, ORANGE, PINK, Display, draw_legend
from .glm_path import penalty_of_C
from .held_out import held_out

_DOF_TICKS = 6


class CrossValidationDisplay(Display):
    """Train and validation error against the penalty, with the chosen penalty.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Penalties.
    train_error : ndarray of shape (n_alphas,)
        Mean deviances of the loss on training rows; for the squared loss, mean squared errors.
    validation_error : ndarray of shape (n_alphas,) or None, default=None
        Mean deviances on held-out rows.
    train_error_se, validation_error_se : ndarray of shape (n_alphas,) or None
        Standard errors of these means.
    alpha_min, alpha_1se : float or None, default=None
        Penalty of the least validation error, and the largest penalty within one standard error of
        it. Both refer to the curve that is drawn, whatever the score by which `alpha` was chosen.
    dof : ndarray of shape (n_alphas,) or None
        Effective degrees of freedom, for the scale along the top.
    alpha : float or None
        Chosen penalty, marked where it is neither of these.
    scoring : str or None
        Score by which `alpha` was chosen; named in the legend unless it is the error that is drawn.
    loss : str, default="squared"
        Name of the loss in `fastridge.losses.LOSSES`, for the label of the error axis.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the plot.
    train_line_, validation_line_ : matplotlib.lines.Line2D or None
        The curves.
    top_ax_ : matplotlib Axes or None
        Axis of the degrees of freedom.

    See Also
    --------
    RidgeCV : Ridge regression that chooses its penalty.
    ElasticNetCV : Elastic net that chooses its penalties.
    RegularizationPathDisplay : Coefficients against the penalty.
    CalibrationDisplay : Observed against predicted means.
    report : Write an interactive page about the penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import CrossValidationDisplay, RidgeCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 10))
    >>> model = RidgeCV(np.logspace(-2, 4, 20), cv=5).fit(X, X[:, 0] + rng.standard_normal(60))
    >>> display = CrossValidationDisplay.from_estimator(model, plot=False)
    >>> bool(display.alpha_min <= display.alpha_1se)
    True
    """

    def __init__(
        self,
        alphas: NDArray[np.float64],
        train_error: NDArray[np.float64],
        validation_error: NDArray[np.float64] | None = None,
        *,
        alpha_min: float | None = None,
        alpha_1se: float | None = None,
        train_error_se: NDArray[np.float64] | None = None,
        validation_error_se: NDArray[np.float64] | None = None,
        dof: NDArray[np.float64] | None = None,
        alpha: float | None = None,
        scoring: str | None = None,
        loss: str = "squared",
    ) -> None:
        self.alphas, self.loss = alphas, loss
        self.train_error, self.validation_error = train_error, validation_error
        self.train_error_se, self.validation_error_se = train_error_se, validation_error_se
        self.alpha_min, self.alpha_1se, self.alpha = alpha_min, alpha_1se, alpha
        self.dof, self.scoring = dof, scoring

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, target: int | None = None, ax: Any = None, plot: bool = True
    ) -> Self:
        """Make the display of a fitted estimator that has `cv_results_`.

        Parameters
        ----------
        estimator : RidgeCV, RidgeClassifierCV, LassoCV, ElasticNetCV, MultiTaskLassoCV, \
MultiTaskElasticNetCV, LogisticRegressionCV or GLMCV
            Fitted, or interrupted after some folds.
        target : int or None, default=None
            Index of the target, where each has its own penalty; None: the mean of all targets.
        ax : matplotlib Axes or None, default=None
            Where to draw; None: a new figure.
        plot : bool, default=True
            Draw at once.

        Returns
        -------
        CrossValidationDisplay

        Raises
        ------
        NotFittedError
            If the estimator has no `cv_results_`.
        ImportError
            If `plot` is True and matplotlib is not installed.
        """
        from ..model_selection._choice import best

        results = getattr(estimator, "cv_results_", None)
        if results is None:
            raise _sklearn.exception("NotFittedError")(
                f"{estimator!r} has no cv_results_; expected a fitted estimator that chooses its"
                " penalty."
            )
        alphas = np.asarray(results["alpha"])
        chosen = np.ones(len(alphas), dtype=bool)
        if "l1_ratio" in results:
            # the best l1_ratio, if the search was interrupted
            ratio = results["l1_ratio"][best(np.asarray(results["score"]))]
            ratio = np.ravel(getattr(estimator, "l1_ratio_", ratio))[0]
            chosen = results["l1_ratio"] == (0.0 if ratio is None else ratio)

        def column(name: str) -> Any:
            if name not in results:
                return None
            values = np.asarray(results[name])[chosen]
            if values.ndim == 2:
                values = values.mean(axis=1) if target is None else values[:, target]
            return values

        alphas = alphas[chosen]
        error, deviation = column("validation_error"), column("validation_error_se")
        if deviation is None:
            deviation = np.full(len(alphas), np.nan)
        least, one = _choices(alphas, error, deviation)
        # an interrupted search has not chosen a penalty
        alpha: Any = getattr(estimator, "alpha_", penalty_of_C(estimator))
        if np.ndim(alpha):
            alpha = None if target is None else float(alpha[target])
        diagnosis = getattr(estimator, "diagnosis_", None)
        if isinstance(diagnosis, tuple):
            diagnosis = diagnosis[0]
        display = cls(
            alphas,
            column("train_error"),
            error,
            alpha_min=least,
            alpha_1se=one,
            train_error_se=column("train_error_se"),
            validation_error_se=deviation,
            dof=column("dof"),
            alpha=alpha,
            scoring=None if diagnosis is None else diagnosis.scoring,
            loss=results.loss,
        )
        return display.plot(ax=ax) if plot else display

    @classmethod
    def from_path(
        cls,
        path: Any,
        X: Any = None,
        y: Any = None,
        *,
        sample_weight: Any = None,
        offset: Any = None,
        exposure: Any = None,
        alpha: float | None = None,
        ax: Any = None,
        plot: bool = True,
    ) -> Self:
        """Make the display of a path: its mean deviance on its training data, and on other data.

        Parameters
        ----------
        path : GLMPath, ElasticNetPath or RidgePath
            Path of one target.
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features), or \
None, default=None
            Held-out features; None: only the training curve.
        y : array-like of shape (n_samples,) or None, default=None
            Held-out targets.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights of the held-out samples.
        offset, exposure : array-like of shape (n_samples,) or None, default=None
            Known terms of the linear predictor of the held-out samples, as in `glm`.
        alpha : float or None, default=None
            Penalty to mark.
        ax : matplotlib Axes or None, default=None
            Where to draw; None: a new figure.
        plot : bool, default=True
            Draw at once.

        Returns
        -------
        CrossValidationDisplay

        Raises
        ------
        TypeError
            If `path` is not one of these.
        ValueError
            If `path` has several targets, or the arguments do not fit together.

        Examples
        --------
        >>> import numpy as np
        >>> import fastridge
        >>> rng = np.random.default_rng(0)
        >>> X = rng.standard_normal((200, 5))
        >>> y = rng.poisson(np.exp(0.5 * X[:, 0]))
        >>> path = fastridge.glm_path(X[:100], y[:100], "poisson", n_alphas=20)
        >>> display = fastridge.CrossValidationDisplay.from_path(
        ...     path, X[100:], y[100:], plot=False
        ... )
        >>> bool(display.alpha_min in path.alphas), display.loss
        (True, 'poisson')
        """
        if not all(hasattr(path, name) for name in ("alphas", "predict")) or not (
            hasattr(path, "deviance") or hasattr(path, "residual")
        ):
            raise TypeError(
                f"path is a {type(path).__name__}; expected the result of ridge_path,"
                " elastic_net_path or glm_path."
            )
        if (X is None) != (y is None):
            raise ValueError("only one of X and y is given; expected both or neither.")
        loss = getattr(path, "loss", SQUARED)
        if hasattr(path, "deviance"):
            train = path.deviance / path[0].total_weight if len(path) else path.deviance
        else:
            train = np.asarray(path.residual) / path.n_samples
        if train.ndim != 1:
            raise ValueError(f"path has {train.shape[1]} targets; expected one.")
        error = deviation = least = one = None
        if X is not None:
            error, deviation = held_out(path, loss, X, y, sample_weight, offset, exposure)
            least, one = _choices(path.alphas, error, deviation)
        display = cls(
            path.alphas,
            train,
            error,
            alpha_min=least,
            alpha_1se=one,
            validation_error_se=deviation,
            alpha=alpha,
            loss=loss.name,
        )
        return display.plot(ax=ax) if plot else display

    def plot(self, ax: Any = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None: a new figure.

        Returns
        -------
        self : CrossValidationDisplay
        """
        loss = loss_of(self.loss)
        ax = self._start(ax)
        order = np.argsort(self.alphas)
        order = order[self.alphas[order] > 0]
        x = self.alphas[order]
        curves = (
            ("train", self.train_error, self.train_error_se, ORANGE, "--", "s"),
            ("validation", self.validation_error, self.validation_error_se, BLUE, "-", "o"),
        )
        lines: list[Any] = []
        for label, error, deviation, colour, dash, marker in curves:
            if error is None:
                lines.append(None)
                continue
            (line,) = ax.plot(
                x, error[order], dash, color=colour, marker=marker, markersize=3, label=label
            )
            lines.append(line)
            if deviation is not None and np.isfinite(deviation).any():
                slack = deviation[order]
                ax.fill_between(
                    x, error[order] - slack, error[order] + slack, color=colour, alpha=0.15, lw=0
                )
        self.train_line_, self.validation_line_ = lines
        marks = [] if self.alpha_min is None else [(self.alpha_min, "min", GREEN, ":")]
        if self.alpha_1se is not None and self.alpha_1se != self.alpha_min:
            marks.append((self.alpha_1se, "1se", PINK, "-."))
        if self.alpha is not None and self.alpha not in (self.alpha_min, self.alpha_1se):
            marks.append((self.alpha, "chosen", "#000000", "-"))
        for alpha, label, colour, dash in marks:
            if alpha > 0:
                name = f"{label}: alpha = {alpha:.3g}"
                if label == "chosen" and self.scoring not in (None, loss.error_score):
                    name += f" (by {self.scoring})"
                ax.axvline(alpha, color=colour, linestyle=dash, label=name)
        ax.set_xscale("log")
        ax.set_xlim(x[0], x[-1]) if len(x) > 1 else None
        ax.set_xlabel("penalty (alpha)")
        ax.set_ylabel(loss.error_name)
        draw_legend(ax)
        self.top_ax_ = None
        if self.dof is not None and len(x) > 1:
            self.top_ax_ = top = ax.twiny()
            top.set_xscale("log")
            top.set_xlim(ax.get_xlim())
            at = np.unique(np.linspace(0, len(x) - 1, _DOF_TICKS).round().astype(int))
            top.set_xticks(x[at], [f"{value:.3g}" for value in self.dof[order][at]])
            top.minorticks_off()
            top.set_xlabel("effective degrees of freedom")
        return self


def _choices(
    alphas: NDArray[np.float64], error: NDArray[np.float64], deviation: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the penalty of the least error, and the largest within one standard error."""
    from ..model_selection._choice import choose

    least = choose("min", alphas, -error, deviation, None)
    one = choose("1se", alphas, -error, deviation, None)
    return float(alphas[least]), float(alphas[one])
