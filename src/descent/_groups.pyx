"""Multi-task elastic nets on a Gram matrix: block coordinate descent and Newton steps.

With G = A'SA the Gram matrix of m features and C = Y'SA their products with k targets, minimises
over W (k, m), w_j the column of feature j,

    P(W) = <Y, Y> / 2 - <C, W> + <W G, W> / 2 + sum_j (l1_j |w_j| + l2_j |w_j|^2 / 2).

With the residual R = Y - A W' and its products g = C - W G, the dual value at t R is, where
t |g_j| <= l1_j unless l2_j > 0,

    D(t) = t <Y, R> - t^2 <R, R> / 2 - sum_j (t |g_j| - l1_j)_+^2 / (2 l2_j).

Sweeps find the support, the features with w_j != 0, and Newton steps minimise over it.
"""

import numpy as np

from libc.math cimport INFINITY, exp, fmax, fmin, sqrt
from libc.stdint cimport int32_t, uint64_t
from libc.string cimport memcpy

from arrays cimport expect_length
from extrapolation cimport extrapolation_weights
from group_newton cimport (
    FAILED, SHRUNK, find_support, gather, newton_step, scatter, times, value
)
from primitives cimport FR_DOUBLE
from runtime cimport (
    FR_INTERRUPTED, FR_NO_MEMORY, attach, before_gil, check, fr_active, fr_poll, threads_for
)

from fastridge._descent cimport HISTORY

attach()

cdef extern from "group_constants.h" nogil:
    int MOST_ROUNDS, STEPS_PER_ROUND, FINAL_ROUNDS, FINAL_STEPS
    double GAIN, LEAST_GAIN, LITTLE, WAIT, FINAL_PRICE, FINAL_WORK, SLACK


# objective, gradient and dual value

def dual_value(const double[::1] l1 not None, const double[::1] l2 not None,
               const double[::1] square not None, const double[::1] norm not None, double yy,
               double yr, double rr):
    """Return the dual value at t R for the best t of a few.

    square: a_j'S a_j; norm: |g_j|; yy, yr, rr: <Y, Y>, <Y, R> and <R, R>.
    """
    cdef Py_ssize_t m = l1.shape[0]
    expect_length("l2", l2, m)
    expect_length("square", square, m)
    expect_length("norm", norm, m)
    return best_dual(l1, l2, square, norm, yy, yr, rr)


cdef double best_dual(const double[::1] l1, const double[::1] l2, const double[::1] square,
                      const double[::1] norm, double yy, double yr, double rr) noexcept nogil:
    cdef double most = fmax(yr / rr, 0.0) if rr > 0 else 1.0, within = INFINITY, slack, limit
    cdef bint smooth = False
    cdef Py_ssize_t j
    for j in range(l1.shape[0]):
        # |g_j| up to slack is round-off
        slack = SLACK * sqrt(square[j] * yy)
        limit = (l1[j] + slack) / norm[j] if norm[j] > slack else INFINITY
        if l2[j] > 0:
            smooth = True
        else:
            most = fmin(most, limit)
        within = fmin(within, limit)
    if not smooth:
        return most * yr - 0.5 * most * most * rr
    # concave in t: 1, and where the last conjugate vanishes
    return fmax(dual_at(l1, l2, norm, yr, rr, fmin(most, 1.0)),
                dual_at(l1, l2, norm, yr, rr, fmin(most, within)))


cdef double dual_at(const double[::1] l1, const double[::1] l2, const double[::1] norm,
                    double yr, double rr, double t) noexcept nogil:
    # D(t) = t <Y, R> - t^2 <R, R> / 2 - sum_j (t |g_j| - l1_j)_+^2 / (2 l2_j)
    cdef double dual = t * yr - 0.5 * t * t * rr, over
    cdef Py_ssize_t j
    for j in range(l1.shape[0]):
        over = t * norm[j] - l1[j]
        if over > 0 and l2[j] > 0:
            dual -= 0.5 * over * over / l2[j]
    return dual


