/* Weighted Gram matrices: dense by packed panels, sparse by outer products of rows. */

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "cholesky.h"
#include "parallel.h"

#define DEPTH 200        /* rows packed at a time; not a multiple of 64: panels would alias */
#define SMALL 256        /* order up to which each part of the rows has its own sums */
#define SINGLE_DEPTH 400 /* products summed in float32 before they are added in float64 */
#define J_BLOCK 12       /* panels of b that stay in the second-level cache */
#define LEAST_BLOCK 3    /* panels of b that one tile reads */
#define PREPARED 40      /* rows of a slice that are prepared at a time */
#define PER_ELEMENT 16   /* products per element of the sums of a part of sparse rows */

typedef struct {
    const fr_gram_source *s;
    const fr_kernels *kernels;
    fr_panel_source x, y;
    ptrdiff_t depth, p, q, panels, order; /* summation length; columns of X; all; padded */
    ptrdiff_t i0, rows;                   /* slice of the summation in this round */
    ptrdiff_t block, blocks;              /* panels of a task, and their number */
    ptrdiff_t parts, part_rows, part_panel, done;
    double *packed, *g;
    const fr_single_sums *single; /* float32 panels */
    double *target;               /* of a slice: weighted y of each target */
} gram_job;

ptrdiff_t fr_gram_order(ptrdiff_t n_columns)
{
    const ptrdiff_t w = fr_active()->width;
    return (n_columns + w - 1) / w * w;
}

/* Pack rows i0 .. i0 + rows of panels b0 .. b1: columns of X, then of y, then ones, then 0. */
static void pack(const gram_job *q, ptrdiff_t i0, ptrdiff_t rows, ptrdiff_t b0, ptrdiff_t b1,
                 double *panel)
{
    const fr_gram_source *s = q->s;
    const ptrdiff_t w = q->kernels->width, j0 = b0 * w, j1 = b1 * w;
    if (j0 < q->p)
        q->kernels->real[s->a->real].pack(&q->x, i0, rows, j0, MIN(j1, q->p), panel);
    for (ptrdiff_t j = MAX(j0, q->p); j < j1; j++) {
        double *to = panel + ((j - j0) / w) * rows * w + (j - j0) % w;
        const double *root = s->root_weight ? s->root_weight + i0 : NULL;
        if (j < q->p + s->k) {
            const double *y = s->y + (j - q->p) * q->depth + i0;
            const double shift = s->y_shift ? s->y_shift[j - q->p] : 0.0;
            for (ptrdiff_t i = 0; i < rows; i++)
                to[i * w] = root ? root[i] * (y[i] - shift) : y[i] - shift;
        } else {
            const double one = j < q->q ? 1.0 : 0.0;
            for (ptrdiff_t i = 0; i < rows; i++)
                to[i * w] = root ? one * root[i] : one;
        }
    }
}

/* Multiply panel `a` by panels b0 .. b1 at or right of it. */
static void tiles(const gram_job *q, const double *packed, ptrdiff_t rows, ptrdiff_t a, ptrdiff_t b0,
                  ptrdiff_t b1, double *g, uintptr_t *ahead, ptrdiff_t step)
{
    const ptrdiff_t w = q->kernels->width, stride = rows * w;
    for (ptrdiff_t b = MAX(a, b0); b < b1; b += q->kernels->wide) {
        q->kernels->tile(rows, packed + a * stride, packed + b * stride, stride,
                         (int)MIN(q->kernels->wide, b1 - b), g + a * w * q->order + b * w,
                         q->order, step ? *ahead : 0, step);
        *ahead += (uintptr_t)(rows * step);
    }
}

/* Bytes to prefetch in each step of a tile so that `size` bytes arrive while `rows` rows are
 * summed; at most a cache line. */
static ptrdiff_t step_of(const gram_job *q, ptrdiff_t rows, ptrdiff_t size)
{
    ptrdiff_t calls = 0;
    for (ptrdiff_t a = 0; a < q->panels; a++)
        calls += (q->panels - a + q->kernels->wide - 1) / q->kernels->wide;
    return MIN(64, (size + calls * rows - 1) / (calls * rows));
}

