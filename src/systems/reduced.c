#include "reduced.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cholesky.h"
#include "parallel.h"

#define AHEAD 6           /* prefetch distance, in rows */
#define SAMPLE 128        /* light columns sampled to estimate the number of elements */
#define KEEP 1e-14        /* share of a heavy column that those before it must leave */
#define MAX_FLOOR 1e-9    /* relative addition to the diagonal that makes M_HH singular */

/* ---- building ---- */

typedef struct {
    fr_matrix *a;
    const double *w;
    const int32_t *position;
    ptrdiff_t n_heavy, n_light;
    const ptrdiff_t *first; /* light column j: rows and values from first[j] to first[j + 1] */
    const int32_t *row;
    const double *value;
} columns;

static columns columns_of(const fr_reduced *q, fr_matrix *a, const double *w)
{
    return (columns){a, w, q->position, q->n_heavy, q->n_light, q->first, q->row, q->column_value};
}

typedef struct {
    ptrdiff_t n_heavy, n_places;
    int32_t *seen, *touched;
    double *sum;
} accumulator;

static int open_accumulator(accumulator *s, ptrdiff_t n_heavy, ptrdiff_t n_light)
{
    s->n_heavy = n_heavy;
    s->n_places = n_heavy + n_light;
    s->sum = malloc((size_t)s->n_places * (sizeof(double) + 2 * sizeof(int32_t)));
    if (!s->sum)
        return FR_NO_MEMORY;
    s->seen = (int32_t *)(s->sum + s->n_places);
    s->touched = s->seen + s->n_places;
    for (ptrdiff_t i = 0; i < s->n_places; i++)
        s->seen[i] = -1;
    return 0;
}

/* With `known`, the sums at all positions that occur must be 0 on entry. */
#define ROWS_OF(T, I, VALUE)                                                                       \
    static ptrdiff_t rows_of_##T##_##I(const columns *c, ptrdiff_t j, accumulator *s, int known)   \
    {                                                                                              \
        const T *data = c->a->data;                                                                \
        (void)data;                                                                                \
        const I *indices = c->a->indices, *indptr = c->a->indptr;                                  \
        ptrdiff_t len = 0;                                                                         \
        for (ptrdiff_t e = c->first[j]; e < c->first[j + 1]; e++) {                                \
            if (e + AHEAD < c->first[j + 1]) {                                                     \
                const char *next = (const char *)(indices + indptr[c->row[e + AHEAD]]);            \
                FR_PREFETCH(next);                                                                 \
                FR_PREFETCH(next + 64);                                                            \
                FR_PREFETCH((const char *)(data + indptr[c->row[e + AHEAD]]));                     \
                FR_PREFETCH((const char *)(data + indptr[c->row[e + AHEAD]]) + 64);                \
            }                                                                                      \
            const ptrdiff_t i = c->row[e], end = (ptrdiff_t)indptr[i + 1];                         \
            const double t = c->w ? c->w[i] * c->value[e] : c->value[e];                           \
            for (ptrdiff_t k = (ptrdiff_t)indptr[i]; k < end; k++) {                               \
                const int32_t place = c->position[indices[k]];                                     \
                if (place < 0)                                                                     \
                    continue;                                                                      \
                if (!known && s->seen[place] != (int32_t)j) {                                      \
                    s->seen[place] = (int32_t)j;                                                   \
                    s->touched[len++] = place;                                                     \
                    s->sum[place] = 0;                                                             \
                }                                                                                  \
                s->sum[place] += t * (VALUE);                                                      \
            }                                                                                      \
        }                                                                                          \
        return len;                                                                                \
    }
ROWS_OF(double, int32_t, data[k])
ROWS_OF(double, int64_t, data[k])
ROWS_OF(float, int32_t, (double)data[k])
ROWS_OF(float, int64_t, (double)data[k])
ROWS_OF(char, int32_t, 1.0)
ROWS_OF(char, int64_t, 1.0)

/* Sum row j of the Gram matrix of light columns into s; return its number of elements, 0 where
 * they are known. */
