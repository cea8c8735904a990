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

/* The columns of a row, field by field; a u of 0 is a column that the row does not have. */
typedef struct {
    double *u; /* x / s; x until units are known */
    double *inverse, *clock, *v, *r, *reach, *area;
} fr_columns;

typedef struct {
    double product, squares, most, fresh; /* u'v, u'u, largest |u|, whether a column has no gradient */
} fr_row_sums;

typedef struct {
    double reach, known, fresh; /* sum of d |u|; of d r u^2, and of d |u| where r is 0 */
} fr_row_room;

/* Let weights follow the L2 penalty up to `now`: v = exp(-penalty reach r / s^2 time) v. */
FR_INLINE void fr_row_decay(ptrdiff_t blocks, const fr_columns *c, double penalty, double now)
{
    const double *FR_RESTRICT x = c->u, *FR_RESTRICT inverse = c->inverse, *FR_RESTRICT r = c->r;
    const double *FR_RESTRICT reach = c->reach;
    double *FR_RESTRICT clock = c->clock, *FR_RESTRICT v = c->v;
    for (ptrdiff_t b = 0; b < blocks; b++)
        EACH8
        {
            const ptrdiff_t i = 8 * b + l;
            const double z = penalty * (now - clock[i]) * (reach[i] * r[i]) * inverse[i] * inverse[i];
            const double kept = v[i] * fr_exp(-z);
            v[i] = x[i] != 0 ? kept : v[i];
            clock[i] = x[i] != 0 ? now : clock[i];
        }
}

/* Values become u = x / s, but where they are larger than s: see `most`. */
FR_INLINE fr_row_sums fr_row_predict(ptrdiff_t blocks, const fr_columns *c)
{
    double *FR_RESTRICT u = c->u;
    const double *FR_RESTRICT v = c->v, *FR_RESTRICT r = c->r;
    double product[8] = {0}, squares[8] = {0}, most[8] = {0}, fresh[8] = {0};
    for (ptrdiff_t b = 0; b < blocks; b++)
        EACH8
        {
            const ptrdiff_t i = 8 * b + l;
            const double size = fabs(u[i]);
            most[l] = size > most[l] ? size : most[l];
            squares[l] += u[i] * u[i];
            product[l] += v[i] * u[i];
            fresh[l] += r[i] > 0 ? 0.0 : size;
        }
    fr_row_sums s = {sum8(product), sum8(squares), most[0], sum8(fresh)};
    for (int l = 1; l < 8; l++)
        s.most = most[l] > s.most ? most[l] : s.most;
    return s;
}

/* What a step can move the prediction by, at the most, with d = max(keep reach, rate + share |v|). */
FR_INLINE fr_row_room fr_row_bound(ptrdiff_t blocks, const fr_columns *c, double rate, double share,
                                   double keep)
{
    const double *FR_RESTRICT u = c->u, *FR_RESTRICT v = c->v, *FR_RESTRICT r = c->r;
    const double *FR_RESTRICT reach = c->reach;
    double all[8] = {0}, known[8] = {0}, fresh[8] = {0};
    for (ptrdiff_t b = 0; b < blocks; b++)
        EACH8
        {
            const ptrdiff_t i = 8 * b + l;
            const double before = keep * reach[i], now = rate + share * fabs(v[i]);
            const double by = (now > before ? now : before) * fabs(u[i]);
            all[l] += by;
            known[l] += by * r[i] * fabs(u[i]);
            fresh[l] += r[i] > 0 ? 0.0 : by;
        }
    const fr_row_room s = {sum8(all), sum8(known), sum8(fresh)};
    return s;
}

/* R^2 += (g u)^2, reach = max(keep reach, rate + share |v|), v -= reach size u / R, where R is not 0
 * yet; g and size have the row's weight. */
FR_INLINE void fr_row_step(ptrdiff_t blocks, const fr_columns *c, double g, double size, double rate,
                           double share, double keep)
{
    const double *FR_RESTRICT u = c->u;
    double *FR_RESTRICT v = c->v, *FR_RESTRICT r = c->r, *FR_RESTRICT reach = c->reach;
    for (ptrdiff_t b = 0; b < blocks; b++)
        EACH8
        {
            const ptrdiff_t i = 8 * b + l;
            const double z = g * u[i] * r[i], next = r[i] * fr_rsqrt(1.0 + z * z);
            const double before = keep * reach[i], now = rate + share * fabs(v[i]);
            const double by = u[i] != 0 ? (now > before ? now : before) : reach[i];
            v[i] -= by * next * (size * u[i]);
            r[i] = u[i] != 0 ? next : r[i];
            reach[i] = by;
        }
}

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
