"""Sparse rows that are looked at while they are learned."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp

from fastridge import SGDClassifier, SGDRegressor
from fastridge.data.check import check_rows
from fastridge.solvers.sgd.learner import Learner, Rule, Unsound, shuffled_order

LONG = 20_000  # rows that are more than one window, and more than a cache is taken to hold


def design(n=LONG, p=60, seed=0, dtype=np.float64, index=np.int32, ones=False):
    rng = np.random.default_rng(seed)
    X = sp.random_array((n, p), density=0.4, format="csr", rng=rng, dtype=dtype)
    X.data[:] = 1.0 if ones else rng.standard_normal(X.nnz)
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    X.sort_indices()
    score = X @ rng.standard_normal(p)
    return X, np.where(score + rng.standard_normal(n) > np.median(score), 1.0, -1.0)


def raw(X, **parts):
    """A CSR array of changed parts, which scipy has not looked at."""
    found = sp.csr_array(X.shape, dtype=X.dtype)
    for name in ("data", "indices", "indptr"):
        setattr(found, name, parts.get(name, getattr(X, name)).copy())
    return found


def changed(X, name, place, value):
    part = getattr(X, name).copy()
    part[place] = value
    return raw(X, **{name: part})


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["auto", "invscaling"])
@pytest.mark.parametrize("ones", [False, True])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_as_dense_rows(rate, ones, index):
    X, y = design(ones=ones, index=index)
    models = [
        SGDClassifier("log_loss", learning_rate=rate, max_iter=2, tol=None, shuffle=False)
        for _ in range(2)
    ]
    one, other = models[0].fit(X, y), models[1].fit(X.toarray(), y)
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-10, atol=1e-13)


def test_ones_until_another_value():
    """Values are taken as ones up to the first that is not: nothing depends on it."""
    X, y = design(ones=True)
    X.data[X.nnz * 3 // 4] = 2.5
    whole = SGDClassifier("log_loss", max_iter=1, tol=None, random_state=0).fit(X, y)
    A = check_rows(X, None, "")
    never = X.copy()
    never.data[0] = 1.0 + 2.0**-52  # no value is taken as one
    other = SGDClassifier("log_loss", max_iter=1, tol=None, random_state=0).fit(never, y)
    np.testing.assert_allclose(other.coef_, whole.coef_, rtol=1e-9)
    learner = Learner(X.shape[1], 1, Rule("log_loss"))
    order = shuffled_order(LONG, 12.0 * X.nnz / LONG, 0)
    learner.learn(A, y, order=order)
    assert not A.unseen
    again = Learner(X.shape[1], 1, Rule("log_loss"))
    again.learn(A, y, order=order)
    assert (again.coef() == learner.coef()).all()


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("indices", 60, "malformed sparse matrix: indices: expected 0 to 59; got 60"),
        ("indices", -1, "expected 0 to 59; got -1"),
        ("data", np.nan, "NaN, at row and column"),
        ("data", -np.inf, "infinity"),
    ],
)
def test_refused(shuffle, place, name, value, words):
    X, y = design()
    bad = changed(X, name, place, value)
    model = SGDClassifier(max_iter=1, tol=None, shuffle=shuffle, random_state=0)
    with pytest.raises(ValueError, match=words):
        model.fit(bad, y)
    assert not hasattr(model, "coef_")
    model.partial_fit(X[:300], y[:300], classes=[-1.0, 1.0])
    before = pickle.dumps(model._learner.state())
    weight = np.ones(LONG)
    weight[[0, -1]] = 0.0  # rows without weight are looked at, too
    with pytest.raises(ValueError, match=words):
        model.partial_fit(bad, y, sample_weight=weight)
    assert pickle.dumps(model._learner.state()) == before


@pytest.mark.parametrize("kind", ["unsorted", "repeated"])
@pytest.mark.parametrize("estimator", [SGDClassifier, SGDRegressor])
def test_sorted_on_the_way(kind, estimator):
    X, y = design()
    k = X.indptr[LONG - 5]
    if kind == "unsorted":
        indices, data = X.indices.copy(), X.data.copy()
        indices[[k, k + 1]], data[[k, k + 1]] = indices[[k + 1, k]], data[[k + 1, k]]
        other = raw(X, indices=indices, data=data)
    else:
        data = X.data.copy()
        data[k] /= 2
        indptr = X.indptr.copy()
        indptr[LONG - 4 :] += 1
        parts = np.insert(X.indices, k, X.indices[k]), np.insert(data, k, data[k]), indptr
        other = raw(X, indices=parts[0], data=parts[1], indptr=parts[2])
    kept = other.indices.copy()
    models = [estimator(max_iter=2, tol=None, shuffle=False) for _ in range(4)]
    one, same = models[0].fit(X, y), models[1].fit(other, y)
    assert (one.coef_ == same.coef_).all()
    more = {"classes": [-1.0, 1.0]} if estimator is SGDClassifier else {}
    one, same = models[2].partial_fit(X, y, **more), models[3].partial_fit(other, y, **more)
    assert (one.coef_ == same.coef_).all()
    assert (other.indices == kept).all()


def test_few_rows_of_many_columns():
    """A call that keeps the rows' columns alone to undo itself."""
    X = sp.csr_array((np.ones(2), np.array([1, 100_000]), np.array([0, 2])), shape=(1, 100_000))
    model = SGDClassifier().partial_fit(sp.csr_array((1, 100_000)), [1], classes=[0, 1])
    with pytest.raises(ValueError, match="expected 0 to 99999; got 100000"):
        model.partial_fit(X, [1])


