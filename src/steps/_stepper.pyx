"""All tensors of an optimizer, and their state, in one call."""

import numpy as np

cimport numpy as cnp
from libc.math cimport isfinite
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from c_steps cimport (
    FR_ADAM, FR_FLOAT, FR_MOMENTUM, FR_SGD, fr_catch_up, fr_cut, fr_first_not_finite, fr_lazy,
    fr_lazy_free, fr_lazy_reserve, fr_piece, fr_piece_count, fr_row_gradient, fr_rows_reserve,
    fr_scaled_finite, fr_step, fr_step_many, fr_step_rows, fr_step_work, fr_tensor
)
from fastridge._arguments cimport (
    View, correct_bias, find_not_finite, is_array, match_groups, must_match, must_write, n_bytes,
    refuse, refuse_moved, set_group, shape_of, take_indices, view, was_moved
)
from claims cimport fr_claim, fr_flag, fr_release
from missed cimport goes_on
from pins cimport FR_HAS_GIL, pin, pin_all
from runtime cimport attach, check, threads_for
from spans cimport Owners, Span, find_overlap, sort_spans

from fastridge._threads import get_num_threads

cnp.import_array()
attach()


# work of a step, by array and in all, below which the GIL is kept: pins cost a tenth of it or more
cdef double PINNED = 1 << 15, BRIEF = 1 << 22


