"""Generalised cross-validation of large sparse data: tr(I - H) from random vectors.

With P the projection onto penalised directions (see `quadratic.projected`) and K = P B B'P,
tr(I - H) is

    alpha tr (K + alpha I)^-1 on the complement of U0,   or with fewer features
    n - rank U0 - q + alpha tr (B'P B + alpha I)^-1   with q features,

sums of positive numbers, where n - tr H would cancel. For z of random signs, projected and scaled
to its length, z'f(K)z is a Gauss quadrature from a Lanczos process that serves all penalties; one
more node at 0 makes it an upper bound, and the two enclose it: G. H. Golub and G.
Meurant, "Matrices, Moments and Quadrature with Applications", Princeton, 2010; the trace: M. F.
Hutchinson, "A stochastic estimator of the trace of the influence matrix", Communications in
Statistics 19(2), 1990.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh_tridiagonal

from ...quadratic.projected import Projected
from ...systems.blas import on_one_thread
from ...systems.cost import LEAST_STEPS, lanczos_steps

_PROBES = 12
PRODUCTS = 2 * _PROBES * LEAST_STEPS  # least number of products with the data
_PROBE_GAP, _TARGET_GAP = 1e-3, 1e-7  # relative widths of bounds to reach: probes, targets
_EPS = np.finfo(np.float64).eps


class Estimate(Projected):
    """Estimates of tr(I - H) for m penalties, and with few rows the residuals.

    Attributes
    ----------
    shares : ndarray (probes, m)
        Estimates of tr(I - H) / W, including copies of rows. By rows without copies they lack a
        factor alpha, as residuals then do.
    gap : ndarray (m,)
        Relative half width of the enclosures of their mean.
    dof, dof_error : ndarray (m,)
        Effective degrees of freedom, the intercept not counted, and their standard error.
    by_rows : bool
        Whether `solve` has the residuals.
    """

    @on_one_thread
    def __init__(self, problem, alphas, seed) -> None:
        super().__init__(problem)
        live = self.root > 0
        n, r, q = int(live.sum()), self.U0.shape[1], len(self.chosen)
        self.by_rows = n <= problem.p + problem.fit_intercept
        size, unreached = (n - r, 0) if self.by_rows else (q, n - r - q)
        self._multiply = self._of_rows if self.by_rows else self._of_columns
        rng = np.random.default_rng(seed)
        length = problem.n if self.by_rows else q
        m = len(alphas)
        self.alphas = np.array(alphas, dtype=np.float64)
        inverses, gaps = np.zeros((_PROBES, m)), np.zeros((_PROBES, m))
        for i in range(_PROBES if size > 0 else 0):
            z = rng.integers(0, 2, length) * 2.0 - 1.0
            if self.by_rows:
                z = self.project_out((z * live)[:, None])[:, 0]
            process = Lanczos(self._multiply, z)
            # below this the nodes themselves are round-off
            # (for a zero matrix, every penalty gives the same)
            self.alphas = np.maximum(self.alphas, size * _EPS * process.largest or 1.0)
            low, high = process.enclose(self.alphas, 1, _PROBE_GAP)
            inverses[i], gaps[i] = size * (low + high) / 2, size * (high - low) / 2
        copies = problem.total - n + unreached
        self.scaled = bool(copies == 0)
        factor = 1.0 if self.scaled else self.alphas
        traces = copies + factor * inverses
        self.shares = traces / problem.total
        mean = traces.mean(axis=0)
        bound = (factor * gaps).mean(axis=0)
        self.gap = np.divide(bound, mean, out=np.zeros(m), where=mean > 0)
        left = self.alphas * inverses
        self.dof = size - left.mean(axis=0) + r - problem.fit_intercept
        self.dof_error = left.std(axis=0, ddof=1) / np.sqrt(_PROBES)

    def _of_rows(self, v):
        """Return P B B'P v."""
        problem = self.problem
        u = problem.A.tdot(self._rooted(v))
        u *= self.inverse**2
        return self._project_out(self._rooted(problem.A.dot(u)))

    def _of_columns(self, v):
        """Return B'P B v."""
        problem = self.problem
        w = np.zeros(problem.p)
        w[self.chosen] = self.inverse[self.chosen] * v
        u = self._rooted(self._project_out(self._rooted(problem.A.dot(w))))
        return self.inverse[self.chosen] * problem.A.tdot(u)[self.chosen]

    def _rooted(self, v):
        return v if self.problem.root is None else v * self.root

    def _project_out(self, v):
        return self.project_out(v[:, None])[:, 0]

    def solve(self):
        """Yield for each target (K + alpha I)^-1 P S y (m, n), and the gaps (m,) of its squares."""
        problem = self.problem
        Y = self.project_out(problem.rooted(problem.Y))
        for y in Y.T:
            process = Lanczos(self._multiply, y)
            low, high = process.enclose(self.alphas, 2, _TARGET_GAP)
            gap = np.divide(high - low, 2 * low, out=np.zeros_like(low), where=low > 0)
            yield process.solve(self.alphas), gap

    @on_one_thread
    def coefficients(self, a):
        """Return the coefficients (p, m) for solutions a (m, n) of one target."""
        problem = self.problem
        w = problem.A.tdot(np.asfortranarray((a * self.root).T))
        w *= (self.inverse**2)[:, None]
        return w


