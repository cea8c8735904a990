"""Epochs of stochastic gradient descent: time and held-out loss."""

import numpy as np

from . import common
from .glm import labels

HELD_OUT = 0.2


class _Epoch:
    """One epoch on one thread; a subclass has `data` and a `loss`."""

    params = ("auto", "coin", "optimal", "scikit-learn")
    param_names = ("player",)
    loss = "log_loss"

    def setup(self, player):
        common.pin("1 thread")
        X, y = self.data()
        kept = int((1.0 - HELD_OUT) * len(y))
        self.X, self.y, self.X_test, self.y_test = X[:kept], y[:kept], X[kept:], y[kept:]
        options = {"loss": self.loss, "max_iter": 1, "tol": None, "random_state": 0}
        if player == "scikit-learn":
            module = common.sklearn_linear_model()
        elif player == "reference":
            self.learn = self.twin
            return
        else:
            import fastridge as module

            options["learning_rate"] = player
            if player == "optimal" and self.loss != "log_loss":
                options["learning_rate"] = "invscaling"
        if self.loss == "squared_error":
            model = module.SGDRegressor(**options)
            self.learn = lambda: model.fit(self.X, self.y).predict
        else:
            model = module.SGDClassifier(**options)
            self.learn = lambda: model.fit(self.X, self.y).decision_function

    def twin(self):
        from fastridge.reference.sgd import Learner, Rule

        rule = Rule(self.loss, 0.1, "auto", 0.01, 0.5, 1e-4, 0.0, True, 0)
        learner = Learner(self.X.shape[1], 1, rule)
        learner.learn(self.X, self.y)
        return lambda X: X @ learner.coef()[0] + learner.intercept()[0]

    def time_epoch(self, player):
        self.learn()

    def track_held_out(self, player):
        p = self.learn()(self.X_test)
        if self.loss == "squared_error":
            return float(((self.y_test - p) ** 2).mean())
        if p.ndim == 1:
            return float(np.logaddexp(0.0, -self.y_test * p).mean())
        return float((p.argmax(axis=1) != self.y_test).mean())

    track_held_out.unit = "mean loss of held-out rows"


class OneHot(_Epoch):
    def data(self):
        X = common.one_hot(100_000, 5_000, 15)[0]
        return X, 2.0 * labels(X) - 1.0


class Words(_Epoch):
    def data(self):
        X = common.words(20_000, 50_000, 100)[0]
        return X, 2.0 * labels(X) - 1.0


class Dense(_Epoch):
    loss = "squared_error"

    def data(self):
        return common.dense(100_000, 50)


class Classes(_Epoch):
    """20 classes in one pass, one against the rest; the loss is the error rate."""

    def data(self):
        X = common.words(10_000, 20_000, 50)[0]
        scores = X @ np.random.default_rng(2).standard_normal((X.shape[1], 20))
        return X, scores.argmax(axis=1)


class Softmax(Classes):
    loss = "multinomial"
    params = ("auto", "coin")


class Small(_Epoch):
    """Few rows, for which the reference is fast enough."""

    params = ("auto", "reference", "scikit-learn")

    def data(self):
        X = common.one_hot(2_000, 200, 10)[0]
        return X, 2.0 * labels(X) - 1.0


class SmallDense(Small):
    loss = "squared_error"

    def data(self):
        return common.dense(2_000, 20)


class PartialFit:
    """Calls with 100 more rows of 10."""

    params = ("auto", "coin", "optimal", "scikit-learn")
    param_names = ("player",)

    def setup(self, player):
        common.pin("1 thread")
        X, y = common.dense(100, 10)
        label = np.where(y > y.mean(), 1.0, -1.0)
        if player == "scikit-learn":
            module, options = common.sklearn_linear_model(), {}
        else:
            import fastridge as module

            options = {"learning_rate": player}
        model = module.SGDClassifier(loss="log_loss", **options)
        model.partial_fit(X, label, classes=[-1.0, 1.0])
        self.classify = lambda: model.partial_fit(X, label)
        if player == "optimal":
            options = {"learning_rate": "invscaling"}
        other = module.SGDRegressor(**options).partial_fit(X, y)
        self.regress = lambda: other.partial_fit(X, y)

    def time_classifier(self, player):
        self.classify()

    def time_regressor(self, player):
        self.regress()
