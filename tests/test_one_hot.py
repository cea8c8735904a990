"""Sparse data whose stored values are all 1: values are not read, with equal results."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastridge import _cpu, reference, ridge
from fastridge._matrix import Matrix


@pytest.fixture(params=_cpu.instruction_sets())
def instruction_set(request):
    before = _cpu.get_instruction_set()
    _cpu.set_instruction_set(request.param)
    yield request.param
    _cpu.set_instruction_set(before)


def one_hot(n, levels, rng):
    codes = [rng.integers(0, size, n) for size in levels]
    blocks = [sp.csr_array((np.ones(n), (np.arange(n), c)), shape=(n, c.max() + 1)) for c in codes]
    return sp.csr_array(sp.hstack(blocks))


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("by_column", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.slow
def test_operations(by_column, dtype, index):
    rng = np.random.default_rng(0)
    S = one_hot(211, (3, 17, 40), rng)
    S = (S.tocsc() if by_column else S).astype(dtype)
    X = S.toarray().astype(np.float64)
    n, p = X.shape
    A = Matrix.from_compressed(
        S.data, S.indices.astype(index), S.indptr.astype(index), S.shape, by_column
    )
    shift, scale, v, u, w = (rng.random(size) for size in (p, p, p, n, n))
    close = {"rtol": 1e-12, "atol": 1e-12}  # sums of some hundred terms of order 1
    B = A.centered(shift, scale)
    at = {"shift": shift, "scale": scale}
    np.testing.assert_allclose(B.dot(v), reference.dot(X, v, **at), **close)
    np.testing.assert_allclose(B.tdot(u), reference.tdot(X, u, **at), **close)
    np.testing.assert_allclose(B.gram(w), reference.gram(X, w, **at), **close)
    np.testing.assert_allclose(B.gram_rows(), reference.gram_rows(X, **at), **close)
    np.testing.assert_allclose(A.column_stats(w), reference.column_stats(X, w), **close)
    np.testing.assert_allclose(A.transposed_storage().dot(v), X @ v, **close)
    np.testing.assert_allclose(B.column_dot(4, u), reference.operator(X, **at)[:, 4] @ u, **close)
    np.testing.assert_array_equal(A.rows(3, 9), X[3:9])


@pytest.mark.parametrize("solver", ["cholesky", "cg", "qr"])
def test_same_solution_as_with_values(solver):
    rng = np.random.default_rng(1)
    S = one_hot(400, (4, 9, 30), rng)
    y = rng.standard_normal(400)
    found = ridge(S, y, 0.5, solver=solver, tol=1e-12).coef
    expected = ridge(S.toarray(), y, 0.5, solver="qr").coef
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_one_other_value_counts():
    S = one_hot(50, (5, 5), np.random.default_rng(2))
    S.data[-1] = 3.0
    A = Matrix.from_compressed(S.data, S.indices, S.indptr, S.shape, False)
    np.testing.assert_array_equal(A.dot(np.ones(S.shape[1])), S @ np.ones(S.shape[1]))
