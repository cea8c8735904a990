"""Time interleaved steps of all libraries on pinned threads: medians, bandwidth, errors, ratios."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import statistics
import sys
import time

import machine
import numpy as np
from work import Work

import fastridge
from fastridge import optim

LIBRARIES = ("fastridge_optim", "plain_c", "torch_optim", "numba_optim", "numpy_optim")
PAUSE = 0.02  # lets the threads of one library stop spinning before another one is timed
CHECKED = 3  # steps after which the error is measured
PARTS = ("stream", "sizes", "many", "rows")


def timed(step, inner):
    start = time.perf_counter()
    for _ in range(inner):
        step()
    return (time.perf_counter() - start) / inner


def pin(threads):
    """Set the number of threads again: starting numba's pool changes that of torch."""
    fastridge.set_num_threads(threads)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def measure(players, bytes_moved, repeats):
    """Return median times of (name, step), each timed once per round."""
    inner = max(3, min(500, int(4e6 / bytes_moved)))
    times = {name: [] for name, _ in players}
    for _ in range(repeats):
        for name, step in players:
            time.sleep(PAUSE)
            # warm up: bring its data into the cache, and wake its threads
            step()
            step()
            times[name].append(timed(step, inner))
    return {name: statistics.median(t) for name, t in times.items()}


def row(work, threads, player, seconds, rate="", ratio="", error=""):
    print(
        f"| {work} | {threads} | {player} | {1e6 * seconds:,.1f} | {rate} | {ratio} | {error} |",
        flush=True,
    )


def compare(work, threads, repeats, chosen):
    players, errors = [], {}
    for library in LIBRARIES:
        adapter = importlib.import_module(f"libraries.{library}")
        for name, step, weights in adapter.players(work, threads):
            if chosen and not any(c in name for c in chosen):
                continue
            for _ in range(CHECKED):
                step()
            errors[name] = work.error(weights(), CHECKED)
            players.append((name, step))
    pin(threads)
    found = measure(players, work.bytes, repeats)
    ours = found.get("fastridge", min(found.values()))
    for name, seconds in found.items():
        rate = f"{work.bytes / seconds / 1e9:.1f}"
        row(work.name, threads, name, seconds, rate, f"{seconds / ours:.2f}", f"{errors[name]:.1f}")


def stream(sizes, threads, repeats):
    """Time copy and triad, the limit of the bandwidth, without write-allocate reads."""
    from libraries.plain_c import stream as players

    for n in sizes:
        made = players(n // 2, threads)
        found = measure([(name, step) for name, step, _ in made], 8 * n, repeats)
        for name, _, size in made:
            rate = f"{size / found[name] / 1e9:.1f}"
            row(f"{name}, {n // 2:,} doubles", threads, "plain C", found[name], rate)


def optimizer(kind, params):
    if kind == "adamw":
        return optim.AdamW(params, lr=1e-3)
    momentum = 0.9 if kind == "momentum" else 0.0
    return optim.SGD(params, lr=1e-3, weight_decay=1e-2, momentum=momentum)


def sparse_rows(kind, threads, repeats, n_rows, width=64, touched=1_000):
    """Time a step of rows that have missed hundreds of steps, and a dense step of the table."""
    fastridge.set_num_threads(threads)
    rng = np.random.default_rng(0)
    w, g = (rng.random((n_rows, width), np.float32) for _ in range(2))
    made = optimizer(kind, [w])

    def dense():
        made.step([g])

    batches = iter([rng.integers(0, n_rows, touched) for _ in range(300 + 10 * repeats)])
    values = rng.random((touched, width), np.float32)

    def rows():
        made.step([(next(batches), values)])

    before = statistics.median(timed(dense, 1) for _ in range(max(3, repeats)))
    for _ in range(300):
        rows()
    few = statistics.median(timed(rows, 1) for _ in range(10 * repeats))
    table = f"{n_rows:,} x {width}"
    row(f"{kind}, all of {table}", threads, "fastridge", before, ratio=f"{before / few:.0f}")
    row(f"{kind}, {touched:,} rows of {table}", threads, "fastridge", few, ratio="1.00")


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python benchmarks/peers/optim",
        description="Optimizer steps beside torch, numba, NumPy and plain C loops, in float32.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--sizes", default="1e3,1e5,1e7,5e7", help="elements of one tensor")
    add("--kinds", default="sgd,momentum,adamw", help="which of these")
    add("--threads", default="1,2", help="numbers of threads")
    add("--repeats", type=int, default=9, help="rounds, of which the median is taken")
    add("--players", default="", help="parts of their names; all if empty")
    add("--parts", default=",".join(PARTS), help="what is measured")
    add("--rows", default="1e6", help="rows of the table of which some have gradients")
    options = parser.parse_args(argv)
    for name, kind in (("sizes", float), ("threads", int), ("rows", float)):
        try:
            values = [int(kind(v)) for v in getattr(options, name).split(",")]
        except ValueError:
            parser.error(f"--{name} {getattr(options, name)}; expected numbers and commas")
        if min(values) < 1:
            parser.error(f"--{name} {getattr(options, name)}; expected at least 1")
        setattr(options, name, values)
    if max(options.threads) > (os.cpu_count() or 1):
        parser.error(f"--threads {max(options.threads)}: this machine has {os.cpu_count()}")
    options.kinds = options.kinds.split(",")
    options.players = [p for p in options.players.split(",") if p]
    options.parts = options.parts.split(",")
    if not set(options.parts) <= set(PARTS) or options.repeats < 1:
        parser.error(f"expected --parts of {', '.join(PARTS)} and --repeats of at least 1")
    return options


def versions():
    found = {}
    for name in ("numpy", "torch", "numba"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def main(argv=None):
    options = arguments(argv)
    for key, value in machine.describe(versions()).items():
        print(f"- {key}: {value}")
    print("\n| work | threads | player | us | GB/s | to fastridge | error, eps |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for threads in options.threads:
        if "stream" in options.parts:
            stream([n for n in options.sizes if n >= 1e6], threads, options.repeats)
        for kind in options.kinds:
            if "sizes" in options.parts:
                for n in options.sizes:
                    compare(Work(kind, n), threads, options.repeats, options.players)
            if "many" in options.parts:
                compare(Work(kind, 1_000, 1_000), threads, options.repeats, options.players)
                compare(Work(kind, 1_000_000), threads, options.repeats, options.players)
            if "rows" in options.parts:
                for n_rows in options.rows:
                    sparse_rows(kind, threads, options.repeats, n_rows)
    return 0
