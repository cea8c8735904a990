#include "cholesky.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "panels.h"
#include "parallel.h"

#define BLOCK 64   /* rows of U in one block */
#define SLICE 128  /* columns of a block in one task */
#define FEW 16     /* order up to which plain loops are used */
#define J_BLOCK 12 /* panels along one side of an update task */

typedef struct {
    double *m;
    ptrdiff_t p, ld, j, nb, first, rest, panels, blocks; /* first: beginning of the trailing part */
    ptrdiff_t kept, fresh; /* rows before `kept` are factored in the columns before `fresh` */
    int to_upper, drop, single; /* single: float32 products in the update */
    const fr_kernels *kernels;
    double *packed, *negative;
} factor_job;

static void mirror_task(void *context, ptrdiff_t t)
{
    enum { SIDE = 16 };
    const factor_job *q = context;
    const ptrdiff_t p = q->p, i0 = t * SIDE, i1 = MIN(i0 + SIDE, p);
    for (ptrdiff_t j0 = 0; j0 < i1; j0 += SIDE)
        for (ptrdiff_t i = i0; i < i1; i++)
            for (ptrdiff_t j = j0; j < MIN(j0 + SIDE, i); j++)
                if (q->to_upper)
                    q->m[j * p + i] = q->m[i * p + j];
                else
                    q->m[i * p + j] = q->m[j * p + i];
}

int fr_mirror(double *m, ptrdiff_t p, int to_upper, int n_threads)
{
    factor_job q = {.m = m, .p = p, .to_upper = to_upper};
    return fr_parallel(mirror_task, &q, (p + 15) / 16, fr_threads_for((double)p * p / 2, n_threads));
}

/* Eliminate row i of the block, columns c0 to c1: U[i] = (A[i] - sum_k U[k, i] U[k]) / U[i, i]. */
static void eliminate(const factor_job *q, ptrdiff_t i, ptrdiff_t c0, ptrdiff_t c1)
{
    const ptrdiff_t ld = q->ld;
    double u[BLOCK], *row = q->m + (q->j + i) * ld;
    for (ptrdiff_t k = 0; k < i; k++)
        u[k] = -q->m[(q->j + k) * ld + q->j + i];
    q->kernels->real[0].axpy_rows(q->m + q->j * ld + c0, ld, i, c1 - c0, NULL, NULL, u, row + c0);
}

/* Return the square root of a pivot, or 0 where the rows before it leave too little. */
static double pivot(const factor_job *q, double left, double full, double keep)
{
    if (left > keep * full && left > 0)
        return sqrt(left);
    /* act like an infinite diagonal element: 0 in every solution */
    return q->drop ? FR_DROPPED : 0.0;
}

static int factor_diagonal(const factor_job *q, const double *diagonal, double keep)
{
    const ptrdiff_t end = q->j + q->nb;
    for (ptrdiff_t i = 0; i < q->nb; i++) {
        const ptrdiff_t at = q->j + i;
        double *row = q->m + at * q->ld;
        eliminate(q, i, at, end);
        row[at] = pivot(q, row[at], diagonal[at], keep);
        if (row[at] == 0)
            return FR_UNSTABLE;
        for (ptrdiff_t c = at + 1; c < end; c++)
            row[c] /= row[at];
    }
    return 0;
}

static void slice_task(void *context, ptrdiff_t t)
{
    const factor_job *q = context;
    const ptrdiff_t begin = MAX(q->first, q->j < q->kept ? q->fresh : 0);
    const ptrdiff_t c0 = begin + t * SLICE, c1 = MIN(c0 + SLICE, q->p);
    for (ptrdiff_t i = 0; i < q->nb; i++) {
        double *row = q->m + (q->j + i) * q->ld;
        const double inverse = 1.0 / row[q->j + i];
        eliminate(q, i, c0, c1);
        for (ptrdiff_t c = c0; c < c1; c++)
            row[c] *= inverse;
    }
}

static ptrdiff_t panel_width(const factor_job *q) { return q->kernels->width * (q->single ? 2 : 1); }

