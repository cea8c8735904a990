#include "decimal.h"

#include <string.h>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

typedef struct {
    uint64_t high, low;
} wide;

static wide powers[FR_MOST_POWER - FR_LEAST_POWER + 1];

void fr_decimal_power(int q, uint64_t high, uint64_t low)
{
    powers[q - FR_LEAST_POWER].high = high;
    powers[q - FR_LEAST_POWER].low = low;
}

static wide product(uint64_t a, uint64_t b)
{
    wide r;
#if defined(__SIZEOF_INT128__)
    const unsigned __int128 ab = (unsigned __int128)a * b;
    r.high = (uint64_t)(ab >> 64);
    r.low = (uint64_t)ab;
#elif defined(_MSC_VER) && defined(_M_X64)
    r.low = _umul128(a, b, &r.high);
#else
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    const uint64_t low = a0 * b0, cross = a1 * b0 + (low >> 32), other = a0 * b1 + (uint32_t)cross;
    r.high = a1 * b1 + (cross >> 32) + (other >> 32);
    r.low = other << 32 | (uint32_t)low;
#endif
    return r;
}

static int leading_zeros(uint64_t x)
{
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_clzll(x);
#else
    int n = 0;
    for (int step = 32; step; step /= 2)
        if (!(x >> (64 - step))) {
            n += step;
            x <<= step;
        }
    return n;
#endif
}

static double of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof x);
    return bits;
}

#define INFINITE ((uint64_t)0x7ff << 52)

/* Lemire, Number parsing at a gigabyte per second (2021), after Eisel; Mushtak & Lemire, Fast
 * number parsing without fallback (2023), show that the product always decides. */
double fr_decimal_scale(uint64_t w, int64_t q)
{
    if (w == 0 || q < FR_LEAST_POWER)
        return 0.0;
    if (q > FR_MOST_POWER)
        return of_bits(INFINITE);
    const wide power = powers[q - FR_LEAST_POWER];
    const int shifted = leading_zeros(w);
    w <<= shifted;
    wide r = product(w, power.high);
    if ((r.high & 0x1ff) == 0x1ff) {
        /* a carry from the lower half of the power may reach the 55 bits used */
        const wide rest = product(w, power.low);
        r.low += rest.high;
        r.high += r.low < rest.high;
    }
    const int upper = (int)(r.high >> 63), shift = upper + 9;
    uint64_t mantissa = r.high >> shift;
    /* floor(q log2(10)), by a fraction exact for these q */
    int64_t exponent = ((217706 * q) >> 16) + 63 + upper - shifted + 1023;
    if (exponent <= 0) {
        /* subnormal */
        if (1 - exponent >= 64)
            return 0.0;
        mantissa >>= 1 - exponent;
        mantissa = (mantissa + (mantissa & 1)) >> 1;
        return of_bits(mantissa); /* 2^52 is the smallest normal number */
    }
    /* halfway between two doubles: only where 5^q, or w over it, has few bits */
    if (r.low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && mantissa << shift == r.high)
        mantissa &= ~(uint64_t)1;
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    if (mantissa >> 53) {
        mantissa = (uint64_t)1 << 52;
        exponent++;
    }
    if (exponent >= 0x7ff)
        return of_bits(INFINITE);
    return of_bits((mantissa & ~((uint64_t)1 << 52)) | (uint64_t)exponent << 52);
}

/* Digits that decide: a point halfway between doubles has at most 767. */
#define DIGITS 770

/* Unsigned integer, least limb first. Both sides of `against_halfway` have fewer than 2700 bits:
 * one is 770 digits, or 5^1100 times 54 bits, and the other is near it. */
#define LIMBS 96
typedef struct {
    int n;
    uint32_t limb[LIMBS];
} integer;

static void times_plus(integer *a, uint32_t factor, uint32_t carry)
{
    uint64_t t = carry;
    for (int i = 0; i < a->n; i++) {
        t += (uint64_t)a->limb[i] * factor;
        a->limb[i] = (uint32_t)t;
        t >>= 32;
    }
    if (t && a->n < LIMBS)
        a->limb[a->n++] = (uint32_t)t;
}

static void times_power_of_5(integer *a, int64_t n)
{
    for (; n >= 13; n -= 13)
        times_plus(a, 1220703125, 0);
    for (; n > 0; n--)
        times_plus(a, 5, 0);
}

