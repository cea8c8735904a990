"""Hold out rows for early stopping: the same as scikit-learn's SGD for the same seed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]


def hold_out(
    n: int, fraction: float, random: np.random.RandomState, codes: NDArray[Any] | None = None
) -> tuple[Rows, Rows]:
    """Split rows at random, with the same shares of each class on both sides.

    Parameters
    ----------
    n : int
        Number of rows.
    fraction : float
        Share of the rows to hold out, rounded up.
    random : RandomState
    codes : ndarray of int, shape (n,), or None
        Classes, from 0 on; None: no stratification.

    Returns
    -------
    tuple of ndarray
        Rows to learn from and rows held out, both sorted.

    Raises
    ------
    ValueError
        If one part would be empty.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.linear_model._held_out import hold_out
    >>> hold_out(6, 0.4, np.random.RandomState(0), np.array([0, 0, 0, 1, 1, 1]))
    (array([2, 3, 5]), array([0, 1, 4]))
    """
    n_held = math.ceil(fraction * n)
    n_kept = n - n_held
    if n_kept == 0 or n_held == 0:
        raise ValueError(
            f"Splitting {n} samples into a train set and a validation set with"
            f" validation_fraction={fraction!r} led to an empty set ({n_kept} and {n_held}"
            " samples). Please either change validation_fraction, increase number of samples, or"
            " disable early_stopping."
        )
    if codes is None:
        order = random.permutation(n)
        return np.sort(order[n_held:]), np.sort(order[:n_held])
    sizes = np.bincount(codes)
    kept = _shares(sizes, n_kept, random)
    held = _shares(sizes - kept, n_held, random)
    ends = np.cumsum(sizes)
    rows, train, test = np.argsort(codes, kind="stable"), [], []
    for end, size, first, second in zip(ends, sizes, kept, held, strict=True):
        members = rows[end - size : end][random.permutation(size)]
        train.append(members[:first])
        test.append(members[first : first + second])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(test))


def _shares(sizes: NDArray[Any], total: int, random: np.random.RandomState) -> NDArray[np.intp]:
    """Return integers in proportion to `sizes` with sum `total`; ties are broken at random."""
    exact = sizes / sizes.sum() * total
    shares = np.floor(exact)
    missing, rest = int(total - shares.sum()), exact - shares
    for value in np.unique(rest)[::-1]:
        if missing <= 0:
            break
        tied = np.flatnonzero(rest == value)
        drawn = random.choice(tied, size=min(len(tied), missing), replace=False)
        shares[drawn] += 1
        missing -= len(drawn)
    return shares.astype(np.intp)
