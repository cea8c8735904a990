"""Choose the solver for group penalties by predicted time and memory."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._matrix import Matrix
from ...systems import cost

_STEPS = 10.0  # assumed number of Newton steps per target
_ITERATIONS = 60.0  # of conjugate gradients, in a step
_EXACT = 20.0, 600.0  # times and seconds that an exact way may take longer than an estimate
_THIN = 8  # groups with fewer features than 1 / _THIN of the rows are stored as columns


class Way(NamedTuple):
    """Predicted seconds and bytes of a solver for group penalties."""

    name: str
    seconds: float
    memory: float


def by_features(A: Matrix, targets: int, criterion: str) -> Way:
    """Predict the cost by a Gram matrix of the features."""
    n, p = (float(size) for size in A.shape)
    step = p**3 * (3.0 if criterion in ("gcv", "loo") else 1.0)
    step += 3.0 * n * p**2 if criterion == "loo" else 0.0
    gram = cost._pairs(A, True) * cost._UPDATE if A.is_sparse else n * p**2 * cost._FLOP
    rows = 24.0 * n * p if criterion == "loo" else 0.0
    seconds = gram + targets * _STEPS * step * cost._FLOP
    return Way("cholesky", seconds, 40.0 * p**2 + rows)


def by_samples(A: Matrix, targets: int, criterion: str, size: NDArray[np.intp]) -> Way:
    """Predict the cost by a Gram matrix of the rows for each group; size: features of each."""
    n, p = (float(size) for size in A.shape)
    thin = size * _THIN <= n
    whole, q = float((~thin).sum()), float(size[thin].sum())
    products = 2.0 if criterion == "loo" else 1.0
    step = n**3 * (1.0 + 2.0 * whole * products) + 2.0 * n * q * (n + q * products)
    if criterion != "reml":
        step *= 2.0
    if A.is_sparse:
        gram = whole * (cost._pairs(A, False) * cost._UPDATE + n**2 * cost._CLEAR)
    else:
        gram = n**2 * p * cost._FLOP
    memory = 8.0 * n**2 * (whole * (1.0 + products) + 5.0) + 40.0 * n * q
    memory += cost.data_bytes(A) if A.is_sparse else 8.0 * n * p
    return Way("dual", gram + targets * _STEPS * step * cost._FLOP, memory)


def by_levels(A: Matrix, targets: int, criterion: str, levels: int) -> Way:
    """From a Schur complement: so many features are the levels of a factor."""
    q, m = float(A.n_columns - levels + 1), float(levels)
    step = q**3 * (4.0 if criterion == "gcv" else 2.0) + 6.0 * q**2 * m
    gram = 2.0 * cost._pairs(A, True) * cost._UPDATE
    return Way("schur", gram + targets * _STEPS * step * cost._FLOP, 48.0 * q**2 + 24.0 * q * m)


def by_gradients(A: Matrix, targets: int, groups: int, probes: int) -> Way:
    """By conjugate gradients, with traces from random signs."""
    columns = probes + groups + 2.0
    seconds = 12.0 * _ITERATIONS * columns * cost._pass(A) * targets
    return Way("cg", seconds, 8.0 * (A.n_rows + 5.0 * A.n_columns) * columns)


def choose(ways: list[Way], asked: str, max_memory: float | None) -> str:
    """Return the fastest solver whose memory is within the bytes allowed.

    Raises
    ------
    ValueError
        If none fits, or the requested one is not possible.
    """
    if asked != "auto":
        ways = [way for way in ways if way.name == asked]
    fitting = [way for way in ways if cost.fits(way.memory, max_memory)]
    exact = [way for way in fitting if way.name != "cg"]
    if exact and fitting:
        times, seconds = _EXACT
        quickest = min(way.seconds for way in exact)
        if quickest < max(seconds, times * min(way.seconds for way in fitting)):
            fitting = exact
    if fitting:
        return min(fitting, key=lambda way: way.seconds).name
    least = min(ways, key=lambda way: way.memory)
    most = cost.default_memory() if max_memory is None else max_memory
    raise ValueError(
        f"max_memory allows {most / 1e9:.3g} GB; expected at least {least.memory / 1e9:.3g} GB,"
        f" which solver={least.name!r} needs for these data."
    )


def sizes_of(codes: Any, count: int, d: Any) -> NDArray[np.intp]:
    """Return the number of penalised features of each group."""
    return np.bincount(codes[d > 0], minlength=count)
