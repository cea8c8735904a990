/* As many small ridge problems at once as a register has doubles. */
#ifndef FASTRIDGE_LANES_H
#define FASTRIDGE_LANES_H

#include <stddef.h>

#define FR_MOST_LANES 8

/* Of every quantity, those of the problems lie side by side: element e of problem l at [e * lanes + l].
 * Minimised over c and an intercept, for each of k targets, with d = penalty (ones if NULL):
 *   sum_i w_i (y_i - offset - x_i c)^2 + alpha sum_j d_j c_j^2. */
typedef struct {
    ptrdiff_t n, p, k, ld; /* ld: fr_lanes_order */
    int intercept;
    double *x;             /* n x ld: p columns of X, k of y; what follows is set here */
    const double *w;       /* n, NULL: ones */
    const double *alpha;   /* 1 */
    const double *penalty; /* p, the same in all lanes, NULL: ones */
    int round;             /* coefficients to float32; what is certified are those */
    double lost;           /* share of its squared distance that a constant column may leave */
    double *coef, *offset, *relative_gradient, *objective; /* k * p; k each */
    double *unrounded;     /* k: the relative gradient before rounding */
    int status[FR_MOST_LANES]; /* 0, FR_UNSTABLE or FR_NOT_FINITE */
    double *memory;        /* fr_lanes_room */
} fr_lanes;

/* Columns of a row: X, y, ones, and zeros up to a multiple of four. */
static inline ptrdiff_t fr_lanes_order(ptrdiff_t p, ptrdiff_t k) { return (p + k + 4) / 4 * 4; }
/* Doubles for each lane. */
static inline ptrdiff_t fr_lanes_room(ptrdiff_t p, ptrdiff_t k)
{
    const ptrdiff_t ld = fr_lanes_order(p, k);
    return 2 * ld * ld + 12 * ld;
}

#endif
