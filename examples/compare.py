#!/usr/bin/env python3
"""fastridge beside scikit-learn in a minute
=========================================

Times of the same fits, and how much they differ: on data sets that scikit-learn ships, and on
random data of other shapes. Each fit runs a few times in turn with the other library's, on one
thread; the best time counts. The accuracy is the objective above the better one's, relative to it:
a fast fit that is not at the minimum is no fit.

::

    pip install '.[examples]' && python examples/compare.py
"""

import argparse
import time
import warnings

import numpy as np
import scipy.sparse

import fastridge

ROUNDS = 3


def ridge_objective(X, y, alpha):
    def objective(model):
        r = y - X @ model.coef_ - model.intercept_
        return r @ r + alpha * (model.coef_ @ model.coef_)

    return objective


def lasso_objective(X, y, alpha):
    def objective(model):
        r = y - X @ model.coef_ - model.intercept_
        return r @ r / (2 * len(y)) + alpha * np.abs(model.coef_).sum()

    return objective


def logistic_objective(X, y, C):
    def objective(model):
        margin = (2 * y - 1) * (X @ model.coef_[0] + model.intercept_[0])
        return C * np.logaddexp(0, -margin).sum() + 0.5 * (model.coef_[0] @ model.coef_[0])

    return objective


def cases():
    """Yield (name, maker of a model from a library's module, X, y, objective or None)."""
    from sklearn import datasets
    from sklearn.model_selection import KFold

    rng = np.random.default_rng(0)
    X, y = datasets.load_diabetes(return_X_y=True)
    yield "Ridge, diabetes, 442 x 10", lambda m: m.Ridge(), X, y, ridge_objective(X, y, 1.0)
    # features, their squares and products
    left, right = np.triu_indices(10)
    P = np.c_[X, X[:, left] * X[:, right]]
    P = (P - P.mean(axis=0)) / P.std(axis=0)
    lasso = {"alpha": 2.0, "tol": 1e-6, "max_iter": 10_000}
    objective = lasso_objective(P, y, 2.0)
    yield "Lasso, diabetes, 442 x 65", lambda m: m.Lasso(**lasso), P, y, objective
    X, labels = datasets.load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    logistic = {"tol": 1e-6, "max_iter": 1_000}
    objective = logistic_objective(X, labels, 1.0)
    args = X, labels, objective
    yield "LogisticRegression, cancer, 569 x 30", lambda m: m.LogisticRegression(**logistic), *args
    X, y = datasets.load_digits(return_X_y=True)
    alphas, folds = np.logspace(-2, 4, 20), KFold(5, shuffle=True, random_state=0)
    args = X, (y == 8) * 1.0, None
    yield "RidgeCV, digits, 20 penalties, 5 folds", lambda m: m.RidgeCV(alphas, cv=folds), *args
    X = rng.standard_normal((20_000, 300))
    y = X @ rng.standard_normal(300) + rng.standard_normal(20_000)
    yield "Ridge, 20,000 x 300", lambda m: m.Ridge(), X, y, ridge_objective(X, y, 1.0)
    levels = (2_000 * rng.random((50_000, 5)) ** 2).astype(int) + 2_000 * np.arange(5)
    parts = np.ones(250_000), levels.ravel(), np.arange(0, 250_001, 5)
    S = scipy.sparse.csr_array(parts, shape=(50_000, 10_000))
    t = S @ rng.standard_normal(10_000) + rng.standard_normal(50_000)
    model = {"alpha": 10.0, "tol": 1e-6, "solver": "sparse_cg"}
    objective = ridge_objective(S, t, 10.0)
    yield "Ridge, 50,000 x 10,000 one-hot", lambda m: m.Ridge(**model), S, t, objective
    w = np.where(rng.random(1_000) < 0.02, rng.standard_normal(1_000), 0.0)
    W = rng.standard_normal((1_000, 1_000))
    v = W @ w + rng.standard_normal(1_000)
    lasso = {"alpha": 0.05, "tol": 1e-6, "max_iter": 10_000}
    objective = lasso_objective(W, v, 0.05)
    yield "Lasso, 1,000 x 1,000", lambda m: m.Lasso(**lasso), W, v, objective
    labels = (X[:, :40] @ rng.standard_normal(40) + rng.standard_normal(20_000) > 0) * 1.0
    objective = logistic_objective(X[:, :40], labels, 1.0)
    args = X[:, :40], labels, objective
    yield "LogisticRegression, 20,000 x 40", lambda m: m.LogisticRegression(**logistic), *args


def compare(make, X, y, objective):
    """Return the best times of both libraries, and objectives above the better one."""
    from sklearn import linear_model

    times, models = {}, {}
    for _ in range(ROUNDS):
        for library in (fastridge, linear_model):
            model = make(library)
            start = time.perf_counter()
            model.fit(X, y)
            taken = time.perf_counter() - start
            times[library] = min(taken, times.get(library, np.inf))
            models[library] = model
    ours, theirs = models[fastridge], models[linear_model]
    if objective is None:
        gap = abs(np.log(ours.alpha_ / theirs.alpha_))
        above = "same penalty" if gap < 1e-6 else f"{ours.alpha_:.3g}, {theirs.alpha_:.3g}"
    else:
        values = np.array([objective(ours), objective(theirs)])
        above = "{:.0e}, {:.0e}".format(*(values / values.min() - 1))
    return times[fastridge], times[linear_model], above


def draw(names, ratios, file):
    """Draw how many times as fast fastridge is; False where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 0.5 * len(names) + 1.2), layout="constrained")
    colours = ["C0" if ratio >= 1 else "C1" for ratio in ratios]
    axes.barh(names, [ratio - 1.0 for ratio in ratios], left=1.0, color=colours)
    for row, ratio in enumerate(ratios):
        label = f"{ratio:.1f}"
        place = max(ratio, 1.0), row
        axes.annotate(label, place, (4, 0), textcoords="offset points", va="center")
    axes.axvline(1.0, color="0.3", linewidth=1)
    axes.set(xscale="log", xlabel="time of scikit-learn over that of fastridge")
    axes.margins(x=0.15)
    axes.invert_yaxis()
    figure.savefig(file, dpi=150)
    return True


def main(arguments=None):
    parser = argparse.ArgumentParser(description="fastridge beside scikit-learn.")
    parser.add_argument("--first", type=int, default=None, help="cases to run (all)")
    parser.add_argument("--figure", default="compare.png", help="file of the picture")
    options = parser.parse_args(arguments)
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise SystemExit("scikit-learn is needed; to get it: pip install '.[examples]'") from None
    heads = "case", "fastridge", "scikit-learn", "ratio", "above the better objective"
    print("{:38} {:>10} {:>13} {:>6}  {}".format(*heads))
    names, ratios = [], []
    with threadpool_limits(1), fastridge.num_threads(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, *case in list(cases())[: options.first]:
            ours, theirs, above = compare(*case)
            ratio = theirs / ours
            names.append(name)
            ratios.append(ratio)
            print(f"{name:38} {ours:8.2g} s {theirs:11.2g} s {ratio:6.1f}  {above}", flush=True)
    if draw(names, ratios, options.figure):
        print(f"\nThe picture is in {options.figure}.")


if __name__ == "__main__":
    main()
