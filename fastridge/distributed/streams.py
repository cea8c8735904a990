"""Stochastic learning from data in parts: one part after the other, in their order."""

from __future__ import annotations

from typing import Any

from ..data.parts import Part, row_count
from .fit import parts_of


def learn_parts(estimator: Any, X: Any, given: dict[str, Any], options: dict[str, Any]) -> None:
    """Give every part to ``partial_fit``, in order; with an error, nothing is learned."""
    learned = parts_of(X, **given).chain(_learn, estimator, options)
    estimator.__dict__.clear()
    estimator.__dict__.update(learned.__dict__)


def _learn(part: Part, estimator: Any, options: dict[str, Any]) -> Any:
    """Learn a part in place."""
    if row_count(part.X):
        estimator.partial_fit(part.X, part.y, sample_weight=part.weight, **options)
    return estimator
