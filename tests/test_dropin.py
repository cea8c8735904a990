"""Numbers, shapes and types of scikit-learn under scikit-learn's names."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import linear_model as theirs

import fastridge as ours


def table(n=60, p=8, k=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 1.0
    W = rng.normal(size=(p, k or 1)) * (rng.random((p, 1)) < 0.6)
    Y = X @ W + rng.normal(size=(n, k or 1)) + 2.0
    return X, Y if k else Y[:, 0], rng.uniform(0.2, 3.0, size=n)


# The duality gap, in the unit of the objective.


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("name", ["Lasso", "ElasticNet", "MultiTaskLasso", "MultiTaskElasticNet"])
def test_dual_gap_has_the_unit_of_the_objective(name, scale, weighted):
    X, y, weight = table(k=2 if "Multi" in name else None)
    y = y * scale
    weight = weight if weighted else None
    model = getattr(ours, name)(0.05 * scale, tol=0.1).fit(X, y, weight)
    centred = y - np.average(y, axis=0, weights=weight)
    null = np.average(centred**2, axis=0, weights=weight).sum() / 2
    assert_allclose(model.dual_gap_, model.relative_gap_ * null, rtol=1e-9)
    exact = getattr(theirs, name)(alpha=0.05 * scale, tol=1e-14, max_iter=10**6)
    exact.fit(X, y, weight)
    residual = y - exact.predict(X)
    ratio = getattr(exact, "l1_ratio", 1.0)
    norms = np.linalg.norm(np.atleast_2d(exact.coef_), axis=0)
    penalty = ratio * norms.sum() + (1 - ratio) / 2 * (norms**2).sum()
    least = np.average(residual**2, axis=0, weights=weight).sum() / 2 + exact.alpha * penalty
    assert model.objective_ - least <= model.dual_gap_ + 1e-12 * null
    if "Multi" in name:
        model, exact = getattr(ours, name)(0.1).fit(X, y, weight), getattr(theirs, name)(0.1)
        assert_allclose(model.eps_, exact.fit(X, y, weight).eps_)
