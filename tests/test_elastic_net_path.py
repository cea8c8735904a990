"""Paths of elastic nets: grids, certificates, and interrupted paths."""

import _thread
import threading

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model
from numpy.testing import assert_allclose, assert_array_equal

from fastridge import Moments, elastic_net, elastic_net_path, reference
from fastridge.data.check import check_design
from fastridge.exceptions import ConvergenceWarning
from fastridge.solvers.descent.line import PathLine
from fastridge.solvers.descent.path import DescentPath
from fastridge.solvers.descent.problem import DescentProblem

SOLVERS = ["gram", "working", "columns"]


def rows_of_lasso(X, y, **options):
    return elastic_net_path(X, y, l1_ratio=1.0, **options)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 90)) + 0.7 * rng.normal(size=(60, 1))
    X[rng.random(X.shape) < 0.4] = 0
    y = X[:, :5] @ [3.0, -2.0, 1.5, -1.0, 0.5] + rng.normal(size=60) + 5
    return X, y, rng.uniform(0.2, 3.0, size=60)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc", "moments"])
@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
def test_same_as_scikit_learn(data, kind, solver, l1_ratio):
    X, y, _ = data
    if kind == "moments":
        source, target, solver = Moments(X, y), None, "auto"
    else:
        source, target = (np.array(X, order=kind) if len(kind) == 1 else sp.csr_array(X)), y
        source = source if len(kind) == 1 else source.asformat(kind)
    ours = elastic_net_path(
        source, target, l1_ratio=l1_ratio, n_alphas=15, eps=0.01, tol=1e-12, solver=solver
    )
    centred = np.asfortranarray(X - X.mean(axis=0))
    _, coefs, _ = sklearn.linear_model.enet_path(
        centred, y - y.mean(), l1_ratio=l1_ratio, alphas=ours.alphas, tol=1e-13, max_iter=100_000
    )
    assert len(ours) == 15
    first = reference.largest_alpha(X, y, l1_ratio)
    assert_allclose(ours.alphas, first * np.geomspace(1, 0.01, 15), rtol=1e-10)
    assert_allclose(ours.coef.T, coefs, atol=1e-5)
    assert_allclose(ours.intercept, y.mean() - X.mean(axis=0) @ coefs, atol=1e-5)
    assert ours.l1_ratio == l1_ratio


