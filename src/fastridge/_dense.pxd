"""The Cholesky factor, for extension modules that solve with it."""


cdef class Cholesky:
    cdef double[:, ::1] m
    cdef int _factor(self, const double[::1] diagonal, double keep, int n_threads,
                     bint single) except? -5
