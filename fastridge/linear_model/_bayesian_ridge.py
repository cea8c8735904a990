"""Bayesian ridge regression: precisions of noise and weights chosen by the evidence."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._matrix import Matrix
from .._stack import outside
from ..data.check import (
    check_design,
    check_finite,
    check_sample_weight,
    check_target,
    feature_names,
    recheck,
)
from ..data.parameters import check_penalty_factor
from ..data.parts import in_parts
from ..data.rows import own_copy
from ..quadratic.variances import variances
from ..solvers.ridge.solve import solve
from ._base import as_scalar
from ._parameters import (
    ABOVE_0_OR_NONE,
    AT_LEAST_0,
    BOOL,
    COUNT,
    PENALTY_FACTOR,
    PENALTY_MATRIX,
    PRIOR_MEAN,
    Parameters,
)
from ._posterior import PosteriorRegressor
from ._whole import whole

if TYPE_CHECKING:
    from ..quadratic.posterior import Posterior
    from ..quadratic.prior_units import PriorUnits
    from ..solvers.bayes.evidence import Evidence
    from ..solvers.ridge.result import RidgeResult


# elements of X up to which the fit reads the rows again: faster than the checks of a fit from sums
_SMALL = 1 << 14


class BayesianRidge(PosteriorRegressor):
    """Bayesian ridge regression, whose two precisions maximise the evidence.

    The model, with s = `sample_weight` and f = `penalty_factor`, is ::

        y_i ~ N(b + x_i w, 1 / (alpha_ s_i)),    w_j ~ N(0, 1 / (lambda_ f_j)),

    The posterior mean of w is the solution of `Ridge` with the penalty lambda_ / alpha_. The
    precisions have gamma priors and maximise the evidence, the density of y with w integrated out,
    as in scikit-learn's ``BayesianRidge``. The evidence takes b as known, as the weighted mean of
    y - x w, and subtracts no degree of freedom for it; `predict` adds the variance of b under a
    flat prior. The data are reduced once; each step then takes time proportional to the number of
    features (of samples, where these are fewer).

    Parameters
    ----------
    max_iter : int, default=300
        Largest number of iterations.
    tol : float, default=1e-3
        Stop when the sum of the absolute changes of the coefficients is below `tol`.
    alpha_1, alpha_2 : float, default=1e-6
        Shape and rate of the gamma prior of the noise's precision.
    lambda_1, lambda_2 : float, default=1e-6
        Shape and rate of the gamma prior of the weights' precision.
    alpha_init : float or None, default=None
        Initial alpha_; None: 1 / variance of y.
    lambda_init : float or None, default=None
        Initial lambda_; None: 1.
    compute_score : bool, default=False
        Keep the log evidence of each step in `scores_`.
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    copy_X : bool, default=True
        Accepted for compatibility: `X` is never overwritten.
    verbose : bool, default=False
        Print the number of steps.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Factor f of the prior precision of each weight; 0: a flat prior.
    standardize : bool, default=False
        Priors in units of the columns' weighted standard deviations.
    prior_mean : array-like of shape (n_features,) or None, default=None
        Mean m of the prior, in the units of `coef_`; None: zero.
    penalty_matrix : array-like or sparse matrix of shape (n_features, n_features), or None
        Symmetric positive semi-definite P: the prior's precision is lambda_ sqrt(f_j f_l) P_jl,
        multiplied by the standard deviations of both columns where they are standardised; None:
        the identity. In its null space, which includes eigenvalues within the round-off of P, the
        prior is flat and integrated out. Unless P is diagonal, X is rotated by its eigenvectors,
        which takes a dense copy, of sparse X too.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Posterior mean of w.
    intercept_ : float
        b at the mean; 0.0 where `fit_intercept` is False.
    alpha_ : float
        Precision of the noise.
    lambda_ : float
        Precision of the weights.
    penalty_ : float
        lambda_ / alpha_, the `alpha` of `Ridge` with the same coefficients.
    posterior_ : Posterior
        Covariance of w, as an operator.
    sigma_ : ndarray of shape (n_features, n_features)
        Covariance of w as an array in the dtype of `coef_`, computed at access.
    dof_ : float
        Effective degrees of freedom: the number of weights that the data determine, without the
        intercept.
    scores_ : ndarray of shape (n_iter_ + 1,)
        Log evidence at each step and at the end; only with `compute_score`. Weights whose
        `penalty_factor` is 0 are integrated out too, up to a constant.
    n_iter_ : int
        Number of iterations.
    X_offset_ : ndarray of shape (n_features,)
        Weighted means by which the columns were centred; 0 without an intercept.
    X_scale_ : ndarray of shape (n_features,)
        Ones, as in scikit-learn.
    n_passes_ : int
        Passes over the data; only after a fit of data in parts.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,), dtype object
        Names of the features; only where `X` is a data frame whose column names are strings.
    solver_ : str
        Solver of the coefficients: "cholesky" or "dual".
    relative_gradient_ : float
        Norm of the gradient over its norm at w = 0.

    See Also
    --------
    RidgeCV : Chooses the penalty by cross-validation.
    fastridge.penalty : Converts precisions to penalties and back.
    Ridge : Least squares with an L2 penalty.
    GroupRidge : A penalty for each group of features.

    References
    ----------
    D. J. C. MacKay, "Bayesian interpolation", Neural Computation 4(3), 1992. M. E. Tipping, "Sparse
    Bayesian learning and the relevance vector machine", JMLR 1, 2001.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import BayesianRidge, Ridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 3))
    >>> y = X @ [1.0, 2.0, 3.0] + 0.5 * rng.standard_normal(100)
    >>> model = BayesianRidge().fit(X, y)
    >>> bool(abs(model.alpha_ ** -0.5 - 0.5) < 0.1)  # the noise's deviation
    True
    >>> bool(np.allclose(model.coef_, Ridge(alpha=model.penalty_).fit(X, y).coef_))
    True
    >>> mean, deviation = model.predict(X[:2], return_std=True)
    >>> model.intervals(0.95).shape
    (3, 2)
    """

    _posterior: Posterior
    _problem: Any  # data from which the posterior is computed at its first access

    _parameters: ClassVar[Parameters] = {
        "max_iter": COUNT,
        **dict.fromkeys(("tol", "alpha_1", "alpha_2", "lambda_1", "lambda_2"), AT_LEAST_0),
        **dict.fromkeys(("alpha_init", "lambda_init"), ABOVE_0_OR_NONE),
        **dict.fromkeys(("compute_score", "fit_intercept", "copy_X", "standardize"), BOOL),
        "penalty_factor": PENALTY_FACTOR,
        "prior_mean": PRIOR_MEAN,
        "penalty_matrix": PENALTY_MATRIX,
    }

    def __init__(
        self,
        *,
        max_iter: int = 300,
        tol: float = 1e-3,
        alpha_1: float = 1e-6,
        alpha_2: float = 1e-6,
        lambda_1: float = 1e-6,
        lambda_2: float = 1e-6,
        alpha_init: float | None = None,
        lambda_init: float | None = None,
        compute_score: bool = False,
        fit_intercept: bool = True,
        copy_X: bool = True,
        verbose: bool = False,
        penalty_factor: Any = None,
        standardize: bool = False,
        prior_mean: Any = None,
        penalty_matrix: Any = None,
    ) -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.alpha_1 = alpha_1
        self.alpha_2 = alpha_2
        self.lambda_1 = lambda_1
        self.lambda_2 = lambda_2
        self.alpha_init = alpha_init
        self.lambda_init = lambda_init
        self.compute_score = compute_score
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.verbose = verbose
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.prior_mean = prior_mean
        self.penalty_matrix = penalty_matrix

    @whole
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Choose the precisions, and fit the coefficients and the intercept.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features; see `Ridge.fit`. Or data in parts, with `y` None for `Chunks`: a `Chunks`, a
            dask array or data frame, or a list of delayed (X, y[, sample_weight]).
        y : array-like of shape (n_samples,)
            Values to predict.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights of the samples: weight 2 counts the row twice. None: 1.

        Returns
        -------
        self : BayesianRidge
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter or an argument is not as documented; the message says what was expected.

        Examples
        --------
        >>> from fastridge import BayesianRidge
        >>> model = BayesianRidge().fit([[0.0], [1.0], [2.0]], [0.0, 1.1, 2.0])
        >>> model.predict([[3.0]]).round(1)
        array([3.])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._fit_parts(X, y, sample_weight)
        from ..solvers.bayes.evidence import maximise

        self._check_parameters()
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        n, p = A.shape
        Y = check_target(y, n)
        if Y.ndim == 2:
            if Y.shape[1] != 1:
                raise ValueError(
                    f"y has shape {Y.shape}; expected (n_samples,): y should be a 1d array."
                )
            self._warn_column()
            Y = np.ascontiguousarray(Y[:, 0])
        weight = check_sample_weight(sample_weight, n)
        factor = check_penalty_factor(self.penalty_factor, p)
        check_finite(A)
        recheck(A)
        if self.standardize:
            variance = variances(A, weight)
            factor = variance if factor is None else factor * variance
        evidence, units = self._evidence(A, Y, weight, factor)
        priors = tuple(float(v) for v in (self.alpha_1, self.alpha_2, self.lambda_1, self.lambda_2))
        spread = float(self._loss.null_deviance(Y, weight, True))
        first = 1.0 / (spread + np.finfo(np.float64).eps)
        a, lam, self.n_iter_, scores, self.dof_ = maximise(
            evidence,
            first if self.alpha_init is None else float(self.alpha_init),
            1.0 if self.lambda_init is None else float(self.lambda_init),
            priors,
            float(self.tol),
            int(self.max_iter),
            self.compute_score,
        )
        self.alpha_, self.lambda_ = np.float64(a), np.float64(lam)
        self.penalty_ = np.float64(lam / a)
        ratio = np.array([self.penalty_])
        if units is not None:
            found = self._solve_with(units, Y, ratio, factor)
        elif evidence.by_rows or evidence.exact or n * p <= _SMALL:
            found = solve(
                A,
                Y,
                ratio,
                sample_weight=weight,
                penalty_factor=factor,
                fit_intercept=self.fit_intercept,
                solver="dual" if evidence.by_rows else "cholesky",
            )
        else:
            from ..solvers.ridge.moments import solve_moments

            found = solve_moments(
                evidence.moments,
                ratio,
                penalty_factor=factor,
                fit_intercept=self.fit_intercept,
                single=True,
            )
        self.coef_, self.intercept_ = found.coef, as_scalar(found.intercept)
        if not self.fit_intercept:
            self.intercept_ = 0.0
        self.solver_ = found.solver
        self.relative_gradient_ = as_scalar(found.relative_gradient)
        self.__dict__.pop("scores_", None)
        if self.compute_score:
            self.scores_ = scores.astype(self.coef_.dtype, copy=False)
        self.X_scale_ = np.ones(p)
        self._total = float(evidence.total)
        self._set_posterior(evidence, np.ones(p) if factor is None else factor, units)
        if self.verbose:
            print(f"Convergence after {self.n_iter_} iterations")
        self._set_features(p, names)
        return self

    @staticmethod
    def _warn_column() -> None:
        import warnings

        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of"
            " y to (n_samples,), for example using ravel().",
            _sklearn.exception("DataConversionWarning"),
            stacklevel=outside(),
        )

    def _evidence(
        self, A: Matrix, y: NDArray[np.float64], weight: Any, factor: Any
    ) -> tuple[Evidence, PriorUnits | None]:
        """The problem whose evidence is maximised, and the units of a prior in full."""
        from ..solvers.bayes.evidence import Evidence

        units = None
        if self.prior_mean is not None or self.penalty_matrix is not None:
            from ..solvers.ridge_path.prior import units_of

            units = units_of(
                A,
                np.asfortranarray(y.reshape(-1, 1)),
                weight,
                factor,
                self.fit_intercept,
                False,
                prior_mean=self.prior_mean,
                penalty_matrix=self.penalty_matrix,
            )
            # arrays of the prior may have run code
            recheck(A)
            A, y, factor = units.A, np.ascontiguousarray(units.Y[:, 0]), units.factor
        n, p = A.shape
        d = np.ones(p) if factor is None else factor
        by_rows = n < p and bool((d > 0).all())
        return Evidence(A, y, weight, d, self.fit_intercept, by_rows), units

    def _solve_with(self, units: PriorUnits, y: Any, penalty: Any, factor: Any) -> RidgeResult:
        """The fit with a prior in full, for the penalty that was chosen."""
        from ..solvers.ridge.prior import solve_prior

        found: RidgeResult = solve_prior(
            units.source,
            y,
            penalty,
            prior_mean=self.prior_mean,
            penalty_matrix=self.penalty_matrix,
            penalty_factor=factor,
            sample_weight=units.weight,
            fit_intercept=self.fit_intercept,
            checked=True,
        )
        return found

    def _set_posterior(
        self, evidence: Evidence, d: NDArray[np.float64], units: PriorUnits | None
    ) -> None:
        """Keep what the covariance is computed from at its first access, as it is now."""
        self.__dict__.pop("_posterior", None)
        problem: Any = evidence.problem
        P = None
        if units is not None and units.scaled is not None:
            from ..quadratic.problem import RidgeProblem

            y, P = np.zeros((units.source.n_rows, 1)), units.scaled.toarray()
            problem = RidgeProblem(
                *(units.source, y, np.ones(1), units.weight, None, self.fit_intercept), check=False
            )
            weight = None if units.weight is None else units.weight.copy()
            self._problem = partial(own_copy(problem.A).gram, weight), np.zeros(len(P)), P
        elif evidence.by_rows:
            self._problem = own_copy(problem.A), problem.root, problem.d.copy()
        else:
            if units is not None and units.factor is not None:
                d = units.factor
            self._problem = problem.gram, d.copy(), None
        self.X_offset_ = np.array(problem.mean) if self.fit_intercept else np.zeros(problem.p)

    @property
    def posterior_(self) -> Posterior:
        """Posterior covariance of the coefficients, as an operator."""
        # in this order: another thread sets the posterior before it removes the problem
        problem = self.__dict__.get("_problem")
        found = self.__dict__.get("_posterior")
        if found is None:
            if problem is None:
                raise AttributeError(f"{type(self).__name__} has no posterior_ until it is fitted.")
            from ..quadratic.posterior import Posterior

            if isinstance(problem[0], Matrix):
                A, root, d = problem
                rows = A.rows(0, A.n_rows)
                if root is not None:
                    rows *= root[:, None]
                found = Posterior.of_rows(rows, d, self.alpha_, self.lambda_)
            else:
                gram, d, P = problem
                found = Posterior.of_gram(gram(), d, self.alpha_, self.lambda_, P)
            self._posterior = found
            self.__dict__.pop("_problem", None)
        return found

    def _posterior_of(self, target: int) -> Posterior:
        return self.posterior_

    def _noise_variances(self) -> NDArray[np.float64]:
        return np.array([1.0 / self.alpha_])

    @property
    def sigma_(self) -> NDArray[np.floating]:
        """Posterior covariance of the coefficients, of shape (n_features, n_features)."""
        return self.posterior_.toarray().astype(self.coef_.dtype, copy=False)

    def __getstate__(self) -> dict[str, Any]:
        if "_problem" in self.__dict__:
            # a saved model holds no data
            _ = self.posterior_
        return {name: value for name, value in self.__dict__.items() if name != "_problem"}
