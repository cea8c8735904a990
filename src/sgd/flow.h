/* The penalty between two visits of a column. */
#ifndef FASTRIDGE_FLOW_H
#define FASTRIDGE_FLOW_H

#include <math.h>
#include <stddef.h>

#include "compiler.h"

/* Apply the penalty's flow d|v| = -(two |v| + one) dt to v for a time; add its integral. The rest of
 * `one` after v has become 0 is added to the debts of a positive and of a negative v. */
FR_INLINE void fr_flow(double *v, double two, double one, double time, double *integral, double *debts,
                       ptrdiff_t apart)
{
    const double size = fabs(*v), owed = one * time, sign = *v < 0 ? -1.0 : 1.0;
    double end = time, paid = 0.0;
    if (two + one > 0 && size > 0 && time > 0) {
        if (one > 0) {
            /* time at which it becomes 0 */
            const double zero = two > 0 ? log1p(size * two / one) / two : size / one;
            if (zero <= time)
                end = zero;
        }
        const double z = two * end, shrunk = z > 0 ? -expm1(-z) : 0.0;
        const double part = z > 1e-8 ? shrunk / z : 1.0 - 0.5 * z; /* (1 - exp(-z)) / z */
        /* integral of size e^{-two t} - one (1 - e^{-two t}) / two */
        const double rest = z > 1e-3 ? (1.0 - part) / z : 0.5 - z / 6 + z * z / 24;
        const double left = end < time ? 0.0 : size - size * shrunk - one * end * part;
        paid = one * end;
        *integral += copysign(end * (size * part - one * end * rest), *v);
        *v = copysign(left > 0 ? left : 0.0, *v);
    } else
        *integral += *v * time;
    if (debts && owed > 0) {
        debts[0] += owed - sign * paid;
        debts[apart] += owed + sign * paid;
    }
}

/* Cumulative truncation (Tsuruoka, Tsujii & Ananiadou 2009): v pays its debt, and gains the other. */
FR_INLINE void fr_truncate(double *v, double *debts, ptrdiff_t apart)
{
    double *own = *v > 0 ? debts : debts + apart, *other = *v > 0 ? debts + apart : debts;
    const double size = fabs(*v), paid = size < *own ? size : *own;
    if (paid > 0) {
        *v = copysign(size - paid, *v);
        *own -= paid;
        *other += paid;
    }
}

#endif
