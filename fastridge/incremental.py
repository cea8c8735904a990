"""Learn from data in parts by `partial_fit`, one part after the other, some times over."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .data.parts import Parts, in_parts

__all__ = ["Incremental"]


class Incremental:
    """Fit an estimator by `partial_fit` to the parts of a data set, in their order.

    The result is that of the same calls of `partial_fit` with each part, bit for bit, wherever the
    parts are: a worker of a cluster learns its part and hands the state on.

    Parameters
    ----------
    estimator : SGDClassifier, SGDRegressor or Ridge
        What learns; it stays unfitted, and `fit` learns from the start with its parameters.
    epochs : int, default=1
        Passes over the data. `Ridge` sums up what it learns, so that each pass counts every row
        once more.

    Attributes
    ----------
    estimator_ : object
        The fitted estimator.
    n_passes_ : int
        Passes over the data of the last fit: `epochs`, and one more that collects the classes of a
        classifier.

    See Also
    --------
    SGDClassifier : Linear classifier that learns from a stream of rows.
    SGDRegressor : The same for numbers.
    Chunks : Rows that are read a chunk at a time.

    Notes
    -----
    Rows are learned in the order of their parts. Where rows that follow each other are alike, as in
    sorted files, shuffle them beforehand.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import Chunks, Incremental, SGDRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((5000, 4))
    >>> y = X @ [1.0, 2.0, 3.0, 4.0] + rng.standard_normal(5000)
    >>> chunks = Chunks.arrays(X, y, rows=500)
    >>> model = Incremental(SGDRegressor(), epochs=3).fit(chunks)
    >>> model.n_passes_, bool(model.score(chunks) > 0.95)
    (3, True)
    """

    def __init__(self, estimator: Any, *, epochs: int = 1) -> None:
        self.estimator = estimator
        self.epochs = epochs

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, as scikit-learn's `clone` asks for them.

        Parameters
        ----------
        deep : bool, default=True
            Also those of the estimator, as ``estimator__name``.

        Returns
        -------
        dict
        """
        found = {"estimator": self.estimator, "epochs": self.epochs}
        if deep and hasattr(self.estimator, "get_params"):
            inner = self.estimator.get_params()
            found |= {f"estimator__{name}": value for name, value in inner.items()}
        return found

    def set_params(self, **params: Any) -> Self:
        """Set parameters.

        Parameters
        ----------
        **params : dict
            New values; ``estimator__name`` sets one of the estimator.

        Returns
        -------
        self : Incremental

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        inner = {}
        for name, value in params.items():
            if name.startswith("estimator__"):
                inner[name.removeprefix("estimator__")] = value
            elif name not in ("estimator", "epochs"):
                raise ValueError(
                    f"Invalid parameter {name!r} for Incremental; expected 'estimator', 'epochs' or"
                    " 'estimator__' and a parameter of the estimator."
                )
        # of a new estimator, where one is given, and refused before anything is set
        if inner:
            params.get("estimator", self.estimator).set_params(**inner)
        self.estimator = params.get("estimator", self.estimator)
        self.epochs = params.get("epochs", self.epochs)
        return self

    def __repr__(self) -> str:
        return f"Incremental({self.estimator!r}, epochs={self.epochs!r})"

    def _check(self) -> None:
        from .linear_model._base import Estimator

        if not isinstance(self.estimator, Estimator) or not hasattr(self.estimator, "partial_fit"):
            raise TypeError(
                f"estimator is {self.estimator!r}; expected SGDClassifier, SGDRegressor or Ridge,"
                " which have partial_fit."
            )
        if isinstance(self.epochs, bool) or not isinstance(self.epochs, (int, np.integer)):
            raise TypeError(f"epochs is {self.epochs!r}; expected a whole number of at least 1.")
        if self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}; expected at least 1.")

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, classes: Any = None) -> Self:
        """Learn from all parts.

        Parameters
        ----------
        X : Chunks, dask array or data frame, or list of delayed (X, y[, sample_weight])
            Data in parts.
        y : array-like of shape (n_samples,), or collection of Dask
            Targets; None for `Chunks` and partitions, which hold theirs.
        sample_weight : array-like of shape (n_samples,), collection of Dask or None, default=None
            Non-negative weights of the samples.
        classes : array-like of shape (n_classes,) or None, default=None
            The classes of a classifier; None: those in the data, collected by a pass.

        Returns
        -------
        self : Incremental

        Raises
        ------
        TypeError, ValueError
            If X is not data in parts, or another argument is not as described.
        """
        from .distributed.given import parts_of
        from .distributed.streams import learn
        from .distributed.sums import weights_of

        self._check()
        parts = self._parts(parts_of, X, y, sample_weight)
        before, options = parts.n_passes, {}
        if self.estimator._estimator_type == "classifier":
            if classes is None:
                classes = parts.sum(weights_of, "y", False).labels
            options["classes"] = classes
        elif classes is not None:
            raise ValueError("classes is given, but the estimator has no classes; expected None.")
        params = self.estimator.get_params(deep=False)
        model = type(self.estimator)(**params)
        for _ in range(self.epochs):
            model = learn(model, parts, options)
        model.__dict__.update(params)
        self.estimator_ = model
        self.n_passes_ = parts.n_passes - before
        return self

    @staticmethod
    def _parts(parts_of: Any, X: Any, y: Any, sample_weight: Any) -> Parts:
        if not in_parts(X):
            raise TypeError(
                f"X is a {type(X).__name__}; expected data in parts: Chunks, or a collection of"
                " Dask."
            )
        found: Parts = parts_of(X, y=y, weight=sample_weight)
        return found

    def _fitted(self, method: str) -> Any:
        if not hasattr(self, "estimator_"):
            from ._sklearn import exception

            raise exception("NotFittedError")(
                f"This Incremental instance is not fitted yet. Call 'fit' before '{method}'."
            )
        return self.estimator_

    def predict(self, X: Any) -> Any:
        """Predict, as the fitted estimator does; lazily for collections of Dask.

        Parameters
        ----------
        X : array-like, or data in parts

        Returns
        -------
        ndarray or dask array

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        """
        return self._fitted("predict").predict(X)

    def decision_function(self, X: Any) -> Any:
        """Scores of the classes, as of the fitted classifier.

        Parameters
        ----------
        X : array-like, or data in parts

        Returns
        -------
        ndarray or dask array

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        """
        return self._fitted("decision_function").decision_function(X)

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of the classes, as of the fitted classifier.

        Parameters
        ----------
        X : array-like, or data in parts

        Returns
        -------
        ndarray or dask array

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        """
        return self._fitted("predict_proba").predict_proba(X)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Score the predictions, as the fitted estimator does.

        Parameters
        ----------
        X : array-like, or data in parts
        y : array-like of shape (n_samples,), collection of Dask or None
            True values; None for `Chunks`.
        sample_weight : array-like of shape (n_samples,), collection of Dask or None, default=None

        Returns
        -------
        float
            Accuracy, or R^2.

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        """
        return float(self._fitted("score").score(X, y, sample_weight))
