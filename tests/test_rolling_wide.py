"""rolling_ridge of many features, by factors of rows that windows share."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rolling_windows import agree, expected, made, options, weights

import fastridge
from fastridge import reference, ridge, rolling_ridge
from fastridge.solvers.rolling import wide, windows


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(windows, "_WIDE", 0)


CASES = options(40, 20.0, 3) | {
    "short half-life": {"half_life": 0.7, "min_samples": 6},
    "long steps": {"window": 40, "step": 37, "min_samples": 5},
}


@pytest.mark.filterwarnings("ignore:no window is fitted")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_every_window_is_a_fit_of_its_rows(always, case, weighted):
    given = CASES[case]
    rng = np.random.default_rng(1)
    X, y = made(200, 3, offset=30.0)
    more = {}
    if weighted:
        more["groups"] = rng.integers(0, 2, len(y)) ** 2
        given = {"min_samples": 5} | given if given.get("window", 9) > 5 else given
        more |= weights(rng, len(y), given)
    ours = rolling_ridge(X, y, **given, **more)
    agree(ours, expected(X, y, given, more))
    assert ours.converged


@pytest.mark.parametrize("given", [{"window": 400}, {"expanding": True}, {"half_life": 150.0}])
def test_many_features_far_from_zero(given):
    X, y = made(900, 150, offset=1e6)
    X[:, 3] = 0.1  # constant
    X[:, 4] = np.arange(900) % 300 == 7  # rarely varies
    ours = rolling_ridge(X, y, alpha=2.0, min_samples=300, step=2, **given)
    assert ours.converged
    assert ours.n_refits == 0
    for i in np.flatnonzero(np.isfinite(ours.intercept))[::40]:
        t = ours.row[i]
        start = max(0, t - given.get("window", 900) + 1)
        fade = 0.5 ** (np.arange(t - start, -1, -1) / given.get("half_life", np.inf))
        one = ridge(X[start : t + 1], y[start : t + 1], 2.0, sample_weight=fade)
        assert_allclose(ours.coef[i], one.coef, rtol=1e-9, atol=1e-9)
        if t + 1 < 900:
            assert_allclose(ours.prediction[t + 1], X[t + 1] @ one.coef + one.intercept, rtol=1e-12)
    assert (ours.coef[np.isfinite(ours.intercept), 3] == 0).all()


def test_windows_share_factors(monkeypatch):
    X, y = made(1200, 150)
    factored = []
    factor = wide.lapack.factor
    monkeypatch.setattr(wide.lapack, "factor", lambda M: (factored.append(len(M)), factor(M))[1])
    ours = rolling_ridge(X, y, window=400, alpha=1.0)
    assert len(factored) < len(ours.row) / 20


def test_blocks_are_halved_where_the_common_rows_do_not_determine_a_fit(always):
    # fewer common rows than features, and almost no penalty
    X, y = made(200, 20)
    ours = rolling_ridge(X, y, window=24, alpha=1e-9)
    theirs = reference.rolling_ridge(X, y, window=24, alpha=1e-9, min_samples=24)
    assert ours.converged
    assert_allclose(ours.coef, theirs.coef, rtol=1e-6)
    X[:, 2] = X[:, 0] + 1e-6 * X[:, 2]
    ours = rolling_ridge(X, y, window=40, alpha=1e-14)
    assert ours.n_refits == 161
    one = ridge(X[50:90], y[50:90], 1e-14)
    assert_allclose(ours.coef[89], one.coef, rtol=1e-8)


def test_an_outlier_among_the_added_rows(always):
    X, y = made(300, 10)
    X[150] *= 1e7
    ours = rolling_ridge(X, y, window=60, alpha=0.1)
    # sums lose the other rows beside it
    assert ours.n_refits == 60
    for t in (145, 149, 150, 155, 205, 209, 210, 230):
        one = ridge(X[t - 59 : t + 1], y[t - 59 : t + 1], 0.1)
        assert_allclose(ours.coef[t], one.coef, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("scale", [1e-160, 1e160])
def test_scales(always, scale):
    X, y = made(200, 4)
    near = rolling_ridge(X, y, window=50, alpha=0.3)
    by_x = rolling_ridge(X * scale, y, window=50, alpha=0.0)
    with np.errstate(over="ignore"):
        by_y = rolling_ridge(X, y * scale, window=50, alpha=0.3)
    weight = np.full(200, scale)
    by_weight = rolling_ridge(X, y, window=50, alpha=0.3 * scale, sample_weight=weight)
    free = rolling_ridge(X, y, window=50, alpha=0.0)
    assert_allclose(by_x.coef * scale, free.coef, rtol=1e-9)
    assert_allclose(by_x.prediction, free.prediction, rtol=1e-9)
    assert_allclose(by_y.coef / scale, near.coef, rtol=1e-9)
    assert_allclose(by_weight.coef, near.coef, rtol=1e-9)
    X[:, 1] *= scale
    one = rolling_ridge(X, y, window=50, alpha=0.0)
    assert_allclose(one.coef * [1.0, scale, 1.0, 1.0], free.coef, rtol=1e-9)


def test_float32_and_threads():
    X, y = made(12_000, 145)
    X = X.astype(np.float32)
    results = []
    for n in (1, 2):
        with fastridge.num_threads(n):
            results.append(rolling_ridge(X, y, window=300, alpha=[0.1, 10.0], step=400))
    assert results[0].coef.dtype == np.float32
    assert_array_equal(results[0].coef, results[1].coef)
    assert_array_equal(results[0].prediction, results[1].prediction)
    t = results[0].row[20]
    one = ridge(X[t - 299 : t + 1], y[t - 299 : t + 1], results[0].alpha[20])
    assert_allclose(results[0].coef[20], one.coef, rtol=1e-5, atol=1e-6)


def test_equal_penalties_of_a_block_need_no_conjugate_gradients(always, monkeypatch):
    X, y = made(200, 10, offset=30.0)
    monkeypatch.setattr(wide, "_ENOUGH", 0.0)  # corrections in any case
    steps = []
    conjugate = wide._System._conjugate

    def counted(self, *args):
        steps.append(1)
        return conjugate(self, *args)

    monkeypatch.setattr(wide._System, "_conjugate", counted)
    # the square of the root of 2 is not 2
    assert rolling_ridge(X, y, window=40, alpha=2.0).converged
    assert not steps
    assert rolling_ridge(X, y, half_life=40.0, alpha=2.0).converged
    assert steps


def test_predictions_do_not_know_later_rows(always):
    X, y = made(200, 5)
    moved = y.copy()
    moved[77] += 1e6
    for given in ({"window": 40}, {"half_life": 9.0}, {"window": 40, "alpha": [0.1, 10.0]}):
        before, after = rolling_ridge(X, y, **given), rolling_ridge(X, moved, **given)
        assert_array_equal(before.prediction[:78], after.prediction[:78])
        assert before.prediction[78] != after.prediction[78]
