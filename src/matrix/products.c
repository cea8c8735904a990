/* Products of a matrix and of its transpose with vectors. */

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "panels.h"
#include "parallel.h"

#define SLICE 4096 /* elements of a result that stay in the first-level cache */

typedef struct {
    fr_matrix *a;
    const fr_real_kernels *f;
    const double *in;
    double *out;
    ptrdiff_t parts, step;
    ptrdiff_t done, round;      /* majors of each part: done, and in this round */
    ptrdiff_t k, in_ld, out_ld; /* vectors, and the distance between them */
    ptrdiff_t lanes;            /* 1, or FR_LANES interleaved vectors */
} product_job;

/* Run a task that splits the major vectors into parts of `step`, in rounds short enough for
 * Ctrl-C. */
static int run_rounds(fr_task task, product_job *q, ptrdiff_t tasks, int threads)
{
    int status = 0;
    q->round = round_of(q->a, tasks, q->k * q->lanes);
    for (q->done = 0; (q->done == 0 || q->done < q->step) && !status; q->done += q->round)
        if (!(status = fr_parallel(task, q, tasks, threads)))
            status = fr_poll();
    return status;
}

/* ---- sums along major vectors: out[i] = x_i . v ---- */

static void dot_task(void *context, ptrdiff_t t)
{
    const product_job *q = context;
    const fr_matrix *a = q->a;
    const ptrdiff_t i0 = t * q->step, i1 = MIN(i0 + q->step, a->n_major);
    const fr_compressed c = compressed(a);
    for (ptrdiff_t l = 0; l < q->k; l++) {
        const double *in = q->in + l * q->in_ld;
        double *out = q->out + l * q->out_ld;
        if (a->index < 0)
            q->f->dot_rows(element(a, i0, 0), a->ld, i1 - i0, a->n_minor,
                           a->by_column ? NULL : a->shift,
                           a->by_column && a->shift ? a->shift + i0 : NULL, in, out + i0);
        else
            (q->lanes > 1 ? q->f->gather_lanes : q->f->gather)[a->index](&c, i0, i1, in, out);
    }
}

/* Columns of F-ordered data, each summed in `parts` pieces of `step` rows. */
static void dot_piece_task(void *context, ptrdiff_t t)
{
    const product_job *q = context;
    const fr_matrix *a = q->a;
    const ptrdiff_t i = t / q->parts, j0 = t % q->parts * q->step;
    const ptrdiff_t m = MIN(q->step, a->n_minor - j0);
    const int by_row = !a->by_column;
    q->f->dot_rows(element(a, i, j0), a->ld, 1, m, by_row && a->shift ? a->shift + j0 : NULL,
                   by_row || !a->shift ? NULL : a->shift + i, q->in + j0, q->out + t);
}

static int major_dot(fr_matrix *a, const double *v, double *out, ptrdiff_t k, ptrdiff_t lanes,
                     int n_threads)
{
    product_job q = {.a = a, .f = functions(a), .in = v, .out = out, .k = k, .lanes = lanes};
    const int threads = fr_threads_for(work(a) * (double)(k * lanes), n_threads);
    int status = 0;
    q.in_ld = a->n_minor;
    q.out_ld = a->n_major;
    if (a->index < 0 && a->n_major < MAX_PARTS && a->n_minor > 2 * PART_WORK) {
        q.step = PART_WORK;
        q.parts = (a->n_minor + q.step - 1) / q.step;
        q.out = malloc((size_t)(a->n_major * q.parts) * sizeof(double));
        if (!q.out)
            return FR_NO_MEMORY;
        for (ptrdiff_t l = 0; l < k && !status; l++, q.in += q.in_ld, out += q.out_ld) {
            status = fr_parallel(dot_piece_task, &q, a->n_major * q.parts, threads);
            for (ptrdiff_t i = 0; i < a->n_major; i++) {
                double s = 0;
                for (ptrdiff_t p = 0; p < q.parts; p++)
                    s += q.out[i * q.parts + p];
                out[i] = s;
            }
        }
        free(q.out);
        return status;
    }
    /* tasks of about PART_WORK elements; every result belongs to one task */
    const double per = work(a) / (double)MAX(a->n_major, 1) * (double)lanes;
    q.step = MAX(4, (ptrdiff_t)(PART_WORK / MAX(per, 1.0)) / 4 * 4);
    return fr_parallel(dot_task, &q, (a->n_major + q.step - 1) / q.step, threads);
}

