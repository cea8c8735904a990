"""Optimizers: groups, state, refused arguments, and solutions."""

import array
import copy
import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastridge
from fastridge import _cpu, optim, reference

SHAPES = [(7, 5), (33,), (1,), (2, 3, 4), (0,), ()]
OPTIMIZERS = {
    "sgd": (optim.SGD, {"lr": 0.1, "weight_decay": 0.2}),
    "momentum": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.2}),
    "adam": (optim.Adam, {"lr": 0.1, "weight_decay": 0.2}),
    "adamw": (optim.AdamW, {"lr": 0.1, "weight_decay": 0.2, "amsgrad": True}),
}
over_optimizers = pytest.mark.parametrize("kind", OPTIMIZERS)


@pytest.fixture
def threaded():
    """Work of any size goes to threads."""
    before = _cpu.get_serial_below()
    _cpu.set_serial_below(0)
    yield
    _cpu.set_serial_below(before)


def make(kind, params, **options):
    cls, defaults = OPTIMIZERS[kind]
    return cls(params, **(defaults | options))


def start(dtype=np.float64, shapes=SHAPES):
    rng = np.random.default_rng(0)
    return [np.array(rng.normal(size=shape), dtype) for shape in shapes]


def gradients(t, dtype=np.float64, shapes=SHAPES):
    rng = np.random.default_rng(100 + t)
    return [np.array(rng.normal(size=shape), dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", ["l2", "decoupled", "independent"])
@over_optimizers
def test_against_reference(kind, mode, dtype):
    params = start(dtype)
    twins = [p.astype(np.float64) for p in params]
    optimizer = make(kind, params, decay_mode=mode)
    states = [[np.zeros(p.shape)] * 3 for p in params]
    for t in range(30):
        grads = gradients(t, dtype)
        optimizer.set_lr_factor(optim.cosine(t, 30, final=0.1))
        lr = optimizer.param_groups[0]["lr"]
        optimizer.step(grads, scale=0.5)
        common = {"lr": lr, "lr0": 0.1, "weight_decay": 0.2, "decay_mode": mode, "scale": 0.5}
        for i, g in enumerate(grads):
            w, s = twins[i], states[i]
            if kind == "sgd":
                twins[i] = reference.sgd_step(w, g, **common)
            elif kind == "momentum":
                twins[i], s[0] = reference.sgd_momentum_step(
                    w, g, s[0], momentum=0.9, first=t == 0, **common
                )
            else:
                top = {"v_max": s[2]} if kind == "adamw" else {}
                twins[i], *states[i][: 2 + len(top)] = reference.adam_step(
                    w, g, *s[:2], t=t + 1, **top, **common
                )
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    for p, q in zip(params, twins, strict=True):
        np.testing.assert_allclose(p, q, rtol=tolerance, atol=tolerance)


@over_optimizers
@pytest.mark.slow
def test_same_bits_for_any_number_of_threads_and_one_tensor_at_a_time(kind, threaded):
    shapes = [(n,) for n in (1000, 70_000, 3, 1, 40_000, *[100] * 50)]
    results = []
    for threads in (1, 2, 3):
        with fastridge.num_threads(threads):
            params = start(np.float32, shapes)
            optimizer = make(kind, params)
            for t in range(3):
                optimizer.step(gradients(t, np.float32, shapes))
            results.append(params)
    alone = start(np.float32, shapes)
    for i, p in enumerate(alone):
        optimizer = make(kind, [p])
        for t in range(3):
            optimizer.step([gradients(t, np.float32, shapes)[i]])
    for other in (*results[1:], alone):
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


@over_optimizers
def test_resumes_bit_for_bit(kind, tmp_path):
    def steps(optimizer, begin, end):
        for t in range(begin, end):
            optimizer.step(gradients(t))

    whole, half = start(), start()
    optimizer, first = make(kind, whole), make(kind, half)
    optimizer.param_groups[0]["lr"] = first.param_groups[0]["lr"] = 0.07
    steps(optimizer, 0, 10)
    steps(first, 0, 5)
    fastridge.save(first.state_dict(), tmp_path / "state")
    second = make(kind, half)
    second.load_state_dict(fastridge.load(tmp_path / "state"))
    assert second.param_groups[0]["lr"] == 0.07
    steps(second, 5, 10)
    assert all(np.array_equal(a, b) for a, b in zip(whole, half, strict=True))
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_state_dict_has_the_layout_of_torch():
    params = start()[:2]
    optimizer = optim.Adam([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}])
    optimizer.step([np.ones((7, 5)), None])
    state = optimizer.state_dict()
    assert set(state) == {"state", "param_groups"}
    assert set(state["state"]) == {0}
    assert set(state["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    assert state["state"][0]["step"] == 1
    assert [g["params"] for g in state["param_groups"]] == [[0], [1]]
    assert [g["lr"] for g in state["param_groups"]] == [1e-3, 0.5]
    assert optim.SGD(params, momentum=0.9).state_dict()["state"] == {}


def test_a_state_that_does_not_fit_changes_nothing():
    params = start()[:2]
    optimizer = make("adam", params)
    optimizer.step(gradients(0)[:2])
    before = [optimizer._stepper.get_state(i)[2].copy() for i in range(2)]
    good = optimizer.state_dict()

    def with_state(**changes):
        return good | {"state": {0: good["state"][0] | changes, 1: good["state"][1]}}

    def with_group(**changes):
        return good | {"param_groups": [good["param_groups"][0] | changes]}

    for bad, message in [
        ({}, "state_dict: expected a dict with the keys"),
        (with_state(exp_avg=np.ones(3)), r"exp_avg of params\[0\]: expected shape \(7, 5\)"),
        (with_state(exp_avg=np.ones((7, 5), "f4")), "of float64; got .* of float32"),
        (with_state(exp_avg=None), r"state of params\[0\]: expected \('exp_avg', 'exp_avg_sq'\)"),
        (with_state(other=1), "got 'other'"),
        (with_state(step=-1), r"step of params\[0\]: expected a whole number from 0 to .*; got -1"),
        (with_group(params=[0]), r"state_dict: expected groups of \[2\] parameters; got \[1\]"),
        (with_group(lr=-1.0), "lr: expected a finite number of at least 0; got -1.0"),
        (with_group(penalty_factor=[None, None]), "expected groups without 'penalty_factor'"),
    ]:
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(bad)
    after = [optimizer._stepper.get_state(i)[2] for i in range(2)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_names_and_groups():
    model = {"a.weight": np.ones((2, 2)), "a.bias": np.ones(2), "norm1.scale": np.ones((1, 2)),
             "b.weight": np.ones((2, 2)), "unbiased": np.ones((2, 2))}  # fmt: skip
    groups = optim.split_decay(model, 0.5)
    assert [list(g["params"]) for g in groups] == [
        ["a.weight", "b.weight", "unbiased"],
        ["a.bias", "norm1.scale"],
    ]
    assert [g["weight_decay"] for g in groups] == [0.5, 0.0]
    optimizer = optim.SGD(groups, lr=1.0)
    # by name, in any order, some without a gradient
    assert optimizer.step({"b.weight": np.ones((2, 2)), "a.bias": np.zeros(2)})
    assert (model["b.weight"] == -0.5).all()
    assert (model["a.bias"] == 1).all()
    assert (model["a.weight"] == 1).all()
    with pytest.raises(ValueError, match="grads: expected names of parameters; got 'c'"):
        optimizer.step({"c": np.ones(2)})
    with pytest.raises(ValueError, match=r"gradient of 'a\.bias': expected shape"):
        optimizer.step({"a.bias": np.ones(3)})
    assert optimizer.state_dict()["param_groups"][1]["param_names"] == ["a.bias", "norm1.scale"]

    plain = optim.split_decay(list(model.values()), 0.5, one_dimensional=False)
    assert len(plain) == 1
    words = optim.split_decay(model, 0.5, exempt=["B"], one_dimensional=False)
    assert list(words[1]["params"]) == ["b.weight"]
    with pytest.raises(TypeError, match="exempt: expected a list of strings"):
        optim.split_decay(model, 0.5, exempt="bias")


def test_add_param_group():
    params = start()[:3]
    together, apart = [p.copy() for p in params], params
    one = optim.AdamW([{"params": together[:2]}, {"params": together[2:], "lr": 0.5}])
    two = optim.AdamW(apart[:2])
    one.step([*gradients(0)[:2], None])
    two.step(gradients(0)[:2])
    two.add_param_group({"params": apart[2], "lr": 0.5})
    for t in range(1, 4):
        one.step(gradients(t)[:3])
        two.step(gradients(t)[:3])
    assert all(np.array_equal(a, b) for a, b in zip(together, apart, strict=True))
    with pytest.raises(ValueError, match=r"params\[3\]: .* overlaps params\[0\]"):
        two.add_param_group({"params": [apart[0]]})
    assert len(two.param_groups) == 2


def test_many_groups():
    params = [np.ones(3) for _ in range(20)]
    optimizer = optim.AdamW(
        [{"params": [p], "lr": 0.1 * (k + 1)} for k, p in enumerate(params)], weight_decay=0.5
    )
    optimizer.step([np.zeros(3)] * 20)
    for k, p in enumerate(params):
        np.testing.assert_allclose(p, 1 - 0.05 * (k + 1), rtol=1e-15)


def test_decay_of_each_element():
    w, factor = np.ones(4), np.array([0.0, 1.0, 2.0, 0.5])
    optimizer = optim.SGD([{"params": [w], "penalty_factor": [factor]}], lr=0.1, weight_decay=0.5)
    optimizer.step([np.zeros(4)])
    np.testing.assert_allclose(w, 1 - 0.05 * factor, rtol=1e-15)
    named = {"a": np.ones(2), "b": np.ones(2)}
    optimizer = optim.AdamW(
        [{"params": named, "penalty_factor": {"b": np.zeros(2)}}], lr=0.1, weight_decay=0.5
    )
    optimizer.step({"a": np.zeros(2), "b": np.zeros(2)})
    assert np.array_equal(named["b"], [1, 1])
    np.testing.assert_allclose(named["a"], 0.95, rtol=1e-15)
    for bad, message in [
        ([np.ones(3)], r"penalty_factor of params\[0\]: expected shape \(4,\)"),
        ([-np.ones(4)], r"penalty_factor of params\[0\]: expected finite numbers of at least 0"),
        ([w], r"penalty_factor of params\[0\]: expected memory of its own"),
        (np.ones(4), "penalty_factor: expected a list of one array"),
        ({"x": factor}, "penalty_factor: expected names of parameters"),
    ]:
        with pytest.raises(ValueError, match=message):
            optim.SGD([{"params": [w], "penalty_factor": bad}])


def test_independent_decay_does_not_depend_on_the_base_learning_rate():
    weights = []
    for lr in (0.1, 0.001):
        w = np.ones(1)
        optimizer = optim.AdamW([w], lr=lr, weight_decay=0.1, decay_mode="independent")
        for t in range(5):
            optimizer.set_lr_factor(1 / (1 + t))
            optimizer.step([np.zeros(1)])
        weights.append(w[0])
    assert weights[0] == pytest.approx(weights[1], rel=1e-14)
    assert weights[0] == pytest.approx(np.prod(1 - 0.1 / np.arange(1, 6)), rel=1e-14)


@over_optimizers
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_gradients_that_are_not_finite(kind, bad):
    grads = gradients(0)
    grads[3][1, 2, 3] = bad
    for mode in ("skip", "raise"):
        params = start()
        optimizer = make(kind, params, on_nonfinite=mode)
        assert optimizer.step(gradients(1))
        before, state = (
            [p.copy() for p in params],
            [optimizer._stepper.get_state(i)[0] for i in range(6)],
        )
        if mode == "skip":
            assert optimizer.step(grads) is False
            assert optimizer.step(gradients(1), scale=bad) is False
        else:
            with pytest.raises(
                ValueError, match=r"gradient of params\[3\]: .* got -?(nan|inf) at pos.* 23"
            ):
                optimizer.step(grads)
            with pytest.raises(ValueError, match="scale: expected a finite number; got"):
                optimizer.step(gradients(1), scale=bad)
        assert all(np.array_equal(a, b) for a, b in zip(before, params, strict=True))
        assert state == [optimizer._stepper.get_state(i)[0] for i in range(6)]
        rows = (np.array([0, 2]), np.array([[1.0] * 5, [bad] * 5]))
        if mode == "skip":
            assert optimizer.step([rows, *[None] * 5]) is False
        else:
            with pytest.raises(
                ValueError, match=r"gradient of params\[0\]: .* at position 5 of 10"
            ):
                optimizer.step([rows, *[None] * 5])
    params = start()
    assert make(kind, params).step(grads)
    assert not np.isfinite(params[3][1, 2, 3])
    assert sum(np.isfinite(p).sum() for p in params) == sum(p.size for p in params) - 1


W, G = np.ones(8), np.ones(8)
LOCKED = np.ones(8)
LOCKED.flags.writeable = False


@pytest.mark.parametrize(
    ("params", "kind", "message"),
    [
        ([W, LOCKED], ValueError, r"params\[1\]: expected one that can be written in place"),
        ([W[::2]], ValueError, r"params\[0\]: expected a C-contiguous array"),
        ([W, np.ones(8, int)], ValueError, r"params\[1\]: expected float32 or float64"),
        ([W, W], ValueError, r"params\[1\]: expected memory of its own; .* overlaps params\[0\]"),
        ([W[:5], G, W[4:]], ValueError, r"params\[2\]: .* overlaps params\[0\]"),
        ({"a": W, "b": W}, ValueError, "'b': expected memory of its own; .* overlaps 'a'"),
        (W, TypeError, "params: .*got a single ndarray: put it in a list"),
        ([1.0], TypeError, r"params\[0\]: expected a NumPy array.*; got a float"),
        (None, TypeError, "params: expected a list of arrays; got None"),
        ("abc", TypeError, "params: expected a list of arrays; got 'abc'"),
        ([{"lr": 1.0}], ValueError, r"params\[0\]: expected a group with the key 'params'"),
        ([{"params": [W], "rate": 1.0}], ValueError, "expected keys of .*; got 'rate'"),
        ([{"params": [W], "lr": -1.0}], ValueError, "lr: expected a finite number"),
        ([("a", W), ("a", G)], ValueError, "expected each name once; got 'a' 2 times"),
        ([("a", W), G], ValueError, "expected names for all parameters or for none"),
        ([{"params": {"a": W}}, {"params": {"a": G}}], ValueError, "expected each name once"),
    ],
)
def test_parameters_that_are_refused(params, kind, message):
    with pytest.raises(kind, match=message):
        optim.SGD(params)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"lr": "x"}, TypeError, "lr: expected a number; got 'x'"),
        ({"betas": (0.9,)}, ValueError, r"betas: expected two numbers; got \(0.9,\)"),
        ({"betas": (0.9, 1.0)}, ValueError, "beta2: expected a number of at least 0 and below 1"),
        ({"eps": -1.0}, ValueError, "eps: "),
        ({"weight_decay": -1.0}, ValueError, "weight_decay: "),
        ({"decay_mode": "both"}, ValueError, "decay_mode: expected 'l2'"),
        ({"amsgrad": 2}, TypeError, "amsgrad: expected True or False; got 2"),
        ({"on_nonfinite": "warn"}, ValueError, "on_nonfinite: expected 'propagate'"),
    ],
)
def test_numbers_that_are_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        optim.AdamW([W], **options)


