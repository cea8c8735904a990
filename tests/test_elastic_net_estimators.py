"""Lasso, ElasticNet and their multi-task forms beside scikit-learn's."""

import inspect
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
import sklearn.linear_model
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import get_routing_for_object

import fastridge
from fastridge import (
    ElasticNet,
    Lasso,
    Moments,
    MultiTaskElasticNet,
    MultiTaskLasso,
    elastic_net,
    reference,
)
from fastridge.exceptions import ConvergenceWarning

SINGLE = pytest.mark.parametrize("cls", [Lasso, ElasticNet])
MULTI = pytest.mark.parametrize("cls", [MultiTaskLasso, MultiTaskElasticNet])
ALL = pytest.mark.parametrize("cls", [Lasso, ElasticNet, MultiTaskLasso, MultiTaskElasticNet])


def theirs_of(cls):
    return getattr(sklearn.linear_model, cls.__name__)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 30)) + 0.5 * rng.normal(size=(60, 1)) + 1
    X[rng.random(X.shape) < 0.3] = 0
    Y = X[:, :4] @ rng.normal(size=(4, 3)) * 2 + rng.normal(size=(60, 3)) + 3
    return X, Y, rng.uniform(0.2, 3.0, size=60)


# Against scikit-learn.


@ALL
def test_parameters_are_scikit_learns_and_more(cls):
    ours, theirs = cls().get_params(), theirs_of(cls)().get_params()
    assert {name: ours[name] for name in theirs} == theirs
    more = {"penalty_factor", "standardize"}
    if not cls.__name__.startswith("Multi"):
        more |= {"lower", "upper"}
    assert set(ours) - set(theirs) == more
    signature = inspect.signature(theirs_of(cls).fit)
    assert list(inspect.signature(cls.fit).parameters) == list(signature.parameters)
    assert repr(clone(cls(alpha=2.5, tol=1e-3))) == f"{cls.__name__}(alpha=2.5, tol=0.001)"


@ALL
def test_tags_are_scikit_learns(cls):
    assert get_tags(cls()) == get_tags(theirs_of(cls)())


@SINGLE
def test_requests_are_scikit_learns(cls):
    with sklearn.config_context(enable_metadata_routing=True):
        ours, theirs = get_routing_for_object(cls()), get_routing_for_object(theirs_of(cls)())
        assert str(ours) == str(theirs)
        model = cls().set_fit_request(sample_weight=True)
        assert get_routing_for_object(model).fit.requests == {"sample_weight": True}


@SINGLE
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"fit_intercept": False},
        {"positive": True},
        {"precompute": True},
        {"selection": "random", "random_state": 0},
    ],
)
def test_same_fit(cls, data, params, sparse, weighted):
    X, Y, weight = data
    weight = weight if weighted else None
    Z = sp.csc_array(X) if sparse else X
    for y, alpha in [(Y[:, 0], 0.1), (Y[:, 1], 0.7), (Y[:, :1], 0.2), (Y, 0.05)]:
        ours = cls(alpha, tol=1e-12, **params).fit(Z, y, weight)
        theirs = theirs_of(cls)(alpha, tol=1e-12, max_iter=100_000, **params).fit(Z, y, weight)
        assert ours.coef_.shape == theirs.coef_.shape
        assert np.shape(ours.intercept_) == np.shape(theirs.intercept_)
        assert np.shape(ours.n_iter_) == np.shape(theirs.n_iter_)
        assert np.shape(ours.relative_gap_) == np.shape(theirs.dual_gap_)
        assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
        assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-5)
        assert_allclose(ours.predict(Z), theirs.predict(Z), atol=1e-5)
        assert_allclose(ours.score(Z, y, weight), theirs.score(Z, y, weight), atol=1e-6)
        assert_array_equal(ours.sparse_coef_.toarray(), np.atleast_2d(ours.coef_))
        assert ours.sparse_coef_.shape == theirs.sparse_coef_.shape
        assert np.max(ours.relative_gap_) <= 1e-12


