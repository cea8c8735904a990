"""Ridge regressions of data in parts whose moments would not fit into the memory."""

import numpy as np
import pytest
import scipy.sparse

import fastridge
from fastridge import Chunks
from fastridge.distributed import glm, squared

N, P = 900, 120
SMALL = 1e4  # bytes: moments of 20 columns


def data(kind):
    rng = np.random.default_rng(0)
    if kind == "dense":
        X = rng.standard_normal((N, P)) @ rng.standard_normal((P, P)) + 50 * rng.standard_normal(P)
    else:
        X = scipy.sparse.random(N, P, 0.05, "csr", random_state=1).toarray()
        X[:, 0] += 1.7e9  # sparse columns may be far from zero
        X[:, 1] = 3.0  # constant
        X = scipy.sparse.csr_array(X)
    if kind == "few rows":
        X = X[:80]
    y = (X @ rng.standard_normal(P))[: X.shape[0]]
    y = y - y.mean() + rng.standard_normal(len(y))
    s = rng.random(len(y))
    s[10:30] = 0.0
    return X, y, s


def close(a, b, tol):
    assert np.shape(a) == np.shape(b)
    assert np.abs(a - b).max() <= tol * np.abs(a).max()


@pytest.mark.parametrize("kind", ["dense", "sparse", "few rows"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fit_intercept": False},
        {"standardize": True},
        {"alpha": [1.0, 30.0]},
        {"penalty_factor": np.r_[0.0, 0.0, np.ones(P - 2)]},
        {"alpha": 0.0},
    ],
    ids=str,
)
def test_as_the_rows_are_fitted(kind, options):
    X, y, s = data(kind)
    if kind != "dense" and options.get("fit_intercept") is False:
        X = X[:, 1:]  # without an intercept, one column dwarfs all others
    Y = np.c_[y, -y * y] if isinstance(options.get("alpha"), list) else y
    options = {"alpha": 1.0, **options}
    local = fastridge.Ridge(tol=1e-11, **options).fit(X, Y, s)
    found = fastridge.Ridge(tol=1e-11, max_memory=SMALL, **options)
    found.fit(Chunks.arrays(X, Y, s, rows=101))
    spread = np.sqrt(np.asarray(X.toarray() if kind != "dense" else X).var(axis=0))
    close(local.coef_ * spread, found.coef_ * spread, 1e-8)
    assert np.abs(local.objective_ - found.objective_).max() <= 1e-10 * (s @ Y**2).max()
    assert found.solver_ == "cg"
    assert found.n_passes_ <= 6 + 2 * np.sum(found.n_iter_)
    assert (np.asarray(found.relative_error_) <= 1e-9).all()
    assert not hasattr(found, "moments_")
    if "alpha" in options and options["alpha"] == 1.0:
        mean = np.asarray(X.mean(axis=0))
        at_mean = local.predict(mean[None]) - found.predict(mean[None])
        assert abs(at_mean[0]) <= 1e-6 * y.std()


def test_certificates_and_iterations_are_those_of_local_fits():
    X, y, _ = data("dense")
    for tol in (1e-3, 1e-7):
        for memory in (None, SMALL):
            # "cg" takes passes, whatever the memory
            model = fastridge.Ridge(tol=tol, solver="cg", max_memory=memory)
            local = model.fit(X, y).n_iter_
            found = model.fit(Chunks.arrays(X, y, rows=101))
            assert abs(found.n_iter_ - local) <= 0.1 * local
            assert found.relative_error_ <= tol
            assert found.n_passes_ <= found.n_iter_ + 6
    found = fastridge.Ridge(tol=1e-12, solver="cg", max_iter=3, max_memory=SMALL)
    with pytest.warns(Warning, match="max_iter"):
        found.fit(Chunks.arrays(X, y, rows=101))
    assert found.n_passes_ <= 7


@pytest.mark.slow
def test_float32_and_names():
    pd = pytest.importorskip("pandas")
    X, y, _ = data("dense")
    names = [f"c{j}" for j in range(P)]
    frame = pd.DataFrame(X.astype(np.float32), columns=names)
    local = fastridge.Ridge(tol=1e-8).fit(frame, y)
    found = fastridge.Ridge(tol=1e-8, max_memory=SMALL).fit(Chunks.arrays(frame, y, rows=200))
    assert found.coef_.dtype == np.float32
    close(local.coef_, found.coef_, 1e-5)
    assert found.feature_names_in_.tolist() == names
    turned = [(frame[:300], y[:300]), (frame[names[::-1]][300:], y[300:])]
    with pytest.raises(ValueError, match="part 1: X has feature name"):
        fastridge.Ridge(max_memory=SMALL).fit(Chunks(turned))


@pytest.mark.parametrize("classes", [2, 3])
def test_classes(classes):
    X, y, s = data("dense")
    labels = np.digitize(y, np.quantile(y, np.linspace(0, 1, classes + 1)[1:-1]))
    for options in ({}, {"class_weight": "balanced"}):
        local = fastridge.RidgeClassifier(tol=1e-10, **options).fit(X, labels, s)
        found = fastridge.RidgeClassifier(tol=1e-10, max_memory=SMALL, **options)
        found.fit(Chunks.arrays(X, labels, s, rows=101))
        close(local.coef_, found.coef_, 1e-7)
        assert (found.predict(X) == local.predict(X)).all()


