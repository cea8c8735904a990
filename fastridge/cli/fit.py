"""Fit a model to a table, and save it."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from .._progress import reporter
from ..io import save
from .load_data import pick, require_target, target_of, weights_of
from .models import FOLDS, L1_RATIO, best_so_far, random_splits, widen, with_choice, with_penalty
from .table_model import TableModel, advice_of_texts, make_columns
from .tables import (
    INTERRUPTED,
    Column,
    CommandError,
    OptionError,
    Table,
    is_matrix,
    is_npz,
    is_text,
    message_of,
    read_matrix,
    read_table,
    require_place,
    say,
    unnamed,
)

_EXTENSIONS = 4  # of a grid whose best penalty is at an end
_UNLIKE = 100.0  # ratio of standard deviations from which the command says so


def fit(options: Any) -> int:
    """Run ``fastridge fit``; return the exit status."""
    from .._threads import set_num_threads

    _check_options(options)
    if options.threads is not None:
        set_num_threads(options.threads)
    out = options.out
    if out is None:
        out = Path(options.data.name.split(".")[0] + ".fastridge")
    require_place("--out", out, options.data)
    require_place("--report", options.report, options.data)
    if options.report is not None and options.report.resolve() == out.resolve():
        raise OptionError(f"--out and --report are both {out}; expected two files.")
    if options.chunks is not None:
        return _fit_chunks(options, out)
    work = _fit_matrix if is_matrix(options.data) else _fit_table
    model, X, y, weight = work(options)
    values = np.asarray(y)
    name = _name_of_model(options, values.dtype.kind in "US")
    if options.model is None and name == "ridge":
        low, high = values.min(), values.max()
        if low < high and ((values == low) | (values == high)).all():
            say(
                f"note: the target holds {low:g} and {high:g} alone, which ridge fits as numbers:"
                " --model logistic classifies them."
            )
    status = _solve(model, name, options, X, y, weight)
    n, p = X.shape
    model.facts = {"rows": int(n), "features": int(p), **model.facts}
    save(model, out)
    _say_result(model, out)
    if options.report is not None and status == 0:
        try:
            write_report(model, X, y, weight, options.data, options.report)
        except (OSError, ValueError, TypeError, MemoryError) as error:
            # the fit may have taken long: it is kept
            raise CommandError(
                f"{out} is written, but --report is not: {message_of(error)}"
            ) from error
    elif options.report is not None:
        say(f"--report is left out; fastridge report {out} {options.data} makes it")
    return status


def write_report(model: TableModel, X: Any, y: Any, weight: Any, data: Path, place: Path) -> None:
    """Write the page of a model to `place`."""
    from ..reporting import report

    made = report(
        *(model.estimator, X, y),
        sample_weight=weight,
        feature_names=model.names(),
        title=f"{data.name}: {model.target}" if model.target else data.name,
        path=place,
    )
    for note in made.notes:
        say(note)
    say(f"wrote {place}")


def _check_options(options: Any) -> None:
    """Raise an error for options without effect, and put in defaults."""
    fixed = options.alpha != "auto"
    for name in ("cv", "seed"):
        if fixed and getattr(options, name) is not None:
            raise OptionError(
                f"--{name} has no effect with --alpha NUMBER; expected one of the two."
            )
    if options.l1_ratio is not None and options.model != "elastic-net":
        raise OptionError("--l1-ratio is for --model elastic-net only.")
    for name, default in (("cv", FOLDS), ("seed", 0), ("l1_ratio", L1_RATIO)):
        if getattr(options, name) is None:
            setattr(options, name, default)


def _name_of_model(options: Any, texts: bool) -> str:
    """Return the model asked for, or that of a target of texts or numbers."""
    name = options.model or ("logistic" if texts else "ridge")
    if texts and name != "logistic":
        raise CommandError(f"the target holds texts; expected numbers for --model {name}.")
    return str(name)


def _fit_chunks(options: Any, out: Path) -> int:
    """Fit a text file in chunks of rows, and save the model."""
    from ..chunks import Chunks
    from ..model_selection import HashedKFold
    from .chunked import Blocks, scan

    if not is_text(options.data):
        raise OptionError(f"--chunks is for .csv and .tsv; {options.data} is read as a whole.")
    if options.report is not None:
        raise OptionError("--report needs all rows in memory; expected it without --chunks.")
    _require_target_option(options)
    automatic = options.alpha == "auto"
    drop = options.drop_missing_target
    found = scan(options.data, options.chunks, options.target, drop)
    target = pick(found, options.target, "--target")
    require_target(target.name, target.missing, target.rows)
    name = _name_of_model(options, target.kind == "text")
    left = _left_out(options, found)
    used = [column for key, column in found.items() if key not in left]
    columns = make_columns(used, options.impute == "mean")
    facts: dict[str, Any] = {"weights": options.weights} if options.weights else {}
    if drop:
        facts["rows without a target"] = "left out"
    _warn_of_texts(columns, target.rows)
    model = TableModel(None, options.target, columns, facts)
    numbers = frozenset(key for key, column in found.items() if column.kind == "number")
    blocks = Blocks(options.data, options.chunks, model, numbers, options.weights, drop)
    data = Chunks(blocks, verbose=sys.stderr.isatty())
    alpha = options.alpha
    given = (options.l1_ratio, options.standardize)
    if automatic:
        # rows at random, as files are often sorted
        splits = HashedKFold(options.cv, seed=options.seed)
        choice = with_choice(name, splits, *given, callback=lambda done, total: None)
        model.estimator = choice.fit(data).set_params(callback=None, cv=options.cv)
        alpha = choice.diagnosis_.alpha
    else:
        total = float(target.rows)
        if options.weights is not None:
            total = sum(float(part[2].sum()) for part in blocks())
        model.estimator = with_penalty(name, alpha, *given, total).fit(data)
    model.facts = {
        "rows": target.rows,
        "features": int(model.estimator.n_features_in_),
        **model.facts,
        "alpha": float(alpha),
    }
    save(model, out)
    _say_result(model, out)
    return 0


def _left_out(options: Any, found: Any) -> set[str]:
    """Return the names of columns that are no features."""
    if options.weights is not None and options.weights == options.target:
        raise OptionError(f"--target and --weights are both {options.target!r}.")
    left = {options.target, options.weights}
    for names in options.exclude:
        # a name may have a comma of its own
        for name in [names] if names in found else names.split(","):
            left.add(pick(found, name, "--exclude").name)
    for name in unnamed(options.data) if is_text(options.data) else []:
        if name not in left:
            column = found[name]
            summary = column.summary() if isinstance(column, Column) else column
            if summary.missing == summary.rows:
                # of a separator at the end of each line
                left.add(name)
            else:
                say(
                    f"warning: {name} has no name in the first line: --exclude {quote(name)} if it"
                    " numbers the rows."
                )
    return left


def _note_scales(table: Table) -> None:
    """Say where columns of numbers have very unlike standard deviations."""
    scales = {
        name: float(np.nanstd(column.values))
        for name, column in table.items()
        if column.kind == "number" and not np.isinf(column.values).any()
    }
    scales = {name: scale for name, scale in scales.items() if scale > 0}
    if not scales:
        return
    least, most = min(scales, key=scales.__getitem__), max(scales, key=scales.__getitem__)
    if scales[most] > _UNLIKE * scales[least]:
        say(
            f"note: {least!r} has a standard deviation of {scales[least]:.3g}, {most!r} one of"
            f" {scales[most]:.3g}: the penalty shrinks the coefficient of {least!r} most."
            " --standardize treats all alike."
        )


def _warn_of_texts(columns: list[dict[str, Any]], rows: int) -> None:
    for text in advice_of_texts(columns, rows):
        say(f"warning: {text}")


def _require_target_option(options: Any) -> None:
    if options.target is None:
        raise OptionError("--target is missing; expected the name of the column to predict.")


def _fit_matrix(options: Any) -> tuple[TableModel, Any, Any, Any]:
    for name in ("exclude", "weights", "impute", "drop_missing_target"):
        if getattr(options, name):
            raise OptionError(f"--{name.replace('_', '-')} is for tables, not for matrices.")
    svmlight = not is_npz(options.data)
    if svmlight == (options.target is not None):
        raise OptionError(
            "--target is for tables and .npz: svmlight has its own labels."
            if svmlight
            else "--target is missing; expected a .npy file of the values to predict."
        )
    X, y = read_matrix(options.data, options.target)
    return TableModel(None, options.target or "", [], {}), X, y, None


def _fit_table(options: Any) -> tuple[TableModel, Any, Any, Any]:
    _require_target_option(options)
    table = read_table(options.data)
    facts: dict[str, Any] = {}
    y, rows = target_of(pick(table, options.target, "--target"), options.drop_missing_target)
    if rows is not None:
        facts["rows without a target"] = len(table[options.target].values) - len(rows)
        table = {name: column.take(rows).used() for name, column in table.items()}
    weight = None
    if options.weights is not None:
        weight = weights_of(pick(table, options.weights, "--weights"))
        if not weight.any():
            raise CommandError(f"the weights {options.weights!r} are all 0.")
        facts["weights"] = options.weights
    left = _left_out(options, table)
    table = {name: column for name, column in table.items() if name not in left}
    summaries = [column.summary() for column in table.values()]
    columns = make_columns(summaries, options.impute == "mean")
    model = TableModel(None, options.target, columns, facts)
    _warn_of_texts(columns, len(y))
    if not options.standardize and options.alpha != 0:
        _note_scales(table)
    return model, model.encode(table)[0], y, weight


def _solve(model: TableModel, name: str, options: Any, X: Any, y: Any, weight: Any) -> int:
    """Fit the estimator of a model; return the exit status."""
    n = X.shape[0]
    total = float(n if weight is None else weight.sum())

    def fixed(alpha: float) -> Any:
        return with_penalty(name, alpha, options.l1_ratio, options.standardize, total)

    if options.alpha != "auto":
        model.estimator = fixed(options.alpha).fit(X, y, sample_weight=weight)
        model.facts["alpha"] = options.alpha
        return 0
    report = reporter(None, sys.stderr.isatty(), "folds")
    splits = random_splits(n, options.cv, options.seed)
    choice = with_choice(
        *(name, splits, options.l1_ratio, options.standardize),
        callback=report if report is not None else lambda done, total: None,
    )
    status = 0
    try:
        choice.fit(X, y, sample_weight=weight)
        for _ in range(_EXTENSIONS):
            if not widen(choice):
                break
            choice.fit(X, y, sample_weight=weight)
    except KeyboardInterrupt:
        alpha = best_so_far(choice)
        if alpha is None:
            raise
        say(
            f"interrupted: the best penalty of the {choice.cv_results_.n_folds} finished folds is"
            " fitted to all rows; Ctrl-C again stops that, too."
        )
        model.estimator = fixed(alpha).fit(X, y, sample_weight=weight)
        model.facts["choice"] = "interrupted"
        status = INTERRUPTED
    else:
        # a file holds neither functions nor the rows of the folds
        model.estimator = choice.set_params(callback=None, cv=options.cv)
        alpha = choice.diagnosis_.alpha
    model.facts["alpha"] = float(alpha)
    return status


def _say_result(model: TableModel, out: Path) -> None:
    facts = model.facts
    say(
        f"{facts['rows']:,} rows, {facts['features']:,} features,"
        f" {type(model.estimator).__name__}, alpha = {facts['alpha']:.4g}"
    )
    told = getattr(model.estimator, "diagnosis_", None)
    if told is not None:
        say(str(told))
    say(f"wrote {out}")
