"""Optimizer steps for one tensor, for many, and for some rows of a table."""

import numpy as np

from . import common

KINDS = ("SGD", "momentum", "AdamW")
LR, DECAY, MOMENTUM = 1e-3, 1e-2, 0.9


def _optimizer(kind, params):
    from fastridge import optim

    if kind == "AdamW":
        return optim.AdamW(params, lr=LR, weight_decay=DECAY)
    return optim.SGD(
        params, lr=LR, weight_decay=DECAY, momentum=MOMENTUM if kind == "momentum" else 0.0
    )


class _Reference:
    """An optimizer by the NumPy reference."""

    def __init__(self, kind, params):
        self.kind, self.params, self.t = kind, params, 0
        self.states = [(np.zeros_like(w), np.zeros_like(w)) for w in params]

    def step(self, grads):
        from fastridge import reference

        self.t += 1
        for i, (g, (m, v)) in enumerate(zip(grads, self.states, strict=True)):
            w = self.params[i]
            if self.kind == "SGD":
                w = reference.sgd_step(w, g, lr=LR, weight_decay=DECAY)
            elif self.kind == "momentum":
                w, m = reference.sgd_momentum_step(
                    w, g, m, lr=LR, momentum=MOMENTUM, weight_decay=DECAY
                )
            else:
                w, m, v = reference.adam_step(
                    w, g, m, v, lr=LR, t=self.t, weight_decay=DECAY, decay_mode="decoupled"
                )
            self.params[i], self.states[i] = w, (m, v)


class _Steps:
    """Steps of float32 tensors, whose sizes a subclass defines."""

    def setup(self, kind, sizes, player):
        common.pin(player)
        rng = np.random.default_rng(0)
        shapes = self.shapes(sizes)
        params = [rng.random(s, np.float32) for s in shapes]
        self.grads = [rng.random(s, np.float32) - np.float32(0.5) for s in shapes]
        make = _Reference if player == "reference" else _optimizer
        self.optimizer = make(kind, params)
        self.optimizer.step(self.grads)

    def time_step(self, kind, sizes, player):
        self.optimizer.step(self.grads)


class OneTensor(_Steps):
    """`step` of an optimizer with one tensor."""

    params = (KINDS, [100_000, 5_000_000], common.KERNEL_PLAYERS)
    param_names = ("kind", "elements", "player")

    def shapes(self, elements):
        return [elements]


class ManyTensors(_Steps):
    """`step` of an optimizer with 1,000 tensors."""

    params = (KINDS, [1_000], common.KERNEL_PLAYERS)
    param_names = ("kind", "elements of each", "player")

    def shapes(self, elements):
        return [elements] * 1_000


class Kernels:
    """The kernels for one tensor, without an optimizer."""

    params = (KINDS, [10, 1_000])
    param_names = ("kind", "elements")

    def setup(self, kind, elements):
        from fastridge import kernels

        common.pin("1 thread")
        rng = np.random.default_rng(0)
        w, g = rng.random(elements, np.float32), rng.random(elements, np.float32)
        m, v = np.zeros_like(w), np.zeros_like(w)
        self.step = {
            "SGD": lambda: kernels.sgd_step(w, g, lr=LR, weight_decay=DECAY),
            "momentum": lambda: kernels.sgd_momentum_step(
                w, g, m, lr=LR, momentum=MOMENTUM, weight_decay=DECAY
            ),
            "AdamW": lambda: kernels.adam_step(
                w, g, m, v, lr=LR, t=5, weight_decay=DECAY, decay_mode="decoupled"
            ),
        }[kind]

    def time_step(self, kind, elements):
        self.step()


