"""GLMCV: folds and choices against single fits."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from estimator_checks import all_checks, check_all
from model_files import identical, round_trip
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import PoissonRegressor as TheirPoisson
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold

from fastridge import (
    GLMCV,
    ElasticNetCV,
    GammaRegressor,
    LassoCV,
    PoissonRegressor,
    TweedieRegressor,
    glm_path,
)
from fastridge.losses import loss_of
from fastridge.model_selection._choice import advice_of_end

ALPHAS = [1.0, 0.1, 0.01]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 5))
    y = rng.poisson(np.exp(X @ [0.5, -0.3, 0.0, 0.2, 0.0] + 0.4)) + 0.5
    return X, y, rng.uniform(0.2, 3.0, size=150)


def ours(loss="poisson", **options):
    return GLMCV(loss, **{"alphas": ALPHAS, "tol": 1e-9, **options})


@pytest.mark.parametrize(
    ("loss", "options", "single"),
    [
        ("poisson", None, PoissonRegressor()),
        ("gamma", None, GammaRegressor()),
        ("tweedie", {"power": 1.5}, TweedieRegressor(power=1.5)),
        ("squared", None, TweedieRegressor()),
    ],
)
@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_folds_are_single_fits(data, loss, options, single, ratio):
    X, y, s = data
    cv = list(KFold(3).split(X))
    model = ours(loss, loss_options=options, cv=cv, l1_ratio=ratio, store_coef=True).fit(X, y, s)
    results = model.cv_results_
    of = loss_of(loss, **(options or {}))
    for i, (train, test) in enumerate(cv):
        for j, alpha in enumerate(ALPHAS):
            single.set_params(alpha=alpha, tol=1e-9, l1_ratio=ratio)
            single.fit(X[train], y[train], s[train])
            assert_allclose(results["fold_coef"][i, j], single.coef_, atol=1e-6)
            for rows, name in ((train, "fold_train_error"), (test, "fold_validation_error")):
                error = of.mean_deviance(y[rows], single.predict(X[rows]), s[rows])
                assert_allclose(results[name][i, j], error, rtol=1e-6)
    assert_allclose(results["score"], -results["validation_error"])
    i = int(np.argmax(results["score"]))
    assert model.alpha_ == ALPHAS[i]
    single.set_params(alpha=ALPHAS[i]).fit(X, y, s)
    assert_allclose(model.coef_, single.coef_, atol=1e-6)
    assert_allclose(model.predict(X), single.predict(X), rtol=1e-6)
    assert_allclose(model.score(X, y, s), single.score(X, y, s), rtol=1e-6)
    assert results.loss == of.name
    assert "deviance" in str(model.diagnosis_) or "error" in str(model.diagnosis_)


@pytest.mark.slow
def test_chooses_what_a_grid_search_does(data):
    X, y, _ = data
    grid = {"alpha": ALPHAS}
    scoring = "neg_mean_poisson_deviance"
    other = GridSearchCV(TheirPoisson(tol=1e-9, max_iter=1000), grid, scoring=scoring).fit(X, y)
    for mine in (ours().fit(X, y), ours(scoring=scoring).fit(X, y)):
        assert mine.alpha_ == other.best_params_["alpha"]
        assert_allclose(mine.cv_results_["score"], other.cv_results_["mean_test_score"], rtol=1e-5)
    d2 = ours(scoring="d2").fit(X, y).cv_results_["score"]
    other = GridSearchCV(TheirPoisson(tol=1e-9, max_iter=1000), grid).fit(X, y)
    assert_allclose(d2, other.cv_results_["mean_test_score"], rtol=1e-5)


def test_squared_loss_is_an_elastic_net(data):
    X, y, _ = data
    options = {"alphas": 20, "l1_ratio": [0.5, 1.0], "cv": 3, "tol": 1e-5}
    a, b = GLMCV("squared", **options).fit(X, y), ElasticNetCV(**options).fit(X, y)
    assert_allclose(a.alphas_, b.alphas_, rtol=1e-9)
    assert_allclose(a.cv_results_["validation_error"], b.cv_results_["validation_error"], rtol=1e-5)
    assert (a.l1_ratio_, a.alpha_) == (b.l1_ratio_, pytest.approx(b.alpha_))
    assert_allclose(a.coef_, b.coef_, atol=1e-5)


def test_exposure_and_offset(data):
    X, y, s = data
    a = ours().fit(X, y, exposure=s)
    b = ours().fit(X, y, offset=np.log(s))
    assert_allclose(a.cv_results_["score"], b.cv_results_["score"], rtol=1e-10)
    assert_allclose(a.predict(X, exposure=s), s * a.predict(X), rtol=1e-12)
    train, test = np.arange(120), np.arange(120, 150)
    c = ours(cv=[(train, test)]).fit(X, y, exposure=s)
    single = PoissonRegressor(alpha=0.1, tol=1e-9).fit(X[train], y[train], exposure=s[train])
    error = loss_of("poisson").mean_deviance(
        y[test], single.predict(X[test], exposure=s[test]), None
    )
    assert_allclose(c.cv_results_["validation_error"][1], error, rtol=1e-6)


def test_weights_groups_validation_and_storages(data):
    X, y, s = data
    groups = np.arange(150) // 10
    a = ours(cv=GroupKFold(3)).fit(X, y, s, groups=groups)
    b = ours(cv=list(GroupKFold(3).split(X, y, groups))).fit(X, y, s)
    assert_allclose(a.cv_results_["score"], b.cv_results_["score"])
    for Z in (sp.csr_array(X), sp.csc_array(X), np.asfortranarray(X), X.astype(np.float32)):
        assert_allclose(
            ours().fit(Z, y, s).cv_results_["score"],
            ours().fit(X, y, s).cv_results_["score"],
            rtol=1e-4,
        )
    apart = ours(validation=(X[100:], y[100:], s[100:])).fit(X[:100], y[:100], s[:100])
    split = ours(cv=[(np.arange(100), np.arange(100, 150))]).fit(X, y, s)
    assert_allclose(apart.cv_results_["score"], split.cv_results_["score"], rtol=1e-7)
    assert ours(validation=0.3).fit(X, y).cv_results_.kind == "held-out"
    # rows that a splitter repeats count repeatedly
    twice = ours(cv=[(np.r_[np.arange(100), np.arange(50)], np.arange(100, 150))]).fit(X, y)
    weight = np.where(np.arange(150) < 50, 2.0, 1.0)
    heavy = ours(cv=[(np.arange(100), np.arange(100, 150))]).fit(X, y, weight)
    assert_allclose(twice.cv_results_["score"], heavy.cv_results_["score"], rtol=1e-7)


def test_select_files_and_names(data):
    X, y, s = data
    frame = pd.DataFrame(X, columns=list("abcde"))
    least = GLMCV(alphas=30, l1_ratio=1.0).fit(frame, y, s)
    one = GLMCV(alphas=30, l1_ratio=1.0, select="1se").fit(frame, y, s)
    assert one.alpha_ > least.alpha_
    assert np.count_nonzero(one.coef_) <= np.count_nonzero(least.coef_)
    assert not GLMCV(alphas=30, l1_ratio=1.0, select=lambda r: 0).fit(X, y).coef_.any()
    again = round_trip(one)
    assert identical(again.coef_, one.coef_)
    assert_array_equal(again.predict(frame), one.predict(frame))
    assert str(again.diagnosis_) == str(one.diagnosis_)


def test_end_of_the_grid_is_told(data):
    X, y, _ = data
    with pytest.warns(UserWarning, match=r"at the lower end .* a smaller eps, or smaller alphas"):
        GLMCV(alphas=5, eps=0.5, l1_ratio=1.0).fit(X, y)
    alphas = np.array([3.0, 2.0, 1.0])
    assert advice_of_end(alphas, 3.0, "upper") == "larger alphas"
    assert not advice_of_end(alphas, 2.0, "upper")
    assert not advice_of_end(alphas, 1.0, "")


@pytest.mark.filterwarnings("ignore::fastridge.exceptions.GridWarning")
def test_grids_without_an_l1_part_reach_what_predicts_best():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 6))
    y = rng.poisson(np.exp(X @ rng.normal(0.0, 0.3, 6))).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = GLMCV().fit(X, y)
    assert model.alphas_[-1] < model.alpha_ < model.alphas_[0]
    assert model.diagnosis_.verdict == "about right"
    assert_allclose(model.alphas_[-1] / model.alphas_[0], 1e-6)
    path = glm_path(X, y, "poisson", l1_ratio=0.0, n_alphas=5)
    assert_allclose(path.alphas[-1] / path.alphas[0], 1e-6)
    for ratio, eps, end in ((1.0, None, 1e-3), (0.0, 0.01, 0.01)):
        model = GLMCV(l1_ratio=ratio, eps=eps, alphas=5).fit(X, y)
        assert_allclose(model.alphas_[-1] / model.alphas_[0], end)


@pytest.mark.parametrize(
    "model", [GLMCV(l1_ratio=1.0, alphas=8, eps=0.1), LassoCV(alphas=8, eps=0.1)]
)
def test_end_of_the_grid_is_not_told_of_a_choice_inside(data, model):
    X, y, _ = data
    with pytest.warns(UserWarning, match="the best penalty is at the lower end"):
        model.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(select="1se").fit(X, y)
    assert model.alpha_ > model.alphas_[-1]


def test_refused(data):
    X, y, s = data
    for options, what in (
        ({"loss": "magic"}, "loss is 'magic'"),
        ({"loss": "multinomial"}, "expected another loss. Use LogisticRegressionCV"),
        ({"loss_options": {"power": 1.5}}, "does not take power"),
        ({"alphas": [-1.0]}, "alphas"),
        ({"alphas": 0}, "'alphas' parameter"),
        ({"alphas": "evidence"}, "is alpha='evidence' of glm, PoissonRegressor"),
        ({"l1_ratio": 2.0}, "'l1_ratio' parameter"),
        ({"cv": 3, "validation": 0.5}, "'cv' parameter"),
    ):
        with pytest.raises(ValueError, match=what):
            GLMCV(**options).fit(X, y)
    with pytest.raises(ValueError, match="y has values from -"):
        GLMCV().fit(X, -y)
    with pytest.raises(ValueError, match="offset is given together with validation"):
        GLMCV(validation=(X, y)).fit(X, y, offset=s)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("shared", [True, False])
def test_an_interrupt_keeps_the_finished_folds(data, n_jobs, shared, monkeypatch):
    X, y, s = data
    if not shared:
        # folds have passes over the rows of their own
        monkeypatch.setattr("fastridge.model_selection._glm_search.paths_together", lambda *a: [])

    def interrupt(done, total):
        if done == 5:
            raise KeyboardInterrupt

    ratios = [0.0, 0.5]
    whole = ours(l1_ratio=ratios, cv=4).fit(X, y, s)
    model = ours(l1_ratio=ratios, cv=4, n_jobs=n_jobs, callback=interrupt)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y, s)
        found = model.cv_results_["fold_score"]
        assert 1 <= len(found) <= 4
        if n_jobs == 1:
            assert_array_equal(found, whole.cv_results_["fold_score"][: len(found)])
        assert not hasattr(model, "coef_")
        model.set_params(callback=None).fit(X, y, s)
        assert_array_equal(model.coef_, whole.coef_)
        model.set_params(callback=interrupt)

    def at_once(done, total):
        raise KeyboardInterrupt

    # an earlier fit stays where no fold is done for each l1_ratio
    with pytest.raises(KeyboardInterrupt):
        model.set_params(callback=at_once).fit(X, y, s)
    assert_array_equal(model.coef_, whole.coef_)


@pytest.mark.slow
@all_checks([GLMCV("squared", alphas=[0.1, 1.0], cv=3), GLMCV(alphas=[0.1, 1.0], cv=3, tol=1e-8)])
def test_estimator_checks(estimator):
    check_all(estimator)
