"""Losses: their definitions against differences, Fenchel and Young, and brute force."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fastridge import ElasticNetCV, Ridge, RidgeCV, losses
from fastridge._losses import evaluate
from fastridge._matrix import Matrix
from fastridge.losses import LOSSES, SQUARED, Huber, Interval, NegativeBinomial, loss_of, tweedie
from fastridge.moments import Moments

_LOSSES = {
    # several predictors per sample: tests/test_softmax.py
    **{name: make() for name, make in LOSSES.items() if name != "multinomial"},
    "tweedie 1.1": tweedie(1.1),
    "inverse Gaussian": tweedie(3.0),
    "normal, log": tweedie(0.0, "log"),
    "tweedie -1": tweedie(-1.0, "log"),
    "poisson, identity": tweedie(1.0, "identity"),
    "gamma, identity": tweedie(2.0, "identity"),
    "tweedie, identity": tweedie(1.6, "identity"),
    "negative_binomial 20": NegativeBinomial(20.0),
    "huber 0.3": Huber(0.3),
}
EVERY = pytest.mark.parametrize("loss", _LOSSES.values(), ids=_LOSSES.keys())
CONVEX = pytest.mark.parametrize(
    "loss", [v for v in _LOSSES.values() if v.is_convex], ids=lambda v: v.name
)


def samples(loss, n=200):
    """Targets that the loss is defined for, and linear predictors."""
    rng = np.random.default_rng(0)
    low, high = max(loss.targets.low, -3.0), min(loss.targets.high, 3.0)
    # means of all targets are in the range of exponentials
    low = 0.05 if low == 0 and high > 1 else low
    low = 0.05 if loss.has_log_link else low
    eta = rng.uniform(-2.0, 2.0, n)
    return rng.uniform(low, high, n), np.abs(eta) + 0.5 if loss.kernel == 5 else eta


@EVERY
def test_the_table_and_the_attributes_say_the_same(loss):
    assert loss_of(loss) is loss
    assert type(loss_of(loss.name)).__name__
    assert {loss.error_score, loss.fit_score} <= set(loss.scores)
    assert loss.error_name
    assert loss.null_name
    assert loss.n_dispersion in (0, 1)
    y, _ = samples(loss)
    loss.check_targets(y)


@EVERY
def test_gradient_and_curvature_are_derivatives(loss):
    y, eta = samples(loss)
    h = 1e-4
    slope = (loss.value(y, eta + h) - loss.value(y, eta - h)) / (2 * h)
    assert_allclose(loss.gradient(y, eta), slope, rtol=1e-6, atol=1e-7)
    if not loss.is_convex:
        # the expected curvature is that at y = mu
        mu = loss.inverse_link(eta)
        slope = (loss.gradient(mu, eta + h) - loss.gradient(mu, eta - h)) / (2 * h)
        assert_allclose(loss.curvature(y, eta), slope, rtol=1e-6, atol=1e-7)
        return
    slope = (loss.gradient(y, eta + h) - loss.gradient(y, eta - h)) / (2 * h)
    # Huber's has kinks
    smooth = np.abs(np.abs(y - eta) - loss.parameter) > 2 * h if loss.name == "huber" else True
    difference = np.abs(loss.curvature(y, eta) - slope)
    assert (difference <= 1e-7 + 1e-6 * np.abs(slope))[smooth].all()


@EVERY
@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_compiled_loops(loss, scale):
    """Weighted sums and derivatives, to the round-off of exponentials of the size of eta."""
    y, eta = samples(loss, 1000)
    eta = eta * scale
    weight = np.random.default_rng(1).uniform(0.0, 2.0, len(y))
    weight[::7] = 0.0
    r, h = np.empty_like(y), np.empty_like(y)
    for w in (None, weight):
        one = 1.0 if w is None else w
        total = evaluate(loss.kernel, loss.parameter, y, eta, w, r, h)
        assert total == evaluate(loss.kernel, loss.parameter, y, eta, w)
        value = one * loss.value(y, eta)
        assert_allclose(total, value.sum(), rtol=1e-13, atol=1e-13 * np.abs(value).sum())
        # gradients are differences of two terms
        size = np.abs(loss.gradient(y, eta)) + np.abs(y) + loss.curvature(y, eta)
        assert (np.abs(r - one * loss.gradient(y, eta)) <= 1e-13 * one * size).all()
        assert_allclose(h, one * loss.curvature(y, eta), rtol=1e-13)


def test_compiled_loops_at_the_ends_of_the_range():
    y, eta = np.array([0.0, 1.0, 0.0, 1.0]), np.array([-800.0, 800.0, 800.0, -800.0])
    r, h = np.empty(4), np.empty(4)
    assert evaluate(1, 0.0, y, eta, None, r, h) == 1600.0
    assert_array_equal(r, [0.0, 0.0, 1.0, -1.0])
    assert_array_equal(h, 0.0)
    assert evaluate(2, 0.0, y, np.array([0.0, 0.0, 800.0, 0.0]), None, r, h) == np.inf
    # no weight, no value
    weight = np.array([1.0, 1.0, 0.0, 1.0])
    assert np.isfinite(evaluate(2, 0.0, y, np.array([0.0, 0.0, 800.0, 0.0]), weight))
    assert np.isnan(evaluate(1, 0.0, y, np.full(4, np.nan)))


def test_arguments_of_compiled_loops():
    y = np.zeros(3)
    with pytest.raises(ValueError, match="kernel: expected 0 to 7; got 8"):
        evaluate(8, 0.0, y, y)
    with pytest.raises(ValueError, match="eta: expected 3 elements; got 2"):
        evaluate(0, 0.0, y, y[:2])
    with pytest.raises(ValueError, match="expected both or none"):
        evaluate(0, 0.0, y, y, None, y.copy())


def test_losses_by_name():
    assert loss_of("tweedie", power=1.0) is loss_of("poisson")
    assert loss_of("huber", delta=2.0).delta == 2.0
    for arguments, message in (
        (("absolute",), "loss is 'absolute'; expected one of squared"),
        ((3,), "loss is 3"),
    ):
        with pytest.raises(ValueError, match=message):
            loss_of(*arguments)
    with pytest.raises(ValueError, match="does not take power"):
        loss_of("poisson", power=1.0)
    with pytest.raises(ValueError, match=r"power is 0\.5"):
        tweedie(0.5)
    with pytest.raises(ValueError, match="expected 'auto', 'log' or 'identity'"):
        tweedie(1.5, "logit")
    with pytest.raises(ValueError, match="identity link"):
        tweedie(-1.0, "identity")
    with pytest.raises(ValueError, match="theta is 0"):
        NegativeBinomial(0.0)
    with pytest.raises(ValueError, match="delta is -1"):
        Huber(-1.0)
    with pytest.raises(ValueError, match="delta is 'a'; expected a finite number above 0"):
        Huber("a")
    with pytest.raises(ValueError, match="theta is None; expected a finite number above 0"):
        NegativeBinomial(None)


@CONVEX
def test_conjugate_is_the_supremum(loss):
    y, eta = samples(loss)
    u = loss.gradient(y, eta)
    # Fenchel and Young: equal at the gradient, at least elsewhere
    assert_allclose(loss.conjugate(y, u), u * eta - loss.value(y, eta), rtol=1e-10, atol=1e-12)
    other = np.roll(eta, 1)
    assert (loss.conjugate(y, u) >= u * other - loss.value(y, other) - 1e-12).all()


@EVERY
def test_links_are_inverse_and_deviance_belongs_to_the_value(loss):
    y, eta = samples(loss)
    mu = loss.inverse_link(eta)
    assert_allclose(loss.link(mu), eta, rtol=1e-10, atol=1e-12)
    assert_allclose(loss.deviance(y, y), 0.0, atol=1e-12)
    # twice the differences of the value
    between = 2.0 * (loss.value(y, eta) - loss.value(y, np.roll(eta, 1)))
    assert_allclose(
        loss.deviance(y, mu) - loss.deviance(y, np.roll(mu, 1)), between, rtol=1e-9, atol=1e-9
    )
    if loss.name == "huber":
        return
    h = 1e-5
    slope = (loss.deviance(y, mu + h) - loss.deviance(y, mu - h)) / (2 * h)
    assert_allclose(slope, -2.0 * (y - mu) / loss.unit_variance(mu), rtol=1e-5, atol=1e-5)


@EVERY
@pytest.mark.parametrize("weighted", [False, True])
def test_null_model_is_the_best_constant(loss, weighted):
    y, _ = samples(loss)
    y = y[:, None]
    weight = np.random.default_rng(1).uniform(0.0, 2.0, len(y)) if weighted else None
    mu = loss.null_mean(y, weight, True)
    best = loss.null_deviance(y, weight, True)
    assert_allclose(best, loss.mean_deviance(y, mu, weight))
    for shift in (-1e-3, 1e-3):
        assert (best < loss.mean_deviance(y, mu + shift, weight)).all()
    assert_allclose(loss.null_mean(y, weight, False), loss.inverse_link(np.zeros(1)))
    assert_allclose(loss.explained(y, np.broadcast_to(mu, y.shape), weight), 0.0, atol=1e-12)
    assert_allclose(loss.explained(y, y, weight), 1.0, rtol=1e-14)


@EVERY
def test_of_a_constant_target(loss):
    y = np.full((7, 1), 0.1)
    weight = np.array([1.0, 2.0, 0.3, 0.0, 5.0, 0.7, 0.1])
    assert_array_equal(loss.spread(y, weight), 0.0)
    assert_array_equal(loss.explained(y, y, weight), 1.0)
    assert_array_equal(loss.explained(y, y + 0.1, weight), 0.0)


@EVERY
def test_standard_errors_of_scores_are_of_first_order(loss):
    error, spread, h = np.array([0.3, 2.0]), np.array([1.5, 2.5]), 1e-6
    for score in loss.scores.values():
        moved = score.value(error + h, spread) - score.value(error, spread)
        assert_allclose(score.deviation(np.full(2, h), error, spread), abs(moved), rtol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_of_rows_and_of_moments(weighted):
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((40, 5)) + 3.0, rng.standard_normal((40, 2))
    weight = rng.uniform(0.0, 2.0, 40) if weighted else None
    coef, intercept = rng.standard_normal((3, 2, 5)), rng.standard_normal((3, 2))
    expected = np.array(
        [
            np.average((y - X @ c.T - b) ** 2, axis=0, weights=weight)
            for c, b in zip(coef, intercept, strict=True)
        ]
    )
    A = Matrix.from_dense(X)
    assert_allclose(SQUARED.error_of_rows(A, y, weight, coef, intercept), expected)
    seen = []
    rows = np.arange(0, 40, 3)
    w = None if weight is None else weight[rows]
    SQUARED.error_of_rows(
        A, y[rows], w, coef, intercept, lambda j, mu, c, b: seen.append((j, mu, c, b)), rows
    )
    for j, mu, c, b in seen:
        assert_allclose(mu, X[rows] @ coef[j].T + intercept[j])
        assert_array_equal(c, coef[j]), assert_array_equal(b, intercept[j])
    assert len(seen) == 3
    moments = Moments(X, y, weight)
    assert_allclose(SQUARED.error_of_moments(moments, coef, intercept), expected)


class Log(losses.Squared):
    """Squares of y about exp(eta)."""

    def inverse_link(self, eta):
        return np.exp(eta)


def test_errors_and_predictions_go_by_the_link(monkeypatch):
    rng = np.random.default_rng(7)
    X, y = rng.standard_normal((20, 3)), rng.standard_normal((20, 1))
    coef, intercept = rng.standard_normal((1, 1, 3)), rng.standard_normal((1, 1))
    eta, seen = X @ coef[0].T + intercept[0], []
    found = Log().error_of_rows(
        Matrix.from_dense(X), y, None, coef, intercept, lambda j, eta, c, b: seen.append(eta)
    )
    assert_allclose(found[0], ((y - np.exp(eta)) ** 2).mean(axis=0))
    assert_allclose(seen[0], eta)
    model = Ridge().fit(X, y[:, 0])
    eta = model.predict(X)
    monkeypatch.setattr(Ridge, "_loss", Log())
    assert_allclose(model.predict(X), np.exp(eta))


def test_moments_hide_errors_that_cancel():
    X = np.random.default_rng(3).standard_normal((30, 3))
    coef = np.ones((1, 1, 3))
    moments = Moments(X, X.sum(axis=1))
    assert SQUARED.error_of_moments(moments, coef, np.zeros((1, 1))) is None


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_null_models_of_left_out_rows(fit_intercept, weighted):
    rng = np.random.default_rng(4)
    y = rng.standard_normal((12, 2)) + 1.0
    weight = rng.uniform(0.1, 2.0, 12) if weighted else None
    w = np.ones(12) if weight is None else weight
    errors = []
    for i in range(12):
        keep = np.arange(12) != i
        mean = np.average(y[keep], axis=0, weights=w[keep]) if fit_intercept else 0.0
        errors.append((y[i] - mean) ** 2)
    expected = np.average(errors, axis=0, weights=w)
    assert_allclose(SQUARED.null_left_out(y, weight, fit_intercept), expected)
    expected = SQUARED.null_deviance(y, weight, fit_intercept)
    expected = expected / (1.0 - 1.0 / w.sum()) ** 2 if fit_intercept else expected
    assert_allclose(SQUARED.null_generalised(y, weight, fit_intercept), expected)


def test_likelihood_is_that_of_gaussian_noise():
    from scipy.stats import norm

    r = np.random.default_rng(5).standard_normal(50)
    error = np.mean(r**2)
    expected = -2.0 * norm.logpdf(r, scale=np.sqrt(error)).sum()
    assert_allclose(SQUARED.minus_twice_log_likelihood(error, 50.0), expected)


@pytest.mark.parametrize(
    ("interval", "inside", "outside", "words"),
    [
        (Interval(), [-1e300, 1e300], None, "finite numbers"),
        (Interval(low=0.0), [0.0, 3.0], [-1e-9, 1.0], "numbers in [0, inf)"),
        (Interval(0.0, low_is_in=False), [1e-9, 3.0], [0.0, 1.0], "numbers in (0, inf)"),
        (Interval(0.0, 1.0), [0.0, 1.0], [0.5, 1.1], "numbers in [0, 1]"),
    ],
)
def test_intervals_of_targets(interval, inside, outside, words):
    class Other(losses.Squared):
        targets = interval

    assert str(interval) == words
    Other().check_targets(np.array(inside))
    if outside is not None:
        with pytest.raises(ValueError, match=r"y has values from .* to .*; expected numbers in"):
            Other().check_targets(np.array(outside))


class Halved(losses.Squared):
    """A custom loss with the same minimum: half of the squares, under other names."""

    name, error_name, null_name = "halved", "half the squares", "the centre"

    def deviance(self, y, mu):
        return 0.5 * super().deviance(y, mu)


@pytest.mark.parametrize(
    "model", [RidgeCV(cv=3), RidgeCV(), ElasticNetCV(alphas=[0.1, 0.01], cv=3)]
)
def test_searches_ask_the_loss_of_the_estimator(model, monkeypatch):
    """Null errors, names and scores are those of the loss, not of squares."""
    rng = np.random.default_rng(6)
    X = rng.standard_normal((40, 3))
    y = X[:, 0] + rng.standard_normal(40)
    usual = model.fit(X, y)
    plain, score = str(usual.diagnosis_), usual.score(X, y)
    assert usual.cv_results_.loss == usual.diagnosis_.loss == "squared"
    assert "mean squared error" in plain
    assert "the mean alone" in plain
    monkeypatch.setitem(LOSSES, "halved", Halved)
    monkeypatch.setattr(type(model), "_loss", loss_of("halved"))
    other = model.fit(X, y)
    assert other.cv_results_.loss == other.diagnosis_.loss == "halved"
    text = str(other.diagnosis_)
    assert "half the squares" in text
    assert "the centre alone" in text
    assert "mean squared error" not in text
    # the share that is explained does not depend on the unit
    assert_allclose(other.score(X, y), score)
