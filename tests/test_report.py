"""The numbers of a report, what it refuses, and what its file holds."""

import base64
import json
import os
import re

import numpy as np
import pytest
import scipy.sparse

import fastridge
from fastridge import (
    GLMCV,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskLassoCV,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from fastridge.reporting.collect import collect

ALPHAS = np.logspace(-2, 4, 13)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 12)) * np.r_[1.0, 2.0, 0.5, np.ones(9)]
Y = X @ np.r_[2.0, -1.0, 0.5, np.zeros(9)] + 0.3 + RNG.standard_normal(120)
TWO = np.c_[Y, X[:, 1] + RNG.standard_normal(120)]
LABELS = np.where(Y > 0, "yes", "no")
THREE = np.digitize(Y, [-1.0, 1.0])
COUNTS = RNG.poisson(np.exp(0.3 * X[:, 0]))
WEIGHT = RNG.uniform(0.2, 2.0, 120)
NEW = {"use_legacy_attributes": False, "scoring": "neg_log_loss"}

CHOICES = {
    "folds": (RidgeCV(ALPHAS, cv=5), Y),
    "loo": (RidgeCV(ALPHAS), Y),
    "gcv": (RidgeCV(ALPHAS, cv="gcv", standardize=True), Y),
    "held-out": (RidgeCV(ALPHAS, validation=(X[:40], Y[:40])), Y),
    "several": (RidgeCV(ALPHAS, cv=5), TWO),
    "per-target": (RidgeCV(ALPHAS, cv=5, alpha_per_target=True), TWO),
    "lasso": (LassoCV(alphas=15), Y),
    "net": (ElasticNetCV(l1_ratio=[0.2, 0.9], alphas=15, standardize=True), Y),
    "groups": (MultiTaskLassoCV(alphas=15), TWO),
    "labels": (RidgeClassifierCV(ALPHAS, cv=5), LABELS),
    "labels-3": (RidgeClassifierCV(ALPHAS, cv=5, class_weight="balanced"), THREE),
    "logistic": (LogisticRegressionCV(Cs=8, l1_ratios=(0.0,), **NEW), LABELS),
    "logistic-l1": (LogisticRegressionCV(Cs=5, l1_ratios=(0.5,), **NEW), LABELS),
    "logistic-3": (LogisticRegressionCV(Cs=4, l1_ratios=(0.0,), **NEW), THREE),
    "poisson": (GLMCV("poisson", alphas=15), COUNTS),
}
ESTIMATORS = {
    "ridge": (Ridge(2.0), Y),
    "bounded": (Ridge(2.0, positive=True), Y),
    "lasso": (Lasso(0.1), Y),
    "labels": (RidgeClassifier(3.0), LABELS),
    "logistic": (LogisticRegression(C=0.3), LABELS),
    "poisson": (PoissonRegressor(alpha=0.7), COUNTS),
}


def collected(estimator, y, X=X, weight=None, **options):
    given = {"validation": None, "groups": None, "target": 0, "names": None, **options}
    values = [given[name] for name in ("validation", "groups", "target", "names")]
    known = options.get("offset"), options.get("exposure")
    of_path = (options.get("penalty_factor"), options.get("standardize", False))
    return collect(estimator, (X, y, weight, *known), *values, of_path, 0, 0.0)


def verdict(data):
    return data["curves"]["verdicts"][data["curves"]["chosen"]]["text"]


def without_optimality_warning(data):
    return not any("not optimal" in text for text in data["facts"]["warnings"])


@pytest.mark.filterwarnings("ignore:the best penalty is:UserWarning")
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize("name", CHOICES)
def test_figures_of_a_choice_are_the_estimators_own(name, weight):
    estimator, y = CHOICES[name]
    model = estimator.fit(X, y, weight)
    data = collected(model, y, weight=weight)
    told = model.diagnosis_
    told = told[0] if isinstance(told, tuple) else told
    assert verdict(data) == str(told)
    j = data["curves"]["chosen"]
    assert data["alphas"][j] == told.alpha
    assert data["curves"]["train"][j] == told.train_error
    assert data["curves"]["validation"][j] == told.validation_error
    coef = np.atleast_2d(model.coef_)[0]
    np.testing.assert_allclose(data["coef"][j], coef, atol=5e-4 * np.abs(coef).max())
    assert without_optimality_warning(data)