/* ---- sums over major vectors: out += sum_i u[i] x_i ---- */

/* Add a slice of the result over all major vectors. */
static void axpy_slice_task(void *context, ptrdiff_t t)
{
    const product_job *q = context;
    const fr_matrix *a = q->a;
    const ptrdiff_t j0 = t * q->step, m = MIN(q->step, a->n_minor - j0);
    for (ptrdiff_t l = 0; l < q->k; l++) {
        double *out = q->out + l * q->out_ld + j0;
        memset(out, 0, (size_t)m * sizeof(double));
        q->f->axpy_rows(element(a, 0, j0), a->ld, a->n_major, m,
                        a->by_column || !a->shift ? NULL : a->shift + j0,
                        a->by_column ? a->shift : NULL, q->in + l * q->in_ld, out);
    }
}

/* Add a part of the major vectors to a partial result, in pieces that serve all k from the
 * cache. */
static void axpy_part_task(void *context, ptrdiff_t t)
{
    const product_job *q = context;
    const fr_matrix *a = q->a;
    const ptrdiff_t i0 = t * q->step + q->done;
    const ptrdiff_t i1 = MIN(i0 + q->round, MIN((t + 1) * q->step, a->n_major));
    const ptrdiff_t piece = MAX(4, PART_WORK / MAX(a->n_minor, 1) / 4 * 4);
    double *out = q->out + t * q->k * a->n_minor;
    if (q->done == 0)
        memset(out, 0, (size_t)(q->k * a->n_minor) * sizeof(double));
    for (ptrdiff_t i = i0; i < i1; i += piece)
        for (ptrdiff_t l = 0; l < q->k; l++)
            q->f->axpy_rows(element(a, i, 0), a->ld, MIN(piece, i1 - i), a->n_minor,
                            a->by_column ? NULL : a->shift,
                            a->by_column && a->shift ? a->shift + i : NULL,
                            q->in + l * q->in_ld + i, out + l * a->n_minor);
}

/* Add a part of the major vectors of sparse data to a partial result. */
static void scatter_part_task(void *context, ptrdiff_t t)
{
    const product_job *q = context;
    const fr_matrix *a = q->a;
    const fr_compressed c = compressed(a);
    const ptrdiff_t i0 = t * q->step + q->done;
    const ptrdiff_t i1 = MIN(i0 + q->round, MIN((t + 1) * q->step, a->n_major));
    double *out = q->out + t * a->n_minor * q->lanes;
    if (q->done == 0)
        memset(out, 0, (size_t)(a->n_minor * q->lanes) * sizeof(double));
    if (i0 < i1)
        (q->lanes > 1 ? q->f->scatter_lanes : q->f->scatter)[a->index](&c, i0, i1, q->in, out);
}

/* Thread t scatters into its own range of the result. */
static void scatter_task(void *context, ptrdiff_t t)
{
    const product_job *q = context;
    const fr_matrix *a = q->a;
    fr_compressed c = compressed(a);
    c.lo = t > 0 ? a->cuts + (t - 1) * a->n_major : NULL;
    c.hi = t < q->parts - 1 ? a->cuts + t * a->n_major : NULL;
    const ptrdiff_t end = MIN(q->done + q->round, a->n_major);
    (q->lanes > 1 ? q->f->scatter_lanes : q->f->scatter)[a->index](&c, q->done, end, q->in, q->out);
}

