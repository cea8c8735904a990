"""The log determinant of the restricted likelihood as a smooth function of the log penalties."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...systems import lapack
from .features import Features

Array = NDArray[np.float64]

_MOST_DEGREE = 8
_DATA = 2.0  # data per coefficient of the polynomial


class Centre(Protocol):
    """Log penalties (g,), and L there with its derivatives."""

    rho: Array
    log: float
    gradient: Array
    hessian: Array


class Surface:
    """The log determinant, fitted to values and derivatives at centres.

    L is the sum over the groups of log|G_g + D_g| - log|D_g|, as if features of different groups
    were uncorrelated, plus a polynomial in the shares s_g of dof in these terms. If the features of
    a group are uncorrelated, the latter is log|I + S^1/2 E S^1/2| with S the shares of the features
    and E the correlations between groups: each of its terms has factors s_g of two groups at least.

    Parameters
    ----------
    known : list of Centre
    spectra : list of ndarray
        Eigenvalues of G of each group in units of its factors.
    degree : int or None
        Degree of the polynomial; None: as the centres allow.

    Attributes
    ----------
    degree : int
    """

    def __init__(
        self, known: list[Centre], spectra: list[Array], degree: int | None = None
    ) -> None:
        self.spectra = spectra
        points = np.array([centre.rho for centre in known])
        g = points.shape[1]
        each = 1 + g + g * (g + 1) // 2
        if degree is None:
            degree = 2
            while degree < _MOST_DEGREE and _count(g, degree + 1) * _DATA <= each * len(known):
                degree += 1
        self.degree = degree
        self.powers = np.array(
            [
                e
                for e in itertools.product(range(degree + 1), repeat=g)
                if sum(e) <= degree and np.count_nonzero(e) > 1
            ]
        ).reshape(-1, g)
        # s times Legendre polynomials of 2 s - 1, and 1
        self.basis = np.zeros((degree + 1, degree + 1))
        self.basis[0, 0] = 1.0
        for i in range(1, degree + 1):
            polynomial = np.polynomial.Legendre.basis(i - 1, domain=[0.0, 1.0])
            self.basis[1 : i + 1, i] = polynomial.convert(kind=np.polynomial.Polynomial).coef
        gradient = np.array([centre.gradient for centre in known])
        size = np.maximum(np.abs(gradient), 1e-3)
        value, slope, curvature = self._apart(points)
        hessian = np.array([centre.hessian for centre in known])
        hessian[:, np.arange(g), np.arange(g)] -= curvature
        upper = np.triu_indices(g)
        pair_size = np.sqrt(size[:, upper[0]] * size[:, upper[1]])
        scale = size.sum(axis=1)
        product, ones = self._products(points), np.eye(g, dtype=np.intp)
        rows = [product(0 * ones[0]) / scale[:, None]]
        rows += [product(ones[i]) / size[:, i, None] for i in range(g)]
        rows += [
            product(ones[i] + ones[j]) / pair_size[:, number, None]
            for number, (i, j) in enumerate(zip(*upper, strict=True))
        ]
        right = [
            (np.array([centre.log for centre in known]) - value) / scale,
            ((gradient - slope) / size).T.ravel(),
            (hessian[:, upper[0], upper[1]] / pair_size).T.ravel(),
        ]
        M, z = np.vstack(rows), np.concatenate(right)
        norms = np.maximum(np.sqrt((M**2).sum(axis=0)), 1e-300)
        self.coef = np.linalg.lstsq(M / norms, z, rcond=1e-12)[0] / norms

    def error(self, centres: list[Any]) -> float:
        """Return the largest error of the gradient, relative to the degrees of freedom."""
        if not centres:
            return np.inf
        found = self.derivatives(np.array([centre.rho for centre in centres]))[0]
        exact = np.array([centre.gradient for centre in centres])
        return float((np.abs(found - exact) / np.maximum(np.abs(exact), 1e-3)).max())

    def _apart(self, points: Array) -> tuple[Array, Array, Array]:
        """Return the terms of the groups at points (n, g): sums (n,), and derivatives (n, g)."""
        value, slope, curvature = (
            np.zeros(len(points)),
            np.zeros_like(points),
            np.zeros_like(points),
        )
        for j, spectrum in enumerate(self.spectra):
            ratio = spectrum / np.exp(points[:, j, None])
            share = ratio / (1.0 + ratio)
            value += np.log1p(ratio).sum(axis=1)
            slope[:, j] = -share.sum(axis=1)
            curvature[:, j] = (share / (1.0 + ratio)).sum(axis=1)
        return value, slope, curvature

    def _tables(self, points: Array) -> list[list[Array]]:
        """Return basis functions (n, degree + 1) of each share, and two derivatives in rho."""
        exponents = np.arange(len(self.basis))
        tables: list[list[Array]] = [[], [], []]
        for j, spectrum in enumerate(self.spectra):
            ratio = spectrum / np.exp(points[:, j, None])
            share = ratio / (1.0 + ratio)
            bend = share / (1.0 + ratio)
            s, slope = share.mean(axis=1)[:, None], -bend.mean(axis=1)[:, None]
            curvature = (bend * (1.0 - 2.0 * share)).mean(axis=1)[:, None]
            powers = s**exponents
            one, two = np.zeros_like(powers), np.zeros_like(powers)
            one[:, 1:] = exponents[1:] * powers[:, :-1]
            two[:, 2:] = (exponents[2:] * exponents[1:-1]) * powers[:, :-2]
            one, two = one @ self.basis, two @ self.basis
            tables[0].append(powers @ self.basis)
            tables[1].append(one * slope)
            tables[2].append(two * slope**2 + one * curvature)
        return tables

    def _products(self, points: Array) -> Callable[[NDArray[np.intp]], Array]:
        """Return a function for the derivatives (n, c) of the terms, of given orders (g,)."""
        tables = [
            [table[:, self.powers[:, j]] for j, table in enumerate(of_order)]
            for of_order in self._tables(points)
        ]

        def product(orders: NDArray[np.intp]) -> Array:
            out = tables[orders[0]][0]
            for j in range(1, len(orders)):
                out = out * tables[orders[j]][j]
            return out

        return product

    def values(self, points: Array) -> Array:
        """Return L (n,)."""
        product = self._products(points)
        none = np.zeros(points.shape[1], dtype=np.intp)
        return self._apart(points)[0] + product(none) @ self.coef

    def derivatives(self, points: Array) -> tuple[Array, Array]:
        """Return gradients (n, g) and Hessians (n, g, g) of L."""
        g = points.shape[1]
        product, ones = self._products(points), np.eye(g, dtype=np.intp)
        _, first, curvature = self._apart(points)
        second = np.zeros((len(points), g, g))
        for i in range(g):
            first[:, i] += product(ones[i]) @ self.coef
            second[:, i, i] = curvature[:, i]
            for j in range(i + 1):
                second[:, i, j] += product(ones[i] + ones[j]) @ self.coef
                second[:, j, i] = second[:, i, j]
        return first, second


def spectra_of(data: Features, live: NDArray[np.intp]) -> list[Array]:
    """Return eigenvalues of each group's Gram matrix in units of its factors."""
    out = []
    for g in live:
        part = slice(data.groups.start[g], data.groups.start[g] + data.groups.size[g])
        root = np.sqrt(data.factor[part])
        found = lapack.eigvalsh(data.gram[part, part] / root / root[:, None])
        out.append(np.maximum(found, 0.0))
    return out


def _count(g: int, degree: int) -> int:
    """Return the number of monomials of g variables up to a degree."""
    out = 1
    for i in range(1, g + 1):
        out = out * (degree + i) // i
    return out
