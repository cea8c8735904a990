"""Steps of batches: against the reference, bitwise equal for any number of threads."""

import itertools
import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from cases import each

import fastridge
from fastridge import SGDClassifier, SGDRegressor, _cpu
from fastridge._matrix import Matrix
from fastridge.reference.sgd_batch import BatchLearner
from fastridge.solvers.sgd.learner import Diverged, Learner, Rule

CLASSIFIERS = ("hinge", "log_loss", "squared_hinge", "modified_huber", "perceptron")
REGRESSIONS = (
    "squared_error",
    "huber",
    "epsilon_insensitive",
    "squared_epsilon_insensitive",
    "poisson",
)
ADAPTIVE = ("auto", "adagrad", "coin")
N, P = 230, 13


def matrix(X, index=np.int32):
    if sp.issparse(X):
        parts = X.data, X.indices.astype(index), X.indptr.astype(index)
        return Matrix.from_compressed(*parts, X.shape, False)
    return Matrix.from_dense(np.ascontiguousarray(X))


def design(n=N, p=P, density=0.5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * 10.0 ** rng.uniform(-2, 2, p)
    X[rng.random((n, p)) > density] = 0.0
    X[3] = 0.0
    return X.astype(np.float32).astype(np.float64)


def targets(X, loss, seed=1):
    rng = np.random.default_rng(seed)
    eta = (X / np.maximum(abs(X).max(axis=0), 1e-300)) @ rng.standard_normal(X.shape[1])
    eta += 0.3 * rng.standard_normal(len(X))
    if loss == "poisson":
        return rng.poisson(np.exp(np.minimum(eta, 3.0))).astype(float)
    return np.where(eta > 0, 1.0, -1.0) if loss in CLASSIFIERS else 3.0 + eta


def rule(loss="log_loss", learning_rate="auto", alpha=1e-3, l1_ratio=0.0, **more):
    return Rule(loss, 0.1, learning_rate, 0.02, 0.5, alpha, l1_ratio, **more)


def both(X, y, rule, size, A=None, k=1, factor=None, epochs=2, **more):
    """The learner and its twin after some epochs, and their losses."""
    one = Learner(X.shape[1], k, rule._replace(batch_size=size), factor)
    twin = BatchLearner(X.shape[1], k, rule, factor, size=size)
    A = matrix(X) if A is None else A
    losses = [
        [learner.learn(data, of, **more) for _ in range(epochs)]
        for learner, data, of in ((one, A, y.ravel()), (twin, X, y))
    ]
    return one, twin, losses


def assert_same(one, twin, losses, tol=1e-10):
    np.testing.assert_allclose(losses[0], losses[1], rtol=tol)
    scale = np.maximum(abs(twin.coef()), 1e-6 * abs(twin.coef()).max())
    assert (abs(one.coef() - twin.coef()) <= tol * np.maximum(scale, 1e-300) * 10).all()
    np.testing.assert_allclose(one.intercept(), twin.intercept(), rtol=10 * tol, atol=tol)
    assert one.t == twin.t
    np.testing.assert_allclose(one.eta, twin.eta, rtol=tol)


def cases():
    for loss in CLASSIFIERS + REGRESSIONS:
        rates = [*ADAPTIVE, "constant", "invscaling"]
        rates += ["pa1", "pa2"] if loss in ("hinge", "epsilon_insensitive") else []
        rates += ["optimal"] if loss in CLASSIFIERS else []
        for rate in rates:
            yield loss, rate


@pytest.mark.parametrize(("loss", "rate"), list(cases()))
@each("alpha, l1_ratio", [(0.0, 0.0), (1e-3, 0.0), (1e-2, 0.4)])
@pytest.mark.slow
def test_equals_the_twin(loss, rate, alpha, l1_ratio):
    X = design()
    X = X / abs(X).max(axis=0) if rate not in ADAPTIVE else X
    y = targets(X, loss)
    asked = rule(loss, rate, 1e-3 if rate == "optimal" else alpha, l1_ratio)
    for size in (7, 150):
        for data in (X, sp.csr_array(X)):
            # first steps of "optimal" are long, and so errors grow
            tol = 1e-8 if rate == "optimal" else 1e-10
            assert_same(*both(X, y, asked, size, matrix(data)), tol)


@pytest.mark.parametrize("rate", [*ADAPTIVE, "constant"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index", [None, np.int32, np.int64])
def test_storages(rate, dtype, index):
    X = design(p=21)
    X = X if rate in ADAPTIVE else np.clip(X, -1, 1)
    y = targets(X, "log_loss")
    X = X.astype(dtype)
    data = matrix(X) if index is None else matrix(sp.csr_array(X), index)
    assert_same(*both(X.astype(float), y, rule(learning_rate=rate), 130, data))


@pytest.mark.parametrize("rate", [*ADAPTIVE, "constant", "pa1"])
@pytest.mark.parametrize("loss", ["log_loss", "hinge", "multinomial"])
def test_several_outputs(rate, loss):
    if rate == "pa1" and loss != "hinge":
        return
    X = design()
    X = X / abs(X).max(axis=0) if rate not in ADAPTIVE else X
    codes = np.digitize(X[:, :4].sum(axis=1), [-1.0, 1.0]).astype(np.int32)
    positive = None if loss == "multinomial" else np.array([1.0, 2.0, 0.5])
    for l1_ratio, data in itertools.product((0.0, 0.5), (X, sp.csr_array(X))):
        asked = rule(loss, rate, l1_ratio=l1_ratio)
        assert_same(*both(X, codes, asked, 64, matrix(data), k=3, positive=positive))
    shares = np.random.default_rng(0).dirichlet(np.ones(3), N)
    if loss != "hinge":
        assert_same(*both(X, shares, rule(loss, rate), 64, k=3))


@pytest.mark.parametrize("rate", [*ADAPTIVE, "constant"])
@pytest.mark.parametrize("loss", ["squared_error", "hinge"])
def test_weights_order_factors_and_averages(rate, loss):
    X = design()
    X = X / abs(X).max(axis=0) if rate not in ADAPTIVE else X
    y, rng = targets(X, loss), np.random.default_rng(3)
    weight = rng.integers(0, 4, N) * rng.random(N)
    weight[40:60] = 0.0
    order = rng.permutation(N)[:200]
    factor = rng.choice([0.0, 1.0, 2.5], P)
    for data in (X, sp.csr_array(X)):
        asked = rule(loss, rate, average=11)
        one, twin, losses = both(
            X, y, asked, 20, matrix(data), factor=factor, weight=weight, order=order
        )
        assert_same(one, twin, losses)
        for got, expected in zip(one.average(), twin.average(), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9 * abs(expected).max())


@pytest.mark.parametrize("rate", [*ADAPTIVE, "constant", "invscaling"])
def test_batches_without_weight_change_nothing(rate):
    X = design(n=30) / 100
    y = targets(X, "squared_error")
    learner = Learner(P, 1, rule("squared_error", rate, batch_size=10))
    learner.learn(matrix(X), y)
    before = learner.copy()
    assert learner.learn(matrix(X[:10] * 1e6), y[:10], np.zeros(10)) == 0.0
    np.testing.assert_array_equal(learner.coef(), before.coef())
    np.testing.assert_array_equal(learner.intercept(), before.intercept())
    assert learner.eta == before.eta
    one, other = learner.learn(matrix(X), y), before.learn(matrix(X), y)
    assert one == other or rate not in ADAPTIVE
    np.testing.assert_array_equal(learner.coef(), before.coef())


@pytest.fixture
def on_threads():
    before = fastridge.get_num_threads(), _cpu.get_serial_below()
    _cpu.set_serial_below(0)
    yield fastridge.set_num_threads
    _cpu.set_serial_below(before[1])
    fastridge.set_num_threads(before[0])


@pytest.mark.parametrize("rate", [*ADAPTIVE, "constant", "pa1"])
@pytest.mark.parametrize("k", [1, 3])
def test_same_bits_on_any_number_of_threads(rate, k, on_threads):
    X = design(n=2500, p=30)
    X = X / abs(X).max(axis=0) if rate not in ADAPTIVE else X
    y = targets(X, "hinge") if k == 1 else np.arange(2500, dtype=np.int32) % 3
    for data in (X, X.astype(np.float32), sp.csr_array(X)):
        found = []
        for threads in (1, 2, 3):
            on_threads(threads)
            learner = Learner(30, k, rule("hinge", rate, batch_size=700))
            losses = [learner.learn(matrix(data), y) for _ in range(2)]
            found.append((losses, learner.state()))
        for losses, state in found[1:]:
            assert losses == found[0][0]
            for name in ("table", "numbers", "scale"):
                np.testing.assert_array_equal(state[name], found[0][1][name])


@pytest.mark.parametrize("rate", [*ADAPTIVE, "constant"])
def test_a_batch_of_one_row_is_the_row(rate):
    X = design() / 100
    y = targets(X, "log_loss")
    one, other = (
        Learner(P, 1, rule(learning_rate=rate, **more)) for more in ({}, {"batch_size": 1})
    )
    assert one.learn(matrix(X), y) == other.learn(matrix(X), y)
    np.testing.assert_array_equal(one.coef(), other.coef())
    # a call of one row is a batch of one, too
    one.learn(matrix(X[:1]), y[:1])
    other.rule = other.rule._replace(batch_size=50)
    other.learn(matrix(X[:1]), y[:1])
    np.testing.assert_array_equal(one.coef(), other.coef())


@pytest.mark.parametrize("rate", ["auto", "coin"])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_scales_of_columns_do_not_matter(rate, kind):
    X = design(density=0.8)
    y = targets(X, "squared_error")
    scale = 10.0 ** np.random.default_rng(5).uniform(-150, 140, P)
    found = []
    for factor in (np.ones(P), scale):
        learner = Learner(P, 1, rule("squared_error", rate, 0.0, batch_size=30))
        losses = [learner.learn(matrix(kind(X * factor)), y) for _ in range(3)]
        found.append((losses, learner.coef() * factor))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-9)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("rate", [*ADAPTIVE, "constant"])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_divergence_is_undone(rate, kind):
    X = design(n=90) / 100
    y = targets(X, "squared_error")
    learner = Learner(P, 1, rule("squared_error", rate, batch_size=20))
    learner.learn(matrix(kind(X)), y)
    before = learner.copy()
    bad = X.copy()
    bad[75, 2] = np.inf
    with np.errstate(all="ignore"), pytest.raises(Diverged):
        learner.learn(matrix(kind(bad)), y)
    one, other = learner.state(), before.state()
    np.testing.assert_array_equal(one["numbers"], other["numbers"])
    np.testing.assert_array_equal(learner.coef(), before.coef())


def test_wide_and_empty_data():
    for p in (1, 3000):
        X = design(n=40, p=p)
        y = targets(X, "hinge")
        for data in (X, sp.csr_array(X)):
            assert_same(*both(X, y, rule("hinge"), 16, matrix(data)))
    empty = sp.csr_array((20, 5))
    learner = Learner(5, 1, rule("hinge", batch_size=8))
    learner.learn(matrix(empty), np.ones(20))
    assert not learner.coef().any()
    assert learner.intercept()[0] > 0
    assert learner.learn(matrix(sp.csr_array((0, 5))), np.ones(0)) == 0.0


def test_resumes_in_the_middle():
    X = design()
    y = targets(X, "log_loss")
    through, first = (Learner(P, 1, rule(batch_size=23, average=1)) for _ in range(2))
    through.learn(matrix(X), y)
    first.learn(matrix(X[:115]), y[:115])
    second = Learner.of_state(first.state())
    second.learn(matrix(X[115:]), y[115:])
    np.testing.assert_array_equal(second.coef(), through.coef())
    np.testing.assert_array_equal(second.average()[0], through.average()[0])


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends a signal to itself")
@pytest.mark.parametrize("size", [50, 10**6])
def test_interrupts(size):
    X = np.random.default_rng(0).standard_normal((2000, 100))
    y = targets(X, "hinge")
    order = np.random.default_rng(0).integers(0, 2000, 6_000_000)
    learner = Learner(100, 1, rule("hinge", batch_size=size))
    A, long = matrix(X), np.tile(order, 5)
    learner.learn(A, y)
    before = learner.copy()
    timer = threading.Timer(0.15, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        learner.learn(A, y, order=long)
    assert time.perf_counter() - began < 1.15
    timer.join()
    assert learner.coef().shape == before.coef().shape


def test_estimators():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 8)) * 10.0 ** np.arange(-4, 4)
    eta = (X / X.std(axis=0)) @ rng.standard_normal(8)
    warnings.simplefilter("ignore")
    for size in (1, 16, 200):
        model = SGDClassifier("log_loss", alpha=0, batch_size=size, max_iter=20, random_state=0)
        assert model.fit(X, eta > 0).score(X, eta > 0) > 0.97
        other = SGDRegressor(alpha=0, batch_size=size, max_iter=20, random_state=0)
        assert other.fit(X, eta).score(X, eta) > 0.97
        assert other.fit(sp.csr_array(X), eta).score(X, eta) > 0.97
    three = SGDClassifier("multinomial", alpha=0, batch_size=50, random_state=0)
    assert three.fit(X, np.digitize(eta, [-1, 1])).score(X, np.digitize(eta, [-1, 1])) > 0.9
    for bad in (0, -1, 1.5, "2", True):
        with pytest.raises(ValueError, match="batch_size"):
            SGDRegressor(batch_size=bad).fit(X, eta)
    model = SGDRegressor(batch_size=10).partial_fit(X, eta)
    assert model.t_ == 4001.0