typedef struct {
    fr_matrix *a;
    ptrdiff_t bounds[FR_MOST_CUTS];
    ptrdiff_t step;
} cut_job;

static void cut_task(void *context, ptrdiff_t t)
{
    const cut_job *q = context;
    fr_matrix *a = q->a;
    const ptrdiff_t i1 = MIN((t + 1) * q->step, a->n_major);
    for (ptrdiff_t i = t * q->step; i < i1; i++)
        for (int c = 0; c < a->n_cuts; c++)
            a->cuts[c * a->n_major + i] = (int32_t)lower_bound(a, i, q->bounds[c]);
}

/* Split the minor range into `parts` of about equal numbers of elements. Where a major vector is
 * too long for the width of the cuts, or memory is short, scatters stay on one thread. */
int fr_cut_majors(fr_matrix *a, int parts)
{
    if (a->n_cuts == parts - 1)
        return 0;
    free(a->cuts);
    a->cuts = NULL;
    a->n_cuts = 0;
    int32_t *count = calloc((size_t)MAX(a->n_minor, 1), sizeof(int32_t));
    int32_t *cuts = malloc((size_t)(parts - 1) * (size_t)MAX(a->n_major, 1) * sizeof(int32_t));
    if (!count || !cuts || a->n_minor > INT32_MAX || a->n_major > INT32_MAX) {
        free(count);
        free(cuts);
        return 0;
    }
    for (ptrdiff_t k0 = 0; k0 < a->nnz; k0 += 1 << 26) {
        for (ptrdiff_t k = k0; k < MIN(a->nnz, k0 + (1 << 26)); k++)
            count[index_at(a, k)]++;
        if (fr_poll()) {
            free(count);
            free(cuts);
            return FR_INTERRUPTED;
        }
    }
    cut_job q = {.a = a, .step = 4096};
    double seen = 0;
    int part = 1;
    for (ptrdiff_t j = 0; j < a->n_minor && part < parts; j++) {
        seen += count[j];
        while (part < parts && seen * parts >= (double)a->nnz * part)
            q.bounds[part++ - 1] = j + 1;
    }
    while (part < parts)
        q.bounds[part++ - 1] = a->n_minor;
    free(count);
    a->cuts = cuts;
    a->n_cuts = parts - 1;
    return fr_parallel(cut_task, &q, (a->n_major + q.step - 1) / q.step, parts);
}

/* to = the sum of `parts` partial results, in order */
static void add_parts(const double *partial, ptrdiff_t parts, ptrdiff_t size, double *to)
{
    memcpy(to, partial, (size_t)size * sizeof(double));
    for (ptrdiff_t t = 1; t < parts; t++)
        for (ptrdiff_t j = 0; j < size; j++)
            to[j] += partial[t * size + j];
}

static int scatter_parts(product_job *q, double *out, ptrdiff_t parts, int threads)
{
    const ptrdiff_t size = q->a->n_minor * q->lanes, k = q->k;
    int status = 0;
    q->k = 1;
    q->step = (q->a->n_major + parts - 1) / parts;
    q->out = malloc((size_t)(parts * size) * sizeof(double));
    if (!q->out)
        return FR_NO_MEMORY;
    for (ptrdiff_t l = 0; l < k && !status; l++, q->in += q->in_ld, out += q->out_ld) {
        status = run_rounds(scatter_part_task, q, parts, threads);
        add_parts(q->out, parts, size, out);
    }
    free(q->out);
    return status;
}

