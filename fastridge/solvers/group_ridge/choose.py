"""Newton's method in the logarithms of group penalties, which may become infinite or 0.

Steps lower the criterion, up to its round-off. Directions of negative curvature are followed
downwards, so that the search does not end in a saddle. A group whose prior variance Newton's method
would make negative is dropped if the criterion is lower without it; it returns if the derivative in
its prior variance is negative. In the same way a penalty may become 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...systems import lapack
from .criteria import Criterion, Derivatives

Array = NDArray[np.float64]

_STEP = 6.0  # largest change of a logarithm in a step
_FLAT = 1e-9  # least curvature, as a share of the terms that cancel in the gradient
# sizes in the gradient below which a group of several features, and of one, may be dropped
_LITTLE, _LITTLE_OF_ONE = 2.0, 0.2
_LOOSE = 0.03  # relative gradient at which dropped groups are first tested for a return
_NEAR = 1e-4  # step beyond which a secant replaces the curvature
_HALVINGS = 20
_RAISES = 20  # largest number of times that first penalties become larger, which leaves those of 0
_SMALL = 64  # number of groups up to which eigenvalues are computed
LEAST, _MOST = 1e-14, 1e14  # relative penalties, beyond which a group is free, or out
# least penalty where rows are fitted exactly, because of round-off
LEAST_OF_EXACT = 1e-6
_SHRUNK = 0.3  # size in the gradient per feature below which steps are in the prior variance
_NEARLY_OUT = 0.95  # largest relative decrease of a prior variance in a step
_NEARLY_FREE = 1e-6  # relative penalty below which 0 is tried
_ROUNDED = 1e-3  # largest relative gradient that may count as round-off
NEAR_ZERO = 1e-10  # a penalty close to 0
_RETURNS = 20  # largest number of times that groups return
_RETURN = 1e-7  # least relative slope for which a group returns
_EPS = float(np.finfo(np.float64).eps)
_TINY = float(np.finfo(np.float64).tiny)


class Choice(NamedTuple):
    """Penalties and how they were found.

    Attributes
    ----------
    alpha : ndarray (g,)
        Relative penalties, 0 and infinite ones included.
    state : object
        The state at these penalties.
    value : float
        The criterion.
    relative_gradient : float
        Largest derivative in the logarithm of a group's penalty, over the terms that cancel in it.
    n_iter : int
    converged : bool
    bounded : bool
        Whether a penalty is at its lower bound, though a smaller one above 0 would be better.
    noiseless : bool
        Whether the criterion is best in the limit of all penalties at 0, in which it is finite.
    """

    alpha: Array
    state: Any
    value: float
    relative_gradient: float
    n_iter: int
    converged: bool
    bounded: bool
    noiseless: bool = False


def _bounded(step: Array, M: Array, right: Array, most: Array) -> Array:
    """Solve M step = right with the steps that are too long at their bounds."""
    held = np.zeros(len(step), dtype=bool)
    while True:
        over = (np.abs(step) > most) & ~held
        if not over.any():
            return step
        held |= over
        step = np.where(held, np.clip(step, -most, most), 0.0)
        free = np.flatnonzero(~held)
        if len(free):
            step[free] = np.linalg.solve(M[np.ix_(free, free)], (right - M @ step)[free])


class Search:
    """Minimise a criterion over relative penalties.

    Parameters
    ----------
    at : callable
        at(alpha) returns the state, or None where the system is not definite.
    criterion : Criterion
    size : ndarray (g,)
        Number of features of each group; the penalty of empty groups stays infinite.
    tol : float
        Relative gradient at which the search ends.
    max_iter : int
    least : float
        Least penalty above 0.

    Attributes
    ----------
    near_zero : float
        Penalty close to 0 at which the derivative at 0 is taken.
    """

    near_zero = NEAR_ZERO

    def __init__(
        self,
        at: Callable[[Array], Any],
        criterion: Criterion,
        size: NDArray[np.intp],
        tol: float,
        max_iter: int,
        least: float = LEAST,
    ) -> None:
        self.least = least
        self.at, self.criterion, self.size = at, criterion, size
        self.tol, self.max_iter = tol, max_iter

    def _try(self, alpha: Array) -> tuple[Any, float]:
        state = self.at(alpha)
        if state is None:
            return None, np.inf
        value = self.criterion.value(state)
        return state, np.inf if np.isnan(value) else value

    def value(self, alpha: Array) -> float:
        """Return the criterion, infinite where the system is not definite."""
        return self._try(alpha)[1]

    def run(self, alpha: Array) -> Choice:
        alpha = np.where(self.size > 0, alpha, np.inf)
        state, value = self._try(alpha)
        for _ in range(_RAISES):
            if np.isfinite(value):
                break
            if value == -np.inf or not np.isfinite(alpha).any() or alpha.min() > _MOST:
                break
            alpha = alpha * 100.0
            state, value = self._try(alpha)
        if not np.isfinite(value):
            # the free features fit y exactly: the criterion is unbounded
            alpha = np.full(len(alpha), np.inf)
            state, value = self._try(alpha)
            return Choice(alpha, state, value, 0.0, 0, True, False)
        n_iter, returned, looked = 0, 0, False
        while True:
            found, rounding = self.criterion.derivatives(state), self.criterion.rounding(state)
            inside = np.isfinite(alpha) & (alpha > 0) & ~self._held(found, alpha)
            relative = self._relative(found, inside, rounding)
            converged = relative <= max(self.tol, min(rounding, _ROUNDED))
            if not converged and n_iter >= self.max_iter:
                break
            slack = 64 * _EPS * abs(value) + 4.0 * rounding * self.criterion.total
            moved = None
            if not converged:
                if relative <= _LOOSE and not looked:
                    # let groups return before the others have converged
                    looked = True
                    moved = self._come_back(alpha, state, value, 16.0 * slack, relative)
                if moved is None:
                    moved = self._move(found, state, alpha, value, inside, slack)
                else:
                    looked = False
            if moved is None:
                # at the minimum over the active groups, up to round-off
                moved = self._come_back(alpha, state, value, 16.0 * slack)
                if moved is None:
                    break
                returned, looked = returned + 1, False
                if returned > _RETURNS:
                    converged = False
                    break
            n_iter += 1
            alpha, state, value = moved
        lowest = (alpha > 0) & (alpha <= 1.001 * self.least) & (found.gradient > 0)
        return Choice(alpha, state, value, relative, n_iter, converged, bool(lowest.any()))

    def _held(self, found: Derivatives, alpha: Array) -> Any:
        """Return the groups at a bound beyond which the criterion would be lower."""
        g = found.gradient
        return ((alpha <= 1.001 * self.least) & (g > 0)) | ((alpha >= _MOST) & (g < 0))

    def _relative(self, found: Derivatives, inside: Any, rounding: float) -> float:
        """Return the relative gradient over the active groups."""
        g, size = found.gradient[inside], found.size[inside]
        # floor the size of groups that fit less than the round-off of the criterion
        least = rounding * (self.criterion.total + self.size[inside])
        return float((np.abs(g) / np.maximum(size, least)).max(initial=0.0))

    def _move(
        self, found: Derivatives, state: Any, alpha: Array, value: float, inside: Any, slack: float
    ) -> Any:
        """Return a step that lowers the criterion; None if there is none."""
        chosen = np.flatnonzero(inside)
        g = found.gradient[chosen]
        H = found.hessian_of(chosen)
        curvature = np.diagonal(H).copy()
        ones = self.size[chosen] == 1
        alone = self.criterion.alone(state)
        if alone is not None and ones.any():
            # the minimum over one penalty is known: use the secant to it instead of the curvature
            to = np.clip(alone[chosen], -_STEP, _STEP)
            far = ones & (np.abs(to) > _NEAR) & (g * to < 0)
            H[far, far] = -g[far] / to[far]
        share = found.size[chosen] / self.size[chosen]
        # strongly shrunk groups step in the prior variance, where the criterion is quadratic
        bent = ~ones & (share < _SHRUNK) & (curvature + g > _FLAT * found.size[chosen])
        passes = ~ones & (g < 0) & (curvature + 2.0 * g <= 0)
        bent &= ~passes & (g < 0)
        H[bent, bent] += g[bent]
        step = self._newton(g, H, np.maximum(found.size[chosen], 1e-300))
        plain = step
        step = np.where(bent, -np.log1p(-np.minimum(step, _NEARLY_OUT)), step)
        step[passes] = np.maximum(step[passes], -np.log1p(-_NEARLY_OUT))
        if not g @ step < 0:
            step = plain
        rho = np.log(alpha[chosen])
        lower, upper = np.log(self.least), np.log(_MOST)
        # groups for which Newton's step in the prior variance, or in the penalty, crosses 0
        leaves = (g < 0) & (curvature + 2.0 * g <= 0)
        # drop groups only where they fit little, as they might return
        little = found.size[chosen] < np.where(ones, _LITTLE_OF_ONE, _LITTLE)
        if not passes.all() and np.abs(step[~passes]).max(initial=0.0) < 1.0:
            little |= passes
        leaves &= little
        if alone is not None:
            leaves |= ones & (g < 0) & np.isposinf(alone[chosen]) & little
        leaves |= (g <= 0) & (alpha[chosen] > 1e10)
        free = np.zeros(len(chosen), dtype=bool)
        if self.criterion.may_be_zero:
            free = (g > 0) & (curvature - 2.0 * g <= 0) & (alpha[chosen] < _NEARLY_FREE)
        best: Any = None
        if leaves.any() or free.any():
            for t in (1.0, 0.0):
                trial = alpha.copy()
                trial[chosen] = np.exp(np.clip(rho + t * step, lower, upper))
                trial[chosen[leaves]] = np.inf
                trial[chosen[free]] = 0.0
                state, found_value = self._try(trial)
                if found_value <= value + slack:
                    best = trial, state, found_value
                    break
        slope = float(g @ step)
        t = 1.0
        for _ in range(_HALVINGS):
            moved = np.clip(rho + t * step, lower, upper)
            if best is not None:
                break
            trial = alpha.copy()
            trial[chosen] = np.exp(moved)
            state, found_value = self._try(trial)
            if found_value < value and found_value <= value + 1e-4 * t * slope:
                best = trial, state, found_value
            elif found_value <= value + slack and abs(slope) * t < 1e6 * slack:
                # within the round-off of the criterion, compare gradients
                after = self.criterion.derivatives(state)
                before = self._relative(found, inside, _TINY)
                if self._relative(after, inside, _TINY) >= 0.9 * before:
                    return None
                best = trial, state, found_value
            t *= 0.5 if t > 0.1 else 0.1
        return best

    @staticmethod
    def _newton(g: Array, H: Array, size: Array) -> Array:
        """Return Newton's step, which descends along negative curvature too."""
        root = np.sqrt(size)
        scaled = H / root / root[:, None]
        right = -g / root
        if len(g) <= _SMALL:
            values, vectors = np.linalg.eigh(scaled)
            values = np.maximum(np.abs(values), _FLAT)
            step = vectors @ ((vectors.T @ right) / values)
            if (np.abs(step) > _STEP * root).any():
                step = _bounded(step, (vectors * values) @ vectors.T, right, _STEP * root)
        else:
            step = None
            extra = 0.0
            while step is None:
                M = np.array(scaled, order="F")
                M.flat[:: len(M) + 1] += extra
                try:
                    step = lapack.solve_factored(lapack.factor(M), right)
                except np.linalg.LinAlgError:
                    extra = max(0.02, 4.0 * extra)
        step = np.clip(step / root, -_STEP, _STEP)
        if not g @ step < 0:
            step = np.clip(-g / size, -_STEP, _STEP)
        return step

    def _come_back(
        self, alpha: Array, state: Any, value: float, least: float, share: float = 0.0
    ) -> Any:
        """Let groups return where that lowers the criterion; None: no group returns.

        share: least slope of a returning group, relative to the largest.
        """
        found = self._from_infinity(alpha, state, value, least, share)
        if found is None and not share:
            found = self._from_zero(alpha, value, least)
        return found

    def _from_infinity(
        self, alpha: Array, state: Any, value: float, least: float, share: float
    ) -> Any:
        out = ~np.isfinite(alpha) & (self.size > 0)
        if not out.any():
            return None
        slopes = self.criterion.entering(state)
        alone = self.criterion.entering_alone(state)
        if alone is not None:
            returns = out & np.isfinite(alone) & (self.size == 1)
            returns &= slopes < -max(share, _RETURN) * np.abs(slopes).max()
            while returns.any():
                # each at its minimum with the others fixed
                trial = np.where(returns, np.clip(alone, self.least, _MOST), alpha)
                state_there, found = self._try(trial)
                if found < value - least:
                    return trial, state_there, found
                strong = returns & (slopes <= np.median(slopes[returns]))
                if strong.sum() == returns.sum():
                    break
                returns = strong
        if share:
            return None
        scale = state.outside.scale
        # try prior variances from small ones on, in units of the group's share of the Gram matrix
        unit = scale / np.maximum(self.size, 1)
        tries = np.logspace(4.0, -6.0, 11)[:, None] * unit
        returns = out & (slopes < -_RETURN * scale)
        while returns.any():
            found = self._enter(alpha, value, returns, tries, least)
            strong = returns & (slopes <= np.median(slopes[returns]))
            if found is not None or strong.sum() == returns.sum():
                return found
            returns = strong
        return None

    def _from_zero(self, alpha: Array, value: float, least: float) -> Any:
        zero = alpha == 0
        if not zero.any():
            return None
        # the derivative in the logarithm vanishes at 0: take its sign close to 0
        state, _ = self._try(np.where(zero, self.near_zero, alpha))
        if state is None:
            return None
        near = self.criterion.derivatives(state)
        returns = zero & (near.gradient < -_RETURN * near.size)
        if not returns.any():
            return None
        tries = np.logspace(-8.0, 3.0, 12)[:, None]
        return self._enter(alpha, value, returns, tries, least)

    def _enter(self, alpha: Array, value: float, returns: Any, tries: Array, least: float) -> Any:
        """Return the best of several rows of penalties for returning groups."""
        best = None
        for penalties in tries:
            trial = np.where(returns, penalties, alpha)
            state, found = self._try(trial)
            if found < value - least:
                best, value = (trial, state, found), found
            elif best is not None:
                break
        return best
