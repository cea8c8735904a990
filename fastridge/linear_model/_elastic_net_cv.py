"""Elastic nets and lassos that choose their penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..solvers.descent.enet_path import lasso_path
from ._elastic_net import ElasticNet
from ._elastic_net_cv_base import BaseElasticNetCV
from ._parameters import (
    BOOL,
    Parameter,
    Parameters,
    without,
)

if TYPE_CHECKING:
    pass


class ElasticNetCV(BaseElasticNetCV):
    """Elastic net that chooses its penalty, and the share of its L1 part, by cross-validation.

    The objective is that of `ElasticNet`. Every penalty is fitted to the training rows of every
    fold, warm-started from the penalty before. Where a Gram matrix pays off, that of the training
    rows is computed as that of all rows minus that of the fold. Folds run in parallel threads.

    Parameters
    ----------
    l1_ratio : float or array-like of shape (n_ratios,), default=0.5
        Shares of the L1 part to try, from 0 (ridge) to 1 (lasso).
    eps : float, default=1e-3
        Ratio of the last penalty of the automatic grid to the first, above 0.
    alphas : int, array-like of shape (n_alphas,) or "auto", default=100
        Penalties to try, sorted from large to small. An int: length of an automatic grid, whose
        first penalty is the smallest that leaves all penalised coefficients at 0. "auto": a grid of
        100, with `extend`. A warning tells where the best penalty of an automatic grid is the last
        and the score still improves there.
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    precompute : bool or "auto", default="auto"
        True: use Gram matrices of all features. Otherwise: use them where that is faster.
    max_iter : int, default=1000
        Largest number of epochs of each fit.
    tol : float, default=1e-4
        Bound on the duality gap of each fit, over the objective of the null model.
    cv : int, splitter, iterable of (train, test) or None, default=None
        An int: number of folds, of consecutive rows or of whole `groups`. A splitter has
        ``split(X, y, groups)``, like those of scikit-learn. None: 5 folds.
    copy_X : bool, default=True
        Accepted for compatibility: `X` is never overwritten.
    verbose : bool or int, default=0
        Show a progress bar over the folds on standard error, by tqdm where installed.
    n_jobs : int or None, default=None
        Threads for the folds; None or negative: as many as the kernels may use.
    positive : bool, default=False
        Require w >= 0.
    random_state : int, numpy.random.RandomState or None, default=None
        Seed of the random order, and of a random `validation`; None: 0.
    selection : {"cyclic", "random"}, default="cyclic"
        Order of the coordinates in a sweep.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor f of the penalty of each feature; 0 leaves it unpenalised.
    lower, upper : float or array-like of shape (n_features,) or None, default=None
        Bounds of the coefficients.
    standardize : bool, default=False
        Penalise in units of the columns' weighted standard deviations, those of each fold's
        training rows.
    select : {"min", "1se"} or callable, default="min"
        "min": the least mean error over the folds. "1se": the largest penalty of the same
        `l1_ratio` whose mean error is within one standard error of the least. A callable is given
        `cv_results_` and returns the position of a penalty.
    validation : float, (X, y), (X, y, sample_weight) or None, default=None
        Held-out set in place of `cv`. A number between 0 and 1: that share of the rows (of
        the `groups`, where given), at random; the model is then fitted to all rows.
    store_coef : bool, default=False
        Keep the coefficients of every fold and penalty, in ``cv_results_["fold_coef"]``.
    callback : callable or None, default=None
        Called as callback(done, total) after each fold of each `l1_ratio`. If it raises
        StopIteration, the search ends and the finished folds decide; any other exception, and
        Ctrl-C, propagates and leaves the finished folds in `cv_results_`, as the only fitted
        attribute; before that an earlier fit stays.
    extend : bool, default=False
        Where the smallest penalty is the best and the score still improves, extend the grid
        downwards by a decade, up to three times, with a warning.

    Attributes
    ----------
    alpha_ : float
        Chosen penalty.
    l1_ratio_ : float
        Chosen share of the L1 part.
    coef_ : ndarray of shape (n_features,)
        w of the fit to all rows.
    intercept_ : float
        b; 0.0 where `fit_intercept` is False.
    mse_path_ : ndarray of shape (n_alphas, n_folds) or (n_ratios, n_alphas, n_folds)
        Held-out mean squared errors; axes of length 1 are left out, as in scikit-learn.
    alphas_ : ndarray of shape (n_alphas,) or (n_ratios, n_alphas)
        The grid that was used; the first shape for one `l1_ratio`, and where `alphas` were given.
    cv_results_ : fastridge.model_selection.CVResults
        Errors of every penalty; "n_features" is the mean number of non-zero coefficients over the
        folds, "dof" their mean effective degrees of freedom and "norm" their mean norm.
    diagnosis_ : fastridge.model_selection.Diagnosis
        Verdict: under-fitting, over-fitting, about right, or the penalty does not matter.
    n_passes_ : int
        Passes over the data; only after a fit of data in parts.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,), dtype object
        Names of the features; only where `X` is a data frame whose column names are strings.
    dual_gap_, relative_gap_, n_iter_, objective_, solver_
        As for `ElasticNet`; for the fit to all rows.

    See Also
    --------
    ElasticNet : For one penalty.
    elastic_net_path : All penalties, without a choice.
    LassoCV : Lasso that chooses its penalty.
    CrossValidationDisplay : Train and validation errors against the penalty.
    MultiTaskElasticNetCV : Multi-task elastic net that chooses its penalties.

    References
    ----------
    J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized linear models
    via coordinate descent", JSS 33, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import ElasticNetCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 10))
    >>> y = X @ np.eye(10)[0] + rng.standard_normal(100)
    >>> model = ElasticNetCV(l1_ratio=[0.5, 1.0], cv=5).fit(X, y)
    >>> model.mse_path_.shape, bool(abs(model.coef_[0] - 1) < 0.3)
    ((2, 100, 5), True)
    """

    precompute: Any
    positive: bool
    lower: Any
    upper: Any

    _parameters: ClassVar[Parameters] = {
        **BaseElasticNetCV._parameters,
        "precompute": Parameter(
            lambda value: (
                isinstance(value, (bool, np.bool_)) or (isinstance(value, str) and value == "auto")
            ),
            "a bool or 'auto'",
        ),
        "positive": BOOL,
    }

    def __init__(
        self,
        *,
        l1_ratio: Any = 0.5,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        cv: Any = None,
        copy_X: bool = True,
        verbose: Any = 0,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        penalty_factor: Any = None,
        lower: Any = None,
        upper: Any = None,
        standardize: bool = False,
        select: Any = "min",
        validation: Any = None,
        store_coef: bool = False,
        callback: Any = None,
        extend: bool = False,
    ) -> None:
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.select = select
        self.validation = validation
        self.store_coef = store_coef
        self.callback = callback
        self.extend = extend

    def _model(self) -> Any:
        return ElasticNet(
            fit_intercept=self.fit_intercept,
            max_iter=self.max_iter,
            tol=self.tol,
            positive=self.positive,
            random_state=self.random_state,
            selection=self.selection,
            penalty_factor=self.penalty_factor,
            lower=self.lower,
            upper=self.upper,
            standardize=self.standardize,
        )


class LassoCV(ElasticNetCV):
    """Lasso that chooses its penalty by cross-validation.

    `ElasticNetCV` with an L1 penalty alone: the objective is that of `Lasso`.

    Parameters
    ----------
    eps, alphas, fit_intercept, precompute, max_iter, tol, copy_X, cv, verbose, n_jobs, positive, \
