"""Elastic nets for a sequence of penalties, with warm starts.

Three solvers, chosen by `choose.choose_solver`:

"gram"      All features, on the Gram matrix A'SA, by covariance updates: n p^2 / 2
            multiplications for the matrix, then no more passes over the data.
"working"   The same on the Gram matrix of a working set. A gradient over all features finds
            those to add, and gives the reported gap.
"columns"   A working set, but with the columns themselves: an update costs the non-zeros of its
            column, where a row of the Gram matrix would cost the size of the set.

The working set holds the features that the sequential strong rule keeps,
|g_j| >= 2 l1_j(alpha) - l1_j(before), and those found to violate the optimality conditions. A
solution starts on the line through the two before it, where that is better than the last one.

References: J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized linear
models via coordinate descent", JSS 33, 2010. R. Tibshirani et al., "Strong rules for discarding
predictors in lasso-type problems", JRSS B 74, 2012. M. Massias, A. Gramfort and J. Salmon, "Celer:
a fast solver for the lasso with dual extrapolation", ICML 2018. Q. Bertrand and M. Massias,
"Anderson acceleration of coordinate descent", AISTATS 2021. Q. Fan, Y. Jiao and X. Lu, "A primal
dual active set algorithm with continuation for compressed sensing", IEEE Transactions on Signal
Processing 62, 2014.
"""

from __future__ import annotations

import math

import numpy as np

from ..._descent import Descent
from ...systems.blas import limited, one_thread_for
from .line import PathLine
from .problem import penalty_of
from .working_set import WorkingSet

# Share of the last penalty below which the strong rule keeps too much.
_LEAST_RATIO = 0.6
# Inner tolerance of a working set as a share of the gap; its reduction on failure.
_INNER = 0.7
_TIGHTEN = 0.2
_MAX_CHECKS = 50
# Inner tolerance of a working set that had to leave features out, as a share of the gap.
_ROUGH = 0.3
# Change of a coefficient times its column's norm, over the largest such product, above which
# features outside of the working set are added although the gap is small enough: for a cold start,
# and in a path.
_MATTERS, _MATTERS_IN_PATH = 1e-5, 1e-2
# The same in repetitions; the largest number of repetitions; and the least divisor.
_MATTERS_AGAIN, _MOST_SETTLES, _TINY = 1e-4, 5, 1e-300

# Tolerance of a path above which its coefficients need not be exact.
_LOOSE_TOL = 1e-4 * (1 + 1e-9)

# Epochs of a cold start after which it is repeated by way of larger penalties, if the largest is at
# least `_FROM` times larger; the ratio of consecutive penalties, and their tolerance over the
# objective.
_DIRECT = 120
_FROM = 5.0
_RATIO = 10.0
_LOOSE = 0.3

# Relative gap above which the kernel's own is trusted.
_ROUNDING = 1e-8


