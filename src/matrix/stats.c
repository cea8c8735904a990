/* Means and variances of columns; checks of input. */

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "parallel.h"
#include "structure.h"

#define SAMPLE 32 /* rows sampled to place the shift */

typedef struct {
    const fr_matrix *a;
    const fr_real_kernels *f;
    const double *w, *at;
    double *out, *out2;
    ptrdiff_t parts, step, done, round;
} stats_job;

static void stats_major_task(void *context, ptrdiff_t t)
{
    const stats_job *q = context;
    const fr_matrix *a = q->a;
    const ptrdiff_t i0 = t * q->step, i1 = MIN(i0 + q->step, a->n_major);
    if (a->index < 0)
        q->f->moment_majors(element(a, i0, 0), a->ld, i1 - i0, a->n_minor, q->at + i0, q->w,
                            q->out + i0, q->out2 + i0);
    else {
        const fr_compressed c = compressed(a);
        q->f->gather_moments[a->index](&c, i0, i1, q->w, q->out, q->out2);
    }
}

static void stats_part_task(void *context, ptrdiff_t t)
{
    const stats_job *q = context;
    const fr_matrix *a = q->a;
    const ptrdiff_t i0 = t * q->step + q->done, p = a->n_minor;
    const ptrdiff_t i1 = MIN(i0 + q->round, MIN((t + 1) * q->step, a->n_major));
    double *sum = q->out + 2 * t * p;
    if (q->done == 0)
        memset(sum, 0, (size_t)(2 * p) * sizeof(double));
    if (i0 >= i1)
        return;
    if (a->index < 0)
        q->f->moment_rows(element(a, i0, 0), a->ld, i1 - i0, p, q->at, q->w ? q->w + i0 : NULL, sum,
                          sum + p);
    else {
        const fr_compressed c = compressed(a);
        q->f->scatter_moments[a->index](&c, i0, i1, q->w, sum, sum + p);
    }
}

/* Sum w (x - at), then w (x - at)^2, by column; sparse data count from zero. */
static int column_sums(fr_matrix *a, const double *w, const double *at, double *sum, int n_threads)
{
    const ptrdiff_t p = fr_n_columns(a);
    double *square = sum + p;
    stats_job q = {.a = a, .f = functions(a), .w = w, .at = at, .out = sum, .out2 = square};
    const int threads = fr_threads_for(work(a), n_threads);
    if (a->by_column) {
        memset(sum, 0, (size_t)p * sizeof(double));
        memset(square, 0, (size_t)p * sizeof(double));
        q.step = MAX(1, (ptrdiff_t)(PART_WORK / (work(a) / (double)MAX(p, 1) + 1)));
        return fr_parallel(stats_major_task, &q, (p + q.step - 1) / q.step, threads);
    }
    q.parts = part_count(a);
    /* the partial sums of sparse data together take no more than one vector of the other side */
    if (a->index >= 0)
        q.parts = MIN(q.parts, MAX(a->n_major / (2 * MAX(p, 1)), 1));
    q.step = (a->n_major + q.parts - 1) / q.parts;
    double *partial = NULL;
    if (q.parts > 1 && !(q.out = partial = malloc((size_t)(2 * q.parts * p) * sizeof(double))))
        return FR_NO_MEMORY;
    int status = 0;
    q.round = round_of(a, q.parts, 1);
    for (; q.done < q.step && !status; q.done += q.round)
        if (!(status = fr_parallel(stats_part_task, &q, q.parts, threads)))
            status = fr_poll();
    for (ptrdiff_t j = 0; j < 2 * p && partial; j++)
        sum[j] = partial[j];
    for (ptrdiff_t t = 1; t < q.parts; t++)
        for (ptrdiff_t j = 0; j < p; j++) {
            sum[j] += q.out[2 * t * p + j];
            square[j] += q.out[(2 * t + 1) * p + j];
        }
    free(partial);
    return status;
}

