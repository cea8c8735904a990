"""scikit-learn's protocol, followed without importing scikit-learn."""

import copy
import pickle
import subprocess
import sys
import warnings
from typing import ClassVar

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
from estimator_checks import all_checks, check_all
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, VotingClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr, get_tags
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_n_features_in_after_fitting,
)
from sklearn.utils.metadata_routing import UNUSED, get_routing_for_object
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

import fastridge
from fastridge import LinearRegression, Ridge, RidgeClassifier, exceptions
from fastridge._sklearn import exception
from fastridge.linear_model._base import Estimator

ESTIMATORS = [
    Ridge(),
    Ridge(solver="cholesky"),
    Ridge(solver="dual"),
    Ridge(solver="qr"),
    Ridge(solver="cg", tol=1e-10),
    Ridge(positive=True, tol=1e-10),
    Ridge(lower=-1.0, upper=80.0),
    Ridge(fit_intercept=False),
    Ridge(standardize=True),
    RidgeClassifier(),
    RidgeClassifier(class_weight="balanced"),
    RidgeClassifier(solver="cg", tol=1e-10),
    RidgeClassifier(standardize=True),
    LinearRegression(),
    LinearRegression(positive=True),
]
BOTH = pytest.mark.parametrize("cls", [Ridge, RidgeClassifier])


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = X @ [1.0, -2.0, 0.5, 0.0] + 0.1 * rng.normal(size=60)
    return X, y, rng.uniform(0.1, 3.0, size=60)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def python(code):
    """Run code in a fresh interpreter; it must print nothing but "ok"."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "ok", done.stdout + done.stderr


# scikit-learn's own checks.


@pytest.mark.slow
@all_checks(ESTIMATORS)
def test_estimator_checks(estimator):
    check_all(estimator)


@BOTH
@pytest.mark.parametrize(
    "check", [check_dataframe_column_names_consistency, check_n_features_in_after_fitting]
)
def test_checks_that_scikit_learn_keeps_for_itself(cls, check):
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        check(cls.__name__, cls())


# Parameters.


@BOTH
def test_clone_and_copies(cls, data):
    X, y, _ = data
    original = cls(alpha=2.5, penalty_factor=np.array([1.0, 0.0, 2.0, 1.0]), tol=1e-8)
    for duplicate in (clone(original), copy.copy(original), copy.deepcopy(original)):
        assert repr(duplicate) == repr(original)
        assert type(duplicate) is cls
    fitted = original.fit(X, y > 0)
    assert not hasattr(clone(fitted), "coef_")
    assert_array_equal(copy.deepcopy(fitted).coef_, fitted.coef_)


@BOTH
def test_parameters(cls):
    model = cls()
    theirs = getattr(sklearn.linear_model, cls.__name__)()
    params = model.get_params()
    assert list(params) == sorted(params)
    own = {"lower", "max_memory", "penalty_factor", "standardize", "upper"}
    if cls.__name__ == "Ridge":
        own |= {"prior_mean", "penalty_matrix"}
    assert set(params) - set(theirs.get_params()) == own
    assert {name: params[name] for name in theirs.get_params()} == theirs.get_params()
    assert model.set_params(alpha=3.0, tol=0.1) is model
    assert (model.alpha, model.tol) == (3.0, 0.1)
    with pytest.raises(
        ValueError, match=r"Invalid parameter 'gamma' for estimator .* expected one"
    ):
        model.set_params(gamma=1)


def test_parameters_that_are_estimators():
    class Wrapper(Estimator):
        _estimator_type = "regressor"

        def __init__(self, inner=None, scale=1.0):
            self.inner = inner
            self.scale = scale

    model = Wrapper(inner=Ridge(alpha=2.0))
    assert model.get_params()["inner__alpha"] == 2.0
    assert "inner__alpha" not in model.get_params(deep=False)
    model.set_params(inner__alpha=5.0, scale=2.0)
    assert model.inner.alpha == 5.0
    assert repr(model) == "Wrapper(inner=Ridge(alpha=5.0), scale=2.0)"
    assert repr(clone(model)) == repr(model)


def test_constructors_name_their_parameters():
    class Bad(Estimator):
        def __init__(self, *values):
            self.values = values

    with pytest.raises(RuntimeError, match=r"Bad.__init__ takes \*values"):
        Bad().get_params()


def test_repr():
    assert repr(Ridge()) == "Ridge()"
    assert repr(Ridge(alpha=1.0)) == "Ridge()"
    assert repr(Ridge(2, solver="cg")) == "Ridge(alpha=2, solver='cg')"
    assert repr(Ridge(penalty_factor=np.arange(3))) == "Ridge(penalty_factor=array([0, 1, 2]))"
    assert len(repr(Ridge(penalty_factor=np.linspace(0, 1, 500)))) < 120
    pipeline = make_pipeline(StandardScaler(), Ridge(alpha=2.0))
    assert "Ridge(alpha=2.0)" in repr(pipeline)


def test_subclasses(data):
    class Named(Ridge):
        def __init__(self, alpha=7.0, *, note="none"):
            super().__init__(alpha=alpha)
            self.note = note

        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.non_deterministic = True
            return tags

    X, y, _ = data
    model = Named(note="mine")
    assert model.get_params() == {"alpha": 7.0, "note": "mine"}
    assert repr(clone(model)) == "Named(note='mine')"
    assert get_tags(model).non_deterministic
    assert_array_equal(model.fit(X, y).coef_, Ridge(alpha=7.0).fit(X, y).coef_)


# Tags, HTML, fitted state.


@BOTH
def test_tags(cls):
    model = cls()
    assert is_regressor(model) == (cls is Ridge)
    assert is_classifier(model) == (cls is RidgeClassifier)
    ours = get_tags(model)
    theirs = get_tags(getattr(sklearn.linear_model, cls.__name__)())
    # Arrays of other libraries are converted, not computed with.
    theirs.array_api_support = False
    assert ours == theirs


@BOTH
def test_html(cls, data):
    X, y, _ = data
    model = cls(alpha=2.5)
    for state in ("Not fitted", "Fitted"):
        html = model._repr_html_()
        assert html.startswith("<style>")
        assert cls.__name__ in html
        assert "2.5" in html
        assert f"<span>{state}</span>" in html
        assert model._repr_mimebundle_()["text/html"].startswith("<style>")
        assert cls.__name__ in estimator_html_repr(make_pipeline(StandardScaler(), model))
        model.fit(X, y > 0)
    with sklearn.config_context(display="text"):
        assert not hasattr(model, "_repr_html_")
        assert list(model._repr_mimebundle_()) == ["text/plain"]


@BOTH
def test_fitted_state(cls, data):
    X, y, _ = data
    model = cls()
    with pytest.raises(sklearn.exceptions.NotFittedError):
        check_is_fitted(model)
    model.fit(X, y > 0)
    check_is_fitted(model)
    check_is_fitted(model, ["coef_", "solver_", "n_iter_", "relative_gradient_", "objective_"])
    assert has_fit_parameter(model, "sample_weight")


# Exceptions and warnings.


@pytest.mark.parametrize("name", [n for n in exceptions.__all__ if n != "GridWarning"])
def test_exceptions_are_also_scikit_learns(name):
    cls = exception(name)
    ours = getattr(exceptions, name)
    theirs = getattr(sklearn.exceptions, name, None)
    if theirs is None:
        theirs = sklearn.utils._param_validation.InvalidParameterError
    assert issubclass(cls, ours)
    assert issubclass(cls, theirs)
    assert cls is exception(name)
    assert cls.__name__ == name
    again = pickle.loads(pickle.dumps(cls("some words")))
    assert type(again) is cls
    assert str(again) == "some words"


def test_what_is_raised_is_also_scikit_learns(data):
    X, y, _ = data
    with pytest.raises(sklearn.exceptions.NotFittedError, match="not fitted yet"):
        Ridge().predict(X)
    with pytest.warns(sklearn.exceptions.DataConversionWarning):
        RidgeClassifier().fit(X, (y > 0)[:, None])
    with pytest.warns(sklearn.exceptions.UndefinedMetricWarning):
        Ridge().fit(X, y).score(X[:1], y[:1])
    with pytest.raises(sklearn.utils._param_validation.InvalidParameterError):
        Ridge(alpha=-1.0).fit(X, y)


def test_convergence_warning_is_also_scikit_learns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 50)) @ np.diag(np.logspace(0, 5, 50)) @ rng.normal(size=(50, 50))
    model = Ridge(alpha=1e-8, solver="cg", max_iter=1, tol=1e-14)
    with pytest.warns(sklearn.exceptions.ConvergenceWarning) as caught:
        model.fit(X, rng.normal(size=200))
    assert issubclass(caught[0].category, exceptions.ConvergenceWarning)


@pytest.mark.slow
def test_errors_cross_processes(data):
    X, _, _ = data
    with pytest.raises(exceptions.NotFittedError, match="not fitted yet"):
        joblib.Parallel(n_jobs=2)(joblib.delayed(Ridge().predict)(X) for _ in range(2))


# In scikit-learn's machinery.


def test_pipeline_and_grid_search(data):
    X, y, weight = data
    search = GridSearchCV(
        make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [0.01, 1.0, 100.0]}, cv=3
    )
    search.fit(X, y, ridge__sample_weight=weight)
    theirs = GridSearchCV(
        make_pipeline(StandardScaler(), sklearn.linear_model.Ridge()), search.param_grid, cv=3
    ).fit(X, y, ridge__sample_weight=weight)
    assert search.best_params_ == theirs.best_params_
    for key in ("mean_test_score", "split0_test_score"):
        assert_allclose(search.cv_results_[key], theirs.cv_results_[key], rtol=1e-8)


@pytest.mark.slow
def test_classifier_in_grid_search(data):
    X, y, _ = data
    labels = np.array(["low", "middle", "high"])[np.digitize(y, [-1.0, 1.0])]
    grid = {"alpha": [0.1, 10.0], "class_weight": [None, "balanced"]}
    for scoring in (None, "accuracy", "f1_macro"):
        ours = GridSearchCV(RidgeClassifier(), grid, cv=3, scoring=scoring).fit(X, labels)
        theirs = GridSearchCV(
            sklearn.linear_model.RidgeClassifier(), grid, cv=3, scoring=scoring
        ).fit(X, labels)
        assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    assert_allclose(
        cross_val_score(RidgeClassifier(), X, y > 0, scoring="roc_auc"),
        cross_val_score(sklearn.linear_model.RidgeClassifier(), X, y > 0, scoring="roc_auc"),
    )


def test_meta_estimators(data):
    X, y, weight = data
    expected = sklearn.linear_model.Ridge().fit(X, y).predict(X)
    wrapped = TransformedTargetRegressor(Ridge(), transformer=StandardScaler()).fit(X, y)
    reference = TransformedTargetRegressor(
        sklearn.linear_model.Ridge(), transformer=StandardScaler()
    ).fit(X, y)
    assert_allclose(wrapped.predict(X), reference.predict(X))
    several = MultiOutputRegressor(Ridge()).fit(X, np.c_[y, -y], sample_weight=weight)
    assert several.predict(X).shape == (60, 2)
    assert_allclose(MultiOutputRegressor(Ridge()).fit(X, y[:, None]).predict(X)[:, 0], expected)
    bags = BaggingRegressor(Ridge(), n_estimators=3, random_state=0).fit(X, y, weight)
    assert bags.score(X, y) > 0.9
    vote = VotingClassifier([("a", RidgeClassifier()), ("b", RidgeClassifier(alpha=9.0))])
    assert vote.fit(X, y > 0).score(X, y > 0) > 0.9
    assert SelectFromModel(Ridge(), threshold="mean").fit_transform(X, y).shape[1] < 4


def test_output_containers_do_not_matter(data):
    X, y, _ = data
    frame = pd.DataFrame(X, columns=list("abcd"))
    pipeline = Pipeline([("scale", StandardScaler()), ("ridge", Ridge())])
    expected = pipeline.fit(X, y).predict(X)
    for container in ("pandas", "polars", "default"):
        pipeline.set_output(transform=container).fit(frame, y)
        assert_allclose(pipeline.predict(frame), expected)
        names = getattr(pipeline["ridge"], "feature_names_in_", None)
        assert (names is None) == (container == "default")
        with sklearn.config_context(transform_output=container):
            predicted = Ridge().fit(frame, y).predict(frame)
        assert type(predicted) is np.ndarray
    assert not hasattr(Ridge(), "set_output")


# Feature names.


@BOTH
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_feature_names(cls, make, data):
    X, y, _ = data
    frame = make(dict(zip("abcd", X.T, strict=True)))
    model = cls().fit(frame, y > 0)
    assert model.feature_names_in_.dtype == object
    assert_array_equal(model.feature_names_in_, list("abcd"))
    assert_allclose(model.predict(frame), cls().fit(X, y > 0).predict(X))
    with pytest.warns(UserWarning, match=r"X does not have valid feature names, but .* was fitted"):
        model.predict(X)
    with pytest.warns(UserWarning, match=r"X has feature names, but .* without feature names"):
        cls().fit(X, y > 0).predict(frame)
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        model.predict(frame[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- e\n.*yet now missing:\n- a\n"):
        model.predict(make(dict(zip("ebcd", X.T, strict=True))))


def test_a_warning_about_names_points_at_the_caller(data):
    X, y, _ = data
    model = Ridge().fit(pd.DataFrame(X, columns=list("abcd")), y)
    with pytest.warns(UserWarning, match="valid feature names") as caught:
        model.predict(X)
    assert caught[0].filename == __file__


def test_mixed_feature_names_are_refused(data):
    X, y, _ = data
    with pytest.raises(TypeError, match="string names"):
        Ridge().fit(pd.DataFrame(X, columns=["a", "b", 3, 4]), y)


# Metadata routing.


@BOTH
def test_requests(cls, routing):
    model = cls()
    assert model.set_fit_request(sample_weight=True) is model
    model.set_score_request(sample_weight="other")
    found = get_routing_for_object(model)
    assert found.fit.requests == {"sample_weight": True}
    assert found.score.requests == {"sample_weight": "other"}
    assert found.predict.requests == {}
    model.set_fit_request()
    assert get_routing_for_object(model).fit.requests == {"sample_weight": True}
    again = get_routing_for_object(clone(model))
    assert again.fit.requests == {"sample_weight": True}
    assert again.score.requests == {"sample_weight": "other"}
    with pytest.raises(TypeError, match="groups"):
        model.set_fit_request(groups=True)
    assert get_routing_for_object(cls()).fit.requests == {"sample_weight": None}
    theirs = get_routing_for_object(getattr(sklearn.linear_model, cls.__name__)())
    ours = get_routing_for_object(cls())
    if cls is Ridge:
        # scikit-learn's has no partial_fit
        assert ours.partial_fit.requests == {"sample_weight": None}
        ours.partial_fit.requests.clear()
    assert str(ours) == str(theirs)


def test_requests_of_a_subclass(routing):
    class Asking(Ridge):
        __metadata_request__fit: ClassVar = {"sample_weight": True}
        __metadata_request__score: ClassVar = {"sample_weight": UNUSED}

    found = get_routing_for_object(Asking())
    assert found.fit.requests == {"sample_weight": True}
    assert found.score.requests == {}


def test_requests_need_routing():
    with pytest.raises(RuntimeError, match="enable_metadata_routing=True"):
        Ridge().set_fit_request(sample_weight=True)
    with pytest.raises(RuntimeError, match="enable_metadata_routing=True"):
        Ridge().set_score_request(sample_weight=True)


@BOTH
def test_weights_are_routed(cls, data, routing):
    X, y, weight = data
    y = y if cls is Ridge else y > 0.3
    theirs = getattr(sklearn.linear_model, cls.__name__)
    results = []
    for make in (cls, theirs):
        model = make().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(
            Pipeline(
                [("scale", StandardScaler().set_fit_request(sample_weight=False)), ("model", model)]
            ),
            {"model__alpha": [0.1, 30.0]},
            cv=3,
        )
        search.fit(X, y, sample_weight=weight)
        scores = cross_validate(model, X, y, params={"sample_weight": weight})["test_score"]
        results.append((search.cv_results_["mean_test_score"], scores))
    assert_allclose(results[0][0], results[1][0], rtol=1e-8)
    assert_allclose(results[0][1], results[1][1], rtol=1e-8)


def test_weights_without_a_request_are_refused(data, routing):
    X, y, weight = data
    with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
        GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=3).fit(X, y, sample_weight=weight)


# Pickles and other processes.


@BOTH
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(cls, protocol, data):
    X, y, _ = data
    model = cls(alpha=2.0).fit(pd.DataFrame(X, columns=list("abcd")), y > 0)
    again = pickle.loads(pickle.dumps(model, protocol=protocol))
    assert repr(again) == repr(model)
    assert list(vars(again)) == list(vars(model))
    assert_array_equal(again.coef_, model.coef_)


@pytest.mark.slow
def test_joblib(data, tmp_path):
    X, y, _ = data
    model = Ridge().fit(X, y)
    joblib.dump(model, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    assert_array_equal(mapped.predict(X), model.predict(X))
    alphas = [0.1, 1.0, 10.0]
    fitted = joblib.Parallel(n_jobs=2)(joblib.delayed(Ridge(a).fit)(X, y) for a in alphas)
    for alpha, other in zip(alphas, fitted, strict=True):
        assert_array_equal(other.coef_, Ridge(alpha).fit(X, y).coef_)


@pytest.mark.slow
@pytest.mark.parametrize(
    "work",
    [
        "fastridge.Ridge().fit(X, y).predict(X)",
        "fastridge.Ridge(solver='cg', standardize=True).fit(X, y, y * y).score(X, y)",
        "fastridge.RidgeClassifier(class_weight='balanced').fit(X, y > 0).predict(X)",
        "fastridge.ridge(X, y)",
        "repr(fastridge.Ridge(alpha=2.0).set_params(tol=1e-3))",
    ],
)
def test_nothing_else_is_imported(work):
    python(
        f"""
