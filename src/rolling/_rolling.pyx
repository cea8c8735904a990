"""Ridge regression on windows: blocks of rows on threads, several in the lanes of registers.

A long window has several blocks. Sums of whole blocks, computed once, are joined to a base: the
part of the window common to all rows of a block; for expanding windows it is all earlier blocks.
Nothing is ever subtracted from a sum. See rolling.h.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY, isnan, sqrt
from libc.stdint cimport int64_t, uint8_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from arrays cimport empty, pointer
from c_rolling cimport *
from primitives cimport FR_DOUBLE, FR_FLOAT, fr_real_kernels
from runtime cimport FR_CACHED, FR_NO_MEMORY, attach, check, fr_active, threads_for

cnp.import_array()
attach()

cdef extern from "parallel.h" nogil:
    int fr_parallel(void (*task)(void *, Py_ssize_t) noexcept nogil, void *context,
                    Py_ssize_t n_tasks, int n_threads)

cdef enum:
    MOST_LANES = 8
    BLOCK = 512         # rows of a block, for longer windows
    TASK_ROWS = 8192    # rows of one task


# decay has at least that many weights, and one more
BLOCK_ROWS = BLOCK


cdef struct Job:
    fr_rolling q
    fr_real_kernels k
    fr_rolling_block *blocks
    Py_ssize_t n_blocks, most, lanes, each, size
    double *sums            # of each block about its origin, then of all before it; or NULL
    const double *origins   # (n_blocks, p + 1)
    int flags, stop


cdef inline double faded(const Job *s, Py_ssize_t back) noexcept nogil:
    return 1.0 if s.q.decay == NULL else s.q.decay[back]


cdef void join(const Job *s, double *a, double keep, const double *b, const double *from_a,
               const double *from_b, double *d) noexcept nogil:
    """Add to sums a, about from_a, sums b, about from_b, discounted by `keep`."""
    cdef Py_ssize_t p = s.q.p, means = fr_rolling_means(p), i, j
    cdef Py_ssize_t total = fr_rolling_total(p)
    cdef double of_b = keep * b[total], all = a[total] + of_b
    cdef double share = of_b / all if all > 0 else 0.0, f = a[total] * share, t
    a[total] = all
    a[total + 1] += b[total + 1]
    for j in range(p + 1):
        # d = m_b - m_a
        d[j] = (from_b[j] - from_a[j]) + (b[means + j] - a[means + j])
        a[means + j] += share * d[j]
    for i in range(p):
        t = f * d[i]
        for j in range(p + 1 - i):
            # G = G_a + keep G_b + (W_a keep W_b / W) d d'
            a[j] += keep * b[j] + t * d[i + j]
        a += p + 1 - i
        b += p + 1 - i


cdef void move(const Job *s, double *a, const double *was, const double *now) noexcept nogil:
    """Convert means to another origin."""
    cdef Py_ssize_t j, means = fr_rolling_means(s.q.p)
    for j in range(s.q.p + 1):
        a[means + j] += was[j] - now[j]


cdef double *aligned(double *memory) noexcept nogil:
    """Round up to the next cache line; the memory must have 8 spare elements."""
    return <double *> ((<uintptr_t> memory + 63) & ~(<uintptr_t> 63))


cdef void sum_blocks(void *context, Py_ssize_t task) noexcept nogil:
    """Compute the sums of the whole blocks of a task."""
    cdef Job *s = <Job *> context
    cdef Py_ssize_t b = task * s.each, lane, end = min(b + s.each, s.n_blocks)
    cdef fr_rolling_block[MOST_LANES] blocks
    cdef (double *)[MOST_LANES] out
    cdef double *memory = <double *> malloc(
        ((fr_rolling_room(&s.q) + s.size) * s.lanes + 8) * sizeof(double))
    cdef double *rest
    if memory == NULL:
        s.stop = FR_NO_MEMORY
        return
    rest = aligned(memory) + fr_rolling_room(&s.q) * s.lanes
    while b < end:
        for lane in range(s.lanes):
            blocks[lane] = s.blocks[min(b + lane, end - 1)]
            out[lane] = s.sums + (b + lane) * s.size if b + lane < end else rest
        s.k.rolling_sums(&s.q, blocks, aligned(memory), out)
        b += s.lanes
    free(memory)


cdef void sum_before(const Job *s) noexcept nogil:
    """Turn sums of blocks into sums of all earlier blocks, about each block's own origin."""
    cdef Py_ssize_t p = s.q.p, b
    cdef double *memory = <double *> malloc((2 * s.size + p + 1) * sizeof(double))
    cdef double *so_far = memory
    cdef double *own = memory + s.size
    cdef double *d = own + s.size
    cdef const double *now
    cdef double *at
    if memory == NULL:
        (<Job *> s).stop = FR_NO_MEMORY
        return
    for b in range(s.n_blocks):
        now, at = s.origins + b * (p + 1), s.sums + b * s.size
        if s.blocks[b].start == s.blocks[b].begin:
            memset(so_far, 0, s.size * sizeof(double))
        else:
            move(s, so_far, now - (p + 1), now)
        memcpy(own, at, s.size * sizeof(double))
        memcpy(at, so_far, s.size * sizeof(double))
        join(s, own, faded(s, s.q.block), so_far, now, now, d)
        memcpy(so_far, own, s.size * sizeof(double))
    free(memory)


