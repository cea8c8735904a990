#include "schur.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cholesky.h"
#include "parallel.h"

#define BLOCK 256        /* columns whose coefficients are computed at once */
#define BLOCK_WORK 4096  /* elements that stay in the cache between the two products */
#define PARTS 4          /* partial sums that are always allowed */

typedef struct {
    const fr_schur *q;
    ptrdiff_t n, m, l, lanes;
    double *u, *heavy, *partial, *totals;
    ptrdiff_t begin[MAX_PARTS + 1], heavy_begin[MAX_PARTS + 1]; /* first columns of parts of a pass */
    ptrdiff_t parts;
} state;

/* One pass over columns: s_j = scale_j (x_j - shift_j 1)'v + theta r_j, and A s. */
typedef struct {
    const fr_matrix *a;
    const fr_real_kernels *f;
    ptrdiff_t lanes, parts, done, round;
    const ptrdiff_t *begin;
    const double *v;            /* NULL: s is given */
    const double *r, *theta;    /* r (ld, lanes used): NULL for none */
    ptrdiff_t r_ld, used;
    double sum[FR_LANES];       /* of v */
    double *s;                  /* (n_major, lanes): NULL to forget */
    double *partial;            /* one result of n_minor x lanes for each part; NULL: none */
    double *totals;             /* sum s_j^2, and sum scale_j s_j shift_j, by part and lane */
} pass;

static void coefficients(const pass *q, ptrdiff_t i0, ptrdiff_t i1, double *s, double *totals)
{
    const fr_matrix *a = q->a;
    const ptrdiff_t lanes = q->lanes;
    for (ptrdiff_t j = i0; j < i1; j++) {
        double *sj = s + (j - i0) * lanes;
        const double shift = a->shift ? a->shift[j] : 0.0, scale = a->scale ? a->scale[j] : 1.0;
        for (ptrdiff_t t = 0; t < q->used; t++) {
            if (q->v)
                sj[t] = scale * (sj[t] - shift * q->sum[t]);
            if (q->v && q->r)
                sj[t] += q->theta[t] * q->r[t * q->r_ld + j];
            totals[t] += sj[t] * sj[t];
            totals[FR_LANES + t] += scale * sj[t] * shift;
        }
    }
}

/* Columns from i0 on. */
static void pass_task(void *context, ptrdiff_t t)
{
    const pass *q = context;
    const fr_matrix *a = q->a;
    const ptrdiff_t lanes = q->lanes, size = a->n_minor * lanes;
    double *totals = q->totals + t * 2 * FR_LANES, *to = q->partial ? q->partial + t * size : NULL;
    double local[BLOCK * FR_LANES];
    if (q->done == 0) {
        memset(totals, 0, 2 * FR_LANES * sizeof(double));
        if (to)
            memset(to, 0, (size_t)size * sizeof(double));
    }
    const ptrdiff_t end = MIN(q->begin[t] + q->done + q->round, q->begin[t + 1]);
    for (ptrdiff_t i0 = q->begin[t] + q->done, i1; i0 < end; i0 = i1) {
        const ptrdiff_t length = pointer(a, i0 + 1) - pointer(a, i0);
        const ptrdiff_t most = pointer(a, i0) + BLOCK_WORK;
        const int few = length <= FR_SHORT && lanes == 1; /* columns of one length, then */
        for (i1 = i0 + 1; i1 < MIN(i0 + BLOCK, end) && pointer(a, i1 + 1) <= most; i1++)
            if (few && pointer(a, i1 + 1) - pointer(a, i1) != length)
                break;
        double *s = q->s ? q->s + i0 * lanes : local;
        const fr_compressed c = compressed_from(a, i0);
        if (q->v && few)
            q->f->gather_short[a->index](&c, i1 - i0, (int)length, q->v, s);
        else if (q->v && lanes == 1)
            q->f->gather[a->index](&c, 0, i1 - i0, q->v, s);
        else if (q->v)
            q->f->gather_lanes[a->index](&c, 0, i1 - i0, q->v, s);
        coefficients(q, i0, i1, s, totals);
        if (!to)
            continue;
        if (a->scale) {
            if (q->s)
                memcpy(local, s, (size_t)((i1 - i0) * lanes) * sizeof(double));
            s = local;
            for (ptrdiff_t j = i0; j < i1; j++)
                for (ptrdiff_t h = 0; h < lanes; h++)
                    s[(j - i0) * lanes + h] *= a->scale[j];
        }
        if (few)
            q->f->scatter_short[a->index](&c, i1 - i0, (int)length, s, to);
        else if (lanes == 1)
            q->f->scatter[a->index](&c, 0, i1 - i0, s, to);
        else
            q->f->scatter_lanes[a->index](&c, 0, i1 - i0, s, to);
    }
}

