"""SGDClassifier and SGDRegressor: against exact solutions, and guarantees for streams."""

import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn.linear_model as peer
from estimator_checks import all_checks, check_all
from numpy.testing import assert_allclose, assert_array_equal

import fastridge
from fastridge import LogisticRegression, PoissonRegressor, Ridge, SGDClassifier, SGDRegressor
from fastridge.data.hashing import hash_indices
from fastridge.exceptions import ConvergenceWarning, NotFittedError
from fastridge.linear_model._held_out import hold_out

RULES = ["auto", "coin", "adagrad", "constant", "optimal", "invscaling", "adaptive"]
# weights differ from repeated rows, which come in another order
NOT_EQUIVALENT = dict.fromkeys(
    (
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    ),
    "rows that are repeated are visited in another order",
)


def problem(n=400, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    X[rng.random((n, p)) < 0.3] = 0.0
    y = X @ rng.normal(size=p) + 1.0 + 0.5 * rng.normal(size=n)
    return X, y


def labels_of(y, k=2):
    return np.digitize(y, np.quantile(y, np.linspace(0, 1, k + 1)[1:-1]))


def same(a, b):
    assert_array_equal(a.coef_, b.coef_)
    assert_array_equal(a.intercept_, b.intercept_)


@pytest.mark.slow
@all_checks(
    [
        SGDClassifier(),
        SGDClassifier("log_loss", learning_rate="coin"),
        SGDClassifier("multinomial", average=True),
        SGDRegressor(),
        SGDRegressor("huber", penalty="elasticnet", learning_rate="adagrad", eta0=1.0),
    ]
)
@pytest.mark.filterwarnings("ignore::fastridge.exceptions.ConvergenceWarning")
def test_estimator_checks(estimator):
    check_all(estimator, NOT_EQUIVALENT)


# Exact solutions.


@pytest.mark.parametrize("learning_rate", ["auto", "adagrad", "invscaling"])
def test_regression_converges_to_ridge(learning_rate):
    X, y = problem()
    model = SGDRegressor(
        alpha=0.1, max_iter=400, tol=None, average=40_000, learning_rate=learning_rate,
        eta0=0.1 if learning_rate != "adagrad" else 1.0, power_t=0.5, random_state=0,
    ).fit(X, y)  # fmt: skip
    exact = Ridge(0.1 * len(X)).fit(X, y)
    assert_allclose(model.coef_, exact.coef_, atol=0.01)
    assert_allclose(model.intercept_, exact.intercept_, atol=0.01)


@pytest.mark.parametrize("learning_rate", ["auto", "adagrad"])
def test_classification_converges_to_logistic_regression(learning_rate):
    X, y = problem()
    c = labels_of(y)
    options = {"learning_rate": learning_rate, "eta0": 0.5, "random_state": 0}
    model = SGDClassifier("log_loss", alpha=0.01, max_iter=400, tol=None, average=40_000, **options)
    exact = LogisticRegression(C=1 / (0.01 * len(X)), tol=1e-10).fit(X, c)
    assert_allclose(model.fit(X, c).coef_, exact.coef_, atol=0.03)
    assert_allclose(model.predict_proba(X), exact.predict_proba(X), atol=0.01)


def test_softmax_converges_to_multinomial_regression():
    X, y = problem(600)
    c = labels_of(y, 3)
    model = SGDClassifier(
        "multinomial", alpha=0.01, max_iter=300, tol=None, average=60_000, random_state=0
    ).fit(X, c)
    exact = LogisticRegression(C=1 / (0.01 * len(X)), tol=1e-10).fit(X, c)
    assert_allclose(model.coef_, exact.coef_, atol=0.05)
    assert_allclose(model.predict_proba(X), exact.predict_proba(X), atol=0.02)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)


