"""Sums of data: in one pass, by chunks, added, subtracted, and fitted."""

import numpy as np

from . import common


def _data(storage):
    if storage == "dense":
        return common.dense(100_000, 100)
    # 1,000 frequent columns, as one-hot data have
    return common.one_hot(50_000, 1_000, 20)


class Moments:
    """`Moments(X, y)`, compared with NumPy's shifted sums, and SciPy's product for sparse data."""

    params = (["dense", "one-hot"], common.KERNEL_PLAYERS)
    param_names = ("data", "player")

    def setup(self, data, player):
        common.pin(player)
        X, y = _data(data)
        if player != "reference":
            import fastridge

            self.sum = lambda: fastridge.Moments(X, y)
        elif data == "dense":
            from fastridge import reference

            self.sum = lambda: reference.moments(X, y)
        else:
            XT = X.T.tocsr()
            self.sum = lambda: XT @ X

    def time_moments(self, data, player):
        self.sum()

    def peakmem_moments(self, data, player):
        self.sum()


class Data:
    """Memory of the data only."""

    params = ("dense", "one-hot")
    param_names = ("data",)

    def setup(self, data):
        common.pin("1 thread")
        self.X, self.y = _data(data)

    def peakmem_data(self, data):
        pass


class Chunks:
    """10 chunks of 10,000 x 100 by `update`, and by `Ridge.partial_fit`, which fits each time."""

    params = common.KERNEL_PLAYERS
    param_names = ("player",)

    def setup(self, player):
        common.pin(player)
        X, y = common.dense(100_000, 100)
        self.chunks = list(zip(np.split(X, 10), np.split(y, 10), strict=True))
        if player == "reference":
            from fastridge import reference as library
        else:
            import fastridge as library
        self.library, self.is_reference = library, player == "reference"

    def _update(self):
        if not self.is_reference:
            moments = self.library.Moments()
            for X, y in self.chunks:
                moments.update(X, y)
            return
        sums = self.library.moments(*self.chunks[0])
        for X, y in self.chunks[1:]:
            sums = self.library.add_moments(sums, self.library.moments(X, y))

    def time_update(self, player):
        self._update()

    def peakmem_update(self, player):
        self._update()

    def time_partial_fit(self, player):
        if self.is_reference:
            sums = self.library.moments(*self.chunks[0])
            self.library.ridge_of_moments(sums)
            for X, y in self.chunks[1:]:
                sums = self.library.add_moments(sums, self.library.moments(X, y))
                self.library.ridge_of_moments(sums)
            return
        model = self.library.Ridge()
        for X, y in self.chunks:
            model.partial_fit(X, y)


class Group:
    """a + b, a - b, and ridge of moments, of 100 and 1,000 features."""

    params = ([100, 1_000], common.KERNEL_PLAYERS)
    param_names = ("features", "player")

    def setup(self, features, player):
        common.pin(player)
        X, y = common.dense(3 * features, features)
        half = len(X) // 2
        if player == "reference":
            from fastridge import reference

            a, b = reference.moments(X, y), reference.moments(X[:half], y[:half])
            self.add = lambda: reference.add_moments(a, b)
            self.subtract = lambda: reference.subtract_moments(a, b)
            self.fit = lambda: reference.ridge_of_moments(a, 1.0)
        else:
            import fastridge

            a, b = fastridge.Moments(X, y), fastridge.Moments(X[:half], y[:half])
            self.add = lambda: a + b
            self.subtract = lambda: a - b
            self.fit = lambda: fastridge.ridge(a, alpha=1.0)

    def time_add(self, features, player):
        self.add()

    def time_subtract(self, features, player):
        self.subtract()

    def time_ridge(self, features, player):
        self.fit()
