"""Memory of a fit as seen by the system, including allocations in C."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import KFold

import fastridge

if not Path("/proc/self/clear_refs").exists():
    pytest.skip("the peak of a process cannot be reset here", allow_module_level=True)

# large arrays have their own pages, which are returned when they are freed
ALONE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
COMMON = """
import ctypes, json, sys
from pathlib import Path
import numpy as np, scipy.sparse as sp
import fastridge

def made(n, p, k, form):
    # two elements in each of the longer vectors, nothing that needs sorting
    rng = np.random.default_rng(0)
    long, short = max(n, p), min(n, p)
    first = rng.integers(0, short - 1, long, dtype=np.int32)
    indices = np.column_stack([first, first + 1]).ravel()
    indptr = np.arange(0, 2 * long + 1, 2, dtype=np.int32)
    X = sp.csr_array((rng.standard_normal(2 * long), indices, indptr), shape=(long, short))
    X = X if n > p else X.T
    return X.asformat(form), rng.standard_normal((n, k) if k > 1 else n), rng.uniform(0.5, 2.0, n)

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))

# freed memory that the allocator keeps would hide what is taken from it again; glibc alone has it
trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: 0)

def peak(call):
    trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    return call(), status("VmHWM") - before

found = []
size = int(sys.argv[1])
"""
RIDGE = """
def fit(X, y, weight, intercept, threads):
    with fastridge.num_threads(threads):
        return fastridge.ridge(X, y, 1.0, sample_weight=weight, fit_intercept=intercept,
                               solver="sparse_cg", max_memory=0, tol=1e-3)

for n, p in ((size, 300), (300, size)):
    for form, k, weighted, intercept, threads in (
        ("csr", 1, False, True, 1), ("csr", 1, True, True, 2), ("csr", 1, False, False, 1),
        ("csc", 1, False, True, 1), ("csc", 1, True, True, 2), ("csc", 3, False, True, 1),
    ):
        small = made(50, 40, k, form)
        fit(*small[:2], small[2] if weighted else None, intercept, threads)
        X, y, weight = made(n, p, k, form)
        weight = weight if weighted else None
        result, bytes = peak(lambda: fit(X, y, weight, intercept, threads))
        case = f"{form} {n} x {p}, {k} targets, {weighted=}, {intercept=}, {threads=}"
        found.append((case, n > p, bytes / (8 * size * k), result.solver, result.converged))
        del X, y, weight, result
print(json.dumps(found))
"""
LASSO = """
def fit(X, y, weight, intercept, ratio, solver):
    return fastridge.elastic_net_path(X, y, l1_ratio=ratio, fit_intercept=intercept, alphas=8,
                                      eps=0.5, tol=1e-6, solver=solver, sample_weight=weight,
                                      standardize=weight is not None)

for n, p in ((size, 300), (300, size)):
    for weighted, intercept, ratio, solver in (
        (False, True, 1.0, "working"), (False, True, 1.0, "columns"),
        (False, False, 0.5, "working"), (True, True, 1.0, "columns"),
    ):
        small = made(50, 40, 1, "csc")
        fit(*small[:2], small[2] if weighted else None, intercept, ratio, solver)
        X, y, weight = made(n, p, 1, "csc")
        weight = weight if weighted else None
        result, bytes = peak(lambda: fit(X, y, weight, intercept, ratio, solver))
        case = f"{n} x {p}, {weighted=}, {intercept=}, {ratio=}, {solver=}"
        found.append((case, n > p, bytes / (8 * size), int(result.dof[-1]), result.solver))
        del X, y, weight, result
print(json.dumps(found))
"""
LIMIT = """
def measured(n, p, form, alpha, limit, kind):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, p)), rng.standard_normal(n)
    if form == "F":
        X = np.asfortranarray(X)
    elif form != "C":
        X = sp.csr_array(X * (rng.random((n, p)) < 0.1)).asformat(form)
    calls = {
        "ridge": lambda: fastridge.ridge(X, y, alpha, max_memory=limit),
        "path": lambda: fastridge.ridge_path(X, y, [10 * alpha, alpha], max_memory=limit),
        "folds": lambda: fastridge.RidgeCV([10 * alpha, alpha], cv=4, max_memory=limit).fit(X, y),
    }
    return peak(calls[kind])

with fastridge.num_threads(1):
    for form in ("C", "F", "csr", "csc"):
        for n, p in ((5000, 700), (600, 3000)):
            for kind in ("ridge", "path", "folds"):
                for limit in (1e6, 1.2e7):
                    measured(60, 50, form, 1.0, 0, kind)
                    result, bytes = measured(n, p, form, 100.0, limit, kind)
                    case = f"{kind} of {form} {n} x {p} with {limit:g} bytes"
                    found.append((case, bytes, limit, 8 * (20 * n + 64 * p)))
print(json.dumps(found))
"""

ESTIMATES = """
import warnings

# the automatic grid and few iterations do not matter here
warnings.simplefilter("ignore")

def case(n, p, form, k):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    if form in ("csr", "csc"):
        X = sp.csr_array(X * (rng.random((n, p)) < 0.05)).asformat(form)
    elif form == "F":
        X = np.asfortranarray(X)
    return X, rng.standard_normal((n, k) if k > 1 else n)

