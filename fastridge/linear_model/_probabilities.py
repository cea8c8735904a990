"""Probabilities of classes from linear predictors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def probabilities(eta: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return probabilities, each with full relative accuracy.

    Parameters
    ----------
    eta : ndarray of shape (n_samples, 1) or (n_samples, n_classes)
        Log odds of the second of two classes; or, up to a constant per row, the logarithms of the
        probabilities.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.linear_model._probabilities import probabilities
    >>> probabilities(np.array([[0.0], [-2.0]])).round(2)
    array([[0.5 , 0.5 ],
           [0.88, 0.12]])
    """
    if eta.size == 1:
        # one row of two classes: faster than NumPy calls
        value = eta.item()
        t = math.exp(-abs(value))
        near, far = 1.0 / (1.0 + t), t / (1.0 + t)
        return np.array([[far, near] if value >= 0 else [near, far]], eta.dtype)
    if eta.shape[1] == 1:
        eta = eta[:, 0]
        t = np.exp(-np.abs(eta))
        sides = np.empty((len(eta), 2), eta.dtype)
        near = np.divide(1.0, t + 1.0, dtype=eta.dtype)
        far = t * near
        second = eta >= 0
        sides[:, 1] = np.where(second, near, far)
        sides[:, 0] = np.where(second, far, near)
        return sides
    p = np.exp(eta - eta.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return p


def log_probabilities(eta: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the logarithms of `probabilities`, finite also where these underflow.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.linear_model._probabilities import log_probabilities
    >>> log_probabilities(np.array([[2000.0]]))
    array([[-2000.,    -0.]])
    """
    if eta.shape[1] == 1:
        soft = np.log1p(np.exp(-np.abs(eta)))
        return -np.hstack([np.maximum(eta, 0) + soft, np.maximum(-eta, 0) + soft])
    eta = eta - eta.max(axis=1, keepdims=True)
    eta -= np.log(np.exp(eta).sum(axis=1, keepdims=True))
    return eta
