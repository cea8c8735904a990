"""Criteria of group penalties by features: from a Gram matrix, at the cost of its factor.

With the features in units of their norms, G their Gram matrix with the free features (d = 0)
projected out, c their products with y, D = diag(alpha_g f_j) and A = G + D, the coefficients are
w = A^-1 c, and

    Q = y'y - c'w,    L = log|A| - log|D|

are the penalised sum of squares and the log determinant of the evidence. In rho_g = log alpha_g

    dQ_g = w'D_g w,                     d2Q_gh = [g = h] dQ_g - 2 w'D_g C D_h w,    C = A^-1,
    dL_g = tr(C D_g) - p_g,             d2L_gh = [g = h] tr(C D_g) - tr(C D_g C D_h):

S. N. Wood, "Fast stable restricted maximum likelihood and marginal likelihood estimation of
semiparametric generalized linear models", JRSS B 73(1), 2011. Group penalties are relative to the
median of a group's factors, in these units; y has length 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._cached import cached
from ...quadratic.problem import RidgeProblem
from ...systems import lapack
from .choose import LEAST, NEAR_ZERO
from .criteria import Terms
from .left_out import LeftOut, Rows

Array = NDArray[np.float64]

_RANK = 1e-12  # share of a free column that must be left by the columns before it
_EPS = float(np.finfo(np.float64).eps)


class Groups(NamedTuple):
    """Penalised features that vary, sorted by group.

    Attributes
    ----------
    order : ndarray (q,)
        Their numbers.
    code : ndarray (q,)
        The group of each, rising.
    start : ndarray (g,)
        Index at which each group begins.
    size : ndarray (g,)
        Number of features of each group; 0 where none varies.
    """

    order: NDArray[np.intp]
    code: NDArray[np.intp]
    start: NDArray[np.intp]
    size: NDArray[np.intp]

    def sums(self, values: Array, axis: int = 0) -> Array:
        """Return the sums of `values` over the features of each group."""
        return sums_of(values, self.start, self.size, axis)


def sums_of(values: Array, start: Any, size: Any, axis: int = 0) -> Array:
    """Return the sums over consecutive parts of an axis, 0 for empty parts."""
    shape = list(values.shape)
    shape[axis] = len(size)
    filled = size > 0
    if not filled.any():
        return np.zeros(shape)
    if filled.all() and size.max() == 1:
        return values
    found = values if size.max() == 1 else np.add.reduceat(values, start[filled], axis=axis)
    if filled.all():
        return found
    out = np.zeros(shape)
    out[(slice(None),) * axis + (filled,)] = found
    return out


def group_features(codes: NDArray[np.intp], count: int, live: NDArray[np.bool_]) -> Groups:
    """Sort live features (p,) by their group in `codes`."""
    chosen = np.flatnonzero(live)
    order = chosen[np.argsort(codes[chosen], kind="stable")]
    code = codes[order]
    size = np.bincount(code, minlength=count)
    return Groups(order, code, np.r_[0, np.cumsum(size)[:-1]], size)


class Features:
    """Data of one or more targets, reduced to sums.

    Parameters
    ----------
    gram, cross, yy : ndarray (p, p), (p, k) and (k,)
        Sums of products about the means, or about zero without an intercept.
    mean : ndarray (p,)
        Means that `gram` is about.
    d : ndarray (p,)
        Penalty factors.
    codes : ndarray (p,)
        Group of each feature.
    count : int
        Number of groups.
    total : float
        Sum of the weights.
    fit_intercept : bool

    Attributes
    ----------
    groups : Groups
    free : ndarray (m,)
        Unpenalised features, without those that depend on the others.
    rank : int
        Degrees of freedom of the free features and the intercept.
    fixed : float
        Log determinant of their Gram matrix.
    unit : ndarray (g,)
        Penalty that corresponds to a relative group penalty of 1.
    yy : ndarray (k,)
        Sums of squares of y after projecting out the free features.
    problem : RidgeProblem
        The rows, which `coef` needs.
    """

    least, near_zero = LEAST, NEAR_ZERO
    rows: Rows | None = None
    problem: RidgeProblem

    def __init__(
        self,
        gram: Array,
        cross: Array,
        yy: Array,
        mean: Array,
        d: Array,
        codes: NDArray[np.intp],
        count: int,
        total: float,
        fit_intercept: bool,
    ) -> None:
        squares = np.diagonal(gram)
        self.p, self.k = cross.shape
        self.total, self.fit_intercept = total, fit_intercept
        self.size = np.sqrt(squares)
        self.codes, self.whole, self.right, self.y_squares = codes, gram, cross, yy
        self.d, self.is_free = d, d == 0
        live = squares > 0
        self.groups = groups = group_features(codes, count, live & (d > 0))
        order = groups.order
        inverse = 1.0 / self.size[order]
        G = gram[np.ix_(order, order)]
        G *= inverse
        G *= inverse[:, None]
        c = cross[order] * inverse[:, None]
        self._reduce_free(gram, cross, np.flatnonzero(live & (d == 0)), G, c, order, inverse)
        left = yy - (self.free_right**2).sum(axis=0)
        self.rank = len(self.free) + fit_intercept
        # y minus the fit of the free features may be only round-off
        dead = left <= 64 * _EPS * yy
        self.yy = np.where(dead, 0.0, left)
        self.y_unit = np.sqrt(np.where(dead, 1.0, left))
        self.gram, self.cross = np.asfortranarray(G.T), np.where(dead, 0.0, c / self.y_unit)
        np.fill_diagonal(self.gram, np.maximum(np.diagonal(self.gram), 0.0))
        self.mean = mean[order] * inverse
        factor = d[order] * inverse**2
        self.unit = np.ones(count)
        for g in np.flatnonzero(groups.size):
            part = factor[groups.start[g] : groups.start[g] + groups.size[g]]
            self.unit[g] = 1.0 / np.exp(np.log(part).mean())
        self.factor = factor * self.unit[groups.code]

    def _reduce_free(self, gram, cross, free, G, c, order, inverse) -> None:
        """Project the free features out of G and c."""
        self.free = free
        self.fixed = np.log(self.total) if self.fit_intercept else 0.0
        self.border = np.zeros((0, len(order)))
        self.free_right = np.zeros((0, self.k))
        if not len(free):
            return
        size = self.size[free]
        M = np.array(gram[np.ix_(free, free)] / size / size[:, None], order="F")
        R, pivots, rank = lapack.pivoted_cholesky(M, _RANK)
        R, pivots = np.triu(R[:rank, :rank]), pivots[:rank]
        self.free, size = free[pivots], size[pivots]
        self.fixed += 2.0 * float(np.log(np.diagonal(R) * size).sum())
        coupling = gram[np.ix_(self.free, order)] * inverse / size[:, None]
        solve = lapack.solve_triangular
        self.border = solve(R, coupling, trans="T")
        self.free_right = solve(R, cross[self.free] / size[:, None], trans="T")
        self.free_root, self.free_size = R, size
        G -= self.border.T @ self.border
        c -= self.border.T @ self.free_right

    def fixed_border(self) -> Array:
        """Return the products of the orthonormalised fixed columns with the penalised ones."""
        if not self.fit_intercept:
            return self.border
        return np.vstack([np.sqrt(self.total) * self.mean, self.border])

    def at(self, alpha: Array, target: int) -> FeatureState | None:
        """Return the state at relative penalties (g,), possibly infinite; None: not definite."""
        state = FeatureState(self, alpha, target)
        return state if state.definite else None

    def products(self, w: Array) -> Array:
        """Return the products (p,) of all features with the fit of coefficients (p,)."""
        return self.whole @ w

    def coef(self, states: list[Any], alpha: Array) -> Array:
        """Return coefficients (k, p), one state per target, refined with residuals from the rows.

        `alpha` (k, g) are the penalties in the units of the problem.
        """
        problem = self.problem
        coef = np.zeros((self.k, self.p))
        whole = [t for t, state in enumerate(states) if isinstance(state, FeatureState)]
        for t, state in enumerate(states):
            if isinstance(state, FeatureState):
                coef[t] = self.solve(state, self.right[:, t])
            else:
                free = self._free_products(self.right[:, t])
                coef[t] = self._unscaled(state.w * self.y_unit[t], free)
        if not whole:
            return coef
        R = problem.Y - problem.A.dot(np.asfortranarray(coef.T))
        gradient = problem.rows.tdot(R)
        for t in whole:
            state = states[t]
            D = np.where(np.isfinite(alpha[t]), alpha[t], 0.0)[self.codes] * self.d
            step = self.solve(state, gradient[:, t] - D * coef[t])
            # with nearly dependent columns a step may not be finite
            if np.isfinite(step).all():
                coef[t] += step
        return coef

    def second_moments(self, together: bool) -> tuple[Array, Array, Array]:
        """Return T (g, g), d (g,) and the sums of c^2 (g, k) that `first_penalties` uses.

        Groups without features are left out. together: treat all features as one group.
        """
        live, code = np.flatnonzero(self.groups.size), self.groups.code
        where = np.zeros(len(code), np.intp) if together else np.searchsorted(live, code)
        member = np.zeros((len(code), 1 if together else len(live)))
        member[np.arange(len(code)), where] = 1.0 / self.factor
        T = member.T @ (self.gram**2 @ member)
        return T, member.T @ np.diagonal(self.gram), member.T @ self.cross**2

    def solve(self, state: FeatureState, right: Array) -> Array:
        """Return coefficients (p,) for products with y (p,), under the penalties of a state."""
        order = self.groups.order
        c = right[order] / self.size[order]
        free = self._free_products(right)
        c -= self.border.T @ free
        w = np.zeros(len(order))
        w[state.kept] = lapack.solve_factored(state.L, c[state.kept])
        return self._unscaled(w, free)

    def _free_products(self, right: Array) -> Array:
        """Return the products (m,) of the orthonormalised free features, for products (p,)."""
        if not len(self.free):
            return np.zeros(0)
        return lapack.solve_triangular(self.free_root, right[self.free] / self.free_size, trans="T")

    def _unscaled(self, w: Array, free: Array) -> Array:
        """Return coefficients (p,) for scaled ones (q,) of the penalised features."""
        coef = np.zeros(self.p)
        coef[self.groups.order] = w / self.size[self.groups.order]
        if len(self.free):
            rest = free - self.border @ w
            coef[self.free] = lapack.solve_triangular(self.free_root, rest) / self.free_size
        return coef


class FeatureState:
    """The terms of the criteria at one vector of penalties.

    Attributes
    ----------
    Q : float
        Penalised sum of squares.
    definite : bool
    """

    by_features = True

    def __init__(self, data: Features, alpha: Array, target: int) -> None:
        self.data, self.alpha, self.target = data, alpha, target
        groups = data.groups
        self.inside = np.isfinite(alpha)
        kept = self.inside[groups.code]
        self.all = bool(kept.all())
        self.kept = slice(None) if self.all else np.flatnonzero(kept)
        # sizes of the groups among the kept features
        self.sizes = np.where(self.inside, groups.size, 0)
        self.start = np.r_[0, np.cumsum(self.sizes)[:-1]]
        with np.errstate(invalid="ignore", over="ignore"):
            scale = np.where(self.inside, alpha, 0.0)
        self.D = (scale[groups.code] * data.factor)[self.kept]
        self.c = data.cross[self.kept, target]
        A = self._matrix()
        self.squares = float(data.yy[target] > 0)
        self.definite = True
        if not len(A):
            self.half, self.w, self.Q = A, self.c, self.squares
            return
        half = lapack.half_inverse(A)
        if half is None:
            self.definite = False
            return
        self.half = half
        v = half @ self.c
        self.w = half.T @ v
        self.Q = float(self.squares - v @ v)
        least = self.D @ self.w**2
        # Q minus the penalty term is the sum of squared residuals, which is positive
        self.Q = max(self.Q, float(least) + _EPS**2 * self.squares)

    def _matrix(self) -> Array:
        """Return A in F order."""
        G = self.data.gram
        # A is symmetric, so the transpose of a C-ordered copy is A in F order
        A = G.copy(order="F") if self.all else G.T.take(self.kept, 0).take(self.kept, 1).T
        A.flat[:: len(A) + 1] += self.D
        return A

    @cached
    def L(self) -> Array:
        """Cholesky factor of A, for solves that need its accuracy."""
        return lapack.factor(self._matrix())

    def solve(self, right: Array) -> Array:
        """Return A^-1 right."""
        return self.half.T @ (self.half @ right)

    @cached
    def chosen(self) -> Array | None:
        """D of the features of each group, (q, g); None if groups have few features each."""
        if 4 * len(self.sizes) > len(self.D):
            return None
        out = np.zeros((len(self.D), len(self.sizes)))
        out[np.arange(len(self.D)), self.data.groups.code[self.kept]] = self.D
        return out

    def forget(self) -> None:
        """Drop the inverse, which takes the memory of the Gram matrix."""
        for name in ("C", "sensitivity", "left_out", "outside"):
            self.__dict__.pop(name, None)

    def sums(self, values: Array, axis: int = 0) -> Array:
        return sums_of(values, self.start, self.sizes, axis)

    def is_near_singular(self) -> bool:
        """Return whether nearly dependent columns make coefficients inaccurate."""
        diagonal = np.diagonal(self.data.gram)[self.kept] + self.D
        return bool((np.diagonal(self.half) ** 2 * diagonal > 1e6).any())

    @cached
    def C(self) -> Array:
        """A^-1."""
        return lapack.lower_product(self.half)

    @cached
    def diagonal(self) -> Array:
        """Diagonal of C."""
        return np.einsum("ij,ij->j", self.half, self.half)

    @cached
    def pairs(self) -> Array:
        """tr(C D_g C D_h), (g, g)."""
        E, M = self.chosen, self.C**2
        if E is not None:
            return E.T @ (M @ E)
        M *= self.D[:, None]
        M *= self.D
        return self.sums(self.sums(M), 1)

    @cached
    def traces(self) -> Array:
        """tr(C D_g), (g,)."""
        return self.sums(self.diagonal * self.D)

    @cached
    def dof(self) -> Array:
        """Effective degrees of freedom of each group."""
        return np.maximum(self.sums(1.0 - self.diagonal * self.D), 0.0)

    @cached
    def sensitivity(self) -> Array:
        """C D_h w, (q, g)."""
        E = self.chosen
        if E is not None:
            return self.C @ (E * self.w[:, None])
        return self.sums(self.C * (self.D * self.w), 1)

    @cached
    def residual(self) -> float:
        """Sum of squared residuals."""
        return max(self.Q - float(self.D @ self.w**2), _EPS**2 * self.squares)

    @property
    def cancelled(self) -> float:
        """Amplification of round-off in Q by cancellation."""
        return self.squares / self.Q

    @property
    def residual_cancelled(self) -> float:
        """Amplification of round-off in the sum of squared residuals by cancellation."""
        return self.squares / self.residual if self.residual > 0 else np.inf

    # terms of the criteria

    def log_determinant(self) -> float:
        """log|A| - log|D|; infinite where a penalty is 0."""
        with np.errstate(divide="ignore"):
            return -float(2.0 * np.log(np.diagonal(self.half)).sum() + np.log(self.D).sum())

    @cached
    def slopes(self) -> Array:
        """First derivatives of Q, (g,)."""
        return self.sums(self.D * self.w**2)

    def quadratic(self) -> Terms:
        """Derivatives of Q."""
        Dw, first = self.D * self.w, self.slopes
        second = -2.0 * self.sums(Dw[:, None] * self.sensitivity)
        second[np.diag_indices(len(first))] += first
        return Terms(self.Q, first, second)

    def determinant(self) -> Terms:
        """Derivatives of log|A| - log|D|."""
        second = -self.pairs
        second[np.diag_indices(len(second))] += self.traces
        return Terms(self.log_determinant(), -self.dof, second)

    @cached
    def ones(self) -> bool:
        """Return whether no active group has several features."""
        return bool(self.sizes.max(initial=0) == 1)

    def restricted_hessian(self, left: float) -> tuple[Array, NDArray[np.intp]]:
        """Return the Hessian of left log Q + log|A| - log|D| and the groups of its rows.

        For groups of one feature each.
        """
        scale = left / self.Q
        D, w = self.D, self.w
        H = np.multiply.outer(w, w * (-2.0 * scale))
        H -= self.C
        H *= self.C
        w = w**2
        H -= np.multiply.outer(w, w * (scale / self.Q))
        H *= D
        H *= D[:, None]
        H.flat[:: len(H) + 1] += D * (self.diagonal + scale * w)
        return H, np.flatnonzero(self.sizes)

    def residuals(self) -> Terms:
        """Derivatives of the sum of squared residuals."""
        D, w, V = self.D, self.w, self.sensitivity
        z = V.sum(axis=1)
        first = 2.0 * self.sums(z * D * w)
        cross = self.sums((z * D)[:, None] * V)
        single = self.sums((D * w)[:, None] * V)
        second = 2.0 * (single - cross - cross.T - V.T @ (D[:, None] * V))
        second[np.diag_indices(len(first))] += first
        return Terms(self.residual, first, second)

    def total_dof(self) -> Terms:
        """Derivatives of tr(C G)."""
        inner = self.pairs.sum(axis=1)
        B = (self.C * self.D) @ self.C
        triple = self.sums(self.sums(self.C * B * self.D * self.D[:, None]), 1)
        second = 2.0 * self.pairs - 2.0 * triple
        second[np.diag_indices(len(inner))] -= self.traces - inner
        return Terms(float(self.dof.sum()), inner - self.traces, second)

    @cached
    def border(self) -> Terms:
        """log|I + J C J'| of the fixed columns, and its derivatives."""
        J = self.data.fixed_border()[:, self.kept]
        count = len(self.sizes)
        if not len(J) or not len(self.D):
            return Terms(0.0, np.zeros(count), np.zeros((count, count)))
        Y = self.C @ J.T
        M = np.eye(len(J)) + J @ Y
        N = np.linalg.inv(M)
        YN = Y @ N
        first = -self.sums(self.D * np.einsum("ji,ji->j", Y, YN))
        # sum over pairs of features of 2 (YNY')_ij C_ij - ((YNY')_ij)^2, with D on both sides
        E = YN @ Y.T
        M2 = E * (2.0 * self.C - E)
        M2 *= self.D
        M2 *= self.D[:, None]
        second = self.sums(self.sums(M2), 1)
        second[np.diag_indices(count)] += first
        return Terms(float(np.linalg.slogdet(M)[1]), first, second)

    @cached
    def left_out(self) -> LeftOut:
        """Leave-one-out errors."""
        return LeftOut(self)

    @cached
    def outside(self) -> Outside:
        """Derivatives that decide whether groups return."""
        return Outside(self)


