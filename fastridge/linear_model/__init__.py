"""Estimators: parameters in, fitted attributes out, after scikit-learn's protocol."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING

from .._estimators import ESTIMATORS as _ESTIMATORS
from .._estimators import home_of as _home_of

if _TYPE_CHECKING:
    from ._bayesian_ridge import BayesianRidge
    from ._elastic_net import ElasticNet, Lasso
    from ._elastic_net_cv import ElasticNetCV, LassoCV
    from ._glm import GammaRegressor, PoissonRegressor, TweedieRegressor
    from ._glm_cv import GLMCV
    from ._group_ridge import GroupRidge
    from ._linear_regression import LinearRegression
    from ._logistic_regression import LogisticRegression
    from ._logistic_regression_cv import LogisticRegressionCV
    from ._multi_task import MultiTaskElasticNet, MultiTaskLasso
    from ._multi_task_cv import MultiTaskElasticNetCV, MultiTaskLassoCV
    from ._ridge import Ridge
    from ._ridge_classifier import RidgeClassifier
    from ._ridge_classifier_cv import RidgeClassifierCV
    from ._ridge_cv import RidgeCV
    from ._sgd_classifier import SGDClassifier
    from ._sgd_regressor import SGDRegressor

__all__ = [
    "GLMCV",
    "BayesianRidge",
    "ElasticNet",
    "ElasticNetCV",
    "GammaRegressor",
    "GroupRidge",
    "Lasso",
    "LassoCV",
    "LinearRegression",
    "LogisticRegression",
    "LogisticRegressionCV",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "PoissonRegressor",
    "Ridge",
    "RidgeCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "SGDClassifier",
    "SGDRegressor",
    "TweedieRegressor",
]


def __getattr__(name: str) -> object:
    if name in _ESTIMATORS:
        value = getattr(_import_module(_home_of(name)), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
