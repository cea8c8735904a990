"""An interrupt ends every long operation within a second.

A timer sends a signal after a moment; each operation would take seconds more.
"""

import io
import signal
import time

import numpy as np
import pytest
import scipy.sparse as sp

import fastridge as f

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers"),
    pytest.mark.filterwarnings("ignore"),
]

RNG = np.random.default_rng(0)
AFTER, LATE = 0.06, 1.0  # seconds of processor time
X = RNG.standard_normal((2500, 1600))
Y = X[:, :4] + RNG.standard_normal((2500, 4))
y = Y[:, 0]
COUNTS, CLASSES = RNG.poisson(2.0, 2500).astype(float), RNG.integers(0, 4, 2500)
WIDE, ANY = X[:800], np.tile(X[:, :400], (12, 1))
SPARSE = sp.random_array((40_000, 8000), density=3e-3, format="csr", rng=RNG)
S = np.asarray(SPARSE.sum(axis=1)) + RNG.standard_normal(40_000)
LEVELS = sp.csr_array(
    (
        np.ones(80_000),
        RNG.integers(0, 4000, 80_000) + np.tile([0, 4000], 40_000),
        np.arange(0, 80_001, 2),
    )
)
BATCH, SIGN = X.reshape(40, 1000, 100), (ANY[:, 0] > 0).astype(float)
ALPHAS = np.logspace(-3, 3, 30)
PARTS, OF_SIGNS = (f.Chunks.arrays(ANY, target, rows=500) for target in (ANY[:, 0], SIGN))


def again(operation):
    """Repeat an operation that is short each time."""

    def run():
        while True:
            operation()

    return run


def _missed_steps():
    table = np.ones((20_000, 64))
    sgd = f.optim.SGD([table], lr=0.1, weight_decay=0.1)
    rows, gradient = np.arange(1), np.ones((1, 64))
    for _ in range(400):
        sgd.step([(rows, gradient)])
    sgd.flush()


def _saved_again():
    model = f.Ridge().fit(X, Y)
    while True:
        file = io.BytesIO()
        f.save(model, file)
        file.seek(0)
        f.load(file)


