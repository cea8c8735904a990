"""Scores of class labels on held-out rows, for the search of LogisticRegressionCV."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from ..losses import LOGISTIC
from ._glm_base import StoredPredictor
from ._logistic import Classes
from ._logistic_regression import LogisticRegression


def held_codes(y: Any, n: int, values: NDArray[Any]) -> NDArray[np.intp]:
    """Return the class index of each held-out row."""
    from ..data.labels import as_labels

    given = as_labels(y, n)
    place = np.searchsorted(values, given).clip(max=len(values) - 1)
    if (values[place] != given).any():
        strange = given[values[place] != given].tolist()[0]
        raise ValueError(f"validation y has the class {strange!r}; expected only classes of y.")
    return place


def scoring_of(
    loss: Any, scoring: Any, classes: Classes, held: NDArray[np.intp] | None, frame: Any
) -> Any:
    """Return the score of class labels.

    held: class indices of a held-out set, or None. frame: X where scorers get a data frame.
    """
    from ..model_selection._search import Scoring

    values = classes.values
    codes = classes.codes if held is None else held

    def shown(j: int, coef: Any, intercept: Any, X: Any, eta: Any) -> Any:
        model = _Shown()
        model.classes_, model.coef_, model.intercept_ = values, coef, intercept
        model.n_features_in_, model._seen, model._eta = coef.shape[1], X, eta
        return model

    found = Scoring(
        loss, _with_labels(scoring, values), "accuracy", False, shown, values[codes], codes
    )
    if isinstance(scoring, str):
        found.name = scoring
    if found.scorer is not None and held is None:
        found.frame = frame
    return found


class _Shown(StoredPredictor, LogisticRegression):
    """The model of a fold, as scorers see it."""


# name shown in messages of scorers
_Shown.__name__ = _Shown.__qualname__ = "LogisticRegression"


def _with_labels(scoring: Any, values: NDArray[Any]) -> Any:
    """Return scikit-learn's scorer with `labels` set, as a fold may lack some classes."""
    if not isinstance(scoring, str) or scoring in ("accuracy", *LOGISTIC.scores):
        return scoring
    if not _sklearn.is_loaded():
        return scoring
    from inspect import signature

    from sklearn.metrics import get_scorer, make_scorer

    try:
        scorer = get_scorer(scoring)
        names = signature(scorer._score_func).parameters
    except (ValueError, AttributeError, TypeError):
        return scoring
    if "labels" not in names:
        return scoring
    options = {"labels": values}
    if "pos_label" in names and len(values) == 2:
        options["pos_label"] = values[-1]
    return make_scorer(
        scorer._score_func,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        **{**scorer._kwargs, **options},
    )