@pytest.mark.parametrize(
    ("grads", "kind", "message"),
    [
        ([G], ValueError, "grads: expected 2 gradients"),
        (None, TypeError, "grads: expected a list of gradients.*; got None"),
        (G, TypeError, "grads: expected a list of gradients.*; got a ndarray"),
        ({"a": G}, ValueError, "grads: expected a list, since the parameters have no names"),
        ([G, np.ones(7)], ValueError, r"gradient of params\[1\]: expected shape \(8,\)"),
        ([G, np.ones(8, "f4")], ValueError, r"gradient of params\[1\]: expected float64"),
        ([G, [1.0] * 8], TypeError, r"gradient of params\[1\]: expected a NumPy array"),
    ],
)
def test_gradients_that_are_refused(grads, kind, message):
    params = [np.ones(8), np.ones(8)]
    optimizer = optim.SGD(params)
    with pytest.raises(kind, match=message):
        optimizer.step(grads)
    assert all((p == 1).all() for p in params)


@over_optimizers
def test_gradients_that_overlap_are_refused(kind):
    params = [np.ones(8), np.ones(8)]
    optimizer = make(kind, params)
    optimizer.step([G, G])  # gradients may share memory: they are only read
    before = [p.copy() for p in params]
    state = optimizer.state_dict()["state"][1]
    shared = [params[1], *[a for a in state.values() if isinstance(a, np.ndarray)]]
    for g in shared:
        with pytest.raises(ValueError, match=r"gradient of params\[0\]: .* overlaps params\[1\]"):
            optimizer.step([g, G])
        with pytest.raises(ValueError, match=r"overlaps params\[1\] or its state"):
            optimizer.step([G, g])
    assert all(np.array_equal(a, b) for a, b in zip(before, params, strict=True))


