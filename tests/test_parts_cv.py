"""Estimators that choose their penalty choose the same for data in parts as for the rows."""

import gc
import threading
import weakref

import numpy as np
import pytest
import scipy.sparse
from parts_problems import ALPHAS, S0, X0, Y0, N, P, clone, close, data, targets
from sklearn.model_selection import GroupKFold, StratifiedKFold

import fastridge
from fastridge import Chunks
from fastridge.distributed import fold_paths, glm_cv, glm_sums
from fastridge.distributed import glm as glm_parts
from fastridge.distributed.lockstep import run_together
from fastridge.distributed.ridge_folds import MomentFolds
from fastridge.distributed.sums import Totals
from fastridge.model_selection import HashedKFold
from fastridge.solvers.ridge_path.direct import MomentsPath

GCV = np.geomspace(1.0, 1e3, 6)
FREE = np.r_[0.0, 0.0, np.full(P - 2, 3.0)]


def logistic(**options):
    defaults = {"Cs": 6, "tol": 1e-9, "l1_ratios": [0.0], "scoring": "neg_log_loss"}
    return fastridge.LogisticRegressionCV(**{**defaults, "use_legacy_attributes": False, **options})


def glm(loss="poisson", **options):
    return fastridge.GLMCV(loss, **{"alphas": 6, "tol": 1e-9, **options})


def column_sums(part):
    if part.number == 1:
        raise ValueError("fault")
    return Totals(part.X.sum(axis=0))


def same(local, found, tol, but=()):
    """The table, the choice and the coefficients are the same."""
    assert set(local.cv_results_) == set(found.cv_results_)
    for name in local.cv_results_:
        if name not in but:
            close(local.cv_results_[name], found.cv_results_[name], tol)
    close(local.coef_, found.coef_, tol)
    close(local.intercept_, found.intercept_, tol)
    assert said_of(local.diagnosis_) == said_of(found.diagnosis_)


def said_of(diagnosis):
    return list(map(str, diagnosis)) if isinstance(diagnosis, tuple) else str(diagnosis)


RIDGES = [
    ("one", fastridge.RidgeCV(ALPHAS)),
    ("one", fastridge.RidgeCV("auto", fit_intercept=False)),
    ("several", fastridge.RidgeCV(ALPHAS, alpha_per_target=True, penalty_factor=FREE)),
    ("several", fastridge.RidgeCV(ALPHAS, cv="gcv", select="1se", standardize=True)),
    (
        "several",
        fastridge.RidgeCV(GCV, cv=4, store_coef=True, standardize=True),
    ),
    ("labels", fastridge.RidgeClassifierCV(ALPHAS)),
    ("classes", fastridge.RidgeClassifierCV(ALPHAS, scoring="accuracy", class_weight="balanced")),
    ("classes", fastridge.RidgeClassifierCV(ALPHAS, cv=5, select="1se")),
    ("labels", fastridge.RidgeClassifierCV("auto", cv=3, scoring="r2", penalty_factor=FREE)),
]


@pytest.mark.filterwarnings("ignore:the best penalty is at")
@pytest.mark.parametrize(("kind", "model"), RIDGES)
@pytest.mark.parametrize("weighted", [False, True])
def test_ridge(kind, model, weighted):
    X, y, s = data()
    y = targets(y, kind)
    s[3] = 0.0
    s = s if weighted else None
    local = clone(model).fit(X, y, s)
    found = clone(model).fit(Chunks.arrays(X, y, s, rows=83))
    same(local, found, 1e-8)
    assert found.n_passes_ <= 4


def test_generalised_cross_validation_takes_one_pass():
    local = fastridge.RidgeCV(GCV, cv="gcv").fit(X0, Y0, S0)
    found = fastridge.RidgeCV(GCV, cv="gcv").fit(Chunks.arrays(X0, Y0, S0, rows=83))
    errors = "validation_error_se", "score_se"
    for name in errors:
        assert np.isnan(found.cv_results_[name]).all()
    for name in set(local.cv_results_) - set(errors):
        close(local.cv_results_[name], found.cv_results_[name], 1e-9)
    assert found.n_passes_ == 1


