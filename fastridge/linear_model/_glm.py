"""Poisson, gamma and Tweedie regression, and generalised linear models of any loss."""

from __future__ import annotations

import contextlib
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ..data.check import check_design, check_sample_weight, feature_names, recheck
from ..data.inputs import as_real
from ..data.parts import in_parts
from ..losses import GAMMA, POISSON, Loss, tweedie
from ..solvers.glm.options import check_offset
from ._base import LinearRegressor
from ._glm_base import BaseGLM, check_one_target, request_setter
from ._parameters import AT_LEAST_0_OR_EVIDENCE, Parameter, Parameters, is_evidence, one_of

if TYPE_CHECKING:
    from ..solvers.glm.posterior import GLMPosterior
    from ..solvers.glm.result import GLMResult


class BaseGLMRegressor(BaseGLM, LinearRegressor):
    """Fit, predictions and scores for one target."""

    alpha: Any

    _parameters: ClassVar[Parameters] = {"alpha": AT_LEAST_0_OR_EVIDENCE, **BaseGLM._parameters}

    def __init__(
        self,
        *,
        alpha: float | str = 1.0,
        fit_intercept: bool = True,
        solver: str = "lbfgs",
        max_iter: int = 100,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: Any = 0,
        l1_ratio: float = 0.0,
        penalty_factor: Any = None,
        standardize: bool = False,
        lower: Any = None,
        upper: Any = None,
        positive: bool = False,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.l1_ratio = l1_ratio
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.lower = lower
        self.upper = upper
        self.positive = positive

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        offset: Any = None,
        exposure: Any = None,
    ) -> Self:
        """Fit the coefficients and the intercept.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features. float32 and float64, C and F order, CSR and CSC with 32- or 64-bit indices are
            used without a copy; others are converted once. Or data in parts, with `y` None for
            `Chunks`: a `Chunks`, a dask array or data frame, or a list of delayed (X, y[,
            sample_weight]).
        y : array-like of shape (n_samples,)
            Values to predict, among those that the loss is defined for.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights s of the samples: weight 2 counts the row twice. None: 1.
        offset : array-like of shape (n_samples,) or None, default=None
            Known term o of the linear predictor. None: 0.
        exposure : array-like of shape (n_samples,) or None, default=None
            Positive factors t of the mean, only for a log link: an offset of log(t). None: 1.

        Returns
        -------
        self : object
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
            If `tol` was not reached.
        DataConversionWarning
            If `y` is a column; it is taken as a vector.

        Examples
        --------
        >>> from fastridge import PoissonRegressor
        >>> model = PoissonRegressor(alpha=0.1)
        >>> model.fit([[0.0], [1.0], [2.0]], [1, 2, 6], exposure=[1.0, 1.0, 2.0])
        PoissonRegressor(alpha=0.1)
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._fit_parts(X, y, sample_weight, offset=offset, exposure=exposure)
        self._check_parameters()
        loss = self._make_loss()
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        n, p = A.shape
        target = check_one_target(y, n)
        weight = None if sample_weight is None else check_sample_weight(sample_weight, n)
        total = None
        if offset is not None or exposure is not None:
            total = check_offset(offset, exposure, loss, n)
        recheck(A)
        alpha = None if is_evidence(self.alpha) else float(self.alpha)
        ratio = float(self.l1_ratio)
        result = self._solve(A, target, loss, alpha, ratio, weight, total, self._start(p))
        self.coef_ = result.coef
        self.intercept_ = result.coef.dtype.type(result.intercept) if self.fit_intercept else 0.0
        self.n_iter_ = result.n_iter
        self.alpha_ = float(result.alpha)
        self._set_loss(loss)
        self._set_features(p, names)
        return self

    def _make_loss(self) -> Loss:
        """Return the loss that the parameters select."""
        return self._loss

    def _set_loss(self, loss: Loss) -> None:
        """Store the loss of the fit, where parameters select it."""

    def _start(self, p: int) -> tuple[Any, float] | None:
        """Return coefficients and intercept of the previous fit for a warm start, else None."""
        coef = self.__dict__.get("coef_") if self.warm_start else None
        if coef is None or coef.shape != (p,):
            return None
        return coef, float(self.intercept_) if self.fit_intercept else 0.0

    def predict(
        self, X: Any, *, offset: Any = None, exposure: Any = None, posterior: Any = None
    ) -> Any:
        """Predict the mean of the target.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.
        offset : array-like of shape (n_samples,) or None, default=None
            Known term of the linear predictor. None: 0.
        exposure : array-like of shape (n_samples,) or None, default=None
            Positive factors of the mean, only for a log link. None: 1.
        posterior : GLMPosterior or None, default=None
            Result of `posterior`, to average the means over. Means of a log link are then
            exp(eta + v / 2), with the variance v of the linear predictor eta.

        Returns
        -------
        ndarray of shape (n_samples,)
            Means for the linear predictor offset + ``X @ coef_ + intercept_``; float32 where both
            `X` and the coefficients are and there is no offset, else float64.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `X` is not a finite table with the features of the fit, or the offset or the exposure
            does not fit.

        Examples
        --------
        >>> from fastridge import PoissonRegressor
        >>> model = PoissonRegressor(alpha=0.1).fit([[0.0], [1.0], [2.0]], [1, 2, 4])
        >>> model.predict([[1.0]], exposure=[10.0]).round(1)
        array([20.4])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._predict_parts(
                "predict", X, offset=offset, exposure=exposure, posterior=posterior
            )
        eta = self._predictor(X, "predict", offset, exposure)
        if posterior is None:
            return self._loss.inverse_link(eta)
        self._check_posterior(posterior)
        return self._loss.average_mean(eta, posterior.variance(X))

    def _result(
        self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None, exposure: Any = None
    ) -> GLMResult:
        """Rebuild the result of the fit from its data."""
        self._check_fitted("posterior")
        self._check_feature_names(X)
        A = check_design(X, n_features=self.n_features_in_, caller=type(self).__name__)
        n, loss = A.n_rows, self._loss
        target, weight = check_one_target(y, n), check_sample_weight(sample_weight, n)
        known = check_offset(offset, exposure, loss, n)
        alpha, ratio = (
            float(getattr(self, name + "_" if hasattr(self, name + "_") else name))
            for name in ("alpha", "l1_ratio")
        )
        return self._restore(A, target, loss, alpha, ratio, weight, known)

    def posterior(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        offset: Any = None,
        exposure: Any = None,
        dispersion: float | None = None,
        random_state: int = 0,
    ) -> GLMPosterior:
        """Return the Laplace approximation of the posterior of the coefficients.

        It is a Gaussian about the solution, with the penalty as the prior: standard errors and
        intervals are those of a penalised fit. `GLMPosterior` describes their limits.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            The features that were fitted.
        y : array-like of shape (n_samples,)
            The values that were fitted.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            The weights of the fit.
        offset : array-like of shape (n_samples,) or None, default=None
            The offset of the fit.
        exposure : array-like of shape (n_samples,) or None, default=None
            The exposure of the fit.
        dispersion : float or None, default=None
            Variance of y over its unit variance; None: 1 for losses without a dispersion, else the
            deviance over the residual degrees of freedom.
        random_state : int, default=0
            Seed of the random signs that estimate variances of large data.

        Returns
        -------
        GLMPosterior
            covariance, standard_errors, intervals, variance, predict. Pass it to `predict` to
            average the means over it.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the data are not those of the fit.

        Examples
        --------
        >>> from fastridge import PoissonRegressor
        >>> X, y = [[0.0], [1.0], [2.0]], [1, 2, 4]
        >>> model = PoissonRegressor(alpha=0.1).fit(X, y)
        >>> model.posterior(X, y).intervals(0.9).round(1)
        array([[-0.2,  1.5]])
        """
        result = self._result(X, y, sample_weight, offset, exposure)
        from ..solvers.glm.posterior import GLMPosterior

        return GLMPosterior(result, dispersion, random_state)

    def score(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        offset: Any = None,
        exposure: Any = None,
    ) -> float:
        """Explained share of the deviance, D^2.

        One minus the deviance of the predictions over that of the best model without features:
        the weighted mean of `y`, or the best constant added to the offset.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            True values.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights of the samples; None: 1.
        offset : array-like of shape (n_samples,) or None, default=None
            Known term of the linear predictor. None: 0.
        exposure : array-like of shape (n_samples,) or None, default=None
            Positive factors of the mean, only for a log link. None: 1.

        Returns
        -------
        float
            At most 1; NaN, with a warning, for fewer than two samples.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the arguments do not fit together, are not finite, or `y` has values that the loss is
            not defined for.

        Examples
        --------
        >>> from fastridge import PoissonRegressor
        >>> X, y = [[0.0], [1.0], [2.0]], [1, 2, 4]
        >>> round(PoissonRegressor(alpha=1e-3).fit(X, y).score(X, y), 3)
        1.0
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._score_parts(X, y, sample_weight, offset=offset, exposure=exposure)
        if offset is None and exposure is None:
            return super().score(X, y, sample_weight)
        loss = self._loss
        mean = self.predict(X, offset=offset, exposure=exposure)
        n = len(mean)
        target = check_one_target(y, n)
        loss.check_targets(target)
        weight = check_sample_weight(sample_weight, n)
        known = check_offset(offset, exposure, loss, n)
        error = float(loss.mean_deviance(target, mean, weight))
        spread = _null_deviance(loss, target, weight, known)
        if spread > 0:
            return 1.0 - error / spread
        return float(error == 0)

    set_fit_request: Any = request_setter("fit", "sample_weight", "offset", "exposure")
    set_predict_request: Any = request_setter("predict", "offset", "exposure")
    set_score_request: Any = request_setter("score", "sample_weight", "offset", "exposure")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # no loss can be made of parameters that `fit` will refuse
        with contextlib.suppress(ValueError, TypeError):
            tags.target_tags.positive_only = -1.0 not in self._make_loss().targets
        return tags


def _null_deviance(loss: Loss, y: Any, weight: Any, offset: Any) -> float:
    """Return the mean deviance of the best constant added to an offset."""
    from ..solvers.glm.problem import GLMProblem

    A = check_design(np.zeros((len(y), 1)))
    problem = GLMProblem(A, y, loss, weight, None, None, None, True, False, offset)
    return 2.0 * max(problem.null.loss - problem.least, 0.0)


class PoissonRegressor(BaseGLMRegressor):
    """Poisson regression: counts, or rates, with a penalty.

    Minimizes, over the coefficients w and the intercept b::

        1 / sum_i s_i * sum_i s_i (mu_i - y_i log(mu_i))
            + alpha * (l1_ratio * sum_j f_j |w_j| + (1 - l1_ratio) / 2 * sum_j f_j w_j^2)

    where log(mu_i) = o_i + b + x_i w, with s = `sample_weight` (1 where None), f = `penalty_factor`
    (1 where None) and o = offset + log(exposure) (0 where None). b is never penalised. This is the
    objective of scikit-learn's ``PoissonRegressor``, whose `l1_ratio` is 0.

    Parameters
    ----------
    alpha : float or "evidence", default=1.0
        Strength of the penalty, at least 0; 0 is maximum likelihood. "evidence": the alpha of the
        largest Laplace evidence, with the penalty as the prior, by some 20 fits; this needs an L2
        penalty without bounds.
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    solver : {"lbfgs", "newton-cholesky", "auto", "newton"}, default="lbfgs"
        Solver. "auto" chooses by shape, sparsity and penalty, and so do scikit-learn's names,
        "lbfgs" and "newton-cholesky"; `solver_` names the one that ran.
    max_iter : int, default=100
        Largest number of iterations.
    tol : float, default=1e-4
        Bound on the square root of `relative_gap_`: the fit stops when the duality gap is at most
        tol^2 times the loss of the model without features above the least loss of any predictions.
    warm_start : bool, default=False
        Start from the coefficients of the previous fit.
    verbose : int, default=0
        Above 0: print solver, iterations, objective and relative gap.
    l1_ratio : float, default=0.0
        Share of the L1 part of the penalty, from 0 (squares alone) to 1 (absolute values alone).
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor f of the penalty of each feature; 0 leaves it unpenalised.
    standardize : bool, default=False
        Penalise each coefficient in units of the weighted standard deviation of its column: sd_j
        w_j takes the place of w_j in the penalty. Coefficients are in the units of `X` anyway.
    lower, upper : float or array-like of shape (n_features,) or None, default=None
        Bounds lower <= w <= upper, in the units of `coef_`; infinite bounds have no effect.
    positive : bool, default=False
        Require w >= 0.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        w, float32 where `X` is float32, else float64.
    intercept_ : float
        b; 0.0 where `fit_intercept` is False.
    alpha_ : float
        Strength of the penalty of the fit.
    n_iter_ : int
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
        `dual_gap_` over the loss of the model without features above the least loss of any
        predictions.

    See Also
    --------
    GammaRegressor, TweedieRegressor : Other distributions.
    glm : The same fit as a function.
    GLMCV : Generalised linear model that chooses its penalty.
    SGDRegressor : Linear regression that learns from a stream of rows.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import PoissonRegressor
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 3.0]])
    >>> model = PoissonRegressor(alpha=0.1).fit(X, [1, 2, 4, 9])
    >>> model.coef_.round(3)
    array([0.628, 0.091])
    >>> model.predict(X).round(1)
    array([1.1, 1.9, 4. , 9. ])
    """

    _loss: ClassVar[Loss] = POISSON


class GammaRegressor(BaseGLMRegressor):
    """Gamma regression: positive values whose standard deviation is proportional to their mean.

    Minimizes, over the coefficients w and the intercept b::

        1 / sum_i s_i * sum_i s_i (log(mu_i) + y_i / mu_i)
            + alpha * (l1_ratio * sum_j f_j |w_j| + (1 - l1_ratio) / 2 * sum_j f_j w_j^2)

    where log(mu_i) = o_i + b + x_i w, with s = `sample_weight` (1 where None), f = `penalty_factor`
    (1 where None) and o = offset + log(exposure) (0 where None). b is never penalised. This is the
    objective of scikit-learn's ``GammaRegressor``, whose `l1_ratio` is 0.

    Parameters
    ----------
    alpha, fit_intercept, solver, max_iter, tol, warm_start, verbose, l1_ratio, penalty_factor, \
