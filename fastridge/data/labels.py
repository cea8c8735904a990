"""Class labels: encode them, turn them into targets of -1 and 1, and weight the classes."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._stack import outside
from .check import check_sample_weight, is_sparse
from .inputs import note_foreign, to_dense

_NARROW = 1024  # magnitude below which whole numbers are encoded by counting


class Labels:
    """Labels of a fit.

    Parameters
    ----------
    y : array-like of shape (n_samples,), or array-like or scipy sparse matrix of shape \
(n_samples, n_labels)
        Class labels, whole numbers or strings; or an indicator matrix of several labels per sample,
        with zeros and ones.
    n_samples : int
        Number of rows that `y` must have.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        The classes, sorted; the numbers of the columns for an indicator.
    codes : ndarray of shape (n_samples,) or (n_samples, n_labels), integer
        Position of each label in `classes`, or the indicator.
    container : {"dense", "matrix", "array"} or None
        Type of the indicator: an ndarray, a scipy sparse matrix or array; None: not an indicator.

    Raises
    ------
    ValueError
        If `y` is None, has the wrong shape, or does not hold labels.
    """

    __slots__ = ("classes", "codes", "container")

    def __init__(self, y: Any, n_samples: int) -> None:
        container = "dense"
        if is_sparse(y):
            container = "array" if isinstance(y, sys.modules["scipy.sparse"].sparray) else "matrix"
        labels = as_labels(y, n_samples)
        self.container = container if labels.ndim == 2 else None
        if self.container is None:
            self.classes, self.codes = _told_apart(labels)
        else:
            self.classes = np.arange(labels.shape[1])
            self.codes = labels.astype(np.int64)

    def targets(self) -> NDArray[np.float64]:
        """Return regression targets, 1 for the label and -1 for the others.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes), dtype float64, F order
            A vector for two classes, 1 for the second; a column per class or label for more.
        """
        codes = self.codes
        if self.container is not None:
            return np.asfortranarray(2.0 * codes - 1.0, dtype=np.float64)
        if len(self.classes) <= 2:
            return np.asarray(2.0 * codes - 1.0, dtype=np.float64)
        Y = np.full((codes.shape[0], len(self.classes)), -1.0, order="F")
        Y[np.arange(codes.shape[0]), codes] = 1.0
        return Y

    def weights(
        self, class_weight: Any, sample_weight: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        """Return the weight of each sample by its class.

        Parameters
        ----------
        class_weight : dict or "balanced"
            Weight of each class; classes that are not named have weight 1. "balanced": the total
            weight over the number of classes and over the total weight of the class. For an
            indicator, the product over its columns.
        sample_weight : ndarray of shape (n_samples,) or None
            Weights of the samples, which "balanced" counts, so that weight 2 is the row twice.

        Returns
        -------
        ndarray of shape (n_samples,), dtype float64
            To be multiplied by the sample weights.

        Raises
        ------
        ValueError
            If a dict names classes that are not in y and leaves out others that are, or if y is an
            indicator.
        """
        if class_weight == "balanced":
            if self.container is None:
                return _balanced(self.codes, sample_weight)
            columns = [_balanced(column, sample_weight) for column in self.codes.T]
            return np.prod(columns, axis=0)
        if self.container is not None:
            raise ValueError(
                "class_weight is a dict, but y is an indicator of several labels; expected"
                " 'balanced' or None."
            )
        return weights_of_classes(self.classes, class_weight)[self.codes]


def balanced_weights(
    codes: NDArray[np.integer[Any]], n_classes: int, sample_weight: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return weights of classes that give each the same total weight.

    Parameters
    ----------
    codes : ndarray of int, shape (n_samples,)
        Classes, from 0 on.
    n_classes : int
        Number of classes.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the samples.

    Returns
    -------
    ndarray of shape (n_classes,), dtype float64
        The total weight over the number of classes and the weight of the class.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.data.labels import balanced_weights
    >>> balanced_weights(np.array([0, 0, 0, 1]), 2, None).round(2)
    array([0.67, 2.  ])
    """
    totals = np.bincount(codes, weights=sample_weight, minlength=n_classes)
    # a total is 0 only where a class has no sample of positive weight: any factor will do
    return np.asarray(totals.sum() / (n_classes * np.where(totals > 0, totals, 1.0)))


