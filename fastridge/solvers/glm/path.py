"""Generalised linear models for a sequence of penalties, with warm starts."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._checks import held
from ..._descriptions import describe_as
from ..._matrix import Matrix
from ..._progress import check_callback, reporter
from ..._stack import outside
from ...data.check import guarded
from ...data.parameters import LARGEST_INT, check_count
from ...data.predictions import dot_path
from ...losses import Loss, Multinomial
from ...systems.blas import on_one_thread_for
from ..descent.grid import end_of_grid
from ..descent.options import check_alphas, check_number, check_stop
from . import softmax
from .fit import check_arguments, glm, make_problem, result_of
from .options import NOTHING, Constraints, Options
from .path_run import PathRun
from .problem import Array, GLMProblem
from .result import GLMResult
from .softmax_path import SoftmaxPathRun
from .softmax_problem import SoftmaxProblem

__all__ = ["GLMPath", "glm_path"]


class GLMPath:
    """Generalised linear models for a sequence of penalties, each with its certificate.

    ``path[k]`` is the `GLMResult` of penalty number k. Arrays have one entry per penalty. For the
    loss "multinomial", coefficients, intercepts and predictions have one more axis, of the classes.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        The fitted penalties, from large to small.
    coef : ndarray of shape (n_alphas, n_features) or (n_alphas, n_classes, n_features)
        Coefficients, in the type of X; a new array at each access.
    sparse_coef : scipy.sparse.csr_array of shape (n_alphas, n_features) or \
