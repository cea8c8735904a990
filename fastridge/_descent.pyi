from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from ._matrix import Matrix

_Vector: TypeAlias = NDArray[np.float64]

@disjoint_base
class Support: ...

@disjoint_base
class Descent:
    @staticmethod
    def take() -> Descent: ...
    def give_back(self) -> None: ...
    def set_gram(self, gram: _Vector) -> None: ...
    def set_columns(
        self, a: Matrix, columns: NDArray[np.int32] | None, weight: _Vector | None = None
    ) -> None: ...
    # objective, dual value, epochs, Newton steps, level
    def solve(
        self,
        l1: _Vector,
        l2: _Vector,
        lower: _Vector | None,
        upper: _Vector | None,
        square: _Vector,
        cross: _Vector,
        yy: float,
        w: _Vector,
        g: _Vector,
        w_dual: _Vector,
        g_dual: _Vector,
        whole: bool,
        tol: float,
        max_iter: int,
        seed: int = 0,
        residual: _Vector | None = None,
        level: float = 0.0,
        n_threads: int = 0,
        exact: int = 1,
    ) -> tuple[float, float, int, int, float]: ...
    def step(self, step: _Vector, g: _Vector) -> None: ...
    def unscreened(
        self,
        l1: _Vector,
        l2: _Vector,
        lower: _Vector | None,
        upper: _Vector | None,
        square: _Vector,
        w: _Vector,
        g: _Vector,
        yy: float,
        yr: float,
        rr: float,
        objective: float,
    ) -> NDArray[np.int32]: ...
    def dual_value(
        self,
        l1: _Vector,
        l2: _Vector,
        lower: _Vector | None,
        upper: _Vector | None,
        square: _Vector,
        g: _Vector,
        yy: float,
        yr: float,
        rr: float,
    ) -> float: ...
