"""The blocked Cholesky factor and its solves against the row-by-row twin."""

from functools import lru_cache

import numpy as np
import pytest
from cases import each

from fastridge import _cpu, reference
from fastridge._dense import Cholesky, cholesky_from, cholesky_remove

EPS = np.finfo(np.float64).eps
# all small orders, and those around the blocks of 64 rows and 128 columns
ORDERS = [*range(1, 21), 24, 31, 33, 62, 63, 64, 65, 66, 70, 127, 128, 129, 130, 200, 300]


@pytest.fixture(params=_cpu.instruction_sets())
def isa(request):
    before = _cpu.get_instruction_set(), _cpu.get_serial_below()
    _cpu.set_instruction_set(request.param)
    _cpu.set_serial_below(0)
    yield request.param
    _cpu.set_instruction_set(before[0])
    _cpu.set_serial_below(before[1])


@lru_cache
def positive_definite(p, spread=1.0):
    """Eigenvalues from 1 to 10**spread."""
    rng = np.random.default_rng(p)
    Q = np.linalg.qr(rng.normal(size=(p, p)))[0]
    M = (Q * np.geomspace(1, 10**spread, p)) @ Q.T
    M = (M + M.T) / 2
    M.setflags(write=False)
    return M


@lru_cache
def solved(p):
    """The factor, right-hand sides and solutions of the reference."""
    U = reference.cholesky(positive_definite(p))
    B = np.asfortranarray(np.random.default_rng(0).normal(size=(p, 3)))
    return U, B, reference.cholesky_solve(U, B)


@pytest.mark.slow
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_factor_and_solve(isa, n_threads):
    for p in ORDERS:
        M = positive_definite(p)
        F = M.copy()
        factor = Cholesky(F, n_threads=n_threads)
        U = np.triu(F)
        # U'U = M + E with |E| <= (p + 1) eps |U|'|U| (Higham 2002, theorem 10.3)
        assert (abs(U.T @ U - M) <= 2 * (p + 1) * EPS * (abs(U).T @ abs(U))).all()
        # condition 10: the factor itself is as exact
        want, B, solution = solved(p)
        np.testing.assert_allclose(U, want, rtol=0, atol=100 * p * EPS)
        assert np.array_equal(np.tril(F, -1), np.tril(M, -1))

        X = B.copy(order="F")
        flat = X.reshape(-1, order="F")
        assert np.shares_memory(factor.solve(flat, n_threads=n_threads), X)
        bound = 8 * (p + 1) * EPS * (abs(U).T @ (abs(U) @ abs(X)))
        assert (abs(M @ X - B) <= bound + 1e-300).all()
        np.testing.assert_allclose(X, solution, rtol=0, atol=100 * p * EPS)
        one = factor.solve(B[:, 1].copy())
        assert np.array_equal(one, X[:, 1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kept", "old", "size"),
    [
        (0, 0, 5),
        (3, 3, 5),
        (2, 5, 5),
        (5, 5, 5),
        (60, 90, 130),
        (64, 64, 70),
        (64, 128, 129),
        (100, 100, 300),
        (63, 65, 300),
        (127, 250, 250),
        (130, 131, 140),
        (17, 18, 200),
        # few columns added to a complete factor have their own code path
        (3, 3, 4),
        (200, 200, 230),
        (130, 130, 194),
        (300, 300, 430),
    ],
)
@each("n_threads", [1, 3])
def test_a_factor_that_is_there_in_part(isa, kept, old, size, n_threads):
    # rows before `kept` are factored for the columns before `old`, of which all but those before
    # `kept` have been permuted since
    rng = np.random.default_rng(size)
    M = positive_definite(size)
    order = np.r_[np.arange(kept), kept + rng.permutation(old - kept), np.arange(old, size)]
    U = np.linalg.cholesky(M[:old, :old]).T if old else np.zeros((0, 0))
    wide = np.full((size + 3, size + 5), np.nan)
    wide[:size, :size] = M[np.ix_(order, order)]
    wide[:kept, :old] = U[:kept, order[:old]]
    diagonal = np.diagonal(M)[order].copy()
    cholesky_from(wide, size, kept, old, diagonal, n_threads=n_threads)
    want = np.linalg.cholesky(M[np.ix_(order, order)]).T
    np.testing.assert_allclose(np.triu(wide[:size, :size]), want, rtol=0, atol=1e-12)
    assert np.isnan(wide[:, size:]).all()
    assert np.isnan(wide[size:]).all()


@pytest.mark.parametrize(
    ("p", "gone"),
    [(1, [0]), (7, [0]), (7, [6]), (7, [2, 3, 5]), (90, [4, 50, 51, 89]), (150, range(0, 150, 3))],
)
def test_columns_taken_out(isa, p, gone):
    M = positive_definite(p, spread=4)
    wide = np.full((p + 2, p + 3), np.nan)
    wide[:p, :p] = np.linalg.cholesky(M).T
    left = np.delete(np.arange(p), gone)
    cholesky_remove(wide, np.isin(np.arange(p), gone).astype(np.uint8))
    want = np.linalg.cholesky(M[np.ix_(left, left)]).T
    got = np.triu(wide[: len(left), : len(left)])
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-9)
    # U'U equals the matrix up to round-off
    np.testing.assert_allclose(got.T @ got, M[np.ix_(left, left)], rtol=0, atol=1e-11 * 1e4)
    assert np.isnan(wide[:, p:]).all()
    assert np.isnan(wide[p:]).all()
    with pytest.raises(ValueError, match=f"gone: expected at most {p + 2} elements; got {p + 3}"):
        cholesky_remove(wide, np.zeros(p + 3, dtype=np.uint8))


