"""rolling_ridge: every window has the solution of ridge on its rows."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rolling_windows import agree, expected, made, options, weights

import fastridge
from fastridge import Moments, _cpu, _rolling, _runtime, reference, ridge, rolling_ridge


@pytest.fixture(params=_cpu.instruction_sets())
def isa(request):
    before = _cpu.get_instruction_set()
    _cpu.set_instruction_set(request.param)
    yield
    _cpu.set_instruction_set(before)


CASES = options(20, 7.0, 7)


@pytest.fixture
def restored():
    before = _cpu.get_instruction_set()
    yield
    _cpu.set_instruction_set(before)


@pytest.mark.filterwarnings("ignore:no window is fitted")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_every_window_is_a_fit_of_its_rows(restored, case, grouped, weighted):
    given = CASES[case]
    rng = np.random.default_rng(1)
    X, y = made()
    more = {}
    if grouped:
        more["groups"] = rng.integers(0, 4, len(y)) ** 2
    if weighted:
        more |= weights(rng, len(y), given)
    theirs = expected(X, y, given, more)
    for name in _cpu.instruction_sets():
        _cpu.set_instruction_set(name)
        ours = rolling_ridge(X, y, **given, **more)
        agree(ours, theirs)
        assert ours.converged


@pytest.mark.parametrize("given", [{"window": 700}, {"window": 1700}, {"expanding": True}])
@pytest.mark.parametrize("half_life", [None, 60.0])
@pytest.mark.parametrize("step", [1, 3])
def test_windows_of_several_blocks(given, half_life, step):
    X, y = made(4000, 2, offset=1e6)
    weight = np.random.default_rng(2).uniform(0.0, 2.0, 4000)
    weight[1000:1600] = 0.0  # a block and more without a row
    weight[:5] = 0.0
    ours = rolling_ridge(
        X, y, **given, min_samples=5, half_life=half_life, step=step, sample_weight=weight
    )
    rows = np.random.default_rng(3).integers(0, len(ours.row), 60)
    for i in rows:
        t = ours.row[i]
        part = slice(max(0, t - given.get("window", 4000) + 1), t + 1)
        fade = 1.0 if half_life is None else 0.5 ** (np.arange(t - part.start, -1, -1) / half_life)
        if np.count_nonzero(weight[part]) < 5:
            assert np.isnan(ours.coef[i]).all()
            continue
        one = reference.ridge(X[part], y[part], 1.0, sample_weight=weight[part] * fade)
        assert_allclose(ours.coef[i], one.coef, rtol=1e-8, atol=1e-8)
        if t + 1 < 4000:
            assert_allclose(ours.prediction[t + 1], X[t + 1] @ one.coef + one.intercept, rtol=1e-9)


def test_predictions_do_not_know_their_row():
    X, y = made()
    moved = y.copy()
    moved[77] += 1e6
    for given in ({"window": 10}, {"half_life": 5.0}, {"window": 10, "alpha": [0.1, 10.0]}):
        before, after = rolling_ridge(X, y, **given), rolling_ridge(X, moved, **given)
        assert_array_equal(before.prediction[:78], after.prediction[:78])
        assert before.prediction[78] != after.prediction[78]
        # rows that have left a window have no effect
        if "window" in given and np.ndim(given.get("alpha", 0.0)) == 0:
            assert_array_equal(before.coef[:77], after.coef[:77])
            assert_allclose(before.coef[87:], after.coef[87:], rtol=1e-13)


def test_weights_are_repetition():
    X, y = made(60)
    weight = np.random.default_rng(0).integers(1, 4, 60)
    ours = rolling_ridge(X, y, expanding=True, sample_weight=weight, min_samples=1)
    rows = np.repeat(np.arange(60), weight)
    twice = rolling_ridge(X[rows], y[rows], expanding=True, min_samples=1)
    last = np.cumsum(weight) - 1
    assert_allclose(ours.coef[1:], twice.coef[last][1:], rtol=1e-9, atol=1e-12)
    assert_allclose(ours.prediction[1:], twice.prediction[last + 1 - weight][1:], rtol=1e-9)


def test_gaps():
    X, y = made(80)
    weight = np.ones(80)
    weight[[10, 11, 40]] = 0.0
    wild = X.copy()
    wild[[10, 40]] = 1e100
    ours = rolling_ridge(wild, y, window=12, min_samples=8, sample_weight=weight)
    theirs = reference.rolling_ridge(X, y, window=12, min_samples=8, sample_weight=weight)
    theirs.prediction[[10, 40]] = ours.prediction[[10, 40]]
    agree(ours, theirs)
    missing = np.where(weight[:, None] == 0, np.nan, X)
    missing[11] = X[11]
    gone = y.copy()
    gone[11] = np.nan
    found = rolling_ridge(missing, gone, window=12, min_samples=8, nan_policy="omit")
    assert_array_equal(found.coef, ours.coef)
    assert np.isnan(found.prediction[[10, 40]]).all()
    # y alone is missing there
    assert found.prediction[11] == ours.prediction[11]
    with pytest.raises(ValueError, match="NaN"):
        rolling_ridge(missing, y, window=12)
    with pytest.raises(ValueError, match="NaN"):
        rolling_ridge(X, gone, window=12)


def test_panels_are_separate_calls():
    X, y = made(900)
    groups = np.random.default_rng(0).choice(["a", "b", "c"], 900)
    for given in ({"window": 30}, {"expanding": True}, {"window": 30, "step": 4, "half_life": 9.0}):
        ours = rolling_ridge(X, y, groups=groups, **given)
        for label in "abc":
            rows = np.flatnonzero(groups == label)
            alone = rolling_ridge(X[rows], y[rows], **given)
            windows = np.isin(ours.row, rows)
            assert_array_equal(ours.row[windows], rows[alone.row])
            assert_array_equal(ours.coef[windows], alone.coef)
            assert_array_equal(ours.prediction[rows], alone.prediction)


@pytest.mark.parametrize("given", [{"window": 40}, {"window": 900}, {"half_life": 30.0}])
def test_same_bits_for_any_number_of_threads(given):
    X, y = made(30000, 5)
    results = []
    before = _runtime.get_serial_below()
    try:
        _runtime.set_serial_below(0)
        for n in (1, 2, 3):
            with fastridge.num_threads(n):
                results.append(rolling_ridge(X, y, alpha=[0.1, 1.0], **given))
    finally:
        _runtime.set_serial_below(before)
    for other in results[1:]:
        assert_array_equal(other.coef, results[0].coef)
        assert_array_equal(other.prediction, results[0].prediction)


@pytest.mark.parametrize("offset", [1e6, 1e8])
@pytest.mark.parametrize("window", [252, 3000])
@pytest.mark.slow
def test_a_million_rows_far_from_zero(offset, window):
    rng = np.random.default_rng(0)
    n, p = 1_000_000, 4
    # integers: offsets round nothing, so that a refit can do without them
    Z = rng.integers(-1000, 1000, (n, p)).astype(np.float64)
    t = np.rint(Z @ [1.0, -2.0, 0.5, 0.0] + 300 * rng.standard_normal(n))
    ours = rolling_ridge(Z + offset, t + offset, window=window, alpha=2.0)
    for i in [*rng.integers(window, n, 200), n - 1]:
        part = slice(i - window + 1, i + 1)
        one = ridge(Z[part], t[part], 2.0)
        assert_allclose(ours.coef[i], one.coef, rtol=1e-10, atol=1e-10)
    assert ours.converged
    assert ours.n_refits == 0


def test_levels_that_change():
    # a refit sees one level, but sums that lose rows would keep the rounding of the other
    X, y = made(3000, 3)
    level = np.where(np.arange(3000) < 1100, 1e10, 0.0)
    scale = np.where(np.arange(3000) < 1100, 1e8, 1.0)
    far = X * scale[:, None] + level[:, None]
    # rounding of coefficients alone is that much of a gradient where both levels meet
    ours = rolling_ridge(far, y, window=100, alpha=0.5, tol=1e-3)
    near = rolling_ridge(X, y, window=100, alpha=0.5)
    assert_array_equal(np.isnan(ours.coef), np.isnan(near.coef))
    assert_allclose(ours.coef[1199:], near.coef[1199:], rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_dependent_columns():
    X, y = made(200, 3)
    X = np.column_stack([X, X[:, 0] + X[:, 1], np.full(200, 5.0)])
    X[60:120, 2] = 7.0  # constant for whole windows
    for given in ({"window": 20}, {"expanding": True}, {"half_life": 10.0}):
        for alpha in (0.0, 1e-6, 1.0):
            ours = rolling_ridge(X, y, alpha=alpha, min_samples=3, **given)
            least = {"min_samples": 3, "window": None, "alpha": alpha}
            given_too = {name: value for name, value in given.items() if name != "expanding"}
            theirs = reference.rolling_ridge(X, y, **least | given_too)
            assert_allclose(ours.prediction, theirs.prediction, rtol=1e-6, atol=1e-6)
            assert_allclose(ours.coef, theirs.coef, rtol=1e-5, atol=1e-5)
            assert (ours.coef[2:, 4] == 0).all()


def test_nearly_dependent_columns_are_fitted_from_rows():
    X, y = made(400, 3)
    X[:, 2] = X[:, 0] + 1e-6 * X[:, 2]
    ours = rolling_ridge(X, y, window=30, alpha=1e-14)
    assert ours.n_refits == 371
    for i in range(29, 400, 10):
        one = ridge(X[i - 29 : i + 1], y[i - 29 : i + 1], 1e-14)
        assert_allclose(ours.coef[i], one.coef, rtol=1e-8)


def test_long_windows_of_all_rows_that_are_not_determined():
    X, y = made(2500, 3)
    X = np.column_stack([X, X[:, 0] - X[:, 1]])
    for given in ({"expanding": True}, {"half_life": 200.0}):
        ours = rolling_ridge(X, y, alpha=0.0, step=50, **given)
        for i in (10, 25, 49):
            t = ours.row[i] + 1
            fade = 0.5 ** (np.arange(t)[::-1] / given.get("half_life", np.inf))
            one = ridge(X[:t], y[:t], 0.0, sample_weight=fade)
            assert_allclose(ours.coef[i], one.coef, rtol=1e-8)
            if t < 2500:
                assert_allclose(ours.prediction[t], X[t] @ one.coef + one.intercept, rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-160, 1e160])
def test_scales(scale):
    X, y = made(300)
    near = rolling_ridge(X, y, window=20, alpha=0.0)
    with np.errstate(over="ignore"):
        by_x = rolling_ridge(X * scale, y, window=20, alpha=0.0)
        by_y = rolling_ridge(X, y * scale, window=20, alpha=0.3)
        by_weight = rolling_ridge(
            X, y, window=20, alpha=0.3 * scale, sample_weight=np.full(300, scale)
        )
    assert_allclose(by_x.coef * scale, near.coef, rtol=1e-9)
    assert_allclose(by_x.prediction, near.prediction, rtol=1e-9)
    near = rolling_ridge(X, y, window=20, alpha=0.3)
    assert_allclose(by_y.coef / scale, near.coef, rtol=1e-9)
    assert_allclose(by_weight.coef, near.coef, rtol=1e-9)


def test_one_column_of_another_scale():
    X, y = made(300)
    X[:, 1] *= 1e-170
    ours = rolling_ridge(X, y, window=20, alpha=0.0)
    X[:, 1] *= 1e170
    assert_allclose(ours.coef * [1, 1e-170, 1], rolling_ridge(X, y, window=20, alpha=0.0).coef)


def test_storage_and_types():
    X, y = made(500, 5, dtype=np.float32)
    ours = rolling_ridge(X, y, window=25)
    assert ours.coef.dtype == ours.intercept.dtype == ours.prediction.dtype == np.float32
    wide = rolling_ridge(X.astype(np.float64), y, window=25)
    assert_array_equal(wide.coef.astype(np.float32), ours.coef)
    for other in (np.asfortranarray(X), X[::-1][::-1], X.astype(np.float64)):
        assert_array_equal(rolling_ridge(other, y, window=25).coef.astype(np.float32), ours.coef)
    assert rolling_ridge(np.arange(9).reshape(-1, 1), range(9), window=3).coef.dtype == np.float64
    with pytest.raises(ValueError, match="float32"):
        rolling_ridge(X * np.float32(1e-30), y * 1e30, window=25, alpha=0.0)


def test_groups_of_dates():
    pd = pytest.importorskip("pandas")
    X, y = made(100)
    days = pd.to_datetime(np.arange(100) % 3, unit="D")
    want = rolling_ridge(X, y, window=9, groups=np.arange(100) % 3).coef
    for groups in (days, days.tz_localize("UTC"), [day.date() for day in days]):
        assert_array_equal(rolling_ridge(X, y, window=9, groups=groups).coef, want)
    with pytest.raises(ValueError, match="groups has the label NaT at row 0"):
        rolling_ridge(X, y, window=9, groups=days.tz_localize("UTC").where(days != days[0]))


def test_frames():
    pd = pytest.importorskip("pandas")
    X, y = made(100)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    groups = pd.Series(np.arange(100) % 3, dtype="category")
    ours = rolling_ridge(frame, pd.Series(y), window=9, groups=groups)
    assert list(ours.feature_names) == ["a", "b", "c"]
    assert_array_equal(ours.coef, rolling_ridge(X, y, window=9, groups=np.arange(100) % 3).coef)
    holes = frame.mask(frame > 1.5)
    found = rolling_ridge(holes, pd.Series(y), window=20, min_samples=5, nan_policy="omit")
    assert np.isfinite(found.coef[30:]).all()


def test_many_features():
    X, y = made(700, 530)
    given = {"step": 200, "alpha": 3.0, "min_samples": 10}
    for more in ({"window": 150}, {"expanding": True}):
        ours = rolling_ridge(X, y, **more, **given)
        for i, t in enumerate(ours.row):
            part = slice(max(0, t - more.get("window", 700) + 1), t + 1)
            one = ridge(X[part], y[part], 3.0)
            assert_allclose(ours.coef[i], one.coef, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("p", [1, 2, 7, 8, 9, 31, 70])
def test_numbers_of_features(isa, p):
    X, y = made(90, p, offset=1e3)
    ours = rolling_ridge(X, y, window=40, min_samples=3, alpha=0.7)
    agree(ours, reference.rolling_ridge(X, y, window=40, min_samples=3, alpha=0.7), rtol=1e-8)


def test_certificate_and_errors_of_predictions():
    X, y = made(400, 3)
    weight = np.random.default_rng(0).uniform(size=400)
    ours = rolling_ridge(X, y, window=30, alpha=[0.1, 5.0], sample_weight=weight)
    assert np.isnan(ours.relative_gradient[:29]).all()
    assert np.nanmax(ours.relative_gradient) < 1e-13
    for a, alpha in enumerate([0.1, 5.0]):
        one = rolling_ridge(X, y, window=30, alpha=alpha, sample_weight=weight)
        e = (y - one.prediction)[30:]
        want = weight[30:] @ e**2 / weight[30:].sum()
        assert_allclose(ours.prediction_error[a], want, rtol=1e-12)
        assert_allclose(one.prediction_error, [want], rtol=1e-12)
    assert "RollingRidgeResult(n_windows=400" in repr(ours)


@pytest.mark.filterwarnings("ignore:no window is fitted")
def test_nothing_to_fit():
    X, y = made(10)
    none = rolling_ridge(X, y, window=50)
    assert np.isnan(none.coef).all()
    assert none.converged
    assert np.isnan(none.prediction).all()
    assert np.isnan(none.prediction_error).all()
    none = rolling_ridge(X, y, window=50, step=11)
    assert none.coef.shape == (0, 3)
    assert len(none.row) == 0
    assert np.isnan(none.prediction).all()
    several = rolling_ridge(X, y, window=50, step=11, alpha=[1.0, 2.0])
    assert several.coef.shape == (0, 3)
    assert np.isnan(several.prediction).all()


def test_constant_target():
    X, _ = made(50)
    ours = rolling_ridge(X, np.full(50, 1e8), window=10)
    assert (ours.coef[9:] == 0).all()
    assert (ours.intercept[9:] == 1e8).all()
    assert (ours.relative_gradient[9:] == 0).all()


def test_tolerance_that_is_not_reached():
    X, y = made(50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rolling_ridge(X, y, window=10, tol=0.0).converged


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({}, ValueError, "window is None; expected a number of rows"),
        ({"window": 0}, ValueError, "window must be at least 1"),
        ({"window": 2.5}, TypeError, "window must be an integer"),
        ({"window": 5, "expanding": True}, ValueError, "but expanding is True"),
        ({"expanding": "yes"}, TypeError, "expanding is 'yes'"),
        ({"window": 5, "step": 0}, ValueError, "step must be at least 1"),
        ({"window": 5, "min_samples": 6}, ValueError, "min_samples is 6; expected at most"),
        ({"half_life": 0.0}, ValueError, "half_life is 0.0; expected a positive number"),
        ({"half_life": np.inf}, ValueError, "half_life is inf"),
        ({"half_life": 10**400}, ValueError, "half_life is 1000"),
        ({"half_life": "1d"}, TypeError, "half_life is '1d'"),
        ({"window": 5, "alpha": -1.0}, ValueError, "alpha holds -1; expected finite numbers"),
        ({"window": 5, "alpha": []}, ValueError, "alpha has shape"),
        ({"window": 5, "alpha": None}, TypeError, "alpha is None"),
        ({"window": 5, "groups": [1, 2]}, ValueError, r"groups has shape \(2,\); expected \(40,\)"),
        ({"window": 5, "groups": [np.nan] * 40}, ValueError, "groups has the label nan at row 0"),
        (
            {"window": 5, "groups": [None, "a"] * 20},
            TypeError,
            "groups has strings and the label None",
        ),
        ({"window": 5, "groups": [None] * 40}, ValueError, "groups has the label None at row 0"),
        (
            {"window": 5, "groups": [{}, 1] * 20},
            TypeError,
            "groups has labels that cannot be compared",
        ),
        (
            {"window": 5, "groups": [np.nan, "a"] * 20},
            TypeError,
            "groups has strings and the label nan",
        ),
        ({"window": 5, "groups": np.array([1, np.nan] * 20, object)}, ValueError, "nan at row 1"),
        ({"window": 5, "sample_weight": [1.0]}, ValueError, "sample_weight has shape"),
        ({"window": 5, "penalty_factor": [1.0]}, ValueError, "penalty_factor has shape"),
        ({"window": 5, "nan_policy": "drop"}, ValueError, "nan_policy is 'drop'"),
        ({"window": 5, "nan_policy": np.array(["omit"] * 2)}, ValueError, "nan_policy is array"),
        ({"window": 5, "tol": -1.0}, ValueError, "tol must be a non-negative number"),
    ],
)
def test_bad_arguments(given, error, match):
    X, y = made(40)
    with pytest.raises(error, match=match):
        rolling_ridge(X, y, **given)


@pytest.mark.filterwarnings("ignore:no window is fitted")
def test_steps_and_half_lives_without_bound():
    X, y = made(40)
    for step in (41, 10**12, 10**30):
        none = rolling_ridge(X, y, half_life=5.0, step=step)
        assert none.coef.shape == (0, 3)
        assert np.isnan(none.prediction).all()
    # the weights of all rows but the last are 0
    only = rolling_ridge(X, y, half_life=1e-320, min_samples=1)
    assert_array_equal(only.coef, np.zeros((40, 3)))
    assert_allclose(only.intercept, y, rtol=1e-13)


def test_bad_data():
    sparse = pytest.importorskip("scipy.sparse")
    X, y = made(40)
    with pytest.raises(TypeError, match="X is a sparse"):
        rolling_ridge(sparse.csr_array(X), y, window=5)
    with pytest.raises(ValueError, match="one target"):
        rolling_ridge(X, np.column_stack([y, y]), window=5)
    assert rolling_ridge(X, y[:, None], window=5).prediction.shape == (40,)
    with pytest.raises(ValueError, match="y is a sparse"):
        rolling_ridge(X, sparse.csr_array(y[:, None]), window=5, nan_policy="omit")
    with pytest.raises(ValueError, match="infinity"):
        rolling_ridge(np.where(X > 1, np.inf, X), y, window=5, nan_policy="omit")


def test_kernel_refuses_what_does_not_fit():
    X, y = made(40)
    starts, factor, alpha = np.array([0, 40]), np.ones(3), np.ones(1)
    rest = (None, 40, factor, alpha, False, True)
    with pytest.raises(ValueError, match="C order"):
        _rolling.rolling(np.asfortranarray(X), y, None, None, starts, *rest, 5, 1, None, 1.0)
    with pytest.raises(ValueError, match="expected 40 rows"):
        _rolling.rolling(X, y[1:], None, None, starts, *rest, 5, 1, None, 1.0)
    with pytest.raises(ValueError, match="step: expected 1 to 5"):
        _rolling.rolling(X, y, None, None, starts, *rest, 5, 6, None, 1.0)
    with pytest.raises(ValueError, match="decay"):
        _rolling.rolling(X, y, None, None, starts, *rest, 5, 1, np.ones(3), 1.0)


def test_moments_forget():
    X, y = made(60, 3, offset=1e6)
    moments = Moments()
    for i in range(60):
        if i:
            assert moments.forget(0.5**0.25) is moments
        moments.update(X[i : i + 1], y[i : i + 1])
    fade = 0.5 ** (np.arange(60)[::-1] / 4.0)
    want = Moments(X, y, fade)
    assert moments.n_samples == 60
    assert_allclose(moments.total_weight, fade.sum(), rtol=1e-13)
    assert_allclose(moments.gram, want.gram, rtol=1e-9)
    assert_allclose(moments.mean, want.mean, rtol=1e-15)
    assert_allclose(ridge(moments, alpha=0.1).coef, ridge(want, alpha=0.1).coef, rtol=1e-9)
    last = rolling_ridge(X, y, half_life=4.0, alpha=0.1).coef[-1]
    assert_allclose(ridge(moments, alpha=0.1).coef, last, rtol=1e-9)
    twin = reference.forget_moments(reference.moments(X, y), 0.25)
    assert_allclose(Moments(X, y).forget(0.25).cross, twin.cross, rtol=1e-9)


def test_moments_forget_refuses():
    X, y = made(5)
    moments = Moments(X, y)
    before = moments.copy()
    for wrong in (0.0, -1.0, 1.5, np.nan):
        with pytest.raises(ValueError, match="expected a number above 0, at most 1"):
            moments.forget(wrong)
    for wrong in ("half", None, True):
        with pytest.raises(TypeError, match="expected a number above 0, at most 1"):
            moments.forget(wrong)
    with pytest.raises(ValueError, match="rounds a total weight"):
        moments.forget(1e-309)
    assert_array_equal(moments.gram, before.gram)
    assert Moments().forget(0.5).total_weight == 0.0
    # views of shared sums must not be written to
    other = moments.copy()
    moments.forget(0.5)
    assert_array_equal(other.gram, before.gram)


@pytest.mark.parametrize(
    "options",
    [{"window": 30}, {"window": 10, "step": 21}, {"window": 10, "groups": np.arange(20) % 4}],
)
def test_no_window_is_said(options):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 2)), rng.standard_normal(20)
    with pytest.warns(UserWarning, match="no window is fitted.*min_samples"):
        assert not np.isfinite(fastridge.rolling_ridge(X, y, **options).coef).any()
