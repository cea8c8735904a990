/* Sums of losses over samples. */

#include "access.h"
#include "losses.h"
#include "parallel.h"

enum { MOST_PARTS = 64, PART = 4096 /* samples */, COST = 16 /* work of one, in elements read */ };

typedef struct {
    fr_loss_loop *loop;
    fr_conjugate_loop *conjugate;
    double parameter;
    const double *y, *eta, *w;
    double *r, *h, *sums;
    ptrdiff_t n, size;
} loss_job;

static void loss_task(void *context, ptrdiff_t t)
{
    const loss_job *q = context;
    const ptrdiff_t i = t * q->size, m = MIN(q->size, q->n - i);
    q->sums[t] = q->loop(q->parameter, q->y + i, q->eta + i, q->w ? q->w + i : NULL,
                         q->r ? q->r + i : NULL, q->h ? q->h + i : NULL, m);
}

static void conjugate_task(void *context, ptrdiff_t t)
{
    const loss_job *q = context;
    const ptrdiff_t i = t * q->size, m = MIN(q->size, q->n - i);
    q->sums[t] = q->conjugate(q->parameter, q->y + i, q->eta + i, q->w ? q->w + i : NULL, m);
}

static int sum_parts(void task(void *, ptrdiff_t), loss_job *q, double *sum, int n_threads)
{
    double sums[MOST_PARTS];
    *sum = 0.0;
    if (q->n == 0)
        return 0;
    const ptrdiff_t n = q->n, parts = MIN(MAX(n / PART, 1), MOST_PARTS);
    q->sums = sums;
    q->size = (n + parts - 1) / parts;
    const ptrdiff_t used = (n + q->size - 1) / q->size;
    const int status = fr_parallel(task, q, used, fr_threads_for((double)n * COST, n_threads));
    for (ptrdiff_t t = 0; t < used && !status; t++)
        *sum += sums[t];
    return status;
}

int fr_loss(int loss, double parameter, const double *y, const double *eta, const double *w, double *r,
            double *h, ptrdiff_t n, double *sum, int n_threads)
{
    loss_job q = {.loop = fr_active()->loss[loss], .parameter = parameter, .y = y, .eta = eta,
                  .w = w, .r = r, .h = h, .n = n};
    return sum_parts(loss_task, &q, sum, n_threads);
}

int fr_conjugate(int loss, double parameter, const double *y, const double *theta, const double *w,
                 ptrdiff_t n, double *sum, int n_threads)
{
    loss_job q = {.conjugate = fr_active()->conjugate[loss], .parameter = parameter, .y = y,
                  .eta = theta, .w = w, .n = n};
    return sum_parts(conjugate_task, &q, sum, n_threads);
}

int fr_has_conjugate(int loss) { return fr_active()->conjugate[loss] != NULL; }
