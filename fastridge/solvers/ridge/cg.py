"""Preconditioned conjugate gradients for ridge (Hestenes & Stiefel 1952), refined from the data.

Steps are computed by one of three systems; the gradient of the stopping test always comes from X:

- `Eliminated`: sparse data whose Gram matrix is small. The frequent columns are eliminated exactly,
  and no iteration touches X. On one-hot data those few hundred columns carry the ill-conditioning.
- `Wide`: sparse data with fewer samples than features. Vectors have n_samples elements, and an
  iteration reads X once; frequent columns are eliminated exactly where they dominate.
- `Products`: everything else. The preconditioner treats the heaviest columns exactly, by a Cholesky
  factor of their block of A' S^2 A + alpha diag(d), and the others by their diagonal. With fewer
  samples than features, the first preconditioner is diag(d): steps then stay in the span of the
  rows, as the solution does. A component outside of it costs only alpha times its square, so that
  with small alpha iterations could end with wrong coefficients.

For alpha = 0 there is no preconditioner, and the start is zero: plain conjugate gradients stay in
the row space of A, and find the solution of minimum norm.

`quadratic.error_bound` has the stopping criterion.
"""

from __future__ import annotations

import numpy as np

from ..._dense import Cholesky
from ..._matrix import Matrix
from ..._systems import Reduced, schur_solve
from ...quadratic.error_bound import Goal
from ...quadratic.preconditioner import Preconditioner, heaviest
from ...quadratic.problem import RidgeProblem, add, pieces
from ...systems.blas import on_one_thread
from ...systems.cost import (
    default_memory,
    gram_pays,
    heavy_columns,
    most_gram_elements,
    rows_at_once,
)

_MAX_STEPS = 20
_WIDE_HEAVY = 300  # columns that are eliminated from wide data
_SPIKED, _POWERS = 20.0, 2  # large eigenvalue over the mean of all; power iterations to find it
_BY_ROWS = 2  # iterations per sample after which the preconditioner changes
_UNLIMITED = 1 << 62
_COPY = 16  # bytes of an element of a copy, with its index
TOGETHER = 8  # targets that share products
_SURE = 0.7  # inner tolerance as a share of the bound: the true gradient differs from the recursion
_RITZ = 1.2  # growth of the iterations after which the least Ritz value is computed again
_STALE = 1.5  # growth of iterations above which a preconditioner of other weights is replaced
_FEW = 10  # number of iterations up to which a preconditioner is never replaced
_GHOST = 1e-13  # share of the largest Ritz value below which others are round-off


@on_one_thread
def solve_cg(problem: RidgeProblem, tol, max_iter, coef_init, max_memory=None, systems=None):
    """Return coefficients (k, p), iterations, relative gradients, objectives, errors, converged.

    Errors are bounds for each target; converged: whether they are within `tol` or round-off.
    systems: the `Systems` of the problem, if they exist already.
    """
    p, k = problem.p, problem.k
    limit = iteration_limit(problem, max_iter)
    at_zero = problem.gradient_at_zero()
    first = np.linalg.norm(at_zero, axis=0)
    if not np.isfinite(first).all():
        raise ValueError("X and y have squares that overflow float64; expected smaller numbers.")
    coef = np.zeros((p, k), order="F")
    if coef_init is not None:
        coef[...] = np.where(problem.alpha > 0, coef_init.reshape(k, p).T, 0.0)
    n_iter = np.ones(k, dtype=np.intp)
    norm, objective, error = np.empty(k), np.empty(k), np.empty(k)
    converged = np.empty(k, dtype=bool)
    if systems is None:
        systems = Systems(problem, at_zero, max_memory)
    for targets in targets_by_penalty(problem.alpha):
        alpha = float(problem.alpha[targets[0]])
        some = consecutive(targets)
        W, G = coef[:, some], at_zero[:, some]
        values = np.array([problem.objective_at_zero(t) for t in targets])
        for i, t in enumerate(targets):
            if W[:, i].any():
                G[:, i], values[i] = problem.gradient(W[:, i], t, alpha)
        goal = Goal(problem, alpha, tol)
        n_iter[targets] = systems.solve(W, targets, goal, G, values, limit)
        size = goal.norm(G)
        error[targets] = goal.error(size, W, values)
        converged[targets] = goal.met(size, W, values)
        if not isinstance(some, slice):
            coef[:, targets] = W
        norm[targets], objective[targets] = np.linalg.norm(G, axis=0), values
    relative = np.divide(norm, first, out=np.zeros(k), where=first > 0)
    return coef.T, n_iter, relative, objective, error, converged


