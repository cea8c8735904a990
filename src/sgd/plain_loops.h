/* Products of short sparse rows with weights, and steps along them: loads of single elements see what
 * the row before has just stored, where a gather waits until that is in the cache. */
#ifndef FASTRIDGE_PLAIN_LOOPS_H
#define FASTRIDGE_PLAIN_LOOPS_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "kernels.h"
#include "matrix.h"

#define FR_SHORT_ROW 64 /* elements; a gather is faster on longer rows */

#define PLAIN_VALUE_double(x, k) ((x)[k])
#define PLAIN_VALUE_float(x, k) ((double)(x)[k])
#define PLAIN_VALUE_ones(x, k) 1.0

#define PLAIN_LOOPS(NAME, T, I)                                                                    \
    FR_INLINE double fr_plain_dot_##NAME##_##I(const T *x, const I *at, ptrdiff_t n, const double *v) \
    {                                                                                              \
        double s0 = 0, s1 = 0, s2 = 0, s3 = 0;                                                     \
        ptrdiff_t k = 0;                                                                           \
        (void)x;                                                                                   \
        for (; k + 4 <= n; k += 4) {                                                               \
            s0 += PLAIN_VALUE_##NAME(x, k) * v[at[k]];                                             \
            s1 += PLAIN_VALUE_##NAME(x, k + 1) * v[at[k + 1]];                                     \
            s2 += PLAIN_VALUE_##NAME(x, k + 2) * v[at[k + 2]];                                     \
            s3 += PLAIN_VALUE_##NAME(x, k + 3) * v[at[k + 3]];                                     \
        }                                                                                          \
        for (; k < n; k++)                                                                         \
            s0 += PLAIN_VALUE_##NAME(x, k) * v[at[k]];                                             \
        return (s0 + s1) + (s2 + s3);                                                              \
    }                                                                                              \
    FR_INLINE void fr_plain_add_##NAME##_##I(const T *x, const I *at, ptrdiff_t n, double by,        \
                                           double *v)                                              \
    {                                                                                              \
        (void)x;                                                                                   \
        for (ptrdiff_t k = 0; k < n; k++)                                                          \
            v[at[k]] += by * PLAIN_VALUE_##NAME(x, k);                                             \
    }
PLAIN_LOOPS(double, double, int32_t)
PLAIN_LOOPS(double, double, int64_t)
PLAIN_LOOPS(float, float, int32_t)
PLAIN_LOOPS(float, float, int64_t)
PLAIN_LOOPS(ones, char, int32_t)
PLAIN_LOOPS(ones, char, int64_t)

#define PLAIN_CASE(WHAT, NAME, T, I, ...)                                                          \
    WHAT##_##NAME##_##I((const T *)a->data + first, (const I *)a->indices + first, __VA_ARGS__)
#define PLAIN_CALL(WHAT, ...)                                                                      \
    switch (2 * a->real + a->index) {                                                              \
    case 2 * FR_DOUBLE: return PLAIN_CASE(WHAT, double, double, int32_t, __VA_ARGS__);             \
    case 2 * FR_DOUBLE + 1: return PLAIN_CASE(WHAT, double, double, int64_t, __VA_ARGS__);         \
    case 2 * FR_FLOAT: return PLAIN_CASE(WHAT, float, float, int32_t, __VA_ARGS__);                \
    case 2 * FR_FLOAT + 1: return PLAIN_CASE(WHAT, float, float, int64_t, __VA_ARGS__);            \
    case 2 * FR_ONES: return PLAIN_CASE(WHAT, ones, char, int32_t, __VA_ARGS__);                   \
    default: return PLAIN_CASE(WHAT, ones, char, int64_t, __VA_ARGS__);                            \
    }

/* x'v of the row of n elements from `first` on */
FR_INLINE double fr_plain_dot(const fr_matrix *a, ptrdiff_t first, ptrdiff_t n, const double *v)
{
    PLAIN_CALL(fr_plain_dot, n, v)
}

/* v += by x */
FR_INLINE void fr_plain_add(const fr_matrix *a, ptrdiff_t first, ptrdiff_t n, double by, double *v)
{
    PLAIN_CALL(fr_plain_add, n, by, v)
}

#endif
