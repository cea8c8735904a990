#include "moments.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cholesky.h"
#include "parallel.h"

ptrdiff_t fr_moments_workspace(const fr_matrix *a, ptrdiff_t k)
{
    ptrdiff_t order = fr_n_columns(a);
    if (a->index < 0)
        order = MAX(fr_gram_order(order + k + 1), fr_single_order(order));
    /* for sizes that overflow: more than can be allocated */
    return order <= (PTRDIFF_MAX / 16) / MAX(order, 1) ? order * order : PTRDIFF_MAX / 16;
}

/* Compute one Gram matrix of the columns [X, y, 1], all about a place near their means. */
static int dense_moments(fr_moments *m)
{
    const ptrdiff_t n = fr_n_rows(m->a), p = fr_n_columns(m->a), k = m->k, ones = p + k;
    const ptrdiff_t ld = fr_gram_order(p + k + (m->centre ? 1 : 0));
    double *g = m->g;
    const fr_gram_source source = {.a = m->a,
                                   .y = m->y,
                                   .k = k,
                                   .ones = m->centre,
                                   .col_shift = m->centre ? m->shift : NULL,
                                   .y_shift = m->centre ? m->y_shift : NULL,
                                   .root_weight = m->w ? m->scratch : NULL};
    if (m->centre) {
        const fr_matrix y = {.n_major = k, .n_minor = n, .ld = n, .data = m->y, .index = -1,
                             .by_column = 1};
        fr_place(m->a, m->w, m->shift);
        fr_place(&y, m->w, m->y_shift);
    }
    if (m->w)
        for (ptrdiff_t i = 0; i < n; i++)
            m->scratch[i] = sqrt(m->w[i]);
    const int status = fr_gram_dense(&source, g, m->n_threads);
    if (status)
        return status;
    for (ptrdiff_t j = 0; j < p; j++)
        if (!isfinite(g[j * ld + j]))
            return FR_NOT_FINITE;
    if (m->centre) {
        m->total = g[ones * ld + ones];
        for (ptrdiff_t j = 0; j < p; j++)
            m->offset[j] = g[j * ld + ones] / m->total;
        for (ptrdiff_t t = 0; t < k; t++)
            m->y_offset[t] = g[(p + t) * ld + ones] / m->total;
    }
    for (ptrdiff_t t = 0; t < k; t++) {
        const double d = m->total * m->y_offset[t];
        for (ptrdiff_t j = 0; j < p; j++)
            m->cross[t * p + j] = g[j * ld + p + t] - m->offset[j] * d;
        m->yy[t] = g[(p + t) * ld + p + t] - m->y_offset[t] * d;
    }
    /* Compact to p x p in place, subtracting the share of the means. */
    double *even = NULL;
    int seen = 0, status_of_even = 0;
    for (ptrdiff_t i = 0; i < p; i++) {
        const double d = m->total * m->offset[i];
        for (ptrdiff_t j = i; j < p; j++)
            g[i * p + j] = g[i * ld + j] - d * m->offset[j];
        const double square = g[i * p + i];
        int constant = !(square > fr_lost(n) * d * m->offset[i]);
        if (!constant && m->centre && fr_is_constant(m->shift[i] + m->offset[i], square / m->total)) {
            if (!seen++)
                status_of_even = fr_even_stats(m->a, m->w, &even, m->n_threads);
            constant = !(even && even[p + i] > 0);
        }
        if (constant)
            g[i * p + i] = 0;
    }
    free(even);
    return status_of_even;
}

/* Compact from order ld to p x p: M = G - W o o' in units of the scale, with the exact diagonal;
 * constant columns get a zero row. */
