"""Lassos and elastic nets by coordinate descent: time and duality gap of each."""

import numpy as np

from . import common


def words(n, p, length, seed=0):
    """Sparse X by columns: rows of unit length over columns of a Zipf frequency; y linear in it."""
    import scipy.sparse

    rng = np.random.default_rng(seed)
    edges = np.cumsum(1.0 / (np.arange(p) + 5.0))
    indices = np.searchsorted(edges / edges[-1], rng.random(n * length)).clip(max=p - 1)
    indptr = np.arange(0, n * length + 1, length, dtype=np.int32)
    X = scipy.sparse.csr_array((np.ones(n * length), indices.astype(np.int32), indptr), (n, p))
    X.sum_duplicates()
    X.data /= np.repeat(np.sqrt(X.power(2).sum(axis=1)), np.diff(X.indptr))
    y = X @ rng.standard_normal(p) + 3.0 + 0.5 * rng.standard_normal(n)
    return X.tocsc(), y


def gap(X, y, alpha, coef):
    """Duality gap of a lasso with its best intercept, by its own residual, over the null objective.

    A path uses a better dual point, and reports a smaller gap.
    """
    n, centred = len(y), y - y.mean()
    residual = y - X @ coef
    residual -= residual.mean()
    pull = np.abs(X.T @ residual - np.ravel(X.mean(axis=0)) * residual.sum()).max() / n
    square, cross = residual @ residual / n, centred @ residual / n
    t = min(max(cross / square, 0.0), alpha / pull) if square > 0 else 1.0
    primal = 0.5 * square + alpha * np.abs(coef).sum()
    return float((primal - t * cross + 0.5 * t * t * square) / (0.5 * centred @ centred / n))


class _Path:
    """A lasso path of 30 penalties to a hundredth of the largest; a subclass has `data`."""

    params = ("1 thread", "2 threads", "scikit-learn")
    param_names = ("player",)
    precompute = False

    def setup(self, player):
        common.pin(player)
        self.X, self.y = self.data()
        if player != "scikit-learn":
            self.fit = self.path
            return
        linear_model = common.sklearn_linear_model()
        alphas = self.path().alphas
        if hasattr(self.X, "indptr"):
            self.fit = lambda: self.one_by_one(linear_model, alphas)
        else:
            Z = np.asfortranarray(self.X - self.X.mean(axis=0))
            centred = self.y - self.y.mean()
            self.fit = lambda: linear_model.lasso_path(
                Z, centred, alphas=alphas, precompute=self.precompute, max_iter=10_000
            )

    def path(self):
        import fastridge

        return fastridge.elastic_net_path(self.X, self.y, l1_ratio=1.0, n_alphas=30, eps=0.01)

    def one_by_one(self, linear_model, alphas):
        model = linear_model.Lasso(warm_start=True, max_iter=10_000)
        coefs = []
        for alpha in alphas:
            coefs.append(model.set_params(alpha=alpha).fit(self.X, self.y).coef_.copy())
        return alphas, np.array(coefs).T, None

    def time_path(self, player):
        self.fit()

    def peakmem_path(self, player):
        self.fit()

    def track_largest_gap(self, player):
        found = self.fit()
        if player != "scikit-learn":
            return float(found.relative_gap.max())
        alphas, coefs, _ = found
        return max(gap(self.X, self.y, a, w) for a, w in zip(alphas, coefs.T, strict=True))

    track_largest_gap.unit = "duality gap / null objective"


class PathTall(_Path):
    precompute = True

    def data(self):
        return common.dense(20_000, 100)


class PathWide(_Path):
    def data(self):
        return common.dense(200, 2_000, order="F")


class PathSparse(_Path):
    def data(self):
        return words(2_000, 4_000, 20)


class Fit:
    """One elastic net, compared with the coordinate descent of the reference."""

    params = common.PLAYERS
    param_names = ("player",)

    def setup(self, player):
        common.pin(player)
        X, y = common.dense(300, 60, order="F")
        if player == "reference":
            from fastridge import reference

            self.fit = lambda: reference.elastic_net(
                reference.elastic_net_problem(X, y, 0.05), tol=1e-4
            )
        elif player == "scikit-learn":
            model = common.sklearn_linear_model().ElasticNet(0.05)
            self.fit = lambda: model.fit(X, y)
        else:
            import fastridge

            model = fastridge.ElasticNet(0.05)
            self.fit = lambda: model.fit(X, y)

    def time_fit(self, player):
        self.fit()


class SmallFit:
    """`Lasso().fit` on 100 x 10: the overhead of a call."""

    params = ("fastridge", "scikit-learn")
    param_names = ("library",)

    def setup(self, library):
        common.pin("1 thread")
        self.X, self.y = common.dense(100, 10)
        if library == "scikit-learn":
            self.Lasso = common.sklearn_linear_model().Lasso
        else:
            import fastridge

            self.Lasso = fastridge.Lasso

    def time_fit(self, library):
        self.Lasso().fit(self.X, self.y)


class MultiTask:
    """Several targets, the coefficients of a feature in one group."""

    params = ("1 thread", "scikit-learn")
    param_names = ("player",)

    def setup(self, player):
        common.pin(player)
        rng = np.random.default_rng(0)
        self.X = np.asfortranarray(rng.standard_normal((300, 500)))
        self.Y = self.X[:, :20] @ rng.standard_normal((20, 5)) + rng.standard_normal((300, 5))
        if player == "scikit-learn":
            self.model = common.sklearn_linear_model().MultiTaskLasso(0.2)
        else:
            import fastridge

            self.model = fastridge.MultiTaskLasso(0.2)

    def time_fit(self, player):
        self.model.fit(self.X, self.Y)
