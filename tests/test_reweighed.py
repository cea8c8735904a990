"""Quadratics that keep their rows, and change their weights and targets."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from fastridge.data.check import check_design
from fastridge.quadratic.problem import RidgeProblem
from fastridge.quadratic.rows import CentredRows
from fastridge.solvers.descent.path import DescentPath
from fastridge.solvers.descent.problem import DescentProblem
from fastridge.solvers.ridge.cg import Eliminated, Products, Systems, Wide, solve_cg
from fastridge.solvers.ridge.qr import solve_qr

STORED = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "float32": lambda X: X.astype(np.float32),
    "csr": sp.csr_array,
    "csc": sp.csc_array,
}


def data(n, p, share=0.3, seed=0):
    """Sparse columns, of which one is far from zero, one constant and one zero."""
    rng = np.random.default_rng(seed)
    X = (rng.random((n, p)) < share) * np.round(32 * rng.standard_normal((n, p))) / 32
    X[:, 1] += 4096.0
    X[:, 2] = 3.0
    X[:, 3] = 0.0
    return X, rng.standard_normal(n), rng.standard_normal(n), rng.uniform(0.05, 2.0, n)


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("mean_of_rows", [False, True])
def test_rows(kind, fit_intercept, standardize, mean_of_rows):
    X, _, _, weight = data(50, 8)
    A = check_design(STORED[kind](X))
    rng = np.random.default_rng(1)
    v, r = rng.standard_normal(8), rng.standard_normal(50)
    options = {"standardize": standardize, "mean_of_rows": mean_of_rows}
    weight = weight / weight.sum() if mean_of_rows else weight
    start = CentredRows(A, None, fit_intercept, **options)
    for w in (weight, None, weight[::-1].copy()):
        rows, fresh = start.reweighed(w), CentredRows(A, w, fit_intercept, **options)
        assert rows.near is start.near
        assert rows.total == fresh.total
        assert_allclose(rows.mean, fresh.mean, rtol=1e-14)
        assert_allclose(rows.squares(), fresh.squares(), rtol=1e-10)
        assert_allclose(rows.A.dot(v), fresh.A.dot(v), rtol=1e-10, atol=1e-10)
        assert_allclose(rows.tdot(r), fresh.tdot(r), rtol=1e-10, atol=1e-10)
        # against the definition
        s = np.full(50, 1.0 / 50 if mean_of_rows else 1.0) if w is None else w
        mean = s @ X / s.sum()
        sd = np.sqrt(s @ (X - mean) ** 2 / s.sum())
        sd[sd < 1e-12] = 1.0
        Z = (X - mean if fit_intercept else X) / (sd if standardize else 1.0)
        assert_allclose(rows.A.dot(v), Z @ v, rtol=1e-9, atol=1e-9)
        assert_allclose(rows.tdot(r), Z.T @ (s * r), rtol=1e-9, atol=1e-9)
        assert_allclose(rows.squares(), s @ Z**2, rtol=1e-9, atol=1e-9)
        assert_allclose(rows.inner(r, r), s @ r**2, rtol=1e-13)
    # the original rows are unchanged
    again = CentredRows(A, None, fit_intercept, **options)
    assert_array_equal(start.A.dot(v), again.A.dot(v))
    assert start.weight is None


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_ridge_problem(kind, fit_intercept):
    X, y, other, weight = data(50, 8)
    A, d = check_design(STORED[kind](X)), np.linspace(0.5, 2.0, 8)
    start = RidgeProblem(A, y, np.array([0.7]), None, d, fit_intercept)
    start.Y  # noqa: B018  centred targets are not kept
    problem = start.reweighed(weight, other)
    fresh = RidgeProblem(A, other, np.array([0.7]), weight, d, fit_intercept)
    w = np.random.default_rng(2).standard_normal((8, 1))
    for found, want in zip(problem.evaluate(w), fresh.evaluate(w), strict=True):
        assert_allclose(found, want, rtol=1e-10, atol=1e-10)
    assert_allclose(problem.gradient_at_zero(), fresh.gradient_at_zero(), rtol=1e-10, atol=1e-10)
    assert_allclose(problem.intercept(w.T), fresh.intercept(w.T), rtol=1e-12)
    assert_allclose(solve_qr(problem)[0], solve_qr(fresh)[0], rtol=1e-9, atol=1e-12)


CASES = {
    "eliminated": (STORED["csr"], (300, 40), 0.1, Eliminated),
    "wide": (STORED["csc"], (60, 200), 0.1, Wide),
    "products": (STORED["C"], (300, 40), 0.5, type(None)),
    "samples": (STORED["F"], (40, 90), 0.5, type(None)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("factors", [False, True])
@pytest.mark.slow
def test_systems_follow(case, fit_intercept, factors):
    """Solutions are those of newly built systems."""
    make, (n, p), share, kind = CASES[case]
    X, y, _, _ = data(n, p, share)
    rng = np.random.default_rng(3)
    d = rng.uniform(0.5, 2.0, p) if factors else None
    problem = RidgeProblem(check_design(make(X)), y, np.array([0.5]), None, d, fit_intercept)
    systems = Systems(problem, problem.gradient_at_zero())
    assert isinstance(systems.best, kind)
    start = None
    for step in range(5):
        if step:
            weight, target = rng.uniform(0.01, 3.0, n) ** (1 + step), rng.standard_normal(n)
            problem = problem.reweighed(weight, target)
            systems.update(problem)
        coef, *_, near = solve_cg(problem, 1e-10, None, start, systems=systems)
        assert near.all()
        assert isinstance(systems.best, kind)
        want = solve_qr(problem)[0]
        assert_allclose(coef, want, rtol=1e-6, atol=1e-8 * np.abs(want).max())
        start = coef


def test_preconditioners_are_made_anew_once_they_are_far(monkeypatch):
    rng = np.random.default_rng(4)
    X = (
        rng.standard_normal((400, 30))
        @ np.diag(np.logspace(0, 3, 30))
        @ rng.standard_normal((30, 30))
    )
    problem = RidgeProblem(
        check_design(X), rng.standard_normal(400), np.array([1.0]), None, None, True
    )
    systems = Systems(problem, problem.gradient_at_zero())
    sums = []
    block = Products._block
    monkeypatch.setattr(Products, "_block", lambda self: sums.append(0) or block(self))
    near = 1.0 + 0.01 * rng.random(400)
    solve_cg(problem, 1e-8, None, None, systems=systems)
    for _ in range(3):
        problem = problem.reweighed(near, rng.standard_normal(400))
        systems.update(problem)
        solve_cg(problem, 1e-8, None, None, systems=systems)
    assert len(sums) == 1
    far = np.exp(6.0 * X[:, 0] / np.abs(X[:, 0]).max())
    for _ in range(3):
        problem = problem.reweighed(far, rng.standard_normal(400))
        systems.update(problem)
        found = solve_cg(problem, 1e-8, None, None, systems=systems)
        assert_allclose(found[0], solve_qr(problem)[0], rtol=1e-4)
    assert len(sums) == 2


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_elastic_net_problem(kind, standardize, fit_intercept):
    X, y, other, weight = data(50, 8)
    A = check_design(STORED[kind](X))
    rest = (np.linspace(0.5, 2.0, 8), np.full(8, -0.1), np.full(8, 0.2))
    rest += (fit_intercept, standardize)
    start = DescentProblem.of_data(A, y, None, *rest)
    problem = start.reweighed(weight, other)
    fresh = DescentProblem.of_data(A, other, weight, *rest)
    for name in ("square", "cross", "yy", "y", "y_mean", "lower", "upper", "null", "start"):
        assert_allclose(getattr(problem, name), getattr(fresh, name), rtol=1e-10, atol=1e-12)
    found = []
    for q in (problem, fresh):
        path = DescentPath(q, "columns", 1000, 0)
        assert path.solve(*q.penalties(0.01, 0.7), 1e-12 * q.null)
        found.append(q.to_caller(path.u))
    assert_allclose(found[0][0], found[1][0], rtol=1e-6, atol=1e-9)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-6)