/* For few panels: each part of the rows has packed panels and sums of its own. */
static void part_task(void *context, ptrdiff_t t)
{
    const gram_job *q = context;
    const ptrdiff_t end = MIN((t + 1) * q->part_rows, q->depth);
    ptrdiff_t i = t * q->part_rows + q->done;
    const ptrdiff_t upto = MIN(end, i + q->rows);
    double *packed = q->packed + t * q->part_panel;
    for (; i < upto; i += DEPTH) {
        const ptrdiff_t rows = MIN(DEPTH, upto - i);
        if (q->s->prepare)
            q->s->prepare(q->s->context, t, i, rows);
        pack(q, i, rows, 0, q->panels, packed);
        /* contiguous rows: prefetch the next block while this one is summed */
        const ptrdiff_t row = q->x.rs * (ptrdiff_t)(q->s->a->real == FR_FLOAT ? 4 : 8);
        const ptrdiff_t next = q->x.cs == 1 ? MIN(DEPTH, upto - i - rows) * row : 0;
        const ptrdiff_t step = next > 0 ? step_of(q, rows, next) : 0;
        uintptr_t ahead = (uintptr_t)q->x.x + (uintptr_t)((i + rows) * row);
        for (ptrdiff_t a = 0; a < q->panels; a++)
            tiles(q, packed, rows, a, 0, q->panels, q->g + t * q->order * q->order, &ahead, step);
    }
}

/* Choose the panels of a task: fewer of few panels, so that threads get like shares. */
static void divide_panels(gram_job *q)
{
    q->block = MIN(J_BLOCK, MAX(LEAST_BLOCK, q->panels / 6 / LEAST_BLOCK * LEAST_BLOCK));
    q->blocks = (q->panels + q->block - 1) / q->block;
}

static void prepare_task(void *context, ptrdiff_t t)
{
    const gram_job *q = context;
    const ptrdiff_t i = t * PREPARED;
    q->s->prepare(q->s->context, t, q->i0 + i, MIN(PREPARED, q->rows - i));
}

/* tasks of a slice have sums of their own: the size is negative, an error, where they are too many */
typedef char fr_slices_fit[SINGLE_DEPTH <= PREPARED * FR_GRAM_PARTS && DEPTH <= PREPARED * FR_GRAM_PARTS
                               ? 1
                               : -1];

static int prepare_slice(gram_job *q, int threads)
{
    if (!q->s->prepare)
        return 0;
    return fr_parallel(prepare_task, q, (q->rows + PREPARED - 1) / PREPARED, threads);
}

static void pack_task(void *context, ptrdiff_t t)
{
    const gram_job *q = context;
    const ptrdiff_t b0 = t * q->block, b1 = MIN(b0 + q->block, q->panels);
    pack(q, q->i0, q->rows, b0, b1, q->packed + b0 * q->rows * q->kernels->width);
}

/* Multiply a block of panels of b by the block of panels of a numbered t. */
static void block_task(void *context, ptrdiff_t t)
{
    const gram_job *q = context;
    ptrdiff_t i = 0, left = t;
    while (left >= q->blocks - i) {
        left -= q->blocks - i;
        i++;
    }
    const ptrdiff_t a1 = MIN((i + 1) * q->block, q->panels), b0 = (i + left) * q->block;
    uintptr_t ahead = 0;
    for (ptrdiff_t a = i * q->block; a < a1; a++)
        tiles(q, q->packed, q->rows, a, b0, MIN(b0 + q->block, q->panels), q->g, &ahead, 0);
}

static gram_job job_of(const fr_gram_source *s, double *g)
{
    const fr_matrix *a = s->a;
    const int along_rows = a->by_column == s->transposed; /* summation runs over major vectors */
    gram_job q = {.s = s, .kernels = fr_active(), .g = g};
    q.depth = s->transposed ? fr_n_columns(a) : fr_n_rows(a);
    q.p = s->transposed ? fr_n_rows(a) : fr_n_columns(a);
    q.x = (fr_panel_source){a->data, along_rows ? a->ld : 1, along_rows ? 1 : a->ld,
                            s->col_shift, s->row_shift, s->root_weight, NULL};
    return q;
}

