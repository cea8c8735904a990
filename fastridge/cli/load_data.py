"""Data for a fit, and for a model that was fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .table_model import TableModel
from .tables import Column, CommandError, Table, is_matrix, read_matrix, read_table


def target_of(column: Column, drop: bool) -> tuple[Any, Any]:
    """Return the values or labels of the target's column, and the rows that have one, or None."""
    missing = column.missing
    rows = None
    if missing.any():
        if not drop:
            raise CommandError(
                f"the target {column.name!r} is missing in {int(missing.sum()):,} rows:"
                " --drop-missing-target leaves them out."
            )
        rows = np.flatnonzero(~missing)
        if not len(rows):
            raise CommandError(f"the target {column.name!r} has no values at all.")
        column = column.take(rows)
    if column.kind == "date":
        raise CommandError(f"the target {column.name!r} holds dates; expected numbers or texts.")
    if column.kind == "number":
        return column.values, rows
    return np.asarray(column.levels)[column.values], rows


def pick(table: Table, name: str, option: str) -> Column:
    """Return a column by name."""
    if name not in table:
        known = ", ".join(list(table)[:12]) + (", ..." if len(table) > 12 else "")
        raise CommandError(f"{option} is {name!r}, which is no column; expected one of {known}.")
    return table[name]


def weights_of(column: Column) -> Any:
    """Return sample weights."""
    if column.kind != "number" or column.missing.any():
        raise CommandError(f"the weights {column.name!r} are not all numbers.")
    return column.values


def data_of_model(
    model: TableModel, path: Path, needs_target: bool
) -> tuple[Any, Any, Any, dict[str, int]]:
    """Return X, y, weights and the numbers of unseen texts, encoded as the fit's were.

    y and weights are None where they are not needed.
    """
    if not model.columns:
        if not is_matrix(path):
            raise CommandError(
                f"{path} is a table; the model was fitted to a matrix without names."
            )
        X, y = read_matrix(path, model.target if needs_target else None)
        expected = model.estimator.n_features_in_
        if X.shape[1] < expected and path.suffix != ".npz":
            # svmlight leaves out trailing columns of zeros
            X.resize((X.shape[0], expected))
        return X, y, None, {}
    if is_matrix(path):
        raise CommandError(f"{path} is a matrix without names; the model was fitted to a table.")
    texts = frozenset(c["name"] for c in model.columns if c["kind"] == "text")
    table = read_table(path, texts)
    y = weight = None
    if needs_target:
        drop = bool(model.facts.get("rows without a target"))
        y, rows = target_of(pick(table, model.target, "the target"), drop)
        if rows is not None:
            table = {name: column.take(rows) for name, column in table.items()}
        if model.facts.get("weights"):
            weight = weights_of(pick(table, str(model.facts["weights"]), "--weights"))
    X, unseen = model.encode(table)
    return X, y, weight, unseen
