"""Table of the estimators of `fastridge.linear_model`.

Public names, tags, model files, displays and criteria are derived from its rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Row(NamedTuple):
    """Facts about an estimator, in addition to its class.

    Attributes
    ----------
    module : str
        The module of `fastridge.linear_model` that holds it.
    penalty : {"ridge", "net", "groups", "glm"} or None
        "ridge": L2. "net": elastic net, each target on its own. "groups": elastic net on the norm
        of each feature's coefficients over the targets. "glm": elastic net with a loss other than
        the squared one. None: no single penalty, and therefore no path.
    targets : {"one", "several", "only several", "labels"}
        Targets it takes; "labels": classes, or several labels for each sample.
    state : tuple of str
        Private attributes that a fit sets and a model file keeps.
    parts : str or None
        How data in parts are fitted, a name in `fastridge.distributed.fit`; None: not at all.
    """

    module: str
    penalty: str | None
    targets: str = "one"
    state: tuple[str, ...] = ()
    parts: str | None = None


ESTIMATORS: dict[str, Row] = {
    "BayesianRidge": Row("_bayesian_ridge", "ridge", state=("_posterior", "_total"), parts="rows"),
    "ElasticNet": Row("_elastic_net", "net", "several", parts="moments"),
    "ElasticNetCV": Row("_elastic_net_cv", "net", parts="folds"),
    "GLMCV": Row("_glm_cv", "glm", parts="regressor by folds"),
    "GammaRegressor": Row("_glm", "glm", parts="regressor"),
    "GroupRidge": Row("_group_ridge", None, "several", ("_kept", "_total"), parts="rows"),
    "Lasso": Row("_elastic_net", "net", "several", parts="moments"),
    "LassoCV": Row("_elastic_net_cv", "net", parts="folds"),
    "LinearRegression": Row("_linear_regression", None, "several", parts="rows"),
    "LogisticRegression": Row("_logistic_regression", "glm", parts="classifier"),
    "LogisticRegressionCV": Row("_logistic_regression_cv", "glm", parts="classifier by folds"),
    "MultiTaskElasticNet": Row("_multi_task", "groups", "only several", parts="rows"),
    "MultiTaskElasticNetCV": Row("_multi_task_cv", "groups", "only several", parts="folds"),
    "MultiTaskLasso": Row("_multi_task", "groups", "only several", parts="rows"),
    "MultiTaskLassoCV": Row("_multi_task_cv", "groups", "only several", parts="folds"),
    "PoissonRegressor": Row("_glm", "glm", parts="regressor"),
    "Ridge": Row("_ridge", "ridge", "several", parts="ridge"),
    "RidgeCV": Row("_ridge_cv", "ridge", "several", parts="ridge by folds"),
    "RidgeClassifier": Row("_ridge_classifier", "ridge", "labels", parts="labels"),
    "RidgeClassifierCV": Row("_ridge_classifier_cv", "ridge", "labels", parts="labels by folds"),
    "SGDClassifier": Row("_sgd_classifier", None, state=("_state", "_single")),
    "SGDRegressor": Row("_sgd_regressor", None, state=("_state", "_single")),
    "TweedieRegressor": Row("_glm", "glm", parts="regressor"),
}


def home_of(name: str) -> str:
    """Return the name of the module that holds an estimator."""
    return f"{__package__}.linear_model.{ESTIMATORS[name].module}"


def row_of(cls: type[Any]) -> Row | None:
    """Return the row of a class or of its nearest base that has one; None for other classes."""
    for base in cls.__mro__:
        name = base.__name__
        if name in ESTIMATORS and base.__module__ == home_of(name):
            return ESTIMATORS[name]
    return None
