/* Loops over dense rows of a batch, read once from memory: predictions, and sums of gradients. */
#ifndef FASTRIDGE_BATCH_LOOPS_H
#define FASTRIDGE_BATCH_LOOPS_H

#include "row_loops.h"

#define FR_BATCH_BLOCK 16 /* rows that the nearest cache holds from the first loop to the second */

/* Columns as they are at the start of a batch; arrays are padded with zeros to blocks of 8. */
typedef struct {
    double *unit;  /* 1 / s */
    double *value; /* v */
    double *reach, *known, *fresh; /* d; d r; d where r is 0 */
    int bounded, freshly;          /* whether moves are bounded, and whether a column is fresh */
} fr_batch_columns;

typedef struct {
    double product, squares, reach, known, fresh;
    int grows; /* whether a |u| is above 1 */
} fr_batch_row;

#define LOOPS(T)                                                                                   \
    FR_INLINE fr_batch_row fr_batch_predict_##T(const T *x, ptrdiff_t p, const fr_batch_columns *c) \
    {                                                                                              \
        const vec zero = SPLAT(0.0), one = SPLAT(1.0);                                             \
        vec product = zero, squares = zero, reach = zero, known = zero, fresh = zero;              \
        row_mask grows = zero > one;                                                               \
        for (ptrdiff_t i = 0; i < p; i += VL) {                                                    \
            vec u;                                                                                 \
            if (i + VL <= p) {                                                                     \
                u = LOAD_##T(x + i);                                                               \
            } else {                                                                               \
                double rest[VL] = {0};                                                             \
                for (ptrdiff_t l = 0; i + l < p; l++)                                              \
                    rest[l] = (double)x[i + l];                                                    \
                u = LOAD_double(rest);                                                             \
            }                                                                                      \
            u *= LOAD_double(c->unit + i);                                                         \
            const vec square = u * u;                                                              \
            product += u * LOAD_double(c->value + i);                                              \
            squares += square;                                                                     \
            grows |= square > one;                                                                 \
            if (c->bounded) {                                                                      \
                reach += size_of(u) * LOAD_double(c->reach + i);                                   \
                known += square * LOAD_double(c->known + i);                                       \
                if (c->freshly)                                                                    \
                    fresh += size_of(u) * LOAD_double(c->fresh + i);                               \
            }                                                                                      \
        }                                                                                          \
        const fr_batch_row s = {vec_sum(product), vec_sum(squares), vec_sum(reach),                \
                                vec_sum(known), vec_sum(fresh), any(grows)};                       \
        return s;                                                                                  \
    }                                                                                              \
                                                                                                   \
    /* sums += g[0] u_0 + ... + g[3] u_3 */                                                        \
    FR_INLINE void fr_batch_add_##T(const T *const *rows, const double *g, ptrdiff_t p,            \
                                    const double *unit, double *sums)                              \
    {                                                                                              \
        const T *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];                            \
        const vec g0 = SPLAT(g[0]), g1 = SPLAT(g[1]), g2 = SPLAT(g[2]), g3 = SPLAT(g[3]);          \
        ptrdiff_t i = 0;                                                                           \
        for (; i + VL <= p; i += VL) {                                                             \
            const vec s = LOAD_double(unit + i);                                                   \
            const vec first = g0 * (LOAD_##T(a + i) * s) + g1 * (LOAD_##T(b + i) * s);             \
            const vec second = g2 * (LOAD_##T(c + i) * s) + g3 * (LOAD_##T(d + i) * s);            \
            STORE(sums + i, LOAD_double(sums + i) + (first + second));                             \
        }                                                                                          \
        for (; i < p; i++) {                                                                       \
            const double s = unit[i];                                                              \
            const double first = g[0] * (a[i] * s) + g[1] * (b[i] * s);                            \
            const double second = g[2] * (c[i] * s) + g[3] * (d[i] * s);                           \
            sums[i] += first + second;                                                             \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    FR_INLINE void fr_batch_rows_##T(const void *const *rows, ptrdiff_t n, ptrdiff_t p,            \
                                     const fr_batch_columns *c, fr_batch_row *out)                 \
    {                                                                                              \
        for (ptrdiff_t i = 0; i < n; i++)                                                          \
            out[i] = fr_batch_predict_##T((const T *)rows[i], p, c);                               \
    }                                                                                              \
                                                                                                   \
    FR_INLINE void fr_batch_sums_##T(const void *const *rows, const double *g, ptrdiff_t n,        \
                                     ptrdiff_t p, const double *unit, double *sums)                \
    {                                                                                              \
        for (ptrdiff_t i = 0; i < n; i += 4) {                                                     \
            const T *of[4];                                                                        \
            double by[4];                                                                          \
            for (ptrdiff_t l = 0; l < 4; l++) {                                                    \
                of[l] = (const T *)rows[i + l < n ? i + l : i];                                    \
                by[l] = i + l < n ? g[i + l] : 0.0;                                                \
            }                                                                                      \
            fr_batch_add_##T(of, by, p, unit, sums);                                               \
        }                                                                                          \
    }
LOOPS(double)
LOOPS(float)
#undef LOOPS

/* Sums over the columns of n dense rows, of float32 or float64. */
FR_INLINE void fr_batch_predict(int single, const void *const *rows, ptrdiff_t n, ptrdiff_t p,
                                const fr_batch_columns *c, fr_batch_row *out)
{
    if (single)
        fr_batch_rows_float(rows, n, p, c, out);
    else
        fr_batch_rows_double(rows, n, p, c, out);
}

/* Add n rows, times g, in the units of their columns. */
FR_INLINE void fr_batch_add(int single, const void *const *rows, const double *g, ptrdiff_t n,
                            ptrdiff_t p, const double *unit, double *sums)
{
    if (single)
        fr_batch_sums_float(rows, g, n, p, unit, sums);
    else
        fr_batch_sums_double(rows, g, n, p, unit, sums);
}

#endif