def test_memory_that_changes_is_refused():
    w = np.ones(8)
    optimizer = optim.SGD([w])
    w.flags.writeable = False
    with pytest.raises(ValueError, match=r"params\[0\]: .* read-only"):
        optimizer.step([G])
    w.flags.writeable = True
    with pytest.raises(ValueError, match="cannot resize"):
        w.resize(9, refcheck=False)
    w.__setstate__((1, (9,), w.dtype, False, bytes(72)))
    with pytest.raises(ValueError, match=r"params\[0\]: "):
        optimizer.step([G])
    b = array.array("d", [1.0] * 8)
    optimizer = optim.SGD([b], lr=1.0)
    with pytest.raises(BufferError):
        b.append(1.0)
    optimizer.step([array.array("d", [1.0] * 8)])
    assert list(b) == [0.0] * 8


def test_momentum_may_begin_late():
    w = np.zeros(1)
    optimizer = optim.SGD([w], lr=1.0)
    optimizer.step([np.ones(1)])
    optimizer.param_groups[0]["momentum"] = 0.5
    optimizer.step([np.ones(1)])
    optimizer.step([np.ones(1)])
    assert w[0] == -1 - 1 - 1.5


def test_clip_grad_norm():
    rng = np.random.default_rng(0)
    grads = [rng.normal(size=n).astype(d) for n in (3, 100_000) for d in ("f4", "f8")]
    want = np.sqrt(sum(np.sum(g.astype(float) ** 2) for g in grads))
    found = []
    for threads in (1, 2, 3):
        with fastridge.num_threads(threads):
            found.append(optim.clip_grad_norm([*grads, None], 2.0, scale=0.5))
    assert found[0] == found[1] == found[2]
    assert found[0].norm == pytest.approx(0.5 * want, rel=1e-13)
    assert found[0].scale == pytest.approx(2.0 / want, rel=1e-6)
    assert optim.clip_grad_norm(grads, 1e9).scale == 1.0
    assert optim.clip_grad_norm([], 1.0) == (0.0, 1.0)
    rows = (np.array([3, 1, 3]), np.array([[1.0, 2.0], [0.0, 1.0], [2.0, 2.0]]))
    assert optim.clip_grad_norm({"e": rows}, 1.0).norm == pytest.approx(np.sqrt(9 + 16 + 1))
    grads[0][0] = np.nan
    assert np.isnan(optim.clip_grad_norm(grads, 1.0)).all()
    for bad, kind, message in [
        (([G], -1.0), ValueError, "max_norm: expected a number of at least 0; got -1.0"),
        (([G], "1"), TypeError, "max_norm: expected a number; got '1'"),
        (([np.ones(4, int)], 1.0), ValueError, r"grads\[0\]: expected float32 or float64"),
        ((G, 1.0), TypeError, "grads: expected a list of arrays; got a single ndarray"),
    ]:
        with pytest.raises(kind, match=message):
            optim.clip_grad_norm(*bad)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("f8", size) for size in (1e-300, 1e-200, 1e-160, 1e160, 1e200, 1e300)]
    + [("f4", 1e-38), ("f4", 1e37)],
)
def test_clip_grad_norm_where_squares_leave_the_range(dtype, size):
    dtype = np.dtype(dtype).type
    grads = [np.array([3.0, 0.0], dtype) * dtype(size), np.array([[4.0]], dtype) * dtype(size)]
    exact = math.hypot(*(float(v) for g in grads for v in g.ravel()))
    clipped = optim.clip_grad_norm([*grads, None], 1e-3 * exact)
    assert clipped.norm == pytest.approx(exact, rel=1e-12)
    assert clipped.scale == pytest.approx(1e-3 * exact / (exact + 1e-6), rel=1e-12)
    assert optim.clip_grad_norm([np.array([math.inf])], 1.0) == (math.inf, 0.0)


