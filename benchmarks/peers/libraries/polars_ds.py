"""polars_ds: windows by rank-one updates of an inverse; l2_reg penalises the intercept too."""

import numpy as np
import polars as pl
import polars_ds as pds

from libraries import Fitted, Solver


def version():
    return pds.__version__


def frame(work):
    """Columns x0, x1, ... and y, and the names of those of X."""
    names = [f"x{j}" for j in range(work.X.shape[1])]
    columns = {name: work.X[:, j] for j, name in enumerate(names)}
    return pl.DataFrame(columns | {"y": work.y}), names


def windows(work, tol):
    data, names = frame(work)
    fit = pds.rolling_lin_reg(*names, target="y", window_size=work.window, add_bias=True)

    def call():
        found = data.select(fit.alias("fit")).unnest("fit")["coeffs"]
        coef = np.array(found.gather(work.ends).to_list(), dtype=np.float64)
        return Fitted(coef[:, :-1], coef[:, -1])

    return call


def solvers():
    yield Solver("rolling_lin_reg", windows, ("windows",))
