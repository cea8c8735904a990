"""Ill-conditioned problems against solutions in 80 digits.

The measure is the relative error of the solution in units of its columns, || D (w - w*) || /
|| D w* || with D the lengths of the columns of B = [S (X - 1 m'); sqrt(alpha diag(d))], which
scaling the columns does not change. With k = cond(B / D), Householder's method is off by up to

    8 p eps (k + k^2 || residual || / || B w* ||),

the effect of rounding the data (Bjorck 1996, theorem 1.4.6), and the normal equations by p eps k^2.
The second term is a worst case, which with refinement by the residual from X no problem here comes
near: it is allowed sqrt(eps) at the most, and the normal equations alone would need far more.
"""

import itertools

import mpmath
import numpy as np
import pytest
from storages import stored

import fastridge

EPS = np.finfo(np.float64).eps
KINDS = ["C", "F", "csr", "csc"]


def exact(X, y, alpha, weight=None, d=None, fit_intercept=True):
    """Coefficients, intercept, objective and the bound above, by normal equations in 80 digits."""
    n, p = X.shape
    with mpmath.workdps(80):
        number = np.vectorize(mpmath.mpf, otypes=[object])
        A, z = number(X), number(y)
        s = number(np.ones(n) if weight is None else weight)
        d = number(np.ones(p) if d is None else d) * mpmath.mpf(alpha)
        total = s.sum()
        mean = (s @ A) / total if fit_intercept else number(np.zeros(p))
        y_mean = (s @ z) / total if fit_intercept else mpmath.mpf(0)
        A, z = A - mean, z - y_mean
        H = (A.T * s) @ A + np.diag(d)
        b = (A.T * s) @ z
        # in units of the columns, so that the digits are spent on the condition alone
        size = np.array([mpmath.sqrt(h) for h in np.diag(H)])
        solution = mpmath.lu_solve(
            mpmath.matrix((H / size / size[:, None]).tolist()), mpmath.matrix((b / size).tolist())
        )
        w = np.array(list(solution)) / size
        r = z - A @ w
        objective = s @ r**2 + d @ w**2
        intercept = y_mean - mean @ w
        fitted = (A @ w) * np.array([mpmath.sqrt(v) for v in s])
        penalised = w * np.array([mpmath.sqrt(v) for v in d])
        B = np.vstack([np.array([mpmath.sqrt(v) for v in s])[:, None] * A / size,
                       np.diag([mpmath.sqrt(v) for v in d / size**2])]).astype(float)  # fmt: skip
        first = 8 * p * EPS * np.linalg.cond(B)
        ratio = float(mpmath.sqrt(objective) / mpmath.norm(list(np.hstack([fitted, penalised]))))
        bound = first + min(first * np.linalg.cond(B) * ratio, np.sqrt(EPS))
        return w, intercept, objective, bound, size


def error(got, want, size):
    """In units of the columns."""
    with mpmath.workdps(80):
        off = [(mpmath.mpf(float(a)) - b) * c for a, b, c in zip(got, want, size, strict=True)]
        return float(mpmath.norm(off) / mpmath.norm(list(want * size)))


def hilbert():
    """Condition 2e8."""
    i, j = np.arange(15.0)[:, None], np.arange(7.0)
    return 1 / (i + j + 1), np.sin(np.arange(15.0))


def polynomial():
    """Powers 1 to 9 of 40 points in [0, 1]: condition 1e7."""
    x = np.linspace(0, 1, 40)
    return x[:, None] ** np.arange(1, 10), np.exp(x) + 1e-3 * np.cos(50 * x)


def economy():
    """Like Longley's: sixteen years of six series that all grow together, of very unlike sizes."""
    rng = np.random.default_rng(0)
    t = np.arange(16.0)
    year = 1947 + t
    price = 83 + 2 * t + rng.normal(size=16)
    product = 234_000 + 20_000 * t + 4000 * rng.normal(size=16)
    people = 107_600 + 1500 * t + 30 * rng.normal(size=16)
    idle = 2300 + 900 * rng.random(16)
    army = 1500 + 600 * rng.random(16)
    X = np.column_stack([price, product, idle, army, people, year])
    return X, 60_000 + 0.03 * product - 0.5 * idle + 300 * rng.normal(size=16)


def far_from_zero():
    """Means of 1e8 beside standard deviations of 1."""
    rng = np.random.default_rng(1)
    return 1e8 + rng.normal(size=(30, 5)), 1e6 + rng.normal(size=30)


