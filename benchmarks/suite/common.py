"""Libraries, threads and measures of accuracy; the data and the mixins of the suite."""

import numpy as np

KERNEL_PLAYERS = ("1 thread", "2 threads", "reference")
PLAYERS = (*KERNEL_PLAYERS, "scikit-learn")


def pin(player):
    """Limit fastridge, and the BLAS of the others, to the threads in the name `player`."""
    import fastridge

    threads = 2 if player == "2 threads" else 1
    fastridge.set_num_threads(threads)
    if fastridge.get_num_threads() != threads:
        # asv skips the combination: built without threads, or in a forked process
        raise NotImplementedError
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return
    threadpool_limits(threads)


def sklearn_linear_model():
    """Return scikit-learn's linear models; if it is not installed asv skips the benchmark."""
    try:
        from sklearn import linear_model
    except ImportError:
        # asv skips scikit-learn where it is not installed
        raise NotImplementedError from None
    return linear_model


def dense(n, p, seed=0, order="C", dtype=np.float64):
    """Return X (n, p) of standard normals plus 1, and y (n,) linear in X, with noise."""
    rng = np.random.default_rng(seed)
    X = np.array(rng.standard_normal((n, p)) + 1.0, dtype=dtype, order=order)
    w = rng.standard_normal(p) / np.sqrt(p)
    return X, X @ w + 3.0 + rng.standard_normal(n)


def one_hot(n, p, groups, seed=0, format="csr"):
    """Sparse X (n, p): one of p / groups levels, of uneven frequency, in each group; y (n,)."""
    import scipy.sparse

    rng = np.random.default_rng(seed)
    size = p // groups
    level = (size * rng.random((n, groups)) ** 3).astype(np.int32)
    indices = (level + size * np.arange(groups, dtype=np.int32)).ravel()
    indptr = np.arange(0, n * groups + 1, groups, dtype=np.int32)
    X = scipy.sparse.csr_array((np.ones(n * groups), indices, indptr), (n, size * groups))
    y = X @ rng.standard_normal(size * groups) + 3.0 + rng.standard_normal(n)
    return X.asformat(format), y


def words(n, p, length, seed=0):
    """Sparse X (n, p) of rows of unit length, columns as rare as words are; y (n,)."""
    import scipy.sparse

    rng = np.random.default_rng(seed)
    column = np.minimum(p * rng.random((n, length)) ** 4, p - 1).astype(np.int32)
    data = 1.0 / np.sqrt(np.repeat(length, n * length).astype(float))
    row = np.repeat(np.arange(n, dtype=np.int32), length)
    X = scipy.sparse.coo_array((data, (row, column.ravel())), (n, p)).tocsr()
    return X, X @ rng.standard_normal(p) + 3.0 + 0.5 * rng.standard_normal(n)


def relative_gradient(X, y, alpha, coef, intercept):
    """Norm of the gradient of the centred ridge objective over that at zero coefficients."""
    coef = np.asarray(coef, dtype=np.float64).ravel()
    mean = np.asarray(X.mean(axis=0)).ravel()

    def gradient(residual, w):
        return X.T @ residual - mean * residual.sum() - alpha * w

    at_zero = gradient(y - y.mean(), 0.0)
    found = gradient(y - X @ coef - np.ravel(intercept)[0], coef)
    return float(np.linalg.norm(found) / np.linalg.norm(at_zero))


class _Regression:
    """time_, peakmem_ and track_ of a fit with an intercept; a subclass has `data` and `alpha`."""

    params = PLAYERS
    param_names = ("player",)
    alpha = 1.0
    tol = 1e-6
    reference_solver = "cholesky"

    def setup(self, player):
        pin(player)
        self.X, self.y = self.data()
        if player == "reference":
            from fastridge import reference

            self.fit = lambda: reference.ridge(
                self.X, self.y, self.alpha, solver=self.reference_solver
            )
        elif player == "scikit-learn":
            model = sklearn_linear_model().Ridge(self.alpha, tol=self.tol)
            self.fit = lambda: model.fit(self.X, self.y)
        else:
            import fastridge

            model = fastridge.Ridge(self.alpha, tol=self.tol)
            self.fit = lambda: model.fit(self.X, self.y)

    def time_fit(self, player):
        self.fit()

    def peakmem_fit(self, player):
        self.fit()

    def track_relative_gradient(self, player):
        found = self.fit()
        coef, intercept = (
            (found.coef, found.intercept)
            if player == "reference"
            else (found.coef_, found.intercept_)
        )
        return relative_gradient(self.X, self.y, self.alpha, coef, intercept)

    track_relative_gradient.unit = "gradient / gradient at zero"


class _Classification:
    """time_, peakmem_ and track_ of a classifier; a subclass has `data`."""

    params = ("1 thread", "2 threads", "scikit-learn")
    param_names = ("player",)

    def setup(self, player):
        pin(player)
        self.X, self.y = self.data()
        if player == "scikit-learn":
            self.model = sklearn_linear_model().RidgeClassifier()
        else:
            import fastridge

            self.model = fastridge.RidgeClassifier()

    def time_fit(self, player):
        self.model.fit(self.X, self.y)

    def peakmem_fit(self, player):
        self.model.fit(self.X, self.y)

    def track_accuracy(self, player):
        return float((self.model.fit(self.X, self.y).predict(self.X) == self.y).mean())

    track_accuracy.unit = "share predicted right"
