"""What readers of the svmlight format return, to compare."""

import io
import struct

import numpy as np


def bits(result):
    """Return the result of a reader in a form that compares to the bit."""
    X, y, *query = result
    assert X.format == "csr"
    assert X.indices.dtype == X.indptr.dtype
    labels = (
        y.tobytes() if isinstance(y, np.ndarray) else [struct.pack(f"{len(t)}d", *t) for t in y]
    )
    index = [X.indices.tolist(), X.indptr.tolist()]
    return X.shape, X.dtype, X.data.tobytes(), index, labels, [q.tolist() for q in query]


def theirs(text, **options):
    from sklearn.datasets import load_svmlight_file

    return load_svmlight_file(io.BytesIO(text), **options)


def outcome(read, text, **options):
    """Return the bits, or None for refused text."""
    try:
        return bits(read(text, **options))
    except (ValueError, OverflowError):
        return None
