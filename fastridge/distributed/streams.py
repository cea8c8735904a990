"""Stochastic learning from data in parts: one part after the other, in their order."""

from __future__ import annotations

from typing import Any

from ..data.parts import Part, Parts, row_count
from .given import parts_of
from .sums import refuse_others


def learn_parts(estimator: Any, X: Any, given: dict[str, Any], options: dict[str, Any]) -> None:
    """Give every part to ``partial_fit``, in order; with an error, nothing is learned."""
    learned = learn(estimator, parts_of(X, **given), options)
    parameters = estimator.get_params(deep=False)
    estimator.__dict__.clear()
    # parameters stay the caller's objects
    estimator.__dict__.update(learned.__dict__ | parameters)


def learn(estimator: Any, parts: Parts, options: dict[str, Any]) -> Any:
    """Return an estimator that has learned all parts; the one that is given stays as it is."""
    return parts.chain(_learn, estimator, options)


def _learn(part: Part, estimator: Any, options: dict[str, Any]) -> Any:
    """Learn a part in place."""
    refuse_others(part, "offset", "exposure", "groups")
    if row_count(part.X):
        estimator.partial_fit(part.X, part.y, sample_weight=part.weight, **options)
    return estimator
