"""Number of threads that solvers use for BLAS and LAPACK."""

import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import fastridge
from fastridge.systems import blas, lapack

rng = np.random.default_rng(0)
X = rng.standard_normal((90, 60))
Y = X[:, :3] @ rng.standard_normal((3, 2)) + 0.1 * rng.standard_normal((90, 2))
y = Y[:, 0]
WIDE, SHORT = rng.standard_normal((50, 120)), rng.standard_normal(50)


class Library:
    """An OpenBLAS that only remembers its number of threads."""

    def __init__(self, number=4):
        self.number, self.history = number, []

    def get(self):
        return self.number

    def set(self, number):
        self.number = number
        self.history.append(number)


@pytest.fixture
def library(monkeypatch):
    found = Library()
    limit = blas._Limit()
    limit._libraries = ((found.get, found.set),)
    for name in ("_depth", "_libraries", "_lowered"):
        monkeypatch.setattr(blas.one_thread, name, getattr(limit, name))
    return found


def path_of_ridge(A, b, **options):
    found = fastridge.ridge_path(A, b, [10.0, 1.0, 0.1], **options)
    return found.coef, found.dof, found.gcv, found.relative_gradient


CALLS = {
    "ridge_path": lambda: path_of_ridge(X, y),
    "ridge_path, wide": lambda: path_of_ridge(WIDE, SHORT),
    "ridge_path, cg": lambda: path_of_ridge(X, y, solver="cg"),
    "ridge_path, small": lambda: fastridge.ridge_path(X, y, [1e-12, 1.0]).coef,
    "dual": lambda: fastridge.ridge(WIDE, SHORT, solver="dual"),
    "qr": lambda: fastridge.ridge(X, y, solver="svd"),
    "cg": lambda: fastridge.ridge(X, y, solver="cg"),
    "bounded": lambda: fastridge.ridge(X, y, positive=True),
    "Moments": lambda: fastridge.ridge(fastridge.Moments(X, y)),
    "RidgeCV, folds": lambda: fastridge.RidgeCV(cv=3).fit(X, y),
    "RidgeCV, folds, wide": lambda: fastridge.RidgeCV(cv=3).fit(WIDE, SHORT),
    "RidgeCV, loo": lambda: fastridge.RidgeCV().fit(X, y),
    "RidgeCV, loo, wide": lambda: fastridge.RidgeCV().fit(WIDE, SHORT),
    "RidgeCV, gcv": lambda: fastridge.RidgeCV(cv="gcv").fit(X, y),
    "BayesianRidge": lambda: fastridge.BayesianRidge().fit(X, y).sigma_,
    "BayesianRidge, wide": lambda: fastridge.BayesianRidge().fit(WIDE, SHORT).predict(WIDE, True),
    "Lasso": lambda: fastridge.Lasso(0.1).fit(X, y),
    "Lasso, wide": lambda: fastridge.Lasso(0.1).fit(WIDE, SHORT),
    "LassoCV": lambda: fastridge.LassoCV(cv=3, n_jobs=2).fit(X, y),
    "MultiTaskLasso": lambda: fastridge.MultiTaskLasso(0.1).fit(X, Y),
    "LinearRegression": lambda: fastridge.LinearRegression().fit(X, y),
}


@pytest.mark.parametrize("name", CALLS)
def test_solvers_give_blas_one_thread_and_its_own_back(library, name):
    CALLS[name]()
    assert library.history[:1] == [1]
    assert library.number == 4
    assert set(library.history) == {1, 4}


def test_small_direct_fits_do_not_ask(library):
    fastridge.Ridge().fit(X[:, :5], y)
    fastridge.Lasso(0.1).fit(X[:, :5], y)
    fastridge.ridge_batch(np.stack([X, X]), np.stack([y, y]))
    assert library.history == []


def test_nesting_restores_once(library):
    with blas.one_thread, blas.one_thread:
        assert library.number == 1
    assert library.history == [1, 4]


def test_threads_restore_what_the_first_found(library):
    inside, leave = threading.Event(), threading.Event()

    def stay():
        with blas.one_thread:
            inside.set()
            leave.wait(30)

    other = threading.Thread(target=stay)
    other.start()
    assert inside.wait(30)
    with blas.one_thread:
        pass
    assert library.number == 1
    leave.set()
    other.join()
    assert library.history == [1, 4]


def test_an_error_restores(library):
    with pytest.raises(ZeroDivisionError), blas.one_thread:
        raise ZeroDivisionError
    assert library.number == 4


def test_a_number_set_meanwhile_stays(library):
    with blas.one_thread:
        library.number = 3
    assert library.number == 3


def test_one_thread_outside_is_left_alone(library):
    library.number = 1
    with blas.one_thread, blas.one_thread.lifted():
        pass
    assert library.history == []


def test_long_calls_have_all_threads(library):
    def number():
        return library.number

    with fastridge.num_threads(2):
        with blas.one_thread:
            assert lapack.call(1.0, number) == 1
            assert lapack.call(1e11, number) == 4
            assert lapack.call_alone(1e11, number) == 1
            assert library.number == 1
        assert library.number == 4
        assert lapack.call(1e11, number) == 4
        library.number = 1
        assert lapack.call(1e11, number) == 1
        library.number = 4
    with blas.one_thread, fastridge.num_threads(1):
        assert lapack.call(1e11, number) == 1


