"""Input validation: arguments that are used in place or converted, and names of features."""

import itertools
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from storages import NotAnArray, make_sparse

from fastridge.data import check
from fastridge.data.check import check_design, check_target, feature_names

FLOATS = (np.float64, np.float32)
INDICES = (np.int32, np.int64)

# Once where pyarrow is installed, which pandas needs for its arrow types.
PYARROW = range(find_spec("pyarrow") is not None)


def values(A):
    """The dense matrix that a Matrix stands for."""
    return A.dot(np.eye(A.shape[1], order="F"))


@pytest.fixture
def handed(monkeypatch):
    """Return the buffers that validation passes to Matrix."""
    record = SimpleNamespace(buffers=(), calls=0)

    def keep(*buffers, **_):
        record.buffers = buffers
        record.calls += 1
        return SimpleNamespace(shape=(0, 0))

    monkeypatch.setattr(check, "Matrix", SimpleNamespace(from_dense=keep, from_compressed=keep))
    return record


def freeze(X):
    for array in (X.data, X.indices, X.indptr):
        array.setflags(write=False)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("writeable", [True, False])
def test_dense_is_not_copied(handed, dtype, order, writeable):
    X = np.asarray(np.random.default_rng(0).normal(size=(6, 4)), dtype=dtype, order=order)
    X.setflags(write=writeable)
    check_design(X)
    (buffer,) = handed.buffers
    assert np.shares_memory(buffer, X)
    assert buffer.dtype == dtype
    assert buffer.strides == X.strides


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_memory_map_is_not_copied(handed, tmp_path, order, mode):
    path = tmp_path / "X.npy"
    np.save(path, np.asarray(np.arange(12.0).reshape(4, 3), order=order))
    X = np.load(path, mmap_mode=mode)
    check_design(X)
    assert np.shares_memory(handed.buffers[0], X)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_array, sp.csr_matrix, sp.csc_matrix])
@pytest.mark.parametrize("frozen", [False, True])
def test_canonical_sparse_is_not_copied(handed, dtype, index, container, frozen):
    X = make_sparse(container, dtype, index)
    if frozen:
        freeze(X)
    check_design(X)
    data, indices, indptr, shape, by_column, *_ = handed.buffers
    assert np.shares_memory(data, X.data)
    assert np.shares_memory(indices, X.indices)
    assert np.shares_memory(indptr, X.indptr)
    assert (data.dtype, indices.dtype, indptr.dtype) == (dtype, index, index)
    assert shape == X.shape
    assert by_column == (X.format == "csc")


def test_memory_mapped_sparse_is_not_copied(handed, tmp_path):
    X = make_sparse(sp.csr_array)
    for name in ("data", "indices", "indptr"):
        np.save(tmp_path / f"{name}.npy", getattr(X, name))
        setattr(X, name, np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    check_design(X)
    assert all(
        np.shares_memory(buffer, given)
        for buffer, given in zip(handed.buffers[:3], (X.data, X.indices, X.indptr), strict=True)
    )


def test_homogeneous_frame_is_not_copied(handed):
    block = np.arange(12.0).reshape(4, 3)
    frame = pd.DataFrame(block, columns=list("abc"), copy=False)
    check_design(frame)
    assert np.shares_memory(handed.buffers[0], frame.to_numpy())


def test_spare_room_after_the_last_value_is_left_out(handed):
    X = make_sparse(sp.csr_array)
    nnz = X.nnz
    X.data = np.append(X.data, np.nan)
    X.indices = np.append(X.indices, np.int32(99))
    check_design(X)
    assert handed.buffers[0].shape == handed.buffers[1].shape == (nnz,)
    assert np.shares_memory(handed.buffers[0], X.data)


@pytest.mark.parametrize("dtype", FLOATS)
def test_target_vector_is_not_copied_where_float64(dtype):
    y = np.arange(5, dtype=dtype)
    y.setflags(write=False)
    checked = check_target(y, 5)
    assert checked.dtype == np.float64
    assert np.shares_memory(checked, y) == (dtype == np.float64)


def test_target_matrix_in_fortran_order_is_not_copied():
    Y = np.arange(10.0).reshape(2, 5).T
    assert np.shares_memory(check_target(Y, 5), Y)
    assert check_target(np.arange(10.0).reshape(5, 2), 5).flags.f_contiguous


# Converted.


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.float16, np.longdouble])
def test_other_numbers_become_float64(dtype):
    X = np.array([[0, 1], [1, 1], [1, 0]], dtype=dtype)
    for given_X in (X, sp.csr_array(X) if dtype is not np.float16 else X):
        A = check_design(given_X)
        assert A.dtype == np.float64
        np.testing.assert_array_equal(values(A), X.astype(float))


