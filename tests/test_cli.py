"""The command: fit, predict, show and report."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from houses import AGE, COLOUR, PRICE, RNG, SIZE, N, design, rows_of, run, write

import fastridge
from fastridge.cli.table_model import TableModel
from fastridge.cli.tables import INTERRUPTED


@pytest.fixture
def data(folder):
    return write(folder / "houses.csv", *rows_of())


def predictions(capsys):
    found = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    return found[0], np.array(found[1:])


def test_fit_and_predict_with_a_penalty(data, capsys):
    assert run("fit", data, "--target", "price", "--alpha", 2.5) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "240 rows, 5 features, Ridge, alpha = 2.5" in said.err
    model = fastridge.load("houses.fastridge")
    assert type(model) is TableModel
    assert model.names() == ["size", "colour=blue, dark", "colour=green", "colour=red", "age"]
    X = design()
    expected = fastridge.Ridge(2.5).fit(X, PRICE)
    np.testing.assert_allclose(model.estimator.coef_, expected.coef_, rtol=1e-10, atol=1e-12)
    # rows in another order, columns too, and without the target
    new = write(
        data.parent / "new.csv", ["age", "size", "colour"], zip(AGE, SIZE, COLOUR, strict=True)
    )
    assert run("predict", "houses.fastridge", new) == 0
    head, values = predictions(capsys)
    assert head == ["prediction"]
    np.testing.assert_allclose(values[:, 0].astype(float), expected.predict(X), rtol=1e-12)


def test_the_penalty_is_chosen_on_random_folds(data):
    assert run("fit", data, "--target", "price", "--out", "m", "--cv", 4, "--seed", 3) == 0
    model = fastridge.load("m").estimator
    part = np.array_split(np.random.default_rng(3).permutation(N), 4)[0]
    split = (np.setdiff1d(np.arange(N), part), np.sort(part))
    first = model.cv_results_["fold_validation_error"][0]
    X = design()
    path = fastridge.ridge_path(X[split[0]], PRICE[split[0]], model.alphas_)
    errors = [np.mean((PRICE[split[1]] - p) ** 2) for p in path.predict(X[split[1]])]
    np.testing.assert_allclose(first, errors, rtol=1e-8)
    assert model.cv == 4
    assert model.callback is None


@pytest.mark.parametrize("name", ["lasso", "elastic-net", "poisson", "gamma", "tweedie"])
@pytest.mark.parametrize("alpha", ["auto", "0.1"])
def test_every_model_fits(folder, name, alpha, capsys):
    y = RNG.poisson(np.exp(SIZE / 10.0)) + (name == "gamma")
    data = write(folder / "d.csv", *rows_of(price=y))
    options = ["--model", name, "--alpha", alpha, "--standardize"]
    options += ["--cv", 3] if alpha == "auto" else []
    assert run("fit", data, "--target", "price", *options) == 0
    estimator = fastridge.load("d.fastridge").estimator
    assert estimator.standardize is True
    if alpha != "auto":
        assert estimator.alpha == 0.1
    assert run("predict", "d.fastridge", data) == 0
    _, values = predictions(capsys)
    np.testing.assert_allclose(values[:, 0].astype(float), estimator.predict(design()), rtol=1e-9)


def test_a_target_of_texts_is_classified(folder, capsys):
    data = write(folder / "d.csv", *rows_of(price=np.where(PRICE > 20, "dear", "cheap")))
    assert run("fit", data, "--target", "price", "--cv", 3) == 0
    model = fastridge.load("d.fastridge")
    assert type(model.estimator).__name__ == "LogisticRegressionCV"
    assert run("predict", "d.fastridge", data, "--out", "p.csv") == 0
    with open("p.csv", encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))
    assert found[0] == ["prediction", "probability of cheap", "probability of dear"]
    mean = model.estimator.predict_proba(design())
    np.testing.assert_allclose([[float(v) for v in row[1:]] for row in found[1:]], mean, rtol=1e-9)
    assert [row[0] for row in found[1:]] == model.estimator.predict(design()).tolist()
    assert run("fit", data, "--target", "price", "--model", "lasso") == 1
    assert "the target holds texts" in capsys.readouterr().err


def test_weights_and_excluded_columns(folder):
    weight = RNG.uniform(0.5, 2.0, N)
    more = {"w": weight, "id": [f"house {i}" for i in range(N)], "a,b": AGE}
    data = write(folder / "d.csv", *rows_of(**more))
    options = ["--weights", "w", "--exclude", "id,age", "--exclude", "a,b", "--alpha", 1]
    assert run("fit", data, "--target", "price", *options) == 0
    expected = fastridge.Ridge(1.0).fit(design()[:, :4], PRICE, sample_weight=weight)
    found = fastridge.load("d.fastridge").estimator
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-9)


def test_missing_values_are_refused_or_replaced(folder, capsys):
    size = SIZE.astype(object)
    size[[3, 7]] = ""
    colour = COLOUR.astype(object)
    colour[5] = "NA"
    price = PRICE.astype(object)
    price[9] = "nan"
    data = write(folder / "d.csv", *rows_of(size=size, colour=colour, price=price))
    assert run("fit", data, "--target", "price") == 1
    assert "--drop-missing-target" in capsys.readouterr().err
    options = ["--target", "price", "--drop-missing-target", "--alpha", 1]
    assert run("fit", data, *options) == 1
    assert "column 'size' has 2 missing value(s): --impute mean" in capsys.readouterr().err
    assert run("fit", data, *options, "--impute", "mean") == 0
    model = fastridge.load("d.fastridge")
    names = model.names()
    assert names[1] == "size is missing"
    assert names[5] == "colour is missing"
    kept = np.delete(np.arange(N), 9)
    X = np.insert(design(), 1, 0.0, axis=1)
    X = np.insert(X, 5, 0.0, axis=1)
    X[[3, 7], 0] = np.delete(SIZE, [3, 7, 9]).mean()
    X[[3, 7], 1] = 1.0
    X[5, 2:6] = [0, 0, 0, 1.0]
    expected = fastridge.Ridge(1.0).fit(X[kept], PRICE[kept])
    np.testing.assert_allclose(model.estimator.coef_, expected.coef_, rtol=1e-8, atol=1e-10)
    assert model.facts["rows without a target"] == 1
    # a column that had no missing values in the fit gets its mean
    new = write(folder / "new.csv", *rows_of(age=["", *AGE[1:].tolist()], price=None))
    capsys.readouterr()
    assert run("predict", "d.fastridge", new) == 0
    _, values = predictions(capsys)
    row = np.array([SIZE[0], 0, *(COLOUR[0] == level for level in names_of_colours()), 0])
    row = np.append(row, np.delete(AGE, 9).mean())
    assert float(values[0, 0]) == pytest.approx(model.estimator.predict(row[None])[0], rel=1e-9)


def names_of_colours():
    return ["blue, dark", "green", "red"]


def test_unseen_texts_count_as_zero_and_are_counted(data, capsys):
    assert run("fit", data, "--target", "price", "--alpha", 1) == 0
    colour = COLOUR.copy()
    colour[:4] = "mauve"
    new = write(data.parent / "new.csv", *rows_of(colour=colour, price=None))
    capsys.readouterr()
    assert run("predict", "houses.fastridge", new) == 0
    said = capsys.readouterr()
    assert "column 'colour' has 4 row(s) of texts that the fit did not see" in said.err
    X = design()
    X[:4, 1:4] = 0.0
    model = fastridge.load("houses.fastridge").estimator
    found = [float(v) for v in said.out.splitlines()[1:]]
    np.testing.assert_allclose(found, model.predict(X), rtol=1e-12)


def test_missing_values_that_the_fit_had_not(data, capsys):
    assert run("fit", data, "--target", "price", "--alpha", 1) == 0
    colour = COLOUR.astype(object)
    colour[2] = ""
    new = write(data.parent / "new.csv", *rows_of(colour=colour, price=None))
    capsys.readouterr()
    assert run("predict", "houses.fastridge", new) == 0
    said = capsys.readouterr()
    assert "column 'colour' has 1 row(s) of texts that the fit did not see" in said.err
    X = design()
    X[2, 1:4] = 0.0
    expected = fastridge.load("houses.fastridge").estimator.predict(X)
    np.testing.assert_allclose([float(v) for v in said.out.splitlines()[1:]], expected, rtol=1e-12)
    new = write(data.parent / "new.csv", *rows_of(age=["", *AGE[1:].tolist()], price=None))
    assert run("predict", "houses.fastridge", new) == 1
    assert "fit again with --impute mean" in capsys.readouterr().err


def test_texts_that_look_like_numbers_stay_texts(folder, capsys):
    code = np.where(RNG.random(N) < 0.5, "007", "B")
    data = write(folder / "d.csv", *rows_of(colour=code))
    assert run("fit", data, "--target", "price", "--alpha", 1) == 0
    header, rows = rows_of(colour=code, price=None)
    new = write(folder / "new.csv", header, [row for row in rows if row[1] == "007"])
    capsys.readouterr()
    assert run("predict", "d.fastridge", new) == 0
    assert capsys.readouterr().err == ""


def test_many_texts_make_a_sparse_design(folder):
    town = np.array([f"town {i}" for i in RNG.integers(0, 60, N)])
    data = write(folder / "d.csv", *rows_of(colour=town))
    assert run("fit", data, "--target", "price", "--alpha", 1) == 0
    model = fastridge.load("d.fastridge")
    levels = sorted(set(town))
    X = np.column_stack([SIZE, *((town == level) * 1.0 for level in levels), AGE])
    expected = fastridge.Ridge(1.0).fit(X, PRICE)
    np.testing.assert_allclose(model.estimator.coef_, expected.coef_, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("suffix", [".csv.gz", ".tsv", ".parquet", ".feather"])
def test_other_files_give_the_same_model(data, suffix):
    place = data.parent / f"other{suffix}"
    if suffix in (".csv.gz", ".tsv"):
        write(place, *rows_of())
    else:
        pa = pytest.importorskip("pyarrow")
        from pyarrow import feather, parquet

        columns = {"size": SIZE, "colour": pa.array(COLOUR).dictionary_encode(), "age": AGE}
        table = pa.table(columns | {"price": PRICE})
        (parquet if suffix == ".parquet" else feather).__dict__[
            "write_table" if suffix == ".parquet" else "write_feather"
        ](table, place)
    for source in (data, place):
        assert run("fit", source, "--target", "price", "--alpha", 1, "--out", source.stem) == 0
    first, second = (fastridge.load(source.stem) for source in (data, place))
    assert first.columns == second.columns
    np.testing.assert_allclose(first.estimator.coef_, second.estimator.coef_, rtol=1e-12)


def test_matrices(folder, capsys):
    X = scipy.sparse.random_array((N, 30), density=0.2, rng=RNG, format="csr")
    y = X @ RNG.standard_normal(30)
    scipy.sparse.save_npz("X.npz", X)
    np.save("y.npy", y)
    lines = [
        f"{float(v)!r} " + " ".join(f"{j + 1}:{float(x)!r}" for j, x in enumerate(row) if x)
        for v, row in zip(y, X.toarray(), strict=True)
    ]
    (folder / "d.svm").write_text("\n".join(lines) + "\n")
    assert run("fit", "X.npz", "--target", "y.npy", "--alpha", 0.5) == 0
    assert run("fit", "d.svm", "--alpha", 0.5) == 0
    expected = fastridge.Ridge(0.5).fit(X, y)
    for name in ("X", "d"):
        found = fastridge.load(f"{name}.fastridge").estimator
        np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-6, atol=1e-9)
    (folder / "short.svm").write_text("0 1:2.0\n")
    capsys.readouterr()
    assert run("predict", "d.fastridge", "short.svm") == 0
    _, values = predictions(capsys)
    row = np.zeros((1, 30))
    row[0, 0] = 2.0
    assert float(values[0, 0]) == pytest.approx(found.predict(row)[0])
    assert run("fit", "X.npz") == 2
    assert run("fit", "d.svm", "--target", "y") == 2
    assert run("fit", "d.svm", "--exclude", "y") == 2


def test_show_prints_the_largest_coefficients(data, capsys):
    assert run("fit", data, "--target", "price", "--cv", 3) == 0
    capsys.readouterr()
    assert run("show", "houses.fastridge", "--count", 2) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("")
    shown = dict(line.split("  ", 1) for line in lines[:start])
    assert shown["model"].strip() == "RidgeCV"
    assert shown["rows"].strip() == "240"
    assert "alpha=" in shown["verdict"]
    model = fastridge.load("houses.fastridge")
    largest = model.names()[int(np.argmax(np.abs(model.estimator.coef_)))]
    assert lines[start + 1].startswith("feature")
    assert lines[start + 2].startswith("(intercept)")
    assert lines[start + 3].startswith(largest)
    assert lines[-1] == "... and 3 smaller ones: --count 5 prints all"


def test_reports_of_a_fit_and_of_a_model(data, capsys):
    assert run("fit", data, "--target", "price", "--cv", 3, "--report", "one.html") == 0
    assert run("report", "houses.fastridge", data, "--out", "two.html") == 0
    pages = [(data.parent / f"{name}.html").read_text(encoding="utf-8") for name in ("one", "two")]
    assert "houses.csv: price" in pages[0]
    assert "colour=blue, dark" in pages[0]
    # all but the time that each took
    assert abs(len(pages[0]) - len(pages[1])) < 10


def test_an_interrupt_keeps_the_finished_folds(data, monkeypatch, capsys):
    def reporter(callback, verbose, what):
        def report(done, total):
            if done == 2:
                raise KeyboardInterrupt

        return report

    monkeypatch.setattr("fastridge.cli.fit.reporter", reporter)
    assert run("fit", data, "--target", "price", "--report", "r.html") == INTERRUPTED
    said = capsys.readouterr().err
    assert "fastridge report houses.fastridge" in said
    assert not Path("r.html").exists()
    assert "finished folds is fitted to all rows" in said
    model = fastridge.load("houses.fastridge")
    assert type(model.estimator) is fastridge.Ridge
    assert model.facts["choice"] == "interrupted"
    assert model.facts["alpha"] == model.estimator.alpha


@pytest.mark.parametrize(
    "where", ["fastridge.cli.fit.with_choice", "argparse.ArgumentParser.parse_args"]
)
def test_an_interrupt_before_the_fit_writes_nothing(data, where, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupt)
    assert run("fit", data, "--target", "price") == INTERRUPTED
    assert capsys.readouterr().err == "fastridge: interrupted\n"
    assert list(data.parent.iterdir()) == [data]


def test_the_module_runs_as_a_command(data):
    command = [sys.executable, "-P", "-m", "fastridge"]
    options = {"capture_output": True, "text": True, "timeout": 120}
    done = subprocess.run([*command, "--version"], **options)
    assert done.stdout.strip() == f"fastridge {fastridge.__version__}"
    done = subprocess.run([*command, "fit", data, "--target", "price", "--alpha", "1"], **options)
    assert (done.returncode, done.stdout) == (0, "")
    # without a terminal, no progress
    assert "folds" not in done.stderr
    done = subprocess.run([*command, "predict", "houses.fastridge", data], **options)
    assert len(done.stdout.splitlines()) == N + 1


def test_predictions_replace_a_file_only_when_they_are_whole(data, capsys):
    assert run("fit", data, "--target", "price", "--alpha", 1) == 0
    rows = [(s, c, a) for s, c, a in zip(SIZE, COLOUR, AGE, strict=True)] * 300
    bad = write(data.parent / "bad.csv", ["size", "colour", "age"], [*rows, ("big", "red", 1)])
    out = data.parent / "out.csv"
    out.write_text("kept")
    assert run("predict", "houses.fastridge", bad, "--out", out) == 1
    assert out.read_text() == "kept"
    assert "expected numbers" in capsys.readouterr().err
    assert run("predict", "houses.fastridge", data, "--out", out) == 0
    assert len(out.read_text().splitlines()) == N + 1
    assert not [place for place in data.parent.iterdir() if place.suffix == ".tmp"]


def test_suffixes_of_any_case(folder):
    from scipy import sparse

    data = write(folder / "d.csv", *rows_of(price=PRICE))
    (folder / "d.tsv.CSV").write_bytes(data.read_bytes())
    text = data.read_text().replace("blue, dark", "blue").replace('"', "").replace(",", "\t")
    (folder / "d.TSV").write_text(text)
    for name in ["d.tsv.CSV", "d.TSV"]:
        assert run("fit", name, "--target", "price", "--alpha", 1) == 0
    sparse.save_npz(folder / "m.npz", sparse.csr_array(design()))
    (folder / "m.npz").rename(folder / "M.NPZ")
    np.save(folder / "y.npy", PRICE)
    assert run("fit", "M.NPZ", "--target", "y.npy", "--alpha", 1) == 0


def test_columns_of_other_types(folder, capsys):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    assert run("fit", "nowhere.parquet", "--target", "price") == 1
    assert "nowhere.parquet: No such file" in capsys.readouterr().err
    names = [2**60 + i for i in range(N)]
    table = pa.table({"size": SIZE, "tags": [["a"]] * N, "id": names, "price": PRICE})
    parquet.write_table(table, folder / "d.parquet")
    assert run("fit", "d.parquet", "--target", "price", "--alpha", 1) == 1
    assert "'tags' is of type list" in capsys.readouterr().err
    assert run("fit", "d.parquet", "--target", "price", "--alpha", 1, "--exclude", "tags") == 0
    assert run("predict", "d.fastridge", "d.parquet") == 0
    assert run("fit", "d.parquet", "--target", "tags", "--alpha", 1) == 1
    assert "the target 'tags' holds the type list" in capsys.readouterr().err
