"""Logistic regression with a given penalty."""

from __future__ import annotations

import math
import warnings
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np

from .._matrix import Matrix
from .._stack import outside
from ..data.check import check_design, feature_names, recheck
from ..data.inputs import as_real, to_dense
from ..data.parts import in_parts
from ..losses import LOGISTIC
from ..solvers.glm import softmax
from ._logistic import BaseLogistic, Classes, alpha_of, check_classes, check_predictor_offset
from ._parameters import Parameter, Parameters, is_evidence
from ._whole import whole

_DEPRECATED = (
    "'penalty' was deprecated in version 1.8 and will be removed in 1.10. To avoid this warning,"
    " leave 'penalty' set to its default value and use 'l1_ratio' or 'C' instead. Use l1_ratio=0"
    " instead of penalty='l2', l1_ratio=1 instead of penalty='l1', l1_ratio set to a float between"
    " 0 and 1 instead of penalty='elasticnet', and C=np.inf instead of penalty=None."
)


class LogisticRegression(BaseLogistic):
    """Logistic regression with a penalty.

    For two classes, minimizes over the coefficients w and the intercept b::

        1 / S * sum_i s_i (log(1 + exp(eta_i)) - y_i eta_i)
            + 1 / (C S) * (l1_ratio * sum_j f_j |w_j| + (1 - l1_ratio) / 2 * sum_j f_j w_j^2)

    where eta_i = o_i + b + x_i w and y_i is 1 for the second class and 0 for the first, with s =
    `sample_weight` times the weight of the class (1 where None), S their sum, f = `penalty_factor`
    (1 where None) and o = offset (0 where None). For more classes there is a linear predictor
    eta_ik for each, the loss is log(sum_k exp(eta_ik)) - eta_i,y(i), and the penalty is the sum
    over the classes. b is never penalised. This is the objective of scikit-learn's
    ``LogisticRegression``.

    Parameters
    ----------
    penalty : {"l1", "l2", "elasticnet", None}, default="deprecated"
        Accepted for compatibility, with a warning: "l2" is l1_ratio=0, "l1" is l1_ratio=1,
        "elasticnet" the `l1_ratio` that is given, and None is C=inf.
    C : float or "evidence", default=1.0
        Inverse of the strength of the penalty, above 0; inf: no penalty. "evidence": the C of the
        largest Laplace evidence, with the penalty as the prior, by some 20 fits and as many
        factorisations of a matrix of order min(n, p), of n^3 or p^3 operations; this needs an L2
        penalty without bounds, and for more than two classes at most 4,000 coefficients together.
    l1_ratio : float, default=0.0
        Share of the L1 part of the penalty, from 0 (squares alone) to 1 (absolute values alone).
    dual : bool, default=False
        Accepted for compatibility and without effect: the solver is chosen by the data.
    tol : float, default=1e-4
        Bound on the square root of `relative_gap_`: the fit stops when the duality gap is at most
        tol^2 times the loss of the model without features.
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    intercept_scaling : float, default=1
        Accepted for compatibility and without effect: the intercept is never penalised.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class, by its label; a class that is not named has weight 1. "balanced" gives
        each class the same total weight, `sample_weight` included. None: 1.
    random_state : int, numpy.random.RandomState or None, default=None
        Accepted for compatibility and without effect: every solver here is deterministic.
    solver : {"lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga", "auto", \
"newton", "dual-descent"}, default="lbfgs"
        Solver. "auto" chooses by shape, sparsity and penalty, and so do scikit-learn's names,
        each of which takes every penalty and any number of classes; `solver_` names the one that
        ran.
    max_iter : int, default=100
        Largest number of iterations.
    verbose : int, default=0
        Above 0: print solver, iterations, objective and relative gap.
    warm_start : bool or "sample", default=False
        True: start from the coefficients of the previous fit. "sample", only for data in parts:
        start from a fit to the first part, which saves passes where parts are alike.
    n_jobs : int or None, default=None
        Accepted for compatibility and without effect, with a warning, as in scikit-learn.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor f of the penalty of each feature; 0 leaves it unpenalised.
    standardize : bool, default=False
        Penalise each coefficient in units of the weighted standard deviation of its column: sd_j
        w_j takes the place of w_j in the penalty. Coefficients are in the units of `X` anyway.
    lower, upper : float or array-like of shape (n_features,) or None, default=None
        Bounds lower <= w <= upper, in the units of `coef_`; infinite bounds have no effect. Only
        for two classes.
    positive : bool, default=False
        Require w >= 0. Only for two classes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        w, float32 where `X` is float32, else float64; the first shape for two classes. For more
        classes, coefficients with an L2 penalty sum to 0 over the classes.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        b; 0.0 where `fit_intercept` is False.
    C_ : float
        The C of the fit.
    n_iter_ : ndarray of shape (1,), dtype int32
        Iterations of the solver.
    n_passes_ : int
        Passes over the data; only after a fit of data in parts.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,), dtype object
        Names of the features; only where `X` is a data frame whose column names are strings.
    solver_ : str
        The solver that ran.
    objective_ : float
        The objective at the solution.
    dual_gap_ : float
        Bound on how far the objective is from its minimum.
    relative_gap_ : float
        `dual_gap_` over the loss of the model without features.

    See Also
    --------
    RidgeClassifier : Least squares on labels, which is faster.
    glm : The same fit of two classes as a function.
    LogisticRegressionCV : Logistic regression that chooses its penalty.
    SGDClassifier : Linear classifier that learns from a stream of rows.
    CalibrationDisplay : Observed against predicted means.

    Notes
    -----
    Where features separate the classes and C is infinite, no finite coefficients are optimal. The
    fit then stops at finite ones within `tol` of the least loss, with a ConvergenceWarning.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import LogisticRegression
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 3.0]])
    >>> model = LogisticRegression(C=1.0).fit(X, ["no", "no", "yes", "yes"])
    >>> model.predict([[3.0, 1.0], [0.0, 0.0]])
    array(['yes', 'no'], dtype='<U3')
    >>> model.predict_proba([[3.0, 1.0]]).round(2)
    array([[0.23, 0.77]])
    """

    C: Any

    _parameters: ClassVar[Parameters] = {
        **BaseLogistic._parameters,
        "C": Parameter(
            lambda value: (
                is_evidence(value) or (isinstance(value, Real) and 0 < as_real(value) <= math.inf)
            ),
            "a number above 0, inf, or 'evidence'",
            quick="type(v) is float and 0.0 < v <= inf",
        ),
        "l1_ratio": Parameter(
            lambda value: value is None or (isinstance(value, Real) and 0 <= as_real(value) <= 1),
            "a number from 0 to 1",
            quick="type(v) is float and 0.0 <= v <= 1.0",
        ),
    }

    def __init__(
        self,
        penalty: Any = "deprecated",
        *,
        C: float | str = 1.0,
        l1_ratio: float = 0.0,
        dual: bool = False,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Any = None,
        random_state: Any = None,
        solver: str = "lbfgs",
        max_iter: int = 100,
        verbose: Any = 0,
        warm_start: Any = False,
        n_jobs: int | None = None,
        penalty_factor: Any = None,
        standardize: bool = False,
        lower: Any = None,
        upper: Any = None,
        positive: bool = False,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.lower = lower
        self.upper = upper
        self.positive = positive

    @whole
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, offset: Any = None) -> Self:
        """Fit the coefficients and the intercepts.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features. float32 and float64, C and F order, CSR and CSC with 32- or 64-bit indices are
            used without a copy; others are converted once. Or data in parts, with `y` None for
            `Chunks`: a `Chunks`, a dask array or data frame, or a list of delayed (X, y[,
            sample_weight]).
        y : array-like of shape (n_samples,)
            Class labels, whole numbers or strings.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights of the samples: weight 2 counts the row twice. None: 1.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes) or None, default=None
            Known term o of the linear predictor; the first shape for two classes. None: 0.

        Returns
        -------
        self : LogisticRegression
            The fitted estimator.

        Raises
        ------
        ValueError
            If `y` has one class, or a parameter or an argument is not as documented; the message
            says what was expected.
        TypeError
            If `X` or `sample_weight` holds objects that are not numbers.

        Warns
        -----
        ConvergenceWarning
            If `tol` was not reached, or no finite coefficients are optimal.
        DataConversionWarning
            If `y` is a column of labels; it is taken as a vector.
        FutureWarning
            If `penalty`, `n_jobs` or l1_ratio=None is given, which scikit-learn deprecated.

        Examples
        --------
        >>> from fastridge import LogisticRegression
        >>> LogisticRegression(C=10.0).fit([[0.0], [1.0], [2.0]], [0, 1, 1]).classes_
        array([0, 1])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._fit_parts(X, y, sample_weight, offset=offset)
        self._check_parameters()
        C, ratio = self.C, self.l1_ratio
        if self.penalty != "deprecated" or ratio is None or self.n_jobs is not None:
            C, ratio = self._deprecated()
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        n, p = A.shape
        classes = check_classes(y, n, sample_weight, self.class_weight)
        k = len(classes.values)
        known = None if offset is None else check_predictor_offset(offset, n, 1 if k == 2 else k)
        recheck(A)
        alpha = None if is_evidence(C) else alpha_of(as_real(C), classes)
        fit = self._fit_two if k == 2 else self._fit_several
        found = fit(A, classes, alpha, float(ratio), known)
        self.C_ = 1.0 / (found * classes.total()) if alpha is None else as_real(C)
        self.classes_ = classes.values
        self._set_features(p, names)
        return self

    def _deprecated(self) -> tuple[Any, Any]:
        """Return C and l1_ratio from deprecated parameters, with scikit-learn's warnings."""
        C, ratio, penalty = self.C, self.l1_ratio, self.penalty
        if self.n_jobs is not None:
            _warn_future(
                "'n_jobs' has no effect since 1.8 and will be removed in 1.10. You provided"
                f" 'n_jobs={self.n_jobs}', please leave it unspecified."
            )
        if penalty == "deprecated":
            if ratio is None:
                _warn_future(
                    "'l1_ratio=None' was deprecated in version 1.8 and will trigger an error in"
                    " 1.10. Use 0<=l1_ratio<=1 instead."
                )
            return self._given_strength()
        _warn_future(_DEPRECATED)
        if penalty != "elasticnet" and ratio is not None and 0 < ratio < 1:
            _warn(
                f"l1_ratio parameter is only used when penalty is 'elasticnet'. Got"
                f" (penalty={penalty})"
            )
        if (penalty == "l2" and ratio != 0) or (penalty == "l1" and ratio != 1):
            _warn(
                f"Inconsistent values: penalty={penalty} with l1_ratio={ratio}. penalty is"
                " deprecated. Please use l1_ratio only."
            )
        if penalty is None and C != 1.0:
            _warn("Setting penalty=None will ignore the C and l1_ratio parameters")
        return self._given_strength()

    def _given_strength(self) -> tuple[Any, float]:
        """Return C and l1_ratio, or those that a deprecated `penalty` stands for."""
        if self.penalty is None:
            return math.inf, 0.0
        if self.penalty in ("l1", "l2"):
            return self.C, float(self.penalty == "l1")
        if self.penalty == "elasticnet" and self.l1_ratio is None:
            raise ValueError("l1_ratio must be specified when penalty is elasticnet.")
        return self.C, 0.0 if self.l1_ratio is None else self.l1_ratio

    def _l1_ratios(self) -> list[float]:
        return [self._given_strength()[1]]

    def _fit_two(
        self, A: Matrix, classes: Classes, alpha: float | None, ratio: float, offset: Any
    ) -> float:
        """Fit, and return the strength of the penalty; alpha: None for the largest evidence."""
        p = A.shape[1]
        start = self._start((1, p))
        if start is not None:
            start = start[0][0], float(start[1][0])
        target, labels = classes.codes.astype(np.float64), classes.values.tolist()
        result = self._solve(
            A, target, LOGISTIC, alpha, ratio, classes.weight, offset, start, labels
        )
        self.coef_ = result.coef[None, :]
        self.intercept_ = np.array([result.intercept], result.coef.dtype)
        self.n_iter_ = np.array([result.n_iter], np.int32)
        return float(result.alpha)

    def _fit_several(
        self, A: Matrix, classes: Classes, alpha: float | None, ratio: float, offset: Any
    ) -> float:
        """Fit, and return the strength of the penalty; alpha: None for the largest evidence."""
        k, p = len(classes.values), A.shape[1]
        options, constraints = self._options(ratio), self._constraints(p)
        start = self._start((k, p))
        if alpha is None:
            from ..solvers.glm.evidence_search import choose_alpha_of_classes

            problem, some = softmax.make_problem(
                A, classes.codes, k, options, classes.weight, constraints, offset
            )
            alpha, start = choose_alpha_of_classes(problem, options, "C")
            start = start if some is None else softmax.among(*start, some, k)
        result = softmax.solve(
            A,
            classes.codes,
            k,
            alpha,
            options,
            classes.weight,
            constraints,
            offset,
            start,
            classes.values.tolist(),
        )
        self._set_certificate(result)
        self.coef_ = result.coef
        self.intercept_ = np.asarray(result.intercept, result.coef.dtype)
        if not self.fit_intercept:
            self.intercept_ = np.zeros(k, result.coef.dtype)
        self.n_iter_ = np.array([result.n_iter], np.int32)
        return float(result.alpha)

    def _start(self, shape: tuple[int, int]) -> tuple[Any, Any] | None:
        """Return coefficients and intercepts of the previous fit for a warm start, else None."""
        coef = self.__dict__.get("coef_") if self._is_warm() else None
        if coef is None or coef.shape != shape or not np.isfinite(self.intercept_).all():
            return None
        return coef if isinstance(coef, np.ndarray) else to_dense(coef, "coef_"), self.intercept_


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=outside())


def _warn_future(message: str) -> None:
    warnings.warn(message, FutureWarning, stacklevel=outside())
