"""Trajectories of torch's optimizers; without torch these are skipped."""

import importlib.util
import itertools

import numpy as np
import pytest

from fastridge import kernels, optim

pytestmark = [
    # loading torch takes seconds
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch"),
]

SHAPES = [(7, 5), (33,), (1,), (2, 3, 4)]
SGD_OPTIONS = [
    {},
    {"weight_decay": 0.1},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.4, "weight_decay": 0.1},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    {"momentum": 0.9, "nesterov": True, "maximize": True, "weight_decay": 0.1},
]
ADAM_OPTIONS = [
    {},
    {"weight_decay": 0.1},
    {"weight_decay": 0.1, "amsgrad": True},
    {"weight_decay": 0.1, "maximize": True, "betas": (0.8, 0.95), "eps": 1e-3},
    {"betas": (0.0, 0.5)},
]
CASES = [
    *itertools.product(["SGD"], SGD_OPTIONS),
    *itertools.product(["Adam", "AdamW"], ADAM_OPTIONS),
]
torch = None


@pytest.fixture(scope="module", autouse=True)
def loaded():
    global torch
    torch = importlib.import_module("torch")


over_cases = pytest.mark.parametrize(("name", "options"), CASES, ids=str)


def start(dtype, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in SHAPES]


def gradients(t, dtype):
    rng = np.random.default_rng(1000 + t)
    return [(rng.normal(size=s) * 10.0 ** rng.uniform(-3, 1)).astype(dtype) for s in SHAPES]


def pair(name, options, dtype):
    """Ours over NumPy arrays and torch's over tensors with the same values."""
    params = start(dtype)
    tensors = [torch.tensor(p, requires_grad=True) for p in params]
    ours = getattr(optim, name)(params, lr=0.01, **options)
    theirs = getattr(torch.optim, name)(tensors, lr=0.01, foreach=False, **options)
    return params, ours, tensors, theirs


def their_step(tensors, theirs, grads):
    for x, g in zip(tensors, grads, strict=True):
        x.grad = None if g is None else torch.tensor(g)
    theirs.step()


def assert_close(params, tensors, dtype):
    rtol = 2e-5 if dtype == np.float32 else 1e-13
    for p, x in zip(params, tensors, strict=True):
        np.testing.assert_allclose(p, x.detach().numpy(), rtol=rtol, atol=rtol * np.abs(p).max())


@over_cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_hundred_steps(name, options, dtype):
    params, ours, tensors, theirs = pair(name, options, dtype)
    first = [p.copy() for p in params]
    for t in range(200):
        grads = gradients(t, dtype)
        if t % 7 == 3:
            # torch skips parameters without a gradient
            grads[t % 4] = None
        for group in (*ours.param_groups, *theirs.param_groups):
            group["lr"] = 0.01 / (1 + t / 50)
        assert ours.step(grads)
        their_step(tensors, theirs, grads)
    assert_close(params, tensors, dtype)
    assert not any(np.array_equal(p, q) for p, q in zip(params, first, strict=True))


@over_cases
def test_state_of_torch_is_taken_over(name, options):
    params, ours, tensors, theirs = pair(name, options, np.float64)
    for t in range(5):
        their_step(tensors, theirs, gradients(t, np.float64))
    for p, x in zip(params, tensors, strict=True):
        p[...] = x.detach().numpy()
    ours.load_state_dict(theirs.state_dict())
    for t in range(5, 10):
        ours.step(gradients(t, np.float64))
        their_step(tensors, theirs, gradients(t, np.float64))
    assert_close(params, tensors, np.float64)
    got, want = ours.state_dict()["state"], theirs.state_dict()["state"]
    for i, state in want.items():
        for key, value in state.items():
            if value is not None:
                np.testing.assert_allclose(got[i][key], value, rtol=1e-10, atol=1e-14)


