/* The multinomial loss and its derivatives, by blocks of rows: loops over rows are vectorised. */

#include "elementary.h"
#include "softmax.h"

enum { SOFTMAX_BLOCK = 128 };

/* log(1 + t) for any t >= 0: 1 + t = 2^e m, 1 <= m < 2 */
FR_INLINE double log_of_sum(double t)
{
    const uint64_t b = bits_of(1.0 + t), e = b >> 52;
    const double m = double_of((b & 0xfffffffffffff) | 0x3ff0000000000000) - 1.0;
    const double power = double_of(e | 0x4330000000000000) - (4503599627370496.0 + 1023.0);
    const double found = power * 6.93147180559945286227e-01 + fr_log1p(t < 1.0 ? t : m);
    return t < 1e300 ? found : t;
}

static double softmax_loop(const fr_softmax *q, ptrdiff_t i0, ptrdiff_t n)
{
    const ptrdiff_t ld = q->ld, k = q->k;
    double total = 0.0, top[SOFTMAX_BLOCK], rest[SOFTMAX_BLOCK], ties[SOFTMAX_BLOCK], v[SOFTMAX_BLOCK];
    for (ptrdiff_t j = 0; j < n; j += SOFTMAX_BLOCK, i0 += SOFTMAX_BLOCK) {
        const ptrdiff_t m = n - j < SOFTMAX_BLOCK ? n - j : SOFTMAX_BLOCK;
        const double *w = q->w ? q->w + i0 : NULL;
        for (ptrdiff_t i = 0; i < m; i++) {
            top[i] = q->eta[i0 + i];
            rest[i] = 0.0;
            ties[i] = -1.0;
        }
        for (ptrdiff_t c = 1; c < k; c++) {
            const double *FR_RESTRICT eta = q->eta + c * ld + i0;
            for (ptrdiff_t i = 0; i < m; i++)
                top[i] = eta[i] > top[i] ? eta[i] : top[i];
        }
        /* rest = sum_c exp(eta_c - top) - 1; small terms are not added to 1 */
        for (ptrdiff_t c = 0; c < k; c++) {
            const double *FR_RESTRICT eta = q->eta + c * ld + i0;
            double *FR_RESTRICT to = q->prob ? q->prob + c * ld + i0 : v;
            for (ptrdiff_t i = 0; i < m; i++) {
                const int first = eta[i] >= top[i];
                const double e = fr_exp(eta[i] - top[i]);
                to[i] = e;
                rest[i] += first ? 0.0 : e;
                ties[i] += first ? 1.0 : 0.0;
            }
        }
        for (ptrdiff_t i = 0; i < m; i++) {
            rest[i] += ties[i];
            v[i] = log_of_sum(rest[i]);
        }
        if (q->label)
            for (ptrdiff_t i = 0; i < m; i++)
                v[i] += top[i] - q->eta[q->label[i0 + i] * ld + i0 + i];
        else
            for (ptrdiff_t c = 0; c < k; c++) {
                const double *FR_RESTRICT eta = q->eta + c * ld + i0;
                const double *FR_RESTRICT y = q->share + c * ld + i0;
                for (ptrdiff_t i = 0; i < m; i++)
                    v[i] += y[i] > 0 ? y[i] * (top[i] - eta[i]) : 0.0;
            }
        /* a weight of 0 also excludes non-finite values */
        for (ptrdiff_t i = 0; w && i < m; i++)
            v[i] = w[i] > 0 ? v[i] * w[i] : 0.0;
        total += sum_of_block(v, m);
        if (!q->prob)
            continue;
        for (ptrdiff_t i = 0; i < m; i++)
            v[i] = 1.0 / (1.0 + rest[i]);
        for (ptrdiff_t c = 0; c < k; c++) {
            double *FR_RESTRICT prob = q->prob + c * ld + i0;
            double *FR_RESTRICT r = q->r + c * ld + i0, *FR_RESTRICT curve = q->curve + c * ld + i0;
            for (ptrdiff_t i = 0; i < m; i++) {
                const double e = prob[i], p = e * v[i];
                /* 1 - p without cancellation near p = 1 */
                const double other = (e >= 1.0 ? rest[i] : 1.0 + rest[i] - e) * v[i];
                prob[i] = r[i] = p;
                curve[i] = p * other;
                ties[i] = other;
            }
            if (q->label)
                for (ptrdiff_t i = 0; i < m; i++)
                    r[i] = q->label[i0 + i] == c ? -ties[i] : r[i];
            else
                for (ptrdiff_t i = 0; i < m; i++) {
                    const double y = q->share[c * ld + i0 + i];
                    r[i] = (1.0 - y) * r[i] - y * ties[i];
                }
            for (ptrdiff_t i = 0; w && i < m; i++) {
                r[i] *= w[i];
                curve[i] *= w[i];
            }
        }
    }
    return total;
}

static void softmax_curve_loop(const fr_softmax *q, double *t, ptrdiff_t i0, ptrdiff_t n)
{
    const ptrdiff_t ld = q->ld, k = q->k;
    double mean[SOFTMAX_BLOCK];
    for (ptrdiff_t j = 0; j < n; j += SOFTMAX_BLOCK, i0 += SOFTMAX_BLOCK) {
        const ptrdiff_t m = n - j < SOFTMAX_BLOCK ? n - j : SOFTMAX_BLOCK;
        memset(mean, 0, sizeof mean);
        for (ptrdiff_t c = 0; c < k; c++) {
            const double *FR_RESTRICT prob = q->prob + c * ld + i0, *FR_RESTRICT tc = t + c * ld + i0;
            for (ptrdiff_t i = 0; i < m; i++)
                mean[i] += prob[i] * tc[i];
        }
        for (ptrdiff_t c = 0; c < k; c++) {
            const double *FR_RESTRICT prob = q->prob + c * ld + i0;
            double *FR_RESTRICT tc = t + c * ld + i0;
            if (q->w) {
                const double *FR_RESTRICT w = q->w + i0;
                for (ptrdiff_t i = 0; i < m; i++)
                    tc[i] = w[i] * prob[i] * (tc[i] - mean[i]);
            } else
                for (ptrdiff_t i = 0; i < m; i++)
                    tc[i] = prob[i] * (tc[i] - mean[i]);
        }
    }
}
