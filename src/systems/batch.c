#include "batch.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cholesky.h"
#include "direct.h"
#include "parallel.h"
#include "range.h"
#include "refine.h"

#define TASK_WORK 16384.0 /* work of a task, in elements of X */

/* One problem, and its position in the arrays of all. */
typedef struct {
    fr_matrix x;
    const double *y, *w, *penalty;
    double alpha;
    double *coef, *offset, *relative_gradient, *objective, *unrounded;
} problem;

static problem problem_of(const fr_batch *q, ptrdiff_t i)
{
    const size_t size = q->real == FR_FLOAT ? sizeof(float) : sizeof(double);
    const ptrdiff_t at = i * q->k;
    const problem o = {
        .x = {.n_major = q->n, .n_minor = q->p, .ld = q->p, .nnz = q->n * q->p,
              .data = (const char *)q->x + (size_t)(i * q->n * q->p) * size, .real = q->real,
              .index = -1},
        .y = q->y + i * q->k * q->n,
        .w = q->w ? q->w + (q->weight_each ? i * q->n : 0) : NULL,
        .penalty = q->penalty,
        .alpha = q->alpha[q->alpha_each ? i : 0],
        .coef = q->coef + i * q->k * q->p,
        .offset = q->offset + at,
        .relative_gradient = q->relative_gradient + at,
        .objective = q->objective + at,
        .unrounded = q->unrounded ? q->unrounded + at : NULL,
    };
    return o;
}

static fr_ridge_problem problem_over(const fr_batch *q, const problem *o, fr_matrix *a)
{
    const fr_ridge_problem r = {.a = a, .by_row = a, .y = o->y, .w = o->w, .penalty = o->penalty,
                                .alpha = &o->alpha, .n_targets = q->k, .intercept = q->intercept,
                                .n_threads = 1, .coef = o->coef, .offset = o->offset,
                                .relative_gradient = o->relative_gradient,
                                .objective = o->objective, .unrounded = o->unrounded};
    return r;
}

static double element_of(const problem *o, ptrdiff_t at)
{
    return o->x.real == FR_FLOAT ? (double)((const float *)o->x.data)[at]
                                 : ((const double *)o->x.data)[at];
}

/* ---- by features, one problem in each lane of a register ---- */

/* Problems of up to this size and their sums stay in the second-level cache. */
enum { MOST_COLUMNS = 64, MOST_SIZE = 1 << 17 };

static ptrdiff_t lanes_workspace(const fr_batch *q)
{
    const ptrdiff_t ld = fr_lanes_order(q->p, q->k);
    const ptrdiff_t each = q->n * (ld + 1) + fr_lanes_room(q->p, q->k) + q->k * (q->p + 4) + 1;
    return fr_active()->lanes * each + 8;
}

