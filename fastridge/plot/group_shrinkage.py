"""Coefficients, prior deviations and shrinkage of groups of features."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .base import BLUE, ORANGE, Display, draw_legend

_WIDTH = 0.6  # of what a group takes of its unit of the axis


class GroupShrinkageDisplay(Display):
    """Coefficients of each group of features, its prior deviation and how far it is shrunk.

    Parameters
    ----------
    names : sequence of str
        Names of the groups.
    coefs : list of ndarray
        Coefficients of each group.
    deviations : ndarray of shape (n_groups,)
        Prior standard deviations of the coefficients; 0 where a group is out.
    kept : ndarray of shape (n_groups,)
        Effective degrees of freedom over the number of features: 1 less the mean shrinkage.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.
    points_ : list of matplotlib.lines.Line2D
        The coefficients of each group.
    bars_ : list of matplotlib.patches.Rectangle
        One prior deviation about 0 for each group.

    See Also
    --------
    GroupRidge : A penalty for each group of features.
    ShrinkageDisplay : Shrinkage of each singular direction.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import GroupRidge, GroupShrinkageDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 4))
    >>> y = X @ [1.0, -1.0, 0.1, 0.0] + rng.standard_normal(50)
    >>> model = GroupRidge(["a", "a", "b", "b"]).fit(X, y)
    >>> display = GroupShrinkageDisplay.from_estimator(model, plot=False)
    >>> bool(display.deviations[0] > display.deviations[1])
    True
    """

    def __init__(
        self,
        names: Any,
        coefs: list[NDArray[np.float64]],
        deviations: NDArray[np.float64],
        kept: NDArray[np.float64],
    ) -> None:
        self.names, self.coefs, self.deviations, self.kept = names, coefs, deviations, kept

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        target: int = 0,
        ax: Any = None,
        plot: bool = True,
    ) -> Self:
        """Return the display of a fitted estimator.

        Parameters
        ----------
        estimator : GroupRidge
            Fitted.
        X, y : any, default=None
            Accepted for the convention, and not used.
        target : int, default=0
            Which of several targets.
        ax : matplotlib Axes or None, default=None
            Where to draw; None: a new figure.
        plot : bool, default=True
            Draw at once.

        Returns
        -------
        GroupShrinkageDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no groups.
        ValueError
            If there is no such target.
        """
        if not hasattr(estimator, "groups"):
            raise TypeError(f"estimator is a {type(estimator).__name__}; expected a GroupRidge.")
        if not hasattr(estimator, "prior_variance_"):
            raise _sklearn.exception("NotFittedError")(
                f"{estimator!r} has no prior variances yet: fit it first."
            )
        coef = np.atleast_2d(estimator.coef_)
        whole = isinstance(target, Integral) and not isinstance(target, bool)
        if not whole or not 0 <= target < len(coef):
            raise ValueError(f"target is {target!r}; expected an int from 0 to {len(coef) - 1}.")
        prior = np.atleast_2d(estimator.prior_variance_)[target]
        dof = np.atleast_2d(estimator.dof_)[target]
        codes, count = estimator.group_index_, len(estimator.groups_)
        size = np.bincount(codes, minlength=count)
        display = cls(
            [str(name) for name in estimator.groups_],
            [coef[target][codes == g] for g in range(count)],
            np.sqrt(prior),
            dof / np.maximum(size, 1),
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
        self : GroupShrinkageDisplay
        """
        ax = self._start(ax)
        place = np.arange(len(self.names))
        finite = np.where(np.isfinite(self.deviations), self.deviations, 0.0)
        drawn = ax.bar(
            *(place, 2.0 * finite, _WIDTH),
            bottom=-finite,
            color=ORANGE,
            alpha=0.25,
            label="one prior deviation",
        )
        self.bars_ = list(drawn)
        self.points_ = []
        for g, w in enumerate(self.coefs):
            # side by side, in the order of the features
            at = g + _WIDTH * ((np.arange(len(w)) + 0.5) / max(len(w), 1) - 0.5)
            (points,) = ax.plot(
                *(at, w),
                color=BLUE,
                linestyle="",
                marker="o",
                markersize=4 if len(w) <= 60 else 2,
                label="coefficients" if g == 0 else None,
            )
            self.points_.append(points)
        ax.axhline(0.0, color="black", lw=0.8)
        labels = [f"{name}\n{share:.0%}" for name, share in zip(self.names, self.kept, strict=True)]
        ax.set_xticks(place, labels)
        ax.set_xlabel("group, and its degrees of freedom as a share of its features")
        ax.set_ylabel("coefficient")
        draw_legend(ax)
        return self
