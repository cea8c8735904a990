"""What differs from scikit-learn under its names, found by comparison, each with its reason.

``python tests/differences.py`` writes DIFFERENCES.md; `test_differences.py` fails where that file
is not what is found, or where a difference has no reason.
"""

import inspect
import pathlib
import sys
import warnings

import numpy as np
import scipy.sparse as sp
import sklearn
import sklearn.linear_model as theirs

import fastridge as ours

FILE = pathlib.Path(__file__).parent.parent / "DIFFERENCES.md"

ESTIMATORS = (
    "BayesianRidge",
    "ElasticNet",
    "ElasticNetCV",
    "GammaRegressor",
    "Lasso",
    "LassoCV",
    "LinearRegression",
    "LogisticRegression",
    "LogisticRegressionCV",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "PoissonRegressor",
    "Ridge",
    "RidgeCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "SGDClassifier",
    "SGDRegressor",
    "TweedieRegressor",
)
FUNCTIONS = ("enet_path", "lasso_path", "ridge_regression")

# fits whose attributes are compared, beside the one with default parameters
OPTIONS = {
    "BayesianRidge": [{"compute_score": True}],
    "ElasticNetCV": [
        {"alphas": [0.1, 0.2], "l1_ratio": [0.5, 0.7]},
        {"alphas": 4, "l1_ratio": [0.5, 0.7]},
        {"alphas": [0.1]},
    ],
    "Lasso": [{"fit_intercept": False}],
    "LinearRegression": [{"positive": True}],
    "LogisticRegressionCV": [
        {"Cs": 2, "l1_ratios": (0.0,), "use_legacy_attributes": False},
        {"Cs": 2, "refit": False},
    ],
    "LogisticRegression": [{"fit_intercept": False}, {"C": 1e-3}],
    "Ridge": [{"fit_intercept": False}, {"solver": "lsqr"}],
    "RidgeCV": [{"cv": 3}, {"store_cv_results": True}],
    "RidgeClassifierCV": [{"cv": 3}, {"store_cv_results": True}],
    "TweedieRegressor": [{"power": 1.5}, {"fit_intercept": False}],
}

CHOSEN = 'The penalty of the fit, which "evidence" chooses.'
GLMS = (
    "GammaRegressor",
    "LogisticRegression",
    "LogisticRegressionCV",
    "PoissonRegressor",
    "TweedieRegressor",
)
CERTIFICATE = "A certificate: what ran, and how exact the fit is."
CHOICE = "How the penalty was chosen, and what that says."
PRIOR = "The posterior as an operator, and what follows from it."
MODEL = "An extension: the model itself, more general."
OFFSET = "An extension: a known term of the linear predictor, in predictions and scores too."
SEARCH = "An extension: the search for the penalty."
DOUBLE = "Errors, certificates and scalars of float32 data are kept in double precision."
DIRECT = (
    "Numbers of iterations of every solver: of a direct one those of its refinement; of one target"
    " an int."
)
DEFAULT_100 = "scikit-learn's default from 1.11 on, without its warning until then."
THROUGH_PARAMS = "Named here; scikit-learn takes it among its **params."
PATH_PARAMS = (
    "Everything that scikit-learn takes there and that is public has a name here; X_offset and"
    " X_scale are its solver's own."
)

STREAMS = ("SGDClassifier", "SGDRegressor")
AUTO = "Needs no eta0 and no scaled features; scikit-learn's rules are there by their names."

