/* Ridge regression of many targets, by blocks of them. */

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cholesky.h"
#include "direct.h"
#include "panels.h"
#include "parallel.h"
#include "range.h"
#include "refine.h"

#define ROOM 2e6     /* elements of a workspace array */
#define KEEP_WELL 1e-4  /* pivots that keep this share: round-off is no more than that of X */
#define EXPLAINED 1e-6  /* share of squares left below which they are summed from residuals */

typedef struct {
    fr_ridge_problem *q;
    const fr_matrix *y;
    ptrdiff_t n, p, k;
    double *g, *full; /* p x p: factor over the lower triangle of the Gram matrix; both triangles */
    double *mean, *square, *diagonal, *penalty, *y_mean, *yy;
    double *b, *step;          /* cross products and corrections of a block of targets */
    double *target, *residual; /* of a block, one behind the other */
    double *change;            /* of gradients of a block, where coefficients are rounded to float32 */
    double alpha;
    int well;
} state;

/* Targets whose residuals are computed at once */
static ptrdiff_t together(ptrdiff_t n) { return MAX(FR_MANY, (ptrdiff_t)(ROOM / (double)n)); }

/* Copy targets t0 .. t1, centred and, for `weighted`, weighted, contiguously. */
static void centred(const state *s, ptrdiff_t t0, ptrdiff_t t1, int weighted, double *to)
{
    const double *w = weighted ? s->q->w : NULL;
    for (ptrdiff_t i0 = 0; i0 < s->n; i0 += 64)
        for (ptrdiff_t t = t0; t < t1; t++)
            for (ptrdiff_t i = i0; i < MIN(i0 + 64, s->n); i++) {
                const double e = at(s->y, i, t) - s->y_mean[t];
                to[(t - t0) * s->n + i] = w ? w[i] * e : e;
            }
}

static fr_matrix about_means(const state *s)
{
    fr_matrix a = *s->q->a;
    a.shift = s->q->intercept ? s->mean : NULL;
    return a;
}

static void keep_cuts(const state *s, const fr_matrix *a)
{
    s->q->a->cuts = a->cuts;
    s->q->a->n_cuts = a->n_cuts;
}

/* b = A' W y for targets t0 .. t1 */
static int cross(const state *s, ptrdiff_t t0, ptrdiff_t t1)
{
    fr_matrix a = about_means(s);
    int status;
    if (a.index < 0) {
        const ptrdiff_t row = a.by_column ? 1 : a.ld, column = a.by_column ? a.ld : 1;
        const ptrdiff_t y_row = s->y->by_column ? 1 : s->y->ld;
        const fr_panel_source y = {.x = (const double *)s->y->data + t0 * (s->y->by_column ? s->y->ld : 1),
                                   .rs = y_row, .cs = s->y->by_column ? s->y->ld : 1,
                                   .col_shift = s->y_mean + t0, .row_weight = s->q->w};
        const fr_panel_source x = {.x = a.data, .rs = row, .cs = column, .col_shift = a.shift};
        status = fr_product(&y, t1 - t0, &x, a.real, s->p, s->n, s->b, s->p, 0, s->q->n_threads);
    } else {
        centred(s, t0, t1, 1, s->residual);
        status = fr_tdot(&a, s->residual, s->b, t1 - t0, s->q->n_threads);
        keep_cuts(s, &a);
    }
    for (ptrdiff_t t = 0; t < t1 - t0; t++)
        for (ptrdiff_t j = 0; j < s->p; j++)
            if (!(s->square[j] > 0))
                s->b[t * s->p + j] = 0;
    return status;
}

static double norm(const double *a, ptrdiff_t n)
{
    double s[4] = {0, 0, 0, 0};
    for (ptrdiff_t i = 0; i < n; i++)
        s[i % 4] += a[i] * a[i];
    return sqrt((s[0] + s[1]) + (s[2] + s[3]));
}

/* Return the size of the last correction plus, relative to the gradient b at zero, the effect of
 * rounding the coefficients, |G r| <= sqrt(tr G) sqrt(r'Gr) and |alpha d r|, and of the solve. */
