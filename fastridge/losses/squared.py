"""The squared loss, (y - eta)^2 / 2: least squares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .base import Array, Interval, Loss, Score

_TINY = np.finfo(np.float64).tiny
_CANCELS = 1e-6  # error, over the squares of the targets, below which moments lose it


def _r2(error: Array, spread: Array) -> Array:
    varies = spread > 0
    # 1 for a constant target that is predicted exactly
    other = np.where(error > 0, 0.0, 1.0)
    return np.where(varies, 1.0 - error / np.where(varies, spread, 1.0), other)


SCORES: dict[str, Score] = {
    "neg_mean_squared_error": Score(
        lambda error, spread: -error,
        lambda error_se, error, spread: error_se,
    ),
    "neg_root_mean_squared_error": Score(
        lambda error, spread: -np.sqrt(error),
        lambda error_se, error, spread: error_se / np.maximum(2.0 * np.sqrt(error), _TINY),
    ),
    "r2": Score(
        _r2,
        lambda error_se, error, spread: error_se / np.where(spread > 0, spread, 1.0),
        needs=2,
        label="R^2",
    ),
}


class Squared(Loss):
    """The squared loss, whose errors are computed from moments where round-off allows."""

    name = "squared"
    targets = Interval()
    error_name = "mean squared error"
    null_name = "the mean"
    scores: ClassVar[Mapping[str, Score]] = SCORES
    error_score = "neg_mean_squared_error"
    fit_score = "r2"
    n_dispersion = 1
    kernel = 0

    def value(self, y: Array, eta: Array) -> Array:
        return 0.5 * (y - eta) ** 2

    def gradient(self, y: Array, eta: Array) -> Array:
        return eta - y

    def curvature(self, y: Array, eta: Array) -> Array:
        return np.ones(np.broadcast_shapes(np.shape(y), np.shape(eta)))

    def conjugate(self, y: Array, u: Array) -> Array:
        return u * (y + 0.5 * u)

    def link(self, mu: Array) -> Array:
        return mu

    def inverse_link(self, eta: Array) -> Array:
        return eta

    def deviance(self, y: Array, mu: Array) -> Array:
        return (y - mu) ** 2

    def unit_variance(self, mu: Array) -> Array:
        return np.ones_like(mu)

    def minus_twice_log_likelihood(self, error: Array, total: float) -> Array:
        """Return -2 log likelihood of Gaussian noise with the mean squared error as variance."""
        return total * (np.log(2.0 * np.pi * np.maximum(error, _TINY)) + 1.0)

    def null_left_out(self, y: Array, weight: Array | None, fit_intercept: bool) -> Array:
        """Return the leave-one-out mean squared errors (k,) of the mean of y.

        Rows y (n, k) have positive weights. For a row with share v of the total weight, the error
        of the mean without that row is (y - mean) / (1 - v).
        """
        if not fit_intercept:
            return self.null_deviance(y, weight, False)
        share: Any = 1.0 / len(y) if weight is None else (weight / weight.sum())[:, None]
        mean = np.average(y, axis=0, weights=weight)
        if weight is None or len(y) == 1 or share.max() < 0.5:
            left = (y - mean) / (1.0 - share)
        else:
            # of a row whose 1 - v may be round-off, by the mean of the others
            heavy = int(weight.argmax())
            rest = np.arange(len(y)) != heavy
            share[heavy] = 0.0
            left = (y - mean) / (1.0 - share)
            left[heavy] = y[heavy] - np.average(y[rest], axis=0, weights=weight[rest])
        return np.average(left**2, axis=0, weights=weight)

    def null_generalised(self, y: Array, weight: Array | None, fit_intercept: bool) -> Array:
        """Return the errors by generalised cross-validation, where each row has the share 1 / W."""
        if not fit_intercept:
            return self.null_deviance(y, weight, False)
        total = float(len(y) if weight is None else weight.sum())
        spread = self.spread(y, weight)
        return spread / (1.0 - 1.0 / total) ** 2 if total > 1 else spread

    def error_of_moments(self, moments: Any, coef: Array, intercept: Array) -> Array | None:
        """Return the mean squared errors (m, k) of models on the rows that moments summarise.

        Parameters
        ----------
        moments : Moments
            G, c and yy about the means, of total weight W: the errors are
            (yy - 2 c'w + w'Gw) / W + (mean_y - b - mean'w)^2.
        coef : ndarray (m, k, p)
        intercept : ndarray (m, k)

        Returns
        -------
        ndarray (m, k) or None
            None where cancellation would leave too much round-off.
        """
        m, k, p = coef.shape
        W = coef.reshape(m * k, p)
        moved = (W @ moments.gram - 2.0 * np.tile(moments.cross.T, (m, 1))) * W
        squares = moments.yy + moved.sum(axis=1).reshape(m, k)
        if (squares < _CANCELS * moments.yy).any():
            return None
        off = moments.y_mean - intercept - coef @ moments.mean
        return squares / moments.total_weight + off**2


SQUARED = Squared()
