"""Optimizer steps of one tensor, in place, on buffers that the caller owns; sums over many."""

cimport numpy as cnp
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from c_steps cimport (
    FR_MOMENTUM, FR_SGD, fr_cut, fr_piece, fr_piece_count, fr_square_sum, fr_step_one,
    fr_step_work, fr_tensor
)
from fastridge._arguments cimport (
    View, as_flag, as_non_negative, as_number, as_step, correct_bias, must_match, must_write,
    overlap, refuse_moved, set_adam, set_decay, set_momentum, view, was_moved
)
from pins cimport FR_HAS_GIL, pin_all
from runtime cimport attach, check, threads_for

# the buffers' inline functions use NumPy's API
cnp.import_array()
attach()

# work of some microseconds, below which releasing the GIL does not pay
cdef double SHORT = 1 << 15


cdef struct Arrays:
    View[6] views
    void *names[6]  # str, which the module holds
    int count


cdef object _take(Arrays *a, str name, object array, bint writes):
    """Take the next array of a call, checked by itself, against w, and for overlaps."""
    cdef View *v = &a.views[a.count]
    cdef int i
    held = view(name, array, v)
    if writes:
        must_write(name, v)
    if a.count:
        must_match(name, v, "w", &a.views[0])
    v.writable = writes
    a.names[a.count] = <void *> name
    for i in range(a.count):
        if (writes or a.views[i].writable) and overlap(v, &a.views[i]):
            raise ValueError(
                f"{name}: expected memory of its own; got a buffer that overlaps "
                f"{<object> a.names[i]}"
            )
    a.count += 1
    return held


cdef int _run(fr_tensor *t, const Arrays *a, object scale, object maximize,
              object n_threads) except -1:
    cdef int i, threads = 0
    t.step.scale = as_number("scale", scale)
    if as_flag("maximize", maximize):
        t.step.scale = -t.step.scale
    t.step.first = t.step.first and t.step.kind == FR_MOMENTUM
    t.n, t.real = a.views[0].n, a.views[0].real
    if n_threads is not None:
        if isinstance(n_threads, bool) or not hasattr(n_threads, "__index__"):
            raise TypeError(f"n_threads: expected an integer or None; got {n_threads!r}")
        count = n_threads.__index__()
        threads = min(max(count, 0), 1 << 16)
        if threads < 1:
            raise ValueError(f"n_threads: expected at least 1; got {n_threads!r}")
    threads = threads_for(threads, fr_step_work(t))
    cdef list pins = []
    for i in range(a.count if fr_step_work(t) >= SHORT or not FR_HAS_GIL else 0):
        pin_all(pins, a.views[i].array)
    # the numbers above may be objects that run code
    for i in range(a.count):
        if was_moved(a.views[i].array, a.views[i].data, a.views[i].n, a.views[i].real):
            refuse_moved(<str> a.names[i])
    if fr_step_work(t) < SHORT:
        fr_step_one(t, 1)
    else:
        with nogil:
            fr_step_one(t, threads)
    return 0


