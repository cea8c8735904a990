"""Destinations of model files: writes are atomic, whatever happens meanwhile."""

import copy
import errno
import io
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from model_files import identical, saved

import fastridge
from fastridge.io import place


@pytest.fixture
def model():
    X = np.random.default_rng(0).standard_normal((30, 4))
    return fastridge.Ridge(alpha=0.5).fit(X, X @ [1.0, 2.0, 3.0, 4.0])


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
        with pytest.raises(TypeError, match=r"^path is a StringIO, .*expected a binary file"):
            run()
    for run in (lambda: fastridge.save(model, ""), lambda: fastridge.load("")):
        with pytest.raises(ValueError, match=r"^path is empty"):
            run()


def test_paths_of_bytes(tmp_path, model):
    path = os.fsencode(tmp_path / "model")
    fastridge.save(model, path)
    assert fastridge.load(path).alpha == model.alpha


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_read_only_files_are_kept(tmp_path, model):
    path = tmp_path / "model"
    path.write_bytes(b"mine")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="path is a read-only file") as caught:
        fastridge.save(model, path)
    assert caught.value.filename == os.path.realpath(path)
    assert path.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["model"]


FULL = """
import resource, signal, sys
import numpy as np
import fastridge
from fastridge.io import place

model = fastridge.load(sys.argv[1])
model.coef_, model.n_features_in_ = np.ones(100_000), 100_000
if sys.argv[2] == "named":
    place._new_file = lambda folder, temporary: open(temporary, "x+b")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    fastridge.save(model, sys.argv[1])
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits are those of Linux")
@pytest.mark.parametrize("kind", ["unnamed", "named"])
@pytest.mark.slow
def test_a_full_disk_leaves_the_old_file(tmp_path, model, kind):
    path = tmp_path / "model"
    fastridge.save(model, path)
    done = subprocess.run(
        [sys.executable, "-P", "-c", FULL, str(path), kind],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "File too large: path could not be written" in done.stdout
    assert repr(str(path)) in done.stdout
    assert identical(fastridge.load(path), model)
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_folders_that_cannot_be_written_to(tmp_path, model, monkeypatch, code):
    path = tmp_path / "model"
    path.write_bytes(b"old")

    def refuse(folder, temporary):
        raise OSError(code, os.strerror(code), temporary)

    monkeypatch.setattr(place, "_new_file", refuse)
    with pytest.raises(OSError, match="path is in a folder that cannot be written to") as caught:
        fastridge.save(model, path)
    assert caught.value.errno == code
    assert caught.value.filename == os.path.realpath(path)
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_folders_that_cannot_be_read(tmp_path, model, monkeypatch):
    before = os.open

    def refuse(path, flags, *args, **options):
        if str(path) == os.path.realpath(tmp_path) and flags == os.O_RDONLY:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return before(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", refuse)
    fastridge.save(model, tmp_path / "model")
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["model"]
    assert identical(fastridge.load(tmp_path / "model"), model)


@pytest.mark.skipif(os.name != "posix", reason="Windows does not replace a file that is open")
def test_threads_that_save_and_load_one_file(tmp_path, model):
    path = tmp_path / "model"
    models = []
    for i in range(3):
        models.append(copy.deepcopy(model).set_params(alpha=1.0 + i))
        models[i].coef_ = np.full(1000 * (i + 1), 1.0 + i)
        models[i].n_features_in_ = len(models[i].coef_)
    fastridge.save(models[0], path)

    def save(i):
        fastridge.save(models[i % 3], path)

    def load(i):
        found = fastridge.load(path)
        return identical(found, models[int(found.alpha) - 1])

    with ThreadPoolExecutor(4) as pool:
        saves = [pool.submit(save, i) for i in range(60)]
        loads = [pool.submit(load, i) for i in range(60)]
        assert all(each.result() is None for each in saves)
        assert all(each.result() for each in loads)
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills a child on Linux")
@pytest.mark.parametrize("step", ["fsync", "link", "replace"])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.slow
def test_a_kill_leaves_nothing_that_the_next_save_does_not_remove(tmp_path, model, named, step):
    if named and step == "link":
        pytest.skip("a file that has a name is not linked")
    path = tmp_path / "model"
    fastridge.save(model, path)
    code = f"""
import os, signal
import fastridge
from fastridge.io import place
if {named}:
    place._new_file = lambda folder, temporary: open(temporary, "x+b")
before = os.{step}
def killed(*args, **options):
    if {step!r} == "link":
        before(*args, **options)
    os.kill(os.getpid(), signal.SIGKILL)
os.{step} = killed
fastridge.save(fastridge.Ridge(), {str(path)!r})
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert identical(fastridge.load(path), model)
    assert len(os.listdir(tmp_path)) <= 1 + (named or step != "fsync")
    other = tmp_path / ".fastridge-note.tmp"
    other.touch()
    fastridge.save(model, tmp_path / "second")
    assert sorted(os.listdir(tmp_path)) == [".fastridge-note.tmp", "model", "second"]


def test_files_of_saves_that_go_on_are_not_removed(tmp_path, model):
    running = tmp_path / f"{place._PREFIX}{os.getpid()}-{'0' * 16}.tmp"
    elsewhere = tmp_path / f".fastridge-00000000-1-{'0' * 16}.tmp"
    running.touch()
    elsewhere.touch()
    fastridge.save(model, tmp_path / "model")
    assert running.exists()
    assert elsewhere.exists()
    os.utime(elsewhere, (0, 0))
    fastridge.save(model, tmp_path / "model")
    assert not elsewhere.exists()


@pytest.mark.parametrize("refused", ["link", "open"])
def test_file_systems_without_unnamed_files(tmp_path, model, monkeypatch, refused):
    before = getattr(os, refused)

    def fail(*args, **options):
        if refused == "link" or args[1] & getattr(os, "O_TMPFILE", 0) == getattr(
            os, "O_TMPFILE", -1
        ):
            raise OSError(95, "not supported")
        return before(*args, **options)

    monkeypatch.setattr(os, refused, fail)
    fastridge.save(model, tmp_path / "model")
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["model"]
    assert identical(fastridge.load(tmp_path / "model"), model)
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "model").stat().st_mode == plain.stat().st_mode


class Slow(io.RawIOBase):
    """A file that accepts a few bytes per write, and none after `end`."""

    def __init__(self, end=None, full=0):
        self.data, self.end, self.full = b"", end, full

    def writable(self):
        return True

    def write(self, data):
        if self.end is not None and len(self.data) >= self.end:
            return self.full
        self.data += bytes(data[:100])
        return len(bytes(data[:100]))


def test_file_objects_that_take_a_part_at_a_time(model):
    file = Slow()
    fastridge.save(model, file)
    assert file.data == saved(model)
    for full, kind in ((0, OSError), (None, BlockingIOError)):
        with pytest.raises(kind, match="path took 300 of"):
            fastridge.save(model, Slow(300, full))


def test_file_objects_that_count_nothing(model):
    class Plain:
        data = b""

        def write(self, data):
            self.data += data

    file = Plain()
    fastridge.save(model, file)
    assert file.data == saved(model)
