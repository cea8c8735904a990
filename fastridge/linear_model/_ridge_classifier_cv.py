"""Classification by ridge regression that chooses its penalty."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..data.check import check_design, check_sample_weight, feature_names
from ..data.labels import Labels, as_labels
from ..data.parts import in_parts
from ._choosing import Known
from ._parameters import (
    CLASS_WEIGHT,
    Parameters,
)
from ._ridge_classifier import RidgeClassifier
from ._ridge_cv_base import BaseRidgeCV
from ._whole import whole


class RidgeClassifierCV(BaseRidgeCV, RidgeClassifier):
    """Classification by ridge regression that chooses its penalty by cross-validation.

    The objective is that of `RidgeClassifier`. The search is that of `RidgeCV`, with the errors of
    the regressions on -1 and 1.

    Parameters
    ----------
    alphas : array-like of shape (n_alphas,), float, "auto" or None, default=(0.1, 1.0, 10.0)
        As for `RidgeCV`.
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    scoring : str, callable or None, default=None
        Name of a scorer, or scorer(estimator, X, y). None: the negative mean squared error of the
        regressions on -1 and 1 for leave-one-out and generalised cross-validation, else the
        accuracy.
    cv : int, splitter, iterable of (train, test), {"loo", "gcv"} or None, default=None
        As for `RidgeCV`; the folds of an int are stratified by class.
    class_weight
        As in `RidgeClassifier`; "balanced" weights are computed from all rows, not per fold.
    store_cv_results : bool, default=False
        As for `RidgeCV`.
    n_alphas, select, validation, penalty_factor, standardize, solver, tol, max_iter, \
max_memory, random_state, store_coef, callback
        As for `RidgeCV`.

    Attributes
    ----------
    alpha_ : float
        Chosen penalty.
    best_score_ : float
        Mean score of the chosen penalty.
    coef_ : ndarray of shape (n_features,) or (n_classes, n_features)
        Coefficients of the decision function; the first shape for two classes.
    intercept_ : float or ndarray of shape (1,) or (n_classes,)
        Intercepts; 0.0 where `fit_intercept` is False.
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted; for an indicator, the indices of its labels.
    indicator_ : {"dense", "matrix", "array"} or None
        Container of `y` where it was an indicator.
    alphas_, cv_results_, diagnosis_, dof_, n_passes_, n_features_in_, feature_names_in_, solver_, \
n_iter_, relative_gradient_, relative_error_, objective_
        As for `RidgeCV`.

    See Also
    --------
    RidgeCV : The same for regression.
    RidgeClassifier : Ridge regression of class indicators.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import RidgeClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 4))
    >>> y = np.where(X[:, 0] > 0, "yes", "no")
    >>> model = RidgeClassifierCV(alphas=[0.1, 1.0, 10.0], cv=5).fit(X, y)
    >>> bool(model.best_score_ > 0.9), model.predict(X[:1]).shape
    (True, (1,))
    """

    _parameters: ClassVar[Parameters] = {**BaseRidgeCV._parameters, "class_weight": CLASS_WEIGHT}

    def __init__(
        self,
        alphas: Any = (0.1, 1.0, 10.0),
        *,
        fit_intercept: bool = True,
        scoring: Any = None,
        cv: Any = None,
        class_weight: Any = None,
        store_cv_results: bool = False,
        n_alphas: int = 50,
        select: Any = "min",
        validation: Any = None,
        penalty_factor: Any = None,
        standardize: bool = False,
        solver: str = "auto",
        tol: float = 1e-4,
        max_iter: int | None = None,
        max_memory: float | None = None,
        random_state: Any = None,
        store_coef: bool = False,
        callback: Any = None,
    ) -> None:
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.class_weight = class_weight
        self.store_cv_results = store_cv_results
        self.n_alphas = n_alphas
        self.select = select
        self.validation = validation
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.max_memory = max_memory
        self.random_state = random_state
        self.store_coef = store_coef
        self.callback = callback

    @whole
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None, **params: Any
    ) -> Self:
        """Choose the penalty, and fit the coefficients and the intercepts.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features; see `Ridge.fit`. Or data in parts, with `y` None for `Chunks`: a `Chunks`, a
            dask array or data frame, or a list of delayed (X, y[, sample_weight]); only named
            scores that are means over rows are then possible.
        y : array-like of shape (n_samples,), or array-like or scipy sparse matrix of shape \
