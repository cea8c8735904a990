#!/usr/bin/env python3
"""What weight decay does to a small network
=========================================

And why it matters through which door it comes in.

A network of two layers, in NumPy, learns the handwritten digits of scikit-learn from a few hundred
of them, some with a wrong label, and is judged on the others. `fastridge.optim` takes the steps:
without decay, with decay in the gradient ("l2", coupled) and beside it ("decoupled"). For plain
gradient descent the two are one; for Adam, which divides the gradient by its size, they are not.

::

    pip install '.[examples]' && python examples/weight_decay.py
"""

import argparse
import textwrap
from typing import NamedTuple

import numpy as np

from fastridge import optim

# Optimizer, its learning rate and its decays. Momentum adds up ten gradients and the coupled decay
# in them; Adam divides both by their size. So a strength means something else in each mode.
RUNS = {
    "SGD": (0.1, [("none", 0.0), ("l2", 1e-2), ("decoupled", 1e-2)]),
    "SGD, momentum 0.9": (0.02, [("none", 0.0), ("l2", 1e-2), ("decoupled", 1e-1)]),
    "Adam": (0.003, [("none", 0.0), ("l2", 5e-3), ("decoupled", 1.0)]),
}
# biases move the output without bending it: they are left free
EXEMPT = ("bias",)


class Row(NamedTuple):
    """One line of the table: means over the seeds; errors are shares of digits."""

    optimizer: str
    mode: str
    decay: float
    train: float
    validation: float
    norm: float


class Data(NamedTuple):
    """Digits to learn from (labels partly wrong) and to be judged on."""

    X: np.ndarray
    y: np.ndarray
    X_validation: np.ndarray
    y_validation: np.ndarray


def load(train, wrong, seed):
    """`train` of the 1,797 digits, a share `wrong` of them with a label drawn at random."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SystemExit(
            "scikit-learn is not installed; to get it: pip install '.[examples]'"
        ) from None
    X, y = load_digits(return_X_y=True)
    return split((X / 16.0 - 0.3).astype(np.float32), y, train, wrong, seed)


def split(X, y, train, wrong, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(X))
    X, y = X[order], y[order].copy()
    spoiled = np.flatnonzero(rng.random(train) < wrong)
    y[spoiled] = rng.integers(0, y.max() + 1, len(spoiled))
    return Data(X[:train], y[:train], X[train:], y[train:])


def network(n_inputs, n_hidden, n_classes, seed):
    """Parameters by name, float32; the optimizer changes them in place."""
    rng = np.random.default_rng(seed)

    def layer(n_in, n_out):
        return (rng.standard_normal((n_in, n_out)) * np.sqrt(2.0 / n_in)).astype(np.float32)

    return {
        "hidden.weight": layer(n_inputs, n_hidden),
        "hidden.bias": np.zeros(n_hidden, np.float32),
        "output.weight": layer(n_hidden, n_classes),
        "output.bias": np.zeros(n_classes, np.float32),
    }


def forward(model, X):
    hidden = np.maximum(X @ model["hidden.weight"] + model["hidden.bias"], 0)
    return hidden, hidden @ model["output.weight"] + model["output.bias"]


def gradients(model, X, y):
    """Mean cross-entropy, and its gradient by name."""
    hidden, score = forward(model, X)
    score -= score.max(axis=1, keepdims=True)
    p = np.exp(score)
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = -np.log(p[rows, y] + 1e-30).mean()
    p[rows, y] -= 1
    p /= len(y)
    back = (p @ model["output.weight"].T) * (hidden > 0)
    return loss, {
        "hidden.weight": X.T @ back,
        "hidden.bias": back.sum(axis=0),
        "output.weight": hidden.T @ p,
        "output.bias": p.sum(axis=0),
    }


def error(model, X, y):
    return float((forward(model, X)[1].argmax(axis=1) != y).mean())


def make(name, model, lr, mode, decay):
    """The optimizer of a row; "none" is decay of strength zero."""
    groups = optim.split_decay(model, decay, exempt=EXEMPT)
    mode = "l2" if mode == "none" else mode
    if name == "Adam":
        return optim.Adam(groups, lr=lr, decay_mode=mode)
    return optim.SGD(groups, lr=lr, momentum=0.9 if "momentum" in name else 0.0, decay_mode=mode)


def fit(data, name, lr, mode, decay, options, seed):
    """Train a network; its parameters."""
    model = network(data.X.shape[1], options.hidden, int(data.y.max()) + 1, seed)
    optimizer = make(name, model, lr, mode, decay)
    rng = np.random.default_rng(seed)
    n_batches = -(-len(data.X) // options.batch)
    n_steps, t = options.epochs * n_batches, 0
    for _ in range(options.epochs):
        for rows in np.array_split(rng.permutation(len(data.X)), n_batches):
            optimizer.set_lr_factor(optim.cosine(t, n_steps, n_warmup=n_steps // 20))
            _, grads = gradients(model, data.X[rows], data.y[rows])
            optimizer.step(grads)
            t += 1
    return model


def weight_norm(model):
    return float(np.sqrt(sum(np.sum(w**2) for k, w in model.items() if k.endswith("weight"))))


def run(options):
    """The table's rows, and how far apart the coupled and the decoupled weights of each ended."""
    rows, apart = [], {}
    for name, (lr, decays) in RUNS.items():
        ends = {}
        for mode, decay in decays:
            found = []
            for seed in range(options.seeds):
                data = load(options.train, options.wrong, seed)
                model = fit(data, name, lr, mode, decay, options, seed)
                ends.setdefault(mode, model)
                found.append(
                    (
                        error(model, data.X, data.y),
                        error(model, data.X_validation, data.y_validation),
                        weight_norm(model),
                    )
                )
            rows.append(Row(name, mode, decay, *np.mean(found, axis=0)))
        apart[name] = max(
            float(np.abs(ends["l2"][k] - ends["decoupled"][k]).max()) for k in ends["l2"]
        )
    return rows, apart