GLMS = [
    ("counts", glm(alphas=[10.0, 1.0, 0.1, 0.01, 0.001])),
    ("counts", glm(alphas=[1.0, 0.1, 0.01], penalty_factor=FREE)),
    ("positive", glm("gamma", standardize=True, scoring="d2")),
    ("counts", glm(alphas=4, l1_ratio=[0.5, 0.0], tol=1e-6)),
    ("counts", glm(alphas=[0.1, 1.0], positive=True, tol=1e-6)),
    ("labels", logistic()),
    ("labels", logistic(class_weight="balanced", scoring="accuracy", fit_intercept=False)),
    ("labels", logistic(l1_ratios=[0.0, 0.5], tol=1e-6, refit=False)),
    ("classes", logistic(Cs=4, cv=3, select="1se")),
    ("classes", logistic(Cs=[0.1, 1.0], cv=3, scoring="d2", class_weight={0: 2.0})),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the best penalty is at", "ignore::FutureWarning")
@pytest.mark.parametrize(("kind", "model"), GLMS)
@pytest.mark.parametrize("weighted", [False, True])
def test_other_losses(kind, model, weighted):
    X, y, s = data(offset=1.0)
    y = targets(y, kind)
    s[3] = 0.0
    s = s if weighted else None
    local = clone(model).fit(X, y, s)
    found = clone(model).fit(Chunks.arrays(X, y, s, rows=97))
    tol = 2e-4 if model.tol > 1e-8 else 1e-8
    # standard errors are differences of the folds' errors; fits of the folds stop at tol
    but = {name for name in local.cv_results_ if name.endswith("_se")}
    but |= {"n_features", "fold_coef"} if model.tol > 1e-8 else set()
    same(local, found, tol, but)
    assert found.n_passes_ <= 40
    again = clone(model).fit(Chunks.arrays(X, y, s, rows=N))
    close(again.coef_, found.coef_, tol)


@pytest.mark.parametrize(
    "options",
    [{}, {"l1_ratio": 0.5}, {"penalty_factor": FREE}, {"positive": True, "standardize": True}],
)
def test_automatic_grids(options):
    X, y, s = data(offset=1.0)
    y = targets(y, "counts")
    chunks = Chunks.arrays(X, y, s, rows=97)
    options = {"cv": 2, "tol": 1e-3, "alphas": 3, "eps": 0.5, **options}
    with pytest.warns(UserWarning, match="the best penalty is at the lower end"):
        local, found = glm(**options).fit(X, y, s), glm(**options).fit(chunks)
    close(local.alphas_, found.alphas_, 2e-6)


def test_folds_and_penalties_share_their_passes():
    X, y, _ = data(offset=1.0)
    y = targets(y, "labels")
    few = logistic(Cs=[0.01, 1.0], cv=2, tol=1e-6).fit(Chunks.arrays(X, y, rows=97)).n_passes_
    many = logistic(Cs=np.geomspace(0.01, 1.0, 12), cv=6, tol=1e-6)
    many = many.fit(Chunks.arrays(X, y, rows=97)).n_passes_
    assert many <= few + 8


def test_few_fits_at_once_are_the_same(monkeypatch):
    X, y, _ = data(offset=1.0)
    y = targets(y, "labels")
    found = logistic().fit(Chunks.arrays(X, y, rows=97))
    monkeypatch.setattr(glm_cv, "_ROOM", 3 * 8 * (P + 1) ** 2)
    nulls = glm_cv.GLMPartsSearch._nulls
    seen = []

    def noted(*arguments):
        seen.append(nulls(*arguments))
        return seen[-1]

    monkeypatch.setattr(glm_cv.GLMPartsSearch, "_nulls", noted)
    slow = logistic().fit(Chunks.arrays(X, y, rows=97))
    assert (slow.coef_ == found.coef_).all()
    assert slow.n_passes_ > found.n_passes_
    # no more Hessians are kept than have room: of 5 folds and all rows
    assert len(seen[0]) == 6
    assert all(null.state is None for null in seen[0].values())


def test_wide_fits_share_products(monkeypatch):
    monkeypatch.setattr("fastridge.distributed.glm._DIRECT_DENSE", 5)
    X, y, s = data(offset=0.3)
    y = targets(y, "labels")
    model = logistic(Cs=[0.01, 1.0], cv=3)
    found = clone(model).fit(Chunks.arrays(X, y, s, rows=97))
    assert found.solver_ == "newton-cg"
    close(clone(model).fit(X, y, s).coef_, found.coef_, 1e-7)


@pytest.mark.filterwarnings("ignore:the best penalty is at")
def test_offsets_and_exposures():
    X, y, s = data(offset=1.0)
    given = {"offset": 0.3 * s, "exposure": 1.0 + s}
    y = targets(y, "counts")
    local = glm().fit(X, y, **given)
    found = glm().fit(Chunks.arrays(X, y, rows=97, **given))
    same(local, found, 1e-8, ("validation_error_se", "score_se", "train_error_se"))
    offset = {"offset": s}
    y = targets(data()[1], "labels")
    local = logistic().fit(X, y, **offset)
    close(local.coef_, logistic().fit(Chunks.arrays(X, y, rows=97, **offset)).coef_, 1e-8)


def test_a_fold_of_one_class():
    X, y, _ = data(offset=1.0)
    y = np.arange(N) < N // 2
    model = logistic(Cs=[0.1, 1.0], cv=HashedKFold(2))
    order = np.argsort(model.cv.folds_of(0, N), kind="stable")
    y[order] = np.arange(N) < model.cv.folds_of(0, N).tolist().count(0)
    local, found = clone(model).fit(X, y), clone(model).fit(Chunks.arrays(X, y, rows=97))
    same(local, found, 1e-8, ("validation_error_se", "score_se", "train_error_se", "null_error"))


@pytest.mark.filterwarnings("ignore:the best penalty is at")
def test_callbacks_see_the_folds_and_stop_the_search():
    X, y, _ = data(offset=1.0)
    y, seen = targets(y, "counts"), []

    def callback(done, total):
        seen.append((done, total))
        if done == 2:
            raise StopIteration

    model = glm(alphas=[1.0, 0.1], callback=callback).fit(Chunks.arrays(X, y, rows=97))
    assert seen == [(1, 5), (2, 5)]
    assert model.cv_results_.n_folds == 2

    def stop(done, total):
        raise StopIteration

    with pytest.raises(ValueError, match="callback stopped the search before one fold"):
        glm(callback=stop, l1_ratio=[0.0, 0.1]).fit(Chunks.arrays(X, y, rows=97))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (fastridge.RidgeCV(standardize=True), "standardize is True with leave-one-out"),
        (fastridge.RidgeCV(store_cv_results=True), "store_cv_results is True"),
        (fastridge.RidgeCV(validation=0.5), "validation is not supported"),
        (fastridge.RidgeCV(scoring="max_error"), "scoring is 'max_error'; for data in parts"),
        (fastridge.RidgeCV(prior_mean=np.ones(P)), "cv is None together with prior_mean"),
        (fastridge.RidgeClassifierCV(cv="gcv", scoring="accuracy"), "scoring is 'accuracy', which"),
        (fastridge.RidgeClassifierCV(cv=2, scoring="f1"), "scoring is 'f1'; for data in parts"),
        (glm(cv="loo"), "cv is 'loo'; for data in parts"),
        (glm(scoring="r2"), "scoring is 'r2'; for data in parts"),
        (glm(validation=0.5), "validation is not supported"),
        (logistic(scoring="roc_auc"), "scoring is 'roc_auc'; for data in parts"),
    ],
)
def test_what_needs_the_rows_is_refused_before_a_pass(model, message):
    y = targets(Y0, "labels" if model._estimator_type == "classifier" else "counts")
    chunks = Chunks.arrays(X0, y, rows=100)
    with pytest.raises(ValueError, match=message):
        model.fit(chunks)
    assert chunks.n_passes == 0


