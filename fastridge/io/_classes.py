"""Classes that a model file may hold, and the attributes of their objects that it keeps."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

from .._estimators import ESTIMATORS, home_of

# Classes that a file may hold: their modules, and the private attributes that a fit sets. An
# estimator is stored as its `get_params()`, the attributes whose names end in "_", and those
# private ones; a class with `__slots__` and no `get_params` as its slots, from `__getstate__`.
CLASSES: dict[str, tuple[str, tuple[str, ...]]] = {
    **{name: (home_of(name), row.state) for name, row in ESTIMATORS.items()},
    "CVResults": ("fastridge.model_selection", ()),
    "Diagnosis": ("fastridge.model_selection", ()),
    "ElasticNetPath": ("fastridge.solvers.descent.result", ()),
    "ElasticNetResult": ("fastridge.solvers.descent.result", ()),
    "GLMPath": ("fastridge.solvers.glm.path", ()),
    "GLMPosterior": ("fastridge.solvers.glm.posterior", ()),
    "GLMResult": ("fastridge.solvers.glm.result", ()),
    "HessianInverse": ("fastridge.solvers.glm.hessian", ()),
    "LevelsPosterior": ("fastridge.solvers.group_ridge.posterior", ()),
    "Moments": ("fastridge.moments", ()),
    "MultiTaskPath": ("fastridge.solvers.descent.multi_task", ()),
    "MultinomialPosterior": ("fastridge.solvers.glm.softmax_laplace", ()),
    "PathRun": ("fastridge.solvers.ridge_path.result", ()),
    "Posterior": ("fastridge.quadratic.posterior", ()),
    "RidgeBatchResult": ("fastridge.solvers.ridge.batch", ()),
    "RidgePath": ("fastridge.solvers.ridge_path.result", ()),
    "RidgeResult": ("fastridge.solvers.ridge.result", ()),
    "RollingRidgeResult": ("fastridge.solvers.rolling.result", ()),
    "SamplesPosterior": ("fastridge.solvers.group_ridge.posterior", ()),
    "RotatedPosterior": ("fastridge.solvers.group_ridge.posterior", ()),
    "TableModel": ("fastridge.cli.table_model", ()),
}

# Classes of scikit-learn, by module. An object is stored as its parameters and all its attributes,
# which are plain values: none of these classes keeps code, unless it was given a function.
SKLEARN: dict[str, str] = {
    name: module
    for module, names in {
        "sklearn.compose": ("ColumnTransformer", "TransformedTargetRegressor"),
        "sklearn.decomposition": ("PCA", "TruncatedSVD"),
        "sklearn.feature_selection": ("VarianceThreshold",),
        "sklearn.impute": ("MissingIndicator", "SimpleImputer"),
        "sklearn.model_selection": (
            "GroupKFold",
            "GroupShuffleSplit",
            "KFold",
            "LeaveOneGroupOut",
            "LeaveOneOut",
            "LeavePGroupsOut",
            "LeavePOut",
            "PredefinedSplit",
            "ShuffleSplit",
            "StratifiedGroupKFold",
            "StratifiedKFold",
            "StratifiedShuffleSplit",
            "TimeSeriesSplit",
        ),
        "sklearn.pipeline": ("FeatureUnion", "Pipeline"),
        "sklearn.preprocessing": (
            "Binarizer",
            "FunctionTransformer",
            "KBinsDiscretizer",
            "MaxAbsScaler",
            "MinMaxScaler",
            "Normalizer",
            "OneHotEncoder",
            "OrdinalEncoder",
            "PolynomialFeatures",
            "PowerTransformer",
            "QuantileTransformer",
            "RobustScaler",
            "StandardScaler",
            "TargetEncoder",
        ),
    }.items()
    for name in names
}
# not stored: settings that scikit-learn adds for the use of an estimator; and dual points, with
# which a fit that starts from its own solution stops at once
_NOTES = ("_metadata_request", "_sklearn_output_config", "_duals")
_FITTED = re.compile(r"[A-Za-z]\w*_")
_OF_SKLEARN = re.compile(r"_?[A-Za-z]\w*")


def load_class(name: str) -> type[Any]:
    """Return the class of this package that is listed by that name."""
    cls: type[Any] = getattr(importlib.import_module(CLASSES[name][0]), name)
    return cls


def slots_of(cls: type[Any]) -> list[str]:
    """Return the names of the slots of a class and of its bases."""
    return [name for base in reversed(cls.__mro__) for name in vars(base).get("__slots__", ())]


def is_fitted(name: str, cls: type[Any]) -> bool:
    """Return whether an attribute is one that a fit sets."""
    return bool(_FITTED.fullmatch(name)) or name in CLASSES[cls.__name__][1]


def class_of(value: Any) -> str | None:
    """Return the listed name of the class of `value`, or None; subclasses are not listed."""
    name = type(value).__name__
    return name if name in CLASSES and type(value) is load_class(name) else None


def sklearn_class_of(value: Any) -> str | None:
    """Return the listed name of a class of scikit-learn, or None, without importing it."""
    name = type(value).__name__
    module = sys.modules.get(SKLEARN.get(name, ""))
    return name if module is not None and type(value) is getattr(module, name, None) else None


def is_of_sklearn(value: Any) -> bool:
    """Return whether `value` is an object of scikit-learn, listed or not."""
    return type(value).__module__.partition(".")[0] == "sklearn"


def is_model(value: Any) -> bool:
    """Return whether a file may hold `value`: of a listed class, or an optimizer's state."""
    if type(value) is dict:
        return {"state", "param_groups"} == set(value)
    return class_of(value) is not None or sklearn_class_of(value) is not None


def names_of_models() -> list[str]:
    """Return the names of storable models, for messages."""
    return [
        *sorted(CLASSES),
        "the state_dict of an optimizer",
        f"of scikit-learn {', '.join(sorted(SKLEARN))}",
    ]


def state_of(value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (parameters, attributes) of an object of a listed class of this package."""
    if not hasattr(value, "get_params"):
        return {}, value.__getstate__()[1]
    params = value.get_params(deep=False)
    attributes = {}
    for name, item in value.__getstate__().items():
        if is_fitted(name, type(value)):
            attributes[name] = item
        elif name not in params and name not in _NOTES:
            raise TypeError(
                f"attribute {name!r} of {type(value).__name__} is neither a parameter nor a fitted"
                " attribute (whose name ends in '_'), so that a model file cannot hold it"
            )
    return params, attributes


def sklearn_state_of(value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (parameters, attributes) of an object of a listed class of scikit-learn."""
    params = value.get_params(deep=False) if hasattr(value, "get_params") else {}
    # set_output may determine the input of the next step, so it is kept
    left = {*params, "_metadata_request"}
    return params, {name: item for name, item in vars(value).items() if name not in left}


def may_be_set(name: str, cls: type[Any]) -> bool:
    """Return whether a file may set an attribute of an object of scikit-learn."""
    return name == "_sklearn_output_config" or (
        bool(_OF_SKLEARN.fullmatch(name)) and not hasattr(cls, name)
    )
