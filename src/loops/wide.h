/* Sixteen floats, and a root that leaves the divider to the quotient: an estimate of 14 bits, corrected
 * by its remainder to less than 1 ulp. */
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
/* a loop that is unrolled whole is not made vector code any more */
#define FR_INDEPENDENT _Pragma("GCC ivdep") _Pragma("GCC unroll 1")
#else
#define FR_INDEPENDENT
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__) && !defined(FR_PLAIN)
#include <immintrin.h>

#define FR_WIDE
#define WIDE_LANES 16
typedef __m512 wide;
typedef __mmask16 wide_mask;
#define wide_first(n) ((wide_mask)((1u << (n)) - 1))
#define wide_load(p, in, full) ((full) ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(in, p))
#define wide_store(p, x, in, full)                                                                 \
    do {                                                                                           \
        if (full)                                                                                  \
            _mm512_storeu_ps(p, x);                                                                \
        else                                                                                       \
            _mm512_mask_storeu_ps(p, in, x);                                                       \
    } while (0)
#define wide_set(x) _mm512_set1_ps(x)
#define wide_mul(a, b) _mm512_mul_ps(a, b)
#define wide_div(a, b) _mm512_div_ps(a, b)
#define wide_madd(a, b, c) _mm512_fmadd_ps(a, b, c)

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
