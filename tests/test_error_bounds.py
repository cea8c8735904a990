"""Rounding errors of steps and sums, within the bounds that the documentation states.

A bound counts units in the last place of the largest term that is added, ulp(T), and denormal
units, for every instruction set. Reference values are exact fractions.
"""

from fractions import Fraction as F

import numpy as np
import pytest

from fastridge import _cpu, kernels
from fastridge._kernels import square_sum
from fastridge.data.check import check_design

DTYPES = [np.float32, np.float64]


@pytest.fixture(params=_cpu.instruction_sets())
def isa(request):
    before = _cpu.get_instruction_set()
    _cpu.set_instruction_set(request.param)
    yield request.param
    _cpu.set_instruction_set(before)


def grid(dtype, seed, n=43):
    """Numbers of every size that a dtype has, whose sums and products stay in its range."""
    info, rng = np.finfo(dtype), np.random.default_rng(seed)
    root = float(np.sqrt(info.max)) / 64
    special = [0.0, -0.0, 1.0, -1.0, info.smallest_subnormal, -3 * info.smallest_subnormal,
               info.tiny, -info.tiny, info.tiny * (1 - info.eps), root, -root]  # fmt: skip
    spread = rng.choice([-1, 1], n) * 2.0 ** rng.uniform(-np.log2(1 / info.tiny), np.log2(root), n)
    near = rng.normal(size=n)
    return np.r_[special, spread, near].astype(dtype)


def units(dtype, got, exact, terms):
    """Return the largest error in ulps of the largest term, or in denormal units."""
    info, worst = np.finfo(dtype), 0.0
    for a, b, t in zip(got, exact, terms, strict=True):
        assert np.isfinite(a)
        unit = max(F(float(info.eps)) * max(t), F(float(info.smallest_subnormal)))
        worst = max(worst, float(abs(F(float(a)) - b) / unit))
    return worst


def rounded(dtype, *values):
    """Return scalars of a step as the kernel has them: rounded to the dtype."""
    return [F(float(dtype(v))) for v in values]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["l2", "decoupled"])
def test_gradient_descent(isa, dtype, mode):
    lr, c = 0.1, 0.01
    w, g = grid(dtype, 0), grid(dtype, 1)
    W, G = [F(float(x)) for x in w], [F(float(x)) for x in g]
    LR, C = F(lr), F(c)
    kernels.sgd_step(w, g, lr=lr, weight_decay=c, decay_mode=mode)
    exact = [(1 - LR * C) * a - LR * b for a, b in zip(W, G, strict=True)]
    terms = [(abs(a), abs(LR * b)) for a, b in zip(W, G, strict=True)]
    assert units(dtype, w, exact, terms) <= 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_momentum(isa, dtype):
    lr, mu, c = 0.1, 0.9, 0.01
    w, g, b = (grid(dtype, seed) for seed in range(3))
    W, G, B = ([F(float(x)) for x in a] for a in (w, g, b))
    kernels.sgd_momentum_step(w, g, b, lr=lr, momentum=mu, weight_decay=c)
    new = [F(mu) * v + d + F(c) * a for a, d, v in zip(W, G, B, strict=True)]
    terms = [(abs(F(mu) * v), abs(d), abs(F(c) * a)) for a, d, v in zip(W, G, B, strict=True)]
    assert units(dtype, b, new, terms) <= 2
    exact = [a - F(lr) * v for a, v in zip(W, new, strict=True)]
    more = [(abs(a), *(F(lr) * x for x in t)) for a, t in zip(W, terms, strict=True)]
    assert units(dtype, w, exact, more) <= 3


@pytest.mark.parametrize("dtype", DTYPES)
def test_moments_of_adam(isa, dtype):
    w, g, m = (grid(dtype, seed) for seed in range(3))
    # squares of denormal gradients are zero: their own bound is in units of the dtype
    v = np.abs(grid(dtype, 3))
    G, M, V = ([F(float(x)) for x in a] for a in (g, m, v))
    kernels.adam_step(w, g, m, v, lr=0.0, t=5)
    b1, r1, b2, r2 = rounded(dtype, 0.9, 1.0 - 0.9, 0.999, 1.0 - 0.999)
    first = [b1 * a + r1 * d for a, d in zip(M, G, strict=True)]
    terms = [(abs(b1 * a), abs(r1 * d)) for a, d in zip(M, G, strict=True)]
    assert units(dtype, m, first, terms) <= 2
    second = [b2 * a + r2 * d * d for a, d in zip(V, G, strict=True)]
    terms = [(b2 * a, r2 * d * d) for a, d in zip(V, G, strict=True)]
    assert units(dtype, v, second, terms) <= 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_products_and_sums(isa, dtype, order):
    """Sums of n terms are within n units of the sum of their sizes; they are of float64."""
    rng = np.random.default_rng(0)
    n, p = 67, 9
    X = np.asarray(grid(dtype, 4, n * p)[-n * p :].reshape(n, p), order=order)
    X[:, 0] = rng.choice([1.0, -1.0], n) * np.finfo(dtype).smallest_subnormal
    u, v = rng.normal(size=n), rng.normal(size=p)
    A = check_design(X)
    eps = F(2.0**-53)
    for got, rows, other in ((A.dot(v), X, v), (A.tdot(u), X.T, u)):
        for a, row in zip(got, rows, strict=True):
            terms = [F(float(x)) * F(float(y)) for x, y in zip(row, other, strict=True)]
            least = len(terms) * F(5e-324)
            assert abs(F(float(a)) - sum(terms)) <= len(terms) * eps * sum(map(abs, terms)) + least


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 7, 1000, 40_000])
def test_sums_of_squares(isa, dtype, n):
    g = np.random.default_rng(n).normal(size=n).astype(dtype)
    exact = sum(F(float(x)) ** 2 for x in g)
    assert abs(F(square_sum([g], ["g"])) - exact) <= (n + 1) * F(2.0**-53) * exact


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_instruction_set_keeps_the_same_bounds(dtype):
    """Results of two of them differ by no more than both bounds."""
    found, before = [], _cpu.get_instruction_set()
    try:
        for name in _cpu.instruction_sets():
            _cpu.set_instruction_set(name)
            w, g = grid(dtype, 0), grid(dtype, 1)
            kernels.sgd_step(w, g, lr=0.1, weight_decay=0.01)
            found.append(w)
    finally:
        _cpu.set_instruction_set(before)
    size = np.maximum(np.abs(grid(dtype, 0)), np.abs(0.1 * grid(dtype, 1).astype(float)))
    unit = np.maximum(np.finfo(dtype).eps * size, np.finfo(dtype).smallest_subnormal)
    for other in found[1:]:
        assert (np.abs(found[0].astype(np.longdouble) - other) <= 4 * unit).all()
