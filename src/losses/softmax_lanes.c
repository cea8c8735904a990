/* Conjugate gradients of the multinomial loss on sparse rows, in passes that threads share. */

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "parallel.h"
#include "softmax_lanes.h"

enum { LANE_PARTS = 32 };

typedef struct {
    const fr_lane_model *m;
    const fr_lane_kernels *f;
    fr_matrix *x;
    int only_q;
    double value, *sums; /* per part: what the loops sum */
    ptrdiff_t n, size, width, parts, done, round;
} lane_job;

static const fr_lane_kernels *loops_of(const fr_lane_model *m)
{
    return &fr_active()->lane_kernels[m->single ? 1 : 0];
}

static void rows_task(void *context, ptrdiff_t t)
{
    const lane_job *q = context;
    double *sums = q->sums + t * q->width;
    sums[0] = q->f->rows(q->m, q->x, t * q->size, MIN((t + 1) * q->size, q->n), q->only_q, sums + 1);
}

static void scatter_lane_task(void *context, ptrdiff_t t)
{
    const lane_job *q = context;
    const fr_matrix *x = q->x;
    q->f->scatter(q->m, x, t > 0 ? x->cuts + (t - 1) * x->n_major : NULL,
                  t < q->parts - 1 ? x->cuts + t * x->n_major : NULL, q->done,
                  MIN(q->done + q->round, x->n_major));
}

static void update_task(void *context, ptrdiff_t t)
{
    const lane_job *q = context;
    q->f->update(q->m, q->value, t * q->size, MIN((t + 1) * q->size, q->n), q->sums + t * q->width);
}

static void direction_task(void *context, ptrdiff_t t)
{
    const lane_job *q = context;
    double *sums = q->sums + t * q->width;
    sums[0] = q->f->direction(q->m, q->value, t * q->size, MIN((t + 1) * q->size, q->n), sums + 1);
}

/* Cut n rows or columns into parts, with room for `width` sums of each. */
static ptrdiff_t cut(lane_job *q, ptrdiff_t n, ptrdiff_t width)
{
    q->n = n;
    q->width = width;
    q->size = MAX((n + LANE_PARTS - 1) / LANE_PARTS, 1);
    q->sums = calloc((size_t)(LANE_PARTS * width), sizeof(double));
    return q->sums ? (n + q->size - 1) / q->size : -1;
}

/* out = X'q for q = C (X v + 1 constant'), total the sums of q; curve = sum q . (X v + 1 constant'). */
int fr_lane_product(const fr_lane_model *m, fr_matrix *x, double *curve, int n_threads)
{
    lane_job q = {.m = m, .f = loops_of(m), .x = x};
    int status = 0, threads = fr_threads_for(work(x) * (double)m->lanes, n_threads);
    const ptrdiff_t used = cut(&q, x->n_major, 1 + m->lanes);
    if (used < 0)
        return FR_NO_MEMORY;
    threads = MIN(threads, FR_MOST_CUTS);
    if (threads > 1 && (status = fr_cut_majors(x, threads))) {
        free(q.sums);
        return status;
    }
    q.only_q = threads > 1 && x->n_cuts == threads - 1;
    if (q.only_q) {
        status = fr_parallel(rows_task, &q, used, threads);
        q.parts = threads;
        q.round = round_of(x, threads, m->lanes);
        for (; q.done < x->n_major && !status; q.done += q.round)
            if (!(status = fr_parallel(scatter_lane_task, &q, threads, threads)))
                status = fr_poll();
    } else
        for (ptrdiff_t t = 0; t < used && !status; t++) {
            rows_task(&q, t);
            status = fr_poll();
        }
    *curve = 0.0;
    memset(m->total, 0, (size_t)m->lanes * sizeof(double));
    for (ptrdiff_t t = 0; t < used; t++) {
        *curve += q.sums[t * q.width];
        for (ptrdiff_t l = 0; l < m->lanes; l++)
            m->total[l] += q.sums[t * q.width + 1 + l];
    }
    free(q.sums);
    return status;
}

/* A step along the direction; sums: R . M^-1 R, and the gap of the residual R. */
int fr_lane_step(const fr_lane_model *m, ptrdiff_t p, double step, double *sums, int n_threads)
{
    lane_job q = {.m = m, .f = loops_of(m), .value = step};
    const ptrdiff_t used = cut(&q, p, 2);
    if (used < 0)
        return FR_NO_MEMORY;
    const int threads = fr_threads_for((double)(p * m->lanes) * 8, n_threads);
    const int status = fr_parallel(update_task, &q, used, threads);
    sums[0] = sums[1] = 0.0;
    for (ptrdiff_t t = 0; t < used; t++) {
        sums[0] += q.sums[2 * t];
        sums[1] += q.sums[2 * t + 1];
    }
    free(q.sums);
    return status;
}

/* The next direction; sum: sum l2 P^2. `constant` loses shift . v. */
int fr_lane_turn(const fr_lane_model *m, ptrdiff_t p, double beta, double *sum, int n_threads)
{
    lane_job q = {.m = m, .f = loops_of(m), .value = beta};
    const ptrdiff_t used = cut(&q, p, 1 + m->lanes);
    if (used < 0)
        return FR_NO_MEMORY;
    const int threads = fr_threads_for((double)(p * m->lanes) * 4, n_threads);
    const int status = fr_parallel(direction_task, &q, used, threads);
    *sum = 0.0;
    for (ptrdiff_t t = 0; t < used; t++) {
        *sum += q.sums[t * q.width];
        for (ptrdiff_t l = 0; l < m->lanes; l++)
            m->constant[l] -= q.sums[t * q.width + 1 + l];
    }
    free(q.sums);
    return status;
}
