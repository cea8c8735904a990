"""Data in parts: chunks are fitted as the rows they hold are."""

import numpy as np
import pytest
import scipy.sparse
from parts_problems import ALPHAS, N, P, clone, close, data, name_of, targets

import fastridge
from fastridge import Chunks

SQUARED = [
    ("one", fastridge.Ridge(2.0)),
    ("one", fastridge.Ridge(2.0, fit_intercept=False)),
    ("several", fastridge.Ridge([1.0, 20.0], standardize=True)),
    ("one", fastridge.Ridge(2.0, positive=True)),
    ("one", fastridge.LinearRegression()),
    ("several", fastridge.LinearRegression(fit_intercept=False)),
    ("one", fastridge.Lasso(0.1)),
    ("one", fastridge.ElasticNet(0.1, l1_ratio=0.3, penalty_factor=np.r_[0.0, np.ones(P - 1)])),
    ("several", fastridge.MultiTaskElasticNet(0.1)),
    ("one", fastridge.BayesianRidge()),
    ("one", fastridge.BayesianRidge(fit_intercept=False)),
    ("one", fastridge.GroupRidge(["a", "b", "a", "b", "c", "c", "c"])),
    ("several", fastridge.GroupRidge("each", criterion="ml")),
    ("one", fastridge.RidgeCV(ALPHAS, cv=5)),
    ("several", fastridge.RidgeCV(ALPHAS, cv=5, alpha_per_target=True)),
    ("one", fastridge.RidgeCV(ALPHAS, cv="gcv")),
    ("one", fastridge.RidgeCV(None, cv=3, select="1se", standardize=True)),
    ("one", fastridge.LassoCV(cv=4, alphas=20)),
    ("one", fastridge.ElasticNetCV(cv=4, alphas=10, l1_ratio=[0.5, 1.0])),
    ("several", fastridge.MultiTaskLassoCV(cv=3, alphas=10)),
    ("labels", fastridge.RidgeClassifier(2.0)),
    ("classes", fastridge.RidgeClassifier(2.0, class_weight="balanced")),
]


OTHERS = [
    ("labels", fastridge.LogisticRegression(C=0.1)),
    ("labels", fastridge.LogisticRegression(C=np.inf)),
    ("labels", fastridge.LogisticRegression(class_weight="balanced", standardize=True)),
    ("labels", fastridge.LogisticRegression(class_weight={"up": 3.0}, fit_intercept=False)),
    ("labels", fastridge.LogisticRegression(C=0.01, l1_ratio=1.0)),
    ("labels", fastridge.LogisticRegression(C=0.1, l1_ratio=0.5, lower=-0.05, upper=0.5)),
    ("classes", fastridge.LogisticRegression(C=0.1)),
    ("classes", fastridge.LogisticRegression(C=np.inf)),
    ("counts", fastridge.PoissonRegressor(alpha=0.1)),
    ("counts", fastridge.PoissonRegressor(alpha=0.0, fit_intercept=False)),
    ("positive", fastridge.GammaRegressor(alpha=0.1, penalty_factor=np.r_[0.0, np.ones(P - 1)])),
    ("counts", fastridge.TweedieRegressor(power=1.5, alpha=0.1)),
    ("one", fastridge.TweedieRegressor(power=0, alpha=0.1)),
]