# (kind, item) or (kind, item, name): why
REASONS = {
    **{("parameter", item): MODEL for item in ("penalty_factor", "lower", "upper", "standardize")},
    **{("parameter", "positive", name): MODEL for name in GLMS},
    **{("parameter", "l1_ratio", name): MODEL for name in GLMS if "Logistic" not in name},
    ("parameter of fit", "offset"): OFFSET,
    ("parameter of fit", "exposure"): OFFSET,
    **{("parameter", item): MODEL for item in ("prior_mean", "penalty_matrix")},
    ("parameter", "max_memory"): "An extension: bounds the memory of direct solvers.",
    ("parameter", "max_iter"): "Of the iterative solver that may run.",
    ("parameter", "solver"): "Chooses the solver, by scikit-learn's names of `Ridge` too.",
    ("parameter", "tol"): "Of the iterative solver that may run.",
    ("parameter", "random_state"): "Seeds a random held-out set, and estimates of large data.",
    **{
        ("parameter", item): SEARCH
        for item in ("callback", "extend", "select", "store_coef", "validation")
    },
    ("parameter", "n_alphas", "RidgeCV"): "How many penalties an automatic grid has.",
    ("parameter", "n_alphas", "RidgeClassifierCV"): "How many penalties an automatic grid has.",
    (
        "parameter of fit",
        "groups",
    ): "Needs no routing: rows of a group are held out together.",
    (
        "default of fit",
        "y",
    ): "Chunks given as X hold y already; so do Moments, which `fit_moments` takes.",
    **{("parameter", item, "enet_path"): PATH_PARAMS for item in ("params",)},
    **{("parameter", item, "lasso_path"): PATH_PARAMS for item in ("params",)},
    **{
        ("parameter", item, function): THROUGH_PARAMS
        for item in ("sample_weight", "tol", "max_iter", "random_state", "selection")
        for function in ("enet_path", "lasso_path")
    },
    ("parameter", "do_screening"): THROUGH_PARAMS,
    ("parameter", "check_input", "lasso_path"): THROUGH_PARAMS,
    **{
        ("parameter", item, function): why
        for function in ("enet_path", "lasso_path")
        for item, why in {
            "fit_intercept": "An extension; False, as there is none in scikit-learn.",
            "solver": "An extension: chooses the solver.",
            "stop": "An extension: ends the path by what a callable says.",
            "stop_r2": "An extension: ends the path where the fit saturates.",
            "callback": "An extension: called after each penalty.",
        }.items()
    },
    ("default", "alphas"): DEFAULT_100,
    ("default", "n_alphas"): "Accepted in the place of an int as `alphas`, without a warning.",
    ("default", "y"): "Moments as X hold y already.",
    **{
        ("attribute", item): CERTIFICATE
        for item in (
            "solver_",
            "objective_",
            "relative_error_",
            "relative_gap_",
            "relative_gradient_",
        )
    },
    **{("attribute", "dual_gap_", name): CERTIFICATE for name in GLMS},
    **{("attribute", "alpha_", name): CHOSEN for name in GLMS if "Logistic" not in name},
    ("attribute", "C_", "LogisticRegression"): CHOSEN,
    ("attribute", "power_"): "The power of the fit, by which it predicts.",
    (
        "attribute",
        "link_",
    ): 'The link of the fit, by which it predicts, where `link` is "auto", too.',
    ("attribute", "n_iter_"): CERTIFICATE,
    **{("attribute", item): CHOICE for item in ("cv_results_", "diagnosis_", "alphas_", "dof_")},
    (
        "attribute",
        "penalty_",
    ): "lambda_ / alpha_, the `alpha` of `Ridge` that fits the same.",
    ("attribute", "scores_"): "With `compute_score` alone; scikit-learn has an empty list else.",
    ("attribute", "posterior_"): PRIOR,
    ("attribute", "dof_", "BayesianRidge"): PRIOR,
    ("attribute", "indicator_"): "What held y where it was an indicator of several labels.",
    ("type", "n_iter_"): DIRECT,
    ("type", "cv_results_"): (
        "A mapping with everything about the search, too; it has the methods, operators and indices"
        " of scikit-learn's array where rows are stored."
    ),
    ("type", "dual_gap_"): DOUBLE,
    ("type", "mse_path_"): DOUBLE,
    **{
        (kind, item, name): why
        for name in STREAMS
        for kind, item, why in (
            ("default", "learning_rate", AUTO),
            (
                "default",
                "alpha",
                "1e-6 with rules that need no penalty to be steady, else scikit-learn's 1e-4.",
            ),
            ("parameter", "batch_size", "An extension: rows whose mean gradient is one step."),
            ("parameter", "hash_bits", "An extension: hashes features of any 64-bit index."),
            ("attribute", "eta_", "The rate of the last step."),
            ("attribute", "loss_curve_", "The mean loss of each epoch."),
            ("type", "intercept_", "float32 where the coefficients are, for two classes too."),
        )
    },
    **{("type", item): DOUBLE for item in ("X_offset_", "X_scale_", "alpha_", "lambda_")},
}

