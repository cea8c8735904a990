"""Stochastic gradient descent row by row: each rule of `fastridge.solvers.sgd`.

Every column decays at every row. Weights W are (n_outputs, n_features + 1): the last column is the
intercept, a feature that is 1 in every row (0 without an intercept) and whose penalty factor is 0.
"""

import copy
import math
from typing import NamedTuple

import numpy as np

_FACTOR_AUTO = 0.5  # of all rates of "auto"
_LARGEST_SLOPE = 1e12  # of scikit-learn's rules
_MOST_STEPS = 64  # that a heavy row is cut into
_TINY = 1e-8  # added to the root of AdaGrad's sum
_BY_THE_TERM = ("constant", "optimal", "invscaling", "adaptive", "pa1", "pa2")


class Diverged(ArithmeticError):
    """A prediction or a step is not finite."""


class Rule(NamedTuple):
    """What a learner minimizes, and by which steps."""

    loss: str
    epsilon: float
    learning_rate: str
    eta0: float
    power_t: float
    alpha: float
    l1_ratio: float
    fit_intercept: bool
    average: int
    batch_size: int = 1


def loss_value(loss, y, p, epsilon=0.1):
    """l(y, p) of one output; y is -1 or 1 for a classification loss.

    Examples
    --------
    >>> from fastridge.reference import sgd
    >>> float(sgd.loss_value("squared_error", 1.0, 3.0)), float(sgd.loss_value("hinge", 1.0, 0.25))
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
    """dl/dp of one output; at a kink as scikit-learn's.

    Examples
    --------
    >>> from fastridge.reference import sgd
    >>> float(sgd.loss_slope("squared_error", 1.0, 3.0)), float(sgd.loss_slope("hinge", 1.0, 1.0))
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


def loss_minimum(loss, y, p, epsilon=0.1):
    """The minimizer of l(y, .) next to p; infinite where the loss has none.

    Examples
    --------
    >>> from fastridge.reference import sgd
    >>> sgd.loss_minimum("epsilon_insensitive", 1.0, 3.0, epsilon=0.5)
    1.5
    """
    if loss.endswith("epsilon_insensitive"):
        return y + math.copysign(min(epsilon, abs(p - y)), p - y)
    if loss in ("squared_error", "huber"):
        return y
    if loss == "poisson":
        return math.log(y) if y > 0 else -math.inf
    if loss == "log_loss":
        return math.copysign(math.inf, y) if abs(y) == 1.0 else math.log((1.0 + y) / (1.0 - y))
    edge = 0.0 if loss == "perceptron" else 1.0
    return y * max(edge, y * p)


def softmax_value(q, p):
    """log sum exp p - q'p for proportions q.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> float(sgd.softmax_value(np.array([0.0, 1.0]), np.zeros(2)).round(4))
    0.6931
    """
    top = p.max()
    return top + np.log(np.exp(p - top).sum()) - q @ p


def softmax_slope(q, p):
    """The gradient of `softmax_value` in p: probabilities less proportions.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> sgd.softmax_slope(np.array([0.0, 1.0]), np.zeros(2))
    array([ 0.5, -0.5])
    """
    e = np.exp(p - p.max())
    return e / e.sum() - q


def plain_rate(rule, t):
    """The rate of a rule of scikit-learn at its count t, 1 for the first row.

    Examples
    --------
    >>> from fastridge.reference import sgd
    >>> rule = sgd.Rule("hinge", 0.1, "invscaling", 0.1, 0.5, 1e-4, 0.0, True, 0)
    >>> sgd.plain_rate(rule, 4.0)
    0.05
    """
    if rule.learning_rate == "optimal":
        first = math.sqrt(1.0 / math.sqrt(rule.alpha))
        return 1.0 / (rule.alpha * (1.0 / (first * rule.alpha) + t - 1.0))
    if rule.learning_rate == "invscaling":
        return rule.eta0 / t**rule.power_t
    return rule.eta0


