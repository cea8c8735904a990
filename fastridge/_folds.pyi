from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from ._matrix import Matrix

_Vector: TypeAlias = NDArray[np.float64]

MOST_FITS: int

def folds_pass(
    a: Matrix,
    kernel: int,
    parameter: float,
    y: _Vector,
    offset: _Vector | None,
    fits: NDArray[np.int32],
    weight: _Vector,
    v: _Vector,
    level: _Vector,
    eta: _Vector,
    r: _Vector,
    h: _Vector,
    gradient: _Vector | None,
    border: _Vector | None,
    sums: _Vector,
    n_threads: int = 0,
) -> None: ...

@disjoint_base
class FoldLanes:
    def __init__(self, X: Matrix, l2: _Vector, single: bool) -> None: ...
    def begin(
        self,
        alpha: _Vector,
        curve: NDArray[Any],
        about: NDArray[Any],
        inverse: NDArray[Any],
        R: NDArray[Any],
        D: NDArray[Any],
    ) -> _Vector: ...
    def turn(self, beta: _Vector, n_threads: int = 0) -> _Vector: ...
    def step(self, a: _Vector, n_threads: int = 0) -> _Vector: ...
