"""Shared by estimators of generalised linear models: parameters, constraints, offsets."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._matrix import Matrix
from .._stack import outside
from ..data.check import check_target
from ..data.inputs import as_real, to_dense
from ..data.parameters import as_limit, check_penalty_factor, is_sample
from ..losses import Loss
from ..solvers.glm.fit import SOLVERS, make_problem, result_of, solve
from ..solvers.glm.newton import Solution
from ..solvers.glm.options import NOTHING, Constraints, Options, check_offset
from ..solvers.ridge.options import bounds
from ..systems.blas import on_one_thread
from ._base import Estimator, as_scalar
from ._parameters import (
    AT_LEAST_0,
    BOOL,
    BOUND,
    COUNT,
    PENALTY_FACTOR,
    Parameter,
    Parameters,
    one_of,
)

if TYPE_CHECKING:
    from ..solvers.glm.result import GLMResult

RATIO = Parameter(
    lambda value: isinstance(value, Real) and 0 <= as_real(value) <= 1,
    "a number from 0 to 1",
    quick="type(v) is float and 0.0 <= v <= 1.0",
)
VERBOSE = Parameter(
    lambda value: (
        isinstance(value, (bool, np.bool_)) or (isinstance(value, Integral) and int(value) >= 0)
    ),
    "a bool, or an int of at least 0",
)


def solver_names(*theirs: str) -> Mapping[str, str]:
    """Return the solver for each name of `solver`: "auto" for scikit-learn's names `theirs`.

    Some of these are names of ours too, which do not take every penalty.
    """
    ours = {name: name for name in SOLVERS if name not in theirs}
    return {**dict.fromkeys(theirs, "auto"), **ours}


def request_setter(method: str, *names: str) -> Callable[..., Any]:
    """Return the method ``set_{method}_request`` of an estimator whose `method` takes `names`."""

    def setter(self: Any, **requests: Any) -> Any:
        unknown = sorted(set(requests) - set(names))
        if unknown:
            raise TypeError(
                f"set_{method}_request() got an unexpected keyword argument {unknown[0]!r}"
            )
        return _sklearn.request_metadata(self, method, **requests)

    kind = inspect.Parameter.KEYWORD_ONLY
    wanted = [
        inspect.Parameter(name, kind, default=_sklearn.UNCHANGED, annotation="bool | str | None")
        for name in names
    ]
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    # mypy does not know __signature__ of functions
    setter.__signature__ = inspect.Signature([own, *wanted])  # type: ignore[attr-defined]
    setter.__name__ = setter.__qualname__ = f"set_{method}_request"
    setter.__doc__ = _sklearn.request_doc(method, names)
    return setter


def jobs(n_jobs: int | None, scoring: Any) -> int | None:
    """Return the number of threads for the folds; None: as many as the kernels may use.

    A callable scorer may not be thread-safe: one thread, unless `n_jobs` is given.
    """
    if n_jobs is None and callable(scoring):
        return 1
    return n_jobs if n_jobs is not None and n_jobs > 0 else None


def warn_unsettled(unsettled: list[tuple[float, float]], tol: float) -> None:
    """Warn that folds did not reach their tolerance; unsettled: penalties and relative gaps."""
    alpha, worst = max(unsettled, key=lambda u: u[1])
    warnings.warn(
        f"for {len(unsettled)} penalties, the square root of the relative gap of a fold is above"
        f" tol={tol:g}; the largest, at alpha={alpha:.3g}, is {math.sqrt(worst):.2g}. Try a larger"
        " max_iter, a larger tol, or features of similar scales (standardize=True).",
        _sklearn.exception("ConvergenceWarning"),
        stacklevel=outside(),
    )


def check_one_target(y: Any, n: int) -> NDArray[np.float64]:
    """Check a target (n,); a column (n, 1) is flattened, with scikit-learn's warning."""
    target = check_target(y, n)
    if target.ndim == 1:
        return target
    if target.shape[1] != 1:
        raise ValueError(
            f"y has shape {target.shape}; expected (n_samples,): y should be a 1d array."
        )
    warnings.warn(
        "A column-vector y was passed when a 1d array was expected. Please change the shape of"
        " y to (n_samples,), for example using ravel().",
        _sklearn.exception("DataConversionWarning"),
        stacklevel=outside(),
    )
    return np.ascontiguousarray(target[:, 0])


# `cv` of estimators that choose their penalty
CV = Parameter(
    lambda value: not isinstance(value, str) or value == "loo",
    "an int, a splitter, 'loo' or None",
)


def every_row(n: int, groups: Any) -> list[Any]:
    """Return the split of approximate leave-one-out: all rows on both sides."""
    from ..model_selection._splits import Split

    if groups is not None:
        raise ValueError(
            "groups is given together with cv='loo', which leaves out single rows; expected an int"
            " or a splitter as cv."
        )
    return [Split(np.arange(n), np.arange(n), False)]


class StoredPredictor:
    """Base of models that return a stored linear predictor for one X, for scorers."""

    _seen: Any = None
    _eta: Any = None

    def _linear_predictor(self, X: Any, method: str) -> Any:
        if X is self._seen:
            return np.array(self._eta)
        return super()._linear_predictor(X, method)  # type: ignore[misc]