def generalised(path):
    """Return estimates of generalised cross-validation (m, k) of an iterative path."""
    problem = path.problem
    estimate = Estimate(problem, path.alphas, path.seed)
    residual = path.residual
    if estimate.by_rows:
        solved = (a for a, _ in estimate.solve())
        residual = np.stack([(a**2).sum(axis=1) for a in solved], axis=1)
        if not estimate.scaled:
            residual = residual * estimate.alphas[:, None] ** 2
    share = estimate.shares.mean(axis=0)[:, None]
    left = np.broadcast_to(share, residual.shape)
    out = np.full(residual.shape, np.inf)
    return np.divide(residual / problem.total, left**2, out=out, where=left > 0)


class Lanczos:
    """Lanczos process of a symmetric positive semidefinite matrix, extended as needed.

    multiply: function that returns the product with a vector (n,).
    """

    def __init__(self, multiply, start) -> None:
        self.multiply = multiply
        self.size = float(np.linalg.norm(start))
        n = len(start)
        self.most = lanczos_steps(n)
        self.Q = np.empty((self.most, n))
        self.diagonal: list[float] = []
        self.beside: list[float] = []
        self._next = start / self.size if self.size > 0 else start
        self.ended = self.size == 0
        self._grow(1)

    @property
    def largest(self):
        return max(self.diagonal, default=0.0)

    def _grow(self, steps):
        """Extend the process to `steps` steps."""
        while len(self.diagonal) < steps and not self.ended:
            j = len(self.diagonal)
            q = self.Q[j] = self._next
            v = self.multiply(q)
            self.diagonal.append(float(q @ v))
            for _ in range(2):
                v -= self.Q[: j + 1].T @ (self.Q[: j + 1] @ v)
            size = float(np.linalg.norm(v))
            self.beside.append(size)
            # an invariant space: the quadrature is exact
            self.ended = size <= len(v) * _EPS * self.largest or j + 1 == len(v)
            if not self.ended:
                self._next = v / size

    @on_one_thread
    def enclose(self, alphas, power, gap):
        """Return bounds (m,) of q'(K + alpha I)^-power q for the start q of length 1."""
        steps = 20
        while True:
            self._grow(min(steps, self.most))
            low, high = self._bounds(alphas, power)
            if self.ended or steps >= self.most or (high - low <= gap * low).all():
                return low, high
            steps = int(1.5 * steps)

    def _bounds(self, alphas, power):
        if not self.diagonal:
            return np.zeros(len(alphas)), np.zeros(len(alphas))
        d, e = np.array(self.diagonal), np.array(self.beside)
        low = _quadrature(d, e[:-1], alphas, power)
        if self.ended:
            return low, low
        pivot = d[0]
        for entry, square in zip(d[1:], e[:-1] ** 2, strict=True):
            pivot = entry - square / pivot if pivot > 0 else 0.0
        if not pivot > 0:
            # there are nodes at 0 already
            return low, low
        # modify T so that 0 is an eigenvalue
        return low, np.maximum(low, _quadrature(np.append(d, e[-1] ** 2 / pivot), e, alphas, power))

    @on_one_thread
    def solve(self, alphas):
        """Return (K + alpha I)^-1 start (m, n)."""
        steps = len(self.diagonal)
        if not steps:
            return np.zeros((len(alphas), self.Q.shape[1]))
        values, vectors = eigh_tridiagonal(self.diagonal, self.beside[: steps - 1])
        shares = vectors[0] / (values.clip(0) + alphas[:, None])
        return self.size * (shares @ vectors.T) @ self.Q[:steps]


def _quadrature(diagonal, beside, alphas, power):
    values, vectors = eigh_tridiagonal(diagonal, beside)
    weights = np.broadcast_to(vectors[0] ** 2, (len(alphas), len(values)))
    total = (values.clip(0) + alphas[:, None]) ** power
    # infinite where a node is 0 and alpha = 0
    out = np.where(weights > 0, np.inf, 0.0)
    return np.divide(weights, total, out=out, where=total > 0).sum(axis=1)
