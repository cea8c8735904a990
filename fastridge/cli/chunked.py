"""Fits of text files larger than memory: the rows are read anew in each pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .load_data import pick, target_of, weights_of
from .table_model import TableModel
from .tables import (
    Column,
    CommandError,
    Summary,
    Table,
    column_of_block,
    say_decimals,
    table_of_block,
    text_blocks,
)


class _Seen:
    """What a column has held so far."""

    def __init__(self, name: str) -> None:
        self.name, self.kind = name, ""
        self.decimals: set[str] = set()
        self.levels: set[str] = set()
        self.rows = self.missing = 0
        self.sum = 0.0

    def fits(self, column: Column) -> bool:
        """Note the kind of a block; return whether it is that of the blocks before."""
        if column.missing.all():
            return True
        self.kind = self.kind or column.kind
        self.decimals |= {column.decimals} - {""}
        mixed = "," in self.decimals and len(self.decimals) > 1
        return self.kind == column.kind and not mixed

    def add(self, column: Column) -> None:
        """Add the rows of a block that count."""
        missing = column.missing
        self.rows += len(missing)
        self.missing += int(missing.sum())
        if missing.all():
            return
        if column.kind == "number":
            self.sum += float(column.values[~missing].sum())
        else:
            self.levels.update(column.levels)

    def summary(self) -> Summary:
        known = self.rows - self.missing
        mean = self.sum / known if self.kind == "number" and known else None
        return Summary(
            self.name, self.kind or "text", sorted(self.levels), self.rows, self.missing, mean
        )


def scan(path: Path, size: int, target: str, drop: bool) -> dict[str, Summary]:
    """Return summaries of the columns of a text file, in a pass over it or a few.

    drop: leave out rows whose target is missing.
    """
    as_texts: set[str] = set()
    while True:
        seen: dict[str, _Seen] = {}
        mixed = set()
        for block in text_blocks(path, size):
            table = {}
            for name, column in zip(block.names, block.columns, strict=True):
                if name not in seen:
                    seen[name] = _Seen(name)
                as_text = name in as_texts or seen[name].kind == "text"
                table[name] = column_of_block(name, column, as_text, block.comma)
                if not seen[name].fits(table[name]):
                    mixed.add(name)
            if drop and target in table:
                rows = np.flatnonzero(~table[target].missing)
                table = {name: column.take(rows) for name, column in table.items()}
            for name, column in table.items():
                seen[name].add(column.used())
        if not mixed:
            # of points and infinity, the points
            say_decimals({name: min(one.decimals, default="") for name, one in seen.items()})
            return {name: one.summary() for name, one in seen.items()}
        # texts after numbers: read the column as texts from the start
        as_texts |= mixed


class Blocks:
    """Encoded chunks of a text file, from the start at each call.

    Parameters
    ----------
    path : Path
    size : int
        Rows of a chunk.
    model : TableModel
    numbers : set of str
        Columns of numbers.
    weights : str or None
        Column of sample weights.
    drop : bool
        Leave out rows whose target is missing.
    """

    def __init__(
        self,
        path: Path,
        size: int,
        model: TableModel,
        numbers: frozenset[str],
        weights: str | None,
        drop: bool,
    ) -> None:
        self.path, self.size, self.model, self.numbers = path, size, model, numbers
        self.weights, self.drop = weights, drop

    def tables(self) -> Iterator[Table]:
        for block in text_blocks(self.path, self.size):
            table = table_of_block(block, self.numbers)
            for name in self.numbers:
                if table[name].kind != "number":
                    raise CommandError(
                        f"{self.path}: column {name!r} held numbers alone, and has other texts now:"
                        " the file has changed while it was read."
                    )
            yield table

    def __call__(self) -> Iterator[tuple[Any, ...]]:
        for table in self.tables():
            if self.drop:
                rows = np.flatnonzero(~table[self.model.target].missing)
                if not len(rows):
                    continue
                table = {name: column.take(rows) for name, column in table.items()}
            y, _ = target_of(table[self.model.target], False)
            X = self.model.encode(table)[0]
            if self.weights is None:
                yield X, y
            else:
                yield X, y, weights_of(pick(table, self.weights, "--weights"))
