"""Input validation: the only place that checks and coerces the arguments of callers.

Usable buffers are used without a copy: float32 and float64, C and F order, CSR and CSC, 32-bit and
64-bit indices, read-only and memory-mapped. Everything else is converted once, to a copy, or
refused with an error that names the argument, its value and the expected one. pandas, polars,
pyarrow and scipy.sparse are looked up among the loaded modules, never imported.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checks import all_finite, check_compressed, held
from .._matrix import Matrix
from .inputs import (
    FLOAT32,
    FLOAT64,
    as_array,
    canonical,
    check_structure,
    check_value_count,
    column_names,
    dense_not_finite,
    feature_names,
    index_arrays,
    is_moments,
    is_sparse,
    last_foreign,
    note_foreign,
    numbers,
    sparse_not_finite,
    to_csr,
)
from .parameters import non_negative, require_non_negative

__all__ = [
    "check_batch",
    "check_design",
    "check_sample_weight",
    "check_target",
    "feature_names",
    "is_moments",
    "is_sparse",
    "recheck",
    "require_finite",
]

# numpy.ndarray.flags.num: C contiguous 0x1, F contiguous 0x2, aligned 0x100.
_C, _F, ALIGNED = 0x1, 0x2, 0x100
CONTIGUOUS = _C | _F


def check_design(
    X: Any,
    *,
    name: str = "X",
    n_features: int | None = None,
    min_samples: int = 1,
    caller: str = "the model",
    finite: bool = True,
) -> Matrix:
    """Check a table of features and wrap it, without a copy where that is possible.

    Parameters
    ----------
    X : array-like, data frame or scipy sparse matrix or array, of shape (n_samples, n_features)
        Finite real numbers. float32 and float64 are kept, other numbers become float64. Sparse
        formats other than CSR and CSC become CSR.
    name : str, default="X"
        Name of the argument in error messages.
    n_features : int or None, default=None
        Number of columns that `X` must have; None: any.
    min_samples : int, default=1
        Smallest number of rows that `X` may have.
    caller : str, default="the model"
        What expects `n_features` columns, in error messages.
    finite : bool, default=True
        Look for NaN and infinity now; otherwise the caller does so with `require_finite`. Sparse
        data are always checked.

    Returns
    -------
    Matrix
        A view of the caller's buffers where they are canonical, contiguous float32 or float64;
        else of a converted copy.

    Raises
    ------
    ValueError
        If `X` is None, not two-dimensional, empty, not numeric, has NaN or infinity, the wrong
        number of columns or a malformed sparse structure.
    TypeError
        If `X` holds objects that are not numbers, or is Moments.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.data.check import check_design
    >>> check_design(np.eye(3)).shape
    (3, 3)
    """
    if type(X) is np.ndarray and (X.dtype is FLOAT64 or X.dtype is FLOAT32) and X.ndim == 2:
        n, p = X.shape
        flags = X.flags.num
        if (
            flags & ALIGNED
            and flags & CONTIGUOUS
            and n >= min_samples
            and p > 0
            and (n_features is None or p == n_features)
            and (not finite or all_finite(X := held(X)))
        ):
            return Matrix.from_dense(X if finite else held(X))
    if is_sparse(X):
        return _check_sparse(X, name, n_features, min_samples, caller)
    if is_moments(X):
        raise TypeError(
            f"{name} is Moments, the sums of data; expected the rows. Moments are for fit_moments"
            " of Ridge, ElasticNet and Lasso, and for ridge, elastic_net and their paths."
        )
    values = numbers(as_array(X, name), name)
    if not isinstance(values, np.ndarray):
        return _check_sparse(values, name, n_features, min_samples, caller)
    _check_shape(values.shape, name, n_features, min_samples, caller)
    flags = values.flags.num
    if not (flags & ALIGNED and flags & CONTIGUOUS):
        values = np.array(values, order="A", copy=True)
    names = column_names(X)
    # check data frames here: solvers could not name the column in the message
    if (finite or names is not None) and not all_finite(values):
        raise ValueError(dense_not_finite(values, name, names))
    return Matrix.from_dense(values)


def check_rows(X: Any, n_features: int | None, caller: str) -> Matrix:
    """Wrap rows for a learner that checks them as it reads them.

    Parameters
    ----------
    X : array-like, data frame or scipy sparse matrix or array, of shape (n_samples, n_features)
        As in `check_design`.
    n_features : int or None
        Number of columns that `X` must have; None: any.
    caller : str
        What expects `n_features` columns, in error messages.

    Returns
    -------
    Matrix
        For floating-point CSR only `indptr` was checked: the matrix is `unseen`, and `look_at`
        finds what is wrong with it. Dense data may hold NaN and infinity. Other input is checked as
        by `check_design`.

    Raises
    ------
    ValueError, TypeError
        As in `check_design`.
    """
    if is_sparse(X) and X.format == "csr" and X.data.dtype in (FLOAT64, FLOAT32):
        return _check_sparse(X, "X", n_features, 1, caller, unseen=True)
    return check_design(X, n_features=n_features, caller=caller, finite=False)


def look_at(A: Matrix) -> Matrix:
    """Check all elements of a matrix from `check_rows`, after a learner found invalid rows.

    Returns
    -------
    Matrix
        A, or a sorted copy without duplicates.

    Raises
    ------
    ValueError
        If the structure is malformed or a value is not finite, with its position.
    """
    values, indices, indptr = A.arrays
    disordered = check_structure(indices, indptr, *A.shape, "X", False)
    if disordered:
        values, indices, indptr = canonical(values, indices, indptr, *A.shape)
    if not all_finite(values):
        raise ValueError(sparse_not_finite(values, indices, indptr, "X", False))
    found = Matrix.from_compressed(values, indices, indptr, A.shape, False)
    found.checked_at = last_foreign()
    return found


def recheck(A: Matrix) -> None:
    """Check X again if the caller's code may have changed it: its memory, and a sparse structure.

    Indices are used in place. Converting y, weights or penalties that are not arrays, or calling a
    splitter, runs code of the caller that can write to them. Run no such code after this call.

    Parameters
    ----------
    A : Matrix
        From `check_design`.

    Raises
    ------
    ValueError
        If its structure is no longer that of a canonical sparse matrix, or if the memory of an
        array was replaced.
    """
    if A.has_moved():
        raise ValueError(
            "X has changed during the fit: expected arrays whose memory stays in place."
        )
    if A.is_sparse and A.checked_at is not last_foreign():
        seen = last_foreign()
        n_minor = A.n_rows if A.kind == "csc" else A.n_columns
        try:
            disordered = check_compressed(A.arrays[1], A.arrays[2], n_minor, A.unseen)
        except ValueError as error:
            raise ValueError(f"X has changed during the fit: {error}") from None
        if disordered:
            raise ValueError("X has changed during the fit: expected indices that stay sorted.")
        A.checked_at = seen


def guarded(function: Any, *designs: Matrix | None) -> Any:
    """Return a function of the caller that checks afterwards that it left the data as they were.

    Parameters
    ----------
    function : callable or None
        Callback, scorer or rule of choice, which may write to the arrays of X; None is returned.
    *designs : Matrix or None
        Data that the fit reads after the call; see `recheck`.

    Returns
    -------
    callable or None
    """
    if not callable(function):
        return function

    @functools.wraps(function, updated=())
    def call(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        finally:
            note_foreign()
            for A in designs:
                if A is not None:
                    recheck(A)

    return call


def require_finite(values: NDArray[Any], name: str = "X") -> None:
    """Raise if dense data have NaN or infinity, with the position of the first one.

    Parameters
    ----------
    values : ndarray of float32 or float64, C or F order
        `arrays[0]` of a dense Matrix.
    name : str, default="X"
        Name of the argument in the error message.

    Raises
    ------
    ValueError
        If there is one.
    """
    if not all_finite(values):
        raise ValueError(dense_not_finite(values, name))


def check_finite(X: Matrix | NDArray[Any]) -> None:
    """Look for NaN and infinity in dense data that `check_design(finite=False)` accepted.

    This is a pass over the data, for solvers that form no sums of squares, which would reveal them.
    Sparse data are skipped: `check_design` has checked every number.

    Parameters
    ----------
    X : Matrix, or ndarray of float32 or float64

    Raises
    ------
    ValueError
        If there is one, with its position.
    """
    if isinstance(X, np.ndarray):
        require_finite(X)
    elif not X.is_sparse:
        require_finite(X.arrays[0])


def check_target(
    y: Any, n_samples: int, *, name: str = "y", any_order: bool = False
) -> NDArray[np.float64]:
    """Check the values to predict.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Finite real numbers.
    n_samples : int
        Number of rows that `y` must have.
    name : str, default="y"
        Name of the argument in error messages.
    any_order : bool, default=False
        Keep a C-ordered matrix in C order.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_targets), dtype float64
        A view of `y` where it is a contiguous float64 vector, or a matrix in F order; else a copy.

    Raises
    ------
    ValueError
        If `y` is None, has the wrong shape, is not numeric or has NaN or infinity.
    TypeError
        If `y` holds objects that are not numbers.
    """
    if type(y) is np.ndarray and y.dtype is FLOAT64 and y.ndim == 1 and y.shape[0] == n_samples:
        flags = y.flags.num
        if flags & _C and flags & ALIGNED and all_finite(y := held(y)):
            return y
    if y is None:
        raise ValueError(
            f"The fit requires {name} to be passed, but the target {name} is None; expected"
            f" {n_samples} numbers, one per row of X."
        )
    if is_sparse(y):
        raise ValueError(
            f"{name} is a sparse {type(y).__name__}; expected a dense array. Use {name}.toarray()."
        )
    values = numbers(as_array(y, name), name)
    if values.ndim not in (1, 2) or 0 in values.shape[1:]:
        raise ValueError(
            f"{name} has shape {values.shape}; expected (n_samples,) or (n_samples, n_targets)."
        )
    if values.shape[0] != n_samples:
        raise ValueError(
            f"{name} has {values.shape[0]} rows, but X has {n_samples}; expected the same number of"
            " rows."
        )
    keep = any_order and values.flags.c_contiguous and not values.flags.f_contiguous
    values = np.require(values, np.float64, ["C" if keep else "F", "A"])
    if not all_finite(values):
        raise ValueError(dense_not_finite(values, name))
    return values


def check_array(name: str, given: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return finite numbers of the given shape as float64, such as initial coefficients."""
    values = numbers(as_array(given, name), name)
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}; expected {shape}.")
    return check_target(values.reshape(-1), values.size, name=name).reshape(shape)


