"""Multi-task elastic net and lasso: several targets that share their features."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from ..data.check import check_design, check_sample_weight, check_target, feature_names, recheck
from ..data.parameters import check_penalty_factor
from ..data.parts import in_parts
from ..data.rounding import to_float32
from ..solvers.descent.fit import warn, warn_of_lost_rows
from ..solvers.descent.groups import GroupPath
from ._base import as_scalar
from ._elastic_net import BaseElasticNet
from ._parameters import (
    Parameters,
    without,
)
from ._whole import whole


class MultiTaskElasticNet(BaseElasticNet):
    """Multi-task elastic net: least squares for several targets that share their features.

    Minimizes, over the coefficients W of shape (n_targets, n_features) and the intercepts b, with
    |w_j| the Euclidean norm of column j::

        1 / (2 sum_i s_i) * sum_i s_i |y_i - b - W x_i|^2
            + alpha * (l1_ratio * sum_j f_j |w_j| + (1 - l1_ratio) / 2 * sum_j f_j |w_j|^2)

    with s = `sample_weight` (1 where None) and f = `penalty_factor` (1 where None); b is never
    penalised. A feature is in the model of all targets or of none. This is the objective of
    scikit-learn's ``MultiTaskElasticNet``.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, at least 0.
    l1_ratio : float, default=0.5
        Share of the L1 part, from 0 (ridge) to 1 (lasso).
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    copy_X : bool, default=True
        Accepted for compatibility: `X` is never overwritten.
    max_iter : int or None, default=1000
        Largest number of rounds of sweeps. None: 1000.
    tol : float, default=1e-4
        Bound on `relative_gap_`.
    warm_start : bool, default=False
        Start from the coefficients of the previous fit, if their shape matches.
    random_state : int, numpy.random.RandomState or None, default=None
        Seed of the random order; None: 0.
    selection : {"cyclic", "random"}, default="cyclic"
        Order of the features in a sweep.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor f of the penalty of each feature; 0 leaves it unpenalised.
    standardize : bool, default=False
        Penalise each coefficient in units of the weighted standard deviation of its column.
        Coefficients are in the units of `X` anyway; `X` is not changed.

    Attributes
    ----------
    coef_ : ndarray of shape (n_targets, n_features)
        W, float32 where `X` is float32, else float64.
    sparse_coef_ : scipy.sparse.csr_matrix of shape (n_targets, n_features)
        `coef_` as a sparse matrix, built at each access.
    intercept_ : ndarray of shape (n_targets,) or float
        b; 0.0 where `fit_intercept` is False.
    n_passes_ : int
        Passes over the data; only after a fit of data in parts.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,), dtype object
        Names of the features; only where `X` is a data frame whose column names are strings.
    n_iter_ : int
        Rounds of sweeps.
    dual_gap_ : float
        Bound on how far the objective is from its minimum, in the objective's unit, as in
        scikit-learn.
    relative_gap_ : float
        `dual_gap_` over the objective of the null model, sum_i s_i |y_i - mean|^2 / (2 sum_i s_i),
        with 0 for the mean where there is no intercept. `tol` is the bound on it.
    eps_ : float
        `tol` times sum_i s_i |y_i - mean|^2: weight 2 counts as the row twice. scikit-learn scales
        s to a mean of 1.
    objective_ : float
        The objective at the solution.
    solver_ : str
        "working": a working set of features.

    See Also
    --------
    ElasticNet : Each target with features of its own.
    MultiTaskLasso : With an L1 penalty alone.
    MultiTaskElasticNetCV : Multi-task elastic net that chooses its penalties.

    References
    ----------
    G. Obozinski, B. Taskar and M. I. Jordan, "Joint covariate selection and joint subspace
    selection for multiple classification problems", Statistics and Computing 20, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import MultiTaskElasticNet
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 4))
    >>> Y = X @ [[2.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, -1.0]]
    >>> model = MultiTaskElasticNet(alpha=0.1).fit(X, Y)
    >>> model.coef_.shape, np.flatnonzero(model.coef_[0]), np.flatnonzero(model.coef_[1])
    ((2, 4), array([0, 3]), array([0, 3]))
    """

    # True: iterate past `tol`, down to round-off
    _sharp = False

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        penalty_factor: Any = None,
        standardize: bool = False,
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.standardize = standardize

    @whole
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the coefficients and the intercepts.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features. Or data in parts, with `y` None for `Chunks`: a `Chunks`, a dask array or data
            frame, or a list of delayed (X, y[, sample_weight]).
        y : array-like of shape (n_samples, n_targets)
            Values to predict.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights s of the samples: weight 2 counts the row twice. None: 1.

        Returns
        -------
        self : MultiTaskElasticNet
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or an argument is not as documented; the message says what was expected.
        TypeError
            If an argument holds objects that are not numbers.

        Warns
        -----
        ConvergenceWarning
            If `tol` was not reached, or if rows of small weight are lost in the sums of squares.

        Examples
        --------
        >>> from fastridge import MultiTaskElasticNet
        >>> X, Y = [[0.0], [1.0], [2.0]], [[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]
        >>> MultiTaskElasticNet(alpha=1.0, l1_ratio=1.0).fit(X, Y).coef_.round(4)
        array([[2.1],
               [2.8]])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._fit_parts(X, y, sample_weight)
        self._check_parameters()
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        Y = check_target(y, A.n_rows)
        if Y.ndim == 1:
            raise ValueError(
                f"y has shape {Y.shape}; expected (n_samples, n_targets). For mono-task outputs,"
                f" use {type(self).__name__.removeprefix('MultiTask')}."
            )
        weight = check_sample_weight(sample_weight, A.n_rows)
        factor = check_penalty_factor(self.penalty_factor, A.n_columns)
        options = self._options("auto")
        recheck(A)
        warn_of_lost_rows(weight, A.n_columns)
        path = GroupPath(
            A,
            Y,
            weight,
            factor,
            options.fit_intercept,
            options.standardize,
            options.max_iter,
            options.seed,
        )
        start = self._start((Y.shape[1], A.n_columns))
        if start is not None and not np.isfinite(start).all():
            raise ValueError(
                "coef_, which warm_start starts from, contains NaN or infinity; expected finite"
                " numbers."
            )
        if start is not None:
            dual = self.__dict__.get("_duals") or [None]
            same = dual[0] is not None and dual[0].shape == start.shape
            path.start(start.astype(np.float64), dual[0] if same else None)
        converged = path.solve(float(self.alpha), options.l1_ratio, options.tol, self._sharp)
        # the dual point of the gap, for the next fit where warm_start is True
        self._duals = None if np.array_equal(path.W, path.W_dual) else [path.W_dual]
        self.coef_, intercept = path.to_caller()
        if A.is_float32:
            self.coef_ = to_float32(self.coef_, "coef")
            intercept = to_float32(intercept, "intercept")
        self.intercept_ = intercept if self.fit_intercept else 0.0
        self.solver_ = "working"
        self.n_iter_ = path.n_iter
        self.dual_gap_ = as_scalar(path.gap)
        self.relative_gap_ = as_scalar(path.gap / path.null)
        total = A.n_rows if weight is None else weight.sum()
        self.eps_ = as_scalar(total * options.tol * path.yy)
        self.objective_ = as_scalar(path.objective)
        if not converged:
            warn("", self.relative_gap_, self.n_iter_, options.tol)
        self._set_features(A.n_columns, names)
        return self


class MultiTaskLasso(MultiTaskElasticNet):
    """Multi-task lasso: least squares for several targets that share their features.

    Minimizes, over the coefficients W of shape (n_targets, n_features) and the intercepts b, with
    |w_j| the Euclidean norm of column j::

        1 / (2 sum_i s_i) * sum_i s_i |y_i - b - W x_i|^2 + alpha * sum_j f_j |w_j|

    with s = `sample_weight` (1 where None) and f = `penalty_factor` (1 where None); b is never
    penalised. This is the objective of scikit-learn's ``MultiTaskLasso``.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, at least 0.
    fit_intercept, copy_X, max_iter, tol, warm_start, random_state, selection, penalty_factor, \
standardize
        As in `MultiTaskElasticNet`.

    Attributes
    ----------
    coef_, sparse_coef_, intercept_, n_features_in_, feature_names_in_, n_iter_, dual_gap_, \
relative_gap_, eps_, objective_, solver_
        As in `MultiTaskElasticNet`.

    See Also
    --------
    Lasso : Each target with features of its own.
    MultiTaskElasticNet : With an L2 part.
    MultiTaskLassoCV : Multi-task lasso that chooses its penalty.

    References
    ----------
    G. Obozinski, B. Taskar and M. I. Jordan, "Joint covariate selection and joint subspace
    selection for multiple classification problems", Statistics and Computing 20, 2010.

    Examples
    --------
    >>> from fastridge import MultiTaskLasso
    >>> X, Y = [[0.0], [1.0], [2.0]], [[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]
    >>> MultiTaskLasso(alpha=1.0).fit(X, Y).coef_.round(4)
    array([[2.1],
           [2.8]])
    """

    l1_ratio: float = 1.0

    _parameters: ClassVar[Parameters] = without(MultiTaskElasticNet._parameters, "l1_ratio")

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        penalty_factor: Any = None,
        standardize: bool = False,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.standardize = standardize
