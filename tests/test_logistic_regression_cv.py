"""LogisticRegressionCV: against scikit-learn, and additional features."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
import sklearn.linear_model as theirs
from estimator_checks import all_checks, check_all
from model_files import identical, round_trip
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GroupKFold, KFold

from fastridge import LogisticRegression, LogisticRegressionCV
from fastridge.exceptions import ConvergenceWarning

CS = [1e-3, 0.1, 10.0]
PLAIN = {"l1_ratios": (0.0,), "use_legacy_attributes": False}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4))
    eta = X @ rng.normal(size=(4, 3))
    several = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    return X, several, rng.uniform(0.2, 3.0, size=120)


def ours(**options):
    return LogisticRegressionCV(**{"Cs": CS, "tol": 1e-9, **PLAIN, "scoring": None, **options})


def other(**options):
    options = {"Cs": CS, "tol": 1e-10, **PLAIN, "scoring": None, **options}
    return theirs.LogisticRegressionCV(solver="newton-cholesky", **options)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scoring": "neg_log_loss"},
        {"scoring": "neg_log_loss", "refit": False},
        {"scoring": "roc_auc_ovr", "cv": 3, "fit_intercept": False},
        {"scoring": "neg_brier_score", "class_weight": "balanced"},
        {"scoring": "neg_log_loss", "class_weight": {0: 2.0, 1: 0.5, 2: 1.0}},
        {"use_legacy_attributes": True},
        {"use_legacy_attributes": True, "l1_ratios": None, "refit": False},
        {"use_legacy_attributes": True, "l1_ratios": None, "cv": KFold(3)},
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.slow
def test_is_what_scikit_learn_chooses(data, binary, options, weighted):
    X, y, s = data
    y, s = np.minimum(y, 1) if binary else y, s if weighted else None
    if binary and isinstance(options.get("class_weight"), dict):
        options = {**options, "class_weight": {0: 2.0, 1: 0.5}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        a, b = ours(**options).fit(X, y, s), other(**options).fit(X, y, s)
    for name in ("C_", "l1_ratio_", "Cs_", "l1_ratios_"):
        mine, wanted = getattr(a, name), getattr(b, name)
        assert type(mine) is type(wanted)
        assert np.shape(mine) == np.shape(wanted)
        assert_array_equal(mine, wanted)
    for name in ("scores_", "coefs_paths_", "n_iter_"):
        mine, wanted = getattr(a, name), getattr(b, name)
        if isinstance(wanted, dict):
            assert list(mine) == list(wanted)
            mine, wanted = np.array(list(mine.values())), np.array(list(wanted.values()))
        assert mine.shape == wanted.shape
        if name != "n_iter_":
            assert_allclose(mine, wanted, atol=2e-5)
    assert_allclose(a.coef_, b.coef_, atol=2e-5)
    assert_allclose(a.intercept_, b.intercept_, atol=2e-5)
    assert a.intercept_.shape == b.intercept_.shape
    assert_allclose(a.score(X, y), b.score(X, y), atol=1e-6)
    assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("binary", [True, False])
def test_folds_and_results_are_those_of_single_fits(data, binary):
    X, y, s = data
    y = np.minimum(y, 1) if binary else y
    cv = list(KFold(3).split(X))
    model = ours(cv=cv, scoring="neg_log_loss", store_coef=True).fit(X, y, s)
    results = model.cv_results_
    assert_array_equal(results["C"], CS)
    assert_allclose(results["alpha"], 1 / (np.array(CS) * s.sum()))
    for i, (train, test) in enumerate(cv):
        for j, C in enumerate(CS):
            single = LogisticRegression(C=C, tol=1e-9).fit(X[train], y[train], s[train])
            kept = results["fold_coef"][i, j]
            assert_allclose(kept, single.coef_[0] if binary else single.coef_, atol=1e-6)
            log = single.predict_log_proba(X)[np.arange(len(y)), y]
            error = -2 * np.average(log[test], weights=s[test])
            assert_allclose(results["fold_validation_error"][i, j], error, rtol=1e-6)
            assert_allclose(results["fold_score"][i, j], -error / 2, rtol=1e-6)
            error = -2 * np.average(log[train], weights=s[train])
            assert_allclose(results["fold_train_error"][i, j], error, rtol=1e-6)
    share = np.bincount(y[cv[0][0]], weights=s[cv[0][0]])
    null = -2 * np.log(share / share.sum())[y[cv[0][1]]]
    assert results["null_error"] > 0
    assert_allclose(
        ours(cv=cv[:1]).fit(X, y, s).cv_results_["null_error"],
        np.average(null, weights=s[cv[0][1]]),
        rtol=1e-8,
    )
    best = LogisticRegression(C=model.C_, tol=1e-9).fit(X, y, s)
    assert_allclose(model.coef_, best.coef_, atol=1e-6)
    assert model.dual_gap_ >= 0
    assert str(model.diagnosis_)


def test_one_standard_error_takes_a_smaller_C(data):
    X, y, _ = data
    y, Cs = np.minimum(y, 1), np.logspace(-3, 3, 25)
    least = ours(Cs=Cs, scoring="neg_log_loss").fit(X, y)
    one = ours(Cs=Cs, scoring="neg_log_loss", select="1se").fit(X, y)
    assert one.C_ < least.C_
    score, error = least.cv_results_["score"], least.cv_results_["score_se"]
    i = int(score.argmax())
    assert Cs[score >= score[i] - error[i]].min() == one.C_
    taken = ours(Cs=Cs, select=lambda results: 2).fit(X, y)
    assert Cs[2] == taken.C_


def test_groups_validation_offset_and_storages(data):
    X, y, s = data
    y = np.minimum(y, 1)
    groups = np.arange(len(y)) // 10
    a = ours(cv=GroupKFold(3)).fit(X, y, groups=groups)
    b = ours(cv=list(GroupKFold(3).split(X, y, groups))).fit(X, y)
    assert_allclose(a.scores_, b.scores_)
    for Z in (sp.csr_array(X), sp.csc_array(X), np.asfortranarray(X), X.astype(np.float32)):
        model = ours(scoring="neg_log_loss").fit(Z, y)
        expected = ours(scoring="neg_log_loss").fit(X, y)
        assert_allclose(model.scores_, expected.scores_, atol=1e-5)
        assert model.coef_.dtype == np.float64
    apart = ours(validation=(X[80:], y[80:]), scoring="neg_log_loss").fit(X[:80], y[:80])
    split = ours(cv=[(np.arange(80), np.arange(80, 120))], scoring="neg_log_loss").fit(X, y)
    assert_allclose(apart.scores_, split.scores_, rtol=1e-6)
    for k in (1, 3):
        label = y if k == 1 else data[1]
        known = np.zeros((120, k))[:, 0] if k == 1 else np.zeros((120, k))
        c = ours(scoring="neg_log_loss").fit(X, label, s, offset=known)
        assert_allclose(c.scores_, ours(scoring="neg_log_loss").fit(X, label, s).scores_, rtol=1e-6)
    assert ours(validation=0.3).fit(X, y).cv_results_.kind == "held-out"


def test_a_class_that_a_fold_lacks(data):
    X, y, _ = data
    order = np.argsort(y, kind="stable")
    cv = KFold(3)
    model = ours(cv=cv, scoring="neg_log_loss").fit(X[order], y[order])
    assert model.scores_.shape == (3, 1, 3)
    assert_array_equal(model.classes_, [0, 1, 2])
    one = np.sort(np.minimum(y, 1))
    cv = [(np.flatnonzero(one == 1), np.flatnonzero(one == 0)), (np.arange(120), np.arange(60))]
    model = ours(cv=cv, scoring="neg_log_loss").fit(X, one)
    assert_allclose(model.scores_[0], -36.0, rtol=1e-12)
    assert (ours(cv=cv).fit(X, one).scores_[0] == 0).all()


def test_names_frames_and_files(data):
    X, y, _ = data
    frame = pd.DataFrame(X, columns=list("abcd"))
    for options in (
        {"scoring": "neg_log_loss"},
        {"scoring": "roc_auc_ovr"},
        {"use_legacy_attributes": True, "l1_ratios": None, "refit": False},
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model = ours(**options).fit(frame, np.array(["u", "v", "w"])[y])
        assert list(model.feature_names_in_) == list("abcd")
        again = round_trip(model)
        assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
        assert identical(again.scores_, model.scores_)


def test_warnings_of_defaults(data):
    X, y, _ = data
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        LogisticRegressionCV(Cs=2).fit(X, y)
    said = [str(w.message) for w in found if w.category is FutureWarning]
    with warnings.catch_warnings(record=True) as wanted:
        warnings.simplefilter("always")
        theirs.LogisticRegressionCV(Cs=2).fit(X, y)
    assert len(said) == len([w for w in wanted if w.category is FutureWarning]) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours(scoring="accuracy").fit(X, y)
    params = LogisticRegressionCV().get_params()
    expected = theirs.LogisticRegressionCV().get_params()
    assert {name: params[name] for name in expected} == expected


def test_refused(data):
    X, y, _ = data
    for options in ({"Cs": [0.0]}, {"Cs": []}, {"Cs": 0}, {"Cs": ["a"]}):
        with pytest.raises((ValueError, TypeError), match="Cs"):
            ours(**options).fit(X, y)
    with pytest.raises(ValueError, match="l1_ratios must be an array-like of numbers between"):
        ours(l1_ratios=[2.0]).fit(X, y)
    with pytest.raises(ValueError, match="'cv' parameter of LogisticRegressionCV must be None"):
        ours(cv=3, validation=0.5).fit(X, y)
    with pytest.raises(
        ValueError, match="validation y has the class 7; expected only classes of y"
    ):
        ours(validation=(X, y + 7)).fit(X, y)
    with (
        pytest.warns(ConvergenceWarning, match="the relative gap of a fold"),
        pytest.warns(ConvergenceWarning, match="the fit stopped after 1 iterations"),
    ):
        ours(max_iter=1, cv=2).fit(X, y)


@pytest.mark.parametrize("binary", [True, False])
def test_an_interrupt_keeps_the_finished_folds(data, binary):
    X, several, s = data
    y = several > 0 if binary else several

    def interrupt(done, total):
        if done == 3:
            raise KeyboardInterrupt

    whole = ours(scoring="neg_log_loss", cv=4).fit(X, y, s)
    model = ours(scoring="neg_log_loss", cv=4, n_jobs=1, callback=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y, s)
    found = model.cv_results_
    assert found["fold_score"].shape == (3, len(CS))
    assert_array_equal(found["fold_score"], whole.cv_results_["fold_score"][:3])
    assert_array_equal(found["C"], CS)
    assert not hasattr(model, "coef_")
    assert not hasattr(model, "classes_")
    with pytest.raises(ValueError, match="is C='evidence' of LogisticRegression"):
        ours(Cs="evidence").fit(X, y)


def test_callback_may_end_the_search(data):
    X, y, _ = data
    seen = []

    def callback(done, total):
        seen.append((done, total))
        if done == 2:
            raise StopIteration

    with sklearn.config_context():
        model = ours(callback=callback, n_jobs=1).fit(X, y)
    assert seen == [(1, 5), (2, 5)]
    assert model.scores_.shape == (2, 1, 3)


@pytest.mark.slow
@all_checks([ours(cv=3), ours(cv=3, scoring="neg_log_loss")])
def test_estimator_checks(estimator):
    check_all(estimator)


def test_tables_have_c(data):
    X, y, _ = data
    frame = ours(cv=3).fit(X, y > 0).cv_results_.to_frame()
    assert_allclose(frame["C"], CS)
    assert (np.diff(frame["alpha"]) < 0).all()
