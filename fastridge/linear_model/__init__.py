"""Estimators: parameters in, fitted attributes out, after scikit-learn's protocol."""

from ._ridge import Ridge
from ._ridge_classifier import RidgeClassifier
from ._ridge_cv import RidgeClassifierCV, RidgeCV

__all__ = ["Ridge", "RidgeCV", "RidgeClassifier", "RidgeClassifierCV"]