def passive_update(rule, y, p, squared_norm):
    """What "pa1" and "pa2" multiply a row by (Crammer et al. 2006); `squared_norm`: no intercept.

    Examples
    --------
    >>> from fastridge.reference import sgd
    >>> rule = sgd.Rule("hinge", 0.1, "pa1", 1.0, 0.5, 0.0, 0.0, True, 0)
    >>> float(sgd.passive_update(rule, -1.0, 0.0, 4.0))
    -0.25
    """
    value = loss_value(rule.loss, y, p, rule.epsilon)
    if rule.learning_rate == "pa2":
        size = value / (squared_norm + 0.5 / rule.eta0)
    else:
        size = 0.0 if squared_norm == 0.0 else min(rule.eta0, value / squared_norm)
    if rule.loss == "hinge":
        return size * y
    return size if y >= p else -size


def plain_decay(W, rate, alpha, l1_ratio, factor):
    """W after the decay of a step: by (1 - rate alpha (1 - l1_ratio))^f, by 0 where that is less.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> sgd.plain_decay(np.ones((1, 3)), 0.5, 0.2, 0.0, np.array([0.0, 1.0, 2.0])).round(2)
    array([[1.  , 0.9 , 0.81]])
    """
    return W * max(0.0, 1.0 - (1.0 - l1_ratio) * rate * alpha) ** factor


def truncate(W, paid, owed):
    """(W, paid) after cumulative truncation (Tsuruoka, Tsujii & Ananiadou 2009).

    `owed` is the L1 penalty since the start, `paid` the part that each weight has moved by, with
    the sign of the move.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> sgd.truncate(np.array([[1.0, -0.25]]), np.zeros((1, 2)), 0.5)
    (array([[0.5, 0. ]]), array([[-0.5 ,  0.25]]))
    """
    falls = np.maximum(0.0, W - (owed + paid))
    rises = np.minimum(0.0, W + (owed - paid))
    new = np.where(W > 0.0, falls, np.where(W < 0.0, rises, W))
    return new, paid + (new - W)


def adagrad_step(W, G, gradient, eta0):
    """(W, G) after a step of AdaGrad (Duchi, Hazan & Singer 2011); G: sums of squares.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> sgd.adagrad_step(np.zeros((1, 2)), np.zeros((1, 2)), np.array([[3.0, 0.0]]), 0.1)[0]
    array([[-0.1,  0. ]])
    """
    G = G + gradient**2
    return W - eta0 / (np.sqrt(G) + _TINY) * gradient, G


def rescale(W, scale, R, x):
    """(W, scale, R) after the largest |x_j| so far have grown (Ross, Mineiro & Langford 2013).

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> W, R = np.ones((1, 2)), np.ones((1, 2))
    >>> sgd.rescale(W, np.array([1.0, 4.0]), R, np.array([2.0, 2.0]))[0]
    array([[0.5, 1. ]])
    """
    grown = np.maximum(scale, abs(x))
    share = np.where((scale > 0.0) & (grown > scale), scale / np.where(grown > 0, grown, 1.0), 1.0)
    return W * share, grown, R * share


def normalized_step(W, R, gradient, scale, rate):
    """(W, R) after a step of "auto"; gradient: in the scaled features, R: roots of its squares.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> W, R = np.zeros((1, 2)), np.zeros((1, 2))
    >>> sgd.normalized_step(W, R, np.array([[3.0, -1.0]]), np.array([1.0, 100.0]), 0.5)[0]
    array([[-0.5  ,  0.005]])
    """
    R = np.hypot(R, gradient)
    moved = gradient != 0.0
    return W - rate * np.divide(gradient, scale * R, out=np.zeros_like(W), where=moved), R


def flow(W, k, l1_ratio, time):
    """|w| after `time` of d|w|/dC = -k ((1 - l1_ratio) |w| + l1_ratio), with the sign of w.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> sgd.flow(np.array([2.0, -0.25]), 1.0, 1.0, 0.5), sgd.flow(1.0, 1.0, 0.0, 1.0).round(4)
    (array([ 1.5, -0. ]), np.float64(0.3679))
    """
    ridge = 1.0 - l1_ratio
    fall = -np.expm1(-k * ridge * time) / ridge if ridge > 0.0 else k * time
    return np.copysign(np.maximum(0.0, abs(W) * (1.0 - ridge * fall) - l1_ratio * fall), W)


