"""Collections of Dask as parts: a task for each part or group of parts, and a tree of sums.

Sums are added in a tree of fan-in 4 over the parts in their order. A task sums a node of it, so
that the number of parts that share a task, which scheduler and workers decide, changes no bit.
"""

from __future__ import annotations

import copy
import functools
import itertools
import math
import os
import uuid
import warnings
from typing import Any

import numpy as np

from .._matrix import Matrix
from .._stack import outside
from ..data.check import check_design
from ..data.parts import (
    Memo,
    Part,
    Parts,
    Task,
    Total,
    add_to,
    argument,
    in_part,
    row_count,
    run_task,
    total_of,
)
from ..data.rows import as_container

_FAN_IN = 4  # sums added by a task
_SMALL = 1 << 20  # bytes of parts that share a task
_HELD = 1 << 26  # the same where the parts are held together in the memory of a worker
_TASKS = 4  # tasks of a pass for each thread, at least
_FILLED = 0.5  # share of the workers' memory that may hold the parts
_FIELDS = ("y", "weight", "offset", "exposure", "groups")


class DaskParts(Parts):
    """Partitions of X with what belongs to their rows, each a list of delayed values."""

    def __init__(
        self,
        columns: list[list[Any]],
        lengths: list[int] | None,
        names: Any,
        size: float,
        has_groups: bool,
    ) -> None:
        # by partition: X, y, ..., each delayed or None; or all of them together, delayed
        self.columns = columns
        self._lengths, self.names, self.has_groups = lengths, names, has_groups
        self.size = size  # bytes of a part; 0 where they are not known
        self._graph: Any = None
        self._name = uuid.uuid4().hex
        self._kept: list[Any] | None = None  # delayed `_Together`
        self._step = 1  # parts of each of these

    @property
    def lengths(self) -> list[int] | None:
        return self._lengths

    def keep(self) -> None:
        """Persist the partitions on the workers of a cluster, if half of their memory is enough.

        Consecutive ones that are small are held together, by the worker that sums them.
        """
        client = _client()
        if self._kept is not None or client is None:
            return
        import dask
        from dask.delayed import Delayed
        from distributed import wait

        # client.scheduler_info can return what its timer asked for in between: no workers
        workers = client.sync(client.scheduler.identity)["workers"].values()
        room = _FILLED * sum(one["memory_limit"] or 0 for one in workers)
        held = self._futures(client)
        if held:
            wait(held)  # type: ignore[no-untyped-call]  # distributed has no types
            self._measure(client, held)
        step = self._together(_HELD, sum(one["nthreads"] for one in workers))
        whole = self.size * len(self.columns)
        if not self.size or whole > room:
            return
        # partitions that are persisted already stay where they are
        hold = functools.partial(_Together, bool(held), not held or 2 * whole <= room)
        graph, keys = self._layout()
        graph, name = dict(graph), f"fastridge-keep-{self._name}"
        for start in range(0, len(keys), step):
            graph[name, start] = (hold, *keys[start : start + step])
        names = [(name, start) for start in range(0, len(keys), step)]
        self._kept = list(dask.persist(*(Delayed(name, graph) for name in names)))
        self._step = step

    def _futures(self, client: Any) -> list[Any]:
        """Return the futures of the partitions, if all are persisted on the workers; else none."""
        keys = [value.key for row in self.columns for value in row if _is_lazy(value)]
        if not all(key in client.futures for key in keys):
            return []
        values = [value for row in self.columns for value in row if _is_lazy(value)]
        return list(client.futures_of(values))

    def _measure(self, client: Any, held: list[Any]) -> None:
        """Note the size of partitions that workers hold, where it is not known."""
        if not self.size and all(future.status == "finished" for future in held):
            sizes = client.nbytes([future.key for future in held], summary=False)
            self.size = float(sum(sizes.values())) / len(self.columns)

    def _together(self, most: float, n_threads: int) -> int:
        """Return how many parts share a task, which are at most so many bytes."""
        n, step = len(self.columns), 1
        while _FAN_IN * step * self.size <= most and n >= _FAN_IN * step * _TASKS * n_threads:
            step *= _FAN_IN
        return step if self.size else 1

    def _layout(self) -> tuple[dict[Any, Any], list[list[Any]]]:
        """Return the graph of the partitions, which all passes share, and their keys."""
        if self._graph is None:
            graph: dict[Any, Any] = {}
            seen: dict[int, Any] = {}
            keys: list[list[Any]] = []
            for row in self.columns:
                keys.append([])
                for value in row:
                    if _is_lazy(value):
                        own = value.__dask_graph__()
                        # blocks of a collection share its graph
                        if id(own) not in seen:
                            seen[id(own)] = own
                            graph.update(own)
                        keys[-1].append(value.key)
                    elif value is None or np.isscalar(value):
                        keys[-1].append(value)
                    else:
                        name = ("rows", self._name, len(keys) - 1, len(keys[-1]))
                        graph[name] = value
                        keys[-1].append(name)
            self._graph = graph, keys
        return self._graph

    def chain(self, step: Any, state: Any, *args: Any) -> Any:
        self.n_passes += 1
        graph, keys = self._layout()
        graph, name = dict(graph), f"fastridge-move-{uuid.uuid4().hex}"
        graph[name, -1], graph[name, "args"] = _Held(state), _Held(args)
        for number, row in enumerate(keys):
            graph[name, number] = (_move, step, number, row, (name, number - 1), (name, "args"))
        return _computed(graph, (name, len(keys) - 1)).value

    def first(self, task: Any, *args: Any) -> Any:
        graph, keys = self._layout()
        for number, row in enumerate(keys):
            name = f"fastridge-first-{uuid.uuid4().hex}"
            if self._kept is None:
                one = {**graph, name: (_of_one, _Held((task, args)), number, row)}
            else:
                held = self._kept[number // self._step]
                place = number % self._step
                one = {
                    **held.__dask_graph__(),
                    name: (_of_one, _Held((task, args)), number, held.key, place),
                }
            found = _computed(one, name).value
            if found is not None:
                return found
        return None

    def _sum(self, task: Task, args: tuple[Any, ...], each: Any) -> Total | None:
        name, n = f"fastridge-sum-{uuid.uuid4().hex}", len(self.columns)
        graph: dict[Any, Any] = {}
        if self._kept is None:
            whole, keys = self._layout()
            graph.update(whole)
            client = _client()
            if client is not None and not self.size:
                self._measure(client, self._futures(client))
            n_threads = sum(client.nthreads().values()) if client else os.cpu_count()
            step = self._together(_SMALL, n_threads or 1)
            groups = [keys[start : start + step] for start in range(0, n, step)]
        else:
            step = self._step
            for held in self._kept:
                graph.update(held.__dask_graph__())
            groups = [held.key for held in self._kept]
        graph[name, "args"] = _Held((task, args))
        level: list[Any] = []
        for i, group in enumerate(groups):
            start = i * step
            own = None if each is None else _Held(each[start : start + step])
            graph[name, start] = (_run, (name, "args"), start, step, own, group)
            level.append((name, start))
        while len(level) > 1:
            above = []
            for i in range(0, len(level), _FAN_IN):
                some = level[i : i + _FAN_IN]
                key = some[0] if len(some) == 1 else (name, len(level), i)
                if len(some) > 1:
                    graph[key] = (_add, *some)
                above.append(key)
            level = above
        total: Total = _computed(graph, level[0])[1]
        return total


class _Held:
    """A value that a graph passes on as it is."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _is_lazy(value: Any) -> bool:
    return hasattr(value, "__dask_graph__")


def _scheduler() -> Any:
    """Return the function get(graph, key) of the scheduler in use; threads where none is set."""
    from dask.base import get_scheduler

    found = get_scheduler()
    if found is not None:
        return found
    from dask import threaded

    return threaded.get


def _computed(graph: dict[Any, Any], key: Any) -> Any:
    """Return the value of a key of a graph."""
    if _client() is None:
        return _scheduler()(graph, key)
    with warnings.catch_warnings():
        # what a pass needs of the model is as large as it is
        warnings.filterwarnings("ignore", message="Sending large graph")
        return _scheduler()(graph, key)


def _client() -> Any:
    """Return the client of the cluster in use, or None."""
    client: Any = getattr(_scheduler(), "__self__", None)
    return client if hasattr(client, "scheduler_info") else None


class _Together:
    """Consecutive partitions in the memory of a worker.

    What passes find out about them stays here: checked and converted X from the second pass on, and
    memos. Checking the structure of sparse data takes as long as a product with it, and arrays that
    moved between workers are unaligned, so that each check copies them.

    Parameters
    ----------
    held : bool
        Whether others hold the partitions.
    may_copy : bool
        Whether there is memory for converted copies.
    *rows : list
        The values of each partition.
    """

    def __init__(self, held: bool, may_copy: bool, *rows: list[Any]) -> None:
        self.held, self.may_copy, self.rows = held, may_copy, list(rows)
        self._checked: dict[int, Matrix | None] = {}
        self._memos: dict[int, Memo] = {}

    def __reduce__(self) -> Any:
        # arrays alone travel between workers
        return _Together, (False, self.may_copy, *self.rows)

    def __sizeof__(self) -> int:
        from dask.sizeof import sizeof

        if self.held:
            # workers count partitions once, lest they move them to the disk
            return object.__sizeof__(self)
        return sum(sizeof(value) for row in self.rows for value in row)

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, number: int, place: int) -> Part:
        """Return the partition at a place, which has a number."""
        part = part_of(number, self.rows[place])
        part = part._replace(memo=self._memos.setdefault(place, Memo({}, {})))
        if place not in self._checked:
            self._checked[place] = None
            return part
        A = self._checked[place]
        if A is None and row_count(part.X):
            with in_part(number):
                A = check_design(part.X, finite=False)
            is_view = _share_memory(A, part.X)
            if is_view or self.may_copy:
                self._checked[place] = A
            row = self.rows[place]
            if not (is_view or self.held) and len(row) > 1:
                # the converted data take the place of what was given
                self.rows[place] = [as_container(A), *row[1:]]
        return part if A is None else part._replace(X=A)


def _share_memory(A: Matrix, X: Any) -> bool:
    """Return whether a matrix holds the arrays of X themselves."""
    if isinstance(X, np.ndarray):
        return np.may_share_memory(A.arrays[0], X)
    if not hasattr(X, "indptr"):
        return False
    given = X.data, X.indices, X.indptr
    return all(itertools.starmap(np.may_share_memory, zip(A.arrays, given, strict=True)))


def _run(held: _Held, start: int, size: int, each: Any, rows: Any) -> Any:
    """Return the number of the first of `size` consecutive partitions, and the sum of their node.

    rows: the values of each partition, or `_Together`; fewer than `size` at the end of the data.
    """
    if not isinstance(rows, _Together):
        rows = _Together(True, False, *rows)
    task, args = held.value

    def node(first: int, size: int) -> Total:
        if size == 1:
            own = args if each is None else (*args, each.value[first])
            return total_of(task, rows.part(start + first, first), own)
        step, total = size // _FAN_IN, None
        for i in range(first, min(first + size, len(rows)), step):
            total = add_to(total, node(i, step), start + i)
        assert total is not None
        return total

    return start, node(0, size)


def _move(step: Any, number: int, values: list[Any], state: _Held, args: _Held) -> Any:
    """Return a copy of the state that has taken a partition."""
    moved = copy.deepcopy(state.value)
    return _Held(run_task(step, part_of(number, values), (moved, *args.value)))


def _of_one(held: _Held, number: int, values: Any, place: int = 0) -> _Held:
    """Return what a task returns of a partition, or of that at a place of several."""
    task, args = held.value
    values = values.rows[place] if isinstance(values, _Together) else values
    return _Held(run_task(task, part_of(number, values), args))


def _add(*sums: Any) -> Any:
    """Return the sum of consecutive sums, with the number of the first partition."""
    total = None
    for number, one in sums:
        # results of other tasks are not written to: they may be asked for again
        total = copy.deepcopy(one) if total is None else add_to(total, one, number)
    return sums[0][0], total


def dask_parts(X: Any, given: dict[str, Any]) -> DaskParts:
    """Return parts of a collection of Dask, or of a list of delayed (X, y[, weight])."""
    from dask.delayed import Delayed

    if isinstance(X, (list, tuple)):
        return _of_delayed(X, given)
    if isinstance(X, Delayed):
        raise TypeError(
            "X is one delayed value; expected a list of delayed partitions"
            " (X, y[, sample_weight]), or an array or a data frame of Dask."
        )
    if not hasattr(X, "ndim"):
        raise TypeError(
            f"X is a {type(X).__name__} of Dask; expected an array or a data frame of Dask, or a"
            " list of delayed partitions (X, y[, sample_weight])."
        )
    return _of_collections(X, given)


def _of_delayed(X: Any, given: dict[str, Any]) -> DaskParts:
    for name, values in given.items():
        if values is not None:
            raise ValueError(
                f"{argument(name)} is given together with a list of partitions; expected it inside"
                " the partitions."
            )
    return DaskParts([[one] for one in X], None, None, 0.0, False)


def part_of(number: int, values: Any, needs_y: bool = True) -> Part:
    """Return a part of its fields, or of a whole (X, y[, sample_weight]).

    needs_y: whether a whole may not be X alone.
    """
    if len(values) > 1:
        return Part(number, *values)
    (whole,) = values
    if not isinstance(whole, (tuple, list)):
        if not needs_y:
            return Part(number, whole)
        raise ValueError(
            f"part {number} is a {type(whole).__name__}; expected (X, y[, sample_weight])."
        )
    if not 2 <= len(whole) <= 3:
        raise ValueError(
            f"part {number} has {len(whole)} elements; expected (X, y[, sample_weight])."
        )
    return Part(number, *whole)


def _of_collections(X: Any, given: dict[str, Any]) -> DaskParts:
    names, lengths, size = None, None, 0.0
    if X.ndim != 2:
        raise ValueError(f"X has {X.ndim} dimensions; expected 2: (n_samples, n_features).")
    if hasattr(X, "chunks"):
        if len(X.chunks[1]) > 1:
            warnings.warn(
                f"X has its columns in {len(X.chunks[1])} chunks, which are merged in every fit;"
                " X.rechunk({1: -1}) beforehand avoids that.",
                stacklevel=outside(),
            )
            X = X.rechunk({1: -1})
        rows = X.chunks[0]
        if not any(math.isnan(n) for n in rows):
            lengths = [int(n) for n in rows]
            # sparse blocks are smaller than their shape says
            if isinstance(getattr(X, "_meta", None), np.ndarray):
                size = max(lengths, default=0) * X.shape[1] * X.dtype.itemsize
        first = _blocks(X)
    else:
        names = np.array(list(X.columns), dtype=object)
        if not all(isinstance(name, str) for name in names):
            names = None
        first = list(X.to_delayed())
    columns = [[block] for block in first]
    for name in _FIELDS:
        blocks = _aligned(name, given.get(name), X, lengths, len(first))
        for one, block in zip(columns, blocks, strict=True):
            one.append(block)
    found = DaskParts(columns, lengths, names, size, given.get("groups") is not None)
    found.width = int(X.shape[1])
    return found


def _blocks(values: Any) -> list[Any]:
    """Return the delayed blocks of an array whose columns are in one chunk."""
    blocks = list(values.to_delayed().ravel())
    graph = blocks[0].__dask_graph__()
    if any(block.key not in graph for block in blocks):
        # optimised graphs lack blocks that are persisted on workers
        blocks = list(values.to_delayed(optimize_graph=False).ravel())
    return blocks


def _aligned(name: str, values: Any, X: Any, lengths: Any, count: int) -> list[Any]:
    """Return a delayed block of `values` for each partition of X."""
    shown = argument(name)
    if values is None:
        return [None] * count
    if np.isscalar(values):
        return [values] * count
    if hasattr(values, "chunks"):
        rows = tuple(lengths) if lengths is not None else None
        if rows is not None and values.shape[0] == sum(rows) and values.chunks[0] != rows:
            values = values.rechunk({0: rows})
        if values.ndim == 2:
            values = values.rechunk({1: -1})
        blocks = _blocks(values)
    elif hasattr(values, "to_delayed"):
        blocks = list(values.to_delayed())
    elif lengths is not None:
        if len(values) != sum(lengths):
            raise ValueError(
                f"{shown} has {len(values)} rows, but X has {sum(lengths)}; expected the same"
                " number."
            )
        found = values if hasattr(values, "iloc") else np.asarray(values)
        ends = np.cumsum([0, *lengths])
        slices = [slice(a, b) for a, b in itertools.pairwise(ends)]
        return [found.iloc[s] if hasattr(found, "iloc") else found[s] for s in slices]
    else:
        raise TypeError(
            f"{shown} is a {type(values).__name__}, but the lengths of the partitions of X are not"
            " known; expected a Dask collection with the same partitions."
        )
    if len(blocks) != count:
        raise ValueError(
            f"{shown} has {len(blocks)} partitions, but X has {count}; expected the same number,"
            " with the same rows."
        )
    return blocks