@SINGLE
def test_attributes(cls, data):
    X, Y, weight = data
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(30)])
    model = cls(0.1, penalty_factor=np.linspace(0.1, 2, 30), lower=-0.5, upper=0.5)
    model.fit(frame, Y[:, 0], weight)
    ratio = 1.0 if cls is Lasso else 0.5
    result = elastic_net(
        X,
        Y[:, 0].copy(),
        0.1,
        l1_ratio=ratio,
        sample_weight=weight,
        penalty_factor=np.linspace(0.1, 2, 30),
        lower=-0.5,
        upper=0.5,
    )
    assert_array_equal(model.coef_, result.coef)
    assert model.intercept_ == result.intercept
    assert model.n_iter_ == result.n_iter
    assert model.relative_gap_ == result.relative_gap
    assert model.objective_ == result.objective
    assert model.solver_ == result.solver
    assert model.n_features_in_ == 30
    assert_array_equal(model.feature_names_in_, frame.columns)
    assert np.abs(model.coef_).max() == 0.5
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(frame), model.predict(frame))
    single = cls(0.1).fit(X.astype(np.float32), Y[:, 0])
    assert single.coef_.dtype == np.float32
    assert cls(0.1, fit_intercept=False).fit(X, Y[:, 0]).intercept_ == 0.0


@ALL
def test_save_and_load(cls, data, tmp_path):
    X, Y, _ = data
    model = cls(0.1).fit(X, Y)
    fastridge.save(model, tmp_path / "model")
    again = fastridge.load(tmp_path / "model")
    assert type(again) is cls
    assert_array_equal(again.predict(X), model.predict(X))
    path = fastridge.elastic_net_path(X, Y[:, 0].copy(), l1_ratio=1.0, n_alphas=5)
    fastridge.save(path, tmp_path / "path")
    assert_array_equal(fastridge.load(tmp_path / "path").coef, path.coef)


@SINGLE
def test_grid_search(cls, data):
    X, Y, weight = data
    grid = {"alpha": [0.01, 0.1, 1.0]}
    ours = GridSearchCV(cls(tol=1e-10), grid, cv=3).fit(X, Y[:, 0], sample_weight=weight)
    theirs = GridSearchCV(theirs_of(cls)(tol=1e-10, max_iter=10000), grid, cv=3)
    theirs.fit(X, Y[:, 0], sample_weight=weight)
    assert_allclose(
        ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], rtol=1e-6
    )


# Gram matrices and moments.


@SINGLE
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_precompute(cls, data, fit_intercept, standardize, weighted):
    X, Y, weight = data
    weight = weight if weighted else None
    params = {"fit_intercept": fit_intercept, "standardize": standardize, "tol": 1e-12}
    want = cls(0.05, **params).fit(X, Y, weight)
    mean = np.average(X, axis=0, weights=weight) if fit_intercept else np.zeros(30)
    s = np.ones(60) if weight is None else weight
    gram = ((X - mean) * s[:, None]).T @ (X - mean)
    moments = Moments(X[:25], Y[:25], None if weight is None else weight[:25])
    moments += Moments(X[25:], Y[25:], None if weight is None else weight[25:])
    for precompute in (True, gram, gram.tolist(), moments):
        got = cls(0.05, precompute=precompute, **params).fit(X, Y, weight)
        assert got.solver_ == "gram"
        assert_allclose(got.coef_, want.coef_, atol=1e-6)
        assert_allclose(got.intercept_, want.intercept_, atol=1e-6)
    got = cls(0.05, **params).fit_moments(moments)
    assert_allclose(got.coef_, want.coef_, atol=1e-6)
    assert_allclose(got.intercept_, want.intercept_, atol=1e-6)
    assert got.n_features_in_ == 30


