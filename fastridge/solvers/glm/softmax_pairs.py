"""The second-order model of a multinomial loss as one matrix over pairs of feature and class.

    G_(j,c)(l,d) = sum_i s_i a_ij a_il p_ic (1{c = d} - p_id),

minus its part by the intercepts, which are at their minimum. Coordinate descent minimises the model
with the penalty.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._descent import Descent
from ..._losses import softmax_curve
from ..._matrix import Matrix
from ...systems.damped import damped_cholesky
from ...systems.lapack import product
from .problem import clear_overflow
from .softmax_problem import Array, SoftmaxProblem, SoftmaxState, raise_common

_EPS = float(np.finfo(np.float64).eps)

MOST = 2000  # largest number of coefficients and intercepts
_MOST_ELEMENTS = 1 << 24  # bound on the elements of its matrices
_CHEAP = 7000  # number of pairs, over the share of stored elements, above which blocks are faster
_DAMPING = 1e-14  # least share of the diagonal that is added where columns are dependent
_SPARE = 3  # columns that are kept, over those of the set
_FEW = 100  # columns that are kept in any case
_FLAT = 1e-3  # added to probabilities in the square of the model's response
_REACH = 4.0  # least square of that response, in multiples of the decrease by single pairs
_EPOCHS = 1000  # bound on the epochs of coordinate descent
# A row changes if its curvature does by more than the first share; derivatives are computed anew
# where more than the second share of the rows change, or less than the third of the pairs is left.
_CHANGED, _MOST_CHANGED, _LEAST_SHARE = 0.05, 0.2, 0.6
_MOST_NEW = 0.3  # bound on the new pairs by which they are extended, as a share of all


class Found(NamedTuple):
    """A model's minimum: coefficients (p, k), moves of the intercepts (k,), changes of the
    predictors (n, k), and the model's derivatives (n, k) there, without the damping."""

    U: Array
    move: Array
    along: Array
    theta: Array


class Curvature(NamedTuple):
    """Probabilities (n, k), and weighted diagonals (n, k) of the second derivatives by eta.

    They are p (1 - p) plus `damping`, times the weights.
    """

    prob: Array
    h: Array
    damping: float


class _Last(NamedTuple):
    """Second derivatives H by pairs, in order of class and feature, and what they were made of."""

    pairs: NDArray[np.intp]
    H: Array
    prob: Array
    h: Array
    damping: float


class _Model(NamedTuple):
    """Quadratic model on m pairs: matrix G (m, m) and negative gradient g (m,) at u, penalties."""

    G: Array
    g: Array
    u: Array
    l1: Array
    l2: Array


def image_of(problem: SoftmaxProblem, A: Matrix, D: Array) -> Array:
    """Return A D (n, k), for D (p, k) with few elements other than 0."""
    if not A.is_sparse:
        return problem.dot(D)
    along = np.empty((problem.n, problem.k), order="F")
    for c in range(problem.k):
        live = np.flatnonzero(D[:, c]).astype(np.int32)
        along[:, c] = A.add_columns(live, D[live, c])
    return clear_overflow(along, problem.weightless)


