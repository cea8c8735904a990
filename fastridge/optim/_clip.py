"""Norm of all gradients, and the factor that keeps it below a limit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .._kernels import square_sum
from ._groups import is_array
from ._optimizer import as_float

__all__ = ["Clipped", "clip_grad_norm"]

# Sum of squares below which some squares may have underflowed.
_LEAST = 1e-290


class Clipped(NamedTuple):
    """Result of `clip_grad_norm`.

    Attributes
    ----------
    norm : float
        Euclidean norm of all gradients as one vector, times `scale`.
    scale : float
        Factor for `step`, at most the `scale` that was given.
    """

    norm: float
    scale: float


def clip_grad_norm(grads: Any, max_norm: float, *, scale: float = 1.0) -> Clipped:
    """Compute the factor of the gradients that makes their norm at most `max_norm`.

    The gradients are read once and not changed: pass the factor to ``step(grads, scale=...)``,
    which applies it in its own pass over memory. With ``norm = scale * |grads|``, the factor is
    ``scale * min(1, max_norm / (norm + 1e-6))``, as in torch.

    Parameters
    ----------
    grads : list of arrays, or mapping from names to arrays
        Gradients as for `step`: float32 or float64 buffers, None, or (row indices, rows).
    max_norm : float
        At least 0.
    scale : float, default=1.0
        Factor of the gradients before clipping, such as one over a loss scale.

    Returns
    -------
    Clipped
        The norm before clipping, and the factor. Both are NaN where a gradient has NaN; where a
        gradient is infinite, the norm is infinite and the factor 0.

    Raises
    ------
    ValueError, TypeError
        For gradients that are not C-contiguous float32 or float64 buffers, and for a negative
        `max_norm`.

    Notes
    -----
    Squares are summed in float64, after scaling where they would overflow or underflow; the result
    is the same for any number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.optim import SGD, clip_grad_norm
    >>> w = np.zeros(2)
    >>> grads = [np.array([30.0, 40.0])]
    >>> clipped = clip_grad_norm(grads, 5.0)
    >>> clipped.norm, round(clipped.scale, 6)
    (50.0, 0.1)
    >>> SGD([w], lr=1.0).step(grads, scale=clipped.scale)
    True
    >>> w.round(6)
    array([-3., -4.])
    """
    for name, value in (("max_norm", max_norm), ("scale", scale)):
        if isinstance(value, bool) or not hasattr(value, "__float__"):
            raise TypeError(f"{name}: expected a number; got {value!r}")
    max_norm, scale = as_float("max_norm", max_norm), as_float("scale", scale)
    if not max_norm >= 0:
        raise ValueError(f"max_norm: expected a number of at least 0; got {max_norm!r}")
    if is_array(grads):
        raise TypeError(f"grads: expected a list of arrays; got a single {type(grads).__name__}")
    items = grads.items() if isinstance(grads, Mapping) else enumerate(grads)
    arrays, names = [], []
    for key, g in items:
        if g is not None:
            arrays.append(_summed(g, f"grads[{key!r}]") if isinstance(g, tuple) else g)
            names.append(f"grads[{key!r}]")
    squares = square_sum(arrays, names)
    total = math.sqrt(squares) if _LEAST <= squares < math.inf else _far_norm(arrays)
    norm = abs(scale) * total
    return Clipped(norm, scale * min(1.0, max_norm / (norm + 1e-6)) if norm == norm else math.nan)


def _far_norm(arrays: list[Any]) -> float:
    """Return the norm of gradients whose squares leave the range of float64, or are NaN."""
    parts = [np.asarray(g, dtype=np.float64) for g in arrays]
    largest = float(np.max([np.max(np.abs(g), initial=0.0) for g in parts], initial=0.0))
    if not 0 < largest < math.inf:
        return largest
    scaled = (g.ravel() / largest for g in parts)
    return largest * math.sqrt(sum(float(g @ g) for g in scaled))


def _summed(g: tuple[Any, ...], name: str) -> Any:
    """Return the rows, with rows of the same index summed."""
    if len(g) != 2:
        raise ValueError(f"{name}: expected (row indices, rows); got {len(g)} values")
    index, rows = np.asarray(g[0]), g[1]
    distinct, place = np.unique(index, return_inverse=True)
    if len(distinct) == len(index):
        return rows
    rows = np.asarray(rows)
    out = np.zeros((len(distinct), *rows.shape[1:]))
    np.add.at(out, place, rows)
    return out
