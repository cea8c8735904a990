"""Stochastic gradient descent by batches of rows: the steps of `fastridge.reference.sgd`.

"auto" and "adagrad" treat a batch as one row whose gradient is the sum of the rows' weighted
gradients; the step of each row is bounded separately, with weights, reaches and the rate from
before the batch. Coin betting bets on the sum. Rules of scikit-learn use the mean.
"""

import math

import numpy as np

from . import sgd, sgd_losses

_ROUNDING = 1e-15  # share of a sum of gradients that counts as round-off


def sum_of_gradients(slopes, u):
    """Return the sums (k, p) of slopes (n, k) times rows u (n, p); round-off becomes 0.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd_batch
    >>> sgd_batch.sum_of_gradients(np.array([[0.1], [0.2], [-0.3]]), np.ones((3, 1)))
    array([[0.]])
    """
    z = slopes.T @ u
    return np.where(abs(z) > _ROUNDING * abs(slopes).sum(axis=0)[:, None], z, 0.0)


def flow_with_debts(V, pace, l1_ratio, time, debts):
    """Return (V, debts) after the penalty's flow; where a weight is 0, its debt is kept.

    `debts` (2, k, p) are the L1 penalties that a positive and a negative weight owe.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd_batch
    >>> V, debts = np.array([[1.0, 0.0]]), np.zeros((2, 1, 2))
    >>> sgd_batch.flow_with_debts(V, np.ones((1, 2)), 1.0, 0.25, debts)[1][:, 0]
    array([[0.  , 0.25],
           [0.5 , 0.25]])
    """
    ridge, one, size = 1.0 - l1_ratio, pace * l1_ratio, abs(V)
    until = np.full(V.shape, time)
    for i in np.ndindex(V.shape):
        if one[i] > 0.0:
            two = pace[i] * ridge
            zero = math.log1p(size[i] * two / one[i]) / two if two > 0.0 else size[i] / one[i]
            until[i] = min(time, zero)
    owed, paid = one * time, one * until * np.sign(V)
    return sgd.flow(V, pace, l1_ratio, time), debts + np.array([owed - paid, owed + paid])


def pay(V, debts):
    """Return (V, debts) after weights have paid their debts (Tsuruoka, Tsujii & Ananiadou 2009).

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference import sgd_batch
    >>> debts = np.array([[[0.25, 0.5]], [[0.0, 0.5]]])
    >>> sgd_batch.pay(np.array([[1.0, -0.25]]), debts)
    (array([[ 0.75, -0.  ]]), array([[[0.  , 0.75]],
    <BLANKLINE>
           [[0.25, 0.25]]]))
    """
    own = np.where(V > 0.0, debts[0], debts[1])
    paid = np.where(V != 0.0, np.minimum(abs(V), own), 0.0)
    change = paid * np.where(V > 0.0, 1.0, -1.0)
    return np.copysign(abs(V) - paid, V), debts + np.array([-change, change])


