"""Estimators: parameters in, fitted attributes out, after scikit-learn's protocol."""

from ._bayesian_ridge import BayesianRidge
from ._elastic_net import ElasticNet, Lasso
from ._elastic_net_cv import ElasticNetCV, LassoCV
from ._linear_regression import LinearRegression
from ._multi_task import MultiTaskElasticNet, MultiTaskLasso
from ._multi_task_cv import MultiTaskElasticNetCV, MultiTaskLassoCV
from ._ridge import Ridge
from ._ridge_classifier import RidgeClassifier
from ._ridge_classifier_cv import RidgeClassifierCV
from ._ridge_cv import RidgeCV

__all__ = [
    "BayesianRidge",
    "ElasticNet",
    "ElasticNetCV",
    "Lasso",
    "LassoCV",
    "LinearRegression",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "Ridge",
    "RidgeCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
]
