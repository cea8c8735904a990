"""The Hessian of a fit's objective, its inverse, and the traces that follow from it.

At a state with the curvatures h of the loss, over the active coefficients, which neither an L1 part
holds at 0 nor a bound holds,

    M = A' diag(h) A + diag(l2),

with A centred by the means under h, which eliminates the intercept, whose own curvature is sum(h).
M is factored where it is small or the data have few samples. Elsewhere its inverse is applied by
conjugate gradients, and diagonals and traces are estimated by random signs, with standard errors.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...quadratic.posterior import Posterior
from ...systems.blas import on_one_thread
from ...systems.cost import default_memory
from ...systems.lapack import cholesky, eigh, eigvalsh, product, solve_triangular
from .newton_cg import HeavyBlock
from .newton_model import QuadraticModel, model_at
from .problem import Array, GLMProblem, State

MOST = 2000  # largest number of features or samples for which M is factored, by default
_ELEMENTS = 4_000_000  # elements of a block of rows or columns
_DEPENDENT = 1e-12  # share of a feature's precision below which its remainder is round-off
_ROUNDED = 1e-11  # the same for features without a penalty, whose standard errors are warned of
_TAKES_PART = 1e-4  # share of a feature in a combination that nothing determines
_PROBES = 64
_FEWEST, _ENOUGH = 12, 2e-3  # least number of probes of a trace; relative standard error to reach
_TOL = 1e-6  # tolerance of conjugate gradients, relative to the right-hand side's norm
_LOOSE, _LOOSER = 1e-4, 1e-3  # the same for estimates, and for those with an error of its square
_MOST_STEPS = 2000
_BOUND_TOL = 4.0  # spacings within which a coefficient is at its bound


def most_of() -> int:
    """Return the largest order of a matrix to factor, by the memory of the machine."""
    return int((default_memory() / 40.0) ** 0.5)


class Hessian:
    """M of a problem with its penalty, at a state; vectors are in units of u.

    Parameters
    ----------
    problem : GLMProblem
    state : State
    most : int, default=MOST
        Largest number of active features, or of samples, for which M is factored.
    seed : int, default=0
        Seed of the random signs.

    Attributes
    ----------
    active : ndarray of bool (p,)
        Coefficients that may move.
    total : float
        Sum of h, the curvature of the intercept.
    offset : ndarray (p,)
        Means of the columns under h, minus the means of A, in units of u.
    is_exact : bool
        Whether M is factored.
    """

    def __init__(self, problem: GLMProblem, state: State, most: int = MOST, seed: int = 0) -> None:
        if not np.isfinite(state.h.sum()):
            # at rows of weight 0 the loss may overflow
            live = problem.weight > 0
            r, h = np.where(live, state.r, 0.0), np.where(live, state.h, 0.0)
            state = State(state.u, state.b, state.eta, state.loss, state.penalty, r, h)
        self.problem, self.state = problem, state
        model = model_at(problem, state)
        self.total, self.offset, self.h = model.total, model.offset, model.h
        self.active = _active(problem, state) & ((model.squares > 0) | (problem.l2 > 0))
        self.is_empty = not self.active.any()
        if not self.active.all():
            scale = self.active.astype(np.float64)
            if problem.A.scale is not None:
                scale *= problem.A.scale
            A = model.A.centered(model.A.shift, scale)
            model = model._replace(A=A, squares=np.where(self.active, model.squares, 0.0))
        self.A, self.squares = model.A, model.squares
        q = int(self.active.sum())
        has_prior = bool((problem.l2[self.active] > 0).all())
        self._inverse: _ByFeatures | _BySamples | _ByProducts
        if problem.n < q and problem.n <= most and has_prior:
            self._inverse = _BySamples(self, problem.l2)
        elif q <= most:
            self._inverse = _ByFeatures(self, problem.l2)
        else:
            self._inverse = _ByProducts(self, model, problem, seed)
        self.is_exact = not isinstance(self._inverse, _ByProducts)

    @on_one_thread
    def undetermined(self) -> NDArray[np.intp]:
        """Return features that neither the data nor a prior determine; only where M is factored."""
        if not isinstance(self._inverse, _ByFeatures):
            return np.zeros(0, dtype=np.intp)
        return self._inverse.undetermined()

    def without_data(self) -> HessianInverse:
        """Return the inverse without the data, for copies and files.

        Raises
        ------
        TypeError
            If M is not factored.
        ValueError
            If rows of more features than samples do not fit into memory.
        """
        if isinstance(self._inverse, _ByProducts):
            raise TypeError(
                "this posterior has too many features to be factored: it holds the data, and"
                " cannot be copied, pickled or saved; compute the numbers you need and save those."
            )
        return HessianInverse(self.active, self.total, self.offset, self._inverse.posterior)

    @on_one_thread
    def solve(self, V: Array) -> Array:
        """Return M^-1 V over the active coefficients, 0 elsewhere, for V (p,) or (p, k)."""
        return self._inverse.solve(V)

    @cached_property
    @on_one_thread
    def trace(self) -> tuple[float, float]:
        """Return the trace of M^-1 A' diag(h) A, and its standard error."""
        if self.is_empty or self.total <= 0:
            return 0.0, 0.0
        return self._inverse.trace()

    @cached_property
    @on_one_thread
    def diagonal(self) -> tuple[Array, Array]:
        """Return the diagonal of M^-1 (p,), 0 for held coefficients, and its standard errors."""
        return self._inverse.diagonal()

    @on_one_thread
    def quadratic(self, V: Array) -> Array:
        """Return v M^-1 v' for each row v of V (k, p)."""
        return np.einsum("kp,pk->k", V, self._inverse.solve(np.ascontiguousarray(V.T)))

    @on_one_thread
    def leverages(self) -> tuple[Array, Array]:
        """Return variances q (n,) of the predictors under M^-1, with intercept, and 1 - h q.

        Both are accurate also where h q is near 1. Only where M is factored.
        """
        assert not isinstance(self._inverse, _ByProducts)
        q, left = self._inverse.leverages()
        if self.problem.fit_intercept and self.total > 0:
            q = q + 1.0 / self.total
            left = left - self.h / self.total
        return q, left

    @on_one_thread
    def log_determinant(self) -> float:
        """Return log det M over the active coefficients. Only where M is factored."""
        assert not isinstance(self._inverse, _ByProducts)
        return self._inverse.log_determinant()


