"""What input validation refuses, and the messages."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from storages import NotAnArray, make_sparse

import fastridge
from fastridge.data.check import check_design, check_sample_weight, check_target
from fastridge.data.parameters import check_alpha, check_penalty_factor

FLOATS = (np.float64, np.float32)
INDICES = (np.int32, np.int64)


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        (None, ValueError, "X is None"),
        (np.array(1.0), ValueError, r"X has 0 dimension\(s\).*Reshape your data"),
        (np.arange(3.0), ValueError, r"X has 1 dimension\(s\), shape \(3,\).*Reshape your data"),
        (np.zeros((2, 2, 2)), ValueError, r"X has 3 dimension\(s\)"),
        (pd.Series([1.0, 2.0]), ValueError, "Reshape your data"),
        (np.empty((0, 3)), ValueError, r"X has 0 sample\(s\) \(shape=\(0, 3\)\).*minimum of 1"),
        (np.empty((3, 0)), ValueError, r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1"),
        (sp.csr_array((0, 3)), ValueError, r"X has 0 sample\(s\)"),
        (sp.csr_array((3, 0)), ValueError, r"X has 0 feature\(s\)"),
        (sp.coo_array(np.arange(3.0)), ValueError, r"X has 1 dimension\(s\)"),
        ([[1.0, 2.0], [3.0]], ValueError, "X, a list, cannot be converted"),
        ([["a", "b"]], ValueError, "X holds strings .*; expected numbers: encode them"),
        ([[b"a", b"b"]], ValueError, "X holds strings"),
        (np.array([["1", 2.0]], dtype=object), ValueError, "X holds strings"),
        (np.array([[1j]]), ValueError, "Complex data not supported: X is complex128"),
        (np.array([[1j]], dtype=object), ValueError, "Complex data not supported"),
        (sp.csr_array(np.array([[1j]])), ValueError, "Complex data not supported"),
        (sp.coo_array(np.array([[1j]])), ValueError, "Complex data not supported"),
        (np.array([[{}, 1.0]], dtype=object), TypeError, "X .* not a number.*argument must be"),
        (np.array([["2020-01-01"]], dtype="M8[D]"), TypeError, "X has dtype datetime64"),
        (np.zeros((2, 1), dtype=[("a", float)]), TypeError, "X has dtype"),
        (pd.DataFrame({"a": ["x", "y"]}), ValueError, "strings"),
        (
            np.ma.masked_array([[1.0, 2.0]], mask=[[True, False]]),
            ValueError,
            "X is a masked array with masked values",
        ),
        ("text", ValueError, "X holds strings"),
        pytest.param(object(), TypeError, "X .* not a number", id="object"),
    ],
    ids=str,
)
def test_refused_designs(X, error, words):
    with pytest.raises(error, match=words):
        check_design(X)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc", "coo", "list", "frame"])
def test_not_finite(value, dtype, kind):
    X = np.ones((5, 4), dtype=dtype)
    X[3, 2] = value
    given_X = {
        "C": lambda: X,
        "F": lambda: np.asfortranarray(X),
        "csr": lambda: sp.csr_array(X),
        "csc": lambda: sp.csc_array(X),
        "coo": lambda: sp.coo_array(X),
        "list": lambda: X.tolist(),
        "frame": lambda: pd.DataFrame(X),
    }[kind]()
    what = "NaN" if np.isnan(value) else "infinity"
    with pytest.raises(ValueError, match=f"Input X contains {what}.* row and column 3, 2"):
        check_design(given_X)


def test_place_of_nan_in_a_long_array():
    X = np.zeros((200_000, 1))
    X[150_001] = np.nan
    with pytest.raises(ValueError, match="row and column 150001, 0"):
        check_design(X)
    with pytest.raises(ValueError, match="infinity or a value too large"):
        check_design(np.array([[np.longdouble(10) ** 400]]))


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda X: X.indices.__setitem__(1, 99),
        lambda X: X.indices.__setitem__(1, -1),
        lambda X: X.indptr.__setitem__(0, 1),
        lambda X: X.indptr.__setitem__(2, 99),
        lambda X: X.indptr.__setitem__(2, 0),
        lambda X: X.indptr.__setitem__(-1, X.nnz + 7),
        lambda X: setattr(X, "indptr", X.indptr[:-1]),
        lambda X: setattr(X, "indptr", X.indptr[:0]),
        lambda X: setattr(X, "indices", X.indices[:-2]),
        lambda X: setattr(X, "data", X.data[:-2]),
    ],
)
def test_malformed_sparse(container, index, spoil):
    X = make_sparse(container, index=index, shape=(6, 6))
    spoil(X)
    with pytest.raises(ValueError, match="X is a malformed sparse matrix: "):
        check_design(X)


def test_malformed_sparse_of_other_formats():
    X = sp.coo_array(np.eye(3))
    X.coords[0][1] = 7
    with pytest.raises(ValueError, match=r"malformed.*axis 0 .* expected 0 to 2"):
        check_design(X)
    X = sp.bsr_array(np.eye(4), blocksize=(2, 2))
    X.indices[1] = 7
    with pytest.raises(ValueError, match="X is a malformed sparse matrix"):
        check_design(X)


def test_number_of_features_and_name_of_the_argument():
    words = "X has 2 features, but Ridge is expecting 3 features as input"
    for X in (np.zeros((4, 2)), sp.csr_array((4, 2))):
        with pytest.raises(ValueError, match=words):
            check_design(X, n_features=3, caller="Ridge")
    with pytest.raises(ValueError, match="X_test is None"):
        check_design(None, name="X_test")


@pytest.mark.parametrize(
    ("y", "error", "words"),
    [
        (None, ValueError, "requires y to be passed, but the target y is None"),
        (np.zeros(3), ValueError, "y has 3 rows, but X has 4"),
        (np.zeros((4, 2, 1)), ValueError, r"y has shape \(4, 2, 1\); expected \(n_samples,\)"),
        (np.zeros((4, 0)), ValueError, r"y has shape \(4, 0\)"),
        (1.0, ValueError, r"y has shape \(\)"),
        (
            list("abcd"),
            ValueError,
            "y holds strings .* numbers; labels .* for classifiers, such as Log",
        ),
        ([1j, 0, 0, 0], ValueError, "Complex data not supported: y"),
        ([0, 0, np.nan, 0], ValueError, "Input y contains NaN, at position 2"),
        ([0, 0, np.inf, 0], ValueError, "Input y contains infinity"),
        ([[0, 0], [0, -np.inf], [0, 0], [0, 0]], ValueError, "at row and column 1, 1"),
        (sp.csr_array(np.eye(4)), ValueError, "y is a sparse csr_array; expected a dense array"),
    ],
    ids=str,
)
def test_refused_targets(y, error, words):
    with pytest.raises(error, match=words):
        check_target(y, 4)


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        ([1.0, 2.0], r"sample_weight has shape \(2,\); expected \(3,\): one number per sample"),
        (np.ones((3, 1)), r"sample_weight has shape \(3, 1\)"),
        ([1.0, -2.0, 1.0], r"sample_weight\[1\] == -2, must be >= 0.0"),
        ([1.0, np.nan, 1.0], "Input sample_weight contains NaN, at position 1"),
        ([1.0, np.inf, 1.0], "Input sample_weight contains infinity"),
        (-1.0, "sample_weight == -1, must be >= 0.0"),
        (np.zeros(3), "sample_weight is zero for every sample"),
        (list("abc"), r"sample_weight holds strings \(dtype <U1\); expected numbers\.$"),
    ],
    ids=str,
)
def test_refused_sample_weights(weight, words):
    with pytest.raises(ValueError, match=words):
        check_sample_weight(weight, 3)


def test_sample_weights():
    assert check_sample_weight(None, 3) is None
    weight = np.array([0.0, 1.0, 2.0])
    assert np.shares_memory(check_sample_weight(weight, 3), weight)
    for given_weight in ([0, 1, 2], pd.Series([0, 1, 2]), weight.astype("f"), NotAnArray(weight)):
        np.testing.assert_array_equal(check_sample_weight(given_weight, 3), weight)
    for one in (2, 2.0, np.float32(2), np.array(2)):
        checked = check_sample_weight(one, 3)
        assert checked.dtype == np.float64
        np.testing.assert_array_equal(checked, [2.0, 2.0, 2.0])


def test_penalty_factors():
    assert check_penalty_factor(None, 2) is None
    np.testing.assert_array_equal(check_penalty_factor([0, 0], 2), [0.0, 0.0])
    for factor, words in (
        ([1.0], r"penalty_factor has shape \(1,\); expected \(2,\): one number per feature"),
        (1.0, r"penalty_factor has shape \(\)"),
        ([1.0, -1.0], r"penalty_factor\[1\] == -1, must be >= 0.0"),
        ([np.inf, 1.0], "Input penalty_factor contains infinity"),
        (["a", "b"], r"penalty_factor holds strings \(dtype <U1\); expected numbers\.$"),
        (np.array(["a", 1], dtype=object), r"strings \(dtype object\); expected numbers\.$"),
    ):
        with pytest.raises(ValueError, match=words):
            check_penalty_factor(factor, 2)


def test_alphas():
    for alpha in (2.0, 2, np.float32(2), np.array(2), [2], True + 1):
        checked = check_alpha(alpha, 3)
        assert checked.dtype == np.float64
        assert checked.tolist() == [2.0]
    assert check_alpha([1, 2, 3], 3).tolist() == [1.0, 2.0, 3.0]
    for alpha, error, words in (
        (None, TypeError, "alpha is None"),
        (-1.0, ValueError, "alpha == -1, must be >= 0.0"),
        (np.nan, ValueError, "Input alpha contains NaN"),
        (np.inf, ValueError, "Input alpha contains infinity"),
        ([1, 2], ValueError, r"alpha has shape \(2,\); expected one number, or one for each of"),
        ([[1, 2, 3]], ValueError, r"alpha has shape \(1, 3\)"),
        ("1", ValueError, "alpha holds strings"),
    ):
        with pytest.raises(error, match=words):
            check_alpha(alpha, 3)


@pytest.mark.parametrize("alphas", [[[1.0], [1.0, 2.0]], [[0.1, 0.2], 1.0]])
def test_penalties_of_several_lengths(alphas):
    X, y = np.eye(9, 3), np.arange(9.0)
    for fit in (
        lambda: fastridge.elastic_net_path(X, y, alphas=alphas),
        lambda: fastridge.lasso_path(X, y, alphas=alphas),
        lambda: fastridge.glm_path(X, y, "poisson", alphas=alphas),
        lambda: fastridge.ridge_path(X, y, alphas),
        lambda: fastridge.RidgeCV(alphas).fit(X, y),
        lambda: fastridge.LassoCV(alphas=alphas, cv=3).fit(X, y),
        lambda: fastridge.GLMCV("poisson", alphas=alphas, cv=3).fit(X, y),
    ):
        with pytest.raises((ValueError, TypeError), match="alphas"):
            fit()
