"""The result of a generalised linear model: its numbers, and its certificate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class GLMResult:
    """Solution of a generalised linear model, and how exact it is.

    Attributes
    ----------
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
        Bound on how far the objective is from its minimum.
    relative_gap : float
        `dual_gap` over the mean loss of the null model above the least that any predictions give.
    deviance, null_deviance : float
        Sums over the samples of weight times unit deviance, at the solution and of the null model.
    total_weight : float
        Sum of the weights.
    dof : float
        Effective degrees of freedom, intercept included; see `dispersion`.
    loss : Loss
    converged : bool
        Whether sqrt(relative_gap) is within `tol`, or the gap is rounding.

    Examples
    --------
    >>> import fastridge
    >>> result = fastridge.glm([[0.0], [1.0], [2.0]], [1, 2, 4], "poisson", alpha=0.1)
    >>> type(result).__name__, result.converged
    ('GLMResult', True)
    """

    __slots__ = (
        "coef",
        "converged",
        "deviance",
        "dof",
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
    dof: float
    loss: Any
    converged: bool

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    @property
    def dispersion(self) -> float:
        """1 of losses without one, else the deviance over the residual degrees of freedom."""
        if not self.loss.n_dispersion:
            return 1.0
        left = self.total_weight - self.dof
        return float(self.deviance / left) if left > 0 else float("nan")

    @property
    def aic(self) -> float:
        """Akaike's criterion, but for a constant of y."""
        return self._criterion(2.0)

    @property
    def bic(self) -> float:
        """Schwarz' criterion, but for a constant of y."""
        return self._criterion(float(np.log(self.total_weight)))

    def _criterion(self, price: float) -> float:
        error = np.asarray(self.deviance / self.total_weight)
        value = float(self.loss.minus_twice_log_likelihood(error, self.total_weight))
        return value + price * (self.dof + self.loss.n_dispersion)