def setting(options):
    """What the networks learn from, in words."""
    text = (
        f"A network of {options.hidden} hidden units learns from {options.train} handwritten digits"
        f" and is judged on the {1797 - options.train} others; means of {options.seeds} runs."
    )
    if options.wrong > 0:
        text += (
            f" On purpose, {100 * options.wrong:.0f} % of the digits to learn from have a label"
            " drawn at random: a train error of 0 means that these were learned by heart."
        )
    return textwrap.fill(text, 88)


def table(rows):
    lines = [("optimizer", "decay", "strength", "train error", "validation error", "norm of w")]
    for r in rows:
        strength = f"{r.decay:g}" if r.decay else ""
        train, validation = f"{100 * r.train:.1f} %", f"{100 * r.validation:.1f} %"
        lines.append((r.optimizer, r.mode, strength, train, validation, f"{r.norm:.1f}"))
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            part.ljust(width) if k < 2 else part.rjust(width)
            for k, (part, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def verdict(rows, apart):
    """What the table says, in words."""
    free = min((r for r in rows if r.mode == "none"), key=lambda r: r.validation)
    best = min((r for r in rows if r.mode != "none"), key=lambda r: r.validation)
    gain = 100 * (free.validation - best.validation)
    sentences = [
        f"The best run with decay ({best.optimizer}, {best.mode}) misreads "
        f"{100 * best.validation:.1f} % of the digits that it has not seen, "
        + (
            f"{gain:.1f} points less than the best without ({free.optimizer})"
            if gain > 0
            else f"no less than the best without ({free.optimizer}, {100 * free.validation:.1f} %)"
        )
        + f", and {100 * best.train:.1f} % of those that it has, against {100 * free.train:.1f} %."
    ]
    for name, distance in apart.items():
        same = distance < 1e-3
        sentences.append(
            f"{name}: the weights of coupled and decoupled decay end "
            f"{distance:.2g} apart at most, "
            + (
                "the rounding of float32: they are the same step."
                if same
                else "so they are different methods."
            )
        )
    return "\n".join(textwrap.fill(s, 88) for s in sentences)


def arguments(argv=None):
    parser = argparse.ArgumentParser(
        description="What weight decay does to a small network.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--train", type=int, default=600, help="digits to learn from")
    add("--wrong", type=float, default=0.2, help="share of them whose label is drawn at random")
    add("--hidden", type=int, default=128, help="hidden units")
    add("--epochs", type=int, default=60)
    add("--batch", type=int, default=50, help="digits in one step")
    add("--seeds", type=int, default=3, help="runs of each row, whose mean is shown")
    options = parser.parse_args(argv)
    for name in ("hidden", "epochs", "batch", "seeds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}; expected at least 1")
    if not 10 <= options.train <= 1700:
        parser.error(f"--train {options.train}; expected 10 to 1700 of the 1797 digits")
    if not 0 <= options.wrong <= 1:
        parser.error(f"--wrong {options.wrong}; expected a share from 0 to 1")
    return options


def main(argv=None):
    options = arguments(argv)
    rows, apart = run(options)
    print(table(rows))
    print()
    print(setting(options))
    print(verdict(rows, apart))


if __name__ == "__main__":
    main()
