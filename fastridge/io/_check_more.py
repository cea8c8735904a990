"""What the table of fields cannot say about a model: relations between values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..data.inputs import check_sparse
from ..losses import LOSSES
from ..losses.tweedie import tweedie
from ._check import Dimensions, check, require
from ._fields import FIELDS

Fields = Mapping[str, Any]


def _rows(known: Dimensions) -> int:
    """Return the number of targets, 1 for coefficients of one axis."""
    if "r" in known:
        return int(known["r"])
    return int(np.prod(known["?t"], dtype=np.int64))


def _classes(fields: Fields, known: Dimensions) -> None:
    c, rows = known["c"], _rows(known)
    indicator = fields.get("indicator_")
    require(
        indicator in (None, "dense", "matrix", "array"),
        "indicator_",
        "None, 'dense', 'matrix' or 'array'",
    )
    if indicator is None:
        require(c >= 2, "classes_", "of at least two classes")
    expected = rows if indicator is not None else (2 if rows == 1 else rows)
    require(c == expected, "classes_", f"of {expected} classes, as coef_ has {rows} row(s)")


def _ridge_cv(fields: Fields, known: Dimensions) -> None:
    told = fields.get("diagnosis_")
    if isinstance(told, tuple):
        # a penalty for each target
        require(len(told) == _rows(known), "diagnosis_", f"of length {_rows(known)}")
        same = all(type(one).__name__ == "Diagnosis" for one in told)
        require(same, "diagnosis_", "a Diagnosis, or a tuple of these")


def _bayesian(fields: Fields, known: Dimensions) -> None:
    p = known["p"]
    require(fields["_posterior"].shape == (p, p), "_posterior", f"of shape {(p, p)}")
    require(fields["_total"] > 0, "_total", "above 0")
    require(fields["lambda_"] >= 0, "lambda_", "at least 0")
    with np.errstate(divide="ignore", over="ignore"):
        noise = 1.0 / np.float64(fields["alpha_"])
    require(bool(0 <= noise < np.inf), "alpha_", "above 0, with a finite inverse")


_KEPT = {
    "factor": "number[q]",
    "power": "int[q]",
    "y_power": "int[k]",
    "mean": "number[*m]",
    "codes?": "count[q]",
    "turn?": "number[p,q]|sparse[p,q]|None",
    "gram?": "real64[q,q]",
    "rows?": "dict",
    "levels?": "dict",
}
_DENSE = {"dense": "real64[n,q]"}
_CSR = {"data": "real[z]", "indices": "count[z]", "indptr": "count[i]"}
_SPARSE = {**_CSR, "root": "real[n]", "mean": "real[q]", "live": "bool[q]", "kind": "str"}
_LEVELS = {
    "S": "real64[s,s]",
    "B": "real64[s,l]|dict",
    "squares": "real64[l]",
    "rest": "count[r]",
    "levels": "count[l]",
    "live": "bool[q]",
}


def _compressed(kept: Fields, kind: str, shape: Any, name: str) -> None:
    from scipy import sparse

    require(kind in ("csr", "csc"), f"{name}.kind", "'csr' or 'csc'")
    make = sparse.csr_matrix if kind == "csr" else sparse.csc_matrix
    try:
        found = make((kept["data"], kept["indices"], kept["indptr"]), shape=shape)
        found.check_format()
        check_sparse(found, name)
    except ValueError as error:
        raise ValueError(f"{name} must be a {kind} matrix of shape {shape} ({error})") from error


def _groups(fields: Fields, known: Dimensions) -> None:
    kept, p, k = fields["_kept"], known["p"], _rows(known)
    require(fields["_total"] > 0, "_total", "above 0")
    require(bool((fields["noise_variance_"] >= 0).all()), "noise_variance_", "at least 0")
    codes = fields["group_index_"]
    require(codes.size == 0 or codes.max() < known["g"], "group_index_", "an index into groups_")
    inner = check(kept, _KEPT, {"p": p, "k": k})
    q = inner["q"]
    if fields.get("solver_") != "cg":
        require(
            bool({"gram", "rows", "levels"} & kept.keys()), "_kept", "with gram, rows or levels"
        )
    require(kept.get("turn") is not None or p == q, "_kept.factor", f"of length {p}")
    require("codes" in kept or p == q, "_kept.codes", "there")
    codes = kept.get("codes", codes)
    require(codes.size == 0 or codes.max() < known["g"], "_kept.codes", "an index into groups_")
    powers = (*np.ravel(kept["power"]), *kept["y_power"])
    require(all(abs(int(v)) < 1 << 15 for v in powers), "_kept.power", "an exponent of two")
    with np.errstate(over="ignore", divide="ignore"):
        noise = np.ldexp(np.ravel(fields["noise_variance_"]), 2 * np.asarray(kept["y_power"]))
        precision = 1.0 / noise[noise != 0]
    usual = np.isfinite(noise).all() and np.isfinite(precision).all()
    require(bool(usual), "_kept.y_power", "an exponent of a finite noise_variance_")
    if "gram" in kept:
        _check_gram(kept["gram"], "_kept.gram")
    elif "rows" in kept and "dense" in kept["rows"]:
        check(kept["rows"], _DENSE, {"q": q})
    elif "rows" in kept:
        rows = kept["rows"]
        n = check(rows, _SPARSE, {"q": q})["n"]
        _compressed(rows, rows["kind"], (n, q), "_kept.rows")
    elif "levels" in kept:
        levels = kept["levels"]
        found = check(levels, _LEVELS, {"q": q})
        for name in ("rest", "levels"):
            index = levels[name]
            require(index.size == 0 or index.max() < q, f"_kept.levels.{name}", "features")
        s, r = found["s"], found["r"]
        require(s - 1 <= r <= s, "_kept.levels.rest", f"of length {s} or {s - 1}")
        B = levels["B"]
        if isinstance(B, dict):
            check(B, {**_CSR, "shape": "list"})
            require(B["shape"] == [s, found["l"]], "_kept.levels.B", f"of shape {(s, found['l'])}")
            _compressed(B, "csr", (s, found["l"]), "_kept.levels.B")


def _check_gram(gram: Any, name: str) -> None:
    """Require what any Gram matrix has, without which damping would not make it definite."""
    size = np.diagonal(gram)
    require(bool((size >= 0).all()), name, "of a diagonal of at least 0")
    root = np.sqrt(size)
    bound = (1.0 + 1e-8) * root[:, None] * root
    require(bool((np.abs(gram) <= bound + np.finfo(float).tiny).all()), name, "a Gram matrix")


def _sgd(fields: Fields, known: Dimensions) -> None:
    p = known["p"]
    state = fields["_state"]
    keys = {"n_features", "n_outputs", "rule", "factor", "table", "numbers", "scale", "scale_sum"}
    require(set(state) == keys, "_state", f"a dict of {sorted(keys)}")
    require(known.get("c", 2) >= 2, "classes_", "of at least two classes")
    outputs = (1 if known["c"] == 2 else known["c"]) if "c" in known else 1
    found = check(
        state,
        {
            "n_features": "=p",
            "n_outputs": "=k",
            "rule": "dict",
            "factor": "None|real[p]",
            "table": "number[r,f]",
            "numbers": "number[+]",
            "scale": "number[s]",
            "scale_sum": "number[s]",
        },
        {"p": p, "k": outputs},
    )
    # a table has a row or more for each feature: nothing larger than the file is made of it
    size = found["r"] * found["f"]
    require(p * outputs <= size, "_state.table", f"of at least {p * outputs} numbers")


def check_learner(model: Any) -> None:
    """Require that the state of an estimator that was read makes a learner that is finite."""
    if "_state" in vars(model):
        from ..linear_model._sgd_epochs import current
        from ..solvers.sgd.learner import Learner

        # of a copy: coefficients are not read without changing how rounding goes on
        coef, intercept = current(Learner.of_state(vars(model)["_state"]))
        finite = np.isfinite(coef).all() and np.isfinite(intercept).all()
        require(bool(finite), "_state.table", "a table of finite coefficients")


# attributes of transformers of scikit-learn with an element for each feature, or None
_EACH = {
    "MaxAbsScaler": ("max_abs_", "scale_"),
    "MinMaxScaler": ("data_max_", "data_min_", "data_range_", "min_", "scale_"),
    "PCA": ("mean_",),
    "RobustScaler": ("center_", "scale_"),
    "SimpleImputer": ("statistics_",),
    "StandardScaler": ("mean_", "scale_", "var_"),
    "VarianceThreshold": ("variances_",),
}


def check_sklearn(model: Any, attributes: Fields) -> None:
    """Check the parameters of an object of scikit-learn, if fitted, and what has a known shape."""
    if "n_features_in_" not in attributes:
        return
    known = check(attributes, {"n_features_in_": "=p", "feature_names_in_?": "names[p]"})
    for name in _EACH.get(type(model).__name__, ()):
        if attributes.get(name) is not None:
            shape = getattr(attributes[name], "shape", None)
            require(shape == (known["p"],), name, f"of shape {(known['p'],)}")
    if hasattr(model, "_validate_params"):
        model._validate_params()


def check_state_dict(fields: Fields) -> None:
    """Check the form of the state of an optimizer, which `load_state_dict` checks in full."""
    check(fields, {"state": "dict", "param_groups": "list"})
    places: list[Any] = []
    for group in fields["param_groups"]:
        require(type(group) is dict, "param_groups", "a list of dicts")
        check(group, {"params": "list"})
        places += group["params"]
    require(all(type(i) is int for i in places), "param_groups.params", "lists of int")
    known = set(places)
    require(len(known) == len(places), "param_groups.params", "different for each parameter")
    for i, state in fields["state"].items():
        require(i in known, "state", "that of parameters in param_groups")
        require(type(state) is dict, "state", "a dict of dicts")
        for name, value in state.items():
            require(type(name) is str, "state", "a dict of dicts with str as their keys")
            check({f"state.{name}": value}, {f"state.{name}": "number[*a]|bool|None|count[*a]"})


def _results(fields: Fields, known: Dimensions) -> None:
    from ..model_selection._results import COLUMNS

    values, columns, n_folds = fields["_values"], fields["columns"], fields["n_folds"]
    require(fields["loss"] in LOSSES, "loss", f"one of {sorted(LOSSES)}")
    kinds = ("folds", "loo", "gcv", "held-out")
    require(fields["kind"] in kinds, "kind", f"one of {kinds}")
    require(all(type(name) is str for name in values), "_values", "a dict with str as its keys")
    expected = tuple(name for name in COLUMNS if name in values)
    require(columns == expected, "columns", f"{expected}")
    for name in ("alpha", "train_error", "validation_error", "score"):
        require(name in values, f"_values.{name}", "there")
    m = np.shape(values["alpha"])[:1]
    for name, value in values.items():
        array = isinstance(value, np.ndarray) and value.dtype.kind in "fiu"
        require(array or type(value) is float, f"_values.{name}", "an array of numbers or a float")
        shape = np.shape(value)
        if name in columns:
            require(shape[:1] == m and len(shape) <= 2, f"_values.{name}", f"of length {m}")
        if name.startswith("fold_"):
            require(shape[:2] == (n_folds, *m), f"_values.{name}", f"of shape {(n_folds, *m)}")


def _diagnosis(fields: Fields, known: Dimensions) -> None:
    require(fields["loss"] in LOSSES, "loss", f"one of {sorted(LOSSES)}")


_MOST_FEATURES = 2**31 - 1  # solvers of paths number them in 32 bits


def _places(fields: Fields, known: Dimensions, size: int, dtype: Any) -> None:
    """Check the lists of places and values of a path, and its number of features."""
    m = known["m"]
    # no array of the file has that length
    require(known["p"] <= _MOST_FEATURES, "_n_features", f"at most {_MOST_FEATURES}")
    for name in ("_indices", "_values"):
        require(len(fields[name]) == m, name, f"of length {m}")
    for index, values in zip(fields["_indices"], fields["_values"], strict=True):
        inner = check({"_values": values}, {"_values": "real[z]"})
        check({"_indices": index}, {"_indices": "index[z]"}, {**inner, "p": size})
        require(values.dtype == dtype, "_values", f"an array of {dtype}")


def _net_path(fields: Fields, known: Dimensions) -> None:
    require(fields["_dtype"] in ("float32", "float64"), "_dtype", "float32 or float64")
    require(fields["n_samples"] > 0, "n_samples", "above 0")
    _places(fields, known, known["p"], np.dtype(fields["_dtype"]))
    dof = [len(index) for index in fields["_indices"]]
    require(fields["dof"].tolist() == dof, "dof", "the number of values of each penalty")


def _glm_path(fields: Fields, known: Dimensions) -> None:
    size = int(np.prod((*known["?t"], known["p"]), dtype=object))
    _places(fields, known, size, fields["_dtype"])
    results = fields["_results"]
    require(len(results) == known["m"], "_results", f"of length {known['m']}")
    for result, values in zip(results, fields["_values"], strict=True):
        require(type(result).__name__ == "GLMResult", "_results", "a list of GLMResult")
        require(np.shape(result.coef) == np.shape(values), "_results.coef", "like _values")
        shape = np.shape(result.intercept)
        require(shape == known["?t"], "_results.intercept", f"of shape {known['?t']}")
    _check_loss(fields["loss"], known["?t"])


def _check_loss(loss: Any, axes: Any) -> None:
    require((loss.name == "multinomial") == bool(axes), "loss", "that of these coefficients")


def _glm_result(fields: Fields, known: Dimensions) -> None:
    axes = np.shape(fields["intercept"])
    _check_loss(fields["loss"], axes)
    # paths keep coefficients that are not 0, without their places
    require(known["?t"] in ((), axes), "coef", f"of shape {(*axes, 'p')}")


def _glm_posterior(fields: Fields, known: Dimensions) -> None:
    p = known["p"]
    require(len(fields["_hessian"].active) == p, "_hessian", f"a HessianInverse of {p} features")
    order = (p + bool(fields["fit_intercept"]),) * 2
    require(fields["shape"] == order, "shape", f"{order}")
    require(bool((np.asarray(fields["_unit"]) != 0).all()), "_unit", "other than 0")
    require(fields["loss"].name != "multinomial", "loss", "one of a single linear predictor")


def _hessian(fields: Fields, known: Dimensions) -> None:
    k = int(np.count_nonzero(fields["active"]))
    require(fields["posterior"].shape == (k, k), "posterior", f"of {k} coefficients")


def _multinomial(fields: Fields, known: Dimensions) -> None:
    order = known["k"] * (known["p"] + fields["fit_intercept"])
    require(known["o"] == order, "covariance", f"of shape {(order, order)}")


def _path_run(fields: Fields, known: Dimensions) -> None:
    require((fields["dof"] is None) == (fields["gcv"] is None), "gcv", "None as dof, or neither")
    if fields["dof"] is None:
        return
    require(len(fields["dof"]) == 2, "dof", "a tuple of two arrays")
    for values in fields["dof"]:
        check({"dof": values}, {"dof": "number[m]"}, {"m": known["m"]})


def _ridge_path(fields: Fields, known: Dimensions) -> None:
    m, k, _ = fields["_run"].coef.shape
    single = fields["_single"]
    require(not single or k == 1, "coef", f"of one target, not of {k}")
    shape = "number[m]" if single else "number[m,k]"
    specifications = {
        "alphas": "real[m]",
        "_near": "None|bool[m,k]",
        "_error": "None|number[m,k]",
        **dict.fromkeys(("norm", "objective", "residual"), shape),
    }
    check(fields, specifications, {"m": m, "k": k})


def _posterior(fields: Fields, known: Dimensions) -> None:
    if fields["_rows"] is None:
        factor = fields["_factor"]
        require(factor is not None, "_factor", "there, as _rows is not")
        require(bool((np.diagonal(factor) > 0).all()), "_factor", "of a diagonal above 0")
    else:
        require(fields["_prior"] is not None, "_prior", "there, as _rows is")


def _levels_posterior(fields: Fields, known: Dimensions) -> None:
    f, r = known["f"], known["r"]
    require(f - 1 <= r <= f, "_rest", f"of length {f} or {f - 1}")
    require(bool((np.diagonal(fields["_factor"]) > 0).all()), "_factor", "of a diagonal above 0")


def _rotated(fields: Fields, known: Dimensions) -> None:
    q = known["q"]
    require(fields["_of"].shape == (q, q), "_of", f"a posterior of {q} coefficients")


def _moments(fields: Fields, known: Dimensions) -> None:
    require(fields["_dtype"] in ("float32", "float64"), "_dtype", "float32 or float64")
    require(fields["_y_ndim"] in (1, 2), "_y_ndim", "1 or 2")
    require(fields["_y_ndim"] == 2 or known["t"] <= 1, "_y_ndim", "2 for several targets")
    of_none = all(fields[name].shape == (0, 0) for name in ("gram", "cross"))
    require(known["t"] or of_none, "the number of targets", "at least 1 where there are features")
    weight = fields["total_weight"]
    require(0 <= weight < np.inf, "total_weight", "a finite number of at least 0")
    least = min(np.diagonal(fields["gram"]).min(initial=0.0), fields["yy"].min(initial=0.0))
    require(least >= 0, "the diagonal of gram, and yy,", "sums of squares, at least 0")


_COLUMN = {
    "name": "str",
    "kind": "str",
    "levels": "list",
    "fill": "None|real",
    "indicator": "bool",
}


def _table(fields: Fields, known: Dimensions) -> None:
    estimator = fields["estimator"]
    require(hasattr(estimator, "predict"), "estimator", "an estimator")
    width = 0
    for column in fields["columns"]:
        require(
            type(column) is dict and set(column) == set(_COLUMN),
            "columns",
            f"dicts of {', '.join(_COLUMN)}",
        )
        check(column, _COLUMN)
        require(column["kind"] in ("number", "text"), "columns.kind", "'number' or 'text'")
        levels = column["levels"]
        require(all(type(v) is str for v in levels), "columns.levels", "a list of str")
        width += (1 if column["kind"] == "number" else len(levels)) + column["indicator"]
    if fields["columns"]:
        found = getattr(estimator, "n_features_in_", width)
        require(found == width, "columns", f"encodings of {found} features, not of {width}")


def _tweedie(fields: Fields, known: Dimensions) -> None:
    require(fields["link_"] in ("identity", "log"), "link_", "'identity' or 'log'")
    tweedie(fields["power_"], fields["link_"])


MORE: dict[str, Callable[[Fields, Dimensions], None]] = {
    **dict.fromkeys(("RidgeClassifier", "RidgeClassifierCV"), _classes),
    **dict.fromkeys(("LogisticRegression", "LogisticRegressionCV"), _classes),
    **dict.fromkeys(("SGDClassifier", "SGDRegressor"), _sgd),
    "BayesianRidge": _bayesian,
    "CVResults": _results,
    "Diagnosis": _diagnosis,
    "ElasticNetPath": _net_path,
    "GLMPath": _glm_path,
    "GLMPosterior": _glm_posterior,
    "GLMResult": _glm_result,
    "GroupRidge": _groups,
    "HessianInverse": _hessian,
    "LevelsPosterior": _levels_posterior,
    "Moments": _moments,
    "MultinomialPosterior": _multinomial,
    "PathRun": _path_run,
    "Posterior": _posterior,
    "RidgeCV": _ridge_cv,
    "RidgePath": _ridge_path,
    "RotatedPosterior": _rotated,
    "TableModel": _table,
    "TweedieRegressor": _tweedie,
}


def check_fields(name: str, fields: Mapping[str, Any]) -> None:
    """Check the fields of an object of a class in `CLASSES`; an estimator that is fitted.

    Raises
    ------
    ValueError
        With the name of the field that does not fit.
    """
    known = check(fields, FIELDS[name])
    # arrays without elements may have an axis of any length
    empty = any(0 in np.ravel(known.get(axis, ())) for axis in ("?t", "k"))
    require(not empty, "the number of targets", "at least 1")
    more = MORE.get(name)
    if more is not None:
        more(fields, known)


def is_fitted_with(name: str, attributes: Mapping[str, Any]) -> bool:
    """Return whether attributes of an estimator include one that its fit sets."""
    return any(key.rstrip("?") in attributes for key in FIELDS[name])


def check_model(model: Any, attributes: Mapping[str, Any]) -> None:
    """Check an object of a class in `CLASSES`; an estimator and its parameters if it is fitted."""
    name = type(model).__name__
    if not hasattr(model, "get_params"):
        check_fields(name, attributes)
    elif is_fitted_with(name, attributes):
        check_fields(name, attributes)
        model._check_parameters()
        bits = getattr(model, "hash_bits", None)
        if bits is not None:
            size = np.shape(attributes["coef_"])[-1]
            require(size == 2**bits, "coef_", f"of {2**bits} columns, as hash_bits is {bits}")
        if hasattr(model, "_make_loss"):
            # a loss with its options
            try:
                model._make_loss()
            except TypeError as error:
                raise ValueError(str(error)) from error
