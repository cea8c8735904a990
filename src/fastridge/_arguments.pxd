"""Arguments of optimizer steps, shared by extension modules."""

cimport numpy as cnp
from cpython.long cimport PyLong_AsLongLongAndOverflow
from libc.math cimport INFINITY, expm1, log, sqrt
from libc.stdint cimport int64_t

from c_steps cimport FR_DOUBLE, FR_FLOAT, fr_row_gradient, fr_step


cdef struct View:
    char *data
    Py_ssize_t n
    int real, ndim
    bint writable
    void *array  # its ndarray, a reference borrowed from the holder; NULL for other exporters
    Py_ssize_t[32] shape


cdef str kind_of(object a)
cdef tuple shape_of(const View *v)
cdef int refuse(str name, object found, str expected) except -1
cdef object view_any(str name, object a, View *v)
cdef int must_write(str name, const View *v) except -1
cdef int must_match(str name, const View *v, str other, const View *w) except -1
cdef int refuse_moved(str name) except -1
cdef Py_ssize_t find_not_finite(const void *x, Py_ssize_t n, int real,
                                double scale) noexcept nogil
cdef double to_number(str name, object value) except? -1.5
cdef double refuse_negative(str name, object value) except? -1.5
cdef bint to_flag(str name, object value) except -1
cdef int64_t to_step(str name, object value) except -1
cdef int set_decay(fr_step *s, double lr, object weight_decay, object mode, object lr0,
                   str lr0_name) except -1
cdef int set_momentum(fr_step *s, object momentum, object dampening, object nesterov) except -1
cdef int set_adam(fr_step *s, object beta1, object beta2, object eps) except -1
cdef object take_indices(str name, object index, Py_ssize_t n_rows, fr_row_gradient *r)
cdef int set_group(dict g, bint adam, fr_step *s, double *lr) except -1
cdef tuple match_groups(list param_groups, tuple known, const Py_ssize_t *group_of,
                        Py_ssize_t n_groups)


cdef inline bint is_array(object a):
    """Return whether this is an ndarray that can be used in place; a cheap check."""
    return (
        cnp.PyArray_CheckExact(a)
        and (cnp.PyArray_TYPE(a) == cnp.NPY_FLOAT or cnp.PyArray_TYPE(a) == cnp.NPY_DOUBLE)
        and cnp.PyArray_CHKFLAGS(a, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED)
        and cnp.PyArray_ISNOTSWAPPED(a)
    )


cdef inline void fill_view(cnp.ndarray a, View *v) noexcept:
    """Fill v from an array of at most 32 dimensions that can be used in place."""
    cdef int i
    v.array = <void *> a
    v.data = <char *> cnp.PyArray_DATA(a)
    v.real = FR_FLOAT if cnp.PyArray_TYPE(a) == cnp.NPY_FLOAT else FR_DOUBLE
    v.writable = cnp.PyArray_CHKFLAGS(a, cnp.NPY_ARRAY_WRITEABLE)
    v.ndim = cnp.PyArray_NDIM(a)
    v.n = 1
    for i in range(v.ndim):
        v.shape[i] = cnp.PyArray_DIM(a, i)
        v.n *= v.shape[i]


cdef inline object view(str name, object a, View *v):
    """Fill v; the returned object keeps the memory alive."""
    if is_array(a) and cnp.PyArray_NDIM(<cnp.ndarray> a) <= 32:
        fill_view(<cnp.ndarray> a, v)
        return a
    return view_any(name, a, v)


cdef inline double as_number(str name, object value) except? -1.5:
    return <double> value if type(value) is float else to_number(name, value)


cdef inline double as_non_negative(str name, object value) except? -1.5:
    cdef double x = as_number(name, value)
    return x if 0.0 <= x < INFINITY else refuse_negative(name, value)


cdef inline bint as_flag(str name, object value) except -1:
    if value is True or value is False:
        return value is True
    return to_flag(name, value)


cdef inline int64_t as_step(str name, object value) except -1:
    cdef int overflow = 0
    cdef long long count = 0
    if type(value) is int:
        count = PyLong_AsLongLongAndOverflow(value, &overflow)
    return count if count >= 1 and not overflow else to_step(name, value)


cdef inline Py_ssize_t n_bytes(Py_ssize_t n, int real) noexcept:
    return n * (4 if real == FR_FLOAT else 8)


cdef inline bint overlap(const View *a, const View *b) noexcept:
    return (
        a.n > 0 and b.n > 0
        and a.data < b.data + n_bytes(b.n, b.real) and b.data < a.data + n_bytes(a.n, a.real)
    )


cdef inline bint was_moved(void *array, const void *data, Py_ssize_t n, int real) noexcept:
    """Return whether an ndarray has other memory than before; runs no Python code."""
    cdef Py_ssize_t size = 1
    cdef int k
    if array == NULL:
        return False
    for k in range(cnp.PyArray_NDIM(<cnp.ndarray> array)):
        size *= cnp.PyArray_DIM(<cnp.ndarray> array, k)
    return (
        cnp.PyArray_DATA(<cnp.ndarray> array) != data
        or size * cnp.PyArray_ITEMSIZE(<cnp.ndarray> array) < n_bytes(n, real)
    )


cdef inline void correct_bias(fr_step *s, double lr, int64_t t) noexcept nogil:
    """Set the bias corrections of step t of Adam, counted from 1."""
    s.lr = lr / -expm1(t * log(s.beta1)) if s.beta1 > 0.0 else lr
    s.root = 1.0 / sqrt(-expm1(t * log(s.beta2))) if s.beta2 > 0.0 else 1.0
