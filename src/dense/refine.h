/* Iterative refinement: corrections by a factor, with the gradient computed from the data. The
 * error contracts at a rate that depends on the conditioning alone. */
#ifndef FASTRIDGE_REFINE_H
#define FASTRIDGE_REFINE_H

#include <math.h>
#include <stddef.h>

#define FR_MAX_REFINE 10
#define FR_SETTLED 1e-7 /* squared relative correction below which the rest is round-off */
#define FR_KEEP 1e-13   /* share of a column that the columns before it must leave */

/* Return the relative size of a correction from the squared norms of it and of the coefficients. */
static inline double fr_step_ratio(double moved, double size)
{
    const double ratio = size > 0 ? sqrt(moved / size) : moved > 0 ? INFINITY : 0.0;
    return ratio == ratio ? ratio : INFINITY;
}

/* Return the largest correction of k targets, in the norm of the system's diagonal (p). */
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

/* Return whether to stop: corrections do not contract, or there have been too many. */
static inline int fr_stalls(double ratio, double before, int iter)
{
    return !(ratio <= 0.5 * before) || iter == FR_MAX_REFINE;
}

#endif
