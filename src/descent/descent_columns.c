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

#define BORDER_BLOCK 64 /* columns of one task */
#define FEW_NEW 3       /* new columns from which they are taken by rows */
#define MOST_NEW 512    /* of them at once, whose sums stay in the cache */

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

/* New columns i0 to i1 by rows: elements start[r] to start[r + 1] of `place` and `value` are row r's,
 * times s where there are weights. */
typedef struct {
    const fr_descent *q;
    ptrdiff_t i0, i1;
    ptrdiff_t *start;
    int32_t *place;
    double *value, *g;
    ptrdiff_t ld;
} by_rows;

static int to_rows(const fr_descent *q, ptrdiff_t i0, ptrdiff_t i1, by_rows *to)
{
    const fr_matrix *a = q->a;
    const ptrdiff_t n = a->n_minor;
    ptrdiff_t nnz = 0;
    for (ptrdiff_t i = i0; i < i1; i++)
        nnz += pointer(a, column_of(q, i) + 1) - pointer(a, column_of(q, i));
    to->start = calloc((size_t)n + 2, sizeof(ptrdiff_t));
    to->place = malloc((size_t)MAX(nnz, 1) * sizeof(int32_t));
    to->value = malloc((size_t)MAX(nnz, 1) * sizeof(double));
    if (!to->start || !to->place || !to->value)
        return FR_NO_MEMORY;
    /* counts two places ahead: filled from the places one ahead, which end as beginnings */
    for (ptrdiff_t i = i0; i < i1; i++)
        for (ptrdiff_t k = pointer(a, column_of(q, i)); k < pointer(a, column_of(q, i) + 1); k++)
            to->start[index_at(a, k) + 2]++;
    for (ptrdiff_t r = 0; r < n; r++)
        to->start[r + 2] += to->start[r + 1];
    for (ptrdiff_t i = i0; i < i1; i++)
        for (ptrdiff_t k = pointer(a, column_of(q, i)); k < pointer(a, column_of(q, i) + 1); k++) {
            const ptrdiff_t r = index_at(a, k), at = to->start[r + 1]++;
            to->place[at] = (int32_t)(i - i0);
            to->value[at] = value_at(a, k) * (q->weight ? q->weight[r] : 1.0);
        }
    return 0;
}

static void border_task(void *context, ptrdiff_t t)
{
    const by_rows *to = context;
    const fr_descent *q = to->q;
    const fr_matrix *a = q->a;
    const ptrdiff_t i0 = to->i0, i1 = to->i1, *start = to->start;
    for (ptrdiff_t c = t * BORDER_BLOCK; c < MIN((t + 1) * BORDER_BLOCK, i1); c++) {
        const ptrdiff_t j = column_of(q, c);
        const double shift = shift_of(a, j), scale = scale_of(a, j);
        double *sum = to->g + c * to->ld + i0;
        memset(sum, 0, (size_t)(i1 - i0) * sizeof(double));
        for (ptrdiff_t k = pointer(a, j); k < pointer(a, j + 1); k++) {
            const ptrdiff_t r = index_at(a, k);
            if (start[r] == start[r + 1])
                continue;
            const double x = value_at(a, k);
            for (ptrdiff_t e = start[r]; e < start[r + 1]; e++)
                sum[to->place[e]] += x * to->value[e];
        }
        for (ptrdiff_t i = i0; i < i1; i++) {
            const ptrdiff_t other = column_of(q, i);
            sum[i - i0] = scale * scale_of(a, other) *
                          (unit_of(q) * sum[i - i0] - shift * shift_of(a, other));
            if (c < i0)
                to->g[i * to->ld + c] = sum[i - i0];
        }
    }
}

/* Sparse columns meet in few rows: what is read is the set once, and the rows where both are. */
static int border_by_rows(const fr_descent *q, ptrdiff_t i0, ptrdiff_t i1, double *g, ptrdiff_t ld)
{
    by_rows to = {.q = q, .i0 = i0, .i1 = i1, .g = g, .ld = ld};
    int status = to_rows(q, i0, i1, &to);
    if (!status)
        status = fr_parallel(border_task, &to, (i1 + BORDER_BLOCK - 1) / BORDER_BLOCK, q->n_threads);
    free(to.start);
    free(to.place);
    free(to.value);
    return status;
}

int fr_columns_border(const fr_descent *q, ptrdiff_t i0, ptrdiff_t i1, double *g, ptrdiff_t ld)
{
    const double one = 1.0;
    if (q->a->index >= 0 && i1 - i0 >= FEW_NEW) {
        int status = 0;
        for (ptrdiff_t i = i0; i < i1 && !status; i += MOST_NEW)
            if (!(status = border_by_rows(q, i, MIN(i + MOST_NEW, i1), g, ld)))
                status = fr_poll();
        return status;
    }
    for (ptrdiff_t i = i0; i < i1; i++) {
        const int32_t from = (int32_t)i;
        fr_columns_times(q, &from, 1, &one, NULL, i + 1, g + i * ld);
        for (ptrdiff_t j = 0; j < i; j++)
            g[j * ld + i] = g[i * ld + j];
        if (fr_poll())
            return FR_INTERRUPTED;
    }
    return 0;
}
