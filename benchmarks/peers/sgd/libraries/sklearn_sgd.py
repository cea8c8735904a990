"""scikit-learn: its default, and its best schedule and initial rate on the held-out rows."""

import numpy as np

RATES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
MOST = 200_000_000  # bound on the elements visited by all rates together


def version():
    import sklearn

    return sklearn.__version__


def model(loss, **options):
    from sklearn.linear_model import SGDClassifier, SGDRegressor

    kind = SGDClassifier if loss == "log_loss" else SGDRegressor
    return kind(loss=loss, max_iter=1, tol=None, random_state=0, **options)


def epoch(loss, **options):
    def prepare(rows):
        def call():
            try:
                found = model(loss, **options).fit(rows.X, rows.y)
            except ValueError:
                # it raises if weights overflow
                return lambda X: np.full(X.shape[0], np.inf)
            if loss == "log_loss":
                return lambda X: found.decision_function(X)
            return lambda X: found.predict(X)

        return call

    return prepare


def tuned(work, penalty):
    """Return the schedule and initial rate with the least loss on the held-out rows."""
    tried = [{"learning_rate": "optimal", **penalty}]
    for schedule in ("constant", "invscaling"):
        tried += [{"learning_rate": schedule, "eta0": e, **penalty} for e in RATES]

    def loss_of(options):
        predict = epoch(work.loss, shuffle=False, **options)(work.train)()
        loss = work.held_out(predict(work.test.X))
        return loss if np.isfinite(loss) else np.inf

    return min(tried, key=loss_of)


def players(work, options):
    try:
        version()
    except ImportError:
        return
    penalty = {} if options.alpha is None else {"alpha": options.alpha}
    yield "default", epoch(work.loss, **penalty)
    yield "default, as rows lie", epoch(work.loss, shuffle=False, **penalty)
    if 11 * work.train.elements <= MOST:
        best = tuned(work, penalty)
        first = f" {best['eta0']:g}" if "eta0" in best else ""
        yield f"best of 11: {best['learning_rate']}{first}", epoch(work.loss, **best)


def small(X, y):
    try:
        found = model("log_loss")
    except ImportError:
        return
    found.partial_fit(X, y, classes=[-1.0, 1.0])
    yield "SGDClassifier.partial_fit", lambda: found.partial_fit(X, y)