import sys
import numpy as np
import fastridge
X = np.arange(12.0).reshape(6, 2) ** 2
y = np.array([1.0, -1.0, 2.0, -2.0, 3.0, 1.0])
{work}
loaded = {{"sklearn", "pandas", "polars", "scipy.sparse", "joblib"}} & set(sys.modules)
assert not loaded, loaded
print("ok")
"""
    )


@pytest.mark.slow
def test_estimators_from_before_scikit_learn_was_imported():
    python(
        """
import numpy as np
import fastridge
from fastridge import exceptions
X = np.arange(12.0).reshape(6, 2) ** 2
y = np.array([1.0, -1.0, 2.0, -2.0, 3.0, 1.0])
early, fitted = fastridge.Ridge(alpha=2.0), fastridge.RidgeClassifier().fit(X, y > 0)
for name in ("_repr_html_", "get_metadata_routing", "_get_params_html"):
    assert not hasattr(early, name)
assert list(early._repr_mimebundle_()) == ["text/plain"]
for call in (early.__sklearn_tags__, early.set_fit_request, early.set_score_request):
    try:
        call()
    except RuntimeError as error:
        assert "import sklearn" in str(error)
    else:
        raise AssertionError(call)
try:
    early.predict(X)
except exceptions.NotFittedError as error:
    assert type(error) is exceptions.NotFittedError

