"""Kernels in use, threads and interrupts: the state that all extension modules share."""

import os
import threading

from cpython.pycapsule cimport PyCapsule_New

from primitives cimport fr_kernels


cdef extern from *:
    """
    #if PY_VERSION_HEX >= 0x030D0000
    #define fr_finalizing Py_IsFinalizing
    #else
    #define fr_finalizing _Py_IsFinalizing
    #endif
    """
    int fr_finalizing() nogil


cdef extern from "Python.h":
    int PyErr_CheckSignals()
    unsigned long PyThread_get_thread_ident() nogil


cdef extern from "kernels.h" nogil:
    const fr_kernels *fr_active()
    int fr_isa_count()
    const char *fr_isa_name(int i)
    int fr_isa_usable(int i)
    int fr_isa_select(const char *name)
    int fr_has_single()


cdef extern from "parallel.h" nogil:
    ctypedef void (*fr_task)(void *context, Py_ssize_t i) noexcept
    int fr_parallel(fr_task task, void *context, Py_ssize_t n_tasks, int n_threads)
    int fr_poll()
    void fr_parallel_setup(int (*check_interrupt)() noexcept)
    void fr_set_serial_below(double work)
    double fr_get_serial_below()
    int fr_after_fork()


cdef extern from "pool.h" nogil:
    int fr_pool_exists()
    void fr_pool_run(fr_task task, void *context, Py_ssize_t i0, Py_ssize_t i1, int n_threads)


cdef extern from "runtime.h" nogil:
    ctypedef struct fr_runtime:
        const fr_kernels *(*active)()
        int (*parallel)(fr_task, void *, Py_ssize_t, int)
        int (*poll)()
        double (*serial_below)()
        int (*after_fork)()
        void (*pool_run)(fr_task, void *, Py_ssize_t, Py_ssize_t, int)
        int (*num_threads)() except -1
        int (*ended)()


# the thread that runs handlers of signals
cdef unsigned long _main = 0


cdef int _handle_signals() noexcept with gil:
    return PyErr_CheckSignals()


cdef int _interrupted() noexcept nogil:
    # other threads run no handlers, and must not ask for the GIL once the interpreter has ended
    return _handle_signals() if PyThread_get_thread_ident() == _main else 0


cdef int _ended() noexcept nogil:
    # the thread that ends the interpreter still runs finalizers, which may fit models
    return fr_finalizing() and PyThread_get_thread_ident() != _main


def _become_main():
    """Let this thread check for signals, as the one of a forked child."""
    global _main
    _main = PyThread_get_thread_ident()


cdef object _threads_of = None


cdef int _num_threads() except -1 with gil:
    return 1 if _threads_of is None else _threads_of()


def instruction_sets():
    """Return the names of instruction sets in this build that the CPU supports, narrowest first."""
    return tuple(fr_isa_name(i).decode() for i in range(fr_isa_count()) if fr_isa_usable(i))


def get_instruction_set():
    """Return the name of the instruction set in use."""
    return fr_active().name.decode()


def set_instruction_set(str name not None):
    """Use the kernels of one instruction set, for the whole process."""
    if fr_isa_select(name.encode()):
        raise ValueError(
            f"instruction set must be one of {', '.join(instruction_sets())} on this machine; "
            f"got {name!r}"
        )


def has_single():
    """Return whether the instruction set in use has products of float32."""
    return bool(fr_has_single())


def has_threads():
    """Return whether the kernels were built with threads."""
    return bool(fr_pool_exists())


def after_fork():
    """Return whether this process is a forked child, where kernels use one thread."""
    return bool(fr_after_fork())


def get_serial_below():
    """Return the work, in elements read, below which a kernel uses one thread."""
    return fr_get_serial_below()


def set_serial_below(double work):
    """Set the work, in elements read, below which a kernel uses one thread."""
    fr_set_serial_below(work)


def _use_thread_count(function):
    """Use `function` for the number of threads where a call does not specify one."""
    global _threads_of
    _threads_of = function


cdef fr_runtime _runtime = fr_runtime(
    fr_active, fr_parallel, fr_poll, fr_get_serial_below, fr_after_fork, fr_pool_run, _num_threads,
    _ended,
)


def _start():
    global _main
    wanted = os.environ.get("FASTRIDGE_ISA")
    _main = threading.main_thread().ident
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_become_main)
    fr_parallel_setup(_interrupted)
    fr_isa_select(NULL)
    if wanted:
        try:
            set_instruction_set(wanted)
        except ValueError as error:
            raise ImportError(f"FASTRIDGE_ISA: {error}") from None


_start()
shared = PyCapsule_New(<void *> &_runtime, "fastridge._runtime.shared", NULL)
