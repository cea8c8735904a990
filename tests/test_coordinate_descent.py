"""Elastic net and lasso: optimality, valid certificates, and equal results of all solvers."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from storages import stored

import fastridge
from fastridge import Moments, elastic_net, reference
from fastridge.exceptions import ConvergenceWarning

SOLVERS = ["gram", "working", "columns"]
KINDS = ["C", "F", "csr", "csc", "csc int64"]


@st.composite
def problems(draw):
    """Draw data with zeros, repeated and constant columns, and all optional arguments."""
    n, p = draw(st.sampled_from([1, 2, 3, 8, 30])), draw(st.sampled_from([1, 2, 5, 20, 50]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(n, p)) * rng.choice([0.1, 1.0, 10.0], p) + rng.choice([0.0, 0.0, 3.0])
    X *= rng.random((n, p)) < draw(st.sampled_from([0.0, 0.3, 1.0, 1.0]))
    if draw(st.booleans()):
        X[:, rng.integers(p)] = X[:, rng.integers(p)]
    if draw(st.booleans()):
        X[:, rng.integers(p)] = draw(st.sampled_from([0.0, 5.0]))
    y = X @ (rng.normal(size=p) * (rng.random(p) < 0.3)) + rng.normal(size=n)
    y += draw(st.sampled_from([0.0, 10.0]))
    weight = factor = lower = upper = None
    if draw(st.booleans()):
        weight = rng.uniform(0.2, 2, size=n) * (rng.random(n) < 0.8)
        weight[rng.integers(n)] = 1.0
    if draw(st.booleans()):
        factor = rng.uniform(0.2, 2, size=p)
        factor[rng.random(p) < min(0.3, n / 3 / p)] = 0
    if draw(st.booleans()):
        lower = -rng.random(p) * (rng.random(p) < 0.7)
    if draw(st.booleans()):
        upper = 0.05 + rng.random(p) * rng.choice([0.1, 1.0, np.inf], p)
        if draw(st.booleans()):
            lower = np.full(p, 0.04)
    options = {
        "sample_weight": weight,
        "penalty_factor": factor,
        "lower": lower,
        "upper": upper,
        "fit_intercept": draw(st.booleans()),
        "standardize": draw(st.booleans()),
        "l1_ratio": draw(st.sampled_from([0.0, 1e-3, 0.5, 0.9, 1.0])),
    }
    largest = reference.largest_alpha(
        X,
        y,
        sample_weight=weight,
        fit_intercept=options["fit_intercept"],
        standardize=options["standardize"],
    )
    return X, y, float(largest * draw(st.sampled_from([2.0, 1.0, 0.5, 0.1, 0.01]))), options


def in_solver_units(X, y, alpha, options, result):
    q = reference.elastic_net_problem(X, y, alpha, **options)
    return q, np.asarray(result.coef, np.float64) * q.scale


def rounding(q, u):
    """Return the round-off of the objective."""
    parts = q.s @ (np.abs(q.y) + np.abs(q.A) @ np.abs(u)) ** 2 + q.l1 @ np.abs(u) + q.l2 @ u**2
    return 1e-11 * max(parts, q.null)


def check(X, y, alpha, options, result, tol, floor=np.inf):
    """Check feasibility, the reported objective, and that its gap bounds the error to `floor`."""
    q, u = in_solver_units(X, y, alpha, options, result)
    assert result.converged
    assert 0 <= result.relative_gap <= tol
    assert (u >= q.lower - 1e-14 * np.abs(q.lower)).all()
    assert (u <= q.upper + 1e-14 * np.abs(q.upper)).all()
    coef, intercept = reference.elastic_net_coef(q, u)
    size = np.abs(y).max() + np.abs(X).max(axis=0) @ np.abs(coef)
    if options["fit_intercept"]:
        assert abs(result.intercept - intercept) <= 1e-12 * size
    else:
        assert result.intercept == 0
    value = reference.elastic_net_objective(q, u)
    slack = rounding(q, u)
    assert abs(value - result.objective) <= slack
    assert result.objective - floor <= result.relative_gap * q.null + slack


def free_are_dependent(X, options):
    """Return whether columns without penalty or bounds depend on each other by their rank."""
    factor, weight = options["penalty_factor"], options["sample_weight"]
    if factor is None or options["lower"] is not None or options["upper"] is not None:
        return False
    free = X[:, factor == 0]
    weight = np.ones(len(X)) if weight is None else weight
    if options["fit_intercept"]:
        free = free - np.average(free, axis=0, weights=weight)
    free = free * np.sqrt(weight)[:, None]
    free = free[:, np.linalg.norm(free, axis=0) > 1e-12 * np.abs(X).max()]
    return free.shape[1] > 1 and np.linalg.matrix_rank(free, 1e-10) < free.shape[1]


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(problems())
def test_every_problem_every_way(problem):
    X, y, alpha, options = problem
    exact = elastic_net(X, y, alpha, tol=1e-11, **options)
    check(X, y, alpha, options, exact, 1e-11)
    q, u = in_solver_units(X, y, alpha, options, exact)
    # an independent lower bound: the dual value of the residual, scaled to be feasible
    theta = q.y - q.A @ u
    v = np.abs(q.A.T @ (q.s * theta))
    slack = 1e-7 * np.sqrt((q.s @ q.A**2) * (q.s @ q.y**2))
    over = (v > q.l1) & (q.l1 > 0)
    shrink = (q.l1[over] / v[over]).min(initial=1.0)
    floor = max(reference.elastic_net_dual(q, t * theta, slack) for t in (1.0, shrink))
    assert floor >= exact.objective - 1e-6 * q.null
    dependent = free_are_dependent(X, options)
    for kind, solver in itertools.product(KINDS, SOLVERS):
        result = elastic_net(stored(X, kind), y, alpha, solver=solver, tol=1e-5, **options)
        assert result.solver == ("working" if dependent else solver)
        check(X, y, alpha, options, result, 1e-5, exact.objective - 1e-11 * q.null)
    if options["sample_weight"] is None or options["sample_weight"].all():
        weight = options["sample_weight"]
        rest = {k: v for k, v in options.items() if k != "sample_weight"}
        result = elastic_net(Moments(X, y, weight), None, alpha, tol=1e-5, **rest)
        check(X, y, alpha, options, result, 1e-5, exact.objective - 1e-11 * q.null)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 120)) + rng.normal(size=(80, 1))
    X[rng.random(X.shape) < 0.4] = 0
    y = X[:, :6] @ [3.0, -2.0, 1.5, -1.0, 0.5, 2.0] + rng.normal(size=80) + 5
    weight = rng.uniform(0.2, 3.0, size=80)
    return X, y, weight


VARIANTS = {
    "plain": {},
    "no intercept": {"fit_intercept": False},
    "standardize": {"standardize": True},
    "factors": {"penalty_factor": np.r_[0.0, 0.0, np.linspace(0.2, 3, 118)]},
    "bounds": {"lower": -0.2, "upper": np.r_[np.full(60, 0.1), np.full(60, np.inf)]},
    "positive": {"lower": 0.0},
    "away from zero": {"lower": np.r_[0.1, np.full(119, -np.inf)], "upper": 0.5},
    "everything": {
        "standardize": True,
        "penalty_factor": np.r_[0.0, np.linspace(0.2, 3, 119)],
        "lower": -0.3,
        "upper": 0.4,
    },
}


@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_optimality_conditions(data, variant, weighted, l1_ratio):
    X, y, weight = data
    options = dict(VARIANTS[variant], l1_ratio=l1_ratio, sample_weight=weight if weighted else None)
    options = {"fit_intercept": True, "standardize": False} | options
    largest = reference.largest_alpha(X, y)
    for alpha, solver in itertools.product([0.3 * largest, 0.02 * largest], SOLVERS):
        bounds = options.get("lower"), options.get("upper")
        lower, upper = (None if b is None else np.broadcast_to(b, 120) for b in bounds)
        q = reference.elastic_net_problem(
            X, y, alpha, **(options | {"lower": lower, "upper": upper})
        )
        result = elastic_net(X, y, alpha, solver=solver, tol=1e-13, **options)
        u = result.coef * q.scale
        if lower is not None:
            u = np.where(result.coef == lower, q.lower, u)
        if upper is not None:
            u = np.where(result.coef == upper, q.upper, u)
        # P is 1-strongly convex in A u: a gap e leaves gradients within sqrt(2 e a_j'S a_j)
        violation = reference.elastic_net_violation(q, u)
        assert violation.max() <= 1e-6 * np.sqrt(2 * q.null * (q.s @ q.A**2).max())


@pytest.mark.slow
def test_same_as_plain_coordinate_descent(data):
    X, y, weight = data
    options = {"sample_weight": weight, "l1_ratio": 0.8, "upper": np.full(120, 0.4)}
    q = reference.elastic_net_problem(X, y, 0.1, **options)
    coef, intercept = reference.elastic_net_coef(q, reference.elastic_net(q, tol=1e-9))
    for solver in SOLVERS:
        result = elastic_net(X, y, 0.1, solver=solver, tol=1e-14, **options)
        assert_allclose(result.coef, coef, atol=1e-6)
        assert_allclose(result.intercept, intercept, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
@pytest.mark.slow
def test_same_as_scikit_learn(data, kind, solver, l1_ratio):
    X, y, weight = data
    for alpha, intercept, positive in [(0.3, True, False), (0.05, False, False), (0.1, True, True)]:
        theirs = sklearn.linear_model.ElasticNet(
            alpha,
            l1_ratio=l1_ratio,
            tol=1e-11,
            max_iter=100_000,
            fit_intercept=intercept,
            positive=positive,
        ).fit(X, y, weight)
        ours = elastic_net(
            stored(X, kind),
            y,
            alpha,
            l1_ratio=l1_ratio,
            sample_weight=weight,
            tol=1e-12,
            fit_intercept=intercept,
            lower=0.0 if positive else None,
            solver=solver,
        )
        assert_allclose(ours.coef, theirs.coef_, atol=2e-5)
        assert_allclose(ours.intercept, theirs.intercept_, atol=2e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_orthonormal_columns(solver):
    rng = np.random.default_rng(0)
    n = 40
    Q = np.linalg.qr(np.c_[np.ones(n), rng.normal(size=(n, 12))])[0][:, 1:] * np.sqrt(n)
    y = rng.normal(size=n) * 2 + 3
    z = Q.T @ y / n
    for alpha, l1_ratio in [(0.1, 1.0), (0.2, 0.5), (0.5, 0.0)]:
        want = reference.soft_threshold(z, alpha * l1_ratio) / (1 + alpha * (1 - l1_ratio))
        got = elastic_net(Q, y, alpha, l1_ratio=l1_ratio, solver=solver, tol=1e-15)
        assert_allclose(got.coef, want, atol=1e-7)
        assert_allclose(got.intercept, y.mean(), atol=1e-7)
        # the reported gap is correct up to round-off
        q = reference.elastic_net_problem(Q, y, alpha, l1_ratio)
        least = reference.elastic_net_objective(q, want)
        assert abs(got.objective - least) <= got.relative_gap * q.null + 1e-14


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", ["F", "csc"])
@pytest.mark.parametrize("variant", ["plain", "no intercept", "standardize", "factors"])
def test_no_l1_part_is_ridge(data, kind, solver, variant):
    X, y, weight = data
    options = VARIANTS[variant]
    alpha = 0.7
    # sum_i s_i r_i^2 + a w'w is 2 sum(s) times 1 / (2 sum(s)) sum_i s_i r_i^2 + alpha / 2 w'w
    want = fastridge.ridge(X, y, alpha * weight.sum(), sample_weight=weight, solver="qr", **options)
    got = elastic_net(
        stored(X, kind),
        y,
        alpha,
        l1_ratio=0.0,
        sample_weight=weight,
        solver=solver,
        tol=1e-14,
        **options,
    )
    assert_allclose(got.coef, want.coef, atol=1e-6)
    assert_allclose(got.intercept, want.intercept, atol=1e-6)
    assert_allclose(got.objective, want.objective / (2 * weight.sum()), rtol=1e-10)


def test_no_penalty_is_least_squares():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 6)), rng.normal(size=50)
    want = np.linalg.lstsq(np.c_[X, np.ones(50)], y, rcond=None)[0]
    for solver in SOLVERS:
        got = elastic_net(X, y, 0.0, solver=solver, tol=1e-12)
        assert got.converged
        assert_allclose(np.r_[got.coef, got.intercept], want, atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", ["C", "csc"])
def test_weights_are_repetitions(data, kind, solver):
    X, y, _ = data
    times = np.random.default_rng(0).integers(0, 4, size=80)
    options = {"l1_ratio": 0.7, "solver": solver, "tol": 1e-13, "standardize": True}
    ours = elastic_net(stored(X, kind), y, 0.1, sample_weight=times.astype(float), **options)
    repeated = np.repeat(np.arange(80), times)
    theirs = elastic_net(stored(X[repeated], kind), y[repeated], 0.1, **options)
    assert_allclose(ours.coef, theirs.coef, atol=1e-6)
    assert_allclose(ours.objective, theirs.objective, rtol=1e-11)
    assert_allclose(
        elastic_net(X, y, 0.1, sample_weight=3.0, **options).coef,
        elastic_net(X, y, 0.1, **options).coef,
        atol=1e-6,
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_standardize_is_scaling(data, solver):
    X, y, weight = data
    mean = np.average(X, axis=0, weights=weight)
    unit = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    unit[7] = 1.0
    X = X.copy()
    X[:, 7] = 4.0
    options = {"l1_ratio": 0.7, "sample_weight": weight, "solver": solver, "tol": 1e-13}
    scaled = elastic_net(X / unit, y, 0.1, lower=-0.5 * unit, **options)
    ours = elastic_net(X, y, 0.1, lower=-0.5, standardize=True, **options)
    assert_allclose(ours.coef, scaled.coef / unit, atol=1e-6)
    assert_allclose(ours.objective, scaled.objective, rtol=1e-11)
    assert ours.coef[7] == 0


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc"])
def test_float32(data, kind, solver):
    X, y, weight = data
    single = stored(X, kind).astype(np.float32)
    double = single.astype(np.float64)
    options = {"l1_ratio": 0.7, "sample_weight": weight, "solver": solver, "tol": 1e-10}
    ours = elastic_net(single, y, 0.1, **options)
    assert ours.coef.dtype == np.float32
    assert ours.intercept.dtype == np.float32
    theirs = elastic_net(double, y, 0.1, **options)
    assert_allclose(ours.coef, theirs.coef, atol=1e-4)
    assert_allclose(ours.objective, theirs.objective, rtol=1e-8)
    assert ours.relative_gap <= 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", ["F", "csc"])
def test_same_bits_for_any_number_of_threads(kind, solver):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 500)) * (rng.random((300, 500)) < 0.3)
    y = X[:, :30] @ rng.normal(size=30) + rng.normal(size=300)
    found = []
    for threads in (1, 2, 3):
        with fastridge.num_threads(threads):
            path = fastridge.elastic_net_path(
                stored(X, kind), y, l1_ratio=1.0, n_alphas=12, solver=solver
            )
        found.append((path.coef, path.intercept, path.relative_gap))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert_array_equal(a, b)


@pytest.mark.parametrize("solver", SOLVERS)
def test_random_order(data, solver):
    X, y, _ = data
    options = {"selection": "random", "solver": solver, "max_iter": 1, "tol": 0.0}
    with pytest.warns(ConvergenceWarning):
        one = elastic_net(X, y, 0.1, random_state=1, **options)
    with pytest.warns(ConvergenceWarning):
        again = elastic_net(X, y, 0.1, random_state=1, **options)
    with pytest.warns(ConvergenceWarning):
        other = elastic_net(X, y, 0.1, random_state=2, **options)
    assert_array_equal(one.coef, again.coef)
    assert not np.array_equal(one.coef, other.coef)
    ours = elastic_net(X, y, 0.1, solver=solver, selection="random", random_state=3, tol=1e-12)
    assert_allclose(ours.coef, elastic_net(X, y, 0.1, tol=1e-12).coef, atol=1e-5)


@pytest.mark.parametrize("kind", ["C", "csr"])
def test_moments_of_chunks(data, kind):
    X, y, weight = data
    parts = [
        Moments(stored(X[i : i + 20], kind), y[i : i + 20], weight[i : i + 20])
        for i in range(0, 80, 20)
    ]
    options = {"l1_ratio": 0.9, "tol": 1e-12, "penalty_factor": np.linspace(0.0, 2, 120)}
    for more in ({}, {"standardize": True}, {"fit_intercept": False}, {"lower": 0.0}):
        ours = elastic_net(sum(parts[1:], parts[0]), None, 0.05, **options, **more)
        theirs = elastic_net(X, y, 0.05, sample_weight=weight, solver="columns", **options, **more)
        assert ours.solver == "gram"
        assert_allclose(ours.coef, theirs.coef, atol=2e-5)
        assert_allclose(ours.intercept, theirs.intercept, atol=2e-5)
        assert_allclose(ours.objective, theirs.objective, rtol=1e-10)


@pytest.mark.parametrize("solver", SOLVERS)
def test_several_targets(data, solver):
    X, y, weight = data
    Y = np.c_[y, -2 * y + X[:, 9], np.zeros(80)]
    ours = elastic_net(X, Y, 0.1, sample_weight=weight, solver=solver, tol=1e-10)
    assert ours.coef.shape == (3, 120)
    assert ours.intercept.shape == ours.relative_gap.shape == ours.n_iter.shape == (3,)
    for t in range(3):
        one = elastic_net(
            X, np.ascontiguousarray(Y[:, t]), 0.1, sample_weight=weight, solver=solver, tol=1e-10
        )
        assert_allclose(ours.coef[t], one.coef, atol=1e-12)
    start = elastic_net(
        X, Y, 0.1, sample_weight=weight, solver=solver, tol=1e-9, coef_init=ours.coef
    )
    assert start.n_iter.sum() == 0
    assert_array_equal(start.coef, ours.coef)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", ["F", "csc"])
def test_edges(kind, solver):
    y = np.array([1.0, 2.0, 4.0])
    zero = elastic_net(stored(np.zeros((3, 2)), kind), y, 0.1, solver=solver)
    assert_array_equal(zero.coef, 0)
    assert_allclose(zero.intercept, y.mean())
    assert zero.relative_gap == 0
    one = elastic_net(stored(np.ones((1, 1)), kind), [3.0], 0.1, solver=solver)
    assert (one.coef[0], one.intercept, one.relative_gap) == (0, 3, 0)
    one = elastic_net(
        stored(np.ones((1, 1)), kind),
        [3.0],
        0.5,
        l1_ratio=1.0,
        fit_intercept=False,
        solver=solver,
        tol=1e-12,
    )
    assert_allclose(one.coef, 2.5)
    flat = elastic_net(stored(np.arange(6.0).reshape(3, 2), kind), np.full(3, 7.0), 0.1)
    assert_array_equal(flat.coef, 0)
    assert flat.intercept == 7
    X = stored(np.random.default_rng(0).normal(size=(3, 5)), kind)
    largest = reference.largest_alpha(np.asarray(X.toarray() if sp.issparse(X) else X), y)
    for alpha in (largest, 2 * largest, 1e9 * largest):
        assert not np.any(elastic_net(X, y, alpha, l1_ratio=1.0, solver=solver, tol=1e-12).coef)
    assert np.any(elastic_net(X, y, 0.999 * largest, l1_ratio=1.0, solver=solver, tol=1e-12).coef)
    again = np.c_[X.toarray(), X.toarray()] if sp.issparse(X) else np.c_[X, X]
    twice = elastic_net(stored(again, kind), y, 0.3 * largest, l1_ratio=1.0, tol=1e-12)
    once = elastic_net(X, y, 0.3 * largest, l1_ratio=1.0, tol=1e-12)
    assert_allclose(twice.coef[:5] + twice.coef[5:], once.coef, atol=1e-5)


def test_inputs_are_left_alone(data):
    X, y, weight = (a.copy() for a in data)
    for a in (X, y, weight):
        a.setflags(write=False)
    A = sp.csr_array(X)
    before = A.copy()
    start = np.full(120, 0.1)
    for Z, solver in itertools.product([X, A], SOLVERS):
        elastic_net(
            Z, y, 0.1, sample_weight=weight, solver=solver, coef_init=start, standardize=True
        )
    assert (before != A).nnz == 0
    assert_array_equal(start, 0.1)


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_was_not_reached_is_said(data, solver):
    X, y, _ = data
    with pytest.warns(ConvergenceWarning, match=r"duality gap is .* above tol=1e-15") as caught:
        result = elastic_net(X, y, 1e-3, tol=1e-15, max_iter=2, solver=solver)
    assert caught[0].filename == __file__
    assert not result.converged
    assert result.relative_gap > 1e-15
    assert result.n_iter <= 2
    exact = elastic_net(X, y, 1e-3, tol=1e-12)
    null = np.var(y) / 2
    assert result.objective - exact.objective <= result.relative_gap * null * (1 + 1e-9)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"alpha": -1.0}, ValueError, "alpha must be a finite number of at least 0; got -1.0"),
        ({"alpha": np.nan}, ValueError, "alpha must be a finite number"),
        ({"alpha": None}, TypeError, "alpha must be a number; got None"),
        ({"l1_ratio": 1.5}, ValueError, "l1_ratio must be from 0 to 1; got 1.5"),
        ({"l1_ratio": "a"}, TypeError, "l1_ratio must be a number"),
        ({"tol": -1.0}, ValueError, "tol must be"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1; got 0"),
        ({"max_iter": 1.5}, TypeError, "max_iter must be an integer; got 1.5"),
        ({"solver": "sag"}, ValueError, "solver must be one of auto, gram, working, columns"),
        ({"selection": "up"}, ValueError, "selection must be 'cyclic' or 'random'; got 'up'"),
        ({"selection": "random", "random_state": -1}, ValueError, "random_state must be"),
        ({"lower": 1.0, "upper": 0.0}, ValueError, "lower is 1 and upper is 0 at position 0"),
        ({"lower": np.nan}, ValueError, "lower is nan at position 0"),
        ({"lower": np.inf}, ValueError, "lower is inf at position 0"),
        ({"upper": -np.inf}, ValueError, "upper is -inf at position 0"),
        ({"upper": [1.0]}, ValueError, r"upper has shape \(1,\); expected a number or \(2,\)"),
        ({"penalty_factor": [1.0, -1.0]}, ValueError, "penalty_factor"),
        ({"sample_weight": [1.0, -1.0, 1.0]}, ValueError, "sample_weight"),
        ({"sample_weight": [0.0, 0.0, 0.0]}, ValueError, "sample_weight is zero"),
        ({"coef_init": [1.0]}, ValueError, r"coef_init has shape \(1,\); expected \(2,\)"),
        ({"coef_init": [1.0, np.nan]}, ValueError, "coef_init contains NaN"),
        ({"y": None}, ValueError, "y"),
        ({"y": [1.0, 2.0]}, ValueError, "y has 2 rows, but X has 3"),
        ({"X": [[1.0, np.nan]] * 3}, ValueError, "Input X contains NaN"),
        ({"X": [1.0, 2.0, 3.0]}, ValueError, "X has 1 dimension"),
    ],
)
@pytest.mark.parametrize("solver", ["auto", "working"])
def test_arguments_that_are_refused(arguments, error, words, solver):
    given = {"X": np.eye(3, 2), "y": np.arange(3.0), "solver": solver} | arguments
    with pytest.raises(error, match=words):
        elastic_net(**given)


def test_arguments_that_do_not_go_with_moments():
    moments = Moments(np.eye(3, 2), np.arange(3.0))
    with pytest.raises(ValueError, match="y is given together with Moments"):
        elastic_net(moments, np.arange(3.0))
    with pytest.raises(ValueError, match="sample_weight is given together with Moments"):
        elastic_net(moments, sample_weight=np.ones(3))
    with pytest.raises(ValueError, match="solver must be 'auto' or 'gram' for Moments"):
        elastic_net(moments, solver="columns")
    with pytest.raises(ValueError, match="moments of 0 samples of total weight 0"):
        elastic_net(Moments())


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("seed", [36, 215, 223, 241, 606, 618, 620, 624])
def test_more_features_than_rows_of_weight(seed, solver):
    """Exchanges of many features cycle here; single exchanges converge."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((30, 40)) * 10 ** rng.uniform(-1, 1, 40) + 5.0
    y = X @ (rng.standard_normal(40) * (rng.random(40) < 0.4)) + rng.standard_normal(30) + 5
    weight, factor = rng.integers(0, 4, 30).astype(float), rng.choice([0, 1, 2.5], 40)
    largest = np.abs(X.T @ (weight * y)).max() / weight.sum()
    found = elastic_net(
        X,
        y,
        largest * [1e-2, 1e-3, 1e-4][seed % 3],
        l1_ratio=1.0,
        penalty_factor=factor if seed % 2 else None,
        lower=-1.0 if seed % 3 == 0 else None,
        upper=0.5 if seed % 5 == 0 else None,
        sample_weight=weight,
        fit_intercept=False,
        tol=1e-7,
        solver=solver,
    )
    assert found.converged
    assert found.n_iter < 500


