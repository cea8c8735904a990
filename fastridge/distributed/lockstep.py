"""Fits that share their passes: one pass serves the requests of all that are under way.

Each fit runs on a thread of its own, one at a time: until it asks for a sum over the parts, or
ends. What the fits under way have asked for is then summed in one pass.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._threads import get_num_threads, num_threads
from ..data.parts import Part, Parts, row_count
from .sums import Many, fold_of_rows, weights_of_rows


class _AllTasks:
    """What fits ask for of a part; each without the rows that its fold holds out."""

    def __init__(self, shared: Any, requests: list[tuple[int | None, Any, Any]]) -> None:
        self.shared, self.requests = shared, requests

    def __call__(self, part: Part, folds: Any = None) -> Many | None:
        if row_count(part.X) == 0:
            return None
        left: dict[int | None, Part] = {None: part}
        values = []
        for fold, task, args in self.requests:
            if fold not in left:
                left[fold] = without(part, self.shared if folds is None else folds, fold)
            values.append(task(left[fold], *args))
        return Many(values)


def without(part: Part, folds: Any, fold: int | None) -> Part:
    """Return a part whose rows of one fold have weight 0."""
    n = row_count(part.X)
    weight: NDArray[np.float64] = (fold_of_rows(part, folds, n) != fold).astype(np.float64)
    given = weights_of_rows(part, n)
    # second derivatives are those of other weights
    memo = None if part.memo is None else part.memo._replace(curves=None)
    return part._replace(weight=weight if given is None else weight * given, memo=memo)


class View:
    """The parts as one of several fits sees them, without the rows of a fold.

    Parameters
    ----------
    parts : Parts
    fold : int or None
        The fold to leave out.
    """

    def __init__(self, parts: Parts, fold: int | None) -> None:
        self.width, self.names, self.fold = parts.width, parts.names, fold
        self.ask: Any = None

    def sum(self, task: Any, *args: Any) -> Any:
        return self.ask((self.fold, task, args))

    def keep(self) -> None:
        pass  # the parts are held for all fits


class _Closed(BaseException):
    """Raised in a fit that nobody waits for any more."""


class _Fit:
    """A fit on a thread of its own, which runs while `resume` waits."""

    def __init__(self, place: int, fit: Callable[[Any], Any], view: View) -> None:
        self.place, self.fit, self.view = place, fit, view
        self.request: Any = None
        self.reply: Any = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = self.closed = False
        self.n_threads = get_num_threads()
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        view.ask = self._ask
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self.closed:
                # those of a block around the fit are of its own thread
                with num_threads(self.n_threads):
                    self.result = self.fit(self.view)
        except BaseException as error:
            self.error = error
        self.done = True
        self._back.release()

    def _ask(self, request: Any) -> Any:
        self.request = request
        self._back.release()
        self._go.acquire()
        if self.closed:
            raise _Closed
        # sums are large: a fit that has ended holds none
        reply, self.reply = self.reply, None
        return reply

    def resume(self, reply: Any = None) -> None:
        """Run until the next request or the end."""
        self.request, self.reply = None, reply
        self._go.release()
        self._back.acquire()
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed = True
        self._go.release()
        self._thread.join()


def run_together(
    parts: Parts,
    fits: list[tuple[int | None, Callable[[Any], Any]]],
    folds: tuple[Any, Any],
    at_once: int,
    after: Callable[[int, Any], None] | None = None,
) -> list[Any]:
    """Return the results of fits, in their order.

    Parameters
    ----------
    parts : Parts
    fits : list of (int or None, callable)
        The fold that a fit leaves out, and fit(view).
    folds : tuple
        What `fold_of_rows` needs for all parts, or None, and for each, or None.
    at_once : int
        Most fits under way.
    after : callable or None
        after(position, result), called when a fit ends; what it raises ends all fits.
    """
    shared, each = folds
    waiting = deque(fits)
    every: list[_Fit] = []
    live: list[_Fit] = []

    def resume(one: _Fit, reply: Any = None) -> None:
        one.resume(reply)
        if not one.done:
            live.append(one)
        elif after is not None:
            after(one.place, one.result)

    try:
        while waiting or live:
            while waiting and len(live) < at_once:
                fold, fit = waiting.popleft()
                every.append(_Fit(len(every), fit, View(parts, fold)))
                resume(every[-1])
            if not live:
                continue
            found: Many = parts.sum(_AllTasks(shared, [one.request for one in live]), each=each)
            before, live = live, []
            for one, value in zip(before, found.values, strict=True):
                resume(one, value)
    finally:
        for one in every:
            if not one.done:
                one.close()
    return [one.result for one in every]
