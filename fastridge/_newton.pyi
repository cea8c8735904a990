from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._matrix import Matrix

_Vector: TypeAlias = NDArray[np.float64]

# intercept, eta, loss, penalty, r, h, gap, steps, how it ended, rate
def newton(
    a: Matrix,
    by_row: Matrix | None,
    kernel: int,
    parameter: float,
    is_convex: bool,
    y: _Vector,
    weight: _Vector,
    offset: _Vector | None,
    l2: _Vector,
    intercept: bool,
    u: _Vector,
    b: float,
    goal: float,
    max_iter: int,
    may_separate: bool = False,
    rate: float = 0.0,
    most: float = ...,
    is_large: bool = False,
    n_threads: int = 0,
) -> tuple[float, _Vector, float, float, _Vector, _Vector, float, int, int, float]: ...