static ptrdiff_t gram_row(const columns *c, ptrdiff_t j, accumulator *s, int known)
{
    const int wide = c->a->index;
    if (c->a->real == FR_ONES)
        return (wide ? rows_of_char_int64_t : rows_of_char_int32_t)(c, j, s, known);
    if (c->a->real == FR_FLOAT)
        return (wide ? rows_of_float_int64_t : rows_of_float_int32_t)(c, j, s, known);
    return (wide ? rows_of_double_int64_t : rows_of_double_int32_t)(c, j, s, known);
}

/* List the rows and the values of each light column. */
static int list_light_columns(fr_reduced *q, const fr_matrix *a)
{
    q->first = calloc((size_t)q->n_light + 2, sizeof(ptrdiff_t));
    if (!q->first)
        return FR_NO_MEMORY;
    if (a->n_major > INT32_MAX)
        return FR_TOO_LARGE;
    for (ptrdiff_t k = 0; k < a->nnz; k++) {
        const ptrdiff_t place = q->position[index_at(a, k)] - q->n_heavy;
        if (place >= 0)
            q->first[place + 2]++;
    }
    for (ptrdiff_t j = 1; j <= q->n_light; j++)
        q->first[j + 1] += q->first[j];
    const size_t size = (size_t)MAX(q->first[q->n_light + 1], 1);
    q->column_value = malloc(size * sizeof(double));
    q->row = malloc(size * sizeof(int32_t));
    if (!q->column_value || !q->row)
        return FR_NO_MEMORY;
    for (ptrdiff_t i = 0; i < a->n_major; i++)
        for (ptrdiff_t k = pointer(a, i); k < pointer(a, i + 1); k++) {
            const ptrdiff_t place = q->position[index_at(a, k)] - q->n_heavy;
            if (place >= 0) {
                const ptrdiff_t e = q->first[place + 1]++;
                q->row[e] = (int32_t)i;
                q->column_value[e] = value_at(a, k);
            }
        }
    return fr_poll();
}

/* Estimate the elements of the light rows from a sample. */
static double estimate(const columns *c, accumulator *s)
{
    const ptrdiff_t count = MIN(SAMPLE, c->n_light);
    double sum = 0;
    for (ptrdiff_t t = 0; t < count; t++)
        sum += (double)gram_row(c, (ptrdiff_t)(((double)t + 0.5) * (double)c->n_light / (double)count), s, 0);
    for (ptrdiff_t i = 0; i < s->n_places; i++)
        s->seen[i] = -1;
    return count ? sum / (double)count * (double)c->n_light : 0.0;
}

typedef struct {
    const columns *c;
    accumulator spaces[MAX_PARTS];
    struct {
        ptrdiff_t from, to, size, capacity;
        int32_t *index;
        double *value;
    } part[MAX_PARTS];
    ptrdiff_t *start;
    int failed;
} build_job;

static int reserve(build_job *q, ptrdiff_t t, ptrdiff_t more)
{
    if (q->part[t].size + more <= q->part[t].capacity)
        return 0;
    const ptrdiff_t capacity = MAX(q->part[t].size + more, 2 * q->part[t].capacity);
    int32_t *index = realloc(q->part[t].index, (size_t)capacity * sizeof(int32_t));
    if (index)
        q->part[t].index = index;
    double *value = realloc(q->part[t].value, (size_t)capacity * sizeof(double));
    if (value)
        q->part[t].value = value;
    q->part[t].capacity = index && value ? capacity : q->part[t].capacity;
    return index && value ? 0 : FR_NO_MEMORY;
}

