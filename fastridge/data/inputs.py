"""Convert array-likes, data frames and sparse containers to arrays, for `data.check`.

pandas, polars, pyarrow and scipy.sparse are looked up among the loaded modules, never imported.
"""

from __future__ import annotations

import math
import sys
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checks import check_compressed, held

FLOAT64 = np.dtype(np.float64)
FLOAT32 = np.dtype(np.float32)
_INT64 = np.dtype(np.int64)
_INT32 = np.dtype(np.int32)

# Replaced by each conversion that may have run the caller's code, which can change checked arrays.
# A new object, not a count: an addition of two threads at once may count neither of them.
_last_foreign = object()

# Rows that are searched at a time for a value that is not finite.
_SEARCH_BLOCK = 65536


def note_foreign() -> None:
    """Note that the caller's code may have run; see `data.check.recheck`."""
    global _last_foreign
    _last_foreign = object()


def last_foreign() -> object:
    """Return the mark of the last call of `note_foreign` in this process."""
    return _last_foreign


def as_real(value: Any) -> float:
    """Return a real number as a float; an integer too large for a float as infinity."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def feature_names(X: Any) -> NDArray[np.object_] | None:
    """Names of the columns of a data frame.

    Parameters
    ----------
    X : object
        Anything that `check_design` takes.

    Returns
    -------
    ndarray of shape (n_features,), dtype object, or None
        The names where `X` is a data frame whose column names are all strings, else None.

    Raises
    ------
    TypeError
        If some names are strings and others are not.

    Examples
    --------
    >>> from fastridge.data.inputs import feature_names
    >>> feature_names([[1.0, 2.0]]) is None
    True
    """
    kind = _frame_kind(X)
    if kind is None:
        return None
    columns = X.column_names if kind == "pyarrow" else X.columns
    names = np.empty(len(columns), dtype=object)
    names[:] = list(columns)
    strings = sum(isinstance(column, str) for column in names)
    if strings == 0:
        return None
    if strings < len(names):
        other = next(column for column in names if not isinstance(column, str))
        raise TypeError(
            "Feature names are only supported if all input features have string names, but column"
            f" {other!r} is of type {type(other).__name__}. Make all of them strings, for example"
            " by X.columns = X.columns.astype(str), or none of them."
        )
    return names


def is_sparse(X: Any) -> bool:
    """Return whether X is a scipy sparse matrix or array; scipy.sparse is not imported for it.

    Parameters
    ----------
    X : object
        Anything.

    Returns
    -------
    bool
        False also where scipy.sparse is not loaded.
    """
    issparse = getattr(sys.modules.get("scipy.sparse"), "issparse", None)
    return issparse is not None and issparse(X)


def is_moments(X: Any) -> bool:
    """Return whether X is `fastridge.Moments`, without importing its module."""
    return isinstance(X, getattr(sys.modules.get("fastridge.moments"), "Moments", ()))


def _frame_kind(X: Any) -> str | None:
    """Return the name of the library whose data frame X is, or None."""
    for library, frame in (("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "Table")):
        if isinstance(X, getattr(sys.modules.get(library), frame, ())):
            return library
    return None


# Prefixes of the type names of string columns, in lower case.
_WORDS = ("str", "large_str", "utf8", "cat", "enum", "dict")

# Lazy containers, and the method that computes their data.
_LAZY = {"polars": "collect", "dask.array": "compute", "dask.dataframe": "compute"}


def _refuse_lazy(X: Any, name: str) -> None:
    """Raise if X is a lazy container, whose values are not computed yet."""
    for library, method in _LAZY.items():
        loaded = sys.modules.get(library)
        kinds = (getattr(loaded, k, ()) for k in ("LazyFrame", "Array", "Series", "DataFrame"))
        if loaded is None or not any(isinstance(X, kind) for kind in kinds):
            continue
        if hasattr(X, method):
            raise ValueError(
                f"{name} is a {type(X).__name__} of {library.split('.')[0]}, whose values are not"
                f" computed yet; expected {name}.{method}()."
            )


def column_names(X: Any) -> list[Any] | None:
    """Return the column names of a data frame, of any type; None where X is not a data frame."""
    kind = _frame_kind(X)
    if kind is None:
        return None
    return list(X.column_names if kind == "pyarrow" else X.columns)


def _refuse_columns_of_strings(X: Any, kind: str, name: str) -> None:
    """Raise if a frame has columns of strings, with their names."""
    if kind == "pyarrow":
        types = [(field.name, field.type) for field in X.schema]
    else:
        types = list(zip(X.columns, X.dtypes, strict=True))
    wrong = []
    for j, (column, dtype) in enumerate(types):
        if kind == "pandas" and str(dtype) in ("object", "category"):
            values = X.iloc[:, j] if str(dtype) == "object" else dtype.categories
            strings = any(isinstance(value, (str, bytes)) for value in values)
        else:
            strings = str(dtype).lower().startswith(_WORDS)
        if strings:
            wrong.append((column, dtype))
    if wrong:
        shown = ", ".join(repr(c) for c, _ in wrong[:5]) + (", ..." if len(wrong) > 5 else "")
        where = "column" if len(wrong) == 1 else f"{len(wrong)} columns"
        raise ValueError(
            f"{name} holds strings (dtype {wrong[0][1]}) in {where} {shown}; expected numbers:"
            " encode them."
        )


def as_array(X: Any, name: str) -> Any:
    """Return X as an ndarray, or an all-sparse frame as a scipy sparse matrix."""
    if isinstance(X, np.ndarray):
        if np.ma.isMaskedArray(X) and np.ma.getmaskarray(X).any():
            raise ValueError(f"{name} is a masked array with masked values; fill or drop them.")
        # an array of objects is copied, under the lock
        return np.asarray(X) if X.dtype.hasobject else held(np.asarray(X))
    if X is None:
        raise ValueError(f"{name} is None; expected an array of numbers.")
    if isinstance(X, getattr(sys.modules.get("fastridge.data.parts"), "Parts", ())):
        raise TypeError(
            f"{name} is {type(X).__name__}, data in parts, which is not supported here; expected an"
            " array of numbers. Estimators accept data in parts in fit and predict."
        )
    note_foreign()
    kind = _frame_kind(X)
    if kind is not None:
        _refuse_columns_of_strings(X, kind, name)
    else:
        _refuse_lazy(X, name)
    if kind == "pandas":
        return _pandas_values(X)
    if kind == "polars":
        return X.to_numpy()
    if isinstance(X, getattr(sys.modules.get("pandas"), "Series", ())):
        return _pandas_values(X)
    try:
        return np.asarray(X)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{name}, a {type(X).__name__}, cannot be converted to an array of numbers: {error}"
        ) from error


def _pandas_values(frame: Any) -> Any:
    """Return the values of a pandas frame or series; missing values of any kind become NaN."""
    dtypes = set(frame.dtypes) if frame.ndim == 2 else {frame.dtype}
    if any(getattr(dtype, "kind", "O") not in "biuf" for dtype in dtypes):
        return frame.to_numpy()
    if frame.ndim == 2 and dtypes and all(_is_zero_filled(dtype) for dtype in dtypes):
        return frame.sparse.to_coo()
    # A nullable, arrow or sparse column says which NumPy type it holds.
    inner = {getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype)) for dtype in dtypes}
    target = FLOAT32 if inner == {FLOAT32} else FLOAT64
    if all(isinstance(dtype, np.dtype) for dtype in dtypes):
        return frame.to_numpy(dtype=target)
    return frame.to_numpy(dtype=target, na_value=np.nan)


def _is_zero_filled(dtype: Any) -> bool:
    """Return whether a pandas type is sparse with a fill value of zero (or False)."""
    return hasattr(dtype, "subtype") and hasattr(dtype, "fill_value") and dtype.fill_value == 0


def numbers(values: Any, name: str) -> Any:
    """Return values as native float32 or float64; copy only where the type changes."""
    dtype = values.dtype
    if dtype in (FLOAT64, FLOAT32):
        return values
    kind = dtype.kind
    if kind in "biuf":
        # values too large for float64 become infinity, which a later check refuses
        with np.errstate(over="ignore"):
            return values.astype(FLOAT32 if kind == "f" and dtype.itemsize == 4 else FLOAT64)
    if kind == "c":
        raise ValueError(f"Complex data not supported: {name} is {dtype}; expected real numbers.")
    if kind == "O" and isinstance(values, np.ndarray):
        return _numbers_of_objects(values, name)
    if kind in "US":
        raise ValueError(_strings(name, dtype))
    raise TypeError(f"{name} has dtype {dtype}; expected numbers.")


def _strings(name: str, dtype: Any) -> str:
    """Return the message for strings, with a hint for the argument that holds them."""
    kind = name.split()[-1]  # of "validation X", too
    if kind.startswith("X"):
        hint = ": encode them"
    elif kind == "y":
        hint = "; labels of classes are for classifiers, such as LogisticRegression"
    else:
        hint = ""
    return f"{name} holds strings (dtype {dtype}); expected numbers{hint}."


def _numbers_of_objects(values: NDArray[np.object_], name: str) -> NDArray[np.float64]:
    """Return an array of objects as float64; strings are not parsed."""
    note_foreign()
    types = set(map(type, values.ravel()))
    for kind in types:
        if issubclass(kind, (str, bytes)):
            raise ValueError(_strings(name, values.dtype))
        if issubclass(kind, (complex, np.complexfloating)):
            raise ValueError(
                f"Complex data not supported: {name} holds complex numbers; expected real ones."
            )
    try:
        return values.astype(np.float64)
    except OverflowError as error:
        raise ValueError(
            f"{name} (dtype object) holds a number that is too large for float64: {error}"
        ) from None
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{name} (dtype object) holds a value that is not a number: {error}"
        ) from error


def check_value_count(shape: tuple[int, ...], nnz: int, name: str) -> None:
    """Raise ValueError where the values of a CSR or CSC matrix are fewer than its indices."""
    if len(shape) != 1 or shape[0] < nnz:
        raise ValueError(
            f"{name} is a malformed sparse matrix: data has shape {shape}, but indptr ends at"
            f" {nnz}; expected the same number."
        )


def check_sparse(X: Any, name: str) -> None:
    """Raise ValueError unless the structure of a scipy sparse matrix fits its shape.

    SciPy reads and writes out of bounds where it does not, and its own ``check_format`` looks at no
    index where `indptr` ends in 0.
    """
    if X.format in ("csr", "csc"):
        by_column = X.format == "csc"
        n_minor, n_major = X.shape if by_column else X.shape[::-1]
        indices, indptr = index_arrays(X.indices, X.indptr, name)
        check_structure(indices, indptr, n_major, n_minor, name, by_column)
        check_value_count(X.data.shape, int(indptr[-1]), name)
    elif X.format == "lil":
        _lil_indices(X, name)
    elif X.format == "dok":
        check_sparse(X.tocoo(), name)
    elif X.format == "coo":
        for axis, coords in enumerate(X.coords if hasattr(X, "coords") else (X.row, X.col)):
            if coords.shape != X.data.shape:
                raise ValueError(
                    f"{name} is a malformed sparse matrix: data has shape {X.data.shape} and the"
                    f" coordinates on axis {axis} {coords.shape}; expected the same number."
                )
            if len(coords) and (coords.min() < 0 or coords.max() >= X.shape[axis]):
                raise ValueError(
                    f"{name} is a malformed sparse matrix: coordinates on axis {axis} reach from"
                    f" {coords.min()} to {coords.max()}; expected 0 to {X.shape[axis] - 1}."
                )
    elif X.format == "dia":
        if X.data.ndim != 2 or X.offsets.shape != X.data.shape[:1]:
            raise ValueError(
                f"{name} is a malformed sparse matrix: data has shape {X.data.shape} and offsets"
                f" {X.offsets.shape}; expected a row of data for each offset."
            )
    elif X.format == "bsr":
        height, width = X.blocksize
        indices, indptr = index_arrays(X.indices, X.indptr, name)
        check_structure(indices, indptr, X.shape[0] // height, X.shape[1] // width, name, False)
        if X.data.shape[0] < indptr[-1]:
            raise ValueError(
                f"{name} is a malformed sparse matrix: data has {X.data.shape[0]} blocks, but"
                f" indptr ends at {indptr[-1]}; expected the same number."
            )


def to_dense(X: Any, name: str) -> NDArray[Any]:
    """Return a scipy sparse matrix, whose structure is checked, as an array."""
    check_sparse(X, name)
    found: NDArray[Any] = X.toarray()
    return found


def to_csr(X: Any, name: str) -> Any:
    """Return a scipy sparse matrix of another format as CSR; values are converted, then added."""
    if X.format == "lil":
        return _lil_to_csr(X, name)
    if X.format == "dok":
        X = X.tocoo()
    check_sparse(X, name)
    if X.dtype not in (FLOAT64, FLOAT32):
        if X.dtype.kind not in "biuf":
            numbers(X, name)
        X = X.astype(FLOAT64)
    return X.tocsr()


def _lil_indices(X: Any, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the columns of the elements of a LIL matrix, and where each row begins."""
    n = X.shape[0]
    rows, data = X.rows, X.data
    if rows.shape != (n,) or data.shape != (n,):
        raise ValueError(
            f"{name} is a malformed sparse matrix: rows has shape {rows.shape} and data"
            f" {data.shape}; expected ({n},), a list for each row."
        )
    try:
        lengths = np.fromiter(map(len, rows), np.int64, n)
        wrong = lengths != np.fromiter(map(len, data), np.int64, n)
        if wrong.any():
            i = int(wrong.argmax())
            raise ValueError(
                f"row {i} has {len(rows[i])} indices and {len(data[i])} values; expected the same"
                " number."
            )
        indices = np.fromiter(chain.from_iterable(rows), np.int64, -1)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} is a malformed sparse matrix: {error}") from error
    wrong = (indices < 0) | (indices >= X.shape[1])
    if wrong.any():
        place = int(wrong.argmax())
        raise ValueError(
            f"{name} is a malformed sparse matrix: indices: expected 0 to {X.shape[1] - 1}; got"
            f" {indices[place]} at position {place}"
        )
    start = np.zeros(n + 1, np.int64)
    np.cumsum(lengths, out=start[1:])
    return indices, start