@pytest.mark.filterwarnings("ignore:the best penalty is")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("kind", "model"), SQUARED, ids=lambda v: v if isinstance(v, str) else None
)
def test_squared_losses_are_fitted_as_the_rows_are(kind, model, weighted):
    X, y, s = data()
    y, s = targets(y, kind), s if weighted else None
    local = clone(model).fit(X, y, s)
    found = clone(model).fit(Chunks.arrays(X, y, s, rows=97))
    # 1e-10 of the coefficients, beside what tol leaves where steps are iterative
    tol = 1e-6 if "Lasso" in type(model).__name__ or "Net" in type(model).__name__ else 1e-10
    close(local.coef_, found.coef_, tol)
    mean = X.mean(axis=0)
    at_mean = local.intercept_ + local.coef_ @ mean, found.intercept_ + found.coef_ @ mean
    assert np.abs(at_mean[0] - at_mean[1]).max() <= 1e-9
    assert found.n_passes_ == (2 if isinstance(model, fastridge.RidgeClassifier) else 1)
    assert not hasattr(local, "n_passes_")
    for name in (
        "alpha_",
        "lambda_",
        "best_score_",
        "dof_",
        "eps_",
        "log_evidence_",
        "noise_variance_",
    ):
        if hasattr(local, name):
            close(getattr(local, name), getattr(found, name), 1e-8)
    if hasattr(local, "cv_results_"):
        for name in ("validation_error", "train_error"):
            close(local.cv_results_[name], found.cv_results_[name], 1e-8)
    if hasattr(local, "intervals"):
        close(local.intervals(), found.intervals(), 1e-8)
        if y.ndim == 1:
            expected = local.predict(X[:9], return_std=True)[1]
            close(expected, found.predict(X[:9], return_std=True)[1], 1e-8)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("kind", "model"), OTHERS, ids=name_of)
def test_other_losses_are_fitted_as_the_rows_are(kind, model, weighted):
    X, y, s = data(offset=5.0)
    y, s = targets(y, kind), s if weighted else None
    options = {"tol": 1e-8}
    local = clone(model).set_params(**options).fit(X, y, s)
    found = clone(model).set_params(**options).fit(Chunks.arrays(X, y, s, rows=97))
    close(local.coef_, found.coef_, 1e-6)
    assert abs(local.objective_ - found.objective_) <= 1e-12 * abs(local.objective_)
    # the bound is one
    assert found.objective_ - found.dual_gap_ <= local.objective_ + 1e-14 * abs(local.objective_)
    assert np.sqrt(found.relative_gap_) <= 1e-8
    assert found.n_passes_ <= 12
    if kind in ("labels", "classes"):
        assert (local.classes_ == found.classes_).all()
    if kind == "labels":
        assert found.score(Chunks.arrays(X, y, rows=50)) == pytest.approx(
            local.score(X, y), abs=1e-15
        )


def test_linear_regression_of_float32_has_their_singular_values():
    rng = np.random.default_rng(5)
    X, y = (rng.standard_normal(shape).astype(np.float32) for shape in ((300, 6), 300))
    local = fastridge.LinearRegression().fit(X, y)
    found = fastridge.LinearRegression().fit(Chunks.arrays(X, y, rows=97))
    assert found.singular_.dtype == local.singular_.dtype == np.float32
    close(local.singular_, found.singular_, 1e-5)


@pytest.mark.parametrize("container", ["csr", "float32", "F", "frame"])
def test_storages(container):
    X, y, s = data(offset=1.0)
    X[np.random.default_rng(3).random(X.shape) < 0.7] = 0.0
    if container == "csr":
        A = scipy.sparse.csr_array(X)
    elif container == "float32":
        A = X.astype(np.float32)
    elif container == "F":
        A = np.asfortranarray(X)
    else:
        pd = pytest.importorskip("pandas")
        A = pd.DataFrame(X, columns=[f"c{j}" for j in range(P)])

    def read():
        for start in range(0, N, 80):
            rows = slice(start, start + 80)
            yield A.iloc[rows] if container == "frame" else A[rows], y[rows], s[rows]

    labels = targets(y, "labels")
    for model in (fastridge.Ridge(), fastridge.RidgeCV(ALPHAS, cv=4), fastridge.BayesianRidge()):
        local, found = clone(model).fit(A, y, s), clone(model).fit(Chunks(read))
        assert found.coef_.dtype == local.coef_.dtype
        close(local.coef_, found.coef_, 1e-5 if container == "float32" else 1e-10)
        if container == "frame":
            assert found.feature_names_in_.tolist() == [f"c{j}" for j in range(P)]
    model = fastridge.LogisticRegression(tol=1e-8).fit(A, labels, s)
    found = fastridge.LogisticRegression(tol=1e-8)
    found.fit(
        Chunks(
            lambda: (
                (rows[0], labels[i * 80 : i * 80 + 80], rows[2]) for i, rows in enumerate(read())
            )
        )
    )
    assert found.coef_.dtype == model.coef_.dtype
    close(model.coef_, found.coef_, 1e-4 if container == "float32" else 1e-6)


