"""Problems that are hard for coordinate descent: seeded, small, of many kinds.

`python tests/descent_problems.py` fits all of them and prints what did not converge.
"""

import argparse
import collections
import time
import warnings

import numpy as np
import scipy.sparse as sp
from storages import stored

import fastridge

KINDS = {}


def kind(f):
    KINDS[f.__name__] = f
    return f


def _some(rng, *choices):
    return choices[rng.integers(len(choices))]


def _copied(rng, Z, most=1.0):
    """Z with columns copied, negated and nearly equal, in a random order."""
    p = Z.shape[1]
    copies = rng.integers(p, size=1 + rng.integers(max(1, int(most * p))))
    more = Z[:, copies] * rng.choice([1.0, 1.0, -1.0], len(copies))
    near = rng.random(len(copies)) < _some(rng, 0.0, 0.3)
    more = more + near * 10.0 ** -rng.integers(3, 9) * rng.standard_normal(more.shape) * Z.std()
    X = np.hstack([Z, more])
    return X[:, rng.permutation(X.shape[1])] if rng.random() < 0.5 else X


@kind
def copies(rng):
    n, p = _some(rng, 20, 40, 80), _some(rng, 10, 40, 120)
    return _copied(rng, rng.standard_normal((n, p)))


@kind
def doubled(rng):
    Z = rng.standard_normal((_some(rng, 20, 40, 60), _some(rng, 50, 100, 150)))
    return np.hstack([Z, _some(rng, 1.0, -1.0) * Z])


@kind
def marker_blocks(rng):
    """Allele counts that are similar within blocks."""
    n, blocks = _some(rng, 40, 80, 150), _some(rng, 5, 15, 40)
    parts = []
    for _ in range(blocks):
        base = rng.binomial(2, rng.uniform(0.05, 0.5), size=(n, 1)).astype(float)
        size = 1 + rng.integers(12)
        other = rng.binomial(2, 0.5, size=(n, size))
        parts.append(np.where(rng.random((n, size)) < _some(rng, 0.0, 0.02, 0.1), other, base))
    return np.hstack(parts)


@kind
def marker_chain(rng):
    """Allele counts along a chromosome: neighbours differ in few rows."""
    n, p = _some(rng, 40, 80, 150), _some(rng, 50, 150, 300)
    X = np.zeros((n, p))
    for _ in range(2):
        swap = rng.random((n, p)) < _some(rng, 0.003, 0.02, 0.1)
        swap[:, 0] = rng.random(n) < 0.4
        X += np.cumsum(swap, axis=1) % 2
    return X


@kind
def tf_idf(rng):
    n, p = _some(rng, 50, 100, 200), _some(rng, 80, 200, 400)
    rate = 2.0 / (1 + np.arange(p)) ** 0.7
    count = rng.poisson(rate, size=(n, p)).astype(float)
    X = count * np.log((1 + n) / (1 + (count > 0).sum(axis=0)))
    X = _copied(rng, X, 0.3)
    return X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)


@kind
def binary(rng):
    n, p = _some(rng, 40, 100, 200), _some(rng, 40, 120, 300)
    X = (rng.random((n, p)) < _some(rng, 0.02, 0.05, 0.2)).astype(float)
    return _copied(rng, X, 0.3) if rng.random() < 0.7 else X


@kind
def one_hot(rng):
    n = _some(rng, 60, 150)
    return np.hstack(
        [np.eye(levels)[rng.integers(levels, size=n)] for levels in rng.integers(2, 30, size=6)]
    )


@kind
def walks(rng):
    n, p = _some(rng, 30, 60, 100), _some(rng, 50, 150, 300)
    return np.cumsum(rng.standard_normal((n, p)), axis=_some(rng, 0, 1))


@kind
def tiny(rng):
    n, p = 1 + rng.integers(6), 1 + rng.integers(8)
    return np.round(_copied(rng, rng.standard_normal((n, p))), _some(rng, 1, 2, 15))


@kind
def low_rank(rng):
    n, p = _some(rng, 50, 150), _some(rng, 50, 100, 200)
    rank = min(n, p)
    U, V = (np.linalg.qr(rng.standard_normal((k, rank)))[0] for k in (n, p))
    s = np.exp(-((np.arange(rank) / _some(rng, 5, 20)) ** 2)) + 0.01 * np.exp(-np.arange(rank) / 50)
    return (U * s) @ V.T


@kind
def alike(rng):
    n, p = _some(rng, 30, 80), _some(rng, 40, 120, 250)
    common = _some(rng, 0.5, 2.0, 10.0) * rng.standard_normal((n, 1))
    return rng.standard_normal((n, p)) + common


@kind
def polynomial(rng):
    x = np.sort(rng.uniform(-1, 1, _some(rng, 20, 60)))
    X = np.vander(x, _some(rng, 6, 12, 20), increasing=True)[:, 1:]
    return X if rng.random() < 0.5 else X * 10.0 ** rng.uniform(-2, 2, X.shape[1])


