"""Choice of the penalty: folds, leave-one-out, the evidence, lassos by folds."""

import numpy as np

from . import common

ALPHAS = np.logspace(-2, 4, 30)


class _Choice:
    params = ("1 thread", "2 threads", "scikit-learn")
    param_names = ("player",)
    shape = (1_000, 100)

    def setup(self, player):
        common.pin(player)
        self.X, self.y = common.dense(*self.shape)
        if player == "scikit-learn":
            import sklearn.linear_model as home
        else:
            import fastridge as home
        self.model = self.make(home)

    def time_fit(self, player):
        self.model.fit(self.X, self.y)


class FoldsTall(_Choice):
    def make(self, home):
        return home.RidgeCV(ALPHAS, cv=5)


class FoldsWide(_Choice):
    shape = (100, 1_000)

    def make(self, home):
        return home.RidgeCV(ALPHAS, cv=5)


class LeaveOneOutTall(_Choice):
    def make(self, home):
        return home.RidgeCV(ALPHAS)


class LeaveOneOutWide(_Choice):
    shape = (100, 1_000)

    def make(self, home):
        return home.RidgeCV(ALPHAS)


class Evidence(_Choice):
    shape = (2_000, 200)

    def make(self, home):
        return home.BayesianRidge()


class GroupEvidence:
    """Penalties for five groups; for each feature, compared with scikit-learn."""

    params = (("5", "each"), ("1 thread", "2 threads", "scikit-learn"))
    param_names = ("groups", "player")

    def setup(self, groups, player):
        common.pin(player)
        self.X, self.y = common.dense(2_000, 200)
        if player == "scikit-learn":
            if groups != "each":
                raise NotImplementedError  # it only has a penalty per feature
            from sklearn.linear_model import ARDRegression

            self.model = ARDRegression()
        else:
            from fastridge import GroupRidge

            self.model = GroupRidge("each" if groups == "each" else np.arange(200) % 5)

    def time_fit(self, groups, player):
        self.model.fit(self.X, self.y)


class GroupTargets:
    """Penalties of four groups for each of many targets, together and one by one."""

    params = (("1 thread", "2 threads"), ("together", "one by one"))
    param_names = ("player", "way")

    def setup(self, player, way):
        from fastridge import GroupRidge

        common.pin(player)
        self.X, _ = common.dense(1_000, 200)
        rng = np.random.default_rng(0)
        codes = np.arange(200) % 4
        deviation = 0.1 * np.exp(rng.uniform(-1.0, 1.0, (4, 32)))
        noise = rng.standard_normal((1_000, 32))
        self.Y = self.X @ (deviation[codes] * rng.standard_normal((200, 32))) + noise
        self.model = GroupRidge(codes)

    def time_fit(self, player, way):
        if way == "together":
            self.model.fit(self.X, self.Y)
            return
        for y in self.Y.T:
            self.model.fit(self.X, y)


class LassoFolds(_Choice):
    shape = (500, 200)

    def make(self, home):
        return home.LassoCV(alphas=20, cv=3, eps=0.05)
