"""Steps row by row: against scikit-learn's rules and the reference, and invariances."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from cases import each

from fastridge import _cpu
from fastridge._matrix import Matrix
from fastridge.reference import sgd as twin
from fastridge.solvers.sgd.learner import Diverged, Learner, Rule, shuffled_order

ADAPTIVE = ("auto", "adagrad", "coin")
CLASSIFIERS = ("hinge", "log_loss", "squared_hinge", "modified_huber", "perceptron")
REGRESSIONS = (
    "squared_error",
    "huber",
    "epsilon_insensitive",
    "squared_epsilon_insensitive",
    "poisson",
)
N, P = 60, 9


def matrix(X, index=np.int32):
    if sp.issparse(X):
        parts = X.data, X.indices.astype(index), X.indptr.astype(index)
        return Matrix.from_compressed(*parts, X.shape, False)
    return Matrix.from_dense(np.ascontiguousarray(X))


def design(density=0.5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, P)) * 10.0 ** rng.uniform(-2, 2, P)
    X[rng.random((N, P)) > density] = 0.0
    X[3] = 0.0
    return X


def targets(X, loss, seed=1):
    rng = np.random.default_rng(seed)
    eta = (X / np.maximum(abs(X).max(axis=0), 1e-300)) @ rng.standard_normal(X.shape[1])
    eta += 0.3 * rng.standard_normal(len(X))
    if loss == "poisson":
        return rng.poisson(np.exp(np.minimum(eta, 3.0))).astype(float)
    return np.where(eta > 0, 1.0, -1.0) if loss in CLASSIFIERS else 3.0 + eta


def rule(loss="log_loss", learning_rate="auto", alpha=1e-3, l1_ratio=0.0, **more):
    return Rule(loss, 0.1, learning_rate, 0.05, 0.5, alpha, l1_ratio, **more)


def fit(X, y, rule, epochs=2, weight=None, factor=None, k=1, kind=Learner, **more):
    learner = kind(X.shape[1], k, rule, factor)
    A = matrix(X) if kind is Learner else X
    losses = [learner.learn(A, y, weight, **more) for _ in range(epochs)]
    return learner, losses


def weights_of(learner):
    return np.column_stack([learner.coef(), learner.intercept()])


def assert_same(one, other, tol=1e-9):
    np.testing.assert_allclose(one, other, rtol=tol, atol=tol * max(abs(other).max(), 1e-300))


def rules_of_scikit_learn():
    """Losses, rates, penalties and averages that scikit-learn has, and gets right."""
    for loss in CLASSIFIERS + REGRESSIONS[:4]:
        rates = ["constant", "invscaling"]
        if loss in ("hinge", "epsilon_insensitive"):
            rates += ["pa1", "pa2"]
        if loss in CLASSIFIERS:
            rates += ["optimal"]
        for rate in rates:
            yield loss, rate, "l2", 0.0, 5  # its average forgets what truncation takes
            for penalty, l1_ratio in (("l2", 0.0), ("l1", 1.0), ("elasticnet", 0.3)):
                yield loss, rate, penalty, l1_ratio, 0


@pytest.mark.parametrize(
    ("loss", "rate", "penalty", "l1_ratio", "average"), list(rules_of_scikit_learn())
)
def test_rules_of_scikit_learn(loss, rate, penalty, l1_ratio, average):
    from sklearn.linear_model import SGDClassifier, SGDRegressor

    is_regression = loss in REGRESSIONS
    X = np.random.default_rng(0).standard_normal((N, P))
    y = targets(X, loss)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, N)
    kind = SGDRegressor if is_regression else SGDClassifier
    theirs = kind(
        loss=loss,
        penalty=penalty,
        l1_ratio=0.3,
        alpha=1e-2,
        learning_rate=rate,
        eta0=0.01,
        power_t=0.5,
        max_iter=3,
        tol=None,
        shuffle=False,
        average=average or False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(X, y, sample_weight=weight)
    ours = Rule(loss, 0.1, rate, 0.01, 0.5, 1e-2, l1_ratio, True, average)
    for A in (X, sp.csr_array(X)):
        learner, _ = fit(A, y, ours, 3, weight)
        coef, intercept = learner.average() if average else (learner.coef(), learner.intercept())
        assert_same(coef.ravel(), theirs.coef_.ravel())
        assert_same(intercept, theirs.intercept_)
        assert learner.t == theirs.t_


@each("l1_ratio, average", [(0.0, 0), (0.0, 7), (0.4, 7), (1.0, 0)])
@pytest.mark.parametrize("rate", [*ADAPTIVE, "constant", "invscaling"])
@pytest.mark.parametrize("loss", CLASSIFIERS + REGRESSIONS)
@pytest.mark.slow
def test_twin(loss, rate, l1_ratio, average):
    X = design()
    y = targets(X, loss)
    rng = np.random.default_rng(2)
    weight = rng.choice([0.0, 0.3, 1.0, 2.0, 3.5], N)
    factor = rng.choice([0.0, 1.0, 2.0], P)
    if rate in ("constant", "invscaling"):
        X = X / abs(X).max(axis=0)
        weight = np.minimum(weight, 1.0)
    ours = rule(loss, rate, 1e-2, l1_ratio, average=average)
    theirs = twin.Rule(*ours[:9])
    expected, sums = fit(X, y, theirs, 2, weight, factor, kind=twin.Learner)
    for A in (X, sp.csr_array(X)):
        found, losses = fit(A, y, ours, 2, weight, factor)
        assert_same(np.array(losses), np.array(sums))
        assert_same(weights_of(found), weights_of(expected))
        assert found.t == expected.t
        if average:
            assert_same(np.column_stack(found.average()), np.column_stack(expected.average()))


@pytest.mark.parametrize("l1_ratio", [0.0, 0.4])
@pytest.mark.parametrize("rate", [*ADAPTIVE, "constant", "optimal"])
@pytest.mark.parametrize(
    ("loss", "soft"),
    [
        ("hinge", False),
        ("modified_huber", False),
        ("log_loss", False),
        ("log_loss", True),
        ("multinomial", False),
        ("multinomial", True),
    ],
)
@pytest.mark.slow
def test_twin_of_several_outputs(loss, rate, soft, l1_ratio):
    X = design(seed=3)
    if rate in ("constant", "optimal"):
        X = X / abs(X).max(axis=0)
    rng = np.random.default_rng(4)
    y = rng.dirichlet(np.ones(4), N) if soft else rng.integers(0, 4, N).astype(np.int32)
    positive = None if soft or loss == "multinomial" else np.array([1.0, 2.0, 0.5, 1.0])
    ours = rule(loss, rate, 1e-2, l1_ratio, average=5)
    expected, sums = fit(X, y, twin.Rule(*ours[:9]), k=4, kind=twin.Learner, positive=positive)
    for A in (X, sp.csr_array(X)):
        found, losses = fit(A, y, ours, k=4, positive=positive)
        assert_same(np.array(losses), np.array(sums))
        assert_same(weights_of(found), weights_of(expected))
        assert_same(np.column_stack(found.average()), np.column_stack(expected.average()))


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("rate", [*ADAPTIVE, "constant"])
def test_storages(rate, loss):
    X = design().astype(np.float32)
    X[:, 0] = X[:, 0] != 0
    y = targets(X, loss)
    expected = weights_of(fit(X.astype(float), y, rule(loss, rate))[0])
    for A in (
        Matrix.from_dense(X),
        *(matrix(sp.csr_array(X.astype(d)), i) for d in "fd" for i in (np.int32, np.int64)),
    ):
        learner = Learner(P, 1, rule(loss, rate))
        for _ in range(2):
            learner.learn(A, y)
        assert_same(weights_of(learner), expected)


def test_ones():
    """Elements that are all 1 are not stored with the matrix."""
    X = (design() != 0).astype(float)
    y = targets(X, "log_loss")
    assert_same(weights_of(fit(sp.csr_array(X), y, rule())[0]), weights_of(fit(X, y, rule())[0]))


@pytest.mark.parametrize("rate", [*ADAPTIVE, "optimal"])
def test_instruction_sets(rate):
    X = design()
    X /= abs(X).max(axis=0)
    y = targets(X, "log_loss")
    codes = np.random.default_rng(5).integers(0, 3, N).astype(np.int32)
    before, found = _cpu.get_instruction_set(), []
    try:
        for name in _cpu.instruction_sets():
            _cpu.set_instruction_set(name)
            one = weights_of(fit(X, y, rule(learning_rate=rate))[0])
            several = weights_of(fit(sp.csr_array(X), codes, rule(learning_rate=rate), k=3)[0])
            found.append((one, several))
    finally:
        _cpu.set_instruction_set(before)
    for one, several in found[1:]:
        assert_same(one, found[0][0])
        assert_same(several, found[0][1])


@pytest.mark.parametrize("rate", ["auto", "coin"])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "poisson"])
def test_units_of_columns_do_not_matter(loss, rate):
    X = design()
    y = targets(X, loss)
    units = 2.0 ** np.random.default_rng(6).integers(-200, 200, P)
    one, losses = fit(X, y, rule(loss, rate, 0.0))
    other, same = fit(X * units, y, rule(loss, rate, 0.0))
    assert_same(other.coef() * units, one.coef(), 1e-12)
    assert_same(np.array(same), np.array(losses), 1e-12)


@pytest.mark.parametrize("unit", [2.0**-400, 2.0**-20, 2.0**20, 2.0**400])
def test_units_of_targets_do_not_matter(unit):
    X = design()
    y = targets(X, "squared_error")
    one, _ = fit(X, y, rule("squared_error", alpha=0.0))
    other, _ = fit(X, y * unit, rule("squared_error", alpha=0.0))
    assert_same(weights_of(other) / unit, weights_of(one), 1e-12)


@pytest.mark.parametrize("rate", ADAPTIVE)
def test_weights_are_repetitions(rate):
    X = design()
    y = targets(X, "log_loss")
    weight = np.random.default_rng(7).integers(0, 4, N)
    one, _ = fit(X, y, rule(learning_rate=rate), 2, weight.astype(float))
    rows = np.repeat(np.arange(N), weight)
    other, _ = fit(X, y, rule(learning_rate=rate), 2, order=rows)
    assert_same(weights_of(one), weights_of(other), 1e-12)
    assert one.t == 1 + 2 * N


@pytest.mark.parametrize("rate", [*ADAPTIVE, "optimal", "invscaling"])
def test_goes_on_bit_for_bit(rate):
    X = design()
    X /= abs(X).max(axis=0)
    y = targets(X, "log_loss")
    ours = rule(learning_rate=rate, l1_ratio=0.3, average=10)
    for A in (X, sp.csr_array(X)):
        whole = Learner(P, 1, ours)
        whole.learn(matrix(A), y)
        parts = Learner(P, 1, ours)
        parts.learn(matrix(A[:23]), y[:23])
        parts = pickle.loads(pickle.dumps(parts))
        parts.learn(matrix(A[23:]), y[23:])
        assert (weights_of(parts) == weights_of(whole)).all()
        assert (parts.average()[0] == whole.average()[0]).all()


def test_looking_changes_nothing_but_rounding():
    X = design()
    y = targets(X, "log_loss")
    one, other = Learner(P, 1, rule()), Learner(P, 1, rule())
    for i in range(N):
        one.learn(matrix(X[i : i + 1]), y[i : i + 1])
        one.coef()
    other.learn(matrix(sp.csr_array(X)), y)
    assert_same(weights_of(one), weights_of(other), 1e-12)


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("p", [P, 5000])
def test_divergence_leaves_nothing(p, is_sparse):
    rng = np.random.default_rng(8)
    X = np.zeros((N, p))
    X[:, :P] = rng.standard_normal((N, P))
    y = X[:, 0].copy()
    A = matrix(sp.csr_array(X) if is_sparse else X)
    learner = Learner(p, 1, rule("squared_error", "constant"))
    learner.learn(A, y)
    before, t = weights_of(learner), learner.t
    y[-1] = 1e200
    with pytest.raises(Diverged):
        learner.learn(A, y)
    assert (weights_of(learner) == before).all()
    assert learner.t == t


@pytest.mark.parametrize("rate", [*ADAPTIVE, "invscaling"])
def test_rules_change_between_calls(rate):
    """The old penalty holds up to the change, and records get the fields that they need."""
    X = design()
    X /= abs(X).max(axis=0)
    y = targets(X, "log_loss")
    first = rule(learning_rate=rate, alpha=1e-2)
    for second in (
        first._replace(alpha=0.0),
        first._replace(l1_ratio=0.5),
        first._replace(average=3),
        first._replace(alpha=1e-1, l1_ratio=1.0, average=N + 5),
    ):
        for one, other in ((first, second), (second, first)):
            found = Learner(P, 1, one)
            found.learn(matrix(sp.csr_array(X)), y)
            expected = weights_of(found)
            found.rule = other
            assert_same(weights_of(found), expected, 1e-12)
            found.learn(matrix(X), y)
            assert np.isfinite(weights_of(found)).all()
            assert np.isfinite(found.average()[0]).all()
            again = Learner.of_state(found.state())
            assert (weights_of(again) == weights_of(found)).all()


@pytest.mark.parametrize("rate", ADAPTIVE)
def test_divergence_where_averages_begin(rate):
    """Averages begin at a row of a call that is undone: all columns are as before."""
    X = sp.csr_array((np.ones(60), np.arange(60) % 7, np.arange(61)), shape=(60, 9000))
    y = np.ones(60)
    one, other = (Learner(9000, 1, rule("squared_error", rate, 1e-2, average=30)) for _ in range(2))
    for learner in (one, other):
        learner.learn(matrix(X[:20]), y[:20])
    # rows without the columns of before
    others = sp.csr_array((np.ones(20), np.arange(100, 120), np.arange(21)), shape=(20, 9000))
    broken = np.append(np.ones(19), np.inf)
    with pytest.raises(Diverged):
        one.learn(matrix(others), broken)
    for learner in (one, other):
        learner.learn(matrix(X[20:]), y[20:])
    assert (weights_of(one) == weights_of(other)).all()
    assert (one.average()[0] == other.average()[0]).all()


@pytest.mark.parametrize("average", [0, 5])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.4])
@pytest.mark.parametrize("rate", [*ADAPTIVE, "invscaling"])
def test_factors_change_between_calls(rate, l1_ratio, average):
    X = design()
    X /= abs(X).max(axis=0)
    y = targets(X, "log_loss")
    ours = rule(learning_rate=rate, alpha=1e-2, l1_ratio=l1_ratio, average=average)
    factor = np.arange(P) % 3.0
    one, other = Learner(P, 1, ours), Learner(P, 1, ours)
    for learner in (one, other):
        learner.learn(matrix(X[:30]), y[:30])
        learner.set_factor(factor)
    assert_same(weights_of(one), weights_of(Learner.of_state(one.state())), 1e-12)
    one.learn(matrix(sp.csr_array(X[30:])), y[30:])
    other.learn(matrix(X[30:]), y[30:])
    assert_same(weights_of(one), weights_of(other))
    assert_same(np.column_stack(one.average()), np.column_stack(other.average()))
    # factors of 1 change nothing
    whole, ones = Learner(P, 1, ours), Learner(P, 1, ours)
    whole.learn(matrix(X), y)
    ones.learn(matrix(X[:30]), y[:30])
    ones.set_factor(np.ones(P))
    ones.learn(matrix(X[30:]), y[30:])
    assert_same(weights_of(ones), weights_of(whole))
    assert_same(np.column_stack(ones.average()), np.column_stack(whole.average()))
    assert abs(weights_of(one) - weights_of(whole)).max() > 1e-6


def test_bets_take_no_start():
    with pytest.raises(ValueError, match="learning_rate='coin' always starts from 0"):
        Learner(P, 1, rule(learning_rate="coin")).set_coef(np.ones((1, P)), np.ones(1))


@pytest.mark.parametrize("rate", ["auto", "coin"])
@pytest.mark.parametrize("loss", CLASSIFIERS + REGRESSIONS)
def test_nothing_diverges(loss, rate):
    rng = np.random.default_rng(9)
    for _ in range(20):
        X = rng.standard_t(1.1, (N, P)) * 10.0 ** rng.uniform(-100, 100, P)
        y = targets(X, loss)
        if loss in REGRESSIONS:
            y = abs(y) * rng.choice([1.0, 1e6]) if loss == "poisson" else y * 1e100
        weight = rng.choice([0.0, 1e-9, 1.0, 1e9], N)
        learner, losses = fit(X, y, rule(loss, rate), 3, weight)
        assert np.isfinite(losses).all()
        assert np.isfinite(weights_of(learner)).all()


@pytest.mark.parametrize("rate", [*ADAPTIVE, "optimal"])
def test_rows_without_elements_or_weight(rate):
    y = np.array([1.0, -1.0, 1.0])
    empty = sp.csr_array((3, P))
    learner = Learner(P, 1, rule(learning_rate=rate))
    learner.learn(matrix(empty), y)
    assert (learner.coef() == 0).all()
    assert np.isfinite(learner.intercept()).all()
    if rate in ADAPTIVE:
        other = Learner(P, 1, rule(learning_rate=rate))
        assert other.learn(matrix(design()), targets(design(), "log_loss"), np.zeros(N)) == 0.0
        assert (weights_of(other) == 0).all()


@pytest.mark.parametrize("rate", ADAPTIVE)
def test_l1_gives_zeros(rate):
    X = np.random.default_rng(10).standard_normal((500, 20))
    y = np.where(X[:, 0] > 0, 1.0, -1.0)
    learner, _ = fit(X, y, rule("log_loss", rate, 0.05, 1.0), 20)
    coef = learner.coef()[0]
    assert coef[0] > 0.1
    if rate != "coin":
        assert (coef[1:] == 0).sum() >= 15


def test_orders():
    for n, size in [(0, 80.0), (1, 80.0), (1000, 80.0), (30000, 333.0)]:
        order = shuffled_order(n, size, 3, 1).rows
        assert sorted(order.tolist()) == list(range(n))
        assert (shuffled_order(n, size, 3, 1).rows == order).all()
    assert (shuffled_order(30000, 333.0, 3, 2).rows != order).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": np.zeros(3)}, "as many targets"),
        ({"order": np.array([0, N])}, f"rows from 0 to {N - 1}; got {N}"),
        ({"weight": np.ones(2)}, "as many targets"),
    ],
)
def test_lengths_are_checked(change, words):
    X = design()
    arguments = {"y": targets(X, "log_loss"), **change}
    with pytest.raises(ValueError, match=words):
        Learner(P, 1, rule()).learn(matrix(X), **arguments)