def flow_integral(W, k, l1_ratio, time):
    """The integral over `time` of `flow`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> sgd.flow_integral(np.array([2.0, -0.25]), np.ones(2), 1.0, 0.5)
    array([ 0.875  , -0.03125])
    """
    W, k = np.broadcast_arrays(np.asarray(W, float), np.asarray(k, float))
    total = np.zeros(W.shape)
    ridge, size = 1.0 - l1_ratio, abs(W)
    for i in np.ndindex(W.shape):
        c, a = k[i], size[i]
        if c == 0.0 or a == 0.0:
            total[i] = a * time
        elif ridge == 0.0:
            span = min(time, a / c)
            total[i] = span * (a - 0.5 * c * span)
        else:
            low = l1_ratio / ridge
            span = time if low == 0.0 else min(time, math.log1p(a / low) / (c * ridge))
            total[i] = -(a + low) * math.expm1(-c * ridge * span) / (c * ridge) - low * span
    return np.copysign(total, W)


def coin_step(state, gradient):
    """A bet of each coordinate on its next gradient (Orabona & Tommasi 2017), and what it held.

    `state` is (weights, largest, total, sum, reward), all of the scaled features; a coordinate
    whose gradient is 0 does not move.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> state = tuple(np.zeros(1) for _ in range(5))
    >>> sgd.coin_step(state, np.array([-2.0]))[0]
    array([0.5])
    """
    V, largest, total, theta, reward = state
    largest = np.maximum(largest, abs(gradient))
    total = total + abs(gradient)
    reward = np.maximum(0.0, reward - gradient * V)
    theta = theta - gradient
    wealth = largest + reward
    scale = np.where(largest > 0.0, largest * (total + largest), 1.0)
    V = np.where(gradient != 0.0, theta * wealth / scale, V)
    return V, largest, total, theta, reward