static void finish(const state *s, double *c, ptrdiff_t t, const double *b, const double *e)
{
    double trace = 0, size = 0, moved = 0, shrunk = 0, shrunk_step = 0;
    for (ptrdiff_t j = 0; j < s->p; j++) {
        const double square = MAX(s->square[j], 0.0), shrink = s->alpha * s->penalty[j];
        c[j] += e[j];
        trace += square;
        size += square * c[j] * c[j];
        moved += square * e[j] * e[j];
        shrunk += shrink * c[j] * (shrink * c[j]);
        shrunk_step += shrink * e[j] * (shrink * e[j]);
    }
    const double zero = norm(b, s->p), rounded = (s->well ? 1.0 : 0.5) * DBL_EPSILON;
    const double left = rounded * (sqrt(trace * size) + sqrt(shrunk)) +
        4 * DBL_EPSILON * (double)s->p * (sqrt(trace * moved) + sqrt(shrunk_step));
    s->q->relative_gradient[t] = zero == 0 ? 0.0 : left / zero;
}

/* Round the coefficients of k targets to float32; their changes go to step. */
static void round_all(const state *s, ptrdiff_t t0, ptrdiff_t k)
{
    double *c = s->q->coef + t0 * s->p;
    memcpy(s->q->unrounded + t0, s->q->relative_gradient + t0, (size_t)k * sizeof(double));
    for (ptrdiff_t i = 0; i < k * s->p; i++) {
        const double to = (double)(float)c[i];
        s->step[i] = to - c[i];
        c[i] = to;
    }
}

/* Refine with the Gram matrix alone: g = b - M c. Return 1 where residuals are needed after all. */
static int by_gram(const state *s, ptrdiff_t t0, ptrdiff_t t1)
{
    const ptrdiff_t p = s->p, k = t1 - t0;
    double *c = s->q->coef + t0 * p;
    memcpy(c, s->b, (size_t)(k * p) * sizeof(double));
    int status = fr_cholesky_solve(s->g, p, c, k, s->q->n_threads);
    const fr_panel_source coef = {.x = c, .rs = 1, .cs = p};
    const fr_panel_source gram = {.x = s->full, .rs = p, .cs = 1};
    if (!status)
        status = fr_product(&coef, k, &gram, FR_DOUBLE, p, p, s->step, p, 0, s->q->n_threads);
    if (status)
        return status;
    for (ptrdiff_t t = 0; t < k; t++) {
        double f = s->yy[t0 + t];
        for (ptrdiff_t j = 0; j < p; j++) {
            double *e = s->step + t * p + j;
            const double o = c[t * p + j], b = s->b[t * p + j];
            *e = s->square[j] > 0 ? b - *e - s->alpha * s->penalty[j] * o : 0.0;
            f -= o * (b + *e);
        }
        if (!(f > EXPLAINED * s->yy[t0 + t]) && s->yy[t0 + t] > 0)
            return 1;
        s->q->objective[t0 + t] = f;
    }
    if ((status = fr_cholesky_solve(s->g, p, s->step, k, s->q->n_threads)))
        return status;
    if (!(fr_relative_step(s->diagonal, s->step, c, p, k) <= FR_SETTLED))
        return 1;
    for (ptrdiff_t t = 0; t < k; t++)
        finish(s, c + t * p, t0 + t, s->b + t * p, s->step + t * p);
    s->q->n_iter = MAX(s->q->n_iter, 1);
    if (!s->q->unrounded)
        return 0;
    round_all(s, t0, k);
    const fr_panel_source rounding = {.x = s->step, .rs = 1, .cs = p};
    status = fr_product(&rounding, k, &gram, FR_DOUBLE, p, p, s->change, p, 0, s->q->n_threads);
    for (ptrdiff_t t = 0; t < k; t++) {
        double *change = s->change + t * p;
        for (ptrdiff_t j = 0; j < p; j++) {
            change[j] += s->alpha * s->penalty[j] * s->step[t * p + j];
            s->q->objective[t0 + t] += s->step[t * p + j] * change[j];
        }
        const double zero = norm(s->b + t * p, p);
        s->q->relative_gradient[t0 + t] += zero == 0 ? 0.0 : norm(change, p) / zero;
    }
    return status;
}

/* Compute objectives of k targets and their gradients, with residuals from X, into step. */
static int step_from_residual(const state *s, ptrdiff_t t0, ptrdiff_t k)
{
    const ptrdiff_t p = s->p;
    double *c = s->q->coef + t0 * p;
    fr_matrix a = about_means(s);
    const int status = fr_residual(&a, c, s->target, NULL, s->q->w, k, s->residual,
                                   s->q->objective + t0, s->step, s->q->n_threads);
    keep_cuts(s, &a);
    for (ptrdiff_t t = 0; t < k && !status; t++)
        for (ptrdiff_t j = 0; j < p; j++) {
            const double o = c[t * p + j], shrink = s->alpha * s->penalty[j] * o;
            s->q->objective[t0 + t] += shrink * o;
            s->step[t * p + j] = s->square[j] > 0 ? s->step[t * p + j] - shrink : 0.0;
        }
    return status;
}

