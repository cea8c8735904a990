"""Losses: the data term of the objective, and the scores of predictions.

To add a loss, write a module with a subclass of `Loss` and add a line to `LOSSES`. Solvers,
searches, diagnoses, criteria and displays take values, errors, null models and names from it.
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

# constructors of losses, by name; arguments are the parameters of the loss
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
        Parameters of the named loss: power and link of "tweedie", theta of "negative_binomial",
        delta of "huber".

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
