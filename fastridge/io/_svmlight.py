"""Read text in the svmlight format, also called libsvm's, into CSR arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ._lines import own_pages, read_parts, read_whole
from ._rows import Options, Rows, flag, integer, no_rows, options, together
from ._sources import Whole, opened

if TYPE_CHECKING:
    import os
    from typing import BinaryIO, TypeAlias

    from numpy.typing import DTypeLike, NDArray
    from scipy.sparse import csr_array
    from typing_extensions import Buffer

    Labels: TypeAlias = NDArray[np.float64] | list[tuple[float, ...]]
    Source: TypeAlias = str | os.PathLike[str] | int | Buffer | BinaryIO | Iterable[Buffer]


def read_svmlight(
    source: Source,
    *,
    n_features: int | None = None,
    dtype: DTypeLike = np.float64,
    multilabel: bool = False,
    zero_based: bool | Literal["auto"] = "auto",
    query_id: bool = False,
    offset: int = 0,
    length: int = -1,
) -> tuple[csr_array, Labels, *tuple[NDArray[np.int64], ...]]:
    """Read text in the svmlight format, also called libsvm's, into a CSR array.

    Each line is a row: a label, then ``index:value`` of its non-zero elements, by ascending index;
    text after a ``#`` is a comment. Parameters and results are those of scikit-learn's
    ``load_svmlight_file``, and values are the same to the last bit.

    Parameters
    ----------
    source : path, bytes, binary file, int or iterable of bytes
        A path, of a compressed file if it ends in ``.gz`` or ``.bz2``; the text itself, as bytes or
        another buffer; a file object or descriptor, which is read from its current position and
        stays open; or blocks of bytes in order, which may split lines anywhere.
    n_features : int, default=None
        Columns of X. By default, derived from the highest index.
    dtype : {float32, float64}, default=float64
        Type of X; labels are float64.
    multilabel : bool, default=False
        Rows have any number of labels, separated by commas.
    zero_based : bool or "auto", default="auto"
        True: the first index is 0. False: it is 1. "auto": it is 1 if no index is 0, but 0 with
        `offset` or `length`.
    query_id : bool, default=False
        Also return the integers of ``qid:`` that may follow labels.
    offset : int, default=0
        Skip lines that begin at or before this byte; 0 skips none.
    length : int, default=-1
        If positive, skip lines that begin after byte offset + length. Consecutive ranges together
        read each line of a file once.

    Returns
    -------
    X : csr_array of shape (n_samples, n_features)
        Indices are sorted, without duplicates; int32 where that suffices, else int64.
    y : ndarray of shape (n_samples,) or list of tuples
        Labels, float64; with `multilabel` a sorted tuple for each row.
    query_id : ndarray of shape (n_samples,)
        Only with ``query_id=True``: int64, empty when no row has one.

    Raises
    ------
    ValueError
        For a line that is not in the format, with its number and the column of the error; for an
        index beyond `n_features`, or beyond 2^40 without it; with ``query_id=True``, when only some
        rows have a ``qid:``; and for a parameter out of range.
    TypeError
        For a source of another kind, or a file opened in text mode.
    RuntimeError
        When the source changes while it is read.

    See Also
    --------
    iter_svmlight : Reads some rows at a time.
    sklearn.datasets.dump_svmlight_file : Writes such files.

    Notes
    -----
    Differences from ``load_svmlight_file``: X is a sparse array, with 32-bit indices where they
    suffice; a row that a blank line or a comment separates from the end of a range is read once;
    and with ``query_id=True``, queries of only some rows raise an error, as they would not match
    the rows.

    Threads (`fastridge.set_num_threads`) parse blocks of lines in parallel; results do not depend
    on their number. Plain files are mapped into memory, counted, and then parsed into the returned
    arrays, so that little more memory is needed than for these; a mapped file must not be truncated
    meanwhile. Decimal numbers are rounded correctly to float64, by the method of [1]_ and, where it
    does not decide, by exact integers; float32 is rounded from float64. Numbers may be written as
    for ``float()`` and ``int()``, including inf, nan and underscores.

    References
    ----------
    .. [1] D. Lemire, "Number parsing at a gigabyte per second", Software: Practice and Experience
       51 (2021).

    Examples
    --------
    >>> from fastridge.io import read_svmlight
    >>> X, y = read_svmlight(b"1 1:0.5 3:2  # a comment\\n-1 2:25e-2\\n")
    >>> X.toarray()
    array([[0.5 , 0.  , 2.  ],
           [0.  , 0.25, 0.  ]])
    >>> y
    array([ 1., -1.])
    >>> read_svmlight(b"1 1:0.5\\n-1 2;1\\n")
    Traceback (most recent call last):
        ...
    ValueError: <bytes>, line 2, column 4: found '2;1'; expected index:value
    """
    o = options(n_features, dtype, multilabel, zero_based, query_id, offset, length)
    with opened(source) as found:
        if isinstance(found, Whole):
            rows = read_whole(found, o)
        else:
            parts = list(read_parts(found, o, own_pages))
            lowest = min((p.lowest for p in parts if p.lowest is not None), default=None)
            rows = together(parts, int(o.is_one_based(lowest))) if parts else no_rows(o)
        name = found.name
    n = rows.highest + 1 - rows.shift if rows.highest >= 0 else 1
    if o.n_features is not None and n > o.n_features:
        # with "auto" the column of an index is known only at the end
        raise ValueError(
            f"{name}: found index {rows.highest}, which is column {n} since there is an index 0;"
            f" expected at most {o.n_features} columns, as given by n_features"
        )
    return rows.result(o.n_features or n, o)


def iter_svmlight(
    source: Source,
    rows: int = 10_000,
    *,
    n_features: int,
    dtype: DTypeLike = np.float64,
    multilabel: bool = False,
    zero_based: bool = True,
    query_id: bool = False,
    offset: int = 0,
    length: int = -1,
) -> Iterator[tuple[csr_array, Labels, *tuple[NDArray[np.int64], ...]]]:
    """Read text in the svmlight format some rows at a time, for example for `partial_fit`.

    Parameters
    ----------
    source : path, bytes, binary file, int or iterable of bytes
        As in `read_svmlight`.
    rows : int, default=10000
        Rows of each block; the last block may have fewer.
    n_features : int
        Columns of each X.
    dtype : {float32, float64}, default=float64
        Type of each X; labels are float64.
    multilabel : bool, default=False
        Rows have any number of labels, separated by commas.
    zero_based : bool, default=True
        True: the first index is 0. False: it is 1. There is no "auto", as a block may lack an index
        0.
    query_id : bool, default=False
        Also yield the integers of ``qid:``.
    offset : int, default=0
        Skip lines that begin at or before this byte; 0 skips none.
    length : int, default=-1
        If positive, skip lines that begin after byte offset + length.

    Yields
    ------
    X : csr_array of shape (rows, n_features)
    y : ndarray of shape (rows,) or list of tuples
    query_id : ndarray of shape (rows,)
        Only with ``query_id=True``.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        As in `read_svmlight`; for a line that is not in the format, at its block or some blocks
        before. A file is opened at the first block.

    Examples
    --------
    >>> from fastridge.io import iter_svmlight
    >>> text = b"1 0:0.5 2:2\\n-1 1:1e-3\\n1 2:3\\n"
    >>> for X, y in iter_svmlight(text, rows=2, n_features=3):
    ...     print(X.shape, y)
    (2, 3) [ 1. -1.]
    (1, 3) [1.]
    """
    n = integer("n_features", n_features, 1)
    rows = integer("rows", rows, 1)
    zero_based = flag("zero_based", zero_based)
    o = options(n, dtype, multilabel, zero_based, query_id, offset, length)
    return _blocks(source, rows, n, o)


def _blocks(source: Any, rows: int, n_features: int, o: Options) -> Iterator[tuple[Any, ...]]:
    held: list[Rows] = []
    n = 0
    with opened(source) as found:
        for part in read_parts(found, o, np.empty):
            at = 0
            while part.n - at >= rows - n:
                upto = at + rows - n
                held.append(part.part(at, upto))
                block = held[0] if len(held) == 1 else together(held)
                held, n, at = [], 0, upto
                yield block.result(n_features, o)
            if at < part.n:
                held.append(part.part(at, part.n))
                n += part.n - at
    if held:
        block = held[0] if len(held) == 1 else together(held)
        yield block.result(n_features, o)
