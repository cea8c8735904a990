"""A quadratic penalty w'Pw, and the problem of rows that has one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._cached import cached
from ..data.priors import check_penalty_matrix
from ..systems.blas import on_one_thread
from ..systems.exact import exact_product
from ..systems.lapack import eigh, eigvalsh, pivoted_cholesky, product, svd
from .problem import RidgeProblem

_EPS = float(np.finfo(np.float64).eps)
_NEGATIVE = 1e-8  # negative eigenvalue that counts as round-off, in units of the diagonal
ULPS = 16.0  # round-off of a gradient, in units in the last place of its sums
INEXACT = (
    "a smaller alpha, which multiplies the round-off of penalty_matrix, or a penalty_matrix D'D of"
    " rows D of like scales"
)
_DENSE = 3000  # order up to which a sparse matrix is checked and factored as a dense one


class PenaltyMatrix:
    """Symmetric positive semi-definite P (p, p), dense or sparse.

    Attributes
    ----------
    P : ndarray or scipy.sparse.csr_array (p, p)
    is_sparse : bool
    diagonal : ndarray (p,)
    """

    def __init__(self, P: Any) -> None:
        self.P, self.is_sparse = P, not isinstance(P, np.ndarray)
        self.diagonal = np.array(P.diagonal())
        # P without scales, whose products are rounded, and the scales
        self._given, self._units = P, np.ones(len(self.diagonal))

    @classmethod
    def checked(cls, given: Any, n_features: int) -> PenaltyMatrix:
        """Check a matrix from the caller, also for negative eigenvalues."""
        matrix = cls(check_penalty_matrix(given, n_features))
        if not matrix.is_diagonal():
            matrix._check_eigenvalues()
        return matrix

    def is_diagonal(self) -> bool:
        if self.is_sparse:
            return bool(self.P.nnz == np.count_nonzero(self.diagonal))
        return bool(np.count_nonzero(self.P) == np.count_nonzero(self.diagonal))

    def dot(self, W: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return P W for W (p, k)."""
        return self.P @ W

    def toarray(self) -> NDArray[np.float64]:
        return self.P.toarray() if self.is_sparse else self.P

    def scaled(self, root: NDArray[np.float64]) -> PenaltyMatrix:
        """Return the matrix of P_ij root_i root_j."""
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            if self.is_sparse:
                from scipy import sparse

                D = sparse.diags_array(root)
                scaled = PenaltyMatrix((D @ self.P @ D).tocsr())
            else:
                scaled = PenaltyMatrix(self.P * root * root[:, None])
        # |P_ij| <= sqrt(P_ii P_jj): checking the diagonal suffices
        if not np.isfinite(scaled.diagonal).all():
            j = int((~np.isfinite(scaled.diagonal)).argmax())
            raise ValueError(
                f"penalty_matrix[{j}, {j}] is {self.diagonal[j]:g} and is multiplied by"
                f" {root[j]:.3g} squared, from penalty_factor and standardize; expected a product"
                " within the range of float64."
            )
        scaled._given, scaled._units = self._given, self._units * root
        return scaled

    def _correlation(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
        """Return P of the penalised features with unit diagonal, the units, and their indices."""
        chosen = np.flatnonzero(self.diagonal)
        size = np.sqrt(self.diagonal[chosen])
        P = self.P[chosen][:, chosen]
        P = P.toarray() if self.is_sparse else P.copy()
        P /= size
        P /= size[:, None]
        return P, size, chosen

    def root(self) -> NDArray[np.float64]:
        """Return L (r, p) with L'L = P, r its rank."""
        # round-off of zero eigenvalues is small; that of Cholesky pivots would be larger
        C, size, chosen = self._correlation()
        values, Q = eigh(C)
        kept = values > len(C) * _EPS * values.max(initial=0.0)
        L = np.zeros((int(kept.sum()), len(self.diagonal)))
        L[:, chosen] = (Q[:, kept] * np.sqrt(values[kept])).T * size
        return L

    @cached
    @on_one_thread
    def null_space(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return N (p, m), U (p, m) and S (m, m): the null space of `root` and its curvature in P.

        P is S in coordinates U'w where the gradient in all other directions is zero. S is zero, to
        the square of the round-off, where P is exact; otherwise it has the round-off of the
        elements of P, which the root drops.
        """
        p, live = len(self.diagonal), self.diagonal > 0
        C = self._given.toarray() if self.is_sparse else self._given.copy()
        C[~live] = C[:, ~live] = 0.0
        # powers of two, which round nothing
        size = np.ones(p)
        size[live] = np.exp2(np.round(0.5 * np.log2(np.diagonal(C)[live])))
        C /= size
        C /= size[:, None]
        values, Q = eigh(C)
        kept = values > p * _EPS * values.max(initial=0.0)
        V, K = Q[:, ~kept], Q[:, kept]
        CV = exact_product(C, V)
        # V differs from the null space of C by round-off: eliminate the other directions
        half = (K.T @ CV) / np.sqrt(values[kept])[:, None]
        S = exact_product(V.T, CV) - half.T @ half
        size[live] *= self._units[live]
        return V / size[:, None], V * size[:, None], S

    def _check_eigenvalues(self) -> None:
        chosen = np.flatnonzero(self.diagonal)
        if self.is_sparse and len(chosen) > _DENSE:
            self._check_pivots(chosen)
            return
        C = self._correlation()[0]
        R, order, rank = pivoted_cholesky(np.array(C, order="F"), len(C) * _EPS)
        R = np.triu(R[:rank])
        left = C[np.ix_(order, order)]
        left -= product(R.T, R)
        if np.abs(left).max(initial=0.0) > _NEGATIVE:
            least = float(eigvalsh(C)[0])
            if least < -_NEGATIVE:
                raise ValueError(
                    f"penalty_matrix has an eigenvalue of {least:.3g} with its diagonal scaled to"
                    " ones; expected a positive semi-definite matrix, without negative eigenvalues."
                )

    def _check_pivots(self, chosen: NDArray[np.intp]) -> None:
        """Check for negative eigenvalues by the signs of the pivots of a sparse factor."""
        from scipy import sparse
        from scipy.sparse.linalg import splu

        D = sparse.diags_array(1.0 / np.sqrt(self.diagonal[chosen]))
        C = (D @ self.P[chosen][:, chosen] @ D).tocsc()
        C = C + _NEGATIVE * sparse.eye_array(len(chosen), format="csc")
        factor = splu(
            C, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        if not (factor.U.diagonal() > 0).all():
            raise ValueError(
                "penalty_matrix has negative eigenvalues; expected a positive semi-definite matrix."
            )


def factors_and_matrix(
    penalty_factor: Any, penalty_matrix: Any, n_features: int
) -> tuple[Any, PenaltyMatrix | None]:
    """Check a matrix of penalties; a diagonal one becomes part of the factors, and leaves None."""
    if penalty_matrix is None:
        return penalty_factor, None
    matrix = PenaltyMatrix.checked(penalty_matrix, n_features)
    if not matrix.is_diagonal():
        return penalty_factor, matrix
    if penalty_factor is None:
        return matrix.diagonal, None
    return matrix.scaled(np.sqrt(penalty_factor)).diagonal, None


class MatrixRows(RidgeProblem):
    """The ridge problem with the penalty alpha w'Pw in place of alpha w' diag(d) w; d is zero.

    Attributes
    ----------
    matrix : PenaltyMatrix
    single : bool
        Whether y is one-dimensional.
    """

    def __init__(self, A, Y, alpha, weight, matrix: PenaltyMatrix, fit_intercept) -> None:
        zeros = np.broadcast_to(0.0, (A.n_columns,))
        super().__init__(A, Y, alpha, weight, zeros, fit_intercept, check=False)
        self.matrix = matrix
        self.single = Y.ndim == 1

    def evaluate(
        self, coef: NDArray[np.float64], chosen: Any = slice(None), alpha: Any = None
    ) -> tuple[NDArray[np.float64], ...]:
        gradient, objective = super().evaluate(coef, chosen, alpha)
        shrunk = self.matrix.dot(coef)
        alphas = self.alpha[chosen] if alpha is None else alpha
        objective = np.maximum(objective + alphas * (coef * shrunk).sum(axis=0), 0.0)
        shrunk *= alphas
        gradient -= shrunk
        return gradient, objective

    def floor(self) -> NDArray[np.float64]:
        """Return the relative gradients (k,) that are round-off, as those at zero may be small."""
        first = np.linalg.norm(self.gradient_at_zero(), axis=0)
        yy = (self.rooted(self.Y) ** 2).sum(axis=0)
        rounded = ULPS * _EPS * np.sqrt(self.column_squares().sum() * yy)
        return np.divide(rounded, first, out=np.full(len(first), np.inf), where=first > 0)

    @cached
    def _seen(self) -> NDArray[np.float64]:
        """Directions in the null space of the root of P that the rows see."""
        N = self.matrix.null_space[0]
        _, s, vt = svd(self.rooted(self.A.dot(np.asfortranarray(N))))
        return vt[s > max(self.n, self.p) * _EPS * s[:1].max(initial=0.0)]

    @on_one_thread
    def null_gradient(self, coef: NDArray[np.float64], alpha: Any) -> NDArray[np.float64]:
        """Return the relative gradients (k,) in the null space of the root of P, of coef (k, p).

        Eigenvalues of P near zero may be round-off of its elements, and the root has none of them;
        alpha times them may be large. Directions that the rows do not see either are left out:
        there the norm is least.
        """
        N, U, S = self.matrix.null_space
        if not N.shape[1]:
            return np.zeros(self.k)
        slope = N.T @ self.evaluate(coef.T, alpha=np.zeros(self.k))[0]
        slope -= alpha * (S @ (U.T @ coef.T))
        projected = np.linalg.lstsq(self._seen @ N.T, self._seen @ slope)[0]
        return self.relative(projected, self.gradient_at_zero())