cdef int sum_gradient(GroupDescent q) noexcept nogil:
    # g = C - W G
    cdef Py_ssize_t t, i, count = find_support(q)
    memcpy(&q.g[0, 0], &q.cross[0, 0], q.k * q.m * sizeof(double))
    for t in range(q.k):
        for i in range(count):
            q.norm[i] = -q.w[t, q.list[i]]
        if count:
            q.kernels.add_rows(&q.gram[0, 0], q.gram.shape[1], &q.list[0], count, q.m,
                               &q.norm[0], &q.g[t, 0])
        if fr_poll():
            return FR_INTERRUPTED
    return 0


cdef void evaluate(GroupDescent q) noexcept nogil:
    """Set the objective, and take the residual as the dual point where it is a better one."""
    cdef Py_ssize_t t, j
    cdef double cw = 0, gw = 0, penalty = 0, yr, rr, dual
    for j in range(q.m):
        q.norm[j] = q.size[j] = 0
    for t in range(q.k):
        for j in range(q.m):
            q.norm[j] += q.g[t, j] * q.g[t, j]
            if q.w[t, j] != 0:
                q.size[j] += q.w[t, j] * q.w[t, j]
                cw += q.cross[t, j] * q.w[t, j]
                gw += q.g[t, j] * q.w[t, j]
    for j in range(q.m):
        q.norm[j] = sqrt(q.norm[j])
        penalty += q.l1[j] * sqrt(q.size[j]) + 0.5 * q.l2[j] * q.size[j]
    # <Y, R> = <Y, Y> - <C, W>, <R, R> = <Y, R> - <W, g>
    yr = q.yy - cw
    rr = fmax(yr - gw, 0.0)
    q.objective = 0.5 * rr + penalty
    dual = best_dual(q.l1, q.l2, q.square, q.norm, q.yy, yr, rr)
    if dual > q.dual:
        q.dual = dual
        memcpy(&q.w_dual[0, 0], &q.w[0, 0], q.k * q.m * sizeof(double))


# block coordinate descent

cdef void set_order(GroupDescent q, Py_ssize_t count) noexcept nogil:
    """Set the order of a sweep."""
    cdef Py_ssize_t i, j
    for i in range(count):
        q.order[i] = <int32_t> i
    if not q.random:
        return
    for i in range(count - 1, 0, -1):
        q.random ^= q.random << 13
        q.random ^= q.random >> 7
        q.random ^= q.random << 17
        j = <Py_ssize_t> (q.random % <uint64_t> (i + 1))
        q.order[i], q.order[j] = q.order[j], q.order[i]


cdef int sweep(GroupDescent q) noexcept nogil:
    """One pass over all features."""
    cdef Py_ssize_t i, j, t
    cdef double norm, share, change
    set_order(q, q.m)
    for i in range(q.m):
        j = q.order[i]
        # w_j := z (1 - l1_j / |z|)_+ / (a_j'S a_j + l2_j), z = g_j + a_j'S a_j w_j
        norm = 0
        for t in range(q.k):
            q.z[t] = q.g[t, j] + q.square[j] * q.w[t, j]
            norm += q.z[t] * q.z[t]
        norm = sqrt(norm)
        share = (1 - q.l1[j] / norm) / (q.square[j] + q.l2[j]) if norm > q.l1[j] else 0.0
        for t in range(q.k):
            change = q.w[t, j] - share * q.z[t]
            q.w[t, j] = share * q.z[t]
            # g := g - change of w_j times row j of G
            if change != 0:
                q.loops.axpy_rows(&q.gram[j, 0], q.m, 1, q.m, NULL, NULL, &change, &q.g[t, 0])
        if i % 256 == 255 and fr_poll():
            return FR_INTERRUPTED
    return 0


