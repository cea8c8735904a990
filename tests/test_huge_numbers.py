"""Integers too large for C as parameters: they are infinity or a limit, or refused by name."""

import inspect
import warnings

import numpy as np
import pytest

import fastridge
from fastridge._estimators import ESTIMATORS
from fastridge.linear_model import _parameters

HUGE = [10**400, -(10**400), 2**64, 2**63, 10**30, -(2**63) - 1]
N = 24
X = (np.arange(N * 3) ** 2 * 37 % 65 / 16.0 - 2.0).reshape(N, 3)
COUNTS = np.arange(N) % 4 + 1.0
NUMBERS = X @ [1.0, -0.5, 0.25] + COUNTS / 8.0
KINDS = {
    "several": NUMBERS,
    "one": NUMBERS,
    "only several": np.c_[NUMBERS, -NUMBERS],
    "labels": np.arange(N) % 3,
}
Y = {
    **{name: KINDS[row.targets] for name, row in ESTIMATORS.items()},
    **dict.fromkeys(("PoissonRegressor", "GammaRegressor", "TweedieRegressor", "GLMCV"), COUNTS),
    **dict.fromkeys(("LogisticRegression", "LogisticRegressionCV"), KINDS["labels"]),
    "SGDClassifier": KINDS["labels"],
}
SMALL = {"alphas": 5, "cv": 2}
SPECIAL = {
    "GroupRidge": {"groups": [0, 0, 1]},
    "GLMCV": {"loss": "poisson", **SMALL},
    **dict.fromkeys(("ElasticNetCV", "LassoCV"), SMALL),
    **dict.fromkeys(("MultiTaskElasticNetCV", "MultiTaskLassoCV"), SMALL),
    "LogisticRegressionCV": {"Cs": 5, "cv": 2},
}
# functions: their data, and the parameters that they need
FUNCTIONS = {
    "ridge": ((X, NUMBERS), {}),
    "ridge_path": ((X, NUMBERS), {}),
    "ridge_batch": ((X.reshape(2, 12, 3), NUMBERS.reshape(2, 12)), {}),
    "rolling_ridge": ((X, NUMBERS), {"window": 5}),
    "elastic_net": ((X, NUMBERS), {"alpha": 0.1}),
    "elastic_net_path": ((X, NUMBERS), {}),
    "enet_path": ((X, NUMBERS), {}),
    "lasso_path": ((X, NUMBERS), {}),
    "glm": ((X, COUNTS, "poisson"), {"alpha": 0.1}),
    "glm_path": ((X, COUNTS, "poisson"), {"n_alphas": 5}),
    "memory_estimate": ((fastridge.Ridge(),), {"n_samples": 10, "n_features": 3}),
}


def refusals_without_name(call, parameter, values=HUGE):
    """Call with each huge number; list errors that are of another kind or do not name it."""
    wrong = []
    for value in values:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                call(value)
        except (ValueError, TypeError) as error:
            # the automatic grid is the first to need the bounds
            names = (parameter, parameter.rstrip("s"), "bounds")
            if not any(name in str(error) for name in names):
                wrong.append((parameter, f"{str(value)[:5]}...", repr(error)[:200]))
        except Exception as error:
            wrong.append((parameter, f"{str(value)[:5]}...", repr(error)[:200]))
    return wrong


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_parameters_of_estimators(name, capsys):
    cls, special = getattr(fastridge, name), SPECIAL.get(name, {})
    wrong = []
    for parameter in cls(**special).get_params(deep=False):

        def call(value, parameter=parameter):
            model = cls(**special).set_params(**{parameter: value})
            if name == "SGDClassifier":
                model.partial_fit(X, Y[name], classes=[0, 1, 2])
            elif name == "SGDRegressor":
                model.partial_fit(X, Y[name])
            else:
                model.fit(X, Y[name])

        wrong += refusals_without_name(call, parameter)
    assert not wrong


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_parameters_of_functions(name, capsys):
    function, (data, needed) = getattr(fastridge, name), FUNCTIONS[name]
    wrong = []
    for parameter in list(inspect.signature(function).parameters)[len(data) :]:
        wrong += refusals_without_name(
            lambda value, parameter=parameter: function(*data, **{**needed, parameter: value}),
            parameter,
        )
    assert not wrong


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_parameters_of_optimizers(name):
    cls = getattr(fastridge.optim, name)
    wrong = []
    for parameter in list(inspect.signature(cls).parameters)[1:]:

        def call(value, parameter=parameter):
            cls([np.ones(3)], **{"lr": 0.1, parameter: value}).step([np.ones(3)])

        wrong += refusals_without_name(call, parameter)
    assert not wrong


