"""Steps that rows without gradients have missed."""

from libc.math cimport fabs

from c_steps cimport FR_ADAM, FR_MOST_MISSED, FR_MOST_REPLAYED, fr_lazy, fr_step


cdef inline bint goes_on(const fr_lazy *z, const fr_step *s) noexcept:
    """Return whether one closed form holds for the steps so far and this one."""
    if z.count == 0:
        return True
    cdef const fr_step *r = &z.history[z.count - 1]
    if z.count >= (FR_MOST_REPLAYED if r.kind == FR_ADAM and r.couple != 0 else FR_MOST_MISSED):
        return False
    return r.kind == s.kind and (
        s.kind != FR_ADAM
        or (r.beta1 == s.beta1 and r.beta2 == s.beta2 and r.eps == s.eps
            and r.amsgrad == s.amsgrad and (r.couple != 0) == (s.couple != 0)
            # divisor: the product of the decay factors of all steps
            and fabs(z.kept[z.count - 1] * (1.0 - s.drop)) > 1e-100)
    )
