from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from ._matrix import Matrix

_Vector: TypeAlias = NDArray[np.float64]

MOST_CLASSES: int

@disjoint_base
class PairRows:
    def __init__(
        self,
        X: Matrix,
        features: NDArray[np.int32],
        classes: NDArray[np.int32],
        n_classes: int,
        weight: _Vector,
    ) -> None: ...
    def product(
        self, prob: _Vector, damping: float, v: _Vector, constant: _Vector, n_threads: int = 0
    ) -> tuple[_Vector, _Vector]: ...

def class_slopes(
    z: _Vector, mean: _Vector, prob: _Vector, weight: _Vector, damping: float, r: _Vector
) -> tuple[_Vector, float]: ...
def move_class(along: _Vector, e: float, prob: _Vector, z: _Vector, mean: _Vector) -> None: ...