def test_standard_errors_are_those_of_the_search():
    model = RidgeCV(ALPHAS, cv=5).fit(X, Y)
    data = collected(model, Y)
    order = np.argsort(model.cv_results_["alpha"])
    for name in ("train", "validation"):
        expected = np.asarray(model.cv_results_[f"{name}_error_se"])[order]
        np.testing.assert_array_equal(data["curves"][f"{name}_se"], expected)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_is_compared_with_a_grid(name):
    estimator, y = ESTIMATORS[name]
    data = collected(estimator, y, weight=WEIGHT)
    j = data["curves"]["chosen"]
    alpha = getattr(estimator, "alpha", None) or 1.0 / (estimator.C * WEIGHT.sum())
    assert data["alphas"][j] == pytest.approx(alpha, rel=1e-12)
    model = estimator.fit(X, y, WEIGHT)
    coef = np.atleast_2d(model.coef_)[0]
    np.testing.assert_allclose(data["coef"][j], coef, atol=2e-3 * np.abs(coef).max())
    assert "24 rows held out" in data["curves"]["how"]
    assert without_optimality_warning(data)


def test_a_path_is_judged_on_held_out_rows():
    path = fastridge.ridge_path(X[:80], Y[:80], ALPHAS)
    data = collected(path, Y[:80], X[:80], validation=(X[80:], Y[80:]))
    errors = np.array([np.mean((Y[80:] - p) ** 2) for p in path.predict(X[80:])])
    np.testing.assert_allclose(data["curves"]["validation"], errors, rtol=1e-12)
    np.testing.assert_allclose(data["curves"]["train"], path.residual / 80, rtol=1e-10)
    np.testing.assert_allclose(data["curves"]["dof"], path.dof)
    assert data["curves"]["least"] == data["curves"]["chosen"] == np.argmin(errors)
    predicted = data["predictions"]["predicted"]
    np.testing.assert_allclose(predicted, path.predict(X[80:]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"standardize": True}, {"penalty_factor": np.arange(1, 13)}]
)
def test_options_of_a_path_are_told_and_checked(options):
    path = fastridge.elastic_net_path(X[:80], Y[:80], l1_ratio=0.5, n_alphas=12, **options)
    data = collected(path, Y[:80], X[:80], validation=(X[80:], Y[80:]), **options)
    assert data["model"]["standardize"] is options.get("standardize", False)
    if options:
        with pytest.raises(ValueError, match="not optimal"):
            collected(path, Y[:80], X[:80], validation=(X[80:], Y[80:]))


