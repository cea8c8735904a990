"""Multinomial models for a sequence of penalties."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from softmax_problems import problem
from storages import stored

import fastridge
from fastridge import io
from fastridge.reference.softmax import softmax_loss
from fastridge.solvers.glm import softmax
from fastridge.solvers.glm.softmax_problem import SoftmaxProblem


def objective(X, y, path, j, weight, factor, offset=0.0):
    """Return the objective of a path's penalty j, from its coefficients alone."""
    eta = X @ path.coef[j].T + path.intercept[j] + offset
    share = np.eye(path.intercept.shape[1])[y]
    alpha, ratio = path.alphas[j], path.l1_ratio
    size = factor * (ratio * np.abs(path.coef[j]) + (1 - ratio) / 2 * path.coef[j] ** 2)
    return softmax_loss(share, eta, weight / weight.sum())[0] + alpha * size.sum()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["C", "csr"])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_every_penalty_beside_a_single_fit(kind, l1_ratio):
    X, y = problem(n=150, p=8)
    X = np.where(np.random.default_rng(5).random(X.shape) < 0.7, X, 0.0)
    weight = np.random.default_rng(6).integers(0, 3, len(y)) * 1.0
    factor = np.ones(8)
    factor[2], factor[5] = 0.0, 3.0
    offset = np.random.default_rng(7).standard_normal((len(y), 4))
    options = {
        "l1_ratio": l1_ratio, "sample_weight": weight, "penalty_factor": factor,
        "offset": offset, "tol": 1e-6, "max_iter": 1000,
    }  # fmt: skip
    path = fastridge.glm_path(stored(X, kind), y, "multinomial", n_alphas=6, eps=0.02, **options)
    assert path.converged.all()
    assert path.coef.shape == (6, 4, 8)
    assert path.intercept.shape == (6, 4)
    for j, alpha in enumerate(path.alphas):
        one = fastridge.glm(stored(X, kind), y, "multinomial", alpha, **options)
        value = objective(X, y, path, j, weight, factor, offset)
        assert_allclose(path.objective[j], value, rtol=1e-12)
        assert abs(value - one.objective) <= path.dual_gap[j] + one.dual_gap + 1e-14
        # an L1 penalty alone leaves a feature's common number open
        common = 1.0 if l1_ratio == 1 else 0.0
        first, second = (w - common * w.mean(axis=0) for w in (path.coef[j], one.coef))
        assert_allclose(first, second, atol=1e-4)
        assert_allclose(np.diff(path.intercept[j]), np.diff(one.intercept), atol=1e-4)
        assert_allclose(path.deviance[j], one.deviance, rtol=1e-6)
    assert_allclose(path.null_deviance, one.null_deviance, rtol=1e-10)
    if l1_ratio:
        # at the largest penalty only the free feature has coefficients, and just below it others
        live = path.coef[0] != 0
        assert live[:, 2].all()
        assert live.sum() == 4
        below = fastridge.glm(stored(X, kind), y, "multinomial", 0.98 * path.alphas[0], **options)
        assert np.count_nonzero(below.coef) > 4
        assert_array_equal(path.n_nonzero, np.count_nonzero(path.coef, axis=(1, 2)))


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_results_predictions_and_copies_of_a_path(l1_ratio, tmp_path):
    X, y = problem(n=100, p=5, k=3)
    path = fastridge.glm_path(
        X.astype("f"), y, "multinomial", l1_ratio=l1_ratio, n_alphas=5, eps=0.05, max_iter=1000
    )
    assert path.coef.dtype == np.float32
    eta = path.decision_function(X)
    assert eta.shape == (5, 100, 3)
    prob = path.predict(X)
    for j in range(5):
        result = path[j]
        assert_array_equal(result.coef, path.coef[j])
        assert_allclose(eta[j], X @ path.coef[j].T + path.intercept[j], rtol=1e-6, atol=1e-6)
        assert_allclose(prob[j], result.predict(X), rtol=1e-6)
        assert result.alpha == path.alphas[j]
    assert_allclose(prob.sum(axis=2), 1.0)
    assert_allclose(path.dof[3], path[3].dof)
    assert_allclose(path.aic[3], path[3].aic)
    assert isinstance(path.sparse_coef, sp.csr_array)
    assert_array_equal(path.sparse_coef.toarray(), path.coef.reshape(15, 5))
    io.save(path, tmp_path / "path")
    loaded = io.load(tmp_path / "path")
    assert_array_equal(loaded.coef, path.coef)
    assert_array_equal(loaded.predict(X), prob)
    assert "multinomial" in repr(loaded)


