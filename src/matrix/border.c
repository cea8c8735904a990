/* Gram matrix of a growing set of vectors. */

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "border.h"
#include "parallel.h"

#define DEPTH 200  /* elements of each vector packed at a time */
#define J_BLOCK 12 /* panels on a side of one task */
#define FEW 24     /* new vectors from which packing all of them pays off */
#define STRIP 32   /* vectors in one task without packing, and */
#define CHUNK 512  /* elements of them at a time */

typedef struct {
    const double *x;
    ptrdiff_t n, i0, i1, first, panels, new_panels, blocks, k0, depth, order;
    const fr_kernels *kernels;
    double *packed, *sums;
} border_job;

static void pack_task(void *context, ptrdiff_t t)
{
    const border_job *q = context;
    const ptrdiff_t w = q->kernels->width, b0 = t * J_BLOCK, b1 = MIN(b0 + J_BLOCK, q->panels);
    const fr_panel_source s = {q->x + q->k0, 1, q->n, NULL, NULL, NULL, NULL};
    double *to = q->packed + b0 * q->depth * w;
    memset(q->packed + (b1 - 1) * q->depth * w, 0, (size_t)(q->depth * w) * sizeof(double));
    fr_panel_source part = s;
    part.x = q->x + q->k0 + b0 * w * q->n;
    q->kernels->real[FR_DOUBLE].pack(&part, 0, q->depth, 0, MIN(b1 * w, q->i1) - b0 * w, to);
}

/* Multiply new panels of rows by all panels of columns at or left of them. */
static void block_task(void *context, ptrdiff_t t)
{
    const border_job *q = context;
    const ptrdiff_t w = q->kernels->width, size = q->depth * w;
    const ptrdiff_t row_block = t / q->blocks, b0 = t % q->blocks * J_BLOCK;
    const ptrdiff_t a0 = q->first + row_block * J_BLOCK, a1 = MIN(a0 + J_BLOCK, q->panels);
    for (ptrdiff_t a = a0; a < a1; a++)
        for (ptrdiff_t b = b0; b < MIN(MIN(b0 + J_BLOCK, q->panels), a + 1);) {
            const ptrdiff_t end = MIN(MIN(b0 + J_BLOCK, q->panels), a + 1);
            const ptrdiff_t panels = MIN(q->kernels->wide, end - b);
            q->kernels->tile(q->depth, q->packed + a * size, q->packed + b * size, size, (int)panels,
                             q->sums + (a - q->first) * w * q->order + b * w, q->order, 0, 0);
            b += panels;
        }
}

typedef struct {
    const double *x;
    ptrdiff_t n, i0, i1, ld;
    double unit, *g;
    const fr_kernels *kernels;
} few;

/* Multiply a strip of vectors by a few new ones. */
static void strip_task(void *context, ptrdiff_t t)
{
    const few *q = context;
    const ptrdiff_t n = q->n, i0 = q->i0, j0 = t * STRIP, width = MIN(STRIP, q->i1 - j0);
    double sums[FEW * STRIP] = {0};
    for (ptrdiff_t k = 0; k < n; k += CHUNK)
        q->kernels->dots(q->x + i0 * n + k, q->i1 - i0, q->x + j0 * n + k, width, n,
                         MIN(CHUNK, n - k), sums, STRIP);
    for (ptrdiff_t j = j0; j < j0 + width; j++)
        for (ptrdiff_t i = MAX(i0, j); i < q->i1; i++)
            q->g[i * q->ld + j] = q->g[j * q->ld + i] = q->unit * sums[(i - i0) * STRIP + j - j0];
}

int fr_gram_border(const double *x, ptrdiff_t n, ptrdiff_t i0, ptrdiff_t i1, double unit, double *g,
                   ptrdiff_t ld, int n_threads)
{
    if (i1 - i0 <= FEW) {
        few q = {x, n, i0, i1, ld, unit, g, fr_active()};
        return fr_parallel(strip_task, &q, (i1 + STRIP - 1) / STRIP,
                           fr_threads_for((double)(i1 - i0) * i1 * n / FR_CACHED, n_threads));
    }
    border_job q = {.x = x, .n = n, .i0 = i0, .i1 = i1, .kernels = fr_active()};
    const ptrdiff_t w = q.kernels->width;
    q.first = i0 / w;
    q.panels = (i1 + w - 1) / w;
    q.new_panels = q.panels - q.first;
    q.order = q.panels * w;
    q.blocks = (q.panels + J_BLOCK - 1) / J_BLOCK;
    const ptrdiff_t rows = q.new_panels * w;
    double *memory = malloc((size_t)(DEPTH * q.order + rows * q.order + 16) * sizeof(double));
    if (!memory)
        return FR_NO_MEMORY;
    q.packed = aligned(memory);
    q.sums = q.packed + DEPTH * q.order;
    memset(q.sums, 0, (size_t)(rows * q.order) * sizeof(double));
    const int threads = fr_threads_for((double)rows * q.order * n / FR_CACHED, n_threads);
    const ptrdiff_t tasks = (q.new_panels + J_BLOCK - 1) / J_BLOCK * q.blocks;
    int status = 0;
    for (q.k0 = 0; q.k0 < n && !status; q.k0 += DEPTH) {
        q.depth = MIN(DEPTH, n - q.k0);
        if (!(status = fr_parallel(pack_task, &q, q.blocks, threads)) &&
            !(status = fr_parallel(block_task, &q, tasks, threads)))
            status = fr_poll();
    }
    for (ptrdiff_t i = i0; i < i1 && !status; i++) {
        const double *from = q.sums + (i - q.first * w) * q.order;
        for (ptrdiff_t j = 0; j <= i; j++)
            g[i * ld + j] = g[j * ld + i] = unit * from[j];
    }
    free(memory);
    return status;
}
