"""GroupRidge: criteria against dense algebra of n x n, mixed models against published numbers."""

import warnings

import mixed_models as data
import numpy as np
import pytest
from estimator_checks import all_checks, check_all
from scipy import sparse
from scipy.optimize import minimize
from storages import KINDS, stored

import fastridge
from fastridge import BayesianRidge, GroupRidge, RidgeCV
from fastridge.data.groups import check_groups
from fastridge.reference import group_evidence

CRITERIA = ("reml", "ml", "gcv", "loo")


def problem(n=80, seed=0, p=15):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 1.0
    w = np.repeat([1.0, 0.1, 0.0], p // 3) * rng.standard_normal(p)
    return X, 3.0 + X @ w + rng.standard_normal(n), np.repeat(["a", "b", "c"], p // 3)


def brute(name, X, y, group, d, alpha, fit_intercept=True, weight=None):
    """-2 log likelihood, or the criterion, from the covariance of y; None of free features."""
    n = len(y)
    root = np.ones(n) if weight is None else np.sqrt(weight)
    total = float(n if weight is None else weight.sum())
    F = X[:, d == 0] * root[:, None]
    if fit_intercept:
        F = np.column_stack([root, F])
    Z = X[:, d > 0] * root[:, None] / np.sqrt(d[d > 0])
    y = y * root
    V = np.eye(n) + (Z / alpha[group[d > 0]]) @ Z.T
    inverse = np.linalg.inv(V)
    B = F.T @ inverse @ F
    P = inverse - inverse @ F @ np.linalg.solve(B, F.T @ inverse)
    Q, log_det = y @ P @ y, np.linalg.slogdet(V)[1]
    if name == "reml":
        left = total - F.shape[1]
        return left * (np.log(2 * np.pi * Q / left) + 1) + log_det + np.linalg.slogdet(B)[1]
    if name == "ml":
        return total * (np.log(2 * np.pi * Q / total) + 1) + log_det
    # the hat matrix by features, which penalties near 0 leave exact
    D = np.diag(np.r_[np.zeros(F.shape[1]), alpha[group[d > 0]]])
    A = np.hstack([F, Z])
    P = np.eye(n) - A @ np.linalg.solve(A.T @ A + D, A.T)
    if name == "gcv":
        return total * np.log((P @ y) @ (P @ y) / (np.trace(P) + total - n) ** 2)
    return total * np.log(np.sum((P @ y / np.diag(P)) ** 2))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_penalties_are_a_minimum(criterion, weighted, fit_intercept):
    X, y, labels = problem()
    d = np.ones(15)
    d[2], d[7] = 0.0, 2.0
    rng = np.random.default_rng(1)
    weight = rng.uniform(0.5, 2.0, len(y)) if weighted else None
    options = {"criterion": criterion, "penalty_factor": d, "fit_intercept": fit_intercept}
    model = GroupRidge(labels, tol=1e-10, **options).fit(X, y, weight)
    assert model.converged_
    group = model.group_index_

    def value(alpha):
        return brute(criterion, X, y, group, d, alpha, fit_intercept, weight)

    alpha = np.clip(model.alpha_, 1e-10, 1e10)
    least = value(alpha)
    for g in range(3):
        for factor in (0.5, 0.99, 1.01, 2.0):
            other = alpha.copy()
            other[g] *= factor
            assert value(other) > least - 1e-7
    found = minimize(
        lambda rho: value(np.exp(rho)), np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-8}
    )
    assert least <= found.fun + 1e-6
    if criterion in ("reml", "ml"):
        assert -2 * model.log_evidence_ == pytest.approx(least, abs=1e-6)
    # the coefficients are those of ridge regression
    inner = np.zeros((16, 16))
    W = np.ones(len(y)) if weight is None else weight
    design = np.column_stack([np.full(len(y), float(fit_intercept)), X])
    inner[1:, 1:] = np.diag(alpha[group] * d)
    G = design.T @ (W[:, None] * design) + inner
    w = np.linalg.lstsq(G, design.T @ (W * y), rcond=None)[0]
    np.testing.assert_allclose(model.coef_, w[1:], rtol=1e-6, atol=1e-8)
    assert model.intercept_ == pytest.approx(w[0] if fit_intercept else 0.0, rel=1e-6)


def test_evidence_is_that_of_the_reference():
    X, y, labels = problem()
    weight = np.random.default_rng(4).uniform(0.5, 2.0, len(y))
    for fit_intercept in (True, False):
        model = GroupRidge(labels, fit_intercept=fit_intercept).fit(X, y, weight)
        alpha = np.minimum(model.alpha_, 1e9)[model.group_index_]
        value, noise = group_evidence(X, y, alpha, weight=weight, fit_intercept=fit_intercept)
        assert model.log_evidence_ == pytest.approx(value, rel=1e-7)
        assert model.noise_variance_ == pytest.approx(noise, rel=1e-7)


def test_random_intercepts_of_sleepstudy():
    # lme4, Reaction ~ Days + (1 | Subject): variances 1378.18 and 960.46, intercept 251.4051,
    # slope 10.4673, REML criterion 1786.465
    X = np.column_stack([data.DAYS, data.SUBJECT[:, None] == np.arange(18)])
    labels = ["days"] + ["subject"] * 18
    model = GroupRidge(labels, penalty_factor=[0.0] + [1.0] * 18).fit(X, data.REACTION)
    subject = list(model.groups_).index("subject")
    assert model.prior_variance_[subject] == pytest.approx(1378.18, abs=0.006)
    assert model.noise_variance_ == pytest.approx(960.46, abs=0.006)
    assert -2 * model.log_evidence_ == pytest.approx(1786.465, abs=6e-4)
    assert model.coef_[0] == pytest.approx(10.4673, abs=6e-5)
    assert model.intercept_ == pytest.approx(251.4051, abs=6e-5)
    # a balanced design: the variances are those of the analysis of variance
    days = data.DAYS - data.DAYS.mean()
    y = data.REACTION - 10.467285959595975 * days
    means = y.reshape(18, 10).mean(axis=1)
    within = ((y.reshape(18, 10) - means[:, None]) ** 2).sum() / (180 - 18 - 1)
    between = (10 * means.var(ddof=1) - within) / 10
    assert model.noise_variance_ == pytest.approx(within, rel=1e-6)
    assert model.prior_variance_[subject] == pytest.approx(between, rel=1e-6)
    best = means.mean() + between / (between + within / 10) * (means - means.mean())
    np.testing.assert_allclose(model.intercept_ + model.coef_[1:] + 4.5 * model.coef_[0], best)


def test_crossed_intercepts_of_penicillin():
    # lme4, diameter ~ 1 + (1 | plate) + (1 | sample): deviations 0.8467, 1.9316 and 0.5499,
    # intercept 22.9722, REML criterion 330.8606; by maximum likelihood .8456, 1.7706 and 332.1883
    X = np.column_stack(
        [data.PLATE[:, None] == np.arange(24), data.SAMPLE[:, None] == np.arange(6)]
    ).astype(float)
    groups = {"plate": slice(24), "sample": slice(24, 30)}
    model = GroupRidge(groups).fit(X, data.DIAMETER)
    np.testing.assert_allclose(np.sqrt(model.prior_variance_), [0.8467, 1.9316], atol=6e-5)
    assert np.sqrt(model.noise_variance_) == pytest.approx(0.5499, abs=6e-5)
    assert model.intercept_ == pytest.approx(22.9722, abs=6e-5)
    assert -2 * model.log_evidence_ == pytest.approx(330.8606, abs=6e-5)
    model = GroupRidge(groups, criterion="ml").fit(X, data.DIAMETER)
    np.testing.assert_allclose(np.sqrt(model.prior_variance_), [0.8456, 1.7706], atol=6e-5)
    assert -2 * model.log_evidence_ == pytest.approx(332.1883, abs=6e-5)


def test_one_group_is_bayesian_ridge_and_generalised_cross_validation():
    X, y, _ = problem()
    X -= X.mean(axis=0)
    flat = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
    other = BayesianRidge(tol=1e-12, max_iter=2000, **flat).fit(X, y)
    model = GroupRidge(criterion="ml", tol=1e-9).fit(X, y)
    assert model.alpha_[0] == pytest.approx(other.penalty_, rel=1e-6)
    assert model.noise_variance_ == pytest.approx(1 / other.alpha_, rel=1e-6)
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-7)
    np.testing.assert_allclose(model.posterior_.toarray(), other.sigma_, rtol=1e-6, atol=1e-12)
    model = GroupRidge(criterion="gcv").fit(X, y)
    near = model.alpha_[0] * np.array([0.98, 1.0, 1.02])
    assert RidgeCV(near, cv="gcv").fit(X, y).alpha_ == near[1]


