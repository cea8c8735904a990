"""Data in parts: rows that come a block at a time, and passes that sum over them in their order."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from .inputs import feature_names


class Memo(NamedTuple):
    """What tasks keep of a part for the passes after, in the memory of the worker that holds it.

    Attributes
    ----------
    codes : dict
        The classes, and the number of each row's class among them.
    curves : dict or None
        Second derivatives at the last coefficients; None: not kept.
    """

    codes: dict[Any, Any]
    curves: dict[str, Any] | None


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
    start : int or None
        Number of the first row, where parts are read in order.
    memo : Memo or None
        Where the part stays in memory between passes.
    """

    number: int
    X: Any
    y: Any = None
    weight: Any = None
    offset: Any = None
    exposure: Any = None
    groups: Any = None
    start: int | None = None
    memo: Memo | None = None


class Sum(ABC):
    """A partial sum of a pass."""

    @abstractmethod
    def add(self, other: Any) -> None:
        """Add the sum of the parts that follow, in place."""


Task = Callable[..., Sum | None]

_IN_ALL = ("weight", "offset", "exposure")  # fields that all parts have, or none


class Layout(NamedTuple):
    """What parts have to agree in; None: a part does not tell.

    Attributes
    ----------
    width : int or None
        Columns of X.
    names : ndarray of object (p,) or None
        Names of the columns.
    n_targets : int or None
        Columns of y.
    given : tuple of str or None
        Fields with a value for each row.
    """

    width: int | None
    names: Any
    n_targets: int | None
    given: tuple[str, ...] | None

    @classmethod
    def of(cls, part: Part) -> Layout:
        shape = getattr(part.X, "shape", None)
        if shape is None:
            shape = np.shape(part.X)
        # an array without rows and columns has no columns to compare
        width = int(shape[1]) if len(shape) == 2 and any(shape) else None
        if row_count(part.X) == 0:
            return cls(width, None, None, None)
        form = getattr(part.y, "shape", None) or np.shape(part.y)
        n_targets = None if part.y is None else int(form[1]) if len(form) == 2 else 1
        given = tuple(name for name in _IN_ALL if getattr(part, name) is not None)
        return cls(width, feature_names(part.X), n_targets, given)

    def joined(self, other: Layout) -> Layout:
        """Return what both tell, after a check that they agree."""
        for what, ours, theirs in (
            ("X", self.width, other.width),
            ("y", self.n_targets, other.n_targets),
        ):
            if ours is not None and theirs is not None and ours != theirs:
                raise ValueError(
                    f"{what} has {theirs} columns; expected {ours}, as in the parts before."
                )
        if self.names is not None and other.names is not None:
            unlike = np.flatnonzero(self.names != other.names)
            if unlike.size:
                raise ValueError(
                    f"X has feature name {other.names[unlike[0]]!r} at position {unlike[0]};"
                    f" expected {self.names[unlike[0]]!r}, as in the parts before."
                )
        if self.given is not None and other.given is not None:
            for name in _IN_ALL:
                if (name in self.given) != (name in other.given):
                    what = (
                        "given, but the parts before have none"
                        if name in other.given
                        else "None, but the parts before have it"
                    )
                    raise ValueError(
                        f"{argument(name)} is {what}; expected it in all parts, or in none."
                    )
        return Layout(*(b if a is None else a for a, b in zip(self, other, strict=True)))


class Total:
    """The layout of parts, and the sum of what a task returned for them, or None."""

    def __init__(self, layout: Layout, value: Sum | None) -> None:
        self.layout, self.value = layout, value

    def add(self, other: Total) -> None:
        """Add the total of the parts that follow, in place."""
        self.layout = self.layout.joined(other.layout)
        if self.value is None:
            self.value = other.value
        elif other.value is not None:
            self.value.add(other.value)


class Parts(ABC):
    """A data set in parts.

    Attributes
    ----------
    n_passes : int
        Passes over the data so far.
    names : ndarray of object (p,) or None
        Names of the columns, where they are known before a pass or from the last one.
    has_groups : bool
        Whether rows are known to have groups before a pass.
    width : int or None
        Number of columns, where it is known before a pass.
    in_order : bool
        Whether each pass reads the parts in order, and knows where they start.
    once : bool
        Whether a single pass is possible.
    """

    in_order: bool = False
    once: bool = False
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
            If no part has any rows, or parts have other columns, or only some of them weights or
            offsets.
        """
        self.n_passes += 1
        total = self._sum(task, args, each)
        if total is None or total.value is None:
            raise ValueError("X has no rows in any part; expected at least one.")
        if total.layout.names is not None:
            self.names = total.layout.names
        return total.value

    @abstractmethod
    def keep(self) -> None:
        """Hold the data, before several passes, where the engine has memory for that."""

    @abstractmethod
    def first(self, task: Callable[..., Any], *args: Any) -> Any:
        """Return ``task(part, *args)`` of the first part for which it is not None, or None.

        Parts after that are not read, and this is no pass. None where a single pass is possible.
        """

    @abstractmethod
    def chain(self, step: Callable[..., Any], state: Any, *args: Any) -> Any:
        """Return what a state is after ``state = step(part, state, *args)`` for each part in order.

        The state that is given stays as it is.
        """

    @abstractmethod
    def _sum(self, task: Task, args: tuple[Any, ...], each: Any) -> Total | None:
        raise NotImplementedError


def run_task(task: Task, part: Part, args: tuple[Any, ...]) -> Any:
    """Return ``task(part, *args)``; errors name the part."""
    with in_part(part.number):
        return task(part, *args)


def total_of(task: Task, part: Part, args: tuple[Any, ...]) -> Total:
    """Return the total of a single part; errors name the part."""
    with in_part(part.number):
        value = task(part, *args)
        return Total(Layout.of(part), value)


def add_to(total: Total | None, found: Total, number: int) -> Total:
    """Return a total with that of the parts from a number on added; total: None before them."""
    if total is None:
        return found
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
    if shape == () or not (shape or hasattr(values, "__len__")):
        raise TypeError(f"X is a {type(values).__name__}; expected a table of numbers.")
    return int(shape[0]) if shape else len(values)


def argument(field: str) -> str:
    """Return the name of a field of parts as an argument of `fit`."""
    return "sample_weight" if field == "weight" else field


def is_lazy(X: Any) -> bool:
    """Return whether X is a collection of Dask, or a list of delayed partitions of Dask."""
    if isinstance(X, np.ndarray) or "dask" not in sys.modules:
        return False
    first = X[0] if isinstance(X, (list, tuple)) and X else X
    return hasattr(type(first), "__dask_graph__")


def in_parts(X: Any) -> bool:
    """Return whether X is data in parts: `Chunks`, or a collection of Dask."""
    return isinstance(X, Parts) or is_lazy(X)
