"""Steps of one tensor against the NumPy reference, and refused arguments."""

import array
import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cases import each
from hypothesis import given, settings
from hypothesis import strategies as st

from fastridge import _cpu, kernels, reference

ISAS = _cpu.instruction_sets()
DTYPES = [np.float32, np.float64]
MODES = ["l2", "decoupled", "independent"]
# rounding errors of one step, in units of its largest term
ULPS = 8

KERNELS = {
    "sgd": (kernels.sgd_step, reference.sgd_step, 0, [{}]),
    "momentum": (
        kernels.sgd_momentum_step,
        reference.sgd_momentum_step,
        1,
        [
            {"momentum": 0.9},
            {"momentum": 0.5, "dampening": 0.3},
            {"momentum": 0.9, "nesterov": True},
            {"momentum": 0.9, "dampening": 0.5, "first": True},
        ],
    ),
    "adam": (
        kernels.adam_step,
        reference.adam_step,
        2,
        [{"t": 1}, {"t": 1000, "beta1": 0.5, "beta2": 0.9, "eps": 1e-4}, {"t": 3, "beta1": 0.0}],
    ),
}
CASES = [(name, options) for name, kernel in KERNELS.items() for options in kernel[3]]
over_cases = pytest.mark.parametrize(
    ("name", "options"), CASES, ids=[f"{n}-{'-'.join(map(str, o.values()))}" for n, o in CASES]
)


@pytest.fixture(params=ISAS)
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


def numbers(n, dtype, n_state, seed=0, offset=0):
    """w, g and the state; views that begin `offset` elements into their buffers."""
    rng = np.random.default_rng([seed, n])
    arrays = [rng.normal(size=n + offset).astype(dtype)[offset:] for _ in range(2 + n_state)]
    if n_state > 1:
        arrays[3][:] = np.abs(arrays[3])
    return arrays


def check(name, options, n, dtype, *, amsgrad=False, factor=False, offset=0, **common):
    """One step by the kernel and by its twin, which works in float64."""
    step, twin, n_state, _ = KERNELS[name]
    arrays = numbers(n, dtype, n_state, offset=offset)
    wide = [a.astype(np.float64) for a in arrays]
    extra, extra_wide = {}, {}
    if factor:
        extra["penalty_factor"] = np.random.default_rng(1).uniform(0, 2, n).astype(dtype)
        extra_wide["penalty_factor"] = extra["penalty_factor"].astype(np.float64)
    if amsgrad:
        top = np.random.default_rng(2).uniform(0, 2, n).astype(dtype)
        extra["v_max"], extra_wide["v_max"] = top, top.astype(np.float64)
    gradient = arrays[1].copy()
    want = twin(*wide, **options, **common, **extra_wide)
    want = list(want) if isinstance(want, tuple) else [want]
    if options.get("first"):
        arrays[2][:] = np.nan
    assert step(*arrays, **options, **common, **extra) is None
    got = [arrays[0], *arrays[2:], *([top] if amsgrad else [])]
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert a.dtype == dtype
        size = np.abs(b) + np.abs(wide[0]) + np.abs(wide[1]) + 1
        if name == "adam":
            # a quotient may be large: its relative error counts
            size += np.abs(want[0] - wide[0])
        assert (np.abs(a - b) <= ULPS * np.finfo(dtype).eps * size).all()
    assert np.array_equal(arrays[1], gradient)


