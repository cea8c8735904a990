"""A report in headless Chromium: sliders, keyboard, texts and marks, and hostile names.

FASTRIDGE_SCREENSHOTS names a folder in which pictures of the page are kept.
"""

import os
import re
from pathlib import Path

import chromium
import numpy as np
import pytest
from report_problems import STEPS, expected_steps, problem

import fastridge
from fastridge import LogisticRegressionCV, RidgeCV

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(chromium.missing()), reason=chromium.missing()),
]
MINUS = "\N{MINUS SIGN}"
ALPHAS = np.logspace(-2, 4, 13)
HOSTILE = "</script><img src=x onerror=\"document.title='hostile'\">"
SET = """const [id, value] = arguments;
const field = document.getElementById(id);
field.value = value;
field.dispatchEvent(new Event("input", {bubbles: true}));
field.dispatchEvent(new Event("change", {bubbles: true}));"""


def number(text):
    """Return the number that a text of the page shows."""
    return float(text.replace(MINUS, "-").split(" ± ")[0])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = chromium.Chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.close()


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 12)) * np.r_[1.0, 2.0, 0.5, np.ones(9)]
    y = X @ np.r_[2.0, -1.0, 0.5, np.zeros(9)] + rng.standard_normal(120)
    return X, y


@pytest.fixture(scope="module")
def ridge(data, tmp_path_factory):
    """A model, and the file of its report."""
    X, y = data
    model = RidgeCV(ALPHAS, cv=5).fit(X, y)
    names = ["size of the house", HOSTILE, *(f"feature {j}" for j in range(2, 12))]
    place = tmp_path_factory.mktemp("report") / "ridge.html"
    fastridge.report(model, X, y, feature_names=names, title="A <b>ridge</b>", path=place)
    return model, place


@pytest.fixture
def page(browser, ridge):
    """The report of ridge, opened anew; the console must stay empty."""
    browser.size(1280, 1000)
    browser.open(ridge[1])
    browser.wait("return document.documentElement.dataset.ready === 'yes'")
    yield browser
    assert browser.log() == []


def keep(browser, name):
    """Keep a picture where a folder for them is named."""
    folder = os.environ.get("FASTRIDGE_SCREENSHOTS")
    if folder:
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        browser.screenshot(place / f"{name}.png", whole=True)


def figure(browser, name):
    return browser.text(f'[data-figure^="{name}"] .value')


def test_it_opens_at_the_chosen_penalty(page, ridge):
    model, _ = ridge
    assert page.text("h1") == "A <b>ridge</b>"
    assert page.run("return document.title") == "A <b>ridge</b>"
    assert page.text("#alpha-text") == f"alpha = {model.alpha_:.4g}"
    told = model.diagnosis_
    assert page.text("#verdict-text").lower() == str(told).lower()
    assert page.text("#verdict").startswith(f"{told.verdict}: mean squared error ")
    assert number(figure(page, "train")) == pytest.approx(told.train_error, rel=1e-3)
    assert number(figure(page, "validation:")) == pytest.approx(told.validation_error, rel=1e-3)
    assert number(figure(page, "degrees")) == pytest.approx(model.dof_, rel=1e-3)
    assert page.run("return document.getElementById('go-chosen').ariaPressed") == "true"
    keep(page, "ridge-light")