/* Count a range of light rows: lengths into start, elements into the part's arrays. */
static void build_task(void *context, ptrdiff_t t)
{
    build_job *q = context;
    accumulator *s = &q->spaces[t];
    const ptrdiff_t m = s->n_heavy;
    if (open_accumulator(s, m, s->n_places - m)) {
        q->part[t].size = -1;
        return;
    }
    for (ptrdiff_t j = q->part[t].from; j < q->part[t].to; j++) {
        const ptrdiff_t len = gram_row(q->c, j, s, 0);
        if (reserve(q, t, len)) {
            q->part[t].size = -1;
            break;
        }
        /* heavy, before j, after j; for each the position from which it counts */
        const ptrdiff_t bounds[] = {0, m, m + j, m + j + 1, s->n_places};
        static const int kinds[][2] = {{0, 1}, {1, 2}, {3, 4}};
        for (int kind = 0; kind < 3; kind++) {
            const ptrdiff_t lo = bounds[kinds[kind][0]], hi = bounds[kinds[kind][1]];
            const ptrdiff_t before = q->part[t].size;
            for (ptrdiff_t e = 0; e < len; e++) {
                const int32_t place = s->touched[e];
                if (place >= lo && place < hi) {
                    q->part[t].index[q->part[t].size] = place - (kind ? (int32_t)m : 0);
                    q->part[t].value[q->part[t].size++] = s->sum[place];
                }
            }
            q->start[3 * j + kind + 1] = q->part[t].size - before;
        }
    }
    free(s->sum);
}

static int build_light(fr_reduced *q, const columns *c, int n_threads)
{
    const ptrdiff_t l = c->n_light, work = c->first[l];
    build_job b = {.c = c};
    int status = 0;
    q->start = calloc((size_t)(3 * l + 1), sizeof(ptrdiff_t));
    if (!q->start)
        return FR_NO_MEMORY;
    b.start = q->start;
    const ptrdiff_t parts = MAX(1, MIN(MAX_PARTS, work / PART_WORK));
    for (ptrdiff_t t = 0, j = 0; t < parts; t++) {
        b.part[t].from = j;
        while (j < l && (t == parts - 1 || c->first[j] < work / parts * (t + 1)))
            j++;
        b.part[t].to = j;
        b.spaces[t].n_heavy = c->n_heavy;
        b.spaces[t].n_places = c->n_heavy + l;
    }
    status = fr_parallel(build_task, &b, parts, fr_threads_for((double)work * 8, n_threads));
    ptrdiff_t size = 0;
    for (ptrdiff_t t = 0; t < parts && !status; t++) {
        status = b.part[t].size < 0 ? FR_NO_MEMORY : 0;
        size += b.part[t].size;
    }
    if (!status) {
        q->index = malloc((size_t)MAX(size, 1) * sizeof(int32_t));
        q->value = malloc((size_t)MAX(size, 1) * sizeof(double));
        status = q->index && q->value ? 0 : FR_NO_MEMORY;
    }
    for (ptrdiff_t t = 0, at = 0; t < parts; t++) {
        if (!status && b.part[t].size) {
            memcpy(q->index + at, b.part[t].index, (size_t)b.part[t].size * sizeof(int32_t));
            memcpy(q->value + at, b.part[t].value, (size_t)b.part[t].size * sizeof(double));
            at += b.part[t].size;
        }
        free(b.part[t].index);
        free(b.part[t].value);
    }
    for (ptrdiff_t e = 0; e < 3 * l; e++)
        q->start[e + 1] += q->start[e];
    return status;
}

typedef struct {
    const columns *c;
    fr_reduced *q;
    ptrdiff_t parts;
    int failed[MAX_PARTS];
} sum_job;

/* Sum the elements of a range of light rows, whose positions are known. */
static void sum_task(void *context, ptrdiff_t t)
{
    sum_job *b = context;
    fr_reduced *q = b->q;
    accumulator s = {0};
    const ptrdiff_t m = q->n_heavy, l = q->n_light;
    if ((b->failed[t] = open_accumulator(&s, m, l)))
        return;
    memset(s.sum, 0, (size_t)s.n_places * sizeof(double));
    for (ptrdiff_t j = l * t / b->parts; j < l * (t + 1) / b->parts; j++) {
        gram_row(b->c, j, &s, 1);
        const ptrdiff_t middle = q->start[3 * j + 1];
        s.sum[m + j] = 0;
        for (ptrdiff_t e = q->start[3 * j]; e < q->start[3 * j + 3]; e++) {
            double *sum = &s.sum[q->index[e] + (e < middle ? 0 : m)];
            q->value[e] = *sum;
            *sum = 0;
        }
    }
    free(s.sum);
}