cdef class Stepper:
    """Parameters, their state and one call that steps them all.

    Parameters
    ----------
    params, labels, factors : list
        Arrays that are changed in place, their names in messages, factors of their decay or None.
    groups : list of int
        Group of `step` to which each belongs.
    adam : bool
        Adam instead of gradient descent with or without momentum.
    n_groups : int
        Number of groups, of which some may be empty.
    """

    cdef Py_ssize_t count, n_groups, n_pieces, n_spans
    cdef fr_tensor *t
    cdef View *views
    cdef Owners *owners
    cdef Py_ssize_t *group
    cdef int64_t *steps
    cdef bint *begun
    cdef fr_lazy *lazy
    cdef fr_row_gradient *rows
    cdef fr_piece *pieces
    cdef double *partial
    cdef Span *spans
    cdef const void **seen
    cdef bint adam, foreign
    cdef fr_flag busy
    cdef readonly tuple params, labels
    cdef list held, states, scratch, pins

    def __cinit__(self, list params not None, list labels not None, list groups not None,
                  list factors not None, bint adam, Py_ssize_t n_groups):
        cdef Py_ssize_t i, n = len(params)
        cdef View v
        if not n == len(labels) == len(groups) == len(factors) or not all(
            [0 <= k < n_groups for k in groups]
        ):
            raise ValueError("params: expected a label, a group and a factor for each")
        self.count, self.n_groups, self.adam = n, n_groups, adam
        self.params, self.labels = tuple(params), tuple(labels)
        self.t = <fr_tensor *> calloc(n + 1, sizeof(fr_tensor))
        self.views = <View *> calloc(n + 1, sizeof(View))
        self.owners = <Owners *> calloc(n + 1, sizeof(Owners))
        self.group = <Py_ssize_t *> calloc(n + 1, sizeof(Py_ssize_t))
        self.steps = <int64_t *> calloc(n + 1, sizeof(int64_t))
        self.begun = <bint *> calloc(n + 1, sizeof(bint))
        self.lazy = <fr_lazy *> calloc(n + 1, sizeof(fr_lazy))
        self.rows = <fr_row_gradient *> calloc(n + 1, sizeof(fr_row_gradient))
        self.seen = <const void **> calloc(n + 1, sizeof(void *))
        self.spans = <Span *> calloc(4 * n + 1, sizeof(Span))
        if not (self.t and self.views and self.owners and self.group and self.steps and self.begun
                and self.lazy and self.rows and self.seen and self.spans):
            raise MemoryError
        self.held = []
        # per tensor: first moment or momentum, second moment, its maximum; rows' last steps, slots
        self.states = [[None, None, None] for _ in range(n)]
        self.scratch = [None] * n
        self.pins = [None] * n  # of the states
        for i in range(n):
            self.held.append(view(labels[i], self.params[i], &self.views[i]))
            self.owners[i].w = self.views[i].array
            pin_all(self.held, self.views[i].array)
            must_write(labels[i], &self.views[i])
            self.group[i] = groups[i]
            self.t[i].n, self.t[i].real = self.views[i].n, self.views[i].real
            self.t[i].x.w = self.views[i].data
            if factors[i] is not None:
                name = f"penalty_factor of {labels[i]}"
                self.held.append(view(name, factors[i], &v))
                must_match(name, &v, labels[i], &self.views[i])
                self.t[i].x.factor = v.data
                self.owners[i].factor = v.array
                pin_all(self.held, v.array)
        self._lay_out()
        for i in range(n):
            if self.t[i].x.factor != NULL:
                self._apart(self.t[i].x.factor, n_bytes(self.t[i].n, self.t[i].real),
                            f"penalty_factor of {labels[i]}")
        self.n_pieces = fr_piece_count(self.t, n)
        self.pieces = <fr_piece *> calloc(self.n_pieces + 1, sizeof(fr_piece))
        self.partial = <double *> calloc(self.n_pieces + 1, sizeof(double))
        if not (self.pieces and self.partial):
            raise MemoryError
        fr_cut(self.t, n, self.pieces)

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.lazy:
            for i in range(self.count):
                fr_lazy_free(&self.lazy[i])
        free(self.t)
        free(self.views)
        free(self.owners)
        free(self.group)
        free(self.steps)
        free(self.begun)
        free(self.lazy)
        free(self.rows)
        free(self.seen)
        free(self.spans)
        free(self.pieces)
        free(self.partial)

    cdef int _claim(self, str caller) except -1:
        """Raise on concurrent use, from another thread or from a callback of this call."""
        if not fr_claim(&self.busy):
            raise RuntimeError(f"{caller}: this optimizer is already running in another thread, "
                               "or in the caller of this call")
        self.foreign = False
        return 0

    cdef int _all_stay(self) except -1:
        """Raise if code called since arrays were checked has resized them. Runs only C code.

        A step whose parameters and gradients are plain arrays calls no such code.
        """
        cdef Py_ssize_t i, n
        cdef fr_tensor *t
        cdef Owners *o
        for i in range(self.count):
            t, o = &self.t[i], &self.owners[i]
            if self.foreign and was_moved(o.w, t.x.w, t.n, t.real):
                refuse_moved(self.labels[i])
            if (was_moved(o.m, t.x.m, t.n, t.real) or was_moved(o.v, t.x.v, t.n, t.real)
                    or was_moved(o.top, t.x.top, t.n, t.real)):
                refuse_moved(f"state of {self.labels[i]}")
            if was_moved(o.factor, t.x.factor, t.n, t.real):
                refuse_moved(f"penalty_factor of {self.labels[i]}")
            if not self.foreign:
                continue
            if t.x.g != NULL:
                if was_moved(o.g, t.x.g, t.n, t.real):
                    refuse_moved(f"gradient of {self.labels[i]}")
            elif self.rows[i].index != NULL:
                n = self.rows[i].n * (t.n // self.views[i].shape[0]) if t.n else 0
                if was_moved(o.g, self.rows[i].rows, n, t.real):
                    refuse_moved(f"rows of the gradient of {self.labels[i]}")
        return 0

    cdef int _lay_out(self) except -1:
        """Sort the memory that is written by address; refuse overlaps."""
        cdef Py_ssize_t i, j, k = 0
        cdef void *written[4]
        cdef void *p
        for i in range(self.count):
            written[:] = [self.t[i].x.w, self.t[i].x.m, self.t[i].x.v, self.t[i].x.top]
            for j in range(4):
                p = written[j]
                if p != NULL and self.t[i].n > 0:
                    self.spans[k].start = <char *> p
                    self.spans[k].end = <char *> p + n_bytes(self.t[i].n, self.t[i].real)
                    self.spans[k].tensor = i
                    k += 1
            self.seen[i] = NULL
        self.n_spans = k
        i = sort_spans(self.spans, k)
        if i >= 0:
            first, second = sorted((self.spans[i - 1].tensor, self.spans[i].tensor))
            raise ValueError(
                f"{self.labels[second]}: expected memory of its own; got a buffer that "
                f"overlaps {self.labels[first]}"
            )
        return 0

    cdef int _apart(self, const void *data, Py_ssize_t size, object name) except -1:
        """Raise if memory to read overlaps memory that is written."""
        cdef Py_ssize_t k = find_overlap(self.spans, self.n_spans, data, size)
        if k >= 0:
            raise ValueError(
                f"{name}: expected memory of its own; got a buffer that overlaps "
                f"{self.labels[self.spans[k].tensor]} or its state"
            )
        return 0

    cdef int _params_stay(self) except -1:
        """Raise if the memory of a parameter has changed."""
        cdef Py_ssize_t i
        cdef View v
        for i in range(self.count):
            p = self.params[i]
            if cnp.PyArray_Check(p):
                if (
                    cnp.PyArray_DATA(<cnp.ndarray> p) == self.t[i].x.w
                    and cnp.PyArray_SIZE(<cnp.ndarray> p) == self.t[i].n
                    and cnp.PyArray_CHKFLAGS(<cnp.ndarray> p, cnp.NPY_ARRAY_WRITEABLE)
                ):
                    continue
            else:
                self.foreign = True
                # without data_ptr, the buffer is held
                if not hasattr(p, "data_ptr") or <size_t> p.data_ptr() == <size_t> self.t[i].x.w:
                    continue
            _held = view(self.labels[i], p, &v)
            must_write(self.labels[i], &v)
            must_match(self.labels[i], &v, "when the optimizer was made", &self.views[i])
            if v.data != self.views[i].data:
                raise ValueError(
                    f"{self.labels[i]}: expected the memory that it had when the optimizer was "
                    "made; got another: assign to its elements, or make a new optimizer"
                )
        return 0

    cdef inline bint _fits(self, Py_ssize_t i, object g):
        """Return whether g is a plain array of the parameter's shape and type."""
        cdef int k
        if not is_array(g) or cnp.PyArray_NDIM(<cnp.ndarray> g) != self.views[i].ndim:
            return False
        if (cnp.PyArray_TYPE(<cnp.ndarray> g) == cnp.NPY_FLOAT) != (self.t[i].real == FR_FLOAT):
            return False
        for k in range(self.views[i].ndim):
            if cnp.PyArray_DIM(<cnp.ndarray> g, k) != self.views[i].shape[k]:
                return False
        return True

    cdef int _take_gradient(self, Py_ssize_t i, object g, list held) except -1:
        cdef View v
        cdef const void *data
        self.rows[i].index = NULL
        self.t[i].x.g = NULL
        if g is None:
            return 0
        if type(g) is tuple:
            return self._take_rows(i, g, held)
        if self._fits(i, g):
            data = cnp.PyArray_DATA(<cnp.ndarray> g)
            self.owners[i].g = <void *> g
        else:
            self.foreign = True
            name = f"gradient of {self.labels[i]}"
            held.append(view(name, g, &v))
            must_match(name, &v, self.labels[i], &self.views[i])
            data = v.data
            self.owners[i].g = v.array
        if data != self.seen[i]:
            self._apart(data, n_bytes(self.t[i].n, self.t[i].real),
                        f"gradient of {self.labels[i]}")
            self.seen[i] = data
        self.t[i].x.g = data
        return 0

    cdef int _take_rows(self, Py_ssize_t i, tuple g, list held) except -1:
        cdef fr_row_gradient *r = &self.rows[i]
        cdef View *w = &self.views[i]
        cdef View v
        name = f"gradient of {self.labels[i]}"
        self.foreign = True
        if len(g) != 2:
            raise ValueError(f"{name}: expected (row indices, rows); got {len(g)} values")
        if w.ndim < 1:
            raise ValueError(
                f"{name}: expected a number, as {self.labels[i]} has no rows; got rows"
            )
        held.append(take_indices(f"row indices of the {name}", g[0], w.shape[0], r))
        held.append(view(f"rows of the {name}", g[1], &v))
        wanted = (r.n, *shape_of(w)[1:])
        if shape_of(&v) != wanted:
            refuse(f"rows of the {name}", f"shape {shape_of(&v)}", f"shape {wanted}")
        if v.real != w.real:
            refuse(f"rows of the {name}", "float32" if v.real == FR_FLOAT else "float64",
                   f"{'float32' if w.real == FR_FLOAT else 'float64'} as {self.labels[i]}")
        self._apart(v.data, n_bytes(v.n, v.real), f"rows of the {name}")
        r.rows = v.data
        self.owners[i].g = v.array
        return 0

    cdef int _have(self, Py_ssize_t i, int kind, bint amsgrad) except -1:
        """Allocate the state of a tensor if it has none; return 1 if it was allocated."""
        cdef int made = 0
        wanted = (kind != FR_SGD, kind == FR_ADAM, amsgrad)
        state = self.states[i]
        for k in range(3):
            if wanted[k] and state[k] is None:
                state[k] = np.zeros(shape_of(&self.views[i]),
                                    np.float32 if self.t[i].real == FR_FLOAT else np.float64)
                made = 1
        if made:
            self._point(i)
        return made

    cdef int _point(self, Py_ssize_t i) except -1:
        m, v, top = self.states[i]
        self.t[i].x.m = NULL if m is None else cnp.PyArray_DATA(m)
        self.t[i].x.v = NULL if v is None else cnp.PyArray_DATA(v)
        self.t[i].x.top = NULL if top is None else cnp.PyArray_DATA(top)
        self.owners[i].m = NULL if m is None else <void *> m
        self.owners[i].v = NULL if v is None else <void *> v
        self.owners[i].top = NULL if top is None else <void *> top
        self.pins[i] = [None if state is None else pin(state) for state in (m, v, top)]
        return 0

    cdef int _make_lazy(self, Py_ssize_t i) except -1:
        cdef fr_lazy *z = &self.lazy[i]
        if self.scratch[i] is None:
            n = self.views[i].shape[0]
            # a row that has had no gradient has no moments
            last = np.full(n, -1 if self.steps[i] == 0 else 0, np.int64)
            slot = np.full(n, -1, np.intp)
            self.scratch[i] = (last, slot)
            z.n_rows = n
            z.width = self.t[i].n // n if n else 0
            z.last = <int64_t *> cnp.PyArray_DATA(last)
            z.slot = <Py_ssize_t *> cnp.PyArray_DATA(slot)
            z.adam, z.each = self.adam, self.t[i].x.factor != NULL
        check(fr_lazy_reserve(z))
        return 0

    cdef int _all_rows(self, Py_ssize_t i) except -1:
        """Bring all rows of a tensor up to date."""
        cdef int status, threads = threads_for(0, 5.0 * self.t[i].n)
        if self.scratch[i] is not None and self.lazy[i].count:
            self._all_stay()
            with nogil:
                status = fr_catch_up(&self.lazy[i], &self.t[i], NULL, threads)
            check(status)
        return 0

    cdef int _look_for_nonfinite(self, double work, double scale, bint raises,
                                 bint releases) except -1:
        """Return 1 for a step to be skipped, else 0."""
        cdef Py_ssize_t i, n = 0, size, where = -1, place
        cdef int status, threads = threads_for(0, work)
        cdef const void *data = NULL
        self._all_stay()
        if releases:
            with nogil:
                status = fr_first_not_finite(self.t, self.pieces, self.n_pieces, scale,
                                             self.partial, work, threads, &where)
        else:
            status = fr_first_not_finite(self.t, self.pieces, self.n_pieces, scale, self.partial,
                                         work, threads, &where)
        check(status)
        self._all_stay()
        if where >= 0:
            data, n = self.t[where].x.g, self.t[where].n
        for i in range(self.count if where < 0 else where):
            if self.rows[i].index == NULL or self.t[i].n == 0 or self.rows[i].n == 0:
                continue
            size = self.rows[i].n * (self.t[i].n // self.views[i].shape[0])
            if not fr_scaled_finite(self.rows[i].rows, size, self.t[i].real, scale):
                where, data, n = i, self.rows[i].rows, size
                break
        if where < 0:
            return 0
        if not raises:
            return 1
        place = find_not_finite(data, n, self.t[where].real, scale)
        if place < 0:
            raise ValueError(f"gradient of {self.labels[where]}: expected one that stays unchanged "
                             "during a step; got one that changed")
        if self.t[where].real == FR_FLOAT:
            value = (<const float *> data)[place]
        else:
            value = (<const double *> data)[place]
        raise ValueError(
            f"gradient of {self.labels[where]}: expected finite numbers; got {value}"
            + (f" times scale {scale}" if isfinite(value) else "")
            + f" at position {place} of {n}"
        )

    def step(self, list param_groups not None, list grads not None, double scale, int look):
        """Take one step of all tensors that have a gradient; return False if it is skipped.

        `look`: 0 does not check gradients, 1 skips and 2 refuses those with NaN or infinity.
        """
        cdef Py_ssize_t i
        # copy: the caller's list may change while the step reads it
        cdef tuple kept = tuple(grads)
        cdef tuple groups = self.check_groups(param_groups)
        if len(kept) != self.count:
            raise ValueError(f"grads: expected {self.count} gradients, one (or None) for each "
                             f"parameter; got {len(kept)}")
        self._claim("step")
        try:
            return self._step(groups, kept, scale, look)
        finally:
            for i in range(self.count):
                self.t[i].x.g = NULL
                self.rows[i].index = NULL
                self.owners[i].g = NULL
            fr_release(&self.busy)

    cpdef tuple check_groups(self, list param_groups):
        """Return the groups in their order, if they are those of the parameters."""
        return match_groups(param_groups, self.params, self.group, self.n_groups)

    cdef object _step(self, tuple param_groups, tuple grads, double scale, int look):
        cdef Py_ssize_t i, k, n_groups = self.n_groups
        cdef fr_step few[8]
        cdef double few_rates[8]
        cdef int64_t few_at[8]
        cdef fr_step *s = few
        cdef double *rate = few_rates
        cdef int64_t *at = few_at
        cdef fr_tensor *t
        cdef int threads, row_threads, made = 0
        cdef double work = 0.0
        cdef bint sparse = False, releases
        cdef list held = []
        memory = None
        if n_groups > 8:
            memory = np.zeros(n_groups * (sizeof(fr_step) + sizeof(double) + sizeof(int64_t)),
                              np.uint8)
            s = <fr_step *> cnp.PyArray_DATA(memory)
            rate = <double *> &s[n_groups]
            at = <int64_t *> &rate[n_groups]
        memset(s, 0, n_groups * sizeof(fr_step))
        for k in range(n_groups):
            s[k].scale = scale
            at[k] = -1
            set_group(param_groups[k], self.adam, &s[k], &rate[k])
        self._params_stay()
        for i in range(self.count):
            self._take_gradient(i, grads[i], held)
            t = &self.t[i]
            t.step.kind = s[self.group[i]].kind
            work += fr_step_work(t)
            sparse = sparse or self.rows[i].index != NULL or self.scratch[i] is not None
        releases = sparse or work >= min(PINNED * self.count, BRIEF) or not FR_HAS_GIL
        for i in range(self.count if releases else 0):
            pin_all(held, self.owners[i].g)
        if look:
            if not isfinite(scale):
                if look == 2:
                    raise ValueError(f"scale: expected a finite number; got {scale}")
                return False
            if self._look_for_nonfinite(work, scale, look == 2, releases):
                return False
        for i in range(self.count):
            k = self.group[i]
            if self.t[i].x.g != NULL or self.rows[i].index != NULL:
                if (s[k].kind != FR_SGD and self.t[i].x.m == NULL) or (
                    s[k].amsgrad and self.t[i].x.top == NULL
                ):
                    made |= self._have(i, s[k].kind, s[k].amsgrad)
        if made:
            self._lay_out()
        if sparse:
            self._prepare_rows(s)
        for i in range(self.count):
            t = &self.t[i]
            if t.x.g == NULL and self.rows[i].index == NULL:
                continue
            k = self.group[i]
            self.steps[i] += 1
            if s[k].kind == FR_ADAM and self.steps[i] != at[k]:
                at[k] = self.steps[i]
                correct_bias(&s[k], rate[k], at[k])
            t.step = s[k]
            if t.step.kind == FR_MOMENTUM and not self.begun[i]:
                self.begun[i] = True
                t.step.first = 1
                t.step.damp = 1.0
        threads = threads_for(0, work)
        row_threads = get_num_threads() if sparse else 1
        # no Python code runs from here on
        self._all_stay()
        if releases:
            with nogil:
                self._run(work, sparse, threads, row_threads)
        else:
            self._run(work, sparse, threads, row_threads)
        return True

    cdef void _run(self, double work, bint sparse, int threads, int row_threads) noexcept nogil:
        cdef Py_ssize_t i
        fr_step_many(self.t, self.pieces, self.n_pieces, work, threads)
        for i in range(self.count if sparse else 0):
            if self.rows[i].index != NULL:
                fr_step_rows(&self.lazy[i], &self.t[i], &self.rows[i], row_threads)

    cdef int _prepare_rows(self, const fr_step *s) except -1:
        """Prepare a step with gradients of rows, or a dense one for a parameter that had those."""
        cdef Py_ssize_t i
        for i in range(self.count):
            if self.rows[i].index != NULL:
                if self.scratch[i] is not None and not goes_on(&self.lazy[i], &s[self.group[i]]):
                    self._all_rows(i)
                self._make_lazy(i)
                check(fr_rows_reserve(&self.lazy[i], &self.rows[i]))
            elif self.scratch[i] is not None and self.t[i].x.g != NULL:
                self._all_rows(i)
                self.scratch[i][0].fill(0)
        return 0

    def flush(self, which=None, index=None):
        """Apply pending steps to all rows, or to all or some rows of one parameter."""
        self._claim("flush")
        try:
            self._flush(which, index)
        finally:
            fr_release(&self.busy)

    cdef int _flush(self, which, index) except -1:
        cdef Py_ssize_t i
        cdef fr_row_gradient r
        cdef int status, threads = get_num_threads()
        self._params_stay()
        if which is None:
            for i in range(self.count):
                self._all_rows(i)
            return 0
        i = which
        if not 0 <= i < self.count:
            raise IndexError(f"which: expected 0 to {self.count - 1}; got {i}")
        if index is None:
            self._all_rows(i)
        elif self.views[i].ndim < 1:
            raise ValueError(f"rows: expected None, as {self.labels[i]} has no rows; got {index!r}")
        else:
            _kept = take_indices("rows", index, self.views[i].shape[0], &r)
            if self.scratch[i] is not None and self.lazy[i].count:
                self._all_stay()
                with nogil:
                    status = fr_catch_up(&self.lazy[i], &self.t[i], &r, threads)
                check(status)
        return 0

    def get_state(self, Py_ssize_t i):
        """Return (steps, whether momentum has begun, first moment, second moment, its maximum)."""
        if not 0 <= i < self.count:
            raise IndexError(f"expected 0 to {self.count - 1}; got {i}")
        return (self.steps[i], bool(self.begun[i]), *self.states[i])

    def set_states(self, list states not None):
        """Set the states of the first parameters, with arrays of their shapes and types, which are
        kept; change nothing unless all fit."""
        cdef Py_ssize_t i
        cdef int64_t steps
        self._claim("state")
        try:
            kept = []
            for i in range(min(len(states), self.count)):
                done, begun, *arrays = states[i]
                steps = done
                shape, dtype = self.layout(i)
                for a in arrays:
                    if a is not None and not (is_array(a) and a.shape == shape
                                              and a.dtype == dtype and a.flags.writeable):
                        raise ValueError(f"state of {self.labels[i]}: expected writable arrays of "
                                         f"shape {shape} of {dtype}")
                kept.append((steps, bool(begun), arrays))
            if len(kept) < len(states) or any([len(arrays) != 3 for _, _, arrays in kept]):
                raise ValueError(f"states: expected three arrays each, of at most {self.count}")
            for i, (steps, begun, arrays) in enumerate(kept):
                self.states[i] = arrays
                self.steps[i] = steps
                self.begun[i] = begun
                if self.scratch[i] is not None:
                    self.scratch[i][0].fill(0)
                    self.lazy[i].count = self.lazy[i].n_moved = self.lazy[i].n_shared = 0
                self._point(i)
            self._lay_out()
        finally:
            fr_release(&self.busy)

    def layout(self, Py_ssize_t i):
        """Return (shape, dtype) of a parameter."""
        if not 0 <= i < self.count:
            raise IndexError(f"expected 0 to {self.count - 1}; got {i}")
        return shape_of(&self.views[i]), np.dtype(
            np.float32 if self.t[i].real == FR_FLOAT else np.float64
        )
