"""The logistic loss, log(1 + exp(eta)) - y eta: a probability of success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from .base import Array, Interval, Score
from .exponential import ExponentialFamily, y_log


class Logistic(ExponentialFamily):
    """The logistic loss of labels 0 and 1, or of proportions of successes between them.

    value = log(1 + exp(eta)) - y eta, mu = 1 / (1 + exp(-eta)).
    """

    name = "logistic"
    targets = Interval(0.0, 1.0)
    scores: ClassVar[Mapping[str, Score]] = {
        **ExponentialFamily.scores,
        "neg_log_loss": Score(
            lambda error, spread: -0.5 * error, lambda error_se, error, spread: 0.5 * error_se
        ),
    }
    n_dispersion = 0
    kernel = 1

    def value(self, y: Array, eta: Array) -> Array:
        high = np.where(eta >= 0, eta * (1.0 - y), -eta * y)
        return high + np.log1p(np.exp(-np.abs(eta)))

    def gradient(self, y: Array, eta: Array) -> Array:
        p, q = self._both(eta)
        return (1.0 - y) * p - y * q

    def curvature(self, y: Array, eta: Array) -> Array:
        p, q = self._both(eta)
        return p * q + np.zeros_like(y)

    def _both(self, eta: Array) -> tuple[Array, Array]:
        """Return the probabilities of 1 and of 0, each to full relative precision."""
        t = np.exp(-np.abs(eta))
        a, b = 1.0 / (1.0 + t), t / (1.0 + t)
        return np.where(eta >= 0, a, b), np.where(eta >= 0, b, a)

    def conjugate(self, y: Array, u: Array) -> Array:
        # u = p - y: p log p + q log q with q = 1 - p; the smaller one is exact for y of 0 and 1
        p, q = y + u, (1.0 - y) - u
        low = np.clip(np.minimum(p, q), 0.0, 0.5)
        value = y_log(low, low) + (1.0 - low) * np.log1p(-low)
        return np.where((p >= 0) & (q >= 0), value, np.inf)

    def least(self, y: Array) -> Array:
        if ((y == 0) | (y == 1)).all():
            return np.zeros_like(y)
        return -(y_log(y, y) + y_log(1.0 - y, 1.0 - y))

    def link(self, mu: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(mu) - np.log1p(-mu)

    def inverse_link(self, eta: Array) -> Array:
        return self._both(np.asarray(eta))[0]

    def average_mean(self, eta: Array, variance: Array) -> Array:
        """Return the expected probability for a Gaussian linear predictor, approximated by probit.

        The logistic function is replaced by the normal distribution function of the same slope at
        0, whose expectation has a closed form (MacKay 1992): exact to about 0.02.
        """
        return self.inverse_link(eta / np.sqrt(1.0 + (np.pi / 8.0) * variance))

    def deviance(self, y: Array, mu: Array) -> Array:
        with np.errstate(divide="ignore"):
            value = -y_log(y, mu) - y_log(1.0 - y, 1.0 - mu)
        return 2.0 * np.maximum(value - self.least(y), 0.0)

    def unit_variance(self, mu: Array) -> Array:
        return mu * (1.0 - mu)


LOGISTIC = Logistic()
