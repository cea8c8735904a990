/* Passes over blocks of rows for several fits at once; see folds_pass.h. */

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "folds_pass.h"
#include "parallel.h"

enum { ROWS = 64, SUMS = 3 }; /* rows of a block; sums: value, of_r and of_h */

typedef struct {
    fr_folds_pass *q;
    const double *lanes; /* sparse: v, with the fits' numbers of a column contiguous */
    double *sums, *out;  /* per part: SUMS by fit, and sums by column */
    ptrdiff_t size, round, done, width; /* rows of a part, in a round, behind it; length of `out` */
    int has_border;
} folds_job;

/* Sum x in an order that the compiler can vectorise. */
static double sum_of(const double *x, ptrdiff_t n)
{
    double s[8] = {0};
    ptrdiff_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++)
            s[l] += x[i + l];
    for (; i < n; i++)
        s[i % 8] += x[i];
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

/* Compute eta of rows i to i + rows */
static void predict_rows(const folds_job *s, ptrdiff_t i, ptrdiff_t rows)
{
    const fr_folds_pass *q = s->q;
    const fr_matrix *a = q->a;
    const fr_real_kernels *f = functions(a);
    const ptrdiff_t p = fr_n_columns(a), k = q->k;
    if (a->index >= 0) {
        double t[ROWS * FR_LANES];
        const fr_compressed c = compressed_from(a, i);
        f->gather_lanes[a->index](&c, 0, rows, s->lanes, t);
        for (ptrdiff_t l = 0; l < k; l++)
            for (ptrdiff_t m = 0; m < rows; m++)
                q->eta[l][i + m] = t[m * FR_LANES + l];
    } else
        for (ptrdiff_t l = 0; l < k; l++) {
            double *eta = q->eta[l] + i;
            if (a->by_column) {
                memset(eta, 0, (size_t)rows * sizeof(double));
                f->axpy_rows(element(a, 0, i), a->ld, p, rows, NULL, a->shift, q->v[l], eta);
            } else
                f->dot_rows(element(a, i, 0), a->ld, rows, p, a->shift, NULL, q->v[l], eta);
        }
    for (ptrdiff_t l = 0; l < k; l++) {
        double *eta = q->eta[l] + i;
        const double level = q->level[l];
        for (ptrdiff_t m = 0; m < rows; m++)
            eta[m] += level;
        if (q->offset)
            for (ptrdiff_t m = 0; m < rows; m++)
                eta[m] += q->offset[i + m];
    }
}

/* out += A'x of rows i to i + rows for each fit */
static void add_rows(const folds_job *s, ptrdiff_t i, ptrdiff_t rows, double *const *x, double *out,
                     double *product)
{
    const fr_folds_pass *q = s->q;
    const fr_matrix *a = q->a;
    const fr_real_kernels *f = functions(a);
    const ptrdiff_t p = fr_n_columns(a), k = q->k;
    if (a->index >= 0) {
        double t[ROWS * FR_LANES] = {0};
        const fr_compressed c = compressed_from(a, i);
        for (ptrdiff_t l = 0; l < k; l++)
            for (ptrdiff_t m = 0; m < rows; m++)
                t[m * FR_LANES + l] = x[l][i + m];
        f->scatter_lanes[a->index](&c, 0, rows, t, out);
        return;
    }
    for (ptrdiff_t l = 0; l < k; l++, out += p) {
        if (!a->by_column) {
            f->axpy_rows(element(a, i, 0), a->ld, rows, p, a->shift, NULL, x[l] + i, out);
            continue;
        }
        f->dot_rows(element(a, 0, i), a->ld, p, rows, NULL, a->shift, x[l] + i, product);
        for (ptrdiff_t j = 0; j < p; j++)
            out[j] += product[j];
    }
}

