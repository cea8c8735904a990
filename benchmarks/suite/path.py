"""Paths of penalties, and the sparse solver that eliminates frequent columns."""

import numpy as np

from . import common

DATA = {
    # n and p, or n, p and the number of one-hot groups
    "tall": (2_000, 200),
    "wide": (200, 2_000),
    "sparse": (20_000, 3_000, 10),
}


def _data(name):
    size = DATA[name]
    return common.one_hot(*size) if len(size) == 3 else common.dense(*size)


class RidgePath:
    """20 penalties; compared with a scikit-learn fit for each, and the reference if it is fast."""

    params = (list(DATA), ["1 thread", "2 threads", "reference", "scikit-learn"])
    param_names = ("data", "player")
    alphas = np.geomspace(1e3, 1e-1, 20)

    def setup(self, data, player):
        common.pin(player)
        if player == "reference" and data == "sparse":
            raise NotImplementedError  # it would make the data dense
        self.X, self.y = _data(data)
        if player == "scikit-learn":
            ridge = common.sklearn_linear_model().Ridge
            models = [ridge(alpha, tol=1e-6) for alpha in self.alphas]
            self.fit = lambda: [model.fit(self.X, self.y).coef_ for model in models]
        elif player == "reference":
            from fastridge import reference

            solver = "dual" if data == "wide" else "cholesky"
            self.fit = lambda: reference.ridge_path(self.X, self.y, self.alphas, solver=solver).coef
        else:
            import fastridge

            self.fit = lambda: fastridge.ridge_path(self.X, self.y, self.alphas).coef

    def time_coef(self, data, player):
        self.fit()

    def peakmem_coef(self, data, player):
        self.fit()


class RidgePathData:
    """Memory of the data only."""

    params = tuple(DATA)
    param_names = ("data",)

    def setup(self, data):
        common.pin("1 thread")
        self.X, self.y = _data(data)

    def peakmem_data(self, data):
        pass


class RidgePathShapes:
    """Quantities of a path without coefficients: norms, residuals, degrees of freedom."""

    params = (["tall", "wide"], ["1 thread", "2 threads"])
    param_names = ("data", "player")

    def setup(self, data, player):
        common.pin(player)
        import fastridge

        self.fastridge = fastridge
        self.X, self.y = _data(data)

    def time_100_penalties(self, data, player):
        path = self.fastridge.ridge_path(self.X, self.y, n_alphas=100)
        return path.norm, path.residual, path.dof


class RidgeEliminated(common._Regression):
    """Short rows, most of whose elements lie in frequent columns."""

    params = ("1 thread", "2 threads", "scikit-learn")

    def data(self):
        return common.one_hot(50_000, 4_000, 16)
