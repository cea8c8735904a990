"""Number of threads of the kernels: for the process, or for a ``with`` block of one thread."""

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from . import _runtime

_local = threading.local()
_MOST = 256  # MOST of src/threads/pool.c, the bound on its threads


def _count(name: str, n: Any) -> int:
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"{name} must be an integer; got {n!r}")
    n = n.__index__()
    if n < 1:
        raise ValueError(f"{name} must be at least 1; got {n}")
    return min(n, _MOST)


def _initial() -> int:
    for variable in ("FASTRIDGE_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(variable, "").split(",")[0].strip()
        if text:
            try:
                return _count(variable, int(text))
            except ValueError:
                raise ValueError(
                    f"environment variable {variable} must be a positive integer; got {text!r}"
                ) from None
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _MOST)
    return min(os.cpu_count() or 1, _MOST)


_default: int | None = None


def get_num_threads() -> int:
    """Return the number of threads that a kernel called from this thread may use.

    That is the number given to `num_threads` around the call, else to `set_num_threads`, else the
    environment variable ``FASTRIDGE_NUM_THREADS`` or ``OMP_NUM_THREADS``, else the number of
    processors this process may run on. It is 1 in a forked child process, and where fastridge was
    built without threads. Results do not depend on it.

    Returns
    -------
    int
        From 1 to 256.

    See Also
    --------
    set_num_threads : Set the number of threads.
    num_threads : Set the number of threads within a block.
    show_versions : Print versions, CPU features and threads.

    Examples
    --------
    >>> import fastridge
    >>> with fastridge.num_threads(1):
    ...     fastridge.get_num_threads()
    1
    """
    global _default
    if _runtime.after_fork() or not _runtime.has_threads():
        return 1
    here = getattr(_local, "n", None)
    if here is not None:
        return here
    if _default is None:
        _default = _initial()
    return _default


def set_num_threads(n: int) -> None:
    """Set the number of threads that kernels may use, for the whole process.

    Parameters
    ----------
    n : int
        At least 1; numbers above 256 count as 256. Threads are started by the first call that is
        large enough to use them. BLAS has its own number of threads, which this does not change;
        solvers use one BLAS thread, and all of them only for calls that take long.

    Raises
    ------
    TypeError, ValueError
        If `n` is not a positive integer.

    See Also
    --------
    get_num_threads : Return the number of threads.
    num_threads : Set the number of threads within a block.
    memory_estimate : Upper bound on the memory of a fit.

    Examples
    --------
    >>> import fastridge
    >>> before = fastridge.get_num_threads()
    >>> fastridge.set_num_threads(1)
    >>> fastridge.get_num_threads()
    1
    >>> fastridge.set_num_threads(before)
    """
    global _default
    _default = _count("n", n)


@contextmanager
def num_threads(n: int) -> Iterator[None]:
    """Use `n` threads for the kernels called from this thread inside a ``with`` block.

    Parameters
    ----------
    n : int
        At least 1; numbers above 256 count as 256.

    Raises
    ------
    TypeError, ValueError
        If `n` is not a positive integer.

    See Also
    --------
    set_num_threads : Set the number of threads.
    get_num_threads : Return the number of threads.

    Examples
    --------
    >>> import fastridge
    >>> with fastridge.num_threads(2):
    ...     result = fastridge.ridge([[0.0], [1.0]], [0.0, 1.0], alpha=0.0)
    >>> result.coef
    array([1.])
    """
    with _held("n", _count("n", n)):
        yield


@contextmanager
def _held(name: str, value: Any) -> Iterator[None]:
    """Set a value of this thread inside a ``with`` block."""
    before = getattr(_local, name, None)
    setattr(_local, name, value)
    try:
        yield
    finally:
        setattr(_local, name, before)


class Stopped(Exception):
    """The caller stopped a search that runs on several threads."""


def stopped_by(event: threading.Event) -> AbstractContextManager[None]:
    """Let `check_stop` raise in this thread, inside a ``with`` block, once the event is set."""
    return _held("stop", event)


def check_stop() -> None:
    """Raise Stopped where the search that this thread works for was stopped."""
    event = getattr(_local, "stop", None)
    if event is not None and event.is_set():
        raise Stopped


_runtime._use_thread_count(get_num_threads)
