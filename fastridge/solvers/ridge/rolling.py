"""Ridge regression on every window of a series, or of each series of a panel."""

from __future__ import annotations

import numbers as abc
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import _rolling, _sklearn
from ...data.check import (
    check_count,
    check_design,
    check_flags,
    check_penalty_factor,
    check_sample_weight,
    check_target,
    feature_names,
)
from ...data.inputs import as_array, is_sparse, numbers
from ...quadratic.range import exponents, largest
from .batch import solve_batch
from .result import ROUNDING

_LARGE = 512  # features from which on a factor costs so much more than sums that rows are as good
_LONG = 1024  # rows from which on a window of all rows so far is summed, not read again
_TOGETHER = 1 << 21  # elements of windows that are copied for a refit at a time
_NEAR = 100  # exponents of data whose sums of squares stay far inside the range of float64


class RollingRidgeResult:
    """Coefficients of all windows, and the predictions that they make one step ahead.

    Windows are in the order of the rows that they end at. Where a window has fewer rows than
    `min_samples`, its coefficients, and predictions by them, are NaN.

    Attributes
    ----------
    coef : ndarray of shape (n_windows, n_features)
        Coefficients, in the type of X.
    intercept : ndarray of shape (n_windows,)
        0 where none was fitted.
    row : ndarray of int64, shape (n_windows,)
        Row of X at which each window ends, which is its last.
    prediction : ndarray of shape (n_samples,)
        Prediction of y for each row, by the last window of its group that ended before it; NaN
        where there is none.
    alpha : ndarray of float64, shape (n_windows,)
        Penalty of each window: the one given, or the best of several by its past errors.
    prediction_error : ndarray of float64, shape (n_alphas,)
        Weighted mean squared error of the predictions with each penalty; NaN without predictions.
    relative_gradient : ndarray of float64, shape (n_windows,)
        Norms of the gradients at the solutions, from the sums of the windows, over those at zero
        coefficients; for float32 `X`, before solutions were rounded to float32.
    n_refits : int
        Fits, of windows with one penalty, whose sums do not determine the coefficients well and
        which were solved from their rows instead.
    converged : bool
        Whether every fit reached the tolerance asked for.
    feature_names : ndarray of object, shape (n_features,), or None
        Names of the columns of X where it is a data frame.

    Examples
    --------
    >>> import fastridge
    >>> X, y = [[1.0], [2.0], [3.0], [5.0]], [1.0, 2.0, 3.0, 5.0]
    >>> result = fastridge.rolling_ridge(X, y, window=3)
    >>> result.coef.round(3)
    array([[  nan],
           [  nan],
           [0.667],
           [0.824]])
    """

    __slots__ = (
        "alpha",
        "coef",
        "converged",
        "feature_names",
        "intercept",
        "n_refits",
        "prediction",
        "prediction_error",
        "relative_gradient",
        "row",
    )

    coef: NDArray[Any]
    intercept: NDArray[Any]
    row: NDArray[np.int64]
    prediction: NDArray[Any]
    alpha: NDArray[np.float64]
    prediction_error: NDArray[np.float64]
    relative_gradient: NDArray[np.float64]
    n_refits: int
    converged: bool
    feature_names: NDArray[np.object_] | None

    def __repr__(self) -> str:
        return (
            f"RollingRidgeResult(n_windows={len(self.row)}, converged={self.converged},"
            f" coef={self.coef!r}, intercept={self.intercept!r})"
        )


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
        Rows of a window, those of weight 0 included. None: all rows so far, which `expanding` or
        `half_life` must ask for.
    alpha : float or array-like of shape (n_alphas,), default=1.0
        Strength of the penalty, at least 0; 0 is least squares, of minimum norm where the columns
        are dependent. Of several, each window takes the one whose predictions, of the rows of that
        window by the fits before each, have the least squared error, weighted like its rows; the
        largest where there are none yet.
    step : int, default=1
        Windows end at every `step`-th row of a group: at its rows step - 1, 2 * step - 1, ...
    min_samples : int or None, default=None
        Rows of positive weight that a window needs for a fit. None: `window`, or without one
        n_features and 1 for the intercept.
    half_life : float or None, default=None
        Rows after which the weight of a row has halved; None: it stays.
    expanding : bool, default=False
        Let windows have all rows of the group so far.
    groups : array-like of shape (n_samples,), or None, default=None
        Label of each row's group. Every group has windows of its own, over its rows in the order
        in which they come; they may lie between each other.
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Non-negative weights: weight 2 is the row twice, but for the count of rows, and weight 0 is
        a gap.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor of each feature's penalty; 0 leaves it unpenalised.
    fit_intercept : bool, default=True
        Fit b, which is never penalised; otherwise b = 0.
    nan_policy : {"raise", "omit"}, default="raise"
        "omit": a row with NaN in X or y has weight 0. It keeps its place in the windows, and has a
        prediction where X is complete.
    tol : float, default=1e-6
        Bound on `relative_gradient`, beyond which a warning says so.

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

    See Also
    --------
    fastridge.ridge : One window.
    fastridge.Moments : Sums that are updated, and made to fade, by hand.

    Notes
    -----
    Sums gain rows and never lose any, so that no rounding is left of rows that have gone: rows are
    cut into blocks as long as the window, and a window is the end of one block, summed backwards,
    and the beginning of the next. Sums are about the means, of numbers less a row nearby. A window
    costs three more rows of sums and one Cholesky factor, p^3 / 6 multiplications. Where the factor
    shows that the coefficients are not well determined, the window is fitted from its rows, as
    `ridge_batch` does, which takes some 50 microseconds, and with dependent columns and an `alpha`
    of 0 a millisecond: a small `alpha` helps. Blocks are shared among threads.

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
    if nan_policy not in ("raise", "omit"):
        raise ValueError(f"nan_policy is {nan_policy!r}; expected 'raise' or 'omit'.")
    names = feature_names(X)
    X, y, incomplete = _without_nan(X, y, nan_policy == "omit")
    A = check_design(X)
    if A.is_sparse:
        raise TypeError("X is a frame of sparse columns; expected dense ones.")
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
    step = check_count("step", step)
    if min_samples is None:
        least = p + bool(fit_intercept) if length is None else length
    else:
        least = check_count("min_samples", min_samples)
        if length is not None and least > length:
            raise ValueError(f"min_samples is {least}; expected at most window, {length}.")
    if isinstance(tol, bool) or not isinstance(tol, (int, float, np.floating)) or not tol >= 0:
        raise ValueError(f"tol must be a non-negative number; got {tol!r}.")
    series = _Series.of(groups, n, step)
    problem = _Problem(
        np.require(A.arrays[0], requirements="C"),
        Y,
        weight,
        np.ones(p) if factor is None else factor,
        bool(fit_intercept),
        series,
        min(series.longest, series.longest if length is None else length),
        length is None,
        step,
        least,
        None if half_life is None else float(half_life),
        float(tol),
    )
    result = _fit(problem, alphas)
    result.feature_names = names
    if incomplete is not None:
        result.prediction[incomplete[0]] = np.nan
    if A.is_float32:
        for name in ("coef", "intercept", "prediction"):
            values = getattr(result, name)
            with np.errstate(over="ignore"):
                single = values.astype(np.float32)
            if (np.isinf(single) & np.isfinite(values)).any():
                raise ValueError(
                    f"y is too large: the {name} overflows float32, the type of X; expected numbers"
                    " of a smaller scale, or X of float64."
                )
            setattr(result, name, single)
    if not result.converged:
        warnings.warn(
            f"windows reached a relative gradient of {np.nanmax(result.relative_gradient):.2g} at"
            f" worst, where tol={tol:g} was asked for; what helps: a larger tol, a larger alpha, or"
            " columns on like scales.",
            _sklearn.exception("ConvergenceWarning"),
            stacklevel=2,
        )
    return result