class DescentPath(WorkingSet):
    """Solutions of one problem for any sequence of penalties.

    Attributes
    ----------
    u : ndarray (p,)
        Coefficients, in the solver's units.
    solver : str
        The solver that ran last: "gram", "working" or "columns".
    u_dual : ndarray (p,)
        Coefficients whose residual is the dual point of the gap.
    objective, gap, n_iter : float, float, int
        Values of the last solution; the gap is absolute.

    Parameters
    ----------
    u, u_dual : ndarray (p,) or None
        Warm start of the first solution: coefficients, and those of an earlier dual point.
    """

    def __init__(self, problem, solver, max_iter, seed, u=None, buffers=None, u_dual=None):
        self.problem, self.max_iter, self.seed = problem, max_iter, seed
        # "working" changes to "columns" as the set grows
        self.solver = solver
        self.buffers = [] if buffers is None else buffers
        p = problem.p
        self.u = problem.start.copy() if u is None else u
        # known without reading the coefficients
        self.at_zero = u is None and problem.lower is None and problem.upper is None
        self.u_dual = np.zeros(p)
        self.before = None if u is None else u_dual
        self.n_iter, self.objective, self.gap = 0, np.nan, np.inf
        self.last_l1 = self.last_l2 = None
        self.line = PathLine()
        self.v = self.dual_products = None
        self.blas = one_thread_for(problem.n * p)
        if solver == "gram":
            self.descent = Descent.take()
            with self.blas:
                self._start_gram(self.at_zero)
        else:
            self._empty()

    @limited
    def solve(self, l1, l2, tol):
        """Minimise for these penalties until the gap is at most tol; return whether it is."""
        self.n_iter, self.limit = 0, self.max_iter
        if self.before is not None and self._ends_at_start(l1, l2, tol):
            self.last_l1, self.last_l2 = l1, l2
            return True
        self._extrapolate(l1, l2)
        cold = self.max_iter > _DIRECT and self._is_zero()
        if cold:
            self.limit = _DIRECT
        self._solve(l1, l2, tol)
        if cold and self.gap > tol:
            self.limit = self.max_iter
            self._approach(l1, l2, tol)
            self._solve(l1, l2, tol)
        if self.solver != "gram":
            self.line.add(float(l1.max() + l2.max()), self.u)
        return self.gap <= tol

    def _solve(self, l1, l2, tol):
        if self.solver == "gram":
            self._solve_gram(l1, l2, tol)
        else:
            self._solve_working(l1, l2, tol)
        self.last_l1, self.last_l2, self.at_zero = l1, l2, False

    def _ends_at_start(self, l1, l2, tol):
        """Return whether the warm start suffices, by the dual point of an earlier fit."""
        q, at = self.problem, self.before
        self.before = None
        if self.solver == "gram":
            g = q.cross - q.gram @ at
            yr = q.yy - float(q.cross @ at)
            rr = max(yr - float(g @ at), 0.0)
            yr_here = q.yy - float(q.cross @ self.u)
            rr_here = max(yr_here - float(self.g @ self.u), 0.0)
        else:
            r = q.residual(self.u)
            rr_here = float(r @ r) / q.n if q.weight is None else float(q.weight @ r**2)
            g, yr, rr = q.products(q.residual(at))
        self.v, self.dual_products = g, (yr, rr)
        self.objective = 0.5 * rr_here + penalty_of(l1, l2, self.u)
        self.gap = max(self.objective - self._dual_value(l1, l2), 0.0)
        if self.gap <= tol:
            self.u_dual[:] = at
            return True
        self.v = self.dual_products = None
        return False

    def _extrapolate(self, l1, l2):
        """Start from the line through the last two solutions where that is better."""
        q = self.problem
        if self.solver == "gram" or self.last_l2 is None:
            return
        found = self.line.step(float(l1.max() + l2.max()), self.u, l1, q.lower, q.upper)
        if found is None:
            return
        live, step = found
        before, l1, l2 = self.u[live], l1[live], l2[live]
        added = penalty_of(l1 - self.last_l1[live], l2 - self.last_l2[live], before)
        if not self._step(live, step, l1, l2) <= self.objective + added:
            self._step(live, -step, l1, l2)
            self.u[live] = before

    def _step(self, live, step, l1, l2):
        """Add a step to all coefficients that are not 0, and return the objective.

        l1 and l2 are their penalties. With a Gram matrix, the gradient follows.
        """
        q, chosen = self.problem, self.set
        u = self.u[chosen]
        self.u[live] += step
        if self.solver == "working":
            self.descent.step(self.u[chosen] - u, self.g)
            u = self.u[chosen]
            rr = q.yy - float(q.cross[chosen] @ u) - float(self.g @ u)
        else:
            r = q.residual(self.u)
            rr = float(q.rows.inner(r, r))
        return 0.5 * max(rr, 0.0) + penalty_of(l1, l2, self.u[live])

    def _is_zero(self):
        return self.at_zero or not self.u.any()

    def _exact(self, tol):
        """Return how coefficients are made exact at the end; see `Descent.solve`.

        Steps on the Gram matrix of all features are cheap, so that a path takes as many. Others
        cost as much as the rest of a penalty, so that paths of loose tolerances take none.
        """
        if self.last_l1 is not None:
            return 2 if self.solver == "gram" else tol <= _LOOSE_TOL * self.problem.null
        return 2 if self._is_zero() else 1

    def _approach(self, l1, l2, tol):
        """Start again by way of larger penalties, so that the support grows gradually.

        A cold start adds far too many features where the support is about as large as the rank.
        """
        q = self.problem
        ratio = self._stretch(q.pull(q.cross.copy()), l1)
        if ratio < _FROM or q.start.any():
            return
        self.u[:] = 0.0
        if self.solver == "gram":
            self.g[:] = q.cross
        else:
            self._empty()
            self.v = self.dual_products = None
            self.u_dual = np.zeros(q.p)
        steps = math.ceil(math.log(ratio) / math.log(_RATIO))
        for k in range(1, steps):
            t = ratio ** (1.0 - k / steps)
            self._solve(t * l1, t * l2, max(tol, _LOOSE * (q.null if k == 1 else self.objective)))

    # all features, on the Gram matrix

    def _start_gram(self, at_zero):
        problem = self.problem
        self.descent.set_gram(problem.gram)
        self.g = problem.cross.copy() if at_zero else problem.cross - problem.gram @ self.u
        self.g_dual = np.empty(problem.p)

    def _solve_gram(self, l1, l2, tol):
        q = self.problem
        seed = self._next_seed()
        self.objective, dual, n_iter, _, _ = self.descent.solve(
            *((l1, l2) if l1.strides != (0,) else (l1.copy(), l2.copy())),
            q.lower,
            q.upper,
            q.square,
            q.cross,
            q.yy,
            self.u,
            self.g,
            self.u_dual,
            self.g_dual,
            False,  # no warm dual point: steps are cheap
            tol,
            max(self.limit - self.n_iter, 1),
            seed,
            exact=self._exact(tol),
        )
        self.n_iter += n_iter
        self.gap = max(self.objective - dual, 0.0)

    def _next_seed(self):
        if self.seed:
            # Weyl sequence: another order for each call
            self.seed = (self.seed + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF or 1
        return self.seed

    # a working set

    def _solve_working(self, l1, l2, tol):
        q = self.problem
        if self.v is None:
            self.u_dual[:] = self.u
            self.v = q.cross
            if self.u.any():
                self.v = q.gradient(q.residual(self.u))
        # reuse the previous dual point, rescaled
        self.dual = -np.inf if self.dual_products is None else self._dual_value(l1, l2)
        always = (l1 == 0) & (l2 == 0) | (self.u != 0)
        pull = self._pull(l2)
        if self.last_l1 is not None:
            pull /= self._stretch(pull, self.last_l1)
        wanted = (pull > l1) | always
        cut = False
        if self.last_l1 is None or float(l1.max()) < _LEAST_RATIO * float(self.last_l1.max()):
            pull -= l1
            wanted, cut = self._ranked(wanted, always, pull)
        del pull
        inner = _INNER * tol
        exact = self._exact(tol)
        self.gap = q.null
        for _ in range(_MAX_CHECKS):
            self._grow(np.flatnonzero(wanted & ~self.inside))
            if len(self.set) == q.p:
                inner = min(inner / _INNER, tol)
                cut = False
            left = self.limit - self.n_iter
            if left <= 0 and self.n_iter:
                break
            within = max(inner, _ROUGH * self.gap) if cut else inner
            reached = self._solve_set(l1, l2, within, left, exact if within == inner else 0)
            if self._whole(within):
                if reached:
                    break
            elif self._check(l1, l2) <= tol:
                self._settle(l1, l2, inner, within > inner, exact > 1)
                break
            pull = self._pull(l2)
            # ignore violations smaller than those within the set: they do not limit the gap
            stretch = 1.0
            if inner >= _INNER * tol:
                stretch = self._stretch(pull[self.set], l1[self.set])
            pull /= stretch + 1e-12
            wanted = (pull > l1) & ~self.inside
            if wanted.any():
                pull -= l1
                wanted, cut = self._ranked(wanted, always & ~self.inside, pull)
            elif cut:
                cut = False
            elif reached and inner <= 1e-4 * tol:
                if self.solver == "columns":
                    break
                # only round-off of the Gram matrix is left
                self.solver, inner = "columns", _INNER * tol
                self._grow_columns()
            else:
                inner *= _TIGHTEN

    def _settle(self, l1, l2, inner, rough, cold):
        """Solve again with violating features outside of the set, though the gap is small enough.

        The dual value never falls, so that the gap shrinks by as much as the objective does. After
        a cold start this is repeated as long as these features change the coefficients much.
        """
        q = self.problem
        best = self._dual_point()
        for again in range(_MOST_SETTLES):
            left = self.limit - self.n_iter
            if left <= 0 or not self.n_iter:
                break
            excess = self._pull(l2)
            excess -= l1
            excess[self.inside] = 0.0
            new = np.flatnonzero(excess > 0)
            largest = 0.0
            if len(new):
                # a coefficient that enters changes by about excess / (square + l2)
                size = excess[new] * np.sqrt(q.square[new]) / (q.square[new] + l2[new])
                used = np.abs(self.u[self.set]) * np.sqrt(q.square[self.set])
                size /= max(float(used.max(initial=0.0)), _TINY)
                new = new[size > (_MATTERS if cold else _MATTERS_IN_PATH)]
                largest = float(size.max())
            if not len(new) and (again or not rough):
                break
            self._grow(new)
            self._solve_set(l1, l2, inner, left, 2)
            if not cold or largest < _MATTERS_AGAIN:
                break
            before = self.dual
            self._check(l1, l2)
            if self.dual > before:
                best = self._dual_point()
        held, values, self.v, self.dual_products = best
        self.u_dual[:] = 0.0
        self.u_dual[held] = values
        self.gap = max(self.objective - self.dual, 0.0)

    def _dual_point(self):
        """Return the dual candidate, as its non-zero elements, with its gradient."""
        held = np.flatnonzero(self.u_dual)
        return held, self.u_dual[held], self.v, self.dual_products

    def _pull(self, l2):
        """Return the gradient that draws each coefficient from its start, at the dual candidate."""
        v = l2 * self.u_dual
        return self.problem.pull(np.subtract(self.v, v, out=v))

    @staticmethod
    def _stretch(pull, l1):
        """Return the largest ratio of a gradient to its l1, at least 1."""
        if len(l1) and l1.strides == (0,):
            return max(1.0, float(pull.max()) / float(l1[0])) if l1[0] > 0 else 1.0
        ratio = np.divide(pull, l1, out=np.zeros_like(l1), where=l1 > 0)
        return max(1.0, float(ratio.max(initial=0.0)))

    def _ranked(self, wanted, always, excess):
        """Return the worst violators, about twice the size of the support at most.

        Also return whether some are left out.
        """
        most = max(100, 2 * int((self.u != 0).sum()), len(self.set) // 4)
        if int(wanted.sum()) <= most:
            return wanted, False
        chosen = np.flatnonzero(wanted)
        chosen = chosen[np.argpartition(-excess[chosen], most)[:most]]
        wanted = always.copy()
        wanted[chosen] = True
        return wanted, True

    def _solve_set(self, l1, l2, tol, max_iter, exact):
        """Solve on the working set; return whether its own gap is at most tol.

        exact: see `Descent.solve`.
        """
        q, chosen = self.problem, self.set
        lower = None if q.lower is None else q.lower[chosen]
        upper = None if q.upper is None else q.upper[chosen]
        u, u_dual, g_dual = self.u[chosen], self.u_dual[chosen], self.v[chosen]
        residual, level = None, 0.0
        if self.solver == "columns":
            residual, level = self._open_residual()
            g = np.empty(len(chosen))
            square = q.square[chosen]
        else:
            g, square = self.g, self.square
        found = self.descent.solve(
            l1[chosen],
            l2[chosen],
            lower,
            upper,
            square,
            q.cross[chosen],
            q.yy,
            u,
            g,
            u_dual,
            g_dual,
            self._whole(tol),
            tol,
            max(max_iter, 1),
            self._next_seed(),
            residual,
            level,
            exact=exact,
        )
        self.objective, dual, n_iter, _, self.level = found
        self.n_iter += n_iter
        self.u[chosen] = u
        self.u_dual[:] = 0.0
        self.u_dual[chosen] = u_dual
        if self._whole(tol):
            self.v = np.empty(q.p)
            self.v[chosen] = g_dual
            self.gap = max(self.objective - dual, 0.0)
            self.dual_products = None
        return self.objective - dual <= tol

    def _whole(self, tol):
        """Return whether the set's gap is that of all features, and far above round-off."""
        q = self.problem
        return self.solver == "columns" and len(self.set) == q.p and tol >= _ROUNDING * q.null

    def _check(self, l1, l2):
        """Compute the gap over all features; set self.v to the gradient at the dual candidate."""
        q = self.problem
        self.v = None  # free before allocating the next
        self.v, *self.dual_products = q.products(self._residual(self.u_dual))
        self.dual = max(self.dual, self._dual_value(l1, l2))
        self.gap = max(self.objective - self.dual, 0.0)
        return self.gap

    def _dual_value(self, l1, l2):
        """Return the dual value of the dual candidate, over all features."""
        q = self.problem
        return self.descent.dual_value(
            *((l1[:1], l2[:1]) if l1.strides == (0,) else (l1, l2)),
            q.lower,
            q.upper,
            q.square,
            self.v,
            q.yy,
            *self.dual_products,
        )
