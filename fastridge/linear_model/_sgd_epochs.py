"""Parts of an epoch of stochastic gradient descent: orders, starts, objectives, halved rates."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._matrix import Matrix
from .._stack import outside
from ..data.inputs import as_array, is_sparse, numbers, to_dense
from ..solvers.sgd.learner import Learner, Rule, Shuffled, shuffled_order
from ._held_out import Rows

Vector = NDArray[np.float64]

_MUCH = 100.0  # a mean loss that is so many times that of zero coefficients calls for a warning
_SMALLEST_SHRINK = 2.0**-200  # bound on the factor of rates that are halved repeatedly


class Order:
    """Order of the rows in each epoch.

    rows : rows to learn from; None: all.
    """

    def __init__(self, A: Matrix, rows: Rows | None, shuffle: bool, random_state: Any) -> None:
        self.rows, self.shuffle = rows, shuffle
        self.n = A.n_rows if rows is None else len(rows)
        size = sum(a.nbytes for a in A.arrays)
        self.row_bytes = max(1, size // max(1, A.n_rows))
        self.seed = int(random_of(random_state).randint(2**31 - 1)) if shuffle else 0

    def of(self, epoch: int) -> Rows | Shuffled | None:
        """Return the rows in the order of an epoch; None: all, as stored."""
        if not self.shuffle:
            return self.rows
        order = shuffled_order(self.n, self.row_bytes, self.seed, epoch)
        if self.rows is None:
            return order
        return Shuffled(self.rows[order.rows], self.rows[order.ahead], order.window)


def random_of(random_state: Any) -> np.random.RandomState:
    """Return the generator of a `random_state`; for None, NumPy's global one."""
    if random_state is None:
        return np.random.mtrand._rand
    if isinstance(random_state, np.random.RandomState):
        return random_state
    return np.random.RandomState(int(random_state))


def by_rows(A: Matrix) -> Matrix:
    """Return the same data, stored by rows."""
    if A.is_sparse:
        return A.transposed_storage()
    return Matrix.from_dense(np.ascontiguousarray(A.arrays[0]))


def fixed(rule: Rule) -> tuple[str, str, bool]:
    """Return the parts of a rule that a learner cannot change: others need a new learner."""
    return rule.loss, rule.learning_rate, bool(rule.fit_intercept)


def current(learner: Learner) -> tuple[Vector, Vector]:
    """Return coefficients and intercepts of the model, averaged once averaging has begun."""
    if 0 < learner.rule.average <= learner.t - 1.0:
        return learner.average()
    return learner.coef(), learner.intercept()


def penalty_of(learner: Learner, factor: Vector | None) -> float:
    """Return the penalty of the objective; for one-against-rest outputs, its mean over them."""
    rule = learner.rule
    if rule.alpha == 0.0 or rule.learning_rate in ("pa1", "pa2"):
        return 0.0
    W = learner.coef()
    squares, sizes = (W**2).sum(axis=0), np.abs(W).sum(axis=0)
    each = 0.5 * (1.0 - rule.l1_ratio) * squares + rule.l1_ratio * sizes
    total = each.sum() if factor is None else each @ factor
    return float(rule.alpha * total / (1 if rule.loss == "multinomial" else len(W)))


def check_start(coef: Any, intercept: Any, p: int, k: int) -> tuple[Vector, Vector]:
    """Return initial coefficients (k, p) and intercepts (k,), checked; zeros where not given."""
    if coef is None:
        W = np.zeros((k, p))
    else:
        given = to_dense(coef, "coef_init") if is_sparse(coef) else coef
        W = np.array(numbers(as_array(given, "coef_init"), "coef_init"), np.float64, order="C")
        if k > 1 and W.shape != (k, p):
            raise ValueError(
                "Provided ``coef_`` does not match dataset. coef_init, or coef_ with warm_start,"
                f" has shape {W.shape}; expected ({k}, {p})."
            )
        if k == 1 and W.size != p:
            raise ValueError(
                "Provided coef_init does not match dataset. coef_init, or coef_ with warm_start,"
                f" has shape {W.shape}; expected ({p},) or (1, {p})."
            )
        W = W.reshape(k, p)
    if intercept is None:
        b = np.zeros(k)
    else:
        given = as_array(intercept, "intercept_init")
        b = np.array(numbers(given, "intercept_init"), np.float64)
        if b.ndim > 1 or b.size != k or (k > 1 and b.ndim == 0):
            raise ValueError("Provided intercept_init does not match dataset.")
        b = b.reshape(k)
    if not (np.isfinite(W).all() and np.isfinite(b).all()):
        raise ValueError("coef_init and intercept_init must be finite.")
    return W, b


def halved(shrink: float, epoch: int) -> float:
    """Return half the factor of all rates; raise an error if it is tiny already."""
    if shrink < _SMALLEST_SHRINK:
        raise ValueError(
            f"Floating-point under-/overflow occurred at epoch #{epoch + 1}, and learning rates of"
            f" {shrink:.1g} times the given ones did not prevent it. Scaling input data with"
            " StandardScaler or MinMaxScaler might help; or use a smaller eta0, or"
            " learning_rate='auto', which needs neither."
        )
    return 0.5 * shrink


def warn_of_halvings(halvings: int, shrink: float) -> None:
    """Warn that rates were too large."""
    if halvings:
        warnings.warn(
            f"the loss was not finite {halvings} times: each time the fit stepped back and halved"
            f" its learning rates, which are now {shrink:.3g} times the given ones; try a smaller"
            " eta0, features of similar scales, or learning_rate='auto', which needs neither.",
            _sklearn.exception("ConvergenceWarning"),
            stacklevel=outside(),
        )


def much_above(zeros: float) -> float:
    """Return a mean loss far above that of zero coefficients."""
    return _MUCH * max(zeros, 1.0)


def warn_of_growth(loss: float, zeros: float) -> None:
    """Warn of a mean loss far above that of zero coefficients."""
    if loss > much_above(zeros):
        warnings.warn(
            f"the mean loss of the last epoch is {loss:.3g}, far above that of zero coefficients,"
            f" at most {zeros:.3g}: the learning rates were too large; try a smaller eta0, features"
            " of similar scales, or learning_rate='auto', which needs neither.",
            _sklearn.exception("ConvergenceWarning"),
            stacklevel=outside(),
        )


def show_epoch(learner: Learner, epoch: int, loss: float, objective: float, is_score: bool) -> None:
    """Print norm, loss and objective after an epoch."""
    coef, intercept = learner.coef(), learner.intercept()
    what = f"Validation score: {-objective:.6f}" if is_score else f"Objective: {objective:.6f}"
    print(
        f"-- Epoch {epoch + 1}\nNorm: {np.linalg.norm(coef):.2f}, NNZs: {np.count_nonzero(coef)},"
        f" Bias: {intercept.mean():.6f}, T: {learner.t - 1.0:.0f}, Avg. loss: {loss:f}, {what}"
    )
