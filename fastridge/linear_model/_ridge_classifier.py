"""Classification by ridge regression."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..data.check import check_design, check_sample_weight, feature_names
from ..data.labels import Labels, accuracy
from ..data.parts import in_parts
from ._parameters import (
    CLASS_WEIGHT,
    Parameters,
)
from ._ridge import BaseRidge
from ._whole import whole


class RidgeClassifier(BaseRidge):
    """Classification by ridge regression on targets of -1 and 1.

    With two classes, the second one is 1 and the first one -1, and the sign of the prediction
    decides. With more classes, one regression separates each class from all others, and the largest
    prediction decides. For an indicator matrix of several labels per sample, there is one
    regression per label. Each regression minimizes, over its coefficients w and intercept b::

        sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j f_j w_j^2

    with y in {-1, 1}, s = `sample_weight` times the weight of the class, f = `penalty_factor`:
    the objective of scikit-learn's ``RidgeClassifier``. b is never penalised.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Strength of the penalty, at least 0: one for all regressions or one for each.
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    copy_X : bool, default=True
        Accepted for compatibility: `X` is never overwritten, nor copied where its type and layout
        can be used.
    max_iter : int or None, default=None
        Largest number of iterations of an iterative solver; None: as the solver chooses.
    tol : float, default=1e-4
        Relative error allowed to an iterative solver, which stops where
        sum_j g_j^2 / f_j <= tol^2 * alpha * F, with g minus half of the gradient, f the penalty
        factors (times the variances if standardised) and F the objective. F is then above its
        minimum by tol^2 * F at most, and the coefficients are within tol * sqrt(F) of the solution
        in the norm of the system. With alpha = 0 the least Ritz value replaces alpha.
        Direct solvers are exact to round-off.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class, by its label; a class that is not named has weight 1. "balanced" gives
        each class the same total weight, `sample_weight` included (scikit-learn counts samples,
        whatever their weight). None: 1.
    solver
        As in `Ridge`.
    positive : bool, default=False
        Require w >= 0.
    random_state : int, numpy.random.RandomState or None, default=None
        Accepted for compatibility and without effect: every solver here is deterministic.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor f of the penalty of each feature; 0 leaves it unpenalised.
    standardize
        As in `Ridge`.
    lower, upper
        As in `Ridge`; for the coefficients of each regression.
    max_memory : float or None, default=None
        Memory in bytes that the fit may use in addition to its input, its result and, per
        target, some 20 vectors of n_samples and 64 of n_features elements. Where a direct solver
        would need more, which is computed beforehand, "auto" runs "cg". None: half of the
        machine's memory.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_classes, n_features)
        Coefficients of the decision function; the first shape for two classes.
    intercept_ : float or ndarray of shape (1,) or (n_classes,)
        Intercepts; 0.0 where `fit_intercept` is False.
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted; for an indicator, the indices of its labels.
    indicator_ : {"dense", "matrix", "array"} or None
        Container of `y` where it was an indicator: an ndarray, a scipy sparse matrix or array.
    n_passes_ : int
        Passes over the data; only after a fit of data in parts.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,), dtype object
        Names of the features; only where `X` is a data frame whose column names are strings.
    solver_ : str
        The solver that ran.
    n_iter_ : int or ndarray of shape (n_classes,)
        Iterations of the solver.
    relative_gradient_ : float or ndarray of shape (n_classes,)
        Norm of the gradient over its norm at w = 0.
    relative_error_ : float or ndarray of shape (n_classes,), or None
        Bound on the relative error sqrt((F - min F) / F) of an iterative solver, to be compared
        with `tol`; None for direct solvers.
    objective_ : float or ndarray of shape (n_classes,)
        The objective at the solution.

    See Also
    --------
    Ridge : Ridge regression.
    RidgeClassifierCV : Ridge classifier that chooses its penalty.
    LogisticRegression : Logistic and multinomial regression with L2 and L1 penalties.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import RidgeClassifier
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 3.0]])
    >>> model = RidgeClassifier(alpha=1.0).fit(X, ["no", "no", "yes", "yes"])
    >>> model.predict([[3.0, 1.0], [0.0, 0.0]])
    array(['yes', 'no'], dtype='<U3')
    """

    _estimator_type = "classifier"
    _parameters: ClassVar[Parameters] = {**BaseRidge._parameters, "class_weight": CLASS_WEIGHT}

    def __init__(
        self,
        alpha: Any = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        class_weight: Any = None,
        solver: str = "auto",
        positive: bool = False,
        random_state: Any = None,
        penalty_factor: Any = None,
        standardize: bool = False,
        lower: Any = None,
        upper: Any = None,
        max_memory: float | None = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.solver = solver
        self.positive = positive
        self.random_state = random_state
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.lower = lower
        self.upper = upper
        self.max_memory = max_memory

    @whole
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the coefficients and the intercepts.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features; see `Ridge.fit`. Or data in parts, with `y` None for `Chunks`: a `Chunks`, a
            dask array or data frame, or a list of delayed (X, y[, sample_weight]); see `Ridge.fit`.
        y : array-like of shape (n_samples,), or array-like or scipy sparse matrix of shape \
(n_samples, n_labels)
            Class labels, whole numbers or strings; or an indicator of several labels per sample,
            of zeros and ones.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights of the samples: weight 2 counts the row twice. None: 1.

        Returns
        -------
        self : RidgeClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or an argument is not as documented; the message says what was expected.
        TypeError
            If `X` or `sample_weight` holds objects that are not numbers.

        Warns
        -----
        ConvergenceWarning
            If an iterative solver did not reach `tol`.
        DataConversionWarning
            If `y` is a column of labels; it is taken as a vector.

        Examples
        --------
        >>> from fastridge import RidgeClassifier
        >>> RidgeClassifier().fit([[0.0], [1.0], [2.0]], [0, 1, 1]).classes_
        array([0, 1])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._fit_parts(X, y, sample_weight)
        self._check_parameters()
        class_weight = self.class_weight
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        n = A.shape[0]
        labels = Labels(y, n)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, n)
        if class_weight:
            weights = labels.weights(class_weight, sample_weight)
            if sample_weight is not None:
                weights = weights * sample_weight
            sample_weight = check_sample_weight(weights, n, name="class_weight (per sample)")
        Y = labels.targets()
        self._solve(A, Y, sample_weight, Y.ndim == 1)
        self._set_features(A.shape[1], names)
        self.classes_ = labels.classes
        self.indicator_ = labels.container
        return self

    def decision_function(self, X: Any) -> NDArray[np.floating]:
        """Compute the predictions of the regressions: ``X @ coef_.T + intercept_``.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes, positive for the second one; else a column per class or label.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `X` is not a finite table with the features of the fit.

        Examples
        --------
        >>> from fastridge import RidgeClassifier
        >>> model = RidgeClassifier().fit([[0.0], [1.0], [2.0]], [0, 1, 1])
        >>> model.decision_function([[0.5]]).round(3)
        array([0.])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._predict_parts("decision_function", X)
        return self._linear_predictor(X, "decision_function")

    def predict(self, X: Any) -> Any:
        """Predict the classes.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,), or ndarray or scipy sparse CSR of shape \
(n_samples, n_labels)
            Classes; or, after a fit to an indicator, an indicator, sparse where `y` was.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `X` is not a finite table with the features of the fit.

        Examples
        --------
        >>> from fastridge import RidgeClassifier
        >>> RidgeClassifier().fit([[0.0], [1.0], [2.0]], ["a", "b", "b"]).predict([[2.0]])
        array(['b'], dtype='<U1')
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._predict_parts("predict", X)
        scores = self._linear_predictor(X, "predict")
        if self.indicator_ is not None:
            return _as_indicator(scores > 0, self.indicator_)
        if scores.ndim == 2:
            return self.classes_[scores.argmax(axis=1)]
        if len(self.classes_) == 1:
            return np.repeat(self.classes_, scores.shape[0])
        return self.classes_[(scores > 0).astype(np.intp)]

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy: share of the samples that are classified correctly.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,), or array-like or scipy sparse matrix of shape \
(n_samples, n_labels)
            True classes. A row of an indicator counts as correct only if all its labels are.
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
        >>> from fastridge import RidgeClassifier
        >>> X, y = [[0.0], [1.0], [2.0]], [0, 1, 1]
        >>> RidgeClassifier(alpha=0.1).fit(X, y).score(X, y)
        1.0
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._score_parts(X, y, sample_weight)
        prediction = self.predict(X)
        if self.indicator_ is not None and self.indicator_ != "dense":
            prediction = prediction.toarray()
        return accuracy(prediction, y, sample_weight)


def _as_indicator(labels: NDArray[np.bool_], container: str) -> Any:
    """Return an indicator of zeros and ones in the container type of the fit."""
    indicator = labels.astype(np.int64)
    if container == "dense":
        return indicator
    from scipy import sparse

    return (sparse.csr_array if container == "array" else sparse.csr_matrix)(indicator)
