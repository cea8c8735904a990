"""Block coordinate descent for several targets on a Gram matrix, with Newton steps."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fastridge._groups import GroupDescent, dual_value
from fastridge._runtime import instruction_sets, set_instruction_set


def problem(n, m, k, seed=0, l2=0.0, kind="plain"):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, m))
    if kind == "copies":
        A[:, m // 2 :] = A[:, : m - m // 2]
    elif kind == "walk":
        A = np.cumsum(A, axis=1)
    Y = A[:, :3] @ rng.standard_normal((min(m, 3), k)) + rng.standard_normal((n, k))
    gram, cross = A.T @ A / n, np.ascontiguousarray(Y.T @ A / n)
    largest = np.linalg.norm(cross, axis=0).max()
    factor = rng.uniform(0.5, 2.0, m)
    return gram, 0.05 * largest * factor, l2 * factor, cross, float(np.sum(Y**2) / n)


def violation(gram, l1, l2, cross, W):
    """Largest error of the optimality conditions, over the largest l1."""
    G = np.asarray(gram, dtype=np.longdouble)
    g = cross - W @ G - l2 * W
    size = np.linalg.norm(W.astype(float), axis=0)
    live = size > 0
    at = np.linalg.norm((g[:, live] - l1[live] * W[:, live] / size[live]).astype(float), axis=0)
    zero = np.linalg.norm(g[:, ~live].astype(float), axis=0) - l1[~live]
    return max(at.max(initial=0), zero.max(initial=0)) / l1.max()


def solve(gram, l1, l2, cross, yy, W=None, tol=1e-10, max_iter=1000, **options):
    W = np.zeros_like(cross) if W is None else W.copy()
    W_dual = np.full_like(W, np.nan)
    options.setdefault("exact", 2)
    found = GroupDescent(options.pop("most_direct", 1500)).solve(
        gram, l1, l2, cross, yy, W, W_dual, tol * yy, max_iter, **options
    )
    return W, W_dual, *found


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize(("n", "m"), [(50, 1), (60, 12), (40, 100)])
@pytest.mark.parametrize("kind", ["plain", "copies", "walk"])
def test_optimality_conditions_hold_to_rounding(n, m, k, l2, kind):
    gram, l1, l2, cross, yy = problem(n, m, k, l2=l2, kind=kind)
    W, W_dual, objective, dual, n_iter, settled = solve(gram, l1, l2, cross, yy)
    assert settled
    assert 0 < n_iter < 500
    assert violation(gram, l1, l2, cross, W) < 1e-9
    size = np.linalg.norm(W, axis=0)
    value = 0.5 * yy - np.sum(cross * W) + 0.5 * np.sum(W * (W @ gram)) + l1 @ size
    assert_allclose(objective, value + 0.5 * l2 @ size**2, rtol=1e-12)
    assert objective - dual <= 1e-10 * yy
    assert_allclose(W_dual, W, atol=1e-4 * size.max() if l2.any() else 1e-3 * size.max())


@pytest.mark.parametrize("scale", [1e-100, 1e-8, 1e8, 1e100])
def test_scale_has_no_influence(scale):
    gram, l1, l2, cross, yy = problem(60, 30, 3)
    W = solve(gram, l1, l2, cross, yy)[0]
    # columns and targets times scale
    other = solve(gram * scale, l1 * scale, l2 * scale, cross * scale, yy * scale)[0]
    assert_allclose(other, W, rtol=1e-9, atol=1e-12)


def test_factors_and_conjugate_gradients_agree():
    args = problem(80, 60, 4)
    exact = solve(*args)
    rough = solve(*args, most_direct=0)
    assert_allclose(rough[0], exact[0], rtol=1e-6, atol=1e-9)


def test_random_order_and_starts_give_the_same():
    args = problem(80, 60, 4)
    W = solve(*args)[0]
    assert_allclose(solve(*args, seed=7)[0], W, rtol=1e-8, atol=1e-10)
    start = np.random.default_rng(0).standard_normal(W.shape)
    assert_allclose(solve(*args, W=start)[0], W, rtol=1e-8, atol=1e-10)


def test_without_exactness_the_gap_is_enough():
    args = problem(80, 60, 4)
    *_, objective, dual, n_iter, _ = solve(*args, tol=1e-3, exact=0)
    assert objective - dual <= 1e-3 * args[-1]
    assert n_iter <= solve(*args, tol=1e-3)[4]


@pytest.mark.parametrize("max_iter", [0, 1, 3])
def test_iterations_are_bounded(max_iter):
    gram, l1, l2, cross, yy = problem(50, 60, 3, kind="walk")
    *_, n_iter, settled = solve(gram, l1 / 100, l2, cross, yy, tol=0.0, max_iter=max_iter)
    assert n_iter <= max_iter
    assert not settled


def test_a_tolerance_of_nothing_ends():
    gram, l1, l2, cross, yy = problem(50, 60, 3)
    *_, n_iter, settled = solve(gram, l1, l2, cross, yy, tol=0.0)
    assert settled
    assert n_iter < 100


def test_every_instruction_set():
    gram, l1, l2, cross, yy = problem(60, 70, 3)
    before = instruction_sets()[-1]
    found = []
    try:
        for name in instruction_sets():
            set_instruction_set(name)
            found.append(solve(gram, l1, l2, cross, yy)[0])
    finally:
        set_instruction_set(before)
    for W in found:
        assert_allclose(W, found[0], rtol=1e-8, atol=1e-11)


def test_the_number_of_threads_changes_no_bit():
    args = problem(400, 300, 3)
    W = solve(*args, n_threads=1)[0]
    for n in (2, 3):
        np.testing.assert_array_equal(solve(*args, n_threads=n)[0], W)


def test_solvers_in_threads():
    problems = [problem(60, 40, 3, seed=s) for s in range(4)]
    expected = [solve(*p)[0] for p in problems]
    found = [None] * 4

    def run(i):
        found[i] = solve(*problems[i])[0]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_memory_is_used_again():
    q = GroupDescent()
    for m, k in [(40, 2), (10, 5), (60, 1), (5, 2)]:
        gram, l1, l2, cross, yy = problem(80, m, k)
        larger = np.zeros((m + 7, m + 7))
        larger[:m, :m] = gram
        W, W_dual = np.zeros_like(cross), np.zeros_like(cross)
        q.solve(larger, l1, l2, cross, yy, W, W_dual, 1e-10 * yy, 1000)
        assert violation(gram, l1, l2, cross, W) < 1e-9


@pytest.mark.slow
def test_dual_value():
    rng = np.random.default_rng(0)
    l1, norm, square = rng.uniform(1, 2, 8), rng.uniform(0, 3, 8), np.ones(8)
    yy, yr, rr = 10.0, 5.0, 4.0

    def value(t, l2):
        over = np.maximum(t * norm - l1, 0)
        if l2.any():
            return t * yr - t * t * rr / 2 - np.sum(over**2 / (2 * l2))
        return t * yr - t * t * rr / 2 if (over <= 1e-9).all() else -np.inf

    grid = np.linspace(0, 3, 30001)
    # exact without an L2 part; a lower bound of the best with one
    zero = np.zeros(8)
    best = max(value(t, zero) for t in grid)
    assert_allclose(dual_value(l1, zero, square, norm, yy, yr, rr), best, rtol=1e-3)
    l2 = rng.uniform(0.5, 1, 8)
    best = max(value(t, l2) for t in grid)
    found = dual_value(l1, l2, square, norm, yy, yr, rr)
    assert max(value(1.0, l2), 0) - 1e-9 <= found <= best + 1e-9


def test_a_penalty_below_rounding_shows_no_gap():
    """|g_j| is round-off, whatever the penalty."""
    zero = np.zeros(3)
    norm = np.full(3, 1e-15)
    for l1 in (1e-14, 1e-16, 1e-300):
        found = dual_value(np.full(3, l1), zero, np.ones(3), norm, 2.0, 1.0, 1.0)
        assert_allclose(found, 0.5)


def test_wrong_shapes_are_refused():
    gram, l1, l2, cross, yy = problem(50, 10, 3)
    q = GroupDescent()
    W = np.zeros_like(cross)
    with pytest.raises(ValueError, match="l2: expected 10 elements; got 9"):
        q.solve(gram, l1, l2[1:], cross, yy, W, W, 0.0, 1)
    with pytest.raises(ValueError, match=r"cross: expected shape \(3, 10\); got \(2, 10\)"):
        q.solve(gram, l1, l2, cross[1:], yy, W, W.copy(), 0.0, 1)
    with pytest.raises(ValueError, match="gram: expected at least 10 rows and columns"):
        q.solve(gram[:9].copy(), l1, l2, cross, yy, W, W.copy(), 0.0, 1)
    empty = np.zeros((3, 0))
    assert q.solve(gram, l1[:0], l2[:0], empty, 2.0, empty, empty, 0.0, 9) == (1.0, 1.0, 0, True)