cdef int sweep_support(GroupDescent q) noexcept nogil:
    """One pass over the s features that `gather` copied; sets the largest change."""
    cdef Py_ssize_t i, n, t, at, s = q.s
    cdef double norm, share, change, square, moved, length, most = 0, longest = 0
    set_order(q, s)
    for n in range(s):
        i = q.order[n]
        square = q.gs[i * s + i]
        # v_i := z (1 - l1_i / |z|)_+ / (G_ii + l2_i), z = c_i - (V G)_i + G_ii v_i
        norm = moved = length = 0
        for t in range(q.k):
            at = t * s + i
            q.z[t] = q.c[at] - q.VG[at] + square * q.V[at]
            norm += q.z[t] * q.z[t]
        norm = sqrt(norm)
        share = (1 - q.a[i] / norm) / (square + q.b[i]) if norm > q.a[i] else 0.0
        for t in range(q.k):
            at = t * s + i
            change = share * q.z[t] - q.V[at]
            q.V[at] = share * q.z[t]
            moved += change * change
            length += q.V[at] * q.V[at]
            if change != 0:
                q.loops.axpy_rows(&q.gs[i * s], s, 1, s, NULL, NULL, &change, &q.VG[t * s])
        most = fmax(most, moved * square)
        longest = fmax(longest, length * square)
        if n % 256 == 255 and fr_poll():
            return FR_INTERRUPTED
    q.change = sqrt(most / longest) if longest > 0 else 0.0
    return 0


cdef void extrapolate(GroupDescent q) noexcept nogil:
    """Take the Anderson extrapolation of the last iterates, if it is better."""
    cdef double[HISTORY] weight
    cdef Py_ssize_t a, i, size = q.k * q.s
    if not extrapolation_weights(q.past, size, weight):
        return
    for i in range(size):
        q.T[i] = 0
    for a in range(HISTORY - 1):
        for i in range(size):
            q.T[i] += weight[a] * q.past[a + 1, i]
    times(q, q.T, q.TG)
    if value(q, q.T, q.TG) < value(q, q.V, q.VG):
        memcpy(&q.V[0], &q.T[0], size * sizeof(double))


cdef int take_sweeps(GroupDescent q) noexcept nogil:
    """One sweep over all features, some over the support, and a step of extrapolation."""
    cdef Py_ssize_t t, i
    cdef int a, status
    q.n_iter += 1
    q.change = 0
    status = sweep(q)
    if not status:
        status = gather(q)
    if status:
        return status
    if q.s:
        for t in range(q.k):
            for i in range(q.s):
                q.VG[t * q.s + i] = q.cross[t, q.list[i]] - q.g[t, q.list[i]]
        for a in range(HISTORY):
            memcpy(&q.past[a, 0], &q.V[0], q.k * q.s * sizeof(double))
            if a < HISTORY - 1:
                status = sweep_support(q)
                if status:
                    return status
        extrapolate(q)
        scatter(q)
    status = sum_gradient(q)
    evaluate(q)
    return status if status else fr_poll()


# Newton steps on the support, alternating with sweeps

cdef double newton_price(GroupDescent q) noexcept nogil:
    """Return the cost of a Newton step over that of a round of sweeps."""
    cdef double s = find_support(q), k = q.k
    # operations, weighted by the time that they take: 3 s^3 + 60 k s^2; 8 k s m for a sweep over
    # all features, 8 k s^2 for one over the support, 3 k s m for the gradient
    return (3.0 * s + 60.0 * k) * s / (k * (11.0 * q.m + 8.0 * (HISTORY - 1) * s))


cdef bint is_affordable(GroupDescent q) noexcept nogil:
    """Return whether extra Newton steps are cheap, absolutely or relative to the other work."""
    cdef double s = find_support(q)
    return (
        (3.0 * s + 60.0 * q.k) * s * s <= FINAL_WORK
        or newton_price(q) <= FINAL_PRICE * q.n_iter
    )


cdef bint newton_pays(GroupDescent q, double gap, double before, int rounds) noexcept nogil:
    """Return whether sweeps, which led to that gap, gain less per cost than a Newton step."""
    cdef double price = newton_price(q)
    q.dear = price > 2 * rounds
    return gap > fmin(exp(-GAIN / price) if price > 0 else 1.0, LEAST_GAIN) * before


