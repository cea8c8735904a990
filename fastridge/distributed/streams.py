"""Stochastic learning from data in parts: one part after the other, in their order."""

from __future__ import annotations

import copy
from typing import Any

from .._locks import LOCK
from ..data.parts import Part, Parts, row_count
from .given import parts_of
from .sums import refuse_others


def learn_parts(estimator: Any, X: Any, given: dict[str, Any], options: dict[str, Any]) -> None:
    """Give every part to ``partial_fit``, in order; with an error, nothing is learned."""
    learned = learn(estimator, parts_of(X, **given), options)
    parameters = estimator.get_params(deep=False)
    # parameters stay the caller's objects, and the lock that is held the same one
    kept = {name: value for name, value in vars(estimator).items() if name == LOCK}
    known = {name: value for name, value in vars(learned).items() if name != LOCK}
    estimator.__dict__.clear()
    estimator.__dict__.update(known | parameters | kept)


def learn(estimator: Any, parts: Parts, options: dict[str, Any]) -> Any:
    """Return an estimator that has learned all parts; the one that is given stays as it is."""
    # copied by this thread, which may hold the estimator's lock: those of a scheduler may not
    return parts.chain(_learn, copy.deepcopy(estimator), options)


def _learn(part: Part, estimator: Any, options: dict[str, Any]) -> Any:
    """Learn a part in place."""
    refuse_others(part, "offset", "exposure", "groups")
    if row_count(part.X):
        estimator.partial_fit(part.X, part.y, sample_weight=part.weight, **options)
    return estimator