import sklearn
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils.validation import check_is_fitted
assert is_regressor(early) and is_classifier(fitted)
check_is_fitted(fitted)
assert "Ridge" in early._repr_html_() and "Fitted" in fitted._repr_html_()
assert clone(early).alpha == 2.0
try:
    early.predict(X)
except NotFittedError as error:
    assert isinstance(error, exceptions.NotFittedError)
with sklearn.config_context(enable_metadata_routing=True):
    early.set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
    assert early.get_metadata_routing().fit.requests == {"sample_weight": True}
    GridSearchCV(early, {"alpha": [1.0, 2.0]}, cv=2).fit(X, y, sample_weight=y * y)
print("ok")
"""
    )


@pytest.mark.slow
def test_errors_pickled_with_scikit_learn_are_read_without():
    error = pickle.dumps(exception("NotFittedError")("some words"))
    python(
        f"""
import pickle, sys
error = pickle.loads({error!r})
from fastridge.exceptions import NotFittedError
assert type(error) is NotFittedError and str(error) == "some words"
assert "sklearn" not in sys.modules
print("ok")
"""
    )


def test_sparse_in_scikit_learns_machinery(data):
    X, y, _ = data
    sparse = sp.csr_array(np.where(np.abs(X) > 0.5, X, 0.0))
    ours = cross_val_score(Ridge(tol=1e-10), sparse, y, cv=3)
    theirs = cross_val_score(sklearn.linear_model.Ridge(tol=1e-10), sparse, y, cv=3)
    assert_allclose(ours, theirs, rtol=1e-6)


def test_public_names():
    assert fastridge.Ridge is Ridge
    assert fastridge.RidgeClassifier is RidgeClassifier
