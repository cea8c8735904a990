"""The loss near every fit, as a quadratic of a few coefficients, and the exact path of ridge.

With the other coefficients as they are, the mean deviance at w + v is, to second order, ::

    deviance + g'v + 1/2 v'H v

for the squared loss exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..quadratic.problem import RidgeProblem
from ..quadratic.spectral import SpectralPath
from .fits import Array, Fits, Sample

_FEWEST = 10  # coefficients that are drawn against each other, where there are so many
_NUMBERS = 30_000  # numbers of a page about them
_DENSE = 5_000_000  # elements of the columns that are made dense
_ELEMENTS = 20_000_000  # linear predictors that are computed at once
_BASIS = 40_000  # numbers of the basis in which a path is exact


def prominent(fits: Fits, deviation: Array, chosen: int, target: int, n: int) -> Any:
    """Return the features of the largest effects, |w_j| times the standard deviation (p,).

    n: number of rows.
    """
    coef = fits.coef[:, target]
    size = np.abs(coef[chosen]) + 1e-6 * np.abs(coef).max(axis=0)
    size = size * deviation
    m = len(fits.alphas)
    kinds = 1 if fits.loss.name == "squared" else m
    # coefficients and gradients 2 m K, second derivatives `kinds` K^2
    most = int((np.sqrt(m * m + kinds * _NUMBERS) - m) / kinds)
    most = min(most, _DENSE // n)
    return np.argsort(-size, kind="stable")[: max(most, _FEWEST)]


def quadratics(fits: Fits, sample: Sample, features: Any, target: int) -> tuple[Array, Array]:
    """Return gradients g (m, K) and second derivatives H (1 or m, K, K) of the mean deviance."""
    n, K = sample.A.n_rows, len(features)
    m = len(fits.alphas)
    rows = np.zeros((K, n))
    sample.A.copy_columns(features.astype(np.int32), rows)
    X = rows.T
    weight = np.ones(n) if sample.weight is None else sample.weight
    weight = weight * (2.0 / weight.sum())
    y = sample.y if fits.loss.name == "multinomial" else sample.y.reshape(n, -1)
    g = np.empty((m, K))
    H = np.empty((1 if fits.loss.name == "squared" else m, K, K))
    # as many penalties at once as memory allows
    size = max(1, _ELEMENTS // (n * fits.coef.shape[1]))
    for start in range(0, m, size):
        eta = fits.take(slice(start, start + size)).predictors(sample.X, sample.offset)
        for j, values in enumerate(eta.reshape(len(eta), n, -1), start):
            g[j] = (weight * fits.loss.gradient(y, values)[:, target]) @ X
            if j >= len(H):
                continue
            v = weight * fits.loss.curvature(y, values)[:, target]
            centred = X
            if fits.fit_intercept and v.sum() > 0:
                # the intercept follows
                centred = X - (v @ X) / v.sum()
            H[j] = centred.T @ (v[:, None] * centred)
    return g, H


def misfit(fits: Fits, g: Array, features: Any, target: int) -> float:
    """Return how far these features are from optimality, over the gradient's largest part.

    At the minimum g + 2 l2 alpha d2 w is 0 up to l1 alpha d1 sign(w).
    """
    w = fits.coef[:, target][:, features]
    a = fits.alphas[:, None]
    rest = g + 2.0 * fits.l2 * a * fits.d2[features] * w
    slack = fits.l1 * a * fits.d1[features]
    off = np.where(w != 0, np.abs(rest + slack * np.sign(w)), np.maximum(np.abs(rest) - slack, 0.0))
    size = np.abs(g).max() + np.abs(2.0 * fits.l2 * a * fits.d2[features] * w).max()
    return float(off.max() / size) if size > 0 else 0.0


def exact_path(fits: Fits, sample: Sample, target: int) -> dict[str, Any] | None:
    """Return the basis in which the coefficients of ridge are known for every penalty.

    B (p, r), s (r,) and u (r,) with ::

        w = B diag(s / (s^2 + alpha)) u
        residual sum of squares = sum_i (alpha u_i / (s_i^2 + alpha))^2 + rest

    None where the path has no such form, or the basis is large.
    """
    n, p = sample.A.shape
    small = p * min(n, p) <= _BASIS and n * p <= 20_000_000
    if not (small and fits.kind == "ridge" and fits.shape == "ball" and fits.free):
        return None
    if not (fits.d2 > 0).all():
        return None
    y = np.ascontiguousarray(sample.y.reshape(n, -1)[:, target : target + 1])
    problem = RidgeProblem(sample.A, y, np.ones(1), sample.weight, fits.d2, fits.fit_intercept)
    found = SpectralPath(problem, fits.alphas)
    spectrum = found.spectrum
    y_mean = float(np.average(y[:, 0], weights=sample.weight)) if fits.fit_intercept else 0.0
    return {
        "basis": found.basis(),
        "s": spectrum.s,
        "u": spectrum.u[:, 0],
        "rest": float(spectrum.rest[0]),
        "rank": int(spectrum.rank),
        "y_mean": y_mean,
    }


def shrinkage(fits: Fits, sample: Sample) -> Array | None:
    """Return squared singular values for the shares that ridge keeps; None for other penalties."""
    n, p = sample.A.shape
    if fits.kind != "ridge" or fits.shape != "ball" or min(n, p) > 1000 or n * p > 200_000_000:
        return None
    from ..solvers.ridge_path.shrinkage import squared_singular_values

    return squared_singular_values(sample.A, sample.weight, fits.d2, fits.fit_intercept, False)
