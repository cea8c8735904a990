/* Loops over the columns of a row: one predicts, one takes the step. */
#ifndef FASTRIDGE_ROW_LOOPS_H
#define FASTRIDGE_ROW_LOOPS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "elementary.h"
#include "sgd.h"
#include "vec.h"

#ifdef FR_PLAIN
typedef int64_t row_mask;
FR_INLINE double where(int test, double x) { return test ? x : 0.0; }
FR_INLINE double pick(int test, double x, double y) { return test ? x : y; }
FR_INLINE int any(int64_t m) { return m != 0; }
FR_INLINE double size_of(double x) { return fabs(x); }
FR_INLINE double total(double a) { return a; }
FR_INLINE double halved_bits(double a) { return double_of(0x5fe6eb50c7b537a9ULL - (bits_of(a) >> 1)); }
FR_INLINE double exp_of_minus(double z) { return fr_exp(-z); }
#else
typedef int64_t row_mask __attribute__((vector_size(FR_VBYTES)));
FR_INLINE vec where(row_mask test, vec x) { return (vec)(test & (row_mask)x); }
FR_INLINE vec pick(row_mask test, vec x, vec y)
{
    return (vec)((test & (row_mask)x) | (~test & (row_mask)y));
}
FR_INLINE vec size_of(vec x) { return (vec)((row_mask)x & ((row_mask){0} + INT64_MAX)); }
FR_INLINE int any(row_mask m)
{
#if defined(__AVX512F__) && VL == 8
    return _mm512_test_epi64_mask((__m512i)m, (__m512i)m) != 0;
#elif defined(__AVX__) && VL == 4
    return !_mm256_testz_si256((__m256i)m, (__m256i)m);
#endif
    int64_t all = 0;
    for (int l = 0; l < VL; l++)
        all |= m[l];
    return all != 0;
}
FR_INLINE double total(vec a)
{
#if VL == 8
    a += VEC_PICK(a, a, 4, 5, 6, 7, 0, 1, 2, 3);
    a += VEC_PICK(a, a, 2, 3, 0, 1, 6, 7, 4, 5);
    a += VEC_PICK(a, a, 1, 0, 3, 2, 5, 4, 7, 6);
#elif VL == 4
    a += VEC_PICK(a, a, 2, 3, 0, 1);
    a += VEC_PICK(a, a, 1, 0, 3, 2);
#else
    a += VEC_PICK(a, a, 1, 0);
#endif
    return a[0];
}
FR_INLINE vec halved_bits(vec a)
{
    return (vec)(((row_mask){0} + 0x5fe6eb50c7b537a9LL) - ((row_mask)a >> 1));
}
FR_EXP_SERIES(exp_series, vec)

/* exp(-z) for z >= 0, as `fr_exp` */
FR_INLINE vec exp_of_minus(vec z)
{
    const double shift = 6755399441055744.0;
    const vec most = SPLAT(708.0), t = -pick(z < most, z, most);
    const vec k = t * 1.4426950408889634074 + shift, whole = k - shift;
    const vec r = (t - whole * 6.93147180369123816490e-01) - whole * 1.90821492927058770002e-10;
    const vec p = exp_series(r);
    return where(z <= most, (vec)((row_mask)p + ((row_mask)k << 52)));
}
#endif

/* a > b ? a : b, in one instruction where there is one */
FR_INLINE vec larger(vec a, vec b)
{
#if defined(__AVX512F__) && VL == 8
    return (vec)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX__) && VL == 4
    return (vec)_mm256_max_pd((__m256d)a, (__m256d)b);
#else
    return pick(a > b, a, b);
#endif
}

/* 1 / sqrt(a) to a few ulp, for a from 1 to 1e300: a guess by the exponent, then Newton's steps */
#define RSQRT(NAME, T, GUESS)                                                                      \
    FR_INLINE T NAME(T a)                                                                          \
    {                                                                                              \
        T y = GUESS;                                                                               \
        const T half = 0.5 * a;                                                                    \
        y = y * (1.5 - half * y * y);                                                              \
        y = y * (1.5 - half * y * y);                                                              \
        const T e = 1.0 - a * y * y;                                                               \
        return y + y * e * (0.5 + 0.375 * e);                                                      \
    }
RSQRT(fr_rsqrt, double, double_of(0x5fe6eb50c7b537a9ULL - (bits_of(a) >> 1)))
RSQRT(rsqrt_of, vec, halved_bits(a))

/* The columns of a row, field by field, padded to whole blocks; u = 0 marks a column that the row does
 * not have. */
typedef struct {
    double *u; /* x / s */
    double *inverse, *clock, *v, *r, *reach, *area;
} fr_columns;

/* Parameters of a row's loops: the L2 penalty and the clock, and those of the reach
 * d = max(keep reach, rate + share |v|). */
typedef struct {
    double penalty, now, rate, share, keep;
} fr_row_rates;

typedef struct {
    double product, squares;    /* u'v, u'u */
    double reach, known, fresh; /* sum of d |u|; of d r u^2, and of d |u| where r is 0 */
    int grows, falls;           /* whether a |u| is above 1, and a z is not small */
} fr_row_sums;

