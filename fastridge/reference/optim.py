"""Optimizer steps in plain NumPy: they return new arrays, and modify nothing in place."""

import numpy as np


def _decayed(w, d, lr, weight_decay, decay_mode, lr0, penalty_factor):
    """Return (gradient, w) with the decay applied to one of them."""
    c = weight_decay * (1.0 if penalty_factor is None else np.asarray(penalty_factor))
    if decay_mode == "l2":
        return d + c * w, w
    if decay_mode == "decoupled":
        return d, (1.0 - lr * c) * w
    return d, (1.0 - lr / (lr if lr0 is None else lr0) * c) * w


def _gradient(g, scale, maximize):
    return (-scale if maximize else scale) * np.asarray(g)


def sgd_step(w, g, *, lr, weight_decay=0.0, decay_mode="l2", lr0=None, scale=1.0, maximize=False,
             penalty_factor=None):  # fmt: skip
    """Return the parameters after `fastridge.kernels.sgd_step`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import reference
    >>> reference.sgd_step(np.array([1.0, 2.0]), np.array([0.5, 0.5]), lr=0.1, weight_decay=1.0)
    array([0.85, 1.75])
    """
    d = _gradient(g, scale, maximize)
    d, w = _decayed(w, d, lr, weight_decay, decay_mode, lr0, penalty_factor)
    return w - lr * d


def sgd_momentum_step(w, g, b, *, lr, momentum, dampening=0.0, nesterov=False, first=False,
                      weight_decay=0.0, decay_mode="l2", lr0=None, scale=1.0, maximize=False,
                      penalty_factor=None):  # fmt: skip
    """Return (w, b) after `fastridge.kernels.sgd_momentum_step`."""
    d = _gradient(g, scale, maximize)
    d, w = _decayed(w, d, lr, weight_decay, decay_mode, lr0, penalty_factor)
    b = d if first else momentum * b + (1.0 - dampening) * d
    return w - lr * (d + momentum * b if nesterov else b), b


def adam_step(w, g, m, v, *, lr, t, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0,
              decay_mode="l2", lr0=None, v_max=None, scale=1.0, maximize=False,
              penalty_factor=None):  # fmt: skip
    """Return (w, m, v), and with `v_max` its new value, after `fastridge.kernels.adam_step`."""
    d = _gradient(g, scale, maximize)
    d, w = _decayed(w, d, lr, weight_decay, decay_mode, lr0, penalty_factor)
    m = beta1 * m + (1.0 - beta1) * d
    v = beta2 * v + (1.0 - beta2) * d**2
    largest = v if v_max is None else np.maximum(v_max, v)
    u = (m / (1.0 - beta1**t)) / (np.sqrt(largest / (1.0 - beta2**t)) + eps)
    return (w - lr * u, m, v) if v_max is None else (w - lr * u, m, v, largest)
