"""ridge_batch: each problem has the solution of ridge."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from cases import each
from numpy.testing import assert_allclose, assert_array_equal

import fastridge
from fastridge import _cpu, reference, ridge, ridge_batch
from fastridge.exceptions import ConvergenceWarning
from fastridge.solvers.ridge import batch as solver

# tall and wide; around the widths of registers; beyond what fits into their lanes
SHAPES = [(1, 1), (2, 1), (1, 3), (9, 3), (100, 10), (8, 8), (7, 30), (65, 17), (150, 70), (9, 90)]


def made(b, n, p, k=None, seed=0, dtype=np.float64):
    rng = np.random.default_rng([b, n, p, seed])
    X = rng.standard_normal((b, n, p)) * np.geomspace(0.1, 10.0, p) + rng.standard_normal((b, 1, p))
    W = rng.standard_normal((b, p, k or 1))
    Y = X @ W + rng.standard_normal((b, n, k or 1)) + 3.0
    weight = rng.uniform(0.1, 2.0, (b, n))
    weight[:, ::4] = 0.0
    weight[:, -1] = 1.0
    return X.astype(dtype), Y if k else Y[..., 0], weight


@pytest.fixture(params=_cpu.instruction_sets())
def isa(request):
    before = _cpu.get_instruction_set()
    _cpu.set_instruction_set(request.param)
    yield
    _cpu.set_instruction_set(before)


@pytest.mark.slow
@each("fit_intercept", [True, False])
@pytest.mark.parametrize("weights", [None, "shared", "each"])
@each("k", [None, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_problem_is_ridge(shape, k, weights, fit_intercept):
    X, y, weight = made(5, *shape, k)
    alpha = np.array([0.3, 1.0, 5.0, 1e-2, 100.0])
    weight = {None: None, "shared": weight[0], "each": weight}[weights]
    found = ridge_batch(X, y, alpha, sample_weight=weight, fit_intercept=fit_intercept)
    twin = reference.ridge_batch(X, y, alpha, sample_weight=weight, fit_intercept=fit_intercept)
    assert found.coef.shape == twin.coef.shape
    assert found.intercept.shape == found.objective.shape == twin.intercept.shape
    assert found.converged.all()
    assert found.converged.shape == (5,)
    assert (found.relative_gradient < 1e-10).all()
    for i in range(5):
        s = weight if weight is None or weight.ndim == 1 else weight[i]
        one = ridge(X[i], y[i], alpha[i], sample_weight=s, fit_intercept=fit_intercept)
        for got, want in ((found.coef[i], one.coef), (found.coef[i], twin.coef[i])):
            assert_allclose(got, want, rtol=1e-9, atol=1e-10 * (1e-6 + np.abs(want).max()))
        for other in (one.intercept, twin.intercept[i]):
            assert_allclose(found.intercept[i], other, rtol=1e-8, atol=1e-9)
        for other in (one.objective, twin.objective[i]):
            assert_allclose(found.objective[i], other, rtol=1e-8, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_instruction_set(isa, shape, dtype):
    X, y, weight = made(3, *shape, 2, dtype=dtype)
    found = ridge_batch(X, y, 0.5, sample_weight=weight)
    twin = reference.ridge_batch(X, y, 0.5, sample_weight=weight)
    rtol = 1e-9 if dtype == np.float64 else 1e-6
    assert_allclose(found.coef, twin.coef, rtol=rtol, atol=rtol * np.abs(twin.coef).max())
    assert_allclose(found.objective, twin.objective, rtol=1e-8, atol=1e-10)
    # of float32, that of coefficients rounded to it
    assert (found.relative_gradient < (1e-10 if dtype == np.float64 else 1e-6)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (33, 3), (65, 17)])
def test_neighbours_do_not_matter(isa, shape, dtype):
    """Problems that share registers: well posed ones beside constant and tiny ones."""
    X, y, weight = made(19, *shape, 2, dtype=dtype)
    weight[:, 0] = 1.0
    alpha = np.geomspace(1e-3, 1e3, 19)
    alone = [
        ridge_batch(X[i : i + 1], y[i : i + 1], alpha[i], sample_weight=weight[i])
        for i in range(19)
    ]
    X[4] = 0.5
    X[11] *= dtype(1e-18)
    found = ridge_batch(X, y, alpha, sample_weight=weight)
    rest = [i for i in range(19) if i not in (4, 11)]
    for name in ("coef", "intercept", "relative_gradient", "objective"):
        want = np.concatenate([getattr(alone[i], name) for i in rest])
        assert_array_equal(getattr(found, name)[rest], want)
    assert_array_equal(found.coef[4], 0.0)
    one = ridge(X[11], y[11], alpha[11], sample_weight=weight[11])
    assert_allclose(found.coef[11], one.coef, rtol=1e-5)
    with pytest.raises(ValueError, match="X contains infinity"):
        ridge_batch(np.where(np.arange(19)[:, None, None] == 7, dtype(np.inf), X), y)


@pytest.mark.parametrize("shape", [(30, 4), (6, 15)])
@pytest.mark.parametrize("free", [False, True])
def test_penalty_factor(shape, free):
    X, y, weight = made(7, *shape)
    factor = np.linspace(0.0 if free else 0.5, 3.0, shape[1])
    found = ridge_batch(X, y, 0.7, sample_weight=weight, penalty_factor=factor)
    twin = reference.ridge_batch(X, y, 0.7, sample_weight=weight, penalty_factor=factor)
    assert_allclose(found.coef, twin.coef, rtol=1e-8, atol=1e-10)
    assert_allclose(found.intercept, twin.intercept, rtol=1e-8)
    assert (found.relative_gradient < 1e-11).all()


@pytest.mark.parametrize("shape", [(100, 10), (6, 15)])
def test_the_certificate_is_true(shape):
    X, y, weight = made(4, *shape)
    found = ridge_batch(X, y, 0.1, sample_weight=weight)
    for i in range(4):
        at = {"sample_weight": weight[i]}
        zero = np.zeros(shape[1])
        mean = np.average(y[i], weights=weight[i])
        first = reference.gradient(X[i], y[i], 0.1, zero, mean, **at)
        last = reference.gradient(X[i], y[i], 0.1, found.coef[i], found.intercept[i], **at)
        true = np.linalg.norm(last) / np.linalg.norm(first)
        assert true <= found.relative_gradient[i] + 1e-13
        objective = reference.objective(X[i], y[i], 0.1, found.coef[i], found.intercept[i], **at)
        assert_allclose(found.objective[i], objective, rtol=1e-10)


@pytest.mark.parametrize("shape", [(100, 10), (6, 15), (150, 70)])
def test_dependent_columns_without_a_penalty(shape):
    """Only some of the problems are singular: these have minimum norm, the others are unchanged."""
    X, y, _ = made(6, *shape)
    X[2, :, 1] = X[2, :, 0]
    X[4] = 1.0
    found = ridge_batch(X, y, 0.0)
    for i in range(6):
        one = ridge(X[i], y[i], 0.0)
        assert_allclose(found.coef[i], one.coef, rtol=1e-7, atol=1e-8 * np.abs(one.coef).max())
        assert_allclose(found.intercept[i], one.intercept, rtol=1e-7)
    if shape[0] > shape[1]:
        assert_allclose(found.coef[2, 0], found.coef[2, 1], rtol=1e-7)
    assert_array_equal(found.coef[4], 0.0)
    mixed = ridge_batch(X, y, np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0]))
    assert_allclose(mixed.coef[2], found.coef[2])
    assert_allclose(mixed.coef[3], ridge(X[3], y[3], 1.0).coef, rtol=1e-9, atol=1e-12)


def test_constant_columns_have_no_coefficient():
    for shape in ((40, 3), (3, 40)):
        X, y, _ = made(3, *shape)
        X[:, :, 1] = 1e8 / 3
        found = ridge_batch(X, y, 1e-8)
        assert_array_equal(found.coef[:, 1], 0.0)


def test_far_means():
    """Columns of mean 1e8 and deviation 1: centring loses no more than storing them does."""
    X, y, _ = made(5, 50, 4)
    X = np.round(X * 2**10) / 2**10
    near, far = ridge_batch(X, y, 0.1), ridge_batch(X + 2.0**27, y, 0.1)
    assert_allclose(far.coef, near.coef, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [(40, 5), (5, 40)])
def test_ill_conditioned(shape):
    X, y, _ = made(3, *shape)
    X *= np.geomspace(1e-4, 1e4, shape[1])
    found = ridge_batch(X, y, 1e-6)
    for i in range(3):
        one = ridge(X[i], y[i], 1e-6, solver="qr")
        error = np.linalg.norm(X[i] @ (found.coef[i] - one.coef)) / np.linalg.norm(y[i])
        assert error < 1e-9
    assert found.converged.all()


@pytest.mark.parametrize("shape", [(40, 5), (5, 40), (150, 70)])
def test_float32_stays(shape):
    X, y, _ = made(4, *shape, dtype=np.float32)
    found = ridge_batch(X, y, 1.0)
    assert found.coef.dtype == found.intercept.dtype == np.float32
    assert found.relative_gradient.dtype == np.float64
    wide = ridge_batch(X.astype(np.float64), y, 1.0)
    assert_allclose(found.coef, wide.coef, rtol=1e-6, atol=1e-6)
    assert ridge_batch(X.astype(int), y).coef.dtype == np.float64


def test_input_is_used_as_it_is():
    X, y, weight = made(4, 20, 3)
    before = X.copy(), y.copy(), weight.copy()
    for array in (X, y, weight):
        array.flags.writeable = False
    found = ridge_batch(X, y, 1.0, sample_weight=weight)
    for now, then in zip((X, y, weight), before, strict=True):
        assert_array_equal(now, then)
    other = ridge_batch(np.asfortranarray(X), y.tolist(), [1.0] * 4, sample_weight=weight)
    assert_array_equal(found.coef, other.coef)


@pytest.mark.parametrize("shape", [(100, 10), (7, 30), (150, 70)])
def test_same_bits_for_any_number_of_threads(shape):
    X, y, _ = made(200, *shape)
    before = _cpu.get_serial_below()
    _cpu.set_serial_below(0)
    try:
        results = []
        for threads in (1, 2, 3):
            with fastridge.num_threads(threads):
                results.append(ridge_batch(X, y, 0.5))
    finally:
        _cpu.set_serial_below(before)
    for other in results[1:]:
        for name in ("coef", "intercept", "relative_gradient", "objective"):
            assert_array_equal(getattr(other, name), getattr(results[0], name))


def test_a_tolerance_that_is_not_met_warns(monkeypatch):
    X, y, _ = made(3, 40, 5)
    assert ridge_batch(X, y, tol=0.0).converged.all()  # rounding will do
    monkeypatch.setattr(solver, "ROUNDING", 0.0)
    with pytest.warns(ConvergenceWarning, match=r"of 3 problems reached .* above tol=0"):
        found = ridge_batch(X, y, tol=0.0)
    assert_array_equal(found.converged, found.relative_gradient == 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"X": None}, "X is None"),
        ({"X": np.ones((3, 4))}, r"X has shape \(3, 4\); expected \(n_problems"),
        ({"X": np.ones((2, 0, 3))}, r"X has shape \(2, 0, 3\)"),
        ({"X": np.full((2, 5, 3), "a")}, "X holds strings"),
        ({"X": np.full((2, 5, 3), np.nan)}, "X contains NaN"),
        ({"y": None}, "y is None"),
        ({"y": np.ones((2, 4))}, r"y has shape \(2, 4\); expected \(2, 5\)"),
        ({"y": np.ones((2, 5, 0))}, r"y has shape \(2, 5, 0\)"),
        ({"y": np.full((2, 5), np.inf)}, "y contains infinity"),
        ({"alpha": -1.0}, "alpha == -1, must be >= 0.0"),
        ({"alpha": [1.0, 2.0, 3.0]}, r"alpha has shape \(3,\)"),
        ({"alpha": None}, "alpha is None"),
        ({"sample_weight": np.ones(4)}, r"sample_weight has shape \(4,\)"),
        ({"sample_weight": -np.ones(5)}, r"sample_weight\[0\] == -1"),
        ({"sample_weight": np.eye(2, 5, 5)}, "sample_weight is zero for every sample"),
        ({"penalty_factor": [1.0]}, "penalty_factor has shape"),
        ({"tol": -1}, "tol must be"),
    ],
)
def test_errors_name_the_argument(change, words):
    given = {"X": np.ones((2, 5, 3)), "y": np.ones((2, 5)), **change}
    with pytest.raises((ValueError, TypeError), match=words):
        ridge_batch(**given)


def test_one_value_that_is_not_finite_is_found():
    X, y, _ = made(30, 10, 4)
    X[17, 3, 2] = np.inf
    with pytest.raises(ValueError, match=r"X contains .*17, 3, 2"):
        ridge_batch(X, y)
    wide = made(30, 4, 10)
    wide[0][20, 1, 1] = np.nan
    with pytest.raises(ValueError, match=r"X contains NaN.*20, 1, 1"):
        ridge_batch(*wide[:2])


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals")
def test_interrupt():
    X = np.broadcast_to(made(1, 400, 60)[0], (20_000, 400, 60))
    X = np.ascontiguousarray(X[:4_000])
    y = np.ones((4_000, 400))
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.perf_counter()
    try:
        for _ in range(100):
            ridge_batch(X, y)
    except KeyboardInterrupt:
        taken = time.perf_counter() - start
    else:
        pytest.fail("no interrupt was seen")
    finally:
        timer.cancel()
    assert taken < 1.5
