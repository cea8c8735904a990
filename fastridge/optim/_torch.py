"""Convert the state of an optimizer to torch's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._optimizer import Optimizer

__all__ = ["torch_state_dict"]


def torch_state_dict(optimizer: Optimizer) -> dict[str, Any]:
    """Return a state_dict for ``load_state_dict`` of the torch optimizer of the same name.

    ``torch.optim.SGD``, ``Adam`` or ``AdamW`` over the same parameters in the same order then
    continues from the state of `optimizer`.

    Parameters
    ----------
    optimizer : SGD, Adam or AdamW

    Returns
    -------
    dict
        A `state_dict` with tensors, which are copies, in place of arrays, and with torch's
        ``decoupled_weight_decay`` in place of `decay_mode`. Independent decay becomes the decoupled
        decay of strength weight_decay / initial_lr, which is equivalent at every learning rate.
        Load the state of `AdamW` with ``decay_mode="l2"`` into ``torch.optim.Adam``, that of `Adam`
        with another mode into ``torch.optim.AdamW``, or from torch 2.7 on ``Adam``.

    Raises
    ------
    ValueError
        If torch has no equivalent step: with `penalty_factor`, or with momentum and decoupled or
        independent decay.
    ImportError
        If torch is not installed.

    See Also
    --------
    SGD.load_state_dict : Loads a state_dict of torch unchanged.

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
                f"optimizer: expected decay_mode 'l2', the only mode of torch's SGD; got {mode!r}"
            )
        if mode == "independent" and group["weight_decay"]:
            group["weight_decay"] /= group["initial_lr"]
    state = {}
    for i, kept in found["state"].items():
        # torch does not count steps for SGD
        given = {name: a for name, a in kept.items() if adam or name != "step"}
        if adam:
            given["step"] = np.float32(kept["step"])
        state[i] = {name: None if a is None else torch.tensor(a) for name, a in given.items()}
    return {"state": state, "param_groups": found["param_groups"]}
