"""polars_ols: windows by rank-one updates of an inverse; alpha penalises the intercept too."""

from importlib.metadata import version as version_of

import polars as pl
import polars_ols  # noqa: F401 (registers `least_squares`)

from libraries import Fitted, Solver
from libraries.polars_ds import frame


def version():
    return version_of("polars-ols")


def windows(work, tol):
    data, names = frame(work)
    fit = pl.col("y").least_squares.rolling_ols(
        *names,
        window_size=work.window,
        min_periods=work.window,
        add_intercept=True,
        mode="coefficients",
    )

    def call():
        found = data.select(fit.alias("fit")).unnest("fit")
        coef = found[work.ends].to_numpy()
        return Fitted(coef[:, :-1], coef[:, -1])

    return call


def solvers():
    yield Solver("rolling_ols", windows, ("windows",))
