"""Small problems, for which the overhead dominates the arithmetic."""

import numpy as np

from . import common


class Small:
    """100 x 10 with an intercept."""

    params = ("fastridge", "NumPy", "scikit-learn")
    param_names = ("library",)

    def setup(self, library):
        common.pin("1 thread")
        X, y = common.dense(100, 10)
        row = X[:1].copy()
        if library == "NumPy":
            self.function = lambda: closed_form(X, y, 1.0)
            self.fit = self.function
            coef, intercept = closed_form(X, y, 1.0)
            self.predict = lambda: row @ coef + intercept
        elif library == "scikit-learn":
            linear_model = common.sklearn_linear_model()
            fitted = linear_model.Ridge().fit(X, y)
            self.fit = lambda: linear_model.Ridge().fit(X, y)
            # its function fits an intercept only for sparse data
            self.function = self.fit
            self.predict = lambda: fitted.predict(row)
        else:
            import fastridge

            fitted = fastridge.Ridge().fit(X, y)
            self.function = lambda: fastridge.ridge(X, y, 1.0)
            self.fit = lambda: fastridge.Ridge().fit(X, y)
            self.predict = lambda: fitted.predict(row)

    def time_function(self, library):
        self.function()

    def time_fit(self, library):
        self.fit()

    def time_predict_row(self, library):
        self.predict()


def closed_form(X, y, alpha):
    """Ridge by the centred normal equations."""
    x_mean, y_mean = X.mean(axis=0), y.mean()
    Z = X - x_mean
    M = Z.T @ Z
    M.flat[:: M.shape[0] + 1] += alpha
    w = np.linalg.solve(M, Z.T @ (y - y_mean))
    return w, y_mean - x_mean @ w
