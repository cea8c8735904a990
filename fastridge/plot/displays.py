"""Pictures of penalties and what they do, by matplotlib, in scikit-learn's display convention.

Each display holds numbers; ``from_estimator`` finds them, and ``plot`` draws them into ``ax_`` of
``figure_``, with the legend to the right of the axes: figures of ``layout="constrained"`` make room
for it. Colours are those of M. Okabe and K. Ito, "Color universal design", 2008, which
colour-blind readers tell apart, and lines differ in their dashes too.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from ..losses import LOSSES

__all__ = ["CrossValidationDisplay", "RegularizationPathDisplay", "ShrinkageDisplay"]

_BLUE, _ORANGE, _GREEN, _PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
_CYCLE = (_BLUE, _ORANGE, _GREEN, _PINK, "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", "-.", ":")
_NAMED = 12  # coefficients that have a colour and a name
_DOF_TICKS = 6


def _axes(ax: Any) -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError(
            "Pictures need matplotlib: install it with 'pip install matplotlib' or"
            " 'pip install fastridge-l2[plot]'."
        ) from None
    if ax is None:
        # which makes room for what stands beside the axes
        _, ax = pyplot.subplots(layout="constrained")
    return ax


def _legend(ax: Any, **options: Any) -> None:
    """To the right of the axes, where it hides nothing."""
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.01, 0.5), **options)


class _Display:
    """A picture that has been drawn, or not yet."""

    ax_: Any
    figure_: Any

    def _start(self, ax: Any) -> Any:
        self.ax_ = _axes(ax)
        self.figure_ = self.ax_.figure
        return self.ax_


class CrossValidationDisplay(_Display):
    """Train and validation error against the penalty, and what was chosen.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Penalties.
    train_error, validation_error : ndarray of shape (n_alphas,)
        Mean deviances of the loss: for the squared loss mean squared errors.
    train_error_se, validation_error_se : ndarray of shape (n_alphas,) or None
        Their standard errors.
    alpha_min, alpha_1se : float
        Penalty of the least validation error, and the largest within one standard error of it: of
        the curve that is drawn, whatever the score by which `alpha` was chosen.
    dof : ndarray of shape (n_alphas,) or None
        Effective degrees of freedom, for the scale along the top.
    alpha : float or None
        The penalty chosen, where it is neither of these.
    scoring : str or None
        The score by which it was chosen; named beside it unless that is the error that is drawn.
    loss : str, default="squared"
        Name of the loss, in `fastridge.losses.LOSSES`, which names the errors.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.
    train_line_, validation_line_ : matplotlib.lines.Line2D
        The curves.
    top_ax_ : matplotlib Axes or None
        The scale of degrees of freedom.

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
        validation_error: NDArray[np.float64],
        *,
        alpha_min: float,
        alpha_1se: float,
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
        """The display of a fitted estimator that has `cv_results_`.

        Parameters
        ----------
        estimator : RidgeCV, RidgeClassifierCV, LassoCV, ElasticNetCV, MultiTaskLassoCV or \
MultiTaskElasticNetCV
            Fitted, or interrupted with some folds done.
        target : int or None, default=None
            Which target, where each has a penalty of its own; None: the mean of all.
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
            If it is to be drawn, and matplotlib is not installed.
        """
        from ..model_selection._choice import best, choose

        results = getattr(estimator, "cv_results_", None)
        if results is None:
            raise _sklearn.exception("NotFittedError")(
                f"{estimator!r} has no cv_results_; expected a fitted estimator that chooses its"
                " penalty."
            )
        alphas = np.asarray(results["alpha"])
        chosen = np.ones(len(alphas), dtype=bool)
        if "l1_ratio" in results:
            # of a search that was interrupted, the best
            ratio = results["l1_ratio"][best(np.asarray(results["score"]))]
            chosen = results["l1_ratio"] == getattr(estimator, "l1_ratio_", ratio)

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
        least = choose("min", alphas, -error, deviation, None)
        one = choose("1se", alphas, -error, deviation, None)
        # an interrupted search has chosen none
        own: Any = getattr(estimator, "alpha_", None)
        if np.ndim(own):
            own = None if target is None else float(own[target])
        told = getattr(estimator, "diagnosis_", None)
        if isinstance(told, tuple):
            told = told[0]
        display = cls(
            alphas,
            column("train_error"),
            error,
            alpha_min=float(alphas[least]),
            alpha_1se=float(alphas[one]),
            train_error_se=column("train_error_se"),
            validation_error_se=deviation,
            dof=column("dof"),
            alpha=own,
            scoring=None if told is None else told.scoring,
            loss=results.loss,
        )
        return display.plot(ax=ax) if plot else display

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to; None: a new figure.

        Returns
        -------
        self : CrossValidationDisplay
        """
        loss = LOSSES[self.loss]
        ax = self._start(ax)
        order = np.argsort(self.alphas)
        order = order[self.alphas[order] > 0]
        x = self.alphas[order]
        curves = (
            ("train", self.train_error, self.train_error_se, _ORANGE, "--", "s"),
            ("validation", self.validation_error, self.validation_error_se, _BLUE, "-", "o"),
        )
        lines = []
        for label, error, deviation, colour, dash, marker in curves:
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
        marks = [(self.alpha_min, "min", _GREEN, ":")]
        if self.alpha_1se != self.alpha_min:
            marks.append((self.alpha_1se, "1se", _PINK, "-."))
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
        _legend(ax)
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


class RegularizationPathDisplay(_Display):
    """Coefficients against the penalty.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Penalties.
    coef : ndarray of shape (n_alphas, n_features)
        Coefficients.
    feature_names : sequence of str or None
        Names of the features; None: x0, x1, ...
    alpha : float or None
        A penalty to mark.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.
    lines_ : list of matplotlib.lines.Line2D
        One for each feature.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> path = fastridge.ridge_path(X, X @ [3.0, 0.0, -1.0])
    >>> display = fastridge.RegularizationPathDisplay(path.alphas, path.coef)
    >>> display.coef.shape
    (50, 3)
    """

    def __init__(
        self,
        alphas: NDArray[np.float64],
        coef: NDArray[np.floating],
        *,
        feature_names: Any = None,
        alpha: float | None = None,
    ) -> None:
        self.alphas, self.coef = np.asarray(alphas), np.asarray(coef)
        if self.coef.ndim != 2 or len(self.coef) != len(self.alphas):
            raise ValueError(
                f"coef has shape {self.coef.shape}; expected ({len(self.alphas)}, n_features),"
                " a row per penalty."
            )
        self.feature_names, self.alpha = feature_names, alpha

    @classmethod
    def from_path(
        cls,
        path: Any,
        *,
        feature_names: Any = None,
        alpha: float | None = None,
        target: int = 0,
        ax: Any = None,
        plot: bool = True,
    ) -> Self:
        """The display of a path that was computed already; nothing is fitted.

        Parameters
        ----------
        path : RidgePath, ElasticNetPath, MultiTaskPath or PathTuple
            What `ridge_path`, `elastic_net_path`, `lasso_path` or `enet_path` returned.
        feature_names : sequence of str or None, default=None
            Names of the features; None: x0, x1, ...
        alpha : float or None, default=None
            A penalty to mark.
        target : int, default=0
            Which of several targets.
        ax : matplotlib Axes or None, default=None
            Where to draw; None: a new figure.
        plot : bool, default=True
            Draw at once.

        Returns
        -------
        RegularizationPathDisplay

        Raises
        ------
        TypeError
            If `path` has no penalties and coefficients.
        ValueError
            If there is no such target.
        """
        from .estimator_path import path_of_target

        values, coef = path_of_target(path, target)
        display = cls(values, coef, feature_names=feature_names, alpha=alpha)
        return display.plot(ax=ax) if plot else display

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        path: Any = None,
        alphas: Any = None,
        sample_weight: Any = None,
        target: int = 0,
        ax: Any = None,
        plot: bool = True,
    ) -> Self:
        """The path of an estimator's kind, for its parameters but the penalty, on X and y.

        Parameters
        ----------
        estimator : Ridge, RidgeClassifier, Lasso, ElasticNet, MultiTaskLasso, \
