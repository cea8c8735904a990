"""Rows and class numbers of a multinomial model."""

import numpy as np


def problem(n=200, p=6, k=4, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    eta = X @ rng.standard_normal((p, k)) + 0.5 * rng.standard_normal(k)
    y = (eta + noise * rng.gumbel(size=(n, k))).argmax(axis=1)
    y[:k] = np.arange(k)
    return X, y