def test_the_slider_moves_texts_coefficients_and_marks(page, ridge, data):
    model, _ = ridge
    page.run(SET, "alpha", 96)
    assert page.text("#alpha-text") == "alpha = 10000"
    assert page.text("#verdict-word") == "under-fitting"
    error = model.cv_results_["validation_error"][list(model.cv_results_["alpha"]).index(1e4)]
    assert number(figure(page, "validation:")) == pytest.approx(error, rel=1e-3)
    marks = page.run("return Chart.getChart('error-chart').$marks.map((m) => [m.label || '', m.x])")
    assert dict(marks)["chosen"] == model.alpha_
    assert marks[-1] == ["", 1e4]
    # the band of the validation error is one standard error wide to each side
    bands = page.run("""return Chart.getChart('error-chart').data.datasets.slice(-2)
      .map((set) => set.data.map((point) => point.y));""")
    order = np.argsort(model.cv_results_["alpha"])
    error, se = (
        np.asarray(model.cv_results_[name])[order]
        for name in ("validation_error", "validation_error_se")
    )
    np.testing.assert_allclose(bands, [error + se, error - se], rtol=1e-12)
    # between two fits, ridge is exact
    page.run(SET, "alpha", 52)
    alpha = page.run("return Page.alpha()")
    assert ALPHAS[6] < alpha < ALPHAS[7]
    assert "coefficients, their norm and the degrees of freedom are exact" in page.text(
        "#alpha-kind"
    )
    exact = fastridge.ridge_path(*data, [alpha])
    shown = page.run("return Array.from(Sweep.coefficients())")
    np.testing.assert_allclose(shown, exact.coef[0], rtol=1e-10)
    facts = page.run("return Sweep.facts()")
    assert facts["dof"] == pytest.approx(exact.dof[0], rel=1e-10)
    assert facts["norm"] == pytest.approx(exact.norm[0], rel=1e-10)
    # the table of coefficients: the largest first
    first = page.run("return document.querySelector('#coefficients tbody tr').innerText")
    name, value = re.split(r"\t", first)[:2]
    assert name == "size of the house"
    assert number(value) == pytest.approx(exact.coef[0, 0], rel=1e-3)


def test_thinned_features_are_exact_between_the_fits(browser, tmp_path):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((20, 1300))
    y = X[:, -1] + rng.standard_normal(20)
    place = tmp_path / "wide.html"
    fastridge.report(RidgeCV(ALPHAS, cv=5).fit(X, y), X, y, path=place)
    browser.open(place)
    browser.wait("return document.documentElement.dataset.ready === 'yes'")
    browser.run(SET, "alpha", 52)
    exact = fastridge.ridge_path(X, y, [browser.run("return Page.alpha()")])
    kept = [int(name[1:]) for name in browser.run("return Page.data.names")]
    assert len(kept) == 1000
    shown = browser.run("return Array.from(Sweep.coefficients())")
    np.testing.assert_allclose(shown, exact.coef[0][kept], rtol=1e-9, atol=1e-13)
    assert browser.run("return Sweep.facts()")["norm"] == pytest.approx(exact.norm[0], rel=1e-10)
    assert browser.log() == []


def test_the_slider_answers_soon(page):
    # the best of five sweeps for each position: other tests run on the same cores
    took = page.run("""const slider = document.getElementById("alpha");
    const best = Array(25).fill(Infinity);
    for (let sweep = 0; sweep < 5; sweep++) {
      best.forEach((least, i) => {
        slider.value = 4 * i;
        const start = performance.now();
        slider.dispatchEvent(new Event("input"));
        best[i] = Math.min(least, performance.now() - start);
      });
    }
    return best;""")
    assert np.median(took) < 50  # ms


def test_the_keyboard_is_enough(page, ridge):
    model, _ = ridge
    labels = []
    for _ in range(12):
        page.press("Tab")
        labels.append(page.run("return document.activeElement.id || document.activeElement.hash"))
        if labels[-1] == "go-one-se":
            break
    start = labels.index("#sweep")
    order = ["#sweep", "theme", "#sweep", "#decay", "#geometry", "#prior", "#data", "alpha"]
    assert labels[start:] == [*order, "go-chosen", "go-least", "go-one-se"]
    page.press("Enter")
    one = fastridge.CrossValidationDisplay.from_estimator(model, plot=False).alpha_1se
    assert page.text("#alpha-text") == f"alpha = {one:.4g}"
    page.press("Shift+Tab", "Shift+Tab", "Shift+Tab", "Right")
    assert page.run("return document.activeElement.id") == "alpha"
    said = page.run("return document.getElementById('alpha').getAttribute('aria-valuetext')")
    assert re.fullmatch(r"alpha = [\d.]+, between fits 7 and 8 of 13", said)
    page.press("End")
    assert page.text("#alpha-text") == "alpha = 10000"
    page.press("Home")
    assert page.text("#alpha-text") == "alpha = 0.01"


