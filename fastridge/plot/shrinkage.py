"""Shrinkage of each singular direction of the data by a ridge penalty."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .base import BLUE, ORANGE, Display, draw_legend


class ShrinkageDisplay(Display):
    """Shrinkage factors of a ridge penalty for the singular directions of the data.

    Along a direction of singular value s, the coefficients of ridge are those of least squares
    times s^2 / (s^2 + alpha).

    Parameters
    ----------
    squares : ndarray of shape (n_directions,)
        Squared singular values of the centred (weighted, scaled) data, from the largest.
    alpha : float
        The penalty.

    Attributes
    ----------
    factors : ndarray of shape (n_directions,)
        s^2 / (s^2 + alpha); their sum is the effective degrees of freedom.
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the plot.
    line_ : matplotlib.lines.Line2D
        The factors.

    See Also
    --------
    RidgeCV : Ridge regression that chooses its penalty.
    GroupShrinkageDisplay : Coefficients and shrinkage of each group.

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
        """Make the display of an estimator's penalty for X.

        Parameters
        ----------
        estimator : LinearRegression, Ridge, RidgeClassifier, RidgeCV, RidgeClassifierCV or \
BayesianRidge
            An estimator that chooses its penalty must be fitted.
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features.
        y : any, default=None
            Accepted by convention, and not used.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights of the samples.
        target : int, default=0
            Index of the target, where each has its own penalty.
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
        from ..data.check import check_design, check_sample_weight
        from ..data.parameters import check_penalty_factor
        from ..solvers.ridge_path.shrinkage import squared_singular_values

        kind = type(estimator).__name__
        if hasattr(estimator, "C") or hasattr(estimator, "Cs"):
            raise ValueError(
                f"estimator is a {kind}; expected a ridge regression, as shrinkage by another loss"
                " depends on y, too."
            )
        if hasattr(estimator, "l1_ratio") or "Lasso" in kind:
            raise ValueError(
                f"estimator is a {kind}; expected a ridge regression, as an L1 penalty does not"
                " shrink each direction by a fixed factor."
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
            getattr(estimator, "penalty_matrix", None),
        )
        display = cls(squares, alpha)
        return display.plot(ax=ax) if plot else display

    def plot(self, ax: Any = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None: a new figure.

        Returns
        -------
        self : ShrinkageDisplay
        """
        ax = self._start(ax)
        number = np.arange(1, len(self.factors) + 1)
        ax.fill_between(number, self.factors, color=BLUE, alpha=0.15, lw=0, step="mid")
        (self.line_,) = ax.plot(
            number,
            self.factors,
            color=BLUE,
            marker="o" if len(number) <= 60 else None,
            markersize=4,
            label=f"alpha = {self.alpha:.3g}:\n{self.factors.sum():.3g} degrees of freedom",
        )
        ax.axhline(0.5, color=ORANGE, linestyle="--", label="half: s$^2$ = alpha")
        ax.set_ylim(0.0, 1.02)
        ax.set_xlabel("singular direction, from the largest")
        ax.set_ylabel("share that is kept, s$^2$ / (s$^2$ + alpha)")
        draw_legend(ax)
        return self
