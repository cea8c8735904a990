# Part of _matrix.pyx: the kernels in use are one state of one module, which _optim borrows.
from cpython.pycapsule cimport PyCapsule_New

cdef extern from "steps.h" nogil:
    ctypedef struct fr_steps_table:
        pass
    const fr_steps_table fr_steps

_steps = PyCapsule_New(<void *> &fr_steps, "fastridge._matrix._steps", NULL)
