"""Restricted likelihoods of many targets, which share the log determinant.

Of the criterion of a target, (n - m) log Q + L, only Q depends on the target. A few centres in the
space of the log penalties are factored. Between them L is a polynomial fitted to values, gradients
and Hessians, and Q of a target is that of a small basis of solutions (a Galerkin projection). The
minimum of this model is where Newton's method starts, with one exact inverse for each step.

The last step h is not followed by another inverse. The coefficients after it are refined, so that Q
and its gradient are exact, and the degrees of freedom dof_g follow from their exact derivatives.
With N = I - D^1/2 C D^1/2, along h,

    N' = -(h N + N h) / 2 + N h N,    0 <= N <= I,    dof_g = tr(P_g N),

of which first derivatives and all but one term of the second are known from the exact Hessian. That
term is between 0 and tr(P_g N h^2 N), and third derivatives are at most 26 |h|^3 dof_g, as each of
their terms is tr(P_g N w N) with |w| <= |h|^3. What is not known is added to the gradient that is
reported, which is therefore a bound.
"""

from __future__ import annotations

import contextvars
import itertools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._threads import get_num_threads
from ...systems.blas import one_thread
from .features import Features, FeatureState

Array = NDArray[np.float64]

_FEWEST = 16  # targets from which models are shared
_MOST_GROUPS = 6
_LEAST_FEATURES = 48
_CENTRES = (8, 24, 48, 80)  # centres of each round
_SHARE = 8  # targets per centre
_DATA = 2.0  # data per coefficient of the polynomial
_STEPS, _OUTER = 6, 3  # Newton steps on a model, with L expanded to second order, and expansions
_RADIUS = 1.5  # largest step in a log penalty
_BOX = 8.0  # largest distance of a log penalty from one for which a group's features fit half
_EXACT_STEPS = 4  # inverses for each target
_CORRECTIONS = 3  # steps on the expansion about an inverse
_LAST = 0.02  # largest step of an expansion
_CONDITION = 1e4  # pivots' ratio beyond which coefficients are refined from the rows
_ROUNDS = 8  # largest number of refinements of coefficients
_EPS = float(np.finfo(np.float64).eps)


class SharedState(NamedTuple):
    """What a fit takes from a state, without its matrices.

    Attributes
    ----------
    w : ndarray (q,)
    Q, squares : float
    dof : ndarray (g,)
    log : float
        log|A| - log|D|.
    """

    w: Array
    Q: float
    squares: float
    dof: Array
    log: float

    def log_determinant(self) -> float:
        return self.log


class Found(NamedTuple):
    """Penalties (g,) of a target, and whether they have converged."""

    alpha: Array
    state: SharedState | None
    value: float
    relative_gradient: float
    n_iter: int


def may_share(data: Any, count: int) -> bool:
    """Return whether the targets are many and the groups few and large."""
    size = data.groups.size
    live = size[size > 0]
    return bool(
        type(data) is Features
        and count >= _FEWEST
        and 0 < len(live) <= _MOST_GROUPS
        and live.min() > 1
        and live.sum() >= _LEAST_FEATURES
    )


