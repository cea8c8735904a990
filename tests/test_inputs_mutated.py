"""Malformed sparse matrices and hostile arrays: refused, or read as what they stand for."""

import contextlib
import os

import numpy as np
import pytest
import scipy.sparse as sp

import fastridge

pytestmark = pytest.mark.filterwarnings("ignore")

N, P = 12, 4
CASES = 2000 * int(os.environ.get("FASTRIDGE_FUZZ", "1"))  # some 3 seconds for each 2000
PARTS = 15  # for the processes of a run


class Lies:
    """An array-like whose `__array__` returns something else each time, or raises."""

    def __init__(self, answers):
        self.answers, self.shape, self.dtype = list(answers), (N, P), np.dtype(float)

    def __len__(self):
        return N

    def __array__(self, dtype=None, copy=None):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Subclass(np.ndarray):
    pass


def dense(rng):
    """Return an array, or what looks like one, and the numbers that it stands for or None."""
    X = rng.standard_normal((N, P))
    how = rng.integers(16)
    if how == 0:
        return Lies([X, X[:3], np.zeros((N, P, 2))]), None
    if how == 1:
        return Lies([RuntimeError("no numbers")]), None
    if how == 2:
        return X.view(Subclass), X
    if how == 3:
        return np.ma.masked_array(X, mask=rng.random((N, P)) < 0.2 * rng.integers(2)), None
    if how == 4:
        row = X[0].copy()
        return np.lib.stride_tricks.as_strided(row, (N, P), (0, 8)), np.tile(row, (N, 1))
    if how == 5:
        return X.astype(">f8"), X
    if how == 6:
        raw = np.zeros(8 * N * P + 1, dtype=np.uint8)
        found = raw[1:].view(np.float64).reshape(N, P)
        found[:] = X
        return found, X
    if how == 7:
        flat = rng.standard_normal(N + P)
        found = np.lib.stride_tricks.as_strided(flat, (N, P), (8, 8))
        return found, found.copy()
    if how == 8:
        X.setflags(write=False)
        return X, X
    if how == 9:
        return X[::-1, ::-1], X[::-1, ::-1].copy()
    if how == 10:
        return X.astype(object), X
    if how == 11:
        X.flat[rng.integers(X.size)] = [np.nan, np.inf, -np.inf, 1e308][rng.integers(4)]
        return X, None
    if how == 12:
        kinds = [np.float16, np.int8, np.uint64, bool, np.complex128, np.longdouble, "U3", "M8[s]"]
        kind = kinds[rng.integers(len(kinds))]
        return np.arange(N * P).reshape(N, P).astype(kind), None
    if how == 13:
        return np.zeros([(0, P), (N, 0), (N,), (N, P, 1), ()][rng.integers(5)]), None
    if how == 14:
        return np.repeat(X, 2, axis=1)[:, ::2], X
    return np.lib.stride_tricks.as_strided(X[:1, :1], (N, 2**40), (0, 0)), None


def sparse(rng):
    """Return a sparse matrix with a fault or an oddity, and what it stands for or None."""
    form = ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"][rng.integers(7)]
    X = sp.random_array((N, P), density=0.5, format="csr", random_state=int(rng.integers(1000)))
    found = X.asformat(form)
    if rng.random() < 0.2:
        return found, X.toarray()
    if form in ("csr", "csc", "bsr"):
        name = ["data", "indices", "indptr"][rng.integers(3)]
    elif form == "coo":
        name = ["data", "coords"][rng.integers(2)]
    elif form == "lil":
        name = ["data", "rows"][rng.integers(2)]
    elif form == "dia":
        name = ["data", "offsets"][rng.integers(2)]
    else:
        return found, X.toarray()
    value = getattr(found, name)
    part = value[1] if name == "coords" else value
    how = rng.integers(10)
    part = np.array(part)
    huge = [-1, P, N, 2**31 - 1, 2**31, 2**62, -(2**62), 2**63 - 1][rng.integers(8)]
    if how == 0:
        part = part[: rng.integers(len(part) + 1)]
    elif how == 1:
        part = np.concatenate([part, part])
    elif how in (2, 3, 4) and part.size and part.dtype.kind == "i":
        part = part.astype(np.int64)
        part[rng.integers(len(part))] = huge
    elif how == 5 and part.dtype.kind in "if":
        kinds = [np.float32, np.int16, np.uint64, np.float64, bool, ">i4", ">f8", np.complex64]
        part = part.astype(kinds[rng.integers(len(kinds))])
    elif how == 6:
        part = part[::-1]
    elif how == 7:
        part = np.repeat(part, 2, axis=0)[::2]
    elif how == 8 and form == "lil" and part.dtype.kind == "O":
        part = part.copy()
        at = rng.integers(len(part))
        part[at] = [None, [huge], [*part[at], 1], "x", [[1]]][rng.integers(5)]
    else:
        part = part[:, None] if part.ndim == 1 else part.ravel()
    with contextlib.suppress(Exception):
        setattr(found, name, (value[0], part) if name == "coords" else part)
    return found, None


