"""Data that change at the start of a fit, and malformed sparse data that SciPy would misread."""

import numpy as np
import pytest
import scipy.sparse as sp

import fastridge as fr

N, P = 60, 8


class Meanwhile:
    """An array-like that first runs `act`."""

    def __init__(self, array, act):
        self.array, self.act = array, act

    def __array__(self, dtype=None, copy=None):
        self.act()
        return np.array(self.array, dtype)

    def __len__(self):
        return len(self.array)


class Splitter:
    def __init__(self, act):
        self.act = act

    def split(self, X, y=None, groups=None):
        self.act()
        rows = np.arange(N)
        yield rows[: N // 2], rows[N // 2 :]
        yield rows[N // 2 :], rows[: N // 2]

    def get_n_splits(self, X=None, y=None, groups=None):
        return 2


def design(kind):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, P)) * (rng.random((N, P)) < 0.5)
    return (sp.csr_array if kind == "csr" else sp.csc_array)(X), rng.standard_normal(N)


FITS = {
    "Ridge": lambda X, y, w: fr.Ridge().fit(X, y, w),
    "ridge": lambda X, y, w: fr.ridge(X, y, 1.0, sample_weight=w),
    "ridge_path": lambda X, y, w: fr.ridge_path(X, y, [1.0], sample_weight=w),
    "Moments": lambda X, y, w: fr.Moments(X, y, w),
    "Lasso": lambda X, y, w: fr.Lasso(0.1).fit(X, y, w),
    "elastic_net": lambda X, y, w: fr.elastic_net(X, y, 0.1, sample_weight=w),
    "MultiTaskLasso": lambda X, y, w: fr.MultiTaskLasso(0.1).fit(X, y, w),
    "RidgeCV": lambda X, y, w: fr.RidgeCV().fit(X, y, w),
    "RidgeCV by folds": lambda X, y, w: fr.RidgeCV(cv=3).fit(X, y, w),
    "LassoCV": lambda X, y, w: fr.LassoCV(cv=3, alphas=[0.1]).fit(X, y, w),
    "BayesianRidge": lambda X, y, w: fr.BayesianRidge().fit(X, y, w),
    "RidgeClassifier": lambda X, y, w: fr.RidgeClassifier().fit(X, y, w),
}


@pytest.mark.parametrize("argument", ["y", "sample_weight"])
@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.parametrize("name", FITS)
def test_indices_rewritten_by_another_argument(name, kind, argument):
    X, y = design(kind)
    if name == "RidgeClassifier":
        y = (y > 0).astype(int)
    if name == "MultiTaskLasso":
        y = np.c_[y, y]
    weight = np.ones(N)

    def act():
        X.indices[:] = 2**31 - 1

    if argument == "y":
        y = Meanwhile(y, act)
    else:
        weight = Meanwhile(weight, act)
    with pytest.raises(ValueError, match="X has changed during the fit: indices: expected 0 to"):
        FITS[name](X, y, weight)


@pytest.mark.parametrize("what", ["alpha", "penalty_factor", "order", "indptr"])
def test_structure_changed_by_penalties(what):
    X, y = design("csr")

    def act():
        if what == "order":
            X.indices[:] = X.indices[::-1].copy()
        elif what == "indptr":
            X.indptr[1:] = 2**31 - 1
        else:
            X.indices[:] = -1

    given = {"alpha": 1.0, "penalty_factor": Meanwhile(np.ones(P), act)}
    if what == "alpha":
        given = {"alpha": Meanwhile(1.0, act)}
    with pytest.raises(ValueError, match="X has changed during the fit"):
        fr.ridge(X, y, **given)


@pytest.mark.parametrize("mean", [np.zeros(P), np.ones(P)])
@pytest.mark.parametrize("what", ["prior_mean", "penalty_matrix"])
def test_indices_rewritten_by_a_prior(what, mean):
    def act():
        X.indices[:] = 2**31 - 1

    matrix = np.eye(P) + np.full((P, P), 0.5)
    for solver in ("auto", "cg"):
        X, y = design("csr")
        given = {"prior_mean": mean, "penalty_matrix": matrix}
        given[what] = Meanwhile(given[what], act)
        with pytest.raises(ValueError, match="X has changed during the fit"):
            fr.Ridge(solver=solver, **given).fit(X, y)


@pytest.mark.parametrize("model", [fr.RidgeCV, fr.LassoCV])
def test_indices_rewritten_by_a_splitter(model):
    X, y = design("csr")
    fitted = model(alphas=[0.1, 1.0], cv=Splitter(lambda: None)).fit(X, y)
    assert np.isfinite(fitted.coef_).all()

    def act():
        X.indices[:] = 2**31 - 1

    with pytest.raises(ValueError, match="X has changed during the fit"):
        model(alphas=[0.1, 1.0], cv=Splitter(act)).fit(X, y)


