"""Rows, targets and comparisons that the tests of data in parts share."""

import numpy as np

N, P = 600, 7


ALPHAS = np.logspace(-2, 3, 12)


def data(seed=0, offset=100.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, P)) @ rng.standard_normal((P, P)) + offset * rng.standard_normal(P)
    w = rng.standard_normal(P)
    y = (X - X.mean(axis=0)) @ w + rng.standard_normal(N) + 7.0
    return X, y, rng.random(N)


def targets(y, kind):
    centred = 0.3 * (y - y.mean())
    rng = np.random.default_rng(1)
    if kind == "several":
        return np.column_stack([y, np.abs(y)])
    if kind == "labels":
        return np.where(centred + rng.standard_normal(len(y)) > 0, "up", "down")
    if kind == "classes":
        return np.digitize(centred + rng.standard_normal(len(y)), [-0.5, 0.5])
    if kind == "counts":
        return rng.poisson(np.exp(np.clip(centred, -3, 3))).astype(float)
    if kind == "positive":
        return np.exp(np.clip(centred, -3, 3)) + 0.1
    return y


def name_of(value):
    return value if isinstance(value, str) else None


def clone(model):
    return type(model)(**model.get_params(deep=False))


def close(a, b, tol):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    finite = np.isfinite(a)
    assert (a[~finite] == b[~finite]).all()
    a, b = a[finite], b[finite]
    assert np.abs(a - b).max(initial=0.0) <= tol * np.abs(a).max(initial=0.0)


def nan_at(y, i):
    y = y.copy()
    y[i] = np.nan
    return y


X0, Y0, S0 = data()
