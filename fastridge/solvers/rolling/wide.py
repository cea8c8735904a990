"""Windows of many features: blocks of consecutive windows share the factor of their common rows.

The rows that all windows of a block have, its base, are summed and factored once. Each window adds
rows to the base: those that have not left yet, and those that have come. With L L' = G + alpha D of
the base, E the added rows times L^-1', weighted, and W the base's weight for the intercept,

    (L L' + Z'Z)^-1 = L^-T (I - E'(I + E E')^-1 E) L^-1,

where I + E E' of a window is a part of that of the whole block. Nothing is subtracted from a sum,
and no window is less well determined than the base. Where the base is not, the block is halved; a
single window is its own base. Residuals are computed from the sums, and corrected for.

Under a half-life, all weights of a window that ends k rows after the block's first are those of the
first times 2^(-k / half_life); dividing by that, alpha grows instead, and conjugate gradients with
the above as a preconditioner solve for it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...systems import lapack
from ...systems.blas import on_one_thread, on_threads
from .series import Problem, Scaled

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_KEEP = 2.0**-17  # FR_WINDOW_KEEP of rolling.h
_LEAST, _MOST = 2.0**-400, 2.0**400  # FR_LEAST_SQUARES and FR_MOST_SQUARES of range.h
_ROWS = 32  # rows by which the windows of a block differ
_TASK = 8192  # rows of a task
_JOINED = 10.0  # price of adding an element of a sum, in products of a row
_ENOUGH = 4e-15  # relative gradient that is round-off
_FAILED = 1e-10  # relative gradient above which a block is halved
_ROUNDS = 5  # corrections
_STEPS = 40  # conjugate gradient steps in each, under a half-life


class Sums(NamedTuple):
    """Weighted sums of rows (x, y) about their mean."""

    origin: Array  # (q,), a row
    mean: Array  # (q,), less the origin
    weight: float
    G: Array  # (q, q)


class Block(NamedTuple):
    """Windows of one group, at positions `first`, `first + step`, ... up to `last`."""

    begin: int  # position of the group's first row
    end: int
    first: int
    last: int


@on_one_thread
def fit_wide(
    problem: Problem, data: Scaled, alpha: Array, each: bool, count: Any, predict: bool
) -> tuple[Any, ...]:
    """Fit all windows; returns what `_rolling.rolling` does.

    count (m,): rows of positive weight in each window.
    """
    work = _Work(problem, data, alpha, each, count, predict)
    on_threads(work.run, len(work.tasks))
    coef = work.coef if work.alone else None
    offset = work.offset if work.alone else None
    gradient = work.gradient if work.alone else None
    flags = work.has_small | 2 * work.has_large
    return coef, offset, gradient, work.prediction, work.status, flags


class _Work:
    def __init__(
        self, problem: Problem, data: Scaled, alpha: Array, each: bool, count: Any, predict: bool
    ) -> None:
        self.problem, self.data, self.alpha, self.each = problem, data, alpha, each
        self.series, self.step, self.count = problem.series, problem.step, count
        n, self.p = data.X.shape
        m, k = len(self.series.row), 1 if each else len(alpha)
        self.alone = k == 1
        self.coef = np.full((m if self.alone else 0, self.p), np.nan)
        self.offset, self.gradient = np.full((2, len(self.coef)), np.nan)
        self.prediction: Any = np.full((n, k), np.nan) if predict else None
        self.status = np.zeros((m, k), dtype=np.uint8)
        # threads set these, but do not reset them
        self.has_small = self.has_large = False
        self.span = _ROWS
        if problem.half_life is not None:
            self.span = int(min(self.span, max(problem.half_life / 2, 0)))
        if not problem.all_rows:
            self.span = min(self.span, problem.window // 4)
        # rows of a part whose sums are kept
        self.part = max(self.span, int(np.cbrt(4.0 * _JOINED * problem.window * self.span)), 1)
        self.tasks = self._tasks()

    def _tasks(self) -> list[tuple[int, int, int, int]]:
        """Return (begin, end, first, last) of runs of windows of a group."""
        tasks, step = [], self.step
        each = max(_TASK // step, 1) * step
        starts = self.series.starts
        for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            run = end - begin if self.problem.all_rows else each
            for first in range(begin + step - 1, end, max(run, 1)):
                last = min(first + run - step, end - 1)
                tasks.append((begin, end, first, first + (last - first) // step * step))
        return tasks

    def run(self, number: int) -> None:
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
            self._run(number)

    def _run(self, number: int) -> None:
        begin, end, first, last = self.tasks[number]
        step, kept = self.step, _Kept(self)
        most = self.span // step
        several = most
        while first <= last:
            block = Block(begin, end, first, min(first + several * step, last))
            done = self._fit(block, kept)
            if not done and several:
                several //= 2
                continue
            first = block.last + step
            # after trouble, blocks grow again
            several = min(2 * several + 1, most)

    def _rows(self, places: Any) -> NDArray[np.intp]:
        return np.asarray(self.series.rows(np.asarray(places, dtype=np.intp)))

    def take(self, rows: Any, origin: Array) -> Array:
        """Return rows (x, y) less the origin."""
        Z = np.empty((len(rows), self.p + 1))
        Z[:, :-1] = self.data.X[rows]
        Z[:, -1] = self.data.y[rows]
        Z -= origin
        return Z

    def weights(self, rows: Any) -> Array:
        return np.ones(len(rows)) if self.data.weight is None else self.data.weight[rows]

    def faded(self, back: Any) -> Any:
        """Return weights of rows that are `back` positions back."""
        half_life = self.problem.half_life
        if half_life is None:
            return np.ones(np.shape(back))
        with np.errstate(under="ignore"):
            return np.exp2(-np.asarray(back, np.float64) / half_life)

    def _windows(self, block: Block) -> NDArray[np.intp]:
        rows = self._rows(np.arange(block.first, block.last + 1, self.step))
        of = self.series.window_of
        return rows if of is None else np.asarray(of[rows], dtype=np.intp)

    def _fit(self, block: Block, kept: _Kept) -> bool:
        """Fit the windows of a block; return whether the base was accurate enough."""
        problem = self.problem
        windows = self._windows(block)
        fits = self.count[windows] >= problem.least
        if not fits.any():
            return True
        first, last, begin = block.first, block.last, block.begin
        start = common = begin
        if not problem.all_rows:
            start, common = first - problem.window + 1, last - problem.window + 1
        base = kept.sums(begin, max(common, begin), first + 1)
        if base is None:
            if first == last:
                self.status[windows[fits]] = 2
            return first == last
        # rows that some windows have, in the order in which they leave and come
        added = np.r_[start:common, first + 1 : last + 1].astype(np.intp)
        used = added >= begin
        rows = self._rows(np.where(used, added, begin))
        U = self.take(rows, base.origin) - base.mean
        s = np.where(used, self.weights(rows) * self.faded(first - added), 0.0)
        U[s == 0] = 0.0
        system = _System(self, base, U, s, block, common - start, fits, windows)
        return system.solve()


class _Kept:
    """Sums of parts of a task's rows, for sums of any rows."""

    def __init__(self, work: _Work) -> None:
        self.work = work
        self.parts: dict[int, Sums | None] = {}
        self.middle: Any = (0, 0, None)  # first part, end, and their sum
        self.last: Any = (0, 0, None)  # start, end, and the sum of the latest rows

    def sums(self, begin: int, start: int, end: int) -> Sums | None:
        """Return the sums of the positions from start to end; None: none has weight."""
        work = self.work
        if work.problem.all_rows:
            return self._latest(start, end)
        size = work.part
        one, two = -(-(start - begin) // size), (end - begin) // size
        if one >= two:
            return self._joined([], [], (start, end), end)
        for old in [i for i in self.parts if i < one]:
            del self.parts[old]
        for i in range(one, two):
            if i not in self.parts:
                at = begin + i * size
                self.parts[i] = self._joined([], [], (at, at + size), at + size)
        if self.middle[:2] != (one, two):
            ends = [begin + (i + 1) * size for i in range(one, two)]
            parts = [self.parts[i] for i in range(one, two)]
            self.middle = one, two, self._joined(parts, ends, (end, end), ends[-1])
        at = begin + two * size
        parts = [self.middle[2], self._latest(at, end)]
        return self._joined(parts, [at, end], (start, begin + one * size), end)

    def _latest(self, start: int, end: int) -> Sums | None:
        """Return the sums of rows from start to end, by those that came since the last call."""
        known, at, so_far = self.last
        if known != start or at > end:
            at, so_far = start, None
        found = so_far if at == end else self._joined([so_far], [at], (at, end), end)
        self.last = start, end, found
        return found

    def _joined(
        self, parts: list[Any], ends: list[int], span: tuple[int, int], end: int
    ) -> Sums | None:
        """Add the sums of parts that end at `ends` and of the rows of a span, as of `end`."""
        work = self.work
        places = np.arange(*span)
        rows = work._rows(places)
        s = work.weights(rows) * work.faded(end - 1 - places)
        fade = work.faded(end - np.array(ends, dtype=np.float64))
        there = [(part, f) for part, f in zip(parts, fade, strict=True) if part and part.weight * f]
        live = np.flatnonzero(s)
        if not there and not len(live):
            return None
        intercept = work.problem.fit_intercept
        q = work.p + 1
        origin = np.zeros(q)
        if intercept:
            origin = there[-1][0].origin if there else work.take(rows[live[-1:]], origin)[0]
        Z, s = work.take(rows[live], origin), s[live]
        W = np.array([part.weight * f for part, f in there])
        D = np.array([(part.origin - origin) + part.mean for part, _ in there]).reshape(-1, q)
        total = float(s.sum() + W.sum())
        mean = np.zeros(q)
        if intercept:
            mean = (s @ Z + W @ D) / total
            Z -= mean
            D -= mean
        left = np.vstack([Z * s[:, None], D * W[:, None]]) if intercept else Z * s[:, None]
        G = left.T @ (np.vstack([Z, D]) if intercept else Z)
        for part, f in there:
            G += part.G if f == 1.0 else f * part.G
        if intercept:
            # the next rows are near the last one
            last = work.take(rows[live[-1:]], np.zeros(q))[0] if len(live) else origin
            origin, mean = last, mean + (origin - last)
        return Sums(origin, mean, total, G)


class _System:
    """The equations of the windows of a block: unknowns are the level, where fitted, and w.

    Parameters
    ----------
    U : ndarray (u, p + 1)
        Rows that are added, less the base's mean.
    s : ndarray (u,)
        Their weights relative to those of the base.
    leaving : int
        The first of them, which the first window has, and the last has not.
    """

    def __init__(
        self,
        work: _Work,
        base: Sums,
        U: Array,
        s: Array,
        block: Block,
        leaving: int,
        fits: Any,
        windows: Any,
    ) -> None:
        self.work, self.base, self.block = work, base, block
        self.fits, self.windows = fits, windows
        self.intercept = work.problem.fit_intercept
        step, p = work.step, work.p
        m = len(windows)
        self.single = m == 1
        k = np.arange(m)
        come = len(U) - leaving
        # window k lacks the first k * step rows that leave, and has as many that come
        number = np.arange(len(U))
        self.has = np.where(
            number < leaving, number >= step * k[:, None], number - leaving < step * k[:, None]
        )
        self.has &= s > 0
        if come == leaving:
            # consecutive rows
            self.places = step * k[:, None] + np.arange(leaving)
        else:
            self.places = np.broadcast_to(number, (m, len(U)))
        root = np.sqrt(s)
        self.V = U[:, :p] * root[:, None]  # rows and targets, weighted
        self.z, self.root = U[:, p] * root, root
        self.G, self.c = base.G[:p, :p], base.G[:p, p]
        self.flat = np.zeros(p, bool)
        squares = np.diagonal(self.G)
        mask = self.has.astype(np.float64)
        self.squares = squares + (mask @ self.V**2).max(axis=0) if len(U) else squares.copy()
        self.right = self.c[:, None] + self.V.T @ (mask * self.z).T
        self.level = (mask * self.z) @ root
        self.sums_x = (mask * root) @ self.V  # (m, p)
        self.total = base.weight + mask @ s

    def solve(self) -> bool:
        work = self.work
        low, high = float(self.squares.min(initial=1.0)), float(self.squares.max(initial=0.0))
        if not high <= _MOST:
            work.has_large = True
        rounding = 4.0 * _EPS * (self.base.origin + self.base.mean)[: work.p]
        if not self.intercept:
            rounding = np.zeros(work.p)
        self.flat = self.squares <= self.base.weight * rounding**2
        if low < _LEAST:
            work.has_small = True
        if self.flat.any():
            self.G = np.where(self.flat | self.flat[:, None], 0.0, self.G)
            self.right[self.flat] = 0.0
            self.V[:, self.flat] = 0.0
            self.sums_x[:, self.flat] = 0.0
        if work.has_large:
            return True
        growth = 1.0 / work.faded(work.step * np.arange(len(self.windows)))
        if work.each:
            given = work.alpha[self.windows]
            for value in np.unique(given[self.fits]):
                if not self._solve(value, growth, 0, self.fits & (given == value)):
                    return False
            return True
        return all(self._solve(value, growth, a, self.fits) for a, value in enumerate(work.alpha))

    def _solve(self, alpha: float, growth: Array, a: int, fits: Any) -> bool:
        """Fit chosen windows with penalties alpha * growth (m,); return whether that is accurate.

        growth: from 1 on, not falling.
        """
        work = self.work
        f = work.data.factor
        middle = float(alpha * np.sqrt(growth[-1]))
        M = np.array(self.G, order="F")
        diagonal = np.diagonal(M) + middle * f
        diagonal[self.flat] = 1.0
        np.fill_diagonal(M, diagonal)
        full = np.where(self.flat, 1.0, self.squares + middle * f)
        try:
            L = lapack.factor(M)
        except np.linalg.LinAlgError:
            return self._weak(a, fits)
        if not (np.diagonal(L) ** 2 > _KEEP * full).all():
            return self._weak(a, fits)
        self._prepare(L)
        chosen = np.flatnonzero(fits)
        same = alpha == 0 or bool(growth[-1] == 1)
        penalty = np.where(self.flat[:, None], 0.0, f[:, None] * (alpha * growth[chosen]))
        right = np.vstack([self.level[None, chosen], self.right[:, chosen]])
        w = self._inverse(right, chosen)
        residual = right - self._product(w, penalty, chosen)
        relative = self._relative(residual, right, chosen)
        for _ in range(_ROUNDS):
            if relative.max() <= _ENOUGH:
                break
            move = self._inverse(residual, chosen)
            if not same:
                move = self._conjugate(residual, move, penalty, chosen)
            trial = w + move
            closer = right - self._product(trial, penalty, chosen)
            after = self._relative(closer, right, chosen)
            better, gained = after < relative, after < 0.5 * relative
            w = np.where(better, trial, w)
            residual = np.where(better, closer, residual)
            relative = np.where(better, after, relative)
            if not gained.any():
                break
        if not (relative <= _FAILED).all() and not self.single:
            return False
        self._store(w, relative, a, chosen)
        return True

    def _weak(self, a: int, fits: Any) -> bool:
        """A single window is fitted from its rows; several are halved."""
        if self.single:
            self.work.status[self.windows[fits], a] = 2
        return self.single

    def _prepare(self, L: Array) -> None:
        """Set E, and the inverses of the windows' parts of I + EE'."""
        self.L = L
        u = len(self.V)
        E = np.empty((u, 1 + self.work.p))
        E[:, 0] = self.root / np.sqrt(self.base.weight) if self.intercept else 0.0
        if not u:
            self.E = E
            return
        E[:, 1:] = lapack.solve_triangular(L, self.V.T, lower=True).T
        self.E = E
        S = E @ E.T
        i = self.places
        has = np.take_along_axis(self.has, i, axis=1)
        parts = S[i[:, :, None], i[:, None, :]] * (has[:, :, None] & has[:, None, :])
        parts[:, np.arange(i.shape[1]), np.arange(i.shape[1])] += 1.0
        self.part_has = has
        self.inverses = np.linalg.inv(parts)

    def _inverse(self, R: Array, chosen: Any) -> Array:
        """Solve for right sides (1 + p, m), with the base's penalty."""
        t = np.empty_like(R)
        t[0] = R[0] / np.sqrt(self.base.weight) if self.intercept else 0.0
        t[1:] = lapack.solve_triangular(self.L, R[1:], lower=True)
        if len(self.V):
            i = self.places[chosen]
            e = np.take_along_axis((self.E @ t).T, i, axis=1) * self.part_has[chosen]
            e = np.matmul(self.inverses[chosen], e[..., None])[..., 0] * self.part_has[chosen]
            spread = np.zeros((len(chosen), len(self.V)))
            np.put_along_axis(spread, i, e, axis=1)
            t -= self.E.T @ spread.T
        out = np.empty_like(t)
        out[0] = t[0] / np.sqrt(self.base.weight) if self.intercept else 0.0
        out[1:] = lapack.solve_triangular(self.L, t[1:], lower=True, trans="T")
        out[1:][self.flat] = 0.0
        return out

    def _product(self, w: Array, penalty: Array, chosen: Any) -> Array:
        """Return the systems times w (1 + p, m)."""
        out = np.empty_like(w)
        out[1:] = self.G @ w[1:] + penalty * w[1:]
        out[0] = self.base.weight * w[0] if self.intercept else 0.0
        if len(self.V):
            level = self.root[:, None] * w[0] if self.intercept else 0.0
            fit = (self.V @ w[1:] + level) * self.has[chosen].T
            out[1:] += self.V.T @ fit
            if self.intercept:
                out[0] += self.root @ fit
        return out

    def _conjugate(self, residual: Array, z: Array, penalty: Array, chosen: Any) -> Array:
        """Solve for residuals by conjugate gradients; z: the preconditioned ones."""
        x, r, d = np.zeros_like(residual), residual.copy(), z.copy()
        rz = np.einsum("ij,ij->j", r, z)
        least = _EPS**2 * np.abs(rz)
        for _ in range(_STEPS):
            q = self._product(d, penalty, chosen)
            t = rz / np.maximum(np.einsum("ij,ij->j", d, q), np.finfo(np.float64).tiny)
            t[rz <= least] = 0.0
            x += t * d
            r -= t * q
            z = self._inverse(r, chosen)
            before, rz = rz, np.einsum("ij,ij->j", r, z)
            if (rz <= least).all():
                break
            d = z + rz / np.maximum(before, np.finfo(np.float64).tiny) * d
        return x

    def _relative(self, residual: Array, right: Array, chosen: Any) -> Array:
        """Return norms of residuals, less what the level takes, over those of the right sides."""
        r, c = residual[1:], right[1:]
        if self.intercept:
            mean = (self.sums_x[chosen] / self.total[chosen, None]).T
            r, c = r - mean * residual[0], c - mean * right[0]
        r, c = (r**2).sum(axis=0), (c**2).sum(axis=0)
        return np.sqrt(r / (c + np.finfo(np.float64).tiny))

    def _store(self, w: Array, relative: Array, a: int, chosen: Any) -> None:
        work, block = self.work, self.block
        windows, p, step = self.windows[chosen], self.work.p, self.work.step
        work.status[windows, a] = 1
        origin, mean = self.base.origin, self.base.mean
        level = origin[p] + mean[p] + (w[0] if self.intercept else 0.0)
        coef = w[1:].T
        inner = mean[:p] @ w[1:]
        if work.alone:
            work.coef[windows] = coef
            work.gradient[windows] = relative
            work.offset[windows] = 0.0
            if self.intercept:
                work.offset[windows] = level - inner - origin[:p] @ w[1:]
        if work.prediction is None:
            return
        last = block.first + step * chosen
        for ahead in range(1, step + 1):
            there = last + ahead < block.end
            rows = work._rows(last[there] + ahead)
            x = work.data.X[rows] - origin[:p]
            fit = np.einsum("ij,ij->i", x, coef[there])
            work.prediction[rows, a] = (level - inner)[there] + fit
