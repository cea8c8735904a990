"""Stochastic gradient descent on rows: the state of a linear model, and calls of the kernels."""

import numpy as np

cimport numpy as cnp
from c_sgd cimport *
from libc.stdint cimport int32_t, int64_t, uint64_t
from c_matrix cimport fr_matrix
from libc.string cimport memset
from primitives cimport FR_FLOAT, FR_ONES, fr_kernels
from primitives cimport fr_sgd as void_sgd
from claims cimport fr_claim, fr_flag, fr_release
from losses_of_rows cimport value_and_slope
from runtime cimport attach, check, fr_active, fr_poll, threads_for

from fastridge._matrix cimport Matrix

attach()
cnp.import_array()

cdef enum:
    PIECE = 4000000  # elements between two checks for an interrupt
    WORK = 8         # work of an element of a batch
    NEAREST = 32768  # bytes of the first-level cache
    CACHE = 1048576  # bytes of the second-level cache
    NEAR = 2048      # bytes of rows that are prefetched before their turn
    MOST_NEAR = 8    # largest number of such rows

cdef extern from *:
    """
    #define SPLITMIX_STEP UINT64_C(0x9E3779B97F4A7C15)
    #define SPLITMIX_FIRST UINT64_C(0xBF58476D1CE4E5B9)
    #define SPLITMIX_SECOND UINT64_C(0x94D049BB133111EB)
    """
    uint64_t SPLITMIX_STEP, SPLITMIX_FIRST, SPLITMIX_SECOND

# names of losses and rules
LOSSES = {
    "squared_error": FR_SGD_SQUARED,
    "huber": FR_SGD_HUBER,
    "epsilon_insensitive": FR_SGD_EPSILON,
    "squared_epsilon_insensitive": FR_SGD_SQUARED_EPSILON,
    "poisson": FR_SGD_POISSON,
    "hinge": FR_SGD_HINGE,
    "squared_hinge": FR_SGD_SQUARED_HINGE,
    "modified_huber": FR_SGD_MODIFIED_HUBER,
    "perceptron": FR_SGD_PERCEPTRON,
    "log_loss": FR_SGD_LOG,
    "multinomial": FR_SGD_MULTINOMIAL,
}
RULES = {
    "constant": FR_SGD_CONSTANT,
    "adaptive": FR_SGD_CONSTANT,
    "optimal": FR_SGD_OPTIMAL,
    "invscaling": FR_SGD_INVSCALING,
    "pa1": FR_SGD_PA1,
    "pa2": FR_SGD_PA2,
    "adagrad": FR_SGD_ADAGRAD,
    "auto": FR_SGD_AUTO,
    "coin": FR_SGD_COIN,
}
# indices into the numbers of a state
T, SEEN, ETA, SHRINK, BEGAN, START = (
    FR_SGD_T, FR_SGD_SEEN, FR_SGD_ETA, FR_SGD_SHRINK, FR_SGD_BEGAN, FR_SGD_START,
)
N_NUMBERS = FR_SGD_N_NUMBERS
UNSEEN = FR_SGD_UNSEEN


def slope(int loss, double epsilon, double y, double p):
    """Return the derivative of a loss by the prediction p."""
    cdef double g
    value_and_slope(loss, epsilon, y, p, &g)
    return g


cdef double row_bytes(const fr_matrix *a) noexcept:
    """Return the mean size of a row."""
    cdef double value = 4.0 if a.real == FR_FLOAT else 8.0, column = 0.0
    if a.index >= 0:
        column = 8.0 if a.index else 4.0
        value = 0.0 if a.real == FR_ONES else value
    return max(1.0, (value + column) * a.nnz / max(1, a.n_major))


cdef expect_rows(const Py_ssize_t[::1] order, Py_ssize_t n):
    """Raise ValueError unless all rows are from 0 to n - 1."""
    cdef Py_ssize_t i, size = order.shape[0]
    cdef int outside = 0
    for i in range(size):
        outside |= <size_t> order[i] >= <size_t> n
    if outside:
        for i in range(size):
            if not 0 <= order[i] < n:
                raise ValueError(f"order: expected rows from 0 to {n - 1}; got {order[i]}")


cdef void shuffle(Py_ssize_t *order, Py_ssize_t n, Py_ssize_t size, uint64_t seed) noexcept nogil:
    """Shuffle each piece of `size` elements in place (Fisher & Yates; splitmix64)."""
    cdef Py_ssize_t begin = 0, i, j, kept
    cdef uint64_t z
    while begin < n:
        for i in range(min(size, n - begin) - 1, 0, -1):
            seed += SPLITMIX_STEP
            z = (seed ^ (seed >> 30)) * SPLITMIX_FIRST
            z = (z ^ (z >> 27)) * SPLITMIX_SECOND
            z ^= z >> 31
            # (upper half of z) (i + 1) / 2^32
            j = <Py_ssize_t> (((z >> 32) * <uint64_t> (i + 1)) >> 32)
            kept = order[begin + i]
            order[begin + i] = order[begin + j]
            order[begin + j] = kept
        begin += size


