#include "batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cholesky.h"
#include "direct.h"
#include "parallel.h"

#define MAX_REFINE 10
#define SETTLED 1e-7      /* relative correction whose square is below rounding */
#define KEEP 1e-13        /* share of a row that must be left by the rows before it */
#define TASK_WORK 16384.0 /* elements of X in one task */

/* One problem, and its place in the arrays of all. */
typedef struct {
    fr_matrix x;
    const double *y, *w, *penalty;
    double alpha;
    double *coef, *offset, *relative_gradient, *objective;
} problem;

static problem problem_of(const fr_batch *q, ptrdiff_t i)
{
    const size_t size = q->real == FR_FLOAT ? sizeof(float) : sizeof(double);
    const problem o = {
        .x = {.n_major = q->n, .n_minor = q->p, .ld = q->p, .nnz = q->n * q->p,
              .data = (const char *)q->x + (size_t)(i * q->n * q->p) * size, .real = q->real,
              .index = -1},
        .y = q->y + i * q->k * q->n,
        .w = q->w ? q->w + (q->weight_each ? i * q->n : 0) : NULL,
        .penalty = q->penalty,
        .alpha = q->alpha[q->alpha_each ? i : 0],
        .coef = q->coef + i * q->k * q->p,
        .offset = q->offset + i * q->k,
        .relative_gradient = q->relative_gradient + i * q->k,
        .objective = q->objective + i * q->k,
    };
    return o;
}

static fr_ridge_problem problem_over(const fr_batch *q, const problem *o, fr_matrix *a)
{
    const fr_ridge_problem r = {.a = a, .by_row = a, .y = o->y, .w = o->w, .penalty = o->penalty,
                                .alpha = &o->alpha, .n_targets = q->k, .intercept = q->intercept,
                                .n_threads = 1, .coef = o->coef, .offset = o->offset,
                                .relative_gradient = o->relative_gradient,
                                .objective = o->objective};
    return r;
}

static double element_of(const problem *o, ptrdiff_t at)
{
    return o->x.real == FR_FLOAT ? (double)((const float *)o->x.data)[at]
                                 : ((const double *)o->x.data)[at];
}

/* ---- by features ---- */

/* The columns x - first, y - first and, with an intercept, 1 of a small problem, one behind the other,
 * each of ld elements, those beyond n being 0. About its first row of weight, a column loses at most
 * n rounding errors when it is centred: (x_0 - mean)^2 <= n var; constant columns become 0. */
typedef struct {
    ptrdiff_t n, ld, p, k, all;
    const double *weights; /* NULL: ones */
    double *a, *first, *w, *g;
} columns;

static ptrdiff_t columns_room(const fr_batch *q)
{
    const ptrdiff_t ld = (q->n + 7) / 8 * 8, all = q->p + q->k + 1;
    return all * ld + all + ld + all * all;
}

static void to_columns(const fr_batch *q, const problem *o, columns *c)
{
    const ptrdiff_t n = c->n, p = c->p, ld = c->ld;
    ptrdiff_t first = 0;
    while (o->w && first < n - 1 && o->w[first] == 0)
        first++;
    for (ptrdiff_t i = 0; i < ld; i++)
        c->w[i] = i >= n ? 0.0 : o->w ? o->w[i] : 1.0;
    for (ptrdiff_t j = 0; j < c->all; j++) {
        c->first[j] = 0.0;
        if (q->intercept && j < p + c->k)
            c->first[j] = j < p ? element_of(o, first * p + j) : o->y[(j - p) * n + first];
        for (ptrdiff_t i = n; i < ld; i++)
            c->a[j * ld + i] = 0.0;
    }
    fr_active()->real[o->x.real].to_columns(o->x.data, n, p, c->first, c->a, ld);
    for (ptrdiff_t j = p; j < p + c->k; j++)
        for (ptrdiff_t i = 0; i < n; i++)
            c->a[j * ld + i] = o->y[(j - p) * n + i] - c->first[j];
    for (ptrdiff_t i = 0; i < n && q->intercept; i++)
        c->a[(p + c->k) * ld + i] = 1.0;
}

