"""A fitted model together with the encoding of the table that it was fitted to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from shlex import quote
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tables import Column, CommandError, Summary, Table, is_like_number, is_number

_IDENTIFIER = 0.5  # share of rows with a text of their own from which a column looks like names
_DENSE = 32  # indicator columns up to which the design is dense


class TableModel:
    """An estimator with the encoding of its table's columns: what ``fastridge fit`` saves.

    Attributes
    ----------
    estimator : estimator
        Fitted.
    target : str
        Name of the target's column; "" for a matrix without names.
    columns : list of dict
        For each column its "name", its "kind" ("number" or "text"), for texts the "levels", each of
        which has an indicator column; for numbers the "fill" in place of missing ones; and
        "indicator", whether missing ones have an indicator column. Empty for a matrix.
    facts : dict
        What `fastridge show` prints beside the coefficients.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import Ridge
    >>> from fastridge.cli.table_model import TableModel, make_columns
    >>> from fastridge.cli.tables import Column
    >>> colour = Column("colour", "text", np.array([0, 1, 1], dtype=np.int32), ["blue", "red"])
    >>> model = TableModel(Ridge(), "y", make_columns([colour.summary()], False), {})
    >>> model
    TableModel(Ridge(), target='y', of 1 columns)
    >>> model.names()
    ['colour=blue', 'colour=red']
    >>> model.encode({"colour": colour})[0]
    array([[1., 0.],
           [0., 1.],
           [0., 1.]])
    """

    __slots__ = ("columns", "estimator", "facts", "target")

    def __init__(
        self, estimator: Any, target: str, columns: list[dict[str, Any]], facts: dict[str, Any]
    ) -> None:
        self.estimator, self.target, self.columns, self.facts = estimator, target, columns, facts

    def __repr__(self) -> str:
        of = f"{len(self.columns)} columns" if self.columns else "a matrix"
        return f"TableModel({self.estimator!r}, target={self.target!r}, of {of})"

    def names(self) -> list[str]:
        """Return the names of the features."""
        if not self.columns:
            return [f"x{j}" for j in range(self.estimator.n_features_in_)]
        found = []
        for column in self.columns:
            name = column["name"]
            if column["kind"] == "number":
                found.append(name)
            else:
                found.extend(f"{name}={level}" for level in column["levels"])
            if column["indicator"]:
                found.append(f"{name} is missing")
        return found

    def encode(self, table: Table) -> tuple[Any, dict[str, int]]:
        """Return the design, and the number of rows with unseen texts by column.

        Missing texts count as unseen where none were missing in the fit.

        Raises
        ------
        CommandError
            If a column is missing, of another kind, or has missing numbers and no "fill".
        """
        absent = [repr(c["name"]) for c in self.columns if c["name"] not in table]
        if absent:
            named = ", ".join(absent[:12]) + (", ..." if len(absent) > 12 else "")
            several = "s" if len(absent) > 1 else ""
            raise CommandError(f"the data have no column{several} {named}, which the fit had.")
        unseen: dict[str, int] = {}
        places, values, width = [], [], 0
        for column in self.columns:
            given = table[column["name"]]
            missing = given.missing
            if column["kind"] == "number":
                if missing.any() and column["fill"] is None:
                    raise CommandError(
                        f"column {column['name']!r} has {int(missing.sum()):,} missing numbers, and"
                        " the fit had none: fit again with --impute mean to allow for them."
                    )
                if given.kind != "number" and not missing.all():
                    text = given.levels[0] if given.levels else ""
                    raise CommandError(
                        f"column {column['name']!r} holds {text!r}; expected numbers, as in the"
                        " fit."
                    )
                refuse_infinity(given)
                numbers = np.where(missing, column["fill"] or 0.0, given.values)
                places.append(np.full(len(missing), width))
                values.append(numbers.astype(np.float64))
                width += 1
            else:
                place, known, new = _positions(given, column["levels"])
                if not column["indicator"]:
                    new += int(missing.sum())
                if new:
                    unseen[column["name"]] = new
                places.append(width + np.where(known, place, 0))
                values.append(known.astype(np.float64))
                width += len(column["levels"])
            if column["indicator"]:
                places.append(np.full(len(missing), width))
                values.append(missing.astype(np.float64))
                width += 1
        return _design(places, values, width, self.columns), unseen

    def predict(self, X: Any) -> dict[str, NDArray[Any]]:
        """Return columns of predictions by name: values, or classes and their probabilities."""
        model = self.estimator
        found = {"prediction": model.predict(X)}
        if hasattr(model, "predict_proba"):
            mean = model.predict_proba(X)
            for k, label in enumerate(model.classes_):
                found[f"probability of {label}"] = mean[:, k]
        return found


def refuse_infinity(column: Column) -> None:
    """Raise an error where a column holds infinite numbers."""
    count = int(np.isinf(column.values).sum()) if column.kind == "number" else 0
    if count:
        raise CommandError(
            f"column {column.name!r} holds infinity in {count:,} row(s); expected finite numbers."
        )


def advice_of_texts(columns: list[dict[str, Any]], rows: int) -> Iterator[str]:
    """Yield warnings for columns of texts that may be meant as something else."""
    for column in columns:
        name, levels = column["name"], column["levels"]
        others = [level for level in levels if not is_number(level)]
        if not levels:
            continue
        if all(map(is_like_number, levels)) and others:
            yield (
                f"column {name!r} holds texts such as {others[0]!r}, each of which gets an"
                " indicator column: if they are meant as numbers, write them as 1234.5."
            )
        elif len(levels) >= 10 and 0 < len(others) <= 0.1 * len(levels):
            yield (
                f"column {name!r} holds numbers and texts such as {others[0]!r}, each of which gets"
                " an indicator column: if that stands for a missing number, leave the cell empty."
            )
        elif len(levels) > max(_IDENTIFIER * rows, 100):
            yield (
                f"column {name!r} has {len(levels):,} different texts in {rows:,} rows: --exclude"
                " it if they are names of rows."
            )


def make_columns(columns: Iterable[Summary], impute: bool) -> list[dict[str, Any]]:
    """Return the encoding of a table's columns.

    Raises
    ------
    CommandError
        If a column holds dates, or missing values where `impute` is False.
    """
    found = []
    for column in columns:
        if column.kind == "date":
            raise CommandError(
                f"column {column.name!r} holds dates: --exclude {quote(column.name)}, and add"
                " columns of numbers or texts made from it, such as the weekday or the days since a"
                " first one."
            )
        if column.kind == "other":
            raise CommandError(
                f"column {column.name!r} is of type {column.levels[0]}; expected numbers or texts:"
                f" --exclude {quote(column.name)}."
            )
        count = column.missing
        if count == column.rows:
            raise CommandError(
                f"column {column.name!r} has no values at all: --exclude {quote(column.name)}."
            )
        if count and not impute:
            raise CommandError(_advice(column.name, count))
        fill = column.mean if column.kind == "number" and impute else None
        found.append(
            {
                "name": column.name,
                "kind": column.kind,
                "levels": column.levels,
                "fill": fill,
                "indicator": bool(count),
            }
        )
    if not found:
        raise CommandError("no column is left to fit with.")
    return found


def _advice(name: str, count: int) -> str:
    return (
        f"column {name!r} has {count:,} missing value(s): --impute mean puts the mean in their"
        f" place with an indicator column, --exclude {quote(name)} leaves the column out."
    )


def _positions(given: Column, levels: list[str]) -> tuple[NDArray[np.intp], NDArray[np.bool_], int]:
    """Return positions among the levels of the fit, which are known, and how many are unseen."""
    if given.kind == "number" and not given.missing.all():
        raise CommandError(f"column {given.name!r} holds numbers; expected texts, as in the fit.")
    place = {level: i for i, level in enumerate(levels)}
    each = np.array([*(place.get(text, -1) for text in given.levels), -1], dtype=np.intp)
    codes = given.values if given.kind != "number" else np.full(len(given.values), -1)
    found = each[codes]
    known = found >= 0
    return found, known, int((~known & (codes >= 0)).sum())


def _design(
    places: list[NDArray[Any]], values: list[NDArray[Any]], width: int, columns: Any
) -> Any:
    """Return the design: dense for few columns, else sparse."""
    n = len(places[0])
    indices = np.column_stack(places)
    data = np.column_stack(values)
    if sum(len(column["levels"]) for column in columns) <= _DENSE:
        X = np.zeros((n, width))
        np.add.at(X, (np.arange(n)[:, None], indices), data)
        return X
    from scipy import sparse

    indptr = np.arange(0, indices.size + 1, indices.shape[1], dtype=np.int32)
    X = sparse.csr_array((data.ravel(), indices.astype(np.int32).ravel(), indptr), (n, width))
    X.eliminate_zeros()
    return X
