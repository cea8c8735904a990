/* Products of two rectangular matrices by packed panels. */
#ifndef FASTRIDGE_PANELS_H
#define FASTRIDGE_PANELS_H

#include "kernels.h"

#define FR_MANY 16 /* number of vectors from which panels are used */

/* c[r * ldc + s] = sum_k a(k, r) b(k, s), or += with `add`, for r < rows, s < columns, k <
 * depth. a is float64, b is of type `real`. c must not overlap a or b. */
int fr_product(const fr_panel_source *a, ptrdiff_t rows, const fr_panel_source *b, int real,
               ptrdiff_t columns, ptrdiff_t depth, double *c, ptrdiff_t ldc, int add,
               int n_threads);

#endif
