/* Blocks of rows that stay in the cache for all sums of a Newton step. */

#include <string.h>

#include "access.h"
#include "losses.h"
#include "parallel.h"
#include "pass.h"

enum { ROWS = 200 }; /* rows of a block, in a pass without a Gram matrix */
enum { SUMS = 3 };   /* of a part: the loss, r and h */
enum { OWN = 256 };  /* order up to which parts of sparse rows have sums of their own */
enum { COST = 16 };  /* work of a row's loss, in elements read */

typedef struct {
    fr_pass *q;
    const double *v; /* scale * u */
    /* per part of the rows: A'r, A'h, a product, and SUMS */
    double *gradients, *borders, *products, *values;
    int has_border, has_root; /* whether A'h is summed, and roots are set */
    ptrdiff_t size; /* rows of a part */
} pass_state;

ptrdiff_t fr_pass_order(ptrdiff_t p) { return MAX(fr_gram_order(p + 1), fr_single_order(p)); }

ptrdiff_t fr_pass_scratch(ptrdiff_t p) { return p + FR_GRAM_PARTS * (3 * p + SUMS); }

/* sum += A'x of rows i to i + rows, without the scale */
static void add_product(const pass_state *s, ptrdiff_t t, ptrdiff_t i, ptrdiff_t rows, const double *x,
                        double *sum)
{
    const fr_matrix *a = s->q->a;
    const fr_real_kernels *f = functions(a);
    const ptrdiff_t p = fr_n_columns(a);
    if (!a->by_column) {
        f->axpy_rows(element(a, i, 0), a->ld, rows, p, a->shift, NULL, x, sum);
        return;
    }
    double *product = s->products + t * p;
    f->dot_rows(element(a, 0, i), a->ld, p, rows, NULL, a->shift, x, product);
    for (ptrdiff_t j = 0; j < p; j++)
        sum[j] += product[j];
}

/* Complete eta of rows i to i + rows, and compute the loss, its derivatives and their sums. */
static void add_loss(const pass_state *s, ptrdiff_t t, ptrdiff_t i, ptrdiff_t rows)
{
    const fr_pass *q = s->q;
    double *eta = q->eta + i, *r = q->r + i, *h = q->h + i, *sums = s->values + SUMS * t;
    for (ptrdiff_t k = 0; k < rows; k++)
        eta[k] += q->level;
    if (q->offset)
        for (ptrdiff_t k = 0; k < rows; k++)
            eta[k] += q->offset[i + k];
    sums[0] += fr_active()->loss[q->loss](q->parameter, q->y + i, eta, q->w + i, r, h, rows);
    double of_r = 0, of_h = 0;
    for (ptrdiff_t k = 0; k < rows; k++) {
        of_r += r[k];
        of_h += h[k];
    }
    sums[1] += of_r;
    sums[2] += of_h;
}

/* Compute eta, the loss and its derivatives for rows i to i + rows, and add to the sums. */
static void prepare_rows(void *context, ptrdiff_t t, ptrdiff_t i, ptrdiff_t rows)
{
    const pass_state *s = context;
    const fr_pass *q = s->q;
    const fr_matrix *a = q->a;
    const fr_real_kernels *f = functions(a);
    const ptrdiff_t p = fr_n_columns(a);
    double *eta = q->eta + i, *r = q->r + i, *h = q->h + i;
    if (a->by_column) {
        memset(eta, 0, (size_t)rows * sizeof(double));
        f->axpy_rows(element(a, 0, i), a->ld, p, rows, NULL, a->shift, s->v, eta);
    } else {
        f->dot_rows(element(a, i, 0), a->ld, rows, p, a->shift, NULL, s->v, eta);
    }
    add_loss(s, t, i, rows);
    add_product(s, t, i, rows, r, s->gradients + t * p);
    if (s->has_border)
        add_product(s, t, i, rows, h, s->borders + t * p);
    if (s->has_root)
        for (ptrdiff_t k = 0; k < rows; k++)
            q->root[i + k] = sqrt(h[k]);
}

