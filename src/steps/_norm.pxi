# Part of _optim.pyx: sums over many gradients.


def square_sum(list arrays not None, list names not None):
    """Sum of squares of all elements, in float64, the same for any number of threads."""
    cdef Py_ssize_t i, count = len(arrays), n_pieces
    cdef fr_tensor *t = <fr_tensor *> calloc(count + 1, sizeof(fr_tensor))
    cdef fr_piece *pieces = NULL
    cdef double *partial = NULL
    cdef double work = 0.0, total = 0.0
    cdef int threads, status
    cdef View v
    cdef void **seen = <void **> calloc(count + 1, sizeof(void *))
    held = []
    try:
        if t == NULL or seen == NULL:
            raise MemoryError
        for i in range(count):
            held.append(_view(names[i], arrays[i], &v))
            t[i].x.g, t[i].n, t[i].real = v.data, v.n, v.real
            seen[i] = v.array
            work += v.n
        n_pieces = C.piece_count(t, count)
        pieces = <fr_piece *> calloc(n_pieces + 1, sizeof(fr_piece))
        partial = <double *> calloc(n_pieces + 1, sizeof(double))
        if pieces == NULL or partial == NULL:
            raise MemoryError
        C.cut(t, count, pieces)
        threads = _threads_for(0, work)
        for i in range(count):
            if _moved(seen[i], t[i].x.g, t[i].n, t[i].real):
                _refuse_moved(names[i])
        with nogil:
            status = C.square_sum(t, pieces, n_pieces, partial, work, threads, &total)
        _done(status)
    finally:
        free(t)
        free(seen)
        free(pieces)
        free(partial)
    return total