typedef struct {
    vec product, squares, reach, known, fresh;
    row_mask grows, falls;
} vec_sums;

/* Apply the penalty to v, and scale x to u in units of its column: z = penalty reach r / s^2
 * (now - clock), v = exp(-z) v. `large`: whether z may be large; 2: not known yet. */
FR_INLINE void see(vec x, vec inverse, vec clock, vec *v, vec r, vec reach, vec *u,
                   const fr_row_rates *by, int large, vec_sums *s)
{
    const vec zero = SPLAT(0.0);
    if (by->penalty > 0) {
        const vec along = by->penalty * (by->now - clock) * (reach * r) * inverse * inverse;
        const vec z = where(x != zero, along), little = SPLAT(1.0 / 4096);
        vec left = *v - *v * (z * (1.0 - z * (0.5 - z * (1.0 / 6)))); /* to 1.5e-16 */
        if (large == 1 || (large && any(z > little)))
            left = pick(z > little, *v * exp_of_minus(z), left);
        s->falls |= z > little;
        *v = left;
    }
    *u = x * inverse;
    const vec square = *u * *u, size = size_of(*u);
    const vec d = larger(by->rate + by->share * size_of(*v), by->keep * reach) * size;
    s->grows |= square > SPLAT(1.0);
    s->squares += square;
    s->product += *v * *u;
    s->reach += d;
    s->known += d * r * size;
    s->fresh += where(r <= zero, d);
}

FR_INLINE vec_sums no_sums(void)
{
    const vec zero = SPLAT(0.0);
    const vec_sums s = {zero, zero, zero, zero, zero, zero > SPLAT(1.0), zero > SPLAT(1.0)};
    return s;
}

FR_INLINE fr_row_sums totals(const vec_sums *s)
{
    const fr_row_sums all = {total(s->product), total(s->squares), total(s->reach),
                             total(s->known),   total(s->fresh),   any(s->grows),
                             any(s->falls)};
    return all;
}

/* See n columns whose fields are in arrays. */
FR_INLINE fr_row_sums fr_see_fields(ptrdiff_t n, const fr_columns *c, const double *x,
                                    const fr_row_rates *by)
{
    const fr_row_rates own = *by;
    const vec now = SPLAT(own.now), zero = SPLAT(0.0);
    vec_sums s = no_sums();
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec at = LOAD_double(x + i), clock = LOAD_double(c->clock + i);
        vec v = LOAD_double(c->v + i), u;
        see(at, LOAD_double(c->inverse + i), clock, &v, LOAD_double(c->r + i), LOAD_double(c->reach + i), &u,
            &own, 2, &s);
        STORE(c->u + i, u);
        if (own.penalty > 0) {
            STORE(c->v + i, v);
            STORE(c->clock + i, pick(at != zero, now, clock));
        }
    }
    return totals(&s);
}

/* Compute only the bound, for columns that `fr_see_fields` has updated. */
FR_INLINE void fr_bound_fields(ptrdiff_t n, const fr_columns *c, const fr_row_rates *by,
                               fr_row_sums *sums)
{
    const vec zero = SPLAT(0.0);
    vec all = zero, known = zero, fresh = zero;
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec size = size_of(LOAD_double(c->u + i)), r = LOAD_double(c->r + i);
        const vec now = by->rate + by->share * size_of(LOAD_double(c->v + i));
        const vec d = larger(now, by->keep * LOAD_double(c->reach + i)) * size;
        all += d;
        known += d * r * size;
        fresh += where(r <= zero, d);
    }
    sums->reach = total(all);
    sums->known = total(known);
    sums->fresh = total(fresh);
}

/* R^2 += (g u)^2, reach = d, v -= reach size u / R; g and size include the row's weight. `fresh`: some
 * columns may have had no gradient so far. */
FR_INLINE void take_step(vec u, vec *v, vec *r, vec *reach, double g, double size, int fresh,
                    const fr_row_rates *by)
{
    const vec gradient = g * u, zero = SPLAT(0.0), z = gradient * *r;
    const row_mask has = u != zero;
    const vec d = larger(by->rate + by->share * size_of(*v), by->keep * *reach);
    vec next = *r * rsqrt_of(1.0 + z * z);
    if (fresh)
        next = pick((*r <= zero) & (gradient != zero), 1.0 / size_of(gradient), next);
    *v -= where(has, d * next * (size * u));
    *r = pick(has, next, *r);
    *reach = pick(has, d, *reach);
}

FR_INLINE void fr_step_fields(ptrdiff_t n, const fr_columns *c, double g, double size, int fresh,
                              const fr_row_rates *by)
{
    const fr_row_rates own = *by;
    for (ptrdiff_t i = 0; i < n; i += VL) {
        vec v = LOAD_double(c->v + i), r = LOAD_double(c->r + i), reach = LOAD_double(c->reach + i);
        take_step(LOAD_double(c->u + i), &v, &r, &reach, g, size, fresh, &own);
        STORE(c->v + i, v);
        STORE(c->r + i, r);
        STORE(c->reach + i, reach);
    }
}

#endif
