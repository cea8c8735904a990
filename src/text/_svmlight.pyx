"""Text in the svmlight format: blocks of whole lines are counted, then read into arrays."""

from libc.stdint cimport INT64_MAX, int32_t, int64_t
from libc.stdlib cimport calloc, free

from c_svmlight cimport (
    FR_LEAST_POWER,
    FR_LINE_COLON,
    FR_LINE_FINE,
    FR_LINE_HIGH,
    FR_LINE_INDEX,
    FR_LINE_LABEL,
    FR_LINE_LOW,
    FR_LINE_MEMORY,
    FR_LINE_ORDER,
    FR_LINE_CHANGED,
    FR_LINE_QUERY,
    FR_LINE_VALUE,
    FR_LINE_WIDE,
    FR_MOST_POWER,
    fr_count_byte,
    fr_decimal,
    fr_decimal_power,
    fr_found,
    fr_next_line,
    fr_svmlight,
    fr_svmlight_count,
    fr_svmlight_cut,
    fr_svmlight_read,
    fr_tally,
)
from runtime cimport FR_NO_MEMORY, attach, check, threads_for

ERRORS = {
    FR_LINE_LABEL: "label",
    FR_LINE_COLON: "colon",
    FR_LINE_INDEX: "index",
    FR_LINE_LOW: "low",
    FR_LINE_HIGH: "high",
    FR_LINE_WIDE: "wide",
    FR_LINE_ORDER: "order",
    FR_LINE_VALUE: "value",
    FR_LINE_QUERY: "query",
    FR_LINE_CHANGED: "changed",
}

ctypedef fused real:
    float
    double

ctypedef fused whole:
    int32_t
    int64_t


cdef int _set_powers() except -1:
    """Set the 128 leading bits of powers of five, for correct rounding of decimal numbers."""
    cdef object q, power, bits
    for q in range(FR_LEAST_POWER, FR_MOST_POWER + 1):
        if q >= 0:
            power = 5 ** q << 128
        else:
            power = 5 ** -q
            bits = power.bit_length()
            power = (1 << (bits + 127 if q >= -27 else 2 * bits + 128)) // power + 1
        bits = power.bit_length() - 128
        power = power >> bits if bits > 0 else power << -bits
        fr_decimal_power(q, power >> 64, power & 0xffffffffffffffff)
    return 0


attach()
_set_powers()


def number(const unsigned char[::1] text not None):
    """Return the double nearest to a decimal number, as float(text); None if it is not a number."""
    cdef const char *p = <const char *> &text[0] if text.shape[0] else NULL
    cdef double value
    cdef int found
    with nogil:
        found = fr_decimal(p, p + text.shape[0], &value)
    return value if found else None


def next_line(const unsigned char[::1] text not None, Py_ssize_t start):
    """Return the offset of the first line that begins after byte `start`, or the text's length."""
    cdef Py_ssize_t n = text.shape[0]
    if start < 0:
        raise ValueError(f"start: expected 0 or more; got {start}")
    if start >= n:
        return n
    with nogil:
        start = fr_next_line(<const char *> &text[0], n, start)
    return start


def count_lines(const unsigned char[::1] text not None):
    """Return the number of line ends."""
    cdef Py_ssize_t n = text.shape[0]
    cdef int64_t found = 0
    if n:
        with nogil:
            found = fr_count_byte(<const char *> &text[0], n, b"\n")
    return found


def locate(const unsigned char[::1] text not None, Py_ssize_t where):
    """Return line and column, counted from 1, of a byte of the text."""
    cdef Py_ssize_t start = where
    cdef int64_t line = 1
    if not 0 <= where <= text.shape[0]:
        raise ValueError(f"where: expected 0 to {text.shape[0]}; got {where}")
    if where:
        with nogil:
            line += fr_count_byte(<const char *> &text[0], where, b"\n")
            while start > 0 and text[start - 1] != b"\n":
                start -= 1
    return line, where - start + 1


cdef int _expect_blocks(const Py_ssize_t[::1] start, const int64_t[:, ::1] before, Py_ssize_t i0,
                        Py_ssize_t i1) except -1:
    cdef Py_ssize_t n = start.shape[0] - 1
    if before.shape[0] != n + 1 or before.shape[1] != 4:
        raise ValueError(
            f"before: expected shape ({n + 1}, 4); got ({before.shape[0]}, {before.shape[1]})"
        )
    if not 0 <= i0 < i1 <= n:
        raise ValueError(f"i0 and i1: expected 0 <= i0 < i1 <= {n}; got {i0} and {i1}")
    return 0


cdef int _expect_room(str name, Py_ssize_t size, int64_t needed) except -1:
    if size < needed:
        raise ValueError(f"{name}: expected {needed} elements at least; got {size}")
    return 0


