"""Data in parts: rows that come a block at a time, and passes that sum over them in their order."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np


class Part(NamedTuple):
    """Consecutive rows of a data set.

    Attributes
    ----------
    number : int
        Position of the part, from 0.
    X : any
        What an estimator takes as X.
    y, weight, offset, exposure, groups : any
        One value for each row; None where they were not given.
    """

    number: int
    X: Any
    y: Any = None
    weight: Any = None
    offset: Any = None
    exposure: Any = None
    groups: Any = None


class Sum(ABC):
    """A partial sum of a pass."""

    @abstractmethod
    def add(self, other: Any) -> None:
        """Add the sum of the parts that follow, in place."""


Task = Callable[..., Sum | None]


class Parts(ABC):
    """A data set in parts.

    Attributes
    ----------
    n_passes : int
        Passes over the data so far.
    names : ndarray of object (p,) or None
        Names of the columns, where they are known before a pass.
    has_groups : bool
        Whether rows are known to have groups before a pass.
    width : int or None
        Number of columns, where it is known before a pass.
    """

    n_passes: int = 0
    names: Any = None
    has_groups: bool = False
    width: int | None = None

    @property
    def lengths(self) -> list[int] | None:
        """Rows of each part, where they are known before a pass."""
        return None

    def sum(self, task: Task, *args: Any, each: Any = None) -> Any:
        """Return the sum of ``task(part, *args)`` over all parts, added in their order.

        Parameters
        ----------
        task : function
            Returns a `Sum`, or None for a part without rows. An error that it raises is raised
            again with the number of the part in front.
        *args : any
            The same for every part.
        each : list or None
            What the task is given after `args`, for each part.

        Raises
        ------
        ValueError
            If no part has any rows.
        """
        self.n_passes += 1
        total = self._sum(task, args, each)
        if total is None:
            raise ValueError("X has no rows in any part; expected at least one.")
        return total

    @abstractmethod
    def keep(self) -> None:
        """Hold the data, before several passes, where the engine has memory for that."""

    @abstractmethod
    def chain(self, step: Callable[..., Any], state: Any, *args: Any) -> Any:
        """Return what a state is after ``state = step(part, state, *args)`` for each part in order.

        The state that is given stays as it is.
        """

    @abstractmethod
    def _sum(self, task: Task, args: tuple[Any, ...], each: Any) -> Any:
        raise NotImplementedError


def run_task(task: Task, part: Part, args: tuple[Any, ...]) -> Any:
    """Return ``task(part, *args)``; errors name the part."""
    with in_part(part.number):
        return task(part, *args)


def add_to(total: Any, found: Any, number: int) -> Any:
    """Return a sum with that of a part added, either of which may be None."""
    if found is None or total is None:
        return total if found is None else found
    with in_part(number):
        total.add(found)
    return total


@contextmanager
def in_part(number: int) -> Iterator[None]:
    """Raise errors again with the number of a part: in the message, or as a note."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"part {number}: {error}") from error
    except Exception as error:
        error.add_note(f"This was in part {number} of the data.")
        raise


def row_count(values: Any) -> int:
    """Return the number of rows of a table or a column."""
    shape = getattr(values, "shape", None)
    return int(shape[0]) if shape else len(values)


def is_lazy(X: Any) -> bool:
    """Return whether X is a collection of Dask, or a list of delayed partitions of Dask."""
    if isinstance(X, np.ndarray) or "dask" not in sys.modules:
        return False
    first = X[0] if isinstance(X, (list, tuple)) and X else X
    return hasattr(type(first), "__dask_graph__")


def in_parts(X: Any) -> bool:
    """Return whether X is data in parts: `Chunks`, or a collection of Dask."""
    return isinstance(X, Parts) or is_lazy(X)
