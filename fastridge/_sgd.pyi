import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from fastridge._matrix import Matrix

LOSSES: dict[str, int]
RULES: dict[str, int]
T: int
SEEN: int
ETA: int
SHRINK: int
BEGAN: int
START: int
N_NUMBERS: int
UNSEEN: float

def shuffle_blocks(
    n: int, rows: int, window: int, first: int, second: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]: ...
def slope(loss: int, epsilon: float, y: float, p: float) -> float: ...

@disjoint_base
class Steps:
    p: int
    fields: int
    table: NDArray[np.float64]
    numbers: NDArray[np.float64]
    scale: NDArray[np.float64]
    scale_sum: NDArray[np.float64]
    unsound: bool
    def __init__(
        self,
        p: int,
        k: int,
        loss: int,
        rule: int,
        fit_intercept: bool,
        fields: int,
        averages: bool,
        debts: bool,
        group: NDArray[np.int32] | None,
        factor: NDArray[np.float64] | None,
        scale_factor: NDArray[np.float64],
    ) -> None: ...
    @property
    def by_field(self) -> bool: ...
    def place(
        self,
        table: NDArray[np.float64],
        numbers: NDArray[np.float64],
        scale: NDArray[np.float64],
        scale_sum: NDArray[np.float64],
    ) -> None: ...
    def lay_out(self, by_field: bool) -> None: ...
    def set_rule(
        self,
        epsilon: float,
        eta0: float,
        power: float,
        first: float,
        alpha: float,
        l1_ratio: float,
        average: float,
    ) -> None: ...
    def learn(
        self,
        A: Matrix,
        y: NDArray[np.float64] | None,
        codes: NDArray[np.int32] | None,
        soft: bool,
        weight: NDArray[np.float64] | None,
        positive: NDArray[np.float64] | None,
        order: NDArray[np.intp] | None,
        ahead: NDArray[np.intp] | None,
        window: int,
        begin: int,
        end: int,
        batch: int,
    ) -> float | None: ...
    def flush(self) -> None: ...
