#include "direct.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cholesky.h"
#include "parallel.h"

#define MAX_REFINE 10
#define SETTLED 1e-7     /* relative correction whose square is below rounding */
#define KEEP 1e-13       /* share of a column that must be left by the columns before it */

/* ---- sums ---- */

typedef struct {
    ptrdiff_t n, p, k;
    double *g;               /* p x p: upper triangle of the centred Gram matrix */
    double *gram_diagonal, *diagonal, *penalty, *mean, *y_mean, *b, *yy; /* b: p x k, F order */
    double *root, *residual, *weighted, *gradient, *step;
    double total;
} state;

static double dot(const double *a, const double *b, ptrdiff_t n)
{
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    ptrdiff_t i = 0;
    for (; i + 4 <= n; i += 4) {
        s0 += a[i] * b[i];
        s1 += a[i + 1] * b[i + 1];
        s2 += a[i + 2] * b[i + 2];
        s3 += a[i + 3] * b[i + 3];
    }
    for (; i < n; i++)
        s0 += a[i] * b[i];
    return (s0 + s1) + (s2 + s3);
}

static int dense_sums(fr_ridge_problem *q, state *s)
{
    const ptrdiff_t n = s->n, p = s->p, k = s->k;
    const fr_gram_source source = {.a = q->a,
                                   .y = q->y,
                                   .k = k,
                                   .ones = q->intercept,
                                   .col_shift = q->intercept ? s->mean : NULL,
                                   .y_shift = q->intercept ? s->y_mean : NULL,
                                   .root_weight = s->root};
    if (q->intercept) {
        const fr_matrix y = {.n_major = k, .n_minor = n, .ld = n, .data = q->y, .index = -1,
                             .by_column = 1};
        fr_place(q->a, s->mean);
        fr_place(&y, s->y_mean);
    }
    if (q->w)
        for (ptrdiff_t i = 0; i < n; i++)
            s->root[i] = sqrt(q->w[i]);
    double *g = s->g;
    int status = fr_gram_dense(&source, g, q->n_threads);
    if (status)
        return status;
    const ptrdiff_t ones = p + k, ld = fr_gram_order(p + k + (q->intercept ? 1 : 0));
    for (ptrdiff_t j = 0; j < p; j++)
        if (!isfinite(g[j * ld + j]))
            return FR_NOT_FINITE;
    s->total = q->intercept ? g[ones * ld + ones] : 1.0;
    for (ptrdiff_t t = 0; t < k; t++) {
        const double ys = q->intercept ? g[(p + t) * ld + ones] : 0.0;
        for (ptrdiff_t j = 0; j < p; j++) {
            const double xs = q->intercept ? g[j * ld + ones] : 0.0;
            s->b[t * p + j] = g[j * ld + p + t] - xs * (ys / s->total);
        }
        s->yy[t] = g[(p + t) * ld + p + t] - ys * (ys / s->total);
        s->y_mean[t] = q->intercept ? s->y_mean[t] + ys / s->total : 0.0;
    }
    if (q->intercept)
        for (ptrdiff_t j = 0; j < p; j++) {
            s->step[j] = g[j * ld + ones];
            s->mean[j] += s->step[j] / s->total;
        }
    /* compact to p x p in place, taking the mean's share away */
    for (ptrdiff_t i = 0; i < p; i++) {
        const double d = q->intercept ? s->step[i] / s->total : 0.0;
        for (ptrdiff_t j = i; j < p; j++)
            g[i * p + j] = g[i * ld + j] - (q->intercept ? d * s->step[j] : 0.0);
        s->gram_diagonal[i] = MAX(g[i * p + i], 0.0);
    }
    return 0;
}

static int sparse_sums(fr_ridge_problem *q, state *s)
{
    const ptrdiff_t n = s->n, p = s->p, k = s->k;
    int status = fr_gram_sparse(q->by_row, q->w, NULL, p, s->g, q->n_threads);
    if (!status && q->intercept)
        status = fr_column_stats(q->a, q->w, s->mean, s->step, q->n_threads);
    if (status)
        return status;
    s->total = (double)n;
    if (q->w) {
        s->total = 0;
        for (ptrdiff_t i = 0; i < n; i++)
            s->total += q->w[i];
    }
    for (ptrdiff_t t = 0; t < k && !status; t++) {
        const double *y = q->y + t * n;
        double m = 0;
        if (q->intercept) {
            for (ptrdiff_t i = 0; i < n; i++)
                m += (q->w ? q->w[i] : 1.0) * (y[i] - y[0]);
            m = y[0] + m / s->total;
        }
        s->y_mean[t] = m;
        s->yy[t] = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            s->weighted[i] = (q->w ? q->w[i] : 1.0) * (y[i] - m);
            s->yy[t] += s->weighted[i] * (y[i] - m);
        }
        status = fr_tdot(q->a, s->weighted, s->b + t * p, 1, q->n_threads);
    }
    for (ptrdiff_t i = 0; i < p; i++) {
        if (q->intercept)
            for (ptrdiff_t j = i; j < p; j++)
                s->g[i * p + j] -= s->total * s->mean[i] * s->mean[j];
        double *own = s->g + i * p + i;
        if (q->intercept && s->step[i] == 0)
            *own = 0;
        s->gram_diagonal[i] = *own;
    }
    return status;
}