@SINGLE
@pytest.mark.parametrize("shape", [(60,), (60, 1), (60, 2)])
def test_shapes_from_moments(cls, data, shape):
    X, Y, _ = data
    y = Y[:, : np.prod(shape[1:], dtype=int)].reshape(shape)
    ours, theirs = cls(0.05).fit_moments(Moments(X, y)), cls(0.05).fit(X, y)
    for name in ("coef_", "intercept_", "n_iter_", "relative_gap_", "objective_"):
        assert np.shape(getattr(ours, name)) == np.shape(getattr(theirs, name))
    assert_allclose(ours.predict(X), theirs.predict(X), atol=0.1)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("cls", [Lasso, ElasticNet])
def test_gram_matrices_of_scikit_learns_kind(cls, weighted, data):
    X, Y, weight = data
    y, weight = Y[:, 0].copy(), weight if weighted else None
    expected = cls(0.05, tol=1e-12).fit(X, y, weight)
    s = np.ones(60) if weight is None else weight
    for normalised in (s, s * 60 / s.sum()):
        mean = np.average(X, axis=0, weights=s)
        centred = (X - mean).T @ ((X - mean) * normalised[:, None])
        model = cls(0.05, tol=1e-12, precompute=centred).fit(X, y, weight)
        assert_allclose(model.coef_, expected.coef_, atol=1e-9)
        assert_allclose(model.objective_, expected.objective_)
        raw = X.T @ (X * normalised[:, None])
        with pytest.warns(UserWarning, match="centered to fit intercept: recomp") as caught:
            model = cls(0.05, tol=1e-12, precompute=raw).fit(X, y, weight)
        assert caught[0].filename == __file__
        assert_allclose(model.coef_, expected.coef_, atol=1e-9)
        free = cls(0.05, tol=1e-12, precompute=raw, fit_intercept=False).fit(X, y, weight)
        without = cls(0.05, tol=1e-12, fit_intercept=False).fit(X, y, weight)
        assert_allclose(free.coef_, without.coef_, atol=1e-9)


def test_what_is_not_of_the_data_is_refused(data):
    X, Y, weight = data
    y = Y[:, 0].copy()
    gram = (X - X.mean(axis=0)).T @ (X - X.mean(axis=0))
    with pytest.raises(ValueError, match=r"precompute has shape \(2, 2\); expected \(30, 30\)"):
        Lasso(precompute=np.eye(2)).fit(X, y)
    with pytest.raises(ValueError, match=r"did not pass validation .* was checked: \(0, 0\) is"):
        Lasso(precompute=3.0 * X.T @ X).fit(X, y)
    with pytest.raises(ValueError, match="'precompute' did not pass validation"):
        Lasso(precompute=gram).fit(X, y, weight)
    with pytest.raises(ValueError, match="its diagonal is that of X, but row"):
        Lasso(precompute=np.diag(np.diag(gram))).fit(X, y)
    with pytest.raises(ValueError, match="precompute contains NaN"):
        Lasso(precompute=np.full((30, 30), np.nan)).fit(X, y)
    with pytest.raises(ValueError, match="60 samples, 30 features and 3 targets; expected those"):
        Lasso(precompute=Moments(X, Y)).fit(X, y)
    with pytest.raises(ValueError, match="moments of a different y"):
        Lasso(precompute=Moments(X, y)).fit(X, 2 * y)
    with pytest.raises(ValueError, match="moments of a different X, or of different weights"):
        Lasso(precompute=Moments(X, y)).fit(X, y, weight)
    with pytest.raises(ValueError, match="precompute holds moments of 0 samples"):
        Lasso(precompute=Moments()).fit(X, y)
    with pytest.raises(ValueError, match="moments holds moments of 0 samples"):
        Lasso().fit_moments(Moments())
    with pytest.raises(TypeError, match=r"moments is a list; expected fastridge\.Moments"):
        Lasso().fit_moments([1.0])
    bad = X.copy()
    bad[3, 4] = np.nan
    for precompute in (False, True, gram, Moments(X, y)):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            Lasso(precompute=precompute).fit(bad, y)