USES = [
    lambda X, y: fastridge.Ridge(0.5).fit(X, y).coef_,
    lambda X, y: fastridge.ridge_path(X, y, [1.0, 0.1]).coef,
    lambda X, y: fastridge.RidgeCV([1.0, 0.1], cv=2).fit(X, y).coef_,
    lambda X, y: fastridge.Lasso(0.1).fit(X, y).coef_,
    lambda X, y: fastridge.glm(X, np.arange(N) % 2, "logistic", 0.1).coef,
    lambda X, y: fastridge.Moments(X, y).gram,
    lambda X, y: fastridge.BayesianRidge(max_iter=2).fit(X, y).coef_,
    lambda X, y: fastridge.SGDRegressor(max_iter=2, tol=None, random_state=0).fit(X, y).coef_,
    lambda X, y: fastridge.Ridge(0.5).fit(np.eye(N, P), y).predict(X),
]
REFUSED = (ValueError, TypeError, IndexError, OverflowError, MemoryError, RuntimeError)


def run(seed, number):
    """Use one input; what it stands for gives the same numbers."""
    rng = np.random.default_rng([seed, number])
    X, plain = dense(rng) if rng.random() < 0.5 else sparse(rng)
    y = rng.standard_normal(N)
    use = USES[rng.integers(len(USES))]
    try:
        found = use(X, y)
    except REFUSED:
        assert plain is None
        return
    if plain is not None:
        np.testing.assert_allclose(found, use(np.array(plain), y), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("part", range(PARTS))
def test_hostile_inputs(part):
    for number in range(part, CASES, PARTS):
        run(18, number)


@pytest.mark.parametrize("name", ["indices", "indptr"])
@pytest.mark.parametrize("form", ["csr", "csc", "bsr"])
def test_indices_that_a_conversion_would_change(form, name):
    X = sp.random_array((N, P), density=0.5, format=form, random_state=0)
    value = getattr(X, name).astype(np.int64)
    value[1] = -(2**62)
    setattr(X, name, value)
    with pytest.raises(ValueError, match="malformed"):
        fastridge.Ridge().fit(X, np.ones(N))
    setattr(X, name, value.astype(complex))
    with pytest.raises(ValueError, match=f"{name} has dtype complex128; expected integers"):
        fastridge.Ridge().fit(X, np.ones(N))


@pytest.mark.parametrize(
    "cls", [fastridge.Ridge, fastridge.RidgeClassifier, fastridge.SGDRegressor]
)
def test_predictions_of_data_that_is_not_aligned(cls):
    X = np.random.default_rng(0).standard_normal((N, P))
    model = cls().fit(X, np.arange(N) % 2)
    unaligned = np.zeros(8 * N * P + 1, dtype=np.uint8)[1:].view(np.float64).reshape(N, P)
    by_column = unaligned.reshape(P, N).T
    by_column[:] = X
    np.testing.assert_array_equal(model.predict(by_column), model.predict(np.asfortranarray(X)))
    unaligned[:] = X
    np.testing.assert_array_equal(model.predict(unaligned), model.predict(X))
