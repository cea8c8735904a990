"""First penalties by the method of moments, for all targets at once.

With prior variances t_g / f_j, noise of variance v and products c = X'y about the fixed columns,

    E sum_{j in g} c_j^2 / f_j = sum_h T_gh t_h + d_g v,    E y'y = sum_h d_h t_h + (n - m) v,

with T_gh the sum of G_jk^2 / (f_j f_k) over both groups and d_g that of G_jj / f_j: linear
equations of few unknowns (C. R. Rao, "Estimation of variance and covariance components - MINQUE
theory", J. Multivariate Analysis 1, 1971).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .features import Features
    from .samples import Samples

Array = NDArray[np.float64]

_FEW = 4.0  # mean features of a group, below which all start from one penalty
_SMALL = 0.1  # degrees of freedom per feature of a group that explains nothing
_LEAST, _MOST = 1e-6, 1e6  # first penalties, in units of a group's sums of squares


def first_penalties(data: Features | Samples, left: float) -> Array:
    """Return relative penalties (k, g) to start from.

    left: n - m.
    """
    size = data.groups.size
    live = np.flatnonzero(size)
    out = np.ones((data.k, len(size)))
    if not len(live):
        return out
    # groups of few features each start from one common penalty
    together = size.sum() < _FEW * len(live)
    T, d, right = data.second_moments(together)
    count = size.sum(keepdims=True) if together else size[live]
    M = np.block([[T, d[:, None]], [d, np.array([left])]])
    t, noise = _non_negative(M, np.vstack([right, (data.yy > 0).astype(float)]))
    unit = (d / count)[:, None]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        alpha = noise / t
    # groups that explain nothing
    alpha = np.where(t > 0, alpha, (1.0 / _SMALL - 1.0) * unit)
    out[:, live] = np.clip(alpha, _LEAST * unit, _MOST * unit).T
    return out


def _non_negative(M: Array, right: Array) -> tuple[Array, Array]:
    """Return variances (g, k) and noise (k,); negative variances are set to 0 one by one."""
    g, k = len(M) - 1, right.shape[1]
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(M), np.finfo(np.float64).tiny))
    M = M * scale * scale[:, None] + 1e-10 * np.eye(g + 1)
    b = right * scale[:, None]
    # treat at least a twentieth of y as noise
    least = 0.05 * right[-1] / max(M[-1, -1] / scale[-1] ** 2, 1.0)
    t = np.zeros((g + 1, k))
    kept = np.ones((g + 1, k), dtype=bool)
    for _ in range(g + 1):
        patterns, which = np.unique(kept, axis=1, return_inverse=True)
        which = which.ravel()
        for i, pattern in enumerate(patterns.T):
            of = np.flatnonzero(which == i)
            inside = np.flatnonzero(pattern)
            t[:, of] = 0.0
            if len(inside):
                t[np.ix_(inside, of)] = np.linalg.solve(
                    M[np.ix_(inside, inside)], b[np.ix_(inside, of)]
                )
        worst = np.where(kept, t, 0.0)[:g].argmin(axis=0)
        wrong = np.flatnonzero(t[worst, np.arange(k)] < 0)
        if not len(wrong):
            break
        kept[worst[wrong], wrong] = False
    t = np.maximum(t, 0.0) * scale[:, None]
    return t[:g], np.maximum(t[g], least)
