"""The state of an optimizer as torch loads it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._optimizer import Optimizer

__all__ = ["torch_state_dict"]


def torch_state_dict(optimizer: Optimizer) -> dict[str, Any]:
    """Return what ``load_state_dict`` of the torch optimizer of the same name takes.

    ``torch.optim.SGD``, ``Adam`` or ``AdamW`` over the same parameters in the same order then goes
    on where `optimizer` is.

    Parameters
    ----------
    optimizer : SGD, Adam or AdamW

    Returns
    -------
    dict
        A `state_dict` with tensors, which are copies, in place of arrays, and with torch's
        ``decoupled_weight_decay`` in place of `decay_mode`. Independent decay becomes the decoupled
        decay of strength weight_decay / initial_lr, which is the same at every learning rate.
        `AdamW` with ``decay_mode="l2"`` is for ``torch.optim.Adam``; `Adam` with another mode for
        ``torch.optim.AdamW``, or from torch 2.7 on ``Adam``.

    Raises
    ------
    ValueError
        If torch has no such step: `penalty_factor`, and momentum with decoupled or independent
        decay.
    ImportError
        If torch is not installed.

    See Also
    --------
    SGD.load_state_dict : The reverse takes a state_dict of torch as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.optim import AdamW, torch_state_dict
    >>> optimizer = AdamW([np.ones(3)], lr=0.1)
    >>> optimizer.step([np.ones(3)])
    True
    >>> saved = torch_state_dict(optimizer)  # doctest: +SKIP
    >>> torch.optim.AdamW([torch.ones(3)]).load_state_dict(saved)  # doctest: +SKIP
    """
    import torch

    found = optimizer.state_dict()
    adam = optimizer._adam
    for group, own in zip(found["param_groups"], optimizer.param_groups, strict=True):
        if any(factor is not None for factor in own["penalty_factor"] or ()):
            raise ValueError(
                "optimizer: expected no penalty_factor, which torch does not have; got a group "
                "with one"
            )
        mode = group.pop("decay_mode")
        if adam:
            group["decoupled_weight_decay"] = mode != "l2"
        elif mode != "l2" and group["weight_decay"] and group["momentum"]:
            raise ValueError(
                f"optimizer: expected decay_mode 'l2', since torch's SGD has no other; got {mode!r}"
            )
        if mode == "independent" and group["weight_decay"]:
            group["weight_decay"] /= group["initial_lr"]
    state = {}
    for i, kept in found["state"].items():
        # torch counts no steps for gradient descent
        given = {name: a for name, a in kept.items() if adam or name != "step"}
        if adam:
            given["step"] = np.float32(kept["step"])
        state[i] = {name: None if a is None else torch.tensor(a) for name, a in given.items()}
    return {"state": state, "param_groups": found["param_groups"]}