/* out (n x lanes) = A s unless out is NULL, and the squares of s unless `squares` is. */
static int run(const state *s, pass *q, double *out, double *squares)
{
    const ptrdiff_t lanes = s->lanes, size = q->a->n_minor * lanes;
    int status = 0;
    q->f = functions(q->a);
    q->lanes = lanes;
    q->used = s->q->k;
    q->totals = s->totals;
    q->partial = out ? s->partial : NULL;
    memset(q->sum, 0, sizeof q->sum);
    for (ptrdiff_t i = 0; i < q->a->n_minor && q->v && q->a->shift; i++)
        for (ptrdiff_t t = 0; t < q->used; t++)
            q->sum[t] += q->v[i * lanes + t];
    const int threads = fr_threads_for(2 * work(q->a), s->q->n_threads);
    ptrdiff_t longest = 0;
    for (ptrdiff_t t = 0; t < q->parts; t++)
        longest = MAX(longest, q->begin[t + 1] - q->begin[t]);
    q->round = round_of(q->a, q->parts, 2 * lanes);
    for (q->done = 0; q->done < MAX(longest, 1) && !status; q->done += q->round)
        status = fr_parallel(pass_task, q, q->parts, threads);
    double totals[2 * FR_LANES] = {0};
    for (ptrdiff_t t = 0; t < q->parts; t++)
        for (ptrdiff_t h = 0; h < 2 * FR_LANES; h++)
            totals[h] += q->totals[t * 2 * FR_LANES + h];
    for (ptrdiff_t i = 0; i < size && out; i++) {
        double sum = q->partial[i];
        for (ptrdiff_t t = 1; t < q->parts; t++)
            sum += q->partial[t * size + i];
        out[i] = sum - totals[FR_LANES + i % lanes];
    }
    if (squares)
        memcpy(squares, totals, FR_LANES * sizeof(double));
    return status;
}

/* Parts of about equal numbers of elements, whatever the number of threads. */
static void divide(const fr_matrix *a, ptrdiff_t parts, ptrdiff_t *begin)
{
    begin[0] = 0;
    for (ptrdiff_t t = 1, j = 0; t < parts; t++) {
        while (j < a->n_major && (double)pointer(a, j) * (double)parts < (double)a->nnz * (double)t)
            j++;
        begin[t] = j;
    }
    begin[parts] = a->n_major;
}

/* u = L (L'c + theta r); the squares of the bracket go to `s` on request */
static int light(const state *s, const double *c, const double *theta, double *u, double *squares,
                 double *coefficients)
{
    pass q = {.a = s->q->light, .v = c, .r = s->q->r + s->m, .r_ld = s->m + s->l, .theta = theta,
              .s = coefficients, .begin = s->begin, .parts = s->parts};
    return run(s, &q, u, squares);
}

/* s->heavy = M^-1 (with - H' W u), u may be NULL */
static int find_heavy(const state *s, const double *u, const double *with, ptrdiff_t ld)
{
    const ptrdiff_t n = s->n, m = s->m, lanes = s->lanes, k = s->q->k;
    double *t = s->heavy + m * lanes;
    int status = 0;
    if (u) {
        for (ptrdiff_t i = 0; i < n * lanes; i++)
            s->u[i] = s->q->w ? s->q->w[i / lanes] * u[i] : u[i];
        pass q = {.a = s->q->heavy, .v = s->u, .s = s->heavy,
                  .begin = s->heavy_begin, .parts = s->parts};
        if ((status = run(s, &q, NULL, NULL)))
            return status;
    }
    for (ptrdiff_t h = 0; h < k; h++)
        for (ptrdiff_t j = 0; j < m; j++)
            t[h * m + j] = (with ? with[h * ld + j] : 0.0) - (u ? s->heavy[j * lanes + h] : 0.0);
    status = fr_cholesky_solve(s->q->factor, m, t, k, s->q->n_threads);
    for (ptrdiff_t j = 0; j < m; j++)
        for (ptrdiff_t h = 0; h < k; h++)
            s->heavy[j * lanes + h] = t[h * m + j];
    return status;
}

