"""Make the report, an HTML page, from fits and data."""

from __future__ import annotations

import html
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _sklearn
from ..data.inputs import feature_names as names_of_frame
from ..data.parameters import check_flags, check_seed
from ..io.place import place_of, replacing
from .collect import collect
from .page import page_of


class Report:
    """An interactive page about a penalty: what `report` returns.

    In a notebook it displays itself, in a sandboxed frame.

    Attributes
    ----------
    html : str
        The page: one file with data, script and style, which loads nothing.
    notes : list of str
        What was left out to keep the page small.

    See Also
    --------
    report : Makes it.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> page = fastridge.report(fastridge.Ridge(), X, X[:, 0])
    >>> page.notes, page._repr_html_()[:50]
    ([], '<iframe title="fastridge report" sandbox="allow-sc')
    """

    def __init__(self, html: str, notes: list[str]) -> None:
        self.html, self.notes = html, notes

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, as a whole or not at all.

        Parameters
        ----------
        path : str or path-like
            File to write; one that exists is replaced.

        Raises
        ------
        TypeError
            If `path` is no path.
        ValueError
            If `path` is empty, or exists and is not a regular file.
        OSError
            If the file cannot be written.
        """
        with replacing(os.path.realpath(place_of(path))) as file:
            file.write(self.html.encode())

    def _repr_html_(self) -> str:
        source = html.escape(self.html, quote=True)
        return (
            '<iframe title="fastridge report" sandbox="allow-scripts" width="100%" height="900"'
            f' style="border: 1px solid #888" srcdoc="{source}"></iframe>'
        )

    def __repr__(self) -> str:
        return f"Report({len(self.html) / 1e6:.2f} MB)"


def report(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    offset: Any = None,
    exposure: Any = None,
    validation: Any = None,
    groups: Any = None,
    target: int = 0,
    feature_names: Sequence[str] | None = None,
    penalty_factor: Any = None,
    standardize: bool = False,
    title: str | None = None,
    random_state: int | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Report:
    """Make an interactive page about the penalty of a model, on the user's own data.

    The page is one HTML file, which any current browser opens from disk; it needs no server and no
    network. Sliders move along the path of penalties: train and validation error with the verdict
    (under-fitting, over-fitting, about right), coefficients and predictions; weight decay step by
    step; the loss and the penalty of any two coefficients; prior and posterior of a coefficient.

    Parameters
    ----------
    estimator : estimator or path
        An estimator that chose its penalty, fitted (`RidgeCV`, `LassoCV`, `ElasticNetCV`,
        `LogisticRegressionCV`, `GLMCV`, ...): errors and verdicts are those of its `cv_results_`.
        Or another estimator with a path (`Ridge`, `Lasso`, `PoissonRegressor`, ...), fitted or not:
        its penalty is compared with a grid on held-out rows. Or what `ridge_path`,
        `elastic_net_path` or `glm_path` returned, with `validation`.
    X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
        Features that the model was fitted to.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Values or class labels that the model was fitted to.
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Weights of the fit; None: 1.
    offset : array-like of shape (n_samples,) or (n_samples, n_classes) or None, default=None
        Offset of the fit of a generalised linear model; None: 0.
    exposure : array-like of shape (n_samples,) or None, default=None
        Exposure of the fit, for a log link: an offset of log(exposure). None: 1.
    validation : (X, y), (X, y, sample_weight), (X, y, sample_weight, offset) or None, default=None
        Held-out rows, whose predictions are shown, with the offset (of an exposure its logarithm)
        where the fit has one; a sample_weight of None is 1. None: those of the estimator's
        `validation`, or a fifth of the rows at random, for which the path is fitted to the others.
        For a path, the rows that judge it; required.
    groups : array-like of shape (n_samples,) or None, default=None
        Group of each row: whole groups are held out. Only without `validation`.
    target : int, default=0
        Index of the target; of the class whose coefficients are shown, for more than two.
    feature_names : sequence of str or None, default=None
        Names of the features; None: those of a data frame, or x0, x1, ...
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Factors with which a path was fitted; estimators have their own.
    standardize : bool, default=False
        Whether a path was fitted with `standardize`; estimators have their own.
    title : str or None, default=None
        Heading of the page; None: the name of the model.
    random_state : int or None, default=None
        Seed for the rows that are held out or shown; None: 0.
    path : str, path-like or None, default=None
        File to write; None: none, and the result has `save`.

    Returns
    -------
    Report
        The page, with `html`, `save` and a display in notebooks.

    Raises
    ------
    TypeError
        If `estimator` has no path, or an argument has the wrong type.
    ValueError
        If the arguments do not fit together: a path without `validation`, or fits that are not
        those of `X` and `y`.
    NotFittedError
        If an estimator that chooses its penalty is not fitted.

    See Also
    --------
    CrossValidationDisplay : The errors alone, by matplotlib.
    fastridge.penalty.convert : The penalty in other conventions.
    RidgeCV : Ridge regression that chooses its penalty.
    Report : The page.

    Notes
    -----
    The coefficients, errors and verdicts are fastridge's fits. Between the penalties of the grid,
    ridge is exact where p min(n, p) is at most 40,000; otherwise the page shows the nearest fit,
    and says so. At most 100 penalties and 1,000 features are kept, those with the largest
    coefficients; the page says what was left out.

    Plots are drawn by Chart.js (MIT licence), whose script is in the page.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 5))
    >>> y = X[:, 0] + rng.standard_normal(100)
    >>> model = fastridge.RidgeCV(np.logspace(-2, 4, 13), cv=5).fit(X, y)
    >>> page = fastridge.report(model, X, y, feature_names=["size", "age", "a", "b", "c"])
    >>> page.html.startswith("<!DOCTYPE html>"), len(page.html) < 2_000_000
    (True, True)
    >>> page.save("report.html")  # doctest: +SKIP
    """
    start = time.perf_counter()
    place = None if path is None else place_of(path)
    check_flags(standardize=standardize)
    seed = check_seed(0 if random_state is None else random_state)
    if title is not None and not isinstance(title, str):
        raise TypeError(f"title is a {type(title).__name__}; expected a str or None.")
    if hasattr(estimator, "cv") and not hasattr(estimator, "cv_results_"):
        raise _sklearn.exception("NotFittedError")(
            f"{type(estimator).__name__} chooses its penalty and is not fitted: fit it first."
        )
    if hasattr(estimator, "cv_results_") and not hasattr(estimator, "diagnosis_"):
        raise _sklearn.exception("NotFittedError")(
            f"{type(estimator).__name__} was interrupted before it chose a penalty: fit it again."
        )
    if isinstance(target, bool) or not isinstance(target, (int, np.integer)):
        raise TypeError(f"target is {target!r}; expected an int.")
    data = collect(
        estimator,
        (X, y, sample_weight, offset, exposure),
        validation,
        groups,
        int(target),
        _names(feature_names, estimator, X),
        (penalty_factor, standardize),
        seed,
        start,
    )
    shown = f"{type(estimator).__name__}: penalty" if title is None else title
    data["title"] = shown
    made = Report(page_of(shown, data), data["notes"])
    if place is not None:
        made.save(place)
    return made


def _names(given: Any, estimator: Any, X: Any) -> list[str] | None:
    """Return the names of the features, as given or of a data frame; None: they have none."""
    if given is not None:
        if isinstance(given, str) or not np.iterable(given):
            raise TypeError(f"feature_names is {given!r}; expected a sequence of str.")
        names = list(given)
        if not all(isinstance(name, str) for name in names):
            raise TypeError("feature_names holds other values than str; expected only str.")
        return names
    known = getattr(estimator, "feature_names_in_", None)
    if known is None:
        known = names_of_frame(X)
    return None if known is None else [str(name) for name in known]
