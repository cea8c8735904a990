"""Forms of parameters: lists, names, groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

__all__ = ["arrays_and_names", "is_array", "split_decay"]

# words in names of parameters that are not decayed, between dots, underscores or digits
_EXEMPT = ("bias", "norm", "ln", "bn", "batchnorm", "layernorm", "groupnorm", "rmsnorm")


def is_array(value: Any) -> bool:
    """Return whether a value is one array rather than several."""
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "__dlpack__"):
        return True
    if isinstance(value, (list, tuple, dict)):
        return False
    try:
        memoryview(value)
    except TypeError:
        return False
    return True


def arrays_and_names(params: Any, name: str = "params") -> tuple[list[Any], list[str] | None]:
    """Return the arrays of an iterable, a mapping or pairs of (name, array), and the names."""
    if is_array(params):
        raise TypeError(
            f"{name}: expected a list of arrays, a mapping from names to arrays, or groups of them;"
            f" got a single {type(params).__name__}: put it in a list"
        )
    if isinstance(params, Mapping):
        params = list(params.items())
    elif isinstance(params, (str, bytes)) or not isinstance(params, Iterable):
        raise TypeError(f"{name}: expected a list of arrays; got {params!r}")
    params = list(params)
    named = [isinstance(p, tuple) and len(p) == 2 and isinstance(p[0], str) for p in params]
    if not any(named):
        return params, None
    if not all(named):
        raise ValueError(
            f"{name}: expected names for all parameters or for none; got names for some of them"
        )
    names = [p[0] for p in params]
    for p in names:
        if names.count(p) > 1:
            raise ValueError(f"{name}: expected each name once; got {p!r} {names.count(p)} times")
    return [p[1] for p in params], names


def _dimensions(p: Any) -> int:
    return p.ndim if hasattr(p, "ndim") else memoryview(p).ndim


def split_decay(
    params: Any,
    weight_decay: float,
    *,
    exempt: Iterable[str] | None = None,
    one_dimensional: bool = True,
) -> list[dict[str, Any]]:
    """Split parameters into those that decay, and biases and normalisations, which do not.

    Parameters
    ----------
    params : list of arrays, mapping from names to arrays, or pairs of (name, array)
        Parameters of a model.
    weight_decay : float
        Decay of those that are not exempt.
    exempt : iterable of str or None, default=None
        Words: a parameter is exempt if one of them is in its name, between dots, other signs or
        digits; case is ignored. None: "bias" and the usual names of normalisations ("norm",
        "layernorm", "batchnorm", "groupnorm", "rmsnorm", "ln", "bn").
    one_dimensional : bool, default=True
        Exempt parameters of fewer than two dimensions, whatever their names.

    Returns
    -------
    list of dict
        Groups for an optimizer, ``{"params": ..., "weight_decay": ...}``, the decayed one first;
        an empty group is left out. Named parameters keep their names, so that gradients can be
        given by name, in any order.

    Raises
    ------
    TypeError, ValueError
        If `params` is not one of these.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.optim import split_decay
    >>> model = {"layer1.weight": np.ones((2, 3)), "layer1.bias": np.zeros(2)}
    >>> for group in split_decay(model, 0.01):
    ...     print(list(group["params"]), group["weight_decay"])
    ['layer1.weight'] 0.01
    ['layer1.bias'] 0.0
    """
    arrays, names = arrays_and_names(params)
    if isinstance(exempt, str):
        raise TypeError(f"exempt: expected a list of strings; got a single string {exempt!r}")
    words = {word.lower() for word in (_EXEMPT if exempt is None else exempt)}
    chosen: tuple[list[int], list[int]] = ([], [])
    for i, p in enumerate(arrays):
        parts = re.split(r"[^a-z]+", names[i].lower()) if names else []
        free = (one_dimensional and _dimensions(p) < 2) or not words.isdisjoint(parts)
        chosen[free].append(i)
    groups = []
    for places, decay in zip(chosen, (weight_decay, 0.0), strict=True):
        if places:
            kept: Any = [arrays[i] for i in places]
            if names:
                kept = dict(zip([names[i] for i in places], kept, strict=True))
            groups.append({"params": kept, "weight_decay": decay})
    return groups
