from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._matrix import Matrix

_Vector: TypeAlias = NDArray[np.float64]

def moments(
    a: Matrix, y: _Vector, n_targets: int, weight: _Vector | None = None, n_threads: int = 0
) -> tuple[float, _Vector, _Vector, _Vector, _Vector, _Vector, _Vector, _Vector, bool] | None: ...
def centred_quadratic(
    a: Matrix, y: _Vector
) -> tuple[_Vector, float, float, _Vector, _Vector, _Vector, float] | None: ...

# coef (b, k, p); intercept, relative gradient and objective, of float32 the first unrounded too,
# (3 or 4, b, k); status (b,)
