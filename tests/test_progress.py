"""One protocol of progress: callback(done, total), and bars where verbose asks for them."""

import sys
import types
import typing

import numpy as np
import pytest

import fastridge

pytestmark = pytest.mark.filterwarnings("ignore:the best penalty is:UserWarning")
rng = np.random.default_rng(0)
X = rng.standard_normal((40, 6))
y = X @ [1.0, 2.0, 0.0, 0.0, 0.0, 3.0] + rng.standard_normal(40)
Y = np.c_[y, -y]

CALLS = {
    "ridge_path": lambda **o: fastridge.ridge_path(X, y, [1.0, 10.0], **o),
    "ridge_path, cg": lambda **o: fastridge.ridge_path(X, y, [1.0, 10.0], solver="cg", **o),
    "elastic_net_path": lambda **o: fastridge.elastic_net_path(X, y, n_alphas=4, **o),
    "lasso_path": lambda **o: fastridge.lasso_path(X, y, alphas=4, **o),
    "enet_path": lambda **o: fastridge.enet_path(X, Y, alphas=4, **o),
    "LassoCV": lambda **o: fastridge.LassoCV(alphas=4, cv=3, **o).fit(X, y),
    "ElasticNetCV": lambda **o: fastridge.ElasticNetCV(alphas=4, cv=3, **o).fit(X, y),
    "MultiTaskElasticNetCV": lambda **o: fastridge.MultiTaskElasticNetCV(alphas=4, cv=3, **o).fit(
        X, Y
    ),
}
SILENT = {"RidgeCV": lambda **o: fastridge.RidgeCV([1.0, 10.0], cv=3, **o).fit(X, y)}


@pytest.mark.parametrize("name", [*CALLS, *SILENT])
def test_callbacks_count_to_the_total(name):
    seen = []
    (CALLS | SILENT)[name](callback=lambda done, total: seen.append((done, total)))
    assert len({total for _, total in seen}) == 1
    done = [done for done, _ in seen]
    assert done == sorted(done)
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize("name", CALLS)
def test_verbose_shows_a_bar(name, monkeypatch, capsys):
    class Bar:
        made: typing.ClassVar = []

        def __init__(self, total, desc):
            self.total, self.n, self.open = total, 0, True
            self.made.append(self)

        def update(self, more):
            self.n += more

        def close(self):
            self.open = False

    monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=Bar))
    CALLS[name](verbose=True)
    (bar,) = Bar.made
    assert bar.n == bar.total > 0
    assert not bar.open
    monkeypatch.setitem(sys.modules, "tqdm", None)
    CALLS[name](verbose=1)
    out, err = capsys.readouterr()
    assert not out
    assert f"{bar.total} of {bar.total}" in err


def test_nothing_is_shown_unless_asked_for(capsys):
    for call in CALLS.values():
        call()
    assert capsys.readouterr() == ("", "")