def sgd_step(w, g, *, lr, weight_decay=0.0, decay_mode="l2", lr0=None, scale=1.0, maximize=False,
             penalty_factor=None, n_threads=None):
    """Take one step of gradient descent, in place.

    With ``d = scale * g`` (``-scale * g`` for `maximize`) and ``c = weight_decay`` (times
    `penalty_factor`, element by element):

    ================= ============================================
    `decay_mode`      the step
    ================= ============================================
    ``"l2"``          ``w -= lr * (d + c * w)``
    ``"decoupled"``   ``w = (1 - lr * c) * w - lr * d``
    ``"independent"`` ``w = (1 - lr / lr0 * c) * w - lr * d``
    ================= ============================================

    The first two differ only by round-off. ``"l2"`` adds ``c / 2 * |w|^2`` to the objective; the
    textbook's ``lambda * |w|^2``, with factor ``1 - 2 * lr * lambda``, has ``c = 2 * lambda``
    (`fastridge.penalty`).

    Parameters
    ----------
    w : array of float32 or float64
        Parameters, changed in place. Any C-contiguous writable buffer: NumPy arrays, memory maps,
        ``array.array``, CPU tensors of DLPack exporters such as torch.
    g : array
        Gradient: shape and dtype of `w`, without overlapping memory.
    lr : float
        Learning rate, at least 0.
    weight_decay : float, default=0.0
        Strength of the decay, at least 0.
    decay_mode : {"l2", "decoupled", "independent"}, default="l2"
        Kind of the decay; see above.
    lr0 : float or None, default=None
        Base learning rate, for independent decay; None: `lr`.
    scale : float, default=1.0
        Factor of the gradient: a clipping factor, or one over a loss scale.
    maximize : bool, default=False
        Go up the gradient.
    penalty_factor : array or None, default=None
        Factor of the decay of each element: shape and dtype of `w`.
    n_threads : int or None, default=None
        Number of threads; None: `fastridge.get_num_threads()`. Results do not depend on it.

    Raises
    ------
    ValueError, TypeError
        For an array that cannot be used in place, for arrays that overlap, and for numbers out of
        range; nothing is written then.

    Notes
    -----
    A step is one pass over memory without allocations. It releases the GIL, unless it takes only
    some microseconds. A started step is finished before Ctrl-C is handled. Arithmetic is in the
    dtype of `w`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.kernels import sgd_step
    >>> w = np.array([1.0, 2.0])
    >>> sgd_step(w, np.array([0.5, 0.5]), lr=0.1, weight_decay=1.0)
    >>> w
    array([0.85, 1.75])
    """
    cdef Arrays a
    cdef fr_tensor t
    cdef double rate = as_non_negative("lr", lr)
    memset(&t, 0, sizeof(t))
    t.step.kind = FR_SGD
    t.step.lr = rate
    set_decay(&t.step, rate, weight_decay, decay_mode, lr0, "lr0")
    a.count = 0
    _held_w = _take(&a, "w", w, True)
    _held_g = _take(&a, "g", g, False)
    _held_f = None
    if penalty_factor is not None:
        _held_f = _take(&a, "penalty_factor", penalty_factor, False)
        t.x.factor = a.views[2].data
    t.x.w, t.x.g = a.views[0].data, a.views[1].data
    _run(&t, &a, scale, maximize, n_threads)


def sgd_momentum_step(w, g, b, *, lr, momentum, dampening=0.0, nesterov=False, first=False,
                      weight_decay=0.0, decay_mode="l2", lr0=None, scale=1.0, maximize=False,
                      penalty_factor=None, n_threads=None):
    """Take one step of gradient descent with momentum, in place.

    With ``d`` and the decay ``c`` as in `sgd_step`, and ``d += c * w`` for ``"l2"``::

        b = momentum * b + (1 - dampening) * d     (first: b = d)
        u = d + momentum * b  if nesterov else  b
        w = w - lr * u                             "l2"
        w = (1 - lr * c) * w - lr * u              "decoupled"
        w = (1 - lr / lr0 * c) * w - lr * u        "independent"

    Parameters
    ----------
    w, g : array of float32 or float64
        Parameters, changed in place, and their gradient, as in `sgd_step`.
    b : array
        Momentum, changed in place: shape and dtype of `w`.
    lr : float
        Learning rate, at least 0.
    momentum : float
        At least 0.
    dampening : float, default=0.0
        See above.
    nesterov : bool, default=False
        Nesterov's momentum; needs a positive `momentum` and no dampening.
    first : bool, default=False
        Whether this is the first step: `b` is then overwritten without being read.
    weight_decay, decay_mode, lr0, scale, maximize, penalty_factor, n_threads
        As in `sgd_step`.

    Raises
    ------
    ValueError, TypeError
        As in `sgd_step`.

    References
    ----------
    I. Sutskever, J. Martens, G. Dahl, G. Hinton, On the importance of initialization and momentum
    in deep learning, ICML 2013; the order of the operations is torch's.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.kernels import sgd_momentum_step
    >>> w, b = np.ones(2), np.empty(2)
    >>> sgd_momentum_step(w, np.array([1.0, 2.0]), b, lr=0.1, momentum=0.9, first=True)
    >>> w, b
    (array([0.9, 0.8]), array([1., 2.]))
    """
    cdef Arrays a
    cdef fr_tensor t
    cdef double rate = as_non_negative("lr", lr)
    memset(&t, 0, sizeof(t))
    set_momentum(&t.step, momentum, dampening, nesterov)
    t.step.lr = rate
    t.step.first = as_flag("first", first)
    if t.step.first:
        t.step.damp = 1.0
    set_decay(&t.step, rate, weight_decay, decay_mode, lr0, "lr0")
    a.count = 0
    _held_w = _take(&a, "w", w, True)
    _held_g = _take(&a, "g", g, False)
    _held_b = _take(&a, "b", b, True)
    _held_f = None
    if penalty_factor is not None:
        _held_f = _take(&a, "penalty_factor", penalty_factor, False)
        t.x.factor = a.views[3].data
    t.x.w, t.x.g, t.x.m = a.views[0].data, a.views[1].data, a.views[2].data
    _run(&t, &a, scale, maximize, n_threads)


