"""Save fitted models and read them back, without pickle.

A model file is an uncompressed zip archive:

- ``header.json``: ``{"format": "fastridge model", "version": 1, "fastridge": version of the
  package, "model": value}``;
- one ``.npy`` member per array, named by where it belongs (``coef_.npy``).

``numpy.load(path)["coef_"]`` reads an array without this package. In the header ``null``, booleans,
integers, finite floats and strings stand for themselves; anything else is an object of one key:

================================== ======================================================
``{"model": [class, p, a]}``       a model of a class in `_CLASSES`: parameters, attributes
``{"array": member}``              an array, in that member
``{"objects": [shape, values]}``   an array of Python objects, each one a value
``{"scalar": [dtype, hex]}``       a NumPy scalar, its bytes
``{"float": "nan"}``               a float that JSON has no number for: nan, inf, -inf
``{"list": values}``               a list
``{"tuple": values}``              a tuple
``{"dict": [[key, value], ...]}``  a dict, in its order
================================== ======================================================

Nothing is compressed, so no member is larger than the file; nothing in a file names code to run.
"""

from __future__ import annotations

import errno
import importlib
import inspect
import io
import json
import math
import os
import re
import secrets
import stat
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, TypeGuard

import numpy as np

from . import __version__

__all__ = ["ModelFileError", "load", "save"]

FORMAT = "fastridge model"
FORMAT_VERSION = 1

# The classes a file may hold, the module of each and the private attributes that a fit sets. An
# estimator is its `get_params()`, the attributes whose names end in "_", and those private ones; a
# class with `__slots__` and no `get_params` is its slots, as `__getstate__` gives them, which its
# `_check_fields` looks at if it has one.
_CLASSES: dict[str, tuple[str, tuple[str, ...]]] = {
    "BayesianRidge": ("fastridge.linear_model", ("_posterior", "_total")),
    "CVResults": ("fastridge.model_selection", ()),
    "Diagnosis": ("fastridge.model_selection", ()),
    "ElasticNetCV": ("fastridge.linear_model", ()),
    "LassoCV": ("fastridge.linear_model", ()),
    "LinearRegression": ("fastridge.linear_model", ()),
    "Moments": ("fastridge.moments", ()),
    "MultiTaskElasticNetCV": ("fastridge.linear_model", ()),
    "MultiTaskLassoCV": ("fastridge.linear_model", ()),
    "MultiTaskPath": ("fastridge.solvers._multi_task_path", ()),
    "Posterior": ("fastridge.solvers._posterior", ()),
    "RidgeCV": ("fastridge.linear_model", ()),
    "RidgeClassifierCV": ("fastridge.linear_model", ()),
    "ElasticNet": ("fastridge.linear_model", ()),
    "Lasso": ("fastridge.linear_model", ()),
    "MultiTaskElasticNet": ("fastridge.linear_model", ()),
    "MultiTaskLasso": ("fastridge.linear_model", ()),
    "Ridge": ("fastridge.linear_model", ()),
    "RidgeClassifier": ("fastridge.linear_model", ("_indicator",)),
    "RidgeResult": ("fastridge.solvers.ridge", ()),
    "ElasticNetPath": ("fastridge.solvers._descent_result", ()),
    "ElasticNetResult": ("fastridge.solvers._descent_result", ()),
    "PathRun": ("fastridge.solvers.ridge_path", ()),
    "RidgeBatchResult": ("fastridge.solvers.ridge_batch", ()),
    "RidgePath": ("fastridge.solvers.ridge_path", ()),
}
# what scikit-learn notes on an estimator: how it is used, not what it is
_NOTES = ("_metadata_request", "_sklearn_output_config")

_HEADER = "header.json"
_KINDS = "biufcmMSU"  # array kinds that are plain bytes
_FITTED = re.compile(r"[A-Za-z]\w*_")
_MAX_DEPTH = 32


class ModelFileError(ValueError):
    """A file that `load` does not read: not a model, damaged, newer, or not to be trusted."""