def test_poisson_converges_to_poisson_regression():
    X, y = problem(600)
    counts = np.random.default_rng(1).poisson(np.exp(0.3 * y)).astype(float)
    model = SGDRegressor(
        "poisson", alpha=0.01, max_iter=300, tol=None, average=60_000, random_state=0
    ).fit(X, counts)
    exact = PoissonRegressor(alpha=0.01, tol=1e-10).fit(X, counts)
    assert_allclose(model.coef_, exact.coef_, atol=0.01)
    assert model.score(X, counts) == pytest.approx(exact.score(X, counts), abs=1e-3)
    with pytest.raises(ValueError, match="y"):
        model.fit(X, -counts)


def test_an_l1_penalty_selects_features():
    X, y = problem(1000)
    X = np.hstack([X, np.random.default_rng(3).normal(size=(1000, 10))])
    model = SGDRegressor(penalty="l1", alpha=0.2, max_iter=100, tol=None, random_state=0).fit(X, y)
    exact = fastridge.Lasso(0.2).fit(X, y)
    assert (model.coef_[exact.coef_ == 0] == 0.0).all()
    assert (exact.coef_ == 0).sum() >= 8
    assert_allclose(model.coef_, exact.coef_, atol=0.05)


@pytest.mark.parametrize("factor", [1e6, 1e-6])
def test_units_of_features_do_not_matter(factor):
    X, y = problem()
    units = np.array([1.0, factor, 1.0, 1.0, 1.0, 1.0])
    for cls, target in ((SGDRegressor, y), (SGDClassifier, labels_of(y))):
        for rule in ("auto", "coin"):
            options = {"alpha": 0.0, "random_state": 0, "learning_rate": rule}
            a, b = cls(**options).fit(X, target), cls(**options).fit(X * units, target)
            assert a.n_iter_ == b.n_iter_
            assert_allclose(b.coef_ * units, a.coef_, rtol=1e-6, atol=1e-9)


def test_factors_of_penalties():
    X, y = problem()
    factor = [0.0, 1.0, 1.0, 1.0, 1.0, 5.0]
    for rule in ("auto", "invscaling"):
        model = SGDRegressor(
            alpha=1.0, penalty_factor=factor, max_iter=300, tol=None, average=20_000,
            learning_rate=rule, random_state=0,
        ).fit(X, y)  # fmt: skip
        exact = Ridge(len(X), penalty_factor=factor).fit(X, y)
        assert_allclose(model.coef_, exact.coef_, atol=0.02)
    with pytest.raises(ValueError, match="penalty_factor"):
        SGDRegressor(penalty_factor=[1.0]).fit(X, y)