class Learner:
    """A linear model that learns from rows, as `fastridge.solvers.sgd.learner.Learner` does.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference.sgd import Learner, Rule
    >>> rule = Rule("squared_error", 0.1, "constant", 0.1, 0.5, 0.0, 0.0, False, 0)
    >>> learner = Learner(1, 1, rule)
    >>> learner.learn(np.array([[1.0], [2.0]]), np.array([1.0, 2.0]))
    2.12
    >>> learner.coef()
    array([[0.46]])
    """

    def __init__(self, n_features, n_outputs, rule, factor=None):
        shape = (n_outputs, n_features + 1)
        self.n_features, self.n_outputs, self.rule = n_features, n_outputs, rule
        self.t = 1.0
        self.eta = float(rule.eta0)
        self.shrink = 1.0
        self.factor = np.append(np.ones(n_features) if factor is None else factor, 0.0)
        self._W, self._A, self._averaged = np.zeros(shape), np.zeros(shape), 0.0
        self._owed, self._paid = 0.0, np.zeros(shape)  # L1 of scikit-learn's rules
        self._G = np.zeros(shape)  # of AdaGrad: sums of squares; of "auto": R
        self._scale, self._N, self._weight = np.zeros(n_features + 1), 0.0, 0.0
        self._coin = tuple(np.zeros(shape) for _ in range(4))
        self._missed = np.zeros(n_features + 1)  # weight of rows since a column's last visit

    def coef(self):
        """(n_outputs, n_features) coefficients of the last step."""
        return self._W[:, :-1].copy()

    def intercept(self):
        """(n_outputs,) intercepts of the last step."""
        return self._W[:, -1].copy()

    def average(self):
        """The mean of coefficients and of intercepts."""
        return self._A[:, :-1].copy(), self._A[:, -1].copy()

    def set_coef(self, coef, intercept):
        """Go on from these."""
        self._W = np.column_stack([np.atleast_2d(coef), intercept]).astype(float)

    def copy(self):
        """A learner that goes on by itself."""
        return copy.deepcopy(self)

    def state(self):
        """Everything, as arrays and numbers."""
        values = copy.deepcopy(self.__dict__)
        values.update({f"coin_{i}": a for i, a in enumerate(values.pop("_coin"))})
        values.update({f"rule_{k}": v for k, v in values.pop("rule")._asdict().items()})
        return values

    @classmethod
    def of_state(cls, state):
        """The learner that has this state."""
        state, learner = copy.deepcopy(state), cls.__new__(cls)
        rule = {k: state.pop(f"rule_{k}") for k in Rule._fields}
        coin = tuple(state.pop(f"coin_{i}") for i in range(4))
        learner.__dict__.update(state, rule=Rule(**rule), _coin=coin)
        return learner

    def learn(self, A, y, weight=None, positive=None, order=None):
        """Visit each row once; return the sum of weighted losses before the step of each row."""
        before = copy.deepcopy(self.__dict__)
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                return self._learn(A, y, weight, positive, order)
        except Diverged:
            self.__dict__ = before
            raise

    def _learn(self, A, y, weight, positive, order):
        X = _dense(A)
        n, k = len(X), len(self._W)
        X = np.column_stack([X, np.full(n, float(self.rule.fit_intercept))])
        Y = _targets(y, k, self.rule.loss)
        s = np.ones(n) if weight is None else np.asarray(weight, float)
        own = np.ones(k) if positive is None else np.asarray(positive, float)
        order = np.arange(n) if order is None else order
        total, m = 0.0, self.rule.batch_size
        for i in range(0, n, m):
            rows = order[i : i + m]
            total += self._visit(X[rows], Y[rows], s[rows], own)
        return total

    def _visit(self, X, Y, s, own):
        """Learn from a batch of rows."""
        rule, value = self.rule, 0.0
        if rule.learning_rate in _BY_THE_TERM:
            value = self._plain(X, Y, s, own)
            _require_finite(self._W)
            if 0 < rule.average <= self.t:
                self._A += (self._W - self._A) * (len(X) / (self.t - rule.average + len(X)))
        else:
            # a heavy row is the row several times
            parts = min(max(1, math.ceil(s[0])), _MOST_STEPS) if len(X) == 1 else 1
            for part in range(parts):
                values = self._adapt(X, Y, s / parts, own)
                value = values * parts if part == 0 else value
        self.t += len(X)
        return value

    def _slopes(self, X, Y, s, own):
        """(sum of weighted losses, slopes (n, k) with weights of classes, predictions)."""
        rule, P = self.rule, X @ self._W.T
        _require_finite(P)
        values, slopes = np.empty(P.shape), np.empty(P.shape)
        for i, k in np.ndindex(P.shape):
            if rule.loss == "multinomial":
                values[i, k] = softmax_value(Y[i], P[i]) / len(P[i])
                slopes[i, k] = softmax_slope(Y[i], P[i])[k]
            else:
                c = own[k] if Y[i, k] > 0 else 1.0
                values[i, k] = c * loss_value(rule.loss, Y[i, k], P[i, k], rule.epsilon)
                slopes[i, k] = c * loss_slope(rule.loss, Y[i, k], P[i, k], rule.epsilon)
        return float(s @ values.sum(axis=1)), slopes, P

    def _plain(self, X, Y, s, own):
        """A step of a rule of scikit-learn."""
        rule = self.rule
        rate = self.shrink * plain_rate(rule, self.t)
        value, slopes, P = self._slopes(X, Y, s, own)
        steps = -rate * np.clip(slopes, -_LARGEST_SLOPE, _LARGEST_SLOPE)
        if rule.learning_rate in ("pa1", "pa2"):
            for i, k in np.ndindex(P.shape):
                norm = X[i, :-1] @ X[i, :-1]
                c = own[k] if Y[i, k] > 0 else 1.0
                steps[i, k] = self.shrink * c * passive_update(rule, Y[i, k], P[i, k], norm)
        steps = s[:, None] * steps
        self._W = plain_decay(self._W, rate, rule.alpha, rule.l1_ratio, self.factor)
        self._W = self._W + steps.T @ X / len(X)
        if rule.l1_ratio > 0.0:
            # a column is truncated in the rows that hold it
            self._owed += rule.l1_ratio * rate * rule.alpha
            W, paid = truncate(self._W, self._paid, self._owed * self.factor)
            held = (X != 0.0).any(axis=0)
            self._W, self._paid = np.where(held, W, self._W), np.where(held, paid, self._paid)
        self.eta = rate
        return value

    def _adapt(self, X, Y, s, own):
        """A step of a rule that has a rate for each coordinate."""
        rule, mean = self.rule, s.mean()
        if not s.any():
            return 0.0
        if rule.learning_rate != "adagrad":
            x = abs(X[s > 0.0]).max(axis=0)
            coin = self._coin
            old = self._scale
            self._W, self._scale, self._G = rescale(self._W, old, self._G, x)
            self._coin = (*(rescale(c, old, c, x)[2] for c in coin[:3]), coin[3])
        value, slopes, P = self._slopes(X, Y, s, own)
        scale = np.where(self._scale > 0.0, self._scale, 1.0)
        gradient = (s[:, None] * slopes).T @ X / len(X)
        before = self._W
        if rule.learning_rate == "coin":
            self._bet(gradient / scale, X, s)
            return value
        if rule.learning_rate == "adagrad":
            rate = self.shrink * rule.eta0
            self._W, self._G = adagrad_step(before, self._G, gradient, rate)
            pace = 1.0 / (np.sqrt(self._G) + _TINY)
        else:
            self._weight += s.sum()
            self._N += s @ ((X / scale) ** 2).sum(axis=1)
            rate = self.shrink * _FACTOR_AUTO
            rate *= math.sqrt(self._weight / self._N) if self._N > 0.0 else 0.0
            self._W, self._G = normalized_step(before, self._G, gradient / scale, scale, rate)
            pace = np.divide(1.0, scale**2 * self._G, out=np.zeros_like(before), where=self._G > 0)
        if len(X) == 1 and s[0] > 1.0 and rule.loss != "multinomial":
            self._W = self._stop_at_minimum(before, X[0], Y[0], P[0])
        _require_finite(self._W)
        self._fall(np.where(self._G > 0.0, rule.alpha * self.factor * pace, 0.0), rate * mean)
        self.eta = rate
        return value

    def _fall(self, k, time):
        """The penalty of a step, and the mean of the weights."""
        rule = self.rule
        if 0 < rule.average <= self.t and time > 0.0:
            self._averaged += time
            share = flow_integral(self._W, k, rule.l1_ratio, time) / time
            self._A += (share - self._A) * (time / self._averaged)
        self._W = flow(self._W, k, rule.l1_ratio, time)

    def _stop_at_minimum(self, before, x, y, p):
        """The weights after a step, or after the part of it that leads to the loss's minimum."""
        step = self._W - before
        for k in range(len(p)):
            move, room = step[k] @ x, loss_minimum(self.rule.loss, y[k], p[k], self.rule.epsilon)
            room -= p[k]
            if move != 0.0 and abs(move) > abs(room):
                step[k] *= room / move
        return before + step

    def _bet(self, gradient, X, s):
        """A step of coin betting: of the columns that the rows hold, for the rows since."""
        rule, held = self.rule, (X[s > 0.0] != 0.0).any(axis=0)
        self._missed += s.mean()
        scale = np.where(self._scale > 0.0, self._scale, 1.0)
        slope = (1.0 - rule.l1_ratio) * self._W + rule.l1_ratio * np.sign(self._W)
        gradient = gradient + rule.alpha * self.factor * self._missed * slope / scale
        gradient = np.where(held, self.shrink * gradient, 0.0)
        V, *coin = coin_step((self._W * scale, *self._coin), gradient)
        self._W, self._coin = V / scale, tuple(coin)
        self._missed[held] = 0.0
        _require_finite(self._W)
        if 0 < rule.average <= self.t:
            self._averaged += s.sum()
            self._A += (self._W - self._A) * (s.sum() / self._averaged)
        self.eta = self.shrink


def _require_finite(values):
    if not np.isfinite(values).all():
        raise Diverged("a prediction or a step is not finite")


def _dense(A):
    """The rows of a `Matrix`, of a sparse matrix or of an array, float64."""
    if hasattr(A, "rows") and hasattr(A, "n_rows"):
        return A.rows(0, A.n_rows)
    return np.asarray(A.toarray() if hasattr(A, "toarray") else A, float)


def _targets(y, k, loss):
    """(n, k) targets: numbers of one output, -1 and 1 or 2 q - 1 of several, q of the softmax."""
    y = np.asarray(y)
    if k == 1 and y.ndim == 1:
        return y[:, None].astype(float)
    shares = np.eye(k)[y] if y.ndim == 1 else y.astype(float)
    return shares if loss == "multinomial" else 2.0 * shares - 1.0
