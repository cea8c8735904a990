"""The result of a fit of group penalties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass
class GroupRidgeResult:
    """Coefficients and penalties of k targets, p features and g groups.

    Attributes
    ----------
    coef : ndarray (k, p)
    intercept : ndarray (k,)
    alpha : ndarray (k, g)
        Penalties; infinite for groups that are out.
    noise_variance : ndarray (k,)
    dof : ndarray (k, g)
        Effective degrees of freedom.
    share : ndarray (k, g)
        Shares of the variance of y.
    log_evidence : ndarray (k,)
    relative_gradient : ndarray (k,)
    n_iter : ndarray (k,)
    converged : ndarray (k,)
    bounded : ndarray (k,)
        Whether the likelihood has no maximum, as y is fitted exactly.
    noiseless : ndarray (k,)
        Whether the likelihood is largest as the variance of the noise tends to 0.
    total : float
        Sum of the weights.
    solver : str
    alpha_error : ndarray (k, g)
        Relative standard errors of `alpha`; 0 where nothing is estimated.
    log_evidence_error : ndarray (k,)
        Standard errors of `log_evidence`.
    """

    coef: Array
    intercept: Array
    alpha: Array
    noise_variance: Array
    dof: Array
    share: Array
    log_evidence: Array
    relative_gradient: Array
    n_iter: NDArray[np.intp]
    converged: NDArray[np.bool_]
    bounded: NDArray[np.bool_]
    noiseless: NDArray[np.bool_]
    total: float
    solver: str
    alpha_error: Array
    log_evidence_error: Array