def _lil_to_csr(X: Any, name: str) -> Any:
    """Return a LIL matrix as CSR; SciPy would read a malformed one out of bounds."""
    if X.dtype.kind not in "biuf":
        numbers(X, name)
    indices, start = _lil_indices(X, name)
    try:
        values = np.fromiter(
            chain.from_iterable(X.data), FLOAT32 if X.dtype == FLOAT32 else FLOAT64, -1
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} is a malformed sparse matrix: {error}") from error
    width = _INT32 if max(*X.shape, len(indices)) < 2**31 else _INT64
    return sys.modules["scipy.sparse"].csr_array(
        (values, indices.astype(width), start.astype(width)), shape=X.shape
    )


def index_arrays(indices: Any, indptr: Any, name: str = "X") -> tuple[NDArray[Any], NDArray[Any]]:
    """Return contiguous indices and indptr of one integer width; copy indices only if needed."""
    for key, array in (("indices", indices), ("indptr", indptr)):
        if array.dtype.kind not in "iu":
            raise ValueError(
                f"{name} is a malformed sparse matrix: {key} has dtype {array.dtype}; expected"
                " integers."
            )
    width = _INT32 if indices.dtype == _INT32 else _INT64
    if width == _INT32 and indptr.dtype != _INT32:
        # other numbers would become small ones
        fits = not indptr.size or (indptr.min() >= 0 and indptr.max() < 2**31)
        width = _INT32 if fits else _INT64
    return (
        np.require(indices, width, ["C", "A"]),
        np.require(indptr, width, ["C", "A"]),
    )


