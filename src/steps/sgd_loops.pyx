"""Steps of gradient descent, plain and with momentum, in place: inner loops over typed memoryviews.

Compiled once per instruction set, for the table of `kernels.h`. With d the scaled gradient, c the
coupled decay and f its factor per element, b the momentum, mu its coefficient::

    d = scale * g + c * f * w            coupled ("l2"), else scale * g
    b = mu * b + damp * d
    u = d + mu * b  (Nesterov),  b  or without momentum d
    w = w - lr * u                       coupled
    w = (1 - drop * f) * w - lr * u      decoupled and independent
"""

from c_steps cimport FR_BLOCK, fr_buffers, fr_prefetch_ahead, fr_step

ctypedef fused real:
    float
    double


cdef extern from *:
    # a typed memoryview as C has it
    ctypedef struct view "__Pyx_memviewslice":
        char *data
        Py_ssize_t shape[8]


cdef void sgd_l2(real[::1] w, const real[::1] g, const fr_step *s) noexcept nogil:
    cdef real scale = <real> s.scale, lr = <real> s.lr, c = <real> s.couple
    cdef Py_ssize_t i
    for i in range(w.shape[0]):
        # w = w - lr * (scale * g + c * w)
        w[i] -= lr * (scale * g[i] + c * w[i])


cdef void sgd_l2_each(real[::1] w, const real[::1] g, const real[::1] f,
                      const fr_step *s) noexcept nogil:
    cdef real scale = <real> s.scale, lr = <real> s.lr, c = <real> s.couple
    cdef Py_ssize_t i
    for i in range(w.shape[0]):
        # w = w - lr * (scale * g + c * f * w)
        w[i] -= lr * (scale * g[i] + c * f[i] * w[i])


cdef void sgd_decoupled(real[::1] w, const real[::1] g, const fr_step *s) noexcept nogil:
    cdef real scale = <real> s.scale, lr = <real> s.lr, keep = <real> (1.0 - s.drop)
    cdef Py_ssize_t i
    for i in range(w.shape[0]):
        # w = (1 - drop) * w - lr * scale * g
        w[i] = keep * w[i] - lr * (scale * g[i])


cdef void sgd_decoupled_each(real[::1] w, const real[::1] g, const real[::1] f,
                             const fr_step *s) noexcept nogil:
    cdef real scale = <real> s.scale, lr = <real> s.lr, drop = <real> s.drop, one = 1
    cdef Py_ssize_t i
    for i in range(w.shape[0]):
        # w = (1 - drop * f) * w - lr * scale * g
        w[i] = (one - drop * f[i]) * w[i] - lr * (scale * g[i])


cdef void momentum_l2(real[::1] w, const real[::1] g, real[::1] b,
                      const fr_step *s) noexcept nogil:
    cdef real scale = <real> s.scale, lr = <real> s.lr, c = <real> s.couple
    cdef real mu = <real> s.momentum, damp = <real> s.damp, d
    cdef Py_ssize_t i
    if s.nesterov:
        for i in range(w.shape[0]):
            # d = scale * g + c * w,  b = mu * b + damp * d,  w = w - lr * (d + mu * b)
            d = scale * g[i] + c * w[i]
            b[i] = mu * b[i] + damp * d
            w[i] -= lr * (d + mu * b[i])
    else:
        for i in range(w.shape[0]):
            # b = mu * b + damp * (scale * g + c * w),  w = w - lr * b
            b[i] = mu * b[i] + damp * (scale * g[i] + c * w[i])
            w[i] -= lr * b[i]


cdef void momentum_l2_each(real[::1] w, const real[::1] g, real[::1] b, const real[::1] f,
                           const fr_step *s) noexcept nogil:
    cdef real scale = <real> s.scale, lr = <real> s.lr, c = <real> s.couple
    cdef real mu = <real> s.momentum, damp = <real> s.damp, d
    cdef Py_ssize_t i
    if s.nesterov:
        for i in range(w.shape[0]):
            # d = scale * g + c * f * w,  b = mu * b + damp * d,  w = w - lr * (d + mu * b)
            d = scale * g[i] + c * f[i] * w[i]
            b[i] = mu * b[i] + damp * d
            w[i] -= lr * (d + mu * b[i])
    else:
        for i in range(w.shape[0]):
            # b = mu * b + damp * (scale * g + c * f * w),  w = w - lr * b
            b[i] = mu * b[i] + damp * (scale * g[i] + c * f[i] * w[i])
            w[i] -= lr * b[i]


cdef void momentum_decoupled(real[::1] w, const real[::1] g, real[::1] b,
                             const fr_step *s) noexcept nogil:
    cdef real scale = <real> s.scale, lr = <real> s.lr, keep = <real> (1.0 - s.drop)
    cdef real mu = <real> s.momentum, damp = <real> s.damp, d
    cdef Py_ssize_t i
    if s.nesterov:
        for i in range(w.shape[0]):
            # d = scale * g,  b = mu * b + damp * d,  w = (1 - drop) * w - lr * (d + mu * b)
            d = scale * g[i]
            b[i] = mu * b[i] + damp * d
            w[i] = keep * w[i] - lr * (d + mu * b[i])
    else:
        for i in range(w.shape[0]):
            # b = mu * b + damp * scale * g,  w = (1 - drop) * w - lr * b
            b[i] = mu * b[i] + damp * (scale * g[i])
            w[i] = keep * w[i] - lr * b[i]


