"""Fits of all windows: by the kernel from sums, or from rows where sums are not accurate."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import _rolling
from ...moments import Moments
from ..ridge.batch import solve_batch
from ..ridge.moments import solve_moments
from ..ridge.result import ROUNDING
from .result import RollingRidgeResult
from .series import Problem, Scaled, faded, scaled
from .wide import fit_wide

_WIDE = 144  # features above which windows share factors of their common rows
_LONG = 1024  # number of rows from which expanding windows are refitted from running sums
_TOGETHER = 1 << 21  # elements of windows that are copied for a refit at a time


class Weak(NamedTuple):
    """Windows, each with one penalty, to be fitted from their rows."""

    window: NDArray[np.intp]
    penalty: NDArray[np.intp]  # column of the predictions
    first: NDArray[np.int64]  # positions of the first and the last row
    last: NDArray[np.int64]
    alpha: NDArray[np.float64]

    def part(self, chosen: Any) -> Weak:
        return Weak(*(values[chosen] for values in self))

    def longest(self) -> int:
        return int((self.last - self.first).max()) + 1


class Fits:
    """Fits of all windows, with one penalty for each window or several for all."""

    coef: Any  # (m, p); like the two below, None with several penalties
    intercept: Any
    gradient: Any

    def __init__(self, problem: Problem, alpha: NDArray[np.float64], each: bool, predict: bool):
        self.problem, self.alpha, self.each = problem, alpha, each
        n, p = problem.X.shape
        m, k = len(problem.series.row), 1 if each else len(alpha)
        self.n_refits, self.refit_gradient = 0, 0.0
        if problem.step > problem.window:
            self._allocate(n, m, p, k, predict)
        else:
            self._sum(scaled(problem, False), predict)
        self._refit()

    def _allocate(self, n: int, m: int, p: int, k: int, predict: bool) -> None:
        """Allocate results, and mark all windows to be fitted from their rows."""
        self.coef = self.intercept = self.gradient = None
        if k == 1:
            self.coef, self.intercept = np.full((m, p), np.nan), np.full(m, np.nan)
            self.gradient = np.full(m, np.nan)
        self.prediction = np.full((n, k), np.nan) if predict else None
        enough = self._count() >= self.problem.least
        self.status = np.repeat(np.where(enough, 2, 0)[:, None], k, axis=1)

    def _count(self) -> NDArray[np.int64]:
        """Return the number of rows of positive weight in each window."""
        problem, series = self.problem, self.problem.series
        first, last = self._ends(np.arange(len(series.row)))
        ones = np.ones(len(problem.y)) if problem.weight is None else problem.weight > 0
        if series.order is not None:
            ones = ones[series.order]
        total = np.concatenate([[0], np.cumsum(ones)])
        return np.asarray(total[last + 1] - total[first])

    def _ends(self, windows: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the positions of the first and the last row of windows."""
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

    def _sum(self, data: Scaled, predict: bool) -> None:
        """Fit from sums by the kernel; data whose squares leave the range of float64 are scaled."""
        problem = self.problem
        series = problem.series
        if problem.X.shape[1] > _WIDE:
            found = fit_wide(problem, data, self.alpha, self.each, self._count(), predict)
        else:
            found = _rolling.rolling(
                data.X,
                data.y,
                data.weight,
                series.order,
                series.starts,
                series.window_of,
                len(series.row),
                data.factor,
                self.alpha,
                self.each,
                problem.fit_intercept,
                0 if problem.all_rows else problem.window,
                problem.step,
                problem.decay(),
                problem.least,
                predict,
            )
        coef, intercept, gradient, prediction, status, flags = found
        if flags and not data.looked:
            again = scaled(problem, True)
            if again.is_scaled:
                return self._sum(again, predict)
        if flags & 2:
            raise ValueError(
                "X is too large, weighted by sample_weight: sums of squares of windows overflow"
                " float64; expected smaller numbers."
            )
        if data.is_scaled:
            with np.errstate(over="ignore", under="ignore"):
                if coef is not None and intercept is not None:
                    np.ldexp(coef, data.of_x - data.of_y, out=coef)
                    np.ldexp(intercept, -data.of_y, out=intercept)
                if prediction is not None:
                    np.ldexp(prediction, -data.of_y, out=prediction)
        self.coef, self.intercept, self.gradient = coef, intercept, gradient
        self.prediction, self.status = prediction, status
        return None

    def _refit(self) -> None:
        """Fit windows whose factor was not accurate from their rows."""
        window, penalty = np.nonzero(self.status == 2)
        if not len(window):
            return
        self.n_refits = len(window)
        alpha = self.alpha[window] if self.each else self.alpha[penalty]
        weak = Weak(window, penalty, *self._ends(window), alpha)
        if self.problem.all_rows:
            long = weak.last - weak.first >= _LONG
            self._refit_long(weak.part(long))
            weak = weak.part(~long)
        i = 0
        while i < len(weak.window):
            size = weak.part(slice(i, i + 4096)).longest()
            several = max(1, min(4096, _TOGETHER // (size * self.problem.X.shape[1])))
            self._refit_rows(weak.part(slice(i, i + several)))
            i += several

    def _refit_rows(self, weak: Weak) -> None:
        problem = self.problem
        back = np.arange(weak.longest() - 1, -1, -1)
        place = weak.last[:, None] - back
        outside = place < weak.first[:, None]
        rows = problem.series.rows(np.maximum(place, weak.first[:, None]))
        weight = None
        if problem.weight is not None or problem.half_life is not None or outside.any():
            weight = np.ones(rows.shape) if problem.weight is None else problem.weight[rows]
            if problem.half_life is not None:
                with np.errstate(under="ignore"):
                    weight *= faded(back, problem.half_life)
            weight[outside] = 0.0
        found = solve_batch(
            np.asarray(problem.X[rows], np.float64),
            problem.y[rows],
            np.ascontiguousarray(weak.alpha),
            weight,
            problem.factor,
            problem.fit_intercept,
            problem.tol,
        )
        self._set(weak, found.coef, found.intercept, found.relative_gradient)

    def _refit_long(self, weak: Weak) -> None:
        """Refit expanding windows by sums, to which the rows since the last window are added."""
        problem = self.problem
        moments, begin, end = Moments(), -1, -1
        for i in np.argsort(weak.last, kind="stable"):
            first, last = weak.first[i], weak.last[i]
            if first != begin:
                moments, begin, end = Moments(), first, first
            if last >= end:
                self._add_rows(moments, np.arange(end, last + 1))
                end = last + 1
            found = solve_moments(
                moments,
                float(weak.alpha[i]),
                penalty_factor=problem.factor,
                fit_intercept=problem.fit_intercept,
                single=False,
                warn=False,
            )
            one = weak.part(slice(i, i + 1))
            self._set(one, found.coef, found.intercept, found.relative_gradient)

    def _add_rows(self, moments: Moments, places: NDArray[np.int64]) -> None:
        problem, half_life = self.problem, self.problem.half_life
        rows = problem.series.rows(places)
        weight = None if problem.weight is None else problem.weight[rows]
        if half_life is not None:
            fade = faded(np.arange(len(rows) - 1, -1, -1), half_life)
            with np.errstate(under="ignore"):
                weight = fade if weight is None else weight * fade
            if moments.n_features:
                moments.forget(float(faded(len(rows), half_life)))
        moments.update(problem.X[rows].astype(np.float64), problem.y[rows], weight)

    def _set(self, weak: Weak, coef: Any, intercept: Any, gradient: Any) -> None:
        """Store fits, and predict the rows up to the next window's end."""
        problem, series = self.problem, self.problem.series
        self.refit_gradient = max(self.refit_gradient, float(gradient.max()))
        if self.coef is not None:
            self.coef[weak.window] = coef
            self.intercept[weak.window] = intercept
            self.gradient[weak.window] = gradient
        if self.prediction is None:
            return
        end = series.starts[np.searchsorted(series.starts, weak.last, "right")]
        for ahead in range(1, problem.step + 1):
            there = weak.last + ahead < end
            rows = series.rows(weak.last[there] + ahead)
            self.prediction[rows, weak.penalty[there]] = intercept[there] + np.einsum(
                "ij,ij->i", problem.X[rows], coef[there], dtype=np.float64
            )


def fit_windows(problem: Problem, alphas: NDArray[np.float64]) -> RollingRidgeResult:
    """Fit all windows; of several penalties, each uses the one with the best past predictions."""
    series = problem.series
    n, m = len(problem.y), len(series.row)
    result = RollingRidgeResult()
    result.row = series.row
    gradient = 0.0
    if len(alphas) == 1:
        fits = Fits(problem, alphas, False, True)
        assert fits.prediction is not None
        prediction = fits.prediction
        result.prediction = prediction[:, 0]
        result.alpha = np.full(m, alphas[0])
        result.n_refits = fits.n_refits
    else:
        several = Fits(problem, alphas, False, True)
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
        fits = Fits(problem, result.alpha, True, False)
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
    """Return weighted mean squared errors of the predictions (n, k) that are not NaN."""
    there = np.flatnonzero(~np.isnan(prediction[:, 0]))
    s = np.ones(len(there)) if weight is None else weight[there]
    found = np.full(prediction.shape[1], np.nan)
    if not s.any():
        return found
    for a in range(len(found)):
        e = y[there] - prediction[there, a]
        found[a] = s @ (e * e) / s.sum()
    return found
