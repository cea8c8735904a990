"""examples/weight_decay.py: its network, its output, and a quick run on the digits."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from fastridge import optim

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "weight_decay.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("weight_decay_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_gradients_are_those_of_the_loss(example):
    rng = np.random.default_rng(0)
    model = {k: w.astype(np.float64) for k, w in example.network(5, 7, 3, 0).items()}
    X, y = rng.standard_normal((11, 5)), rng.integers(0, 3, 11)
    _, grads = example.gradients(model, X, y)
    for name, w in model.items():
        assert grads[name].shape == w.shape
        direction = rng.standard_normal(w.shape)
        losses = []
        for h in (1e-6, -1e-6):
            losses.append(example.gradients(model | {name: w + h * direction}, X, y)[0])
        slope = (losses[0] - losses[1]) / 2e-6
        assert slope == pytest.approx(np.sum(grads[name] * direction), rel=1e-6)


def test_split_spoils_labels_of_the_training_part_alone(example):
    X = np.arange(400.0).reshape(200, 2)
    y = np.arange(200) % 10
    data = example.split(X, y, 100, 0.5, 0)
    assert len(data.y) == len(data.y_validation) == 100
    assert np.array_equal(data.y_validation, data.X_validation[:, 0] // 2 % 10)
    assert 30 < np.sum(data.y != data.X[:, 0] // 2 % 10) < 60
    assert np.array_equal(y, np.arange(200) % 10)


def test_optimizers_are_those_named(example):
    for name, cls in [("SGD", optim.SGD), ("SGD, momentum 0.9", optim.SGD), ("Adam", optim.Adam)]:
        optimizer = example.make(name, example.network(4, 3, 2, 0), 0.1, "decoupled", 0.5)
        assert type(optimizer) is cls
        decayed, exempt = optimizer.param_groups
        assert decayed["param_names"] == ["hidden.weight", "output.weight"]
        assert (decayed["weight_decay"], exempt["weight_decay"]) == (0.5, 0.0)
        assert decayed["decay_mode"] == "decoupled"
        assert decayed.get("momentum", 0.0) == (0.9 if "momentum" in name else 0.0)


def test_quick_run(example, capsys):
    pytest.importorskip("sklearn")
    example.main(["--seeds", "1", "--epochs", "15", "--hidden", "32"])
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0].split("  ")[0] == "optimizer"
    assert len({len(line) for line in lines[:10]}) == 1
    assert all(line.count(" %") == 2 for line in lines[1:10])
    words = text.replace("\n", " ")
    assert words.count("the same step") == 1
    assert words.count("different methods") == 2
    rows = [line.split() for line in lines[1:4]]
    # plain gradient descent, coupled and decoupled
    assert rows[1][3:] == rows[2][3:]
    # the decay shrinks the weights
    assert float(rows[1][-1]) < float(rows[0][-1])
    assert max(map(len, lines[11:])) <= 88


def test_arguments_that_make_no_sense(example, capsys):
    for argv in (["--train", "5"], ["--seeds", "0"], ["--wrong", "2"]):
        with pytest.raises(SystemExit):
            example.arguments(argv)
        assert "; expected " in capsys.readouterr().err


def test_missing_package_is_said(example, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(SystemExit, match="scikit-learn is not installed"):
        example.load(100, 0.1, 0)
