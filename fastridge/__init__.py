"""L2 regularization: ridge regression and its relatives, exact and fast."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING

__version__ = "0.1.0"

try:
    from ._matrix import Matrix as _Matrix  # noqa: F401
except ModuleNotFoundError as _error:
    if _error.name != f"{__name__}._matrix":
        raise
    raise ImportError(
        "fastridge is not built here: install it with 'pip install .' in its source folder, and "
        "import it from another folder, or under 'python -P' there."
    ) from None

# takes memory for BLAS; tells the kernels how many threads to use
from . import _blas_buffers as _blas_buffers
from . import _threads as _threads
from ._estimators import ESTIMATORS as _ESTIMATORS

if _TYPE_CHECKING:
    from ._memory_estimate import memory_estimate
    from ._show_versions import show_versions
    from ._threads import get_num_threads, num_threads, set_num_threads
    from .chunks import Chunks
    from .criteria import InformationCriteria, information_criteria
    from .incremental import Incremental
    from .io import load, save
    from .linear_model import (
        GLMCV,
        BayesianRidge,
        ElasticNet,
        ElasticNetCV,
        GammaRegressor,
        GroupRidge,
        Lasso,
        LassoCV,
        LinearRegression,
        LogisticRegression,
        LogisticRegressionCV,
        MultiTaskElasticNet,
        MultiTaskElasticNetCV,
        MultiTaskLasso,
        MultiTaskLassoCV,
        PoissonRegressor,
        Ridge,
        RidgeClassifier,
        RidgeClassifierCV,
        RidgeCV,
        SGDClassifier,
        SGDRegressor,
        TweedieRegressor,
    )
    from .moments import Moments
    from .plot import (
        CalibrationDisplay,
        CrossValidationDisplay,
        GroupShrinkageDisplay,
        RegularizationPathDisplay,
        ShrinkageDisplay,
    )
    from .reporting import Report, report
    from .solvers.descent.elastic_net import (
        ElasticNetPath,
        ElasticNetResult,
        elastic_net,
        elastic_net_path,
        lasso,
    )
    from .solvers.descent.enet_path import PathTuple, enet_path, lasso_path
    from .solvers.glm.fit import glm
    from .solvers.glm.path import GLMPath, glm_path
    from .solvers.glm.posterior import GLMPosterior
    from .solvers.glm.result import GLMResult
    from .solvers.glm.softmax_laplace import MultinomialPosterior
    from .solvers.ridge.batch import RidgeBatchResult, ridge_batch
    from .solvers.ridge.fit import ridge
    from .solvers.ridge.regression import ridge_regression
    from .solvers.ridge.result import RidgeResult
    from .solvers.ridge_path.path import ridge_path
    from .solvers.ridge_path.result import RidgePath
    from .solvers.rolling.fit import rolling_ridge
    from .solvers.rolling.result import RollingRidgeResult

# public names and the modules that hold them, loaded at first use
_HOMES = {
    **{name: f"linear_model.{row.module}" for name, row in _ESTIMATORS.items()},
    "CalibrationDisplay": "plot",
    "Chunks": "chunks",
    "CrossValidationDisplay": "plot",
    "ElasticNetPath": "solvers.descent.elastic_net",
    "ElasticNetResult": "solvers.descent.elastic_net",
    "Incremental": "incremental",
    "InformationCriteria": "criteria",
    "GLMPath": "solvers.glm.path",
    "GLMPosterior": "solvers.glm.posterior",
    "MultinomialPosterior": "solvers.glm.softmax_laplace",
    "GLMResult": "solvers.glm.result",
    "Moments": "moments",
    "PathTuple": "solvers.descent.enet_path",
    "GroupShrinkageDisplay": "plot",
    "RegularizationPathDisplay": "plot",
    "Report": "reporting",
    "RidgeBatchResult": "solvers.ridge.batch",
    "RidgePath": "solvers.ridge_path.result",
    "RidgeResult": "solvers.ridge.result",
    "RollingRidgeResult": "solvers.rolling.result",
    "ShrinkageDisplay": "plot",
    "elastic_net": "solvers.descent.elastic_net",
    "elastic_net_path": "solvers.descent.elastic_net",
    "get_num_threads": "_threads",
    "glm": "solvers.glm.fit",
    "glm_path": "solvers.glm.path",
    "information_criteria": "criteria",
    "enet_path": "solvers.descent.enet_path",
    "lasso": "solvers.descent.elastic_net",
    "lasso_path": "solvers.descent.enet_path",
    "load": "io",
    "memory_estimate": "_memory_estimate",
    "num_threads": "_threads",
    "report": "reporting",
    "ridge": "solvers.ridge.fit",
    "ridge_batch": "solvers.ridge.batch",
    "ridge_path": "solvers.ridge_path.path",
    "ridge_regression": "solvers.ridge.regression",
    "rolling_ridge": "solvers.rolling.fit",
    "save": "io",
    "set_num_threads": "_threads",
    "show_versions": "_show_versions",
}
_MODULES = (
    "criteria",
    "exceptions",
    "io",
    "kernels",
    "linear_model",
    "losses",
    "model_selection",
    "moments",
    "optim",
    "penalty",
    "plot",
    "reference",
    "solvers",
)

__all__ = [
    "GLMCV",
    "BayesianRidge",
    "CalibrationDisplay",
    "Chunks",
    "CrossValidationDisplay",
    "ElasticNet",
    "ElasticNetCV",
    "ElasticNetPath",
    "ElasticNetResult",
    "GLMPath",
    "GLMPosterior",
    "GLMResult",
    "GammaRegressor",
    "GroupRidge",
    "GroupShrinkageDisplay",
    "Incremental",
    "InformationCriteria",
    "Lasso",
    "LassoCV",
    "LinearRegression",
    "LogisticRegression",
    "LogisticRegressionCV",
    "Moments",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "MultinomialPosterior",
    "PathTuple",
    "PoissonRegressor",
    "RegularizationPathDisplay",
    "Report",
    "Ridge",
    "RidgeBatchResult",
    "RidgeCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "RidgePath",
    "RidgeResult",
    "RollingRidgeResult",
    "SGDClassifier",
    "SGDRegressor",
    "ShrinkageDisplay",
    "TweedieRegressor",
    "elastic_net",
    "elastic_net_path",
    "enet_path",
    "get_num_threads",
    "glm",
    "glm_path",
    "information_criteria",
    "lasso",
    "lasso_path",
    "load",
    "memory_estimate",
    "num_threads",
    "report",
    "ridge",
    "ridge_batch",
    "ridge_path",
    "ridge_regression",
    "rolling_ridge",
    "save",
    "set_num_threads",
    "show_versions",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value = getattr(_import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES, "__version__"])