def test_y_that_writes_to_pointers():
    X, y = design(500)

    class Writes:
        def __array__(self, dtype=None, copy=None):
            X.indptr[200] = 2**30
            return y

    with pytest.raises(ValueError, match="has changed during the fit"):
        SGDClassifier().fit(X, Writes())


def test_learner():
    X, y = design(2000)
    bad = changed(X, "indices", -1, 60)
    learner = Learner(60, 1, Rule("log_loss"))
    with pytest.raises(Unsound):
        learner.learn(check_rows(bad, None, ""), y)
    assert learner.t == 1.0
    learner.rule = learner.rule._replace(batch_size=100)
    with pytest.raises(ValueError, match="as many targets"):
        learner.learn(check_rows(X, None, ""), y)


@pytest.mark.parametrize("rate", ["auto", "invscaling"])
def test_averages_that_begin_within_a_window(rate):
    X = sp.random_array((400, 50), density=0.2, format="csr", rng=np.random.default_rng(1))
    y = np.random.default_rng(2).standard_normal(400)
    options = {"average": 300, "learning_rate": rate, "random_state": 0, "max_iter": 3, "tol": None}
    wrong = X.copy()
    wrong.indices[wrong.indptr[400] - 1] = 10**9
    with pytest.raises(ValueError, match="malformed sparse matrix"):
        SGDRegressor(**options).fit(wrong, y)
    wrong = X.copy()
    wrong.data[wrong.indptr[400] - 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        SGDRegressor(**options).fit(wrong, y)


@pytest.mark.parametrize("rate", ["auto", "optimal"])
def test_parts_of_windows(rate):
    """No row of a part is learned before it was looked at, wherever the part begins and ends."""
    n, p = 24, 5
    rng = np.random.default_rng(3)
    X = sp.csr_array(rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.7))
    y = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    windows = [np.sort(part) for part in np.split(rng.permutation(n), [8, 16])]
    ahead, order = np.concatenate(windows), np.concatenate([rng.permutation(w) for w in windows])

    def learned(X, y, order, ahead, begin, end):
        learner, A = Learner(p, 1, Rule("log_loss", learning_rate=rate)), check_rows(X, None, "")
        learner._set_rule()
        steps = learner._steps
        found = steps.learn(A, y, None, True, None, None, order, ahead, 8, begin, end, 1)
        return learner, A.unseen, found, steps.unsound

    for begin in range(n):
        for end in range(begin + 1, n + 1):
            for place in (order[begin], order[end - 1], order[(begin + end) // 2]):
                last = X.indptr[place + 1] - 1
                if last >= X.indptr[place]:
                    bad = changed(X, "indices", last, 2**30)
                    found = learned(bad, y, order, ahead, begin, end)
                    assert found[1:] == (True, None, True), (begin, end, place)
            one, unseen, _, _ = learned(X, y, order, ahead, begin, end)
            assert unseen == (end - begin < n)
            rows = order[begin:end]
            other = learned(X[rows], y[rows], None, None, 0, end - begin)[0]
            np.testing.assert_allclose(one.coef(), other.coef(), rtol=1e-12)
