from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

_Vector: TypeAlias = NDArray[np.float64]
_Places: TypeAlias = NDArray[np.int64]

BLOCK_ROWS: int

# coef, intercept, relative gradient, prediction, status, flags
def rolling(
    X: NDArray[Any],
    y: _Vector,
    w: _Vector | None,
    order: _Places | None,
    starts: _Places,
    window_of: _Places | None,
    n_windows: int,
    factor: _Vector,
    alpha: _Vector,
    alpha_each: bool,
    intercept: bool,
    window: int,
    step: int,
    decay: _Vector | None,
    least: float,
    predict: bool = True,
    n_threads: int = 0,
) -> tuple[
    NDArray[Any] | None,
    NDArray[Any] | None,
    NDArray[Any] | None,
    NDArray[Any] | None,
    NDArray[np.uint8],
    int,
]: ...

# of each window, and of the last window before each row
def choose(
    prediction: _Vector,
    y: _Vector,
    w: _Vector | None,
    order: _Places | None,
    starts: _Places,
    window_of: _Places | None,
    n_windows: int,
    window: int,
    decay: _Vector | None,
    rank: _Places,
) -> tuple[_Places, _Places]: ...
