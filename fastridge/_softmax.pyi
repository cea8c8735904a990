from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from ._matrix import Matrix

_Vector: TypeAlias = NDArray[np.float64]

MOST_CLASSES: int

def lanes_of(k: int) -> int: ...

@disjoint_base
class LaneModel:
    @property
    def constant(self) -> _Vector: ...
    @property
    def total(self) -> _Vector: ...
    def __init__(
        self, A: Matrix, l2: _Vector, weight: _Vector, lanes: int, single: bool
    ) -> None: ...
    def begin(
        self, probability: NDArray[Any], inverse: NDArray[Any], R: NDArray[Any], D: NDArray[Any]
    ) -> tuple[float, float]: ...
    def turn(self, beta: float, n_threads: int = 0) -> float: ...
    def product(self, n_threads: int = 0) -> float: ...
    def step(self, a: float, n_threads: int = 0) -> tuple[float, float]: ...
