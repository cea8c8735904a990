"""A fit that is interrupted at any line leaves the earlier fit of its object as it was."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp

import fastridge as f
from fastridge._estimators import ESTIMATORS

pytestmark = pytest.mark.filterwarnings("ignore")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6))
y = X[:, 0] + RNG.standard_normal(40)
Y, SPARSE = np.c_[y, X[:, 1] - y], sp.csr_array(X * (X > 0.5))
COUNTS, CLASSES = RNG.poisson(1.0, 40).astype(float), np.digitize(y, [-0.5, 0.5])
FOLDS = {"cv": 2, "n_jobs": 1}
MOST = 40  # interrupts of a fit
FITS = {
    "BayesianRidge": (f.BayesianRidge(), y),
    "ElasticNet": (f.ElasticNet(0.1, warm_start=True), y),
    "ElasticNetCV": (f.ElasticNetCV(alphas=3, **FOLDS), y),
    "GLMCV": (f.GLMCV("poisson", alphas=[0.1, 0.01], **FOLDS), COUNTS),
    "GammaRegressor": (f.GammaRegressor(), COUNTS + 1.0),
    "GroupRidge": (f.GroupRidge([0, 0, 0, 1, 1, 1]), y),
    "Lasso": (f.Lasso(0.1), y),
    "LassoCV": (f.LassoCV(alphas=3, **FOLDS), y),
    "LinearRegression": (f.LinearRegression(), Y),
    "LogisticRegression": (f.LogisticRegression(warm_start=True), CLASSES),
    "LogisticRegressionCV": (f.LogisticRegressionCV(Cs=2, **FOLDS), CLASSES > 0),
    "MultiTaskElasticNet": (f.MultiTaskElasticNet(0.1, warm_start=True), Y),
    "MultiTaskElasticNetCV": (f.MultiTaskElasticNetCV(alphas=3, **FOLDS), Y),
    "MultiTaskLasso": (f.MultiTaskLasso(0.1), Y),
    "MultiTaskLassoCV": (f.MultiTaskLassoCV(alphas=3, **FOLDS), Y),
    "PoissonRegressor": (f.PoissonRegressor(warm_start=True), COUNTS),
    "Ridge": (f.Ridge(), Y),
    "RidgeCV": (f.RidgeCV([1.0, 2.0]), y),
    "RidgeClassifier": (f.RidgeClassifier(), CLASSES),
    "RidgeClassifierCV": (f.RidgeClassifierCV([1.0, 2.0]), CLASSES),
    "SGDClassifier": (f.SGDClassifier(max_iter=3, tol=None, random_state=0), CLASSES),
    "SGDRegressor": (f.SGDRegressor(max_iter=3, tol=None, random_state=0), y),
    "TweedieRegressor": (f.TweedieRegressor(power=1.5), COUNTS),
}


class Interrupt(KeyboardInterrupt):
    pass


def traced(call, at):
    """Run a call, interrupted at a line of the estimators' modules; return the lines that ran."""
    lines = 0

    def line(frame, event, argument):
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == at:
                raise Interrupt
        return line

    def inside(frame, event, argument):
        name = frame.f_code.co_filename
        # the decorator puts back what was there
        here = "linear_model" in name and not name.endswith("_whole.py")
        return line if here else None

    before = sys.gettrace()
    sys.settrace(inside)
    try:
        call()
    finally:
        sys.settrace(before)
    return lines


def test_every_estimator_is_here():
    assert set(FITS) == set(ESTIMATORS)


@pytest.mark.parametrize("name", FITS)
def test_an_earlier_fit_stays(name):
    estimator, target = FITS[name]
    estimator.fit(X, target)
    coef = np.copy(estimator.coef_)
    other = SPARSE, np.roll(target, 1, axis=0)
    before = dict(estimator.__dict__)
    count = traced(lambda: estimator.fit(*other), 0)
    # every last line, and some of those before
    places = {
        *range(max(1, count - MOST // 2), count),
        *np.linspace(1, count, MOST // 2).astype(int),
    }
    for place in sorted(places):
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        with pytest.raises(Interrupt):
            traced(lambda: estimator.fit(*other), place)
        now = estimator.__dict__
        if "coef_" not in now and "cv_results_" in now and "CV" in name:
            # the folds that are done, as documented
            assert not {k for k in now if k.endswith("_")} - {"cv_results_"}
            continue
        assert now.keys() - {"_state_lock"} == before.keys() - {"_state_lock"}, place
        changed = [k for k in before if now[k] is not before[k]]
        assert not changed, (place, count)
        np.testing.assert_array_equal(estimator.coef_, coef, err_msg=str(place))
    # as a fit that was not interrupted
    again = type(estimator)(**estimator.get_params()).fit(*other).coef_
    np.testing.assert_allclose(estimator.fit(*other).coef_, again, rtol=1e-4, atol=1e-6)
