"""Learn one epoch with every library, interleaved: elements per second, and held-out loss."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import json
import os
import statistics
import sys
import time
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

import machine
import numpy as np
import work as works

import fastridge

LIBRARIES = ("fastridge", "sklearn", "vowpal", "river")
HEADS = ("player", "Mnnz/s", "ratio", "held-out loss", "ratio", "seconds", "")
PAUSE = 0.05
SMALL = 100, 10


@dataclass
class Row:
    """One method of a library on one case."""

    case: str
    library: str
    player: str
    status: str = "ok"
    loss: float | None = None
    elements: int | None = None
    seconds: float | None = None
    _times: list[float] = field(default_factory=list, repr=False)

    @property
    def rate(self) -> float | None:
        return self.elements / self.seconds / 1e6 if self.seconds and self.elements else None

    def public(self) -> dict[str, object]:
        return {k: v for k, v in asdict(self).items() if not k.startswith("_")} | {
            "Mnnz/s": self.rate
        }


def adapter(library):
    return importlib.import_module(f"libraries.{library}_sgd")


def versions(names):
    found = {}
    for name in names:
        try:
            found[name] = adapter(name).version()
        except (ImportError, importlib.metadata.PackageNotFoundError):
            found[name] = None
    return found


def pin(threads):
    """Pin this process to one core per thread, so that no library uses extra threads."""
    fastridge.set_num_threads(threads)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[:threads])


def wanted(library, player, options) -> bool:
    name = f"{library} {player}".lower()
    return not options.players or any(part.lower() in name for part in options.players)


def timed(call, clock) -> float:
    start = clock()
    call()
    return clock() - start


def measure(players: list[tuple[Row, object]], options) -> None:
    """Time round robin; methods that have used their share of seconds skip later rounds."""
    for _ in range(options.rounds):
        for row, call in players:
            if sum(row._times) > options.seconds:
                continue
            time.sleep(PAUSE)
            row._times.append(timed(call, options.clock))
    for row, _ in players:
        row.seconds = statistics.median(row._times)


def run_case(work, options) -> list[Row]:
    rows, players = [], []
    long = work.train.repeated(work.copies)
    for library in options.libraries:
        for player, prepare in adapter(library).players(work, options):
            if not wanted(library, player, options):
                continue
            row = Row(work.name, library, player)
            rows.append(row)
            try:
                call = prepare(work.train)
                row.loss = work.held_out(call()(work.test.X))
                if work.copies > 1:
                    call = prepare(long)
                    call()
            except Exception as error:
                # a library that fails is left out of this case
                message = (str(error).splitlines() or [""])[0]
                row.status = f"failed: {type(error).__name__}: {message[:80]}"
                continue
            row.elements = getattr(call, "elements", long.elements)
            if not np.isfinite(row.loss):
                row.status = "diverged"
            elif row.elements < long.elements:
                row.status = f"the first {row.elements:,} elements"
            players.append((row, call))
    measure(players, options)
    return rows


def table(work, rows) -> str:
    X, ours = work.train.X, next((r for r in rows if r.library == "fastridge"), None)
    shape = f"{work.copies * X.shape[0]:,} x {X.shape[1]:,}"
    elements = f"{work.copies * work.train.elements:,} elements"
    lines = [
        f"\n### {work.name}: {shape}, {elements}, {work.loss}\n",
        "| " + " | ".join(HEADS) + " |",
        "| " + " | ".join(["---"] * len(HEADS)) + " |",
    ]
    for row in rows:
        faster = ours.rate / row.rate if ours and ours.rate and row.rate else None
        worse = row.loss / ours.loss if ours and ours.loss and row.loss is not None else None
        cells = (
            f"{row.library} {row.player}",
            number(row.rate, ".1f"),
            number(faster, ".2f"),
            number(row.loss, ".5g"),
            number(worse, ".3g"),
            number(row.seconds, ".3g"),
            "" if row.status == "ok" else row.status,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def number(value, form) -> str:
    return "" if value is None else format(value, form)


def repeated(call, number):
    def calls():
        for _ in range(number):
            call()

    return calls


def small_calls(options) -> str:
    """Time calls with a few rows, interleaved, in microseconds."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal(SMALL)
    y = np.where(X[:, 0] + rng.standard_normal(SMALL[0]) > 0, 1.0, -1.0)
    calls = {}
    for library in options.libraries:
        for player, call in adapter(library).small(X, y):
            if wanted(library, player, options):
                calls[f"{library} {player}"] = call
    times = {name: [] for name in calls}
    for _ in range(10 * options.rounds):
        for name, call in calls.items():
            call()
            number = max(1, int(1e-3 / max(timed(call, options.clock), 1e-7)))
            times[name].append(timed(repeated(call, number), options.clock) / number)
    lines = [
        f"\n### {SMALL[0]} more rows of {SMALL[1]}\n",
        "| player | microseconds | ratio |",
        "| --- | --- | --- |",
    ]
    found = {name: 1e6 * statistics.median(t) for name, t in times.items()}
    ours = next((t for name, t in found.items() if name.startswith("fastridge")), None)
    for name, t in found.items():
        lines.append(f"| {name} | {t:.1f} | {number_of_times(t, ours)} |")
    return "\n".join(lines)