static void pack_task(void *context, ptrdiff_t t)
{
    const factor_job *q = context;
    const ptrdiff_t w = panel_width(q), size = q->nb * w, b0 = t * J_BLOCK;
    const ptrdiff_t b1 = MIN(b0 + J_BLOCK, q->panels);
    const fr_panel_source s = {q->m + q->j * q->ld + q->first, q->ld, 1, NULL, NULL, NULL, NULL};
    if (q->single) {
        float *packed = (float *)q->packed, *negative = (float *)q->negative;
        memset(packed + (b1 - 1) * size, 0, (size_t)size * sizeof(float));
        q->kernels->real[0].pack_single(&s, 0, q->nb, b0 * w, MIN(b1 * w, q->rest),
                                        packed + b0 * size);
        for (ptrdiff_t i = b0 * size; i < b1 * size; i++)
            negative[i] = -packed[i];
        return;
    }
    memset(q->packed + (b1 - 1) * size, 0, (size_t)size * sizeof(double));
    q->kernels->real[0].pack(&s, 0, q->nb, b0 * w, MIN(b1 * w, q->rest), q->packed + b0 * size);
    for (ptrdiff_t i = b0 * size; i < b1 * size; i++)
        q->negative[i] = -q->packed[i];
}

static void tile(const factor_job *q, ptrdiff_t a, ptrdiff_t b, ptrdiff_t stride, int panels, double *c,
                 ptrdiff_t ldc)
{
    if (q->single)
        q->kernels->tile_single(q->nb, (const float *)q->negative + a, (const float *)q->packed + b,
                                stride, panels, c, ldc, 0, 0);
    else
        q->kernels->tile(q->nb, q->negative + a, q->packed + b, stride, panels, c, ldc, 0, 0);
}

/* Trailing part -= U12' U12. Tiles that cross its edge are copied. For rows that are factored
 * already, update only the fresh columns. */
static void update_task(void *context, ptrdiff_t t)
{
    const factor_job *q = context;
    const ptrdiff_t rows = q->kernels->width, w = panel_width(q), size = q->nb * w, ld = q->ld;
    const ptrdiff_t kept = q->kept - q->first, fresh = q->fresh - q->first;
    ptrdiff_t i = 0;
    for (; t >= q->blocks - i; i++)
        t -= q->blocks - i;
    const ptrdiff_t a0 = i * J_BLOCK * w, a1 = MIN((i + 1) * J_BLOCK * w, q->rest);
    const ptrdiff_t b0 = (i + t) * J_BLOCK, b1 = MIN(b0 + J_BLOCK, q->panels);
    for (ptrdiff_t a = a0; a < a1; a += rows) {
        /* columns from `begin` on change in at least one row of the panel, from `all` on in
         * every row */
        const ptrdiff_t begin = a + rows <= kept ? fresh : 0, all = a < kept ? fresh : 0;
        ptrdiff_t b = MAX(MAX(a / w, b0), begin / w);
        while (b < b1) {
            const int whole = b > a / w && (b + 1) * w <= q->rest && b * w >= all;
            ptrdiff_t panels = 1;
            if (whole)
                while (panels < q->kernels->wide && b + panels < b1 &&
                       (b + panels + 1) * w <= q->rest)
                    panels++;
            double *c = q->m + (q->first + a) * ld + q->first + b * w;
            double copy[128] = {0};
            tile(q, a / w * size + a % w, b * size, size, (int)panels, whole ? c : copy,
                 whole ? ld : w);
            if (!whole)
                for (ptrdiff_t r = 0; r < rows && a + r < q->rest; r++)
                    for (ptrdiff_t s = 0; s < w && b * w + s < q->rest; s++)
                        if (b * w + s >= a + r && (a + r >= kept || b * w + s >= fresh))
                            c[r * ld + s] += copy[r * w + s];
            b += panels;
        }
    }
}

/* Take each row from all rows below it at once. */
static int factor_few(const factor_job *q, const double *diagonal, double keep)
{
    for (ptrdiff_t i = 0; i < q->p; i++) {
        double *row = q->m + i * q->ld;
        row[i] = pivot(q, row[i], diagonal[i], keep);
        if (row[i] == 0)
            return FR_UNSTABLE;
        const double inverse = 1.0 / row[i];
        for (ptrdiff_t j = i + 1; j < q->p; j++)
            row[j] *= inverse;
        for (ptrdiff_t k = i + 1; k < q->p; k++) {
            const double u = row[k];
            for (ptrdiff_t j = k; j < q->p; j++)
                q->m[k * q->ld + j] -= u * row[j];
        }
    }
    return 0;
}

