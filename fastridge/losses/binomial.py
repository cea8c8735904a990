"""The binomial loss: counts of successes and failures."""

from __future__ import annotations

import numpy as np

from .base import Array
from .logistic import Logistic


class Binomial(Logistic):
    """The logistic loss of counts (n, 2) of successes and failures.

    The target of a sample is its share of successes, and its weight is its number of trials, which
    may be 0.
    """

    name = "binomial"

    def shares(self, counts: Array, name: str = "y") -> tuple[Array, Array]:
        """Return the shares of successes (n,) and the trials (n,) of counts (n, 2).

        Raises
        ------
        ValueError
            If counts have another shape, are negative, or are all 0.
        """
        if counts.ndim != 2 or counts.shape[1] != 2:
            raise ValueError(
                f"{name} has shape {counts.shape}; expected (n_samples, 2), counts of successes"
                " and failures."
            )
        if not (counts >= 0).all() or not counts.any():
            raise ValueError(
                f"{name} has counts from {counts.min():g} to {counts.max():g}; expected numbers of"
                " at least 0, some of them positive."
            )
        trials = counts.sum(axis=1)
        return np.divide(counts[:, 0], trials, out=np.zeros(len(trials)), where=trials > 0), trials


BINOMIAL = Binomial()
