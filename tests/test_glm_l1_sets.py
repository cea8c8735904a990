"""Working sets of L1-penalised models: products that are not computed, and sets without a Gram
matrix."""

import math

import numpy as np
import pytest
import scipy.sparse as sp

import fastridge
from fastridge.solvers.glm import prox, prox_model, prox_screen


def data(n=150, p=400, seed=0, density=0.1):
    rng = np.random.default_rng(seed)
    X = sp.random_array((n, p), density=density, rng=rng, format="csc")
    X.data = rng.exponential(size=X.nnz) * 10.0 ** rng.integers(-2, 2, X.nnz)
    eta = X @ (rng.standard_normal(p) * (rng.random(p) < 0.05))
    y = (eta + 0.5 * rng.standard_normal(n) > np.median(eta)).astype(float)
    return X, y, rng.integers(0, 3, n).astype(float)


OPTIONS = (
    {},
    {"fit_intercept": False},
    {"standardize": True},
    {"penalty_factor": np.where(np.arange(400) % 7, 1.0, 0.3)},
    {"l1_ratio": 0.6},
)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("loss", ["logistic", "poisson", "squared"])
@pytest.mark.parametrize("storage", [sp.csc_array, sp.csr_array, lambda X: X.toarray(order="F")])
def test_bounds_take_the_place_of_products_that_are_small(options, loss, storage, monkeypatch):
    X, y, weight = data()
    looks = [0, 0]
    look = prox_screen.Screen.look

    def checked(self, theta):
        look(self, theta)
        true = np.abs(self.A.tdot(theta))
        room = 1e-13 * np.abs(theta).sum() * np.abs(X).max()
        assert (self.v >= true - room).all()
        looks[0] += 1
        if self.looked is not None:
            looks[1] += 1
            np.testing.assert_allclose(self.v[self.looked], true[self.looked], atol=room)
            left = np.ones(len(true), dtype=bool)
            left[self.looked] = False
            assert (self.v[left] <= 0.7 * self.problem.l1[left]).all()

    monkeypatch.setattr(prox_screen.Screen, "look", checked)
    options = {"l1_ratio": 1.0, "sample_weight": weight, "tol": 1e-4, **options}
    path = fastridge.glm_path(storage(X), y, loss, n_alphas=25, eps=0.05, **options)
    assert path.converged.all()
    # norms of standardized columns are all 1, which bounds less
    assert looks[1] > (0 if "standardize" in options else looks[0] / 3)
    # later penalties far below, at which the bounds of before no longer serve
    few = fastridge.glm_path(storage(X), y, loss, alphas=path.alphas[[0, 1, 24]], **options)
    scale = path.null_deviance / 2 / weight.sum()
    assert abs(few.objective[2] - path.objective[24]) <= 2e-8 * scale


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("loss", ["logistic", "poisson", "huber"])
@pytest.mark.parametrize("storage", [sp.csc_array, sp.csr_array])
def test_sets_without_a_gram_matrix(options, loss, storage, monkeypatch):
    X, y, weight = data()
    options = {"l1_ratio": 1.0, "sample_weight": weight, "tol": 1e-5, **options}
    path = fastridge.glm_path(storage(X), y, loss, n_alphas=15, eps=0.03, **options)
    scale = path.null_deviance / 2 / weight.sum()
    for most in (0, 20, 60):
        monkeypatch.setattr(prox_model, "_MOST_GRAM", most)
        other = fastridge.glm_path(storage(X), y, loss, alphas=path.alphas, **options)
        assert other.converged.all()
        np.testing.assert_allclose(other.objective, path.objective, atol=2e-10 * scale)
        assert (other.objective - other.dual_gap <= path.objective + 1e-14 * scale).all()


def test_large_steps_of_the_penalty_leave_sets_near_the_support():
    X, y, _ = data(200, 4000, density=0.05)
    sizes = []
    border = prox_model.WeightedModel._border

    def noted(self, before):
        border(self, before)
        sizes.append(len(self.set))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prox_model.WeightedModel, "_border", noted)
        path = fastridge.glm_path(X, y, l1_ratio=1.0, alphas=np.geomspace(0.1, 1e-6, 8), tol=1e-4)
    assert path.converged.all()
    assert sizes[-1] <= 6 * max(path.n_nonzero) + 100


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", ["logistic", "poisson", "squared"])
def test_products_of_few_features_need_no_pass_and_are_bounds(loss, fit_intercept, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 20))
    y = X[:, 0] - X[:, 1] + rng.logistic(size=500)
    y = rng.poisson(np.exp(np.minimum(y, 3))) if loss == "poisson" else (y > 0) * 1.0
    # far from zero, so that products are differences of large terms
    X += 50.0
    points, looks = [], []
    know, look = prox_screen.Screen.know, prox_screen.Screen.look

    def known(self, theta, v):
        points.append((self, theta.copy(), np.abs(v)))
        know(self, theta, v)

    def looked(self, theta):
        looks.append(theta)
        look(self, theta)

    monkeypatch.setattr(prox_screen.Screen, "know", known)
    monkeypatch.setattr(prox_screen.Screen, "look", looked)
    options = {"fit_intercept": fit_intercept, "l1_ratio": 1.0}
    found = fastridge.glm(X, y, loss, 0.02, tol=1e-4, **options)
    assert found.converged
    # one pass, for the start
    assert len(points) > 0
    assert len(looks) == 1
    for screen, theta, v in points:
        shift = 0.0 if screen.A.shift is None else screen.A.shift
        exact = [abs(math.fsum(column * theta)) for column in (X - shift).T]
        # the products in the sum are rounded, too
        room = 2.0**-53 * (np.abs(X - shift).T @ np.abs(theta))
        assert (v >= exact - room).all()
        assert (v <= exact + 1e-7 * screen.problem.l1).all()


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("storage", [sp.csc_array, lambda X: X.toarray()])
@pytest.mark.parametrize("p", [150, 400])
def test_paths_start_from_what_the_last_solutions_promise(options, storage, p, monkeypatch):
    X, y, weight = data(n=300)
    X = storage(X[:, :p])
    if "penalty_factor" in options:
        options = {"penalty_factor": options["penalty_factor"][:p]}
    options = {"l1_ratio": 1.0, "sample_weight": weight, "tol": 1e-4, "n_alphas": 40, **options}
    moved, ahead = [0, 0], prox.ProxNewton.ahead

    def checked(self, state, u, b, t):
        q, found = self.problem, ahead(self, state, u, b, t)
        moved[found is not state] += 1
        if found is not state:
            np.testing.assert_allclose(found.eta, q.predict(found.u, found.b), atol=1e-12)
            np.testing.assert_allclose(found.penalty, q.penalty(found.u), rtol=1e-13)
            np.testing.assert_array_equal(np.sign(found.u), np.sign(state.u))
            assert found.objective < state.loss + q.penalty(state.u)
        return found

    monkeypatch.setattr(prox.ProxNewton, "ahead", checked)
    path = fastridge.glm_path(X, y, "logistic", eps=0.05, **options)
    assert path.converged.all()
    assert moved[1] > 20
    monkeypatch.setattr(prox.ProxNewton, "ahead", lambda self, state, u, b, t: state)
    plain = fastridge.glm_path(X, y, "logistic", eps=0.05, **options)
    assert path.n_iter.sum() < plain.n_iter.sum()
    away = np.abs(path.objective - plain.objective)
    assert (away <= path.dual_gap + plain.dual_gap + 1e-15).all()