/* Solve b := U^-T b for rows i0 to i1, four at a time, so that the long vectors are read and
 * written once for four. */
static void forward(const fr_real_kernels *f, const double *m, ptrdiff_t ld, ptrdiff_t i0,
                    ptrdiff_t i1, double *b)
{
    for (; i0 < i1; i0 += 4) {
        const ptrdiff_t last = MIN(i0 + 4, i1);
        double u[4];
        for (ptrdiff_t i = i0; i < last; i++) {
            const double *row = m + i * ld;
            b[i] /= row[i];
            for (ptrdiff_t j = i + 1; j < last; j++)
                b[j] -= row[j] * b[i];
            u[i - i0] = -b[i];
        }
        f->axpy_rows(m + i0 * ld + last, ld, last - i0, i1 - last, NULL, NULL, u, b + last);
    }
}

/* Extend a factor U of `kept` rows by k columns, at most BLOCK: Z = U^-T A by blocks of rows of
 * U, then factor the Schur complement of the new columns. */
static int add_few(factor_job *q, ptrdiff_t kept, ptrdiff_t k, const double *diagonal, double keep,
                   int n_threads)
{
    const ptrdiff_t ld = q->ld;
    double *z = malloc((size_t)(k * kept) * sizeof(double)), minus[BLOCK], sums[BLOCK];
    int status = 0;
    if (!z)
        return FR_NO_MEMORY;
    for (ptrdiff_t i = 0; i < BLOCK; i++)
        minus[i] = -1.0;
    for (ptrdiff_t i = 0; i < kept; i++)
        for (ptrdiff_t r = 0; r < k; r++)
            z[r * kept + i] = q->m[i * ld + kept + r];
    for (ptrdiff_t i0 = 0, i1; i0 < kept && !status; i0 = i1) {
        i1 = MIN(i0 + BLOCK, kept);
        for (ptrdiff_t r = 0; r < k; r++)
            forward(&q->kernels->real[0], q->m, ld, i0, i1, z + r * kept);
        const fr_panel_source found = {.x = z + i0, .rs = 1, .cs = kept, .row_weight = minus};
        const fr_panel_source rows = {.x = q->m + i0 * ld + i1, .rs = ld, .cs = 1};
        if (i1 < kept)
            status = fr_product(&found, k, &rows, FR_DOUBLE, kept - i1, i1 - i0, z + i1, kept, 1,
                                n_threads);
    }
    for (ptrdiff_t i = 0; i < kept; i++)
        for (ptrdiff_t r = 0; r < k; r++)
            q->m[i * ld + kept + r] = z[r * kept + i];
    for (ptrdiff_t r = 0; r < k; r++) {
        const double *column = z + r * kept;
        double *row = q->m + (kept + r) * ld + kept;
        q->kernels->real[0].dot_rows(column, kept, k - r, kept, NULL, NULL, column, sums);
        for (ptrdiff_t c = r; c < k; c++)
            row[c] -= sums[c - r];
    }
    free(z);
    q->j = kept;
    q->nb = k;
    return status ? status : factor_diagonal(q, diagonal, keep);
}