def test_everything_has_a_name_for_screen_readers(page):
    nameless = page.run("""
    return [...document.querySelectorAll("input, select, button, canvas, table")]
      .filter((e) => !e.closest("[hidden]"))
      .filter((e) => !(e.labels && e.labels.length) && !e.textContent.trim()
        && !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby"))
      .map((e) => e.id || e.outerHTML);""")
    assert nameless == []
    unlabelled = page.run("""return [...document.querySelectorAll("table")]
      .filter((t) => !t.getAttribute("aria-label") && !t.getAttribute("aria-labelledby")
        && !t.caption).map((t) => t.id);""")
    assert unlabelled == []
    live = page.run("return document.getElementById('verdict').getAttribute('aria-live')")
    assert live == "polite"
    # every plot has a table of its numbers
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    page.wait("""return [...document.querySelectorAll("details")]
      .filter((d) => !d.closest("[hidden]"))
      .every((d) => d.querySelectorAll("tbody tr").length > 1)""")


def test_search_finds_features(page):
    page.run(SET, "search", "onerror")
    page.wait("return document.querySelectorAll('#coefficients tbody tr').length === 1")
    assert page.text("#coefficients tbody th") == HOSTILE
    assert page.text("#found").startswith("1 of 1 features found")


def test_hostile_names_run_nothing(page):
    assert page.run("return document.title") == "A <b>ridge</b>"
    assert page.run("return document.images.length + document.querySelectorAll('b').length") == 0
    assert page.run("return document.scripts.length") == 3


def test_weight_decay_steps(page, ridge):
    model, _ = ridge
    free = page.run("""const j = Page.data.curves.chosen;
    const lambda = Page.data.model.l2 * Page.alphas[j];
    const d2 = Page.decode(Page.data.plane.d2);
    return Array.from(Arithmetic.minimum(Decay.quadratic(j), lambda, d2));""")
    # of these coefficients, the penalty's own minimum is the fit
    order = [int(k) for k in page.run("return Page.data.exact.features")]
    np.testing.assert_allclose(free, model.coef_[order], rtol=1e-9)
    assert "coupled and decoupled decay take the same steps" in page.text("#decay-agree")
    page.run(SET, "decay-optimizer", "adam")
    assert "Adam, coupled and decoupled decay differ" in page.text("#decay-agree")
    page.run(SET, "decay-feature", "own")
    page.run(SET, "decay-own", "8")
    page.run(SET, "decay-optimizer", "sgd")
    page.run(SET, "decay-mode", "decoupled")
    page.run(SET, "decay-lr", "0.1")
    page.run(SET, "decay-lambda", "0.5")
    page.run(SET, "decay-step", "3")
    # the penalty's slider leaves the steps alone
    page.run("document.getElementById('decay').scrollIntoView()")
    page.run(SET, "alpha", 20)
    page.run(SET, "alpha", 24)
    text = page.text("#decay-text")
    assert f"Step 3 of 100: w = {8 * 0.9**3:.4g}" in text
    assert f"Factor 1 {MINUS} 2 lr λ = 0.9; product of the factors so far 0.729" in text
    assert "7 steps" in page.text("#decay > .two figure:last-child p")
    page.click("#decay-play")
    page.wait("return Number(document.getElementById('decay-step').value) > 10")
    page.click("#decay-play")
    assert page.text("#decay-play") == "Play"
    page.run(SET, "decay-lr", "-1")
    assert "learning rate is not a number" in page.text("#decay-problem")


