"""`Incremental` learns what the same calls of `partial_fit` do."""

import numpy as np
import pytest
from parts_problems import N, P, clone, data, targets

import fastridge
from fastridge import Chunks, Incremental


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("one", fastridge.SGDRegressor()),
        ("labels", fastridge.SGDClassifier()),
        ("one", fastridge.Ridge(2.0)),
    ],
)
def test_as_calls_of_partial_fit(kind, model):
    X, y, s = data(offset=1.0)
    y = targets(y, kind)
    chunks = Chunks.arrays(X, y, s, rows=97)
    found = Incremental(model, epochs=2).fit(chunks)
    same = clone(model)
    options = {"classes": np.unique(y)} if kind == "labels" else {}
    for _ in range(2):
        for start in range(0, N, 97):
            rows = slice(start, start + 97)
            same.partial_fit(X[rows], y[rows], sample_weight=s[rows], **options)
    assert (found.estimator_.coef_ == same.coef_).all()
    assert not hasattr(model, "coef_")
    assert found.n_passes_ == (3 if kind == "labels" else 2)
    assert (found.predict(chunks) == same.predict(X)).all()
    assert found.score(chunks) == pytest.approx(same.score(X, y, s))
    if kind == "labels":
        assert (found.decision_function(X) == same.decision_function(X)).all()
        given = Incremental(clone(model), epochs=2).fit(chunks, classes=np.unique(y))
        assert (given.estimator_.coef_ == same.coef_).all()
        assert given.n_passes_ == 2
        loss = Incremental(fastridge.SGDClassifier(loss="log_loss")).fit(chunks)
        assert loss.predict_proba(X).shape == (N, 2)


def test_dask():
    da = pytest.importorskip("dask.array")
    X, y, _ = data(offset=1.0)
    lazy = da.from_array(X, chunks=(97, P)), da.from_array(y, chunks=97)
    found = Incremental(fastridge.SGDRegressor(), epochs=2).fit(*lazy)
    same = Incremental(fastridge.SGDRegressor(), epochs=2).fit(Chunks.arrays(X, y, rows=97))
    assert (found.estimator_.coef_ == same.estimator_.coef_).all()
    assert isinstance(found.predict(lazy[0]), da.Array)


def test_parameters():
    model = Incremental(fastridge.SGDRegressor(alpha=0.5))
    assert model.get_params()["estimator__alpha"] == 0.5
    assert model.get_params(deep=False) == {"estimator": model.estimator, "epochs": 1}
    model.set_params(epochs=3, estimator__alpha=0.25)
    assert (model.epochs, model.estimator.alpha) == (3, 0.25)
    assert repr(model) == "Incremental(SGDRegressor(alpha=0.25), epochs=3)"
    with pytest.raises(ValueError, match="Invalid parameter 'epoch' for Incremental"):
        model.set_params(epochs=4, epoch=1)
    assert model.epochs == 3
    model.set_params(estimator__alpha=0.125, estimator=fastridge.SGDRegressor())
    assert model.estimator.alpha == 0.125
    model.set_params(estimator__alpha=0.25)
    sklearn = pytest.importorskip("sklearn.base")
    assert repr(sklearn.clone(model)) == repr(model)


def test_errors():
    X, y, _ = data()
    chunks = Chunks.arrays(X, y, rows=97)
    for model, error, message in (
        (Incremental(fastridge.Lasso()), TypeError, "expected SGDClassifier, SGDRegressor or"),
        (Incremental(3), TypeError, "estimator is 3"),
        (Incremental(fastridge.Ridge(), epochs=0), ValueError, "epochs is 0"),
        (Incremental(fastridge.Ridge(), epochs=1.5), TypeError, "epochs is 1.5"),
    ):
        with pytest.raises(error, match=message):
            model.fit(chunks)
    with pytest.raises(TypeError, match="X is a ndarray; expected data in parts"):
        Incremental(fastridge.Ridge()).fit(X, y)
    with pytest.raises(ValueError, match="classes is given, but the estimator has no classes"):
        Incremental(fastridge.Ridge()).fit(chunks, classes=[0, 1])
    with pytest.raises(ValueError, match="not fitted yet"):
        Incremental(fastridge.Ridge()).predict(X)
    model = Incremental(fastridge.Ridge()).fit(chunks)
    coef = model.estimator_.coef_
    y = y.copy()
    y[500] = np.nan
    with pytest.raises(ValueError, match="part 5: Input y contains NaN"):
        model.fit(Chunks.arrays(X, y, rows=97))
    assert model.estimator_.coef_ is coef
