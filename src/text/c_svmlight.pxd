"""C functions of text in the svmlight format."""

from libc.stdint cimport int64_t, uint64_t


cdef extern from "decimal.h" nogil:
    enum: FR_LEAST_POWER
    enum: FR_MOST_POWER
    void fr_decimal_power(int q, uint64_t high, uint64_t low)
    int fr_decimal(const char *p, const char *end, double *value)


cdef extern from "svmlight.h" nogil:
    enum: FR_LINE_FINE
    enum: FR_LINE_LABEL
    enum: FR_LINE_COLON
    enum: FR_LINE_INDEX
    enum: FR_LINE_LOW
    enum: FR_LINE_HIGH
    enum: FR_LINE_WIDE
    enum: FR_LINE_ORDER
    enum: FR_LINE_VALUE
    enum: FR_LINE_QUERY
    enum: FR_LINE_CHANGED
    enum: FR_LINE_MEMORY

    ctypedef struct fr_tally:
        int64_t rows
        int64_t elements
        int64_t labels
        int64_t queries

    ctypedef struct fr_found:
        int error
        Py_ssize_t where
        Py_ssize_t without_query
        int64_t lowest
        int64_t highest

    ctypedef struct fr_svmlight:
        const char *text
        Py_ssize_t size
        const Py_ssize_t *start
        const fr_tally *before
        int multilabel
        int queries
        int single
        int wide
        int64_t first
        int64_t last
        int64_t shift
        void *data
        void *indices
        void *indptr
        int64_t room
        double *label
        int64_t *label_end
        int64_t *query
        fr_found *found

    void fr_svmlight_cut(const char *text, Py_ssize_t size, Py_ssize_t block, Py_ssize_t *start,
                         Py_ssize_t i0, Py_ssize_t i1)
    int fr_svmlight_count(const char *text, const Py_ssize_t *start, fr_tally *before,
                          int multilabel, Py_ssize_t i0, Py_ssize_t i1, int n_threads)
    int fr_svmlight_read(const fr_svmlight *q, Py_ssize_t i0, Py_ssize_t i1, int n_threads)
    Py_ssize_t fr_next_line(const char *text, Py_ssize_t n, Py_ssize_t start)
    int64_t fr_count_byte(const char *text, Py_ssize_t n, char c)
