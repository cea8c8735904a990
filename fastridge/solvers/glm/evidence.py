"""The Laplace evidence of a generalised linear model.

With W the sum of the weights, phi the dispersion, F the objective minus the least loss over all
predictors, and k0 the number of unpenalised coefficients, including the intercept, whose prior is
flat,

    log evidence = -W F / phi - 1/2 log det M - 1/2 log sum(h) + 1/2 sum_j log(l2_j)
                   + k0 / 2 log(2 pi phi / W)

at the solution, for the Hessian M and the curvatures h of `hessian`, with sums over penalised j:
the likelihood times the prior N(0, phi / (W l2_j)), integrated by its second-order expansion, over
the likelihood of the least loss. For losses with a dispersion the latter is (2 pi phi)^(-W/2) up to
a function of y, which is exact for the squared loss (extended quasi-likelihood, Nelder & Pregibon
1987), and phi maximises the evidence: 2 W F / (W - k0).
"""

from __future__ import annotations

import numpy as np

from .hessian import Hessian


def log_evidence(hessian: Hessian) -> tuple[float, float]:
    """Return the log evidence, up to a constant that depends on y only, and the dispersion."""
    problem, state = hessian.problem, hessian.state
    if not hessian.is_exact:
        raise ValueError(
            f"alpha='evidence' needs a factorization of order {int(hessian.active.sum())}"
            f" (features) or {problem.n} (samples), which does not fit into memory; choose alpha by"
            " cross-validation instead."
        )
    if problem.loss.name == "huber" or problem.has_l1 or problem.has_bounds:
        raise ValueError(
            f"alpha='evidence' is not supported for loss {problem.loss.name!r}, an L1 penalty or"
            " bounds; expected a loss that is a likelihood, l1_ratio=0 and no bounds."
        )
    W = problem.total
    l2 = problem.l2[hessian.active]
    free = int((l2 == 0).sum()) + bool(problem.fit_intercept)
    above = max(state.loss - problem.least, 0.0) + state.penalty
    value = 0.5 * float(np.log(l2[l2 > 0]).sum()) - 0.5 * hessian.log_determinant()
    if problem.fit_intercept:
        value -= 0.5 * float(np.log(hessian.total))
    phi = 1.0
    if problem.loss.n_dispersion:
        if free >= W:
            raise ValueError(
                f"sample_weight sums to {W:g}, but {free} coefficients have no penalty; expected a"
                " larger sum, which leaves degrees of freedom for the dispersion."
            )
        phi = 2.0 * W * max(above, np.finfo(float).tiny) / (W - free)
        value -= 0.5 * W * float(np.log(2.0 * np.pi * phi))
    value -= W * above / phi
    return value + 0.5 * free * float(np.log(2.0 * np.pi * phi / W)), phi
