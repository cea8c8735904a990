"""Fit all folds simultaneously for decreasing penalties, with shared passes over the rows.

Each row is left out of at most one fold. For few features the Hessians of all folds then come from
one weighted Gram matrix per part of the rows: that of a fold is the sum of the other parts. Its
weights are the folds' mean curvatures, which are close to those of each fold, and one pass over the
rows serves a step of all folds. Where that converges slowly, conjugate gradients with the factor as
preconditioner compute the step. For sparse data with many features the preconditioner is diagonal,
as in `newton_cg`, in float32 unless the scales of the columns differ too much. Where columns are so
many that vectors of them take longer than the data, folds are fitted one by one, by dual descent.

Each fold has its own gradient and certificate, as in `newton`. A fold whose step does not lower its
objective continues by itself, with `newton` or `newton_cg`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._dense import Cholesky
from ..._folds import MOST_FITS, FoldLanes, folds_pass
from ..._matrix import Matrix
from ...losses import Loss
from ...quadratic.range import suits_single
from ...systems.damped import damped_cholesky
from .ahead import reach_ahead
from .choose import choose_solver
from .dual_descent import suits
from .minimise import minimise
from .options import Options
from .problem import Array, GLMProblem, some_rows
from .search import ROUNDING, falls_enough

_LEAST = 1 << 17  # elements of X times folds below which sharing costs more than it saves
_MOST_BYTES = 1 << 28  # bound on the bytes that folds keep per row in all, unless X has half of it
_KEPT = 1 << 22  # stored elements up to which parts are kept, instead of copied in each step
# Ratio of consecutive decrements above which conjugate gradients correct the factor's step. A lower
# one costs products where another step would do; a higher one costs steps, passes over the rows.
_SLOW = 0.03
# Relative residual allowed to conjugate gradients: lower costs products, higher costs steps.
_FORCING = 0.03
_SURE = 0.3  # lower bound on that residual, as a share of the goal
_MOST_PRODUCTS = 300
_KEEP, _DAMPING = 1e-15, 1e-14
# Elements per column below which dual descent of each fold is faster than lanes of conjugate
# gradients: on text, 1.2 to 3 times with 2 to 10 of them, .75 times with 25.
_THIN = 16


def parts_of(splits: list[Any], n: int) -> NDArray[np.intp] | None:
    """Return the fold (n,) that leaves out each row, len(splits) for none.

    Return None where a row is left out twice, or is in neither part of a split.
    """
    part = np.full(n, len(splits), dtype=np.intp)
    for i, split in enumerate(splits):
        if (part[split.test] != len(splits)).any():
            return None
        part[split.test] = i
    for i, split in enumerate(splits):
        times = np.bincount(split.train, minlength=n)
        if (times != (part != i)).any():
            return None
    return part


class Fit(NamedTuple):
    """One fold's solution for one penalty."""

    gap: float
    n_iter: int
    converged: bool


class _Model:
    """Sums over a fold's rows for a step: A'HA (p, p) or its diagonal (p,), A'h and sum h."""

    def __init__(self, gram: Array, border: Array, total: float) -> None:
        self.gram, self.border, self.total = gram, border, total
        self.factor: Cholesky | None = None

    def penalise(self, l2: Array) -> None:
        diagonal = np.maximum(np.diagonal(self.gram), 0.0) + l2
        self.factor = damped_cholesky(self.gram, diagonal, _KEEP, _DAMPING)


