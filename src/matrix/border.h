/* Gram matrices of growing sets of vectors. */
#ifndef FASTRIDGE_BORDER_H
#define FASTRIDGE_BORDER_H

#include "matrix.h"

/* Compute rows i0 .. i1 and columns i0 .. i1 of the Gram matrix g (row stride ld) of i1
 * contiguous vectors of length n in x, times unit. */
int fr_gram_border(const double *x, ptrdiff_t n, ptrdiff_t i0, ptrdiff_t i1, double unit, double *g,
                   ptrdiff_t ld, int n_threads);

/* The same for A'SA and columns of a column-major matrix; columns NULL: the first ones. weight:
 * the diagonal of S, for sparse data; NULL: 1 / n. */
int fr_column_border(const fr_matrix *a, const int32_t *columns, const double *weight, ptrdiff_t i0,
                     ptrdiff_t i1, double *g, ptrdiff_t ld, int n_threads);

#endif
