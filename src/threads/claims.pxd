"""A flag that one thread at a time can set, with or without the GIL."""


cdef extern from "claim.h" nogil:
    ctypedef int fr_flag
    int fr_claim(fr_flag *flag)
    void fr_release(fr_flag *flag)