class FoldsTogether:
    """The states of several folds of one data set.

    Parameters
    ----------
    problems : list of GLMProblem
        At most MOST_FITS, of the same rows with different weights.
    part : ndarray of int (n,)
        The fold that leaves out each row; other numbers: none.
    options : Options
    direct : bool
        Form Gram matrices.

    Attributes
    ----------
    u, b : ndarray (k, p) and (k,)
    eta : ndarray (k, n) or more rows
    """

    def __init__(
        self,
        problems: list[GLMProblem],
        part: NDArray[np.intp],
        options: Options,
        direct: bool,
    ) -> None:
        first = problems[0]
        self.problems, self.options, self.direct = problems, options, direct
        self.intercept = first.fit_intercept
        k, n, p = len(problems), first.n, first.p
        self.k, self.fits = k, np.arange(k, dtype=np.int32)
        self.weight = np.stack([q.weight for q in problems])
        near = first.by_rows
        for f, q in enumerate(problems):
            q.weight, q._by_rows = self.weight[f], near
        shift = first.A.shift
        self.base = first.rows.near.centered(shift) if near is None else near
        centre = np.zeros(p) if shift is None or near is not None else shift
        self.scale = np.stack([np.ones(p) if q.A.scale is None else q.A.scale for q in problems])
        shifts = [np.zeros(p) if q.A.shift is None else q.A.shift for q in problems]
        self.beside = np.stack(shifts) - centre  # means relative to those of the base
        self.total = np.array([q.total for q in problems])
        self.goal = np.array([options.tol**2 * q.null_objective for q in problems])
        self.l2 = np.zeros((k, p))
        self.u, self.b = np.zeros((k, p)), np.array([q.null_intercept for q in problems])
        # products by lanes take vectors for MOST_FITS fits
        room = k if direct else MOST_FITS
        self.eta, self.r, self.h = (np.zeros((room, n)) for _ in range(3))
        self.gradient, self.border = np.empty((k, p)), np.empty((k, p))
        self.sums = np.empty((k, 3))
        self.g, self.d, self.move = np.empty((k, p)), np.zeros((k, p)), np.zeros(k)
        self.shift, self.slope = np.zeros(k), np.zeros(k)
        self.rate = np.zeros(k)  # ratio of decrements of the last step by a factor
        self.models: list[_Model] = []
        self._lanes: FoldLanes | None = None
        self._buffers: list[NDArray[Any]] = []
        own = (part >= 0) & (part < k)
        self._shares = np.where(own, k - 1.0, float(k))
        self._rows = [np.flatnonzero(part == f) for f in range(k)]
        self._rows.append(np.flatnonzero(~own))
        self._parts: dict[int, Matrix] = {}
        self._past: list[tuple[Array, Array, Array]] = []
        self.take(self.fits)

    def take(self, fits: Any) -> None:
        """Compute loss, derivatives and sums of some fits at their coefficients."""
        fits = np.asarray(fits, dtype=np.int32)
        if not len(fits):
            return
        first, k = self.problems[0], self.k
        v = self.scale * self.u
        folds_pass(
            self.base,
            first.loss.kernel,
            first.loss.parameter,
            first.y,
            first.offset,
            fits,
            self.weight,
            v,
            self.b - np.einsum("kj,kj->k", self.beside, v),
            self.eta[:k],
            self.r[:k],
            self.h[:k],
            self.gradient if self.direct else None,
            self.border if self.direct else None,
            self.sums,
        )
        for values, out, place in ((self.r, self.gradient, 1), (self.h, self.border, 2)):
            if not self.direct:
                out[fits] = self.base.tdot(values.T).T[fits]
            for f in fits:
                # sums are about the base
                out[f] -= self.beside[f] * self.sums[f, place]
                out[f] *= self.scale[f]

    def state(self, f: int) -> tuple[float, float]:
        """Return loss and penalty."""
        return float(self.sums[f, 0]), self.problems[f].penalty(self.u[f])

    def refresh(self) -> None:
        """Recompute the models at the current curvatures."""
        curve = np.einsum("k,ki->i", self.total, self.h[: self.k])
        curve /= self._shares
        np.maximum(curve, 0.0, out=curve)
        if not self.direct:
            variance = self.base.column_stats(curve)[1] * curve.sum()
            self.models = [
                _Model(variance / self.total[f], self.border[f], float(self.sums[f, 2]))
                for f in range(self.k)
            ]
            return
        grams: list[Any] = []
        borders: list[Any] = []
        totals: list[float] = []
        for f, rows in enumerate(self._rows):
            weight = curve[rows]
            grams.append(self._part(f).gram(weight) if len(rows) else 0.0)
            borders.append(self._part(f).tdot(weight) if len(rows) else 0.0)
            totals.append(float(weight.sum()))
        gram, border, total = sum(grams), sum(borders), sum(totals)
        self.models = []
        for f in range(self.k):
            share, scale = 1.0 / self.total[f], self.scale[f]
            G, x, t = gram - grams[f], (border - borders[f]) * share, (total - totals[f]) * share
            G *= share
            if self.intercept and t > 0:
                G -= np.multiply.outer(x, x / t)
            if self.problems[f].A.scale is not None:
                G *= scale
                G *= scale[:, None]
            self.models.append(_Model(G, scale * (x - self.beside[f] * t), t))

    def _part(self, f: int) -> Matrix:
        """Return a copy of the rows of a part."""
        if f in self._parts:
            return self._parts[f]
        A = some_rows(self.base, self._rows[f])
        if not self.base.is_sparse:
            A = A.centered(self.base.shift)
        if self.base.nnz <= _KEPT:
            self._parts[f] = A
        return A

    def gap(self, f: int) -> float:
        """Return the duality gap, by the bound of `newton`; set the gradient, with the intercept
        projected out."""
        q = self.problems[f]
        of_r, of_h = self.sums[f, 1], self.sums[f, 2]
        self.g[f] = self.gradient[f] + self.l2[f] * self.u[f]
        self.shift[f] = 0.0
        if self.intercept:
            if not of_h > 0:
                return math.inf
            self.shift[f] = of_r / of_h
            self.g[f] -= self.border[f] * self.shift[f]
        shift = self.shift[f]
        gap = 0.5 * float((self.g[f] ** 2 / self.l2[f]).sum())
        gap += 0.5 * of_r * shift * (1.0 + abs(shift))
        if gap <= self.goal[f] and not q.is_near(self.eta[f], -shift):
            return math.inf
        return gap

    def _aim(self, f: int) -> None:
        """Compute the step of a fit by the current factor."""
        model = self.models[f]
        if model.factor is None:
            model.penalise(self.l2[f])
        shift = self.sums[f, 1] / model.total if self.intercept and model.total > 0 else 0.0
        g = self.gradient[f] + self.l2[f] * self.u[f] - model.border * shift
        self.d[f] = 0.0 if model.factor is None else model.factor.solve(-g)
        self.move[f] = -shift
        if self.intercept and model.total > 0:
            self.move[f] -= float(model.border @ self.d[f]) / model.total
        self.slope[f] = float(g @ self.d[f]) - self.sums[f, 1] * shift

    def _take_step(self, f: int, d: Array) -> None:
        """Set the step of the coefficients, d, and the corresponding one of the intercept."""
        of_h = self.sums[f, 2]
        self.d[f], self.move[f] = d, -self.shift[f]
        if self.intercept and of_h > 0:
            self.move[f] -= float(self.border[f] @ d) / of_h
        self.slope[f] = float(self.g[f] @ d) - self.sums[f, 1] * self.shift[f]

    def _product(self, fits: list[int], v: Array) -> Array:
        """Return A'HA of some fits, centred under h, times vectors (len(fits), p)."""
        scaled = self.scale[fits] * v
        move = np.einsum("kj,kj->k", self.beside[fits], scaled)
        if self.intercept:
            move += np.einsum("kj,kj->k", self.border[fits], v) / self.sums[fits, 2]
        t = self.base.dot(np.asfortranarray(scaled.T)).T
        t -= move[:, None]
        t *= self.h[fits]
        out = self.base.tdot(np.asfortranarray(t.T)).T
        out -= self.beside[fits] * t.sum(axis=1)[:, None]
        out *= self.scale[fits]
        return out

    def _correct(self, fits: list[int]) -> None:
        """Compute steps of some fits by conjugate gradients preconditioned by their factors."""
        l2 = self.l2[fits]
        r = -self.g[fits]
        d = np.zeros_like(r)
        z = self._precondition(fits, r)
        v = z.copy()
        rz = np.einsum("kj,kj->k", r, z)
        left = 0.5 * np.einsum("kj,kj->k", r, r / l2)
        enough = np.maximum(_FORCING**2 * left, _SURE * self.goal[fits])
        live = np.arange(len(fits))
        for _ in range(_MOST_PRODUCTS):
            some = [fits[i] for i in live]
            q = self._product(some, v[live]) + l2[live] * v[live]
            curve = np.einsum("kj,kj->k", v[live], q)
            step = np.divide(rz[live], curve, out=np.zeros(len(live)), where=curve > 0)
            d[live] += step[:, None] * v[live]
            r[live] -= step[:, None] * q
            left = 0.5 * np.einsum("kj,kj->k", r[live], r[live] / l2[live])
            live = live[(left > enough[live]) & (curve > 0)]
            if not len(live):
                break
            z = self._precondition([fits[i] for i in live], r[live])
            now = np.einsum("kj,kj->k", r[live], z)
            v[live] = z + (now / rz[live])[:, None] * v[live]
            rz[live] = now
        for i, f in enumerate(fits):
            self._take_step(f, d[i])

    def _precondition(self, fits: list[int], r: Array) -> Array:
        z = np.empty_like(r)
        for i, f in enumerate(fits):
            factor = self.models[f].factor
            z[i] = r[i] / self.l2[f] if factor is None else factor.solve(r[i].copy())
        return z

    def _open_lanes(self) -> FoldLanes:
        first = self.problems[0]
        squares = self.base.column_stats(self.weight.mean(axis=0))[1]
        single = suits_single(squares)
        self._buffers = [
            np.zeros((m, MOST_FITS), np.float32 if single else np.float64)
            for m in (first.n, *[first.p] * 4)
        ]
        self._lanes = FoldLanes(self.base, first.factor, single)
        return self._lanes

    def _correct_lanes(self, fits: list[int]) -> None:
        """Compute steps of some fits to sparse data, with diagonal preconditioners."""
        lanes = self._lanes or self._open_lanes()
        curve, about, inverse, R, D = self._buffers
        alpha = np.zeros(MOST_FITS)
        D[:] = 0.0
        R[:] = 0.0
        for f in fits:
            alpha[f] = self.problems[f].alpha
            curve[:, f] = self.h[f]
            if self.intercept:
                about[:, f] = self.beside[f] + self.border[f] / self.sums[f, 2]
            inverse[:, f] = 1.0 / (self.models[f].gram + self.l2[f])
            R[:, f] = -self.g[f]
        live = alpha > 0
        half = np.divide(1.0, alpha, out=np.zeros(MOST_FITS), where=live)
        rz, left = lanes.begin(alpha, curve, about, inverse, R, D)
        goal = np.zeros(MOST_FITS)
        goal[: self.k] = self.goal
        enough = np.maximum(_FORCING**2 * left * half, _SURE * goal)
        beta = np.zeros(MOST_FITS)
        for _ in range(_MOST_PRODUCTS):
            bend = lanes.turn(beta)
            live &= bend > 0
            step = np.divide(rz, bend, out=np.zeros(MOST_FITS), where=live)
            now, left = lanes.step(step)
            live &= left * half > enough
            if not live.any():
                break
            beta = np.divide(now, rz, out=np.zeros(MOST_FITS), where=live)
            rz = now
        for f in fits:
            self._take_step(f, D[:, f].astype(np.float64))

    def solve(self, alphas: Array) -> list[Fit]:
        """Return the solutions for the next penalties (k,), warm-started from the last ones."""
        k, problems, most = self.k, self.problems, self.options.max_iter
        for f, q in enumerate(problems):
            q.penalise(float(alphas[f]), 0.0)
            self.l2[f] = q.l2
        self._go_ahead(alphas)
        found = [Fit(math.inf, 0, False)] * k
        active = list(range(k))
        gap = np.zeros(k)
        n_iter = 0
        is_fresh = False
        while True:
            for f in list(active):
                gap[f] = self.gap(f)
                size = abs(self.sums[f, 0]) + problems[f].penalty(self.u[f])
                met = gap[f] <= self.goal[f] or gap[f] <= ROUNDING * size
                if met or n_iter >= most:
                    found[f] = Fit(float(gap[f]), n_iter, bool(met))
                    active.remove(f)
            if not active:
                break
            if not is_fresh:
                self.refresh()
                is_fresh = True
            for f in active:
                if self.direct:
                    self._aim(f)
            slow = [f for f in active if not self.direct or self.rate[f] > _SLOW]
            if slow:
                (self._correct if self.direct else self._correct_lanes)(slow)
            u, b, slope = self.u.copy(), self.b.copy(), self.slope.copy()
            before = {f: sum(self.state(f)) for f in active}
            for f in active:
                self.u[f] += self.d[f]
                self.b[f] += self.move[f]
            self.take(active)
            n_iter += 1
            for f in list(active):
                if self._is_less(f, before[f], slope[f]):
                    if f not in slow and slope[f] < 0:
                        self._aim(f)
                        self.rate[f] = self.slope[f] / slope[f]
                    continue
                self.u[f], self.b[f] = u[f], b[f]
                found[f] = self._alone(f, n_iter - 1)
                active.remove(f)
        self._past = [*self._past[-1:], (np.array(alphas), self.u.copy(), self.b.copy())]
        return found

    def _is_less(self, f: int, objective: float, slope: float) -> bool:
        loss, penalty = self.state(f)
        return falls_enough(objective - (loss + penalty), slope, abs(loss) + penalty)

    def _go_ahead(self, alphas: Array) -> None:
        """Start from the last two solutions extrapolated in log alpha, if that is better."""
        if len(self._past) < 2:
            return
        (a0, u0, b0), (a1, u1, b1) = self._past
        t = np.array([reach_ahead(*three) for three in zip(a0, a1, alphas, strict=True)])
        if not (t > 0).all():
            return
        here = [sum(self.state(f)) for f in range(self.k)]
        self.u = u1 + t[:, None] * (u1 - u0)
        self.b = b1 + t * (b1 - b0)
        self.take(self.fits)
        worse = [f for f in range(self.k) if not sum(self.state(f)) < here[f]]
        if worse:
            self.u[worse], self.b[worse] = u1[worse], b1[worse]
            self.take(worse)

    def _alone(self, f: int, before: int) -> Fit:
        """Return the solution of one fold by itself."""
        q, left = self.problems[f], max(self.options.max_iter - before, 1)
        state = q.at(self.u[f].copy(), float(self.b[f]))
        found = minimise(q, state, self.options._replace(max_iter=left))
        self.u[f], self.b[f] = found.state.u, found.state.b
        self.take([f])
        return Fit(found.gap, before + found.n_iter, bool(found.converged))


