"""
Train and validation error
==========================

The error on training rows falls with the penalty; that on new rows falls, then rises. The
vertical lines are the penalty with the least validation error and the largest one within a
standard error of it.
"""

import numpy as np

import fastridge

rng = np.random.default_rng(0)
X = rng.standard_normal((120, 100))
y = X @ (0.4 * rng.standard_normal(100)) + 3.0 * rng.standard_normal(120)
model = fastridge.RidgeCV(alphas=np.logspace(-2, 5, 50), cv=10).fit(X, y)
fastridge.CrossValidationDisplay.from_estimator(model)
print(model.diagnosis_)
