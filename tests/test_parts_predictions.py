"""Data in parts: predictions, scores and streams are those of the rows."""

import numpy as np
import pytest
from parts_problems import N, clone, data, nan_at, targets

import fastridge
from fastridge import Chunks


def test_predictions_and_scores():
    X, y, s = data()
    several = targets(y, "several")
    for model, t in ((fastridge.Ridge(), y), (fastridge.Ridge(), several)):
        model.fit(X, t)
        chunks = Chunks.arrays(X, t, s, rows=100)
        assert (model.predict(chunks) == model.predict(X)).all()
        assert model.score(chunks) == pytest.approx(model.score(X, t, s), rel=1e-12)


def test_scores_check_what_they_are_given():
    X, y, _ = data()
    model = fastridge.Ridge().fit(X, y)
    with pytest.raises(ValueError, match="part 2: Input y contains NaN"):
        model.score(Chunks.arrays(X, nan_at(y, 210), rows=100))
    with pytest.raises(ValueError, match="sample_weight is zero for every sample"):
        model.score(Chunks.arrays(X, y, 0.0 * y, rows=100))


def test_deviations_and_posteriors():
    X, y, _ = data()
    chunks = Chunks.arrays(X, y, rows=97)
    bayes = fastridge.BayesianRidge().fit(X, y)
    for one, other in zip(
        bayes.predict(chunks, return_std=True), bayes.predict(X, return_std=True), strict=True
    ):
        assert (one == other).all()
    counts = targets(y, "counts")
    model = fastridge.PoissonRegressor().fit(X, counts)
    posterior = model.posterior(X, counts)
    assert (
        model.predict(chunks, posterior=posterior) == model.predict(X, posterior=posterior)
    ).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("width", [1, 3])
def test_a_column_as_target_is_predicted_as_local_fits_do(width):
    X, y, _ = data()
    X = X[:, :width]
    for model, t in (
        (fastridge.Ridge(), y),
        (fastridge.LassoCV(cv=3, alphas=5), y),
        (fastridge.BayesianRidge(), y),
        (fastridge.PoissonRegressor(), np.abs(y)),
        (fastridge.LogisticRegression(), targets(y, "labels")),
        (fastridge.RidgeClassifier(), targets(y, "labels")),
    ):
        for column in (t, t[:, None]):
            local = clone(model).fit(X, column)
            chunks = Chunks.arrays(X, column, rows=100)
            found = clone(model).fit(chunks)
            assert found.coef_.shape == local.coef_.shape
            assert np.shape(found.intercept_) == np.shape(local.intercept_)
            assert found.predict(chunks).shape == local.predict(X).shape
            assert found.score(chunks) == pytest.approx(local.score(X, column), abs=1e-4)


def test_streams_learn_bit_for_bit():
    X, y, s = data()
    labels = targets(y, "labels")
    whole = fastridge.SGDClassifier().partial_fit(X, labels, ["down", "up"], s)
    parts = fastridge.SGDClassifier()
    parts.partial_fit(Chunks.arrays(X, labels, s, rows=97), classes=["down", "up"])
    assert (whole.coef_ == parts.coef_).all()
    bad = labels.astype(object)
    bad[300] = "strange"
    with pytest.raises(ValueError, match=r"part 3: .*strange"):
        parts.partial_fit(Chunks.arrays(X, bad, s, rows=97))
    assert parts.t_ == N + 1  # nothing of the parts before was learned


def test_parameters_stay_the_callers_objects():
    X, y, _ = data()
    state = np.random.RandomState(0)
    model = fastridge.SGDRegressor(random_state=state).partial_fit(Chunks.arrays(X, y, rows=90))
    assert model.random_state is state
    with pytest.raises(TypeError, match="expected partial_fit"):
        fastridge.SGDRegressor().fit(Chunks.arrays(X, y))


@pytest.mark.parametrize("names", [("offset",), ("exposure",), ("offset", "exposure")])
def test_scores_with_offsets(names):
    X, y, s = data(offset=1.0)
    y = targets(y, "counts")
    given = {name: value for name, value in (("offset", s), ("exposure", 1 + s)) if name in names}
    model = fastridge.PoissonRegressor().fit(X, y, s, **given)
    chunks = Chunks.arrays(X, y, s, rows=97, **given)
    assert model.score(chunks) == pytest.approx(model.score(X, y, s, **given), abs=1e-12)
    assert chunks.n_passes <= 12
    with pytest.raises(ValueError, match="offset is given"):
        fastridge.Ridge().fit(X, y).score(Chunks.arrays(X, y, offset=s))


@pytest.mark.parametrize(
    "model",
    [
        fastridge.Ridge(20.0, standardize=True),
        fastridge.LinearRegression(fit_intercept=False),
        fastridge.ElasticNet(0.1),
        fastridge.RidgeCV([1.0, 10.0], cv=3),
        fastridge.BayesianRidge(),
    ],
)
def test_information_criteria(model):
    X, y, s = data()
    y = np.column_stack([y, np.abs(y)]) if isinstance(model, fastridge.Ridge) else y
    chunks = Chunks.arrays(X, y, s, rows=97)
    model = clone(model).fit(chunks)
    before = chunks.n_passes
    found = fastridge.information_criteria(model, chunks)
    assert chunks.n_passes == before + 1
    for ours, expected in zip(found, fastridge.information_criteria(model, X, y, s), strict=True):
        assert ours == pytest.approx(expected, rel=1e-9, abs=1e-9)
    other = fastridge.PoissonRegressor().fit(X - 100.0, np.abs(y).reshape(N, -1)[:, 0])
    with pytest.raises(ValueError, match="X is data in parts, for which the criteria of a Poisson"):
        fastridge.information_criteria(other, chunks)
