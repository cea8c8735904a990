"""Solve for all penalties of large sparse data, from the largest down, with warm starts.

The gradient c - (G + alpha D) w is affine in w and in alpha: gradients of all combinations of
earlier solutions, for any penalty, follow without another product. Each penalty starts from the
combination that minimises its objective; its certificate is the gradient computed from X.
"""

from __future__ import annotations

import warnings

import numpy as np

from ..._cached import cached
from ..._stack import outside
from ...data.rounding import as_dtype
from ...quadratic.error_bound import Goal
from ...quadratic.problem import RidgeProblem
from ...quadratic.projected import span, unit_of_rows
from ...systems.blas import on_one_thread
from ..ridge.cg import TOGETHER, Systems, iteration_limit
from ..ridge.result import ROUNDING

_RECALLED = 8  # number of earlier solutions that a start combines
_PROBES, _LANCZOS = 12, 60


class IterativePath:
    """Solutions for every penalty by conjugate gradients."""

    solver = "cg"
    seed = 0  # seed of the random signs
    rank = 0  # has no evidence

    def __init__(self, problem: RidgeProblem, alphas, tol, max_iter, max_memory, callback) -> None:
        m, k, p = len(alphas), problem.k, problem.p
        self.problem, self.alphas = problem, alphas
        limit = iteration_limit(problem, max_iter)
        at_zero = problem.gradient_at_zero()
        first = np.linalg.norm(at_zero, axis=0)
        dtype = np.float32 if problem.A.is_float32 else np.float64
        self.coef = np.zeros((m, k, p), dtype=dtype)
        self.intercept = np.zeros((m, k), dtype=dtype)
        self.squared_norm, self.residual = np.zeros((m, k)), np.zeros((m, k))
        self.relative_gradient = np.zeros((m, k))
        self.relative_error = np.zeros((m, k))
        self.converged = np.ones((m, k), dtype=bool)
        self.n_iter = np.ones((m, k), dtype=np.intp)
        problem.alpha = alphas
        systems = Systems(problem, at_zero, max_memory)
        earlier = [
            Earlier(at_zero[:, t], problem.d, problem.objective_at_zero(t)) for t in range(k)
        ]
        order = np.argsort(-alphas, kind="stable")
        for done, i in enumerate(order):
            alpha = float(alphas[i])
            for start in range(0, k, TOGETHER):
                targets = np.arange(start, min(start + TOGETHER, k))
                # from zero, plain conjugate gradients converge to the minimum norm
                starts = [
                    earlier[t].best(alpha) if alpha > 0 else earlier[t].zero() for t in targets
                ]
                W, G = (np.array([s[part] for s in starts]).T for part in (0, 1))
                objective = np.array([s[2] for s in starts])
                goal = Goal(problem, alpha, tol)
                self.n_iter[i, targets] = systems.solve(W, targets, goal, G, objective, limit)
                size = goal.norm(G)
                self.relative_error[i, targets] = goal.error(size, W, objective)
                self.converged[i, targets] = goal.met(size, W, objective)
                for at, t in enumerate(targets):
                    w, gradient = W[:, at], G[:, at]
                    earlier[t].add(w, gradient, alpha)
                    self.squared_norm[i, t] = np.einsum("j,j,j->", w, problem.d, w)
                    self.residual[i, t] = objective[at] - alpha * self.squared_norm[i, t]
                    if first[t] > 0:
                        self.relative_gradient[i, t] = np.linalg.norm(gradient) / first[t]
                    self.coef[i, t] = as_dtype(w, dtype, "coef")
                    self.intercept[i, t] = problem.y_mean[t] - w @ problem.mean
            self.converged[i] |= self.relative_gradient[i] <= ROUNDING
            if dtype is np.float32:
                self._certify(i, first)
            # the callback ends the path by returning True
            if callback is not None and callback(done + 1, m):
                self._keep(np.sort(order[: done + 1]))
                break

    @property
    def solution(self):
        """Coefficients (n_alphas, k, p) in float64."""
        return self.coef.astype(np.float64, copy=False)

    def _certify(self, i, first):
        """Compute the relative gradients of penalty i at the rounded coefficients."""
        coef = self.coef[i].astype(np.float64)
        gradient, _ = self.problem.evaluate(coef.T, alpha=self.alphas[i])
        norm = np.linalg.norm(gradient, axis=0)
        np.divide(norm, first, out=self.relative_gradient[i], where=first > 0)

    def _keep(self, which):
        """Keep only these penalties."""
        self.problem.alpha = self.alphas = self.alphas[which]
        for name in (
            "coef",
            "intercept",
            "squared_norm",
            "residual",
            "relative_gradient",
            "relative_error",
            "converged",
            "n_iter",
        ):
            setattr(self, name, getattr(self, name)[which])

    @cached
    @on_one_thread
    def dof(self):
        """Effective degrees of freedom and their standard errors, by stochastic quadrature.

        z'f(B)z for random signs z has the trace of f(B) as its mean; each is a Gauss quadrature
        from one Lanczos process on B = D^-1/2 A' S^2 A D^-1/2, which serves all penalties: S.
        Ubaru, J. Chen and Y. Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos
        quadrature", SIAM J. Matrix Anal. Appl. 38(4), 2017.
        """
        rng = np.random.default_rng(self.seed)
        problem = self.problem
        root = np.divide(1.0, np.sqrt(problem.d), out=np.zeros(problem.p), where=problem.d > 0)
        free = np.flatnonzero(problem.d == 0)
        basis = _orthonormal(problem, free)

        def multiply(v):
            u = problem.A.dot(root * v)
            if problem.root is not None:
                u *= problem.root
            if basis.shape[1]:
                u -= basis @ (basis.T @ u)
            if problem.root is not None:
                u *= problem.root
            return root * problem.A.tdot(u)

        probes = np.array(
            [_quadrature(multiply, problem.p, self.alphas, rng) for _ in range(_PROBES)]
        )
        error = probes.std(axis=0, ddof=1) / np.sqrt(_PROBES)
        return probes.mean(axis=0) + basis.shape[1], error

    def warn(self, tol) -> None:
        from ... import _sklearn

        left = np.where(self.converged, 0.0, self.relative_error).max(axis=1)
        worst = int(np.argmax(left))
        warnings.warn(
            f"cg reached a relative error of at most {left[worst]:.2g} at"
            f" alpha={self.alphas[worst]:g}, above tol={tol:g}; try a larger max_iter, a larger"
            " tol, larger penalties, or standardize=True.",
            _sklearn.exception("ConvergenceWarning"),
            stacklevel=outside(),
        )


