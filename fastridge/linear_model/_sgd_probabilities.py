"""Probabilities of the classes, of the losses that have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.parts import in_parts
from ._probabilities import log_probabilities, probabilities
from ._sgd_labels import LOG

_WITH_PROBABILITIES = (*LOG, "modified_huber")


class _OfProbabilities:
    """Method that exists only for losses with probabilities."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        self.__doc__ = method.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, model: Any, owner: type) -> Any:
        if model is None:
            return self.method
        if model.loss not in _WITH_PROBABILITIES:
            cause = AttributeError(
                f"probability estimates are not available for loss={model.loss!r}"
            )
            raise AttributeError(f"This {owner.__name__!r} has no attribute {self.name!r}") from (
                cause
            )
        return self.method.__get__(model, owner)


class ClassProbabilities:
    """`predict_proba` and `predict_log_proba` from linear predictors."""

    loss: str

    _predict_parts: Any

    def _scores(self, X: Any, method: str) -> NDArray[np.floating]:
        """Return linear predictors; overridden."""
        raise NotImplementedError

    @_OfProbabilities
    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """Predict the probabilities of the classes.

        Only for the losses "log_loss", "multinomial" and "modified_huber". With one model for each
        of several classes, the probabilities of each against the rest are scaled to add up to 1;
        those of "modified_huber" are (clip(p, -1, 1) + 1) / 2.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `X` is not a finite table with the features of the fit.

        Examples
        --------
        >>> from fastridge import SGDClassifier
        >>> model = SGDClassifier("log_loss", random_state=0)
        >>> model.fit([[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1]).predict_proba([[0.0]]).shape
        (1, 2)
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._predict_parts("predict_proba", X)
        eta = self._scores(X, "predict_proba")
        if self.loss == "modified_huber":
            return _of_modified_huber(eta)
        if eta.shape[1] == 1 or self.loss == "multinomial":
            return probabilities(eta)
        return probabilities(-np.logaddexp(0.0, -eta))

    @_OfProbabilities
    def predict_log_proba(self, X: Any) -> NDArray[np.floating]:
        """Predict the logarithms of the probabilities of the classes.

        Only for the losses "log_loss", "multinomial" and "modified_huber".

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log probabilities, in the order of `classes_`; -inf where a probability of
            "modified_huber" is 0.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `X` is not a finite table with the features of the fit.

        Examples
        --------
        >>> from fastridge import SGDClassifier
        >>> model = SGDClassifier("log_loss", random_state=0)
        >>> model.fit([[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1]).predict_log_proba([[0.0]]).shape
        (1, 2)
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._predict_parts("predict_log_proba", X)
        eta = self._scores(X, "predict_log_proba")
        if self.loss == "modified_huber":
            return np.log(_of_modified_huber(eta))
        if eta.shape[1] == 1 or self.loss == "multinomial":
            return log_probabilities(eta)
        return log_probabilities(-np.logaddexp(0.0, -eta))


def _of_modified_huber(eta: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return probabilities of the modified Huber loss (Zhang 2004); equal where all are 0."""
    p = (np.clip(eta, -1.0, 1.0) + 1.0) / 2.0
    if p.shape[1] == 1:
        return np.hstack([1.0 - p, p])
    total = p.sum(axis=1, keepdims=True)
    p[total[:, 0] == 0.0] = 1.0
    return p / p.sum(axis=1, keepdims=True)