class HessianInverse:
    """The inverse of a factored M, without the data, for copied and loaded posteriors.

    Attributes
    ----------
    active, total, offset, is_exact
        See `Hessian`.
    posterior : Posterior
        M^-1 over the active coefficients.
    """

    __slots__ = ("active", "offset", "posterior", "total")

    is_exact = True

    def __init__(
        self, active: NDArray[np.bool_], total: float, offset: Array, posterior: Posterior
    ) -> None:
        self.active, self.total, self.offset, self.posterior = active, total, offset, posterior

    def without_data(self) -> HessianInverse:
        return self

    def solve(self, V: Array) -> Array:
        """Return M^-1 V over the active coefficients, 0 elsewhere, for V (p,) or (p, k)."""
        out = np.zeros(V.shape)
        out[self.active] = self.posterior @ V[self.active]
        return out

    @property
    def diagonal(self) -> tuple[Array, Array]:
        """Return the diagonal of M^-1 (p,), 0 for held coefficients, and its standard errors, 0."""
        out = np.zeros(len(self.active))
        out[self.active] = np.maximum(self.posterior.diagonal(), 0.0)
        return out, np.zeros(len(out))

    def quadratic(self, V: Array) -> Array:
        """Return v M^-1 v' for each row v of V (k, p)."""
        return np.einsum("kp,pk->k", V, self.solve(np.ascontiguousarray(V.T)))


def _active(problem: GLMProblem, state: State) -> NDArray[np.bool_]:
    """Return the coefficients that neither an L1 part holds at 0 nor a bound holds."""
    u = state.u
    active = np.ones(problem.p, dtype=bool)
    if problem.has_l1:
        active &= (u != 0) | (problem.l1 == 0)
    spacing = np.spacing(np.abs(u).astype(np.float32 if problem.A.is_float32 else np.float64))
    for bound in (problem.lower, problem.upper):
        if bound is not None:
            active &= np.abs(u - bound) > _BOUND_TOL * spacing
    if problem.A.scale is not None:
        # exclude unpenalised constant columns
        active &= (problem.A.scale != 0) | (problem.l2 > 0)
    return active


