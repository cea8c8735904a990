"""Read models from untrusted files."""

from __future__ import annotations

import errno
import importlib
import inspect
import io
import json
import math
import os
import sys
import warnings
import zipfile
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from .. import __version__
from .._stack import outside
from ..data.inputs import check_sparse
from ..losses import LOSSES, Loss, loss_of
from ._check_more import check_learner, check_model, check_sklearn, check_state_dict
from ._classes import CLASSES, SKLEARN, is_fitted, is_model, load_class, may_be_set, slots_of
from ._encode import HEADER, KINDS, MAX_DEPTH, MAX_RANGE, TYPES, type_name

FORMAT = "fastridge model"
FORMAT_VERSION = 1

# Packages whose code runs while a file is read. An error from other code, such as a signal handler,
# says nothing about the file.
_READERS = {"fastridge", "io", "json", "numpy", "re", "struct", "zipfile", "zlib"}
_READERS |= {"ast", "codecs", "encodings", "importlib", "inspect", "tokenize", "sklearn"}


class ModelFileError(ValueError):
    """A file that `load` cannot read: not a model, damaged, newer, or tampered with."""


def _passes(error: BaseException) -> bool:
    """Return whether an exception raised while reading is not about the file."""
    if isinstance(error, (MemoryError, ImportError)):
        return True
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] not in _READERS


