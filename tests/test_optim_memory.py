"""Memory that an optimizer reads or writes, while code called meanwhile changes or frees it.

Run under AddressSanitizer, which sees what happens to work.
"""

import gc
import subprocess
import sys
import threading

import numpy as np
import pytest

from fastridge import kernels, optim

N = 4096


class Meanwhile:
    """An array by DLPack that first runs `act`."""

    def __init__(self, array, act):
        self.array, self.act = array, act

    def __dlpack_device__(self):
        self.act()
        return self.array.__dlpack_device__()

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)


class Number:
    """A number that first runs `act`."""

    def __init__(self, value, act):
        self.value, self.act = value, act

    def __float__(self):
        self.act()
        return self.value


def overwrite(n=N):
    """Take and give back memory of the sizes that are used here."""
    for _ in range(50):
        np.full(n, np.nan)


@pytest.mark.parametrize("change", [lambda groups: groups.pop(), lambda groups: groups.clear()])
def test_groups_removed(change):
    params = [np.ones(3), np.ones(3)]
    optimizer = optim.SGD([{"params": [p]} for p in params], lr=0.1)
    change(optimizer.param_groups)
    for _ in range(3):
        for call in (
            lambda: optimizer.step([np.ones(3), np.ones(3)]),
            optimizer.state_dict,
            lambda: optimizer.load_state_dict({"state": {}, "param_groups": []}),
            lambda: optimizer.add_param_group({"params": [np.ones(3)]}),
        ):
            with pytest.raises(ValueError, match="param_groups: expected the 2 groups"):
                call()
    assert all((p == 1).all() for p in params)


def swap(groups):
    groups[0], groups[1] = groups[1], groups[0]


@pytest.mark.parametrize(
    "change",
    [
        swap,
        lambda groups: groups[0]["params"].pop(),
        lambda groups: groups[0]["params"].append(np.ones(3)),
        lambda groups: groups[1]["params"].__setitem__(0, np.ones(3)),
        lambda groups: groups[1].pop("params"),
        lambda groups: groups[1].update(params=None),
    ],
)
def test_parameters_of_groups_changed(change):
    params = [np.ones(3), np.ones(3)]
    optimizer = optim.SGD([{"params": [p]} for p in params], lr=0.1)
    change(optimizer.param_groups)
    with pytest.raises(ValueError, match=r"param_groups\[\d\]: expected the parameters that"):
        optimizer.step([np.ones(3), np.ones(3)])
    assert all((p == 1).all() for p in params)


def test_groups_that_are_none():
    optimizer = optim.SGD([np.ones(3)], lr=0.1)
    optimizer.param_groups[0] = None
    with pytest.raises(TypeError, match=r"param_groups\[0\]: expected a dict; got .*NoneType"):
        optimizer.step([np.ones(3)])


def test_empty_groups():
    w = np.ones(3)
    optimizer = optim.SGD([{"params": []}, {"params": [w]}, {"params": []}], lr=1.0)
    assert optimizer.step([np.ones(3)])
    assert (w == 0).all()
    assert optim.SGD([]).step([])


@pytest.mark.parametrize("cls", [optim.SGD, optim.Adam])
@pytest.mark.slow
def test_list_of_gradients_cleared_by_a_gradient(cls):
    params = [np.zeros(N), np.zeros(N), np.zeros(N)]

    def act():
        grads.clear()
        gc.collect()
        overwrite()

    grads = [np.ones(N), Meanwhile(np.ones(N), act), np.ones(N)]
    assert cls(params, lr=0.5).step(grads)
    for p in params:
        np.testing.assert_allclose(p, -0.5)


@pytest.mark.parametrize("kind", ["gradient", "rows", "parameter", "state", "factor"])
def test_arrays_resized_by_a_later_gradient(kind):
    first, second, g = np.ones((N, 1)), np.ones(N), np.ones((N, 1))
    factor = np.ones((N, 1))
    optimizer = optim.SGD(
        [{"params": [first, second], "penalty_factor": [factor, None]}], lr=0.1, momentum=0.9
    )
    optimizer.step([np.ones((N, 1)), np.ones(N)])
    state = optimizer._stepper.get_state(0)[2]
    resized = {"gradient": g, "rows": g, "parameter": first, "state": state, "factor": factor}[kind]

    def act():
        if kind in ("gradient", "rows"):
            resized.resize((1, 1), refcheck=False)
        else:
            with pytest.raises(ValueError, match="cannot resize"):
                resized.resize((1, 1), refcheck=False)
            # replaces the memory by a way that NumPy does not refuse
            resized.__setstate__((1, (1, 1), resized.dtype, False, bytes(8)))
        overwrite()

    before = second.copy()
    grad = (np.arange(N), g) if kind == "rows" else g
    with pytest.raises(ValueError, match="memory that stays where it is"):
        optimizer.step([grad, Meanwhile(np.ones(N), act)])
    np.testing.assert_array_equal(second, before)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_row_indices_changed_after_their_check(dtype):
    w, other = np.zeros((8, 4)), np.zeros(2)
    index = np.array([1, 5], dtype)
    far = np.iinfo(dtype).max

    def act():
        index.fill(far)

    optimizer = optim.SGD([w, other], lr=1.0)
    optimizer.step([(index, np.ones((2, 4))), Meanwhile(np.zeros(2), act)])
    assert set(np.flatnonzero(w[:, 0])) == {1, 5}
    # changed before their copy is taken: refused
    index[:] = [1, 5]
    optimizer.step([None, Meanwhile(np.zeros(2), act)])
    with pytest.raises(ValueError, match=r"row indices .*expected 0 to 7"):
        optimizer.step([(index, np.ones((2, 4))), None])


