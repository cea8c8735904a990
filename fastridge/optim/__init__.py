"""Optimizers that update arrays of the caller in place.

`SGD`, `Adam` and `AdamW` have torch's names, order of updates and defaults. One `step` takes the
gradients of all parameters and passes over memory once. Each has three modes of weight decay:

================= =========================================== ==================================
`decay_mode`      what it does to w                           default of
================= =========================================== ==================================
``"l2"``          the gradient gains ``weight_decay * w``     `SGD`, `Adam`
``"decoupled"``   ``w *= 1 - lr * weight_decay``              `AdamW`
``"independent"`` ``w *= 1 - lr / initial_lr * weight_decay`` none
================= =========================================== ==================================
"""

from ._clip import Clipped, clip_grad_norm
from ._groups import split_decay
from ._optimizers import SGD, Adam, AdamW
from ._schedules import constant, cosine, linear_warmup, step_decay
from ._torch import torch_state_dict

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Clipped",
    "clip_grad_norm",
    "constant",
    "cosine",
    "linear_warmup",
    "split_decay",
    "step_decay",
    "torch_state_dict",
]
