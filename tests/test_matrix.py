"""Every operation of Matrix against its NumPy twin, over storage, threads and instruction sets."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from cases import each
from hypothesis import given, settings
from hypothesis import strategies as st

from fastridge import _cpu, reference
from fastridge._checks import all_finite, check_compressed
from fastridge._matrix import Matrix

EPS = np.finfo(np.float64).eps
ISAS = _cpu.instruction_sets()
STORAGES = [
    *itertools.product(("C", "F"), (np.float64, np.float32), (None,)),
    *itertools.product(("csr", "csc"), (np.float64, np.float32), (np.int32, np.int64)),
]
# around the widths of registers, panels and groups of major vectors
SHAPES = [(1, 1), (1, 9), (9, 1), (2, 70), (70, 3), (4, 33), (5, 31), (7, 17), (8, 16), (15, 15),
          (24, 8), (25, 12), (33, 65), (64, 23)]  # fmt: skip


def storage_id(storage):
    kind, dtype, index = storage
    return "-".join([kind, np.dtype(dtype).name, *([np.dtype(index).name] if index else [])])


over_storages = pytest.mark.parametrize("storage", STORAGES, ids=storage_id)


@pytest.fixture(params=ISAS)
def isa(request):
    before = _cpu.get_instruction_set()
    _cpu.set_instruction_set(request.param)
    yield request.param
    _cpu.set_instruction_set(before)


@pytest.fixture
def threaded():
    """Work of any size goes to threads."""
    before = _cpu.get_serial_below()
    _cpu.set_serial_below(0)
    yield
    _cpu.set_serial_below(before)


def store(X, storage):
    """A Matrix over the dense X in a storage, and the values that it then holds."""
    kind, dtype, index = storage
    X = np.asarray(X, dtype=dtype)
    if kind in "CF":
        return Matrix.from_dense(np.array(X, order=kind)), X.astype(np.float64)
    by_column = kind == "csc"
    S = (sp.csc_array if by_column else sp.csr_array)(X)
    indices, indptr = S.indices.astype(index), S.indptr.astype(index)
    M = Matrix.from_compressed(S.data, indices, indptr, X.shape, by_column)
    return M, X.astype(np.float64)


def numbers(rng, n, p, storage):
    """Normal numbers; for sparse storage a third of them, with empty rows and columns."""
    X = rng.normal(size=(n, p))
    if storage[0] in ("csr", "csc"):
        X[rng.random((n, p)) > 0.35] = 0.0
        X[n // 2] = 0.0
        X[:, p // 3] = 0.0
    return X


def centring(rng, p, shifted, scaled):
    return (
        rng.normal(size=p) if shifted else None,
        rng.uniform(0.5, 2.0, size=p) if scaled else None,
    )


def assert_within(got, want, bound, terms):
    """Sums of `terms` products may be off by terms * eps * the sum of their absolute values."""
    assert np.shape(got) == np.shape(want)
    error = np.abs(np.asarray(got) - want)
    assert (error <= 4 * (terms + 4) * EPS * bound).all(), float(np.max(error / (bound + 1e-300)))


def check_all(A, X, shift, scale, n_threads):
    """Each operation of A against the reference on X."""
    n, p = X.shape
    rng = np.random.default_rng(n * 100 + p)
    u, v = rng.normal(size=n), rng.normal(size=p)
    U, V = (np.asfortranarray(rng.normal(size=(m, 3))) for m in (n, p))
    weight, feature_weight = rng.uniform(size=n), rng.uniform(size=p)
    weight[n // 2] = 0.0
    ref = {"shift": shift, "scale": scale}
    # bound of the terms when X and the shift are summed separately
    big = np.abs(X) + (0 if shift is None else np.abs(shift))
    big = big * (1 if scale is None else scale)
    threads = {"n_threads": n_threads}

    assert_within(A.dot(v, **threads), reference.dot(X, v, **ref), big @ abs(v), p)
    assert_within(A.tdot(u, **threads), reference.tdot(X, u, **ref), big.T @ abs(u), n)
    assert_within(A.dot(V, **threads), reference.dot(X, V, **ref), big @ abs(V), p)
    assert_within(A.tdot(U, **threads), reference.tdot(X, U, **ref), big.T @ abs(U), n)
    out = np.full(n, np.nan)
    assert A.dot(v, out=out, **threads) is out
    assert_within(out, reference.dot(X, v, **ref), big @ abs(v), p)

    for w in (None, weight):
        bound = reference.gram(big, w)
        G = A.gram(w, **threads)
        assert_within(G, reference.gram(X, w, **ref), bound, 4 * n)
        assert np.array_equal(G, G.T)
    chosen = np.unique(rng.integers(p, size=(p + 1) // 2))
    want = reference.gram(X, weight, columns=chosen, **ref)
    assert_within(
        A.gram(weight, columns=chosen, **threads), want, bound[np.ix_(chosen, chosen)], 4 * n
    )
    for w in (None, feature_weight):
        K = A.gram_rows(w, **threads)
        want, bound = reference.gram_rows(X, w, **ref), reference.gram_rows(big, w)
        assert_within(K, want, bound, 4 * p)
        assert np.array_equal(K, K.T)

    for w in (None, weight):
        if w is not None and not w.any():
            continue
        mean, var = A.column_stats(w, **threads)
        want_mean, want_var = reference.column_stats(X, w)
        assert_within(mean, want_mean, np.abs(X).max(axis=0), n)
        assert_within(var, want_var, (X**2).max(axis=0), 4 * n)

    for i in {0, n // 2, n - 1}:
        assert_within(A.row_dot(i, v), reference.row_dot(X, i, v, **ref), big[i] @ abs(v), p)
        got = v.copy()
        A.row_axpy(i, 1.5, got)
        want = reference.row_axpy(X, i, 1.5, v, **ref)
        assert_within(got, want, abs(v) + 1.5 * big[i], 4)
    for j in {0, p // 3, p - 1}:
        bound = big[:, j] @ abs(u)
        assert_within(A.column_dot(j, u), reference.column_dot(X, j, u, **ref), bound, n)
        got = u.copy()
        A.column_axpy(j, -0.5, got)
        want = reference.column_axpy(X, j, -0.5, u, **ref)
        assert_within(got, want, abs(u) + 0.5 * big[:, j], 4)
    assert_within(A.rows(0, n), reference.operator(X, **ref), big, 1)
    assert_within(A.rows(n // 2, n), reference.operator(X, **ref)[n // 2 :], big[n // 2 :], 1)


@pytest.mark.slow
@over_storages
@each("shifted, scaled", list(itertools.product((False, True), repeat=2)))
def test_operations_on_small_shapes(storage, shifted, scaled, isa, threaded):
    rng = np.random.default_rng(0)
    for (n, p), n_threads in zip(SHAPES, itertools.cycle((1, 2, 3)), strict=False):
        A, X = store(numbers(rng, n, p, storage), storage)
        shift, scale = centring(rng, p, shifted, scaled)
        check_all(A.centered(shift, scale), X, shift, scale, n_threads)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n=st.integers(1, 70),
    p=st.integers(1, 70),
    storage=st.sampled_from(STORAGES),
    isa=st.sampled_from(ISAS),
    seed=st.integers(0, 2**32 - 1),
    shifted=st.booleans(),
    scaled=st.booleans(),
    n_threads=st.integers(1, 3),
    density=st.floats(0, 1),
)
def test_operations_on_any_shape(n, p, storage, isa, seed, shifted, scaled, n_threads, density):
    rng = np.random.default_rng(seed)
    X = numbers(rng, n, p, storage)
    X[rng.random((n, p)) > density] = 0.0
    A, X = store(X, storage)
    shift, scale = centring(rng, p, shifted, scaled)
    before = _cpu.get_instruction_set(), _cpu.get_serial_below()
    _cpu.set_instruction_set(isa)
    _cpu.set_serial_below(0)
    try:
        check_all(A.centered(shift, scale), X, shift, scale, n_threads)
    finally:
        _cpu.set_instruction_set(before[0])
        _cpu.set_serial_below(before[1])


# Large enough that each way of cutting the work is taken: sums over major vectors in parts, in
# slices, in pieces of long vectors; scatters in parts and in ranges.
LARGE = [
    (5000, 40, 1.0),
    (300, 3000, 1.0),
    (150_000, 3, 1.0),
    (3, 150_000, 1.0),
    (20_000, 60, 0.2),
    (400, 9000, 0.1),
]


def large(n, p, density, storage):
    rng = np.random.default_rng(n + p)
    X = rng.normal(size=(n, p))
    if density < 1:
        X *= rng.random((n, p)) < density * rng.random(p) * 2
    A, X = store(X, storage)
    return A.centered(*centring(rng, p, True, True)), X


@pytest.mark.slow
@pytest.mark.parametrize("shape", LARGE, ids=str)
@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_same_bits_for_any_number_of_threads(shape, kind, dtype):
    n, p, density = shape
    sparse = kind in ("csr", "csc")
    if sparse == (density == 1) and min(n, p) > 3:
        return  # the other storages have this shape
    index = (np.int64 if dtype == np.float32 else np.int32) if sparse else None
    A, X = large(n, p, density, (kind, dtype, index))
    rng = np.random.default_rng(1)
    u, v = rng.normal(size=n), rng.normal(size=p)
    U, V = (np.asfortranarray(rng.normal(size=(m, 2))) for m in (n, p))
    weight = rng.uniform(size=n)
    operations = {
        "dot": lambda t: A.dot(v, n_threads=t),
        "dot of two": lambda t: A.dot(V, n_threads=t),
        "tdot": lambda t: A.tdot(u, n_threads=t),
        "tdot of two": lambda t: A.tdot(U, n_threads=t),
        "mean": lambda t: A.column_stats(weight, n_threads=t)[0],
        "variance": lambda t: A.column_stats(n_threads=t)[1],
    }
    alone = {name: operation(1) for name, operation in operations.items()}
    for name, operation in operations.items():
        for t in (2, 3, 7, 2):
            assert np.array_equal(operation(t), alone[name]), f"{name} on {t} threads"

    ref = {"shift": A.shift, "scale": A.scale}
    big = (np.abs(X) + np.abs(A.shift)) * A.scale
    assert_within(alone["dot"], reference.dot(X, v, **ref), big @ abs(v), p)
    assert_within(alone["tdot"], reference.tdot(X, u, **ref), big.T @ abs(u), n)
    assert_within(alone["dot of two"], reference.dot(X, V, **ref), big @ abs(V), p)
    assert_within(alone["tdot of two"], reference.tdot(X, U, **ref), big.T @ abs(U), n)
    assert_within(alone["mean"], reference.column_stats(X, weight)[0], abs(X).max(axis=0), n)
    assert_within(alone["variance"], reference.column_stats(X)[1], (X**2).max(axis=0), n)


# Parts of the rows with sums of their own up to order 256, shared sums in slices of 200 rows
# above; rows in several rounds; sparse rows in several slices.
GRAMS = [
    ("C", 5000, 40, 1.0),
    ("F", 5000, 40, 1.0),
    ("C", 400_000, 2, 1.0),
    ("C", 650, 300, 1.0),
    ("F", 650, 300, 1.0),
    ("C", 401, 257, 1.0),
    ("csr", 20_000, 120, 0.4),
    ("csc", 3000, 300, 0.1),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "n", "p", "density", "isa"),
    # sparse ones do not depend on the instruction set
    [(*g, isa) for g in GRAMS for isa in (ISAS if g[3] == 1 else ISAS[-1:])],
    indirect=["isa"],
)
def test_gram_of_many_rows(kind, n, p, density, isa):
    index = np.int32 if kind in ("csr", "csc") else None
    A, X = large(n, p, density, (kind, np.float64, index))
    weight = np.random.default_rng(2).uniform(size=n)
    alone = A.gram(weight, n_threads=1)
    for t in (2, 3, 7):
        assert np.array_equal(A.gram(weight, n_threads=t), alone)
    big = (np.abs(X) + np.abs(A.shift)) * A.scale
    want = reference.gram(X, weight, shift=A.shift, scale=A.scale)
    assert_within(alone, want, reference.gram(big, weight), n)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "n", "p"), [("C", 300, 3000), ("F", 300, 3000), ("C", 40, 9000),
                                              ("csr", 400, 900), ("csc", 400, 900)])  # fmt: skip
def test_gram_of_many_columns(kind, n, p, isa):
    sparse = kind in ("csr", "csc")
    A, X = large(n, p, 0.1 if sparse else 1.0, (kind, np.float64, np.int64 if sparse else None))
    weight = np.random.default_rng(2).uniform(size=p)
    alone = A.gram_rows(weight, n_threads=1)
    for t in (2, 3, 7):
        assert np.array_equal(A.gram_rows(weight, n_threads=t), alone)
    big = (np.abs(X) + np.abs(A.shift)) * A.scale
    want = reference.gram_rows(X, weight, shift=A.shift, scale=A.scale)
    assert_within(alone, want, reference.gram_rows(big, weight), p)


@over_storages
def test_attributes(storage):
    kind, dtype, _ = storage
    A, X = store(numbers(np.random.default_rng(0), 7, 5, storage), storage)
    assert (A.shape, A.kind, A.dtype) == ((7, 5), kind, np.dtype(dtype))
    assert A.is_sparse == (kind in ("csr", "csc"))
    assert A.nnz == (np.count_nonzero(X) if A.is_sparse else 35)
    assert A.shift is None
    assert A.scale is None
    shift = np.arange(5.0)
    B = A.centered(shift)
    assert B.shift is shift
    assert all(np.shares_memory(a, b) for a, b in zip(A.arrays, B.arrays, strict=True))
    assert A.shift is None


@pytest.mark.parametrize("storage", [s for s in STORAGES if s[2]], ids=storage_id)
def test_transposed_storage(storage):
    A, X = store(numbers(np.random.default_rng(0), 30, 20, storage), storage)
    A = A.centered(np.arange(20.0), np.full(20, 0.5))
    B = A.transposed_storage()
    assert {A.kind, B.kind} == {"csr", "csc"}
    assert [a.dtype for a in B.arrays] == [a.dtype for a in A.arrays]
    assert np.array_equal(B.rows(0, 30), reference.operator(X, A.shift, A.scale))
    assert check_compressed(*B.arrays[1:], 30 if B.kind == "csc" else 20) == 0
    for a, b in zip(A.arrays, B.transposed_storage().arrays, strict=True):
        assert np.array_equal(a, b)


def test_transposed_storage_of_dense_is_refused():
    with pytest.raises(ValueError, match="sparse"):
        Matrix.from_dense(np.ones((2, 2))).transposed_storage()


@over_storages
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_no_rows_or_no_columns(storage, shape):
    n, p = shape
    A, _ = store(np.zeros(shape), storage)
    assert np.array_equal(A.dot(np.ones(p)), np.zeros(n))
    assert np.array_equal(A.tdot(np.ones(n)), np.zeros(p))
    assert np.array_equal(A.dot(np.ones((p, 2), order="F")), np.zeros((n, 2)))
    assert np.array_equal(A.gram(), np.zeros((p, p)))
    assert np.array_equal(A.gram_rows(), np.zeros((n, n)))
    assert A.rows(0, n).shape == shape


@over_storages
def test_read_only_input(storage):
    rng = np.random.default_rng(0)
    A, X = store(numbers(rng, 20, 10, storage), storage)
    shift, scale = centring(rng, 10, True, True)
    u, v, w = rng.normal(size=20), rng.normal(size=10), rng.uniform(size=20)
    for a in (*A.arrays, shift, scale, u, v, w):
        a.setflags(write=False)
    make = Matrix.from_compressed if A.is_sparse else Matrix.from_dense
    rest = (A.shape, A.kind == "csc") if A.is_sparse else ()
    B = make(*A.arrays, *rest).centered(shift, scale)
    check_all(B, X, shift, scale, 2)
    assert np.array_equal(B.dot(v), A.centered(shift, scale).dot(v))
    assert np.array_equal(B.gram(w), A.centered(shift, scale).gram(w))
    with pytest.raises(ValueError, match="read-only"):
        B.column_axpy(0, 1.0, u)
    with pytest.raises(ValueError, match="read-only"):
        B.dot(v, out=u)


@pytest.mark.parametrize("order", "CF")
def test_memory_map(tmp_path, order):
    X = np.random.default_rng(0).normal(size=(50, 8))
    shape = X.shape if order == "C" else X.shape[::-1]
    (X if order == "C" else X.T).tofile(tmp_path / "X")
    mapped = np.memmap(tmp_path / "X", dtype=np.float64, mode="r", shape=shape)
    A = Matrix.from_dense(mapped if order == "C" else mapped.T)
    assert A.kind == order
    check_all(A, X, None, None, 2)


@pytest.mark.parametrize(
    "X",
    [
        np.ones(3),
        np.ones((2, 2, 2)),
        np.ones((2, 2), dtype=np.int64),
        np.ones((2, 2), dtype=np.float16),
        np.ones((2, 2), dtype=">f8"),
        np.ones((4, 4))[::2, ::2],
        np.ones(33, dtype=np.uint8)[1:].view(np.float64).reshape(2, 2),
    ],
    ids=["1d", "3d", "int", "half", "swapped", "strided", "unaligned"],
)
def test_dense_arrays_that_are_refused(X):
    with pytest.raises(ValueError, match="X: expected"):
        Matrix.from_dense(X)


def test_compressed_arrays_that_do_not_fit():
    S = sp.csr_array(np.eye(3))
    data, indices, indptr = S.data, S.indices.astype(np.int32), S.indptr.astype(np.int32)
    with pytest.raises(ValueError, match="indptr: expected 5 elements"):
        Matrix.from_compressed(data, indices, indptr, (4, 3), False)
    with pytest.raises(ValueError, match="as many indices as values"):
        Matrix.from_compressed(data[:2], indices, indptr, (3, 3), False)
    with pytest.raises(ValueError, match="indices: expected int64"):
        Matrix.from_compressed(data, indices, indptr.astype(np.int64), (3, 3), False)
    with pytest.raises(ValueError, match="dtype mismatch"):
        Matrix.from_compressed(data.astype(np.int64), indices, indptr, (3, 3), False)


@pytest.mark.parametrize("storage", [STORAGES[0], STORAGES[4]], ids=storage_id)
def test_operands_that_do_not_fit(storage):
    A, _ = store(np.eye(3, 2), storage)
    with pytest.raises(ValueError, match="operand: expected 2 elements; got 3"):
        A.dot(np.ones(3))
    with pytest.raises(ValueError, match="operand: expected 3"):
        A.tdot(np.ones((2, 2), order="F"))
    with pytest.raises(ValueError, match="out: expected 3 elements; got 2"):
        A.dot(np.ones(2), out=np.empty(2))
    with pytest.raises(ValueError, match="out: expected shape"):
        A.tdot(np.ones((3, 2), order="F"), out=np.empty((2, 3), order="F"))
    with pytest.raises(ValueError, match="ontiguous"):
        A.dot(np.ones((2, 2, 2))[0])
    with pytest.raises(ValueError, match="dtype mismatch"):
        A.dot(np.ones(2, dtype=np.float32))
    with pytest.raises(ValueError, match="weight: expected 3 elements; got 2"):
        A.gram(np.ones(2))
    with pytest.raises(ValueError, match="weight: expected 2 elements; got 3"):
        A.gram_rows(np.ones(3))
    with pytest.raises(ValueError, match="weight: expected 3 elements; got 2"):
        A.column_stats(np.ones(2))
    for name in ("shift", "scale"):
        with pytest.raises(ValueError, match=f"{name}: expected 2 elements.*got 3"):
            A.centered(**{name: np.ones(3)})
    for method, size, vector in (("column", 2, 3), ("row", 3, 2)):
        for place in (-1, size):
            with pytest.raises(IndexError, match=f"{method}: expected 0 to {size - 1}; got"):
                getattr(A, f"{method}_dot")(place, np.ones(vector))
            with pytest.raises(IndexError, match=f"{method}: expected 0 to {size - 1}; got"):
                getattr(A, f"{method}_axpy")(place, 1.0, np.ones(vector))
        with pytest.raises(ValueError, match=f"expected {vector} elements; got 9"):
            getattr(A, f"{method}_dot")(0, np.ones(9))
    for i0, i1 in ((-1, 2), (2, 1), (0, 4)):
        with pytest.raises(IndexError, match="rows: expected a range within 0 to 3"):
            A.rows(i0, i1)
    with pytest.raises(TypeError):
        A.dot(None)
    with pytest.raises(TypeError):
        A.column_dot(0, None)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [5, 2000])
@pytest.mark.slow
def test_centring_does_not_cancel(order, weighted, n, isa):
    # X - 1e8 is exact in binary: the same problem without cancellation
    X = np.array(1e8 + np.random.default_rng(0).normal(size=(n, 9)), order=order)
    X[:, 4] = 0.1
    Z = X - np.where(np.arange(9) == 4, 0.1, 1e8)
    weight = np.random.default_rng(1).uniform(size=n) if weighted else None
    A = Matrix.from_dense(X)
    mean, var = A.column_stats(weight)
    z_mean, z_var = reference.column_stats(Z, weight)
    assert np.array_equal(mean[4:5], [0.1])
    assert var[4] == 0
    # a mean of 1e8 is a multiple of 1.5e-8
    assert np.abs(mean - (X - Z)[0] - z_mean).max() <= 1.5e-8
    np.testing.assert_allclose(var, z_var, rtol=8 * n * EPS, atol=0)
    C = A.centered(mean)
    gap = mean - (X - Z)[0]
    G = C.gram(weight)
    bound = reference.gram(np.abs(Z) + np.abs(gap), weight)
    assert_within(G, reference.gram(Z, weight, shift=gap), bound, n)
    u = np.random.default_rng(2).normal(size=n)
    assert_within(C.tdot(u), reference.tdot(Z, u, shift=gap), abs(Z).T @ abs(u) + 1e-7, n)
    K = C.gram_rows()
    bound = reference.gram_rows(np.abs(Z) + np.abs(gap))
    assert_within(K, reference.gram_rows(Z, shift=gap), bound, 9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_all_finite(dtype, isa):
    for n in (0, 1, 2, 3, 4, 7, 8, 9, 16, 31, 33, 64, 65, 100):
        a = np.full(n, np.finfo(dtype).max, dtype=dtype)
        assert all_finite(a)
        for i, bad in itertools.product(range(n), (np.nan, np.inf, -np.inf)):
            a[i] = bad
            assert not all_finite(a)
            a[i] = 1e-40


@pytest.mark.parametrize("place", [0, 70_000, 199_999])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_all_finite_on_threads(place, n_threads, threaded):
    a = np.zeros((200, 1000), order="F")
    assert all_finite(a, n_threads=n_threads)
    a.reshape(-1, order="F")[place] = np.nan
    assert not all_finite(a, n_threads=n_threads)


def test_all_finite_refuses():
    with pytest.raises(ValueError, match="float32 or float64; got int64"):
        all_finite(np.ones(3, dtype=np.int64))
    with pytest.raises(ValueError, match="strided"):
        all_finite(np.ones(6)[::2])
    unaligned = np.zeros(33, np.uint8)[1:].view(np.float64)
    for a in (unaligned, np.ones(3).astype(np.float64).view(">f8")):
        with pytest.raises(ValueError, match="aligned numbers of the machine's byte order"):
            all_finite(a)


@pytest.mark.parametrize("width", [np.int32, np.int64])
def test_check_compressed_against_a_loop(width):
    def by_loop(indices, indptr, n_minor):
        messy = 0
        for begin, end in itertools.pairwise(indptr):
            for k in range(begin, end):
                if not 0 <= indices[k] < n_minor:
                    return f"{k}"
                messy |= int(k > begin and indices[k] <= indices[k - 1])
        return messy

    rng = np.random.default_rng(0)
    for _ in range(500):
        n_minor, rows = int(rng.integers(1, 8)), []
        for _ in range(rng.integers(0, 6)):
            row = np.sort(rng.choice(n_minor, rng.integers(0, n_minor + 1), replace=False))
            if rng.random() < 0.1:
                row = rng.permutation(row)
            if len(row) and rng.random() < 0.05:
                row[rng.integers(len(row))] = rng.choice([-1, 0, n_minor])
            rows.append(row)
        indices = np.concatenate([*rows, []]).astype(width)
        indptr = np.cumsum([0, *map(len, rows)]).astype(width)
        expected = by_loop(indices, indptr, n_minor)
        if isinstance(expected, int):
            assert check_compressed(indices, indptr, n_minor) == expected
        else:
            with pytest.raises(ValueError, match=rf"\b{expected}\b"):
                check_compressed(indices, indptr, n_minor)


def test_check_compressed_of_more_columns_than_int32_counts():
    indptr = np.array([0, 2], np.int32)
    indices = np.array([3, 2**31 - 1], np.int32)
    assert check_compressed(indices, indptr, 2**32 + 1) == 0
    with pytest.raises(ValueError, match="-2"):
        check_compressed(np.array([-2, 3], np.int32), indptr, 2**32 + 1)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize(
    ("indices", "indptr", "expected"),
    [
        ([], [0], 0),
        ([], [0, 0, 0], 0),
        ([0, 2, 1], [0, 2, 3], 0),
        ([2, 0, 1], [0, 2, 3], 1),
        ([0, 0, 1], [0, 2, 3], 1),
        ([0, 2, 1], [1, 2, 3], "indptr: expected 0 as its first element; got 1"),
        ([0, 2, 1], [0, 2, 1], "indptr: expected no decrease; got 2 then 1"),
        ([0, 2, 1], [0, 2, 4], "indptr: expected at most 3, the number of indices; got 4"),
        ([0, 3, 1], [0, 2, 3], "indices: expected 0 to 2; got 3 at position 1"),
        ([0, 2, -1], [0, 2, 3], "indices: expected 0 to 2; got -1 at position 2"),
        ([], [], "indptr: expected at least one element"),
    ],
)
def test_check_compressed(index, indices, indptr, expected):
    arrays = np.array(indices, dtype=index), np.array(indptr, dtype=index)
    if isinstance(expected, int):
        assert check_compressed(*arrays, 3) == expected
    else:
        with pytest.raises(ValueError, match=expected):
            check_compressed(*arrays, 3)


def test_instruction_sets():
    assert ISAS[:2] == ("plain", "baseline")
    assert _cpu.get_instruction_set() in ISAS
    with pytest.raises(ValueError, match=r"must be one of plain, baseline.*got 'mmx'"):
        _cpu.set_instruction_set("mmx")
