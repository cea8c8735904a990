"""The documentation's lines that read Parquet and CSV in blocks."""

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

pyarrow = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.parquet")
pytest.importorskip("pyarrow.csv")
PAGE = Path(__file__).parents[1] / "docs" / "recipes" / "files.md"


class Recorder:
    """An estimator that keeps the blocks it saw."""

    def __init__(self):
        self.blocks = []

    def partial_fit(self, X, y):
        self.blocks.append((X, y))


def test_lines_of_the_page(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (lines,) = [block for block in blocks if "pyarrow" in block]
    both, csv = lines.split("\n\nfor batch in pyarrow.csv")
    n, p = 25_000, 50
    rng = np.random.default_rng(0)
    X = scipy.sparse.random_array((n, p), density=0.1, format="csr", rng=rng)
    y, Z = rng.standard_normal(n), rng.standard_normal((n, 5))

    def lists(values):
        return pyarrow.ListArray.from_arrays(pyarrow.array(X.indptr.astype(np.int32)), values)

    rows = pyarrow.table({"indices": lists(X.indices), "values": lists(X.data), "y": y})
    pyarrow.parquet.write_table(rows, tmp_path / "rows.parquet", row_group_size=7000)
    columns = {"y": y, **{f"x{j}": Z[:, j] for j in range(5)}}
    pyarrow.csv.write_csv(pyarrow.table(columns), tmp_path / "table.csv")
    monkeypatch.chdir(tmp_path)

    names = {"scipy": scipy, "n_features": p, "model": Recorder()}
    exec(both, names)
    seen = names["model"].blocks
    assert len(seen) > 2
    assert (scipy.sparse.vstack([A for A, _ in seen]) != X).nnz == 0
    np.testing.assert_array_equal(np.concatenate([b for _, b in seen]), y)

    names["model"] = Recorder()
    exec("for batch in pyarrow.csv" + csv, names)
    seen = names["model"].blocks
    np.testing.assert_array_equal(np.concatenate([A for A, _ in seen]), Z)
    np.testing.assert_array_equal(np.concatenate([b for _, b in seen]), y)
