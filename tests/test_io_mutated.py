"""Files of every class: damaged ones are refused or predict, and those of earlier versions load."""

import contextlib
import copy
import io
import os
import pathlib
import tracemalloc
import zipfile

import model_catalogue
import model_mutations
import numpy as np
import pytest
from model_files import archive, identical, npy_header, round_trip, saved

import fastridge
from fastridge.io import ModelFileError, _check, _classes, _encode, _fields

pytestmark = pytest.mark.filterwarnings("ignore")

KEPT = pathlib.Path(__file__).with_name("kept_models")


@pytest.mark.parametrize("name", model_catalogue.MODELS)
def test_every_model_predicts_the_same_after_a_round_trip(name):
    model = model_catalogue.MODELS[name]()
    again = round_trip(model)
    if isinstance(model, dict):
        assert identical(model, again)
        return
    assert type(again) is type(model)
    for expected, found in zip(model_catalogue.use(model), model_catalogue.use(again), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_catalogue_has_every_class():
    made = set()

    def collect(value):
        found = _classes.class_of(value)
        if found:
            made.add(found)
            for part in _classes.state_of(value):
                collect(part)
        elif isinstance(value, (list, tuple)):
            for item in value:
                collect(item)
        elif isinstance(value, dict):
            for item in value.values():
                collect(item)

    for make in model_catalogue.MODELS.values():
        collect(make())
    assert made == set(_classes.CLASSES)
    assert set(_fields.FIELDS) == made


@pytest.mark.parametrize("name", model_catalogue.MODELS)
def test_files_of_version_1_load_and_predict_what_they_did(name):
    """The files are kept; `python tests/test_io_mutated.py` adds those of new models."""
    if name == "Pipeline":
        pytest.importorskip("sklearn")
    model = fastridge.load(KEPT / f"{name}.fastridge")
    if isinstance(model, dict):
        assert {"state", "param_groups"} == set(model)
        return
    used = [np.asarray(value) for value in model_catalogue.use(model)]
    with np.load(KEPT / "uses.npz") as uses:
        expected = [uses[f"{name} {i}"] for i in range(len(used))]
        assert f"{name} {len(used)}" not in uses
    for old, new in zip(expected, used, strict=True):
        assert new.dtype == old.dtype
        assert new.shape == old.shape
        if new.dtype.kind == "f":
            np.testing.assert_allclose(new, old, rtol=1e-5 if new.dtype == np.float32 else 1e-9)
        else:
            np.testing.assert_array_equal(new, old)


def test_no_kept_file_is_of_a_model_that_is_gone():
    assert {path.stem for path in KEPT.glob("*.fastridge")} == set(model_catalogue.MODELS)


@pytest.mark.parametrize("part", range(15))
def test_mutations_are_refused_or_predict(part):
    # some 4 seconds for each 750 of all parts, which go to the processes of a run
    count = 50 * int(os.environ.get("FASTRIDGE_FUZZ", "1"))
    counts, faults = model_mutations.run(18, part * count, count)
    assert not faults
    assert counts["loaded"] > 0.05 * count


@pytest.mark.parametrize("name", model_catalogue.MODELS)
def test_truncated_at_any_length(name):
    data = model_mutations.source(name)[2]
    for length in range(0, len(data), 1 if name == "ElasticNetResult" else 97):
        with pytest.raises(ModelFileError):
            fastridge.load(io.BytesIO(data[:length]))


@pytest.mark.parametrize("name", model_catalogue.MODELS)
def test_a_missing_entry_is_refused_by_name(name):
    header, members, _ = model_mutations.source(name)
    for member in members:
        left = {key: value for key, value in members.items() if key != member}
        with pytest.raises(ModelFileError, match=f"no member '{member}'"):
            fastridge.load(io.BytesIO(archive(header["model"], left)))


def test_the_name_of_the_entry_is_in_the_message():
    header, members, _ = model_mutations.source("Ridge")
    changes = {
        "coef_": np.ones(4),
        "intercept_": {"float": "nan"},
        "n_features_in_": 4,
        "feature_names_in_": {"list": []},
        "solver_": 3,
        "objective_": "x",
    }
    for name, value in changes.items():
        tree = {"model": ["Ridge", *header["model"]["model"][1:]]}
        attributes = {**tree["model"][2]}
        parts = dict(members)
        if isinstance(value, np.ndarray):
            parts[f"{name}.npy"] = model_mutations.bytes_of(value)
        else:
            attributes[name] = value
        tree["model"][2] = attributes
        expected = "coef_" if name == "n_features_in_" else name
        with pytest.raises(ModelFileError, match=f"{expected} must be"):
            fastridge.load(io.BytesIO(archive(tree, parts)))


def test_parameters_of_a_fitted_model_are_checked():
    header, members, _ = model_mutations.source("Ridge")
    name, parameters, attributes = header["model"]["model"]
    tree = {"model": [name, {**parameters, "alpha": -1.0}, attributes]}
    with pytest.raises(ModelFileError, match=r"'alpha' parameter of Ridge must be|alpha is -1"):
        fastridge.load(io.BytesIO(archive(tree, members)))
    model = model_catalogue.MODELS["Ridge"]()
    model.fit_intercept = "yes"
    with pytest.raises(ValueError, match=r"model is a Ridge that does not predict.*fit_intercept"):
        saved(model)


def test_a_unit_of_y_that_makes_the_noise_infinite():
    header, members, _ = model_mutations.source("GroupRidge-schur")
    units = header["model"]["model"][2]["_kept"]["dict"][2]
    assert units[0] == "y_power"
    for power, refused in ((14336, True), (-14336, False), (3, False)):
        members = {**members, units[1]["array"]: model_mutations.bytes_of(np.array([power]))}
        data = io.BytesIO(archive(header["model"], members))
        if refused:
            with pytest.raises(ModelFileError, match=r"_kept\.y_power must be an exponent of"):
                fastridge.load(data)
        else:
            model_catalogue.use(fastridge.load(data))


def test_a_penalty_for_each_target():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((40, 3)), rng.standard_normal((40, 2))
    model = fastridge.RidgeCV([1.0, 10.0], alpha_per_target=True).fit(X, Y)
    again = round_trip(model)
    assert list(map(str, again.diagnosis_)) == list(map(str, model.diagnosis_))
    for wrong in (model.diagnosis_[:1], (model.diagnosis_[0], "fine")):
        model.diagnosis_ = wrong
        with pytest.raises(ValueError, match="diagnosis_ must be"):
            saved(model)


def test_what_does_not_predict_is_not_saved():
    model = model_catalogue.MODELS["Ridge"]()
    model.coef_[1] = np.nan
    with pytest.raises(ValueError, match="coef_ must be an array of finite floats"):
        saved(model)


def test_a_specification_matches_what_it_says():
    cases = [
        ("real[?t,p]", np.ones((2, 3)), {"?t": (2,), "p": 3}),
        ("real[?t,p]", np.ones((1, 2, 3)), None),
        ("real[*t,p]", np.ones((1, 2, 3)), {"*t": (1, 2), "p": 3}),
        ("real[p,p]", np.ones((2, 3)), None),
        ("real[l,3]", np.ones((2, 3)), {"l": 2}),
        ("real", 3, {}),
        ("real", np.float32(2.0), {}),
        ("real", np.inf, None),
        ("number", np.inf, {}),
        ("real[p]", np.ones(2, ">f8"), None),
        ("real64[p]", np.ones(2, "f4"), None),
        ("count[p]", np.array([-1]), None),
        ("names[p]", np.array(["a", 1], dtype=object), None),
        ("None|bool", None, {}),
        ("=p", 3, {"p": 3}),
        ("=p", 0, None),
        ("=p", True, None),
    ]
    for specification, value, expected in cases:
        if expected is None:
            with pytest.raises(ValueError, match=r"^x must be .*; found"):
                _check.check({"x": value}, {"x": specification})
        else:
            assert _check.check({"x": value}, {"x": specification}) == expected


@pytest.mark.parametrize("declared", ["(10**9,)", "(10**18,)", "(2**40, 2**40)"])
@pytest.mark.parametrize("code", ["<f8", "<U1", "|S1", "|S0", "<U0", "|b1"])
def test_memory_is_in_proportion_to_the_file(declared, code):
    shape = str(eval(declared))
    text = f"{{'descr': '{code}', 'fortran_order': False, 'shape': {shape}, }}"
    data = archive({"model": ["Ridge", {}, {"x_": {"array": "x"}}]}, {"x": npy_header(text)})
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError):
            fastridge.load(io.BytesIO(data))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_bombs_are_not_expanded(method):
    for member in ("header.json", "x"):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as out:
            out.writestr(member, bytes(10**7))
            if member == "x":
                out.writestr(zipfile.ZipInfo("header.json"), b"{}")
        tracemalloc.start()
        try:
            with pytest.raises(ModelFileError, match="compressed"):
                fastridge.load(io.BytesIO(file.getvalue()))
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()