static int factor(factor_job *q, const double *diagonal, double keep, int n_threads)
{
    q->kernels = fr_active();
    const ptrdiff_t p = q->p, kept = q->kept, fresh = q->fresh;
    const ptrdiff_t w = panel_width(q), order = (p + w - 1) / w * w;
    double *memory = NULL;
    int status = 0;
    for (ptrdiff_t i = kept; i < p; i++)
        q->m[i * q->ld + i] = diagonal[i];
    if (p <= FEW && !kept)
        return factor_few(q, diagonal, keep);
    if (kept && fresh == kept && p - kept <= MAX(BLOCK, kept / 2)) {
        for (ptrdiff_t at = kept; at < p && !status; at += BLOCK)
            status = add_few(q, at, MIN(BLOCK, p - at), diagonal, keep, n_threads);
        return status;
    }
    if (p > BLOCK || kept) {
        memory = malloc((size_t)(2 * BLOCK * (order + w) + 8) * sizeof(double));
        if (!memory)
            return FR_NO_MEMORY;
        q->packed = aligned(memory);
        q->negative = q->packed + BLOCK * (order + w);
    }
    for (q->j = 0; q->j < p && !status; q->j += q->nb) {
        const int before = q->j < kept;
        q->nb = MIN(BLOCK, (before ? kept : p) - q->j);
        /* without fresh columns, factored rows change nothing before `kept` */
        q->first = before && fresh == p ? kept : q->j + q->nb;
        q->rest = p - q->first;
        if (!before)
            status = factor_diagonal(q, diagonal, keep);
        if (status || !q->rest)
            break;
        const double rest = (double)(p - MAX(q->first, before ? kept : 0)) + (before ? p - fresh : 0);
        const int threads = fr_threads_for(rest * q->rest * q->nb / FR_CACHED, n_threads);
        const ptrdiff_t columns = p - MAX(q->first, before ? fresh : 0);
        q->panels = (q->rest + w - 1) / w;
        q->blocks = (q->panels + J_BLOCK - 1) / J_BLOCK;
        if (!(status = fr_parallel(slice_task, q, (columns + SLICE - 1) / SLICE, threads)) &&
            !(status = fr_parallel(pack_task, q, q->blocks, threads)) &&
            !(status = fr_parallel(update_task, q, q->blocks * (q->blocks + 1) / 2, threads)))
            status = fr_poll();
    }
    free(memory);
    return status;
}

int fr_cholesky_from(double *m, ptrdiff_t ld, ptrdiff_t p, ptrdiff_t kept, ptrdiff_t fresh,
                     const double *diagonal, double keep, int drop, int n_threads)
{
    factor_job q = {.m = m, .p = p, .ld = ld, .kept = kept, .fresh = fresh, .drop = drop};
    return factor(&q, diagonal, keep, n_threads);
}

int fr_cholesky(double *m, ptrdiff_t p, const double *diagonal, double keep, int n_threads)
{
    return fr_cholesky_from(m, p, p, 0, 0, diagonal, keep, 0, n_threads);
}

int fr_cholesky_single(double *m, ptrdiff_t p, const double *diagonal, double keep, int n_threads)
{
    factor_job q = {.m = m, .p = p, .ld = p, .single = fr_has_single()};
    return factor(&q, diagonal, keep, n_threads);
}

typedef struct {
    const double *m;
    ptrdiff_t p, ld;
    double *b;
    const fr_real_kernels *f;
} solve_job;

/* Factor a matrix of few columns without calls; reciprocals keep divisions out of the dependency
 * chain. */
static void solve_few(const double *m, ptrdiff_t ld, ptrdiff_t p, double *b)
{
    double inverse[FEW];
    for (ptrdiff_t i = 0; i < p; i++)
        inverse[i] = 1.0 / m[i * ld + i];
    for (ptrdiff_t i = 0; i < p; i++) {
        const double *row = m + i * ld, t = b[i] *= inverse[i];
        for (ptrdiff_t j = i + 1; j < p; j++)
            b[j] -= row[j] * t;
    }
    for (ptrdiff_t i = p - 1; i >= 0; i--) {
        const double t = b[i] *= inverse[i];
        for (ptrdiff_t j = 0; j < i; j++)
            b[j] -= m[j * ld + i] * t;
    }
}

static void solve_task(void *context, ptrdiff_t t)
{
    const solve_job *q = context;
    const ptrdiff_t p = q->p, ld = q->ld;
    double *b = q->b + t * p;
    if (p <= FEW) {
        solve_few(q->m, ld, p, b);
        return;
    }
    forward(q->f, q->m, ld, 0, p, b);
    for (ptrdiff_t i0 = (p - 1) / 4 * 4; i0 >= 0; i0 -= 4) {
        const ptrdiff_t i1 = MIN(i0 + 4, p);
        double s[4];
        q->f->dot_rows(q->m + i0 * ld + i1, ld, i1 - i0, p - i1, NULL, NULL, b + i1, s);
        for (ptrdiff_t i = i1 - 1; i >= i0; i--) {
            const double *row = q->m + i * ld;
            double v = b[i] - s[i - i0];
            for (ptrdiff_t j = i + 1; j < i1; j++)
                v -= row[j] * b[j];
            b[i] = v / row[i];
        }
    }
}