/* Go in storage order, also for wide matrices. */
void fr_place(const fr_matrix *a, const double *w, double *place)
{
    const ptrdiff_t n = fr_n_rows(a), p = fr_n_columns(a), step = n > SAMPLE ? n / SAMPLE : 1;
    memset(place, 0, (size_t)p * sizeof(double));
    if (a->index >= 0)
        return;
    ptrdiff_t first = 0;
    /* include the heaviest row, which may dominate the mean */
    for (ptrdiff_t i = 1; i < n && w; i++)
        first = w[i] > w[first] ? i : first;
    double total = w ? w[first] : 1.0;
    for (ptrdiff_t i = w ? 0 : step; i < n; i += step) {
        const double wi = w ? w[i] : 1.0;
        if (wi == 0 || i == first)
            continue;
        total += wi;
        for (ptrdiff_t j = 0; j < p; j++)
            place[j] += wi * (at(a, i, j) - at(a, first, j));
    }
    for (ptrdiff_t j = 0; j < p; j++)
        place[j] = at(a, first, j) + place[j] / total;
}

/* Return a sum and its rounding error (Knuth's two-sum). */
typedef struct {
    double high, low;
} exact_sum;

static void add_exactly(exact_sum *s, double x)
{
    const double sum = s->high + x, part = sum - s->high;
    s->low += (s->high - (sum - part)) + (x - part);
    s->high = sum;
}

typedef struct {
    ptrdiff_t column, count;
    double sum, square; /* of w (x - mean) and w (x - mean)^2, over stored elements */
    exact_sum weight;
} far_column;

static void add_element(far_column *c, double e, const double *w, ptrdiff_t i)
{
    const double wi = w ? w[i] : 1.0;
    c->count++;
    c->sum += wi * e;
    c->square += wi * e * e;
    if (w)
        add_exactly(&c->weight, wi);
}

/* Sum far columns of sparse data about their means; place[j]: number of column j, or -1. */
static int far_sums(const fr_matrix *a, const double *w, const double *mean, const ptrdiff_t *place,
                    far_column *far)
{
    ptrdiff_t seen = 0;
    for (ptrdiff_t i = 0; i < a->n_major; i++) {
        if (a->by_column && place[i] < 0)
            continue;
        const ptrdiff_t begin = pointer(a, i), end = pointer(a, i + 1);
        for (ptrdiff_t k = begin; k < end; k++) {
            const ptrdiff_t minor = index_at(a, k), j = a->by_column ? i : minor;
            if (place[j] >= 0)
                add_element(far + place[j], value_at(a, k) - mean[j], w, a->by_column ? minor : i);
        }
        seen += end - begin;
        if (seen > 1 << 24) {
            seen = 0;
            if (fr_poll())
                return FR_INTERRUPTED;
        }
    }
    return 0;
}

/* Recompute means and variances, in a second pass about the means, of sparse columns for which
 * sums about zero cancel. Elements that are not stored have a weight summed on its own, not a
 * difference of rounded sums. */
static int correct_far(const fr_matrix *a, const double *w, double total, double *mean, double *var)
{
    const ptrdiff_t n = fr_n_rows(a), p = fr_n_columns(a);
    ptrdiff_t m = 0;
    for (ptrdiff_t j = 0; j < p; j++)
        m += sqrt(fabs(var[j])) < FR_NEAR * fabs(mean[j]);
    if (m == 0)
        return 0;
    far_column *far = calloc((size_t)m, sizeof(far_column));
    ptrdiff_t *place = malloc((size_t)p * sizeof(ptrdiff_t));
    int status = far && place ? 0 : FR_NO_MEMORY;
    if (!status) {
        m = 0;
        for (ptrdiff_t j = 0; j < p; j++) {
            place[j] = sqrt(fabs(var[j])) < FR_NEAR * fabs(mean[j]) ? m++ : -1;
            if (place[j] >= 0)
                far[place[j]].column = j;
        }
        status = far_sums(a, w, mean, place, far);
    }
    exact_sum all = {0, 0};
    for (ptrdiff_t i = 0; w && i < n && !status; i++)
        add_exactly(&all, w[i]);
    for (far_column *c = far; !status && c < far + m; c++) {
        const double about = mean[c->column];
        double rest = (double)(n - c->count);
        if (w && rest > 0)
            rest = MAX((all.high - c->weight.high) + (all.low - c->weight.low), 0.0);
        if (rest > 0) {
            c->sum -= rest * about;
            c->square += rest * about * about;
        }
        const double d = c->sum / total;
        mean[c->column] = about + d;
        var[c->column] = c->square / total - d * d;
    }
    free(place);
    free(far);
    return status;
}