cdef void fit_blocks(void *context, Py_ssize_t task) noexcept nogil:
    """Fit the windows that end in the blocks of a task."""
    cdef Job *s = <Job *> context
    cdef Py_ssize_t p = s.q.p, b = task * s.each, c, lane, first, end = min(b + s.each, s.n_blocks)
    cdef Py_ssize_t whole = (s.q.window - s.q.block) // s.q.block if s.q.window > 0 else 0
    cdef Py_ssize_t room = fr_rolling_room(&s.q) * s.lanes
    cdef fr_rolling_block[MOST_LANES] blocks
    cdef double *memory = <double *> malloc(
        (room + s.lanes * s.size + p + 9) * sizeof(double))
    cdef double *base
    cdef double *d
    cdef int flags = 0
    if memory == NULL:
        s.stop = FR_NO_MEMORY
        return
    d = aligned(memory) + room + s.lanes * s.size
    while b < end:
        for lane in range(s.lanes):
            blocks[lane] = s.blocks[min(b + lane, end - 1)]
            if b + lane >= end:
                blocks[lane].end = blocks[lane].begin = blocks[lane].start
            elif s.q.window == 0:
                blocks[lane].base = s.sums + (b + lane) * s.size
            elif whole > 0:
                base = aligned(memory) + room + lane * s.size
                memset(base, 0, s.size * sizeof(double))
                first = b + lane - (blocks[lane].start - blocks[lane].begin) // s.q.block
                for c in range(b + lane - 1, max(first, b + lane - whole) - 1, -1):
                    join(s, base, faded(s, (b + lane - 1 - c) * s.q.block), s.sums + c * s.size,
                         s.origins + (b + lane) * (p + 1), s.origins + c * (p + 1), d)
                blocks[lane].base = base
        flags |= s.k.rolling(&s.q, blocks, aligned(memory))
        b += s.lanes
    if flags:
        s.flags |= flags
    free(memory)


