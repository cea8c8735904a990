/* Iterative refinement: corrections of a factor's solution, with the gradient from the data on the right.
 * They leave a share of themselves that depends on the condition alone. */
#ifndef FASTRIDGE_REFINE_H
#define FASTRIDGE_REFINE_H

#include <math.h>
#include <stddef.h>

#define FR_MAX_REFINE 10
#define FR_SETTLED 1e-7 /* relative correction whose square is below rounding */
#define FR_KEEP 1e-13   /* share of a column that must be left by the columns before it */

/* Relative size of a correction, from the squared norms of the correction and of the coefficients */
static inline double fr_step_ratio(double moved, double size)
{
    const double ratio = size > 0 ? sqrt(moved / size) : moved > 0 ? INFINITY : 0.0;
    return ratio == ratio ? ratio : INFINITY;
}

/* The greatest of the corrections of k targets, in the norm of the system's diagonal (p) */
static inline double fr_relative_step(const double *diagonal, const double *step, const double *coef,
                                      ptrdiff_t p, ptrdiff_t k)
{
    double worst = 0;
    for (ptrdiff_t t = 0; t < k; t++) {
        double moved = 0, size = 0;
        for (ptrdiff_t j = 0; j < p; j++) {
            const double d = diagonal[j], e = step[t * p + j], c = coef[t * p + j];
            moved += d * e * e;
            size += d * c * c;
        }
        const double ratio = fr_step_ratio(moved, size);
        worst = ratio > worst ? ratio : worst;
    }
    return worst;
}

/* Whether corrections do not contract, or have been too many, to go on */
static inline int fr_stalls(double ratio, double before, int iter)
{
    return !(ratio <= 0.5 * before) || iter == FR_MAX_REFINE;
}

#endif