def _no_duplicates(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


class Reader:
    """Reader of one file; `name` is for messages."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name = name
        self.file = file
        self.unread: set[str] = set()
        self.size = 0
        self.warned = False

    def fail(self, found: str, expected: str) -> ModelFileError:
        return ModelFileError(f"{self.name}: found {found}, expected {expected}")

    def model(self) -> Any:
        start = self.file.read(16)
        if start[:4] != b"PK\x03\x04":
            found = repr(start) if start else "an empty file"
            raise self.fail(found, "a fastridge model file (a zip archive)")
        try:
            self.archive = zipfile.ZipFile(self.file)
        except Exception as error:
            # zipfile raises various types for damaged archives
            if _passes(error):
                raise
            raise self.fail(f"a damaged or truncated archive ({error})", "a whole file") from error
        with self.archive:
            self._check_members()
            header = self._header()
            model = self._value(header.get("model"), 0)
            if not is_model(model):
                raise self.fail(f"a {type_name(model)}", f"one of {sorted(CLASSES)} as the model")
            if type(model) is dict:
                try:
                    check_state_dict(model)
                except ValueError as error:
                    raise self.fail(f"a state whose {error}", "that of an optimizer") from error
            if self.unread:
                raise self.fail(
                    f"members {sorted(self.unread)[:3]} that are not in the header",
                    "only arrays of the model",
                )
        return model

    def _check_members(self) -> None:
        infos = self.archive.infolist()
        names = [info.filename for info in infos]
        self.unread = set(names)
        if len(self.unread) != len(names):
            raise self.fail("a duplicate member", "each name once")
        if HEADER not in self.unread:
            raise self.fail("a zip archive without header.json", "a fastridge model file")
        self.file.seek(0, os.SEEK_END)
        self.size = self.file.tell()
        for info in infos:
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 0x1:
                raise self.fail(
                    f"member {info.filename!r} compressed or encrypted", "an uncompressed member"
                )
            if info.file_size != info.compress_size:
                raise self.fail(
                    f"member {info.filename!r} of {info.file_size} bytes in {info.compress_size}",
                    "equal sizes",
                )
        total = sum(info.file_size for info in infos)
        if total > self.size:
            raise self.fail(
                f"members of {total} bytes in a file of {self.size}", "at most the size of the file"
            )

    def _read(self, member: str) -> bytes:
        if member not in self.unread:
            raise self.fail(f"no member {member!r} left to read", "each array once")
        self.unread.remove(member)
        try:
            return self.archive.read(member)
        except Exception as error:
            if _passes(error):
                raise
            raise self.fail(f"member {member!r} damaged ({error})", "a whole file") from error

    def _header(self) -> dict[str, Any]:
        text = self._read(HEADER)
        try:
            header = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            if _passes(error):
                raise
            raise self.fail(f"a header that is not valid ({error})", "JSON") from error
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            found = header.get("format") if isinstance(header, dict) else type_name(header)
            raise self.fail(f"format {found!r} in the header", repr(FORMAT))
        version = header.get("version")
        if type(version) is not int or version < 1:
            raise self.fail(f"format version {version!r}", "a whole number from 1")
        if version > FORMAT_VERSION:
            raise self.fail(
                f"format version {version}, written by fastridge {header.get('fastridge')!r}",
                f"version {FORMAT_VERSION} or older, as fastridge {__version__} reads: install a"
                " newer fastridge",
            )
        return header

    def _value(self, tree: Any, depth: int) -> Any:
        """Return the value that `tree` stands for: the inverse of `encode`."""
        if tree is None or type(tree) in (bool, int, float, str):
            return tree
        if depth > MAX_DEPTH:
            raise self.fail(f"values nested deeper than {MAX_DEPTH}", "a model")
        if type(tree) is not dict or len(tree) != 1:
            raise self.fail(f"{_short(tree)} in the header", "a value or an object of one key")
        ((tag, content),) = tree.items()
        decode = getattr(self, f"_decode_{tag}", None) if tag in _TAGS else None
        if decode is None:
            raise self.fail(f"tag {tag!r} in the header", f"one of {sorted(_TAGS)}")
        try:
            return decode(content, depth + 1)
        except ModelFileError:
            raise
        except Exception as error:
            # the content does not have the form that its tag requires
            if _passes(error):
                raise
            raise self.fail(
                f"{_short(tree)} in the header ({type(error).__name__}: {error})", "a valid value"
            ) from error

    def _values(self, items: Any, depth: int) -> list[Any]:
        if type(items) is not list:
            raise self.fail(_short(items), "a list of values")
        return [self._value(item, depth) for item in items]

    def _decode_list(self, content: Any, depth: int) -> list[Any]:
        return self._values(content, depth)

    def _decode_tuple(self, content: Any, depth: int) -> tuple[Any, ...]:
        return tuple(self._values(content, depth))

    def _decode_dict(self, content: Any, depth: int) -> dict[Any, Any]:
        return _no_duplicates(
            [(self._value(key, depth), self._value(item, depth)) for key, item in content]
        )

    def _decode_float(self, content: Any, depth: int) -> float:
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[content]

    def _decode_scalar(self, content: Any, depth: int) -> Any:
        descr, text = content
        data = bytes.fromhex(text)
        dtype = self._dtype(descr)
        if len(data) != dtype.itemsize:
            raise self.fail(f"{len(data)} bytes", f"{dtype.itemsize} for one {dtype}")
        return self._checked(data or b"\0", (), dtype, 0, "C")[()]

    def _decode_objects(self, content: Any, depth: int) -> np.ndarray:
        shape, items = content
        values = self._values(items, depth)
        if math.prod(_dimensions(shape)) != len(values):
            raise self.fail(f"{len(values)} values", f"as many values as shape {shape} has")
        array = np.empty(len(values), dtype=object)
        for i, item in enumerate(values):
            array[i] = item
        return array.reshape(shape)

    def _decode_array(self, content: Any, depth: int) -> np.ndarray:
        data = self._read(content)
        stream = io.BytesIO(data)
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise self.fail(f"array format {version} in {content!r}", "(1, 0)")
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(stream)
        dtype = self._dtype(dtype)
        if dtype.itemsize == 0:
            # NumPy would read elements of one byte or character
            raise self.fail(f"dtype {dtype.str!r} in {content!r}", "elements of at least a byte")
        declared = math.prod(_dimensions(shape)) * dtype.itemsize
        if declared != len(data) - stream.tell():
            raise self.fail(
                f"{len(data) - stream.tell()} bytes in {content!r}",
                f"{declared} for shape {shape} of {dtype}",
            )
        return self._checked(data, shape, dtype, stream.tell(), "F" if by_column else "C")

    def _dtype(self, descr: Any) -> np.dtype:
        dtype = np.dtype(descr) if isinstance(descr, (str, np.dtype)) else None
        if dtype is None or dtype.kind not in KINDS or dtype.names or dtype.subdtype:
            raise self.fail(f"dtype {descr!r}", f"a plain dtype (kinds {KINDS})")
        return dtype

    def _checked(
        self, data: bytes, shape: Sequence[int], dtype: np.dtype, offset: int, order: Any
    ) -> np.ndarray:
        """Return a new array of the bytes in `data`; raise an error for impossible values."""
        array = np.ndarray(shape, dtype, data, offset, order=order).copy(order="K")
        whole = array.ravel(order="K")
        if dtype.kind == "b" and (whole.view(np.uint8) > 1).any():
            raise self.fail("a byte above 1 in an array of booleans", "0 or 1")
        if dtype.kind == "U" and whole.size and dtype.itemsize:
            points = whole.view(np.dtype(np.uint32).newbyteorder(dtype.byteorder))
            if (points > 0x10FFFF).any():
                raise self.fail("a character above U+10FFFF", "Unicode")
        return array

    def _decode_loss(self, content: Any, depth: int) -> Loss:
        name, arguments = content
        if not isinstance(name, str) or name not in LOSSES:
            raise self.fail(f"loss {name!r}", f"one of {sorted(LOSSES)}")
        return loss_of(name, **{key: self._value(v, depth) for key, v in arguments.items()})

    def _decode_slice(self, content: Any, depth: int) -> slice:
        start, stop, step = self._values(content, depth)
        return slice(start, stop, step)

    def _decode_range(self, content: Any, depth: int) -> range:
        found = range(*self._values(content, depth))
        longest = max(MAX_RANGE, self.size)
        # len() would not take a number above 2**63
        if found and (found[-1] - found[0]) // found.step >= longest:
            raise self.fail(f"{found} in a file of {self.size} bytes", f"at most {longest} numbers")
        return found

    def _decode_sparse(self, content: Any, depth: int) -> Any:
        from scipy import sparse

        name, shape, parts = content
        if name not in _SPARSE:
            raise self.fail(f"class {name!r} of scipy.sparse", f"one of {_SPARSE}")
        rows, columns = _dimensions(shape)
        data, indices, indptr = self._values(parts, depth)
        found = getattr(sparse, name)((data, indices, indptr), shape=(rows, columns))
        found.check_format()
        check_sparse(found, "a sparse matrix")
        return found

    def _decode_dtype(self, content: Any, depth: int) -> np.dtype:
        return np.dtype("O") if content == "|O" else self._dtype(content)

    def _decode_type(self, content: Any, depth: int) -> type:
        return TYPES[content]

    def _decode_sklearn(self, content: Any, depth: int) -> Any:
        name, version, params, attributes = content
        if not isinstance(name, str) or name not in SKLEARN:
            raise self.fail(f"class {name!r} of scikit-learn", f"one of {sorted(SKLEARN)}")
        cls = getattr(importlib.import_module(SKLEARN[name]), name)
        found = sys.modules["sklearn"].__version__
        if version != found and not self.warned:
            self.warned = True
            warnings.warn(
                f"{self.name} was saved with scikit-learn {version} and is loaded with {found};"
                " transformers may behave differently: compare their output",
                UserWarning,
                stacklevel=outside(),
            )
        params = {key: self._value(item, depth) for key, item in params.items()}
        attributes = {key: self._value(item, depth) for key, item in attributes.items()}
        has_params = hasattr(cls, "get_params")
        known = inspect.signature(cls).parameters if has_params else {}
        for key in params:
            if key not in known:
                raise self.fail(f"parameter {key!r} of {name}", f"one of {sorted(known)}")
        for key in attributes:
            if not may_be_set(key, cls):
                raise self.fail(f"attribute {key!r} of {name}", "an attribute of an object")
        model = cls(**params) if has_params else object.__new__(cls)
        if has_params:
            check_sklearn(model, attributes)
        vars(model).update(attributes)
        return model

    def _decode_model(self, content: Any, depth: int) -> Any:
        name, params, attributes = content
        if not isinstance(name, str) or name not in CLASSES:
            raise self.fail(f"class {name!r}", f"one of {sorted(CLASSES)}")
        cls = load_class(name)
        params = {key: self._value(item, depth) for key, item in params.items()}
        attributes = {key: self._value(item, depth) for key, item in attributes.items()}
        if hasattr(cls, "get_params"):
            return self._estimator(cls, params, attributes)
        slots = slots_of(cls)
        if params or set(attributes) != set(slots):
            raise self.fail(f"fields {sorted(attributes)} of {name}", f"{sorted(slots)}")
        model = object.__new__(cls)
        for key, item in attributes.items():
            object.__setattr__(model, key, item)
        check_model(model, attributes)
        return model

    def _estimator(self, cls: type[Any], params: dict[str, Any], attributes: dict[str, Any]) -> Any:
        known = inspect.signature(cls).parameters
        for key in params:
            if key not in known:
                raise self.fail(f"parameter {key!r} of {cls.__name__}", f"one of {sorted(known)}")
        for key in attributes:
            if not is_fitted(key, cls) or hasattr(cls, key):
                raise self.fail(f"attribute {key!r} of {cls.__name__}", "a fitted attribute")
        model = cls(**params)
        check_model(model, attributes)
        vars(model).update(attributes)
        check_learner(model)
        return model


_SPARSE = ("csc_array", "csc_matrix", "csr_array", "csr_matrix")
_TAGS = {name.removeprefix("_decode_") for name in vars(Reader) if name.startswith("_decode_")}


def _dimensions(shape: Sequence[int]) -> Sequence[int]:
    if any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"shape {shape}")
    return shape


def _short(tree: Any) -> str:
    text = repr(tree)
    return text if len(text) <= 80 else text[:77] + "..."