def test_what_needs_moments_is_refused_before_they_are_summed():
    X, y, s = data("dense")
    chunks = Chunks.arrays(X, y, rows=101)
    for model, message in (
        (fastridge.Ridge(solver="cholesky", max_memory=SMALL), "^X has 120 columns, but"),
        (fastridge.RidgeCV(cv=3, max_memory=SMALL), "^X has 120 columns, but"),
        (fastridge.Ridge(positive=True, max_memory=SMALL), "positive=True is given"),
        (fastridge.Ridge(prior_mean=np.ones(P), max_memory=SMALL), "prior_mean is given"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(chunks)
    with pytest.raises(ValueError, match="sample_weight is zero for every sample"):
        fastridge.Ridge(max_memory=SMALL).fit(Chunks.arrays(X, y, 0.0 * s))
    bad = y.copy()
    bad[300] = np.inf
    with pytest.raises(ValueError, match=r"part 2: .*infinity"):
        fastridge.Ridge(max_memory=SMALL).fit(Chunks.arrays(X, bad, rows=101))


@pytest.mark.parametrize("options", [{}, {"alpha": 0.0}, {"standardize": True}], ids=str)
def test_few_rows_of_many_columns(options):
    X = scipy.sparse.random(80, 6000, 0.02, "csr", random_state=0)
    y = np.random.default_rng(0).standard_normal(80)
    local = fastridge.Ridge(tol=1e-9, **options).fit(X, y)
    found = fastridge.Ridge(tol=1e-9, **options).fit(Chunks.arrays(X, y, rows=30))
    assert found.solver_ == "cg"
    close(local.coef_, found.coef_, 1e-6)
    labels = np.where(y > 0, "up", "down")
    found = fastridge.RidgeClassifier(tol=1e-9, **options).fit(Chunks.arrays(X, labels, rows=30))
    close(fastridge.RidgeClassifier(tol=1e-9, **options).fit(X, labels).coef_, found.coef_, 1e-6)


LOSSES = [
    (2, fastridge.LogisticRegression(C=1.0)),
    (2, fastridge.LogisticRegression(C=10.0, fit_intercept=False, class_weight="balanced")),
    (2, fastridge.LogisticRegression(standardize=True, penalty_factor=np.linspace(0.5, 2, P))),
    (3, fastridge.LogisticRegression(C=1.0)),
    (0, fastridge.PoissonRegressor(alpha=1e-2)),
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize(("classes", "model"), LOSSES, ids=lambda v: v if v in (0, 2, 3) else None)
def test_other_losses_by_conjugate_gradients(kind, classes, model, monkeypatch):
    X, y, s = data(kind)
    if kind == "sparse":
        X = X[:, 1:]
        X.data[X.data > 1e9] -= 1.7e9
        model = type(model)(**model.get_params())
        if model.penalty_factor is not None:
            model.set_params(penalty_factor=model.penalty_factor[1:])
    else:
        X = X - X.mean(axis=0) + 1.0
    z = (y - y.mean()) / y.std()
    y = np.digitize(z, [-0.5, 0.5][: classes - 1]) if classes else np.floor(np.exp(np.abs(z)))
    model.set_params(tol=1e-7)
    local = model.fit(X, y, s)
    coef, objective = local.coef_.copy(), local.objective_
    monkeypatch.setattr(glm, "_DIRECT", 10)
    monkeypatch.setattr(glm, "_DIRECT_DENSE", 10)
    found = model.fit(Chunks.arrays(X, y, s, rows=101))
    assert found.solver_ == "newton-cg"
    close(coef, found.coef_, 1e-5)
    assert abs(objective - found.objective_) <= 1e-12 * objective
    assert np.sqrt(found.relative_gap_) <= 1e-7
    assert found.n_passes_ <= 800


def test_few_rows_whose_number_is_not_known(monkeypatch):
    monkeypatch.setattr(squared, "_WIDE", squared._WIDE // 10)
    rng = np.random.default_rng(5)
    X = scipy.sparse.random_array((30, 450), density=0.05, format="csr", rng=rng)
    y = X @ rng.standard_normal(450)

    def read():
        for start in range(0, 30, 10):
            yield X[start : start + 10], y[start : start + 10]

    local = fastridge.Ridge(0.1, tol=1e-10).fit(X, y)
    found = fastridge.Ridge(0.1, tol=1e-10).fit(Chunks(read))
    assert found.solver_ == "cg"
    assert found.coef_ == pytest.approx(local.coef_, abs=1e-7 * np.abs(local.coef_).max())
    # what can be read once is summed at once
    once = fastridge.Ridge(0.1, max_memory=1e9).fit(Chunks(read()))
    assert once.n_passes_ == 1
    assert once.solver_ == "cholesky"
