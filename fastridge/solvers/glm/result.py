"""The result of a generalised linear model: its numbers, and its certificate."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._checks import held
from ...data.check import check_design
from ...data.parameters import check_seed
from ...losses import Multinomial
from .options import check_offset, check_offsets

if TYPE_CHECKING:
    from .hessian import Hessian
    from .left_out import LeftOut
    from .posterior import GLMPosterior
    from .problem import GLMProblem
    from .softmax_laplace import MultinomialPosterior, SoftmaxHessian
    from .softmax_problem import SoftmaxProblem

_CHANGED, _SINGLE = 1e-6, 1e-4  # relative difference of objectives for changed data; in float32


class Fitted(NamedTuple):
    """The problem, kept so that a result can compute attributes on demand."""

    problem: GLMProblem | SoftmaxProblem
    alpha: float
    l1_ratio: float


class GLMResult:
    """Solution of a generalised linear model, and its accuracy.

    Attributes
    ----------
    alpha : float
        Strength of the penalty.
    coef : ndarray of shape (n_features,)
        Coefficients, in the type of X.
    intercept : float
        0.0 where none was fitted.
    solver : str
        The solver that ran.
    n_iter : int
        Iterations.
    objective : float
        Mean loss plus penalty at the solution.
    dual_gap : float
        Bound on how far the objective is from its minimum: the duality gap where all or nearly all
        features are penalised. With many free features it is Newton's decrement, which the solver
        "newton-cg" estimates; for a loss that is not convex it is not a bound, but tends to 0 with
        the gradient.
    relative_gap : float
        `dual_gap` over the mean loss of the null model minus the least loss over all predictions.
    deviance, null_deviance : float
        Sums over the samples of weight times unit deviance, at the solution and of the null model.
    total_weight : float
        Sum of the weights.
    dof : float
        Effective degrees of freedom, computed at first access: the trace of
        (A'HA + D)^-1 A'HA, with H the curvatures of the weighted losses at the solution, A the
        columns centred by their means under H and D the curvature of the L2 part, plus 1 for the
        intercept. Coefficients that an L1 part or a bound holds do not count. Exact for at most
        2,000 active features or samples, else estimated by random signs. For the multinomial loss
        exact up to 4,000 coefficients, and an error beyond. NaN in a copy or a loaded result,
        unless computed before.
    dof_error : float
        Standard error of `dof`; 0 where `dof` is exact.
    dispersion : float
        1 for losses without one, else the deviance over the residual degrees of freedom.
    aic, bic : float
        Criteria of Akaike and Schwarz, up to a constant that depends on y only.
    loss : Loss
    converged : bool
        Whether sqrt(relative_gap) is within `tol`, or the gap is round-off.

    See Also
    --------
    glm : Generalised linear model as a function.
    GLMPosterior : Laplace approximation of the posterior.
    MultinomialPosterior : Laplace approximation of the posterior of several classes.
    GLMPath : Result of a path of generalised linear models.

    Examples
    --------
    >>> import fastridge
    >>> result = fastridge.glm([[0.0], [1.0], [2.0]], [1, 2, 4], "poisson", alpha=0.1)
    >>> type(result).__name__, result.converged
    ('GLMResult', True)
    >>> bool(1 < result.dof < 2), result.dof_error
    (True, 0.0)
    """

    __slots__ = (
        "_dof",
        "_dof_error",
        "_fitted",
        "alpha",
        "coef",
        "converged",
        "deviance",
        "dual_gap",
        "intercept",
        "loss",
        "n_iter",
        "null_deviance",
        "objective",
        "relative_gap",
        "solver",
        "total_weight",
    )

    alpha: float
    coef: NDArray[Any]
    intercept: float
    solver: str
    n_iter: int
    objective: float
    dual_gap: float
    relative_gap: float
    deviance: float
    null_deviance: float
    total_weight: float
    loss: Any
    converged: bool
    _dof: float | None
    _dof_error: float
    _fitted: Fitted | None

    def __init__(self, fitted: Fitted | None = None, **values: Any) -> None:
        self._dof, self._dof_error, self._fitted = None, 0.0, fitted
        for name, value in values.items():
            setattr(self, name, value)

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        # copies and files do not hold the data
        slots = {name: getattr(self, name) for name in self.__slots__ if hasattr(self, name)}
        return None, {**slots, "_fitted": None}

    def state(self) -> tuple[Any, Any]:
        """Return the fitted problem, and its state at the solution; refuse other data."""
        if self._fitted is None:
            raise ValueError(
                "this result does not hold its data; expected a result returned by `glm`, neither"
                " copied nor loaded, and positive weights in every class."
            )
        given, alpha, l1_ratio = self._fitted
        problem: Any = copy.copy(given)
        problem.penalise(alpha, l1_ratio)
        state = problem.start(self.coef, self.intercept)
        off = abs(state.objective - self.objective)
        size = abs(state.loss) + state.penalty + abs(self.objective) + problem.null_objective
        rounding = _SINGLE if problem.A.is_float32 else _CHANGED
        if not off <= rounding * size:
            raise ValueError(
                f"the objective of the fit is {self.objective:g}, but that of the given data is"
                f" {state.objective:g}: X, y, the weights, the offset, the exposure or the penalty"
                " differ from those of the fit, or were changed after it; expected those that were"
                " fitted."
            )
        return problem, state

    def hessian(self, most: int | None = None, seed: int = 0) -> Hessian | SoftmaxHessian:
        """Return the Hessian of the objective at the solution, from the fitted data."""
        problem, state = self.state()
        if isinstance(self.loss, Multinomial):
            from .softmax_laplace import SoftmaxHessian

            return SoftmaxHessian(problem, state)
        from .hessian import MOST, Hessian

        return Hessian(problem, state, MOST if most is None else most, seed)

    def _count(self) -> None:
        if self._fitted is None:
            self._dof = float("nan")
            return
        hessian: Any = self.hessian()
        if isinstance(self.loss, Multinomial):
            self._dof = hessian.dof
            return
        trace, self._dof_error = hessian.trace
        self._dof = trace + bool(hessian.problem.fit_intercept)

    @property
    def dof(self) -> float:
        if self._dof is None:
            self._count()
        assert self._dof is not None
        return self._dof

    @property
    def dof_error(self) -> float:
        if self._dof is None:
            self._count()
        return self._dof_error

    def posterior(
        self, dispersion: float | None = None, random_state: int = 0
    ) -> GLMPosterior | MultinomialPosterior:
        """Return the Laplace approximation of the posterior of the coefficients.

        Parameters
        ----------
        dispersion : float or None, default=None
            Variance of y over its unit variance; None: `dispersion` of this result.
        random_state : int, default=0
            Seed of the random signs that estimate variances of large data.

        Returns
        -------
        GLMPosterior or, for the multinomial loss, MultinomialPosterior
            covariance, standard_errors, intervals, variance, predict.

        Raises
        ------
        ValueError
            If `dispersion` is not a positive number, or is given for the multinomial loss; if
            `random_state` is not a seed; if this result does not hold its data, or they were
            changed after the fit; or if the joint Hessian of several classes is too large.

        Warns
        -----
        LinAlgWarning
            Of `scipy.linalg`: if neither the data nor a penalty determine some coefficients.

        Examples
        --------
        >>> import fastridge
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]
        >>> posterior = fastridge.glm(X, y, "logistic", alpha=0.1).posterior()
        >>> posterior.covariance.shape, posterior.standard_errors.shape
        ((2, 2), (1,))
        """
        seed = check_seed(random_state)
        if isinstance(self.loss, Multinomial):
            from .softmax_laplace import MultinomialPosterior

            if dispersion is not None:
                raise ValueError(
                    f"dispersion is {dispersion!r}, but the loss 'multinomial' has none; expected"
                    " None."
                )
            return MultinomialPosterior(self)
        from .posterior import GLMPosterior

        return GLMPosterior(self, dispersion, seed)

    def left_out(self) -> LeftOut:
        """Predict each row approximately by the fit to the others, at the cost of one fit.

        Each prediction is one Newton step from the solution. The fits to the others keep the
        strength of the penalty relative to the sum of the losses, alpha times the sum of all
        weights, like the C of `LogisticRegression`. For the squared loss the step is exact;
        otherwise its error is of second order in the change of the row's own predictor. A row is
        left out with its whole weight; one of weight 0 is predicted by the fit itself. Coefficients
        that an L1 part or a bound holds stay held.

        Returns
        -------
        LeftOut
            predictor, mean and deviance (n_samples,), and the weighted mean deviance `error`; for
            the multinomial loss the first two are (n_samples, n_classes).

        Raises
        ------
        ValueError
            If this result does not hold its data, they were changed after the fit, or neither a
            matrix of the active features nor one of the samples fits into memory.

        References
        ----------
        K. Rad and A. Maleki, "A scalable estimate of the out-of-sample prediction error via
        approximate leave-one-out cross-validation", J. Royal Statistical Society B 82, 2020.

        Examples
        --------
        >>> import numpy as np
        >>> import fastridge
        >>> X = np.arange(10.0)[:, None]
        >>> y = np.array([0, 0, 0, 1, 0, 1, 0, 1, 1, 1])
        >>> result = fastridge.glm(X, y, "logistic", alpha=0.1)
        >>> bool(result.left_out().error > result.deviance / 10)
        True
        """
        from .hessian import most_of
        from .left_out import left_out

        hessian: Any = self.hessian(most_of())
        return hessian.left_out() if isinstance(self.loss, Multinomial) else left_out(hessian)

    def log_evidence(self) -> float:
        """Return the Laplace approximation of the log evidence, up to a constant of y only.

        This is the likelihood times the prior of the L2 penalty, integrated over the coefficients::

            -W F / phi - 1/2 log det M - 1/2 log sum(h) + 1/2 sum_j log(l2_j)
                + k0 / 2 log(2 pi phi / W)

        with W the sum of the weights, F the objective minus the least loss over all predictors, M
        its Hessian by the coefficients of columns centred under the curvatures h, l2_j = alpha f_j
        and k0 the number of unpenalised coefficients, including the intercept, whose prior is flat.
        For losses with a dispersion phi = 2 W F / (W - k0), and -W/2 log(2 pi phi) is added;
        otherwise phi is 1. Differences of two models of the same y, with the same unpenalised
        features, are log Bayes factors.

        For the multinomial loss it is the same integral over the coefficients of all classes; for
        unpenalised features the differences from one class have flat priors.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If this result does not hold its data, has an L1 penalty or bounds, or its Hessian
            cannot be factored in memory.

        Examples
        --------
        >>> import numpy as np
        >>> import fastridge
        >>> X = np.random.default_rng(0).standard_normal((50, 2))
        >>> y = np.random.default_rng(1).poisson(np.exp(X[:, 0]))
        >>> fits = [fastridge.glm(X, y, "poisson", alpha) for alpha in (100.0, "evidence")]
        >>> fits[1].log_evidence() > fits[0].log_evidence()
        True
        """
        from .evidence import log_evidence
        from .hessian import most_of

        hessian: Any = self.hessian(most_of())
        if isinstance(self.loss, Multinomial):
            return float(hessian.log_evidence())
        return log_evidence(hessian)[0]

    @property
    def dispersion(self) -> float:
        if not self.loss.n_dispersion:
            return 1.0
        left = self.total_weight - self.dof
        return float(self.deviance / left) if left > 0 else float("nan")

    @property
    def aic(self) -> float:
        return self._criterion(2.0)

    @property
    def bic(self) -> float:
        return self._criterion(float(np.log(self.total_weight)))

    def predict(self, X: Any, *, offset: Any = None, exposure: Any = None) -> NDArray[np.float64]:
        """Predict means; of "logistic" probabilities of 1, of "multinomial" those of the classes.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,) or (n_samples, n_classes) or None, default=None
            Added to the linear predictor; the second shape for "multinomial".
        exposure : array-like of shape (n_samples,) or None, default=None
            Positive factors of the means, for losses with a log link only.

        Returns
        -------
        ndarray of float64, shape (n_samples,) or (n_samples, n_classes)

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described.

        Examples
        --------
        >>> import fastridge
        >>> result = fastridge.glm([[0.0], [1.0], [2.0]], [1, 2, 4], "poisson", alpha=0.01)
        >>> result.predict([[1.0]], exposure=[10.0]).round(1)
        array([20.])
        """
        several = self.coef.ndim == 2
        A = check_design(X, n_features=self.coef.shape[-1], caller=type(self).__name__)
        coef = np.asfortranarray(held(self.coef).T, dtype=np.float64)
        eta = A.dot(coef) + self.intercept
        if several:
            known = check_offsets(offset, exposure, *eta.shape)
        else:
            known = check_offset(offset, exposure, self.loss, len(eta))
        return np.asarray(self.loss.inverse_link(eta if known is None else eta + known))

    def __repr__(self) -> str:
        return (
            f"GLMResult(loss={self.loss.name!r}, alpha={self.alpha:.4g}, solver={self.solver!r}, "
            f"n_iter={self.n_iter}, relative_gap={self.relative_gap:.2g}, coef={self.coef!r}, "
            f"intercept={self.intercept!r})"
        )

    def _criterion(self, price: float) -> float:
        error = np.asarray(self.deviance / self.total_weight)
        value = float(self.loss.minus_twice_log_likelihood(error, self.total_weight))
        return value + price * (self.dof + self.loss.n_dispersion)
