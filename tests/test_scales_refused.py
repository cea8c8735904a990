"""Paths, moments and nets of data whose squares overflow or underflow: correct or refused."""

import warnings

import numpy as np
import pytest
from cases import each
from storages import CONTAINERS

import fastridge

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 5))
y = X @ [1.0, 2.0, 0.0, 0.0, -1.0] + 0.1 * RNG.standard_normal(40)
TALL, WIDE = (X, y), (RNG.standard_normal((8, 20)), RNG.standard_normal(8))
SCALES = [1e-300, 1e-200, 1e-160, 1e-140, 1e-81, 1e-70, 1e70, 1e81, 1e140, 1e160, 1e200, 1e300]


def right_or_refused(
    fit, want, message="is too|that is too|sums of squares that overflow", rtol=1e-6
):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = fit()
        except ValueError as error:
            text = str(error)
            found = None
    if found is None:
        assert any(part in text for part in message.split("|")), text
        return
    np.testing.assert_allclose(found, want, rtol=rtol, atol=rtol * np.abs(want).max())


@each("stored", CONTAINERS.values())
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("cls", ["Lasso", "MultiTaskLasso"])
def test_lasso(stored, scale, cls):
    target = y if cls == "Lasso" else y[:, None]
    make = getattr(fastridge, cls)
    want = make(0.1, tol=1e-10).fit(stored(X), target).coef_
    model = make(0.1 * scale, tol=1e-10)
    right_or_refused(lambda: model.fit(stored(X), target * scale).coef_ / scale, want)
    right_or_refused(lambda: model.fit(stored(X * scale), target).coef_ * scale, want)


@pytest.mark.parametrize("cls", ["Lasso", "MultiTaskLasso"])
@pytest.mark.parametrize("scale", [1e-100, 1e-50, 1e50, 1e100])
def test_lasso_of_small_and_large_products(cls, scale):
    target = y if cls == "Lasso" else y[:, None]
    make = getattr(fastridge, cls)
    want = make(0.1, tol=1e-10).fit(X, target).coef_
    model = make(0.1 * scale * scale, tol=1e-10)
    right_or_refused(lambda: model.fit(X * scale, target * scale).coef_, want)


@each("stored", CONTAINERS.values())
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("data", [TALL, WIDE], ids=["tall", "wide"])
def test_paths_and_moments(stored, scale, data):
    A, t = data
    alphas = np.array([0.5, 10.0])
    want = fastridge.ridge_path(stored(A), t, alphas)
    right_or_refused(
        lambda: fastridge.ridge_path(stored(A), t * scale, alphas).coef / scale, want.coef
    )
    right_or_refused(
        lambda: fastridge.RidgeCV(alphas).fit(stored(A), t * scale).coef_ / scale,
        fastridge.RidgeCV(alphas).fit(stored(A), t).coef_,
    )
    if 1e-300 < scale * scale < 1e300:
        of_x = alphas * scale * scale
        right_or_refused(
            lambda: fastridge.ridge_path(stored(A * scale), t, of_x).coef * scale, want.coef
        )
        right_or_refused(lambda: fastridge.ridge_path(stored(A * scale), t, of_x).dof, want.dof)
        right_or_refused(
            lambda: (
                fastridge.ridge(fastridge.Moments(stored(A * scale), t), alpha=of_x[0]).coef * scale
            ),
            want.coef[0],
        )


def test_moments_say_what_is_wrong():
    for wrong, name in (
        ((X * 1e-200, y), "X has a column that is too small"),
        ((X, y * 1e-200), "y is too small"),
        ((X * 1e200, y), "overflow float64"),
        ((X, y * 1e200), "overflow float64"),
    ):
        with pytest.raises(ValueError, match=name):
            fastridge.Moments(*wrong)
    # zeros and constants do not count as small numbers
    Z = X.copy()
    Z[:, 1], Z[:, 2] = 0.0, 7.0
    for stored in CONTAINERS.values():
        moments = fastridge.Moments(stored(Z), np.full(40, 3.0))
        assert moments.gram[1, 1] == moments.gram[2, 2] == moments.yy[0] == 0