static int sum_light(fr_reduced *q, const columns *c, int n_threads)
{
    const ptrdiff_t work = q->first[q->n_light];
    sum_job b = {.c = c, .q = q, .parts = MAX(1, MIN(MAX_PARTS, work / PART_WORK))};
    int status = fr_parallel(sum_task, &b, b.parts, fr_threads_for((double)work * 8, n_threads));
    for (ptrdiff_t t = 0; t < b.parts && !status; t++)
        status = b.failed[t];
    return status;
}

/* Sum the Gram matrix of the heavy columns about their means. */
static int sum_heavy(fr_reduced *q, fr_matrix *a, const double *w, int n_threads)
{
    const ptrdiff_t m = q->n_heavy, p = fr_n_columns(a);
    int32_t *among = malloc((size_t)MAX(p, 1) * sizeof(int32_t));
    if (!among)
        return FR_NO_MEMORY;
    for (ptrdiff_t j = 0; j < p; j++)
        among[j] = q->position[j] < m ? q->position[j] : -1;
    const int status = fr_gram_sparse(a, w, among, m, q->heavy, 1, n_threads);
    free(among);
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < i; j++)
            q->heavy[i * m + j] -= q->total * q->mean[i] * q->mean[j];
    return status;
}

int fr_reduced_build(fr_reduced *q, fr_matrix *a, const double *w, double most, int n_threads)
{
    const ptrdiff_t m = q->n_heavy, l = q->n_light;
    accumulator s = {0};
    int status = list_light_columns(q, a);
    const columns c = columns_of(q, a, w);
    if (!status)
        status = open_accumulator(&s, m, l);
    if (!status && estimate(&c, &s) > most)
        status = FR_TOO_LARGE;
    free(s.sum);
    if (!status)
        status = build_light(q, &c, n_threads);
    if (!status) {
        q->heavy = malloc((size_t)(m * m) * sizeof(double));
        q->diagonal = malloc((size_t)(3 * l + 1) * sizeof(double));
        q->inverse = q->diagonal ? q->diagonal + l : NULL;
        q->norm = q->diagonal ? q->inverse + l : NULL;
        status = q->heavy && q->diagonal ? 0 : FR_NO_MEMORY;
    }
    if (!status)
        status = sum_heavy(q, a, w, n_threads);
    if (status)
        fr_reduced_free(q);
    return status;
}

int fr_reduced_reweigh(fr_reduced *q, fr_matrix *a, const double *w, int n_threads)
{
    const columns c = columns_of(q, a, w);
    const int status = sum_light(q, &c, n_threads);
    return status ? status : sum_heavy(q, a, w, n_threads);
}

void fr_reduced_free(fr_reduced *q)
{
    free(q->first);
    free(q->row);
    free(q->column_value);
    free(q->heavy);
    free(q->diagonal);
    free(q->start);
    free(q->index);
    free(q->value);
    q->heavy = q->diagonal = q->value = q->column_value = NULL;
    q->start = q->first = NULL;
    q->index = q->row = NULL;
}

int fr_reduced_factor(fr_reduced *q, double alpha, const double *d, const double *norm,
                      int n_threads)
{
    const ptrdiff_t m = q->n_heavy;
    for (ptrdiff_t j = 0; j < q->n_light; j++) {
        q->diagonal[j] = q->squares[m + j] + alpha * d[m + j];
        q->inverse[j] = q->diagonal[j] > 0 ? 1 / q->diagonal[j] : 0.0;
        q->norm[j] = norm ? norm[m + j] : 1.0;
    }
    double *pivots = malloc((size_t)MAX(m, 1) * sizeof(double));
    if (!pivots)
        return FR_NO_MEMORY;
    int status = FR_UNSTABLE;
    /* dependent columns: the refinement from the data removes what is added */
    for (double floor = 0; status == FR_UNSTABLE && floor <= MAX_FLOOR;
         floor = floor ? 10 * floor : 1e-13) {
        for (ptrdiff_t i = 0; i < m; i++)
            pivots[i] = (q->squares[i] + alpha * d[i]) * (1 + floor);
        if (!(status = fr_mirror(q->heavy, m, 1, n_threads)))
            status = fr_cholesky(q->heavy, m, pivots, KEEP, n_threads);
    }
    free(pivots);
    return status;
}

