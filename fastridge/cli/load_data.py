"""Data for a fit, and for a model that was fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .table_model import TableModel, refuse_infinity
from .tables import (
    Column,
    CommandError,
    Summary,
    is_matrix,
    is_npz,
    is_text,
    read_matrix,
    read_table,
    table_of_block,
    text_blocks,
)

C = TypeVar("C", Column, Summary)


def target_of(column: Column, drop: bool) -> tuple[Any, Any]:
    """Return the values or labels of the target's column, and the rows that have one, or None."""
    missing = column.missing
    rows = None
    if missing.any():
        rows = np.flatnonzero(~missing)
        require_target(column.name, 0 if drop else int(missing.sum()), len(rows))
        column = column.take(rows)
    if column.kind in ("date", "other"):
        held = "dates" if column.kind == "date" else f"the type {column.levels[0]}"
        raise CommandError(f"the target {column.name!r} holds {held}; expected numbers or texts.")
    if column.kind == "number":
        refuse_infinity(column)
        return column.values, rows
    return np.asarray(column.levels)[column.values], rows


def require_target(name: str, missing: int, rows: int) -> None:
    """Raise an error where rows have no target, or none of them has one."""
    if missing:
        raise CommandError(
            f"the target {name!r} is missing in {missing:,} row(s): --drop-missing-target leaves"
            " them out."
        )
    if not rows:
        raise CommandError(f"the target {name!r} has no values at all.")


def pick(table: Mapping[str, C], name: str, option: str) -> C:
    """Return a column by name."""
    if name not in table:
        known = ", ".join(list(table)[:12]) + (", ..." if len(table) > 12 else "")
        raise CommandError(f"{option} is {name!r}, which is no column; expected one of {known}.")
    return table[name]


def weights_of(column: Column) -> Any:
    """Return sample weights."""
    if column.kind != "number" or column.missing.any():
        raise CommandError(f"the weights {column.name!r} are not all numbers.")
    wrong = column.values[~((column.values >= 0) & np.isfinite(column.values))]
    if len(wrong):
        raise CommandError(
            f"the weights {column.name!r} hold {wrong[0]:g}; expected finite numbers of at least 0."
        )
    return column.values


def designs_of_model(model: TableModel, path: Path) -> Iterator[tuple[Any, dict[str, int]]]:
    """Yield designs, encoded as the fit's was, and their numbers of unseen texts by column."""
    if not model.columns:
        yield _matrix(model, path, None)[0], {}
        return
    _require_table(path)
    if not is_text(path):
        yield model.encode(read_table(path))
        return
    numbers = frozenset(c["name"] for c in model.columns if c["kind"] == "number")
    for block in text_blocks(path):
        yield model.encode(table_of_block(block, numbers))


def data_of_model(model: TableModel, path: Path) -> tuple[Any, Any, Any]:
    """Return X, y and weights, encoded as the fit's were."""
    if not model.columns:
        return (*_matrix(model, path, model.target or None), None)
    _require_table(path)
    table = read_table(path, frozenset(c["name"] for c in model.columns if c["kind"] == "text"))
    drop = bool(model.facts.get("rows without a target"))
    y, rows = target_of(pick(table, model.target, "the target"), drop)
    if rows is not None:
        table = {name: column.take(rows) for name, column in table.items()}
    weight = None
    if model.facts.get("weights"):
        weight = weights_of(pick(table, str(model.facts["weights"]), "--weights"))
    return model.encode(table)[0], y, weight


def _require_table(path: Path) -> None:
    if is_matrix(path):
        raise CommandError(f"{path} is a matrix without names; the fit was to a table.")


def _matrix(model: TableModel, path: Path, target: str | None) -> tuple[Any, Any]:
    if not is_matrix(path):
        raise CommandError(f"{path} is a table; the fit was to a matrix without names.")
    X, y = read_matrix(path, target)
    expected = model.estimator.n_features_in_
    if X.shape[1] < expected and not is_npz(path):
        # svmlight leaves out trailing columns of zeros
        X.resize((X.shape[0], expected))
    return X, y