/* u = W (u + H s->heavy) */
static int add_heavy(const state *s, double *u)
{
    const ptrdiff_t lanes = s->lanes;
    if (s->m) {
        pass q = {.a = s->q->heavy, .s = s->heavy, .begin = s->heavy_begin, .parts = s->parts};
        const int status = run(s, &q, s->u, NULL);
        if (status)
            return status;
        for (ptrdiff_t i = 0; i < s->n * lanes; i++)
            u[i] += s->u[i];
    }
    for (ptrdiff_t i = 0; i < s->n * lanes && s->q->w; i++)
        u[i] *= s->q->w[i / lanes];
    return 0;
}

typedef struct {
    double *c, *a, *mean, *b, *lg, *ug, *lb, *ub; /* n x lanes */
    double theta[FR_LANES], a_theta[FR_LANES], mean_theta[FR_LANES], b_theta[FR_LANES];
    double squares[FR_LANES], before[FR_LANES], b_squares[FR_LANES], least[FR_LANES];
    double objective[FR_LANES];
    int active[FR_LANES];
} vectors;

static int any(const vectors *v, ptrdiff_t k)
{
    int found = 0;
    for (ptrdiff_t t = 0; t < k; t++)
        found |= v->active[t];
    return found;
}

/* Average the iterates, weighted by the inverse squares of their residuals; deactivate converged
 * targets. */
static void average_iterates(const state *s, vectors *v, int first)
{
    const ptrdiff_t n = s->n, lanes = s->lanes;
    double share[FR_LANES] = {0};
    for (ptrdiff_t t = 0; t < s->q->k; t++) {
        if (!v->active[t])
            continue;
        const double g = v->squares[t];
        v->least[t] = first || !(g > 0) ? g : 1.0 / (1.0 / v->least[t] + 1.0 / g);
        share[t] = first || !(g > 0) ? 1.0 : v->least[t] / g;
        v->mean_theta[t] += share[t] * (v->a_theta[t] - v->mean_theta[t]);
        const double bound = MAX(s->q->bound[t], s->q->share * sqrt(MAX(v->objective[t], 0.0)));
        v->active[t] = sqrt(v->least[t]) > bound && s->q->n_iter[t] < s->q->limit;
    }
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t t = 0; t < lanes; t++)
            v->mean[i * lanes + t] += share[t] * (v->a[i * lanes + t] - v->mean[i * lanes + t]);
}

static void turn(const state *s, vectors *v, int first)
{
    const ptrdiff_t n = s->n, lanes = s->lanes;
    double share[FR_LANES] = {0}, along[FR_LANES] = {0}, step[FR_LANES] = {0};
    for (ptrdiff_t t = 0; t < s->q->k; t++) {
        share[t] = first || !v->active[t] ? 0.0 : v->squares[t] / v->before[t];
        v->b_theta[t] = v->theta[t] + share[t] * v->b_theta[t];
        v->b_squares[t] = v->squares[t] + share[t] * share[t] * v->b_squares[t];
        v->before[t] = v->squares[t];
    }
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t t = 0; t < lanes; t++) {
            const ptrdiff_t e = i * lanes + t;
            v->b[e] = v->c[e] + share[t] * v->b[e];
            v->lb[e] = v->lg[e] + share[t] * v->lb[e];
            v->ub[e] = v->ug[e] + share[t] * v->ub[e];
            along[t] += v->lb[e] * v->ub[e];
        }
    for (ptrdiff_t t = 0; t < s->q->k; t++) {
        along[t] += s->q->alpha * v->b_squares[t];
        v->active[t] = v->active[t] && along[t] > 0;
        if (!v->active[t])
            continue;
        step[t] = v->squares[t] / along[t];
        v->objective[t] -= step[t] * v->squares[t];
        s->q->n_iter[t]++;
        v->a_theta[t] += step[t] * v->b_theta[t];
        v->theta[t] -= step[t] * s->q->alpha * v->b_theta[t];
    }
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t t = 0; t < lanes; t++) {
            const ptrdiff_t e = i * lanes + t;
            v->a[e] += step[t] * v->b[e];
            v->c[e] -= step[t] * (v->ub[e] + s->q->alpha * v->b[e]);
        }
}

