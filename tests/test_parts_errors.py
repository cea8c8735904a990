"""Data in parts: errors name the part, and say what was expected."""

import numpy as np
import pytest
from parts_problems import ALPHAS, S0, X0, Y0, N, P, clone, data, nan_at, targets

import fastridge
from fastridge import Chunks

FAULTS = [
    ([(X0[:9], Y0[:9]), (X0[9:20], nan_at(Y0[9:20], 4))], r"part 1: Input y contains NaN"),
    (
        [(X0[:9], Y0[:9]), (X0[9:20, :4], Y0[9:20])],
        r"part 1: X has 4 columns; expected 7, as in the",
    ),
    ([(X0[:9], Y0[:9]), (X0[:0, :4], Y0[:0])], r"part 1: X has 4 columns; expected 7"),
    ([(X0[:0, :4], Y0[:0]), (X0[:9], Y0[:9])], r"part 1: X has 7 columns; expected 4"),
    (
        [(X0[:9], Y0[:9]), (X0[9:20], np.c_[Y0, Y0][9:20])],
        r"part 1: y has (2 columns; expected 1|shape \(11, 2\))",
    ),
    (
        [(X0[:9], Y0[:9], S0[:9]), (X0[:0], Y0[:0]), (X0[9:20], Y0[9:20])],
        r"part 2: sample_weight is None, but the parts before have it",
    ),
    (
        [(X0[:9], Y0[:9]), (X0[:0], Y0[:0]), (X0[9:20], Y0[9:20], S0[9:20])],
        r"part 2: sample_weight is given, but the parts before have none",
    ),
    ([(X0[:9], Y0[:8])], r"part 0: y has 8 rows, but X has 9"),
    ([(X0[:9], Y0[:9], -S0[:9])], r"part 0: sample_weight"),
    ([(X0[:9],)], r"part 0 is a tuple of 1 elements; expected \(X, y\)"),
    ([{"X": X0[:9], "weights": S0[:9]}], r"part 0 has the keys"),
    ([(X0[:9], Y0[:9], 0.0 * S0[:9])], r"sample_weight is zero for every sample"),
]


@pytest.mark.parametrize(("chunks", "message"), FAULTS)
@pytest.mark.parametrize("model", [fastridge.Ridge(), fastridge.PoissonRegressor()])
def test_errors_name_the_part(chunks, message, model):
    chunks = [
        (c[0], np.abs(c[1]), *c[2:]) if isinstance(c, tuple) and len(c) > 1 else c for c in chunks
    ]
    with pytest.raises(ValueError, match=message):
        clone(model).fit(Chunks(chunks))
    assert not hasattr(model, "coef_")


