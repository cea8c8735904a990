"""LassoCV, ElasticNetCV and MultiTaskElasticNetCV: against scikit-learn and fits of every fold."""

import warnings

import numpy as np
import pytest
import sklearn.linear_model as peer
from estimator_checks import all_checks, check_all
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import KFold, LeaveOneGroupOut, ShuffleSplit
from storages import CONTAINERS

import fastridge
from fastridge import ElasticNetCV, LassoCV, MultiTaskElasticNetCV
from fastridge.exceptions import ConvergenceWarning, InvalidParameterError

EXACT = {"tol": 1e-9, "max_iter": 100_000}


def problem(n=60, p=8, k=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.5, 2.0, size=p) + 1.0
    X[rng.random(size=(n, p)) < 0.3] = 0.0
    W = rng.normal(size=(p, k or 1)) * (np.arange(p) < 4)[:, None]
    Y = X @ W + 2 * rng.normal(size=(n, k or 1)) + 3.0
    return X, Y if k else Y[:, 0], rng.uniform(0.2, 3.0, size=n)


@pytest.mark.parametrize("shape", [(60, 8), (30, 50)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.slow
def test_agrees_with_scikit_learn(shape, weighted, fit_intercept):
    X, y, weight = problem(*shape)
    weight = weight if weighted else None
    alphas = np.logspace(0.5, -1, 15)
    options = {"alphas": alphas, "fit_intercept": fit_intercept, **EXACT}
    theirs = peer.LassoCV(**options).fit(X, y, weight)
    ours = LassoCV(**options).fit(X, y, weight)
    assert ours.alpha_ == theirs.alpha_
    assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-3)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    ratios = [0.2, 0.9]
    theirs = peer.ElasticNetCV(l1_ratio=ratios, **options).fit(X, y, weight)
    ours = ElasticNetCV(l1_ratio=ratios, **options).fit(X, y, weight)
    assert (ours.alpha_, ours.l1_ratio_) == (theirs.alpha_, theirs.l1_ratio_)
    assert ours.mse_path_.shape == theirs.mse_path_.shape == (2, 15, 5)
    assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-3)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    assert_allclose(ours.alphas_, theirs.alphas_)


@pytest.mark.parametrize("ratio", [0.1, 1.0])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_grid_is_that_of_scikit_learn(ratio, positive, weighted):
    X, y, weight = problem()
    options = {"l1_ratio": ratio, "positive": positive, "alphas": 20, "eps": 0.01}
    weight = weight if weighted else None
    theirs = peer.ElasticNetCV(**options).fit(X, y, weight)
    with warnings.catch_warnings():
        # the first penalties of a longer grid
        warnings.filterwarnings("ignore", "the best penalty is")
        ours = ElasticNetCV(**options).fit(X, y, weight)
    assert_allclose(ours.alphas_[:20], theirs.alphas_, rtol=1e-10)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("shape", [(60, 8), (30, 50)], ids=str)
@pytest.mark.parametrize("precompute", ["auto", True])
@pytest.mark.parametrize("standardize", [False, True])
def test_against_fitting_each_fold(container, shape, precompute, standardize):
    X, y, weight = problem(*shape)
    factor = np.linspace(0.5, 2.0, shape[1])
    factor[3] = 0.0
    alphas = [1.0, 0.3, 0.1]
    given = {"penalty_factor": factor, "standardize": standardize, **EXACT}
    model = ElasticNetCV(
        l1_ratio=[0.5, 1.0], alphas=alphas, precompute=precompute, cv=3, store_coef=True, **given
    ).fit(CONTAINERS[container](X), y, weight)
    found = model.cv_results_
    assert_array_equal(found["l1_ratio"], [0.5] * 3 + [1.0] * 3)
    for i, (train, test) in enumerate(KFold(3).split(X)):
        for j, (ratio, alpha) in enumerate(zip(found["l1_ratio"], found["alpha"], strict=True)):
            fit = fastridge.elastic_net(
                X[train], y[train], alpha, l1_ratio=ratio, sample_weight=weight[train], **given
            )
            for rows, name in ((train, "fold_train_error"), (test, "fold_validation_error")):
                squares = (y[rows] - X[rows] @ fit.coef - fit.intercept) ** 2
                expected = np.average(squares, weights=weight[rows])
                assert_allclose(found[name][i, j], expected, rtol=1e-4)
            assert_allclose(found["fold_coef"][i, j], fit.coef, atol=1e-3)


