"""The arithmetic of a report's page, run by Node, against fastridge's own numbers."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from report_problems import STEPS, expected_steps, problem
from scipy.integrate import quad

import fastridge
from fastridge import penalty
from fastridge.reporting.collect import collect
from fastridge.reporting.page import encode

SCRIPT = Path(fastridge.__file__).parent / "reporting" / "page" / "arithmetic.js"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(
    NODE is None, reason="node, which runs the script, is not installed"
)


def run(body, **values):
    """Return what a function body, with `A` and the values `v`, returns in Node."""
    script = (
        f"const A = require({json.dumps(str(SCRIPT))});\n"
        'const v = JSON.parse(require("fs").readFileSync(0, "utf8"));\n'
        f"const plain = (x) => ArrayBuffer.isView(x) ? Array.from(x) : x;\n"
        f"process.stdout.write(JSON.stringify((() => {{{body}}})(), (_, x) => plain(x)));"
    )
    done = subprocess.run(
        [NODE, "-e", script],
        input=json.dumps(encode(values)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def close(found, expected, rtol=1e-10):
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= rtol * max(np.abs(expected).max(), 1.0)


def test_numbers_arrive_whole():
    values = np.array([0.1, -1e300, 5e-324, np.inf, 0.0])
    single = np.array([0.1, 2.5], dtype=np.float32)
    body = """const a = A.decode(v.a);
    return [a.length, a.map((x) => x === Infinity ? 7 : x), A.decode(v.b), A.decode(null)];"""
    count, a, b, none = run(body, a=values, b=single)
    assert (count, a, b, none) == (5, [0.1, -1e300, 5e-324, 7, 0.0], single.tolist(), None)


@pytest.mark.parametrize("case", STEPS, ids=lambda c: "-".join(map(str, c.values())))
def test_steps_are_those_of_the_optimizers(case):
    q = problem()
    found = run(
        "return A.trajectory({g: v.g, H: v.H, at: v.at}, v.start, v.o, 60);",
        **{name: value.ravel().tolist() for name, value in q.items()},
        o=case | {"momentum": 0.9, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    )
    close(found, expected_steps(q, case, 60))


def test_coupled_and_decoupled_agree_for_sgd_alone():
    q = {name: value.ravel().tolist() for name, value in problem().items()}
    options = {"lr": 0.05, "weightDecay": 0.3, "momentum": 0.9, "beta1": 0.9, "beta2": 0.999}
    found = run(
        """return ["sgd", "adam"].map((optimizer) => {
          const [a, b] = ["coupled", "decoupled"].map((mode) =>
            A.trajectory({g: v.g, H: v.H, at: v.at}, v.start, {...v.o, optimizer, mode}, 50));
          return Math.max(...a.flatMap((x, t) => Array.from(x, (y, j) => Math.abs(y - b[t][j]))));
        });""",
        **q,
        o=options | {"eps": 1e-8, "schedule": "constant"},
    )
    assert found[0] < 1e-13
    assert found[1] > 1e-3


@pytest.fixture(scope="module", params=["plain", "weighted", "wide", "scaled"])
def path(request):
    """A ridge problem, the page's data of it, and the options of its fit."""
    rng = np.random.default_rng(7)
    n, p = (25, 40) if request.param == "wide" else (80, 6)
    X = rng.standard_normal((n, p)) * np.linspace(0.5, 3.0, p)
    y = X @ rng.standard_normal(p) + 3.0 + rng.standard_normal(n)
    options = {}
    weight = None
    if request.param == "weighted":
        weight = rng.uniform(0.5, 2.0, n)
        options["penalty_factor"] = np.linspace(0.5, 2.0, p)
    if request.param == "scaled":
        options["standardize"] = True
    model = fastridge.RidgeCV(np.logspace(-2, 3, 9), cv=5, **options).fit(X, y, weight)
    data = collect(model, (X, y, weight), None, None, 0, None, (None, False), 0, 0.0)
    return X, y, options | {"sample_weight": weight}, data


def test_ridge_is_exact_between_the_fits(path):
    X, y, options, data = path
    alphas = [0.01, 0.37, 12.0, 999.0]
    found = run(
        """const e = {...v.e, basis: A.decode(v.e.basis), s: A.decode(v.e.s), u: A.decode(v.e.u)};
        return v.alphas.map((a) => [A.ridgeAt(e, a), A.ridgeFacts(e, a)]);""",
        e=data["exact"],
        alphas=alphas,
    )
    exact = fastridge.ridge_path(X, y, alphas, **options)
    for j, (w, facts) in enumerate(found):
        close(w, exact.coef[j])
        assert facts["residual"] == pytest.approx(exact.residual[j], rel=1e-10)
        assert facts["dof"] == pytest.approx(exact.dof[j], rel=1e-10)