def check_structure(
    indices: NDArray[Any],
    indptr: NDArray[Any],
    n_major: int,
    n_minor: int,
    name: str,
    by_column: bool,
    pointers: bool = False,
) -> int:
    """Return whether indices are unsorted or repeated; raise if they do not fit the shape.

    With `pointers`, check `indptr` alone.
    """
    if indptr.ndim != 1 or indptr.shape[0] != n_major + 1 or indices.ndim != 1:
        raise ValueError(
            f"{name} is a malformed sparse matrix: indptr has shape {indptr.shape}; expected"
            f" ({n_major + 1},), one more than the {'columns' if by_column else 'rows'}."
        )
    try:
        return check_compressed(indices, indptr, n_minor, pointers)
    except ValueError as error:
        raise ValueError(f"{name} is a malformed sparse matrix: {error}") from None


def canonical(
    values: NDArray[Any],
    indices: NDArray[Any],
    indptr: NDArray[Any],
    n_major: int,
    n_minor: int,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return a sorted copy with duplicates added; the input is not changed."""
    # SciPy sorts and adds in place, and only a new object has no cached flags.
    copy = sys.modules["scipy.sparse"].csr_array(
        (values, indices, indptr), shape=(n_major, n_minor), copy=True
    )
    copy.sum_duplicates()
    return (copy.data, *index_arrays(copy.indices, copy.indptr))


def dense_not_finite(values: NDArray[Any], name: str, names: list[Any] | None = None) -> str:
    """Return the message for a dense array with NaN or infinity: the first one and its position.

    names: those of the columns.
    """
    for start in range(0, values.shape[0], _SEARCH_BLOCK):
        bad = ~np.isfinite(values[start : start + _SEARCH_BLOCK])
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            value = values[start : start + _SEARCH_BLOCK][place]
            place = (start + place[0], *place[1:])
            where = "position" if len(place) == 1 else "row and column"
            where = f"{where} {', '.join(map(str, place))}"
            if names is not None and len(place) == 2:
                where += f" ({names[place[1]]!r})"
            return _not_finite(value, name, where)
    return _not_finite(np.nan, name, "an unknown place")


def sparse_not_finite(
    values: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], name: str, by_column: bool
) -> str:
    """Return the message for a sparse matrix with NaN or infinity: the first and its position."""
    place = int(np.flatnonzero(~np.isfinite(values))[0])
    major = int(np.searchsorted(indptr, place, side="right")) - 1
    row, column = (indices[place], major) if by_column else (major, indices[place])
    return _not_finite(values[place], name, f"row and column {row}, {column}")


def _not_finite(value: float, name: str, where: str) -> str:
    """Return the message for a value that is not finite."""
    what = "NaN" if np.isnan(value) else "infinity or a value too large for its dtype (inf)"
    return f"Input {name} contains {what}, at {where}; expected finite numbers."
