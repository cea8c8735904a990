"""Results of coordinate descent, with their certificates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._checks import held
from ...data.check import check_design
from ...data.predictions import LinearPredictions, dot_path
from ...losses import SQUARED


class ElasticNetResult(LinearPredictions):
    """Solution of an elastic net problem, and its accuracy.

    Attributes
    ----------
    coef : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients, in the type of X.
    intercept : float or ndarray of shape (n_targets,)
        0 where none was fitted.
    solver : str
        The solver that ran: "gram", "working" or "columns".
    n_iter : int or ndarray of int, shape (n_targets,)
        Epochs: rounds of sweeps, and Newton steps.
    dual_gap : float or ndarray of shape (n_targets,)
        Upper bound on how far the objective is from its minimum, in the objective's unit.
    relative_gap : float or ndarray of shape (n_targets,)
        `dual_gap` over the objective of the null model, sum_i s_i (y_i - mean)^2 / (2 sum_i s_i)
        (without an intercept the mean is 0): what `tol` bounds.
    objective : float or ndarray of shape (n_targets,)
        The objective at the solution.
    converged : bool
        Whether `tol` was reached.

    See Also
    --------
    lasso : Lasso as a function.
    elastic_net : Elastic net as a function.

    Examples
    --------
    >>> import fastridge
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
    >>> result = fastridge.elastic_net(X, y, alpha=0.25, l1_ratio=1.0)
    >>> result.coef.round(6), round(result.intercept, 6), result.converged
    (array([0.8]), 0.3, True)
    """

    __slots__ = (
        "coef",
        "converged",
        "dual_gap",
        "duals",
        "intercept",
        "n_iter",
        "objective",
        "relative_gap",
        "solver",
    )

    coef: NDArray[Any]
    intercept: Any
    solver: str
    n_iter: Any
    dual_gap: Any
    relative_gap: Any
    objective: Any
    converged: bool

    def __init__(
        self, coef, intercept, solver, n_iter, dual_gap, relative_gap, objective, converged=True
    ):
        self.coef = coef
        self.intercept = intercept
        self.solver = solver
        self.n_iter = n_iter
        self.dual_gap = dual_gap
        self.relative_gap = relative_gap
        self.objective = objective
        self.converged = converged

    def __repr__(self) -> str:
        return (
            f"ElasticNetResult(solver={self.solver!r}, n_iter={self.n_iter}, "
            f"relative_gap={self.relative_gap}, coef={self.coef!r}, intercept={self.intercept!r})"
        )


class ElasticNetPath:
    """Solutions for a sequence of penalties, each with its certificate.

    ``path[k]`` is the `ElasticNetResult` of penalty number k. Arrays have one entry per penalty.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        The fitted penalties, from large to small.
    coef : ndarray of shape (n_alphas, n_features)
        Coefficients, in the type of X; a new array at each access.
    sparse_coef : scipy.sparse.csr_array of shape (n_alphas, n_features)
        The coefficients as a sparse array; a new one at each access.
    intercept : ndarray of shape (n_alphas,)
        0 where none was fitted.
    dual_gap : ndarray of shape (n_alphas,)
        Upper bounds on how far each objective is from its minimum, in the objective's unit.
    relative_gap : ndarray of shape (n_alphas,)
        `dual_gap` over the objective of the null model: what `tol` bounds.
    objective : ndarray of shape (n_alphas,)
        Objectives.
    n_iter : ndarray of int, shape (n_alphas,)
        Epochs.
    dof : ndarray of int, shape (n_alphas,)
        Number of non-zero coefficients: for the lasso an unbiased estimate of the degrees of
        freedom (Zou, Hastie and Tibshirani, Annals of Statistics 35, 2007), with an L2 part an
        upper bound. The intercept is not counted.
    r2 : ndarray of shape (n_alphas,)
        Share of the (weighted) sum of squares about the mean that the fit explains.
    residual : ndarray of shape (n_alphas,)
        Weighted sum of squared residuals.
    n_samples : float
        Sum of the weights: the number of rows in the criteria.
    aic, bic : ndarray of shape (n_alphas,)
        n log(2 pi residual / n) + n + c q, the criteria of Akaike (c = 2) and Schwarz (c = log n),
        for q = dof + 1 parameters, plus one with an intercept.
    l1_ratio : float
        Share of the L1 part.
    fit_intercept : bool
        Whether an intercept was fitted.
    solver : str
        The solver that ran last: "gram", "working" or "columns".
    converged : ndarray of bool, shape (n_alphas,)
        Whether `tol` was reached.

    See Also
    --------
    elastic_net_path : Elastic nets for many penalties.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 5))
    >>> path = fastridge.elastic_net_path(X, X[:, 0] + 3.0, l1_ratio=1.0, n_alphas=10)
    >>> path.coef.shape, int(path.dof[0]), int(path.dof[1])
    ((10, 5), 0, 1)
    >>> path[3].converged, path.predict(X).shape
    (True, (10, 50))
    """

    __slots__ = (
        "_dtype",
        "_indices",
        "_n_features",
        "_values",
        "alphas",
        "converged",
        "dof",
        "dual_gap",
        "fit_intercept",
        "intercept",
        "l1_ratio",
        "n_iter",
        "n_samples",
        "objective",
        "r2",
        "relative_gap",
        "residual",
        "solver",
    )

    def __init__(self, n_features, dtype, l1_ratio, solver, steps, total, fit_intercept):
        self._n_features, self._dtype = n_features, np.dtype(dtype).name
        self.n_samples, self.fit_intercept = total, fit_intercept
        self.l1_ratio, self.solver = l1_ratio, solver
        self._indices = [s.indices for s in steps]
        self._values = [s.values for s in steps]
        self.alphas = np.array([s.alpha for s in steps], dtype=np.float64)
        self.intercept = np.array([s.intercept for s in steps], dtype=dtype)
        self.dual_gap = np.array([s.dual_gap for s in steps], dtype=np.float64)
        self.relative_gap = np.array([s.relative_gap for s in steps], dtype=np.float64)
        self.objective = np.array([s.objective for s in steps], dtype=np.float64)
        self.n_iter = np.array([s.n_iter for s in steps], dtype=np.intp)
        self.dof = np.array([len(s.indices) for s in steps], dtype=np.intp)
        self.r2 = np.array([s.r2 for s in steps], dtype=np.float64)
        self.residual = np.array([s.residual for s in steps], dtype=np.float64)
        self.converged = np.array([s.converged for s in steps], dtype=bool)

    def __len__(self) -> int:
        return len(self.alphas)

    def __getitem__(self, k: int) -> ElasticNetResult:
        coef = np.zeros(self._n_features, dtype=self._dtype)
        coef[self._indices[k]] = self._values[k]
        return ElasticNetResult(
            coef,
            self.intercept[k] if self._dtype == "float32" else float(self.intercept[k]),
            self.solver,
            int(self.n_iter[k]),
            float(self.dual_gap[k]),
            float(self.relative_gap[k]),
            float(self.objective[k]),
            bool(self.converged[k]),
        )

    @property
    def coef(self) -> NDArray[Any]:
        out = np.zeros((len(self), self._n_features), dtype=self._dtype)
        for row, indices, values in zip(out, self._indices, self._values, strict=True):
            row[indices] = values
        return out

    @property
    def sparse_coef(self) -> Any:
        from scipy.sparse import csr_array

        indptr = np.concatenate([[0], np.cumsum(self.dof)])
        values = np.concatenate([*self._values, np.zeros(0, dtype=self._dtype)])
        indices = np.concatenate([*self._indices, np.zeros(0, dtype=np.int32)])
        return csr_array((values, indices, indptr), (len(self), self._n_features))

    @property
    def aic(self) -> NDArray[np.float64]:
        return self._criterion(2.0)

    @property
    def bic(self) -> NDArray[np.float64]:
        return self._criterion(float(np.log(self.n_samples)))

    def _criterion(self, price: float) -> NDArray[np.float64]:
        n = self.n_samples
        fit = SQUARED.minus_twice_log_likelihood(self.residual / n, n)
        return fit + price * (self.dof + 1.0 + self.fit_intercept)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the predictions for every penalty.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of float64, shape (n_alphas, n_samples)

        Raises
        ------
        ValueError, TypeError
            If X is not such a matrix, or has another number of features.
        """
        A = check_design(X, n_features=self._n_features, caller="ElasticNetPath")
        out = dot_path(A, self._indices, self._values)
        return out.T + held(self.intercept)[:, np.newaxis]

    def __repr__(self) -> str:
        if not len(self):
            return "ElasticNetPath(no alphas)"
        return (
            f"ElasticNetPath({len(self)} alphas, {self.alphas[0]:.4g} to {self.alphas[-1]:.4g}, "
            f"l1_ratio={self.l1_ratio}, solver={self.solver!r}, "
            f"largest relative_gap={self.relative_gap.max():.2g})"
        )


class PathStep:
    """One solution of a path."""

    __slots__ = (
        "alpha",
        "converged",
        "dual_gap",
        "indices",
        "intercept",
        "n_iter",
        "objective",
        "r2",
        "relative_gap",
        "residual",
        "values",
    )