static void sum_columns(void *context, double *g, double *cross, double *mean, double *y_mean)
{
    const columns *c = context;
    const ptrdiff_t p = c->p, k = c->k, all = c->all, ones = p + k;
    fr_active()->cross(c->a, c->ld, c->ld, all, c->weights, c->g);
    const double total = all > ones ? c->g[ones * all + ones] : 0.0;
    for (ptrdiff_t j = 0; j < p; j++)
        mean[j] = total > 0 ? c->g[j * all + ones] / total : 0.0;
    for (ptrdiff_t t = 0; t < k; t++)
        y_mean[t] = total > 0 ? c->g[(p + t) * all + ones] / total : 0.0;
    for (ptrdiff_t i = 0; i < p; i++) {
        const double *row = c->g + i * all, d = total * mean[i];
        for (ptrdiff_t j = i; j < p; j++)
            g[i * p + j] = row[j] - d * mean[j];
        for (ptrdiff_t t = 0; t < k; t++)
            cross[t * p + i] = row[p + t] - d * y_mean[t];
        if (g[i * p + i] <= fr_lost(c->n) * d * mean[i])
            g[i * p + i] = 0.0;
    }
}

static int by_columns(const fr_batch *q, const problem *o, double *memory)
{
    columns c = {.n = q->n, .p = q->p, .k = q->k, .ld = (q->n + 7) / 8 * 8, .weights = o->w};
    c.all = c.p + c.k + (q->intercept ? 1 : 0);
    c.a = memory;
    c.first = c.a + (c.p + c.k + 1) * c.ld;
    c.w = c.first + c.p + c.k + 1;
    c.g = c.w + c.ld;
    if (o->w)
        c.weights = c.w;
    to_columns(q, o, &c);
    fr_matrix a = {.n_major = c.p, .n_minor = c.ld, .ld = c.ld, .nnz = c.p * c.ld, .data = c.a,
                   .index = -1, .by_column = 1};
    fr_ridge_problem r = problem_over(q, o, &a);
    r.y = c.a + c.p * c.ld;
    r.w = c.w; /* holds what is behind the last row at zero */
    const int status = fr_ridge_of_sums(&r, memory + columns_room(q), sum_columns, &c);
    for (ptrdiff_t t = 0; t < c.k && !status && q->intercept; t++) {
        o->offset[t] += c.first[c.p + t];
        for (ptrdiff_t j = 0; j < c.p; j++)
            o->offset[t] -= c.first[j] * o->coef[t * c.p + j];
    }
    return status;
}

/* ---- by samples: (B B' + alpha I) a = t with B = S (X - 1 mean') D^-1/2, t = S (y - y_mean);
 *      v = B' a, c = D^-1/2 v ---- */

typedef struct {
    double *b, *g, *mean, *inverse, *root, *diagonal, *t, *a, *r, *v, *dv;
} samples;

/* B, the means and S; the place keeps constant columns exactly zero. */
static void centre(const fr_batch *q, const problem *o, samples *s)
{
    const ptrdiff_t n = q->n, p = q->p;
    double total = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        s->root[i] = o->w ? sqrt(o->w[i]) : 1.0;
        total += o->w ? o->w[i] : 1.0;
    }
    memset(s->mean, 0, (size_t)p * sizeof(double));
    if (q->intercept)
        fr_place(&o->x, o->w, s->mean);
    memset(s->dv, 0, (size_t)p * sizeof(double));
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < p; j++) {
            const double x = element_of(o, i * p + j) - s->mean[j];
            s->b[i * p + j] = x;
            s->dv[j] += (o->w ? o->w[i] : 1.0) * x;
        }
    for (ptrdiff_t j = 0; j < p; j++) {
        s->dv[j] = q->intercept ? s->dv[j] / total : 0.0;
        s->mean[j] += s->dv[j];
        s->inverse[j] = o->penalty ? 1.0 / sqrt(o->penalty[j]) : 1.0;
    }
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < p; j++)
            s->b[i * p + j] = s->root[i] * s->inverse[j] * (s->b[i * p + j] - s->dv[j]);
}

