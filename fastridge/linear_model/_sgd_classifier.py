"""Classification by stochastic gradient descent."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .._locks import one_at_a_time
from ..data.check import feature_names, recheck
from ..data.labels import Labels, accuracy, as_proportions
from ..data.parameters import non_negative
from ..data.parts import in_parts
from ._glm_base import request_setter
from ._parameters import CLASS_WEIGHT, Parameter, Parameters, one_of
from ._sgd import BaseSGD, Held
from ._sgd_epochs import Vector
from ._sgd_labels import LOG, Classes, LabelledSGD
from ._sgd_probabilities import ClassProbabilities
from ._sparse_coef import SparseCoefficients
from ._whole import whole

_LOSSES = (
    "hinge",
    "log_loss",
    "multinomial",
    "modified_huber",
    "squared_hinge",
    "perceptron",
    "squared_error",
    "huber",
    "epsilon_insensitive",
    "squared_epsilon_insensitive",
)


class SGDClassifier(ClassProbabilities, SparseCoefficients, LabelledSGD):
    """Linear classification by stochastic gradient descent: one pass over data of any size.

    Each row x_i with label y_i in {-1, 1} and weight s_i takes a step that lowers, over the
    coefficients w and the intercept b::

        1 / sum_i s_i * sum_i s_i l(y_i, b + x_i w)
            + alpha * sum_j f_j ((1 - l1_ratio) / 2 w_j^2 + l1_ratio |w_j|)

    with s = `sample_weight` times the weight of the class and f = `penalty_factor`: the objective
    of scikit-learn's ``SGDClassifier``. b is never penalised. Two classes have one such model, for
    the second class. More classes have one model each against the rest, learned in the same pass
    over the rows, or with loss="multinomial" one softmax. The decay by the penalty is part of the
    step; on sparse rows it is applied lazily, and exactly, when a feature occurs again.

    The default `learning_rate` needs no `eta0`, no tuning and no scaling: multiplying a feature by
    a constant changes the predictions only through the penalty. Columns whose mean is far from 0
    relative to their spread, such as years, learn slowly under every rule: subtract their means. A
    column of small numbers has large coefficients, which `alpha` shrinks.

    Parameters
    ----------
    loss : {"hinge", "log_loss", "multinomial", "modified_huber", "squared_hinge", "perceptron", \
"squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"}, default="hinge"
        The loss l(y, p). With z = y p: "hinge" max(0, 1 - z), the linear support vector machine;
        "log_loss" log(1 + exp(-z)), logistic regression; "multinomial" that of a softmax over all
        classes; "modified_huber" max(0, 1 - z)^2 where z >= -1, else -4 z; "squared_hinge"
        max(0, 1 - z)^2; "perceptron" max(0, -z). The others are those of `SGDRegressor` on
        targets of -1 and 1.
    penalty : {"l2", "l1", "elasticnet"} or None, default="l2"
        "l2" is l1_ratio=0, "l1" is l1_ratio=1, "elasticnet" the `l1_ratio` that is given; None is
        no penalty.
    alpha : float or "auto", default="auto"
        Strength of the penalty, at least 0. "auto": 1e-6 with the learning rates "auto", "coin" and
        "adagrad", which are stable without a penalty, and 1e-4, scikit-learn's default, with the
        others. The rates of learning_rate="optimal" depend on it.
    l1_ratio : float or None, default=0.15
        Share of the L1 part of the penalty, from 0 to 1; used where penalty="elasticnet".
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    max_iter : int, default=1000
        Largest number of epochs, passes over the rows, of `fit`.
    tol : float or None, default=1e-3
        `fit` stops when the mean loss of an epoch plus the penalty is not below the lowest so far
        by `tol`, `n_iter_no_change` times in a row; with `early_stopping`, when the score is not
        above the highest by `tol`. None: stop after `max_iter` epochs.
    shuffle : bool, default=True
        Visit the rows in a new order in each epoch: blocks of neighbouring rows in random order,
        shuffled within what fits in a cache, so that memory is read in blocks. False: in the order
        of `X`, as in `partial_fit`, where a stream has an order.
    verbose : int, default=0
        Above 0: print loss and objective of each epoch.
    epsilon : float, default=0.1
        Width of the insensitive losses, and threshold of "huber".
    n_jobs : int or None, default=None
        Accepted for compatibility and without effect: all classes are learned in one pass.
    random_state : int, numpy.random.RandomState or None, default=None
        Seed of the orders and of the rows held out; the same seed gives the same bits.
    learning_rate : {"auto", "coin", "adagrad", "constant", "optimal", "invscaling", "adaptive", \
"pa1", "pa2"}, default="auto"
        Rule for the step size. "auto": a rate for each coefficient, from the squares of its
        gradients, the largest value of its feature so far (Ross, Mineiro & Langford 2013) and its
        distance from the start (Ivgi, Hinder & Carmon 2023); no step passes the target, or a margin
        of 5. Nothing to tune: predictions do not depend on the units of features. "coin": coin
        betting on each coefficient (Orabona & Tommasi 2017), without a rate and without initial
        coefficients. "adagrad": eta0 over the root of the sum of squared gradients (Duchi, Hazan &
        Singer 2011). The rest are scikit-learn's: "constant": eta0; "optimal": 1 / (alpha
        (t + t0)), with Bottou's t0; "invscaling": eta0 / t^power_t; "adaptive": eta0, divided by 5
        where `fit` would end, down to 1e-6; "pa1" and "pa2": passive-aggressive steps (Crammer et
        al. 2006), only for loss="hinge" or, in `SGDRegressor`, "epsilon_insensitive".
    eta0 : float, default=0.01
        Initial rate; for "pa1" and "pa2" their C. Not used by "auto", "coin" and "optimal".
    power_t : float, default=0.5
        Exponent of "invscaling".
    early_stopping : bool, default=False
        Hold out rows, stop by the score on them, and keep the coefficients of the epoch that scored
        best, not of the last one, as scikit-learn does.
    validation_fraction : float, default=0.1
        Share of the rows that `early_stopping` holds out, stratified by class.
    n_iter_no_change : int, default=5
        Epochs without an improvement after which `fit` stops. "optimal" and "invscaling", whose
        rates fall, go on while the loss is more than 100 times that of zero coefficients.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class, by its label; a class that is not named has weight 1. "balanced" gives
        each class the same total weight, `sample_weight` included. With one model for each class,
        the weight of the class's rows in its own model, as in scikit-learn.
    warm_start : bool, default=False
        Start from the coefficients of the previous fit; "auto", "coin" and "adagrad" also continue
        with their rates. Averages begin anew.
    average : bool or int, default=False
        True: `coef_` is the mean over all steps (Polyak averaging). An int: the mean from that row
        on. "auto" and "adagrad" weight each step by its rate.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor f of the penalty of each feature; 0 leaves it unpenalised. A change
        between calls of `partial_fit` takes effect at the next call.
    hash_bits : int or None, default=None
        Hash the features into 2^hash_bits columns, with a hashed sign, for text and categories;
        from 1 to 30. Feature indices may then be any 64-bit numbers, and `X` may be (values,
        indices, indptr) of sparse rows, and have any number of columns in each call. None: no
        hashing.
    batch_size : int, default=1
        Rows per step: consecutive rows in the order of an epoch, or of a call of `partial_fit`,
        whose last batch may be smaller. A batch is read by several threads (`set_num_threads`), and
        the result is the same, bit for bit, for any number of threads. "auto", "adagrad" and "coin"
        take a batch as one row whose gradient is the sum over its rows, so that an epoch has fewer
        steps of the same length; scikit-learn's rules step along the mean of the gradients, decay
        once, and count steps, not rows, in `t_` and `average`. Pays off for many rows with few
        features, from about a hundred rows per batch on; a batch of zero weight changes nothing.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        w, float32 where `X` of the first call is float32, else float64; the first shape for two
        classes. Computed on access after `partial_fit`.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        b; 0.0 where `fit_intercept` is False.
    n_iter_ : int
        Epochs of the last call.
    t_ : float
        Number of rows that the model has learned from, plus 1. `fit` starts at 1; `partial_fit`
        continues, also with another `loss` or `learning_rate`.
    eta_ : float
        Rate of the last step; for "auto" the factor that all coefficients share.
    loss_curve_ : list of float
        Mean loss of each epoch of the last call, where the loss of a row is taken before its step.
    n_features_in_ : int
        Number of features; 2^hash_bits where they are hashed.
    feature_names_in_ : ndarray of shape (n_features,), dtype object
        Names of the features; only where `X` is a data frame whose column names are strings.

    See Also
    --------
    SGDRegressor : Regression.
    LogisticRegression : The exact solution, where the data fit into memory.
    Chunks : Rows that are read a chunk at a time.
    Incremental : Learn all parts of a data set, some times over.

    Notes
    -----
    There is no solver "sag", "saga" or "svrg" for the exact minimum where the data fit into memory,
    as Newton's method reaches it sooner: on a9a (32,561 rows, 123 sparse features, C=1, one thread)
    `LogisticRegression` is within 4e-7 of the minimum after 0.05 s, as a share of the loss without
    features; scikit-learn's "saga" is within 5e-5 after 0.12 s and within 3.5e-5 after 4.7 s. One
    epoch of learning_rate="auto" takes 0.01 s, and comes within 4e-3.

    Where a prediction is not finite, the call steps back, halves all rates and warns.

    "auto", "coin" and "adagrad" learn from a row of weight s above 1 in ceil(s) steps of weight
    s / ceil(s), 64 steps at most. In scikit-learn's rules, the weight multiplies the step.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import SGDClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 3)) * [1.0, 1000.0, 50.0]
    >>> y = np.where(X @ [2.0, -0.002, 0.04] > 0, "yes", "no")
    >>> model = SGDClassifier(loss="log_loss", random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True

    From a stream:

    >>> model = SGDClassifier(loss="log_loss")
    >>> for i in range(0, 1000, 100):
    ...     _ = model.partial_fit(X[i : i + 100], y[i : i + 100], classes=["no", "yes"])
    >>> model.t_
    1001.0
    """

    classes_: NDArray[Any]

    class_weight: Any
    n_jobs: int | None

    _estimator_type = "classifier"
    _passive_loss: ClassVar[str] = "hinge"
    _parameters: ClassVar[Parameters] = {
        **BaseSGD._parameters,
        "loss": one_of(_LOSSES)._replace(quick=f"type(v) is str and v in {_LOSSES!r}"),
        "n_jobs": Parameter(
            lambda value: value is None or isinstance(value, Integral), "an int, or None"
        ),
        "class_weight": CLASS_WEIGHT,
    }

    def __init__(
        self,
        loss: str = "hinge",
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
        n_jobs: int | None = None,
        random_state: Any = None,
        learning_rate: str = "auto",
        eta0: float = 0.01,
        power_t: float = 0.5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        class_weight: Any = None,
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
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.average = average
        self.penalty_factor = penalty_factor
        self.hash_bits = hash_bits
        self.batch_size = batch_size

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
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Class labels, whole numbers or strings; or, for the losses "log_loss" and "multinomial",
            proportions of the classes 0, 1, ... in each row, which add up to 1.
        coef_init : array-like of shape (1, n_features) or (n_classes, n_features) or None, \
default=None
            Initial coefficients, not for learning_rate="coin". None: 0.
        intercept_init : array-like of shape (1,) or (n_classes,) or None, default=None
            Initial intercepts. None: 0.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights of the samples. None: 1. Except with scikit-learn's learning rates,
            they are divided by their mean: only their ratios matter, as in the objective.

        Returns
        -------
        self : SGDClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If `y` has one class, if numbers overflow at any rate, or if a parameter or an argument
            is not as documented; the message says what was expected.
        TypeError
            If `X` or `sample_weight` holds objects that are not numbers.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` epochs did not reach `tol`, or if rates were halved.
        DataConversionWarning
            If `y` is a column of labels; it is taken as a vector.

        Examples
        --------
        >>> from fastridge import SGDClassifier
        >>> model = SGDClassifier(tol=None, max_iter=20)
        >>> model.fit([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", "b"]).classes_
        array(['a', 'b'], dtype='<U1')
        """
        if type(X) is not np.ndarray and in_parts(X):
            self._refuse_parts()
        self._check_parameters()
        self._check_rule(False)
        hashed = self.hash_bits is not None
        names = None if type(X) is np.ndarray or hashed else feature_names(X)
        A = self._design(X, None, sample_weight is not None or self.early_stopping)
        n, p = A.shape
        shares = as_proportions(y, n, None) if self.loss in LOG else None
        if shares is None:
            labels = Labels(y, n)
            if labels.container is not None:
                raise ValueError(
                    "Unknown label type: multilabel-indicator: y should be a 1d array, got an array"
                    f" of shape {labels.codes.shape}; expected (n_samples,) class labels."
                )
            classes, found = labels.classes, Classes(labels.codes, None)
        else:
            classes = np.arange(shares.shape[1])
            found = Classes(shares.argmax(axis=1), shares)
        if len(classes) < 2:
            raise ValueError(
                "The number of classes has to be greater than one; got 1 class"
                f" ({classes.tolist()[0]!r})"
            )
        weight = self._weight(sample_weight, n)
        recheck(A)
        k = len(classes) if len(classes) > 2 else 1
        targets = self._targets(found, classes, weight)
        learner = self._start(p, k, coef_init, intercept_init)
        held = self._held(A, found.codes, weight, found.codes)
        self._learn(A, targets, learner, held)
        self.classes_ = classes
        self._set_features(p, names)
        return self

    @one_at_a_time
    def partial_fit(
        self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None
    ) -> Self:
        """Learn from the rows once, in their order, and continue from what was learned before.

        Calls on parts of the data give the same result as one call on all of it, bit for bit, also
        where the estimator was pickled, or saved and loaded, in between; with `batch_size`, parts
        must be whole batches.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features, as in `fit`. Or data in parts, in their order, as `Chunks` or a collection of
            Dask.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Class labels, or proportions of the classes, as in `fit`.
        classes : array-like of shape (n_classes,) or None, default=None
            All classes that may occur; required in the first call.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights of the samples; all may be 0. None: 1. Except with scikit-learn's
            learning rates, a weight of 2 counts the row twice, up to 64 times.

        Returns
        -------
        self : SGDClassifier
            The estimator.

        Raises
        ------
        ValueError
            If a parameter or an argument is not as documented; if `y` holds a label that is not one
            of the classes.
        TypeError
            If `X` or `sample_weight` holds objects that are not numbers.

        Warns
        -----
        ConvergenceWarning
            If rates were halved because a prediction was not finite.

        Examples
        --------
        >>> from fastridge import SGDClassifier
        >>> model = SGDClassifier().partial_fit([[0.0], [1.0]], [0, 1], classes=[0, 1])
        >>> model.partial_fit([[2.0]], [1]).t_
        4.0
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._learn_parts(X, y, sample_weight, classes=classes)
        self._check_parameters()
        known = self.__dict__
        first = "classes_" not in known
        if first:
            self._check_rule(True)
        every = self._classes_of(classes) if first or classes is not None else self.classes_
        if type(X) is np.ndarray and "feature_names_in_" not in known:
            names = None
        else:
            names = self._names_of(X, first)
        A = self._design(X, None if first else self.n_features_in_, sample_weight is not None)
        n, p = A.shape
        found = self._found(y, n, every)
        weight = None
        if sample_weight is not None:
            weight = non_negative(sample_weight, n, "sample_weight", "sample", scalar=True)
        if A.is_sparse:
            recheck(A)
        targets = self._targets(found, every, weight)
        self._step(A, targets, self._next_learner(p, len(every) if len(every) > 2 else 1))
        if first:
            self._single = A.is_float32
            self.classes_ = every
            self._set_features(p, names)
        return self

    def _score_of(self, coef: Vector, intercept: Vector, held: Held) -> float:
        eta = held.A.dot(np.asfortranarray(coef.T)) + intercept
        codes = eta.argmax(axis=1) if eta.shape[1] > 1 else eta[:, 0] > 0
        return float(np.average(codes == held.y, weights=held.weight))

    def _scores(self, X: Any, method: str) -> NDArray[np.floating]:
        """Return linear predictors: (n, 1) for two classes, else (n, n_classes)."""
        return self._with_dense_coef()._linear_predictor(X, method)

    def decision_function(self, X: Any) -> NDArray[np.floating]:
        """Linear predictors of the classes: ``X @ coef_.T + intercept_``.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes, positive for the second one; else a column per class.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `X` is not a finite table with the features of the fit.

        Examples
        --------
        >>> from fastridge import SGDClassifier
        >>> model = SGDClassifier(random_state=0).fit([[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1])
        >>> model.decision_function([[-3.0], [3.0]]) > 0
        array([False,  True])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._predict_parts("decision_function", X)
        eta = self._scores(X, "decision_function")
        return eta[:, 0] if eta.shape[1] == 1 else eta

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the classes.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Classes.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `X` is not a finite table with the features of the fit.

        Examples
        --------
        >>> from fastridge import SGDClassifier
        >>> model = SGDClassifier(random_state=0).fit([[-2.0], [-1.0], [1.0], [2.0]], list("aabb"))
        >>> model.predict([[-3.0], [3.0]])
        array(['a', 'b'], dtype='<U1')
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._predict_parts("predict", X)
        eta = self._scores(X, "predict")
        if eta.shape[1] == 1:
            return self.classes_[(eta[:, 0] > 0).astype(np.intp)]
        return self.classes_[eta.argmax(axis=1)]

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy: share of the samples that are classified correctly.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            True classes.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights of the samples; None: 1.

        Returns
        -------
        float
            From 0 to 1.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the arguments do not fit together or are not what was fitted.

        Examples
        --------
        >>> from fastridge import SGDClassifier
        >>> X, y = [[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1]
        >>> SGDClassifier(random_state=0).fit(X, y).score(X, y)
        1.0
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._score_parts(X, y, sample_weight)
        return accuracy(self.predict(X), y, sample_weight)

    set_fit_request: Any = request_setter("fit", "coef_init", "intercept_init", "sample_weight")
    set_partial_fit_request: Any = request_setter("partial_fit", "classes", "sample_weight")
