"""Objects that several threads use at once: estimators, results, optimizers and settings."""

import copy
import pickle
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp

import fastridge as fr
from fastridge import _threads
from fastridge._locks import StateLock, lock_of
from fastridge.data import inputs
from fastridge.quadratic.posterior import Posterior

N, P = 400, 12


def data(kind="C"):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, P))
    if kind == "csr":
        X = sp.csr_array(X * (rng.random((N, P)) < 0.3))
    return X, rng.standard_normal(N)


def together(*calls):
    """Run functions at once, one thread each; return their results."""
    gate = threading.Barrier(len(calls))

    def run(call):
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [job.result() for job in [pool.submit(run, call) for call in calls]]


# the kernel read the rows of another call, which had ended: it crashed
LEARNERS = """
    import pickle, threading, warnings
    import numpy as np, scipy.sparse as sp
    import fastridge as fr

    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    sizes = (6000, 100, 1500, 20000)
    X = [rng.standard_normal((n, 30)) for n in sizes]
    y = [x[:, 0] + rng.standard_normal(len(x)) for x in X]
    sparse = [sp.csr_array(x * (rng.random(x.shape) < 0.3)) for x in X]
    for model, given, classes in (
        (fr.SGDRegressor(), X, None), (fr.SGDRegressor(batch_size=64), X, None),
        (fr.SGDClassifier(learning_rate="optimal", average=5), sparse, [False, True]),
        (fr.SGDClassifier(loss="log_loss", penalty="l1"), X, [False, True]),
    ):
        errors = []
        def learn(i):
            for _ in range(10):
                if classes is None:
                    model.partial_fit(given[i], y[i])
                else:
                    model.partial_fit(given[i], y[i] > 0, classes)
                model.predict(given[1])
                pickle.loads(pickle.dumps(model)).coef_
        def work(i):
            try:
                learn(i)
            except BaseException as error:
                errors.append(error)
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors, errors
        # every row of every call was learned from
        assert model.t_ == 1 + 10 * sum(sizes), model.t_
        assert np.isfinite(model.coef_).all()
"""