# Starts, parameters, warnings.


@ALL
def test_warm_start(cls, data):
    X, Y, _ = data
    model = cls(0.1, warm_start=True, tol=1e-8).fit(X, Y)
    cold, coef = np.max(model.n_iter_), model.coef_
    assert cold >= 1
    model.fit(X, Y)
    assert np.max(model.n_iter_) <= 1 < cold or cold == 1
    assert_allclose(model.coef_, coef, atol=1e-6)
    model.set_params(alpha=0.09).fit(X, Y)
    assert_allclose(model.coef_, cls(0.09, tol=1e-8).fit(X, Y).coef_, atol=1e-3)
    # other shapes start from zero
    assert model.fit(X[:, :7], Y).coef_.shape == (3, 7)
    model.set_params(warm_start=False).fit(X, Y)


@SINGLE
@pytest.mark.parametrize("storage", [np.array, np.asfortranarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("shape", [(30, 300), (50, 200), (80, 20)])
@pytest.mark.parametrize("weighted", [False, True])
def test_no_epoch_from_the_solution(cls, storage, shape, weighted):
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=shape), rng.lognormal(size=shape[0]) if weighted else None
    y = X[:, :10] @ rng.normal(size=10) + 1
    options = {"precompute": shape[1] < 100, "standardize": weighted}
    model = cls(1e-3, tol=1e-3, **options).fit(storage(X), y, weight)
    coef, gap = model.coef_, model.relative_gap_
    assert model.n_iter_ > 1
    model = pickle.loads(pickle.dumps(model)).set_params(warm_start=True)
    model.fit(storage(X), y, weight)
    assert model.n_iter_ == 0
    assert_allclose(model.relative_gap_, gap, rtol=1e-6, atol=1e-12)
    assert_allclose(model.coef_, coef, rtol=1e-12, atol=1e-14)
    # the dual point of one target is not valid for another
    model.fit(storage(X), y[::-1], weight)
    assert model.n_iter_ > 0
    objective = cls(1e-3, tol=1e-8, **options).fit(storage(X), y[::-1], weight).objective_
    assert objective - 1e-9 <= model.objective_ <= objective + model.dual_gap_ + 1e-9


@SINGLE
def test_random_state(cls, data):
    X, Y, _ = data

    def fit(state):
        with pytest.warns(ConvergenceWarning):
            return cls(
                0.01, selection="random", random_state=state, max_iter=1, tol=0.0, precompute=True
            ).fit(X, Y[:, 0])

    assert_array_equal(fit(3).coef_, fit(3).coef_)
    assert not np.array_equal(fit(3).coef_, fit(4).coef_)
    state = np.random.RandomState(0)
    first = fit(state).coef_
    assert not np.array_equal(first, fit(state).coef_)
    assert_array_equal(first, fit(np.random.RandomState(0)).coef_)


@ALL
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("alpha", -1.0, "a finite number of at least 0"),
        ("alpha", "1", "a finite number of at least 0"),
        ("tol", -1.0, "a finite number of at least 0"),
        ("max_iter", 0, "an int of at least 1, or None"),
        ("max_iter", 1.5, "an int of at least 1, or None"),
        ("fit_intercept", "yes", "a bool"),
        ("warm_start", 2, "a bool"),
        ("standardize", None, "a bool"),
        ("selection", "down", "'cyclic' or 'random'"),
        ("random_state", "seed", "an int from 0"),
        ("penalty_factor", 2.0, "an array-like of shape"),
        ("l1_ratio", 1.5, "a number from 0 to 1"),
        ("positive", "no", "a bool"),
        ("precompute", "auto", "a bool, an array-like"),
        ("lower", "0", "a number, an array-like"),
        ("upper", True, "a number, an array-like"),
    ],
)
def test_parameters_that_are_refused(cls, data, name, value, words):
    X, Y, _ = data
    if name not in cls().get_params():
        return
    model = cls(**{name: value})
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {cls.__name__} must be"):
        model.fit(X, Y)
    with pytest.raises(sklearn.utils._param_validation.InvalidParameterError, match=words):
        model.fit(X, Y)
    assert not hasattr(model, "coef_")


