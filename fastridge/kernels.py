"""Optimizer steps for one tensor: in place, in one pass over memory, with the GIL released.

`fastridge.optim` applies them to many tensors and keeps the state.
"""

from ._kernels import adam_step, sgd_momentum_step, sgd_step

__all__ = ["adam_step", "sgd_momentum_step", "sgd_step"]
