"""Posterior covariances of group penalties, by features and by samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...quadratic.posterior import Posterior, as_dense, as_rows
from ...quadratic.problem import RidgeProblem
from ...systems.blas import on_one_thread
from ...systems.lapack import cholesky, pivoted_cholesky, product, solve_triangular
from .levels import Levels

Array = NDArray[np.float64]

_RANK = 1e-12  # share of a free column that must be left by the columns before it
_ROWS = 1024


class RotatedPosterior(Posterior):
    """The covariance T S T' of T u, of coefficients u of a posterior with a form of its own.

    Parameters
    ----------
    of : Posterior (q, q)
        S.
    rotation : ndarray (p, q)
        T.
    """

    __slots__ = ("_of",)

    def __init__(self, of: Posterior, rotation: Any) -> None:
        super().__init__(None, None, None, rotation)
        self._of = of

    def _inner(self) -> Posterior:
        return self._of


class SamplesPosterior(Posterior):
    """A posterior covariance in the form by samples, with unpenalised features.

    With F the independent free columns and T the prior variances, the coefficients w of the
    penalised features have the covariance T - T Z'(Z T Z' + s I)^-1 Z T in the complement of F; the
    coefficients of F are F^+ (y - Z w).

    Parameters
    ----------
    B : ndarray (n, p)
        Weighted rows, centred.
    prior : ndarray (p,)
        Prior variances; 0 for features that are out or free.
    free : ndarray (m,)
        Features without a penalty.
    noise : float
        Variance of the noise, above 0.
    power : ndarray (p,) of int
        The covariance is that of the coefficients times 2^-power.
    """

    __slots__ = ("_border", "_free", "_power", "_root")

    @on_one_thread
    def __init__(self, B: Any, prior: Any, free: Any, noise: float, power: Any) -> None:
        Z = B * np.sqrt(prior)
        root, border = np.zeros((0, 0)), np.zeros((0, B.shape[1]))
        if len(free):
            F = B[:, free]
            size = np.sqrt(np.einsum("ij,ij->j", F, F))
            # zero columns and dependent columns keep a coefficient of 0
            free, size, F = free[size > 0], size[size > 0], F[:, size > 0]
            F = F / size
            R, pivots, rank = pivoted_cholesky(np.asfortranarray(F.T @ F), _RANK)
            R, pivots = np.triu(R[:rank, :rank]), pivots[:rank]
            free, size, F = free[pivots], size[pivots], F[:, pivots]
            U = solve_triangular(R, F.T, trans="T").T
            coupling = U.T @ Z
            Z -= U @ coupling
            # rows of (F'F)^-1 R' / size
            root = solve_triangular(R, np.eye(rank)) / size[:, None]
            border = (root @ coupling) * _inverse(np.sqrt(prior))
        K = product(Z, Z.T.copy())
        K[np.diag_indices(len(K))] += noise
        rows = solve_triangular(cholesky(K), Z, lower=True) * np.sqrt(prior)
        super().__init__(None, prior, rows)
        self._free, self._border, self._root = free, border, root * np.sqrt(noise)
        self._power = power

    def rotated(self, rotation: Any) -> Posterior:
        return RotatedPosterior(self, rotation)

    def _folded(self, V: Array) -> Array:
        """Return V (k, p) in the units of the rows, with the free coefficients eliminated."""
        V = np.ldexp(V, self._power)
        return V - V[:, self._free] @ self._border

    def _product(self, V: Array) -> Array:
        assert self._prior is not None
        assert self._rows is not None
        folded = self._folded(V)
        out = folded * self._prior - (folded @ self._rows.T) @ self._rows
        free = np.ldexp(V[:, self._free], self._power[self._free])
        out[:, self._free] = (free @ self._root) @ self._root.T - out @ self._border.T
        return np.ldexp(out, self._power)

    @on_one_thread
    def __matmul__(self, v: Any) -> Array:
        v = _checked(v, self.shape[0])
        return self._product(v[None])[0] if v.ndim == 1 else self._product(v.T).T

    @on_one_thread
    def variance(self, X: Any) -> Array:
        X = as_rows(X, self.shape[0])
        out = np.empty(len(X))
        for start in range(0, len(X), _ROWS):
            part = X[start : start + _ROWS]
            folded = self._folded(part)
            half = folded @ self._rows.T
            free = np.ldexp(part[:, self._free], self._power[self._free]) @ self._root
            found = np.maximum(folded**2 @ self._prior - (half**2).sum(axis=1), 0.0)
            out[start : start + _ROWS] = found + (free**2).sum(axis=1)
        return out

    @on_one_thread
    def diagonal(self) -> Array:
        assert self._prior is not None
        assert self._rows is not None
        out = self._prior - np.einsum("ij,ij->j", self._rows, self._rows)
        if len(self._free):
            inner = self._border * self._prior - (self._border @ self._rows.T) @ self._rows
            out[self._free] = np.einsum("ij,ij->i", inner, self._border)
            out[self._free] += np.einsum("ij,ij->i", self._root, self._root)
        return np.ldexp(np.maximum(out, 0.0), 2 * self._power)


class LevelsPosterior(Posterior):
    """A posterior covariance by the Schur complement of the levels of a factor.

    Parameters
    ----------
    kept : dict
        As `kept_levels` returns it.
    D : ndarray (p,)
        Penalties, infinite of features that are out.
    noise : float
        Variance of the noise.
    power : ndarray (p,) of int
        The covariance is that of coefficients times 2^-power.
    """

    __slots__ = ("_B", "_levels", "_noise", "_power", "_precision", "_rest")

    @on_one_thread
    def __init__(self, kept: dict[str, Any], D: Any, noise: float, power: Any) -> None:
        rest, levels = kept["rest"], kept["levels"]
        D = np.where(kept["live"], D, np.inf)
        # the first rows may be of the intercept, which is no coefficient
        first = len(kept["S"]) - len(rest)
        chosen = np.isfinite(D[rest])
        rows = np.r_[np.arange(first), first + np.flatnonzero(chosen)]
        self._rest = rest[chosen]
        M = kept["S"][np.ix_(rows, rows)].copy()
        M[np.diag_indices(len(M))] += np.r_[np.zeros(first), D[self._rest]]
        inside = np.isfinite(D[levels])
        self._levels = levels[inside]
        B = _matrix(kept["B"])
        self._B = B[rows][:, np.flatnonzero(inside)]
        self._precision = kept["squares"][inside] + D[self._levels]
        if isinstance(self._B, np.ndarray):
            M -= product(self._B / self._precision, self._B.T.copy())
        else:
            M -= (self._B.multiply(1.0 / self._precision[None]).tocsr() @ self._B.T).toarray()
        super().__init__(cholesky(M), D, None)
        self._noise, self._power = noise, power

    def rotated(self, rotation: Any) -> Posterior:
        return RotatedPosterior(self, rotation)

    @property
    def shape(self) -> tuple[int, int]:
        assert self._prior is not None
        return len(self._prior), len(self._prior)

    def _half(self) -> Array:
        raise NotImplementedError

    def _parts(self, V: Array) -> tuple[Array, Array]:
        """V (p, k) of the levels over their precisions, and L^-1 of what they leave of others."""
        V = np.ldexp(V, self._power[:, None])
        levels = V[self._levels] / self._precision[:, None]
        assert self._factor is not None
        first = len(self._factor) - len(self._rest)
        rest = np.vstack([np.zeros((first, V.shape[1])), V[self._rest]]) - self._B @ levels
        return levels, solve_triangular(self._factor, rest, lower=True)

    def _product(self, V: Array) -> Array:
        """S V for V (p, k)."""
        levels, half = self._parts(V)
        rest = solve_triangular(self._factor, half, lower=True, trans="T")
        out = np.zeros(V.shape)
        out[self._rest] = rest[len(rest) - len(self._rest) :]
        out[self._levels] = levels - (self._B.T @ rest) / self._precision[:, None]
        return self._noise * np.ldexp(out, self._power[:, None])

    @on_one_thread
    def __matmul__(self, v: Any) -> Array:
        v = _checked(v, self.shape[0])
        return self._product(v[:, None])[:, 0] if v.ndim == 1 else self._product(v)

    @on_one_thread
    def variance(self, X: Any) -> Array:
        X = as_rows(X, self.shape[0])
        out = np.empty(len(X))
        for start in range(0, len(X), _ROWS):
            levels, half = self._parts(X[start : start + _ROWS].T)
            found = np.einsum("ij,ij,i->j", levels, levels, self._precision)
            out[start : start + _ROWS] = found + np.einsum("ij,ij->j", half, half)
        return self._noise * out

    @on_one_thread
    def diagonal(self) -> Array:
        assert self._factor is not None
        out = np.zeros(self.shape[0])
        inverse = solve_triangular(self._factor, np.eye(len(self._factor)), lower=True)
        first = len(self._factor) - len(self._rest)
        out[self._rest] = np.einsum("ij,ij->j", inverse, inverse)[first:]
        out[self._levels] = 1.0 / self._precision
        for start in range(0, len(self._levels), _ROWS):
            part = slice(start, start + _ROWS)
            B = self._B[:, part]
            half = solve_triangular(
                self._factor, B if isinstance(B, np.ndarray) else B.toarray(), lower=True
            )
            spread = np.einsum("ij,ij->j", half, half) / self._precision[part] ** 2
            out[self._levels[part]] += spread
        return self._noise * np.ldexp(out, 2 * self._power)


def _checked(v: Any, p: int) -> Array:
    v = as_dense(v, "v")
    if v.ndim not in (1, 2) or v.shape[0] != p:
        raise ValueError(f"v has shape {v.shape}; expected ({p},) or ({p}, k).")
    return v


def _inverse(values: Array) -> Array:
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


def kept_rows(problem: RidgeProblem) -> dict[str, Any]:
    """Return the data from which `dense_rows` computes rows; sparse data stay sparse."""
    root = np.ones(problem.n) if problem.root is None else problem.root
    used = np.flatnonzero(root > 0)
    if not problem.A.is_sparse:
        return {"dense": problem.A.rows(0, problem.n)[used] * root[used, None]}
    data, indices, indptr = (np.array(part) for part in problem.source.arrays)
    return {
        "kind": problem.source.kind,
        "data": data,
        "indices": indices,
        "indptr": indptr,
        "root": root,
        "mean": np.array(problem.mean),
        "live": problem.column_squares() > 0,
    }


def kept_levels(data: Levels) -> dict[str, Any]:
    """Sums of products from which a posterior by levels is computed, without the data."""
    B: Any = data.B
    if not isinstance(B, np.ndarray):
        B = {"data": B.data, "indices": B.indices, "indptr": B.indptr, "shape": list(B.shape)}
    order = data.groups.order
    live = np.zeros(data.p, dtype=bool)
    live[order] = live[data.free] = True
    return {
        "S": data.S,
        "B": B,
        "squares": data.squares,
        "rest": np.r_[data.free, order[data.rest]],
        "levels": order[data.eliminated],
        "live": live,
    }


def _matrix(kept: Any) -> Any:
    if isinstance(kept, np.ndarray):
        return kept
    from scipy import sparse

    parts = kept["data"], kept["indices"], kept["indptr"]
    return sparse.csr_matrix(parts, shape=tuple(kept["shape"]))


def dense_rows(kept: dict[str, Any]) -> Array:
    """Return the weighted, centred rows (n, p) of positive weight."""
    if "dense" in kept:
        return kept["dense"]
    from scipy import sparse

    kind = sparse.csr_matrix if kept["kind"] == "csr" else sparse.csc_matrix
    root, mean = kept["root"], kept["mean"]
    parts = kept["data"], kept["indices"], kept["indptr"]
    X = kind(parts, shape=(len(root), len(mean))).tocsr()
    used = np.flatnonzero(root > 0)
    B = X[used].toarray().astype(np.float64, copy=False)
    B -= mean
    B[:, ~kept["live"]] = 0.0
    B *= root[used, None]
    return B


def posterior(kept: dict[str, Any], alpha: Array, noise: float, target: int) -> Posterior:
    """Return the covariance of the coefficients for penalties (p,), which may be infinite."""
    if not {"gram", "rows", "levels"} & kept.keys():
        raise ValueError(
            "solver='cg' computes no covariance of the coefficients, which return_std, intervals"
            " and posterior_ need; expected another solver."
        )
    power = kept["power"] - kept["y_power"][target]
    noise = float(np.ldexp(noise, 2 * int(kept["y_power"][target])))
    d = np.full(len(alpha), np.inf)
    if noise > 0:
        free = kept["factor"] == 0
        d = np.where(free, 0.0, np.where(free, 1.0, alpha) * kept["factor"])
    precision = 1.0 / noise if noise > 0 else 1.0
    if "levels" in kept:
        if noise == 0:
            d = np.full(len(alpha), np.inf)
        return LevelsPosterior(kept["levels"], d, 1.0 / precision, power)
    if "rows" in kept:
        with np.errstate(divide="ignore"):
            prior = np.where(np.isfinite(d) & (d > 0), 1.0 / (precision * d), 0.0)
        rows = dense_rows(kept["rows"])
        return SamplesPosterior(rows, prior, np.flatnonzero(d == 0), 1.0 / precision, power)
    found = Posterior.of_gram(kept["gram"].copy(), d, precision, precision)
    return found.scaled(-power) if power.any() else found
