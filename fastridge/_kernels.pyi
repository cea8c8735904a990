from typing import Any, Literal, TypeAlias

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