@pytest.mark.slow
def test_one_model_learns_in_several_threads():
    run = subprocess.run(
        [sys.executable, "-P", "-X", "faulthandler", "-c", textwrap.dedent(LEARNERS)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


def test_a_state_in_use_is_refused_by_the_kernel():
    from fastridge._sgd import LOSSES, RULES, Steps

    n = 1 << 20
    group, factor = None, None
    steps = Steps(
        n, 1, LOSSES["squared_error"], RULES["adagrad"], True, 4, False, False, group, factor,
        np.ones(1),
    )  # fmt: skip
    steps.set_rule(0.1, 0.01, 0.5, 0.0, 1e-4, 0.0, 0.0)
    refused = []

    def flush():
        for _ in range(30):
            try:
                steps.flush()
            except RuntimeError as error:
                refused.append(str(error))

    together(flush, flush, flush)
    assert set(refused) <= {"another thread is using this model"}
    steps.flush()


def test_coefficients_after_learning_are_those_of_one_thread():
    X, y = data()
    expected = fr.SGDRegressor().partial_fit(X, y)
    predicted = expected.predict(X)
    for _ in range(20):
        model = fr.SGDRegressor().partial_fit(X, y)
        for found in together(*[lambda m=model: m.predict(X)] * 4):
            np.testing.assert_array_equal(found, predicted)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_locks_are_not_copied(copied, tmp_path):
    X, y = data()
    model = fr.SGDRegressor().partial_fit(X, y)
    other = copied(model)
    assert "_state_lock" not in vars(other)
    np.testing.assert_array_equal(other.partial_fit(X, y).coef_, model.partial_fit(X, y).coef_)
    assert lock_of(other) is not lock_of(model)
    fr.save(model, tmp_path / "model")
    assert "_state_lock" not in vars(fr.load(tmp_path / "model"))


def test_a_lock_that_another_thread_held_at_the_fork(monkeypatch):
    lock = StateLock()
    thread = threading.Thread(target=lock.current().__enter__)
    thread.start()
    thread.join()
    held = lock.current()
    monkeypatch.setattr("os.getpid", lambda: 7)
    with lock.current():
        assert lock.current() is not held


def test_a_fork_by_the_thread_that_holds_the_lock(monkeypatch):
    lock = StateLock()
    with lock.current():
        monkeypatch.setattr("os.getpid", lambda: 7)
        with lock.current():
            pass


def test_a_posterior_that_another_thread_computes_first(monkeypatch):
    X, y = data()
    for rows, name in ((slice(None), "of_gram"), (slice(8), "of_rows")):
        model = fr.BayesianRidge().fit(X[rows], y[rows])
        whole = getattr(Posterior, name)
        first = []

        def computed(*given, model=model, whole=whole, first=first):
            if not first:
                first.append(None)
                first.append(model.posterior_)
            return whole(*given)

        with monkeypatch.context() as patch:
            patch.setattr(Posterior, name, computed)
            found = model.posterior_.toarray()
        np.testing.assert_array_equal(found, first[1].toarray())


RESULTS = {
    "ridge_path": lambda X, y: fr.ridge_path(X, y, [9.0, 1.0, 0.1]),
    "ridge_path of rows": lambda X, y: fr.ridge_path(X[:8], y[:8], [9.0, 1.0, 0.1]),
    "ridge_path with a prior": lambda X, y: fr.ridge_path(
        X, y, [9.0, 1.0], penalty_matrix=np.eye(P) + 0.1
    ),
    "elastic_net_path": lambda X, y: fr.elastic_net_path(X, y, alphas=5),
    "glm_path": lambda X, y: fr.glm_path(X, y > 0, "logistic", alphas=4),
    "posterior": lambda X, y: fr.glm(X, y > 0, "logistic", alpha=0.1).posterior(),
    "posterior of classes": lambda X, y: fr.glm(
        X, np.digitize(y, [-0.5, 0.5]), "multinomial", alpha=0.1
    ).posterior(),
    "BayesianRidge": lambda X, y: fr.BayesianRidge().fit(X, y),
    "GroupRidge": lambda X, y: fr.GroupRidge(groups=np.arange(P) // 4).fit(X, y),
    "Moments": lambda X, y: fr.Moments(X, y),
}


def everything(result):
    """Return the public attributes of a result that are numbers or arrays."""
    found = {}
    for name in dir(result):
        if not name.startswith("_"):
            value = getattr(result, name, None)
            if isinstance(value, (float, int, np.number, np.ndarray)):
                found[name] = np.asarray(value)
    return found


@pytest.mark.parametrize("name", RESULTS)
def test_attributes_computed_by_several_threads(name):
    X, y = data()
    expected = everything(RESULTS[name](X, y))
    assert len(expected) > 1
    for _ in range(3):
        result = RESULTS[name](X, y)
        for found in together(*[lambda r=result: everything(r)] * 4):
            assert found.keys() == expected.keys()
            for key, value in found.items():
                np.testing.assert_array_equal(value, expected[key], err_msg=key)


@pytest.mark.parametrize("kind", ["C", "csr"])
def test_thread_counts_set_while_fits_run(kind):
    X, y = data(kind)
    before = fr.get_num_threads()
    fit = lambda: fr.ridge(X, y, 1.0, solver="cg").coef  # noqa: E731
    expected = fit()
    try:

        def change():
            for n in range(60):
                fr.set_num_threads(1 + n % 4)
                with fr.num_threads(1 + n % 3):
                    assert fr.get_num_threads() == 1 + n % 3

        results = together(change, change, *[lambda: [fit() for _ in range(10)]] * 2)
    finally:
        fr.set_num_threads(before)
    assert all(np.array_equal(coef, expected) for found in results[2:] for coef in found)


@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_arrays_replaced_while_fits_run(kind):
    rng = np.random.default_rng(0)
    dense = rng.standard_normal((3000, 40)) * (rng.random((3000, 40)) < 0.3)
    X, y = sp.csr_array(dense).asformat(kind), rng.standard_normal(3000)
    expected = fr.ridge(X, y, 1.0, solver="cg").coef
    stop = threading.Event()

    def replace():
        while not stop.is_set():
            # equal arrays elsewhere; the old ones are freed once nobody holds them
            X.data = X.data.copy()
            X.indices = X.indices.copy()
            X.indptr = X.indptr.copy()

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(40):
            found = fr.ridge(X, y, 1.0, solver="cg").coef
            np.testing.assert_array_equal(found, expected)
            fr.Lasso(0.1).fit(X, y)
    finally:
        stop.set()
        thread.join()


def test_marks_of_foreign_calls_are_never_equal():
    def marks():
        found = []
        for _ in range(2000):
            before = inputs.last_foreign()
            inputs.note_foreign()
            found.append(inputs.last_foreign() is not before)
        return all(found)

    assert all(together(marks, marks, marks))


def test_a_fit_inside_a_callback():
    """A callback may fit, with the same data and the same estimator class."""
    X, y = data("csr")
    inner = []

    def callback(done, total):
        inner.append(fr.RidgeCV([1.0, 9.0], cv=2).fit(X, y).alpha_)
        fr.elastic_net_path(X, y, alphas=3)

    path = fr.ridge_path(X, y, [9.0, 1.0], solver="cg", callback=callback)
    plain = fr.ridge_path(X, y, [9.0, 1.0], solver="cg")
    np.testing.assert_array_equal(path.coef, plain.coef)
    lasso = fr.elastic_net_path(X, y, alphas=4, callback=callback)
    np.testing.assert_array_equal(lasso.coef, fr.elastic_net_path(X, y, alphas=4).coef)
    fr.LogisticRegressionCV(
        Cs=[0.1, 1.0], cv=2, l1_ratios=[0.0], scoring="accuracy", callback=callback,
        use_legacy_attributes=False,
    ).fit(X, y > 0)  # fmt: skip
    assert len(set(inner)) == 1


def test_a_fit_inside_a_scorer_of_another():
    X, y = data()

    def scorer(estimator, A, b):
        return fr.Ridge(estimator.alpha).fit(A, b).score(A, b)

    model = fr.RidgeCV([1.0, 9.0], cv=3, scoring=scorer).fit(X, y)
    assert np.isfinite(model.best_score_)


def test_stops_of_threads_are_their_own():
    event = threading.Event()
    event.set()
    with _threads.stopped_by(event), pytest.raises(_threads.Stopped):
        _threads.check_stop()
    together(_threads.check_stop, _threads.check_stop)
