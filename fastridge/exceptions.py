"""Errors and warnings of fastridge.

They can be caught without scikit-learn. Where scikit-learn is loaded, an error or a warning that is
raised is also an instance of scikit-learn's class of the same name, so that either can be caught.
"""

from __future__ import annotations

__all__ = [
    "ConvergenceWarning",
    "DataConversionWarning",
    "InvalidParameterError",
    "NotFittedError",
    "UndefinedMetricWarning",
]


class NotFittedError(ValueError, AttributeError):
    """An estimator was asked for something that only a fitted one has.

    Examples
    --------
    >>> import fastridge
    >>> from fastridge.exceptions import NotFittedError
    >>> try:
    ...     fastridge.Ridge().predict([[1.0]])
    ... except NotFittedError as error:
    ...     print(error)
    This Ridge is not fitted yet: call fit(X, y) before predict.
    """


class InvalidParameterError(ValueError, TypeError):
    """A parameter of an estimator has a value or a type that it cannot have."""


class ConvergenceWarning(UserWarning):
    """A solver stopped before it reached the tolerance that was asked for."""


class DataConversionWarning(UserWarning):
    """Data came in a form that had to be reinterpreted, such as a column of labels."""


class UndefinedMetricWarning(UserWarning):
    """A score is not defined for the data that it was asked for."""