def test_sparse_and_dense_data_give_the_same_numbers():
    model = RidgeCV(ALPHAS, cv=3).fit(X, Y)
    dense, thin = (collected(model, Y, form) for form in (X, scipy.sparse.csr_array(X)))
    np.testing.assert_allclose(dense["coef"], thin["coef"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(dense["plane"]["H"], thin["plane"]["H"], rtol=1e-9)


def test_confusion_and_calibration_are_of_held_out_rows():
    model = LogisticRegressionCV(Cs=5, l1_ratios=(0.0,), **NEW).fit(X, LABELS)
    found = collected(model, LABELS, validation=(X[:50], LABELS[:50]))
    j = found["curves"]["chosen"]
    told = model.predict(X[:50])
    for a, row in zip(("no", "yes"), found["predictions"]["confusion"][j], strict=True):
        for b, count in zip(("no", "yes"), row, strict=True):
            assert count == np.sum((LABELS[:50] == a) & (told == b))
    assert found["predictions"]["accuracy"][j] == pytest.approx(np.mean(told == LABELS[:50]))
    shown = found["predictions"]["calibration"][j]
    expected = fastridge.CalibrationDisplay.from_estimator(
        model, X[:50], LABELS[:50], n_bins=10, plot=False
    )
    np.testing.assert_allclose(shown["observed"], expected.observed)
    np.testing.assert_allclose(shown["predicted"], expected.predicted, atol=1e-3)


def test_groups_are_held_out_as_a_whole():
    groups = np.arange(120) // 10
    data = collected(Ridge(1.0), Y, groups=groups)
    held = data["predictions"]["truth"]
    rows = np.flatnonzero(np.isin(Y, held))
    assert len(rows) % 10 == 0
    assert all(np.sum(groups[rows] == g) == 10 for g in np.unique(groups[rows]))


def test_gradients_are_derivatives_of_the_error():
    path = fastridge.glm_path(X[:80], COUNTS[:80], "poisson", n_alphas=5, tol=1e-12)
    data = collected(path, COUNTS[:80], X[:80], validation=(X[80:], COUNTS[80:]))
    plane = data["plane"]
    j = int(plane["names"][0][1:])
    step = np.zeros(12)
    step[j] = 1e-4

    def error(move, k):
        # the intercept follows
        eta = X[:80] @ (path.coef[::-1][k] + move)
        b = np.log(COUNTS[:80].sum() / np.exp(eta).sum())
        mean = np.exp(eta + b)
        y = COUNTS[:80]
        return np.mean(2 * (np.where(y > 0, y * np.log(np.maximum(y, 1) / mean), 0) - y + mean))

    for k in range(5):
        up, at, down = (error(s * step, k) for s in (1, 0, -1))
        assert (up - down) / 2e-4 == pytest.approx(plane["g"][k, 0], rel=1e-4, abs=1e-6)
        assert (up - 2 * at + down) / 1e-8 == pytest.approx(plane["H"][k, 0, 0], rel=1e-4)


def test_facts_name_constant_and_equal_columns_and_unlike_scales():
    names = [f"f{j}" for j in range(12)]
    Z = X.copy()
    Z[:, 3] = 2.0
    Z[:, 5] = Z[:, 1]
    Z[:, 7] *= 1000.0
    facts = collected(Ridge(1.0), Y, Z, names=names)["facts"]
    rows = dict(facts["rows"])
    assert rows["constant columns"] == "f3"
    assert rows["equal columns"] == "f1 = f5"
    assert rows["largest scale"].startswith("f7: ")
    assert "standardize is off" in facts["warnings"][0]
    assert len(facts["warnings"]) == 3
    assert "divides their effect between them" in facts["warnings"][2]
    scaled = collected(Ridge(1.0, standardize=True), Y, Z, names=names)["facts"]
    assert len(scaled["warnings"]) == 2
    # without an intercept, a constant column stands for it
    free = collected(Lasso(0.1, fit_intercept=False), Y, Z, names=names)["facts"]
    assert len(free["warnings"]) == 2
    assert "the penalty does not say how they share it" in free["warnings"][1]


def data_of(page):
    found = re.search(r'<script type="application/json" id="report">(.*?)</script>', page, re.S)
    return json.loads(found[1])


def numbers(encoded):
    kind = "f8" if "f8" in encoded else "f4"
    raw = base64.b64decode(encoded[kind])
    return np.frombuffer(raw, dtype=f"<{kind}").reshape(encoded["shape"])


def test_large_designs_are_thinned_and_say_so():
    rng = np.random.default_rng(1)
    Z = scipy.sparse.random_array((400, 1500), density=0.02, rng=rng, format="csr")
    y = Z @ rng.standard_normal(1500) + rng.standard_normal(400)
    path = fastridge.ridge_path(Z, y, np.logspace(-3, 3, 130))
    page = fastridge.report(path, Z, y, validation=(Z[:100], y[:100]))
    assert page.notes[0].startswith("Of 130 penalties, ")
    assert page.notes[1].startswith("Of 1,500 features, the 1,000 with")
    assert len(page.html.encode()) < 2_000_000
    data = data_of(page.html)
    assert data["notes"] == page.notes
    assert numbers(data["coef"]).shape == (len(numbers(data["alphas"])), len(data["names"]))
    sizes = np.abs(path.coef).max(axis=0)
    left_out = np.setdiff1d(np.arange(1500), [int(name[1:]) for name in data["names"]])
    assert sizes[left_out].max() <= np.sort(sizes)[500]


HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "{{script}}",
    "\"'&<b>\u2028",
    "__proto__",
]


def test_hostile_names_stay_data():
    names = HOSTILE + [f"x{j}" for j in range(7)]
    labels = np.where(Y > 0, HOSTILE[0], "&lt;no")
    model = LogisticRegressionCV(Cs=4, l1_ratios=(0.0,), **NEW).fit(X, labels)
    page = fastridge.report(model, X, labels, feature_names=names, title=HOSTILE[0])
    assert data_of(page.html)["names"] == names
    assert data_of(page.html)["title"] == HOSTILE[0]
    assert "<img" not in page.html.split("<body>")[1].split("Chart.js v")[0]
    assert page.html.count("</script>") == 3
    shown = page._repr_html_()
    assert shown.startswith('<iframe title="fastridge report" sandbox="allow-scripts"')
    assert shown.count("<") == 2


def test_the_page_loads_nothing():
    page = fastridge.report(Ridge(1.0), X, Y).html
    before = page.split('<script type="application/json"')[0]
    assert not re.search(r"(src|href)=[\"'](?!#)", before)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 2
    assert "unsafe-inline" not in policy.split("style-src")[0]
    assert "sourceMappingURL" not in page


def test_the_file_is_replaced_as_a_whole(tmp_path):
    place = tmp_path / "report.html"
    place.write_text("old")
    page = fastridge.report(Ridge(1.0), X, Y, path=place)
    assert place.read_text(encoding="utf-8") == page.html
    assert list(tmp_path.iterdir()) == [place]
    with pytest.raises(OSError, match="nowhere"):
        page.save(tmp_path / "nowhere" / "report.html")
    with pytest.raises(ValueError, match="not a regular file"):
        page.save(os.devnull)


def test_frames_name_their_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"column {j}" for j in range(12)])
    model = RidgeCV(ALPHAS, cv=3).fit(frame, Y)
    assert data_of(fastridge.report(model, frame, Y).html)["names"] == list(frame.columns)