def _without_nan(
    X: Any, y: Any, omit: bool
) -> tuple[Any, Any, tuple[NDArray[np.bool_], NDArray[np.bool_]] | None]:
    """X and y with rows of NaN set to 0, and which rows of X, and of both, had any."""
    if not omit:
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
    """Rows of a window; None: all so far."""
    if half_life is not None:
        if isinstance(half_life, bool) or not isinstance(half_life, abc.Real):
            raise TypeError(f"half_life is {half_life!r}; expected a positive number or None.")
        if not 0 < half_life < np.inf:
            raise ValueError(f"half_life is {half_life!r}; expected a positive number or None.")
    if window is not None:
        if expanding:
            raise ValueError(f"window is {window!r} beside expanding=True; expected one of them.")
        return check_count("window", window)
    if not expanding and half_life is None:
        raise ValueError("window is None; expected a number of rows, expanding=True or half_life.")
    return None


class _Series(NamedTuple):
    """Rows in the order of their groups, and where windows end."""

    order: NDArray[np.int64] | None  # row of each position; None: the position
    starts: NDArray[np.int64]  # positions where groups begin, and the end
    row: NDArray[np.int64]  # of each window's end
    window_of: NDArray[np.int64] | None  # of each row, or -1; None: the row
    longest: int

    @classmethod
    def of(cls, groups: Any, n: int, step: int) -> _Series:
        order = None
        starts = np.array([0, n], dtype=np.int64)
        if groups is not None:
            codes = _group_codes(groups, n)
            order = np.argsort(codes, kind="stable").astype(np.int64, copy=False)
            ordered = codes[order]
            changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
            starts = np.concatenate([[0], changes, [n]]).astype(np.int64, copy=False)
            if (order[1:] > order[:-1]).all():
                order = None
        longest = int(np.diff(starts).max())
        if step == 1:
            return cls(order, starts, np.arange(n, dtype=np.int64), None, longest)
        place = np.arange(n) - np.repeat(starts[:-1], np.diff(starts))
        ends = np.flatnonzero((place + 1) % step == 0)
        rows = np.sort(ends if order is None else order[ends]).astype(np.int64, copy=False)
        window_of = np.full(n, -1, dtype=np.int64)
        window_of[rows] = np.arange(len(rows))
        return cls(order, starts, rows, window_of, longest)


