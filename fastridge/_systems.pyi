from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from ._dense import Cholesky
from ._matrix import Matrix

_Vector: TypeAlias = NDArray[np.float64]

def ridge(
    A: Matrix,
    y: _Vector,
    alpha: _Vector,
    weight: _Vector | None,
    penalty: _Vector | None,
    fit_intercept: bool,
    n_threads: int = 0,
    precision: int = 0,
) -> Any: ...
def ridge_batch(
    X: NDArray[Any],
    y: _Vector,
    n_targets: int,
    alpha: _Vector,
    weight: _Vector | None,
    penalty: _Vector | None,
    fit_intercept: bool,
    n_threads: int = 0,
) -> tuple[_Vector, _Vector, NDArray[np.int32]]: ...

@disjoint_base
class Reduced:
    @property
    def n_columns(self) -> int: ...
    @property
    def order(self) -> NDArray[np.int32]: ...
    @property
    def nnz(self) -> int: ...
    def __init__(
        self,
        a: Matrix,
        order: NDArray[np.int32],
        n_heavy: int,
        mean: _Vector,
        squares: _Vector,
        total: float,
        weight: _Vector | None,
        most: float,
        n_threads: int = 0,
    ) -> None: ...
    def reweigh(
        self,
        mean: _Vector,
        squares: _Vector,
        total: float,
        weight: _Vector | None,
        n_threads: int = 0,
    ) -> None: ...
    def factor(
        self, alpha: float, d: _Vector, norm: _Vector | None = None, n_threads: int = 0
    ) -> None: ...
    def solve(
        self,
        r: _Vector,
        bound: float,
        limit: int,
        share: float = 0.0,
        objective: float = 0.0,
        n_threads: int = 0,
    ) -> tuple[_Vector, int]: ...

def schur_solve(
    heavy: Matrix | None,
    light: Matrix,
    weight: _Vector | None,
    factor: Cholesky | None,
    alpha: float,
    r: NDArray[np.float64],
    bound: _Vector,
    limit: int,
    share: float = 0.0,
    objective: _Vector | None = None,
    n_threads: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]: ...