/* Columns that are constant (or zero) get a zero row and a unit diagonal: coefficient 0. */
static void drop_constant(state *s)
{
    for (ptrdiff_t j = 0; j < s->p; j++) {
        if (s->gram_diagonal[j] > 0)
            continue;
        for (ptrdiff_t i = 0; i < j; i++)
            s->g[i * s->p + j] = 0;
        for (ptrdiff_t i = j; i < s->p; i++)
            s->g[j * s->p + i] = 0;
        for (ptrdiff_t t = 0; t < s->k; t++)
            s->b[t * s->p + j] = 0;
    }
}

/* ---- solution ---- */

/* g = A' W r - alpha d c of targets t0 .. t1, with r = y - A c; sums of w r^2 into yy. */
static int gradient(fr_ridge_problem *q, state *s, ptrdiff_t t0, ptrdiff_t t1)
{
    const ptrdiff_t n = s->n, p = s->p, k = t1 - t0;
    fr_matrix a = *q->a;
    a.shift = q->intercept ? s->mean : NULL;
    const int status = fr_residual(&a, q->coef + t0 * p, q->y + t0 * n, s->y_mean + t0, q->w, k,
                                   s->residual, s->yy + t0, s->gradient, q->n_threads);
    q->a->cuts = a.cuts;
    q->a->n_cuts = a.n_cuts;
    for (ptrdiff_t t = 0; t < k; t++) {
        const double alpha = q->alpha[q->alpha_per_target ? t0 + t : 0];
        for (ptrdiff_t j = 0; j < p; j++) {
            const double g = s->gradient[t * p + j];
            s->gradient[t * p + j] = s->gram_diagonal[j] > 0
                ? g - alpha * s->penalty[j] * q->coef[(t0 + t) * p + j] : 0.0;
        }
    }
    return status;
}

/* out = (G + alpha d) v from the lower triangle, which the factor leaves alone */
static void multiply(const state *s, const double *v, double *out)
{
    const ptrdiff_t p = s->p;
    for (ptrdiff_t i = 0; i < p; i++)
        out[i] = s->diagonal[i] * v[i];
    for (ptrdiff_t i = 0; i < p; i++) {
        const double *row = s->g + i * p, vi = v[i];
        double sum = 0;
        for (ptrdiff_t j = 0; j < i; j++) {
            sum += row[j] * v[j];
            out[j] += row[j] * vi;
        }
        out[i] += sum;
    }
}