def adam_step(w, g, m, v, *, lr, t, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0,
              decay_mode="l2", lr0=None, v_max=None, scale=1.0, maximize=False,
              penalty_factor=None, n_threads=None):
    """Take one step of Adam, or with ``decay_mode="decoupled"`` of AdamW, in place.

    With ``d`` and the decay ``c`` as in `sgd_step`, and ``d += c * w`` for ``"l2"``::

        m = beta1 * m + (1 - beta1) * d
        v = beta2 * v + (1 - beta2) * d^2
        u = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
        w = w - lr * u                             "l2": Adam
        w = (1 - lr * c) * w - lr * u              "decoupled": AdamW
        w = (1 - lr / lr0 * c) * w - lr * u        "independent"

    Here the modes differ: with ``"l2"`` the decay is divided by the root of `v`, too.

    Parameters
    ----------
    w, g : array of float32 or float64
        Parameters, changed in place, and their gradient, as in `sgd_step`.
    m, v : array
        First and second moment, changed in place, zero before the first step: shape and dtype of
        `w`.
    lr : float
        Learning rate, at least 0.
    t : int
        Number of this step, from 1.
    beta1, beta2 : float, default=0.9, 0.999
        At least 0 and below 1.
    eps : float, default=1e-8
        At least 0.
    weight_decay, decay_mode, lr0, scale, maximize, penalty_factor, n_threads
        As in `sgd_step`.
    v_max : array or None, default=None
        Largest `v` so far, changed in place, zero before the first step: AMSGrad divides by its
        root.

    Raises
    ------
    ValueError, TypeError
        As in `sgd_step`.

    Notes
    -----
    With AVX-512, roots and quotients of float32 are within 1 ulp instead of 1/2.

    References
    ----------
    D. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015.
    I. Loshchilov, F. Hutter, Decoupled weight decay regularization, ICLR 2019.
    S. Reddi, S. Kale, S. Kumar, On the convergence of Adam and beyond, ICLR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.kernels import adam_step
    >>> w, m, v = np.ones(2), np.zeros(2), np.zeros(2)
    >>> adam_step(w, np.array([0.5, -3.0]), m, v, lr=0.1, t=1)
    >>> w.round(6)
    array([0.9, 1.1])
    """
    cdef Arrays a
    cdef fr_tensor x
    cdef double rate = as_non_negative("lr", lr)
    cdef int64_t number = as_step("t", t)
    memset(&x, 0, sizeof(x))
    set_adam(&x.step, beta1, beta2, eps)
    set_decay(&x.step, rate, weight_decay, decay_mode, lr0, "lr0")
    correct_bias(&x.step, rate, number)
    a.count = 0
    _held_w = _take(&a, "w", w, True)
    _held_g = _take(&a, "g", g, False)
    _held_m = _take(&a, "m", m, True)
    _held_v = _take(&a, "v", v, True)
    _held_t = _held_f = None
    if v_max is not None:
        _held_t = _take(&a, "v_max", v_max, True)
        x.x.top = a.views[4].data
        x.step.amsgrad = 1
    if penalty_factor is not None:
        _held_f = _take(&a, "penalty_factor", penalty_factor, False)
        x.x.factor = a.views[a.count - 1].data
    x.x.w, x.x.g = a.views[0].data, a.views[1].data
    x.x.m, x.x.v = a.views[2].data, a.views[3].data
    _run(&x, &a, scale, maximize, n_threads)


def square_sum(list arrays not None, list names not None):
    """Return the sum of squares of all elements, in float64, the same for any number of threads."""
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
            held.append(view(names[i], arrays[i], &v))
            t[i].x.g, t[i].n, t[i].real = v.data, v.n, v.real
            seen[i] = v.array
            work += v.n
        n_pieces = fr_piece_count(t, count)
        pieces = <fr_piece *> calloc(n_pieces + 1, sizeof(fr_piece))
        partial = <double *> calloc(n_pieces + 1, sizeof(double))
        if pieces == NULL or partial == NULL:
            raise MemoryError
        fr_cut(t, count, pieces)
        threads = threads_for(0, work)
        for i in range(count):
            pin_all(held, seen[i])
            if was_moved(seen[i], t[i].x.g, t[i].n, t[i].real):
                refuse_moved(names[i])
        with nogil:
            status = fr_square_sum(t, pieces, n_pieces, partial, work, threads, &total)
        check(status)
    finally:
        free(t)
        free(seen)
        free(pieces)
        free(partial)
    return total
