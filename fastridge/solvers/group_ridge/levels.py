"""Criteria of group penalties where a large group has the levels of a factor as features.

No row has two levels, so the block E of the Gram matrix of that group is diagonal, with its
penalties too. The group is eliminated: with S the block of the other columns, the intercept and the
free features among them, and B the block between them, the Schur complement M = S - B E^-1 B' is
factored, and

    log|A| = sum log E + log|M|,    C = A^-1 = [E^-1 0; 0 0] + U M^-1 U',    U = [-E^-1 B'; I].

Traces of products with C are those of small matrices N_k = B D^k E^-k-1 B' with M^-1, D the
penalties of the levels: a step costs a factor of M, however many levels there are. Fixed columns
are part of M without a penalty, which takes them out of the likelihood.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._cached import cached
from ..._matrix import Matrix
from ...quadratic.problem import RidgeProblem
from ...systems import lapack
from .choose import LEAST, NEAR_ZERO
from .criteria import Terms
from .features import Features, FeatureState, group_features
from .levels_system import LevelsSystem

Array = NDArray[np.float64]

_RANK = 1e-12  # share of a free column that must be left by the columns before it
_DENSE = 0.05  # share of elements from which on B is dense
_COLUMNS = 1 << 22  # elements of a block of columns
_ESTIMATED = 1500  # size of M from which on second derivatives are estimated
_PROBES = 32  # random signs for each group
_EPS = float(np.finfo(np.float64).eps)
_TINY = float(np.finfo(np.float64).tiny)


def largest_factor(A: Matrix, codes: Any, count: int, d: Any, least: int) -> int:
    """Return the largest group with at least `least` features and no row with two; -1: none."""
    if not A.is_sparse:
        return -1
    _, indices, indptr = A.arrays
    size = np.bincount(codes, minlength=count)
    free = np.bincount(codes[d == 0], minlength=count) > 0
    of = None
    for g in np.argsort(-size):
        if size[g] < least:
            break
        if free[g]:
            continue
        if of is None:
            # the row of each element
            of = indices
            if A.kind == "csr":
                of = np.repeat(np.arange(A.n_rows, dtype=np.int32), np.diff(indptr))
        if A.kind == "csr":
            rows = of[codes[indices] == g]
        else:
            columns = np.flatnonzero(codes == g)
            rows = np.concatenate([indices[indptr[j] : indptr[j + 1]] for j in columns])
        if len(rows) <= A.n_rows and np.bincount(rows, minlength=1).max() <= 1:
            return int(g)
    return -1


def _scipy(A: Matrix) -> Any:
    from scipy import sparse

    kind = sparse.csr_matrix if A.kind == "csr" else sparse.csc_matrix
    return kind(A.arrays, shape=A.shape).tocsc().astype(np.float64, copy=False)


class Levels(Features):
    """Data of one or more targets, reduced to sums, with one group as the levels of a factor.

    Parameters
    ----------
    problem : RidgeProblem
    d : ndarray (p,)
        Penalty factors.
    codes : ndarray (p,)
        Group of each feature.
    count : int
        Number of groups.
    chosen : int
        The eliminated group: no row has two of its features.
    about_zero : bool
        Do not shift columns far from zero, as the likelihood requires.

    Attributes
    ----------
    The attributes of `Features` that a fit uses, and

    fixed_columns : int
        Number of rows of `S` and `B` that belong to fixed columns; they come first.
    rest, eliminated : ndarray
        Places in the order of the groups of the penalised features that stay, and of the levels.
    S : ndarray (q, q)
    B : ndarray or scipy.sparse.csr_matrix (q, m)
    squares : ndarray (m,)
        Sums of squares of the levels.
    """

    least, near_zero = LEAST, NEAR_ZERO

    def __init__(
        self, problem: RidgeProblem, d: Array, codes: Any, count: int, chosen: int, about_zero: bool
    ) -> None:
        self.problem, self.d, self.codes, self.chosen = problem, d, codes, chosen
        self.p, self.k = problem.p, problem.k
        self.total, self.fit_intercept = problem.total, problem.fit_intercept
        squares = problem.column_squares()
        self.is_free = d == 0
        live = squares > 0
        self.groups = groups = group_features(codes, count, live & (d > 0))
        order = groups.order
        size = np.sqrt(squares)
        self.unit = np.ones(count)
        for g in np.flatnonzero(groups.size):
            part = order[groups.start[g] : groups.start[g] + groups.size[g]]
            self.unit[g] = 1.0 / np.exp((np.log(d[part]) - 2.0 * np.log(size[part])).mean())
        self.factor = d[order] * self.unit[codes[order]]
        self.eliminated = np.flatnonzero(groups.code == chosen)
        self.rest = np.flatnonzero(groups.code != chosen)
        near = problem.source if about_zero else problem.near
        self._reduce(near, order, np.flatnonzero(live & self.is_free), size)
        self._take_target()

    def _reduce(self, near: Matrix, order: Any, free: Any, size: Array) -> None:
        problem, p = self.problem, self.p
        others = order[self.rest]
        mine = np.r_[free, others]
        left = np.ones(p, dtype=bool)
        left[mine] = False
        both = np.r_[mine, np.flatnonzero(left)].astype(np.int32)
        columns = near.split_columns(both, len(mine))[0] if len(mine) else None
        S = np.zeros((0, 0)) if columns is None else columns.gram(problem.weight)
        X = _scipy(near)
        E = X[:, order[self.eliminated]]
        WE = E if problem.weight is None else E.multiply(problem.weight[:, None]).tocsc()
        self.squares = np.asarray(E.multiply(WE).sum(axis=0)).ravel()
        B = (X[:, mine].T @ WE).tocsr()
        f = len(free)
        if self.fit_intercept:
            weight = np.ones(problem.n) if problem.weight is None else problem.weight
            sums = np.asarray(X[:, mine].T @ weight)
            of_levels = np.asarray(E.T @ weight)
            mean = sums[:f] / self.total
        else:
            mean = np.zeros(f)
        self.fixed = float(np.log(self.total)) if self.fit_intercept else 0.0
        if f:
            M = S[:f, :f] - self.total * np.outer(mean, mean)
            M = np.asfortranarray(M / size[free] / size[free][:, None])
            R, pivots, rank = lapack.pivoted_cholesky(M, _RANK)
            pivots = pivots[:rank]
            self.fixed += 2.0 * float(np.log(np.diagonal(R)[:rank] * size[free[pivots]]).sum())
            kept = np.r_[pivots, np.arange(f, len(mine))]
            S, B, free = S[np.ix_(kept, kept)], B[kept], free[pivots]
            sums = sums[kept] if self.fit_intercept else None
        self.free = free
        if self.fit_intercept:
            from scipy import sparse

            S = np.block([[np.full((1, 1), self.total), sums[None]], [sums[:, None], S]])
            B = sparse.vstack([sparse.csr_matrix(of_levels[None]), B]).tocsr()
        self.rank = self.fixed_columns = len(free) + self.fit_intercept
        if B.shape[0] and B.nnz > _DENSE * B.shape[0] * B.shape[1]:
            B = B.toarray()
        self.S, self.B = S, B

    def _take_target(self) -> None:
        """Set products with y of length 1, with the fixed columns projected out."""
        self.right = right = self.problem.gradient_at_zero()
        Y = self.problem.rooted(self.problem.Y)
        self.y_squares = np.einsum("ik,ik->k", Y, Y)
        f, order = self.fixed_columns, self.groups.order
        C = np.zeros((f, self.k))
        C[int(self.fit_intercept) :] = right[self.free]
        rest, levels = right[order[self.rest]], right[order[self.eliminated]]
        left = self.y_squares.copy()
        if f:
            L = lapack.factor(np.array(self.S[:f, :f], order="F"))
            b = lapack.solve_factored(L, C)
            left -= np.einsum("ik,ik->k", C, b)
            rest = rest - self.S[f:, :f] @ b
            levels = levels - self.B[:f].T @ b
        dead = left <= 64 * _EPS * self.y_squares
        self.yy = np.where(dead, 0.0, left)
        self.y_unit = np.sqrt(np.where(dead, 1.0, left))
        self.cross = np.empty((len(order), self.k))
        self.cross[self.rest], self.cross[self.eliminated] = rest, levels
        self.cross = np.where(dead, 0.0, self.cross / self.y_unit)

    def second_moments(self, together: bool) -> tuple[Array, Array, Array]:
        """Return T (g, g), d (g,) and the sums of c^2 (g, k) that `first_penalties` uses."""
        live, code = np.flatnonzero(self.groups.size), self.groups.code
        where = np.zeros(len(code), np.intp) if together else np.searchsorted(live, code)
        member = np.zeros((len(code), 1 if together else len(live)))
        member[np.arange(len(code)), where] = 1.0 / self.factor
        rest, levels, f = member[self.rest], member[self.eliminated], self.fixed_columns
        # the part that the fixed columns explain: U'U
        L = lapack.factor(np.array(self.S[:f, :f], order="F"))
        of_levels = self.B[:f] if isinstance(self.B, np.ndarray) else self.B[:f].toarray()
        V = lapack.solve_triangular(L, of_levels, lower=True) if f else of_levels
        U = lapack.solve_triangular(L, self.S[:f, f:], lower=True) if f else self.S[:0, f:]
        B = self.B[f:]
        inner = self.S[f:, f:] - U.T @ U
        T = rest.T @ (inner**2 @ rest)
        squares = B**2 if isinstance(B, np.ndarray) else B.power(2)
        h = levels.max(axis=1, initial=0.0)
        for g in range(member.shape[1]):
            if not levels[:, g].any():
                continue
            VV = (V * h) @ V.T
            own = (self.squares**2 * h**2).sum() - 2.0 * (self.squares * (V * h) ** 2).sum()
            T[g, g] += own + np.vdot(VV, VV)
            coupling = squares @ h - 2.0 * np.einsum("ij,ji->j", U, B @ (V * h).T)
            coupling += np.einsum("ij,ij->j", U, VV @ U)
            T[g] += coupling @ rest
            T[:, g] += coupling @ rest
        d = rest.T @ np.diagonal(inner)
        d += levels.T @ (self.squares - np.einsum("ij,ij->j", V, V))
        return T, d, member.T @ self.cross**2

    def products(self, w: Array) -> Array:
        """Return the products (p,) of all features with the fit of coefficients (p,)."""
        fit = self.problem.A.dot(np.ascontiguousarray(w))
        if self.problem.weight is not None:
            fit = fit * self.problem.weight
        return self.problem.A.tdot(fit)

    def at(self, alpha: Array, target: int) -> LevelsState | None:
        """Return the state at relative penalties (g,), possibly infinite; None: not definite."""
        state = LevelsState(self, alpha, target)
        return state if state.definite else None

    def solve(self, state: Any, right: Array) -> Array:
        """Return coefficients (p,) for products with y (p,), under the penalties of a state."""
        order = self.groups.order
        fixed = np.zeros(self.fixed_columns)
        fixed[int(self.fit_intercept) :] = right[self.free]
        of_fixed, w = state.system.solve(fixed[:, None], right[order][state.kept][:, None])
        coef = np.zeros(self.p)
        coef[order[state.kept]] = w[:, 0]
        coef[self.free] = of_fixed[int(self.fit_intercept) :, 0]
        return coef


class LevelsState(FeatureState):
    """The terms of the criteria at one vector of penalties."""

    by_features = False
    data: Levels
    system: LevelsSystem

    def __init__(self, data: Levels, alpha: Array, target: int, without: int = 0) -> None:
        self.data, self.alpha, self.target = data, alpha, target
        groups = data.groups
        self.inside = np.isfinite(alpha)
        chosen = self.inside[groups.code]
        self.kept = np.flatnonzero(chosen)
        self.sizes = np.where(self.inside, groups.size, 0)
        self.start = np.r_[0, np.cumsum(self.sizes)[:-1]]
        scale = np.where(self.inside, alpha, 0.0)
        self.D = (scale[groups.code] * data.factor)[chosen]
        self.c = data.cross[chosen, target]
        self.squares = float(data.yy[target] > 0)
        self.without = without
        self.system = system = LevelsSystem(data, chosen, self.D, without)
        self.definite = system.definite
        if not self.definite:
            return
        self.w = system.solve(np.zeros((system.f, 1)), self.c[:, None])[1][:, 0]
        self.Q = float(self.squares - self.c @ self.w)
        least = float(self.D @ self.w**2)
        self.Q = max(self.Q, least + _EPS**2 * self.squares)

    @property
    def level(self) -> int:
        """The eliminated group; -1 where it is out."""
        return self.data.chosen if len(self.system.levels) else -1

    def forget(self) -> None:
        """Drop matrices of the size of the Schur complement, but its factor."""
        super().forget()
        for name in ("C", "CN", "N", "N_twice"):
            self.system.__dict__.pop(name, None)

    def is_near_singular(self) -> bool:
        s = self.system
        return bool((np.diagonal(s.L)[s.f :] ** 2 < 1e-6 * (s.own + s.Dq)[s.f :]).any())

    def _rest(self, values: Array, axis: int = 0) -> Array:
        """Return sums (g,) of values of the penalised features that are not eliminated."""
        if self.level < 0:
            return self.sums(values, axis)
        shape = list(values.shape)
        shape[axis] = len(self.D)
        # the levels are in the middle of the order
        full = np.zeros(shape)
        full[(slice(None),) * axis + (self.system.rest,)] = values
        return self.sums(full, axis)

    @cached
    def traces(self) -> Array:
        """tr(C D_g), (g,)."""
        s = self.system
        out = self._rest(np.diagonal(s.C)[s.f :] * s.Dq[s.f :])
        if self.level >= 0:
            out[self.level] = (s.De / s.E).sum() + np.vdot(s.C, s.N)
        return out

    @cached
    def dof(self) -> Array:
        """Effective degrees of freedom of each group."""
        s = self.system
        out = self._rest(1.0 - np.diagonal(s.C)[s.f :] * s.Dq[s.f :])
        if self.level >= 0:
            out[self.level] = (s.squares / s.E).sum() - np.vdot(s.C, s.N)
        return np.maximum(out, 0.0)

    def _inner_sums(self, M: Array) -> Array:
        """Return sums (g, g) of D M D, M (q, q) for the features that are not eliminated."""
        s = self.system
        f, D = s.f, s.Dq[s.f :]
        M = M[f:, f:] * D
        M *= D[:, None]
        if self.level < 0:
            return self.sums(self.sums(M), 1)
        code = self.data.groups.code[self.kept][s.rest]
        first = np.flatnonzero(np.r_[True, np.diff(code) > 0]) if len(code) else []
        out = np.zeros((len(self.sizes),) * 2)
        if len(code):
            where = code[first]
            inner = np.add.reduceat(np.add.reduceat(M, first, axis=0), first, axis=1)
            out[np.ix_(where, where)] = inner
        return out

    @cached
    def pairs(self) -> Array:
        """tr(C D_g C D_h), (g, g).

        Estimated where M is large: only second derivatives need them, which do not change the
        penalties at which the search ends.
        """
        s, e = self.system, self.level
        if len(s.L) > _ESTIMATED and len(self.sizes) * _PROBES < len(s.L):
            return self._estimated_pairs()
        out = self._inner_sums(s.C**2)
        if e >= 0:
            coupling = self._rest((np.einsum("ij,ij->i", s.CN, s.C) * s.Dq)[s.f :])
            out[e] = coupling
            out[:, e] = coupling
            own = ((s.De / s.E) ** 2).sum() + 2.0 * np.vdot(s.C, s.N_twice)
            out[e, e] = own + np.einsum("ij,ji->", s.CN, s.CN)
        return out

    def _estimated_pairs(self) -> Array:
        """Estimate the pairs by random signs; exact for groups of few features."""
        rng = np.random.default_rng(0)
        root = np.sqrt(self.D)
        count = len(self.sizes)
        out, exact = np.zeros((count, count)), np.zeros(count, dtype=bool)
        for g in np.flatnonzero(self.sizes):
            m = int(self.sizes[g])
            part = slice(int(self.start[g]), int(self.start[g]) + m)
            exact[g] = m <= _PROBES
            signs = np.eye(m) if exact[g] else rng.choice([-1.0, 1.0], (m, _PROBES))
            right = np.zeros((len(root), signs.shape[1]))
            right[part] = root[part, None] * signs
            found = self.system.solve(np.zeros((self.system.f, signs.shape[1])), right)[1]
            found *= root[:, None]
            scale = 1.0 if exact[g] else 1.0 / _PROBES
            out[g] = scale * self.sums((found**2).sum(axis=1))
        weight = np.where(exact, 1.0, 1e-6)
        return (weight[:, None] * out + weight * out.T) / (weight[:, None] + weight)

    @cached
    def sensitivity(self) -> Array:
        """C D_h w, (q, g)."""
        right = np.zeros((len(self.D), len(self.sizes)))
        right[np.arange(len(self.D)), self.data.groups.code[self.kept]] = self.D * self.w
        return self.system.solve(np.zeros((self.system.f, right.shape[1])), right)[1]

    def log_determinant(self) -> float:
        """Return log|A| - log|D| minus that of the fixed columns; inf where a penalty is 0."""
        with np.errstate(divide="ignore"):
            fixed = 0.0 if self.without else self.data.fixed
            return float(self.system.log_determinant() - np.log(self.D).sum() - fixed)

    def total_dof(self) -> Terms:
        """Derivatives of tr(C G)."""
        s, e = self.system, self.level
        inner = self.pairs.sum(axis=1)
        whole = s.N.copy()
        whole.flat[:: len(whole) + 1] += s.Dq
        CW = lapack.product(s.C, whole)
        T = lapack.product(CW, s.C)
        triple = self._inner_sums(s.C * T)
        if e >= 0:
            CN2 = lapack.product(s.C, s.N_twice)
            coupling = np.einsum("ij,ij->i", CN2, s.C) + np.einsum("ij,ij->i", s.CN, T)
            coupling = self._rest((coupling * s.Dq)[s.f :])
            triple[e] = coupling
            triple[:, e] = coupling
            own = ((s.De / s.E) ** 3).sum() + 3.0 * np.vdot(s.C, s.weighted_gram(s.De**3 / s.E**4))
            own += 2.0 * np.einsum("ij,ji->", s.CN, CN2) + np.einsum("ij,ji->", CW, CN2)
            triple[e, e] = own + np.einsum("ij,ji->", s.CN, lapack.product(CW, s.CN))
        second = 2.0 * self.pairs - 2.0 * triple
        second[np.diag_indices(len(inner))] -= self.traces - inner
        return Terms(float(self.dof.sum()), inner - self.traces, second)

    @cached
    def free_of_fixed(self) -> LevelsState:
        """The state without the fixed columns."""
        if not self.data.fixed_columns:
            return self
        return LevelsState(self.data, self.alpha, self.target, self.data.fixed_columns)

    @cached
    def border(self) -> Terms:
        """Term of the fixed columns in the log determinant, with its derivatives."""
        one, other = self.determinant(), self.free_of_fixed.determinant()
        return Terms(other.value - one.value, other.first - one.first, other.second - one.second)

    @property
    def left_out(self) -> Any:
        raise NotImplementedError

    @cached
    def outside(self) -> LevelsOutside:
        """Derivatives that decide whether groups return."""
        return LevelsOutside(self)


class LevelsOutside:
    """Derivatives in the prior variances of the groups that are out; see `features.Outside`."""

    def __init__(self, state: LevelsState) -> None:
        data, system = state.data, state.system
        count = len(state.alpha)
        out = ~state.inside & (data.groups.size > 0)
        self.squares, self.products, self.spread = np.zeros((3, count))
        self.spread_twice, self.scale = np.zeros(count), np.full(count, _TINY)
        # coefficients of the fixed columns follow those of the others
        of_w, w = system.solve(np.zeros((system.f, 1)), state.c[:, None])
        of_z, z = system.solve(np.zeros((system.f, 1)), (state.D * state.w)[:, None])
        for g in np.flatnonzero(out):
            places = data.groups.start[g] + np.arange(data.groups.size[g])
            step = max(1, _COLUMNS // max(len(state.D) + system.f, 1))
            for start in range(0, len(places), step):
                part = places[start : start + step]
                root = np.sqrt(data.factor[part])
                fixed, coupling, own = _columns(state, part)
                fixed, coupling, own = fixed / root, coupling / root, own / root**2
                slope = data.cross[part, state.target] / root
                slope -= (coupling.T @ w + fixed.T @ of_w)[:, 0]
                of_fixed, solved = system.solve(fixed, coupling)
                spread = own - np.einsum("ij,ij->j", coupling, solved)
                spread -= np.einsum("ij,ij->j", fixed, of_fixed)
                twice = spread - np.einsum("ij,i,ij->j", solved, state.D, solved)
                self.scale[g] += own.sum()
                self.squares[g] += slope @ slope
                self.products[g] += slope @ (slope - (coupling.T @ z + fixed.T @ of_z)[:, 0])
                self.spread[g] += np.maximum(spread, 0.0).sum()
                self.spread_twice[g] += twice.sum()
        self._state = state

    @cached
    def raw(self) -> Array:
        state = self._state
        if not state.data.fixed_columns:
            return np.zeros(len(state.alpha))
        return state.free_of_fixed.outside.spread - self.spread


def _columns(state: LevelsState, part: Any) -> tuple[Array, Array, Array]:
    """Return products of features that are out with fixed and kept ones, and their squares."""
    data, system = state.data, state.system
    f, begin = data.fixed_columns, state.without
    chosen = np.flatnonzero(state.inside[data.groups.code[data.rest]])
    coupling = np.empty((len(state.D), len(part)))
    if data.groups.code[part[0]] == data.chosen:
        at = np.searchsorted(data.eliminated, part)
        B = data.B[:, at]
        B = B if isinstance(B, np.ndarray) else B.toarray()
        coupling[system.rest] = B[f + chosen]
        return B[begin:f], coupling, data.squares[at]
    at = f + np.searchsorted(data.rest, part)
    coupling[system.rest] = data.S[np.ix_(f + chosen, at)]
    if len(system.levels):
        B = data.B[at]
        coupling[system.levels] = (B if isinstance(B, np.ndarray) else B.toarray()).T
    return data.S[begin:f, at], coupling, np.diagonal(data.S)[at]