class BaseGLM(Estimator):
    """Parameters, checks and attributes shared by all generalised linear models."""

    l1_ratio: Any
    fit_intercept: bool
    solver: str
    max_iter: int
    tol: float
    warm_start: Any
    verbose: Any
    penalty_factor: Any
    standardize: bool
    lower: Any
    upper: Any
    positive: bool

    # the parameter that sets the strength of the penalty
    _strength_name: ClassVar[str] = "alpha"
    _solvers: ClassVar[Mapping[str, str]] = solver_names("lbfgs", "newton-cholesky")
    _parameters: ClassVar[Parameters] = {
        "l1_ratio": RATIO,
        "fit_intercept": BOOL,
        "solver": one_of(_solvers),
        "max_iter": COUNT,
        "tol": AT_LEAST_0,
        "warm_start": Parameter(
            lambda value: isinstance(value, (bool, np.bool_)) or is_sample(value),
            "a bool, or 'sample' for data in parts",
            quick="type(v) is bool",
        ),
        "verbose": VERBOSE,
        "penalty_factor": PENALTY_FACTOR,
        "standardize": BOOL,
        "lower": BOUND,
        "upper": BOUND,
        "positive": BOOL,
    }

    def _constraints(self, p: int) -> Constraints:
        """Return the checked penalty factors and bounds."""
        factor, lower, upper = self.penalty_factor, self.lower, self.upper
        if factor is None and lower is None and upper is None and not self.positive:
            return NOTHING
        low, high = bounds(lower, upper, self.positive, p)
        return Constraints(check_penalty_factor(factor, p), low, high)

    def _is_warm(self) -> bool:
        """Return whether a fit starts from the last one; refuse a sample of rows in one piece."""
        if is_sample(self.warm_start):
            self._refuse("warm_start", "a bool, as 'sample' is for data in parts")
        return bool(self.warm_start)

    def _options(self, l1_ratio: float) -> Options:
        return Options(
            l1_ratio,
            bool(self.fit_intercept),
            bool(self.standardize),
            self._solvers[self.solver],
            float(self.tol),
            as_limit(self.max_iter),
        )

    def _solve(
        self,
        A: Matrix,
        y: NDArray[np.float64],
        loss: Loss,
        alpha: float | None,
        l1_ratio: float,
        weight: NDArray[np.float64] | None,
        offset: NDArray[np.float64] | None,
        start: tuple[Any, float] | None,
        labels: Any = (0, 1),
    ) -> GLMResult:
        """Fit one linear predictor, and set the solver, the objective and its gaps.

        alpha: None for that of the largest evidence.
        """
        options, constraints = self._options(l1_ratio), self._constraints(A.shape[1])
        if alpha is None:
            from ..solvers.glm.evidence_search import choose_alpha

            problem = make_problem(A, y, loss, options, weight, constraints, offset)
            alpha, start = choose_alpha(problem, options, self._strength_name)
        result = solve(A, y, loss, alpha, options, weight, constraints, offset, start, labels)
        self._set_certificate(result)
        return result

    def _set_certificate(self, result: Any) -> None:
        self.solver_ = result.solver
        self.objective_ = as_scalar(result.objective)
        self.dual_gap_ = as_scalar(result.dual_gap)
        self.relative_gap_ = as_scalar(result.relative_gap)
        if self.verbose:
            print(
                f"{result.solver}: {result.n_iter} iterations, objective {result.objective:.6g},"
                f" relative gap {result.relative_gap:.3g}"
            )

    def _predictor(
        self, X: Any, method: str, offset: Any, exposure: Any = None
    ) -> NDArray[np.floating]:
        """Return the linear predictor, with an offset and an exposure."""
        eta = self._linear_predictor(X, method)
        known = check_offset(offset, exposure, self._loss, len(eta))
        return eta if known is None else eta + known

    def _result(
        self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None, exposure: Any = None
    ) -> GLMResult:
        """Rebuild the result of the fit from its data; overridden by each family."""
        raise NotImplementedError

    @on_one_thread
    def _restore(
        self,
        A: Matrix,
        y: NDArray[np.float64],
        loss: Loss,
        alpha: float,
        l1_ratio: float,
        weight: NDArray[np.float64] | None,
        offset: NDArray[np.float64] | None,
    ) -> GLMResult:
        """Rebuild the result of a fit of one linear predictor from its data."""
        self._require_objective()
        options, constraints = self._options(l1_ratio), self._constraints(A.shape[1])
        problem = make_problem(A, y, loss, options, weight, constraints, offset)
        problem.penalise(alpha, l1_ratio)
        intercept = float(np.ravel(self.intercept_)[0])
        state = problem.start(self._dense_coef().ravel(), intercept)
        found = Solution(state, float(self.dual_gap_), 0, self.solver_, True)
        return self._restored(result_of(problem, found))

    def _require_objective(self) -> None:
        if "objective_" not in self.__dict__:
            raise ValueError(
                f"this {type(self).__name__} holds means of the coefficients of folds, which"
                " minimise no objective; expected refit=True."
            )

    def _restored(self, result: GLMResult) -> GLMResult:
        # `predict` compares coefficients exactly; the objective shows whether data are the fit's
        result.coef = self._dense_coef().reshape(result.coef.shape)
        result.objective = float(self.objective_)
        return result

    def _dense_coef(self) -> NDArray[np.floating]:
        coef = self.coef_
        return coef if isinstance(coef, np.ndarray) else to_dense(coef, "coef_")

    def _check_posterior(self, posterior: Any) -> None:
        """Raise an error unless `posterior` is one of this model."""
        from ..solvers.glm.posterior import GLMPosterior
        from ..solvers.glm.softmax_laplace import MultinomialPosterior

        coef = self._dense_coef()
        several = coef.ndim == 2 and len(coef) > 1
        kind = MultinomialPosterior if several else GLMPosterior
        if not isinstance(posterior, (GLMPosterior, MultinomialPosterior)) or (
            isinstance(posterior, MultinomialPosterior) != several
        ):
            raise TypeError(
                f"posterior is a {type(posterior).__name__}; expected the {kind.__name__} that"
                " `posterior(X, y)` returned, or None."
            )
        if not np.array_equal(posterior.coef, coef if several else coef.ravel()):
            raise ValueError("posterior is that of a different fit; expected that of this model.")
