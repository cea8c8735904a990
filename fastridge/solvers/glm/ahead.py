"""Extrapolation of solutions along a path of falling penalties."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

_MOST = 2.0  # bound on the extrapolation, over the change by the last penalty


def reach_ahead(first: float, second: float, alpha: float) -> float:
    """Return how far to extrapolate the change of the solution from `first` to `second`.

    In log alpha; 0 unless the three penalties fall.
    """
    # x2 + c (x2 - x1) has the share -c of x1
    return -shares_ahead((first, second), alpha)[0]


def shares_ahead(alphas: Sequence[float], alpha: float) -> list[float]:
    """Return the shares of solutions for `alphas` in the one extrapolated to `alpha`.

    They are of the polynomial in log alpha through all solutions; where the penalties do not fall,
    that of the last solution is 1. `alphas` has at most three elements.
    """
    falls = all(0 < b < a for a, b in itertools.pairwise(alphas))
    if len(alphas) < 2 or not falls or not 0 < alpha < alphas[-1]:
        return [0.0] * (len(alphas) - 1) + [1.0]
    x = [math.log(a / alphas[-1]) for a in alphas]
    to = max(math.log(alpha / alphas[-1]), -_MOST * x[-2])
    shares = []
    for i in range(len(x)):
        share = 1.0
        for j in range(len(x)):
            if j != i:
                share *= (to - x[j]) / (x[i] - x[j])
        shares.append(share)
    return shares
