"""This library: kernels of one tensor, and the optimizer object."""

import numpy as np
from work import BETAS, DECAY, EPS, LR, MOMENTUM

import fastridge
from fastridge import kernels, optim


def players(work, threads):
    fastridge.set_num_threads(threads)
    params, grads = work.copies()
    made = {
        "sgd": lambda: optim.SGD(params, lr=LR, weight_decay=DECAY),
        "momentum": lambda: optim.SGD(params, lr=LR, weight_decay=DECAY, momentum=MOMENTUM),
        "adamw": lambda: optim.AdamW(params, lr=LR, weight_decay=DECAY, betas=BETAS, eps=EPS),
    }[work.kind]()
    yield "fastridge", lambda: made.step(grads), lambda: params
    if work.count == 1:
        yield ("fastridge kernel", *_kernel(work))


def _kernel(work):
    (w,), (g,) = work.copies()
    b, m, v = (np.zeros_like(w) for _ in range(3))
    t = 0

    def adamw():
        nonlocal t
        t += 1
        kernels.adam_step(
            w, g, m, v, lr=LR, t=t, weight_decay=DECAY, decay_mode="decoupled", eps=EPS
        )

    step = {
        "sgd": lambda: kernels.sgd_step(w, g, lr=LR, weight_decay=DECAY),
        "momentum": lambda: kernels.sgd_momentum_step(
            w, g, b, lr=LR, momentum=MOMENTUM, weight_decay=DECAY
        ),
        "adamw": adamw,
    }[work.kind]
    return step, lambda: [w]