def save(model: Any, path: str | os.PathLike[str] | BinaryIO) -> None:
    """Write a model to a file that `load` reads back exactly.

    Parameters
    ----------
    model : estimator, result, Moments or dict
        An estimator of `fastridge.linear_model`, fitted or not, what `ridge`, `ridge_batch`,
        `ridge_path`, `elastic_net` or its path returned, `Moments`, or the `state_dict()` of an
        optimizer.
    path : str, os.PathLike or binary file object
        Where to. A file is written beside its place and then moved there, so that a reader sees
        the old file or the whole new one. No suffix is added.

    Raises
    ------
    TypeError
        When `model` is of another class, or one of its values has no place in a model file
        (a random generator, a data frame, a function, a splitter); when `path` is no path or
        binary file.
    ValueError
        When `path` is empty, or exists and is not a regular file.
    FileNotFoundError
        When the folder of `path` does not exist.

    See Also
    --------
    load : The reverse.

    Notes
    -----
    Of a `RidgePath` all that it shows is worked out first, coefficients and degrees of freedom
    with it; the data are not written. Arrays keep dtype, shape and values to the bit. The same
    model gives the same bytes. What scikit-learn notes on an estimator (`set_output`, metadata
    requests) is not written.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import fastridge
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    >>> model = fastridge.Ridge(alpha=0.5).fit(X, [1.0, 2.0, 3.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "ridge.fastridge")
    ...     fastridge.save(model, path)
    ...     again = fastridge.load(path)
    >>> bool(np.array_equal(again.predict(X), model.predict(X)))
    True
    """
    members: dict[str, np.ndarray] = {}
    if not _is_model(model):
        raise TypeError(
            f"model is a {_type_name(model)}; expected one of: "
            + ", ".join([*sorted(_CLASSES), "the state_dict of an optimizer"])
        )
    tree = _encode(model, "", members)
    header = {"format": FORMAT, "version": FORMAT_VERSION, "fastridge": __version__, "model": tree}
    text = json.dumps(header, indent=1, allow_nan=False).encode("ascii")

    if _is_file(path, "write"):
        buffer = io.BytesIO()
        _write(buffer, text, members)
        path.write(buffer.getvalue())
        return
    with _replacing(os.path.realpath(_place(path))) as file:
        _write(file, text, members)


def load(path: str | os.PathLike[str] | BinaryIO) -> Any:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str, os.PathLike or binary file object
        The file. A file object is read from where it stands to its end.

    Returns
    -------
    estimator, result, Moments or dict
        An object of the class that was saved.

    Raises
    ------
    ModelFileError
        A `ValueError` that says what was found and what was expected, for a file that is not a
        model, is damaged or cut short, was written by a newer version, or was tampered with.
    TypeError
        When `path` is no path or binary file.
    OSError
        When the file cannot be opened.

    See Also
    --------
    save : The reverse.

    Notes
    -----
    Nothing in the file is run: classes come from a fixed list, arrays of Python objects hold
    plain values only, and no more memory is taken than in proportion to the size of the file.

    Examples
    --------
    >>> import io
    >>> import fastridge
    >>> file = io.BytesIO()
    >>> fastridge.save(fastridge.Ridge(alpha=2.0), file)
    >>> _ = file.seek(0)
    >>> fastridge.load(file).alpha
    2.0
    >>> fastridge.load(io.BytesIO(b"not a model"))
    Traceback (most recent call last):
        ...
    fastridge.io.ModelFileError: <BytesIO>: found b'not a model', expected a fastridge model \
