/* Many small ridge problems at once, one in each lane of a register. */
#ifndef FASTRIDGE_LANES_H
#define FASTRIDGE_LANES_H

#include <stddef.h>

#define FR_MOST_LANES 8

/* Arrays interleave the problems: element e of problem l is at [e * lanes + l]. Minimise over c
 * and an intercept, for each of k targets, with d = penalty (ones if NULL): sum_i w_i (y_i -
 * offset - x_i c)^2 + alpha sum_j d_j c_j^2. */
typedef struct {
    ptrdiff_t n, p, k, ld; /* ld: fr_lanes_order */
    int intercept;
    double *x;             /* n x ld: p columns of X, k of y; the caller sets up to here */
    const double *w;       /* n, NULL: ones */
    const double *alpha;   /* 1 */
    const double *penalty; /* p, the same in all lanes; NULL: ones */
    int round;             /* round coefficients to float32; the certificate is theirs */
    double lost;           /* variance a constant column may keep, as a share of its mean^2 */
    double *coef, *offset, *relative_gradient, *objective; /* k * p; k each */
    double *unrounded;     /* k: relative gradient before rounding */
    int status[FR_MOST_LANES]; /* 0, FR_UNSTABLE or FR_NOT_FINITE */
    double *memory;        /* fr_lanes_room */
} fr_lanes;

/* Columns of a row: X, y, ones, and zeros up to a multiple of four. */
static inline ptrdiff_t fr_lanes_order(ptrdiff_t p, ptrdiff_t k) { return (p + k + 4) / 4 * 4; }
/* Workspace, in doubles per lane. */
static inline ptrdiff_t fr_lanes_room(ptrdiff_t p, ptrdiff_t k)
{
    const ptrdiff_t ld = fr_lanes_order(p, k);
    return 2 * ld * ld + 12 * ld;
}

#endif