def test_schedules_refuse_what_is_out_of_range():
    for call, kind, message in [
        (lambda: optim.linear_warmup(-1, 3), ValueError, "t: expected at least 0; got -1"),
        (lambda: optim.constant(0, n_warmup=1.5), TypeError, "n_warmup: expected an integer"),
        (lambda: optim.cosine(0, 5, n_warmup=5), ValueError, "n_steps: expected at least 6"),
        (lambda: optim.cosine(0, 5, final=2), ValueError, "final: expected 0 to 1; got 2"),
        (lambda: optim.step_decay(0, 0), ValueError, "every: expected at least 1; got 0"),
    ]:
        with pytest.raises(kind, match=message):
            call()
    optimizer = optim.SGD([W])
    with pytest.raises(ValueError, match="factor: expected a finite number"):
        optimizer.set_lr_factor(np.nan)


def test_gradient_descent_with_decay_finds_the_ridge_fit():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5))
    y = X @ rng.normal(size=5) + rng.normal(size=60)
    alpha = 7.0
    want = fastridge.ridge(X, y, alpha, fit_intercept=False).coef
    # sum of squares + alpha |w|^2: its gradient has 2 alpha w
    for cls, options in [
        (optim.SGD, {}),
        (optim.SGD, {"momentum": 0.9}),
        (optim.SGD, {"momentum": 0.9, "nesterov": True}),
        (optim.SGD, {"decay_mode": "decoupled"}),
        (optim.Adam, {}),
    ]:
        w = np.zeros(5)
        lr = 0.05 if cls is optim.Adam else 1e-3
        optimizer = cls([w], lr=lr, weight_decay=2 * alpha, **options)
        for t in range(3000):
            optimizer.set_lr_factor(optim.cosine(t, 3000) if cls is optim.Adam else 1.0)
            optimizer.step([2 * X.T @ (X @ w - y)])
        np.testing.assert_allclose(w, want, rtol=1e-6 if cls is optim.Adam else 1e-10)


