"""Pictures of penalties and what they do, by matplotlib, in scikit-learn's display convention."""

from .displays import CrossValidationDisplay, RegularizationPathDisplay, ShrinkageDisplay

__all__ = ["CrossValidationDisplay", "RegularizationPathDisplay", "ShrinkageDisplay"]
