"""Spark's MLlib, on one thread of this process's Java runtime.

The time is that of `fit` on a data frame that Spark has cached, as its models are made for.
"""

import shutil

import numpy as np
from pyspark import __version__ as _version
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.functions import array_to_vector
from pyspark.ml.regression import LinearRegression
from pyspark.sql import SparkSession

from libraries import Fitted, Solver

if shutil.which("java") is None:
    raise ImportError("Spark needs a Java runtime")

_PARTITIONS = 8


def version():
    return _version


def _session():
    build = SparkSession.builder.master("local[1]").appName("peers")
    for name, value in (
        ("spark.ui.enabled", "false"),
        ("spark.driver.memory", "4g"),
        ("spark.sql.execution.arrow.pyspark.enabled", "true"),
        ("spark.log.level", "ERROR"),
    ):
        build = build.config(name, value)
    return build.getOrCreate()


def _frame(work):
    """Return rows (features, label), cached."""
    import pandas as pd

    rows = pd.DataFrame(
        {"row": list(np.asarray(work.X)), "label": np.asarray(work.y, dtype=np.float64)}
    )
    frame = _session().createDataFrame(rows).repartition(_PARTITIONS)
    frame = frame.select(array_to_vector("row").alias("features"), "label").cache()
    frame.count()
    return frame


def model(kind):
    def make(work, tol):
        frame = _frame(work)
        options = {
            "regParam": work.alpha / len(work.y),
            "standardization": False,
            "tol": tol,
            "maxIter": 10_000,
        }
        if work.kind == "logistic":
            fitted = LogisticRegression(**options)
        else:
            fitted = LinearRegression(solver=kind, **options)

        def call():
            found = fitted.fit(frame)
            return Fitted(np.array(found.coefficients), found.intercept)

        return call

    return make


def solvers():
    yield Solver("normal", model("normal"), ("fit",), most=1e10, features=4096)
    yield Solver("l-bfgs", model("l-bfgs"), ("fit", "logistic"), tunable=True, most=1e10)
