"""Tweedie losses: variances that grow as a power of the mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import Array, Interval, Loss
from .exponential import ExponentialFamily, LogLink, y_log
from .gamma import GAMMA
from .poisson import POISSON
from .squared import SQUARED


def _targets(power: float) -> Interval:
    if power <= 0:
        return Interval()
    return Interval(0.0, low_is_in=power < 2)


def _unit_deviance(power: float, y: Array, mu: Array) -> Array:
    if power == 0:
        return (y - mu) ** 2
    if power == 1:
        return 2.0 * np.maximum(y_log(y, y / mu) - (y - mu), 0.0)
    if power == 2:
        return 2.0 * np.maximum(y / mu - 1.0 - np.log(y / mu), 0.0)
    a, b = 1.0 - power, 2.0 - power
    base = np.maximum(y, 0.0) if power < 0 else y
    with np.errstate(divide="ignore", over="ignore"):
        value = base**b / (a * b) - y * mu**a / a + mu**b / b
    # the difference of three terms has round-off, also where y == mu
    return np.where(y == mu, 0.0, 2.0 * np.maximum(value, 0.0))


class TweedieLog(LogLink):
    """A Tweedie loss of a power other than 1 and 2, with a log link.

    value = exp((2 - p) eta) / (2 - p) - y exp((1 - p) eta) / (1 - p). It is convex for 1 < p < 2.

    Parameters
    ----------
    power : float
        Power p of the mean to which the variance is proportional.
    """

    name = "tweedie"
    kernel = 4

    def __init__(self, power: float) -> None:
        self.power = self.parameter = float(power)
        self.targets = _targets(self.power)
        self.is_convex = 1 < self.power < 2

    def arguments(self) -> dict[str, Any]:
        return {"power": self.power, "link": "log"}

    def value(self, y: Array, eta: Array) -> Array:
        a, b = 1.0 - self.power, 2.0 - self.power
        return self.inverse_link(b * eta) / b - y * self.inverse_link(a * eta) / a

    def gradient(self, y: Array, eta: Array) -> Array:
        a, b = 1.0 - self.power, 2.0 - self.power
        return self.inverse_link(b * eta) - y * self.inverse_link(a * eta)

    def curvature(self, y: Array, eta: Array) -> Array:
        a, b = 1.0 - self.power, 2.0 - self.power
        expected = self.inverse_link(b * eta)
        if not self.is_convex:
            return expected + np.zeros_like(y)
        return b * expected - a * y * self.inverse_link(a * eta)

    def conjugate(self, y: Array, u: Array) -> Array:
        """Solve exp(b eta) - y exp(a eta) = u for eta by bisection, lacking a closed form."""
        y, u = np.broadcast_arrays(np.asarray(y, float), np.asarray(u, float))
        a, b = 1.0 - self.power, 2.0 - self.power
        low, high = np.full(u.shape, -700.0), np.full(u.shape, 700.0)
        for _ in range(64):
            middle = 0.5 * (low + high)
            with np.errstate(over="ignore"):
                above = np.exp(b * middle) - y * np.exp(a * middle) > u
            high, low = np.where(above, middle, high), np.where(above, low, middle)
        # for y = 0, no eta gives u < 0, and u = 0 only in the limit
        limit = (y == 0) & (u <= 0)
        value = u * low - self.value(y, low)
        return np.where(limit, np.where(u < 0, np.inf, 0.0), value)

    def least(self, y: Array) -> Array:
        if self.power == 0:
            return -0.5 * y * y
        a, b = 1.0 - self.power, 2.0 - self.power
        base = np.maximum(y, 0.0) if self.power < 0 else y
        return -(base**b) / (a * b)

    def deviance(self, y: Array, mu: Array) -> Array:
        return _unit_deviance(self.power, y, mu)

    def unit_variance(self, mu: Array) -> Array:
        return mu**self.power


class TweedieIdentity(ExponentialFamily):
    """A Tweedie loss of a power of at least 1 with an identity link; the mean must be positive.

    value = eta^(2 - p) / (2 - p) - y eta^(1 - p) / (1 - p), with logarithms for exponents 0.

    Parameters
    ----------
    power : float
        Power p of the mean to which the variance is proportional.
    """

    name = "tweedie"
    kernel = 5
    is_convex = False

    def __init__(self, power: float) -> None:
        self.power = self.parameter = float(power)
        self.targets = _targets(self.power)

    def arguments(self) -> dict[str, Any]:
        return {"power": self.power, "link": "identity"}

    def value(self, y: Array, eta: Array) -> Array:
        p = self.power
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            low = np.log(eta) if p == 2 else eta ** (2.0 - p) / (2.0 - p)
            high = -y_log(y, eta) if p == 1 else y * eta ** (1.0 - p) / (p - 1.0)
        return np.where(eta > 0, low + high, np.inf)

    def gradient(self, y: Array, eta: Array) -> Array:
        return eta**-self.power * (eta - y)

    def curvature(self, y: Array, eta: Array) -> Array:
        return eta**-self.power + np.zeros_like(y)

    def conjugate(self, y: Array, u: Array) -> Array:
        raise NotImplementedError("a loss that is not convex has no dual")

    def least(self, y: Array) -> Array:
        p = self.power
        if p == 1:
            return y - y_log(y, y)
        if p == 2:
            return 1.0 + np.log(y)
        return -(y ** (2.0 - p)) / ((1.0 - p) * (2.0 - p))

    def link(self, mu: Array) -> Array:
        return mu

    def inverse_link(self, eta: Array) -> Array:
        return eta

    def deviance(self, y: Array, mu: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.where(mu > 0, _unit_deviance(self.power, y, mu), np.inf)

    def unit_variance(self, mu: Array) -> Array:
        return mu**self.power


def tweedie(power: float = 1.5, link: str = "auto") -> Loss:
    """Return the Tweedie loss of a power and a link.

    Parameters
    ----------
    power : float, default=1.5
        0: squared loss; 1: Poisson; 2: gamma; 3: inverse Gaussian. Powers between 0 and 1 have no
        distribution.
    link : {"auto", "log", "identity"}, default="auto"
        "auto": "identity" for powers of at most 0, else "log", as in scikit-learn.

    Raises
    ------
    ValueError
        For other powers and links, and for an identity link with a power below 0.
    """
    if not (isinstance(power, (int, float, np.number)) and np.isfinite(power)) or 0 < power < 1:
        raise ValueError(f"power is {power!r}; expected a number of at most 0 or at least 1.")
    if link not in ("auto", "log", "identity"):
        raise ValueError(f"link is {link!r}; expected 'auto', 'log' or 'identity'.")
    if link == "auto":
        link = "identity" if power <= 0 else "log"
    if link == "identity":
        if power == 0:
            return SQUARED
        if power < 0:
            raise ValueError(
                f"power is {power:g} with an identity link, although the mean must be positive;"
                " expected link='log'."
            )
        return TweedieIdentity(power)
    if power == 1:
        return POISSON
    return GAMMA if power == 2 else TweedieLog(power)