/* ---- solving ---- */

typedef struct {
    const fr_reduced *q;
    const double *x, *s;
    double *out;       /* light */
    double *partial;   /* parts of n_heavy */
    double level;      /* W times the contribution of the means to x and s */
    ptrdiff_t parts;
} pass_job;

static double dot(const double *a, const double *b, ptrdiff_t n)
{
    double s[4] = {0, 0, 0, 0};
    ptrdiff_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int t = 0; t < 4; t++)
            s[t] += a[i + t] * b[i + t];
    for (; i < n; i++)
        s[0] += a[i] * b[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static ptrdiff_t cut(const pass_job *b, ptrdiff_t t) { return b->q->n_light * t / b->parts; }

/* partial sums of X_H' W X_L x */
static void to_heavy_task(void *context, ptrdiff_t t)
{
    const pass_job *b = context;
    const fr_reduced *q = b->q;
    double *out = b->partial + t * q->n_heavy;
    memset(out, 0, (size_t)q->n_heavy * sizeof(double));
    for (ptrdiff_t j = cut(b, t); j < cut(b, t + 1); j++) {
        const double xj = b->x[j];
        for (ptrdiff_t e = q->start[3 * j]; e < q->start[3 * j + 1]; e++)
            out[q->index[e]] += q->value[e] * xj;
    }
}

/* out = M_LL x - M_LH s; NULL drops the term of x or of s */
static void to_light_task(void *context, ptrdiff_t t)
{
    const pass_job *b = context;
    const fr_reduced *q = b->q;
    const double *mean = q->mean + q->n_heavy;
    for (ptrdiff_t j = cut(b, t); j < cut(b, t + 1); j++) {
        double v = 0, u = 0;
        const ptrdiff_t middle = q->start[3 * j + 1], end = q->start[3 * j + 3];
        for (ptrdiff_t e = q->start[3 * j]; e < middle; e++)
            v += q->value[e] * b->s[q->index[e]];
        double level = b->level;
        if (b->x) {
            for (ptrdiff_t e = middle; e < end; e++)
                u += q->value[e] * b->x[q->index[e]];
            u += q->diagonal[j] * b->x[j];
            level -= q->total * mean[j] * b->x[j];
        }
        b->out[j] = u - v - mean[j] * level;
    }
}

/* heavy = M_HH^-1 M_HL x */
static int eliminate(pass_job *b, const double *x, double *heavy, int n_threads)
{
    const fr_reduced *q = b->q;
    const ptrdiff_t m = q->n_heavy;
    b->x = x;
    const int status = fr_parallel(to_heavy_task, b, b->parts, n_threads);
    if (status)
        return status;
    const double level = q->total * dot(q->mean + m, x, q->n_light);
    for (ptrdiff_t i = 0; i < m; i++) {
        double s = 0;
        for (ptrdiff_t t = 0; t < b->parts; t++)
            s += b->partial[t * m + i];
        heavy[i] = s - q->mean[i] * level;
    }
    return fr_cholesky_solve(q->heavy, m, heavy, 1, n_threads);
}

/* out = S x with x, else -M_LH heavy */
static int complement(pass_job *b, const double *x, const double *heavy, double *out, int n_threads)
{
    const fr_reduced *q = b->q;
    b->x = x;
    b->s = heavy;
    b->out = out;
    b->level = -q->total * dot(q->mean, heavy, q->n_heavy);
    if (x)
        b->level += q->total * dot(q->mean + q->n_heavy, x, q->n_light);
    return fr_parallel(to_light_task, b, b->parts, n_threads);
}

/* z = (D + U)^-1 D (D + L)^-1 r with M_LL = L + D + U, without its means */
static void sweep(const fr_reduced *q, const double *r, double *z)
{
    const ptrdiff_t l = q->n_light;
    for (ptrdiff_t j = 0; j < l; j++) {
        double s = r[j];
        for (ptrdiff_t e = q->start[3 * j + 1]; e < q->start[3 * j + 2]; e++)
            s -= q->value[e] * z[q->index[e]];
        z[j] = s * q->inverse[j];
    }
    for (ptrdiff_t j = l - 1; j >= 0; j--) {
        double s = 0;
        for (ptrdiff_t e = q->start[3 * j + 2]; e < q->start[3 * j + 3]; e++)
            s += q->value[e] * z[q->index[e]];
        z[j] -= s * q->inverse[j];
    }
}

static double norm_of(const fr_reduced *q, const double *g)
{
    double s = 0;
    for (ptrdiff_t j = 0; j < q->n_light; j++)
        s += q->norm[j] * g[j] * g[j];
    return sqrt(s);
}

static int reached(const fr_goal *goal, double norm)
{
    return norm <= MAX(goal->bound, goal->share * sqrt(MAX(goal->objective, 0.0)));
}

int fr_reduced_solve(const fr_reduced *q, const double *r, double *x, fr_goal goal,
                     ptrdiff_t limit, ptrdiff_t *n_iter, int n_threads)
{
    const ptrdiff_t m = q->n_heavy, l = q->n_light, size = l ? q->start[3 * l] : 0;
    pass_job b = {.q = q};
    b.parts = MAX(1, MIN(MAX_PARTS, size / PART_WORK));
    n_threads = fr_threads_for((double)size, n_threads);
    double *memory = malloc((size_t)(4 * l + (b.parts + 1) * m + 1) * sizeof(double));
    if (!memory)
        return FR_NO_MEMORY;
    double *g = memory, *z = g + l, *d = z + l, *v = d + l, *heavy = v + l;
    double *xl = x + m;
    b.partial = heavy + m;
    int status;
    memcpy(heavy, r, (size_t)m * sizeof(double));
    if ((status = fr_cholesky_solve(q->heavy, m, heavy, 1, n_threads)) ||
        (status = complement(&b, NULL, heavy, g, n_threads)))
        goto end;
    goal.objective -= dot(r, heavy, m);
    for (ptrdiff_t j = 0; j < l; j++) {
        xl[j] = 0;
        g[j] += r[m + j];
    }
    int done = reached(&goal, norm_of(q, g));
    double rz = 0;
    if (!done) {
        sweep(q, g, z);
        memcpy(d, z, (size_t)l * sizeof(double));
        rz = dot(g, z, l);
    }
    while (!done && *n_iter < limit && rz > 0) {
        if ((status = eliminate(&b, d, heavy, n_threads)) ||
            (status = complement(&b, d, heavy, v, n_threads)) || (status = fr_poll()))
            goto end;
        const double curvature = dot(d, v, l);
        if (!(curvature > 0))
            break;
        const double step = rz / curvature;
        for (ptrdiff_t j = 0; j < l; j++) {
            xl[j] += step * d[j];
            g[j] -= step * v[j];
        }
        ++*n_iter;
        goal.objective -= step * rz;
        if ((done = reached(&goal, norm_of(q, g))))
            break;
        sweep(q, g, z);
        const double before = rz;
        rz = dot(g, z, l);
        for (ptrdiff_t j = 0; j < l; j++)
            d[j] = z[j] + rz / before * d[j];
    }
    /* x_H = M_HH^-1 (r_H - M_HL x_L) */
    if ((status = eliminate(&b, xl, heavy, n_threads)))
        goto end;
    memcpy(x, r, (size_t)m * sizeof(double));
    if (!(status = fr_cholesky_solve(q->heavy, m, x, 1, n_threads)))
        for (ptrdiff_t i = 0; i < m; i++)
            x[i] -= heavy[i];
end:
    free(memory);
    return status;
}
