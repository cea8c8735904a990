"""Predictions and scores of data in parts: predictions stay where the parts are."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import _sklearn
from .._stack import outside
from ..data.check import check_target
from ..data.parts import Part, Sum, is_lazy, row_count, run_task
from ..solvers.glm.options import check_offset
from .given import parts_of
from .sums import Totals, column, refuse_others, require_weight, weights_of_rows

_NULL_PASSES = 30
_NULL_TOL = 1e-16  # Newton's decrement, relative to the deviance, at the end


def predict_parts(estimator: Any, method: str, X: Any, options: dict[str, Any]) -> Any:
    """Return the predictions of a method: a dask array, or of `Chunks` an ndarray."""
    given = {name: value for name, value in options.items() if value is not None}
    rows: dict[str, Any] = {
        name: given.pop(name) for name in ("offset", "exposure") if name in given
    }
    if not is_lazy(X):
        parts = parts_of(X, **rows)
        return parts.sum(predictions_of, estimator, method, given).whole()
    import dask
    import dask.array as da

    from .dask_parts import dask_parts

    lazy = dask_parts(X, rows)
    # what a prediction of one row looks like
    p = estimator.n_features_in_
    alone = estimator if "feature_names_in_" not in vars(estimator) else _without_names(estimator)
    single = getattr(X, "dtype", None) == np.float32
    pattern = getattr(alone, method)(np.zeros((1, p), np.float32 if single else float), **given)
    if isinstance(pattern, tuple):
        raise ValueError(
            "return_std=True is not supported for data in parts; expected return_std=False."
        )
    model = dask.delayed(estimator, pure=False, traverse=False)
    call = dask.delayed(_call, pure=False)
    lengths: list[Any] = lazy.lengths or [np.nan] * len(lazy.columns)
    blocks = [
        da.from_delayed(
            call(number, model, method, values, given), (n, *pattern.shape[1:]), dtype=pattern.dtype
        )
        for number, (n, values) in enumerate(zip(lengths, lazy.columns, strict=True))
    ]
    return da.concatenate(blocks, allow_unknown_chunksizes=True)


def _without_names(estimator: Any) -> Any:
    import copy

    found = copy.copy(estimator)
    del found.feature_names_in_
    return found


def _call(
    number: int, estimator: Any, method: str, values: list[Any], given: dict[str, Any]
) -> Any:
    from .dask_parts import part_of

    return run_task(_of_part, part_of(number, values, False), (estimator, method, given))


def _of_part(part: Part, estimator: Any, method: str, given: dict[str, Any]) -> Any:
    n = row_count(part.X)
    rows = {
        name: getattr(part, name)
        for name in ("offset", "exposure")
        if getattr(part, name) is not None
    }
    if n == 0:
        p = estimator.n_features_in_
        alone = _without_names(estimator) if "feature_names_in_" in vars(estimator) else estimator
        return getattr(alone, method)(np.zeros((1, p)), **given)[:0]
    return getattr(estimator, method)(part.X, **rows, **given)


class Predictions(Sum):
    """Predictions of parts, in their order."""

    def __init__(self, blocks: list[Any]) -> None:
        self.blocks = blocks

    def add(self, other: Predictions) -> None:
        self.blocks += other.blocks

    def whole(self) -> Any:
        if isinstance(self.blocks[0], tuple):
            return tuple(np.concatenate(values) for values in zip(*self.blocks, strict=True))
        return np.concatenate(self.blocks)


def predictions_of(part: Part, estimator: Any, method: str, given: dict[str, Any]) -> Predictions:
    """Return the predictions of a part."""
    return Predictions([_of_part(part, estimator, method, given)])


def _weight(part: Part, n: int) -> Any:
    weight = weights_of_rows(part, n)
    return np.ones(n) if weight is None else weight


def right_of(part: Part, estimator: Any) -> Totals | None:
    """Return the weight of the rows whose class is predicted right, and of all."""
    n = row_count(part.X)
    if n == 0:
        return None
    weight = _weight(part, n)
    right = _of_part(part, estimator, "predict", {}) == column(part.y, n, "y")
    return Totals(weight @ right, weight.sum())


def means_of(part: Part, estimator: Any) -> Totals | None:
    """Return weighted sums of y, after the total weight and the number of rows."""
    n = row_count(part.X)
    if n == 0:
        return None
    has_offset = part.offset is not None or part.exposure is not None
    if has_offset and not hasattr(estimator, "posterior"):
        refuse_others(part, "offset", "exposure")
    weight, y = _weight(part, n), check_target(part.y, n).reshape(n, -1)
    return Totals(weight.sum(), n, weight @ y, has_offset)


def deviances_of(part: Part, estimator: Any, mean: Any) -> Totals | None:
    """Return weighted deviances of the predictions, and of the mean."""
    n = row_count(part.X)
    if n == 0:
        return None
    weight, y = _weight(part, n), check_target(part.y, n).reshape(n, -1)
    mu = np.asarray(_of_part(part, estimator, "predict", {}), np.float64).reshape(n, -1)
    if y.shape != mu.shape:
        raise ValueError(f"y has {y.shape[1]} target(s); expected {mu.shape[1]}, as in fit.")
    loss = estimator._loss
    loss.check_targets(y)
    return Totals(weight @ loss.deviance(y, mu), weight @ loss.deviance(y, mean + 0.0 * y))


def null_of(part: Part, loss: Any, b: float) -> Totals | None:
    """Return the sum of the loss at a constant plus the offset, and of its two derivatives."""
    n = row_count(part.X)
    if n == 0:
        return None
    weight, y = _weight(part, n), check_target(part.y, n).reshape(n)
    offset = check_offset(part.offset, part.exposure, loss, n)
    r, h = np.empty(n), np.empty(n)
    value = loss.evaluate(y, b + np.zeros(n) if offset is None else b + offset, weight, r, h)
    return Totals(value - weight @ loss.least(y), r.sum(), h.sum())


def _null_deviance(parts: Any, loss: Any, mean: float, total: float) -> float:
    """Return the sum of the deviances of the best constant added to an offset."""
    b = float(loss.link(np.array(mean)))
    best, step = np.inf, np.inf
    for _ in range(_NULL_PASSES):
        value, slope, curve = parts.sum(null_of, loss, b).values
        if value > best:
            step *= 0.5
            b -= step
            continue
        best = value
        if not curve > 0 or slope**2 <= _NULL_TOL * curve * max(total, value):
            break
        step = float(np.clip(-slope / curve, -5.0, 5.0))
        b += step
    return 2.0 * max(float(best), 0.0)


def score_parts(estimator: Any, X: Any, given: dict[str, Any]) -> float:
    """Return the score of data in parts: accuracy, or the share of the deviance explained."""
    parts = parts_of(X, **given)
    if estimator._estimator_type == "classifier":
        right, total = parts.sum(right_of, estimator).values
        require_weight(total)
        return float(right / total)
    total, n, weighted, has_offset = parts.sum(means_of, estimator).values
    require_weight(total)
    if has_offset:
        mean = weighted / total
        left, _ = parts.sum(deviances_of, estimator, mean).values
        null = _null_deviance(parts, estimator._loss, float(mean[0]), float(total))
        return 1.0 - float(left[0]) / null if null > 0 else float(left[0] == 0)
    if n < 2:
        warnings.warn(
            "the score is not defined for fewer than two samples.",
            _sklearn.exception("UndefinedMetricWarning"),
            stacklevel=outside(),
        )
        return float("nan")
    left, null = parts.sum(deviances_of, estimator, weighted / total).values
    safe = np.where(null > 0, null, 1.0)
    score = np.where(null > 0, 1.0 - left / safe, np.where(left > 0, 0.0, 1.0))
    return float(score.mean())
