"""The models of the command: estimators for a penalty, and for a choice of the penalty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .tables import CommandError, OptionError

MODELS = ("ridge", "lasso", "elastic-net", "logistic", "poisson", "gamma", "tweedie")
FOLDS, L1_RATIO = 5, 0.5  # defaults of --cv and --l1-ratio
_WIDER = 1e4  # ratio by which a grid is extended
_POWER = 1.5  # power of the variance of "tweedie"


def with_penalty(name: str, alpha: float, l1_ratio: float, standardize: bool, n: float) -> Any:
    """Return an estimator with a penalty: alpha as of `fastridge.ridge`, Lasso or `glm`."""
    import fastridge as f

    options: dict[str, Any] = {"standardize": standardize}
    if name == "ridge":
        return f.Ridge(alpha, **options)
    if name == "lasso":
        return f.Lasso(alpha, **options)
    if name == "elastic-net":
        return f.ElasticNet(alpha, l1_ratio=l1_ratio, **options)
    if name == "logistic":
        if alpha == 0:
            raise OptionError("--alpha is 0; expected above 0 for a logistic regression.")
        return f.LogisticRegression(C=1.0 / (alpha * n), **options)
    if name == "poisson":
        return f.PoissonRegressor(alpha=alpha, **options)
    if name == "gamma":
        return f.GammaRegressor(alpha=alpha, **options)
    return f.TweedieRegressor(power=_POWER, alpha=alpha, **options)


def with_choice(
    name: str, splits: Any, l1_ratio: float, standardize: bool, callback: Callable[[int, int], None]
) -> Any:
    """Return an estimator that chooses its penalty by cross-validation."""
    import fastridge as f

    options: dict[str, Any] = {"cv": splits, "standardize": standardize, "callback": callback}
    if name == "ridge":
        return f.RidgeCV("auto", n_alphas=30, **options)
    if name == "lasso":
        return f.LassoCV(alphas="auto", **options)
    if name == "elastic-net":
        return f.ElasticNetCV(l1_ratio=l1_ratio, alphas="auto", **options)
    if name == "logistic":
        return f.LogisticRegressionCV(
            Cs=20,
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
            scoring="neg_log_loss",
            **options,
        )
    loss_options = {"power": _POWER} if name == "tweedie" else None
    return f.GLMCV(name, loss_options=loss_options, alphas=40, eps=1e-5, **options)


def widen(choice: Any) -> bool:
    """Extend the grid of `GLMCV` or `LogisticRegressionCV` where its best penalty is at an end.

    Return whether it was extended; other estimators extend their own.
    """
    from ..model_selection._choice import at_end

    parameter = next((name for name in ("Cs", "alphas") if name in choice.get_params()), "")
    if not parameter or isinstance(choice.get_params()[parameter], str):
        return False
    results = choice.cv_results_
    grid = np.asarray(choice.Cs_ if parameter == "Cs" else choice.alphas_)
    end = at_end(results["alpha"], results["score"])
    # the strongest penalty of an automatic grid leaves no features
    if end == "" or (end == "upper" and parameter == "alphas"):
        return False
    weak = grid.max() if parameter == "Cs" else grid.min()
    last, factor = weak, _WIDER if parameter == "Cs" else 1.0 / _WIDER
    if end == "upper":
        last, factor = grid.min(), 1.0 / _WIDER
    choice.set_params(**{parameter: np.r_[grid, np.geomspace(last, last * factor, 11)[1:]]})
    return True


def random_splits(n: int, count: int, seed: int) -> list[Any]:
    """Return folds of rows in random order: files are often sorted."""
    if n < 2:
        raise CommandError(f"the data have {n} row; expected at least 2 to choose a penalty.")
    if count > n:
        raise CommandError(
            f"--cv is {count}, and the data have {n} rows: give --cv {n} or less, or --alpha a"
            " number."
        )
    parts = np.array_split(np.random.default_rng(seed).permutation(n), count)
    return [
        (np.sort(np.concatenate([p for p in parts if p is not part])), np.sort(part))
        for part in parts
    ]


def best_so_far(model: Any) -> float | None:
    """Return the best penalty of an interrupted choice; None where no fold was finished."""
    results = getattr(model, "cv_results_", None)
    if results is None:
        return None
    score = np.asarray(results["score"], dtype=np.float64)
    return float(results["alpha"][int(np.nanargmax(score))])
