"""Pictures of penalties and what they do, by matplotlib, in scikit-learn's display convention."""

from .cross_validation import CrossValidationDisplay
from .regularization_path import RegularizationPathDisplay
from .shrinkage import ShrinkageDisplay

__all__ = ["CrossValidationDisplay", "RegularizationPathDisplay", "ShrinkageDisplay"]