def _group_codes(groups: Any, n: int) -> NDArray[np.intp]:
    """Labels as numbers, one for each group."""
    try:
        labels = np.asarray(groups)
    except (TypeError, ValueError) as error:
        raise TypeError(f"groups cannot be read as an array of labels: {error}") from None
    if labels.shape != (n,):
        raise ValueError(f"groups has shape {labels.shape}; expected ({n},): a label for each row.")
    if labels.dtype.kind in "fcmM" and (labels != labels).any():
        raise ValueError("groups has NaN; expected a label for each row.")
    try:
        return np.unique(labels, return_inverse=True)[1].reshape(-1)
    except TypeError:
        raise TypeError(
            "groups has labels of types that do not compare, or None; expected labels of one type."
        ) from None


class _Problem(NamedTuple):
    """What has been through the door."""

    X: NDArray[Any]
    y: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    factor: NDArray[np.float64]
    fit_intercept: bool
    series: _Series
    window: int  # no longer than the longest group
    all_rows: bool
    step: int
    least: int
    half_life: float | None
    tol: float

    def decay(self) -> NDArray[np.float64] | None:
        """Weights of rows 0, 1, ... positions back, as many as kernels ask for."""
        if self.half_life is None:
            return None
        length = max(self.window, _rolling.BLOCK_ROWS, self.step) + 1
        with np.errstate(under="ignore"):
            return np.asarray(np.exp2(-np.arange(length) / self.half_life))