static pass_state begin(fr_pass *q, int has_border, int has_root)
{
    const ptrdiff_t p = fr_n_columns(q->a), all = FR_GRAM_PARTS * p;
    double *v = q->scratch, *sums = v + p;
    const pass_state s = {q, v, sums, sums + all, sums + 2 * all, sums + 3 * all, has_border, has_root,
                          0};
    for (ptrdiff_t j = 0; j < p; j++)
        v[j] = q->u[j] * scale_of(q->a, j);
    memset(sums, 0, (size_t)(2 * all) * sizeof(double));
    memset(s.values, 0, SUMS * FR_GRAM_PARTS * sizeof(double));
    return s;
}

static void add_parts(const pass_state *s)
{
    fr_pass *q = s->q;
    q->value = q->of_r = q->of_h = 0;
    for (ptrdiff_t t = 0; t < FR_GRAM_PARTS; t++) {
        q->value += s->values[SUMS * t];
        q->of_r += s->values[SUMS * t + 1];
        q->of_h += s->values[SUMS * t + 2];
    }
}

static void finish(const pass_state *s)
{
    fr_pass *q = s->q;
    const ptrdiff_t p = fr_n_columns(q->a);
    add_parts(s);
    for (ptrdiff_t j = 0; j < p; j++) {
        double sum = 0;
        for (ptrdiff_t t = 0; t < FR_GRAM_PARTS; t++)
            sum += s->gradients[t * p + j];
        q->gradient[j] = scale_of(q->a, j) * sum;
    }
}

static void finish_border(const pass_state *s)
{
    fr_pass *q = s->q;
    const ptrdiff_t p = fr_n_columns(q->a);
    for (ptrdiff_t j = 0; j < p; j++) {
        double sum = 0;
        for (ptrdiff_t t = 0; t < FR_GRAM_PARTS; t++)
            sum += s->borders[t * p + j];
        q->border[j] = scale_of(q->a, j) * sum;
    }
}

int fr_take_pass(fr_pass *q, int n_threads)
{
    const fr_matrix *a = q->a;
    const ptrdiff_t p = fr_n_columns(a), order = fr_gram_order(p + 1);
    pass_state s = begin(q, 0, 1);
    const fr_gram_source source = {.a = a, .ones = 1, .col_shift = a->shift, .root_weight = q->root,
                                   .prepare = prepare_rows, .context = &s};
    const int status = fr_gram_dense(&source, q->gram, n_threads);
    if (status)
        return status;
    finish(&s);
    q->of_h = q->gram[p * order + p];
    for (ptrdiff_t j = 0; j < p; j++) {
        q->border[j] = scale_of(a, j) * q->gram[j * order + p];
        if (a->scale)
            for (ptrdiff_t k = j; k < p; k++)
                q->gram[j * order + k] *= a->scale[j] * a->scale[k];
    }
    return 0;
}

/* Rows of each part, for at most FR_GRAM_PARTS of them. */
static ptrdiff_t rows_of_part(ptrdiff_t n)
{
    const ptrdiff_t size = (n + FR_GRAM_PARTS - 1) / FR_GRAM_PARTS;
    return MAX(size, 2048);
}

static void loss_task(void *context, ptrdiff_t t)
{
    pass_state *s = context;
    const ptrdiff_t end = MIN((t + 1) * s->size, fr_n_rows(s->q->a));
    for (ptrdiff_t i = t * s->size; i < end; i += ROWS)
        add_loss(s, t, i, MIN(ROWS, end - i));
}

int fr_take_sparse_pass(fr_pass *q, int light, int n_threads)
{
    const ptrdiff_t n = fr_n_rows(q->a), p = fr_n_columns(q->a);
    double sums[SUMS * FR_GRAM_PARTS] = {0};
    pass_state s = {.q = q, .values = sums, .size = rows_of_part(n)};
    int status = fr_dot(q->a, q->u, q->eta, 1, n_threads);
    if (!status)
        status = fr_parallel(loss_task, &s, (n + s.size - 1) / s.size,
                             fr_threads_for((double)n * COST, n_threads));
    if (status)
        return status;
    add_parts(&s);
    if (!isfinite(q->value))
        return 0;
    status = fr_tdot(q->a, q->r, q->gradient, 1, n_threads);
    if (!status)
        status = fr_tdot(q->a, q->h, q->border, 1, n_threads);
    if (!status && !light)
        status = fr_gram_sparse(q->by_row, q->h, NULL, p, q->gram, p <= OWN ? FR_GRAM_PARTS : 1, n_threads);
    return status;
}

