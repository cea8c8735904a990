"""fastridge.save and fastridge.load: exact round trips, and refused objects."""

import copy
import io
import math
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import scipy.sparse
from model_files import HEADER, archive, fitted, identical, npy, round_trip, saved

import fastridge
from fastridge.io import ModelFileError, _classes


@pytest.fixture
def design():
    rng = np.random.default_rng(0)
    return rng.standard_normal((30, 4))


@pytest.fixture
def model(design):
    return fastridge.Ridge(alpha=0.5).fit(design, design @ [1.0, 2.0, 3.0, 4.0])


def test_fitted_ridge(design, model):
    again = round_trip(model)
    assert type(again) is fastridge.Ridge
    assert identical(model, again)
    np.testing.assert_array_equal(again.predict(design), model.predict(design))
    assert again.coef_.flags.writeable


def test_unfitted():
    again = round_trip(fastridge.RidgeClassifier(alpha=3, class_weight="balanced"))
    assert type(again) is fastridge.RidgeClassifier
    assert (again.alpha, again.class_weight) == (3, "balanced")
    assert fitted(again) == {}


@pytest.mark.parametrize(
    "labels", [["no", "yes"], [3, 7], [False, True], np.array(["b", "éa"], dtype=object)]
)
def test_classifier_labels(design, labels):
    labels = np.asarray(labels)
    y = labels[(design[:, 0] > 0).astype(int)]
    model = fastridge.RidgeClassifier().fit(design, y)
    again = round_trip(model)
    assert identical(model, again)
    np.testing.assert_array_equal(again.predict(design), model.predict(design))


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array, scipy.sparse.csr_matrix])
def test_classifier_of_several_labels(design, container):
    y = container((design[:, :3] > 0).astype(int))
    model = fastridge.RidgeClassifier().fit(design, y)
    again = round_trip(model)
    assert identical(model, again)
    expected, found = model.predict(design), again.predict(design)
    assert type(expected) is type(found)
    if scipy.sparse.issparse(expected):
        expected, found = expected.toarray(), found.toarray()
    np.testing.assert_array_equal(expected, found)


def test_feature_names(design):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(design, columns=["a", "b", "c", "d e"])
    model = fastridge.Ridge().fit(frame, design[:, 0])
    again = round_trip(model)
    assert identical(model, again)
    assert again.feature_names_in_.dtype == object
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("targets", [None, 2])
def test_result(design, dtype, targets):
    y = design[:, 0] if targets is None else design[:, :targets]
    result = fastridge.ridge(design.astype(dtype), y, 1.0)
    again = round_trip(result)
    assert type(again) is type(result)
    for name in type(result).__slots__:
        assert identical(getattr(result, name), getattr(again, name)), name


VALUES = {
    "none": None,
    "bool": True,
    "int": -(2**70),
    "float": 0.1,
    "negative zero": -0.0,
    "smallest": 5e-324,
    "nan": math.nan,
    "inf": math.inf,
    "minus inf": -math.inf,
    "str": 'quote " slash \\ newline \n nul \0 \ud800 é 🙂',
    "empty str": "",
    "numpy float32": np.float32(0.1),
    "numpy float64": np.float64("nan"),
    "numpy int64": np.int64(7),
    "numpy bool": np.bool_(True),
    "numpy str": np.str_("ab"),
    "numpy empty str": np.str_(""),
    "numpy date": np.datetime64("2013-01-01", "h"),
    "list": [1, 2.0, None, "x", [math.inf]],
    "tuple": (np.float32(1), (2,), ()),
    "dict": {0: 1.5, "a": math.nan, np.int64(3): {}, (1, "b"): [2]},
    "float64": np.array([0.1, np.nan, np.inf, -0.0]),
    "nan payload": np.array([0x7FF8000000000123], np.uint64).view(np.float64),
    "float32 by column": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "strided": np.arange(20.0)[::3],
    "transposed": np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2).copy(),
    "big endian": np.arange(3, dtype=">f8"),
    "float16": np.arange(3, dtype=np.float16),
    "complex": np.array([1 + 2j]),
    "bool array": np.array([True, False]),
    "int8": np.array([-1], dtype=np.int8),
    "uint64": np.array([2**64 - 1], dtype=np.uint64),
    "unicode": np.array(["a", "éß🙂"]),
    "big endian unicode": np.array(["a", "🙂"], dtype=">U2"),
    "bytes": np.array([b"a", b"bc"]),
    "empty": np.empty((0, 3)),
    "empty unicode": np.array([""], dtype="U0"),
    "no dimension": np.array(3.5),
    "dates": np.array(["2013-01-01", "NaT"], dtype="M8[D]"),
    "names": np.array(["x0", "trailing nul \0", ""], dtype=object),
    "objects": np.array([[1, "a"], [None, np.float32(2)]], dtype=object),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_every_value_as_parameter_and_attribute(value):
    model = fastridge.Ridge(penalty_factor=value)
    model.extra_ = value
    again = round_trip(model)
    assert identical(value, again.penalty_factor)
    assert identical(value, again.extra_)
    assert list(again.get_params()) == list(model.get_params())


