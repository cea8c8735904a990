"""Conventions of the penalty: the same minimiser in each of them."""

import itertools

import numpy as np
import pytest
from cases import each

import fastridge
from fastridge import kernels, penalty

CONVENTIONS = ["alpha", "lambda", "weight_decay", "C", "glm", "prior_variance"]
LOSSES = ["sum", "half_sum", "mean", "half_mean"]
N, P = 40, 4


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, P))
    return X, X @ rng.normal(size=P) + rng.normal(size=N)


@pytest.mark.parametrize("loss", LOSSES)
@each("source, target", list(itertools.product(CONVENTIONS, CONVENTIONS)))
def test_there_and_back(source, target, loss):
    known = {"loss": loss, "n_samples": 7, "noise_variance": 0.3}
    values = np.array([[0.1, 2.0, 30.0]])
    there = penalty.convert(values, source, target, **known)
    np.testing.assert_allclose(penalty.convert(there, target, source, **known), values, rtol=1e-15)
    assert penalty.convert(2.0, source, target, **known) == there[0, 1]
    if "glm" in (source, target) and {source, target}.isdisjoint({"alpha", "prior_variance"}):
        return  # "alpha" would make it one of least squares
    by_way = penalty.convert(values, source, "alpha", **known)
    np.testing.assert_allclose(penalty.convert(by_way, "alpha", target, **known), there, rtol=1e-15)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("convention", ["lambda", "weight_decay"])
def test_gradient_descent_finds_the_ridge_fit(data, loss, convention):
    X, y = data
    factor = {"sum": 1.0, "half_sum": 0.5, "mean": 1 / N, "half_mean": 0.5 / N}[loss]
    strength = 0.7
    alpha = penalty.convert(strength, convention, "alpha", loss=loss, n_samples=N)
    decay = penalty.convert(strength, convention, "weight_decay", loss=loss, n_samples=N)
    w = np.zeros(P)
    for _ in range(3000):
        kernels.sgd_step(w, factor * 2 * X.T @ (X @ w - y), lr=0.2 / N / factor, weight_decay=decay)
    want = fastridge.ridge(X, y, alpha, fit_intercept=False).coef
    np.testing.assert_allclose(w, want, rtol=1e-10)


def test_least_squares_as_a_glm(data):
    X, y = data
    alpha = penalty.convert(0.3, "glm", "alpha", n_samples=N)
    fit = fastridge.glm(X, y, "squared", alpha=0.3, tol=1e-10)
    np.testing.assert_allclose(fastridge.ridge(X, y, alpha).coef, fit.coef, rtol=1e-9)
    variance = penalty.convert(0.3, "glm", "prior_variance", n_samples=N, noise_variance=2.0)
    np.testing.assert_allclose(variance, 2.0 / alpha, rtol=1e-15)


def test_factor_of_a_step_of_the_textbook():
    strength, rates = 0.3, 0.1 / (1 + np.arange(50))
    w = np.array([2.0])
    for lr in rates:
        kernels.sgd_step(
            w, np.zeros(1), lr=lr, weight_decay=penalty.convert(strength, "lambda", "weight_decay")
        )
    np.testing.assert_allclose(w, 2.0 * np.prod(1 - 2 * rates * strength), rtol=1e-13)


def test_posterior_mean_is_the_ridge_fit(data):
    X, y = data
    prior, noise = 0.4, 1.7
    # Bishop, equations 3.53 and 3.54
    precision = np.eye(P) / prior + X.T @ X / noise
    mean = np.linalg.solve(precision, X.T @ y / noise)
    alpha = penalty.convert(prior, "prior_variance", "alpha", noise_variance=noise)
    fit = fastridge.ridge(X, y, alpha, fit_intercept=False)
    np.testing.assert_allclose(fit.coef, mean, rtol=1e-12)


def test_elastic_net_without_l1(data):
    X, y = data
    alpha = penalty.convert(0.3, "weight_decay", "alpha", loss="half_mean", n_samples=N)
    net = fastridge.elastic_net(X, y, alpha=0.3, l1_ratio=0.0, tol=1e-14)
    np.testing.assert_allclose(net.coef, fastridge.ridge(X, y, alpha).coef, rtol=1e-6)