static int iterate(const state *s, vectors *v)
{
    const fr_schur *q = s->q;
    const ptrdiff_t size = s->n * s->lanes, ld = s->m + s->l;
    int status = 0;
    for (ptrdiff_t t = 0; t < q->k; t++) {
        v->theta[t] = 1.0;
        v->active[t] = 1;
        v->objective[t] = q->objective[t];
        q->n_iter[t] = 0;
    }
    /* c = -W H M^-1 r_H */
    if (s->m) {
        if ((status = find_heavy(s, NULL, q->r, ld)) || (status = add_heavy(s, v->c)))
            return status;
        for (ptrdiff_t t = 0; t < q->k; t++)
            for (ptrdiff_t j = 0; j < s->m; j++)
                v->objective[t] -= q->r[t * ld + j] * s->heavy[j * s->lanes + t];
        for (ptrdiff_t i = 0; i < size; i++)
            v->c[i] = -v->c[i];
    }
    for (int first = 1;; first = 0) {
        if ((status = light(s, v->c, v->theta, v->lg, v->squares, NULL)))
            return status;
        average_iterates(s, v, first);
        if (!any(v, q->k))
            break;
        memcpy(v->ug, v->lg, (size_t)size * sizeof(double));
        if (s->m && (status = find_heavy(s, v->lg, NULL, 0)))
            return status;
        if ((status = add_heavy(s, v->ug)) || (status = fr_poll()))
            return status;
        turn(s, v, first);
        if (!any(v, q->k))
            break;
    }
    /* x_L = L'a + theta r_L, x_H = M^-1 (r_H - H' W L x_L) */
    double *found = malloc((size_t)(s->l * s->lanes) * sizeof(double));
    if (!found)
        return FR_NO_MEMORY;
    status = light(s, v->mean, v->mean_theta, v->lg, NULL, found);
    for (ptrdiff_t t = 0; t < q->k; t++)
        for (ptrdiff_t j = 0; j < s->l; j++)
            q->x[t * ld + s->m + j] = found[j * s->lanes + t];
    free(found);
    if (!status && s->m)
        status = find_heavy(s, v->lg, q->r, ld);
    for (ptrdiff_t t = 0; t < q->k; t++)
        for (ptrdiff_t j = 0; j < s->m; j++)
            q->x[t * ld + j] = s->heavy[j * s->lanes + t];
    return status;
}

int fr_schur_solve(const fr_schur *q)
{
    state s = {.q = q, .n = fr_n_rows(q->light), .l = fr_n_columns(q->light)};
    s.m = q->heavy ? fr_n_columns(q->heavy) : 0;
    s.lanes = q->k > 1 ? FR_LANES : 1;
    s.parts = MIN(part_count(q->light), MAX(PARTS, s.l / MAX(s.n, 1)));
    divide(q->light, s.parts, s.begin);
    if (q->heavy)
        divide(q->heavy, s.parts, s.heavy_begin);
    const ptrdiff_t size = s.n * s.lanes;
    const ptrdiff_t length = (8 + 1 + s.parts) * size + 2 * s.m * s.lanes + 2 * FR_LANES * s.parts;
    double *memory = calloc((size_t)length, sizeof(double)), *at = memory;
    if (!memory)
        return FR_NO_MEMORY;
    vectors v = {0};
    double **const fields[] = {&v.c, &v.a, &v.mean, &v.b, &v.lg, &v.ug, &v.lb, &v.ub, &s.u};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++, at += size)
        *fields[f] = at;
    s.heavy = at;
    s.totals = s.heavy + 2 * s.m * s.lanes;
    s.partial = s.totals + 2 * FR_LANES * s.parts;
    const int status = iterate(&s, &v);
    free(memory);
    return status;
}
