/* Sums of squares that overflow or underflow though the data do not. */
#ifndef FASTRIDGE_RANGE_H
#define FASTRIDGE_RANGE_H

#include "matrix.h"

/* Between these, products of two sums of squares are in the range of float64, with room for
 * coefficients and penalties. */
#define FR_LEAST_SQUARES 0x1p-400
#define FR_MOST_SQUARES 0x1p400
/* Between these, sums of squares keep their digits, and those of products are finite. */
#define FR_LEAST_SUM 0x1p-960
#define FR_MOST_SUM 0x1p1000

/* Return whether the squares of y (n), about its mean with an intercept, are out of that range. */
int fr_target_out_of_range(const double *y, ptrdiff_t n, double squares, int intercept);
/* Return FR_NOT_FINITE where sums of squares of columns, about their means with an intercept,
 * overflow, or vanish though the columns vary. Columns with squares negligible beside their
 * penalty, at least alpha * penalty, are exempt: they get squares above 0, which distinguish
 * them from constant ones. */
int fr_columns_out_of_range(const fr_matrix *a, const double *w, const double *mean,
                            const double *penalty, double alpha, double *squares);

#endif
