#include <string.h>

#include "parallel.h"

enum { ZERO_STEP = 1 << 17 };

typedef struct {
    double *x;
    ptrdiff_t n;
} zero_job;

static void zero_task(void *context, ptrdiff_t t)
{
    const zero_job *q = context;
    const ptrdiff_t i = t * ZERO_STEP, n = q->n - i < ZERO_STEP ? q->n - i : ZERO_STEP;
    memset(q->x + i, 0, (size_t)n * sizeof(double));
}

int fr_zero(double *x, ptrdiff_t n, int n_threads)
{
    zero_job q = {x, n};
    return fr_parallel(zero_task, &q, (n + ZERO_STEP - 1) / ZERO_STEP,
                       fr_threads_for((double)n, n_threads));
}
