"""The Poisson loss, exp(eta) - y eta: counts."""

from __future__ import annotations

import numpy as np

from .base import Array, Interval
from .exponential import LogLink, y_log


class Poisson(LogLink):
    """The Poisson loss of counts, or of any non-negative numbers, with a log link.

    value = exp(eta) - y eta.
    """

    name = "poisson"
    targets = Interval(0.0)
    n_dispersion = 0
    kernel = 2

    def value(self, y: Array, eta: Array) -> Array:
        return self.inverse_link(eta) - np.where(y == 0, 0.0, y * eta)

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.inverse_link(eta) - y

    def curvature(self, y: Array, eta: Array) -> Array:
        return self.inverse_link(eta) + np.zeros_like(y)

    def conjugate(self, y: Array, u: Array) -> Array:
        mu = y + u
        return np.where(mu >= 0, y_log(mu, mu) - mu, np.inf)

    def least(self, y: Array) -> Array:
        return y - y_log(y, y)

    def deviance(self, y: Array, mu: Array) -> Array:
        with np.errstate(divide="ignore"):
            return 2.0 * np.maximum(y_log(y, y / mu) - (y - mu), 0.0)

    def unit_variance(self, mu: Array) -> Array:
        return mu


POISSON = Poisson()
