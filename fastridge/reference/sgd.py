"""Stochastic gradient descent row by row: each rule of `fastridge.solvers.sgd`.

Every column decays at every row. Weights W are (n_outputs, n_features + 1): the last column is the
intercept, a feature that is 1 in every row (0 without an intercept) and whose penalty factor is 0.
"""

import copy
import math
from typing import NamedTuple

import numpy as np

from .sgd_losses import REGRESSION, loss_slope, loss_value, room_of, softmax_slope, softmax_value

_RATE = 0.5  # "auto": common factor of the columns' rates, in units of predictions
_FIRST = 0.25  # the same for the intercept
_BETS = (2.0, 1.0)  # both for coin betting
_SHARE = 0.25  # share of a weight by which it may move
_NEARLY = 0.1  # a rate this close to the last one bounds a step by it
_LARGEST_SLOPE = 1e12  # bound on slopes in scikit-learn's rules
_MOST_STEPS = 64  # largest number of steps for a heavy row
_BY_THE_TERM = ("constant", "optimal", "invscaling", "adaptive", "pa1", "pa2")


class Diverged(ArithmeticError):
    """A prediction or a step is not finite."""


class Rule(NamedTuple):
    """Loss, penalty and step rule of a learner."""

    loss: str
    epsilon: float = 0.1
    learning_rate: str = "auto"
    eta0: float = 0.01
    power_t: float = 0.5
    alpha: float = 1e-4
    l1_ratio: float = 0.0
    fit_intercept: bool = True
    average: int = 0


def plain_rate(rule, t):
    """Return the rate of a rule of scikit-learn at its count t, 1 for the first row.

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
    """Return the factor of a row in "pa1" and "pa2" (Crammer et al. 2006).

    squared_norm: that of the row, without the intercept.

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
    """Return W after the decay of a step, times max(0, 1 - rate alpha (1 - l1_ratio) f).

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> sgd.plain_decay(np.ones((1, 3)), 0.5, 0.2, 0.0, np.array([0.0, 1.0, 2.0])).round(2)
    array([[1. , 0.9, 0.8]])
    """
    return W * np.maximum(0.0, 1.0 - (1.0 - l1_ratio) * rate * alpha * factor)


def truncate(W, paid, owed):
    """Return (W, paid) after cumulative truncation (Tsuruoka, Tsujii & Ananiadou 2009).

    `owed` is the L1 penalty since the start, `paid` the signed part already applied to each weight.

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


def rescale(W, scale, R, x):
    """Return (W, scale, R) after an increase of the largest |x_j| (Ross, Mineiro & Langford 2013).

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


def reaches(V, reach, rate):
    """Return the largest moves of scaled weights: last reach, share of the weight, or rate.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> sgd.reaches(np.array([0.0, 4.0]), np.array([0.25, 0.25]), 0.5)
    array([0.5, 1.5])
    """
    return np.maximum(reach, rate + _SHARE * abs(V))


def largest_move(u, R, reach, g):
    """Return a bound on the change of the prediction by a step.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> u, reach = np.array([1.0, -0.5]), np.array([0.5, 0.5])
    >>> sgd.largest_move(u, np.array([4.0, 0.0]), reach, 1.0)
    0.375
    """
    known = R > 0.0
    inverse = np.divide(1.0, R, out=np.zeros_like(R), where=known)
    by = reach * abs(u)
    near = abs(g) * (by * inverse * abs(u)).sum() + by[~known].sum()
    return float(min(by.sum(), near))


def coordinate_step(V, R, u, g, size, reach):
    """Return (V, R) after a step of scaled weights: R^2 += (g u)^2, V -= reach size u / R.

    `size` is g, reduced where the step would go too far.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> V, R = np.zeros(2), np.zeros(2)
    >>> sgd.coordinate_step(V, R, np.array([1.0, -0.5]), 2.0, 1.0, np.array([0.5, 0.5]))[0]
    array([-0.25,  0.25])
    """
    R = np.hypot(R, g * u)
    moved = (g * u) != 0.0
    return V - np.divide(reach * size * u, R, out=np.zeros_like(V), where=moved), R