def weights_of_classes(
    classes: NDArray[Any], class_weight: dict[Any, float]
) -> NDArray[np.float64]:
    """Return the weights of classes that a dict names, and 1 for the others.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The classes.
    class_weight : dict
        Weights by class.

    Returns
    -------
    ndarray of shape (n_classes,), dtype float64

    Raises
    ------
    ValueError
        If the dict names unknown classes and leaves out some of `classes`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.data.labels import weights_of_classes
    >>> weights_of_classes(np.array(["a", "b"]), {"b": 3.0})
    array([1., 3.])
    """
    by_class = np.ones(len(classes))
    left_out = []
    for position, label in enumerate(classes.tolist()):
        if label in class_weight:
            value = class_weight[label]
            try:
                by_class[position] = value
            except (TypeError, ValueError, OverflowError):
                raise ValueError(
                    f"class_weight[{label!r}] is {value!r}; expected a finite number, at least 0."
                ) from None
        else:
            left_out.append(label)
    if left_out and len(classes) - len(left_out) < len(class_weight):
        raise ValueError(
            f"class_weight has keys {list(class_weight)}, some of which are not in y, but none for"
            f" the classes {left_out} of y; expected classes of y."
        )
    return by_class


def codes_among(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.intp]:
    """Return the positions of labels in the known classes.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        From `as_labels`.
    classes : ndarray of shape (n_classes,), sorted
        The classes.

    Returns
    -------
    ndarray of int, shape (n_samples,)

    Raises
    ------
    ValueError
        If a label is not among the classes; the message shows it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.data.labels import codes_among
    >>> codes_among(np.array(["b", "a"]), np.array(["a", "b"]))
    array([1, 0])
    """
    if (labels.dtype.kind in "US") != (classes.dtype.kind in "US"):
        raise ValueError(
            f"y has labels of dtype {labels.dtype}; expected labels from the classes"
            f" {classes.tolist()}."
        )
    codes = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    unknown = classes[codes] != labels
    if unknown.any():
        new = np.unique(labels[unknown]).tolist()
        shown = ", ".join(map(repr, new[:5])) + (", ..." if len(new) > 5 else "")
        raise ValueError(
            f"y has labels that are not classes of the model: {shown}; expected labels from"
            f" {classes.tolist()}. Pass all classes in the first call: partial_fit(X, y,"
            " classes=...)."
        )
    return codes


def as_proportions(y: Any, n_samples: int, n_classes: int | None) -> NDArray[np.float64] | None:
    """Return the class proportions of each sample, if `y` holds such.

    Parameters
    ----------
    y : array-like of shape (n_samples, n_classes)
        Rows of numbers from 0 to 1 that add up to 1; or anything else.
    n_samples : int
        Number of rows that `y` must have.
    n_classes : int or None
        Number of columns that `y` must have; None: any from 2 on.

    Returns
    -------
    ndarray of shape (n_samples, n_classes), dtype float64, C order, or None
        None where `y` does not have several columns.

    Raises
    ------
    ValueError
        If `y` has several columns that are not class proportions.

    Examples
    --------
    >>> from fastridge.data.labels import as_proportions
    >>> as_proportions([[0.25, 0.75]], 1, None)
    array([[0.25, 0.75]])
    >>> as_proportions([1, 0], 2, None) is None
    True
    """
    if y is None or is_sparse(y):
        return None
    if type(y) is not np.ndarray or y.dtype.kind == "O":
        note_foreign()
    try:
        shares = np.asarray(y)
    except (ValueError, TypeError):
        return None
    if shares.ndim != 2 or shares.shape[1] < 2:
        return None
    shape = n_samples, shares.shape[1] if n_classes is None else n_classes
    kind = shares.dtype.kind in "biuf"
    if shares.shape == shape and kind:
        shares = np.ascontiguousarray(shares, np.float64)
        if (shares >= 0).all() and (abs(shares.sum(axis=1) - 1.0) <= 1e-6).all():
            return shares
    raise ValueError(
        f"y has shape {shares.shape} and dtype {shares.dtype}; expected labels of shape"
        f" ({n_samples},), or proportions of classes of shape {shape}, from 0 to 1, whose rows sum"
        " to 1."
    )


def accuracy(prediction: NDArray[Any], y: Any, sample_weight: Any) -> float:
    """Return the share of the samples that are predicted correctly.

    Parameters
    ----------
    prediction : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Predicted labels, or an indicator of them, which must be correct in every label.
    y : array-like or scipy sparse matrix of that shape
        True labels.
    sample_weight : array-like of shape (n_samples,), float or None

    Returns
    -------
    float
    """
    n = prediction.shape[0]
    labels = as_labels(y, n)
    weight = check_sample_weight(sample_weight, n)
    strings = prediction.dtype.kind in "US"
    if labels.shape != prediction.shape or (labels.dtype.kind in "US") != strings:
        raise ValueError(
            f"y has shape {labels.shape} and dtype {labels.dtype}; expected labels like those"
            f" of the fit: shape {prediction.shape}, dtype {prediction.dtype}."
        )
    right = labels == prediction
    if right.ndim == 2:
        right = right.all(axis=1)
    return float(np.average(right, weights=weight))


