"""Reading svmlight text, compared with the NumPy reference and scikit-learn's reader."""

import io
import os
import tempfile

import numpy as np

from . import common


def text(kind, n=20_000, per_row=50, p=1_000_000, seed=0):
    """Return n lines of sorted indices with word-like frequencies, values of few or all digits."""
    rng = np.random.default_rng(seed)
    form = {"ones": "%d:1", "short": "%d:%.6g", "long": "%d:%.17g"}[kind]
    column = (p * rng.random((n, per_row)) ** 3).astype(np.int64) + 1
    value = rng.standard_normal((n, per_row))
    lines = []
    for k in range(n):
        j, first = np.unique(column[k], return_index=True)
        parts = zip(j.tolist(), value[k, first].tolist(), strict=True)
        lines.append(" ".join(["1", *(form % part[: form.count("%")] for part in parts)]))
    return ("\n".join(lines) + "\n").encode()


class Read:
    """A file of a million elements, in the cache of the system."""

    params = (("ones", "short", "long"), common.PLAYERS)
    param_names = ("values", "player")

    def setup(self, values, player):
        common.pin(player)
        content = text(values)
        self.bytes = len(content)
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "x.svm")
        with open(path, "wb") as file:
            file.write(content)
        if player == "reference":
            from fastridge import reference

            self.read = lambda: reference.read_svmlight(content)
        elif player == "scikit-learn":
            try:
                from sklearn.datasets import load_svmlight_file
            except ImportError:
                # asv skips scikit-learn where it is not installed
                raise NotImplementedError from None
            self.read = lambda: load_svmlight_file(path)
        else:
            from fastridge.io import read_svmlight

            self.read = lambda: read_svmlight(path)

    def teardown(self, values, player):
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def time_read(self, values, player):
        self.read()

    def peakmem_read(self, values, player):
        self.read()


class Iterate:
    """Blocks of 1,000 rows of the same text, as partial_fit takes them."""

    params = (("file", "gz"), ("1 thread", "2 threads"))
    param_names = ("source", "player")

    def setup(self, source, player):
        common.pin(player)
        content = text("short")
        if source == "gz":
            import gzip

            content = gzip.compress(content, 1)
        self.content = content

    def time_blocks(self, source, player):
        import gzip

        from fastridge.io import iter_svmlight

        file = io.BytesIO(self.content)
        with gzip.open(file) if source == "gz" else file as opened:
            for _ in iter_svmlight(opened, 1_000, n_features=1_000_001):
                pass
