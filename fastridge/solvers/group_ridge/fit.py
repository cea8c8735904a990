"""Fit group penalties: reduce the data once, choose the penalties of each target, solve."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._matrix import Matrix
from ...moments import Moments
from ...quadratic.problem import RidgeProblem
from ...quadratic.range import exponents, largest, squares_leave_range
from ...quadratic.scaling import scaled_matrix
from ...quadratic.sums import SumProblem
from ...systems import cost
from ...systems.blas import on_one_thread
from .choose import LEAST_OF_EXACT, Choice, Search
from .criteria import Likelihood, criterion_of
from .features import Features
from .first import first_penalties
from .iterative import Iterative
from .left_out import Rows
from .levels import Levels, largest_factor
from .posterior import kept_levels, kept_rows
from .result import GroupRidgeResult
from .samples import Samples
from .select import by_features, by_gradients, by_levels, by_samples, choose, sizes_of
from .targets import choose_together, may_share

Array = NDArray[np.float64]

_FAR = 100  # largest exponent of numbers whose squares are far inside the range
_SMALL = 500  # number of features up to which the machine's memory is not read
_TALL = 2.0  # samples per feature beyond which one minimum is searched for
_ASIDE = (
    1e-4,
    1e-2,
    0.1,
    10.0,
    100.0,
)  # factors of all penalties that are tried for a lower minimum
_AGAIN = 3  # largest number of searches from there
_LOWER = 1e-6  # least decrease of the criterion
_NEARLY_ALL = 1e-2  # degrees of freedom left, as a share of the rows, where y is fitted exactly
_LEAST_OF_RATIOS = (1e-7, 1e-6, 1e-5, 1e-4)  # relative penalties at which the smallest is fixed
_SMALLER, _ALIKE = 0.01, 1e-6  # share of penalties, and difference of criteria, that tell nothing
_EXACT = 1e-8  # relative penalties below which y is fitted nearly exactly
_POWER = 480  # largest exponent of two that a column is multiplied by
_OUT_OF_RANGE = (
    "X has features whose squares, divided by penalty_factor or by eigenvalues of penalty_matrix,"
    " leave the range of float64; expected numbers from about 1e-150 to 1e150 times the square"
    " roots of these factors."
)
_RANGE = 2.0**1010  # of penalties, and of factors in units of the scaled columns
_LOG_2 = float(np.log(2.0))
_LOG_2_PI = float(np.log(2.0 * np.pi))


class Data:
    """Checked data, scaled by powers of two so that squares are in range.

    Attributes
    ----------
    A : Matrix (n, p)
    Y : ndarray (n, k)
    weight : ndarray (n,) or None
    d : ndarray (p,)
        Penalty factors in the units of `A`.
    power, y_power : ndarray (p,) and (k,)
        Exponents of two that columns and targets were multiplied by.
    problem : RidgeProblem
        Their rows, centred.
    """

    def __init__(self, A: Matrix, Y: Array, weight: Any, d: Array, fit_intercept: bool) -> None:
        self.A, self.Y, self.weight, self.d = A, Y, weight, d
        self.fit_intercept = fit_intercept
        p = A.n_columns
        self.power, self.y_power = np.zeros(p, np.int32), np.zeros(Y.shape[1], np.int32)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            self.problem = problem = self._problem()
            leaves = problem.leaves_range() or squares_leave_range(
                problem.column_squares(),
                problem.mean,
                problem.total,
                lambda: largest(A),
                2.0**-200,
                2.0**200,
            )
        if leaves:
            self._scale()
            self.problem = self._problem()

    def _problem(self) -> RidgeProblem:
        return RidgeProblem(
            self.A, self.Y, np.ones(1), self.weight, self.d, self.fit_intercept, check=False
        )

    def _scale(self) -> None:
        def far(peaks: Any) -> Any:
            e = exponents(peaks)
            return np.where(np.abs(e) > _FAR, -e, 0).astype(np.int32)

        # clip: factors are multiplied by squares of these powers, which must be in range too
        wanted = far(largest(self.A))
        self.power = np.clip(wanted, -_POWER, _POWER)
        if (np.abs(wanted - self.power) > _POWER).any():
            raise ValueError(_OUT_OF_RANGE)
        self.y_power = far(np.abs(self.Y).max(axis=0))
        if self.power.any():
            self.A = scaled_matrix(self.A, self.power)
            self.d = np.ldexp(self.d, 2 * self.power)
        if self.y_power.any():
            self.Y = np.asfortranarray(np.ldexp(self.Y, self.y_power))


@on_one_thread
def fit_groups(
    A: Matrix,
    Y: Array,
    weight: Any,
    d: Array,
    codes: NDArray[np.intp],
    count: int,
    *,
    fit_intercept: bool,
    criterion: str,
    tol: float,
    max_iter: int,
    solver: str = "auto",
    max_memory: float | None = None,
    n_probes: int = 32,
    seed: int = 0,
) -> tuple[GroupRidgeResult, dict[str, Any]]:
    """Return the result, and the data that posteriors need.

    A, Y (n, k), weight (n,) or None, d (p,) and codes (p,) have been checked.
    """
    used = A.n_rows if weight is None else int(np.count_nonzero(weight))
    # rows that may be fitted exactly, where the criterion is a quotient of small numbers
    exact = criterion == "gcv" and used <= A.n_columns + 1
    solver, levels = _choose(
        A, Y.shape[1], d, codes, count, criterion, solver, max_memory, n_probes, exact
    )
    given = Data(A, Y, weight, d, fit_intercept)
    kept = {
        "factor": given.d,
        "power": given.power,
        "y_power": given.y_power,
        "mean": np.ldexp(given.problem.mean, -given.power),
    }
    data: Any
    # units out of range are refused below
    with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
        if solver == "cg":
            signs = np.random.default_rng(seed).choice([-1.0, 1.0], (A.n_columns, n_probes))
            data = Iterative(given.problem, given.d, codes, count, signs)
        elif solver == "dual":
            data = Samples(given.problem, given.d, codes, count)
        elif solver == "schur":
            data = Levels(given.problem, given.d, codes, count, levels, criterion == "ml")
        else:
            data = _features(given, codes, count, criterion)
    _require_range(data.unit[data.groups.size > 0], given.d, d)
    if solver == "cg":
        return _collect_estimates(data, given, tol, max_iter), kept
    if solver == "dual":
        kept["rows"] = kept_rows(given.problem)
    elif solver == "schur":
        kept["levels"] = kept_levels(data)
    else:
        kept["gram"] = data.whole
    choice = criterion_of(criterion, data.total, data.rank)
    first = first_penalties(data, choice.left)
    found: list[Any] = [None] * data.k
    if criterion == "reml" and choice.left > 0 and may_share(data, data.k):
        _fit_together(data, choice, first, found, tol)
    for t in range(data.k):
        if found[t] is None:
            found[t] = _fit_target(data, choice, t, first[t], tol, max_iter)
            found[t].state.forget()
    return _collect(data, given, choice, found, solver), kept


def _require_range(unit: Array, scaled: Array, d: Array) -> None:
    """Refuse groups whose penalties leave the range of float64.

    unit: penalties in the units of X where relative ones are 1; scaled: the factors `d` in the
    units of the scaled X.
    """
    inside = (unit >= 1.0 / _RANGE) & (unit <= _RANGE)
    factors = (scaled >= 1.0 / _RANGE) & (scaled <= _RANGE)
    if not (inside.all() and (factors | (d == 0)).all()):
        raise ValueError(_OUT_OF_RANGE)


def _choose(A, targets, d, codes, count, criterion, asked, max_memory, probes, exact):
    """The solver, and the group that "schur" eliminates.

    exact: whether rows may be fitted exactly, as a Gram matrix of features cannot tell.
    """
    n, p = A.shape
    if asked == "auto" and n >= p and not exact and max_memory is None and p <= _SMALL:
        return "cholesky", -1
    levels = -1
    if criterion != "loo" and asked in ("auto", "schur"):
        levels = largest_factor(A, codes, count, d, 1 if asked == "schur" else p // 4)
    if asked == "schur" and criterion == "loo":
        raise ValueError(
            "solver='schur' does not support criterion='loo'; expected another criterion, or"
            " solver='cholesky' or 'dual'."
        )
    if asked == "schur" and levels < 0:
        raise ValueError(
            "solver='schur' needs a sparse X with a group of which each row has at most one"
            " non-zero feature, and there is none; expected another solver."
        )
    if asked == "cg" and criterion != "reml":
        raise ValueError(
            f"solver='cg' does not support criterion={criterion!r}; expected criterion='reml'."
        )
    ways = [by_features(A, targets, criterion)]
    if asked == "dual" or n < p or exact:
        ways.append(by_samples(A, targets, criterion, sizes_of(codes, count, d)))
        if asked == "auto" and exact and cost.fits(ways[-1].memory, max_memory):
            del ways[0]
    if levels >= 0:
        ways.append(by_levels(A, targets, criterion, int((codes == levels).sum())))
    if criterion == "reml":
        ways.append(by_gradients(A, targets, count, probes))
    return choose(ways, asked, max_memory), levels


def _features(given: Data, codes: NDArray[np.intp], count: int, criterion: str) -> Features:
    """Return the reduction to a Gram matrix of the features."""
    moments = Moments._of_matrix(given.A, given.Y, given.weight)
    sums = SumProblem(moments, np.ones(1), given.d, given.fit_intercept)
    data = Features(
        sums.gram(),
        sums.cross,
        sums.yy,
        moments.mean,
        given.d,
        codes,
        count,
        moments.total_weight,
        given.fit_intercept,
    )
    data.problem = given.problem
    if criterion == "loo":
        data.rows = rows_of(data, given.problem)
    return data


def rows_of(data: Features, problem: RidgeProblem) -> Rows:
    """Return the rows of the problem in the units of its reduction."""
    X = problem.A.rows(0, problem.n)
    Y = problem.Y
    fixed = np.zeros(problem.n)
    if problem.root is not None:
        X *= problem.root[:, None]
        Y = Y * problem.root[:, None]
    if problem.fit_intercept:
        fixed += (1.0 if problem.weight is None else problem.weight) / problem.total
    Z = X[:, data.groups.order] / data.size[data.groups.order]
    if len(data.free):
        from ...systems.lapack import solve_triangular

        F = (X[:, data.free] / data.free_size).T
        U = solve_triangular(data.free_root, F, trans="T").T
        fixed += np.einsum("ij,ij->i", U, U)
        Z -= U @ data.border
        Y = Y - U @ data.free_right
    return Rows(Z, Y / data.y_unit, fixed)


def _fit_target(data: Any, criterion: Any, t: int, start: Array, tol: float, max_iter: int) -> Any:
    search = Search(lambda alpha: data.at(alpha, t), criterion, data.groups.size, tol, max_iter)
    search.least, search.near_zero = data.least, data.near_zero
    if criterion.left <= 0 or data.yy[t] == 0:
        # the free features fit y exactly
        start = np.full(len(start), np.inf)
    choice = search.run(start)
    if criterion.may_be_zero and criterion.left < _TALL * data.groups.size.sum():
        choice = _lowest(search, choice)
    if criterion.may_be_zero:
        return _above_zero(search, criterion, choice)
    ended = choice.converged and not choice.bounded
    if _fits_all_rows(criterion, choice) and not (ended and _rises_below(search, choice)):
        found = _with_least_fixed(search, choice)
        if found is not None:
            return found._replace(bounded=False, noiseless=True)
    if choice.alpha.min() >= _EXACT:
        return choice
    if choice.bounded or not choice.converged:
        # y is fitted exactly: the likelihood is unbounded as the noise variance tends to 0
        if choice.state.is_near_singular():
            search.least = LEAST_OF_EXACT
            choice = search.run(np.maximum(choice.alpha, LEAST_OF_EXACT))
        choice = choice._replace(bounded=True)
    return choice


def _above_zero(search: Search, criterion: Any, choice: Choice) -> Choice:
    """Return a choice that has converged, with the least penalty fixed if all tend to 0 together.

    Where y can be fitted exactly, cross-validation may be smallest in the limit, in which it is the
    quotient of two numbers that vanish, and depends on the ratios of the penalties only.
    """
    if choice.converged or not _fits_all_rows(criterion, choice):
        return choice
    found = _with_least_fixed(search, choice)
    return choice if found is None else found


def _fits_all_rows(criterion: Any, choice: Choice) -> bool:
    """Return whether penalised features leave next to nothing of any y, as in wide data."""
    left = criterion.left - float(choice.state.dof.sum())
    return bool(left < _NEARLY_ALL * criterion.total)


def _rises_below(search: Search, choice: Choice) -> bool:
    """Return whether smaller penalties are worse; a search also ends where they are alike."""
    if choice.alpha.min() >= _LEAST_OF_RATIOS[0]:
        return True
    return search.value(_SMALLER * choice.alpha) > choice.value + _ALIKE


def _with_least_fixed(search: Search, choice: Choice) -> Choice | None:
    """Return the optimum with the least penalty fixed as close to 0 as it converges, or None."""
    for least in _LEAST_OF_RATIOS:
        search.least = least
        found = search.run(np.maximum(choice.alpha, least))
        if found.converged:
            return found
    return None


def _fit_together(data: Any, criterion: Any, first: Array, found: list[Any], tol: float) -> None:
    """Fill in the targets whose penalties are found together; better first ones for others."""
    targets = np.flatnonzero(data.yy > 0)
    for t, one in zip(
        targets, choose_together(data, criterion.left, targets, first, tol), strict=True
    ):
        first[t] = one.alpha
        if one.state is not None:
            found[t] = Choice(
                one.alpha, one.state, one.value, one.relative_gradient, one.n_iter, True, False
            )


def _lowest(search: Search, choice: Any) -> Any:
    """Return the lowest of the minima found by scaling all penalties, where samples are few."""
    n_iter = choice.n_iter
    for _ in range(_AGAIN):
        finite = np.isfinite(choice.alpha) & (choice.alpha > 0)
        best, start = choice.value - _LOWER, None
        for factor in _ASIDE if finite.any() else ():
            value = search.value(np.where(finite, factor * choice.alpha, choice.alpha))
            if value < best:
                best, start = value, factor * choice.alpha
        if start is None:
            break
        found = search.run(start)
        n_iter += found.n_iter
        # a search that does not converge is no reason to leave a minimum
        if not found.value < choice.value - _LOWER or choice.converged > found.converged:
            break
        choice = found
    return choice._replace(n_iter=n_iter)


def _collect(data, given, criterion, found, solver) -> GroupRidgeResult:
    problem = given.problem
    k, g = data.k, len(data.groups.size)
    alpha = np.full((k, g), np.inf)
    noise, log_evidence = np.zeros(k), np.full(k, np.inf)
    dof = np.zeros((k, g))
    for t, choice in enumerate(found):
        with np.errstate(over="ignore", under="ignore"):
            alpha[t] = choice.alpha * data.unit
        if (np.isfinite(choice.alpha) & ~np.isfinite(alpha[t])).any():
            raise ValueError(
                "X has a group of features whose penalty, in units of their squares, leaves the"
                " range of float64; expected smaller numbers."
            )
        dof[t] = choice.state.dof
    coef = data.coef([choice.state for choice in found], alpha)
    share = _shares(data, problem, coef)
    for t, choice in enumerate(found):
        state = choice.state
        if state.squares and criterion.left > 0:
            noise[t] = criterion.noise(state) * data.y_unit[t] ** 2
        if noise[t] > 0:
            log_evidence[t] = _log_evidence(data, criterion, state, noise[t], data.y_unit[t])
    intercept = problem.intercept(coef) if problem.fit_intercept else np.zeros(k)
    with np.errstate(over="ignore", under="ignore"):
        coef = np.ldexp(coef, given.power - given.y_power[:, None])
        intercept = np.ldexp(intercept, -given.y_power)
        noise = np.ldexp(noise, -2 * given.y_power)
    count = data.total if is_likelihood(criterion) else criterion.left
    log_evidence += count * _LOG_2 * given.y_power
    return GroupRidgeResult(
        coef=coef,
        intercept=intercept,
        alpha=alpha,
        noise_variance=noise,
        dof=dof,
        share=share,
        log_evidence=log_evidence,
        relative_gradient=np.array([choice.relative_gradient for choice in found]),
        n_iter=np.array([choice.n_iter for choice in found]),
        converged=np.array([choice.converged for choice in found]),
        bounded=np.array([choice.bounded and not criterion.may_be_zero for choice in found]),
        noiseless=np.array([choice.noiseless for choice in found]),
        total=data.total,
        solver=solver,
        alpha_error=np.zeros((k, g)),
        log_evidence_error=np.zeros(k),
    )


def _collect_estimates(data: Iterative, given: Data, tol, max_iter) -> GroupRidgeResult:
    problem = given.problem
    found = [data.fit(t, tol, max_iter) for t in range(data.k)]
    coef = np.array([one.coef for one in found])
    share = _shares(data, problem, coef)
    intercept = problem.intercept(coef) if problem.fit_intercept else np.zeros(data.k)
    with np.errstate(over="ignore", under="ignore"):
        coef = np.ldexp(coef, given.power - given.y_power[:, None])
        intercept = np.ldexp(intercept, -given.y_power)
        noise = np.ldexp(np.array([one.noise for one in found]), -2 * given.y_power)
    evidence = np.array([one.log_evidence for one in found])
    return GroupRidgeResult(
        coef=coef,
        intercept=intercept,
        alpha=np.array([one.alpha for one in found]),
        noise_variance=noise,
        dof=np.array([one.dof for one in found]),
        share=share,
        log_evidence=evidence + data.left * _LOG_2 * given.y_power,
        relative_gradient=np.array([one.relative_gradient for one in found]),
        n_iter=np.array([one.n_iter for one in found]),
        converged=np.array([one.converged for one in found]),
        bounded=np.zeros(data.k, dtype=bool),
        noiseless=np.zeros(data.k, dtype=bool),
        total=data.total,
        solver="cg",
        alpha_error=np.array([one.alpha_error for one in found]),
        log_evidence_error=np.array([one.log_evidence_error for one in found]),
    )


def is_likelihood(criterion: Any) -> bool:
    """Return whether fixed coefficients are maximised over, instead of integrated out."""
    return isinstance(criterion, Likelihood)


def _log_evidence(data, criterion, state, noise, y_unit) -> float:
    """Return the log restricted likelihood; for "ml" the log likelihood."""
    Q = state.Q * y_unit**2
    if is_likelihood(criterion):
        count, extra = data.total, state.border.value
    else:
        count, extra = data.total - data.rank, data.fixed
    log = np.log(noise) + _LOG_2_PI
    return -0.5 * float(count * log + Q / noise + state.log_determinant() + extra)


def _shares(data, problem, coef):
    """Return the shares (k, g) of the groups in the sum of squares of y: fits times 2 y - fit."""
    g = len(data.groups.size)
    shares = np.zeros((len(coef), g))
    for t, w in enumerate(coef):
        if data.y_squares[t] > 0:
            parts = w * (2.0 * data.right[:, t] - data.products(w))
            parts = np.where(data.is_free, 0.0, parts)
            shares[t] = np.bincount(data.codes, parts, g) / data.y_squares[t]
    return shares
