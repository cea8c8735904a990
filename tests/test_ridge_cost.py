"""The choice of a solver, at its boundaries."""

import numpy as np
import pytest
import scipy.sparse as sp

import fastridge
from fastridge.data.check import check_design
from fastridge.systems import cost


def sparse(n, p, per_row):
    rng = np.random.default_rng(0)
    columns = np.sort(rng.integers(0, p, (n, per_row)), axis=1)
    indptr = np.arange(0, n * per_row + 1, per_row)
    X = sp.csr_array((np.ones(n * per_row), columns.ravel(), indptr), (n, p))
    X.sum_duplicates()
    return X


@pytest.mark.parametrize("shape", [(300, 40), (40, 300)])
def test_memory_decides_at_what_a_direct_solver_needs(shape):
    X = np.random.default_rng(0).standard_normal(shape)
    y = np.arange(float(shape[0]))
    A = check_design(X)
    direct = "cholesky" if shape[1] <= shape[0] else "dual"
    need = cost.direct_cost(A).memory
    assert need >= 8 * min(shape) ** 2
    assert cost.choose_solver(A, 1, need) == direct
    assert cost.choose_solver(A, 1, need - 1) == "cg"
    assert fastridge.ridge(X, y, max_memory=need).solver == direct
    small = fastridge.ridge(X, y, max_memory=need - 1, tol=1e-10)
    assert small.solver == "cg"
    np.testing.assert_allclose(small.coef, fastridge.ridge(X, y).coef, atol=1e-7)
    assert fastridge.ridge(X, y, solver=direct, max_memory=0).solver == direct
    assert fastridge.Ridge(max_memory=need).fit(X, y).solver_ == direct
    model = fastridge.Ridge(max_memory=need - 1, tol=1e-10).fit(X, y)
    assert model.solver_ == "cg"
    assert (model.coef_ == small.coef).all()
    classes = fastridge.RidgeClassifier(max_memory=need - 1).fit(X, y > y.mean())
    assert classes.solver_ == "cg"
    for memory in (0, np.inf):
        got = fastridge.ridge(X, y, solver="cg", tol=1e-10, max_memory=memory)
        np.testing.assert_allclose(got.coef, small.coef, atol=1e-7)


def test_wide_sparse_data_go_from_direct_to_iterative():
    solvers = [
        cost.choose_solver(check_design(sparse(6000, p, 10)), 1, 1e12)
        for p in (50, 500, 1000, 2000, 4000, 5900)
    ]
    assert solvers[0] == "cholesky"
    assert solvers[-1] == "cg"
    assert solvers == sorted(solvers, key=["cholesky", "cg"].index)


def test_long_rows_make_a_gram_matrix_dear():
    assert cost.gram_pays(check_design(sparse(3000, 2000, 5)))
    assert not cost.gram_pays(check_design(sparse(3000, 2000, 300)))
    assert not cost.gram_pays(check_design(sparse(1000, 2000, 5)))
    assert not cost.gram_pays(check_design(np.ones((5, 2))))


def test_costs_grow_with_the_work():
    A, B = check_design(sparse(5000, 1500, 5)), check_design(sparse(5000, 1500, 50))
    assert cost.direct_cost(A).seconds < cost.direct_cost(B).seconds
    assert cost.cg_cost(A).seconds < cost.cg_cost(A, 3).seconds
    assert cost.direct_cost(A, 2).seconds > cost.direct_cost(A).seconds
    by_column = check_design(sparse(5000, 1500, 5).tocsc())
    assert cost.direct_cost(by_column).memory > cost.direct_cost(A).memory


def test_blocks_stay_within_the_memory_allowed(monkeypatch):
    assert cost.heavy_columns(1e12) == cost._HEAVY
    assert 32 * cost.heavy_columns(1e6) ** 2 <= 1e6
    X = sparse(2000, 1500, 6)
    y = np.random.default_rng(1).standard_normal(2000)
    few = fastridge.ridge(X, y, 1.0, solver="cg", max_memory=1e4)
    many = fastridge.ridge(X, y, 1.0, solver="cg")
    assert few.converged
    np.testing.assert_allclose(few.coef, many.coef, atol=1e-4)


def test_default_memory_is_that_of_a_machine():
    assert 2**26 < cost.default_memory() < 2**50


def test_seconds_are_those_of_products():
    # conjugate gradients on one-hot rows of many columns; an element takes about a nanosecond
    X = sparse(20_000, 4000, 10)
    assert cost.choose_solver(check_design(X), 1, None) == "cg"
    assert fastridge.ridge(X, X @ np.arange(4000.0), 100.0).solver == "cg"
    for A in (check_design(X), check_design(np.ones((1000, 50)))):
        seconds = cost.cg_cost(A).seconds
        assert 1e-5 < seconds < 1.0
