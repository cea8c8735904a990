"""Logistic regression on sparse data with few rows by dual coordinate descent."""

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import fastridge
from fastridge import _dual, reference
from fastridge._matrix import Matrix
from fastridge.data.check import check_design
from fastridge.losses import loss_of
from fastridge.solvers.glm.ahead import shares_ahead
from fastridge.solvers.glm.dual_descent import MOST_PASSES, DualDescent


def data(n=60, p=90, seed=0, density=0.2):
    """Sparse X of unlike columns, labels, weights with zeros, offsets and penalty factors."""
    rng = np.random.default_rng(seed)
    X = sp.random_array((n, p), density=density, rng=rng, format="csr")
    X = sp.csr_array(X.multiply(rng.uniform(0.5, 2.0, p)))
    eta = X @ rng.standard_normal(p) * 3 - 0.7
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    weight = rng.uniform(0.2, 2.0, n) * (rng.random(n) < 0.9)
    return X, y, weight, rng.uniform(-1, 1, n), rng.uniform(0.5, 2.0, p)


def excess(X, y, loss, alpha, result, coef, intercept, s, o, f):
    """Objective of a result minus that of other coefficients."""
    objective = reference.glm_objective
    args = (X, y, loss_of(loss), alpha)
    return objective(*args, result.coef, result.intercept, s, o, f) - objective(
        *args, coef, intercept, s, o, f
    )


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
def test_against_the_reference(fit_intercept, standardize):
    X, y, s, o, f = data()
    D = X.toarray()
    unit = np.ones(D.shape[1])
    if standardize:
        share = s / s.sum()
        unit = np.sqrt(share @ D**2 - (share @ D) ** 2)
        unit[unit < 1e-12] = 1.0
    for alpha in (0.3, 1e-2, 1e-3):
        coef, intercept = reference.glm(
            D / unit, y, loss_of("logistic"), alpha, fit_intercept, s, o, f
        )
        found = fastridge.glm(
            X,
            y,
            "logistic",
            alpha,
            fit_intercept=fit_intercept,
            standardize=standardize,
            sample_weight=s,
            offset=o,
            penalty_factor=f,
            solver="dual-descent",
            tol=1e-8,
            max_iter=2000,
        )
        assert found.converged
        assert found.solver == "dual-descent"
        assert_allclose(found.coef * unit, coef, rtol=0, atol=1e-6 * np.abs(coef).max())
        assert_allclose(found.intercept, intercept, rtol=0, atol=1e-6)


def test_storages():
    X, y, *_ = data()
    same = fastridge.glm(X, y, "logistic", 0.01, tol=1e-8, solver="dual-descent")
    wide = sp.csr_array((X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), X.shape)
    for form in {"csc": sp.csc_array(X), "int64": wide, "float32": X.astype(np.float32)}.values():
        found = fastridge.glm(form, y, "logistic", 0.01, tol=1e-8, solver="dual-descent")
        tol = 1e-5 if form.dtype == np.float32 else 1e-9
        assert_allclose(found.coef, same.coef, rtol=tol, atol=tol)
    again = fastridge.glm(X, y, "logistic", 0.01, tol=1e-8, solver="dual-descent")
    assert (again.coef == same.coef).all()


def test_shares_and_counts():
    X, _, _, _, _ = data()
    rng = np.random.default_rng(1)
    trials = rng.integers(0, 6, 60)
    counts = np.column_stack([rng.binomial(trials, 0.4), np.zeros(60)])
    counts[:, 1] = trials - counts[:, 0]
    share = np.divide(counts[:, 0], trials, out=np.zeros(60), where=trials > 0)
    coef, intercept = reference.glm(
        X.toarray(), share, loss_of("logistic"), 0.01, True, trials.astype(float)
    )
    options = {"tol": 1e-8, "solver": "dual-descent", "max_iter": 1000}
    found = fastridge.glm(X, counts, "binomial", 0.01, **options)
    assert_allclose(found.coef, coef, rtol=0, atol=1e-6)
    assert_allclose(found.intercept, intercept, rtol=0, atol=1e-6)
    found = fastridge.glm(X, share, "logistic", 0.01, sample_weight=trials, **options)
    assert_allclose(found.coef, coef, rtol=0, atol=1e-6)