def test_a_group_goes_out_and_comes_back():
    X, y, labels = problem(200)
    Q, _ = np.linalg.qr(np.column_stack([np.ones(200), X, y]))
    # noise columns that are orthogonal to everything are dropped
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((200, 5))
    noise -= Q @ (Q.T @ noise)
    model = GroupRidge([*labels, *["noise"] * 5]).fit(np.column_stack([X, noise]), y)
    assert np.isinf(model.alpha_[-1])
    assert model.prior_variance_[-1] == model.dof_[-1] == model.share_[-1] == 0
    assert (model.coef_[-5:] == 0).all()
    assert (model.posterior_.diagonal()[-5:] == 0).all()
    # started at infinity, what explains y returns
    from fastridge import Moments
    from fastridge.solvers.group_ridge.choose import Search
    from fastridge.solvers.group_ridge.criteria import criterion_of
    from fastridge.solvers.group_ridge.features import Features

    m = Moments(X, y)
    codes = np.repeat(np.arange(3), 5)
    reduced = Features(m.gram, m.cross, m.yy, m.mean, np.ones(15), codes, 3, 200.0, True)
    for name in ("reml", "ml", "gcv"):
        criterion = criterion_of(name, 200.0, reduced.rank)
        found = [
            Search(lambda a: reduced.at(a, 0), criterion, reduced.groups.size, 1e-8, 99).run(start)
            for start in (np.ones(3), np.full(3, np.inf), np.full(3, 1e6), np.full(3, 1e-6))
        ]
        for one in found[1:]:
            assert one.value == pytest.approx(found[0].value, abs=1e-7)
        # so does a group that starts with penalty 0 but is better with one
        if criterion.may_be_zero:
            search = Search(lambda a: reduced.at(a, 0), criterion, reduced.groups.size, 1e-8, 99)
            for start in ([1.0, 1.0, 0.0], [0.0, 0.0, 0.0]):
                one = search.run(np.array(start))
                assert one.alpha.min() > 0
                assert one.value == pytest.approx(found[0].value, abs=1e-7)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_several_targets_have_penalties_of_their_own(criterion):
    X, y, labels = problem()
    rng = np.random.default_rng(5)
    Y = np.column_stack([y, rng.standard_normal(len(y)), X[:, 7] + rng.standard_normal(len(y))])
    model = GroupRidge(labels, criterion=criterion).fit(X, Y)
    mean, deviation = model.predict(X[:4], return_std=True)
    for t in range(3):
        one = GroupRidge(labels, criterion=criterion).fit(X, Y[:, t])
        np.testing.assert_allclose(model.alpha_[t], one.alpha_, rtol=1e-6)
        np.testing.assert_allclose(model.coef_[t], one.coef_, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(model.intervals()[t], one.intervals(), rtol=1e-6)
        alone = one.predict(X[:4], return_std=True)
        np.testing.assert_allclose(mean[:, t], alone[0], rtol=1e-7)
        np.testing.assert_allclose(deviation[:, t], alone[1], rtol=1e-6)


@pytest.mark.parametrize("criterion", ["reml", "ml", "gcv"])
def test_weights_are_repetitions_and_order_does_not_matter(criterion):
    X, y, labels = problem()
    rng = np.random.default_rng(2)
    weight = rng.integers(0, 3, len(y)).astype(float)
    rows = np.repeat(np.arange(len(y)), weight.astype(int))
    model = GroupRidge(labels, criterion=criterion).fit(X, y, weight)
    other = GroupRidge(labels, criterion=criterion).fit(X[rows], y[rows])
    np.testing.assert_allclose(model.alpha_, other.alpha_, rtol=1e-6)
    assert model.log_evidence_ == pytest.approx(other.log_evidence_, rel=1e-9)
    order = rng.permutation(15)
    other = GroupRidge(labels[order], criterion=criterion).fit(X[:, order], y, weight)
    np.testing.assert_allclose(model.alpha_, other.alpha_, rtol=1e-6)
    np.testing.assert_allclose(model.coef_[order], other.coef_, rtol=1e-7)


@pytest.mark.parametrize("storage", KINDS)
@pytest.mark.parametrize("criterion", ["reml", "loo"])
def test_storages(storage, criterion):
    X, y, labels = problem()
    X[np.abs(X) < 0.5] = 0.0
    model = GroupRidge(labels, criterion=criterion).fit(X, y)
    other = GroupRidge(labels, criterion=criterion).fit(stored(X, storage), y)
    np.testing.assert_allclose(model.alpha_, other.alpha_, rtol=1e-6)
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-7)