def test_bounds_and_positive(data):
    X, Y, _ = data
    y = Y[:, 0].copy()
    model = Lasso(0.01, positive=True, upper=0.3, tol=1e-8).fit(X, y)
    assert model.coef_.min() == 0
    assert model.coef_.max() == 0.3
    model = Lasso(0.01, positive=True, lower=np.r_[0.2, np.full(29, -1.0)]).fit(X, y)
    assert model.coef_[0] >= 0.2
    assert model.coef_.min() >= 0
    with pytest.raises(ValueError, match="upper is -1 at position 0; expected at least 0"):
        Lasso(positive=True, upper=-1.0).fit(X, y)


@ALL
def test_what_was_not_reached_is_said(cls, data):
    X, Y, _ = data
    with pytest.warns(ConvergenceWarning, match="duality gap is") as caught:
        model = cls(1e-4, max_iter=1, tol=1e-14).fit(X, Y)
    assert caught[0].filename == __file__
    assert np.max(model.relative_gap_) > 1e-14
    assert cls(0.1, max_iter=None).fit(X, Y).coef_.shape == (3, 30)


# Multi-task.


def groups_objective(X, Y, W, b, alpha, l1_ratio, s, f):
    """The objective as it is documented, and how far 0 is from each group's subdifferential."""
    s = s / s.sum()
    R = Y - b - X @ W.T
    norm = np.linalg.norm(W, axis=0)
    value = s @ np.sum(R**2, axis=1) / 2
    value += alpha * (l1_ratio * f @ norm + (1 - l1_ratio) / 2 * f @ norm**2)
    v = R.T @ (s[:, None] * X) - alpha * (1 - l1_ratio) * f * W
    on = norm > 0
    violation = np.maximum(np.linalg.norm(v, axis=0) - alpha * l1_ratio * f, 0)
    pull = v[:, on] - alpha * l1_ratio * f[on] * W[:, on] / norm[on]
    violation[on] = np.linalg.norm(pull, axis=0)
    return value, violation.max(), np.abs(s @ R).max()


@MULTI
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["C", "csr", "csc", "float32"])
def test_multi_task(cls, data, kind, weighted):
    X, Y, weight = data
    weight = weight if weighted else None
    if kind == "float32":
        X = X.astype(np.float32)
    Z = X if kind in ("C", "float32") else sp.csr_array(X).asformat(kind)
    for alpha, params in [(0.5, {}), (0.05, {}), (0.1, {"fit_intercept": False})]:
        ours = cls(alpha, tol=1e-12, **params).fit(Z, Y, weight)
        theirs = theirs_of(cls)(alpha, tol=1e-13, max_iter=100_000, **params)
        theirs.fit(np.asfortranarray(X, np.float64), Y, weight)
        tol = 1e-5 if kind != "float32" else 1e-4
        assert ours.coef_.dtype == X.dtype
        assert_allclose(ours.coef_, theirs.coef_, atol=tol)
        assert_allclose(ours.intercept_, theirs.intercept_, atol=tol)
        assert (
            np.shape(ours.n_iter_)
            == np.shape(ours.relative_gap_)
            == np.shape(ours.objective_)
            == ()
        )
        on = ours.coef_ != 0
        assert (on.any(axis=0) == on.all(axis=0)).all()