cdef Py_ssize_t rows_of_block(Py_ssize_t window, Py_ssize_t step):
    """Return a multiple of step: the whole window up to BLOCK, else an even part of it."""
    cdef Py_ssize_t most = max(BLOCK, 2 * <Py_ssize_t> sqrt(<double> window)), parts
    if window == 0:
        return max(BLOCK // step, 1) * step
    parts = (window + most - 1) // most
    return max(window // parts // step, 1) * step


def rolling(cnp.ndarray X not None, const double[::1] y not None, const double[::1] w,
            const int64_t[::1] order, const int64_t[::1] starts not None,
            const int64_t[::1] window_of, Py_ssize_t n_windows, const double[::1] factor not None,
            const double[::1] alpha not None, bint alpha_each, bint intercept, Py_ssize_t window,
            Py_ssize_t step, const double[::1] decay, double least, bint predict=True,
            int n_threads=0):
    """Fit all windows of X (n, p), in C order, of at most `window` rows; 0: all rows so far.

    starts: positions where groups begin, and the end; order: the row of each position, None: the
    position. window_of: the window that ends at a row, or -1; None: the row itself. Windows end at
    every step-th position of a group, step <= window. decay: weights of the row 0, 1, ...
    positions back. With alpha_each there is one alpha per window, else all windows are fitted for
    each alpha.

    Returns coef (n_windows, p), intercept and relative gradient (n_windows), or None with several
    alphas; prediction (n, n_alphas), NaN where there is no fit before the row, or None; status
    (n_windows, n_alphas): 0 too few rows, 1 done, 2 the factor is not accurate; and flags: 1 a
    column had zero squares in a window, 2 squares were out of range.
    """
    cdef Py_ssize_t n = X.shape[0], p = X.shape[1], n_groups = starts.shape[0] - 1, g, b, i
    cdef Py_ssize_t longest = 0, at, begin, end, row, n_blocks = 0
    cdef bint needs_sums
    cdef int status = 0, threads
    cdef Job s
    if not X.flags.c_contiguous or X.dtype.char not in "df":
        raise ValueError("X: expected float32 or float64 in C order")
    if y.shape[0] != n or (w is not None and w.shape[0] != n) or starts[n_groups] > n:
        raise ValueError(f"y, w, starts: expected {n} rows")
    if factor.shape[0] != p:
        raise ValueError(f"factor: expected {p} elements; got {factor.shape[0]}")
    for g in range(n_groups):
        longest = max(longest, starts[g + 1] - starts[g])
    window = min(window, longest)
    if step < 1 or (window > 0 and step > window):
        raise ValueError(f"step: expected 1 to {window}; got {step}")
    memset(&s, 0, sizeof(Job))
    s.q.p, s.q.step, s.q.window = p, step, window
    s.q.block = rows_of_block(window, step)
    s.q.partial = (window - s.q.block) % s.q.block if window > 0 else 0
    s.q.chunk = max(1, <Py_ssize_t> sqrt(<double> s.q.block))
    s.q.n_alphas = 1 if alpha_each else alpha.shape[0]
    s.q.x, s.q.real = cnp.PyArray_DATA(X), FR_DOUBLE if X.dtype.char == "d" else FR_FLOAT
    s.q.y, s.q.w, s.q.factor, s.q.alpha = &y[0], pointer(w), &factor[0], &alpha[0]
    s.q.order = NULL if order is None else &order[0]
    s.q.window_of = NULL if window_of is None else &window_of[0]
    s.q.alpha_each, s.q.intercept, s.q.least = alpha_each, intercept, least
    needs_sums = window == 0 or window >= 2 * s.q.block
    if decay is not None:
        if decay.shape[0] <= max(window, s.q.block):
            raise ValueError(f"decay: expected {max(window, s.q.block) + 1} elements")
        s.q.decay = &decay[0]
    s.size = fr_rolling_size(p)
    s.lanes, s.k = fr_active().lanes, fr_active().real[s.q.real]
    # tasks do not depend on the instruction set
    s.each = max(TASK_ROWS // s.q.block, 1)
    s.each = (s.each + MOST_LANES - 1) // MOST_LANES * MOST_LANES

    for g in range(n_groups):
        n_blocks += (starts[g + 1] - starts[g] + s.q.block - 1) // s.q.block
    s.n_blocks = n_blocks
    cdef cnp.ndarray places = np.zeros((n_blocks, sizeof(fr_rolling_block)), dtype=np.uint8)
    cdef double[:, ::1] origins = np.zeros((n_blocks if needs_sums else 0, p + 1))
    cdef double[:, ::1] sums = np.empty((n_blocks if needs_sums else 0, s.size))
    s.blocks = <fr_rolling_block *> cnp.PyArray_DATA(places)
    cdef uint8_t[:, ::1] how = np.zeros((n_windows, s.q.n_alphas), dtype=np.uint8)
    cdef bint alone = s.q.n_alphas == 1
    cdef double[:, ::1] coef = np.empty((n_windows if alone else 0, p))
    cdef double[::1] offset = empty(coef.shape[0]), gradient = empty(coef.shape[0])
    cdef double[:, ::1] prediction = np.full((n if predict else 0, s.q.n_alphas), np.nan) \
        if n_windows == 0 else np.empty((n if predict else 0, s.q.n_alphas))
    if n_windows and n_blocks:
        s.q.status = &how[0, 0]
        if alone:
            s.q.coef, s.q.offset, s.q.gradient = &coef[0, 0], &offset[0], &gradient[0]
        if predict:
            s.q.prediction = &prediction[0, 0]
        if needs_sums:
            s.origins, s.sums = &origins[0, 0], &sums[0, 0]
        b = 0
        with nogil:
            for g in range(n_groups):
                begin, end = starts[g], starts[g + 1]
                at = i = begin
                while i < end:
                    s.blocks[b].begin, s.blocks[b].end, s.blocks[b].start = begin, end, i
                    # the first row of positive weight in the block, or the last before it
                    s.blocks[b].origin = near_row(&s.q, i, min(i + s.q.block, end), at)
                    at = s.blocks[b].origin
                    b += 1
                    i += s.q.block
        if needs_sums and intercept:
            for b in range(n_blocks):
                at = s.blocks[b].origin
                row = at if order is None else order[at]
                fill_origin(&s.q, row, &origins[b, 0])
        threads = threads_for(n_threads, n * (s.size * 4.0 + p * p * p / 6.0) / FR_CACHED)
        i = (n_blocks + s.each - 1) // s.each
        with nogil:
            if needs_sums:
                status = fr_parallel(sum_blocks, &s, i, threads)
                if window == 0 and status == 0 and s.stop == 0:
                    sum_before(&s)
            if status == 0 and s.stop == 0:
                status = fr_parallel(fit_blocks, &s, i, threads)
        check(status if status else s.stop)
    return (
        coef.base if alone else None,
        offset.base if alone else None,
        gradient.base if alone else None,
        prediction.base if predict else None,
        how.base,
        s.flags,
    )


cdef inline Py_ssize_t near_row(const fr_rolling *q, Py_ssize_t begin, Py_ssize_t end,
                                Py_ssize_t otherwise) noexcept nogil:
    """Return the first position from begin to end whose row has positive weight."""
    cdef Py_ssize_t u
    if q.w == NULL:
        return begin
    for u in range(begin, end):
        if q.w[u if q.order == NULL else q.order[u]] > 0:
            return u
    return otherwise


cdef inline void fill_origin(const fr_rolling *q, Py_ssize_t row, double *out) noexcept nogil:
    """Copy a row of X, and y."""
    cdef Py_ssize_t j
    for j in range(q.p):
        if q.real == FR_DOUBLE:
            out[j] = (<const double *> q.x)[row * q.p + j]
        else:
            out[j] = (<const float *> q.x)[row * q.p + j]
    out[q.p] = q.y[row]


def choose(const double[:, ::1] prediction not None, const double[::1] y not None,
           const double[::1] w, const int64_t[::1] order, const int64_t[::1] starts not None,
           const int64_t[::1] window_of, Py_ssize_t n_windows, Py_ssize_t window,
           const double[::1] decay, const int64_t[::1] rank not None):
    """Choose the alpha of the least squared prediction error in each window.

    rank: order of preference of the alphas among ties. Return the position of the alpha of each
    window (n_windows), and of the last window before each row (n), -1: none.
    """
    cdef Py_ssize_t n = prediction.shape[0], k = prediction.shape[1], g, u, a, r, i, begin, end
    cdef Py_ssize_t block, s, row, longest = 1
    cdef int64_t now, to
    cdef double keep, least, value
    cdef cnp.ndarray chosen = np.full(n_windows, -1, dtype=np.int64)
    cdef cnp.ndarray before = np.full(n, -1, dtype=np.int64)
    cdef int64_t[::1] of_window = chosen
    cdef int64_t[::1] of_row = before
    for g in range(starts.shape[0] - 1):
        longest = max(longest, starts[g + 1] - starts[g])
    block = longest if window == 0 else min(window, longest)
    # sums of errors from a row of the last block to its end, and from the block's start on
    cdef double[:, ::1] back = np.zeros((1 if window == 0 else block + 1, k))
    cdef double[::1] front = np.zeros(k)
    with nogil:
        for g in range(starts.shape[0] - 1):
            begin, end = starts[g], starts[g + 1]
            now, s = -1, begin
            while s < end:
                if window > 0:
                    back[block, :] = 0.0
                    for i in range(block - 1, -1, -1):
                        u = s - block + i
                        for a in range(k):
                            back[i, a] = back[i + 1, a]
                        if s > begin:
                            keep = power(decay, block - 1 - i)
                            add_error(prediction, y, w, order, u, keep, back[i])
                    front[:] = 0.0
                elif s == begin:
                    front[:] = 0.0
                for u in range(s, min(s + block, end)):
                    row = u if order is None else order[u]
                    of_row[row] = now
                    i = u - s + 1
                    keep = power(decay, 1)
                    for a in range(k):
                        front[a] *= keep
                    add_error(prediction, y, w, order, u, 1.0, front)
                    to = row if window_of is None else window_of[row]
                    if to < 0:
                        continue
                    least = INFINITY
                    keep = power(decay, i)
                    for r in range(k):
                        a = rank[r]
                        value = front[a] if window == 0 else front[a] + keep * back[i, a]
                        if value < least:
                            least = value
                            now = a
                    of_window[to] = now
                s += block
    return chosen, before


cdef inline double power(const double[::1] decay, Py_ssize_t back) noexcept nogil:
    return 1.0 if decay is None else decay[back]


cdef inline void add_error(const double[:, ::1] prediction, const double[::1] y,
                           const double[::1] w, const int64_t[::1] order, Py_ssize_t u,
                           double keep, double[::1] out) noexcept nogil:
    """Add the weighted squared errors of a row with predictions."""
    cdef Py_ssize_t row = u if order is None else order[u], a
    cdef double weight = keep if w is None else keep * w[row], e
    if weight == 0 or isnan(prediction[row, 0]):
        return
    for a in range(out.shape[0]):
        # e = y - x w - b
        e = y[row] - prediction[row, a]
        out[a] += weight * e * e
