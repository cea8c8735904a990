/* Coordinate descent on a quadratic with an L1 + L2 penalty and bounds, with Newton steps on the
 * support and a duality gap.
 *
 * Over the operator A, weights s that sum to 1 and the centred target y,
 *
 *   P(w) = 1/2 sum_i s_i (y_i - a_i w)^2 + sum_j h_j(w_j),
 *   h_j(x) = l1_j |x| + l2_j x^2 / 2  for lower_j <= x <= upper_j.
 *
 * With r = y - A w and g = A' S r, the dual at t r is, for any t,
 *
 *   D(t) = t y'Sr - t^2 r'Sr / 2 - sum_j h*_j(t g_j),   h*_j(v) = max_x v x - h_j(x),
 *
 * which needs no feasibility where l2_j > 0 or the bounds are finite; elsewhere |t g_j| <= l1_j. A
 * feature without any penalty needs g_j = 0: Newton steps make it so, to rounding. */
#ifndef FASTRIDGE_DESCENT_H
#define FASTRIDGE_DESCENT_H

#include "matrix.h"

typedef struct {
    ptrdiff_t m; /* coordinates in hand */
    /* Either the Gram matrix A'SA, rows ld apart ... */
    const double *gram;
    ptrdiff_t ld;
    /* ... or the matrix by columns, of which coordinate k is column columns[k] (NULL: k). */
    const fr_matrix *a;
    const int32_t *columns;
    const double *weight; /* s of sparse data; NULL: 1 / n */
    double *residual;     /* y - A w, sparse data: weighted, and short of level * s */
    double level;
    double *spare;        /* 5 n */
    /* problem */
    const double *l1, *l2, *lower, *upper; /* bounds may be NULL */
    ptrdiff_t step;                        /* 1; 0: one l1 and l2 for all, in fr_dual_value alone */
    const double *square;                  /* diagonal of A'SA */
    const double *cross;                   /* A'S y */
    double yy, tol;                        /* y'Sy; the gap to reach */
    ptrdiff_t max_iter;
    uint64_t seed;                         /* 0: cyclic order */
    int exact; /* Newton steps, of which the gap has no need, that make coefficients exact at the end:
                  0 none, 1 one, where there was a step before, 2 until one leaves the support as it is */
    int n_threads;
    /* state: coefficients, g, and coefficients whose residual gives the best dual value, with the
     * gradient there */
    double *w, *g, *w_dual, *g_dual;
    int whole; /* these are all coordinates: w_dual says nothing of others and may be any mixture, and
                  begins as that of another penalty */
    /* results */
    double objective, dual;
    ptrdiff_t n_iter, n_newton;
    double accuracy; /* of Newton steps by the columns themselves, of their own choice */
    double damping;  /* of Newton steps, of their own choice: share of its diagonal that the Gram matrix
                        of the support gains, for directions that the data hardly see */
    /* factor of the Gram matrix of the support, kept between calls */
    struct fr_support *support;
} fr_descent;

/* Descend until objective - dual <= tol or max_iter epochs. g must be that of w. */
int fr_descend(fr_descent *q);
void fr_free_support(struct fr_support *s);

/* The dual value at t r, t chosen, from g (m), y'Sr and r'Sr; -inf where no t but 0 is feasible. */
double fr_dual_value(const fr_descent *q, const double *g, double yr, double rr);
/* Gap-safe screening: the coordinates that are not 0, or may not be at the minimum, by the residual
 * of a dual candidate and any objective; their number. */
ptrdiff_t fr_unscreened(const fr_descent *q, const double *g, double yr, double rr, double objective,
                        int32_t *list);
/* sum_j h_j(w_j) */
double fr_penalty_value(const fr_descent *q, const double *w);

#endif
