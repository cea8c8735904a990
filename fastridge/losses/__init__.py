"""Losses: what a fit minimises beside its penalty, and how its predictions are judged.

A loss is a file with a class of `Loss`, and a line in `LOSSES`. Searches, diagnoses, criteria and
displays get their errors, null models and words from the loss of the estimator.
"""

from .base import Interval, Loss, Score
from .squared import SQUARED, Squared

LOSSES: dict[str, Loss] = {loss.name: loss for loss in (SQUARED,)}

__all__ = ["LOSSES", "SQUARED", "Interval", "Loss", "Score", "Squared"]