OPERATIONS = {
    "ridge cholesky": lambda: f.ridge(np.tile(X, (1, 3)), y, 1.0, solver="cholesky"),
    "ridge dual": lambda: f.ridge(np.tile(X, (1, 3)), Y, 1.0, solver="dual"),
    "ridge cg": lambda: f.ridge(SPARSE, S, 1e-9, solver="cg", tol=1e-14),
    "ridge qr": lambda: f.ridge(X, y, 1.0, solver="qr"),
    "ridge svd": lambda: f.ridge(X, y, 1.0, solver="svd"),
    "ridge bounds": lambda: f.ridge(X, y, 1.0, lower=0.0),
    "ridge sparse": again(lambda: f.ridge(LEVELS, S, 1.0)),
    "ridge_batch": again(lambda: f.ridge_batch(BATCH, BATCH[:, :, 0], 1.0)),
    "ridge_path": lambda: f.ridge_path(X, y, ALPHAS),
    "rolling_ridge": again(lambda: f.rolling_ridge(X[:, :80], y, window=200, alpha=[0.1, 1.0])),
    "elastic_net": lambda: f.elastic_net(X, y, 1e-6, l1_ratio=1.0, tol=1e-14, max_iter=10**6),
    "elastic_net_path": lambda: f.elastic_net_path(X, y, tol=1e-10),
    "lasso_path": lambda: f.lasso_path(X, Y, alphas=200),
    "lasso sparse": lambda: f.elastic_net(SPARSE, S, 1e-7, tol=1e-14, max_iter=10**6),
    "glm": again(lambda: f.glm(X, COUNTS, "poisson", 1e-8)),
    "glm cg": again(lambda: f.glm(SPARSE, abs(S), "poisson", 1e-8, solver="newton-cg")),
    "glm l1": again(lambda: f.glm(X, CLASSES % 2, "logistic", 1e-5, l1_ratio=1.0, tol=1e-12)),
    "glm multinomial": again(lambda: f.glm(X, CLASSES, "multinomial", 1e-6)),
    "glm_path": lambda: f.glm_path(X, COUNTS, "poisson", alphas=ALPHAS),
    "left_out": again(lambda: f.glm(ANY, SIGN, "logistic", 1e-2).left_out()),
    "GLMPosterior": again(lambda: f.GLMPosterior(f.glm(ANY, SIGN, "logistic", 1e-2)).covariance),
    "RidgeCV loo": lambda: f.RidgeCV(ALPHAS).fit(X, y),
    "RidgeCV wide": lambda: f.RidgeCV(ALPHAS).fit(WIDE, Y[:800]),
    "RidgeCV gcv cg": lambda: f.RidgeCV(ALPHAS, cv="gcv", solver="cg", tol=1e-12).fit(SPARSE, S),
    "RidgeCV folds": lambda: f.RidgeCV(ALPHAS, cv=5).fit(X, y),
    "RidgeClassifierCV": lambda: f.RidgeClassifierCV(ALPHAS).fit(X, CLASSES),
    "LassoCV": lambda: f.LassoCV(cv=5, tol=1e-8).fit(X, y),
    "MultiTaskLassoCV": lambda: f.MultiTaskLassoCV(cv=5, tol=1e-8).fit(X, Y),
    "GLMCV": lambda: f.GLMCV("poisson", cv=5).fit(X, COUNTS),
    "LogisticRegressionCV": lambda: f.LogisticRegressionCV(cv=5).fit(X, CLASSES % 2),
    "glm evidence": lambda: f.PoissonRegressor(alpha="evidence").fit(X, COUNTS),
    "BayesianRidge": again(lambda: f.BayesianRidge().fit(X, y)),
    "GroupRidge": lambda: f.GroupRidge(np.arange(1600) % 20).fit(X, y),
    "GroupRidge wide": again(lambda: f.GroupRidge(np.arange(1600) % 20).fit(WIDE, y[:800])),
    "GroupRidge cg": lambda: f.GroupRidge(np.arange(8000) % 9, solver="cg").fit(SPARSE, S),
    "LinearRegression": lambda: f.LinearRegression().fit(X[:, :700], y),
    "SGDRegressor": lambda: f.SGDRegressor(max_iter=10**5, tol=None).fit(X, y),
    "SGDClassifier": lambda: f.SGDClassifier(max_iter=10**5, tol=None).fit(SPARSE, S.mean() < S),
    "optimizer flush": again(_missed_steps),
    "Moments": again(lambda: f.Moments(ANY, ANY[:, 0])),
    "predict": again(lambda: f.Ridge().fit(ANY, ANY[:, :3]).predict(ANY)),
    "read_svmlight": again(lambda: f.io.read_svmlight(b"1 1:0.5 3:0.25 7:1e-3\n" * 300_000)),
    "iter_svmlight": again(
        lambda: list(f.io.iter_svmlight([b"1 1:0.5 3:0.25\n"] * 50_000, n_features=4, rows=1000))
    ),
    "save and load": lambda: _saved_again(),
    "report": again(lambda: f.report(f.Ridge().fit(X, y), X, y)),
    "rolling_ridge wide": again(lambda: f.rolling_ridge(X[:, :300], y, window=400, alpha=1.0)),
    "MultiTaskLasso": again(lambda: f.MultiTaskLasso(1e-4, tol=1e-12).fit(X, Y)),
    "predict_proba": again(lambda: f.LogisticRegression().fit(ANY, SIGN).predict_proba(ANY)),
    "MultinomialPosterior": again(
        lambda: f.MultinomialPosterior(f.glm(X[:, :60], CLASSES, "multinomial", 0.1))
    ),
    "Adam": again(
        lambda: f.optim.Adam([np.zeros((1500, 1500))], lr=0.1).step([np.ones((1500, 1500))])
    ),
    "parts": again(lambda: f.Ridge().fit(PARTS)),
    "parts cg": lambda: f.Ridge(1e-8, solver="sparse_cg", tol=1e-14).fit(PARTS),
    "parts glm": again(lambda: f.LogisticRegression(C=1e4).fit(OF_SIGNS)),
    "parts RidgeCV": again(lambda: f.RidgeCV(ALPHAS, cv=5).fit(PARTS)),
    "parts LassoCV": again(lambda: f.LassoCV(cv=5).fit(PARTS)),
    "parts GLMCV": again(lambda: f.LogisticRegressionCV(cv=5).fit(OF_SIGNS)),
    "information_criteria": again(lambda: f.information_criteria(f.Lasso(1e-3).fit(X, y), X, y)),
}


class Interrupt(KeyboardInterrupt):
    pass


def interrupted(operation):
    """Run an operation until a signal ends it; return the seconds that it took to end.

    Calls of LAPACK that were left behind take processor time, other processes take the time of the
    clock: the lesser counts.
    """

    def handler(*arguments):
        raise Interrupt

    before = signal.signal(signal.SIGPROF, handler)
    start, clock = time.process_time(), time.monotonic()
    try:
        with f.num_threads(1):
            signal.setitimer(signal.ITIMER_PROF, AFTER)
            operation()
        pytest.fail("it ended before the signal")
    except Interrupt:
        return min(time.process_time() - start, time.monotonic() - clock) - AFTER
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@pytest.mark.parametrize("name", OPERATIONS)
def test_interrupts_are_answered(name):
    assert interrupted(OPERATIONS[name]) < LATE
    # no thread or buffer is left in the middle of something
    found = f.ridge(X[:60, :5], y[:60], 1.0).coef
    A = X[:60, :5] - X[:60, :5].mean(axis=0)
    expected = np.linalg.solve(A.T @ A + np.eye(5), A.T @ y[:60])
    np.testing.assert_allclose(found, expected, rtol=1e-9)