def test_model_within_a_model(model):
    outer = fastridge.Ridge(penalty_factor=[model])
    outer.best_ = fastridge.RidgeClassifier(alpha=2.0)
    again = round_trip(outer)
    assert identical(again.penalty_factor[0], model)
    assert again.best_.alpha == 2.0


def test_memmap_is_saved_as_an_array(tmp_path):
    mapped = np.memmap(tmp_path / "coef", dtype=np.float64, mode="w+", shape=(3,))
    mapped[:] = [1, 2, 3]
    model = fastridge.Ridge()
    model.extra_ = mapped
    again = round_trip(model)
    assert identical(again.extra_, np.array([1.0, 2.0, 3.0]))


def test_same_model_same_bytes_and_numpy_reads_them(tmp_path, model):
    path = tmp_path / "model"
    fastridge.save(model, path)
    assert path.read_bytes() == saved(model)
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["coef_"], model.coef_)


@pytest.mark.parametrize("form", [str, pathlib.Path, os.fspath])
def test_paths(tmp_path, model, form):
    path = form(tmp_path / "näme with space.model")
    assert fastridge.save(model, path) is None
    assert os.listdir(tmp_path) == ["näme with space.model"]
    assert identical(fastridge.load(path), model)


def test_relative_path(tmp_path, model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fastridge.save(model, "model")
    assert identical(fastridge.load("model"), model)


def test_file_object_in_the_middle_of_a_stream(tmp_path, model):
    with open(tmp_path / "stream", "wb") as file:
        file.write(b"before")
        fastridge.save(model, file)
    with open(tmp_path / "stream", "rb") as file:
        assert file.read(6) == b"before"
        assert identical(fastridge.load(file), model)


def test_every_listed_class_is_there():
    for name in _classes.CLASSES:
        assert isinstance(_classes.load_class(name), type)


PATHS = {
    "moments": lambda X, Y: fastridge.ridge_path(fastridge.Moments(X, Y), alphas=[0.1, 3.0]),
    "cholesky": lambda X, Y: fastridge.ridge_path(X, Y, [3.0, 0.1], penalty_factor=[0, 1, 1, 2]),
    "float32": lambda X, Y: fastridge.ridge_path(X.astype("f"), Y, [3.0, 0.1]),
    "no penalty": lambda X, Y: fastridge.ridge_path(X, Y, [3.0, 0.0], fit_intercept=False),
    "dual": lambda X, Y: fastridge.ridge_path(X[:3], Y[:3], [3.0, 0.1], solver="dual"),
    "cg": lambda X, Y: fastridge.ridge_path(scipy.sparse.csr_array(X), Y, 4, solver="cg"),
}
SHOWN = [
    "alphas",
    "coef",
    "intercept",
    "norm",
    "residual",
    "objective",
    "dof",
    "dof_error",
    "relative_gradient",
    "n_iter",
    "n_samples",
    "gcv",
    "aic",
    "bic",
    "solver",
    "converged",
]


@pytest.mark.parametrize(
    "copied", [round_trip, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))]
)
@pytest.mark.parametrize("targets", [None, 1, 2])
@pytest.mark.parametrize("name", PATHS)
def test_paths_of_ridge(design, name, targets, copied):
    y = np.random.default_rng(1).standard_normal((len(design), targets or 1)) + design[:, :1]
    path = PATHS[name](design, y if targets else y[:, 0])
    again = copied(path)
    assert type(again) is fastridge.RidgePath
    for shown in SHOWN:
        assert identical(getattr(path, shown), getattr(again, shown)), shown
    assert identical(path.predict(design), again.predict(design))
    if name in ("cg", "no penalty"):
        with pytest.raises(ValueError, match="log_evidence needs a direct solver"):
            _ = again.log_evidence
    else:
        assert identical(path.log_evidence, again.log_evidence)
    assert repr(again) == repr(path)
    assert saved(again) == saved(path)


