"""Ridge regression."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._matrix import Matrix
from ..data.check import check_design, check_sample_weight, check_target, feature_names
from ..data.parameters import check_alpha, check_penalty_factor
from ..data.parts import in_parts
from ..solvers.ridge.dispatch import solver_of_moments, solver_with_prior
from ..solvers.ridge.options import SOLVERS, bounds
from ..solvers.ridge.solve import solve
from ._base import Estimator, LinearRegressor, as_scalar
from ._parameters import (
    AT_LEAST_0,
    BOOL,
    BOUND,
    COUNT_OR_NONE,
    MAX_MEMORY,
    PENALTY_FACTOR,
    PENALTY_MATRIX,
    PRIOR_MEAN,
    QUICK_AT_LEAST_0,
    RANDOM_STATE,
    Parameter,
    Parameters,
    is_array_like,
    is_finite,
    one_of,
)
from ._whole import whole

if TYPE_CHECKING:
    from ..moments import Moments
    from ..solvers.ridge.result import RidgeResult


class BaseRidge(Estimator):
    """Parameters and fit shared by Ridge and RidgeClassifier."""

    alpha: Any
    fit_intercept: bool
    copy_X: bool
    max_iter: int | None
    tol: float
    solver: str
    positive: bool
    random_state: Any
    penalty_factor: Any
    standardize: bool
    lower: Any
    upper: Any
    max_memory: float | None
    # not parameters of classifiers
    prior_mean: Any = None
    penalty_matrix: Any = None

    _parameters: ClassVar[Parameters] = {
        "alpha": (
            Parameter(
                lambda value: isinstance(value, Real) or is_array_like(value),
                "a number of at least 0, or one for each target",
            ),
            Parameter(
                lambda value: is_finite(value) or not isinstance(value, Real),
                "a finite number of at least 0",
                quick=QUICK_AT_LEAST_0,
            ),
        ),
        "fit_intercept": BOOL,
        "copy_X": BOOL,
        "max_iter": COUNT_OR_NONE,
        "tol": AT_LEAST_0,
        "solver": one_of(SOLVERS),
        "positive": BOOL,
        "random_state": RANDOM_STATE,
        "penalty_factor": PENALTY_FACTOR,
        "standardize": BOOL,
        "lower": BOUND,
        "upper": BOUND,
        "max_memory": MAX_MEMORY,
    }

    def _check_together(self) -> None:
        if self.solver == "auto":
            return
        if self.positive or self.lower is not None or self.upper is not None:
            if self.solver != "lbfgs":
                self._refuse(
                    "solver",
                    "'auto' or 'lbfgs' with positive=True, lower or upper, for another does not"
                    " support positive coefficients nor bounds",
                )
        elif self.solver == "lbfgs":
            self._refuse(
                "solver", "another than 'lbfgs' where positive=False, without lower and upper"
            )

    def _solve(
        self,
        A: Matrix,
        Y: NDArray[np.float64],
        sample_weight: NDArray[np.float64] | None,
        column: bool,
    ) -> None:
        """Fit Y and set the attributes; column: one target, with an intercept of shape (1,)."""
        alpha = check_alpha(self.alpha, 1 if Y.ndim == 1 else Y.shape[1])
        factor = self.penalty_factor
        if factor is not None:
            factor = check_penalty_factor(factor, A.shape[1])
        lower, upper = self.lower, self.upper
        if self.positive or lower is not None or upper is not None:
            lower, upper = bounds(lower, upper, self.positive, A.shape[1])
        run: Callable[..., RidgeResult] = solve
        if self.prior_mean is not None or self.penalty_matrix is not None:
            run = solver_with_prior(self.prior_mean, self.penalty_matrix)
        result = run(
            A,
            Y,
            alpha,
            sample_weight=sample_weight,
            penalty_factor=factor,
            fit_intercept=self.fit_intercept,
            standardize=self.standardize,
            solver=self.solver,
            tol=self.tol,
            max_iter=self.max_iter,
            lower=lower,
            upper=upper,
            max_memory=self.max_memory,
            checked=False,
        )
        self._set_result(result, column)

    def _set_result(self, result: RidgeResult, column: bool) -> None:
        """Set the attributes of a fit."""
        self.coef_ = result.coef
        if not self.fit_intercept:
            self.intercept_ = 0.0
        elif column:
            self.intercept_ = np.atleast_1d(result.intercept)
        else:
            self.intercept_ = as_scalar(result.intercept)
        self.solver_ = result.solver
        self.n_iter_ = result.n_iter
        self.relative_gradient_ = as_scalar(result.relative_gradient)
        self.relative_error_ = as_scalar(result.relative_error)
        self.objective_ = as_scalar(result.objective)


class Ridge(BaseRidge, LinearRegressor):
    """Least squares with an L2 penalty.

    Minimizes, over the coefficients w and the intercept b::

        sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j f_j w_j^2

    with s = `sample_weight` (1 where None) and f = `penalty_factor` (1 where None); with a prior
    mean m and a penalty matrix P the penalty is ::

        alpha * sum_jl sqrt(f_j f_l) P_jl (w_j - m_j) (w_l - m_l)

    There is no factor 1/2 and no 1/n, and b is never penalised: this is the objective of
    scikit-learn's ``Ridge``. Several targets are fitted independently.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Strength of the penalty, at least 0: one for all targets or one for each. 0 is least
        squares, of minimum norm where the columns are dependent.
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
    solver : {"auto", "cholesky", "dual", "cg", "qr", "svd", "lsqr", "sparse_cg", "sag", "saga", \
"lbfgs"}, default="auto"
        Solver. "auto" chooses by shape and sparsity. "cholesky": Cholesky factorization of the
        p x p Gram matrix of the features. "dual": that of the n x n Gram matrix of the samples.
        "cg": preconditioned conjugate gradients. "qr": orthogonal factorization, for
        ill-conditioned columns; it also takes over from "cholesky" and "dual" where round-off makes
        their matrix singular, which `solver_` shows. scikit-learn's names run the corresponding
        solver: "svd" runs "qr"; "lsqr", "sparse_cg", "sag" and "saga" run "cg"; "lbfgs", only with
        `positive` or bounds, runs the active-set method for these, as "auto" does.
    positive : bool, default=False
        Require w >= 0.
    random_state : int, numpy.random.RandomState or None, default=None
        Accepted for compatibility and without effect: every solver here is deterministic.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor f of the penalty of each feature; 0 leaves it unpenalised.
    standardize : bool, default=False
        Penalise each coefficient in units of the weighted standard deviation of its column: the
        penalty is alpha * sum_j f_j (sd_j w_j)^2. Coefficients are in the units of `X` anyway;
        `X` is not changed.
    lower, upper : float or array-like of shape (n_features,) or None, default=None
        Bounds lower <= w <= upper, in the units of `coef_`; infinite bounds have no effect, equal
        bounds fix a coefficient. Solved exactly, by an active-set method.
    max_memory : float or None, default=None
        Memory in bytes that the fit may use in addition to its input, its result and, per
        target, some 20 vectors of n_samples and 64 of n_features elements. Where a direct solver
        would need more, which is computed beforehand, "auto" runs "cg". None: half of the
        machine's memory. Without effect on moments, which hold a Gram matrix already.
    prior_mean : array-like of shape (n_features,) or (n_targets, n_features), or None, default=None
        Coefficients m that the penalty shrinks towards, in the units of `coef_`, such as those of
        another fit; None: zero. `relative_gradient_` is then relative to the larger of the
        gradients at zero and at m.
    penalty_matrix : array-like or sparse matrix of shape (n_features, n_features), or None, \
