"""Sparse matrices with a malformed structure, and every public call that takes one.

``python tests/malformed_sparse.py 7`` makes each call with each seventh of them; a crash ends it.
"""

import contextlib
import copy
import io
import sys
import warnings

import numpy as np
import scipy.sparse as sp

import fastridge as f

N, P = 12, 4
LARGE = 2**31 - 1


def _compressed(kind, shape):
    """Malformed matrices of a compressed format, by name."""
    whole = sp.random_array(shape, density=0.5, format=kind, random_state=0)
    nnz = whole.nnz

    def changed(**arrays):
        found = whole.copy()
        for name, array in arrays.items():
            setattr(found, name, array)
        return found

    def at(name, place, value, dtype=None):
        array = np.array(getattr(whole, name), dtype)
        array[place] = value
        return changed(**{name: array})

    far = np.full(nnz, LARGE, np.int32)
    ends = whole.indptr.copy()
    ends[-1] = 0
    # a single row without elements is a matrix
    if len(ends) > 2:
        yield "indptr that ends in 0, indices out of range", changed(indices=far, indptr=ends)
        yield "indptr that ends in 0", changed(indptr=ends)
        yield "short indptr", changed(indptr=whole.indptr[:2])
    yield "indptr that decreases", at("indptr", 1, LARGE)
    yield "negative indptr", at("indptr", 1, -LARGE)
    yield "indptr above the elements", at("indptr", -1, 10 * nnz)
    yield "indptr of 2^62", at("indptr", slice(1, None), 2**62, np.int64)
    yield "indptr that begins at 3", at("indptr", 0, 3)
    yield "long indptr", changed(indptr=np.append(whole.indptr, np.full(50, nnz, np.int32)))
    yield "index of -1", at("indices", 0, -1)
    yield "index of -2^31", at("indices", 0, -LARGE - 1)
    yield "index of 2^31 - 1", at("indices", 0, LARGE)
    yield "index of 2^62", at("indices", 0, 2**62, np.int64)
    yield "indices of float", changed(indices=whole.indices + 0.5)
    yield "short indices", changed(indices=whole.indices[:1])
    yield "short data", changed(data=whole.data[:1])
    yield "data of two axes", changed(data=whole.data[:, None])


def malformed(shape=(N, P)):
    """Yield names and malformed sparse matrices of a shape."""
    for kind in ("csr", "csc"):
        for name, found in _compressed(kind, shape):
            yield f"{kind}: {name}", found
    whole = sp.coo_array(np.ones(shape))
    for value in (-1, LARGE):
        found = whole.copy()
        columns = found.coords[1].copy()
        columns[-1] = value
        found.coords = (found.coords[0], columns)
        yield f"coo: column of {value}", found
    found = whole.copy()
    found.data = np.ones(1)
    yield "coo: short data", found
    found = sp.lil_array(shape)
    found.rows[0], found.data[0] = [LARGE], [1.0]
    yield "lil: column of 2^31 - 1", found
    found = sp.lil_array(shape)
    found.rows[0], found.data[0] = [0, 0], [1.0]
    yield "lil: short data", found
    found = sp.bsr_array(np.ones(shape), blocksize=(1, 1))
    found.indices = np.full_like(found.indices, LARGE)
    yield "bsr: blocks out of range", found
    found = sp.dia_array((np.ones((1, shape[1])), [0]), shape=shape)
    found.offsets = np.array([0, 1, 2], np.int32)
    yield "dia: more offsets than data", found