/* w = U^-1 of the block of U at j: nb x nb, C order, lower triangle 0 */
static void invert(const double *m, ptrdiff_t p, ptrdiff_t j, ptrdiff_t nb, double *w)
{
    memset(w, 0, (size_t)(nb * nb) * sizeof(double));
    for (ptrdiff_t i = nb - 1; i >= 0; i--) {
        const double *row = m + (j + i) * p + j;
        w[i * nb + i] = 1.0;
        for (ptrdiff_t k = i + 1; k < nb; k++)
            for (ptrdiff_t c = k; c < nb; c++)
                w[i * nb + c] -= row[k] * w[k * nb + c];
        for (ptrdiff_t c = i; c < nb; c++)
            w[i * nb + c] /= row[i];
    }
}

/* Solve for k right-hand sides by blocks of U. */
static int solve_many(const double *m, ptrdiff_t p, double *b, ptrdiff_t k, int n_threads)
{
    const ptrdiff_t blocks = (p + BLOCK - 1) / BLOCK;
    double *memory = malloc((size_t)(BLOCK * p + BLOCK * k + p) * sizeof(double));
    if (!memory)
        return FR_NO_MEMORY;
    double *w = memory, *part = w + BLOCK * p, *minus = part + BLOCK * k;
    int status = 0;
    for (ptrdiff_t i = 0; i < p; i++)
        minus[i] = -1.0;
    for (ptrdiff_t l = 0; l < 2 * blocks && !status; l++) {
        const int forward = l < blocks;
        const ptrdiff_t at = forward ? l : 2 * blocks - 1 - l, j = at * BLOCK;
        const ptrdiff_t nb = MIN(BLOCK, p - j), first = j + nb, rest = p - first;
        double *diagonal = w + j * BLOCK;
        const fr_panel_source behind = {.x = b + first, .rs = 1, .cs = p, .row_weight = minus};
        const fr_panel_source across = {.x = m + j * p + first, .rs = 1, .cs = p};
        const fr_panel_source here = {.x = b + j, .rs = 1, .cs = p};
        const fr_panel_source inverse = {
            .x = diagonal, .rs = forward ? nb : 1, .cs = forward ? 1 : nb};
        if (forward)
            invert(m, p, j, nb, diagonal);
        else if (rest) /* b_J -= U_J,rest b_rest */
            status = fr_product(&behind, k, &across, FR_DOUBLE, nb, rest, b + j, p, 1, n_threads);
        if (!status)
            status = fr_product(&here, k, &inverse, FR_DOUBLE, nb, nb, part, nb, 0, n_threads);
        for (ptrdiff_t t = 0; t < k && !status; t++)
            memcpy(b + t * p + j, part + t * nb, (size_t)nb * sizeof(double));
        if (forward && rest && !status) { /* b_rest -= U_J,rest' b_J */
            const fr_panel_source found = {.x = b + j, .rs = 1, .cs = p, .row_weight = minus};
            const fr_panel_source rows = {.x = m + j * p + first, .rs = p, .cs = 1};
            status = fr_product(&found, k, &rows, FR_DOUBLE, rest, nb, b + first, p, 1, n_threads);
        }
    }
    free(memory);
    return status;
}

int fr_cholesky_solve_in(const double *m, ptrdiff_t ld, ptrdiff_t p, double *b, ptrdiff_t k,
                         int n_threads)
{
    solve_job q = {m, p, ld, b, &fr_active()->real[0]};
    return fr_parallel(solve_task, &q, k, fr_threads_for((double)p * p * k, n_threads));
}

int fr_cholesky_solve(const double *m, ptrdiff_t p, double *b, ptrdiff_t k, int n_threads)
{
    enum { AT_ONCE = 1024 }; /* right-hand sides whose workspace is small */
    int status = 0;
    if (k < FR_MANY)
        return fr_cholesky_solve_in(m, p, p, b, k, n_threads);
    for (ptrdiff_t t = 0; t < k && !status; t += AT_ONCE)
        status = solve_many(m, p, b + t * p, MIN(AT_ONCE, k - t), n_threads);
    return status;
}