def test_weights_are_repetition():
    X, y, _ = problem()
    weight = np.random.default_rng(0).integers(0, 3, 60).astype(float)
    rows = np.repeat(np.arange(60), weight.astype(int))
    groups = np.arange(60) % 4
    for shape in ("auto", True):
        options = {"cv": LeaveOneGroupOut(), "precompute": shape, "select": "1se", **EXACT}
        a = LassoCV(**options).fit(X, y, weight, groups=groups)
        b = LassoCV(**options).fit(X[rows], y[rows], groups=groups[rows])
        assert_allclose(a.alphas_, b.alphas_, rtol=1e-9)
        assert_allclose(a.mse_path_, b.mse_path_, rtol=1e-4)
        assert_allclose(a.alpha_, b.alpha_)
        assert_allclose(a.cv_results_["null_error"], b.cv_results_["null_error"])


@pytest.mark.parametrize("shape", [(60, 8), (30, 50)], ids=str)
def test_several_tasks(shape):
    X, Y, weight = problem(*shape, 3)
    alphas = np.logspace(0.5, -0.7, 8)
    options = {"alphas": alphas, "l1_ratio": [0.3, 1.0], **EXACT}
    theirs = peer.MultiTaskElasticNetCV(**options).fit(X, Y)
    ours = MultiTaskElasticNetCV(**options).fit(X, Y)
    assert (ours.alpha_, ours.l1_ratio_) == (theirs.alpha_, theirs.l1_ratio_)
    assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-3)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    weighted = MultiTaskElasticNetCV(alphas=[0.3], cv=3, **EXACT).fit(X, Y, weight)
    errors = []
    for train, test in KFold(3).split(X):
        fit = fastridge.MultiTaskElasticNet(0.3, **EXACT).fit(X[train], Y[train], weight[train])
        squares = (Y[test] - fit.predict(X[test])) ** 2
        errors.append(np.average(squares, axis=0, weights=weight[test]).mean())
    assert_allclose(weighted.mse_path_, errors, rtol=1e-4)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the best penalty is")
        grid = MultiTaskElasticNetCV(alphas=10, eps=0.1).fit(X, Y).alphas_
    assert_allclose(grid, peer.MultiTaskElasticNetCV(alphas=10, eps=0.1).fit(X, Y).alphas_)


def test_choice():
    X, y, _ = problem(100, 20)
    y = y + 3 * X[:, 0]
    least, one = LassoCV(cv=5).fit(X, y), LassoCV(cv=5, select="1se").fit(X, y)
    r = least.cv_results_
    i = r["validation_error"].argmin()
    assert least.alpha_ == r["alpha"][i]
    within = r["validation_error"] <= r["validation_error"][i] + r["validation_error_se"][i]
    assert one.alpha_ == r["alpha"][within].max() > least.alpha_
    assert np.count_nonzero(one.coef_) < np.count_nonzero(least.coef_)
    own = LassoCV(cv=5, select=lambda r: 0).fit(X, y)
    assert own.alpha_ == own.alphas_[0]
    assert least.diagnosis_.verdict == "about right"
    assert own.diagnosis_.verdict == "under-fitting"
    assert {"alpha", "n_features", "train_error"} <= set(r.to_frame())
    # the rule stays with the best l1_ratio
    mixed = ElasticNetCV(l1_ratio=[0.1, 1.0], cv=5, select="1se").fit(X, y)
    free = ElasticNetCV(l1_ratio=[0.1, 1.0], cv=5).fit(X, y)
    assert mixed.l1_ratio_ == free.l1_ratio_


def test_the_grid_goes_on_where_it_is_asked_to():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 5))
    y = X @ np.ones(5) + 0.01 * rng.normal(size=100)
    with pytest.warns(UserWarning, match="the best penalty is at the lower end of the grid, where"):
        stays = LassoCV(alphas=10, eps=0.1, tol=1e-8).fit(X, y)
    assert stays.alpha_ == stays.alphas_[9]
    with pytest.warns(UserWarning, match="at the lower end of the grid, which was ext") as caught:
        found = LassoCV(alphas=10, eps=0.1, tol=1e-8, extend=True).fit(X, y)
    assert "best penalty is still at the lower end, where" in str(caught[0].message)
    noisy = y + 0.3 * rng.normal(size=100)
    with pytest.warns(UserWarning, match="at the lower end of the grid, which was ext") as caught:
        LassoCV(alphas=10, eps=0.1, tol=1e-8, extend=True).fit(X, noisy)
    assert "is still at" not in str(caught[0].message)
    with pytest.warns(UserWarning, match="which was extended from"):
        auto = LassoCV(alphas="auto", eps=0.1, tol=1e-8).fit(X, y)
    assert len(auto.alphas_) > 100
    assert len(found.alphas_) > 10
    assert (np.diff(found.alphas_) < 0).all()
    assert found.mse_path_.shape == (len(found.alphas_), 5)
    assert found.alpha_ < found.alphas_[9]
    again = LassoCV(alphas=found.alphas_, tol=1e-8).fit(X, y)
    assert_allclose(again.mse_path_, found.mse_path_, rtol=1e-3)


