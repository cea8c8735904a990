/* Loops over the columns of a row, in blocks of 8: buffers are padded with zeros. */
#ifndef FASTRIDGE_ROW_LOOPS_H
#define FASTRIDGE_ROW_LOOPS_H

#include <math.h>
#include <stddef.h>

#include "compiler.h"
#include "elementary.h"
#include "sgd.h"
#include "vec.h"

#ifdef FR_PLAIN
typedef int64_t row_mask;
FR_INLINE double where(int test, double x) { return test ? x : 0.0; }
FR_INLINE double larger(double a, double b) { return a > b ? a : b; }
FR_INLINE int any(int64_t m) { return m != 0; }
#else
typedef int64_t row_mask __attribute__((vector_size(FR_VBYTES)));
FR_INLINE vec where(row_mask test, vec x) { return (vec)(test & (row_mask)x); }
FR_INLINE vec larger(vec a, vec b)
{
    const row_mask m = a > b;
    return (vec)((m & (row_mask)a) | (~m & (row_mask)b));
}
FR_INLINE int any(row_mask m)
{
    int64_t all = 0;
    for (int l = 0; l < VL; l++)
        all |= m[l];
    return all != 0;
}
#endif
FR_INLINE vec size_of(vec x) { return larger(x, -x); }

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

/* The columns of a row, field by field; a u of 0 is a column that the row does not have. */
typedef struct {
    double *u; /* x / s */
    double *inverse, *clock, *v, *r, *reach, *area;
} fr_columns;

typedef struct {
    double product, squares; /* u'v, u'u */
    int grows;               /* whether a |u| is above 1 */
} fr_row_sums;

typedef struct {
    double reach, known, fresh; /* sum of d |u|; of d r u^2, and of d |u| where r is 0 */
} fr_row_room;

/* Let weights follow the L2 penalty up to `now`: v = exp(-z) v with z = penalty reach r / s^2 time.
 * Writes c->u, too. */
FR_INLINE void fr_row_decay(ptrdiff_t blocks, const fr_columns *c, const double *x, double penalty,
                            double now)
{
    const vec at = SPLAT(now), by = SPLAT(penalty), little = SPLAT(1.0 / 4096), zero = SPLAT(0.0);
    row_mask large = zero > little;
    for (ptrdiff_t i = 0; i < 8 * blocks; i += VL) {
        const vec inverse = LOAD_double(c->inverse + i);
        const vec rate = LOAD_double(c->reach + i) * LOAD_double(c->r + i);
        const vec z = by * (at - LOAD_double(c->clock + i)) * rate * inverse * inverse;
        const row_mask has = LOAD_double(x + i) != zero;
        STORE(c->u + i, where(has, z));
        large |= has & (z > little);
    }
    if (any(large))
        for (ptrdiff_t i = 0; i < 8 * blocks; i++)
            c->v[i] *= fr_exp(-c->u[i]);
    else
        for (ptrdiff_t i = 0; i < 8 * blocks; i += VL) {
            /* to 1.5e-16 */
            const vec z = LOAD_double(c->u + i), v = LOAD_double(c->v + i);
            const vec fall = z * (SPLAT(1.0) - z * (SPLAT(0.5) - z * SPLAT(1.0 / 6)));
            STORE(c->v + i, v - v * fall);
        }
    for (ptrdiff_t i = 0; i < 8 * blocks; i++)
        c->clock[i] = x[i] != 0 ? now : c->clock[i];
}

/* Values x become u = x / s. */
FR_INLINE fr_row_sums fr_row_predict(ptrdiff_t blocks, const fr_columns *c, const double *x)
{
    const vec one = SPLAT(1.0);
    vec product = SPLAT(0.0), squares = product;
    row_mask grows = product > one;
    for (ptrdiff_t i = 0; i < 8 * blocks; i += VL) {
        const vec u = LOAD_double(x + i) * LOAD_double(c->inverse + i), square = u * u;
        STORE(c->u + i, u);
        grows |= square > one;
        squares += square;
        product += LOAD_double(c->v + i) * u;
    }
    const fr_row_sums s = {vec_sum(product), vec_sum(squares), any(grows)};
    return s;
}

/* What a step can move the prediction by, at the most, with d = max(keep reach, rate + share |v|). */
FR_INLINE fr_row_room fr_row_bound(ptrdiff_t blocks, const fr_columns *c, double rate, double share,
                                   double keep)
{
    const vec at_least = SPLAT(rate), part = SPLAT(share), kept = SPLAT(keep), zero = SPLAT(0.0);
    vec all = zero, known = zero, fresh = zero;
    for (ptrdiff_t i = 0; i < 8 * blocks; i += VL) {
        const vec size = size_of(LOAD_double(c->u + i)), r = LOAD_double(c->r + i);
        const vec now = at_least + part * size_of(LOAD_double(c->v + i));
        const vec by = larger(now, kept * LOAD_double(c->reach + i)) * size;
        all += by;
        known += by * r * size;
        fresh += where(r <= zero, by);
    }
    const fr_row_room s = {vec_sum(all), vec_sum(known), vec_sum(fresh)};
    return s;
}

/* R^2 += (g u)^2, reach = max(keep reach, rate + share |v|), v -= reach size u / R, where R is not 0
 * yet; g and size have the row's weight. */
FR_INLINE void fr_row_step(ptrdiff_t blocks, const fr_columns *c, double g, double size, double rate,
                           double share, double keep)
{
    const double *FR_RESTRICT u = c->u;
    double *FR_RESTRICT v = c->v, *FR_RESTRICT r = c->r, *FR_RESTRICT reach = c->reach;
    FR_NO_ALIAS
    for (ptrdiff_t i = 0; i < 8 * blocks; i++) {
        const double z = g * u[i] * r[i], next = r[i] * fr_rsqrt(1.0 + z * z);
        const double before = keep * reach[i], now = rate + share * fabs(v[i]);
        const double by = u[i] != 0 ? (now > before ? now : before) : reach[i];
        v[i] -= by * next * (size * u[i]);
        r[i] = u[i] != 0 ? next : r[i];
        reach[i] = by;
    }
}

#endif
