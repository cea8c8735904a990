"""Operations without memory raise MemoryError, and leave what was there as it was.

Large allocations are made to fail one after the other by a library in front of that of C. NumPy
itself crashes where it has no memory for its buffers of 64 kB: those succeed.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("resource")
if (
    sys.platform != "linux"
    or shutil.which("gcc") is None
    or os.confstr("CS_GNU_LIBC_VERSION") is None
):
    pytest.skip("allocations fail on demand with gcc and glibc alone", allow_module_level=True)

FAILING = """
#include <errno.h>
#include <stddef.h>

void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static long seen, first;  /* large allocations so far, and the first that fails */

long fail_from(long number) { long before = seen; seen = 0; first = number; return before; }

static int fails(size_t size)
{
    if (size < 70000 || !first || __atomic_add_fetch(&seen, 1, __ATOMIC_RELAXED) < first)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return fails(size) ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return fails(n * size) ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return fails(size) ? NULL : __libc_realloc(p, size); }
void *aligned_alloc(size_t to, size_t size)
{
    return fails(size) ? NULL : __libc_memalign(to, size);
}
int posix_memalign(void **p, size_t to, size_t size)
{
    *p = fails(size) ? NULL : __libc_memalign(to, size);
    return *p ? 0 : ENOMEM;
}
"""
COMMON = """
import ctypes, json, resource, sys, warnings
from pathlib import Path
import numpy as np, scipy.sparse as sp
import fastridge as f

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
"""
TABLE = """
X, W = rng.standard_normal((1500, 80)), rng.standard_normal((80, 1500))
y, v = X[:, 0] + rng.standard_normal(1500), W[:, 0] + rng.standard_normal(80)
Y, S, V = np.c_[y, X[:, 1] - y], sp.csr_array(X * (X > 1.0)), sp.csr_array(W * (W > 1.0))
sign, classes = (y > 0).astype(int), np.digitize(y, [-1.0, 1.0])
counts = rng.poisson(1.0, 1500).astype(float)
few, once = {"cv": 3, "n_jobs": 1}, {"max_iter": 3, "tol": None, "random_state": 0}
FITS = {
    "Ridge": (f.Ridge(), X, y), "Ridge sparse": (f.Ridge(), S, y), "Ridge wide": (f.Ridge(), W, v),
    "Ridge cg": (f.Ridge(solver="sparse_cg"), S, y), "Ridge svd": (f.Ridge(solver="svd"), X, Y),
    "Ridge positive": (f.Ridge(positive=True), X, y),
    "RidgeCV": (f.RidgeCV([1.0, 2.0]), X, y), "RidgeCV folds": (f.RidgeCV([1.0, 2.0], cv=3), S, Y),
    "RidgeCV gcv": (f.RidgeCV([1.0, 2.0], cv="gcv"), W, v),
    "RidgeClassifier": (f.RidgeClassifier(), X, classes),
    "RidgeClassifierCV": (f.RidgeClassifierCV([1.0, 2.0]), S, classes),
    "LinearRegression": (f.LinearRegression(), X, Y),
    "LinearRegression wide": (f.LinearRegression(), W, v),
    "BayesianRidge": (f.BayesianRidge(), X, y), "BayesianRidge wide": (f.BayesianRidge(), W, v),
    "GroupRidge": (f.GroupRidge(np.arange(80) // 20), X, y),
    "GroupRidge wide": (f.GroupRidge(np.arange(1500) // 500), W, v),
    "Lasso": (f.Lasso(0.05), X, y), "Lasso sparse": (f.Lasso(0.01), S, y),
    "ElasticNet": (f.ElasticNet(0.05), W, v),
    "LassoCV": (f.LassoCV(alphas=4, **few), X, y),
    "ElasticNetCV": (f.ElasticNetCV(alphas=4, **few), S, y),
    "MultiTaskLasso": (f.MultiTaskLasso(0.1), X, Y),
    "MultiTaskElasticNet": (f.MultiTaskElasticNet(0.1), S, Y),
    "MultiTaskLassoCV": (f.MultiTaskLassoCV(alphas=4, **few), X, Y),
    "MultiTaskElasticNetCV": (f.MultiTaskElasticNetCV(alphas=4, **few), X, Y),
    "LogisticRegression": (f.LogisticRegression(), X, sign),
    "LogisticRegression sparse": (f.LogisticRegression(), S, classes),
    "LogisticRegression dual": (f.LogisticRegression(fit_intercept=False), V, v > 0),
    "LogisticRegression l1": (f.LogisticRegression(C=0.1, l1_ratio=1.0), X, sign),
    "LogisticRegressionCV": (
        f.LogisticRegressionCV(
            Cs=2, l1_ratios=(0.0,), scoring="accuracy", use_legacy_attributes=False, **few
        ), X, sign,
    ),
    "PoissonRegressor": (f.PoissonRegressor(), X, counts),
    "PoissonRegressor cg": (f.PoissonRegressor(solver="newton-cg"), S, counts),
    "GammaRegressor": (f.GammaRegressor(), X, counts + 1.0),
    "TweedieRegressor": (f.TweedieRegressor(power=1.5), X, counts),
    "GLMCV": (f.GLMCV("poisson", alphas=[0.1, 0.01], **few), X, counts),
    "SGDRegressor": (f.SGDRegressor(**once), X, y),
    "SGDClassifier": (f.SGDClassifier(**once), S, classes),
}
moments = f.Moments(X, Y)
text = b"1 1:0.5 3:0.25 7:1e-3\\n" * 30_000
model = f.Ridge().fit(X, Y)

def step():
    parameter = np.zeros((1500, 80))
    f.optim.Adam([parameter], lr=0.1).step([X])
    return parameter

CALLS = {
    "ridge_path": lambda: f.ridge_path(X, y, [1.0, 2.0]).coef,
    "ridge_batch": lambda: f.ridge_batch(X.reshape(5, 300, 80), y.reshape(5, 300), 1.0).coef,
    "rolling_ridge": lambda: f.rolling_ridge(X, y, window=100, alpha=1.0).coef,
    "elastic_net_path": lambda: f.elastic_net_path(X, y, alphas=4).coef,
    "lasso_path": lambda: f.lasso_path(X, Y, alphas=4).coef,
    "glm_path": lambda: f.glm_path(X, counts, "poisson", alphas=[0.1, 0.01]).coef,
    "left_out": lambda: f.glm(X, sign, "logistic", 0.1).left_out().mean,
    "GLMPosterior": lambda: f.GLMPosterior(f.glm(X, sign, "logistic", 0.1)).covariance,
    "information_criteria": lambda: f.information_criteria(f.Lasso(0.1).fit(X, y), X, y).aic,
    "Moments": lambda: (f.Moments(X, Y) + moments - moments).gram,
    "Adam": step, "predict": lambda: model.predict(S),
    "read_svmlight": lambda: f.io.read_svmlight(text)[0].sum(axis=0),
}

fail_from = ctypes.CDLL(None).fail_from
fail_from.restype, fail_from.argtypes = ctypes.c_long, [ctypes.c_long]
MOST = 12  # tries of an operation

def failing(name, call):
    '''Call with each large allocation the first to fail; return the failures and the calls.'''
    fail_from(2**40)
    call()
    count, failures = fail_from(0), 0
    numbers = np.unique(np.linspace(1, count, min(count, MOST)).astype(int))
    for number in map(int, numbers):
        print(name, number, "of", count, file=sys.stderr, flush=True)
        fail_from(number)
        try:
            call()
        except MemoryError:
            failures += 1
        finally:
            fail_from(0)
    return failures, len(numbers)

found = {}
with f.num_threads(int(sys.argv[1])):
    for name, (estimator, A, b) in FITS.items():
        estimator.fit(A, b)
        expected = estimator.coef_.copy()
        before = dict(estimator.__dict__)
        arrays = {k: v.copy() for k, v in before.items() if isinstance(v, np.ndarray)}

        def check_whole():
            '''Compare the attributes with those of the earlier fit.'''
            now = estimator.__dict__
            if "cv_results_" in now and "coef_" not in now:
                # only results of penalties that were tried
                assert "CV" in name
                assert set(now) - {"cv_results_", "_prior_mean"} <= set(estimator.get_params())
            else:
                assert {k for k in before if k.endswith("_")} <= set(now)
                changed = [k for k in before if k.endswith("_") and now[k] is not before[k]]
                assert not changed, changed
                for k, value in arrays.items():
                    np.testing.assert_array_equal(now[k], value, err_msg=k)

        def refit():
            try:
                estimator.fit(A, b)
            except MemoryError:
                check_whole()
                raise
            estimator.__dict__.clear()
            estimator.__dict__.update(before)

        found[name] = failing(name, refit)
        np.testing.assert_allclose(estimator.fit(A, b).coef_, expected, rtol=1e-6, atol=1e-9)
    for name, call in CALLS.items():
        expected = np.copy(call())
        found[name] = failing(name, call)
        np.testing.assert_allclose(call(), expected, rtol=1e-9)
print(json.dumps(found))
"""
FIRST = """
HARD = resource.getrlimit(resource.RLIMIT_AS)[1]

def limit(bytes):
    size = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
    soft = resource.RLIM_INFINITY if bytes is None else size + int(bytes)
    resource.setrlimit(resource.RLIMIT_AS, (soft, HARD))

X, y = rng.standard_normal((200, 100)), rng.standard_normal(200)
model = getattr(f, sys.argv[1])(**json.loads(sys.argv[2]))
# a library that is loaded without memory for its threads ends the process too
import scipy.linalg
limit(float(sys.argv[3]))
try:
    model.fit(X, y)
except (MemoryError, ImportError) as error:
    # modules that cannot be mapped
    assert isinstance(error, MemoryError) or "failed to map" in str(error), error
    print(type(error).__name__)
limit(None)
A = X - X.mean(axis=0)
coef = f.Ridge(2.0, solver="svd").fit(X, y).coef_
np.testing.assert_allclose(coef, np.linalg.solve(A.T @ A + 2.0 * np.eye(100), A.T @ y), rtol=1e-9)
model.fit(X, y).predict(X)
"""


def run(program, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-P", "-c", COMMON + program, *map(str, arguments)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    return done.stdout


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Library whose large allocations fail on demand."""
    folder = tmp_path_factory.mktemp("failing")
    (folder / "failing.c").write_text(FAILING)
    command = ["gcc", "-O1", "-shared", "-fPIC", "-fno-builtin", "failing.c", "-o", "failing.so"]
    subprocess.run(command, cwd=folder, check=True)
    return str(folder / "failing.so")


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_little_memory_is_an_exception(library, threads):
    """An earlier fit stays as it is, and the object is usable."""
    found = json.loads(run(TABLE, threads, LD_PRELOAD=library))
    # some allocate nothing large
    assert sum(tries > 0 for _, tries in found.values()) > 44
    assert all(failures == tries for failures, tries in found.values())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), [("Ridge", {"solver": "svd"}), ("BayesianRidge", {})])
def test_the_first_call_of_blas_without_memory_is_an_exception(name, options):
    """OpenBLAS ends a process where it cannot map its buffer of 32 MB."""
    options = json.dumps(options)
    for bytes in (1e7, 2.5e7):
        assert run(FIRST, name, options, bytes).strip() in ("MemoryError", "ImportError")
    assert not run(FIRST, name, options, 1e8)
