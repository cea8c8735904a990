"""The second-order model of a multinomial loss by blocks of classes, for sets of any size.

With z = A d + 1 e' the change of the predictors by a step, the model of the loss about a state is

    sum_ic r_ic z_ic + sum_i s_i (sum_c p_ic z_ic^2 - m_i^2) / 2,    m_i = sum_c p_ic z_ic.

With the other classes fixed it is a quadratic in the coefficients of class c, with the derivatives
t_c = r_c + s p_c (z_c - m) and the weights h_c = s p_c (1 - p_c): a sweep minimises it by one class
after the other, on Gram matrices of the class alone, with columns centred under h_c, so that the
intercept is free. Where a sweep hardly changes the support, conjugate gradients on it, with the
blocks as preconditioner, reduce what is left, since classes may depend on each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._border import column_border, gram_border
from ..._dense import Cholesky
from ..._descent import Descent
from ..._losses import softmax_curve
from ..._matrix import Matrix
from ..._pairs import MOST_CLASSES, PairRows, class_slopes, move_class
from ...systems.damped import damped_cholesky
from .problem import clear_overflow
from .prox_model import centred_at, residual_of, squares_of
from .softmax_pairs import Curvature, Found
from .softmax_problem import Array, SoftmaxProblem, SoftmaxState, hessian
from .softmax_support import Support

_EPS = float(np.finfo(np.float64).eps)
_MOST_SWEEPS = 12
_MOST_FAILED = 2  # minima that took too many sweeps, less those that did not
_FEW_SWEEPS = 6  # after which conjugate gradients follow even for a rough minimum
_SHARE = 0.3  # of what the dual may lack, that they may leave
_ROUGH = 0.03  # decrease by a sweep, as a share of all, where a rough minimum is reached
_MOST_CHANGED = 0.02  # share of coefficients on a changing support for conjugate gradients
# Change of weights above which a block is computed again: as a share of their sum, and of one.
_STALE, _MOST_GROWN = 0.15, 2.0
_MOST_GRAM = 2000  # features of a class above which coordinate descent uses columns
_DAMPING = 1e-14  # least share of a block's diagonal that is added where columns are dependent
_FLAT = 1e-3  # share of a row's weight that is added to its curvature in the model's response
_REACH = 4.0  # least square of that response, in multiples of the decrease by single pairs
_MOST_STORED = 1 << 25  # elements of the features of all pairs that are stored by rows
_LEAST_NORM = 0.01  # least L1 penalty for what a dual point lacks, over the null objective
_SETTLING = 2  # Newton steps for intercepts and free coefficients at the end
_ROUNDING = 4 * _EPS  # of sums over the rows, over those of sizes
_EPOCHS = 1000  # bound on the epochs of coordinate descent


class Block:
    """One class of the model: features, weights of sum 1, and the Gram matrix under them.

    Attributes
    ----------
    total : float
        Sum of the weights h of the class.
    means : ndarray (m,)
        Of the features of the class, under its weights.
    gram : ndarray (m, m) or None
        None: coordinate descent works on the columns.
    w, l1, l2 : ndarray (m,)
        Coefficients and penalties.
    live : ndarray of intp
        Places of the coefficients of the last conjugate gradients.
    factor : Cholesky or None
        Of the second derivatives by these.
    """

    def __init__(self, model: BlockModel, c: int, features: NDArray[np.int32], h: Array) -> None:
        self.features, self.c, self.h = features, c, h
        self.total = float(h.sum())
        self.w = self.l1 = self.l2 = np.zeros(len(features))
        self.descent = Descent()
        self.factor: Cholesky | None = None
        self.live = np.zeros(0, dtype=np.intp)
        self.response: float | None = None
        self.gram: Array | None = None
        if self.total > 0:
            self.weight = h / self.total
            self.means = np.zeros(0)
            self._border(model, 0)

    def _border(self, model: BlockModel, before: int) -> None:
        """Compute the rows of the Gram matrix from `before` on."""
        q, new, size = model.problem, self.features[before:], len(self.features)
        more = model.products(new, self.weight) if q.fit_intercept else np.zeros(len(new))
        self.means = np.concatenate([self.means, more])
        A = model.centred(self.features, self.means)
        if model.A.is_sparse and size > _MOST_GRAM:
            self._use_columns(A)
            return
        gram = np.empty((size, size))
        if self.gram is not None:
            gram[:before, :before] = self.gram
        self.gram = gram
        if model.A.is_sparse:
            column_border(A, self.features, self.weight, before, size, gram)
        else:
            rows = np.empty((size, q.n))
            A.copy_columns(self.features, rows)
            rows *= np.sqrt(self.weight)
            gram_border(rows, before, size, 1.0, gram)
        self.square = np.diagonal(gram).copy()
        self.descent.set_gram(gram)

    def _use_columns(self, A: Matrix) -> None:
        self.A, self.gram, self.descent = A, None, Descent()
        self.square = squares_of(A, self.weight)[self.features]
        self.descent.set_columns(A, self.features, self.weight)

    def adapt(self, model: BlockModel, wanted: NDArray[np.bool_], h: Array) -> bool:
        """Return whether the block serves for weights h, with the features of a mask (p,)."""
        if not self.total > 0 or not bool((h <= _MOST_GROWN * self.h).all()):
            return False
        if float(np.abs(h - self.h).sum()) > _STALE * self.total:
            return False
        kept = wanted[self.features]
        wanted = wanted.copy()
        wanted[self.features] = False
        new = np.flatnonzero(wanted).astype(np.int32)
        if not len(new) and kept.all():
            return True
        if self.gram is None:
            return False
        self.factor, self.response = None, None
        if not kept.all():
            self.features, self.means = self.features[kept], self.means[kept]
            self.gram = self.gram[np.ix_(kept, kept)]
            # what it knows of the support is of other features
            self.descent = Descent()
        before = len(self.features)
        self.features = np.concatenate([self.features, new])
        self._border(model, before)
        return True

    def factorise(self) -> None:
        """Choose the support, and factor the second derivatives by its coefficients."""
        live = np.flatnonzero((self.w != 0) | (self.l1 == 0) & (self.l2 == 0))
        known = self.factor is not None and np.array_equal(live, self.live)
        self.live = live
        if known or self.gram is None:
            return
        G = self.total * self.gram[np.ix_(live, live)]
        G.flat[:: len(live) + 1] += self.l2[live]
        diagonal = np.diagonal(G).copy()
        diagonal[diagonal <= 0] = 1.0
        self.factor = damped_cholesky(G, diagonal, _EPS, _DAMPING)

    def precondition(self, r: Array, out: Array) -> None:
        """Set out to r over the second derivatives by the support."""
        out[:] = r
        if self.factor is not None and len(self.live):
            self.factor.solve(out)
        elif len(self.live):
            curved = self.total * self.square[self.live] + self.l2[self.live]
            out /= np.where(curved > 0, curved, 1.0)


class BlockModel:
    """The model of one problem about a state after the other.

    Attributes
    ----------
    is_slow : bool
        Whether minima take too many sweeps.

    Parameters
    ----------
    problem : SoftmaxProblem
    A : Matrix
        `problem.A`, by columns if it is sparse.
    """

    def __init__(self, problem: SoftmaxProblem, A: Matrix) -> None:
        self.problem, self.A, self._failed = problem, A, 0
        self.blocks: list[Block] = []
        # copies of features of dense rows, and their places in it; -1: not there
        self.part: Matrix | None = None
        self.place = np.full(problem.p, -1, dtype=np.int32)
        self.pairs: PairRows | None = None
        # numbers of its pairs
        self.stored = np.zeros(0, dtype=np.int64)

    @property
    def is_slow(self) -> bool:
        return self._failed >= _MOST_FAILED

    def products(self, features: NDArray[np.int32], r: Array) -> Array:
        """Return products of features with r (n,)."""
        if self.part is None:
            return self.A.dot_columns(features, r)
        return self.part.dot_columns(self.place[features], r)

    def image(self, features: NDArray[np.int32], d: Array) -> Array:
        """Return the linear combination (n,) of features."""
        live = np.flatnonzero(d)
        if self.part is None:
            along = self.A.add_columns(features[live], d[live])
        else:
            along = self.part.add_columns(self.place[features[live]], d[live])
        return clear_overflow(along, self.problem.weightless)

    def _copy_columns(self, features: NDArray[np.intp]) -> None:
        """Copy features of dense rows, unless all of them, and not many others, are there."""
        known = self.place[features] >= 0
        if self.part is not None and known.all() and self.part.n_columns <= 2 * len(features):
            return
        Z = np.empty((len(features), self.problem.n))
        self.A.copy_columns(features.astype(np.int32), Z)
        self.part = Matrix.from_dense(Z.T, True)
        self.place[:] = -1
        self.place[features] = np.arange(len(features))

    def centred(self, features: NDArray[np.int32], means: Array) -> Matrix:
        """Return the columns, with those of features centred at means in the problem's units."""
        if not self.problem.fit_intercept:
            return self.A
        return centred_at(self.A, self.A, features, means)

    def minimise(
        self,
        state: SoftmaxState,
        curvature: Curvature,
        inside: NDArray[np.bool_],
        inner: float,
        far: float,
    ) -> Found:
        """Return the minimum on the pairs of a set (p, k).

        inner: what its dual point may lack. far: decrease above which a rough minimum will do.
        """
        self._begin(state, curvature, inside)
        some = [block for block in self.blocks if block.total > 0]
        total, size = 0.0, sum(len(block.w) for block in some)
        for sweep in range(_MOST_SWEEPS):
            left, gained, changed = self._sweep(some, inner)
            total += gained
            is_rough = total > far
            if sweep and (left <= inner or (is_rough and gained <= _ROUGH * total)):
                self._failed = max(self._failed - 1, 0)
                break
            if sweep >= (_FEW_SWEEPS if is_rough else 1) and changed <= _MOST_CHANGED * size:
                self._polish(some, inner)
        else:
            self._failed += 1
        theta = self._settle(curvature.h)
        move, along = self.move, self.z
        along -= move.mean()
        move -= move.mean()
        target = state.U.copy(order="F")
        for block in self.blocks:
            target[block.features, block.c] = block.w
        return Found(target, move, along, theta)

    def _begin(self, state: SoftmaxState, curvature: Curvature, inside: NDArray[np.bool_]) -> None:
        q, known = self.problem, self.blocks
        self.state, self.prob, self.damping = state, curvature.prob, curvature.damping
        self.z, self.m = np.zeros((q.n, q.k), order="F"), np.zeros(q.n)
        self.move = np.zeros(q.k)
        self.by_row: Array | None = None
        self.blocks = []
        if self.A.kind == "C":
            self._copy_columns(np.flatnonzero(inside.any(axis=1)))
        for c in range(q.k):
            h = curvature.h[:, c]
            if known and known[c].adapt(self, inside[:, c], h):
                block = known[c]
            else:
                features = np.flatnonzero(inside[:, c]).astype(np.int32)
                block = Block(self, c, features, h)
            features = block.features
            block.w, block.l1, block.l2 = state.U[features, c], q.l1[features], q.l2[features]
            self.blocks.append(block)
        self.norm = self._norm_of(self.blocks)

    def _settle(self, h: Array) -> Array:
        """Minimise by intercepts and free coefficients, and return the model's derivatives (n, k).

        Their sums over the rows, and products with free columns, are 0 then, as those of a dual
        point have to be.
        """
        q = self.problem
        # without the round-off of moves that have been undone
        for block in self.blocks:
            d = block.w - self.state.U[block.features, block.c]
            np.add(self.image(block.features, d), self.move[block.c], out=self.z[:, block.c])
        Z, free = q.settled_columns(), q.free[0]
        H = None if Z is None else hessian(Z, q.weight, self.prob, h)
        for left in range(_SETTLING, -1, -1):
            theta = self.curve(self.z.copy(order="F"))
            theta += self.state.r
            if Z is None or H is None or not left:
                break
            g = Z.T @ theta
            small = np.abs(g) <= _ROUNDING * (np.abs(Z).T @ q.weight)[:, None]
            if small.all() or not np.isfinite(g).all():
                break
            D = -q.newton_step(Z, H, g).reshape(q.k, -1).T
            self.z += Z @ D
            if q.fit_intercept:
                self.move += D[-1]
            if len(free):
                for block in self.blocks:
                    at = np.minimum(np.searchsorted(free, block.features), len(free) - 1)
                    mine = free[at] == block.features
                    block.w[mine] += D[at[mine], block.c]
        return theta

    def _store_pairs(self) -> None:
        """Store the features of all pairs by rows, where they are sparse and not too many."""
        q = self.problem
        if not self.A.is_sparse or q.k > MOST_CLASSES:
            return
        features = np.concatenate([block.features for block in self.blocks])
        one = np.repeat(np.arange(q.k, dtype=np.int32), [len(block.w) for block in self.blocks])
        numbers = one * np.int64(q.p) + features
        if not np.array_equal(numbers, self.stored):
            self.pairs, self.stored = None, numbers
            if self.A.column_counts()[features].sum() <= _MOST_STORED:
                # classes take turns, so that sums of one do not wait for each other
                order = np.argsort(features, kind="stable")
                self.spots = np.empty(len(order), dtype=np.intp)
                self.spots[order] = np.arange(len(order))
                self.pairs = PairRows(self.A, features[order], one[order], q.k, q.weight)
        if self.by_row is None:
            self.by_row = np.ascontiguousarray(self.prob)

    def curve(self, T: Array) -> Array:
        """Overwrite T (n, k) with the second derivatives of the model by eta times T."""
        added = (self.damping * self.problem.weight)[:, None] * T if self.damping else None
        softmax_curve(self.prob, self.problem.weight, T)
        if added is not None:
            T += added
        return T

    def _slopes(self, block: Block) -> tuple[Array, float, Array]:
        """Return the derivatives t (n,) of a class, their sum, and the gradient by its features.

        The features are centred under the weights of the class.
        """
        q, c = self.problem, block.c
        z, r = self.z[:, c], self.state.r[:, c]
        t, slope = class_slopes(z, self.m, self.prob[:, c], q.weight, self.damping, r)
        slope = slope if q.fit_intercept else 0.0
        g = self.products(block.features, t)
        g -= slope * block.means
        return t, slope, g

    def shift(self, block: Block, d: Array, e: float) -> None:
        """Move the coefficients of a class by d, and its intercept, about its means, by e."""
        c = block.c
        along = self.image(block.features, d)
        e -= float(block.means @ d)
        self.move[c] += e
        move_class(along, e, self.prob[:, c], self.z[:, c], self.m)

    def _norm_of(self, blocks: list[Block]) -> float:
        """Return the L1 penalty, or what it counts as where all coefficients are 0.

        A dual point that exceeds its bounds by a share lacks about that share of it.
        """
        norm = sum(float(block.l1 @ np.abs(block.w)) for block in blocks)
        return max(norm, _LEAST_NORM * self.problem.null_objective)

    def _level(self, block: Block) -> float:
        """Return the size of the intercept of a class."""
        return abs(float(self.state.b[block.c] + self.move[block.c]))

    def _sweep(self, blocks: list[Block], inner: float) -> tuple[float, float, int]:
        """Minimise by one class after the other.

        Return about what the dual lacks at the model's derivatives as they were met, the decrease,
        and the number of coefficients that became 0 or other than 0.
        """
        left = most = gained = 0.0
        changed = 0
        for block in blocks:
            t, slope, g = self._slopes(block)
            w, l1, l2 = block.w, block.l1, block.l2
            excess, soft = np.maximum(np.abs(g) - l1, 0.0), l2 > 0
            hard = ~soft & (l1 > 0)
            norm, square = float(l1 @ np.abs(w)), 0.5 * float((l2 * w) @ w)
            lack = norm + square + float(g @ w) + abs(slope) * self._level(block)
            lack += 0.5 * float((excess[soft] ** 2 / l2[soft]).sum())
            over = float((excess[hard] / l1[hard]).max(initial=0.0))
            left, most = left + lack, max(most, over)
            if lack <= 0.5 * inner / self.problem.k and over * self.norm <= 0.5 * inner:
                continue
            e, d = 0.0, np.zeros(len(w))
            if self.problem.fit_intercept:
                e = -slope / block.total
                gained -= 0.5 * slope * e
            if len(w):
                before = g / -block.total
                after = before.copy()
                new = self._descend(block, t, slope, after, inner)
                d = new - w
                gained += 0.5 * block.total * float((before + after) @ d)
                gained += norm + square - float(l1 @ np.abs(new)) - 0.5 * float((l2 * new) @ new)
                changed += int(np.count_nonzero((new != 0) != (w != 0)))
                block.w = new
            self.shift(block, d, e)
        self.norm = self._norm_of(blocks)
        return left + most * self.norm, gained, changed

    def _descend(self, block: Block, t: Array, slope: float, g: Array, inner: float) -> Array:
        """Return the coefficients of a class at the minimum, from its negative gradient g.

        g is that over the sum of the weights, and becomes the one at the minimum.
        """
        W, total, w = block.features, block.total, block.w
        residual, level = None, 0.0
        if block.gram is None:
            away = (slope * block.weight - t) / total
            residual, level = residual_of(block.A, W, w, block.weight, away)
            along = self.image(W, w)
            if self.problem.fit_intercept:
                along -= float(block.weight @ along)
            along *= block.weight
            cross = self.products(W, along) - block.means * float(along.sum())
        else:
            live = np.flatnonzero(w)
            cross = w[live] @ block.gram[live]
        cross += g
        l1, l2 = block.l1 / total, block.l2 / total
        over = np.maximum(np.abs(g) - l1, 0.0)
        over *= np.abs(g)
        curved = block.square + l2
        np.divide(over, curved, out=over, where=curved > 0)
        if block.response is None:
            away = t / total
            away *= away
            block.response = float(
                (away / (block.weight + _FLAT * self.problem.weight + 1e-300)).sum()
            )
        yy = max(block.response, _REACH * float(over.sum())) + float(w @ (cross + g))
        new, zero = w.copy(), np.zeros(len(w))
        block.descent.solve(
            l1,
            l2,
            None,
            None,
            block.square,
            cross,
            max(yy, 0.0),
            new,
            g,
            zero,
            zero.copy(),
            False,
            inner / (total * self.problem.k),
            _EPOCHS,
            residual=residual,
            level=level,
        )
        return new if np.isfinite(new).all() else w

    def _polish(self, blocks: list[Block], inner: float) -> None:
        """Take conjugate gradients on the support, on which no coefficient changes its sign."""
        right, lack, most, slopes = [], [], [], []
        norm = self._norm_of(blocks)
        for block in blocks:
            block.factorise()
            _, slope, g = self._slopes(block)
            g += block.l2 * block.w + block.l1 * np.sign(block.w)
            right.append(-g[block.live])
            slopes.append(-slope)
            lack.append(np.abs(block.w[block.live]))
            hard = (block.l1 > 0) & (block.l2 == 0)
            share = np.divide(norm, block.l1, out=np.zeros(len(block.w)), where=hard)
            most.append(share[block.live])
        lack.append(np.array([self._level(block) for block in blocks]))
        most.append(np.zeros(len(blocks)))
        self._store_pairs()
        support = Support(self, blocks)
        R = np.concatenate([*right, slopes])
        D = support.solve(R, np.concatenate(lack), np.concatenate(most), _SHARE * inner)
        parts, levels = support.split(support.held(D, R))
        for block, d, level in zip(blocks, parts, levels, strict=True):
            new = block.w.copy()
            new[block.live] += d
            # zeros are met up to round-off
            new[(new * block.w <= 0) & (block.l1 > 0)] = 0.0
            self.shift(block, new - block.w, float(level))
            block.w = new