def targets_by_penalty(alpha):
    """Yield targets that share a penalty, at most `TOGETHER` at a time, smallest penalty first."""
    order = np.argsort(alpha, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(alpha[order])) + 1):
        for start in range(0, len(group), TOGETHER):
            yield group[start : start + TOGETHER]


def consecutive(chosen):
    """Return consecutive numbers as a slice, which gives views; others as they are."""
    lo, hi = int(chosen[0]), int(chosen[-1]) + 1
    return slice(lo, hi) if hi - lo == len(chosen) and (np.diff(chosen) == 1).all() else chosen


def iteration_limit(problem: RidgeProblem, max_iter) -> int:
    return max(1000, 10 * min(problem.n, problem.p)) if max_iter is None else max_iter


class Systems:
    """Solver for any penalty and target of one problem, with shared preconditioners."""

    make_products: type[Products]

    def __init__(self, problem: RidgeProblem, at_zero, max_memory=None) -> None:
        self.problem = problem
        self.max_memory = default_memory() if max_memory is None else max_memory
        self.best = self.factored = None
        self.products: list[Products] = []
        if (problem.alpha > 0).any():
            self.best = self._find_best(at_zero)

    def _find_best(self, at_zero):
        """Return the system to try first, or None."""
        problem, memory = self.problem, self.max_memory
        if problem.A.is_sparse and problem.n < problem.p:
            return wide(problem, at_zero, memory)
        return eliminated(problem, memory)

    def update(self, problem: RidgeProblem) -> None:
        """Set other weights and targets for the same rows; see `RidgeProblem.reweighed`.

        The Gram matrix with eliminated columns is summed again. A preconditioner is kept until it
        needs `_STALE` times the iterations that it needed at first.
        """
        self.problem, self.factored = problem, None
        if self.best is not None:
            self.best.update(problem)
        for products in self.products:
            products.update(problem)

    @on_one_thread
    def solve(self, W, targets, goal, G, objective, limit):
        """Move W (p, k) to solutions until their gradients meet the goal.

        G (p, k) and objective (k,), those at W, follow. Returns the iterations of each target.
        """
        done = np.zeros(len(targets), dtype=np.intp)
        for system in self._systems(goal.alpha):
            if self._factor(system, goal):
                most = min(limit, system.most_iterations)
                self._refine(system, W, targets, goal, G, objective, most, done)
            if goal.met(goal.norm(G), W, objective)[done < limit].all():
                break
        return np.maximum(done, 1)

    def _systems(self, alpha):
        """Yield the systems to try, the best one first."""
        if alpha > 0 and self.best is not None:
            yield self.best
        if not self.products:
            if self.problem.n < self.problem.p:
                self.products.append(self.make_products(self.problem, 0.0, by_rows=True))
            self.products.append(self.make_products(self.problem, self.max_memory))
        yield from self.products if alpha > 0 else self.products[-1:]

    def _factor(self, system, goal) -> bool:
        """Prepare the system for the penalty; return whether that succeeded."""
        if self.factored != (id(system), goal.alpha):
            self.factored = None
            try:
                system.factor(goal)
            except ArithmeticError:
                return False
            self.factored = (id(system), goal.alpha)
        return True

    def _refine(self, system, W, targets, goal, G, objective, limit, done) -> None:
        norm, best = goal.norm(G), np.full(len(targets), np.inf)
        for _ in range(_MAX_STEPS):
            near = goal.met(norm, W, objective)
            open_ = np.flatnonzero(~near & (done < limit) & (norm < 0.5 * best))
            if not len(open_):
                break
            best[open_] = norm[open_]
            some = consecutive(open_)
            floor = _SURE * goal.floor(W, objective)[open_]
            most = limit - done[open_].max()
            steps, used = system.solve(G[:, some], floor, goal, objective[open_], most, W[:, some])
            done[open_] += used
            steps += W[:, consecutive(open_)]
            some = consecutive(np.asarray(targets)[open_])
            closer, values = self.problem.evaluate(steps, some, goal.alpha)
            sizes = goal.norm(closer)
            better = (sizes < norm[open_]) | (values <= objective[open_])
            moved = open_[better]
            W[:, moved], G[:, moved] = steps[:, better], closer[:, better]
            objective[moved], norm[moved] = values[better], sizes[better]


