/* Gram matrices of growing sets of vectors. */
#ifndef FASTRIDGE_BORDER_H
#define FASTRIDGE_BORDER_H

#include "matrix.h"

/* Rows i0 .. i1 and columns i0 .. i1 of the Gram matrix g (rows ld apart) of the i1 vectors of
 * length n in x, which lie one behind the other; times unit. */
int fr_gram_border(const double *x, ptrdiff_t n, ptrdiff_t i0, ptrdiff_t i1, double unit, double *g,
                   ptrdiff_t ld, int n_threads);

/* The same of A'SA, for columns of a matrix by columns; columns NULL: the first ones. weight: the
 * diagonal of S, for sparse data; NULL: 1 / n. */
int fr_column_border(const fr_matrix *a, const int32_t *columns, const double *weight, ptrdiff_t i0,
                     ptrdiff_t i1, double *g, ptrdiff_t ld, int n_threads);

#endif
