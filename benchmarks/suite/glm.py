"""Generalised linear models: time and certificate of each."""

import numpy as np

from . import common


def labels(X, seed=1):
    """Return labels 0 and 1 with log odds linear in X."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal(X.shape[1])
    eta = X @ w
    eta = (eta - eta.mean()) / eta.std()
    return (rng.random(len(eta)) < 1.0 / (1.0 + np.exp(-2.0 * eta))).astype(float)


def counts(X, seed=1):
    """Return Poisson counts with log means linear in X."""
    rng = np.random.default_rng(seed)
    eta = X @ rng.standard_normal(X.shape[1])
    return rng.poisson(np.exp(0.5 * (eta - eta.mean()) / eta.std())).astype(float)


class _Model:
    """A fit with alpha = 1 / n; a subclass has `data`, a `loss` and scikit-learn's `rival`."""

    params = ("1 thread", "2 threads", "scikit-learn")
    param_names = ("player",)
    loss, rival_solver = "logistic", "newton-cholesky"

    def setup(self, player):
        common.pin(player)
        self.X = self.data()
        self.y = (counts if self.loss == "poisson" else labels)(self.X)
        n = self.X.shape[0]
        if player == "scikit-learn":
            linear_model = common.sklearn_linear_model()
            options = {"solver": self.rival_solver, "tol": 1e-6, "max_iter": 1000}
            if self.loss == "poisson":
                model = linear_model.PoissonRegressor(alpha=1.0 / n, **options)
            else:
                model = linear_model.LogisticRegression(**options)
            self.fit = lambda: model.fit(self.X, self.y)
            return
        import fastridge

        self.fit = lambda: fastridge.glm(self.X, self.y, self.loss, 1.0 / n)

    def time_fit(self, player):
        self.fit()

    def track_suboptimality(self, player):
        """Return the objective minus its minimum, relative to that of zero coefficients."""
        import fastridge
        from fastridge.losses import loss_of

        loss = loss_of(self.loss)

        def objective(w, b):
            eta = np.asarray(self.X @ w) + b
            return float(loss.value(self.y, eta).mean() + 0.5 * w @ w / len(self.y))

        found = self.fit()
        ours = player != "scikit-learn"
        w = found.coef if ours else np.ravel(found.coef_)
        b = found.intercept if ours else float(np.ravel(found.intercept_)[0])
        best = fastridge.glm(self.X, self.y, self.loss, 1.0 / len(self.y), tol=1e-7)
        least = objective(best.coef, best.intercept)
        null = objective(np.zeros_like(w), float(loss.link(self.y.mean())))
        return max(objective(w, b) - least, 0.0) / (null - least)

    track_suboptimality.unit = "of the null objective"


class LogisticTall(_Model):
    def data(self):
        return common.dense(100_000, 40)[0]


class LogisticWide(_Model):
    rival_solver = "lbfgs"

    def data(self):
        return common.dense(100, 5_000)[0]


class LogisticSparse(_Model):
    rival_solver = "newton-cg"

    def data(self):
        return common.one_hot(30_000, 5_000, 15)[0]


class LogisticText(_Model):
    rival_solver = "liblinear"

    def data(self):
        return common.words(3_000, 20_000, 100)[0]


class PoissonTall(_Model):
    loss = "poisson"

    def data(self):
        return common.dense(100_000, 20)[0]


class LogisticSmall(_Model):
    rival_solver = "lbfgs"

    def data(self):
        return common.dense(100, 10)[0]


class _Path:
    """A path of penalties; a subclass has `data`, the `loss` and `options` of the path."""

    params = ("1 thread", "2 threads")
    param_names = ("player",)

    def setup(self, player):
        common.pin(player)
        self.X, self.y = self.data()

    def fit(self):
        import fastridge

        return fastridge.glm_path(self.X, self.y, self.loss, tol=1e-3, **self.options)

    def time_path(self, player):
        self.fit()

    def track_relative_gap(self, player):
        return float(np.max(self.fit().relative_gap))

    track_relative_gap.unit = "of the null objective"


class LassoPath(_Path):
    """50 logistic models to a hundredth of the largest penalty."""

    loss, options = "logistic", {"n_alphas": 50, "eps": 0.01}

    def data(self):
        X = common.one_hot(20_000, 1_000, 10)[0]
        return X, labels(X)


class MultinomialLassoPath(_Path):
    """20 models of 5 classes to a twentieth of the largest penalty."""

    loss, options = "multinomial", {"n_alphas": 20, "eps": 0.05}

    def data(self):
        X = common.one_hot(4_000, 500, 10)[0]
        rng = np.random.default_rng(0)
        eta = X @ rng.standard_normal((X.shape[1], 5))
        return X, (eta + rng.gumbel(size=eta.shape)).argmax(axis=1).astype(float)


class TextPath(_Path):
    """20 logistic models without an L1 penalty, of fewer texts than words."""

    loss, options = "logistic", {"l1_ratio": 0.0, "alphas": np.geomspace(0.1, 1e-5, 20)}

    def data(self):
        X = common.words(3_000, 20_000, 100)[0]
        return X, labels(X)
