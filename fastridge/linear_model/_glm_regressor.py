"""Parameters, fit and scores that regressors of one loss share."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ..data.check import check_design, check_sample_weight, feature_names, recheck
from ..data.parts import in_parts
from ..losses import Loss
from ..solvers.glm.options import check_offset
from ._base import LinearRegressor
from ._glm_base import BaseGLM, check_one_target, request_setter
from ._parameters import AT_LEAST_0_OR_EVIDENCE, Parameters, is_evidence
from ._whole import whole

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
        warm_start: Any = False,
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

    @whole
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
        coef = self.__dict__.get("coef_") if self._is_warm() else None
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

        Warns
        -----
        LinAlgWarning
            Of `scipy.linalg`: if neither the data nor a penalty determine some coefficients.

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
