"""Checked options of a fit, and the warning of one that does not reach its tolerance."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import _sklearn
from .result import GLMResult


class Options(NamedTuple):
    """Checked options of a fit.

    Attributes
    ----------
    tol : float
        Bound on the square root of the relative gap.
    """

    l1_ratio: float = 0.0
    fit_intercept: bool = True
    standardize: bool = False
    solver: str = "auto"
    tol: float = 1e-4
    max_iter: int = 100


class Constraints(NamedTuple):
    """What bears on each coefficient; None: nothing."""

    factor: NDArray[np.float64] | None = None
    lower: NDArray[np.float64] | None = None
    upper: NDArray[np.float64] | None = None


NOTHING = Constraints()


def warn_of(result: GLMResult, options: Options) -> None:
    """Say that a fit did not reach its tolerance."""
    warnings.warn(
        f"the fit stopped after {result.n_iter} iterations with a relative gap of"
        f" {result.relative_gap:.3g}, whose root is above tol={options.tol:g}; raise max_iter,"
        " scale the features, or use a larger alpha.",
        _sklearn.exception("ConvergenceWarning"),
        stacklevel=4,
    )