def test_the_gap_bounds_the_excess():
    for seed in range(20):
        X, y, s, o, f = data(n=40, p=60, seed=seed)
        for alpha, tol, free in ((0.1, 0.1, True), (1e-3, 1e-2, False), (1e-3, 1e-2, True)):
            options = {"sample_weight": s, "offset": o, "penalty_factor": f}
            coef, intercept = reference.glm(
                X.toarray(), y, loss_of("logistic"), alpha, free, **options
            )
            found = fastridge.glm(
                X,
                y,
                "logistic",
                alpha,
                tol=tol,
                fit_intercept=free,
                solver="dual-descent",
                max_iter=1000,
                **options,
            )
            assert found.converged
            left = excess(X, y, "logistic", alpha, found, coef, intercept, s, o, f)
            assert -1e-12 < left <= found.dual_gap
            assert found.dual_gap < 1e3 * left + 1e-4 * tol**2


def test_the_conjugate_of_labels_near_its_ends():
    # the gap of a tiny objective is a difference of such terms
    loss = loss_of("logistic")
    for y in (0.0, 1.0):
        for size in (1e-3, 1e-9, 1e-15):
            u = size if y == 0 else -size
            with mpmath.workdps(40):
                p = mpmath.mpf(y) + mpmath.mpf(u)
                exact = float(p * mpmath.log(p) + (1 - p) * mpmath.log(1 - p))
            Y, U = np.full(9, y), np.full(9, u)
            assert_allclose(loss.conjugate(Y, U), exact, rtol=1e-14)
            for w in (1.0, 0.25):
                compiled = loss.evaluate_conjugate(Y, w * U, np.full(9, w))
                assert_allclose(compiled, 9 * w * exact, rtol=1e-14)
    outside = np.array([1.0]), np.array([1e-9])
    assert np.isinf(loss.conjugate(*outside))
    assert np.isinf(loss.evaluate_conjugate(*outside, np.ones(1)))


def test_its_passes_are_at_most_max_iter(monkeypatch):
    X, y, *_ = data(n=300, p=2000, density=0.02)
    asked = []

    solve = DualDescent.solve

    def recorded(self, tol, most, state=None):
        asked.append(most)
        return solve(self, tol, most, state)

    monkeypatch.setattr(DualDescent, "solve", recorded)
    for max_iter in (40, 1000):
        fastridge.glm(X, y, "logistic", 1e-3, max_iter=max_iter)
    assert asked == [40, MOST_PASSES]


def test_it_is_chosen_for_text():
    X, y, *_ = data(n=300, p=2000, density=0.02)
    found = fastridge.glm(X, y, "logistic", 1e-3)
    assert found.solver == "dual-descent"
    assert fastridge.glm(X, y, "logistic", 1e-3, max_iter=20).solver == "newton-cg"
    assert fastridge.glm(X, y, "poisson", 1e-3).solver == "newton-cg"
    free = np.r_[0.0, np.ones(1999)]
    assert fastridge.glm(X, y, "logistic", 1e-3, penalty_factor=free).solver == "newton-cg"
    model = fastridge.LogisticRegression().fit(X, y)
    assert model.solver_ == "dual-descent"
    other = fastridge.LogisticRegression(solver="newton").fit(X, y)
    assert_allclose(model.coef_, other.coef_, rtol=0, atol=1e-3 * np.abs(other.coef_).max())


def test_another_solver_goes_on_where_passes_gain_little():
    X, y, *_ = data(n=300, p=2000, density=0.02)
    rows = np.where(np.arange(300) % 7 == 0, 300.0, 1.0)
    X = sp.csr_array(sp.diags_array(rows) @ X)
    found = fastridge.glm(X, y, "logistic", 1e-3, tol=1e-6)
    assert found.converged
    assert found.solver == "newton-cg"
    best = fastridge.glm(X, y, "logistic", 1e-3, tol=1e-8, solver="newton-cg")
    assert 0 <= found.objective - best.objective + 1e-15 <= found.dual_gap + 1e-15