def test_different_optimizers_in_different_threads(threaded):
    def steps(i):
        kind = list(OPTIMIZERS)[i % 4]
        shapes = [(n,) for n in (50_000, 10, 3000)]
        params = start(np.float32, shapes)
        optimizer = make(kind, params)
        with fastridge.num_threads(1 + i % 3):
            for t in range(5):
                optimizer.step(gradients(t + i, np.float32, shapes))
        return params

    alone = [steps(i) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(steps, range(8)))
    for a, b in zip(alone, together, strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


def test_one_optimizer_in_two_threads_is_refused_or_waits():
    w = np.ones(4_000_000)
    optimizer = optim.AdamW([w])
    g = np.ones_like(w)
    refusals = []

    def step(_):
        try:
            return optimizer.step([g])
        except RuntimeError as error:
            refusals.append(str(error))
            return None

    with ThreadPoolExecutor(2) as pool:
        done = [d for d in pool.map(step, range(10)) if d]
    assert all("already running in another thread" in r for r in refusals)
    assert len(done) + len(refusals) == 10
    assert optimizer.state_dict()["state"][0]["step"] == len(done) >= 1


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_copies_and_pickles_are_refused(name, copied):
    """Copies are refused, as they would step private arrays; states are transferred explicitly."""
    make = getattr(optim, name)
    w = np.ones(3)
    optimizer = make([w], lr=0.1)
    optimizer.step([np.array([1.0, 2.0, 3.0])])
    with pytest.raises(TypeError, match=rf"^{name} is bound to the memory .* state_dict\(\)"):
        copied(optimizer)
    other = w.copy()
    again = make([other], lr=0.1)
    again.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
    for one in (optimizer, again):
        one.step([np.array([-1.0, 0.5, 3.0])])
    np.testing.assert_array_equal(w, other)


class SparseTensor:
    """What torch shows of a sparse gradient."""

    layout = "torch.sparse_coo"

    def __dlpack_device__(self):
        return 1, 0

    def __dlpack__(self, **options):
        raise BufferError("Can't export tensors with layout other than torch.strided")


def test_sparse_tensors_are_refused():
    w = np.ones((3, 2))
    optimizer = optim.SGD([w])
    with pytest.raises(ValueError, match=r"gradient of params\[0\]: expected a dense .*g\.indices"):
        optimizer.step([SparseTensor()])
    np.testing.assert_array_equal(w, 1.0)


def test_repr():
    assert repr(optim.SGD([W], lr=0.5)).startswith("SGD(<1 parameter>, lr=0.5, momentum=0.0")
