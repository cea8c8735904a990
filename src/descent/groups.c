#include "groups.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "extrapolate.h"
#include "parallel.h"

#define SUPPORT (FR_HISTORY - 1) /* sweeps over the support for one over all features */

typedef struct {
    fr_groups *q;
    double *past, *trial, *norm, *z;
    int32_t *list;
    ptrdiff_t size;
    uint64_t random;
} state;

/* out += t * row j of the Gram matrix */
static void row_add(const fr_groups *q, ptrdiff_t j, double t, double *out)
{
    fr_active()->real[FR_DOUBLE].axpy_rows(q->gram + j * q->ld, q->ld, 1, q->m, NULL, NULL, &t, out);
}

static double dual_at(ptrdiff_t m, const double *l1, const double *l2, const double *norm, double yr,
                      double rr, double t)
{
    double value = t * yr - 0.5 * t * t * rr;
    for (ptrdiff_t j = 0; j < m; j++) {
        const double over = t * norm[j] - l1[j];
        if (over > 0 && l2[j] > 0)
            value -= 0.5 * over * over / l2[j];
    }
    return value;
}

double fr_groups_dual(ptrdiff_t m, const double *l1, const double *l2, const double *norm, double yr,
                      double rr)
{
    double most = rr > 0 ? MAX(yr / rr, 0.0) : 1.0, within = INFINITY;
    int smooth = 0;
    for (ptrdiff_t j = 0; j < m; j++) {
        const double limit = norm[j] > 0 ? l1[j] / norm[j] : INFINITY;
        if (l2[j] > 0)
            smooth = 1;
        else
            most = MIN(most, limit);
        within = MIN(within, limit);
    }
    if (!smooth)
        return most * yr - 0.5 * most * most * rr;
    const double at_one = dual_at(m, l1, l2, norm, yr, rr, MIN(most, 1.0));
    return MAX(at_one, dual_at(m, l1, l2, norm, yr, rr, MIN(most, within)));
}

/* |v_j| over the targets */
static double norm_of(const fr_groups *q, const double *v, ptrdiff_t j)
{
    double sum = 0;
    for (ptrdiff_t t = 0; t < q->k; t++)
        sum += v[t * q->m + j] * v[t * q->m + j];
    return sqrt(sum);
}

/* The objective at w, whose gradient is g; the dual value as another candidate. */
static double evaluate(state *s, const double *w, const double *g)
{
    fr_groups *q = s->q;
    double cw = 0, gw = 0, penalty = 0;
    for (ptrdiff_t i = 0; i < q->k * q->m; i++)
        if (w[i] != 0) {
            cw += q->cross[i] * w[i];
            gw += g[i] * w[i];
        }
    for (ptrdiff_t j = 0; j < q->m; j++) {
        const double size = norm_of(q, w, j);
        penalty += q->l1[j] * size + 0.5 * q->l2[j] * size * size;
        s->norm[j] = norm_of(q, g, j);
    }
    const double yr = q->yy - cw, rr = MAX(yr - gw, 0.0);
    const double dual = fr_groups_dual(q->m, q->l1, q->l2, s->norm, yr, rr);
    if (dual > q->dual) {
        q->dual = dual;
        memcpy(q->w_dual, w, (size_t)(q->k * q->m) * sizeof(double));
    }
    return 0.5 * rr + penalty;
}

/* g = A'S (Y - A W), summed anew */
static int gradient(const fr_groups *q, const double *w, double *g)
{
    memcpy(g, q->cross, (size_t)(q->k * q->m) * sizeof(double));
    for (ptrdiff_t j = 0; j < q->m; j++) {
        for (ptrdiff_t t = 0; t < q->k; t++)
            if (w[t * q->m + j] != 0)
                row_add(q, j, -w[t * q->m + j], g + t * q->m);
        if (j % 256 == 255 && fr_poll())
            return FR_INTERRUPTED;
    }
    return 0;
}

