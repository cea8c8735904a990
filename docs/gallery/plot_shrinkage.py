"""
Shrinkage of each direction
===========================

A ridge regression multiplies the least squares solution by s²/(s² + alpha) along each singular
direction of the data: directions in which the data vary much are hardly shrunk, the others nearly
vanish. Two columns that are almost equal make one direction of each kind.
"""

import numpy as np

import fastridge

rng = np.random.default_rng(0)
X = rng.standard_normal((200, 8)) * np.linspace(3.0, 0.5, 8)
X[:, 1] = X[:, 0] + 0.05 * rng.standard_normal(200)
y = X @ np.ones(8) + rng.standard_normal(200)
fastridge.ShrinkageDisplay.from_estimator(fastridge.Ridge(alpha=20.0).fit(X, y), X)
