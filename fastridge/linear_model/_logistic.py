"""Shared by logistic regressions: labels, predictions, the posterior of a fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix
from ..data.check import check_design, check_sample_weight
from ..data.inputs import as_real
from ..data.labels import Labels, accuracy
from ..data.parts import in_parts
from ..losses import LOGISTIC, Loss
from ..solvers.glm import softmax
from ..solvers.glm.options import check_offset, check_offsets
from ..solvers.glm.softmax_problem import SoftmaxSolution
from ._glm_base import BaseGLM, request_setter, solver_names
from ._parameters import BOOL, CLASS_WEIGHT, RANDOM_STATE, Parameter, Parameters, one_of
from ._probabilities import log_probabilities, probabilities
from ._sparse_coef import SparseCoefficients

if TYPE_CHECKING:
    from ..solvers.glm.posterior import GLMPosterior
    from ..solvers.glm.result import GLMResult
    from ..solvers.glm.softmax_laplace import MultinomialPosterior

_LARGEST = 1e300  # bound on alpha, for a tiny C
_PENALTIES = ("l1", "l2", "elasticnet", None, "deprecated")


class Classes(NamedTuple):
    """Labels of a fit.

    values : ndarray (n_classes,), sorted
    codes : ndarray (n,) of int, the positions of the labels
    weight : ndarray (n,) or None
        Sample weights times class weights.
    """

    values: NDArray[Any]
    codes: NDArray[np.integer[Any]]
    weight: NDArray[np.float64] | None

    def total(self) -> float:
        return float(len(self.codes) if self.weight is None else self.weight.sum())


def check_classes(y: Any, n: int, sample_weight: Any, class_weight: Any) -> Classes:
    """Check labels and weights, and refuse a single class."""
    labels = Labels(y, n)
    if labels.container is not None:
        raise ValueError(
            f"Unknown label type: multilabel-indicator: y should be a 1d array, got an array of"
            f" shape {labels.codes.shape}; expected (n_samples,) class labels."
        )
    weight = None if sample_weight is None else check_sample_weight(sample_weight, n)
    if class_weight is not None:
        own = labels.weights(class_weight, weight)
        own = own if weight is None else own * weight
        weight = check_sample_weight(own, n, name="class_weight (per sample)")
    values, codes = labels.classes, labels.codes
    if len(values) < 2:
        raise ValueError(
            "y has samples of one class only:"
            f" {values.tolist()[0]!r}; expected at least 2 classes in the data."
        )
    if weight is not None:
        live = codes[weight > 0]
        if (live == live[0]).all():
            raise ValueError(
                "y has samples with weight of one class only:"
                f" {values.tolist()[live[0]]!r}; expected at least 2 classes with weight."
            )
    return Classes(values, codes, weight)


class BaseLogistic(SparseCoefficients, BaseGLM):
    """Parameters, predictions and scores of classes."""

    classes_: NDArray[Any]

    class_weight: Any
    C_: Any

    _estimator_type = "classifier"
    _strength_name: ClassVar[str] = "C"
    _loss: ClassVar[Loss] = LOGISTIC
    _solvers: ClassVar[Mapping[str, str]] = solver_names(
        "lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"
    )
    _parameters: ClassVar[Parameters] = {
        **BaseGLM._parameters,
        "penalty": Parameter(
            lambda value: value is None or (isinstance(value, str) and value in _PENALTIES),
            "None, or one of 'l1', 'l2', 'elasticnet'; left at its default",
        ),
        "dual": BOOL,
        "intercept_scaling": Parameter(
            lambda value: isinstance(value, Real) and 0 < as_real(value) < math.inf,
            "a finite number above 0",
        ),
        "class_weight": CLASS_WEIGHT,
        "random_state": RANDOM_STATE,
        "solver": one_of(_solvers),
        "max_iter": Parameter(
            lambda value: (
                isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0
            ),
            "an int of at least 0",
            quick="type(v) is int and v >= 0",
        ),
        "n_jobs": Parameter(
            lambda value: value is None or isinstance(value, Integral), "an int, or None"
        ),
    }

    def _scores_of(self, X: Any, method: str, offset: Any) -> NDArray[np.floating]:
        """Return linear predictors: (n, 1) for two classes, else (n, n_classes)."""
        eta = self._with_dense_coef()._linear_predictor(X, method)
        if offset is None:
            return eta
        known = check_predictor_offset(offset, *eta.shape)
        return eta + known.reshape(len(eta), -1)

    def decision_function(self, X: Any, *, offset: Any = None) -> NDArray[np.floating]:
        """Linear predictors of the classes: offset + ``X @ coef_.T + intercept_``.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes) or None, default=None
            Known term of the linear predictor; the first shape for two classes. None: 0.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes the log odds of the second one; else a column per class, whose
            differences are log odds.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `X` is not a finite table with the features of the fit, or the offset does not fit.

        Examples
        --------
        >>> from fastridge import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
        >>> model.decision_function([[2.5]]).round(2)
        array([0.96])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._predict_parts("decision_function", X, offset=offset)
        eta = self._scores_of(X, "decision_function", offset)
        return eta[:, 0] if eta.shape[1] == 1 else eta

    def predict(self, X: Any, *, offset: Any = None) -> NDArray[Any]:
        """Predict the most probable classes.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes) or None, default=None
            Known term of the linear predictor; the first shape for two classes. None: 0.

        Returns
        -------
        ndarray of shape (n_samples,)
            Classes.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `X` is not a finite table with the features of the fit, or the offset does not fit.

        Examples
        --------
        >>> from fastridge import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", "b"])
        >>> model.predict([[0.5], [2.5]])
        array(['a', 'b'], dtype='<U1')
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._predict_parts("predict", X, offset=offset)
        eta = self._scores_of(X, "predict", offset)
        if eta.shape[1] == 1:
            return self.classes_[(eta[:, 0] > 0).astype(np.intp)]
        return self.classes_[eta.argmax(axis=1)]

    def predict_proba(
        self, X: Any, *, offset: Any = None, posterior: Any = None
    ) -> NDArray[np.floating]:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes) or None, default=None
            Known term of the linear predictor; the first shape for two classes. None: 0.
        posterior : GLMPosterior, MultinomialPosterior or None, default=None
            Result of `posterior`, to average the probabilities over: for two classes by the probit
            approximation, which replaces the linear predictor eta of variance v by
            eta / sqrt(1 + pi v / 8), MacKay (1992); for more by 1,000 draws, see
            `MultinomialPosterior.predict`. None: probabilities at the solution.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`; small ones keep their relative accuracy.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `X` is not a finite table with the features of the fit, or the offset does not fit.

        Examples
        --------
        >>> from fastridge import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
        >>> model.predict_proba([[2.5]]).round(2)
        array([[0.28, 0.72]])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._predict_parts("predict_proba", X, offset=offset, posterior=posterior)
        eta = self._scores_of(X, "predict_proba", offset)
        if posterior is not None:
            self._check_posterior(posterior)
            if eta.shape[1] > 1:
                return posterior.average(eta, X).astype(eta.dtype, copy=False)
            shrink = np.sqrt(1.0 + (np.pi / 8.0) * posterior.variance(X))
            eta = (eta / shrink[:, None]).astype(eta.dtype, copy=False)
        return probabilities(eta)

    def predict_log_proba(self, X: Any, *, offset: Any = None) -> NDArray[np.floating]:
        """Predict the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes) or None, default=None
            Known term of the linear predictor; the first shape for two classes. None: 0.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log probabilities, in the order of `classes_`; finite also where the probabilities
            underflow.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `X` is not a finite table with the features of the fit, or the offset does not fit.

        Examples
        --------
        >>> from fastridge import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
        >>> model.predict_log_proba([[2000.0]]).round(0)
        array([[-1915.,    -0.]])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._predict_parts("predict_log_proba", X, offset=offset)
        return log_probabilities(self._scores_of(X, "predict_log_proba", offset))

    def _result(
        self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None, exposure: Any = None
    ) -> GLMResult:
        """Rebuild the result of the fit from its data."""
        self._check_fitted("posterior")
        self._check_feature_names(X)
        A = check_design(X, n_features=self.n_features_in_, caller=type(self).__name__)
        n, k = A.n_rows, len(self.classes_)
        classes = check_classes(y, n, sample_weight, self.class_weight)
        if not np.array_equal(classes.values, self.classes_):
            raise ValueError(
                f"y has the classes {classes.values.tolist()}; expected {self.classes_.tolist()},"
                " as in fit."
            )
        C, ratio = self._strength()
        alpha = alpha_of(C, classes)
        if k > 2:
            known = None if offset is None else check_predictor_offset(offset, n, k)
            return self._restore_several(A, classes, alpha, ratio, known)
        known = None if offset is None else check_predictor_offset(offset, n, 1)
        target = classes.codes.astype(np.float64)
        return self._restore(A, target, LOGISTIC, alpha, ratio, classes.weight, known)

    def _restore_several(
        self, A: Matrix, classes: Classes, alpha: float, ratio: float, offset: Any
    ) -> GLMResult:
        """Rebuild the result of a fit of more than two classes from its data."""
        self._require_objective()
        problem, some = softmax.make_problem(
            A,
            classes.codes,
            len(classes.values),
            self._options(ratio),
            classes.weight,
            self._constraints(A.shape[1]),
            offset,
        )
        if some is not None:
            raise ValueError(
                f"{len(classes.values) - len(some)} of {len(classes.values)} classes have total"
                " weight 0, so that there is no posterior; expected positive weights in every"
                " class."
            )
        problem.penalise(alpha, ratio)
        state = problem.start(self._dense_coef(), self.intercept_)
        found = SoftmaxSolution(state, float(self.dual_gap_), 0, self.solver_, True)
        return self._restored(softmax.result_of(problem, found))

    def _strength(self) -> tuple[float, float]:
        """Return C and l1_ratio of the fit."""
        fitted: Any = self.__dict__.get("l1_ratio_")
        # None for each class: scikit-learn's attribute where `l1_ratios` was not given
        ratio = np.ravel(fitted)[0]
        ratio = self._l1_ratios()[0] if ratio is None else ratio
        return float(np.ravel(self.C_)[0]), float(ratio)

    def _l1_ratios(self) -> Sequence[float] | NDArray[np.float64]:
        """Return the values of l1_ratio to fit; each subclass has its own."""
        raise NotImplementedError

    def posterior(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        offset: Any = None,
        dispersion: float | None = None,
        random_state: int = 0,
    ) -> GLMPosterior | MultinomialPosterior:
        """Return the Laplace approximation of the posterior of the coefficients.

        It is a Gaussian about the solution, with the penalty as the prior: standard errors and
        intervals are those of a penalised fit. `GLMPosterior` and, for more than two classes,
        `MultinomialPosterior` describe their limits.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            The features that were fitted.
        y : array-like of shape (n_samples,)
            The class labels that were fitted.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            The weights of the fit.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes) or None, default=None
            The offset of the fit; the first shape for two classes.
        dispersion : float or None, default=None
            Variance of y over its unit variance, for two classes; None: 1.
        random_state : int, default=0
            Seed of the random signs that estimate variances for large data of two classes.

        Returns
        -------
        GLMPosterior or, for more than two classes, MultinomialPosterior
            covariance, standard_errors, intervals, variance, predict. Pass it to `predict_proba` to
            average the probabilities over it.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the data are not those of the fit, or a class of several has no weight, or the joint
            Hessian of several classes is too large.

        Warns
        -----
        LinAlgWarning
            Of `scipy.linalg`: if neither the data nor a penalty determine some coefficients.

        Examples
        --------
        >>> import numpy as np
        >>> from fastridge import LogisticRegression
        >>> rng = np.random.default_rng(0)
        >>> X = rng.standard_normal((100, 2))
        >>> y = rng.random(100) < 1 / (1 + np.exp(-3 * X[:, 0]))
        >>> model = LogisticRegression().fit(X, y)
        >>> posterior = model.posterior(X, y)
        >>> (posterior.intervals(0.95)[:, 0] > 0).tolist()
        [True, False]
        >>> far = [[5.0, 0.0]]
        >>> averaged = model.predict_proba(far, posterior=posterior)
        >>> bool(averaged.max() < model.predict_proba(far).max())
        True
        """
        return self._result(X, y, sample_weight, offset).posterior(dispersion, random_state)

    def score(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, offset: Any = None
    ) -> float:
        """Accuracy: share of the samples that are classified correctly.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            True classes.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights of the samples; None: 1.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes) or None, default=None
            Known term of the linear predictor; the first shape for two classes. None: 0.

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
        >>> from fastridge import LogisticRegression
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> LogisticRegression().fit(X, y).score(X, y)
        1.0
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._score_parts(X, y, sample_weight, offset=offset)
        return accuracy(self.predict(X, offset=offset), y, sample_weight)

    set_fit_request: Any = request_setter("fit", "sample_weight", "offset")
    set_decision_function_request: Any = request_setter("decision_function", "offset")
    set_predict_request: Any = request_setter("predict", "offset")
    set_predict_proba_request: Any = request_setter("predict_proba", "offset")
    set_predict_log_proba_request: Any = request_setter("predict_log_proba", "offset")
    set_score_request: Any = request_setter("score", "sample_weight", "offset")


def alpha_of(C: float, classes: Classes) -> float:
    """Return the penalty of the mean loss that is equivalent to C."""
    return min(1.0 / (C * classes.total()), _LARGEST)


def check_predictor_offset(offset: Any, n: int, k: int) -> NDArray[np.float64]:
    """Check offsets, and return them as (n,), or (n, k) for k > 1 classes."""
    known = check_offset(offset, None, LOGISTIC, n) if k == 1 else None
    if k > 1:
        known = check_offsets(offset, None, n, k)
    assert known is not None
    return known
