"""Data larger than memory: chunks of rows from anywhere, read anew in each pass."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from ._progress import check_callback, reporter
from .data.inputs import check_sparse, is_sparse
from .data.parts import Part, Parts, Task, Total, add_to, in_part, row_count, run_task, total_of

_NAMES = ("X", "y", "sample_weight", "offset", "exposure", "groups")


class Chunks(Parts):
    """Rows of a data set a chunk at a time, for fits of more data than memory holds.

    Estimators take chunks in the place of X: ``Ridge().fit(Chunks(read))``. Each pass over the data
    reads all chunks again, in the same order, and holds one of them at a time. A ridge regression,
    its cross-validation, an elastic net or the evidence takes one pass, a generalised linear model
    one for each Newton step.

    Squared losses are fitted from moments: the certificate of such a fit is about these sums, which
    carry the round-off of squares.

    Parameters
    ----------
    source : callable, or iterable
        A function without arguments that returns an iterator of chunks and is called for each
        pass, or a list of chunks. Of any other iterator a single pass is possible. A chunk is
        (X, y), (X, y, sample_weight), or a mapping with the keys "X", "y" and any of
        "sample_weight", "offset", "exposure" and "groups". X is what `fit` takes, with the same
        columns in every chunk, and weights or offsets in all chunks or in none; a chunk without
        rows is skipped.
    total : int or None, default=None
        Number of chunks, for progress bars.
    callback : callable or None, default=None
        Called as ``callback(done, total)`` after each chunk of a pass. Where the total is not
        known, it is 0 in the first pass, at whose end one more call has both numbers equal.
    verbose : bool, default=False
        Show a progress bar on standard error, of tqdm where it is installed.

    Attributes
    ----------
    n_passes : int
        Passes over the data so far.

    Raises
    ------
    TypeError, ValueError
        If `source` is neither callable nor iterable, or another argument is not as described.

    See Also
    --------
    Moments : The sums that one pass of a ridge regression makes.
    fastridge.io.iter_svmlight : Chunks of text in the svmlight format.
    SGDClassifier : Linear classifier that learns from a stream of rows.
    Incremental : Learn the chunks one after the other, some times over.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import Chunks, Ridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 3))
    >>> y = X @ [1.0, 2.0, 3.0] + 5.0
    >>> def read():
    ...     for start in range(0, 1000, 100):
    ...         yield X[start : start + 100], y[start : start + 100]
    >>> model = Ridge(alpha=0.0).fit(Chunks(read))
    >>> model.coef_.round(6), model.n_passes_
    (array([1., 2., 3.]), 1)
    """

    in_order = True

    def __init__(
        self,
        source: Callable[[], Iterable[Any]] | Iterable[Any],
        *,
        total: int | None = None,
        callback: Callable[[int, int], None] | None = None,
        verbose: bool = False,
    ) -> None:
        if not callable(source) and not isinstance(source, Iterable):
            raise TypeError(
                f"source is a {type(source).__name__}; expected a function that returns an iterator"
                " of chunks, or a list of chunks."
            )
        if total is not None:
            _whole("total", total, 0)
        check_callback(callback)
        self._source = source
        self.once = not callable(source) and iter(source) is source
        self._total = total
        if total is None and isinstance(source, (list, tuple)):
            self._total = len(source)
        self._report = reporter(callback, verbose, "chunks")
        self._spent = False
        self._count: int | None = None  # chunks of the passes before
        self._rows: list[int] = []  # and their rows
        self._lengths: list[int] | None = None

    @property
    def lengths(self) -> list[int] | None:
        return self._lengths

    @classmethod
    def arrays(
        cls,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        offset: Any = None,
        exposure: Any = None,
        groups: Any = None,
        rows: int = 65536,
        **options: Any,
    ) -> Self:
        """Return chunks of arrays that lie in memory or in a memory-mapped file.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Sliced by rows, without a copy where the layout allows it.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), float or None, default=None
        offset, exposure, groups : array-like of shape (n_samples,) or None, default=None
            What `fit` takes under these names.
        rows : int, default=65536
            Rows of a chunk, at least 1.
        **options : dict
            `callback` and `verbose` of the constructor.

        Returns
        -------
        Chunks

        Raises
        ------
        ValueError, TypeError
            If `rows` is not a whole number of at least 1, X is sparse in another format than CSR,
            or another argument does not have as many rows as X.

        Examples
        --------
        >>> import numpy as np
        >>> from fastridge import Chunks, Ridge
        >>> X, y = np.arange(10.0)[:, None], np.arange(10.0)
        >>> Ridge(0.0).fit(Chunks.arrays(X, y, rows=4)).coef_.round(6)
        array([1.])
        """
        n = _length("X", X)
        _whole("rows", rows, 1)
        form = getattr(X, "format", "csr")
        if form != "csr":
            raise ValueError(f"X is sparse in {form} format; expected CSR: use X.tocsr().")
        columns = (y, sample_weight, offset, exposure, groups)
        for name, values in zip(_NAMES[1:], columns, strict=True):
            if values is None or (name == "sample_weight" and np.isscalar(values)):
                continue
            if _length(name, values) != n:
                raise ValueError(
                    f"{name} has {row_count(values)} rows, but X has {n}; expected the same number."
                )
        if y is None:
            raise TypeError("y is None; expected values for the rows of X.")

        def read() -> Iterator[Any]:
            for name, values in zip(_NAMES, (X, *columns), strict=True):
                if is_sparse(values):
                    check_sparse(values, name)
            for number, start in enumerate(range(0, n, rows)):
                chosen = slice(start, start + rows)
                yield Part(number, *(_rows_of(values, chosen) for values in (X, *columns)))

        found = cls(read, total=-(-n // rows), **options)
        found.has_groups = groups is not None
        found._lengths = [min(rows, n - start) for start in range(0, n, rows)]
        shape: Any = getattr(X, "shape", ())
        found.width = int(shape[1]) if len(shape) == 2 else None
        return found

    @classmethod
    def parquet(
        cls,
        path: Any,
        target: str | list[str],
        *,
        sample_weight: str | None = None,
        columns: list[str] | None = None,
        rows: int = 65536,
        **options: Any,
    ) -> Self:
        """Return chunks of a Parquet file, or of a folder of them, read by pyarrow.

        Parameters
        ----------
        path : str or path
            A file, or a folder whose files have the same columns.
        target : str or list of str
            Column, or columns, to predict.
        sample_weight : str or None, default=None
            Column of weights.
        columns : list of str or None, default=None
            Columns of X; None: all others. They must hold numbers.
        rows : int, default=65536
            Most rows of a chunk.
        **options : dict
            `callback` and `verbose` of the constructor.

        Returns
        -------
        Chunks

        Raises
        ------
        ImportError
            If pyarrow is not installed.
        FileNotFoundError
            If there is no such file.
        ValueError, TypeError
            If a column does not exist, or does not hold numbers, or an argument is not as
            described.
        """
        return cls(_frames("parquet", path, target, sample_weight, columns, rows), **options)

    @classmethod
    def csv(
        cls,
        path: Any,
        target: str | list[str],
        *,
        sample_weight: str | None = None,
        columns: list[str] | None = None,
        rows: int = 65536,
        **options: Any,
    ) -> Self:
        """Return chunks of a CSV file, or of a folder of them, read by pyarrow.

        Parameters
        ----------
        path : str or path
            A file with a line of names, plain or compressed, or a folder of such files.
        target : str or list of str
            Column, or columns, to predict.
        sample_weight : str or None, default=None
            Column of weights.
        columns : list of str or None, default=None
            Columns of X; None: all others. They must hold numbers.
        rows : int, default=65536
            Most rows of a chunk.
        **options : dict
            `callback` and `verbose` of the constructor.

        Returns
        -------
        Chunks

        Raises
        ------
        ImportError
            If pyarrow is not installed.
        FileNotFoundError
            If there is no such file.
        ValueError, TypeError
            If a column does not exist, or does not hold numbers, or an argument is not as
            described.
        """
        return cls(_frames("csv", path, target, sample_weight, columns, rows), **options)

    @classmethod
    def svmlight(
        cls, path: Any, n_features: int, *, rows: int = 65536, options: Any = None, **more: Any
    ) -> Self:
        """Return chunks of a file in the svmlight format, as CSR.

        Parameters
        ----------
        path : str or path
        n_features : int
            Columns of X.
        rows : int, default=65536
            Most rows of a chunk.
        options : dict or None, default=None
            Other arguments of `fastridge.io.iter_svmlight`, such as ``{"zero_based": False}``.
        **more : dict
            `callback` and `verbose` of the constructor.

        Returns
        -------
        Chunks

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError, TypeError
            If an argument is not as described.
        """
        from .io import iter_svmlight

        _whole("rows", rows, 1)
        _whole("n_features", n_features, 1)
        if not isinstance(path, (str, Path)):
            raise TypeError(f"path is a {type(path).__name__}; expected a str or a path.")
        if not Path(path).exists():
            raise FileNotFoundError(f"path is {str(path)!r}, where there is no file.")
        if options is not None and not isinstance(options, Mapping):
            raise TypeError(f"options is a {type(options).__name__}; expected a dict or None.")
        given = dict(options or {})
        known = [
            name
            for name in inspect.signature(iter_svmlight).parameters
            if name not in ("source", "rows", "n_features", "multilabel", "query_id")
        ]
        for name in given:
            if name not in known:
                raise ValueError(f"options has the key {name!r}; expected any of {known}.")

        def read() -> Iterator[Any]:
            return iter(iter_svmlight(path, rows, n_features=n_features, **given))

        # other values are checked before a file is opened
        read()
        found = cls(read, **more)
        found.width = int(n_features)
        return found

    def __iter__(self) -> Iterator[Part]:
        if callable(self._source):
            with in_part(0):
                chunks = self._source()
                if not isinstance(chunks, Iterable):
                    raise TypeError(
                        f"source returned a {type(chunks).__name__}; expected an iterator of"
                        " chunks."
                    )
                chunks = iter(chunks)
        else:
            chunks = iter(self._source)
            if chunks is self._source:
                if self._spent:
                    raise ValueError(
                        f"source is a {type(chunks).__name__} that has already been read; expected"
                        " a function that returns a new iterator for each pass."
                    )
                self._spent = True
        number = start = 0
        while True:
            with in_part(number):
                chunk = next(chunks, _END)
            if chunk is _END:
                break
            if self._count is not None and number >= self._count:
                raise ValueError(
                    f"part {number}: the source gives more than the {self._count} chunks of the"
                    " previous pass; expected the same chunks in each pass."
                )
            part = _part(number, chunk)
            with in_part(number):
                rows = row_count(part.X)
                self._check_rows(number, rows)
            yield part._replace(start=start)
            start += rows
            del chunk, part
            number += 1
            if self._report is not None:
                total = self._total or 0
                self._report(number, total if number <= total else 0)
        if self._count is not None and number < self._count:
            raise ValueError(
                f"part {number}: the source gives {number} chunks, fewer than the {self._count} of"
                " the previous pass; expected the same chunks in each pass."
            )
        self._count = number
        if self._report is not None and self._total != number:
            self._report(number, number)
        self._total = number

    def _check_rows(self, number: int, rows: int) -> None:
        if number == len(self._rows):
            self._rows.append(rows)
        elif self._rows[number] != rows:
            raise ValueError(
                f"the source gives {rows} rows, and {self._rows[number]} in the previous pass;"
                " expected the same chunks in each pass."
            )

    def keep(self) -> None:
        pass  # chunks are read anew, as they may not fit into the memory

    def first(self, task: Callable[..., Any], *args: Any) -> Any:
        if self.once:
            return None
        for number, chunk in enumerate(self._source() if callable(self._source) else self._source):
            found = run_task(task, _part(number, chunk), args)
            if found is not None:
                return found
        return None

    def chain(self, step: Callable[..., Any], state: Any, *args: Any) -> Any:
        self.n_passes += 1
        state = copy.deepcopy(state)
        for part in self:
            state = run_task(step, part, (state, *args))
        return state

    def _sum(self, task: Task, args: tuple[Any, ...], each: Any) -> Total | None:
        total = None
        for part in self:
            own = args if each is None else (*args, each[part.number])
            total = add_to(total, total_of(task, part, own), part.number)
        return total


_END = object()


def _whole(name: str, value: Any, least: int) -> None:
    """Refuse what is not a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is {value!r}; expected a whole number of at least {least}.")
    if value < least:
        raise ValueError(f"{name} is {value}; expected at least {least}.")