models = {
    "ridge": lambda **o: fastridge.Ridge(100.0, **o),
    "cg": lambda **o: fastridge.Ridge(100.0, solver="sparse_cg", **o),
    "svd": lambda **o: fastridge.Ridge(100.0, solver="svd", **o),
    "folds": lambda **o: fastridge.RidgeCV([1e3, 1e2], cv=4, **o),
    "loo": lambda **o: fastridge.RidgeCV([1e3, 1e2], **o),
    "gcv": lambda **o: fastridge.RidgeCV([1e3, 1e2], cv="gcv", **o),
}

def measure(name, model, n, p, form, k, threads):
    X, y = case(n, p, form, k)
    sparse = form in ("csr", "csc")
    nnz = X.nnz if sparse else None
    storage = form if sparse else "csr"
    estimate = fastridge.memory_estimate(
        model, n, p, n_targets=k, n_nonzero=nnz, storage=storage
    )
    bytes = float("inf")
    with fastridge.num_threads(threads):
        # pages that the system took back before count as new ones when they are read again
        for _ in range(3):
            try:
                bytes = min(bytes, peak(lambda: model.fit(X, y))[1])
            except ValueError as error:
                assert "leave-one-out of" in str(error), error
                return
            if bytes <= min(estimate, model.max_memory or estimate):
                break
    what = f"{name} of {form} {n} x {p}, {k} targets, {threads} threads, {model.max_memory}"
    vectors = k * (20 * n + 64 * p) + (400 * min(n, p) if name == "gcv" else 0)
    found.append((what, bytes, estimate, threads, model.max_memory, 8 * vectors))

for form in ("C", "csr", "csc"):
    for name, make in models.items():
        # what is imported and started once
        for most in (None, 0.0):
            for shape in ((60, 50), (50, 60)):
                try:
                    make(max_memory=most).fit(*case(*shape, form, 1))
                except ValueError:
                    pass
        for n, p in ((6000, 250), (500, 500), (250, 4000)):
            measure(name, make(), n, p, form, 1, 1 + (n > p))
            if name in ("folds", "loo", "gcv", "ridge"):
                # about where a direct solver begins to fit
                q = 8e0 * min(n, p) ** 2
                for share in (1.05, 4.3, 5.3, 9.0):
                    measure(name, make(max_memory=share * q), n, p, form, 1, 1)
measure("ridge", models["ridge"](), 3000, 300, "C", 20, 1)
measure("folds", models["folds"](), 3000, 300, "C", 20, 1)
print(json.dumps(found))
"""


# allowance, in vectors, for imported modules and systems of the support
FIXED = 3e6 / (8 * 800000)


def run(program):
    done = subprocess.run(
        [sys.executable, "-P", "-c", COMMON + program, "800000"],
        env={**os.environ, **ALONE},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_an_iterative_fit_allocates_few_vectors():
    """At most 3 of n and 8 of p elements beyond the input, for each target, and 3 megabytes."""
    found = run(RIDGE)
    assert len(found) == 12
    for case, tall, vectors, solver, converged in found:
        assert solver == "cg", case
        assert converged, case
        # the peak was measured
        assert 1 < vectors <= (3 if tall else 8) + FIXED, (case, vectors)


@pytest.mark.slow
def test_a_sparse_path_allocates_few_vectors():
    """At most 6 of n and 10 of p elements and 3 megabytes, with a small working set."""
    found = run(LASSO)
    assert len(found) == 8
    print(*found, sep="\n")
    for case, tall, vectors, size, solver in found:
        assert f"solver={solver!r}" in case
        assert 2 < size < 250, (case, size)
        assert 1 < vectors <= (6 if tall else 10) + FIXED, (case, vectors)


@pytest.mark.slow
def test_max_memory_is_kept():
    """Beside the input, the result, and 20 vectors of n and 64 of p elements."""
    found = run(LIMIT)
    assert len(found) == 48
    for case, bytes, limit, vectors in found:
        assert bytes <= limit + vectors, (case, bytes)


@pytest.mark.slow
def test_estimates_and_limits_are_kept():
    """Peaks are at most 10 percent and 1 MB per thread above the estimate, and above max_memory
    beside the vectors."""
    found = run(ESTIMATES)
    assert len(found) > 120
    over, tight = [], 0
    for case, bytes, estimate, threads, limit, vectors in found:
        slack = 1e6 * threads
        if bytes > 1.1 * estimate + slack:
            over.append((case, bytes, "estimate", estimate))
        if limit is not None and bytes > 1.1 * limit + vectors + slack:
            over.append((case, bytes, "limit", limit))
        tight += bytes > 0.3 * estimate
    assert not over, "\n".join(map(str, over))
    # estimates are no mere upper bounds
    assert tight > 0.4 * len(found)


@pytest.mark.slow
def test_folds_are_counted():
    def estimate(cv):
        return fastridge.memory_estimate(fastridge.RidgeCV(cv=cv), 5000, 1000)

    splits = list(KFold(20).split(range(5000)))
    assert estimate(20) > 2 * estimate(5)
    for cv in (np.int64(20), KFold(20), splits):
        assert estimate(cv) == estimate(20)


def test_more_features_than_have_a_gram_matrix():
    """The memory for products of 2^32 features, whose size overflows an integer, is refused."""
    program = """
import resource
import numpy as np, scipy.sparse as sp
import fastridge

resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
p = 2**32
X = sp.csr_array((np.ones(2), np.array([0, 5]), np.array([0, 1, 2])), shape=(2, p))
try:
    fastridge.Moments(X, [1.0, 2.0])
except MemoryError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shape = re.search(r"shape \((\d+),\)", done.stdout)
    assert int(shape[1]) > 2**56
