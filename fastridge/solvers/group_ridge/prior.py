"""Group penalties with a Gaussian prior in full: a mean, and a matrix of penalties per group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..._matrix import Matrix
from ...data.check import recheck
from ...data.groups import FeatureGroups
from ...data.inputs import is_sparse
from ...data.priors import check_penalty_matrix, check_prior_mean
from ...quadratic.penalty_matrix import factors_and_matrix
from ...quadratic.prior_units import PriorUnits
from .fit import fit_groups
from .result import GroupRidgeResult

_ELEMENTS = 1 << 22  # elements of the parts of groups that are held at once


def fit_groups_prior(
    A: Matrix,
    Y: Any,
    weight: Any,
    factor: Any,
    groups: FeatureGroups,
    *,
    prior_mean: Any,
    penalty_matrix: Any,
    fit_intercept: bool,
    max_memory: float | None,
    **options: Any,
) -> tuple[GroupRidgeResult, dict[str, Any]]:
    """Check the prior and fit; see `fit_groups`."""
    p = A.n_columns
    if prior_mean is not None:
        prior_mean = check_prior_mean(prior_mean, Y.shape[1], p)
    matrix = None
    if penalty_matrix is not None:
        given = matrix_of_groups(penalty_matrix, groups)
        factor, matrix = factors_and_matrix(factor, given, p)
        if matrix is not None:
            require_apart(matrix.P, groups)
            if options["solver"] == "schur":
                raise ValueError(
                    "solver='schur' does not support a penalty_matrix that is not diagonal, by"
                    " whose eigenvectors X is rotated; expected another solver."
                )
    # arrays of the prior may have run code
    recheck(A)
    units = PriorUnits(
        *(A, Y, weight, factor, fit_intercept, False),
        mean=prior_mean,
        matrix=matrix,
        codes=groups.codes,
        max_memory=max_memory,
        # the likelihood takes the prior of a feature's effect at its origin
        centre=options["criterion"] != "ml",
    )
    d = np.ones(units.A.n_columns) if units.factor is None else units.factor
    found, kept = fit_groups(
        units.A,
        units.Y,
        weight,
        d,
        units.codes,
        len(groups.names),
        fit_intercept=fit_intercept,
        max_memory=max_memory,
        **options,
    )
    found.intercept = units.intercepts(found.coef, found.intercept)
    found.coef = units.coefficients(found.coef)
    free = (np.ones(p) if factor is None else factor) == 0
    if units.scaled is not None:
        free = units.scaled.diagonal == 0
    found.share = _shares(A, Y, weight, fit_intercept, found.coef, groups, free)
    kept["codes"] = units.codes
    if units.T is not None:
        kept["turn"] = units.T
    if fit_intercept:
        kept["mean"] = A.column_stats(weight)[0]
    return found, kept


def matrix_of_groups(penalty_matrix: Any, groups: FeatureGroups) -> Any:
    """The matrix (p, p) of a mapping of names of groups to matrices, or of a list of matrices.

    None in their place, and groups that a mapping lacks, stand for the identity.
    """
    names, codes = list(groups.names), groups.codes
    if isinstance(penalty_matrix, Mapping):
        for name in penalty_matrix:
            if name not in names:
                raise ValueError(
                    f"penalty_matrix has the key {name!r}; expected names of groups: {names}."
                )
        parts = [penalty_matrix.get(name) for name in names]
    elif isinstance(penalty_matrix, (list, tuple)) and any(
        part is None or is_sparse(part) or np.ndim(part) == 2 for part in penalty_matrix
    ):
        parts = list(penalty_matrix)
        if len(parts) != len(names):
            raise ValueError(
                f"penalty_matrix has {len(parts)} matrices; expected {len(names)}: one matrix, or"
                " None for the identity, for each group."
            )
    else:
        return penalty_matrix
    from scipy import sparse

    rows, columns, data = [], [], []
    for g, (name, part) in enumerate(zip(names, parts, strict=True)):
        features = np.flatnonzero(codes == g)
        if part is None:
            part = sparse.eye_array(len(features))
        try:
            checked = sparse.coo_array(check_penalty_matrix(part, len(features)))
        except (TypeError, ValueError) as error:
            raise type(error)(f"penalty_matrix of group {name!r}: {error}") from None
        rows.append(features[checked.row])
        columns.append(features[checked.col])
        data.append(checked.data)
    at = np.concatenate(rows), np.concatenate(columns)
    p = len(codes)
    return sparse.csr_array((np.concatenate(data), at), shape=(p, p))


def require_apart(P: Any, groups: FeatureGroups) -> None:
    """Refuse a matrix that couples features of different groups."""
    i, j = P.nonzero()
    apart = groups.codes[i] != groups.codes[j]
    if apart.any():
        i, j = int(i[apart][0]), int(j[apart][0])
        one, other = groups.names[groups.codes[i]], groups.names[groups.codes[j]]
        raise ValueError(
            f"penalty_matrix[{i}, {j}] is {P[i, j]:g}, between features of the groups {one!r} and"
            f" {other!r}; expected 0, as each group has its own penalty."
        )


def _shares(A, Y, weight, fit_intercept, coef, groups, free):
    """Shares (k, g) of the groups in the sum of squares of y: fits times 2 y - fit."""
    p, g = len(groups.codes), len(groups.names)
    mean, centre = np.zeros(p), np.zeros(Y.shape[1])
    if fit_intercept:
        mean = A.column_stats(weight)[0]
        centre = np.average(Y, axis=0, weights=weight)
    X = A.centered(mean)
    y = Y - centre
    s = np.ones(len(y)) if weight is None else weight
    left = 2.0 * y - X.dot(np.asfortranarray(coef.T))
    squares = s @ y**2
    shares = np.zeros((len(coef), g))
    step = max(1, _ELEMENTS // max(len(y), p))
    for t, w in enumerate(coef):
        if not squares[t] > 0:
            continue
        penalised = np.where(free, 0.0, w)
        for start in range(0, g, step):
            count = min(step, g - start)
            W = np.zeros((p, count), order="F")
            chosen = (groups.codes >= start) & (groups.codes < start + count)
            W[chosen, groups.codes[chosen] - start] = penalised[chosen]
            shares[t, start : start + count] = (s * left[:, t]) @ X.dot(W) / squares[t]
    return shares
