"""Properties of every generalised linear model: optimality, and equivariance in its data.

By strong convexity an objective within `dual_gap` of its minimum has coefficients within
sqrt(2 dual_gap / l2) of the solution, which is what two fits of one problem may differ by.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from storages import KINDS, stored

import fastridge
from fastridge.losses import loss_of

LOSSES = ("squared", "logistic", "poisson", "gamma", "negative_binomial", "huber")
TOL = 1e-5
_EPS = float(np.finfo(np.float64).eps)

quick = settings(max_examples=60, deadline=None)


def targets(loss, rng, eta):
    n = len(eta)
    if loss == "logistic":
        return (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    if loss in ("poisson", "negative_binomial"):
        return rng.poisson(np.exp(eta)).astype(float)
    if loss == "gamma":
        return rng.gamma(1.5, np.exp(eta)) + 1e-6
    return eta + rng.standard_normal(n)


@st.composite
def problems(draw, losses=LOSSES, max_n=40, max_p=12):
    """X, y, the loss, alpha and options: zeros, repeated and constant columns, weights of 0."""
    n, p = draw(st.integers(3, max_n)), draw(st.integers(1, max_p))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.standard_normal((n, p))
    X *= rng.random((n, p)) < draw(st.sampled_from([0.2, 0.6, 1.0]))
    if draw(st.booleans()):
        X[:, rng.integers(p)] = X[:, rng.integers(p)]
    if draw(st.booleans()):
        X[:, rng.integers(p)] = draw(st.sampled_from([0.0, 0.1, -7.0]))
    loss = draw(st.sampled_from(losses))
    y = targets(loss, rng, X @ rng.standard_normal(p) / np.sqrt(p) + 0.3)
    X *= 10.0 ** draw(st.integers(-2, 2))
    weight = factor = offset = None
    if draw(st.booleans()):
        weight = rng.uniform(0.5, 2, n) * (rng.random(n) < 0.8)
    if draw(st.booleans()):
        factor = rng.uniform(0.5, 2, p)
    if draw(st.booleans()):
        offset = rng.standard_normal(n)
    live = y if weight is None else y[weight > 0]
    assume(len(live) > 1 and len(np.unique(live)) > 1)
    options = {
        "l1_ratio": draw(st.sampled_from([0.0, 0.5, 0.9])),
        "fit_intercept": draw(st.booleans()),
        "standardize": draw(st.booleans()),
        "sample_weight": weight,
        "penalty_factor": factor,
        "offset": offset,
    }
    return X, y, loss, 10.0 ** draw(st.integers(-4, 1)), options


def fit(X, y, loss, alpha, options, **others):
    result = fastridge.glm(X, y, loss, alpha, tol=TOL, max_iter=1000, **{**options, **others})
    assert result.converged
    return result


def standard(X, options):
    """Weights of sum 1, weighted means and deviations, 1 where not standardised."""
    weight = options["sample_weight"]
    s = np.ones(len(X)) if weight is None else weight
    s = s / s.sum()
    mean = s @ X
    sd = np.sqrt(s @ (X - mean) ** 2)
    constant = sd <= 1e-14 * np.abs(mean)
    if not options["standardize"]:
        return s, mean, np.ones(len(sd)), constant
    return s, mean, np.where(constant, 1.0, sd), constant


def penalties(X, alpha, options):
    factor = options["penalty_factor"]
    f = np.ones(X.shape[1]) if factor is None else factor
    return alpha * options["l1_ratio"] * f, alpha * (1 - options["l1_ratio"]) * f


def slack(result):
    """Return the bound on the objective minus its minimum."""
    return result.dual_gap + 16 * _EPS * max(abs(result.objective), 1.0)


def assert_alike(one, other, X, alpha, options, scale=1.0):
    """Compare two fits of one problem, with coefficients `scale` times as large in the second."""
    _, l2 = penalties(X, alpha, options)
    _, _, sd, _ = standard(X, options)
    off = np.sqrt(l2) * sd * (one.coef - other.coef / scale)
    bound = np.sqrt(2 * slack(one)) + np.sqrt(2 * slack(other))
    assert np.linalg.norm(off) <= bound
    assert abs(one.objective - other.objective) <= slack(one) + slack(other)


@quick
@given(problems(), st.sampled_from(KINDS))
@pytest.mark.slow
def test_optimality(problem, kind):
    """A step of the proximal gradient promises no more than the gap.

    With L at least the curvature, |w - prox(w - g / L)|^2 L / 2 bounds from below what the
    objective is above its minimum.
    """
    X, y, name, alpha, options = problem
    result = fit(stored(X, kind), y, name, alpha, options)
    loss = loss_of(name)
    s, mean, sd, constant = standard(X, options)
    l1, l2 = penalties(X, alpha, options)
    A = (X - mean * options["fit_intercept"]) / sd
    if options["fit_intercept"]:
        A[:, constant] = 0.0
    o = 0.0 if options["offset"] is None else options["offset"]
    eta = o + result.intercept + X @ result.coef
    w = result.coef * sd
    value = s @ loss.value(y, eta) + l1 @ np.abs(w) + l2 @ w**2 / 2
    np.testing.assert_allclose(result.objective, value, rtol=1e-9, atol=1e-9)
    r = s * loss.gradient(y, eta)
    # curvatures on the way of a step that moves predictors by up to a half
    h = 2.0 * s * np.maximum(loss.curvature(y, eta), 1.0 if name == "huber" else 0.0)
    Z = np.column_stack([A, np.ones(len(A))]) if options["fit_intercept"] else A
    L = np.linalg.norm(np.sqrt(h)[:, None] * Z, 2) ** 2 + l2.max()
    g = A.T @ r + l2 * w
    v = w - g / L
    step = w - np.sign(v) * np.maximum(np.abs(v) - l1 / L, 0.0)
    promised = 0.5 * L * step @ step
    if options["fit_intercept"]:
        promised += 0.5 * r.sum() ** 2 / L
    rounding = 1e3 * _EPS * (s @ np.abs(loss.value(y, eta)) + 1.0)
    assert promised <= result.dual_gap + rounding


@pytest.mark.slow
@quick
@given(problems(), st.data())
def test_weights_are_repetition(problem, data):
    X, y, loss, alpha, options = problem
    times = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(y), max_size=len(y))))
    live = np.repeat(y, times)
    assume(len(live) > 1 and len(np.unique(live)) > 1)
    o = options["offset"]
    weighted = {**options, "sample_weight": times.astype(float)}
    repeated = {
        **options,
        "sample_weight": None,
        "offset": None if o is None else np.repeat(o, times),
    }
    one = fit(X, y, loss, alpha, weighted)
    other = fit(np.repeat(X, times, axis=0), live, loss, alpha, repeated)
    assert_alike(one, other, X, alpha, weighted)


@pytest.mark.slow
@quick
@given(problems(), st.data())
def test_shift_and_scale_of_columns(problem, data):
    X, y, loss, alpha, options = problem
    p = X.shape[1]
    options = {**options, "fit_intercept": True}
    each = st.lists(st.integers(-3, 3), min_size=p, max_size=p)
    shift = np.array(data.draw(each), dtype=float) * np.abs(X).max()
    one = fit(X, y, loss, alpha, options)
    assert_alike(one, fit(X + shift, y, loss, alpha, options), X, alpha, options)
    # powers of 2: deviations of the scaled columns are those of the others to the last bit
    scale = 2.0 ** np.array(data.draw(each))
    options["standardize"] = True
    one = fit(X, y, loss, alpha, options)
    assert_alike(one, fit(X * scale, y, loss, alpha, options), X, alpha, options, 1 / scale)


@pytest.mark.slow
@quick
@given(problems(losses=("poisson", "gamma", "negative_binomial")), st.integers(0, 2**32 - 1))
def test_exposure_is_the_offset_of_its_logarithm(problem, seed):
    X, y, loss, alpha, options = problem
    times = np.exp(3.0 * np.random.default_rng(seed).standard_normal(len(y)))
    o = 0.0 if options["offset"] is None else options["offset"]
    one = fit(X, y, loss, alpha, options, exposure=times)
    assert_alike(one, fit(X, y, loss, alpha, options, offset=o + np.log(times)), X, alpha, options)


@st.composite
def several_classes(draw):
    n, p, k = draw(st.integers(6, 40)), draw(st.integers(1, 6)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.standard_normal((n, p)) * 10.0 ** draw(st.integers(-1, 1))
    y = rng.integers(0, k, n)
    y[:k] = np.arange(k)
    order = np.array(draw(st.permutations(range(k))))
    return X, y, order, 10.0 ** draw(st.integers(-3, 0)), draw(st.sampled_from([0.0, 0.5]))


@pytest.mark.slow
@quick
@given(several_classes())
def test_permuted_classes_permute_coefficients(problem):
    X, y, order, alpha, l1_ratio = problem
    options = {"l1_ratio": l1_ratio}
    one = fit(X, y, "multinomial", alpha, options)
    other = fit(X, order[y], "multinomial", alpha, options)
    off = np.linalg.norm(other.coef[order] - one.coef) * np.sqrt(alpha * (1 - l1_ratio))
    assert off <= np.sqrt(2 * slack(one)) + np.sqrt(2 * slack(other))
    assert abs(one.objective - other.objective) <= slack(one) + slack(other)


@quick
@given(several_classes())
def test_optimality_of_several_classes(problem):
    X, y, _, alpha, _ = problem
    result = fit(X, y, "multinomial", alpha, {})
    k = result.coef.shape[0]
    eta = X @ result.coef.T + result.intercept
    prob = np.exp(eta - eta.max(axis=1, keepdims=True))
    prob /= prob.sum(axis=1, keepdims=True)
    r = (prob - np.eye(k)[y]) / len(y)
    g = (X - X.mean(axis=0)).T @ r + alpha * result.coef.T
    # curvatures of a softmax are at most 1 / 2
    Z = np.column_stack([X - X.mean(axis=0), np.ones(len(X))])
    L = 0.5 * np.linalg.norm(Z, 2) ** 2 / len(X) + alpha
    promised = 0.5 / L * ((g**2).sum() + (r.sum(axis=0) ** 2).sum())
    assert promised <= result.dual_gap + 1e3 * _EPS * (1 + np.abs(result.objective))