int fr_gram_dense(const fr_gram_source *s, double *g, int n_threads)
{
    gram_job q = job_of(s, g);
    q.q = q.p + s->k + (s->ones ? 1 : 0);
    q.order = fr_gram_order(q.q);
    q.panels = q.order / q.kernels->width;
    const double work = (double)q.depth * (double)q.order * (double)q.order;
    const int threads = fr_threads_for(work / FR_CACHED, n_threads);
    const size_t size = (size_t)(q.order * q.order);
    int status = fr_zero(g, q.order * q.order, n_threads);
    if (status)
        return status;

    if (q.order <= SMALL) {
        /* a power of two: threads get equal shares */
        for (q.parts = 1; q.parts < MAX_PARTS && work >= (double)(q.parts << 21);)
            q.parts *= 2;
        q.part_rows = (q.depth + q.parts - 1) / q.parts;
        q.part_panel = MIN(q.part_rows, DEPTH) * q.order;
        double *memory = malloc(((size_t)q.parts * (size + (size_t)q.part_panel) + 8) * sizeof(double));
        if (!memory)
            return FR_NO_MEMORY;
        q.packed = aligned(memory);
        double *sums = q.packed + q.parts * q.part_panel;
        q.g = q.parts > 1 ? sums : g;
        if (q.parts > 1)
            memset(sums, 0, (size_t)q.parts * size * sizeof(double));
        q.rows = 100 * DEPTH;
        for (; q.done < q.part_rows && !status; q.done += q.rows)
            if (!(status = fr_parallel(part_task, &q, q.parts, threads)) && q.done + q.rows < q.part_rows)
                status = fr_poll();
        if (q.parts > 1)
            for (ptrdiff_t t = 0; t < q.parts; t++)
                for (size_t i = 0; i < size; i++)
                    g[i] += sums[(size_t)t * size + i];
        free(memory);
        return status;
    }

    double *memory = malloc((size_t)(DEPTH * q.order + 8) * sizeof(double));
    if (!memory)
        return FR_NO_MEMORY;
    q.packed = aligned(memory);
    divide_panels(&q);
    for (q.i0 = 0; q.i0 < q.depth && !status; q.i0 += DEPTH) {
        q.rows = MIN(DEPTH, q.depth - q.i0);
        status = prepare_slice(&q, threads);
        if (!status)
            status = fr_parallel(pack_task, &q, q.blocks, threads);
        if (!status)
            status = fr_parallel(block_task, &q, q.blocks * (q.blocks + 1) / 2, threads);
        if (!status)
            status = fr_poll();
    }
    free(memory);
    return status;
}

/* ---- products in float32 ---- */

ptrdiff_t fr_single_order(ptrdiff_t n_columns)
{
    const ptrdiff_t w = 2 * fr_active()->width;
    return (n_columns + w - 1) / w * w;
}

/* Powers of two that scale the columns near 1, estimated from a few elements spread over all. */
void fr_single_scale(const fr_gram_source *s, double *scale)
{
    enum { SAMPLE = 32 };
    const gram_job q = job_of(s, NULL);
    const ptrdiff_t step = MAX(1, q.depth / SAMPLE);
    memset(scale, 0, (size_t)q.p * sizeof(double));
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < q.depth; i += step, count++) {
        const double w = s->root_weight ? s->root_weight[i] : 1.0;
        for (ptrdiff_t j = 0; j < q.p; j++) {
            double x = s->transposed ? at(s->a, j, i) : at(s->a, i, j);
            x -= (s->col_shift ? s->col_shift[j] : 0.0) + (s->row_shift ? s->row_shift[i] : 0.0);
            scale[j] = MAX(scale[j], fabs(w * x));
        }
    }
    for (ptrdiff_t j = 0; j < q.p; j++) {
        int exponent = 0;
        if (scale[j] > 0 && isfinite(scale[j]))
            frexp(scale[j], &exponent);
        scale[j] = ldexp(1.0, -MIN(MAX(exponent, -500), 500));
    }
}

/* Add float64 sums over a slice of the columns j0 .. j1 of X, which packing has left in the
 * cache. */
static void exact_sums(const gram_job *q, ptrdiff_t j0, ptrdiff_t j1)
{
    const fr_gram_source *s = q->s;
    const fr_single_sums *e = q->single;
    const fr_matrix *a = s->a;
    const fr_real_kernels *f = &q->kernels->real[a->real];
    const double *shift = s->col_shift + j0, *w = e->weight ? e->weight + q->i0 : NULL;
    double dots[64];
    if (!a->by_column) {
        const char *x = element(a, q->i0, j0);
        f->moment_rows(x, a->ld, q->rows, j1 - j0, shift, w, e->sum + j0, e->square + j0);
        for (ptrdiff_t t = 0; t < s->k; t++)
            f->axpy_rows(x, a->ld, q->rows, j1 - j0, shift, NULL,
                         q->target + t * q->rows, e->cross + t * q->p + j0);
        return;
    }
    const char *x = element(a, j0, q->i0);
    f->moment_majors(x, a->ld, j1 - j0, q->rows, shift, w, e->sum + j0, e->square + j0);
    for (ptrdiff_t t = 0; t < s->k; t++)
        for (ptrdiff_t j = j0; j < j1; j += 64) {
            const ptrdiff_t m = MIN(64, j1 - j);
            f->dot_rows(element(a, j, q->i0), a->ld, m, q->rows, NULL,
                        s->col_shift + j, q->target + t * q->rows, dots);
            for (ptrdiff_t l = 0; l < m; l++)
                e->cross[t * q->p + j + l] += dots[l];
        }
}