class BatchLearner(sgd.Learner):
    """A linear model that takes one step for each batch of `size` neighbours of the order.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.reference.sgd import Rule
    >>> from fastridge.reference.sgd_batch import BatchLearner
    >>> rule = Rule("squared_error", 0.1, "constant", 0.1, 0.5, 0.0, 0.0, False)
    >>> learner = BatchLearner(1, 1, rule, size=2)
    >>> learner.learn(np.array([[1.0], [2.0]]), np.array([1.0, 2.0]))
    2.5
    >>> learner.coef()
    array([[0.25]])
    """

    def __init__(self, n_features, n_outputs, rule, factor=None, size=1):
        super().__init__(n_features, n_outputs, rule, factor)
        self.size = size
        shape = (n_outputs, n_features + 1)
        self._R, self._reach, self._scale = np.zeros(shape), np.zeros(shape), np.zeros(shape[1])
        self._seen, self._squares = 0.0, 0.0
        self._error, self._mean, self._spread = 0.0, 0.0, 0.0
        self._debts = np.zeros((2, *shape))
        self._bets = tuple(np.zeros(shape) for _ in range(4))
        self._missed, self._first = np.zeros(shape[1]), np.zeros(shape)
        self._rate, self._starts = 0.0, False

    def _learn(self, A, y, weight, positive, order):
        X = sgd._dense(A)
        n, k = len(X), len(self._W)
        X = np.column_stack([X, np.full(n, float(self.rule.fit_intercept))])
        Y = sgd._targets(y, k, self.rule.loss)
        s = np.ones(n) if weight is None else np.asarray(weight, float)
        own = np.ones(k) if positive is None else np.asarray(positive, float)
        order = np.arange(n) if order is None else np.asarray(order)
        by_the_term = self.rule.learning_rate in sgd._BY_THE_TERM
        total = 0.0
        for i in range(0, len(order), self.size):
            rows = order[i : i + self.size]
            step = self._mean_step if by_the_term else self._sum_step
            if s[rows].any():
                total += step(X[rows], Y[rows], s[rows], own)
                sgd._require_finite(self._W)
            if not by_the_term:
                self.t += len(rows)
        return float(total)

    def _losses(self, X, Y, s, own):
        """Return (sum of losses, slopes (n, k) with weights of classes, predictions (n, k))."""
        rule, P = self.rule, X @ self._W.T
        sgd._require_finite(P)
        if rule.loss == "multinomial":
            values = [sgd_losses.softmax_value(q, p) for q, p in zip(Y, P, strict=True)]
            slopes = [
                q.sum() * sgd_losses.softmax_slope(q / q.sum(), p)
                for q, p in zip(Y, P, strict=True)
            ]
            return s @ values, np.array(slopes), P
        values, slopes = np.empty(P.shape), np.empty(P.shape)
        for i, k in np.ndindex(P.shape):
            c = own[k] if Y[i, k] > 0 else 1.0
            values[i, k] = c * sgd_losses.loss_value(rule.loss, Y[i, k], P[i, k], rule.epsilon)
            slopes[i, k] = c * sgd_losses.loss_slope(rule.loss, Y[i, k], P[i, k], rule.epsilon)
        return s @ values.sum(axis=1), slopes, P

    def _mean_step(self, X, Y, s, own):
        """Take a step of a rule of scikit-learn along the mean of the gradients."""
        rule = self.rule
        rate = self.shrink * sgd.plain_rate(rule, self.t)
        value, slopes, P = self._losses(X, Y, s, own)
        steps = -rate * np.clip(slopes, -sgd._LARGEST_SLOPE, sgd._LARGEST_SLOPE)
        self.eta = rate
        if rule.learning_rate in ("pa1", "pa2"):
            for i, k in np.ndindex(P.shape):
                c = own[k] if Y[i, k] > 0 and len(own) > 1 else 1.0
                norm = X[i, :-1] @ X[i, :-1]
                steps[i, k] = c * sgd.passive_update(rule, Y[i, k], P[i, k], norm)
            rate = rule.eta0
        decay = (1.0 - rule.l1_ratio) * rate * rule.alpha * self.factor
        self._W = self._W * np.maximum(0.0, 1.0 - decay)
        self._W = self._W + (s[:, None] * steps).T @ X / len(X)
        if 0 < rule.average <= self.t:
            self._A = self._A + (self._W - self._A) / (self.t - rule.average + 1.0)
        if rule.l1_ratio > 0.0:
            # truncate a column only where it is stored in a row of the batch
            self._owed += rule.l1_ratio * rate * rule.alpha
            W, paid = sgd.truncate(self._W, self._paid, self._owed * self.factor)
            held = (X != 0.0).any(axis=0)
            self._W, self._paid = np.where(held, W, self._W), np.where(held, paid, self._paid)
        self.t += 1.0
        return value

    def _begin(self, Y, s):
        """Start the intercept of a regression at the mean of the first targets."""
        self._starts = False
        if self._seen == 0.0 and self.n_outputs == 1 and self._W[0, -1] == 0.0:
            mean = s @ Y[:, 0] / s.sum()
            self._starts = self.rule.loss in (*sgd_losses.REGRESSION, "poisson")
            if self.rule.loss in sgd_losses.REGRESSION:
                self._W[0, -1] = mean * self.rule.fit_intercept
            elif self.rule.loss == "poisson" and mean > 0:
                self._W[0, -1] = math.log(mean) * self.rule.fit_intercept
            self._first = self._W.copy()

    def _unit(self):
        """The unit of predictions."""
        if self.rule.loss not in sgd_losses.REGRESSION or self.n_outputs > 1:
            return 1.0
        return min(self._error, self._spread) / self._seen if self._seen > 0.0 else 0.0

    def _count(self, u, Y, P, s):
        """Count the rows, which set the rate."""
        self._seen += s.sum()
        self._squares += s @ (u[:, :-1] ** 2).sum(axis=1)
        if self.rule.loss in sgd_losses.REGRESSION and self.n_outputs == 1:
            y = Y[:, 0]
            self._error += s @ abs(P[:, 0] - y)
            self._mean += s @ (y - self._mean) / self._seen
            self._spread += s @ abs(y - self._mean)
        if self.rule.learning_rate == "adagrad":
            self._rate = self.shrink * self.rule.eta0
            return self._rate
        rate, own = sgd._BETS if self.rule.learning_rate == "coin" else (sgd._RATE, sgd._FIRST)
        mean = self._squares / self._seen
        self._rate = self.shrink * rate * self._unit() * (mean**-0.5 if mean > 0.0 else 1.0)
        return self.shrink * own * self._unit()

    def _reaches(self, V, own):
        """Return the reaches of weights; the intercept's does not depend on its value."""
        if self.rule.learning_rate == "adagrad":
            return np.full(V.shape, self._rate)
        reach = np.maximum(self._reach, self._rate + sgd._SHARE * abs(V))
        reach[:, -1] = np.maximum(self._reach[:, -1], own)
        return reach

    def _bounded(self, u, Y, P, slopes, reach):
        """Return weighted slopes, reduced where the step of a single row would go too far."""
        known = self._R > 0.0
        inverse = np.divide(1.0, self._R, out=np.zeros_like(self._R), where=known)
        left = slopes.copy()
        for i, k in zip(*np.nonzero(slopes), strict=True):
            by = reach[k] * abs(u[i])
            near = abs(slopes[i, k]) * (by * inverse[k] * abs(u[i])).sum() + by[~known[k]].sum()
            move = min(by.sum(), near)
            room = sgd_losses.room_of(self.rule.loss, Y[i, k], P[i, k], self.rule.epsilon)
            if move > room:
                left[i, k] *= room / move
        return left

    def _sum_step(self, X, Y, s, own):
        """Take a step of a rule with a rate for each coordinate."""
        X, Y, s = X[s > 0.0], Y[s > 0.0], s[s > 0.0]
        rule, scaled = self.rule, self.rule.learning_rate != "adagrad"
        if scaled:
            grown = np.maximum(self._scale, abs(X).max(axis=0))
            share = np.where((self._scale > 0.0) & (grown > 0.0), self._scale, grown)
            share = np.divide(share, grown, out=np.ones_like(grown), where=grown > 0.0)
            self._W, self._R, self._scale = self._W * share, self._R * share, grown
            self._begin(Y, s)
        else:
            self._scale = np.ones(X.shape[1])
        scale = np.where(self._scale > 0.0, self._scale, 1.0)
        u, V = X / scale, self._W * scale
        value, slopes, P = self._losses(X, Y, s, own)
        slopes = s[:, None] * slopes
        before, first = self._rate, self._unit()
        if rule.learning_rate == "coin":
            self._bet(u, slopes, scale, s, self._count(u, Y, P, s))
            self.eta = self._rate
            return value
        own_now = self._count(u, Y, P, s)
        self.eta, self._rate = self._rate, before if before > 0.0 else self._rate
        left = slopes
        if rule.learning_rate == "auto" and rule.loss != "multinomial":
            bound = own_now if before == 0.0 else self.shrink * sgd._FIRST * first
            left = self._bounded(u, Y, P, slopes, self._reaches(V, bound))
        self._rate = self.eta
        z, left = slopes.T @ u, left.T @ u
        # no step is longer than the reach
        z = np.maximum(abs(z), abs(left))
        if scaled:
            z = np.where(z > _ROUNDING * abs(slopes).sum(axis=0)[:, None], z, 0.0)
            z[:, -1] *= not self._starts
        moved = z != 0.0
        self._reach = np.where(moved, self._reaches(V, own_now), self._reach)
        self._R = np.hypot(self._R, z)
        V = V - np.divide(self._reach * left, self._R, out=np.zeros_like(V), where=moved)
        if rule.l1_ratio > 0.0:
            V, self._debts = pay(V, self._debts)
        pace = np.divide(self._reach, self._R * scale, out=np.zeros_like(V), where=self._R > 0)
        self._settle(V, scale, rule.alpha * self.factor * pace, s.sum())
        return value

    def _settle(self, V, scale, pace, time):
        """Apply the penalty until the next step, and update the mean of the weights."""
        rule = self.rule
        W, by_weight = V / scale, pace / scale
        if 0 < rule.average <= self.t:
            self._averaged += time
            mean = sgd.flow_integral(W, by_weight, rule.l1_ratio, time) / time
            self._A = self._A + (mean - self._A) * (time / self._averaged)
        if rule.l1_ratio > 0.0:
            # debts are in units of the columns
            debts = self._debts / scale
            self._W, debts = flow_with_debts(W, by_weight, rule.l1_ratio, time, debts)
            self._debts = debts * scale
        else:
            self._W = sgd.flow(W, by_weight, rule.l1_ratio, time)

    def _bet(self, u, slopes, scale, s, own):
        """Take a step of coin betting, with the penalty's gradient for the rows in between."""
        rule, W = self.rule, self._W
        if 0 < rule.average <= self.t:
            self._averaged += s.sum()
            self._A = self._A + (W - self._A) * (s.sum() / self._averaged)
        self._missed += s.sum()
        slope = (1.0 - rule.l1_ratio) * W + rule.l1_ratio * np.sign(W)
        penalty = rule.alpha * self.factor * self._missed * slope / scale
        held = (u != 0.0).any(axis=0)
        held[-1] &= not self._starts
        gradient = np.where(held, sum_of_gradients(slopes, u) + penalty, 0.0)
        wealth = np.append(np.full(u.shape[1] - 1, self._rate), own)
        V, self._bets = sgd.bet((W - self._first) * scale, self._bets, gradient, wealth)
        self._W = self._first + V / scale
        self._missed[held] = 0.0
