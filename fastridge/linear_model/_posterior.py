"""Predictive standard deviations and credible intervals from Gaussian posteriors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from ..data.check import check_design
from ..data.parts import in_parts
from ._base import LinearRegressor

if TYPE_CHECKING:
    from ..quadratic.posterior import Posterior

_ROWS = 4096  # most rows of predictions at a time
_ELEMENTS = 1 << 24  # and elements of them


class PosteriorRegressor(LinearRegressor):
    """Linear regressor with a Gaussian posterior of the coefficients of each target.

    A subclass defines `_posterior_of` and `_noise_variances`, and its `fit` sets `X_offset_` and
    `_total`.
    """

    fit_intercept: bool
    X_offset_: NDArray[np.float64]
    _total: float  # sum of the weights

    def _posterior_of(self, target: int) -> Posterior:
        raise NotImplementedError

    def _noise_variances(self) -> NDArray[np.float64]:
        """Return the variance (k,) of the noise of each target."""
        raise NotImplementedError

    def _move_origin(self, origin: NDArray[np.float64], y_origin: NDArray[np.float64]) -> None:
        super()._move_origin(origin, y_origin)
        self.X_offset_ = self.X_offset_ + origin

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the mean of the predictive distribution, and its standard deviation.

        The predictive variance is the sum of that of the noise, s; that of the coefficients,
        (x - m) S (x - m)' with their covariance S and the weighted mean m of the rows of the fit;
        and that of the intercept, s / W, with the sum W of the weights.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.
        return_std : bool, default=False
            Also return standard deviations.

        Returns
        -------
        mean : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predictions.
        deviation : ndarray of the same shape
            Only with `return_std`; of the dtype of the predictions.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `X` is not a finite table with the features of the fit.

        Examples
        --------
        >>> from fastridge import BayesianRidge
        >>> model = BayesianRidge().fit([[0.0], [1.0], [2.0]], [0.0, 1.1, 2.0])
        >>> near, far = model.predict([[1.0], [100.0]], return_std=True)[1]
        >>> bool(near < far)
        True
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._predict_parts("predict", X, return_std=return_std or None)
        mean = self._linear_predictor(X, "predict")
        if not return_std:
            return mean
        A = check_design(X, n_features=self.n_features_in_, caller=type(self).__name__)
        noise = self._noise_variances()
        posteriors = [self._posterior_of(t) for t in range(len(noise))]
        variance = np.empty((A.n_rows, len(noise)))
        step = max(1, min(_ROWS, _ELEMENTS // max(A.n_columns, 1)))
        for start in range(0, A.n_rows, step):
            end = min(start + step, A.n_rows)
            rows = A.rows(start, end) - self.X_offset_
            for t, posterior in enumerate(posteriors):
                variance[start:end, t] = posterior.variance(rows)
        variance += noise
        if self.fit_intercept:
            variance += noise / self._total
        deviation = np.sqrt(variance).astype(mean.dtype, copy=False)
        return mean, deviation.reshape(mean.shape)

    @_sklearn.describe_request
    def set_predict_request(self, *, return_std: bool | str | None = _sklearn.UNCHANGED) -> Self:
        return _sklearn.request_metadata(self, "predict", return_std=return_std)

    def intervals(self, level: float = 0.95) -> NDArray[np.float64]:
        """Credible intervals of the coefficients, symmetric about their means.

        Parameters
        ----------
        level : float, default=0.95
            Posterior probability that each coefficient, on its own, lies in its interval.

        Returns
        -------
        ndarray of float64, shape (n_features, 2) or (n_targets, n_features, 2)
            Lower and upper ends.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `level` is not between 0 and 1.

        Examples
        --------
        >>> import numpy as np
        >>> from fastridge import BayesianRidge
        >>> X = np.arange(20.0)[:, None]
        >>> model = BayesianRidge().fit(X, 2 * X[:, 0] + np.resize([1, -1], 20))
        >>> low, high = model.intervals(0.9)[0]
        >>> bool(low < 2 < high)
        True
        """
        from ..quadratic.posterior import deviations_of

        self._check_fitted("intervals")
        width = deviations_of(level)
        coef = self.coef_.astype(np.float64, copy=False)
        half = np.empty_like(np.atleast_2d(coef))
        for t, row in enumerate(half):
            row[:] = width * np.sqrt(np.maximum(self._posterior_of(t).diagonal(), 0.0))
        half = half.reshape(coef.shape)
        return np.stack([coef - half, coef + half], axis=-1)
