"""The negative binomial loss: overdispersed counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import Array, Interval, positive_parameter
from .exponential import LogLink, y_log


class NegativeBinomial(LogLink):
    """The loss of negative binomial counts of variance mu + mu^2 / theta, with a log link.

    value = (y + theta) log(1 + exp(eta) / theta) - y eta.

    Parameters
    ----------
    theta : float, default=1.0
        Size of the distribution, above 0; the limit at infinity is Poisson's.
    """

    name = "negative_binomial"
    targets = Interval(0.0)
    n_dispersion = 0
    kernel = 6

    def __init__(self, theta: float = 1.0) -> None:
        self.theta = self.parameter = positive_parameter("theta", theta)

    def arguments(self) -> dict[str, Any]:
        return {"theta": self.theta}

    def value(self, y: Array, eta: Array) -> Array:
        x = eta - np.log(self.theta)
        high = np.where(x >= 0, self.theta * x - y * np.log(self.theta), -y * eta)
        return high + (y + self.theta) * np.log1p(np.exp(-np.abs(x)))

    def _both(self, eta: Array) -> tuple[Array, Array]:
        x = eta - np.log(self.theta)
        t = np.exp(-np.abs(x))
        a, b = 1.0 / (1.0 + t), t / (1.0 + t)
        return np.where(x >= 0, a, b), np.where(x >= 0, b, a)

    def gradient(self, y: Array, eta: Array) -> Array:
        p, q = self._both(eta)
        return self.theta * p - y * q

    def curvature(self, y: Array, eta: Array) -> Array:
        p, q = self._both(eta)
        return (y + self.theta) * p * q

    def conjugate(self, y: Array, u: Array) -> Array:
        # u = theta p - y (1 - p); compute 1 - p directly: it is small for large counts
        p, r = (u + y) / (self.theta + y), (self.theta - u) / (self.theta + y)
        inside = (p >= 0) & (r >= 0)
        p, r = np.clip(p, 0.0, 1.0), np.clip(r, 0.0, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_p = np.where(r < 0.5, np.log1p(-r), np.log(p))
        entropy = np.where(p > 0, p * log_p, 0.0) + y_log(r, r)
        value = (self.theta + y) * entropy + (u + y) * np.log(self.theta)
        return np.where(inside, value, np.inf)

    def least(self, y: Array) -> Array:
        theta = self.theta
        return (y + theta) * np.log1p(y / theta) - y_log(y, y)

    def deviance(self, y: Array, mu: Array) -> Array:
        theta = self.theta
        with np.errstate(divide="ignore"):
            value = y_log(y, y / mu) - (y + theta) * np.log((y + theta) / (mu + theta))
        return 2.0 * np.maximum(value, 0.0)

    def unit_variance(self, mu: Array) -> Array:
        return mu + mu * mu / self.theta