def count(const unsigned char[::1] text not None, Py_ssize_t block, Py_ssize_t[::1] start not None,
          int64_t[:, ::1] before not None, bint multilabel, Py_ssize_t i0, Py_ssize_t i1,
          int n_threads=0):
    """Find the starts of lines in blocks i0 .. i1 - 1, of `block` bytes each, and count them.

    start (n_blocks + 1,): offsets of the blocks' first lines. before (n_blocks + 1, 4): rows,
    elements, labels (where `multilabel`) and queries in all blocks before. Entries
    i0 + 1 .. i1 of both are set, from those of i0.
    """
    cdef Py_ssize_t size = text.shape[0]
    cdef int status, threads
    if block < 1 or size == 0:
        raise ValueError(f"block and text: expected 1 byte at least; got {block} and {size}")
    _expect_blocks(start, before, i0, i1)
    if not 0 <= start[i0] <= size:
        raise ValueError(f"start: expected 0 to {size}; got {start[i0]}")
    threads = threads_for(n_threads, (i1 - i0) * <double> block)
    with nogil:
        fr_svmlight_cut(<const char *> &text[0], size, block, &start[0], i0, i1)
        status = fr_svmlight_count(<const char *> &text[0], &start[0], <fr_tally *> &before[0, 0],
                                   multilabel, i0, i1, threads)
    check(status)


def read(const unsigned char[::1] text not None, const Py_ssize_t[::1] start not None,
         const int64_t[:, ::1] before not None, Py_ssize_t i0, Py_ssize_t i1, int64_t first,
         int64_t last, int64_t shift, real[::1] data not None, whole[::1] indices not None,
         whole[::1] indptr not None, double[::1] label not None, int64_t[::1] label_end=None,
         int64_t[::1] query=None, int n_threads=0):
    """Read blocks i0 .. i1 - 1 into arrays, at the places that `count` found.

    Indices first .. last, as written, are allowed, and shift is subtracted from them. data and
    indices may be shorter than counted if a line has an error before they are full. indptr and
    label_end (n + 1,) are set after each row. label_end is for lists of labels; without it, label
    is (n,). query (n,): queries, or None to skip them.

    Return the first error (a value of `ERRORS`, or None) and its offset; the lowest and the
    highest index as written, None and -1 if there is none; and the offset of the first row
    without a query, or -1.
    """
    cdef Py_ssize_t i, size = text.shape[0], n_blocks = start.shape[0] - 1
    cdef int64_t lowest = INT64_MAX, highest = -1
    cdef Py_ssize_t without_query = -1
    cdef int status, threads
    cdef fr_svmlight q
    _expect_blocks(start, before, i0, i1)
    for i in range(i0, i1 + 1):
        if not 0 <= start[i] <= size or (i > i0 and start[i] < start[i - 1]):
            raise ValueError(f"start: expected offsets that ascend, 0 to {size}")
        if before[i, 0] < 0 or before[i, 1] < 0 or before[i, 2] < 0 or before[i, 3] < 0:
            raise ValueError("before: expected no negative number")
    if not 0 <= first <= 1 or not 0 <= shift <= 1:
        raise ValueError(f"first and shift: expected 0 or 1; got {first} and {shift}")
    if size == 0:
        raise ValueError("text: expected 1 byte at least")
    _expect_room("indptr", indptr.shape[0], before[i1, 0] + 1)
    if label_end is None:
        _expect_room("label", label.shape[0], before[i1, 0])
    else:
        _expect_room("label", label.shape[0], before[i1, 2])
        _expect_room("label_end", label_end.shape[0], before[i1, 0] + 1)
    if query is not None:
        _expect_room("query", query.shape[0], before[i1, 3])

    q.text, q.size = <const char *> &text[0], size
    q.start, q.before = &start[0], <const fr_tally *> &before[0, 0]
    q.multilabel, q.queries = label_end is not None, query is not None
    q.single, q.wide = real is float, whole is int64_t
    q.first, q.last, q.shift = first, last, shift
    q.data = &data[0] if data.shape[0] else NULL
    q.indices = &indices[0] if indices.shape[0] else NULL
    q.indptr = &indptr[0] + 1
    q.room = min(data.shape[0], indices.shape[0])
    q.label = &label[0] if label.shape[0] else NULL
    q.label_end = NULL if label_end is None else &label_end[0] + 1
    q.query = NULL if query is None or query.shape[0] == 0 else &query[0]
    cdef fr_found *found = <fr_found *> calloc(n_blocks, sizeof(fr_found))
    if found == NULL:
        raise MemoryError("not enough memory for the working arrays")
    q.found = found
    threads = threads_for(n_threads, start[i1] - start[i0])
    try:
        with nogil:
            status = fr_svmlight_read(&q, i0, i1, threads)
        check(status)
        for i in range(i0, i1):
            if found[i].error == FR_LINE_MEMORY:
                check(FR_NO_MEMORY)
            if found[i].error != FR_LINE_FINE:
                return ERRORS[found[i].error], found[i].where, None, -1, -1
            lowest = min(lowest, found[i].lowest)
            highest = max(highest, found[i].highest)
            if without_query < 0:
                without_query = found[i].without_query
    finally:
        free(found)
    return None, -1, lowest if highest >= 0 else None, highest, without_query