def may_share(A: Matrix, loss: Loss, k: int, options: Options) -> bool:
    """Return whether sharing may pay, judged without the folds."""
    n, nnz = A.n_rows, A.nnz
    small = nnz * k < _LEAST or 32 * n * k > max(_MOST_BYTES, 16 * nnz)
    return not small and loss.is_convex and options.l1_ratio == 0


def together(
    problems: list[GLMProblem], part: NDArray[np.intp], options: Options
) -> FoldsTogether | None:
    """Return the folds for simultaneous fits; None where that does not pay or is not possible."""
    first = problems[0]
    if first.has_bounds or not may_share(first.A, first.loss, len(problems), options):
        return None
    kinds = set()
    for q in problems:
        q.penalise(1.0, 0.0)
        if not (q.l2 > 0).all() or q.y is not first.y or q.rows.near is not first.rows.source:
            return None
        solver = choose_solver(q) if options.solver == "auto" else options.solver
        kinds.add(solver)
        # where frequent columns form a block of the preconditioner, fit folds separately
        is_text = first.A.is_sparse and first.n < first.p and q.A.scale is None
        if solver != "newton" and not (solver == "newton-cg" and is_text):
            return None
        is_thin = first.A.nnz < _THIN * first.p
        if is_thin and options.solver == "auto" and suits(q, options.max_iter):
            return None
    return FoldsTogether(problems, part, options, kinds == {"newton"}) if len(kinds) == 1 else None