def test_regularisation_of_a_classifier(data):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y = data
    label = np.where(y > 0, 1.0, -1.0)
    C = 0.2
    theirs = linear_model.LogisticRegression(C=C, fit_intercept=False, tol=1e-10).fit(X, label)
    decay = penalty.convert(C, "C", "weight_decay", loss="mean", n_samples=N)
    w = np.zeros(P)
    for _ in range(3000):
        # mean of log(1 + exp(-label * X w))
        g = -X.T @ (label / (1 + np.exp(label * (X @ w)))) / N
        kernels.sgd_step(w, g, lr=1.0, weight_decay=decay)
    np.testing.assert_allclose(w, theirs.coef_[0], rtol=1e-6)


def test_ends_of_the_scale():
    assert penalty.convert(0.0, "alpha", "prior_variance", noise_variance=1.0) == np.inf
    assert penalty.convert(np.inf, "prior_variance", "alpha", noise_variance=1.0) == 0.0
    assert penalty.convert(0.0, "C", "weight_decay") == np.inf
    # of the same loss, so its scale does not matter
    assert penalty.convert(1, "lambda", "weight_decay", loss="mean") == 2.0
    assert penalty.convert(3.0, "prior_variance", "prior_variance") == 3.0
    assert type(penalty.convert(np.float32(1), "alpha", "lambda")) is float
    assert penalty.convert([], "alpha", "lambda").shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        ((1.0, "lamda", "alpha"), {}, ValueError, "source is 'lamda'; expected one of alpha, "),
        ((1.0, "alpha", "tau"), {}, ValueError, "target is 'tau'; expected one of alpha, "),
        ((1.0, "alpha", "C"), {"loss": "average"}, ValueError, "loss is 'average'; expected one"),
        ((-1.0, "alpha", "C"), {}, ValueError, "value contains NaN or negative"),
        ((np.nan, "alpha", "C"), {}, ValueError, "value"),
        ((None, "alpha", "C"), {}, ValueError, "value is None"),
        (("1", "alpha", "C"), {}, ValueError, "value holds strings"),
        ((1.0, "alpha", "lambda"), {"loss": "mean"}, ValueError, "n_samples is None; expected"),
        ((1.0, "alpha", "C"), {"n_samples": 0}, ValueError, "n_samples is 0; expected"),
        ((1.0, "alpha", "C"), {"n_samples": "3"}, TypeError, "n_samples is '3'; expected"),
        ((1.0, "alpha", "prior_variance"), {}, ValueError, "noise_variance is None; expected"),
        ((1.0, "alpha", "C"), {"noise_variance": -1}, ValueError, "noise_variance is -1; expected"),
    ],
)
def test_refused(arguments, options, kind, message):
    with pytest.raises(kind, match=message):
        penalty.convert(*arguments, **options)


def test_losses_of_classes_and_counts(data):
    """C, glm and the textbook's lambda of a logistic loss; glm of a Poisson loss."""
    from sklearn.linear_model import LogisticRegression, PoissonRegressor

    X, y = data
    labels = (y > 0).astype(float)
    alpha = penalty.convert(0.3, "C", "glm", n_samples=N)
    theirs = LogisticRegression(C=0.3, tol=1e-10, max_iter=10_000).fit(X, labels)
    ours = fastridge.glm(X, labels, "logistic", alpha, tol=1e-9)
    np.testing.assert_allclose(ours.coef, theirs.coef_[0], rtol=1e-5)
    same = penalty.convert(0.3, "C", "weight_decay", loss="mean", n_samples=N)
    np.testing.assert_allclose(same, alpha, rtol=1e-15)
    counts = np.round(np.exp(0.3 * y))
    theirs = PoissonRegressor(alpha=alpha, tol=1e-10, solver="newton-cholesky").fit(X, counts)
    ours = fastridge.glm(X, counts, "poisson", alpha, tol=1e-9)
    np.testing.assert_allclose(ours.coef, theirs.coef_, rtol=1e-6)
    with pytest.raises(ValueError, match="n_samples is None; expected the number of samples"):
        penalty.convert(1.0, "C", "glm")


