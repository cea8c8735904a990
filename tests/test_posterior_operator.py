"""The posterior covariance as an operator for scipy, and what prediction asks of routing."""

import numpy as np
import pytest
import scipy.sparse
import sklearn
from numpy.testing import assert_allclose
from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh
from sklearn.utils.metadata_routing import get_routing_for_object

from fastridge import BayesianRidge, GroupRidge


@pytest.mark.parametrize("shape", [(40, 6), (8, 15)], ids=str)
def test_the_posterior_is_an_operator(shape):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    S = BayesianRidge().fit(X, X[:, 0] + rng.standard_normal(shape[0])).posterior_
    p = shape[1]
    full = S @ np.eye(p)
    operator = aslinearoperator(S)
    assert isinstance(operator, LinearOperator)
    assert operator.dtype == np.float64
    V = rng.standard_normal((p, 3))
    for found, truth in (
        (operator @ V, full @ V),
        (operator.matvec(V[:, 0]), full @ V[:, 0]),
        (operator.rmatvec(V[:, 0]), full @ V[:, 0]),
        (operator.H @ V, full @ V),
        ((2.0 * operator) @ V, 2.0 * full @ V),
        (V[:, 0] @ S, V[:, 0] @ full),
        (V.T @ S, V.T @ full),
        (S.T @ V, full @ V),
    ):
        assert_allclose(found, truth, atol=1e-12)
    largest = eigsh(operator, k=1, v0=np.ones(p))[0]
    assert_allclose(largest, np.linalg.eigvalsh(full)[-1])
    with pytest.raises(ValueError, match=r"v has shape \(3, 2\); expected"):
        np.ones((3, 2)) @ S


def test_prediction_asks_for_deviations():
    model = BayesianRidge()
    with sklearn.config_context(enable_metadata_routing=True):
        assert model.set_predict_request(return_std=True) is model
        assert get_routing_for_object(model).predict.requests == {"return_std": True}
        peer = sklearn.linear_model.BayesianRidge().set_predict_request(return_std=True)
        assert get_routing_for_object(peer).predict.requests == {"return_std": True}
    with pytest.raises(RuntimeError, match="set_predict_request needs metadata routing"):
        model.set_predict_request(return_std=True)


@pytest.mark.parametrize("shape", [(30, 4), (6, 9)])
def test_arguments_that_are_refused(shape):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    for model in (BayesianRidge(), GroupRidge(np.arange(shape[1]) % 2)):
        posterior = model.fit(X, rng.standard_normal(shape[0])).posterior_
        for wrong in (X[:, :-1], X[0], [["a"] * shape[1]]):
            with pytest.raises(ValueError, match="X "):
                posterior.variance(wrong)
        with pytest.raises(TypeError, match=r"X is a sparse csr_array; expected a dense array"):
            posterior.variance(scipy.sparse.csr_array(X))
        with pytest.raises(TypeError, match=r"v is a sparse csr_array; expected a dense array"):
            posterior @ scipy.sparse.csr_array(X.T)