def _scaled_cholesky(B: Array) -> Array:
    """Return the Cholesky factor of B (n, n), overwritten; damp B where round-off needs it."""
    size = np.sqrt(np.diagonal(B))
    B /= size
    B /= size[:, None]
    damping = 0.0
    while True:
        try:
            L = cholesky(B)
            break
        except np.linalg.LinAlgError:
            more = 10.0 * damping if damping else len(B) * np.finfo(np.float64).eps
            B.flat[:: len(B) + 1] += more - damping
            damping = more
    L *= size[:, None]
    return L


def _traces(C: Array, d: Array, inverse: Array) -> float:
    """Return the trace of (C + diag(d))^-1 C, without cancellation."""
    kept = np.einsum("ij,ij->i", inverse, C)
    lost = d * np.diagonal(inverse)
    return float(np.where(lost < 0.5, 1.0 - lost, kept).sum())


def _spectrum(C: Array, d: Array) -> tuple[Array, Array, Array]:
    """Return eigenvalues and vectors of C + diag(d), scaled to a diagonal of 1, and C so scaled."""
    scale = 1.0 / np.sqrt(np.diagonal(C) + d)
    C = C * scale * scale[:, None]
    return *eigh(C + np.diag(d * scale * scale)), C


def _trace_of_range(C: Array, d: Array) -> float:
    """Return the trace without directions whose data and penalty are round-off."""
    values, vectors, C = _spectrum(C, d)
    kept = values > _DEPENDENT * values[-1]
    vectors = vectors[:, kept]
    return float((np.einsum("ij,ij->j", vectors, C @ vectors) / values[kept]).sum())


