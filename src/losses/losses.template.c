/* Each loss computes its value and its first two derivatives with respect to eta from y and eta. */

#include "elementary.h"
#include "losses.h"

typedef struct {
    double value, slope, curve;
} of_loss;

/* (y - eta)^2 / 2 */
FR_INLINE of_loss squared_at(double c, double y, double eta)
{
    const double d = eta - y;
    (void)c;
    return (of_loss){0.5 * d * d, d, 1.0};
}

/* log(1 + exp(eta)) - y eta; q = 1 - p is computed without cancellation near p = 1 */
FR_INLINE of_loss logistic_at(double c, double y, double eta)
{
    const double t = fr_exp(-fabs(eta)), a = 1.0 / (1.0 + t), b = t * a;
    const double p = eta >= 0 ? a : b, q = eta >= 0 ? b : a;
    const double high = eta >= 0 ? eta * (1.0 - y) : -eta * y;
    (void)c;
    return (of_loss){high + fr_log1p(t), (1.0 - y) * p - y * q, a * b};
}

/* exp(eta) - y eta */
FR_INLINE of_loss poisson_at(double c, double y, double eta)
{
    const double mu = fr_exp(eta);
    (void)c;
    return (of_loss){mu - y * eta, mu - y, mu};
}

/* y exp(-eta) + eta */
FR_INLINE of_loss gamma_at(double c, double y, double eta)
{
    const double q = y * fr_exp(-eta);
    (void)c;
    return (of_loss){q + eta, 1.0 - q, q};
}

/* exp((2 - c) eta) / (2 - c) - y exp((1 - c) eta) / (1 - c) with power c other than 1 and 2; the
 * curvature is p exp((2 - c) eta) + q y exp((1 - c) eta) */
FR_INLINE of_loss tweedie_at(double c, double p, double q, double y, double eta)
{
    const double a = y * fr_exp((1.0 - c) * eta), b = fr_exp((2.0 - c) * eta);
    return (of_loss){b / (2.0 - c) - a / (1.0 - c), b - a, p * b + q * a};
}

/* the same with the mean eta > 0 */
FR_INLINE of_loss tweedie_identity_at(double c, double y, double eta)
{
    const double inverse = pow(eta, -c), b = inverse * eta * eta, a = y * inverse * eta;
    double value = c == 2.0 ? log(eta) : b / (2.0 - c);
    value += c == 1.0 ? (y > 0 ? -y * log(eta) : 0.0) : a / (c - 1.0);
    return (of_loss){eta > 0 ? value : INFINITY, inverse * (eta - y), inverse};
}

/* (y + c) log(1 + exp(eta) / c) - y eta with theta c */
FR_INLINE of_loss negative_binomial_at(double c, double log_c, double y, double eta)
{
    const double x = eta - log_c, t = fr_exp(-fabs(x)), a = 1.0 / (1.0 + t), b = t * a;
    const double p = x >= 0 ? a : b, q = x >= 0 ? b : a;
    const double value = x >= 0 ? c * x - y * log_c : -y * eta;
    return (of_loss){value + (y + c) * fr_log1p(t), c * p - y * q, (y + c) * (a * b)};
}

/* d^2 / 2 within c of y, and c |d| - c^2 / 2 beyond */
FR_INLINE of_loss huber_at(double c, double y, double eta)
{
    const double d = eta - y, size = fabs(d), near = size < c ? size : c;
    return (of_loss){near * (size - 0.5 * near), d < 0 ? -near : near, size <= c ? 1.0 : 0.0};
}

enum { LOSS_BLOCK = 256 };

/* Sum in an order that compilers can vectorise. */
FR_INLINE double sum_of_block(const double *v, ptrdiff_t n)
{
    double s[8] = {0};
    ptrdiff_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++)
            s[l] += v[i + l];
    for (; i < n; i++)
        s[i % 8] += v[i];
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

#define LOSS_LOOP(name, SETUP, ...)                                                                \
    static double name##_loop(double c, const double *y, const double *eta, const double *w,       \
                              double *r, double *h, ptrdiff_t n)                                   \
    {                                                                                              \
        double sum = 0.0, v[LOSS_BLOCK];                                                           \
        SETUP                                                                                      \
        for (ptrdiff_t i0 = 0; i0 < n; i0 += LOSS_BLOCK) {                                         \
            const ptrdiff_t m = n - i0 < LOSS_BLOCK ? n - i0 : LOSS_BLOCK;                         \
            const double *FR_RESTRICT yi = y + i0, *FR_RESTRICT ei = eta + i0;                     \
            if (r) {                                                                               \
                double *FR_RESTRICT ri = r + i0, *FR_RESTRICT hi = h + i0;                         \
                for (ptrdiff_t i = 0; i < m; i++) {                                                \
                    const of_loss f = name##_at(__VA_ARGS__, yi[i], ei[i]);                        \
                    v[i] = f.value;                                                                \
                    ri[i] = f.slope;                                                               \
                    hi[i] = f.curve;                                                               \
                }                                                                                  \
                for (ptrdiff_t i = 0; w && i < m; i++) {                                           \
                    ri[i] = w[i0 + i] > 0 ? ri[i] * w[i0 + i] : 0.0;                               \
                    hi[i] = w[i0 + i] > 0 ? hi[i] * w[i0 + i] : 0.0;                               \
                }                                                                                  \
            } else {                                                                               \
                for (ptrdiff_t i = 0; i < m; i++)                                                  \
                    v[i] = name##_at(__VA_ARGS__, yi[i], ei[i]).value;                             \
            }                                                                                      \
            /* a weight of 0 also excludes non-finite values */                         \
            for (ptrdiff_t i = 0; w && i < m; i++)                                                 \
                v[i] = w[i0 + i] > 0 ? v[i] * w[i0 + i] : 0.0;                                     \
            sum += sum_of_block(v, m);                                                             \
        }                                                                                          \
        return sum;                                                                                \
    }

LOSS_LOOP(squared, , c)
LOSS_LOOP(logistic, , c)
LOSS_LOOP(poisson, , c)
LOSS_LOOP(gamma, , c)
LOSS_LOOP(tweedie, const int observed = c > 1.0 && c < 2.0; const double p = observed ? 2.0 - c : 1.0;
          const double q = observed ? c - 1.0 : 0.0;, c, p, q)
LOSS_LOOP(tweedie_identity, , c)
LOSS_LOOP(negative_binomial, const double log_c = log(c);, c, log_c)
LOSS_LOOP(huber, , c)
#undef LOSS_LOOP
