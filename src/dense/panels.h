/* Products of two rectangular matrices by packed panels. */
#ifndef FASTRIDGE_PANELS_H
#define FASTRIDGE_PANELS_H

#include "kernels.h"

#define FR_MANY 16 /* vectors from which a product goes by panels */

/* c[r * ldc + s] = sum_k a(k, r) b(k, s), or with `add` += it, for r < rows, s < columns, k < depth;
 * a holds float64, b what `real` says. c may overlap neither. */
int fr_product(const fr_panel_source *a, ptrdiff_t rows, const fr_panel_source *b, int real,
               ptrdiff_t columns, ptrdiff_t depth, double *c, ptrdiff_t ldc, int add,
               int n_threads);

#endif