def number_of_times(time, ours) -> str:
    return "" if ours is None else f"{time / ours:.1f}"


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python benchmarks/peers/sgd",
        description="One epoch of SGD beside scikit-learn, Vowpal Wabbit and river: millions of "
        "elements per second, and the loss on the fifth of the rows that is held out.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--cases", nargs="+", metavar="NAME", help="parts of names of cases (all but tiny ones)")
    add("--tiny", action="store_true", help="the tiny cases: does it run?")
    add("--small", action="store_true", help="calls with 100 rows of 10 alone")
    add("--data", type=Path, help="a folder of .npz designs to compare on, too")
    add("--copies", type=int, default=1, help="times that the rows of --data are repeated")
    add("--alpha", type=float, help="the penalty, where a library has this one; else its default")
    add("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    add("--players", nargs="+", metavar="NAME", help='parts of "library player" (all of them)')
    add("--threads", type=int, default=1, help="number of threads, and of cores")
    add("--batch-size", type=int, default=1, help="of one more player of this library")
    add("--rounds", type=int, default=5, help="rounds, of which the median is taken")
    add("--cpu", action="store_true", help="time of the CPU, where other work shares the machine")
    add("--seconds", type=float, default=20.0, help="after which a player is left out of rounds")
    add("--json", type=Path, help="write the rows and the machine to this file, too")
    add("--list", action="store_true", help="list cases and libraries, and stop")
    options = parser.parse_args(argv)
    if min(options.threads, options.rounds, options.copies, options.batch_size) < 1:
        parser.error("expected threads, rounds, copies and a batch size of at least 1")
    if options.threads > (os.cpu_count() or 1):
        parser.error(f"--threads {options.threads}: this machine has {os.cpu_count()}")
    if options.data is not None and not options.data.is_dir():
        parser.error(f"--data {options.data}: expected a folder")
    options.clock = time.process_time if options.cpu else time.perf_counter
    return options


def chosen(options):
    """Return (name, function that makes the work) of the requested cases."""
    every = dict(works.CASES)
    if options.data is not None:
        every.update(works.of_folder(options.data, options.copies))
    if options.cases:
        names = [n for n in every if any(part.lower() in n.lower() for part in options.cases)]
        if not names:
            sys.exit(f"no case has {' or '.join(options.cases)} in its name; see --list")
    elif options.tiny:
        names = list(works.TINY)
    else:
        names = [n for n in every if n not in works.TINY]
    return [(name, every[name]) for name in names]


def main(argv=None) -> int:
    options = arguments(argv)
    warnings.filterwarnings("ignore")
    jobs = [] if options.small else chosen(options)
    known = versions(options.libraries)
    if options.list:
        print("\n".join(name for name, _ in jobs))
        print("\n".join(f"{name}: {version or 'not installed'}" for name, version in known.items()))
        return 0
    pin(options.threads)
    about, rows = machine.describe(known), []
    for key, value in about.items():
        print(f"- {key}: {value}")
    for name, build in jobs:
        try:
            work = build()
        except (ImportError, SystemExit) as error:
            print(f"\n### {name}\n\nleft out: {error}", flush=True)
            continue
        found = run_case(work, options)
        rows += found
        print(table(work, found), flush=True)
    if not options.cases or options.small:
        with contextlib.suppress(BrokenPipeError):
            print(small_calls(options), flush=True)
    if options.json is not None:
        whole = {"machine": about, "rows": [row.public() for row in rows]}
        options.json.write_text(json.dumps(whole, indent=1) + "\n")
    return 0
