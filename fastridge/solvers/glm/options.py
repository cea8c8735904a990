"""Checked options and offsets, and the warning of a fit that does not reach its tolerance."""

from __future__ import annotations

import warnings
from numbers import Number
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import _sklearn
from ..._stack import outside
from ...data.check import check_target
from ...losses import Loss
from ...systems.cost import default_memory, fits

if TYPE_CHECKING:
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
    """Penalty factors and bounds of the coefficients; None: none."""

    factor: NDArray[np.float64] | None = None
    lower: NDArray[np.float64] | None = None
    upper: NDArray[np.float64] | None = None


NOTHING = Constraints()


def check_offset(offset: Any, exposure: Any, loss: Loss, n: int) -> NDArray[np.float64] | None:
    """Return the sum of an offset and the logarithm of an exposure, or None without both."""
    total = None
    for name, given in (("offset", offset), ("exposure", exposure)):
        if isinstance(given, (Number, str)) or getattr(given, "ndim", 1) == 0:
            raise ValueError(f"{name} is {given!r}; expected ({n},) numbers, one per sample.")
    if offset is not None:
        total = check_target(offset, n, name="offset")
        if total.ndim != 1:
            raise ValueError(f"offset has shape {total.shape}; expected ({n},).")
    if exposure is not None:
        if not loss.has_log_link:
            raise ValueError(
                f"exposure is given for the loss {loss.name!r}, which has no log link; expected an"
                " offset, or None."
            )
        times = check_target(exposure, n, name="exposure")
        if times.ndim != 1 or not (times > 0).all():
            raise ValueError(
                f"exposure has shape {times.shape} and the minimum {times.min():g}; expected ({n},)"
                " numbers above 0."
            )
        log = np.log(times)
        total = log if total is None else total + log
    return total


def check_offsets(offset: Any, exposure: Any, n: int, k: int) -> NDArray[np.float64] | None:
    """Check offsets (n, k) of the predictors of k classes, and refuse an exposure."""
    if exposure is not None:
        raise ValueError(
            "exposure is given for the loss 'multinomial', which has no log link; expected an"
            " offset, or None."
        )
    if offset is None:
        return None
    total = check_target(offset, n, name="offset")
    if total.shape != (n, k):
        raise ValueError(f"offset has shape {total.shape}; expected {(n, k)}.")
    return total


def require_square(solver: str, order: int) -> None:
    """Raise if a matrix of this order, which a given solver forms, exceeds the memory allowed."""
    need = 8.0 * order * order
    if not fits(need, None):
        raise ValueError(
            f"solver is {solver!r}, which needs a matrix of order {order} and {need:.2g} bytes,"
            f" more than the {default_memory():.2g} allowed; expected 'auto' or 'newton-cg'."
        )


def warn_of(result: GLMResult, options: Options) -> None:
    """Warn that a fit did not reach its tolerance."""
    warnings.warn(
        f"the fit stopped after {result.n_iter} iterations with a relative gap of"
        f" {result.relative_gap:.3g}, whose square root is above tol={options.tol:g}; try a larger"
        " max_iter, features of similar scales, or a larger alpha.",
        _sklearn.exception("ConvergenceWarning"),
        stacklevel=outside(),
    )
