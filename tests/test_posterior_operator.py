"""The posterior covariance as an operator for scipy, and what prediction asks of routing."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh
from sklearn.utils.metadata_routing import get_routing_for_object

from fastridge import BayesianRidge


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
