"""Files as they come to the command: other separators, encodings, marks and mistakes."""

import gzip
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import fastridge
from fastridge.cli import main

RNG = np.random.default_rng(0)
N = 60
SIZE = RNG.uniform(20, 100, N).round(1)
CITY = RNG.choice(["Oslo", "Tromsø", "Bergen; West"], N)
PRICE = (3 * SIZE + 20 * (CITY == "Oslo") + RNG.standard_normal(N)).round(2)


def table(separator=",", end="\n", decimal="."):
    def number(value):
        text = str(value).replace(".", decimal)
        return f'"{text}"' if separator in text else text

    rows = [
        separator.join([number(s), f'"{c}"', number(p)])
        for s, c, p in zip(SIZE, CITY, PRICE, strict=True)
    ]
    return end.join([separator.join(["size", "city", "price"]), *rows, ""])


def fitted(name):
    assert main(["fit", name, "--target", "price", "--alpha", "1", "--out", "m.fastridge"]) == 0
    return fastridge.load("m.fastridge")


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (table(";"), "utf-8"),
        (table(";", decimal=","), "utf-8"),
        (table("\t"), "utf-8"),
        (table("|"), "utf-8"),
        (table(",", end="\r\n"), "utf-8"),
        (table(), "utf-8-sig"),
        (table("\t", end="\r\n"), "utf-16"),
        ("sep=;\n" + table(";", decimal=","), "utf-8-sig"),
        ('"sep=|"\r\n' + table("|", end="\r\n"), "utf-8"),
        (table(";", decimal=","), "gzip"),
    ],
    ids=[
        *("semicolon", "decimal-comma", "tab", "bar", "crlf", "mark", "utf-16"),
        *("told-semicolon", "told-bar", "gzip"),
    ],
)
def test_other_forms_give_the_same_model(folder, content, encoding):
    (folder / "plain.csv").write_text(table(), encoding="utf-8")
    expected = fitted("plain.csv")
    assert expected.names() == ["size", "city=Bergen; West", "city=Oslo", "city=Tromsø"]
    if encoding == "gzip":
        (folder / "d.csv").write_bytes(gzip.compress(content.encode()))
    else:
        (folder / "d.csv").write_bytes(content.encode(encoding))
    model = fitted("d.csv")
    assert model.names() == expected.names()
    np.testing.assert_array_equal(model.estimator.coef_, expected.estimator.coef_)
    for extra in ([], ["--chunks", "17"]):
        options = ["--target", "price", "--alpha", "1", "--out", "m.fastridge", *extra]
        assert main(["fit", "d.csv", *options]) == 0
        assert main(["predict", "m.fastridge", "d.csv", "--out", "p.csv"]) == 0
        found = np.loadtxt("p.csv", skiprows=1)
        assert np.corrcoef(found, PRICE)[0, 1] > 0.99


def test_commas_in_numbers_stay_thousands_where_commas_separate(folder, capsys):
    rows = "".join(f'"1,{k:03d}",{k}\n' for k in range(20))
    (folder / "d.csv").write_text("a,price\n" + rows)
    fitted("d.csv")
    said = capsys.readouterr().err
    assert "column 'a' holds texts such as '1,000'" in said
    assert "write them as 1234.5" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,price\n" + "".join(f"{k},{k}\n" for k in range(30)) + "?,3\n", "such as '?'"),
        (",price\n" + "".join(f"{k},{k}\n" for k in range(5)), "column 1 has no name"),
        (
            "a,price\n" + "".join(f"t{k},{k}\n" for k in range(120)),
            "120 different texts in 120 rows",
        ),
    ],
)
def test_columns_that_may_be_meant_otherwise_are_warned_of(folder, content, message, capsys):
    (folder / "d.csv").write_text(content)
    fitted("d.csv")
    assert message in capsys.readouterr().err


def test_decimal_commas_beside_decimal_points(folder, capsys):
    rows = "".join(f"1,{k:03d};{k / 8};{k}\n" for k in range(20))
    (folder / "d.csv").write_text("a;b;price\n" + rows)
    fitted("d.csv")
    assert "commas in column 'a' are read as decimal ones" in capsys.readouterr().err
    (folder / "d.csv").write_text(("a;b;price\n" + rows).replace(".", ","))
    fitted("d.csv")
    assert "commas" not in capsys.readouterr().err


