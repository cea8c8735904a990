/* The table of inner loops of one instruction set.
 *
 * A matrix is a set of major vectors (rows in C order and CSR, columns in F order and CSC);
 * every product is a dot product with, or a sum of, major vectors. Vectors are double; only the
 * matrix may be stored as float.
 */
#ifndef FASTRIDGE_KERNELS_H
#define FASTRIDGE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "folds_lanes.h"
#include "lanes.h"
#include "losses.h"
#include "rolling.h"
#include "softmax.h"
#include "softmax_lanes.h"
#include "steps.h"

/* Storage of values; FR_ONES: every stored value counts as 1, whatever the array holds. */
enum { FR_DOUBLE, FR_FLOAT, FR_ONES };

/* Sub-ranges [begin[i], end[i]) of the major vectors of a compressed matrix; begin and end
 * default to indptr[i] and indptr[i + 1]; lo and hi are offsets from indptr[i]. */
#define FR_SHORT 8 /* elements of a major vector */
#define FR_LANES 8 /* distance between vectors in products with several of them */

typedef struct {
    const void *data, *indices, *indptr;
    const int32_t *lo, *hi;
} fr_compressed;

/* Source of the columns that `pack` copies: element (i, j) at x[i * rs + j * cs]. */
typedef struct {
    const void *x;
    ptrdiff_t rs, cs;
    const double *col_shift, *row_shift, *row_weight, *col_scale;
} fr_panel_source;

typedef struct {
    /* out[i] = sum_j (x[i, j] - shift[j] - major_shift[i]) * v[j], for `rows` major vectors */
    void (*dot_rows)(const void *x, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t m, const double *shift,
                     const double *major_shift, const double *v, double *out);
    /* out[j] += sum_i u[i] * (x[i, j] - shift[j] - major_shift[i]) */
    void (*axpy_rows)(const void *x, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t m,
                      const double *shift, const double *major_shift, const double *u,
                      double *out);
    /* sum[j] += sum_i w[i] * (x[i, j] - at[j]); square[j] += sum_i w[i] * (x[i, j] - at[j])^2 */
    void (*moment_rows)(const void *x, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t m,
                        const double *at, const double *w, double *sum, double *square);
    /* the same two sums over each major vector, w along it, at[i] per major vector */
    void (*moment_majors)(const void *x, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t m,
                          const double *at, const double *w, double *sum, double *square);
    /* panel[(j / width) * depth * width + i * width + j % width] = row_weight[i] *
     * (x[i, j] - col_shift[j] - row_shift[i]) * col_scale[j] */
    void (*pack)(const fr_panel_source *s, ptrdiff_t i0, ptrdiff_t depth, ptrdiff_t j0,
                 ptrdiff_t j1, double *panel);
    /* the same into panels of 2 * width float32, or NULL */
    void (*pack_single)(const fr_panel_source *s, ptrdiff_t i0, ptrdiff_t depth, ptrdiff_t j0,
                        ptrdiff_t j1, float *panel);
    int (*finite)(const void *x, ptrdiff_t n);
    /* out[(i * ld + j) * lanes + l] = x[l][i * p + j] */
    void (*to_lanes)(const void *const *x, ptrdiff_t n, ptrdiff_t p, ptrdiff_t ld, double *out);
    /* by index width (0: int32, 1: int64): out[i] = sum_k data[k] * v[indices[k]] */
    void (*gather[2])(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1, const double *v,
                      double *out);
    /* the same, element by element: for a v with elements stored just now, on which a vector
     * load would stall; for short major vectors */
    void (*gather_stored[2])(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1, const double *v,
                             double *out);
    /* out[indices[k]] += u[i] * data[k] */
    void (*scatter[2])(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1, const double *u,
                       double *out);
    /* the same without begin and end, for major vectors of one length up to FR_SHORT */
    void (*gather_short[2])(const fr_compressed *a, ptrdiff_t rows, int length, const double *v,
                            double *out);
    void (*scatter_short[2])(const fr_compressed *a, ptrdiff_t rows, int length, const double *u,
                             double *out);
    /* gather and scatter for FR_LANES vectors with interleaved elements */
    void (*gather_lanes[2])(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1, const double *v,
                            double *out);
    void (*scatter_lanes[2])(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1, const double *u,
                             double *out);
    /* out[indices[k]] += u[i] * data[k] * w[indices[k]] */
    void (*scatter_by[2])(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1, const double *u,
                          const double *w, double *out);
    /* sum[indices[k]] += w[i] * data[k]; square[indices[k]] += w[i] * data[k]^2 */
    void (*scatter_moments[2])(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1,
                               const double *w, double *sum, double *square);
    void (*gather_moments[2])(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1,
                              const double *w, double *sum, double *square);
    /* by FR_SGD, FR_MOMENTUM, FR_ADAM: step elements i0 to i0 + n of a tensor; see steps.h */
    fr_step_loop *step[FR_N_STEPS];
    double (*squares)(const void *x, ptrdiff_t n);
    int (*finite_scaled)(const void *x, double scale, ptrdiff_t n);
    /* skipped steps of a row; see lazy.c */
    void (*linear)(const fr_map *a, void *w, void *b, ptrdiff_t n);
    void (*adam_sums)(const fr_run *a, double *terms);
    void (*adam_run)(const fr_run_sums *a, double eps, double kept, void *w, const void *m,
                     const void *v, ptrdiff_t n);
    /* windows that end in `lanes` blocks of rows, and sums of such blocks; see rolling.h */
    int (*rolling)(const fr_rolling *q, const fr_rolling_block *blocks, double *memory);
    void (*rolling_sums)(const fr_rolling *q, const fr_rolling_block *blocks, double *memory,
                         double **out);
} fr_real_kernels;