@pytest.mark.parametrize("far", [1e6, 1e9])
def test_means_far_from_zero_and_spreads(far):
    X, y, s = data(offset=0.0)
    X = X * np.logspace(-4, 4, P)
    moved = X + far * np.abs(X).max(axis=0)
    exact = fastridge.Ridge(1e-3, standardize=True).fit(X, y, s)
    for model in (
        fastridge.Ridge(1e-3, standardize=True),
        fastridge.RidgeCV([1e-3, 1e-2], cv=4, standardize=True),
    ):
        found = model.fit(Chunks.arrays(moved, y, s, rows=111))
        if getattr(model, "alpha_", 1e-3) == 1e-3:
            # the rows themselves carry the rounding of their means
            close(exact.coef_ * X.std(axis=0), found.coef_ * X.std(axis=0), 1e2 * far * 1e-16)


def test_groups_are_held_out_as_local_fits_do():
    X, y, s = data()
    groups = np.random.default_rng(5).integers(0, 17, N)
    local = fastridge.RidgeCV(ALPHAS, cv=4).fit(X, y, s, groups=groups)

    def read():
        for start in range(0, N, 70):
            rows = slice(start, start + 70)
            yield {"X": X[rows], "y": y[rows], "sample_weight": s[rows], "groups": groups[rows]}

    found = fastridge.RidgeCV(ALPHAS, cv=4).fit(Chunks(read))
    close(local.cv_results_["validation_error"], found.cv_results_["validation_error"], 1e-9)
    assert found.n_passes_ == 2


def test_splitters_that_hold_out_each_row_once():
    from sklearn.model_selection import KFold, ShuffleSplit

    X, y, _ = data()
    cv = KFold(4, shuffle=True, random_state=0)
    local = fastridge.RidgeCV(ALPHAS, cv=cv).fit(X, y)
    found = fastridge.RidgeCV(ALPHAS, cv=cv).fit(Chunks.arrays(X, y, rows=101))
    close(local.cv_results_["validation_error"], found.cv_results_["validation_error"], 1e-9)
    with pytest.raises(ValueError, match="folds that"):
        fastridge.RidgeCV(ALPHAS, cv=ShuffleSplit(3)).fit(Chunks.arrays(X, y))


@pytest.mark.parametrize("given", ["offset", "exposure"])
def test_offsets(given):
    X, y, s = data(offset=2.0)
    counts = targets(y, "counts")
    known = np.random.default_rng(2).random(N) + 0.5
    local = fastridge.PoissonRegressor(tol=1e-8).fit(X, counts, s, **{given: known})

    def read():
        for start in range(0, N, 90):
            rows = slice(start, start + 90)
            yield {"X": X[rows], "y": counts[rows], "sample_weight": s[rows], given: known[rows]}

    found = fastridge.PoissonRegressor(tol=1e-8).fit(Chunks(read))
    close(local.coef_, found.coef_, 1e-7)
    assert found.predict(Chunks(read)) == pytest.approx(found.predict(X, **{given: known}))


def test_a_fold_without_weight_is_left_out():
    X, y, s = data()
    s[:200] = 0.0
    local = fastridge.RidgeCV(ALPHAS, cv=3).fit(X, y, s)
    found = fastridge.RidgeCV(ALPHAS, cv=3).fit(Chunks.arrays(X, y, s, rows=50))
    close(local.cv_results_["validation_error"], found.cv_results_["validation_error"], 1e-9)


