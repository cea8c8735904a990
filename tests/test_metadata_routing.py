"""Metadata routing of the estimators that choose their penalty, beside scikit-learn's."""

import numpy as np
import pandas as pd
import pytest
import sklearn
import sklearn.linear_model
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.metrics import accuracy_score, get_scorer, make_scorer, r2_score
from sklearn.model_selection import (
    BaseCrossValidator,
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.metadata_routing import MetadataRouter, get_routing_for_object

import fastridge
from fastridge import (
    ElasticNetCV,
    LassoCV,
    MultiTaskElasticNetCV,
    MultiTaskLassoCV,
    RidgeClassifierCV,
    RidgeCV,
)

RIDGES = [RidgeCV, RidgeClassifierCV]
SEVERAL = [MultiTaskElasticNetCV, MultiTaskLassoCV]
NETS = [ElasticNetCV, LassoCV, *SEVERAL]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    groups = rng.integers(0, 9, size=60)
    y = X @ [1.0, 2.0, 0.0, -1.0] + rng.normal(size=9)[groups] + 0.3 * rng.normal(size=60)
    return X, y, groups, rng.uniform(0.2, 4.0, size=60)


def target(cls, y):
    if cls is RidgeClassifierCV:
        return y > 0
    return np.c_[y, -y] if cls in SEVERAL else y


def choosing(cls, **parameters):
    return cls(alphas=[0.01, 0.1, 1.0], **parameters)


class ByTime(BaseCrossValidator):
    """Folds of equal spans of the time, which is metadata."""

    __metadata_request__split = {"when": True}  # noqa: RUF012

    def split(self, X, y=None, groups=None, when=None):
        part = np.digitize(when, np.quantile(when, [1 / 3, 2 / 3]))
        for i in range(3):
            yield np.flatnonzero(part != i), np.flatnonzero(part == i)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 3


# Routers.


@pytest.mark.parametrize("cls", [*RIDGES, *NETS])
def test_routers_are_those_of_scikit_learn(cls, routing):
    theirs = getattr(sklearn.linear_model, cls.__name__)
    several = [{}, {"cv": 3}, {"cv": GroupKFold(3)}, {"cv": ByTime()}]
    if cls in RIDGES:
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight="other")
        several.append({"scoring": scorer, "cv": GroupKFold(3).set_split_request(groups="g")})
    for parameters in several:
        router = cls(**parameters).get_metadata_routing()
        assert isinstance(router, MetadataRouter)
        expected = str(get_routing_for_object(theirs(**parameters)))
        if cls in SEVERAL:
            # scikit-learn's takes no weights
            expected = expected.replace("'fit': {}", "'fit': {'sample_weight': None}")
        assert str(router) == expected


def test_a_router_of_its_own_requests(routing):
    model = RidgeCV().set_fit_request(sample_weight=True, groups="g").set_score_request()
    for same in (model, clone(model)):
        own = same.get_metadata_routing()._self_request
        assert own.fit.requests == {"sample_weight": True, "groups": "g"}
    assert callable(RidgeCV.get_metadata_routing)
    assert isinstance(RidgeCV.get_metadata_routing(model), MetadataRouter)


# Splitters.


@pytest.mark.parametrize("piped", [False, True], ids=["alone", "in a pipeline"])
@pytest.mark.parametrize("cls", [*RIDGES, *NETS])
def test_groups_reach_a_splitter(cls, piped, data, routing):
    X, y, groups, _ = data
    y = target(cls, y)

    def make(cv):
        model = choosing(cls, cv=cv)
        return make_pipeline(StandardScaler(), model) if piped else model

    found = cross_validate(
        make(GroupKFold(3)),
        X,
        y,
        cv=GroupKFold(2),
        params={"groups": groups},
        return_estimator=True,
        return_indices=True,
    )
    for model, train in zip(found["estimator"], found["indices"]["train"], strict=True):
        folds = list(GroupKFold(3).split(X[train], y[train], groups[train]))
        expected = make(folds).fit(X[train], y[train])
        if piped:
            model, expected = model[-1], expected[-1]
        assert_array_equal(
            model.cv_results_["validation_error"], expected.cv_results_["validation_error"]
        )
        assert model.alpha_ == expected.alpha_
        assert_array_equal(model.coef_, expected.coef_)


