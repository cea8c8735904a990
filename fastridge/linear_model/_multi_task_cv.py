"""Multi-task elastic net and lasso that choose their penalty."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..data.check import check_target
from ..solvers.descent.enet_path import lasso_path
from ._elastic_net_cv_base import BaseElasticNetCV
from ._multi_task import MultiTaskElasticNet
from ._parameters import (
    Parameters,
    without,
)


class MultiTaskElasticNetCV(BaseElasticNetCV):
    """Multi-task elastic net that chooses its penalty by cross-validation.

    The objective is that of `MultiTaskElasticNet`. The search is that of `ElasticNetCV`, with
    errors averaged over the targets.

    Parameters
    ----------
    l1_ratio : float or array-like of shape (n_ratios,), default=0.5
        Shares of the L1 part to try, from above 0 to 1.
    eps, alphas, fit_intercept, max_iter, tol, cv, copy_X, verbose, n_jobs, random_state, \
selection, penalty_factor, standardize, select, validation, store_coef, callback, extend
        As for `ElasticNetCV`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_targets, n_features)
        w of the fit to all rows.
    intercept_ : ndarray of shape (n_targets,)
        b; 0.0 where `fit_intercept` is False.
    alpha_, l1_ratio_, mse_path_, alphas_, cv_results_, diagnosis_, n_features_in_, \
feature_names_in_, dual_gap_, relative_gap_, n_iter_, objective_, solver_
        As for `ElasticNetCV`.

    See Also
    --------
    MultiTaskElasticNet : For one penalty.
    ElasticNetCV : Elastic net that chooses its penalties.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import MultiTaskElasticNetCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 5))
    >>> Y = X[:, :1] * [1.0, -2.0] + 0.1 * rng.standard_normal((60, 2))
    >>> MultiTaskElasticNetCV(alphas=[1.0, 0.1], cv=3).fit(X, Y).coef_.shape
    (2, 5)
    """

    _several = True

    def __init__(
        self,
        *,
        l1_ratio: Any = 0.5,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-4,
        cv: Any = None,
        copy_X: bool = True,
        verbose: Any = 0,
        n_jobs: int | None = None,
        random_state: Any = None,
        selection: str = "cyclic",
        penalty_factor: Any = None,
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
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.select = select
        self.validation = validation
        self.store_coef = store_coef
        self.callback = callback
        self.extend = extend

    def _model(self) -> Any:
        model = MultiTaskElasticNet(
            fit_intercept=self.fit_intercept,
            max_iter=self.max_iter,
            tol=self.tol,
            random_state=self.random_state,
            selection=self.selection,
            penalty_factor=self.penalty_factor,
            standardize=self.standardize,
        )
        # the final fit goes to round-off, so that weights equal repeated rows in it
        model._sharp = True
        return model

    def _target(self, y: Any, n: int) -> NDArray[np.float64]:
        Y = check_target(y, n)
        if Y.ndim == 1:
            raise ValueError(
                f"y has shape {Y.shape}; expected (n_samples, n_targets). For mono-task outputs,"
                f" use {type(self).__name__.removeprefix('MultiTask')}."
            )
        return Y

    def _constraints_of(self, model: Any, p: int) -> Any:
        from ..data.parameters import check_penalty_factor
        from ..solvers.descent.fit import Constraints

        return Constraints(check_penalty_factor(self.penalty_factor, p))


class MultiTaskLassoCV(MultiTaskElasticNetCV):
    """Multi-task lasso that chooses its penalty by cross-validation.

    `MultiTaskElasticNetCV` with an L1 penalty alone: the objective is that of `MultiTaskLasso`.

    Parameters
    ----------
    eps, alphas, fit_intercept, max_iter, tol, copy_X, cv, verbose, n_jobs, random_state, \
selection, penalty_factor, standardize, select, validation, store_coef, callback, extend
        As for `ElasticNetCV`.

    Attributes
    ----------
    alpha_, coef_, intercept_, mse_path_, alphas_, cv_results_, diagnosis_, n_features_in_, \
feature_names_in_, dual_gap_, relative_gap_, n_iter_, objective_, solver_
        As for `MultiTaskElasticNetCV`.

    See Also
    --------
    MultiTaskLasso : For one penalty.
    LassoCV : Lasso that chooses its penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import MultiTaskLassoCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 5))
    >>> Y = X[:, :1] * [1.0, -2.0] + 0.1 * rng.standard_normal((60, 2))
    >>> MultiTaskLassoCV(alphas=[1.0, 0.1], cv=3).fit(X, Y).coef_.shape
    (2, 5)
    """

    path: ClassVar[Any] = staticmethod(lasso_path)

    _parameters: ClassVar[Parameters] = without(MultiTaskElasticNetCV._parameters, "l1_ratio")

    def __init__(
        self,
        *,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-4,
        copy_X: bool = True,
        cv: Any = None,
        verbose: Any = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        selection: str = "cyclic",
        penalty_factor: Any = None,
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
        self.max_iter = max_iter
        self.tol = tol
        self.copy_X = copy_X
        self.cv = cv
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.select = select
        self.validation = validation
        self.store_coef = store_coef
        self.callback = callback
        self.extend = extend
