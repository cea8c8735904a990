"""Read lines in the svmlight format: count them in blocks, then read them into arrays."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ._rows import INT32, MOST_FEATURES, Options, Rows
from ._sources import Stream, Whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Bytes of text that one thread parses at a time.
BLOCK = 1 << 18
# Bytes of a file that are mapped at the same time.
WINDOW = 1 << 24
# Bytes of a stream that are parsed at a time: at least PIECE, and this share of the bytes before.
PIECE = 1 << 22
SHARE = 1 / 32
# Bytes from which an array gets its own mapping, so that freeing it returns memory to the system.
OWN_PAGES = 1 << 20

_EXPECTED = {
    "label": "expected a number, the label",
    "colon": "expected index:value",
    "index": "expected an integer before the colon",
    "order": "expected an index above the one before it",
    "value": "expected a number after the colon",
    "query": "expected an integer of 64 bits after qid:",
}


class Text:
    """Whole lines in memory, in blocks that are counted and then parsed."""

    def __init__(
        self,
        view: memoryview,
        o: Options,
        name: str,
        lines: Callable[[], int],
        behind: str = "",
    ) -> None:
        from .. import _svmlight

        self.kernels = _svmlight
        self.view = view
        self.options = o
        self.name = name
        self.lines, self.behind = lines, behind  # lines before the text, or since the given byte
        self.n_blocks = -(-len(view) // BLOCK)
        self.start = np.zeros(self.n_blocks + 1, np.intp)
        self.before = np.zeros((self.n_blocks + 1, 4), np.int64)
        self.without_query = -1

    def windows(self, first: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of blocks to parse together, the first one of `first` blocks."""
        i = 0
        while i < self.n_blocks:
            upto = min(i + (first if i == 0 else max(1, WINDOW // BLOCK)), self.n_blocks)
            yield i, upto
            i = upto

    def count(self, i0: int, i1: int) -> None:
        multilabel = self.options.multilabel
        self.kernels.count(self.view, BLOCK, self.start, self.before, multilabel, i0, i1)

    def rows(self, wide: bool, empty: Callable[[int, Any], NDArray[Any]]) -> Rows:
        """Allocate arrays for all rows that were counted."""
        o = self.options
        n, elements, labels, queries = self.before[-1].tolist()
        # an element takes at least four bytes: a line with more colons is an error
        elements = min(elements, (len(self.view) + 1) // 4)
        wide = wide or max(n, elements, o.n_features or 0) > INT32
        index = np.int64 if wide else np.int32
        indptr = empty(n + 1, index)
        indptr[0] = 0
        label_end = np.zeros(n + 1, np.int64) if o.multilabel else None
        return Rows(
            empty(elements, np.float32 if o.single else np.float64),
            empty(elements, index),
            indptr,
            empty(labels if o.multilabel else n, np.float64),
            label_end,
            empty(queries if o.queries else 0, np.int64),
        )

    def read(self, i0: int, i1: int, rows: Rows, shift: int) -> bool:
        """Parse blocks into their places in `rows`; return False if they need 64-bit indices."""
        o = self.options
        query = rows.query if o.queries else None
        error, where, lowest, highest, without_query = self.kernels.read(
            self.view, self.start, self.before, i0, i1, o.first, o.last, shift, rows.data,
            rows.indices, rows.indptr, rows.label, rows.label_end, query,
        )  # fmt: skip
        if error == "wide":
            return False
        if error is not None:
            self.fail(error, where)
        rows.note(lowest, highest)
        if self.without_query < 0:
            self.without_query = without_query
        return True

    def place(self, where: int) -> str:
        """Return name, line and column of a byte, for messages."""
        line, column = self.kernels.locate(self.view, where)
        return f"{self.name}, line {self.lines() + line}{self.behind}, column {column}"

    def fail(self, error: str, where: int) -> NoReturn:
        """Raise the error that the kernel found."""
        o = self.options
        if error == "changed":
            raise RuntimeError(f"{self.name} changed while it was read")
        with self.view[where : where + 64] as rest:
            line = bytes(rest).split(b"\n")[0].split(b"#")[0]
        token = line.split(maxsplit=1)[0] if line[:1].strip() else b""
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
            if error == "label" and b"," in token and not o.multilabel:
                expected += " (several of them need multilabel=True)"
        found = repr(token[:40])[1:] + ("..." if len(token) > 40 else "")
        found = found if token else "no more"
        raise ValueError(f"{self.place(where)}: found {found}; {expected}")


def _expect_queries(text: Text, rows: int, queries: int) -> None:
    """Raise an error if only some rows have a query: they could not be matched to rows."""
    if text.options.queries and 0 < queries < rows:
        raise _no_query(text.place(text.without_query))


def _no_query(place: str) -> ValueError:
    return ValueError(f"{place}: found no qid; expected one in every row, or in none")


def _range(source: Whole, o: Options) -> tuple[int, int]:
    """Return begin and end of the lines to be read: a line is in the range that it begins in."""
    from .. import _svmlight

    start, stop = source.position, len(source.view)
    if o.offset:
        start = _svmlight.next_line(source.view, o.offset)
    if o.length > 0:
        stop = max(start, _svmlight.next_line(source.view, o.offset + o.length))
    return start, stop


def read_whole(source: Whole, o: Options) -> Rows:
    """Count the lines, then parse them into place."""
    from .. import _svmlight

    def lines() -> int:
        with source.view[:start] as before:
            return _svmlight.count_lines(before)

    start, stop = _range(source, o)
    with source.view[start:stop] as view:
        text = Text(view, o, source.name, lines)
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


def _read_in_place(text: Text, source: Whole, start: int, wide: bool) -> Rows | None:
    rows = text.rows(wide, np.empty)
    shifts: list[tuple[int, int, int]] = []
    shift = int(text.options.zero_based is False)
    # an index 0, if any, is mostly in the first lines
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


def _pieces(source: Whole | Stream, o: Options) -> Iterator[Text]:
    """Yield whole lines of a source in pieces; a piece is released before the next."""
    from .. import _svmlight

    def size(total: int) -> int:
        return max(PIECE, int(SHARE * total))

    if isinstance(source, Whole):

        def lines_of_whole() -> int:
            with source.view[:start] as before:
                return _svmlight.count_lines(before)

        start, stop = _range(source, o)
        first = start
        while start < stop:
            upto = min(stop, _svmlight.next_line(source.view, start + size(start - first)))
            with source.view[start:upto] as view:
                yield Text(view, o, source.name, lines_of_whole)
            source.forget(start, upto)
            start = upto
        source.leave(stop)
        return

    done = 0

    def lines() -> int:
        return done

    behind = f" behind byte {o.offset}" if o.offset else ""
    limit = o.offset + o.length if o.length > 0 else None
    skipping = o.offset > 0
    source.skip(o.offset)
    position = source.position
    for block in source.lines(size):
        with memoryview(block) as view:
            start, stop = 0, len(view)
            if skipping:
                # skip the rest of the line that the offset is in
                start = _svmlight.next_line(view, 0)
                skipping = False
            if limit is not None:
                stop = max(start, _svmlight.next_line(view, max(0, limit - position)))
            if start < stop:
                with view[start:stop] as part:
                    yield Text(part, o, source.name, lines, behind)
                    done += _svmlight.count_lines(part)
            position += stop
            if limit is not None and position > limit:
                source.leave(position)
                return


def own_pages(n: int, dtype: Any) -> NDArray[Any]:
    """Return an array whose memory is returned to the system when it is freed."""
    size = n * np.dtype(dtype).itemsize
    if size < OWN_PAGES:
        return np.empty(n, dtype)
    if hasattr(mmap, "MAP_PRIVATE"):
        pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    else:
        pages = mmap.mmap(-1, size)
    return np.frombuffer(pages, dtype, n)


def read_parts(
    source: Whole | Stream, o: Options, empty: Callable[[int, Any], NDArray[Any]]
) -> Iterator[Rows]:
    """Yield the rows of each piece of a source."""
    n = queries = 0
    without_query = ""
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
        if not without_query and text.without_query >= 0 and o.queries:
            without_query = text.place(text.without_query)
        if o.queries and 0 < queries < n:
            raise _no_query(without_query)
        shift = int(o.is_one_based(rows.lowest))
        yield rows
