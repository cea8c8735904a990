/* Constants of coordinate descent. */
#ifndef FASTRIDGE_DESCENT_CONSTANTS_H
#define FASTRIDGE_DESCENT_CONSTANTS_H

/* Newton steps may fail this many times before sweeps are taken: first, and at least; halved each
 * time. */
#define PATIENCE 6
#define PATIENCE_LEAST 2
/* Gaps by which a Newton step may raise the objective for a while. */
#define MOST_RISE 100.0

/* Accuracy of steps by conjugate gradients: the next one corrects it, ... */
#define ROUGH 0.1
/* ... unless it is the gradient's zeros that count, or no step makes progress; ... */
#define EXACT 1e-10
/* ... and of those that make coefficients exact where the gap is small enough: so many at most, until
 * the support stays. */
#define FINAL 1e-4
#define FINAL_STEPS 4
/* Accuracy where an old factor is the preconditioner: the next step takes the rest. */
#define FINE 1e-3
/* Conjugate gradient steps, and where they are asked to be more accurate than this. */
#define CG_STEPS 200
#define CG_EXACT_STEPS 5000
#define CG_EXACT 1e-9
/* Error of a step, over the largest coefficient, at which the support is exact. */
#define SETTLED 1e-10

/* Monotone steps in a row between sweeps and exchanges: first, and at most; twice as many each time. */
#define SAFE_STEPS 30
#define MOST_SAFE_STEPS 120

/* Share of its diagonal that the Gram matrix of the support gains: at first, its factor where it is
 * what limits a step, and the least. */
#define DAMPING 1e-5
#define LESS_DAMPING 1e-2
#define LEAST_DAMPING 1e-11

/* Share of the terms that it is summed from by which the objective may seem to rise. */
#define ROUND_OFF 1e-15
/* Relative slack of a gradient that says that a coordinate wants to enter. */
#define ENTRY_SLACK 1e-10
/* Mixtures of two residuals that are tried as a dual point. */
#define MIXTURES 10
#define GOLDEN_SECTION 0.6180339887498949

/* Share of a column that the columns before it in a factor must leave, and its share of the damping
 * where that is small. */
#define KEEP 1e-9
#define KEEP_DAMPED 1e-3
/* Relative change of l2 up to which an old factor is a preconditioner. */
#define NEAR_L2 0.5
/* Multiplications of an element in the time of one rotation. */
#define ROTATION 8

#endif
