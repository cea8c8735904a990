"""Problems of a report's arithmetic, and fastridge's own answers."""

import numpy as np

from fastridge.optim import SGD, Adam

MODES = {"coupled": "l2", "decoupled": "decoupled", "independent": "independent"}
STEPS = [
    {"optimizer": o, "mode": m, "schedule": s, "lr": 0.03, "weightDecay": 0.4}
    for o in ("sgd", "momentum", "adam")
    for m in MODES
    for s in ("constant", "linear")
]


def problem():
    """A quadratic g'v + 1/2 v'H v of v = w - at, and coefficients to start from."""
    rng = np.random.default_rng(3)
    B = rng.standard_normal((8, 3))
    return {
        "H": B.T @ B / 4.0,
        "g": rng.standard_normal(3),
        "at": rng.standard_normal(3),
        "start": np.array([2.0, -1.0, 0.5]),
    }


def expected_steps(q, case, steps):
    """Return the coefficients (steps + 1, 3) that fastridge's optimizers go through."""
    w = q["start"].copy()
    options = {"lr": case["lr"], "weight_decay": case["weightDecay"]}
    mode = MODES[case["mode"]]
    if case["optimizer"] == "adam":
        optimizer = Adam([w], decay_mode=mode, **options)
    else:
        momentum = 0.9 if case["optimizer"] == "momentum" else 0.0
        optimizer = SGD([w], momentum=momentum, decay_mode=mode, **options)
    found = [w.copy()]
    for t in range(steps):
        if case["schedule"] == "linear":
            optimizer.param_groups[0]["lr"] = case["lr"] * (1.0 - t / steps)
        optimizer.step([q["g"] + q["H"] @ (w - q["at"])])
        found.append(w.copy())
    return np.array(found)
