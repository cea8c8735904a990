"""Criteria of group penalties by samples: from one Gram matrix of the rows for each group.

With Z the features over the roots of their factors, in the complement of the fixed columns (the
intercept and the features without a penalty), K_g = Z_g Z_g' and t_g = 1 / alpha_g,

    V = I + sum_g t_g K_g,    a = V^-1 y,    Q = y'a,    L = log|V|,    dof = tr(I - V^-1)

are the terms of the criteria, and t_g K_g = B_g is minus the derivative of V in log alpha_g. Groups
that are out have t_g = 0. A group of few features is stored as its columns Z_g, without K_g. Units
are those of the reduction by features.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._cached import cached
from ...quadratic.problem import RidgeProblem
from ...systems import lapack
from .criteria import Terms
from .features import group_features

Array = NDArray[np.float64]

_RANK = 1e-12  # share of a free column that must be left by the columns before it
_COLUMNS = 1 << 22  # elements of a block of columns
_THIN = 8  # groups with fewer features than 1 / _THIN of the rows are stored as columns
_EPS = float(np.finfo(np.float64).eps)
_TINY = float(np.finfo(np.float64).tiny)


class Kernels:
    """Matrices K_g (n, n) of the groups; groups of few features are stored as columns.

    Attributes
    ----------
    count : int
        Number of groups.
    whole : ndarray (h,)
        Groups whose K_g is stored.
    K : ndarray (h, n, n)
    Z : ndarray (n, q)
        Columns of the other groups.
    code : ndarray (q,)
        Their groups, rising.
    """

    def __init__(self, count: int, whole: Any, K: Array, Z: Array, code: Any) -> None:
        self.count, self.whole, self.K, self.Z, self.code = count, whole, K, Z, code

    def projected(self, N: Array) -> Kernels:
        """Return the kernels N'K_g N."""
        K = np.empty((len(self.K), N.shape[1], N.shape[1]))
        for h, kernel in enumerate(self.K):
            K[h] = lapack.product(N.T, lapack.product(kernel, N))
        return Kernels(self.count, self.whole, K, N.T @ self.Z, self.code)

    def below(self, m: int) -> Kernels:
        """Return the kernels of the rows from m on."""
        return Kernels(self.count, self.whole, self.K[:, m:, m:], self.Z[m:], self.code)

    def sums(self, values: Array, axis: int = 0) -> Array:
        """Return the sums over the columns of each group; 0 for groups whose K_g is stored."""
        shape = list(values.shape)
        shape[axis] = self.count
        out = np.zeros(shape)
        if len(self.code):
            first = np.flatnonzero(np.r_[True, np.diff(self.code) > 0])
            where = (slice(None),) * axis + (self.code[first],)
            out[where] = np.add.reduceat(values, first, axis=axis)
        return out

    def traces(self) -> Array:
        """Return tr(K_g), (g,)."""
        out = self.sums(np.einsum("ij,ij->j", self.Z, self.Z))
        out[self.whole] = np.einsum("hii->h", self.K)
        return out

    def combined(self, t: Array) -> Array:
        """Return I + sum_g t_g K_g, in F order."""
        n = len(self.Z)
        V = np.zeros((n, n), order="F")
        for h, g in enumerate(self.whole):
            if t[g] > 0:
                V += t[g] * self.K[h]
        T = t[self.code]
        used = T > 0
        if used.any():
            part = self.Z[:, used] * np.sqrt(T[used])
            V += lapack.product(part, part.T)
        V.flat[:: n + 1] += 1.0
        return V

    def times(self, a: Array) -> Array:
        """Return K_g a, (n, g)."""
        out = self.sums(self.Z * (self.Z.T @ a), 1)
        for h, g in enumerate(self.whole):
            out[:, g] = self.K[h] @ a
        return out

    def trace_with(self, P: Array) -> Array:
        """Return tr(P K_g), (g,), for symmetric P."""
        out = self.sums(np.einsum("ij,ij->j", self.Z, P @ self.Z))
        for h, g in enumerate(self.whole):
            out[g] = np.vdot(P, self.K[h])
        return out

    def diagonals(self, P: Array) -> Array:
        """Return the diagonals of P K_g P', (len(P), g)."""
        out = self.sums((P @ self.Z) ** 2, 1)
        for h, g in enumerate(self.whole):
            out[:, g] = np.einsum("ij,ij->i", lapack.product(P, self.K[h]), P)
        return out

    def pairs(self, P: Array, S: Array, chosen: Any) -> Array:
        """Return tr(P K_g S K_h), (g, g), for symmetric P and S; 0 except for chosen groups."""
        out = np.zeros((self.count, self.count))
        held = [h for h, g in enumerate(self.whole) if chosen[g]]
        groups = self.whole[held]
        left = [lapack.product(self.K[h], P) for h in held]  # (P K)'
        right = left if P is S else [lapack.product(self.K[h], S) for h in held]
        for i, g in enumerate(groups):
            for j in range(i + 1):
                out[g, groups[j]] = np.einsum("ij,ji->", left[i], right[j])
                out[groups[j], g] = out[g, groups[j]]
        if not len(self.code):
            return out
        SZ = S @ self.Z
        for i, g in enumerate(groups):
            # tr(Z'P K S Z)
            coupling = self.sums(np.einsum("ij,ij->j", left[i].T @ SZ, self.Z))
            out[g] += coupling
            out[:, g] += coupling
        PZ = SZ if P is S else P @ self.Z
        step = max(1, _COLUMNS // len(self.code))
        for start in range(0, len(self.code), step):
            part = slice(start, start + step)
            block = lapack.product(np.ascontiguousarray(PZ[:, part].T), self.Z)
            block *= block if P is S else lapack.product(self.Z[:, part].T.copy(), SZ)
            inner = self.sums(block, 1)
            for j, row in zip(self.code[part], inner, strict=True):
                out[j] += row
        return out * np.outer(chosen, chosen)


class Samples:
    """Data of one or more targets, reduced to Gram matrices of the rows.

    Parameters
    ----------
    problem : RidgeProblem
        Rows, centred about the means where there is an intercept.
    d : ndarray (p,)
        Penalty factors.
    codes : ndarray (p,)
        Group of each feature.
    count : int
        Number of groups.

    Attributes
    ----------
    The attributes of `Features` that a fit uses, and

    least, near_zero : float
        Least penalty above 0, and one close to 0; smaller ones lose the identity in V to round-off.
    kernels : Kernels
        Kernels in the complement of the fixed columns.
    outer : Kernels
        Kernels in all directions, fixed columns first, without centring.
    N : ndarray (n, m)
        Basis of the complement, in rows of positive weight.
    y : ndarray (m, k)
        Targets in that basis, scaled to length 1.
    """

    least, near_zero = 1e-10, 1e-6

    def __init__(
        self, problem: RidgeProblem, d: Array, codes: NDArray[np.intp], count: int
    ) -> None:
        self.problem, self.d, self.codes, self.count = problem, d, codes, count
        self.p, self.k = problem.p, problem.k
        self.total, self.fit_intercept = problem.total, problem.fit_intercept
        squares = problem.column_squares()
        live = squares > 0
        self.is_free = d == 0
        self.groups = groups = group_features(codes, count, live & (d > 0))
        size = np.sqrt(squares)
        self.unit = np.ones(count)
        for g in np.flatnonzero(groups.size):
            part = groups.order[groups.start[g] : groups.start[g] + groups.size[g]]
            self.unit[g] = 1.0 / np.exp((np.log(d[part]) - 2.0 * np.log(size[part])).mean())
        root = np.ones(problem.n) if problem.root is None else problem.root
        self.used = np.flatnonzero(root > 0)
        self.root = root[self.used]
        self._take_fixed(np.flatnonzero(live & self.is_free), size)
        # scale the columns so that a relative penalty of 1 is 1
        self.factor = np.zeros(self.p)
        order = groups.order
        self.factor[order] = 1.0 / (d[order] * self.unit[codes[order]])
        self.right = problem.gradient_at_zero()
        Y = problem.Y[self.used] * self.root[:, None]
        self.y_squares = np.einsum("ik,ik->k", Y, Y)
        y = self._rotated(Y)[self.m :]
        left = np.einsum("ik,ik->k", y, y)
        dead = left <= 64 * _EPS * self.y_squares
        self.yy = np.where(dead, 0.0, left)
        self.y_unit = np.sqrt(np.where(dead, 1.0, left))
        self.y = np.where(dead, 0.0, y / self.y_unit)
        self.outer = self._kernels()
        self.kernels = self.outer.below(self.m)
        self.N = self._rotated(np.eye(len(self.used))[:, self.m :], back=True)
        self.ranks = np.zeros(count)
        self.zeros = np.zeros(count, dtype=bool)
        self._without: tuple[bytes, Any] = b"", None

    def _columns(self, chosen: NDArray[np.intp]) -> Array:
        """Return the weighted, centred rows (n, c) of chosen columns."""
        Z = np.empty((len(chosen), self.problem.n))
        self.problem.A.copy_columns(chosen.astype(np.int32), Z)
        return Z.T[self.used] * self.root[:, None]

    def _take_fixed(self, free: NDArray[np.intp], size: Array) -> None:
        """Compute an orthonormal basis of the fixed columns, as block reflector I - H T H'."""
        self.fixed = float(np.log(self.total)) if self.fit_intercept else 0.0
        F = self._columns(free) / size[free]
        if len(free):
            M = np.asfortranarray(F.T @ F)
            R, pivots, rank = lapack.pivoted_cholesky(M, _RANK)
            pivots = pivots[:rank]
            free, F = free[pivots], F[:, pivots]
            self.fixed += 2.0 * float(np.log(np.diagonal(R)[:rank] * size[free]).sum())
        self.free, self.free_size, self.F = free, size[free], F
        self.rank = len(free) + self.fit_intercept
        if self.fit_intercept:
            F = np.column_stack([self.root / np.sqrt(self.total), F])
        self.m = m = min(F.shape[1], len(F))
        self.H, self.T = lapack.reflections(F[:, :m])
        # the first direction is the intercept's, up to its sign
        self._along = float(self._rotated(self.root[:, None])[0, 0]) if m else 0.0

    def _rotated(self, A: Array, back: bool = False) -> Array:
        """Return Q'A, whose first rows are along the fixed columns; with `back`, Q A."""
        T = self.T if back else self.T.T
        return A - self.H @ (T @ (self.H.T @ A))

    def _kernels(self) -> Kernels:
        problem, order, size = self.problem, self.groups.order, self.groups.size
        n = len(self.used)
        thin = (size > 0) & (size * _THIN <= n)
        whole = np.flatnonzero((size > 0) & ~thin)
        K = np.zeros((len(whole), n, n))
        for h, g in enumerate(whole):
            part = order[self.groups.start[g] : self.groups.start[g] + size[g]]
            if problem.A.is_sparse:
                K[h] = self._sparse_kernel(part)
                continue
            step = max(64, _COLUMNS // problem.n)
            for start in range(0, len(part), step):
                Z = self._raw(part[start : start + step])
                K[h] += lapack.product(Z, Z.T)
        chosen = thin[self.groups.code]
        return Kernels(self.count, whole, K, self._raw(order[chosen]), self.groups.code[chosen])

    def _raw(self, chosen: NDArray[np.intp]) -> Array:
        """Return scaled columns in the rotated basis, fixed directions first, without centring."""
        scale = np.sqrt(self.factor[chosen])
        Z = self._rotated(self._columns(chosen) * scale)
        if self.fit_intercept:
            Z[0] = self._along * self.problem.mean[chosen] * scale
        return Z

    def _sparse_kernel(self, part: NDArray[np.intp]) -> Array:
        problem = self.problem
        inverse = np.zeros(self.p)
        inverse[part] = self.factor[part]
        K = problem.A.gram_rows(inverse)[np.ix_(self.used, self.used)]
        K *= self.root
        K *= self.root[:, None]
        K = self._rotated(self._rotated(K).T)
        if self.fit_intercept:
            mean = problem.mean
            fit = problem.A.dot(np.ascontiguousarray(inverse * mean))[self.used] * self.root
            row = self._along * self._rotated(fit[:, None])[:, 0]
            row[0] = self.total * float(inverse @ mean**2)
            K[0], K[:, 0] = row, row
        return K

    def second_moments(self, together: bool) -> tuple[Array, Array, Array]:
        """Return traces of products of kernels and of kernels, and y'K_g y; see `Features`."""
        live = self.groups.size > 0
        eye = np.eye(self.kernels.Z.shape[0])
        T = self.kernels.pairs(eye, eye, live)[np.ix_(live, live)]
        d = self.kernels.traces()[live]
        squares = np.array([y @ self.kernels.times(y)[:, live] for y in self.y.T]).T
        if together:
            return T.sum(keepdims=True), d.sum(keepdims=True), squares.sum(0, keepdims=True)
        return T, d, squares

    def at(self, alpha: Array, target: int) -> SampleState | None:
        """Return the state at relative penalties (g,), possibly infinite; None: not definite."""
        zeros = (alpha == 0) & (self.groups.size > 0)
        data = self if not zeros.any() else self._reduced(zeros)
        if data is None:
            return None
        state = SampleState(data, alpha, target)
        return state if state.definite else None

    def _reduced(self, zeros: NDArray[np.bool_]) -> Samples | None:
        """Return the data with the features of some groups unpenalised."""
        key = zeros.tobytes()
        if self._without[0] == key:
            return self._without[1]
        data = None
        V = self.kernels.combined(np.where(zeros, 1.0, 0.0))
        V.flat[:: len(V) + 1] -= 1.0
        values, vectors = lapack.eigh(V)
        left = values <= len(V) * _EPS * max(float(values.max(initial=0.0)), _TINY)
        rank = len(V) - int(left.sum())
        if rank == self.groups.size[zeros].sum() and left.any():
            data = copy.copy(self)
            N0 = np.ascontiguousarray(vectors[:, left])
            data.zeros, data.ranks = zeros, np.where(zeros, self.groups.size, 0).astype(float)
            data.kernels, data.N = self.kernels.projected(N0), self.N @ N0
            data.y = N0.T @ self.y
        self._without = key, data
        return data

    def coef(self, states: list[SampleState], alpha: Array) -> Array:
        """Return coefficients (k, p), one state per target, refined with residuals from rows."""
        coef = np.zeros((self.k, self.p))
        for t, state in enumerate(states):
            a = state.data.N @ state.a * self.y_unit[t]
            coef[t] = self._of_multipliers(state, a)
            residual = self.problem.Y[:, t] - self.problem.A.dot(coef[t])
            # residual y - sum_g B_g a - a, computed from the columns
            left = state.data.N.T @ (residual[self.used] * self.root - a)
            a += state.data.N @ lapack.solve_factored(state.L, left)
            moved = self._of_multipliers(state, a)
            if np.isfinite(moved).all():
                coef[t] = moved
        return coef

    def _of_multipliers(self, state: SampleState, a: Array) -> Array:
        """Return the coefficients (p,) for a = V^-1 y in the rows."""
        coef = self._penalised(state, a)
        return coef + self._fixed(state, a, coef)

    def _penalised(self, state: SampleState, a: Array) -> Array:
        full = np.zeros(self.problem.n)
        full[self.used] = a * self.root
        coef = self.problem.A.tdot(full)
        coef *= self.factor * state.t[self.codes]
        return coef

    def _fixed(self, state: SampleState, a: Array, coef: Array) -> Array:
        """Return the coefficients (p,) of the unpenalised features."""
        out = np.zeros(self.p)
        zero = np.flatnonzero(state.data.zeros[self.groups.code])
        columns, size = self.F, self.free_size
        chosen = self.free
        if len(zero):
            extra = self.groups.order[zero]
            Z = self._columns(extra)
            norm = np.sqrt(np.einsum("ij,ij->j", Z, Z))
            chosen = np.r_[chosen, extra]
            columns, size = np.column_stack([columns, Z / norm]), np.r_[size, norm]
        if len(chosen):
            Y = self.problem.Y[:, state.target]
            rest = (Y - self.problem.A.dot(coef))[self.used] * self.root - a
            out[chosen] = np.linalg.lstsq(columns, rest, rcond=None)[0] / size
        return out

    def products(self, w: Array) -> Array:
        """Return the products (p,) of all features with the fit of coefficients (p,)."""
        fit = self.problem.A.dot(np.ascontiguousarray(w))
        if self.problem.weight is not None:
            fit = fit * self.problem.weight
        return self.problem.A.tdot(fit)


class SampleState:
    """The terms of the criteria at one vector of penalties."""

    by_features = False

    def __init__(self, data: Samples, alpha: Array, target: int) -> None:
        self.data, self.alpha, self.target = data, alpha, target
        self.inside = np.isfinite(alpha)
        self.live = self.inside & (alpha > 0) & (data.groups.size > 0)
        self.t = np.divide(1.0, alpha, out=np.zeros(len(alpha)), where=self.live)
        self.kernels = data.kernels
        self.y = data.y[:, target]
        self.squares = float(data.yy[target] > 0)
        self.definite = True
        V = self.kernels.combined(self.t)
        largest = float(np.diagonal(V).max(initial=1.0))
        try:
            self.L = lapack.factor(V)
        except np.linalg.LinAlgError:
            self.definite = False
            return
        self.a = lapack.solve_factored(self.L, self.y)
        self.Q = float(self.y @ self.a)
        # estimate of the condition number, from below
        least = float((np.diagonal(self.L) ** 2).min(initial=largest))
        self.cancelled = self.residual_cancelled = largest / least

    def forget(self) -> None:
        """Keep everything: a matrix of the samples is small."""

    def is_near_singular(self) -> bool:
        """Return True: where y is fitted exactly, copies of rows make V singular."""
        return True

    def _scaled(self, values: Array) -> Array:
        return values * self.t

    @cached
    def M(self) -> Array:
        """V^-1."""
        return lapack.inverse_factored(self.L)

    @cached
    def sensitivity(self) -> Array:
        """V^-1 B_g a, (n, g)."""
        return lapack.solve_factored(self.L, self._scaled(self.kernels.times(self.a)))

    @cached
    def dof(self) -> Array:
        """Effective degrees of freedom of each group."""
        return np.maximum(self._scaled(self.kernels.trace_with(self.M)), 0.0) + self.data.ranks

    @cached
    def residual(self) -> float:
        """Sum of squared residuals."""
        return max(float(self.a @ self.a), _EPS**2 * self.squares)

    def _pairs(self, P: Array, S: Array) -> Array:
        return self.kernels.pairs(P, S, self.live) * np.outer(self.t, self.t)

    def log_determinant(self) -> float:
        """log|V|; infinite where a penalty is 0."""
        if self.data.zeros.any():
            return np.inf
        return float(2.0 * np.log(np.diagonal(self.L)).sum())

    def quadratic(self) -> Terms:
        """Derivatives of Q."""
        Ba = self._scaled(self.kernels.times(self.a))
        first = self.a @ Ba
        second = 2.0 * (Ba.T @ self.sensitivity)
        second[np.diag_indices(len(first))] -= first
        return Terms(self.Q, first, second)

    def determinant(self) -> Terms:
        """Derivatives of log|V|."""
        first = -(self.dof - self.data.ranks)
        second = -self._pairs(self.M, self.M)
        second[np.diag_indices(len(first))] -= first
        return Terms(self.log_determinant(), first, second)

    def residuals(self) -> Terms:
        """Derivatives of the sum of squared residuals."""
        v = self.sensitivity
        z = lapack.solve_factored(self.L, self.a)
        first = 2.0 * (self.a @ v)
        coupling = self._scaled(self.kernels.times(z)).T @ v
        second = 2.0 * (v.T @ v + coupling + coupling.T)
        second[np.diag_indices(len(first))] -= first
        return Terms(self.residual, first, second)

    def total_dof(self) -> Terms:
        """Derivatives of tr(I - V^-1)."""
        twice = lapack.product(self.M, self.M)
        first = -self._scaled(self.kernels.trace_with(twice))
        second = -2.0 * self._pairs(twice, self.M)
        second[np.diag_indices(len(first))] -= first
        return Terms(float(self.dof.sum()), first, second)

    @cached
    def _outer(self) -> Array:
        """Return the factor of V in all directions, without centring."""
        return lapack.factor(self.data.outer.combined(self.t))

    @cached
    def border(self) -> Terms:
        """Return the term of the fixed columns in the log determinant, with its derivatives."""
        outer = self.data.outer
        M = lapack.inverse_factored(self._outer)
        value = 2.0 * float(np.log(np.diagonal(self._outer)).sum()) - self.log_determinant()
        first = -self._scaled(outer.trace_with(M))
        second = -outer.pairs(M, M, self.live) * np.outer(self.t, self.t)
        second[np.diag_indices(len(first))] -= first
        inner = self.determinant()
        return Terms(value, first - inner.first, second - inner.second)

    @cached
    def left_out(self) -> SamplesLeftOut:
        """Leave-one-out errors."""
        return SamplesLeftOut(self)

    @cached
    def outside(self) -> SamplesOutside:
        """Derivatives that decide whether groups return."""
        return SamplesOutside(self)


class SamplesOutside:
    """Derivatives in the prior variances of the groups that are out; see `features.Outside`."""

    def __init__(self, state: SampleState) -> None:
        kernels, data = state.kernels, state.data
        out = ~state.inside & (data.groups.size > 0)
        Ka = kernels.times(state.a)
        z = lapack.solve_factored(state.L, state.a)
        self.scale = np.maximum(np.where(out, kernels.traces(), 0.0), _TINY)
        self.squares = np.where(out, np.maximum(state.a @ Ka, 0.0), 0.0)
        self.products = np.where(out, z @ Ka, 0.0)
        self.spread = np.where(out, np.maximum(kernels.trace_with(state.M), 0.0), 0.0)
        self._state, self._out = state, out

    @cached
    def spread_twice(self) -> Array:
        M = self._state.M
        return np.where(self._out, self._state.kernels.trace_with(lapack.product(M, M)), 0.0)

    @cached
    def raw(self) -> Array:
        M = lapack.inverse_factored(self._state._outer)
        found = self._state.data.outer.trace_with(M) - self.spread
        return np.where(self._out, found, 0.0)


class SamplesLeftOut:
    """Leave-one-out errors of a state by samples; see `left_out.LeftOut`.

    With l = 1 - h the diagonal of N V^-1 N', the errors are e = r / l.
    """

    def __init__(self, state: SampleState) -> None:
        self.state = state
        N = state.data.N
        self.NM = lapack.product(N, state.M)
        self.r = N @ state.a
        self.left = np.einsum("ij,ij->i", self.NM, N)
        # exclude rows that the fixed columns always fit exactly
        live = np.einsum("ij,ij->i", N, N) > 1e-9
        self.usable = bool((self.left[live] > 0).all())
        self.left = np.where(live & (self.left > 0), self.left, 1.0)
        self.e = self.r / self.left
        self.value = float(self.e @ self.e) if self.usable else np.inf
        self.cancelled = state.cancelled

    @cached
    def _weighted(self) -> Array:
        """Return V^-1 N'(e^2 / l) N V^-1."""
        part = self.NM * np.sqrt(self.e**2 / self.left)[:, None]
        return lapack.product(part.T.copy(), part)

    def terms(self) -> Terms:
        """Return the sum and its derivatives; the first ones in two parts, (2, g)."""
        s, left, e, N = self.state, self.left, self.e, self.state.data.N
        v = s.sensitivity
        dr = N @ v
        dl = s._scaled(s.kernels.diagonals(self.NM))
        b = N.T @ (e / left)
        parts = np.stack([2.0 * (b @ v), -2.0 * ((e**2 / left) @ dl)])
        de = (dr - e[:, None] * dl) / left[:, None]
        coupling = s._scaled(s.kernels.times(lapack.solve_factored(s.L, b))).T @ v
        mixed = dr.T @ ((e / left**2)[:, None] * dl)
        second = de.T @ de + coupling + coupling.T - mixed - mixed.T
        second += 2.0 * (dl.T @ ((e**2 / left**2)[:, None] * dl))
        second -= 2.0 * s._pairs(self._weighted, s.M)
        second[np.diag_indices(len(second))] -= 0.5 * parts.sum(axis=0)
        return Terms(self.value, parts, 2.0 * second)

    def entering(self) -> Array:
        """Return derivatives (g,) in the prior variances of the groups that are out."""
        s = self.state
        out = ~s.inside & (s.data.groups.size > 0)
        b = s.data.N.T @ (self.e / self.left)
        first = -2.0 * (lapack.solve_factored(s.L, b) @ s.kernels.times(s.a))
        first += 2.0 * ((self.e**2 / self.left) @ s.kernels.diagonals(self.NM))
        return np.where(out, first, 0.0)
