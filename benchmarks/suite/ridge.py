"""Ridge fits: time, memory and accuracy of each."""

import numpy as np

from . import common


class RidgeTall(common._Regression):
    def data(self):
        return common.dense(20_000, 200)


class RidgeTallMany(common._Regression):
    """Enough features for float32 products, compared with float64."""

    params = ("1 thread", "2 threads", "float64", "scikit-learn")

    def setup(self, player):
        if player != "float64":
            super().setup(player)
            return
        from fastridge._systems import ridge
        from fastridge.data.check import check_design

        common.pin(player)
        self.X, self.y = self.data()
        A, alpha = check_design(self.X), np.array([self.alpha])
        self.fit = lambda: ridge(A, self.y, alpha, None, None, True, precision=1)

    def track_relative_gradient(self, player):
        if player != "float64":
            return super().track_relative_gradient(player)
        return self.fit()[1][1]

    def data(self):
        return common.dense(8_000, 1000)


class RidgeWide(common._Regression):
    reference_solver = "dual"

    def data(self):
        return common.dense(200, 10_000)


class RidgeSparse(common._Regression):
    def data(self):
        return common.one_hot(10_000, 800, 10)


class RidgeSparseLarge(common._Regression):
    """Conjugate gradients; the reference would make it dense."""

    params = ("1 thread", "2 threads", "scikit-learn")

    def data(self):
        return common.one_hot(30_000, 10_000, 20)


class RidgeSparseWide(common._Regression):
    """Words: fewer samples than features."""

    params = ("1 thread", "2 threads", "scikit-learn")

    def data(self):
        return common.words(3_000, 40_000, 100)


class RidgeClassifierWords:
    """20 classes at once on words."""

    params = ("1 thread", "2 threads", "scikit-learn")
    param_names = ("player",)

    def setup(self, player):
        common.pin(player)
        import fastridge

        self.X, y = common.words(3_000, 40_000, 60)
        self.y = np.argsort(np.argsort(y)) * 20 // len(y)
        linear_model = fastridge
        if player == "scikit-learn":
            linear_model = common.sklearn_linear_model()
        self.model = linear_model.RidgeClassifier(1.0, solver="sparse_cg", tol=1e-6)

    def time_fit(self, player):
        self.model.fit(self.X, self.y)

    def peakmem_fit(self, player):
        self.model.fit(self.X, self.y)


class RidgePositive:
    """Coefficients of at least 0."""

    params = (["1 thread", "2 threads", "scikit-learn"], ["dense", "sparse"])
    param_names = ("player", "data")

    def setup(self, player, data):
        common.pin(player)
        import fastridge

        self.X, self.y = (
            common.dense(5_000, 200) if data == "dense" else common.one_hot(5_000, 800, 10)
        )
        linear_model = fastridge
        if player == "scikit-learn":
            linear_model = common.sklearn_linear_model()
        self.model = linear_model.Ridge(1.0, positive=True, tol=1e-6)

    def time_fit(self, player, data):
        self.model.fit(self.X, self.y)

    def track_projected_gradient(self, player, data):
        """Return the projected gradient over the gradient at zero."""
        w = self.model.fit(self.X, self.y).coef_
        y = self.y - self.y.mean()
        error = y - self.X @ w
        error -= error.mean()
        left = self.X.T @ error - w
        left = np.where(w > 0, left, np.maximum(left, 0.0))
        return float(np.linalg.norm(left) / np.linalg.norm(self.X.T @ y))

    track_projected_gradient.unit = "gradient / gradient at zero"


class RidgeStandardized:
    """Several targets, sample weights, penalty factors and standardisation at once."""

    params = ("1 thread", "2 threads", "reference")
    param_names = ("player",)

    def setup(self, player):
        common.pin(player)
        X, y = common.dense(10_000, 100)
        rng = np.random.default_rng(1)
        Y = np.column_stack([y, 2.0 * y + 1.0])
        options = {
            "sample_weight": rng.random(len(y)),
            "penalty_factor": rng.random(X.shape[1]),
            "standardize": True,
        }
        if player == "reference":
            from fastridge import reference

            self.fit = lambda: reference.ridge(X, Y, 1.0, solver="cholesky", **options)
        else:
            import fastridge

            self.fit = lambda: fastridge.ridge(X, Y, 1.0, **options)

    def time_fit(self, player):
        self.fit()


class RidgeTargets:
    """Thousands of targets."""

    params = (["dense", "sparse", "wide"], ["1 thread", "2 threads", "scikit-learn"])
    param_names = ("data", "player")

    def setup(self, data, player):
        common.pin(player)
        n, p = (100, 1000) if data == "wide" else (2000, 100)
        X = common.one_hot(n, p, 10)[0] if data == "sparse" else common.dense(n, p)[0]
        rng = np.random.default_rng(1)
        Y = X @ rng.standard_normal((p, 2000)) + rng.standard_normal((n, 2000))
        if player == "scikit-learn":
            model = common.sklearn_linear_model().Ridge(1.0, solver="auto")
        else:
            import fastridge

            model = fastridge.Ridge(1.0)
        self.fit = lambda: model.fit(X, Y)

    def time_fit(self, data, player):
        self.fit()

    def peakmem_fit(self, data, player):
        self.fit()


class RidgeClassifierDense(common._Classification):
    def data(self):
        X, y = common.dense(10_000, 100)
        return X, np.digitize(y, np.quantile(y, [0.3, 0.7]))


class RidgeClassifierSparse(common._Classification):
    def data(self):
        X, y = common.one_hot(20_000, 800, 10)
        return X, np.where(y > np.median(y), "late", "early")


class RidgeBatch:
    """10,000 problems of 100 x 10, compared with batched normal equations in NumPy."""

    params = ("1 thread", "2 threads", "NumPy")
    param_names = ("player",)

    def setup(self, player):
        common.pin(player)
        rng = np.random.default_rng(0)
        X = rng.standard_normal((10_000, 100, 10)) + 1.0
        y = X.sum(axis=2) + rng.standard_normal((10_000, 100))
        if player == "NumPy":
            self.fit = lambda: _batched_solve(X, y, 1.0)
        else:
            import fastridge

            self.fit = lambda: fastridge.ridge_batch(X, y, 1.0)

    def time_fit(self, player):
        self.fit()

    def peakmem_fit(self, player):
        self.fit()


def _batched_solve(X, y, alpha):
    """Normal equations of all problems at once, centred by a rank-one update."""
    n, p = X.shape[1:]
    XT = X.transpose(0, 2, 1)
    mean, y_mean = X.mean(axis=1), y.mean(axis=1)
    G = XT @ X
    G -= n * mean[:, :, None] * mean[:, None, :]
    G[:, np.arange(p), np.arange(p)] += alpha
    b = (XT @ y[..., None])[..., 0] - n * mean * y_mean[:, None]
    w = np.linalg.solve(G, b[..., None])[..., 0]
    return w, y_mean - (mean * w).sum(axis=1)