@pytest.mark.parametrize("solver", SOLVERS)
def test_cold_fit_is_exact_at_the_default_tolerance(solver):
    """Relevant features enter one by one, each because of the earlier ones."""
    rng = np.random.RandomState(0)
    w = rng.randn(200)
    w[10:] = 0.0
    X = rng.randn(50, 200)
    y, weight = X @ w, np.random.RandomState(0).lognormal(size=50)
    coef = elastic_net(X, y, 0.01, l1_ratio=0.5, sample_weight=weight, solver=solver).coef
    model = sklearn.linear_model.ElasticNet(0.01, tol=1e-14, max_iter=100_000)
    assert_allclose(coef, model.fit(X, y, weight).coef_, atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solution_is_that_of_one_fit(data, solver):
    X, y, weight = data
    options = {
        "sample_weight": weight,
        "penalty_factor": np.r_[0.0, np.linspace(0.3, 2, 89)],
        "upper": 0.8,
        "standardize": True,
        "l1_ratio": 0.8,
    }
    path = elastic_net_path(X, y, n_alphas=12, eps=0.005, tol=1e-4, solver=solver, **options)
    assert path.relative_gap.max() <= 1e-4
    assert path.converged.all()
    null = np.average((y - np.average(y, weights=weight)) ** 2, weights=weight) / 2
    for k, alpha in enumerate(path.alphas):
        one = elastic_net(X, y, alpha, tol=1e-12, **options)
        assert path.objective[k] - one.objective <= (path.relative_gap[k] + 1e-11) * null
        assert one.objective - path.objective[k] <= 1e-11 * null
        w = path[k].coef
        residual = y - X @ w - path.intercept[k]
        assert_allclose(path.r2[k], 1 - np.average(residual**2, weights=weight) / 2 / null)
        assert path.dof[k] == np.count_nonzero(w)
        assert_allclose(path.residual[k], weight @ residual**2)
        n = weight.sum()
        fit = n * np.log(2 * np.pi * path.residual[k] / n) + n
        assert_allclose(path.aic[k], fit + 2 * (np.count_nonzero(w) + 2))
        assert_allclose(path.bic[k], fit + np.log(n) * (np.count_nonzero(w) + 2))
    assert_array_equal(path.sparse_coef.toarray(), path.coef)
    assert_array_equal(path.coef[3], path[3].coef)
    assert path[-1].relative_gap == path.relative_gap[-1]
    assert path[-1].objective == path.objective[-1]
    assert_allclose(path.predict(X), path.coef @ X.T + path.intercept[:, None], atol=1e-10)
    with pytest.raises(ValueError, match="89 features"):
        path.predict(X[:, 1:])
    assert repr(path).startswith("ElasticNetPath(12 alphas, ")


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fit_intercept": False},
        {"standardize": True},
        {"l1_ratio": 0.2},
        {"penalty_factor": np.r_[np.zeros(3), np.linspace(0.2, 2, 87)]},
        {"lower": 0.0},
        {"upper": np.r_[np.zeros(40), np.full(50, np.inf)]},
        {"lower": -1.0, "upper": 1.0, "penalty_factor": np.r_[np.zeros(3), np.ones(87)]},
    ],
)
def test_the_grid_begins_where_the_model_is_empty(data, options, weighted, solver):
    X, y, weight = data
    options = {"l1_ratio": 1.0, "sample_weight": weight if weighted else None} | options
    path = elastic_net_path(X, y, n_alphas=3, eps=0.5, tol=1e-10, solver=solver, **options)
    factor = options.get("penalty_factor", np.ones(90))
    first = path.alphas[0]
    assert_allclose(path.alphas, first * np.array([1, 0.5**0.5, 0.5]))
    assert not path.coef[0, factor > 0].any()
    assert path.coef[1, factor > 0].any()
    for times, empty in ((1 + 1e-6, True), (1 - 1e-3, False)):
        fit = elastic_net(X, y, first * times, tol=1e-13, **options)
        assert (not fit.coef[factor > 0].any()) == empty
    if "penalty_factor" not in options and "lower" not in options and "upper" not in options:
        q = {k: v for k, v in options.items() if k != "l1_ratio"}
        want = reference.largest_alpha(X, y, options["l1_ratio"], **q)
        assert_allclose(first, want, rtol=1e-10)


def test_grids_with_little_or_no_l1_part(data):
    X, y, _ = data
    small = elastic_net_path(X, y, l1_ratio=1e-3, alphas=4)
    for l1_ratio in (0.0, 1e-5):
        path = elastic_net_path(X, y, l1_ratio=l1_ratio, n_alphas=4)
        assert_allclose(path.alphas * (l1_ratio or 1e-3), small.alphas * 1e-3)
        assert path.relative_gap.max() <= 1e-4
    flat = rows_of_lasso(X, np.full(60, 3.0), n_alphas=3)
    assert not flat.coef.any()
    assert (flat.alphas > 0).all()
    assert_array_equal(flat.intercept, 3)


def test_given_penalties(data):
    X, y, _ = data
    path = rows_of_lasso(X, y, alphas=[0.01, 1.0, 0.1])
    assert_array_equal(path.alphas, [1.0, 0.1, 0.01])
    assert len(rows_of_lasso(X, y, alphas=(0.5,))) == 1
    least = rows_of_lasso(X[:, :5], y, alphas=[0.1, 0.0], tol=1e-12)
    want = np.linalg.lstsq(np.c_[X[:, :5], np.ones(60)], y, rcond=None)[0]
    assert_allclose(np.r_[least[1].coef, least[1].intercept], want, atol=1e-8)


def test_types(data):
    X, y, _ = data
    path = rows_of_lasso(X.astype(np.float32), y, n_alphas=4)
    assert path.coef.dtype == path.intercept.dtype == path[0].coef.dtype == np.float32
    assert path.sparse_coef.dtype == np.float32
    assert path.alphas.dtype == path.relative_gap.dtype == np.float64