@pytest.mark.parametrize("model", [fr.RidgeCV, fr.LassoCV])
def test_held_out_indices_rewritten_by_their_targets(model):
    X, y = design("csr")
    other, _ = design("csr")

    def act():
        other.indices[:] = 2**31 - 1

    held = (other, Meanwhile(y, act))
    with pytest.raises(ValueError, match="X has changed during the fit"):
        model(alphas=[0.1], validation=held).fit(X, y)


def test_values_that_rewrite_the_indices():
    class Value(float):
        def __float__(self):
            X.indices[:] = 99
            return 1.0

    X, y = design("csr")
    values = np.empty(X.nnz, dtype=object)
    values[:] = [Value(1.0)] * X.nnz
    X.data = values
    with pytest.raises(ValueError, match="X is a malformed sparse matrix: indices"):
        fr.Ridge().fit(X, y)


def test_lists_are_no_change():
    X, y = design("csr")
    expected = fr.Ridge().fit(X, y).coef_
    np.testing.assert_array_equal(fr.Ridge().fit(X, y.tolist()).coef_, expected)


def lil(dtype=float):
    return sp.lil_matrix(np.array([[1.0, 0, 2], [0, 0, 0], [0, 3, 0]], dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
@pytest.mark.parametrize("make", [sp.lil_matrix, sp.lil_array])
def test_lists_of_lists(make, dtype):
    rng = np.random.default_rng(0)
    X = (rng.random((30, 5)) < 0.4) * rng.integers(1, 9, (30, 5))
    X = X.astype(dtype)
    y = rng.standard_normal(30)
    expected = fr.Ridge().fit(sp.csr_array(X), y)
    found = fr.Ridge().fit(make(X), y)
    np.testing.assert_array_equal(found.coef_, expected.coef_)
    assert found.coef_.dtype == expected.coef_.dtype


def shorten_rows(A):
    A.rows = A.rows[:-1]


def shorten_data(A):
    A.data = A.data[:1]


def lengthen_row(A):
    A.rows[0].append(1)


def far_index(A):
    A.rows[2][0] = 7


def negative_index(A):
    A.rows[2][0] = -1


def string_index(A):
    A.rows[2][0] = "a"


def string_value(A):
    A.data[2][0] = "a"


def huge_index(A):
    A.rows[2][0] = 10**30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shorten_rows, r"rows has shape \(2,\) and data \(3,\); expected \(3,\)"),
        (shorten_data, r"rows has shape \(3,\) and data \(1,\)"),
        (lengthen_row, "row 0 has 3 indices and 2 values"),
        (far_index, "expected 0 to 2; got 7"),
        (negative_index, "expected 0 to 2; got -1"),
        (string_index, "'a'"),
        (string_value, "'a'"),
        (huge_index, "too large"),
    ],
)
def test_malformed_lists_of_lists(change, message):
    A = lil()
    change(A)
    with pytest.raises(ValueError, match="X is a malformed sparse matrix: .*" + message):
        fr.Ridge().fit(A, np.ones(3))


def test_malformed_diagonals_and_coordinates():
    A = sp.dia_matrix(np.eye(4))
    A.offsets = np.array([0, 1, 2], np.int32)
    with pytest.raises(ValueError, match="a row of data for each offset"):
        fr.Ridge().fit(A, np.ones(4))
    A = sp.coo_array(np.eye(4))
    A.coords = (A.coords[0][:2], A.coords[1])
    with pytest.raises(ValueError, match="coordinates on axis 0"):
        fr.Ridge().fit(A, np.ones(4))
    A = sp.dok_matrix(np.eye(4))
    A._dict[(9, 0)] = 1.0
    with pytest.raises(ValueError, match=r"malformed sparse matrix|exceeds matrix dimension"):
        fr.Ridge().fit(A, np.ones(4))


@pytest.mark.parametrize("model", [fr.RidgeClassifier, fr.RidgeClassifierCV])
def test_masked_labels(model):
    X = np.arange(8.0)[:, None]
    y = np.ma.array([0, 1] * 4, mask=[0, 0, 1, 0, 0, 0, 0, 0])
    with pytest.raises(ValueError, match="y is a masked array with masked values"):
        model().fit(X, y)
    whole = model().fit(X, np.ma.array([0, 1] * 4))
    np.testing.assert_array_equal(whole.coef_, model().fit(X, [0, 1] * 4).coef_)


def test_integers_beyond_float64():
    X = np.arange(8.0)[:, None]
    big = np.array([10**400] + [1] * 7, dtype=object)
    for fit in (
        lambda: fr.Ridge().fit(X, big),
        lambda: fr.Ridge().fit(big[:, None], X[:, 0]),
        lambda: fr.Ridge().fit(X, X[:, 0], big),
        lambda: fr.RidgeClassifier().fit(X, big),
        lambda: fr.ridge(X, X[:, 0], 10**400),
        lambda: fr.Ridge(alpha=10**400).fit(X, X[:, 0]),
        lambda: fr.Lasso(alpha=10**400).fit(X, X[:, 0]),
        lambda: fr.RidgeCV(alphas=[10**400]).fit(X, X[:, 0]),
    ):
        with pytest.raises(ValueError, match=r"too large|finite|float64"):
            fit()