def test_the_browser_counts_like_the_optimizers(page):
    q = problem()
    plain = {name: value.ravel().tolist() for name, value in q.items()}
    for case in STEPS:
        options = case | {"momentum": 0.9, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
        found = page.run(
            """const [q, o] = arguments;
            return Arithmetic.trajectory(q, q.start, o, 40).map((w) => Array.from(w));""",
            plain,
            options,
        )
        np.testing.assert_allclose(found, expected_steps(q, case, 40), rtol=1e-10, atol=1e-12)


def test_geometry_touches_at_the_fit(page):
    page.run(SET, "alpha", 60)
    g, w, value = page.run("""const {at, g} = Geometry.local(0, 1);
    return [Array.from(g), Array.from(at), 2 * Page.data.model.l2 * Page.alpha()];""")
    # the gradients of loss and penalty are opposite
    np.testing.assert_allclose(g, -value * np.array(w), rtol=1e-9)
    page.run(SET, "alpha", 64)
    near = page.run("const {at, g} = Geometry.local(0, 1); return [Array.from(g), Array.from(at)];")
    scale = page.run("return 2 * Page.data.model.l2 * Page.alpha()")
    np.testing.assert_allclose(near[0], -scale * np.array(near[1]), rtol=1e-6)
    page.run("document.getElementById('geometry').scrollIntoView()")
    page.wait("return document.getElementById('geometry-text').textContent.includes('touches')")
    page.run(SET, "geometry-y", "0")
    page.wait(
        "return document.getElementById('geometry-text').textContent.includes('two different')"
    )


def test_prior_and_conventions(page, data):
    X, _ = data
    page.run("document.getElementById('prior').scrollIntoView()")
    page.run(SET, "alpha", 48)
    page.run(SET, "prior-noise", "2")
    page.wait("return document.getElementById('prior-text').textContent.includes('alpha = 10,')")
    centred = X - X.mean(axis=0)
    j = page.run("return Page.data.exact.features[0]")
    variance = 2 * np.linalg.inv(centred.T @ centred + 10 * np.eye(12))[j, j]
    said = page.text("#prior-text")
    assert f"is 0 ± {np.sqrt(2 / 10):.4g}" in said
    assert said.rstrip(".").endswith(f"± {np.sqrt(variance):.4g}")
    rows = page.run("return Prior.conventionRows(Page.alpha(), 2).map((row) => row[2])")
    convert = fastridge.penalty.convert
    expected = [
        10.0,
        convert(10.0, "alpha", "lambda"),
        convert(10.0, "alpha", "lambda", loss="mean", n_samples=120),
        convert(10.0, "alpha", "weight_decay", loss="mean", n_samples=120),
        convert(10.0, "alpha", "weight_decay", loss="half_mean", n_samples=120),
        convert(10.0, "alpha", "prior_variance", noise_variance=2.0),
    ]
    np.testing.assert_allclose(rows, expected, rtol=1e-10)


def test_dark_narrow_and_print(page):
    page.emulate(prefers_color_scheme="dark")
    page.wait("return document.documentElement.dataset.theme === 'dark'")
    keep(page, "ridge-dark")
    page.emulate(prefers_color_scheme="light")
    page.size(420, 900)
    page.wait("return innerWidth < 600")
    wide = page.run(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide <= 0
    keep(page, "ridge-narrow")
    page.run(SET, "theme", "dark")
    assert page.run("return document.documentElement.dataset.theme") == "dark"
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run("return document.documentElement.dataset.theme") == "light"
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run("return document.documentElement.dataset.theme") == "dark"


def test_colours_can_be_told_apart(page):
    """Texts have a contrast of 4.5, lines one of 3, on both backgrounds."""
    contrast = """const light = (hex) => {
      const part = (i) => {
        const c = parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16) / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      };
      return 0.2126 * part(0) + 0.7152 * part(1) + 0.0722 * part(2);
    };
    Page.theme(arguments[0]);
    const back = light(Page.css("back"));
    return Object.fromEntries(arguments[1].map((name) => {
      const [a, b] = [light(Page.css(name)), back].sort((x, y) => y - x);
      return [name, (a + 0.05) / (b + 0.05)];
    }));"""
    for theme in ("light", "dark"):
        words = page.run(contrast, theme, ["text", "quiet", "black"])
        assert min(words.values()) >= 4.5, words
        lines = page.run(contrast, theme, ["blue", "orange", "green", "pink", "sky", "amber"])
        assert min(lines.values()) >= 3.0, lines


@pytest.mark.slow
def test_a_classifier_shows_confusion_and_calibration(browser, data, tmp_path):
    X, y = data
    labels = np.where(y > 0, HOSTILE, "no")
    model = LogisticRegressionCV(
        Cs=6, l1_ratios=(0.0,), use_legacy_attributes=False, scoring="neg_log_loss"
    ).fit(X, labels)
    place = tmp_path / "classifier.html"
    fastridge.report(model, X, labels, path=place)
    browser.size(1280, 1000)
    browser.open(place)
    browser.wait("return document.documentElement.dataset.ready === 'yes'")
    cells = browser.run(
        "return [...document.querySelectorAll('#confusion td')].map((c) => Number(c.innerText))"
    )
    assert sum(cells) == 24
    shown = browser.run("return document.querySelector('#confusion tbody th').innerText")
    assert shown == HOSTILE
    steps = browser.run("return Page.steps")
    assert steps == 1
    browser.run(SET, "alpha", 0)
    assert "from fit to fit" in browser.text("#alpha-kind")
    assert browser.run("return Chart.getChart('calibration-chart').data.datasets.length") == 2
    assert browser.run("return document.title") == "LogisticRegressionCV: penalty"
    keep(browser, "classifier")
    assert browser.log() == []


@pytest.mark.slow
def test_it_displays_itself_in_a_sandboxed_frame(browser, ridge, data, tmp_path):
    model, _ = ridge
    X, y = data
    frame = fastridge.report(model, X, y)._repr_html_()
    place = tmp_path / "notebook.html"
    place.write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{frame}", encoding="utf-8")
    browser.open(place)
    # what is in the sandbox cannot be read from outside, but draws without errors
    inside = browser.run("return document.querySelector('iframe').contentDocument === null")
    assert inside
    browser.enter("iframe")
    browser.wait("return document.documentElement.dataset.ready === 'yes'")
    assert browser.text("#alpha-text") == f"alpha = {model.alpha_:.4g}"
    browser.enter(None)
    assert browser.log() == []


def test_sections_of_a_standardised_lasso(browser, data, tmp_path):
    X, y = data
    wide = X * np.geomspace(100.0, 0.01, 12)
    model = fastridge.LassoCV(alphas=10, standardize=True).fit(wide, y)
    fastridge.report(model, wide, y, path=tmp_path / "lasso.html")
    browser.open(tmp_path / "lasso.html")
    browser.wait("return document.documentElement.dataset.ready === 'yes'")
    # an L2 penalty that is an example, and a learning rate with which the steps arrive
    assert "no L2 part" in browser.text("#decay-lasso")
    factor = re.search(r"lr λ = (\S+);", browser.text("#decay-text"))[1]
    assert 0.5 < float(factor) < 0.99
    assert "need many steps" not in browser.text("#decay-agree")
    lr, strength = (
        float(browser.run(f"return document.getElementById('decay-{n}').value"))
        for n in ("lr", "lambda")
    )
    assert float(factor) == pytest.approx(1 - 2 * lr * strength, rel=1e-4)
    assert "divided by their standard deviations" in browser.text("#decay .units")
    assert "no shares by direction" in browser.text("#shrinkage-none")
    # the table in the units of the data, and per standard deviation
    first = browser.text("#coefficients tbody th")
    browser.click("#units")
    browser.wait(
        f"return document.querySelector('#coefficients tbody th').textContent !== '{first}'"
    )
    name = browser.text("#coefficients tbody th")
    effect = np.abs(model.coef_) * wide.std(axis=0)
    assert name == f"x{effect.argmax()}"
    assert number(browser.text("#coefficients tbody td")) == pytest.approx(
        model.coef_[effect.argmax()] * wide.std(axis=0)[effect.argmax()], rel=1e-3
    )
    assert browser.log() == []


def test_a_mode_that_grows_does_not_hide_the_others(page):
    page.run(SET, "decay-lambda", "3")
    page.run(SET, "decay-lr", "0.01")
    low, high = page.run("const y = Chart.getChart('decay-chart').scales.y; return [y.min, y.max];")
    assert high - low < 50
    assert "Independent decay, whose factor is" in page.text("#decay-agree")


def test_coefficients_of_unlike_sizes_are_drawn_in_their_own_units(browser, tmp_path):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((60, 2)) * [1.0, 1000.0]
    y = X @ [1.0, 0.001] + 0.1 * rng.standard_normal(60)
    fastridge.report(RidgeCV(ALPHAS).fit(X, y), X, y, path=tmp_path / "unlike.html")
    browser.open(tmp_path / "unlike.html")
    browser.wait("return document.documentElement.dataset.ready === 'yes'")
    assert browser.run("return document.getElementById('geometry-equal').checked") is False
    assert browser.log() == []
