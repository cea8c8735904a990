"""Warnings name the line of the user's code that led to them."""

import warnings

import numpy as np
import pytest

import fastridge
from fastridge.exceptions import GridWarning

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3))
Y = X @ [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "model",
    [
        fastridge.LassoCV(alphas=5),
        fastridge.LassoCV(alphas="auto"),
        fastridge.RidgeCV("auto", cv=3),
        fastridge.GLMCV("squared", alphas=5, eps=0.1),
        fastridge.LogisticRegressionCV(
            Cs=[1e-3, 1e-2],
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
            scoring="neg_log_loss",
        ),
    ],
    ids=["lasso", "extended", "ridge", "glm", "logistic"],
)
def test_warnings_of_the_grid(model):
    y = Y > 0 if "Logistic" in type(model).__name__ else Y
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    grid = [warning for warning in caught if issubclass(warning.category, GridWarning)]
    # a grid that is given is not warned about
    assert len(grid) == (0 if hasattr(model, "Cs") else 1)
    assert {warning.filename for warning in caught} <= {__file__}


def test_warnings_of_solvers():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fastridge.Lasso(1e-6, max_iter=1).fit(RNG.standard_normal((30, 50)), np.arange(30.0))
        fastridge.SGDRegressor(max_iter=1, tol=1e-9).fit(X, Y)
        fastridge.PoissonRegressor(max_iter=1).fit(X, np.arange(60))
        fastridge.ridge(X, Y, 1.0, solver="cg", max_iter=1, tol=1e-14)
        D = np.diff(np.eye(X.shape[1]), axis=0)
        D *= np.logspace(6, -3, len(D))[:, None]
        for given in ((X, Y), (fastridge.Moments(X, Y), None)):
            before = len(caught)
            fastridge.ridge_path(*given, [1e14, 1e-3], penalty_matrix=D.T @ D)
            assert len(caught) > before
    assert len(caught) >= 4
    assert {warning.filename for warning in caught} == {__file__}


def test_warnings_of_paths():
    rng = np.random.default_rng(1)
    D = rng.standard_normal((2, 3)) * [[1e3], [1e-3]]
    for given in [(X, Y), (fastridge.Moments(X, Y),)]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fastridge.ridge_path(*given, alphas=[1e16], penalty_matrix=D.T @ D)
        assert [warning.filename for warning in caught] == [__file__]


def test_modules_whose_names_begin_alike():
    code = "def fit(model, X, y):\n    model.fit(X, y)\n"
    for name in ["contextlib_tools", "numpy_tools.fits", "fastridge_tools"]:
        module = {"__name__": name}
        exec(compile(code, f"{name}.py", "exec"), module)
        with pytest.warns(GridWarning) as caught:
            module["fit"](fastridge.LassoCV(alphas=5), X, Y)
        assert caught[0].filename == f"{name}.py"
