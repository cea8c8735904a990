"""Base classes of the losses of exponential families, with scores by the deviance.

Their value is half the unit deviance, up to a term that depends on y only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from .base import Array, Loss, Score

_TINY = np.finfo(np.float64).tiny


def explained(error: Array, spread: Array) -> Array:
    """Return the share of the deviance that is explained; of zero deviance, 1 without an error."""
    varies = spread > 0
    other = np.where(error > 0, 0.0, 1.0)
    return np.where(varies, 1.0 - error / np.where(varies, spread, 1.0), other)


def y_log(y: Array, x: Array) -> Array:
    """Return y log(x), 0 where y is 0."""
    y, x = np.broadcast_arrays(y, x)
    if y.ndim == 0:
        return y * np.log(x) if y != 0 else np.zeros(())
    out = np.zeros(y.shape)
    some = y != 0
    np.log(x, out=out, where=some)
    np.multiply(out, y, out=out, where=some)
    return out


D2 = Score(
    explained,
    lambda error_se, error, spread: error_se / np.where(spread > 0, spread, 1.0),
    needs=2,
    label="D^2",
)


class ExponentialFamily(Loss):
    """A loss whose scores are based on its mean deviance."""

    error_name = "mean deviance"
    null_name = "the mean"
    scores: ClassVar[Mapping[str, Score]] = {
        "neg_mean_deviance": Score(
            lambda error, spread: -error, lambda error_se, error, spread: error_se
        ),
        "d2": D2,
    }
    error_score = "neg_mean_deviance"
    fit_score = "d2"
    n_dispersion = 1

    def deviance(self, y: Array, mu: Array) -> Array:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            excess = self.value(y, self.link(mu)) - self.least(y)
        return 2.0 * np.maximum(excess, 0.0)

    def minus_twice_log_likelihood(self, error: Array, total: float) -> Array:
        """Return the deviance over the estimated dispersion, or over 1 where it is known."""
        if self.n_dispersion:
            return total * (np.log(np.maximum(error, _TINY)) + 1.0)
        return total * error


class LogLink(ExponentialFamily):
    """A loss with the mean mu = exp(eta)."""

    has_log_link = True

    def link(self, mu: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(mu)

    def inverse_link(self, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.exp(eta)
