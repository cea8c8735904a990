from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

_Vector: TypeAlias = NDArray[np.float64]

def instruction_sets() -> tuple[str, ...]: ...
def get_instruction_set() -> str: ...
def set_instruction_set(name: str) -> None: ...
def has_single() -> bool: ...
def has_threads() -> bool: ...
def after_fork() -> bool: ...
def get_serial_below() -> float: ...
def set_serial_below(work: float) -> None: ...
def _use_thread_count(function: Callable[[], int] | None) -> None: ...
def all_finite(a: NDArray[Any], n_threads: int = 0) -> bool: ...
def check_compressed(
    indices: NDArray[np.integer[Any]], indptr: NDArray[np.integer[Any]], n_minor: int
) -> int: ...

@disjoint_base
class Matrix:
    checked_at: int
    @property
    def n_rows(self) -> int: ...
    @property
    def n_columns(self) -> int: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def kind(self) -> Literal["C", "F", "csr", "csc"]: ...
    @property
    def nnz(self) -> int: ...
    @property
    def is_sparse(self) -> bool: ...
    @property
    def is_float32(self) -> bool: ...
    @property
    def shift(self) -> _Vector | None: ...
    @property
    def about(self) -> _Vector | None: ...
    @property
    def scale(self) -> _Vector | None: ...
    @property
    def arrays(self) -> tuple[NDArray[Any], ...]: ...
    @staticmethod
    def from_dense(X: NDArray[Any], by_column: bool = False) -> Matrix: ...
    @staticmethod
    def from_compressed(
        data: NDArray[Any],
        indices: NDArray[np.integer[Any]],
        indptr: NDArray[np.integer[Any]],
        shape: tuple[int, int],
        by_column: bool,
    ) -> Matrix: ...
    def centered(self, shift: _Vector | None = None, scale: _Vector | None = None) -> Matrix: ...
    def row_counts(self) -> NDArray[np.int64]: ...
    def column_counts(self) -> NDArray[np.int64]: ...
    def transposed_storage(self) -> Matrix: ...
    def split_columns(self, order: NDArray[np.int32], m: int) -> list[Matrix]: ...
    def dot(self, v: _Vector, out: _Vector | None = None, n_threads: int = 0) -> _Vector: ...
    def tdot(self, u: _Vector, out: _Vector | None = None, n_threads: int = 0) -> _Vector: ...
    def column_dot(self, j: int, u: _Vector) -> float: ...
    def column_axpy(self, j: int, t: float, u: _Vector) -> None: ...
    def row_dot(self, i: int, v: _Vector) -> float: ...
    def row_axpy(self, i: int, t: float, v: _Vector) -> None: ...
    def rows(self, i0: int, i1: int) -> _Vector: ...
    def copy_columns(
        self, columns: NDArray[np.int32], out: _Vector, n_threads: int = 0
    ) -> None: ...
    def column_stats(
        self, weight: _Vector | None = None, n_threads: int = 0
    ) -> tuple[_Vector, _Vector]: ...
    def near(
        self, mean: _Vector, variance: _Vector, weight: _Vector | None = None, n_threads: int = 0
    ) -> tuple[Matrix, _Vector]: ...
    def gram(
        self,
        weight: _Vector | None = None,
        columns: NDArray[np.integer[Any]] | None = None,
        n_threads: int = 0,
    ) -> _Vector: ...
    def gram_rows(
        self, weight: _Vector | None = None, n_threads: int = 0, single: bool = False
    ) -> _Vector: ...
    # (coef, (intercept, relative gradient, objective) or (3, k), n_iter, unrounded) or None
    def ridge(
        self,
        y: _Vector,
        alpha: _Vector,
        weight: _Vector | None,
        penalty: _Vector | None,
        fit_intercept: bool,
        n_threads: int = 0,
        precision: int = 0,
    ) -> Any: ...

def moments(
    a: Matrix, y: _Vector, n_targets: int, weight: _Vector | None = None, n_threads: int = 0
) -> tuple[float, _Vector, _Vector, _Vector, _Vector, _Vector, _Vector, _Vector, bool] | None: ...

# coef (b, k, p); intercept, relative gradient and objective, of float32 the first unrounded too,
# (3 or 4, b, k); status (b,)
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

def tridiagonal_solve(
    d: _Vector, e: _Vector, shifts: _Vector, b: NDArray[np.float64], n_threads: int = 0
) -> tuple[NDArray[np.float64], _Vector]: ...
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

@disjoint_base
class Descent:
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

def gram_border(
    x: _Vector, i0: int, i1: int, unit: float, g: _Vector, n_threads: int = 0
) -> None: ...
def column_border(
    a: Matrix,
    columns: NDArray[np.int32] | None,
    weight: _Vector | None,
    i0: int,
    i1: int,
    g: _Vector,
    n_threads: int = 0,
) -> None: ...
def descend_groups(
    gram: _Vector,
    l1: _Vector,
    l2: _Vector,
    square: _Vector,
    cross: _Vector,
    yy: float,
    w: _Vector,
    g: _Vector,
    w_dual: _Vector,
    tol: float,
    max_iter: int,
    seed: int = 0,
) -> tuple[float, float, int]: ...
def groups_dual(l1: _Vector, l2: _Vector, norm: _Vector, yr: float, rr: float) -> float: ...
