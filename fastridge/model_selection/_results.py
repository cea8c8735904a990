"""Results of cross-validation, as columns by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# columns with one value per penalty, in the order of a data frame
COLUMNS = (
    "l1_ratio",
    "alpha",
    "train_error",
    "train_error_se",
    "validation_error",
    "validation_error_se",
    "validation_error_noise",
    "score",
    "score_se",
    "dof",
    "dof_error",
    "norm",
    "n_features",
)


class CVResults(Mapping[str, Any], np.lib.mixins.NDArrayOperatorsMixin):
    """Errors, scores and fits of every penalty.

    A mapping from names to arrays. Errors are weighted means of the loss's deviances, of squared
    residuals for the squared loss; with several targets, their mean over the targets, unless each
    has its own penalty. Arrays have one entry per penalty, in the order of "alpha"; with a penalty
    per target, a second axis of targets.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns with one value per penalty.
    loss : str
        Name of the loss whose mean deviances the errors are, in `fastridge.losses.LOSSES`.
    n_folds : int
        Folds that were used; rows for leave-one-out, 0 for generalised cross-validation.
    kind : {"folds", "loo", "gcv", "held-out"}
        Method of the validation error.

    Notes
    -----
    ======================== ===================================================================
    name                     what it is
    ======================== ===================================================================
    alpha                    the penalties
    l1_ratio                 share of the L1 part, for elastic nets
    train_error              mean over the folds of the error on their training rows
    validation_error         mean over the folds of the error on their held-out rows; for
                             leave-one-out, over the rows
    ``*_se``                 standard errors of these means, from their spread over the folds or
                             rows; for generalised cross-validation, over the rows' terms; NaN for
                             a held-out set, and for a scorer of all leave-one-out predictions
    validation_error_noise   for generalised cross-validation from random vectors, the standard
                             error due to these vectors, which validation_error_se includes
    score                    the mean score, larger is better
    dof, dof_error           effective degrees of freedom of the fit to all rows, their standard
                             error; for folds with solver "cg" only where an estimate takes
                             seconds; for elastic nets, mean over the folds and its standard error,
                             NaN for more than 2,000 active features; averaged over targets for
                             multi-task nets
    norm                     Euclidean norm of the coefficients of the fit to all rows; for folds
                             with solver "cg", and for elastic nets, the mean over the folds
    n_features               for elastic nets, mean number of features with a non-zero coefficient
    null_error               held-out error of the training mean, one number
    fold_train_error         train_error of each fold, (n_folds, n_alphas)
    fold_validation_error    validation_error of each fold, (n_folds, n_alphas)
    fold_score               score of each fold, (n_folds, n_alphas)
    fold_coef                coefficients, (n_folds, n_alphas, n_features), or with a fourth axis
                             of targets before the features, where `store_coef` asks for them
    ======================== ===================================================================

    With `store_cv_results`, the results also act as the array of errors or predictions of single
    rows, as in scikit-learn: they have its attributes and methods, operators work on it, and an
    index that is not a string is an index into it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import RidgeCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 5))
    >>> y = X @ np.ones(5) + rng.standard_normal(60)
    >>> results = RidgeCV(alphas=[1.0, 100.0], cv=5).fit(X, y).cv_results_
    >>> results["fold_validation_error"].shape
    (5, 2)
    >>> stored = RidgeCV(store_cv_results=True).fit(X, y).cv_results_
    >>> stored.shape, stored[:, 0].shape, stored.mean(axis=0).shape
    ((60, 3), (60,), (3,))
    >>> bool(results["validation_error"][0] < results["validation_error"][1])
    True
    """

    __slots__ = ("_stored", "_values", "columns", "kind", "loss", "n_folds")

    _stored: Any
    _values: dict[str, Any]
    columns: tuple[str, ...]
    loss: str
    kind: str
    n_folds: int

    def __init__(
        self, values: dict[str, Any], loss: str, kind: str, n_folds: int, stored: Any = None
    ) -> None:
        self._values, self.loss, self.kind, self.n_folds = values, loss, kind, n_folds
        self._stored = stored
        self.columns = tuple(name for name in COLUMNS if name in values)

    def __getitem__(self, name: Any) -> Any:
        if isinstance(name, str):
            return self._values[name]
        return self._array()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def _array(self) -> NDArray[Any]:
        if self._stored is None:
            raise ValueError(
                "these results hold no errors or predictions of single rows; use leave-one-out"
                " with store_cv_results=True."
            )
        return self._stored

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        return np.array(self._array(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        inputs = tuple(x._array() if isinstance(x, CVResults) else x for x in inputs)
        return getattr(ufunc, method)(*inputs, **kwargs)

    def __getattr__(self, name: str) -> Any:
        # also called for slots that are not set yet, while a copy is made
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if self._stored is None:
            raise AttributeError(
                f"these results have no {name!r}; leave-one-out with store_cv_results=True keeps an"
                " array that has it."
            )
        return getattr(self._stored, name)

    def __eq__(self, other: Any) -> Any:
        return self is other if self._stored is None else np.equal(self, other)

    def __ne__(self, other: Any) -> Any:
        return self is not other if self._stored is None else np.not_equal(self, other)

    __hash__ = None  # type: ignore[assignment]

    def to_frame(self) -> Any:
        """Return the columns with one value per penalty as a pandas data frame.

        Returns
        -------
        pandas.DataFrame
            A row per penalty; with a penalty per target, a row for each target too.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        import pandas as pd

        alpha = self["alpha"]
        table = {}
        targets = max(np.ndim(self[name]) for name in self.columns) == 2
        k = self["validation_error"].shape[-1] if targets else 1
        for name in self.columns:
            values = np.asarray(self[name])
            table[name] = np.repeat(values, k) if values.ndim == 1 else values.ravel()
            if name == "alpha" and "C" in self:
                table["C"] = self["C"]
        if targets:
            table = {"target": np.tile(np.arange(k), len(alpha)), **table}
        return pd.DataFrame(table)

    def __repr__(self) -> str:
        alphas = self["alpha"]
        how = {"folds": f"{self.n_folds} folds", "loo": "leave-one-out"}.get(self.kind, self.kind)
        return f"CVResults({len(alphas)} penalties, {how}, columns={list(self.columns)})"
