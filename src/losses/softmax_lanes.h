/* Products of the multinomial loss's second derivatives with all classes beside each other.
 *
 * Arrays of `lanes` numbers per row or column, in C order: the k classes, and zeros up to a multiple
 * of FR_LANES. They are of float where `single`, else of double. */
#ifndef FASTRIDGE_SOFTMAX_LANES_H
#define FASTRIDGE_SOFTMAX_LANES_H

#include <stddef.h>
#include <stdint.h>

#include "matrix.h"

enum { FR_MOST_CLASSES = 2048 };

/* Conjugate gradients for (A' C A + diag(l2)) D = R, A = (X - 1 shift') diag(scale). */
typedef struct {
    ptrdiff_t lanes;
    int single;
    const void *prob;      /* (n, lanes) */
    const double *w;       /* (n,) */
    void *q;               /* (n, lanes): C (X v + 1 constant') */
    const double *shift, *scale, *l2, *half; /* (p,) or NULL, but l2; half: 1 / (2 l2), or 0 */
    const void *inverse;   /* (p, lanes) of the preconditioner, before it keeps sums of rows at 0 */
    void *D, *R, *P, *out; /* (p, lanes): solution, residual, direction, and X'q */
    void *v;               /* (p, lanes): diag(scale) P; P itself without a scale */
    double *constant;      /* (lanes,) what predictors of v have beside X v */
    double *total;         /* (lanes,) sums of q over the rows */
} fr_lane_model;

/* q, and unless only_q X'q too; adds to `total` (lanes,) and returns sum q . (X v + constant). */
typedef double fr_lane_rows(const fr_lane_model *m, const fr_matrix *x, ptrdiff_t i0, ptrdiff_t i1,
                            int only_q, double *total);
/* out += X'q over a range of minor indices of rows; see fr_compressed */
typedef void fr_lane_scatter(const fr_lane_model *m, const fr_matrix *x, const int32_t *lo,
                             const int32_t *hi, ptrdiff_t i0, ptrdiff_t i1);
/* D += step P, R -= step H P, out = 0; sums: R . M^-1 R and sum half R^2 */
typedef void fr_lane_update(const fr_lane_model *m, double step, ptrdiff_t j0, ptrdiff_t j1,
                            double *sums);
/* P = M^-1 R + beta P, v; adds shift . v to `sums` (lanes,) and returns sum l2 P^2 */
typedef double fr_lane_direction(const fr_lane_model *m, double beta, ptrdiff_t j0, ptrdiff_t j1,
                                 double *sums);

typedef struct {
    fr_lane_rows *rows;
    fr_lane_scatter *scatter;
    fr_lane_update *update;
    fr_lane_direction *direction;
} fr_lane_kernels;

extern const fr_lane_kernels fr_lane_kernels_plain[2], fr_lane_kernels_baseline[2],
    fr_lane_kernels_avx2[2], fr_lane_kernels_avx512[2];

int fr_lane_product(const fr_lane_model *m, fr_matrix *x, double *curve, int n_threads);
int fr_lane_step(const fr_lane_model *m, ptrdiff_t p, double step, double *sums, int n_threads);
int fr_lane_turn(const fr_lane_model *m, ptrdiff_t p, double beta, double *sum, int n_threads);

#endif
