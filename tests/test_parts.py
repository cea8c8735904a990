"""Data in parts: chunks are fitted as the rows they hold are."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

import fastridge
from fastridge import Chunks

N, P = 600, 7
ALPHAS = np.logspace(-2, 3, 12)


def data(seed=0, offset=100.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, P)) @ rng.standard_normal((P, P)) + offset * rng.standard_normal(P)
    w = rng.standard_normal(P)
    y = (X - X.mean(axis=0)) @ w + rng.standard_normal(N) + 7.0
    return X, y, rng.random(N)


def targets(y, kind):
    centred = 0.3 * (y - y.mean())
    rng = np.random.default_rng(1)
    if kind == "several":
        return np.column_stack([y, np.abs(y)])
    if kind == "labels":
        return np.where(centred + rng.standard_normal(len(y)) > 0, "up", "down")
    if kind == "classes":
        return np.digitize(centred + rng.standard_normal(len(y)), [-0.5, 0.5])
    if kind == "counts":
        return rng.poisson(np.exp(np.clip(centred, -3, 3))).astype(float)
    if kind == "positive":
        return np.exp(np.clip(centred, -3, 3)) + 0.1
    return y


def name_of(value):
    return value if isinstance(value, str) else None


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


def clone(model):
    return type(model)(**model.get_params(deep=False))


def close(a, b, tol):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    finite = np.isfinite(a)
    assert (a[~finite] == b[~finite]).all()
    a, b = a[finite], b[finite]
    assert np.abs(a - b).max(initial=0.0) <= tol * np.abs(a).max(initial=0.0)


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


def test_streams_learn_bit_for_bit():
    X, y, s = data()
    labels = targets(y, "labels")
    whole = fastridge.SGDClassifier().partial_fit(X, labels, ["down", "up"], s)
    parts = fastridge.SGDClassifier()
    parts.partial_fit(Chunks.arrays(X, labels, s, rows=97), classes=["down", "up"])
    assert (whole.coef_ == parts.coef_).all()
    bad = labels.astype(object)
    bad[300] = "strange"
    with pytest.raises(ValueError, match=r"part 3: .*strange"):
        parts.partial_fit(Chunks.arrays(X, bad, s, rows=97))
    assert parts.t_ == N + 1  # nothing of the parts before was learned


def test_predictions_and_scores():
    X, y, s = data()
    several = targets(y, "several")
    for model, t in ((fastridge.Ridge(), y), (fastridge.Ridge(), several)):
        model.fit(X, t)
        chunks = Chunks.arrays(X, t, s, rows=100)
        assert (model.predict(chunks) == model.predict(X)).all()
        assert model.score(chunks) == pytest.approx(model.score(X, t, s), rel=1e-12)


def test_parts_without_rows_are_skipped():
    X, y, _ = data()
    chunks = [(X[:0], y[:0]), (X[:50], y[:50]), (X[:0], y[:0]), (X[50:], y[50:])]
    found = fastridge.RidgeCV(ALPHAS, cv=3).fit(Chunks(chunks))
    local = fastridge.RidgeCV(ALPHAS, cv=3).fit(X, y)
    close(local.coef_, found.coef_, 1e-10)
    with pytest.raises(ValueError, match="no rows in any part"):
        fastridge.Ridge().fit(Chunks([(X[:0], y[:0])]))


def test_an_iterator_takes_one_pass():
    X, y, _ = data()
    pairs = ((X[i : i + 100], y[i : i + 100]) for i in range(0, N, 100))
    once = Chunks(pairs)
    close(fastridge.Ridge().fit(X, y).coef_, fastridge.Ridge().fit(once).coef_, 1e-12)
    with pytest.raises(ValueError, match="has already been read; expected a function"):
        fastridge.Ridge().fit(once)


def nan_at(y, i):
    y = y.copy()
    y[i] = np.nan
    return y


X0, Y0, S0 = data()
FAULTS = [
    ([(X0[:9], Y0[:9]), (X0[9:20], nan_at(Y0[9:20], 4))], r"part 1: Input y contains NaN"),
    (
        [(X0[:9], Y0[:9]), (X0[9:20, :4], Y0[9:20])],
        r"part 1: X has 4 columns; expected 7, as in the",
    ),
    ([(X0[:9], Y0[:9]), (X0[:0, :4], Y0[:0])], r"part 1: X has 4 columns; expected 7"),
    ([(X0[:0, :4], Y0[:0]), (X0[:9], Y0[:9])], r"part 1: X has 7 columns; expected 4"),
    (
        [(X0[:9], Y0[:9]), (X0[9:20], np.c_[Y0, Y0][9:20])],
        r"part 1: y has (2 columns; expected 1|shape \(11, 2\))",
    ),
    (
        [(X0[:9], Y0[:9], S0[:9]), (X0[:0], Y0[:0]), (X0[9:20], Y0[9:20])],
        r"part 2: sample_weight is None, but the parts before have it",
    ),
    (
        [(X0[:9], Y0[:9]), (X0[:0], Y0[:0]), (X0[9:20], Y0[9:20], S0[9:20])],
        r"part 2: sample_weight is given, but the parts before have none",
    ),
    ([(X0[:9], Y0[:8])], r"part 0: y has 8 rows, but X has 9"),
    ([(X0[:9], Y0[:9], -S0[:9])], r"part 0: sample_weight"),
    ([(X0[:9],)], r"part 0 is a tuple of 1 elements; expected \(X, y\)"),
    ([{"X": X0[:9], "weights": S0[:9]}], r"part 0 has the keys"),
    ([(X0[:9], Y0[:9], 0.0 * S0[:9])], r"sample_weight is zero for every sample"),
]


@pytest.mark.parametrize(("chunks", "message"), FAULTS)
@pytest.mark.parametrize("model", [fastridge.Ridge(), fastridge.PoissonRegressor()])
def test_errors_name_the_part(chunks, message, model):
    chunks = [
        (c[0], np.abs(c[1]), *c[2:]) if isinstance(c, tuple) and len(c) > 1 else c for c in chunks
    ]
    with pytest.raises(ValueError, match=message):
        clone(model).fit(Chunks(chunks))
    assert not hasattr(model, "coef_")


def test_what_parts_cannot_do_is_said():
    chunks = Chunks.arrays(X0, Y0, rows=100)
    for model, message in (
        (
            fastridge.GroupRidge("each", criterion="loo"),
            "criterion='loo' is not supported for data in parts",
        ),
        (fastridge.RidgeCV(ALPHAS), "cv=None is leave-one-out"),
        (fastridge.RidgeCV(ALPHAS, cv=3, scoring=lambda *_: 0.0), "scoring is"),
        (fastridge.RidgeCV(ALPHAS, validation=0.2), "validation is not supported"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(chunks)
    for model, advice in (
        (fastridge.SGDRegressor(), "expected partial_fit"),
        (fastridge.GLMCV(), "expected PoissonRegressor"),
        (fastridge.LogisticRegressionCV(), "expected LogisticRegression with warm_start=True"),
        (fastridge.RidgeClassifierCV(), "expected RidgeCV with y of -1"),
    ):
        with pytest.raises(TypeError, match=f"X is data in parts, which .*{advice}"):
            model.fit(chunks)
    with pytest.raises(ValueError, match="sample_weight is given together with Chunks"):
        fastridge.Ridge().fit(chunks, sample_weight=S0)
    with pytest.raises(TypeError, match="source is a int"):
        Chunks(3)
    with pytest.raises(ValueError, match="rows is 0"):
        Chunks.arrays(X0, Y0, rows=0)
    with pytest.raises(ValueError, match="y has 9 rows"):
        Chunks.arrays(X0, Y0[:9])


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
        fastridge.PoissonRegressor().fit(X, counts).score(Chunks(lambda: read(counts)))


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


def test_categories_are_refused_with_advice():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X0).astype({3: "category"})
    frame.columns = [f"c{j}" for j in range(P)]
    words = frame.assign(c2=np.where(X0[:, 0] > 0, "a", "b"))
    for table in (frame.assign(c3=pd.Categorical(np.where(X0[:, 0] > 0, "a", "b"))), words):
        with pytest.raises((ValueError, TypeError), match=r"part 0: .*c[23].*"):
            fastridge.Ridge().fit(Chunks.arrays(table, Y0, rows=100))


def test_separated_classes_are_said():
    X, _, _ = data(offset=0.0)
    model = fastridge.LogisticRegression(C=np.inf)
    with pytest.warns(Warning, match="separate the classes"):
        model.fit(Chunks.arrays(X, X[:, 0] > 0, rows=100))
    assert model.n_iter_[0] < 40


def test_labels_are_checked():
    X, y, _ = data()
    labels = targets(y, "labels")
    numbers = np.where(labels == "up", 1.0, 0.0)
    for model in (fastridge.LogisticRegression(), fastridge.RidgeClassifier()):
        for wrong, message in (
            (np.where(np.arange(N) == 250, np.nan, numbers), "part 2"),
            (numbers + 0.25, "part 0"),
        ):
            with pytest.raises(ValueError, match=message):
                model.fit(Chunks.arrays(X, wrong, rows=100))
        mixed = [(X[:100], numbers[:100].astype(int)), (X[100:], labels[100:])]
        with pytest.raises(ValueError, match="part 1: y has labels of dtype"):
            model.fit(Chunks(mixed))
    for wrong in (numbers * 0, np.where(np.arange(N) < 3, "up", "down")):
        weight = np.where(np.arange(N) < 3, 0.0, 1.0)
        with pytest.raises(ValueError, match="y has"):
            fastridge.LogisticRegression().fit(Chunks.arrays(X, wrong, weight, rows=100))
    found = fastridge.LogisticRegression().fit(Chunks.arrays(X, labels, rows=100))
    assert found.classes_.dtype == labels.dtype


def test_scores_check_what_they_are_given():
    X, y, _ = data()
    model = fastridge.Ridge().fit(X, y)
    with pytest.raises(ValueError, match="part 2: Input y contains NaN"):
        model.score(Chunks.arrays(X, nan_at(y, 210), rows=100))
    with pytest.raises(ValueError, match="sample_weight is zero for every sample"):
        model.score(Chunks.arrays(X, y, 0.0 * y, rows=100))


def test_deviations_and_posteriors():
    X, y, _ = data()
    chunks = Chunks.arrays(X, y, rows=97)
    bayes = fastridge.BayesianRidge().fit(X, y)
    for one, other in zip(
        bayes.predict(chunks, return_std=True), bayes.predict(X, return_std=True), strict=True
    ):
        assert (one == other).all()
    counts = targets(y, "counts")
    model = fastridge.PoissonRegressor().fit(X, counts)
    posterior = model.posterior(X, counts)
    assert (
        model.predict(chunks, posterior=posterior) == model.predict(X, posterior=posterior)
    ).all()


def test_names_in_another_order():
    pd = pytest.importorskip("pandas")
    X, y, _ = data()
    frame = pd.DataFrame(X, columns=list("abcdefg"))
    labels = targets(y, "labels")
    for model, t in ((fastridge.Ridge(), y), (fastridge.LogisticRegression(), labels)):
        chunks = [(frame[:300], t[:300]), (frame[list("gfedcba")][300:], t[300:])]
        with pytest.raises(ValueError, match=r"part 1: .*feature name 'g' at position 0"):
            model.fit(Chunks(chunks))


def test_parameters_stay_the_callers_objects():
    X, y, _ = data()
    state = np.random.RandomState(0)
    model = fastridge.SGDRegressor(random_state=state).partial_fit(Chunks.arrays(X, y, rows=90))
    assert model.random_state is state
    with pytest.raises(TypeError, match="expected partial_fit"):
        fastridge.SGDRegressor().fit(Chunks.arrays(X, y))


def test_a_fold_without_weight_is_left_out():
    X, y, s = data()
    s[:200] = 0.0
    local = fastridge.RidgeCV(ALPHAS, cv=3).fit(X, y, s)
    found = fastridge.RidgeCV(ALPHAS, cv=3).fit(Chunks.arrays(X, y, s, rows=50))
    close(local.cv_results_["validation_error"], found.cv_results_["validation_error"], 1e-9)


def test_errors_of_all_kinds_name_the_part():
    class Odd(Exception):
        pass

    def read():
        yield X0[:9], Y0[:9]
        yield X0[9:20], Y0[9:20]
        raise Odd("disk is on fire")

    with pytest.raises(Odd) as caught:
        fastridge.Ridge().fit(Chunks(read))
    assert caught.value.__notes__ == ["This was in part 2 of the data."]

    def text():
        yield X0[:9], Y0[:9]
        raise ValueError("not a number")

    with pytest.raises(ValueError, match="part 1: not a number"):
        fastridge.Ridge().fit(Chunks(text))
    chunks = [(X0[:9], np.abs(Y0[:9])), (X0[9:20], np.abs(Y0[9:20]))]
    counts = iter([2, 1])
    with pytest.raises(ValueError, match="part 1: the source gives 1 chunks, fewer than the 2"):
        fastridge.PoissonRegressor().fit(Chunks(lambda: chunks[: next(counts)]))
    counts = iter([1, 2])
    with pytest.raises(ValueError, match="part 1: the source gives more than the 1 chunks"):
        fastridge.PoissonRegressor().fit(Chunks(lambda: chunks[: next(counts)]))
    rows = iter([20, 19])
    with pytest.raises(ValueError, match="part 0: the source gives 19 rows, and 20 in the prev"):
        fastridge.PoissonRegressor().fit(
            Chunks(lambda: [(X0[:k], np.abs(Y0[:k])) for k in [next(rows)]])
        )


def test_arguments_of_chunks_are_checked_at_once(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path = tmp_path / "t.parquet"
    table = pa.table({"a": [1.0, 2.0], "b": ["x", "y"], "y": [0.0, 1.0], "s": [1.0, 1.0]})
    pyarrow.parquet.write_table(table, path)
    text = tmp_path / "t.svm"
    text.write_text("1 0:2\n0 1:3\n")
    sparse = scipy.sparse.csc_array(X0)
    for call, kind, message in (
        (lambda: Chunks([], total=-1), ValueError, "total is -1"),
        (lambda: Chunks([], total=2.5), TypeError, "total is 2.5"),
        (lambda: Chunks([], callback=3), TypeError, "callback is 3"),
        (lambda: Chunks.arrays(X0, Y0, rows=2.0), TypeError, "rows is 2.0"),
        (lambda: Chunks.arrays(X0, None), TypeError, "y is None"),
        (lambda: Chunks.arrays(3.0, Y0), TypeError, "X is a float"),
        (lambda: Chunks.arrays(sparse, Y0), ValueError, "X is sparse in csc"),
        (lambda: Chunks.arrays(X0, Y0, offset=Y0[:5]), ValueError, "offset has 5 rows"),
        (lambda: Chunks.arrays(X0, Y0, groups=3), TypeError, "groups is a int"),
        (lambda: Chunks.parquet(path, "y", rows=0), ValueError, "rows is 0"),
        (lambda: Chunks.parquet(path, 3), TypeError, "target is 3"),
        (lambda: Chunks.parquet(path, []), ValueError, "target is"),
        (lambda: Chunks.parquet(path, "z", columns=["a"]), ValueError, "target is 'z'"),
        (lambda: Chunks.parquet(path, "y", sample_weight=["s"]), TypeError, "sample_weight is"),
        (lambda: Chunks.parquet(path, "y", columns="a"), TypeError, "columns is 'a'"),
        (lambda: Chunks.parquet(path, "y", columns=["a", "a"]), ValueError, "columns is"),
        (lambda: Chunks.parquet(path, "y", columns=["y"]), ValueError, "columns holds 'y'"),
        (lambda: Chunks.parquet(path, "y"), ValueError, "columns holds 'b', of type string"),
        (lambda: Chunks.csv(tmp_path / "no.csv", "y"), FileNotFoundError, "path is"),
        (lambda: Chunks.csv(3, "y"), TypeError, "path is a int"),
        (lambda: Chunks.svmlight(tmp_path / "no.svm", 3), FileNotFoundError, "path is"),
        (lambda: Chunks.svmlight(text, 0), ValueError, "n_features is 0"),
        (lambda: Chunks.svmlight(text, 3, rows=None), TypeError, "rows is None"),
        (lambda: Chunks.svmlight(text, 3, options={"dtyp": 1}), ValueError, "the key 'dtyp'"),
        (lambda: Chunks.svmlight(text, 3, options=[1]), TypeError, "options is a list"),
        (lambda: Chunks.svmlight(text, 3, options={"zero_based": 2}), Exception, "zero_based"),
    ):
        with pytest.raises(kind, match=message):
            call()


def test_progress_where_the_total_is_not_known(monkeypatch, capsys):
    import types

    seen, bars = [], []

    class Bar:
        def __init__(self, total, desc):
            self.total, self.n, self.open = total, 0, True
            bars.append(self)

        def update(self, more):
            self.n += more

        def close(self):
            self.open = False

    monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=Bar))

    def read():
        yield X0[:200], np.abs(Y0[:200])
        yield X0[200:], np.abs(Y0[200:])

    chunks = Chunks(read, callback=lambda *done: seen.append(done), verbose=True)
    fastridge.PoissonRegressor(alpha=1.0).fit(chunks)
    assert seen[:5] == [(1, 0), (2, 0), (2, 2), (1, 2), (2, 2)]
    assert not any(bar.open for bar in bars)
    assert [bar.total for bar in bars[:2]] == [None, 2]
    assert len(bars) == chunks.n_passes
    monkeypatch.setitem(sys.modules, "tqdm", None)
    fastridge.Ridge().fit(Chunks(read, verbose=True))
    assert "1 of an unknown number" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("width", [1, 3])
def test_a_column_as_target_is_predicted_as_local_fits_do(width):
    X, y, _ = data()
    X = X[:, :width]
    for model, t in (
        (fastridge.Ridge(), y),
        (fastridge.LassoCV(cv=3, alphas=5), y),
        (fastridge.BayesianRidge(), y),
        (fastridge.PoissonRegressor(), np.abs(y)),
        (fastridge.LogisticRegression(), targets(y, "labels")),
        (fastridge.RidgeClassifier(), targets(y, "labels")),
    ):
        for column in (t, t[:, None]):
            local = clone(model).fit(X, column)
            chunks = Chunks.arrays(X, column, rows=100)
            found = clone(model).fit(chunks)
            assert found.coef_.shape == local.coef_.shape
            assert np.shape(found.intercept_) == np.shape(local.intercept_)
            assert found.predict(chunks).shape == local.predict(X).shape
            assert found.score(chunks) == pytest.approx(local.score(X, column), abs=1e-4)


def test_progress():
    seen = []
    chunks = Chunks.arrays(X0, Y0, rows=200, callback=lambda *done: seen.append(done))
    fastridge.Ridge().fit(chunks)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_tables_in_files(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.csv
    import pyarrow.parquet

    columns = {f"c{j}": X0[:, j] for j in range(P)}
    table = pa.table({**columns, "target": Y0, "s": S0})
    local = fastridge.Ridge().fit(X0, Y0, S0)
    (tmp_path / "folder").mkdir()
    for i in range(3):
        rows = table.slice(200 * i, 200)
        pyarrow.parquet.write_table(rows, tmp_path / "folder" / f"{i}.parquet")
    pyarrow.csv.write_csv(table, tmp_path / "table.csv")
    for read, path in ((Chunks.parquet, "folder"), (Chunks.csv, "table.csv")):
        chunks = read(tmp_path / path, "target", sample_weight="s", rows=77)
        found = fastridge.Ridge().fit(chunks)
        close(local.coef_, found.coef_, 1e-12)
        assert found.feature_names_in_.tolist() == list(columns)
        found = fastridge.RidgeCV(ALPHAS, cv=3).fit(chunks)
        expected = fastridge.RidgeCV(ALPHAS, cv=3).fit(X0, Y0, S0)
        close(expected.coef_, found.coef_, 1e-9)
    with pytest.raises(ValueError, match="has no column 'nothing'"):
        Chunks.parquet(tmp_path / "folder", "nothing")


def test_svmlight(tmp_path):
    lines = [
        f"{y!r} " + " ".join(f"{j + 1}:{v!r}" for j, v in enumerate(x))
        for x, y in zip(X0.tolist(), Y0.tolist(), strict=True)
    ]
    path = tmp_path / "rows.svm"
    path.write_text("\n".join(lines) + "\n")
    chunks = Chunks.svmlight(path, P, rows=100, options={"zero_based": False})
    close(fastridge.Ridge().fit(X0, Y0).coef_, fastridge.Ridge().fit(chunks).coef_, 1e-12)


@pytest.mark.slow
def test_data_larger_than_the_memory_allowed(tmp_path):
    resource = pytest.importorskip("resource")
    del resource
    path = tmp_path / "rows.npy"
    X = np.lib.format.open_memmap(path, "w+", np.float64, (200_000, 50))
    rng = np.random.default_rng(0)
    for start in range(0, len(X), 50_000):
        X[start : start + 50_000] = rng.standard_normal((50_000, 50))
    X.flush()
    code = f"""
import resource, numpy as np, fastridge
small = fastridge.Chunks([([[1.0], [2.0], [3.0], [5.0]], [0, 1, 1, 0])])
for model in (fastridge.RidgeCV([1.0], cv=2), fastridge.LogisticRegression()):
    model.fit(small)
size = 200_000 * 50 * 8
X = np.load({str(path)!r}, mmap_mode="r")
with open("/proc/self/statm") as f:
    used = int(f.read().split()[0]) * resource.getpagesize()
# less room than the data take
resource.setrlimit(resource.RLIMIT_AS, (used + size // 2,) * 2)
rng = np.random.default_rng(0)
y = X[:, 0] + 1.0
chunks = fastridge.Chunks.arrays(X, y, rows=20_000)
model = fastridge.RidgeCV([1.0, 10.0], cv=5).fit(chunks)
assert abs(model.coef_[0] - 1.0) < 1e-4, model.coef_
labels = y + rng.standard_normal(len(y)) > 1.0
model = fastridge.LogisticRegression().fit(fastridge.Chunks.arrays(X, labels, rows=20_000))
print(model.n_passes_)
"""
    found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
