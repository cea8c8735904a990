"""Model files that are damaged, hostile or newer."""

import gc
import io
import json
import signal
import struct
import sys
import zipfile

import numpy as np
import pytest
import scipy.sparse
from model_files import HEADER, archive, identical, npy, npy_header, saved

import fastridge
from fastridge.io import FORMAT_VERSION, ModelFileError, _classes


@pytest.fixture
def model():
    X = np.random.default_rng(0).standard_normal((30, 4))
    return fastridge.Ridge(alpha=0.5).fit(X, X @ [1.0, 2.0, 3.0, 4.0])


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
@pytest.mark.slow
def test_any_byte_changed_is_refused_or_harmless(model, flip):
    data = saved(model)
    for i in range(len(data)):
        changed = bytearray(data)
        changed[i] ^= flip
        try:
            again = fastridge.load(io.BytesIO(bytes(changed)))
        except ModelFileError:
            continue
        assert identical(again, model)  # a date, or an unused field


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
    "key twice": (ridge_tree({"alpha": {"dict": [["a", 1], ["a", 2]]}}), "duplicate"),
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
        r"coef_ must be an array of finite floats of shape \(\?t, p=3\)",
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
    refused(file.getvalue(), "duplicate")
    refused(
        archive(ridge_tree(), {"../../escape": b"x"}), "members .*escape.* are not in the header"
    )
    both = ridge_tree({"alpha": {"array": "a.npy"}, "tol": {"array": "a.npy"}})
    refused(archive(both, {"a.npy": npy([1.0])}), "no member 'a.npy' left")


def test_no_target_of_very_many_features(model):
    result = fastridge.elastic_net(np.eye(3), np.arange(3.0), alpha=0.1)
    result.coef, result.intercept = np.zeros((0, 2**40)), np.zeros(0)
    model.coef_, model.intercept_ = result.coef, result.intercept
    model.n_features_in_ = 2**40
    for broken in (result, model):
        refused(saved(broken, checked=False), "the number of targets must be at least 1")


def test_loading_imports_nothing_new():
    before = set(sys.modules)
    refused(archive(ridge_tree(name="antigravity")), "class")
    assert "antigravity" not in set(sys.modules) - before


@pytest.mark.parametrize("code", ["|S0", "<U0", ">U0", "|V0"])
def test_elements_without_a_byte(code):
    data = npy_header(FLOATS.replace("<f8", code) % 10**9)[:-8]
    refused(archive(ridge_tree({"alpha": {"array": "a.npy"}}), {"a.npy": data}), "dtype")


class Alarm(Exception):
    pass


@pytest.mark.parametrize(
    "kind", [Alarm, ValueError, OSError, TimeoutError, RuntimeError, MemoryError, KeyboardInterrupt]
)
@pytest.mark.parametrize("place", ["zipfile.ZipFile", "json.loads", "numpy.ndarray", "fastridge"])
def test_what_other_code_raises_is_not_about_the_file(model, monkeypatch, kind, place):
    """A handler of a signal runs between any two steps."""

    def handler(*args, **options):
        raise kind("from elsewhere")

    data = saved(model)
    owner, name = {
        "zipfile.ZipFile": (zipfile.ZipFile, "_RealGetContents"),
        "json.loads": (json, "loads"),
        "numpy.ndarray": (np.lib.format, "read_array_header_1_0"),
        "fastridge": (_classes, "CLASSES"),
    }[place]
    if place == "fastridge":
        monkeypatch.setattr(fastridge.io._reader, "is_fitted", handler)
    else:
        monkeypatch.setattr(owner, name, handler)
    with pytest.raises(kind, match="from elsewhere"):
        fastridge.load(io.BytesIO(data))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
@pytest.mark.slow
def test_a_signal_while_loading(model):
    def handler(*args):
        raise TimeoutError("took too long")

    outer = fastridge.Ridge(penalty_factor=[model] * 2000)
    data = saved(outer)
    before = signal.signal(signal.SIGALRM, handler)
    # an exception within a callback of the garbage collector would be lost
    gc.disable()
    try:
        for _ in range(5):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            with pytest.raises(TimeoutError, match="took too long"):
                fastridge.load(io.BytesIO(data))
    finally:
        gc.enable()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def sklearn_tree(name, params=(), attributes=(), version="1"):
    return {"sklearn": [name, version, dict(params), dict(attributes)]}


@pytest.mark.parametrize(
    ("tree", "match"),
    [
        (sklearn_tree("SVC"), "class 'SVC' of scikit-learn"),
        (sklearn_tree("os.system"), "class 'os.system'"),
        (sklearn_tree(["Pipeline"]), "class"),
        (sklearn_tree("Pipeline", {"code": 1}), "parameter 'code' of Pipeline"),
        (sklearn_tree("StandardScaler", {}, {"transform": 1}), "attribute 'transform'"),
        (sklearn_tree("StandardScaler", {}, {"__class__": 1}), "attribute '__class__'"),
        (sklearn_tree("StandardScaler", {}, {"a b": 1}), "attribute 'a b'"),
        (sklearn_tree("KFold", {"n_splits": 3}), "parameter 'n_splits' of KFold"),
        ({"sklearn": ["KFold"]}, "not enough values"),
        (ridge_tree({"alpha": {"type": "builtins.eval"}}), "KeyError"),
        (ridge_tree({"alpha": {"dtype": "i4,i4"}}), "dtype"),
        (ridge_tree({"alpha": {"slice": [1]}}), "header"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*saved with scikit-learn")
def test_hostile_objects_of_scikit_learn(tree, match):
    pytest.importorskip("sklearn")
    refused(archive(tree), match)


def test_paths_of_too_many_features():
    X, y = np.eye(3), np.arange(3.0)
    for path in (fastridge.elastic_net_path(X, y), fastridge.glm_path(X, y, "poisson")):
        path._n_features = 10**18
        refused(saved(path, checked=False), "_n_features must be at most 2147483647")


@pytest.mark.parametrize("last", [0, 1, 47, 2**31 - 1])
def test_sparse_rows_whose_pointers_do_not_fit(last):
    # SciPy checks no index where the last pointer is 0
    X = scipy.sparse.csr_array(np.ones((12, 40)))
    model = fastridge.GroupRidge(np.arange(40) % 2).fit(X, np.arange(12.0))
    model._kept["rows"]["indptr"][-1] = last
    refused(saved(model, checked=False), "_kept.rows .*index pointer|_kept.rows .*indptr")


@pytest.mark.parametrize("alpha", [0.0, -0.0, 5e-324, -1.0, np.nan])
def test_precision_of_an_infinite_noise(alpha):
    model = fastridge.BayesianRidge().fit(np.eye(5)[:, :2], np.arange(5.0))
    assert model.posterior_.shape == (2, 2)
    model.alpha_ = alpha
    refused(saved(model, checked=False), "alpha_ must be above 0, with a finite inverse")
