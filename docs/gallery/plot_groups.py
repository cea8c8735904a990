"""
A penalty for each group of features
====================================

`GroupRidge` gives each group of features the prior variance that the data ask for. A group that
explains nothing is left out.
"""

import numpy as np

import fastridge

rng = np.random.default_rng(0)
strength = np.repeat([1.0, 0.2, 0.0], 20)
X = rng.standard_normal((400, 60))
y = X @ (strength * rng.standard_normal(60)) + 2.0 * rng.standard_normal(400)
groups = np.repeat(["strong", "weak", "none"], 20)
model = fastridge.GroupRidge(groups).fit(X, y)
model.summary()
fastridge.GroupShrinkageDisplay.from_estimator(model)
