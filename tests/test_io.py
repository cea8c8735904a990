"""fastridge.save and fastridge.load: exact round trips, and files that are not to be trusted."""

import copy
import io
import json
import math
import os
import pathlib
import pickle
import stat
import struct
import sys
import zipfile

import numpy as np
import pytest
import scipy.sparse

import fastridge
from fastridge.io import FORMAT_VERSION, ModelFileError

HEADER = "header.json"


def identical(a, b):
    """Equal to the bit, types included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        if a.dtype.kind == "O":
            return all(identical(x, y) for x, y in zip(a.ravel(), b.ravel(), strict=True))
        if a.flags.forc and a.flags.f_contiguous != b.flags.f_contiguous:
            return False
        return a.tobytes() == b.tobytes()
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, dict):
        return identical(list(a.items()), list(b.items()))
    if hasattr(a, "get_params"):
        return identical(a.get_params(), b.get_params()) and identical(fitted(a), fitted(b))
    return a == b


def fitted(model):
    return {k: v for k, v in vars(model).items() if k not in model.get_params()}


def round_trip(model):
    file = io.BytesIO()
    fastridge.save(model, file)
    file.seek(0)
    return fastridge.load(file)


def saved(model):
    file = io.BytesIO()
    fastridge.save(model, file)
    return file.getvalue()


@pytest.fixture
def design():
    rng = np.random.default_rng(0)
    return rng.standard_normal((30, 4))


@pytest.fixture
def model(design):
    return fastridge.Ridge(alpha=0.5).fit(design, design @ [1.0, 2.0, 3.0, 4.0])


def archive(header, members=(), compression=zipfile.ZIP_STORED):
    """A model file made by hand; `header` is JSON text or the tree of the model."""
    if not isinstance(header, (str, bytes)):
        header = json.dumps({"format": "fastridge model", "version": 1, "model": header})
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out:
        out.writestr(HEADER, header)
        for name, data in dict(members).items():
            out.writestr(name, data)
    return file.getvalue()


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), **options)
    return file.getvalue()


def npy_header(text):
    """A .npy file whose header is `text`, with eight bytes of data."""
    text = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(8)


# Round trips


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
    model.coef_ = mapped
    again = round_trip(model)
    assert identical(again.coef_, np.array([1.0, 2.0, 3.0]))


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
    for name in fastridge.io._CLASSES:
        assert isinstance(fastridge.io._load_class(name), type)


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


# Writing all or nothing


def test_replaces_an_older_file(tmp_path, model):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    fastridge.save(model, path)
    assert identical(fastridge.load(path), model)


@pytest.mark.skipif(os.name != "posix", reason="permission bits and links are POSIX")
def test_keeps_mode_and_link(tmp_path, model):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    path.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(path)
    fastridge.save(model, link)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert identical(fastridge.load(path), model)
    plain, fresh = tmp_path / "plain", tmp_path / "fresh"
    plain.touch()
    fastridge.save(model, fresh)
    assert fresh.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failure_leaves_the_old_file(tmp_path, model, monkeypatch, step):
    path = tmp_path / "model"
    path.write_bytes(b"old")

    def fail(*args):
        raise OSError("no space left")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="no space left"):
        fastridge.save(model, path)
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model"]


def test_refuses_what_is_not_a_regular_file(tmp_path, model):
    with pytest.raises(ValueError, match="not a regular file"):
        fastridge.save(model, tmp_path)
    with pytest.raises(ValueError, match="not a regular file"):
        fastridge.save(model, os.devnull)


def test_missing_folder_and_missing_file(tmp_path, model):
    with pytest.raises(
        FileNotFoundError, match=r"path is in a folder that does not.*none"
    ) as caught:
        fastridge.save(model, tmp_path / "none" / "model")
    assert caught.value.filename == os.path.realpath(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        fastridge.load(tmp_path / "model")


@pytest.mark.parametrize("path", [None, 3, ["model"], 1.0])
def test_refuses_what_is_no_path(model, path):
    for run in (lambda: fastridge.save(model, path), lambda: fastridge.load(path)):
        with pytest.raises(TypeError, match=r"^path is .*; expected a str, an os.PathLike or"):
            run()


def test_refuses_files_of_text_and_empty_paths(model):
    for run in (
        lambda: fastridge.save(model, io.StringIO()),
        lambda: fastridge.load(io.StringIO()),
    ):
        with pytest.raises(TypeError, match=r"^path is a StringIO, .*expected one of bytes"):
            run()
    for run in (lambda: fastridge.save(model, ""), lambda: fastridge.load("")):
        with pytest.raises(ValueError, match=r"^path is empty"):
            run()


def test_paths_of_bytes(tmp_path, model):
    path = os.fsencode(tmp_path / "model")
    fastridge.save(model, path)
    assert fastridge.load(path).alpha == model.alpha


# What has no place in a file


class Derived(fastridge.Ridge):
    pass


@pytest.mark.parametrize("thing", [{"a": 1}, 3.0, Derived(), fastridge.Ridge, None])
def test_refuses_other_classes(tmp_path, thing):
    with pytest.raises(TypeError, match=r"expected one of: BayesianRidge, .*, RidgeClassifierCV"):
        fastridge.save(thing, tmp_path / "model")
    assert os.listdir(tmp_path) == []


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
    with pytest.raises(TypeError, match=r"random_state(\.0)? is a .*no place in a model file"):
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


# Files not to be trusted


class Bomb:
    def __reduce__(self):
        return (exec, ("import sys; sys.bomb_ran = True",))


def ran():
    return vars(sys).pop("bomb_ran", False)


def refused(data, match):
    with pytest.raises(ModelFileError, match=match) as info:
        fastridge.load(io.BytesIO(data))
    assert str(info.value).startswith("<BytesIO>: found ")
    assert ", expected " in str(info.value)
    assert not ran()


def test_message_names_the_path(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="model: found an empty file, expected a fastridge model"):
        fastridge.load(path)


def test_other_files():
    refused(b"\x80\x04\x95 pickle", r"found b'\\x80\\x04\\x95 pickle'")
    refused(npy(np.zeros(3)), "NUMPY")
    refused(b"PK\x03\x04 and no more", "damaged or truncated")
    file = io.BytesIO()
    np.savez(file, coef_=np.zeros(3))
    refused(file.getvalue(), "without header.json")


def test_truncated_anywhere(model):
    data = saved(model)
    for length in range(len(data)):
        with pytest.raises(ModelFileError):
            fastridge.load(io.BytesIO(data[:length]))


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_any_byte_changed_is_refused_or_harmless(model, flip):
    data = saved(model)
    for i in range(len(data)):
        changed = bytearray(data)
        changed[i] ^= flip
        try:
            again = fastridge.load(io.BytesIO(bytes(changed)))
        except ModelFileError:
            continue
        assert identical(again, model)  # a date, or a field that nobody reads


def test_newer_version():
    header = {"format": "fastridge model", "version": FORMAT_VERSION + 1, "fastridge": "99.0"}
    refused(
        archive(json.dumps(header | {"model": {"future": 1}}), {"x.bin": b"0"}),
        "format version 2, written by fastridge '99.0', expected version 1 or older.*newer",
    )


@pytest.mark.parametrize("version", [0, -1, True, 1.0, "1", None])
def test_strange_version(version):
    header = {"format": "fastridge model", "version": version, "model": None}
    refused(archive(json.dumps(header)), "format version")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{",
        "[]",
        '"fastridge model"',
        "{}",
        '{"format": "other", "version": 1}',
        b"\xff\xfe\xfd",
        "[" * 100_000,
        '{"format": "fastridge model", "version": 1, "version": 1, "model": null}',
        '{"format": "fastridge model", "version": 1, "model": NaN}',
        '{"format": "fastridge model", "version": ' + "9" * 5000 + "}",
    ],
    ids=range(11),
)
def test_header_that_is_not_one(header):
    refused(archive(header), "header")


def ridge_tree(params=(), attributes=(), name="Ridge"):
    return {"model": [name, dict(params), dict(attributes)]}


def deep(n):
    tree = {"list": []}
    for _ in range(n):
        tree = {"list": [tree]}
    return tree


TREES = {
    "no model": (None, "NoneType"),
    "not a model": ({"list": [1]}, "a list"),
    "unknown class": (ridge_tree(name="Popen"), "class 'Popen'"),
    "class with a path": (ridge_tree(name="os.system"), "class 'os.system'"),
    "class not a string": (ridge_tree(name=["Ridge"]), "class"),
    "model too short": ({"model": ["Ridge"]}, "not enough values"),
    "parameters not a dict": ({"model": ["Ridge", [], {}]}, "no attribute 'items'"),
    "unknown parameter": (ridge_tree({"gamma": 1}), "parameter 'gamma' of Ridge"),
    "unknown tag": (ridge_tree({"alpha": {"pickle": "gASV"}}), "tag 'pickle'"),
    "tag of a method": (ridge_tree({"alpha": {"_value": 1}}), "tag '_value'"),
    "two tags": (ridge_tree({"alpha": {"list": [], "tuple": []}}), "object of one key"),
    "bare list": (ridge_tree({"alpha": [1]}), "object of one key"),
    "private attribute": (ridge_tree((), {"_hidden": 1}), "attribute '_hidden'"),
    "class attribute": (ridge_tree((), {"__class__": 1}), "attribute '__class__'"),
    "method": (ridge_tree((), {"predict": 1}), "attribute 'predict'"),
    "no such float": (ridge_tree({"alpha": {"float": "1.0"}}), "KeyError"),
    "unhashable key": (ridge_tree({"alpha": {"dict": [[{"list": []}, 1]]}}), "unhashable"),
    "key twice": (ridge_tree({"alpha": {"dict": [["a", 1], ["a", 2]]}}), "twice"),
    "scalar of objects": (ridge_tree({"alpha": {"scalar": ["|O", "00" * 8]}}), "dtype"),
    "scalar too short": (ridge_tree({"alpha": {"scalar": ["<f8", "00"]}}), "1 bytes"),
    "scalar not hex": (ridge_tree({"alpha": {"scalar": ["<f8", "zz"]}}), "ValueError"),
    "scalar of fields": (ridge_tree({"alpha": {"scalar": ["i4,i4", "00" * 8]}}), "dtype"),
    "scalar too large": (ridge_tree({"alpha": {"scalar": ["<U999999999", ""]}}), "expected"),
    "objects lie": (ridge_tree({"alpha": {"objects": [[10**12], []]}}), "0 values"),
    "objects overflow": (ridge_tree({"alpha": {"objects": [[2**64, 0], []]}}), "header"),
    "objects negative": (ridge_tree({"alpha": {"objects": [[-1, -1], [1]]}}), "shape"),
    "no such member": (ridge_tree({"alpha": {"array": "a.npy"}}), "no member 'a.npy'"),
    "path as member": (ridge_tree({"alpha": {"array": "/etc/passwd"}}), "no member"),
    "header as member": (ridge_tree({"alpha": {"array": HEADER}}), "no member"),
    "too deep": (ridge_tree({"alpha": deep(100)}), "nested deeper"),
    "coef_ of another length": (
        ridge_tree((), {"n_features_in_": 3, "coef_": {"scalar": ["<f8", "00" * 8]}}),
        "3 along its last axis",
    ),
    "fields of a result": (ridge_tree((), {"coef": 1}, name="RidgeResult"), "fields"),
    "result with __class__": (ridge_tree((), {"__class__": 1}, name="RidgeResult"), "fields"),
}


@pytest.mark.parametrize(("tree", "match"), TREES.values(), ids=TREES.keys())
def test_hostile_header(tree, match):
    refused(archive(tree), match)


FLOATS = "{'descr': '<f8', 'fortran_order': False, 'shape': (%s,), }"
MEMBERS = {
    "objects": (npy([Bomb()], allow_pickle=True), "dtype"),
    "objects declared": (npy_header(FLOATS.replace("<f8", "|O") % 1), "dtype"),
    "fields": (npy(np.zeros(1, dtype="i4,i4")), "dtype"),
    "void": (npy(np.zeros(1, dtype="V8")), "dtype"),
    "too many": (npy_header(FLOATS % 2), "8 bytes in 'a.npy', expected 16"),
    "absurd": (npy_header(FLOATS % 10**15), "8 bytes in 'a.npy', expected 8000000000000000"),
    "overflow": (npy_header(FLOATS % f"{2**62}, {2**62}"), "8 bytes"),
    "negative": (npy_header(FLOATS % "-1, -1"), "shape"),
    "too few": (npy_header(FLOATS % 0), "8 bytes"),
    "code": (npy_header("__import__('os').system('true')"), "header"),
    "not a dict": (npy_header("[1]"), "header"),
    "no array": (b"nothing", "magic"),
    "empty": (b"", "a.npy"),
    "version": (npy(np.zeros(1), version=(2, 0)), "format"),
    "bad boolean": (npy(np.array([2], np.uint8)).replace(b"|u1", b"|b1"), "above 1"),
    "bad character": (npy(np.array([0x110000], "<u4")).replace(b"<u4", b"<U1"), "above U\\+10FFFF"),
}


@pytest.mark.parametrize(("data", "match"), MEMBERS.values(), ids=MEMBERS.keys())
def test_hostile_array(data, match):
    refused(archive(ridge_tree({"alpha": {"array": "a.npy"}}), {"a.npy": data}), match)


def test_bomb_would_have_run():
    np.load(io.BytesIO(MEMBERS["objects"][0]), allow_pickle=True)
    assert ran()


def test_compressed_members_are_refused():
    tree = ridge_tree({"alpha": {"array": "a.npy"}})
    data = archive(tree, {"a.npy": npy(np.zeros(10**6))}, zipfile.ZIP_DEFLATED)
    assert len(data) < 10_000
    refused(data, "compressed or encrypted")


def test_declared_sizes_beyond_the_file():
    data = bytearray(archive(ridge_tree({"alpha": {"array": "a.npy"}}), {"a.npy": npy([1.0])}))
    at = data.rfind(b"PK\x01\x02")  # the entry of a.npy in the archive's directory
    data[at + 20 : at + 28] = struct.pack("<II", 2**31, 2**31)
    refused(bytes(data), "bytes in a file of")
    data[at + 20 : at + 28] = struct.pack("<II", 100, 2**31)
    refused(bytes(data), "expected equal sizes")


def test_members_twice_or_unknown():
    tree = ridge_tree({"alpha": {"array": "a.npy"}})
    file = io.BytesIO(archive(tree, {"a.npy": npy([1.0])}))
    with zipfile.ZipFile(file, "a") as out, pytest.warns(UserWarning, match="Duplicate name"):
        out.writestr("a.npy", npy([2.0]))
    refused(file.getvalue(), "there twice")
    refused(archive(ridge_tree(), {"../../escape": b"x"}), "members .*escape.* does not mention")
    both = ridge_tree({"alpha": {"array": "a.npy"}, "tol": {"array": "a.npy"}})
    refused(archive(both, {"a.npy": npy([1.0])}), "no member 'a.npy' left")


def test_loading_imports_nothing_new():
    before = set(sys.modules)
    refused(archive(ridge_tree(name="antigravity")), "class")
    assert "antigravity" not in set(sys.modules) - before
