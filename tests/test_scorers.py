"""Scorers and splitters of searches that raise, or return what is not a score or a split."""

import warnings

import numpy as np
import pytest

import fastridge as f

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 4))
Y = X[:, 0] + RNG.standard_normal(40)
COUNTS, CLASSES = RNG.poisson(2.0, 40), np.digitize(Y, [-0.5, 0.5])
ONCE = {"l1_ratios": [0.0], "use_legacy_attributes": False}
SEARCHES = {
    "RidgeCV": (lambda **o: f.RidgeCV([1.0, 2.0], **{"cv": 3, **o}), Y),
    "RidgeClassifierCV": (lambda **o: f.RidgeClassifierCV([1.0, 2.0], **{"cv": 3, **o}), CLASSES),
    "GLMCV": (lambda **o: f.GLMCV("poisson", alphas=[1.0, 0.1], **{"cv": 3, **o}), COUNTS),
    "LogisticRegressionCV": (
        lambda **o: f.LogisticRegressionCV(Cs=[0.1, 1.0], **ONCE, **{"cv": 3, **o}),
        CLASSES,
    ),
}


def after(calls, value):
    """Return a scorer that returns 0.5, and after some calls a value, or raises it."""
    seen = []

    def scorer(estimator, X, y):
        seen.append(None)
        if len(seen) <= calls:
            return 0.5
        if isinstance(value, BaseException):
            raise value
        return value

    return scorer


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("calls", [0, 3])
def test_a_scorer_does_not_end_the_search(name, calls):
    make, target = SEARCHES[name]
    with pytest.raises(RuntimeError, match="scoring raised StopIteration"):
        make(scoring=after(calls, StopIteration())).fit(X, target)


@pytest.mark.parametrize("name", SEARCHES)
def test_what_is_not_a_score_or_a_split(name):
    class Splitter:
        def split(self, X, y=None, groups=None):
            return None

        def get_n_splits(self, *given):
            return 2

    make, target = SEARCHES[name]
    with pytest.raises(ValueError, match="scoring returned an int too large"):
        make(scoring=after(0, 10**400)).fit(X, target)
    with pytest.raises(TypeError, match=r"cv\.split returned None; expected an iterable"):
        make(cv=Splitter(), scoring=after(0, 0.5)).fit(X, target)


@pytest.mark.parametrize("name", SEARCHES)
def test_scores_that_are_not_finite(name):
    make, target = SEARCHES[name]
    with pytest.warns(UserWarning, match="scoring returned NaN for every penalty"):
        make(scoring=after(0, np.nan)).fit(X, target)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (np.inf, -np.inf):
            model = make(scoring=after(0, value)).fit(X, target)
            assert np.isfinite(model.coef_).all()
            assert str(model.diagnosis_)


def test_scores_of_folds_that_are_nan_are_not_chosen():
    norms = [np.linalg.norm(f.LogisticRegression(C=C).fit(X, CLASSES).coef_) for C in (0.1, 1.0)]

    def scorer(estimator, X, y):
        return np.nan if np.linalg.norm(estimator.coef_) < np.sqrt(np.prod(norms)) else 0.5

    model = SEARCHES["LogisticRegressionCV"][0](scoring=scorer, refit=False).fit(X, CLASSES)
    np.testing.assert_allclose(model.C_, 1.0)
    scores = model.cv_results_["fold_score"]
    assert np.isnan(scores[:, 0] + scores[:, 1]).all()
    assert not np.isnan(scores).all()