/* Solve `count` problems from i on, which may be fewer than there are lanes. */
static void by_lanes(const fr_batch *q, ptrdiff_t i, ptrdiff_t count, double *memory)
{
    const fr_kernels *kernels = fr_active();
    const ptrdiff_t n = q->n, p = q->p, k = q->k, lanes = kernels->lanes;
    const size_t size = q->real == FR_FLOAT ? sizeof(float) : sizeof(double);
    fr_lanes g = {.n = n, .p = p, .k = k, .ld = fr_lanes_order(p, k), .intercept = q->intercept,
                  .penalty = q->penalty, .lost = fr_lost(n), .round = q->unrounded != NULL};
    const void *from[FR_MOST_LANES];
    ptrdiff_t at[FR_MOST_LANES];
    /* aligned so that registers are loaded without crossing cache lines */
    memory = (double *)(((uintptr_t)memory + 63) / 64 * 64);
    double *w = memory + n * g.ld * lanes, *alpha = w + n * lanes;
    g.x = memory;
    g.coef = alpha + lanes;
    g.offset = g.coef + k * p * lanes;
    g.relative_gradient = g.offset + k * lanes;
    g.objective = g.relative_gradient + k * lanes;
    g.unrounded = g.objective + k * lanes;
    g.memory = g.unrounded + k * lanes;
    for (ptrdiff_t l = 0; l < lanes; l++) {
        at[l] = i + MIN(l, count - 1);
        from[l] = (const char *)q->x + (size_t)(at[l] * n * p) * size;
        alpha[l] = q->alpha[q->alpha_each ? at[l] : 0];
    }
    g.alpha = alpha;
    kernels->real[q->real].to_lanes(from, n, p, g.ld, g.x);
    for (ptrdiff_t t = 0; t < k; t++) {
        for (ptrdiff_t l = 0; l < lanes; l++)
            from[l] = q->y + (at[l] * k + t) * n;
        kernels->real[FR_DOUBLE].to_lanes(from, n, 1, g.ld, g.x + (p + t) * lanes);
    }
    if (q->w) {
        for (ptrdiff_t l = 0; l < lanes; l++)
            from[l] = q->w + (q->weight_each ? at[l] * n : 0);
        kernels->real[FR_DOUBLE].to_lanes(from, n, 1, 1, w);
        g.w = w;
    }
    kernels->ridge_lanes(&g);
    for (ptrdiff_t l = 0; l < count; l++) {
        double *coef = q->coef + (i + l) * k * p;
        for (ptrdiff_t e = 0; e < k * p; e++)
            coef[e] = g.coef[e * lanes + l];
        for (ptrdiff_t t = 0; t < k; t++) {
            q->offset[(i + l) * k + t] = q->intercept ? g.offset[t * lanes + l] : 0.0;
            q->relative_gradient[(i + l) * k + t] = g.relative_gradient[t * lanes + l];
            q->objective[(i + l) * k + t] = g.objective[t * lanes + l];
            if (q->unrounded)
                q->unrounded[(i + l) * k + t] = g.unrounded[t * lanes + l];
        }
        q->status[i + l] = g.status[l];
    }
}

/* ---- by samples: (B B' + alpha I) a = t with B = S (X - 1 mean') D^-1/2, t = S (y - y_mean);
 *      v = B' a, c = D^-1/2 v ---- */

typedef struct {
    double *b, *g, *mean, *inverse, *root, *diagonal, *t, *a, *r, *v, *dv;
} samples;

/* Compute B, the means and S; constant columns stay exactly zero. */
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

/* Compute K = B B' and its factor. */
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
        /* a zero row counts as constant only where nothing underflowed when squared */
        for (ptrdiff_t j = 0; j < q->p && s->g[i * ld + i] < FR_LEAST_SQUARES; j++)
            if (s->b[i * q->p + j] != 0)
                return FR_NOT_FINITE;
        memmove(s->g + i * n + i, s->g + i * ld + i, (size_t)(n - i) * sizeof(double));
        trace += s->g[i * n + i];
        weight += s->root[i] * s->root[i];
    }
    if (!(trace <= FR_MOST_SQUARES))
        return FR_NOT_FINITE;
    /* S 1 is orthogonal to a: where alpha alone would keep it so, round-off would not */
    const double hold = q->intercept && weight > 0 ? trace / ((double)n * weight) : 0.0;
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = i; j < n; j++)
            s->g[i * n + j] += hold * s->root[i] * s->root[j];
    for (ptrdiff_t i = 0; i < n; i++)
        s->diagonal[i] = s->g[i * n + i] + o->alpha;
    return fr_cholesky(s->g, n, s->diagonal, FR_KEEP, 1);
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

/* Return the relative gradient D^1/2 (B' (t - B v) - alpha v) and the objective at the solution
 * itself. */
