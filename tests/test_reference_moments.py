"""Moments against the NumPy reference, sum by sum and step by step."""

import numpy as np
import pytest
from cases import each
from numpy.testing import assert_allclose
from storages import CONTAINERS

from fastridge import Moments, _cpu, reference, ridge

SUMS = ("total_weight", "mean", "y_mean", "gram", "cross", "yy")


def made(n=120, p=7, k=None, seed=0, mean=1.0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.geomspace(0.1, 10.0, p) + mean
    X *= rng.random((n, p)) < 0.6
    y = rng.standard_normal(n if k is None else (n, k)) + 3.0
    weight = rng.uniform(0.0, 2.0, n)
    weight[::5] = 0.0
    return X.astype(dtype), y, weight


def agree(ours, theirs, rtol=1e-11):
    assert ours.n_samples == theirs.n
    for name in SUMS:
        want = np.asarray(getattr(theirs, name))
        got = np.asarray(getattr(ours, name))
        assert_allclose(got, want, rtol=rtol, atol=rtol * np.abs(want).max())


@pytest.fixture(params=_cpu.instruction_sets())
def isa(request):
    before = _cpu.get_instruction_set()
    _cpu.set_instruction_set(request.param)
    yield
    _cpu.set_instruction_set(before)


@pytest.mark.parametrize("shape", [(1, 1, None), (9, 1, 2), (120, 7, None), (61, 23, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@each("container", CONTAINERS)
@each("weighted", [False, True])
def test_one_pass(isa, container, dtype, shape, weighted):
    X, y, weight = made(*shape, dtype=dtype)
    weight = weight + (len(X) == 1) if weighted else None
    ours = Moments(CONTAINERS[container](X), y, weight)
    agree(ours, reference.moments(X, y, weight))


def test_the_shift_is_free():
    X, y, weight = made(k=2)
    at = [reference.moments(X, y, weight, shift=c) for c in (None, np.zeros(7), X.mean(axis=0))]
    for name in SUMS:
        for other in at[1:]:
            assert_allclose(getattr(other, name), getattr(at[0], name), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("k", [None, 3])
@pytest.mark.parametrize("container", CONTAINERS)
def test_adding_and_subtracting(container, k):
    X, y, weight = made(k=k)
    parts = np.array_split(np.random.default_rng(1).permutation(len(X)), 3)
    ours = [Moments(CONTAINERS[container](X[r]), y[r], weight[r]) for r in parts]
    theirs = [reference.moments(X[r], y[r], weight[r]) for r in parts]
    both, twin = ours[0] + ours[1], reference.add_moments(theirs[0], theirs[1])
    agree(both, twin)
    agree(both + ours[2], reference.add_moments(twin, theirs[2]))
    agree(both + ours[2], reference.moments(X, y, weight))
    agree(both - ours[1], reference.subtract_moments(twin, theirs[1]), 1e-10)
    agree(both - ours[1], theirs[0], 1e-10)


def test_far_means_are_kept_apart():
    """Sums about a shift keep what sums about zero lose."""
    X, y, _ = made(mean=0.0)
    far = X + 1e8
    parts = np.array_split(np.arange(len(X)), 4)
    ours, theirs = Moments(), None
    for rows in parts:
        ours.update(far[rows], y[rows])
        part = reference.moments(far[rows], y[rows])
        theirs = part if theirs is None else reference.add_moments(theirs, part)
    agree(ours, theirs)
    # (x + 1e8) - 1e8 has the rounding of 1e8, half of 1.5e-8
    want = reference.moments(far - 1e8, y).gram
    assert_allclose(theirs.gram, want, atol=1e-9 * np.abs(want).max())
    lost = reference.moments(far, y, shift=np.zeros(7)).gram
    assert np.abs(lost - want).max() > 1e-3 * np.abs(want).max()


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e3])
def test_fits(alpha, fit_intercept):
    X, y, weight = made(k=2)
    factor = np.linspace(0.0, 3.0, 7)
    options = {"penalty_factor": factor, "fit_intercept": fit_intercept}
    theirs = reference.ridge_of_moments(reference.moments(X, y, weight), alpha, **options)
    of_data = reference.ridge(X, y, alpha, sample_weight=weight, **options)
    ours = ridge(Moments(X, y, weight), alpha=alpha, **options)
    for found in (ours, of_data):
        assert_allclose(found.coef, theirs.coef, rtol=1e-8)
        assert_allclose(found.intercept, theirs.intercept, rtol=1e-8, atol=1e-12)
        assert_allclose(found.objective, theirs.objective, rtol=1e-8)
