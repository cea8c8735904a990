"""Shared by estimators of stochastic gradient descent: parameters, epochs, fitted state."""

from __future__ import annotations

import math
import warnings
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._checks import held
from .._locks import LOCK, lock_of, one_at_a_time
from .._matrix import Matrix
from .._stack import outside
from ..data.check import (
    check_design,
    check_finite,
    check_rows,
    check_sample_weight,
    feature_names,
    look_at,
)
from ..data.hashing import check_hashed, is_hashable
from ..data.inputs import as_real, is_sparse
from ..data.parameters import as_limit, check_penalty_factor, check_strengths, non_negative
from ..data.rows import take_rows
from ..solvers.sgd.learner import Diverged, Learner, Rule, Unsound
from ._base import Estimator
from ._glm_base import VERBOSE
from ._held_out import Rows, hold_out
from ._parameters import (
    AT_LEAST_0,
    BOOL,
    COUNT,
    PENALTY_FACTOR,
    QUICK_AT_LEAST_0,
    RANDOM_STATE,
    Parameter,
    Parameters,
    is_count,
    is_finite,
    is_positive,
    one_of,
)
from ._sgd_epochs import (
    Order,
    Vector,
    by_rows,
    check_start,
    current,
    fixed,
    halved,
    much_above,
    penalty_of,
    random_of,
    show_epoch,
    warn_of_growth,
    warn_of_halvings,
)

RULES = (
    "auto",
    "coin",
    "adagrad",
    "constant",
    "optimal",
    "invscaling",
    "adaptive",
    "pa1",
    "pa2",
)
_COORDINATEWISE = ("auto", "coin", "adagrad")
_ALPHA, _LIGHT = 1e-4, 1e-6  # alpha="auto" for scikit-learn's rules, and for coordinate-wise ones
_PENALTIES = ("l2", "l1", "elasticnet")
_LEAST_RATE = 1e-6  # least rate of "adaptive"
_EXPLODED = 1e15  # mean loss from which no fit recovers, over the scale of the targets
_MOST_TARGET = 1e140  # bound on |y| that keeps sums of squares finite
_MOST_BITS = 30
_MOST_ROWS = 2**53  # counts of rows are floats


class Targets(NamedTuple):
    """Targets and weights of rows, in the form that a learner takes.

    y : ndarray
        (n,) float64 for one output; (n,) int32 classes or (n, k) proportions for several.
    weight : ndarray (n,) or None
    positive : ndarray (k,) or None
        Weight of each class in its one-against-rest model.
    classes : bool
        Whether y stands for classes, and is from -1 to 1.
    """

    y: NDArray[Any]
    weight: Vector | None
    positive: Vector | None = None
    classes: bool = False

    def learned(self, learner: Learner, A: Matrix, order: Any = None) -> float:
        """Learn from the rows once; return the sum of the losses."""
        return learner.learn(A, self.y, self.weight, self.positive, order)

    def normalised(self, rows: Rows | None) -> Targets:
        """Return the targets with weights of mean 1; rows above 1 take more than one step."""
        mean = self.total(rows) / (len(self.y) if rows is None else len(rows))
        if self.weight is None or mean == 0.0:
            return self
        return self._replace(weight=self.weight / mean)

    def unit(self) -> float:
        """Return the scale of the losses: 1 for classes, else max(1, mean square of the targets).

        Raise an error for targets whose squares float64 cannot hold.
        """
        if self.classes:
            return 1.0
        most = float(np.abs(self.y).max(initial=0.0))
        if most > _MOST_TARGET:
            raise ValueError(
                f"y has values up to {most:.3g}, whose squared errors overflow float64; expected at"
                f" most {_MOST_TARGET:g}: rescale y."
            )
        return max(1.0, float((self.y**2).mean()))

    def loss_of_zeros(self) -> float:
        """Return a bound of the mean loss of zero coefficients."""
        if self.classes:
            return 1.0
        sizes = np.abs(self.y)
        return float((sizes * np.maximum(sizes, 1.0)).mean())

    def total(self, rows: Rows | None) -> float:
        """Return the total weight of some rows, or of all."""
        if self.weight is None:
            return float(len(self.y) if rows is None else len(rows))
        return float((self.weight if rows is None else self.weight[rows]).sum())


class Held(NamedTuple):
    """Rows held out for early stopping, with sample weights but without class weights."""

    A: Matrix
    y: NDArray[Any]
    weight: Vector | None