X = (np.arange(N * P) ** 2 * 37 % 65 / 16.0 - 2.0).reshape(N, P)
NUMBERS = X @ [1.0, -0.5, 0.25, 0.0] + np.arange(N) % 5 / 8.0
COUNTS = np.arange(N) % 4 + 1.0
CLASSES, SEVERAL = np.arange(N) % 2, np.c_[NUMBERS, -NUMBERS]
LABELS = (SEVERAL > 0).astype(int)
ESTIMATORS = {
    "BayesianRidge": (f.BayesianRidge(max_iter=3), NUMBERS),
    "ElasticNet": (f.ElasticNet(0.1), NUMBERS),
    "ElasticNetCV": (f.ElasticNetCV(alphas=3, cv=2), NUMBERS),
    "GLMCV": (f.GLMCV("poisson", alphas=3, cv=2), COUNTS),
    "GammaRegressor": (f.GammaRegressor(), COUNTS),
    "GroupRidge": (f.GroupRidge([0, 0, 1, 1]), NUMBERS),
    "GroupRidge cg": (f.GroupRidge([0, 0, 1, 1], solver="cg", random_state=0), NUMBERS),
    "Lasso": (f.Lasso(0.1), NUMBERS),
    "LassoCV": (f.LassoCV(alphas=3, cv=2), NUMBERS),
    "LinearRegression": (f.LinearRegression(), NUMBERS),
    "LogisticRegression": (f.LogisticRegression(), CLASSES),
    "LogisticRegressionCV": (f.LogisticRegressionCV(Cs=2, cv=2), CLASSES),
    "MultiTaskElasticNet": (f.MultiTaskElasticNet(0.1), SEVERAL),
    "MultiTaskLassoCV": (f.MultiTaskLassoCV(alphas=3, cv=2), SEVERAL),
    "PoissonRegressor": (f.PoissonRegressor(), COUNTS),
    "Ridge": (f.Ridge(), NUMBERS),
    "RidgeCV": (f.RidgeCV(), NUMBERS),
    "RidgeCV folds": (f.RidgeCV(cv=2), NUMBERS),
    "RidgeClassifier": (f.RidgeClassifier(), CLASSES),
    "RidgeClassifier several": (f.RidgeClassifier(), LABELS),
    "RidgeClassifierCV": (f.RidgeClassifierCV(), CLASSES),
    "SGDClassifier": (f.SGDClassifier(max_iter=2, tol=None), CLASSES),
    "SGDRegressor": (f.SGDRegressor(max_iter=2, tol=None), NUMBERS),
    "SGDRegressor hashed": (f.SGDRegressor(max_iter=2, tol=None, hash_bits=5), NUMBERS),
    "TweedieRegressor": (f.TweedieRegressor(power=1.5), COUNTS),
}
USES = ("predict", "decision_function", "predict_proba", "predict_log_proba")


def with_coef(name, B):
    """A fitted estimator whose coefficients were set to a malformed matrix."""
    model, y = ESTIMATORS[name]
    model = copy.deepcopy(model).fit(X, y)
    model.coef_ = B
    return model


def of_estimator(name, model, y):
    """Yield (name, shape, call) of each place of an estimator that takes a matrix."""
    shape, square, row, one = (N, P), (P, P), (1, P), (N, 1)
    fitted = copy.deepcopy(model).fit(X, y)

    def fit(X, y=y, **arguments):
        return copy.deepcopy(model).fit(X, y, **arguments)

    def fit_with(**parameters):
        return copy.deepcopy(model).set_params(cv=None).set_params(**parameters).fit(X, y)

    yield "fit(X)", shape, fit
    yield "fit(y)", one, lambda B: fit(X, B)
    yield "fit(Y)", (N, 2), lambda B: fit(X, B)
    yield "fit(weight)", one, lambda B: fit(X, sample_weight=B)
    for use in USES:
        if hasattr(fitted, use):
            yield use, shape, getattr(fitted, use)
    yield "score(X)", shape, lambda B: fitted.score(B, y)
    yield "score(y)", one, lambda B: fitted.score(X, B)
    yield "score(Y)", (N, 2), lambda B: fitted.score(X, B)
    if hasattr(fitted, "partial_fit"):
        some = {"classes": [0, 1]} if name == "SGDClassifier" else {}
        yield "partial_fit(X)", shape, lambda B: copy.deepcopy(model).partial_fit(B, y, **some)
        yield "fit(coef_init)", row, lambda B: fit(X, coef_init=B)
    parameters = fitted.get_params(deep=False)
    for parameter in ("penalty_matrix", "prior_mean", "penalty_factor", "lower", "groups"):
        if parameter in parameters:
            size = square if parameter == "penalty_matrix" else row
            change = copy.deepcopy(model).set_params
            yield (
                f"parameter {parameter}",
                size,
                lambda B, k=parameter, change=change: change(**{k: B}).fit(X, y),
            )
    if "validation" in parameters:
        yield "validation X", shape, lambda B: fit_with(validation=(B, y))
        yield "validation y", one, lambda B: fit_with(validation=(X, B))
    if name in ("BayesianRidge", "GroupRidge"):
        yield "posterior_.variance", shape, fitted.posterior_.variance
        yield "posterior_ @", (P, 2), lambda B: fitted.posterior_ @ B
    yield "report X", shape, lambda B: f.report(fitted, B, y)
    yield "report y", one, lambda B: f.report(fitted, X, B)
    yield "criteria X", shape, lambda B: f.information_criteria(fitted, B, y)
    if name.startswith(("Ridge", "Logistic", "Poisson", "Lasso", "Multi")):
        yield "chunks", shape, lambda B: fit(f.Chunks.arrays(B, y, rows=5), None)
        yield "parts", shape, lambda B: fit(f.Chunks([(X, y), (B, y)]), None)
    if name.startswith(("Ridge", "SGD")):
        online = f.Incremental(copy.deepcopy(model))
        yield "incremental", shape, lambda B: online.fit(f.Chunks.arrays(B, y, rows=5))


