"""Labels and shares of classes, as a learner takes them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.labels import (
    as_labels,
    as_proportions,
    balanced_weights,
    codes_among,
    weights_of_classes,
)
from ..data.parameters import non_negative
from ._sgd import BaseSGD, Targets
from ._sgd_epochs import Vector

LOG = ("log_loss", "multinomial")  # losses of shares
_SIGNS = np.array([-1.0, 1.0])


class Classes(NamedTuple):
    """Labels of a call.

    codes : ndarray (n,) of int, positions of the labels, or of the largest proportions
    shares : ndarray (n, n_classes) or None
    """

    codes: NDArray[Any]
    shares: Vector | None


class LabelledSGD(BaseSGD):
    """Targets of classification."""

    class_weight: Any

    def _classes_of(self, classes: Any) -> NDArray[Any]:
        """Return the classes given to `partial_fit`; they must be those of earlier calls."""
        before = self.__dict__.get("classes_")
        if classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        given = np.asarray(classes)
        if given.ndim != 1:
            raise ValueError(
                f"classes is {classes!r}; expected a one-dimensional list of class labels."
            )
        every = np.unique(as_labels(classes, len(given)))
        if before is not None:
            if not np.array_equal(every, before):
                raise ValueError(
                    f"`classes={classes!r}` is not the same as on last call to partial_fit, was:"
                    f" {before!r}"
                )
            return before
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit. In order to use"
                " 'balanced' weights, use compute_class_weight('balanced', classes=classes, y=y)."
                " In place of y you can use a large enough sample of the full training set target"
                " to properly estimate the class frequency distributions. Pass the resulting"
                " weights as the class_weight parameter."
            )
        if len(every) < 2:
            raise ValueError(
                "The number of classes has to be greater than one; got"
                f" {len(every)} class ({every.tolist()})"
            )
        return every

    def _found(self, y: Any, n: int, classes: NDArray[Any]) -> Classes:
        """Return the labels, or proportions, of known classes."""
        if type(y) is np.ndarray and y.ndim == 1 and len(y) == n and len(classes) == 2:
            kind = y.dtype.kind
            if kind in "biuf" and classes.dtype.kind in "biuf":
                low, high = classes.tolist()
                second = y == high
                if np.count_nonzero(second) + np.count_nonzero(y == low) == n:
                    return Classes(second, None)
        shares = as_proportions(y, n, len(classes)) if self.loss in LOG else None
        if shares is not None:
            return Classes(shares.argmax(axis=1), shares)
        labels = as_labels(y, n)
        if labels.ndim != 1:
            raise ValueError(
                "Unknown label type: multilabel-indicator: y should be a 1d array, got an array"
                f" of shape {labels.shape}; expected (n_samples,) class labels."
            )
        return Classes(codes_among(labels, classes), None)

    def _targets(self, found: Classes, classes: NDArray[Any], weight: Vector | None) -> Targets:
        """Return targets and weights for a learner, with class weights."""
        codes, shares, of_class = found.codes, found.shares, self.class_weight
        two = len(classes) == 2
        positive = None
        if of_class is not None:
            if shares is not None:
                raise ValueError(
                    f"class_weight is {of_class!r}, but y holds proportions of classes; expected"
                    " class labels, or class_weight=None."
                )
            if isinstance(of_class, str):
                positive = balanced_weights(codes, len(classes), weight)
            else:
                positive = non_negative(
                    weights_of_classes(classes, of_class), len(classes), "class_weight", "class"
                )
            if two or self.loss == "multinomial":
                own = positive[codes.astype(np.intp)]
                weight, positive = own if weight is None else own * weight, None
        if shares is not None:
            return Targets(2.0 * shares[:, 1] - 1.0 if two else shares, weight, classes=True)
        y = _SIGNS.take(codes) if two else codes.astype(np.int32)
        return Targets(y, weight, positive, classes=True)