def test_lambda_of_glmnet():
    """Coefficients that glmnet 4.1 printed, with thresh=1e-20."""
    i = np.arange(1.0, 21.0)
    X = np.column_stack([j * np.sin(i * j) for j in (1.0, 2.0, 3.0)])
    y = 5.0 + 3.0 * X[:, 0] - X[:, 1] + 4.0 * np.cos(2.5 * i)
    n, sd, given = 20, np.std(y), 0.5
    alpha = penalty.convert(given / sd, "glm", "alpha", n_samples=n)
    fit = fastridge.ridge(X, y, alpha, standardize=True)
    expected = [5.0172180060281, 2.7602124174821, -1.1858787942326, 0.0479899816737]
    np.testing.assert_allclose([fit.intercept, *fit.coef], expected, rtol=1e-9)
    np.testing.assert_allclose(alpha, n * given / sd, rtol=1e-14)
    printed = {
        0.5: [5.01636616942, 2.57898374260, -1.08344198625, 0.0],
        1.0: [5.016095820364, 2.375098244263, -0.968357079804, 0.0],
    }
    for a, expected in printed.items():
        whole = a + (1.0 - a) / sd
        options = {"standardize": True, "tol": 1e-14}
        fit = fastridge.elastic_net(X, y, alpha=given * whole, l1_ratio=a / whole, **options)
        np.testing.assert_allclose([fit.intercept, *fit.coef], expected, rtol=1e-8)
    fit = fastridge.glm(X, (y > 5) * 1.0, "logistic", alpha=0.1, standardize=True, tol=1e-12)
    expected = [0.2165604811801, 0.4148825215552, -0.2785627947534, -0.0202406952836]
    np.testing.assert_allclose([fit.intercept, *fit.coef], expected, rtol=1e-7)


def test_alpha_of_glum_and_lambda_of_glmnet_for_other_losses():
    """Coefficients that glum 3.4 printed for alpha=0.1; glmnet 4.1, for lambda=0.1, the same."""
    i = np.arange(1.0, 41.0)
    X = np.column_stack([j * np.sin(i * j) for j in (1.0, 2.0, 3.0)])
    counts = np.round(np.exp(0.8 + 0.4 * X[:, 0] - 0.2 * X[:, 1] + 0.3 * np.cos(2.5 * i)))
    targets = {
        "poisson": counts,
        "logistic": (counts > np.median(counts)).astype(float),
        "gamma": counts + 1.0,
    }
    printed = {
        ("poisson", 0.0): [0.83175316059, 0.37783390751, -0.21932810000, 0.00843340040],
        ("poisson", 0.5): [0.84108914186, 0.35277443535, -0.21164230815, 0.00460847955],
        ("logistic", 0.0): [-0.62086157587, 0.69786336405, -0.90050721178, 0.03778514121],
        ("logistic", 0.5): [-0.60312233559, 0.57103175148, -0.86916315608, 0.0],
        ("gamma", 0.0): [1.21008436976, 0.23591972242, -0.14571834332, 0.00152342804],
        ("gamma", 0.5): [1.21696200448, 0.16777781758, -0.12677636251, 0.0],
    }
    for (loss, ratio), expected in printed.items():
        fit = fastridge.glm(X, targets[loss], loss, 0.1, l1_ratio=ratio, tol=1e-9)
        np.testing.assert_allclose([fit.intercept, *fit.coef], expected, rtol=2e-6, atol=1e-12)
    C = penalty.convert(0.1, "glm", "C", n_samples=40)
    model = fastridge.LogisticRegression(C=C, tol=1e-9).fit(X, targets["logistic"])
    fitted = [*model.intercept_, *model.coef_[0]]
    np.testing.assert_allclose(fitted, printed["logistic", 0.0], rtol=1e-9)
