"""The command with ``--chunks``: files that are read a chunk of rows at a time."""

import numpy as np
import pytest
from houses import AGE, COLOUR, PRICE, RNG, SIZE, N, design, rows_of, run, write

import fastridge
from fastridge.cli import chunked, tables
from fastridge.cli.models import with_choice
from fastridge.cli.table_model import TableModel, make_columns
from fastridge.model_selection import HashedKFold


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


@pytest.mark.filterwarnings("ignore:the best penalty is at")
@pytest.mark.parametrize("name", ["ridge", "poisson", "logistic"])
def test_chunks_hold_out_rows_at_random(folder, name):
    y = {"poisson": RNG.poisson(np.exp(SIZE / 10.0)), "logistic": np.where(PRICE > 20, "b", "a")}
    target = y.get(name, PRICE)
    # sorted files have other rows at their ends
    order = np.argsort(target, kind="stable")
    data = write(folder / "d.csv", *rows_of(price=target[order], size=SIZE[order]))
    options = ["--target", "price", "--model", name, "--chunks", 60, "--cv", 4]
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


# what a column holds in rows that come in three blocks of 80, and its kind in the whole file
MIXED = {
    "integers, then decimals": (["1", "2", "3"], ["1.5", "2", "0.25"], ["7", "8", "9"]),
    "numbers, none, numbers": (["1.5", "2", "3"], ["", "NA", ""], ["7", "8", "9"]),
    "none, then numbers": (["", "", ""], ["1", "2", "3"], ["1", "", "2"]),
    "numbers, then texts": (["1", "2", "3"], ["4", "5", "6"], ["a", "b", "a"]),
    "none, then texts": (["", "", ""], ["", "a", "b"], ["a", "1", "2"]),
    "texts, then numbers": (["a", "b", "a"], ["1", "2", "1"], ["1", "1", "2"]),
    "dates, then texts": (["2024-01-01", "2024-01-02", ""], ["a", "b", "a"], ["a", "b", "a"]),
    "numbers, then dates": (["1", "2", "3"], ["2024-01-01", "2024-01-02", ""], ["1", "2", "3"]),
    "commas, then points": (["1,5", "2", "3"], ["1.5", "2", "3.5"], ["1", "2", "3"]),
    "points, then commas": (["1", "2", "3"], ["1.5", "2", "3.5"], ["1,5", "2", "3"]),
    "integers, then commas": (["1", "2", "3"], ["4", "5", "6"], ["1,5", "2,25", "3"]),
    "infinite, then commas": (["1", "inf", "3"], ["4", "5", "6"], ["1,5", "2,25", "3"]),
    "exponents": (["1", "2", "3"], ["1e1", "2e0", "3"], ["2,5e0", "1", "2"]),
}


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("case", MIXED)
def test_columns_that_change_between_blocks(folder, capsys, case, dropped, separator):
    blocks = MIXED[case]
    values = [block[i % 3] for block in blocks for i in range(N // 3)]
    if separator == "," and any("," in value for value in values):
        values = [f'"{value}"' for value in values]
    price = [f"{value:.3f}" for value in PRICE]
    if dropped:
        # no row of the second block has a target
        price[N // 3 : 2 * (N // 3)] = [""] * (N // 3)
    lines = [separator.join(row) for row in zip(values, price, strict=False)]
    data = folder / "d.csv"
    data.write_text("\n".join([separator.join(["x", "price"]), *lines]) + "\n")
    options = ["--target", "price", "--alpha", 0.3, "--drop-missing-target"]
    done, said = [], []
    for place, more in (("whole", []), ("parts", ["--chunks", N // 3])):
        done.append(run("fit", data, *options, *more, "--out", place))
        said.append(capsys.readouterr().err.replace(place, ""))
    assert done[0] == done[1], said
    if done[0]:
        assert said[0] == said[1]
        return
    whole, parts = (fastridge.load(place) for place in ("whole", "parts"))
    assert whole.names() == parts.names()
    assert [c["kind"] for c in whole.columns] == [c["kind"] for c in parts.columns]
    scale = np.abs(whole.estimator.coef_).max()
    np.testing.assert_allclose(parts.estimator.coef_, whole.estimator.coef_, atol=1e-8 * scale)


def test_a_file_that_changes_while_it_is_read_is_refused(folder):
    data = folder / "d.csv"
    data.write_text("x,price\n1,2\n3,4\n")
    found = chunked.scan(data, 1, "price", False)
    columns = make_columns([found["x"]], False)
    model = TableModel(None, "price", columns, {})
    blocks = chunked.Blocks(data, 1, model, frozenset(["x", "price"]), None, False)
    assert len(list(blocks())) == 2
    data.write_text("x,price\n1,2\nold,4\n")
    with pytest.raises(tables.CommandError, match="column 'x' held numbers alone, and has other"):
        list(blocks())
