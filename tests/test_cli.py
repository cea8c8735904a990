"""The command: fit, predict, show and report."""

import csv
import gzip
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from model_files import saved

import fastridge
from fastridge.cli import main, tables
from fastridge.cli.models import with_choice
from fastridge.cli.table_model import TableModel
from fastridge.cli.tables import INTERRUPTED
from fastridge.model_selection import HashedKFold

RNG = np.random.default_rng(5)
N = 240
SIZE = RNG.standard_normal(N) * 3.0 + 10.0
COLOUR = RNG.choice(["red", "green", "blue, dark"], N)
AGE = RNG.integers(0, 90, N)
PRICE = 2.0 * SIZE + np.where(COLOUR == "red", 3.0, 0.0) + RNG.standard_normal(N)
HEADER = ["size", "colour", "age", "price"]


def rows_of(**changes):
    columns = {"size": SIZE, "colour": COLOUR, "age": AGE, "price": PRICE} | changes
    columns = {name: values for name, values in columns.items() if values is not None}
    values = (np.asarray(v).tolist() for v in columns.values())
    return list(columns), list(zip(*values, strict=True))


def write(path, header, rows):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if ".tsv" in path.suffixes else ",")
        writer.writerow(header)
        writer.writerows(rows)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def data(folder):
    return write(folder / "houses.csv", *rows_of())


def design():
    """The columns as the command encodes them, by hand."""
    levels = ["blue, dark", "green", "red"]
    return np.column_stack([SIZE, *((level == COLOUR) * 1.0 for level in levels), AGE])


def run(*argv):
    return main([str(value) for value in argv])


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


@pytest.mark.parametrize(
    ("first", "message"), [(-1.0, "hold -1;"), ("1e999", "hold inf;"), (0.0, "are all 0")]
)
def test_weights_that_cannot_be_used(folder, first, message, capsys):
    data = write(folder / "d.csv", *rows_of(w=[first] + [0.0] * (N - 1)))
    assert run("fit", data, "--target", "price", "--weights", "w") == 1
    assert f"the weights 'w' {message}" in capsys.readouterr().err
    assert not (folder / "d.fastridge").exists()


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "no rows"),
        ("a,a\n1,2\n", "several columns named 'a'"),
        ("a,b\n1,2\n3\n", "a row of 1 fields near line 3; expected 2"),
        ('a,b\n1,"2\n', "line"),
        ("a,b\n2020-01-05,2\n2020-01-06,3\n", "'a' holds dates: --exclude a"),
        ("a,b\n,2\n,3\n", "missing value"),
        ("b,c\n1,2\n", "no column"),
        ("b\n1\n2\n", "no column is left"),
    ],
)
def test_files_that_cannot_be_fitted(folder, content, message, capsys):
    (folder / "d.csv").write_text(content)
    target = "x" if message == "no column" else "b"
    assert run("fit", "d.csv", "--target", target) == 1
    said = capsys.readouterr().err
    assert said.startswith("fastridge: ")
    assert message in said
    assert not (folder / "d.fastridge").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["fit", "nowhere.csv", "--target", "price"], "nowhere.csv: No such file"),
        (["fit", "nowhere.svm"], "nowhere.svm: No such file"),
        (["fit", "nowhere.npz", "--target", "y.npy"], "nowhere.npz: No such file"),
        (["show", "nowhere"], "nowhere: No such file"),
        (["fit", "houses.csv", "--target", "rent"], "expected one of size, colour, age, price"),
        (["fit", "houses.csv", "--target", "price", "--exclude", "rent"], "--exclude is 'rent'"),
        (["fit", "houses.csv", "--target", "price", "--cv", "999"], "--cv is 999"),
        (["fit", "houses.csv", "--target", "price", "--out", "no/where"], "is no folder"),
        (["fit", "houses.doc", "--target", "price"], "suffix"),
        (["predict", "houses.csv", "houses.csv"], "houses.csv"),
        (["report", "plain.fastridge", "houses.csv", "--out", "no/where.html"], "no is no folder"),
        (["predict", "plain.fastridge", "houses.csv", "--out", "no/where"], "no is no folder"),
        (["show", "plain.fastridge"], "without the encoding of a table"),
    ],
)
def test_errors_have_a_message_and_a_status(data, argv, message, capsys):
    fastridge.save(fastridge.Ridge().fit(design(), PRICE), "plain.fastridge")
    assert main(argv) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["fit"],
        ["fit", "d.csv", "--alpha", "-1"],
        ["fit", "d.csv", "--alpha", "nan"],
        ["fit", "d.csv", "--l1-ratio", "2"],
        ["fit", "d.csv", "--cv", "x"],
        ["fit", "d.csv", "--cv", "1"],
        ["fit", "d.csv", "--seed", "-1"],
        ["fit", "d.csv", "--model", "tree"],
    ],
)
def test_wrong_options_have_status_2(argv):
    with pytest.raises(SystemExit) as told:
        main(argv)
    assert told.value.code == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--target is missing"),
        (["--chunks", 9], "--target is missing"),
        (["--chunks", 9, "--report", "r.html"], "--report needs all rows in memory"),
        (["--target", "price", "--alpha", 1, "--cv", 3], "--cv has no effect with --alpha NUMBER"),
        (["--target", "price", "--alpha", 1, "--seed", 3], "--seed has no effect with --alpha"),
        (["--target", "price", "--l1-ratio", 0.3], "--l1-ratio is for --model elastic-net"),
        (["--target", "price", "--model", "logistic", "--alpha", 0], "--alpha is 0"),
        (["--target", "price", "--report", "houses.fastridge"], "--out and --report are both"),
    ],
)
def test_options_that_do_not_fit_have_status_2(data, options, message, capsys):
    assert run("fit", data, *options) == 2
    assert message in capsys.readouterr().err
    assert list(data.parent.iterdir()) == [data]