file (a zip archive)
    """
    if _is_file(path, "read"):
        name = getattr(path, "name", f"<{type(path).__name__}>")
        return _Reader(name, io.BytesIO(path.read())).model()
    place = _place(path)
    with open(place, "rb") as file:
        return _Reader(place, file).model()


def _is_file(path: Any, method: str) -> TypeGuard[BinaryIO]:
    """Whether `path` is a file object rather than a path; one of text is refused."""
    if isinstance(path, io.TextIOBase):
        raise TypeError(
            f"path is a {type(path).__name__}, a file of text; expected one of bytes, opened in"
            " mode 'rb' or 'wb'."
        )
    return hasattr(path, method)


def _place(path: Any) -> str:
    """The path as a string."""
    try:
        # an int would be a descriptor that is open by chance
        place = os.fsdecode(path)
    except TypeError:
        raise TypeError(
            f"path is {path!r}; expected a str, an os.PathLike or a binary file object."
        ) from None
    if not place:
        raise ValueError("path is empty; expected the path of a file.")
    return place


def _type_name(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def _load_class(name: str) -> type[Any]:
    cls: type[Any] = getattr(importlib.import_module(_CLASSES[name][0]), name)
    return cls


def _is_fitted(name: str, cls: type[Any]) -> bool:
    return bool(_FITTED.fullmatch(name)) or name in _CLASSES[cls.__name__][1]


def _class_of(value: Any) -> str | None:
    """The listed name of the class of `value`, or None; a subclass is not its base."""
    name = type(value).__name__
    return name if name in _CLASSES and type(value) is _load_class(name) else None


def _is_model(value: Any) -> bool:
    """Whether a file may hold `value`: an object of a listed class, or an optimizer's state."""
    if type(value) is dict:
        return {"state", "param_groups"} == set(value)
    return _class_of(value) is not None


