"""Collections of Dask as parts: a task for each part or group of parts, and a tree of sums."""

from __future__ import annotations

import copy
import itertools
import math
import uuid
import warnings
from typing import Any

import numpy as np

from .._stack import outside
from ..data.parts import Part, Parts, Task, Total, add_to, argument, run_task, total_of

_FAN_IN = 4  # sums added by a task
_SMALL = 1 << 20  # bytes up to which parts share a task
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
        self.bytes = None if not size or lengths is None else size * len(columns)
        self._graph: Any = None
        self._name = uuid.uuid4().hex
        self.kept = False  # whether the partitions are in the memory of workers
        # partitions of a known, small size share tasks
        self._together = max(1, int(_SMALL // size)) if size else 1

    @property
    def lengths(self) -> list[int] | None:
        return self._lengths

    def keep(self) -> None:
        """Persist the partitions on the workers of a cluster, if half of their memory is enough."""
        import dask

        client: Any = getattr(_scheduler(), "__self__", None)
        if self.kept or self.bytes is None or not hasattr(client, "scheduler_info"):
            return
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        if self.bytes > 0.5 * sum(one["memory_limit"] or 0 for one in workers):
            return
        lazy = [value for row in self.columns for value in row if _is_lazy(value)]
        kept = iter(dask.persist(*lazy))
        self.columns = [
            [next(kept) if _is_lazy(value) else value for value in row] for row in self.columns
        ]
        self._graph, self.kept = None, True

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
        return _scheduler()(graph, (name, len(keys) - 1)).value

    def first(self, task: Any, *args: Any) -> Any:
        graph, keys = self._layout()
        for number, row in enumerate(keys):
            name = f"fastridge-first-{uuid.uuid4().hex}"
            one = {**graph, name: (_of_one, _Held((task, args)), number, row)}
            found = _scheduler()(one, name).value
            if found is not None:
                return found
        return None

    def _sum(self, task: Task, args: tuple[Any, ...], each: Any) -> Total | None:
        graph, keys = self._layout()
        graph, name = dict(graph), f"fastridge-sum-{uuid.uuid4().hex}"
        graph[name, "args"] = _Held((task, args))
        n = len(keys)
        step = min(self._together, max(1, math.ceil(n / 64)))
        level: list[Any] = []
        for start in range(0, n, step):
            end = min(start + step, n)
            own = None if each is None else _Held(each[start:end])
            graph[name, start, end] = (_run, (name, "args"), start, own, *keys[start:end])
            level.append((name, start, end))
        while len(level) > 1:
            above = []
            for i in range(0, len(level), _FAN_IN):
                some = level[i : i + _FAN_IN]
                key = (name, len(level), i)
                graph[key] = (_add, *some)
                above.append(key)
            level = above
        total: Total = _scheduler()(graph, level[0])[1]
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


def _run(held: _Held, start: int, each: Any, *columns: list[Any]) -> Any:
    """Return the number of the first of consecutive partitions, and their sum."""
    total, (task, args) = None, held.value
    for i, values in enumerate(columns):
        own = args if each is None else (*args, each.value[i])
        found = total_of(task, part_of(start + i, values), own)
        total = add_to(total, found, start + i)
    return start, total


def _move(step: Any, number: int, values: list[Any], state: _Held, args: _Held) -> Any:
    """Return a copy of the state that has taken a partition."""
    moved = copy.deepcopy(state.value)
    return _Held(run_task(step, part_of(number, values), (moved, *args.value)))


def _of_one(held: _Held, number: int, values: list[Any]) -> _Held:
    task, args = held.value
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
    if isinstance(X, (list, tuple)):
        return _of_delayed(X, given)
    return _of_collections(X, given)


def _of_delayed(X: Any, given: dict[str, Any]) -> DaskParts:
    for name, values in given.items():
        if values is not None:
            raise ValueError(
                f"{argument(name)} is given together with a list of partitions; expected it inside"
                " the partitions."
            )
    return DaskParts([[one] for one in X], None, None, 0.0, False)


def part_of(number: int, values: Any) -> Part:
    """Return a part of its fields, or of a whole (X, y[, sample_weight])."""
    if len(values) > 1:
        return Part(number, *values)
    (whole,) = values
    if not isinstance(whole, (tuple, list)) or not 2 <= len(whole) <= 3:
        raise ValueError(
            f"part {number} is a {type(whole).__name__}; expected (X, y[, sample_weight])."
        )
    return Part(number, *whole)


def _of_collections(X: Any, given: dict[str, Any]) -> DaskParts:
    names, lengths, size = None, None, 0.0
    if hasattr(X, "chunks"):
        if X.ndim != 2:
            raise ValueError(f"X has {X.ndim} dimensions; expected 2: (n_samples, n_features).")
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
