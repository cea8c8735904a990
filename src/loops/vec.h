/* One SIMD register of doubles, at the width of the instruction set being compiled.
 *
 * FR_VBYTES is set per instruction set (64, 32, 16); FR_PLAIN, or a compiler without vector
 * extensions, makes the "register" one double, and every kernel plain C.
 */
#ifndef FASTRIDGE_VEC_H
#define FASTRIDGE_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "compiler.h"

#if !defined(FR_PLAIN) && !(defined(__GNUC__) || defined(__clang__))
#define FR_PLAIN 1
#endif

#if defined(__AVX__) && !defined(FR_PLAIN)
#include <immintrin.h>
#endif

#ifdef FR_PLAIN
#define VL 1
typedef double vec;
#define LOAD_double(p) (*(p))
#define LOAD_float(p) ((double)*(p))
#define STORE(p, x) (*(p) = (x))
#define SPLAT(x) (x)
#define PUT_double(p, x) STORE(p, x)
#define PUT_float(p, x) (*(p) = (float)(x))
FR_INLINE double vec_sum(vec a) { return a; }
FR_INLINE void vec_sum_four(vec a, vec b, vec c, vec d, double *sums)
{
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}
FR_INLINE vec vec_below(vec a, vec b, vec yes, vec no) { return a < b ? yes : no; }
#else
#define VL (FR_VBYTES / 8)
typedef double vec __attribute__((vector_size(FR_VBYTES)));
typedef double vec_u __attribute__((vector_size(FR_VBYTES), aligned(8), may_alias));
typedef float vecf_u __attribute__((vector_size(FR_VBYTES / 2), aligned(4), may_alias));
#define LOAD_double(p) ((vec) * (const vec_u *)(p))
/* gcc converts a whole register in two halves */
#if defined(__AVX512F__) && FR_VBYTES == 64
#define LOAD_float(p) ((vec)_mm512_cvtps_pd(_mm256_loadu_ps(p)))
#elif defined(__AVX__) && FR_VBYTES == 32
#define LOAD_float(p) ((vec)_mm256_cvtps_pd(_mm_loadu_ps(p)))
#else
#define LOAD_float(p) __builtin_convertvector(*(const vecf_u *)(p), vec)
#endif
#define STORE(p, x) (*(vec_u *)(p) = (vec_u)(x))
/* x - 0 is x for every x, so only a broadcast remains */
#define SPLAT(x) ((x) - (vec){0})
#define PUT_double(p, x) STORE(p, x)
#define PUT_float(p, x) (*(vecf_u *)(p) = __builtin_convertvector(x, vecf_u))
/* a register of floats: twice as many elements */
typedef float single __attribute__((vector_size(FR_VBYTES)));
typedef float single_u __attribute__((vector_size(FR_VBYTES), aligned(4), may_alias));
#define VEC_float single
#define SPLAT_float(x) ((x) - (single){0})
#define WHOLE_float(p) ((single) * (const single_u *)(p))
FR_INLINE void ADD_float(double *p, single x)
{
    float halves[2 * VL];
    *(single_u *)halves = (single_u)x;
    STORE(p, LOAD_double(p) + LOAD_float(halves));
    STORE(p + VL, LOAD_double(p + VL) + LOAD_float(halves + VL));
}

/* a < b ? yes : no in each lane */
typedef int64_t vec_bits __attribute__((vector_size(FR_VBYTES)));
FR_INLINE vec vec_below(vec a, vec b, vec yes, vec no)
{
    const vec_bits m = (vec_bits)(a < b);
    return (vec)(((vec_bits)yes & m) | ((vec_bits)no & ~m));
}

/* concatenate lanes `...` of a and b */
#if defined(__clang__)
#define VEC_PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int64_t vec_mask __attribute__((vector_size(FR_VBYTES)));
#define VEC_PICK(a, b, ...) __builtin_shuffle(a, b, (vec_mask){__VA_ARGS__})
#endif

/* sum of the lanes, in pairs: a chain of additions would take their latency VL times */
FR_INLINE double vec_sum(vec a)
{
#if VL == 8
    a += VEC_PICK(a, a, 4, 5, 6, 7, 0, 1, 2, 3);
    a += VEC_PICK(a, a, 2, 3, 0, 1, 6, 7, 4, 5);
#elif VL == 4
    a += VEC_PICK(a, a, 2, 3, 0, 1);
#endif
    return a[0] + a[1];
}

/* sums[k]: sum of the lanes of the k-th */
FR_INLINE void vec_sum_four(vec a, vec b, vec c, vec d, double *sums)
{
#if VL == 8
#define EVEN 0, 8, 2, 10, 4, 12, 6, 14
#define ODD 1, 9, 3, 11, 5, 13, 7, 15
    const vec p = VEC_PICK(a, b, EVEN) + VEC_PICK(a, b, ODD);
    const vec q = VEC_PICK(c, d, EVEN) + VEC_PICK(c, d, ODD);
#undef EVEN
#undef ODD
    const vec r = VEC_PICK(p, q, 0, 1, 8, 9, 4, 5, 12, 13) + VEC_PICK(p, q, 2, 3, 10, 11, 6, 7, 14, 15);
    const vec s = r + VEC_PICK(r, r, 4, 5, 6, 7, 0, 1, 2, 3);
    memcpy(sums, &s, 4 * sizeof(double));
#elif VL == 4
    const vec p = VEC_PICK(a, b, 0, 4, 2, 6) + VEC_PICK(a, b, 1, 5, 3, 7);
    const vec q = VEC_PICK(c, d, 0, 4, 2, 6) + VEC_PICK(c, d, 1, 5, 3, 7);
    STORE(sums, VEC_PICK(p, q, 0, 1, 4, 5) + VEC_PICK(p, q, 2, 3, 6, 7));
#else
    STORE(sums, VEC_PICK(a, b, 0, 2) + VEC_PICK(a, b, 1, 3));
    STORE(sums + 2, VEC_PICK(c, d, 0, 2) + VEC_PICK(c, d, 1, 3));
#endif
}

