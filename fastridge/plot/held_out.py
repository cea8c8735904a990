"""Errors of a path on held-out data, for plots."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.check import check_design, check_sample_weight, check_target
from ..losses import Loss, Multinomial


def held_out(
    path: Any, loss: Loss, X: Any, y: Any, sample_weight: Any, offset: Any, exposure: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean deviance (m,) of each penalty on held-out data, and their standard errors.

    Raises
    ------
    ValueError
        If an argument does not fit, or the loss is not defined for a target.
    """
    from ..solvers.glm.options import check_offset, check_offsets
    from ..solvers.glm.softmax import class_numbers

    A = check_design(X)
    n = A.n_rows
    y = check_target(y, n)
    if y.ndim != 1:
        raise ValueError(f"y has shape {y.shape}; expected ({n},).")
    weight = check_sample_weight(sample_weight, n)
    weight = np.ones(n) if weight is None else weight
    if isinstance(loss, Multinomial):
        k = path.intercept.shape[1]
        class_numbers(y[weight > 0], k)
        known = check_offsets(offset, exposure, n, k)
    else:
        loss.check_targets(y[weight > 0])
        known = check_offset(offset, exposure, loss, n)
    if hasattr(path, "decision_function"):
        eta = path.decision_function(X)
    else:
        eta = np.asarray(path.predict(X)).reshape(len(path.alphas), n)
    if known is not None:
        eta = eta + known
    with np.errstate(over="ignore", invalid="ignore"):
        each = 2.0 * np.maximum(loss.value(y, eta) - loss.least(y), 0.0)
    share = weight / weight.sum()
    live = share > 0
    each, share = each[:, live], share[live]
    error = each @ share
    # standard error of a weighted mean of independent terms
    spread = np.sqrt(np.square((each - error[:, None]) * share).sum(axis=1))
    return error, spread
