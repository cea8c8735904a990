"""Generalised linear models with an L2 penalty: solutions, certificates, solvers, storages."""

import warnings

import glm_problems
import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from cases import each
from numpy.testing import assert_allclose, assert_array_equal

import fastridge
from fastridge import _cpu, reference
from fastridge.exceptions import ConvergenceWarning
from fastridge.losses import Huber, NegativeBinomial, loss_of, tweedie
from fastridge.solvers.glm import newton

_EPS = float(np.finfo(np.float64).eps)

LOSSES = {
    "squared": "squared",
    "logistic": "logistic",
    "poisson": "poisson",
    "gamma": "gamma",
    "tweedie": tweedie(1.5),
    "inverse Gaussian": tweedie(3.0),
    "negative_binomial": NegativeBinomial(2.0),
    "huber": Huber(0.7),
}
EVERY = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
SOLVERS = ("newton", "newton-cg", "newton-samples")


def data(loss, n=80, p=6, seed=0):
    """X, y, weights and offsets."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.array([1, 5, 0.3] * p)[:p] + 2.0
    eta = (X - 2.0) @ rng.standard_normal(p) / (3 * p)
    name = loss_of(loss).name
    if name == "logistic":
        y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    elif name in ("poisson", "negative_binomial"):
        y = rng.poisson(np.exp(eta)).astype(float)
    elif name in ("squared", "huber"):
        y = eta + rng.standard_t(2, n)
    else:
        y = rng.gamma(2.0, np.exp(eta) / 2.0)
    return X, y, rng.uniform(0.0, 2.0, n), rng.uniform(-0.5, 0.5, n)


@EVERY
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_against_the_reference(loss, solver, fit_intercept):
    found = loss_of(loss)
    X, y, weight, offset = data(loss)
    options = {"fit_intercept": fit_intercept, "sample_weight": weight, "offset": offset}
    coef, intercept = reference.glm(X, y, found, 0.1, **options)
    result = fastridge.glm(X, y, loss, 0.1, solver=solver, tol=1e-9, **options)
    assert result.converged
    assert result.solver == solver
    assert_allclose(result.coef, coef, rtol=1e-6, atol=1e-8)
    assert_allclose(result.intercept, intercept, rtol=1e-6, atol=1e-8)
    value = reference.glm_objective(
        X, y, found, 0.1, coef, intercept, weight, offset, np.ones(X.shape[1])
    )
    assert_allclose(result.objective, value, rtol=1e-12)
    mean = found.inverse_link(offset + intercept + X @ coef)
    assert_allclose(result.deviance, weight @ found.deviance(y, mean), rtol=1e-6)


def test_in_fifty_digits():
    """Separated labels, whose coefficients a small penalty holds."""
    X, y, alpha = [[1.0], [2.0], [4.0], [7.0]], [0.0, 0.0, 1.0, 1.0], 1e-6
    with mpmath.workdps(50):

        def gradient(w, b):
            p = [1 / (1 + mpmath.exp(-(b + row[0] * w))) for row in X]
            r = [(a - t) / 4 for a, t in zip(p, y, strict=True)]
            return [sum(a * row[0] for a, row in zip(r, X, strict=True)) + alpha * w, sum(r)]

        w, b = mpmath.findroot(gradient, (7, -20), tol=1e-40)
    for solver in SOLVERS:
        result = fastridge.glm(X, y, "logistic", alpha, solver=solver, tol=1e-10)
        assert_allclose(result.coef, [float(w)], rtol=1e-6)
        assert_allclose(result.intercept, float(b), rtol=1e-6)


@pytest.mark.parametrize("first", range(0, 600, 60))
@pytest.mark.slow
def test_certificates_are_true(first):
    """The gap of every solver bounds its objective minus the least known one."""
    for seed in range(first, first + 60):
        q = glm_problems.problem(seed)
        if glm_problems.is_refused(q):
            with pytest.raises(ValueError, match="no finite intercept is optimal"):
                glm_problems.solve(q)
            continue
        result, warning = glm_problems.solve(q)
        assert np.isfinite(result.coef).all(), (seed, q.what)
        assert result.converged == (warning is None), (seed, q.what, warning)
        if not result.converged:
            free = q.alpha == 0 or (q.options.get("penalty_factor", np.ones(1)) == 0).any()
            assert free, (seed, q.what, result.relative_gap)
            continue
        assert_certified(q, result, seed)


def assert_certified(q, result, seed):
    best, _ = glm_problems.solve(q, tol=1e-9)
    value = glm_problems.objective(q, result.coef, result.intercept)
    least = min(value, glm_problems.objective(q, best.coef, best.intercept))
    excess = value - least
    # predictors of columns far from zero have round-off
    X = q.X.toarray() if sp.issparse(q.X) else q.X
    size = 1.0 + np.abs(X @ np.diag(result.coef)).sum(axis=1).max()
    rounding = 100 * _EPS * (abs(value) * size + size)
    assert excess <= result.dual_gap + rounding, (seed, q.what, excess, result.dual_gap)


@pytest.mark.parametrize("first", range(0, 240, 60))
@pytest.mark.slow
def test_certificates_of_large_data_are_true(first, monkeypatch):
    """Large data end by the dual point of the last step's model."""
    saved = 0
    for seed in range(first, first + 60):
        q = glm_problems.problem(seed)
        if glm_problems.is_refused(q):
            continue
        for tol in (1e-2, 1e-3, 1e-4):
            with monkeypatch.context() as patch:
                patch.setattr(newton, "_ENDED", -1)
                result, _ = glm_problems.solve(q, tol=tol)
            if result.converged and result.solver == "newton":
                assert_certified(q, result, seed)
                small, _ = glm_problems.solve(q, tol=tol)
                saved += small.n_iter > result.n_iter
    assert saved > 20


