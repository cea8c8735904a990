"""Chunks: iterators, files, progress, and data larger than memory."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse
from parts_problems import ALPHAS, S0, X0, Y0, N, P, close, data

import fastridge
from fastridge import Chunks


def test_an_iterator_takes_one_pass():
    X, y, _ = data()
    pairs = ((X[i : i + 100], y[i : i + 100]) for i in range(0, N, 100))
    once = Chunks(pairs)
    close(fastridge.Ridge().fit(X, y).coef_, fastridge.Ridge().fit(once).coef_, 1e-12)
    with pytest.raises(ValueError, match="has already been read; expected a function"):
        fastridge.Ridge().fit(once)


def test_arguments_of_chunks_are_checked_at_once(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path = tmp_path / "t.parquet"
    table = pa.table({"a": [1.0, 2.0], "b": ["x", "y"], "y": [0.0, 1.0], "s": [1.0, 1.0]})
    pyarrow.parquet.write_table(table, path)
    text = tmp_path / "t.svm"
    text.write_text("1 0:2\n0 1:3\n")
    sparse = scipy.sparse.csc_array(X0)
    for call, kind, message in (
        (lambda: Chunks([], total=-1), ValueError, "total is -1"),
        (lambda: Chunks([], total=2.5), TypeError, "total is 2.5"),
        (lambda: Chunks([], callback=3), TypeError, "callback is 3"),
        (lambda: Chunks.arrays(X0, Y0, rows=2.0), TypeError, "rows is 2.0"),
        (lambda: Chunks.arrays(X0, None), TypeError, "y is None"),
        (lambda: Chunks.arrays(3.0, Y0), TypeError, "X is a float"),
        (lambda: Chunks.arrays(sparse, Y0), ValueError, "X is sparse in csc"),
        (lambda: Chunks.arrays(X0, Y0, offset=Y0[:5]), ValueError, "offset has 5 rows"),
        (lambda: Chunks.arrays(X0, Y0, groups=3), TypeError, "groups is a int"),
        (lambda: Chunks.parquet(path, "y", rows=0), ValueError, "rows is 0"),
        (lambda: Chunks.parquet(path, 3), TypeError, "target is 3"),
        (lambda: Chunks.parquet(path, []), ValueError, "target is"),
        (lambda: Chunks.parquet(path, "z", columns=["a"]), ValueError, "target is 'z'"),
        (lambda: Chunks.parquet(path, "y", sample_weight=["s"]), TypeError, "sample_weight is"),
        (lambda: Chunks.parquet(path, "y", columns="a"), TypeError, "columns is 'a'"),
        (lambda: Chunks.parquet(path, "y", columns=["a", "a"]), ValueError, "columns is"),
        (lambda: Chunks.parquet(path, "y", columns=["y"]), ValueError, "columns holds 'y'"),
        (lambda: Chunks.parquet(path, "y"), ValueError, "columns holds 'b', of type string"),
        (lambda: Chunks.csv(tmp_path / "no.csv", "y"), FileNotFoundError, "path is"),
        (lambda: Chunks.csv(3, "y"), TypeError, "path is a int"),
        (lambda: Chunks.svmlight(tmp_path / "no.svm", 3), FileNotFoundError, "path is"),
        (lambda: Chunks.svmlight(text, 0), ValueError, "n_features is 0"),
        (lambda: Chunks.svmlight(text, 3, rows=None), TypeError, "rows is None"),
        (lambda: Chunks.svmlight(text, 3, options={"dtyp": 1}), ValueError, "the key 'dtyp'"),
        (lambda: Chunks.svmlight(text, 3, options=[1]), TypeError, "options is a list"),
        (lambda: Chunks.svmlight(text, 3, options={"zero_based": 2}), Exception, "zero_based"),
    ):
        with pytest.raises(kind, match=message):
            call()


def test_progress_where_the_total_is_not_known(monkeypatch, capsys):
    import types

    seen, bars = [], []

    class Bar:
        def __init__(self, total, desc):
            self.total, self.n, self.open = total, 0, True
            bars.append(self)

        def update(self, more):
            self.n += more

        def close(self):
            self.open = False

    monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=Bar))

    def read():
        yield X0[:200], np.abs(Y0[:200])
        yield X0[200:], np.abs(Y0[200:])

    chunks = Chunks(read, callback=lambda *done: seen.append(done), verbose=True)
    fastridge.PoissonRegressor(alpha=1.0).fit(chunks)
    assert seen[:5] == [(1, 0), (2, 0), (2, 2), (1, 2), (2, 2)]
    assert not any(bar.open for bar in bars)
    assert [bar.total for bar in bars[:2]] == [None, 2]
    assert len(bars) == chunks.n_passes
    monkeypatch.setitem(sys.modules, "tqdm", None)
    fastridge.Ridge().fit(Chunks(read, verbose=True))
    assert "1 of an unknown number" in capsys.readouterr().err


def test_progress():
    seen = []
    chunks = Chunks.arrays(X0, Y0, rows=200, callback=lambda *done: seen.append(done))
    fastridge.Ridge().fit(chunks)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_tables_in_files(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.csv
    import pyarrow.parquet

    columns = {f"c{j}": X0[:, j] for j in range(P)}
    table = pa.table({**columns, "target": Y0, "s": S0})
    local = fastridge.Ridge().fit(X0, Y0, S0)
    (tmp_path / "folder").mkdir()
    for i in range(3):
        rows = table.slice(200 * i, 200)
        pyarrow.parquet.write_table(rows, tmp_path / "folder" / f"{i}.parquet")
    pyarrow.csv.write_csv(table, tmp_path / "table.csv")
    for read, path in ((Chunks.parquet, "folder"), (Chunks.csv, "table.csv")):
        chunks = read(tmp_path / path, "target", sample_weight="s", rows=77)
        found = fastridge.Ridge().fit(chunks)
        close(local.coef_, found.coef_, 1e-12)
        assert found.feature_names_in_.tolist() == list(columns)
        found = fastridge.RidgeCV(ALPHAS, cv=3).fit(chunks)
        expected = fastridge.RidgeCV(ALPHAS, cv=3).fit(X0, Y0, S0)
        close(expected.coef_, found.coef_, 1e-9)
    with pytest.raises(ValueError, match="has no column 'nothing'"):
        Chunks.parquet(tmp_path / "folder", "nothing")


def test_svmlight(tmp_path):
    lines = [
        f"{y!r} " + " ".join(f"{j + 1}:{v!r}" for j, v in enumerate(x))
        for x, y in zip(X0.tolist(), Y0.tolist(), strict=True)
    ]
    path = tmp_path / "rows.svm"
    path.write_text("\n".join(lines) + "\n")
    chunks = Chunks.svmlight(path, P, rows=100, options={"zero_based": False})
    close(fastridge.Ridge().fit(X0, Y0).coef_, fastridge.Ridge().fit(chunks).coef_, 1e-12)


@pytest.mark.slow
def test_data_larger_than_the_memory_allowed(tmp_path):
    resource = pytest.importorskip("resource")
    del resource
    path = tmp_path / "rows.npy"
    X = np.lib.format.open_memmap(path, "w+", np.float64, (200_000, 50))
    rng = np.random.default_rng(0)
    for start in range(0, len(X), 50_000):
        X[start : start + 50_000] = rng.standard_normal((50_000, 50))
    X.flush()
    code = f"""
import resource, numpy as np, fastridge
small = fastridge.Chunks([([[1.0], [2.0], [3.0], [5.0]], [0, 1, 1, 0])])
for model in (fastridge.RidgeCV([1.0], cv=2), fastridge.LogisticRegression()):
    model.fit(small)
size = 200_000 * 50 * 8
X = np.load({str(path)!r}, mmap_mode="r")
with open("/proc/self/statm") as f:
    used = int(f.read().split()[0]) * resource.getpagesize()
# less room than the data take
resource.setrlimit(resource.RLIMIT_AS, (used + size // 2,) * 2)
rng = np.random.default_rng(0)
y = X[:, 0] + 1.0
chunks = fastridge.Chunks.arrays(X, y, rows=20_000)
model = fastridge.RidgeCV([1.0, 10.0], cv=5).fit(chunks)
assert abs(model.coef_[0] - 1.0) < 1e-4, model.coef_
labels = y + rng.standard_normal(len(y)) > 1.0
model = fastridge.LogisticRegression().fit(fastridge.Chunks.arrays(X, labels, rows=20_000))
print(model.n_passes_)
"""
    found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
