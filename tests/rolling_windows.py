"""Windows of rolling_ridge for tests: data, options, and the reference."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from fastridge import reference


def made(n=150, p=3, seed=0, offset=0.0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    y = X @ rng.standard_normal(p) + 0.3 * rng.standard_normal(n) + 2.0
    return (X + offset).astype(dtype), y + offset


def options(window, half_life, steps):
    """Options by name; window, half_life and steps: those of ordinary windows."""
    return {
        "window": {"window": window},
        "short": {"window": 4, "min_samples": 1},
        "of one row": {"window": 1},
        "longer than the data": {"window": 1000, "min_samples": 5},
        "all rows": {"expanding": True},
        "half-life": {"half_life": 7.0},
        "window with a half-life": {
            "window": 3 * window // 2,
            "half_life": half_life,
            "min_samples": 6,
        },
        "steps": {"window": window, "step": steps, "min_samples": 5},
        "steps of all rows": {"expanding": True, "step": 4},
        "steps beyond the window": {"window": 8, "step": 13},
        "least squares": {"window": window, "alpha": 0.0},
        "no intercept": {"window": window, "fit_intercept": False},
        "several": {"window": window, "alpha": [0.1, 30.0, 3.0], "min_samples": 8},
        "several of all rows": {"half_life": 20.0, "alpha": [0.1, 30.0, 3.0], "step": 3},
    }


def weights(rng, n, given):
    """Weights, of which some are zero, and factors of the penalty of three features."""
    factor = [1.0, 0.0, 2.0] if given.get("alpha", 1.0) else None
    return {
        "sample_weight": rng.integers(0, 4, n) * rng.uniform(0.5, 1.0, n),
        "penalty_factor": factor,
    }


def expected(X, y, given, more):
    """The reference's fit, with the defaults of rolling_ridge."""
    named = {"window": None} | given
    least = {"min_samples": named["window"] or 3 + given.get("fit_intercept", True)}
    named = least | {name: value for name, value in named.items() if name != "expanding"}
    return reference.rolling_ridge(X, y, **named, **more)


def agree(ours, theirs, rtol=1e-9):
    assert_array_equal(ours.row, theirs.row)
    for name in ("coef", "intercept", "prediction", "alpha"):
        got, want = getattr(ours, name), getattr(theirs, name)
        assert got.shape == want.shape
        atol = rtol * np.nanmax(np.abs(want), initial=1.0)
        assert_allclose(got, want, rtol=rtol, atol=atol, err_msg=name)
