"""A ridge problem whose intercept is eliminated by centring."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix
from .base import Quadratic
from .range import LEAST, MOST, largest, require_range, squares_leave_range
from .rows import CentredRows

_PIECE = 1 << 14


def pieces(size: int) -> Iterator[slice]:
    """Yield slices of a vector that fit into the cache."""
    for i in range(0, size, _PIECE):
        yield slice(i, i + _PIECE)


def add(
    v: NDArray[np.float64],
    a: float,
    w: NDArray[np.float64],
    d: NDArray[np.float64] | None = None,
) -> None:
    """Do v += a * w, or v += a * d * w, in pieces, without temporaries of the length of v."""
    for piece in pieces(len(v)):
        v[piece] += a * (w[piece] if d is None else d[piece] * w[piece])


class RidgeProblem(Quadratic):
    """Minimise ||S (Y - A w)||^2 + alpha * w' diag(d) w, A and Y centred, S^2 the weights.

    Attributes
    ----------
    rows : CentredRows
        The rows; `source`, `near`, `A`, `weight`, `total` and `mean` are taken from them.
    given : ndarray (n, k)
        y as given.
    Y : ndarray (n, k), F order
        Centred y; a copy, made on first use.
    alpha : ndarray (k,)
    penalty : ndarray (p,) or None
    d : ndarray (p,)
        Penalty factor of each coefficient: `penalty`, or ones where that is None; read-only.
    """

    def __init__(
        self,
        A: Matrix,
        Y: NDArray[np.float64],
        alpha: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        penalty: NDArray[np.float64] | None,
        fit_intercept: bool,
        check: bool = True,
    ) -> None:
        self.given = Y.reshape(len(Y), 1) if Y.ndim == 1 else Y
        self._centred: NDArray[np.float64] | None = None
        self.k = self.given.shape[1]
        self.alpha = np.broadcast_to(alpha, (self.k,))
        self.penalty = penalty
        # broadcast one number instead of allocating p
        self.d = np.broadcast_to(1.0, (A.n_columns,)) if penalty is None else penalty
        self._take(CentredRows(A, weight, fit_intercept))
        # variances of y, with an intercept
        self.y_mean, self.spread = self.rows.target_stats(self.given)
        if check:
            if self.spread is None:
                yy = np.einsum("ik,ik->k", self.given, self.given)
            else:
                yy = self.spread * self.total
            squares = self.column_squares()
            require_range(A, self.given, squares, self.mean, self.total, yy, fit_intercept, weight)

    def _take(self, rows: CentredRows) -> None:
        self.rows, self.n, self.p = rows, rows.n, rows.p
        self.source, self.near, self.A = rows.source, rows.near, rows.A
        self.weight, self.total, self.mean = rows.weight, rows.total, rows.mean
        self.fit_intercept = rows.fit_intercept

    def reweighed(self, weight: NDArray[np.float64] | None, Y: NDArray[np.float64]) -> RidgeProblem:
        """Return the problem with other weights and targets, for Newton steps of other losses.

        This is a pass over X, without a copy.
        """
        problem = copy.copy(self)
        problem.given = Y.reshape(len(Y), 1) if Y.ndim == 1 else Y
        problem._centred = None
        problem._take(self.rows.reweighed(weight))
        problem.y_mean, problem.spread = problem.rows.target_stats(problem.given)
        return problem

    @property
    def Y(self) -> NDArray[np.float64]:
        if self._centred is None:
            self._centred = self.targets(slice(None))
        return self._centred

    @Y.setter
    def Y(self, value: NDArray[np.float64]) -> None:
        self._centred = value

    def targets(self, chosen) -> NDArray[np.float64]:
        """Return some columns of Y, in F order."""
        return np.subtract(self.given[:, chosen], self.y_mean[chosen], order="F")

    @property
    def root(self) -> NDArray[np.float64] | None:
        """Square roots of the weights; None where all weigh the same."""
        return self.rows.root

    def rooted(self, R: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return S R, in F order."""
        return R if self.root is None else np.asfortranarray(R * self.root[:, None])

    def restricted(self, free: NDArray[np.bool_], t: int) -> RidgeProblem:
        """Return the problem of target t with only some coefficients.

        Its Y (n, 1) is that of the problem; the caller subtracts the fixed coefficients' share.
        """
        reduced = copy.copy(self)
        reduced._take(self.rows.restricted(free))
        reduced.penalty = reduced.d = np.where(free, self.d, 1.0)
        reduced.k, reduced.alpha = 1, self.alpha[t : t + 1]
        reduced.Y = self.Y[:, t : t + 1]
        reduced.y_mean = np.zeros(1)
        return reduced

    def column_squares(self) -> NDArray[np.float64]:
        """Diagonal of A' S^2 A."""
        return self.rows.squares()

    def leaves_range(self) -> bool:
        """Return whether sums of squares or penalties overflow, or squares of data underflow."""
        if self.alpha.max() > MOST:
            return True
        if squares_leave_range(self.column_squares(), self.mean, self.total, self._peaks):
            return True
        if self.spread is None:
            squares = np.einsum("ik,ik->k", self.given, self.given)
        else:
            squares = self.spread * self.total
        if not (squares <= MOST).all():
            return True
        small = squares < LEAST
        if not small.any():
            return False
        given = self.given[:, small]
        return bool((given != (0.0 if self.spread is None else given[0])).any())

    def _peaks(self) -> NDArray[np.float64]:
        return largest(self.source, self.weight)

    def gradient_at_zero(self) -> NDArray[np.float64]:
        """Return A' S^2 Y, (p, k)."""
        return self.rows.tdot(self.Y)

    def normal_product(self, k: int) -> Callable[[NDArray[np.float64], NDArray[np.float64]], None]:
        """Return a function multiply(D, out) that sets rows of `out` to A' S^2 A d.

        D and out are (m, p), of at most k rows; they share the workspace.
        """
        u = np.empty((k, self.n))

        def multiply(D: NDArray[np.float64], out: NDArray[np.float64]) -> None:
            some = u[: len(D)]
            self.A.dot(D.T, out=some.T)
            if self.weight is not None:
                some *= self.weight
            self.A.tdot(some.T, out=out.T)

        return multiply

    def evaluate(
        self, coef: NDArray[np.float64], chosen: Any = slice(None), alpha: Any = None
    ) -> tuple[NDArray[np.float64], ...]:
        """Return negative half gradients (p, k) and objectives (k,) at coefficients (p, k), from X.

        They are those of the chosen targets; alpha, where given, replaces their penalties.
        """
        R = self.A.dot(np.asfortranarray(coef))
        alphas = np.broadcast_to(self.alpha[chosen] if alpha is None else alpha, R.shape[1])
        np.subtract(self.Y[:, chosen], R, out=R)
        if self.weight is None:
            objective = np.einsum("ik,ik->k", R, R)
        else:
            objective = np.einsum("ik,i,ik->k", R, self.weight, R)
            R *= self.weight[:, None]
        gradient = self.A.tdot(R)
        objective += alphas * np.einsum("jk,j,jk->k", coef, self.d, coef)
        for t, a in enumerate(alphas):
            add(gradient[:, t], -a, coef[:, t], self.d)
        return gradient, objective

    def gradient(
        self, w: NDArray[np.float64], t: int, alpha: float
    ) -> tuple[NDArray[np.float64], float]:
        """Return the negative half gradient (p,) and objective of target t at w (p,), from X."""
        r = self.A.dot(w)
        np.subtract(self.Y[:, t], r, out=r)
        objective = self._squares(r) + alpha * float(np.einsum("j,j,j->", w, self.d, w))
        if self.weight is not None:
            r *= self.weight
        gradient = self.A.tdot(r)
        add(gradient, -alpha, w, self.d)
        return gradient, objective

    def objective_at_zero(self, t: int) -> float:
        """Return the weighted sum of squares of target t."""
        return self._squares(self.Y[:, t])

    def _squares(self, r: NDArray[np.float64]) -> float:
        return float(r @ r if self.weight is None else np.einsum("i,i,i->", r, self.weight, r))

    def intercept(self, coef: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the intercepts (k,) for coefficients (k, p)."""
        return self.y_mean - coef @ self.mean
