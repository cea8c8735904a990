/* Branch-free exp, log and log(1 + exp), so that compilers vectorise loops over them. */
#ifndef FASTRIDGE_ELEMENTARY_H
#define FASTRIDGE_ELEMENTARY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "compiler.h"

FR_INLINE uint64_t bits_of(double x)
{
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

FR_INLINE double double_of(uint64_t b)
{
    double x;
    memcpy(&x, &b, sizeof x);
    return x;
}

/* exp(r) for |r| up to log(2) / 2, of a number or of a register */
#define FR_EXP_SERIES(NAME, T)                                                                     \
    FR_INLINE T NAME(T r)                                                                          \
    {                                                                                              \
        T p = 2.5100375832561233664e-8 * r + 2.7620075879983366586e-7;                             \
        p = p * r + 2.7557268480310025526e-6;                                                      \
        p = p * r + 0.000024801521322368693266;                                                    \
        p = p * r + 0.00019841269863040545271;                                                     \
        p = p * r + 0.0013888888917196719077;                                                      \
        p = p * r + 0.0083333333333300644495;                                                      \
        p = p * r + 0.041666666666624161903;                                                       \
        p = p * r + 0.16666666666666667452;                                                        \
        p = p * r + 0.5;                                                                           \
        return 1.0 + (r + r * r * p);                                                              \
    }
FR_EXP_SERIES(fr_exp_series, double)

/* exp(x) to 1 ulp; infinity above 709.7, 0 below -708. With x = k log(2) + r it is 2^k exp(r). */
FR_INLINE double fr_exp(double x)
{
    const double shift = 6755399441055744.0; /* 1.5 * 2^52: the lowest bits of x + shift are round(x) */
    const double low = x > -708.0 ? x : -708.0, t = low < 709.7 ? low : 709.7;
    const double k = t * 1.4426950408889634074 + shift, whole = k - shift;
    const double r = (t - whole * 6.93147180369123816490e-01) - whole * 1.90821492927058770002e-10;
    double p = fr_exp_series(r);
    p = double_of(bits_of(p) + (bits_of(k) << 52));
    p = x > 709.7 ? INFINITY : p;
    p = x < -708.0 ? 0.0 : p;
    return x != x ? x : p;
}

/* log(1 + t) for t from -1/2 to 1: 2 atanh(s) of s = t / (2 + t). */
FR_INLINE double fr_log1p(double t)
{
    const double s = t / (2.0 + t), u = s * s;
    double p = 0.085220817813906990645;
    p = p * u + 0.041622532559304102879;
    p = p * u + 0.060550843640346088273;
    p = p * u + 0.066501870163373121685;
    p = p * u + 0.076933070211520038808;
    p = p * u + 0.090908704162524022551;
    p = p * u + 0.11111112040373836587;
    p = p * u + 0.14285714272727057267;
    p = p * u + 0.20000000000092873734;
    p = p * u + 0.33333333333333074797;
    p = p * u + 1.0;
    return 2.0 * s * p;
}

/* log(x) to 1 ulp for x of at least 2.3e-308; smaller x give log(2.3e-308). With x = 2^k m and m
 * from sqrt(1 / 2) to sqrt(2) it is k log(2) + log(m), log(m) = f - f^2 / 2 + s (f^2 / 2 +
 * R(s^2)), f = m - 1, s = f / (2 + f). */
FR_INLINE double fr_log(double x)
{
    const double least = 2.2250738585072014e-308, magic = 6755399441055744.0;
    const uint64_t root = 0x3fe6a09e667f3bcdULL, one = 0x3ff0000000000000ULL;
    const uint64_t b = bits_of(x > least ? x : least) + (one - root);
    const double m = double_of((b & 0x000fffffffffffffULL) + root);
    /* b >> 52 as a double: the low bits of magic hold an integer */
    const double k = double_of((b >> 52) + bits_of(magic)) - magic - 1023.0;
    const double f = m - 1.0, s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
    double r = 1.479819860511658591e-01;
    r = r * z + 1.531383769920937332e-01;
    r = r * z + 1.818357216161805012e-01;
    r = r * z + 2.222219843214978396e-01;
    r = r * z + 2.857142874366239149e-01;
    r = r * z + 3.999999999940941908e-01;
    r = r * z + 6.666666666666735130e-01;
    r = r * z;
    r = k * 6.93147180369123816490e-01 -
        ((half - (s * (half + r) + k * 1.90821492927058770002e-10)) - f);
    r = x < INFINITY ? r : x;
    return x != x ? x : r;
}

#endif
