"""Deprecated values and attributes of LogisticRegressionCV, as those of scikit-learn 1.9."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._stack import outside
from ..data.inputs import as_real

if TYPE_CHECKING:
    from ..model_selection._glm_search import GLMSearch

_FUTURE = {
    "l1_ratios": (
        "The default value for l1_ratios will change from None to (0.0,) in scikit-learn 1.10,"
        " which this estimator follows; then only array-like with values in [0, 1] will be allowed."
        " To avoid this warning, explicitly set a value, e.g. l1_ratios=(0,)."
    ),
    "l1_ratios=None": (
        "'l1_ratios=None' was deprecated in scikit-learn 1.8 and will trigger an error in 1.10,"
        " which this estimator follows. Use an array-like with values in [0, 1] instead."
    ),
    "penalty": (
        "'penalty' was deprecated in scikit-learn 1.8 and will be removed in 1.10, which this"
        " estimator follows. To avoid this warning, leave 'penalty' set to its default value and"
        " use 'l1_ratios' and 'Cs' instead. Use l1_ratios=(0,) instead of penalty='l2',"
        " l1_ratios=(1,) instead of penalty='l1', l1_ratios set to floats between 0 and 1 instead"
        " of penalty='elasticnet', and Cs=(np.inf,) instead of penalty=None."
    ),
    "scoring": (
        "The default value of the parameter 'scoring' will change from None, i.e. accuracy, to"
        " 'neg_log_loss' in scikit-learn 1.11, which this estimator follows. To silence this"
        " warning, explicitly set the scoring parameter: scoring='neg_log_loss' for the new,"
        " scoring='accuracy' or scoring=None for the old default."
    ),
    "use_legacy_attributes": (
        "The fitted attributes of LogisticRegressionCV will be simplified in scikit-learn 1.10 to"
        " remove redundancy. Set `use_legacy_attributes=False` to enable the new behavior now, or"
        " set it to `True` to silence this warning during the transition period while keeping the"
        " deprecated behavior for the time being. The default value of use_legacy_attributes will"
        " change from True to False in scikit-learn 1.10. See the docstring of"
        " LogisticRegressionCV for more details."
    ),
}


def is_warn(value: Any) -> bool:
    """Return whether a parameter has the default that scikit-learn warns about."""
    return isinstance(value, str) and value == "warn"


def _warn_future(what: str) -> None:
    warnings.warn(_FUTURE[what], FutureWarning, stacklevel=outside())


def deprecated_values(model: Any) -> tuple[Any, NDArray[np.float64], Any, bool]:
    """Return (l1_ratios or None, l1_ratios as numbers, scoring, legacy), with warnings."""
    given = model.l1_ratios
    if is_warn(given):
        _warn_future("l1_ratios")
        given = None
    if model.penalty == "deprecated":
        if model.l1_ratios is None:
            _warn_future("l1_ratios=None")
    else:
        _warn_future("penalty")
    if is_warn(model.scoring):
        _warn_future("scoring")
    if is_warn(model.use_legacy_attributes):
        _warn_future("use_legacy_attributes")
    if model.penalty in ("l1", "l2") and given is not None:
        warnings.warn(
            "l1_ratios parameter is only used when penalty is 'elasticnet'. Got"
            f" (penalty={model.penalty})",
            UserWarning,
            stacklevel=outside(),
        )
    scoring = None if is_warn(model.scoring) else model.scoring
    legacy = bool(model.use_legacy_attributes)
    return given, l1_ratios_of(model), scoring, legacy


def l1_ratios_of(model: Any) -> NDArray[np.float64]:
    """Return `l1_ratios` as numbers, or those that a deprecated value stands for."""
    if model.penalty in ("l1", "l2"):
        return np.array([float(model.penalty == "l1")])
    given = None if is_warn(model.l1_ratios) else model.l1_ratios
    numbers = [] if given is None else list(given)
    ends = all(isinstance(r, Real) and 0 <= as_real(r) <= 1 for r in numbers)
    missing = model.penalty == "elasticnet" if given is None else not numbers
    if missing or not ends:
        raise ValueError(
            f"l1_ratios must be an array-like of numbers between 0 and 1; got (l1_ratios={given!r})"
        )
    return np.zeros(1) if given is None else np.array(numbers, dtype=np.float64)


def attributes_of_folds(
    search: GLMSearch,
    Cs: NDArray[np.float64],
    ratios: NDArray[np.float64] | None,
    fit_intercept: bool,
) -> dict[str, NDArray[Any]]:
    """Return the attributes of the folds by name, of the shapes that scikit-learn 1.10 will have.

    ratios: None where none were given.
    """
    parts = search.parts
    # (n_ratios, n_folds, n_cs, k, n_dof)
    paths = parts["coef"]
    if fit_intercept:
        paths = np.concatenate([paths, parts["intercept"][..., None]], axis=4)
    return {
        "Cs_": Cs,
        "l1_ratios_": np.array([None]) if ratios is None else ratios,
        "coefs_paths_": paths.swapaxes(0, 1),
        "scores_": parts["score"].swapaxes(0, 1),
        "n_iter_": parts["n_iter"].astype(np.int32).swapaxes(0, 1),
    }


def legacy_attributes(
    found: dict[str, NDArray[Any]],
    classes: NDArray[Any],
    C: float,
    l1_ratio: float,
    without_ratios: bool,
    refit: bool,
) -> dict[str, Any]:
    """Return the same attributes in scikit-learn's present shapes, by class; see above."""
    # (n_folds, n_ratios, n_cs, k, n_dof)
    paths = found["coefs_paths_"]
    k = paths.shape[3]
    names = classes[1:] if k == 1 else classes
    ratio = np.full(k, l1_ratio)
    paths = paths.transpose(3, 0, 2, 1, 4)
    score, n_iter = found["scores_"].swapaxes(1, 2), found["n_iter_"].swapaxes(1, 2)
    if without_ratios:
        paths, score, n_iter = paths[:, :, :, 0], score[:, :, 0], n_iter[:, :, 0]
        if refit:
            ratio = np.array([None] * k)
    keys = names.tolist()
    return {
        "C_": np.full(k, C),
        "l1_ratio_": ratio,
        "coefs_paths_": dict(zip(keys, paths, strict=True)),
        "scores_": {key: score.copy() for key in keys},
        "n_iter_": n_iter[None],
    }