static int major_axpy(fr_matrix *a, const double *u, double *out, ptrdiff_t k, ptrdiff_t lanes,
                      int n_threads)
{
    product_job q = {.a = a, .f = functions(a), .in = u, .out = out, .k = k, .parts = 1, .lanes = lanes};
    int status = 0, threads = fr_threads_for(work(a) * (double)(k * lanes), n_threads);
    q.in_ld = a->n_major;
    q.out_ld = a->n_minor;
    /* split short results, whose partial sums together are no longer than one vector of the
     * other side */
    if (a->index >= 0 && a->n_major >= 2 * a->n_minor && part_count(a) > 1)
        return scatter_parts(&q, out, MIN(part_count(a), a->n_major / MAX(a->n_minor, 1)), threads);
    if (a->index >= 0) {
        threads = MIN(threads, FR_MOST_CUTS);
        if (threads > 1 && (status = fr_cut_majors(a, threads)))
            return status;
        q.parts = threads > 1 && a->n_cuts == threads - 1 ? threads : 1;
        memset(out, 0, (size_t)(k * a->n_minor * lanes) * sizeof(double));
        q.k = 1;
        q.step = a->n_major;
        for (ptrdiff_t l = 0; l < k && !status; l++, q.in += q.in_ld, q.out += q.out_ld)
            status = run_rounds(scatter_task, &q, q.parts, threads);
        return status;
    }
    const ptrdiff_t parts = part_count(a);
    if (a->n_minor > 2048 || parts == 1) {
        q.step = parts == 1 ? SLICE : MIN(SLICE, MAX(64, (a->n_minor + 15) / 16));
        return fr_parallel(axpy_slice_task, &q, (a->n_minor + q.step - 1) / q.step, threads);
    }
    const ptrdiff_t size = k * a->n_minor;
    q.step = (a->n_major + parts - 1) / parts;
    q.out = malloc((size_t)(parts * size) * sizeof(double));
    if (!q.out)
        return FR_NO_MEMORY;
    status = run_rounds(axpy_part_task, &q, parts, threads);
    add_parts(q.out, parts, size, out);
    free(q.out);
    return status;
}

/* Sparse data times interleaved groups of FR_LANES vectors, which share the loads of indices and
 * values. */
static int interleaved(fr_matrix *a, const double *in, double *out, ptrdiff_t k, int along,
                       int n_threads)
{
    const ptrdiff_t n_in = along ? a->n_minor : a->n_major, n_out = along ? a->n_major : a->n_minor;
    double *memory = malloc((size_t)MAX((n_in + n_out) * FR_LANES, 1) * sizeof(double));
    double *from = memory, *to = memory + n_in * FR_LANES;
    int status = 0;
    if (!memory)
        return FR_NO_MEMORY;
    for (ptrdiff_t l = 0; l < k && !status; l += FR_LANES) {
        const ptrdiff_t some = MIN(FR_LANES, k - l);
        for (ptrdiff_t i = 0; i < n_in; i++)
            for (ptrdiff_t t = 0; t < FR_LANES; t++)
                from[i * FR_LANES + t] = t < some ? in[(l + t) * n_in + i] : 0.0;
        status = along ? major_dot(a, from, to, 1, FR_LANES, n_threads)
                       : major_axpy(a, from, to, 1, FR_LANES, n_threads);
        for (ptrdiff_t i = 0; i < n_out; i++)
            for (ptrdiff_t t = 0; t < some; t++)
                out[(l + t) * n_out + i] = to[i * FR_LANES + t];
    }
    free(memory);
    return status;
}

/* Sums along major vectors, or over them, of k vectors one behind the other. */
static int product(fr_matrix *a, const double *in, double *out, ptrdiff_t k, int along, int n_threads)
{
    if (a->index >= 0 && k >= FR_LANES)
        return interleaved(a, in, out, k, along, n_threads);
    return along ? major_dot(a, in, out, k, 1, n_threads) : major_axpy(a, in, out, k, 1, n_threads);
}

/* Many vectors at once: pack A, shifted and scaled, into panels. */
static int panel_dot(const fr_matrix *a, const double *v, double *out, ptrdiff_t k, int n_threads)
{
    const ptrdiff_t n = fr_n_rows(a), p = fr_n_columns(a);
    const ptrdiff_t by_row = a->by_column ? 1 : a->ld, by_column = a->by_column ? a->ld : 1;
    const fr_panel_source vectors = {.x = v, .rs = 1, .cs = p};
    const fr_panel_source rows = {.x = a->data, .rs = by_column, .cs = by_row,
                                  .row_shift = a->shift, .row_weight = a->scale};
    return fr_product(&vectors, k, &rows, a->real, n, p, out, n, 0, n_threads);
}

