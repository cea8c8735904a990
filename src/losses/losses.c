/* Sums of losses over many samples. */

#include "access.h"
#include "losses.h"
#include "parallel.h"

enum { MOST_PARTS = 64, PART = 4096 /* samples */, COST = 16 /* elements that one counts as */ };

typedef struct {
    fr_loss_loop *loop;
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

int fr_loss(int loss, double parameter, const double *y, const double *eta, const double *w, double *r,
            double *h, ptrdiff_t n, double *sum, int n_threads)
{
    double sums[MOST_PARTS];
    loss_job q = {fr_active()->loss[loss], parameter, y, eta, w, r, h, sums, n, n};
    *sum = 0.0;
    if (n == 0)
        return 0;
    const ptrdiff_t parts = MIN(MAX(n / PART, 1), MOST_PARTS);
    q.size = (n + parts - 1) / parts;
    const ptrdiff_t used = (n + q.size - 1) / q.size;
    const int status = fr_parallel(loss_task, &q, used, fr_threads_for((double)n * COST, n_threads));
    for (ptrdiff_t t = 0; t < used && !status; t++)
        *sum += sums[t];
    return status;
}