def as_labels(y: Any, n_samples: int) -> NDArray[Any]:
    """Check labels.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_labels)
        See `Labels`.
    n_samples : int
        Number of rows that `y` must have.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_labels)
        Integers, booleans or strings; whole floats stay floats. The second shape, n_labels at
        least 2, is an indicator of zeros and ones.
    """
    if y is None:
        raise ValueError(
            "The fit requires y to be passed, but the target y is None; expected"
            f" {n_samples} class labels, one per row of X."
        )
    if is_sparse(y):
        y = to_dense(y, "y")
    if np.ma.isMaskedArray(y) and np.ma.getmaskarray(y).any():
        raise ValueError("y is a masked array with masked values; fill or drop them.")
    if type(y) is not np.ndarray or y.dtype.kind == "O":
        note_foreign()
    try:
        labels = np.asarray(y)
    except (ValueError, TypeError) as error:
        raise ValueError(f"y cannot be converted to an array of class labels: {error}") from error
    if labels.ndim == 2 and labels.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of"
            " y to (n_samples,), for example using ravel().",
            _sklearn.exception("DataConversionWarning"),
            stacklevel=outside(),
        )
        labels = labels.ravel()
    if labels.ndim not in (1, 2) or 0 in labels.shape[1:]:
        raise ValueError(
            f"y has shape {labels.shape}; expected (n_samples,), or (n_samples, n_labels) for an"
            " indicator of several labels per sample."
        )
    if labels.shape[0] != n_samples:
        raise ValueError(
            f"y has {labels.shape[0]} rows, but X has {n_samples}; expected the same number of"
            " rows."
        )
    if labels.dtype.kind == "O":
        labels = _labels_of_objects(labels)
    kind = labels.dtype.kind
    if kind == "f":
        _check_whole(labels)
    elif kind == "c":
        raise ValueError(f"Complex data not supported: y is {labels.dtype}; expected labels.")
    elif kind not in "biuUS":
        raise ValueError(
            f"Unknown label type: y has dtype {labels.dtype}; expected whole numbers or strings."
        )
    if labels.ndim == 2 and (kind in "US" or not np.isin(labels, (0, 1)).all()):
        if kind in "if" and np.isin(labels, (-1, 1)).all():
            return (labels > 0).astype(labels.dtype)
        raise ValueError(
            "Unknown label type: y has several columns, with values other than 0 and 1; expected"
            " one class per sample, or an indicator of zeros and ones, or of -1 and 1."
        )
    return labels


def _told_apart(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the sorted classes, and the position of each label in them."""
    if labels.dtype.kind in "biuf" and labels.size:
        low, high = labels.min(), labels.max()
        # small whole numbers need no sort
        if low > -_NARROW and high < _NARROW:
            low = int(low)
            codes = labels.astype(np.int64)
            codes -= low
            counts = np.bincount(codes)
            if counts.all():
                return (np.arange(len(counts)) + low).astype(labels.dtype), codes
            present = np.flatnonzero(counts)
            place = np.empty(len(counts), np.int64)
            place[present] = np.arange(len(present))
            return (present + low).astype(labels.dtype), place[codes]
    return np.unique(labels, return_inverse=True)


def _labels_of_objects(labels: NDArray[np.object_]) -> NDArray[Any]:
    """Convert labels held as objects: all strings, or all whole numbers, which become integers."""
    types = set(map(type, labels.ravel()))
    if all(issubclass(kind, str) for kind in types):
        return labels.astype(str)
    if all(issubclass(kind, (int, float, np.number, np.bool_)) for kind in types):
        try:
            return labels.astype(np.result_type(*types))
        except OverflowError as error:
            raise ValueError(
                f"y has a label that is too large for an integer dtype: {error}"
            ) from None
    raise ValueError(
        "Unknown label type: y holds objects of types"
        f" {sorted(kind.__name__ for kind in types)}; expected all whole numbers or all strings."
    )


def _check_whole(labels: NDArray[np.floating]) -> None:
    """Raise if some floats are not whole numbers."""
    for what, bad in (("NaN", np.isnan), ("infinity", np.isinf)):
        if bad(labels).any():
            place = tuple(np.argwhere(bad(labels))[0].tolist())
            raise ValueError(f"Input y contains {what}, at {place}; expected class labels.")
    if (labels != np.rint(labels)).any():
        value = labels[labels != np.rint(labels)][0]
        raise ValueError(
            f"Unknown label type: y is continuous (it holds {value:g}); expected class labels,"
            " whole numbers or strings. For continuous targets, use a regressor."
        )


def _balanced(
    codes: NDArray[np.integer[Any]], sample_weight: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return weights of samples that give every class in `codes` the same total weight."""
    present, codes = np.unique(codes, return_inverse=True)
    return balanced_weights(codes, len(present), sample_weight)[codes]
