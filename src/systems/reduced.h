/* Ridge systems of sparse data with the frequent columns eliminated exactly.
 *
 * With H the columns that most rows hold ("heavy") and L the others, in the order of their places,
 *
 *     [ M_HH  M_HL ] [ x_H ]   [ r_H ]        M = A' diag(w) A + alpha diag(d)
 *     [ M_LH  M_LL ] [ x_L ] = [ r_L ]
 *
 * is solved by conjugate gradients on S x_L = r_L - M_LH M_HH^-1 r_H, S = M_LL - M_LH M_HH^-1 M_HL,
 * with the symmetric Gauss-Seidel sweep of M_LL as preconditioner. M_HH is dense; the rest is kept
 * sparse and not centred, its means apart.
 */
#ifndef FASTRIDGE_REDUCED_H
#define FASTRIDGE_REDUCED_H

#include "matrix.h"

#define FR_TOO_LARGE 3 /* the Gram matrix would have more elements than allowed */

typedef struct {
    ptrdiff_t n_heavy, n_light;
    const int32_t *position; /* position of each column of the matrix, or -1 where it is left out */
    double total;            /* sum of the weights; 0 where nothing is centred */
    const double *mean;      /* of the columns, by position */
    const double *squares;   /* diagonal of A' diag(w) A, by position */
    double *heavy;           /* strict lower triangle: Gram matrix of H; upper: factor of M_HH */
    double *diagonal;        /* of M_LL */
    double *inverse;         /* 1 / diagonal, 0 where that is 0 */
    double *norm;            /* weights of the squares in the norm of light residuals */
    /* elements of light row j: heavy ones from start[3j], light ones before j from start[3j +
     * 1], after j from start[3j + 2] to start[3j + 3]; light positions count from 0 */
    ptrdiff_t *start;
    int32_t *index;
    double *value;
    /* light column j of the matrix: rows and values from first[j] to first[j + 1] */
    ptrdiff_t *first;
    int32_t *row;
    double *column_value;
} fr_reduced;

/* Fill q, whose members up to `squares` are set by the caller and stay the caller's, from a
 * CSR-like matrix. FR_TOO_LARGE where the estimated elements of light rows exceed `most`. On
 * failure nothing is allocated. */
int fr_reduced_build(fr_reduced *q, fr_matrix *a, const double *w, double most, int n_threads);
/* Sum the same matrix under other weights, whose total, mean and squares are set. On failure the
 * sums are invalid. */
int fr_reduced_reweigh(fr_reduced *q, fr_matrix *a, const double *w, int n_threads);
void fr_reduced_free(fr_reduced *q);
/* M for one penalty (d by position). norm: weights of the squared residual, by position; NULL:
 * ones. FR_UNSTABLE where M_HH is singular to round-off. */
int fr_reduced_factor(fr_reduced *q, double alpha, const double *d, const double *norm,
                      int n_threads);

/* Stopping rule: residual norm within `bound`, or within share * sqrt(F), where F is the
 * objective reached, x'M x - 2 r'x plus its value `objective` at x = 0. */
typedef struct {
    double bound, share, objective;
} fr_goal;
/* x = M^-1 r to the stopping rule; counts iterations in *n_iter up to `limit`. Workspace: 5
 * n_light + n_heavy doubles. */
int fr_reduced_solve(const fr_reduced *q, const double *r, double *x, fr_goal goal,
                     ptrdiff_t limit, ptrdiff_t *n_iter, int n_threads);

#endif
