"""Save fitted models and read them back, without pickle; read text in the svmlight format.

A model file is an uncompressed zip archive:

- ``header.json``: ``{"format": "fastridge model", "version": 1, "fastridge": version of the
  package, "model": value}``;
- one ``.npy`` member per array, named by its place in the model (``coef_.npy``).

``numpy.load(path)["coef_"]`` reads an array without this package. In the header ``null``, booleans,
integers, finite floats and strings stand for themselves; any other value is an object of one key:

================================== ======================================================
``{"model": [class, p, a]}``       a model of a class in `CLASSES`: parameters, attributes
``{"array": member}``              the array in that member
``{"objects": [shape, values]}``   an array of Python objects, each one a value
``{"scalar": [dtype, hex]}``       a NumPy scalar, its bytes
``{"float": "nan"}``               a float that JSON cannot express: nan, inf, -inf
``{"list": values}``               a list
``{"tuple": values}``              a tuple
``{"dict": [[key, value], ...]}``  a dict, in its order
``{"loss": [name, {...}]}``        a loss of `fastridge.losses`, as arguments of `loss_of`
``{"slice": [start, stop, step]}`` a slice
``{"range": [start, stop, step]}`` a range; a long one is written as an array
``{"sparse": [class, shape, a]}``  a matrix of `scipy.sparse` by rows or columns: its data, indices
                                   and indptr
``{"dtype": "<f8"}``               a NumPy dtype
``{"type": "float64"}``            a NumPy scalar type
``{"sklearn": [class, v, p, a]}``  an object of scikit-learn, of a class in `SKLEARN`: the version
                                   of scikit-learn, parameters, attributes
================================== ======================================================

Both lists of classes are in `fastridge.io._classes`. The fields of each class, their types and
shapes, are in `fastridge.io._fields`: `load` refuses a file whose fields do not fit together.

The format's version is 1. A change that this reader would refuse or misread gets the next number.
`load` reads all earlier versions, and refuses later ones with the version of the package that wrote
them. A field that is added to a class later is optional in files. Members are not compressed, so
none is larger than the file, and a file cannot name code to run.
"""

from __future__ import annotations

import io
import json
import os
from typing import Any, BinaryIO

import numpy as np

from .. import __version__
from ._classes import is_model, is_of_sklearn, names_of_models
from ._encode import SKOPS, encode, type_name, write
from ._reader import FORMAT, FORMAT_VERSION, ModelFileError, Reader
from ._svmlight import iter_svmlight, read_svmlight
from .place import is_file, place_of, replacing, write_all

__all__ = ["ModelFileError", "iter_svmlight", "load", "read_svmlight", "save"]

ModelFileError.__module__ = __name__


def save(model: Any, path: str | os.PathLike[str] | BinaryIO) -> None:
    """Write a model to a file that `load` reads back exactly.

    Parameters
    ----------
    model : estimator, result, Moments or dict
        An estimator of `fastridge.linear_model`, fitted or not; a result of `ridge`, `ridge_batch`,
        `ridge_path`, `elastic_net`, `glm` or their paths; a posterior; `Moments`; the
        `state_dict()` of an optimizer; or a ``Pipeline`` of scikit-learn's scalers, encoders,
        imputers and column transformers that ends in such an estimator.
    path : str, os.PathLike or binary file object
        Where to write. A temporary file is written in the same folder and then moved to `path`, so
        that a reader sees the old file or the whole new one. A temporary file left by a killed
        process is removed by the next save. No suffix is added.

    Raises
    ------
    TypeError
        When `model` is of another class, or holds a value that a model file cannot store (a random
        generator, a data frame, a function, a splitter that is not of scikit-learn); when `path` is
        not a path or binary file.
    ValueError
        When `path` is empty, or exists and is not a regular file; when fields of a fitted model do
        not fit together or coefficients are not finite, so that it would not predict.
    FileNotFoundError
        When the folder of `path` does not exist.
    PermissionError
        When `path` is a file that is read-only, or its folder is.
    OSError
        When writing fails, as on a full disk. The file that `path` was is left as it is.

    See Also
    --------
    load : Reads the model back.
    Moments : Sums of data that add and subtract, and fit as the data would.

    Notes
    -----
    All attributes of a `RidgePath`, including coefficients and degrees of freedom, are computed
    before it is written; its data are not written. Degrees of freedom of a `GLMResult` are written
    if they were computed before. A `GLMPosterior` can be written if its Hessian is factored
    (`is_exact`), a `MultinomialPosterior` always. Arrays keep dtype, shape and values to the bit.
    The same model gives the same bytes. Settings that scikit-learn adds to an estimator
    (`set_output`, metadata requests) are not written.

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
    if not is_model(model):
        if is_of_sklearn(model):
            raise TypeError(
                f"model is a {type_name(model)}, which a model file cannot hold: {SKOPS}"
            )
        if isinstance(model, tuple) and is_model(getattr(model, "path", None)):
            raise TypeError(
                f"model is a {type(model).__name__}, as returned by enet_path and lasso_path;"
                " expected model.path, which holds the same results"
            )
        raise TypeError(
            f"model is a {type_name(model)}; expected one of: {', '.join(names_of_models())}"
        )
    tree = encode(model, "", members)
    header = {"format": FORMAT, "version": FORMAT_VERSION, "fastridge": __version__, "model": tree}
    text = json.dumps(header, indent=1, allow_nan=False).encode("ascii")

    if is_file(path, "write"):
        buffer = io.BytesIO()
        write(buffer, text, members)
        write_all(path, buffer.getvalue())
        return
    with replacing(os.path.realpath(place_of(path))) as file:
        write(file, text, members)


def load(path: str | os.PathLike[str] | BinaryIO) -> Any:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str, os.PathLike or binary file object
        The file. A file object is read from its current position to its end.

    Returns
    -------
    estimator, result, Moments or dict
        An object of the class that was saved.

    Raises
    ------
    ModelFileError
        A `ValueError` that says what was found and what was expected, for a file that is not a
        model, is damaged or cut short, was written by a newer version, or holds fields that do not
        fit together.
    TypeError
        When `path` is not a path or binary file.
    OSError
        When the file cannot be opened or read.
    ImportError
        When the file holds objects of scikit-learn, which is not installed.

    Warns
    -----
    UserWarning
        When objects of scikit-learn were written with another version of it.

    See Also
    --------
    save : Writes a model.

    Notes
    -----
    No code in the file is run: classes come from a fixed list, and arrays of Python objects hold
    plain values only. Memory is proportional to the size of the file.

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
    if is_file(path, "read"):
        name = getattr(path, "name", f"<{type(path).__name__}>")
        return Reader(name, io.BytesIO(path.read())).model()
    place = place_of(path)
    with open(place, "rb") as file:
        return Reader(place, file).model()
