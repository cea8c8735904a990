/* Conjugate gradients for several fits at once on sparse rows: FR_LANES contiguous numbers for each
 * row or column, float if `single`, else double; unused lanes are zeros.
 *
 * Solves (A' C A + diag(alpha l2)) D = R for A = X - 1 about'. Each fit has its own C, alpha and about,
 * the means under C, so that products with C A sum to 0 and A' can be replaced by X' for them. */
#ifndef FASTRIDGE_FOLDS_LANES_H
#define FASTRIDGE_FOLDS_LANES_H

#include <stddef.h>
#include <stdint.h>

#include "matrix.h"

typedef struct {
    int single;
    const void *curve;           /* (n, lanes): C */
    void *q;                     /* (n, lanes): C A P */
    const void *about, *inverse; /* (p, lanes): means, and the preconditioner */
    void *D, *R, *P, *out;       /* (p, lanes): solution, residual, direction, and X'q */
    const double *l2, *half;     /* p: factors, and 1 / (2 l2) */
    const double *alpha;         /* lanes */
    double *mean;                /* lanes: about . P */
} fr_fold_lanes;

/* Compute q, and unless only_q also X'q; add sum q . (A P) to sums (lanes) */
typedef void fr_fold_rows(const fr_fold_lanes *m, const fr_matrix *x, ptrdiff_t i0, ptrdiff_t i1,
                          int only_q, double *sums);
/* out += X'q over a range of minor indices of rows; see fr_compressed */
typedef void fr_fold_scatter(const fr_fold_lanes *m, const fr_matrix *x, const int32_t *lo,
                             const int32_t *hi, ptrdiff_t i0, ptrdiff_t i1);
/* D += step P, R -= step H P, out = 0; add R . M^-1 R and sum half R^2 to sums (2, lanes) */
typedef void fr_fold_update(const fr_fold_lanes *m, const double *step, ptrdiff_t j0, ptrdiff_t j1,
                            double *sums);
/* P = M^-1 R + beta P; add about . P and sum alpha l2 P^2 to sums (2, lanes) */
typedef void fr_fold_direction(const fr_fold_lanes *m, const double *beta, ptrdiff_t j0,
                               ptrdiff_t j1, double *sums);

typedef struct {
    fr_fold_rows *rows;
    fr_fold_scatter *scatter;
    fr_fold_update *update;
    fr_fold_direction *direction;
} fr_fold_kernels;

extern const fr_fold_kernels fr_fold_kernels_plain[2], fr_fold_kernels_baseline[2],
    fr_fold_kernels_avx2[2], fr_fold_kernels_avx512[2];

/* curve (lanes): sum q . (A P); the others: sums (2, lanes) of the loops above */
int fr_fold_product(const fr_fold_lanes *m, fr_matrix *x, double *curve, int n_threads);
int fr_fold_step(const fr_fold_lanes *m, ptrdiff_t p, const double *step, double *sums,
                 int n_threads);
int fr_fold_turn(const fr_fold_lanes *m, ptrdiff_t p, const double *beta, double *sums,
                 int n_threads);

#endif
