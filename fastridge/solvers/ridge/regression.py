"""scikit-learn's function `ridge_regression`, with its arguments and return values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.inputs import is_moments
from ...data.parameters import check_flags

__all__ = ["ridge_regression"]

# solvers without iterations
_DIRECT = ("cholesky", "dual", "qr")


def ridge_regression(
    X: Any,
    y: Any,
    alpha: Any,
    *,
    sample_weight: Any = None,
    solver: str = "auto",
    max_iter: int | None = None,
    tol: float = 1e-4,
    verbose: int = 0,
    positive: bool = False,
    random_state: Any = None,
    return_n_iter: bool = False,
    return_intercept: bool = False,
    check_input: bool = True,
) -> Any:
    """Compute the coefficients of a ridge regression, as scikit-learn's function does.

    Minimises, over the coefficients w, and over the intercept b with `return_intercept`::

        sum_i s_i (y_i - b - x_i w)^2 + alpha * |w|^2

    with s = `sample_weight`, ones where None. As in scikit-learn b is 0 by default;
    `fastridge.ridge` fits one, and returns a certificate.

    Parameters
    ----------
    X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Values to predict.
    alpha : float or array-like of shape (n_targets,)
        Strength of the penalty, at least 0.
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Non-negative weights: weight 2 is the row twice.
    solver : str, default="auto"
        "auto", "cholesky", "dual", "cg" or "qr", as in `fastridge.ridge`; or a name of
        scikit-learn's, which runs the closest of these.
    max_iter : int or None, default=None
        Bound on the iterations.
    tol : float, default=1e-4
        Relative error allowed to an iterative solver, sqrt((F - min F) / F) with the objective F.
    verbose : int, default=0
        Accepted for compatibility.
    positive : bool, default=False
        Require w >= 0.
    random_state : int, numpy.random.RandomState or None, default=None
        Accepted for compatibility: no solver is random.
    return_n_iter : bool, default=False
        Return the numbers of iterations, too.
    return_intercept : bool, default=False
        Fit an intercept, for any `X` and `solver`, and return it, too.
    check_input : bool, default=True
        Accepted for compatibility: arguments are always checked.

    Returns
    -------
    coef : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients, in the type of `X`; the first shape for one target.
    n_iter : ndarray of int, shape (n_targets,), or None
        Iterations; None of a direct solver. Only with `return_n_iter`.
    intercept : float or ndarray of shape (n_targets,)
        b. Only with `return_intercept`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.

    Warns
    -----
    ConvergenceWarning
        If `tol` was not reached.

    See Also
    --------
    ridge : With an intercept and a certificate.

    Examples
    --------
    >>> from fastridge import ridge_regression
    >>> ridge_regression([[1.0], [2.0]], [1.0, 2.0], 5.0)
    array([0.5])
    """
    from .fit import ridge

    check_flags(
        return_n_iter=return_n_iter, return_intercept=return_intercept, check_input=check_input
    )
    if is_moments(X):
        raise TypeError("X is Moments; expected an array of data. Use fastridge.ridge for Moments.")
    found = ridge(
        X,
        y,
        alpha,
        sample_weight=sample_weight,
        solver=solver,
        max_iter=max_iter,
        tol=tol,
        positive=positive,
        fit_intercept=bool(return_intercept),
    )
    coef, intercept = found.coef, found.intercept
    if coef.ndim == 2 and len(coef) == 1:
        coef, intercept = coef[0], intercept[0]
    returned: list[Any] = [coef]
    if return_n_iter:
        direct = found.solver in _DIRECT
        returned.append(None if direct else np.atleast_1d(found.n_iter).astype(np.int32))
    if return_intercept:
        returned.append(np.asarray(intercept, dtype=coef.dtype)[()])
    return returned[0] if len(returned) == 1 else tuple(returned)
