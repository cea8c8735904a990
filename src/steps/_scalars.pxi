# Part of _optim.pyx: the numbers of a step, checked, and what the inner loops make of them.


cdef double _number(str name, object value) except? -1.5:
    if type(value) is float:
        return <double> value
    if isinstance(value, (bool, np.bool_)) or not (
        hasattr(type(value), "__float__") or hasattr(type(value), "__index__")
    ) or getattr(value, "ndim", 0):
        raise TypeError(f"{name}: expected a number; got {value!r}")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{name}: expected a number of float64's range; got {error}") from None


cdef double _non_negative(str name, object value) except? -1.5:
    cdef double x = _number(name, value)
    if not 0.0 <= x < INFINITY:
        raise ValueError(f"{name}: expected a finite number of at least 0; got {value!r}")
    return x


cdef double _fraction(str name, object value) except? -1.5:
    cdef double x = _number(name, value)
    if not 0.0 <= x < 1.0:
        raise ValueError(f"{name}: expected a number of at least 0 and below 1; got {value!r}")
    return x


cdef double _any_finite(str name, object value) except? -1.5:
    cdef double x = _number(name, value)
    if not isfinite(x):
        raise ValueError(f"{name}: expected a finite number; got {value!r}")
    return x


cdef bint _flag(str name, object value) except -1:
    if value is True or value is False:
        return value is True
    if isinstance(value, (np.bool_, int)) and value in (0, 1):
        return bool(value)
    raise TypeError(f"{name}: expected True or False; got {value!r}")


cdef int _decay(fr_step *s, double lr, object weight_decay, object mode, object lr0,
                str lr0_name) except -1:
    cdef double decay = _non_negative("weight_decay", weight_decay), base
    s.couple = s.drop = 0.0
    if mode == "l2":
        s.couple = decay
    elif mode == "decoupled":
        s.drop = lr * decay
    elif mode == "independent":
        base = lr if lr0 is None else _non_negative(lr0_name, lr0)
        if base > 0.0:
            s.drop = lr / base * decay
        elif lr > 0.0 or lr0 is not None:
            raise ValueError(
                f"{lr0_name}: expected a positive number for independent decay; got {lr0!r}"
            )
    else:
        raise ValueError(
            f"decay_mode: expected 'l2', 'decoupled' or 'independent'; got {mode!r}"
        )
    return 0


cdef int _set_momentum(fr_step *s, object momentum, object dampening, object nesterov) except -1:
    s.kind = FR_MOMENTUM
    s.momentum = _non_negative("momentum", momentum)
    s.damp = 1.0 - _any_finite("dampening", dampening)
    s.nesterov = _flag("nesterov", nesterov)
    if s.nesterov and (s.momentum == 0.0 or s.damp != 1.0):
        raise ValueError(
            "nesterov: expected a positive momentum and no dampening with it; got momentum "
            f"{momentum!r} and dampening {dampening!r}"
        )
    return 0


cdef int _set_adam(fr_step *s, object beta1, object beta2, object eps) except -1:
    s.kind = FR_ADAM
    s.beta1 = _fraction("beta1", beta1)
    s.beta2 = _fraction("beta2", beta2)
    s.eps = _non_negative("eps", eps)
    return 0


cdef inline void _correct_bias(fr_step *s, double lr, int64_t t) noexcept nogil:
    """Bias corrections of step t of Adam, counted from 1."""
    s.lr = lr / -expm1(t * log(s.beta1)) if s.beta1 > 0.0 else lr
    s.root = 1.0 / sqrt(-expm1(t * log(s.beta2))) if s.beta2 > 0.0 else 1.0
