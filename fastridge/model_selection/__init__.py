"""Choosing a penalty: folds, scores, the rule of choice, and what the errors say."""

from ._diagnosis import Diagnosis
from ._hashed import HashedKFold
from ._results import CVResults

__all__ = ["CVResults", "Diagnosis", "HashedKFold"]
