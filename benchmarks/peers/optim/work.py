"""Float32 parameters and gradients, and the expected results of the steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

LR, DECAY, MOMENTUM, BETAS, EPS = 1e-3, 1e-2, 0.9, (0.9, 0.999), 1e-8
# bytes of float32 that a step has to move per element, in place
TRAFFIC = {"sgd": 12, "momentum": 20, "adamw": 28}


@dataclass
class Work:
    """`count` tensors of `n` elements each, for one kind of optimizer."""

    kind: str
    n: int
    count: int = 1
    seed: int = 0
    start: list[np.ndarray] = field(init=False, repr=False)
    grads: list[np.ndarray] = field(init=False, repr=False)

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        self.start = [rng.random(self.n, np.float32) for _ in range(self.count)]
        self.grads = [rng.random(self.n, np.float32) - 0.5 for _ in range(self.count)]

    def copies(self):
        """Return a library's own copies, so that none profits from another's cache."""
        return [w.copy() for w in self.start], [g.copy() for g in self.grads]

    @property
    def name(self):
        size = f"{self.n:,}" if self.count == 1 else f"{self.count:,} x {self.n:,}"
        return f"{self.kind} {size}"

    @property
    def bytes(self):
        return TRAFFIC[self.kind] * self.n * self.count

    def error(self, weights, steps):
        """Return the largest error of the first elements after some steps, in float32 epsilons."""
        w, g = (np.asarray(a[0][:1000], np.float64) for a in (self.start, self.grads))
        m, v = np.zeros_like(w), np.zeros_like(w)
        for t in range(1, steps + 1):
            if self.kind == "adamw":
                m = BETAS[0] * m + (1 - BETAS[0]) * g
                v = BETAS[1] * v + (1 - BETAS[1]) * g**2
                u = m / (1 - BETAS[0] ** t) / (np.sqrt(v / (1 - BETAS[1] ** t)) + EPS)
                w = (1 - LR * DECAY) * w - LR * u
            else:
                d = g + DECAY * w
                m = MOMENTUM * m + d if self.kind == "momentum" else d
                w = w - LR * m
        return np.max(np.abs(np.asarray(weights[0][:1000]) - w)) / np.finfo(np.float32).eps