/* K = B B' and its factor. */
static int factor_samples(const fr_batch *q, const problem *o, samples *s)
{
    const ptrdiff_t n = q->n, ld = fr_gram_order(n);
    const fr_matrix b = {.n_major = n, .n_minor = q->p, .ld = q->p, .nnz = n * q->p, .data = s->b,
                         .index = -1};
    const fr_gram_source source = {.a = &b, .transposed = 1};
    int status = fr_gram_dense(&source, s->g, 1);
    if (status)
        return status;
    double trace = 0, weight = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        memmove(s->g + i * n + i, s->g + i * ld + i, (size_t)(n - i) * sizeof(double));
        trace += s->g[i * n + i];
        weight += s->root[i] * s->root[i];
    }
    if (!isfinite(trace))
        return FR_NOT_FINITE;
    /* S 1 is orthogonal to a: where alpha alone would hold it there, rounding would not */
    const double hold = q->intercept && weight > 0 ? trace / ((double)n * weight) : 0.0;
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = i; j < n; j++)
            s->g[i * n + j] += hold * s->root[i] * s->root[j];
    for (ptrdiff_t i = 0; i < n; i++)
        s->diagonal[i] = s->g[i * n + i] + o->alpha;
    return fr_cholesky(s->g, n, s->diagonal, KEEP, 1);
}

static void times(const fr_batch *q, const double *b, const double *v, double *out)
{
    fr_active()->real[0].dot_rows(b, q->p, q->n, q->p, NULL, NULL, v, out);
}

static void times_transposed(const fr_batch *q, const double *b, const double *u, double *out)
{
    memset(out, 0, (size_t)q->p * sizeof(double));
    fr_active()->real[0].axpy_rows(b, q->p, q->n, q->p, NULL, NULL, u, out);
}

static int target_by_samples(const fr_batch *q, problem *o, samples *s, ptrdiff_t l)
{
    const ptrdiff_t n = q->n, p = q->p;
    const double *y = o->y + l * n;
    double y_mean = 0, total = 0;
    for (ptrdiff_t i = 0; i < n && q->intercept; i++) {
        y_mean += s->root[i] * s->root[i] * (y[i] - y[0]);
        total += s->root[i] * s->root[i];
    }
    y_mean = q->intercept ? y[0] + y_mean / total : 0.0;
    for (ptrdiff_t i = 0; i < n; i++)
        s->a[i] = s->t[i] = s->root[i] * (y[i] - y_mean);
    int status = fr_cholesky_solve(s->g, n, s->a, 1, 1);
    times_transposed(q, s->b, s->a, s->v);
    double before = INFINITY;
    for (int iter = 1; !status; iter++) {
        times(q, s->b, s->v, s->r);
        for (ptrdiff_t i = 0; i < n; i++)
            s->r[i] = s->t[i] - s->r[i] - o->alpha * s->a[i];
        status = fr_cholesky_solve(s->g, n, s->r, 1, 1);
        times_transposed(q, s->b, s->r, s->dv);
        double moved = 0, size = 0;
        for (ptrdiff_t j = 0; j < p; j++) {
            moved += s->dv[j] * s->dv[j];
            size += s->v[j] * s->v[j];
            s->v[j] += s->dv[j];
        }
        for (ptrdiff_t i = 0; i < n; i++)
            s->a[i] += s->r[i];
        const double ratio = size > 0 ? sqrt(moved / size) : moved > 0 ? INFINITY : 0.0;
        if (ratio <= SETTLED)
            break;
        if (!(ratio <= 0.5 * before) || iter == MAX_REFINE)
            return FR_UNSTABLE;
        before = ratio;
    }
    if (status)
        return status;
    /* objective and gradient D^1/2 (B' (t - B v) - alpha v), at the solution itself */
    double f = 0, norm = 0, zero = 0, fitted = 0;
    times(q, s->b, s->v, s->r);
    for (ptrdiff_t i = 0; i < n; i++) {
        s->r[i] = s->t[i] - s->r[i];
        f += s->r[i] * s->r[i];
    }
    times_transposed(q, s->b, s->r, s->dv);
    for (ptrdiff_t j = 0; j < p; j++) {
        const double g = (s->dv[j] - o->alpha * s->v[j]) / s->inverse[j];
        f += o->alpha * s->v[j] * s->v[j];
        norm += g * g;
        o->coef[l * p + j] = s->inverse[j] * s->v[j];
        fitted += s->mean[j] * o->coef[l * p + j];
    }
    times_transposed(q, s->b, s->t, s->dv);
    for (ptrdiff_t j = 0; j < p; j++)
        zero += s->dv[j] * s->dv[j] / (s->inverse[j] * s->inverse[j]);
    o->objective[l] = f;
    o->relative_gradient[l] = zero > 0 ? sqrt(norm / zero) : 0.0;
    o->offset[l] = q->intercept ? y_mean - fitted : 0.0;
    return 0;
}