@pytest.mark.parametrize("dtype", [">f8", ">f4"])
def test_foreign_byte_order(dtype):
    X = np.arange(6.0).reshape(3, 2).astype(dtype)
    A = check_design(X)
    assert A.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(values(A), X)


@pytest.mark.parametrize(
    "view",
    [
        lambda X: X[::2],
        lambda X: X[:, ::-1],
        lambda X: X[:, 1:3],
        lambda X: X.T[1:3].T[::-1],
        lambda X: np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float64).reshape(6, 4),
        lambda X: np.broadcast_to(X[0], (6, 4)),
    ],
)
def test_strided_and_unaligned_views(view):
    X = view(np.random.default_rng(0).normal(size=(6, 4)))
    np.testing.assert_array_equal(values(check_design(X)), X)
    y = X[:, 0]
    checked = check_target(y, X.shape[0])
    assert checked.flags.c_contiguous
    assert checked.flags.aligned
    np.testing.assert_array_equal(checked, y)


@pytest.mark.parametrize(
    "X",
    [
        [[1, 2], [3, 4]],
        ((1.0, 2.0), (3.0, 4.0)),
        [np.array([1, 2]), np.array([3, 4])],
        np.array([[1, 2.0], [3, 4]], dtype=object),
        NotAnArray([[1, 2], [3, 4]]),
        pd.DataFrame([[1, 2], [3, 4]]),
        pl.DataFrame({"a": [1, 3], "b": [2, 4]}),
        np.asmatrix([[1, 2], [3, 4]]),
        np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]]),
    ],
    ids=lambda X: type(X).__name__,
)
def test_array_likes(X):
    np.testing.assert_array_equal(values(check_design(X)), [[1.0, 2.0], [3.0, 4.0]])


def test_one_row_and_one_column():
    for shape in ((1, 4), (4, 1), (1, 1)):
        X = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
        np.testing.assert_array_equal(values(check_design(X)), X)


@pytest.mark.parametrize(
    ("columns", "dtype"),
    [
        ({"a": np.float32([1, 2]), "b": np.float32([3, 4])}, np.float32),
        ({"a": np.float32([1, 2]), "b": np.float64([3, 4])}, np.float64),
        ({"a": [True, False], "b": [1.5, 2.5]}, np.float64),
        ({"a": pd.array([1, 2], dtype="Int64"), "b": [0.5, 1.5]}, np.float64),
        ({"a": pd.array([1, 2], dtype="Float32")}, np.float32),
        ({"a": pd.array([True, False], dtype="boolean"), "b": [1, 2]}, np.float64),
        ({"a": pd.arrays.SparseArray([0.0, 1.0]), "b": [1.0, 2.0]}, np.float64),
        ({"a": pd.Categorical([1, 2]), "b": [1.0, 2.0]}, np.float64),
        *(
            ({"a": pd.array([1, 2], dtype="int64[pyarrow]"), "b": [1.0, 2.0]}, np.float64)
            for _ in PYARROW
        ),
    ],
    ids=str,
)
def test_pandas_columns(columns, dtype):
    frame = pd.DataFrame(columns)
    A = check_design(frame)
    assert A.dtype == dtype
    np.testing.assert_array_equal(values(A), frame.astype(np.float64).to_numpy())


def test_all_sparse_pandas_frame_stays_sparse():
    dense = np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
    A = check_design(pd.DataFrame.sparse.from_spmatrix(sp.csr_matrix(dense)))
    assert A.kind in ("csr", "csc")
    np.testing.assert_array_equal(values(A), dense)