def test_class_without_weight_and_stopped_paths():
    X, y = problem(n=100, p=4)
    weight = np.where(y == 2, 0.0, 1.0)
    path = fastridge.glm_path(
        X, y, "multinomial", l1_ratio=0.0, sample_weight=weight, alphas=[0.1, 1.0]
    )
    assert_array_equal(path.alphas, [1.0, 0.1])
    assert_array_equal(path.coef[:, 2], 0.0)
    assert_array_equal(path.intercept[:, 2], -np.inf)
    assert_array_equal(path.predict(X)[:, :, 2], 0.0)
    for j in range(2):
        one = fastridge.glm(X, y, "multinomial", path.alphas[j], sample_weight=weight)
        assert_allclose(path.coef[j], one.coef, atol=1e-3)
    first = fastridge.glm_path(X, y, "multinomial", n_alphas=9, stop=lambda path: len(path) == 2)
    assert len(first) == 2
    assert first.coef.shape == (2, 4, 4)

    def never(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as error:
        fastridge.glm_path(X, y, "multinomial", n_alphas=9, callback=never)
    assert error.value.path.coef.shape == (1, 4, 4)


def test_penalties_in_any_order_give_the_same_models():
    """Extrapolated starts and kept working sets change nothing but the time."""
    X, y = problem(n=120, p=30, k=3)
    for l1_ratio in (0.0, 1.0):
        options = {"l1_ratio": l1_ratio, "tol": 1e-6, "max_iter": 2000}
        path = fastridge.glm_path(X, y, "multinomial", n_alphas=12, eps=0.01, **options)
        few = fastridge.glm_path(X, y, "multinomial", alphas=path.alphas[[11, 4]], **options)
        assert_allclose(few.coef, path.coef[[4, 11]], atol=1e-4)
        assert path.n_iter[1:].sum() < 12 * few.n_iter[0] or l1_ratio


def test_refused_arguments_of_several_classes():
    X, y = problem(n=60, p=3)
    with pytest.raises(ValueError, match="lower and upper are given for the loss 'multinomial'"):
        fastridge.glm_path(X, y, "multinomial", lower=0.0)
    with pytest.raises(ValueError, match="solver is 'newton-samples' for the loss 'multinomial'"):
        fastridge.glm_path(X, y, "multinomial", l1_ratio=0.0, solver="newton-samples")
    with pytest.raises(ValueError, match="solver is 'newton', which supports no L1 penalty"):
        fastridge.glm_path(X, y, "multinomial", solver="newton")
    with pytest.raises(ValueError, match="offset has shape"):
        fastridge.glm_path(X, y, "multinomial", offset=np.zeros(60))


@pytest.mark.parametrize("solver", ["newton", "newton-cg", "prox-newton"])
def test_named_solvers_run(solver):
    X, y = problem(n=80, p=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = fastridge.glm(X, y, "multinomial", 0.05, solver=solver, tol=1e-6, max_iter=1000)
    assert result.solver == solver
    other = fastridge.glm(X, y, "multinomial", 0.05, tol=1e-7)
    assert_allclose(result.coef, other.coef, atol=1e-4)


def test_the_largest_penalty_is_that_of_the_fit_of_free_features():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 4, 150)
    free = y + 0.7 * rng.standard_normal(150)
    X = np.column_stack(
        [free, 0.7 * free + rng.standard_normal(150), rng.standard_normal((150, 2))]
    )
    options = {"l1_ratio": 1.0, "penalty_factor": [0.0, 1.0, 1.0, 1.0], "tol": 1e-6}
    path = fastridge.glm_path(X, y, "multinomial", n_alphas=2, eps=0.5, **options)
    assert not path.coef[0][:, 1:].any()
    below = fastridge.glm(X, y, "multinomial", 0.95 * path.alphas[0], **options)
    assert below.coef[:, 1:].any()


def raw_columns():
    """Rows of 6 classes, one of a single row, with dependent columns of unlike units."""
    rng = np.random.default_rng(0)
    n = 1500
    Z = rng.standard_normal((n, 5))
    Z[:, 4] = Z[:, 3] + 0.02 * Z[:, 4]
    y = (Z @ rng.standard_normal((5, 5)) + 2.0 * rng.gumbel(size=(n, 5))).argmax(axis=1)
    y[0] = 5
    return Z * [1.0, 300.0, 1000.0, 500.0, 500.0] + [0.0, 100.0, 1e3, 1e3, 1e3], y


def test_a_path_stays_with_the_full_hessian_once_conjugate_gradients_took_too_long(monkeypatch):
    X, y = raw_columns()
    monkeypatch.setattr(softmax, "_PRODUCTS", 0)
    monkeypatch.setattr(softmax, "_PATIENCE", 1)
    ran = []

    def note(name):
        run = getattr(softmax, name)

        def noted(*args):
            found = run(*args)
            ran.append((name, found.converged))
            return found

        monkeypatch.setattr(softmax, name, noted)

    note("newton")
    note("newton_cg")
    alphas = np.geomspace(1.0, 1e-6, 8)
    path = fastridge.glm_path(X, y, "multinomial", l1_ratio=0.0, alphas=alphas)
    assert path.converged.all()
    cut = ran.index(("newton_cg", False))
    assert all(run == ("newton_cg", True) for run in ran[:cut])
    assert ran[cut + 1 :] == [("newton", True)] * (8 - cut)
    for k in (0, 4, 7):
        one = fastridge.glm(X, y, "multinomial", alphas[k], solver="newton", tol=1e-7)
        assert path.objective[k] - one.objective <= path.dual_gap[k] + 1e-14


def test_intercepts_settle_in_few_steps_where_predictors_are_large(monkeypatch):
    """Sums of derivatives stay at the round-off of the predictors, above that of derivatives."""
    X, y = raw_columns()
    steps = []
    step = SoftmaxProblem._settling_step

    def noted(self, *args):
        steps.append(args)
        return step(self, *args)

    monkeypatch.setattr(SoftmaxProblem, "_settling_step", noted)
    for alpha in (1e-4, 1e-6, 1e-8):
        steps.clear()
        fit = fastridge.glm(
            X, y, "multinomial", alpha, solver="newton", tol=1e-7, offset=np.full((len(y), 6), 1e4)
        )
        assert fit.converged
        assert len(steps) <= 5
