/* Conjugate gradients for several fits on sparse rows, in passes distributed over threads. */

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "folds_lanes.h"
#include "parallel.h"

enum { LANE_PARTS = 32, WIDTH = 2 * FR_LANES, FEW_COLUMNS = 1 << 14 };

typedef struct {
    const fr_fold_lanes *m;
    const fr_fold_kernels *f;
    fr_matrix *x;
    const double *factor;
    int only_q;
    double sums[LANE_PARTS][WIDTH];
    ptrdiff_t n, size, parts, done, round;
} fold_job;

static void rows_task(void *context, ptrdiff_t t)
{
    fold_job *q = context;
    q->f->rows(q->m, q->x, t * q->size, MIN((t + 1) * q->size, q->n), q->only_q, q->sums[t]);
}

static void scatter_task(void *context, ptrdiff_t t)
{
    const fold_job *q = context;
    const fr_matrix *x = q->x;
    q->f->scatter(q->m, x, t > 0 ? x->cuts + (t - 1) * x->n_major : NULL,
                  t < q->parts - 1 ? x->cuts + t * x->n_major : NULL, q->done,
                  MIN(q->done + q->round, x->n_major));
}

static void update_task(void *context, ptrdiff_t t)
{
    fold_job *q = context;
    q->f->update(q->m, q->factor, t * q->size, MIN((t + 1) * q->size, q->n), q->sums[t]);
}

static void direction_task(void *context, ptrdiff_t t)
{
    fold_job *q = context;
    q->f->direction(q->m, q->factor, t * q->size, MIN((t + 1) * q->size, q->n), q->sums[t]);
}

/* Cut n rows or columns into parts. */
static ptrdiff_t cut(fold_job *q, const fr_fold_lanes *m, ptrdiff_t n)
{
    memset(q, 0, sizeof *q);
    q->m = m;
    q->f = &fr_active()->fold_kernels[m->single ? 1 : 0];
    q->n = n;
    q->size = MAX((n + LANE_PARTS - 1) / LANE_PARTS, 1);
    return (n + q->size - 1) / q->size;
}

static void add_sums(const fold_job *q, ptrdiff_t used, ptrdiff_t width, double *sums)
{
    for (ptrdiff_t l = 0; l < width; l++) {
        sums[l] = 0;
        for (ptrdiff_t t = 0; t < used; t++)
            sums[l] += q->sums[t][l];
    }
}

int fr_fold_product(const fr_fold_lanes *m, fr_matrix *x, double *curve, int n_threads)
{
    fold_job q;
    const ptrdiff_t used = cut(&q, m, x->n_major);
    int status = 0, threads = MIN(fr_threads_for(work(x) * FR_LANES, n_threads), FR_MOST_CUTS);
    q.x = x;
    if (threads > 1 && (status = fr_cut_majors(x, threads)))
        return status;
    if (threads > 1 && x->n_cuts != threads - 1)
        threads = 1;
    /* with many columns, compute one product at a time: only one side fits into the cache */
    q.only_q = threads > 1 || x->n_minor > FEW_COLUMNS;
    if (q.only_q) {
        status = fr_parallel(rows_task, &q, used, threads);
        q.parts = threads;
        q.round = round_of(x, threads, FR_LANES);
        for (; q.done < x->n_major && !status; q.done += q.round)
            if (!(status = fr_parallel(scatter_task, &q, threads, threads)))
                status = fr_poll();
    } else
        for (ptrdiff_t t = 0; t < used && !status; t++) {
            rows_task(&q, t);
            status = fr_poll();
        }
    add_sums(&q, used, FR_LANES, curve);
    return status;
}

int fr_fold_step(const fr_fold_lanes *m, ptrdiff_t p, const double *step, double *sums,
                 int n_threads)
{
    fold_job q;
    const ptrdiff_t used = cut(&q, m, p);
    q.factor = step;
    const int threads = fr_threads_for((double)(p * FR_LANES) * 6, n_threads);
    const int status = fr_parallel(update_task, &q, used, threads);
    add_sums(&q, used, WIDTH, sums);
    return status;
}

int fr_fold_turn(const fr_fold_lanes *m, ptrdiff_t p, const double *beta, double *sums,
                 int n_threads)
{
    fold_job q;
    const ptrdiff_t used = cut(&q, m, p);
    q.factor = beta;
    const int threads = fr_threads_for((double)(p * FR_LANES) * 4, n_threads);
    const int status = fr_parallel(direction_task, &q, used, threads);
    add_sums(&q, used, WIDTH, sums);
    return status;
}
