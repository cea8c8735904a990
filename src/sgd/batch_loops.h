/* Loops over dense rows of a batch, read once from memory: predictions, and sums of gradients. */
#ifndef FASTRIDGE_BATCH_LOOPS_H
#define FASTRIDGE_BATCH_LOOPS_H

#include "row_loops.h"

#define FR_BATCH_BLOCK 16 /* rows that stay in the first-level cache between both loops */

/* Columns at the start of a batch, at the places of `fr_batch_place`. */
typedef struct {
    double *unit;  /* 1 / s */
    double *value; /* v */
    double *reach, *known, *fresh; /* d; d r; d where r is 0 */
    int adaptive;                  /* whether columns have units */
    int bounded, freshly;          /* whether moves are bounded, and whether a column is fresh */
} fr_batch_columns;

typedef struct {
    double product, squares, reach, known, fresh;
    int grows; /* whether a |u| is above 1 */
} fr_batch_row;

/* Columns of a row fill whole registers; the last register overlaps the one before, and the arrays
 * have a separate register for it, with zeros for the columns that are already covered. */
FR_INLINE ptrdiff_t fr_batch_whole(ptrdiff_t p) { return p / VL * VL; }

/* Return the index of column j in the arrays, of at most p + VL elements. */
FR_INLINE ptrdiff_t fr_batch_place(ptrdiff_t p, ptrdiff_t j)
{
    const ptrdiff_t whole = fr_batch_whole(p);
    return j < whole || p < VL ? j : j + VL - (p - whole);
}

/* Element i of a row in a register, i a multiple of VL; few: fewer columns than a register has */
#define ROW(T, x)                                                                                  \
    (few ? LOAD_double(rest) : i < whole ? LOAD_##T((x) + i) : LOAD_##T((x) + p - VL))
#define REST(T, x)                                                                                 \
    double rest[8] = {0};                                                                          \
    if (few)                                                                                       \
        for (ptrdiff_t l = 0; l < p; l++)                                                          \
            rest[l] = (double)(x)[l];

#define LOOPS(T)                                                                                   \
    FR_INLINE fr_batch_row fr_batch_predict_##T(const T *x, ptrdiff_t p, const fr_batch_columns *c, \
                                                int kind)                                          \
    {                                                                                              \
        const vec zero = SPLAT(0.0), one = SPLAT(1.0);                                             \
        const ptrdiff_t whole = fr_batch_whole(p);                                                 \
        const int few = p < VL;                                                                    \
        vec product = zero, squares = zero, reach = zero, known = zero, fresh = zero;              \
        row_mask grows = zero > one;                                                               \
        REST(T, x)                                                                                 \
        for (ptrdiff_t i = 0; i < p; i += VL) {                                                    \
            const vec u = ROW(T, x) * LOAD_double(c->unit + i);                                    \
            product += u * LOAD_double(c->value + i);                                              \
            if (kind == 0)                                                                         \
                continue;                                                                          \
            const vec square = u * u;                                                              \
            squares += square;                                                                     \
            grows |= square > one;                                                                 \
            if (kind >= 2) {                                                                       \
                reach += size_of(u) * LOAD_double(c->reach + i);                                   \
                known += square * LOAD_double(c->known + i);                                       \
            }                                                                                      \
            if (kind == 3)                                                                         \
                fresh += size_of(u) * LOAD_double(c->fresh + i);                                   \
        }                                                                                          \
        const fr_batch_row s = {total(product), kind ? total(squares) : 0.0,                       \
                                kind >= 2 ? total(reach) : 0.0, kind >= 2 ? total(known) : 0.0,    \
                                kind == 3 ? total(fresh) : 0.0, kind ? any(grows) : 0};            \
        return s;                                                                                  \
    }                                                                                              \
                                                                                                   \
    FR_INLINE void fr_batch_rows_##T(const void *const *rows, ptrdiff_t n, ptrdiff_t p,            \
                                     const fr_batch_columns *c, fr_batch_row *out)                 \
    {                                                                                              \
        if (!c->adaptive)                                                                          \
            for (ptrdiff_t i = 0; i < n; i++)                                                      \
                out[i] = fr_batch_predict_##T((const T *)rows[i], p, c, 0);                        \
        else if (!c->bounded)                                                                      \
            for (ptrdiff_t i = 0; i < n; i++)                                                      \
                out[i] = fr_batch_predict_##T((const T *)rows[i], p, c, 1);                        \
        else if (!c->freshly)                                                                      \
            for (ptrdiff_t i = 0; i < n; i++)                                                      \
                out[i] = fr_batch_predict_##T((const T *)rows[i], p, c, 2);                        \
        else                                                                                       \
            for (ptrdiff_t i = 0; i < n; i++)                                                      \
                out[i] = fr_batch_predict_##T((const T *)rows[i], p, c, 3);                        \
    }                                                                                              \
                                                                                                   \
    /* sums += g[0] u_0 + ... + g[3] u_3 */                                                        \
    FR_INLINE void fr_batch_add_##T(const T *const *rows, const double *g, ptrdiff_t p,            \
                                    const double *unit, double *sums)                              \
    {                                                                                              \
        const T *x0 = rows[0], *x1 = rows[1], *x2 = rows[2], *x3 = rows[3];                        \
        const vec g0 = SPLAT(g[0]), g1 = SPLAT(g[1]), g2 = SPLAT(g[2]), g3 = SPLAT(g[3]);          \
        const ptrdiff_t whole = fr_batch_whole(p);                                                 \
        if (p < VL) {                                                                              \
            for (ptrdiff_t j = 0; j < p; j++)                                                      \
                sums[j] += (g[0] * (x0[j] * unit[j]) + g[1] * (x1[j] * unit[j]))                   \
                           + (g[2] * (x2[j] * unit[j]) + g[3] * (x3[j] * unit[j]));                \
            return;                                                                                \
        }                                                                                          \
        for (ptrdiff_t i = 0; i < p; i += VL) {                                                    \
            const ptrdiff_t at = i < whole ? i : p - VL;                                           \
            const vec s = LOAD_double(unit + i);                                                   \
            const vec first = g0 * (LOAD_##T(x0 + at) * s) + g1 * (LOAD_##T(x1 + at) * s);         \
            const vec second = g2 * (LOAD_##T(x2 + at) * s) + g3 * (LOAD_##T(x3 + at) * s);        \
            STORE(sums + i, LOAD_double(sums + i) + (first + second));                             \
        }                                                                                          \
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
#undef ROW
#undef REST

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

/* log(1 + exp(p)) - q p with q = (1 + y) / 2 and its slopes, of a whole block: `value_and_slope`. */
FR_INLINE void fr_batch_log_losses(const double *y, const double *p, double *value, double *slope)
{
    for (int e = 0; e < FR_BATCH_BLOCK; e++) {
        const double t = fr_exp(-fabs(p[e])), q = 0.5 * (1.0 + y[e]), part = 1.0 / (1.0 + t);
        slope[e] = (p[e] >= 0 ? part : t * part) - q;
        value[e] = (p[e] > 0 ? p[e] : 0.0) + fr_log1p(t) - q * p[e];
    }
}

#endif