/* Targets t0 .. t1 share one penalty. */
static int solve_group(fr_ridge_problem *q, state *s, ptrdiff_t t0, ptrdiff_t t1)
{
    const ptrdiff_t p = s->p, k = t1 - t0;
    const double alpha = q->alpha[q->alpha_per_target ? t0 : 0];
    for (ptrdiff_t j = 0; j < p; j++)
        s->diagonal[j] = s->gram_diagonal[j] > 0 ? s->gram_diagonal[j] + alpha * s->penalty[j] : 1.0;
    int status = fr_mirror(s->g, p, t0 > 0, q->n_threads);
    if (!status)
        status = fr_cholesky(s->g, p, s->diagonal, KEEP, q->n_threads);
    if (status)
        return status;
    double *c = q->coef + t0 * p;
    memcpy(c, s->b + t0 * p, (size_t)(k * p) * sizeof(double));
    if ((status = fr_cholesky_solve(s->g, p, c, k, q->n_threads)))
        return status;
    double before = INFINITY;
    for (int iter = 1;; iter++) {
        if ((status = gradient(q, s, t0, t1)))
            return status;
        memcpy(s->step, s->gradient, (size_t)(k * p) * sizeof(double));
        if ((status = fr_cholesky_solve(s->g, p, s->step, k, q->n_threads)))
            return status;
        double worst = 0;
        for (ptrdiff_t t = 0; t < k; t++) {
            double moved = 0, size = 0;
            for (ptrdiff_t j = 0; j < p; j++) {
                const double d = s->diagonal[j], e = s->step[t * p + j], o = c[t * p + j];
                moved += d * e * e;
                size += d * o * o;
            }
            const double ratio = size > 0 ? sqrt(moved / size) : moved > 0 ? INFINITY : 0.0;
            worst = ratio == ratio ? MAX(worst, ratio) : INFINITY;
        }
        const int last = worst <= SETTLED;
        if (!last && (worst > 0.5 * before || iter == MAX_REFINE))
            return FR_UNSTABLE;
        before = worst;
        for (ptrdiff_t t = 0; t < k; t++) {
            double *e = s->step + t * p, *g = s->gradient + t * p, *ct = c + t * p;
            if (last) {
                /* objective and gradient after the step, from those before it:
                 * f(c + e) = f(c) - 2 g'e + e'Me,  g(c + e) = g - Me */
                double *me = s->residual, f = s->yy[t0 + t], norm = 0, zero = 0, trace = 0, size = 0;
                multiply(s, e, me);
                for (ptrdiff_t j = 0; j < p; j++) {
                    f += alpha * s->penalty[j] * ct[j] * ct[j] + e[j] * (me[j] - 2 * g[j]);
                    g[j] -= me[j];
                    norm += g[j] * g[j];
                    trace += s->diagonal[j];
                    size += s->diagonal[j] * (ct[j] + e[j]) * (ct[j] + e[j]);
                    zero += s->b[(t0 + t) * p + j] * s->b[(t0 + t) * p + j];
                }
                q->objective[t0 + t] = MAX(f, 0.0);
                /* and what rounding the coefficients may do: |M r| <= sqrt(tr M) sqrt(r'Mr) */
                norm = sqrt(norm) + 0.5 * DBL_EPSILON * sqrt(trace * size);
                q->relative_gradient[t0 + t] = zero > 0 ? norm / sqrt(zero) : 0.0;
            }
            for (ptrdiff_t j = 0; j < p; j++)
                ct[j] += e[j];
        }
        q->n_iter = MAX(q->n_iter, iter);
        if (last)
            return 0;
    }
}

int fr_ridge_direct(fr_ridge_problem *q)
{
    state s = {.n = fr_n_rows(q->a), .p = fr_n_columns(q->a), .k = q->n_targets};
    const ptrdiff_t n = s.n, p = s.p, k = s.k;
    const ptrdiff_t order = q->a->index < 0 ? fr_gram_order(p + k + 1) : p;
    const ptrdiff_t sizes[] = {order * order, p, p, p, p, k, k * p, k,
                               q->w ? n : 0, k * MAX(n, p), n, k * p, k * p};
    double **const fields[] = {&s.g, &s.gram_diagonal, &s.diagonal, &s.penalty, &s.mean, &s.y_mean,
                               &s.b, &s.yy, &s.root, &s.residual, &s.weighted, &s.gradient,
                               &s.step};
    ptrdiff_t total = 0;
    for (size_t f = 0; f < sizeof sizes / sizeof *sizes; f++)
        total += sizes[f];
    double *memory = malloc((size_t)total * sizeof(double)), *at = memory;
    if (!memory)
        return FR_NO_MEMORY;
    for (size_t f = 0; f < sizeof sizes / sizeof *sizes; f++) {
        *fields[f] = at;
        at += sizes[f];
    }
    if (!q->w)
        s.root = NULL;
    q->n_iter = 0;
    int status = q->a->index < 0 ? dense_sums(q, &s) : sparse_sums(q, &s);
    if (!status) {
        drop_constant(&s);
        for (ptrdiff_t j = 0; j < p; j++)
            s.penalty[j] = q->penalty ? q->penalty[j] : 1.0;
    }
    for (ptrdiff_t t0 = 0; t0 < k && !status;) {
        ptrdiff_t t1 = q->alpha_per_target ? t0 + 1 : k;
        while (t1 < k && q->alpha[t1] == q->alpha[t0])
            t1++;
        status = solve_group(q, &s, t0, t1);
        t0 = t1;
    }
    for (ptrdiff_t t = 0; t < k && !status; t++)
        q->offset[t] = q->intercept ? s.y_mean[t] - dot(s.mean, q->coef + t * p, p) : 0.0;
    free(memory);
    return status;
}
