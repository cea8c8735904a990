/* Rows of few columns, whose records are scattered in a table by record; for one output. */
#ifndef FASTRIDGE_RECORDS_H
#define FASTRIDGE_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "row_loops.h"

typedef struct {
    vec inverse, clock, v, r, reach;
} vec_records;

#if !defined(FR_PLAIN) && VL >= 4
typedef double quad __attribute__((vector_size(32)));
typedef double quad_u __attribute__((vector_size(32), aligned(8), may_alias));
#if defined(__clang__)
#define QUAD_PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int64_t quad_mask __attribute__((vector_size(32)));
#define QUAD_PICK(a, b, ...) __builtin_shuffle(a, b, (quad_mask){__VA_ARGS__})
#endif

/* Lane l of q[i] becomes lane i of q[l]. */
FR_INLINE void quad_transpose(quad *q)
{
    const quad a = QUAD_PICK(q[0], q[1], 0, 4, 2, 6), b = QUAD_PICK(q[0], q[1], 1, 5, 3, 7);
    const quad c = QUAD_PICK(q[2], q[3], 0, 4, 2, 6), d = QUAD_PICK(q[2], q[3], 1, 5, 3, 7);
    q[0] = QUAD_PICK(a, c, 0, 1, 4, 5);
    q[1] = QUAD_PICK(b, d, 0, 1, 4, 5);
    q[2] = QUAD_PICK(a, c, 2, 3, 6, 7);
    q[3] = QUAD_PICK(b, d, 2, 3, 6, 7);
}

#if VL == 8
FR_INLINE vec both(quad a, quad b)
{
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
#else
    return (vec){a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]};
#endif
#else
    return (vec){a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]};
#endif
}
#endif

FR_INLINE void read_quads(const int64_t *at, const double *table, ptrdiff_t ld, quad *q)
{
    for (int l = 0; l < 4; l++)
        q[l] = (quad) * (const quad_u *)(table + at[l] * ld);
    quad_transpose(q);
}
#endif

/* The records (1/s, clock, v, r, reach) of VL columns. */
FR_INLINE vec_records read_some(const int64_t *at, const double *table, ptrdiff_t ld)
{
    vec_records f;
#ifdef FR_PLAIN
    const double *record = table + at[0] * ld;
    f.inverse = record[0], f.clock = record[1], f.v = record[2], f.r = record[3], f.reach = record[4];
#elif VL == 8
    quad q[4], h[4];
    read_quads(at, table, ld, q);
    read_quads(at + 4, table, ld, h);
    f.inverse = both(q[0], h[0]), f.clock = both(q[1], h[1]);
    f.v = both(q[2], h[2]), f.r = both(q[3], h[3]);
    for (int l = 0; l < VL; l++)
        f.reach[l] = table[at[l] * ld + 4];
#elif VL == 4
    quad q[4];
    read_quads(at, table, ld, q);
    f.inverse = q[0], f.clock = q[1], f.v = q[2], f.r = q[3];
    for (int l = 0; l < VL; l++)
        f.reach[l] = table[at[l] * ld + 4];
#else
    for (int l = 0; l < VL; l++) {
        const double *record = table + at[l] * ld;
        f.inverse[l] = record[0], f.clock[l] = record[1], f.v[l] = record[2], f.r[l] = record[3];
        f.reach[l] = record[4];
    }
#endif
    return f;
}

/* Write back the records of columns k to k + n, at most VL. */
FR_INLINE void write_some(ptrdiff_t k, ptrdiff_t n, const int64_t *at, double *table, ptrdiff_t ld,
                          const fr_columns *c)
{
#if !defined(FR_PLAIN) && VL >= 4
    /* whole quads, which the next row can read before they reach the cache */
    for (ptrdiff_t l = k; l < k + n; l += 4) {
        quad q[4] = {(quad) * (const quad_u *)(c->inverse + l),
                     (quad) * (const quad_u *)(c->clock + l), (quad) * (const quad_u *)(c->v + l),
                     (quad) * (const quad_u *)(c->r + l)};
        quad_transpose(q);
        for (int i = 0; i < 4 && l + i < k + n; i++) {
            double *record = table + at[l + i] * ld;
            *(quad_u *)record = (quad_u)q[i];
            record[4] = c->reach[l + i];
        }
    }
#else
    for (ptrdiff_t l = k; l < k + n; l++) {
        double *record = table + at[l] * ld;
        record[0] = c->inverse[l], record[1] = c->clock[l], record[2] = c->v[l], record[3] = c->r[l];
        record[4] = c->reach[l];
    }
#endif
}

/* Copy the records of the n columns to arrays, padded to whole blocks as `at` is. */
FR_INLINE void fr_read_records(ptrdiff_t n, const int64_t *at, const double *table, ptrdiff_t ld,
                               const fr_columns *c)
{
    for (ptrdiff_t k = 0; k < n; k += VL) {
        const vec_records q = read_some(at + k, table, ld);
        STORE(c->inverse + k, q.inverse);
        STORE(c->clock + k, q.clock);
        STORE(c->v + k, q.v);
        STORE(c->r + k, q.r);
        STORE(c->reach + k, q.reach);
    }
}

FR_INLINE void fr_write_records(ptrdiff_t n, const int64_t *at, double *table, ptrdiff_t ld,
                                const fr_columns *c)
{
    write_some(0, n, at, table, ld, c);
}

/* The same as `fr_read_records` and `fr_see_fields`, in one loop. */
FR_INLINE fr_row_sums fr_see_records(ptrdiff_t n, const int64_t *at, const double *x,
                                     const double *table, ptrdiff_t ld, const fr_columns *c,
                                     const fr_row_rates *by, int large)
{
    const fr_row_rates own = *by;
    const vec now = SPLAT(own.now);
    vec_sums s = no_sums();
    for (ptrdiff_t k = 0; k < n; k += VL) {
        vec_records q = read_some(at + k, table, ld);
        vec u;
        see(LOAD_double(x + k), q.inverse, q.clock, &q.v, q.r, q.reach, &u, &own, large, &s);
        STORE(c->u + k, u);
        STORE(c->inverse + k, q.inverse);
        STORE(c->clock + k, own.penalty > 0 ? now : q.clock);
        STORE(c->v + k, q.v);
        STORE(c->r + k, q.r);
        STORE(c->reach + k, q.reach);
    }
    return totals(&s);
}

/* The same as `fr_step_fields` and `fr_write_records`, in one loop. */
FR_INLINE void fr_step_records(ptrdiff_t n, const int64_t *at, double *table, ptrdiff_t ld,
                               const fr_columns *c, double g, double size, int fresh,
                               const fr_row_rates *by)
{
    const fr_row_rates own = *by;
    for (ptrdiff_t k = 0; k < n; k += VL) {
        vec v = LOAD_double(c->v + k), r = LOAD_double(c->r + k), reach = LOAD_double(c->reach + k);
        take_step(LOAD_double(c->u + k), &v, &r, &reach, g, size, fresh, &own);
        STORE(c->v + k, v);
        STORE(c->r + k, r);
        STORE(c->reach + k, reach);
        write_some(k, n - k < VL ? n - k : VL, at, table, ld, c);
    }
}

#endif
