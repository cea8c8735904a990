"""Gradients of rows: after a flush, the dense optimizer's parameters and state to rounding."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from cases import each
from hypothesis import given, settings
from hypothesis import strategies as st

import fastridge
from fastridge import _cpu, optim

N, WIDTH = 12, 5
CASES = [
    (optim.SGD, {"weight_decay": 0.3}),
    (optim.SGD, {"weight_decay": 0.3, "decay_mode": "decoupled"}),
    (optim.SGD, {"weight_decay": 0.05, "decay_mode": "independent"}),
    (optim.SGD, {"weight_decay": 30.0}),  # factors below zero
    (optim.SGD, {"momentum": 0.9}),
    (optim.SGD, {"momentum": 0.9, "weight_decay": 0.3}),
    (optim.SGD, {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.3}),
    (optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.3}),
    (optim.SGD, {"momentum": 0.9, "weight_decay": 0.3, "decay_mode": "decoupled"}),
    (optim.SGD, {"momentum": 0.5, "nesterov": True, "weight_decay": 0.1,
                 "decay_mode": "independent"}),
    (optim.Adam, {}),
    (optim.Adam, {"weight_decay": 0.3}),
    (optim.Adam, {"weight_decay": 0.3, "maximize": True, "amsgrad": True}),
    (optim.AdamW, {"weight_decay": 0.3}),
    (optim.AdamW, {"weight_decay": 0.3, "amsgrad": True}),
    (optim.AdamW, {"weight_decay": 10.0}),  # a factor of zero, then a tiny product
    (optim.AdamW, {"weight_decay": 30.0}),
    (optim.AdamW, {"weight_decay": 0.05, "decay_mode": "independent"}),
    (optim.AdamW, {"weight_decay": 0.3, "eps": 0.5}),
    (optim.AdamW, {"weight_decay": 0.3, "betas": (0.95, 0.95)}),
    (optim.AdamW, {"weight_decay": 0.3, "betas": (0.99, 0.9)}),
    (optim.AdamW, {"weight_decay": 0.3, "betas": (0.0, 0.99), "eps": 1e-3}),
]  # fmt: skip
over_cases = pytest.mark.parametrize(
    ("cls", "options"), CASES, ids=lambda c: c.__name__ if isinstance(c, type) else str(c)
)


@pytest.fixture(params=_cpu.instruction_sets())
def isa(request):
    before = _cpu.get_instruction_set()
    _cpu.set_instruction_set(request.param)
    yield request.param
    _cpu.set_instruction_set(before)


@pytest.fixture
def threaded():
    """Work of any size goes to threads."""
    before = _cpu.get_serial_below()
    _cpu.set_serial_below(0)
    yield
    _cpu.set_serial_below(before)


def dense(index, rows, shape):
    g = np.zeros(shape, rows.dtype)
    np.add.at(g, index, rows)
    return g


def touched(rng, t, n=N, k=3):
    """Rows of a step: few, some of them twice; row 0 at first only, row 1 never, row 2 at last."""
    index = rng.integers(3, n, k)
    if t == 0:
        index = np.append(index, 0)
    if t % 50 == 49:
        index = np.append(index, [2, 2])
    return index


def assert_same(params, twins, tolerance):
    for p, q in zip(params, twins, strict=True):
        np.testing.assert_allclose(p, q, rtol=tolerance, atol=tolerance * np.abs(q).max())


def state_of(optimizer, i):
    return [a for a in optimizer._stepper.get_state(i)[2:] if a is not None]


@over_cases
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.slow
def test_flushed_rows_are_those_of_the_dense_optimizer(isa, cls, options, dtype):
    rng = np.random.default_rng(0)
    w = rng.normal(size=(N, WIDTH)).astype(dtype)
    twin = w.astype(np.float64)
    lazy, full = cls([w], lr=0.1, **options), cls([twin], lr=0.1, **options)
    tolerance = 3e-4 if dtype == np.float32 else 1e-11
    for t in range(400):
        lr = 0.1 * (1 + np.sin(t / 20)) / (1 + t / 40)
        for group in (*lazy.param_groups, *full.param_groups):
            group["lr"] = lr
        index = touched(rng, t)
        rows = rng.normal(size=(len(index), WIDTH)).astype(dtype)
        lazy.step([(index, rows)])
        full.step([dense(index, rows.astype(np.float64), twin.shape)])
        if t in (0, 7, 130):
            lazy.flush()
            assert_same([w], [twin], tolerance)
    lazy.flush()
    assert_same([w, *state_of(lazy, 0)], [twin, *state_of(full, 0)], tolerance)


@over_cases
def test_rows_that_were_touched_are_up_to_date(cls, options):
    """Rows of a step are up to date without a flush, and so are rows that were flushed."""
    rng = np.random.default_rng(1)
    w = rng.normal(size=(N, WIDTH))
    twin = w.copy()
    lazy, full = cls([w], lr=0.1, **options), cls([twin], lr=0.1, **options)
    for t in range(30):
        index = touched(rng, t)
        rows = rng.normal(size=(len(index), WIDTH))
        lazy.step([(index, rows)])
        full.step([dense(index, rows, twin.shape)])
        assert_same([w[index]], [twin[index]], 1e-11)
    lazy.flush(0, [1, 4, 4])
    assert_same([w[[1, 4]]], [twin[[1, 4]]], 1e-11)
    lazy.flush(0)
    assert_same([w], [twin], 1e-11)


@pytest.mark.parametrize("change", ["betas", "eps", "momentum", "weight_decay", "decay_mode"])
@pytest.mark.parametrize("cls", [optim.SGD, optim.AdamW])
def test_numbers_may_change_between_steps(cls, change):
    if change not in cls([np.ones(1)]).defaults:
        pytest.skip("no such number")
    values = {
        "betas": [(0.9, 0.999), (0.5, 0.9)],
        "eps": [1e-8, 0.1],
        "momentum": [0.0, 0.9, 0.5],
        "weight_decay": [0.5, 0.0],
        "decay_mode": ["decoupled", "l2", "independent"],
    }[change]
    rng = np.random.default_rng(1)
    w = rng.normal(size=(N, WIDTH))
    twin = w.copy()
    options = {"lr": 0.1, "weight_decay": 0.3}
    lazy, full = cls([w], **options), cls([twin], **options)
    for t in range(60):
        for group in (*lazy.param_groups, *full.param_groups):
            group[change] = values[t // 5 % len(values)]
        index = touched(rng, t)
        rows = rng.normal(size=(len(index), WIDTH))
        lazy.step([(index, rows)])
        full.step([dense(index, rows, twin.shape)])
    lazy.flush()
    assert_same([w, *state_of(lazy, 0)], [twin, *state_of(full, 0)], 1e-11)


@over_cases
def test_dense_and_missing_gradients_between(cls, options):
    rng = np.random.default_rng(2)
    params = [rng.normal(size=(N, WIDTH)), rng.normal(size=7)]
    twins = [p.copy() for p in params]
    lazy, full = cls(params, lr=0.1, **options), cls(twins, lr=0.1, **options)
    for t in range(60):
        other = rng.normal(size=7)
        if t % 10 == 4:
            g = rng.normal(size=(N, WIDTH))
            lazy.step([g, other])
            full.step([g, other])
        elif t % 10 == 7:
            lazy.step([None, other])
            full.step([None, other])
        else:
            index = touched(rng, t)
            rows = rng.normal(size=(len(index), WIDTH))
            lazy.step([(index, rows), other])
            full.step([dense(index, rows, (N, WIDTH)), other])
    lazy.flush()
    assert_same(params, twins, 1e-11)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
@pytest.mark.slow
def test_any_shape_and_order(data):
    cls, options = data.draw(st.sampled_from(CASES))
    dtype = data.draw(st.sampled_from([np.float64, np.float32]))
    shape = data.draw(st.sampled_from([(1,), (9,), (5, 1), (3, 17), (4, 2, 3), (6, 0), (2, 64)]))
    rng = np.random.default_rng(3)
    w = rng.normal(size=shape).astype(dtype)
    twin = w.astype(np.float64)
    lazy, full = cls([w], lr=0.1, **options), cls([twin], lr=0.1, **options)
    for _ in range(data.draw(st.integers(1, 12))):
        index = np.array(
            data.draw(st.lists(st.integers(0, shape[0] - 1), max_size=6)),
            data.draw(st.sampled_from([np.int32, np.int64, np.uint8])),
        )
        rows = rng.normal(size=(len(index), *shape[1:])).astype(dtype)
        lazy.step([(index, rows)])
        full.step([dense(index, rows.astype(np.float64), shape)])
    lazy.flush()
    assert_same([w], [twin], 1e-4 if dtype == np.float32 else 1e-11) if w.size else None


@over_cases
def test_same_bits_for_any_number_of_threads(cls, options, threaded):
    results = []
    for threads in (1, 2, 3):
        rng = np.random.default_rng(4)
        w = rng.normal(size=(500, 9)).astype(np.float32)
        optimizer = cls([w], lr=0.1, **options)
        with fastridge.num_threads(threads):
            for _ in range(20):
                index = rng.integers(0, 500, 100)
                optimizer.step([(index, rng.normal(size=(100, 9)).astype(np.float32))])
            optimizer.flush()
        results.append(w)
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


@over_cases
def test_factors_of_the_decay_and_resuming(cls, options, tmp_path):
    rng = np.random.default_rng(5)
    w, factor = rng.normal(size=(N, WIDTH)), rng.uniform(0, 2, (N, WIDTH))
    twin = w.copy()

    def make(p):
        return cls([{"params": [p], "penalty_factor": [factor]}], lr=0.02, **options)

    lazy, full = make(w), make(twin)
    for t in range(40):
        index = touched(rng, t)
        rows = rng.normal(size=(len(index), WIDTH))
        lazy.step([(index, rows)])
        full.step([dense(index, rows, twin.shape)])
        if t == 20:
            fastridge.save(lazy.state_dict(), tmp_path / "state")
            lazy = make(w)
            lazy.load_state_dict(fastridge.load(tmp_path / "state"))
    lazy.flush()
    assert_same([w], [twin], 1e-11)


def test_many_missed_steps():
    """More than are kept: all rows are brought up to date in between."""
    w, twin = np.ones((3, 2), np.float64), np.ones((3, 2))
    lazy = optim.SGD([w], lr=1e-6, weight_decay=1.0)
    row = (np.array([1]), np.zeros((1, 2)))
    for _ in range(70_000):
        lazy.step([row])
    lazy.flush()
    twin *= (1 - 1e-6) ** 70_000
    np.testing.assert_allclose(w, twin, rtol=1e-11)


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.99, 0.9999), (0.5, 0.6)])
@pytest.mark.slow
def test_adam_after_long_absence(isa, betas):
    """Moments of any size, whose roots are far above, near and far below eps."""
    rng = np.random.default_rng(6)
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 2e-5)):
        scale = 10.0 ** rng.uniform(-14, 2, (2, 200))
        g = (rng.choice([-1, 1], (2, 200)) * scale).astype(dtype)
        w = np.zeros((2, 200), dtype)
        twin = np.zeros((2, 200))
        lazy = optim.AdamW([w], lr=0.1, betas=betas, weight_decay=0.1)
        full = optim.AdamW([twin], lr=0.1, betas=betas, weight_decay=0.1)
        both, nobody = np.arange(2), (np.array([], np.int32), np.zeros((0, 200), dtype))
        for t in range(3000):
            if t in (0, 1, 300):
                lazy.step([(both, g)])
                full.step([g.astype(np.float64)])
            else:
                lazy.step([nobody])
                full.step([np.zeros((2, 200))])
            if t in (5, 299, 600, 2999):
                lazy.flush()
                np.testing.assert_allclose(w, twin, rtol=tolerance, atol=tolerance * 1e-3)


def test_rows_that_are_refused():
    w = np.ones((4, 3))
    optimizer = optim.SGD([w, np.ones(())], lr=1.0)
    rows = np.ones((2, 3))
    for bad, kind, message in [
        ((np.array([0, 4]), rows), ValueError, "expected 0 to 3; got 4 at position 1"),
        ((np.array([-1, 0]), rows), ValueError, "expected 0 to 3; got -1 at position 0"),
        (
            (np.array([0.0, 1.0]), rows),
            ValueError,
            "expected a vector of integers; got 1 dim.* of f",
        ),
        ((np.array([[0, 1]]), rows), ValueError, "expected a vector of integers; got 2 dim"),
        ((np.array([2**63 + 1, 0], np.uint64), rows), ValueError, "expected 0 to 3; got 922"),
        (
            (np.array([0, 1]), rows[:1]),
            ValueError,
            r"expected shape \(2, 3\); got shape \(1, 3\)|got shape \(1, 3\)",
        ),
        ((np.array([0, 1]), rows[:, :2].copy()), ValueError, r"got shape \(2, 2\)"),
        ((np.array([0, 1]), rows.astype("f4")), ValueError, "expected float64 as"),
        ((np.array([0, 1]), w[:2]), ValueError, r"overlaps params\[0\]"),
        ((np.array([0, 1]),), ValueError, r"expected \(row indices, rows\); got 1 values"),
        ((np.array([0, 1]), None), TypeError, "rows of the gradient of .*; got None"),
    ]:
        with pytest.raises(kind, match=message):
            optimizer.step([bad, None])
    with pytest.raises(ValueError, match=r"params\[1\] has no rows"):
        optimizer.step([None, (np.array([0]), np.ones(1))])
    assert (w == 1).all()
    for bad, kind, message in [
        ((2,), ValueError, "param: expected 0 to 1; got 2"),
        (("w",), ValueError, "param: expected the name of a parameter; got 'w'"),
        ((1.0,), TypeError, "param: expected a position"),
        ((None, [0]), ValueError, "rows: expected None when param is None"),
        ((0, [4]), ValueError, "rows: expected 0 to 3; got 4"),
    ]:
        with pytest.raises(kind, match=message):
            optimizer.flush(*bad)


def test_lists_of_indices():
    w = np.ones((4, 1))
    optimizer = optim.SGD({"e": w}, lr=1.0)
    assert optimizer.step({"e": ([1, 1, 3], np.ones((3, 1)))})
    assert w.ravel().tolist() == [1, -1, 1, 0]
    optimizer.flush("e", [0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", ["l2", "decoupled", "independent"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.5, "dampening": 0.3},
    ],
)
def test_missed_steps_with_factors(options, mode, dtype):
    """Runs of equal steps, and steps that differ, are those of the dense optimizer."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((5, 37)).astype(dtype)
    factor = rng.exponential(size=w.shape).astype(dtype)
    factor[0] = 0
    dense = w.copy()
    lazy, full = (
        optim.SGD(
            [{"params": [p], "penalty_factor": [factor]}],
            lr=0.05,
            weight_decay=0.3,
            decay_mode=mode,
            **options,
        )
        for p in (w, dense)
    )
    for t in range(300):
        if t in (70, 71, 72, 200):
            for optimizer in (lazy, full):
                optimizer.set_lr_factor(1.0 - t / 400)
        index = np.array([t % 2]) if t % 3 else np.arange(5)[: 5 if t == 0 else 3]
        rows = rng.standard_normal((len(index), 37)).astype(dtype)
        g = np.zeros_like(w)
        g[index] = rows
        lazy.step([(index, rows)])
        full.step([g])
    lazy.flush()
    tolerance = 3e-4 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(w, dense, rtol=tolerance, atol=tolerance)
    for a, b in zip(moments_of(lazy), moments_of(full), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def moments_of(optimizer):
    return [a for a in optimizer._stepper.get_state(0)[2:] if a is not None]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
@pytest.mark.parametrize("shape", [(4000, 64), (1, 256_000)])
def test_flush_is_interrupted_and_goes_on(shape):
    rng = np.random.default_rng(0)
    start = rng.standard_normal(shape)
    w, twin = start.copy(), start.copy()
    optimizer, other = (optim.Adam([p], lr=1e-3, weight_decay=0.1) for p in (w, twin))
    row = np.ones((1, shape[1]))
    # the last row is touched first and then missed: its parameter has two rows at least
    if shape[0] == 1:
        w, twin = np.vstack([start, start]), np.vstack([start, start])
        optimizer, other = (optim.Adam([p], lr=1e-3, weight_decay=0.1) for p in (w, twin))
    for one in (optimizer, other):
        one.step([(np.arange(len(w)), np.ones(w.shape))])
        for _ in range(500):
            one.step([(np.array([0]), row)])
    interrupted = 0

    def handler(*args):
        raise InterruptedError("enough")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        for _ in range(1000):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            try:
                optimizer.flush()
                break
            except InterruptedError:
                interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    optimizer.flush()
    other.flush()
    assert interrupted > 0
    np.testing.assert_array_equal(w, twin)


@each("dtype", [np.float32, np.float64])
@each("decay", [1e-3, 0.5, 5.0])
@pytest.mark.parametrize(
    ("cls", "options"),
    [(optim.AdamW, {}), (optim.AdamW, {"amsgrad": True}), (optim.Adam, {"decay_mode": "decoupled"}),
     (optim.SGD, {}), (optim.SGD, {"decay_mode": "decoupled"})],
)  # fmt: skip
@pytest.mark.slow
def test_long_absence_with_factors(isa, cls, options, decay, dtype):
    """Every step has another learning rate; small and large decays, factors of 0 too."""
    rng = np.random.default_rng(7)
    w = rng.standard_normal((3, 70)).astype(dtype)
    factor = rng.exponential(size=w.shape).astype(dtype)
    factor[:, :5] = 0
    twin, twin_factor = w.astype(np.float64), factor.astype(np.float64)
    lazy, full = (
        cls([{"params": [p], "penalty_factor": [f]}], lr=0.05, weight_decay=decay, **options)
        for p, f in ((w, factor), (twin, twin_factor))
    )
    nothing = np.zeros((3, 70))
    for t in range(1500):
        for optimizer in (lazy, full):
            optimizer.set_lr_factor(1 / (1 + t / 100))
        index = np.arange(2 if t in (0, 300) else 0)
        rows = rng.standard_normal((len(index), 70)).astype(dtype)
        g = nothing.copy()
        g[index] = rows
        lazy.step([(index, rows)])
        full.step([g])
        if t in (3, 600):
            lazy.flush()
    lazy.flush()
    tolerance = 3e-5 if dtype == np.float32 else 1e-11
    assert_same([w], [twin], tolerance)
    for a, b in zip(moments_of(lazy), moments_of(full), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=np.finfo(dtype).tiny)


@pytest.mark.parametrize(
    ("cls", "options"),
    [(optim.AdamW, {"weight_decay": 0.1}), (optim.SGD, {"weight_decay": 0.1})],
)
@pytest.mark.slow
def test_flush_takes_no_longer_for_more_missed_steps(cls, options):
    """With factors of the decay and a schedule: 16 times the steps, less than thrice the time."""
    times = []
    for missed in (1_000, 16_000):
        w = np.ones((3_000, 16))
        optimizer = cls([{"params": [w], "penalty_factor": [np.ones_like(w)]}], lr=0.01, **options)
        found = []
        for _ in range(3):
            optimizer.step([(np.arange(3_000), np.ones_like(w))])
            for t in range(missed):
                optimizer.set_lr_factor(1 / (1 + t))
                optimizer.step([(np.array([], np.int64), np.zeros((0, 16)))])
            start = time.process_time()
            optimizer.flush()
            found.append(time.process_time() - start)
        times.append(min(found))
    assert times[1] < 3 * times[0]


def test_coupled_adam_is_brought_up_to_date_in_between():
    w = np.ones((2, 3), np.float32)
    optimizer = optim.Adam([w], lr=1e-4, weight_decay=0.1)
    optimizer.step([(np.arange(2), np.ones_like(w))])
    optimizer.flush()
    before = w[1].copy()
    for _ in range(1025):
        optimizer.step([(np.array([0]), np.ones((1, 3), np.float32))])
    assert (w[1] != before).all()


OUT_OF_MEMORY = """
import resource, sys
import numpy as np
from fastridge import optim

n, width = 200_000, 64
dense, w = np.ones(1000), np.ones((10, width), np.float32)
other = np.ones((10, width), np.float32)
# every row twice and more, so that all have to be added up
index = np.arange(n) % 10 if sys.argv[1] == "few" else np.arange(n) // 2
if sys.argv[1] == "many":
    w = np.ones((n, width), np.float32)
rows = np.ones((n, width), np.float32)
optimizer = optim.SGD([dense, other, w], lr=1.0)
optimizer.step([np.ones(1000), (np.array([0]), rows[:1]), None])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 21), -1))
try:
    optimizer.step([np.ones(1000), (np.array([1]), rows[:1]), (index, rows)])
except MemoryError:
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
    assert (dense == 0).all() and (other[1] == 1).all() and (w == 1).all()
    assert [optimizer._stepper.get_state(i)[0] for i in range(3)] == [1, 1, 0]
    optimizer.step([np.ones(1000), (np.array([1]), rows[:1]), (index, rows)])
    assert (dense == -1).all() and (other[1] == 0).all() and (w[0] < 1).all()
    print("out of memory")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and RLIMIT_AS")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="needs the address space")
@pytest.mark.parametrize("rows", ["few", "many"])
@pytest.mark.slow
def test_out_of_memory_before_anything_is_written(rows):
    environment = os.environ | {"FASTRIDGE_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", OUT_OF_MEMORY, rows],
        capture_output=True, text=True, env=environment, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "out of memory"
