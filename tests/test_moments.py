"""Moments: sums of (X, y) that add and subtract."""

import copy
import io
import pickle
from concurrent.futures import ThreadPoolExecutor

import mpmath
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import storages
from hypothesis import example, given, settings
from hypothesis import strategies as st
from model_files import saved
from numpy.testing import assert_allclose, assert_array_equal

import fastridge
from fastridge import Moments, Ridge, linear_model, ridge

CONTAINERS = {**storages.CONTAINERS, "coo": sp.coo_array}
SUMS = ("mean", "y_mean", "gram", "cross", "yy")


def twin(X, y, weight=None):
    """The definition, in NumPy."""
    X = np.asarray(X.toarray() if sp.issparse(X) else X, dtype=np.float64)
    Y = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
    s = np.ones(len(X)) if weight is None else np.asarray(weight)
    total = s.sum()
    mean, y_mean = s @ X / total, s @ Y / total
    A, B = X - mean, Y - y_mean
    return {
        "total_weight": total,
        "mean": mean,
        "y_mean": y_mean,
        "gram": (A * s[:, None]).T @ A,
        "cross": (A * s[:, None]).T @ B,
        "yy": (s[:, None] * B * B).sum(axis=0),
    }


def made(n=200, p=6, k=None, seed=0, density=None):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.geomspace(0.1, 10.0, p) + rng.standard_normal(p)
    if density is not None:
        X *= rng.random((n, p)) < density
    W = rng.standard_normal((p, k or 1))
    Y = X @ W + 0.5 * rng.standard_normal((n, k or 1)) + 3.0
    return X, Y if k else Y[:, 0], rng.uniform(0.2, 2.0, n)


def chunks(n, parts, seed=0):
    return np.array_split(np.random.default_rng(seed).permutation(n), parts)


def agree(a, b, rtol=1e-11):
    assert a.n_features == b.n_features
    assert a.n_targets == b.n_targets
    assert a.n_samples == b.n_samples
    assert a.dtype == b.dtype
    assert_allclose(a.total_weight, b.total_weight, rtol=rtol)
    for name in SUMS:
        ours, theirs = getattr(a, name), getattr(b, name)
        assert_allclose(ours, theirs, rtol=rtol, atol=rtol * (1e-3 + np.abs(theirs).max(initial=0)))


def same(a, b):
    assert type(a) is type(b) is Moments
    for name in Moments.__slots__:
        assert_array_equal(getattr(a, name), getattr(b, name))


def round_trip(thing):
    file = io.BytesIO()
    fastridge.save(thing, file)
    file.seek(0)
    return fastridge.load(file)