@pytest.mark.parametrize("scale", [1e-150, 1e-60, 1.0, 1e60, 1e150])
@pytest.mark.parametrize("which", ["X", "y", "both", "column"])
def test_scales(scale, which):
    X, y, labels = problem()
    d = np.ones(15)
    a = np.ones(15)
    if which in ("X", "both"):
        a[:] = scale
    if which == "column":
        a[3], d[3] = scale, scale**2
    b = scale if which in ("y", "both") else 1.0
    model = GroupRidge(labels).fit(X, y)
    other = GroupRidge(labels, penalty_factor=d).fit(X * a, y * b)
    unit = scale if which in ("X", "both") else 1.0
    np.testing.assert_allclose(other.alpha_ / unit / unit, model.alpha_, rtol=1e-6)
    np.testing.assert_allclose(other.coef_ / b * a, model.coef_, rtol=1e-6)
    assert np.sqrt(other.noise_variance_) / b == pytest.approx(np.sqrt(model.noise_variance_))
    expected = model.log_evidence_ - 79 * np.log(b)
    assert other.log_evidence_ == pytest.approx(expected, rel=1e-9)
    width = np.diff(other.intervals())[:, 0] / b * a
    np.testing.assert_allclose(width, np.diff(model.intervals())[:, 0], rtol=1e-6)