def near_copies():
    """Columns that differ by one part in a million."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(25, 6))
    X[:, 3:] = X[:, :3] + 1e-6 * rng.normal(size=(25, 3))
    return X, X[:, 0] - X[:, 3] + rng.normal(size=25)


def unlike_scales():
    """Columns of lengths 1e-8 to 1e8."""
    rng = np.random.default_rng(3)
    scale = 10.0 ** np.array([-8, -4, 0, 4, 8])
    X = rng.normal(size=(20, 5)) * scale
    return X, rng.normal(size=20) + X @ (1 / scale)


def few_samples_of_unlike_scales():
    """The same, wider than tall."""
    rng = np.random.default_rng(4)
    scale = 10.0 ** np.array([-8, -4, 0, 4, 8, -6, 2, 6, -2, 1, 3, -3])
    X = rng.normal(size=(6, 12)) * scale
    return X, rng.normal(size=6) + X @ (1 / scale)


def few_samples_far_from_zero():
    """Means of 1e8 beside standard deviations of 1, wider than tall."""
    rng = np.random.default_rng(5)
    return 1e8 + rng.normal(size=(7, 15)), 1e6 + rng.normal(size=7)


TALL = [hilbert, polynomial, economy, far_from_zero, near_copies, unlike_scales]
WIDE = [few_samples_of_unlike_scales, few_samples_far_from_zero]
ALPHAS = [1e-12, 1e-8, 1e-4, 1.0, 1e4, 1e8, 1e12]


@pytest.mark.parametrize(
    ("make", "alpha"),
    [
        *itertools.product(TALL, [0.0, *ALPHAS]),
        # a mean of 1e8 is itself rounded by 1e-8, which a small alpha blows up
        *[(m, a) for m, a in itertools.product(WIDE, ALPHAS) if m is WIDE[0] or a >= 1e-4],
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.slow
def test_solution(make, alpha, fit_intercept):
    X, y = make()
    w, intercept, objective, bound, size = exact(X, y, alpha, fit_intercept=fit_intercept)
    # sums about zero lose what centring takes away, where means are 1e8 times deviations
    far = fit_intercept and make in (far_from_zero, few_samples_far_from_zero)
    for kind, solver in itertools.product(KINDS[:2] if far else KINDS, ["auto", "cholesky", "qr"]):
        got = fastridge.ridge(stored(X, kind), y, alpha, fit_intercept=fit_intercept, solver=solver)
        # a factor by samples does not see the units of the columns
        within = max(bound, 1e-9) if got.solver == "dual" else bound
        assert error(got.coef, w, size) <= within, (kind, solver)
        # sizes of what is summed: a difference of means, and residuals of rounded parts
        reach = np.abs(X).max(axis=0) @ np.abs(w.astype(float)) + np.abs(y).max()
        assert abs(got.intercept - float(intercept)) <= (within + 8 * EPS) * reach, (kind, solver)
        # the objective moves by 2 r'e with rounding e, and by the square of the error
        r, e = float(objective) ** 0.5, 16 * EPS * reach * len(X) ** 0.5
        last = max(within, 1e-7 * (got.solver == "dual"))  # that of before the last correction
        moved = len(w) * last**2 * np.sum((size * w).astype(float) ** 2)
        tolerance = 1e-13 * r**2 + 2 * r * e + e**2 + moved
        assert abs(got.objective - float(objective)) <= tolerance, (kind, solver)


@pytest.mark.parametrize("make", [hilbert, polynomial, near_copies], ids=lambda m: m.__name__)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", ["auto", "cholesky", "dual", "qr"])
@pytest.mark.slow
def test_weights_and_factors(make, kind, solver):
    X, y = make()
    rng = np.random.default_rng(0)
    weight, d = rng.uniform(0.1, 10, size=len(X)), rng.uniform(0.1, 10, size=X.shape[1])
    d[0] = 0
    w, intercept, _, bound, size = exact(X, y, 1e-4, weight, d)
    got = fastridge.ridge(
        stored(X, kind), y, 1e-4, sample_weight=weight, penalty_factor=d, solver=solver
    )
    assert error(got.coef, w, size) <= (2 * bound if solver == "dual" else bound)
    reach = np.abs(X).max(axis=0) @ np.abs(w.astype(float)) + np.abs(y).max()
    assert abs(got.intercept - float(intercept)) <= (bound + 8 * EPS) * reach


@pytest.mark.parametrize("alpha", [1e-12, 1e-8])
def test_residuals_add_up_to_zero_by_samples_too(alpha):
    X, y = few_samples_far_from_zero()
    w, _, _, bound, size = exact(X, y, alpha)
    got = fastridge.ridge(X, y, alpha, solver="dual")
    assert got.solver == "dual"
    assert error(got.coef, w, size) <= bound


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tol", [1e-4, 1e-8, 1e-12])
def test_conjugate_gradients_reach_what_was_asked_for(kind, tol):
    X, y = economy()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    w, _, _, _, size = exact(X, y, 0.1)
    got = fastridge.ridge(stored(X, kind), y, 0.1, solver="cg", tol=tol)
    # H (w - w*) = gradient: the error is at most cond(H) times the relative gradient
    H = X.T @ X + 0.1 * np.eye(6)
    assert error(got.coef, w, size / size) <= tol * np.linalg.cond(H)


def test_the_measure_sees_the_normal_equations():
    """The accuracy required above is beyond that of a Gram matrix alone."""
    X, y = near_copies()
    w, _, _, bound, size = exact(X, y, 0.0)
    Z, z = X - X.mean(axis=0), y - y.mean()
    assert error(np.linalg.solve(Z.T @ Z, Z.T @ z), w, size) > 100 * bound
