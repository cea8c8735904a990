"""Elastic nets and lassos that choose their penalty."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._progress import reporter
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
from ..solvers.descent.enet_path import enet_path, lasso_path
from ..solvers.descent.options import Options, check_alphas
from ._base import LinearRegressor
from ._choosing import Choosing, require_numbers
from ._elastic_net import ElasticNet
from ._parameters import (
    ABOVE_0,
    AT_LEAST_0,
    BOOL,
    CALLBACK,
    COUNT,
    RANDOM_STATE,
    SELECT,
    SELECTION,
    Parameter,
    Parameters,
    is_array_like,
    without,
)

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
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value) >= 1
    return is_array_like(value)


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
            _are_alphas, "an int of at least 1, an array-like of penalties or 'auto'", _check_alphas
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
        raise NotImplementedError

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
                self.cv_results_ = search.results()
            raise
        end = search.end() if automatic else ""
        if said:
            warnings.warn(describe_extension(said, end), UserWarning, stacklevel=2)
        if search.unsettled:
            alpha, gap = max(search.unsettled, key=lambda u: u[1])
            warnings.warn(
                "Objective did not converge. You might want to increase the number of iterations"
                f" (max_iter): for {len(search.unsettled)} penalties the duality gap is above"
                f" tol={self.tol:g}; the largest, at alpha={alpha:.3g}, is {gap:.2g} of the null"
                " objective. Also try a larger tol, a larger alpha, an L2 part, or columns of"
                " similar scales (standardize=True).",
                _sklearn.exception("ConvergenceWarning"),
                stacklevel=2,
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
                UserWarning,
                stacklevel=2,
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
                stacklevel=3,
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


class ElasticNetCV(BaseElasticNetCV):
    """Elastic net that chooses its penalty, and the share of its L1 part, by cross-validation.

    The objective is that of `ElasticNet`. Every penalty is fitted to the training rows of every
    fold, warm-started from the penalty before. Where a Gram matrix pays off, that of the training
    rows is computed as that of all rows minus that of the fold. Folds run in parallel threads.

    Parameters
    ----------
    l1_ratio : float or array-like of shape (n_ratios,), default=0.5
        Shares of the L1 part to try, from 0 (ridge) to 1 (lasso).
    eps : float, default=1e-3
        Ratio of the last penalty of the automatic grid to the first, above 0.
    alphas : int, array-like of shape (n_alphas,) or "auto", default=100
        Penalties to try, sorted from large to small. An int: length of an automatic grid, whose
        first penalty is the smallest that leaves all penalised coefficients at 0. "auto": a grid of
        100, with `extend`. A warning tells where the best penalty of an automatic grid is the last
        and the score still improves there.
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    precompute : bool or "auto", default="auto"
        True: use Gram matrices of all features. Otherwise: use them where that is faster.
    max_iter : int, default=1000
        Largest number of epochs of each fit.
    tol : float, default=1e-4
        Bound on the duality gap of each fit, over the objective of the null model.
    cv : int, splitter, iterable of (train, test) or None, default=None
        An int: number of folds, of consecutive rows or of whole `groups`. A splitter has
        ``split(X, y, groups)``, like those of scikit-learn. None: 5 folds.
    copy_X : bool, default=True
        Accepted for compatibility: `X` is never overwritten.
    verbose : bool or int, default=0
        Show a progress bar over the folds on standard error, by tqdm where installed.
    n_jobs : int or None, default=None
        Threads for the folds; None or negative: as many as the kernels may use.
    positive : bool, default=False
        Require w >= 0.
    random_state : int, numpy.random.RandomState or None, default=None
        Seed of the random order, and of a random `validation`; None: 0.
    selection : {"cyclic", "random"}, default="cyclic"
        Order of the coordinates in a sweep.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor f of the penalty of each feature; 0 leaves it unpenalised.
    lower, upper : float or array-like of shape (n_features,) or None, default=None
        Bounds of the coefficients.
    standardize : bool, default=False
        Penalise in units of the columns' weighted standard deviations, those of each fold's
        training rows.
    select : {"min", "1se"} or callable, default="min"
        "min": the least mean error over the folds. "1se": the largest penalty of the same
        `l1_ratio` whose mean error is within one standard error of the least. A callable is given
        `cv_results_` and returns the position of a penalty.
    validation : float, (X, y), (X, y, sample_weight) or None, default=None
        Held-out set in place of `cv`. A number between 0 and 1: that share of the rows (of
        the `groups`, where given), at random; the model is then fitted to all rows.
    store_coef : bool, default=False
        Keep the coefficients of every fold and penalty, in ``cv_results_["fold_coef"]``.
    callback : callable or None, default=None
        Called as callback(done, total) after each fold of each `l1_ratio`. If it raises
        StopIteration, the search ends and the finished folds decide; any other exception, and
        Ctrl-C, propagates and leaves the finished folds in `cv_results_`.
    extend : bool, default=False
        Where the smallest penalty is the best and the score still improves, extend the grid
        downwards by a decade, up to three times, with a warning.

    Attributes
    ----------
    alpha_ : float
        Chosen penalty.
    l1_ratio_ : float
        Chosen share of the L1 part.
    coef_ : ndarray of shape (n_features,)
        w of the fit to all rows.
    intercept_ : float
        b; 0.0 where `fit_intercept` is False.
    mse_path_ : ndarray of shape (n_alphas, n_folds) or (n_ratios, n_alphas, n_folds)
        Held-out mean squared errors; axes of length 1 are left out, as in scikit-learn.
    alphas_ : ndarray of shape (n_alphas,) or (n_ratios, n_alphas)
        The grid that was used; the first shape for one `l1_ratio`, and where `alphas` were given.
    cv_results_ : fastridge.model_selection.CVResults
        Errors of every penalty; "n_features" is the mean number of non-zero coefficients over the
        folds, "dof" their mean effective degrees of freedom and "norm" their mean norm.
    diagnosis_ : fastridge.model_selection.Diagnosis
        Verdict: under-fitting, over-fitting, about right, or the penalty does not matter.
    n_passes_ : int
        Passes over the data; only after a fit of data in parts.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,), dtype object
        Names of the features; only where `X` is a data frame whose column names are strings.
    dual_gap_, relative_gap_, n_iter_, objective_, solver_
        As for `ElasticNet`; for the fit to all rows.

    See Also
    --------
    ElasticNet : For one penalty.
    elastic_net_path : All penalties, without a choice.
    LassoCV : Lasso that chooses its penalty.
    CrossValidationDisplay : Train and validation errors against the penalty.
    MultiTaskElasticNetCV : Multi-task elastic net that chooses its penalties.

    References
    ----------
    J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized linear models
    via coordinate descent", JSS 33, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import ElasticNetCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 10))
    >>> y = X @ np.eye(10)[0] + rng.standard_normal(100)
    >>> model = ElasticNetCV(l1_ratio=[0.5, 1.0], cv=5).fit(X, y)
    >>> model.mse_path_.shape, bool(abs(model.coef_[0] - 1) < 0.3)
    ((2, 100, 5), True)
    """

    precompute: Any
    positive: bool
    lower: Any
    upper: Any

    _parameters: ClassVar[Parameters] = {
        **BaseElasticNetCV._parameters,
        "precompute": Parameter(
            lambda value: (
                isinstance(value, (bool, np.bool_)) or (isinstance(value, str) and value == "auto")
            ),
            "a bool or 'auto'",
        ),
        "positive": BOOL,
    }

    def __init__(
        self,
        *,
        l1_ratio: Any = 0.5,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        cv: Any = None,
        copy_X: bool = True,
        verbose: Any = 0,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        penalty_factor: Any = None,
        lower: Any = None,
        upper: Any = None,
        standardize: bool = False,
        select: Any = "min",
        validation: Any = None,
        store_coef: bool = False,
        callback: Any = None,
        extend: bool = False,
    ) -> None:
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.select = select
        self.validation = validation
        self.store_coef = store_coef
        self.callback = callback
        self.extend = extend

    def _model(self) -> Any:
        return ElasticNet(
            fit_intercept=self.fit_intercept,
            max_iter=self.max_iter,
            tol=self.tol,
            positive=self.positive,
            random_state=self.random_state,
            selection=self.selection,
            penalty_factor=self.penalty_factor,
            lower=self.lower,
            upper=self.upper,
            standardize=self.standardize,
        )


class LassoCV(ElasticNetCV):
    """Lasso that chooses its penalty by cross-validation.

    `ElasticNetCV` with an L1 penalty alone: the objective is that of `Lasso`.

    Parameters
    ----------
    eps, alphas, fit_intercept, precompute, max_iter, tol, copy_X, cv, verbose, n_jobs, positive, \