def _state(value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, attributes) of an object of a listed class."""
    if not hasattr(value, "get_params"):
        return {}, value.__getstate__()[1]
    params = value.get_params(deep=False)
    attributes = {}
    for name, item in value.__getstate__().items():
        if _is_fitted(name, type(value)):
            attributes[name] = item
        elif name not in params and name not in _NOTES:
            raise TypeError(
                f"attribute {name!r} of {type(value).__name__} is neither a parameter nor a fitted "
                "attribute (whose name ends in '_'): it has no place in a model file"
            )
    return params, attributes


def _slots(cls: type[Any]) -> list[str]:
    return [name for base in reversed(cls.__mro__) for name in vars(base).get("__slots__", ())]


def _encode(value: Any, where: str, members: dict[str, np.ndarray], depth: int = 0) -> Any:
    """`value` as JSON; the arrays in it go to `members`, named by `where` they are."""
    if depth > _MAX_DEPTH:
        raise TypeError(f"{where} is nested deeper than the {_MAX_DEPTH} levels of a model file")

    def inner(item: Any, name: object) -> Any:
        return _encode(item, f"{where}.{name}" if where else str(name), members, depth + 1)

    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, np.generic) and value.dtype.kind in _KINDS:
        # numpy.str_("") has more bytes than its dtype
        return {"scalar": [value.dtype.str, value.tobytes()[: value.dtype.itemsize].hex()]}
    if kind in (np.ndarray, np.memmap) and value.dtype.kind == "O":
        return {"objects": [list(value.shape), [inner(v, i) for i, v in enumerate(value.flat)]]}
    if kind in (np.ndarray, np.memmap) and value.dtype.kind in _KINDS:
        member = f"{where}.npy"
        members[member] = np.asarray(value)
        return {"array": member}
    if kind in (list, tuple):
        return {kind.__name__: [inner(v, i) for i, v in enumerate(value)]}
    if kind is dict:
        pairs = enumerate(value.items())
        return {"dict": [[inner(k, f"{i}.key"), inner(v, i)] for i, (k, v) in pairs]}
    if _class_of(value):
        parts = [{name: inner(v, name) for name, v in part.items()} for part in _state(value)]
        return {"model": [kind.__name__, *parts]}
    found = _type_name(value)
    if where == "cv" and hasattr(value, "split"):
        raise TypeError(
            f"cv is a {found}, a splitter, which has no place in a model file; expected an int, or"
            " its splits, cv=list(splitter.split(X, y)). A fitted model does not need it any more:"
            " model.set_params(cv=None) before saving does, too."
        )
    if isinstance(value, (np.ndarray, np.generic)):
        found += f" of dtype {value.dtype}"
    raise TypeError(
        f"{where} is a {found}, which has no place in a model file; expected None, a bool, a "
        "number, a string, a NumPy array of those, or a list, tuple or dict of such values"
    )


def _write(file: BinaryIO, text: bytes, members: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        # a fixed date: the same model gives the same bytes
        archive.writestr(zipfile.ZipInfo(_HEADER), text)
        for name, array in members.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(name), buffer.getbuffer())


@contextmanager
def _replacing(path: str) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when all went well, and is removed otherwise."""
    mode = None
    with suppress(FileNotFoundError):
        mode = os.stat(path).st_mode
    if mode is not None and not stat.S_ISREG(mode):
        raise ValueError(f"{path} exists and is not a regular file; expected a path to write to")
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            errno.ENOENT, "path is in a folder that does not exist; expected one that does", folder
        )
    temporary = os.path.join(folder, f".fastridge-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            if mode is not None:
                os.chmod(temporary, stat.S_IMODE(mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if os.name == "posix":
        # the new name is on disk when its folder is
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _no_duplicates(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is there twice")
    return result


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


class _Reader:
    """One pass over one file; `name` is for the messages."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name = name
        self.file = file
        self.unread: set[str] = set()

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
            # zipfile raises half a dozen types on damaged archives
            raise self.fail(f"a damaged or truncated archive ({error})", "a whole file") from error
        with self.archive:
            self._check_members()
            header = self._header()
            model = self._value(header.get("model"), 0)
            if not _is_model(model):
                raise self.fail(f"a {_type_name(model)}", f"one of {sorted(_CLASSES)} as the model")
            if self.unread:
                raise self.fail(
                    f"members {sorted(self.unread)[:3]} that the header does not mention",
                    "arrays of the model alone",
                )
        return model

    def _check_members(self) -> None:
        infos = self.archive.infolist()
        names = [info.filename for info in infos]
        self.unread = set(names)
        if len(self.unread) != len(names):
            raise self.fail("a member that is there twice", "each name once")
        if _HEADER not in self.unread:
            raise self.fail("a zip archive without header.json", "a fastridge model file")
        self.file.seek(0, os.SEEK_END)
        size = self.file.tell()
        for info in infos:
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 0x1:
                raise self.fail(f"member {info.filename!r} compressed or encrypted", "it stored")
            if info.file_size != info.compress_size:
                raise self.fail(
                    f"member {info.filename!r} of {info.file_size} bytes in {info.compress_size}",
                    "equal sizes",
                )
        total = sum(info.file_size for info in infos)
        if total > size:
            raise self.fail(f"members of {total} bytes in a file of {size}", "no more than it has")

    def _read(self, member: str) -> bytes:
        if member not in self.unread:
            raise self.fail(f"no member {member!r} left to read", "each array once")
        self.unread.remove(member)
        try:
            return self.archive.read(member)
        except Exception as error:
            raise self.fail(f"member {member!r} damaged ({error})", "a whole file") from error

    def _header(self) -> dict[str, Any]:
        text = self._read(_HEADER)
        try:
            header = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise self.fail(f"a header that is not valid ({error})", "JSON") from error
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            found = header.get("format") if isinstance(header, dict) else _type_name(header)
            raise self.fail(f"format {found!r} in the header", repr(FORMAT))
        version = header.get("version")
        if type(version) is not int or version < 1:
            raise self.fail(f"format version {version!r}", "a whole number from 1")
        if version > FORMAT_VERSION:
            raise self.fail(
                f"format version {version}, written by fastridge {header.get('fastridge')!r}",
                f"version {FORMAT_VERSION} or older, which is what fastridge {__version__} reads: "
                "a newer fastridge is needed",
            )
        return header

    def _value(self, tree: Any, depth: int) -> Any:
        """The value that `tree` stands for: the inverse of `_encode`."""
        if tree is None or type(tree) in (bool, int, float, str):
            return tree
        if depth > _MAX_DEPTH:
            raise self.fail(f"values nested deeper than {_MAX_DEPTH}", "a model")
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
            # the content is not of the form that its tag announces, whatever it is
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
            raise self.fail(f"{len(values)} values", f"as many as shape {shape} has")
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
        declared = math.prod(_dimensions(shape)) * dtype.itemsize
        if declared != len(data) - stream.tell():
            raise self.fail(
                f"{len(data) - stream.tell()} bytes in {content!r}",
                f"{declared} for shape {shape} of {dtype}",
            )
        return self._checked(data, shape, dtype, stream.tell(), "F" if by_column else "C")

    def _dtype(self, descr: Any) -> np.dtype:
        dtype = np.dtype(descr) if isinstance(descr, (str, np.dtype)) else None
        if dtype is None or dtype.kind not in _KINDS or dtype.names or dtype.subdtype:
            raise self.fail(f"dtype {descr!r}", f"a plain dtype (kinds {_KINDS})")
        return dtype

    def _checked(
        self, data: bytes, shape: Sequence[int], dtype: np.dtype, offset: int, order: Any
    ) -> np.ndarray:
        """A new array with the bytes of `data`, none of which stands for an impossible value."""
        array = np.ndarray(shape, dtype, data, offset, order=order).copy(order="K")
        whole = array.ravel(order="K")
        if dtype.kind == "b" and (whole.view(np.uint8) > 1).any():
            raise self.fail("a byte above 1 in an array of booleans", "0 or 1")
        if dtype.kind == "U" and whole.size and dtype.itemsize:
            points = whole.view(np.dtype(np.uint32).newbyteorder(dtype.byteorder))
            if (points > 0x10FFFF).any():
                raise self.fail("a character above U+10FFFF", "Unicode")
        return array

    def _decode_model(self, content: Any, depth: int) -> Any:
        name, params, attributes = content
        if not isinstance(name, str) or name not in _CLASSES:
            raise self.fail(f"class {name!r}", f"one of {sorted(_CLASSES)}")
        cls = _load_class(name)
        params = {key: self._value(item, depth) for key, item in params.items()}
        attributes = {key: self._value(item, depth) for key, item in attributes.items()}
        if hasattr(cls, "get_params"):
            return self._estimator(cls, params, attributes)
        slots = _slots(cls)
        if params or set(attributes) != set(slots):
            raise self.fail(f"fields {sorted(attributes)} of {name}", f"{sorted(slots)}")
        model = object.__new__(cls)
        for key, item in attributes.items():
            object.__setattr__(model, key, item)
        if hasattr(cls, "_check_fields"):
            model._check_fields()
        return model

    def _estimator(self, cls: type[Any], params: dict[str, Any], attributes: dict[str, Any]) -> Any:
        known = inspect.signature(cls).parameters
        for key in params:
            if key not in known:
                raise self.fail(f"parameter {key!r} of {cls.__name__}", f"one of {sorted(known)}")
        for key in attributes:
            if not _is_fitted(key, cls) or hasattr(cls, key):
                raise self.fail(f"attribute {key!r} of {cls.__name__}", "a fitted attribute")
        n_features = attributes.get("n_features_in_")
        for key in ("coef_", "feature_names_in_"):
            shape = np.shape(attributes.get(key, ()))
            if key in attributes and n_features is not None and shape[-1:] != (n_features,):
                raise self.fail(f"{key} of shape {shape}", f"{n_features} along its last axis")
        model = cls(**params)
        vars(model).update(attributes)
        return model


_TAGS = {name.removeprefix("_decode_") for name in vars(_Reader) if name.startswith("_decode_")}


def _dimensions(shape: Sequence[int]) -> Sequence[int]:
    if any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"shape {shape}")
    return shape


def _short(tree: Any) -> str:
    text = repr(tree)
    return text if len(text) <= 80 else text[:77] + "..."