def test_parameter_groups():
    params, tensors = start(np.float64), [torch.tensor(p, requires_grad=True) for p in start("f8")]

    def groups(p):
        return [{"params": p[:2], "weight_decay": 0.3}, {"params": p[2:], "lr": 0.1}]

    ours = optim.AdamW(groups(params), lr=0.01, weight_decay=0.0)
    theirs = torch.optim.AdamW(groups(tensors), lr=0.01, weight_decay=0.0)
    for t in range(20):
        grads = gradients(t, np.float64)
        ours.step(grads)
        their_step(tensors, theirs, grads)
    assert_close(params, tensors, np.float64)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensors_are_stepped_where_they_lie(dtype):
    dtype = getattr(torch, dtype)
    w = torch.ones(5, 3, dtype=dtype, requires_grad=True)
    loss = (w**2).sum() / 2
    loss.backward()
    optimizer = optim.SGD([w], lr=0.5)
    optimizer.step([w.grad])
    assert torch.equal(w.detach(), torch.full((5, 3), 0.5, dtype=dtype))
    parameter = torch.nn.Parameter(torch.ones(4, dtype=dtype))
    kernels.sgd_step(parameter, torch.ones(4, dtype=dtype), lr=1.0)
    assert not parameter.any()
    # one half of a tensor, from an odd place on
    x = torch.ones(9, dtype=dtype)
    kernels.sgd_step(x[3:6], torch.ones(3, dtype=dtype), lr=1.0)
    assert x.tolist() == [1] * 3 + [0] * 3 + [1] * 3


def test_tensors_that_are_refused():
    g = torch.ones(2, 3)
    for bad, message in [
        (torch.ones(3, 2).T, "C-contiguous"),
        (torch.ones(2, 3, dtype=torch.float16), "expected float32 or float64"),
        (torch.ones(2, 3, dtype=torch.bfloat16), "expected float32 or float64"),
        (torch.ones(2, 3, device="meta"), "w: "),
        (torch.eye(2).to_sparse(), "w: "),
    ]:
        with pytest.raises(ValueError, match=message):
            kernels.sgd_step(bad, g, lr=0.1)
    with pytest.raises(ValueError, match="overlaps w"):
        kernels.sgd_step(g, g.view(2, 3), lr=0.1)


def test_a_tensor_whose_memory_was_exchanged_is_refused():
    w = torch.ones(3)
    optimizer = optim.SGD([w], lr=0.5)
    w.data = torch.ones(3) * 7
    with pytest.raises(ValueError, match="the memory that it had when the optimizer was made"):
        optimizer.step([torch.ones(3)])
    assert w.tolist() == [7.0] * 3


def test_norm_and_clipping():
    grads = gradients(0, np.float64)
    tensors = [torch.tensor(g, requires_grad=True) for g in grads]
    for x in tensors:
        x.grad = x.detach().clone()
    for limit in (0.1, 1e9):
        want = torch.nn.utils.clip_grad_norm_(tensors, limit)
        clipped = optim.clip_grad_norm(grads, limit)
        assert clipped.norm == pytest.approx(float(want), rel=1e-13)
        np.testing.assert_allclose(clipped.scale * grads[0], tensors[0].grad, rtol=1e-12)
        for x, g in zip(tensors, grads, strict=True):
            x.grad = torch.tensor(g)


def test_schedules():
    w = torch.ones(1, requires_grad=True)
    schedulers = torch.optim.lr_scheduler

    def rates(make, steps=12):
        optimizer = torch.optim.SGD([w], lr=2.0)
        scheduler = make(optimizer)
        found = []
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return found

    ours = optim.SGD([np.ones(1)], lr=2.0)

    def our_rates(schedule, steps=12):
        found = []
        for t in range(steps):
            ours.set_lr_factor(schedule(t))
            found.append(ours.param_groups[0]["lr"])
        return found

    assert our_rates(lambda t: optim.cosine(t, 12, final=0.05)) == pytest.approx(
        rates(lambda o: schedulers.CosineAnnealingLR(o, 12, eta_min=0.1))
    )
    assert our_rates(lambda t: optim.step_decay(t, 5, factor=0.3)) == pytest.approx(
        rates(lambda o: schedulers.StepLR(o, 5, gamma=0.3))
    )
    assert our_rates(lambda t: optim.linear_warmup(t, 4)) == pytest.approx(
        rates(lambda o: schedulers.LinearLR(o, 0.25, total_iters=3))
    )
    assert our_rates(optim.constant) == [2.0] * 12


def test_sparse_gradients_of_torch():
    """Where nothing moves an untouched row, torch's own sparse steps agree."""
    w = np.random.default_rng(0).normal(size=(10, 3))
    x = torch.tensor(w, requires_grad=True)
    ours, theirs = optim.SGD([w], lr=0.1), torch.optim.SGD([x], lr=0.1)
    with torch.sparse.check_sparse_tensor_invariants():
        for _ in range(5):
            index, rows = np.array([1, 7, 1]), np.ones((3, 3))
            ours.step([(index, rows)])
            x.grad = torch.sparse_coo_tensor(torch.tensor(index)[None], torch.tensor(rows), (10, 3))
            theirs.step()
    ours.flush()
    np.testing.assert_allclose(w, x.detach().numpy(), rtol=1e-14)


