"""Read text in the svmlight format, also called libsvm's, into CSR arrays."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np

from ._sources import Stream, Whole, opened

if TYPE_CHECKING:
    import os
    from typing import BinaryIO

    from numpy.typing import DTypeLike, NDArray
    from scipy.sparse import csr_array
    from typing_extensions import Buffer

# Bytes of text that a thread reads at a time, that are mapped at a time, and that a stream is read by.
BLOCK = 1 << 18
WINDOW = 1 << 24
PIECE = 1 << 22
# A stream's pieces grow with it, so that there are not too many.
PIECES = 32
# Bytes from which an array of a part of a stream has pages of its own, which go back to the system.
OWN_PAGES = 1 << 20

# Features that are believed without n_features: more coefficients fit into no memory.
MOST_FEATURES = 1 << 40
_INT32 = 2**31 - 1
_INT64 = 2**63 - 1

_EXPECTED = {
    "label": "expected a number, the label",
    "colon": "expected index:value",
    "index": "expected an integer before the colon",
    "order": "expected an index above the one before it",
    "value": "expected a number after the colon",
    "query": "expected an integer of 64 bits after qid:",
}


@dataclass(frozen=True)
class _Options:
    """What was asked for, checked."""

    n_features: int | None
    single: bool
    several: bool
    zero_based: bool | Literal["auto"]
    queries: bool
    offset: int
    length: int

    @property
    def first(self) -> int:
        """The lowest index that may be written."""
        return int(self.zero_based is False)

    @property
    def last(self) -> int:
        """The highest index that may be written."""
        n = MOST_FEATURES if self.n_features is None else self.n_features
        return min(n - int(self.zero_based is True), _INT64)

    def is_one_based(self, lowest: int | None) -> bool:
        if self.zero_based == "auto":
            return lowest is not None and lowest > 0
        return not self.zero_based


def _integer(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer; got {value!r}")
    n = value.__index__()
    if not least <= n <= _INT64:
        raise ValueError(f"{name} must be {least} to {_INT64}; got {n}")
    return n


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; got {value!r}")
    return bool(value)


def _options(
    n_features: Any,
    dtype: Any,
    multilabel: Any,
    zero_based: Any,
    query_id: Any,
    offset: Any,
    length: Any,
) -> _Options:
    if n_features is not None:
        n_features = _integer("n_features", n_features, 1)
    found = np.dtype(dtype)
    if found not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64; got {found}")
    if not (isinstance(zero_based, str) and zero_based == "auto"):
        zero_based = _flag("zero_based, unless it is 'auto',", zero_based)
    offset = _integer("offset", offset, 0)
    length = _integer("length", length, -_INT64)
    if offset or length > 0:
        if n_features is None:
            raise ValueError("n_features must be given with offset or length; got None")
        # parts of a file would decide differently
        zero_based = True if zero_based == "auto" else zero_based
    several, queries = _flag("multilabel", multilabel), _flag("query_id", query_id)
    single = found == np.float32
    return _Options(n_features, single, several, zero_based, queries, offset, length)


@dataclass
class _Rows:
    """Rows that were read, with indices that are `shift` below those written."""

    data: NDArray[Any]
    indices: NDArray[Any]
    indptr: NDArray[Any]
    label: NDArray[np.float64]
    label_end: NDArray[np.int64] | None
    query: NDArray[np.int64] | None
    shift: int = 0
    lowest: int | None = None
    highest: int = -1

    @property
    def n(self) -> int:
        return len(self.indptr) - 1

    def note(self, lowest: int | None, highest: int) -> None:
        """Widen the range of indices, as they are written."""
        if lowest is not None:
            self.lowest = lowest if self.lowest is None else min(lowest, self.lowest)
        self.highest = max(highest, self.highest)

    def part(self, start: int, stop: int) -> _Rows:
        """Some of the rows, as views where that can be."""
        a, b = self.indptr[start], self.indptr[stop]
        label, label_end = self.label[start:stop], None
        if self.label_end is not None:
            first, last = self.label_end[start], self.label_end[stop]
            label, label_end = self.label[first:last], self.label_end[start : stop + 1] - first
        query = self.query[start:stop] if self.query is not None else None
        indptr = self.indptr[start : stop + 1] - a
        data, indices = self.data[a:b], self.indices[a:b]
        return _Rows(data, indices, indptr, label, label_end, query, self.shift)

    def result(self, n_features: int, o: _Options) -> tuple[Any, ...]:
        """X, y and, where asked for, the queries."""
        from scipy.sparse import csr_array

        indices, indptr = self.indices, self.indptr
        if n_features > _INT32 and indices.dtype != np.int64:
            indices, indptr = indices.astype(np.int64), indptr.astype(np.int64)
        X = csr_array((self.data, indices, indptr), shape=(self.n, n_features))
        X.has_sorted_indices = X.has_canonical_format = True
        y: Any = self.label
        if self.label_end is not None:
            values = self.label.tolist()
            y = [tuple(sorted(values[a:b])) for a, b in pairwise(self.label_end.tolist())]
        return (X, y, self.query) if o.queries else (X, y)


class _Text:
    """Whole lines in memory, in blocks that are counted and then read."""

    def __init__(
        self,
        view: memoryview,
        o: _Options,
        name: str,
        lines: Callable[[], int],
        behind: str = "",
    ) -> None:
        from .. import _svmlight

        self.kernels = _svmlight
        self.view = view
        self.options = o
        self.name = name
        self.lines, self.behind = lines, behind  # before the text, or since what byte
        self.n_blocks = -(-len(view) // BLOCK)
        self.start = np.zeros(self.n_blocks + 1, np.intp)
        self.before = np.zeros((self.n_blocks + 1, 4), np.int64)
        self.unasked = -1

    def windows(self, first: int) -> Iterator[tuple[int, int]]:
        """Ranges of blocks to be read at once, the first one of `first` blocks."""
        i = 0
        while i < self.n_blocks:
            upto = min(i + (first if i == 0 else max(1, WINDOW // BLOCK)), self.n_blocks)
            yield i, upto
            i = upto

    def count(self, i0: int, i1: int) -> None:
        several = self.options.several
        self.kernels.count(self.view, BLOCK, self.start, self.before, several, i0, i1)

    def rows(self, wide: bool, empty: Callable[[int, Any], NDArray[Any]]) -> _Rows:
        """Arrays for all rows that were counted."""
        o = self.options
        n, elements, labels, queries = self.before[-1].tolist()
        wide = wide or max(n, elements, o.n_features or 0) > _INT32
        index = np.int64 if wide else np.int32
        indptr = empty(n + 1, index)
        indptr[0] = 0
        label_end = np.zeros(n + 1, np.int64) if o.several else None
        return _Rows(
            empty(elements, np.float32 if o.single else np.float64),
            empty(elements, index),
            indptr,
            empty(labels if o.several else n, np.float64),
            label_end,
            empty(queries, np.int64) if o.queries else None,
        )

    def read(self, i0: int, i1: int, rows: _Rows, shift: int) -> bool:
        """Read blocks into their places; False where they need indices of 64 bits."""
        o = self.options
        error, where, lowest, highest, unasked = self.kernels.read(
            self.view, self.start, self.before, i0, i1, o.first, o.last, shift, rows.data,
            rows.indices, rows.indptr, rows.label, rows.label_end, rows.query,
        )  # fmt: skip
        if error == "wide":
            return False
        if error is not None:
            self.fail(error, where)
        rows.note(lowest, highest)
        if self.unasked < 0:
            self.unasked = unasked
        return True

    def place(self, where: int) -> str:
        """Name, line and column of a byte."""
        line, column = self.kernels.locate(self.view, where)
        return f"{self.name}, line {self.lines() + line}{self.behind}, column {column}"

    def fail(self, error: str, where: int) -> NoReturn:
        """Raise the error that the kernel found."""
        o = self.options
        if error == "other":
            raise RuntimeError(f"{self.name} changed while it was read")
        found = bytes(self.view[where : where + 64]).split(b"\n")[0].split(b"#")[0].split()
        token = found[0].decode("ascii", "backslashreplace") if found else ""
        token = token if len(token) < 40 else token[:40] + "..."
        if error == "low":
            expected = f"expected an index of {o.first} or more"
            expected += ", as zero_based is False" if o.first else ""
        elif error == "high":
            n = MOST_FEATURES if o.n_features is None else o.n_features
            expected = f"expected an index of {o.last} or less, as "
            expected += "n_features is " + ("not given" if o.n_features is None else f"{n}")
            expected += " and zero_based is True" if o.zero_based is True else ""
        else:
            expected = _EXPECTED[error]
            if error == "label" and "," in token and not o.several:
                expected += " (several of them need multilabel=True)"
        found_there = repr(token) if token else "the end of a token"
        raise ValueError(f"{self.place(where)}: found {found_there}; {expected}")


def _expect_queries(text: _Text, rows: int, queries: int) -> None:
    """Refuse queries of some rows only: they would belong to others."""
    if text.options.queries and 0 < queries < rows:
        place = text.place(text.unasked) if text.unasked >= 0 else text.name
        raise ValueError(f"{place}: found no qid; expected one in every row, or in none")


def _range(source: Whole, o: _Options) -> tuple[int, int]:
    """Where the lines to be read begin and end: each line is in one range, where it begins."""
    from .. import _svmlight

    start, stop = source.position, len(source.view)
    if o.offset:
        start = _svmlight.next_line(source.view, o.offset)
    if o.length > 0:
        stop = max(start, _svmlight.next_line(source.view, o.offset + o.length))
    return start, stop


def _whole(source: Whole, o: _Options) -> _Rows:
    """Count the lines, then read them into place."""
    from .. import _svmlight

    def lines() -> int:
        with source.view[:start] as before:
            return _svmlight.count_lines(before)

    start, stop = _range(source, o)
    with source.view[start:stop] as view:
        text = _Text(view, o, source.name, lines)
        for i0, i1 in text.windows(max(1, WINDOW // BLOCK)):
            text.count(i0, i1)
            source.forget(start + text.start[i0], start + text.start[i1])
        rows = _read_in_place(text, source, start, wide=False)
        if rows is None:
            rows = _read_in_place(text, source, start, wide=True)
            assert rows is not None
        _expect_queries(text, rows.n, int(text.before[-1, 3]))
    source.leave(stop)
    return rows


def _read_in_place(text: _Text, source: Whole, start: int, wide: bool) -> _Rows | None:
    rows = text.rows(wide, np.empty)
    shifts: list[tuple[int, int, int]] = []
    shift = int(text.options.zero_based is False)
    # an index 0 mostly shows in the first lines
    for i0, i1 in text.windows(4):
        if not text.read(i0, i1, rows, shift):
            return None
        source.forget(start + text.start[i0], start + text.start[i1])
        shifts.append((int(text.before[i0, 1]), int(text.before[i1, 1]), shift))
        shift = int(text.options.is_one_based(rows.lowest))
    for a, b, taken in shifts:
        if taken != shift:
            rows.indices[a:b] += taken - shift
    rows.shift = shift
    return rows


def _pieces(source: Whole | Stream, o: _Options) -> Iterator[_Text]:
    """Whole lines of a source, piece by piece; a piece is let go before the next."""
    from .. import _svmlight

    done = 0

    def lines() -> int:
        return done

    def size(total: int) -> int:
        return max(PIECE, total // PIECES)

    if isinstance(source, Whole):
        start, stop = _range(source, o)
        with source.view[:start] as before:
            done = _svmlight.count_lines(before)
        first = start
        while start < stop:
            upto = min(stop, _svmlight.next_line(source.view, start + size(start - first)))
            with source.view[start:upto] as view:
                yield _Text(view, o, source.name, lines)
                done += _svmlight.count_lines(view)
            source.forget(start, upto)
            start = upto
        source.leave(stop)
        return
    behind = f" behind byte {o.offset}" if o.offset else ""
    limit = o.offset + o.length if o.length > 0 else None
    skipping = o.offset > 0
    source.skip(o.offset)
    position = source.position
    for block in source.lines(size):
        with memoryview(block) as view:
            start, stop = 0, len(view)
            if skipping:
                # the line that the offset is in
                start = _svmlight.next_line(view, 0)
                skipping = False
            if limit is not None:
                stop = max(start, _svmlight.next_line(view, max(0, limit - position)))
            if start < stop:
                with view[start:stop] as part:
                    yield _Text(part, o, source.name, lines, behind)
                    done += _svmlight.count_lines(part)
            position += stop
            if limit is not None and position > limit:
                source.leave(position)
                return


def _own_pages(n: int, dtype: Any) -> NDArray[Any]:
    """An array whose memory goes back to the system when it is freed."""
    size = n * np.dtype(dtype).itemsize
    if size < OWN_PAGES:
        return np.empty(n, dtype)
    if hasattr(mmap, "MAP_PRIVATE"):
        pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    else:
        pages = mmap.mmap(-1, size)
    return np.frombuffer(pages, dtype, n)


def _parts(
    source: Whole | Stream, o: _Options, empty: Callable[[int, Any], NDArray[Any]]
) -> Iterator[_Rows]:
    """Rows of the pieces of a source."""
    n = queries = 0
    unasked = None
    shift = int(o.zero_based is False)
    for text in _pieces(source, o):
        text.count(0, text.n_blocks)
        rows = text.rows(False, empty)
        if not text.read(0, text.n_blocks, rows, shift):
            rows = text.rows(True, empty)
            text.read(0, text.n_blocks, rows, shift)
        rows.shift = shift
        n += rows.n
        queries += int(text.before[-1, 3])
        if unasked is None and text.unasked >= 0 and o.queries:
            unasked = text.place(text.unasked)
        if o.queries and 0 < queries < n:
            raise ValueError(f"{unasked}: found no qid; expected one in every row, or in none")
        shift = int(o.is_one_based(rows.lowest))
        yield rows


def _together(parts: list[_Rows], shift: int | None = None) -> _Rows:
    """One run of rows of several; `parts` is emptied, so that memory goes back meanwhile."""
    first = parts[0]
    n = sum(rows.n for rows in parts)
    elements = sum(len(rows.data) for rows in parts)
    several, queries = first.label_end is not None, first.query is not None
    wide = any(rows.indices.dtype == np.int64 for rows in parts) or max(n, elements) > _INT32
    index = np.int64 if wide else np.int32
    shift = first.shift if shift is None else shift
    whole = _Rows(
        np.empty(elements, first.data.dtype),
        np.empty(elements, index),
        np.zeros(n + 1, index),
        np.empty(sum(len(rows.label) for rows in parts)),
        np.zeros(n + 1, np.int64) if several else None,
        np.empty(sum(len(rows.query) for rows in parts), np.int64) if queries else None,
        shift,
    )
    row = element = label = query = 0
    parts.reverse()
    while parts:
        rows = parts.pop()
        end, last = row + rows.n, element + len(rows.data)
        whole.data[element:last] = rows.data
        np.add(rows.indices, rows.shift - shift, out=whole.indices[element:last], casting="unsafe")
        np.add(rows.indptr[1:], element, out=whole.indptr[row + 1 : end + 1], casting="unsafe")
        whole.label[label : label + len(rows.label)] = rows.label
        if whole.label_end is not None:
            whole.label_end[row + 1 : end + 1] = rows.label_end[1:] + label
        if whole.query is not None:
            whole.query[query : query + len(rows.query)] = rows.query
            query += len(rows.query)
        row, element, label = end, last, label + len(rows.label)
        whole.note(rows.lowest, rows.highest)
    return whole


def _nothing(o: _Options) -> _Rows:
    """No rows."""
    data = np.empty(0, np.float32 if o.single else np.float64)
    label_end = np.zeros(1, np.int64) if o.several else None
    query = np.empty(0, np.int64) if o.queries else None
    return _Rows(data, np.empty(0, np.int32), np.zeros(1, np.int32), np.empty(0), label_end, query)


def read_svmlight(
    source: str | os.PathLike[str] | int | Buffer | BinaryIO | Iterable[Buffer],
    *,
    n_features: int | None = None,
    dtype: DTypeLike = np.float64,
    multilabel: bool = False,
    zero_based: bool | Literal["auto"] = "auto",
    query_id: bool = False,
    offset: int = 0,
    length: int = -1,
) -> tuple[Any, ...]:
    """Read text in the svmlight format, also called libsvm's, into a CSR array.

    Each line is a row: a label, then ``index:value`` of its non-zero elements, by ascending index;
    what follows a ``#`` is a comment. Parameters and results are those of scikit-learn's
    ``load_svmlight_file``, and values are the same to the last bit.

    Parameters
    ----------
    source : path, bytes, binary file, int or iterable of bytes
        A path, that of a compressed file when it ends in ``.gz`` or ``.bz2``; the text itself, as
        bytes or another buffer; a file object or descriptor, which is read from where it stands and
        stays open; or blocks of bytes in order, however lines are cut by them.
    n_features : int, default=None
        Columns of X. By default the highest index says.
    dtype : {float32, float64}, default=float64
        Type of X; labels are float64.
    multilabel : bool, default=False
        Whether rows have any number of labels, with commas between them.
    zero_based : bool or "auto", default="auto"
        Whether the first index is 0, or else 1. "auto" takes it for 1 when no index is 0; with
        `offset` or `length`, for 0.
    query_id : bool, default=False
        Whether to return the integers of ``qid:`` that may follow labels.
    offset : int, default=0
        Leave out lines that begin before this byte or at it; 0 leaves out none.
    length : int, default=-1
        If positive, leave out lines that begin behind byte offset + length. Ranges that follow one
        another share the lines of a file among them.

    Returns
    -------
    X : csr_array of shape (n_samples, n_features)
        Sorted, without duplicates. Indices are int32 where that suffices, else int64.
    y : ndarray of shape (n_samples,) or list of tuples
        Labels, float64; with `multilabel` a sorted tuple for each row.
    query_id : ndarray of shape (n_samples,)
        Only with ``query_id=True``: int64, empty when no row has one.

    Raises
    ------
    ValueError
        For a line that is not in the format, with its number and the column of what was found; for
        an index beyond `n_features`, or beyond 2^40 without it; when some rows have a ``qid:`` and
        some do not, with ``query_id=True``; and for a parameter out of range.
    TypeError
        For a source of another kind, or a file of text.
    RuntimeError
        When the source changes while it is read.

    See Also
    --------
    iter_svmlight : The same, some rows at a time.
    sklearn.datasets.dump_svmlight_file : Writes such files.

    Notes
    -----
    Threads (`fastridge.set_num_threads`) read blocks of lines at once; results do not depend on
    them. Plain files are mapped into memory, counted, and then read into the arrays returned, so
    that little more memory is taken than for these; a mapped file must not be cut short meanwhile.
    Decimal numbers are rounded correctly, by the method of [1]_ and exact integers where that does
    not decide, to float64; float32 is rounded from these. Numbers are those of ``float()`` and
    ``int()``, inf, nan and underscores among them.

    References
    ----------
    .. [1] D. Lemire, "Number parsing at a gigabyte per second", Software: Practice and Experience
       51 (2021).

    Examples
    --------
    >>> from fastridge.io import read_svmlight
    >>> X, y = read_svmlight(b"1 1:0.5 3:2  # a comment\n-1 2:1e-3\n")
    >>> X.toarray()
    array([[0.5  , 0.   , 2.   ],
           [0.   , 0.001, 0.   ]])
    >>> y
    array([ 1., -1.])
    >>> read_svmlight(b"1 1:0.5\n-1 2;1\n")
    Traceback (most recent call last):
        ...
    ValueError: <bytes>, line 2, column 4: found '2;1'; expected index:value
    """
    o = _options(n_features, dtype, multilabel, zero_based, query_id, offset, length)
    with opened(source) as found:
        if isinstance(found, Whole):
            rows = _whole(found, o)
        else:
            parts = list(_parts(found, o, _own_pages))
            lowest = min((p.lowest for p in parts if p.lowest is not None), default=None)
            rows = _together(parts, int(o.is_one_based(lowest))) if parts else _nothing(o)
        name = found.name
    n = rows.highest + 1 - rows.shift if rows.highest >= 0 else 1
    if o.n_features is not None and n > o.n_features:
        # with "auto" it is known at the end what an index stands for
        raise ValueError(
            f"{name}: found index {rows.highest}, of column {n} as there is an index 0; expected"
            f" {o.n_features} columns at most, as n_features says"
        )
    return rows.result(o.n_features or n, o)


def iter_svmlight(
    source: str | os.PathLike[str] | int | Buffer | BinaryIO | Iterable[Buffer],
    rows: int = 10_000,
    *,
    n_features: int,
    dtype: DTypeLike = np.float64,
    multilabel: bool = False,
    zero_based: bool = True,
    query_id: bool = False,
    offset: int = 0,
    length: int = -1,
) -> Iterator[tuple[Any, ...]]:
    """Read text in the svmlight format some rows at a time, as `partial_fit` takes them.

    Parameters
    ----------
    source : path, bytes, binary file, int or iterable of bytes
        As in `read_svmlight`.
    rows : int, default=10000
        Rows of each block; the last one may have fewer.
    n_features : int
        Columns of each X.
    dtype : {float32, float64}, default=float64
        Type of each X; labels are float64.
    multilabel : bool, default=False
        Whether rows have any number of labels, with commas between them.
    zero_based : bool, default=True
        Whether the first index is 0, or else 1. Blocks cannot tell by themselves.
    query_id : bool, default=False
        Whether to give the integers of ``qid:``, too.
    offset : int, default=0
        Leave out lines that begin before this byte or at it; 0 leaves out none.
    length : int, default=-1
        If positive, leave out lines that begin behind byte offset + length.

    Yields
    ------
    X : csr_array of shape (rows, n_features)
    y : ndarray of shape (rows,) or list of tuples
    query_id : ndarray of shape (rows,)
        Only with ``query_id=True``.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        As in `read_svmlight`; of a line that is not in the format, when its turn comes or some
        blocks before. A file is opened when the first block is asked for.

    Examples
    --------
    >>> from fastridge.io import iter_svmlight
    >>> text = b"1 0:0.5 2:2\n-1 1:1e-3\n1 2:3\n"
    >>> for X, y in iter_svmlight(text, rows=2, n_features=3):
    ...     print(X.shape, y)
    (2, 3) [ 1. -1.]
    (1, 3) [1.]
    """
    n = _integer("n_features", n_features, 1)
    rows = _integer("rows", rows, 1)
    zero_based = _flag("zero_based", zero_based)
    o = _options(n, dtype, multilabel, zero_based, query_id, offset, length)
    return _blocks(source, rows, n, o)


def _blocks(source: Any, rows: int, n_features: int, o: _Options) -> Iterator[tuple[Any, ...]]:
    held: list[_Rows] = []
    n = 0
    with opened(source) as found:
        for part in _parts(found, o, np.empty):
            at = 0
            while part.n - at >= rows - n:
                upto = at + rows - n
                held.append(part.part(at, upto))
                block = held[0] if len(held) == 1 else _together(held)
                held, n, at = [], 0, upto
                yield block.result(n_features, o)
            if at < part.n:
                held.append(part.part(at, part.n))
                n += part.n - at
    if held:
        block = held[0] if len(held) == 1 else _together(held)
        yield block.result(n_features, o)