def step_of(dtype, mode, factor, kind):
    """A step of 10,000 elements, which fit a first-level cache, as a function."""
    from fastridge import kernels

    w, g, m, v, top = (np.full(10_000, value, dtype) for value in (1.0, 1e-3, 0.0, 0.0, 0.0))
    options = {"lr": LR, "weight_decay": DECAY, "decay_mode": mode}
    if factor:
        options["penalty_factor"] = np.ones(10_000, dtype)
    if kind == "SGD":
        return lambda: kernels.sgd_step(w, g, **options)
    if kind.startswith("Adam"):
        if kind == "Adam, AMSGrad":
            options["v_max"] = top
        return lambda: kernels.adam_step(w, g, m, v, t=5, **options)
    options |= {"momentum": MOMENTUM, "nesterov": kind == "Nesterov"}
    if kind == "dampening":
        options["dampening"] = 0.5
    return lambda: kernels.sgd_momentum_step(w, g, m, **options)


class Modes:
    """Every combination in a cache: `track_ratio` is its time over that of the fastest mode.

    A mode that the compiler did not vectorise is slower by the number of lanes.
    """

    params = (
        ("float32", "float64"),
        ("l2", "decoupled", "independent"),
        (False, True),
        ("SGD", "momentum", "Nesterov", "dampening", "Adam", "Adam, AMSGrad"),
    )
    param_names = ("dtype", "mode", "factor", "kind")

    def setup(self, dtype, mode, factor, kind):
        self.step = step_of(dtype, mode, factor, kind)

    def time_step(self, dtype, mode, factor, kind):
        self.step()

    def track_ratio(self, dtype, mode, factor, kind):
        steps = [self.step, *(step_of(dtype, m, False, kind) for m in self.params[1])]
        times = np.array([[_cpu_time(step) for step in steps] for _ in range(25)])
        mine, *others = np.median(times, axis=0)
        return mine / min(others)

    track_ratio.unit = "times the fastest mode"


def _cpu_time(step, repeats=50):
    from time import process_time

    start = process_time()
    for _ in range(repeats):
        step()
    return (process_time() - start) / repeats


class Rows:
    """1,000 of 100,000 rows of 64, which missed some 100 steps; compared with a step of all."""

    params = (KINDS, ["rows", "all", "reference of all"])
    param_names = ("kind", "gradient")

    def setup(self, kind, gradient):
        common.pin("1 thread")
        rng = np.random.default_rng(0)
        w = rng.random((100_000, 64), np.float32)
        g = rng.random((100_000, 64), np.float32) - np.float32(0.5)
        make = _Reference if gradient == "reference of all" else _optimizer
        self.optimizer = make(kind, [w])
        self.grads = [[g]]
        self.optimizer.step(self.grads[0])
        if gradient == "rows":
            rows = g[:1_000].copy()
            batches = [rng.integers(0, 100_000, 1_000) for _ in range(100)]
            self.grads = [[(index, rows)] for index in batches]
            for grads in self.grads:
                self.optimizer.step(grads)
        self.turn = 0

    def time_step(self, kind, gradient):
        self.turn = (self.turn + 1) % len(self.grads)
        self.optimizer.step(self.grads[self.turn])


class Clipping:
    """`clip_grad_norm` of a million elements, and a step that looks for NaN and infinity first."""

    params = common.KERNEL_PLAYERS
    param_names = ("player",)

    def setup(self, player):
        common.pin(player)
        rng = np.random.default_rng(0)
        self.grads = [rng.random(1_000_000, np.float32)]
        if player == "reference":
            self.norm = lambda: np.sqrt(np.sum(self.grads[0].astype(np.float64) ** 2))
            twin = _Reference("SGD", [np.zeros(1_000_000, np.float32)])
            self.step = lambda: np.isfinite(self.grads[0]).all() and twin.step(self.grads)
            return
        from fastridge import optim

        optimizer = optim.SGD([np.zeros(1_000_000, np.float32)], on_nonfinite="raise")
        self.norm = lambda: optim.clip_grad_norm(self.grads, 1.0)
        self.step = lambda: optimizer.step(self.grads)
        self.step()

    def time_norm(self, player):
        self.norm()

    def time_step_that_looks(self, player):
        self.step()