def test_a_report_that_fails_keeps_the_model(folder, capsys):
    weight = np.zeros(N)
    weight[0] = 1.0
    data = write(folder / "d.csv", *rows_of(w=weight))
    options = ["--target", "price", "--alpha", 1, "--weights", "w", "--report", "r.html"]
    assert run("fit", data, *options) == 1
    said = capsys.readouterr().err
    assert "d.fastridge is written, but --report is not: sample_weight is zero for all of" in said
    assert len(fastridge.load("d.fastridge").names()) == 5
    assert not (folder / "r.html").exists()


def test_missing_columns_are_all_named(data, capsys):
    assert run("fit", data, "--target", "price", "--alpha", 1) == 0
    new = write(data.parent / "new.csv", *rows_of(size=None, age=None))
    assert run("predict", "houses.fastridge", new) == 1
    assert "the data have no columns 'size', 'age', which the fit had." in capsys.readouterr().err
    new = write(data.parent / "new.csv", *rows_of(age=None))
    assert run("predict", "houses.fastridge", new) == 1
    assert "the data have no column 'age', which the fit had." in capsys.readouterr().err


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


def test_a_table_model_in_a_file_is_checked(data):
    assert run("fit", data, "--target", "price", "--alpha", 1) == 0
    model = fastridge.load("houses.fastridge")
    for change in ({"columns": [{"name": "a"}]}, {"target": 3}, {"estimator": 1}, {"facts": []}):
        broken = fastridge.load("houses.fastridge")
        for name, value in change.items():
            setattr(broken, name, value)
        with pytest.raises(ValueError, match="model is a TableModel that does not predict"):
            fastridge.save(broken, "broken")
        with open("broken", "wb") as file:
            file.write(saved(broken, checked=False))
        with pytest.raises(fastridge.io.ModelFileError):
            fastridge.load("broken")
    assert model.names()[0] == "size"


@pytest.mark.parametrize("name", ["ridge", "lasso", "elastic-net", "poisson", "logistic"])
def test_chunks_give_the_model_of_the_whole(folder, name):
    weight = RNG.uniform(0.5, 2.0, N)
    y = {"poisson": RNG.poisson(np.exp(SIZE / 10.0)), "logistic": np.where(PRICE > 20, "b", "a")}
    size = SIZE.astype(object)
    size[[0, 100]] = ""
    late = AGE.astype(object)
    late[200] = "old"  # texts after numbers
    data = write(
        folder / "d.csv", *rows_of(size=size, age=late, price=y.get(name, PRICE), w=weight)
    )
    options = ["--target", "price", "--model", name, "--alpha", 0.3, "--weights", "w"]
    options += ["--impute", "mean"]
    assert run("fit", data, *options, "--out", "whole") == 0
    assert run("fit", data, *options, "--out", "parts", "--chunks", 37) == 0
    whole, parts = (fastridge.load(place) for place in ("whole", "parts"))
    fill = [
        (a.pop("fill"), b.pop("fill")) for a, b in zip(whole.columns, parts.columns, strict=True)
    ]
    assert whole.columns == parts.columns
    assert fill[0][0] == pytest.approx(fill[0][1], rel=1e-12)
    assert whole.facts == parts.facts
    scale = np.abs(whole.estimator.coef_).max()
    np.testing.assert_allclose(parts.estimator.coef_, whole.estimator.coef_, atol=1e-3 * scale)


