from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

_Array: TypeAlias = NDArray[np.float64]

@disjoint_base
class GroupDescent:
    def __init__(self, most_direct: int = 1500) -> None: ...
    # objective, dual value, epochs, whether nothing but round-off is left to gain
    def solve(
        self,
        gram: _Array,
        l1: _Array,
        l2: _Array,
        cross: _Array,
        yy: float,
        w: _Array,
        w_dual: _Array,
        tol: float,
        max_iter: int,
        seed: int = 0,
        exact: int = 1,
        n_threads: int = 0,
        change: float = ...,
    ) -> tuple[float, float, int, bool]: ...

def dual_value(
    l1: _Array,
    l2: _Array,
    square: _Array,
    norm: _Array,
    yy: float,
    yr: float,
    rr: float,
) -> float: ...