int fr_some_are_light(const double *w, ptrdiff_t n)
{
    double least = INFINITY, most = 0;
    for (ptrdiff_t i = 0; i < n && w; i++) {
        most = MAX(most, w[i]);
        least = w[i] > 0 ? MIN(least, w[i]) : least;
    }
    return least < FR_FAR_LIGHTER * most;
}

int fr_even_stats(fr_matrix *a, const double *w, double **even, int n_threads)
{
    const ptrdiff_t n = fr_n_rows(a), p = fr_n_columns(a);
    *even = NULL;
    if (!fr_some_are_light(w, n))
        return 0;
    double *found = malloc((size_t)(2 * MAX(p, 1)) * sizeof(double)), *live = malloc((size_t)n * sizeof(double));
    int status = found && live ? 0 : FR_NO_MEMORY;
    for (ptrdiff_t i = 0; i < n && !status; i++)
        live[i] = w[i] > 0;
    if (!status)
        status = fr_column_stats(a, live, found, found + p, n_threads);
    free(live);
    if (status)
        free(found);
    else
        *even = found;
    return status;
}

int fr_column_stats(fr_matrix *a, const double *w, double *mean, double *var, int n_threads)
{
    const ptrdiff_t n = fr_n_rows(a), p = fr_n_columns(a);
    double total = (double)n;
    if (w) {
        total = 0;
        for (ptrdiff_t i = 0; i < n; i++)
            total += w[i];
    }
    double *near = malloc((size_t)(3 * MAX(p, 1)) * sizeof(double));
    if (!near)
        return FR_NO_MEMORY;
    double *sum = near + p, *square = sum + p;
    /* dense: sums about a place near the means avoid cancellation; sparse: about zero */
    fr_place(a, w, near);
    int status = column_sums(a, w, near, sum, n_threads);
    for (ptrdiff_t j = 0; j < p && !status; j++) {
        const double d = sum[j] / total, v = square[j] / total - d * d;
        mean[j] = near[j] + d;
        /* recognise squares that overflow, instead of taking the column for constant */
        var[j] = !isfinite(square[j]) ? INFINITY : a->index >= 0 || v > fr_lost(n) * d * d ? v : 0.0;
    }
    if (a->index >= 0 && !status)
        status = correct_far(a, w, total, mean, var);
    ptrdiff_t constant = 0;
    for (ptrdiff_t j = 0; j < p && !status; j++)
        constant += var[j] != INFINITY && fr_is_constant(mean[j], var[j]);
    double *even = NULL;
    if (constant && !status)
        status = fr_even_stats(a, w, &even, n_threads);
    if (even && a->index >= 0 && !status)
        /* the first means of heavy rows were rounded */
        status = correct_far(a, w, total, mean, var);
    for (ptrdiff_t j = 0; j < p && !status; j++)
        if (var[j] != INFINITY && fr_is_constant(mean[j], var[j]) &&
            !(even && even[p + j] > 0 && var[j] > 0))
            var[j] = 0;
    free(even);
    free(near);
    return status;
}

#define COUNT(I)                                                                                   \
    static int count_##I(const I *indices, ptrdiff_t nnz, I *counts)                               \
    {                                                                                              \
        for (ptrdiff_t k0 = 0; k0 < nnz; k0 += 1 << 26) {                                          \
            for (ptrdiff_t k = k0; k < MIN(nnz, k0 + (1 << 26)); k++)                              \
                counts[indices[k]]++;                                                              \
            if (fr_poll())                                                                         \
                return FR_INTERRUPTED;                                                             \
        }                                                                                          \
        return 0;                                                                                  \
    }
COUNT(int32_t)
COUNT(int64_t)