# Rows and streams.


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", ["regression", "two", "three", "softmax"])
def test_dense_and_sparse_rows_are_the_same(rule, kind):
    X, y = problem(100)
    alpha = 1.0 if rule == "optimal" else 1e-3
    options = {"learning_rate": rule, "max_iter": 3, "tol": None, "random_state": 0, "alpha": alpha}
    for penalty in ("l2", "elasticnet"):
        if kind == "regression":
            model, target = SGDRegressor(penalty=penalty, **options), y
        else:
            loss = "multinomial" if kind == "softmax" else "log_loss"
            model = SGDClassifier(loss, penalty=penalty, **options)
            target = labels_of(y, 2 if kind == "two" else 3)
        dense = model.fit(X, target).coef_
        for container in (sp.csr_array, sp.csc_array, np.asfortranarray):
            assert_allclose(model.fit(container(X), target).coef_, dense, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("way", ["pickle", "file"])
@pytest.mark.parametrize("average", [False, 30])
def test_a_stream_goes_on_bit_for_bit(rule, way, average, tmp_path):
    X, y = problem(90)
    options = {"learning_rate": rule, "average": average, "penalty": "elasticnet"}
    every = (
        (SGDRegressor(**options), y, {}),
        (SGDClassifier("multinomial", **options), labels_of(y, 3), {"classes": [0, 1, 2]}),
    )
    for model, target, classes in every:
        whole = pickle.loads(pickle.dumps(model)).partial_fit(X, target, **classes)
        model.partial_fit(X[:37], target[:37], **classes)
        if way == "pickle":
            model = pickle.loads(pickle.dumps(model))
        else:
            fastridge.save(model, tmp_path / "model")
            model = fastridge.load(tmp_path / "model")
        model.partial_fit(X[37:], target[37:])
        same(model, whole)
        assert model.t_ == whole.t_ == 91.0


def test_a_stream_takes_coefficients_that_are_set():
    X, y = problem(50)
    a = SGDRegressor().partial_fit(X, y)
    a.coef_ = np.zeros(6)
    a.partial_fit(X[:1], y[:1])
    assert np.abs(a.coef_).max() < 1.0
    b = SGDClassifier().partial_fit(X, labels_of(y), classes=[0, 1]).sparsify()
    before = b.decision_function(X)
    same(b.densify().partial_fit(X, labels_of(y)), b)
    assert not np.array_equal(before, b.decision_function(X))


def test_a_stream_of_other_rules():
    X, y = problem()
    model = SGDRegressor(alpha=0.0).partial_fit(X, y)
    before = model.score(X, y)
    for options in (
        {"alpha": 1e-3},
        {"learning_rate": "constant", "eta0": 1e-4},
        {"loss": "huber"},
    ):
        model.set_params(**options).partial_fit(X, y)
        assert model.score(X, y) > before - 0.1


def test_the_same_seed_gives_the_same_bits():
    X, y = problem()
    same(SGDRegressor(random_state=3).fit(X, y), SGDRegressor(random_state=3).fit(X, y))
    other = SGDRegressor(random_state=4).fit(X, y)
    assert not np.array_equal(other.coef_, SGDRegressor(random_state=3).fit(X, y).coef_)
    state = np.random.RandomState(0)
    a, b = (SGDRegressor(random_state=state).fit(X, y).coef_ for _ in range(2))
    assert not np.array_equal(a, b)


def test_what_a_fit_says_of_itself():
    X, y = problem(100)
    model = SGDRegressor(max_iter=7, tol=None, learning_rate="invscaling", power_t=0.5).fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) == 7
    assert model.t_ == 701.0
    assert model.eta_ == pytest.approx(0.01 / math.sqrt(700.0))
    assert SGDRegressor().partial_fit(X, y).loss_curve_[0] > 0
    with pytest.warns(ConvergenceWarning, match="Maximum number of iteration"):
        SGDRegressor(max_iter=1).fit(X, y)


# Labels.


def test_labels_of_any_kind():
    X, y = problem()
    c = labels_of(y)
    model = SGDClassifier(random_state=0).fit(X, c)
    for values in (np.array(["no", "yes"]), np.array([-3.0, 7.0]), np.array([False, True])):
        other = SGDClassifier(random_state=0).fit(X, values[c])
        same(model, other)
        assert_array_equal(other.predict(X), values[model.predict(X)])
        stream = SGDClassifier().partial_fit(X, values[c], classes=values)
        same(stream, SGDClassifier().partial_fit(X, c, classes=[0, 1]))


def test_labels_that_are_refused():
    X, y = problem(60)
    c = labels_of(y, 3)
    with pytest.raises(ValueError, match="one; got 1 class"):
        SGDClassifier().fit(X, np.ones(60))
    with pytest.raises(ValueError, match="Unknown label type: y is continuous"):
        SGDClassifier().fit(X, y)
    with pytest.raises(ValueError, match="Unknown label type: multilabel"):
        SGDClassifier().fit(X, np.ones((60, 2), int))
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        SGDClassifier().partial_fit(X, c)
    model = SGDClassifier().partial_fit(X[c < 2], c[c < 2], classes=[0, 1])
    before = model.coef_.copy()
    with pytest.raises(ValueError, match="not classes of the model: 2; expected labels from"):
        model.partial_fit(X, c)
    with pytest.raises(ValueError, match="is not the same as on last call"):
        model.partial_fit(X[c < 2], c[c < 2], classes=[0, 1, 2])
    assert_array_equal(model.coef_, before)
    words = SGDClassifier().partial_fit(X, np.array(["a", "b", "c"])[c], classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="not classes of the model: 'z'"):
        words.partial_fit(X[:1], ["z"])


