"""Losses of stochastic gradient descent: values, derivatives, and how far a step may move."""

import math

import numpy as np

_MARGIN = 5.0  # margin that a step of a classifier may reach
REGRESSION = ("squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive")


def loss_value(loss, y, p, epsilon=0.1):
    """Return l(y, p) for one output; y is -1 or 1 for a classification loss.

    Examples
    --------
    >>> from fastridge.reference.sgd_losses import loss_value
    >>> float(loss_value("squared_error", 1.0, 3.0)), float(loss_value("hinge", 1.0, 0.25))
    (2.0, 0.75)
    """
    r, z = abs(y - p), y * p
    if loss == "squared_error":
        return 0.5 * r**2
    if loss == "huber":
        return 0.5 * r**2 if r <= epsilon else epsilon * (r - 0.5 * epsilon)
    if loss == "epsilon_insensitive":
        return max(0.0, r - epsilon)
    if loss == "squared_epsilon_insensitive":
        return max(0.0, r - epsilon) ** 2
    if loss == "poisson":
        return np.exp(p) - y * p
    if loss == "hinge":
        return max(0.0, 1.0 - z)
    if loss == "squared_hinge":
        return max(0.0, 1.0 - z) ** 2
    if loss == "perceptron":
        return max(0.0, -z)
    if loss == "modified_huber":
        return max(0.0, 1.0 - z) ** 2 if z >= -1.0 else -4.0 * z
    assert loss == "log_loss"
    return np.logaddexp(0.0, p) - 0.5 * (1.0 + y) * p


def loss_slope(loss, y, p, epsilon=0.1):
    """Return dl/dp for one output; at a kink the subgradient of scikit-learn.

    Examples
    --------
    >>> from fastridge.reference.sgd_losses import loss_slope
    >>> float(loss_slope("squared_error", 1.0, 3.0)), float(loss_slope("hinge", 1.0, 1.0))
    (2.0, -1.0)
    """
    r, z = p - y, y * p
    if loss == "squared_error":
        return r
    if loss == "huber":
        return r if abs(r) <= epsilon else math.copysign(epsilon, r)
    if loss == "epsilon_insensitive":
        return math.copysign(1.0, r) if abs(r) > epsilon else 0.0
    if loss == "squared_epsilon_insensitive":
        return 2.0 * math.copysign(max(0.0, abs(r) - epsilon), r)
    if loss == "poisson":
        return np.exp(p) - y
    if loss == "hinge":
        return -y if z <= 1.0 else 0.0
    if loss == "squared_hinge":
        return -2.0 * y * max(0.0, 1.0 - z)
    if loss == "perceptron":
        return -y if z <= 0.0 else 0.0
    if loss == "modified_huber":
        return -2.0 * y * max(0.0, 1.0 - z) if z >= -1.0 else -4.0 * y
    assert loss == "log_loss"
    e = np.exp(-abs(p))
    return (1.0 if p >= 0 else e) / (1.0 + e) - 0.5 * (1.0 + y)


def room_of(loss, y, p, epsilon=0.1):
    """Return the largest change of the prediction p by a step of "auto".

    It is the distance to the target, or in classification to a margin of 5 or 2; at least 1.

    Examples
    --------
    >>> from fastridge.reference import sgd_losses
    >>> sgd_losses.room_of("squared_error", 1.0, 3.0), sgd_losses.room_of("hinge", 1.0, 4.5)
    (2.0, 1.0)
    """
    if loss in REGRESSION:
        return abs(p - y) - (epsilon if loss.endswith("epsilon_insensitive") else 0.0)
    if loss == "poisson":
        return abs(p - math.log(y)) if y > 0 else math.inf
    if loss == "multinomial":
        return math.inf
    if loss == "log_loss" and abs(y) < 1.0:
        odds = math.log((1.0 + y) / (1.0 - y))
        return max(abs(p - min(max(odds, -_MARGIN), _MARGIN)), 1.0)
    margin = 2.0 if loss in ("squared_hinge", "modified_huber") else _MARGIN
    return max(margin - y * p, 1.0)


def softmax_value(q, p):
    """Return log sum exp p - q'p for proportions q.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd_losses
    >>> float(sgd_losses.softmax_value(np.array([0.0, 1.0]), np.zeros(2)).round(4))
    0.6931
    """
    top = p.max()
    return top + np.log(np.exp(p - top).sum()) - q @ p


def softmax_slope(q, p):
    """Return the gradient of `softmax_value` in p: probabilities minus proportions.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd_losses
    >>> sgd_losses.softmax_slope(np.array([0.0, 1.0]), np.zeros(2))
    array([ 0.5, -0.5])
    """
    e = np.exp(p - p.max())
    return e / e.sum() - q
