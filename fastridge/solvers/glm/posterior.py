"""The Laplace approximation of a generalised linear model's posterior.

With W the sum of the weights and phi the dispersion, W / phi times the objective is a negative log
posterior, with Gaussian priors of variance phi / (W l2_j). Its second-order
expansion at the solution is a Gaussian of covariance phi / W times the inverse of the Hessian; see
`hessian`.
"""

from __future__ import annotations

import warnings
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning

from ..._stack import outside
from ...data.check import check_design
from ...data.inputs import as_real
from ...quadratic.posterior import as_dense, deviations_of
from ...systems.blas import on_one_thread
from ...systems.cost import default_memory
from .options import check_offset

if TYPE_CHECKING:
    from .hessian import Hessian, HessianInverse
    from .result import GLMResult

Array = NDArray[np.float64]

_ELEMENTS = 4_000_000  # elements of a block of rows
_SHOWN = 5  # columns named in a warning


class GLMPosterior:
    """Laplace approximation of the posterior of a penalised generalised linear model.

    A Gaussian about the solution, whose inverse covariance is the Hessian of the negative log
    posterior: with W the sum of the weights and phi the dispersion, W / phi times the objective.
    The L2 part of the penalty is a Gaussian prior of variance
    phi / (W alpha (1 - l1_ratio) f_j), in units of the column where it was standardised.

    Standard errors and intervals are posterior standard deviations and credible intervals given
    that prior: they describe the uncertainty of the coefficients if the prior is right. They are
    not frequentist confidence intervals: a penalty biases the estimates towards 0, so that
    coefficients that are large for the prior are covered less often than the level states, and
    p-values computed from them are not valid. With alpha = 0 they are the usual ones of maximum
    likelihood (Wald). Coefficients that an L1 part holds at 0, or a bound holds, are conditioned
    on: their standard errors and intervals are NaN, and those of the others do not account for the
    selection.

    It is also an operator of shape (k, k), over the coefficients followed by the intercept, where
    one was fitted: ``posterior @ v``.

    Attributes
    ----------
    coef : ndarray of float64, shape (n_features,)
        Means of the coefficients: the solution.
    intercept : float
        Mean of the intercept.
    dispersion : float
        phi.
    covariance : ndarray of shape (k, k)
        Covariance of the coefficients and, last, the intercept; computed at first access.
    standard_errors : ndarray of shape (n_features,)
        Posterior standard deviations of the coefficients; NaN for held ones.
    standard_errors_error : ndarray of shape (n_features,)
        Standard errors of the estimates of `standard_errors`; 0 where these are exact.
    intercept_standard_error : float
        Posterior standard deviation of the intercept; NaN where none was fitted.
    is_exact : bool
        Whether the Hessian is factored, which it is for at most 2,000 active features or samples.
        Otherwise products with its inverse use conjugate gradients, and variances of the
        coefficients are estimated by random signs.
    active : ndarray of bool, shape (n_features,)
        Coefficients that are not held.

    See Also
    --------
    GLMResult : Result of one generalised linear model.
    MultinomialPosterior : Laplace approximation of the posterior of several classes.

    References
    ----------
    D. MacKay, "The evidence framework applied to classification networks", Neural Computation 4,
    1992. C. Bekas, E. Kokiopoulou and Y. Saad, "An estimator for the diagonal of a matrix", Applied
    Numerical Mathematics 57, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 3))
    >>> y = rng.random(200) < 1 / (1 + np.exp(-2 * X[:, 0]))
    >>> posterior = fastridge.glm(X, y, "logistic", alpha=0.01).posterior()
    >>> low, high = posterior.intervals(0.95).T
    >>> bool(low[0] > 0), bool(low[1] < 0 < high[1])
    (True, True)
    >>> posterior.predict(X[:2]).shape
    (2,)
    """

    __slots__ = (
        "_covariance",
        "_factor",
        "_hessian",
        "_mean",
        "_unit",
        "active",
        "coef",
        "dispersion",
        "fit_intercept",
        "intercept",
        "is_exact",
        "loss",
        "shape",
    )

    _covariance: Array | None
    _hessian: Hessian | HessianInverse
    _unit: Array | float

    # make NumPy arrays defer ``v @ posterior`` to this class
    __array_ufunc__: ClassVar[None] = None
    dtype: ClassVar[np.dtype[np.float64]] = np.dtype(np.float64)

    @on_one_thread
    def __init__(
        self, result: GLMResult, dispersion: float | None = None, random_state: int = 0
    ) -> None:
        if dispersion is not None and (
            isinstance(dispersion, bool)
            or not isinstance(dispersion, Real)
            or not 0 < as_real(dispersion) < np.inf
        ):
            raise ValueError(
                f"dispersion is {dispersion!r}; expected a finite number above 0, or None."
            )
        hessian = result.hessian(seed=random_state)
        phi = result.dispersion if dispersion is None else float(dispersion)
        if not phi >= 0:
            raise ValueError(
                f"dispersion is None and cannot be estimated: the fit uses {result.dof:.6g} degrees"
                f" of freedom of a total weight of {result.total_weight:g}; expected a number."
            )
        problem = hessian.problem
        loose = hessian.undetermined()
        if len(loose):
            shown = ", ".join(map(str, loose[:_SHOWN])) + (", ..." if len(loose) > _SHOWN else "")
            warnings.warn(
                f"columns {shown} are linearly dependent, with the intercept or among themselves,"
                " and not penalised: the data do not determine their coefficients, and their"
                " standard errors are only round-off; expected a penalty on them, or fewer"
                " columns.",
                LinAlgWarning,
                stacklevel=outside(),
            )
        self._hessian, self.loss, self.dispersion = hessian, result.loss, phi
        self.coef, self.intercept = result.coef.astype(np.float64), float(result.intercept)
        self._unit = 1.0 if problem.rows.unit is None else problem.rows.unit
        self._factor = phi / problem.total
        self.fit_intercept = bool(problem.fit_intercept)
        self.active, self.is_exact = hessian.active, hessian.is_exact
        # centred by the means under the curvatures, the intercept is independent of coefficients
        self._mean = problem.rows.mean + hessian.offset * self._unit
        self.shape = (problem.p + self.fit_intercept,) * 2
        self._covariance = None

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        # copies and files do not hold the data
        slots = {name: getattr(self, name) for name in self.__slots__}
        return None, {**slots, "_hessian": self._hessian.without_data(), "_covariance": None}

    @property
    def _level(self) -> float:
        """Return the variance of the intercept, centred by the means under the curvatures."""
        total = self._hessian.total
        return self._factor / total if total > 0 else np.inf

    def _solve(self, V: Array) -> Array:
        """Return the covariance of the coefficients times V (p,) or (p, k)."""
        unit = self._unit if V.ndim == 1 or np.ndim(self._unit) == 0 else self._unit[:, None]
        return self._factor * (self._hessian.solve(V / unit) / unit)

    def __matmul__(self, v: Any) -> Array:
        """Covariance @ v for v of shape (k,) or (k, m)."""
        v = as_dense(v, "v")
        if v.ndim not in (1, 2) or v.shape[0] != self.shape[0]:
            raise ValueError(
                f"v has shape {v.shape}; expected ({self.shape[0]},) or ({self.shape[0]}, m)."
            )
        if not self.fit_intercept:
            return self._solve(v)
        # b is b_h - m'w, with b_h independent of w
        w, b = v[:-1], v[-1]
        mean = self._mean if v.ndim == 1 else self._mean[:, None]
        found = self._solve(w - mean * b)
        return np.concatenate([found, [self._level * b - self._mean @ found]])

    @property
    def covariance(self) -> Array:
        if self._covariance is not None:
            return self._covariance
        k = self.shape[0]
        if 32.0 * k * k > default_memory():
            raise ValueError(
                f"a covariance of shape ({k}, {k}) needs {32.0 * k * k:.2g} bytes, more than the"
                f" {default_memory():.2g} allowed; expected fewer features, or `posterior @ v`."
            )
        S = self @ np.eye(k)
        self._covariance = 0.5 * (S + S.T)
        return self._covariance

    @property
    def _variances(self) -> tuple[Array, Array]:
        value, error = self._hessian.diagonal
        scale = self._factor / np.square(self._unit)
        return value * scale, error * scale

    @property
    def standard_errors(self) -> Array:
        return np.where(self.active, np.sqrt(self._variances[0]), np.nan)

    @property
    def standard_errors_error(self) -> Array:
        value, error = self._variances
        # error of a root, to first order
        root = 2.0 * np.sqrt(value)
        found = np.divide(error, root, out=np.zeros(len(root)), where=root > 0)
        return np.where(self.active, found, np.nan)

    @property
    def intercept_standard_error(self) -> float:
        if not self.fit_intercept:
            return float("nan")
        return float(np.sqrt(self._level + self._mean @ self._solve(np.array(self._mean))))

    def intervals(self, level: float = 0.95) -> Array:
        """Return credible intervals of the coefficients, symmetric about the solution.

        The penalty is the prior; these are not confidence intervals, see the class.

        Parameters
        ----------
        level : float, default=0.95
            Posterior probability that each coefficient, on its own, lies in its interval.

        Returns
        -------
        ndarray of float64, shape (n_features, 2)
            Lower and upper ends; NaN for held coefficients.

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1.

        Examples
        --------
        >>> import fastridge
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [1, 2, 4, 9]
        >>> fastridge.glm(X, y, "poisson", alpha=0.01).posterior().intervals(0.9).round(2)
        array([[0.29, 1.2 ]])
        """
        half = deviations_of(level) * self.standard_errors
        return np.column_stack([self.coef - half, self.coef + half])

    def intercept_interval(self, level: float = 0.95) -> Array:
        """Return the credible interval (2,) of the intercept; see `intervals`.

        Parameters
        ----------
        level : float, default=0.95
            Posterior probability that the intercept lies in it.

        Returns
        -------
        ndarray of float64, shape (2,)
        """
        half = deviations_of(level) * self.intercept_standard_error
        return np.array([self.intercept - half, self.intercept + half])

    def variance(self, X: Any) -> Array:
        """Return the posterior variance of the linear predictor of each row.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of float64, shape (n_samples,)
        """
        A = check_design(X, n_features=len(self.coef), caller=type(self).__name__)
        out = np.empty(A.n_rows)
        step = max(1, _ELEMENTS // max(A.n_columns, 1))
        for start in range(0, A.n_rows, step):
            rows = A.rows(start, min(start + step, A.n_rows))
            rows = (rows - self._mean) / self._unit if self.fit_intercept else rows / self._unit
            out[start : start + step] = self._factor * self._hessian.quadratic(rows)
        np.maximum(out, 0.0, out=out)
        return out + self._level if self.fit_intercept else out

    def predict(self, X: Any, offset: Any = None, exposure: Any = None) -> Array:
        """Return the means of y, averaged over the posterior.

        For a log link this is exp(eta + v / 2), with the linear predictor eta and its variance v;
        for "logistic" P(y = 1) by the probit approximation, with predictor eta / sqrt(1 + pi v / 8)
        (MacKay 1992); for an identity link the mean itself.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,) or None, default=None
            Added to the linear predictor.
        exposure : array-like of shape (n_samples,) or None, default=None
            Positive factors of the means, only for losses with a log link.

        Returns
        -------
        ndarray of float64, shape (n_samples,)

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described.
        """
        A = check_design(X, n_features=len(self.coef), caller=type(self).__name__)
        eta = A.dot(self.coef) + self.intercept
        known = check_offset(offset, exposure, self.loss, len(eta))
        eta = eta if known is None else eta + known
        return np.asarray(self.loss.average_mean(eta, self.variance(X)))

    def __repr__(self) -> str:
        p = len(self.coef)
        return (
            f"GLMPosterior({p} coefficients, {int(self.active.sum())} of them active,"
            f" dispersion={self.dispersion:.4g}, is_exact={self.is_exact})"
        )
