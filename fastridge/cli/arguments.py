"""The options of the command."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from .. import __version__
from .models import FOLDS, L1_RATIO, MODELS

_DATA = "CSV or TSV (also gzipped), Parquet, Arrow or Feather, svmlight, or .npz of a scipy matrix"


def _alpha(text: str) -> str | float:
    if text == "auto":
        return text
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is neither auto nor a number of at least 0")
    return value


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def _whole(least: int) -> Callable[[str], int]:
    """Return the reader of a whole number of at least `least`."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
        return int(text)

    return read


_count = _whole(1)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="fastridge",
        description="Regularized linear models of tables: fit, predict, show, report.",
        epilog="Exit status: 0 done, 1 the data or a file do not allow it, 2 wrong options,"
        " 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"fastridge {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    fit = commands.add_parser("fit", help="fit a model to a table and save it")
    add = fit.add_argument
    add("data", type=Path, metavar="DATA", help=_DATA)
    add("--target", metavar="COLUMN", help="column to predict; for .npz, a .npy file")
    add("--model", choices=MODELS, help="default: ridge, or logistic for a target of texts")
    add(
        "--alpha",
        type=_alpha,
        default="auto",
        metavar="auto|NUMBER",
        help="penalty, as of Ridge, Lasso or glm; auto: chosen by cross-validation (default)",
    )
    # None: not given, so that an option without effect is refused
    add("--cv", type=_whole(2), metavar="FOLDS", help=f"number of folds ({FOLDS})")
    add("--l1-ratio", type=_share, help=f"share of L1 of elastic-net ({L1_RATIO})")
    add(
        "--exclude",
        action="append",
        default=[],
        metavar="COLUMN[,COLUMN]",
        help="columns to leave out; may be given again",
    )
    add("--weights", metavar="COLUMN", help="column of sample weights")
    add("--impute", choices=["mean"], help="replace missing numbers, with indicator columns")
    add("--drop-missing-target", action="store_true", help="leave out rows without a target")
    add("--standardize", action="store_true", help="penalise in units of standard deviations")
    add(
        "--chunks",
        type=_count,
        metavar="ROWS",
        help="for text larger than memory: read so many rows at a time, in each pass",
    )
    add("--seed", type=_whole(0), help="seed of the folds' rows (0)")
    add("--out", type=Path, metavar="FILE", help="model file (DATA's name with .fastridge)")
    add("--report", type=Path, metavar="FILE.html", help="also write an interactive page")
    add("--threads", type=_count, help="threads to use (those of the machine)")

    predict = commands.add_parser("predict", help="predict the rows of a table, as CSV")
    predict.add_argument("model", type=Path, metavar="MODEL", help="file of fastridge fit")
    predict.add_argument("data", type=Path, metavar="DATA", help=_DATA)
    predict.add_argument("--out", type=Path, metavar="FILE", help="CSV file (standard output)")

    show = commands.add_parser("show", help="print what a model file holds")
    show.add_argument("model", type=Path, metavar="MODEL", help="file of fastridge fit")
    show.add_argument("--count", type=_count, default=20, help="coefficients (%(default)s)")

    page = commands.add_parser("report", help="write an interactive page about a model's penalty")
    page.add_argument("model", type=Path, metavar="MODEL", help="file of fastridge fit")
    page.add_argument("data", type=Path, metavar="DATA", help="the table of the fit")
    page.add_argument(
        "--out",
        type=Path,
        default=Path("report.html"),
        metavar="FILE.html",
        help="page to write (%(default)s)",
    )
    return parser
