"""Newton steps of a multinomial model by conjugate gradients.

A step minimises the quadratic model g'd + d'H d / 2 over the coefficients of all classes and the
intercepts until the residual is a share of the gradient. The preconditioner is the diagonal of H
for each class, at least a share of its value for equal probabilities, as rows with probabilities 0
and 1 have no curvature; it keeps the sums over the classes at 0, as H does.

A line search minimises the objective along each step, by evaluations of the loss, without products.
A trust region in the norm of the preconditioner was far slower for rows of very different lengths:
a few long rows made it small, and steps then followed the gradient.

Sparse rows use `LaneModel`, one pass over X for both products, in float32 unless the scales of the
columns differ too much: only gradients need double precision. Other data use products of the
classes' vectors with X.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from ..._matrix import Matrix
from ..._softmax import MOST_CLASSES, LaneModel, lanes_of
from ..._threads import check_stop
from ...quadratic.range import suits_single
from .softmax_problem import Array, SoftmaxProblem, SoftmaxState

_SHARE = 0.1  # share of the goal that the gap of a residual may take
_MOST = 300  # bound on the Hessian-vector products of a step
_FLOOR = 0.03  # lower bound on the preconditioner, over the diagonal at equal probabilities


class Step(NamedTuple):
    """A step of coefficients (p, k) and intercepts (k,), its predicted decrease, and the number of
    products."""

    D: Array
    move: Array
    predicted: float
    products: int


class _Model(ABC):
    """The quadratic model of the objective at a state, with the vectors of conjugate gradients."""

    def __init__(self, problem: SoftmaxProblem) -> None:
        self.problem = problem
        even = (1.0 - 1.0 / problem.k) / problem.k
        self.least = (_FLOOR * even) * np.asarray(problem.rows.squares())
        self.least_b = _FLOOR * even

    @abstractmethod
    def begin(self, state: SoftmaxState, G: Array) -> float:
        """R = -G, D = P = 0; returns R . M^-1 R."""

    @abstractmethod
    def turn(self, beta: float, q: Array) -> tuple[float, Array]:
        """P = M^-1 R + beta P, its intercepts q; returns P . H P and the intercepts of H P."""

    @abstractmethod
    def step(self, a: float) -> tuple[float, float]:
        """D += a P, R -= a H P; returns R . M^-1 R and the gap of R."""

    @abstractmethod
    def solution(self) -> Array:
        """D (p, k) in F order."""

    def diagonal(self, state: SoftmaxState) -> Array:
        """M (p, k)."""
        M = np.maximum(self.squares(state.h), self.least[:, None])
        M += self.problem.l2[:, None]
        M[self.least <= 0] = 1.0
        return M

    @abstractmethod
    def squares(self, h: Array) -> Array:
        """Sums over the rows of h (n, k) times squares of A (p, k), nearly."""

    def minimise(self, state: SoftmaxState, G: Array, goal: float, forcing: float) -> Step:
        """Return the step for a gradient G (p, k).

        Iterations end at a residual of `forcing` times the gradient, in the norm of the
        preconditioner's inverse, or at one whose gap is well below the goal.
        """
        fits = self.problem.fit_intercept
        m = np.maximum(state.h.sum(axis=0), self.least_b)
        m_total = float((1.0 / m).sum())

        def precondition(r: Array) -> Array:
            z = r / m
            z -= z.sum() / m_total / m
            return z

        r = -state.r.sum(axis=0) if fits else np.zeros(self.problem.k)
        z = precondition(r) if fits else r
        d, q = np.zeros_like(r), np.zeros_like(r)
        rz = first = self.begin(state, G) + float(r @ z)
        beta = predicted = 0.0
        products = 0
        while rz > 0 and products < _MOST:
            q = z + beta * q
            check_stop()
            curve, t = self.turn(beta, q)
            products += 1
            if not curve > 0:
                break
            a = rz / curve
            inner, gap = self.step(a)
            d += a * q
            predicted += 0.5 * a * rz
            if fits:
                r = r - a * t
                z = precondition(r)
            new = inner + float(r @ z)
            if new <= forcing**2 * first or gap <= _SHARE * goal:
                break
            beta = new / rz
            rz = new
        return Step(self.solution(), d, predicted, products)


def _by_rows(problem: SoftmaxProblem) -> tuple[Matrix, Matrix, Array, bool]:
    """Return A stored by rows, its squared elements, uncentred, the factors that centre their sums,
    and whether products may be in float32."""
    A = problem.A
    A = A if A.kind == "csr" else A.transposed_storage()
    data, indices, indptr = A.arrays
    squares = Matrix.from_compressed(
        np.square(data, dtype=np.float64), indices, indptr, A.shape, by_column=False
    )
    squares = squares.centered(None, None if A.scale is None else A.scale**2)
    about_zero = squares.tdot(problem.weight)
    about_mean = np.asarray(problem.rows.squares())
    ratio = np.divide(about_mean, about_zero, out=np.ones(problem.p), where=about_zero > 0)
    return A, squares, ratio, suits_single(about_mean)


class RowsModel(_Model):
    """Model for sparse data stored by rows, with all classes contiguous."""

    def __init__(self, problem: SoftmaxProblem) -> None:
        super().__init__(problem)
        if problem.by_rows is None:
            problem.by_rows = _by_rows(problem)
        self.A, self._squares, self._ratio, self.single = problem.by_rows
        self.lanes = lanes_of(problem.k)
        self.kind = np.float32 if self.single else np.float64
        self.model = LaneModel(self.A, problem.l2, problem.weight, self.lanes, self.single)

    def squares(self, h: Array) -> Array:
        M = self._squares.tdot(h)
        M *= self._ratio[:, None]
        return M

    def _padded(self, a: Array) -> Array:
        out = np.zeros((len(a), self.lanes), self.kind)
        out[:, : self.problem.k] = a
        return out

    def begin(self, state: SoftmaxState, G: Array) -> float:
        inverse = self._padded(1.0 / self.diagonal(state))
        prob = self._padded(state.prob)
        self.D = np.zeros((self.problem.p, self.lanes), self.kind)
        return float(self.model.begin(prob, inverse, self._padded(-G), self.D)[0])

    def turn(self, beta: float, q: Array) -> tuple[float, Array]:
        k = self.problem.k
        self.model.constant[:k] = q
        self.model.constant[k:] = 0.0
        penalty = self.model.turn(beta)
        return penalty + self.model.product(), self.model.total[:k].copy()

    def step(self, a: float) -> tuple[float, float]:
        return self.model.step(a)

    def solution(self) -> Array:
        return np.asfortranarray(self.D[:, : self.problem.k], dtype=np.float64)


class ColumnsModel(_Model):
    """Model for any data, one class after the other."""

    def squares(self, h: Array) -> Array:
        A = self.problem.A
        M = np.empty((self.problem.p, self.problem.k), order="F")
        scale = 1.0 if A.scale is None else A.scale**2
        for c in range(self.problem.k):
            total = float(h[:, c].sum())
            M[:, c] = total * scale * A.column_stats(h[:, c])[1] if total > 0 else 0.0
        return M

    def begin(self, state: SoftmaxState, G: Array) -> float:
        self.state = state
        self.R = np.negative(G, order="F")
        self.D, self.P = np.zeros_like(self.R), np.zeros_like(self.R)
        self.inverse = 1.0 / self.diagonal(state)
        self.share = self.inverse / self.inverse.sum(axis=1)[:, None]
        self._precondition()
        return float(np.vdot(self.R, self.Z))

    def _precondition(self) -> None:
        self.Z = self.R * self.inverse
        self.Z -= self.Z.sum(axis=1)[:, None] * self.share

    def turn(self, beta: float, q: Array) -> tuple[float, Array]:
        self.P *= beta
        self.P += self.Z
        T = self.problem.dot(self.P)
        T += q
        self.problem.curved(self.state, T)
        self.H = self.problem.A.tdot(T)
        self.H += self.problem.l2[:, None] * self.P
        t = T.sum(axis=0)
        return float(np.vdot(self.P, self.H) + q @ t), t

    def step(self, a: float) -> tuple[float, float]:
        self.D += a * self.P
        self.R -= a * self.H
        self._precondition()
        l2 = self.problem.l2
        squares = np.einsum("jk,jk->j", self.R, self.R)
        gap = np.divide(0.5 * squares, l2, out=np.zeros(len(l2)), where=l2 > 0).sum()
        return float(np.vdot(self.R, self.Z)), float(gap)

    def solution(self) -> Array:
        return self.D


def model_of(problem: SoftmaxProblem) -> _Model:
    """Return the model that suits the storage."""
    if problem.A.is_sparse and lanes_of(problem.k) <= MOST_CLASSES:
        return RowsModel(problem)
    return ColumnsModel(problem)
