from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

_Vector: TypeAlias = NDArray[np.float64]

@disjoint_base
class Cholesky:
    def __init__(
        self, m: _Vector, keep: float = 0.0, n_threads: int = 0, single: bool = False
    ) -> None: ...
    def solve(self, b: _Vector, n_threads: int = 0) -> _Vector: ...

def cholesky_from(
    m: _Vector,
    size: int,
    kept: int,
    fresh: int,
    diagonal: _Vector,
    keep: float = 0.0,
    drop: bool = False,
    n_threads: int = 0,
) -> None: ...
def cholesky_remove(u: _Vector, gone: NDArray[np.uint8]) -> None: ...
def half_inverse(m: NDArray[np.float64], blas: NDArray[np.uintp]) -> bool: ...
def lower_product(
    m: NDArray[np.float64], out: NDArray[np.float64], blas: NDArray[np.uintp]
) -> None: ...
def tridiagonal_solve(
    d: _Vector, e: _Vector, shifts: _Vector, b: NDArray[np.float64], n_threads: int = 0
) -> tuple[NDArray[np.float64], _Vector]: ...