static void pack_single_task(void *context, ptrdiff_t t)
{
    const gram_job *q = context;
    const ptrdiff_t w = 2 * q->kernels->width, size = q->rows * w;
    const ptrdiff_t b0 = t * q->block, b1 = MIN(b0 + q->block, q->panels);
    const ptrdiff_t j0 = b0 * w, j1 = MIN(b1 * w, q->p);
    float *packed = (float *)q->packed;
    if (j1 < b1 * w)
        memset(packed + (b1 - 1) * size, 0, (size_t)size * sizeof(float));
    q->kernels->real[q->s->a->real].pack_single(&q->x, q->i0, q->rows, j0, j1, packed + b0 * size);
    if (q->single->sum)
        exact_sums(q, j0, j1);
}

static void block_single_task(void *context, ptrdiff_t t)
{
    const gram_job *q = context;
    const ptrdiff_t half = q->kernels->width, w = 2 * half, size = q->rows * w;
    const float *packed = (const float *)q->packed;
    ptrdiff_t i = 0;
    for (; t >= q->blocks - i; i++)
        t -= q->blocks - i;
    const ptrdiff_t a1 = MIN((i + 1) * q->block, q->panels), b0 = (i + t) * q->block;
    const ptrdiff_t b1 = MIN(b0 + q->block, q->panels);
    for (ptrdiff_t a = i * q->block; a < a1; a++)
        for (ptrdiff_t b = MAX(a, b0); b < b1; b += q->kernels->wide)
            for (ptrdiff_t h = 0; h < w; h += half)
                q->kernels->tile_single(q->rows, packed + a * size + h, packed + b * size, size,
                                        (int)MIN(q->kernels->wide, b1 - b),
                                        q->g + (a * w + h) * q->order + b * w, q->order, 0, 0);
}

int fr_gram_single(const fr_gram_source *s, const fr_single_sums *e, ptrdiff_t i0, ptrdiff_t i1,
                   double *g, int n_threads)
{
    gram_job q = job_of(s, g);
    q.single = e;
    q.x.col_scale = e->scale;
    q.order = fr_single_order(q.p);
    q.panels = q.order / (2 * q.kernels->width);
    const double work = (double)(i1 - i0) * (double)q.order * (double)q.order;
    const int threads = fr_threads_for(work / FR_CACHED, n_threads);
    divide_panels(&q);
    const ptrdiff_t size = SINGLE_DEPTH * q.order / 2, k = e->sum ? s->k : 0;
    double *memory = malloc((size_t)(size + SINGLE_DEPTH * k + 8) * sizeof(double));
    if (!memory)
        return FR_NO_MEMORY;
    q.packed = aligned(memory);
    q.target = q.packed + size;
    int status = 0;
    if (i0 == 0) {
        status = fr_zero(g, q.order * q.order, n_threads);
        if (e->sum) {
            memset(e->sum, 0, (size_t)q.p * sizeof(double));
            memset(e->square, 0, (size_t)q.p * sizeof(double));
            memset(e->cross, 0, (size_t)(k * q.p) * sizeof(double));
        }
    }
    for (q.i0 = i0; q.i0 < i1 && !status; q.i0 += SINGLE_DEPTH) {
        q.rows = MIN(SINGLE_DEPTH, i1 - q.i0);
        status = prepare_slice(&q, threads);
        for (ptrdiff_t t = 0; t < k; t++)
            for (ptrdiff_t i = 0; i < q.rows; i++) {
                const double y = s->y[t * q.depth + q.i0 + i] - (s->y_shift ? s->y_shift[t] : 0.0);
                q.target[t * q.rows + i] = e->weight ? e->weight[q.i0 + i] * y : y;
            }
        if (!status)
            status = fr_parallel(pack_single_task, &q, q.blocks, threads);
        if (!status)
            status = fr_parallel(block_single_task, &q, q.blocks * (q.blocks + 1) / 2, threads);
        if (!status)
            status = fr_poll();
    }
    free(memory);
    return status;
}

