"""Estimators: parameters in, fitted attributes out, after scikit-learn's protocol."""

from ._ridge import Ridge
from ._ridge_classifier import RidgeClassifier

__all__ = ["Ridge", "RidgeClassifier"]
