#include "direct.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cholesky.h"
#include "moments.h"
#include "parallel.h"
#include "range.h"
#include "refine.h"


/* Float32 products take half the time of the Gram matrix, but one more pass over X for each
 * additional refinement. An element of X costs LANES * p / 2 products per register, and a pass
 * over X the time of PASS registers. */
#define SINGLE_FEATURES 256 /* below, the passes cost more than the products */
#define SINGLE_WORK 1e8     /* n p^2, below which there is little to gain */
#define SINGLE_TARGETS 32   /* features for each target */
#define SINGLE_PASSES 100   /* features for each target */
#define SINGLE_SEEN 1e-7    /* features for each refinement that is cheaper than starting again */

typedef struct {
    ptrdiff_t n, p, k;
    double *g;               /* p x p: upper triangle of the centred Gram matrix */
    double *gram_diagonal, *diagonal, *penalty, *mean, *y_mean, *b, *yy; /* b: p x k, F order */
    double *offset, *y_offset, *scratch, *residual, *gradient, *step;
    double *scale; /* g is scaled by it on both sides; NULL: by 1 */
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

/* Constant (or zero) columns get a zero row and a unit diagonal: coefficient 0. */
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

/* b := (G + alpha d)^-1 b by the factor, for k right-hand sides */
static int solve(const fr_ridge_problem *q, const state *s, double *b, ptrdiff_t k)
{
    const ptrdiff_t p = s->p;
    for (ptrdiff_t i = 0; i < k * p && s->scale; i++)
        b[i] *= s->scale[i % p];
    const int status = fr_cholesky_solve(s->g, p, b, k, q->n_threads);
    for (ptrdiff_t i = 0; i < k * p && s->scale; i++)
        b[i] *= s->scale[i % p];
    return status;
}

/* g = A' W r - alpha d c of targets t0 .. t1, with r = y - A c; the sums of w r^2 go to yy. */
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

/* out = (G + alpha d) v from the lower triangle, which the factor does not touch */
static void multiply(const state *s, const double *v, double *out)
{
    const ptrdiff_t p = s->p;
    for (ptrdiff_t i = 0; i < p; i++)
        out[i] = s->diagonal[i] * v[i];
    for (ptrdiff_t i = 0; i < p; i++) {
        const double *row = s->g + i * p, si = s->scale ? s->scale[i] : 1.0, vi = v[i] / si;
        double sum = 0;
        for (ptrdiff_t j = 0; j < i; j++) {
            const double sj = s->scale ? s->scale[j] : 1.0;
            sum += row[j] * (v[j] / sj);
            out[j] += row[j] * vi / sj;
        }
        out[i] += sum / si;
    }
}

/* Return whether refinements that contract at this rate reach round-off at less cost than
 * starting again in float64. */
static int pays(const state *s, double rate, int iter)
{
    const double left = log(DBL_EPSILON) / log(rate) - 1;
    return rate < 1 && iter + left <= MIN(FR_MAX_REFINE, 2 + (double)s->p / SINGLE_PASSES);
}

/* Update relative gradient and objective of target t0 + t by the step e: f(c + e) = f(c) - 2 g'e
 * + e'Me, g(c + e) = g - Me. In float32, M has an error as large as the share left by
 * corrections, `rate`. */
static double certify(fr_ridge_problem *q, const state *s, double alpha, ptrdiff_t t0, ptrdiff_t t,
                      double rate)
{
    const ptrdiff_t p = s->p;
    const double *e = s->step + t * p, *g = s->gradient + t * p, *c = q->coef + (t0 + t) * p;
    const double *b = s->b + (t0 + t) * p;
    double *me = s->residual, f = s->yy[t0 + t], norm = 0, zero = 0, trace = 0, size = 0, shrunk = 0;
    multiply(s, e, me);
    for (ptrdiff_t j = 0; j < p; j++) {
        const double left = g[j] - me[j], closer = c[j] + e[j], shrink = alpha * s->penalty[j] * closer;
        f += alpha * s->penalty[j] * c[j] * c[j] + e[j] * (me[j] - 2 * g[j]);
        norm += left * left;
        trace += s->gram_diagonal[j];
        size += s->gram_diagonal[j] * closer * closer;
        shrunk += shrink * shrink;
        zero += b[j] * b[j];
    }
    q->objective[t0 + t] = f > 0 || f != f ? f : 0.0;
    /* plus the effect of rounding the coefficients: |G r| <= sqrt(tr G) sqrt(r'Gr), and |alpha d
     * r| */
    norm = sqrt(norm) + 0.5 * DBL_EPSILON * (sqrt(trace * size) + sqrt(shrunk)) + rate * sqrt(dot(g, g, p));
    return zero == 0 ? 0.0 : norm / sqrt(zero);
}

/* Solve targets t0 .. t1, which share one penalty. */
static int solve_group(fr_ridge_problem *q, state *s, ptrdiff_t t0, ptrdiff_t t1)
{
    const ptrdiff_t p = s->p, k = t1 - t0;
    const double alpha = q->alpha[q->alpha_per_target ? t0 : 0];
    for (ptrdiff_t j = 0; j < p; j++)
        s->diagonal[j] = s->gram_diagonal[j] > 0 ? s->gram_diagonal[j] + alpha * s->penalty[j] : 1.0;
    int status = fr_mirror(s->g, p, t0 > 0, q->n_threads);
    if (!status && s->scale) {
        double *scaled = s->step;
        for (ptrdiff_t j = 0; j < p; j++)
            scaled[j] = s->diagonal[j] * s->scale[j] * s->scale[j];
        status = fr_cholesky_single(s->g, p, scaled, FR_KEEP_SINGLE, q->n_threads);
    } else if (!status)
        status = fr_cholesky(s->g, p, s->diagonal, FR_KEEP, q->n_threads);
    if (status)
        return status;
    double *c = q->coef + t0 * p;
    memcpy(c, s->b + t0 * p, (size_t)(k * p) * sizeof(double));
    if ((status = solve(q, s, c, k)))
        return status;
    double before = INFINITY, rate = 1;
    for (int iter = 1;; iter++) {
        if ((status = gradient(q, s, t0, t1)))
            return status;
        memcpy(s->step, s->gradient, (size_t)(k * p) * sizeof(double));
        if ((status = solve(q, s, s->step, k)))
            return status;
        const double worst = fr_relative_step(s->diagonal, s->step, c, p, k);
        /* a float32 correction leaves the same share as the one before; a sudden rise is
         * round-off */
        const double share = s->scale ? worst / (iter > 1 ? before : 1.0) : 0.0;
        const int floor = iter > 1 && share > 10 * rate;
        rate = MIN(rate, share);
        const int last = worst <= FR_SETTLED && (worst * rate <= DBL_EPSILON || floor);
        if (!last && (fr_stalls(worst, before, iter) || (s->scale && !pays(s, rate, iter))))
            return FR_UNSTABLE;
        before = worst;
        for (ptrdiff_t t = 0; t < k; t++) {
            double *e = s->step + t * p, *ct = c + t * p;
            if (last) {
                double *to = q->unrounded ? q->unrounded : q->relative_gradient;
                to[t0 + t] = certify(q, s, alpha, t0, t, rate);
                for (ptrdiff_t j = 0; j < p && q->unrounded; j++)
                    e[j] = (double)(float)(ct[j] + e[j]) - ct[j];
                if (q->unrounded)
                    q->relative_gradient[t0 + t] = certify(q, s, alpha, t0, t, rate);
                if (!isfinite(q->objective[t0 + t]) || !isfinite(q->relative_gradient[t0 + t]))
                    return FR_NOT_FINITE;
            }
            for (ptrdiff_t j = 0; j < p; j++)
                ct[j] += e[j];
        }
        q->n_iter = MAX(q->n_iter, iter);
        if (last)
            return 0;
    }
}

/* Return whether to try float32 products: see SINGLE_FEATURES. */
static int worth_single(const fr_ridge_problem *q, double alpha)
{
    const ptrdiff_t n = fr_n_rows(q->a), p = fr_n_columns(q->a);
    if (q->a->index >= 0 || !fr_has_single() || q->precision == FR_PRECISION_DOUBLE)
        return 0;
    return q->precision == FR_PRECISION_SINGLE ||
           (p >= SINGLE_FEATURES && (double)n * p * p >= SINGLE_WORK && alpha > 0 &&
            q->n_targets * SINGLE_TARGETS <= p);
}

/* Return whether most penalties exceed round-off beside float32 sums of squares. */
static int seen(const fr_ridge_problem *q, const state *s, double alpha)
{
    ptrdiff_t count = 0;
    for (ptrdiff_t j = 0; j < s->p; j++)
        count += alpha * s->penalty[j] >= SINGLE_SEEN * s->gram_diagonal[j];
    return 2 * count >= s->p || q->precision == FR_PRECISION_SINGLE;
}

/* Allocate the arrays of the state in one block. */
static ptrdiff_t lay_out(const fr_ridge_problem *q, state *s, double *memory)
{
    const ptrdiff_t n = s->n = fr_n_rows(q->a), p = s->p = fr_n_columns(q->a);
    const ptrdiff_t k = s->k = q->n_targets;
    const ptrdiff_t sizes[] = {fr_moments_workspace(q->a, k), p, p, p, p, p, p, k, k, k * p, k,
                               n, k * MAX(n, p), k * p, k * p};
    double **const fields[] = {&s->g, &s->gram_diagonal, &s->diagonal, &s->penalty, &s->mean,
                               &s->offset, &s->scale, &s->y_mean, &s->y_offset, &s->b, &s->yy,
                               &s->scratch, &s->residual, &s->gradient, &s->step};
    ptrdiff_t total = 0;
    for (size_t f = 0; f < sizeof sizes / sizeof *sizes; f++) {
        if (memory)
            *fields[f] = memory + total;
        total += sizes[f];
    }
    return total;
}

static ptrdiff_t size_of(const fr_ridge_problem *q)
{
    state s;
    return lay_out(q, &s, NULL);
}

/* From the sums in the state: compute the penalties, then each solution. */
static int solve_sums(fr_ridge_problem *q, state *s, double alpha)
{
    const ptrdiff_t p = s->p, k = s->k;
    for (ptrdiff_t j = 0; j < p; j++) {
        const double si = s->scale ? s->scale[j] : 1.0, square = s->g[j * p + j];
        s->gram_diagonal[j] = square < 0 ? 0.0 : square / si / si;
        s->penalty[j] = q->penalty ? q->penalty[j] : 1.0;
    }
    int status = fr_columns_out_of_range(q->a, q->w, s->mean, s->penalty, alpha, s->gram_diagonal);
    for (ptrdiff_t t = 0; t < k && !status; t++)
        if (fr_target_out_of_range(q->y + t * s->n, s->n, s->yy[t], q->intercept))
            status = FR_NOT_FINITE;
    if (status)
        return status;
    drop_constant(s);
    if (s->scale && !seen(q, s, alpha))
        return FR_UNSTABLE;
    q->n_iter = 0;
    for (ptrdiff_t t0 = 0; t0 < k && !status;) {
        ptrdiff_t t1 = q->alpha_per_target ? t0 + 1 : k;
        while (t1 < k && q->alpha[t1] == q->alpha[t0])
            t1++;
        status = solve_group(q, s, t0, t1);
        t0 = t1;
    }
    for (ptrdiff_t t = 0; t < k && !status; t++)
        q->offset[t] = q->intercept ? s->y_mean[t] - dot(s->mean, q->coef + t * p, p) : 0.0;
    return status;
}

static int sum_and_solve(fr_ridge_problem *q, state *s, double *scale, double alpha)
{
    fr_moments m = {.a = q->a, .by_row = q->by_row, .y = q->y, .w = q->w, .k = s->k,
                    .centre = q->intercept, .n_threads = q->n_threads, .g = s->g, .shift = s->mean,
                    .offset = s->offset, .y_shift = s->y_mean, .y_offset = s->y_offset,
                    .cross = s->b, .yy = s->yy, .scratch = s->scratch, .scale = scale};
    s->scale = scale;
    const int status = scale ? fr_sum_moments_single(&m, q->penalty, alpha) : fr_sum_moments(&m);
    if (status)
        return status;
    for (ptrdiff_t j = 0; j < s->p; j++)
        s->mean[j] += s->offset[j];
    for (ptrdiff_t t = 0; t < s->k; t++)
        s->y_mean[t] += s->y_offset[t];
    return solve_sums(q, s, alpha);
}

int fr_ridge_direct(fr_ridge_problem *q)
{
    state s;
    double *memory = malloc((size_t)size_of(q) * sizeof(double));
    if (!memory)
        return FR_NO_MEMORY;
    lay_out(q, &s, memory);
    double *const scale = s.scale;
    double alpha = q->alpha[0];
    for (ptrdiff_t t = 1; t < s.k && q->alpha_per_target; t++)
        alpha = MIN(alpha, q->alpha[t]);
    int status = FR_UNSTABLE;
    if (worth_single(q, alpha))
        status = sum_and_solve(q, &s, scale, alpha);
    if (status == FR_UNSTABLE)
        status = sum_and_solve(q, &s, NULL, alpha);
    free(memory);
    return status;
}