static void times_power_of_2(integer *a, int64_t n)
{
    for (; n >= 31; n -= 31)
        times_plus(a, (uint32_t)1 << 31, 0);
    times_plus(a, (uint32_t)1 << n, 0);
}

static int compare(const integer *a, const integer *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    for (int i = a->n - 1; i >= 0; i--)
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

/* Return the sign of digits 10^scale, plus a little with `more`, minus the point halfway between
 * a double and the next. */
static int against_halfway(const unsigned char *digit, int n, int more, int64_t scale,
                           uint64_t bits)
{
    const int64_t field = (int64_t)(bits >> 52);
    const uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    const uint64_t twice = 2 * (field ? fraction | (uint64_t)1 << 52 : fraction) + 1;
    const int64_t twos = scale - ((field ? field : 1) - 1076);
    integer a = {0, {0}}, b = {2, {(uint32_t)twice, (uint32_t)(twice >> 32)}};
    if (!b.limb[1])
        b.n = 1;
    for (int i = 0; i < n; i++)
        times_plus(&a, 10, digit[i]);
    if (scale > 0)
        times_power_of_5(&a, scale);
    else
        times_power_of_5(&b, -scale);
    if (twos > 0)
        times_power_of_2(&a, twos);
    else
        times_power_of_2(&b, -twos);
    const int sign = compare(&a, &b);
    return sign ? sign : more;
}

/* Round 0.digits 10^point, plus a little with `more`; the first digit is not 0. */
static double nearest(const unsigned char *digit, int n, int more, int64_t point)
{
    uint64_t w = 0;
    const int leading = n < 19 ? n : 19;
    if (point > 310)
        return of_bits(INFINITE);
    if (point < -330)
        return 0.0;
    for (int i = 0; i < leading; i++)
        w = 10 * w + digit[i];
    const double below = fr_decimal_scale(w, point - leading);
    if (n == leading && !more)
        return below;
    if (fr_decimal_scale(w + 1, point - leading) == below)
        return below;
    uint64_t bits = bits_of(below);
    for (; bits < INFINITE; bits++) {
        const int sign = against_halfway(digit, n, more, point - n, bits);
        if (sign < 0 || (sign == 0 && bits % 2 == 0))
            break;
    }
    return of_bits(bits);
}

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* Underscores separate digits. */
static int is_between(const char *p, const char *first, const char *end)
{
    return p > first && is_digit(p[-1]) && p + 1 < end && is_digit(p[1]);
}

static int is_word(const char *p, const char *end, const char *word)
{
    for (; p < end && *word; p++, word++)
        if ((*p | 0x20) != *word)
            return 0;
    return p == end && !*word;
}

int fr_decimal(const char *p, const char *end, double *value)
{
    unsigned char digit[DIGITS];
    int n = 0, more = 0, dot = 0, any = 0, negative = 0;
    int64_t scale = 0; /* power of ten of the last digit kept */
    double x;

    if (p < end && (*p == '-' || *p == '+'))
        negative = *p++ == '-';
    if (is_word(p, end, "inf") || is_word(p, end, "infinity")) {
        x = of_bits(INFINITE);
    } else if (is_word(p, end, "nan")) {
        x = of_bits((uint64_t)0xfff << 51);
    } else {
        const char *first = p;
        for (; p < end; p++) {
            if (is_digit(*p)) {
                any = 1;
                if (n == 0 && *p == '0') {
                    scale -= dot;
                } else if (n < DIGITS) {
                    digit[n++] = (unsigned char)(*p - '0');
                    scale -= dot;
                } else {
                    more |= *p != '0';
                    scale += !dot;
                }
            } else if (*p == '.' && !dot) {
                dot = 1;
            } else if (*p != '_' || !is_between(p, first, end)) {
                break;
            }
        }
        if (!any)
            return 0;
        if (p < end) {
            if ((*p++ | 0x20) != 'e')
                return 0;
            int64_t exponent = 0, sign = 1;
            if (p < end && (*p == '-' || *p == '+'))
                sign = *p++ == '-' ? -1 : 1;
            if (p == end)
                return 0;
            for (first = p; p < end; p++) {
                if (is_digit(*p)) {
                    if (exponent < (int64_t)1 << 56) /* beyond any number of digits */
                        exponent = 10 * exponent + (*p - '0');
                } else if (*p != '_' || !is_between(p, first, end)) {
                    return 0;
                }
            }
            scale += sign * exponent;
        }
        x = n ? nearest(digit, n, more, n + scale) : 0.0;
    }
    *value = negative ? -x : x;
    return 1;
}
