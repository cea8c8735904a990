/* What the files of coordinate descent share. */
#ifndef FASTRIDGE_DESCENT_STATE_H
#define FASTRIDGE_DESCENT_STATE_H

#include "access.h"
#include "descent.h"
#include "parallel.h"
#include "penalty.h"

static inline fr_penalty penalty_of(const fr_descent *q, ptrdiff_t j)
{
    const ptrdiff_t k = j * q->step;
    const fr_penalty h = {q->l1[k], q->l2[k], q->lower ? q->lower[j] : -INFINITY,
                          q->upper ? q->upper[j] : INFINITY};
    return h;
}

/* Rounding of g_j, for features that nothing penalises. */
static inline double slack_of(const fr_descent *q, ptrdiff_t j)
{
    return 1e-11 * sqrt(q->square[j] * q->yy);
}

static inline ptrdiff_t column_of(const fr_descent *q, ptrdiff_t j)
{
    return q->columns ? q->columns[j] : j;
}

/* descent_columns.c: with the matrix by columns */
double fr_column_gradient(const fr_descent *q, ptrdiff_t j);
/* g of every coordinate */
int fr_all_gradients(const fr_descent *q);
/* residual += t a_j, where it lies as fr_descent says */
void fr_column_add(fr_descent *q, ptrdiff_t j, double t);
/* out = A_to'S A_from v for lists of coordinates; to NULL: 0 .. n_to - 1 */
void fr_columns_times(const fr_descent *q, const int32_t *from, ptrdiff_t n_from, const double *v,
                      const int32_t *to, ptrdiff_t n_to, double *out);

/* support.c: d = (A_T'S A_T + diag(l2_T))^-1 rhs for the `size` coordinates in list; work: 6 m. With
 * a Gram matrix, its product with d in `image` (m). */
int fr_support_solve(fr_descent *q, const int32_t *list, ptrdiff_t size, const double *rhs,
                     double *d, double *image, double *work);

/* From one penalty to the next: what was about to enter the support, added to it where it has not,
 * and noted. */
int fr_recall(fr_descent *q, signed char *side, int32_t *list, ptrdiff_t *size);
void fr_remember(fr_descent *q, const int32_t *list, ptrdiff_t size, const signed char *side);
/* Whether Newton steps gave up, to be noted as 1 (no) or 2 (yes); 0: the last time. */
int fr_was_hard(fr_descent *q, int note);

/* g += t * row j of the Gram matrix */
static inline void fr_row_add(const fr_descent *q, ptrdiff_t j, double t, double *g)
{
    fr_active()->real[FR_DOUBLE].axpy_rows(q->gram + j * q->ld, q->ld, 1, q->m, NULL, NULL, &t, g);
}

/* out += rows of the Gram matrix, u[i] times row list[i] */
static inline void fr_rows_add(const fr_descent *q, const int32_t *list, ptrdiff_t rows,
                               const double *u, double *out)
{
    fr_active()->add_rows(q->gram, q->ld, list, rows, q->m, u, out);
}

#endif
