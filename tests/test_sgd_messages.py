"""What the estimators of stochastic gradient descent say about rates, labels and input."""

import warnings

import numpy as np
import pytest

from fastridge import SGDClassifier, SGDRegressor


def unscaled(n=2000):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 3)) * [1.0, 30.0, 300.0]
    return X, X @ [1.0, 0.1, -0.01] + rng.standard_normal(n)


def test_growth_is_told():
    """Losses that grow to a finite number, which no step back is taken from."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 3)) * [1.0, 3.0, 20.0]
    y = X @ [1.0, 0.1, -0.01] + rng.standard_normal(2000)
    model = SGDRegressor(learning_rate="invscaling", max_iter=1, tol=None, random_state=0)
    with pytest.warns(UserWarning, match="above that of zero coefficients") as found:
        model.fit(X, y)
    assert 1e3 < model.loss_curve_[-1] < np.inf
    message = str(found[-1].message)
    assert "eta0" in message
    assert "learning_rate='auto'" in message


@pytest.mark.parametrize("rate", ["auto", "coin", "invscaling"])
def test_no_growth_no_warning(rate):
    X, y = unscaled()
    if rate == "invscaling":
        X = X / X.std(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scale in (1e-6, 1.0, 1e6):
            SGDRegressor(learning_rate=rate, max_iter=3, tol=None, random_state=0).fit(X, scale * y)


def test_error_of_overflow_names_what_helps():
    X = np.array([[1e160], [-1e160]])
    with pytest.raises(ValueError, match=r"smaller eta0, or learning_rate='auto'"):
        SGDRegressor(learning_rate="constant", eta0=1e300).fit(X, [1.0, -1.0])


def test_classes_are_a_list():
    with pytest.raises(ValueError, match="classes is 'up'; expected a one-dimensional list"):
        SGDClassifier().partial_fit([[1.0]], ["up"], classes="up")


def test_rows_for_hashing_without_hash_bits():
    X = np.ones(4), np.array([5, 9, 5, 7]), np.array([0, 2, 4])
    with pytest.raises(ValueError, match="hash_bits is None"):
        SGDClassifier().fit(X, [0, 1])
    # three rows
    assert SGDClassifier().fit(([0.0, 1.0], [1.0, 0.0], [1.0, 1.0]), [0, 1, 1]).n_features_in_ == 2


@pytest.mark.parametrize("rates", [("auto", "optimal"), ("invscaling", "auto"), ("auto", "coin")])
def test_rows_are_counted_on(rates):
    """A new rule starts at the coefficients of before, and goes on to count rows."""
    X, y = unscaled(50)
    y = np.where(y > 0, "b", "a")
    model = SGDClassifier("log_loss", learning_rate=rates[0])
    model.partial_fit(X / X.std(axis=0), y, classes=["a", "b"])
    model.learning_rate = rates[1]
    if rates[1] == "coin":
        with pytest.raises(ValueError, match="'coin' always starts from 0"):
            model.partial_fit(X, y)
        return
    assert model.partial_fit(X / X.std(axis=0), y).t_ == 101.0
