"""The Gram matrix of a growing set of columns."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from fastridge import _cpu, num_threads
from fastridge._border import column_border, gram_border
from fastridge._matrix import Matrix


@pytest.mark.parametrize("isa", _cpu.instruction_sets())
@pytest.mark.parametrize("n", [1, 7, 530])
def test_dense_vectors(isa, n):
    before = _cpu.get_instruction_set(), _cpu.get_serial_below()
    _cpu.set_instruction_set(isa)
    _cpu.set_serial_below(0)
    try:
        x = np.random.default_rng(n).normal(size=(130, n))
        for threads in (1, 3):
            gram = np.full((140, 140), np.nan)
            # few and many new columns
            for i0, i1 in [
                (0, 1),
                (1, 4),
                (4, 4),
                (4, 10),
                (10, 34),
                (34, 59),
                (59, 61),
                (61, 130),
            ]:
                gram_border(x, i0, i1, 0.5, gram, threads)
                want = 0.5 * x[:i1] @ x[:i1].T
                assert_allclose(gram[:i1, :i1], want, rtol=0, atol=1e-13 * n)
            assert np.isnan(gram[130:]).all()
            assert np.isnan(gram[:, 130:]).all()
    finally:
        _cpu.set_instruction_set(before[0])
        _cpu.set_serial_below(before[1])


@pytest.mark.parametrize("values", [np.float64, np.float32, "ones"])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("centred", [False, True])
def test_rows_and_columns_of_the_gram_matrix(values, index, weighted, centred):
    rng = np.random.default_rng(0)
    n, p = 40, 70
    X = rng.normal(size=(n, p)) * (rng.random((n, p)) < 0.2)
    X[:, 3] = 0
    X = (X != 0).astype(np.float64) if values == "ones" else X.astype(values)
    S = sp.csc_array(X)
    A = Matrix.from_compressed(
        S.data, S.indices.astype(index), S.indptr.astype(index), S.shape, True
    )
    weight = rng.random(n) if weighted else np.full(n, 1.0 / n)
    weight /= weight.sum()
    Z = X.astype(np.float64)
    if centred:
        mean, scale = weight @ Z, rng.uniform(0.5, 2.0, p)
        A = A.centered(mean, scale)
        Z = (Z - mean) * scale
    chosen = rng.permutation(p)[:50].astype(np.int32)
    gram = np.full((60, 60), np.nan)
    # one, few and many new ones
    for i0, i1 in [(0, 1), (1, 3), (3, 10), (10, 10), (10, 50)]:
        column_border(A, chosen, weight if weighted else None, i0, i1, gram)
        part = Z[:, chosen[:i1]]
        assert_allclose(gram[:i1, :i1], part.T @ (weight[:, None] * part), rtol=0, atol=1e-14)
    assert np.isnan(gram[50:]).all()
    assert np.isnan(gram[:, 50:]).all()


def test_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(1)
    S = sp.random_array((3000, 900), density=0.05, rng=rng, format="csc")
    A = Matrix.from_compressed(S.data, S.indices, S.indptr, S.shape, True)
    found = []
    for threads in (1, 3):
        gram = np.zeros((900, 900))
        with num_threads(threads):
            column_border(A, None, None, 0, 900, gram)
        found.append(gram)
    assert_array_equal(*found)
    assert_allclose(found[0], (S.T @ S).toarray() / 3000, rtol=0, atol=1e-14)
