"""Plain C loops, compiled here for this machine, and the copy and triad of STREAM."""

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from work import BETAS, DECAY, EPS, LR, MOMENTUM

KINDS = {"sgd": 0, "momentum": 1, "adamw": 2, "copy": 3, "triad": 4}


class Arguments(ctypes.Structure):
    """`arguments` of loops.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in "wgmvabc"),
        *((name, ctypes.c_float) for name in
          ("lr", "decay", "keep", "momentum", "beta1", "beta2", "root", "eps")),
        ("n", ctypes.c_ssize_t),
    )  # fmt: skip


@functools.cache
def library():
    """loops.c as a shared library, or None without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    folder = tempfile.mkdtemp()
    path = Path(folder) / "loops.so"
    source = Path(__file__).resolve().parents[1] / "loops.c"
    flags = ["-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math"]
    command = [compiler, *flags, "-shared", "-fPIC", "-pthread", "-o", str(path), str(source)]
    try:
        subprocess.run([*command, "-lm"], check=True)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.CalledProcessError):
        return None
    finally:
        shutil.rmtree(folder)


def players(work, threads):
    c = library()
    if c is None:
        return
    params, grads = work.copies()
    state = [(np.zeros_like(w), np.zeros_like(w)) for w in params]
    made = [
        Arguments(w=w.ctypes.data, g=g.ctypes.data, m=m.ctypes.data, v=v.ctypes.data, lr=LR,
                  decay=DECAY, keep=1 - LR * DECAY, momentum=MOMENTUM, beta1=BETAS[0],
                  beta2=BETAS[1], eps=EPS, n=work.n)
        for w, g, (m, v) in zip(params, grads, state, strict=True)
    ]  # fmt: skip
    kind, t = KINDS[work.kind], 0

    def step():
        nonlocal t
        t += 1
        for x in made:
            if kind == 2:
                x.lr = LR / (1 - BETAS[0] ** t)
                x.root = (1 - BETAS[1] ** t) ** -0.5
            c.loop(kind, ctypes.byref(x), threads)

    # keep gradients and state alive as long as the step
    step.arrays = params, grads, state
    yield "plain C", step, lambda: params


def stream(n, threads):
    """Yield (name, step, bytes) of copy and triad of n doubles, without write-allocate reads."""
    c = library()
    if c is None:
        return []
    arrays = [np.full(n, float(k)) for k in range(3)]
    x = Arguments(n=n, **dict(zip("abc", (a.ctypes.data for a in arrays), strict=True)))

    def player(kind):
        def step():
            c.loop(KINDS[kind], ctypes.byref(x), threads)

        step.arrays = arrays
        return step

    return [("STREAM copy", player("copy"), 16 * n), ("STREAM triad", player("triad"), 24 * n)]
