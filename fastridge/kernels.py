"""Optimizer steps of one tensor: in place, in one pass over memory, Python's lock released.

Thin and stable. What they do to many tensors at once, with their state, is in `fastridge.optim`.
"""

from ._kernels import adam_step, sgd_momentum_step, sgd_step

__all__ = ["adam_step", "sgd_momentum_step", "sgd_step"]