def test_hard_data_ends_with_a_true_certificate():
    rng = np.random.default_rng(0)
    X, y, *_ = data(n=50, p=300)
    one = np.zeros(50)
    one[7] = 1.0
    cases = {
        "empty rows": (sp.csr_array(X.multiply((np.arange(50) > 9)[:, None])), y, {}),
        "no elements": (sp.csr_array((50, 300)), y, {}),
        "one of a class": (X, one, {}),
        "far offsets": (X, y, {"offset": rng.choice([-50.0, 50.0], 50)}),
        "huge weight": (X, y, {"sample_weight": np.r_[1e9, np.ones(49)]}),
        "large values": (X * 1e4, y, {}),
        "small values": (X * 1e-4, y, {}),
        "far columns": (sp.csr_array(X + sp.csr_array(np.full((50, 300), 1e3))), y, {}),
    }
    for Z, t, options in cases.values():
        for alpha in (1.0, 1e-4):
            found = fastridge.glm(Z, t, "logistic", alpha, **options)
            best = fastridge.glm(Z, t, "logistic", alpha, tol=1e-7, solver="newton-cg", **options)
            assert found.converged
            rounding = 1e-13 * (1 + abs(best.objective))
            assert found.objective - best.objective <= found.dual_gap + rounding


def test_what_it_does_not_support_is_refused():
    X, y, *_ = data()
    cases = {
        "dense": (X.toarray(), y, "logistic", {}),
        "loss": (X, y, "poisson", {}),
        "classes": (X, np.arange(60) % 3, "multinomial", {}),
        "free": (X, y, "logistic", {"penalty_factor": np.r_[0.0, np.ones(89)]}),
        "l1": (X, y, "logistic", {"l1_ratio": 0.5}),
        "bounds": (X, y, "logistic", {"lower": 0.0}),
    }
    for Z, t, loss, options in cases.values():
        with pytest.raises(ValueError, match="solver is 'dual-descent'"):
            fastridge.glm(Z, t, loss, 0.1, solver="dual-descent", **options)


def test_the_kernel_refuses_wrong_arrays():
    X, y, *_ = data()
    rows = check_design(X)
    n, p = X.shape
    s, q, z, mu, v = np.full(n, 1 / n), np.ones(n), np.zeros(n), y.copy(), np.zeros(p)
    live = np.arange(n, dtype=np.int32)

    def run(a=rows, some=live, **other):
        parts = {"y": y, "weight": s, "offset": None, "d": None, "q": q, "z": z, "mu": mu, "v": v}
        parts |= other
        first = [parts[k] for k in ("y", "weight", "offset", "d")]
        last = [parts[k] for k in ("q", "z", "mu", "v")]
        return _dual.descend(a, some, *first, 1.0, 0.0, *last, 0.0, 1, 0.0, 3)

    assert run(y=np.clip(y, 0.1, 0.9))[1] >= 1
    with pytest.raises(ValueError, match="stored by rows"):
        run(check_design(sp.csc_array(X)))
    with pytest.raises(ValueError, match="stored by rows"):
        _dual.row_squares(Matrix.from_dense(X.toarray()), None, 1.0, np.empty(n))
    with pytest.raises(ValueError, match="live: expected numbers from 0 to 59; got 60"):
        run(some=live + np.int32(1))
    with pytest.raises(ValueError, match="at least one row"):
        run(some=live[:0])
    for name in ("y", "weight", "q", "z", "mu"):
        with pytest.raises(ValueError, match=f"{name}: expected 60"):
            run(**{name: np.ones(59)})
    for name in ("v", "d"):
        with pytest.raises(ValueError, match=f"{name}: expected 90"):
            run(**{name: np.ones(59)})


def dual_path(X, y, alphas, **options):
    return fastridge.glm_path(
        X, y, "logistic", l1_ratio=0.0, alphas=alphas, solver="dual-descent", **options
    )


@pytest.mark.parametrize("standardize", [True, False])
def test_paths_are_the_fits_of_their_penalties(standardize):
    X, y, s, o, f = data()
    options = {"sample_weight": s, "offset": o, "penalty_factor": f, "standardize": standardize}
    options |= {"tol": 1e-7, "max_iter": 2000}
    # far from even, and with a penalty twice
    alphas = [10.0, 1.0, 0.99, 0.9, 0.9, 0.1, 1e-3]
    path = dual_path(X, y, alphas, **options)
    assert path.converged.all()
    for k, alpha in enumerate(alphas):
        want = fastridge.glm(X, y, "logistic", alpha, solver="newton", **options)
        assert_allclose(path.coef[k], want.coef, rtol=0, atol=1e-5 * np.abs(want.coef).max())
        assert_allclose(path.intercept[k], want.intercept, rtol=0, atol=1e-5)
        assert path.objective[k] - want.objective <= path.dual_gap[k] + 1e-14


