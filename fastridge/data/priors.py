"""Check the parameters of a Gaussian prior: its mean, and a penalty matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checks import all_finite
from .check import check_design
from .inputs import as_array, dense_not_finite, is_sparse, numbers
from .rows import as_container

_ASYMMETRY = 1e-8  # asymmetry that counts as round-off, over the root of both diagonal elements


def check_prior_mean(prior_mean: Any, n_targets: int, n_features: int) -> NDArray[np.float64]:
    """Check the coefficients that a fit shrinks towards.

    Parameters
    ----------
    prior_mean : array-like of shape (n_features,) or (n_targets, n_features)
        Finite; the first shape stands for all targets.
    n_targets, n_features : int

    Returns
    -------
    ndarray of shape (n_targets, n_features), dtype float64

    Raises
    ------
    ValueError
        If the array has the wrong shape, or is not finite.
    TypeError
        If it does not hold numbers.
    """
    values = numbers(as_array(prior_mean, "prior_mean"), "prior_mean")
    if values.shape not in ((n_features,), (n_targets, n_features)):
        raise ValueError(
            f"prior_mean has shape {values.shape}; expected ({n_features},), one coefficient per"
            f" feature, or ({n_targets}, {n_features}), one row per target."
        )
    values = np.require(values, np.float64, ["C", "A"])
    if not all_finite(values):
        raise ValueError(dense_not_finite(values, "prior_mean"))
    return np.broadcast_to(values, (n_targets, n_features))


def check_penalty_matrix(penalty_matrix: Any, n_features: int) -> Any:
    """Check that a penalty matrix is symmetric and finite, without negative diagonal elements.

    Parameters
    ----------
    penalty_matrix : array-like or scipy sparse matrix of shape (n_features, n_features)
    n_features : int

    Returns
    -------
    ndarray or scipy.sparse.csr_array of float64
        Exactly symmetric: the mean of the matrix and its transpose.

    Raises
    ------
    ValueError
        If the matrix has the wrong shape, is not finite, not symmetric, or has a negative diagonal
        element or elements beside one that is zero, so that it is not positive semi-definite.
    TypeError
        If it does not hold numbers.
    """
    expected = (n_features, n_features)
    given = penalty_matrix
    if not is_sparse(given):
        given = as_array(given, "penalty_matrix")
    if given.shape != expected:
        raise ValueError(
            f"penalty_matrix has shape {given.shape}; expected {expected}: a number per pair of"
            " features."
        )
    A = check_design(given, name="penalty_matrix")
    sparse = A.is_sparse
    P: Any = as_container(A)
    if sparse:
        P = P.tocsr().astype(np.float64)
        P.eliminate_zeros()
    else:
        P = np.require(P, np.float64, ["C", "A"])
    diagonal = P.diagonal()
    if (diagonal < 0).any():
        j = int((diagonal < 0).argmax())
        raise ValueError(
            f"penalty_matrix[{j}, {j}] is {diagonal[j]:g}; expected a positive semi-definite"
            " matrix, whose diagonal is not negative."
        )
    size = np.sqrt(diagonal)
    if sparse:
        P = _symmetric_sparse(P, size)
        found = P.tocoo()
        rows, columns = found.row, found.col
        alone = (size[rows] == 0) | (size[columns] == 0)
        beside = (int(rows[alone][0]), int(columns[alone][0])) if alone.any() else None
    else:
        P = _symmetric_dense(P, size)
        zero = size == 0
        beside = None
        if zero.any() and P[zero].any():
            j = int(np.flatnonzero(zero)[P[zero].any(axis=1).argmax()])
            beside = (j, int(np.flatnonzero(P[j])[0]))
    if beside is not None:
        value = float(P[beside])
        j = beside[0] if size[beside[0]] == 0 else beside[1]
        raise ValueError(
            f"penalty_matrix[{beside[0]}, {beside[1]}] is {value:g} and penalty_matrix[{j}, {j}] is"
            " 0; expected a positive semi-definite matrix, whose rows with a zero on the diagonal"
            " are zero."
        )
    return P


def _symmetric_dense(P: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    step = max(1, (1 << 20) // max(len(P), 1))
    out = np.empty_like(P)
    for start in range(0, len(P), step):
        rows = slice(start, start + step)
        other = P[:, rows].T
        far = np.abs(P[rows] - other) > _ASYMMETRY * size[rows, None] * size
        if far.any():
            i, j = (int(v) for v in np.argwhere(far)[0])
            _refuse(start + i, j, P[start + i, j], P[j, start + i])
        # halve first: the sum of the largest numbers overflows
        out[rows] = 0.5 * P[rows] + 0.5 * other
    return out


def _symmetric_sparse(P: Any, size: NDArray[np.float64]) -> Any:
    other = P.T.tocsr()
    difference = (P - other).tocoo()
    far = np.abs(difference.data) > _ASYMMETRY * size[difference.row] * size[difference.col]
    if far.any():
        i, j = int(difference.row[far][0]), int(difference.col[far][0])
        _refuse(i, j, P[i, j], P[j, i])
    found = (0.5 * P + 0.5 * other).tocsr()
    found.sort_indices()
    return found


def _refuse(i: int, j: int, value: float, other: float) -> None:
    raise ValueError(
        f"penalty_matrix[{i}, {j}] is {value:g} and penalty_matrix[{j}, {i}] is {other:g};"
        " expected a symmetric matrix."
    )
