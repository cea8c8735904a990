"""Locks of objects whose state several threads may change."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

LOCK = "_state_lock"  # the attribute of an object with its lock


class StateLock:
    """A reentrant lock that is free in a forked child, whichever thread held it in the parent.

    `current` returns an RLock, which compiled code acquires in a ``with``: interrupts cannot leave
    it held.

    Examples
    --------
    >>> lock = StateLock()
    >>> with lock.current(), lock.current():
    ...     pass
    """

    __slots__ = ("_locks",)

    def __init__(self) -> None:
        self._locks: dict[int, AbstractContextManager[bool]] = {}

    def current(self) -> AbstractContextManager[bool]:
        """Return the lock of this process."""
        process = os.getpid()
        found = self._locks.get(process)
        if found is None:
            # threads that come here at once get the same one
            found = self._locks.setdefault(process, threading.RLock())
        return found


def lock_of(instance: Any) -> AbstractContextManager[bool]:
    """Return the lock of an object, made at the first call and kept as ``instance._state_lock``.

    It cannot be pickled: the object's ``__getstate__`` leaves it out.
    """
    known = instance.__dict__
    found = known.get(LOCK)
    if found is None:
        found = known.setdefault(LOCK, StateLock())
    lock: AbstractContextManager[bool] = found.current()
    return lock


def one_at_a_time(
    method: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[S, P], R]:
    """Decorate a method to hold the lock of its object."""

    @functools.wraps(method)
    def locked(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with lock_of(self):
            return method(self, *args, **kwargs)

    return locked


# of objects that are copied and saved with all they hold, and so share these
_SHARED = [StateLock() for _ in range(64)]


@contextmanager
def both_locked(one: Any, other: Any) -> Iterator[None]:
    """Hold the shared locks of two objects, which may be the same."""
    first, second = sorted((id(m) // 16 % len(_SHARED)) for m in (one, other))
    with _SHARED[first].current(), _SHARED[second].current():
        yield
