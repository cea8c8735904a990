"""Poisson, gamma and Tweedie regressors: against scikit-learn, and additional features."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
import sklearn.linear_model as theirs
from estimator_checks import all_checks, check_all
from model_files import identical, round_trip
from numpy.testing import assert_allclose
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

import fastridge
from fastridge import GammaRegressor, PoissonRegressor, TweedieRegressor

KINDS = [
    ("PoissonRegressor", {}),
    ("GammaRegressor", {}),
    ("TweedieRegressor", {}),
    ("TweedieRegressor", {"power": 1.0}),
    ("TweedieRegressor", {"power": 1.5}),
    ("TweedieRegressor", {"power": 2.0}),
    ("TweedieRegressor", {"power": 3.0}),
    ("TweedieRegressor", {"power": -1.0, "link": "log"}),
    ("TweedieRegressor", {"power": 0.0, "link": "log"}),
    ("TweedieRegressor", {"power": 2.0, "link": "identity"}),
]
EVERY = pytest.mark.parametrize(("name", "options"), KINDS)
FIRST = pytest.mark.parametrize("cls", [PoissonRegressor, GammaRegressor, TweedieRegressor])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 5))
    mean = np.exp(X @ [0.5, -0.3, 0.0, 0.2, 0.1] + 0.4)
    return X, rng.poisson(mean) + 0.5, rng.uniform(0.2, 3.0, size=120)


def ours(name, **options):
    return getattr(fastridge, name)(tol=1e-9, **options)


@EVERY
@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.slow
def test_is_what_scikit_learn_fits(data, name, options, alpha, weighted):
    X, y, s = data
    s = s if weighted else None
    other = getattr(theirs, name)(alpha=alpha, tol=1e-9, max_iter=10000, **options)
    with warnings.catch_warnings():
        # L-BFGS ends at the round-off of the objective, before the gradient is small
        warnings.simplefilter("ignore")
        other.fit(X, y, s)
    model = ours(name, alpha=alpha, **options).fit(X, y, s)
    assert_allclose(model.coef_, other.coef_, atol=1e-6)
    assert_allclose(model.intercept_, other.intercept_, atol=1e-6)
    assert_allclose(model.predict(X), other.predict(X), rtol=1e-6)
    assert_allclose(model.score(X, y, s), other.score(X, y, s), atol=1e-7)
    assert model.relative_gap_ <= 1e-18 or model.dual_gap_ < 1e-13


@EVERY
def test_certificate_bounds_what_could_be_gained(data, name, options):
    X, y, s = data
    exact = ours(name, alpha=0.01, **options).fit(X, y, s)
    coarse = getattr(fastridge, name)(alpha=0.01, tol=1e-2, **options).fit(X, y, s)
    assert coarse.relative_gap_ <= 1e-4
    assert -1e-12 <= coarse.objective_ - exact.objective_ <= coarse.dual_gap_ + 1e-12
    assert isinstance(coarse.n_iter_, int)
    assert isinstance(coarse.solver_, str)


@EVERY
def test_storages_and_types(data, name, options):
    X, y, s = data
    X = X * (np.abs(X) > 0.5)
    dense = ours(name, alpha=0.1, **options).fit(X, y, s)
    for Z in (np.asfortranarray(X), sp.csr_array(X), sp.csc_matrix(X), X[::-1][::-1]):
        model = ours(name, alpha=0.1, **options).fit(Z, y, s)
        assert_allclose(model.coef_, dense.coef_, atol=1e-8)
        assert_allclose(model.predict(Z), dense.predict(X), rtol=1e-7)
    single = ours(name, alpha=0.1, **options).fit(X.astype(np.float32), y, s)
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert single.predict(X.astype(np.float32)).dtype == np.float32
    assert_allclose(single.coef_, dense.coef_, atol=1e-5)


@EVERY
def test_weights_are_repetitions(data, name, options):
    X, y, _ = data
    counts = np.arange(len(y)) % 4
    weighted = ours(name, alpha=0.1, **options).fit(X, y, counts)
    repeated = ours(name, alpha=0.1, **options).fit(np.repeat(X, counts, 0), np.repeat(y, counts))
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-8)
    assert_allclose(weighted.intercept_, repeated.intercept_, atol=1e-8)
    assert_allclose(weighted.objective_, repeated.objective_, rtol=1e-10)
    assert_allclose(
        weighted.score(X, y, counts),
        repeated.score(np.repeat(X, counts, 0), np.repeat(y, counts)),
        rtol=1e-9,
    )


@pytest.mark.parametrize("cls", [PoissonRegressor, GammaRegressor])
def test_exposure_is_an_offset_of_its_log(data, cls):
    X, y, s = data
    exposure = np.exp(X[:, 1]) * s
    a = cls(alpha=0.1, tol=1e-9).fit(X, y, s, exposure=exposure)
    b = cls(alpha=0.1, tol=1e-9).fit(X, y, s, offset=np.log(exposure))
    both = cls(alpha=0.1, tol=1e-9).fit(X, y, s, offset=X[:, 1], exposure=s)
    for other in (b, both):
        assert_allclose(a.coef_, other.coef_, atol=1e-10)
    assert_allclose(
        a.predict(X, exposure=exposure), a.predict(X, offset=np.log(exposure)), rtol=1e-12
    )
    assert_allclose(a.predict(X, exposure=exposure), exposure * a.predict(X), rtol=1e-12)
    assert_allclose(
        a.score(X, y, s, exposure=exposure), a.score(X, y, s, offset=np.log(exposure)), rtol=1e-12
    )


def test_poisson_exposure_is_a_rate_with_weights(data):
    # the Poisson loss of counts with an exposure is that of rates weighted by it
    X, y, s = data
    counts = ours("PoissonRegressor", alpha=0.1 / s.mean()).fit(X, y, exposure=s)
    rates = ours("PoissonRegressor", alpha=0.1 / s.mean() / s.mean()).fit(X, y / s, s)
    assert_allclose(counts.coef_, rates.coef_, atol=1e-8)
    assert_allclose(counts.score(X, y, exposure=s), rates.score(X, y / s, s), rtol=1e-6)


@EVERY
def test_score_with_an_offset_of_zeros(data, name, options):
    X, y, s = data
    model = ours(name, alpha=0.1, **options).fit(X, y, s)
    assert_allclose(model.score(X, y, s, offset=np.zeros(len(y))), model.score(X, y, s), rtol=1e-9)


@EVERY
def test_penalty_factor_and_standardize(data, name, options):
    X, y, s = data
    scale = np.array([1.0, 10.0, 0.1, 3.0, 1.0])
    factor = np.array([0.0, 1.0, 2.0, 1.0, 1.0])
    if options.get("link") != "identity":
        a = ours(name, alpha=0.1, standardize=True, **options).fit(X, y, s)
        b = ours(name, alpha=0.1, standardize=True, **options).fit(X * scale, y, s)
        assert_allclose(a.coef_, b.coef_ * scale, rtol=1e-6, atol=1e-9)
    deviation = np.sqrt(np.average((X - np.average(X, 0, s)) ** 2, axis=0, weights=s))
    c = ours(name, alpha=0.1, standardize=True, **options).fit(X, y, s)
    d = ours(name, alpha=0.1, penalty_factor=deviation**2, **options).fit(X, y, s)
    assert_allclose(c.coef_, d.coef_, atol=1e-7)
    e = ours(name, alpha=0.1, penalty_factor=factor, **options).fit(X, y, s)
    # a factor of the squares is a column on another scale
    root = np.sqrt(factor[1:])
    Z = np.column_stack([X[:, 1:] / root])
    g = ours(name, alpha=0.1, **options)
    g.set_params(penalty_factor=np.r_[0.0, np.ones(4)])
    g.fit(np.column_stack([X[:, 0], Z]), y, s)
    assert_allclose(e.coef_[1:], g.coef_[1:] / root, atol=1e-7)


@EVERY
@pytest.mark.slow
def test_no_intercept(data, name, options):
    if options.get("link") == "identity":
        pytest.skip("means must be positive, which no predictor without an intercept gives")
    X, y, s = data
    other = getattr(theirs, name)(
        alpha=0.1, tol=1e-9, max_iter=10000, fit_intercept=False, **options
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other.fit(X, y, s)
    model = ours(name, alpha=0.1, fit_intercept=False, **options).fit(X, y, s)
    assert type(model.intercept_) is float
    assert model.intercept_ == 0.0
    assert_allclose(model.coef_, other.coef_, atol=1e-6)


@FIRST
def test_warm_start(data, cls):
    X, y, s = data
    model = cls(alpha=0.1, warm_start=True).fit(X, y, s)
    first = model.coef_
    assert model.fit(X, y, s).n_iter_ <= 1
    assert_allclose(model.coef_, first, atol=1e-4)
    assert model.fit(X[:, :3], y).coef_.shape == (3,)


@FIRST
def test_solver_names(data, cls):
    X, y, _ = data
    expected = cls(alpha=0.1, tol=1e-9).fit(X, y).coef_
    for solver in ("lbfgs", "newton-cholesky", "auto", "newton"):
        assert_allclose(cls(alpha=0.1, tol=1e-9, solver=solver).fit(X, y).coef_, expected)
    with pytest.raises(ValueError, match=r"The 'solver' parameter of .* must be one of 'lbfgs'"):
        cls(solver="magic").fit(X, y)


def test_refused(data):
    X, y, _ = data
    n = len(y)
    with pytest.raises(ValueError, match="y has values from -1 to"):
        PoissonRegressor().fit(X, np.where(np.arange(n) == 3, -1.0, y))
    with pytest.raises(ValueError, match="y has values from 0 to"):
        GammaRegressor().fit(X, np.where(np.arange(n) == 3, 0.0, y))
    with pytest.raises(ValueError, match="y is 0 for every sample"):
        PoissonRegressor().fit(X, np.zeros(n))
    with pytest.raises(ValueError, match="exposure is given for the loss 'squared'"):
        TweedieRegressor().fit(X, y, exposure=np.ones(n))
    with pytest.raises(ValueError, match="exposure has shape"):
        PoissonRegressor().fit(X, y, exposure=np.zeros(n))
    with pytest.raises(ValueError, match="offset has 3 rows"):
        PoissonRegressor().fit(X, y).predict(X, offset=np.zeros(3))
    with pytest.raises(ValueError, match=r"expected \(n_samples,\)"):
        PoissonRegressor().fit(X, np.column_stack([y, y]))
    for power in (0.5, np.nan, True, "x"):
        with pytest.raises(ValueError, match="The 'power' parameter of TweedieRegressor"):
            TweedieRegressor(power=power).fit(X, y)
    with pytest.raises(ValueError, match="identity"):
        TweedieRegressor(power=-1.0, link="identity").fit(X, y)
    with pytest.raises(fastridge.exceptions.NotFittedError):
        PoissonRegressor().predict(X)


def test_cut_short_says_so(data):
    X, y, _ = data
    with pytest.warns(fastridge.exceptions.ConvergenceWarning, match="relative gap"):
        PoissonRegressor(alpha=0.0, max_iter=1, tol=1e-12).fit(X, y)


def test_tweedie_keeps_the_loss_of_its_fit(data):
    X, y, _ = data
    model = TweedieRegressor(power=1.5).fit(X, y)
    expected = model.predict(X)
    model.set_params(power=0.0)
    assert (model.power_, model.link_) == (1.5, "log")
    assert_allclose(model.predict(X), expected)
    again = round_trip(model)
    assert identical(again, model)
    assert_allclose(again.predict(X), expected)


@EVERY
def test_save_and_pickle(data, name, options):
    X, y, s = data
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = ours(name, alpha=0.1, **options).fit(frame, y, s)
    assert identical(round_trip(model), model)
    again = pickle.loads(pickle.dumps(model))
    assert_allclose(again.predict(frame), model.predict(frame), rtol=0)
    assert list(again.feature_names_in_) == list("abcde")


def test_in_scikit_learn(data):
    X, y, _ = data
    pipe = make_pipeline(StandardScaler(), PoissonRegressor())
    search = GridSearchCV(pipe, {"poissonregressor__alpha": [0.01, 0.1, 1.0]}, cv=3).fit(X, y)
    assert search.best_params_["poissonregressor__alpha"] in (0.01, 0.1, 1.0)
    scores = cross_val_score(PoissonRegressor(alpha=0.1), X, y, cv=3)
    assert_allclose(scores, cross_val_score(theirs.PoissonRegressor(alpha=0.1), X, y, cv=3), 1e-3)
    assert get_tags(PoissonRegressor()).target_tags.positive_only
    assert not get_tags(TweedieRegressor()).target_tags.positive_only
    assert not get_tags(TweedieRegressor(power=0.5)).target_tags.positive_only


def test_metadata_routing(data):
    X, y, s = data
    with sklearn.config_context(enable_metadata_routing=True):
        model = PoissonRegressor(alpha=0.1).set_fit_request(exposure=True)
        model.set_score_request(exposure=True).set_predict_request(exposure=False)
        scores = cross_val_score(model, X, y, cv=3, params={"exposure": s})
        with pytest.raises(TypeError, match="unexpected keyword argument 'groups'"):
            model.set_fit_request(groups=True)
    train, test = np.arange(40, 120), np.arange(40)
    fitted = PoissonRegressor(alpha=0.1).fit(X[train], y[train], exposure=s[train])
    assert_allclose(scores[0], fitted.score(X[test], y[test], exposure=s[test]))


@pytest.mark.slow
@all_checks(
    [
        PoissonRegressor(),
        PoissonRegressor(penalty_factor=None, standardize=True),
        GammaRegressor(),
        TweedieRegressor(),
        TweedieRegressor(power=1.5),
        TweedieRegressor(fit_intercept=False),
    ]
)
def test_estimator_checks(estimator):
    check_all(estimator)


@pytest.mark.parametrize("cls", [PoissonRegressor, GammaRegressor])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_dependent_columns_without_a_penalty_have_the_least_norm(data, cls, fit_intercept):
    X, y, s = data
    options = {"alpha": 0.0, "tol": 1e-9, "fit_intercept": fit_intercept}
    single = cls(**options).fit(X, y, s)
    twice = cls(**options).fit(np.hstack([X, X]), y, s)
    assert_allclose(twice.coef_, np.tile(single.coef_ / 2, 2), atol=1e-6)
    assert_allclose(twice.intercept_, single.intercept_, atol=1e-6)
    # fewer rows than columns: the mean is y
    Z = np.random.default_rng(0).normal(size=(5, 12))
    wide = cls(**options).fit(Z, y[:5])
    assert_allclose(wide.predict(Z), y[:5], rtol=1e-4)
    centred = Z - Z.mean(axis=0) if fit_intercept else Z
    basis = np.linalg.svd(centred, full_matrices=False)[2][: 5 - fit_intercept]
    assert_allclose(basis.T @ (basis @ wide.coef_), wide.coef_, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "options"), [("PoissonRegressor", {}), ("GammaRegressor", {}), KINDS[4]]
)
@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("bounded", [False, True])
def test_optimal_with_l1_and_bounds(data, name, options, ratio, bounded):
    X, y, s = data
    alpha, lower, upper = 0.1, -0.05, 0.2
    bounds = {"lower": lower, "upper": upper} if bounded else {}
    model = getattr(fastridge, name)(alpha=alpha, l1_ratio=ratio, tol=1e-7, **bounds, **options)
    model.fit(X, y, s)
    w = model.coef_
    r = s / s.sum() * model._loss.gradient(y, np.log(model.predict(X)))
    slope = X.T @ r + alpha * (1 - ratio) * w
    assert abs(r.sum()) < 1e-5
    # directions in which a coefficient may go do not lower the objective
    up = slope + alpha * ratio * np.where(w >= 0, 1, -1)
    down = -slope + alpha * ratio * np.where(w <= 0, 1, -1)
    at_upper, at_lower = (w >= upper, w <= lower) if bounded else (False, False)
    assert (np.where(at_upper, 0, up) > -1e-5).all()
    assert (np.where(at_lower, 0, down) > -1e-5).all()
    if bounded:
        assert w.min() >= lower
        assert w.max() <= upper
    positive = getattr(fastridge, name)(alpha=alpha, positive=True, **options).fit(X, y, s)
    assert positive.coef_.min() == 0
