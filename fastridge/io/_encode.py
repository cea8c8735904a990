"""Encode models as JSON and arrays, and write both to an archive."""

from __future__ import annotations

import io
import math
import sys
import zipfile
from typing import Any, BinaryIO

import numpy as np

from ..data.inputs import check_sparse, is_sparse
from ..losses import Loss, loss_of
from ._check_more import check_model
from ._classes import class_of, is_of_sklearn, sklearn_class_of, sklearn_state_of, state_of

HEADER = "header.json"
KINDS = "biufcmMSU"  # array kinds that are plain bytes
MAX_DEPTH = 32

# Length of a range that a file of any size may hold: code that reads it may make a list of it.
MAX_RANGE = 1 << 20
# Bits of the largest integer: fewer digits than the 4,300 that Python reads.
_MAX_BITS = 14000
SKOPS = "use skops.io.dump of the package skops, which saves any scikit-learn object"
TYPES = {t.__name__: t for t in (bool, float, int, object, str)} | {
    f"numpy.{t.__name__}": t for t in {np.dtype(code).type for code in "?bhilqBHILQefdFDSUO"}
}


def type_name(value: Any) -> str:
    """Return the name of the class of `value`, for messages."""
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def encode(value: Any, where: str, members: dict[str, np.ndarray], depth: int = 0) -> Any:
    """Return `value` as JSON; its arrays go to `members`, named by their place `where`."""
    if depth > MAX_DEPTH:
        raise TypeError(f"{where} is nested deeper than the {MAX_DEPTH} levels of a model file")

    def inner(item: Any, name: object) -> Any:
        return encode(item, f"{where}.{name}" if where else str(name), members, depth + 1)

    kind = type(value)
    if kind is int and value.bit_length() > _MAX_BITS:
        raise TypeError(
            f"{where} is an integer of {value.bit_length()} bits; expected at most {_MAX_BITS}"
        )
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, np.generic) and value.dtype.kind in KINDS:
        # numpy.str_("") has more bytes than its dtype says
        return {"scalar": [value.dtype.str, value.tobytes()[: value.dtype.itemsize].hex()]}
    if kind in (np.ndarray, np.memmap) and value.dtype.kind == "O":
        return {"objects": [list(value.shape), [inner(v, i) for i, v in enumerate(value.flat)]]}
    if kind in (np.ndarray, np.memmap) and value.dtype.kind in KINDS and value.dtype.itemsize:
        member = f"{where}.npy"
        members[member] = np.asarray(value)
        return {"array": member}
    if kind in (list, tuple):
        return {kind.__name__: [inner(v, i) for i, v in enumerate(value)]}
    if kind is dict:
        pairs = enumerate(value.items())
        return {"dict": [[inner(k, f"{i}.key"), inner(v, i)] for i, (k, v) in pairs]}
    if class_of(value):
        params, attributes = state_of(value)
        try:
            check_model(value, attributes)
        except ValueError as error:
            raise ValueError(
                f"{where or 'model'} is a {kind.__name__} that does not predict, which a model file"
                f" cannot hold: {error}"
            ) from error
        parts = [{n: inner(v, n) for n, v in part.items()} for part in (params, attributes)]
        return {"model": [kind.__name__, *parts]}
    if isinstance(value, Loss) and _is_listed(value):
        arguments = value.arguments().items()
        return {"loss": [value.name, {name: inner(v, name) for name, v in arguments}]}
    if kind is slice:
        return {"slice": [inner(getattr(value, v), v) for v in ("start", "stop", "step")]}
    if kind is range and value and (value[-1] - value[0]) // value.step >= MAX_RANGE:
        return inner(np.arange(value.start, value.stop, value.step), "range")
    if kind is range:
        return {"range": [inner(getattr(value, v), v) for v in ("start", "stop", "step")]}
    if is_sparse(value):
        check_sparse(value, where or "the matrix")
        if value.format not in ("csr", "csc"):
            value = value.tocsr()
        parts = [inner(getattr(value, v), v) for v in ("data", "indices", "indptr")]
        return {"sparse": [type(value).__name__, list(value.shape), parts]}
    if isinstance(value, np.dtype) and not (value.names or value.subdtype):
        return {"dtype": value.str}
    for name, listed in TYPES.items():
        if value is listed:
            return {"type": name}
    if sklearn_class_of(value):
        parts = [{n: inner(v, n) for n, v in part.items()} for part in sklearn_state_of(value)]
        return {"sklearn": [kind.__name__, sys.modules["sklearn"].__version__, *parts]}
    found = type_name(value)
    if found == "sklearn.compose._column_transformer._RemainderColsList":
        return inner(list(value.data), "data")
    if where.rpartition(".")[2] == "cv" and hasattr(value, "split"):
        raise TypeError(
            f"{where} is a {found}, a splitter that a model file cannot hold; expected an int, a"
            " splitter of scikit-learn, or its splits, cv=list(splitter.split(X, y)). A fitted"
            " model no longer needs it: model.set_params(cv=None) before saving works, too."
        )
    if is_of_sklearn(value) or (callable(value) and "sklearn" in sys.modules):
        raise TypeError(f"{where} is a {found}, which a model file cannot hold: {SKOPS}")
    if isinstance(value, (np.ndarray, np.generic)):
        found += f" of dtype {value.dtype}"
    raise TypeError(
        f"{where} is a {found}, which a model file cannot hold; expected None, a bool, a number, a"
        " string, a NumPy array of those, or a list, tuple or dict of such values"
    )


def _is_listed(loss: Loss) -> bool:
    """Return whether `loss_of` makes this loss: a caller's own class may have any name."""
    try:
        return type(loss_of(loss.name, **loss.arguments())) is type(loss)
    except ValueError:
        return False


def write(file: BinaryIO, text: bytes, members: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        # a fixed date: the same model gives the same bytes
        archive.writestr(zipfile.ZipInfo(HEADER), text)
        for name, array in members.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(name), buffer.getbuffer())
