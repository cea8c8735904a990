"""Report the progress of long computations to a callback and to a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def check_callback(callback: Any) -> None:
    """Raise TypeError unless `callback` is callable or None."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is {callback!r}; expected a function of (done, total) or None.")


def reporter(callback: Any, verbose: Any, what: str) -> Callable[[int, int], None] | None:
    """Return a function report(done, total) to call after each piece of work, or None.

    With `verbose`, it updates a progress bar on standard error (by tqdm where installed) and then
    calls `callback`.
    """
    if not verbose:
        return callback
    bar = _bar(what)

    def report(done: int, total: int) -> None:
        bar(done, total)
        if callback is not None:
            callback(done, total)

    return report


def _bar(what: str) -> Callable[[int, int], None]:
    try:
        from tqdm import tqdm
    except ImportError:
        return lambda done, total: print(f"{what}: {done} of {total}", file=sys.stderr)
    shown: list[Any] = []

    def move(done: int, total: int) -> None:
        if not shown:
            shown.append(tqdm(total=total, desc=what))
        shown[0].update(done - shown[0].n)
        if done >= total:
            shown.pop().close()

    return move
