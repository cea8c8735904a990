"""The posterior covariance of ridge coefficients, as an operator."""

from __future__ import annotations

from numbers import Real
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..data.inputs import as_array, as_real, is_sparse, numbers
from ..systems.blas import on_one_thread
from ..systems.lapack import cholesky, product, solve_triangular

_ELEMENTS = 4_000_000  # elements of a block


class Posterior:
    """Covariance S of the coefficients given the data: (a G + lam diag(d))^-1.

    G is the Gram matrix of the centred, weighted rows, a the precision of the noise and lam that of
    the prior. It is stored as a p x p Cholesky factor, or, with fewer rows than features, as n x n
    and n x p matrices. It is an operator: ``posterior @ v``, ``v @ posterior``,
    ``posterior.diagonal()``, ``posterior.variance(X)``, ``posterior.toarray()``;
    `scipy.sparse.linalg.aslinearoperator` accepts it.

    Attributes
    ----------
    shape : tuple of int
        (n_features, n_features).

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import BayesianRidge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 3))
    >>> model = BayesianRidge().fit(X, X @ [1.0, 2.0, 3.0] + rng.standard_normal(50))
    >>> S = model.posterior_
    >>> bool(np.allclose(S @ np.ones(3), S.toarray() @ np.ones(3)))
    True
    """

    __slots__ = ("_factor", "_prior", "_rotation", "_rows")

    # make NumPy arrays defer ``v @ posterior`` to __rmatmul__
    __array_ufunc__: ClassVar[None] = None
    dtype: ClassVar[np.dtype[np.float64]] = np.dtype(np.float64)

    # variances 1 / (lam d_j) of the prior; None in the form by features, where d_j may be 0
    _prior: NDArray[np.float64] | None
    # _factor, by features: L with L L' = a G + lam diag(d). _rows, by rows:
    # L^-1 S A diag(prior), with L L' = S A diag(prior) A'S + I / a
    _factor: NDArray[np.float64] | None
    _rows: NDArray[np.float64] | None
    # T (p, q), of the covariance T S T' for the covariance S that the others hold; None: identity
    _rotation: NDArray[np.float64] | None

    def __init__(self, factor: Any, prior: Any, rows: Any, rotation: Any = None) -> None:
        self._factor, self._prior, self._rows, self._rotation = factor, prior, rows, rotation

    @classmethod
    @on_one_thread
    def of_gram(cls, G: Any, d: Any, a: float, lam: float, P: Any = None) -> Posterior:
        """Make a posterior from the Gram matrix G, which is overwritten; d may be infinite.

        P: penalty matrix (p, p), added to diag(d).
        """
        out = np.isinf(d)
        if out.any():
            d = np.where(out, 0.0, d)
            G[out] = 0.0
            G[:, out] = 0.0
        G *= a
        G[np.diag_indices(len(d))] += lam * d
        if P is not None:
            G += lam * P
        dead = np.diagonal(G) == 0
        G[dead, dead] = np.inf
        size = np.sqrt(np.diagonal(G))
        live = np.where(dead, 1.0, size)
        G[dead, dead] = 1.0
        G /= live
        G /= live[:, None]
        least = 0.0
        while True:
            try:
                L = cholesky(G)
                break
            except np.linalg.LinAlgError:
                # unpenalised dependent columns: damp by the least that makes G definite
                step = 10 * least if least else len(d) * np.finfo(np.float64).eps
                G[np.diag_indices(len(d))] += step - least
                least = step
        L *= live[:, None]
        L[out, out] = np.inf
        return cls(L, None, None)

    @classmethod
    @on_one_thread
    def of_rows(cls, B: Any, d: Any, a: float, lam: float) -> Posterior:
        """Make a posterior from rows S A (n, p), n < p; all features must have a penalty."""
        prior = 1.0 / (lam * d)
        K = product(B * prior, B.T)
        K[np.diag_indices(len(B))] += 1.0 / a
        L = cholesky(K)
        rows = solve_triangular(L, B, lower=True)
        return cls(None, prior, rows)

    def scaled(self, power: Any) -> Posterior:
        """Return the covariance of coefficients times 2^-power (p,), in the form by features."""
        assert self._factor is not None
        return Posterior(np.ldexp(self._factor, np.asarray(power)[:, None]), None, None)

    def rotated(self, rotation: Any) -> Posterior:
        """The covariance of T u, of coefficients u that have this one."""
        return Posterior(self._factor, self._prior, self._rows, rotation)

    def _inner(self) -> Posterior:
        """The covariance S of T S T'."""
        return Posterior(self._factor, self._prior, self._rows)

    @property
    def shape(self) -> tuple[int, int]:
        p = self._half().shape[1] if self._rotation is None else len(self._rotation)
        return p, p

    def _half(self) -> NDArray[np.float64]:
        half = self._factor if self._rows is None else self._rows
        assert half is not None
        return half

    @on_one_thread
    def __matmul__(self, v: Any) -> NDArray[np.float64]:
        """Return S @ v for v of shape (n_features,) or (n_features, k)."""
        v = as_dense(v, "v")
        if v.ndim not in (1, 2) or v.shape[0] != self.shape[0]:
            raise ValueError(
                f"v has shape {v.shape}; expected ({self.shape[0]},) or ({self.shape[0]}, k)."
            )
        if self._rotation is not None:
            return self._rotation @ (self._inner() @ (self._rotation.T @ v))
        if self._rows is None:
            inner = solve_triangular(self._factor, v, lower=True)
            return solve_triangular(self._factor, inner, lower=True, trans="T")
        assert self._prior is not None
        prior = self._prior if v.ndim == 1 else self._prior[:, None]
        scaled = prior * v
        return scaled - prior * (self._rows.T @ (self._rows @ scaled))

    def __rmatmul__(self, v: Any) -> NDArray[np.float64]:
        """Return v @ S for v of shape (n_features,) or (k, n_features)."""
        v = as_dense(v, "v")
        if v.ndim not in (1, 2) or v.shape[-1] != self.shape[0]:
            raise ValueError(
                f"v has shape {v.shape}; expected ({self.shape[0]},) or (k, {self.shape[0]})."
            )
        return (self @ v.T).T

    @property
    def T(self) -> Posterior:
        """S itself, which is symmetric."""
        return self

    def matvec(self, v: Any) -> NDArray[np.float64]:
        """Return S @ v; a name of SciPy's linear operators."""
        return self @ v

    def rmatvec(self, v: Any) -> NDArray[np.float64]:
        """Return S' @ v, which is S @ v."""
        return self @ v

    def matmat(self, V: Any) -> NDArray[np.float64]:
        """Return S @ V."""
        return self @ V

    def rmatmat(self, V: Any) -> NDArray[np.float64]:
        """Return S' @ V, which is S @ V."""
        return self @ V

    @on_one_thread
    def variance(self, X: Any) -> NDArray[np.float64]:
        """Return x S x' for each row x of X.

        Parameters
        ----------
        X : array-like of shape (m, n_features)

        Returns
        -------
        ndarray of float64, shape (m,)
        """
        X = as_rows(X, self.shape[0])
        out = np.empty(len(X))
        step = max(1, _ELEMENTS // max(X.shape[1], 1))
        for start in range(0, len(X), step):
            part = X[start : start + step]
            if self._rotation is not None:
                out[start : start + step] = self._inner().variance(product(part, self._rotation))
            elif self._rows is None:
                half = solve_triangular(self._factor, part.T, lower=True)
                out[start : start + step] = np.einsum("ji,ji->i", half, half)
            else:
                assert self._prior is not None
                scaled = part * self._prior
                half = scaled @ self._rows.T
                out[start : start + step] = np.einsum("ij,ij->i", scaled, part) - np.einsum(
                    "ij,ij->i", half, half
                )
        return np.maximum(out, 0.0)

    @on_one_thread
    def diagonal(self) -> NDArray[np.float64]:
        """Return the variances of the coefficients, of shape (n_features,)."""
        if self._rotation is not None:
            return self._inner().variance(self._rotation)
        if self._rows is None:
            assert self._factor is not None
            identity = np.eye(len(self._factor))
            inverse = solve_triangular(self._factor, identity, lower=True)
            return np.einsum("ij,ij->j", inverse, inverse)
        assert self._prior is not None
        return self._prior - self._prior**2 * np.einsum("ij,ij->j", self._rows, self._rows)

    def log_determinant(self) -> float:
        """Return log det S^-1; only in the form by features."""
        assert self._factor is not None
        return 2.0 * float(np.log(np.diagonal(self._factor)).sum())

    def pivots(self) -> NDArray[np.float64]:
        """Return the shares (p,) of the features' precisions that earlier features leave."""
        assert self._factor is not None
        return np.diagonal(self._factor) ** 2 / np.einsum("ij,ij->i", self._factor, self._factor)

    @on_one_thread
    def toarray(self) -> NDArray[np.float64]:
        """Return S as an array of shape (n_features, n_features)."""
        S = self @ np.eye(self.shape[0])
        return 0.5 * (S + S.T)

    def __repr__(self) -> str:
        return f"Posterior(shape={self.shape})"


def deviations_of(level: Any) -> float:
    """Return half the width, in standard deviations, of the interval of probability `level`."""
    if isinstance(level, bool) or not isinstance(level, Real) or not 0 < as_real(level) < 1:
        raise ValueError(f"level is {level!r}; expected a number between 0 and 1.")
    return NormalDist().inv_cdf(0.5 + float(level) / 2)


def as_dense(values: Any, name: str) -> NDArray[np.float64]:
    """Return a dense argument as an array of float64."""
    if is_sparse(values):
        kind = type(values).__name__
        raise TypeError(f"{name} is a sparse {kind}; expected a dense array: {name}.toarray().")
    return np.asarray(numbers(as_array(values, name), name), np.float64)


def as_rows(X: Any, n_features: int) -> NDArray[np.float64]:
    """Return rows as an array of float64 of shape (m, n_features)."""
    rows = as_dense(X, "X")
    if rows.ndim != 2 or rows.shape[1] != n_features:
        raise ValueError(f"X has shape {rows.shape}; expected (m, {n_features}).")
    return rows