static void folds_task(void *context, ptrdiff_t t)
{
    const folds_job *s = context;
    fr_folds_pass *q = s->q;
    const ptrdiff_t n = fr_n_rows(q->a), i0 = t * s->size + s->done;
    const ptrdiff_t end = MIN(MIN(i0 + s->round, (t + 1) * s->size), n);
    double *sums = s->sums + t * SUMS * FR_LANES, *out = s->out + t * 3 * s->width;
    for (ptrdiff_t i = i0; i < end; i += ROWS) {
        const ptrdiff_t rows = MIN(ROWS, end - i);
        predict_rows(s, i, rows);
        for (ptrdiff_t l = 0; l < q->k; l++) {
            double *r = q->r[l] + i, *h = q->h[l] + i, *own = sums + l * SUMS;
            own[0] += fr_active()->loss[q->loss](q->parameter, q->y + i, q->eta[l] + i, q->w[l] + i,
                                                 r, h, rows);
            own[1] += sum_of(r, rows);
            own[2] += sum_of(h, rows);
        }
        if (q->gradient[0])
            add_rows(s, i, rows, q->r, out, out + 2 * s->width);
        if (s->has_border)
            add_rows(s, i, rows, q->h, out + s->width, out + 2 * s->width);
    }
}

/* Add the sums of the parts, by column, into the arrays of each fit. */
static void take_sums(const folds_job *s, ptrdiff_t parts, ptrdiff_t which, double *const *to)
{
    const ptrdiff_t p = fr_n_columns(s->q->a);
    const int sparse = s->q->a->index >= 0;
    for (ptrdiff_t l = 0; l < s->q->k; l++)
        for (ptrdiff_t j = 0; j < p; j++) {
            double sum = 0;
            for (ptrdiff_t t = 0; t < parts; t++) {
                const double *out = s->out + (3 * t + which) * s->width;
                sum += sparse ? out[j * FR_LANES + l] : out[l * p + j];
            }
            to[l][j] = sum;
        }
}

int fr_take_folds_pass(fr_folds_pass *q, int n_threads)
{
    fr_matrix *a = q->a;
    const ptrdiff_t n = fr_n_rows(a), p = fr_n_columns(a), k = q->k, width = MAX(p, 1) * FR_LANES;
    folds_job s = {.q = q, .width = width, .has_border = q->border[0] != NULL};
    ptrdiff_t parts = MIN(FR_GRAM_PARTS, MAX(1, (ptrdiff_t)(work(a) * (double)k / PART_WORK)));
    /* sums by column of each part, in total no longer than the data read */
    if (q->gradient[0])
        parts = MAX(1, MIN(parts, (ptrdiff_t)(work(a) / (double)width)));
    s.size = (n + parts - 1) / parts;
    parts = (n + s.size - 1) / s.size;
    const ptrdiff_t room = q->gradient[0] ? 3 * parts * width : 0;
    const ptrdiff_t first = a->index >= 0 ? width : 0;
    double *memory = calloc((size_t)(first + parts * SUMS * FR_LANES + room), sizeof(double));
    if (!memory)
        return FR_NO_MEMORY;
    for (ptrdiff_t l = 0; l < k && first; l++)
        for (ptrdiff_t j = 0; j < p; j++)
            memory[j * FR_LANES + l] = q->v[l][j];
    s.lanes = memory;
    s.sums = memory + first;
    s.out = s.sums + parts * SUMS * FR_LANES;
    s.round = round_of(a, parts, k) / ROWS * ROWS + ROWS;
    const int threads = fr_threads_for(work(a) * (double)k, n_threads);
    int status = 0;
    for (; s.done < s.size && !status; s.done += s.round)
        if (!(status = fr_parallel(folds_task, &s, parts, threads)))
            status = fr_poll();
    for (ptrdiff_t l = 0; l < k; l++) {
        double sums[SUMS] = {0};
        for (ptrdiff_t t = 0; t < parts; t++)
            for (int c = 0; c < SUMS; c++)
                sums[c] += s.sums[(t * FR_LANES + l) * SUMS + c];
        q->value[l] = sums[0];
        q->of_r[l] = sums[1];
        q->of_h[l] = sums[2];
    }
    if (q->gradient[0])
        take_sums(&s, parts, 0, q->gradient);
    if (s.has_border)
        take_sums(&s, parts, 1, q->border);
    free(memory);
    return status;
}