static int single_gram(const fr_moments *m, const double *g, ptrdiff_t ld, const double *square,
                       double total, double *to)
{
    const ptrdiff_t n = fr_n_rows(m->a), p = fr_n_columns(m->a);
    for (ptrdiff_t i = 0; i < p; i++) {
        const double si = m->scale[i], d = total * m->offset[i], exact = square[i] * si * si;
        /* out of range, or not all of it */
        if (!(fabs(g[i * ld + i] - exact) <= 1e-3 * exact))
            return isfinite(square[i]) ? FR_UNSTABLE : FR_NOT_FINITE;
        const double rest = exact - d * m->offset[i] * si * si;
        for (ptrdiff_t j = i; j < p; j++)
            to[i * p + j] = g[i * ld + j] - d * si * (m->offset[j] * m->scale[j]);
        int constant = !(rest > fr_lost(n) * d * m->offset[i] * si * si);
        if (!constant && m->centre && fr_is_constant(m->shift[i] + m->offset[i], rest / si / si / total)) {
            if (fr_some_are_light(m->w, n))
                return FR_UNSTABLE;
            constant = 1;
        }
        to[i * p + i] = constant ? 0.0 : rest;
    }
    return 0;
}

/* Return whether the rows so far, with their share of the penalty, are close to singular. */
static int probe(const fr_moments *m, ptrdiff_t ld, const double *square, double total,
                 const double *penalty, double alpha)
{
    const ptrdiff_t p = fr_n_columns(m->a);
    double *u = malloc((size_t)(p * p + p) * sizeof(double)), *diagonal = u + p * p;
    if (!u)
        return FR_NO_MEMORY;
    int status = single_gram(m, m->g, ld, square, total, u);
    for (ptrdiff_t i = 0; i < p && !status; i++) {
        diagonal[i] = u[i * p + i] + alpha * (penalty ? penalty[i] : 1.0) * m->scale[i] * m->scale[i];
        if (u[i * p + i] > 0)
            continue;
        for (ptrdiff_t j = i; j < p; j++)
            u[i * p + j] = 0;
        for (ptrdiff_t j = 0; j < i; j++)
            u[j * p + i] = 0;
        diagonal[i] = 1;
    }
    if (!status)
        status = fr_cholesky_single(u, p, diagonal, FR_KEEP_SINGLE, m->n_threads);
    free(u);
    return status;
}

int fr_sum_moments_single(fr_moments *m, const double *penalty, double alpha)
{
    const ptrdiff_t n = fr_n_rows(m->a), p = fr_n_columns(m->a), k = m->k;
    const ptrdiff_t ld = fr_single_order(p);
    const fr_matrix y = {.n_major = k, .n_minor = n, .ld = n, .data = m->y, .index = -1,
                         .by_column = 1};
    const fr_gram_source source = {.a = m->a, .y = m->y, .k = k, .col_shift = m->shift,
                                   .y_shift = m->y_shift, .root_weight = m->w ? m->scratch : NULL};
    double *square = malloc((size_t)p * sizeof(double));
    if (!square)
        return FR_NO_MEMORY;
    const fr_single_sums sums = {.scale = m->scale, .weight = m->w, .sum = m->offset,
                                 .square = square, .cross = m->cross};
    memset(m->shift, 0, (size_t)p * sizeof(double));
    memset(m->y_shift, 0, (size_t)k * sizeof(double));
    if (m->centre) {
        fr_place(m->a, m->w, m->shift);
        fr_place(&y, m->w, m->y_shift);
    }
    m->total = m->w ? 0.0 : (double)n;
    for (ptrdiff_t i = 0; i < n && m->w; i++) {
        m->total += m->w[i];
        m->scratch[i] = sqrt(m->w[i]);
    }
    for (ptrdiff_t t = 0; t < k; t++) {
        double s = 0, q = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            const double e = m->y[t * n + i] - m->y_shift[t], we = m->w ? m->w[i] * e : e;
            s += we;
            q += we * e;
        }
        m->y_offset[t] = m->centre ? s / m->total : 0.0;
        m->yy[t] = q - m->total * m->y_offset[t] * m->y_offset[t];
    }
    fr_single_scale(&source, m->scale);

    /* a part of the rows tells cheaply whether the rest is worthwhile */
    const ptrdiff_t part = 2 * p <= n / 8 ? n / 8 / 1000 * 1000 : 0;
    int status = 0;
    if (part) {
        status = fr_gram_single(&source, &sums, 0, part, m->g, m->n_threads);
        double total = m->w ? 0.0 : (double)part;
        for (ptrdiff_t i = 0; i < part && m->w; i++)
            total += m->w[i];
        double *all = m->offset, *offset = malloc((size_t)p * sizeof(double));
        if (!status && offset && total > 0) {
            for (ptrdiff_t j = 0; j < p; j++)
                offset[j] = m->centre ? all[j] / total : 0.0;
            m->offset = offset;
            status = probe(m, ld, square, total, penalty, alpha * total / m->total);
            m->offset = all;
        }
        free(offset);
    }
    if (!status)
        status = fr_gram_single(&source, &sums, part, n, m->g, m->n_threads);
    for (ptrdiff_t j = 0; j < p; j++)
        m->offset[j] = m->centre ? m->offset[j] / m->total : 0.0;
    if (!status)
        status = single_gram(m, m->g, ld, square, m->total, m->g);
    for (ptrdiff_t t = 0; t < k; t++)
        for (ptrdiff_t j = 0; j < p; j++)
            m->cross[t * p + j] -= m->offset[j] * (m->total * m->y_offset[t]);
    free(square);
    return status;
}