class Earlier:
    """Earlier solutions w of one target, with their G w, and the best combination of them."""

    def __init__(self, c, d, objective_at_zero) -> None:
        self.c, self.d, self.objective_at_zero = c, d, objective_at_zero
        self.w, self.Gw = [], []

    def add(self, w, gradient, alpha) -> None:
        # gradient = c - G w - alpha d w
        product = self.c - gradient
        product -= alpha * (self.d * w)
        self.w.append(w.copy())
        self.Gw.append(product)
        del self.w[:-_RECALLED], self.Gw[:-_RECALLED]

    def zero(self):
        return np.zeros(len(self.c)), self.c, self.objective_at_zero

    @on_one_thread
    def best(self, alpha):
        """Return the combination of least objective, its gradient and its objective."""
        if not self.w:
            return self.zero()
        W, GW = np.array(self.w), np.array(self.Gw)
        M = W @ (GW + alpha * (self.d * W)).T
        size = np.sqrt(np.maximum(np.diagonal(M), np.finfo(float).tiny))
        right = (W @ self.c) / size
        # solutions for close penalties are nearly dependent
        y = np.linalg.lstsq((M + M.T) / 2 / size / size[:, None], right, rcond=1e-11)[0] / size
        w = y @ W
        gradient = self.c - y @ GW
        gradient -= alpha * (self.d * w)
        # f(w) = f(0) - 2 c'w + w'Mw = f(0) - c'w - g'w
        return w, gradient, self.objective_at_zero - (self.c + gradient) @ w


def _orthonormal(problem, free):
    """Return an orthonormal basis of the free columns of S A."""
    if not len(free):
        return np.zeros((problem.n, 0))
    units = np.zeros((problem.p, len(free)), order="F")
    units[free, np.arange(len(free))] = 1.0
    Z = problem.rooted(problem.A.dot(units))
    return span(Z, unit_of_rows(problem) if problem.fit_intercept else None)[0]


def _quadrature(multiply, p, alphas, rng):
    """Return z' B (B + alpha I)^-1 z for one vector z of random signs and every alpha."""
    z = rng.integers(0, 2, p) * 2.0 - 1.0
    steps = min(_LANCZOS, p)
    Q, diagonal, off_diagonal = np.zeros((steps, p)), [], []
    q, size = z / np.sqrt(p), 0.0
    for j in range(steps):
        Q[j] = q
        v = multiply(q)
        diagonal.append(float(q @ v))
        v -= Q[: j + 1].T @ (Q[: j + 1] @ v)
        v -= Q[: j + 1].T @ (Q[: j + 1] @ v)
        size = float(np.linalg.norm(v))
        if size <= 1e-12 * max(map(abs, diagonal)) or j == steps - 1:
            break
        off_diagonal.append(size)
        q = v / size
    T = np.diag(diagonal) + np.diag(off_diagonal[: len(diagonal) - 1], 1)
    values, vectors = np.linalg.eigh(T, UPLO="U")
    values = values.clip(0)
    shares = np.divide(
        values, values + alphas[:, None], out=np.zeros((len(alphas), len(values))), where=values > 0
    )
    return p * (shares * vectors[0] ** 2).sum(axis=1)
