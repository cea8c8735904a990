"""Vowpal Wabbit, from its wheel: an epoch reads its cache file, without parsing."""

import importlib.metadata
import math
import tempfile
import weakref
from pathlib import Path

import numpy as np
import scipy.sparse

LOSS = {"log_loss": "logistic", "squared_error": "squared"}
MOST = 20_000_000  # bound on elements written as text; larger data are cut to their first rows


def version():
    return importlib.metadata.version("vowpalwabbit")


def lines(X, y):
    """Return rows in its text format."""
    X = scipy.sparse.csr_array(X)
    columns, values, ends = X.indices.tolist(), X.data.tolist(), X.indptr.tolist()
    for i, target in enumerate(y.tolist()):
        at = range(ends[i], ends[i + 1])
        yield f"{target:.9g} | " + " ".join(f"{columns[k]}:{values[k]:.9g}" for k in at) + "\n"


def write(path, X, y, step=20_000):
    with open(path, "w") as file:
        for first in range(0, len(y), step):
            file.writelines(lines(X[first : first + step], y[first : first + step]))


class Folder:
    """A temporary folder, removed with the object."""

    def __init__(self):
        self._made = tempfile.TemporaryDirectory()
        weakref.finalize(self, self._made.cleanup)
        self.path = Path(self._made.name)


def run(arguments):
    from vowpalwabbit import Workspace

    Workspace(f"{arguments} --quiet").finish()


def epoch(loss):
    def prepare(rows):
        folder = Folder()
        text, cache, kept = (folder.path / name for name in ("rows", "cache", "model"))
        n = max(1, int(len(rows.y) * min(1.0, MOST / rows.elements)))
        part = rows.first(n)
        write(text, part.X, part.y)
        bits = max(18, math.ceil(math.log2(2 * part.X.shape[1] + 2)))
        learn = f"-d {text} --cache_file {cache} -b {bits} --loss_function {LOSS[loss]}"
        run(f"{learn} -k -f {kept}")

        def predict(X):
            write(folder.path / "test", X, np.zeros(X.shape[0]))
            run(f"-d {folder.path / 'test'} -t -i {kept} -p {folder.path / 'found'}")
            return np.loadtxt(folder.path / "found", usecols=0)

        def call():
            run(learn)
            return predict

        call.elements = part.elements
        return call

    return prepare


def players(work, options):
    try:
        version()
    except importlib.metadata.PackageNotFoundError:
        return
    yield "default", epoch(work.loss)


def small(X, y):
    try:
        version()
    except importlib.metadata.PackageNotFoundError:
        return
    from vowpalwabbit import Workspace

    found = Workspace("--loss_function logistic --quiet")
    texts = list(lines(X, y))

    def call():
        for text in texts:
            found.learn(text)

    yield "learn, row by row", call