(n_alphas * n_classes, n_features)
        The coefficients as a sparse array, with the classes of a penalty below each other; a new
        one at each access.
    intercept : ndarray of shape (n_alphas,) or (n_alphas, n_classes)
        0 where none was fitted.
    dual_gap : ndarray of shape (n_alphas,)
        Bounds on how far each objective is from its minimum, in the objective's unit.
    relative_gap : ndarray of shape (n_alphas,)
        `dual_gap` over the mean loss of the null model minus the least loss over all predictions.
    objective : ndarray of shape (n_alphas,)
        Objectives.
    deviance : ndarray of shape (n_alphas,)
        Sums over the samples of weight times unit deviance.
    null_deviance : float
        Deviance of the null model.
    explained : ndarray of shape (n_alphas,)
        Share of the null deviance that the fit explains.
    n_nonzero : ndarray of int, shape (n_alphas,)
        Number of coefficients that are not 0.
    n_iter : ndarray of int, shape (n_alphas,)
        Newton steps.
    dof : ndarray of shape (n_alphas,)
        Effective degrees of freedom, with the intercept, computed at first access: `GLMResult.dof`
        of each penalty. NaN in a copy or a loaded path, unless computed before.
    dof_error : ndarray of shape (n_alphas,)
        Standard errors of `dof`; 0 where it is exact.
    aic, bic : ndarray of shape (n_alphas,)
        Criteria of Akaike and Schwarz, up to a constant that depends on y only.
    l1_ratio : float
        Share of the L1 part.
    loss : Loss
    solver : str
        The solver that ran last.
    converged : ndarray of bool, shape (n_alphas,)
        Whether `tol` was reached.

    See Also
    --------
    glm_path : Generalised linear models for many penalties.
    GLMResult : Result of one generalised linear model.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> X = np.random.default_rng(0).standard_normal((50, 5))
    >>> path = fastridge.glm_path(X, np.heaviside(X[:, 0], 0), n_alphas=10)
    >>> path.coef.shape, int(path.n_nonzero[0]), int(path.n_nonzero[1])
    ((10, 5), 0, 1)
    >>> path[3].converged, path.predict(X).shape
    (True, (10, 50))
    """

    __slots__ = (
        "_dtype",
        "_indices",
        "_n_features",
        "_results",
        "_values",
        "alphas",
        "converged",
        "deviance",
        "dual_gap",
        "intercept",
        "l1_ratio",
        "loss",
        "n_iter",
        "n_nonzero",
        "null_deviance",
        "objective",
        "relative_gap",
        "solver",
    )

    def __init__(
        self,
        alphas: list[float],
        results: list[GLMResult],
        indices: list[NDArray[np.int64]],
        shape: tuple[int, ...],
        dtype: Any,
        l1_ratio: float,
        loss: Loss,
        null_deviance: float,
    ) -> None:
        # store only the non-zero coefficients of each result, by their places in the flat array
        self._results, self._indices = results, indices
        self._values = [r.coef for r in results]
        self._n_features, self._dtype = shape[-1], np.dtype(dtype)
        self.l1_ratio, self.loss, self.null_deviance = l1_ratio, loss, null_deviance
        self.solver = results[-1].solver if results else ""
        self.alphas = np.array(alphas, dtype=np.float64)
        for name in ("dual_gap", "relative_gap", "objective", "deviance"):
            setattr(self, name, np.array([getattr(r, name) for r in results], dtype=np.float64))
        intercept = np.array([r.intercept for r in results], dtype=self._dtype)
        self.intercept = intercept.reshape(len(results), *shape[:-1])
        self.n_iter = np.array([r.n_iter for r in results], dtype=np.intp)
        self.converged = np.array([r.converged for r in results], dtype=bool)
        self.n_nonzero = np.array([np.count_nonzero(v) for v in self._values], dtype=np.intp)

    def __len__(self) -> int:
        return len(self.alphas)

    @property
    def _shape(self) -> tuple[int, ...]:
        """Shape of the coefficients of a penalty."""
        return (*self.intercept.shape[1:], self._n_features)

    def __getitem__(self, k: int) -> GLMResult:
        own = self._results[k]
        result = copy.copy(own)
        result._fitted = own._fitted
        result.coef = np.zeros(self._shape, dtype=self._dtype)
        result.coef.flat[self._indices[k]] = self._values[k]
        return result

    def _each(self, name: str) -> NDArray[np.float64]:
        """Return an attribute that each result computes at first access."""
        out = np.empty(len(self))
        for k, own in enumerate(self._results):
            if own._dof is None:
                full = self[k]
                own._dof, own._dof_error = full.dof, full.dof_error
            out[k] = getattr(own, name)
        return out

    @property
    def dof(self) -> NDArray[np.float64]:
        return self._each("dof")

    @property
    def dof_error(self) -> NDArray[np.float64]:
        return self._each("dof_error")

    @property
    def aic(self) -> NDArray[np.float64]:
        return self._each("aic")

    @property
    def bic(self) -> NDArray[np.float64]:
        return self._each("bic")

    @property
    def explained(self) -> NDArray[np.float64]:
        null = self.null_deviance
        return 1.0 - self.deviance / null if null > 0 else np.zeros(len(self))

    @property
    def coef(self) -> NDArray[Any]:
        out = np.zeros((len(self), *self._shape), dtype=self._dtype)
        for one, indices, values in zip(out, self._indices, self._values, strict=True):
            one.flat[indices] = values
        return out

    @property
    def sparse_coef(self) -> Any:
        from scipy.sparse import csr_array

        # one row of all classes and features for each penalty
        size = int(np.prod(self._shape))
        indptr = np.concatenate([[0], np.cumsum([len(i) for i in self._indices], dtype=np.intp)])
        values = np.concatenate([*self._values, np.zeros(0, dtype=self._dtype)])
        indices = np.concatenate([*self._indices, np.zeros(0, dtype=np.int64)])
        whole = csr_array((values, indices, indptr), (len(self), size))
        if len(self._shape) == 1:
            return whole
        return whole.reshape(len(self) * self._shape[0], self._n_features).tocsr()

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the linear predictors for every penalty, without an offset.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of float64, shape (n_alphas, n_samples) or (n_alphas, n_samples, n_classes)

        Raises
        ------
        ValueError, TypeError
            If X is not such a matrix, or of another number of features.
        """
        from ...data.check import check_design

        intercept = held(self.intercept)
        A = check_design(X, n_features=self._n_features, caller="GLMPath")
        out = dot_path(A, self._indices, self._values, int(np.prod(self._shape[:-1]))).T
        out += intercept.reshape(-1, 1)
        if len(self._shape) == 1:
            return out
        return out.reshape(*intercept.shape, A.n_rows).swapaxes(1, 2)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the means for every penalty, without an offset; for "logistic", P(y = 1).

        For "multinomial" they are the probabilities of the classes.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of float64, shape (n_alphas, n_samples) or (n_alphas, n_samples, n_classes)

        Raises
        ------
        ValueError, TypeError
            If X is not such a matrix, or of another number of features.
        """
        return np.asarray(self.loss.inverse_link(self.decision_function(X)))

    def __repr__(self) -> str:
        if not len(self):
            return "GLMPath(no alphas)"
        return (
            f"GLMPath({len(self)} alphas, {self.alphas[0]:.4g} to {self.alphas[-1]:.4g}, "
            f"loss={self.loss.name!r}, l1_ratio={self.l1_ratio}, solver={self.solver!r}, "
            f"largest relative_gap={self.relative_gap.max():.2g})"
        )


@on_one_thread_for
def solve_path(
    A: Matrix,
    y: Array,
    loss: Loss,
    alphas: Array | None,
    options: Options,
    sample_weight: Array | None = None,
    constraints: Constraints = NOTHING,
    offset: Array | None = None,
    *,
    eps: float | None = None,
    n_alphas: int = 100,
    stop: Any = None,
    callback: Any = None,
) -> GLMPath:
    """Solve for each penalty, from large to small; see `glm_path`.

    alphas: None for the automatic grid.
    """
    problem: GLMProblem | SoftmaxProblem
    run: PathRun | SoftmaxPathRun
    shape: tuple[int, ...] = (A.n_columns,)
    if isinstance(loss, Multinomial):
        k = softmax.count_classes(loss, y)
        several, some = softmax.make_problem(A, y, k, options, sample_weight, constraints, offset)
        problem, run, shape = several, SoftmaxPathRun(several, options), (k, *shape)
    else:
        problem = make_problem(A, y, loss, options, sample_weight, constraints, offset)
        run = PathRun(problem, options)
    end = end_of_grid(eps, options.l1_ratio)
    values = run.alphas(end, n_alphas) if alphas is None else alphas
    callback, stop = guarded(callback, A), guarded(stop, A)
    done: list[float] = []
    results: list[GLMResult] = []
    indices: list[NDArray[np.int64]] = []
    null = max(2.0 * problem.total * (problem.null_loss - problem.least), 0.0)

    def solve(alpha: float) -> GLMResult:
        if isinstance(run, SoftmaxPathRun):
            return softmax.result_of(run.problem, run.solve(alpha), some, shape[0])
        return result_of(run.problem, run.solve(alpha))

    def finished() -> GLMPath:
        return GLMPath(
            list(done),
            list(results),
            list(indices),
            shape,
            A.dtype,
            options.l1_ratio,
            loss,
            null,
        )

    try:
        for alpha in values:
            result = solve(float(alpha))
            chosen = np.flatnonzero(result.coef)
            result.coef = result.coef.ravel()[chosen]
            done.append(float(alpha))
            results.append(result)
            indices.append(chosen)
            if callback is not None:
                callback(len(done), len(values))
            if stop is not None and stop(finished()):
                break
    except StopIteration:
        pass
    except BaseException as error:
        # attach the finished part to the exception
        error.path = finished()  # type: ignore[attr-defined]
        raise
    path = finished()
    if not path.converged.all():
        _warn_of(path, options)
    return path


def _warn_of(path: GLMPath, options: Options) -> None:
    from ... import _sklearn

    worst = int(np.where(path.converged, -np.inf, path.relative_gap).argmax())
    warnings.warn(
        f"{int((~path.converged).sum())} of {len(path)} penalties did not converge. The worst is"
        f" alpha={path.alphas[worst]:.3g}, whose fit stopped after {path.n_iter[worst]} iterations"
        f" with a relative gap of {path.relative_gap[worst]:.3g}, whose square root is above"
        f" tol={options.tol:g}; try a larger max_iter, features of similar scales, or larger"
        " alphas.",
        _sklearn.exception("ConvergenceWarning"),
        stacklevel=outside(),
    )


@describe_as(glm)
def glm_path(
    X: Any,
    y: Any,
    loss: Any = "logistic",
    *,
    l1_ratio: float = 1.0,
    eps: float | None = None,
    n_alphas: int = 100,
    alphas: Any = None,
    fit_intercept: bool = True,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    standardize: bool = False,
    offset: Any = None,
    exposure: Any = None,
    solver: str = "auto",
    tol: float = 1e-4,
    max_iter: int = 100,
    stop: Callable[[GLMPath], Any] | None = None,
    callback: Callable[[int, int], Any] | None = None,
    verbose: bool | int = False,
) -> GLMPath:
    """Fit a generalised linear model for a decreasing sequence of penalties.

    The objective is that of `glm`; each fit is warm-started from the one before.

    Parameters
    ----------
    X, y, loss
        As in `glm`.
    l1_ratio : float, default=1.0
        Share of the L1 part, from 0 (only L2) to 1 (only L1).
    eps : float or None, default=None
        Ratio of the last to the first penalty of the automatic grid. None: 1e-3, and 1e-6 for an
        `l1_ratio` below 1e-3, whose first penalty is far above those that predict best.
    n_alphas : int, default=100
        Number of penalties of the automatic grid. The first is the smallest that leaves all
        penalised coefficients at 0; where `l1_ratio` is below 1e-3 it is that of 1e-3.
    alphas : array-like, int or None, default=None
        Penalties, which are fitted from large to small; None: the automatic grid; an int: an
        automatic grid of that many penalties.
    fit_intercept, sample_weight, penalty_factor, lower, upper, standardize, offset, exposure
        As in `glm`.
    solver, tol
        As in `glm`.
    max_iter : int, default=100
        Largest number of Newton steps per penalty.
    stop : callable or None, default=None
        Called as stop(path) after each penalty, with the `GLMPath` so far; returning True ends the
        path, for example where a held-out error rises.
    callback : callable or None, default=None
        Called as callback(done, total) after each penalty. If it raises StopIteration, the path so
        far is returned. Any other exception, and Ctrl-C, propagates with the finished part of the
        path in its attribute `path`.
    verbose : bool or int, default=False
        Show a progress bar on standard error, with tqdm where installed.

    Returns
    -------
    GLMPath
        alphas, coef, intercept, dual_gap, relative_gap, objective, deviance, n_nonzero, n_iter.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.

    Warns
    -----
    ConvergenceWarning
        If `tol` was not reached for some penalty.

    See Also
    --------
    LogisticRegressionCV : Logistic regression that chooses its penalty.
    GLMCV : Generalised linear model that chooses its penalty.
    glm : Generalised linear model as a function.
    GLMPath : Result of a path of generalised linear models.

    References
    ----------
    J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized linear models
    via coordinate descent", Journal of Statistical Software 33, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 4))
    >>> y = rng.poisson(np.exp(X @ [0.5, 0.0, 0.0, -0.5]))
    >>> path = fastridge.glm_path(X, y, "poisson", n_alphas=20)
    >>> len(path), bool(path.relative_gap.max() <= 1e-8)
    (20, True)
    """
    if eps is not None:
        eps = check_number("eps", eps, 0.0, 1.0)
        if eps == 0:
            raise ValueError("eps is 0; expected a number above 0 and up to 1.")
    if isinstance(alphas, (int, np.integer)):
        alphas, n_alphas = None, check_count("alphas", alphas, LARGEST_INT)
    n_alphas = check_count("n_alphas", n_alphas, LARGEST_INT)
    check_callback(callback)
    check_stop(stop)
    A, target, found, weight, constraints, total, options = check_arguments(
        X,
        y,
        loss,
        l1_ratio,
        fit_intercept,
        sample_weight,
        penalty_factor,
        lower,
        upper,
        standardize,
        offset,
        exposure,
        solver,
        tol,
        max_iter,
    )
    return solve_path(
        A,
        target,
        found,
        None if alphas is None else check_alphas(alphas),
        options,
        weight,
        constraints,
        total,
        eps=eps,
        n_alphas=n_alphas,
        stop=stop,
        callback=reporter(callback, verbose, "penalties"),
    )