def flow(W, k, l1_ratio, time):
    """Return w after `time` of the flow d|w|/dC = -k ((1 - l1_ratio) |w| + l1_ratio).

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


def flow_end(W, k, l1_ratio):
    """Return the time after which `flow` is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> sgd.flow_end(np.array([2.0, -0.25]), 1.0, 1.0)
    array([2.  , 0.25])
    """
    fall, ridge = np.asarray(k * l1_ratio, float), np.asarray(k * (1.0 - l1_ratio), float)
    with np.errstate(divide="ignore", invalid="ignore"):
        straight = abs(W) / fall
        bent = np.log1p(abs(W) * ridge / fall) / ridge
    return np.where(fall > 0.0, np.where(ridge > 0.0, bent, straight), np.inf)


def pay(V, debts):
    """Return (V, debts) after positive and negative weights have paid their L1 debts.

    What one pays is added to the debt of the other: cumulative truncation, as in `truncate`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> sgd.pay(np.array([1.0, -0.25]), (np.array([0.5, 0.5]), np.array([0.5, 0.5])))[0]
    array([0.5, 0. ])
    """
    positive, negative = debts
    first = np.where(V > 0.0, np.minimum(V, positive), 0.0)
    second = np.where(V < 0.0, np.minimum(-V, negative), 0.0)
    return V - first + second, (positive - first + second, negative - second + first)


def flow_integral(W, k, l1_ratio, time):
    """Return the integral of `flow` over `time`.

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


def bet(V, state, g, wealth):
    """Return (V, state) after bets of coordinates on their next gradients (Orabona & Tommasi 2017).

    `state` is (largest |g|, sum of |g|, sum of -g, reward), `wealth` the initial wealth of each, in
    units of its largest gradient. A coordinate with zero gradient keeps its bet.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd
    >>> sgd.bet(np.zeros(1), tuple(np.zeros(1) for _ in range(4)), np.array([-2.0]), 1.0)[0]
    array([0.25])
    """
    largest, total, theta, reward = state
    largest = np.maximum(largest, abs(g))
    reward = np.maximum(0.0, reward - V * g)
    theta, total = theta - g, total + abs(g)
    unit = np.where(largest > 0.0, largest, 1.0)
    held = theta / (unit * np.maximum(total + unit, 4.0 * unit)) * (unit * wealth + reward)
    return np.where(g != 0.0, held, V), (largest, total, theta, reward)


