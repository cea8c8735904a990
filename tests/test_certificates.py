"""Certificates hold on adversarial problems, judged by solutions in extended precision.

The bound that is tested, and documented for users: a fit without a warning has coefficients w with

    |w - w*|_H <= TOL |w*|_H + C eps sum_j |w_j| sqrt(H_jj),

H the system's matrix (of the weighted, centred columns, with the penalty) and eps that of the
type of X. The second part is what rounding each coefficient costs: it matters for columns that are
nearly copies of each other alone.
"""

import warnings

import numpy as np
import problems
import pytest

import fastridge

pytestmark = pytest.mark.skipif(not problems.IS_LONG, reason="long double is no wider than double")

PARTS, OF_RIDGE, OF_NETS = 10, 300, 250
TOL, C = 1e-6, 100


def penalty_of(problem, rng):
    X, _, s, _, _ = problems.centred(problem, True)
    return (float((s @ X**2).mean()) or 1.0) * 10.0 ** rng.uniform(-8, 2)


def ridge_error(problem, alpha, coef):
    """Error of the coefficients over the bound."""
    w, _ = problems.ridge(problem, alpha)
    size, spread = problems.energy(problem, alpha, w)
    error, _ = problems.energy(problem, alpha, coef.astype(problems.LONG) - w)
    bound = TOL * size + C * float(np.finfo(coef.dtype).eps) * spread
    return error / bound if bound else error


def quietly(fit):
    """Return the result, and whether there was a warning."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        result = fit()
    return result, bool(seen)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_ridge(part):
    wrong, warned = [], 0
    for seed in range(part * OF_RIDGE, (part + 1) * OF_RIDGE):
        problem, rng = problems.make(seed), np.random.default_rng([seed, 1])
        alpha = penalty_of(problem, rng)
        model = fastridge.Ridge(alpha)
        _, said = quietly(lambda m=model, p=problem: m.fit(p.stored, p.y, p.weight))
        warned += said
        assert np.isfinite(model.relative_gradient_)
        if not said and ridge_error(problem, alpha, model.coef_) > 1:
            wrong.append(seed)
    assert not wrong
    assert warned <= OF_RIDGE // 50


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["qr", "dual"])
def test_other_solvers(solver):
    wrong = []
    for seed in range(400):
        problem, rng = problems.make(seed), np.random.default_rng([seed, 1])
        alpha = penalty_of(problem, rng)
        model = fastridge.Ridge(alpha, solver=solver)
        _, said = quietly(lambda m=model, p=problem: m.fit(p.stored, p.y, p.weight))
        if not said and ridge_error(problem, alpha, model.coef_) > 1:
            wrong.append(seed)
    assert not wrong


@pytest.mark.slow
def test_conjugate_gradients():
    """relative_error_ bounds |w - w*|_H / sqrt(F), F the objective at w."""
    wrong, warned = [], 0
    for seed in range(600):
        problem, rng = problems.make(seed), np.random.default_rng([seed, 1])
        alpha = penalty_of(problem, rng)
        model = fastridge.Ridge(alpha, solver="cg")
        _, said = quietly(lambda m=model, p=problem: m.fit(p.stored, p.y, p.weight))
        warned += said
        w, _ = problems.ridge(problem, alpha)
        X, y, s, _, _ = problems.centred(problem, True)
        coef = model.coef_.astype(problems.LONG)
        root = float(np.sqrt(s @ (y - X @ coef) ** 2 + alpha * (coef @ coef)))
        error, _ = problems.energy(problem, alpha, coef - w)
        _, spread = problems.energy(problem, alpha, w)
        rounding = C * float(np.finfo(model.coef_.dtype).eps) * spread
        if not said and error > model.tol * root + rounding:
            wrong.append(seed)
    assert not wrong
    assert warned <= 60


@pytest.mark.slow
def test_paths_and_moments():
    wrong = []
    for seed in range(400):
        problem, rng = problems.make(seed), np.random.default_rng([seed, 1])
        alpha = penalty_of(problem, rng)
        path, said = quietly(
            lambda p=problem, a=alpha: fastridge.ridge_path(
                p.stored, p.y, [10 * a, a], sample_weight=p.weight
            )
        )
        if not said and ridge_error(problem, alpha, path.coef[1]) > 1:
            wrong.append((seed, "path"))
        try:
            moments = fastridge.Moments(problem.stored, problem.y, problem.weight)
        except ValueError as error:
            # weights for which sums would lose the light rows are refused
            if "sample_weight has" not in str(error) or problem.weight.max() < 1e12:
                raise
            continue
        found, said = quietly(lambda m=moments, a=alpha: fastridge.ridge(m, alpha=a))
        if not said and ridge_error(problem, alpha, found.coef) > 1:
            wrong.append((seed, "moments"))
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_nets(part):
    """The objective is within tol of its minimum, over the null objective, or a warning says so."""
    wrong, warned = [], 0
    for seed in range(part * OF_NETS, (part + 1) * OF_NETS):
        problem, rng = problems.make(seed), np.random.default_rng([seed, 2])
        X, y, s, _, _ = problems.centred(problem, True)
        l1_ratio = float(rng.choice([1.0, 0.9, 0.5]))
        largest = float(np.abs(X.T @ (s * y)).max() / s.sum()) or 1.0
        alpha = largest * 10.0 ** rng.uniform(-4, 0) / l1_ratio
        model = fastridge.ElasticNet(alpha, l1_ratio=l1_ratio)
        _, said = quietly(lambda m=model, p=problem: m.fit(p.stored, p.y, p.weight))
        sharp = fastridge.ElasticNet(alpha, l1_ratio=l1_ratio, tol=1e-12)
        quietly(lambda m=sharp, p=problem: m.fit(p.X.astype(np.float64), p.y, p.weight))
        objective, dual, null = problems.lasso_gap(problem, model.coef_, alpha, l1_ratio)
        least, best, _ = problems.lasso_gap(problem, sharp.coef_, alpha, l1_ratio)
        warned += said
        slack = 1e-12 if model.coef_.dtype == np.float64 else 1e-5
        assert np.isfinite(model.relative_gap_)
        # duality bounds the minimum from below, as far as the residual of an exact fit is exact
        if least - max(best, dual) > 1e-3 * (null or 1.0):
            wrong.append((seed, "bound"))
        if objective - least > (model.relative_gap_ + slack) * (null or 1.0):
            wrong.append((seed, "fit"))
    assert not wrong
    assert warned <= OF_NETS // 50