def test_far_columns_copies_and_constants():
    X, y, labels = problem()
    model = GroupRidge(labels).fit(X, y)
    other = GroupRidge(labels).fit(X + 1e6, y)
    np.testing.assert_allclose(other.alpha_, model.alpha_, rtol=1e-5)
    # a copy of a column with a doubled factor shares its coefficient
    d = np.ones(16)
    d[[0, 15]] = 2.0
    other = GroupRidge([*labels, "a"], penalty_factor=d).fit(np.column_stack([X, X[:, 0]]), y)
    np.testing.assert_allclose(other.alpha_, model.alpha_, rtol=1e-6)
    assert other.coef_[0] == pytest.approx(model.coef_[0] / 2)
    constant = np.column_stack([X, np.full(80, 7.1)])
    other = GroupRidge([*labels, "a"]).fit(constant, y)
    np.testing.assert_allclose(other.alpha_, model.alpha_, rtol=1e-6)
    assert other.coef_[-1] == 0
    other = GroupRidge([*labels, "d"]).fit(constant, y)
    assert np.isinf(other.alpha_[-1])


def test_hardly_any_data():
    model = GroupRidge().fit([[1.0, 2.0]], [3.0])
    assert (model.coef_ == 0).all()
    assert (model.intercept_, model.noise_variance_) == (3.0, 0.0)
    model = GroupRidge().fit(np.arange(12.0).reshape(6, 2), np.full(6, 4.0))
    assert (model.coef_ == 0).all()
    assert model.intercept_ == 4.0
    assert np.isinf(model.alpha_).all()
    assert model.log_evidence_ == np.inf
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 60))
    y = X[:, 0] + rng.standard_normal(20)
    model = GroupRidge(np.arange(60) % 3).fit(X, y)
    assert model.converged_
    with pytest.warns(UserWarning, match="has no maximum"):
        model = GroupRidge().fit(np.repeat(X, 2, axis=0), np.repeat(y, 2))
    assert not model.converged_
    X = rng.standard_normal((30, 4))
    with pytest.warns(UserWarning, match="has no maximum"):
        model = GroupRidge().fit(X, X @ [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(model.coef_, [1.0, 2.0, 3.0, 4.0], rtol=1e-9)


def random_groups(seed, wide):
    rng = np.random.default_rng(seed)
    p = int(rng.integers(20, 70))
    n = p // 2 if wide else p + int(rng.integers(3, 80))
    X = rng.standard_normal((n, p)) * np.exp(rng.normal(0.0, rng.choice([0, 1, 2]), p))
    w = np.where(rng.random(p) < 0.2, rng.standard_normal(p), 0.0)
    y = X @ w + rng.choice([0.01, 0.3, 1.0, 3.0]) * rng.standard_normal(n)
    return X, y, rng.integers(0, 5, p)


@pytest.mark.parametrize("seed", [0, 1, 3, 5, 6])
@pytest.mark.parametrize("criterion", ["gcv", "loo"])
def test_wide_data_whose_penalties_go_to_zero(criterion, seed):
    # the criterion falls down to the interpolation of smallest norm, where it is 0 / 0
    X, y, labels = random_groups(seed, True)
    model = GroupRidge(labels, criterion=criterion, fit_intercept=False).fit(X, y)
    assert model.converged_
    assert model.n_iter_ < 60

    def value(alpha):
        P = np.linalg.inv(np.eye(len(y)) + (X / alpha[model.group_index_]) @ X.T)
        r = P @ y
        if criterion == "gcv":
            return len(y) * np.log(r @ r / np.trace(P) ** 2)
        return len(y) * np.log(np.sum((r / np.diag(P)) ** 2))

    least = value(model.alpha_)
    for factor in (0.01, 0.5, 2.0):
        assert value(factor * model.alpha_) > least - 0.02  # of -2 log likelihood


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("criterion", CRITERIA)
def test_searches_end(criterion, seed):
    X, y, labels = random_groups(seed, False)
    model = GroupRidge(labels, criterion=criterion).fit(X, y)
    assert model.converged_
    assert model.n_iter_ < 60


def test_relevance_determination_is_at_least_as_likely_as_scikit_learns():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 20))
    X -= X.mean(axis=0)
    y = X[:, :3] @ [3.0, -2.0, 0.3] + rng.standard_normal(100)
    model = GroupRidge("each", criterion="ml").fit(X, y)
    from sklearn.linear_model import ARDRegression

    zero = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = ARDRegression(**zero, max_iter=2000, tol=1e-8).fit(X, y)
    codes, d = np.arange(20), np.ones(20)
    theirs = np.minimum(other.lambda_ / other.alpha_, 1e10)
    assert -2 * model.log_evidence_ <= brute("ml", X, y, codes, d, theirs) + 1e-6
    assert np.isinf(model.alpha_).sum() > 5
    assert (model.coef_[np.isinf(model.alpha_)] == 0).all()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"criterion": "Reml"}, "'criterion' parameter of GroupRidge must be one of 'reml'"),
        ({"criterion": None}, "'criterion' parameter.* Got None"),
        ({"fit_intercept": 1}, "'fit_intercept' parameter.* a bool. Got 1"),
        ({"standardize": "yes"}, "'standardize' parameter.* a bool. Got 'yes'"),
        ({"penalty_factor": [-1.0, 1.0, 1.0]}, r"penalty_factor\[0\] == -1"),
        ({"penalty_factor": [1.0, 1.0]}, r"penalty_factor has shape \(2,\); expected \(3,\)"),
        ({"penalty_factor": 1.0}, "'penalty_factor' parameter.* Got 1.0"),
        ({"penalty_factor": [1.0, np.nan, 1.0]}, "penalty_factor contains NaN"),
        ({"tol": -1.0}, "'tol' parameter.* at least 0. Got -1.0"),
        ({"tol": np.nan}, "'tol' parameter.* Got nan"),
        ({"max_iter": True}, "'max_iter' parameter.* an int of at least 1. Got True"),
        ({"max_iter": 0}, "'max_iter' parameter.* Got 0"),
        ({"y": np.array([1.0, np.nan, 2.0, 3.0])}, "y contains NaN"),
        ({"y": np.zeros(3)}, "y has 3 rows, but X has 4"),
        ({"X": np.full((4, 3), np.inf)}, "X contains infinity"),
        ({"sample_weight": -np.ones(4)}, r"sample_weight\[0\] == -1"),
        ({"sample_weight": np.zeros(4)}, "sample_weight is zero for every sample"),
        ({"X": np.eye(4, 3) * 1e-140, "y": 1e200 * np.arange(4.0)}, "y is too large relative to X"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_written(options, match):
    data = {"X": np.eye(4, 3), "y": np.array([0.0, 1.0, 2.0, 1.0]), "sample_weight": None}
    model = GroupRidge(["a", "b", "b"]).fit(data["X"], data["y"])
    data.update((name, options[name]) for name in data if name in options)
    model.set_params(**{name: v for name, v in options.items() if name not in data})
    before = dict(vars(model))
    copies = {name: np.copy(v) for name, v in data.items()}
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(**data)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
    for name, value in data.items():
        np.testing.assert_array_equal(np.asarray(value, copies[name].dtype), copies[name])


def test_what_is_asked_of_a_fit_is_checked():
    X, y, labels = problem()
    model = GroupRidge(labels)
    for ask in (lambda: model.posterior_, model.intervals, model.summary, lambda: model.predict(X)):
        with pytest.raises(ValueError, match="GroupRidge is not fitted yet"):
            ask()
    model.fit(X, y)
    for return_std in (False, True):
        with pytest.raises(ValueError, match="X has 14 features, but GroupRidge is expecting 15"):
            model.predict(X[:, 1:], return_std=return_std)
    for target in (1, -1, 0.0, None, True, "a"):
        with pytest.raises(ValueError, match=f"target is {target!r}; expected an int from 0 to 0"):
            model.summary(target)
    for level in (0, 1, np.nan, None, True, "a"):
        with pytest.raises(ValueError, match=f"level is {level!r}; expected a number between"):
            model.intervals(level)


def test_ways_to_say_groups():
    expected = [0, 0, 1]
    names = np.array(["x", "y", "z"], dtype=object)
    for groups in (
        [0, 0, 1],
        [slice(2), slice(2, 3)],
        [[0, 1], [2]],
        [["x", "y"], ["z"]],
        {"first": slice("x", "y"), "last": "z"},
        {"first": np.array([True, True, False]), "last": -1},
        np.array([1, 1, 2], dtype=object),
        np.array(["a", "a", "b"], dtype=object),
        ("a", "a", "b"),
        {"first": slice(-3, -1), "last": slice(2, None)},
    ):
        assert list(check_groups(groups, 3, names).codes) == expected
    assert list(check_groups("each", 3, names).names) == list(names)


def test_groups_of_frames_by_name():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((40, 3)), columns=["x", "y", "z"])
    y = X["x"] + rng.standard_normal(40)
    same = GroupRidge([0, 0, 1]).fit(X, y)
    named = {"a": ["x", "y"], "b": ["z"]}
    by_name = pd.Series({"z": "b", "x": "a", "y": "a"})
    for groups in (
        [["x", "y"], ["z"]],
        named,
        {"a": slice("x", "y"), "b": X.columns[2:]},
        by_name,
        pd.Series(["a", "a", "b"]),  # without names: in order
        by_name.astype("category"),
    ):
        model = GroupRidge(groups).fit(X, y)
        np.testing.assert_array_equal(model.coef_, same.coef_)
    assert list(GroupRidge("each").fit(X, y).groups_) == ["x", "y", "z"]
    for groups, match in (
        (by_name.rename({"z": "w"}), "index lacks 'z'"),
        (pd.concat([by_name, pd.Series({"w": "b"})]), "index has 4 names"),
        ({"a": ["x", "y"], "b": ["w"]}, "X has 0 such"),
    ):
        with pytest.raises(ValueError, match=match):
            GroupRidge(groups).fit(X, y)
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({name: X[name].to_numpy() for name in X})
    for groups in (named, {"a": pl.Series(["x", "y"]), "b": "z"}, pl.Series(["a", "a", "b"])):
        model = GroupRidge(groups).fit(frame, pl.Series(y.to_numpy()))
        np.testing.assert_array_equal(model.coef_, same.coef_)