# fits that call a function of the caller, on one thread: others would read X at the same time
CALLED = {
    "ridge_path": lambda X, y, act: fr.ridge_path(X, y, [9.0, 1.0], solver="cg", callback=act),
    "elastic_net_path": lambda X, y, act: fr.elastic_net_path(X, y, alphas=4, callback=act),
    "elastic_net_path by stop": lambda X, y, act: fr.elastic_net_path(X, y, alphas=4, stop=act),
    "enet_path": lambda X, y, act: fr.enet_path(X, np.c_[y, y], alphas=4, callback=act),
    "glm_path": lambda X, y, act: fr.glm_path(X, y > 0, "logistic", alphas=4, callback=act),
    "glm_path by stop": lambda X, y, act: fr.glm_path(
        X, y > 0, "logistic", alphas=4, l1_ratio=1.0, stop=act
    ),
    "RidgeCV": lambda X, y, act: fr.RidgeCV([9.0, 1.0], cv=2, callback=act).fit(X, y),
    "RidgeCV by a scorer": lambda X, y, act: fr.RidgeCV([9.0, 1.0], cv=2, scoring=act).fit(X, y),
    "RidgeCV by a choice": lambda X, y, act: fr.RidgeCV([9.0, 1.0], cv=2, select=act).fit(X, y),
    "RidgeCV by one row": lambda X, y, act: fr.RidgeCV([9.0, 1.0], callback=act).fit(X, y),
    "RidgeClassifierCV": lambda X, y, act: fr.RidgeClassifierCV([9.0, 1.0], cv=2, scoring=act).fit(
        X, y > 0
    ),
    "LassoCV": lambda X, y, act: fr.LassoCV(alphas=[0.2, 0.1], cv=2, n_jobs=1, callback=act).fit(
        X, y
    ),
    "MultiTaskLassoCV": lambda X, y, act: fr.MultiTaskLassoCV(
        alphas=[0.2, 0.1], cv=2, n_jobs=1, callback=act
    ).fit(X, np.c_[y, y]),
    "GLMCV": lambda X, y, act: fr.GLMCV(
        "poisson", alphas=[0.2, 0.1], cv=2, n_jobs=1, callback=act
    ).fit(X, np.floor(np.exp(y))),
    "GLMCV by a scorer": lambda X, y, act: fr.GLMCV(
        "poisson", alphas=[0.2, 0.1], cv=2, n_jobs=1, scoring=act
    ).fit(X, np.floor(np.exp(y))),
    "GLMCV by a choice": lambda X, y, act: fr.GLMCV(
        "poisson", alphas=[0.2, 0.1], cv=2, n_jobs=1, select=act
    ).fit(X, np.floor(np.exp(y))),
    "LogisticRegressionCV": lambda X, y, act: fr.LogisticRegressionCV(
        Cs=[0.1, 1.0],
        cv=2,
        l1_ratios=[0.0],
        scoring="accuracy",
        callback=act,
        n_jobs=1,
        use_legacy_attributes=False,
    ).fit(X, y > 0),
    "LogisticRegressionCV by a scorer": lambda X, y, act: fr.LogisticRegressionCV(
        Cs=[0.1, 1.0], cv=2, l1_ratios=[0.0], scoring=act, n_jobs=1, use_legacy_attributes=False
    ).fit(X, y > 0),
}


def replace_memory(a):
    """Give an array other memory, by a way that NumPy does not refuse while it is read."""
    with pytest.raises(ValueError, match="cannot resize"):
        a.resize((1,) * a.ndim, refcheck=False)
    a.__setstate__((1, (1,) * a.ndim, a.dtype, False, bytes(a.itemsize)))


@pytest.mark.parametrize("how", ["indices", "indptr", "replaced", "dense"])
@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.parametrize("name", CALLED)
def test_data_changed_by_a_function_that_a_fit_calls(name, kind, how):
    X, y = design(kind)
    if how == "dense":
        X = np.asarray(X.todense(), order="C" if kind == "csr" else "F").copy(order="K")
    else:
        X.data = X.data.copy()
    calls = 0

    def act(*_, **__):
        nonlocal calls
        calls += 1
        if how == "indices":
            X.indices[:] = 2**31 - 1
        elif how == "indptr":
            X.indptr[1:] = 2**31 - 1
        elif calls == 1:
            replace_memory(X if how == "dense" else X.data)
        return 0

    with pytest.raises(ValueError, match=r"X (has changed during the fit|is a malformed)"):
        CALLED[name](X, y, act)
    assert calls


@pytest.mark.parametrize("name", CALLED)
def test_functions_that_change_nothing(name):
    X, y = design("csr")
    CALLED[name](X, y, lambda *_, **__: 0)