def test_sparse_gradients_as_tensors_are_refused_with_a_way_out():
    w = np.zeros((10, 3))
    optimizer = optim.SGD([w], lr=0.1)
    index, rows = torch.tensor([[1, 7, 1]]), torch.ones((3, 3), dtype=torch.float64)
    with torch.sparse.check_sparse_tensor_invariants():
        g = torch.sparse_coo_tensor(index, rows, (10, 3))
        with pytest.raises(ValueError, match=r"expected a dense tensor, .* got a sparse torch"):
            optimizer.step([g])
        g = g.coalesce()
    optimizer.step([(g.indices()[0], g.values())])
    np.testing.assert_allclose(w, -0.1 * g.to_dense().numpy())


@pytest.mark.parametrize("mode", ["l2", "decoupled", "independent"])
@over_cases
def test_torch_goes_on_where_we_are(name, options, mode):
    dtype = np.float64
    params, ours, tensors, theirs = pair(name, options, dtype)
    decay = options.get("weight_decay")
    ours = getattr(optim, name)(params, lr=0.01, decay_mode=mode, **options)
    for t in range(5):
        ours.step(gradients(t, dtype))
        ours.set_lr_factor(0.5)
    if name == "SGD" and decay and options.get("momentum") and mode != "l2":
        with pytest.raises(ValueError, match="decay_mode 'l2'"):
            optim.torch_state_dict(ours)
        return
    saved = optim.torch_state_dict(ours)
    if name != "SGD":
        theirs = {"l2": torch.optim.Adam}.get(mode, torch.optim.AdamW)(tensors)
    theirs.load_state_dict(saved)
    with torch.no_grad():
        for p, x in zip(params, tensors, strict=True):
            x.copy_(torch.tensor(p))
    for t in range(5, 10):
        ours.step(gradients(t, dtype))
        their_step(tensors, theirs, gradients(t, dtype))
    assert_close(params, tensors, dtype)
    # and back
    again = getattr(optim, name)(params)
    again.load_state_dict(theirs.state_dict())
    assert again.param_groups[0]["lr"] == 0.005


def test_factors_are_not_for_torch():
    w = np.ones(2)
    ours = optim.SGD([{"params": [w], "penalty_factor": [np.ones(2)]}], lr=0.1)
    with pytest.raises(ValueError, match="penalty_factor"):
        optim.torch_state_dict(ours)


def test_schedulers_of_torch_leave_keys_that_are_kept():
    dtype = np.float64
    params, ours, tensors, theirs = pair("Adam", {"weight_decay": 0.1}, dtype)
    schedule = torch.optim.lr_scheduler.OneCycleLR(theirs, max_lr=0.1, total_steps=20)
    theirs.param_groups[0]["name"] = "body"
    for t in range(5):
        their_step(tensors, theirs, gradients(t, dtype))
        schedule.step()
    ours.load_state_dict(theirs.state_dict())
    assert ours.param_groups[0]["max_lr"] == 0.1
    assert ours.param_groups[0]["lr"] == theirs.param_groups[0]["lr"]
    for p, x in zip(params, tensors, strict=True):
        p[...] = x.detach().numpy()
    for t in range(5, 10):
        ours.step(gradients(t, dtype))
        their_step(tensors, theirs, gradients(t, dtype))
    assert_close(params, tensors, dtype)


def test_decoupled_decay_of_torch_is_taken_over():
    dtype = np.float64
    params, ours, tensors, theirs = pair("Adam", {"weight_decay": 0.5}, dtype)
    theirs = torch.optim.AdamW(tensors, lr=0.01, weight_decay=0.5)
    if "decoupled_weight_decay" not in theirs.param_groups[0]:
        pytest.skip("a torch that does not say so")
    for t in range(3):
        their_step(tensors, theirs, gradients(t, dtype))
    ours.load_state_dict(theirs.state_dict())
    assert ours.param_groups[0]["decay_mode"] == "decoupled"
    for p, x in zip(params, tensors, strict=True):
        p[...] = x.detach().numpy()
    ours.step(gradients(3, dtype))
    their_step(tensors, theirs, gradients(3, dtype))
    assert_close(params, tensors, dtype)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_types_that_are_not_supported_are_named(dtype):
    weight = torch.ones(3, dtype=getattr(torch, dtype))
    with pytest.raises(ValueError, match=f"expected float32 or float64; got {dtype}"):
        optim.SGD([weight], lr=0.1)
