/* Blocks of rows that stay in the cache for all that a Newton step asks of them. */

#include <string.h>

#include "access.h"
#include "losses.h"
#include "parallel.h"
#include "pass.h"

typedef struct {
    fr_pass *q;
    const double *v; /* scale * u */
    double *gradients, *products, *values;
} pass_state;

ptrdiff_t fr_pass_order(ptrdiff_t p) { return fr_gram_order(p + 1); }

/* u in units of X; for each part a gradient, a product and a value */
ptrdiff_t fr_pass_scratch(ptrdiff_t p) { return p + FR_GRAM_PARTS * (2 * p + 1); }

/* eta, the loss and its derivatives of rows i to i + rows, and their share of the gradient. */
static void prepare_rows(void *context, ptrdiff_t t, ptrdiff_t i, ptrdiff_t rows)
{
    const pass_state *s = context;
    const fr_pass *q = s->q;
    const fr_matrix *a = q->a;
    const fr_real_kernels *f = functions(a);
    const ptrdiff_t p = fr_n_columns(a);
    double *eta = q->eta + i, *r = q->r + i, *h = q->h + i, *gradient = s->gradients + t * p;
    if (a->by_column) {
        memset(eta, 0, (size_t)rows * sizeof(double));
        f->axpy_rows(element(a, 0, i), a->ld, p, rows, NULL, a->shift, s->v, eta);
    } else {
        f->dot_rows(element(a, i, 0), a->ld, rows, p, a->shift, NULL, s->v, eta);
    }
    for (ptrdiff_t k = 0; k < rows; k++)
        eta[k] += q->level;
    if (q->offset)
        for (ptrdiff_t k = 0; k < rows; k++)
            eta[k] += q->offset[i + k];
    s->values[t] += fr_active()->loss[q->loss](q->parameter, q->y + i, eta, q->w + i, r, h, rows);
    for (ptrdiff_t k = 0; k < rows; k++)
        q->root[i + k] = sqrt(h[k]);
    if (a->by_column) {
        double *product = s->products + t * p;
        f->dot_rows(element(a, 0, i), a->ld, p, rows, NULL, a->shift, r, product);
        for (ptrdiff_t j = 0; j < p; j++)
            gradient[j] += product[j];
    } else {
        f->axpy_rows(element(a, i, 0), a->ld, rows, p, a->shift, NULL, r, gradient);
    }
}

int fr_take_pass(fr_pass *q, int n_threads)
{
    const fr_matrix *a = q->a;
    const ptrdiff_t n = fr_n_rows(a), p = fr_n_columns(a), order = fr_pass_order(p);
    double *v = q->scratch;
    pass_state s = {q, v, v + p, v + p + FR_GRAM_PARTS * p, v + p + 2 * FR_GRAM_PARTS * p};
    for (ptrdiff_t j = 0; j < p; j++)
        v[j] = q->u[j] * scale_of(a, j);
    memset(s.gradients, 0, (size_t)(FR_GRAM_PARTS * p) * sizeof(double));
    memset(s.values, 0, FR_GRAM_PARTS * sizeof(double));
    const fr_gram_source source = {.a = a, .ones = 1, .col_shift = a->shift, .root_weight = q->root,
                                   .prepare = prepare_rows, .context = &s};
    const int status = fr_gram_dense(&source, q->gram, n_threads);
    if (status)
        return status;
    q->value = q->of_r = 0;
    for (ptrdiff_t t = 0; t < FR_GRAM_PARTS; t++)
        q->value += s.values[t];
    for (ptrdiff_t i = 0; i < n; i++)
        q->of_r += q->r[i];
    q->of_h = q->gram[p * order + p];
    for (ptrdiff_t j = 0; j < p; j++) {
        const double scale = scale_of(a, j);
        double sum = 0;
        for (ptrdiff_t t = 0; t < FR_GRAM_PARTS; t++)
            sum += s.gradients[t * p + j];
        q->gradient[j] = scale * sum;
        q->border[j] = scale * q->gram[j * order + p];
        if (a->scale)
            for (ptrdiff_t k = j; k < p; k++)
                q->gram[j * order + k] *= scale * a->scale[k];
    }
    return 0;
}
