"""Checks of the parameters of a fit: numbers, penalties, flags, bounds and seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checks import all_finite, held
from .inputs import (
    FLOAT64,
    as_array,
    as_real,
    dense_not_finite,
    numbers,
)

LARGEST_INT = 2**31 - 1
LARGEST_SIZE = 2**63 - 1


def check_penalty_factor(penalty_factor: Any, n_features: int) -> NDArray[np.float64] | None:
    """Check the factors that multiply the penalty of each feature.

    Parameters
    ----------
    penalty_factor : array-like of shape (n_features,) or None
        Non-negative; 0 leaves the feature unpenalised.
    n_features : int
        Number of features.

    Returns
    -------
    ndarray of shape (n_features,), dtype float64, or None
        None where `penalty_factor` is None.

    Raises
    ------
    ValueError
        If the factors have the wrong shape, or are negative or not finite.
    TypeError
        If they are not numbers.
    """
    if penalty_factor is None:
        return None
    return non_negative(penalty_factor, n_features, "penalty_factor", "feature")


def check_strengths(alpha: float, factor: NDArray[np.float64]) -> None:
    """Raise an error for penalties of features that overflow."""
    largest = float(factor.max(initial=0.0))
    if np.isfinite(alpha) and not np.isfinite(alpha * largest):
        raise ValueError(
            f"penalty_factor is {largest:g} for a feature, which the strength {alpha:g} of the"
            " penalty multiplies beyond float64; expected smaller numbers."
        )


def check_flags(**flags: Any) -> None:
    """Check options that are on or off.

    Parameters
    ----------
    **flags : bool

    Raises
    ------
    TypeError
        If one of them is something else.
    """
    for name, value in flags.items():
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError(f"{name} is {value!r}; expected True or False.")


def check_alpha(alpha: Any, n_targets: int) -> NDArray[np.float64]:
    """Check the strength of the penalty.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,)
        Non-negative and finite.
    n_targets : int
        Number of targets.

    Returns
    -------
    ndarray of shape (1,) or (n_targets,), dtype float64
        One strength for all targets, or one for each.

    Raises
    ------
    ValueError
        If `alpha` has the wrong shape, is negative or not finite.
    TypeError
        If it is not a number.
    """
    if type(alpha) is float and 0.0 <= alpha < np.inf:
        return np.array((alpha,))
    if alpha is None:
        raise TypeError("alpha is None; expected a non-negative number, or one for each target.")
    values = numbers(as_array(alpha, "alpha"), "alpha")
    if values.ndim > 1 or (values.ndim == 1 and values.shape[0] not in (1, n_targets)):
        raise ValueError(
            f"alpha has shape {values.shape}; expected one number, or one for each of the"
            f" {n_targets} targets. Number of targets and number of penalties do not correspond:"
            f" {values.size} != {n_targets}."
        )
    values = np.require(values.reshape(-1), np.float64, ["C", "A"])
    require_non_negative(values, "alpha")
    return values


def check_bounds(
    lower: Any, upper: Any, n_features: int
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Check the bounds of the coefficients.

    Parameters
    ----------
    lower, upper : float or array-like of shape (n_features,) or None
        Infinite ones bound nothing.
    n_features : int
        Number of features.

    Returns
    -------
    tuple of ndarray of shape (n_features,), dtype float64, or None
        None where nothing is bounded on that side.

    Raises
    ------
    ValueError
        If a bound has the wrong shape or is NaN, or a lower one is above the upper.
    TypeError
        If they are not numbers.
    """
    found: list[NDArray[np.float64] | None] = []
    for name, given, nothing in (("lower", lower, -np.inf), ("upper", upper, np.inf)):
        if given is None:
            found.append(None)
            continue
        values = numbers(as_array(given, name), name)
        if values.ndim == 0:
            values = np.full(n_features, values, dtype=np.float64)
        if values.shape != (n_features,):
            raise ValueError(
                f"{name} has shape {values.shape}; expected a number or ({n_features},): one per"
                " feature."
            )
        values = np.require(values, np.float64, ["C", "A"])
        if np.isnan(values).any() or (values == -nothing).any():
            place = int((np.isnan(values) | (values == -nothing)).argmax())
            raise ValueError(
                f"{name} is {values[place]:g} at position {place}; expected a number, or"
                f" {nothing:g} for no bound."
            )
        found.append(None if (values == nothing).all() else values)
    low, high = found
    if low is not None and high is not None and (low > high).any():
        place = int((low > high).argmax())
        raise ValueError(
            f"lower is {low[place]:g} and upper is {high[place]:g} at position {place}; expected"
            " lower <= upper."
        )
    return low, high


def non_negative(
    given: Any, size: int, name: str, unit: str, scalar: bool = False
) -> NDArray[np.float64]:
    """Return a vector of `size` finite, non-negative numbers; with scalar, broadcast a number."""
    if type(given) is np.ndarray and given.dtype is FLOAT64:
        values = held(given)
    else:
        values = numbers(as_array(given, name), name)
    if scalar and values.ndim == 0:
        require_non_negative(values.reshape(1), name)
        values = np.full(size, values, dtype=np.float64)
    if values.shape != (size,):
        scalar_too = " Sample weights must be 1D array or scalar." if scalar else ""
        raise ValueError(
            f"{name} has shape {values.shape}; expected ({size},): one number per {unit}."
            + scalar_too
        )
    values = np.require(values, np.float64, ["C", "A"])
    require_non_negative(values, name)
    return values


def require_non_negative(values: NDArray[np.float64], name: str) -> None:
    """Raise if there are negative numbers, NaN or infinity, with the position."""
    if not all_finite(values):
        raise ValueError(dense_not_finite(values, name))
    if values.size and values.min() < 0:
        place = int((values < 0).argmax())
        where = f"[{place}]" if values.size > 1 else ""
        raise ValueError(f"{name}{where} == {values[place]:g}, must be >= 0.0.")


def check_tolerance(tol: Any) -> None:
    """Check a parameter `tol`, a number of at least 0."""
    number = isinstance(tol, (int, float, np.floating)) and not isinstance(tol, bool)
    # an int too large for a float is refused, infinity is not
    if not number or not tol >= 0 or (isinstance(tol, int) and as_real(tol) == np.inf):
        raise ValueError(f"tol must be a non-negative number; got {tol!r}.")


def check_seed(random_state: Any) -> int:
    """Return the seed of random numbers."""
    is_int = hasattr(random_state, "__index__") and not isinstance(random_state, (bool, np.bool_))
    if not is_int or random_state < 0:
        raise ValueError(f"random_state must be an int of at least 0; got {random_state!r}.")
    return int(random_state)


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer; got {value!r}.")
    if value < 1:
        raise ValueError(f"{name} must be at least 1; got {value!r}.")
    return int(value.__index__())


def check_count(name: str, value: Any, largest: int = LARGEST_SIZE) -> int:
    """Return a parameter that must be an integer of at least 1, the length of an array."""
    count = _whole(name, value)
    if count > largest:
        raise ValueError(f"{name} must be at most {largest}; got {as_real(count):.3g}.")
    return count


def check_limit(name: str, value: Any, largest: int = LARGEST_INT) -> int:
    """Return a limit of steps or rows, an integer of at least 1, as kernels take it."""
    return as_limit(_whole(name, value), largest)


def as_limit(value: Any, largest: int = LARGEST_INT) -> int:
    """Return a limit, or the largest that kernels take: no fit has so many steps or rows."""
    return min(int(value), largest)


def is_sample(value: Any) -> bool:
    """Return whether `warm_start` asks for a start from a part of the data."""
    return isinstance(value, str) and value == "sample"
