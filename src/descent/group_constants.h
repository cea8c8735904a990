/* Constants of block coordinate descent for several targets. */
#ifndef FASTRIDGE_GROUP_CONSTANTS_H
#define FASTRIDGE_GROUP_CONSTANTS_H

/* Such rounds between Newton steps that did not end, at most: twice as many each time. */
#define MOST_ROUNDS 30
/* Newton steps for one round, at most. */
#define STEPS_PER_ROUND 10
/* Rounds that make coefficients exact where the gap is small enough, at most. */
#define FINAL_ROUNDS 4
/* Newton steps that they may take beyond as many as the gap took; what one may cost, in rounds of
 * sweeps for each of those, or in operations. */
#define FINAL_STEPS 6
#define FINAL_PRICE 0.15
#define FINAL_WORK 1e6
/* Logarithm of the gap that a Newton step is expected to gain, and the share of it that sweeps leave
 * from which on one is tried anyway. */
#define GAIN 0.5
#define LEAST_GAIN 0.8
/* What a Newton step may cost, in rounds of sweeps for each of these that was slow. */
#define WAIT 3.0
/* Decrease by a whole Newton step, over the largest of these in a row, after which sweeps are due. */
#define LITTLE 0.1
/* Round-off of |g_j|, over the root of a_j'S a_j <Y, Y>. */
#define SLACK 1e-11

/* Share of the objective below which a decrease is round-off. */
#define ROUND_OFF 1e-15
/* Share of the largest |w_j| below which a coefficient is round-off. */
#define NOTHING 1e-14
/* Size of a Newton step over that of each w_j from which on the next one would be round-off. */
#define SETTLED 3e-5
/* Line search: decrease over that of the linear model, halvings, and bisections after these. */
#define ENOUGH 1e-4
#define HALVINGS 12
#define BISECTIONS 50
/* Share of |w_j| that a step leaves, from which on w_j = 0 is tried. */
#define SMALL 0.05
/* Conjugate gradients: accuracy, squared, and iterations by how exact the preconditioner is. */
#define ACCURACY 1e-12
#define EXACT_ITERATIONS 12
#define ROUGH_ITERATIONS 50
/* Damping, as a share of the diagonal: at first, its factor where the matrix is singular, and at most. */
#define LEAST_DAMPING 1e-13
#define MORE_DAMPING 1e3
#define MOST_DAMPING 2e-4
/* Share of the diagonal that is left of a pivot, below which too much has cancelled. */
#define DEPENDENT 1e-12

#endif