random_state, selection, penalty_factor, lower, upper, standardize, select, \
validation, store_coef, callback, extend
        As for `ElasticNetCV`.

    Attributes
    ----------
    alpha_, coef_, intercept_, mse_path_, alphas_, cv_results_, diagnosis_, n_features_in_, \
feature_names_in_, dual_gap_, relative_gap_, n_iter_, objective_, solver_
        As for `ElasticNetCV`.

    See Also
    --------
    Lasso : For one penalty.
    ElasticNetCV : Elastic net that chooses its penalties.
    elastic_net_path : Elastic nets for many penalties.
    MultiTaskLassoCV : Multi-task lasso that chooses its penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import LassoCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 10))
    >>> model = LassoCV(cv=5, select="1se").fit(X, X[:, 0] + 0.1 * rng.standard_normal(100))
    >>> np.flatnonzero(model.coef_)
    array([0])
    """

    path: ClassVar[Any] = staticmethod(lasso_path)

    _parameters: ClassVar[Parameters] = without(ElasticNetCV._parameters, "l1_ratio")

    def __init__(
        self,
        *,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        copy_X: bool = True,
        cv: Any = None,
        verbose: Any = False,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        penalty_factor: Any = None,
        lower: Any = None,
        upper: Any = None,
        standardize: bool = False,
        select: Any = "min",
        validation: Any = None,
        store_coef: bool = False,
        callback: Any = None,
        extend: bool = False,
    ) -> None:
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.copy_X = copy_X
        self.cv = cv
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.select = select
        self.validation = validation
        self.store_coef = store_coef
        self.callback = callback
        self.extend = extend
