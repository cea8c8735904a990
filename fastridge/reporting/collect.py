"""Collect the numbers of a report."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..data.rows import as_container, take_rows
from ..losses import SQUARED
from . import facts, plane
from .curves import Curves, curves_of_choice, curves_of_held_out, rows_apart
from .fits import (
    Fits,
    Sample,
    fits_of_estimator,
    fits_of_path,
    is_path,
    require_data_of_fit,
    row_of_estimator,
    rows_of_ratio,
    sample_of,
)
from .predictions import predictions_of

PENALTIES, FEATURES, COEFFICIENTS = 100, 1000, 100_000  # most that a page holds
_ESTIMATED = 1_000_000  # elements of data up to which degrees of freedom are estimated
_MISFIT = 0.05  # share of the gradient from which fits are not those of the data


def collect(
    estimator: Any,
    given: tuple[Any, Any, Any, Any, Any],
    validation: Any,
    groups: Any,
    target: int,
    names: list[str] | None,
    of_path: tuple[Any, bool],
    seed: int,
    start: float,
) -> dict[str, Any]:
    """Return all that a page shows, as arrays, numbers and strings.

    given: X, y, sample_weight, offset and exposure. of_path: penalty_factor and standardize of a
    path.
    """
    X, y, weight, *known = given
    own = getattr(estimator, "validation", None)
    if validation is None and isinstance(own, (tuple, list)):
        validation = own
    if groups is not None and validation is not None:
        raise ValueError("groups is given together with validation; expected one of the two.")
    sample = sample_of(estimator, X, y, weight, target, *known)
    require_data_of_fit(estimator, sample, given)
    p = sample.A.n_columns
    if names is not None and len(names) != p:
        raise ValueError(f"feature_names has {len(names)} names; expected {p}.")
    if is_path(estimator):
        fits, held_fits, held, curves = _of_path(estimator, sample, validation, target, of_path)
    else:
        if of_path[0] is not None or of_path[1]:
            raise ValueError(
                "penalty_factor or standardize is given together with an estimator, which has its"
                " own; expected None unless model is a path."
            )
        work = _of_choice if hasattr(estimator, "cv_results_") else _of_estimator
        fits, held_fits, held, curves = work(
            estimator, sample, given, validation, groups, target, seed
        )
    k = fits.coef.shape[1]
    shown = target if k > 1 and sample.classes is not None else 0
    if not 0 <= shown < k:
        raise ValueError(f"target is {target}; expected a position from 0 to {k - 1}.")
    notes: list[str] = []
    kept = _thin(curves, notes)
    fits = fits.take(kept)
    held_fits = held_fits.take(kept)
    names = [f"x{j}" for j in range(p)] if names is None else names
    chosen = int(np.flatnonzero(kept == curves.chosen)[0])
    data, kept_features = _coefficients(fits, names, shown, notes)
    mean, variance = sample.A.column_stats(sample.weight)
    deviation = np.sqrt(np.maximum(variance, 0.0))
    data["deviation"] = deviation[kept_features]
    features = plane.prominent(fits, deviation, chosen, shown, sample.A.n_rows)
    if len(features) < p:
        notes.append(
            f"Weight decay, geometry and prior are of the {len(features)} features with the largest"
            " effects: coefficient times standard deviation."
        )
    g, H = plane.quadratics(fits, sample, features, shown)
    off = 0.0
    if fits.shape == "ball" and fits.free:
        off = plane.misfit(fits, g, features, shown)
        if is_path(estimator) and off > _MISFIT:
            raise ValueError(
                "estimator is a path whose coefficients are not optimal for X, y, sample_weight,"
                " offset, penalty_factor and standardize; expected those that it was fitted with."
            )
    # with standardize, the penalty is on coefficients of features of standard deviation 1
    scale = np.ones(len(features))
    if fits.standardize:
        scale = np.where(deviation > 0, deviation, 1.0)[features]
    data["plane"] = {
        "names": [names[int(j)] for j in features],
        "scale": scale,
        "w": fits.coef[:, shown][:, features] * scale,
        "g": g / scale,
        "H": H / (scale[:, None] * scale),
        "d1": fits.d1[features] / scale,
        "d2": fits.d2[features] / scale**2,
        "shape": fits.shape if fits.free or fits.shape != "ball" else "bounded",
    }
    exact = plane.exact_path(fits, sample, shown)
    if exact is not None:
        # positions in the basis, which has all features
        exact["features"] = features.tolist()
        exact["kept"] = kept_features.tolist()
    squares = plane.shrinkage(fits, sample)
    dof = _dof(fits, curves, kept, squares, shown)
    data.update(
        {
            "exact": exact,
            "squares": squares,
            "curves": _shown_curves(curves, kept, dof),
            "predictions": predictions_of(held_fits, held, seed),
            "noise": _noise(fits, sample, curves, dof, chosen, shown),
            "model": _model(estimator, fits, sample, shown),
            "facts": facts.facts_of(sample, fits, names, (mean, variance)),
            "versions": facts.versions(),
            "notes": notes,
        }
    )
    if not is_path(estimator) and off > _MISFIT:
        data["facts"]["warnings"].append(
            "The path of this report is not optimal for X and y: they may not be those of the fit,"
            " or the fit did not converge."
        )
    data["ran"] = facts.certificate_of(estimator, fits, time.perf_counter() - start)
    return data


def _held_of(estimator: Any, validation: Any, sample: Sample, target: int) -> Sample:
    if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3, 4):
        raise ValueError(
            f"validation is {validation!r}; expected (X, y), (X, y, sample_weight) or (X, y,"
            " sample_weight, offset)."
        )
    X, y, weight, offset = (*validation, None, None)[:4]
    if (offset is None) != (sample.offset is None):
        raise ValueError(
            f"validation has {'no' if offset is None else 'an'} offset, and the fit has"
            f" {'one' if offset is None else 'none'}; expected both or neither, as (X, y,"
            " sample_weight, offset) with log(exposure) for an exposure."
        )
    held = sample_of(estimator, X, y, weight, target, offset, classes=sample.classes)
    if held.A.n_columns != sample.A.n_columns:
        raise ValueError(
            f"validation X has {held.A.n_columns} features; expected {sample.A.n_columns}, as X"
            " has."
        )
    return held


def _of_path(
    path: Any, sample: Sample, validation: Any, target: int, of_path: tuple[Any, bool]
) -> tuple[Fits, Fits, Sample, Curves]:
    if validation is None:
        raise ValueError("validation is None; expected held-out (X, y) that judge the path.")
    fits = fits_of_path(path, sample, target, *of_path)
    held = _held_of(path, validation, sample, target)
    dof = None
    # estimates of degrees of freedom take longer than all else on large data
    quick = fits.kind == "ridge" and (path.solver != "cg" or sample.A.nnz <= _ESTIMATED)
    if quick and np.isfinite(path.dof).all():
        order = np.argsort(path.alphas, kind="stable")
        dof = np.asarray(path.dof)[order][np.asarray(path.alphas)[order] > 0]
    curves = curves_of_held_out(fits, sample, held, None, dof, "rows held out from the fit")
    return fits, fits, held, curves


def _grid(alphas: Any) -> Any:
    return np.unique(np.asarray(alphas))[::-1]


def _apart(
    estimator: Any, sample: Sample, given: Any, validation: Any, groups: Any, target: int, seed: int
) -> tuple[Sample, Sample, Any, Any, str]:
    """Return rows to fit, held-out rows, y and weights of the former as given, and words."""
    _, y, weight, *_ = given
    if validation is not None:
        return (
            sample,
            _held_of(estimator, validation, sample, target),
            _one_target(estimator, y, target),
            weight,
            "the given held-out rows",
        )
    n = sample.A.n_rows
    labels = sample.codes() if sample.classes is not None else None
    split = rows_apart(n, labels, groups, seed)
    values = np.asarray(_one_target(estimator, y, target))
    given_weight = None if weight is None else np.broadcast_to(np.asarray(weight), (n,))
    parts = []
    for rows, which in ((split.train, "fitted to"), (split.test, "held out")):
        if sample.weight is not None and not sample.weight[rows].any():
            raise ValueError(
                f"sample_weight is zero for all of the {len(rows):,} random rows that are {which};"
                " expected a positive weight among them, another random_state, or validation."
            )
        A = take_rows(sample.A, rows)
        own, offset = (
            None if values is None else np.ascontiguousarray(values[rows])
            for values in (sample.weight, sample.offset)
        )
        y_part = np.ascontiguousarray(sample.y[rows])
        parts.append(Sample(as_container(A), A, y_part, own, sample.classes, offset))
    own_weight = None if given_weight is None else np.ascontiguousarray(given_weight[split.train])
    words = f"{len(split.test):,} rows held out at random from a fit to the others"
    return parts[0], parts[1], values[split.train], own_weight, words


def _one_target(estimator: Any, y: Any, target: int) -> Any:
    """Return one column of several targets, where they are fitted one by one."""
    row = row_of_estimator(estimator)
    values = np.asarray(y)
    if values.ndim == 2 and row.penalty != "groups" and row.targets != "labels":
        return values[:, target]
    return values


def _only(fits: Fits, estimator: Any, target: int) -> Fits:
    """Return the fits of one target, where several were fitted together."""
    if row_of_estimator(estimator).penalty == "groups":
        fits.coef = fits.coef[:, target : target + 1]
        fits.intercept = fits.intercept[:, target : target + 1]
    return fits


def _of_choice(
    estimator: Any, sample: Sample, given: Any, validation: Any, groups: Any, target: int, seed: int
) -> tuple[Fits, Fits, Sample, Curves]:
    alphas = np.asarray(estimator.cv_results_["alpha"])[rows_of_ratio(estimator)]
    y = _one_target(estimator, given[1], target)
    fits = _only(
        fits_of_estimator(estimator, sample, y, _grid(alphas), given[2]), estimator, target
    )
    curves = curves_of_choice(estimator, fits, sample, target)
    train, held, y, weight, _ = _apart(estimator, sample, given, validation, groups, target, seed)
    held_fits = fits
    if train is not sample:
        held_fits = fits_of_estimator(estimator, train, y, fits.alphas[::-1], weight)
        held_fits = _only(held_fits, estimator, target)
    return fits, held_fits, held, curves


def _of_estimator(
    estimator: Any, sample: Sample, given: Any, validation: Any, groups: Any, target: int, seed: int
) -> tuple[Fits, Fits, Sample, Curves]:
    from ..plot.estimator_path import marked_penalty

    train, held, y, weight, words = _apart(
        estimator, sample, given, validation, groups, target, seed
    )
    held_fits = fits_of_estimator(estimator, train, y, None, weight)
    alpha = marked_penalty(estimator, target)
    if row_of_estimator(estimator).penalty == "glm" and sample.classes is not None:
        C = getattr(estimator, "C_", estimator.C)
        alpha = None if isinstance(C, str) else 1.0 / (float(np.ravel(C)[0]) * sample.total)
    if alpha is not None and alpha > 0 and not (held_fits.alphas == alpha).any():
        grid = _grid([*held_fits.alphas, alpha])
        held_fits = fits_of_estimator(estimator, train, y, grid, weight)
    held_fits = _only(held_fits, estimator, target)
    curves = curves_of_held_out(held_fits, train, held, alpha, None, words)
    fits = held_fits
    if train is not sample:
        every = _one_target(estimator, given[1], target)
        fits = fits_of_estimator(estimator, sample, every, held_fits.alphas[::-1], given[2])
        fits = _only(fits, estimator, target)
    return fits, held_fits, held, curves


def _thin(curves: Curves, notes: list[str]) -> Any:
    """Return the positions of the penalties that are kept."""
    m = len(curves.alphas)
    if m <= PENALTIES:
        return np.arange(m)
    marks = [curves.chosen, curves.least, curves.one_se]
    even = np.linspace(0, m - 1, PENALTIES - len(marks)).round().astype(int)
    kept = np.union1d(even, marks)
    notes.append(f"Of {m} penalties, {len(kept)} are shown, evenly along the grid.")
    return kept


def _coefficients(
    fits: Fits, names: list[str], shown: int, notes: list[str]
) -> tuple[dict[str, Any], Any]:
    """Return the coefficients of the features that are kept, and their positions."""
    m, _, p = fits.coef.shape
    coef = fits.coef[:, shown]
    size = np.abs(coef).max(axis=0)
    most = min(FEATURES, max(COEFFICIENTS // m, 1))
    kept = np.arange(p)
    if p > most:
        kept = np.sort(np.argsort(-size, kind="stable")[:most])
        notes.append(
            f"Of {p:,} features, the {most:,} with the largest coefficients are shown; errors,"
            " norms and predictions are of all."
        )
    data = {
        "alphas": fits.alphas,
        "names": [names[int(j)] for j in kept],
        "coef": coef[:, kept],
        "norm": np.sqrt((coef**2).sum(axis=1)),
        "nonzero": (coef != 0).sum(axis=1).astype(np.float64),
        "p": p,
    }
    return data, kept


def _dof(fits: Fits, curves: Curves, kept: Any, squares: Any, shown: int) -> Any:
    """Return effective degrees of freedom (m,) without the intercept, or None."""
    if curves.dof is not None:
        return curves.dof[kept]
    if fits.dof is not None:
        return fits.dof
    if squares is not None:
        free = int((fits.d2 == 0).sum())
        return (squares / (squares + fits.alphas[:, None])).sum(axis=1) + free
    if fits.kind == "net" and fits.l1 == 2.0:
        # of a lasso, the number of active features is an unbiased estimate
        return (fits.coef[:, shown] != 0).sum(axis=1).astype(np.float64)
    return None


def _shown_curves(curves: Curves, kept: Any, dof: Any) -> dict[str, Any]:
    def some(values: Any) -> Any:
        return None if values is None else np.asarray(values, dtype=np.float64)[kept]

    place = {int(j): i for i, j in enumerate(kept)}
    return {
        "train": some(curves.train),
        "train_se": some(curves.train_se),
        "validation": some(curves.validation),
        "validation_se": some(curves.validation_se),
        "dof": dof,
        "chosen": place[curves.chosen],
        "least": place[curves.least],
        "one_se": place[curves.one_se],
        "null": curves.null,
        "how": curves.how,
        "verdicts": [
            {"verdict": d.verdict, "text": str(d)} for d in (curves.verdicts[j] for j in kept)
        ],
    }


def _noise(
    fits: Fits, sample: Sample, curves: Curves, dof: Any, chosen: int, shown: int
) -> float | None:
    """Return an estimate of the noise variance, residual / (n - dof - 1), for squared errors."""
    if fits.loss is not SQUARED:
        return None
    n = sample.total
    y = sample.y.reshape(sample.A.n_rows, -1)[:, shown : shown + 1]
    part = fits.coef[chosen : chosen + 1, shown : shown + 1]
    error = SQUARED.error_of_rows(
        sample.A, y, sample.weight, part, fits.intercept[chosen : chosen + 1, shown : shown + 1]
    )
    left = 0.0 if dof is None else n - float(dof[chosen]) - fits.fit_intercept
    if left >= 1.0:
        return float(error[0, 0]) * n / left
    return float(curves.validation[curves.chosen])


def _model(estimator: Any, fits: Fits, sample: Sample, shown: int) -> dict[str, Any]:
    """Return what the page says about the model."""
    classes = sample.classes
    label = None
    if classes is not None:
        label = str(classes[1] if len(classes) == 2 else classes[shown])
    # coefficients that degrees of freedom count
    most = fits.coef.shape[2]
    if fits.loss.name == "multinomial":
        most *= fits.coef.shape[1]
    return {
        "name": type(estimator).__name__,
        "kind": fits.kind,
        "loss": fits.loss.name,
        "error": fits.loss.error_name,
        "null": fits.loss.null_name,
        "label": label,
        "most": most,
        "l1": fits.l1,
        "l2": fits.l2,
        "n": sample.total,
        "fit_intercept": fits.fit_intercept,
        "standardize": fits.standardize,
    }
