"""NumPy in place, with one reused temporary."""

import numpy as np
from work import BETAS, DECAY, EPS, LR, MOMENTUM


def players(work, threads):
    if threads > 1:
        return
    params, grads = work.copies()
    spare = [np.empty_like(w) for w in params]
    state = [[np.zeros_like(w), np.zeros_like(w), np.empty_like(w)] for w in params]
    t = 0

    def sgd(w, g, a, _):
        np.multiply(w, LR * DECAY, out=a)
        np.subtract(w, a, out=w)
        np.multiply(g, LR, out=a)
        np.subtract(w, a, out=w)

    def momentum(w, g, a, s):
        s[0] *= MOMENTUM
        s[0] += g
        np.multiply(w, DECAY, out=a)
        s[0] += a
        np.multiply(s[0], LR, out=a)
        w -= a

    def adamw(w, g, a, s):
        m, v, d = s
        m *= BETAS[0]
        np.multiply(g, 1 - BETAS[0], out=a)
        m += a
        v *= BETAS[1]
        np.multiply(g, g, out=a)
        a *= 1 - BETAS[1]
        v += a
        np.sqrt(v, out=a)
        a *= (1 - BETAS[1] ** t) ** -0.5
        a += EPS
        np.divide(m, a, out=d)
        d *= LR / (1 - BETAS[0] ** t)
        w *= 1 - LR * DECAY
        w -= d

    one = {"sgd": sgd, "momentum": momentum, "adamw": adamw}[work.kind]

    def step():
        nonlocal t
        t += 1
        for w, g, a, s in zip(params, grads, spare, state, strict=True):
            one(w, g, a, s)

    yield "NumPy in place", step, lambda: params
