"""Coefficients against the penalty."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .base import CYCLE, DASHES, Display, draw_legend

_NAMED = 12  # number of coefficients that get a colour and a name


class RegularizationPathDisplay(Display):
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
        Penalty to mark.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the plot.
    lines_ : list of matplotlib.lines.Line2D
        One for each feature.

    See Also
    --------
    ridge_path : Ridge regression for many penalties.
    elastic_net_path : Elastic nets for many penalties.
    CrossValidationDisplay : Train and validation errors against the penalty.

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
        """Make the display of a given path, without a fit.

        Parameters
        ----------
        path : RidgePath, ElasticNetPath, MultiTaskPath, GLMPath or PathTuple
            Result of `ridge_path`, `elastic_net_path`, `glm_path`, `lasso_path` or `enet_path`.
        feature_names : sequence of str or None, default=None
            Names of the features; None: x0, x1, ...
        alpha : float or None, default=None
            Penalty to mark.
        target : int, default=0
            Index of the target.
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
        """Fit a path to X and y with an estimator's parameters except the penalty, and display it.

        Parameters
        ----------
        estimator : Ridge, RidgeClassifier, Lasso, ElasticNet, MultiTaskLasso, \
MultiTaskElasticNet, LogisticRegression, PoissonRegressor, GammaRegressor, TweedieRegressor, their \
CV variants, GLMCV or BayesianRidge
            Fitted or not; the penalty of a fitted one is marked. Its bounds, class weights and
            multi-task groups are used. Penalties of logistic regression are alpha = 1 / (C sum s),
            as in `glm`. Offsets are left out; for a path with them, call `glm_path` and
            `from_path`.
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), or None, default=None
            Values to predict, or class labels; not needed with `path`.
        path : RidgePath, ElasticNetPath, MultiTaskPath, GLMPath, PathTuple or None, default=None
            A given path, which is shown without a fit. None: fit the path.
        alphas : array-like or None, default=None
            Penalties; None: those that the estimator tried, or an automatic grid.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights of the samples.
        target : int, default=0
            Index of the target, or of the class for more than two classes.
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
            If `estimator` is not one of these.
        ValueError
            If there is no such target, or the arguments do not fit together.
        """
        from ..data.check import feature_names
        from .estimator_path import estimator_path, marked_penalty, path_of_target

        if path is None:
            values, coef, marked, *_ = estimator_path(
                estimator, X, y, alphas, sample_weight, target
            )
        elif alphas is not None:
            raise ValueError(
                "alphas is given together with path, which has its own; expected None."
            )
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
        """Draw the paths; the largest coefficients have colours and names, the others are grey.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None: a new figure.

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
                    "color": CYCLE[i % len(CYCLE)],
                    "linestyle": DASHES[(i // len(CYCLE)) % len(DASHES)],
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
        draw_legend(ax, handles=handles)
        return self
