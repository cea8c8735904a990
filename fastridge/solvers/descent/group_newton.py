"""Newton steps of a multi-task elastic net on its support.

Minimises, over the rows W_j that are not zero, F(W) = 1/2 <W, W G> - <C, W>
+ sum_j l1_j |W_j| + l2_j / 2 |W_j|^2, which is smooth there. A step is the solution of the damped
Newton system, as far along as F falls; rows that would turn about on the way become zero.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

# Largest system that is factored; beyond it, conjugate gradients of so many iterations.
_DIRECT = 2000
_INNER = 50
# Damping, in shares of the diagonal, and the decrease of F, of the first order's, that is enough.
_DAMPING = (1e-13, 1e-10, 1e-7)
_ENOUGH = 1e-4
_HALVINGS = 12
# Bisections of a line, the share of its length at which a row is tried at zero, and that of the
# longest at which it is rounding.
_BISECTIONS, _SMALL, _NOTHING = 50, 0.05, 1e-14
# Share of |F| below which a decrease is rounding, and a length that may be divided by.
_ROUNDING, _TINY = 1e-15, 1e-300


def newton_steps(gram, cross, l1, l2, W, most: int) -> int:
    """Improve W (k, m) in place by at most so many steps; how many were taken."""
    size = np.linalg.norm(W, axis=0)
    # rows that are rounding would stop each step where they turn about
    W[:, size <= _NOTHING * size.max(initial=0.0)] = 0.0
    chosen = np.flatnonzero(W.any(axis=0))
    G = gram[np.ix_(chosen, chosen)]
    for taken in range(most):
        if not len(chosen):
            return taken
        V, c, a, b = W[:, chosen], cross[:, chosen], l1[chosen], l2[chosen]
        VG, slope = V @ G, gradient(G, V, c, a, b)
        D = _direction(G, curvature(V, a, b), a / np.linalg.norm(V, axis=0) + b, slope)
        if D is None:
            return taken
        moved = _search(G, V, D, VG, c, a, b, slope)
        if moved is None:
            # F is flat to rounding: the gradient goes on to fall
            moved = V + D
            if not (np.sum(moved * V, axis=0) > 0).all():
                return taken
            after = gradient(G, moved, c, a, b)
            if not np.linalg.norm(after) < 0.5 * np.linalg.norm(slope):
                return taken
        W[:, chosen] = moved
        stay = moved.any(axis=0)
        if not stay.all():
            chosen, G = chosen[stay], G[np.ix_(stay, stay)]
    return most


def gradient(G, V, c, a, b):
    """Derivative of F at V (k, size), no row of which is zero."""
    return V @ G - c + (a / np.linalg.norm(V, axis=0) + b) * V


def _direction(G, D, diagonal, slope):
    """Solve the damped Newton system for the step (k, size); None where it is no descent."""
    k, size = slope.shape
    if k * size <= _DIRECT:
        H, rhs = in_blocks(G, D), -slope.T.ravel()
        scale = np.diagonal(H).copy()
        for damping in _DAMPING:
            H[np.diag_indices_from(H)] = (1.0 + damping) * scale
            try:
                factor = scipy.linalg.cho_factor(H, lower=True, check_finite=False)
            except np.linalg.LinAlgError:
                continue
            step = scipy.linalg.cho_solve(factor, rhs, check_finite=False).reshape(size, k).T
            if np.isfinite(step).all() and np.sum(step * slope) < 0:
                return step
        return None
    # the majorant |w| <= (|w|^2 / |v| + |v|) / 2 has one matrix for all targets
    M = G.copy()
    M[np.diag_indices_from(M)] = (1.0 + _DAMPING[1]) * (np.diagonal(G) + diagonal)
    try:
        factor = scipy.linalg.cho_factor(M, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return None
    step, r = np.zeros_like(slope), -slope
    z = scipy.linalg.cho_solve(factor, r.T, check_finite=False).T
    d, rz = z, float(np.sum(r * z))
    first = rz
    for _ in range(_INNER):
        Hd = d @ G + np.einsum("jab,bj->aj", D, d)
        bend = float(np.sum(d * Hd))
        if not bend > 0:
            break
        step = step + (rz / bend) * d
        r = r - (rz / bend) * Hd
        z = scipy.linalg.cho_solve(factor, r.T, check_finite=False).T
        rz, last = float(np.sum(r * z)), rz
        if not rz > 1e-4 * first:
            break
        d = z + (rz / last) * d
    return step if np.isfinite(step).all() and np.sum(step * slope) < 0 else None


def _search(G, V, D, VG, c, a, b, slope):
    """Search along V + t D for a lower F; the new rows, some of them zero, or None.

    First with rows that turn about at zero, then, on the line itself, to the minimum of F, which
    often is where the first row passes by zero.
    """

    def value(W, WG):
        size = np.linalg.norm(W, axis=0)
        return float(np.sum(W * (0.5 * WG - c)) + a @ size + 0.5 * (b @ size**2))

    def without(W, WG, rows):
        W = W.copy()
        W[:, rows] = 0.0
        return W, WG - (V[:, rows] + t * D[:, rows]) @ G[rows]

    F, first, DG = value(V, VG), float(np.sum(D * slope)), D @ G
    least = F - _ROUNDING * abs(F)
    t = 1.0
    for _ in range(_HALVINGS):
        W, WG = V + t * D, VG + t * DG
        turned = np.flatnonzero(np.sum(W * V, axis=0) <= 0)
        if len(turned):
            W, WG = without(W, WG, turned)
        if value(W, WG) < min(F + _ENOUGH * t * first, least):
            return W
        t *= 0.5
    # F is convex in t: bisect its derivative
    linear, bend = float(np.sum(D * (VG - c))), float(np.sum(D * DG))

    def rises(t):
        W = V + t * D
        size, along = np.linalg.norm(W, axis=0), np.sum(D * W, axis=0)
        return linear + t * bend + float(np.sum((a / np.maximum(size, _TINY) + b) * along)) >= 0

    low, high = 0.0, min(np.abs(V).max() / np.abs(D).max(), 1.0)
    while high < 1.0 and not rises(high):
        low, high = high, 2.0 * high
    for _ in range(_BISECTIONS):
        t = 0.5 * (low + high)
        low, high = (low, t) if rises(t) else (t, high)
    W, WG = V + t * D, VG + t * DG
    found = value(W, WG)
    small = np.linalg.norm(W, axis=0) <= _SMALL * np.linalg.norm(V, axis=0)
    if small.any():
        shorter, its = without(W, WG, np.flatnonzero(small))
        less = value(shorter, its)
        if less <= found + _ROUNDING * abs(F):
            W, found = shorter, less
    # a smaller support is progress, too: there are finitely many
    shrunk = found <= F + _ROUNDING * abs(F) and not W.any(axis=0).all()
    return W if found < least or shrunk else None


def curvature(W, l1, l2):
    """Second derivative of the penalty of each column of W (k, size), in blocks (size, k, k)."""
    norm = np.linalg.norm(W, axis=0)
    along, own = (W / norm).T, np.eye(len(W))
    across = own - along[:, :, None] * along[:, None]
    return (l1 / norm)[:, None, None] * across + l2[:, None, None] * own


def in_blocks(G, D):
    """G x I + D for blocks D (size, k, k), as a matrix of size * k rows."""
    size, k = D.shape[:2]
    M = np.zeros((size, k, size, k))
    for t in range(k):
        M[:, t, :, t] = G
    rows = np.arange(size)
    M[rows, :, rows] += D
    return M.reshape(size * k, size * k)
