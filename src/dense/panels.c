#include "panels.h"

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "parallel.h"

#define DEPTH 200  /* summation length packed at a time; such panels do not alias in the cache */
#define A_BLOCK 16 /* panels of a, and of b, in one task */
#define B_BLOCK 12
#define COLUMNS 1008 /* panels of b packed at a time */

typedef struct {
    const fr_panel_source *a, *b;
    const fr_kernels *kernels;
    int real;
    ptrdiff_t rows, columns;               /* row stride of the result */
    ptrdiff_t s0, s1, k0, depth;           /* columns and slice of the summation in this round */
    ptrdiff_t a_panels, b_panels, a_tasks; /* tasks along the panels of a */
    double *packed_a, *packed_b, *c;
    ptrdiff_t ldc;
} product_job;

static void pack(const product_job *q, const fr_panel_source *s, int real, ptrdiff_t j0, ptrdiff_t j1,
                 ptrdiff_t last, double *panel)
{
    const ptrdiff_t w = q->kernels->width, end = MIN(j1, last);
    if (end < j1)
        memset(panel + (j1 - j0 - w) * q->depth, 0, (size_t)(w * q->depth) * sizeof(double));
    q->kernels->real[real].pack(s, q->k0, q->depth, j0, end, panel);
}

static void pack_a_task(void *context, ptrdiff_t t)
{
    const product_job *q = context;
    const ptrdiff_t w = q->kernels->width, a0 = t * A_BLOCK, a1 = MIN(a0 + A_BLOCK, q->a_panels);
    pack(q, q->a, FR_DOUBLE, a0 * w, a1 * w, q->rows, q->packed_a + a0 * w * q->depth);
}

static void pack_b_task(void *context, ptrdiff_t t)
{
    const product_job *q = context;
    const ptrdiff_t w = q->kernels->width, b0 = t * B_BLOCK, b1 = MIN(b0 + B_BLOCK, q->b_panels);
    pack(q, q->b, q->real, q->s0 + b0 * w, q->s0 + b1 * w, q->s1, q->packed_b + b0 * w * q->depth);
}

/* Multiply a block of panels of a by one of b; tiles that cross the edge are copied. */
static void tile_task(void *context, ptrdiff_t t)
{
    const product_job *q = context;
    const ptrdiff_t w = q->kernels->width, size = q->depth * w;
    const ptrdiff_t a0 = t % q->a_tasks * A_BLOCK, b0 = t / q->a_tasks * B_BLOCK;
    const ptrdiff_t a1 = MIN(a0 + A_BLOCK, q->a_panels), b1 = MIN(b0 + B_BLOCK, q->b_panels);
    for (ptrdiff_t a = a0; a < a1; a++) {
        ptrdiff_t b = b0;
        while (b < b1) {
            const int whole = (a + 1) * w <= q->rows && q->s0 + (b + 1) * w <= q->s1;
            ptrdiff_t panels = 1;
            if (whole)
                while (panels < q->kernels->wide && b + panels < b1 &&
                       q->s0 + (b + panels + 1) * w <= q->s1)
                    panels++;
            double *c = q->c + a * w * q->ldc + q->s0 + b * w, copy[64] = {0};
            q->kernels->tile(q->depth, q->packed_a + a * size, q->packed_b + b * size, size,
                             (int)panels, whole ? c : copy, whole ? q->ldc : w, 0, 0);
            if (!whole)
                for (ptrdiff_t r = 0; r < w && a * w + r < q->rows; r++)
                    for (ptrdiff_t s = 0; s < w && q->s0 + b * w + s < q->s1; s++)
                        c[r * q->ldc + s] += copy[r * w + s];
            b += panels;
        }
    }
}

int fr_product(const fr_panel_source *a, ptrdiff_t rows, const fr_panel_source *b, int real,
               ptrdiff_t columns, ptrdiff_t depth, double *c, ptrdiff_t ldc, int add,
               int n_threads)
{
    product_job q = {.a = a, .b = b, .kernels = fr_active(), .real = real, .rows = rows,
             .columns = columns, .c = c, .ldc = ldc};
    const ptrdiff_t w = q.kernels->width, wide = MIN(columns, COLUMNS);
    for (ptrdiff_t r = 0; r < rows && !add; r++)
        memset(c + r * ldc, 0, (size_t)columns * sizeof(double));
    q.a_panels = (rows + w - 1) / w;
    q.a_tasks = (q.a_panels + A_BLOCK - 1) / A_BLOCK;
    const ptrdiff_t deepest = MIN(depth, DEPTH), padded = (wide + w - 1) / w * w;
    double *memory = malloc((size_t)((q.a_panels * w + padded) * deepest + 16) * sizeof(double));
    if (!memory)
        return FR_NO_MEMORY;
    q.packed_a = aligned(memory);
    q.packed_b = aligned(q.packed_a + q.a_panels * w * deepest);
    const int threads =
        fr_threads_for((double)rows * (double)columns * (double)depth / FR_CACHED, n_threads);
    int status = 0;
    for (q.s0 = 0; q.s0 < columns && !status; q.s0 = q.s1) {
        q.s1 = MIN(q.s0 + COLUMNS, columns);
        q.b_panels = (q.s1 - q.s0 + w - 1) / w;
        const ptrdiff_t b_tasks = (q.b_panels + B_BLOCK - 1) / B_BLOCK;
        for (q.k0 = 0; q.k0 < depth && !status; q.k0 += DEPTH) {
            q.depth = MIN(DEPTH, depth - q.k0);
            status = fr_parallel(pack_a_task, &q, q.a_tasks, threads);
            if (!status)
                status = fr_parallel(pack_b_task, &q, b_tasks, threads);
            if (!status)
                status = fr_parallel(tile_task, &q, q.a_tasks * b_tasks, threads);
            if (!status)
                status = fr_poll();
        }
    }
    free(memory);
    return status;
}
