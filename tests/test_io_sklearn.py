"""Pipelines and splitters of scikit-learn in model files."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from model_files import archive, round_trip, saved

import fastridge

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from sklearn import (  # noqa: E402
    compose,
    decomposition,
    feature_selection,
    impute,
    model_selection,
    pipeline,
    preprocessing,
)

N = 60


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": rng.standard_normal(N) * 5 + 3,
            "age": rng.integers(1, 90, N).astype(float),
            "town": rng.choice(["Bonn", "Köln", "Ulm"], N),
            "floor": rng.integers(0, 4, N),
        }
    )
    frame.loc[3, "age"] = np.nan
    return frame


@pytest.fixture
def y(frame):
    return frame["size"].to_numpy() + 2.0 * (frame["town"] == "Ulm").to_numpy()


def columns(remainder="drop"):
    return compose.ColumnTransformer(
        [
            (
                "numbers",
                pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()),
                ["size", "age"],
            ),
            ("words", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["town"]),
        ],
        remainder=remainder,
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the best penalty is at the lower end:UserWarning")
@pytest.mark.parametrize("remainder", ["drop", "passthrough", preprocessing.MinMaxScaler()])
@pytest.mark.parametrize(
    "model",
    [fastridge.Ridge(), fastridge.RidgeCV(), fastridge.LassoCV(), fastridge.BayesianRidge()],
)
def test_encoder_scaler_model(frame, y, model, remainder):
    pipe = pipeline.make_pipeline(columns(remainder), model).fit(frame, y)
    again = round_trip(pipe)
    np.testing.assert_array_equal(again.predict(frame), pipe.predict(frame))
    strange = frame.assign(town="Mainz")
    np.testing.assert_array_equal(again.predict(strange), pipe.predict(strange))
    assert repr(again) == repr(pipe)
    assert list(again[0].get_feature_names_out()) == list(pipe[0].get_feature_names_out())
    # fitted again, from its parameters
    np.testing.assert_allclose(again.fit(frame, y).predict(frame), pipe.predict(frame))
    assert saved(round_trip(pipe)) == saved(pipe)


def test_not_fitted(frame, y):
    pipe = pipeline.make_pipeline(columns(), fastridge.Ridge(alpha=3))
    again = round_trip(pipe)
    np.testing.assert_array_equal(
        again.fit(frame, y).predict(frame), pipe.fit(frame, y).predict(frame)
    )


def test_classifier(frame, y):
    labels = np.where(y > np.median(y), "dear", "cheap")
    pipe = pipeline.make_pipeline(columns(), fastridge.RidgeClassifier()).fit(frame, labels)
    np.testing.assert_array_equal(round_trip(pipe).predict(frame), pipe.predict(frame))


def test_steps_that_get_frames(frame, y):
    pipe = pipeline.make_pipeline(
        compose.ColumnTransformer([("number", preprocessing.StandardScaler(), ["size", "floor"])]),
        compose.ColumnTransformer([("again", "passthrough", ["number__size"])]),
        fastridge.Ridge(),
    ).set_output(transform="pandas")
    pipe.fit(frame, y)
    np.testing.assert_array_equal(round_trip(pipe).predict(frame), pipe.predict(frame))


TRANSFORMERS = [
    preprocessing.StandardScaler(with_mean=False),
    preprocessing.MinMaxScaler(clip=True),
    preprocessing.MaxAbsScaler(),
    preprocessing.RobustScaler(),
    preprocessing.Normalizer(),
    preprocessing.Binarizer(threshold=0.5),
    preprocessing.PolynomialFeatures(3),
    preprocessing.PowerTransformer(),
    preprocessing.QuantileTransformer(n_quantiles=10, random_state=0),
    preprocessing.KBinsDiscretizer(4),
    preprocessing.FunctionTransformer(),
    preprocessing.OneHotEncoder(min_frequency=12, dtype=np.float32),
    preprocessing.OrdinalEncoder(),
    preprocessing.TargetEncoder(),
    impute.SimpleImputer(strategy="median", add_indicator=True),
    impute.MissingIndicator(features="all"),
    feature_selection.VarianceThreshold(),
    decomposition.PCA(2, random_state=0),
    decomposition.TruncatedSVD(2, random_state=0),
    pipeline.FeatureUnion([("a", preprocessing.StandardScaler()), ("b", "passthrough")]),
]


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=lambda t: type(t).__name__)
def test_every_transformer(transformer):
    X = np.random.default_rng(0).integers(0, 5, (N, 3)).astype(float)
    y = X[:, 0] + 1.0
    pipe = pipeline.make_pipeline(transformer, fastridge.Ridge()).fit(X, y)
    again = round_trip(pipe)
    np.testing.assert_array_equal(again.predict(X), pipe.predict(X))
    assert type(again[0]) is type(transformer)
    assert vars(again[0]).keys() == vars(pipe[0]).keys()


def test_target_transformed():
    X = np.random.default_rng(0).standard_normal((N, 3))
    y = X[:, 0] * 1e3
    model = compose.TransformedTargetRegressor(
        fastridge.Ridge(), transformer=preprocessing.StandardScaler()
    )
    model.fit(X, y)
    np.testing.assert_array_equal(round_trip(model).predict(X), model.predict(X))


@pytest.mark.parametrize(
    "cv",
    [
        model_selection.KFold(4, shuffle=True, random_state=3),
        model_selection.StratifiedKFold(3),
        model_selection.GroupKFold(3),
        model_selection.ShuffleSplit(4, test_size=0.2, random_state=1),
        model_selection.TimeSeriesSplit(3, gap=1),
        model_selection.PredefinedSplit([0, 1, -1, 0]),
    ],
    ids=lambda cv: type(cv).__name__,
)
@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_splitters(cv):
    again = round_trip(fastridge.RidgeCV(cv=cv)).cv
    assert type(again) is type(cv)
    rows = np.zeros(12) if not hasattr(cv, "test_fold") else np.zeros(4)
    given = (rows, rows, np.arange(len(rows)) % 3)
    for (a, b), (c, d) in zip(cv.split(*given), again.split(*given), strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)


def test_what_has_no_place():
    from sklearn.kernel_ridge import KernelRidge

    class Own(preprocessing.StandardScaler):
        pass

    for thing, words in [
        (KernelRidge(), r"model is a sklearn.kernel_ridge.KernelRidge, .*skops.io.dump"),
        (
            pipeline.make_pipeline(KernelRidge(), fastridge.Ridge()),
            r"steps.0.1 is a sklearn.kernel_ridge.KernelRidge, .*skops.io.dump",
        ),
        (
            pipeline.make_pipeline(preprocessing.FunctionTransformer(np.log1p), fastridge.Ridge()),
            r"steps.0.1.func is a numpy.ufunc, .*skops.io.dump",
        ),
        (pipeline.make_pipeline(Own(), fastridge.Ridge()), r"steps.0.1 is a .*Own"),
        (
            fastridge.RidgeCV(cv=model_selection.RepeatedKFold()),
            r"cv is a sklearn.model_selection._split.RepeatedKFold, a splitter",
        ),
    ]:
        with pytest.raises(TypeError, match=words) as caught:
            saved(thing)
        assert "\n" not in str(caught.value)


def test_another_version_of_scikit_learn_is_told():
    pipe = pipeline.make_pipeline(preprocessing.StandardScaler(), fastridge.Ridge())
    with zipfile.ZipFile(io.BytesIO(saved(pipe))) as file:
        header = json.loads(file.read("header.json"))
    import sklearn

    text = json.dumps(header).replace(sklearn.__version__, "0.1.2")
    with pytest.warns(UserWarning, match="saved with scikit-learn 0.1.2 and is loaded") as caught:
        fastridge.load(io.BytesIO(archive(text)))
    assert len(caught) == 1


@pytest.mark.slow
def test_scikit_learn_is_imported_only_where_a_file_asks_for_it(tmp_path):
    fastridge.save(fastridge.Ridge(), tmp_path / "plain")
    pipe = pipeline.make_pipeline(preprocessing.StandardScaler(), fastridge.Ridge())
    fastridge.save(pipe, tmp_path / "pipe")
    code = f"""
import sys
import fastridge
fastridge.save(fastridge.load({str(tmp_path / "plain")!r}), {str(tmp_path / "again")!r})
assert "sklearn" not in sys.modules
assert type(fastridge.load({str(tmp_path / "pipe")!r})).__name__ == "Pipeline"
sys.modules["sklearn"] = sys.modules["sklearn.pipeline"] = None
try:
    fastridge.load({str(tmp_path / "pipe")!r})
except ImportError as error:
    print("missing")
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["missing"]