@pytest.mark.parametrize("l2", [0.0, 0.05])
@pytest.mark.parametrize("bounded", [False, True])
def test_screening_leaves_what_counts(l2, bounded):
    from fastridge._descent import Descent

    rng = np.random.default_rng(0)
    screened = 0
    for _ in range(20):
        X = rng.standard_normal((50, 30))
        y = X[:, :4] @ rng.standard_normal(4) + 0.3 * rng.standard_normal(50)
        bound = 0.2 if bounded else None
        l1 = 0.3 * np.abs(X.T @ y).max() / 50
        alpha, ratio = l1 + l2, l1 / (l1 + l2)
        options = {"l1_ratio": ratio, "upper": bound, "fit_intercept": False}
        best = elastic_net(X, y, alpha, tol=1e-13, **options).coef
        for noise in (1e-4, 1e-3, 1e-2):
            w = best + noise * rng.standard_normal(30)
            w[best == 0] = 0.0
            if bounded:
                w = np.minimum(w, bound)
            r = y - X @ w
            objective = r @ r / 100 + l1 * np.abs(w).sum() + l2 / 2 * w @ w
            kept = Descent().unscreened(
                np.full(30, l1),
                np.full(30, l2),
                None,
                None if bound is None else np.full(30, bound),
                (X**2).sum(axis=0) / 50,
                np.zeros(30),
                X.T @ r / 50,
                y @ y / 50,
                y @ r / 50,
                r @ r / 50,
                objective,
            )
            assert np.isin(np.flatnonzero(best), kept).all()
            screened += 30 - len(kept)
    assert screened > 500
