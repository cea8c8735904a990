"""Fits of SGDRegressor that go on from an earlier one, and what is left where one raises."""

import pickle

import numpy as np
import pytest
from test_sgd_estimators import problem, same

from fastridge import SGDRegressor
from fastridge.solvers.sgd.learner import Learner


def test_warm_start_goes_on():
    X, y = problem()
    model = SGDRegressor(max_iter=1, tol=None, warm_start=True, random_state=0)
    losses = [model.fit(X, y).loss_curve_[0] for _ in range(4)]
    assert losses[3] < losses[1] < losses[0]


@pytest.mark.parametrize("rate", ["auto", "coin", "adagrad", "invscaling"])
@pytest.mark.parametrize("average", [False, True])
def test_an_interrupted_warm_fit_leaves_the_learner(rate, average, monkeypatch):
    X, y = problem()
    options = {"learning_rate": rate, "average": average, "random_state": 0}
    model = SGDRegressor(max_iter=5, tol=None, warm_start=True, **options).fit(X, y)
    before, learn, calls = pickle.dumps(model), Learner.learn, []

    def interrupted(self, *given):
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return learn(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "learn", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, -y)
    same(model, pickle.loads(before))
    copied = pickle.loads(pickle.dumps(model))
    same(copied, pickle.loads(before))
    same(copied.partial_fit(X, y), pickle.loads(before).partial_fit(X, y))
    same(model.fit(X, -y), pickle.loads(before).fit(X, -y))


@pytest.mark.parametrize("rate", ["auto", "coin"])
@pytest.mark.parametrize("batch_size", [1, 16])
def test_averages_of_a_warm_fit_are_its_own(rate, batch_size):
    X, y = problem()
    model = SGDRegressor(
        learning_rate=rate, average=True, batch_size=batch_size, max_iter=30, tol=None,
        warm_start=True, random_state=0,
    )  # fmt: skip
    model.fit(X, -y)
    fresh = SGDRegressor(**{**model.get_params(), "warm_start": False}).fit(X, y)
    assert model.fit(X, y).score(X, y) > fresh.score(X, y) - 0.05


@pytest.mark.parametrize("rate", ["auto", "adagrad", "optimal", "invscaling"])
def test_a_refused_partial_fit_leaves_the_rates(rate):
    X, y = problem()
    weight = np.ones(len(y))
    weight[1] = 1e308
    model, other = (SGDRegressor(learning_rate=rate).partial_fit(X, y) for _ in range(2))
    with pytest.raises(ValueError, match="overflow occurred"):
        model.partial_fit(X, y, sample_weight=weight)
    same(model, other)
    same(model.partial_fit(X, y), other.partial_fit(X, y))
