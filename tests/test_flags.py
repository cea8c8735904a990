"""Options that are on or off."""

import numpy as np
import pytest

import fastridge

X = np.random.default_rng(0).standard_normal((20, 3))
y = X @ [1.0, 2.0, 3.0]


@pytest.mark.parametrize("value", ["no", None, 1, 0.0])
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (fastridge.ridge, "fit_intercept"),
        (fastridge.ridge, "standardize"),
        (fastridge.ridge, "positive"),
        (fastridge.elastic_net, "fit_intercept"),
        (fastridge.elastic_net, "standardize"),
    ],
)
def test_refuses_what_is_neither(function, name, value):
    with pytest.raises(TypeError, match=f"{name} is .*; expected True or False"):
        function(X, y, 1.0, **{name: value})


def test_refuses_what_is_neither_in_paths_and_batches():
    with pytest.raises(TypeError, match="fit_intercept is 'no'; expected True or False"):
        fastridge.ridge_path(X, y, [1.0], fit_intercept="no")
    with pytest.raises(TypeError, match="callback is 1; expected a function"):
        fastridge.ridge_path(X, y, [1.0], callback=1)
    with pytest.raises(TypeError, match="fit_intercept is 'no'; expected True or False"):
        fastridge.ridge_batch(X[None], y[None], 1.0, fit_intercept="no")


def test_takes_numpys():
    want = fastridge.ridge(X, y, 1.0, standardize=True)
    got = fastridge.ridge(X, y, 1.0, standardize=np.True_)
    np.testing.assert_array_equal(got.coef, want.coef)