cdef int take_newton_steps(GroupDescent q, Py_ssize_t most, bint final) noexcept nogil:
    """Minimise over the support by at most `most` steps; final: as far as round-off allows."""
    cdef Py_ssize_t j
    cdef int status = gather(q), found
    cdef double largest = 0
    if not status:
        status = q.reserve_factors()
    q.change = INFINITY
    q.settled = q.s == 0
    while not status and most > 0 and q.s > 0 and not q.settled:
        q.n_iter += 1
        most -= 1
        found = newton_step(q)
        if found == FAILED:
            break
        if found < 0:
            return found
        largest = fmax(largest, q.decrease)
        if found == SHRUNK:
            scatter(q)
            status = gather(q)
        elif fr_poll():
            status = FR_INTERRUPTED
        # sweeps change the support at less cost, and a full step of small gain is not needed yet
        if not final and (
            q.dear if found == SHRUNK else q.whole and q.decrease <= LITTLE * largest
        ):
            break
    if status:
        return status
    scatter(q)
    status = sum_gradient(q)
    evaluate(q)
    # check whether another feature would enter the support
    for j in range(q.m):
        if q.norm[j] > q.l1[j] * (1 + 1e-10) + SLACK * sqrt(q.square[j] * q.yy):
            q.settled = q.settled and q.size[j] > 0
    return status


cdef int descend(GroupDescent q, double tol, double most_change, Py_ssize_t max_iter,
                 int exact) noexcept nogil:
    """Sweep, and take Newton steps where sweeps get slow, until the gap is at most tol."""
    cdef double gap, before = 0
    cdef int status = sum_gradient(q), finals = 0, rounds = 1, slow = 0, _i
    q.n_iter, q.dual, q.settled, q.change = 0, -INFINITY, False, INFINITY
    evaluate(q)
    while not status:
        gap = q.objective - q.dual
        if gap <= tol:
            finals += 1
            if not exact or finals > FINAL_ROUNDS:
                break
            if finals == 1 and exact == 1:
                # coefficients may have large errors despite a small gap
                while q.change > most_change and q.n_iter < max_iter and not is_affordable(q):
                    status = take_sweeps(q)
                    if status:
                        return status
                if not is_affordable(q):
                    break
                max_iter = min(max_iter, 2 * q.n_iter + FINAL_STEPS)
        if q.settled or q.n_iter >= max_iter:
            break
        if gap > tol or finals > 1:
            for _i in range(rounds):
                before = gap
                status = take_sweeps(q)
                gap = q.objective - q.dual
                if status or gap <= tol or q.n_iter >= max_iter:
                    break
            # the gap that sweeps reach is tested above
            if status or (gap <= tol and not finals):
                continue
            slow = slow + 1 if newton_pays(q, gap, before, rounds) else 0
            # the dual point may limit the gap: the more a step costs, the later it is taken
            if gap > tol and (not slow or WAIT * slow * rounds < newton_price(q)):
                continue
            slow = 0
        status = take_newton_steps(
            q, min(STEPS_PER_ROUND * rounds, max_iter - q.n_iter), gap <= tol
        )
        if not q.settled:
            rounds = min(2 * rounds, MOST_ROUNDS)
    return status