def test_what_parts_cannot_do_is_said():
    chunks = Chunks.arrays(X0, Y0, rows=100)
    for model, message in (
        (
            fastridge.GroupRidge("each", criterion="loo"),
            "criterion='loo' is not supported for data in parts",
        ),
        (fastridge.RidgeCV(ALPHAS, cv=3, scoring=lambda *_: 0.0), "scoring is"),
        (fastridge.RidgeCV(ALPHAS, validation=0.2), "validation is not supported"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(chunks)
    with pytest.raises(TypeError, match=r"X is data in parts, which .*expected partial_fit"):
        fastridge.SGDRegressor().fit(chunks)
    with pytest.raises(ValueError, match="sample_weight is given together with Chunks"):
        fastridge.Ridge().fit(chunks, sample_weight=S0)
    with pytest.raises(TypeError, match="source is a int"):
        Chunks(3)
    with pytest.raises(ValueError, match="rows is 0"):
        Chunks.arrays(X0, Y0, rows=0)
    with pytest.raises(ValueError, match="y has 9 rows"):
        Chunks.arrays(X0, Y0[:9])


def test_solvers_of_other_losses_are_those_asked_for():
    counts = Chunks.arrays(X0 - X0.mean(axis=0), np.abs(Y0 - Y0.mean()), rows=100)
    automatic = fastridge.PoissonRegressor(tol=1e-8).fit(counts).coef_
    for solver in ("newton", "newton-cg"):
        found = fastridge.PoissonRegressor(solver=solver, tol=1e-8).fit(counts)
        assert found.solver_ == solver
        assert found.coef_ == pytest.approx(automatic, rel=1e-5, abs=1e-8)
    for options, message in (
        ({"solver": "newton-samples"}, "solver is 'newton-samples'; for data in parts"),
        ({"solver": "prox-newton"}, "solver is 'prox-newton'; for data in parts"),
        ({"solver": "newton-cg", "alpha": 0.0}, "features without a penalty, expected one of"),
        ({"solver": "newton", "positive": True}, "L1 penalty or bounds, expected one of"),
    ):
        model = fastridge.PoissonRegressor(**options)
        with pytest.raises(ValueError, match=message):
            model.fit(counts)
        assert not hasattr(model, "coef_")


def test_categories_are_refused_with_advice():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X0).astype({3: "category"})
    frame.columns = [f"c{j}" for j in range(P)]
    words = frame.assign(c2=np.where(X0[:, 0] > 0, "a", "b"))
    for table in (frame.assign(c3=pd.Categorical(np.where(X0[:, 0] > 0, "a", "b"))), words):
        with pytest.raises((ValueError, TypeError), match=r"part 0: .*c[23].*"):
            fastridge.Ridge().fit(Chunks.arrays(table, Y0, rows=100))


def test_labels_are_checked():
    X, y, _ = data()
    labels = targets(y, "labels")
    numbers = np.where(labels == "up", 1.0, 0.0)
    for model in (fastridge.LogisticRegression(), fastridge.RidgeClassifier()):
        for wrong, message in (
            (np.where(np.arange(N) == 250, np.nan, numbers), "part 2"),
            (numbers + 0.25, "part 0"),
        ):
            with pytest.raises(ValueError, match=message):
                model.fit(Chunks.arrays(X, wrong, rows=100))
        mixed = [(X[:100], numbers[:100].astype(int)), (X[100:], labels[100:])]
        with pytest.raises(ValueError, match="part 1: y has labels of dtype"):
            model.fit(Chunks(mixed))
    for wrong in (numbers * 0, np.where(np.arange(N) < 3, "up", "down")):
        weight = np.where(np.arange(N) < 3, 0.0, 1.0)
        with pytest.raises(ValueError, match="y has"):
            fastridge.LogisticRegression().fit(Chunks.arrays(X, wrong, weight, rows=100))
    found = fastridge.LogisticRegression().fit(Chunks.arrays(X, labels, rows=100))
    assert found.classes_.dtype == labels.dtype


def test_names_in_another_order():
    pd = pytest.importorskip("pandas")
    X, y, _ = data()
    frame = pd.DataFrame(X, columns=list("abcdefg"))
    labels = targets(y, "labels")
    for model, t in ((fastridge.Ridge(), y), (fastridge.LogisticRegression(), labels)):
        chunks = [(frame[:300], t[:300]), (frame[list("gfedcba")][300:], t[300:])]
        with pytest.raises(ValueError, match=r"part 1: .*feature name 'g' at position 0"):
            model.fit(Chunks(chunks))


def test_errors_of_all_kinds_name_the_part():
    class Odd(Exception):
        pass

    def read():
        yield X0[:9], Y0[:9]
        yield X0[9:20], Y0[9:20]
        raise Odd("disk is on fire")

    with pytest.raises(Odd) as caught:
        fastridge.Ridge().fit(Chunks(read))
    assert caught.value.__notes__ == ["This was in part 2 of the data."]

    def text():
        yield X0[:9], Y0[:9]
        raise ValueError("not a number")

    with pytest.raises(ValueError, match="part 1: not a number"):
        fastridge.Ridge().fit(Chunks(text))
    chunks = [(X0[:9], np.abs(Y0[:9])), (X0[9:20], np.abs(Y0[9:20]))]
    counts = iter([2, 1])
    with pytest.raises(ValueError, match="part 1: the source gives 1 chunks, fewer than the 2"):
        fastridge.PoissonRegressor().fit(Chunks(lambda: chunks[: next(counts)]))
    counts = iter([1, 2])
    with pytest.raises(ValueError, match="part 1: the source gives more than the 1 chunks"):
        fastridge.PoissonRegressor().fit(Chunks(lambda: chunks[: next(counts)]))
    rows = iter([20, 19])
    with pytest.raises(ValueError, match="part 0: the source gives 19 rows, and 20 in the prev"):
        fastridge.PoissonRegressor().fit(
            Chunks(lambda: [(X0[:k], np.abs(Y0[:k])) for k in [next(rows)]])
        )


def test_data_that_change_between_passes():
    X, y, _ = data()
    classes = np.digitize(y - np.median(y), [-0.5, 0.5])

    def changing(target, change, passes=1, at=100):
        calls = []

        def read():
            calls.append(None)
            for i in range(0, N, 100):
                A, t = X[i : i + 100].copy(), target[i : i + 100].copy()
                if len(calls) > passes and i == at:
                    change(A, t)
                yield A, t

        return Chunks(read)

    def nan(A, t):
        A[3, 2] = np.nan

    def unknown(A, t):
        t[5] = 99

    def less(A, t):
        t[5] = -1

    def same(A, t):
        t[:] = 0

    nets = {"Cs": 2, "l1_ratios": [0.0], "scoring": "accuracy", "use_legacy_attributes": False}
    by_folds = fastridge.LogisticRegressionCV(cv=3, **nets)
    for model in (fastridge.LogisticRegression(), fastridge.PoissonRegressor()):
        with pytest.raises(ValueError, match="part 1: Input X contains NaN"):
            model.fit(changing((classes > 0).astype(int), nan))
    with pytest.raises(ValueError, match="part 1: Input X contains NaN"):
        fastridge.RidgeCV(ALPHAS).fit(changing(y, nan))
    for model, passes in (
        (fastridge.LogisticRegression(), 1),
        (fastridge.LogisticRegression(class_weight="balanced"), 2),
        (fastridge.RidgeClassifier(class_weight="balanced"), 1),
        (fastridge.RidgeClassifierCV(ALPHAS, cv=3), 1),
        (by_folds, 1),
        (by_folds, 2),
    ):
        for change, label in ((unknown, 99), (less, -1)):
            with pytest.raises(ValueError, match=f"part 1: y has the label {label}, which it had"):
                model.fit(changing(classes, change, passes))
    with pytest.raises(ValueError, match=r"part 5: y has 100 rows of the class 0, more"):
        fastridge.RidgeClassifierCV(ALPHAS, cv=3).fit(changing(classes, same, at=500))


@pytest.mark.parametrize("model", [fastridge.PoissonRegressor(), fastridge.LogisticRegression()])
def test_squares_that_overflow(model):
    X, y, _ = data()
    chunks = [(X[:100], y[:100] > 0), (1e200 * X[100:200], y[100:200] > 0)]
    with pytest.raises(ValueError, match="part 1: X is too large"):
        model.fit(Chunks(chunks))


def test_groups_without_a_label():
    X, y, _ = data()
    for missing, shown in ((np.nan, "nan"), (None, "None")):
        groups = [0.0, 1.0, 2.0, missing] * (N // 4 + 1)
        chunks = Chunks.arrays(X, y, groups=np.array(groups[:N]), rows=100)
        with pytest.raises(ValueError, match=f"part 0: groups has the label {shown} at row 3"):
            fastridge.RidgeCV(ALPHAS, cv=3).fit(chunks)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda a, b: [(a, [N]), (b, a)], "element 0 of cv .* expected rows from 0"),
        (lambda a, b: [(a, b), (b, 1.0 * a)], "element 1 of cv .* expected integer rows"),
        (lambda a, b: [(None, b), (b, a)], "element 0 of cv .* expected integer rows"),
        (lambda a, b: [1, 2], "element 0 of cv is not a pair"),
        (lambda a, b: [(a, b, a)], "element 0 of cv is not a pair"),
        (lambda a, b: [([True], b), (b, a)], "element 0 of cv .* expected integer rows"),
        (lambda a, b: [], "cv yields no folds"),
    ],
)
def test_splits_that_are_wrong(rows, message):
    X, y, _ = data()
    half = np.arange(N) < N // 2
    cv = rows(np.flatnonzero(half), np.flatnonzero(~half))
    with pytest.raises(ValueError, match=message):
        fastridge.RidgeCV(ALPHAS, cv=cv).fit(Chunks.arrays(X, y, rows=100))


@pytest.mark.parametrize("wrong", [None, 1.0, np.float64(2.0), np.array(3.0)])
def test_what_is_no_table(wrong):
    with pytest.raises(TypeError, match="part 1: X is a "):
        fastridge.Ridge().fit(Chunks([(X0[:9], Y0[:9]), (wrong, Y0[:9])]))


@pytest.mark.parametrize("returned", [None, 3])
def test_a_source_that_returns_no_chunks(returned):
    with pytest.raises(TypeError, match=r"part 0: source returned a .*; expected an iterator"):
        fastridge.Ridge().fit(Chunks(lambda: returned))


@pytest.mark.parametrize(("solver", "l1_ratio"), [("auto", 0.0), ("auto", 0.5), ("newton-cg", 0.0)])
def test_a_loss_that_overflows_where_the_fit_starts(solver, l1_ratio):
    X, y, _ = data()
    offset = np.zeros(N)
    offset[150] = 1e4
    model = fastridge.PoissonRegressor(solver=solver, l1_ratio=l1_ratio)
    with pytest.raises(ValueError, match=r"overflow float64 .* offset, exposure or sample_weight"):
        model.fit(Chunks.arrays(X, np.abs(y), offset=offset, rows=100))
    assert not hasattr(model, "coef_")