def test_parts_without_rows_are_skipped():
    X, y, _ = data()
    chunks = [(X[:0], y[:0]), (X[:50], y[:50]), (X[:0], y[:0]), (X[50:], y[50:])]
    found = fastridge.RidgeCV(ALPHAS, cv=3).fit(Chunks(chunks))
    local = fastridge.RidgeCV(ALPHAS, cv=3).fit(X, y)
    close(local.coef_, found.coef_, 1e-10)
    with pytest.raises(ValueError, match="no rows in any part"):
        fastridge.Ridge().fit(Chunks([(X[:0], y[:0])]))


BOUNDED = [
    ("labels", fastridge.LogisticRegression(C=10.0, l1_ratio=1.0, standardize=True)),
    ("labels", fastridge.LogisticRegression(C=1.0, lower=-0.02, upper=0.1)),
    ("counts", fastridge.PoissonRegressor(alpha=0.1, positive=True)),
    ("counts", fastridge.PoissonRegressor(alpha=0.1, l1_ratio=0.5, lower=0.01, upper=0.4)),
    ("counts", fastridge.PoissonRegressor(alpha=1e-3, l1_ratio=0.5)),
]


@pytest.mark.parametrize("spread", [0, 1, 2])
@pytest.mark.parametrize(
    ("kind", "model"), BOUNDED, ids=lambda v: v if isinstance(v, str) else None
)
def test_bounds_and_l1_with_columns_of_unlike_scales(kind, model, spread):
    X, y, s = data(offset=5.0)
    s[100:220] = 0.0  # a part without weight
    y, scale = targets(y, kind), np.logspace(-spread, spread, P)
    options = {"tol": 1e-7, "max_iter": 1000}
    options |= {
        name: getattr(model, name) / scale
        for name in ("lower", "upper")
        if getattr(model, name) is not None
    }
    local = clone(model).set_params(**options).fit(X * scale, y, s)
    found = clone(model).set_params(**options).fit(Chunks.arrays(X * scale, y, s, rows=60))
    assert abs(local.objective_ - found.objective_) <= 1e-9 * abs(local.objective_)
    close(local.coef_ * scale, found.coef_ * scale, 1e-4)


