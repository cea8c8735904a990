from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._matrix import Matrix

_Vector: TypeAlias = NDArray[np.float64]

def row_squares(rows: Matrix, d: _Vector | None, unit: float, out: _Vector) -> None: ...

# intercept, number of passes, next seed
def descend(
    rows: Matrix,
    live: NDArray[np.int32],
    y: _Vector,
    weight: _Vector,
    offset: _Vector | None,
    d: _Vector | None,
    unit: float,
    rho: float,
    q: _Vector,
    z: _Vector,
    mu: _Vector,
    v: _Vector,
    b: float,
    seed: int,
    goal: float,
    most: int,
) -> tuple[float, int, int]: ...