class Learner:
    """A linear model that learns from rows, as `fastridge.solvers.sgd.learner.Learner` does.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference.sgd import Learner, Rule
    >>> rule = Rule("squared_error", 0.1, "constant", 0.1, 0.5, 0.0, 0.0, False)
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
        self._shrink = 1.0
        self.factor = np.append(np.ones(n_features) if factor is None else factor, 0.0)
        self._W, self._A, self._averaged = np.zeros(shape), np.zeros(shape), 0.0
        self._owed, self._paid = 0.0, np.zeros(shape)  # L1 of scikit-learn's rules
        # for rates of coordinates: roots of sums of squared gradients, reaches of weights,
        # largest |x|; sums of weights and of weighted squares
        self._R, self._reach, self._scale = np.zeros(shape), np.zeros(shape), np.zeros(shape[1])
        self._seen, self._squares = 0.0, 0.0
        self._before = 0.0  # the rate of the last step
        self._error, self._mean, self._spread = 0.0, 0.0, 0.0  # statistics of targets
        # for bets: their state, the weight of rows since the last, the start of the intercept
        self._bets = tuple(np.zeros(shape) for _ in range(4))
        self._debts = np.zeros(shape), np.zeros(shape)  # for positive and for negative weights
        self._missed, self._first = np.zeros(shape[1]), np.zeros(shape)

    @property
    def shrink(self):
        """Common factor of all rates."""
        return self._shrink

    @shrink.setter
    def shrink(self, value):
        self._reach *= value / self._shrink
        self._shrink = value

    def coef(self):
        """Return the coefficients (n_outputs, n_features) after the last step."""
        return self._W[:, :-1].copy()

    def intercept(self):
        """Return the intercepts (n_outputs,) after the last step."""
        return self._W[:, -1].copy()

    def average(self):
        """Return the averages of coefficients and intercepts; current values before they start."""
        if not 0 < self.rule.average < self.t:
            return self.coef(), self.intercept()
        return self._A[:, :-1].copy(), self._A[:, -1].copy()

    def set_coef(self, coef, intercept):
        """Continue from these coefficients and intercepts."""
        self._W = np.column_stack([np.atleast_2d(coef), intercept]).astype(float)

    def copy(self):
        """Return an independent copy."""
        return copy.deepcopy(self)

    def state(self):
        """Return the state as arrays, numbers and the parameters of the rule."""
        return {**copy.deepcopy(self.__dict__), "rule": self.rule._asdict()}

    @classmethod
    def of_state(cls, state):
        """Return the learner with this state."""
        learner = cls.__new__(cls)
        learner.__dict__.update(copy.deepcopy(state), rule=Rule(**state["rule"]))
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
        return float(sum(self._visit(X[i], Y[i], s[i], own) for i in order))

    def _visit(self, x, y, s, own):
        """Learn from a row; return its weighted loss before the first step."""
        rule = self.rule
        if rule.learning_rate in _BY_THE_TERM:
            value = self._plain(x, y, s, own)
        else:
            # split a heavy row into several steps
            parts = min(max(1, math.ceil(s)), _MOST_STEPS)
            values = [self._adapt(x, y, s / parts, own) for _ in range(parts if s > 0 else 0)]
            value = values[0] if values else 0.0
        _require_finite(self._W)
        self.t += 1.0
        return s * value

    def _slopes(self, x, y, own):
        """Return (loss, slopes (k,) with weights of classes, predictions (k,))."""
        rule, p = self.rule, self._W @ x
        _require_finite(p)
        if rule.loss == "multinomial":
            return softmax_value(y, p), softmax_slope(y, p), p
        each = list(zip(y, p, np.where(y > 0, own, 1.0), strict=True))
        values = [c * loss_value(rule.loss, t, q, rule.epsilon) for t, q, c in each]
        slopes = [c * loss_slope(rule.loss, t, q, rule.epsilon) for t, q, c in each]
        _require_finite(values)
        return sum(values), np.array(slopes), p

    def _plain(self, x, y, s, own):
        """Take a step of a rule of scikit-learn."""
        rule = self.rule
        rate = self._shrink * plain_rate(rule, self.t)
        value, slopes, p = self._slopes(x, y, own)
        steps = -rate * np.clip(slopes, -_LARGEST_SLOPE, _LARGEST_SLOPE)
        if rule.learning_rate in ("pa1", "pa2"):
            norm = x[:-1] @ x[:-1]
            steps = [passive_update(rule, t, q, norm) for t, q in zip(y, p, strict=True)]
            steps *= np.where(y > 0, own, 1.0)
        self._W = plain_decay(self._W, rate, rule.alpha, rule.l1_ratio, self.factor)
        self._W = self._W + s * np.outer(steps, x)
        if 0 < rule.average <= self.t:
            self._A += (self._W - self._A) / (self.t - rule.average + 1.0)
        if rule.l1_ratio > 0.0:
            # truncate a column only in rows where it is stored
            self._owed += rule.l1_ratio * rate * rule.alpha
            W, paid = truncate(self._W, self._paid, self._owed * self.factor)
            self._W, self._paid = np.where(x != 0, W, self._W), np.where(x != 0, paid, self._paid)
        self.eta = rate
        return value

    def _adapt(self, x, y, s, own):
        """Take a step of a rule with a rate for each coordinate."""
        rule, scaled = self.rule, self.rule.learning_rate != "adagrad"
        if scaled:
            self._W, self._scale, self._R = rescale(self._W, self._scale, self._R, x)
            self._begin(y)
        else:
            self._scale = np.ones(len(x))
        scale = np.where(self._scale > 0.0, self._scale, 1.0)
        u, V = x / scale, self._W * scale
        value, slopes, p = self._slopes(x, y, own)
        before, rates = self._before, self._rates(u, y, p, s)
        self._before = self.eta
        seen = before if len(V) == 1 and abs(self.eta - before) <= _NEARLY * before else self.eta
        if rule.learning_rate == "coin":
            self._bet(u, s * slopes, scale, s, rates)
            return value
        for k, g in enumerate(s * slopes):
            if g != 0.0:
                kept = reaches(V[k], self._reach[k], rates) if scaled else rates
                # the intercept's reach does not depend on its value
                kept[-1] = max(self._reach[k, -1], rates[-1]) if scaled else rates[-1]
                reach = np.where(u != 0.0, kept, self._reach[k])
                size = g
                if scaled:
                    bound = reaches(V[k], self._reach[k], seen)
                    bound[-1] = reach[-1]
                    move = largest_move(u, self._R[k], bound, g)
                    room = room_of(rule.loss, y[k], p[k], rule.epsilon)
                    size *= room / move if move > room else 1.0
                V[k], self._R[k] = coordinate_step(V[k], self._R[k], u, g, size, reach)
                self._reach[k] = reach
        V, self._debts = pay(V, self._debts)
        self._W = V / scale
        _require_finite(self._W)
        pace = np.divide(self._reach, self._R * scale**2, out=np.zeros_like(V), where=self._R > 0)
        self._fall(rule.alpha * self.factor * pace, s, scale)
        return value

    def _begin(self, y):
        """Start the intercept of a regression at the first target."""
        if self._seen == 0.0 and self.n_outputs == 1 and self._W[0, -1] == 0.0:
            if self.rule.loss in REGRESSION:
                self._W[0, -1] = y[0] * self.rule.fit_intercept
            elif self.rule.loss == "poisson" and y[0] > 0:
                self._W[0, -1] = math.log(y[0]) * self.rule.fit_intercept
            self._first = self._W.copy()

    def _rates(self, u, y, p, s):
        """Return the least reaches of columns and intercept, in units of the columns."""
        rule, unit = self.rule, 1.0
        self._seen += s
        self._squares += s * (u[:-1] @ u[:-1])
        if rule.loss in REGRESSION and self.n_outputs == 1:
            # the unit of predictions: the mean error, or the mean deviation of targets
            self._error += s * abs(p[0] - y[0])
            self._mean += s / self._seen * (y[0] - self._mean)
            self._spread += s * abs(y[0] - self._mean)
            unit = min(self._error, self._spread) / self._seen
        if rule.learning_rate == "adagrad":
            self.eta = self._shrink * rule.eta0
            return np.full(len(u), self.eta)
        mean_square = self._squares / self._seen
        rate, own = _BETS if rule.learning_rate == "coin" else (_RATE, _FIRST)
        self.eta = self._shrink * rate * unit * (mean_square**-0.5 if mean_square > 0 else 1.0)
        return np.append(np.full(len(u) - 1, self.eta), self._shrink * own * unit)

    def _bet(self, u, slopes, scale, s, wealth):
        """Take a step of coin betting, with the penalty's gradient for the rows in between."""
        rule, W = self.rule, self._W
        slope = (1.0 - rule.l1_ratio) * W + rule.l1_ratio * np.sign(W)
        penalty = rule.alpha * self.factor * self._missed * slope / scale
        gradient = np.where(u != 0.0, np.outer(slopes, u) + penalty, 0.0)
        V, self._bets = bet((W - self._first) * scale, self._bets, gradient, wealth)
        self._W = self._first + V / scale
        self._missed[u != 0.0] = 0.0
        self._missed += s
        if 0 < rule.average <= self.t:
            self._averaged += s
            self._A += (self._W - self._A) * (s / self._averaged)

    def _fall(self, k, time, scale):
        """Apply the penalty until the next step, and update the mean of the weights."""
        rule = self.rule
        owed = k * rule.l1_ratio * time * scale
        spans = np.minimum(1.0, flow_end(self._W, k, rule.l1_ratio) / time)
        paid = np.where(self._W != 0.0, owed * spans, 0.0) * np.where(self._W < 0.0, -1.0, 1.0)
        self._debts = self._debts[0] + owed - paid, self._debts[1] + owed + paid
        if 0 < rule.average <= self.t:
            self._averaged += time
            mean = flow_integral(self._W, k, rule.l1_ratio, time) / time
            self._A += (mean - self._A) * (time / self._averaged)
        self._W = flow(self._W, k, rule.l1_ratio, time)


def _require_finite(values):
    if not np.isfinite(values).all():
        raise Diverged("a prediction or a step is not finite")


def _dense(A):
    """Return the rows of a `Matrix`, a sparse matrix or an array as a float64 array."""
    if hasattr(A, "rows") and hasattr(A, "n_rows"):
        return A.rows(0, A.n_rows)
    return np.asarray(A.toarray() if hasattr(A, "toarray") else A, float)


def _targets(y, k, loss):
    """Return targets (n, k): y of one output, -1 and 1 or 2 q - 1 of several, q of the softmax."""
    y = np.asarray(y)
    if k == 1 and y.ndim == 1:
        return y[:, None].astype(float)
    shares = np.eye(k)[y] if y.ndim == 1 else y.astype(float)
    return shares if loss == "multinomial" else 2.0 * shares - 1.0
