"""What the data looked like, what ran, and versions."""

from __future__ import annotations

import platform
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from .._cpu import get_instruction_set
from .._matrix import Matrix
from .._threads import get_num_threads
from .fits import Fits, Sample, is_path

UNLIKE = 10.0  # ratio of the features' scales from which the page warns
_LISTED = 20
_CERTIFICATE = (
    ("solver_", "solver"),
    ("n_iter_", "iterations"),
    ("objective_", "objective"),
    ("relative_gradient_", "relative gradient"),
    ("relative_error_", "bound of the relative error"),
    ("dual_gap_", "dual gap"),
    ("relative_gap_", "relative dual gap"),
)


def facts_of(
    sample: Sample, fits: Fits, names: list[str], stats: tuple[NDArray[Any], NDArray[Any]]
) -> dict[str, Any]:
    """Return the shape, scales, constant and equal columns of the data, and warnings.

    stats: means and variances of the columns.
    """
    A = sample.A
    n, p = A.shape
    mean, variance = stats
    constant = np.flatnonzero(variance == 0)
    live = np.flatnonzero(variance > 0)
    scale = np.sqrt(variance[live])
    order = live[np.argsort(scale, kind="stable")]
    equal = _equal_columns(A, mean, variance)
    warnings = []
    ratio = float(scale.max() / scale.min()) if len(live) else 1.0
    if ratio > UNLIKE and not fits.standardize:
        warnings.append(
            f"The features are on different scales: the largest standard deviation is {ratio:.3g}"
            " times the smallest, and standardize is off. The penalty then shrinks the coefficients"
            " of features with small values most. Unless the units are meant to say so, fit with"
            " standardize=True, or scale the features first."
        )
    if len(constant) and fits.fit_intercept:
        warnings.append(
            f"{_count(len(constant), 'column is', 'columns are')} constant, and cannot explain y."
        )
    if equal:
        several = sum(len(group) for group in equal)
        # a lasso has no unique division
        how = (
            "divides their effect between them" if fits.l2 > 0 else "does not say how they share it"
        )
        warnings.append(
            f"{several} columns are copies of one another, and have one effect: the penalty {how}."
        )
    kind = {"csr": "sparse (CSR)", "csc": "sparse (CSC)", "C": "dense", "F": "dense"}[A.kind]
    stored = f"{A.nnz:,} of {n * p:,} numbers ({100.0 * A.nnz / (n * p):.3g} %)"
    rows = [
        ["rows", f"{n:,}"],
        ["features", f"{p:,}"],
        ["storage", f"{kind}, {A.dtype}" + (f", {stored}" if A.is_sparse else "")],
        ["sum of weights", f"{sample.total:.6g}"],
    ]
    if sample.offset is not None:
        rows.append(["offset", f"from {sample.offset.min():.4g} to {sample.offset.max():.4g}"])
    if sample.classes is not None:
        count = np.bincount(sample.codes(), minlength=len(sample.classes))
        told = [
            f"{c}: {k:,}" for c, k in zip(sample.classes[:_LISTED], count[:_LISTED], strict=True)
        ]
        rows.append(["classes", ", ".join(told) + (", ..." if len(count) > _LISTED else "")])
    else:
        y = sample.y
        rows.append(
            ["y", f"from {y.min():.4g} to {y.max():.4g}, mean {y.mean():.4g}, sd {y.std():.4g}"]
        )
    if len(live):
        rows.append(["smallest scale", f"{_name(names, order[0])}: sd {scale.min():.4g}"])
        rows.append(["largest scale", f"{_name(names, order[-1])}: sd {scale.max():.4g}"])
    rows.append(["constant columns", _some([_name(names, j) for j in constant])])
    rows.append(
        ["equal columns", _some([" = ".join(_name(names, j) for j in g[:5]) for g in equal])]
    )
    return {"rows": rows, "warnings": warnings}


def certificate_of(estimator: Any, fits: Fits, seconds: float) -> list[list[str]]:
    """Return what ran, and how well."""
    rows = [["model", type(estimator).__name__], ["loss", fits.loss.name]]
    for name, label in _CERTIFICATE:
        value = getattr(estimator, name, None)
        if value is not None:
            rows.append([label, _figure(value)])
    if is_path(estimator):
        if hasattr(estimator, "solver"):
            rows.append(["solver", estimator.solver])
        if hasattr(estimator, "converged"):
            rows.append(["all fits converged", "yes" if np.all(estimator.converged) else "no"])
        for name, label in (("relative_gradient", "gradient"), ("relative_gap", "dual gap")):
            value = getattr(estimator, name, None)
            if value is not None and np.size(value):
                rows.append([f"largest relative {label}", _figure(np.max(value))])
    rows.append(["intercept", "fitted" if fits.fit_intercept else "none"])
    rows.append(["standardize", "on" if fits.standardize else "off"])
    rows.append(["time for this report", f"{seconds:.3g} s"])
    return rows


def versions() -> list[list[str]]:
    """Return the versions behind the numbers."""
    rows = [["fastridge", __version__], ["Python", platform.python_version()]]
    for name in ("numpy", "scipy"):
        try:
            rows.append([name, version(name)])
        except PackageNotFoundError:
            continue
    rows.append(["instruction set", get_instruction_set()])
    rows.append(["threads", str(get_num_threads())])
    return rows


def _figure(value: Any) -> str:
    if isinstance(value, str):
        return value
    values = np.ravel(np.asarray(value))
    return ", ".join(f"{v:.4g}" for v in values[:5]) + (", ..." if len(values) > 5 else "")


def _name(names: list[str], j: Any) -> str:
    return names[int(j)]


def _some(values: list[str]) -> str:
    if not values:
        return "none"
    return ", ".join(values[:_LISTED]) + (
        f", and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
    )


def _count(k: int, one: str, more: str) -> str:
    return f"{k} {one if k == 1 else more}"


def _equal_columns(A: Matrix, mean: NDArray[Any], variance: NDArray[Any]) -> list[list[int]]:
    """Return groups of columns that are not constant and equal up to round-off.

    Different columns do not have the same products with two random vectors.
    """
    rng = np.random.default_rng(0)
    products = [A.tdot(rng.standard_normal(A.n_rows)) for _ in range(2)]
    size = np.sqrt((variance + mean**2) * A.n_rows)
    keys = np.round(np.array(products) / np.where(size > 0, size, 1.0), 10)
    groups = defaultdict(list)
    for j in np.flatnonzero(variance > 0):
        groups[(*keys[:, j].tolist(), f"{size[j]:.9g}")].append(int(j))
    return [group for group in groups.values() if len(group) > 1]