typedef struct {
    fr_matrix *a;
    const double *w;
    const int32_t *position;
    ptrdiff_t m, step, i0, longest;
    ptrdiff_t part; /* major vectors of a part with sums of its own */
    double *g, *value, *sums;
    int32_t *place;
    const int32_t *bounds;
} sparse_job;

#define OUTER(T, I, VALUE)                                                                         \
    static void outer_##T##_##I(const sparse_job *q, ptrdiff_t i0, ptrdiff_t i1, int32_t c0,       \
                                int32_t c1, int32_t *place, double *value, double *g)              \
    {                                                                                              \
        const T *data = q->a->data;                                                                \
        (void)data;                                                                                \
        const I *indices = q->a->indices, *indptr = q->a->indptr;                                  \
        for (ptrdiff_t i = i0; i < i1; i++) {                                                      \
            const double wi = q->w ? q->w[i] : 1.0;                                                \
            ptrdiff_t len = 0;                                                                     \
            for (ptrdiff_t k = indptr[i]; k < (ptrdiff_t)indptr[i + 1]; k++) {                     \
                const int32_t c = q->position ? q->position[indices[k]] : (int32_t)indices[k];     \
                place[len] = c;                                                                    \
                value[len] = VALUE;                                                                \
                len += c >= c0;                                                                    \
            }                                                                                      \
            for (ptrdiff_t r = 0; r < len && place[r] < c1; r++) {                                 \
                double *row = g + (ptrdiff_t)place[r] * q->m;                                      \
                const double t = wi * value[r];                                                    \
                for (ptrdiff_t s = r; s < len; s++)                                                \
                    row[place[s]] += t * value[s];                                                 \
            }                                                                                      \
        }                                                                                          \
    }
OUTER(double, int32_t, data[k])
OUTER(double, int64_t, data[k])
OUTER(float, int32_t, (double)data[k])
OUTER(float, int64_t, (double)data[k])
OUTER(char, int32_t, 1.0)
OUTER(char, int64_t, 1.0)

/* Add the outer products of major vectors i0 .. i1 to rows c0 .. c1 of g; t: scratch. */
static void add_outer(const sparse_job *q, ptrdiff_t t, ptrdiff_t i0, ptrdiff_t i1, int32_t c0, int32_t c1,
                      double *g)
{
    const fr_matrix *a = q->a;
    double *value = q->value + t * q->longest;
    int32_t *place = q->place + t * q->longest;
    if (a->real == FR_ONES)
        (a->index ? outer_char_int64_t : outer_char_int32_t)(q, i0, i1, c0, c1, place, value, g);
    else if (a->real == FR_FLOAT)
        (a->index ? outer_float_int64_t : outer_float_int32_t)(q, i0, i1, c0, c1, place, value, g);
    else
        (a->index ? outer_double_int64_t : outer_double_int32_t)(q, i0, i1, c0, c1, place, value, g);
}

/* Compute a range of rows of the result from a slice of the major vectors. */
static void sparse_task(void *context, ptrdiff_t t)
{
    const sparse_job *q = context;
    const ptrdiff_t i1 = MIN(q->i0 + q->step, q->a->n_major);
    add_outer(q, t, q->i0, i1, q->bounds[t], q->bounds[t + 1], q->g);
}

/* Compute a part of the sum over the major vectors; part 0 is the result. */
static void sparse_part_task(void *context, ptrdiff_t t)
{
    const sparse_job *q = context;
    const ptrdiff_t i0 = t * q->part + q->i0, end = MIN((t + 1) * q->part, q->a->n_major);
    const ptrdiff_t size = q->m * q->m;
    double *g = t > 0 ? q->sums + (t - 1) * size : q->g;
    if (q->i0 == 0)
        memset(g, 0, (size_t)size * sizeof(double));
    if (i0 < end)
        add_outer(q, t, i0, MIN(i0 + q->step, end), 0, (int32_t)q->m, g);
}

/* Multiplications per element from which each thread's pass over all elements pays off. */
enum { LEAST_WORK = 8 };

static ptrdiff_t start_of(const fr_matrix *a, ptrdiff_t i)
{
    return a->index ? (ptrdiff_t)((const int64_t *)a->indptr)[i]
                    : (ptrdiff_t)((const int32_t *)a->indptr)[i];
}

/* Divide the rows of the result into parts of like work. For each element there, the work is the
 * number of elements from it to the end of its row. */