@over_cases
@pytest.mark.parametrize("dtype", DTYPES)
@each("mode", MODES)
def test_against_reference(isa, name, options, dtype, mode):
    for n, factor, maximize in itertools.product((0, 1, 15, 16, 17, 100), *[(False, True)] * 2):
        check(name, options, n, dtype, factor=factor, maximize=maximize, lr=0.1, lr0=0.3,
              weight_decay=0.2, decay_mode=mode, scale=0.7)  # fmt: skip


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_size_and_place(data):
    name, options = data.draw(st.sampled_from(CASES))
    check(
        name,
        options,
        data.draw(st.integers(0, 70)),
        data.draw(st.sampled_from(DTYPES)),
        amsgrad=name == "adam" and data.draw(st.booleans()),
        factor=data.draw(st.booleans()),
        offset=data.draw(st.integers(0, 17)),
        lr=data.draw(st.sampled_from([0.0, 0.01, 1.0])),
        lr0=0.5,
        weight_decay=data.draw(st.sampled_from([0.0, 0.01, 1.0])),
        decay_mode=data.draw(st.sampled_from(MODES)),
        maximize=data.draw(st.booleans()),
        scale=data.draw(st.sampled_from([1.0, 0.25])),
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
def test_an_element_has_the_same_bits_wherever_it_lies(isa, name, dtype):
    step, _, n_state, options = KERNELS[name]
    whole = numbers(67, dtype, n_state)
    parts = [a.copy() for a in whole]
    same = {"lr": 0.1, "weight_decay": 0.1, **options[0]}
    step(*whole, **same)
    for a, b in [(0, 1), (1, 20), (20, 51), (51, 67)]:
        step(*(p[a:b] for p in parts), **same)
    assert all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.slow
def test_same_bits_for_any_number_of_threads(isa, name, dtype, threaded):
    step, _, n_state, options = KERNELS[name]
    results = []
    for t in (1, 2, 3, 5):
        arrays = numbers(200_001, dtype, n_state)
        step(*arrays, lr=0.1, weight_decay=0.1, n_threads=t, **options[0])
        results.append(arrays)
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
def test_roots_and_quotients_of_any_size(isa, dtype):
    """Adam on moments from the smallest to the largest, zero and infinity among them."""
    tiny, huge = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max / 16
    v = np.concatenate([np.geomspace(np.finfo(dtype).tiny, huge, 997), [0, tiny, np.inf, 1e-40]])
    v = v.astype(dtype)
    for eps in (1e-8, 0.0, 1e-30):
        for size in (1.0, 1e-30, 0.0):
            m = np.full_like(v, size)
            w, g, want_v = np.zeros_like(v), np.zeros_like(v), v.copy()
            with np.errstate(all="ignore"):
                want = reference.adam_step(
                    *(a.astype(np.longdouble) for a in (w, g, m, v)), lr=1.0, t=10**9, eps=eps
                )
                kernels.adam_step(w, g, m, want_v, lr=1.0, t=10**9, eps=eps)
                expected = want[0].astype(dtype)
            # v * beta2 may be subnormal, of few bits
            normal = (want[2] > 100 * np.finfo(dtype).tiny) | (v == 0) | (eps == 1e-8)
            np.testing.assert_allclose(
                w[normal], expected[normal], rtol=1e-5 if dtype == np.float32 else 1e-14,
                atol=float(np.finfo(dtype).tiny),
            )  # fmt: skip


def test_quotients_are_within_an_ulp_or_so(isa):
    rng = np.random.default_rng(0)
    n = 100_000
    m = rng.normal(size=n).astype(np.float32)
    v = (10.0 ** rng.uniform(-12, 6, n)).astype(np.float32)
    w, g = np.zeros_like(m), np.zeros_like(m)
    want = reference.adam_step(
        w.astype(float), 0.0, *(a.astype(float) for a in (m, v)), lr=1.0, t=10**6
    )
    kernels.adam_step(w, g, m, v, lr=1.0, t=10**6)
    # moments, root, product with the correction, sum with eps, quotient, product with lr
    assert np.max(np.abs(w / want[0] - 1)) < 4 * np.finfo(np.float32).eps


@pytest.mark.parametrize("name", KERNELS)
def test_nan_and_infinity_come_through(isa, name):
    step, _, n_state, options = KERNELS[name]
    arrays = numbers(40, np.float32, n_state)
    arrays[1][[3, 20]] = np.nan
    arrays[1][37] = np.inf
    with np.errstate(all="ignore"):
        step(*arrays, lr=0.1, **options[0])
    bad = np.flatnonzero(~np.isfinite(arrays[0]))
    assert set(bad) == {3, 20, 37}
    if name == "adam":
        top = np.zeros(40, np.float32)
        step(*arrays, lr=0.1, t=2, v_max=top)
        assert np.isnan(top[[3, 20]]).all()


def test_a_weight_that_is_not_decayed_may_be_infinite():
    w, g = np.array([-np.inf, 1.0]), np.zeros(2)
    kernels.sgd_step(w, g, lr=0.1)
    assert w[0] == -np.inf


def test_l2_is_decoupled_decay_for_sgd_and_not_for_adam():
    def after(step, n_state, mode, **options):
        arrays = [a.copy() for a in numbers(50, np.float64, 0)]
        state = [np.zeros(50) for _ in range(n_state)]
        for t in range(1, 20):
            step(*arrays, *state, lr=0.05, weight_decay=0.3, decay_mode=mode,
                 **({"t": t} if options else {}))  # fmt: skip
        return arrays[0]

    sgd = [after(kernels.sgd_step, 0, mode) for mode in ("l2", "decoupled")]
    np.testing.assert_allclose(*sgd, rtol=1e-13, atol=1e-15)
    adam = [after(kernels.adam_step, 2, mode, t=True) for mode in ("l2", "decoupled")]
    assert np.max(np.abs(adam[0] - adam[1])) > 0.01


@pytest.mark.parametrize("dtype", DTYPES)
def test_decay_of_a_single_weight(dtype):
    """w0 * prod(1 - 2 * lr_t * lambda), the textbook's decay."""
    lam, rates = 0.3, 0.1 / np.arange(1, 201)
    want = 5.0 * np.prod(1 - 2 * rates * lam)
    for mode in ("l2", "decoupled"):
        w, g = np.full(1, 5.0, dtype), np.zeros(1, dtype)
        for lr in rates:
            kernels.sgd_step(w, g, lr=lr, weight_decay=2 * lam, decay_mode=mode)
        assert w[0] == pytest.approx(want, rel=200 * float(np.finfo(dtype).eps))
    w, g = np.full(1, 5.0), np.zeros(1)
    for lr in rates:
        kernels.sgd_step(w, g, lr=lr, weight_decay=lam, decay_mode="independent", lr0=rates[0])
    assert w[0] == pytest.approx(5.0 * np.prod(1 - rates / rates[0] * lam), rel=1e-13)


def test_buffers_of_other_kinds(tmp_path):
    g = np.arange(1.0, 6.0)
    w = array.array("d", [1.0] * 5)
    kernels.sgd_step(w, g, lr=1.0)
    assert list(w) == [0.0, -1.0, -2.0, -3.0, -4.0]
    view = memoryview(array.array("f", [1.0] * 6)).cast("B").cast("f", (2, 3))
    kernels.sgd_step(view, np.ones((2, 3), np.float32), lr=1.0)
    assert view.tolist() == [[0.0] * 3] * 2
    mapped = np.memmap(tmp_path / "w", dtype=np.float64, mode="w+", shape=5)
    kernels.sgd_step(mapped, g, lr=1.0)
    mapped.flush()
    assert np.array_equal(np.fromfile(tmp_path / "w"), -g)


def test_dlpack():
    class Exporter:
        def __init__(self, a, device=(1, 0)):
            self.a, self.device = a, device

        def __dlpack__(self, **options):
            return self.a.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.device

    w = np.ones((2, 3))
    kernels.sgd_step(Exporter(w), Exporter(np.ones((2, 3))), lr=1.0)
    assert not w.any()
    for bad, message in [
        (Exporter(w, (2, 0)), r"w: expected memory of the CPU .* device \(2, 0\)"),
        (Exporter(w[:, ::2]), r"w: expected a C-contiguous tensor; got strides \[3, 2\]"),
        (Exporter(np.ones((2, 3), np.int32)), "w: expected float32 or float64; got int32"),
        (Exporter(np.ones((2, 3), np.float16)), "w: .* got float16"),
    ]:
        with pytest.raises(ValueError, match=message):
            kernels.sgd_step(bad, np.ones((2, 3)), lr=1.0)
    read_only = np.ones((2, 3))
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match=r"w: "):
        kernels.sgd_step(Exporter(read_only), np.ones((2, 3)), lr=1.0)


