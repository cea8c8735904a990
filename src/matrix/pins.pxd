"""Weak references to arrays, which keep their memory in place.

NumPy does not resize an array to which there is one, not even with ``refcheck=False``: a thread
that tries to, while a kernel reads the array without the GIL, gets a ValueError.
"""

cimport numpy as cnp
from cpython.weakref cimport PyWeakref_NewRef

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #define FR_HAS_GIL 0
    #else
    #define FR_HAS_GIL 1
    #endif
    """
    bint FR_HAS_GIL


cdef inline object pin(cnp.ndarray a):
    """Return a weak reference to the array that owns the memory of a, or None if none does."""
    cdef object owner = a, base = cnp.get_array_base(a)
    while isinstance(base, cnp.ndarray):
        owner, base = base, cnp.get_array_base(base)
    if not cnp.PyArray_CHKFLAGS(<cnp.ndarray> owner, cnp.NPY_ARRAY_OWNDATA):
        return None
    return PyWeakref_NewRef(owner, None)


cdef inline int pin_all(list pins, void *array) except -1:
    """Append the pin of an array, a borrowed reference, or nothing for NULL."""
    if array != NULL:
        pins.append(pin(<cnp.ndarray> array))
    return 0