def test_held_out():
    X, y, weight = problem(80)
    held = (X[60:], y[60:], weight[60:])
    model = LassoCV(validation=held, alphas=[1.0, 0.1], **EXACT).fit(X[:60], y[:60], weight[:60])
    for j, alpha in enumerate(model.alphas_):
        fit = fastridge.Lasso(alpha, **EXACT).fit(X[:60], y[:60], weight[:60])
        expected = np.average((y[60:] - fit.predict(X[60:])) ** 2, weights=weight[60:])
        assert_allclose(model.mse_path_[j], expected, rtol=1e-5)
    a = LassoCV(validation=0.3, random_state=0, alphas=[1.0, 0.1]).fit(X, y)
    b = LassoCV(validation=0.3, random_state=1, alphas=[1.0, 0.1]).fit(X, y)
    assert (a.mse_path_ != b.mse_path_).all()
    with pytest.raises(ValueError, match="validation X has 7 features"):
        LassoCV(validation=(X[:, :7], y)).fit(X, y)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_callback_interrupts_and_threads(n_jobs):
    X, y, _ = problem(80, 30)
    whole = LassoCV(alphas=20, cv=4).fit(X, y)
    calls = []
    same = LassoCV(alphas=20, cv=4, n_jobs=n_jobs, callback=lambda *a: calls.append(a)).fit(X, y)
    assert_array_equal(same.mse_path_, whole.mse_path_)
    assert calls == [(i, 4) for i in range(1, 5)]

    def stop(done, total):
        if done == 2:
            raise StopIteration

    some = LassoCV(alphas=20, cv=4, n_jobs=n_jobs, callback=stop).fit(X, y)
    assert some.mse_path_.shape == (20, 2)

    def interrupt(done, total):
        if done == 3:
            raise KeyboardInterrupt

    model = LassoCV(alphas=20, cv=4, n_jobs=n_jobs, callback=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.cv_results_["fold_score"].shape == (3, 20)
    assert not hasattr(model, "coef_")


def test_other_folds_and_warnings():
    X, y, _ = problem(60, 20)
    cv = ShuffleSplit(3, test_size=0.3, random_state=0)
    theirs = peer.LassoCV(alphas=[1.0, 0.3], cv=cv, **EXACT).fit(X, y)
    for precompute in ("auto", True):
        ours = LassoCV(alphas=[1.0, 0.3], cv=cv, precompute=precompute, **EXACT).fit(X, y)
        assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-4)
    with pytest.warns(ConvergenceWarning, match="Also try"):
        LassoCV(alphas=[1e-4], max_iter=1, tol=1e-14).fit(X, y)
    assert LassoCV(alphas=[0.1]).fit(X.astype(np.float32), y).coef_.dtype == np.float32
    assert not hasattr(LassoCV(alphas=[0.1]).fit(X, y), "l1_ratio_")


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"alphas": 0}, "'alphas' parameter"),
        ({"alphas": [-1.0]}, "alphas == -1, must be >= 0.0"),
        ({"eps": 0.0}, "'eps' parameter"),
        ({"l1_ratio": [0.5, 1.5]}, "'l1_ratio' parameter"),
        ({"l1_ratio": []}, "'l1_ratio' parameter"),
        ({"cv": 1}, "cv is 1"),
        ({"cv": "loo"}, "Expected `cv`"),
        ({"cv": 3, "validation": 0.2}, "'cv' parameter"),
        ({"precompute": np.eye(8)}, "'precompute' parameter"),
        ({"n_jobs": 0}, "'n_jobs' parameter"),
        ({"select": 3}, "select is 3"),
        ({"tol": "x"}, "'tol' parameter"),
    ],
)
def test_bad_parameters(parameters, match):
    X, y, _ = problem()
    with pytest.raises((ValueError, InvalidParameterError), match=match):
        ElasticNetCV(**parameters).fit(X, y)


@pytest.mark.slow
@all_checks(
    [
        LassoCV(alphas=20, cv=3, max_iter=5000),
        ElasticNetCV(l1_ratio=[0.5, 1.0], alphas=10, cv=3, max_iter=5000),
        MultiTaskElasticNetCV(alphas=10, cv=3, max_iter=5000),
    ]
)
@pytest.mark.filterwarnings("ignore:the best penalty is")
def test_estimator_checks(estimator):
    check_all(estimator)