def eliminated(problem: RidgeProblem, max_memory) -> Eliminated | None:
    """Return the system with heavy columns eliminated; None if its Gram matrix would be large."""
    chosen = heavy_first(problem.A, max_memory, problem.column_squares)
    if chosen is None:
        return None
    try:
        return Eliminated(problem, *chosen, max_memory)
    except OverflowError:
        return None


def heavy_first(A: Matrix, max_memory: float, column_squares=None):
    """Return the columns of sparse data by frequency, and how many of the first to eliminate.

    None where the Gram matrix would be large.

    column_squares: function that returns the squares of the columns; zero columns are left out.
    """
    # listing the columns takes this memory
    if not A.is_sparse or A.nnz * _COPY > max_memory:
        return None
    counts = A.column_counts()
    if not gram_pays(A, counts):
        return None
    if column_squares is not None:
        counts[column_squares() == 0] = 0
    filled = int((counts > 0).sum())
    if not filled:
        return None
    m = max(1, min(heavy_columns(max_memory), A.n_rows // 2, filled))
    order = np.argsort(-counts, kind="stable")[:filled].astype(np.int32)
    order[:m].sort()
    return order, m


class Eliminated:
    """Steps by the Gram matrix with its m heavy columns, the first in `order`, eliminated.

    Raises
    ------
    OverflowError
        If the matrix has more elements than the memory allows.
    """

    most_iterations = _UNLIMITED

    def __init__(self, problem: RidgeProblem, order, m: int, max_memory) -> None:
        A = problem.A
        self.d = problem.d
        most = most_gram_elements(A, max_memory)
        self.system = Reduced(A, order, m, *self._sums(problem), most)

    @staticmethod
    def _sums(problem: RidgeProblem):
        """Return means, squares, the sum of the weights, and the weights."""
        means = problem.A.shift if problem.fit_intercept else problem.mean
        total = problem.total if problem.fit_intercept else 0.0
        return means, problem.column_squares(), total, problem.weight

    def update(self, problem: RidgeProblem) -> None:
        """Set other weights."""
        self.system.reweigh(*self._sums(problem))

    def factor(self, goal) -> None:
        self.system.factor(goal.alpha, self.d, goal.weights)

    def solve(self, R, floor, goal, objective, limit: int, W):
        def one(r, bound, value):
            return self.system.solve(r, bound, limit, _SURE * goal.share, value)

        return one_by_one(one, R, floor, objective)


def one_by_one(solve, R, *rest):
    """Solve column by column; return steps (p, k) and iterations (k,). rest: numbers per column."""
    found = [
        solve(np.ascontiguousarray(r), *map(float, numbers))
        for r, *numbers in zip(R.T, *rest, strict=True)
    ]
    steps = found[0][0][np.newaxis] if len(found) == 1 else np.array([x for x, _ in found])
    return steps.T, np.array([used for _, used in found])


def wide(problem: RidgeProblem, at_zero, max_memory):
    """Return the system of samples for sparse data with fewer samples than features.

    None where it needs more than the memory, or most samples as eliminated columns.
    """
    A = problem.A
    if A.nnz * _COPY > max_memory:
        return None
    free = problem.d == 0
    counts = A.column_counts()
    m = 0
    if spiked(problem, at_zero[:, 0]):
        m = min(_WIDE_HEAVY, heavy_columns(max_memory), problem.n // 4)
    # sort by length, rare columns last: loops of equal length are well predicted
    rank = problem.n - counts
    rank[free] = -1
    # integers of 16 bits are sorted by counting
    kind = np.int16 if problem.n < np.iinfo(np.int16).max else np.int64
    order = np.argsort(rank.astype(kind), kind="stable").astype(np.int32)
    m = max(m, int(free.sum()))
    if m > problem.n // 2:
        return None
    order[:m].sort()
    return Wide(problem, order, m)


def spiked(problem: RidgeProblem, v) -> bool:
    """Return whether the largest eigenvalue of A A' dominates, by a few power iterations."""
    mean = problem.column_squares().sum() / problem.n
    for _ in range(_POWERS):
        u = problem.A.dot(v)
        size = u @ u
        if not size > 0:
            break
        v = problem.A.tdot(u if problem.weight is None else u * problem.weight)
        if v @ v > _SPIKED * mean * size:
            return True
    return False


class Wide:
    """Steps by products with columns, of which the most frequent may be eliminated."""

    most_iterations = _UNLIMITED

    def __init__(self, problem: RidgeProblem, order, m: int) -> None:
        A, d = problem.A, problem.d
        self.order, self.m = order, m
        self._weigh(problem)
        self.heavy_d = d[order[:m]]
        # columns scaled to a common penalty
        self.unit = None if (d[order[m:]] == 1).all() else 1.0 / np.sqrt(d[order[m:]])
        self.heavy, self.light = narrow(A).split_columns(order, m)
        if self.unit is not None:
            scale = self.unit if self.light.scale is None else self.unit * self.light.scale
            self.light = self.light.centered(self.light.shift, scale)

    def _weigh(self, problem: RidgeProblem) -> None:
        self.weight, self.cholesky = problem.weight, None
        self.gram = None
        if self.m:
            self.gram = problem.A.gram(problem.weight, columns=self.order[: self.m])

    def update(self, problem: RidgeProblem) -> None:
        """Set other weights, and the means under them."""
        self._weigh(problem)
        shift, scale = problem.A.shift, problem.A.scale
        parts = {"heavy": slice(0, self.m), "light": slice(self.m, None)}
        for name, part in parts.items():
            columns = self.order[part]
            unit = self.unit if name == "light" else None
            of_part = None if scale is None else scale[columns]
            if unit is not None:
                of_part = unit if of_part is None else unit * of_part
            moved = None if shift is None else shift[columns]
            setattr(self, name, getattr(self, name).centered(moved, of_part))

    def factor(self, goal) -> None:
        self.alpha = goal.alpha
        if self.m:
            M = self.gram.copy()
            M[np.diag_indices(self.m)] += goal.alpha * self.heavy_d
            self.cholesky = Cholesky(M, 1e-14)

    def solve(self, R, floor, goal, objective, limit: int, W):
        r = np.asfortranarray(R[self.order])
        if self.unit is not None:
            r[self.m :] *= self.unit[:, None]
        heavy = self.heavy if self.m else None
        x, used = schur_solve(
            heavy,
            self.light,
            self.weight,
            self.cholesky,
            self.alpha,
            r,
            floor,
            limit,
            _SURE * goal.share,
            objective,
        )
        if self.unit is not None:
            x[self.m :] *= self.unit[:, None]
        r[self.order] = x
        return r, used


def narrow(A: Matrix) -> Matrix:
    """Return A with its values in float32 if that is exact, else A."""
    data, indices, indptr = A.arrays
    if data is None or A.is_float32:
        return A
    single = data.astype(np.float32)
    if not np.array_equal(single, data):
        return A
    same = Matrix.from_compressed(single, indices, indptr, A.shape, A.kind == "csc")
    return same.centered(A.shift, A.scale)


class Products:
    """Steps by products with A, preconditioned by the heaviest columns' block and the diagonal."""

    most_iterations = _UNLIMITED

    def __init__(self, problem: RidgeProblem, max_memory, by_rows: bool = False) -> None:
        self.problem, self.by_rows, self.max_memory = problem, by_rows, max_memory
        if by_rows:
            self.most_iterations = _BY_ROWS * problem.n + 100
        self.heavy = self.gram = None
        self._fresh = self._last = 0  # iterations with a new preconditioner; in the last solve
        self.most = self._most_heavy()

    def _most_heavy(self) -> int:
        """Return the number of columns of the block that the memory allows."""
        A = self.problem.A
        # the block is summed by rows
        copied = A.kind == "csc" and A.nnz * _COPY > self.max_memory
        return 0 if copied else heavy_columns(self.max_memory)

    def update(self, problem: RidgeProblem) -> None:
        """Set other weights; sum the block again only once it is a poor preconditioner."""
        self.problem = problem
        if self.heavy is not None and self._last > _STALE * max(self._fresh, _FEW):
            self.gram = self._block()
            self._fresh = 0
        self._last = 0

    def _block(self):
        problem = self.problem
        return block_gram(problem.A, problem.weight, self.heavy, self.max_memory)

    def factor(self, goal) -> None:
        """Prepare for a penalty; all penalties share the Gram matrix of the block."""
        problem, alpha = self.problem, goal.alpha
        self.alpha = alpha
        self.apply = np.copyto
        if alpha == 0:
            return
        squares = problem.column_squares()
        if self.by_rows:
            if problem.penalty is not None:
                diagonal = np.where(problem.d > 0, problem.d, np.maximum(squares, alpha))

                def scale(z, r):
                    """z = D^-1 r."""
                    np.divide(r, diagonal, out=z)

                self.apply = scale
            return
        if self.heavy is None:
            # fewer columns than samples: a larger block would be singular without alpha
            self.heavy = heaviest(squares, min(self.most, problem.n // 2))
            self.gram = self._block() if len(self.heavy) else np.zeros((0, 0))
        self.apply = Preconditioner(squares, alpha * problem.d, self.heavy, self.gram)

    def solve(self, R, floor, goal, objective, limit: int, W):
        """Return steps (p, k) from gradients R (p, k) at W, and their iterations (k,).

        Each target has its own conjugate gradients; active targets share the products. The
        workspace is four vectors of p elements per target.
        """
        penalty = self.problem.d
        r = np.array(R.T, order="C")
        k, p = r.shape
        x, z, d = np.zeros((k, p)), np.empty((k, p)), np.empty((k, p))
        multiply = self.problem.normal_product(k)
        used = np.zeros(k, dtype=np.intp)
        value = np.array(objective, dtype=np.float64)
        ritz = [Ritz() for _ in range(k if self.alpha == 0 else 0)]
        # row i is for target place[i]; active targets come first
        place, rz = list(range(k)), [0.0] * k
        for i in range(k):
            self.apply(z[i], r[i])
            d[i] = z[i]
            rz[i] = r[i] @ z[i]
        left = k
        for _ in range(limit):
            # z = (A' S^2 A + alpha diag(d)) d
            multiply(d[:left], z[:left])
            for i in reversed(range(left)):
                t = place[i]
                add(z[i], self.alpha, d[i], penalty)
                curvature = d[i] @ z[i]
                going = rz[i] > 0 and curvature > 0
                if going:
                    step = rz[i] / curvature
                    add(x[t], step, d[i])
                    add(r[i], -step, z[i])
                    value[t] -= step * rz[i]
                    used[t] += 1
                    if ritz and ritz[t].add(step, rz[i]):
                        goal.least = min(goal.least, ritz[t].least)
                    near = goal.share * np.sqrt(max(value[t], 0.0))
                    if ritz:
                        near = max(near, goal.share * np.sqrt(goal.least) * _length(W[:, t], x[t]))
                    going = goal.norm(r[i][:, None])[0] > max(floor[t], _SURE * near)
                if going:
                    self.apply(z[i], r[i])
                    before, rz[i] = rz[i], r[i] @ z[i]
                    d[i] *= rz[i] / before
                    d[i] += z[i]
                else:
                    left -= 1
                    r[i], d[i], rz[i], place[i] = r[left], d[left], rz[left], place[left]
            if not left:
                break
        self._last += int(used.max(initial=0))
        self._fresh = self._fresh or self._last
        return x.T, used


Systems.make_products = Products


def block_gram(A: Matrix, weight, columns, max_memory):
    """Return the Gram matrix of some columns; dense data by blocks of rows that fit in memory."""
    step = rows_at_once(A.n_rows, len(columns), max_memory)
    if A.is_sparse or step >= A.n_rows:
        return A.gram(weight, columns=columns)
    (X,) = A.arrays
    total = np.zeros((len(columns), len(columns)))
    for i in range(0, A.n_rows, step):
        rows = slice(i, i + step)
        part = Matrix.from_dense(np.ascontiguousarray(X[rows, columns]))
        if A.shift is not None:
            part = part.centered(np.ascontiguousarray(A.shift[columns]))
        total += part.gram(None if weight is None else weight[rows])
    return total


def _length(w, x) -> float:
    """Return the norm of w + x."""
    return float(np.sqrt(sum(float(np.sum((w[s] + x[s]) ** 2)) for s in pieces(len(x)))))


class Ritz:
    """Least eigenvalue of the tridiagonal matrix of conjugate gradients."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.squares: list[float] = []
        self.least, self.next = np.inf, 1

    def add(self, step: float, square: float) -> bool:
        """Add a step and its squared residual; return whether the least value was recomputed."""
        self.steps.append(step)
        self.squares.append(square)
        if len(self.steps) < self.next:
            return False
        self.next = int(_RITZ * len(self.steps)) + 1
        steps, squares = np.array(self.steps), np.array(self.squares)
        diagonal = 1.0 / steps
        found = diagonal[0]
        if len(steps) > 1:
            # lazy import: it takes as long as a small fit
            from scipy.linalg import eigvalsh_tridiagonal

            ratio = squares[1:] / squares[:-1]
            diagonal[1:] += ratio / steps[:-1]
            off_diagonal = np.sqrt(ratio) / steps[:-1]
            found = eigvalsh_tridiagonal(diagonal, off_diagonal, select="i", select_range=(0, 0))[0]
        if found > _GHOST * diagonal.max():
            self.least = float(found)
        return True