def test_sparse_pandas_frame_filled_with_another_value():
    frame = pd.DataFrame({"a": pd.arrays.SparseArray([1.0, 1.0, 3.0], fill_value=1.0)})
    np.testing.assert_array_equal(values(check_design(frame)), [[1.0], [1.0], [3.0]])


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, None], dtype="Int64"),
        pd.array([0.5, None], dtype="Float64"),
        pd.array([True, None], dtype="boolean"),
        *(pd.array([1, None], dtype="int64[pyarrow]") for _ in PYARROW),
        np.array([1.0, np.nan]),
    ],
    ids=lambda column: str(column.dtype),
)
def test_missing_values_in_pandas_are_nan(column):
    frame = pd.DataFrame({"a": column, "b": [1.0, 2.0]})
    with pytest.raises(ValueError, match="Input X contains NaN, at row and column 1, 0"):
        check_design(frame)
    with pytest.raises(ValueError, match="Input y contains NaN, at position 1"):
        check_target(frame["a"], 2)


def test_polars():
    frame = pl.DataFrame({"a": pl.Series([1, 2], dtype=pl.Float32)})
    assert check_design(frame).dtype == np.float32
    mixed = pl.DataFrame({"a": [1.5, 2.5], "b": [1, 2], "c": [True, False]})
    np.testing.assert_array_equal(values(check_design(mixed)), [[1.5, 1, 1], [2.5, 2, 0]])
    with pytest.raises(ValueError, match="NaN"):
        check_design(pl.DataFrame({"a": [1, None]}))
    with pytest.raises(ValueError, match="strings"):
        check_design(pl.DataFrame({"a": ["x", "y"], "b": [1, 2]}))
    np.testing.assert_array_equal(check_target(frame["a"], 2), [1.0, 2.0])


def test_pyarrow():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    np.testing.assert_array_equal(values(check_design(table)), [[1.0, 3.0], [2.0, 4.0]])
    assert feature_names(table).tolist() == ["a", "b"]


@pytest.mark.parametrize("format", ["coo", "bsr", "dia", "dok", "lil", "csr", "csc"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, bool])
def test_sparse_formats(format, kind, dtype):
    dense = (np.arange(24).reshape(6, 4) % 3).astype(dtype)
    X = getattr(sp, f"{format}_{kind}")(dense)
    A = check_design(X)
    assert A.dtype == (dtype if dtype in FLOATS else np.float64)
    assert A.kind == ("csc" if format == "csc" else "csr")
    np.testing.assert_array_equal(values(A), dense.astype(float))


