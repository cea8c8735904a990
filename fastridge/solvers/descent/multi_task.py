"""Multi-task elastic nets for a sequence of penalties: targets share their support."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.check import check_design
from .fit import warn
from .groups import GroupPath
from .result import ElasticNetResult


class MultiTaskPath:
    """Solutions of a multi-task elastic net for a sequence of penalties, each with its certificate.

    ``path[k]`` is the `ElasticNetResult` of penalty number k. Arrays have one entry per penalty.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        The fitted penalties, from large to small.
    coef : ndarray of shape (n_alphas, n_targets, n_features)
        Coefficients, in the type of X.
    intercept : ndarray of shape (n_alphas, n_targets)
        0 where none was fitted.
    dual_gap : ndarray of shape (n_alphas,)
        Upper bounds on how far each objective is from its minimum, in the objective's unit.
    relative_gap : ndarray of shape (n_alphas,)
        `dual_gap` over the objective of the null model: what `tol` bounds.
    objective : ndarray of shape (n_alphas,)
        Objectives.
    n_iter : ndarray of int, shape (n_alphas,)
        Rounds of sweeps.
    converged : ndarray of bool, shape (n_alphas,)
        Whether `tol` was reached.
    l1_ratio : float
        Share of the L1 part.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import enet_path
    >>> X = np.random.default_rng(0).standard_normal((50, 5))
    >>> path = enet_path(X, X[:, :2] @ [[1.0, 2.0], [3.0, 4.0]], alphas=10).path
    >>> path.coef.shape, path[3].coef.shape, path.predict(X).shape
    ((10, 2, 5), (2, 5), (10, 50, 2))
    """

    __slots__ = (
        "alphas",
        "coef",
        "converged",
        "dual_gap",
        "intercept",
        "l1_ratio",
        "n_iter",
        "objective",
        "relative_gap",
    )

    def __init__(self, alphas, coef, intercept, l1_ratio, certificates) -> None:
        self.alphas, self.coef, self.intercept = alphas, coef, intercept
        self.l1_ratio = l1_ratio
        gap, relative, objective, n_iter, converged = zip(*certificates, strict=True)
        self.dual_gap, self.relative_gap = np.array(gap), np.array(relative)
        self.objective, self.n_iter = np.array(objective), np.array(n_iter, dtype=np.intp)
        self.converged = np.array(converged, dtype=bool)

    def __len__(self) -> int:
        return len(self.alphas)

    def __getitem__(self, k: int) -> ElasticNetResult:
        return ElasticNetResult(
            self.coef[k].copy(),
            self.intercept[k].copy(),
            "working",
            int(self.n_iter[k]),
            float(self.dual_gap[k]),
            float(self.relative_gap[k]),
            float(self.objective[k]),
            bool(self.converged[k]),
        )

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the predictions for every penalty.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of float64, shape (n_alphas, n_samples, n_targets)

        Raises
        ------
        ValueError, TypeError
            If X is not such a matrix, or has another number of features.
        """
        m, k, p = self.coef.shape
        A = check_design(X, n_features=p, caller="MultiTaskPath")
        out = A.dot(np.asfortranarray(self.coef.reshape(m * k, p).T, dtype=np.float64))
        return out.reshape(A.n_rows, m, k).transpose(1, 0, 2) + self.intercept[:, None]

    def __repr__(self) -> str:
        return (
            f"MultiTaskPath({len(self)} alphas, {self.alphas[0]:.4g} to {self.alphas[-1]:.4g}, "
            f"l1_ratio={self.l1_ratio}, largest relative_gap={self.relative_gap.max():.2g})"
        )


def solve_groups(
    path: GroupPath, alphas, options, dtype, start=None, callback=None
) -> MultiTaskPath:
    """Solve for penalties from large to small.

    start: warm start, coefficients (k, p). callback: called as callback(done, total) after each
    penalty; StopIteration ends the path.
    """
    coef = np.empty((len(alphas), path.k, path.p), dtype=dtype)
    intercept = np.zeros((len(alphas), path.k), dtype=dtype)
    certificates = []
    if start is not None:
        path.start(start)
    for j, alpha in enumerate(alphas):
        converged = path.solve(float(alpha), options.l1_ratio, options.tol)
        coef[j], found = path.to_caller()
        if options.fit_intercept:
            intercept[j] = found
        relative = path.gap / path.null
        certificates.append((path.gap, relative, path.objective, path.n_iter, converged))
        try:
            if callback is not None:
                callback(j + 1, len(alphas))
        except StopIteration:
            break
    m = len(certificates)
    result = MultiTaskPath(alphas[:m], coef[:m], intercept[:m], options.l1_ratio, certificates)
    if not result.converged.all():
        worst = int(result.relative_gap.argmax())
        warn(
            f"{int((~result.converged).sum())} of {len(result)} penalties, worst at alpha="
            f"{result.alphas[worst]:.3g}: ",
            float(result.relative_gap[worst]),
            int(result.n_iter[worst]),
            options.tol,
        )
    return result
