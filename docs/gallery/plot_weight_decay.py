"""
Weight decay step by step
=========================

Without a gradient, each step multiplies a weight by 1 - lr * weight_decay. Here the loss is
quadratic, with one steep and one flat direction. Coupled, the decay is part of the gradient, and
both optimizers reach the minimum of loss and penalty. Decoupled, it is applied beside the step:
for plain gradient descent that is the same, but Adam divides its step, and not this decay, by the
size of the gradient, and ends elsewhere.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastridge import optim

steps, lr, decay = 200, 0.05, 1.0
curvature, target = np.array([4.0, 0.1]), np.array([1.0, 1.0])


def trajectory(make):
    w = np.zeros(2)
    optimizer = make([w])
    rows = [w.copy()]
    for _ in range(steps):
        optimizer.step([curvature * (w - target)])
        rows.append(w.copy())
    return np.array(rows)


runs = {
    "SGD, coupled": lambda w: optim.SGD(w, lr=lr, weight_decay=decay),
    "SGD, decoupled": lambda w: optim.SGD(w, lr=lr, weight_decay=decay, decay_mode="decoupled"),
    "Adam, coupled": lambda w: optim.Adam(w, lr=lr, weight_decay=decay),
    "AdamW, decoupled": lambda w: optim.AdamW(w, lr=lr, weight_decay=decay),
}
_, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
for number, ax in enumerate(axes):
    for (name, make), style in zip(runs.items(), ("-", ":", "-", "--"), strict=True):
        ax.plot(trajectory(make)[:, number], style, label=name)
    ax.axhline(
        curvature[number] * target[number] / (curvature[number] + decay),
        color="grey",
        linewidth=0.8,
        label="minimum of loss and penalty",
    )
    ax.set(xlabel="step", title=f"weight with curvature {curvature[number]:g}")
axes[0].set_ylabel("weight")
axes[1].legend()
