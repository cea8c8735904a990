"""Restricted likelihoods of many targets, which share the log determinant.

Of the criterion of a target, (n - m) log Q + L, only Q depends on the target. A few centres in the
space of the log penalties are factored. L is a smooth function fitted to values, gradients and
Hessians there (see `surface`), and Q of a target is that of a small basis of solutions (a Galerkin
projection). The minimum of this model is where an exact solution, by conjugate gradients with the
inverse at a centre as preconditioner, enters the basis, and so on until the gradient of the model
vanishes at an exact solution. The penalties are then accepted if polynomials of two degrees agree
on the degrees of freedom to a small share of the tolerance, which is confirmed by exact inverses
for some of these targets; all others are accepted or mended by one exact inverse.

A small step h is not followed by another inverse. The coefficients after it are refined, so that Q
and its gradient are exact, and the degrees of freedom dof_g follow from their exact derivatives.
With N = I - D^1/2 C D^1/2, along h,

    N' = -(h N + N h) / 2 + N h N,    0 <= N <= I,    dof_g = tr(P_g N),

of which first derivatives and all but one term of the second are known from the exact Hessian. That
term is between 0 and tr(P_g N h^2 N), and third derivatives are at most 26 |h|^3 dof_g, as each of
their terms is tr(P_g N w N) with |w| <= |h|^3. What is not known is added to the gradient that is
reported, which is therefore a bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...systems.blas import on_threads
from .features import Features, FeatureState
from .surface import Surface, spectra_of

Array = NDArray[np.float64]

_FEWEST = 16  # targets from which models are shared
_MOST_GROUPS = 6
_LEAST_FEATURES = 48
_CENTRES = (8, 24, 48)  # centres of each round
_SHARE = 8  # targets per centre
_STEPS, _OUTER = 6, 3  # Newton steps on a model, with L expanded to second order, and expansions
_RADIUS = 1.5  # largest step in a log penalty
# largest distances of a log penalty from one for which a group's features fit half
_BELOW, _ABOVE = 14.0, 8.0
_EXACT_STEPS = 4  # inverses for each target
_CORRECTIONS = 3  # steps on the expansion about an inverse
_LAST = 0.02  # largest step of an expansion
_CONDITION = 1e4  # pivots' ratio beyond which coefficients are refined from the rows
_SETTLING = 8  # models of each target about its own solution
_SETTLED = 0.1  # share of the tolerance at which they end
_ITERATIONS = 40  # of conjugate gradients in each
_STILL = 0.8  # share of the targets, below which those that are solved are left out
_SOLVED, _LEAST_SOLVED = 1e-4, 1e-9  # relative norms of their residuals
_SOLVED_LAST = 1e-13  # the same where no exact inverse follows
_LEAST_DEGREE = 3  # of the polynomial, without an exact inverse
_AGREED = 0.3  # share of the tolerance that surfaces may differ by
_SAFETY = 2.0  # factor of errors that are estimated
_LOOKED_AT = 16  # one of so many targets without an exact inverse is looked at
_ACCURATE = 1e-5  # relative error of the expected degrees of freedom at which no centres are added
_ROUNDS = 8  # largest number of refinements of coefficients
_THREADED = 400  # features from which products take longer than the interpreter between them
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
    low, high = middle - _BELOW, middle + _ABOVE
    rho = np.clip(np.log(first[np.ix_(targets, live)]), low, high)
    known: list[_Centre] = []
    spectra = spectra_of(data, live)
    surface: Any = None
    found: list[Any] = [None] * len(targets)
    for most in _CENTRES:
        new = _examine(data, live, targets, rho, most)
        fitted = [centre for _, centre in new if centre.usable]
        if not known and not fitted:
            break
        error = np.inf if surface is None else surface.error(fitted)
        known += fitted
        surface = Surface(known, spectra)

        def follow(i: int, new=new, surface=surface) -> None:
            of, centre = new[i]
            if centre.usable:
                rho[of] = centre.minimise(rho[of], surface, left, low, high)[0]
            centre.forget()

        _on_threads(data, follow, len(new))
        if error < _ACCURATE:
            break
    if surface is not None:
        place = _clusters(rho, min(_CENTRES[-1], max(len(targets) // _SHARE, 1)))
        used = np.unique(place[1])

        def settle(i: int) -> None:
            of = np.flatnonzero(place[1] == used[i])
            centre = _Centre(data, live, place[0][used[i]], targets[of])
            if centre.usable:
                rho[of], w = centre.settle(
                    rho[of], data, targets[of], surface, left, low, high, tol
                )
                inside = ((rho[of] > low) & (rho[of] < high)).all(axis=1)
                inside &= surface.degree > _LEAST_DEGREE
                of, w = of[inside], w[:, inside]
                parts = centre.accept(data, targets[of], rho[of], w, surface, coarse, left, tol)
                for t, one in zip(of, parts, strict=True):
                    found[t] = one

        coarse = Surface(known, spectra, max(surface.degree - 1, 2))
        _on_threads(data, settle, len(used))
        _confirm(data, live, left, targets, found, tol)
    rest = [i for i, one in enumerate(found) if one is None]

    def finish(j: int) -> None:
        i = rest[j]
        found[i] = _finish(data, live, left, int(targets[i]), rho[i], low, high, tol)

    _on_threads(data, finish, len(rest))
    return found


def _confirm(
    data: Features,
    live: NDArray[np.intp],
    left: float,
    targets: NDArray[np.intp],
    found: list[Any],
    tol: float,
) -> None:
    """Compare some accepted targets with exact inverses, and add the errors found to all.

    Targets whose gradients are then above the tolerance are accepted no longer.
    """
    accepted = [i for i, one in enumerate(found) if one is not None]
    more = np.zeros(-(-len(accepted) // _LOOKED_AT))

    def look(j: int) -> None:
        i = accepted[j * _LOOKED_AT]
        one = found[i]
        state = FeatureState(data, one.alpha, int(targets[i]))
        if not state.definite:
            more[j] = np.inf
            return
        dof, w = state.dof[live], one.state.w
        fitted = left / one.state.Q * state.sums(state.D * w**2)[live]
        relative = float((np.abs(fitted - dof) / np.maximum(fitted + dof, 1e-300)).max())
        more[j] = max(relative - one.relative_gradient, 0.0)

    _on_threads(data, look, len(more))
    extra = _SAFETY * more.max(initial=0.0)
    for i in accepted:
        relative = found[i].relative_gradient + extra
        found[i] = found[i]._replace(relative_gradient=relative) if relative <= tol else None


def _examine(
    data: Features, live: NDArray[np.intp], targets: NDArray[np.intp], rho: Array, most: int
) -> list[tuple[NDArray[np.intp], _Centre]]:
    """Return centres of the log penalties rho (k, g), at most so many, with their targets."""
    centres, nearest = _clusters(rho, min(most, max(len(targets) // _SHARE, 1)))
    used = np.unique(nearest)
    new: list[Any] = [None] * len(used)

    def examine(i: int) -> None:
        of = np.flatnonzero(nearest == used[i])
        new[i] = (of, _Centre(data, live, centres[used[i]], targets[of]))

    _on_threads(data, examine, len(used))
    return new


def _on_threads(data: Features, work: Callable[[int], None], count: int) -> None:
    """Call work(0), ..., work(count - 1), on threads where there are enough features."""
    on_threads(work, count, None if len(data.cross) >= _THREADED else 1)


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
        self.C = state.C
        sizes = np.diagonal(data.gram)[state.kept] + state.D
        self.pivots = float((np.diagonal(state.half) ** 2 * sizes).max())
        self.project(data, targets, rho, self.C @ data.cross[:, targets])

    def project(self, data: Features, targets: NDArray[np.intp], rho: Array, w: Array) -> None:
        """Set the basis of each target to w (q, k), at log penalties rho, and its derivatives.

        The derivatives in the log penalties are those of the preconditioned system.
        """
        groups = data.groups
        live = np.flatnonzero(groups.size)
        parts = [slice(groups.start[g], groups.start[g] + groups.size[g]) for g in live]
        self.at = rho = np.broadcast_to(rho, (len(targets), len(live)))
        alpha = np.exp(rho)
        basis = [w]
        for i, part in enumerate(parts):
            basis.append(self.C[:, part] @ (data.factor[part, None] * alpha[:, i] * w[part]))
        self.w = w
        Z = np.stack(basis).transpose(2, 0, 1)  # (k, m, q)
        self.b = np.einsum("kmq,qk->km", Z, data.cross[:, targets])
        P = np.empty((len(targets), len(live), Z.shape[1], Z.shape[1]))
        for i, part in enumerate(parts):
            P[:, i] = (Z[:, :, part] * data.factor[part]) @ Z[:, :, part].transpose(0, 2, 1)
        flat = Z.reshape(-1, Z.shape[2])
        self.S = (flat @ data.gram).reshape(Z.shape) @ Z.transpose(0, 2, 1)
        self.P, self.Z = P, Z

    def forget(self) -> None:
        """Drop what belongs to the targets."""
        if self.usable:
            del self.P, self.S, self.b, self.C, self.Z, self.w, self.at

    def minimise(self, rho: Array, surface: Surface, left: float, low: Array, high: Array) -> Array:
        """Return minima (k, g) of the model, from log penalties rho."""
        low, high = np.maximum(low, self.at - _RADIUS), np.minimum(high, self.at + _RADIUS)
        rho = np.clip(rho, low, high)
        g = rho.shape[1]
        diagonal = np.arange(g)
        for _ in range(_OUTER):
            start = rho
            slope, curvature = surface.derivatives(rho)
            for _ in range(_STEPS):
                first, second, x = self._quadratic(rho)
                second[:, diagonal, diagonal] += first
                change = (curvature @ (rho - start)[..., None])[..., 0]
                gradient, H = left * first + slope + change, left * second + curvature
                step = _newton_steps(gradient, H)
                before, rho = rho, np.clip(rho + step, low, high)
                if np.abs(rho - before).max() < 1e-6:
                    break
            if np.abs(rho - start).max() < 1e-4:
                break
        return rho, x

    def settle(
        self,
        rho: Array,
        data: Features,
        targets: NDArray[np.intp],
        surface: Surface,
        left: float,
        low: Array,
        high: Array,
        tol: float,
    ) -> tuple[Array, Array]:
        """Return minima (k, g), with exact gradients of log Q and Hessians of the projection.

        And coefficients (q, k) there, to the accuracy that these needed.
        """
        rho, solved = rho.copy(), np.zeros((len(data.gram), len(rho)))
        moving, accuracy = np.arange(len(rho)), np.full(len(rho), _SOLVED)
        for _ in range(_SETTLING):
            of = targets[moving]
            at, x = self.minimise(rho[moving], surface, left, low, high)
            w, fitted, _ = self._solve(
                data, of, at, np.einsum("kmq,km->qk", self.Z, x), accuracy**2
            )
            fitted *= left
            dof = -surface.derivatives(at)[0]
            moved = np.abs(rho[moving] - at).max(axis=1) > 0
            rho[moving], solved[:, moving] = at, w
            size = np.maximum(fitted + dof, np.finfo(np.float64).tiny)
            held = ((at <= low) & (fitted > dof)) | ((at >= high) & (fitted < dof))
            relative = np.where(held, 0.0, np.abs(fitted - dof) / size).max(axis=1)
            more = moved & (np.maximum(relative, accuracy) > _SETTLED * tol)
            if not more.any():
                break
            moving = moving[more]
            accuracy = np.clip(0.02 * relative[more], _LEAST_SOLVED, _SOLVED)
            self.project(data, targets[moving], at[more], w[:, more])
        return rho, solved

    def accept(
        self,
        data: Features,
        targets: NDArray[np.intp],
        rho: Array,
        w: Array,
        surface: Surface,
        coarse: Surface,
        left: float,
        tol: float,
    ) -> list[Found | None]:
        """Return targets whose gradients at log penalties rho (k, g) are small; None for others.

        The error of the finer surface is taken to be its difference from the other, which most of
        the time is many times as large.
        """
        none: list[Found | None] = [None] * len(targets)
        if not len(targets) or self.pivots > _CONDITION:
            return none
        dof = -surface.derivatives(rho)[0]
        error = np.abs(dof + coarse.derivatives(rho)[0])
        few = (error <= _AGREED * tol * dof).all(axis=1)
        chosen = np.flatnonzero(few)
        if not len(chosen):
            return none
        targets, rho, dof, error = targets[chosen], rho[chosen], dof[chosen], error[chosen]
        accuracy = np.full(len(targets), _SOLVED_LAST**2)
        w, fitted, Q = self._solve(data, targets, rho, w[:, chosen], accuracy)
        fitted = left * fitted
        relative = (
            (np.abs(fitted - dof) + _SAFETY * error) / np.maximum(fitted + dof, 1e-300)
        ).max(axis=1)
        log = surface.values(rho)
        live = np.flatnonzero(data.groups.size)
        for j in np.flatnonzero(relative <= tol):
            alpha = np.full(len(data.groups.size), np.inf)
            alpha[live] = np.exp(rho[j])
            of_group = np.zeros(len(alpha))
            of_group[live] = dof[j]
            state = SharedState(w[:, j].copy(), float(Q[j]), 1.0, of_group, float(log[j]))
            value = left * np.log(Q[j]) + float(log[j])
            none[chosen[j]] = Found(alpha, state, float(value), float(relative[j]), 1)
        return none

    def _solve(
        self, data: Features, targets: NDArray[np.intp], rho: Array, w: Array, accuracy: Array
    ) -> tuple[Array, Array, Array]:
        """Return coefficients (q, k), derivatives of log Q (k, g) and Q, from coefficients w.

        By conjugate gradients, preconditioned by the inverse at the centre.
        """
        live = np.flatnonzero(data.groups.size)
        alpha = np.zeros((len(targets), len(data.groups.size)))
        alpha[:, live] = np.exp(rho)
        D = (alpha[:, data.groups.code] * data.factor).T
        c = data.cross[:, targets]
        w = w.copy()
        r = c - data.gram @ w - D * w
        # the preconditioner may be rounded
        C = self.C.astype(np.float32)
        d = np.zeros_like(r)
        rz, on, own = np.ones(len(targets)), np.arange(len(targets)), D
        for _ in range(_ITERATIONS):
            z = (C @ r.astype(np.float32)).astype(np.float64)
            before, rz = rz, np.einsum("qk,qk->k", r, z)
            more = rz > accuracy[on] * np.einsum("qk,qk->k", c[:, on], w[:, on])
            if not more.any():
                break
            d = z + rz / np.maximum(before, np.finfo(np.float64).tiny) * d
            if more.sum() < _STILL * len(on):
                on, r, d, rz, own = on[more], r[:, more], d[:, more], rz[more], own[:, more]
            Ad = data.gram @ d + own * d
            t = rz / np.maximum(np.einsum("qk,qk->k", d, Ad), np.finfo(np.float64).tiny)
            w[:, on] += t * d
            r = r - t * Ad
        Q = _left(1.0, c, w, D)
        return w, data.groups.sums(D * w * w)[live].T / Q[:, None], Q

    def _quadratic(self, rho: Array) -> tuple[Array, Array, Array]:
        """Return derivatives of log Q of the projection, and its coefficients in the basis.

        The second derivatives lack the first ones on their diagonal.
        """
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
        second = -2.0 * cross / Q[:, None, None] - first[:, :, None] * first[:, None, :]
        return first, second, x * scale


def _newton_steps(gradient: Array, H: Array) -> Array:
    """Return Newton's steps (k, g) of at most 1, along directions of curvature in size."""
    values, vectors = np.linalg.eigh(H)
    least = 1e-3 * np.abs(values).max(axis=1, keepdims=True)
    rotated = np.einsum("kji,kj->ki", vectors, gradient)
    rotated /= np.maximum(np.maximum(np.abs(values), least), 1e-12)
    return np.clip(-np.einsum("kij,kj->ki", vectors, rotated), -1.0, 1.0)


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
    """Newton's method with exact derivatives; groups at their largest penalties are left out."""
    alpha = np.full(len(data.groups.size), np.inf)
    if (rho <= low).any() or (rho >= high).any():
        alpha[live] = np.where(rho >= high, np.inf, np.exp(rho))
        return Found(alpha, None, np.inf, np.inf, 0)
    for n_iter in range(_EXACT_STEPS):
        alpha[live] = np.exp(rho)
        state = FeatureState(data, alpha, target)
        if not state.definite or not state.squares:
            break
        pivots = np.diagonal(state.half) ** 2 * (np.diagonal(data.gram)[state.kept] + state.D)
        if pivots.max() > _CONDITION:
            break
        w, Q_here = _refined(data, target, state, state.D)
        dof, fitted = state.dof[live], left / Q_here * state.sums(state.D * w**2)[live]
        relative = float((np.abs(fitted - dof) / np.maximum(fitted + dof, 1e-300)).max())
        if relative <= tol:
            log = state.log_determinant()
            shared = SharedState(w, Q_here, state.squares, state.dof, log)
            value = left * np.log(Q_here) + log
            return Found(alpha, shared, float(value), relative, n_iter + 1)
        pairs = state.determinant().second[np.ix_(live, live)]
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


def _left(squares: float, c: Array, w: Array, D: Array) -> Array:
    """Return Q = y'y - c'w of coefficients (q,) or (q, k), at least the penalty there."""
    return np.asarray(
        np.maximum(squares - (c * w).sum(axis=0), (D * w**2).sum(axis=0) + _EPS**2 * squares)
    )


def _refined(data: Features, target: int, state: FeatureState, D: Array) -> tuple[Array, float]:
    """Return coefficients and Q at penalties D (q,) close to those of a state."""
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
    return w, float(_left(state.squares, c, w, D))


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
    w, Q = _refined(data, target, state, D)
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