def test_limits_of_steps_are_the_same_as_large_ones():
    for model in (
        fastridge.Lasso(0.1),
        fastridge.MultiTaskLasso(0.1),
        fastridge.PoissonRegressor(),
    ):
        y = Y[type(model).__name__]
        expected = model.set_params(max_iter=10**6).fit(X, y).coef_
        assert (model.set_params(max_iter=10**30).fit(X, y).coef_ == expected).all()
        assert model.max_iter == 10**30
    model = fastridge.SGDRegressor(batch_size=10**6, random_state=0, average=10**6)
    expected = model.fit(X, NUMBERS).coef_
    assert (
        model.set_params(batch_size=10**30, average=10**30).fit(X, NUMBERS).coef_ == expected
    ).all()


def test_infinite_inverse_strength():
    model = fastridge.LogisticRegression(C=np.inf).fit(X, Y["SGDClassifier"])
    other = fastridge.LogisticRegression(C=10**400).fit(X, Y["SGDClassifier"])
    assert (model.coef_ == other.coef_).all()
    assert np.inf == other.C_


def test_grids_beyond_the_memory():
    most = _parameters.LARGEST_INT
    for name in ("n_alphas", "alphas"):
        with pytest.raises(ValueError, match=rf"{name} must be at most {most}; got 1e\+10"):
            fastridge.ridge_path(X, NUMBERS, **{name: 10**10})
    with pytest.raises(ValueError, match=f"'alphas' .* must be an int from 1 to {most}"):
        fastridge.LassoCV(alphas=10**10).fit(X, NUMBERS)
    with pytest.raises(ValueError, match=f"'Cs' .* must be an int from 1 to {most}"):
        fastridge.LogisticRegressionCV(Cs=10**10).fit(X, Y["SGDClassifier"])


@pytest.mark.parametrize("name", ["PoissonRegressor", "LogisticRegression", "SGDRegressor"])
def test_factors_that_the_strength_multiplies_beyond_float64(name):
    strength = {"C": 1e-4} if name == "LogisticRegression" else {"alpha": 1e4}
    factor = np.r_[1e308, np.ones(X.shape[1] - 1)]
    model = getattr(fastridge, name)(penalty_factor=factor, **strength)
    for target in [Y[name], np.arange(len(X)) % 3][: 2 if name == "LogisticRegression" else 1]:
        with pytest.raises(ValueError, match=r"penalty_factor is 1e\+308 for a feature"):
            model.fit(X, target)


# round-off decides whether the gap comes below 1e-16, the square of tol
@pytest.mark.filterwarnings("ignore:the fit stopped")
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_a_weight_that_leaves_the_other_class_no_share_of_the_mean(l1_ratio):
    rows = np.random.default_rng(0).standard_normal((40, 3))
    labels = (rows[:, 0] + np.arange(40) % 3 > 0.5).astype(int)
    for heavy in (0, 1):
        # that the mean rounds to 1 changes nothing: classes may be swapped
        weight = np.ones(40)
        weight[np.flatnonzero(labels == heavy)[0]] = 1e20
        models = [
            fastridge.LogisticRegression(l1_ratio=l1_ratio, tol=1e-8).fit(
                rows, labels == c, sample_weight=weight
            )
            for c in (0, 1)
        ]
        assert 0 < models[0].objective_ < 1e-16
        assert models[0].relative_gap_ < 1e-10
        np.testing.assert_allclose(models[0].coef_, -models[1].coef_, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(models[0].intercept_, -models[1].intercept_, rtol=1e-3)
