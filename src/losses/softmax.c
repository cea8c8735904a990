/* The multinomial loss over rows. */

#include "softmax.h"
#include "access.h"
#include "parallel.h"

enum { MOST_PARTS = 64, PART = 8192 /* probabilities */, COST = 16 /* work of one, in elements read */ };

typedef struct {
    const fr_softmax *q;
    double *t, *sums;
    ptrdiff_t n, size;
} softmax_job;

static void sum_task(void *context, ptrdiff_t t)
{
    const softmax_job *j = context;
    const ptrdiff_t i = t * j->size;
    j->sums[t] = fr_active()->softmax(j->q, i, MIN(j->size, j->n - i));
}

static void curve_task(void *context, ptrdiff_t t)
{
    const softmax_job *j = context;
    const ptrdiff_t i = t * j->size;
    fr_active()->softmax_curve(j->q, j->t, i, MIN(j->size, j->n - i));
}

/* Rows of each part: a multiple of the rows in a cache line. */
static ptrdiff_t part_of(const fr_softmax *q, ptrdiff_t n)
{
    const ptrdiff_t parts = MIN(MAX(n * q->k / PART, 1), MOST_PARTS);
    return ((n + parts - 1) / parts + 7) / 8 * 8;
}

int fr_softmax_sum(const fr_softmax *q, ptrdiff_t n, double *sum, int n_threads)
{
    double sums[MOST_PARTS];
    softmax_job job = {q, NULL, sums, n, part_of(q, n)};
    *sum = 0.0;
    const ptrdiff_t used = (n + job.size - 1) / MAX(job.size, 1);
    const int threads = fr_threads_for((double)(n * q->k) * COST, n_threads);
    const int status = n ? fr_parallel(sum_task, &job, used, threads) : 0;
    for (ptrdiff_t t = 0; t < used && !status; t++)
        *sum += sums[t];
    return status;
}

int fr_softmax_curve(const fr_softmax *q, double *t, ptrdiff_t n, int n_threads)
{
    softmax_job job = {q, t, NULL, n, part_of(q, n)};
    const ptrdiff_t used = (n + job.size - 1) / MAX(job.size, 1);
    return n ? fr_parallel(curve_task, &job, used, fr_threads_for((double)(n * q->k), n_threads)) : 0;
}
