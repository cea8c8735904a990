"""Estimators: parameters in, fitted attributes out, after scikit-learn's protocol."""

from ._bayesian_ridge import BayesianRidge
from ._elastic_net import ElasticNet, Lasso
from ._multi_task import MultiTaskElasticNet, MultiTaskLasso
from ._ridge import Ridge
from ._ridge_classifier import RidgeClassifier
from ._ridge_cv import RidgeClassifierCV, RidgeCV

__all__ = [
    "BayesianRidge",
    "ElasticNet",
    "Lasso",
    "MultiTaskElasticNet",
    "MultiTaskLasso",
    "Ridge",
    "RidgeCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
]