@pytest.fixture(params=_cpu.instruction_sets())
def every_set(request):
    before = _cpu.get_instruction_set()
    _cpu.set_instruction_set(request.param)
    yield request.param
    _cpu.set_instruction_set(before)


@each("kind", ["C", "F", "float32"])
@pytest.mark.parametrize("columns", ["plain", "far", "copies", "unlike"])
@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_steps_of_float32_products(every_set, loss, columns, kind, monkeypatch):
    """Large data of many features: gradients, and so solutions, are those of float64 products."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((700, 70))
    eta = X[:, :5].sum(axis=1) / 3
    if columns == "far":
        X += 1e3 * rng.standard_normal(70)
    elif columns == "copies":
        X[:, 35:] = X[:, :35]
    elif columns == "unlike":
        X *= 10.0 ** rng.integers(-4, 4, 70)
    y = rng.poisson(np.exp(eta)) if loss == "poisson" else rng.random(700) < 1 / (1 + np.exp(-eta))
    y = y.astype(float)
    weight = rng.uniform(0.5, 2.0, 700)
    options = {"sample_weight": weight, "offset": 0.1 * X[:, 0] / np.abs(X[:, 0]).max()}
    if kind == "float32":
        X = X.astype(np.float32).astype(float)
    expected = fastridge.glm(X, y, loss, 1e-3, tol=1e-9, **options)
    Z = {"C": X, "F": np.asfortranarray(X), "float32": X.astype(np.float32)}[kind]
    monkeypatch.setattr(newton, "_ENDED", -1)
    found = fastridge.glm(Z, y, loss, 1e-3, tol=1e-6, **options)
    assert found.solver == "newton"
    assert found.converged
    excess = found.objective - expected.objective
    assert excess <= found.dual_gap + 100 * _EPS * (1 + abs(expected.objective))
    off = np.linalg.norm(found.coef - expected.coef)
    rounding = 1e-6 * np.linalg.norm(expected.coef) if kind == "float32" else 0.0
    assert off <= np.sqrt(2 * (found.dual_gap + expected.dual_gap + 1e-15) / 1e-3) + rounding


@EVERY
def test_storages_agree(loss):
    X, y, weight, _ = data(loss)
    X = np.where(np.abs(X) > 2.0, X, 0.0)
    expected = fastridge.glm(X, y, loss, 0.05, sample_weight=weight, tol=1e-8)
    for other in (np.asfortranarray(X), sp.csr_array(X), sp.csc_array(X), sp.csr_matrix(X)):
        found = fastridge.glm(other, y, loss, 0.05, sample_weight=weight, tol=1e-8)
        assert_allclose(found.coef, expected.coef, rtol=1e-6, atol=1e-9)
    found = fastridge.glm(X.astype(np.float32), y, loss, 0.05, sample_weight=weight, tol=1e-6)
    assert found.coef.dtype == np.float32
    assert_allclose(found.coef, expected.coef, rtol=1e-3, atol=1e-5)


@EVERY
@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_are_repetitions(loss, solver):
    X, y, _, offset = data(loss, 40)
    times = np.random.default_rng(3).integers(0, 4, 40)
    options = {"solver": solver, "tol": 1e-8}
    weighted = fastridge.glm(X, y, loss, 0.1, sample_weight=times, offset=offset, **options)
    rows = np.repeat(np.arange(40), times)
    repeated = fastridge.glm(X[rows], y[rows], loss, 0.1, offset=offset[rows], **options)
    assert_allclose(weighted.coef, repeated.coef, rtol=1e-6, atol=1e-9)
    assert_allclose(weighted.deviance, repeated.deviance, rtol=1e-8)
    assert_allclose(weighted.null_deviance, repeated.null_deviance, rtol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_units_of_columns(solver):
    """Standardised columns: units do not matter, and powers of two round nothing."""
    X, y, _, _ = data("poisson")
    options = {"standardize": True, "solver": solver, "tol": 1e-8}
    one = fastridge.glm(X, y, "poisson", 0.1, **options)
    unit = 2.0 ** np.array([30, -30, 5, 0, -7, 12])
    other = fastridge.glm(X * unit, y, "poisson", 0.1, **options)
    assert_allclose(other.coef * unit, one.coef, rtol=1e-9)
    # and a shift changes only the intercept
    moved = fastridge.glm(X + 1e3, y, "poisson", 0.1, **options)
    assert_allclose(moved.coef, one.coef, rtol=1e-6)


@pytest.mark.parametrize("solver", ["newton", "newton-cg"])
def test_features_without_a_penalty(solver):
    X, y, weight, _ = data("logistic")
    factor = np.array([0.0, 1.0, 2.0, 0.0, 1.0, 0.5])
    coef, intercept = reference.glm(
        X, y, loss_of("logistic"), 0.3, sample_weight=weight, penalty_factor=factor
    )
    result = fastridge.glm(
        X, y, "logistic", 0.3, sample_weight=weight, penalty_factor=factor, solver=solver, tol=1e-8
    )
    assert result.converged
    assert_allclose(result.coef, coef, rtol=1e-6, atol=1e-8)
    assert_allclose(result.intercept, intercept, rtol=1e-6)
    free = fastridge.glm(X, y, "logistic", 0.0, sample_weight=weight, solver=solver, tol=1e-8)
    coef, _ = reference.glm(X, y, loss_of("logistic"), 0.0, sample_weight=weight)
    assert_allclose(free.coef, coef, rtol=1e-5)


@pytest.mark.parametrize("loss", ["logistic", "poisson"])
@pytest.mark.parametrize("alpha", [0.0, 1e-3])
@pytest.mark.slow
def test_more_free_features_than_are_projected_out(loss, alpha):
    """With nearly equal neighbouring columns, small gradients do not imply a near minimum."""
    rng = np.random.default_rng(0)
    n, p = 3000, 540
    X = sp.random_array((n, p), density=0.04, rng=rng, format="csr")
    X = sp.csr_array(X @ sp.csr_array(np.eye(p) + 0.99 * np.eye(p, k=1)))
    eta = X @ rng.standard_normal(p)
    eta /= 2.0 * eta.std()
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    y = rng.poisson(np.exp(eta)).astype(float) if loss == "poisson" else y
    factor = np.where(np.arange(p) < 520, 0.0, 1.0)
    options = {"penalty_factor": factor}
    best = fastridge.glm(X, y, loss, alpha, solver="newton", tol=1e-8, **options)
    for tol in (1e-2, 1e-3, 1e-4):
        found = fastridge.glm(X, y, loss, alpha, solver="newton-cg", tol=tol, **options)
        assert found.converged
        assert found.objective - best.objective <= found.dual_gap + 1e-14


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", [0.0, 1e-3])
@pytest.mark.slow
def test_gaps_of_a_loss_with_kinks(solver, alpha):
    """With few or no residuals within delta, curvatures are nearly or exactly zero."""
    if solver == "newton-samples" and alpha == 0:
        pytest.skip("supports no features without a penalty")
    rng = np.random.default_rng(0)
    for _ in range(60):
        n, p = int(rng.choice([8, 30, 100])), int(rng.choice([1, 3, 6]))
        unit = 10.0 ** rng.uniform(-3, 3)
        X = rng.standard_normal((n, p))
        y = unit * (X @ rng.standard_normal(p) + rng.standard_t(1.5, n))
        loss = Huber(unit * 10.0 ** rng.uniform(-2, 1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            best = fastridge.glm(X, y, loss, alpha, tol=1e-9, max_iter=1000)
            for tol in (1e-1, 1e-2, 1e-4):
                found = fastridge.glm(X, y, loss, alpha, solver=solver, tol=tol)
                excess = found.objective - best.objective
                rounding = 1e-13 * found.objective
                assert not found.converged or excess <= found.dual_gap + rounding


@pytest.mark.parametrize("solver", SOLVERS)
def test_warm_starts_need_no_steps(solver):
    X, y, _, _ = data("gamma")
    cold = fastridge.glm(X, y, "gamma", 0.1, solver=solver, tol=1e-6)
    warm = fastridge.glm(
        X,
        y,
        "gamma",
        0.1,
        solver=solver,
        tol=1e-5,
        coef_init=cold.coef,
        intercept_init=cold.intercept,
    )
    assert warm.n_iter == 0
    assert cold.n_iter > 0


def test_many_rows_begin_with_a_sample():
    """As many rows as a sample is taken of, in orders that mislead samples at fixed steps."""
    rng = np.random.default_rng(0)
    n, p = 120_000, 6
    X = np.tile(np.eye(p)[np.arange(n) % p], 1) + 0.01 * rng.standard_normal((n, p))
    y = (rng.random(n) < 0.3 + 0.1 * (np.arange(n) % p)).astype(float)
    few = fastridge.glm(X, y, "logistic", 1e-3)
    start = fastridge.glm(X[:1000], y[:1000], "logistic", 1e-3)
    other = fastridge.glm(
        X, y, "logistic", 1e-3, coef_init=start.coef, intercept_init=start.intercept
    )
    assert few.converged
    assert_allclose(few.objective, other.objective, rtol=1e-8)
    assert_allclose(few.coef, other.coef, atol=1e-3)


def test_targets_without_a_fit():
    X = np.arange(6.0).reshape(3, 2)
    with pytest.raises(ValueError, match="y is 0 for every sample of positive weight"):
        fastridge.glm(X, np.zeros(3), "poisson")
    with pytest.raises(ValueError, match="y has values from -1 to 2; expected numbers in"):
        fastridge.glm(X, [-1.0, 0.0, 2.0], "poisson")
    with pytest.raises(ValueError, match="exposure is given for the loss 'logistic'"):
        fastridge.glm(X, [0.0, 1.0, 1.0], "logistic", exposure=np.ones(3))
    with pytest.raises(ValueError, match=r"intercept_init is 3\.0, but coef_init is None"):
        fastridge.glm(X, [0.0, 1.0, 1.0], "logistic", intercept_init=3.0)
    # rows of weight 0 do not count
    fastridge.glm(X, [-1.0, 1.0, 2.0], "poisson", sample_weight=[0.0, 1.0, 1.0])


def test_exposure_is_an_offset():
    X, y, _, _ = data("poisson")
    times = np.exp(np.linspace(-20, 3, len(y)))
    one = fastridge.glm(X, y, "poisson", 0.1, exposure=times, tol=1e-8)
    other = fastridge.glm(X, y, "poisson", 0.1, offset=np.log(times), tol=1e-8)
    assert_array_equal(one.coef, other.coef)


def test_separated_labels_are_told():
    X, y = np.arange(8.0).reshape(8, 1), np.repeat([0.0, 1.0], 4)
    with pytest.warns(ConvergenceWarning, match="perfectly separated"):
        result = fastridge.glm(X, y, "logistic", 0.0)
    assert np.isfinite(result.coef).all()
    assert not result.converged
    with pytest.warns(ConvergenceWarning, match="perfectly separated"):
        assert not fastridge.glm(X, y, "multinomial", 0.0).converged
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fastridge.glm(X, y, "logistic", 1e-8).converged


def test_binomial_counts_are_shares_that_weigh_their_trials():
    X, _, _, _ = data("logistic")
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 6, (80, 2)).astype(float)
    counts[3] = 0.0
    found = fastridge.glm(X, counts, "binomial", 0.1, tol=1e-8)
    rows = np.repeat(np.arange(80), counts.sum(axis=1).astype(int))
    labels = np.concatenate([[1.0] * int(a) + [0.0] * int(b) for a, b in counts])
    expected = fastridge.glm(X[rows], labels, "logistic", 0.1, tol=1e-8)
    assert_allclose(found.coef, expected.coef, rtol=1e-6)
    assert_allclose(found.objective, expected.objective, rtol=1e-12)
    for y, message in (
        (np.ones(80), r"y has shape \(80,\); expected \(n_samples, 2\)"),
        (-np.ones((80, 2)), "y has counts from -1 to -1"),
    ):
        with pytest.raises(ValueError, match=message):
            fastridge.glm(X, y, "binomial", 0.1)


@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, sp.csr_array])
def test_results_predict_and_show_themselves(storage):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    y = rng.poisson(np.exp(X[:, 0])).astype(float)
    t = rng.uniform(0.5, 2.0, 40)
    model = fastridge.PoissonRegressor(alpha=0.1, tol=1e-6).fit(X, y, exposure=t)
    result = fastridge.glm(X, y, "poisson", 0.1, exposure=t, tol=1e-6)
    mean = result.predict(storage(X), exposure=t)
    np.testing.assert_allclose(mean, model.predict(X, exposure=t), rtol=1e-6)
    np.testing.assert_allclose(result.predict(X, offset=np.log(t)), mean, rtol=1e-12)
    assert repr(result).startswith("GLMResult(loss='poisson', alpha=0.1, solver='newton', n_iter=")
    classes = np.arange(40) % 3
    result = fastridge.glm(X, classes, "multinomial", 0.1, tol=1e-6)
    share = result.predict(storage(X), offset=np.zeros((40, 3)))
    model = fastridge.LogisticRegression(C=1 / 4.0, tol=1e-6).fit(X, classes)
    np.testing.assert_allclose(share, model.predict_proba(X), rtol=1e-5)
    with pytest.raises(ValueError, match="X has 2 features, but GLMResult"):
        result.predict(X[:, :2])


@pytest.mark.parametrize("name", ["offset", "exposure"])
@pytest.mark.parametrize("given", [2.0, np.float64(2.0), np.array(2.0), "log"])
def test_scalars_for_each_sample_are_refused_by_name(name, given):
    X, y = [[0.0], [1.0], [2.0]], [1, 2, 4]
    with pytest.raises(ValueError, match=rf"{name} is .*; expected \(3,\) numbers, one per sample"):
        fastridge.glm(X, y, "poisson", **{name: given})
    model = fastridge.PoissonRegressor().fit(X, y)
    with pytest.raises(ValueError, match=rf"{name} is .*; expected \(3,\) numbers, one per sample"):
        model.predict(X, **{name: given})


def test_separated_wide_data_take_few_steps():
    """Full Newton steps gain one unit of the predictor each where the loss is an exponential."""
    rng = np.random.default_rng(0)
    X = 100.0 * rng.standard_normal((30, 200))
    y = 1.0 * (rng.random(30) < 0.5)
    result = fastridge.glm(X, y, "logistic", 1e-3, tol=1e-7, solver="newton-samples")
    assert result.converged
    assert result.n_iter <= 14
    other = fastridge.glm(X, y, "logistic", 1e-3, tol=1e-7, solver="newton-cg")
    assert_allclose(result.objective, other.objective, rtol=1e-6)
