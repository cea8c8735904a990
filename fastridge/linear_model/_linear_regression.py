"""Ordinary least squares."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..data.check import (
    check_design,
    check_finite,
    check_sample_weight,
    check_target,
    feature_names,
)
from ..data.parts import in_parts
from ..data.rounding import to_float32
from ._base import LinearRegressor, as_scalar
from ._parameters import (
    AT_LEAST_0,
    BOOL,
    Parameter,
    Parameters,
)
from ._whole import whole

# elements of sparse data up to which non-negative least squares makes them dense
_SMALL = 2_000_000


class LinearRegression(LinearRegressor):
    """Least squares without a penalty.

    Minimizes, over the coefficients w and the intercept b::

        sum_i s_i (y_i - b - x_i w)^2

    with s = `sample_weight` (1 where None); where the columns are dependent, w is the solution of
    minimum norm. This is the objective of scikit-learn's ``LinearRegression``. Several targets are
    fitted independently.

    Parameters
    ----------
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    copy_X : bool, default=True
        Accepted for compatibility: `X` is never overwritten.
    tol : float, default=1e-6
        Dense data: singular values up to this share of the largest count as 0, as in scikit-learn;
        0: up to round-off. Sparse data: bound on `relative_gradient_`, at most 1e-6.
    n_jobs : int or None, default=None
        Accepted for compatibility: targets are solved together, on the threads of
        `fastridge.set_num_threads`.
    positive : bool, default=False
        Require w >= 0.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        w, float32 where `X` is float32, else float64; the first shape for a one-dimensional `y`.
    intercept_ : float or ndarray of shape (n_targets,)
        b; 0.0 where `fit_intercept` is False.
    rank_ : int
        Number of singular values that do not count as 0; only for dense data without `positive`.
    singular_ : ndarray of shape (min(n_samples, n_features),)
        Singular values of the centred and weighted `X`; only for dense data without `positive`.
    n_passes_ : int
        Passes over the data; only after a fit of data in parts.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,), dtype object
        Names of the features; only where `X` is a data frame whose column names are strings.
    solver_ : str
        "svd" for dense data; with `positive`, "nnls" for dense or small data; else that of
        `Ridge`.
    relative_gradient_ : float or ndarray of shape (n_targets,)
        Norm of the gradient over its norm at w = 0, including directions of singular values that
        count as 0.
    objective_ : float or ndarray of shape (n_targets,)
        The objective at the solution.

    See Also
    --------
    Ridge : With an L2 penalty.
    Lasso : With an L1 penalty.

    Examples
    --------
    >>> from fastridge import LinearRegression
    >>> X, y = [[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 3.0]], [6.0, 8.0, 9.0, 11.0]
    >>> model = LinearRegression().fit(X, y)
    >>> model.coef_.round(6), model.intercept_.round(6), model.rank_
    (array([1., 2.]), np.float64(3.0), 2)
    """

    rank_: int
    singular_: NDArray[np.floating]

    _parameters: ClassVar[Parameters] = {
        "fit_intercept": BOOL,
        "copy_X": BOOL,
        "tol": AT_LEAST_0,
        "n_jobs": Parameter(
            lambda value: value is None or isinstance(value, Integral), "an int or None"
        ),
        "positive": BOOL,
    }

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        tol: float = 1e-6,
        n_jobs: int | None = None,
        positive: bool = False,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.tol = tol
        self.n_jobs = n_jobs
        self.positive = positive

    @whole
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the coefficients and the intercept.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features. Or data in parts, with `y` None for `Chunks`: a `Chunks`, a dask array or data
            frame, or a list of delayed (X, y[, sample_weight]).
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Values to predict.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights s of the samples: weight 2 counts the row twice. None: 1.

        Returns
        -------
        self : LinearRegression
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter or an argument is not as documented; the message says what was expected.

        Warns
        -----
        ConvergenceWarning
            If a fit to sparse data, or with `positive`, did not reach `tol`.

        Examples
        --------
        >>> from fastridge import LinearRegression
        >>> LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]).coef_.round(6)
        array([2.])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._fit_parts(X, y, sample_weight)
        self._check_parameters()
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        n, p = A.shape
        Y = check_target(y, n)
        weight = check_sample_weight(sample_weight, n)
        for name in ("rank_", "singular_"):
            self.__dict__.pop(name, None)
        # of several non-negative solutions, the dense method finds the same for every storage
        dense = not A.is_sparse or (self.positive and n * p <= _SMALL)
        if not dense:
            self._solve(A, Y, weight)
        else:
            from ..solvers.ridge.least_squares import least_squares, non_negative

            rows = A.rows(0, n) if A.is_sparse else A.arrays[0]
            check_finite(A)
            intercept, targets = bool(self.fit_intercept), Y.reshape(n, -1)
            if self.positive:
                found = non_negative(rows, targets, weight, intercept)
            else:
                found = least_squares(rows, targets, weight, intercept, float(self.tol))
            dtype = np.float32 if A.is_float32 else np.float64
            one = Y.ndim == 1
            coef, offset = found.coef[0] if one else found.coef, found.intercept
            if A.is_float32:
                coef, offset = to_float32(coef, "coef"), to_float32(offset, "intercept")
            self.coef_ = coef
            self.intercept_ = offset[0] if one else offset
            self.solver_ = "nnls" if self.positive else "svd"
            if not self.positive:
                self.rank_ = int(found.rank)
                self.singular_ = found.singular.astype(dtype, copy=False)
            self.relative_gradient_ = found.relative_gradient[0 if one else slice(None)]
            self.objective_ = found.residual[0 if one else slice(None)]
        if not self.fit_intercept:
            self.intercept_ = 0.0
        self._set_features(p, names)
        return self

    def _solve(self, A: Any, Y: NDArray[np.float64], weight: NDArray[np.float64] | None) -> None:
        """Fit as a ridge without a penalty."""
        from ..solvers.ridge.options import bounds
        from ..solvers.ridge.solve import solve

        k = 1 if Y.ndim == 1 else Y.shape[1]
        lower, upper = bounds(None, None, True, A.n_columns) if self.positive else (None, None)
        found = solve(
            A,
            Y,
            np.zeros(k),
            sample_weight=weight,
            fit_intercept=self.fit_intercept,
            tol=min(float(self.tol), 1e-6),
            lower=lower,
            upper=upper,
            checked=False,
        )
        self.coef_, self.intercept_ = found.coef, as_scalar(found.intercept)
        self.solver_ = found.solver
        self.relative_gradient_ = as_scalar(found.relative_gradient)
        self.objective_ = as_scalar(found.objective)
