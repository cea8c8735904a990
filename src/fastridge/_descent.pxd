"""Coordinate descent on a quadratic with an L1 + L2 penalty and bounds: its state.

The functions that work on it are in the .pxd files of src/descent.
"""

from libc.stdint cimport int32_t, uint64_t

from c_matrix cimport fr_matrix
from primitives cimport fr_kernels, fr_real_kernels

cdef enum:
    # iterates that an extrapolation combines
    HISTORY = 6


cdef struct Products:
    # y'Sr and r'Sr of a residual r
    double yr, rr


cdef struct Border:
    # share of a direction at which a coordinate, by its place in the list, meets its border
    double stop
    int32_t place, up


cdef struct Ranked:
    double key
    int32_t place


cdef class Support:
    """Factor U of the Gram matrix of the support, which follows the support from step to step."""

    cdef Py_ssize_t size, capacity, known
    # lengths of `mark` and `entering`
    cdef Py_ssize_t n_mark, n_entering
    # coordinates in the order of U, and a scratch buffer
    cdef int32_t[::1] order, old_order
    cdef double[:, ::1] u
    # the diagonal of the factored matrix, the l2 in it, and a scratch buffer
    cdef double[::1] diagonal, l2, row
    # scratch buffers: by coordinate, and by place in the factor
    cdef unsigned char[::1] mark, gone
    cdef Ranked *ranked
    # by coordinate: the side on which it was about to enter when the last solution ended
    cdef signed char[::1] entering
    # whether U has the current l2
    cdef bint exact
    cdef double damping

    cdef int reserve(self, Py_ssize_t size, Py_ssize_t m) noexcept with gil
    cdef int know(self, Py_ssize_t m) noexcept with gil


cdef class Descent:
    """Minimise, over m coordinates w,

        P(w) = 1/2 sum_i s_i (y_i - a_i w)^2 + sum_j h_j(w_j),

    h_j(x) = l1_j |x| + l2_j x^2 / 2 for lower_j <= x <= upper_j, weights s of sum 1, y centred.
    """

    # --- the quadratic: the Gram matrix A'SA in the leading part of `gram`, ...
    cdef Py_ssize_t m
    cdef bint has_gram
    cdef const double[:, ::1] gram
    # ... or the matrix by columns, of which coordinate k is column columns[k] (or k)
    cdef const fr_matrix *a
    cdef bint has_columns, has_weight
    cdef const int32_t[::1] columns
    # s of sparse data, else 1 / n
    cdef const double[::1] weight
    cdef double unit
    # y - A w; for sparse data weighted, and minus level * s
    cdef double[::1] residual
    cdef double level
    # diagonal of A'SA, A'Sy and y'Sy
    cdef const double[::1] square, cross
    cdef double yy
    # --- the penalty; stride 0: one l1 and one l2 for all, in `dual_value` alone
    cdef const double[::1] l1, l2, lower, upper
    cdef bint has_lower, has_upper
    cdef Py_ssize_t stride
    # --- options: the gap to reach, sweeps and steps at most, random order unless the seed is 0
    cdef double tol
    cdef Py_ssize_t max_iter
    cdef uint64_t seed
    # final Newton steps, which the gap does not need, to make coefficients exact: 0 none, 1 one,
    # if there was a step before, 2 until one leaves the support unchanged
    cdef int exact
    cdef int n_threads
    # whether there are no other coordinates: w_dual, which starts as that of another penalty, may
    # then be any mixture
    cdef bint whole
    # --- state: coefficients, g = A'Sr, and coefficients whose residual gives the best dual value,
    # with the gradient there
    cdef double[::1] w, g, w_dual, g_dual
    cdef Products dual_products
    cdef double dual
    # the best dual value of the residual of an iterate of this problem
    cdef double dual_here
    # objective of the best point and of this one, and the size of the terms of the latter
    cdef double objective, current, terms
    cdef Py_ssize_t n_iter, n_newton
    cdef uint64_t random
    # accuracy of Newton steps without a Gram matrix, and the damping of the support's Gram matrix
    # as a share of its diagonal, for directions with little curvature
    cdef double accuracy, damping
    cdef Support support
    # the support: its coordinates, by coordinate the half-line on which it is (1 or -1; 0: not in
    # the support), and both before a step
    cdef int32_t[::1] list, moved
    cdef signed char[::1] side, side_before
    cdef Py_ssize_t size, n_moved
    # number of coordinates that left or entered the support by the last step; m if it was rejected
    cdef Py_ssize_t exchanged
    # whether the last step reached the minimum over the support, coordinates that enter at once,
    # and steps since the last ones did
    cdef bint at_minimum
    cdef Py_ssize_t entering, since_entering
    # whether the last step was exact and left the support unchanged
    cdef bint settled
    # --- workspace for m coordinates: a step d on the support and its image A'SA d, right-hand side
    cdef Py_ssize_t capacity
    cdef double[::1] d, image, rhs, work, between, passed
    cdef double[:, ::1] past, krylov
    cdef int32_t[::1] order
    cdef Border *borders
    # saved points: coefficients and, without a Gram matrix, residual and level
    cdef double[:, ::1] point_w, point_residual
    cdef double[2] point_level
    # without a Gram matrix: images of directions, of length n
    cdef Py_ssize_t n_image
    cdef double[::1] column_image, ahead_residual, passed_residual
    # --- inner loops, and owners of the arrays
    cdef const fr_kernels *kernels
    cdef const fr_real_kernels *column_kernels
    cdef object owner

    cdef int reserve(self) except -1
    cdef int set_penalty(self, const double[::1] l1, const double[::1] l2,
                         const double[::1] lower, const double[::1] upper,
                         const double[::1] square, double yy) except -1
    cdef void let_go(self) noexcept
