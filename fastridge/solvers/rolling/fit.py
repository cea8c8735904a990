"""The function `rolling_ridge`: checks of its arguments."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _sklearn
from ..._stack import outside
from ...data.check import check_design, check_sample_weight, check_target, feature_names
from ...data.inputs import as_array, as_real, is_sparse, numbers
from ...data.parameters import (
    LARGEST_SIZE,
    check_flags,
    check_limit,
    check_penalty_factor,
    check_tolerance,
)
from ...data.rounding import to_float32
from .result import RollingRidgeResult
from .series import Problem, Series
from .windows import fit_windows


def rolling_ridge(
    X: Any,
    y: Any,
    *,
    window: int | None = None,
    alpha: Any = 1.0,
    step: int = 1,
    min_samples: int | None = None,
    half_life: float | None = None,
    expanding: bool = False,
    groups: Any = None,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    fit_intercept: bool = True,
    nan_policy: str = "raise",
    tol: float = 1e-6,
) -> RollingRidgeResult:
    """Fit a ridge regression to every window of rows, and predict the row after it.

    For the window that ends at row t, minimises over the coefficients w and the intercept b::

        sum_i s_i 2^(-(t - i) / half_life) (y_i - b - x_i w)^2 + alpha * sum_j f_j w_j^2

    over its rows i, t - window < i <= t, with s = `sample_weight` and f = `penalty_factor`, ones
    where None, as `ridge` does for one window.

    Parameters
    ----------
    X : array-like or data frame of shape (n_samples, n_features)
        Features, rows in the order of time. float32 and float64 in C order are used without a copy.
    y : array-like of shape (n_samples,)
        Values to predict.
    window : int or None, default=None
        Rows of a window, including rows of weight 0. None: all rows so far; this needs `expanding`
        or `half_life`.
    alpha : float or array-like of shape (n_alphas,), default=1.0
        Strength of the penalty, at least 0; 0 is least squares, of minimum norm where the columns
        are dependent. Of several, each window uses the one with the least mean squared error, under
        the weights of the window, of the one-step predictions of its rows; without predictions, the
        largest.
    step : int, default=1
        Windows end at every `step`-th row of a group: at its rows step - 1, 2 * step - 1, ...
    min_samples : int or None, default=None
        Rows of positive weight that a window needs for a fit. None: `window`; without a window,
        n_features, plus 1 for the intercept.
    half_life : float or None, default=None
        Number of rows after which the weight of a row halves; None: weights do not decay.
    expanding : bool, default=False
        Let windows have all rows of the group so far.
    groups : array-like of shape (n_samples,), or None, default=None
        Label of each row's group. Every group has its own windows, over its rows in their order;
        rows of different groups may alternate.
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Non-negative weights: weight 2 is the row twice, except in counts of rows, and weight 0 is a
        gap.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor of each feature's penalty; 0 leaves it unpenalised.
    fit_intercept : bool, default=True
        Fit b, which is never penalised; otherwise b = 0.
    nan_policy : {"raise", "omit"}, default="raise"
        "omit": a row with NaN in X or y has weight 0. It keeps its place in the windows, and has a
        prediction where X is complete.
    tol : float, default=1e-6
        Bound on `relative_gradient`, above which a warning is given.

    Returns
    -------
    RollingRidgeResult
        coef, intercept, row, prediction, alpha, prediction_error, relative_gradient, n_refits,
        converged, feature_names.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.

    Warns
    -----
    ConvergenceWarning
        If a window did not reach `tol`.
    UserWarning
        If no window has `min_samples` rows.

    See Also
    --------
    ridge : One window.
    Moments : Sums that are updated and discounted by hand.
    RollingRidgeResult : Result of ridge regressions in windows.

    Notes
    -----
    Rows are only added to sums, never subtracted, so that past rows leave no round-off: rows are
    cut into blocks as long as the window, and a window is the end of one block, summed backwards,
    plus the beginning of the next. Sums are centred, after subtracting a nearby row. A window costs
    three more rows of sums and one Cholesky factor, p^3 / 6 multiplications. With more than 144
    features, up to 33 consecutive windows share the factor of the rows common to all, and the other
    rows of each are added by the Sherman-Morrison-Woodbury formula: some 10 p^2 multiplications.
    Where the factor shows that the coefficients are ill-determined, the window is fitted from its
    rows, as `ridge_batch` does, which takes some 50 microseconds, or a millisecond for dependent
    columns with an `alpha` of 0: a small `alpha` helps. Blocks are distributed over threads.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample variance:
    analysis and recommendations", The American Statistician 37(3), 1983. K. Tangwongsan, M. Hirzel
    and S. Schneider, "Low-latency sliding-window aggregation in worst-case constant time", DEBS
    2017.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((500, 2))
    >>> slope = np.where(np.arange(500) < 250, 1.0, 3.0)
    >>> y = slope * X[:, 0] + 0.1 * rng.standard_normal(500)
    >>> result = fastridge.rolling_ridge(X, y, window=50, alpha=[0.01, 1.0])
    >>> result.coef[[200, 400], 0].round(1)
    array([1., 3.])
    >>> result.prediction.shape, int(np.isnan(result.prediction).sum())
    ((500,), 50)

    A panel, in which rows of two groups alternate:

    >>> fastridge.rolling_ridge(X, y, half_life=20.0, groups=np.arange(500) % 2).coef.shape
    (500, 2)
    """
    check_flags(expanding=expanding, fit_intercept=fit_intercept)
    if is_sparse(X):
        raise TypeError(f"X is a sparse {type(X).__name__}; expected a dense array: X.toarray().")
    if not isinstance(nan_policy, str) or nan_policy not in ("raise", "omit"):
        raise ValueError(f"nan_policy is {nan_policy!r}; expected 'raise' or 'omit'.")
    names = feature_names(X)
    X, y, incomplete = _without_nan(X, y, nan_policy == "omit")
    A = check_design(X)
    if A.is_sparse:
        raise TypeError("X is a data frame with sparse columns; expected dense columns.")
    n, p = A.shape
    Y = check_target(y, n)
    if Y.ndim == 2:
        if Y.shape[1] != 1:
            raise ValueError(f"y has shape {Y.shape}; expected ({n},): one target.")
        Y = np.ascontiguousarray(Y[:, 0])
    weight = check_sample_weight(sample_weight, n)
    if incomplete is not None and incomplete[1].any():
        weight = np.ones(n) if weight is None else weight.copy()
        weight[incomplete[1]] = 0.0
    alphas = _check_alphas(alpha)
    factor = check_penalty_factor(penalty_factor, p)
    length = _check_window(window, bool(expanding), half_life)
    # a step above n ends no window, whatever its size
    step = min(check_limit("step", step, LARGEST_SIZE), n + 1)
    if min_samples is None:
        least = p + bool(fit_intercept) if length is None else length
    else:
        least = check_limit("min_samples", min_samples, LARGEST_SIZE)
        if length is not None and least > length:
            raise ValueError(f"min_samples is {least}; expected at most window, {length}.")
    check_tolerance(tol)
    series = Series.of(groups, n, step)
    problem = Problem(
        X=np.require(A.arrays[0], requirements="C"),
        y=Y,
        weight=weight,
        factor=np.ones(p) if factor is None else factor,
        fit_intercept=bool(fit_intercept),
        series=series,
        window=series.longest if length is None else min(series.longest, length),
        all_rows=length is None,
        step=step,
        least=least,
        half_life=None if half_life is None else float(half_life),
        tol=float(tol),
    )
    result = fit_windows(problem, alphas)
    result.feature_names = names
    if incomplete is not None:
        result.prediction[incomplete[0]] = np.nan
    if A.is_float32:
        for name in ("coef", "intercept", "prediction"):
            setattr(result, name, to_float32(getattr(result, name), name))
    if n and not np.isfinite(result.intercept).any():
        warnings.warn(
            f"no window is fitted: none ends at a multiple of step={step} rows of its group with at"
            f" least min_samples={least} rows of positive weight; try a smaller min_samples, window"
            " or step.",
            UserWarning,
            stacklevel=outside(),
        )
    if not result.converged:
        warnings.warn(
            f"windows reached a relative gradient of {np.nanmax(result.relative_gradient):.2g} at"
            f" worst, above tol={tol:g}; try a larger tol, a larger alpha, or columns of similar"
            " scales.",
            _sklearn.exception("ConvergenceWarning"),
            stacklevel=outside(),
        )
    return result


def _without_nan(
    X: Any, y: Any, omit: bool
) -> tuple[Any, Any, tuple[NDArray[np.bool_], NDArray[np.bool_]] | None]:
    """Return X and y with rows of NaN set to 0, and masks of those rows of X, and of both."""
    if not omit or is_sparse(y):
        return X, y, None
    values, targets = numbers(as_array(X, "X"), "X"), numbers(as_array(y, "y"), "y")
    if is_sparse(values) or values.ndim != 2 or targets.shape[:1] != values.shape[:1]:
        return values, targets, None
    of_x = np.isnan(values).any(axis=1)
    of_both = of_x | np.isnan(targets).reshape(len(targets), -1).any(axis=1)
    if of_x.any():
        values = np.where(of_x[:, None], values.dtype.type(0), values)
    if of_both.any():
        targets = targets.copy()
        targets[of_both] = 0.0
    return values, targets, (of_x, of_both)


def _check_alphas(alpha: Any) -> NDArray[np.float64]:
    if alpha is None:
        raise TypeError("alpha is None; expected a non-negative number, or several.")
    values = np.array(numbers(as_array(alpha, "alpha"), "alpha"), np.float64)
    if values.ndim > 1 or not values.size:
        raise ValueError(f"alpha has shape {values.shape}; expected one number, or (n_alphas,).")
    if not ((values >= 0) & np.isfinite(values)).all():
        wrong = values[~((values >= 0) & np.isfinite(values))][0]
        raise ValueError(f"alpha holds {wrong:g}; expected finite numbers of at least 0.")
    return values.reshape(-1)


def _check_window(window: Any, expanding: bool, half_life: Any) -> int | None:
    """Return the rows of a window; None: all rows so far."""
    if half_life is not None:
        if isinstance(half_life, bool) or not isinstance(half_life, Real):
            raise TypeError(f"half_life is {half_life!r}; expected a positive number or None.")
        if not 0 < as_real(half_life) < np.inf:
            raise ValueError(f"half_life is {half_life!r}; expected a positive number or None.")
    if window is not None:
        if expanding:
            raise ValueError(
                f"window is {window!r}, but expanding is True; expected only one of them."
            )
        return check_limit("window", window, LARGEST_SIZE)
    if not expanding and half_life is None:
        raise ValueError("window is None; expected a number of rows, expanding=True or half_life.")
    return None
