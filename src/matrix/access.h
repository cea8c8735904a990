/* Access to an fr_matrix for the C files. */
#ifndef FASTRIDGE_ACCESS_H
#define FASTRIDGE_ACCESS_H

#include <float.h>
#include <math.h>

#include "compiler.h"
#include "kernels.h"
#include "matrix.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MAX_PARTS FR_GRAM_PARTS    /* partial sums of one reduction, for any number of threads */
#define FR_NEAR 0.03    /* least standard deviation over mean for sums about zero */
#define PART_WORK 65536 /* elements below which a reduction is not split */

static inline const fr_real_kernels *functions(const fr_matrix *a) { return &fr_active()->real[a->real]; }

static inline ptrdiff_t fr_n_rows(const fr_matrix *a) { return a->by_column ? a->n_minor : a->n_major; }
static inline ptrdiff_t fr_n_columns(const fr_matrix *a) { return a->by_column ? a->n_major : a->n_minor; }

static inline const char *element(const fr_matrix *a, ptrdiff_t i, ptrdiff_t j)
{
    return (const char *)a->data + (i * a->ld + j) * (a->real == FR_FLOAT ? sizeof(float) : sizeof(double));
}

static inline ptrdiff_t pointer(const fr_matrix *a, ptrdiff_t i)
{
    return a->index ? (ptrdiff_t)((const int64_t *)a->indptr)[i]
                    : (ptrdiff_t)((const int32_t *)a->indptr)[i];
}

static inline ptrdiff_t index_at(const fr_matrix *a, ptrdiff_t k)
{
    return a->index ? (ptrdiff_t)((const int64_t *)a->indices)[k]
                    : (ptrdiff_t)((const int32_t *)a->indices)[k];
}

static inline double value_at(const fr_matrix *a, ptrdiff_t k)
{
    if (a->real == FR_ONES)
        return 1.0;
    return a->real ? (double)((const float *)a->data)[k] : ((const double *)a->data)[k];
}

static inline fr_compressed compressed(const fr_matrix *a)
{
    const fr_compressed c = {a->data, a->indices, a->indptr, NULL, NULL};
    return c;
}

/* Return the major vectors from number i on. */
static inline fr_compressed compressed_from(const fr_matrix *a, ptrdiff_t i)
{
    fr_compressed c = compressed(a);
    c.indptr = (const char *)a->indptr + i * (ptrdiff_t)(a->index ? sizeof(int64_t) : sizeof(int32_t));
    return c;
}

static inline double work(const fr_matrix *a)
{
    return a->index < 0 ? (double)a->n_major * (double)a->n_minor : (double)a->nnz;
}

/* Return the number of parts of a sum over `length` major vectors; it depends on the shape
 * alone. */
static inline ptrdiff_t part_count(const fr_matrix *a)
{
    const double parts = work(a) / PART_WORK;
    return parts < 2 ? 1 : MIN(MIN((ptrdiff_t)parts, MAX_PARTS), MAX(a->n_major, 1));
}

/* Variance that a constant column may keep when summed about a place d away, as a share of d^2. */
static inline double fr_lost(ptrdiff_t n) { return 4 * DBL_EPSILON * sqrt((double)n); }

/* Return whether a column of that mean and variance is constant up to round-off. */
static inline int fr_is_constant(double mean, double variance)
{
    return !(sqrt(variance) > 4 * DBL_EPSILON * fabs(mean));
}

/* Return whether sums about zero, of sparse data, would lose too much of a column that is not
 * constant. */
static inline int fr_is_far(double mean, double variance)
{
    return variance > 0 && sqrt(variance) < FR_NEAR * fabs(mean);
}

/* Major vectors of each of `parts` tasks that together take well below a second: interrupts are
 * checked between such rounds. */
static inline ptrdiff_t round_of(const fr_matrix *a, ptrdiff_t parts, ptrdiff_t k)
{
    const double per = work(a) / (double)MAX(a->n_major, 1) * (double)parts * (double)k;
    return MAX(4, (ptrdiff_t)((double)(1 << 27) / MAX(per, 1.0)) / 4 * 4);
}

/* Return the first position in major vector i whose minor index is at least j, relative to its
 * start. */
static inline ptrdiff_t lower_bound(const fr_matrix *a, ptrdiff_t i, ptrdiff_t j)
{
    const ptrdiff_t base = pointer(a, i);
    ptrdiff_t lo = base, hi = pointer(a, i + 1);
    while (lo < hi) {
        const ptrdiff_t mid = lo + (hi - lo) / 2;
        if (index_at(a, mid) < j)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo - base;
}

static inline double shift_of(const fr_matrix *a, ptrdiff_t j) { return a->shift ? a->shift[j] : 0.0; }
static inline double scale_of(const fr_matrix *a, ptrdiff_t j) { return a->scale ? a->scale[j] : 1.0; }

/* Return x[i, j] of major vector i and minor index j. */
static inline double entry(const fr_matrix *a, ptrdiff_t i, ptrdiff_t j)
{
    if (a->index < 0) {
        const char *x = element(a, i, j);
        return a->real ? (double)*(const float *)x : *(const double *)x;
    }
    const ptrdiff_t k = pointer(a, i) + lower_bound(a, i, j);
    return k < pointer(a, i + 1) && index_at(a, k) == j ? value_at(a, k) : 0.0;
}

/* Return x[i, j] of row i and column j. */
static inline double at(const fr_matrix *a, ptrdiff_t i, ptrdiff_t j)
{
    return a->by_column ? entry(a, j, i) : entry(a, i, j);
}

/* Panels are read by whole registers: none may cross a cache line. */
static inline double *aligned(double *memory)
{
    return (double *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
}

#endif