def test_one_pass_over_several_classes_is_a_pass_for_each():
    X, y = problem()
    c = labels_of(y, 3)
    options = {"loss": "log_loss", "shuffle": False, "max_iter": 3, "tol": None}
    for rule in ("invscaling", "adagrad"):
        model = SGDClassifier(learning_rate=rule, **options).fit(X, c)
        for k in range(3):
            one = SGDClassifier(learning_rate=rule, **options).fit(X, c == k)
            assert_allclose(model.coef_[k], one.coef_[0], rtol=1e-8)
    p = model.predict_proba(X)
    each = 1.0 / (1.0 + np.exp(-model.decision_function(X)))
    assert_allclose(p, each / each.sum(axis=1, keepdims=True))
    assert_allclose(model.predict_log_proba(X), np.log(p))


def test_proportions_of_classes():
    rng = np.random.default_rng(5)
    X, y = problem()
    c = labels_of(y, 3)
    for loss in ("log_loss", "multinomial"):
        hard = SGDClassifier(loss, random_state=0).fit(X, c)
        same(SGDClassifier(loss, random_state=0).fit(X, np.eye(3)[c]), hard)
    # two rows with weights are one with proportions, for a rule whose steps are linear in slopes
    q = rng.random(len(X))
    soft = SGDClassifier("log_loss", max_iter=300, tol=None, average=40_000, random_state=0)
    twice = LogisticRegression(C=1 / (1e-6 * len(X)), tol=1e-9).fit(
        np.vstack([X, X]), np.repeat([1, 0], len(X)), np.concatenate([q, 1 - q])
    )
    soft.fit(X, np.column_stack([1 - q, q]))
    assert_allclose(soft.predict_proba(X), twice.predict_proba(X), atol=0.02)
    for bad in (np.full((len(X), 2), 0.7), np.full((len(X), 2), np.nan), c[:, None] * [-1, 2]):
        with pytest.raises(ValueError, match="proportions of classes"):
            SGDClassifier("log_loss").fit(X, bad)
    with pytest.raises(ValueError, match="class_weight is"):
        SGDClassifier("log_loss", class_weight={0: 2.0}).fit(X, np.column_stack([1 - q, q]))


def test_methods_of_probabilities_are_there_for_their_losses():
    for loss in ("log_loss", "multinomial", "modified_huber"):
        assert hasattr(SGDClassifier(loss), "predict_proba")
    model = SGDClassifier("hinge")
    assert not hasattr(model, "predict_proba")
    with pytest.raises(AttributeError, match="has no attribute 'predict_log_proba'") as raised:
        _ = model.predict_log_proba
    assert "not available for loss='hinge'" in str(raised.value.__cause__)
    X, y = problem()
    huber = SGDClassifier("modified_huber", random_state=0).fit(X, labels_of(y))
    expected = (np.clip(huber.decision_function(X), -1, 1) + 1) / 2
    assert_allclose(huber.predict_proba(X)[:, 1], expected)


# Weights.


def test_weight_2_is_the_row_twice():
    X, y = problem(50)
    heavy = np.where(np.arange(50) % 3, 1.0, 2.0)
    twice = np.repeat(np.arange(50), heavy.astype(int))
    for rule in ("auto", "coin", "adagrad"):
        for model, target in ((SGDRegressor(learning_rate=rule), y),):
            a = model.partial_fit(X, target, sample_weight=heavy).coef_
            b = SGDRegressor(learning_rate=rule).partial_fit(X[twice], target[twice])
            assert_allclose(a, b.coef_, rtol=1e-9)


def test_only_ratios_of_weights_matter_to_a_fit():
    X, y = problem()
    weight = np.random.default_rng(0).uniform(0.1, 3.0, len(X))
    options = {"random_state": 0, "max_iter": 5, "tol": None}
    model = SGDRegressor(**options).fit(X, y, sample_weight=weight)
    for factor in (1e-300, 1e-6, 1e6, 1e300):
        other = SGDRegressor(**options).fit(X, y, sample_weight=weight * factor)
        assert_allclose(other.coef_, model.coef_, rtol=1e-9)