@pytest.mark.parametrize("cls", [*RIDGES, *NETS])
def test_other_metadata_reaches_a_splitter(cls, data, routing):
    X, y, _, when = data
    y = target(cls, y)
    expected = choosing(cls, cv=list(ByTime().split(X, y, when=when))).fit(X, y)
    model = choosing(cls, cv=ByTime()).fit(X, y, when=when)
    assert model.alpha_ == expected.alpha_
    assert_array_equal(model.cv_results_["score"], expected.cv_results_["score"])
    renamed = choosing(cls, cv=ByTime().set_split_request(when="day")).fit(X, y, day=when)
    assert_array_equal(renamed.cv_results_["score"], expected.cv_results_["score"])
    search = GridSearchCV(choosing(cls, cv=ByTime()), {"fit_intercept": [True, False]}, cv=2)
    search.fit(X, y, when=when)
    assert hasattr(search, "best_estimator_")


@pytest.mark.parametrize("cls", [*RIDGES, *NETS])
def test_metadata_that_nobody_asks_for(cls, data, routing):
    X, y, groups, _ = data
    y = target(cls, y)
    with pytest.raises(TypeError, match=r"unexpected argument\(s\) {'when'}.*not routed"):
        choosing(cls, cv=3).fit(X, y, when=groups)
    for cv in (KFold(3), GroupKFold(3).set_split_request(groups=False)):
        with pytest.raises(TypeError, match=r"unexpected argument\(s\) {'groups'}.*not routed"):
            choosing(cls, cv=cv).fit(X, y, groups=groups)


@pytest.mark.parametrize("cls", [*RIDGES, *NETS])
def test_metadata_needs_routing(cls, data):
    X, y, groups, _ = data
    with pytest.raises(ValueError, match=r"got 'when': .* is only supported if enable_meta"):
        choosing(cls, cv=3).fit(X, target(cls, y), when=groups)


@pytest.mark.parametrize("cls", [*RIDGES, *NETS])
def test_groups_without_a_splitter(cls, data):
    X, y, groups, weight = data
    y = target(cls, y)
    expected = choosing(cls, cv=3).fit(X, y, weight, groups)
    with sklearn.config_context(enable_metadata_routing=True):
        for model in (choosing(cls, cv=3), choosing(cls, cv=3).set_fit_request(groups=True)):
            model.fit(X, y, sample_weight=weight, groups=groups)
            assert_array_equal(model.cv_results_["score"], expected.cv_results_["score"])
        asking = choosing(cls, cv=3).set_fit_request(groups=True)
        found = cross_validate(
            asking, X, y, cv=GroupKFold(2), params={"groups": groups}, return_estimator=True
        )
        train = next(GroupKFold(2).split(X, y, groups))[0]
        alone = choosing(cls, cv=3).fit(X[train], y[train], groups=groups[train])
        assert_array_equal(found["estimator"][0].cv_results_["score"], alone.cv_results_["score"])
        # not requested, as in scikit-learn
        cross_validate(choosing(cls, cv=3), X, y, cv=GroupKFold(2), params={"groups": groups})


def test_a_splitter_that_knows_nothing_of_routing(data, routing):
    X, y, groups, _ = data

    class Plain:
        def split(self, X, y, groups):
            return GroupKFold(3).split(X, y, groups)

    expected = RidgeCV(cv=list(GroupKFold(3).split(X, y, groups))).fit(X, y)
    model = RidgeCV(cv=Plain()).fit(X, y, groups=groups)
    assert_array_equal(model.cv_results_["score"], expected.cv_results_["score"])


def test_groups_are_passed_on_without_routing(data):
    X, y, groups, _ = data
    expected = RidgeCV(cv=list(LeaveOneGroupOut().split(X, y, groups))).fit(X, y)
    model = RidgeCV(cv=LeaveOneGroupOut()).fit(X, y, groups=groups)
    assert_array_equal(model.cv_results_["score"], expected.cv_results_["score"])


# Scorers.


def scores(cls, X, y, scoring, cv, **given):
    """Scores of every penalty."""
    return cls([0.1, 10.0], scoring=scoring, cv=cv).fit(X, y, **given).cv_results_["score"]


@pytest.mark.parametrize("cv", [None, 3], ids=["loo", "folds"])
@pytest.mark.parametrize("cls", RIDGES)
def test_a_scorer_says_whether_it_is_weighted(cls, cv, data):
    X, y, _, weight = data
    y = target(cls, y)
    metric = accuracy_score if cls is RidgeClassifierCV else r2_score
    plain = make_scorer(lambda a, b: metric(a, b))
    with sklearn.config_context(enable_metadata_routing=True):
        unweighted = make_scorer(metric).set_score_request(sample_weight=False)
        weighted = make_scorer(metric).set_score_request(sample_weight=True)
    expected = {
        "yes": scores(cls, X, y, weighted, cv, sample_weight=weight),
        "no": scores(cls, X, y, plain, cv, sample_weight=weight),
    }
    assert not np.array_equal(expected["yes"], expected["no"])
    # requests hold without routing, too
    assert_array_equal(scores(cls, X, y, unweighted, cv, sample_weight=weight), expected["no"])
    with sklearn.config_context(enable_metadata_routing=True):
        for scorer, key in ((weighted, "yes"), (unweighted, "no")):
            found = scores(cls, X, y, scorer, cv, sample_weight=weight)
            assert_array_equal(found, expected[key])
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            scores(cls, X, y, make_scorer(metric), cv, sample_weight=weight)
        # names are weighted, as is the default
        name = "accuracy" if cls is RidgeClassifierCV else "r2"
        found = scores(cls, X, y, name, cv, sample_weight=weight)
        assert_allclose(found, expected["yes"], rtol=1e-10)
        assert_allclose(
            scores(cls, X, y, None, 3, sample_weight=weight),
            scores(cls, X, y, name, 3, sample_weight=weight),
        )


