"""Tune every solver to the required accuracy, then time them interleaved."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import sys
import time
import warnings
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cases
import libraries
import machine
import numpy as np
import report
import threadpoolctl
from work import GLMS, Quality, Work

import fastridge

PAUSE = 0.05  # lets the threads of one library stop spinning before another one is timed
LEAST = 0.02  # seconds; shorter work is repeated within one timing


@dataclass
class Row:
    """One solver on one case with one number of threads."""

    case: str
    threads: int
    library: str
    solver: str
    status: str = "ok"  # or the reason for a missing time, or for missing the accuracy
    tol: float | None = None
    seconds: float | None = None
    rounds: int = 0
    suboptimality: float | None = None
    gradient: float | None = None
    peak_bytes: int | None = None
    _times: list[float] = field(default_factory=list, repr=False)

    def public(self) -> dict[str, object]:
        return {k: v for k, v in asdict(self).items() if not k.startswith("_")}


class TooSlow(Exception):
    pass


@contextlib.contextmanager
def limited(seconds: float):
    """Raise TooSlow after some seconds, if alarms exist and the solver is interruptible."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_):
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def pinned(threads: int):
    """Limit BLAS, OpenMP and fastridge to that many threads."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
    with threadpoolctl.threadpool_limits(threads), fastridge.num_threads(threads):
        yield


def timed(call) -> tuple[libraries.Fitted, float]:
    start = time.perf_counter()
    fitted = call()
    seconds = time.perf_counter() - start
    return fitted, seconds if fitted.seconds is None else fitted.seconds


class Memory:
    """Best solutions and tuned tolerances, kept in a folder if one is given."""

    def __init__(self, folder: Path | None) -> None:
        self.folder, self.tolerances = folder, {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self.tolerances = json.loads((folder / "tolerances.json").read_text())

    def keep(self) -> None:
        if self.folder is not None:
            text = json.dumps(self.tolerances, indent=1, sort_keys=True)
            (self.folder / "tolerances.json").write_text(text + "\n")

    def solve(self, work: Work) -> None:
        """Find, or read, the high-precision solution."""
        if self.folder is None:
            _ = work.best
            return
        path = self.folder / f"{fingerprint(work)}.npz"
        if path.exists():
            with np.load(path) as file:
                work.best = file["coef"], file["intercept"]
        else:
            np.savez(path, coef=work.best[0], intercept=work.best[1])


def fingerprint(work: Work) -> str:
    X = work.X
    parts = [X.data, X.indices, X.indptr] if work.is_sparse else [X]
    code = 0
    for part in (*parts, work.y, np.asarray(work.alpha, dtype=np.float64)):
        code = zlib.crc32(np.ascontiguousarray(part).data.cast("B"), code)
    return f"{work.kind}-{'x'.join(map(str, X.shape))}-{code:08x}"


def tune(solver, work, accept, limit) -> tuple[float, Quality]:
    """Find the loosest tolerance, in steps of half a decade, whose solution is accepted.

    If none is accepted, down to 1e-16, return the most accurate one.
    """
    tried: dict[int, Quality] = {}
    deadline = time.monotonic() + limit

    def good(step: int) -> bool:
        if step not in tried:
            with limited(max(1.0, deadline - time.monotonic())):
                tried[step] = work.quality(*solver.make(work, 10.0 ** (-step / 2))()[:2])
        return accept(tried[step])

    step = 12
    try:
        while not good(step) and step < 32:
            step += 2
        if good(step):
            while step > 2 and good(step - 2):
                step -= 2
            if good(step - 1):
                step -= 1
    except TooSlow:
        passed = [s for s in tried if accept(tried[s])]
        if not passed:
            raise
        step = min(passed)
    if not accept(tried[step]):
        step = min(tried, key=lambda s: tried[s].gradient)
    return 10.0 ** (-step / 2), tried[step]


def prepare(row: Row, solver, name, work, memory, options):
    """Return the tuned and checked call to time; or None, with the reason in the row."""

    def accept(quality: Quality) -> bool:
        return getattr(quality, options.by) <= options.accuracy

    row.status = solver.refusal(work) or "ok"
    if row.status != "ok":
        return None
    key = f"{name}|{row.library}|{row.solver}|{options.by}|{options.accuracy:g}|{fingerprint(work)}"
    try:
        row.tol = memory.tolerances.get(key)
        if solver.tunable and row.tol is None:
            row.tol, _ = tune(solver, work, accept, options.limit)
            memory.tolerances[key] = row.tol
            memory.keep()
        with limited(options.limit), machine.PeakMemory() as peak:
            call = solver.make(work, options.accuracy if row.tol is None else row.tol)
            fitted, seconds = timed(call)
        row.peak_bytes = peak.bytes
    except TooSlow:
        row.status = f"did not reach it in {options.limit:g} s"
        return None
    except Exception as error:
        # a library that fails is left out of this case
        message = (str(error).splitlines() or [""])[0]
        row.status = f"failed: {type(error).__name__}: {message[:80]}"
        return None
    quality = work.quality(fitted.coef, fitted.intercept)
    row.suboptimality, row.gradient = quality
    if not accept(quality):
        row.status = "did not reach it"
    row._times = []
    if seconds < 50 * LEAST:
        # a first call imports what it needs
        _, seconds = timed(call)
    number = max(1, int(LEAST / max(seconds, 1e-7)))
    return lambda: sum(timed(call)[1] for _ in range(number)) / number


def measure(players: list[tuple[Row, object]], options) -> None:
    """Time round robin; a solver that has used its share of seconds is left out of later rounds."""
    for _ in range(options.rounds):
        for row, call in players:
            if sum(row._times) > options.seconds:
                continue
            time.sleep(PAUSE)
            try:
                with limited(options.limit):
                    row._times.append(call())
            except TooSlow:
                row.status = f"took more than {options.limit:g} s"
    for row, _ in players:
        if row._times:
            row.seconds, row.rounds = statistics.median(row._times), len(row._times)


def wanted(library, solver, options) -> bool:
    name = f"{library.name} {solver.name}".lower()
    return not options.solvers or any(part.lower() in name for part in options.solvers)


def run_case(name: str, work: Work, loaded, memory, options) -> list[Row]:
    rows = []
    memory.solve(work)
    for threads in options.threads:
        players = []
        with pinned(threads):
            for library in loaded:
                if library.version is None:
                    rows.append(Row(name, threads, library.name, "", "not installed"))
                for solver in library.solvers:
                    if work.kind not in solver.kinds or not wanted(library, solver, options):
                        continue
                    row = Row(name, threads, library.name, solver.name)
                    rows.append(row)
                    if options.verbose:
                        print(f"  {name}: {library.name} {solver.name}", file=sys.stderr)
                    call = prepare(row, solver, name, work, memory, options)
                    if call is not None:
                        players.append((row, call))
            measure(players, options)
    return rows


def penalty(text: str) -> str:
    """Check a penalty: a positive number, "chosen", or "chosen" divided by a number."""
    word, _, number = text.partition("/")
    if not float((number or "1") if word == "chosen" else text) > 0:
        raise ValueError
    return text


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python benchmarks/peers",
        description="fastridge beside other libraries, tuned to equal accuracy.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--cases", nargs="+", metavar="NAME", help="parts of names of cases (all but tiny ones)")
    add("--tiny", action="store_true", help="the tiny cases: does it run?")
    add("--data", type=Path, help="a folder of .npz designs to compare on, too")
    add(
        "--alpha",
        type=penalty,
        nargs="+",
        default=["1"],
        help="penalties for --data; chosen: on held-out rows, chosen/100: so much smaller",
    )
    add("--classify", action="store_true", help="the y of --data are labels")
    add("--glm", choices=GLMS, help="generalised linear models on --data, dense columns scaled")
    add("--lasso", action="store_true", help="paths of lassos on --data")
    add("--lasso-folds", action="store_true", help="folds of lassos on --data")
    add("--libraries", nargs="+", choices=libraries.NAMES, default=list(libraries.NAMES))
    add("--solvers", nargs="+", metavar="NAME", help='parts of "library solver" (all of them)')
    add("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads")
    add("--accuracy", type=float, default=1e-6, help="what each solver is tuned to")
    add("--by", choices=Quality._fields, default="gradient", help="the measure of it")
    add("--rounds", type=int, default=5, help="rounds, of which the median is taken")
    add("--seconds", type=float, default=20.0, help="after which a solver is left out of rounds")
    add("--limit", type=float, default=120.0, help="seconds to tune a solver, or for one fit")
    add("--memory", type=Path, help="folder to keep best solutions and tolerances in")
    add("--json", type=Path, help="write the rows and the machine to this file, too")
    add("--markdown", type=Path, help="write the tables to this file, too")
    add("--list", action="store_true", help="list cases and libraries, and stop")
    add("--verbose", action="store_true", help="say what is being tuned")
    options = parser.parse_args(argv)
    if min(options.threads) < 1 or options.rounds < 1 or options.accuracy <= 0:
        parser.error("expected threads and rounds of at least 1 and a positive accuracy")
    if max(options.threads) > (os.cpu_count() or 1):
        parser.error(f"--threads {max(options.threads)}: this machine has {os.cpu_count()}")
    if options.data is not None and not options.data.is_dir():
        parser.error(f"--data {options.data}: expected a folder")
    return options


def chosen(options):
    """Return (name, function that makes the work) of the requested cases."""
    every = {name: (lambda name=name: cases.make(name)) for name in cases.SETS}
    if options.data is not None:
        kind = "classes" if options.classify else "lasso" if options.lasso else "fit"
        if options.lasso_folds:
            kind = "net folds"
        kind = options.glm or kind
        every.update(cases.of_folder(options.data, options.alpha, kind))
    if options.cases:
        names = [n for n in every if any(part.lower() in n.lower() for part in options.cases)]
        if not names:
            sys.exit(f"no case has {' or '.join(options.cases)} in its name; see --list")
    elif options.tiny:
        names = list(cases.TINY)
    else:
        names = [n for n in every if n not in cases.TINY]
    return [(name, every[name]) for name in names]


def main(argv=None) -> int:
    options = arguments(argv)
    warnings.filterwarnings("ignore")
    jobs = chosen(options)
    loaded = [libraries.load(name) for name in options.libraries]
    if options.list:
        print("\n".join(name for name, _ in jobs))
        print("\n".join(f"{lib.name}: {lib.version or 'not installed'}" for lib in loaded))
        return 0
    memory = Memory(options.memory)
    about = machine.describe({lib.name: lib.version for lib in loaded})
    rows, texts = [], [report.header(about, options)]
    print(texts[0], flush=True)
    for name, build in jobs:
        try:
            work = build()
        except (ImportError, SystemExit) as error:
            texts.append(f"\n### {name}\n\nleft out: {error}")
        else:
            found = run_case(name, work, loaded, memory, options)
            rows += found
            texts.append(report.table(name, work, found))
        print(texts[-1], flush=True)
    texts.append(report.summary(rows))
    print(texts[-1], flush=True)
    if options.markdown is not None:
        options.markdown.write_text("\n".join(texts) + "\n")
    if options.json is not None:
        asked = {"accuracy": options.accuracy, "by": options.by, "rounds": options.rounds}
        whole = {"machine": about, "asked": asked, "rows": [row.public() for row in rows]}
        options.json.write_text(json.dumps(whole, indent=1) + "\n")
    return 0