# differences that a comparison of names and types does not find
BEHAVIOUR = (
    (
        "`tol` of lassos and elastic nets",
        "Bounds `relative_gap_`, the duality gap over the objective of the null model (half the"
        " variance of y): half of what scikit-learn's bounds, which looks at the gap only after"
        " changes of coefficients became small. `dual_gap_` is in scikit-learn's unit.",
    ),
    (
        "`dual_gap_` of lassos and elastic nets",
        "Fits end at the exact solution where that costs little, so that the gap is rounding, where"
        " scikit-learn stops below `tol`.",
    ),
    (
        "`eps_` of `MultiTaskLasso` and `MultiTaskElasticNet`",
        "Counts weight 2 as the row twice; scikit-learn scales weights to a mean of 1 first.",
    ),
    (
        "`max_iter` and `n_iter_` of lassos and elastic nets",
        "Count epochs: a round of sweeps over the features or a Newton step on those in the model,"
        " where scikit-learn's are one sweep each. Fits that `max_iter` cuts short end elsewhere.",
    ),
    (
        "`tol` of `Ridge`",
        "Bounds `relative_error_` of iterative solvers, the share of the objective that could be"
        " gained, as a square root; scikit-learn's meaning depends on the solver. Direct solvers go"
        " to rounding.",
    ),
    (
        "`tol` of `LogisticRegression` and of Poisson, gamma and Tweedie regressors",
        "Bounds the square root of `relative_gap_`, what the objective could still lose as a share"
        " of the loss of the model without features; scikit-learn's bounds elements of the"
        " gradient, which says little of the objective where features have unlike scales.",
    ),
    (
        "`solver` of `PoissonRegressor`, `GammaRegressor` and `TweedieRegressor`",
        'scikit-learn\'s "lbfgs" and "newton-cholesky" let the solver be chosen, as "auto" does.',
    ),
    (
        "`solver`, `dual` and `intercept_scaling` of `LogisticRegression` and its CV",
        "scikit-learn's names let the solver be chosen, for every penalty and any number of"
        " classes, where scikit-learn refuses some. The intercept is never penalised, as that of"
        " liblinear is.",
    ),
    (
        "`alpha` of `PoissonRegressor`, `GammaRegressor` and `TweedieRegressor`, `C` of"
        " `LogisticRegression`",
        '"evidence" is a value, too: the penalty of the largest Laplace evidence.',
    ),
    (
        "`set_callbacks` of `LogisticRegression`",
        "scikit-learn's experimental callbacks of iterations are not taken.",
    ),
    (
        "`max_iter=0` of `LogisticRegression`",
        "Gives the model of the intercept, where a fit starts; scikit-learn's is 0.",
    ),
    (
        "separated classes without a penalty, `C=inf` of `LogisticRegression`",
        "A ConvergenceWarning names them: no finite coefficients fit best.",
    ),
    (
        "a class whose weights are 0 in `LogisticRegression`",
        "Of more than two classes, has probability 0 where an intercept is fitted, which is the"
        " limit; of two classes, it is refused.",
    ),
    (
        "targets of one value at the end of a log link's range",
        "y of zeros alone is refused by `PoissonRegressor` with an intercept, which would be"
        " infinite; scikit-learn returns a fit that did not converge.",
    ),
    (
        "`sample_weight`",
        "A row of weight 2 is the row twice: in fits, grids, folds and their scores. scikit-learn"
        " does not weight the scores of `RidgeCV` with `cv`.",
    ),
    (
        "`RidgeCV.best_score_` by leave-one-out, with weights",
        "The mean of the errors over the repeated rows, sum s e^2 / sum s, as scikit-learn's own"
        ' `scoring="neg_mean_squared_error"` gives; its `scoring=None` divides by the number of'
        " rows, which is a mean of nothing. The choice is the same.",
    ),
    (
        "the order of `alphas`",
        "As in scikit-learn: `RidgeCV` (and `ridge_path`) keep the order that was given, `LassoCV`,"
        " `ElasticNetCV` and paths of lassos go from large to small.",
    ),
    (
        "a number as `alphas`",
        "As in scikit-learn: one penalty for `RidgeCV`, how many of an automatic grid for"
        " `LassoCV`, `ElasticNetCV` and their paths; for `ridge_path` an int is how many, too. An"
        " automatic"
        ' grid of `RidgeCV` is `alphas="auto"`, with `n_alphas`.',
    ),
    (
        "the best penalty at the end of a grid",
        "`LassoCV` and kin keep to scikit-learn's grid, but a `UserWarning` says so where the best"
        " penalty of an automatic grid is its last and the score still improves there;"
        ' `alphas="auto"` or `extend=True` extend the grid.',
    ),
    (
        "`l1_ratio=0` with an automatic grid",
        "The grid of l1_ratio 0.001, where scikit-learn raises an error.",
    ),
    (
        "`eps` above 1",
        "`mse_path_` is in the order of `alphas_`; scikit-learn's is in the opposite one.",
    ),
    (
        "`Lasso(alpha=0)`",
        "Least squares, without scikit-learn's warning: it converges here.",
    ),
    (
        "`alpha=0` in `RidgeCV` without `cv`",
        "Accepted: leave-one-out of least squares, of minimum norm.",
    ),
    (
        "`precompute` as an array",
        "May be about the means where X is not: scikit-learn forms it anew, with a warning, as is"
        " done here with one that is not about the means. It is compared with X"
        " by its diagonal and a product, not by one element. `Moments` are taken, too.",
    ),
    (
        "`copy_X`, `check_input`, `Xy`, `do_screening`, `n_jobs` of `LinearRegression` and"
        " `verbose` of `ridge_regression`",
        "Accepted and without effect: X is never overwritten, arguments are always checked, and"
        " targets are solved together.",
    ),
    (
        "`solver` names that are scikit-learn's",
        "Run the solver that does that job: svd an orthogonal factorisation, lsqr, sparse_cg, sag"
        " and saga preconditioned conjugate gradients, lbfgs an active set method.",
    ),
    (
        "`solver_` and `n_iter_` of `Ridge`",
        "Name the algorithm that ran and count its iterations: qr for svd, cg for lsqr, sparse_cg,"
        " sag and saga.",
    ),
    (
        "sparse data with an intercept",
        "Fitted by every solver; scikit-learn refuses some, and warns of sag.",
    ),
    (
        "`gcv_mode` of `RidgeCV`",
        "Without effect, and so without a warning: the method follows from shape and accuracy.",
    ),
    (
        "`alpha_per_target` of `RidgeCV`",
        "With folds, too.",
    ),
    (
        "metadata routing of scorers",
        "As in scikit-learn where `scoring` is a scorer; the name of a score is weighted, where"
        " scikit-learn asks for a request that a name cannot make.",
    ),
    (
        "tensors and the array API",
        "Arrays of other libraries (torch's CPU tensors, for example) are accepted and NumPy arrays"
        " are returned, also under `array_api_dispatch`; tensors on a device are not taken.",
    ),
    (
        "`scipy.sparse.linalg.LinearOperator` in `ridge_regression`",
        "Not accepted: solvers need the elements of X.",
    ),
    (
        "`return_intercept` of `ridge_regression`",
        "With any solver and storage; scikit-learn's only with sag.",
    ),
    (
        "`positive` of `LinearRegression`",
        "Sparse data are accepted.",
    ),
    (
        "`partial_fit` of `SGDClassifier` and `SGDRegressor`",
        "Takes rows as they lie, whatever `shuffle` is, and goes on with the L1 penalty that is"
        " owed: calls on parts are one call on all, bit for bit.",
    ),
    (
        "`shuffle` of `SGDClassifier` and `SGDRegressor`",
        "Blocks of neighbouring rows come in random order, mixed within what a cache holds; data"
        " that fit there are permuted in full. Another order than scikit-learn's for a seed.",
    ),
    (
        "several classes in `SGDClassifier`",
        "Are learned in one pass over the rows, in one order, and end together, by the mean of"
        " their losses; `n_jobs` has no effect.",
    ),
    (
        "`tol` and `loss_curve_` of `SGDClassifier` and `SGDRegressor`",
        "The mean loss of an epoch is weighted, and the penalty is that of its end.",
    ),
    (
        "sparse rows in `SGDClassifier` and `SGDRegressor`",
        "Give what dense ones do: the intercept has the same step, where scikit-learn's has 0.01 of"
        " it, and dense zeros are left alone by the L1 penalty as sparse ones are.",
    ),
    (
        "`early_stopping` of `SGDClassifier` and `SGDRegressor`",
        "Keeps the weights that scored best, of several classes by their joint accuracy;"
        " scikit-learn's are those of the last epoch. The rows held out are scikit-learn's.",
    ),
    (
        "rates that are too large in `SGDClassifier` and `SGDRegressor`",
        "A fit steps back and halves its rates, with a ConvergenceWarning, where losses overflow or"
        " explode; scikit-learn raises an error, or returns such weights.",
    ),
    (
        "`average` with an L1 penalty in `SGDClassifier` and `SGDRegressor`",
        "The mean of the weights; scikit-learn's forgets the truncations.",
    ),
    (
        "`class_weight='balanced'`",
        "Counts samples by their weights; scikit-learn counts them as they are.",
    ),
    (
        "messages",
        "Errors and warnings have scikit-learn's classes, but often other words: they name the"
        " argument, what came and what was expected. An unknown argument of a function is a"
        " TypeError.",
    ),
)


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 5))
    Y = X @ (rng.normal(size=(5, 3)) * [[1], [0], [1], [1], [0]]) + rng.normal(size=(40, 3)) + 1
    return X, Y