def test_rows_without_weight_or_without_elements():
    X, y = problem()
    model = SGDRegressor().partial_fit(X, y)
    before, t = model.coef_.copy(), model.t_
    model.partial_fit(X, y, sample_weight=np.zeros(len(X)))
    assert_array_equal(model.coef_, before)
    assert model.t_ == t + len(X)
    assert SGDRegressor().partial_fit(X, y, sample_weight=0.0).loss_curve_ == [0.0]
    with pytest.raises(ValueError, match="zero for every sample"):
        SGDRegressor().fit(X, y, sample_weight=np.zeros(len(X)))
    for rule in RULES:
        empty = SGDRegressor(learning_rate=rule).partial_fit(np.zeros((5, 6)), y[:5])
        assert_array_equal(empty.coef_, 0.0)
        assert np.isfinite(empty.intercept_).all()


@pytest.mark.parametrize("rule", ["auto", "coin", "adagrad"])
def test_extreme_weights(rule):
    X, y = problem(100)
    weight = np.where(np.arange(100) == 50, 1e150, 1.0)
    for model, target in (
        (SGDRegressor(learning_rate=rule), y),
        (SGDClassifier("log_loss", learning_rate=rule), labels_of(y)),
    ):
        model.fit(X, target, sample_weight=weight)
        assert np.isfinite(model.coef_).all()


def test_weights_of_classes():
    X, y = problem(300)
    c = labels_of(y, 3)
    sums = {0: 2.0, 1: 0.5, 2: 1.0}
    weight = np.array([2.0, 0.5, 1.0])[c]
    options = {"random_state": 0, "max_iter": 4, "tol": None}
    a = SGDClassifier("multinomial", class_weight=sums, **options).fit(X, c)
    same(a, SGDClassifier("multinomial", **options).fit(X, c, sample_weight=weight))
    two = c > 0
    balanced = SGDClassifier(class_weight="balanced", **options).fit(X, two)
    by_hand = np.where(two, 300 / (2 * two.sum()), 300 / (2 * (~two).sum()))
    same(balanced, SGDClassifier(**options).fit(X, two, sample_weight=by_hand))
    # as in scikit-learn, one against the rest weighs the own class alone
    rule = {"learning_rate": "invscaling", "shuffle": False, "eta0": 0.1, "alpha": 1e-4}
    ours = SGDClassifier("log_loss", class_weight=sums, **options, **rule).fit(X, c)
    theirs = peer.SGDClassifier("log_loss", class_weight=sums, **options, **rule).fit(X, c)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9)
    with pytest.raises(ValueError, match="class_weight 'balanced' is not supported"):
        SGDClassifier(class_weight="balanced").partial_fit(X, c, classes=[0, 1, 2])


# The protocol of fits.


def test_early_stopping_keeps_the_best_weights():
    X, y = problem(300)
    model = SGDRegressor(
        early_stopping=True, validation_fraction=0.3, max_iter=30, tol=None, random_state=0,
        learning_rate="constant", eta0=0.3,
    ).fit(X, y)  # fmt: skip
    rows, held = hold_out(300, 0.3, np.random.RandomState(0))
    scores = []
    for n_iter in range(1, 31):
        # the epochs one by one, by rows that are held out again
        one = SGDRegressor(**{**model.get_params(), "max_iter": n_iter}).fit(X, y)
        scores.append(one.score(X[held], y[held]))
    assert model.score(X[held], y[held]) == pytest.approx(max(scores), rel=1e-12)
    assert model.n_iter_ == 30
    assert (model.t_ - 1.0) % len(rows) == 0
    assert model.t_ < 30 * len(rows)