def test_end_where_the_fit_saturates(data):
    X, y, _ = data
    whole = rows_of_lasso(X, y)
    assert len(whole) == 100
    short = rows_of_lasso(X, y, stop_r2=0.9)
    assert len(short) == np.argmax(whole.r2 >= 0.9) + 1
    assert short.r2[-1] >= 0.9 > short.r2[-2]
    assert_array_equal(short.coef, whole.coef[: len(short)])


def test_a_path_ends_where_the_caller_has_seen_enough(data):
    X, y, _ = data
    whole = rows_of_lasso(X, y)
    path = rows_of_lasso(X, y, stop=lambda path: path.dof[-1] >= 5)
    assert len(path) == np.argmax(whole.dof >= 5) + 1 < len(whole)
    assert_array_equal(path.coef, whole.coef[: len(path)])
    with pytest.raises(TypeError, match="stop is 3; expected a function of the path"):
        rows_of_lasso(X, y, stop=3)


@pytest.mark.parametrize("solver", SOLVERS)
def test_callback(data, solver):
    X, y, _ = data
    seen = []

    def stop(done, total):
        seen.append((done, total))
        if done == 4:
            raise StopIteration

    path = rows_of_lasso(X, y, callback=stop, solver=solver)
    assert seen == [(1, 100), (2, 100), (3, 100), (4, 100)]
    assert len(path) == 4
    whole = rows_of_lasso(X, y, solver=solver)
    assert_array_equal(path.coef, whole.coef[:4])

    for kind in (RuntimeError, KeyboardInterrupt):

        def fail(done, total, kind=kind):
            if done == 3:
                raise kind("no more")

        with pytest.raises(kind, match="no more") as caught:
            rows_of_lasso(X, y, callback=fail, solver=solver)
        assert_array_equal(caught.value.path.coef, whole.coef[:3])


def test_interrupt_keeps_what_is_finished():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3000)) + rng.normal(size=(400, 1))
    y = rng.normal(size=400)
    began = threading.Event()
    sent = []

    def interrupt():
        began.wait(30)
        sent.append(1)
        _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)
    thread.start()

    def progress(done, total):
        if done == 5:
            began.set()

    # unreachable gaps: the interrupt comes during a solution
    with pytest.raises(KeyboardInterrupt) as caught:
        rows_of_lasso(X, y, alphas=np.geomspace(0.1, 1e-6, 200), callback=progress, tol=1e-14)
    thread.join()
    assert sent
    assert len(caught.value.path) >= 5


def test_what_was_not_reached_is_said(data):
    X, y, _ = data
    with pytest.warns(ConvergenceWarning, match=r"of 10 penalties, worst at alpha=.*gap is") as all:
        path = rows_of_lasso(X, y, n_alphas=10, tol=1e-15, max_iter=1)
    assert all[0].filename == __file__
    assert len(all) == 1
    assert not path.converged.all()
    assert (path.converged == (path.relative_gap <= 1e-15)).all()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"eps": 0.0}, ValueError, "eps is 0; expected a number above 0"),
        ({"eps": 2.0}, ValueError, "eps must be from 0 to 1; got 2.0"),
        ({"n_alphas": 0}, ValueError, "n_alphas must be at least 1; got 0"),
        ({"alphas": 0}, ValueError, "alphas must be at least 1; got 0"),
        ({"alphas": True}, TypeError, "alphas must be an integer; got True"),
        ({"n_alphas": 2.5}, TypeError, "n_alphas must be an integer"),
        ({"alphas": []}, ValueError, "alphas has shape"),
        ({"alphas": [-1.0]}, ValueError, "alphas"),
        ({"alphas": 1.0}, ValueError, r"alphas has shape \(\)"),
        ({"stop_r2": 2.0}, ValueError, "stop_r2 must be from 0 to 1"),
        ({"callback": 3}, TypeError, "callback is 3; expected a function"),
        ({"y": np.ones((3, 2))}, ValueError, "y has 2 targets; expected one. Fit a path for each"),
    ],
)
def test_arguments_that_are_refused(arguments, error, words):
    given = {"X": np.eye(3, 2), "y": np.arange(3.0)} | arguments
    with pytest.raises(error, match=words):
        rows_of_lasso(**given)
    with pytest.raises(TypeError, match="nothing"):
        rows_of_lasso(np.eye(3, 2), np.arange(3.0), nothing=1)