standardize, lower, upper, positive
        As in `PoissonRegressor`.

    Attributes
    ----------
    coef_, intercept_, alpha_, n_iter_, n_features_in_, feature_names_in_, solver_, objective_, \
dual_gap_, relative_gap_
        As in `PoissonRegressor`.

    See Also
    --------
    PoissonRegressor, TweedieRegressor : Other distributions.
    glm : Generalised linear model as a function.
    GLMCV : Generalised linear model that chooses its penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import GammaRegressor
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 3.0]])
    >>> GammaRegressor(alpha=0.1).fit(X, [1.0, 2.0, 4.0, 9.0]).predict([[2.0, 2.0]]).round(1)
    array([4.3])
    """

    _loss: ClassVar[Loss] = GAMMA


class TweedieRegressor(BaseGLMRegressor):
    """Tweedie regression: the variance is proportional to a power of the mean.

    Minimizes, over the coefficients w and the intercept b::

        1 / sum_i s_i * sum_i s_i d(y_i, mu_i) / 2
            + alpha * (l1_ratio * sum_j f_j |w_j| + (1 - l1_ratio) / 2 * sum_j f_j w_j^2)

    where d is the unit deviance of the power and mu_i (link "identity") or log(mu_i) (link "log")
    is o_i + b + x_i w, with s = `sample_weight` (1 where None), f = `penalty_factor` (1 where None)
    and o = offset + log(exposure) (0 where None). b is never penalised. This is the objective of
    scikit-learn's ``TweedieRegressor``, whose `l1_ratio` is 0. `objective_` omits the part of d
    that does not depend on mu.

    Parameters
    ----------
    power : float, default=0.0
        The variance is proportional to this power of the mean, at most 0 or at least 1: 0 is least
        squares, 1 Poisson, between 1 and 2 compound Poisson-gamma (many zeros), 2 gamma and 3
        inverse Gaussian.
    alpha, fit_intercept
        As in `PoissonRegressor`.
    link : {"auto", "identity", "log"}, default="auto"
        "auto": "identity" for a power of at most 0, else "log".
    solver, max_iter, tol, warm_start, verbose, l1_ratio, penalty_factor, standardize, lower, \