static int divide(const fr_matrix *a, const int32_t *position, ptrdiff_t m, int parts,
                  int32_t *bounds)
{
    double *count = calloc((size_t)MAX(m, 1), sizeof(double));
    if (!count)
        return FR_NO_MEMORY;
    double total = 0, seen = 0;
    for (ptrdiff_t i = 0; i < a->n_major; i++) {
        const ptrdiff_t end = start_of(a, i + 1);
        for (ptrdiff_t k = start_of(a, i); k < end; k++) {
            const ptrdiff_t j = a->index ? (ptrdiff_t)((const int64_t *)a->indices)[k]
                                         : (ptrdiff_t)((const int32_t *)a->indices)[k];
            const ptrdiff_t c = position ? position[j] : j;
            if (c >= 0) {
                count[c] += (double)(end - k);
                total += (double)(end - k);
            }
        }
    }
    int part = 1;
    bounds[0] = 0;
    for (ptrdiff_t c = 0; c < m; c++) {
        seen += count[c];
        while (part < parts && seen * parts >= total * part)
            bounds[part++] = (int32_t)(c + 1);
    }
    while (part <= parts)
        bounds[part++] = (int32_t)m;
    free(count);
    return 0;
}

/* Each part of the major vectors has sums of its own. */
static int sum_sparse_parts(sparse_job *q, ptrdiff_t parts, int threads)
{
    const ptrdiff_t size = q->m * q->m;
    int status = 0;
    q->sums = malloc((size_t)((parts - 1) * size) * sizeof(double));
    if (!q->sums)
        return FR_NO_MEMORY;
    q->part = (q->a->n_major + parts - 1) / parts;
    q->step = MAX(1, q->step / parts);
    for (; q->i0 < q->part && !status; q->i0 += q->step)
        if (!(status = fr_parallel(sparse_part_task, q, parts, threads)))
            status = fr_poll();
    for (ptrdiff_t t = 0; t < parts - 1; t++)
        for (ptrdiff_t i = 0; i < size; i++)
            q->g[i] += q->sums[t * size + i];
    free(q->sums);
    return status;
}

int fr_gram_sparse(fr_matrix *a, const double *w, const int32_t *position, ptrdiff_t m, double *g,
                   int most_parts, int n_threads)
{
    enum { MOST = 64, APART = 16 };
    int32_t bounds[MOST + 1] = {0, (int32_t)m};
    sparse_job q = {.a = a, .w = w, .position = position, .m = m, .g = g, .bounds = bounds};
    int status = 0;
    double total = 0;
    for (ptrdiff_t i = 0; i < a->n_major; i++) {
        const ptrdiff_t length = start_of(a, i + 1) - start_of(a, i);
        q.longest = MAX(q.longest, length);
        total += 0.5 * (double)length * (double)(length + 1);
    }
    const double elements = (double)(start_of(a, a->n_major) - start_of(a, 0));
    const double per_part = PER_ELEMENT * (double)m * (double)m;
    ptrdiff_t parts = 1;
    while (2 * parts <= most_parts && total >= 2 * per_part * (double)parts)
        parts *= 2;
    const int short_rows = parts == 1 && total < LEAST_WORK * elements && fr_get_serial_below() > 0;
    const int threads = short_rows ? 1 : (int)MIN(fr_threads_for(total, n_threads), MOST);
    if (parts == 1)
        status = fr_zero(g, m * m, n_threads);
    if (!status && parts == 1 && threads > 1)
        status = divide(a, position, m, threads, bounds);
    if (status)
        return status;
    /* a rejected last entry is written past the others; scratch of threads shares no cache line */
    q.longest = (q.longest / APART + 2) * APART;
    const ptrdiff_t tasks = MAX(parts, threads);
    q.value = malloc((size_t)(tasks * q.longest) * (sizeof(double) + sizeof(int32_t)));
    if (!q.value)
        return FR_NO_MEMORY;
    q.place = (int32_t *)(q.value + tasks * q.longest);
    q.step = total > 0 ? MAX(1, (ptrdiff_t)(2e7 * (double)a->n_major / total)) : a->n_major;
    q.step = MAX(q.step, 1);
    if (parts > 1)
        status = sum_sparse_parts(&q, parts, threads);
    for (; parts == 1 && q.i0 < a->n_major && !status; q.i0 += q.step)
        if (!(status = fr_parallel(sparse_task, &q, threads, threads)))
            status = fr_poll();
    free(q.value);
    return status ? status : fr_mirror(g, m, 0, n_threads);
}
