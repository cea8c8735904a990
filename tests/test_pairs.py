"""Products with second derivatives of a multinomial loss by pairs of a feature and a class."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from storages import make_sparse

from fastridge import _cpu
from fastridge._matrix import Matrix
from fastridge._pairs import PairRows, class_slopes, move_class


def _columns(X):
    return Matrix.from_compressed(X.data, X.indices, X.indptr, X.shape, True)


def _case(n, p, m, k, dtype=np.float64, index=np.int32, ones=False):
    import scipy.sparse as sp

    rng = np.random.default_rng(n + m)
    X = make_sparse(sp.csc_array, dtype, index, (n, p), seed=m)
    if ones:
        X.data[:] = 1
    features = rng.integers(0, p, m).astype(np.int32)
    classes = rng.integers(0, k, m).astype(np.int32)
    prob = rng.dirichlet(np.ones(k), n)
    weight = rng.random(n)
    weight[: n // 5] = 0.0
    return X, features, classes, prob, weight, rng.standard_normal(m), rng.standard_normal(k)


def _expected(X, features, classes, prob, weight, damping, v, constant):
    A = X.toarray().astype(np.float64)[:, features]
    k = prob.shape[1]
    t = constant + (A * v) @ np.eye(k)[classes]
    q = weight[:, None] * (prob * (t - (prob * t).sum(axis=1)[:, None]) + damping * t)
    return np.einsum("ie,ie->e", A, q[:, classes]), q.sum(axis=0)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("n", "p", "m", "k"), [(40, 9, 25, 4), (1, 1, 1, 1), (30, 5, 0, 3), (6, 3, 40, 70)]
)
def test_products(n, p, m, k, dtype, index):
    X, features, classes, prob, weight, v, constant = _case(n, p, m, k, dtype, index)
    rows = PairRows(_columns(X), features, classes, k, weight)
    # a second product starts anew
    for damping in (0.0, 0.3):
        out, total = rows.product(prob, damping, v, constant)
        want = _expected(X, features, classes, prob, weight, damping, v, constant)
        assert_allclose(out, want[0], rtol=1e-12, atol=1e-13)
        assert_allclose(total, want[1], rtol=1e-12, atol=1e-13)


def test_products_of_stored_ones_without_rows():
    X, *rest = _case(20, 6, 11, 3, ones=True)
    features, classes, prob, weight, v, constant = rest
    out, total = PairRows(_columns(X), features, classes, 3, weight).product(prob, 0.1, v, constant)
    want = _expected(X, features, classes, prob, weight, 0.1, v, constant)
    assert_allclose(out, want[0], rtol=1e-12, atol=1e-13)
    none = PairRows(_columns(X[:0]), features, classes, 3, weight[:0])
    out, total = none.product(prob[:0], 0.1, v, constant)
    assert_array_equal(out, np.zeros(11))
    assert_array_equal(total, np.zeros(3))


def test_products_do_not_depend_on_threads():
    X, features, classes, prob, weight, v, constant = _case(3000, 50, 400, 5)
    rows = PairRows(_columns(X), features, classes, 5, weight)
    before = _cpu.get_serial_below()
    _cpu.set_serial_below(0)
    try:
        first = rows.product(prob, 0.0, v, constant, 1)
        want = _expected(X, features, classes, prob, weight, 0.0, v, constant)
        assert_allclose(first[0], want[0], rtol=1e-10, atol=1e-11)
        for threads in (2, 3, 7):
            for found, one in zip(
                rows.product(prob, 0.0, v, constant, threads), first, strict=True
            ):
                assert_array_equal(found, one)
    finally:
        _cpu.set_serial_below(before)


def test_slopes_and_moves_of_a_class():
    rng = np.random.default_rng(0)
    z, mean, prob, weight, r, along = rng.random((6, 37))
    t, total = class_slopes(z, mean, prob, weight, 0.2, r)
    want = r + weight * (prob * (z - mean) + 0.2 * z)
    assert_allclose(t, want, rtol=1e-14)
    assert_allclose(total, want.sum(), rtol=1e-14)
    moved, about = z + along + 0.5, mean + prob * (along + 0.5)
    move_class(along, 0.5, prob, z, mean)
    assert_allclose(z, moved, rtol=1e-14)
    assert_allclose(mean, about, rtol=1e-14)


def test_arguments():
    X, features, classes, prob, weight, v, constant = _case(40, 9, 25, 4)
    A = _columns(X)
    with pytest.raises(ValueError, match="X: expected 'csc'"):
        PairRows(A.transposed_storage(), features, classes, 4, weight)
    with pytest.raises(ValueError, match="n_classes: expected 1 to"):
        PairRows(A, features, classes, 0, weight)
    with pytest.raises(ValueError, match="classes: expected 25 elements; got 24"):
        PairRows(A, features, classes[:-1], 4, weight)
    with pytest.raises(ValueError, match="weight: expected 40"):
        PairRows(A, features, classes, 4, weight[1:])
    for bad in (np.int32(-1), np.int32(9)):
        wrong = features.copy()
        wrong[3] = bad
        with pytest.raises(IndexError, match="below 9 and 4"):
            PairRows(A, wrong, classes, 4, weight)
    with pytest.raises(IndexError, match="below 9 and 2"):
        PairRows(A, features, classes, 2, weight)
    rows = PairRows(A, features, classes, 4, weight)
    with pytest.raises(ValueError, match=r"prob: expected shape \(40, 4\)"):
        rows.product(prob[:, :3].copy(), 0.0, v, constant)
    with pytest.raises(ValueError, match="v: expected 25"):
        rows.product(prob, 0.0, v[1:], constant)
    with pytest.raises(ValueError, match="constant: expected 4"):
        rows.product(prob, 0.0, v, constant[1:])
    with pytest.raises(ValueError, match="along: expected 40"):
        move_class(weight[1:], 0.0, weight, weight.copy(), weight.copy())
    with pytest.raises(ValueError, match="mean: expected 40"):
        class_slopes(weight, weight[1:], weight, weight, 0.0, weight)