static double certify_by_samples(const fr_batch *q, const problem *o, samples *s, double zero,
                                 double *objective)
{
    double f = 0, norm = 0;
    times(q, s->b, s->v, s->r);
    for (ptrdiff_t i = 0; i < q->n; i++) {
        s->r[i] = s->t[i] - s->r[i];
        f += s->r[i] * s->r[i];
    }
    times_transposed(q, s->b, s->r, s->dv);
    for (ptrdiff_t j = 0; j < q->p; j++) {
        const double g = (s->dv[j] - o->alpha * s->v[j]) / s->inverse[j];
        f += o->alpha * s->v[j] * s->v[j];
        norm += g * g;
    }
    *objective = f;
    return zero == 0 ? 0.0 : sqrt(norm / zero);
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
    double squares = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        s->a[i] = s->t[i] = s->root[i] * (y[i] - y_mean);
        squares += s->t[i] * s->t[i];
    }
    if (fr_target_out_of_range(y, n, squares, q->intercept))
        return FR_NOT_FINITE;
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
        const double ratio = fr_step_ratio(moved, size);
        if (ratio <= FR_SETTLED)
            break;
        if (fr_stalls(ratio, before, iter))
            return FR_UNSTABLE;
        before = ratio;
    }
    if (status)
        return status;
    double zero = 0, fitted = 0;
    times_transposed(q, s->b, s->t, s->dv);
    for (ptrdiff_t j = 0; j < p; j++)
        zero += s->dv[j] * s->dv[j] / (s->inverse[j] * s->inverse[j]);
    o->relative_gradient[l] = certify_by_samples(q, o, s, zero, o->objective + l);
    for (ptrdiff_t j = 0; j < p && o->unrounded; j++)
        s->v[j] = (double)(float)(s->inverse[j] * s->v[j]) / s->inverse[j];
    if (o->unrounded) {
        o->unrounded[l] = o->relative_gradient[l];
        o->relative_gradient[l] = certify_by_samples(q, o, s, zero, o->objective + l);
    }
    for (ptrdiff_t j = 0; j < p; j++) {
        o->coef[l * p + j] = s->inverse[j] * s->v[j];
        fitted += s->mean[j] * o->coef[l * p + j];
    }
    o->offset[l] = q->intercept ? y_mean - fitted : 0.0;
    return isfinite(o->objective[l]) && isfinite(o->relative_gradient[l]) ? 0 : FR_NOT_FINITE;
}

static ptrdiff_t samples_workspace(const fr_batch *q)
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
    ptrdiff_t step, workspace;
    int samples_do; /* few enough of them, and every coefficient penalised */
    int small;
} batch_job;

static int solve_one(const batch_job *j, ptrdiff_t i, double *memory)
{
    problem o = problem_of(j->q, i);
    if (j->samples_do && o.alpha > 0)
        return by_samples(j->q, &o, memory);
    fr_ridge_problem r = problem_over(j->q, &o, &o.x);
    return fr_ridge_direct(&r);
}

static void solve_task(void *context, ptrdiff_t t)
{
    const batch_job *j = context;
    fr_batch *q = j->q;
    const ptrdiff_t end = MIN((t + 1) * j->step, q->b), lanes = j->small ? fr_active()->lanes : 1;
    double *memory = malloc((size_t)j->workspace * sizeof(double));
    if (!memory)
        q->stop = FR_NO_MEMORY;
    for (ptrdiff_t i = t * j->step; i < end && !q->stop; i += lanes) {
        if (j->small) {
            by_lanes(q, i, MIN(lanes, end - i), memory);
            continue;
        }
        q->status[i] = solve_one(j, i, memory);
        if (q->status[i] < 0)
            q->stop = q->status[i];
    }
    free(memory);
}

int fr_ridge_batch(fr_batch *q)
{
    enum { GROUP = FR_MOST_LANES };
    const double size = MAX((double)q->n * (double)q->p, 1.0);
    batch_job j = {.q = q, .samples_do = q->n < q->p};
    for (ptrdiff_t i = 0; q->penalty && i < q->p; i++)
        j.samples_do = j.samples_do && q->penalty[i] > 0;
    j.small = !j.samples_do && q->p + q->k <= MOST_COLUMNS && size <= MOST_SIZE &&
              lanes_workspace(q) <= MOST_SIZE;
    j.workspace = j.small ? lanes_workspace(q) : j.samples_do ? samples_workspace(q) : 1;
    /* the same groups for every register width */
    j.step = MAX(1, (ptrdiff_t)(TASK_WORK / size));
    j.step = j.small ? (j.step + GROUP - 1) / GROUP * GROUP : j.step;
    q->stop = 0;
    const int threads = fr_threads_for(
        (double)q->b * size * (4.0 + (double)MIN(q->n, q->p) / FR_CACHED), q->n_threads);
    const int status = fr_parallel(solve_task, &j, (q->b + j.step - 1) / j.step, threads);
    return status ? status : q->stop;
}