@pytest.mark.parametrize("cv", [None, 3], ids=["loo", "folds"])
def test_weights_of_a_scorer_under_another_name(cv, data, routing):
    X, y, _, weight = data
    other = weight[::-1].copy()
    scorer = make_scorer(r2_score).set_score_request(sample_weight="scored")
    for given in (other, list(other), pd.Series(other, index=np.arange(60) + 100)):
        model = RidgeCV([0.1, 10.0], scoring=scorer, cv=cv)
        model.fit(X, y, sample_weight=weight, scored=given)
        parts = [(np.arange(60), np.arange(60))]
        if cv is None:
            loo = RidgeCV([0.1, 10.0], scoring="r2", store_cv_results=True)
            predicted = np.asarray(loo.fit(X, y, weight).cv_results_)
            expected = [r2_score(y, p, sample_weight=other) for p in predicted.T]
        else:
            parts = KFold(3).split(X)
            expected = np.mean(
                [
                    [
                        r2_score(
                            y[test],
                            fastridge.Ridge(a)
                            .fit(X[train], y[train], weight[train])
                            .predict(X[test]),
                            sample_weight=other[test],
                        )
                        for a in (0.1, 10.0)
                    ]
                    for train, test in parts
                ],
                axis=0,
            )
        assert_allclose(model.cv_results_["score"], expected, rtol=1e-9)
    unweighted = RidgeCV([0.1, 10.0], scoring=scorer, cv=cv).fit(X, y, sample_weight=weight)
    plain = make_scorer(lambda a, b: r2_score(a, b))
    assert_array_equal(
        unweighted.cv_results_["score"], scores(RidgeCV, X, y, plain, cv, sample_weight=weight)
    )


@pytest.mark.parametrize("cv", [None, 3], ids=["loo", "folds"])
def test_scores_are_those_of_scikit_learn(cv, data, routing):
    X, y, _, weight = data
    for asked in (True, False):
        best = []
        for cls in (RidgeCV, sklearn.linear_model.RidgeCV):
            scorer = get_scorer("neg_mean_absolute_error").set_score_request(sample_weight=asked)
            model = cls([0.1, 10.0], scoring=scorer, cv=cv).fit(X, y, sample_weight=weight)
            best.append((model.alpha_, model.best_score_))
        assert_allclose(*best, rtol=1e-8)


def test_other_metadata_reaches_a_scorer(data, routing):
    X, y, groups, _ = data

    def within(y, prediction, kind, factor=1.0):
        assert len(kind) == len(y)
        return -factor * np.mean([np.abs((y - prediction)[kind == k].mean()) for k in set(kind)])

    scorer = make_scorer(within).set_score_request(kind="groups", factor=True)
    model = RidgeCV([0.1, 10.0], scoring=scorer, cv=GroupKFold(3))
    model.fit(X, y, groups=groups, factor=2.0)
    expected = [
        [
            within(
                y[test],
                fastridge.Ridge(a).fit(X[train], y[train]).predict(X[test]),
                groups[test],
                2.0,
            )
            for a in (0.1, 10.0)
        ]
        for train, test in GroupKFold(3).split(X, y, groups)
    ]
    assert_allclose(model.cv_results_["fold_score"], expected, rtol=1e-9)
    held = RidgeCV(scoring=scorer, validation=(X, y))
    with pytest.raises(ValueError, match="the scorer requests 'kind'"):
        held.fit(X, y, groups=groups)


def test_a_function_is_weighted_as_it_can_be(data):
    X, y, _, weight = data

    def scorer(model, X, y, sample_weight=None):
        return r2_score(y, model.predict(X), sample_weight=sample_weight)

    expected = scores(RidgeCV, X, y, scorer, 3, sample_weight=weight)
    with sklearn.config_context(enable_metadata_routing=True):
        assert_array_equal(scores(RidgeCV, X, y, scorer, 3, sample_weight=weight), expected)
