"""The comparison with other libraries runs, and measures accuracy correctly."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

PEERS = Path(__file__).resolve().parents[1] / "benchmarks" / "peers"
if not PEERS.is_dir():
    pytest.skip("benchmarks/peers is not beside the tests", allow_module_level=True)


def module(name):
    spec = importlib.util.spec_from_file_location(f"_peers_{name}", PEERS / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


def run(folder, *arguments):
    command = [sys.executable, str(PEERS), "--threads", "1", "--rounds", "1", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_tiny_cases(tmp_path):
    libraries = ["fastridge", "numpy", "scipy", "sklearn"]
    arguments = ["--tiny", "--json", "found.json", "--markdown", "found.md"]
    done = run(tmp_path, *arguments, "--libraries", *libraries)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["machine"]["cores"] >= 1
    assert set(libraries) <= set(found["machine"]["versions"])
    cases = {row["case"] for row in found["rows"]}
    assert len(cases) >= 5
    for case in cases:
        rows = [row for row in found["rows"] if row["case"] == case]
        reached = [row for row in rows if row["status"] == "ok"]
        assert "fastridge" in {row["library"] for row in reached}
        assert len({row["library"] for row in reached}) >= 2
        for row in reached:
            assert row["seconds"] > 0
            assert row["gradient"] <= 1e-6
            assert row["suboptimality"] <= (0.05 if case == "tiny groups" else 1e-6)
        for row in rows:
            refused = ("takes dense data only", "failed: ValueError: solver='saga'")
            # it penalises its intercept, if ever so little
            if row["solver"] != "liblinear":
                assert row["status"] == "ok" or row["status"].startswith(refused), row
    text = (tmp_path / "found.md").read_text()
    assert "| fastridge ridge | 1 |" in text
    short = text.split("### In short")[1].splitlines()
    assert sum(line.startswith("| tiny") for line in short) == len(cases)


@pytest.mark.slow
def test_designs_of_a_folder(tmp_path):
    rng = np.random.default_rng(0)
    X = sp.random_array((80, 30), density=0.2, format="csr", rng=rng)
    parts = {"data": X.data, "indices": X.indices, "indptr": X.indptr, "shape": X.shape}
    np.savez(tmp_path / "mine.npz", y=rng.standard_normal(80), **parts)
    arguments = ["--data", ".", "--alpha", "0.5", "--cases", "mine", "--memory", "kept"]
    for _ in range(2):  # the second time with what was kept
        done = run(
            tmp_path, *arguments, "--json", "found.json", "--libraries", "fastridge", "scipy"
        )
        assert done.returncode == 0, done.stderr
        rows = json.loads((tmp_path / "found.json").read_text())["rows"]
        assert {row["case"] for row in rows} == {"mine, alpha 0.5"}
        assert {"ridge", "lsqr", "cg"} <= {r["solver"] for r in rows if r["status"] == "ok"}
    assert len(list((tmp_path / "kept").glob("*.npz"))) == 1


@pytest.mark.slow
def test_labels_of_a_folder_and_a_penalty_that_is_chosen(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 6))
    np.savez(tmp_path / "mine.npz", X=X, y=np.digitize(X[:, 0], [-0.5, 0.5]) + 7)
    arguments = ["--data", ".", "--cases", "mine", "--json", "found.json", "--libraries"]
    done = run(tmp_path, *arguments, "fastridge", "--classify", "--alpha", "2")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert {row["case"] for row in rows} == {"mine, classes, alpha 2"}
    assert all(row["status"] == "ok" for row in rows)
    done = run(tmp_path, *arguments, "fastridge", "numpy", "--alpha", "chosen", "chosen/100")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert {row["case"] for row in rows} == {"mine, alpha chosen", "mine, alpha chosen/100"}
    assert all(row["status"] == "ok" for row in rows)
    done = run(tmp_path, *arguments, "fastridge", "--alpha", "best")
    assert done.returncode == 2
    assert "invalid penalty value: 'best'" in done.stderr


@pytest.mark.slow
def test_solvers_by_name(tmp_path):
    arguments = ["--cases", "tiny sparse", "--json", "found.json", "--solvers", "scipy cg", "RIDGE"]
    done = run(tmp_path, *arguments, "--libraries", "fastridge", "scipy")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    names = {f"{row['library']} {row['solver']}" for row in rows if row["case"] == "tiny sparse"}
    ours = {"fastridge ridge", "fastridge Ridge", "fastridge parts"}
    assert names == ours | {"scipy cg", "scipy cg, diagonal"}


@pytest.mark.slow
def test_a_missing_accuracy_is_told(tmp_path):
    arguments = ["--cases", "tiny sparse", "--accuracy", "1e-40", "--json", "found.json"]
    done = run(tmp_path, *arguments, "--libraries", "scipy")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    lsqr = next(row for row in rows if row["solver"] == "lsqr")
    assert lsqr["status"] == "did not reach it"
    assert lsqr["seconds"] > 0


@pytest.mark.parametrize(
    "kind", ["dense", "wide", "sparse", "iterative", "targets", "classes", "two classes", "batch"]
)
def test_quality(kind):
    """Against the definitions, with the solution by orthogonal transformations."""
    work = module("work")
    rng = np.random.default_rng(1)
    n, p, k = (15, 40, 1) if kind == "wide" else (60, 8, 3)
    X = rng.standard_normal((n, p)) + 1.0
    alpha = 0.7
    if kind == "batch":
        X = np.stack([X, X + rng.standard_normal((n, p))])
        y = rng.standard_normal((2, n))
        designs, ys = list(X), list(y)
        job = work.Work("batch", X, y, alpha)
    elif "classes" in kind:
        labels = np.arange(n) % (2 if kind == "two classes" else 3)
        ys = [np.where(labels == c, 1.0, -1.0) for c in range(labels.max() + 1)]
        ys = ys[1:] if kind == "two classes" else ys
        designs = [X] * len(ys)
        job = work.Work("classes", X, labels, alpha)
    elif kind == "targets":
        y = rng.standard_normal((n, k))
        designs, ys = [X] * k, list(y.T)
        job = work.Work("targets", X, y, alpha)
    else:
        if kind in ("sparse", "iterative"):
            X *= rng.random((n, p)) < 0.5
        y = rng.standard_normal(n)
        designs, ys = [X], [y]
        job = work.Work("fit", sp.csr_array(X) if kind in ("sparse", "iterative") else X, y, alpha)
        if kind == "iterative":
            work._direct = lambda X, mean, alphas: work._iterative(X, mean, alphas, heavy=3)

    def f(X, y, w, b):
        return ((y - X @ w - b) ** 2).sum() + alpha * (w @ w)

    gaps, gradients, coefs, intercepts = [], [], [], []
    for X, y in zip(designs, ys, strict=True):
        A, t = X - X.mean(axis=0), y - y.mean()
        M = np.vstack([A, np.sqrt(alpha) * np.eye(p)])
        best = np.linalg.lstsq(M, np.concatenate([t, np.zeros(p)]), rcond=None)[0]
        w = best + 0.1 * rng.standard_normal(p)
        b, best_b = y.mean() - X.mean(axis=0) @ w + 0.01, y.mean() - X.mean(axis=0) @ best
        gaps.append((f(X, y, w, b) - f(X, y, best, best_b)) / (t @ t))
        gradients.append(np.linalg.norm(A.T @ (t - A @ w) - alpha * w) / np.linalg.norm(A.T @ t))
        coefs.append((best, w))
        intercepts.append((best_b, b))
    found = job.best
    assert_allclose(found[0], [c[0] for c in coefs], rtol=1e-9, atol=1e-12)
    assert_allclose(found[1], [b[0] for b in intercepts], rtol=1e-9, atol=1e-12)
    quality = job.quality(np.array([c[1] for c in coefs]), np.array([b[1] for b in intercepts]))
    assert_allclose(quality, (max(gaps), max(gradients)), rtol=1e-8)
    assert max(job.quality(*found)) < 1e-13


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
def test_quality_of_moments(storage):
    work = module("work")
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((60, 8)) + 1.0, rng.standard_normal(60) + 3.0
    A = X - X.mean(axis=0)
    job = work.Work("moments", storage(X), y, None)
    assert max(job.quality(A.T @ A, A.T @ (y - y.mean()))) < 1e-14
    assert_allclose(job.quality(1.01 * (A.T @ A), A.T @ y), 0.01, rtol=1e-6)
    assert_allclose(job.quality(A.T @ A, 1.1 * (A.T @ y)), 0.1, rtol=1e-6)


@pytest.mark.slow
def test_optimizer_steps(tmp_path):
    arguments = ["--sizes", "100", "--threads", "1", "--repeats", "1", "--rows", "2e3"]
    chosen = ["--parts", "sizes,rows", "--players", "fastridge,NumPy"]
    command = [sys.executable, str(PEERS / "optim"), *arguments, *chosen]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    players = {(row[0].split()[1], row[2]) for row in rows if " of " not in row[0]}
    assert players == {
        (kind, player)
        for kind in ("sgd", "momentum", "adamw")
        for player in ("fastridge", "fastridge kernel", "NumPy in place")
    }
    assert sum("2,000 x 64" in row[0] for row in rows) == 6
    assert all(float(row[3].replace(",", "")) > 0 for row in rows)
    # in units of float32's rounding
    assert all(float(row[6].split()[0]) < 4 for row in rows if row[2] != "fastridge" or row[4])
    refused = subprocess.run([*command, "--parts", "all"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "expected --parts" in refused.stderr


@pytest.mark.slow
def test_epochs_of_sgd(tmp_path):
    arguments = ["--tiny", "--rounds", "1", "--json", "found.json", "--libraries"]
    chosen = ["fastridge", "sklearn", "--players", "auto", "best", "default", "partial_fit"]
    command = [sys.executable, str(PEERS / "sgd"), *arguments, *chosen]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "| fastridge SGDClassifier.partial_fit |" in done.stdout
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert {row["case"] for row in rows} == {"tiny words", "tiny dense"}
    for row in rows:
        assert row["status"] == "ok", row
        assert row["Mnnz/s"] > 0
    # nothing is tuned, and nothing is far from what is
    for case in ("tiny words", "tiny dense"):
        loss = {row["player"]: row["loss"] for row in rows if row["case"] == case}
        best = min(value for player, value in loss.items() if player.startswith("best"))
        assert loss["auto"] < 1.1 * best


def test_rows_to_learn_from_and_rows_held_out():
    work = module("sgd/work")
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 4)), np.arange(50) % 2 + 3
    for storage in (np.asarray, sp.csr_array):
        job = work.split("mine", storage(X), y, copies=3)
        assert job.loss == "log_loss"
        assert (len(job.train.y), len(job.test.y)) == (40, 10)
        assert set(job.test.y) == {-1.0, 1.0}
        long = job.train.repeated(3)
        assert long.elements == 3 * job.train.elements
        parts = [part.X.toarray() if sp.issparse(part.X) else part.X for part in (job.train, long)]
        assert_allclose(np.vstack([parts[0]] * 3), parts[1])
        assert_allclose(job.held_out(100.0 * job.test.y), 0.0, atol=1e-40)
    job = work.split("mine", X, X[:, 0])
    assert job.loss == "squared_error"
    assert_allclose(job.held_out(job.test.X[:, 0] + 2.0), 4.0)
    X, y = work.zipf(200, 50, 7)
    assert X.has_canonical_format
    assert_allclose(X.power(2).sum(axis=1), 1.0)


def test_quality_of_lassos():
    work = module("work")
    rng = np.random.default_rng(2)
    X = rng.standard_normal((40, 6))
    y = X[:, 0] + rng.standard_normal(40)
    alphas = np.array([0.5, 0.05])
    job = work.Work("lasso", X, y, alphas)
    best, _ = job.best
    assert max(job.quality(best, None)) < 1e-8
    moved = best + 0.01
    f = [
        0.5 * np.var(y - X @ w) + alpha * np.abs(w).sum() - 0.5 * np.var(y - X @ v)
        - alpha * np.abs(v).sum() for v, w, alpha in zip(best, moved, alphas, strict=True)
    ]  # fmt: skip
    above, gap = job.quality(moved, None)
    assert_allclose(above, max(f) / (0.5 * np.var(y)), rtol=1e-6)
    assert above <= gap <= 100 * above


def test_quality_of_folds_of_nets():
    work, sklearn = module("work"), pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(2)
    X = rng.standard_normal((43, 6))
    y = X[:, 0] + rng.standard_normal(43)
    alphas = np.array([0.01, 0.5, 0.1])
    job = work.Work("net folds", X, y, alphas, 0.7)
    model = sklearn.ElasticNetCV(alphas=alphas, l1_ratio=0.7, cv=5, tol=1e-12).fit(X, y)
    curve = model.mse_path_.mean(axis=1)[[2, 0, 1]]
    assert job.quality(curve, 1.0).suboptimality < 1e-6
    assert_allclose(job.quality(1.01 * curve, 1.0).suboptimality, 0.01, rtol=1e-3)