def test_variances_are_those_of_the_posterior(path):
    X, y, options, data = path
    weight = options["sample_weight"]
    s = np.ones(len(y)) if weight is None else weight
    centred = X - np.average(X, axis=0, weights=s)
    # of the coefficients in the units of the data
    d = np.asarray(data["plane"]["d2"]) * np.asarray(data["plane"]["scale"]) ** 2
    order = data["exact"]["features"]
    every = np.empty(X.shape[1])
    every[order] = d
    if len(order) < X.shape[1]:
        every[:] = 1.0
    alpha = 2.7
    S = np.linalg.inv((centred.T * s) @ centred + alpha * np.diag(every))
    found = run(
        """const e = {...v.e, basis: A.decode(v.e.basis), s: A.decode(v.e.s), u: A.decode(v.e.u)};
        return v.e.features.map((j, i) => A.ridgeVariance(e, v.alpha, j, v.d[i]));""",
        e=data["exact"],
        alpha=alpha,
        d=d.tolist(),
    )
    close(found, np.diagonal(S)[order])


@pytest.mark.parametrize("loss", ["sum", "half_sum", "mean", "half_mean"])
def test_conventions_are_those_of_the_library(loss):
    names = ["alpha", "lambda", "weight_decay", "C", "glm", "prior_variance"]
    found = run(
        "return v.names.map((a) => v.names.map((b) => A.convert(0.7, a, b, v.o)));",
        names=names,
        o={"loss": loss, "n": 40, "noise": 1.9},
    )
    expected = [
        [penalty.convert(0.7, a, b, loss=loss, n_samples=40, noise_variance=1.9) for b in names]
        for a in names
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_minimum_and_nearest():
    q = problem()
    plain = {name: value.ravel().tolist() for name, value in q.items()}
    found, none, near = run(
        "return [A.minimum({g: v.g, H: v.H, at: v.at}, 0.4, v.factor),"
        " A.solve([1, 1, 1, 1], [1, 2]), [0.2, 4, 1e9].map((a) => A.nearest([0.1, 1, 10], a))];",
        **plain,
        factor=[1.0, 2.0, 0.5],
    )
    D = np.diag([1.0, 2.0, 0.5])
    close(found, np.linalg.solve(q["H"] + 0.8 * D, q["H"] @ q["at"] - q["g"]))
    assert none is None
    assert near == [0, 2, 2]


@pytest.mark.parametrize("rate", [0.1, 3.0, 40.0])
def test_the_deviation_of_a_posterior_with_laplace_prior(rate):
    def log(x):
        return -((x - 1.3) ** 2) / 2 - rate * abs(x)

    at = max(1.3 - rate, 0.0)
    first = 1 / np.sqrt(1 + rate**2 / 2)
    moments = [
        quad(lambda x, k=k: x**k * np.exp(log(x) - log(at)), -20, 20, points=[0, at], limit=400)[0]
        for k in range(3)
    ]
    mean = moments[1] / moments[0]
    found = run(
        "return A.deviation((x) => -((x - 1.3) ** 2) / 2 - v.rate * Math.abs(x), v.at, v.first);",
        rate=rate,
        at=at,
        first=first,
    )
    assert found == pytest.approx(np.sqrt(moments[2] / moments[0] - mean**2), rel=1e-4)


def test_contours_have_their_height():
    h = np.array([[2.0, 0.7], [0.7, 0.9]])
    curve, ball, diamond = run(
        "return [A.ellipse([1, -2], v.h, 0.8), A.ball(0, 2, [1, 1], [3, 0.5], 1.7),"
        " A.ball(1.5, 0.2, [1, 2], [1, 1], 0.9)];",
        h=h.ravel().tolist(),
    )
    points = np.array([[p["x"], p["y"]] for p in curve]) - [1.0, -2.0]
    np.testing.assert_allclose(np.einsum("ki,ij,kj->k", points, h, points) / 2, 0.8, rtol=1e-12)
    x, y = np.array([[p["x"], p["y"]] for p in ball]).T
    np.testing.assert_allclose(2 * (3 * x**2 + 0.5 * y**2), 1.7, rtol=1e-12)
    x, y = np.array([[p["x"], p["y"]] for p in diamond]).T
    value = 1.5 * (np.abs(x) + 2 * np.abs(y)) + 0.2 * (x**2 + y**2)
    np.testing.assert_allclose(value, 0.9, rtol=1e-12)