def test_a_start_outside_of_the_bounds():
    X, y, _ = data(offset=1.0)
    labels = targets(y, "labels")
    local = fastridge.LogisticRegression(l1_ratio=0.5, positive=True, tol=1e-7).fit(X, labels)
    found = fastridge.LogisticRegression(l1_ratio=0.5, warm_start=True, tol=1e-7).fit(X, labels)
    found.set_params(positive=True).fit(Chunks.arrays(X, labels, rows=100))
    close(local.coef_, found.coef_, 1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("options", [{"penalty": None}, {"penalty": "l1", "C": 0.1}])
def test_parameters_that_scikit_learn_deprecated(options):
    X, y, _ = data(offset=1.0)
    labels = targets(y, "labels")
    local = fastridge.LogisticRegression(tol=1e-7, **options).fit(X, labels)
    found = fastridge.LogisticRegression(tol=1e-7, **options)
    close(local.coef_, found.fit(Chunks.arrays(X, labels, rows=100)).coef_, 1e-5)


def test_an_offset_of_two_classes():
    X, y, _ = data(offset=1.0)
    labels, known = targets(y, "labels"), np.random.default_rng(4).standard_normal(N)

    def read(labels=labels):
        for start in range(0, N, 90):
            rows = slice(start, start + 90)
            yield {"X": X[rows], "y": labels[rows], "offset": known[rows]}

    local = fastridge.LogisticRegression(tol=1e-8).fit(X, labels, offset=known)
    found = fastridge.LogisticRegression(tol=1e-8).fit(Chunks(read))
    close(local.coef_, found.coef_, 1e-6)
    with pytest.raises(ValueError, match="offset is given for data in parts with 3 classes"):
        fastridge.LogisticRegression().fit(Chunks(lambda: read(targets(y, "classes"))))
    with pytest.raises(ValueError, match="part 0: offset is given, but this fit does not use it"):
        fastridge.Ridge().fit(Chunks(lambda: read(y)))
    counts = np.abs(y)
    some = [{"X": X[:90], "y": counts[:90], "offset": known[:90]}, (X[90:], counts[90:])]
    with pytest.raises(ValueError, match="part 1: offset is None, but the parts before have it"):
        fastridge.PoissonRegressor().fit(Chunks(some))
    with pytest.raises(ValueError, match="part 0: offset is given"):
        fastridge.Ridge().fit(X, counts).score(Chunks(lambda: read(counts)))


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("one", fastridge.Ridge(0.0)),
        ("one", fastridge.Ridge(0.0, solver="cg", tol=1e-12)),
        ("one", fastridge.LinearRegression()),
        ("one", fastridge.RidgeCV([1.0], cv=3, penalty_factor=np.r_[0, 0, np.ones(P - 2)])),
        ("labels", fastridge.LogisticRegression(C=np.inf, tol=1e-8)),
        ("counts", fastridge.PoissonRegressor(alpha=0.0, tol=1e-8)),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_copies_of_columns_without_a_penalty_share_the_coefficient(kind, model):
    X, y, s = data(offset=1.0)
    X = X.copy()
    X[:, 1] = X[:, 0]
    y = targets(y, kind)
    local = clone(model).fit(X, y, s)
    found = clone(model).fit(Chunks.arrays(X, y, s, rows=97))
    close(X @ local.coef_.ravel(), X @ found.coef_.ravel(), 1e-6)
    at = np.ravel(found.coef_)
    assert at[0] == pytest.approx(at[1], rel=1e-6)


def test_separated_classes_are_said():
    X, _, _ = data(offset=0.0)
    model = fastridge.LogisticRegression(C=np.inf)
    with pytest.warns(Warning, match="separate the classes"):
        model.fit(Chunks.arrays(X, X[:, 0] > 0, rows=100))
    assert model.n_iter_[0] < 40


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("counts", fastridge.PoissonRegressor(tol=1e-7)),
        ("labels", fastridge.LogisticRegression(tol=1e-7, class_weight="balanced")),
        ("classes", fastridge.LogisticRegression(tol=1e-7)),
        ("labels", fastridge.LogisticRegression(tol=1e-6, l1_ratio=0.5)),
    ],
)
def test_a_start_from_a_sample(kind, model):
    X, y, s = data(offset=1.0)
    X, y, s = np.tile(X, (8, 1)), np.tile(targets(y, kind), 8), np.tile(s, 8)
    chunks = Chunks.arrays(X, y, s, rows=N)
    cold = clone(model).fit(chunks)
    warm = clone(model).set_params(warm_start="sample").fit(chunks)
    close(cold.coef_, warm.coef_, 1e-6 if model.tol < 1e-6 else 1e-4)
    # the first part is like the others: the same solution up to the share of its penalty
    assert warm.n_passes_ <= cold.n_passes_ - 2
    # a part that is unlike the others, or of one class, starts nothing
    order = np.argsort(y, kind="stable")
    chunks = Chunks.arrays(X[order], y[order], s[order], rows=N)
    warm = clone(model).set_params(warm_start="sample").fit(chunks)
    close(cold.coef_, warm.coef_, 1e-6 if model.tol < 1e-6 else 1e-4)
    assert warm.n_passes_ <= cold.n_passes_ + 1
    with pytest.raises(ValueError, match="a bool, as 'sample' is for data in parts"):
        clone(model).set_params(warm_start="sample").fit(X, y)


def test_a_sample_of_what_is_read_once_is_no_start():
    X, y, s = data(offset=1.0)
    once = Chunks(iter([(X, targets(y, "counts"), s)]))
    with pytest.raises(ValueError, match="already been read"):
        fastridge.PoissonRegressor(warm_start="sample").fit(once)
