"""Parameters and search that elastic nets and lassos with a chosen penalty share."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._progress import reporter
from .._stack import outside
from ..data.check import (
    check_design,
    check_finite,
    check_sample_weight,
    check_target,
    feature_names,
    recheck,
)
from ..data.parts import in_parts
from ..data.rows import as_container
from ..exceptions import GridWarning
from ..solvers.descent.enet_path import enet_path
from ..solvers.descent.options import Options, check_alphas
from ._base import LinearRegressor
from ._choosing import Choosing, require_numbers
from ._parameters import (
    ABOVE_0,
    AT_LEAST_0,
    BOOL,
    CALLBACK,
    COUNT,
    GRID_SIZE_TEXT,
    RANDOM_STATE,
    SELECT,
    SELECTION,
    Parameter,
    Parameters,
    is_array_like,
    is_grid_size,
)
from ._whole import whole

if TYPE_CHECKING:
    from ..model_selection import CVResults, Diagnosis

_DEFAULT_FOLDS = 5

_AUTO_ALPHAS = 100  # penalties of alphas="auto" before it is extended


def _are_ratios(value: Any) -> bool:
    if not (isinstance(value, Real) or is_array_like(value)):
        return False
    values = np.atleast_1d(np.asarray(value))
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "iuf":
        return False
    return bool(((values >= 0) & (values <= 1)).all())


def _are_alphas(value: Any) -> bool:
    if isinstance(value, str):
        return value == "auto"
    return is_grid_size(value) or is_array_like(value)


def _check_alphas(name: str, value: Any) -> None:
    if is_array_like(value):
        require_numbers(name, value)


class BaseElasticNetCV(Choosing, LinearRegressor):
    """Parameters, search and choice shared by all elastic nets that choose their penalty."""

    l1_ratio: Any
    eps: float
    alphas: Any
    fit_intercept: bool
    max_iter: int
    tol: float
    cv: Any
    n_jobs: int | None
    random_state: Any
    selection: str
    penalty_factor: Any
    standardize: bool
    select: Any
    validation: Any
    store_coef: bool
    callback: Any
    verbose: Any
    extend: bool

    alpha_: float
    cv_results_: CVResults
    diagnosis_: Diagnosis

    path: ClassVar[Any] = staticmethod(enet_path)

    _several = False

    def _ratios(self) -> NDArray[np.float64]:
        return np.atleast_1d(np.asarray(getattr(self, "l1_ratio", 1.0), dtype=np.float64))

    _parameters: ClassVar[Parameters] = {
        "l1_ratio": Parameter(_are_ratios, "numbers from 0 to 1"),
        "eps": ABOVE_0,
        "alphas": Parameter(
            _are_alphas, f"{GRID_SIZE_TEXT}, an array-like of penalties or 'auto'", _check_alphas
        ),
        "fit_intercept": BOOL,
        "max_iter": COUNT,
        "tol": AT_LEAST_0,
        "copy_X": BOOL,
        "n_jobs": Parameter(
            lambda value: value is None or (isinstance(value, Integral) and value != 0),
            "an int other than 0, or None",
        ),
        "random_state": RANDOM_STATE,
        "selection": SELECTION,
        "standardize": BOOL,
        "select": SELECT,
        "store_coef": BOOL,
        "callback": CALLBACK,
        "extend": BOOL,
    }

    def _check_together(self) -> None:
        if self.validation is not None and self.cv is not None:
            self._refuse("cv", "None where validation is given")

    def _model(self) -> Any:
        """Return the estimator for one penalty with these parameters."""
        # every subclass defines it
        raise NotImplementedError

    @whole
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None, **params: Any
    ) -> Self:
        """Choose the penalty, and fit the coefficients and the intercept.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features. Or data in parts, with `y` None for `Chunks`: a `Chunks`, a dask array or data
            frame, or a list of delayed (X, y[, sample_weight]).
        y : array-like of shape (n_samples,), or (n_samples, n_targets) for several tasks
            Values to predict.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights of the samples: weight 2 counts the row twice. None: 1.
        groups : array-like of shape (n_samples,) or None, default=None
            Group of each row. Rows of a group are held out together where `cv` is an int or
            `validation` a share; a splitter receives the groups.
        **params : dict
            Metadata that a splitter requests by scikit-learn's metadata routing;
            only under ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter or an argument is not as documented; the message says what was expected.

        Warns
        -----
        UserWarning
            If the best penalty of an automatic grid lies at its end, and where the grid was
            extended.
        ConvergenceWarning
            If `tol` was not reached.
        """
        if type(X) is not np.ndarray and in_parts(X):
            self._metadata(sample_weight, groups, params)
            return self._fit_parts(X, y, sample_weight, groups=groups)
        from ..model_selection._choice import advice_of_end, describe_extension
        from ..model_selection._descent_search import DescentSearch
        from ..model_selection._splits import check_share, hold_out, make_splits
        from ..solvers.descent.folds import DescentFolds

        self._check_parameters()
        metadata = self._metadata(sample_weight, groups, params)
        model = self._model()
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        n, p = A.shape
        Y = self._target(y, n)
        weight = check_sample_weight(sample_weight, n)
        check_finite(A)
        held = self._held(p, lambda y, n: self._target(y, n))
        splits = []
        if self.validation is None:
            cv = _DEFAULT_FOLDS if self.cv is None else self.cv
            splits = make_splits(cv, n, X, y, groups, weight, None, metadata.split)
        elif held is None:
            share = check_share(self.validation)
            splits = hold_out(share, n, groups, None, self._rng())
        elif held[1].shape[1] != Y.shape[1]:
            raise ValueError(
                f"validation y has {held[1].shape[1]} target(s); expected {Y.shape[1]}."
            )
        options = [self._options(model, ratio) for ratio in self._ratios()]
        automatic = isinstance(self.alphas, (Integral, str))
        extend = self.extend or isinstance(self.alphas, str)
        given = None if automatic else check_alphas(self.alphas)
        if given is not None:
            count = len(given)
        else:
            count = _AUTO_ALPHAS if isinstance(self.alphas, str) else int(self.alphas)
        recheck(A)
        folds = DescentFolds(
            A,
            Y,
            weight,
            splits,
            self._constraints_of(model, p),
            count,
            "gram" if getattr(self, "precompute", None) is True else "auto",
            self._several,
            self.fit_intercept,
            held,
        )
        if given is None:
            grids = np.array([folds.grid(o, float(self.eps), count) for o in options])
        else:
            grids = np.tile(given, (len(options), 1))
        jobs = self.n_jobs if self.n_jobs is not None and self.n_jobs > 0 else None
        kind = "folds" if self.validation is None else "held-out"
        report = reporter(self.callback, self.verbose, "folds")
        search = DescentSearch(self._loss, folds, options, self.store_coef, jobs, report, kind)
        try:
            search.add(grids)
            said = search.extend() if extend else []
        except BaseException:
            if search.alphas is not None:
                self._finished_folds = search.results()
            raise
        end = search.end() if automatic else ""
        if said:
            warnings.warn(describe_extension(said, end), GridWarning, stacklevel=outside())
        if search.unsettled:
            alpha, gap = max(search.unsettled, key=lambda u: u[1])
            warnings.warn(
                "Objective did not converge. You might want to increase the number of iterations"
                f" (max_iter): for {len(search.unsettled)} penalties the duality gap is above"
                f" tol={self.tol:g}; the largest, at alpha={alpha:.3g}, is {gap:.2g} of the null"
                " objective. Also try a larger tol, a larger alpha, an L2 part, or columns of"
                " similar scales (standardize=True).",
                _sklearn.exception("ConvergenceWarning"),
                stacklevel=outside(),
            )
        target = Y if self._several else Y[:, 0]
        self._decide(search, given is not None, model, as_container(A), target, weight)
        # the grid of the chosen l1_ratio
        own = search.alphas[(search.alphas == self.alpha_).any(axis=1)]
        helps = advice_of_end(own, self.alpha_, end) if not said else ""
        if helps:
            warnings.warn(
                f"the best penalty is at the {end} end of the grid, where the score still improves;"
                f" try alphas='auto' or extend=True, which extend the grid, or {helps}.",
                GridWarning,
                stacklevel=outside(),
            )
        self._set_features(p, names)
        return self

    def _target(self, y: Any, n: int) -> NDArray[np.float64]:
        """Check the targets, and return them as (n, k)."""
        Y = check_target(y, n)
        if Y.ndim == 2 and Y.shape[1] == 1:
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected. Please change the"
                " shape of y to (n_samples,), for example using ravel().",
                _sklearn.exception("DataConversionWarning"),
                stacklevel=outside(),
            )
        elif Y.ndim == 2:
            raise ValueError(
                f"y has shape {Y.shape}; expected (n_samples,): for multi-task outputs, use"
                f" MultiTask{'ElasticNet' if hasattr(self, 'l1_ratio') else 'Lasso'}CV."
            )
        return Y.reshape(n, 1)

    def _constraints_of(self, model: Any, p: int) -> Any:
        return model._constraints(p)

    def _options(self, model: Any, ratio: float) -> Options:
        model.l1_ratio = float(ratio)
        return model._options("auto")

    def _decide(self, search: Any, given: bool, model: Any, X: Any, Y: Any, weight: Any) -> None:
        """Choose, fit to all rows, and set the attributes; given: whether `alphas` were given."""
        from ..model_selection._choice import best, choose
        from ..model_selection._descent_search import level
        from ..model_selection._diagnosis import Freedom, Scores, diagnose

        results = self.cv_results_ = search.results()
        alphas, ratios = results["alpha"], results["l1_ratio"]
        score, error = level(results["score"]), results["score_se"]
        if callable(self.select):
            i = choose(self.select, alphas, score, error, results)
        else:
            # one standard error compares penalties of the same l1_ratio only
            same = np.flatnonzero(ratios == ratios[best(score)])
            i = int(same[choose(self.select, alphas[same], score[same], error[same], results)])
        self.alpha_ = np.float64(alphas[i])
        if hasattr(self, "l1_ratio"):
            self.l1_ratio_ = np.float64(ratios[i])
        shared = given or len(search.alphas) == 1
        self.alphas_ = search.alphas[0] if shared else search.alphas
        path = search.validation.transpose(0, 2, 1)
        self.mse_path_ = np.squeeze(path)
        model.alpha, model.l1_ratio = float(alphas[i]), float(ratios[i])
        total = search.folds.total
        if total is None:
            model.fit(X, Y, weight)
        else:
            model.fit_moments(total)
        for name in (
            "coef_",
            "intercept_",
            "dual_gap_",
            "relative_gap_",
            "n_iter_",
            "objective_",
            "solver_",
        ):
            setattr(self, name, getattr(model, name))
        same = np.flatnonzero(ratios == ratios[i])
        folds = search.folds
        loss = self._loss
        self.diagnosis_ = diagnose(
            loss,
            alphas[same],
            int(np.flatnonzero(same == i)[0]),
            results["train_error"][same],
            results["validation_error"][same],
            results["null_error"],
            Scores(loss.error_score, score[same], error[same], results["fold_score"][:, same]),
            Freedom(
                float(loss.null_deviance(folds.Y, folds.weight, self.fit_intercept).mean()),
                not np.any(self.coef_),
                results["dof"][same],
                min(folds.A.n_rows - bool(self.fit_intercept), folds.p),
            ),
        )
