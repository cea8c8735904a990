"""The search of ElasticNetCV: interrupts, and memory that folds release."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.model_selection import KFold

from fastridge import ElasticNetCV, LassoCV, elastic_net, num_threads
from fastridge.data.check import check_design
from fastridge.solvers.descent import folds
from fastridge.solvers.descent.path import DescentPath
from fastridge.solvers.descent.problem import DescentProblem

RATIOS, FOLDS = [0.1, 0.5, 0.9], 5


def problem():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 8))
    return X, X[:, 0] + rng.standard_normal(60)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("stop", [StopIteration, KeyboardInterrupt])
def test_folds_are_done_for_every_ratio_before_the_next(stop, n_jobs):
    X, y = problem()
    options = {"l1_ratio": RATIOS, "alphas": [1.0, 0.3, 0.1], "cv": FOLDS}
    whole = ElasticNetCV(**options).fit(X, y)
    calls = []

    def callback(done, total):
        calls.append((done, total))
        if done == 10:
            raise stop

    model = ElasticNetCV(n_jobs=n_jobs, callback=callback, **options)
    if stop is StopIteration:
        model.fit(X, y)
        assert model.alpha_ in model.alphas_
    else:
        with pytest.raises(stop):
            model.fit(X, y)
    assert calls == [(i, 15) for i in range(1, 11)]
    results = model.cv_results_
    # 10 paths are 3 folds for 3 l1_ratios, and 1 more; threads may be one fold apart
    assert results.n_folds >= (3 if n_jobs == 1 else 2)
    own = results["fold_validation_error"]
    of_all = whole.cv_results_["fold_validation_error"]
    for row in own:
        assert min(np.abs(of_all - row).max(axis=1)) < 1e-12
    assert_allclose(results["validation_error"], own.mean(axis=0))


def test_the_advice_for_several_targets_holds():
    import re

    import fastridge

    X, y = problem()
    Y = np.c_[y, -y]
    for kind in (ElasticNetCV, fastridge.LassoCV):
        with pytest.raises(ValueError, match="for multi-task outputs, use") as error:
            kind(alphas=[0.1]).fit(X, Y)
        (name,) = re.search(r"use (\w+)\.$", str(error.value)).groups()
        advised = getattr(fastridge, name)(alphas=[0.1])
        assert advised.fit(X, Y).coef_.shape == (2, 8)
        assert hasattr(advised, "l1_ratio") == hasattr(kind(), "l1_ratio")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_an_extension_goes_on_where_the_grid_ended(kind, shuffle):
    # wide data: finished folds keep only their solutions
    rng = np.random.default_rng(5)
    X = rng.standard_normal((80, 400)) * (rng.random((80, 400)) < 0.6)
    y = X[:, :10].sum(axis=1) + 0.1 * rng.standard_normal(80)
    source = np.array(X, order=kind) if len(kind) == 1 else sp.csr_array(X).asformat(kind)
    cv = KFold(4, shuffle=shuffle, random_state=0 if shuffle else None)
    options = {"l1_ratio": 0.9, "tol": 1e-13, "max_iter": 10_000}
    model = ElasticNetCV(cv=cv, alphas=5, eps=0.4, extend=True, store_coef=True, **options)
    with pytest.warns(UserWarning, match="extended"):
        model.fit(source, y)
    assert len(model.alphas_) > 5
    found = model.cv_results_["fold_coef"]
    for i, (train, _) in enumerate(cv.split(X)):
        for j in (0, 4, 5, -1):
            one = elastic_net(X[train], y[train], model.alphas_[j], **options)
            assert_allclose(found[i, j], one.coef, atol=1e-4)


def test_memory_of_folds_that_are_done_serves_the_next():
    rng = np.random.default_rng(6)
    X = np.asfortranarray(rng.standard_normal((90, 250)))
    buffers, memory = [], None
    for n in (72, 60, 71):
        A = check_design(np.asfortranarray(X[:n]))
        problem = DescentProblem.of_data(A, X[:n, 0], None, None, None, None, True, False)
        path = DescentPath(problem, "working", 1000, 0, buffers=buffers)
        l1 = np.full(250, 0.02 * np.abs(problem.cross).max())
        assert path.solve(l1, np.full(250, 1e-3), 1e-10)
        assert memory is None or path.memory is memory
        memory = path.memory
        path.release()
        assert len(buffers) == 1
    found = path.u.copy()
    assert path.solve(0.5 * l1, np.full(250, 1e-3), 1e-10)
    assert path.solve(l1, np.full(250, 1e-3), 1e-10)
    assert_allclose(path.u, found, atol=1e-3)


@pytest.mark.filterwarnings("ignore::fastridge.exceptions.GridWarning")
@pytest.mark.parametrize(
    ("shape", "n_jobs", "expected"), [((60, 20), None, 0), ((60, 20), 2, 1), ((400, 600), None, 1)]
)
def test_short_fits_of_folds_run_on_one_thread(shape, n_jobs, expected, monkeypatch):
    """Where the interpreter takes most of the time, threads would wait for its lock."""
    pools = []

    class Pool(folds.ThreadPoolExecutor):
        def __init__(self, workers):
            pools.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(folds, "ThreadPoolExecutor", Pool)
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    with num_threads(2):
        model = LassoCV(alphas=4, eps=0.3, cv=3, n_jobs=n_jobs)
        model.fit(X, X[:, 0] + rng.standard_normal(shape[0]))
    assert len(pools) == expected
