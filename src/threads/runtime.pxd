"""The runtime shared by extension modules: `attach()` at import, then statuses and threads."""

from cpython.pycapsule cimport PyCapsule_GetPointer

from primitives cimport fr_kernels


cdef extern from "runtime.h" nogil:
    ctypedef struct fr_runtime:
        pass
    void fr_attach(const fr_runtime *runtime)
    int fr_num_threads() except -1
    int fr_ended()


cdef extern from "parallel.h" nogil:
    enum: FR_INTERRUPTED
    enum: FR_NO_MEMORY
    double FR_CACHED
    double fr_get_serial_below()
    int fr_poll()


cdef extern from "kernels.h" nogil:
    const fr_kernels *fr_active()
    int fr_has_single()


cdef extern from *:
    """
    #if defined(_WIN32)
    /* not windows.h, which defines `near` and `far` */
    __declspec(dllimport) void __stdcall Sleep(unsigned long);
    #define fr_rest() Sleep(1000)
    #else
    #include <unistd.h>
    #define fr_rest() sleep(1)
    #endif
    """
    void fr_rest() nogil


cdef inline void before_gil() noexcept nogil:
    """Call before a kernel asks for the GIL: a daemon thread ends with the process instead, where
    the interpreter has ended."""
    while fr_ended():
        fr_rest()


cdef inline int attach() except -1:
    """Connect to the kernels and threads of `fastridge._runtime`."""
    from fastridge._runtime import shared

    fr_attach(<const fr_runtime *> PyCapsule_GetPointer(shared, "fastridge._runtime.shared"))
    return 0


cdef inline int check(int status) except -1:
    """Turn a status of the C functions into an exception; one is set already after Ctrl-C."""
    if status == FR_INTERRUPTED:
        return -1
    if status == FR_NO_MEMORY:
        raise MemoryError("not enough memory for the working arrays")
    return status


cdef inline int threads(int n) except -1:
    """Return n, or the user's number of threads for n <= 0."""
    return n if n > 0 else fr_num_threads()


cdef inline int threads_for(int n, double work) except -1:
    """Return 1 for small work, without asking for the user's setting; else `threads(n)`."""
    if work < fr_get_serial_below():
        return 1
    return n if n > 0 else fr_num_threads()
