"""Folds that a row's number decides, for data of any length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEP = 0x9E3779B97F4A7C15  # of SplitMix64, as its two multipliers
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class HashedKFold:
    """Folds at random by a hash of the row's number, a splitter for the parameter `cv`.

    The fold of a row depends on nothing but its number and the seed, so that a pass over data in
    parts deals out the rows as it reads them, and a local fit to the same rows has the same folds.
    Unlike the consecutive rows of an int, these folds do not follow the order of sorted files.
    Their sizes are equal up to chance.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    seed : int, default=0
        From 0 to 2^32 - 1; another seed deals the rows out anew.

    Raises
    ------
    ValueError, TypeError
        If an argument is not a whole number as described.

    See Also
    --------
    RidgeCV : Ridge regression that chooses its penalty.
    Chunks : Rows that are read a chunk at a time.

    Notes
    -----
    Row i has the fold floor(n_splits * h / 2^53), with h the upper 53 bits of the i-th output of
    SplitMix64 from the state `seed` times 2^32 (Steele, Lea and Flood 2014).

    References
    ----------
    G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import Chunks, RidgeCV
    >>> from fastridge.model_selection import HashedKFold
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 3))
    >>> y = X[:, 0] + rng.standard_normal(1000)
    >>> model = RidgeCV(cv=HashedKFold(4, seed=1)).fit(Chunks.arrays(X, y, rows=100))
    >>> bool(model.alpha_ == RidgeCV(cv=HashedKFold(4, seed=1)).fit(X, y).alpha_)
    True
    """

    def __init__(self, n_splits: int = 5, *, seed: int = 0) -> None:
        for name, value, least in (("n_splits", n_splits, 2), ("seed", seed, 0)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise TypeError(
                    f"{name} is {value!r}; expected a whole number of at least {least}."
                )
            if value < least:
                raise ValueError(f"{name} is {value}; expected at least {least}.")
        if int(seed) >= 2**32:
            raise ValueError(f"seed is {seed}; expected at most {2**32 - 1}.")
        self.n_splits, self.seed = int(n_splits), int(seed)

    def __repr__(self) -> str:
        return f"HashedKFold({self.n_splits}, seed={self.seed})"

    def folds_of(self, start: int, n: int) -> NDArray[np.intp]:
        """Return the folds of the rows start to start + n.

        Parameters
        ----------
        start : int
            Number of the first row, from 0.
        n : int
            Number of rows.

        Returns
        -------
        ndarray of intp, shape (n,)
            Folds from 0 to n_splits - 1.

        Examples
        --------
        >>> from fastridge.model_selection import HashedKFold
        >>> folds = HashedKFold(3)
        >>> bool((folds.folds_of(0, 10)[4:] == folds.folds_of(4, 6)).all())
        True
        """
        with np.errstate(over="ignore"):
            z = np.arange(start + 1, start + n + 1, dtype=np.uint64)
            z = z * np.uint64(_STEP) + np.uint64(self.seed << 32)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
            z ^= z >> np.uint64(31)
        share = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return np.asarray(share * self.n_splits, dtype=np.intp)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : any
            Not used.

        Returns
        -------
        int
        """
        return self.n_splits

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the rows to train on and to hold out, of each fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Only its number of rows is used.
        y, groups : any
            Not used.

        Yields
        ------
        train, test : ndarray of intp

        Raises
        ------
        ValueError
            If a fold has no rows, or all of them.
        """
        shape = getattr(X, "shape", None)
        fold = self.folds_of(0, int(shape[0]) if shape else len(X))
        for i in range(self.n_splits):
            train, test = np.flatnonzero(fold != i), np.flatnonzero(fold == i)
            if not len(test) or not len(train):
                raise ValueError(
                    f"fold {i} of {self!r} holds out {len(test)} of {len(fold)} rows; expected more"
                    " rows, fewer folds or another seed."
                )
            yield train, test
