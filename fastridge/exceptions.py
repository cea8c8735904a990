"""Errors and warnings of fastridge.

They can be caught without scikit-learn. Where scikit-learn is loaded, an error or a warning that is
raised is also an instance of scikit-learn's class of the same name, so that either can be caught.
"""

from __future__ import annotations

__all__ = [
    "ConvergenceWarning",
    "DataConversionWarning",
    "GridWarning",
    "InvalidParameterError",
    "NotFittedError",
    "UndefinedMetricWarning",
]


class NotFittedError(ValueError, AttributeError):
    """Raised when an estimator is used before it is fitted.

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
    """Raised when a parameter of an estimator has an invalid value or type."""


class ConvergenceWarning(UserWarning):
    """Warning that a solver stopped before it reached its tolerance."""


class DataConversionWarning(UserWarning):
    """Warning that data had to be converted, such as a column of labels."""


class GridWarning(UserWarning):
    """Warning that the best penalty is at an end of the grid, or that the grid was extended."""


class UndefinedMetricWarning(UserWarning):
    """Warning that a score is not defined for the given data."""