W, G = np.ones(8), np.ones(8)
LOCKED = np.ones(8)
LOCKED.flags.writeable = False
UNALIGNED = np.frombuffer(bytearray(65), np.uint8)[1:].view(np.float64)


@pytest.mark.parametrize(
    ("w", "g", "kind", "message"),
    [
        (LOCKED, G, ValueError, "w: expected one that can be written in place; got a read-only"),
        (np.ones(16)[::2], G, ValueError, r"w: expected a C-contiguous array; got strides \(16,\)"),
        (np.asfortranarray(np.ones((2, 4))), G, ValueError, "w: expected a C-contiguous"),
        (np.ones(8, np.int64), G, ValueError, "w: expected float32 or float64 .*; got int64"),
        (np.ones(8, np.float16), G, ValueError, "w: expected float32 or float64 .*; got float16"),
        (np.ones(8, ">f8"), G, ValueError, "w: expected .* of native byte order; got '>f8'"),
        (UNALIGNED, G, ValueError, "w: expected an aligned array"),
        (np.ma.masked_less(np.ones(8), 0), G, ValueError, "w: expected an array without a mask"),
        (W, np.ones(7), ValueError, r"g: expected shape \(8,\) as w; got shape \(7,\)"),
        (W, np.ones((2, 4)), ValueError, r"g: expected shape \(8,\) as w; got shape \(2, 4\)"),
        (W, np.ones(8, np.float32), ValueError, "g: expected float64 as w; got float32"),
        (W, np.broadcast_to(1.0, 8), ValueError, "g: expected a C-contiguous array"),
        (W, W, ValueError, "g: expected memory of its own; got a buffer that overlaps w"),
        (W, None, TypeError, "g: expected a NumPy array.*; got None"),
        (W, [1.0] * 8, TypeError, "g: expected a NumPy array.*; got a list"),
        (1.0, G, TypeError, "w: expected a NumPy array.*; got a float"),
        (bytes(64), G, ValueError, "w: expected float32 .* elements; got format 'B'|w: .*'B'"),
        (memoryview(np.ones(8)).toreadonly(), G, ValueError, "w: .* read-only"),
        (memoryview(np.ones(16))[::2], G, ValueError, "w: expected a C-contiguous buffer"),
    ],
)  # fmt: skip
def test_buffers_that_are_refused(w, g, kind, message):
    with pytest.raises(kind, match=message):
        kernels.sgd_step(w, g, lr=0.1)
    assert (W == 1).all()
    assert (G == 1).all()