def test_numbers_of_features_allocate_nothing():
    """SGD makes a table from its state, and paths rows of zeros."""
    for name in ("SGDRegressor", "ElasticNetPath", "GLMPath"):
        header, members, _ = model_mutations.source(name)
        text = model_mutations.json.dumps(header)
        for key in ('"n_features_in_": 3', '"_n_features": 3', '"n_features": 3'):
            text = text.replace(key, key.replace("3", str(10**13)))
        tracemalloc.start()
        try:
            with pytest.raises(ModelFileError):
                # an index beyond the features, so that paths are refused, too
                fastridge.load(io.BytesIO(archive(text.replace('"list"', '"tuple"'), members)))
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["RidgeCV", "ElasticNetCV", "GLMCV", "SGDRegressor", "Pipeline"])
def test_long_ranges_allocate_nothing(name):
    """Code that checks parameters and attributes makes arrays and lists of ranges."""
    if name == "Pipeline":
        pytest.importorskip("sklearn")
    header, members, _ = model_mutations.source(name)
    for number in range(len(model_mutations.nodes(header["model"]))):
        # more than the memory, and by turns no size of an array or no integer of 64 bits
        for length in (10**9, (10**18, 10**30)[number % 2]):
            tree = copy.deepcopy(header["model"])
            container, key = model_mutations.nodes(tree)[number]
            container[key] = {"range": [0, length, 1]}
            tracemalloc.start()
            try:
                with contextlib.suppress(ModelFileError):
                    fastridge.load(io.BytesIO(archive(tree, members)))
                assert tracemalloc.get_traced_memory()[1] < 1 << 22, (key, length)
            finally:
                tracemalloc.stop()


def test_ranges_of_the_length_that_files_hold():
    for length in (_encode.MAX_RANGE, _encode.MAX_RANGE + 1):
        groups = round_trip(fastridge.GroupRidge([range(1, 1 + length)])).groups
        assert isinstance(groups[0], range) == (length == _encode.MAX_RANGE)
        np.testing.assert_array_equal(groups[0], np.arange(1, 1 + length))
        tree = {"model": ["GroupRidge", {"groups": {"list": [{"range": [0, length, 1]}]}}, {}]}
        with contextlib.suppress(ModelFileError):
            assert fastridge.load(io.BytesIO(archive(tree))).groups == [range(length)]
            assert length == _encode.MAX_RANGE


if __name__ == "__main__":
    # write the files that are not there yet, and what all of them give
    KEPT.mkdir(exist_ok=True)
    found = {}
    for key, make in model_catalogue.MODELS.items():
        target = KEPT / f"{key}.fastridge"
        if not target.exists():
            fastridge.save(make(), target)
        if not isinstance(kept := fastridge.load(target), dict):
            for place, used in enumerate(model_catalogue.use(kept)):
                found[f"{key} {place}"] = np.asarray(used)
    np.savez_compressed(KEPT / "uses.npz", **found)