upper, positive
        As in `PoissonRegressor`.

    Attributes
    ----------
    power_ : float
        The power of the fit.
    link_ : {"identity", "log"}
        The link of the fit.
    coef_, intercept_, alpha_, n_iter_, n_features_in_, feature_names_in_, solver_, objective_, \
dual_gap_, relative_gap_
        As in `PoissonRegressor`.

    See Also
    --------
    PoissonRegressor, GammaRegressor : Powers 1 and 2.
    glm : Generalised linear model as a function.
    GLMCV : Generalised linear model that chooses its penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import TweedieRegressor
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 3.0]])
    >>> model = TweedieRegressor(power=1.5, alpha=0.1).fit(X, [0.0, 2.0, 4.0, 9.0])
    >>> model.link_, model.predict([[2.0, 2.0]]).round(1)
    ('log', array([2.9]))
    """

    power_: float
    link_: str

    _parameters: ClassVar[Parameters] = {
        **BaseGLMRegressor._parameters,
        "power": Parameter(
            lambda value: (
                isinstance(value, Real)
                and not isinstance(value, bool)
                and (-np.inf < as_real(value) <= 0 or 1 <= as_real(value) < np.inf)
            ),
            "a finite number of at most 0 or at least 1",
        ),
        "link": one_of(("auto", "identity", "log")),
    }

    def __init__(
        self,
        *,
        power: float = 0.0,
        alpha: float | str = 1.0,
        fit_intercept: bool = True,
        link: str = "auto",
        solver: str = "lbfgs",
        max_iter: int = 100,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: Any = 0,
        l1_ratio: float = 0.0,
        penalty_factor: Any = None,
        standardize: bool = False,
        lower: Any = None,
        upper: Any = None,
        positive: bool = False,
    ) -> None:
        self.power = power
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.link = link
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.l1_ratio = l1_ratio
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.lower = lower
        self.upper = upper
        self.positive = positive

    def _make_loss(self) -> Loss:
        return tweedie(float(self.power), self.link)

    def _set_loss(self, loss: Loss) -> None:
        self.power_ = float(self.power)
        self.link_ = "log" if loss.has_log_link else "identity"

    # depends on parameters; other estimators have one loss per class
    @property
    def _loss(self) -> Loss:  # type: ignore[override]
        """Loss of the fit, or before a fit that of the parameters."""
        if "power_" in self.__dict__:
            return tweedie(self.power_, self.link_)
        return self._make_loss()