def test_overlaps_are_refused():
    buffer = np.ones(40)
    w, g, m, v = (buffer[i * 10 : i * 10 + 10].copy() for i in range(4))
    for k, name in enumerate("gmv"):
        arrays = [buffer[:10], g, m, v]
        arrays[k + 1] = buffer[9:19]
        with pytest.raises(ValueError, match=rf"{name}: expected memory of its own; .*overlaps w"):
            kernels.adam_step(*arrays, lr=0.1, t=1)
    with pytest.raises(ValueError, match=r"v: expected memory of its own; .*overlaps m"):
        kernels.adam_step(w, g, m, m, lr=0.1, t=1)
    with pytest.raises(ValueError, match=r"m: expected memory of its own; .*overlaps g"):
        kernels.adam_step(w, g, g, v, lr=0.1, t=1)
    with pytest.raises(ValueError, match=r"v_max: expected memory of its own; .*overlaps v"):
        kernels.adam_step(w, g, m, v, lr=0.1, t=1, v_max=v)
    assert (buffer == 1).all()
    # neighbours are no overlap, and what is only read may be shared
    kernels.sgd_step(buffer[:10], buffer[10:20], lr=0.1)
    kernels.sgd_step(w, g, lr=0.1, weight_decay=0.1, penalty_factor=g)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"lr": -1.0}, ValueError, "lr: expected a finite number of at least 0; got -1.0"),
        ({"lr": np.nan}, ValueError, "lr: .* got nan"),
        ({"lr": "1"}, TypeError, "lr: expected a number; got '1'"),
        ({"lr": True}, TypeError, "lr: expected a number; got True"),
        ({"lr": np.ones(2)}, TypeError, "lr: expected a number"),
        ({"weight_decay": -0.1}, ValueError, "weight_decay: .* got -0.1"),
        ({"weight_decay": None}, TypeError, "weight_decay: expected a number; got None"),
        ({"decay_mode": "coupled"}, ValueError, "decay_mode: expected 'l2', .*; got 'coupled'"),
        ({"decay_mode": "independent", "lr0": 0.0}, ValueError, "lr0: expected a positive number"),
        ({"maximize": "yes"}, TypeError, "maximize: expected True or False; got 'yes'"),
        ({"n_threads": 0}, ValueError, "n_threads: expected at least 1; got 0"),
        ({"n_threads": 1.5}, TypeError, "n_threads: expected an integer or None; got 1.5"),
        ({"momentum": -1.0}, ValueError, "momentum: .* got -1.0"),
        ({"dampening": np.inf}, ValueError, "dampening: expected a finite number; got inf"),
        ({"nesterov": True, "dampening": 0.1}, ValueError, "nesterov: expected a positive mom"),
        ({"beta1": 1.0}, ValueError, "beta1: expected a number of at least 0 and below 1; got 1.0"),
        ({"beta2": -0.1}, ValueError, "beta2: .* got -0.1"),
        ({"eps": -1e-8}, ValueError, "eps: "),
        ({"t": 0}, ValueError, "t: expected a step number of at least 1; got 0"),
        ({"t": 1.0}, TypeError, "t: expected an integer; got 1.0"),
    ],
)
def test_numbers_that_are_refused(options, kind, message):
    a = [np.ones(4) for _ in range(4)]
    step, n, needed = kernels.sgd_step, 2, {"lr": 0.1}
    if options.keys() & {"momentum", "dampening", "nesterov"}:
        step, n, needed = kernels.sgd_momentum_step, 3, {"lr": 0.1, "momentum": 0.9}
    if options.keys() & {"beta1", "beta2", "eps", "t"}:
        step, n, needed = kernels.adam_step, 4, {"lr": 0.1, "t": 1}
    with pytest.raises(kind, match=message):
        step(*a[:n], **(needed | options))
    assert all((x == 1).all() for x in a)


def test_numpy_numbers_are_numbers():
    w = np.ones(3)
    kernels.sgd_step(w, np.ones(3), lr=np.float32(0.5), weight_decay=np.int64(1))
    assert np.array_equal(w, np.zeros(3))


def test_many_threads_at_once(threaded):
    def steps(seed):
        arrays = numbers(100_000, np.float32, 2, seed)
        for t in range(1, 8):
            kernels.adam_step(*arrays, lr=0.1, t=t, n_threads=1 + seed % 3)
        return arrays[0]

    alone = [steps(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(steps, range(6)))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
