/* Sixteen floats with masks, and a root and a quotient that do not wait for the divider: estimates of
 * 14 bits, corrected by their remainder to less than 1 ulp. */
#ifndef FASTRIDGE_WIDE_H
#define FASTRIDGE_WIDE_H

#include "vec.h"

/* a multiplication and an addition of one rounding, where the instruction set has it */
#if (defined(__FMA__) || defined(__ARM_FEATURE_FMA)) && (defined(__GNUC__) || defined(__clang__))
#define FR_FUSED
#define FUSED_float(a, b, c) __builtin_fmaf(a, b, c)
#define FUSED_double(a, b, c) __builtin_fma(a, b, c)
#endif
#define ROOT_float(x) sqrtf(x)
#define ROOT_double(x) sqrt(x)

/* iterations of the next loop touch no element that another one writes */
#if defined(_MSC_VER) && !defined(__clang__)
#define FR_INDEPENDENT __pragma(loop(ivdep))
#elif defined(__clang__)
#define FR_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define FR_INDEPENDENT _Pragma("GCC ivdep")
#else
#define FR_INDEPENDENT
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__) && !defined(FR_PLAIN)
#include <immintrin.h>

#define FR_WIDE
#define WIDE_LANES 16
typedef __m512 wide;
typedef __mmask16 wide_mask;
#define wide_all ((wide_mask)0xffff)
#define wide_first(n) ((wide_mask)((1u << (n)) - 1))
#define wide_load(p, in) _mm512_maskz_loadu_ps(in, p)
#define wide_store(p, x, in) _mm512_mask_storeu_ps(p, in, x)
#define wide_set(x) _mm512_set1_ps(x)
#define wide_mul(a, b) _mm512_mul_ps(a, b)
#define wide_madd(a, b, c) _mm512_fmadd_ps(a, b, c)

/* lanes whose magnitude is not in [2^-100, 2^100): zero, tiny, huge, infinite, NaN */
FR_INLINE wide_mask wide_odd(wide x)
{
    /* the exponents 27 to 226, as one unsigned comparison */
    const __m512i e = _mm512_srli_epi32(_mm512_slli_epi32(_mm512_castps_si512(x), 1), 24);
    return _mm512_cmpge_epu32_mask(_mm512_sub_epi32(e, _mm512_set1_epi32(27)), _mm512_set1_epi32(200));
}

FR_INLINE wide wide_root(wide x)
{
    const wide r = _mm512_rsqrt14_ps(x), s = _mm512_mul_ps(x, r);
    const wide h = _mm512_mul_ps(_mm512_set1_ps(0.5f), r);
    const wide t = _mm512_fmadd_ps(_mm512_fnmadd_ps(s, s, x), h, s);
    const wide_mask odd = wide_odd(x);
    return odd ? _mm512_mask_sqrt_ps(t, odd, x) : t;
}

FR_INLINE wide wide_div(wide a, wide b)
{
    const wide r = _mm512_rcp14_ps(b), q = _mm512_mul_ps(a, r);
    const wide t = _mm512_fmadd_ps(_mm512_fnmadd_ps(q, b, a), r, q);
    const wide_mask nonzero = _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    const wide_mask odd = wide_odd(b) | (wide_odd(a) & nonzero);
    return odd ? _mm512_mask_div_ps(t, odd, a, b) : t;
}

/* as (b >= a || b is NaN) ? b : a */
FR_INLINE wide wide_max(wide a, wide b)
{
    return _mm512_mask_mov_ps(a, _mm512_cmp_ps_mask(b, a, _CMP_GE_OQ) | _mm512_cmp_ps_mask(b, b, _CMP_UNORD_Q), b);
}
#endif

#endif