def test_no_openblas_is_no_error(monkeypatch):
    monkeypatch.setattr(blas, "_LINKED", ("fastridge.no_such_module", "fastridge._matrix"))
    assert blas._find() == ()


def test_openblas_of_numpy_and_scipy_is_found():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def numbers():
        found = threadpoolctl.threadpool_info()
        return [pool["num_threads"] for pool in found if pool["internal_api"] == "openblas"]

    pools = len(numbers())
    if not pools or os.name == "nt":
        pytest.skip("no OpenBLAS, or one that is seen by its path alone")
    with threadpoolctl.threadpool_limits(2):
        with blas.one_thread:
            assert numbers() == [1] * pools
        assert numbers() == [2] * pools


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_forked_inside_has_all_threads():
    script = """
        import os, threading
        from fastridge.systems import blas

        class Library:
            number = 4
        def change(number):
            Library.number = number
        blas.one_thread._libraries = ((lambda: Library.number, change),)
        inside, leave = threading.Event(), threading.Event()
        def stay():
            with blas.one_thread:
                inside.set()
                leave.wait(30)
        other = threading.Thread(target=stay)
        other.start()
        inside.wait(30)
        child = os.fork()
        if child == 0:
            fine = Library.number == 4
            with blas.one_thread:
                fine = fine and Library.number == 1
            os._exit(0 if fine and Library.number == 4 else 1)
        status = os.waitpid(child, 0)[1]
        leave.set()
        other.join()
        assert status == 0 and Library.number == 4, (status, Library.number)
    """
    # forking while other threads run is what is tested
    command = [sys.executable, "-P", "-W", "ignore", "-c", textwrap.dedent(script)]
    subprocess.run(command, check=True, timeout=60)


@pytest.mark.parametrize("order", ["C", "F"])
def test_products_are_the_same_on_any_number_of_threads(monkeypatch, order):
    monkeypatch.setattr(lapack, "_BLOCK", 2 * 30 * 20 * 64.0)
    A = np.asarray(rng.standard_normal((1000, 30)), order=order)
    B = rng.standard_normal((30, 20))
    found = []
    for n in (1, 2, 5):
        with fastridge.num_threads(n):
            found.append(lapack.product(A, B))
    np.testing.assert_allclose(found[0], A @ B, rtol=0, atol=1e-13)
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()


def test_errors_of_a_product_are_raised(monkeypatch):
    monkeypatch.setattr(lapack, "_BLOCK", 2 * 30 * 20 * 64.0)
    taken = []

    def matmul(*_, out):
        taken.append(1)
        raise MemoryError

    monkeypatch.setattr(lapack.np, "matmul", matmul)
    with fastridge.num_threads(3), pytest.raises(MemoryError):
        lapack.product(np.ones((1000, 30)), np.ones((30, 20)))
    assert 1 <= len(taken) <= 3


# each prints its name where threads of BLAS ran beside it for long
SPINNING = textwrap.dedent(
    """
    import os, time
    import numpy as np, scipy.linalg, scipy.sparse
    import fastridge as fr

    n, p = 30_000, 40
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    S = scipy.sparse.random_array((n, 400), density=0.02, rng=rng, format="csr")
    signal = X[:, 0] + rng.standard_normal(n)
    yes, counts, classes = signal > 0, rng.poisson(1.0, n), np.digitize(signal, [-0.5, 0.5])
    weight = rng.random(n) + 0.5
    logistic = fr.LogisticRegression().fit(X, yes)
    calls = {
        "glm": lambda: fr.glm(X, yes, "logistic", 1e-4),
        "glm, weights": lambda: fr.glm(X, counts, "poisson", 1e-4, sample_weight=weight),
        "glm, sparse": lambda: fr.glm(S, counts, "poisson", 1e-4),
        "glm, l1": lambda: fr.glm(X, counts, "poisson", 1e-3, l1_ratio=0.5),
        "glm, classes": lambda: fr.glm(X, classes, "multinomial", 1e-4),
        "glm_path": lambda: fr.glm_path(S, yes, "logistic", n_alphas=5),
        "LogisticRegressionCV": lambda: fr.LogisticRegressionCV(Cs=3, cv=3).fit(X, yes),
        "posterior": lambda: logistic.posterior(X, yes),
        "ridge, sparse": lambda: fr.ridge(S, signal),
        "ridge_path, sparse": lambda: fr.ridge_path(S, signal, [1.0, 10.0]),
    }
    for name, call in calls.items():
        call()
        time.sleep(0.02)
        every, own = time.process_time(), time.thread_time()
        call()
        own = time.thread_time() - own
        others = time.process_time() - every - own
        if others > 0.3 * own + 0.002:
            print(f"{name}: {own:.4f} s, and {others:.4f} s of other threads")
    """
)


@pytest.mark.skipif(len(blas._find()) == 0, reason="no OpenBLAS")
def test_no_thread_of_blas_waits_beside_a_fit():
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "FASTRIDGE_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-P", "-c", SPINNING],
        env=env, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert run.stdout == ""