def check_sample_weight(
    sample_weight: Any, n_samples: int, *, name: str = "sample_weight"
) -> NDArray[np.float64] | None:
    """Check the weights of the samples.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), float or None
        Non-negative, not all zero; a number stands for that weight on every sample.
    n_samples : int
        Number of samples.
    name : str, default="sample_weight"
        Name of the argument in error messages.

    Returns
    -------
    ndarray of shape (n_samples,), dtype float64, or None
        None where `sample_weight` is None.

    Raises
    ------
    ValueError
        If the weights have the wrong shape, or are negative, not finite or all zero.
    TypeError
        If they are not numbers.
    """
    if sample_weight is None:
        return None
    values = non_negative(sample_weight, n_samples, name, "sample", scalar=True)
    if not values.any():
        raise ValueError(f"{name} is zero for every sample; expected at least one positive weight.")
    return values


def check_batch(
    X: Any, y: Any, alpha: Any, sample_weight: Any
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    """Check many data sets of one shape.

    Parameters
    ----------
    X : array-like of shape (n_problems, n_samples, n_features)
        Not checked for NaN and infinity; `require_finite` does that.
    y : array-like of shape (n_problems, n_samples) or (n_problems, n_samples, n_targets)
    alpha : float or array-like of shape (n_problems,)
    sample_weight : array-like of shape (n_samples,) or (n_problems, n_samples), or None

    Returns
    -------
    tuple of ndarray
        X of float32 or float64, and float64 y, alpha of shape (1,) or (n_problems,) and weights,
        all in C order.

    Raises
    ------
    ValueError, TypeError
        If an argument has the wrong shape or type; if y, alpha or the weights are not finite; if
        alpha or weights are negative; or if the weights of a problem are all zero.
    """
    if is_sparse(X):
        raise ValueError(f"X is a sparse {type(X).__name__}; expected a dense array.")
    designs = numbers(as_array(X, "X"), "X")
    if designs.ndim != 3 or 0 in designs.shape:
        raise ValueError(
            f"X has shape {designs.shape}; expected (n_problems, n_samples, n_features), each at"
            " least 1."
        )
    designs = np.require(designs, requirements=["C", "A"])
    b, n, _ = designs.shape
    targets = np.require(numbers(as_array(y, "y"), "y"), np.float64, ["C", "A"])
    if targets.shape[:2] != (b, n) or targets.ndim > 3 or 0 in targets.shape:
        raise ValueError(
            f"y has shape {targets.shape}; expected ({b}, {n}) or ({b}, {n}, n_targets), as X has"
            f" shape {designs.shape}."
        )
    require_finite(targets, "y")
    if alpha is None:
        raise TypeError("alpha is None; expected a non-negative number, or one for each problem.")
    penalties = numbers(as_array(alpha, "alpha"), "alpha")
    if penalties.ndim > 1 or (penalties.ndim == 1 and penalties.shape[0] not in (1, b)):
        raise ValueError(
            f"alpha has shape {penalties.shape}; expected one number, or one for each of the {b}"
            " problems."
        )
    penalties = np.require(penalties.reshape(-1), np.float64, ["C", "A"])
    require_non_negative(penalties, "alpha")
    if sample_weight is None:
        return designs, targets, penalties, None
    weight = numbers(as_array(sample_weight, "sample_weight"), "sample_weight")
    if weight.shape not in ((n,), (b, n)):
        raise ValueError(
            f"sample_weight has shape {weight.shape}; expected ({n},) or ({b}, {n}): one number"
            " per sample."
        )
    weight = np.require(weight, np.float64, ["C", "A"])
    require_non_negative(weight.reshape(-1), "sample_weight")
    if not weight.any(axis=-1).all():
        raise ValueError(
            "sample_weight is zero for every sample of a problem; expected at least one positive"
            " weight in each."
        )
    return designs, targets, penalties, weight


def _check_shape(
    shape: tuple[int, ...], name: str, n_features: int | None, min_samples: int, caller: str
) -> None:
    """Raise unless the shape is that of a non-empty table with the expected number of columns."""
    if len(shape) != 2:
        raise ValueError(
            f"{name} has {len(shape)} dimension(s), shape {shape}; expected 2: (n_samples,"
            f" n_features). Reshape your data with {name}.reshape(-1, 1) if it is one feature or"
            f" {name}.reshape(1, -1) if it is one sample."
        )
    if shape[0] < min_samples:
        raise ValueError(
            f"{name} has {shape[0]} sample(s) (shape={shape}) while a minimum of {min_samples} is"
            " required."
        )
    if shape[1] < 1:
        raise ValueError(
            f"{name} has 0 feature(s) (shape={shape}) while a minimum of 1 is required."
        )
    if n_features is not None and shape[1] != n_features:
        raise ValueError(
            f"{name} has {shape[1]} features, but {caller} is expecting {n_features} features as"
            " input."
        )


def _check_sparse(
    X: Any,
    name: str,
    n_features: int | None,
    min_samples: int,
    caller: str,
    unseen: bool = False,
) -> Matrix:
    """Wrap a scipy sparse matrix or array, over its own buffers where they are canonical.

    unseen: look at `indptr` alone.
    """
    _check_shape(X.shape, name, n_features, min_samples, caller)
    if X.format not in ("csr", "csc"):
        X = to_csr(X, name)
    by_column = X.format == "csc"
    n_minor, n_major = X.shape if by_column else X.shape[::-1]
    # converting objects runs their code, so do it before the check
    values = X.data
    if values.ndim == 1:
        values = held(np.require(numbers(values, name), requirements=["C", "A"]))
    indices, indptr = map(held, index_arrays(X.indices, X.indptr, name))
    seen = last_foreign()
    disordered = check_structure(indices, indptr, n_major, n_minor, name, by_column, unseen)
    nnz = int(indptr[-1])
    check_value_count(values.shape, nnz, name)
    values, indices = values[:nnz], indices[:nnz]
    if disordered:
        values, indices, indptr = canonical(values, indices, indptr, n_major, n_minor)
    if not unseen and not all_finite(values):
        raise ValueError(sparse_not_finite(values, indices, indptr, name, by_column))
    A = Matrix.from_compressed(values, indices, indptr, X.shape, by_column, unseen)
    A.checked_at = seen
    return A
