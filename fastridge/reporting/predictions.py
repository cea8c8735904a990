"""Predictions of held-out rows for every penalty."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.rows import as_container, take_rows
from ..losses import SQUARED
from .fits import Fits, Sample

_ROWS = 300  # rows that are shown
_CLASSES = 30  # classes of a confusion matrix
_BINS = 10  # bins of a calibration curve


def predictions_of(fits: Fits, held: Sample, seed: int = 0) -> dict[str, Any]:
    """Return predictions against truth, or confusion matrices and calibration of classes."""
    n = held.A.n_rows
    if held.classes is None:
        rows = np.arange(n)
        if n > _ROWS:
            rows = np.sort(np.random.default_rng(seed).permutation(n)[:_ROWS])
        offset = None if held.offset is None else held.offset[rows]
        eta = fits.predictors(as_container(take_rows(held.A, rows)), offset)
        mean = fits.loss.inverse_link(eta).astype(np.float32)
        return {"kind": "values", "n": n, "truth": held.y[rows], "predicted": mean}
    k = len(held.classes)
    codes = held.codes()
    weight = np.ones(n) if held.weight is None else held.weight
    found: dict[str, Any] = {"kind": "classes", "n": n, "labels": [str(c) for c in held.classes]}
    counts = np.empty((len(fits.alphas), k, k), dtype=np.float32)
    bins: list[Any] = []
    for j in range(len(fits.alphas)):
        w = np.asfortranarray(fits.coef[j].T)
        eta = held.A.dot(w) + fits.intercept[j]
        if held.offset is not None:
            eta += held.offset.reshape(n, -1)
        told = eta.argmax(axis=1) if eta.shape[1] > 1 else (eta[:, 0] > 0).astype(np.intp)
        counts[j] = np.bincount(codes * k + told, weights=weight, minlength=k * k).reshape(k, k)
        # ridge of labels has no probabilities
        if fits.loss is not SQUARED:
            mean = fits.loss.inverse_link(eta if eta.shape[1] > 1 else eta[:, 0])
            bins.append(
                _calibration(codes == k - 1, mean[:, -1] if mean.ndim == 2 else mean, weight)
            )
    if k <= _CLASSES:
        found["confusion"] = counts
    found["accuracy"] = np.trace(counts, axis1=1, axis2=2) / weight.sum()
    if bins:
        found["calibration"] = bins
    return found


def _calibration(truth: Any, mean: Any, weight: Any) -> dict[str, Any]:
    """Return the calibration of the last class's probability, in bins of equal size."""
    from ..plot import CalibrationDisplay

    live = weight > 0
    display = CalibrationDisplay.from_predictions(
        truth[live].astype(np.float64),
        mean[live],
        sample_weight=weight[live],
        n_bins=_BINS,
        is_probability=True,
        plot=False,
    )
    se = display.observed_se
    return {
        "predicted": display.predicted.tolist(),
        "observed": display.observed.tolist(),
        "se": [None if not np.isfinite(s) else float(s) for s in (se if se is not None else [])],
    }
