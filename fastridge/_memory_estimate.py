"""Memory that a fit takes, predicted from the shape of the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from .data.parameters import check_count

_CLASSES = ("Ridge", "RidgeClassifier", "RidgeCV", "RidgeClassifierCV")
# vectors of n_samples and of n_features elements, for each target
_OF_ROWS, _OF_COLUMNS = 20, 64
_FOLDS = 5  # where cv does not tell


def memory_estimate(
    estimator: Any,
    n_samples: int,
    n_features: int,
    *,
    n_targets: int = 1,
    n_nonzero: int | None = None,
    storage: str = "csr",
) -> int:
    """Return an upper bound on the memory that a fit takes beside its data and its result.

    It is computed from the same formulas by which "auto" chooses a solver that fits into
    `max_memory`. Measured peaks are at most 10 % and 1 MB per thread above it.

    Parameters
    ----------
    estimator : Ridge, RidgeClassifier, RidgeCV or RidgeClassifierCV
        Its solver, `max_memory`, `cv` and penalties count.
    n_samples, n_features : int
        Shape of X.
    n_targets : int, default=1
        Number of targets; for a classifier of more than two classes, the number of classes.
    n_nonzero : int or None, default=None
        Number of stored elements of sparse X; None: X is dense.
    storage : {"csr", "csc"}, default="csr"
        Storage of sparse X.

    Returns
    -------
    int
        Bytes at the peak.

    Raises
    ------
    TypeError
        If the estimator is of another class, or a number is not an integer.
    ValueError
        If a number is not positive or n_nonzero exceeds the elements of X, for another storage, for
        parameters that `fit` refuses, and for bounds, a prior mean or a penalty matrix, whose
        memory depends on their values.

    See Also
    --------
    Ridge : Ridge regression; `max_memory` limits its memory.
    RidgeCV : Ridge regression that chooses its penalty.
    set_num_threads : Set the number of threads.

    Notes
    -----
    Not included: the data, a copy of data that cannot be used in place (other types than float32
    and float64, unsorted indices), the result, memory that libraries keep from earlier calls, and
    what a callback or a scorer takes. Lassos and generalised linear models have no `max_memory`:
    what they take depends on how many coefficients are not zero, and is listed in the user guide.

    Examples
    --------
    >>> import fastridge
    >>> bytes = fastridge.memory_estimate(fastridge.Ridge(), 1_000_000, 1000)
    >>> round(bytes / 1e6)
    170
    >>> few = fastridge.Ridge(max_memory=1e6)
    >>> fastridge.memory_estimate(few, 10_000, 5000) < 6e6
    True
    """
    name = next((c.__name__ for c in type(estimator).__mro__ if c.__name__ in _CLASSES), None)
    if name is None or not hasattr(estimator, "max_memory"):
        raise TypeError(
            f"estimator is a {type(estimator).__name__}; expected one of {', '.join(_CLASSES)}."
        )
    estimator._check_parameters()
    n, p = check_count("n_samples", n_samples), check_count("n_features", n_features)
    k = check_count("n_targets", n_targets)
    nnz = None if n_nonzero is None else check_count("n_nonzero", n_nonzero)
    if nnz is not None and nnz > n * p:
        raise ValueError(f"n_nonzero is {nnz}; expected at most n_samples * n_features = {n * p}.")
    if storage not in ("csr", "csc"):
        raise ValueError(f"storage is {storage!r}; expected 'csr' or 'csc'.")
    for given in ("prior_mean", "penalty_matrix", "lower", "upper", "validation"):
        if getattr(estimator, given, None) is not None:
            raise ValueError(f"the estimator has {given}, which is not covered; expected None.")
    if getattr(estimator, "positive", False):
        raise ValueError("the estimator has positive=True, which is not covered; expected False.")
    kind = storage if nnz is not None else "C"
    vectors = 8.0 * k * (_OF_ROWS * n + _OF_COLUMNS * p)
    return int(vectors + _solvers(estimator, n, p, k, nnz, kind))


def _solvers(estimator: Any, n: int, p: int, k: int, nnz: int | None, kind: str) -> float:
    """Return the bytes of the solver that may run and takes most."""
    from .solvers.ridge.options import SOLVERS
    from .systems import cost

    asked, most = SOLVERS[estimator.solver], estimator.max_memory
    data = 8.0 * n * p if nnz is None else 12.0 * nnz
    direct = cost.direct_memory(n, p, nnz, kind)
    square = 8.0 * min(n, p) ** 2
    small = nnz is None and min(n, p) <= cost.SMALL and most is None
    if asked == "qr" and not hasattr(estimator, "cv"):
        # copies of the rows, and an SVD
        return 8.0 * n * p * (1 if n >= p else 3) + 7.0 * square
    if hasattr(estimator, "cv"):
        way = estimator._kind()
        alphas = estimator.alphas
        automatic = alphas is None or isinstance(alphas, str)
        count = estimator.n_alphas if automatic else np.size(alphas)
        if way == "loo":
            return cost.left_out_memory(n, p, nnz, kind, count * k * n)
        if way == "gcv":
            direct += (cost.gcv_matrices(n, p, True) - cost.FIT) * square
        else:
            folds = _count(estimator.cv)
            direct += (cost.FOLDS - cost.FIT) * square + data / folds
            kept = 8.0 * p**2 * (folds + cost.FOLDS)
            if kept < cost.KEPT and cost.fits(kept, most):
                direct = max(direct, kept + data / folds)
    iterative = cost.iterative_memory(n, p, nnz, most)
    if hasattr(estimator, "cv"):
        # rows of a fold are copied where that fits
        iterative += data if cost.fits(data, most) else 0.0
        iterative += 8.0 * k * n * 4
        if estimator._kind() == "gcv":
            iterative += cost.lanczos_memory(min(n, p))
    if asked in ("cholesky", "dual"):
        return direct
    if asked == "cg":
        return iterative
    if small:
        return direct
    return max(direct if cost.fits(direct, most) else 0.0, iterative)


def _count(cv: Any) -> int:
    """Return the number of folds."""
    if hasattr(cv, "__index__"):
        return int(cv)
    if hasattr(cv, "get_n_splits"):
        return int(cv.get_n_splits())
    return len(cv) if hasattr(cv, "__len__") and not isinstance(cv, str) else _FOLDS