# The sums.


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [None, 1, 3])
@pytest.mark.parametrize("container", CONTAINERS)
def test_sums_are_the_formulas(container, k, weighted):
    X, y, weight = made(k=k, density=0.5)
    weight = weight if weighted else None
    moments = Moments(CONTAINERS[container](X), y, weight)
    expected = twin(X, y, weight)
    assert (moments.n_features, moments.n_targets, moments.n_samples) == (6, k or 1, 200)
    assert_allclose(moments.total_weight, expected["total_weight"])
    for name in SUMS:
        assert_allclose(getattr(moments, name), expected[name], rtol=1e-11, atol=1e-9)
    assert_array_equal(moments.gram, moments.gram.T)
    assert repr(moments).startswith(f"Moments(n_features=6, n_targets={k or 1}, n_samples=200,")


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 40),
    p=st.integers(1, 9),
    parts=st.integers(1, 12),
    seed=st.integers(0, 10**6),
    zeros=st.booleans(),
)
@example(n=2, p=1, parts=2, seed=0, zeros=True)
def test_any_chunks_in_any_order(n, p, parts, seed, zeros):
    X, y, weight = made(n, p, seed=seed)
    if zeros:
        weight[: n // 2] = 0.0
    whole = Moments(X, y, weight)
    moments = Moments()
    for rows in chunks(n, parts, seed):
        if len(rows):
            assert moments.update(X[rows], y[rows], weight[rows]) is moments
    agree(moments, whole)
    assert_array_equal(moments.gram, moments.gram.T)


def test_chunks_of_different_kinds():
    X, y, weight = made(density=0.5)
    moments = Moments(X[:50], y[:50], weight[:50])
    moments.update(sp.csr_array(X[50:90]), y[50:90], weight[50:90])
    moments.update(sp.csc_array(X[90:91]), y[90:91, None], weight[90:91])
    moments.update(X[91:].tolist(), y[91:].tolist(), weight[91:].tolist())
    agree(moments, Moments(X, y, weight))


def test_addition_and_subtraction_are_a_group():
    X, y, weight = made()
    a, b, c = (Moments(X[r], y[r], weight[r]) for r in chunks(200, 3))
    before = copy.deepcopy((a, b, c))
    whole = Moments(X, y, weight)
    agree(a + b, b + a)
    agree((a + b) + c, a + (b + c))
    agree(sum([a, b, c]), whole)
    agree(whole - c, a + b)
    agree(whole - b - c, a, 1e-10)
    agree((a + b) - b, a, 1e-10)
    empty = Moments()
    same(a + empty, a)
    same(empty + a, a)
    same(a - empty, a)
    same(empty + empty, empty)
    for now, then in zip((a, b, c), before, strict=True):
        same(now, then)
    total = a.copy()
    kept = total
    total += b
    total -= a
    assert total is kept
    agree(total, b, 1e-10)


def test_result_shares_nothing_with_its_parts():
    X, y, _ = made()
    a, b = Moments(X[:99], y[:99]), Moments(X[99:], y[99:])
    for result in (a + b, Moments() + a, a + Moments(), a.copy(), copy.copy(a), copy.deepcopy(a)):
        for name in ("gram", "cross", "yy", "_shift", "_offset", "_y_shift", "_y_offset"):
            for part in (a, b):
                assert not np.shares_memory(getattr(result, name), getattr(part, name))


def test_weights_are_repetition():
    X, y, _ = made(n=30)
    times = np.random.default_rng(1).integers(0, 4, 30)
    weighted, repeated = Moments(X, y, times), Moments(X.repeat(times, 0), y.repeat(times))
    weighted.n_samples = repeated.n_samples
    agree(weighted, repeated)
    doubled = Moments(X, y, 2.0)
    assert_allclose(doubled.total_weight, 60.0)
    assert_allclose(doubled.gram, 2 * Moments(X, y).gram)


def test_rows_of_no_weight_count_and_add_nothing():
    X, y, _ = made(n=20)
    none = Moments(X, y, np.zeros(20))
    assert (none.n_samples, none.total_weight, none.n_features) == (20, 0.0, 6)
    for moments in (none + Moments(X, y), Moments(X, y) + none):
        assert moments.n_samples == 40
        assert_allclose(moments.gram, Moments(X, y).gram)
    assert (Moments(X, y) + none - none).n_samples == 20
    with pytest.raises(ValueError, match="NaN"):
        Moments(np.full((2, 1), np.nan), [1.0, 2.0], [0.0, 0.0])


@pytest.mark.parametrize("container", CONTAINERS)
def test_float32_is_summed_in_float64(container):
    X, y, _ = made(n=2000, density=0.5)
    X = X.astype(np.float32)
    moments = Moments(CONTAINERS[container](X), y)
    assert moments.dtype == np.float32
    assert moments.gram.dtype == np.float64
    assert_allclose(moments.gram, twin(X, y)["gram"], rtol=1e-11, atol=1e-8)
    assert ridge(moments).coef.dtype == np.float32
    assert Ridge().fit_moments(moments).coef_.dtype == np.float32
    assert (moments + moments).dtype == np.float32
    assert (moments + Moments(X.astype(float), y)).dtype == np.float64
    assert (Moments() + moments).dtype == np.float32


@pytest.mark.parametrize("container", ["C", "csr", "csc"])
@pytest.mark.parametrize("value", [0.1, 7.3, 1e8 / 3, 0.0])
def test_constant_columns_are_seen(container, value):
    X, y, weight = made(n=1001, p=3)
    X[:, 1] = value
    X = CONTAINERS[container](X)
    if container != "C":
        X = X.tocsr()
    parts = [Moments(X[i::7], y[i::7], weight[i::7]) for i in range(7)]
    for moments in (Moments(X, y, weight), sum(parts), sum(parts) - parts[3]):
        assert not moments.gram[1].any()
        assert not moments.gram[:, 1].any()
        assert not moments.cross[1].any()
        for alpha in (0.0, 1.0):
            assert ridge(moments, alpha=alpha, standardize=True).coef[1] == 0


# Means far from zero.


def exact_ridge(X, y, alpha):
    """Centred ridge in 60 digits."""
    with mpmath.workdps(60):
        n, p = X.shape
        A, b = mpmath.matrix(X.tolist()), mpmath.matrix(y.tolist())
        for j in range(p):
            mean = mpmath.fsum(A[:, j]) / n
            for i in range(n):
                A[i, j] -= mean
        mean = mpmath.fsum(b) / n
        b = b - mpmath.matrix([mean] * n)
        w = mpmath.lu_solve(A.T * A + mpmath.diag([alpha] * p), A.T * b)
        return np.array([float(v) for v in w])


@pytest.mark.parametrize("container", ["C", "F", "csr", "csc"])
@pytest.mark.parametrize("drift", [0.0, 1e4])
def test_means_of_1e8_cost_no_accuracy(container, drift):
    rng = np.random.default_rng(0)
    n, p = 300, 4
    X = 1e8 + rng.standard_normal((n, p)) + drift * np.arange(n)[:, None] / n * [1, 0, 1, 0]
    X[:, 2] *= -3.0
    y = (X - X.mean(0)) @ [1.0, -2.0, 0.5, 3.0] + rng.standard_normal(n) - 5e7
    make = CONTAINERS[container]
    parts = [Moments(make(X[rows]), y[rows]) for rows in chunks(n, 10)]
    updated = Moments()
    for rows in np.array_split(np.arange(n), 23):
        updated.update(make(X[rows]), y[rows])
    exact = exact_ridge(X, y, 1.0)
    for moments in (
        Moments(make(X), y),
        updated,
        sum(parts),
        sum(parts[3:], sum(parts)) - sum(parts[3:]),
        updated + Moments(make(X[:50] + 1e3), y[:50]) - Moments(make(X[:50] + 1e3), y[:50]),
    ):
        assert_allclose(ridge(moments, alpha=1.0).coef, exact, rtol=0, atol=1e-6)
        assert_allclose(moments.mean, X.mean(0), rtol=1e-14)


def test_subtraction_keeps_what_the_numbers_hold():
    rng = np.random.default_rng(0)
    X = 1e8 + rng.standard_normal((5000, 3))
    y = (X - 1e8) @ [1.0, -2.0, 0.5] + 0.1 * rng.standard_normal(5000)
    total = Moments(X, y)
    # all but ten rows taken away again, in fifty parts
    for rows in np.array_split(np.arange(10, 5000), 50):
        total -= Moments(X[rows], y[rows])
    assert_allclose(ridge(total).coef, exact_ridge(X[:10], y[:10], 1.0), rtol=0, atol=1e-6)


# Errors.


def test_errors_name_the_argument():
    X, y, _ = made(n=20)
    moments = Moments(X, y)
    before = moments.copy()
    bad = X.copy()
    bad[3, 2] = np.nan
    frame = pd.DataFrame(X, columns=list("abcdef"))
    named = Moments(frame, y)
    cases = [
        (lambda: Moments(X), ValueError, "y is None|y to be passed"),
        (lambda: Moments(None, y), ValueError, "X is None"),
        (lambda: Moments(sample_weight=y), ValueError, "sample_weight is given without X"),
        (lambda: Moments(bad, y), ValueError, "X contains NaN, at row and column 3, 2"),
        (lambda: Moments(sp.csr_array(bad), y), ValueError, "X contains NaN"),
        (lambda: Moments(X, y[:-1]), ValueError, "y has 19 rows"),
        (lambda: Moments(X, y, -np.ones(20)), ValueError, r"sample_weight\[0\] == -1"),
        (lambda: Moments(X, y, np.ones(3)), ValueError, r"sample_weight has shape \(3,\)"),
        (lambda: Moments(1e200 * X, y), ValueError, "X and y, .* overflow float64"),
        (lambda: Moments(X, 1e200 * y), ValueError, "X and y, .* overflow float64"),
        (lambda: moments.update(X[:, :3], y), ValueError, "X has 3 features, but Moments is"),
        (lambda: moments.update(X, np.c_[y, y]), ValueError, r"y has 2 target\(s\); expected 1"),
        (lambda: moments + Moments(X[:, :3], y), ValueError, "n_features=3; expected 6"),
        (lambda: moments - Moments(X, np.c_[y, y]), ValueError, "n_targets=2; expected 1"),
        (lambda: named.update(frame[list("fedcba")], y), ValueError, "feature name 'f'"),
        (lambda: moments - moments, ValueError, "leaves a positive weight"),
        (lambda: moments - Moments(X, y, 3.0), ValueError, "leaves a positive weight"),
        (lambda: moments - Moments(5 * X[:10], y[:10]), ValueError, "column . of X has a sum"),
        (lambda: moments - Moments(X[:10], 99 * y[:10]), ValueError, "column 0 of y has a sum"),
        (lambda: Moments() - moments, ValueError, "these moments have none"),
        (lambda: moments + 1, TypeError, "unsupported operand"),
        (lambda: 1 - moments, TypeError, "unsupported operand"),
    ]
    for call, error, words in cases:
        with pytest.raises(error, match=words):
            call()
        same(moments, before)


def test_feature_names_are_kept():
    X, y, _ = made()
    frame = pd.DataFrame(X, columns=list("abcdef"))
    moments = Moments(frame, y)
    assert list(moments.feature_names) == list("abcdef")
    for more in (moments + moments, Moments() + moments, moments + Moments(X, y), moments.copy()):
        assert list(more.feature_names) == list("abcdef")
    assert list(round_trip(moments).feature_names) == list("abcdef")
    assert Moments(X, y).feature_names is None
    assert list(Ridge().fit_moments(moments).feature_names_in_) == list("abcdef")


# Files.


@pytest.mark.parametrize("k", [None, 2])
def test_saved_loaded_and_pickled(tmp_path, k):
    X, y, weight = made(k=k)
    moments = Moments(X[:99], y[:99], weight[:99]).update(X[99:], y[99:], weight[99:])
    fastridge.save(moments, tmp_path / "moments")
    for again in (
        fastridge.load(tmp_path / "moments"),
        round_trip(moments),
        pickle.loads(pickle.dumps(moments)),
    ):
        same(again, moments)
        assert_array_equal(ridge(again).coef, ridge(moments).coef)
        again.update(X, y)
    same(round_trip(Moments()), Moments())


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("gram", np.eye(5), "gram must be"),
        ("gram", np.full((6, 6), np.nan), "gram must be .* finite"),
        ("gram", -np.eye(6), "sums of squares"),
        ("cross", np.zeros((6, 1), np.float32), "cross must be"),
        ("yy", [1.0], "yy must be"),
        ("total_weight", -1.0, "at least 0"),
        ("total_weight", 3, "total_weight must be"),
        ("n_samples", -3, "at least 0"),
        ("_dtype", "int8", "dtype must be"),
        ("_y_ndim", 3, "_y_ndim must be"),
        ("_shift", None, "_shift must be"),
        ("feature_names", np.array(["a"], dtype=object), "feature_names must be"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(field, value, words):
    moments = Moments(*made()[:2])
    setattr(moments, field, value)
    with pytest.raises(ValueError, match=f"model is a Moments that.*{words}"):
        round_trip(moments)
    with pytest.raises(fastridge.io.ModelFileError, match=words):
        fastridge.load(io.BytesIO(saved(moments, checked=False)))


def test_no_target_of_features_is_refused():
    moments = Moments(*made()[:2])
    moments.cross = moments.cross[:, :0]
    moments.yy = moments._y_shift = moments._y_offset = np.zeros(0)
    with pytest.raises(ValueError, match="number of targets must be at least 1"):
        round_trip(moments)


@pytest.mark.parametrize("name", linear_model.__all__)
def test_estimators_point_to_where_moments_go(name):
    X, y = np.eye(4), np.arange(4.0)
    moments = Moments(X, y)
    # warnings of its defaults
    said = {"l1_ratios": (0.0,), "use_legacy_attributes": False, "scoring": "accuracy"}
    model = getattr(linear_model, name)(**said if name == "LogisticRegressionCV" else {})
    calls = [(moments, y)] + [(moments,)] * hasattr(model, "fit_moments")
    for arguments in calls:
        with pytest.raises(TypeError, match=r"^X is Moments.* fit_moments of Ridge"):
            model.fit(*arguments)


def test_updates_from_several_threads_lose_nothing():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((4000, 5)), rng.standard_normal(4000)
    total, start = fastridge.Moments(), fastridge.Moments(X, y)
    left = start.copy()

    def add(rows):
        for part in np.array_split(rows, 20):
            total.update(X[part], y[part])

    def take(rows):
        nonlocal left
        for part in np.array_split(rows, 10):
            left -= fastridge.Moments(X[part], y[part])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, np.array_split(np.arange(4000), 4)))
        list(pool.map(take, np.array_split(np.arange(2000), 4)))
    assert total.n_samples == 4000
    np.testing.assert_allclose(total.gram, start.gram, rtol=1e-10, atol=1e-8)
    expected = fastridge.Moments(X[2000:], y[2000:])
    assert left.n_samples == 2000
    np.testing.assert_allclose(left.gram, expected.gram, rtol=1e-9, atol=1e-8)


def test_moments_added_to_each_other_by_two_threads_do_not_wait_for_ever():
    X = np.random.default_rng(0).standard_normal((20, 3))
    a, b = fastridge.Moments(X, X[:, 0]), fastridge.Moments(X, X[:, 1])

    def cross(pair):
        one, other = pair
        for _ in range(200):
            one + other
            other.copy()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(cross, [(a, b), (b, a)]))
    assert (a + a).n_samples == 40
