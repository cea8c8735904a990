"""Sums of Newton's equations over parts, and what stays with a part between passes."""

import numpy as np
import pytest
import scipy.sparse

from fastridge import losses
from fastridge._equations import bordered_about, bordered_gram, equations
from fastridge._matrix import Matrix
from fastridge.data.parts import Memo, Part
from fastridge.distributed.glm_sums import Data, equations_of, products_of
from fastridge.distributed.lockstep import without

RNG = np.random.default_rng(0)
N, P = 303, 7
X = RNG.standard_normal((N, P)) + 3.0
ORIGIN = X.mean(axis=0)
COEF, LEVEL = 0.1 * RNG.standard_normal(P), 0.2
WEIGHT = RNG.random(N) * (RNG.random(N) > 0.1)
OFFSET = 0.3 * RNG.standard_normal(N)

FAMILIES = [
    (losses.LOGISTIC, RNG.integers(0, 2, N).astype(float)),
    (losses.POISSON, RNG.poisson(2.0, N).astype(float)),
    (losses.Gamma(), RNG.random(N) + 0.1),
    (losses.Huber(1.3), RNG.standard_normal(N)),
]
STORED = {
    "C": np.ascontiguousarray(X),
    "F": np.asfortranarray(X),
    "float32": X.astype(np.float32),
    "csr": scipy.sparse.csr_array(X),
}


def expected(loss, y, values, weight, offset):
    B = np.column_stack([values - ORIGIN, np.ones(N)])
    eta = B @ np.append(COEF, LEVEL) + offset
    value = weight @ loss.value(y, eta)
    r, h = weight * loss.gradient(y, eta), weight * loss.curvature(y, eta)
    return value, B.T @ r, (B * h[:, None]).T @ B


def close(a, b, tol=1e-12):
    assert np.abs(a - b).max() <= tol * np.abs(b).max()


@pytest.mark.parametrize("storage", STORED)
@pytest.mark.parametrize(("loss", "y"), FAMILIES, ids=lambda v: getattr(v, "name", ""))
def test_one_pass_gives_loss_gradient_and_hessian(loss, y, storage):
    total = WEIGHT.sum()
    part = Part(0, STORED[storage], y, WEIGHT, OFFSET)
    found = equations_of(part, Data(loss), (COEF[None, :], np.array([LEVEL])), ORIGIN, total, False)
    values = STORED["float32"].astype(np.float64) if storage == "float32" else X
    value, gradient, hessian = expected(loss, y, values, WEIGHT / total, OFFSET)
    close(np.array(found.value), np.array(value))
    close(found.gradient[0], gradient)
    close(found.hessian[0, :, 0], hessian)
    assert (found.hessian[0, :, 0] == found.hessian[0, :, 0].T).all()


@pytest.mark.parametrize("storage", ["C", "csr"])
def test_equations_of_classes(storage):
    k = 3
    label = RNG.integers(0, k, N)
    W, b, total = 0.1 * RNG.standard_normal((k, P)), RNG.standard_normal(k), WEIGHT.sum()
    part = Part(0, STORED[storage], np.array(["a", "b", "c"])[label], WEIGHT)
    data = Data(None, np.array(["a", "b", "c"]))
    found = equations_of(part, data, (W, b), ORIGIN, total, False)
    B, s = np.column_stack([X - ORIGIN, np.ones(N)]), WEIGHT / total
    eta = B @ np.column_stack([W, b]).T
    prob = np.exp(eta - np.logaddexp.reduce(eta, axis=1)[:, None])
    R = s[:, None] * (prob - np.eye(k)[label])
    close(np.array(found.value), np.array(-s @ np.log(prob[np.arange(N), label])))
    close(found.gradient, R.T @ B)
    H = np.einsum("n,na,nab,ni,nj->aibj", s, prob, np.eye(k) - prob[:, None, :], B, B)
    close(found.hessian, H)
    V = RNG.standard_normal((k, P + 1))
    close(
        products_of(part, data, (W, b), ORIGIN, total, V).values[0], np.einsum("aibj,bj->ai", H, V)
    )


def test_bordered_gram_matrices():
    h, A = RNG.random(N), Matrix.from_dense(X).centered(ORIGIN)
    B = np.column_stack([X - ORIGIN, np.ones(N)])
    close(bordered_gram(A, h), (B * h[:, None]).T @ B)
    about = bordered_about((X * h[:, None]).T @ X, X.T @ h, h.sum(), ORIGIN)
    close(about, (B * h[:, None]).T @ B)
    Z = np.column_stack([X, np.ones(N)])
    close(bordered_about((X * h[:, None]).T @ X, X.T @ h, h.sum(), None), (Z * h[:, None]).T @ Z)


def test_arguments_of_compiled_sums():
    A, y = Matrix.from_dense(X), np.ones(N)
    with pytest.raises(ValueError, match="kernel"):
        equations(A, 99, 0.0, y, y, None, COEF, 0.0)
    with pytest.raises(ValueError, match="u: expected 7 elements"):
        equations(A, 1, 0.0, y, y, None, COEF[1:], 0.0)
    with pytest.raises(ValueError, match="h: expected"):
        bordered_gram(A, y[1:])
    for other in (Matrix.from_dense(X[:0]), A.centered(None, np.ones(P))):
        with pytest.raises(ValueError, match="a: expected dense rows"):
            bordered_gram(other, y[: other.n_rows])
    with pytest.raises(ValueError, match="gram: expected shape"):
        bordered_about(np.ones((2, 3)), np.ones(3), 1.0, None)


@pytest.mark.parametrize("storage", ["C", "csr"])
def test_a_memo_changes_no_bit(storage):
    y = np.where(RNG.random(N) < 0.5, "up", "down")
    data = Data(losses.LOGISTIC, np.array(["down", "up"]))
    memo = Memo({}, {})
    bare = Part(0, STORED[storage], y, WEIGHT)
    part = bare._replace(memo=memo)
    V = RNG.standard_normal((1, P + 1))
    for scale in (1.0, 1.0, 2.0, 1.0):
        at = scale * COEF[None, :], np.array([LEVEL])
        args = data, at, ORIGIN, WEIGHT.sum()
        for _ in range(2):
            a, b = products_of(bare, *args, V).values[0], products_of(part, *args, V).values[0]
            assert (a == b).all()
        a, b = equations_of(bare, *args, False), equations_of(part, *args, False)
        assert (a.hessian == b.hessian).all()
    assert memo.curves["h"].shape == (N,)
    assert memo.codes["codes"].nbytes == N
    # rows that a fold holds out have other weights
    fold = RNG.integers(0, 2, N)
    expected = products_of(without(bare, fold, 1), *args, V).values[0]
    assert (products_of(without(part, fold, 1), *args, V).values[0] == expected).all()
    # other classes
    other = data._replace(classes=np.array(["down", "flat", "up"]), loss=None)
    at = np.zeros((3, P)), np.zeros(3)
    a, b = (equations_of(one, other, at, ORIGIN, 1.0, False) for one in (bare, part))
    assert (a.gradient == b.gradient).all()