def shuffle_blocks(Py_ssize_t n, Py_ssize_t rows, Py_ssize_t window, uint64_t first,
                   uint64_t second):
    """Put blocks of `rows` neighbours of n rows in random order, and shuffle each window of that.

    Returns
    -------
    ahead, order : ndarray of intp, shape (n,)
        The blocks before and after the rows of each window were shuffled.
    """
    if min(rows, window) < 1:
        raise ValueError(f"rows, window: expected 1 or more; got {rows, window}")
    cdef Py_ssize_t blocks = (n + rows - 1) // rows, b, i, k = 0
    starts_of, ahead_of, order_of = (np.empty(size, np.intp) for size in (blocks, n, n))
    cdef Py_ssize_t[::1] starts = starts_of, ahead = ahead_of, order = order_of
    with nogil:
        for b in range(blocks):
            starts[b] = b * rows
        if blocks > 1:
            shuffle(&starts[0], blocks, blocks, first)
        for b in range(blocks):
            for i in range(starts[b], min(n, starts[b] + rows)):
                ahead[k] = order[k] = i
                k += 1
        if n > 0:
            shuffle(&order[0], n, window, second)
    return ahead_of, order_of


cdef class Steps:
    """A rule, a loss, a penalty and the state of a model, for steps on rows.

    One thread at a time may use it: another one gets a RuntimeError.

    Parameters
    ----------
    p, k : int
        Columns and outputs.
    loss, rule : int
        Values of `LOSSES` and `RULES`.
    fit_intercept : bool
    fields : int
        Numbers in the record of a column.
    averages, debts : bool
        Whether it has sums of averages, and debts of L1 penalties.
    group : ndarray of int32, shape (p,), or None
        Index of each column's scale; plain rules.
    factor : ndarray of float64, shape (p,), or None
        Factors of the penalty.
    scale_factor : ndarray of float64
        Factor of each scale.

    Attributes
    ----------
    table : ndarray of float64
        Shape (p + 1, fields): records; or by field: (fields, p + 1, rounded up to blocks of 8).
    numbers : ndarray of float64, shape (N_NUMBERS,)
    scale, scale_sum : ndarray of float64
    unsound : bool
        Whether the last call met rows that no one had looked at before, and that are not sound.
    """

    cdef fr_sgd s
    cdef fr_matrix rows
    cdef readonly Py_ssize_t p, fields
    cdef readonly bint unsound
    cdef readonly object table, numbers, scale, scale_sum
    cdef object _kept
    cdef fr_flag _busy

    def __init__(self, Py_ssize_t p, Py_ssize_t k, int loss, int rule, bint fit_intercept,
                 Py_ssize_t fields, bint averages, bint debts, const int32_t[::1] group,
                 const double[::1] factor, const double[::1] scale_factor):
        memset(&self.s, 0, sizeof(self.s))
        self.p, self.fields = p, fields
        self.s.k, self.s.loss, self.s.rule = k, loss, rule
        self.s.intercept, self.s.averages, self.s.debts = fit_intercept, averages, debts
        self.s.n_scales = scale_factor.shape[0]
        self.s.scale_factor = &scale_factor[0]
        if group is not None and p > 0:
            self.s.group = &group[0]
        if factor is not None and p > 0:
            self.s.factor = &factor[0]
        self._kept = (group, factor, scale_factor)
        self.place(
            np.zeros((p + 1, fields)), np.zeros(N_NUMBERS), np.ones(self.s.n_scales),
            np.zeros(self.s.n_scales),
        )

    cdef int _claim(self) except -1:
        if not fr_claim(&self._busy):
            raise RuntimeError("another thread is using this model")
        return 0

    def place(self, double[:, ::1] table not None, double[::1] numbers not None,
              double[::1] scale not None, double[::1] scale_sum not None):
        """Use these arrays as the state; steps write to them."""
        self._claim()
        try:
            self._place(table, numbers, scale, scale_sum)
        finally:
            fr_release(&self._busy)

    cdef int _place(self, double[:, ::1] table, double[::1] numbers, double[::1] scale,
                    double[::1] scale_sum) except -1:
        cdef bint by_record = table.shape[1] == self.fields and table.shape[0] == self.p + 1
        cdef bint by_field = table.shape[0] == self.fields and table.shape[1] == self.padded()
        if not (by_record or by_field) or numbers.shape[0] != N_NUMBERS or (
            scale.shape[0] != self.s.n_scales or scale_sum.shape[0] != self.s.n_scales
        ):
            raise ValueError(
                f"table: expected ({self.p + 1}, {self.fields}) or ({self.fields}, "
                f"{self.padded()}); got {table.shape[0], table.shape[1]}"
            )
        self.table, self.numbers = np.asarray(table), np.asarray(numbers)
        self.scale, self.scale_sum = np.asarray(scale), np.asarray(scale_sum)
        self.s.table, self.s.numbers = &table[0, 0], &numbers[0]
        self.s.scale, self.s.scale_sum = &scale[0], &scale_sum[0]
        self.s.ld = table.shape[1]
        self.s.by_field = not by_record
        # single weights come from the second-level cache in time
        self.s.far = 8 * table.shape[0] * table.shape[1] > (CACHE if self.s.ld == 1 else NEAREST)
        return 0

    cdef Py_ssize_t padded(self) noexcept:
        return (self.p + 1 + 7) // 8 * 8

    @property
    def by_field(self):
        """Return whether the table lies by field."""
        return bool(self.s.by_field)

    def lay_out(self, bint by_field):
        """Store the table by field, for dense rows and one output, or by record."""
        if by_field == self.s.by_field:
            return
        if by_field:
            table = np.zeros((self.fields, self.padded()))
            table[:, : self.p + 1] = self.table.T
        else:
            table = np.ascontiguousarray(self.table[:, : self.p + 1].T)
        self.place(table, self.numbers, self.scale, self.scale_sum)

    def set_rule(self, double epsilon, double eta0, double power, double first, double alpha,
                 double l1_ratio, double average):
        """Set the numbers of the rule, which may change between calls."""
        self.s.parameter, self.s.eta0, self.s.power, self.s.first = epsilon, eta0, power, first
        self.s.alpha, self.s.l1_ratio, self.s.average = alpha, l1_ratio, average

    def learn(self, Matrix A not None, const double[::1] y, const int32_t[::1] codes, bint soft,
              const double[::1] weight, const double[::1] positive, const Py_ssize_t[::1] order,
              const Py_ssize_t[::1] ahead, Py_ssize_t window, Py_ssize_t begin, Py_ssize_t end,
              Py_ssize_t batch):
        """Take a step for each row, or batch of rows, from `begin` to `end` of the order.

        Rows of `ahead` are those of `order`, but within each `window` as they lie in memory; they
        are not used if `begin` or `end` is within a window. With A.unseen rows are looked at window
        by window, and A.unseen is False after all of them.

        Returns
        -------
        float or None
            Weighted sum of the losses, each before its step; None where one was not finite, or rows
            are `unsound`.
        """
        self._claim()
        try:
            return self._learn(A, y, codes, soft, weight, positive, order, ahead, window, begin,
                               end, batch)
        finally:
            # no pointers to this call's arrays are left
            self.s.a, self.s.work, self.s.batch_work, self.s.places = NULL, NULL, NULL, NULL
            self.s.y, self.s.weight, self.s.positive = NULL, NULL, NULL
            self.s.codes, self.s.order, self.s.ahead = NULL, NULL, NULL
            fr_release(&self._busy)

    cdef object _learn(self, Matrix A, const double[::1] y, const int32_t[::1] codes, bint soft,
                       const double[::1] weight, const double[::1] positive,
                       const Py_ssize_t[::1] order, const Py_ssize_t[::1] ahead, Py_ssize_t window,
                       Py_ssize_t begin, Py_ssize_t end, Py_ssize_t batch):
        """Run `learn` in the thread that claimed the model."""
        cdef Py_ssize_t n = A.n_rows, width = self.p, wide, i, step, target, n_visits
        cdef const int32_t *narrow
        cdef const int64_t *broad
        cdef double[::1] work
        cdef int32_t[::1] places
        cdef int status = 0
        cdef bint whole
        cdef fr_sgd *s = &self.s
        cdef const fr_kernels *kernels = fr_active()
        target = n * s.k if soft and s.k > 1 else n
        n_visits = n if order is None else order.shape[0]
        if (
            A.n_columns != self.p
            or A.s.by_column
            or (y is not None and y.shape[0] != target)
            or (codes is not None and codes.shape[0] != n)
            or (y is None and codes is None)
            or (weight is not None and weight.shape[0] != n)
            or (positive is not None and positive.shape[0] != s.k)
            or not 0 <= begin <= end <= n_visits
            or (s.by_field and (s.k > 1 or A.is_sparse))
            or (A.unseen and batch > 1)
            or (ahead is not None and (order is None or ahead.shape[0] != n_visits))
            or window < 1
        ):
            raise ValueError(
                f"A: expected rows of {self.p} columns, and as many targets and weights as rows"
            )
        if order is not None:
            expect_rows(order, n)
        if ahead is not None:
            expect_rows(ahead, n)
        if A.is_sparse:
            width = 0
            if A.s.index == 0:
                narrow = <const int32_t *> A.s.indptr
                for i in range(n):
                    width = max(width, narrow[i + 1] - narrow[i])
            else:
                broad = <const int64_t *> A.s.indptr
                for i in range(n):
                    width = max(width, <Py_ssize_t> (broad[i + 1] - broad[i]))
        wide = (width + 1 + 7) // 8 * 8
        batch = min(batch, max(1, end - begin))
        if batch > 1:
            s.batch, s.tasks, whole = batch, fr_sgd_tasks(batch), fr_sgd_whole(s, not A.is_sparse)
            s.threads = threads_for(0, WORK * batch * (A.s.nnz / <double> max(1, n)) * s.k)
            work = np.empty(fr_sgd_batch_doubles(batch, self.p, wide, s.k, whole))
            places = np.zeros(batch + (0 if whole else s.tasks * self.p), np.int32)
            s.batch_work, s.places = &work[0], &places[0]
        else:
            work = np.empty(FR_SGD_WORKSPACE(wide, s.k))
            s.work = &work[0]
        self.rows = A.s
        s.stored, s.unseen, s.unsound = A.s.real, A.unseen, 0
        if A.unseen:
            self.rows.real = FR_ONES
        s.a = &self.rows
        s.y = &y[0] if y is not None and y.shape[0] else NULL
        s.codes = &codes[0] if codes is not None and n else NULL
        s.soft = soft
        s.weight = &weight[0] if weight is not None and n else NULL
        s.positive = &positive[0] if positive is not None else NULL
        s.order = &order[0] if order is not None and n_visits else NULL
        # within a window, rows of `ahead` are in another order
        s.ahead = &ahead[0] if ahead is not None and n_visits else NULL
        if begin % window or (end % window and end < n_visits):
            s.ahead = NULL
        s.window, s.last, s.looked = window, end, begin
        s.near = min(MOST_NEAR, max(2, <Py_ssize_t> (NEAR / row_bytes(&self.rows))))
        if A.is_sparse and s.ahead != NULL and window < end:
            # whole windows are prefetched
            s.near = 0
        s.loss_sum, s.diverged, s.begin = 0.0, 0, begin
        step = max(1, PIECE // max(1, A.s.nnz // max(1, n) * s.k))
        with nogil:
            if batch > 1:
                s.end, s.status = end, 0
                kernels.sgd_batches(<void_sgd *> s, wide)
                status = s.status
            while batch == 1 and s.begin < end and not (s.diverged or s.unsound or status):
                s.end = min(end, s.begin + step)
                kernels.sgd_rows(<void_sgd *> s, wide)
                if s.begin < end:
                    status = fr_poll()
        check(status)
        self.unsound = s.unsound
        if s.diverged or s.unsound:
            return None
        if A.unseen and begin == 0 and end == n == n_visits and (order is None or s.ahead != NULL):
            A.unseen, A.s.real = False, self.rows.real
        return s.loss_sum

    def flush(self):
        """Apply the pending penalty to all columns."""
        self._claim()
        try:
            self._flush()
        finally:
            fr_release(&self._busy)

    cdef int _flush(self) except -1:
        cdef Py_ssize_t j, k, area, n = self.s.k
        cdef double *debts
        cdef fr_sgd *s = &self.s
        cdef double now = s.numbers[FR_SGD_SEEN], penalty, one, integral
        cdef double *record
        cdef Py_ssize_t by = 1 if s.by_field else s.ld
        cdef Py_ssize_t apart = s.ld if s.by_field else 1
        if s.rule < FR_SGD_ADAGRAD or s.rule == FR_SGD_COIN:
            # coin betting applies the penalty's gradient when a column is visited
            return 0
        area = (5 if s.debts else 3) * n + 2
        with nogil:
            for j in range(self.p + 1):
                record = s.table + j * by
                penalty = 0.0
                if j < self.p:
                    penalty = s.alpha if s.factor == NULL else s.alpha * s.factor[j]
                for k in range(n):
                    one = penalty * (record[(2 + n + k) * apart] * record[(2 + 2 * n + k) * apart])
                    one, integral = one * record[0], 0.0
                    debts = &record[(2 + 3 * n + k) * apart] if s.debts else NULL
                    fr_flow(&record[(2 + k) * apart], one * (1.0 - s.l1_ratio) * record[0],
                            one * s.l1_ratio, now - record[apart], &integral, debts, n * apart)
                    if s.averages:
                        record[(area + k) * apart] += record[0] * integral
                record[apart] = now
        return 0