def test_labels_of_groups_are_named():
    def read():
        for groups in (np.arange(100), np.array(["a", "b"]).repeat(50)):
            yield {"X": X0[:100], "y": Y0[:100], "groups": groups}

    with pytest.raises(ValueError, match=r"part 1: groups has labels of dtype"):
        fastridge.RidgeCV(GCV, cv=3).fit(Chunks(read))


@pytest.mark.parametrize("cv", [1, 0, -3, True])
@pytest.mark.parametrize("groups", [None, np.arange(len(Y0)) % 7], ids=["", "groups"])
def test_fewer_than_two_folds_are_refused(cv, groups):
    labels = np.where(Y0.mean() < Y0, "a", "b")
    for model, y in (
        (fastridge.RidgeCV(GCV, cv=cv), Y0),
        (fastridge.RidgeCV(GCV, cv=cv, prior_mean=np.ones(P)), Y0),
        (fastridge.RidgeClassifierCV(GCV, cv=cv), labels),
        (glm(cv=cv), targets(Y0, "counts")),
        (logistic(cv=cv), labels),
    ):
        chunks = Chunks.arrays(X0, y, groups=groups, rows=100)
        with pytest.raises(ValueError, match=f"cv is {cv}; expected at least 2 folds"):
            model.fit(chunks)


