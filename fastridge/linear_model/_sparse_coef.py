"""Coefficients of a classifier as a sparse matrix."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np

from ..data.inputs import check_sparse, to_dense
from ._base import Estimator


class SparseCoefficients(Estimator):
    """Mixin with `sparsify` and `densify`, for an estimator with a two-dimensional `coef_`."""

    coef_: Any

    def _with_dense_coef(self) -> Self:
        """Return the estimator, or where `coef_` is sparse a copy of it with an array."""
        coef = self.__dict__.get("coef_")
        if coef is None or isinstance(coef, np.ndarray):
            return self
        model = copy.copy(self)
        model.coef_ = to_dense(coef, "coef_")
        return model

    def sparsify(self) -> Self:
        """Make `coef_` a scipy sparse matrix, which takes less memory where most elements are 0.

        Returns
        -------
        self : object
            The fitted estimator; its predictions do not change.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> from fastridge import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
        >>> type(model.sparsify().coef_).__name__
        'csr_matrix'
        """
        from scipy import sparse

        self._check_fitted("sparsify")
        if sparse.issparse(self.coef_):
            check_sparse(self.coef_, "coef_")
        self.coef_ = sparse.csr_matrix(self.coef_)
        return self

    def densify(self) -> Self:
        """Make `coef_` an ndarray again, after `sparsify`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> from fastridge import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
        >>> model.sparsify().densify().coef_.shape
        (1, 1)
        """
        self._check_fitted("densify")
        if not isinstance(self.coef_, np.ndarray):
            self.coef_ = to_dense(self.coef_, "coef_")
        return self
