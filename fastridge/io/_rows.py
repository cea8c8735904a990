"""Parameters of svmlight readers, and the arrays of rows that were read."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Largest number of features without n_features: 2^40 coefficients exceed any memory.
MOST_FEATURES = 1 << 40
INT32 = 2**31 - 1
INT64 = 2**63 - 1


@dataclass(frozen=True)
class Options:
    """Checked parameters of a reader."""

    n_features: int | None
    single: bool
    multilabel: bool
    zero_based: bool | Literal["auto"]
    queries: bool
    offset: int
    length: int

    @property
    def first(self) -> int:
        """Lowest index allowed in the text."""
        return int(self.zero_based is False)

    @property
    def last(self) -> int:
        """Highest index allowed in the text."""
        n = MOST_FEATURES if self.n_features is None else self.n_features
        return min(n - int(self.zero_based is True), INT64)

    def is_one_based(self, lowest: int | None) -> bool:
        if self.zero_based == "auto":
            return lowest is not None and lowest > 0
        return not self.zero_based


def integer(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer; got {value!r}")
    n = value.__index__()
    if not least <= n <= INT64:
        raise ValueError(f"{name} must be {least} to {INT64}; got {n}")
    return n


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; got {value!r}")
    return bool(value)


def options(
    n_features: Any,
    dtype: Any,
    multilabel: Any,
    zero_based: Any,
    query_id: Any,
    offset: Any,
    length: Any,
) -> Options:
    if n_features is not None:
        n_features = integer("n_features", n_features, 1)
    found = np.dtype(dtype)
    if found not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64; got {found}")
    if not (isinstance(zero_based, str) and zero_based == "auto"):
        zero_based = flag("zero_based, unless it is 'auto',", zero_based)
    offset = integer("offset", offset, 0)
    length = integer("length", length, -INT64)
    if offset or length > 0:
        if n_features is None:
            raise ValueError("n_features must be given with offset or length; got None")
        # parts of one file could decide differently
        zero_based = True if zero_based == "auto" else zero_based
    several, queries = flag("multilabel", multilabel), flag("query_id", query_id)
    single = found == np.float32
    return Options(n_features, single, several, zero_based, queries, offset, length)


@dataclass
class Rows:
    """Rows that were read; indices are those in the text minus `shift`."""

    data: NDArray[Any]
    indices: NDArray[Any]
    indptr: NDArray[Any]
    label: NDArray[np.float64]
    label_end: NDArray[np.int64] | None
    query: NDArray[np.int64]
    shift: int = 0
    lowest: int | None = None
    highest: int = -1

    @property
    def n(self) -> int:
        return len(self.indptr) - 1

    def note(self, lowest: int | None, highest: int) -> None:
        """Widen the range of indices of the text."""
        if lowest is not None:
            self.lowest = lowest if self.lowest is None else min(lowest, self.lowest)
        self.highest = max(highest, self.highest)

    def part(self, start: int, stop: int) -> Rows:
        """Return some of the rows, as views where possible."""
        a, b = self.indptr[start], self.indptr[stop]
        label, label_end = self.label[start:stop], None
        if self.label_end is not None:
            first, last = self.label_end[start], self.label_end[stop]
            label, label_end = self.label[first:last], self.label_end[start : stop + 1] - first
        query = self.query[start:stop]
        indptr = self.indptr[start : stop + 1] - a
        data, indices = self.data[a:b], self.indices[a:b]
        return Rows(data, indices, indptr, label, label_end, query, self.shift)

    def result(self, n_features: int, o: Options) -> tuple[Any, ...]:
        """Return X, y and, with `query_id`, the queries."""
        from scipy.sparse import csr_array

        indices, indptr = self.indices, self.indptr
        if n_features > INT32 and indices.dtype != np.int64:
            indices, indptr = indices.astype(np.int64), indptr.astype(np.int64)
        X = csr_array((self.data, indices, indptr), shape=(self.n, n_features))
        X.has_sorted_indices = X.has_canonical_format = True
        y: Any = self.label
        if self.label_end is not None:
            values = self.label.tolist()
            y = [tuple(sorted(values[a:b])) for a, b in pairwise(self.label_end.tolist())]
        return (X, y, self.query) if o.queries else (X, y)


def together(parts: list[Rows], shift: int | None = None) -> Rows:
    """Concatenate parts; the list `parts` is emptied, so that memory is freed meanwhile."""
    first = parts[0]
    n = sum(rows.n for rows in parts)
    elements = sum(len(rows.data) for rows in parts)
    wide = max(n, elements) > INT32 or any(rows.indices.dtype == np.int64 for rows in parts)
    index = np.int64 if wide else np.int32
    shift = first.shift if shift is None else shift
    whole = Rows(
        np.empty(elements, first.data.dtype),
        np.empty(elements, index),
        np.zeros(n + 1, index),
        np.empty(sum(len(rows.label) for rows in parts)),
        None if first.label_end is None else np.zeros(n + 1, np.int64),
        np.empty(sum(len(rows.query) for rows in parts), np.int64),
        shift,
    )
    row = element = label = query = 0
    parts.reverse()
    while parts:
        rows = parts.pop()
        rows_end, elements_end = row + rows.n, element + len(rows.data)
        label_end, query_end = label + len(rows.label), query + len(rows.query)
        whole.data[element:elements_end] = rows.data
        indices = whole.indices[element:elements_end]
        np.add(rows.indices, rows.shift - shift, out=indices, casting="unsafe")
        indptr = whole.indptr[row + 1 : rows_end + 1]
        np.add(rows.indptr[1:], element, out=indptr, casting="unsafe")
        whole.label[label:label_end] = rows.label
        whole.query[query:query_end] = rows.query
        if whole.label_end is not None and rows.label_end is not None:
            np.add(rows.label_end[1:], label, out=whole.label_end[row + 1 : rows_end + 1])
        whole.note(rows.lowest, rows.highest)
        row, element, label, query = rows_end, elements_end, label_end, query_end
    return whole


def no_rows(o: Options) -> Rows:
    """Return the rows of an empty text."""
    data = np.empty(0, np.float32 if o.single else np.float64)
    indices, indptr = np.empty(0, np.int32), np.zeros(1, np.int32)
    label_end = np.zeros(1, np.int64) if o.multilabel else None
    return Rows(data, indices, indptr, np.empty(0), label_end, np.empty(0, np.int64))
