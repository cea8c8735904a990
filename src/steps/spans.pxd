"""Written memory, sorted by address, to find overlaps."""

from libc.stdlib cimport qsort


# ndarrays whose memory is used, kept alive by Stepper or a step; NULL for other exporters
cdef struct Owners:
    void *w
    void *m
    void *v
    void *top
    void *factor
    void *g  # or the rows of a gradient


cdef struct Span:
    char *start
    char *end
    Py_ssize_t tensor


cdef inline int by_start(const void *a, const void *b) noexcept nogil:
    cdef const char *p = (<const Span *> a).start
    cdef const char *q = (<const Span *> b).start
    return (p > q) - (p < q)


cdef inline Py_ssize_t sort_spans(Span *spans, Py_ssize_t n) noexcept nogil:
    """Sort the spans; return the first that overlaps the one before it, or -1."""
    cdef Py_ssize_t i
    qsort(spans, n, sizeof(Span), by_start)
    for i in range(1, n):
        if spans[i].start < spans[i - 1].end:
            return i
    return -1


cdef inline Py_ssize_t find_overlap(const Span *spans, Py_ssize_t n, const void *data,
                                    Py_ssize_t size) noexcept nogil:
    """Return the index of a sorted span that overlaps `size` bytes from `data` on, or -1."""
    cdef Py_ssize_t low = 0, high = n, middle
    cdef const char *start = <const char *> data
    while low < high:
        middle = (low + high) // 2
        if spans[middle].end <= start:
            low = middle + 1
        else:
            high = middle
    return low if low < n and size > 0 and spans[low].start < start + size else -1
