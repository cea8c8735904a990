/* Registers of sixteen floats, and a square root that does not occupy the divider: a 14-bit
 * estimate, corrected by its remainder to less than 1 ulp. */
#ifndef FASTRIDGE_WIDE_H
#define FASTRIDGE_WIDE_H

#include <math.h>

#include "vec.h"

/* a * b + c, with one rounding where the instruction set has it */
#if (defined(__FMA__) || defined(__ARM_FEATURE_FMA)) && (defined(__GNUC__) || defined(__clang__))
FR_INLINE float madd_float(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
FR_INLINE double madd_double(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
FR_INLINE float madd_float(float a, float b, float c) { return a * b + c; }
FR_INLINE double madd_double(double a, double b, double c) { return a * b + c; }
#endif
FR_INLINE float root_float(float x) { return sqrtf(x); }
FR_INLINE double root_double(double x) { return sqrt(x); }

/* iterations of the next loop are independent */
#if defined(_MSC_VER) && !defined(__clang__)
#define FR_INDEPENDENT __pragma(loop(ivdep))
#elif defined(__clang__)
#define FR_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
/* compilers do not vectorise a loop once it is fully unrolled */
#define FR_INDEPENDENT _Pragma("GCC ivdep") _Pragma("GCC unroll 1")
#else
#define FR_INDEPENDENT
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__) && !defined(FR_PLAIN)
#include <immintrin.h>

#define FR_WIDE
enum { WIDE_LANES = 16 };
typedef __m512 wide;
typedef __mmask16 wide_mask;

FR_INLINE wide_mask wide_first(ptrdiff_t n) { return (wide_mask)((1u << n) - 1); }

/* load the first n floats from p, at most 16 */
FR_INLINE wide wide_load(const float *p, ptrdiff_t n)
{
    return n < WIDE_LANES ? _mm512_maskz_loadu_ps(wide_first(n), p) : _mm512_loadu_ps(p);
}

FR_INLINE void wide_store(float *p, wide x, ptrdiff_t n)
{
    if (n < WIDE_LANES)
        _mm512_mask_storeu_ps(p, wide_first(n), x);
    else
        _mm512_storeu_ps(p, x);
}

FR_INLINE wide wide_set(float x) { return _mm512_set1_ps(x); }
FR_INLINE wide wide_mul(wide a, wide b) { return _mm512_mul_ps(a, b); }
FR_INLINE wide wide_div(wide a, wide b) { return _mm512_div_ps(a, b); }
FR_INLINE wide wide_madd(wide a, wide b, wide c) { return _mm512_fmadd_ps(a, b, c); }

FR_INLINE wide wide_root(wide x)
{
    const wide r = _mm512_rsqrt14_ps(x), s = _mm512_mul_ps(x, r);
    const wide h = _mm512_mul_ps(_mm512_set1_ps(0.5f), r);
    const wide t = _mm512_fmadd_ps(_mm512_fnmadd_ps(s, s, x), h, s);
    /* zero, infinite or subnormal */
    const wide_mask odd = _mm512_fpclass_ps_mask(x, 0x02 | 0x04 | 0x08 | 0x10 | 0x20);
    return odd ? _mm512_mask_sqrt_ps(t, odd, x) : t;
}

/* as (b >= a || b is NaN) ? b : a */
FR_INLINE wide wide_max(wide a, wide b)
{
    return _mm512_mask_mov_ps(a, _mm512_cmp_ps_mask(b, a, _CMP_GE_OQ) | _mm512_cmp_ps_mask(b, b, _CMP_UNORD_Q), b);
}
#endif

#endif