def _length(name: str, values: Any) -> int:
    try:
        return row_count(values)
    except TypeError:
        raise TypeError(f"{name} is a {type(values).__name__}; expected rows.") from None


def _rows_of(values: Any, chosen: slice) -> Any:
    if values is None or np.isscalar(values):
        return values
    return values.iloc[chosen] if hasattr(values, "iloc") else values[chosen]


def _names(name: str, given: Any) -> list[str]:
    """Return a list of names of columns."""
    found = list(given) if isinstance(given, (list, tuple)) else given
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise TypeError(f"{name} is {given!r}; expected names of columns.")
    if not found or len(set(found)) < len(found):
        raise ValueError(f"{name} is {given!r}; expected one or more names, each once.")
    return found


def _part(number: int, chunk: Any) -> Part:
    if isinstance(chunk, Part):
        return chunk._replace(number=number)
    if isinstance(chunk, Mapping):
        wrong = [name for name in chunk if name not in _NAMES]
        if wrong or "X" not in chunk:
            raise ValueError(
                f"part {number} has the keys {list(chunk)}; expected 'X' and optionally any of"
                f" {_NAMES[1:]}."
            )
        return Part(number, *(chunk.get(name) for name in _NAMES))
    if not isinstance(chunk, (tuple, list)) or not 2 <= len(chunk) <= 3:
        what = f"{len(chunk)} elements" if isinstance(chunk, (tuple, list)) else "no elements"
        raise ValueError(
            f"part {number} is a {type(chunk).__name__} of {what}; expected (X, y) or"
            " (X, y, sample_weight)."
        )
    return Part(number, *chunk)