default=None
        Symmetric positive semi-definite P; None: the identity. Its elements are multiplied by
        sqrt(f_j f_l), and by the standard deviations of both columns where they are standardised,
        so that P = diag(f) is `penalty_factor` = f. Its null space is not penalised;
        fits warn where a large `alpha` multiplies the round-off of P there.
        `fastridge.penalty.difference` builds matrices that penalise differences of neighbours.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        w, float32 where `X` is float32, else float64; the first shape for one target.
    intercept_ : float or ndarray of shape (n_targets,)
        b; 0.0 where `fit_intercept` is False.
    n_passes_ : int
        Passes over the data; only after a fit of data in parts.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,), dtype object
        Names of the features; only where `X` is a data frame whose column names are strings.
    solver_ : str
        The solver that ran.
    n_iter_ : int or ndarray of shape (n_targets,)
        Iterations of the solver.
    relative_gradient_ : float or ndarray of shape (n_targets,)
        Norm of the gradient at `coef_` over its norm at w = 0. With bounds, only the part of the
        gradient that they do not block. For a float32 fit, it includes the rounding of `coef_`.
    relative_error_ : float or ndarray of shape (n_targets,), or None
        Bound on the relative error sqrt((F - min F) / F) of an iterative solver, to be compared
        with `tol`; None for direct solvers.
    objective_ : float or ndarray of shape (n_targets,)
        The objective at the solution.
    moments_ : Moments
        Moments of the data given to `partial_fit` or `fit_moments` so far, 8 p^2 bytes; absent
        after `fit`.

    See Also
    --------
    ridge : The same fit as a function.
    Moments : Sums of (X, y) that can be added and subtracted.
    RidgeClassifier : Ridge regression on class labels.
    RidgeCV : Ridge regression that chooses its penalty.
    memory_estimate : Upper bound on the memory of a fit.
    LinearRegression : Least squares without a penalty.
    BayesianRidge : Ridge regression with the penalty of the largest evidence, and intervals.
    SGDRegressor : Linear regression that learns from a stream of rows.
    ElasticNet : Least squares with L1 and L2 penalties.

    References
    ----------
    A. E. Hoerl and R. W. Kennard, "Ridge regression: biased estimation for nonorthogonal
    problems", Technometrics 12(1), 1970.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import Ridge
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 3.0]])
    >>> y = np.array([1.0, 2.0, 4.0, 7.0])
    >>> model = Ridge(alpha=1.0).fit(X, y)
    >>> model.coef_.round(3)
    array([1.247, 0.719])
    >>> model.predict([[4.0, 2.0]]).round(3)
    array([7.157])
    """

    _parameters: ClassVar[Parameters] = {
        **BaseRidge._parameters,
        "prior_mean": PRIOR_MEAN,
        "penalty_matrix": PENALTY_MATRIX,
    }

    def __init__(
        self,
        alpha: Any = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        solver: str = "auto",
        positive: bool = False,
        random_state: Any = None,
        penalty_factor: Any = None,
        standardize: bool = False,
        lower: Any = None,
        upper: Any = None,
        max_memory: float | None = None,
        prior_mean: Any = None,
        penalty_matrix: Any = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.lower = lower
        self.upper = upper
        self.max_memory = max_memory
        self.prior_mean = prior_mean
        self.penalty_matrix = penalty_matrix

    @whole
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the coefficients and the intercept.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features. float32 and float64, C and F order, CSR and CSC with 32- or 64-bit indices are
            used without a copy; others are converted once. Or data in parts, with `y` None for
            `Chunks`: a `Chunks`, a dask array or data frame, or a list of delayed (X, y[,
            sample_weight]). These are fitted from their moments in one pass; or, where moments do
            not fit into `max_memory` and with ``solver="cg"``, by conjugate gradients, with a pass
            for each iteration.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Values to predict; required. For `Moments`, which hold y, call `fit_moments`.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights s of the samples: weight 2 counts the row twice. None: 1.

        Returns
        -------
        self : Ridge
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
            If an iterative solver did not reach `tol`.

        Examples
        --------
        >>> from fastridge import Ridge
        >>> Ridge(alpha=0.5).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
        Ridge(alpha=0.5)
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._fit_parts(X, y, sample_weight)
        self._check_parameters()
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        Y = check_target(y, A.shape[0], any_order=True)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, A.shape[0])
        column = Y.ndim == 2 and Y.shape[1] == 1
        self._solve(A, Y[:, 0] if column else Y, sample_weight, column)
        self._set_features(A.shape[1], names)
        self.__dict__.pop("moments_", None)
        return self

    @whole
    def fit_moments(self, moments: Moments) -> Self:
        """Fit from moments, without the data.

        Parameters
        ----------
        moments : Moments
            Sums of (X, y, sample_weight). A copy of 8 p^2 bytes is kept in `moments_`, to which
            `partial_fit` adds.

        Returns
        -------
        self : Ridge
            The fitted estimator. With `solver` "auto", the Gram matrix is factored (solver_
            "cholesky"), or, where columns are dependent, its eigenvalues determine the rank ("qr");
            the other solvers, and `positive`, work on a square root of it with at most p rows.

        Raises
        ------
        TypeError
            If `moments` is not a `fastridge.Moments`.
        ValueError
            If their total weight is 0, or a parameter is not as documented.

        Warns
        -----
        ConvergenceWarning
            If `tol` was not reached.

        Examples
        --------
        >>> from fastridge import Moments, Ridge
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
        >>> parts = Moments(X[:2], y[:2]) + Moments(X[2:], y[2:])
        >>> Ridge(alpha=5.0).fit_moments(parts).coef_.round(6)
        array([0.5])
        """
        from ..moments import Moments

        if not isinstance(moments, Moments):
            raise TypeError(f"moments is a {type(moments).__name__}; expected fastridge.Moments.")
        self._check_parameters()
        self._solve_moments(moments.copy())
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit these rows together with those of all previous calls.

        The result is that of one `fit` to all rows, whatever their order and chunks; alpha and the
        other parameters may be changed in between. The first call, and the first one after `fit`,
        starts without earlier rows. Each call takes O(n p^2 + p^3) time and the estimator keeps 8
        p^2 bytes (`moments_`): for many small chunks, sum `Moments` and call `fit_moments` once.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features. Or data in parts, in their order, as `Chunks` or a collection of Dask.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Values to predict.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights s of the samples; None: 1.

        Returns
        -------
        self : Ridge
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter or an argument is not as documented, or has other features or
            targets than the calls before; the estimator is then unchanged.

        Warns
        -----
        ConvergenceWarning
            If `tol` was not reached.

        Examples
        --------
        >>> from fastridge import Ridge
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
        >>> model = Ridge(alpha=5.0).partial_fit(X[:2], y[:2]).partial_fit(X[2:], y[2:])
        >>> model.coef_.round(6), model.moments_.n_samples
        (array([0.5]), 4)
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._learn_parts(X, y, sample_weight)
        self._check_parameters()
        self._solve_moments(self._added(X, y, sample_weight))
        return self

    def _added(self, X: Any, y: Any, sample_weight: Any) -> Moments:
        """Return the sum of the moments so far, which are not changed, and those of more rows."""
        from ..moments import Moments

        before = self.__dict__.get("moments_")
        if before is None:
            return Moments(X, y, sample_weight)
        self._check_feature_names(X)
        return before + Moments._of(X, y, sample_weight, before, type(self).__name__)

    def _solve_moments(self, moments: Moments) -> None:
        """Fit moments and set the attributes, including `moments_`."""
        single = moments.n_targets == 1
        result = solver_of_moments(self.prior_mean, self.penalty_matrix)(
            moments,
            self.alpha,
            penalty_factor=self.penalty_factor,
            fit_intercept=self.fit_intercept,
            standardize=self.standardize,
            solver=self.solver,
            tol=self.tol,
            max_iter=self.max_iter,
            positive=self.positive,
            lower=self.lower,
            upper=self.upper,
            single=single,
        )
        self._set_result(result, single and moments._y_ndim == 2)
        self._set_features(moments.n_features, moments.feature_names)
        self.moments_ = moments

    @_sklearn.describe_request
    def set_partial_fit_request(
        self, *, sample_weight: bool | str | None = _sklearn.UNCHANGED
    ) -> Self:
        return _sklearn.request_metadata(self, "partial_fit", sample_weight=sample_weight)
