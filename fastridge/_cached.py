"""Attributes that are computed at their first access, without a lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

import numpy as np

_T = TypeVar("_T")


class cached(Generic[_T]):
    """Compute an attribute once per instance and store it in the instance's __dict__.

    `functools.cached_property` of Python 3.11 holds one lock for all instances of a class: fits in
    several threads wait for each other, and a process forked meanwhile waits for ever. Here, two
    threads that access one instance at the same time may both compute the value; the later one is
    kept. Underflow is ignored, whatever `numpy.errstate` holds at the access.

    Examples
    --------
    >>> class Square:
    ...     def __init__(self, side):
    ...         self.side = side
    ...
    ...     @cached
    ...     def area(self):
    ...         return self.side**2
    >>> square = Square(3)
    >>> square.area, vars(square)["area"]
    (9, 9)
    """

    def __init__(self, function: Callable[[Any], _T]) -> None:
        self._function = function
        self._name = function.__name__
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> cached[_T]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> _T: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> cached[_T] | _T:
        if instance is None:
            return self
        with np.errstate(under="ignore"):
            value = self._function(instance)
        instance.__dict__[self._name] = value
        return value