static int panel_tdot(const fr_matrix *a, const double *u, double *out, ptrdiff_t k, int n_threads)
{
    const ptrdiff_t n = fr_n_rows(a), p = fr_n_columns(a);
    const ptrdiff_t by_row = a->by_column ? 1 : a->ld, by_column = a->by_column ? a->ld : 1;
    const fr_panel_source vectors = {.x = u, .rs = 1, .cs = n};
    const fr_panel_source columns = {.x = a->data, .rs = by_row, .cs = by_column,
                                     .col_shift = a->shift, .col_scale = a->scale};
    return fr_product(&vectors, k, &columns, a->real, p, n, out, p, 0, n_threads);
}

int fr_dot(fr_matrix *a, const double *v, double *out, ptrdiff_t k, int n_threads)
{
    const ptrdiff_t n = fr_n_rows(a), p = fr_n_columns(a);
    if (a->index < 0 && k >= FR_MANY)
        return panel_dot(a, v, out, k, n_threads);
    double *scaled = a->scale ? malloc((size_t)MAX(k * p, 1) * sizeof(double)) : NULL;
    if (a->scale) {
        if (!scaled)
            return FR_NO_MEMORY;
        for (ptrdiff_t l = 0; l < k; l++)
            for (ptrdiff_t j = 0; j < p; j++)
                scaled[l * p + j] = a->scale[j] * v[l * p + j];
        v = scaled;
    }
    const int status = product(a, v, out, k, !a->by_column, n_threads);
    if (a->index >= 0 && a->shift)
        for (ptrdiff_t l = 0; l < k; l++) {
            double t = 0;
            for (ptrdiff_t j = 0; j < p; j++)
                t += a->shift[j] * v[l * p + j];
            for (ptrdiff_t i = 0; i < n; i++)
                out[l * n + i] -= t;
        }
    free(scaled);
    return status;
}

int fr_tdot(fr_matrix *a, const double *u, double *out, ptrdiff_t k, int n_threads)
{
    const ptrdiff_t n = fr_n_rows(a), p = fr_n_columns(a);
    if (a->index < 0 && k >= FR_MANY)
        return panel_tdot(a, u, out, k, n_threads);
    const int status = product(a, u, out, k, a->by_column, n_threads);
    for (ptrdiff_t l = 0; l < k; l++, u += n, out += p) {
        if (a->index >= 0 && a->shift) {
            double t = 0;
            for (ptrdiff_t i = 0; i < n; i++)
                t += u[i];
            for (ptrdiff_t j = 0; j < p; j++)
                out[j] -= t * a->shift[j];
        }
        if (a->scale)
            for (ptrdiff_t j = 0; j < p; j++)
                out[j] *= a->scale[j];
    }
    return status;
}

/* ---- residual and gradient together ---- */

typedef struct {
    fr_matrix *a;
    const fr_real_kernels *f;
    const double *v, *y, *y_mean, *w;
    double *r, *sums; /* sums: per part, k squares, k gradients of p, and p of workspace */
    ptrdiff_t k, n, p, parts, step, done, round;
} residual_job;

