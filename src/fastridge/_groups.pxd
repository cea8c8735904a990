"""Block coordinate descent for several targets: its state.

The functions of Newton steps are in src/descent/group_newton.pxd.
"""

from libc.stdint cimport int32_t, uint64_t

from primitives cimport fr_kernels, fr_real_kernels


cdef class GroupDescent:
    cdef Py_ssize_t most_direct, m, k, n_iter
    cdef int n_threads
    cdef const fr_kernels *kernels
    cdef const fr_real_kernels *loops
    # the problem: G in the leading part, C, the penalty, the diagonal of G and <Y, Y>
    cdef const double[:, ::1] gram, cross
    cdef const double[::1] l1, l2
    cdef double[::1] square
    cdef double yy
    # coefficients, g = C - W G, and the coefficients whose residual is the dual point
    cdef double[:, ::1] w, g, w_dual
    cdef double objective, dual
    # |g_j|, |w_j|^2, scratch of length k, the support, and the order of a sweep
    cdef double[::1] norm, size, z
    cdef int32_t[::1] list, order
    # iterates of the last sweeps over the support, and the largest change by the last of them: of
    # |w_j| over the largest |w_j|, each times the norm of its column
    cdef double[:, ::1] past
    cdef double change
    cdef uint64_t random
    # --- the support, of s features, and the sizes that are allocated
    cdef Py_ssize_t s, most_s, most_k, most_factored
    # s x s: G, a factor of M = G + diagonal, M^-1, and a factor of coordinates along w_j
    cdef double[::1] gs, factor, inverse, small
    # k x s: coefficients, step, their products with G, cross products, derivative; ...
    cdef double[::1] V, D, VG, DG, c, slope
    # ... conjugate gradients: residual, preconditioned residual, direction, its product; ...
    cdef double[::1] r, Mr, p, Hp
    # ... w_j / |w_j|, and a trial and its product
    cdef double[::1] U, T, TG
    # s: l1, l2, |w_j|, curvature of the L1 part across w_j and its root, the diagonal of M, its
    # damping, and scratch
    cdef double[::1] a, b, length, bend, root, diagonal, extra, y
    # decrease by the last step, and whether it was a full step
    cdef double decrease
    cdef bint whole
    # whether only round-off is left to gain
    cdef bint settled
    # whether S is factored, and whether a Newton step costs more than the sweeps before it
    cdef bint by_factors, dear

    cdef int reserve_support(self) noexcept nogil
    cdef int reserve_factors(self) noexcept nogil
    cdef int allocate(self, Py_ssize_t s, Py_ssize_t k) except -1
    cdef int allocate_factors(self, Py_ssize_t s) except -1