def test_paths_take_fewer_passes_than_fits():
    X, y, *_ = data(n=300, p=2000, density=0.02)
    alphas = np.geomspace(1.0, 1e-4, 15)
    path = dual_path(X, y, alphas, max_iter=500)
    cold = [
        fastridge.glm(X, y, "logistic", a, solver="dual-descent", max_iter=500).n_iter
        for a in alphas
    ]
    assert path.n_iter.sum() < 0.7 * sum(cold)
    chosen = fastridge.glm_path(X, y, "logistic", l1_ratio=0.0, alphas=alphas)
    assert chosen.solver == "dual-descent"
    assert (chosen.coef == path.coef).all()


def test_a_path_goes_on_with_another_solver_where_passes_gain_little(monkeypatch):
    X, y, *_ = data(n=300, p=2000, density=0.02)
    rows = np.where(np.arange(300) % 7 == 0, 300.0, 1.0)
    X = sp.csr_array(sp.diags_array(rows) @ X)
    asked = []
    solve = DualDescent.solve

    def noted(self, *args):
        found = solve(self, *args)
        asked.append(found.converged)
        return found

    monkeypatch.setattr(DualDescent, "solve", noted)
    alphas = np.geomspace(0.1, 1e-4, 6)
    path = fastridge.glm_path(X, y, "logistic", l1_ratio=0.0, alphas=alphas, tol=1e-6)
    assert path.converged.all()
    assert path.solver == "newton-cg"
    # once slow, it is not asked again
    assert asked.count(False) == 1
    assert not asked[-1]
    for k, alpha in enumerate(alphas):
        best = fastridge.glm(X, y, "logistic", alpha, tol=1e-8, solver="newton-cg")
        assert path.objective[k] - best.objective <= path.dual_gap[k] + 1e-15


def test_starts():
    X, y, s, o, f = data()
    options = {"sample_weight": s, "offset": o, "penalty_factor": f, "max_iter": 1000}
    for standardize in (False, True):
        options["standardize"] = standardize
        for solver in ("auto", "dual-descent"):
            options["solver"] = solver
            near = fastridge.glm(X, y, "logistic", 0.01, tol=1e-6, **options)
            start = {"coef_init": near.coef, "intercept_init": near.intercept}
            again = fastridge.glm(X, y, "logistic", 0.01, **start, **options)
            assert again.converged
            if solver == "dual-descent":
                assert again.n_iter == 0
            # a start that is worse than none
            bad = {"coef_init": -100.0 * near.coef, "intercept_init": 50.0}
            cold = fastridge.glm(X, y, "logistic", 0.011, **options)
            for given in (start, bad):
                found = fastridge.glm(X, y, "logistic", 0.011, **given, **options)
                assert found.converged
                assert_allclose(found.coef, cold.coef, rtol=0, atol=1e-3 * abs(cold.coef).max())
    model = fastridge.LogisticRegression(C=1.0, warm_start=True, solver="dual-descent")
    assert model.fit(X, y).n_iter_ > 0
    assert model.fit(X, y).n_iter_ == 0


def test_shares_of_an_extrapolation():
    assert shares_ahead([3.0], 1.0) == [1.0]
    assert shares_ahead([1.0, 2.0], 0.5) == [0.0, 1.0]
    assert shares_ahead([3.0, 2.0, 2.0], 1.0) == [0.0, 0.0, 1.0]
    assert shares_ahead([3.0, 2.0, 1.0], 1.0) == [0.0, 0.0, 1.0]
    assert_allclose(shares_ahead([4.0, 2.0], 1.0), [-1.0, 2.0])
    assert_allclose(shares_ahead([8.0, 4.0, 2.0], 1.0), [1.0, -3.0, 3.0])
    # no further than twice the last change
    assert_allclose(shares_ahead([4.0, 2.0], 1e-9), [-2.0, 3.0])
    # exact for polynomials of the logarithm
    alphas = [7.0, 3.0, 1.1]
    u = np.log(alphas)
    got = shares_ahead(alphas, 0.6) @ (2.0 - u + 0.3 * u**2)
    assert_allclose(got, 2.0 - np.log(0.6) + 0.3 * np.log(0.6) ** 2)