def choose_together(
    data: Features, left: float, targets: NDArray[np.intp], first: Array, tol: float
) -> list[Found]:
    """Return penalties of the targets, from first ones (k, g); without a state if not converged."""
    live = np.flatnonzero(data.groups.size)
    middle = np.log(_units(data, live))
    low, high = middle - _BOX, middle + _BOX
    rho = np.clip(np.log(first[np.ix_(targets, live)]), low, high)
    known: list[_Centre] = []
    for most in _CENTRES:
        count = min(most, max(len(targets) // _SHARE, 1))
        centres, nearest = _clusters(rho, count)
        used = np.unique(nearest)
        new: list[Any] = [None] * len(used)

        def examine(i: int, centres=centres, nearest=nearest, used=used, new=new) -> None:
            of = np.flatnonzero(nearest == used[i])
            new[i] = (of, _Centre(data, live, centres[used[i]], targets[of]))

        _on_threads(examine, len(used))
        known += [centre for _, centre in new if centre.usable]
        if not known:
            break
        surface = _Surface(known, low, high)

        def follow(i: int, rho=rho, new=new, surface=surface) -> None:
            of, centre = new[i]
            if centre.usable:
                rho[of] = centre.minimise(rho[of], surface, left, low, high)

        _on_threads(follow, len(used))
        for _, centre in new:
            centre.forget()
    found: list[Any] = [None] * len(targets)

    def finish(i: int) -> None:
        found[i] = _finish(data, live, left, int(targets[i]), rho[i], low, high, tol)

    _on_threads(finish, len(targets))
    return found


def _units(data: Features, live: NDArray[np.intp]) -> Array:
    """Return relative penalties for which a group's features fit about half."""
    sums = data.groups.sums(np.diagonal(data.gram) / data.factor)
    return np.maximum(sums[live] / data.groups.size[live], np.finfo(np.float64).tiny)


def _clusters(points: Array, count: int) -> tuple[Array, NDArray[np.intp]]:
    """Return centres and the nearest centre of each point, by a few steps of k-means."""
    order = np.lexsort(points.T)
    centres = points[order[np.linspace(0, len(points) - 1, count).astype(np.intp)]]
    for _ in range(12):
        distance = ((points[:, None, :] - centres[None]) ** 2).sum(axis=2)
        nearest = distance.argmin(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, points)
        sizes = np.bincount(nearest, minlength=count)
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres)
    distance = ((points[:, None, :] - centres[None]) ** 2).sum(axis=2)
    return centres, distance.argmin(axis=1)


class _Centre:
    """The exact log determinant at a centre, and a basis of solutions for each of its targets.

    Attributes
    ----------
    rho : ndarray (g,)
    log, gradient, hessian
        L and its derivatives.
    P, S, b : ndarray (k, g, m, m), (k, m, m) and (k, m)
        Products of the basis: with unit penalties of each group, with G, and with c.
    """

    def __init__(
        self, data: Features, live: NDArray[np.intp], rho: Array, targets: NDArray[np.intp]
    ) -> None:
        self.rho = rho
        alpha = np.full(len(data.groups.size), np.inf)
        alpha[live] = np.exp(rho)
        state = FeatureState(data, alpha, int(targets[0]))
        self.usable = state.definite
        if not state.definite:
            return
        terms = state.determinant()
        self.log, self.gradient = terms.value, terms.first[live]
        self.hessian = terms.second[np.ix_(live, live)]
        groups, C = data.groups, state.C
        parts = [slice(groups.start[g], groups.start[g] + groups.size[g]) for g in live]
        c = data.cross[:, targets]
        basis = [C @ c]
        for part in parts:
            basis.append(C[:, part] @ (state.D[part, None] * basis[0][part]))
        Z = np.stack(basis).transpose(2, 0, 1)  # (k, m, q)
        self.b = np.einsum("kmq,qk->km", Z, c)
        P = np.empty((len(targets), len(live), Z.shape[1], Z.shape[1]))
        for i, part in enumerate(parts):
            P[:, i] = (Z[:, :, part] * data.factor[part]) @ Z[:, :, part].transpose(0, 2, 1)
        # G Z follows from A Z at the centre
        S = -np.einsum("g,kgij->kij", np.exp(rho), P)
        S[:, :, 0] += self.b
        S[:, :, 1:] += (np.exp(rho)[:, None, None] * P[:, :, :, :1])[..., 0].transpose(0, 2, 1)
        self.P, self.S = P, 0.5 * (S + S.transpose(0, 2, 1))
        self.squares = data.yy[targets] > 0

    def forget(self) -> None:
        """Drop what belongs to the targets."""
        if self.usable:
            del self.P, self.S, self.b

    def minimise(
        self, rho: Array, surface: _Surface, left: float, low: Array, high: Array
    ) -> Array:
        """Return minima (k, g) of the model, from log penalties rho."""
        low, high = np.maximum(low, self.rho - _RADIUS), np.minimum(high, self.rho + _RADIUS)
        rho = np.clip(rho, low, high)
        g = rho.shape[1]
        diagonal = np.arange(g)
        for _ in range(_OUTER):
            start = rho
            slope, curvature = surface.derivatives(rho)
            for _ in range(_STEPS):
                first, second = self._quadratic(rho)
                second[:, diagonal, diagonal] += first
                beside = (curvature @ (rho - start)[..., None])[..., 0]
                gradient, H = left * first + slope + beside, left * second + curvature
                values, vectors = np.linalg.eigh(H)
                least = 1e-3 * np.abs(values).max(axis=1, keepdims=True)
                turned = np.einsum("kji,kj->ki", vectors, gradient)
                turned /= np.maximum(np.maximum(np.abs(values), least), 1e-12)
                step = np.clip(-np.einsum("kij,kj->ki", vectors, turned), -1.0, 1.0)
                before, rho = rho, np.clip(rho + step, low, high)
                if np.abs(rho - before).max() < 1e-6:
                    break
            if np.abs(rho - start).max() < 1e-4:
                break
        return rho

    def _quadratic(self, rho: Array) -> tuple[Array, Array]:
        """Return derivatives of log Q of the projection; the second ones but for a diagonal."""
        alpha = np.exp(rho)
        A = self.S + np.einsum("kg,kgij->kij", alpha, self.P)
        scale = 1.0 / np.sqrt(np.maximum(np.einsum("kii->ki", A), np.finfo(np.float64).tiny))
        A = A * scale[:, None, :] * scale[:, :, None]
        A += 1e-12 * np.eye(A.shape[1])
        P = self.P * (scale[:, None, None, :] * scale[:, None, :, None])
        b = self.b * scale
        x = np.linalg.solve(A, b[..., None])[..., 0]
        Q = np.maximum(1.0 - np.einsum("km,km->k", b, x), _EPS)
        Px = alpha[..., None] * np.einsum("kgij,kj->kgi", P, x)
        first = np.einsum("kgi,ki->kg", Px, x) / Q[:, None]
        cross = Px @ np.linalg.solve(A, Px.transpose(0, 2, 1))
        return first, -2.0 * cross / Q[:, None, None] - first[:, :, None] * first[:, None, :]


class _Surface:
    """A polynomial for L, fitted to values and derivatives at centres."""

    def __init__(self, known: list[_Centre], low: Array, high: Array) -> None:
        points = np.array([centre.rho for centre in known])
        self.middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
        self.half = np.maximum(0.5 * (points.max(axis=0) - points.min(axis=0)), 0.25)
        g = points.shape[1]
        each = 1 + g + g * (g + 1) // 2
        degree = 2
        while degree < 9 and _count(g, degree + 1) * _DATA <= each * len(known):
            degree += 1
        self.powers = np.array(
            [e for e in itertools.product(range(degree + 1), repeat=g) if sum(e) <= degree]
        )
        value, first, second = self._rows(points)
        gradient = np.array([centre.gradient for centre in known])
        hessian = np.array([centre.hessian for centre in known])
        size = np.maximum(np.abs(gradient), 1e-3)
        upper = np.triu_indices(g)
        beside = np.sqrt(size[:, upper[0]] * size[:, upper[1]])
        scale = size.sum(axis=1)
        rows = [
            value / scale[:, None],
            (first / size[..., None]).reshape(-1, len(self.powers)),
            (second[:, upper[0], upper[1]] / beside[..., None]).reshape(-1, len(self.powers)),
        ]
        right = [
            np.array([centre.log for centre in known]) / scale,
            (gradient / size).ravel(),
            (hessian[:, upper[0], upper[1]] / beside).ravel(),
        ]
        M, z = np.vstack(rows), np.concatenate(right)
        norms = np.maximum(np.sqrt((M**2).sum(axis=0)), 1e-300)
        self.coef = np.linalg.lstsq(M / norms, z, rcond=1e-12)[0] / norms

    def _tables(self, points: Array) -> list[Array]:
        """Return powers of the scaled coordinates (g, n, degree + 1) and their derivatives."""
        z = ((points - self.middle) / self.half).T
        degree = int(self.powers.max())
        exponents = np.arange(degree + 1)
        powers = z[..., None] ** exponents
        one, two = np.zeros_like(powers), np.zeros_like(powers)
        one[..., 1:] = exponents[1:] * powers[..., :-1]
        two[..., 2:] = (exponents[2:] * exponents[1:-1]) * powers[..., :-2]
        return [powers, one / self.half[:, None, None], two / self.half[:, None, None] ** 2]

    def _rows(self, points: Array) -> tuple[Array, Array, Array]:
        """Return monomials (n, c), their gradients (n, g, c) and Hessians (n, g, g, c)."""
        n, g = points.shape
        table = self._tables(points)

        def product(orders: Any) -> Array:
            out = np.ones((n, len(self.powers)))
            for j in range(g):
                out *= table[orders[j]][j][:, self.powers[:, j]]
            return out

        first = np.empty((n, g, len(self.powers)))
        second = np.empty((n, g, g, len(self.powers)))
        zero = np.zeros(g, dtype=np.intp)
        eye = np.eye(g, dtype=np.intp)
        for i in range(g):
            first[:, i] = product(eye[i])
            for j in range(i + 1):
                second[:, i, j] = second[:, j, i] = product(eye[i] + eye[j])
        return product(zero), first, second

    def derivatives(self, points: Array) -> tuple[Array, Array]:
        """Return gradients (n, g) and Hessians (n, g, g) of L."""
        _, first, second = self._rows(points)
        return first @ self.coef, second @ self.coef


def _count(g: int, degree: int) -> int:
    """Return the number of monomials of g variables up to a degree."""
    out = 1
    for i in range(1, g + 1):
        out = out * (degree + i) // i
    return out


def _finish(
    data: Features,
    live: NDArray[np.intp],
    left: float,
    target: int,
    rho: Array,
    low: Array,
    high: Array,
    tol: float,
) -> Found:
    """Newton's method with exact derivatives."""
    alpha = np.full(len(data.groups.size), np.inf)
    for n_iter in range(_EXACT_STEPS):
        alpha[live] = np.exp(rho)
        state = FeatureState(data, alpha, target)
        if not state.definite or not state.squares:
            break
        pivots = np.diagonal(state.half) ** 2 * (np.diagonal(data.gram)[state.kept] + state.D)
        if pivots.max() > _CONDITION:
            break
        dof, pairs = state.dof[live], state.determinant().second[np.ix_(live, live)]
        Q = state.quadratic().log()
        g = left * Q.first[live] - dof
        H = left * Q.second[np.ix_(live, live)] + pairs
        try:
            step = -np.linalg.solve(H, g) if np.linalg.eigvalsh(H)[0] > 0 else None
        except np.linalg.LinAlgError:
            step = None
        if step is None or not np.abs(step).max() < _RADIUS:
            break
        for _ in range(_CORRECTIONS):
            if np.abs(step).max() > _LAST:
                break
            shared, slope, missing = _polished(data, live, left, target, state, rho, step)
            relative = float(((np.abs(slope[0]) + missing) / slope[1]).max())
            if relative <= tol:
                alpha[live] = np.exp(rho + step)
                value = left * np.log(shared.Q) + shared.log
                return Found(alpha, shared, float(value), relative, n_iter + 1)
            if missing.max() > tol * slope[1].min():
                break
            step = step - np.linalg.solve(H, slope[0])
        rho = rho + step
        if (rho <= low).any() or (rho >= high).any():
            break
    alpha[live] = np.exp(np.clip(rho, low, high))
    return Found(alpha, None, np.inf, np.inf, 0)


def _polished(
    data: Features,
    live: NDArray[np.intp],
    left: float,
    target: int,
    state: FeatureState,
    rho: Array,
    step: Array,
) -> tuple[SharedState, tuple[Array, Array], Array]:
    """Return the state after a small step, its gradient and what cancels there, and its error."""
    alpha = np.zeros(len(data.groups.size))
    alpha[live] = np.exp(rho + step)
    D = alpha[data.groups.code] * data.factor
    c, w = state.c, state.w
    largest = np.inf
    for _ in range(_ROUNDS):
        r = c - data.gram @ w - D * w
        move = state.solve(r)
        w = w + move
        size = float(np.abs(move).max())
        if size <= 4 * _EPS * float(np.abs(w).max()) or size > 0.5 * largest:
            break
        largest = size
    Q = max(state.squares - float(c @ w), float(D @ w**2) + _EPS**2 * state.squares)
    before = state.dof[live]
    # tr(P_g N P_h N)
    pairs = state.pairs[np.ix_(live, live)].copy()
    pairs[np.diag_indices(len(live))] += data.groups.size[live] - 2.0 * state.traces[live]
    once, twice = pairs @ step, np.maximum(pairs @ step**2, 0.0)
    first = once - step * before
    second = -step * (first + once)
    dof = before + first + 0.5 * second
    h = float(np.abs(step).max())
    missing = 0.5 * twice + 26.0 / 6.0 * h**3 * np.exp(2.0 * h) * before
    fitted = left / Q * state.sums(D * w**2)[live]
    log = state.log_determinant() - float(step @ (before + first / 2.0 + second / 6.0))
    all_dof = np.zeros(len(alpha))
    all_dof[live] = np.maximum(dof, 0.0)
    shared = SharedState(w, Q, state.squares, all_dof, log)
    return shared, (fitted - dof, np.maximum(fitted + dof, 1e-300)), missing


def _on_threads(work: Callable[[int], None], count: int) -> None:
    """Call work(0), ..., work(count - 1) on the threads that fastridge may use."""
    numbers = iter(range(count))
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with one_thread:
                for i in numbers:
                    work(i)
        except BaseException as error:
            failed.append(error)

    helpers = [
        threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
        for _ in range(min(get_num_threads(), count) - 1)
    ]
    for helper in helpers:
        helper.start()
    run()
    for _ in numbers if failed else ():
        pass  # leave nothing to the others
    for helper in helpers:
        helper.join()
    if failed:
        raise failed[0]