@pytest.mark.parametrize("dtype", [np.int8, bool, np.float64])
def test_duplicates_in_coo_add_up(dtype):
    ones = np.ones(200, dtype=dtype)
    place = np.zeros(200, dtype=np.int32)
    X = sp.coo_array((ones, (place, place)), shape=(2, 2))
    np.testing.assert_array_equal(values(check_design(X)), [[200.0, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_array, sp.csr_matrix, sp.csc_matrix])
@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8])
@pytest.mark.parametrize("claim", [None, True])
def test_unsorted_and_repeated_indices(container, index, dtype, claim):
    data = np.array([100, 2, 100, 4, 5], dtype=dtype)
    indices = np.array([2, 0, 2, 1, 0], dtype=index)
    indptr = np.array([0, 3, 5, 5], dtype=index)
    X = container((data, indices, indptr), shape=(3, 3))
    if claim:
        # SciPy trusts its cached flags; validation must not.
        X.has_sorted_indices = X.has_canonical_format = True
    freeze(X)
    before = [a.copy() for a in (X.data, X.indices, X.indptr)]
    expected = np.array([[2.0, 0.0, 200.0], [5.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
    A = check_design(X)
    np.testing.assert_array_equal(values(A), expected.T if X.format == "csc" else expected)
    for array, old in zip((X.data, X.indices, X.indptr), before, strict=True):
        np.testing.assert_array_equal(array, old)
    assert A.nnz == 4


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_order_and_repetition_of_indices(data):
    n, p = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    rows = data.draw(st.lists(st.lists(st.integers(0, p - 1), max_size=8), min_size=n, max_size=n))
    indices = np.array(list(itertools.chain(*rows)), dtype=data.draw(st.sampled_from(INDICES)))
    indptr = np.cumsum([0, *map(len, rows)]).astype(indices.dtype)
    X = sp.csr_array((np.arange(1.0, len(indices) + 1), indices, indptr), shape=(n, p))
    dense = np.zeros((n, p))
    for i, j in enumerate(itertools.chain(*rows)):
        dense[np.searchsorted(indptr, i, side="right") - 1, j] += i + 1
    np.testing.assert_allclose(values(check_design(X)), dense)
    np.testing.assert_allclose(values(check_design(X.T)), dense.T)


@pytest.mark.parametrize(("wide", "narrow"), [("indices", "indptr"), ("indptr", "indices")])
def test_index_widths_are_brought_together(handed, wide, narrow):
    X = make_sparse(sp.csr_array)
    setattr(X, wide, getattr(X, wide).astype(np.int64))
    assert getattr(X, narrow).dtype == np.int32
    check_design(X)
    data, indices, indptr, *_ = handed.buffers
    assert indices.dtype == indptr.dtype == X.indices.dtype
    assert np.shares_memory(data, X.data)
    assert np.shares_memory(indices, X.indices)


@pytest.mark.parametrize("dtype", [np.uint32, np.int16, np.uint64])
def test_other_index_types(dtype):
    X = make_sparse(sp.csr_array)
    expected = X.toarray()
    X.indices, X.indptr = X.indices.astype(dtype), X.indptr.astype(dtype)
    np.testing.assert_array_equal(values(check_design(X)), expected)


def test_empty_rows_columns_and_no_values():
    X = sp.csr_array((3, 2), dtype=np.float64)
    A = check_design(X)
    assert A.nnz == 0
    np.testing.assert_array_equal(values(A), np.zeros((3, 2)))


# Names.


def test_feature_names():
    for frame in (pd.DataFrame([[1, 2]], columns=["a", "b"]), pl.DataFrame({"a": [1], "b": [2]})):
        names = feature_names(frame)
        assert names.dtype == object
        assert names.tolist() == ["a", "b"]
    assert feature_names(np.eye(2)) is None
    assert feature_names(pd.DataFrame(np.eye(2))) is None
    assert feature_names(pd.DataFrame(np.eye(2), columns=[("a", 1), ("b", 2)])) is None
    with pytest.raises(TypeError, match="string names, but column 1 is of type int"):
        feature_names(pd.DataFrame(np.eye(2), columns=["a", 1]))


def frame_of(library, column):
    frame = pd.DataFrame(np.ones((4, 30)), columns=[f"c{j}" for j in range(30)])
    frame["c17"] = column
    if library == "pandas":
        return frame
    return pl.DataFrame({name: list(frame[name]) for name in frame})


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_column_of_strings_is_named(library):
    with pytest.raises(ValueError, match=r"X holds strings \(dtype .*\) in column 'c17'; expected"):
        check_design(frame_of(library, list("abcd")))


def test_categories_of_strings_alone_are_refused():
    frame = frame_of("pandas", [1, 2, 3, 4])
    frame["c17"] = frame["c17"].astype("category")
    assert check_design(frame).shape == (4, 30)
    frame["c17"] = pd.Series(list("abab"), dtype="category")
    frame["c3"] = list("abcd")
    with pytest.raises(ValueError, match=r"strings \(dtype .*\) in 2 columns 'c3', 'c17'"):
        check_design(frame)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("finite", [True, False])
def test_a_column_that_is_not_finite_is_named(library, finite):
    frame = frame_of(library, [1.0, 2.0, np.nan, 3.0])
    with pytest.raises(ValueError, match=r"contains NaN, at row and column 2, 17 \('c17'\)"):
        check_design(frame, finite=finite)


def test_plans_of_data_are_not_data():
    with pytest.raises(ValueError, match=r"X is a LazyFrame of polars.*expected X.collect\(\)"):
        check_design(frame_of("polars", [1.0, 2.0, 3.0, 4.0]).lazy())
