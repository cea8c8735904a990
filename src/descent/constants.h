/* Constants of coordinate descent. */
#ifndef FASTRIDGE_DESCENT_CONSTANTS_H
#define FASTRIDGE_DESCENT_CONSTANTS_H

/* Failed Newton steps allowed before sweeps: at first, and at least; halved after each failure. */
#define PATIENCE 6
#define PATIENCE_LEAST 2
/* Epochs of sweeps by columns before Newton steps. */
#define FIRST_SWEEPS 8
/* Rise of the objective allowed to a Newton step for a while, as a multiple of the gap. */
#define MOST_RISE 100.0

/* Relative accuracy of conjugate gradient steps that the next step corrects, ... */
#define ROUGH 0.1
/* ... of steps that must find the zeros of the gradient, or follow a step without progress, ... */
#define EXACT 1e-10
/* ... and of the final steps, once the gap is small enough: at most FINAL_STEPS of them, until
 * the support is stable. */
#define FINAL 1e-4
#define FINAL_STEPS 4
/* Relative accuracy with an old factor as preconditioner; the next step corrects the rest. */
#define FINE 1e-3
/* Conjugate gradient iterations at most, also for accuracies below CG_EXACT. */
#define CG_STEPS 200
#define CG_EXACT_STEPS 5000
#define CG_EXACT 1e-9
/* Error of a step, relative to the largest coefficient, below which the support is exact. */
#define SETTLED 1e-10

/* Consecutive monotone steps between sweeps and exchanges: at first, and at most; doubled each
 * time. */
#define SAFE_STEPS 30
#define MOST_SAFE_STEPS 120

/* Damping added to the Gram matrix of the support, as a share of its diagonal: at first, the
 * factor by which it shrinks where it limits a step, and the least. */
#define DAMPING 1e-5
#define LESS_DAMPING 1e-2
#define LEAST_DAMPING 1e-11

/* Rise of the objective that counts as round-off, as a share of the terms summed. */
#define ROUND_OFF 1e-15
/* Relative slack of the gradient before a coordinate enters. */
#define ENTRY_SLACK 1e-10
/* Convex combinations of two residuals that are tried as dual points. */
#define MIXTURES 10
#define GOLDEN_SECTION 0.6180339887498949

/* Share of a column that the columns before it in a factor must leave; and as a share of the
 * damping where that is small. */
#define KEEP 1e-9
#define KEEP_DAMPED 1e-3
/* Relative change of l2 up to which an old factor serves as preconditioner. */
#define NEAR_L2 0.5
/* Multiplications that take as long as one rotation of an element. */
#define ROTATION 8

#endif