def calls():
    """Yield (name, shape, call) of each place that takes a matrix."""
    shape, square, row, one = (N, P), (P, P), (1, P), (N, 1)
    for name, (model, y) in ESTIMATORS.items():
        for use, size, call in of_estimator(name, model, y):
            yield f"{name}, {use}", size, call
    for name in ("LogisticRegression", "SGDClassifier", "RidgeClassifier", "Ridge", "Lasso"):
        for use in ("predict", "decision_function", "sparsify", "densify"):
            if hasattr(ESTIMATORS[name][0], use):
                arguments = (X,) if use in USES else ()
                yield (
                    f"{name}.coef_, {use}",
                    row,
                    lambda B, n=name, u=use, a=arguments: getattr(with_coef(n, B), u)(*a),
                )
        yield f"{name}.coef_, save", row, lambda B, n=name: f.save(with_coef(n, B), io.BytesIO())
    yield "save parameter", square, lambda B: f.save(f.Ridge(penalty_matrix=B), io.BytesIO())
    for name in ("ridge", "elastic_net", "glm", "ridge_path", "elastic_net_path", "glm_path"):
        function = getattr(f, name)
        loss = {"loss": "poisson"} if "glm" in name else {}
        y = COUNTS if loss else NUMBERS
        yield f"{name}(X)", shape, lambda B, c=function, y=y, o=loss: c(B, y, **o)
        yield f"{name}(y)", one, lambda B, c=function, o=loss: c(X, B, **o)
        arguments = ("coef_init", "sample_weight", "offset", "penalty_matrix", "penalty_factor")
        for parameter in arguments:
            if parameter in function.__kwdefaults__:
                size = square if parameter == "penalty_matrix" else one
                size = row if parameter in ("coef_init", "penalty_factor") else size
                yield (
                    f"{name}({parameter})",
                    size,
                    lambda B, c=function, y=y, o=loss, k=parameter: c(X, y, **o, **{k: B}),
                )
        found = function(X, y, **loss)
        if hasattr(found, "predict"):
            yield f"{name}.predict", shape, found.predict
    yield "enet_path(X)", shape, lambda B: f.enet_path(B, NUMBERS)
    yield "Moments(X)", shape, lambda B: f.Moments(B, NUMBERS)
    yield "Moments(y)", one, lambda B: f.Moments(X, B)
    yield "Moments.update", shape, lambda B: f.Moments(X, NUMBERS).update(B, NUMBERS)
    yield "ridge_batch", shape, lambda B: f.ridge_batch([B, B], [NUMBERS, NUMBERS])
    yield "ridge_batch of one", shape, lambda B: f.ridge_batch(B, NUMBERS)
    yield "rolling_ridge", shape, lambda B: f.rolling_ridge(B, NUMBERS, window=5)
    posterior = f.GLMPosterior(f.glm(X, COUNTS, "poisson", 0.1))
    yield "GLMPosterior.variance", shape, posterior.variance
    yield "GLMPosterior.predict", shape, posterior.predict
    several = f.MultinomialPosterior(f.glm(X, np.arange(N) % 3, "multinomial", 0.1))
    yield "MultinomialPosterior.variance", shape, several.variance


def main(step=1):
    """Make each call with each step-th matrix; print what is not refused."""
    warnings.simplefilter("ignore")
    matrices, number = {}, 0
    for name, shape, call in calls():
        if shape not in matrices:
            matrices[shape] = list(malformed(shape))
        for kind, B in matrices[shape]:
            number += 1
            if number % step:
                continue
            print(f"{name}: {kind}", file=sys.stderr, flush=True)
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    call(copy.copy(B))
            except (ValueError, TypeError):
                continue
            except Exception as error:
                print(f"{name}: {kind}: {type(error).__name__}: {error}")
            else:
                print(f"{name}: {kind}: accepted")
    print(number // step, "calls")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
