"""Checks of arrays: finite values, and the structure of compressed matrices."""

import numpy as np

cimport numpy as cnp
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_XINCREF

from c_matrix cimport fr_all_finite, fr_check_compressed
from pins cimport pin
from runtime cimport attach, check, threads_for

cnp.import_array()
attach()

cdef extern from "numpy/arrayobject.h":
    # takes the reference to the dtype
    object PyArray_NewFromDescr(PyTypeObject *kind, PyObject *dtype, int ndim, cnp.npy_intp *shape,
                                cnp.npy_intp *strides, void *data, int flags, PyObject *other)


def all_finite(cnp.ndarray a not None, int n_threads=0):
    """Return whether a contiguous, aligned float32 or float64 array has no NaN and no infinity."""
    cdef int kind = cnp.PyArray_TYPE(a), status
    cdef Py_ssize_t n = cnp.PyArray_SIZE(a)
    cdef int threads = threads_for(n_threads, n)
    cdef const void *data = cnp.PyArray_DATA(a)
    if kind not in (cnp.NPY_DOUBLE, cnp.NPY_FLOAT):
        raise ValueError(f"array: expected float32 or float64; got {a.dtype}")
    if not (cnp.PyArray_IS_C_CONTIGUOUS(a) or cnp.PyArray_IS_F_CONTIGUOUS(a)):
        raise ValueError("array: expected C or F order; got a strided array")
    if not cnp.PyArray_ISBEHAVED_RO(a):
        raise ValueError("array: expected aligned numbers of the machine's byte order")
    with nogil:
        status = fr_all_finite(data, n, kind == cnp.NPY_FLOAT, threads)
    if status < 0:
        check(status)
    return status == 1


def check_compressed(indices, indptr, Py_ssize_t n_minor, bint pointers=False):
    """Return 0 for sorted, unique indices, else 1; raise ValueError if they are malformed.

    With `pointers`, check `indptr` alone.
    """
    cdef const int[::1] i32, p32
    cdef const long long[::1] i64, p64
    cdef const void *i
    cdef const void *p
    cdef Py_ssize_t where = 0, n_major = len(indptr) - 1, nnz = len(indices)
    cdef int wide = indices.dtype == np.int64, status, threads = threads_for(0, nnz)
    if n_major < 0:
        raise ValueError("indptr: expected at least one element; got none")
    if wide:
        i64, p64 = indices, indptr
        i = &i64[0] if nnz else NULL
        p = &p64[0]
    else:
        i32, p32 = indices, indptr
        i = &i32[0] if nnz else NULL
        p = &p32[0]
    with nogil:
        status = fr_check_compressed(i, p, wide, n_major, n_minor, nnz, pointers, &where,
                                     threads)
    if status < 0:
        check(status)
    if status == 2:
        raise ValueError(f"indptr: expected 0 as its first element; got {indptr[0]}")
    if status == 3:
        raise ValueError(
            f"indptr: expected no decrease; got {indptr[where]} then {indptr[where + 1]} at "
            f"position {where}"
        )
    if status == 4:
        raise ValueError(f"indptr: expected at most {nnz}, the number of indices; got {where}")
    if status == 5:
        raise ValueError(
            f"indices: expected 0 to {n_minor - 1}; got {indices[where]} at position {where}"
        )
    return status


def held(cnp.ndarray a not None):
    """Return a view of an array of numbers whose owner NumPy does not resize while the view lives.

    An array whose memory is not that of an ndarray is returned itself.
    """
    cdef object pinned = pin(a)
    if pinned is None:
        return a
    cdef PyObject *dtype = <PyObject *> cnp.PyArray_DESCR(a)
    Py_XINCREF(dtype)
    cdef cnp.ndarray view = PyArray_NewFromDescr(
        <PyTypeObject *> cnp.ndarray, dtype, cnp.PyArray_NDIM(a),
        cnp.PyArray_DIMS(a), cnp.PyArray_STRIDES(a), cnp.PyArray_DATA(a),
        cnp.PyArray_FLAGS(a) & cnp.NPY_ARRAY_WRITEABLE, NULL
    )
    cnp.set_array_base(view, (a, pinned))
    return view
