#include "tridiagonal.h"

#include <math.h>
#include <stdlib.h>

#include "parallel.h"

typedef struct {
    ptrdiff_t n, k;
    const double *d, *e, *shift, *b;
    double *x, *trace, *pivots;
} solve_job;

/* LDL' from the top gives the solutions. Its pivots p and the pivots q of the factor from the
 * bottom give the diagonal of the inverse: 1 / (p_i + q_i - d_i - a). */
static void shift_task(void *context, ptrdiff_t t)
{
    const solve_job *q = context;
    const ptrdiff_t n = q->n;
    const double a = q->shift[t], *d = q->d, *e = q->e;
    double *pivot = q->pivots + t * n, *x = q->x + t * q->k * n, trace = 0;
    int positive = 1;
    for (ptrdiff_t i = 0; i < n; i++) {
        pivot[i] = d[i] + a - (i ? e[i - 1] * e[i - 1] / pivot[i - 1] : 0.0);
        positive &= pivot[i] > 0;
    }
    for (ptrdiff_t r = 0; r < q->k && positive; r++) {
        const double *b = q->b + r * n;
        double *y = x + r * n;
        y[0] = b[0];
        for (ptrdiff_t i = 1; i < n; i++)
            y[i] = b[i] - e[i - 1] / pivot[i - 1] * y[i - 1];
        y[n - 1] /= pivot[n - 1];
        for (ptrdiff_t i = n - 2; i >= 0; i--)
            y[i] = (y[i] - e[i] * y[i + 1]) / pivot[i];
    }
    double below = 0;
    for (ptrdiff_t i = n - 1; i >= 0; i--) {
        below = d[i] + a - (i < n - 1 ? e[i] * e[i] / below : 0.0);
        trace += 1 / (pivot[i] + below - (d[i] + a));
    }
    q->trace[t] = positive ? trace : NAN;
    for (ptrdiff_t i = 0; i < q->k * n && !positive; i++)
        x[i] = NAN;
}

int fr_tridiagonal(ptrdiff_t n, const double *d, const double *e, ptrdiff_t n_shifts,
                   const double *shift, ptrdiff_t k, const double *b, double *x, double *trace,
                   int n_threads)
{
    solve_job q = {.n = n, .k = k, .d = d, .e = e, .shift = shift, .b = b, .x = x, .trace = trace};
    q.pivots = malloc((size_t)(n_shifts * n + 1) * sizeof(double));
    if (!q.pivots)
        return FR_NO_MEMORY;
    const double work = 8.0 * (double)n * (double)n_shifts * (double)(k + 1);
    const int status = fr_parallel(shift_task, &q, n_shifts, fr_threads_for(work, n_threads));
    free(q.pivots);
    return status;
}
