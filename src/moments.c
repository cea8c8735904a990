#include "moments.h"

#include <math.h>
#include <string.h>

#include "access.h"

ptrdiff_t fr_moments_room(const fr_matrix *a, ptrdiff_t k)
{
    const ptrdiff_t order = a->index < 0 ? fr_gram_order(fr_n_columns(a) + k + 1) : fr_n_columns(a);
    return order * order;
}

/* One Gram matrix of the columns [X, y, 1], all about a place near their means. */
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
                                   .root_weight = m->w ? m->spare : NULL};
    if (m->centre) {
        const fr_matrix y = {.n_major = k, .n_minor = n, .ld = n, .data = m->y, .index = -1,
                             .by_column = 1};
        fr_place(m->a, m->w, m->shift);
        fr_place(&y, m->w, m->y_shift);
    }
    if (m->w)
        for (ptrdiff_t i = 0; i < n; i++)
            m->spare[i] = sqrt(m->w[i]);
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
    /* to p x p in place, taking the mean's share away */
    for (ptrdiff_t i = 0; i < p; i++) {
        const double d = m->total * m->offset[i];
        for (ptrdiff_t j = i; j < p; j++)
            g[i * p + j] = g[i * ld + j] - d * m->offset[j];
        if (!(g[i * p + i] > fr_lost(n) * d * m->offset[i]))
            g[i * p + i] = 0;
    }
    return 0;
}

static int sparse_moments(fr_moments *m)
{
    const ptrdiff_t n = fr_n_rows(m->a), p = fr_n_columns(m->a);
    double *variance = m->shift;
    int status = fr_gram_sparse(m->by_row, m->w, NULL, p, m->g, m->n_threads);
    if (!status && m->centre)
        status = fr_column_stats(m->a, m->w, m->offset, variance, m->n_threads);
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
            double sum = 0;
            for (ptrdiff_t i = 0; i < n; i++)
                sum += (m->w ? m->w[i] : 1.0) * (y[i] - y[0]);
            m->y_shift[t] = y[0];
            m->y_offset[t] = sum / m->total;
        }
        const double mean = m->y_shift[t] + m->y_offset[t];
        m->yy[t] = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            m->spare[i] = (m->w ? m->w[i] : 1.0) * (y[i] - mean);
            m->yy[t] += m->spare[i] * (y[i] - mean);
        }
        status = fr_tdot(m->a, m->spare, m->cross + t * p, 1, m->n_threads);
    }
    if (m->centre)
        for (ptrdiff_t i = 0; i < p; i++) {
            for (ptrdiff_t j = i; j < p; j++)
                m->g[i * p + j] -= m->total * m->offset[i] * m->offset[j];
            /* what centring leaves of a constant column is rounding */
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