@pytest.mark.parametrize("p", [5, 40, 150])
def test_dependent_columns_are_dropped(isa, p):
    rng = np.random.default_rng(p)
    X = rng.normal(size=(2 * p, p))
    X[:, -1] = X[:, 0]
    X[:, p // 2] = X[:, 0] - X[:, 1]
    M = X.T @ X
    F = M.copy()
    cholesky_from(F, p, 0, 0, np.diagonal(M).copy(), 1e-9, drop=True)
    dropped = np.diagonal(F) > 1e100
    assert dropped.sum() == 2
    with pytest.raises(ArithmeticError, match="positive definite"):
        cholesky_from(M.copy(), p, 0, 0, np.diagonal(M).copy(), 1e-9)


@pytest.mark.parametrize(("size", "kept", "fresh"), [(3, 2, 1), (3, 0, 4), (5, 0, 0), (3, -1, 0)])
def test_parts_that_do_not_fit(size, kept, fresh):
    with pytest.raises(IndexError, match="expected 0 <= kept <= fresh <= size"):
        cholesky_from(np.eye(4), size, kept, fresh, np.ones(size))
    with pytest.raises(ValueError, match="diagonal: expected 4 elements; got 3"):
        cholesky_from(np.eye(4), 4, 0, 0, np.ones(3))


@pytest.mark.slow
@pytest.mark.parametrize("p", [300, 700])
def test_same_bits_for_any_number_of_threads(isa, p):
    M = positive_definite(p, spread=6)
    b = np.random.default_rng(0).normal(size=4 * p)
    alone = M.copy()
    x = Cholesky(alone, n_threads=1).solve(b.copy(), n_threads=1)
    for t in (2, 3, 7):
        F = M.copy()
        factor = Cholesky(F, n_threads=t)
        assert np.array_equal(F, alone)
        assert np.array_equal(factor.solve(b.copy(), n_threads=t), x)


@pytest.mark.parametrize("p", [1, 2, 5, 64, 65, 130])
def test_not_positive_definite(isa, p):
    M = positive_definite(p)
    for place in {0, p // 2, p - 1}:
        for value in (-1.0, 0.0, np.nan):
            F = M.copy()
            F[place, place] = value
            with pytest.raises(ArithmeticError, match="m: expected a positive definite matrix"):
                Cholesky(F)
    if p > 1:
        F = M.copy()
        F[:, -1] = F[-1] = M[0]
        F[-1, -1] = M[0, 0] / 2
        with pytest.raises(ArithmeticError):
            Cholesky(F)


@pytest.mark.parametrize("p", [2, 65, 130])
def test_keep(p):
    # the last column keeps a share of 1e-6 beside the first
    M = np.eye(p)
    M[0, -1] = M[-1, 0] = np.sqrt(1 - 1e-6)
    F = M.copy()
    Cholesky(F, 0.9e-6)
    np.testing.assert_allclose(F[-1, -1] ** 2, 1e-6, rtol=1e-9)
    with pytest.raises(ArithmeticError):
        Cholesky(M.copy(), 1.1e-6)
    with pytest.raises(ArithmeticError):
        reference.cholesky(M, 1.1e-6)


@pytest.mark.parametrize("power", [-200, -100, 100, 200])
def test_powers_of_two_change_nothing(isa, power):
    M, b = positive_definite(150), np.ones(150)
    scale = 2.0**power
    x = Cholesky(M.copy()).solve(b.copy())
    assert np.array_equal(Cholesky(M * scale).solve(b * scale), x)


def test_arguments_that_are_refused():
    with pytest.raises(ValueError, match="m: expected a square matrix; got 2 x 3"):
        Cholesky(np.ones((2, 3)))
    with pytest.raises(ValueError, match="ontiguous"):
        Cholesky(np.eye(4)[::2, ::2])
    with pytest.raises(ValueError, match="dtype mismatch"):
        Cholesky(np.eye(2, dtype=np.float32))
    fixed = np.eye(2)
    fixed.setflags(write=False)
    with pytest.raises(ValueError, match="read-only"):
        Cholesky(fixed)
    with pytest.raises(TypeError):
        Cholesky(None)
    with pytest.raises(ValueError, match="b: expected a multiple of 2 elements; got 3"):
        Cholesky(np.eye(2)).solve(np.ones(3))