(n_samples, n_labels)
            Class labels, whole numbers or strings; or an indicator of several labels per sample.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights of the samples: weight 2 counts the row twice. None: 1.
        groups : array-like of shape (n_samples,) or None, default=None
            Group of each row. Rows of a group are held out together where `cv` is an int or
            `validation` a share; a splitter receives the groups.
        **params : dict
            Metadata that a splitter or a scorer requests by scikit-learn's metadata routing;
            only under ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        self : RidgeClassifierCV
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter or an argument is not as documented; the message says what was expected.

        Warns
        -----
        UserWarning
            If the automatic grid was extended.
        ConvergenceWarning
            If an iterative solver did not reach `tol`.
        DataConversionWarning
            If `y` is a column of labels; it is taken as a vector.

        Examples
        --------
        >>> from fastridge import RidgeClassifierCV
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> RidgeClassifierCV(alphas=[0.1, 1.0]).fit(X, y).predict([[2.5]])
        array([1])
        """
        from ..model_selection._search import Scoring

        if type(X) is not np.ndarray and in_parts(X):
            self._metadata(sample_weight, groups, params)
            return self._fit_parts(X, y, sample_weight, groups=groups)
        self._check_parameters()
        class_weight = self.class_weight
        metadata = self._metadata(sample_weight, groups, params)
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        n = A.n_rows
        labels = Labels(y, n)
        weight = check_sample_weight(sample_weight, n)
        if class_weight:
            weights = labels.weights(class_weight, weight)
            if weight is not None:
                weights = weights * weight
            weight = check_sample_weight(weights, n, name="class_weight (per sample)")
        Y = labels.targets()
        single = Y.ndim == 1
        Y = Y.reshape(n, -1)
        codes = labels.codes
        truth = labels.classes[codes] if labels.container is None else codes
        held = self._held(A.n_columns, lambda y, n: self._held_codes(y, n, labels))
        if held is not None:
            codes = held[1]
            truth = labels.classes[codes] if labels.container is None else codes
            held = held[0], self._targets(codes, labels), held[2]
        self.classes_, self.indicator_ = labels.classes, labels.container

        def shown(alpha: Any, coef: Any, intercept: Any, X: Any, prediction: Any) -> Any:
            model = _ShownClassifier(float(alpha), fit_intercept=self.fit_intercept)
            model.classes_, model.indicator_ = labels.classes, labels.container
            return model._show(coef, intercept, X, prediction[:, 0] if single else prediction)

        default = self._loss.error_score if self._kind() in ("loo", "gcv") else "accuracy"
        scoring = Scoring(self._loss, self.scoring, default, False, shown, truth, codes)
        self._search(A, Y, weight, scoring, held, (X, y, metadata), single, single)
        self._set_features(A.n_columns, names)
        return self

    @staticmethod
    def _held_codes(y: Any, n: int, labels: Labels) -> NDArray[np.intp]:
        """Return the class index of each held-out row, or their indicator."""
        given = as_labels(y, n)
        if labels.container is not None:
            if given.shape != (n, len(labels.classes)):
                raise ValueError(
                    f"validation y has shape {given.shape}; expected {(n, len(labels.classes))}."
                )
            return given.astype(np.int64)
        place = np.searchsorted(labels.classes, given).clip(max=len(labels.classes) - 1)
        if (labels.classes[place] != given).any():
            strange = given[labels.classes[place] != given][0]
            raise ValueError(f"validation y has the class {strange}; expected only classes of y.")
        return place

    @staticmethod
    def _targets(codes: NDArray[Any], labels: Labels) -> NDArray[np.float64]:
        """Return targets (n, k) of -1 and 1."""
        same = object.__new__(Labels)
        same.classes, same.container, same.codes = labels.classes, labels.container, codes
        return same.targets().reshape(len(codes), -1)


class _ShownClassifier(Known, RidgeClassifier):
    pass


# name shown in messages of scorers
_ShownClassifier.__name__ = _ShownClassifier.__qualname__ = "RidgeClassifier"
