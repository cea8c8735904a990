"""Read tables of named columns: CSV, Parquet, Arrow; and matrices: svmlight, npz."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import re
import sys
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

INTERRUPTED = 130  # exit status after Ctrl-C
_ROWS = 65_536  # rows of text that are read at once
MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"})
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_COMMA_NUMBER = re.compile(r"[+-]?\d+(?:,\d+)?(?:[eE][+-]?\d+)?")
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_LIKE_NUMBER = re.compile(r"[^\w\s]?\s?[+-]?\d[\d.,'\u00a0 ]*\s?[^\w\s]?")
# a first line by which spreadsheets are told the separator
_SEPARATOR = re.compile(r'"?sep=([^\w"\r\n])"?[\r\n]*', re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d.*)?|\d{1,2}[/.]\d{1,2}[/.]\d{4}(?: .*)?")


class CommandError(Exception):
    """An error of the user's files or options, whose message is shown without a traceback."""


class OptionError(CommandError):
    """An error of options that are missing or do not fit together."""


def say(text: str) -> None:
    """Write a line to standard error."""
    print(f"fastridge: {text}", file=sys.stderr)


def message_of(error: BaseException) -> str:
    """Return the message of an error; of the system's, without its number."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def require_place(option: str, place: Path | None, *read: Path) -> None:
    """Raise an error where a file to write is one of those to read, or cannot be written."""
    if place is None:
        return
    if not place.resolve().parent.is_dir():
        raise CommandError(f"{option} is {place}, but {place.parent} is no folder.")
    if place.is_dir() or (place.exists() and not place.stat().st_mode & 0o222):
        kind = "a folder" if place.is_dir() else "read-only"
        raise CommandError(f"{option} is {place}, which is {kind}; expected a file to write.")
    if place.exists() and any(place.samefile(p) for p in read if p.exists()):
        raise CommandError(f"{option} is {place}, which is read; expected another file.")


@dataclass(slots=True)
class Column:
    """A column: numbers with NaN where missing, or texts as codes, -1 where missing.

    Attributes
    ----------
    name : str
    kind : {"number", "text", "date", "other"}
    values : ndarray (n,) of float64 or int32
        Numbers, or codes of texts and dates.
    levels : list of str
        The texts that the codes are positions of; of "other", the type in the file.
    decimals : {"", ",", ".", "inf"}
        What numbers of a text file with decimal commas have that numbers written in another way
        cannot have; "": nothing.
    """

    name: str
    kind: str
    values: NDArray[Any]
    levels: list[str]
    decimals: str = ""

    @property
    def missing(self) -> NDArray[np.bool_]:
        return np.isnan(self.values) if self.kind == "number" else self.values < 0

    def summary(self) -> Summary:
        """Return what the encoding of the column depends on."""
        missing = self.missing
        mean = None
        if self.kind == "number" and not missing.all():
            mean = float(self.values[~missing].mean())
        return Summary(self.name, self.kind, self.levels, len(missing), int(missing.sum()), mean)

    def take(self, rows: NDArray[Any]) -> Column:
        return Column(self.name, self.kind, self.values[rows], self.levels, self.decimals)

    def used(self) -> Column:
        """Return the column without the texts that none of its rows has."""
        if self.kind not in ("text", "date"):
            return self
        used = np.unique(self.values[self.values >= 0])
        place = np.full(len(self.levels) + 1, -1, dtype=np.int32)
        place[used] = np.arange(len(used))
        levels = [self.levels[i] for i in used]
        return Column(self.name, self.kind, place[self.values], levels, self.decimals)


class Summary(NamedTuple):
    """What the encoding of a column depends on; mean: of numbers."""

    name: str
    kind: str
    levels: list[str]
    rows: int
    missing: int
    mean: float | None


Table = dict[str, Column]


def read_table(path: Path, texts: frozenset[str] = frozenset()) -> Table:
    """Return the columns of a file, by its suffix; texts: columns that are not numbers or dates."""
    if is_text(path):
        return _read_text(path, texts)
    if path.name.lower().endswith((".parquet", ".feather", ".arrow", ".ipc")):
        return _read_arrow(path)
    raise CommandError(
        f"{path} has an unknown suffix; expected .csv, .tsv (also .gz), .parquet, .feather,"
        " .arrow, .svm, .svmlight, .libsvm or .npz."
    )


def is_matrix(path: Path) -> bool:
    """Return whether a file holds a matrix, without column names, by its suffix."""
    return path.name.lower().removesuffix(".gz").endswith((".svm", ".svmlight", ".libsvm", ".npz"))


def is_npz(path: Path) -> bool:
    """Return whether a file holds a scipy matrix, by its suffix."""
    return path.name.lower().endswith(".npz")


def read_matrix(path: Path, target: str | None) -> tuple[Any, NDArray[Any] | None]:
    """Return X, and y: the labels of svmlight, or the file `target` of a .npz matrix."""
    if not is_npz(path):
        from ..io import read_svmlight

        X, y, *_ = read_svmlight(path)
        return X, np.asarray(y)
    from scipy import sparse

    X = _loaded(sparse.load_npz, path)
    if target is None:
        return X, None
    y = _loaded(np.load, target)
    if y.ndim != 1 or len(y) != X.shape[0]:
        raise CommandError(f"{target} has shape {y.shape}; expected ({X.shape[0]},), as {path}.")
    return X, y


def _loaded(load: Any, path: Any) -> Any:
    try:
        with Path(path).open("rb") as file:
            return load(file)
    except (EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise CommandError(f"{path} cannot be read: {error}") from None


def _open(path: Path) -> TextIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"

    def opened() -> Any:
        return gzip.open(path, "rb") if packed else path.open("rb")

    with opened() as file:
        # a byte order mark says UTF-16
        wide = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
    return io.TextIOWrapper(opened(), encoding="utf-16" if wide else "utf-8-sig", newline="")


def _delimiter(path: Path, line: str) -> str:
    """Return what separates the fields of a first line: by the suffix, or where that is absent, by
    the most frequent of others."""
    # a quoted name may go on in the next line
    line = re.sub('"[^"]*"?', "", line)
    own = "\t" if path.name.lower().removesuffix(".gz").endswith(".tsv") else ","
    return own if own in line else max(f"{own};\t|,", key=line.count)


def is_text(path: Path) -> bool:
    """Return whether a file is comma- or tab-separated text, by its suffix."""
    return path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv", ".txt"))


class Block(NamedTuple):
    """Rows of a text file: names and texts of its columns, and whether decimals have a comma."""

    names: list[str]
    columns: list[Any]
    comma: bool


def _reader(file: TextIO, path: Path) -> tuple[Any, str]:
    """Return a reader of the names and rows of a text file, and what separates fields."""
    first = file.readline()
    told = _SEPARATOR.fullmatch(first)
    if told is None:
        delimiter, lines = _delimiter(path, first), itertools.chain([first], file)
    else:
        # an empty line in its place, so that lines are counted as in the file
        delimiter, lines = told[1], itertools.chain(["\n"], file)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    if told is not None:
        next(reader)
    return reader, delimiter


def unnamed(path: Path) -> list[str]:
    """Return what `text_blocks` calls the columns of a text file that have no name."""
    with _open(path) as file:
        names: list[str] = next(_reader(file, path)[0], [])
    return [_name_of(i) for i, name in enumerate(names, 1) if not name.strip()]


def _name_of(position: int) -> str:
    return f"column {position}"


def text_blocks(path: Path, size: int = _ROWS) -> Iterator[Block]:
    """Yield `size` rows at a time."""
    some = False
    reader = None
    try:
        with _open(path) as file:
            reader, delimiter = _reader(file, path)
            names = [name.strip() for name in next(reader, [])]
            names = [name or _name_of(i) for i, name in enumerate(names, 1)]
            _check_names(names, path)
            while rows := list(itertools.islice(reader, size)):
                # blank lines
                rows = [row for row in rows if row]
                if not rows:
                    continue
                wrong = next((row for row in rows if len(row) != len(names)), None)
                if wrong is not None:
                    raise CommandError(
                        f"{path} has a row of {len(wrong)} fields near line {reader.line_num};"
                        f" expected {len(names)}, as in its first line: {wrong[:4]!r} ..."
                    )
                some = True
                yield Block(names, list(zip(*rows, strict=True)), delimiter == ";")
    except csv.Error as error:
        line = reader.line_num if reader is not None else 1
        raise CommandError(f"{path}, line {line}: {error}.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CommandError(f"{path} is no whole gzip file: {error}.") from None
    except UnicodeDecodeError as error:
        if error.encoding.startswith("utf-16"):
            raise CommandError(f"{path} is no whole UTF-16 text: {error.reason}.") from None
        raise CommandError(
            f"{path} is not UTF-8 text ({error.reason}): save it as UTF-8, for example by iconv"
            " -f LATIN1 -t UTF-8."
        ) from None
    if not some:
        raise CommandError(f"{path} has no rows below its first line, the names of the columns.")


def _read_text(path: Path, as_texts: frozenset[str]) -> Table:
    """Read separated text; each column as codes of its different texts."""
    counts: dict[str, Any] = defaultdict(lambda: defaultdict(itertools.count().__next__))
    parts: dict[str, list[NDArray[np.int32]]] = defaultdict(list)
    comma = False
    for block in text_blocks(path):
        comma = block.comma
        for name, column in zip(block.names, block.columns, strict=True):
            positions = map(counts[name].__getitem__, column)
            parts[name].append(np.fromiter(positions, dtype=np.int32, count=len(column)))
    table = {
        name: column_of_texts(
            name, np.concatenate(codes), list(counts[name]), name in as_texts, comma
        )
        for name, codes in parts.items()
    }
    say_decimals({name: column.decimals for name, column in table.items()})
    return table


def say_decimals(decimals: dict[str, str]) -> None:
    """Warn where columns of numbers have decimal commas, and others decimal points."""
    marked = [next((name for name, mark in decimals.items() if mark == m), None) for m in ",."]
    if None not in marked:
        say(
            f"warning: the commas in column {marked[0]!r} are read as decimal ones, and column"
            f" {marked[1]!r} has decimal points: if one of them separates thousands, leave it out."
        )


def column_of_block(name: str, texts: Any, as_text: bool, comma: bool) -> Column:
    """Return a column of a block, by the text of each row."""
    count: Any = defaultdict(itertools.count().__next__)
    codes = np.fromiter(map(count.__getitem__, texts), dtype=np.int32, count=len(texts))
    return column_of_texts(name, codes, list(count), as_text, comma)


def table_of_block(block: Block, numbers: frozenset[str]) -> Table:
    """Return the columns of a block of text, whose kinds are known: numbers, or texts."""
    found = {}
    for name, column in zip(block.names, block.columns, strict=True):
        found[name] = column_of_block(name, column, name not in numbers, block.comma)
        if name in numbers and found[name].missing.all():
            found[name] = Column(name, "number", np.full(len(column), np.nan), [])
    return found


def _check_names(names: list[str], path: Path) -> None:
    if not names:
        raise CommandError(f"{path} is empty; expected a first line of column names.")
    again = {name for name in names if names.count(name) > 1}
    if again:
        raise CommandError(f"{path} has several columns named {', '.join(map(repr, again))}.")


def is_number(text: str) -> bool:
    """Return whether a text is a number with a decimal point."""
    return _NUMBER.fullmatch(text) is not None or _INFINITE.fullmatch(text) is not None


def is_like_number(text: str) -> bool:
    """Return whether a text is a number with a unit, a currency or separators of thousands."""
    return _LIKE_NUMBER.fullmatch(text) is not None


def column_of_texts(
    name: str, codes: NDArray[np.int32], texts: list[str], as_text: bool, comma: bool = False
) -> Column:
    """Return a column of numbers, dates or texts, by its different texts.

    comma: decimals may have a comma, as they do where semicolons separate the fields.
    """
    texts = [text.strip() for text in texts]
    known = [text for text in texts if text not in MISSING]
    numbers = bool(known) and not as_text and all(map(is_number, known))
    decimals = ""
    if comma and known and not as_text:
        by_comma = all(map(_COMMA_NUMBER.fullmatch, known))
        if numbers and not by_comma:
            decimals = "." if any("." in text for text in known) else "inf"
        elif by_comma and not numbers:
            texts = [text.replace(",", ".") for text in texts]
            decimals, numbers = ",", True
    if numbers:
        each = np.array([float(t) if t not in MISSING else np.nan for t in texts])
        return Column(name, "number", each[codes], [], decimals)
    dates = known and not as_text and all(map(_DATE.fullmatch, known))
    kind = "date" if dates else "text"
    levels = sorted(set(known))
    place = {text: i for i, text in enumerate(levels)}
    new = np.array([place.get(text, -1) for text in texts], dtype=np.int32)
    return Column(name, kind, new[codes], levels)


def _read_arrow(path: Path) -> Table:
    try:
        import pyarrow as pa
        from pyarrow import feather, parquet
    except ImportError:
        raise CommandError(
            f"{path} needs pyarrow, which is not installed: pip install 'fastridge-l2[files]'."
        ) from None
    read = parquet.read_table if path.name.lower().endswith(".parquet") else feather.read_table
    # for a file that is not there, pyarrow's own error gives no reason
    path.stat()
    try:
        table = read(path)
    except pa.ArrowInvalid as error:
        raise CommandError(f"{path} cannot be read: {error}") from None
    _check_names(table.column_names, path)
    if not table.num_rows:
        raise CommandError(f"{path} has no rows.")
    found = {}
    types = pa.types
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        kind = column.type
        if types.is_temporal(kind):
            codes = np.where(np.asarray(column.is_null()), -1, 0).astype(np.int32)
            found[name] = Column(name, "date", codes, [str(kind)])
        elif types.is_boolean(kind):
            # as texts of a CSV file
            told = np.asarray(column.cast(pa.int8()).fill_null(-1)).astype(np.int32)
            found[name] = Column(name, "text", told, ["False", "True"])
        elif types.is_integer(kind) or types.is_floating(kind):
            values = np.asarray(
                column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            )
            found[name] = Column(name, "number", np.array(values, dtype=np.float64), [])
        elif types.is_decimal(kind):
            values = np.array([np.nan if v is None else float(v) for v in column.to_pylist()])
            found[name] = Column(name, "number", values, [])
        elif types.is_null(kind):
            found[name] = Column(name, "text", np.full(len(column), -1, dtype=np.int32), [])
        else:
            if types.is_dictionary(kind):
                column = column.cast(kind.value_type)
                kind = column.type
            if not (types.is_string(kind) or types.is_large_string(kind)):
                codes = np.where(np.asarray(column.is_null()), -1, 0).astype(np.int32)
                found[name] = Column(name, "other", codes, [str(kind)])
                continue
            coded = column.dictionary_encode()
            codes = np.asarray(coded.indices.fill_null(-1)).astype(np.int32)
            texts = coded.dictionary.to_pylist()
            order = sorted(range(len(texts)), key=texts.__getitem__)
            place = np.empty(len(texts) + 1, dtype=np.int32)
            place[order] = np.arange(len(texts))
            place[-1] = -1
            found[name] = Column(name, "text", place[codes], [texts[i] for i in order])
    return found
