"""Flights of New York on a cluster of Dask
========================================

Many times over, as on one machine.

::

    pip install '.[dask,examples]'
    python examples/cluster.py

It takes the 327,346 flights of 2013 ten times, in partitions that two worker processes of a
LocalCluster hold, and fits delays by a ridge regression and delays of more than 15 minutes by a
logistic regression, on one-hot features. Penalties grow with the copies, so that the models are
those of the flights once. It prints the address of the dashboard, the passes over the data, and how
far the coefficients are from a local fit, in which each flight has the weight 10.

A pass takes about 0.8 s of CPU time; ``--times 1`` takes less.
"""

import argparse
import importlib.util
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

import fastridge


def encoder():
    """The module examples/flights.py, which reads and encodes the flights."""
    path = Path(__file__).resolve().with_name("flights.py")
    spec = importlib.util.spec_from_file_location("flights", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def partitions(client, X, y, count, times):
    """Delayed (X, y) of `count` consecutive runs of rows, each `times` times, on the workers."""
    import dask

    ends = np.linspace(0, X.shape[0], count + 1).astype(int)
    pairs = client.scatter([(X[a:b], y[a:b]) for a, b in pairwise(ends)])
    return client.persist([dask.delayed(tuple)(pair) for _ in range(times) for pair in pairs])


def compare(name, model, parts, X, y, times):
    """Fit a model to the partitions and locally, and print both."""
    start = time.perf_counter()
    model.fit(parts)
    seconds, coef = time.perf_counter() - start, model.coef_.copy()
    passes, solver = model.n_passes_, model.solver_
    start = time.perf_counter()
    local = model.fit(X, y, float(times))
    other = time.perf_counter() - start
    difference = np.abs(coef - local.coef_).max() / np.abs(local.coef_).max()
    print(
        f"{name}: {passes} passes by {solver} in {seconds:.1f} s; locally {other:.1f} s by"
        f" {local.solver_}; largest difference of a coefficient {difference:.1e} of the largest"
    )
    return difference


def arguments(argv):
    parser = argparse.ArgumentParser(description="Flights of New York on a cluster of Dask.")
    parser.add_argument("--rows", type=int, help="flights, evenly over the year; default: all")
    parser.add_argument("--times", type=int, default=10, help="copies of each; default: 10")
    parser.add_argument("--partitions", type=int, default=20, help="of each copy; default: 20")
    parser.add_argument("--workers", type=int, default=2, help="processes; default: 2")
    return parser.parse_args(argv)


def main(argv=None):
    options = arguments(argv)
    from distributed import Client, LocalCluster

    flights = encoder()
    columns = flights.read_flights(flights.data_folder(), options.rows)
    X, late = flights.one_hot(flights.features(columns)), columns["arr_delay"]
    delay = np.asarray(late, dtype=np.float64)
    times = options.times
    print(f"{X.shape[0]:,} flights, {times} times, with {X.shape[1]:,} columns")
    with (
        LocalCluster(
            n_workers=options.workers, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        print(f"dashboard: {client.dashboard_link}")
        found = []
        for name, model, y in (
            ("ridge", fastridge.Ridge(30.0 * times, solver="cg", tol=1e-10), delay),
            ("logistic", fastridge.LogisticRegression(C=0.1 / times, tol=1e-7), delay > 15),
        ):
            parts = partitions(client, X, y, options.partitions, times)
            found.append(compare(name, model, parts, X, y, times))
    return found


if __name__ == "__main__":
    main()
