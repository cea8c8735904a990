/* Coordinate descent with the matrix itself, by columns.
 *
 * Dense data: residual r = y - A w. Sparse data: their centring adds level = sum_j v_j mean_j with
 * v_j = scale_j w_j, and what is kept is e = y - X v, times s where there are weights. As the
 * weights sum to 1 and the sum of S (e + level) is 0 beside an intercept,
 *
 *   a_j'S r = scale_j (x_j'S e + level mean_j). */

#include <stdlib.h>
#include <string.h>

#include "descent_state.h"

enum { STRETCH = 4096 };

static double unit_of(const fr_descent *q)
{
    return q->weight ? 1.0 : 1.0 / (double)MAX(fr_n_rows(q->a), 1);
}

double fr_column_gradient(const fr_descent *q, ptrdiff_t k)
{
    const fr_matrix *a = q->a;
    const ptrdiff_t j = column_of(q, k);
    const double scale = scale_of(a, j), shift = shift_of(a, j);
    double raw;
    if (a->index < 0) {
        functions(a)->dot_rows(element(a, j, 0), a->ld, 1, a->n_minor, NULL, &shift, q->residual, &raw);
        return scale * raw / (double)a->n_minor;
    }
    const fr_compressed c = compressed_from(a, j);
    functions(a)->gather[a->index](&c, 0, 1, q->residual, &raw);
    return scale * (unit_of(q) * raw + q->level * shift);
}

int fr_all_gradients(const fr_descent *q)
{
    const fr_matrix *a = q->a;
    if (a->index >= 0 && !q->columns) {
        for (ptrdiff_t j = 0; j < q->m; j += STRETCH) {
            const ptrdiff_t count = MIN(STRETCH, q->m - j);
            const fr_compressed c = compressed_from(a, j);
            functions(a)->gather[a->index](&c, 0, count, q->residual, q->g + j);
            for (ptrdiff_t k = j; k < j + count; k++)
                q->g[k] = scale_of(a, k) * (unit_of(q) * q->g[k] + q->level * shift_of(a, k));
            if (fr_poll())
                return FR_INTERRUPTED;
        }
        return 0;
    }
    for (ptrdiff_t k = 0; k < q->m; k++) {
        q->g[k] = fr_column_gradient(q, k);
        if (k % STRETCH == STRETCH - 1 && fr_poll())
            return FR_INTERRUPTED;
    }
    return 0;
}

/* out += t x_j, times s where there are weights */
static void scatter_one(const fr_descent *q, ptrdiff_t j, double t, double *out)
{
    const fr_matrix *a = q->a;
    const fr_compressed c = compressed_from(a, j);
    if (q->weight)
        functions(a)->scatter_by[a->index](&c, 0, 1, &t, q->weight, out);
    else
        functions(a)->scatter[a->index](&c, 0, 1, &t, out);
}

void fr_column_add(fr_descent *q, ptrdiff_t k, double t)
{
    const fr_matrix *a = q->a;
    const ptrdiff_t j = column_of(q, k);
    const double shift = shift_of(a, j);
    t *= scale_of(a, j);
    if (a->index < 0) {
        functions(a)->axpy_rows(element(a, j, 0), a->ld, 1, a->n_minor, NULL, &shift, &t, q->residual);
        return;
    }
    scatter_one(q, j, t, q->residual);
    q->level -= t * shift;
}

void fr_columns_times(const fr_descent *q, const int32_t *from, ptrdiff_t n_from, const double *v,
                      const int32_t *to, ptrdiff_t n_to, double *out)
{
    const fr_matrix *a = q->a;
    const ptrdiff_t n = a->n_minor;
    double *image = q->spare, level = 0;
    memset(image, 0, (size_t)n * sizeof(double));
    for (ptrdiff_t i = 0; i < n_from; i++) {
        const ptrdiff_t j = column_of(q, from[i]);
        const double shift = shift_of(a, j), t = scale_of(a, j) * v[i];
        if (a->index < 0)
            functions(a)->axpy_rows(element(a, j, 0), a->ld, 1, n, NULL, &shift, &t, image);
        else
            scatter_one(q, j, t, image);
        level += t * shift;
    }
    for (ptrdiff_t i = 0; i < n_to; i++) {
        const ptrdiff_t j = column_of(q, to ? to[i] : i);
        const double shift = shift_of(a, j), scale = scale_of(a, j);
        if (a->index < 0) {
            functions(a)->dot_rows(element(a, j, 0), a->ld, 1, n, NULL, &shift, image, &out[i]);
            out[i] *= scale / (double)n;
        } else {
            const fr_compressed c = compressed_from(a, j);
            functions(a)->gather[a->index](&c, 0, 1, image, &out[i]);
            out[i] = scale * (unit_of(q) * out[i] - shift * level);
        }
    }
}
