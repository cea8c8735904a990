"""Limit the threads of BLAS and LAPACK inside solvers.

OpenBLAS, bundled with the wheels of NumPy and SciPy, splits matrix-vector products, dot products
and the small products inside a factorisation among its threads, which wait in busy loops. One
reduction to tridiagonal form does so hundreds of times: two threads take longer than one, and many
times as long where other processes keep the processors busy. Solvers call it on one thread; only
long calls get all of its threads, and `lapack.product` splits large products itself. Other BLAS
libraries are not changed.
"""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import functools
import glob
import importlib
import os
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from .._blas_buffers import check_room
from .._threads import get_num_threads

P = ParamSpec("P")
R = TypeVar("R")

_SMALL = 2000  # elements of data up to which OpenBLAS uses one thread

# compiled modules that are linked to the BLAS of their package
_LINKED = ("numpy.linalg._umath_linalg", "scipy.linalg._fblas")
_NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "scipy_openblas_{}_num_threads",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)


def _functions(path: str) -> tuple[Any, Any] | None:
    """Return the functions that get and set an OpenBLAS's number of threads; None if not found."""
    try:
        library: Any = ctypes.PyDLL(path)
    except OSError:
        return None
    for name in _NAMES:
        try:
            get, change = library[name.format("get")], library[name.format("set")]
        except AttributeError:
            continue
        get.restype, get.argtypes = ctypes.c_int, []
        change.restype, change.argtypes = None, [ctypes.c_int]
        return get, change
    return None


def _find() -> tuple[tuple[Any, Any], ...]:
    """Return those functions for each OpenBLAS that NumPy and SciPy use."""
    found: dict[int | None, tuple[Any, Any]] = {}
    for name in _LINKED:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        package = os.path.dirname(importlib.import_module(name.partition(".")[0]).__file__ or "")
        # except on Windows, a library's symbols are found through a module linked to it
        brought = os.path.join(glob.escape(package) + ".libs", "*openblas*")
        for path in (module.__file__, *glob.glob(brought)):
            pair = _functions(path) if path else None
            if pair is not None:
                found.setdefault(ctypes.cast(pair[1], ctypes.c_void_p).value, pair)
                break
    return tuple(found.values())


class _Here(threading.local):
    """Nesting depth of the limit in this thread."""

    depth = 0


class _Limit:
    """Limit BLAS to one thread inside the context, for the whole process: its setting is global.

    Contexts may be nested and entered from several threads; the last exit restores the numbers
    found at the first entry.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self.here = _Here()
        self._libraries: tuple[tuple[Any, Any], ...] | None = None
        self._lowered: list[tuple[Any, Any, int]] = []  # libraries with more threads outside

    def __enter__(self) -> None:
        self.here.depth += 1
        with self._lock:
            self._depth += 1
            if self._depth > 1:
                return
            if self._libraries is None:
                self._libraries = _find()
            self._lowered = []
            for get, change in self._libraries:
                number = get()
                if number > 1:
                    self._lowered.append((get, change, number))
                    change(1)

    def __exit__(self, *_: object) -> None:
        # in a child forked inside the context, depth is 0 already
        self.here.depth = max(self.here.depth - 1, 0)
        with self._lock:
            self._depth = max(self._depth - 1, 0)
            if not self._depth:
                self._restore()
                self._lowered = []

    def _restore(self) -> None:
        for get, change, number in self._lowered:
            # keep a number that was set elsewhere meanwhile
            if get() == 1:
                change(number)

    @contextlib.contextmanager
    def lifted(self) -> Any:
        """Restore all threads for the context, for a long call."""
        with self._lock:
            self._restore()
        try:
            yield
        finally:
            with self._lock:
                for _, change, _ in self._lowered:
                    change(1)

    def after_fork(self) -> None:
        """Restore the numbers in a forked child, which lacks the threads that would do it."""
        self._lock = threading.Lock()
        self.here = _Here()
        if self._depth:
            self._depth = 0
            self._restore()
            self._lowered = []


one_thread = _Limit()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_thread.after_fork)
_no_limit = contextlib.nullcontext()


def one_thread_for(elements: int) -> Any:
    """Return `one_thread`, or a null context for data of few elements, where BLAS uses one."""
    return one_thread if elements > _SMALL else _no_limit


def on_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function to call BLAS and LAPACK on one thread."""

    @functools.wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        if one_thread.here.depth:
            return function(*args, **kwargs)
        with one_thread:
            return function(*args, **kwargs)

    return limited


def on_one_thread_for(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function of a Matrix, its first argument, to run inside `one_thread_for`."""

    @functools.wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        A: Any = args[0]
        if max(A.n_rows, A.nnz) <= _SMALL or one_thread.here.depth:
            return function(*args, **kwargs)
        with one_thread:
            return function(*args, **kwargs)

    return limited


def limited(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a method to run inside the context `blas` of its object; see `one_thread_for`."""

    @functools.wraps(method)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with args[0].blas:  # type: ignore[attr-defined]
            return method(*args, **kwargs)

    return inside


def on_threads(work: Callable[[int], None], count: int, most: int | None = None) -> None:
    """Call work(0), ..., work(count - 1) on the threads that fastridge may use, BLAS on one.

    most: bound on the threads, for work that holds the interpreter's lock.
    """
    numbers = iter(range(count))
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with one_thread:
                for i in numbers:
                    work(i)
        except BaseException as error:
            failed.append(error)

    helpers = []
    # where memory or the system allows no more threads, there are fewer
    with contextlib.suppress(MemoryError, RuntimeError):
        threads = get_num_threads()
        for _ in range(min(threads, count, threads if most is None else most) - 1):
            check_room(len(_LINKED))
            helper = threading.Thread(
                target=contextvars.copy_context().run, args=(run,), daemon=True
            )
            helper.start()
            helpers.append(helper)
    run()
    for _ in numbers if failed else ():
        pass  # leave nothing to the others
    for helper in helpers:
        helper.join()
    if failed:
        raise failed[0]
