# Part of _matrix.pyx: the kernels in use are one state of one module.

cdef extern from "Python.h":
    int PyErr_CheckSignals()


cdef int _interrupted() noexcept with gil:
    return PyErr_CheckSignals()


cdef int _done(int status) except -1:
    """Turn a status of the C functions into an exception; one is set already after Ctrl-C."""
    if status == FR_INTERRUPTED:
        return -1
    if status == FR_NO_MEMORY:
        raise MemoryError("not enough memory for the working arrays of a matrix operation")
    return status


def instruction_sets():
    """Names of the instruction sets that this build holds and this CPU runs, narrowest first."""
    return tuple(fr_isa_name(i).decode() for i in range(fr_isa_count()) if fr_isa_usable(i))


def get_instruction_set():
    """Name of the instruction set in use."""
    return fr_active().name.decode()


def set_instruction_set(str name not None):
    """Use the kernels of one instruction set, for the whole process."""
    if fr_isa_select(name.encode()):
        raise ValueError(
            f"instruction set must be one of {', '.join(instruction_sets())} on this machine; "
            f"got {name!r}"
        )


def has_single():
    """Whether the instruction set in use has products of float32."""
    return bool(fr_has_single())


def has_threads():
    """Whether the kernels were built with threads."""
    return bool(fr_pool_exists())


def after_fork():
    """Whether this process is a forked child, where kernels keep to one thread."""
    return bool(fr_after_fork())


def get_serial_below():
    """Work, in elements read from memory, below which a kernel keeps to one thread."""
    return fr_get_serial_below()


def set_serial_below(double work):
    """Set the work, in elements read, below which a kernel keeps to one thread."""
    fr_set_serial_below(work)


def _start():
    wanted = os.environ.get("FASTRIDGE_ISA")
    fr_parallel_setup(_interrupted)
    fr_isa_select(NULL)
    if wanted:
        try:
            set_instruction_set(wanted)
        except ValueError as error:
            raise ImportError(f"FASTRIDGE_ISA: {error}") from None


_start()

cdef object _threads_of = None


def _use_thread_count(function):
    """Ask `function` for the number of threads where a call does not name one."""
    global _threads_of
    _threads_of = function


cdef int _threads(int n) except -1:
    if n > 0:
        return n
    return 1 if _threads_of is None else _threads_of()


cdef int _threads_for(int n, double work) except -1:
    """Small work is done before anybody could be asked for the number of threads."""
    return 1 if work < fr_get_serial_below() else _threads(n)


cdef const fr_kernels *active_kernels() noexcept nogil:
    return fr_active()


cdef int poll() noexcept nogil:
    return fr_poll()


cdef int threads_for(int n, double work) except -1:
    return _threads_for(n, work)


cdef int raise_status(int status) except -1:
    return _done(status)


cdef int factor_from(double *u, Py_ssize_t ld, Py_ssize_t p, Py_ssize_t kept, Py_ssize_t fresh,
                     const double *diagonal, double keep, bint drop,
                     int n_threads) noexcept nogil:
    return fr_cholesky_from(u, ld, p, kept, fresh, diagonal, keep, drop, n_threads)


cdef int factor_remove(double *u, Py_ssize_t ld, Py_ssize_t p, const unsigned char *gone,
                       Py_ssize_t k) noexcept nogil:
    return fr_cholesky_remove(u, ld, p, gone, k)


cdef int factor_solve(const double *u, Py_ssize_t ld, Py_ssize_t p, double *b, Py_ssize_t k,
                      int n_threads) noexcept nogil:
    return fr_cholesky_solve_in(u, ld, p, b, k, n_threads)