def test_saved_models_predict_the_same(tmp_path):
    X, y, labels = problem()
    model = GroupRidge({"a": slice(5), "b": range(5, 15)}).fit(X, y)
    model.groups = labels
    fastridge.save(model, tmp_path / "model")
    again = fastridge.load(tmp_path / "model")
    for one, other in zip(
        model.predict(X, return_std=True), again.predict(X, return_std=True), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_summary(capsys):
    X, y, labels = problem()
    GroupRidge(labels).fit(X, y).summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["group", "features", "alpha", "prior", "sd", "dof", "share"]
    assert [line.split()[0] for line in lines[1:4]] == ["a", "b", "c"]


@all_checks([GroupRidge()])
@pytest.mark.filterwarnings("ignore:the likelihood has no maximum")
def test_estimator_checks(estimator):
    check_all(estimator)


def test_summary_tells_free_groups_from_those_that_are_out(capsys):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 4))
    y = X[:, 0] + rng.standard_normal(200)
    groups = {"free": [0], "noise": [1, 2, 3]}
    model = fastridge.GroupRidge(groups, penalty_factor=[0, 1, 1, 1]).fit(X, y)
    model.summary()
    words = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert words[1] == ["free", "1", "free"]
    assert (words[2][2] == "out") == np.isinf(model.alpha_[1])