class _ByFeatures:
    """M itself, factored, over the active coefficients."""

    def __init__(self, hessian: Hessian, l2: Array) -> None:
        self.active, self.h = np.flatnonzero(hessian.active), hessian.h
        self.A, self.n, self.p = hessian.A, hessian.problem.n, hessian.problem.p
        self.d = l2[self.active]
        self.gram = self.A.gram(self.h, columns=self.active.astype(np.int32))
        self.posterior = Posterior.of_gram(self.gram.copy(), self.d, 1.0, 1.0)

    def solve(self, V: Array) -> Array:
        out = np.zeros(V.shape)
        out[self.active] = self.posterior @ V[self.active]
        return out

    @cached_property
    def inverse(self) -> Array:
        return self.posterior.toarray()

    def trace(self) -> tuple[float, float]:
        if self.posterior.pivots().min() < _DEPENDENT:
            return _trace_of_range(self.gram, self.d), 0.0
        return _traces(self.gram, self.d, self.inverse), 0.0

    def undetermined(self) -> NDArray[np.intp]:
        """Return the unpenalised features that others determine, to round-off, and these."""
        if self.d.all() or self.posterior.pivots().min() >= _ROUNDED:
            return np.zeros(0, dtype=np.intp)
        values, vectors = _spectrum(self.gram, self.d)[:2]
        null = vectors[:, values <= _ROUNDED * values[-1]]
        return self.active[(np.abs(null) > _TAKES_PART).any(axis=1) & (self.d == 0)]

    def diagonal(self) -> tuple[Array, Array]:
        out = np.zeros(self.p)
        out[self.active] = self.posterior.diagonal()
        return out, np.zeros(self.p)

    def leverages(self) -> tuple[Array, Array]:
        q = np.empty(self.n)
        step = max(1, _ELEMENTS // max(self.p, 1))
        for start in range(0, self.n, step):
            rows = self.A.rows(start, min(start + step, self.n))
            q[start : start + step] = self.posterior.variance(rows[:, self.active])
        return q, 1.0 - self.h * q

    def log_determinant(self) -> float:
        return self.posterior.log_determinant()


class _BySamples:
    """I + H^1/2 K H^1/2 for K = A diag(1 / l2) A', factored, with a penalty on all features."""

    def __init__(self, hessian: Hessian, l2: Array) -> None:
        self.A, self.p = hessian.A, hessian.problem.p
        self.prior = np.divide(1.0, l2, out=np.zeros(self.p), where=hessian.active)
        self.root, self.h = np.sqrt(hessian.h), hessian.h
        self.l2, self.active = l2, hessian.active
        self.kernel = self.A.gram_rows(self.prior)
        self.inner = self.kernel * self.root
        self.inner *= self.root[:, None]
        B = self.inner.copy()
        B.flat[:: len(B) + 1] += 1.0
        self.factor = _scaled_cholesky(B)

    def solve(self, V: Array) -> Array:
        prior = self.prior if V.ndim == 1 else self.prior[:, None]
        root = self.root if V.ndim == 1 else self.root[:, None]
        scaled = prior * V
        inner = root * self.A.dot(np.asfortranarray(scaled))
        inner = solve_triangular(self.factor, inner, lower=True)
        inner = solve_triangular(self.factor, inner, lower=True, trans="T")
        return scaled - prior * self.A.tdot(np.asfortranarray(root * inner))

    @cached_property
    def inverse(self) -> Array:
        half = solve_triangular(self.factor, np.eye(len(self.factor)), lower=True)
        return product(np.ascontiguousarray(half.T), half)

    @property
    def posterior(self) -> Posterior:
        """Return M^-1 over the active coefficients, from their dense rows."""
        n, q = self.A.n_rows, int(self.active.sum())
        if 24.0 * n * q > default_memory():
            raise ValueError(
                f"rows of {n} samples and {q} features need {24.0 * n * q:.2g} bytes, more than the"
                f" {default_memory():.2g} allowed; expected fewer rows."
            )
        block = np.empty((q, n))
        self.A.copy_columns(np.flatnonzero(self.active).astype(np.int32), block)
        block *= self.root
        rows = solve_triangular(self.factor, block.T, lower=True)
        return Posterior(None, self.prior[self.active], rows)

    def trace(self) -> tuple[float, float]:
        n = len(self.inner)
        rounding = n * float(np.finfo(np.float64).eps)
        if rounding * float(np.trace(self.inner)) < _DEPENDENT**0.5:
            return _traces(self.inner, np.ones(n), self.inverse), 0.0
        # drop eigenvalues that are round-off
        values = eigvalsh(self.inner)
        values = values[values > rounding * values[-1]]
        return float((values / (1.0 + values)).sum()), 0.0

    def diagonal(self) -> tuple[Array, Array]:
        out = self.prior.copy()
        n = len(self.root)
        step = max(1, _ELEMENTS // n)
        for start in range(0, self.p, step):
            columns = np.arange(start, min(start + step, self.p), dtype=np.int32)
            block = np.empty((len(columns), n))
            self.A.copy_columns(columns, block)
            half = solve_triangular(self.factor, (block * self.root).T, lower=True)
            out[columns] -= self.prior[columns] ** 2 * np.einsum("ij,ij->j", half, half)
        return np.maximum(out, 0.0), np.zeros(self.p)

    def leverages(self) -> tuple[Array, Array]:
        half = solve_triangular(self.factor, self.root[:, None] * self.kernel, lower=True)
        q = np.diagonal(self.kernel) - np.einsum("ij,ij->j", half, half)
        return np.maximum(q, 0.0), np.diagonal(self.inverse).copy()

    def log_determinant(self) -> float:
        own = float(np.log(self.l2[self.active]).sum())
        return own + 2.0 * float(np.log(np.diagonal(self.factor)).sum())


class _ByProducts:
    """M^-1 by conjugate gradients, with the preconditioner of `newton_cg`."""

    def __init__(
        self, hessian: Hessian, model: QuadraticModel, problem: GLMProblem, seed: int
    ) -> None:
        self.A, self.h, self.l2, self.seed = model.A, model.h, problem.l2, seed
        self.active, self.squares = hessian.active, model.squares
        self.p = problem.p
        self.block = HeavyBlock(problem, model)
        self.precondition = self.block.at(model, problem.l2)

    def solve(self, V: Array) -> Array:
        if V.ndim == 1:
            return self._solve(np.where(self.active, V, 0.0))
        return np.column_stack([self._solve(np.where(self.active, v, 0.0)) for v in V.T])

    def _solve(self, v: Array, tol: float = _TOL) -> Array:
        x, r = np.zeros(self.p), v.copy()
        z = np.empty(self.p)
        self.precondition(z, r)
        d = z.copy()
        rz = first = float(r @ z)
        for _ in range(_MOST_STEPS):
            if not rz > tol**2 * first:
                break
            q = self._multiply(d)
            curvature = float(d @ q)
            if not curvature > 0:
                break
            step = rz / curvature
            x += step * d
            r -= step * q
            self.precondition(z, r)
            before, rz = rz, float(r @ z)
            d *= rz / before
            d += z
        return x

    def _multiply(self, v: Array) -> Array:
        q = self.A.tdot(self.h * self.A.dot(v))
        q += self.l2 * v
        return q

    def trace(self) -> tuple[float, float]:
        rng = np.random.default_rng(self.seed)
        root = np.sqrt(self.h)
        found: list[float] = []
        while True:
            z = rng.integers(0, 2, len(root)) * 2.0 - 1.0
            c = self.A.tdot(root * z)
            found.append(float(c @ self._solve(c, _LOOSER)))
            if len(found) < _FEWEST:
                continue
            mean, error = np.mean(found), np.std(found, ddof=1) / np.sqrt(len(found))
            if error <= _ENOUGH * mean or len(found) == _PROBES:
                return float(mean), float(error)

    def diagonal(self) -> tuple[Array, Array]:
        """Estimate the diagonal as the mean of z * (M^-1 z) for random signs z; see `_Regression`.

        With P the preconditioner, P^-1 and P^-1 M P^-1 have known diagonals and approximate M^-1:
        they are control variates of the estimates.
        """
        rng = np.random.default_rng(self.seed)
        found = _Regression(self.p)
        z0, z1 = np.empty(self.p), np.empty(self.p)
        for _ in range(_PROBES):
            z = rng.integers(0, 2, self.p) * 2.0 - 1.0
            z[~self.active] = 0.0
            self.precondition(z0, z)
            self.precondition(z1, self._multiply(z0))
            found.add(z * (self._solve(z, _LOOSE) - z0), z * (z1 - z0))
        value, error = found.result()
        with np.errstate(divide="ignore"):
            least, most = 1.0 / (self.squares + self.l2), 1.0 / self.l2
        value = np.where(self.active, np.clip(self._own() + value, least, most), 0.0)
        return value, np.where(self.active, error, 0.0)

    def _own(self) -> Array:
        """Return the diagonal of the preconditioner's inverse (p,)."""
        diagonal = self.squares + self.l2
        own = np.divide(1.0, diagonal, out=np.zeros(self.p), where=diagonal > 0)
        heavy, gram = self.block.heavy, self.block.gram
        if self.precondition.factor is not None and gram is not None:
            block = Posterior.of_gram(gram.copy(), self.l2[heavy], 1.0, 1.0)
            own[heavy] = block.diagonal()
        return own


class _Regression:
    """Means of values (p,) with control variates of mean 0, and their standard errors."""

    def __init__(self, p: int) -> None:
        self.count = 0
        self.v, self.c, self.vv, self.vc, self.cc = (np.zeros(p) for _ in range(5))

    def add(self, v: Array, c: Array) -> None:
        self.count += 1
        left = 1.0 - 1.0 / self.count
        dv, dc = v - self.v, c - self.c
        self.v += dv / self.count
        self.c += dc / self.count
        self.vv += left * dv * dv
        self.vc += left * dv * dc
        self.cc += left * dc * dc

    def result(self) -> tuple[Array, Array]:
        varies = self.cc > 0
        slope = np.divide(self.vc, self.cc, out=np.zeros(len(self.v)), where=varies)
        spread = np.maximum(self.vv - slope * self.vc, 0.0) / (self.count - 2)
        share = np.divide(self.c**2, self.cc, out=np.zeros(len(self.v)), where=varies)
        return self.v - slope * self.c, np.sqrt(spread * (1.0 / self.count + share))
