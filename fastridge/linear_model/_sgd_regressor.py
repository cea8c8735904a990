"""Regression by stochastic gradient descent."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from .._locks import one_at_a_time
from ..data.check import recheck
from ..data.parameters import non_negative
from ..data.parts import in_parts
from ..losses import POISSON, SQUARED, Loss
from ._base import LinearRegressor
from ._glm_base import check_one_target, request_setter
from ._parameters import Parameters, one_of
from ._sgd import BaseSGD, Held, Targets
from ._sgd_epochs import Vector
from ._whole import whole

_LOSSES = (
    "squared_error",
    "huber",
    "epsilon_insensitive",
    "squared_epsilon_insensitive",
    "poisson",
)


class SGDRegressor(BaseSGD, LinearRegressor):
    """Linear regression by stochastic gradient descent: one pass over data of any size.

    Each row x_i with target y_i and weight s_i takes a step that lowers, over the coefficients w
    and the intercept b::

        1 / sum_i s_i * sum_i s_i l(y_i, b + x_i w)
            + alpha * sum_j f_j ((1 - l1_ratio) / 2 w_j^2 + l1_ratio |w_j|)

    with s = `sample_weight` and f = `penalty_factor`: the objective of scikit-learn's
    ``SGDRegressor``. b is never penalised. The decay by the penalty is part of the step; on sparse
    rows it is applied lazily, and exactly, when a feature occurs again.

    The default `learning_rate` needs no `eta0`, no tuning and no scaling: multiplying a feature by
    a constant changes the predictions only through the penalty. Columns whose mean is far from 0
    relative to their spread, such as years, learn slowly under every rule: subtract their means. A
    column of small numbers has large coefficients, which `alpha` shrinks.

    Parameters
    ----------
    loss : {"squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive", \
"poisson"}, default="squared_error"
        The loss l(y, p). With r = |y - p|: "squared_error" r^2 / 2; "huber" r^2 / 2 where r <=
        epsilon, else epsilon (r - epsilon / 2); "epsilon_insensitive" max(0, r - epsilon);
        "squared_epsilon_insensitive" max(0, r - epsilon)^2. "poisson" exp(p) - y p: predictions
        are exp(p), of counts and other y >= 0.
    penalty, alpha, l1_ratio, fit_intercept, max_iter, tol, shuffle, verbose, epsilon, random_state
        As in `SGDClassifier`.
    learning_rate : {"auto", "coin", "adagrad", "constant", "optimal", "invscaling", "adaptive", \
"pa1", "pa2"}, default="auto"
        As in `SGDClassifier`.
    eta0 : float, default=0.01
        Initial rate; for "pa1" and "pa2" their C. Not used by "auto", "coin" and "optimal".
    power_t : float, default=0.25
        Exponent of "invscaling".
    early_stopping : bool, default=False
        Hold out rows, stop by the score on them, and keep the coefficients of the epoch that scored
        best, not of the last one, as scikit-learn does.
    validation_fraction : float, default=0.1
        Share of the rows that `early_stopping` holds out.
    n_iter_no_change, warm_start, average, penalty_factor, hash_bits, batch_size
        As in `SGDClassifier`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        w, float32 where `X` of the first call is float32, else float64. Computed on access after
        `partial_fit`.
    intercept_ : ndarray of shape (1,)
        b; 0.0 where `fit_intercept` is False.
    n_iter_, t_, eta_, loss_curve_, n_features_in_, feature_names_in_
        As in `SGDClassifier`.

    See Also
    --------
    SGDClassifier : Classification.
    Ridge, ElasticNet, PoissonRegressor : The exact solution, where the data fit into memory.
    Incremental : Learn all parts of a data set, some times over.

    Notes
    -----
    Where a prediction is not finite, the call steps back, halves all rates and warns. The notes of
    `SGDClassifier` on weights and on exact solvers apply here too.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import SGDRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 3)) * [1.0, 1000.0, 50.0]
    >>> y = X @ [2.0, -0.002, 0.04] + 1.0
    >>> model = SGDRegressor(random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.99
    True

    From a stream:

    >>> model = SGDRegressor()
    >>> for i in range(0, 1000, 100):
    ...     _ = model.partial_fit(X[i : i + 100], y[i : i + 100])
    >>> model.t_
    1001.0
    """

    _passive_loss: ClassVar[str] = "epsilon_insensitive"
    _parameters: ClassVar[Parameters] = {
        **BaseSGD._parameters,
        "loss": one_of(_LOSSES)._replace(quick=f"type(v) is str and v in {_LOSSES!r}"),
    }

    def __init__(
        self,
        loss: str = "squared_error",
        *,
        penalty: str | None = "l2",
        alpha: float | str = "auto",
        l1_ratio: float | None = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: Any = 0,
        epsilon: float = 0.1,
        random_state: Any = None,
        learning_rate: str = "auto",
        eta0: float = 0.01,
        power_t: float = 0.25,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        average: bool | int = False,
        penalty_factor: Any = None,
        hash_bits: int | None = None,
        batch_size: int = 1,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.epsilon = epsilon
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.average = average
        self.penalty_factor = penalty_factor
        self.hash_bits = hash_bits
        self.batch_size = batch_size

    @property
    # the loss follows a parameter here; others set it once
    def _loss(self) -> Loss:  # type: ignore[override]
        """Loss of predictions and scores."""
        return POISSON if self.loss == "poisson" else SQUARED

    @one_at_a_time
    @whole
    def fit(
        self,
        X: Any,
        y: Any = None,
        coef_init: Any = None,
        intercept_init: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Learn from the rows in epochs.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features. float32 and float64, C order and CSR with 32- or 64-bit indices are used
            without a copy; others are converted once.
        y : array-like of shape (n_samples,)
            Values to predict.
        coef_init : array-like of shape (n_features,) or None, default=None
            Initial coefficients, not for learning_rate="coin". None: 0.
        intercept_init : array-like of shape (1,) or None, default=None
            Initial intercept. None: 0.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights of the samples. None: 1. Except with scikit-learn's learning rates,
            they are divided by their mean: only their ratios matter, as in the objective.

        Returns
        -------
        self : SGDRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If numbers overflow at any rate, or a parameter or an argument is not as documented; the
            message says what was expected.
        TypeError
            If an argument holds objects that are not numbers.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` epochs did not reach `tol`, or if rates were halved.
        DataConversionWarning
            If `y` is a column; it is taken as a vector.

        Examples
        --------
        >>> from fastridge import SGDRegressor
        >>> SGDRegressor(max_iter=20, tol=None).fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]).n_iter_
        20
        """
        if type(X) is not np.ndarray and in_parts(X):
            self._refuse_parts()
        self._check_parameters()
        self._check_rule(False)
        names = None if type(X) is np.ndarray else self._names_of(X, True)
        A = self._design(X, None, sample_weight is not None or self.early_stopping)
        n, p = A.shape
        target = self._target(y, n)
        weight = self._weight(sample_weight, n)
        recheck(A)
        learner = self._start(p, 1, coef_init, intercept_init)
        held = self._held(A, target, weight, None)
        self._learn(A, Targets(target, weight), learner, held)
        self._set_features(p, names)
        return self

    @one_at_a_time
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from the rows once, in their order, and continue from what was learned before.

        Calls on parts of the data give the same result as one call on all of it, bit for bit, also
        where the estimator was pickled, or saved and loaded, in between; with `batch_size`, parts
        must be whole batches.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features, as in `fit`. Or data in parts, in their order, as `Chunks` or a collection of
            Dask.
        y : array-like of shape (n_samples,)
            Values to predict.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights of the samples; all may be 0. None: 1. Except with scikit-learn's
            learning rates, a weight of 2 counts the row twice, up to 64 times.

        Returns
        -------
        self : SGDRegressor
            The estimator.

        Raises
        ------
        ValueError
            If a parameter or an argument is not as documented.
        TypeError
            If an argument holds objects that are not numbers.

        Warns
        -----
        ConvergenceWarning
            If rates were halved because a prediction was not finite.

        Examples
        --------
        >>> from fastridge import SGDRegressor
        >>> model = SGDRegressor().partial_fit([[0.0], [1.0]], [0.0, 1.0])
        >>> model.partial_fit([[2.0]], [2.0]).t_
        4.0
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._learn_parts(X, y, sample_weight)
        self._check_parameters()
        known = self.__dict__
        first = "n_features_in_" not in known
        if type(X) is np.ndarray and "feature_names_in_" not in known:
            names = None
        else:
            names = self._names_of(X, first)
        A = self._design(X, None if first else self.n_features_in_, sample_weight is not None)
        n, p = A.shape
        target = self._target(y, n)
        weight = None
        if sample_weight is not None:
            weight = non_negative(sample_weight, n, "sample_weight", "sample", scalar=True)
        if A.is_sparse:
            recheck(A)
        self._step(A, Targets(target, weight), self._next_learner(p, 1))
        if first:
            self._single = A.is_float32
            self._set_features(p, names)
        return self

    def _target(self, y: Any, n: int) -> Vector:
        """Check the values to predict, which the loss must be defined for."""
        target = check_one_target(y, n)
        if self.loss == "poisson":
            POISSON.check_targets(target)
        return target

    def _shaped(self, coef: Any) -> Any:
        return coef[0]

    def _score_of(self, coef: Vector, intercept: Vector, held: Held) -> float:
        mean = self._loss.inverse_link(held.A.dot(np.asfortranarray(coef.T)) + intercept)
        return float(self._loss.explained(held.y[:, None], mean, held.weight).mean())

    set_fit_request: Any = request_setter("fit", "coef_init", "intercept_init", "sample_weight")
    set_partial_fit_request: Any = request_setter("partial_fit", "sample_weight")
