"""Random and adversarial generalised linear models, seeded: what fits must end on.

Run as a script, ``python tests/glm_problems.py --problems 2000 --seed 0``, it fits them all and
lists those that end with neither a certificate nor a warning.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

import fastridge
from fastridge.losses import loss_of, tweedie

LOSSES = ("logistic", "poisson", "gamma", "tweedie", "negative_binomial", "squared")


class Problem(NamedTuple):
    """Arguments of `fastridge.glm`, and a description of what is unusual."""

    X: Any
    y: np.ndarray
    loss: Any
    alpha: float
    options: dict
    what: str


def problem(seed: int) -> Problem:
    """The problem of a seed."""
    rng = np.random.default_rng(seed)
    name = LOSSES[seed % len(LOSSES)]
    n = int(rng.choice([2, 3, 10, 50, 300]))
    p = int(rng.choice([1, 2, 5, 20, 60]))
    X = rng.standard_normal((n, p))
    what = []
    kind = rng.integers(8)
    if kind == 1:
        X *= 10.0 ** rng.uniform(-8, 8, p)
        what.append("spread")
    elif kind == 2:
        X += 10.0 ** rng.uniform(0, 6, p)
        what.append("far")
    elif kind == 3 and p > 1:
        X[:, 1:] = X[:, rng.integers(0, p, p - 1)]
        what.append("copies")
    elif kind == 4:
        X = (X > 1).astype(float)
        what.append("binary")
    elif kind == 5:
        X[:, : p // 2 + 1] = 3.0
        what.append("constant")
    scale = np.maximum(X.std(axis=0), 1e-300)
    eta = ((X - X.mean(axis=0)) / scale) @ rng.standard_normal(p) / np.sqrt(p)
    size = rng.choice([0.5, 1.0, 3.0])
    mean = np.exp(np.clip(size * eta, -20, 20))
    loss: Any = name
    if name == "logistic":
        y = (rng.random(n) < 1 / (1 + np.exp(-size * eta))).astype(float)
        if rng.random() < 0.3:
            y = (eta > 0).astype(float)
            what.append("separable")
        if rng.random() < 0.1:
            y = np.zeros(n)
            y[0] = 1.0
            what.append("rare")
        if y.min() == y.max():
            y[0] = 1 - y[0]
    elif name in ("poisson", "negative_binomial"):
        y = rng.poisson(np.minimum(mean, 1e9)).astype(float)
        if rng.random() < 0.1:
            y *= 1e9
            what.append("huge counts")
        if not y.any():
            y[0] = 1.0
    elif name == "squared":
        y = size * eta + rng.standard_normal(n)
    else:
        y = rng.gamma(2.0, mean / 2.0) + 1e-10
        if name == "tweedie":
            loss = tweedie(rng.uniform(1.05, 1.95))
            y[rng.random(n) < 0.3] = 0.0
            y[0] = 1.0
    options: dict = {"fit_intercept": bool(rng.random() < 0.8)}
    if rng.random() < 0.3:
        weight = 10.0 ** rng.uniform(-4, 4, n)
        weight[rng.random(n) < 0.3] = 0.0
        if rng.random() < 0.2:
            weight[0] = 1e9
            what.append("a heavy row")
        live = y[weight > 0]
        if len(live) and (live.min() < live.max() or name not in ("logistic", "poisson")):
            options["sample_weight"] = weight
    if rng.random() < 0.2:
        options["offset"] = (
            rng.uniform(-50, 50, n) if rng.random() < 0.3 else rng.standard_normal(n)
        )
        what.append(f"offsets to {np.abs(options['offset']).max():.0f}")
    if rng.random() < 0.2:
        options["penalty_factor"] = np.where(
            rng.random(p) < 0.2, 0.0, 10.0 ** rng.uniform(-2, 2, p)
        )
        what.append("factors")
    if rng.random() < 0.2:
        options["standardize"] = True
    if rng.random() < 0.3:
        X = sp.csr_array(X) if rng.random() < 0.5 else sp.csc_array(X)
    elif rng.random() < 0.3:
        X = np.asfortranarray(X)
    alpha = 10.0 ** rng.uniform(-8, 2) if rng.random() < 0.9 else 0.0
    return Problem(X, y, loss, alpha, options, ", ".join([str(name), f"{n} x {p}", *what]))


def solve(q: Problem, solver: str = "auto", tol: float = 1e-4):
    """The result, and the text of a warning or None."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fastridge.glm(q.X, q.y, q.loss, q.alpha, solver=solver, tol=tol, **q.options)
    return result, str(caught[0].message) if caught else None


def is_refused(q: Problem) -> bool:
    """Return whether an intercept alone fits a single value of y at infinity."""
    y = q.y[q.options.get("sample_weight", np.ones(len(q.y))) > 0]
    limits = (0.0, 1.0) if loss_of(q.loss).name == "logistic" else (0.0,)
    log_like = loss_of(q.loss).name not in ("squared", "gamma")
    return bool(q.options["fit_intercept"] and log_like and (y == y[0]).all() and y[0] in limits)


def objective(q: Problem, coef, intercept) -> float:
    """Return F without the library's own kernels."""
    X = q.X.toarray() if sp.issparse(q.X) else q.X
    n, p = X.shape
    weight = q.options.get("sample_weight", np.ones(n))
    factor = q.options.get("penalty_factor", np.ones(p))
    if q.options.get("standardize"):
        mean = np.average(X, axis=0, weights=weight)
        variance = np.average((X - mean) ** 2, axis=0, weights=weight)
        tiny = variance <= (1e-14 * mean) ** 2
        factor = factor * np.where(tiny, 1.0, variance)
    live = weight > 0
    eta = q.options.get("offset", np.zeros(n)) + intercept + X @ coef
    values = loss_of(q.loss).value(q.y[live], eta[live])
    return float(weight[live] @ values / weight.sum() + 0.5 * q.alpha * factor @ coef**2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--solver", default="auto")
    options = parser.parse_args()
    open_ = refused = 0
    for seed in range(options.seed, options.seed + options.problems):
        q = problem(seed)
        try:
            result, warning = solve(q, options.solver)
        except ValueError as error:
            refused += 1
            print(f"{seed}: refused: {error} ({q.what})")
            continue
        if not result.converged:
            open_ += 1
            print(f"{seed}: {result.relative_gap:.1e} after {result.n_iter} ({q.what}, {warning})")
    print(f"{options.problems} problems: {open_} not converged, {refused} refused")


if __name__ == "__main__":
    main()
