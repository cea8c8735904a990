/* One coordinate's share of the penalty: h(x) = l1 |x| + l2 x^2 / 2 on [lo, hi]. */
#ifndef FASTRIDGE_PENALTY_H
#define FASTRIDGE_PENALTY_H

#include <math.h>

typedef struct {
    double l1, l2, lo, hi;
} fr_penalty;

static inline double fr_soft(double v, double l1) { return v > l1 ? v - l1 : v < -l1 ? v + l1 : 0.0; }

static inline double fr_clip(double x, double lo, double hi) { return x < lo ? lo : x > hi ? hi : x; }

/* argmin_x q x^2 / 2 - z x + h(x) */
static inline double fr_prox(const fr_penalty *h, double z, double q)
{
    const double u = fr_soft(z, h->l1);
    return fr_clip(u == 0 ? 0.0 : u / (q + h->l2), h->lo, h->hi);
}

static inline double fr_value(const fr_penalty *h, double x)
{
    return h->l1 * fabs(x) + 0.5 * h->l2 * x * x;
}

/* h*(v) = max_x v x - h(x); up to `slack`, v is rounding where nothing holds x */
static inline double fr_conjugate(const fr_penalty *h, double v, double slack)
{
    const double u = fr_soft(v, h->l1);
    double x = u == 0 ? 0.0 : h->l2 > 0 ? u / h->l2 : u > 0 ? INFINITY : -INFINITY;
    x = fr_clip(x, h->lo, h->hi);
    if (isinf(x)) {
        if (fabs(u) > slack)
            return INFINITY;
        x = fr_clip(0.0, h->lo, h->hi);
    }
    return v * x - fr_value(h, x);
}

/* The largest t <= most with h*(t v) finite. */
static inline double fr_scale_within(const fr_penalty *h, double v, double slack, double most)
{
    if (h->l2 > 0 || fabs(most * v) <= h->l1 + slack || !isinf(v > 0 ? h->hi : h->lo))
        return most;
    return (h->l1 > 0 ? h->l1 : slack) / fabs(v);
}

/* Which way x wants to leave: the sign of the half-line that it then lies on, or 0 where x is
 * optimal; z = g - l2 x. */
static inline int fr_side(const fr_penalty *h, double x, double z, double slack)
{
    if (x < h->hi && z - (x >= 0 ? h->l1 : -h->l1) > slack)
        return x >= 0 ? 1 : -1;
    if (x > h->lo && z - (x > 0 ? h->l1 : -h->l1) < -slack)
        return x > 0 ? 1 : -1;
    return 0;
}

#endif
