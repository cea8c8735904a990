"""The models of the command: estimators for a penalty, and for a choice of the penalty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .tables import CommandError, OptionError

MODELS = ("ridge", "lasso", "elastic-net", "logistic", "poisson", "gamma", "tweedie")
FOLDS, L1_RATIO = 5, 0.5  # defaults of --cv and --l1-ratio
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


def random_splits(n: int, count: int, seed: int) -> list[Any]:
    """Return folds of rows in random order: files are often sorted."""
    if not 2 <= count <= n:
        raise CommandError(f"--cv is {count}; expected from 2 to {n}, the number of rows.")
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
