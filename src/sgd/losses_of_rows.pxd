"""Losses of one row with one output: the value, and the derivative by the prediction p."""

from c_sgd cimport *
from libc.math cimport fabs


cdef inline double value_and_slope(int loss, double epsilon, double y, double p,
                                   double *slope) noexcept nogil:
    cdef double d, z, size, e
    slope[0] = 0.0
    if loss == FR_SGD_LOG:
        # log(1 + exp(p)) - q p
        e = fr_exp(-fabs(p))
        z = 0.5 * (1.0 + y)
        slope[0] = (1.0 / (1.0 + e) if p >= 0 else e / (1.0 + e)) - z
        return (p if p > 0 else 0.0) + fr_log1p(e) - z * p
    if loss == FR_SGD_SQUARED:
        d = p - y
        slope[0] = d
        return 0.5 * d * d
    if loss == FR_SGD_HINGE or loss == FR_SGD_PERCEPTRON:
        z = (1.0 if loss == FR_SGD_HINGE else 0.0) - y * p
        if z < 0:
            return 0.0
        slope[0] = -y
        return z
    if loss == FR_SGD_SQUARED_HINGE:
        z = 1.0 - y * p
        if z <= 0:
            return 0.0
        slope[0] = -2.0 * y * z
        return z * z
    if loss == FR_SGD_MODIFIED_HUBER:
        z = y * p
        if z >= 1:
            return 0.0
        if z >= -1:
            slope[0] = -2.0 * y * (1.0 - z)
            return (1.0 - z) * (1.0 - z)
        slope[0] = -4.0 * y
        return -4.0 * z
    if loss == FR_SGD_POISSON:
        e = fr_exp(p)
        slope[0] = e - y
        return e - y * p
    d = p - y
    size = fabs(d)
    if loss == FR_SGD_HUBER:
        if size <= epsilon:
            slope[0] = d
            return 0.5 * d * d
        slope[0] = epsilon if d > 0 else -epsilon
        return epsilon * size - 0.5 * epsilon * epsilon
    z = size - epsilon
    if z <= 0:
        return 0.0
    if loss == FR_SGD_EPSILON:
        slope[0] = 1.0 if d > 0 else -1.0
        return z
    slope[0] = 2.0 * z if d > 0 else -2.0 * z
    return z * z