def test_early_stopping_ends_and_refuses():
    X, y = problem()
    c = labels_of(y)
    assert SGDClassifier(early_stopping=True, random_state=0).fit(X, c).n_iter_ < 50
    with pytest.raises(ValueError, match="led to an empty set"):
        SGDRegressor(early_stopping=True, validation_fraction=0.99).fit(X[:5], y[:5])
    with pytest.raises(ValueError, match="weights for validation set are all zero"):
        SGDRegressor(early_stopping=True).fit(X, y, sample_weight=np.zeros(len(X)))
    with pytest.raises(ValueError, match="early_stopping should be False with partial_fit"):
        SGDRegressor(early_stopping=True).partial_fit(X, y)


@pytest.mark.parametrize("rule", ["constant", "invscaling"])
def test_a_fit_that_diverges_steps_back(rule):
    X, y = problem()
    with pytest.warns(ConvergenceWarning, match=r"halved\s+its learning rates"):
        model = SGDRegressor(learning_rate=rule, eta0=0.1, random_state=0).fit(1e4 * X, y)
    assert rule == "constant" or model.score(1e4 * X, y) > 0.3
    assert max(model.loss_curve_) < 1e15
    with pytest.warns(ConvergenceWarning, match=r"halved\s+its learning rates"):
        model = SGDRegressor(learning_rate=rule, eta0=0.1).partial_fit(1e80 * X, y)
    assert np.isfinite(model.coef_).all()
    with pytest.raises(ValueError, match="Floating-point under-/overflow occurred at epoch #1"):
        SGDRegressor(learning_rate=rule).fit(1e300 * X, y)


def test_bad_input_is_named():
    X, y = problem(50)
    bad = X.copy()
    bad[7, 2] = np.nan
    for model in (SGDRegressor(), SGDRegressor(learning_rate="constant")):
        for method in (model.fit, model.partial_fit):
            with pytest.raises(ValueError, match=r"X contains NaN.*7, 2"):
                method(bad, y)
    assert not hasattr(model, "coef_")
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.fit(X, y)
    with pytest.raises(ValueError, match="3 features, but SGDRegressor is expecting 6"):
        model.partial_fit(X[:, :3], y)
    with pytest.raises(ValueError, match="alpha must be > 0"):
        SGDRegressor(learning_rate="optimal", alpha=0.0).fit(X, y)
    with pytest.raises(ValueError, match="only works with loss 'hinge'"):
        SGDClassifier("log_loss", learning_rate="pa1").fit(X, labels_of(y))
    with pytest.raises(ValueError, match="coef_init does not match"):
        SGDRegressor().fit(X, y, coef_init=np.zeros(3))
    with pytest.raises(ValueError, match=r"coef_init, .*, has shape \(6,\); expected \(3, 6\)"):
        SGDClassifier().fit(X, labels_of(y, 3), coef_init=np.zeros(6))
    with pytest.raises(ValueError, match="intercept_init does not match"):
        SGDRegressor().fit(X, y, intercept_init=np.zeros(3))


