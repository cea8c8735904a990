"""Coordinate descent on a quadratic with an L1 + L2 penalty and bounds, with Newton steps on the
support and a duality gap.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from arrays cimport expect_length
from columns cimport add_rows, all_gradients
from dual cimport dual_value, unscreened
from runtime cimport FR_NO_MEMORY, attach, before_gil, check, fr_active, fr_poll, threads_for
from steps cimport (
    exchange,
    extrapolate,
    find_support,
    newton_step,
    products_of,
    return_to_best,
    safe_step,
    take_sweeps,
    value_point,
)

from fastridge._matrix cimport Matrix

attach()
cnp.import_array()

cdef extern from "constants.h" nogil:
    double ROUGH, EXACT, FINAL, DAMPING
    int PATIENCE, PATIENCE_LEAST, FINAL_STEPS, SAFE_STEPS, MOST_SAFE_STEPS, FIRST_SWEEPS

cdef enum:
    # kinds of the next epoch
    EXCHANGES, SWEEPS, SAFE
    # largest problem whose workspace is kept for the next one, and number of those kept
    SMALL = 200, MOST_IDLE = 8

cdef list idle = []


cdef object new_array(Py_ssize_t rows, Py_ssize_t columns, int kind):
    """Allocate an array in C order, without setting its elements."""
    cdef cnp.npy_intp[2] size
    size[0], size[1] = rows, columns
    return cnp.PyArray_EMPTY(2, size, kind, 0)


cdef class Support:

    def __dealloc__(self):
        free(self.ranked)

    cdef int reserve(self, Py_ssize_t size, Py_ssize_t m) noexcept with gil:
        """Make the buffers long enough for m coordinates and a factor of `size` of them."""
        cdef Py_ssize_t capacity, i
        cdef Ranked *ranked
        cdef int32_t[:, ::1] lists
        cdef double[:, ::1] real
        cdef unsigned char[:, ::1] marks
        try:
            if self.n_mark < m:
                marks = new_array(1, m, cnp.NPY_UINT8)
                self.mark = marks[0]
                self.n_mark = m
            if self.capacity >= size and self.capacity:
                return 0
            # odd multiples of a cache line, so that rows do not alias
            capacity = min(m + 8, size + size // 2 + 8) // 16 * 16 + 24
            ranked = <Ranked *> malloc(capacity * sizeof(Ranked))
            if ranked == NULL:
                return FR_NO_MEMORY
            free(self.ranked)
            self.ranked = ranked
            real = new_array(capacity + 3, capacity, cnp.NPY_DOUBLE)
            lists = new_array(2, capacity, cnp.NPY_INT32)
            marks = new_array(1, capacity, cnp.NPY_UINT8)
            for i in range(self.size):
                real[i, i:self.size] = self.u[i, i:self.size]
            if self.size:
                real[capacity, :self.size] = self.diagonal[:self.size]
                real[capacity + 1, :self.size] = self.l2[:self.size]
                lists[0, :self.size] = self.order[:self.size]
            self.u, self.diagonal = real[:capacity], real[capacity]
            self.l2, self.row = real[capacity + 1], real[capacity + 2]
            self.order, self.old_order = lists[0], lists[1]
            self.gone = marks[0]
            self.capacity = capacity
        except MemoryError:
            return FR_NO_MEMORY
        return 0

    cdef int know(self, Py_ssize_t m) noexcept with gil:
        """Extend the flags of coordinates about to enter the support to m; new ones are unset."""
        cdef signed char[:, ::1] entering
        if self.n_entering < m:
            try:
                entering = new_array(1, m, cnp.NPY_INT8)
            except MemoryError:
                return FR_NO_MEMORY
            if self.known:
                entering[0, :self.known] = self.entering[:self.known]
            self.entering = entering[0]
            self.n_entering = m
        memset(&self.entering[self.known], 0, m - self.known)
        self.known = m
        return 0


# from one penalty to the next

cdef int recall_entering(Descent q, Support s) noexcept nogil:
    """Add to the support the coordinates that were about to enter when the last solution ended."""
    cdef Py_ssize_t j
    for j in range(min(s.known, q.m)):
        if s.entering[j] and not q.side[j] and q.w[j] == 0:
            q.side[j] = s.entering[j]
            q.list[q.size] = <int32_t> j
            q.size += 1
    if s.known >= q.m:
        return 0
    before_gil()
    return s.know(q.m)


cdef void remember_entering(Descent q, Support s) noexcept nogil:
    cdef Py_ssize_t i, j
    memset(&s.entering[0], 0, s.known)
    for i in range(q.size):
        j = q.list[i]
        if q.w[j] == 0:
            s.entering[j] = q.side[j]


# the descent

cdef int begin(Descent q) noexcept nogil:
    cdef double terms
    cdef int status
    cdef Py_ssize_t j
    q.dual = q.dual_here = -INFINITY
    q.objective = INFINITY
    q.n_iter = q.n_newton = 0
    q.entering = q.m
    q.since_entering = 0
    q.settled = q.at_minimum = False
    q.random = q.seed
    if q.whole:
        q.dual_products = products_of(q, q.w_dual, q.g_dual, &terms)
        q.dual = dual_value(q, q.g_dual, q.dual_products)
    status = all_gradients(q)
    if status:
        return status
    value_point(q, True)
    find_support(q)
    q.accuracy = ROUGH
    q.damping = DAMPING
    for j in range(q.m):
        if q.l1[j] == 0 and q.l2[j] == 0 and q.square[j] > 0:
            q.accuracy = EXACT
    return recall_entering(q, q.support)


cdef int descend(Descent q) noexcept nogil:
    """Descend until objective - dual <= tol or max_iter epochs; g must be that of w.

    Newton steps exchange the support until several neither halve the gap nor exchange fewer
    coordinates than any before. Then sweeps follow, and where that happens again, monotone steps
    along the projected path. By columns, sweeps come first: one costs as much as an iteration of
    conjugate gradients, of which a Newton step takes many.
    """
    cdef int status = begin(q), turn = SWEEPS, patience = PATIENCE, failed = 0, given_up = 0
    cdef int safe = 0, safe_steps = 0, final = 0
    cdef int first = 1 if q.has_gram else FIRST_SWEEPS
    cdef bint stuck = False
    cdef double gap
    cdef Py_ssize_t j, fewest = q.m
    if status:
        return status
    for j in range(q.m):
        if q.has_gram and q.w[j] != 0:
            turn = EXCHANGES
            break
    while not status and q.n_iter < q.max_iter:
        if q.objective - q.dual <= q.tol:
            # an exchange from the best point that led to a worse one would do so again
            stuck = stuck or (final > 0 and turn == EXCHANGES and q.current > q.objective)
            if (
                q.settled
                or final >= (FINAL_STEPS if q.exact > 1 else 1) + stuck
                or q.exact < (1 if q.n_iter else 2)
            ):
                break
            final += 1
            q.accuracy = min(q.accuracy, FINAL)
            if stuck:
                safe = 1
                turn = SAFE
            elif turn != EXCHANGES or not q.n_iter or q.current > q.objective:
                status = return_to_best(q)
                if status:
                    break
                q.current = q.objective
                find_support(q)
                exchange(q, q.g)
                turn = EXCHANGES
            if not q.size:
                break
        gap = q.objective - q.dual_here
        q.settled = False
        q.n_iter += 1
        if turn == EXCHANGES and not q.size:
            turn = SWEEPS
        if turn == SAFE:
            status = safe_step(q)
            safe -= 1
            if status >= 0 and safe == 0:
                find_support(q)
                # away from the minimum over the support, too many coordinates would enter
                if q.at_minimum:
                    exchange(q, q.g)
                turn = EXCHANGES
        elif turn == EXCHANGES:
            status = newton_step(q)
            if q.objective - q.dual_here <= 0.5 * gap:
                failed = 0
                fewest = q.m
            else:
                if q.exchanged < fewest:
                    fewest = q.exchanged
                else:
                    failed += 1
                if failed > 1:
                    q.accuracy = max(0.1 * q.accuracy, EXACT)
            if failed >= patience:
                failed = 0
                fewest = q.m
                patience = max(patience // 2, PATIENCE_LEAST)
                given_up += 1
                turn = SWEEPS
        else:
            status = take_sweeps(q)
            if not status and not q.objective - q.dual <= q.tol:
                status = extrapolate(q)
            if status >= 0:
                find_support(q)
            first -= 1
            turn = SWEEPS if first > 0 else EXCHANGES
            if given_up > 1:
                safe_steps = min(max(2 * safe_steps, SAFE_STEPS), MOST_SAFE_STEPS)
                safe = safe_steps
                q.accuracy = EXACT
                turn = SAFE
                q.at_minimum = False
        status = min(status, 0)
        if not status:
            status = fr_poll()
    if not status:
        status = return_to_best(q)
    remember_entering(q, q.support)
    return status


cdef class Descent:
    """Coordinate descent for one quadratic and any number of penalties.

    The quadratic is given by `set_gram` or `set_columns`; a factor of the support's Gram matrix is
    kept from one `solve` to the next.
    """

    def __cinit__(self):
        self.support = Support()

    @staticmethod
    def take():
        """Return a Descent, reusing a returned workspace if there is one."""
        try:
            return idle.pop()
        except IndexError:
            return Descent()

    def give_back(self):
        """Return the workspace for the next problem; do not use this object afterwards."""
        if self.capacity <= SMALL and len(idle) < MOST_IDLE:
            self.support.size = self.support.known = 0
            idle.append(self)

    def __dealloc__(self):
        free(self.borders)

    def set_gram(self, const double[:, ::1] gram not None):
        """Set the Gram matrix A'SA, the leading part of an array, which may have grown.

        Coordinates keep their places: a set that lost some needs another Descent.
        """
        self.gram, self.has_gram = gram, True
        self.owner = None
        self.a = NULL

    def set_columns(self, Matrix a not None, const int32_t[::1] columns,
                    const double[::1] weight=None):
        """Set the matrix by columns, the columns of coordinates, and weights of sparse rows."""
        cdef Py_ssize_t n = a.s.n_minor
        cdef double[:, ::1] images
        if not a.s.by_column:
            raise ValueError(f"a: expected a matrix by columns; got kind {a.kind}")
        self.has_gram, self.gram = False, None
        self.owner, self.a = a, &a.s
        self.columns = columns
        self.has_columns = columns is not None and columns.shape[0] > 0
        self.weight = weight
        self.has_weight = weight is not None and n > 0
        self.unit = 1.0 if self.has_weight else 1.0 / max(n, 1)
        if self.n_image != n:
            images = new_array(5, n, cnp.NPY_DOUBLE)
            self.column_image = images[0]
            self.ahead_residual, self.passed_residual = images[1], images[2]
            self.point_residual = images[3:5]
            self.n_image = n

    cdef int reserve(self) except -1:
        """Make the workspace long enough for m coordinates."""
        cdef Py_ssize_t m = self.m
        cdef Border *borders
        cdef double[:, ::1] real
        cdef int32_t[:, ::1] lists
        cdef signed char[:, ::1] sides
        if self.capacity >= m:
            return 0
        self.capacity = 0
        borders = <Border *> malloc(m * sizeof(Border))
        if borders == NULL:
            raise MemoryError("not enough memory for the workspace of coordinate descent")
        free(self.borders)
        self.borders = borders
        real = new_array(20, m, cnp.NPY_DOUBLE)
        self.d, self.image, self.rhs = real[0], real[1], real[2]
        self.work, self.between, self.passed = real[3], real[4], real[5]
        self.past, self.krylov, self.point_w = real[6:12], real[12:18], real[18:20]
        lists = new_array(3, m, cnp.NPY_INT32)
        self.list, self.moved, self.order = lists[0], lists[1], lists[2]
        sides = new_array(2, m, cnp.NPY_INT8)
        self.side, self.side_before = sides[0], sides[1]
        self.capacity = m
        return 0

    cdef int set_penalty(self, const double[::1] l1, const double[::1] l2,
                         const double[::1] lower, const double[::1] upper,
                         const double[::1] square, double yy) except -1:
        cdef Py_ssize_t m = square.shape[0]
        expect_length("l2", l2, l1.shape[0])
        expect_length("lower", lower, m)
        expect_length("upper", upper, m)
        self.m, self.stride = m, 1
        self.l1, self.l2, self.square, self.yy = l1, l2, square, yy
        self.lower, self.has_lower = lower, lower is not None
        self.upper, self.has_upper = upper, upper is not None
        return 0

    cdef void let_go(self) noexcept:
        """Release the arrays of a problem after a call, so that the caller can free them."""
        self.l1, self.l2, self.lower, self.upper = None, None, None, None
        self.square, self.cross, self.residual = None, None, None
        self.w, self.g, self.w_dual, self.g_dual = None, None, None, None

    def solve(self, const double[::1] l1 not None, const double[::1] l2 not None,
              const double[::1] lower, const double[::1] upper,
              const double[::1] square not None, const double[::1] cross not None, double yy,
              double[::1] w not None, double[::1] g not None, double[::1] w_dual not None,
              double[::1] g_dual not None, bint whole, double tol,
              Py_ssize_t max_iter, uint64_t seed=0, double[::1] residual=None,
              double level=0.0, int n_threads=0, int exact=1):
        """Descend from w, whose gradient is g, in place.

        Return the objective, the dual value (of the residual of w_dual, with gradient g_dual), the
        numbers of epochs and of Newton steps among them, and the residual's level. whole: there
        are no other coordinates, and w_dual and g_dual start as those of another penalty. exact:
        final Newton steps, which the gap does not need, to make coefficients exact: 0 none, 1 one,
        if there was a step before, 2 until one leaves the support unchanged.
        """
        cdef int status
        cdef Py_ssize_t m = square.shape[0]
        if m < self.support.known:
            raise ValueError(
                f"square: expected {self.support.known} coordinates or more, those of before and"
                f" new ones; got {m}"
            )
        self.set_penalty(l1, l2, lower, upper, square, yy)
        expect_length("l1", l1, m)
        expect_length("cross", cross, m)
        expect_length("w", w, m)
        expect_length("g", g, m)
        expect_length("w_dual", w_dual, m)
        expect_length("g_dual", g_dual, m)
        if not self.has_gram and (residual is None or residual.shape[0] != self.a.n_minor):
            raise ValueError("residual: expected one element per row")
        if m == 0:
            return 0.5 * yy, 0.5 * yy, 0, 0, level
        self.cross, self.w, self.g, self.w_dual, self.g_dual = cross, w, g, w_dual, g_dual
        self.whole, self.exact = whole, exact
        self.tol, self.max_iter, self.seed = tol, max_iter, seed
        self.residual, self.level = residual, level
        self.n_threads = threads_for(n_threads, <double> m * m)
        self.kernels = fr_active()
        if not self.has_gram:
            self.column_kernels = &self.kernels.real[self.a.real]
        self.reserve()
        with nogil:
            status = descend(self)
        self.let_go()
        check(status)
        return self.objective, self.dual, self.n_iter, self.n_newton, self.level

    def step(self, const double[::1] step not None, double[::1] g not None):
        """Do g -= A'SA step, with the Gram matrix of as many coordinates."""
        cdef Py_ssize_t i, count = 0, m = step.shape[0]
        cdef double[::1] by
        cdef int32_t[::1] list
        expect_length("g", g, m)
        by, list = np.empty(m), np.empty(m, dtype=np.int32)
        for i in range(m):
            if step[i] != 0:
                by[count], list[count] = -step[i], <int32_t> i
                count += 1
        if count:
            self.m, self.kernels = m, fr_active()
            with nogil:
                add_rows(self, &list[0], count, by, g)

    def dual_value(self, const double[::1] l1 not None, const double[::1] l2 not None,
                   const double[::1] lower, const double[::1] upper,
                   const double[::1] square not None, const double[::1] g not None, double yy,
                   double yr, double rr):
        """Return the dual value at t r, for the best t of a few, from g = A'S r, y'S r and r'S r.

        l1 and l2 have one element for each coordinate, or one for all.
        """
        cdef Products r
        cdef double value
        self.set_penalty(l1, l2, lower, upper, square, yy)
        expect_length("g", g, self.m)
        if l1.shape[0] == 1:
            self.stride = 0
        else:
            expect_length("l1", l1, self.m)
        r.yr, r.rr = yr, rr
        value = dual_value(self, g, r)
        self.let_go()
        return value

    def unscreened(self, const double[::1] l1 not None, const double[::1] l2 not None,
                   const double[::1] lower, const double[::1] upper,
                   const double[::1] square not None, double[::1] w not None,
                   const double[::1] g not None, double yy, double yr, double rr,
                   double objective):
        """Return the coordinates that gap-safe screening keeps, for w with that objective; see
        `dual_value`."""
        cdef Products r
        cdef int32_t[::1] kept
        cdef Py_ssize_t size
        self.set_penalty(l1, l2, lower, upper, square, yy)
        for name, v in (("l1", l1), ("w", w), ("g", g)):
            expect_length(name, v, self.m)
        found = np.empty(self.m, dtype=np.int32)
        kept = found
        self.w = w
        r.yr, r.rr = yr, rr
        size = unscreened(self, g, r, objective, kept)
        self.let_go()
        return found[:size]