static ptrdiff_t samples_room(const fr_batch *q)
{
    const ptrdiff_t order = fr_gram_order(q->n);
    return q->n * q->p + order * order + 5 * q->n + 4 * q->p;
}

static int by_samples(const fr_batch *q, problem *o, double *memory)
{
    const ptrdiff_t n = q->n, p = q->p, order = fr_gram_order(n);
    samples s;
    double **const fields[] = {&s.b, &s.g, &s.mean, &s.inverse, &s.root, &s.diagonal, &s.t, &s.a,
                               &s.r, &s.v, &s.dv};
    const ptrdiff_t sizes[] = {n * p, order * order, p, p, n, n, n, n, n, p, p};
    for (size_t f = 0; f < sizeof sizes / sizeof *sizes; f++) {
        *fields[f] = memory;
        memory += sizes[f];
    }
    centre(q, o, &s);
    int status = factor_samples(q, o, &s);
    for (ptrdiff_t l = 0; l < q->k && !status; l++)
        status = target_by_samples(q, o, &s, l);
    return status;
}

/* ---- all problems ---- */

typedef struct {
    fr_batch *q;
    ptrdiff_t step, room;
    int samples_do; /* fewer of them, and every coefficient has a penalty */
    int small;      /* its columns fit into the second-level cache */
} job;

static void solve_task(void *context, ptrdiff_t t)
{
    const job *j = context;
    fr_batch *q = j->q;
    const ptrdiff_t end = MIN((t + 1) * j->step, q->b);
    double *memory = malloc((size_t)j->room * sizeof(double));
    for (ptrdiff_t i = t * j->step; i < end && !q->stop; i++) {
        problem o = problem_of(q, i);
        int status = FR_NO_MEMORY;
        if (memory && j->samples_do && o.alpha > 0)
            status = by_samples(q, &o, memory);
        else if (memory && j->small)
            status = by_columns(q, &o, memory);
        else if (memory) {
            fr_ridge_problem r = problem_over(q, &o, &o.x);
            status = fr_ridge_direct(&r);
        }
        q->status[i] = status;
        if (status < 0)
            q->stop = status;
    }
    free(memory);
}

int fr_ridge_batch(fr_batch *q)
{
    enum { MOST_COLUMNS = 64, MOST_SIZE = 1 << 16 };
    const double size = MAX((double)q->n * (double)q->p, 1.0);
    job j = {.q = q, .step = MAX(1, (ptrdiff_t)(TASK_WORK / size)), .samples_do = q->n < q->p};
    for (ptrdiff_t i = 0; q->penalty && i < q->p; i++)
        j.samples_do = j.samples_do && q->penalty[i] > 0;
    j.small = q->p + q->k <= MOST_COLUMNS && (double)columns_room(q) <= MOST_SIZE;
    j.room = 1;
    if (j.samples_do)
        j.room = MAX(j.room, samples_room(q));
    if (j.small) {
        fr_matrix a = {.n_major = q->p, .n_minor = (q->n + 7) / 8 * 8, .index = -1, .by_column = 1};
        const fr_ridge_problem r = {.a = &a, .n_targets = q->k};
        j.room = MAX(j.room, columns_room(q) + fr_ridge_room(&r));
    }
    q->stop = 0;
    const int threads = fr_threads_for(
        (double)q->b * size * (4.0 + (double)MIN(q->n, q->p) / FR_CACHED), q->n_threads);
    const int status = fr_parallel(solve_task, &j, (q->b + j.step - 1) / j.step, threads);
    return status ? status : q->stop;
}
