/* Gram matrix of a growing set of columns of a matrix. */

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "border.h"
#include "parallel.h"

#define BLOCK 64     /* columns of one task */
#define FEW_NEW 3    /* number of new columns from which products go by rows */
#define MOST_NEW 512 /* new columns at once whose sums stay in the cache */

/* Columns of the set; weight: s of the rows of sparse data, NULL: 1 / n. */
typedef struct {
    const fr_matrix *a;
    const int32_t *columns;
    const double *weight;
    double unit;
} column_set;

static ptrdiff_t column_of(const column_set *q, ptrdiff_t i) { return q->columns ? q->columns[i] : i; }

/* New columns i0 to i1 stored by rows: elements start[r] to start[r + 1] of `place` and `value`
 * belong to row r, times s with weights. */
typedef struct {
    const column_set *q;
    ptrdiff_t i0, i1;
    ptrdiff_t *start;
    int32_t *place;
    double *value, *g;
    ptrdiff_t ld;
} new_rows;

static int to_rows(const column_set *q, ptrdiff_t i0, ptrdiff_t i1, new_rows *to)
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
    /* counts are stored two positions ahead; filling advances those one ahead, which become the
     * starts */
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

/* Visit only rows that both columns share. */
static void block_task(void *context, ptrdiff_t t)
{
    const new_rows *to = context;
    const column_set *q = to->q;
    const fr_matrix *a = q->a;
    const ptrdiff_t i0 = to->i0, i1 = to->i1, *start = to->start;
    const ptrdiff_t c0 = t * BLOCK, c1 = MIN((t + 1) * BLOCK, i1);
    for (ptrdiff_t c = c0; c < c1; c++) {
        const ptrdiff_t j = column_of(q, c);
        const double shift = shift_of(a, j), scale = scale_of(a, j);
        /* a new column meets itself and those behind it; the earlier ones meet it */
        const ptrdiff_t first = MAX(c, i0), least = first - i0;
        double *sum = to->g + c * to->ld + i0;
        memset(sum + least, 0, (size_t)(i1 - first) * sizeof(double));
        for (ptrdiff_t k = pointer(a, j); k < pointer(a, j + 1); k++) {
            const ptrdiff_t r = index_at(a, k), begin = start[r];
            if (begin == start[r + 1])
                continue;
            const double x = value_at(a, k);
            for (ptrdiff_t e = start[r + 1] - 1; e >= begin && to->place[e] >= least; e--)
                sum[to->place[e]] += x * to->value[e];
        }
        for (ptrdiff_t i = first; i < i1; i++) {
            const ptrdiff_t other = column_of(q, i);
            sum[i - i0] = scale * scale_of(a, other) *
                          (q->unit * sum[i - i0] - shift * shift_of(a, other));
        }
    }
    /* the other triangle, in runs of a block */
    for (ptrdiff_t i = i0; i < i1; i++)
        for (ptrdiff_t c = c0; c < MIN(c1, i); c++)
            to->g[i * to->ld + c] = to->g[c * to->ld + i];
}

static int by_rows(const column_set *q, ptrdiff_t i0, ptrdiff_t i1, double *g, ptrdiff_t ld,
                   int n_threads)
{
    new_rows to = {.q = q, .i0 = i0, .i1 = i1, .g = g, .ld = ld};
    int status = to_rows(q, i0, i1, &to);
    if (!status)
        status = fr_parallel(block_task, &to, (i1 + BLOCK - 1) / BLOCK, n_threads);
    free(to.start);
    free(to.place);
    free(to.value);
    return status;
}

/* out += t x_j, times s with weights */
static void scatter_one(const column_set *q, ptrdiff_t j, double t, double *out)
{
    const fr_matrix *a = q->a;
    const fr_compressed c = compressed_from(a, j);
    if (q->weight)
        functions(a)->scatter_by[a->index](&c, 0, 1, &t, q->weight, out);
    else
        functions(a)->scatter[a->index](&c, 0, 1, &t, out);
}

/* Compute row i of g up to its diagonal from a dense copy of the column, `image` (n). */
static void one_column(const column_set *q, ptrdiff_t i, double *image, double *row)
{
    const fr_matrix *a = q->a;
    const ptrdiff_t n = a->n_minor, from = column_of(q, i);
    const double t = scale_of(a, from), level = t * shift_of(a, from);
    memset(image, 0, (size_t)n * sizeof(double));
    if (a->index < 0) {
        const double shift = shift_of(a, from);
        functions(a)->axpy_rows(element(a, from, 0), a->ld, 1, n, NULL, &shift, &t, image);
    } else
        scatter_one(q, from, t, image);
    for (ptrdiff_t c = 0; c <= i; c++) {
        const ptrdiff_t j = column_of(q, c);
        const double shift = shift_of(a, j), scale = scale_of(a, j);
        if (a->index < 0) {
            functions(a)->dot_rows(element(a, j, 0), a->ld, 1, n, NULL, &shift, image, &row[c]);
            row[c] *= scale / (double)n;
        } else {
            const fr_compressed x = compressed_from(a, j);
            functions(a)->gather[a->index](&x, 0, 1, image, &row[c]);
            row[c] = scale * (q->unit * row[c] - shift * level);
        }
    }
}

int fr_column_border(const fr_matrix *a, const int32_t *columns, const double *weight, ptrdiff_t i0,
                     ptrdiff_t i1, double *g, ptrdiff_t ld, int n_threads)
{
    const column_set q = {a, columns, weight, weight ? 1.0 : 1.0 / (double)MAX(a->n_minor, 1)};
    int status = 0;
    if (a->index >= 0 && i1 - i0 >= FEW_NEW) {
        for (ptrdiff_t i = i0; i < i1 && !status; i += MOST_NEW)
            if (!(status = by_rows(&q, i, MIN(i + MOST_NEW, i1), g, ld, n_threads)))
                status = fr_poll();
        return status;
    }
    double *image = malloc((size_t)MAX(a->n_minor, 1) * sizeof(double));
    if (!image)
        return FR_NO_MEMORY;
    for (ptrdiff_t i = i0; i < i1 && !status; i++) {
        one_column(&q, i, image, g + i * ld);
        for (ptrdiff_t j = 0; j < i; j++)
            g[j * ld + i] = g[i * ld + j];
        status = fr_poll();
    }
    free(image);
    return status;
}
