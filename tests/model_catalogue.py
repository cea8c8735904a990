"""One small model or more of each class that a model file may hold, and the use of each.

Data are integers over powers of two, so that they are the same on every machine.
"""

import contextlib
import copy
import importlib.util
import io

import numpy as np
from scipy import sparse

import fastridge
from fastridge.cli.table_model import TableModel

N, P = 24, 3


def design(n=N, p=P):
    """Return (n, p) numbers between -2 and 2, without a generator."""
    i = np.arange(n * p)
    return ((i * i * 37 + i * 11) % 65 / 16.0 - 2.0).reshape(n, p)


def targets(k):
    X = design()
    w = np.array([[1.0, -0.5, 0.25], [0.0, 2.0, -1.0]])[:k]
    return X @ w.T + (np.arange(N * k).reshape(N, k) % 5) / 8.0


X, Y = design(), targets(2)
ONE, COUNTS = Y[:, 0], np.floor(np.abs(Y[:, 0])) + (np.arange(N) % 3)
TWO_CLASSES = np.where(ONE + np.tile([0.5, -0.5], N // 2) > 0, "yes", "no")
CLASSES = np.array(["a", "b", "c"])[(np.arange(N) + (ONE > 0)) % 3]
LABELS = (Y + np.tile([[0.5], [-0.5]], (N // 2, 1)) > 0).astype(int)
GROUPS = np.array([0, 0, 1])
DIFFERENCES = np.array([[2.0, -1.0, 0.0], [-1.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
ALPHAS = [1.0, 0.1]


def _sgd(cls, y, **options):
    model = getattr(fastridge, cls)(random_state=0, max_iter=5, tol=None, **options)
    return model.fit(X, y)


def _optimizer(cls, **options):
    optimizer = getattr(fastridge.optim, cls)([np.ones(3), np.ones((2, 2))], lr=0.125, **options)
    for _ in range(2):
        optimizer.step([np.full(3, 0.5), np.ones((2, 2))])
    return optimizer.state_dict()


def _table_model(estimator, y, facts):
    columns = [
        {"name": "a", "kind": "number", "levels": [], "fill": 0.5, "indicator": True},
        {"name": "b", "kind": "text", "levels": ["u", "v"], "fill": None, "indicator": False},
    ]
    return TableModel(estimator.fit(design(N, 4), y), "y", columns, facts)


def _named(model, y):
    """Fit, and set names as a data frame would."""
    model.fit(X, y)
    model.feature_names_in_ = np.array(["a", "b", "c"], dtype=object)
    return model


def _levels():
    """Rows of one level of ten each, which are eliminated, and two numbers."""
    levels = np.eye(10)[np.arange(40) % 10]
    rows = sparse.csr_array(np.hstack([levels, design(40, 2)]))
    y = design(40, 1)[:, 0] + np.arange(40) % 10 / 4.0
    return f.GroupRidge([0] * 10 + [1] * 2, solver="schur").fit(rows, y)


def _pipeline():
    from sklearn import impute, pipeline, preprocessing

    made = pipeline.make_pipeline(
        impute.SimpleImputer(), preprocessing.StandardScaler(), fastridge.Ridge(0.5)
    )
    return made.fit(X, ONE)


f = fastridge
MODELS = {
    "Ridge": lambda: _named(f.Ridge(0.5), ONE),
    "Ridge-float32": lambda: f.Ridge(0.5, fit_intercept=False).fit(X.astype("f"), Y.astype("f")),
    "Ridge-unfitted": lambda: f.Ridge(alpha=[0.5, 2.0], tol=1e-6),
    "RidgeCV": lambda: f.RidgeCV(ALPHAS).fit(X, ONE),
    "RidgeCV-folds": lambda: f.RidgeCV(ALPHAS, cv=3).fit(X, Y),
    "RidgeCV-kept": lambda: f.RidgeCV(ALPHAS, store_cv_results=True).fit(X, Y),
    "RidgeClassifier": lambda: f.RidgeClassifier().fit(X, TWO_CLASSES),
    "RidgeClassifier-several": lambda: f.RidgeClassifier().fit(X, LABELS),
    "RidgeClassifierCV": lambda: f.RidgeClassifierCV(ALPHAS).fit(X, CLASSES),
    "BayesianRidge": lambda: f.BayesianRidge(max_iter=5).fit(X, ONE),
    "LinearRegression": lambda: f.LinearRegression().fit(X, Y),
    "Lasso": lambda: f.Lasso(0.1).fit(X, ONE),
    "ElasticNet": lambda: f.ElasticNet(0.1).fit(X, Y),
    "LassoCV": lambda: f.LassoCV(alphas=ALPHAS, cv=3).fit(X, ONE),
    "ElasticNetCV": lambda: f.ElasticNetCV(l1_ratio=[0.5, 1.0], alphas=ALPHAS, cv=3).fit(X, ONE),
    "MultiTaskLasso": lambda: f.MultiTaskLasso(0.1).fit(X, Y),
    "MultiTaskElasticNet": lambda: f.MultiTaskElasticNet(0.1).fit(X, Y),
    "MultiTaskLassoCV": lambda: f.MultiTaskLassoCV(alphas=ALPHAS, cv=3).fit(X, Y),
    "MultiTaskElasticNetCV": lambda: f.MultiTaskElasticNetCV(alphas=ALPHAS, cv=3).fit(X, Y),
    "PoissonRegressor": lambda: f.PoissonRegressor(alpha=0.1).fit(X, COUNTS),
    "GammaRegressor": lambda: f.GammaRegressor(alpha=0.1).fit(X, COUNTS + 1.0),
    "TweedieRegressor": lambda: f.TweedieRegressor(power=1.5, alpha=0.1).fit(X, COUNTS),
    "LogisticRegression": lambda: f.LogisticRegression().fit(X, TWO_CLASSES),
    "LogisticRegression-several": lambda: f.LogisticRegression().fit(X, CLASSES),
    "LogisticRegressionCV": lambda: f.LogisticRegressionCV(Cs=[0.5, 2.0], cv=3).fit(X, CLASSES),
    "GLMCV": lambda: f.GLMCV("poisson", alphas=ALPHAS, cv=3).fit(X, COUNTS),
    "GroupRidge": lambda: f.GroupRidge(GROUPS).fit(X, Y),
    "GroupRidge-levels": lambda: f.GroupRidge([[0], [1, 2]]).fit(np.eye(N)[:, :P] + 0.0, ONE),
    "GroupRidge-schur": lambda: _levels(),
    "GroupRidge-sparse": lambda: f.GroupRidge(np.arange(40) % 2).fit(
        sparse.csr_array(np.maximum(design(12, 40) - 1.5, 0.0)), ONE[:12]
    ),
    "GroupRidge-cg": lambda: f.GroupRidge(GROUPS, solver="cg", random_state=0).fit(X, ONE),
    "GroupRidge-turned": lambda: f.GroupRidge(GROUPS, penalty_matrix=DIFFERENCES).fit(X, ONE),
    "BayesianRidge-wide": lambda: f.BayesianRidge(max_iter=3).fit(design(12, 40), ONE[:12]),
    "SamplesPosterior": lambda: (
        f.GroupRidge(np.arange(40) % 2).fit(design(12, 40), ONE[:12]).posterior_
    ),
    "LevelsPosterior": lambda: _levels().posterior_,
    "RotatedPosterior": lambda: (
        f.GroupRidge(
            np.arange(20) % 2 * 0,
            penalty_matrix=np.eye(20) + np.eye(20, k=1) / 4 + np.eye(20, k=-1) / 4,
        )
        .fit(design(12, 20), ONE[:12])
        .posterior_
    ),
    "GroupRidge-samples": lambda: f.GroupRidge(np.arange(40) % 2).fit(design(12, 40), ONE[:12]),
    "SGDRegressor": lambda: _sgd("SGDRegressor", ONE),
    "SGDClassifier": lambda: _sgd("SGDClassifier", TWO_CLASSES),
    "SGDClassifier-several": lambda: _sgd("SGDClassifier", CLASSES, average=True, loss="log_loss"),
    "RidgeResult": lambda: f.ridge(X, Y, 0.5),
    "RidgePath": lambda: f.ridge_path(X, Y, ALPHAS),
    "RidgePath-one": lambda: f.ridge_path(X, ONE, ALPHAS, solver="cg"),
    "RidgeBatchResult": lambda: f.ridge_batch(X.reshape(2, 12, 3), Y.reshape(2, 12, 2), 1.0),
    "RollingRidgeResult": lambda: f.rolling_ridge(X, ONE, window=9, alpha=[0.5, 1.0]),
    "RollingRidgeResult-groups": lambda: f.rolling_ridge(X, ONE, window=5, groups=np.arange(N) % 2),
    "ElasticNetResult": lambda: f.elastic_net(X, ONE, 0.1),
    "ElasticNetPath": lambda: f.elastic_net_path(X, ONE, alphas=ALPHAS),
    "MultiTaskPath": lambda: f.lasso_path(X, Y, alphas=ALPHAS).path,
    "GLMResult": lambda: f.glm(X, COUNTS, "poisson", 0.1),
    "GLMResult-several": lambda: f.glm(X, np.arange(N) % 3, "multinomial", 0.1),
    "GLMPath": lambda: f.glm_path(X, COUNTS, "poisson", alphas=ALPHAS),
    "GLMPath-l1": lambda: f.glm_path(X, COUNTS, "poisson", alphas=ALPHAS, l1_ratio=1.0),
    "GLMPosterior": lambda: f.GLMPosterior(f.glm(X, COUNTS, "poisson", 0.1)),
    "MultinomialPosterior": lambda: f.MultinomialPosterior(
        f.glm(X, np.arange(N) % 3, "multinomial", 0.1)
    ),
    "Moments": lambda: f.Moments(X, Y),
    "Moments-float32": lambda: f.Moments(X.astype("f"), ONE.astype("f")),
    "Posterior": lambda: f.BayesianRidge(max_iter=5).fit(X, ONE).posterior_,
    "TableModel": lambda: _table_model(f.Ridge(), ONE, {"rows": N}),
    "TableModel-labels": lambda: _table_model(f.LogisticRegression(), TWO_CLASSES, {"rows": N}),
    **({"Pipeline": _pipeline} if importlib.util.find_spec("sklearn") else {}),
    "SGD": lambda: _optimizer("SGD", momentum=0.5),
    "Adam": lambda: _optimizer("Adam"),
}


def use(model):
    """Call what a model is for; return the numbers that it gives."""
    if isinstance(model, TableModel):
        model.names()
        return use(model.estimator)
    if type(model).__module__.startswith("sklearn."):
        # scikit-learn itself checks little
        with contextlib.suppress(Exception):
            return [model.predict(design(3, getattr(model[-1], "n_features_in_", 1)))]
        return []
    if hasattr(model, "get_params"):
        return _use_estimator(model) if hasattr(model, "n_features_in_") else []
    return list(USES.get(type(model).__name__, _use_posterior)(model))


def _use_estimator(model):
    rows = design(3, model.n_features_in_)
    methods = ("predict", "decision_function", "predict_proba", "predict_log_proba")
    found = [getattr(model, name)(rows) for name in methods if hasattr(model, name)]
    if isinstance(model, (f.BayesianRidge, f.GroupRidge)) and getattr(model, "solver_", "") != "cg":
        # sums of products that no data have
        with contextlib.suppress(np.linalg.LinAlgError):
            found += [*model.predict(rows, return_std=True), model.intervals()]
    if hasattr(model, "cv_results_") and hasattr(model, "diagnosis_"):
        found += [model.cv_results_["alpha"], len(str(model.diagnosis_))]
    if isinstance(model, f.GroupRidge):
        with contextlib.redirect_stdout(io.StringIO()):
            model.summary()
    if isinstance(model, (f.SGDRegressor, f.SGDClassifier)):
        y = np.arange(3.0)
        if hasattr(model, "classes_"):
            y = model.classes_[np.arange(3) % len(model.classes_)]
        # parameters that were set after a fit may contradict it
        with contextlib.suppress(ValueError):
            found.append(copy.deepcopy(model).partial_fit(rows, y).coef_)
    return found


def _use_path(path):
    rows = design(3, path.coef.shape[-1])
    return [path.coef, path.predict(rows), *(path[k].coef for k in range(len(path)))]


def _use_net_path(path):
    return [*_use_path(path), path.sparse_coef.toarray(), path.aic, path.bic]


def _use_glm_path(path):
    return [*_use_path(path), path.sparse_coef.toarray(), path.explained]


def _use_result(result):
    return [design(3, result.coef.shape[-1]) @ result.coef.T + result.intercept]


def _use_glm_result(result):
    # those of a path keep no zeros, and may be empty
    return [result.predict(design(3, result.coef.shape[-1]))] if result.coef.size else []


def _use_glm_posterior(posterior):
    rows = design(3, len(posterior.coef))
    return [
        *(posterior.variance(rows), posterior.predict(rows), posterior.intervals()),
        *(posterior.standard_errors, posterior @ np.ones(posterior.shape[0])),
    ]


def _use_multinomial(posterior):
    rows = design(3, posterior.coef.shape[1])
    return [posterior.variance(rows), posterior.intervals(), posterior.standard_errors]


def _use_moments(moments):
    if not moments.n_features:
        return []
    y = np.ones((3, moments.n_targets))
    more = moments.copy().update(
        design(3, moments.n_features).astype(moments.dtype), y if moments._y_ndim == 2 else y[:, 0]
    )
    # sums may be too large for a fit, and leave no weight
    with contextlib.suppress(ValueError):
        return [f.ridge(more, alpha=1.0).coef, (more - moments).gram, (more + moments).gram]
    return []


def _use_posterior(posterior):
    p = posterior.shape[0]
    return [posterior @ np.ones(p), posterior.variance(design(3, p)), posterior.diagonal()]


USES = {
    "CVResults": lambda found: [found["alpha"], dict(found)["score"]],
    "Diagnosis": lambda found: [len(str(found))],
    "PathRun": lambda run: [run.coef],
    "HessianInverse": lambda found: [found.solve(np.ones(len(found.active)))],
    "RidgeBatchResult": lambda found: [found.coef.sum(axis=-1) + found.intercept],
    "RollingRidgeResult": lambda found: [found.coef.sum(axis=-1) + found.intercept],
    **dict.fromkeys(("RidgeResult", "ElasticNetResult"), _use_result),
    "GLMResult": _use_glm_result,
    **dict.fromkeys(("RidgePath", "MultiTaskPath"), _use_path),
    "ElasticNetPath": _use_net_path,
    "GLMPath": _use_glm_path,
    "GLMPosterior": _use_glm_posterior,
    "MultinomialPosterior": _use_multinomial,
    "Moments": _use_moments,
}
