"""Plots of penalties and their effects by matplotlib, in scikit-learn's display convention."""

from .calibration import CalibrationDisplay
from .cross_validation import CrossValidationDisplay
from .group_shrinkage import GroupShrinkageDisplay
from .regularization_path import RegularizationPathDisplay
from .shrinkage import ShrinkageDisplay

__all__ = [
    "CalibrationDisplay",
    "CrossValidationDisplay",
    "GroupShrinkageDisplay",
    "RegularizationPathDisplay",
    "ShrinkageDisplay",
]