def test_chunks_choose_a_penalty_and_drop_rows(folder, capsys):
    price = PRICE.astype(object)
    price[:50] = ""
    colour = COLOUR.astype(object)
    colour[3] = "of a row without a target"
    data = write(folder / "d.csv", *rows_of(price=price, colour=colour))
    options = ["--target", "price", "--chunks", 20, "--cv", 4]
    assert run("fit", data, *options) == 1
    assert "--drop-missing-target" in capsys.readouterr().err
    assert run("fit", data, *options, "--drop-missing-target") == 0
    model = fastridge.load("d.fastridge")
    assert model.facts["rows"] == N - 50
    assert "colour=of a row without a target" not in model.names()
    expected = fastridge.Ridge(model.facts["alpha"]).fit(design()[50:], PRICE[50:])
    np.testing.assert_allclose(model.estimator.coef_, expected.coef_, rtol=1e-8)
    assert run("fit", "d.parquet", *options) == 2
    data = write(folder / "d.csv", *rows_of(price=[""] * N))
    assert run("fit", data, *options, "--drop-missing-target") == 1
    assert "the target 'price' has no values at all" in capsys.readouterr().err


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


def test_files_that_are_read_are_not_written(data, capsys):
    before = data.read_bytes()
    assert run("fit", data, "--target", "price", "--alpha", 1) == 0
    model = Path("houses.fastridge").read_bytes()
    for argv in [
        ["fit", data, "--target", "price", "--out", data],
        ["fit", data, "--target", "price", "--report", data],
        ["predict", "houses.fastridge", data, "--out", data],
        ["predict", "houses.fastridge", data, "--out", "houses.fastridge"],
        ["report", "houses.fastridge", data, "--out", data],
    ]:
        assert run(*argv) == 1
        assert "which is read; expected another file" in capsys.readouterr().err
    # refused before the fit, which may take long
    (data.parent / "kept").touch(0o444)
    for option, place in [("--out", "."), ("--report", "."), ("--out", "kept")]:
        assert run("fit", data, "--target", "price", option, place) == 1
        assert f"{option} is {place}, which is" in capsys.readouterr().err
    assert data.read_bytes() == before
    assert Path("houses.fastridge").read_bytes() == model


@pytest.mark.parametrize("name", ["d.csv.gz", "d.npz", "y.npy"])
def test_files_that_are_cut_off_are_named(folder, name, capsys):
    from scipy import sparse

    data = write(folder / "d.csv", *rows_of(price=PRICE))
    (folder / "d.csv.gz").write_bytes(gzip.compress(data.read_bytes())[:400])
    sparse.save_npz(folder / "e.npz", sparse.csr_array(design()))
    (folder / "d.npz").write_bytes((folder / "e.npz").read_bytes()[:100])
    (folder / "y.npy").write_bytes(b"")
    target = {"d.csv.gz": "price", "d.npz": "y.npy", "y.npy": "y.npy"}[name]
    assert run("fit", "e.npz" if name == "y.npy" else name, "--target", target) == 1
    assert name in capsys.readouterr().err


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


@pytest.mark.filterwarnings("ignore:the best penalty is at")
@pytest.mark.parametrize("name", ["ridge", "poisson", "logistic"])
def test_chunks_hold_out_rows_at_random(folder, name):
    y = {"poisson": RNG.poisson(np.exp(SIZE / 10.0)), "logistic": np.where(PRICE > 20, "b", "a")}
    target = y.get(name, PRICE)
    # sorted files have other rows at their ends
    order = np.argsort(target, kind="stable")
    data = write(folder / "d.csv", *rows_of(price=target[order], size=SIZE[order]))
    options = ["--target", "price", "--model", name, "--chunks", 20, "--cv", 4]
    assert run("fit", data, *options) == 0
    first = fastridge.load("d.fastridge")
    X = first.encode(tables.read_table(data))[0]
    splits = HashedKFold(4)
    choice = with_choice(name, splits, 0.5, False, lambda done, total: None)
    choice.fit(X, target[order])
    assert first.facts["alpha"] == pytest.approx(choice.diagnosis_.alpha, rel=1e-9)
    np.testing.assert_allclose(
        first.estimator.coef_, choice.coef_, atol=1e-3 * np.abs(choice.coef_).max()
    )
    assert run("fit", data, *options, "--seed", 1) == 0
    assert fastridge.load("d.fastridge").estimator.cv == 4
