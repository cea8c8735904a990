"""Locks of objects whose state several threads may change."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


class StateLock:
    """A reentrant lock that is free in a forked child, whichever thread held it in the parent.

    Examples
    --------
    >>> lock = StateLock()
    >>> with lock, lock:
    ...     pass
    """

    __slots__ = ("_lock", "_process")

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self._lock, self._process = threading.RLock(), os.getpid()

    def __enter__(self) -> None:
        if self._process != os.getpid():
            self._renew()
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()


def lock_of(instance: Any) -> StateLock:
    """Return the lock of an object, made at the first call and kept as ``instance._state_lock``.

    It cannot be pickled: the object's ``__getstate__`` leaves it out.
    """
    known = instance.__dict__
    found = known.get("_state_lock")
    return found if found is not None else known.setdefault("_state_lock", StateLock())


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
    with _SHARED[first], _SHARED[second]:
        yield