random_state, selection, penalty_factor, lower, upper, standardize, select, \
validation, store_coef, callback, extend
        As for `ElasticNetCV`.

    Attributes
    ----------
    alpha_, coef_, intercept_, mse_path_, alphas_, cv_results_, diagnosis_, n_features_in_, \
feature_names_in_, dual_gap_, relative_gap_, n_iter_, objective_, solver_
        As for `ElasticNetCV`.

    See Also
    --------
    Lasso : For one penalty.
    ElasticNetCV : Elastic net that chooses its penalties.
    elastic_net_path : Elastic nets for many penalties.
    MultiTaskLassoCV : Multi-task lasso that chooses its penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import LassoCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 10))
    >>> model = LassoCV(cv=5, select="1se").fit(X, X[:, 0] + 0.1 * rng.standard_normal(100))
    >>> np.flatnonzero(model.coef_)
    array([0])
    """

    path: ClassVar[Any] = staticmethod(lasso_path)

    _parameters: ClassVar[Parameters] = without(ElasticNetCV._parameters, "l1_ratio")

    def __init__(
        self,
        *,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        copy_X: bool = True,
        cv: Any = None,
        verbose: Any = False,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        penalty_factor: Any = None,
        lower: Any = None,
        upper: Any = None,
        standardize: bool = False,
        select: Any = "min",
        validation: Any = None,
        store_coef: bool = False,
        callback: Any = None,
        extend: bool = False,
    ) -> None:
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.copy_X = copy_X
        self.cv = cv
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.select = select
        self.validation = validation
        self.store_coef = store_coef
        self.callback = callback
        self.extend = extend