def saturated(n, p, length, seed=0):
    """Sparse data that a lasso fits with most of its columns."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(n), length)
    columns = (p * rng.random(n * length) ** 2).astype(int)
    X = sp.csc_array((np.ones(n * length), (rows, columns)), shape=(n, p))
    X.sum_duplicates()
    return X, X @ rng.standard_normal(p) + rng.standard_normal(n)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.7])
def test_most_columns_of_sparse_data(weighted, l1_ratio):
    """A working set of most columns becomes one of all, and dual points are kept along the path."""
    X, y = saturated(400, 300, 6)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, 400) if weighted else None
    options = {"l1_ratio": l1_ratio, "n_alphas": 30, "sample_weight": weight}
    for tol in (1e-4, 1e-7, 1e-11):
        path = elastic_net_path(X, y, tol=tol, solver="columns", **options)
        assert path.converged.all()
        assert path.dof[-1] > 150
        exact = elastic_net_path(X.toarray(), y, tol=1e-13, solver="gram", **options)
        s = np.ones(400) if weight is None else weight
        null = np.average((y - np.average(y, weights=s)) ** 2, weights=s) / 2
        above = (path.objective - exact.objective) / null
        assert (above <= path.relative_gap + 1e-12).all()
        assert (path.relative_gap <= tol).all()
        for k in (10, 29):
            r = y - X @ path.coef[k] - path.intercept[k]
            w = path.coef[k]
            penalty = l1_ratio * np.abs(w).sum() + 0.5 * (1 - l1_ratio) * w @ w
            value = 0.5 * np.average(r**2, weights=s) + path.alphas[k] * penalty
            assert_allclose(path.objective[k], value, rtol=1e-9)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_far_smaller_penalty_takes_few_features_at_first(sparse):
    # the strong rule keeps all of them: 2 * l1 is less than the l1 before
    rng = np.random.default_rng(3)
    X = rng.normal(size=(100, 3000))
    if sparse:
        X[rng.random(X.shape) < 0.7] = 0
    y = X[:, :5].sum(axis=1) + 0.1 * rng.normal(size=100)
    A = check_design(sp.csr_array(X) if sparse else X)
    problem = DescentProblem.of_data(A, y, None, None, None, None, True, False)
    first = np.abs(problem.cross).max()
    path = DescentPath(problem, "working", 1000, 0)
    for share in (0.5, 0.1):
        assert path.solve(np.full(3000, share * first), np.zeros(3000), 1e-8 * problem.null)
        assert len(path.set) < 600
    same = elastic_net(X, y, share * first, l1_ratio=1.0, tol=1e-8)
    assert_allclose(path.u, same.coef, atol=1e-4)


def test_rounding_of_a_gram_matrix_ends_in_columns():
    """Unpenalised features need a zero gradient, which is accurate only from residuals here."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((30, 40)) * 10 ** rng.uniform(-1, 1, 40) + 5.0
    y = rng.standard_normal(30) + 5
    factor = np.r_[np.zeros(24), rng.choice([1, 2.5], 16)]
    options = {"l1_ratio": 0.3, "penalty_factor": factor, "fit_intercept": False, "tol": 1e-4}
    found = elastic_net(X, y, 1.0, solver="working", **options)
    exact = elastic_net(X, y, 1.0, solver="gram", **options)
    assert found.converged
    assert_allclose(found.objective, exact.objective, rtol=1e-4)


@pytest.mark.parametrize(
    ("n", "p", "density", "n_alphas", "solver"),
    [
        (1000, 100, 0.5, 10, "gram"),
        (1000, 300, 0.5, 10, "working"),
        (1000, 300, 0.5, 100, "gram"),
        (5000, 500, 0.5, 100, "gram"),
        (300, 1000, 0.1, 100, "working"),
    ],
)
def test_choice_of_a_solver_for_sparse_data(n, p, density, n_alphas, solver):
    """The chosen solver is the faster one, as measured."""
    X = sp.random_array((n, p), density=density, format="csr", rng=0)
    y = np.random.default_rng(0).standard_normal(n)
    found = elastic_net_path(X, y, n_alphas=n_alphas, eps=0.5, tol=1e-2)
    assert found.solver == solver