static void shuffle(state *s)
{
    for (ptrdiff_t i = s->size - 1; i > 0; i--) {
        s->random ^= s->random << 13;
        s->random ^= s->random >> 7;
        s->random ^= s->random << 17;
        const ptrdiff_t j = (ptrdiff_t)(s->random % (uint64_t)(i + 1));
        const int32_t t = s->list[i];
        s->list[i] = s->list[j];
        s->list[j] = t;
    }
}

/* One pass over the features in hand: w_j := z (1 - l1_j / |z|)_+ / (square_j + l2_j),
 * z = g_j + square_j w_j. */
static int sweep(state *s)
{
    fr_groups *q = s->q;
    const ptrdiff_t m = q->m, k = q->k;
    if (s->random)
        shuffle(s);
    for (ptrdiff_t i = 0; i < s->size; i++) {
        const ptrdiff_t j = s->list[i];
        double norm = 0;
        for (ptrdiff_t t = 0; t < k; t++) {
            s->z[t] = q->g[t * m + j] + q->square[j] * q->w[t * m + j];
            norm += s->z[t] * s->z[t];
        }
        norm = sqrt(norm);
        const double share = norm > q->l1[j] ? (1 - q->l1[j] / norm) / (q->square[j] + q->l2[j]) : 0;
        for (ptrdiff_t t = 0; t < k; t++) {
            const double old = q->w[t * m + j], to = share * s->z[t];
            if (to != old)
                row_add(q, j, old - to, q->g + t * m);
            q->w[t * m + j] = to;
        }
        if (i % 256 == 255 && fr_poll())
            return FR_INTERRUPTED;
    }
    return 0;
}

static void all_features(state *s)
{
    s->size = s->q->m;
    for (ptrdiff_t j = 0; j < s->size; j++)
        s->list[j] = (int32_t)j;
}

static void support(state *s)
{
    s->size = 0;
    for (ptrdiff_t j = 0; j < s->q->m; j++)
        if (norm_of(s->q, s->q->w, j) > 0)
            s->list[s->size++] = (int32_t)j;
}

static int descend(state *s)
{
    fr_groups *q = s->q;
    const ptrdiff_t size = q->k * q->m;
    const size_t bytes = (size_t)size * sizeof(double);
    int status = 0;
    q->n_iter = 0;
    q->dual = -INFINITY;
    q->objective = evaluate(s, q->w, q->g);
    while (!status && !(q->objective - q->dual <= q->tol) && q->n_iter < q->max_iter) {
        q->n_iter++;
        all_features(s);
        status = sweep(s);
        for (int i = 0; i < SUPPORT && !status; i++) {
            memcpy(s->past + i * size, q->w, bytes);
            support(s);
            status = sweep(s);
        }
        if (status)
            break;
        memcpy(s->past + SUPPORT * size, q->w, bytes);
        q->objective = evaluate(s, q->w, q->g);
        double weight[FR_HISTORY];
        if (q->objective - q->dual <= q->tol || !fr_extrapolation(s->past, size, weight))
            continue;
        double *w = s->trial, *g = s->trial + size;
        memset(w, 0, bytes);
        for (int a = 0; a < SUPPORT; a++)
            for (ptrdiff_t i = 0; i < size; i++)
                w[i] += weight[a] * s->past[(a + 1) * size + i];
        if ((status = gradient(q, w, g)))
            break;
        const double value = evaluate(s, w, g);
        if (value < q->objective) {
            q->objective = value;
            memcpy(q->w, w, bytes);
            memcpy(q->g, g, bytes);
        }
    }
    return status;
}

int fr_descend_groups(fr_groups *q)
{
    const ptrdiff_t size = MAX(q->m * q->k, 1);
    state s = {.q = q, .random = q->seed};
    double *memory =
        malloc((size_t)(size * (FR_HISTORY + 2) + q->m + q->k) * sizeof(double));
    s.list = malloc((size_t)MAX(q->m, 1) * sizeof(int32_t));
    int status = FR_NO_MEMORY;
    if (memory && s.list) {
        s.past = memory;
        s.trial = s.past + FR_HISTORY * size;
        s.norm = s.trial + 2 * size;
        s.z = s.norm + q->m;
        status = descend(&s);
    }
    free(memory);
    free(s.list);
    return status;
}
