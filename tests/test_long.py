"""Factorisations that take seconds: Ctrl-C ends them, and results are those of short calls."""

import os
import signal
import threading
import time
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastridge
from fastridge.solvers.left_out import loo
from fastridge.systems import lapack


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_ctrl_c_ends_a_long_call():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = threading.Event()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    start = time.perf_counter()
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            lapack.call(1e12, done.wait, 60.0)
        assert time.perf_counter() - start < 10.0
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
        done.set()


def test_a_long_call_is_that_of_a_helper():
    names = []
    assert lapack.call(1e12, lambda x: names.append(threading.current_thread()) or x + 1, 2) == 3
    assert names[0] is not threading.main_thread()
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        lapack.call(1e12, np.linalg.cholesky, -np.eye(2))


def test_another_thread_calls_directly():
    names = []

    def work():
        lapack.call(1e12, lambda: names.append(threading.current_thread()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert names == [thread]


def _pivoted(S):
    R, order, rank = lapack.pivoted_cholesky(S, 1e-13)
    return np.triu(R), order, np.array(rank)


def calls():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((12, 7)) * np.logspace(0, 10, 7)
    S = rng.standard_normal((8, 8))
    S = S @ S.T
    L = np.linalg.cholesky(S)
    return {
        "svd": lambda: lapack.svd(A),
        "triangle": lambda: (lapack.triangle(A),),
        "orthonormal": lambda: (lapack.orthonormal(A), lapack.orthonormal(A, complete=True)),
        "pivoted": lambda: lapack.pivoted_qr(A),
        "product": lambda: (lapack.product(A, A.T),),
        "jacobi": lambda: lapack.jacobi_svd(A),
        "jacobi of wide": lambda: lapack.jacobi_svd(A.T),
        "eigenvalues": lambda: (lapack.eigvalsh(S),),
        "cholesky": lambda: (lapack.cholesky(S),),
        "tridiagonal": lambda: lapack.tridiagonal(np.array(S, order="F")),
        "half inverse": lambda: (lapack.half_inverse(np.array(S, order="F")),),
        "pivoted cholesky": lambda: _pivoted(np.array(S, order="F")),
        "pseudo-inverse": lambda: (lapack.pseudo_inverse(S),),
        "triangular": lambda: (
            lapack.solve_triangular(L, A[:8], lower=True),
            lapack.solve_triangular(L, A[:8, 0], lower=True, trans="T"),
        ),
    }


@pytest.mark.parametrize("name", calls())
def test_long_and_short_calls_agree(name, monkeypatch):
    short = calls()[name]()
    monkeypatch.setattr(lapack, "_LONG", 0.0)
    for one, other in zip(calls()[name](), short, strict=True):
        assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("least", [0.0, np.inf])
def test_factors_are_right(least, monkeypatch):
    monkeypatch.setattr(lapack, "_LONG", least)
    rng = np.random.default_rng(1)
    B = rng.standard_normal((5, 9))
    S = B @ B.T
    half = lapack.half_inverse(np.array(S, order="F"))
    assert_allclose(half.T @ half, np.linalg.inv(S), rtol=1e-9)
    assert_allclose(half, np.tril(half))
    assert lapack.half_inverse(np.asfortranarray(-S)) is None
    D = B.T @ B
    R, order, rank = lapack.pivoted_cholesky(np.array(D, order="F"), 1e-12)
    assert rank == 5
    R = np.triu(R)[:rank]
    assert_allclose(R.T @ R, D[np.ix_(order, order)], atol=1e-12)


def test_long_and_short_eigenvectors_agree(monkeypatch):
    S = np.diag([3.0, 1.0, 2.0])
    values, vectors = lapack.eigh(S)
    monkeypatch.setattr(lapack, "_LONG", 0.0)
    other, expected = lapack.eigh(S)
    assert_allclose(values, other, rtol=1e-14)
    assert_allclose(np.abs(vectors), np.abs(expected), atol=1e-14)


@pytest.mark.parametrize("shape", [(30, 6), (10, 12)], ids=str)
@pytest.mark.parametrize("per_target", [False, True])
@pytest.mark.parametrize("free", [False, True])
def test_leave_one_out_in_blocks_of_targets(shape, per_target, free, monkeypatch):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal(shape), rng.standard_normal((shape[0], 5))
    factor = np.r_[0.0, np.full(shape[1] - 1, 2.0)] if free else None
    weight = rng.integers(1, 3, shape[0]).astype(float)

    def fit():
        model = fastridge.RidgeCV([0.1, 1.0], alpha_per_target=per_target, penalty_factor=factor)
        return model.fit(X, Y, sample_weight=weight)

    whole = fit()
    monkeypatch.setattr(loo, "BLOCK", 1)
    parts = fit()
    for name in ("score", "score_se", "validation_error", "train_error", "norm"):
        assert_allclose(parts.cv_results_[name], whole.cv_results_[name], rtol=1e-12)


def test_leave_one_out_of_many_targets_keeps_few_residuals():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((100, 5)), rng.standard_normal((100, 4000))
    tracemalloc.start()
    fastridge.RidgeCV(np.logspace(-3, 3, 13)).fit(X, Y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # all residuals and their squares take 83 MB
    assert peak < 70e6


@pytest.mark.slow
def test_standardized_leave_one_out_keeps_no_list_of_rows():
    n = 1000
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 2))
    model = fastridge.RidgeCV([1.0], standardize=True)
    model.fit(X[:20], X[:20, 0])  # loads what a fit imports
    tracemalloc.start()
    model.fit(X, X[:, 0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # the other rows of each take 8 MB
    assert peak < 2.7e6


def test_wide_least_squares_cost_what_the_rows_do():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 1990)), rng.standard_normal(20)
    start = time.process_time()
    coef = fastridge.Ridge(0.0).fit(X, y).coef_
    assert time.process_time() - start < 1.0
    centred = X - X.mean(axis=0)
    assert_allclose(coef, np.linalg.lstsq(centred, y - y.mean(), rcond=1e-12)[0], atol=1e-12)
