from typing import Any, Literal, TypeAlias

import numpy as np
from typing_extensions import disjoint_base

_Mode: TypeAlias = Literal["l2", "decoupled", "independent"]

def sgd_step(
    w: Any,
    g: Any,
    *,
    lr: float,
    weight_decay: float = 0.0,
    decay_mode: _Mode = "l2",
    lr0: float | None = None,
    scale: float = 1.0,
    maximize: bool = False,
    penalty_factor: Any = None,
    n_threads: int | None = None,
) -> None: ...
def sgd_momentum_step(
    w: Any,
    g: Any,
    b: Any,
    *,
    lr: float,
    momentum: float,
    dampening: float = 0.0,
    nesterov: bool = False,
    first: bool = False,
    weight_decay: float = 0.0,
    decay_mode: _Mode = "l2",
    lr0: float | None = None,
    scale: float = 1.0,
    maximize: bool = False,
    penalty_factor: Any = None,
    n_threads: int | None = None,
) -> None: ...
def adam_step(
    w: Any,
    g: Any,
    m: Any,
    v: Any,
    *,
    lr: float,
    t: int,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decay_mode: _Mode = "l2",
    lr0: float | None = None,
    v_max: Any = None,
    scale: float = 1.0,
    maximize: bool = False,
    penalty_factor: Any = None,
    n_threads: int | None = None,
) -> None: ...
def square_sum(arrays: list[Any], names: list[str]) -> float: ...

@disjoint_base
class Stepper:
    @property
    def params(self) -> tuple[Any, ...]: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    def __new__(
        cls,
        params: list[Any],
        labels: list[str],
        groups: list[int],
        factors: list[Any],
        adam: bool,
        n_groups: int,
    ) -> Stepper: ...
    def check_groups(self, param_groups: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]: ...
    def step(
        self, param_groups: list[dict[str, Any]], grads: list[Any], scale: float, look: int
    ) -> bool: ...
    def flush(self, which: int | None = None, index: Any = None) -> None: ...
    def get_state(self, i: int) -> tuple[int, bool, Any, Any, Any]: ...
    def set_states(self, states: list[tuple[int, bool, Any, Any, Any]]) -> None: ...
    def layout(self, i: int) -> tuple[tuple[int, ...], np.dtype[Any]]: ...