MultiTaskElasticNet, those with CV of these, or BayesianRidge
            Fitted or not; the penalty of a fitted one is marked. Bounds, class weights and groups
            of targets are its own.
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), or None, default=None
            Values to predict, or class labels; not needed with `path`.
        path : RidgePath, ElasticNetPath, MultiTaskPath, PathTuple or None, default=None
            The path, where it was computed already: then nothing is fitted. None: it is fitted.
        alphas : array-like or None, default=None
            Penalties; None: those that the estimator tried, or an automatic grid.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights of the samples.
        target : int, default=0
            Which of several targets, or classes.
        ax : matplotlib Axes or None, default=None
            Where to draw; None: a new figure.
        plot : bool, default=True
            Draw at once.

        Returns
        -------
        RegularizationPathDisplay

        Raises
        ------
        TypeError
            If `estimator` is none of those.
        ValueError
            If there is no such target, or the arguments do not fit together.
        """
        from ..data.check import feature_names
        from .estimator_path import estimator_path, marked_penalty, path_of_target

        if path is None:
            values, coef, marked = estimator_path(estimator, X, y, alphas, sample_weight, target)
        elif alphas is not None:
            raise ValueError("alphas is given beside path, which has its own; expected None.")
        else:
            values, coef = path_of_target(path, target)
            marked = marked_penalty(estimator, target)
        display = cls(
            values,
            coef,
            feature_names=feature_names(X),
            alpha=marked,
        )
        return display.plot(ax=ax) if plot else display

    def plot(self, ax: Any = None) -> Self:
        """Draw; the coefficients that grow largest have names, the others are grey.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to; None: a new figure.

        Returns
        -------
        self : RegularizationPathDisplay
        """
        ax = self._start(ax)
        order = np.argsort(self.alphas)
        order = order[self.alphas[order] > 0]
        x, coef = self.alphas[order], self.coef[order]
        p = coef.shape[1]
        names = self.feature_names
        largest = np.argsort(-np.abs(coef).max(axis=0, initial=0.0), kind="stable")[:_NAMED]
        place = {int(j): i for i, j in enumerate(largest)}
        self.lines_ = []
        for j in range(p):
            if j in place:
                i = place[j]
                style = {
                    "color": _CYCLE[i % len(_CYCLE)],
                    "linestyle": _DASHES[(i // len(_CYCLE)) % len(_DASHES)],
                    "label": f"x{j}" if names is None else str(names[j]),
                    "zorder": 3,
                }
            else:
                style = {"color": "0.75", "linewidth": 0.7, "zorder": 2}
            self.lines_ += ax.plot(x, coef[:, j], **style)
        ax.axhline(0.0, color="black", linewidth=0.7)
        if self.alpha is not None and self.alpha > 0:
            ax.axvline(self.alpha, color="black", linestyle=":")
        ax.set_xscale("log")
        if len(x) > 1:
            ax.set_xlim(x[0], x[-1])
        ax.set_xlabel("penalty (alpha)")
        ax.set_ylabel("coefficient")
        handles = [self.lines_[int(j)] for j in largest]
        _legend(ax, handles=handles)
        return self


class ShrinkageDisplay(_Display):
    """How far a ridge penalty shrinks each singular direction of the data.

    Along a direction of singular value s, the coefficients are those of least squares times
    s^2 / (s^2 + alpha).

    Parameters
    ----------
    squares : ndarray of shape (n_directions,)
        Squared singular values of the centred (weighted, scaled) data, from the largest.
    alpha : float
        The penalty.

    Attributes
    ----------
    factors : ndarray of shape (n_directions,)
        s^2 / (s^2 + alpha), whose sum are the effective degrees of freedom.
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.
    line_ : matplotlib.lines.Line2D
        The factors.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import Ridge, ShrinkageDisplay
    >>> X = np.random.default_rng(0).standard_normal((50, 3)) * [1.0, 3.0, 10.0]
    >>> display = ShrinkageDisplay.from_estimator(Ridge(alpha=100.0), X, plot=False)
    >>> bool((np.diff(display.factors) < 0).all())
    True
    """

    def __init__(self, squares: NDArray[np.float64], alpha: float) -> None:
        self.squares, self.alpha = squares, alpha
        total = squares + alpha
        self.factors = np.divide(squares, total, out=np.zeros_like(squares), where=total > 0)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        target: int = 0,
        ax: Any = None,
        plot: bool = True,
    ) -> Self:
        """The display of an estimator's penalty on X.

        Parameters
        ----------
        estimator : LinearRegression, Ridge, RidgeClassifier, RidgeCV, RidgeClassifierCV or \