@pytest.mark.parametrize(
    ("estimator", "options", "error", "match"),
    [
        (object(), {}, TypeError, "estimator is a object"),
        (fastridge.SGDRegressor(), {}, TypeError, "estimator is a SGDRegressor"),
        (RidgeCV(), {}, Exception, "not fitted"),
        (Ridge(), {"feature_names": ["a"]}, ValueError, "feature_names has 1 names; expected 12"),
        (Ridge(), {"feature_names": [1] * 12}, TypeError, "feature_names"),
        (Ridge(), {"feature_names": 3}, TypeError, "feature_names is 3"),
        (Ridge(), {"path": 3}, TypeError, "path is 3"),
        (
            Ridge(),
            {"groups": np.ones(120), "validation": (X, Y)},
            ValueError,
            "groups is given together with validation",
        ),
        (
            RidgeCV(validation=(X, Y)).fit(X, Y),
            {"groups": np.ones(120)},
            ValueError,
            "groups is given together with validation",
        ),
        (
            Ridge(),
            {"sample_weight": np.eye(120)[0]},
            ValueError,
            "zero for all of the (96|24) random rows",
        ),
        (Ridge(), {"target": 1}, ValueError, "target is 1"),
        (Ridge(), {"target": True}, TypeError, "target is True"),
        (Ridge(), {"standardize": True}, ValueError, "expected None unless model is a path"),
        (Ridge(), {"standardize": 1}, TypeError, "standardize"),
        (
            Ridge(),
            {"penalty_factor": np.ones(12)},
            ValueError,
            "expected None unless model is a path",
        ),
        (Ridge(), {"validation": 0.2}, ValueError, "validation is 0.2"),
        (Ridge(), {"validation": (X[:, :3], Y)}, ValueError, "expected 12, as X"),
        (Ridge(), {"title": 3}, TypeError, "title is a int"),
        (fastridge.ridge_path(X, Y, [1.0, 2.0]), {}, ValueError, "validation is None"),
        (fastridge.ridge_path(X, Y, [0.0]), {"validation": (X, Y)}, ValueError, "penalties are 0"),
        (
            fastridge.ridge_path(X, -Y, ALPHAS),
            {"validation": (X, Y)},
            ValueError,
            "coefficients are not optimal for X, y",
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(estimator, options, error, match):
    with pytest.raises(error, match=match):
        fastridge.report(estimator, X, Y, **options)


def test_an_interrupted_choice_is_refused():
    def stop(done, total):
        if done == 2:
            raise RuntimeError

    model = RidgeCV(ALPHAS, cv=5, callback=stop)
    with pytest.raises(RuntimeError):
        model.fit(X, Y)
    assert hasattr(model, "cv_results_")
    with pytest.raises(Exception, match="was interrupted before it chose"):
        fastridge.report(model, X, Y)


def test_unknown_labels_of_held_out_rows_are_refused():
    with pytest.raises(ValueError, match="maybe"):
        fastridge.report(
            RidgeClassifier(), X, LABELS, validation=(X[:3], np.array(["yes", "no", "maybe"]))
        )


@pytest.mark.parametrize(("loss", "y"), [("logistic", (Y > 0) * 1.0), ("multinomial", THREE)])
def test_paths_of_class_numbers_show_confusion(loss, y):
    path = fastridge.glm_path(X[:80], y[:80], loss, n_alphas=6)
    data = collected(path, y[:80], X[:80], validation=(X[80:], y[80:]), target=0)
    assert data["predictions"]["kind"] == "classes"
    truth = y[80:].astype(int)
    for j, mean in enumerate(path.predict(X[80:])[::-1]):
        told = mean.argmax(axis=1) if mean.ndim == 2 else (mean > 0.5).astype(int)
        expected = np.zeros_like(data["predictions"]["confusion"][j])
        np.add.at(expected, (truth, told), 1.0)
        np.testing.assert_array_equal(data["predictions"]["confusion"][j], expected)
    with pytest.raises(ValueError, match="expected 0 to"):
        collected(path, y[:80] + 5, X[:80], validation=(X[80:], y[80:]))


EXPOSURE = RNG.uniform(0.2, 5.0, 120)
RATES = RNG.poisson(EXPOSURE * np.exp(0.3 * X[:, 0]))


def mean_deviance(y, mean):
    return np.mean(2 * (np.where(y > 0, y * np.log(np.maximum(y, 1) / mean), 0) - y + mean))


def test_the_exposure_of_a_path_is_in_errors_and_predictions():
    log = np.log(EXPOSURE)
    path = fastridge.glm_path(
        X[:80], RATES[:80], "poisson", l1_ratio=0.0, alphas=ALPHAS, exposure=EXPOSURE[:80], tol=1e-9
    )
    held = X[80:], RATES[80:], None, log[80:]
    data = collected(path, RATES[:80], X[:80], validation=held, exposure=EXPOSURE[:80])
    mean = EXPOSURE * path.predict(X)[::-1]
    curves = data["curves"]
    for name, rows in (("train", slice(80)), ("validation", slice(80, None))):
        expected = [mean_deviance(RATES[rows], m[rows]) for m in mean]
        np.testing.assert_allclose(curves[name], expected, rtol=1e-9)
    np.testing.assert_allclose(data["predictions"]["predicted"], mean[:, 80:], rtol=1e-5)
    rate = RATES[:80].sum() / EXPOSURE[:80].sum()
    assert curves["null"] == pytest.approx(mean_deviance(RATES[80:], rate * EXPOSURE[80:]))
    assert without_optimality_warning(data)
    with pytest.raises(ValueError, match="not optimal for X, y, sample_weight, offset"):
        collected(path, RATES[:80], X[:80], validation=held[:2])
    with pytest.raises(ValueError, match="validation has no offset, and the fit has one"):
        collected(path, RATES[:80], X[:80], validation=held[:2], exposure=EXPOSURE[:80])


@pytest.mark.parametrize("choice", [False, True])
def test_the_offset_of_an_estimator_is_held_out_with_its_rows(choice):
    offset = np.log(EXPOSURE)
    model = GLMCV("poisson", alphas=12) if choice else PoissonRegressor(alpha=0.3)
    model.fit(X, RATES, offset=offset)
    data = collected(model, RATES, offset=offset)
    assert without_optimality_warning(data)
    j = data["curves"]["chosen"]
    np.testing.assert_allclose(data["coef"][j], model.coef_, atol=2e-3 * abs(model.coef_).max())
    # exposures differ by a factor of 25: without them, predictions would not follow the counts
    shown = data["predictions"]
    assert np.corrcoef(shown["truth"], shown["predicted"][j])[0, 1] > 0.7
    for other in ({}, {"offset": 2.0 * offset}, {"offset": offset, "weight": WEIGHT}):
        with pytest.raises(ValueError, match=r"the weights, the offset, .*differ from those of"):
            collected(model, RATES, **other)
    one = collected(model, RATES, exposure=EXPOSURE)
    assert dict(one["facts"]["rows"])["offset"] == f"from {offset.min():.4g} to {offset.max():.4g}"
    np.testing.assert_allclose(one["coef"], data["coef"])


def test_offsets_of_classes():
    offset = RNG.standard_normal((120, 3))
    choice = LogisticRegressionCV(Cs=4, l1_ratios=(0.0,), **NEW).fit(X, THREE, offset=offset)
    assert without_optimality_warning(collected(choice, THREE, offset=offset))
    model = LogisticRegression(C=0.5).fit(X, THREE, offset=offset)
    for one in (choice, model):
        with pytest.raises(ValueError, match=r"the offset, .*differ from those of the fit"):
            collected(one, THREE)
    held = X[:40], THREE[:40], None, offset[:40]
    data = collected(model, THREE, offset=offset, validation=held)
    j = data["curves"]["chosen"]
    told = model.predict(X[:40], offset=offset[:40])
    assert data["predictions"]["accuracy"][j] == pytest.approx(np.mean(told == THREE[:40]))
    share = model.predict_proba(X[:40], offset=offset[:40])[np.arange(40), THREE[:40]]
    assert data["curves"]["validation"][j] == pytest.approx(-2 * np.log(share).mean(), rel=1e-3)
    assert without_optimality_warning(data)
    with pytest.raises(ValueError, match="offset is given, but a Lasso does not"):
        fastridge.report(Lasso(), X, Y, offset=offset[:, 0])
    with pytest.raises(ValueError, match="exposure is given, but a Ridge does not"):
        fastridge.report(Ridge(), X, Y, exposure=EXPOSURE)


def test_degrees_of_freedom_of_other_losses():
    """They are the trace of the Hessian of the loss over that of the objective."""
    path = fastridge.glm_path(
        X[:80], COUNTS[:80], "poisson", l1_ratio=0.0, alphas=ALPHAS, tol=1e-10
    )
    data = collected(path, COUNTS[:80], X[:80], validation=(X[80:], COUNTS[80:]))
    for j, (w, b) in enumerate(zip(path.coef[::-1], path.intercept[::-1], strict=True)):
        h = np.exp(X[:80] @ w + b) / 80
        Z = X[:80] - np.average(X[:80], axis=0, weights=h)
        H = (Z.T * h) @ Z
        expected = np.trace(np.linalg.solve(H + ALPHAS[j] * np.eye(12), H))
        assert data["curves"]["dof"][j] == pytest.approx(expected, rel=1e-6)
    for y, most in ((LABELS, 12), (THREE, 36)):
        model = LogisticRegressionCV(Cs=5, l1_ratios=(0.0,), **NEW).fit(X, y)
        found = collected(model, y)
        dof = found["curves"]["dof"]
        assert found["model"]["most"] == most
        # the more of them, the weaker the penalty
        assert (np.diff(dof) < 0).all()
        assert 0 < dof.min() < dof.max() < most


@pytest.mark.parametrize("name", ["ridge", "lasso"])
def test_sections_of_standardised_fits_use_standardised_units(name):
    scales = np.geomspace(0.01, 100.0, 12)
    model = {"ridge": RidgeCV(ALPHAS, cv=3, standardize=True)}.get(
        name, LassoCV(alphas=9, cv=3, standardize=True)
    )
    plain = collected(model.fit(X, Y), Y)
    scaled = collected(model.fit(X * scales, Y), Y, X * scales)
    assert plain["plane"]["names"] == scaled["plane"]["names"]
    for part in ("w", "g", "H"):
        top = np.abs(plain["plane"][part]).max()
        np.testing.assert_allclose(scaled["plane"][part], plain["plane"][part], atol=1e-6 * top)
    for part in ("d1", "d2"):
        np.testing.assert_allclose(scaled["plane"][part], 1.0)
    np.testing.assert_allclose(scaled["deviation"], (X * scales).std(axis=0))


def test_any_two_features_of_a_small_problem_have_a_geometry():
    plane = collected(Ridge(1.0), Y)["plane"]
    assert sorted(plane["names"]) == sorted(f"x{j}" for j in range(12))
    rng = np.random.default_rng(2)
    Z = rng.standard_normal((300, 250))
    data = collected(Ridge(1.0), Z[:, 0] + rng.standard_normal(300), Z)
    found = data["plane"]["names"]
    assert 50 < len(found) < 200
    told = f"the {len(found)} features with the largest effects"
    assert any(told in note for note in data["notes"])
    H = data["plane"]["H"][0]
    j, k = int(found[0][1:]), int(found[-1][1:])
    expected = 2 * np.cov(Z[:, j], Z[:, k], bias=True)
    np.testing.assert_allclose([[H[0, 0], H[0, -1]], [H[-1, 0], H[-1, -1]]], expected)