@pytest.mark.parametrize("header", ['"note; a\nb",price', 'price,"note; a\nb"'])
def test_a_name_in_two_lines(folder, header):
    (folder / "d.csv").write_text(header + "\n1,2\n2,3\n4,5\n")
    assert fitted("d.csv").names() == ["note; a\nb"]


def test_a_gzip_file_without_content(folder, capsys):
    for content in (b"\x1f\x8b", gzip.compress(b"a,price\n1,2\n")[:12]):
        (folder / "d.csv.gz").write_bytes(content)
        assert main(["fit", "d.csv.gz", "--target", "price"]) == 1
        assert "d.csv.gz is no whole gzip file" in capsys.readouterr().err


def test_a_separator_at_the_end_of_lines_is_no_column(folder, capsys):
    (folder / "d.csv").write_text("a,price,\n1,2,\n2,3,\n4,5,\n")
    assert fitted("d.csv").names() == ["a"]
    assert "no name" not in capsys.readouterr().err


def test_columns_named_like_those_without_a_name(folder, capsys):
    rows = "".join(f"{k},{(k * 7) % 5},{k}\n" for k in range(9))
    (folder / "d.csv").write_text("a,column 1,price\n" + rows)
    assert fitted("d.csv").names() == ["a", "column 1"]
    assert "no name" not in capsys.readouterr().err
    (folder / "d.csv").write_text("column 1,a,price\n" + rows)
    assert fitted("d.csv").names() == ["column 1", "a"]
    assert "no name" not in capsys.readouterr().err
    empty = "".join(f",{k},{k}\n" for k in range(9))
    for name, status in (("column 1", 1), ("", 0)):
        (folder / "d.csv").write_text(f"{name},a,price\n" + empty)
        options = ["--target", "price", "--alpha", "1"]
        for extra in ([], ["--chunks", "4"]):
            assert main(["fit", "d.csv", *options, *extra]) == status
            said = capsys.readouterr().err
            assert ("'column 1'" in said) == (status == 1), said


@pytest.mark.parametrize(
    ("content", "options", "status", "message"),
    [
        (b"a,price\n1,2\n", [], 1, "the data have 1 row; expected at least 2"),
        (b"a,price\n1,2\n2,3\n", [], 1, "--cv is 5, and the data have 2 rows: give --cv 2"),
        (b"a,price\ninf,2\n2,3\n", ["--alpha", "1"], 1, "'a' holds infinity in 1 row(s)"),
        (b"a,price\n1,-Infinity\n2,3\n", ["--alpha", "1"], 1, "'price' holds infinity"),
        ("a,price\n\xf8,2\n".encode("latin-1"), [], 1, "not UTF-8 text"),
        ("a,price\n1,2\n".encode("utf-16")[:-1], [], 1, "no whole UTF-16 text: truncated data"),
        (b"sep=;\na;price\n1;2\n3\n", [], 1, "a row of 1 fields near line 4; expected 2"),
        (b"sep=;\n", [], 1, "d.csv is empty"),
        (b"a,price\n1,2\n2,3\n", ["--weights", "price"], 2, "--target and --weights are both"),
    ],
)
def test_mistakes_have_a_message(folder, content, options, status, message, capsys):
    (folder / "d.csv").write_bytes(content)
    assert main(["fit", "d.csv", "--target", "price", *options]) == status
    assert message in capsys.readouterr().err
    assert not (folder / "d.fastridge").exists()


def test_two_numbers_as_a_target_are_noted(folder, capsys):
    rows = "".join(f"{k},{int(k > 10)}\n" for k in range(20))
    (folder / "d.csv").write_text("a,price\n" + rows)
    fitted("d.csv")
    assert "--model logistic classifies" in capsys.readouterr().err


def test_unlike_scales_are_noted(folder, capsys):
    rows = "".join(f"{k / 1000},{(k * 7) % 20 * 50},{k}\n" for k in range(20))
    (folder / "d.csv").write_text("small,large,price\n" + rows)
    options = ["fit", "d.csv", "--target", "price", "--alpha", "1"]
    assert main(options) == 0
    assert "shrinks the coefficient of 'small' most" in capsys.readouterr().err
    assert main([*options, "--standardize"]) == 0
    assert "note" not in capsys.readouterr().err


