"""Ridge regressions of data in parts: errors of rows that are left out.

Leave-one-out needs the rows again, once the moments of all are known: with G their Gram matrix, D
the penalty factors and D^-1/2 G D^-1/2 = V L V', a row of weight s has the coordinates
z = V' D^-1/2 (x - m), and

    h = s (1 / W + sum_j z_j^2 / (l_j + alpha)),    e = y - m_y - sum_j z_j t_j / (l_j + alpha),

with t = V' D^-1/2 X'S (y - m_y). Columns without a penalty are projected out first.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._cached import cached
from .._stack import outside
from ..data.check import check_finite, check_target
from ..data.parts import Part, Parts, Sum, row_count
from ..data.rows import take_rows
from ..model_selection._scores import right_rows
from ..model_selection._search import Search
from ..moments import Moments
from ..quadratic.sums import SumProblem
from ..systems import lapack
from .sums import (
    Targets,
    codes_of,
    design_of,
    labels_of,
    refuse_others,
    weights_of_rows,
    with_targets,
)

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_BLOCK = 500_000  # elements of rows' coordinates held at a time: they stay in the cache
_OWN = 1e-10  # 1 - h below which a row alone determines a coefficient
_LEAST = 1e-9  # eigenvalue plus penalty, over the largest, that sums of squares give to 1e-6


class Coordinates:
    """Coordinates of rows in which the penalised Gram matrix is diagonal.

    Attributes
    ----------
    turn : ndarray (p, q)
        Coordinates of x are (x - mean) @ turn; the first `n_free` have no penalty.
    values : ndarray (q - n_free,)
        Eigenvalues.
    projected : ndarray (q, k)
        Sums of the products of coordinates and centred targets.
    """

    def __init__(self, total: Moments, d: Array, fit_intercept: bool) -> None:
        problem = SumProblem(total, np.ones(1), d, fit_intercept)
        G, c = problem.gram(), problem.cross
        p = len(d)
        self.total, self.fit_intercept = total.total_weight, fit_intercept
        self.mean = total.mean if fit_intercept else np.zeros(p)
        self.y_mean = total.y_mean if fit_intercept else np.zeros(total.n_targets)
        alive = np.diagonal(G) > 0
        free, chosen = np.flatnonzero((d == 0) & alive), np.flatnonzero((d > 0) & alive)
        inverse = 1.0 / np.sqrt(d[chosen])
        first = np.zeros((p, 0))
        M, hidden = G[np.ix_(chosen, chosen)], 0.0
        turn = np.zeros((p, len(chosen)))
        turn[chosen] = np.diag(inverse)
        if len(free):
            size = 1.0 / np.sqrt(np.diagonal(G)[free])
            values, V = lapack.eigh(G[np.ix_(free, free)] * size * size[:, None])
            kept = values > len(free) * 16 * _EPS * values.max()
            first = np.zeros((p, int(kept.sum())))
            first[free] = size[:, None] * V[:, kept] / np.sqrt(values[kept])
            across = first.T @ G[:, chosen]
            hidden = float(np.abs(np.diagonal(M)).max(initial=0.0))
            M = M - across.T @ across
            turn -= first @ (across * inverse)
        M = M * inverse * inverse[:, None]
        values, V = lapack.eigh(M)
        self.largest = max(float(values.max(initial=0.0)), hidden)
        kept = values > 4 * p * _EPS * self.largest
        self.n_free, self.values = first.shape[1], values[kept]
        self.turn = np.hstack([first, turn @ V[:, kept]])
        self.projected = self.turn.T @ c

    def inverse(self, alphas: Array) -> Array:
        """Return the weights (m, q) of the coordinates."""
        m = len(alphas)
        return np.hstack([np.ones((m, self.n_free)), 1.0 / (self.values + alphas[:, None])])

    def dof(self, alphas: Array) -> Array:
        shares = self.values / (self.values + alphas[:, None])
        return np.asarray(shares.sum(axis=1) + self.n_free)

    def coef(self, alphas: Array) -> Array:
        """Return the coefficients (m, k, p)."""
        weights = self.inverse(alphas)
        return np.einsum("mq,qk,pq->mkp", weights, self.projected, self.turn, optimize=True)


class RowSums(Sum):
    """Sums over rows of their squared residuals x (m, k), or means of these over targets.

    Attributes
    ----------
    count : int
        Rows of positive weight.
    squares : ndarray (m, k)
        Sum of s e^2, e the residuals of the fit to all rows.
    error : ndarray (m, k)
        Sum of s x.
    moments : list of ndarray
        Sums of s^2, s^2 x and s^2 x^2; for generalised cross-validation of s, s x and s x^2.
    right : list of ndarray
        Sums of s and s^2 of the rows whose class is predicted right.
    null : ndarray (k,)
        Sum of s x of the model without features.
    """

    def __init__(self, count: int, values: list[Any]) -> None:
        self.count, self.values = count, values

    def add(self, other: RowSums) -> None:
        self.count += other.count
        self.values = [a + b for a, b in zip(self.values, other.values, strict=True)]


class LeftOutTask(NamedTuple):
    """Sums of the rows of a part.

    Attributes
    ----------
    targets : Targets or None
    at : Coordinates
    alphas : ndarray (m,)
    share : ndarray (m,) or None
        What residuals are divided by in generalised cross-validation; None: by 1 - h.
    per_target, accurate : bool
        A score for each target; an accuracy.
    """

    targets: Targets | None
    at: Coordinates
    alphas: Array
    share: Array | None
    per_target: bool
    accurate: bool

    def of(self, part: Part) -> RowSums | None:
        n = row_count(part.X)
        if n == 0:
            return None
        refuse_others(part, "offset", "exposure", "groups")
        code = None
        if self.targets is not None:
            code = codes_of(labels_of(part, n), self.targets.classes)
            part = with_targets(part, self.targets)
        A, Y = design_of(part), check_target(part.y, n).reshape(n, -1)
        weight = weights_of_rows(part, n)
        weight = np.ones(n) if weight is None else weight
        live = np.flatnonzero(weight > 0)
        at = self.at
        m, k, q = len(self.alphas), Y.shape[1], at.turn.shape[1]
        columns = k if self.per_target else 1
        out: list[Any] = [np.zeros((m, k)), np.zeros((m, k)), 0.0]
        out += [np.zeros((m, columns)), np.zeros((m, columns))]
        out += [np.zeros(m), np.zeros(m), np.zeros(k)]
        step = max(1, _BLOCK // max(q, m * k, 1))
        for start in range(0, len(live), step):
            rows = live[start : start + step]
            self._add(out, take_rows(A, rows), Y[rows], weight[rows], rows, code)
        if not np.isfinite(out[0]).all():
            # rows may have changed since they were checked
            check_finite(A)
        return RowSums(len(live), out)

    def _add(self, out: Any, A: Any, Y: Array, s: Array, rows: Any, code: Any) -> None:
        at, alphas = self.at, self.alphas
        m, k = len(alphas), Y.shape[1]
        Z = A.centered(at.mean).dot(np.asfortranarray(at.turn)).reshape(len(s), -1)
        inverse = at.inverse(alphas)
        weights = (inverse.T[:, :, None] * at.projected[:, None]).reshape(-1, m * k)
        e = (Y - at.y_mean)[:, None] - (Z @ weights).reshape(len(s), m, k)
        out[0] += (s @ (e * e).reshape(len(s), -1)).reshape(m, k)
        own = s / at.total if at.fit_intercept else np.zeros(len(s))
        if self.share is None:
            left = 1.0 - s[:, None] * (Z * Z) @ inverse.T - own[:, None]
            bad = np.argwhere(left <= _OWN)
            if len(bad):
                i, j = bad[0]
                raise ValueError(
                    f"row {rows[i]} alone determines a coefficient at alpha={alphas[j]:g}, so that"
                    " it cannot be left out of data in parts; expected larger penalties, cv='gcv'"
                    " or folds."
                )
            e /= left[:, :, None]
        else:
            e /= self.share[:, None]
        x = e * e
        out[1] += (s @ x.reshape(len(s), -1)).reshape(m, k)
        x = x if self.per_target else x.mean(axis=2, keepdims=True)
        v = s if self.share is not None else s * s
        out[2] += v.sum()
        flat = x.reshape(len(s), -1)
        out[3] += (v @ flat).reshape(m, -1)
        out[4] += (v @ (flat * flat)).reshape(m, -1)
        if self.accurate:
            predicted = Y[:, None] - e
            for j in range(m):
                right = right_rows(predicted[:, j], code[rows])
                out[5][j] += s @ right
                out[6][j] += v @ right
        alone = (Y - at.y_mean) / (1.0 - own[:, None])
        out[7] += s @ alone**2


def left_out_of(part: Part, task: LeftOutTask) -> RowSums | None:
    """Return the sums of a part."""
    return task.of(part)


class LeftOutSearch(Search):
    """Search by leave-one-out, with a second pass for each grid, or generalised cross-validation.

    The latter needs the rows again only for standard errors, or where moments cancel.

    Parameters
    ----------
    folds : MomentFolds
        Of a single fold: all rows.
    scoring : Scoring
    kind : {"loo", "gcv"}
    parts : Parts
    targets : Targets or None
    d : ndarray (p,)
        Penalty factors in units of X.
    with_errors : bool
        Whether standard errors of generalised cross-validation are used; NaN otherwise.
    """

    n_folds = 0
    folds: Any

    def __init__(
        self,
        folds: Any,
        scoring: Any,
        kind: str,
        parts: Parts,
        targets: Targets | None,
        d: Array,
        with_errors: bool,
    ) -> None:
        super().__init__(folds, scoring)
        self.kind, self.passes, self.targets = kind, parts, targets
        self.d, self.with_errors = d, with_errors
        total = self.total = folds.total
        self.spread = total.yy / total.total_weight

    @cached
    def at(self) -> Coordinates:
        return Coordinates(self.total, self.d, self.folds.options["fit_intercept"])

    def _evaluate(self, alphas: Any) -> dict[str, Any]:
        found = None
        if self.kind == "gcv" and not self.with_errors:
            found = self._generalised(alphas)
        return found or self._of_rows(alphas)

    def _null_generalised(self) -> Any:
        W, null = self.total.total_weight, self.folds.null_deviance()
        if not self.folds.options["fit_intercept"] or not W > 1:
            return null
        return null / (1.0 - 1.0 / W) ** 2

    def _generalised(self, alphas: Any) -> dict[str, Any] | None:
        """Return the columns from moments, without standard errors; None where these cancel."""
        path = self.folds.path(alphas)
        error = path.generalised()
        if error is None:
            return None
        score = self.scoring.from_errors(error, self.spread)
        return {
            "alpha": alphas,
            "train_error": path.residual / self.total.total_weight,
            "validation_error": error,
            "validation_error_se": np.full_like(score, np.nan),
            "score": score,
            "score_se": np.full_like(score, np.nan),
            "dof": path.dof[0],
            "dof_error": path.dof[1],
            "norm": self.folds.norm(path),
            "null": self._null_generalised(),
        }

    def _of_rows(self, alphas: Any) -> dict[str, Any]:
        at, total, scoring = self.at, self.total, self.scoring
        W, dof = total.total_weight, at.dof(alphas)
        least = at.values.min(initial=np.inf) + alphas.min()
        if least < _LEAST * at.largest:
            warnings.warn(
                f"left-out rows at alpha={alphas.min():g} need eigenvalues of {least:.2g} beside"
                f" {at.largest:.2g}, which the sums of data in parts do not give exactly; try"
                " larger penalties, standardize=True with folds, or folds.",
                _sklearn.exception("ConvergenceWarning"),
                stacklevel=outside(),
            )
        share = None
        if self.kind == "gcv":
            left = W - at.fit_intercept - dof
            share = np.where(left > 0, left, np.nan) / W
        task = LeftOutTask(
            self.targets, at, alphas, share, scoring.per_target, scoring.own_accuracy
        )
        found: RowSums = self.passes.sum(left_out_of, task)
        squares, error, v, vx, vxx, right, vright, null = found.values
        n = found.count
        if self.kind == "loo":
            self.n_folds = n
            if n < 2:
                raise ValueError(
                    f"X has {n} sample(s) of positive weight (n_samples={n}); expected at least 2"
                    " to leave one out."
                )
        error = error / W
        null = null / W
        if self.kind == "gcv":
            error = np.where(np.isnan(error), np.inf, error)
            mean = vx / v
            error_se = np.sqrt(np.maximum(vxx / v - mean**2, 0.0) / (W - 1.0))
            null = self._null_generalised()
        else:
            mean = error if scoring.per_target else error.mean(axis=1, keepdims=True)
            error_se = _spread(n, W, v, vx, vxx, mean)
        if scoring.own_accuracy:
            score = (right / W)[:, None]
            score_se = _spread(n, W, v, vright[:, None], vright[:, None], score)
        else:
            score = scoring.from_errors(error, self.spread)
            score_se = scoring.error_of(error_se, error, self.spread)
        return {
            "alpha": alphas,
            "train_error": squares / W,
            "validation_error": error,
            "validation_error_se": error_se,
            "score": score,
            "score_se": score_se,
            "dof": dof,
            "dof_error": np.zeros(len(alphas)),
            "norm": np.linalg.norm(at.coef(alphas), axis=2),
            "null": null,
        }


def _spread(n: int, W: float, v: Any, vx: Any, vxx: Any, mean: Any) -> Array:
    """Return sqrt(n / (n - 1) sum_i s_i^2 (x_i - mean)^2) / W from sums of s^2, s^2 x, s^2 x^2."""
    left = np.maximum(vxx - 2.0 * mean * vx + mean**2 * v, 0.0)
    return np.asarray(np.sqrt(n / (n - 1.0) * left) / W)
