"""Text in the svmlight format, line by line."""

from __future__ import annotations

import numpy as np
import scipy.sparse


def read_svmlight(
    text,
    *,
    n_features=None,
    dtype=np.float64,
    multilabel=False,
    zero_based="auto",
    query_id=False,
    offset=0,
    length=-1,
):
    """Return X, y and, with query_id, the queries of the lines of `text`; see `fastridge.io`.

    Examples
    --------
    >>> X, y = read_svmlight(b"1 1:0.5 3:2\\n-1 2:1e-3\\n")
    >>> X.toarray().tolist(), y.tolist()
    ([[0.5, 0.0, 2.0], [0.0, 0.001, 0.0]], [1.0, -1.0])
    """
    data, indices, indptr, labels, queries = [], [], [0], [], []
    if (offset or length > 0) and zero_based == "auto":
        zero_based = True
    begin = 0
    for number, line in enumerate(text.split(b"\n"), 1):
        inside = (begin > offset or offset == 0) and (begin <= offset + length or length <= 0)
        begin += len(line) + 1
        tokens = line.split(b"#")[0].split()
        if not tokens or not inside:
            continue
        # label
        if not multilabel:
            labels.append(float(tokens.pop(0)))
        elif b":" in tokens[0]:
            labels.append(())
        else:
            labels.append(tuple(sorted(float(y) for y in tokens.pop(0).split(b","))))
        # qid:query
        if tokens and tokens[0].startswith(b"qid:"):
            query = tokens.pop(0)[4:]
            if query_id:
                queries.append(np.int64(int(query)))
        # index:value
        previous = -1
        for token in tokens:
            index, value = token.split(b":", 1)
            index = int(index)
            if index <= previous or (index == 0 and zero_based is False):
                raise ValueError(f"line {number}: index {index}")
            indices.append(index)
            data.append(float(value))
            previous = index
        indptr.append(len(data))
    if query_id and 0 < len(queries) < len(labels):
        raise ValueError("a row without qid")

    one_based = not zero_based or (zero_based == "auto" and bool(indices) and min(indices) > 0)
    columns = np.array(indices, dtype=np.int64) - one_based
    found = int(columns.max(initial=0)) + 1
    if n_features is not None and found > n_features:
        raise ValueError(f"{found} features")
    with np.errstate(over="ignore"):
        values = np.array(data, dtype=np.float64).astype(dtype)
    X = scipy.sparse.csr_array((values, columns, indptr), shape=(len(labels), n_features or found))
    y = labels if multilabel else np.array(labels, dtype=np.float64)
    return (X, y, np.array(queries, dtype=np.int64)) if query_id else (X, y)
