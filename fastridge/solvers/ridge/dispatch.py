"""Choice of the function that solves; the one for priors is imported only where needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .result import RidgeResult


def solver_with_prior(prior_mean: Any, penalty_matrix: Any) -> Callable[..., RidgeResult]:
    """Return the function that solves with a prior, whose arrays it checks."""
    from .prior import solve_prior

    return partial(solve_prior, prior_mean=prior_mean, penalty_matrix=penalty_matrix)


def solver_of_moments(prior_mean: Any, penalty_matrix: Any) -> Callable[..., RidgeResult]:
    """Return the function that checks arguments and solves moments; both None: no prior."""
    if prior_mean is None and penalty_matrix is None:
        from .moments import solve_moments

        return solve_moments
    from .prior import solve_prior_moments

    return partial(solve_prior_moments, prior_mean=prior_mean, penalty_matrix=penalty_matrix)