@MULTI
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("tol", [1e-3, 1e-11])
def test_multi_task_certificate(cls, data, standardize, free, tol):
    X, Y, weight = data
    X = X.copy()
    X[:, 5], X[:, 6] = 2.0, X[:, 0]
    f = np.linspace(0.2, 2, 30)
    if free:
        f[[0, 3, 6]] = 0
    mean = np.average(X, axis=0, weights=weight)
    sd = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    sd[5] = 1
    unit = sd if standardize else np.ones(30)
    ratio = 1.0 if cls is MultiTaskLasso else 0.5
    least = None
    for selection in ("cyclic", "random"):
        for alpha in (0.3, 0.02):
            model = cls(alpha, penalty_factor=f, standardize=standardize, selection=selection)
            exact = clone(model).set_params(tol=1e-12).fit(X, Y, weight)
            model.set_params(tol=tol).fit(X, Y, weight)
            value, violation, mean_residual = groups_objective(
                X / unit, Y, model.coef_ * unit, model.intercept_, alpha, ratio, weight, f
            )
            null = np.average(
                np.sum((Y - np.average(Y, axis=0, weights=weight)) ** 2, 1), weights=weight
            )
            assert mean_residual <= 1e-12
            assert_allclose(model.objective_, value, rtol=1e-10)
            assert model.relative_gap_ <= tol
            least = exact.objective_
            assert model.objective_ - least <= (model.relative_gap_ + 1e-12) * null / 2
            if tol < 1e-9:
                assert violation <= 1e-4


@MULTI
def test_one_target_is_the_plain_fit(cls, data):
    X, Y, weight = data
    single = {MultiTaskLasso: Lasso, MultiTaskElasticNet: ElasticNet}[cls]
    factor = np.r_[0.0, np.ones(29)]
    one = cls(0.1, tol=1e-13, penalty_factor=factor).fit(X, Y[:, :1], weight)
    plain = single(0.1, tol=1e-13, penalty_factor=factor).fit(X, Y[:, 0], weight)
    assert_allclose(one.coef_[0], plain.coef_, atol=1e-6)
    assert_allclose(one.objective_, plain.objective_, rtol=1e-11)
    with pytest.raises(ValueError, match=r"y has shape \(60,\).*For mono-task outputs, use"):
        cls().fit(X, Y[:, 0])


def test_multi_task_ridge(data):
    X, Y, weight = data
    ours = MultiTaskElasticNet(0.3, l1_ratio=0.0, tol=1e-14).fit(X, Y, weight)
    theirs = fastridge.ridge(X, Y, 0.3 * weight.sum(), sample_weight=weight)
    assert_allclose(ours.coef_, theirs.coef, atol=1e-6)
    q = reference.elastic_net_problem(X, Y[:, 0], 0.3, 0.0, sample_weight=weight)
    assert reference.elastic_net_violation(q, ours.coef_[0]).max() <= 1e-5


@MULTI
def test_multi_task_edges(cls):
    Y = np.array([[1.0, 2.0], [3.0, 5.0], [2.0, 2.0]])
    zero = cls(0.1).fit(np.zeros((3, 2)), Y)
    assert_array_equal(zero.coef_, 0)
    assert_allclose(zero.intercept_, Y.mean(axis=0))
    assert zero.relative_gap_ == 0
    flat = cls(0.1).fit(np.arange(6.0).reshape(3, 2), np.full((3, 2), 7.0))
    assert_array_equal(flat.coef_, 0)
    one = cls(0.1).fit([[1.0]], [[3.0, 4.0]])
    assert_array_equal(one.coef_, 0)
    assert_array_equal(one.intercept_, [3, 4])
    free = cls(0.1, penalty_factor=[0.0, 0.0, 0.0], tol=1e-10).fit(
        np.random.default_rng(0).normal(size=(3, 3)), Y
    )
    assert free.relative_gap_ <= 1e-10


@pytest.mark.parametrize("copies", [1, 400])
@pytest.mark.parametrize("which", ["X", "y"])
def test_sums_that_overflow_are_refused(which, copies):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 4)), rng.standard_normal(60)
    X, y = np.tile(X, (copies, 1)), np.tile(y, copies)
    X, y = (X * 1e200, y) if which == "X" else (X, y * 1e200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="sums of squares that overflow float64"):
            Lasso(alpha=0.1).fit(X, y)