#define VEC_CROSS(i, j, low, high)                                                                 \
    do {                                                                                           \
        const vec a_ = v[i], b_ = v[j];                                                            \
        v[i] = VEC_PICK(a_, b_, low);                                                              \
        v[j] = VEC_PICK(a_, b_, high);                                                             \
    } while (0)
#define PICKS(...) __VA_ARGS__

/* transpose: lane l of v[i] becomes lane i of v[l] */
FR_INLINE void vec_transpose(vec *v)
{
#if VL == 8
    for (int i = 0; i < 8; i += 2)
        VEC_CROSS(i, i + 1, PICKS(0, 8, 2, 10, 4, 12, 6, 14), PICKS(1, 9, 3, 11, 5, 13, 7, 15));
    for (int i = 0; i < 8; i += i % 4 ? 3 : 1)
        VEC_CROSS(i, i + 2, PICKS(0, 1, 8, 9, 4, 5, 12, 13), PICKS(2, 3, 10, 11, 6, 7, 14, 15));
    for (int i = 0; i < 4; i++)
        VEC_CROSS(i, i + 4, PICKS(0, 1, 2, 3, 8, 9, 10, 11), PICKS(4, 5, 6, 7, 12, 13, 14, 15));
#elif VL == 4
    for (int i = 0; i < 4; i += 2)
        VEC_CROSS(i, i + 1, PICKS(0, 4, 2, 6), PICKS(1, 5, 3, 7));
    for (int i = 0; i < 2; i++)
        VEC_CROSS(i, i + 2, PICKS(0, 1, 4, 5), PICKS(2, 3, 6, 7));
#else
    VEC_CROSS(0, 1, PICKS(0, 2), PICKS(1, 3));
#endif
}
#endif

/* FIRST_double(p, n): a register of the n < VL numbers at p, and zeros; PUT_FIRST: to p */
#if defined(__AVX512VL__) && FR_VBYTES == 64 && !defined(FR_PLAIN)
#define FR_MASKED 1
#define FIRST_MASK(n) (__mmask8)((1 << (n)) - 1)
#define FIRST_double(p, n) ((vec)_mm512_maskz_loadu_pd(FIRST_MASK(n), p))
#define FIRST_float(p, n) ((vec)_mm512_cvtps_pd(_mm256_maskz_loadu_ps(FIRST_MASK(n), p)))
#define PUT_FIRST(p, x, n) _mm512_mask_storeu_pd(p, FIRST_MASK(n), (__m512d)(x))
#elif defined(__AVX2__) && FR_VBYTES == 32 && !defined(FR_PLAIN)
#define FR_MASKED 1
#define FIRST_MASK(n) _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_set_epi64x(3, 2, 1, 0))
#define FIRST_SINGLE(n) _mm_cmpgt_epi32(_mm_set1_epi32((int)(n)), _mm_set_epi32(3, 2, 1, 0))
#define FIRST_double(p, n) ((vec)_mm256_maskload_pd(p, FIRST_MASK(n)))
#define FIRST_float(p, n) ((vec)_mm256_cvtps_pd(_mm_maskload_ps(p, FIRST_SINGLE(n))))
#define PUT_FIRST(p, x, n) _mm256_maskstore_pd(p, FIRST_MASK(n), (__m256d)(x))
#endif

/* the last m % VL of m numbers, kept in a register over many additions: a store of part of a register
 * is not forwarded to the next load */
#ifdef FR_MASKED
#define LOAD_REST(p, m) FIRST_double((p) + (m) / VL * VL, (m) % VL)
#define STORE_REST(p, m, x) PUT_FIRST((p) + (m) / VL * VL, x, (m) % VL)
#else
#define LOAD_REST(p, m) SPLAT(0.0)
#define STORE_REST(p, m, x) (void)(x)
#endif

#define VEC_double vec
#define SPLAT_double(x) SPLAT(x)
#define WHOLE_double(p) LOAD_double(p)
#define ADD_double(p, x) STORE(p, LOAD_double(p) + (x))

#if defined(__AVX512F__) && defined(__AVX512VL__) && !defined(FR_PLAIN)
#include <immintrin.h>
#define FR_GATHER gather8
#define VALUES8_double(p, m) _mm512_maskz_loadu_pd(m, p)
#define VALUES8_ones(p, m) _mm512_set1_pd(1.0)
#define VALUES8_float(p, m) _mm512_cvtps_pd(_mm256_maskz_loadu_ps(m, p))
FR_INLINE __m512d gather8_i32(const int32_t *index, const double *v, __mmask8 m)
{
    return _mm512_mask_i32gather_pd(_mm512_setzero_pd(), m, _mm256_maskz_loadu_epi32(m, index), v, 8);
}
FR_INLINE __m512d gather8_i64(const int64_t *index, const double *v, __mmask8 m)
{
    return _mm512_mask_i64gather_pd(_mm512_setzero_pd(), m, _mm512_maskz_loadu_epi64(m, index), v, 8);
}
#endif

#define VALUE_double(data, k) (data[k])
#define VALUE_float(data, k) ((double)data[k])
#define VALUE_ones(data, k) 1.0

#define FR_CAT_(a, b) a##_##b
#define FR_CAT(a, b) FR_CAT_(a, b)
#define FR_CAT3(a, b, c) FR_CAT(FR_CAT(a, b), c)

#endif
