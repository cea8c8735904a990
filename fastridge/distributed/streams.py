"""Stochastic learning from data in parts: one part after the other, in their order."""

from __future__ import annotations

import copy
from typing import Any

from ..data.parts import Part, row_count, run_task
from .fit import parts_of


def learn_parts(estimator: Any, X: Any, given: dict[str, Any], options: dict[str, Any]) -> None:
    """Give every part to ``partial_fit``, in order; with an error, nothing is learned."""
    from ..data.chunks import Chunks

    parts = parts_of(X, **given)
    parts.n_passes += 1
    if isinstance(parts, Chunks):
        learned = copy.deepcopy(estimator)
        for part in parts:
            run_task(_learn_in_place, part, (learned, options))
    else:
        import dask

        learned = dask.delayed(estimator, pure=False, traverse=False)
        step = dask.delayed(_learn, pure=False)
        for number, values in enumerate(parts.columns):  # type: ignore[attr-defined]
            learned = step(learned, number, values, options)
        learned = learned.compute()
    estimator.__dict__.clear()
    estimator.__dict__.update(learned.__dict__)


def _learn(estimator: Any, number: int, values: list[Any], options: dict[str, Any]) -> Any:
    """Return a copy of the estimator that has learned a part."""
    learned = copy.deepcopy(estimator)
    run_task(_learn_in_place, Part(number, *values), (learned, options))
    return learned


def _learn_in_place(part: Part, estimator: Any, options: dict[str, Any]) -> None:
    if row_count(part.X):
        estimator.partial_fit(part.X, part.y, sample_weight=part.weight, **options)