struct fr_sgd;

typedef struct {
    const char *name;
    /* Gram micro-kernel: panels of `width` columns; one panel against up to `wide` of them */
    int width, wide;
    /* c[r * ldc + s] += sum_k a[k, r] * b[k, s]; `panels` panels of b, `stride` apart;
     * prefetches ahead + k * step, which may lie beyond the data, unless ahead is 0 */
    void (*tile)(ptrdiff_t depth, const double *a, const double *b, ptrdiff_t stride, int panels,
                 double *c, ptrdiff_t ldc, uintptr_t ahead, ptrdiff_t step);
    /* the same with float32 products: panels of 2 * width columns, a in one half of a panel */
    void (*tile_single)(ptrdiff_t depth, const float *a, const float *b, ptrdiff_t stride,
                        int panels, double *c, ptrdiff_t ldc, uintptr_t ahead, ptrdiff_t step);
    /* as many problems at once as a register has doubles; see lanes.h */
    int lanes;
    void (*ridge_lanes)(fr_lanes *q);
    /* out[j] += sum_i u[i] * x[list[i], j] */
    void (*add_rows)(const double *x, ptrdiff_t ld, const int32_t *list, ptrdiff_t rows, ptrdiff_t m,
                     const double *u, double *out);
    /* out[r * ldo + s] += sum_k a[r * ld + k] * b[s * ld + k], r < ra, s < rb, k < n */
    void (*dots)(const double *a, ptrdiff_t ra, const double *b, ptrdiff_t rb, ptrdiff_t ld,
                 ptrdiff_t n, double *out, ptrdiff_t ldo);
    /* apply k rotations in turn to x and each of the vectors y: (x, y) = (c x + s y, c y - s x) */
    void (*rotate)(ptrdiff_t n, ptrdiff_t k, const double *c, const double *s, double *x, double *y,
                   ptrdiff_t ld);
    fr_loss_loop *loss[FR_N_LOSSES];
    fr_conjugate_loop *conjugate[FR_N_LOSSES]; /* NULL: none */
    fr_softmax_loop *softmax;
    fr_softmax_curve_loop *softmax_curve;
    const fr_lane_kernels *lane_kernels; /* of double, of float */
    const fr_fold_kernels *fold_kernels; /* the same */
    void (*sgd_rows)(struct fr_sgd *s, ptrdiff_t wide); /* see sgd.h */
    void (*sgd_batches)(struct fr_sgd *s, ptrdiff_t wide);
    fr_real_kernels real[3]; /* by FR_DOUBLE, FR_FLOAT, FR_ONES */
} fr_kernels;

extern const fr_kernels fr_kernels_plain, fr_kernels_baseline, fr_kernels_avx2, fr_kernels_avx512;

/* dispatch.c: the table in use and its choice */
const fr_kernels *fr_active(void);
int fr_isa_count(void);
const char *fr_isa_name(int i);
int fr_isa_usable(int i);
int fr_isa_select(const char *name);

/* Return whether the instruction set in use has float32 products. */
static inline int fr_has_single(void) { return fr_active()->tile_single != NULL; }

#endif