def _frames(
    form: str, path: Any, target: Any, weight: str | None, columns: Any, rows: int
) -> Callable[[], Iterator[Part]]:
    """Return a function that reads files of tables by pyarrow."""
    _whole("rows", rows, 1)
    targets = _names("target", [target] if isinstance(target, str) else target)
    apart = targets if weight is None else [*targets, *_names("sample_weight", [weight])]
    chosen = None if columns is None else _names("columns", columns)
    if not isinstance(path, (str, Path)):
        raise TypeError(f"path is a {type(path).__name__}; expected a str or a path.")
    if not Path(path).exists():
        raise FileNotFoundError(f"path is {str(path)!r}, where there is no file.")
    try:
        import pyarrow.dataset as arrow
    except ImportError:
        raise ImportError(
            f"reading {form} needs pyarrow; install it with: pip install 'fastridge-l2[files]'"
        ) from None
    data = arrow.dataset(Path(path), format=form)
    if chosen is None:
        chosen = [name for name in data.schema.names if name not in apart]
    for given, names in (("target", targets), ("sample_weight", apart), ("columns", chosen)):
        for name in names:
            if name not in data.schema.names:
                raise ValueError(
                    f"{given} is {name!r}, but {path} has no column {name!r}; its columns are"
                    f" {data.schema.names}."
                )
    for name in chosen:
        if name in apart:
            raise ValueError(
                f"columns holds {name!r}, which is also a target or the weight; expected other"
                " columns."
            )
        kind = data.schema.field(name).type
        if not _is_number(kind):
            raise ValueError(
                f"columns holds {name!r}, of type {kind}; expected numbers: leave it out of"
                " columns, or encode it first, as in examples/flights.py."
            )

    def read() -> Iterator[Part]:
        import pyarrow

        batches = data.to_batches(columns=[*chosen, *apart], batch_size=rows)
        for number, batch in enumerate(batches):
            table = pyarrow.Table.from_batches([batch])
            y = np.column_stack([table[name].to_numpy() for name in targets])
            y = y[:, 0] if isinstance(target, str) else y
            s = None if weight is None else table[weight].to_numpy()
            yield Part(number, table.select(chosen), y, s)

    return read


def _is_number(kind: Any) -> bool:
    """Return whether a type of pyarrow holds numbers."""
    from pyarrow import types

    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null)
    return any(test(kind) for test in tests)
