"""Checks of the options and warm starts of coordinate descent."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.inputs import as_array, as_real
from ...data.parameters import check_flags, check_limit, check_seed, non_negative

SOLVERS = ("auto", "gram", "working", "columns")


class Options:
    """Checked options of a fit."""

    __slots__ = (
        "fit_intercept",
        "l1_ratio",
        "max_iter",
        "seed",
        "solver",
        "standardize",
        "tol",
    )

    def __init__(
        self,
        l1_ratio: float,
        fit_intercept: bool,
        standardize: bool,
        solver: str,
        tol: float,
        max_iter: int,
        selection: str,
        random_state: int | None,
    ) -> None:
        check_flags(fit_intercept=fit_intercept, standardize=standardize)
        self.l1_ratio = check_number("l1_ratio", l1_ratio, 0.0, 1.0)
        self.tol = check_number("tol", tol, 0.0, np.inf)
        self.max_iter = check_limit("max_iter", max_iter)
        if not isinstance(solver, str) or solver not in SOLVERS:
            raise ValueError(f"solver must be one of {', '.join(SOLVERS)}; got {solver!r}.")
        if not isinstance(selection, str) or selection not in ("cyclic", "random"):
            raise ValueError(f"selection must be 'cyclic' or 'random'; got {selection!r}.")
        self.solver = solver
        self.fit_intercept, self.standardize = bool(fit_intercept), bool(standardize)
        self.seed = 0
        if selection == "random":
            seed = 0 if random_state is None else check_seed(random_state)
            # any odd multiplier of 64 bits; 0 would mean cyclic
            self.seed = (seed * 0x9E3779B97F4A7C15 + 1) & 0xFFFFFFFFFFFFFFFF or 1


# cached: estimators use the same options in each fit, and they are never modified
known_options = functools.lru_cache(maxsize=64, typed=True)(Options)


def check_alphas(alphas: Any) -> NDArray[np.float64]:
    """Check penalties and return them from large to small."""
    values = as_array(alphas, "alphas")
    if values.ndim != 1 or not len(values):
        raise ValueError(f"alphas has shape {values.shape}; expected one or more penalties.")
    return np.sort(non_negative(alphas, len(values), "alphas", "fit"))[::-1].copy()


def check_number(name, value, low, high):
    if type(value) is float and low <= value <= high and value < np.inf:
        return value
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.floating, np.integer)
    ):
        raise TypeError(f"{name} must be a number; got {value!r}.")
    if not (low <= value <= high) or not math.isfinite(as_real(value)):
        limit = "a finite number of at least 0" if high == np.inf else f"from {low:g} to {high:g}"
        raise ValueError(f"{name} must be {limit}; got {value!r}.")
    return float(value)


def check_stop(stop):
    if stop is not None and not callable(stop):
        raise TypeError(f"stop is {stop!r}; expected a function of the path so far, or None.")
