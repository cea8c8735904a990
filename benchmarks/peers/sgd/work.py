"""Data of one epoch: rows to learn from, and held-out rows to measure the loss."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

HELD_OUT = 0.2  # share of the rows


@dataclass
class Rows:
    """X, dense in C order or CSR, and y: -1 and 1 for "log_loss", numbers for "squared_error"."""

    X: Any
    y: np.ndarray

    @property
    def elements(self) -> int:
        return self.X.nnz if scipy.sparse.issparse(self.X) else self.X.size

    def repeated(self, copies: int) -> Rows:
        """Return the rows repeated."""
        if copies == 1:
            return self
        y = np.tile(self.y, copies)
        if not scipy.sparse.issparse(self.X):
            return Rows(np.tile(self.X, (copies, 1)), y)
        X = self.X
        starts = X.indptr[:-1][None, :] + X.nnz * np.arange(copies, dtype=np.int64)[:, None]
        indptr = np.append(starts.ravel(), copies * X.nnz)
        parts = np.tile(X.data, copies), np.tile(X.indices, copies), indptr
        if indptr[-1] < 2**31:
            parts = *parts[:2], indptr.astype(np.int32)
        shape = copies * X.shape[0], X.shape[1]
        return Rows(scipy.sparse.csr_array(parts, shape=shape), y)

    def first(self, n: int) -> Rows:
        return self if n >= len(self.y) else Rows(self.X[:n], self.y[:n])


@dataclass
class Work:
    """A loss, the training rows, in the order that all libraries use, and the held-out rows."""

    name: str
    loss: str
    train: Rows
    test: Rows
    copies: int = 1

    def held_out(self, predictions) -> float:
        """Return the mean loss of linear predictors on the held-out rows."""
        p = np.asarray(predictions, np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.loss == "log_loss":
                return float(np.logaddexp(0.0, -self.test.y * p).mean())
            return float(((self.test.y - p) ** 2).mean())


def split(name, X, y, copies=1, seed=0) -> Work:
    """Shuffle once, hold out a fifth. Two values of y are classes."""
    n = len(y)
    order = np.random.default_rng(seed).permutation(n)
    values = np.unique(y)
    loss = "log_loss" if len(values) == 2 else "squared_error"
    y = np.where(y == values[1], 1.0, -1.0) if len(values) == 2 else np.asarray(y, np.float64)
    train, test = order[: n - int(HELD_OUT * n)], order[n - int(HELD_OUT * n) :]
    return Work(name, loss, Rows(X[train], y[train]), Rows(X[test], y[test]), copies)


def zipf(n, p, length, seed=0):
    """Documents of about `length` words of a Zipf distribution, tf-idf, of unit length."""
    rng = np.random.default_rng(seed)
    frequency = 1.0 / (np.arange(p) + 5.0)
    edges = np.cumsum(frequency / frequency.sum())
    value = -np.log(np.diff(edges, prepend=0.0))
    weight = rng.standard_normal(p)
    data, indices, sizes, signal = [], [], [], []
    for first in range(0, n, 100_000):
        words = np.searchsorted(edges, rng.random((min(100_000, n - first), length)))
        words = np.sort(words.clip(max=p - 1).astype(np.int32), axis=1)
        new = np.ones(words.shape, bool)
        new[:, 1:] = words[:, 1:] != words[:, :-1]
        x = np.where(new, value[words], 0.0)
        x /= np.sqrt((x**2).sum(axis=1, keepdims=True))
        signal.append((x * weight[words]).sum(axis=1))
        sizes.append(new.sum(axis=1))
        data.append(x[new])
        indices.append(words[new])
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int32)
    parts = np.concatenate(data), np.concatenate(indices), indptr
    X = scipy.sparse.csr_array(parts, shape=(n, p))
    odds = 4.0 * np.concatenate(signal)
    return X, np.where(rng.random(n) < 1.0 / (1.0 + np.exp(-odds)), 1.0, -1.0)


def dense(n, p, seed=0):
    """Unit normals, y linear in them with noise of the same size."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    return X, X @ rng.standard_normal(p) / np.sqrt(p) + rng.standard_normal(n)


def flights():
    """The data of examples/flights.py, by its own functions: one-hot, and the delay."""
    path = Path(__file__).resolve().parents[3] / "examples" / "flights.py"
    spec = importlib.util.spec_from_file_location("flights", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    columns = example.read_flights(example.data_folder(), None)
    X = example.one_hot(example.features(columns))
    return X, np.asarray(columns["arr_delay"], dtype=np.float64)


def delayed():
    X, delay = flights()
    return X, delay > 15.0


CASES: dict[str, Callable[[], Work]] = {
    "tiny words": lambda: split("tiny words", *zipf(3_000, 500, 20)),
    "tiny dense": lambda: split("tiny dense", *dense(2_000, 10)),
    "words 1,600,000 x 100,000": lambda: split(
        "words 1,600,000 x 100,000", *zipf(1_600_000, 100_000, 75)
    ),
    "words 200,000 x 100,000": lambda: split(
        "words 200,000 x 100,000", *zipf(200_000, 100_000, 75)
    ),
    "dense 1,250,000 x 50": lambda: split("dense 1,250,000 x 50", *dense(1_250_000, 50)),
    "flights delayed": lambda: split("flights delayed", *delayed()),
    "flights": lambda: split("flights", *flights()),
}
TINY = tuple(name for name in CASES if name.startswith("tiny"))


def of_folder(folder: Path, copies: int) -> Iterator[tuple[str, Callable[[], Work]]]:
    """Cases of the .npz files of a folder: y, and X, or data, indices, indptr, shape of a CSR."""
    for path in sorted(folder.glob("*.npz")):
        yield path.stem, lambda path=path: _read(path, copies)


def _read(path: Path, copies: int) -> Work:
    with np.load(path, allow_pickle=False) as file:
        y = file["y"]
        if "X" in file:
            X = np.ascontiguousarray(file["X"], dtype=np.float64)
        else:
            parts = file["data"].astype(np.float64), file["indices"], file["indptr"]
            X = scipy.sparse.csr_array(parts, shape=tuple(file["shape"]))
            X.sum_duplicates()
    return split(path.stem, X, y, copies)