def test_choice_of_a_solver_counts_rows_of_uneven_lengths():
    """A few long rows make the Gram matrix expensive, though the mean length is small."""
    rng = np.random.default_rng(0)
    even = sp.random_array((20000, 900), density=0.01, format="csr", rng=rng)
    long = np.zeros((20000, 900))
    long[:200] = rng.standard_normal((200, 900))
    y = rng.standard_normal(20000)
    options = {"n_alphas": 20, "eps": 0.5, "tol": 1e-2}
    assert elastic_net_path(even, y, **options).solver == "gram"
    assert elastic_net_path(sp.csr_array(long), y, **options).solver == "working"


def sparse_words():
    """Rows of a few words of a Zipf frequency, of unit length."""
    rng = np.random.default_rng(0)
    n, p, length = 1000, 2000, 20
    edges = np.cumsum(1.0 / (np.arange(p) + 5.0))
    indices = np.searchsorted(edges / edges[-1], rng.random(n * length)).clip(max=p - 1)
    X = sp.csr_array((np.ones(n * length), indices, np.arange(0, n * length + 1, length)), (n, p))
    X.sum_duplicates()
    X.data /= np.repeat(np.sqrt(X.power(2).sum(axis=1)), np.diff(X.indptr))
    return X.tocsc(), X @ rng.standard_normal(p) + 3.0 + 0.5 * rng.standard_normal(n)


def wide_neighbours():
    """Columns with correlations of one half between neighbours."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 1000))
    for j in range(1, 1000):
        X[:, j] = 0.5 * X[:, j - 1] + np.sqrt(0.75) * X[:, j]
    return X, X[:, :20] @ rng.standard_normal(20) + rng.standard_normal(200)


@pytest.mark.parametrize("solver", ["working", "columns"])
def test_objectives_of_a_loose_path_are_far_closer_than_its_gap(solver):
    """Fits start on the line through the solutions before; without it they are 3e-4 above."""
    X, y = wide_neighbours()
    options = {"l1_ratio": 1.0, "n_alphas": 50, "eps": 0.01, "solver": solver}
    found = elastic_net_path(X, y, tol=1e-3, **options)
    best = elastic_net_path(X, y, tol=1e-9, **options)
    above = (found.objective - best.objective) / (0.5 * np.var(y))
    assert found.converged.all()
    assert 1e-4 < found.relative_gap.max() <= 1e-3
    assert above.min() >= -1e-12
    assert above.max() <= 5e-5


@pytest.mark.parametrize("solver", ["working", "columns"])
@pytest.mark.parametrize("data", [sparse_words, wide_neighbours])
def test_coefficients_of_a_path_are_exact_at_the_default_tolerance(data, solver):
    X, y = data()
    options = {"l1_ratio": 1.0, "n_alphas": 50, "eps": 0.01, "solver": solver}
    found = elastic_net_path(X, y, **options).coef[1:]
    best = elastic_net_path(X, y, tol=1e-10, **options).coef[1:]
    error = np.linalg.norm(found - best, axis=1) / np.linalg.norm(best, axis=1)
    assert error.max() <= 1e-3
    assert np.median(error) <= 1e-6


def test_line_through_two_solutions():
    line = PathLine()
    l1 = np.array([1.0, 1.0, 0.0, 1.0, 1.0])
    line.add(4.0, np.array([0.0, 2.0, 1.0, 0.0, 0.5]))
    assert line.step(3.0, np.ones(5), l1, None, None) is None
    last = np.array([0.0, 3.0, -1.0, 1.0, 0.2])
    line.add(3.0, last)
    # zeros stay, and a penalised coefficient stops at zero
    live, step = line.step(2.0, last, l1, None, None)
    assert live.tolist() == [1, 2, 3, 4]
    assert_allclose(last[live] + step, [4.0, -3.0, 2.0, 0.0], atol=1e-15)
    live, step = line.step(2.5, last, l1, np.full(5, -1.5), np.full(5, 3.2))
    assert_allclose(last[live] + step, [3.2, -1.5, 1.5, 0.05])
    # far steps, larger penalties and the same solution again
    assert line.step(1.0, last, l1, None, None) is None
    assert line.step(3.5, last, l1, None, None) is None
    line.add(2.0, last)
    live, step = line.step(2.5, last, l1, None, None)
    assert_allclose(step[live.tolist().index(1)], 0.5)