@pytest.mark.parametrize(
    ("member", "values"),
    [("alphas", np.ones(3)), ("norm", np.ones((2, 2))), ("_run.intercept", np.ones(2))],
)
def test_fields_of_a_path_that_do_not_fit_together(design, member, values):
    path = fastridge.ridge_path(design, design[:, 0], [1.0, 2.0])
    with zipfile.ZipFile(io.BytesIO(saved(path))) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members[f"{member}.npy"] = npy(values)
    with pytest.raises(ModelFileError, match=f"{member.rpartition('.')[2]} must be an array"):
        fastridge.load(io.BytesIO(archive(members.pop(HEADER), members)))


def test_batch_results(design):
    batch = np.stack([design, design + 1.0])
    result = fastridge.ridge_batch(batch, batch[:, :, :2], [1.0, 2.0])
    again = round_trip(result)
    assert type(again) is fastridge.RidgeBatchResult
    for name in type(result).__slots__:
        assert identical(getattr(result, name), getattr(again, name))


@pytest.mark.parametrize("options", [{}, {"alpha": [0.1, 1.0], "groups": np.arange(60) % 2}])
def test_windows(options):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3)).astype(np.float32)
    if not options:
        pandas = pytest.importorskip("pandas")
        X = pandas.DataFrame(X, columns=["a", "b", "c"])
    result = fastridge.rolling_ridge(X, rng.standard_normal(60), window=9, **options)
    again = round_trip(result)
    assert type(again) is fastridge.RollingRidgeResult
    for name in type(result).__slots__:
        assert identical(getattr(result, name), getattr(again, name)), name


class Derived(fastridge.Ridge):
    pass


@pytest.mark.parametrize("thing", [{"a": 1}, 3.0, Derived(), fastridge.Ridge, None])
def test_refuses_other_classes(tmp_path, thing):
    with pytest.raises(TypeError, match=r"expected one of: BayesianRidge, .*, RidgeClassifierCV"):
        fastridge.save(thing, tmp_path / "model")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("function", [fastridge.lasso_path, fastridge.enet_path])
def test_what_a_path_function_returns_is_saved_by_its_path(tmp_path, function):
    X = np.random.default_rng(0).standard_normal((20, 3))
    for y in (X[:, 0], X[:, :2]):
        found = function(X, y, alphas=3)
        with pytest.raises(TypeError, match=r"model is a PathTuple.*expected model\.path"):
            fastridge.save(found, tmp_path / "path")
        fastridge.save(found.path, tmp_path / "path")
        np.testing.assert_array_equal(fastridge.load(tmp_path / "path").coef, found.path.coef)


@pytest.mark.parametrize(
    "value",
    [
        np.random.default_rng(0),
        np.random.RandomState(0),
        print,
        b"bytes",
        {1, 2},
        1j,
        np.ma.masked_array([1.0], mask=[True]),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        np.array([object()], dtype=object),
    ],
    ids=lambda value: type(value).__name__,
)
def test_refuses_other_values(tmp_path, value):
    with pytest.raises(TypeError, match=r"random_state(\.0)? is a .*a model file cannot hold"):
        fastridge.save(fastridge.Ridge(random_state=value), tmp_path / "model")
    assert os.listdir(tmp_path) == []


def test_depth():
    def nested(n):
        return [nested(n - 1)] if n else []

    assert round_trip(fastridge.Ridge(random_state=nested(30))).random_state == nested(30)
    endless = []
    endless.append(endless)
    for value in (nested(32), endless):
        with pytest.raises(TypeError, match="nested deeper than the 32 levels"):
            saved(fastridge.Ridge(random_state=value))


@pytest.mark.parametrize("name", ["note", "_hidden"])
def test_refuses_attributes_it_does_not_know(model, name):
    setattr(model, name, "mine")
    with pytest.raises(TypeError, match=f"'{name}' of Ridge"):
        saved(model)


def test_leaves_out_what_scikit_learn_notes(model):
    data = saved(model)
    model._sklearn_output_config = {"transform": "pandas"}
    model._metadata_request = object()
    assert saved(model) == data
