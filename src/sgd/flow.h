/* A penalty between two visits of a column. */
#ifndef FASTRIDGE_FLOW_H
#define FASTRIDGE_FLOW_H

#include <math.h>

#include "compiler.h"

/* The penalty's flow d|v| = -(two |v| + one) dt over a time: v, and its integral, which is added. */
FR_INLINE void fr_flow(double *v, double two, double one, double time, double *integral)
{
    const double size = fabs(*v);
    double end = time;
    if (!(two + one > 0) || size == 0 || !(time > 0)) {
        *integral += *v * time;
        return;
    }
    if (one > 0) {
        /* where it becomes 0 */
        const double zero = two > 0 ? log1p(size * two / one) / two : size / one;
        if (zero <= time)
            end = zero;
    }
    const double z = two * end, shrunk = z > 0 ? -expm1(-z) : 0.0;
    const double part = z > 1e-8 ? shrunk / z : 1.0 - 0.5 * z; /* (1 - exp(-z)) / z */
    double left = end < time ? 0.0 : size - size * shrunk - one * end * part;
    if (left < 0)
        left = 0;
    /* that of size e^{-two t} - one (1 - e^{-two t}) / two */
    const double rest = z > 1e-3 ? (1.0 - part) / z : 0.5 - z / 6 + z * z / 24;
    *integral += copysign(end * (size * part - one * end * rest), *v);
    *v = copysign(left, *v);
}

#endif