class PairMatrix:
    """The model of one problem about a state after the other.

    Parameters
    ----------
    problem : SoftmaxProblem
    A : Matrix
        `problem.A`, by columns if it is sparse.
    """

    def __init__(self, problem: SoftmaxProblem, A: Matrix) -> None:
        self.problem, self.A = problem, A
        # buffers, and the rows of the features in that of the columns; -1: not there
        self._rooms: dict[str, Array] = {}
        self._place = np.full(problem.p, -1, dtype=np.intp)
        self._known = 0
        self._last: _Last | None = None
        self._density = A.nnz / max(problem.n * problem.p, 1)

    def fits(self, m: int) -> bool:
        """Return whether a matrix of m pairs is affordable."""
        q = self.problem
        return m + q.k <= MOST and (m + q.k) * q.n <= _MOST_ELEMENTS

    def is_cheap(self, m: int) -> bool:
        """Return whether its products take less time than what blocks of classes do."""
        return self.fits(m) and m + self.problem.k <= _CHEAP * self._density

    def minimise(
        self,
        state: SoftmaxState,
        curvature: Curvature,
        inside: NDArray[np.bool_],
        inner: float,
        exact: int,
        is_last: bool,
    ) -> Found | None:
        """Return the minimum on the pairs of a set (p, k), or None.

        inner, exact: tolerance, and how to end; see `Descent.solve`. is_last: the model should be
        accurate, as its dual point may end the fit.
        """
        q = self.problem
        # the pairs of a class are neighbours
        one, row = np.nonzero(inside.T)
        size = len(row)
        H = self._hessian(curvature, row, one, exact > 1, is_last)
        g = self._slopes(state, row, one)
        slope = state.r.sum(axis=0) if q.fit_intercept else np.zeros(0)
        by = np.zeros((0, size))
        if q.fit_intercept:
            # add curvature to the common direction of all intercepts, in which the loss is constant
            b = H[size:, size:] + np.diagonal(H)[size:].mean() / q.k
            diagonal = np.diagonal(b).copy()
            diagonal[diagonal <= 0] = 1.0
            factor = damped_cholesky(b, diagonal, _EPS, _DAMPING)
            if factor is None:
                return None
            inverse = np.array([factor.solve(e) for e in np.eye(q.k)])
            by = inverse @ H[size:, :size]
            g += by.T @ slope
        G = np.array(H[:size, :size])
        if q.fit_intercept:
            G -= H[:size, size:] @ by
        u, l1, l2 = state.U[row, one], q.l1[row], q.l2[row]
        w = self._minimise_all(state, _Model(G, g, u, l1, l2), inner, exact)
        if w is None:
            return None
        d = w - u
        if not np.isfinite(d).all():
            return None
        move = np.zeros(q.k)
        if q.fit_intercept:
            move = -inverse @ slope - by @ d
            move -= move.mean()
        D = np.zeros(state.U.shape, order="F")
        D[row, one] = d
        along = image_of(q, self.A, D)
        along += move
        # derivatives of the very model, whose minimum makes them a dual point
        assert self._last is not None
        theta = along.copy(order="F")
        softmax_curve(self._last.prob, q.weight, theta)
        theta += state.r
        target = state.U.copy(order="F")
        target[row, one] = w
        return Found(target, move, along, theta)

    def _slopes(self, state: SoftmaxState, row: NDArray[np.intp], one: NDArray[np.intp]) -> Array:
        """Return the negative gradient of the loss by pairs, in order of their classes."""
        if not self.A.is_sparse:
            return -self.A.tdot(state.r)[row, one]
        parts = np.split(row.astype(np.int32), np.searchsorted(one, np.arange(1, self.problem.k)))
        return -np.concatenate(
            [self.A.dot_columns(part, state.r[:, c]) for c, part in enumerate(parts)]
        )

    def _hessian(
        self,
        curvature: Curvature,
        row: NDArray[np.intp],
        one: NDArray[np.intp],
        fresh: bool,
        is_last: bool,
    ) -> Array:
        """Return the second derivatives of the loss by the pairs and the intercepts.

        fresh: compute them anew; otherwise, pairs that were there keep the contributions of rows
        whose probabilities have hardly changed.
        """
        q = self.problem
        prob, h, damping = curvature
        pairs = one * q.p + row
        # rows that have hardly changed are those of the same damping
        fresh = fresh or self._last is None or self._last.damping != damping
        found = None if fresh else self._updated(pairs, curvature, is_last)
        if found is None:
            Z, place = self._columns(row)
            found = self._sums(Z, place, one, prob, h, q.weight)
            own = prob.copy(order="F"), h.copy(order="F")
            self._last = _Last(pairs, found, *own, damping)
        return found

    def _updated(
        self, pairs: NDArray[np.intp], curvature: Curvature, is_last: bool
    ) -> Array | None:
        """Return the derivatives from the last ones by the rows that changed, or None."""
        q, last = self.problem, self._last
        prob, h = curvature.prob, curvature.h
        if last is None or len(pairs) < _LEAST_SHARE * len(last.pairs):
            return None
        new = np.setdiff1d(pairs, last.pairs)
        if len(new) > _MOST_NEW * len(pairs) or len(last.pairs) + len(new) > MOST:
            return None
        # relative to the row's own curvature, which may be small in all rows
        change = np.abs(h - last.h).sum(axis=1)
        least = _CHANGED * (0.1 if is_last else 1.0) * np.maximum(h, last.h).sum(axis=1)
        rows = np.flatnonzero(change > least)
        if len(rows) > _MOST_CHANGED * q.n:
            return None
        if len(new):
            last = self._last = self._extended(last, new)
        if len(rows):
            one, row = np.divmod(last.pairs, q.p)
            Z, where = self._columns(row)
            some = Z.take(rows, axis=1)
            weight = q.weight[rows]
            H = last.H
            H -= self._sums(some, where, one, last.prob[rows], last.h[rows], weight)
            H += self._sums(some, where, one, prob[rows], h[rows], weight)
            last.prob[rows], last.h[rows] = prob[rows], h[rows]
        levels = np.arange(len(last.pairs), len(last.H))
        chosen = np.concatenate([np.searchsorted(last.pairs, pairs), levels])
        return last.H[np.ix_(chosen, chosen)]

    def _extended(self, last: _Last, new: NDArray[np.intp]) -> _Last:
        """Return the last derivatives with those by new pairs, at the same probabilities."""
        q = self.problem
        pairs = np.union1d(last.pairs, new)
        one, row = np.divmod(pairs, q.p)
        Z, place = self._columns(row)
        size = len(pairs)
        ends = np.searchsorted(one, np.arange(q.k + 1))
        B = self._room("pairs", size + q.k * q.fit_intercept)
        root = np.sqrt(q.weight)
        for c in range(q.k):
            mine = slice(ends[c], ends[c + 1])
            np.take(Z, place[mine], axis=0, out=B[mine], mode="clip")
            B[mine] *= root * last.prob[:, c]
            if q.fit_intercept:
                np.multiply(root, last.prob[:, c], out=B[size + c])
        fresh = np.searchsorted(pairs, new)
        cross = product(B[fresh], B.T)
        np.negative(cross, out=cross)
        for c in range(q.k):
            mine = slice(ends[c], ends[c + 1])
            among = np.flatnonzero(one[fresh] == c)
            if not len(among):
                continue
            rows = Z[place[fresh[among]]] * last.h[:, c]
            cross[among, mine] = rows @ Z[place[mine]].T
            if q.fit_intercept:
                cross[among, size + c] = rows.sum(axis=1)
        H = np.empty((len(B), len(B)))
        old = np.concatenate([np.searchsorted(pairs, last.pairs), np.arange(size, len(B))])
        H[np.ix_(old, old)] = last.H
        H[fresh] = cross
        H[:, fresh] = cross.T
        return last._replace(pairs=pairs, H=H)

    def _sums(
        self,
        Z: Array,
        place: NDArray[np.intp],
        one: NDArray[np.intp],
        prob: Array,
        h: Array,
        weight: Array,
    ) -> Array:
        """Return the derivatives from columns Z (f, m) of m rows; place: columns of the pairs."""
        q, size = self.problem, len(place)
        ends = np.searchsorted(one, np.arange(q.k + 1))
        count = size + q.k * q.fit_intercept
        some = int(np.diff(ends).max()) + 1
        if Z.shape[1] == q.n:
            B, space = self._room("pairs", count), self._room("rows", some)
        else:
            B, space = np.empty((count, Z.shape[1])), np.empty((some, Z.shape[1]))
        root, own = np.sqrt(weight), []
        for c in range(q.k):
            mine, m = slice(ends[c], ends[c + 1]), int(ends[c + 1] - ends[c])
            rows = space[: m + q.fit_intercept]
            np.take(Z, place[mine], axis=0, out=rows[:m], mode="clip")
            np.multiply(rows[:m], root * prob[:, c], out=B[mine])
            if q.fit_intercept:
                np.multiply(root, prob[:, c], out=B[size + c])
                rows[m] = 1.0
            rows *= np.sqrt(h[:, c])
            own.append(product(rows, rows.T))
        H = product(B, B.T)
        np.negative(H, out=H)
        for c in range(q.k):
            mine, m = slice(ends[c], ends[c + 1]), int(ends[c + 1] - ends[c])
            H[mine, mine] = own[c][:m, :m]
            if q.fit_intercept:
                H[size + c, mine] = H[mine, size + c] = own[c][m, :m]
                H[size + c, size + c] = own[c][m, m]
        return H

    def _columns(self, row: NDArray[np.intp]) -> tuple[Array, NDArray[np.intp]]:
        """Return dense columns (f, n), kept from step to step, and the places of the features."""
        q = self.problem
        wanted = np.zeros(q.p, dtype=bool)
        wanted[row] = True
        new = np.flatnonzero(wanted & (self._place < 0))
        if self._known + len(new) > _SPARE * (int(np.count_nonzero(wanted)) + _FEW):
            # forget features that left the set
            self._place[:], self._known = -1, 0
            new = np.flatnonzero(wanted)
        if len(new):
            known = self._known
            Z = self._room("columns", known + len(new), kept=known)
            q.A.copy_columns(new.astype(np.int32), Z[known:])
            self._place[new] = np.arange(known, known + len(new))
            self._known = known + len(new)
        return self._room("columns", self._known, kept=self._known), self._place[row]

    def _room(self, name: str, count: int, kept: int = 0) -> Array:
        """Return rows (count, n) of a buffer that is reused; kept: number of rows to preserve."""
        old = self._rooms.get(name)
        if old is None or len(old) < count:
            grown = np.empty((count + count // 2, self.problem.n))
            if old is not None:
                grown[:kept] = old[:kept]
            self._rooms[name] = old = grown
        return old[:count]

    def _minimise_all(
        self, state: SoftmaxState, model: _Model, inner: float, exact: int
    ) -> Array | None:
        """Return the coefficients at the model's minimum.

        Free coefficients are eliminated: a dual point has no slope along their columns.
        """
        G, g, u, l1, l2 = model
        free = (l1 == 0) & (l2 == 0)
        if not free.any():
            return self._minimise(state, model, inner, exact)
        own = np.ascontiguousarray(G[np.ix_(free, free)])
        # all classes have the free features: their common direction has no curvature
        raise_common(own, self.problem.k)
        diagonal = np.diagonal(own).copy()
        diagonal[diagonal <= 0] = 1.0
        factor = damped_cholesky(own, diagonal, _EPS, _DAMPING)
        if factor is None:
            return None
        rest = ~free
        mixed = np.ascontiguousarray(G[np.ix_(rest, free)])
        by = np.array([factor.solve(row.copy()) for row in mixed]).reshape(mixed.shape)
        w = u.copy()
        alone = factor.solve(g[free])
        if rest.any():
            reduced = np.ascontiguousarray(G[np.ix_(rest, rest)] - mixed @ by.T)
            slope = g[rest] - mixed @ alone
            part = _Model(reduced, slope, u[rest], l1[rest], l2[rest])
            w[rest] = self._minimise(state, part, inner, exact)
        w[free] += alone - by.T @ (w[rest] - u[rest])
        return w

    def _minimise(self, state: SoftmaxState, model: _Model, inner: float, exact: int) -> Array:
        """Return the coefficients at the minimum of a model without free coefficients."""
        q = self.problem
        G, g, u, l1, l2 = model
        square = np.diagonal(G).copy()
        np.maximum(square, 0.0, out=square)
        cross = G @ u + g
        over = np.maximum(np.abs(g) - l1, 0.0)
        over *= np.abs(g)
        curved = square + l2
        np.divide(over, curved, out=over, where=curved > 0)
        away = state.prob - q.shares()
        left = float(q.weight @ (away * away / (state.prob + _FLAT)).sum(axis=1))
        yy = max(left, _REACH * float(over.sum())) + float(u @ (cross + g))
        w = u.copy()
        zero = np.zeros(len(u))
        descent = Descent()
        descent.set_gram(G)
        descent.solve(
            l1,
            l2,
            None,
            None,
            square,
            cross,
            max(yy, 0.0),
            w,
            g.copy(),
            zero,
            zero.copy(),
            False,
            inner,
            _EPOCHS,
            exact=exact,
        )
        return w