class _Fits:
    """Fits of all windows, with one penalty for each window or several for all."""

    def __init__(self, problem: _Problem, alpha: NDArray[np.float64], each: bool, predict: bool):
        self.problem, self.alpha, self.each = problem, alpha, each
        n, p = problem.X.shape
        m, k = len(problem.series.row), 1 if each else len(alpha)
        self.n_refits, self.refit_gradient = 0, 0.0
        if p > _LARGE or problem.step > problem.window:
            self._allocate(n, m, p, k, predict)
        else:
            self._sum(_scaled(problem, False), predict)
        self._refit()

    def _allocate(self, n: int, m: int, p: int, k: int, predict: bool) -> None:
        """All windows to be fitted from their rows."""
        self.coef, self.intercept = np.full((m, p), np.nan), np.full(m, np.nan)
        self.gradient = np.full(m, np.nan)
        self.prediction = np.full((n, k), np.nan) if predict else None
        enough = self._count() >= self.problem.least
        self.status = np.repeat(np.where(enough, 2, 0)[:, None], k, axis=1)

    def _count(self) -> NDArray[np.int64]:
        """Rows of positive weight in each window."""
        problem, series = self.problem, self.problem.series
        first, last = self._ends(np.arange(len(series.row)))
        ones = np.ones(len(problem.y)) if problem.weight is None else problem.weight > 0
        if series.order is not None:
            ones = ones[series.order]
        total = np.concatenate([[0], np.cumsum(ones)])
        return np.asarray(total[last + 1] - total[first])

    def _ends(self, windows: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of the first and the last row of windows."""
        series = self.problem.series
        last = series.row[windows]
        if series.order is not None:
            place = np.empty(len(series.order), dtype=np.int64)
            place[series.order] = np.arange(len(place))
            last = place[last]
        begin = series.starts[np.searchsorted(series.starts, last, "right") - 1]
        first = (
            begin if self.problem.all_rows else np.maximum(begin, last - self.problem.window + 1)
        )
        return first, last

    def _sum(self, scaled: _Scaled, predict: bool) -> None:
        """Let the kernel fit from sums, of scaled data where squares leave the range of float64."""
        problem = self.problem
        series = problem.series
        coef, intercept, gradient, prediction, status, flags = _rolling.rolling(
            scaled.X,
            scaled.y,
            scaled.weight,
            series.order,
            series.starts,
            series.window_of,
            len(series.row),
            scaled.factor,
            self.alpha,
            self.each,
            problem.fit_intercept,
            0 if problem.all_rows else problem.window,
            problem.step,
            problem.decay(),
            problem.least,
            predict,
        )
        if flags and not scaled.looked:
            again = _scaled(problem, True)
            if again.is_scaled:
                return self._sum(again, predict)
        if flags & 2:
            raise ValueError(
                "X is too large, weighted by sample_weight: windows have sums of squares beyond"
                " float64; expected numbers that can be squared."
            )
        if scaled.is_scaled:
            with np.errstate(over="ignore", under="ignore"):
                if coef is not None:
                    np.ldexp(coef, scaled.of_x - scaled.of_y, out=coef)
                    np.ldexp(intercept, -scaled.of_y, out=intercept)
                if prediction is not None:
                    np.ldexp(prediction, -scaled.of_y, out=prediction)
        self.coef, self.intercept, self.gradient = coef, intercept, gradient
        self.prediction, self.status = prediction, status
        return None

    def _refit(self) -> None:
        """Fit windows whose factor was not precise from their rows."""
        weak, which = np.nonzero(self.status == 2)
        if not len(weak):
            return
        self.n_refits = len(weak)
        first, last = self._ends(weak)
        alpha = self.alpha[weak] if self.each else self.alpha[which]
        if self.problem.all_rows:
            self._refit_long(weak, which, first, last, alpha)
            short = last - first < _LONG
            weak, which, first, last = weak[short], which[short], first[short], last[short]
            alpha = alpha[short]
        i = 0
        while i < len(weak):
            size = int((last[i : i + 4096] - first[i : i + 4096]).max()) + 1
            several = slice(i, i + max(1, min(4096, _TOGETHER // (size * self.problem.X.shape[1]))))
            self._refit_rows(
                weak[several], which[several], first[several], last[several], alpha[several]
            )
            i = several.stop

    def _refit_rows(self, weak, which, first, last, alpha) -> None:
        problem, order = self.problem, self.problem.series.order
        size = int((last - first).max()) + 1
        back = np.arange(size - 1, -1, -1)
        rows = last[:, None] - back
        outside = rows < first[:, None]
        rows = np.maximum(rows, first[:, None])
        if order is not None:
            rows = order[rows]
        weight = None
        if problem.weight is not None or problem.half_life is not None or outside.any():
            weight = np.ones(rows.shape) if problem.weight is None else problem.weight[rows]
            if problem.half_life is not None:
                with np.errstate(under="ignore"):
                    weight *= np.exp2(-back / problem.half_life)
            weight[outside] = 0.0
        found = solve_batch(
            np.asarray(problem.X[rows], np.float64),
            problem.y[rows],
            np.ascontiguousarray(alpha),
            weight,
            problem.factor,
            problem.fit_intercept,
            problem.tol,
        )
        self._set(weak, which, last, found.coef, found.intercept, found.relative_gradient)

    def _refit_long(self, weak, which, first, last, alpha) -> None:
        """Windows of all rows so far: by sums that gain the rows since the window before."""
        from ...moments import Moments
        from .fit import ridge

        problem, order = self.problem, self.problem.series.order
        moments, begin, end = None, -1, -1
        place = np.argsort(last, kind="stable")
        for i in place[(last - first >= _LONG)[place]]:
            if first[i] != begin:
                moments, begin, end = Moments(), first[i], first[i]
            if last[i] >= end:
                rows = np.arange(end, last[i] + 1)
                rows = rows if order is None else order[rows]
                weight = None if problem.weight is None else problem.weight[rows]
                if problem.half_life is not None:
                    with np.errstate(under="ignore"):
                        fade = np.exp2(-np.arange(len(rows) - 1, -1, -1) / problem.half_life)
                        weight = fade if weight is None else weight * fade
                        if moments.n_features:
                            moments.forget(float(np.exp2(-len(rows) / problem.half_life)))
                moments.update(problem.X[rows].astype(np.float64), problem.y[rows], weight)
                end = last[i] + 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = ridge(
                    moments,
                    alpha=float(alpha[i]),
                    penalty_factor=problem.factor,
                    fit_intercept=problem.fit_intercept,
                )
            one = slice(i, i + 1)
            self._set(
                weak[one],
                which[one],
                last[one],
                found.coef[None],
                np.array([found.intercept]),
                np.array([found.relative_gradient]),
            )

    def _set(self, weak, which, last, coef, intercept, gradient) -> None:
        """Take over fits, and predict the rows up to the next ones."""
        problem, order = self.problem, self.problem.series.order
        self.refit_gradient = max(self.refit_gradient, float(gradient.max()))
        if self.coef is not None and self.status.shape[1] == 1:
            self.coef[weak], self.intercept[weak], self.gradient[weak] = coef, intercept, gradient
        if self.prediction is None:
            return
        starts = problem.series.starts
        end = starts[np.searchsorted(starts, last, "right")]
        for ahead in range(1, problem.step + 1):
            there = last + ahead < end
            rows = last[there] + ahead
            rows = rows if order is None else order[rows]
            self.prediction[rows, which[there]] = intercept[there] + np.einsum(
                "ij,ij->i", problem.X[rows], coef[there], dtype=np.float64
            )


class _Scaled(NamedTuple):
    """Data times powers of two, which round nothing: x_j 2^of_x_j, y 2^of_y."""

    X: NDArray[Any]
    y: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    factor: NDArray[np.float64]
    of_x: NDArray[np.intp]
    of_y: int
    is_scaled: bool
    looked: bool


def _scaled(problem: _Problem, look: bool) -> _Scaled:
    """The data, brought near 1 where they are far from it; columns are looked at with `look`."""
    X, y, weight, factor = problem.X, problem.y, problem.weight, problem.factor
    p = X.shape[1]
    of_x = np.zeros(p, dtype=np.intp)
    if look:
        from ..._matrix import Matrix

        of_x = -exponents(largest(Matrix.from_dense(X), weight))
        of_x[np.abs(of_x) <= _NEAR] = 0
    of_y = -int(exponents(max(y.max(), -y.min())))
    of_y = 0 if abs(of_y) <= _NEAR else of_y
    of_w = 0 if weight is None else -int(exponents(weight.max()))
    of_w = 0 if abs(of_w) <= _NEAR else of_w
    if of_x.any():
        X = np.ldexp(X.astype(np.float64), of_x)
    if of_y:
        y = np.ldexp(y, of_y)
    if of_w and weight is not None:
        weight = np.ldexp(weight, of_w)
    if of_x.any() or of_w:
        with np.errstate(over="ignore", under="ignore"):
            # alpha' = 2^(2 a + c) alpha
            factor = np.minimum(np.ldexp(factor, 2 * of_x + of_w), 1e300)
    return _Scaled(X, y, weight, factor, of_x, of_y, bool(of_x.any() or of_y or of_w), look)


def _fit(problem: _Problem, alphas: NDArray[np.float64]) -> RollingRidgeResult:
    series = problem.series
    n, m = len(problem.y), len(series.row)
    result = RollingRidgeResult()
    result.row = series.row
    gradient = 0.0
    if len(alphas) == 1:
        fits = _Fits(problem, alphas, False, True)
        assert fits.prediction is not None
        prediction = fits.prediction
        result.prediction = prediction[:, 0]
        result.alpha = np.full(m, alphas[0])
        result.n_refits = fits.n_refits
    else:
        several = _Fits(problem, alphas, False, True)
        assert several.prediction is not None
        prediction = several.prediction
        chosen, before = _rolling.choose(
            prediction,
            problem.y,
            problem.weight,
            series.order,
            series.starts,
            series.window_of,
            m,
            0 if problem.all_rows else problem.window,
            problem.decay(),
            np.argsort(-alphas, kind="stable"),
        )
        result.alpha = alphas[chosen]
        fits = _Fits(problem, result.alpha, True, False)
        result.prediction = np.where(before >= 0, prediction[np.arange(n), before], np.nan)
        result.n_refits = several.n_refits + fits.n_refits
        gradient = several.refit_gradient
    result.prediction_error = _errors(prediction, problem.y, problem.weight)
    result.coef, result.intercept = fits.coef, fits.intercept
    result.relative_gradient = fits.gradient
    gradient = max(gradient, float(np.fmax.reduce(fits.gradient, initial=0.0)))
    result.converged = gradient <= max(problem.tol, ROUNDING)
    return result


def _errors(
    prediction: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Weighted mean squares of the errors of predictions (n, k) that there are."""
    there = np.flatnonzero(~np.isnan(prediction[:, 0]))
    s = np.ones(len(there)) if weight is None else weight[there]
    found = np.full(prediction.shape[1], np.nan)
    if not s.any():
        return found
    for a in range(len(found)):
        e = y[there] - prediction[there, a]
        found[a] = s @ (e * e) / s.sum()
    return found