class Outside:
    """Derivative terms for features of the groups that are out.

    Attributes
    ----------
    slope : ndarray (m,)
        X_j'r over the root of the feature's factor.
    squares, products : ndarray (g,)
        Sums of `slope` squared, and times X_j'P r over the root of the factor, P = I - H.
    spread, spread_twice, raw : ndarray (g,)
        Sums of X_j'P X_j and X_j'P P X_j over the factor; what the fixed columns add to the first.
    scale : ndarray (g,)
        Sums of squares of the groups over their factors.
    """

    def __init__(self, state: FeatureState) -> None:
        data = state.data
        self.code = data.groups.code
        out = np.flatnonzero(~state.inside[self.code])
        self.code = self.code[out]
        self.count = len(state.alpha)
        root = np.sqrt(data.factor[out])
        self.chosen, self.root = out, root
        coupling = data.gram[np.ix_(out, np.arange(len(data.gram))[state.kept])].T / root
        own = np.diagonal(data.gram)[out] / root**2
        self.slope = slope = data.cross[out, state.target] / root
        slope_twice, spread, spread_twice = slope, own, own
        J = data.fixed_border()
        border = J[:, out] / root
        raw = np.einsum("ij,ij->j", border, border)
        if len(state.D):
            w, D = state.w, state.D
            self.slope = slope = slope - coupling.T @ w
            B = state.solve(coupling)
            self.solved = B
            slope_twice = slope - coupling.T @ state.sensitivity.sum(axis=1)
            spread = np.maximum(own - np.einsum("ij,ij->j", coupling, B), 0.0)
            spread_twice = spread - np.einsum("ij,i,ij->j", B, D, B)
            border = border - J[:, state.kept] @ B
            if len(J):
                M = np.eye(len(J)) + J[:, state.kept] @ state.C @ J[:, state.kept].T
                raw = np.einsum("ij,ij->j", border, np.linalg.solve(M, border))
        self.squares, self.products = self.sums(slope**2), self.sums(slope * slope_twice)
        self.spread, self.spread_twice = self.sums(spread), self.sums(spread_twice)
        self.raw = self.sums(raw)
        self.scale = np.maximum(self.sums(own), np.finfo(np.float64).tiny)

    def sums(self, values: Array) -> Array:
        return np.bincount(self.code, values, self.count)