def problem(seed):
    """Return X, y, largest alpha (about), options of `elastic_net` and the kind's name."""
    rng = np.random.default_rng([seed, 11])
    name = list(KINDS)[seed % len(KINDS)]
    X = KINDS[name](rng)
    n, p = X.shape
    truth = rng.standard_normal(p) * (rng.random(p) < _some(rng, 0.05, 0.2, 1.0))
    signal = X @ truth
    y = signal + _some(rng, 0.1, 1.0) * (signal.std() or 1.0) * rng.standard_normal(n)
    if rng.random() < 0.1:
        y = rng.standard_normal(n)
    options = {
        "l1_ratio": _some(rng, 0.1, 0.5, 0.9, 0.99, 1.0, 1.0, 1.0),
        "fit_intercept": rng.random() < 0.6,
        "standardize": rng.random() < 0.2,
    }
    weight = np.ones(n)
    if rng.random() < 0.2:
        weight = rng.integers(0, 4, n) + 0.0
        weight[0] = 1.0
        options["sample_weight"] = weight
    if rng.random() < 0.2:
        factor = rng.choice([0.5, 1.0, 2.0], p)
        factor[rng.random(p) < min(0.2, n / 5 / p)] = 0.0
        options["penalty_factor"] = factor
    if rng.random() < 0.2:
        options["lower"] = 0.0
    elif rng.random() < 0.1:
        size = np.abs(truth).max() or 1.0
        options["lower"], options["upper"] = -0.2 * size, 0.3 * size
    if rng.random() < 0.1:
        options["selection"] = "random"
    center = options["fit_intercept"] * np.average(X, axis=0, weights=weight)
    Z = X - center
    if options["standardize"]:
        unit = np.sqrt(
            np.average((X - np.average(X, axis=0, weights=weight)) ** 2, axis=0, weights=weight)
        )
        Z = Z / np.where(unit > 1e-12, unit, 1.0)
    t = y - options["fit_intercept"] * np.average(y, weights=weight)
    largest = np.abs(Z.T @ (weight * t)).max() / weight.sum() / options["l1_ratio"]
    storage = _some(rng, "C", "F", "csr", "csc")
    return stored(X, storage), y, float(largest) or 1.0, options, name


def fit(seed, tol=1e-8):
    """Run `elastic_net` on problem `seed`, with a penalty and a solver that depend on it."""
    X, y, largest, options, name = problem(seed)
    rng = np.random.default_rng([seed, 12])
    share = _some(rng, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 5e-3, 1e-3, 1e-4)
    solver = _some(rng, "auto", "auto", "gram", "working", "columns")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fastridge.elastic_net(X, y, share * largest, solver=solver, tol=tol, **options)
    return found, f"{name} {X.shape} share={share} {solver} l1_ratio={options['l1_ratio']}"


def path(seed):
    """Run `elastic_net_path` on problem `seed`."""
    X, y, _, options, name = problem(seed)
    rng = np.random.default_rng([seed, 13])
    m, eps, tol = _some(rng, 20, 50, 100), _some(rng, 1e-2, 1e-3, 1e-4), _some(rng, 1e-4, 1e-8)
    solver = _some(rng, "auto", "auto", "gram", "working", "columns")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fastridge.elastic_net_path(
            X, y, n_alphas=m, eps=eps, tol=tol, solver=solver, **options
        )
    return found, f"{name} {X.shape} {m} to {eps} tol={tol} {solver} {options['l1_ratio']}"


def search(seed):
    """Run `ElasticNetCV` on problem `seed`; return its warnings."""
    X, y, _, options, name = problem(seed)
    rng = np.random.default_rng([seed, 14])
    while X.shape[0] < 6:
        X, y = sp.vstack([X, X]) if sp.issparse(X) else np.vstack([X, X]), np.r_[y, y]
        options.pop("sample_weight", None)
    weight = options.pop("sample_weight", None)
    # weights of folds may not be zero
    weight = None if weight is None else weight + 1.0
    positive = options.pop("lower", None) == 0.0
    options.pop("upper", None)
    model = fastridge.ElasticNetCV(
        eps=_some(rng, 1e-2, 1e-3), positive=positive, cv=3, tol=_some(rng, 1e-4, 1e-7), **options
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, sample_weight=weight)
    said = [str(w.message) for w in caught if "did not converge" in str(w.message)]
    return said, f"{name} {X.shape} l1_ratio={options['l1_ratio']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=1200)
    parser.add_argument("--paths", type=int, default=240)
    parser.add_argument("--searches", type=int, default=60)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--verbose", action="store_true", help="name every failure")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.fits)
    failed, epochs, begin = collections.Counter(), 0, time.process_time()
    for seed in seeds:
        found, words = fit(seed)
        epochs += found.n_iter
        if not found.converged:
            failed[words.split()[0]] += 1
            if options.verbose:
                print(f"fit {seed}: gap {found.dual_gap:.1e}, {found.n_iter} epochs, {words}")
    print(
        f"fits: {sum(failed.values())} of {len(seeds)} did not converge {dict(failed)};"
        f" {epochs} epochs, {time.process_time() - begin:.1f} s"
    )
    bad, epochs, begin = 0, 0, time.process_time()
    for seed in range(options.first, options.first + options.paths):
        found, words = path(seed)
        epochs += int(found.n_iter.sum())
        bad += not found.converged.all()
        if options.verbose and not found.converged.all():
            print(
                f"path {seed}: {(~found.converged).sum()} steps, worst {found.dual_gap.max():.1e},"
                f" {found.n_iter.max()} epochs, {words}"
            )
    print(
        f"paths: {bad} of {options.paths} did not converge; {epochs} epochs,"
        f" {time.process_time() - begin:.1f} s"
    )
    bad, begin = 0, time.process_time()
    for seed in range(options.first, options.first + options.searches):
        said, words = search(seed)
        bad += bool(said)
        if options.verbose and said:
            print(f"search {seed}: {words}: {said[0][:120]}")
    print(
        f"searches: {bad} of {options.searches} did not converge;"
        f" {time.process_time() - begin:.1f} s"
    )


if __name__ == "__main__":
    main()
