"""Import, and import with a first fit, in fresh processes."""

DATA = "import numpy as np; X = np.eye(100, 10) + 1.0; y = X.sum(axis=1)"


def timeraw_import_numpy():
    return "import numpy"


def timeraw_import_fastridge():
    return "import fastridge"


def timeraw_import_sklearn_linear_model():
    return "import sklearn.linear_model"


def timeraw_first_fit_fastridge():
    return f"{DATA}; import fastridge; fastridge.Ridge().fit(X, y)"


def timeraw_first_fit_sklearn():
    return f"{DATA}; from sklearn.linear_model import Ridge; Ridge().fit(X, y)"


def _needs_sklearn():
    from importlib.util import find_spec

    if find_spec("sklearn") is None:
        raise NotImplementedError  # asv skips what is not installed


for _function in (timeraw_import_sklearn_linear_model, timeraw_first_fit_sklearn):
    _function.setup = _needs_sklearn
