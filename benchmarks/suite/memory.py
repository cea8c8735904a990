"""Peak memory of a process that makes 32 MB of data and fits it; `peakmem_data` fits nothing."""

import numpy as np

from . import common


class Dense:
    params = ("C", "F", "float32")
    param_names = ("data",)

    def setup(self, data):
        common.pin("1 thread")
        import fastridge

        self.fastridge = fastridge
        # float32 has twice the rows, for the same number of bytes
        n = 40_000 if data == "float32" else 20_000
        order = "F" if data == "F" else "C"
        dtype = np.float32 if data == "float32" else np.float64
        self.X = np.ones((n, 200), dtype=dtype, order=order)
        self.X[: n // 2, ::2] = 2.0
        self.y = np.arange(float(n))

    def peakmem_data(self, data):
        pass

    def peakmem_ridge(self, data):
        self.fastridge.ridge(self.X, self.y)

    def peakmem_standardize(self, data):
        self.fastridge.ridge(self.X, self.y, standardize=True)

    def peakmem_predict(self, data):
        model = self.fastridge.Ridge()
        model.coef_, model.intercept_ = np.ones(200, self.X.dtype), 0.0
        model.n_features_in_ = 200
        model.predict(self.X)


class Sparse:
    params = ("csr", "csc")
    param_names = ("storage",)

    def setup(self, storage):
        common.pin("1 thread")
        import fastridge

        self.fastridge = fastridge
        self.X, self.y = common.one_hot(130_000, 2_000, 20, format=storage)

    def peakmem_data(self, storage):
        pass

    def peakmem_ridge(self, storage):
        self.fastridge.ridge(self.X, self.y, tol=1e-4)
