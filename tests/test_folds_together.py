"""Folds that share the passes over their rows, against fits of each fold's rows by themselves."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from fastridge import GLMCV, LogisticRegressionCV, _cpu, glm
from fastridge._folds import MOST_FITS, FoldLanes, folds_pass
from fastridge._matrix import Matrix
from fastridge.data.check import check_design
from fastridge.losses import loss_of
from fastridge.solvers.glm import folds, together
from fastridge.solvers.glm.dual_descent import DualDescent
from fastridge.solvers.glm.together import parts_of

STORAGES = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "csr": sp.csr_array,
    "csc": sp.csc_array,
    "float32": lambda X: X.astype(np.float32),
    "sparse float32": lambda X: sp.csr_array(X.astype(np.float32)),
}


class Split:
    def __init__(self, train, test):
        self.train, self.test = np.array(train), np.array(test)


class Folds:
    """Every k-th row is left out."""

    def __init__(self, k):
        self.k = k

    def split(self, X, y=None, groups=None):
        rows = np.arange(X.shape[0])
        for i in range(self.k):
            yield rows[rows % self.k != i], rows[rows % self.k == i]

    def get_n_splits(self, *_):
        return self.k


@pytest.fixture
def shared(monkeypatch):
    """Share passes for small data too; return the groups of folds that did."""
    monkeypatch.setattr(together, "_LEAST", 0)
    monkeypatch.setattr(together, "_THIN", 0)
    ran = []
    solve = folds.TogetherPath.solve

    def noted(self, alphas):
        ran.append(self)
        return solve(self, alphas)

    monkeypatch.setattr(folds.TogetherPath, "solve", noted)
    return ran


@pytest.fixture
def no_serial():
    """Threads for small work too."""
    before = _cpu.get_serial_below()
    _cpu.set_serial_below(0)
    yield
    _cpu.set_serial_below(before)


def data(seed, n, p, loss="logistic", density=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.where(rng.random((n, p)) < density, 1.0, 0.0)
    # exact in float32 too
    X = np.round(X * 64) / 64
    eta = X[:, :5].sum(axis=1) / 2 + 0.3
    if loss == "poisson":
        return X, rng.poisson(np.exp(np.clip(eta, -5, 3))).astype(float)
    if loss == "squared":
        return X, eta + rng.standard_normal(n)
    return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)


def compare(X, y, loss, alphas, k, weight=None, offset=None, **options):
    """Coefficients of folds with those of glm on their rows."""
    model = GLMCV(
        loss=loss, l1_ratio=0.0, alphas=alphas, cv=Folds(k), store_coef=True, tol=1e-6, **options
    )
    model.fit(X, y, sample_weight=weight, offset=offset)
    rows = np.arange(len(y))
    dense = X.toarray() if sp.issparse(X) else X
    dense = np.asarray(dense, dtype=np.float64)
    for i in range(k):
        some = rows % k != i
        w = None if weight is None else weight[some]
        o = None if offset is None else offset[some]
        for j, alpha in enumerate(model.cv_results_["alpha"]):
            want = glm(
                dense[some], y[some], loss, alpha, sample_weight=w, offset=o, tol=1e-9, **options
            )
            got = model.cv_results_["fold_coef"][i, j]
            assert_allclose(got, want.coef, atol=3e-5 * (1 + np.abs(want.coef).max()))
    return model


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", ["logistic", "poisson", "squared"])
def test_folds_of_few_features(shared, storage, loss):
    X, y = data(0, 150, 8, loss)
    compare(STORAGES[storage](X), y, loss, [1.0, 0.1, 1e-2, 1e-3], 5)
    (path,) = shared
    assert path.states.direct


@pytest.mark.parametrize(
    "options",
    [
        {"standardize": True},
        {"fit_intercept": False},
        {"penalty_factor": np.linspace(0.5, 2.0, 8)},
        {"solver": "newton"},
    ],
    ids=["standardize", "no intercept", "factor", "solver"],
)
@pytest.mark.parametrize("storage", ["C", "csr"])
def test_options(shared, storage, options):
    X, y = data(1, 160, 8)
    X += 3.0 * (X != 0)
    compare(STORAGES[storage](X), y, "logistic", [0.3, 1e-2, 1e-3], 4, **options)
    assert len(shared) == 1


def test_weights_and_offset(shared):
    X, y = data(2, 180, 6)
    rng = np.random.default_rng(2)
    weight, offset = rng.integers(0, 4, 180).astype(float), rng.standard_normal(180)
    compare(X, y, "logistic", [0.3, 1e-2], 3, weight=weight, offset=offset)
    assert len(shared) == 1


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_folds_of_sparse_wide_data(shared, loss, fit_intercept):
    X, y = data(3, 60, 400, loss, 0.1)
    compare(sp.csr_array(X), y, loss, [1.0, 0.1, 1e-2, 1e-3], 5, fit_intercept=fit_intercept)
    (path,) = shared
    assert not path.states.direct


@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_folds_of_many_columns_go_by_dual_descent(shared, monkeypatch, fit_intercept, form):
    monkeypatch.setattr(together, "_THIN", 16)
    ran = []
    solve = DualDescent.solve

    def noted(self, tol, most, state=None):
        found = solve(self, tol, most, state)
        ran.append((len(self.past), found.converged))
        return found

    monkeypatch.setattr(DualDescent, "solve", noted)
    X, y = data(3, 60, 400, density=0.1)
    rng = np.random.default_rng(1)
    weight, offset = rng.integers(0, 3, 60).astype(float), rng.standard_normal(60)
    options = {"weight": weight, "offset": offset, "fit_intercept": fit_intercept}
    compare(STORAGES[form](X), y, "logistic", [1.0, 0.3, 0.1, 1e-2, 1e-3], 5, **options)
    assert not shared
    # each fold goes on from its own past, on some thread
    assert sorted(k for k, _ in ran[:25]) == [1] * 5 + [2] * 5 + [3] * 15
    assert all(met for _, met in ran)


def test_scales_too_wide_for_float32(shared):
    X, y = data(4, 60, 300, density=0.1)
    scale = np.logspace(-9, 9, 300)
    compare(sp.csr_array(X * scale), y, "logistic", [0.1], 4, penalty_factor=scale**2)
    assert shared[0].states._buffers[0].dtype == np.float64


def test_gaps_are_bounds(shared):
    X, y = data(5, 200, 10)
    options = {"Cs": 12, "cv": Folds(4), "l1_ratios": (0,), "use_legacy_attributes": False}
    loose = LogisticRegressionCV(tol=0.3, scoring="neg_log_loss", **options).fit(X, y)
    (path,) = shared
    rows = np.arange(len(y))
    fits = path.states.solve(np.full(4, 1e-3))
    for f, (q, fit) in enumerate(zip(path.states.problems, fits, strict=True)):
        some = rows % 4 != f
        best = glm(X[some], y[some], "logistic", 1e-3, tol=1e-9).objective
        assert sum(path.states.state(f)) - best <= fit.gap * (1 + 1e-9) + 1e-15
        assert fit.gap <= 0.3**2 * q.null_objective
    tight = LogisticRegressionCV(tol=1e-7, scoring="neg_log_loss", **options).fit(X, y)
    assert_allclose(loose.scores_, tight.scores_, atol=0.05)


def test_more_folds_than_go_side_by_side(shared):
    X, y = data(6, 220, 5)
    model = compare(X, y, "logistic", [0.1, 1e-2], 11)
    assert [len(path.which) for path in shared] == [6, 5]
    assert model.cv_results_.n_folds == 11


def test_steps_that_are_too_long(shared):
    # counts whose first steps overshoot
    rng = np.random.default_rng(7)
    X = rng.standard_normal((120, 3))
    y = rng.poisson(np.exp(np.minimum(3.0 * X[:, 0], 9.0))).astype(float)
    compare(X, y, "poisson", [1e-2, 1e-4, 1e-6], 3)


def test_near_separation(shared):
    # a dummy that is in only one class in some folds
    rng = np.random.default_rng(8)
    X = np.zeros((150, 6))
    X[:, :5] = rng.standard_normal((150, 5))
    X[[0, 1, 2, 7], 5] = 1.0
    y = (X[:, 0] + rng.standard_normal(150) > 0).astype(float)
    y[[0, 1, 2]], y[7] = 1.0, 0.0
    compare(X, y, "logistic", [1e-1, 1e-3, 1e-5, 1e-7], 5)


@pytest.mark.parametrize("wide", [False, True])
def test_bits_do_not_depend_on_threads(shared, no_serial, wide):
    X, y = data(9, 300, 2000, density=0.1) if wide else data(9, 3000, 12)
    X = sp.csr_array(X) if wide else X
    found = []
    for n_jobs in (1, 2, 3):
        model = LogisticRegressionCV(
            Cs=5,
            cv=5,
            n_jobs=n_jobs,
            scoring="neg_log_loss",
            l1_ratios=(0,),
            use_legacy_attributes=False,
        )
        found.append(model.fit(X, y).coefs_paths_)
    assert_array_equal(found[0], found[1])
    assert_array_equal(found[0], found[2])


def test_callback(shared):
    X, y = data(10, 90, 4)
    calls = []
    model = GLMCV(loss="logistic", alphas=[0.1], cv=3, callback=lambda *a: calls.append(a))
    model.fit(X, y)
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_folds_that_share_nothing(shared):
    X, y = data(11, 90, 4)
    GLMCV(loss="logistic", alphas=[0.1], l1_ratio=0.5, cv=3).fit(X, y)
    GLMCV(loss="logistic", alphas=[0.1], cv=[(np.arange(60), np.arange(50, 90))]).fit(X, y)
    GLMCV(loss="huber", alphas=[0.1], cv=3).fit(X, y)
    GLMCV(loss="logistic", alphas=[0.1], cv=3, lower=0.0).fit(X, y)
    GLMCV(loss="logistic", alphas=[0.1], cv=3, penalty_factor=[0, 1, 1, 1]).fit(X, y)
    assert [path.states.problems[0].loss.name for path in shared] in ([], ["huber"])


def test_parts():
    assert_array_equal(parts_of([Split([1, 2, 3], [0]), Split([0, 2, 3], [1])], 4), [0, 1, 2, 2])
    assert parts_of([Split([2, 3], [0, 1]), Split([0, 3], [1, 2])], 4) is None
    assert parts_of([Split([2], [0, 1]), Split([0, 1], [2, 3])], 4) is None
    assert parts_of([Split([2, 3, 3], [0, 1]), Split([0, 1], [2, 3])], 4) is None


# columns come to the pass as rows, as `GLMProblem.by_rows` has them
@pytest.mark.parametrize("storage", [name for name in STORAGES if name != "csc"])
@pytest.mark.parametrize(("n", "p"), [(1, 1), (63, 5), (1000, 30), (9, 200)])
def test_pass(storage, n, p):
    rng = np.random.default_rng(n + p)
    X = np.round(rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.5) * 64) / 64
    A = check_design(STORAGES[storage](X))
    centre = rng.standard_normal(p)
    if not A.is_sparse:
        A, X = A.centered(centre), X - centre
    k = 4
    y, offset = rng.integers(0, 2, n).astype(float), rng.standard_normal(n)
    weight, v = rng.integers(0, 3, (k, n)).astype(float), rng.standard_normal((k, p)) / np.sqrt(p)
    level = rng.standard_normal(k)
    eta, r, h = (np.full((k, n), 7.0) for _ in range(3))
    gradient, border, sums = np.full((k, p), 7.0), np.full((k, p), 7.0), np.full((k, 3), 7.0)
    fits = np.array([0, 3, 1], dtype=np.int32)
    loss = loss_of("logistic")
    folds_pass(
        *(A, loss.kernel, loss.parameter, y, offset, fits, weight, v, level),
        *(eta, r, h, gradient, border, sums),
    )
    for f in fits:
        want = X @ v[f] + level[f] + offset
        r_f, h_f = np.empty(n), np.empty(n)
        value = loss.evaluate(y, want, weight[f], r_f, h_f)
        assert_allclose(eta[f], want, rtol=1e-12, atol=1e-12)
        assert_allclose(r[f], r_f, rtol=1e-11, atol=1e-13)
        assert_allclose(h[f], h_f, rtol=1e-11, atol=1e-13)
        size = 1e-12 * (1 + np.abs(X).sum())
        assert_allclose(gradient[f], X.T @ r_f, atol=size)
        assert_allclose(border[f], X.T @ h_f, atol=size)
        assert_allclose(sums[f], [value, r_f.sum(), h_f.sum()], rtol=1e-11, atol=1e-12)
    for values in (eta, sums, gradient):
        assert (values[2] == 7.0).all()


def test_pass_refuses():
    A = Matrix.from_dense(np.ones((3, 2)))
    y, weight, v = np.zeros(3), np.ones((1, 3)), np.zeros((1, 2))
    rest = [np.empty((1, 3)) for _ in range(3)]
    sums, fits = np.empty((1, 3)), np.zeros(1, dtype=np.int32)

    def run(A=A, kernel=1, fits=fits, weight=weight, gradient=None, border=None):
        level = np.zeros(1)
        folds_pass(A, kernel, 0.0, y, None, fits, weight, v, level, *rest, gradient, border, sums)

    run()
    with pytest.raises(ValueError, match=r"kernel: expected 0 to \d+; got 99"):
        run(kernel=99)
    with pytest.raises(ValueError, match=r"weight: expected \(1, 3\); got \(1, 4\)"):
        run(weight=np.ones((1, 4)))
    with pytest.raises(ValueError, match="fits: expected 0 to 0; got 1"):
        run(fits=np.ones(1, dtype=np.int32))
    with pytest.raises(ValueError, match=f"fits: expected 1 to {MOST_FITS}; got 0"):
        run(fits=np.zeros(0, dtype=np.int32))
    with pytest.raises(ValueError, match="border is given without gradient"):
        run(border=np.empty((1, 2)))
    with pytest.raises(ValueError, match="without a scale"):
        run(A=A.centered(None, np.ones(2)))
    with pytest.raises(ValueError, match="or plain rows"):
        run(A=check_design(sp.csc_array(np.ones((3, 2)))))


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("p", [7, 20_000])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_lanes_solve_their_systems(no_serial, kind, p, n_threads):
    rng = np.random.default_rng(p)
    n, some = 40, 7
    S = sp.csr_array(rng.standard_normal((n, some)))
    X = sp.csr_array((S.data, S.indices * (p // some), S.indptr), shape=(n, p))
    A = Matrix.from_compressed(X.data, X.indices, X.indptr, X.shape, False)
    l2 = np.linspace(1.0, 2.0, p)
    alpha = np.zeros(MOST_FITS)
    alpha[:3] = [1.0, 0.1, 0.01]
    curve, about = np.zeros((n, MOST_FITS), kind), np.zeros((p, MOST_FITS), kind)
    curve[:, :3] = rng.random((n, 3))
    inverse, R, D = (np.zeros((p, MOST_FITS), kind) for _ in range(3))
    dense = X.toarray()
    for f in range(3):
        about[:, f] = curve[:, f] @ dense / curve[:, f].sum()
        inverse[:, f] = 1.0 / (curve[:, f] @ dense**2 + alpha[f] * l2)
    R[:, :3] = G = rng.standard_normal((p, 3)).astype(kind)
    lanes = FoldLanes(A, l2, kind is np.float32)
    rz = lanes.begin(alpha, curve, about, inverse, R, D)[0]
    beta = np.zeros(MOST_FITS)
    for _ in range(60):
        bend = lanes.turn(beta, n_threads)
        ok = (bend > 0) & (rz > 0)
        step = np.divide(rz, bend, out=np.zeros(MOST_FITS), where=ok)
        now = lanes.step(step, n_threads)[0]
        beta, rz = np.divide(now, rz, out=np.zeros(MOST_FITS), where=ok), now
    for f in range(3):
        C = (dense - about[:, f].astype(float)) * np.sqrt(curve[:, f].astype(float))[:, None]
        d = D[:, f].astype(float)
        left = C.T @ (C @ d) + alpha[f] * l2 * d - G[:, f]
        assert np.abs(left).max() < (1e-9 if kind is np.float64 else 2e-3) * np.abs(d).max()
    assert not D[:, 3:].any()
