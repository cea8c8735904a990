from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._matrix import Matrix

_Vector: TypeAlias = NDArray[np.float64]

# the loss, its gradient (p + 1,), its Hessian (p + 1, p + 1)
def equations(
    a: Matrix,
    kernel: int,
    parameter: float,
    y: _Vector,
    weight: _Vector,
    offset: _Vector | None,
    u: _Vector,
    b: float,
    n_threads: int = 0,
) -> tuple[float, _Vector, _Vector]: ...
def bordered_gram(a: Matrix, h: _Vector, n_threads: int = 0) -> _Vector: ...
def bordered_about(
    gram: _Vector, border: _Vector, total: float, shift: _Vector | None
) -> _Vector: ...
