"""Optimizer steps in place, on buffers that the caller owns, over the kernels in C."""

import sys

import numpy as np

cimport numpy as cnp
from cpython.buffer cimport PyBuffer_IsContiguous, PyObject_CheckBuffer
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid, PyCapsule_SetName
from libc.math cimport INFINITY, expm1, fabs, isfinite, log, sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, qsort
from libc.string cimport memset

from _steps cimport *
from runtime cimport FR_INTERRUPTED, FR_NO_MEMORY, attach

from fastridge._threads import get_num_threads

cnp.import_array()

cdef extern from "Python.h":
    Py_buffer *PyMemoryView_GET_BUFFER(object view)
    PyObject *PyList_GET_ITEM(object list, Py_ssize_t i)
    PyObject *PyTuple_GET_ITEM(object tuple, Py_ssize_t i)

cdef bint LITTLE = sys.byteorder == "little"
cdef const fr_steps_table *C = &fr_steps

attach()


cdef int _threads_for(int n, double work) except -1:
    """Small work is done before anybody is asked for the number of threads."""
    if work < C.serial_below():
        return 1
    return n if n > 0 else get_num_threads()


cdef int _done(int status) except -1:
    if status == FR_INTERRUPTED:
        return -1
    if status == FR_NO_MEMORY:
        raise MemoryError("not enough memory for the working arrays of a step")
    return status


include "_buffers.pxi"
include "_scalars.pxi"
include "_kernels.pxi"
include "_stepper.pxi"
include "_norm.pxi"
