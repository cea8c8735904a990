"""States of optimizers: loaded completely or not at all, from fastridge and from torch."""

import copy

import numpy as np
import pytest

from fastridge import optim

CLASSES = [optim.SGD, optim.Adam, optim.AdamW]


def stepped(cls=optim.Adam, n=3, **options):
    """An optimizer over two parameters with two steps behind it, and its parameters."""
    params = [np.linspace(1.0, 2.0, n), np.ones((2, n))]
    optimizer = cls(params, lr=0.1, **options)
    for t in range(2):
        optimizer.step([np.full(p.shape, 0.5 - t) for p in params])
    return optimizer, params


def snapshot(optimizer):
    return copy.deepcopy(optimizer.state_dict())


def assert_same(a, b):
    assert a["param_groups"] == b["param_groups"]
    assert a["state"].keys() == b["state"].keys()
    for key, state in a["state"].items():
        np.testing.assert_equal(state, b["state"][key])


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (2**63, ValueError),
        (2**63 - 1, ValueError),
        (2**53 + 1, ValueError),
        (10**400, ValueError),
        (-1, ValueError),
        (1.5, ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        ("many", TypeError),
        (None, TypeError),
        (np.arange(2), TypeError),
    ],
    ids=str,
)
@pytest.mark.parametrize("second", [False, True])
def test_counts_of_steps_that_are_refused(bad, kind, second):
    optimizer, _ = stepped()
    before = snapshot(optimizer)
    saved = snapshot(optimizer)
    saved["state"][0]["exp_avg"] += 1
    saved["param_groups"][0]["lr"] = 7.0
    saved["state"][int(second)]["step"] = bad
    with pytest.raises(kind, match=rf"step of params\[{int(second)}\]"):
        optimizer.load_state_dict(saved)
    assert_same(optimizer.state_dict(), before)


@pytest.mark.parametrize("steps", [2, 2.0, np.float32(2), np.array(2.0), np.int64(2)], ids=repr)
def test_counts_of_steps_of_any_type(steps):
    optimizer, _ = stepped()
    saved = snapshot(optimizer)
    saved["state"][1]["step"] = steps
    optimizer.load_state_dict(saved)
    assert optimizer.state_dict()["state"][1]["step"] == 2


def test_the_largest_count_of_steps_can_be_taken_further():
    optimizer, params = stepped()
    saved = snapshot(optimizer)
    saved["state"][0]["step"] = 2**53
    optimizer.load_state_dict(saved)
    optimizer.step([np.ones(3), None])
    assert np.isfinite(params[0]).all()


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda d: d["param_groups"][0].pop("params"), ValueError, "a dict with a list 'params'"),
        (lambda d: d.update(param_groups=[None]), ValueError, "got None"),
        (lambda d: d.update(param_groups=None), TypeError, "a list of groups; got None"),
        (lambda d: d.update(state=None), TypeError, "a dict as its state; got None"),
        (lambda d: d["state"].update({"0": {}}), ValueError, "got '0'"),
        (lambda d: d["state"].update({0: 3}), TypeError, r"state of params\[0\]"),
        (lambda d: d["param_groups"][0].update(lr=10**400), ValueError, "lr: expected"),
        (lambda d: d["param_groups"][0].update(eps=10**400), ValueError, "eps: expected"),
        (
            lambda d: d["param_groups"][0].update(decoupled_weight_decay=True),
            ValueError,
            "decoupled_weight_decay to agree with decay_mode 'l2'; got True",
        ),
        (
            lambda d: d["param_groups"][0].update(decoupled_weight_decay=3),
            TypeError,
            "decoupled_weight_decay to be True or False",
        ),
    ],
)
def test_states_that_are_refused(change, kind, message):
    optimizer, params = stepped()
    before, values = snapshot(optimizer), copy.deepcopy(params)
    saved = snapshot(optimizer)
    change(saved)
    with pytest.raises(kind, match=message):
        optimizer.load_state_dict(saved)
    assert_same(optimizer.state_dict(), before)
    np.testing.assert_equal(params, values)


@pytest.mark.parametrize("cls", CLASSES)
def test_keys_of_schedulers_are_kept(cls):
    optimizer, _ = stepped(cls)
    saved = snapshot(optimizer)
    extra = {"max_lr": 0.3, "min_lr": 0.0, "name": "body", "lr_scale": [1.0, 2.0]}
    saved["param_groups"][0] |= extra | {"foreach": None, "capturable": False}
    optimizer.load_state_dict(saved)
    group = optimizer.param_groups[0]
    assert {key: group[key] for key in extra} == extra
    assert "foreach" not in group
    saved["param_groups"][0]["lr_scale"].append(3.0)
    assert group["lr_scale"] == [1.0, 2.0]
    assert snapshot(optimizer)["param_groups"][0]["max_lr"] == 0.3
    assert optimizer.step([np.ones(3), np.ones((2, 3))])


