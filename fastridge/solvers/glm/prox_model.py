"""The quadratic model of a loss about a state, on a set of features, and its steps; see `prox`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..._border import column_border, gram_border
from ..._descent import Descent
from ..._matrix import Matrix
from ..descent.problem import penalty_of
from .problem import Array, GLMProblem, State
from .prox_dual import sizes_of

_EPS = float(np.finfo(np.float64).eps)
# Number of features up to which all are in the working set.
_WHOLE = 200
# Squared norm of a column under the model's weights over that under the problem's, below which it
# counts as 0.
_FLAT = 1e-14
# Least square of a model's response, in multiples of the decrease by single features.
_REACH = 4.0
# Round-off of a sum of squares, as a share of it, that the inner tolerance must exceed.
_UNHIDDEN = 64 * _EPS
# Sparse features in the set above which coordinate descent uses columns, not a Gram matrix.
_MOST_GRAM = 2000
# Bound on the epochs of coordinate descent on a model.
_EPOCHS = 1000
# Change of the weights, as a share of their sum, above which the Gram matrix is computed again.
_STALE = 0.2
# Share of the predicted decrease that a step has to reach (Armijo), and bound on its halvings.
_ENOUGH = 1e-4
_HALVINGS = 40
# Round-off of products of a Gram matrix, over the products of the norms.
_GRAM_ROUNDING = 32 * _EPS


def centred_at(near: Matrix, A: Matrix, features: NDArray[np.int32], means: Array) -> Matrix:
    """Return columns of near, which is A in any storage, with means (m,) in units of A as centres
    of features."""
    shift = np.array(A.shift)
    scale = 1.0 if A.scale is None else A.scale[features]
    # columns of scale 0 are constant
    shift[features] += np.divide(
        means, scale, out=np.zeros(len(features)), where=np.asarray(scale != 0)
    )
    return near.centered(shift, A.scale)


def squares_of(A: Matrix, weight: Array | None) -> Array:
    """Return weighted squares of the columns of A, whose centres are their means, if any."""
    means, squares = A.column_stats(weight)
    if A.shift is None:
        squares += means**2
    if A.scale is not None:
        squares *= A.scale**2
    return squares


def residual_of(
    A: Matrix, features: NDArray[np.int32], w: Array, weight: Array, residual: Array
) -> tuple[Array, float]:
    """Return a residual at coefficients w in the form of `Descent.solve`, and its level."""
    if A.shift is None:
        return residual, 0.0
    scaled = w if A.scale is None else w * A.scale[features]
    level = float(scaled @ A.shift[features])
    return residual - level * weight, level


class WeightedModel:
    """The quadratic model of the loss on a set of features, for one state after another.

    Attributes
    ----------
    columns, A : Matrix
        The features stored by columns, as they are and as the operator of the problem.
    is_whole : bool
        Whether the set is always all features.
    set : ndarray of int32
        The features of the model, in the order in which they were added.
    weight : ndarray (n,) or None
        Weights of the rows, with sum 1.
    is_old : bool
        Whether they are those of an earlier state than that of the last step.
    damping : float
        Addition to all weights, as a share of their mean.
    pulled : ndarray
        Sizes of the model's gradients by the features of the set, after the last step.
    products : ndarray (p,) or None
        Products of all columns with theta of the last step, where the Gram matrix gives them
        without a pass over the data.
    """

    def __init__(self, problem: GLMProblem, columns: Matrix) -> None:
        self.problem, self.columns = problem, columns
        near = problem.rows.near
        self.A = columns.centered(problem.A.shift, problem.A.scale)
        self.means = np.zeros(0)
        self.is_whole = problem.p <= _WHOLE
        if self.is_whole:
            sparse = columns.is_sparse and near.kind != "csr"
            self.by_rows = columns.transposed_storage() if sparse else near
        self.set = np.zeros(0, dtype=np.int32)
        self.gram = np.zeros((0, 0))
        self.descent = Descent()
        self.weight: Array | None = None
        self.is_old, self.damping = False, 0.0
        # the matrix, centred under the weights, if the set is too large for a Gram matrix
        self.by_set: Matrix | None = None
        # product of the Gram matrix and the coefficients `image_of`
        self.image = np.zeros(0)
        self.image_of: Array | None = None
        self.total = 0.0
        self.is_free = not problem.has_bounds
        self.pulled = np.zeros(0)
        self.products: Array | None = None

    def is_stale(self, state: State) -> bool:
        """Return whether a state's weights are too far from those in use, up to a common factor."""
        if self.weight is None:
            return True
        h = self._curvature(state)
        total = float(h.sum())
        if not total > 0:
            return True
        change = self.shape * total
        change -= h
        np.abs(change, out=change)
        return float(change.sum()) > _STALE * total

    def _curvature(self, state: State) -> Array:
        return state.h if self.problem.loss.is_convex else np.maximum(state.h, 0.0)

    def follow(self, state: State) -> bool:
        """Rescale the weights in use to the sum of a state's; return whether that is positive."""
        total = float(self._curvature(state).sum())
        if total > 0:
            self.total = total * self.damped
        return total > 0

    def take_weights(self, state: State) -> None:
        """Compute the Gram matrix under the weights of a state."""
        q = self.problem
        h = self._curvature(state)
        size = float(h.sum())
        if not size > 0:
            h, size = q.weight, 1.0
        self.shape = h / size
        if self.damping > 0:
            h = h + (self.damping * size) * q.weight
            self.total = float(h.sum())
            self.weight = h / self.total
        else:
            self.weight, self.total = self.shape, size
        self.damped = self.total / size
        self.at, self.is_old = state, False
        # squared response of the model, without rows of negligible weight
        left = state.r / self.total
        left *= left
        with np.errstate(over="ignore"):
            self.left_in_all = float((left / np.maximum(self.weight, 1e-300)).sum())
        left /= self.weight + 1e-3 * q.weight + 1e-300
        self.left = float(left.sum())
        self.descent = Descent()
        self._border(0)

    def extend(self, new: NDArray[np.int32], stale: bool) -> None:
        """Add features to the set; stale: new weights follow, and with them a new Gram matrix."""
        before = len(self.set)
        self.set = np.concatenate([self.set, new])
        if self.weight is not None and not stale:
            self._border(before)

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Remove features from the set; new weights must follow. kept: mask (len(set),)."""
        self.pulled = self.pulled[kept[: len(self.pulled)]]
        self.set = self.set[kept]

    def _border(self, before: int) -> None:
        """Compute the rows of the Gram matrix from `before` on."""
        q, size = self.problem, len(self.set)
        weight = self.weight
        assert weight is not None
        if self.is_whole:
            self.means = self.A.tdot(weight) if q.fit_intercept else np.zeros(size)
            A = self._centre(self.by_rows)
            self.gram = np.ascontiguousarray(A.gram(weight))
        else:
            new = self.set[before:]
            if not q.fit_intercept:
                means = np.zeros(len(new))
            elif self.A.kind == "C":
                means = self.A.tdot(weight)[new]
            else:
                means = self.A.dot_columns(new, weight)
            self.means = np.concatenate([self.means[:before], means])
            A = self._centre(self.columns)
            if A.is_sparse and size > _MOST_GRAM:
                self._by_columns(A)
                return
            self.by_set = None
            if size > len(self.gram):
                capacity = (min(q.p, max(64, size + size // 2)) + 7) // 16 * 16 + 24
                gram = np.empty((capacity, capacity))
                gram[:before, :before] = self.gram[:before, :before]
                self.gram = gram
            if A.is_sparse:
                column_border(A, self.set, weight, before, size, self.gram)
            else:
                if before == 0 or len(self.rows) < size:
                    rows = np.empty((len(self.gram), q.n))
                    rows[:before] = self.rows[:before] if before else 0.0
                    self.rows = rows
                A.copy_columns(self.set[before:size], self.rows[before:size])
                self.rows[before:size] *= np.sqrt(weight)
                gram_border(self.rows, before, size, 1.0, self.gram)
        self.image_of = None
        self.square = np.diagonal(self.gram)[:size].copy()
        self.descent.set_gram(self.gram)

    def _by_columns(self, A: Matrix) -> None:
        """Use the columns instead of their Gram matrix."""
        if self.by_set is None:
            # of other coordinates
            self.descent = Descent()
            self.gram = np.zeros((0, 0))
        self.by_set = A
        self.square = squares_of(A, self.weight)[self.set]
        self.image_of = None
        self.descent.set_columns(A, self.set, self.weight)

    def _centre(self, near: Matrix) -> Matrix:
        """Return the columns of the set, centred under the weights in use."""
        q = self.problem
        if not q.fit_intercept:
            return near.centered(q.A.shift, q.A.scale)
        return centred_at(near, q.A, self.set, self.means)

    def _products(self, r: Array) -> Array:
        """Return A' r for the features of the set."""
        if self.is_whole:
            return self.A.tdot(r)
        if self.A.kind == "C":
            return self.A.tdot(r)[self.set]
        return self.A.dot_columns(self.set, r)

    def combine(self, d: Array) -> Array:
        """Return A d for the features of the set."""
        if not self.is_whole and self.A.kind != "C":
            return self.A.add_columns(self.set, d)
        step = np.zeros(self.problem.p)
        step[self.set] = d
        return self.A.dot(step)

    def step(self, state: State, inner: float, exact: int) -> tuple[State, Array, float] | None:
        """Return the state on the way to the model's minimum, theta, and the predicted decrease."""
        q, W, total = self.problem, self.set, self.total
        size = len(W)
        weight = self.weight
        assert weight is not None
        slope = float(state.r.sum()) if q.fit_intercept else 0.0
        g = self._products(state.r)
        g -= slope * self.means
        g /= -total
        u = state.u[W]
        if self._is_unheld(state, g):
            self.is_old = self.at is not state
            return None
        cross = self._gram_image(state.u, u) + g
        residual, level = None, 0.0
        if self.by_set is not None:
            residual, level = self._residual(state, u, slope)
        l1, l2 = q.l1[W] / total, q.l2[W] / total
        # keep the remaining squares positive where columns explain little under the weights
        over = np.maximum(np.abs(g) - l1, 0.0)
        over *= np.abs(g)
        curved = self.square + l2
        np.divide(over, curved, out=over, where=curved > 0)
        # include rows of little weight, unless their round-off exceeds the tolerance
        fits = _UNHIDDEN * self.left_in_all * total <= inner
        left = self.left_in_all if fits else self.left
        yy = max(left, _REACH * float(over.sum())) + float(u @ (cross + g))
        w = u.copy()
        self.descent.solve(
            l1,
            l2,
            None if q.lower is None else q.lower[W],
            None if q.upper is None else q.upper[W],
            self.square,
            cross,
            max(yy, 0.0),
            w,
            g,
            np.zeros(size),
            np.zeros(size),
            False,
            inner / total,
            _EPOCHS,
            residual=residual,
            level=level,
            exact=exact,
        )
        self.is_old = self.at is not state
        d = w - u
        if not np.isfinite(d).all():
            return None
        image = cross - g
        if self.is_free:
            self.pulled = total * np.abs(g)
        self.products = None
        if self.is_whole and self.is_free and self.by_set is None:
            self.products = self._products_of(state, g, w, inner)
        along = self.combine(d)
        move = 0.0
        if q.fit_intercept:
            move = -(slope / total + float(weight @ along))
            along += move
        theta = weight * along
        theta *= total
        theta += state.r
        found = self._search(state, w, d, move, along, theta)
        if found is not None and found[0] is not state and np.array_equal(found[0].u[W], w):
            self.image, self.image_of = image, found[0].u
        return found

    def _products_of(self, state: State, g: Array, w: Array, allowed: float) -> Array | None:
        """Return A'theta = A'r + G d = -total g for coefficients w, at least its size.

        None where round-off may add more than `allowed` to the gap.
        """
        l1, root = self.problem.l1, np.sqrt(self.square)
        rounding = sizes_of(self.problem, state.r)
        rounding += self.total * float(root @ (np.abs(state.u) + np.abs(w))) * root
        rounding *= _GRAM_ROUNDING
        rounding[l1 == 0] = 0.0  # the dual allows for it
        # theta will be divided by the largest excess
        share = np.divide(rounding, l1, out=np.zeros(len(l1)), where=l1 > 0).max()
        if not share * float(l1 @ np.abs(w)) <= allowed:
            return None
        products = -self.total * g
        products += np.copysign(rounding, products)
        return products

    def _residual(self, state: State, u: Array, slope: float) -> tuple[Array, float]:
        """Return the model's residual in the form of `Descent.solve`, and its level."""
        weight, A = self.weight, self.by_set
        assert weight is not None
        assert A is not None
        return residual_of(A, self.set, u, weight, (slope * weight - state.r) / self.total)

    def _gram_image(self, whole: Array, u: Array) -> Array:
        """Return the Gram matrix times the coefficients u of the set, part of `whole`."""
        size = len(u)
        if whole is self.image_of and len(self.image) == size:
            return self.image
        if self.by_set is not None:
            weight = self.weight
            assert weight is not None
            along = self.combine(u)
            if self.problem.fit_intercept:
                along -= float(weight @ along)
            along *= weight
            return self._products(along) - self.means * float(along.sum())
        live = np.flatnonzero(u)
        # rows of a symmetric matrix: columns would be copied stride by stride
        return u[live] @ self.gram[live, :size]

    def _is_unheld(self, state: State, g: Array) -> bool:
        """Return whether features have a slope only on rows without curvature: no minimum exists.

        g: the negative gradient of the model.
        """
        squares = self.problem.rows.squares()[self.set]
        flat = np.flatnonzero(self.square <= _FLAT * squares)
        if not len(flat):
            return False
        q, j, g = self.problem, self.set[flat], g[flat]
        u = state.u[j]
        left = g * self.total - q.l2[j] * u
        left = np.where(
            u == 0,
            np.sign(left) * np.maximum(np.abs(left) - q.l1[j], 0.0),
            left - np.sign(u) * q.l1[j],
        )
        unheld = np.abs(left) > 1e-9 * (q.l1[j] + np.abs(g) * self.total)
        if q.upper is not None:
            unheld &= (left < 0) | (u < q.upper[j])
        if q.lower is not None:
            unheld &= (left > 0) | (u > q.lower[j])
        return bool(unheld.any())

    def _search(
        self, state: State, w: Array, d: Array, move: float, along: Array, theta: Array
    ) -> tuple[State, Array, float] | None:
        """Return the state along a step with sufficient decrease."""
        q, W = self.problem, self.set
        l1, l2, u = q.l1[W], q.l2[W], state.u[W]
        before, after = penalty_of(l1, l2, u), penalty_of(l1, l2, w)
        outside = state.penalty - before
        slope = float(state.r @ along) + after - before
        size = abs(state.loss) + state.penalty
        if not slope < 0:
            # only round-off is left to gain
            if abs(slope) <= 64 * _EPS * size:
                return state, theta, abs(slope)
            return None
        t = 1.0
        for _ in range(_HALVINGS):
            x = state.u.copy()
            x[W] = w if t == 1 else u + t * d
            eta = state.eta + (along if t == 1 else t * along)
            r, h = np.empty(q.n), np.empty(q.n)
            loss = q.loss.evaluate(q.y, eta, q.weight, r, h)
            penalty = outside + (after if t == 1 else penalty_of(l1, l2, x[W]))
            new = State(x, state.b + t * move, eta, loss, penalty, r, h)
            allowed = state.objective + _ENOUGH * t * slope
            if abs(t * slope) <= 1e-10 * size:
                # differences of the objective are round-off
                allowed = state.objective + 4 * _EPS * size
            if new.objective <= allowed:
                return new, theta, -slope
            t *= 0.5 if math.isfinite(new.objective) else 0.1
        return None
