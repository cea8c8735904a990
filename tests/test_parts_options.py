"""Parameters and fit arguments change fits of data in parts as they do local ones, or are refused.

What has no effect is listed with the reason.
"""

import warnings

import numpy as np
import pytest

import fastridge
from fastridge import Chunks
from fastridge._estimators import ESTIMATORS

N, P = 240, 4
RNG = np.random.default_rng(5)
X = RNG.standard_normal((N, P)) * [1.0, 2.0, 0.5, 1.5] + 0.3
ETA = 0.5 * X @ [0.6, -0.3, 0.8, 0.1]
NOISE = RNG.standard_normal(N)
TARGETS = {
    "numbers": ETA + NOISE,
    "several": np.column_stack([ETA + NOISE, NOISE - ETA]),
    "positive": np.exp(ETA + 0.3 * NOISE),
    "counts": RNG.poisson(np.exp(ETA)).astype(float),
    "labels": np.where(ETA + 2.0 * NOISE > 0.8, "up", "down"),
}
WEIGHT = RNG.random(N) + 0.1
FOLDS = np.repeat(np.arange(3), N // 3)
MATRIX = np.diag([1.0, 2.0, 3.0, 4.0]) + 0.3

NAMES = [name for name, row in ESTIMATORS.items() if row.parts is not None]


def kind(name):
    if "MultiTask" in name:
        return "several"
    if "Classifier" in name or "Logistic" in name:
        return "labels"
    return {
        "GammaRegressor": "positive",
        "PoissonRegressor": "counts",
        "TweedieRegressor": "counts",
        "GLMCV": "counts",
    }.get(name, "numbers")


# parameters that changes are compared with
BASE = {
    "BayesianRidge": {"tol": 1e-10},
    "ElasticNet": {"alpha": 0.05, "tol": 1e-10},
    "Lasso": {"alpha": 0.05, "tol": 1e-10},
    "MultiTaskElasticNet": {"alpha": 0.05, "tol": 1e-10},
    "MultiTaskLasso": {"alpha": 0.05, "tol": 1e-10},
    "GroupRidge": {"groups": [0, 0, 1, 1]},
    "LogisticRegression": {"tol": 1e-9},
    "LogisticRegressionCV": {
        "Cs": [0.01, 0.03, 0.1, 0.3, 1.0],
        "l1_ratios": [0.0],
        "use_legacy_attributes": False,
        "tol": 1e-9,
        "cv": 3,
        "scoring": "neg_log_loss",
    },
    "GLMCV": {"alphas": [0.01, 0.03, 0.1, 0.3, 1.0], "tol": 1e-9, "cv": 3},
    "ElasticNetCV": {"alphas": [0.01, 0.03, 0.1, 0.2, 0.4], "tol": 1e-10, "cv": 3},
    "LassoCV": {"alphas": [0.01, 0.03, 0.1, 0.2, 0.4], "tol": 1e-10, "cv": 3},
    "MultiTaskElasticNetCV": {"alphas": [0.01, 0.03, 0.1, 0.2, 0.4], "tol": 1e-10, "cv": 3},
    "MultiTaskLassoCV": {"alphas": [0.01, 0.03, 0.1, 0.2, 0.4], "tol": 1e-10, "cv": 3},
    "RidgeCV": {"alphas": [1.0, 10.0, 30.0, 100.0], "cv": 3},
    "RidgeClassifierCV": {"alphas": [1.0, 10.0, 30.0, 100.0], "cv": 3, "scoring": "r2"},
    "PoissonRegressor": {"tol": 1e-9, "alpha": 0.1},
    "GammaRegressor": {"tol": 1e-9, "alpha": 0.1},
    "TweedieRegressor": {"tol": 1e-9, "alpha": 0.1, "power": 1.5},
}

# values that differ from the default, of which those that a local fit refuses are skipped
CHANGES = {
    "C": [0.05, np.inf],
    "Cs": [[0.003, 0.3], 4],
    "alpha": [0.7],
    "alpha_1": [30.0],
    "alpha_2": [30.0],
    "alpha_init": [2.0],
    "alpha_per_target": [True],
    "alphas": [[0.02, 0.5], 7],
    "callback": [lambda *_: False],
    "class_weight": [{"up": 3.0}, "balanced"],
    "compute_score": [True],
    "copy_X": [False],
    "criterion": ["loo", "gcv", "ml"],
    "cv": [4, [(np.flatnonzero(i != FOLDS), np.flatnonzero(i == FOLDS)) for i in range(3)]],
    "dual": [True],
    "eps": [0.1],
    "extend": [True],
    "fit_intercept": [False],
    "gcv_mode": ["svd"],
    "groups": [[0, 1, 1, 1]],
    "intercept_scaling": [3.0],
    "l1_ratio": [0.9, [0.2, 0.9]],
    "l1_ratios": [[0.5]],
    "lambda_1": [30.0],
    "lambda_2": [30.0],
    "lambda_init": [2.0],
    "link": ["identity"],
    "loss": ["gamma", "huber"],
    "loss_options": [{"power": 1.2}],
    "lower": [-0.1, 0.05],
    "max_iter": [1],
    "max_memory": [1.0],
    "n_alphas": [5],
    "n_jobs": [2],
    "n_probes": [8],
    "penalty": ["l1", "l2"],
    "penalty_factor": [np.array([1.0, 0.0, 2.0, 5.0])],
    "penalty_matrix": [np.diag([1.0, 2.0, 3.0, 4.0]) + 0.3],
    "positive": [True],
    "power": [1.2],
    "precompute": [True, False],
    "prior_mean": [np.array([1.0, -1.0, 0.5, 2.0])],
    "random_state": [3],
    "refit": [False],
    "scoring": ["r2", "accuracy", "neg_mean_squared_error", "d2", lambda *_: 0.0],
    "select": ["1se"],
    "selection": ["random"],
    "solver": [
        *("cholesky", "dual", "cg", "lsqr", "sparse_cg", "sag", "saga", "svd", "qr", "lbfgs"),
        *("newton", "newton-cg", "newton-cholesky", "newton-samples", "prox-newton", "liblinear"),
    ],
    "standardize": [True],
    "store_coef": [True],
    "store_cv_results": [True],
    "tol": [0.5],
    "upper": [0.1],
    "use_legacy_attributes": [True],
    "validation": [0.3],
    "verbose": [1],
    "warm_start": [True, "sample"],
}

# where even a local fit of these rows does not change
WITHOUT_EFFECT = {
    "alpha_init": "the evidence has one maximum here",
    "lambda_init": "the evidence has one maximum here",
    "alpha_per_target": "there is one target",
    "callback": "is told of the progress",
    "copy_X": "X is never overwritten",
    "cv": "the same folds, given as rows",
    "dual": "scikit-learn's, without a meaning here",
    "extend": "the best penalty is inside the grid",
    "eps": "the grid is given",
    "gcv_mode": "scikit-learn's, without a meaning here",
    "intercept_scaling": "scikit-learn's, without a meaning here",
    "lower": "no coefficient is below it",
    "max_memory": "the moments of few columns fit into any",
    "max_iter": "few columns are solved without iterations, or in one",
    "n_alphas": "the grid is given",
    "n_jobs": "folds share the passes",
    "n_probes": "traces of few columns are exact",
    "penalty": "the default by another name",
    "precompute": "fits to moments hold Gram matrices",
    "random_state": "nothing is random here",
    "scoring": "the default by another name",
    "select": "both rules choose the same penalty",
    "selection": "the order of steps does not change the minimum",
    "solver": "solvers find the same minimum",
    "tol": "a step ends far below it",
    "verbose": "prints",
    "warm_start": "is the first fit",
}
# fits that are ended early differ, in parts too
ENDED_EARLY = ("max_iter", "tol")
# Fisher scoring with an identity link converges slowly
LOOSE = {"link": 1e-3}


def fit(name, options, in_parts, **given):
    model = getattr(fastridge, name)(**options)
    rows = {"y": TARGETS[kind(name)], **given}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if in_parts:
            return model.fit(Chunks.arrays(X, rows=50, **rows))
        return model.fit(X, **rows)


def attempt(name, options, what, **given):
    """Return a fit of parts, or None where it is refused by the name of `what`."""
    try:
        return fit(name, options, True, **given)
    except ValueError as error:
        if what not in str(error):
            raise
        return None


def results(model):
    """Return the numbers of a fit by name, without those of its work."""
    found = {}
    for name, value in vars(model).items():
        if not name.endswith("_") or name.startswith("_") or name in WORK:
            continue
        if hasattr(value, "keys"):
            found.update({f"{name}{key}": np.asarray(value[key]) for key in list(value)})
        elif value is None or np.asarray(value).dtype.kind in "fiubU":
            found[name] = np.asarray(np.nan if value is None else value)
    return found


# a pass more or less, certificates, and what local fits have for later rows
WORK = {
    *("n_passes_", "n_iter_", "dual_gap_", "relative_gap_", "relative_gradient_", "moments_"),
    *("relative_error_", "solver_", "objective_"),
}


def differ(a, b, tol=1e-5):
    """Return the names of results that differ."""
    a, b = results(a), results(b)
    found = sorted(a.keys() ^ b.keys())
    for name in a.keys() & b.keys():
        x, y = a[name], b[name]
        same = x.shape == y.shape and x.dtype.kind == y.dtype.kind
        if same and x.dtype.kind in "fc":
            same = np.allclose(
                x,
                y,
                rtol=tol,
                atol=tol * max(1e-3, np.abs(x[np.isfinite(x)]).max(initial=0.0)),
                equal_nan=True,
            )
        elif same:
            same = (x == y).all()
        if not same:
            found.append(name)
    return found


def parameters():
    for name in NAMES:
        for parameter in getattr(fastridge, name)().get_params(deep=False):
            yield name, parameter


@pytest.mark.parametrize(("name", "parameter"), list(parameters()))
def test_parameters(name, parameter, capsys):
    base = BASE.get(name, {})
    before = None
    for value in CHANGES[parameter]:
        options = {**base, parameter: value}
        try:
            local = fit(name, options, False)
        except (ValueError, TypeError):
            continue
        found = attempt(name, options, parameter)
        if found is None:
            continue
        before = fit(name, base, False) if before is None else before
        if not differ(before, local):
            assert parameter in WITHOUT_EFFECT
        if parameter in ENDED_EARLY:
            unlike = set(differ(local, found)) & set(differ(fit(name, base, True), local))
            assert not unlike or differ(fit(name, base, True), found)
        else:
            tol = LOOSE.get(parameter, 1e-5)
            assert not differ(local, found, tol), (value, differ(local, found, tol))
            if parameter == "solver":
                assert local.solver_ == found.solver_


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("CV")])
def test_searches_tell_their_progress(name, capfd):
    seen = []
    fit(name, {**BASE[name], "callback": lambda *step: seen.append(step)}, True)
    assert seen
    if "verbose" in getattr(fastridge, name)().get_params():
        fit(name, {**BASE[name], "verbose": 1}, True)
        assert "folds" in "".join(capfd.readouterr())


@pytest.mark.parametrize("argument", ["sample_weight", "offset", "exposure", "groups"])
@pytest.mark.parametrize("name", NAMES)
def test_arguments(name, argument):
    given = {
        "sample_weight": WEIGHT,
        "offset": 0.3 * NOISE,
        "exposure": WEIGHT + 0.5,
        "groups": np.arange(N) % 7,
    }[argument]
    base = BASE.get(name, {})
    try:
        local = fit(name, base, False, **{argument: given})
    except (TypeError, ValueError):
        # rows of parts bring what some fits do not take
        with pytest.raises(ValueError, match=argument):
            fit(name, base, True, **{argument: given})
        return
    found = attempt(name, base, argument, **{argument: given})
    if found is not None:
        assert differ(fit(name, base, False), local)
        assert not differ(local, found)
