"""The multinomial loss, log(sum_c exp(eta_c)) - eta_y: a probability of each class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from .base import Array, Interval, Score
from .exponential import ExponentialFamily, y_log


class Multinomial(ExponentialFamily):
    """The multinomial loss of class numbers, or of proportions of the classes.

    value = log(sum_c exp(eta_c)) - sum_c y_c eta_c, mu_c = exp(eta_c) / sum exp(eta), for
    proportions y that sum to 1; a class number stands for 1 for that class and 0 for the others.
    The last axis of eta, mu and proportions is that of the classes; class numbers lack it.

    Parameters
    ----------
    n_classes : int or None, default=None
        Number of classes; None: taken from eta.
    """

    name = "multinomial"
    targets = Interval(0.0)
    null_name = "the share of each class"
    scores: ClassVar[Mapping[str, Score]] = {
        **ExponentialFamily.scores,
        "neg_log_loss": Score(
            lambda error, spread: -0.5 * error, lambda error_se, error, spread: 0.5 * error_se
        ),
    }
    n_dispersion = 0
    kernel = -1

    def __init__(self, n_classes: int | None = None) -> None:
        self.n_classes = n_classes

    def arguments(self) -> dict[str, Any]:
        return {"n_classes": self.n_classes}

    def shares(self, y: Array, n_classes: int) -> Array:
        """Return proportions (..., n_classes) of class numbers (...)."""
        return (y[..., None] == np.arange(n_classes)).astype(np.float64)

    def _pair(self, y: Array, eta: Array) -> Array:
        """Return targets as proportions (..., k), for eta (..., k)."""
        y = np.asarray(y)
        return y if y.ndim == eta.ndim else self.shares(y, eta.shape[-1])

    def value(self, y: Array, eta: Array) -> Array:
        share = self._pair(y, eta)
        top = eta.max(axis=-1, keepdims=True)
        e = np.exp(eta - top)
        # leave out the largest term, which is 1, to keep the digits of small ones for log1p
        first = np.arange(eta.shape[-1]) == eta.argmax(axis=-1)[..., None]
        rest = np.where(first, 0.0, e).sum(axis=-1)
        return np.log1p(rest) + np.where(share > 0, share * (top - eta), 0.0).sum(axis=-1)

    def gradient(self, y: Array, eta: Array) -> Array:
        share = self._pair(y, eta)
        p, q = self._both(eta)
        return (1.0 - share) * p - share * q

    def curvature(self, y: Array, eta: Array) -> Array:
        """Return the diagonals (..., k) of the second derivatives."""
        p, q = self._both(eta)
        return p * q

    def _both(self, eta: Array) -> tuple[Array, Array]:
        """Return the probabilities p of the classes, and 1 - p, each to full relative precision."""
        e = np.exp(eta - eta.max(axis=-1, keepdims=True))
        first = np.arange(eta.shape[-1]) == eta.argmax(axis=-1)[..., None]
        rest = np.where(first, 0.0, e).sum(axis=-1, keepdims=True)
        total = 1.0 + rest
        return e / total, np.where(first, rest, total - e) / total

    def conjugate(self, y: Array, u: Array) -> Array:
        # u = p - y: sum_c p_c log p_c
        p = u + self._pair(y, u)
        inside = (p >= 0).all(axis=-1) & (abs(p.sum(axis=-1) - 1.0) <= 1e-12 * p.shape[-1])
        p = np.maximum(p, 0.0)
        return np.where(inside, y_log(p, p).sum(axis=-1), np.inf)

    def least(self, y: Array) -> Array:
        """Return the least value: 0 of a class number, the entropy of proportions (n, k)."""
        return np.zeros(len(y)) if y.ndim == 1 else -y_log(y, y).sum(axis=-1)

    def link(self, mu: Array) -> Array:
        """Return the linear predictors (..., k), of mean 0, of probabilities."""
        with np.errstate(divide="ignore", invalid="ignore"):
            eta = np.log(mu)
            live = np.isfinite(eta)
            mean = np.where(live, eta, 0.0).sum(axis=-1, keepdims=True)
            return eta - mean / np.maximum(live.sum(axis=-1, keepdims=True), 1)

    def inverse_link(self, eta: Array) -> Array:
        return self._both(np.asarray(eta))[0]

    def deviance(self, y: Array, mu: Array) -> Array:
        """Return the unit deviances (...) of probabilities mu (..., k)."""
        y = np.asarray(y)
        with np.errstate(divide="ignore"):
            if y.ndim < mu.ndim:
                number = y.astype(np.intp)[..., None]
                number = np.broadcast_to(number, (*mu.shape[:-1], 1))
                return -2.0 * np.log(np.take_along_axis(mu, number, -1)[..., 0])
            return 2.0 * np.maximum((y_log(y, y) - y_log(y, mu)).sum(axis=-1), 0.0)

    def unit_variance(self, mu: Array) -> Array:
        """Return the variances (..., k) of the indicators of the classes."""
        return mu * (1.0 - mu)

    def null_mean(self, y: Array, weight: Array | None, fit_intercept: bool) -> Array:
        """Return the shares (k,) of the classes; without an intercept, equal shares."""
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        k = y.shape[1] if y.ndim == 2 else self.n_classes or int(y.max()) + 1
        if not fit_intercept:
            return np.full(k, 1.0 / k)
        if y.ndim == 2:
            return np.average(y, axis=0, weights=weight)
        total = np.bincount(y.astype(np.intp), weights=weight, minlength=k)
        return np.asarray(total / total.sum())

    def null_deviance(self, y: Array, weight: Array | None, fit_intercept: bool) -> Array:
        """Return the mean deviance (1,) of the model without features."""
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        mu = self.null_mean(y, weight, fit_intercept)
        error = self.deviance(y, np.broadcast_to(mu, (len(y), len(mu))))
        # a class without weight has a probability of 0
        live = slice(None) if weight is None else weight > 0
        return np.atleast_1d(
            np.average(error[live], weights=None if weight is None else weight[live])
        )

    def explained(self, y: Array, mu: Array, weight: Array | None) -> Array:
        """Return the explained deviance (1,) of probabilities mu (n, k)."""
        spread = self.null_deviance(y, weight, True)
        y = y[:, 0] if np.ndim(y) == 2 and np.shape(y)[1] == 1 else y
        error = np.atleast_1d(self.mean_deviance(y, mu, weight))
        constant = spread == 0
        ratio = error / np.where(constant, 1.0, spread)
        return np.where(constant, error == 0, 1.0 - ratio)

    def spread(self, y: Array, weight: Array | None) -> Array:
        return self.null_deviance(y, weight, True)

    def error_of_rows(
        self,
        A: Any,
        y: Array,
        weight: Array | None,
        coef: Array,
        intercept: Array,
        visit: Callable[[int, Array, Array, Array], None] | None = None,
        rows: Any = slice(None),
    ) -> Array:
        """Return mean deviances (m, 1) of models on some rows of A.

        As in `Loss`, for class numbers y (n,) or (n, 1), coef (m, k, p) and intercept (m, k), with
        one error for all k classes.
        """
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        out = np.empty((len(coef), 1))
        for j, (w, b) in enumerate(zip(coef, intercept, strict=True)):
            eta = A.dot(np.asfortranarray(w.T, dtype=np.float64))[rows] + b
            value = self.value(y, eta) - self.least(y)
            out[j] = 2.0 * np.average(value, weights=weight)
            if visit is not None:
                visit(j, eta, w, b)
        return out


MULTINOMIAL = Multinomial()
