from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._matrix import Matrix

_Vector: TypeAlias = NDArray[np.float64]

def gram_border(
    x: _Vector, i0: int, i1: int, unit: float, g: _Vector, n_threads: int = 0
) -> None: ...
def column_border(
    a: Matrix,
    columns: NDArray[np.int32] | None,
    weight: _Vector | None,
    i0: int,
    i1: int,
    g: _Vector,
    n_threads: int = 0,
) -> None: ...
