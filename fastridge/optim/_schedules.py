"""Schedules: functions of the step number, from 0, that return a factor of the learning rate."""

import math
from typing import Any

__all__ = ["constant", "cosine", "linear_warmup", "step_decay"]


def _count(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}: expected an integer; got {value!r}")
    if value < least:
        raise ValueError(f"{name}: expected at least {least}; got {value!r}")
    return value.__index__()


def _between(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise TypeError(f"{name}: expected a number; got {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name}: expected {low:g} to {high:g}; got {value!r}")
    return float(value)


def constant(t: int, *, n_warmup: int = 0) -> float:
    """Factor 1, after a linear warm-up.

    Parameters
    ----------
    t : int
        Number of the step, from 0.
    n_warmup : int, default=0
        Steps of the warm-up.

    Returns
    -------
    float
        Factor of the base learning rate, for `SGD.set_lr_factor`.

    Raises
    ------
    TypeError, ValueError
        If a number of steps is not an integer, or negative.

    Examples
    --------
    >>> from fastridge.optim import constant
    >>> constant(0), constant(1, n_warmup=4)
    (1.0, 0.5)
    """
    return linear_warmup(t, n_warmup)


def linear_warmup(t: int, n_warmup: int) -> float:
    """Factor ``(t + 1) / n_warmup``, and 1 from step ``n_warmup - 1`` on.

    Parameters
    ----------
    t : int
        Number of the step, from 0.
    n_warmup : int
        Steps of the warm-up; 0: none.

    Returns
    -------
    float
        Factor of the base learning rate.

    Raises
    ------
    TypeError, ValueError
        If a number of steps is not an integer, or negative.

    Examples
    --------
    >>> from fastridge.optim import linear_warmup
    >>> [linear_warmup(t, 4) for t in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    t, n_warmup = _count("t", t, 0), _count("n_warmup", n_warmup, 0)
    return min(1.0, (t + 1) / n_warmup) if n_warmup else 1.0


def cosine(t: int, n_steps: int, *, n_warmup: int = 0, final: float = 0.0) -> float:
    """Half a cosine from 1 down to `final`, after a linear warm-up.

    With ``s = (t - n_warmup) / (n_steps - n_warmup)``, at most 1:
    ``final + (1 - final) * (1 + cos(pi * s)) / 2``.

    Parameters
    ----------
    t : int
        Number of the step, from 0.
    n_steps : int
        First step at which the factor is `final`.
    n_warmup : int, default=0
        Steps of the warm-up, below `n_steps`.
    final : float, default=0.0
        Factor at the end, from 0 to 1.

    Returns
    -------
    float
        Factor of the base learning rate.

    Raises
    ------
    TypeError, ValueError
        For numbers out of their range.

    References
    ----------
    I. Loshchilov, F. Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017.

    Examples
    --------
    >>> from fastridge.optim import cosine
    >>> [round(cosine(t, 4), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    t, n_warmup = _count("t", t, 0), _count("n_warmup", n_warmup, 0)
    n_steps = _count("n_steps", n_steps, n_warmup + 1)
    final = _between("final", final, 0.0, 1.0)
    if t < n_warmup:
        return linear_warmup(t, n_warmup)
    s = min(1.0, (t - n_warmup) / (n_steps - n_warmup))
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * s))


def step_decay(t: int, every: int, *, factor: float = 0.1, n_warmup: int = 0) -> float:
    """Factor ``factor ** (t // every)``, after a linear warm-up.

    Parameters
    ----------
    t : int
        Number of the step, from 0.
    every : int
        Number of steps between reductions.
    factor : float, default=0.1
        Factor of each reduction, from 0 to 1.
    n_warmup : int, default=0
        Steps of the warm-up, whose factor is multiplied in.

    Returns
    -------
    float
        Factor of the base learning rate.

    Raises
    ------
    TypeError, ValueError
        For numbers out of their range.

    Examples
    --------
    >>> from fastridge.optim import step_decay
    >>> [step_decay(t, 2, factor=0.5) for t in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    every = _count("every", every, 1)
    factor = _between("factor", factor, 0.0, 1.0)
    return linear_warmup(t, n_warmup) * factor ** (t // every)
