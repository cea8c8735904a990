"""The entry point of the command."""

from __future__ import annotations

import csv
import io
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ..exceptions import GridWarning
from ..io import ModelFileError, load
from ..io.place import replacing
from .arguments import make_parser
from .fit import fit, write_report
from .load_data import data_of_model, designs_of_model
from .table_model import TableModel
from .tables import INTERRUPTED, CommandError, OptionError, message_of, require_place, say


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        Arguments; None: those of the process.

    Returns
    -------
    int
        Exit status: 0 done, 1 the data or a file do not allow it, 2 options that are missing or do
        not fit together, 130 interrupted. Options that argparse refuses raise SystemExit with
        status 2.

    Examples
    --------
    >>> from fastridge.cli import main
    >>> main(["show", "no-such-file"])  # doctest: +SKIP
    1
    """
    try:
        options = make_parser().parse_args(argv)
        work = {"fit": fit, "predict": _predict, "show": _show, "report": _report}[options.command]
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            # the verdict on the chosen penalty says so
            warnings.simplefilter("ignore", GridWarning)
            warnings.showwarning = _show_warning
            return work(options)
    except BrokenPipeError:
        # the reader of the output, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except OptionError as error:
        say(str(error))
        return 2
    except (CommandError, ModelFileError, OSError, ValueError, TypeError, MemoryError) as error:
        say(message_of(error))
        return 1


def _show_warning(message: Any, category: Any, *_: Any, **__: Any) -> None:
    say(f"warning: {message}")


def _model_of(path: Path) -> TableModel:
    model = load(path)
    if not isinstance(model, TableModel):
        raise CommandError(
            f"{path} holds a {type(model).__name__} without the encoding of a table; expected a"
            " file of fastridge fit."
        )
    return model


def _predict(options: Any) -> int:
    require_place("--out", options.out, options.model, options.data)
    model = _model_of(options.model)
    if options.out is None:
        unseen = _write(sys.stdout, model, options.data)
        sys.stdout.flush()
    else:
        with _new_text(options.out) as file:
            unseen = _write(file, model, options.data)
    for name, count in unseen.items():
        say(f"column {name!r} has {count:,} row(s) of texts that the fit did not see: counted as 0")
    return 0


@contextmanager
def _new_text(path: Path) -> Iterator[TextIO]:
    """Open a text file that replaces `path` once it is whole; devices and pipes are written to."""
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="") as text:
            yield text
        return
    with replacing(os.path.realpath(path)) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        try:
            yield text
        finally:
            # the file is closed by `replacing`
            text.flush()
            text.detach()


def _write(file: Any, model: TableModel, data: Path) -> Counter[str]:
    """Write predictions as CSV, text a block at a time; return counts of unseen texts."""
    writer = csv.writer(file, lineterminator="\n")
    unseen: Counter[str] = Counter()
    for k, (X, new) in enumerate(designs_of_model(model, data)):
        unseen.update(new)
        columns = model.predict(X)
        if k == 0:
            writer.writerow(columns)
        writer.writerows(zip(*(values.tolist() for values in columns.values()), strict=True))
    return unseen


def _show(options: Any) -> int:
    model = _model_of(options.model)
    estimator = model.estimator
    target = model.target or "the labels of the file"
    rows = [("model", type(estimator).__name__), ("target", _one_line(target))]
    rows += [
        (name, f"{value:.6g}" if isinstance(value, float) else _one_line(str(value)))
        for name, value in model.facts.items()
    ]
    told = getattr(estimator, "diagnosis_", None)
    if told is not None:
        rows.append(("verdict", str(told)))
    for name, label in (
        ("solver_", "solver"),
        ("n_iter_", "iterations"),
        ("relative_gradient_", "relative gradient"),
        ("relative_gap_", "relative gap"),
    ):
        value = getattr(estimator, name, None)
        if value is not None:
            # of several fits, the largest
            rows.append((label, value if isinstance(value, str) else f"{np.max(value):.3g}"))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
    coef = np.atleast_2d(estimator.coef_)
    names = [_one_line(name) for name in model.names()]
    order = np.argsort(-np.abs(coef).max(axis=0), kind="stable")[: options.count]
    classes = getattr(estimator, "classes_", None)
    heads = ["coefficient"]
    if len(coef) > 1 and classes is not None:
        heads = [_one_line(str(label)) for label in classes]
    cells = [["feature", *heads], ["(intercept)", *_figures(np.ravel(estimator.intercept_))]]
    cells += [[names[j], *_figures(coef[:, j])] for j in order]
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    print()
    for row in cells:
        numbers = (cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))
        print(f"{row[0]:<{widths[0]}}  {'  '.join(numbers)}")
    left = coef.shape[1] - len(order)
    if left:
        print(f"... and {left:,} smaller ones: --count {coef.shape[1]} prints all")
    return 0


def _one_line(text: str) -> str:
    """Return a text with its control characters, such as line ends, as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _figures(values: Any) -> list[str]:
    return [f"{float(value):.6g}" for value in values]


def _report(options: Any) -> int:
    require_place("--out", options.out, options.model, options.data)
    model = _model_of(options.model)
    X, y, weight = data_of_model(model, options.data)
    write_report(model, X, y, weight, options.data, options.out)
    return 0