cdef class GroupDescent:
    """Solver for a sequence of problems, with a reused workspace.

    Parameters
    ----------
    most_direct : int
        Size of the support up to which Newton steps use factors only; beyond it, conjugate
        gradients are preconditioned by one factor for all targets.
    """

    def __init__(self, Py_ssize_t most_direct=1500):
        self.most_direct = most_direct
        self.most_s = self.most_k = self.most_factored = 0

    cdef int reserve_support(self) noexcept nogil:
        """Allocate the arrays of sweeps over s features."""
        if self.s <= self.most_s and self.k <= self.most_k:
            return 0
        before_gil()
        with gil:
            try:
                self.allocate(self.s + self.s // 2, self.k)
            except MemoryError:
                return FR_NO_MEMORY
        return 0

    cdef int reserve_factors(self) noexcept nogil:
        """Allocate the additional arrays of Newton steps."""
        if self.s <= self.most_factored:
            return 0
        before_gil()
        with gil:
            try:
                self.allocate_factors(self.s + self.s // 2)
            except MemoryError:
                return FR_NO_MEMORY
        return 0

    cdef int allocate_factors(self, Py_ssize_t s) except -1:
        cdef Py_ssize_t direct = min(s, self.most_direct)
        self.most_factored = 0
        self.factor = np.empty(s * s)
        self.inverse, self.small = np.empty(direct * direct), np.empty(direct * direct)
        self.most_factored = s
        return 0

    cdef int allocate(self, Py_ssize_t s, Py_ssize_t k) except -1:
        self.most_s = self.most_k = 0
        self.gs, self.past = np.empty(s * s), np.empty((HISTORY, k * s))
        wide = np.empty((13, k * s))
        self.V, self.D, self.VG, self.DG, self.c, self.slope = wide[:6]
        self.r, self.Mr, self.p, self.Hp, self.U, self.T, self.TG = wide[6:]
        narrow = np.empty((8, s))
        self.a, self.b, self.length, self.bend = narrow[:4]
        self.root, self.diagonal, self.extra, self.y = narrow[4:]
        self.most_s, self.most_k = s, k
        return 0

    def solve(self, const double[:, ::1] gram not None, const double[::1] l1 not None,
              const double[::1] l2 not None, const double[:, ::1] cross not None, double yy,
              double[:, ::1] w not None, double[:, ::1] w_dual not None, double tol,
              Py_ssize_t max_iter, uint64_t seed=0, int exact=1, int n_threads=0,
              double change=INFINITY):
        """Minimise from w, in place, until the gap is at most tol.

        Parameters
        ----------
        gram : ndarray (m or more, m or more)
            Its leading part is G.
        l1, l2 : ndarray (m,)
        cross, w : ndarray (k, m)
        yy : float
            <Y, Y>
        w_dual : ndarray (k, m)
            Overwritten with the coefficients whose residual is the dual point.
        seed : int
            Seed of the random order of a sweep; 0: cyclic.
        exact : {0, 1, 2}
            Continue until Newton steps are round-off: 0 never, 1 where they are cheap, 2 always.
        change : float
            Bound on the largest change of |w_j| by a sweep over the largest |w_j|, each times the
            norm of its column, where coefficients are not made exact.

        Returns
        -------
        objective, dual : float
        n_iter : int
            Rounds of sweeps, and Newton steps.
        settled : bool
            Whether only round-off is left to gain.
        """
        cdef Py_ssize_t j, m = l1.shape[0], k = w.shape[0]
        cdef int status
        expect_length("l2", l2, m)
        for name, x in (("cross", cross), ("w", w), ("w_dual", w_dual)):
            if x.shape[0] != k or x.shape[1] != m:
                raise ValueError(
                    f"{name}: expected shape ({k}, {m}); got ({x.shape[0]}, {x.shape[1]})"
                )
        if gram.shape[0] < m or gram.shape[1] < m:
            raise ValueError(f"gram: expected at least {m} rows and columns")
        if m == 0 or k == 0:
            return 0.5 * yy, 0.5 * yy, 0, True
        self.m, self.k, self.yy, self.random = m, k, yy, seed
        self.gram, self.cross, self.l1, self.l2 = gram, cross, l1, l2
        self.w, self.w_dual, self.g = w, w_dual, np.empty((k, m))
        self.square, self.norm, self.size = np.empty((3, m))
        self.z = np.empty(k)
        self.list, self.order = np.empty((2, m), dtype=np.int32)
        for j in range(m):
            self.square[j] = gram[j, j]
        self.kernels = fr_active()
        self.loops = &self.kernels.real[FR_DOUBLE]
        self.n_threads = threads_for(n_threads, <double> m * m)
        with nogil:
            status = descend(self, tol, change, max_iter, exact)
        check(status)
        return self.objective, self.dual, self.n_iter, self.settled