def test_columns_of_booleans_are_texts_in_every_file(folder):
    arrow = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    told = [True, False, None, True, False, True]
    size = [1.0, 2.0, 3.0, 4.0, 5.0, 7.0]
    feather.write_feather(arrow.table({"new": told, "size": size, "price": size}), "d.feather")
    rows = "".join(f"{'' if t is None else t},{s},{s}\n" for t, s in zip(told, size, strict=True))
    (folder / "d.csv").write_text("new,size,price\n" + rows)
    models = []
    for name in ("d.csv", "d.feather"):
        options = ["--target", "price", "--alpha", "1", "--impute", "mean", "--out", "m"]
        assert main(["fit", name, *options]) == 0
        models.append(fastridge.load("m"))
    assert models[0].columns == models[1].columns
    np.testing.assert_array_equal(models[0].estimator.coef_, models[1].estimator.coef_)


@pytest.mark.parametrize("model", ["gamma", "logistic"])
def test_grids_are_extended_where_the_best_penalty_is_at_an_end(folder, model, capsys):
    rng = np.random.default_rng(1)
    x = rng.uniform(1e-4, 1e-3, 400)
    y = np.exp(2000 * x) * rng.gamma(50.0, 0.02, 400)
    if model == "logistic":
        y = np.where(20_000 * x + rng.logistic(size=400) > 11, "yes", "no")
    rows = "".join(f"{a!r},{b!s}\n" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    (folder / "d.csv").write_text("x,price\n" + rows)
    assert main(["fit", "d.csv", "--target", "price", "--model", model]) == 0
    said = capsys.readouterr().err
    assert "about right" in said
    assert "warning" not in said


def test_show_prints_names_of_several_lines_in_one(folder, capsys):
    rows = "".join(f'"line\nbreak{k % 3}",{k}\n' for k in range(9))
    (folder / "d.csv").write_text("a,price\n" + rows)
    fitted("d.csv")
    capsys.readouterr()
    assert main(["show", "m.fastridge"]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("") + 1
    assert len(lines[start:]) == 5
    assert any(line.startswith(r"a=line\nbreak2") for line in lines[start:])
    assert len({len(line) for line in lines[start:]}) == 1


def test_show_prints_one_number_of_iterations(folder, capsys):
    rows = "".join(f"{k},{'abc'[k % 3]}\n" for k in range(30))
    (folder / "d.csv").write_text("a,price\n" + rows)
    assert main(["fit", "d.csv", "--target", "price", "--out", "m.fastridge"]) == 0
    capsys.readouterr()
    assert main(["show", "m.fastridge"]) == 0
    line = next(t for t in capsys.readouterr().out.splitlines() if t.startswith("iterations"))
    assert line.split()[1].isdecimal()
    assert len(line.split()) == 2


def command(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "fastridge", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes that a reader closes early")
def test_a_reader_that_stops_early_is_no_error(folder):
    (folder / "d.csv").write_text(table())
    fitted("d.csv")
    rows = table().splitlines()
    # more than a pipe holds
    (folder / "long.csv").write_text("\n".join([rows[0], *rows[1:] * 400, ""]))
    process = command("predict", "m.fastridge", "long.csv", stdout=subprocess.PIPE)
    assert process.stdout.readline() == "prediction\n"
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0
    assert said == ""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
def test_an_interrupt_ends_quietly(folder):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3000, (40_000, 4))
    lines = (",".join(f"v{c}" for c in row) + f",{row[0] % 7}" for row in codes.tolist())
    (folder / "d.csv").write_text("\n".join(["a,b,c,d,price", *lines, ""]))
    script = (
        "import sys; from fastridge.cli import main; print('ready', flush=True);"
        "sys.exit(main(['fit', 'd.csv', '--target', 'price', '--model', 'lasso']))"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-P", "-c", script], **pipes)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    process.stderr.close()
    process.stdout.close()
    status = process.wait(60)
    # no bar without a terminal, no traceback
    assert "Traceback" not in said
    assert "\r" not in said
    assert status == 130, said
