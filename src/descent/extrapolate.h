/* Anderson extrapolation. */
#ifndef FASTRIDGE_EXTRAPOLATE_H
#define FASTRIDGE_EXTRAPOLATE_H

#include <stddef.h>

#define FR_HISTORY 6 /* iterates that an extrapolation looks back on */

/* Weights, of sum 1, of all but the first of FR_HISTORY iterates of length m, which lie one behind
 * the other: those that combine their differences to the smallest. Whether there are any. */
int fr_extrapolation(const double *past, ptrdiff_t m, double *weight);

#endif
