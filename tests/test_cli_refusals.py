"""What the command refuses: options, files, and places to write to."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from houses import PRICE, N, design, rows_of, run, write
from model_files import saved

import fastridge
from fastridge.cli import main


@pytest.fixture
def data(folder):
    return write(folder / "houses.csv", *rows_of())


@pytest.mark.parametrize(
    ("first", "message"), [(-1.0, "hold -1;"), ("1e999", "hold inf;"), (0.0, "are all 0")]
)
def test_weights_that_cannot_be_used(folder, first, message, capsys):
    data = write(folder / "d.csv", *rows_of(w=[first] + [0.0] * (N - 1)))
    assert run("fit", data, "--target", "price", "--weights", "w") == 1
    assert f"the weights 'w' {message}" in capsys.readouterr().err
    assert not (folder / "d.fastridge").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "no rows"),
        ("a,a\n1,2\n", "several columns named 'a'"),
        ("a,b\n1,2\n3\n", "a row of 1 fields near line 3; expected 2"),
        ('a,b\n1,"2\n', "line"),
        ("a,b\n2020-01-05,2\n2020-01-06,3\n", "'a' holds dates: --exclude a"),
        ("a,b\n,2\n4,3\n", "1 missing value(s): --impute mean"),
        ("a b,b\n,2\n,3\n", "'a b' has no values at all: --exclude 'a b'."),
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