@pytest.mark.parametrize("cv", [GroupKFold(3), StratifiedKFold(3)])
def test_splitters_that_need_more_than_the_number_of_rows_are_refused(cv):
    groups = np.arange(len(Y0)) % 7
    for model in (fastridge.RidgeCV(GCV, cv=cv), glm(cv=cv)):
        chunks = Chunks.arrays(X0, targets(Y0, "counts"), groups=groups, rows=100)
        with pytest.raises(ValueError, match=r"cv is .*KFold\(.*expected an int"):
            model.fit(chunks)


def test_second_derivatives_without_room_are_refused_before_they_are_summed(monkeypatch):
    y = targets(Y0, "counts")
    monkeypatch.setattr(glm_parts, "most_columns", lambda *_: P - 1)
    monkeypatch.setattr(glm_sums, "_hessian", None)
    message = rf"X has {P} columns, but .* second derivatives of {P - 1}; expected .*solver='auto'"
    for model in (
        fastridge.GLMCV(alphas=3, l1_ratio=1.0, cv=3),
        fastridge.PoissonRegressor(positive=True),
        fastridge.PoissonRegressor(solver="newton"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(Chunks.arrays(X0, y, rows=100))
    # the automatic grid needs gradients alone
    known, options = glm_sums.known_of, fastridge.PoissonRegressor()._options(0.0)
    data = glm_sums.Data(fastridge.PoissonRegressor()._make_loss())
    chunks = Chunks.arrays(X0, y, rows=100)
    model = glm_parts.GLM(chunks, data, chunks.sum(known, data, False), None, (None, None), options)
    assert model.first_alpha() > 0


def test_errors_in_a_pass_end_all_fits():
    X, y, _ = data(offset=1.0)
    y = targets(y, "counts")
    before = threading.active_count()
    y[450] = -1.0
    with pytest.raises(ValueError, match="part 4: y has values from -1"):
        glm().fit(Chunks.arrays(X, y, rows=97))
    chunks = Chunks.arrays(X, np.abs(y), rows=97)

    def fails(view):
        view.sum(column_sums)

    with pytest.raises(ValueError, match="part 1: fault"):
        run_together(chunks, [(None, fails)] * 3, (None, None), 2)

    def bad(view):
        raise KeyboardInterrupt

    def waits(view):
        view.sum(lambda part: Totals(1.0))

    with pytest.raises(KeyboardInterrupt):
        run_together(chunks, [(None, waits), (None, bad)], (None, None), 2)
    assert threading.active_count() == before


def test_a_row_that_alone_determines_a_coefficient():
    X = np.column_stack([X0, np.arange(N) == 250])
    model = fastridge.RidgeCV([1e-3], penalty_factor=np.r_[np.ones(P), 0.0])
    with pytest.raises(ValueError, match="part 2: row 50 alone determines a coefficient"):
        model.fit(Chunks.arrays(X, Y0, rows=100))


def test_sparse_rows():
    X, y, s = data(offset=0.0)
    X = scipy.sparse.csr_array(np.where(np.abs(X) > 1.0, X, 0.0))
    for model in (fastridge.RidgeCV(GCV), fastridge.RidgeCV(GCV, cv=HashedKFold(3))):
        local = clone(model).fit(X, y, s)
        same(local, clone(model).fit(Chunks.arrays(X, y, s, rows=83)), 1e-8)


@pytest.mark.parametrize("options", [{}, {"standardize": True}, {"fit_intercept": False}])
def test_folds_of_many_columns_by_the_reduction_of_all_rows(options, monkeypatch):
    X, y, s = data(offset=1.0)
    # a column that is constant, and one that is so in the rows of two folds
    X = np.column_stack([X, np.full(N, 2.0), np.arange(N) == 250])
    y = np.column_stack([y, np.abs(y)])
    model = fastridge.RidgeCV(np.geomspace(1e-2, 1e3, 7), cv=HashedKFold(3), **options)
    plain = clone(model).fit(Chunks.arrays(X, y, s, rows=97))
    monkeypatch.setattr("fastridge.distributed.ridge_folds.LARGE", 1)
    made = []
    path = fold_paths.FoldPath

    def noted(*args):
        made.append(path(*args))
        return made[-1]

    monkeypatch.setattr("fastridge.distributed.ridge_folds.FoldPath", noted)
    found = clone(model).fit(Chunks.arrays(X, y, s, rows=97))
    same(plain, found, 1e-10)
    assert len(made) == 3
    assert all(one.converged for one in made)


def test_folds_of_many_columns_of_unlike_scales(monkeypatch):
    X, y, s = data(offset=1.0)
    # penalties are below what the reduction shows beside the largest eigenvalue
    X = X * np.array([1e5, *np.ones(X.shape[1] - 1)])
    model = fastridge.RidgeCV(np.geomspace(1e-2, 1e3, 7), cv=HashedKFold(3))
    plain = clone(model).fit(Chunks.arrays(X, y, s, rows=97))
    monkeypatch.setattr("fastridge.distributed.ridge_folds.LARGE", 1)
    monkeypatch.setattr("fastridge.solvers.ridge_path.direct._MANY", 1)
    seen = []

    def alone(path, alphas):
        seen.append(alphas)
        return own(path, alphas)

    own, both = MomentsPath._dof_alone, MomentFolds.path_of_moments
    monkeypatch.setattr(MomentsPath, "_dof_alone", alone)
    monkeypatch.setattr("fastridge.solvers.ridge_path.direct.of_gram", None)
    monkeypatch.setattr(MomentFolds, "path_of_moments", once(MomentFolds.path_of_moments))
    found = clone(model).fit(Chunks.arrays(X, y, s, rows=97))
    same(plain, found, 1e-9)
    assert len(seen) == 1
    assert len(seen[0]) >= 5
    # another grid solves what is new in it
    options = {"factor": None, "fit_intercept": True, "standardize": False, "tol": 1e-4}
    folds = MomentFolds([fastridge.Moments(X, y, s)], options)
    monkeypatch.setattr(MomentFolds, "path_of_moments", both)
    first, second = np.geomspace(1e-2, 1e3, 7), np.geomspace(1e-3, 1e3, 13)
    folds.path(first)
    seen.clear()
    again = folds.path(second)
    assert 0 < len(seen[0]) < len(again.alone)
    whole = MomentFolds([fastridge.Moments(X, y, s)], options).path(second)
    assert (again.dof[0] == whole.dof[0]).all()
    assert (again.coef == whole.coef).all()
    assert (again.residual == whole.residual).all()
    for name in ("dof", "train_error", "validation_error"):
        assert found.cv_results_[name] == pytest.approx(plain.cv_results_[name], rel=1e-9)


def once(function):
    """Return a function that is called once: reductions for each fold are none."""
    calls = []

    def called(*args):
        calls.append(args)
        assert len(calls) == 1
        return function(*args)

    return called


def test_hashed_folds():
    folds = HashedKFold(3, seed=7)
    every = folds.folds_of(0, 3000)
    assert (np.concatenate([folds.folds_of(0, 1234), folds.folds_of(1234, 1766)]) == every).all()
    assert np.bincount(every) == pytest.approx(1000, abs=90)
    assert (every != HashedKFold(3).folds_of(0, 3000)).mean() > 0.5
    # neighbours are independent
    both = np.bincount(3 * every[1:] + every[:-1])
    assert both == pytest.approx(3000 / 9, abs=70)
    for i, (train, test) in enumerate(folds.split(np.zeros((3000, 1)))):
        assert (every[test] == i).all()
        assert (np.sort(np.r_[train, test]) == np.arange(3000)).all()
    assert folds.get_n_splits() == 3
    for arguments, error in (((1,), ValueError), ((2.0,), TypeError), ((True,), TypeError)):
        with pytest.raises(error, match="n_splits is"):
            HashedKFold(*arguments)
    with pytest.raises(ValueError, match=f"seed is {2**32}; expected at most"):
        HashedKFold(seed=2**32)
    last, first = (HashedKFold(3, seed=s).folds_of(0, 99) for s in (2**32 - 1, 0))
    assert (last != first).any()
    with pytest.raises(ValueError, match=r"fold 0 of HashedKFold.* holds out 0 of 2 rows"):
        list(HashedKFold(9).split(np.zeros((2, 1))))


def test_reference_of_the_hash():
    # SplitMix64 in Python's integers
    state, mask = 5 << 32, 2**64 - 1
    expected = []
    for _ in range(20):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        expected.append(((z ^ (z >> 31)) >> 11) * 7 >> 53)
    assert HashedKFold(7, seed=5).folds_of(0, 20).tolist() == expected


def test_no_thread_outlives_a_fit():
    X, y, _ = data(offset=1.0)
    before = threading.active_count()
    logistic(Cs=2, cv=2).fit(Chunks.arrays(X, targets(y, "labels"), rows=97))
    assert threading.active_count() == before


def test_fits_that_have_ended_hold_no_sums():
    seen, left = [], []

    def once(view):
        seen.append(weakref.ref(view.sum(lambda part: Totals(part.X.sum(axis=0)))))

    def twice(view):
        once(view)
        once(view)
        gc.collect()
        left.extend(one() is not None for one in seen[:2])

    run_together(Chunks.arrays(X0, Y0, rows=97), [(None, once), (None, twice)], (None, None), 2)
    assert left == [False, False]


def test_fits_have_the_threads_of_the_block_around_them():
    X, y, _ = data(offset=1.0)

    def count(view):
        return fastridge.get_num_threads()

    with fastridge.num_threads(3):
        found = run_together(Chunks.arrays(X, y, rows=97), [(None, count)] * 2, (None, None), 2)
    assert found == [3, 3]


def test_fits_under_way_are_few_hundred(monkeypatch):
    X, y, _ = data(offset=1.0)
    most = []

    def noted(parts, fits, folds, at_once, after=None):
        most.append(at_once)
        return run_together(parts, fits, folds, at_once, after)

    monkeypatch.setattr(glm_cv, "run_together", noted)
    glm(alphas=[0.1, 1.0], cv=2).fit(Chunks.arrays(X, targets(y, "counts"), rows=97))
    assert max(most) == 500


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("one", fastridge.RidgeCV(ALPHAS, cv=4)),
        ("labels", fastridge.RidgeClassifierCV(ALPHAS, cv=4)),
        ("labels", fastridge.RidgeClassifierCV(ALPHAS, cv=4, class_weight="balanced")),
        ("labels", logistic(Cs=3, cv=3)),
        ("classes", logistic(Cs=3, cv=3, class_weight="balanced")),
        ("counts", glm(alphas=3, cv=3)),
        ("counts", glm(alphas=[0.1, 1.0], cv=3, solver="newton-cg")),
    ],
    ids=["ridge", "ridge-labels", "balanced", "logistic", "classes", "glm", "wide"],
)
@pytest.mark.filterwarnings("ignore::fastridge.exceptions.GridWarning")
def test_groups_are_held_out_whole(kind, model):
    X, y, s = data(offset=1.0)
    y = targets(y, kind)
    groups = np.random.default_rng(5).integers(0, 17, N)
    local = clone(model).fit(X, y, s, groups=groups)
    apart = clone(model).fit(X, y, s)
    assert not np.allclose(local.cv_results_["score"], apart.cv_results_["score"], rtol=1e-6)

    def read():
        for start in range(0, N, 97):
            rows = slice(start, start + 97)
            yield {"X": X[rows], "y": y[rows], "sample_weight": s[rows], "groups": groups[rows]}

    for chunks in (Chunks.arrays(X, y, s, groups=groups, rows=97), Chunks(read)):
        found = clone(model).fit(chunks)
        close(local.cv_results_["score"], found.cv_results_["score"], 1e-6)
        close(local.coef_, found.coef_, 1e-6)