/* Refine with residuals from X. */
static int by_residual(const state *s, ptrdiff_t t0, ptrdiff_t t1)
{
    const ptrdiff_t p = s->p, k = t1 - t0;
    double *c = s->q->coef + t0 * p, before = INFINITY;
    memcpy(c, s->b, (size_t)(k * p) * sizeof(double));
    int status = fr_cholesky_solve(s->g, p, c, k, s->q->n_threads);
    centred(s, t0, t1, 0, s->target);
    for (int iter = 1; !status; iter++) {
        status = step_from_residual(s, t0, k);
        if (status || (status = fr_cholesky_solve(s->g, p, s->step, k, s->q->n_threads)))
            break;
        const double worst = fr_relative_step(s->diagonal, s->step, c, p, k);
        s->q->n_iter = MAX(s->q->n_iter, iter);
        if (worst <= FR_SETTLED) {
            for (ptrdiff_t t = 0; t < k; t++)
                finish(s, c + t * p, t0 + t, s->b + t * p, s->step + t * p);
            if (s->q->unrounded) {
                round_all(s, t0, k);
                status = step_from_residual(s, t0, k);
            }
            for (ptrdiff_t t = 0; t < k && s->q->unrounded; t++) {
                const double zero = norm(s->b + t * p, p);
                s->q->relative_gradient[t0 + t] += zero == 0 ? 0.0 : norm(s->step + t * p, p) / zero;
            }
            break;
        }
        if (fr_stalls(worst, before, iter))
            return FR_UNSTABLE;
        before = worst;
        for (ptrdiff_t i = 0; i < k * p; i++)
            c[i] += s->step[i];
    }
    return status;
}

/* Factor M = G + alpha d; s->well: whether it is far from singular. */
static int factor(state *s)
{
    const ptrdiff_t p = s->p;
    for (ptrdiff_t j = 0; j < p; j++)
        s->diagonal[j] = s->square[j] > 0 ? s->square[j] + s->alpha * s->penalty[j] : 1.0;
    int status = FR_UNSTABLE;
    for (s->well = s->full != NULL; status == FR_UNSTABLE && s->well >= 0; s->well--) {
        status = fr_mirror(s->g, p, 1, s->q->n_threads);
        if (!status)
            status = fr_cholesky(s->g, p, s->diagonal, s->well ? KEEP_WELL : FR_KEEP, s->q->n_threads);
        if (!status)
            break;
    }
    return status;
}

static int solve_all(state *s, ptrdiff_t block)
{
    fr_ridge_problem *q = s->q;
    const ptrdiff_t k = s->k, p = s->p;
    int status = 0;
    for (ptrdiff_t t0 = 0; t0 < k && !status;) {
        ptrdiff_t end = q->alpha_per_target ? t0 + 1 : k;
        while (end < k && q->alpha[end] == q->alpha[t0])
            end++;
        s->alpha = q->alpha[q->alpha_per_target ? t0 : 0];
        status = factor(s);
        for (ptrdiff_t t1; t0 < end && !status; t0 = t1) {
            t1 = MIN(t0 + block, end);
            if ((status = cross(s, t0, t1)))
                break;
            const int well = s->well;
            status = well ? by_gram(s, t0, t1) : 1;
            if (status != 1)
                continue;
            s->well = 0;
            const ptrdiff_t few = together(s->n);
            double *b = s->b;
            status = 0;
            for (ptrdiff_t t = t0; t < t1 && !status; t += few, s->b += few * p)
                status = by_residual(s, t, MIN(t + few, t1));
            s->b = b;
            s->well = well;
        }
    }
    return status;
}

static int varies(const state *s, ptrdiff_t t)
{
    const double level = s->q->intercept ? at(s->y, 0, t) : 0.0;
    for (ptrdiff_t i = 0; i < s->n; i++)
        if (at(s->y, i, t) != level)
            return 1;
    return 0;
}

