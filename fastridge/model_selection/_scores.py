"""Make scorers of estimators from names and callables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .._sklearn import requests, routes


def make_scorer(scoring: Any, known: Iterable[str]) -> tuple[Callable[..., Any], bool]:
    """Return a function (estimator, X, y, options) for a scorer, and whether it takes weights.

    known: names of the scores that need no scikit-learn, for the message.

    Raises
    ------
    ValueError
        If there is no scorer of that name, or it needs scikit-learn, which is not installed. Raised
        by the function: if the scorer needs a method that the estimator lacks, or fails on its
        predictions.
    """
    given = scoring
    if isinstance(scoring, str):
        try:
            from sklearn.metrics import get_scorer
        except ImportError:
            raise ValueError(
                f"scoring is {scoring!r}, a score from scikit-learn, which is not installed;"
                f" expected one of {', '.join(map(repr, known))}, 'accuracy' for a classifier, or a"
                " callable scorer(estimator, X, y)."
            ) from None
        try:
            scoring = get_scorer(scoring)
        except ValueError:
            raise ValueError(
                f"scoring is {given!r}; expected a name that sklearn.metrics.get_scorer_names()"
                " lists, a callable scorer(estimator, X, y) or None."
            ) from None
    if not callable(scoring):
        raise ValueError(
            f"scoring is {scoring!r}; expected the name of a score, a callable scorer(estimator, X,"
            " y) or None."
        )

    def score(estimator: Any, X: Any, y: Any, options: dict[str, Any]) -> float:
        _check_response(given, scoring, estimator)
        try:
            value = scoring(estimator, X, y, **options)
        except StopIteration as error:
            # of a callback it would end the search
            raise RuntimeError("scoring raised StopIteration; expected a number.") from error
        except ValueError as error:
            # a caller's own scorer raises its own error
            if not hasattr(scoring, "_score_func"):
                raise
            raise ValueError(
                f"scoring is {given!r}, which failed on the predictions: {str(error).rstrip('.')}."
                + " If it scores classes, use RidgeClassifierCV."
                * (estimator._estimator_type == "regressor")
            ) from error
        if not isinstance(value, (int, float, np.number)):
            raise ValueError(
                f"scoring returned {value!r}, a {type(value).__name__}; expected a number."
            )
        try:
            return float(value)
        except OverflowError:
            raise ValueError(
                "scoring returned an int too large for float64; expected a smaller number."
            ) from None

    return score, _takes_weight(scoring)


def _check_response(given: Any, scorer: Any, estimator: Any) -> None:
    """Raise an error for a scikit-learn scorer that needs a method the estimator lacks."""
    methods = getattr(scorer, "_response_method", "predict")
    methods = (methods,) if isinstance(methods, str) else tuple(methods)
    if any(hasattr(estimator, method) for method in methods):
        return
    needs = f"scoring is {given!r}, which needs {' or '.join(methods)}"
    if estimator._estimator_type == "regressor":
        raise ValueError(
            f"{needs} of a classifier, but RidgeCV is a regressor; expected a score of predicted"
            " values, such as 'r2', or RidgeClassifierCV."
        )
    raise ValueError(
        f"{needs}, but RidgeClassifierCV has only decision_function and predict; expected a score"
        " of one of these, such as 'accuracy' or 'roc_auc'."
    )


def _takes_weight(scorer: Any) -> bool:
    """Return whether the scorer requests sample weights, or its metric takes them."""
    asked = requests(scorer, "score", "sample_weight")
    if asked is not None and (isinstance(asked, bool) or routes()):
        # under an alias, they are separate metadata
        return asked is True
    for function in (scorer, getattr(scorer, "_score_func", None)):
        if function is None:
            continue
        try:
            names = inspect.signature(function).parameters
        except (TypeError, ValueError):
            return False
        if "sample_weight" not in names:
            return False
    return True


def right_rows(decision: Any, codes: Any) -> Any:
    """Return a mask (n,) of rows that decisions (n, k) classify correctly, in every label.

    codes: class indices (n,), or an indicator (n, k) of labels.
    """
    if codes.ndim == 2:
        return ((decision > 0) == codes).all(axis=1)
    if decision.shape[1] == 1:
        return (decision[:, 0] > 0) == codes
    return decision.argmax(axis=1) == codes
