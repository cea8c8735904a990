from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_Vector: TypeAlias = NDArray[np.float64]

def evaluate(
    kernel: int,
    parameter: float,
    y: _Vector,
    eta: _Vector,
    weight: _Vector | None = None,
    gradient: _Vector | None = None,
    curvature: _Vector | None = None,
    n_threads: int = 0,
) -> float: ...