typedef struct {
    const fr_pass *q;
    fr_dual_point *d;
    ptrdiff_t size;
    double sums[SUMS * FR_GRAM_PARTS];
} dual_job;

static void dual_task(void *context, ptrdiff_t t)
{
    dual_job *s = context;
    const fr_pass *q = s->q;
    const ptrdiff_t end = MIN((t + 1) * s->size, fr_n_rows(q->a));
    double conjugate = 0, known = 0, size = 0;
    for (ptrdiff_t i = t * s->size; i < end; i += ROWS) {
        const ptrdiff_t rows = MIN(ROWS, end - i);
        const double *eta = q->eta + i, *old = s->d->eta + i, *h = s->d->h + i;
        double *theta = s->d->r + i;
        for (ptrdiff_t k = 0; k < rows; k++) {
            theta[k] += h[k] * (eta[k] - old[k]);
            size += fabs(theta[k]);
        }
        if (q->offset)
            for (ptrdiff_t k = 0; k < rows; k++)
                known += q->offset[i + k] * theta[k];
        conjugate += fr_active()->conjugate[q->loss](q->parameter, q->y + i, theta, q->w + i, rows);
    }
    double *sums = s->sums + SUMS * t;
    sums[0] = conjugate;
    sums[1] = known;
    sums[2] = size;
}

int fr_take_dual_point(const fr_pass *q, fr_dual_point *d, int n_threads)
{
    const ptrdiff_t n = fr_n_rows(q->a);
    dual_job s = {.q = q, .d = d, .size = rows_of_part(n)};
    const int status = fr_parallel(dual_task, &s, (n + s.size - 1) / s.size,
                                   fr_threads_for((double)n * COST, n_threads));
    d->conjugate = d->known = d->size = 0;
    for (ptrdiff_t t = 0; t < FR_GRAM_PARTS; t++) {
        d->conjugate += s.sums[SUMS * t];
        d->known += s.sums[SUMS * t + 1];
        d->size += s.sums[SUMS * t + 2];
    }
    return status;
}

static void light_task(void *context, ptrdiff_t t)
{
    pass_state *s = context;
    const ptrdiff_t end = MIN((t + 1) * s->size, fr_n_rows(s->q->a));
    for (ptrdiff_t i = t * s->size; i < end; i += ROWS)
        prepare_rows(s, t, i, MIN(ROWS, end - i));
}

int fr_take_light_pass(fr_pass *q, int n_threads)
{
    const fr_matrix *a = q->a;
    const ptrdiff_t n = fr_n_rows(a), parts = part_count(a);
    pass_state s = begin(q, 1, 0);
    s.size = (n + parts - 1) / parts;
    const int status =
        fr_parallel(light_task, &s, (n + s.size - 1) / s.size, fr_threads_for(work(a), n_threads));
    if (status)
        return status;
    finish(&s);
    finish_border(&s);
    return 0;
}

void fr_pass_scale(const fr_pass *q, double *scale)
{
    const fr_gram_source source = {.a = q->a, .col_shift = q->a->shift};
    fr_single_scale(&source, scale);
}

int fr_take_single_pass(fr_pass *q, const double *scale, int n_threads)
{
    const fr_matrix *a = q->a;
    const ptrdiff_t n = fr_n_rows(a), p = fr_n_columns(a), order = fr_single_order(p);
    pass_state s = begin(q, 1, 1);
    const fr_gram_source source = {.a = a, .col_shift = a->shift, .root_weight = q->root,
                                   .prepare = prepare_rows, .context = &s};
    const fr_single_sums sums = {.scale = scale};
    const int status = fr_gram_single(&source, &sums, 0, n, q->gram, n_threads);
    if (status)
        return status;
    finish(&s);
    finish_border(&s);
    for (ptrdiff_t j = 0; j < p; j++)
        for (ptrdiff_t k = j; k < p; k++)
            q->gram[j * order + k] *= scale_of(a, j) / scale[j] * (scale_of(a, k) / scale[k]);
    return 0;
}