/* r = y - m - r and sum w r^2, then r = w r; four independent sums */
static double finish_residual(const double *y, double m, const double *w, double *r, ptrdiff_t n)
{
    double s[4] = {0, 0, 0, 0};
    ptrdiff_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int l = 0; l < 4; l++) {
            const double e = y[i + l] - m - r[i + l];
            r[i + l] = w ? w[i + l] * e : e;
            s[l] += r[i + l] * e;
        }
    for (; i < n; i++) {
        const double e = y[i] - m - r[i];
        r[i] = w ? w[i] * e : e;
        s[0] += r[i] * e;
    }
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static void residual_task(void *context, ptrdiff_t t)
{
    const residual_job *q = context;
    const fr_matrix *a = q->a;
    const ptrdiff_t p = q->p, i0 = t * q->step + q->done;
    const ptrdiff_t i1 = MIN(i0 + q->round, MIN((t + 1) * q->step, q->n));
    const ptrdiff_t piece = MAX(4, PART_WORK / 2 / MAX(p, 1) / 4 * 4);
    double *squares = q->sums + t * (q->k + (q->k + 1) * p), *g = squares + q->k;
    double *spare = g + q->k * p;
    if (q->done == 0)
        memset(squares, 0, (size_t)(q->k + q->k * p) * sizeof(double));
    for (ptrdiff_t i = i0; i < i1; i += piece) {
        const ptrdiff_t m = MIN(piece, i1 - i);
        const char *x = a->by_column ? element(a, 0, i) : element(a, i, 0);
        for (ptrdiff_t l = 0; l < q->k; l++) {
            double *r = q->r + l * q->n + i;
            const double *v = q->v + l * p;
            if (a->by_column) {
                memset(r, 0, (size_t)m * sizeof(double));
                q->f->axpy_rows(x, a->ld, p, m, NULL, a->shift, v, r);
            } else
                q->f->dot_rows(x, a->ld, m, p, a->shift, NULL, v, r);
            squares[l] += finish_residual(q->y + l * q->n + i, q->y_mean ? q->y_mean[l] : 0.0,
                                          q->w ? q->w + i : NULL, r, m);
            if (a->by_column) {
                q->f->dot_rows(x, a->ld, p, m, NULL, a->shift, r, spare);
                for (ptrdiff_t j = 0; j < p; j++)
                    g[l * p + j] += spare[j];
            } else
                q->f->axpy_rows(x, a->ld, m, p, a->shift, NULL, r, g + l * p);
        }
    }
}

int fr_residual(fr_matrix *a, const double *v, const double *y, const double *y_mean,
                const double *w, ptrdiff_t k, double *r, double *squares, double *gradient,
                int n_threads)
{
    residual_job q = {.a = a, .f = functions(a), .v = v, .y = y, .y_mean = y_mean, .w = w, .r = r};
    q.k = k;
    q.n = fr_n_rows(a);
    q.p = fr_n_columns(a);
    if (a->index >= 0 || a->scale || q.p > PART_WORK / 16 || k >= FR_MANY) {
        int status = fr_dot(a, v, r, k, n_threads);
        for (ptrdiff_t l = 0; l < k && !status; l++)
            squares[l] = finish_residual(y + l * q.n, y_mean ? y_mean[l] : 0.0, w, r + l * q.n, q.n);
        return status ? status : fr_tdot(a, r, gradient, k, n_threads);
    }
    q.parts = MAX(1, MIN(MAX_PARTS, (ptrdiff_t)(work(a) / PART_WORK)));
    q.step = (q.n + q.parts - 1) / q.parts;
    const ptrdiff_t size = k + k * q.p, stride = size + q.p;
    q.sums = malloc((size_t)(q.parts * stride) * sizeof(double));
    if (!q.sums)
        return FR_NO_MEMORY;
    int status = 0;
    q.round = MAX(4, (1 << 26) / (q.parts * MAX(q.p, 1) * k) / 4 * 4);
    for (; q.done < q.step && !status; q.done += q.round)
        if (!(status = fr_parallel(residual_task, &q, q.parts,
                                   fr_threads_for(work(a) * (double)k, n_threads))))
            status = fr_poll();
    for (ptrdiff_t t = 1; t < q.parts; t++)
        for (ptrdiff_t j = 0; j < size; j++)
            q.sums[j] += q.sums[t * stride + j];
    memcpy(squares, q.sums, (size_t)k * sizeof(double));
    memcpy(gradient, q.sums + k, (size_t)(k * q.p) * sizeof(double));
    free(q.sums);
    return status;
}
