"""Losses: what a fit minimises beside its penalty, and how its predictions are judged.

A loss is a file with a class of `Loss`, and a line in `LOSSES`. Solvers, searches, diagnoses,
criteria and displays get values, errors, null models and words from the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .base import Interval, Loss, Score
from .binomial import BINOMIAL, Binomial
from .gamma import GAMMA, Gamma
from .huber import Huber
from .logistic import LOGISTIC, Logistic
from .multinomial import MULTINOMIAL, Multinomial
from .negative_binomial import NegativeBinomial
from .poisson import POISSON, Poisson
from .squared import SQUARED, Squared
from .tweedie import TweedieIdentity, TweedieLog, tweedie

# by name, how a loss is made from its parameters
LOSSES: dict[str, Callable[..., Loss]] = {
    "squared": lambda: SQUARED,
    "logistic": lambda: LOGISTIC,
    "binomial": lambda: BINOMIAL,
    "poisson": lambda: POISSON,
    "gamma": lambda: GAMMA,
    "tweedie": tweedie,
    "negative_binomial": NegativeBinomial,
    "huber": Huber,
    "multinomial": Multinomial,
}


def loss_of(loss: Any, **parameters: Any) -> Loss:
    """Return the loss of a name, or the loss itself.

    Parameters
    ----------
    loss : str or Loss
        A key of `LOSSES`, or a loss.
    **parameters
        What the loss of that name takes: power and link of "tweedie", theta of
        "negative_binomial", delta of "huber".

    Raises
    ------
    ValueError
        If there is no such loss, or it has no such parameter.
    """
    if isinstance(loss, Loss) and not parameters:
        return loss
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss is {loss!r}; expected one of {', '.join(LOSSES)}, or a Loss.")
    try:
        return LOSSES[loss](**parameters)
    except TypeError as error:
        raise ValueError(f"loss {loss!r} does not take {', '.join(parameters)}.") from error


__all__ = [
    "BINOMIAL",
    "GAMMA",
    "LOGISTIC",
    "LOSSES",
    "MULTINOMIAL",
    "POISSON",
    "SQUARED",
    "Binomial",
    "Gamma",
    "Huber",
    "Interval",
    "Logistic",
    "Loss",
    "Multinomial",
    "NegativeBinomial",
    "Poisson",
    "Score",
    "Squared",
    "TweedieIdentity",
    "TweedieLog",
    "loss_of",
    "tweedie",
]