@pytest.mark.parametrize("solver", ["cholesky", "dual", "schur", "cg"])
@pytest.mark.parametrize(
    "scale", [1e-310, 1e-300, 1e-160, 1e-155, 1e-151, 1e151, 1e153, 1e155, 1e160, 1e300]
)
def test_penalties_beyond_float64_are_refused(scale, solver):
    rng = np.random.default_rng(0)
    X = np.column_stack([np.eye(4)[np.arange(30) % 4], rng.standard_normal((30, 3))])
    y = X @ rng.standard_normal(7) + rng.standard_normal(30)
    labels = np.repeat([0, 1], [4, 3])
    one = GroupRidge(labels, solver=solver).fit(sparse.csr_array(X), y)
    model = GroupRidge(labels, solver=solver)
    if 1e-152 < scale < 1e152:
        model.fit(sparse.csr_array(X * scale), y)
        np.testing.assert_allclose(model.alpha_ / scale / scale, one.alpha_, rtol=1e-6)
        np.testing.assert_allclose(model.coef_ * scale, one.coef_, rtol=1e-6)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"^X "):
            model.fit(sparse.csr_array(X * scale), y)
    if 1e-200 < scale < 1e200:
        # factors of the same scale keep the penalties in range
        factor = np.full(7, scale)
        model = GroupRidge(labels, solver=solver, penalty_factor=factor)
        model.fit(sparse.csr_array(X * scale), y)
        np.testing.assert_allclose(model.alpha_ / scale, one.alpha_, rtol=1e-6)
        np.testing.assert_allclose(model.coef_ * scale, one.coef_, rtol=1e-6)
    with pytest.raises(ValueError, match="penalty_factor"):
        GroupRidge(labels, solver=solver, penalty_factor=np.full(7, 1e-300)).fit(
            sparse.csr_array(X * 1e10), y
        )


def test_a_search_ends_where_no_penalty_gives_a_criterion():
    from fastridge.solvers.group_ridge.choose import Search
    from fastridge.solvers.group_ridge.criteria import criterion_of

    tried = []
    search = Search(tried.append, criterion_of("gcv", 20.0, 1), np.ones(2, np.intp), 1e-6, 99)
    found = search.run(np.array([0.0, 1.0]))
    assert np.isinf(found.alpha).all()
    assert len(tried) < 30