def test_names_of_features():
    X, y = problem(50)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = SGDRegressor().partial_fit(frame, y)
    assert_array_equal(model.feature_names_in_, list("abcdef"))
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(frame[list("bacdef")], y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.partial_fit(X, y)


def test_single_precision():
    X, y = problem()
    model = SGDRegressor(random_state=0).fit(X.astype(np.float32), y)
    assert model.coef_.dtype == model.predict(X.astype(np.float32)).dtype == np.float32
    double = SGDRegressor(random_state=0).fit(X.astype(np.float32).astype(float), y)
    assert_allclose(model.coef_, double.coef_, rtol=1e-5)


# Hashed features.


def test_hashed_features_are_those_of_their_buckets():
    rng = np.random.default_rng(0)
    X = sp.random_array((200, 40), density=0.2, rng=rng, format="csr")
    y = X @ rng.normal(size=40)
    columns = rng.choice(2**62, 40, replace=False)
    buckets, flips = hash_indices(columns, 12)
    by_hand = np.zeros((200, 2**12))
    np.add.at(by_hand.T, buckets, (X.toarray() * np.where(flips, -1.0, 1.0)).T)
    model = SGDRegressor(hash_bits=12).partial_fit((X.data, columns[X.indices], X.indptr), y)
    assert model.coef_.shape == (2**12,)
    plain = SGDRegressor().partial_fit(sp.csr_array(by_hand), y)
    assert_allclose(model.coef_, plain.coef_, rtol=1e-12)
    rows = (X.data, columns[X.indices], X.indptr)
    assert_allclose(model.predict(rows), plain.predict(by_hand), rtol=1e-10)
    # other columns in another call
    wide = sp.csr_array((X.data, columns[X.indices], X.indptr), shape=(200, 2**62))
    model.partial_fit(wide, y)
    assert SGDRegressor(hash_bits=8).fit(X.toarray(), y).coef_.shape == (2**8,)


def test_malformed_rows_are_refused():
    values, indices, indptr = np.ones(3), np.arange(3), np.array([0, 2, 3])
    for bad in (
        (values[:2], indices, indptr),
        (values, indices * 1.0, indptr),
        (values, indices, np.array([0, 4, 3])),
        (values, indices, np.array([1, 2, 3])),
        (np.array([1.0, np.nan, 1.0]), indices, indptr),
        (np.array(["a", "b", "c"]), indices, indptr),
    ):
        with pytest.raises((ValueError, TypeError), match="X"):
            SGDRegressor(hash_bits=4).partial_fit(bad, [0.0, 1.0])


def test_targets_too_large_to_square():
    X = np.random.default_rng(0).standard_normal((20, 2))
    with pytest.raises(ValueError, match=r"y has values up to .*e.200"):
        SGDRegressor().fit(X, 1e200 * X[:, 0])
    with pytest.raises(ValueError, match=r"y has values up to .*e.200"):
        SGDRegressor().partial_fit(X, 1e200 * X[:, 0])
    model = SGDRegressor(alpha=0.0).fit(X, 1e120 * X[:, 0])
    assert model.score(X, 1e120 * X[:, 0]) > 0.99


@pytest.mark.parametrize("rate", ["auto", "adagrad", "invscaling"])
def test_parameters_of_later_calls(rate):
    """`partial_fit` goes by the parameters that the estimator has now."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3))
    y = X @ [1.0, 1.0, 1.0] + 5.0
    model = SGDRegressor(learning_rate=rate, alpha=1.0, eta0=0.05).partial_fit(X, y)
    model.set_params(penalty_factor=[0.0, 1e2, 0.0])
    for _ in range(30):
        model.partial_fit(X, y)
    assert abs(model.coef_[1]) < 0.3 < min(model.coef_[[0, 2]])
    model.set_params(penalty_factor=None, fit_intercept=False).partial_fit(X, y)
    assert model.intercept_ == 0.0
    again = model.coef_.copy()
    model.set_params(penalty_factor=[1.0, 1.0])
    with pytest.raises(ValueError, match="penalty_factor"):
        model.partial_fit(X, y)
    assert (model.coef_ == again).all()


def test_bets_take_no_coefficients():
    X, y = np.eye(3), np.arange(3.0)
    with pytest.raises(ValueError, match="'coin' always starts from 0"):
        SGDRegressor(learning_rate="coin").fit(X, y, coef_init=[1.0, 1.0, 1.0])
    model = SGDRegressor(learning_rate="coin").partial_fit(X, y)
    model.coef_ = np.ones(3)
    with pytest.raises(ValueError, match="'coin' always starts from 0"):
        model.partial_fit(X, y)


@pytest.mark.parametrize("seed", range(12))
def test_optimal_rates_of_few_rows(seed):
    # the rates are too large for some epochs, in which the loss grows by 1e15 and more
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((30, 10))
    y = X @ rng.standard_normal(10) + 0.5 * rng.standard_normal(30)
    options = {"learning_rate": "optimal", "alpha": 0.01, "random_state": seed}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SGDRegressor(**options).fit(X, y)
    assert model.score(X, y) > 0.85
    best = fastridge.ridge(X, y, 0.01 * 30)
    assert model.loss_curve_[-1] < 3.0 * 0.5 * np.mean((y - X @ best.coef - best.intercept) ** 2)