def heavy(weights):
    """The ridge of alpha 1, exactly: rational normal equations."""
    from fractions import Fraction

    rows = [[Fraction(v) for v in row] for row in X.tolist()]
    values = [Fraction(v) for v in y.tolist()]
    weights = [Fraction(v) for v in weights.tolist()]
    total = sum(weights)

    def mean(column):
        return sum(w * v for w, v in zip(weights, column, strict=True)) / total

    centred = [[v - m for v in c] for c in zip(*rows, strict=True) for m in [mean(c)]]
    level = mean(values)
    target = [v - level for v in values]
    p = len(centred)
    M = [
        [sum(w * a * b for w, a, b in zip(weights, c, d, strict=True)) for d in centred]
        for c in centred
    ]
    right = [sum(w * a * b for w, a, b in zip(weights, c, target, strict=True)) for c in centred]
    for i in range(p):
        M[i][i] += 1
    for i in range(p):
        for r in range(i + 1, p):
            share = M[r][i] / M[i][i]
            M[r] = [a - share * b for a, b in zip(M[r], M[i], strict=True)]
            right[r] -= share * right[i]
    out = [Fraction(0)] * p
    for i in reversed(range(p)):
        out[i] = (right[i] - sum(M[i][j] * out[j] for j in range(i + 1, p))) / M[i][i]
    return np.array([float(v) for v in out])


@pytest.mark.parametrize(
    "which", [{7: 1e18}, {0: 1e18}, {39: 1e18}, {7: 1e15, 31: 1e15}, {7: 1e12, 8: 1e12, 31: 1e12}]
)
def test_heavy_rows(which):
    weights = np.ones(40)
    for row, weight in which.items():
        weights[row] = weight
    want = heavy(weights)
    found = {
        name: fastridge.ridge(stored(X), y, 1.0, sample_weight=weights).coef
        for name, stored in CONTAINERS.items()
    }
    found["qr"] = fastridge.ridge(X, y, 1.0, sample_weight=weights, solver="qr").coef
    found["batch"] = fastridge.ridge_batch(
        np.stack([X] * 3), np.stack([y] * 3), 1.0, sample_weight=weights
    ).coef[1]
    for name, coef in found.items():
        assert np.linalg.norm(coef - want) < 1e-8 * np.linalg.norm(want), name
    if len(which) > 1:
        with pytest.raises(ValueError, match="rows of weights up to"):
            fastridge.Moments(X, y, weights)
    else:
        coef = fastridge.ridge(fastridge.Moments(X, y, weights), alpha=1.0).coef
        assert np.linalg.norm(coef - want) < 1e-12


@pytest.mark.parametrize(
    "fit",
    [
        lambda a: fastridge.RidgeCV(a, cv=3).fit(X, y),
        lambda a: fastridge.RidgeCV(a).fit(X, y),
        lambda a: fastridge.RidgeClassifierCV(a, cv=3).fit(X, y > 0),
        lambda a: fastridge.ridge_path(X, y, a),
        lambda a: fastridge.ridge_path(fastridge.Moments(X, y), None, a),
        lambda a: fastridge.ridge_path(*WIDE, a),
    ],
)
def test_penalties_beyond_squares_are_named(fit):
    with pytest.raises(ValueError, match=r"alphas is too large: it reaches 1\.7e\+308; expected"):
        fit([1.0, 1.7e308])


@pytest.mark.parametrize("data", [TALL, WIDE], ids=["tall", "wide"])
def test_large_penalties(data):
    """To first order in 1 / alpha, coefficients are X'y / alpha."""
    A, t = data

    def near(found, want):
        assert np.abs(found / want - 1.0).max() < 1e-12

    right = (A - A.mean(0)).T @ (t - t.mean())
    with np.errstate(all="raise"):
        for alpha in (1e60, 3e150, 1e300):
            for solver in ("auto", "cholesky", "dual", "qr"):
                found = fastridge.ridge(A, t, alpha, solver=solver)
                near(found.coef * alpha, right)
                assert found.relative_gradient < 1e-13
        for alpha in (1e60, 3e150):
            path = fastridge.ridge_path(A, t, [alpha])
            near(path.coef[0] * alpha, right)
            near(path.residual[0], ((t - t.mean()) ** 2).sum())
            assert 0 <= path.dof[0] < 1e-12
            assert path.relative_gradient[0] < 1e-13
            for cv in (3, None):
                model = fastridge.RidgeCV([alpha], cv=cv).fit(A, t)
                near(model.coef_ * alpha, right)
                assert np.isfinite(model.best_score_)


