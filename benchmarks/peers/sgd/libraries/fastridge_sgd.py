"""This library."""

import fastridge


def version():
    return fastridge.__version__


def model(loss, **options):
    kind = fastridge.SGDClassifier if loss == "log_loss" else fastridge.SGDRegressor
    return kind(loss, max_iter=1, tol=None, random_state=0, **options)


def epoch(loss, **options):
    def prepare(rows):
        def call():
            found = model(loss, **options).fit(rows.X, rows.y)
            if loss == "log_loss":
                return lambda X: found.decision_function(X)
            return lambda X: found.predict(X)

        return call

    return prepare


def players(work, options):
    penalty = {} if options.alpha is None else {"alpha": options.alpha}
    yield "auto", epoch(work.loss, **penalty)
    yield "auto, as rows lie", epoch(work.loss, shuffle=False, **penalty)
    yield "auto, no penalty", epoch(work.loss, penalty=None)
    yield "coin", epoch(work.loss, learning_rate="coin", **penalty)
    rate = "optimal" if work.loss == "log_loss" else "invscaling"
    yield rate, epoch(work.loss, learning_rate=rate, **penalty)
    if options.batch_size > 1:
        name = f"auto, batches of {options.batch_size}"
        yield name, epoch(work.loss, batch_size=options.batch_size, **penalty)


def small(X, y):
    found = fastridge.SGDClassifier("log_loss")
    found.partial_fit(X, y, classes=[-1.0, 1.0])
    yield "SGDClassifier.partial_fit", lambda: found.partial_fit(X, y)
