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
def conjugate(
    kernel: int,
    parameter: float,
    y: _Vector,
    theta: _Vector,
    weight: _Vector | None = None,
    n_threads: int = 0,
) -> float | None: ...
def softmax(
    eta: _Vector,
    label: NDArray[np.int32] | None = None,
    share: _Vector | None = None,
    weight: _Vector | None = None,
    gradient: _Vector | None = None,
    probability: _Vector | None = None,
    curvature: _Vector | None = None,
    n_threads: int = 0,
) -> float: ...
def softmax_curve(
    probability: _Vector, weight: _Vector | None, t: _Vector, n_threads: int = 0
) -> None: ...