def test_rows_changed_by_their_own_indices():
    class Index:
        def __array__(self, dtype=None, copy=None):
            rows.resize((1, 1), refcheck=False)
            return np.arange(8)

    rows = np.ones((8, 1))
    w = np.zeros((8, 1))
    with pytest.raises(ValueError, match=r"rows of the gradient .*expected shape \(8, 1\)"):
        optim.SGD([w]).step([(Index(), rows)])


@pytest.mark.parametrize("call", ["step", "flush", "load", "state", "add"])
def test_the_optimizer_used_by_a_gradient_of_its_own(call):
    w = np.ones(3)
    optimizer = optim.Adam([w], lr=0.1)
    calls = {
        "step": lambda: optimizer.step([np.ones(3)]),
        "flush": optimizer.flush,
        "load": lambda: optimizer.load_state_dict(saved),
        "state": optimizer.state_dict,
        "add": lambda: optimizer.add_param_group({"params": [np.ones(3)]}),
    }
    saved = optimizer.state_dict()
    seen = []

    def act():
        with pytest.raises(RuntimeError, match="this optimizer is already running"):
            calls[call]()
        seen.append(call)

    assert optimizer.step([Meanwhile(np.ones(3), act)])
    assert seen == [call]
    np.testing.assert_allclose(w, 0.9)


def test_capsules_are_used_up():
    """A capsule that is handed out twice is freed only once."""
    g = np.ones(N)

    class Twice:
        capsule = g.__dlpack__()

        def __dlpack_device__(self):
            return (1, 0)

        def __dlpack__(self, **options):
            return self.capsule

    twice = Twice()

    def act():
        with pytest.raises(ValueError, match="Capsule"):
            np.from_dlpack(twice)
        overwrite()

    params = [np.zeros(N), np.zeros(1)]
    optimizer = optim.SGD(params, lr=1.0)
    assert optimizer.step([twice, Meanwhile(np.ones(1), act)])
    assert (params[0] == -1).all()
    with pytest.raises(ValueError, match="a capsule of DLPack that nobody has used yet"):
        optimizer.step([twice, None])


def test_gradients_are_freed_after_the_step():
    g = np.ones(N)
    before = sys.getrefcount(g)
    w = np.zeros(N)
    optimizer = optim.SGD([w])
    for grad in (g, Meanwhile(g, lambda: None), memoryview(g)):
        optimizer.step([grad])
        del grad
    assert sys.getrefcount(g) == before


@pytest.mark.parametrize("name", ["scale", "lr", "n_threads"])
def test_kernels_whose_numbers_resize_their_arrays(name):
    w, g = np.ones(N), np.ones(N)

    class Count:
        def __index__(self):
            w.resize(1, refcheck=False)
            overwrite()
            return 1

    numbers = {"lr": 0.1, "scale": 1.0, "n_threads": None}
    numbers[name] = (
        Count() if name == "n_threads" else Number(1.0, lambda: w.resize(1, refcheck=False))
    )
    with pytest.raises(ValueError, match=r"memory that stays where it is|shape"):
        kernels.sgd_step(w, g, **numbers)


def test_norms_of_gradients_that_are_resized():
    g = np.ones(N)
    later = Meanwhile(np.ones(1), lambda: g.resize(1, refcheck=False))
    with pytest.raises(ValueError, match="memory that stays where it is"):
        optim.clip_grad_norm([g, later], 1.0)


def test_gradients_replaced_by_another_thread():
    n = 1 << 17
    grads = [np.ones(n) for _ in range(4)]
    params = [np.zeros(n) for _ in range(4)]
    optimizer = optim.SGD(params, lr=1.0)
    stop = threading.Event()

    def replace():
        while not stop.is_set():
            for i in range(4):
                grads[i] = np.ones(n)

    other = threading.Thread(target=replace)
    other.start()
    try:
        for _ in range(50):
            assert optimizer.step(grads)
    finally:
        stop.set()
        other.join()
    for p in params:
        assert (p == -50).all()


def test_flush_and_step_in_two_threads():
    w = np.zeros((2000, 64))
    optimizer = optim.Adam([w], lr=1e-3, weight_decay=0.1)
    refused = []

    def flush():
        for _ in range(200):
            try:
                optimizer.flush()
                optimizer.state_dict()
            except RuntimeError:
                refused.append(1)

    rng = np.random.default_rng(0)
    other = threading.Thread(target=flush)
    other.start()
    for _ in range(200):
        index = rng.integers(0, 2000, 16)
        try:
            optimizer.step([(index, np.ones((16, 64)))])
        except RuntimeError as error:
            refused.append(error)
    other.join()
    assert np.isfinite(w).all()


@pytest.mark.slow
def test_a_removed_group_leaves_the_interpreter_alive():
    code = """
import numpy as np
from fastridge import optim
o = optim.SGD([{"params": [np.ones(3)]}, {"params": [np.ones(3)]}], lr=0.1)
o.param_groups.pop()
for _ in range(3):
    try:
        o.step([np.ones(3), np.ones(3)])
    except ValueError:
        print("refused")
"""
    found = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["refused"] * 3
