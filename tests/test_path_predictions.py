"""Predictions of paths from the features that have coefficients."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from storages import stored

import fastridge
from fastridge.data.check import check_design
from fastridge.data.rows import take_columns


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 60)) * (rng.random((80, 60)) < 0.3)
    return X, X[:, :3].sum(axis=1) + 0.1 * rng.normal(size=80)


@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc"])
@pytest.mark.parametrize("alphas", [[10.0, 5.0], [10.0, 0.1, 0.05], [1e-4]])
def test_few_many_and_no_features(kind, alphas, data):
    X, y = data
    path = fastridge.lasso_path(X, y, alphas=alphas)
    assert_allclose(
        path.predict(stored(X, kind)), path.coef @ X.T + path.intercept[:, None], atol=1e-13
    )
    several = np.digitize(y, [-0.5, 0.5])
    for loss, target in (("logistic", several > 0), ("multinomial", several)):
        alpha = np.array(alphas) / 50
        path = fastridge.glm_path(X, target, loss, alphas=alpha, l1_ratio=1.0)
        expected = np.einsum("...j,ij->...i", path.coef, X) + path.intercept[..., None]
        if loss == "multinomial":
            expected = expected.swapaxes(1, 2)
        assert_allclose(path.decision_function(stored(X, kind)), expected, atol=1e-13)


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_of_sparse_data(kind, dtype, data):
    X = data[0].astype(dtype)
    A = check_design(stored(X, kind))
    for columns in ([0], [3, 4, 59], np.arange(60)):
        found = take_columns(A, np.asarray(columns))
        assert found.kind == kind
        assert found.dtype == dtype
        assert_allclose(found.dot(np.eye(len(columns), order="F")), X[:, columns])


def test_memory_goes_with_the_coefficients():
    import tracemalloc

    from scipy import sparse

    n, p = 200, 500_000
    rng = np.random.default_rng(0)
    X = sparse.random_array((n, p), density=1e-4, format="csr", rng=rng)
    y = X[:, :2000].sum(axis=1) + rng.normal(size=n)
    path = fastridge.lasso_path(X, y, alphas=30)
    assert 0 < len(np.unique(path.sparse_coef.indices)) < 1000
    tracemalloc.start()
    path.predict(X)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # the coefficients of all features take 120 MB
    assert most < 20e6
