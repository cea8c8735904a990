"""Data larger than memory: chunks of rows from anywhere, read anew in each pass."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from ._progress import reporter
from .data.parts import Part, Parts, Task, add_to, row_count, run_task

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
        columns in every chunk; a chunk without rows is skipped.
    total : int or None, default=None
        Number of chunks, for progress bars.
    callback : callable or None, default=None
        Called as ``callback(done, total)`` after each chunk of a pass; `total` is 0 where it is not
        known.
    verbose : bool, default=False
        Show a progress bar on standard error, of tqdm where it is installed.

    Attributes
    ----------
    n_passes : int
        Passes over the data so far.

    Raises
    ------
    TypeError
        If `source` is neither callable nor iterable.

    See Also
    --------
    fastridge.Moments : The sums that one pass of a ridge regression makes.
    fastridge.io.iter_svmlight : Chunks of text in the svmlight format.

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
        self._source = source
        self._total = total
        if total is None and isinstance(source, (list, tuple)):
            self._total = len(source)
        self._report = reporter(callback, verbose, "chunks")
        self._spent = False
        self._lengths: list[int] | None = None

    @property
    def lengths(self) -> list[int] | None:
        return self._lengths

    @classmethod
    def arrays(
        cls, X: Any, y: Any, sample_weight: Any = None, *, rows: int = 65536, **options: Any
    ) -> Self:
        """Return chunks of arrays that lie in memory or in a memory-mapped file.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Sliced by rows, without a copy where the layout allows it.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), float or None, default=None
        rows : int, default=65536
            Rows of a chunk, at least 1.
        **options : dict
            `callback` and `verbose` of the constructor.

        Returns
        -------
        Chunks

        Raises
        ------
        ValueError
            If `rows` is below 1, or y or sample_weight do not have as many rows as X.

        Examples
        --------
        >>> import numpy as np
        >>> from fastridge import Chunks, Ridge
        >>> X, y = np.arange(10.0)[:, None], np.arange(10.0)
        >>> Ridge(0.0).fit(Chunks.arrays(X, y, rows=4)).coef_.round(6)
        array([1.])
        """
        n = row_count(X)
        if rows < 1:
            raise ValueError(f"rows is {rows}; expected at least 1.")
        for name, values in (("y", y), ("sample_weight", sample_weight)):
            if values is not None and not np.isscalar(values) and row_count(values) != n:
                raise ValueError(
                    f"{name} has {row_count(values)} rows, but X has {n}; expected as many."
                )

        def read() -> Iterator[Any]:
            for start in range(0, n, rows):
                chosen = slice(start, start + rows)
                weight = sample_weight
                if weight is not None and not np.isscalar(weight):
                    weight = weight[chosen]
                yield X[chosen], y[chosen], weight

        found = cls(read, total=-(-n // rows), **options)
        found._lengths = [min(rows, n - start) for start in range(0, n, rows)]
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
        ValueError
            If a column does not exist.
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
        ValueError
            If a column does not exist.
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
        """

        def read() -> Iterator[Any]:
            from .io import iter_svmlight

            return iter(iter_svmlight(path, rows=rows, n_features=n_features, **(options or {})))

        return cls(read, **more)

    def __iter__(self) -> Iterator[Part]:
        if callable(self._source):
            chunks = self._source()
        else:
            chunks = self._source
            if iter(chunks) is chunks:
                if self._spent:
                    raise ValueError(
                        f"source is a {type(chunks).__name__}, which has been read; another pass"
                        " needs a function that returns a new iterator."
                    )
                self._spent = True
        for number, chunk in enumerate(chunks):
            yield _part(number, chunk)
            if self._report is not None:
                self._report(number + 1, self._total or 0)

    def chain(self, step: Callable[..., Any], state: Any, *args: Any) -> Any:
        self.n_passes += 1
        state = copy.deepcopy(state)
        for part in self:
            state = run_task(step, part, (state, *args))
        return state

    def _sum(self, task: Task, args: tuple[Any, ...], each: Any) -> Any:
        total = None
        for part in self:
            own = args if each is None else (*args, each[part.number])
            total = add_to(total, run_task(task, part, own), part.number)
        return total


def _part(number: int, chunk: Any) -> Part:
    if isinstance(chunk, Part):
        return chunk._replace(number=number)
    if isinstance(chunk, Mapping):
        wrong = [name for name in chunk if name not in _NAMES]
        if wrong or "X" not in chunk:
            raise ValueError(
                f"part {number} has the keys {list(chunk)}; expected X and some of {_NAMES[1:]}."
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
    if rows < 1:
        raise ValueError(f"rows is {rows}; expected at least 1.")
    try:
        import pyarrow.dataset as arrow
    except ImportError:
        raise ImportError(
            f"reading {form} needs pyarrow; install it with: pip install 'fastridge-l2[files]'"
        ) from None
    data = arrow.dataset(Path(path), format=form)
    targets = [target] if isinstance(target, str) else list(target)
    apart = [*targets, *([] if weight is None else [weight])]
    chosen = [name for name in data.schema.names if name not in apart]
    chosen = chosen if columns is None else list(columns)
    for name in [*apart, *chosen]:
        if name not in data.schema.names:
            raise ValueError(f"{path} has no column {name!r}; it has {data.schema.names}.")

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
