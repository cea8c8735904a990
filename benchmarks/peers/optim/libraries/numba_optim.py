"""numba: plain loops, compiled for this machine."""

import numpy as np
from work import BETAS, DECAY, EPS, LR, MOMENTUM


def players(work, threads):
    try:
        import numba
    except ImportError:
        return
    if threads > numba.config.NUMBA_NUM_THREADS:
        return
    numba.set_num_threads(threads)
    jit = numba.njit(parallel=threads > 1, fastmath={"contract"}, error_model="numpy")
    one = np.float32(1)
    lr, decay, mu = np.float32(LR), np.float32(DECAY), np.float32(MOMENTUM)
    beta1, beta2, eps = np.float32(BETAS[0]), np.float32(BETAS[1]), np.float32(EPS)
    keep = np.float32(1 - LR * DECAY)

    @jit
    def sgd(w, g):
        for i in numba.prange(w.size):
            w[i] -= lr * (g[i] + decay * w[i])

    @jit
    def momentum(w, g, b):
        for i in numba.prange(w.size):
            b[i] = mu * b[i] + g[i] + decay * w[i]
            w[i] -= lr * b[i]

    @jit
    def adamw(w, g, m, v, rate, root):
        for i in numba.prange(w.size):
            m[i] = beta1 * m[i] + (one - beta1) * g[i]
            v[i] = beta2 * v[i] + (one - beta2) * g[i] * g[i]
            w[i] = keep * w[i] - rate * m[i] / (np.sqrt(v[i]) * root + eps)

    params, grads = work.copies()
    state = [(np.zeros_like(w), np.zeros_like(w)) for w in params]
    t = 0

    def step():
        nonlocal t
        t += 1
        rate = np.float32(LR / (1 - BETAS[0] ** t))
        root = np.float32((1 - BETAS[1] ** t) ** -0.5)
        for w, g, (m, v) in zip(params, grads, state, strict=True):
            if work.kind == "sgd":
                sgd(w, g)
            elif work.kind == "momentum":
                momentum(w, g, m)
            else:
                adamw(w, g, m, v, rate, root)

    yield "numba", step, lambda: params
