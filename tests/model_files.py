"""Helpers for tests of model files."""

import io
import json
import struct
import threading
import zipfile

import numpy as np

import fastridge
from fastridge.io import _encode

HEADER = "header.json"


def identical(a, b):
    """Return whether both are equal to the bit, including types."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        if a.dtype.kind == "O":
            return all(identical(x, y) for x, y in zip(a.ravel(), b.ravel(), strict=True))
        if a.flags.forc and a.flags.f_contiguous != b.flags.f_contiguous:
            return False
        return a.tobytes() == b.tobytes()
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, dict):
        return identical(list(a.items()), list(b.items()))
    if hasattr(a, "get_params"):
        return identical(a.get_params(), b.get_params()) and identical(fitted(a), fitted(b))
    return a == b


def fitted(model):
    return {k: v for k, v in vars(model).items() if k not in model.get_params()}


def round_trip(model):
    file = io.BytesIO()
    fastridge.save(model, file)
    file.seek(0)
    return fastridge.load(file)


# of each thread: other tests may run at once
unchecked = threading.local()
check_model = _encode.check_model


def check_unless(*fields):
    if not getattr(unchecked, "now", False):
        check_model(*fields)


def saved(model, checked=True):
    """The bytes of the file of a model; if not `checked`, whatever its fields."""
    file = io.BytesIO()
    _encode.check_model = check_unless
    unchecked.now = not checked
    try:
        fastridge.save(model, file)
    finally:
        unchecked.now = False
    return file.getvalue()


def archive(header, members=(), compression=zipfile.ZIP_STORED):
    """A model file made by hand; `header` is JSON text or the tree of the model."""
    if not isinstance(header, (str, bytes)):
        header = json.dumps({"format": "fastridge model", "version": 1, "model": header})
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out:
        out.writestr(HEADER, header)
        for name, data in dict(members).items():
            out.writestr(name, data)
    return file.getvalue()


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), **options)
    return file.getvalue()


def npy_header(text):
    """A .npy file whose header is `text`, with eight bytes of data."""
    text = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(8)