int fr_counts(const fr_matrix *a, int of_rows, int64_t *counts)
{
    if (of_rows != a->by_column) {
        for (ptrdiff_t i = 0; i < a->n_major; i++)
            counts[i] = pointer(a, i + 1) - pointer(a, i);
        return 0;
    }
    if (a->index)
        return count_int64_t(a->indices, a->nnz, counts);
    /* counters of half the size stay in a nearer cache */
    int32_t *found = calloc((size_t)MAX(a->n_minor, 1), sizeof(int32_t));
    if (!found)
        return FR_NO_MEMORY;
    const int status = count_int32_t(a->indices, a->nnz, found);
    for (ptrdiff_t j = 0; j < a->n_minor; j++)
        counts[j] = found[j];
    free(found);
    return status;
}

int fr_all_ones(const void *x, ptrdiff_t n, int real)
{
    ptrdiff_t i = 0;
    if (real == FR_FLOAT)
        while (i < n && ((const float *)x)[i] == 1.0f)
            i++;
    else
        while (i < n && ((const double *)x)[i] == 1.0)
            i++;
    return n > 0 && i == n;
}

typedef struct {
    const char *x;
    ptrdiff_t n, step, size;
    const fr_real_kernels *f;
    int bad;
} finite_job;

static void finite_task(void *context, ptrdiff_t t)
{
    finite_job *q = context;
    const ptrdiff_t i0 = t * q->step;
    if (!q->f->finite(q->x + i0 * q->size, MIN(q->step, q->n - i0)))
        q->bad = 1;
}

int fr_all_finite(const void *x, ptrdiff_t n, int real, int n_threads)
{
    finite_job q = {.x = x, .n = n, .step = 65536, .f = &fr_active()->real[real]};
    q.size = real ? sizeof(float) : sizeof(double);
    const int status =
        fr_parallel(finite_task, &q, (n + q.step - 1) / q.step, fr_threads_for((double)n, n_threads));
    return status ? status : !q.bad;
}

typedef struct {
    const fr_matrix *a;
    ptrdiff_t step;
    char *found; /* by task: 0 canonical, 1 not, 5 an index out of range */
} check_job;

static void check_task(void *context, ptrdiff_t t)
{
    const check_job *q = context;
    const ptrdiff_t i0 = t * q->step, i1 = MIN(i0 + q->step, q->a->n_major);
    ptrdiff_t where;
    q->found[t] = (char)check_majors(q->a, i0, i1, &where);
}

static int check_pointers(const fr_matrix *a, ptrdiff_t *where)
{
    *where = 0;
    if (pointer(a, 0) != 0)
        return 2;
    for (ptrdiff_t i = 0; i < a->n_major; i++)
        if (pointer(a, i + 1) < pointer(a, i)) {
            *where = i;
            return 3;
        }
    if (pointer(a, a->n_major) > a->nnz) {
        *where = pointer(a, a->n_major);
        return 4;
    }
    return 0;
}

int fr_check_compressed(const void *indices, const void *indptr, int index, ptrdiff_t n_major,
                        ptrdiff_t n_minor, ptrdiff_t nnz, int pointers, ptrdiff_t *where,
                        int n_threads)
{
    const fr_matrix a = {.indices = indices, .indptr = indptr, .index = index,
                         .n_major = n_major, .n_minor = n_minor, .nnz = nnz};
    const int fault = check_pointers(&a, where);
    if (fault || pointers)
        return fault;
    check_job q = {.a = &a};
    q.step = MAX(1, (ptrdiff_t)(PART_WORK / MAX(1.0, (double)nnz / (double)MAX(n_major, 1))));
    const ptrdiff_t tasks = (n_major + q.step - 1) / q.step;
    q.found = malloc((size_t)MAX(tasks, 1));
    if (!q.found)
        return FR_NO_MEMORY;
    int status = fr_parallel(check_task, &q, tasks, fr_threads_for((double)nnz, n_threads));
    for (ptrdiff_t t = 0; t < tasks && status >= 0 && status < 5; t++) {
        if (q.found[t] == 5)
            check_majors(&a, t * q.step, MIN((t + 1) * q.step, n_major), where);
        status = MAX(status, q.found[t]);
    }
    free(q.found);
    return status;
}
