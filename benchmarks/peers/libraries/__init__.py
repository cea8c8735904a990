"""One module per library: its ridge and lasso, in its own units and with its own options.

A module lists its `SOLVERS`. To add a library, add a module and its name here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from work import Work

NAMES = (
    "fastridge",
    "numpy",
    "scipy",
    "sklearn",
    "glum",
    "himalaya",
    "torch",
    "adelie",
    "celer",
    "skglm",
    "glmnet",
    "polars_ds",
    "polars_ols",
    "dask_ml",
    "snapml",
    "statsmodels",
    "spark",
)


class Fitted(NamedTuple):
    """Coefficients (p,) or (k, p), intercept(s); seconds, if the library measured the time."""

    coef: Any
    intercept: Any
    seconds: float | None = None


@dataclass(frozen=True)
class Solver:
    """One solver of a library for a kind of work.

    Attributes
    ----------
    name : str
    make : callable
        make(work, tol) returns a function without arguments, which is timed and returns `Fitted`.
        Conversions of the data to the library's own form without a copy may be done in `make`.
    kinds : tuple of str
        Supported kinds of `Work`.
    tunable : bool
        Whether `tol` matters; a direct solver has none.
    dense, sparse : bool
        Supported storage of X.
    most : float
        Largest n * p * min(n, p) of dense data for which it is tried.
    features : float
        Largest number of columns for which it is tried.
    """

    name: str
    make: Callable[[Work, float], Callable[[], Fitted]]
    kinds: tuple[str, ...] = ("fit",)
    tunable: bool = False
    dense: bool = True
    sparse: bool = False
    most: float = 1e12
    features: float = float("inf")

    def refusal(self, work: Work) -> str | None:
        """Return why this solver skips this work; None where it does not."""
        if work.is_sparse and not self.sparse:
            return "takes dense data only"
        if not work.is_sparse and not self.dense:
            return "takes sparse data only"
        n, p = work.X.shape[-2:]
        if p > self.features or (not work.is_sparse and float(n) * p * min(n, p) > self.most):
            return "not tried: too much work"
        return None


class Library(NamedTuple):
    """Name, version (None: not installed) and solvers."""

    name: str
    version: str | None
    solvers: tuple[Solver, ...]


def load(name: str) -> Library:
    """Return the library, without solvers if it is not installed."""
    try:
        module = import_module(f"libraries.{name}")
        return Library(name, module.version(), tuple(module.solvers()))
    except ImportError:
        return Library(name, None, ())


def partitions(values: np.ndarray) -> Any:
    """Return a dask array over the rows, in 16 chunks; raise ImportError without Dask."""
    import dask.array

    rows = -(-len(values) // 16)
    return dask.array.from_array(values, chunks=(rows, *values.shape[1:]))


def centred(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return X - 1 mean', y - y_mean, mean and y_mean, for solvers without an intercept."""
    mean, y_mean = X.mean(axis=0), y.mean(axis=0)
    return X - mean, y - y_mean, mean, y_mean
