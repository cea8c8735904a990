"""The gamma loss, y exp(-eta) + eta: positive amounts whose spread grows with their mean."""

from __future__ import annotations

import numpy as np

from .base import Array, Interval
from .exponential import LogLink


class Gamma(LogLink):
    """The loss of the gamma distribution, with a log link.

    value = y exp(-eta) + eta.
    """

    name = "gamma"
    targets = Interval(0.0, low_is_in=False)
    kernel = 3

    def value(self, y: Array, eta: Array) -> Array:
        return y * self.inverse_link(-eta) + eta

    def gradient(self, y: Array, eta: Array) -> Array:
        return 1.0 - y * self.inverse_link(-eta)

    def curvature(self, y: Array, eta: Array) -> Array:
        return y * self.inverse_link(-eta)

    def conjugate(self, y: Array, u: Array) -> Array:
        q = 1.0 - u
        inside = q >= 0
        q = np.maximum(q, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(q > 0, q * np.log(q / y), 0.0) - q
        return np.where(inside, value, np.inf)

    def least(self, y: Array) -> Array:
        return 1.0 + np.log(y)

    def deviance(self, y: Array, mu: Array) -> Array:
        ratio = y / mu
        return 2.0 * np.maximum(ratio - 1.0 - np.log(ratio), 0.0)

    def unit_variance(self, mu: Array) -> Array:
        return mu * mu


GAMMA = Gamma()
