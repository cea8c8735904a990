/* Constants of block coordinate descent for several targets. */
#ifndef FASTRIDGE_GROUP_CONSTANTS_H
#define FASTRIDGE_GROUP_CONSTANTS_H

/* Rounds of sweeps between Newton steps that did not converge, at most; doubled each time. */
#define MOST_ROUNDS 30
/* Newton steps per round, at most. */
#define STEPS_PER_ROUND 10
/* Rounds at most that make coefficients exact once the gap is small enough. */
#define FINAL_ROUNDS 4
/* Extra Newton steps allowed beyond those that the gap took, and the cost allowed for each: in
 * rounds of sweeps, or in operations. */
#define FINAL_STEPS 6
#define FINAL_PRICE 0.15
#define FINAL_WORK 1e6
/* Logarithm of the gap that a Newton step is expected to gain, and the share that sweeps leave
 * above which one is tried anyway. */
#define GAIN 0.5
#define LEAST_GAIN 0.8
/* Allowed cost of a Newton step, in rounds of slow sweeps. */
#define WAIT 3.0
/* Decrease by a whole Newton step, relative to the largest recent one, below which sweeps
 * follow. */
#define LITTLE 0.1
/* Round-off of |g_j|, relative to the root of a_j'S a_j <Y, Y>. */
#define SLACK 1e-11

/* Decrease that counts as round-off, as a share of the objective. */
#define ROUND_OFF 1e-15
/* Coefficients that count as round-off, as a share of the largest |w_j|. */
#define NOTHING 1e-14
/* Newton step, relative to each w_j, below which the next one would be round-off. */
#define SETTLED 3e-5
/* Line search: sufficient decrease relative to the linear model, halvings, and bisections after
 * them. */
#define ENOUGH 1e-4
#define HALVINGS 12
#define BISECTIONS 50
/* Share of |w_j| left by a step below which w_j = 0 is tried. */
#define SMALL 0.05
/* Conjugate gradients: squared accuracy, and iterations by the quality of the preconditioner. */
#define ACCURACY 1e-12
#define EXACT_ITERATIONS 12
#define ROUGH_ITERATIONS 50
/* Damping, as a share of the diagonal: at first, its growth where the matrix is singular, and at
 * most. */
#define LEAST_DAMPING 1e-13
#define MORE_DAMPING 1e3
#define MOST_DAMPING 2e-4
/* Share of the diagonal left in a pivot below which cancellation is too strong. */
#define DEPENDENT 1e-12

#endif
