/* Ridge regression on windows of rows: sums gain rows and never lose any.
 *
 * Positions of rows run group by group. A block is `block` positions, s to s + block, of one
 * group. The window that ends at t >= s has the block's rows s to t and the rows t - window + 1
 * to s - 1 before it. Sums of the former grow forwards, sums of the latter backwards from s, so
 * that neither has to remove a row; a window's sums are the two combined about their common
 * mean:
 *
 *   G = keep G_a + G_b + (keep W_a W_b / W) d d',   d = m_a - m_b,   W = keep W_a + W_b
 *
 * A register's lanes hold as many blocks. All numbers are relative to an origin, one of the
 * block's own rows, so that columns far from zero lose nothing.
 */
#ifndef FASTRIDGE_ROLLING_H
#define FASTRIDGE_ROLLING_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

/* How a window ended. */
enum { FR_WINDOW_NONE, FR_WINDOW_DONE, FR_WINDOW_WEAK };
/* Flags of a block. */
enum { FR_BLOCK_FLAT = 1, FR_BLOCK_HUGE = 2 }; /* a column of no squares; squares out of range */

/* Share of a column's squares that the columns before it must leave for the factor to be
 * accurate. */
#define FR_WINDOW_KEEP 0x1p-17

typedef struct {
    ptrdiff_t begin, end; /* positions of the group's rows */
    ptrdiff_t start;      /* positions of the block; may start before `begin` */
    ptrdiff_t origin;     /* position of the row that numbers are relative to */
    const double *base;   /* sums about the origin of rows that all windows share; NULL: none */
} fr_rolling_block;

typedef struct {
    ptrdiff_t p, n_alphas, block, step;
    ptrdiff_t window;      /* 0: all rows of the group so far */
    ptrdiff_t partial;     /* rows before the block's own windows that join `base` */
    ptrdiff_t chunk;       /* backward sums are kept at its multiples */
    const void *x;         /* rows, contiguous */
    int real;
    const double *y, *w;   /* w: NULL for ones */
    const int64_t *order;  /* row of each position; NULL: the position itself */
    const int64_t *window_of; /* window that ends at a row, or -1; NULL: the row itself */
    const double *factor;  /* of each feature's penalty (p) */
    const double *alpha;   /* n_alphas; or, with alpha_each, one for each window */
    int alpha_each, intercept;
    const double *decay;   /* weight of a row 0, 1, ... positions back; NULL: ones */
    double least;          /* rows of positive weight that a fit requires */
    double *coef, *offset, *gradient; /* of each window; coef: NULL where not requested */
    double *prediction;    /* (rows, n_alphas); NULL: not requested */
    uint8_t *status;       /* (windows, n_alphas) */
} fr_rolling;

/* Length of the sums: rows of the upper triangle, each with its product with y; means of X and y
 * about the origin; total weight; number of rows of positive weight. */
static inline ptrdiff_t fr_rolling_means(ptrdiff_t p) { return p * (p + 3) / 2; }
static inline ptrdiff_t fr_rolling_total(ptrdiff_t p) { return fr_rolling_means(p) + p + 1; }
static inline ptrdiff_t fr_rolling_size(ptrdiff_t p) { return fr_rolling_total(p) + 2; }

/* Workspace, in doubles per lane. */
static inline ptrdiff_t fr_rolling_room(const fr_rolling *q)
{
    const ptrdiff_t kept = q->window ? q->block / q->chunk + 1 + q->chunk : 1;
    return (kept + 2) * fr_rolling_size(q->p) + 2 * fr_rolling_means(q->p) +
           (q->p + 1) * (8 + q->n_alphas) + 8;
}

#endif
