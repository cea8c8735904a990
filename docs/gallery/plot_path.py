"""
Coefficients along the path
===========================

L2 shrinks all coefficients smoothly and none to zero. L1 sets them to zero, one after the other.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastridge

rng = np.random.default_rng(0)
X = rng.standard_normal((100, 10))
y = X @ np.array([4.0, -3.0, 2.0, -1.0, 0.5, 0, 0, 0, 0, 0]) + 2.0 * rng.standard_normal(100)

_, axes = plt.subplots(1, 2, figsize=(11, 4.5))
ridge = fastridge.ridge_path(X, y, alphas=np.logspace(5, -1, 60))
fastridge.RegularizationPathDisplay.from_path(ridge, ax=axes[0])
axes[0].set_title("ridge")
lasso = fastridge.elastic_net_path(X, y, l1_ratio=1.0, n_alphas=60, eps=1e-3)
fastridge.RegularizationPathDisplay.from_path(lasso, ax=axes[1])
axes[1].set_title("lasso")
