"""Elastic net and lasso."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._matrix import Matrix
from ..data.check import check_design, check_sample_weight, check_target, feature_names, is_moments
from ..data.inputs import as_array, as_real, numbers
from ..data.parameters import as_limit, check_bounds, check_penalty_factor
from ..data.parts import in_parts
from ..solvers.descent.enet_path import enet_path
from ..solvers.descent.fit import NOTHING, Constraints, check_moments, solve
from ..solvers.descent.options import Options, known_options
from ._base import LinearRegressor, as_scalar
from ._parameters import (
    AT_LEAST_0,
    BOOL,
    BOUND,
    COUNT_OR_NONE,
    PENALTY_FACTOR,
    RANDOM_STATE,
    SELECTION,
    Parameter,
    Parameters,
    is_array_like,
    without,
)
from ._whole import whole

if TYPE_CHECKING:
    from ..moments import Moments
    from ..solvers.descent.result import ElasticNetResult


class BaseElasticNet(LinearRegressor):
    """Parameters, checks and attributes shared by all fits by coordinate descent."""

    alpha: Any
    l1_ratio: Any
    fit_intercept: bool
    copy_X: bool
    max_iter: int | None
    tol: float
    warm_start: bool
    random_state: Any
    selection: str
    penalty_factor: Any
    standardize: bool

    path = staticmethod(enet_path)

    _parameters: ClassVar[Parameters] = {
        "alpha": AT_LEAST_0,
        "l1_ratio": Parameter(
            lambda value: isinstance(value, Real) and 0 <= as_real(value) <= 1,
            "a number from 0 to 1",
            quick="type(v) is float and 0.0 <= v <= 1.0",
        ),
        "fit_intercept": BOOL,
        "copy_X": BOOL,
        "max_iter": COUNT_OR_NONE,
        "tol": AT_LEAST_0,
        "warm_start": BOOL,
        "random_state": RANDOM_STATE,
        "selection": SELECTION,
        "penalty_factor": PENALTY_FACTOR,
        "standardize": BOOL,
    }

    def _options(self, solver: str) -> Options:
        seed: Any = self.random_state if self.selection == "random" else None
        if hasattr(seed, "randint"):
            seed = int(seed.randint(2**31 - 1))
        return known_options(
            float(self.l1_ratio),
            self.fit_intercept,
            self.standardize,
            solver,
            float(self.tol),
            1000 if self.max_iter is None else as_limit(self.max_iter),
            self.selection,
            seed,
        )

    def _start(self, shape: tuple[int, ...]) -> NDArray[np.floating] | None:
        """Return the coefficients of the previous fit for a warm start, else None."""
        coef = self.__dict__.get("coef_") if self.warm_start else None
        return coef if coef is not None and coef.shape == shape else None

    def _set_result(self, result: ElasticNetResult, column: bool) -> None:
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
        self.dual_gap_ = as_scalar(result.dual_gap)
        self.relative_gap_ = as_scalar(result.relative_gap)
        self.objective_ = as_scalar(result.objective)
        # the dual points of the gaps, for the next fit where warm_start is True
        self._duals = getattr(result, "duals", None)

    @property
    def sparse_coef_(self) -> Any:
        """scipy.sparse.csr_matrix of shape (1, n_features) or (n_targets, n_features): `coef_`."""
        from scipy.sparse import csr_matrix

        return csr_matrix(np.atleast_2d(self.coef_))


class ElasticNet(BaseElasticNet):
    """Least squares with an L1 and an L2 penalty.

    Minimizes, over the coefficients w and the intercept b::

        1 / (2 sum_i s_i) * sum_i s_i (y_i - b - x_i w)^2
            + alpha * (l1_ratio * sum_j f_j |w_j| + (1 - l1_ratio) / 2 * sum_j f_j w_j^2)

    with s = `sample_weight` (1 where None) and f = `penalty_factor` (1 where None), subject to
    `lower` <= w <= `upper`; b is never penalised. This is the objective of scikit-learn's
    ``ElasticNet``. Several targets are fitted independently.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, at least 0.
    l1_ratio : float, default=0.5
        Share of the L1 part, from 0 (ridge) to 1 (lasso).
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    precompute : bool, array-like of shape (n_features, n_features) or Moments, default=False
        Gram matrix of all features. False: form it where that is faster. True: always form it. An
        array: the Gram matrix of `X`, centred about the weighted means with `fit_intercept`, and
        weighted by `sample_weight` as given or normalised to a sum of n_samples; one that is not
        centred is formed again, with a warning. `fastridge.Moments`: those of `X`, `y` and
        `sample_weight`. Arrays and moments of other data raise an error.
    max_iter : int or None, default=1000
        Largest number of epochs: rounds of sweeps, and Newton steps. None: 1000.
    copy_X : bool, default=True
        Accepted for compatibility: `X` is never overwritten.
    tol : float, default=1e-4
        Bound on `relative_gap_`.
    warm_start : bool, default=False
        Start from the coefficients of the previous fit, if their shape matches.
    positive : bool, default=False
        Require w >= 0.
    random_state : int, numpy.random.RandomState or None, default=None
        Seed of the random order; None: 0.
    selection : {"cyclic", "random"}, default="cyclic"
        Order of the coordinates in a sweep.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor f of the penalty of each feature; 0 leaves it unpenalised.
    lower, upper : float or array-like of shape (n_features,) or None, default=None
        Bounds of the coefficients, in the units of `X`; None: none.
    standardize : bool, default=False
        Penalise each coefficient in units of the weighted standard deviation of its column: sd_j
        w_j in place of w_j. Coefficients are in the units of `X` anyway; `X` is not changed.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        w, float32 where `X` is float32, else float64; the first shape for one target.
    sparse_coef_ : scipy.sparse.csr_matrix of shape (1, n_features) or (n_targets, n_features)
        `coef_` as a sparse matrix, built at each access.
    intercept_ : float or ndarray of shape (n_targets,)
        b; 0.0 where `fit_intercept` is False.
    n_passes_ : int
        Passes over the data; only after a fit of data in parts.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,), dtype object
        Names of the features; only where `X` is a data frame whose column names are strings.
    n_iter_ : int or ndarray of shape (n_targets,)
        Epochs.
    dual_gap_ : float or ndarray of shape (n_targets,)
        Bound on how far the objective is from its minimum, in the objective's unit, as in
        scikit-learn.
    relative_gap_ : float or ndarray of shape (n_targets,)
        `dual_gap_` over the objective of the null model, sum_i s_i (y_i - mean)^2 / (2 sum_i s_i),
        with 0 for the mean where there is no intercept. `tol` is the bound on it.
    objective_ : float or ndarray of shape (n_targets,)
        The objective at the solution.
    solver_ : str
        Method that ran: "gram", "working" or "columns"; see `fastridge.elastic_net`.

    See Also
    --------
    elastic_net : The same fit as a function.
    elastic_net_path : For many alphas.
    Lasso : With an L1 penalty alone.
    Ridge : Least squares with an L2 penalty.
    ElasticNetCV : Elastic net that chooses its penalties.
    MultiTaskElasticNet : Elastic net that selects the same features for all targets.
    SGDRegressor : Linear regression that learns from a stream of rows.

    References
    ----------
    H. Zou and T. Hastie, "Regularization and variable selection via the elastic net", JRSS B 67,
    2005.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import ElasticNet
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 4))
    >>> model = ElasticNet(alpha=0.1).fit(X, X @ [2.0, 0.0, 0.0, -1.0] + 3.0)
    >>> np.flatnonzero(model.coef_), bool(model.relative_gap_ <= 1e-4)
    (array([0, 3]), True)
    """

    __metadata_request__fit: ClassVar[_sklearn.Unused] = _sklearn.Unused("check_input")

    precompute: Any
    positive: bool
    lower: Any
    upper: Any

    _parameters: ClassVar[Parameters] = {
        **BaseElasticNet._parameters,
        "precompute": Parameter(
            lambda value: (
                isinstance(value, (bool, np.bool_)) or is_moments(value) or is_array_like(value)
            ),
            "a bool, an array-like of shape (n_features, n_features) or fastridge.Moments",
        ),
        "positive": BOOL,
        "lower": BOUND,
        "upper": BOUND,
    }

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        precompute: Any = False,
        max_iter: int | None = 1000,
        copy_X: bool = True,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        penalty_factor: Any = None,
        lower: Any = None,
        upper: Any = None,
        standardize: bool = False,
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize

    def _constraints(self, p: int) -> Constraints:
        if (
            self.penalty_factor is None
            and self.lower is None
            and self.upper is None
            and not self.positive
        ):
            return NOTHING
        factor = check_penalty_factor(self.penalty_factor, p)
        lower, upper = check_bounds(self.lower, self.upper, p)
        if self.positive:
            if upper is not None and (upper < 0).any():
                raise ValueError(
                    f"upper is {upper.min():g} at position {int(upper.argmin())}; expected at least"
                    " 0, as positive is True."
                )
            lower = np.zeros(p) if lower is None else np.maximum(lower, 0.0)
        return Constraints(factor, lower, upper)

    @whole
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, check_input: bool = True
    ) -> Self:
        """Fit the coefficients and the intercept.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features. float32 and float64, C and F order and CSC are used without a copy; CSR is
            stored by columns once where the columns are needed. Or data in parts, with `y` None for
            `Chunks`: a `Chunks`, a dask array or data frame, or a list of delayed (X, y[,
            sample_weight]).
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Values to predict; required. For `Moments`, which hold y, call `fit_moments`.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights s of the samples: weight 2 counts the row twice. None: 1.
        check_input : bool, default=True
            Accepted for compatibility: arguments are always checked.

        Returns
        -------
        self : ElasticNet
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
        >>> from fastridge import ElasticNet
        >>> ElasticNet(alpha=0.5).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]).coef_.round(4)
        array([0.4545])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._fit_parts(X, y, sample_weight)
        self._check_parameters()
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        Y = check_target(y, A.n_rows)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, A.n_rows)
        p = A.n_columns
        column = Y.ndim == 2 and Y.shape[1] == 1
        if column:
            Y = Y[:, 0]
        source: Matrix | Moments = A
        target: NDArray[np.float64] | None = Y
        gram, solver, precompute = None, "auto", self.precompute
        if is_moments(precompute):
            self._check_moments_of(precompute, A, Y, sample_weight)
            source, target, sample_weight = precompute, None, None
        elif not isinstance(precompute, (bool, np.bool_)):
            gram = _check_gram(precompute, p)
        elif precompute:
            solver = "gram"
        start = self._start((p,) if Y.ndim == 1 else (Y.shape[1], p))
        result = solve(
            source,
            target,
            float(self.alpha),
            self._options(solver),
            sample_weight,
            self._constraints(p),
            start,
            gram,
            None if start is None else self.__dict__.get("_duals"),
        )
        self._set_result(result, column)
        self._set_features(p, names)
        return self

    @whole
    def fit_moments(self, moments: Moments) -> Self:
        """Fit from moments, without the data.

        Parameters
        ----------
        moments : Moments
            Sums of (X, y, sample_weight).

        Returns
        -------
        self : ElasticNet
            The fitted estimator.

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
        >>> from fastridge import ElasticNet, Moments
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
        >>> parts = Moments(X[:2], y[:2]) + Moments(X[2:], y[2:])
        >>> ElasticNet(alpha=0.25, l1_ratio=1.0).fit_moments(parts).coef_.round(6)
        array([0.8])
        """
        if not is_moments(moments):
            raise TypeError(f"moments is a {type(moments).__name__}; expected fastridge.Moments.")
        check_moments(moments, "moments")
        self._check_parameters()
        p, k = moments.n_features, moments.n_targets
        single = moments._y_ndim == 1
        result = solve(
            moments,
            None,
            float(self.alpha),
            self._options("auto"),
            None,
            self._constraints(p),
            self._start((p,) if single else (k, p)),
            dual_init=self.__dict__.get("_duals"),
        )
        if not single and k == 1:
            result.coef, result.intercept = result.coef[0], result.intercept[0]
            result.n_iter, result.dual_gap = int(result.n_iter[0]), float(result.dual_gap[0])
            result.relative_gap = float(result.relative_gap[0])
            result.objective = float(result.objective[0])
        self._set_result(result, not single and k == 1)
        self._set_features(p, moments.feature_names)
        return self

    def _check_moments_of(
        self,
        moments: Moments,
        A: Matrix,
        Y: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
    ) -> None:
        """Refuse moments that are not those of this data: other sums of columns or targets."""
        check_moments(moments, "precompute")
        k = 1 if Y.ndim == 1 else Y.shape[1]
        found = moments.n_samples, moments.n_features, moments.n_targets
        expected = A.n_rows, A.n_columns, k
        if found != expected:
            raise ValueError(
                f"precompute holds moments of {found[0]} samples, {found[1]} features and"
                f" {found[2]} targets; expected those of X and y: {expected[0]}, {expected[1]} and"
                f" {expected[2]}."
            )
        mean, variance = A.column_stats(weight)
        total = float(A.n_rows) if weight is None else float(weight.sum())
        y_mean, y_variance = Matrix.from_dense(Y.reshape(-1, k)).column_stats(weight)
        for what, theirs, ours, size in (
            ("X", moments.mean, mean, np.sqrt(variance) + np.abs(mean)),
            ("X", np.diagonal(moments.gram) / total, variance, variance),
            ("y", moments.y_mean, y_mean, np.sqrt(y_variance) + np.abs(y_mean)),
            ("y", moments.yy / total, y_variance, y_variance),
        ):
            # NaN and infinity in X fail here too; check_finite reports them
            if not (np.abs(theirs - ours) <= 1e-4 * size + 1e-12 * np.max(size, initial=0)).all():
                from ..data.check import check_finite

                check_finite(A)
                raise ValueError(
                    f"precompute holds moments of a different {what}, or of different weights;"
                    " expected those of X, y and sample_weight."
                )


