"""Numbers, shapes and types of scikit-learn under scikit-learn's names."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn import linear_model as theirs

import fastridge as ours


def table(n=60, p=8, k=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 1.0
    W = rng.normal(size=(p, k or 1)) * (rng.random((p, 1)) < 0.6)
    Y = X @ W + rng.normal(size=(n, k or 1)) + 2.0
    return X, Y if k else Y[:, 0], rng.uniform(0.2, 3.0, size=n)


# The duality gap, in the unit of the objective.


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("name", ["Lasso", "ElasticNet", "MultiTaskLasso", "MultiTaskElasticNet"])
def test_dual_gap_has_the_unit_of_the_objective(name, scale, weighted):
    X, y, weight = table(k=2 if "Multi" in name else None)
    y = y * scale
    weight = weight if weighted else None
    model = getattr(ours, name)(0.05 * scale, tol=0.1).fit(X, y, weight)
    centred = y - np.average(y, axis=0, weights=weight)
    null = np.average(centred**2, axis=0, weights=weight).sum() / 2
    assert_allclose(model.dual_gap_, model.relative_gap_ * null, rtol=1e-9)
    exact = getattr(theirs, name)(alpha=0.05 * scale, tol=1e-14, max_iter=10**6)
    exact.fit(X, y, weight)
    residual = y - exact.predict(X)
    ratio = getattr(exact, "l1_ratio", 1.0)
    norms = np.linalg.norm(np.atleast_2d(exact.coef_), axis=0)
    penalty = ratio * norms.sum() + (1 - ratio) / 2 * (norms**2).sum()
    least = np.average(residual**2, axis=0, weights=weight).sum() / 2 + exact.alpha * penalty
    assert model.objective_ - least <= model.dual_gap_ + 1e-12 * null
    if "Multi" in name:
        # with the weights as given, as if rows were repeated; scikit-learn's have a mean of 1
        model, exact = getattr(ours, name)(0.1).fit(X, y, weight), getattr(theirs, name)(0.1)
        unit = 1.0 if weight is None else weight.mean()
        assert_allclose(model.eps_, exact.fit(X, y, weight).eps_ * unit)
        times = np.arange(len(X)) % 3
        rows = np.repeat(np.arange(len(X)), times)
        weighted, repeated = model.fit(X, y, times).eps_, model.fit(X[rows], y[rows]).eps_
        assert_allclose(weighted, repeated, rtol=1e-12)


# Grids, choices and results of cross-validation.


def breast_cancer():
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer(return_X_y=True)


@pytest.mark.filterwarnings("ignore:the best penalty is")
@pytest.mark.filterwarnings("ignore:.*did not converge:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:.*[Oo]bjective did not converge")
def test_lasso_cv_chooses_as_scikit_learn_does():
    X, y = breast_cancer()
    a, b = ours.LassoCV().fit(X, y), theirs.LassoCV().fit(X, y)
    assert_allclose(a.alpha_, b.alpha_)
    assert a.mse_path_.shape == (100, 5)
    assert np.count_nonzero(a.coef_) == np.count_nonzero(b.coef_)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the best penalty is")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"alphas": 7},
        {"alphas": 7, "l1_ratio": 1e-4},
        {"alphas": 7, "l1_ratio": [0.3, 1.0], "eps": 0.01},
        {"alphas": 5, "eps": 1.0},
        {"alphas": 1},
        {"alphas": [0.1, 1.0, 0.01], "l1_ratio": [0.5, 0.7]},
        {"alphas": [0.1]},
        {"alphas": [0.1], "cv": [(np.arange(30), np.arange(30, 60))]},
        {"alphas": 4, "cv": [(np.arange(30), np.arange(30, 60))]},
    ],
    ids=str,
)
def test_grids_and_their_shapes(options, positive, weighted):
    X, y, weight = table()
    weight = weight if weighted else None
    options = {"tol": 1e-10, "max_iter": 100_000, "positive": positive, **options}
    a = ours.ElasticNetCV(**options).fit(X, y, weight)
    b = theirs.ElasticNetCV(**options).fit(X, y, weight)
    assert_allclose(a.alphas_, b.alphas_, rtol=1e-12)
    assert a.alphas_.shape == b.alphas_.shape
    assert_allclose(a.mse_path_, b.mse_path_, rtol=1e-5)
    assert a.mse_path_.shape == b.mse_path_.shape
    assert_allclose([a.alpha_, a.l1_ratio_], [b.alpha_, b.l1_ratio_], rtol=1e-12)
    assert_allclose(a.coef_, b.coef_, atol=1e-4)


@pytest.mark.filterwarnings("ignore:the best penalty is")
def test_grid_of_several_targets():
    X, Y, _ = table(k=3)
    options = {"alphas": 6, "tol": 1e-10, "max_iter": 100_000}
    for ratio in (0.5, [0.4, 1.0]):
        a = ours.MultiTaskElasticNetCV(l1_ratio=ratio, **options).fit(X, Y)
        b = theirs.MultiTaskElasticNetCV(l1_ratio=ratio, **options).fit(X, Y)
        assert_allclose(a.alphas_, b.alphas_, rtol=1e-12)
        assert_allclose(a.mse_path_, b.mse_path_, rtol=1e-5)
        assert_allclose([a.alpha_, a.l1_ratio_], [b.alpha_, b.l1_ratio_], rtol=1e-12)


def test_no_warning_where_the_penalties_were_given_or_the_best_is_inside():
    X, y, _ = table()
    ours.LassoCV(alphas=[10.0, 1.0]).fit(X, y)
    ours.RidgeCV(alphas=[1e5, 1e4], cv=3).fit(X, y)
    rng = np.random.default_rng(3)
    ours.LassoCV().fit(X, y + 5 * rng.normal(size=60))


@pytest.mark.parametrize("kind", ["LassoCV", "ElasticNetCV", "RidgeCV", "RidgeClassifierCV"])
@pytest.mark.parametrize("alphas", [(1.0, "1"), [1.0, None], np.array([1.0, "a"], dtype=object)])
def test_penalties_that_are_no_numbers(kind, alphas):
    X, y, _ = table()
    with pytest.raises(TypeError, match=r"alphas holds .* at position 1; expected numbers"):
        getattr(ours, kind)(alphas=alphas).fit(X, y > 2 if "Classifier" in kind else y)


def test_a_number_is_one_penalty_of_ridge_cv_and_a_count_of_lasso_cv():
    X, y, _ = table()
    assert_allclose(ours.RidgeCV(alphas=100).fit(X, y).alpha_, 100.0)
    assert_allclose(ours.RidgeCV(alphas=100).fit(X, y).coef_, theirs.Ridge(100).fit(X, y).coef_)
    assert len(ours.RidgeCV(alphas="auto", n_alphas=9, cv=4).fit(X, y).alphas_) == 9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(60,), (60, 1), (60, 3)])
@pytest.mark.parametrize("options", [{}, {"scoring": "neg_mean_absolute_error"}], ids=str)
def test_stored_results_are_an_array(shape, options, dtype):
    X, Y, _ = table(k=3)
    X, y = X.astype(dtype), Y[:, : np.prod(shape[1:], dtype=int)].reshape(shape).astype(dtype)
    options = {"alphas": [1.0, 0.1, 10.0], "store_cv_results": True, **options}
    a = ours.RidgeCV(**options).fit(X, y).cv_results_
    b = theirs.RidgeCV(**options).fit(X, y).cv_results_
    assert (a.shape, a.dtype, a.ndim, a.size) == (b.shape, b.dtype, b.ndim, b.size)
    assert_allclose(a, b, rtol=1e-4 if dtype == np.float32 else 1e-9)
    assert_allclose(a.mean(axis=0), b.mean(axis=0), rtol=1e-4)
    assert_allclose(a[..., 0], b[..., 0], rtol=1e-3)
    assert_allclose(2 * a - a / 2, 1.5 * b, rtol=1e-3)
    assert_allclose(np.sqrt(abs(a)).T, np.sqrt(abs(b)).T, rtol=1e-3)
    assert (a == a.copy()).all()
    assert not (a < a).any()


def test_results_without_stored_rows_are_no_array():
    X, y, _ = table()
    found = ours.RidgeCV().fit(X, y).cv_results_
    assert not hasattr(found, "mean")
    assert found == found
    assert found != ours.RidgeCV().fit(X, y).cv_results_
    with pytest.raises(AttributeError, match="store_cv_results=True"):
        _ = found.shape


def test_stored_results_of_classes():
    X, y, _ = table()
    for labels in (y > 2, np.digitize(y, [1.0, 3.0])):
        options = {"store_cv_results": True}
        a = ours.RidgeClassifierCV(**options).fit(X, labels).cv_results_
        b = theirs.RidgeClassifierCV(**options).fit(X, labels).cv_results_
        assert a.shape == b.shape
        assert_allclose(a, b)


def test_weighted_leave_one_out_is_the_mean_over_repeated_rows():
    X, y, _ = table()
    weight = np.random.default_rng(1).integers(1, 4, size=60)
    model = ours.RidgeCV().fit(X, y, weight)
    errors = []
    for i in range(60):
        rest = np.arange(60) != i
        fit = theirs.Ridge(model.alpha_).fit(X[rest], y[rest], weight[rest])
        errors.append((fit.predict(X[i : i + 1])[0] - y[i]) ** 2)
    # leave-one-out predicts every copy of a row by a fit without any of its copies
    assert_allclose(model.best_score_, -np.repeat(errors, weight).mean())
    peer = theirs.RidgeCV().fit(X, y, weight)
    scored = theirs.RidgeCV(scoring="neg_mean_squared_error").fit(X, y, weight)
    assert_allclose(model.best_score_, scored.best_score_)
    # scikit-learn without scoring divides the weighted sum by the number of rows
    assert_allclose(peer.best_score_, model.best_score_ * weight.sum() / 60)
    assert peer.alpha_ == model.alpha_


# Paths.


@pytest.mark.slow
@pytest.mark.parametrize("function", ["lasso_path", "enet_path"])
@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc", "float32"])
@pytest.mark.parametrize("k", [None, 1, 3])
@pytest.mark.parametrize("options", [{"alphas": 6}, {"alphas": [0.1, 3.0, 0.5]}, {"eps": 0.1}])
def test_paths_are_those_of_scikit_learn(function, kind, k, options):
    X, y, _ = table(k=k)
    if kind == "float32":
        X, y = X.astype(np.float32), y.astype(np.float32)
    elif kind in ("csr", "csc"):
        X[np.abs(X) < 0.5] = 0.0
        X = sp.csr_array(X).asformat(kind)
    options = {"tol": 1e-9, "max_iter": 100_000, **options}
    if kind == "float32":
        options["tol"] = 1e-5
    found = getattr(ours, function)(X, y, return_n_iter=True, **options)
    alphas, coefs, dual_gaps, n_iters = found
    expected = getattr(theirs, function)(X, y, return_n_iter=True, **options)
    assert_allclose(alphas, expected[0], rtol=1e-5 if kind == "float32" else 1e-12)
    assert coefs.shape == expected[1].shape
    assert coefs.dtype == expected[1].dtype
    assert_allclose(coefs, expected[1], atol=2e-2 if kind == "float32" else 2e-4)
    assert dual_gaps.shape == expected[2].shape
    assert type(n_iters) is type(expected[3])
    assert len(n_iters) == len(expected[3])
    assert len(getattr(ours, function)(X, y, **options)) == 3
    assert found[1] is found.coefs
    assert found.path.coef.shape == (len(alphas), *np.shape(y)[1:], 8)
    assert found.converged.all()
    assert_allclose(np.moveaxis(found.path.coef, 0, -1), coefs)
    assert_allclose(found.path[2].coef, coefs[..., 2])
    assert not np.any(found.intercept)


def test_paths_of_estimators():
    X, y, _ = table()
    X, y = X - X.mean(axis=0), y - y.mean()
    kinds = ["Lasso", "ElasticNet", "LassoCV", "ElasticNetCV"]
    for name in kinds + [f"MultiTask{kind}" for kind in kinds]:
        found = getattr(ours, name).path(X, y, alphas=4, tol=1e-10)
        expected = getattr(theirs, name).path(X, y, alphas=4, tol=1e-10, max_iter=100_000)
        assert_allclose(found[1], expected[1], atol=1e-4)


def test_path_options_of_scikit_learn():
    X, y, _ = table()
    X, y = X - X.mean(axis=0), y - y.mean()
    gram = X.T @ X
    options = {"alphas": 5, "tol": 1e-10, "max_iter": 100_000}
    for extra in (
        {"precompute": gram, "Xy": X.T @ y},
        {"precompute": True},
        {"precompute": False, "copy_X": False, "check_input": True},
        {"positive": True},
        {"selection": "random", "random_state": np.random.RandomState(3)},
        {"coef_init": np.ones(8)},
        {"verbose": 0, "do_screening": False},
    ):
        found, expected = (
            m.enet_path(X.copy(order="F"), y, **options, **extra) for m in (ours, theirs)
        )
        assert_allclose(found[0], expected[0])
        assert_allclose(found[1], expected[1], atol=1e-4)
    assert len(ours.lasso_path(X, y, n_alphas=7)[0]) == 7
    assert len(ours.lasso_path(X, y, alphas=None)[0]) == 100
    assert ours.lasso_path(X, y, coef_init=found[1][:, 2], alphas=found[0]).n_iter[0] >= 1
    with pytest.raises(TypeError, match="nothing"):
        ours.lasso_path(X, y, nothing=1)
    with pytest.raises(ValueError, match="precompute"):
        ours.lasso_path(X, y, precompute=2 * gram)
    with pytest.raises(ValueError, match="positive is True"):
        ours.lasso_path(X, np.c_[y, y], positive=True)
    with pytest.raises(ValueError, match="stop_r2 is given"):
        ours.lasso_path(X, np.c_[y, y], stop_r2=0.5)


def test_what_paths_return_can_be_copied():
    import copy
    import pickle

    X, y, _ = table()
    found = ours.lasso_path(X, y, alphas=4, return_n_iter=True)
    for again in (pickle.loads(pickle.dumps(found)), copy.copy(found), copy.deepcopy(found)):
        assert type(again) is ours.PathTuple
        assert len(again) == 4
        assert_allclose(again[1], found[1])
        assert_allclose(again.bic, found.bic)
    with pytest.raises(AttributeError, match="nothing"):
        _ = found.nothing
    assert repr(found).startswith("PathTuple(ElasticNetPath(4 alphas")


def test_lasso_is_an_elastic_net_without_an_l2_part():
    X, y, weight = table()
    found = ours.lasso(X, y, 0.1, sample_weight=weight, tol=1e-12)
    assert_allclose(found.coef, theirs.Lasso(0.1, tol=1e-12).fit(X, y, weight).coef_, atol=1e-5)
    assert_allclose(ours.lasso(ours.Moments(X, y, weight), alpha=0.1).coef, found.coef, atol=0.05)


# Least squares and ridge as functions.


@pytest.mark.parametrize("kind", ["C", "F", "csr", "csc", "float32"])
@pytest.mark.parametrize("k", [None, 1, 3])
@pytest.mark.parametrize("options", [{}, {"fit_intercept": False}, {"positive": True}], ids=str)
def test_linear_regression(kind, k, options):
    X, y, weight = table(k=k)
    X[:, 7] = X[:, 0] - 2 * X[:, 1]
    Z = X
    if kind in ("csr", "csc"):
        Z = sp.csr_array(X).asformat(kind)
    elif kind == "float32":
        Z = X.astype(np.float32)
    for s in (None, weight):
        a = ours.LinearRegression(**options).fit(Z, y, s)
        b = theirs.LinearRegression(tol=1e-10, **options).fit(X, y, s)
        accuracy = 1e-4 if kind == "float32" else 1e-7
        if kind != "float32" or not options.get("positive"):
            # in float32, dependent columns have different non-negative solutions
            assert_allclose(a.coef_, b.coef_, atol=accuracy)
        assert a.coef_.shape == b.coef_.shape
        assert np.shape(a.intercept_) == np.shape(b.intercept_)
        assert_allclose(a.predict(Z), b.predict(X), atol=10 * accuracy)
        squares = np.average((y - b.predict(X)) ** 2, axis=0, weights=s)
        total = 60 if s is None else s.sum()
        assert_allclose(a.objective_, squares * total, rtol=100 * accuracy)
        dense = kind in ("C", "F", "float32") and not options.get("positive")
        assert hasattr(a, "rank_") == hasattr(a, "singular_") == dense
        if dense:
            assert a.rank_ == b.rank_ == 7
            assert a.singular_.shape == b.singular_.shape
            assert_allclose(a.singular_, b.singular_, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(30, 5), (5, 30), (6, 6), (1, 3), (3, 1)])
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_least_squares_of_minimum_norm(shape, scale):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=shape) + 1e3, rng.normal(size=shape[0])
    model = ours.LinearRegression(tol=0.0).fit(X * scale, y)
    Z = (X - X.mean(axis=0)).astype(np.longdouble).astype(float)
    expected = np.linalg.lstsq(Z, y - y.mean(), rcond=1e-12)[0]
    assert_allclose(model.coef_ * scale, expected, rtol=1e-7, atol=1e-10)
    assert model.rank_ == min(shape[0] - 1, shape[1])


def test_a_cut_of_singular_values_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4)) * [1.0, 1e-7, 1e4, 1.0]
    y = X @ [1.0, 1e7, 1e-4, 2.0]
    for tol, rank in ((1e-6, 3), (1e-3, 1), (1e-13, 4)):
        a, b = (m.LinearRegression(tol=tol).fit(X, y) for m in (ours, theirs))
        assert a.rank_ == b.rank_ == rank
        # both are exact to round-off times the condition number of the kept part
        assert_allclose(a.predict(X), b.predict(X), atol=1e-3 if rank == 4 else 1e-7)


def test_linear_regression_of_many_numbers_far_from_zero():
    t = 1.7e9 + np.linspace(0.0, 3600.0, 1000)[:, None]
    model = ours.LinearRegression().fit(t, (t[:, 0] - 1.7e9) / 1200)
    assert_allclose(model.coef_ * 1200, [1.0], rtol=1e-9)
    for bad in ({"tol": -1.0}, {"n_jobs": 1.5}, {"positive": 1}, {"fit_intercept": "yes"}):
        with pytest.raises(ValueError, match=f"'{next(iter(bad))}' parameter of LinearRegression"):
            ours.LinearRegression(**bad).fit(t, t[:, 0])


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("k", [None, 1, 3])
def test_ridge_regression(k, sparse):
    X, y, weight = table(k=k)
    Z = sp.csr_array(X) if sparse else X
    for alpha in [0.5] if k != 3 else [0.5, [0.1, 1.0, 10.0]]:
        for options in ({}, {"sample_weight": weight}, {"solver": "lsqr"}, {"positive": True}):
            options = {"tol": 1e-12, **options}
            a = ours.ridge_regression(Z, y, alpha, **options)
            b = theirs.ridge_regression(Z, y, alpha, **options)
            assert a.shape == b.shape
            assert_allclose(a, b, atol=1e-5)
        a = ours.ridge_regression(Z, y, alpha, solver="lsqr", return_n_iter=True)
        b = theirs.ridge_regression(Z, y, alpha, solver="lsqr", return_n_iter=True)
        assert (a[1].shape, a[1].dtype) == (b[1].shape, b[1].dtype)
        direct = ours.ridge_regression(X, y, alpha, solver="cholesky", return_n_iter=True)
        assert direct[1] is None
        coef, _, intercept = ours.ridge_regression(
            Z, y, alpha, return_n_iter=True, return_intercept=True, tol=1e-12
        )
        expected = theirs.Ridge(alpha).fit(X, y)
        assert_allclose(coef, np.reshape(expected.coef_, coef.shape), atol=1e-7)
        assert_allclose(intercept, np.reshape(expected.intercept_, np.shape(intercept)), atol=1e-6)
    a = ours.ridge_regression(X.astype(np.float32), y, 1.0, return_intercept=True)
    assert a[0].dtype == a[1].dtype == np.float32
    with pytest.raises(TypeError, match="X is Moments"):
        ours.ridge_regression(ours.Moments(X, y), None, 1.0)


# Given Gram matrices.


@pytest.mark.parametrize("kind", ["C", "csr"])
@pytest.mark.parametrize("normalised", [False, True])
def test_gram_matrix_with_weights_of_either_scale(normalised, kind):
    X, y, weight = table()
    scaled = weight * (60 / weight.sum())
    Z = (X - np.average(X, axis=0, weights=weight)) * np.sqrt(scaled if normalised else weight)[
        :, None
    ]
    for s in (weight, scaled):
        W = X if kind == "C" else sp.csr_array(X)
        options = {"alpha": 0.01, "tol": 1e-12}
        if not normalised and s is scaled:
            with pytest.raises(ValueError, match="precompute"):
                ours.ElasticNet(precompute=Z.T @ Z, **options).fit(W, y, s)
            continue
        a = ours.ElasticNet(precompute=Z.T @ Z, **options).fit(W, y, s)
        b = theirs.ElasticNet(max_iter=100_000, **options).fit(X, y, s)
        assert_allclose(a.coef_, b.coef_, atol=1e-5)


def test_gram_matrix_about_zero_is_formed_anew_for_an_intercept():
    X, y, _ = table()
    with pytest.warns(UserWarning, match="recomputing Gram") as caught:
        a = ours.ElasticNet(0.01, precompute=X.T @ X, tol=1e-12).fit(X, y)
    assert caught[0].filename == __file__
    assert_allclose(a.coef_, theirs.ElasticNet(0.01, tol=1e-12).fit(X, y).coef_, atol=1e-5)
    ours.ElasticNet(0.01, precompute=X.T @ X, fit_intercept=False).fit(X, y)


# Indices of paths, and their plots.


@pytest.mark.parametrize("k", [None, 2])
@pytest.mark.parametrize("solver", ["auto", "cg", "dual"])
def test_an_index_into_a_ridge_path_is_one_fit(k, solver):
    X, y, _ = table(k=k)
    alphas = [0.5, 100.0, 3.0]
    path = ours.ridge_path(X, y, alphas, solver=solver, tol=1e-12)
    assert len(path) == 3
    for j in (0, 1, 2, -1):
        one, expected = path[j], ours.ridge(X, y, alphas[j])
        assert type(one) is type(expected)
        assert_allclose(one.coef, expected.coef, rtol=1e-7)
        assert one.converged
        for name in ("intercept", "objective", "n_iter", "relative_gradient"):
            assert np.shape(getattr(one, name)) == np.shape(getattr(expected, name))
        assert_allclose(one.intercept, expected.intercept)
        assert_allclose(one.objective, expected.objective)
    with pytest.raises(IndexError):
        path[3]
    assert len(list(path)) == 3
    assert_allclose(path.alphas, alphas)


def test_pictures_of_paths_that_are_there():
    X, y, _ = table(k=2)
    display = ours.RegularizationPathDisplay
    for path in (
        ours.ridge_path(X, y[:, 0], 5),
        ours.ridge_path(X, y, 5),
        ours.elastic_net_path(X, y[:, 0], n_alphas=5),
        ours.lasso_path(X, y[:, 0], alphas=5),
        ours.enet_path(X, y, alphas=5),
        ours.enet_path(X, y, alphas=5).path,
    ):
        found = display.from_path(path, plot=False, alpha=2.0)
        assert found.coef.shape == (5, 8)
        assert found.alpha == 2.0
        assert_allclose(found.alphas, path.alphas)
        model = ours.Ridge(3.0)
        marked = display.from_estimator(model, X, path=path, plot=False)
        assert marked.alpha == 3.0
        assert_allclose(marked.coef, found.coef)
    second = display.from_path(path, target=1, plot=False)
    assert_allclose(second.coef, path.coef[:, 1])
    with pytest.raises(ValueError, match="target is 2"):
        display.from_path(path, target=2, plot=False)
    with pytest.raises(TypeError, match="path is a ndarray"):
        display.from_path(X, plot=False)
    with pytest.raises(ValueError, match="alphas is given together with path"):
        display.from_estimator(model, X, path=path, alphas=[1.0], plot=False)


# Types of numbers, files and plots of objects with scikit-learn's names.


@pytest.mark.filterwarnings("ignore:the best penalty is")
@pytest.mark.parametrize(
    ("model", "names"),
    [
        (ours.Ridge(), "intercept_ objective_ relative_gradient_"),
        (ours.LinearRegression(), "intercept_ objective_ relative_gradient_"),
        (ours.LinearRegression(positive=True), "intercept_"),
        (ours.RidgeCV(), "intercept_ alpha_ best_score_ dof_"),
        (ours.RidgeCV(cv=3), "intercept_ alpha_ best_score_"),
        (ours.RidgeClassifierCV(), "alpha_ best_score_"),
        (ours.Lasso(), "intercept_ dual_gap_ relative_gap_ objective_"),
        (ours.LassoCV(), "intercept_ alpha_ dual_gap_ relative_gap_ objective_"),
        (ours.ElasticNetCV(), "intercept_ alpha_ l1_ratio_"),
        (ours.BayesianRidge(), "intercept_ alpha_ lambda_ penalty_"),
        (ours.MultiTaskLasso(), "dual_gap_ eps_ objective_"),
        (ours.MultiTaskLassoCV(alphas=4), "alpha_ dual_gap_"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["C", "csr"])
def test_numbers_are_numpy_scalars(model, names, kind):
    X, y, _ = table(k=2 if "MultiTask" in repr(model) else None)
    if "Classifier" in repr(model):
        y = y > 2
    model.fit(X if kind == "C" else sp.csr_array(X), y)
    for name in names.split():
        value = getattr(model, name)
        assert isinstance(value, np.float64), name
        assert value.shape == ()
        assert value.item() == float(value)
        assert value.round(3).shape == ()


def test_files_of_new_estimators_and_paths():
    import io

    X, y, _ = table(k=2)
    for model in (
        ours.LinearRegression().fit(X, y),
        ours.MultiTaskLassoCV(alphas=[1.0, 0.1], cv=3).fit(X, y),
        ours.enet_path(X, y, alphas=4).path,
        ours.RidgeCV(store_cv_results=True).fit(X, y),
    ):
        file = io.BytesIO()
        ours.save(model, file)
        file.seek(0)
        again = ours.load(file)
        assert type(again) is type(model)
        assert_allclose(again.predict(X), model.predict(X), rtol=0)
    assert again.cv_results_.shape == (60, 2, 3)


def test_pictures_of_new_estimators():
    X, y, _ = table(k=2)
    model = ours.MultiTaskLassoCV(alphas=[1.0, 0.1], cv=3).fit(X, y)
    shown = ours.RegularizationPathDisplay.from_estimator(model, X, y, plot=False)
    assert shown.alpha == model.alpha_
    assert ours.CrossValidationDisplay.from_estimator(model, plot=False).alpha == model.alpha_
    least = ours.ShrinkageDisplay.from_estimator(ours.LinearRegression(), X, plot=False)
    assert_allclose(least.factors, 1.0)
