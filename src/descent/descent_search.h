/* The state of a descent, and the search along the projected path of a step. */
#ifndef FASTRIDGE_DESCENT_SEARCH_H
#define FASTRIDGE_DESCENT_SEARCH_H

#include "descent_state.h"

/* y'Sr and r'Sr */
typedef struct {
    double yr, rr;
} shadow;

typedef struct {
    double *w, *residual, level;
} point;

/* Where along a direction a coordinate of the support, by its place in the list, is at its border. */
typedef struct {
    double stop;
    int32_t place, up;
} border_at;

typedef struct {
    fr_descent *q;
    point old, best;
    double *d, *rhs, *work, *between, *past; /* past: FR_HISTORY iterates */
    double *image;                           /* of d, by the Gram matrix */
    double *passed;                          /* of the way of what has come to its border */
    border_at *borders;
    int32_t *list, *order, *moved;
    signed char *side; /* half-line of each coordinate of the support in hand, else 0 */
    signed char *was;  /* the same before a step */
    ptrdiff_t size, taken;
    uint64_t random;
    double objective, current; /* at the best point, and at this one */
    double terms;              /* magnitude of what the latter is summed from */
    shadow dual;               /* of the residual of w_dual */
    int flat;                  /* the support's minimum was reached */
    ptrdiff_t entering, left;  /* coordinates that enter at once; steps since the last ones did */
    double own;                /* best dual value of a residual as it came, of this problem */
    int settled;               /* the last step was exact and left the support as it was */
} state;

/* The half-line or interval that coordinate j of the support is on. */
static inline void sides(const state *s, ptrdiff_t j, double *lo, double *hi)
{
    const fr_penalty h = penalty_of(s->q, j);
    *lo = h.l1 > 0 && s->side[j] > 0 ? MAX(h.lo, 0) : h.lo;
    *hi = h.l1 > 0 && s->side[j] < 0 ? MIN(h.hi, 0) : h.hi;
}

/* The nearest first. */
void fr_sort_borders(border_at *borders, ptrdiff_t count);

/* Go from w along the projected path of d to the first minimum of the objective, which is a
 * piecewise quadratic there. s->rhs is the negative gradient on the support, d a descent direction.
 * Says whether the way was left at 1 or beyond without meeting a border. */
int fr_search(state *s, int *whole);

#endif