@pytest.mark.parametrize("flag", [False, True, np.True_])
def test_torch_says_whether_decay_is_decoupled(flag):
    w, expected = np.ones(2), np.ones(2)
    g = np.array([0.5, -0.25])
    mode = "decoupled" if flag else "l2"
    theirs = optim.Adam([expected], lr=0.1, weight_decay=0.5, decay_mode=mode)
    optimizer = optim.Adam(
        [{"params": [w], "decoupled_weight_decay": flag}], lr=0.1, weight_decay=0.5
    )
    assert optimizer.param_groups[0]["decay_mode"] == mode
    saved = theirs.state_dict()
    group = saved["param_groups"][0]
    del group["decay_mode"]
    group["decoupled_weight_decay"] = flag
    again = optim.Adam([w], lr=7.0)
    again.load_state_dict(saved)
    again.step([g])
    theirs.step([g])
    np.testing.assert_array_equal(w, expected)


def test_groups_added_are_seen_by_who_holds_the_list():
    a, b = np.ones(2), np.ones(3)
    optimizer = optim.Adam([a], lr=0.1)
    held = optimizer.param_groups
    optimizer.step([np.ones(2)])
    optimizer.add_param_group({"params": [b], "lr": 0.2})
    assert optimizer.param_groups is held
    assert len(held) == 2
    with pytest.raises(ValueError, match="overlaps"):
        optimizer.add_param_group({"params": [a]})
    assert len(held) == 2
    held[1]["lr"] = 0.0
    optimizer.step([None, np.ones(3)])
    np.testing.assert_array_equal(b, np.ones(3))
    assert optimizer.state_dict()["state"][0]["step"] == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("cls", CLASSES)
def test_scaled_gradients_that_overflow(cls, rows, dtype):
    """The check for infinity applies to scale * g."""
    big = np.finfo(dtype).max / 4
    for n in (1, 2, 7, 300):
        w = np.ones((n, 1), dtype)
        g = np.zeros((n, 1), dtype)
        g[n // 2] = big
        grad = (np.arange(n), g) if rows else g
        optimizer = cls([w], lr=1e-3, on_nonfinite="skip")
        assert not optimizer.step([grad], scale=8.0)
        assert (w == 1).all()
        assert not optimizer.step([grad], scale=-8.0)
        assert not optimizer.step([grad], scale=4.0000005)
        optimizer.on_nonfinite = "raise"
        with pytest.raises(ValueError, match=f"times scale 8.0 at position {n // 2} of {n}"):
            optimizer.step([grad], scale=8.0)
        assert (w == 1).all()
        g[n // 2] = 1.0
        assert optimizer.step([grad], scale=8.0)
        g[n // 2] = big
        assert optimizer.step([grad], scale=0.5)


def test_numbers_beyond_all_floats():
    huge = 10**400
    for make in (
        lambda: optim.SGD([np.ones(1)], lr=huge),
        lambda: optim.SGD([np.ones(1)], momentum=huge),
        lambda: optim.Adam([np.ones(1)], betas=(huge, 0.9)),
        lambda: optim.SGD([np.ones(1)]).step([np.ones(1)], scale=huge),
        lambda: optim.SGD([np.ones(1)]).set_lr_factor(huge),
        lambda: optim.clip_grad_norm([np.ones(1)], huge),
    ):
        with pytest.raises(ValueError, match="number in the range of float64"):
            make()


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize(
    ("cls", "other", "key"),
    [
        (optim.SGD, optim.AdamW, "amsgrad' in group 0, a number of Adam"),
        (optim.SGD, optim.Adam, "amsgrad' in group 0, a number of Adam"),
        (optim.Adam, optim.SGD, "dampening' in group 0, a number of SGD"),
        (optim.AdamW, optim.SGD, "dampening' in group 0, a number of SGD"),
    ],
)
def test_states_of_another_kind_are_refused_by_name(cls, other, key, steps):
    w, g = np.ones(3), np.ones(3)
    source, optimizer = other([w.copy()], lr=0.1), cls([w], lr=0.01)
    for _ in range(steps):
        source.step([g])
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match=f"expected the state of {cls.__name__}; got '{key}"):
        optimizer.load_state_dict(source.state_dict())
    assert optimizer.state_dict() == before
    assert optimizer.param_groups[0]["lr"] == 0.01