class BaseSGD(Estimator):
    """Parameters, epochs and fitted state shared by SGDClassifier and SGDRegressor.

    `coef_` and `intercept_` are computed on access: the learner, which calls of `partial_fit` keep,
    holds its weights in its own units.
    """

    loss: str
    penalty: str | None
    alpha: Any
    l1_ratio: Any
    fit_intercept: bool
    max_iter: int
    tol: float | None
    shuffle: bool
    verbose: Any
    epsilon: float
    random_state: Any
    learning_rate: str
    eta0: float
    power_t: float
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    warm_start: bool
    average: Any
    penalty_factor: Any
    hash_bits: int | None
    batch_size: int

    _learner: Learner
    _single: bool  # whether coefficients are float32, like the data of the first call
    n_iter_: int
    t_: float
    eta_: float
    loss_curve_: list[float]

    _passive_loss: ClassVar[str]  # the loss of the passive-aggressive rules
    _instead_of_parts = "it visits rows several times in random order; expected partial_fit"

    _parameters: ClassVar[Parameters] = {
        "penalty": Parameter(
            lambda value: value is None or (isinstance(value, str) and value in _PENALTIES),
            "None, or one of 'l2', 'l1', 'elasticnet'",
            quick="v is None",
        ),
        "alpha": Parameter(
            lambda value: is_finite(value) or (isinstance(value, str) and value == "auto"),
            "a finite number of at least 0, or 'auto'",
            quick=QUICK_AT_LEAST_0,
        ),
        "l1_ratio": Parameter(
            lambda value: value is None or (isinstance(value, Real) and 0 <= as_real(value) <= 1),
            "a number from 0 to 1, or None",
        ),
        "fit_intercept": BOOL,
        "max_iter": COUNT,
        "tol": Parameter(
            lambda value: value is None or is_finite(value),
            "a finite number of at least 0, or None",
            quick=f"v is None or ({QUICK_AT_LEAST_0})",
        ),
        "shuffle": BOOL,
        "verbose": VERBOSE,
        "epsilon": AT_LEAST_0,
        "random_state": RANDOM_STATE,
        "learning_rate": one_of(RULES),
        "eta0": Parameter(
            is_positive, "a finite number above 0", quick="type(v) is float and 0.0 < v < inf"
        ),
        "power_t": Parameter(
            lambda value: isinstance(value, Real) and math.isfinite(as_real(value)),
            "a finite number",
        ),
        "early_stopping": BOOL,
        "validation_fraction": Parameter(
            lambda value: isinstance(value, Real) and 0 < as_real(value) < 1,
            "a number between 0 and 1",
        ),
        "n_iter_no_change": COUNT,
        "warm_start": BOOL,
        "average": Parameter(
            lambda value: isinstance(value, (bool, np.bool_)) or is_count(value),
            "a bool, or an int of at least 1",
            quick="type(v) is bool",
        ),
        "penalty_factor": PENALTY_FACTOR,
        "hash_bits": Parameter(
            lambda value: (
                value is None
                or (
                    isinstance(value, Integral)
                    and not isinstance(value, bool)
                    and 1 <= int(value) <= _MOST_BITS
                )
            ),
            f"an int from 1 to {_MOST_BITS}, or None",
        ),
        "batch_size": COUNT,
    }

    # state kept between calls

    def __getattr__(self, name: str) -> Any:
        known = self.__dict__
        if name == "_learner" and "_state" in known:
            with lock_of(self):
                if "_state" in known:
                    known["_learner"] = Learner.of_state(known["_state"])
                    del known["_state"]
                return known["_learner"]
        if name in ("coef_", "intercept_") and ("_learner" in known or "_state" in known):
            with lock_of(self):
                if name not in known:
                    self._make_coef()
                return known[name]
        for base in type(self).__mro__:
            if name in vars(base):
                # a descriptor, whose error tells why the attribute is missing
                return vars(base)[name].__get__(self, type(self))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @one_at_a_time
    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state[LOCK]
        made = state.pop("_made", (None, None))
        learner = state.pop("_learner", None)
        if learner is not None:
            state["_state"] = learner.state()
            for name, value in zip(("coef_", "intercept_"), made, strict=True):
                # computed again on access
                if isinstance(value, np.ndarray) and state.get(name) is value:
                    del state[name]
        return state

    def _known_learner(self) -> Learner | None:
        """Return the learner; None before the first call."""
        known = self.__dict__
        return self._learner if "_learner" in known or "_state" in known else None

    def _make_coef(self) -> None:
        """Set `coef_` and `intercept_` to those of the learner."""
        coef, intercept = current(self._learner)
        if self._single:
            coef, intercept = coef.astype(np.float32), intercept.astype(np.float32)
        self.coef_ = self._shaped(coef)
        self.intercept_ = intercept
        self._made = self.coef_, intercept

    def _shaped(self, coef: NDArray[Any]) -> NDArray[Any]:
        """Return coefficients (k, p) in the shape of `coef_`."""
        return coef

    def _take_coef(self, learner: Learner) -> None:
        """Drop computed coefficients; continue from those that the caller has set, if any."""
        known = self.__dict__
        coef, intercept = known.pop("coef_", None), known.pop("intercept_", None)
        made = known.pop("_made", None)
        if coef is None and intercept is None:
            return
        if made is not None and made[0] is coef and made[1] is intercept:
            return
        if learner.rule.average or not (coef is None or isinstance(coef, np.ndarray)):
            return
        k, p = learner.n_outputs, learner.n_features
        coef = learner.coef() if coef is None else np.reshape(coef, (k, p))
        intercept = learner.intercept() if intercept is None else np.reshape(intercept, (k,))
        learner.set_coef(coef, intercept)

    # parameters

    def _rule(self, n_outputs: int) -> Rule:
        """Return the objective and the step rule of a learner with `n_outputs` outputs."""
        penalty, rate, loss = self.penalty, self.learning_rate, self.loss
        ratio = self.l1_ratio if penalty == "elasticnet" else float(penalty == "l1")
        return Rule(
            "log_loss" if loss == "multinomial" and n_outputs == 1 else loss,
            self.epsilon,
            rate,
            self.eta0,
            self.power_t,
            0.0 if penalty is None and rate != "optimal" else self._strength(),
            ratio,
            self.fit_intercept,
            as_limit(self.average, _MOST_ROWS),
            as_limit(self.batch_size, _MOST_ROWS),
        )

    def _strength(self) -> float:
        """Return `alpha` as a number."""
        if isinstance(self.alpha, str):
            return _LIGHT if self.learning_rate in _COORDINATEWISE else _ALPHA
        return float(self.alpha)

    def _check_rule(self, partial: bool) -> None:
        """Raise an error for parameters that conflict."""
        rate = self.learning_rate
        if self.early_stopping and partial:
            raise ValueError("early_stopping should be False with partial_fit")
        if rate == "optimal" and self._strength() == 0:
            raise ValueError(
                "alpha must be > 0 since learning_rate is 'optimal'. alpha is used to compute the"
                " optimal learning rate."
            )
        if rate in ("pa1", "pa2") and self.loss != self._passive_loss:
            raise ValueError(f"Learning rate {rate!r} only works with loss {self._passive_loss!r}.")
        if self.penalty == "elasticnet" and self.l1_ratio is None:
            raise ValueError("l1_ratio must be set when penalty is 'elasticnet'")

    def _factor(self, p: int) -> Vector | None:
        """Return penalty factors; zeros where "optimal" needs alpha and nothing is penalised."""
        if self.penalty is None and self.learning_rate == "optimal":
            return np.zeros(p)
        factor = check_penalty_factor(self.penalty_factor, p)
        if factor is not None and self.penalty is not None:
            check_strengths(self._strength(), factor)
        return factor

    # data

    def _design(self, X: Any, n_features: int | None, finite: bool) -> Matrix:
        """Return X stored by rows, sparse rows unchecked; learning finds what is not valid.

        With finite=True, dense X is checked here.
        """
        if self.hash_bits is not None:
            return check_hashed(X, self.hash_bits)
        if type(X) is tuple and is_hashable(X):
            raise ValueError(
                "X is a tuple of values, indices and indptr, but hash_bits is None; expected"
                " hash_bits from 1 to 30, or X as scipy.sparse.csr_array(X)."
            )
        caller = type(self).__name__
        if self.early_stopping or self.batch_size > 1 or (finite and not is_sparse(X)):
            A = check_design(X, n_features=n_features, caller=caller, finite=finite)
        else:
            A = check_rows(X, n_features, caller)
        return A if A.kind in ("C", "csr") else by_rows(A)

    def _names_of(self, X: Any, first: bool) -> Any:
        """Return the feature names; later calls compare them with those of the first."""
        if self.hash_bits is not None:
            return None
        if not first:
            self._check_feature_names(X)
        return feature_names(X)

    def _linear_predictor(self, X: Any, method: str) -> NDArray[np.floating]:
        if self.hash_bits is None or not hasattr(self, "coef_"):
            return super()._linear_predictor(X, method)
        A = check_hashed(X, self.hash_bits)
        coef = held(self.coef_)
        values = A.dot(coef.T.astype(np.float64, order="F", copy=False)) + self.intercept_
        return values.astype(np.promote_types(A.dtype, coef.dtype), copy=False)

    def _weight(self, sample_weight: Any, n: int) -> Vector | None:
        """Check the weights of `fit`; early stopping checks for zero totals after its split."""
        if sample_weight is not None and self.early_stopping:
            return non_negative(sample_weight, n, "sample_weight", "sample", scalar=True)
        return check_sample_weight(sample_weight, n)

    def _held(
        self, A: Matrix, y: NDArray[Any], weight: Vector | None, codes: NDArray[Any] | None
    ) -> tuple[Rows, Held] | None:
        """Return the rows to learn from and the held-out rows; None without early stopping."""
        if not self.early_stopping:
            return None
        random = random_of(self.random_state)
        rows, test = hold_out(A.n_rows, float(self.validation_fraction), random, codes)
        if weight is not None and not weight[test].any():
            raise ValueError(
                "The sample weights for validation set are all zero, consider using a different"
                " random state."
            )
        return rows, Held(take_rows(A, test), y[test], None if weight is None else weight[test])

    # learning

    def _start(self, p: int, k: int, coef: Any, intercept: Any) -> Learner:
        """Return a learner that starts at given coefficients, those of the previous fit, or 0."""
        rule, before = self._rule(k), self._known_learner() if self.warm_start else None
        if before is not None:
            same = fixed(before.rule) == fixed(rule)
            same = same and (before.n_outputs, before.n_features) == (k, p)
            if (
                rule.learning_rate in _COORDINATEWISE
                and same
                and coef is None
                and intercept is None
            ):
                # keep its rates too: long first steps would move away from the solution; the
                # learner of the previous fit stays whole where this one raises
                learner = before.copy()
                self._take_coef(learner)
                learner.restart_averages()
                self._bring_up(learner, rule)
                return learner
        if self.warm_start and hasattr(self, "coef_"):
            coef = self.coef_ if coef is None else coef
            intercept = self.intercept_ if intercept is None else intercept
        learner = Learner(p, k, rule, self._factor(p))
        if coef is not None or intercept is not None:
            learner.set_coef(*check_start(coef, intercept, p, k))
        return learner

    def _learn(
        self, A: Matrix, targets: Targets, learner: Learner, held: tuple[Rows, Held] | None
    ) -> None:
        """Learn from the rows in epochs, and set the fitted attributes."""
        rows, checked = (None, None) if held is None else held
        rule, tol = learner.rule, -math.inf if self.tol is None else float(self.tol)
        if rule.learning_rate in _COORDINATEWISE:
            targets = targets.normalised(rows)
        total = targets.total(rows) * (1 if rule.loss == "multinomial" else learner.n_outputs)
        if total == 0.0:
            raise ValueError(
                "sample_weight is zero for every sample that is not held out; expected at least"
                " one positive weight."
            )
        # scikit-learn's rules clip gradients, so that losses can explode without an overflow
        limit = _EXPLODED * total * targets.unit()
        order = Order(A, rows, self.shuffle, self.random_state)
        factor = self._factor(learner.n_features)
        judged = self.tol is not None or bool(self.verbose)
        # growth that may end, as rates fall, is neither a place to restart from nor an end
        falls = rule.learning_rate in ("optimal", "invscaling")
        grown = much_above(targets.loss_of_zeros()) if falls else math.inf
        best, lowest, idle, halvings = math.inf, grown, 0, 0
        safe, chosen = (learner.copy(), 0), None
        curve: list[float] = []
        while len(curve) < self.max_iter:
            epoch = len(curve)
            rows_now = order.of(epoch)
            while True:
                try:
                    value = targets.learned(learner, A, rows_now)
                except Unsound:
                    A = look_at(A)
                    continue
                except Diverged:
                    value = math.inf
                if value <= limit:
                    break
                check_finite(A)
                shrink, halvings = halved(learner.shrink, epoch), halvings + 1
                # restart from the epoch of the lowest loss, as weights may already be huge
                learner, epoch = safe[0].copy(), safe[1]
                learner.rule, learner.shrink = rule, shrink
                rows_now, idle = order.of(epoch), 0
                del curve[epoch:]
            mean = value / total
            curve.append(mean)
            if mean < lowest and epoch + 1 < self.max_iter:
                lowest, safe = mean, (learner.copy(), epoch + 1)
            if checked is None:
                objective = mean + (penalty_of(learner, factor) if judged else 0.0)
            else:
                objective = -self._score_of(*current(learner), checked)
            if self.verbose:
                show_epoch(learner, epoch, mean, objective, checked is not None)
            idle = idle + 1 if objective > best - tol and mean <= grown else 0
            if objective < best or chosen is None:
                best = min(best, objective)
                chosen = None if checked is None else learner.copy()
            if idle >= self.n_iter_no_change:
                if rule.learning_rate != "adaptive" or rule.eta0 <= _LEAST_RATE:
                    break
                rule, idle = rule._replace(eta0=rule.eta0 / 5.0), 0
                learner.rule = rule
        self._single = A.is_float32
        self._keep(learner if chosen is None else chosen, curve)
        self._make_coef()
        warn_of_halvings(halvings, learner.shrink)
        if checked is None and rule.learning_rate not in _COORDINATEWISE:
            warn_of_growth(curve[-1], targets.loss_of_zeros())
        if tol > -math.inf and self.n_iter_ == self.max_iter:
            warnings.warn(
                "Maximum number of iteration reached before convergence. Consider increasing"
                " max_iter to improve the fit.",
                _sklearn.exception("ConvergenceWarning"),
                stacklevel=outside(),
            )
        if self.power_t < 0:
            warnings.warn(
                "Negative values for `power_t` are deprecated in version 1.8 and will raise an"
                " error in 1.10. Use values in the range [0.0, inf) instead.",
                FutureWarning,
                stacklevel=outside(),
            )

    def _score_of(self, coef: Vector, intercept: Vector, held: Held) -> float:
        """Return the score on held-out rows; overridden by each estimator."""
        raise NotImplementedError

    def _next_learner(self, p: int, k: int) -> Learner:
        """Return the learner of the next call of `partial_fit`."""
        learner = self._known_learner()
        rule = self._rule(k)
        if learner is None:
            self._check_rule(True)
            return Learner(p, k, rule, self._factor(p))
        self._take_coef(learner)
        if learner.rule != rule:
            self._check_rule(True)
        if fixed(learner.rule) != fixed(rule):
            before, learner = learner, Learner(p, k, rule, self._factor(p))
            learner.set_coef(before.coef(), before.intercept() * rule.fit_intercept)
            learner.t = before.t
            return learner
        self._bring_up(learner, rule)
        return learner

    def _bring_up(self, learner: Learner, rule: Rule) -> None:
        """Update a learner to the current parameters."""
        if self.penalty_factor is not None or learner.factor is not None:
            factor, before = self._factor(learner.n_features), learner.factor
            if factor is None or before is None or not np.array_equal(factor, before):
                learner.set_factor(factor)
        learner.rule = rule

    def _step(self, A: Matrix, targets: Targets, learner: Learner) -> None:
        """Learn from the rows once, in their order."""
        halvings, shrink = 0, learner.shrink
        try:
            while True:
                try:
                    value = targets.learned(learner, A)
                    break
                except Unsound:
                    A = look_at(A)
                except Diverged:
                    check_finite(A)
                    targets.unit()
                    learner.shrink, halvings = halved(learner.shrink, 0), halvings + 1
        except BaseException:
            if halvings:
                # later calls learn at the rates before this one
                learner.shrink = shrink
            raise
        total = targets.total(None) * (
            1 if learner.rule.loss == "multinomial" else learner.n_outputs
        )
        self._keep(learner, [value / total if total else 0.0])
        if halvings:
            warn_of_halvings(halvings, learner.shrink)

    def _keep(self, learner: Learner, curve: list[float]) -> None:
        """Set the fitted attributes except the coefficients, which are computed on access."""
        known = self.__dict__
        for name in ("_state", "coef_", "intercept_", "_made"):
            known.pop(name, None)
        self._learner = learner
        self.n_iter_ = len(curve)
        self.loss_curve_ = curve
        self.t_, self.eta_ = learner.t, learner.eta
