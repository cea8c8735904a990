/* Loops over the columns of a row, in blocks of 8: buffers are padded with zeros. */
#ifndef FASTRIDGE_ROW_LOOPS_H
#define FASTRIDGE_ROW_LOOPS_H

#include <math.h>
#include <stddef.h>

#include "compiler.h"
#include "elementary.h"
#include "sgd.h"

#define FR_BLOCK8(n) (((n) + 7) / 8)
#define EACH8 for (int l = 0; l < 8; l++)

/* 1 / sqrt(a) to a few ulp, for a from 1 to 1e300: a guess by the exponent, then Newton's steps */
FR_INLINE double fr_rsqrt(double a)
{
    double y = double_of(0x5fe6eb50c7b537a9ULL - (bits_of(a) >> 1));
    const double half = 0.5 * a;
    y = y * (1.5 - half * y * y);
    y = y * (1.5 - half * y * y);
    const double e = 1.0 - a * y * y;
    return y + y * e * (0.5 + 0.375 * e);
}

FR_INLINE double sum8(const double *s)
{
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

typedef struct {
    double product, squares, most; /* x'w, sum of (x / s)^2, largest |x| / s */
} fr_row_sums;

/* The sums of a row; with a decay, weights follow the penalty's flow up to `now` first. */
FR_INLINE fr_row_sums fr_row_predict(ptrdiff_t blocks, const double *FR_RESTRICT x,
                                     const double *FR_RESTRICT inverse, double *FR_RESTRICT clock,
                                     double *FR_RESTRICT w, const double *FR_RESTRICT r, double decay,
                                     double now)
{
    double product[8] = {0}, squares[8] = {0}, most[8] = {0};
    if (decay > 0)
        for (ptrdiff_t b = 0; b < blocks; b++)
            EACH8
            {
                const ptrdiff_t i = 8 * b + l;
                /* without a gradient there is no rate */
                const double rate = r[i] < 1e-10 * FR_SGD_FRESH ? r[i] : 0.0;
                w[i] *= fr_exp(-(decay * (now - clock[i]) * inverse[i] * rate) * inverse[i]);
                clock[i] = now;
            }
    for (ptrdiff_t b = 0; b < blocks; b++)
        EACH8
        {
            const ptrdiff_t i = 8 * b + l;
            const double u = fabs(x[i]) * inverse[i];
            most[l] = u > most[l] ? u : most[l];
            squares[l] += u * u;
            product[l] += w[i] * x[i];
        }
    fr_row_sums s = {sum8(product), sum8(squares), most[0]};
    for (int l = 1; l < 8; l++)
        s.most = most[l] > s.most ? most[l] : s.most;
    return s;
}

/* Units of columns whose largest value this row has: w s stays. */
FR_INLINE void fr_row_grow(ptrdiff_t n, const double *x, double *inverse, double *w, double *r,
                           ptrdiff_t k)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double size = fabs(x[i]);
        if (size * inverse[i] > 1) {
            const double next = 1 / size, ratio = next / inverse[i];
            if (inverse[i] < FR_SGD_UNSEEN)
                for (ptrdiff_t c = 0; c < k; c++) {
                    const double larger = r[i * k + c] / ratio;
                    w[i * k + c] *= ratio;
                    r[i * k + c] = larger < FR_SGD_FRESH ? larger : FR_SGD_FRESH;
                }
            inverse[i] = next;
        }
    }
}

/* R^2 += (g x / s)^2, w -= rate g (x / s) / (s R) */
FR_INLINE void fr_row_step(ptrdiff_t blocks, const double *FR_RESTRICT x,
                           const double *FR_RESTRICT inverse, double *FR_RESTRICT w,
                           double *FR_RESTRICT r, double g, double rate)
{
    for (ptrdiff_t b = 0; b < blocks; b++)
        EACH8
        {
            const ptrdiff_t i = 8 * b + l;
            const double d = g * x[i] * inverse[i], v = d * r[i];
            const double next = r[i] * fr_rsqrt(1.0 + v * v);
            w[i] -= (rate * d * inverse[i]) * next;
            r[i] = next;
        }
}

/* The penalty's flow d|w| = -q ((1 - l1_ratio) |w| + l1_ratio) dC over a time: w, and its integral. */
FR_INLINE double fr_flow(double w, double q, double l1_ratio, double time, double *integral)
{
    const double size = fabs(w), two = q * (1 - l1_ratio), one = q * l1_ratio;
    double left, area, end = time;
    if (!(q > 0) || size == 0) {
        *integral += w * time;
        return w;
    }
    if (one > 0) {
        /* where it becomes 0 */
        const double zero = two > 0 ? log1p(size * two / one) / two : size / one;
        if (zero <= time)
            end = zero;
    }
    const double z = two * end, shrunk = z > 0 ? -expm1(-z) : 0.0;
    const double part = z > 1e-8 ? shrunk / z : 1.0 - 0.5 * z; /* (1 - exp(-z)) / z */
    left = end < time ? 0.0 : size - size * shrunk - one * end * part;
    if (left < 0)
        left = 0;
    /* integral of size e^{-two t} - one (1 - e^{-two t}) / two */
    const double rest = z > 1e-3 ? (1.0 - part) / z : 0.5 - z / 6 + z * z / 24;
    area = end * (size * part - one * end * rest);
    *integral += copysign(area, w);
    return copysign(left, w);
}

#endif