int fr_ridge_targets(fr_ridge_problem *q, fr_matrix *targets)
{
    state s = {.q = q, .y = targets, .n = fr_n_rows(q->a), .p = fr_n_columns(q->a),
               .k = fr_n_columns(targets)};
    const ptrdiff_t n = s.n, p = s.p, k = s.k;
    ptrdiff_t block = (ptrdiff_t)(ROOM / (double)(q->a->index < 0 ? p : p + n));
    block = MIN(MAX(block / FR_MANY * FR_MANY, FR_MANY), MIN(k, 512));
    const ptrdiff_t few = MIN(together(n), block);
    const ptrdiff_t rows = n * (q->a->index < 0 ? few : block);
    /* keep the Gram matrix a second time where that is no more than the other arrays */
    const int both = p <= 2000 || p <= k;
    double *offset;
    const ptrdiff_t sizes[] = {fr_moments_workspace(q->a, 0), both ? p * p : 0, p, p, p, p, p, k, k,
                               block * p, block * p, n * few, rows,
                               q->unrounded ? block * p : 0};
    double **const fields[] = {&s.g, &s.full, &s.mean, &offset, &s.square, &s.diagonal, &s.penalty,
                               &s.y_mean, &s.yy, &s.b, &s.step, &s.target, &s.residual,
                               &s.change};
    ptrdiff_t total = 0;
    for (size_t f = 0; f < sizeof sizes / sizeof *sizes; f++)
        total += sizes[f];
    double *memory = malloc((size_t)total * sizeof(double)), *to = memory;
    if (!memory)
        return FR_NO_MEMORY;
    for (size_t f = 0; f < sizeof sizes / sizeof *sizes; f++) {
        *fields[f] = to;
        to += sizes[f];
    }
    double none = 0, weight = 0;
    fr_moments m = {.a = q->a, .by_row = q->by_row, .w = q->w, .centre = q->intercept,
                    .n_threads = q->n_threads, .g = s.g, .shift = s.mean, .offset = offset,
                    .y_shift = &none, .y_offset = &none, .cross = &none, .yy = &none,
                    .scratch = s.residual};
    q->n_iter = 0;
    int status = fr_sum_moments(&m);
    for (ptrdiff_t j = 0; j < p && !status; j++) {
        s.mean[j] += offset[j];
        s.square[j] = s.g[j * p + j] < 0 ? 0.0 : s.g[j * p + j];
        s.penalty[j] = q->penalty ? q->penalty[j] : 1.0;
    }
    double least = q->alpha[0];
    for (ptrdiff_t t = 1; t < k && q->alpha_per_target; t++)
        least = MIN(least, q->alpha[t]);
    if (!status)
        status = fr_columns_out_of_range(q->a, q->w, s.mean, s.penalty, least, s.square);
    /* constant columns: a zero row, and a unit diagonal in the matrix that is factored */
    for (ptrdiff_t j = 0; j < p && !status; j++)
        for (ptrdiff_t i = 0; i < p && !(s.square[j] > 0); i++)
            s.g[MIN(i, j) * p + MAX(i, j)] = 0;
    if (!status)
        status = fr_mirror(s.g, p, 0, q->n_threads);
    if (!both)
        s.full = NULL;
    else if (!status)
        memcpy(s.full, s.g, (size_t)(p * p) * sizeof(double));
    if (!status)
        status = fr_column_stats(targets, q->w, s.y_mean, s.yy, q->n_threads);
    for (ptrdiff_t i = 0; i < n; i++)
        weight += q->w ? q->w[i] : 1.0;
    for (ptrdiff_t t = 0; t < k; t++) {
        s.yy[t] = weight * (s.yy[t] + (q->intercept ? 0.0 : s.y_mean[t] * s.y_mean[t]));
        if (!q->intercept)
            s.y_mean[t] = 0;
    }
    /* pass zero columns, and constant ones that leave no round-off */
    for (ptrdiff_t t = 0; t < k && !status; t++)
        if (!(s.yy[t] <= FR_MOST_SQUARES) || (s.yy[t] < FR_LEAST_SQUARES && varies(&s, t)))
            status = FR_NOT_FINITE;
    if (!status)
        status = solve_all(&s, block);
    for (ptrdiff_t t = 0; t < k && !status; t++)
        if (!isfinite(q->objective[t]) || !isfinite(q->relative_gradient[t]))
            status = FR_NOT_FINITE;
    for (ptrdiff_t t = 0; t < k && !status; t++) {
        double b = s.y_mean[t];
        for (ptrdiff_t j = 0; j < p; j++)
            b -= s.mean[j] * q->coef[t * p + j];
        q->offset[t] = q->intercept ? b : 0.0;
    }
    free(memory);
    return status;
}