cdef void momentum_decoupled_each(real[::1] w, const real[::1] g, real[::1] b, const real[::1] f,
                                  const fr_step *s) noexcept nogil:
    cdef real scale = <real> s.scale, lr = <real> s.lr, drop = <real> s.drop, one = 1
    cdef real mu = <real> s.momentum, damp = <real> s.damp, d
    cdef Py_ssize_t i
    if s.nesterov:
        for i in range(w.shape[0]):
            # d = scale * g,  b = mu * b + damp * d,  w = (1 - drop * f) * w - lr * (d + mu * b)
            d = scale * g[i]
            b[i] = mu * b[i] + damp * d
            w[i] = (one - drop * f[i]) * w[i] - lr * (d + mu * b[i])
    else:
        for i in range(w.shape[0]):
            # b = mu * b + damp * scale * g,  w = (1 - drop * f) * w - lr * b
            b[i] = mu * b[i] + damp * (scale * g[i])
            w[i] = (one - drop * f[i]) * w[i] - lr * b[i]


cdef void clear(real[::1] b) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(b.shape[0]):
        b[i] = 0


# Wrap the loops above for views without an owner: a step gets pointers to buffers that its caller
# holds, and must not touch Python objects.
ctypedef void (*on_one)(view) noexcept nogil
ctypedef void (*on_two)(view, view, const fr_step *) noexcept nogil
ctypedef void (*on_three)(view, view, view, const fr_step *) noexcept nogil
ctypedef void (*on_four)(view, view, view, view, const fr_step *) noexcept nogil


cdef inline view lend(const real *data, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """View the n elements from start on."""
    cdef view v
    v.data = <char *> (data + start)
    v.shape[0] = n
    return v


cdef inline void sgd(real *w_, const real *g_, const real *f_, const fr_step *s, Py_ssize_t start,
                     Py_ssize_t n) noexcept nogil:
    cdef view w = lend(w_, start, n), g = lend(g_, start, n), f
    if f_ == NULL or (s.couple == 0.0 and s.drop == 0.0):
        if s.couple != 0.0:
            (<on_two> sgd_l2[real])(w, g, s)
        else:
            (<on_two> sgd_decoupled[real])(w, g, s)
    else:
        f = lend(f_, start, n)
        if s.couple != 0.0:
            (<on_three> sgd_l2_each[real])(w, g, f, s)
        else:
            (<on_three> sgd_decoupled_each[real])(w, g, f, s)


cdef inline void momentum(real *w_, const real *g_, real *b_, const real *f_, const fr_step *s,
                          Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    cdef view w = lend(w_, start, n), g = lend(g_, start, n), b = lend(b_, start, n), f
    if s.first:
        (<on_one> clear[real])(b)
    if f_ == NULL or (s.couple == 0.0 and s.drop == 0.0):
        if s.couple != 0.0:
            (<on_three> momentum_l2[real])(w, g, b, s)
        else:
            (<on_three> momentum_decoupled[real])(w, g, b, s)
    else:
        f = lend(f_, start, n)
        if s.couple != 0.0:
            (<on_four> momentum_l2_each[real])(w, g, b, f, s)
        else:
            (<on_four> momentum_decoupled_each[real])(w, g, b, f, s)


cdef inline void in_blocks(const fr_step *step, const fr_buffers *x, Py_ssize_t start, Py_ssize_t n,
                           const fr_buffers *following, Py_ssize_t following_start, real kind,
                           bint with_momentum) noexcept nogil:
    """Step block by block; `kind` only gives the type of the elements."""
    # a copy, so that the compiler knows that stores to the arrays do not change it
    cdef fr_step numbers = step[0]
    cdef const fr_step *s = &numbers
    cdef real *w = <real *> x.w
    cdef real *b = <real *> x.m
    cdef const real *g = <const real *> x.g
    cdef const real *f = <const real *> x.factor
    cdef Py_ssize_t i = start, left = n, block = FR_BLOCK // sizeof(real)
    while left > 0:
        fr_prefetch_ahead(x, i, left, following, following_start, sizeof(real), 2 + with_momentum)
        # full blocks have a constant size, and are compiled without a remainder loop
        if with_momentum:
            if left >= block:
                momentum(w, g, b, f, s, i, block)
            else:
                momentum(w, g, b, f, s, i, left)
        elif left >= block:
            sgd(w, g, f, s, i, block)
        else:
            sgd(w, g, f, s, i, left)
        i += block
        left -= block


cdef public void fr_sgd_float(const fr_step *s, const fr_buffers *x, Py_ssize_t start, Py_ssize_t n,
                              const fr_buffers *following,
                              Py_ssize_t following_start) noexcept nogil:
    in_blocks(s, x, start, n, following, following_start, <float> 0, False)


cdef public void fr_sgd_double(const fr_step *s, const fr_buffers *x, Py_ssize_t start,
                               Py_ssize_t n, const fr_buffers *following,
                               Py_ssize_t following_start) noexcept nogil:
    in_blocks(s, x, start, n, following, following_start, <double> 0, False)


cdef public void fr_momentum_float(const fr_step *s, const fr_buffers *x, Py_ssize_t start,
                                   Py_ssize_t n, const fr_buffers *following,
                                   Py_ssize_t following_start) noexcept nogil:
    in_blocks(s, x, start, n, following, following_start, <float> 0, True)


cdef public void fr_momentum_double(const fr_step *s, const fr_buffers *x, Py_ssize_t start,
                                    Py_ssize_t n, const fr_buffers *following,
                                    Py_ssize_t following_start) noexcept nogil:
    in_blocks(s, x, start, n, following, following_start, <double> 0, True)
