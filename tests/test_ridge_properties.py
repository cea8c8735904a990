"""Properties of every ridge problem: optimality, and equivariance in its data."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storages import KINDS, stored

import fastridge
from fastridge import reference

EPS = np.finfo(np.float64).eps


@st.composite
def problems(draw, max_n=30, max_p=30):
    """Data with zeros, repeated and constant columns, and everything optional drawn."""
    n, p = draw(st.integers(1, max_n)), draw(st.integers(1, max_p))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(n, p)) * 10.0 ** draw(st.integers(-3, 3))
    X *= rng.random((n, p)) < draw(st.sampled_from([0.1, 0.5, 1.0]))
    if draw(st.booleans()):
        X[:, rng.integers(p)] = X[:, rng.integers(p)]
    if draw(st.booleans()):
        X[:, rng.integers(p)] = draw(st.sampled_from([0.0, 0.1, -7.0]))
    y = rng.normal(size=n) + draw(st.sampled_from([0.0, 100.0]))
    weight = factor = None
    if draw(st.booleans()):
        weight = rng.uniform(0.5, 2, size=n) * (rng.random(n) < 0.8)
        weight[rng.integers(n)] = 1.0
    if draw(st.booleans()):
        factor = rng.uniform(0.5, 2, size=p) * (rng.random(p) < 0.8)
    options = {
        "sample_weight": weight,
        "penalty_factor": factor,
        "fit_intercept": draw(st.booleans()),
        "standardize": draw(st.booleans()),
    }
    return X, y, 10.0 ** draw(st.integers(-6, 6)), options


def assert_stationary(X, y, alpha, got, options, positive=False):
    """The gradient is as small as the round-off of its terms."""
    weight = options["sample_weight"]
    s = np.ones(len(X)) if weight is None else weight
    d = reference.penalties(X, weight, options["penalty_factor"], options["standardize"])
    gradient = reference.gradient(X, y, alpha, got.coef, got.intercept, sample_weight=weight, d=d)
    parts = np.abs(y) + np.abs(got.intercept) + np.abs(X) @ np.abs(got.coef)
    size = np.abs(X).T @ (s * parts) + alpha * d * np.abs(got.coef)
    # an orthogonal factorisation rounds the rows of the penalty as it does those of y
    size += np.sqrt(alpha * d) * np.linalg.norm(np.sqrt(s) * parts)
    if positive:
        gradient = np.where(got.coef > 0, gradient, gradient.clip(0))
    bound = 1e-6 * np.linalg.norm(X.T @ (s * y)) if positive else 0.0
    assert np.linalg.norm(gradient) <= 10_000 * EPS * np.linalg.norm(size) + bound
    if options["fit_intercept"]:
        residual = y - got.intercept - X @ got.coef
        assert abs(s @ residual) <= 1000 * EPS * (s @ parts)
    else:
        assert got.intercept == 0


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(problems(), st.sampled_from(KINDS), st.sampled_from(["auto", "cholesky", "dual", "qr"]))
def test_gradient_is_zero(problem, kind, solver):
    X, y, alpha, options = problem
    if solver == "dual" and X.shape[0] > X.shape[1]:
        solver = "auto"  # by samples a tall problem is singular but for alpha
    got = fastridge.ridge(stored(X, kind), y, alpha, solver=solver, **options)
    assert_stationary(X, y, alpha, got, options)
    assert got.converged


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True)
@given(problems(max_n=60, max_p=8), st.sampled_from(KINDS))
def test_projected_gradient_is_zero(problem, kind):
    X, y, alpha, options = problem
    got = fastridge.ridge(stored(X, kind), y, alpha, positive=True, tol=1e-6, **options)
    assert (got.coef >= 0).all()
    assert_stationary(X, y, alpha, got, options, positive=True)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(problems(), st.sampled_from(KINDS))
def test_no_neighbour_is_better(problem, kind):
    X, y, alpha, options = problem
    got = fastridge.ridge(stored(X, kind), y, alpha, **options)
    weight = options["sample_weight"]
    d = reference.penalties(X, weight, options["penalty_factor"], options["standardize"])
    rest = {"sample_weight": weight, "d": d}
    at = reference.objective(X, y, alpha, got.coef, got.intercept, **rest)
    scale = float((np.ones(len(X)) if weight is None else weight) @ y**2)
    np.testing.assert_allclose(got.objective, at, rtol=1e-9, atol=1e-13 * scale)
    rng = np.random.default_rng(0)
    for size in (1e-3, 1.0):
        w = got.coef + size * rng.normal(size=len(got.coef)) * (1e-3 + np.abs(got.coef))
        b = got.intercept + size * rng.normal() * options["fit_intercept"]
        assert reference.objective(X, y, alpha, w, b, **rest) >= at - 1e-12 * scale


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    problems(),
    st.sampled_from(KINDS[:2]),
    st.floats(-100, 100),
    st.floats(0.01, 100),
    st.floats(-100, 100),
    st.floats(0.01, 100),
)
def test_shift_and_scale(problem, kind, x_shift, x_scale, y_shift, y_scale):
    X, y, alpha, options = problem
    options |= {"fit_intercept": True, "penalty_factor": None}
    # a column of variance near rounding is another problem once shifted
    X = X[:, reference.column_stats(X, options["sample_weight"])[1] > 1e-6 * (X**2).mean()]
    if not X.shape[1]:
        return
    base = fastridge.ridge(stored(X, kind), y, alpha, **options)
    # the penalty counts in the units of the columns, unless they are standardised
    a = alpha if options["standardize"] else alpha * x_scale**2
    moved = fastridge.ridge(
        stored(X * x_scale + x_shift, kind), y * y_scale + y_shift, a, **options
    )
    # eps, times how far from zero the data lie, times the condition number
    s = np.ones(len(X)) if options["sample_weight"] is None else options["sample_weight"]
    spread = np.linalg.norm(np.sqrt(s)[:, None] * (X - np.average(X, axis=0, weights=s)), 2)
    d = reference.penalties(X, s, None, options["standardize"])
    condition = 1 + spread**2 / (alpha * d.min())
    far = 1 + abs(x_shift) / (x_scale * np.abs(X).max()) + abs(y_shift) / y_scale
    bound = 100 * EPS * far * condition * max(len(X), X.shape[1])
    if bound > 1e-3:
        return
    want = base.coef * y_scale / x_scale
    reach = np.linalg.norm(y - np.average(y, weights=s)) / np.sqrt(alpha * d.min())
    size = np.linalg.norm(want) + min(reach, 1 / spread) * y_scale / x_scale
    assert np.linalg.norm(moved.coef - want) <= bound * size


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", ["auto", "cholesky", "dual", "cg", "qr"])
@pytest.mark.parametrize(("n", "p"), [(40, 7), (7, 40)])
@pytest.mark.parametrize("standardize", [False, True])
def test_shift_and_scale_with_every_solver(kind, solver, n, p, standardize):
    rng = np.random.default_rng(n)
    X, y, w = rng.normal(size=(n, p)), rng.normal(size=n), rng.uniform(size=n)
    given = {"sample_weight": w, "standardize": standardize, "solver": solver, "tol": 1e-13}
    base = fastridge.ridge(stored(X, kind), y, 0.5, **given)
    shift = rng.normal(size=p)
    # standardised, each column may have a scale of its own
    scale = rng.uniform(0.1, 10, size=p) if standardize else 8.0
    alpha = 0.5 if standardize else 32.0
    moved = fastridge.ridge(stored(X * scale + shift, kind), 3 * y - 2, alpha, **given)
    np.testing.assert_allclose(moved.coef, base.coef * 3 / scale, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(
        moved.intercept, 3 * base.intercept - 2 - shift @ moved.coef, rtol=1e-9, atol=1e-9
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(problems(), st.sampled_from(KINDS), st.integers(-40, 40), st.integers(-40, 40))
def test_powers_of_two_change_nothing(problem, kind, a, b):
    # every operation scales exactly: the same bits, scaled
    X, y, alpha, options = problem
    options["standardize"] = False
    base = fastridge.ridge(stored(X, kind), y, alpha, **options)
    moved = fastridge.ridge(stored(X * 2.0**a, kind), y * 2.0**b, alpha * 4.0**a, **options)
    np.testing.assert_allclose(moved.coef, base.coef * 2.0 ** (b - a), rtol=1e-12)
    np.testing.assert_allclose(moved.intercept, base.intercept * 2.0**b, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_more_penalty_is_a_smaller_solution_and_a_larger_error(kind):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 12)), rng.normal(size=50)
    results = [fastridge.ridge(stored(X, kind), y, a) for a in np.geomspace(1e-8, 1e8, 33)]
    norms = [np.linalg.norm(r.coef) for r in results]
    assert all(a >= b * (1 - 1e-12) for a, b in itertools.pairwise(norms))
    objectives = [r.objective for r in results]
    assert all(a <= b * (1 + 1e-12) for a, b in itertools.pairwise(objectives))
