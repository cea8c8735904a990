/* Losses of a target y and a linear predictor eta. */
#ifndef FASTRIDGE_LOSSES_H
#define FASTRIDGE_LOSSES_H

#include <stddef.h>

enum {
    FR_SQUARED,
    FR_LOGISTIC,
    FR_POISSON,
    FR_GAMMA,
    FR_TWEEDIE,          /* log link; parameter: the power */
    FR_TWEEDIE_IDENTITY, /* mean eta; parameter: the power */
    FR_NEGATIVE_BINOMIAL, /* log link; parameter: theta */
    FR_HUBER,            /* parameter: delta */
    FR_N_LOSSES
};

/* Return sum_i w_i l(y_i, eta_i), w NULL: ones. Unless r is NULL, set r_i = w_i l' and h_i = w_i
 * l'', the derivatives with respect to eta; h is the expected second derivative where l is not
 * convex. */
typedef double fr_loss_loop(double parameter, const double *y, const double *eta, const double *w,
                            double *r, double *h, ptrdiff_t n);

/* The same on several threads, in parts that do not depend on their number; 0 or a status of
 * parallel.h. */
int fr_loss(int loss, double parameter, const double *y, const double *eta, const double *w, double *r,
            double *h, ptrdiff_t n, double *sum, int n_threads);

/* Return sum_i w_i l*(y_i, theta_i / w_i) of the conjugate l*, or infinity. A weight of 0
 * requires a theta of 0. */
typedef double fr_conjugate_loop(double parameter, const double *y, const double *theta,
                                 const double *w, ptrdiff_t n);

int fr_conjugate(int loss, double parameter, const double *y, const double *theta, const double *w,
                 ptrdiff_t n, double *sum, int n_threads);

/* Return whether the loss has a compiled loop. */
int fr_has_conjugate(int loss);

#endif