def is_of_labels(name):
    return "Classifier" in name or "Logistic" in name


def targets(name):
    _, Y = data()
    if is_of_labels(name):
        labels = np.digitize(Y[:, 0], [0.0, 2.0])
        return [labels > 0, labels, (Y > 1).astype(int)]
    if name in ("GammaRegressor", "PoissonRegressor"):
        return [np.exp(Y[:, 0] / 4)]
    return [Y[:, 0], Y[:, :1], Y]


def describe(value):
    """Return type, dtype and shape for the comparison."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__


def fitted(model):
    names = [*vars(model), *dir(type(model))]
    return {
        name
        for name in names
        if name.endswith("_") and not name.startswith("_") and hasattr(model, name)
    }


def general(text):
    """A description without the sizes of this data."""
    return text.split(" of ")[0]


def parameters(function):
    return {
        name: p.default
        for name, p in inspect.signature(function).parameters.items()
        if name != "self"
    }


def of_signature(name, kind, mine, other):
    a, b = parameters(mine), parameters(other)
    suffix = "" if kind == "init" else " of fit"
    for item in sorted(set(a) | set(b)):
        if item not in a or item not in b:
            has, lacks = ("", "none") if item in a else ("none", "")
            yield f"parameter{suffix}", item, lacks or "has it", has or "has it", name
        elif repr(a[item]) != repr(b[item]):
            yield f"default{suffix}", item, show(b[item]), show(a[item]), name


def show(default):
    return "required" if default is inspect.Parameter.empty else repr(default)


def of_fits(name):
    X, _ = data()
    found = {}
    for dtype in (np.float64, np.float32):
        for options in ({}, *OPTIONS.get(name, [])):
            for y in targets(name):
                for Z in (X.astype(dtype), sp.csc_array(X.astype(dtype))):
                    target = y if is_of_labels(name) else y.astype(dtype)
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        try:
                            b = getattr(theirs, name)(**options).fit(Z, target)
                        except (TypeError, ValueError):
                            continue  # not for this kind of data
                        a = getattr(ours, name)(**options).fit(Z, target)
                    mine, other = fitted(a), fitted(b)
                    for item in mine - other:
                        found["attribute", item, "none", "has it", name] = None
                    for item in other - mine:
                        found["attribute", item, "has it", "none", name] = None
                    for item in mine & other:
                        one, two = describe(getattr(b, item)), describe(getattr(a, item))
                        # float64 is a subclass of float
                        if one != two and (one, two) != ("float", "float64"):
                            found["type", item, general(one), general(two), name] = None
    return found


def differences():
    """Return (kind, item, scikit-learn's, ours, name) for every difference."""
    found = []
    for name in ESTIMATORS:
        mine, other = getattr(ours, name), getattr(theirs, name)
        found += of_signature(name, "init", mine.__init__, other.__init__)
        found += of_signature(name, "fit", mine.fit, other.fit)
        found += of_fits(name)
    for name in FUNCTIONS:
        found += of_signature(name, "init", getattr(ours, name), getattr(theirs, name))
    return found


def reason(kind, item, name):
    return REASONS.get((kind, item, name), REASONS.get((kind, item)))


def unexplained(found):
    return sorted({(k, i, n) for k, i, _, _, n in found if reason(k, i, n) is None})


def unused(found):
    used = {(k, i, n) for k, i, _, _, n in found if (k, i, n) in REASONS}
    used |= {(k, i) for k, i, _, _, n in found if (k, i, n) not in REASONS}
    return sorted(set(REASONS) - used)


def table(found):
    """Return the rows of the table; equal rows of several names are joined."""
    rows = {}
    for kind, item, one, two, name in found:
        rows.setdefault((kind, item, one, two, reason(kind, item, name)), set()).add(name)
    order = ["parameter", "default", "parameter of fit", "default of fit", "attribute", "type"]
    for key in sorted(rows, key=lambda k: (order.index(k[0]), k[1:4], sorted(rows[k]))):
        kind, item, one, two, why = key
        names = ", ".join(f"`{name}`" for name in sorted(rows[key]))
        yield f"| {kind} `{item}` | {one} | {two} | {names} | {why} |"


def text(found):
    version = ".".join(sklearn.__version__.split(".")[:2])
    return "\n".join(
        [
            "# What differs from scikit-learn",
            "",
            "What bears a scikit-learn name here has its parameters, defaults, grids, choices,"
            " numbers, and attributes of its types and shapes, but for what is listed.",
            f"`tests/differences.py` compares both (scikit-learn {version}) and writes this file.",
            "",
            "## Behaviour",
            "",
            "| of | what differs, or how it is |",
            "| --- | --- |",
            *(f"| {what} | {how} |" for what, how in BEHAVIOUR),
            "",
            "## Parameters, defaults and attributes",
            "",
            "| what | scikit-learn | fastridge | where | why |",
            "| --- | --- | --- | --- | --- |",
            *table(found),
            "",
        ]
    )


if __name__ == "__main__":
    every = differences()
    left = unexplained(every)
    if left:
        sys.exit("\n".join(map(str, left)))
    FILE.write_text(text(every), encoding="utf-8")
