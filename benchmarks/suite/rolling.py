"""Windows of one series, and of the series of a panel."""

import numpy as np

from . import common


class Rolling:
    """Windows of 252 rows of 200,000 x 10, compared with sliding views and batched solves."""

    params = (
        ["window", "half-life", "all rows", "5 penalties", "1,000 groups"],
        ("1 thread", "2 threads", "NumPy"),
    )
    param_names = ("windows", "player")

    def setup(self, windows, player):
        common.pin(player)
        rng = np.random.default_rng(0)
        n = 20_000 if player == "NumPy" else 200_000
        X = rng.standard_normal((n, 10)) + 1e6
        y = (X - 1e6).sum(axis=1) + rng.standard_normal(n)
        if player == "NumPy":
            if windows != "window":
                raise NotImplementedError  # sliding views only have windows of one length
            self.fit = lambda: _sliding(X, y, 252, 1.0)
            return
        import fastridge

        given = {
            "window": {"window": 252},
            "half-life": {"half_life": 80.0},
            "all rows": {"expanding": True},
            "5 penalties": {"window": 252, "alpha": [0.01, 0.1, 1.0, 10.0, 100.0]},
            "1,000 groups": {"window": 60, "groups": np.arange(n) % 1000},
        }[windows]
        self.fit = lambda: fastridge.rolling_ridge(X, y, **given)

    def time_fit(self, windows, player):
        self.fit()

    def peakmem_fit(self, windows, player):
        self.fit()


class WideRolling:
    """Windows of 500 rows of 200 features, which share factors, compared with batched solves."""

    params = (["window", "half-life", "all rows"], ("1 thread", "2 threads", "NumPy"))
    param_names = ("windows", "player")

    def setup(self, windows, player):
        common.pin(player)
        rng = np.random.default_rng(0)
        n = 600 if player == "NumPy" else 3_000
        X = rng.standard_normal((n, 200))
        y = X.sum(axis=1) + rng.standard_normal(n)
        if player == "NumPy":
            if windows != "window":
                raise NotImplementedError  # sliding views only have windows of one length
            self.fit = lambda: _sliding(X, y, 500, 1.0, 50)
            return
        import fastridge

        given = {
            "window": {"window": 500},
            "half-life": {"half_life": 200.0, "min_samples": 300},
            "all rows": {"expanding": True},
        }[windows]
        self.fit = lambda: fastridge.rolling_ridge(X, y, **given)

    def time_fit(self, windows, player):
        self.fit()


def _sliding(X, y, window, alpha, rows=5_000):
    """Normal equations of all windows, in batches; for a tenth of the rows, as it is slow."""
    views = np.lib.stride_tricks.sliding_window_view(X, window, axis=0)
    targets = np.lib.stride_tricks.sliding_window_view(y, window)
    coef = []
    for i in range(0, len(targets), rows):
        A = views[i : i + rows] - views[i : i + rows].mean(axis=2, keepdims=True)
        b = targets[i : i + rows] - targets[i : i + rows].mean(axis=1, keepdims=True)
        G = A @ A.transpose(0, 2, 1) + alpha * np.eye(X.shape[1])
        coef.append(np.linalg.solve(G, A @ b[..., None])[..., 0])
    return np.concatenate(coef)
