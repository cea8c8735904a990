"""Huber's loss: quadratic for small residuals, linear for large ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import Array, Interval, positive_parameter
from .exponential import ExponentialFamily


class Huber(ExponentialFamily):
    """Huber's loss of d = y - eta: d^2 / 2 for |d| <= delta, else delta |d| - delta^2 / 2.

    Parameters
    ----------
    delta : float, default=1.35
        Residual, in units of y, beyond which the loss is linear.

    References
    ----------
    P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35,
    1964.
    """

    name = "huber"
    targets = Interval()
    error_name = "mean Huber loss, twice"
    kernel = 7
    null_is_mean = False

    def __init__(self, delta: float = 1.35) -> None:
        self.delta = self.parameter = positive_parameter("delta", delta)

    def arguments(self) -> dict[str, Any]:
        return {"delta": self.delta}

    def value(self, y: Array, eta: Array) -> Array:
        size = np.abs(y - eta)
        near = np.minimum(size, self.delta)
        return near * (size - 0.5 * near)

    def gradient(self, y: Array, eta: Array) -> Array:
        return np.clip(eta - y, -self.delta, self.delta)

    def curvature(self, y: Array, eta: Array) -> Array:
        return (np.abs(eta - y) <= self.delta).astype(np.float64)

    def is_near(self, y: Array, eta: Array, move: Any) -> bool:
        """Return whether no residual crosses delta, so that the curvatures do not change."""
        before, after = self.curvature(y, eta), self.curvature(y, eta + move)
        return bool((before == after).all())

    def conjugate(self, y: Array, u: Array) -> Array:
        return np.where(np.abs(u) <= self.delta, u * (y + 0.5 * u), np.inf)

    def least(self, y: Array) -> Array:
        return np.zeros_like(y)

    def link(self, mu: Array) -> Array:
        return mu

    def inverse_link(self, eta: Array) -> Array:
        return eta

    def deviance(self, y: Array, mu: Array) -> Array:
        return 2.0 * self.value(y, mu)

    def null_mean(self, y: Array, weight: Array | None, fit_intercept: bool) -> Any:
        """Return the constants (k,) that minimise the loss, by bisection of its slope."""
        if not fit_intercept:
            return np.zeros(y.shape[1:])
        share = np.ones(len(y)) if weight is None else weight
        low, high = y.min(axis=0), y.max(axis=0)
        for _ in range(1100):  # at most the number of bits of a difference
            middle = 0.5 * low + 0.5 * high
            if ((middle <= low) | (middle >= high)).all():
                break
            up = share @ self.gradient(y, middle) > 0
            high, low = np.where(up, middle, high), np.where(up, low, middle)
        return 0.5 * low + 0.5 * high

    def unit_variance(self, mu: Array) -> Array:
        return np.ones_like(mu)