class Lasso(ElasticNet):
    """Least squares with an L1 penalty.

    Minimizes, over the coefficients w and the intercept b::

        1 / (2 sum_i s_i) * sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j f_j |w_j|

    with s = `sample_weight` (1 where None) and f = `penalty_factor` (1 where None), subject to
    `lower` <= w <= `upper`; b is never penalised. This is the objective of scikit-learn's
    ``Lasso``. Several targets are fitted independently.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, at least 0.
    fit_intercept, precompute, copy_X, max_iter, tol, warm_start, positive, random_state, \
selection, penalty_factor, lower, upper, standardize
        As in `ElasticNet`.

    Attributes
    ----------
    coef_, sparse_coef_, intercept_, n_features_in_, feature_names_in_, n_iter_, dual_gap_, \
relative_gap_, objective_, solver_
        As in `ElasticNet`.

    See Also
    --------
    lasso_path : For many alphas.
    ElasticNet : With an L2 part.
    LinearRegression : Least squares without a penalty.
    LassoCV : Lasso that chooses its penalty.
    lasso : Lasso as a function.
    MultiTaskLasso : Lasso that selects the same features for all targets.

    References
    ----------
    R. Tibshirani, "Regression shrinkage and selection via the lasso", JRSS B 58, 1996.

    Examples
    --------
    >>> from fastridge import Lasso
    >>> model = Lasso(alpha=0.25).fit([[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0])
    >>> model.coef_.round(6), model.intercept_.round(6)
    (array([0.8]), np.float64(0.3))
    """

    l1_ratio: float = 1.0

    _parameters: ClassVar[Parameters] = without(ElasticNet._parameters, "l1_ratio")

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        precompute: Any = False,
        copy_X: bool = True,
        max_iter: int | None = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        penalty_factor: Any = None,
        lower: Any = None,
        upper: Any = None,
        standardize: bool = False,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize


def _check_gram(value: Any, p: int) -> NDArray[np.float64]:
    """Check a given Gram matrix, and return it as float64 in C order."""
    gram = numbers(as_array(value, "precompute"), "precompute")
    if gram.shape != (p, p):
        raise ValueError(
            f"precompute has shape {gram.shape}; expected ({p}, {p}), as X has {p} columns."
        )
    gram = np.require(gram, np.float64, ["C", "A"])
    if not np.isfinite(gram).all():
        raise ValueError("precompute contains NaN or infinity; expected finite numbers.")
    return gram
