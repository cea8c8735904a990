"""Data of generalised linear models, and the Hessian of a fit by NumPy."""

import numpy as np
import scipy.sparse as sp

from fastridge import reference
from fastridge.losses import loss_of, tweedie

LOSSES = ("logistic", "poisson", "gamma", "squared", "negative_binomial", tweedie(1.5))


def data(loss, n=80, p=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.linspace(0.5, 2.0, p) + np.arange(p)
    eta = (X - X.mean(axis=0)) @ rng.standard_normal(p) / (2 * np.sqrt(p))
    name = loss if isinstance(loss, str) else loss.name
    if name == "logistic":
        y = (rng.random(n) < 1 / (1 + np.exp(-2 * eta))).astype(float)
    elif name in ("poisson", "negative_binomial", "tweedie"):
        y = rng.poisson(np.exp(eta)).astype(float)
    elif name == "gamma":
        y = rng.gamma(2.0, np.exp(eta)) + 1e-3
    else:
        y = eta + rng.standard_normal(n)
    return X, y


def dense(X, y, loss, alpha, result, weight=None, factor=None, unit=None, offset=0.0, held=()):
    """Return M over (w, b), scaled by the sum of weights, and its part from the data."""
    n, p = X.shape
    s = np.ones(n) if weight is None else weight
    f = (np.ones(p) if factor is None else factor) * (1.0 if unit is None else unit**2)
    coef, b = result.coef.astype(float), result.intercept
    M, C = reference.glm_hessian(X, y, loss_of(loss), alpha, coef, b, s, offset, f)
    keep = np.setdiff1d(np.arange(p + 1), held)
    return M[np.ix_(keep, keep)], C[np.ix_(keep, keep)]


STORAGES = (
    lambda X: X,
    np.asfortranarray,
    sp.csr_array,
    sp.csc_array,
)