static int sparse_moments(fr_moments *m)
{
    const ptrdiff_t n = fr_n_rows(m->a), p = fr_n_columns(m->a);
    double *variance = m->shift;
    int status = m->centre ? fr_column_stats(m->a, m->w, m->offset, variance, m->n_threads) : 0;
    for (ptrdiff_t j = 0; j < p && m->centre && !status && !m->a->is_near; j++)
        if (fr_is_far(m->offset[j], variance[j]))
            status = FR_IS_FAR;
    if (!status)
        status = fr_gram_sparse(m->by_row, m->w, NULL, p, m->g, 1, m->n_threads);
    if (status)
        return status;
    m->total = (double)n;
    if (m->w) {
        m->total = 0;
        for (ptrdiff_t i = 0; i < n; i++)
            m->total += m->w[i];
    }
    for (ptrdiff_t t = 0; t < m->k && !status; t++) {
        const double *y = m->y + t * n;
        if (m->centre) {
            const fr_matrix target = {.n_major = 1, .n_minor = n, .ld = n, .data = y, .index = -1,
                                      .by_column = 1};
            double sum = 0;
            fr_place(&target, m->w, m->y_shift + t);
            for (ptrdiff_t i = 0; i < n; i++)
                sum += (m->w ? m->w[i] : 1.0) * (y[i] - m->y_shift[t]);
            m->y_offset[t] = sum / m->total;
        }
        const double mean = m->y_shift[t] + m->y_offset[t];
        m->yy[t] = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            m->scratch[i] = (m->w ? m->w[i] : 1.0) * (y[i] - mean);
            m->yy[t] += m->scratch[i] * (y[i] - mean);
        }
        status = fr_tdot(m->a, m->scratch, m->cross + t * p, 1, m->n_threads);
    }
    if (m->centre)
        for (ptrdiff_t i = 0; i < p; i++) {
            for (ptrdiff_t j = i; j < p; j++)
                m->g[i * p + j] -= m->total * m->offset[i] * m->offset[j];
            /* what centring leaves of a constant column is round-off */
            if (variance[i] == 0)
                m->g[i * p + i] = 0;
        }
    memset(m->shift, 0, (size_t)p * sizeof(double));
    return status;
}

int fr_sum_moments(fr_moments *m)
{
    const size_t p = (size_t)fr_n_columns(m->a), k = (size_t)m->k;
    memset(m->shift, 0, p * sizeof(double));
    memset(m->offset, 0, p * sizeof(double));
    memset(m->y_shift, 0, k * sizeof(double));
    memset(m->y_offset, 0, k * sizeof(double));
    m->total = 0;
    return m->a->index < 0 ? dense_moments(m) : sparse_moments(m);
}