BayesianRidge
            Those that choose their penalty must be fitted.
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features.
        y : any, default=None
            Accepted for the convention, and not used.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights of the samples.
        target : int, default=0
            Which of several targets, where each has a penalty of its own.
        ax : matplotlib Axes or None, default=None
            Where to draw; None: a new figure.
        plot : bool, default=True
            Draw at once.

        Returns
        -------
        ShrinkageDisplay

        Raises
        ------
        NotFittedError
            If the estimator has no penalty yet.
        ValueError
            If the arguments are not as described.
        """
        from ..data.check import check_design, check_penalty_factor, check_sample_weight
        from ..solvers.ridge_path.shrinkage import squared_singular_values

        kind = type(estimator).__name__
        if hasattr(estimator, "l1_ratio") or "Lasso" in kind:
            raise ValueError(
                f"estimator is a {kind}; expected a ridge: an L1 penalty shrinks no direction by"
                " a share of its own."
            )
        alpha = getattr(estimator, "alpha", None)
        if kind == "BayesianRidge":
            alpha = getattr(estimator, "penalty_", None)
        elif kind == "LinearRegression":
            alpha = 0.0
        elif hasattr(estimator, "alpha_"):
            alpha = estimator.alpha_
        if alpha is None:
            raise _sklearn.exception("NotFittedError")(
                f"{estimator!r} has no penalty yet: fit it first."
            )
        alpha = float(np.asarray(alpha)[target] if np.ndim(alpha) else alpha)
        A = check_design(X)
        squares = squared_singular_values(
            A,
            check_sample_weight(sample_weight, A.n_rows),
            check_penalty_factor(getattr(estimator, "penalty_factor", None), A.n_columns),
            bool(estimator.fit_intercept),
            bool(getattr(estimator, "standardize", False)),
        )
        display = cls(squares, alpha)
        return display.plot(ax=ax) if plot else display

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to; None: a new figure.

        Returns
        -------
        self : ShrinkageDisplay
        """
        ax = self._start(ax)
        number = np.arange(1, len(self.factors) + 1)
        ax.fill_between(number, self.factors, color=_BLUE, alpha=0.15, lw=0, step="mid")
        (self.line_,) = ax.plot(
            number,
            self.factors,
            color=_BLUE,
            marker="o" if len(number) <= 60 else None,
            markersize=4,
            label=f"alpha = {self.alpha:.3g}:\n{self.factors.sum():.3g} degrees of freedom",
        )
        ax.axhline(0.5, color=_ORANGE, linestyle="--", label="half: s$^2$ = alpha")
        ax.set_ylim(0.0, 1.02)
        ax.set_xlabel("singular direction, from the largest")
        ax.set_ylabel("share that is kept, s$^2$ / (s$^2$ + alpha)")
        _legend(ax)
        return self