@pytest.mark.parametrize("solver", ["cg", "dual", "qr", "cholesky"])
@pytest.mark.parametrize("alpha", [1e-150, 1e-300])
def test_small_penalties_raise_nothing(solver, alpha):
    want = fastridge.ridge(X, y, 0.0).coef
    with np.errstate(all="raise"):
        found = fastridge.ridge(X, y, alpha, solver=solver).coef
        path = fastridge.ridge_path(X, y, [alpha])
        model = fastridge.RidgeCV([alpha], cv=3).fit(X, y)
    for coef in (found, path.coef[0], model.coef_):
        np.testing.assert_allclose(coef, want, rtol=1e-6)


@pytest.mark.parametrize("weight", [1e15, 1e17])
def test_heavy_rows_of_several_chunks(weight):
    weights = np.ones(40)
    weights[[7, 31]] = weight
    first, second = slice(0, 20), slice(20, 40)
    parts = [fastridge.Moments(X[part], y[part], weights[part]) for part in (first, second)]
    before = parts[0].copy()
    with pytest.raises(ValueError, match="2 rows of weights up to"):
        parts[0] += parts[1]
    with pytest.raises(ValueError, match="2 rows of weights up to"):
        parts[0].update(X[second], y[second], weights[second])
    # nothing has changed
    assert parts[0].n_samples == 20
    np.testing.assert_array_equal(parts[0].gram, before.gram)
    # light rows beside one heavy row are kept
    light = weights.copy()
    light[31] = 1.0
    whole = parts[0] + fastridge.Moments(X[second], y[second])
    found = fastridge.ridge(whole, alpha=1.0).coef
    assert np.linalg.norm(found - heavy(light)) < 1e-8 * np.linalg.norm(heavy(light))
    # a heavy row that is taken away counts no longer
    weights[[7, 31]] = 1e8
    start = fastridge.Moments(X[first], y[first], weights[first])
    rest = (start + fastridge.Moments(X[second], y[second])) - start
    assert (rest + parts[1]).n_samples == 40


@pytest.mark.parametrize("weight", [1e15, 1e17])
@pytest.mark.parametrize("name", CONTAINERS)
def test_iterations_beside_heavy_rows_warn(name, weight):
    """Where heavy rows hide the others, coefficients are correct or there is a warning."""
    weights = np.ones(40)
    weights[[7, 31]] = weight
    want = heavy(weights)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = fastridge.ridge(CONTAINERS[name](X), y, 1.0, sample_weight=weights, solver="cg")
    wrong = np.linalg.norm(found.coef - want) > 1e-3 * np.linalg.norm(want)
    assert seen or not wrong
    assert found.converged == (not seen)
    for model in (fastridge.Lasso(1e-15), fastridge.ElasticNet(1e-15)):
        with pytest.warns(fastridge.exceptions.ConvergenceWarning, match="2 rows of weights up to"):
            model.fit(CONTAINERS[name](X), y, weights)
    with pytest.warns(fastridge.exceptions.ConvergenceWarning, match="2 rows of weights up to"):
        fastridge.elastic_net_path(X, y, alphas=[1.0], sample_weight=weights)


@pytest.mark.parametrize("weight", [1e15, 1e17])
def test_several_targets_beside_heavy_rows_warn(weight):
    """Two heavy rows beside light ones warn as they do for one target; one such row does not."""
    weights = np.ones(40)
    weights[[7, 31]] = weight
    Y = np.column_stack([y, -y])
    fits = [
        lambda s: fastridge.MultiTaskLasso(1e-15).fit(X, Y, s),
        lambda s: fastridge.MultiTaskElasticNet(1e-15).fit(X, Y, s),
        lambda s: fastridge.MultiTaskElasticNetCV(alphas=[1e-15], cv=3).fit(X, Y, s),
        lambda s: fastridge.lasso_path(X, Y, alphas=[1.0], sample_weight=s),
    ]
    for fit in fits:
        with pytest.warns(fastridge.exceptions.ConvergenceWarning, match="2 rows of weights up to"):
            fit(weights)
    weights[31] = 1.0
    for fit in fits:
        fit(weights)
