"""Poisson, gamma and Tweedie regression, and generalised linear models of any loss."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..data.inputs import as_real
from ..losses import GAMMA, POISSON, Loss, tweedie
from ._glm_regressor import BaseGLMRegressor
from ._parameters import Parameter, Parameters, one_of

if TYPE_CHECKING:
    pass


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
    warm_start : bool or "sample", default=False
        True: start from the coefficients of the previous fit. "sample", only for data in parts:
        start from a fit to the first part, which saves passes where parts are alike.
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
        warm_start: Any = False,
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
