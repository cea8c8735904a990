"""Generalised linear models that choose their penalty."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .._progress import reporter
from ..data.check import check_design, check_sample_weight, feature_names, recheck
from ..data.parts import in_parts
from ..losses import Loss, Multinomial, loss_of
from ..solvers.descent.grid import end_of_grid
from ..solvers.descent.options import check_alphas
from ..solvers.glm.options import check_offset
from ._choosing import Choosing, require_numbers
from ._glm_base import (
    CV,
    StoredPredictor,
    check_one_target,
    every_row,
    jobs,
    request_setter,
    warn_unsettled,
)
from ._glm_regressor import BaseGLMRegressor
from ._parameters import (
    ABOVE_0_OR_NONE,
    BOOL,
    CALLBACK,
    GRID_SIZE_TEXT,
    RANDOM_STATE,
    SELECT,
    Parameter,
    Parameters,
    is_array_like,
    is_grid_size,
    without,
)
from ._whole import whole

if TYPE_CHECKING:
    from ..model_selection import CVResults, Diagnosis
    from ..model_selection._glm_search import GLMSearch

_DEFAULT_FOLDS = 5


def _are_ratios(value: Any) -> bool:
    try:
        values = np.atleast_1d(np.asarray(value))
    except (ValueError, TypeError):
        return False
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "iuf":
        return False
    return bool(((values >= 0) & (values <= 1)).all())


class GLMCV(Choosing, BaseGLMRegressor):
    """Generalised linear model of any loss that chooses its penalty by cross-validation.

    Minimizes, over the coefficients w and the intercept b::

        1 / sum_i s_i * sum_i s_i l(y_i, o_i + b + x_i w)
            + alpha * (l1_ratio * sum_j f_j |w_j| + (1 - l1_ratio) / 2 * sum_j f_j w_j^2)

    for the loss l, with s = `sample_weight` (1 where None), f = `penalty_factor` (1 where None) and
    o = offset + log(exposure) (0 where None). b is never penalised. Every penalty is fitted to the
    training rows of every fold, warm-started from the penalty before. Rows are not copied, and
    folds run in parallel threads.

    Parameters
    ----------
    loss : str or fastridge.losses.Loss, default="poisson"
        A key of `fastridge.losses.LOSSES`, such as "poisson", "gamma", "tweedie",
        "negative_binomial", "huber" or "logistic" (of y from 0 to 1), or a loss.
    loss_options : dict or None, default=None
        Keyword arguments of the loss, such as ``{"power": 1.5}`` for "tweedie".
    alphas : int or array-like of shape (n_alphas,), default=100
        Penalties to try, sorted from large to small. An int: length of an automatic grid, whose
        first penalty is the smallest that leaves all penalised coefficients at 0 (for an l1_ratio
        of at least 1e-3). A warning tells where the best penalty of an automatic grid is the last
        and the score still improves there.
    eps : float or None, default=None
        Ratio of the last penalty of the automatic grid to the first, above 0. None: 1e-3, and 1e-6
        for an l1_ratio below 1e-3, whose first penalty is far above those that predict best.
    l1_ratio : float or array-like of shape (n_ratios,), default=0.0
        Shares of the L1 part to try, from 0 (squares alone) to 1 (absolute values alone).
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    solver, max_iter, tol
        As in `PoissonRegressor`.
    cv : int, splitter, iterable of (train, test), "loo" or None, default=None
        An int: number of folds, of consecutive rows or of whole `groups`. A splitter has
        ``split(X, y, groups)``, like those of scikit-learn. None: 5 folds. "loo": leave one row
        out, approximately, by one Newton step from the fit to all rows (Rad & Maleki 2020), at the
        cost of one path; see `GLMResult.left_out`.
    scoring : str, callable or None, default=None
        Name of a scorer, or scorer(estimator, X, y) where larger is better. None: the negative mean
        deviance. Scores are weighted by `sample_weight` where the scorer takes it.
    n_jobs : int or None, default=None
        Threads for the folds; None or negative: as many as the kernels may use.
    verbose : int, default=0
        Show a progress bar over the folds on standard error, by tqdm where installed.
    penalty_factor, standardize, lower, upper, positive
        As in `PoissonRegressor`.
    select : {"min", "1se"} or callable, default="min"
        "min": the best mean score over the folds. "1se": the largest penalty of the same `l1_ratio`
        whose mean score is within one standard error of the best. A callable is given `cv_results_`
        and returns the position of a penalty.
    validation : float, (X, y), (X, y, sample_weight) or None, default=None
        Held-out set in place of `cv`. A number between 0 and 1: that share of the rows (of
        the `groups`, where given), at random; the model is then fitted to all rows.
    random_state : int, numpy.random.RandomState or None, default=None
        Seed of a random `validation`; None: 0.
    store_coef : bool, default=False
        Keep the coefficients of every fold and penalty, in ``cv_results_["fold_coef"]``.
    callback : callable or None, default=None
        Called as callback(done, total) after each fold of each `l1_ratio`. If it raises
        StopIteration, the search ends and the finished folds decide; any other exception, and
        Ctrl-C, propagates and leaves the finished folds in `cv_results_`, as the only fitted
        attribute; before that an earlier fit stays.

    Attributes
    ----------
    alpha_ : float
        Chosen penalty.
    l1_ratio_ : float
        Chosen share of the L1 part.
    alphas_ : ndarray of shape (n_alphas,) or (n_ratios, n_alphas)
        The grid that was used; the first shape for one `l1_ratio`, and where `alphas` were given.
    cv_results_ : fastridge.model_selection.CVResults
        Errors, which are mean deviances, and scores of every penalty.
    diagnosis_ : fastridge.model_selection.Diagnosis
        Verdict: under-fitting, over-fitting, about right, or the penalty does not matter.
    coef_, intercept_, n_iter_, n_passes_, n_features_in_, feature_names_in_, solver_, objective_, \
dual_gap_, relative_gap_
        As for `PoissonRegressor`; for the fit to all rows.

    See Also
    --------
    PoissonRegressor, GammaRegressor, TweedieRegressor : For one penalty.
    LogisticRegressionCV : For classes.
    glm_path : All penalties, without a choice.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import GLMCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 5))
    >>> y = rng.poisson(np.exp(0.5 * X[:, 0]))
    >>> model = GLMCV(loss="poisson", l1_ratio=1.0, select="1se").fit(X, y)
    >>> np.flatnonzero(model.coef_)
    array([0])
    """

    loss: Any
    loss_options: dict[str, Any] | None
    alphas: Any
    eps: float | None
    scoring: Any
    n_jobs: int | None
    select: Any
    store_coef: bool
    callback: Any

    alpha_: float
    l1_ratio_: float
    alphas_: NDArray[np.float64]
    cv_results_: CVResults
    diagnosis_: Diagnosis

    _parameters: ClassVar[Parameters] = {
        **without(BaseGLMRegressor._parameters, "alpha", "warm_start"),
        "loss": Parameter(
            lambda value: isinstance(value, (str, Loss)), "the name of a loss, or a Loss"
        ),
        "loss_options": Parameter(
            lambda value: value is None or isinstance(value, dict), "a dict, or None"
        ),
        "alphas": Parameter(
            lambda value: is_array_like(value) or is_grid_size(value),
            f"{GRID_SIZE_TEXT}, or an array-like of penalties; the penalty of the largest"
            " evidence, which needs no folds, is alpha='evidence' of glm, PoissonRegressor,"
            " GammaRegressor and TweedieRegressor",
            lambda name, value: require_numbers(name, value) if is_array_like(value) else None,
        ),
        "eps": ABOVE_0_OR_NONE,
        "l1_ratio": Parameter(_are_ratios, "numbers from 0 to 1"),
        "n_jobs": Parameter(
            lambda value: value is None or (isinstance(value, Integral) and value != 0),
            "an int other than 0, or None",
        ),
        "random_state": RANDOM_STATE,
        "cv": CV,
        "select": SELECT,
        "store_coef": BOOL,
        "callback": CALLBACK,
    }

    def __init__(
        self,
        loss: Any = "poisson",
        *,
        loss_options: dict[str, Any] | None = None,
        alphas: Any = 100,
        eps: float | None = None,
        l1_ratio: Any = 0.0,
        fit_intercept: bool = True,
        solver: str = "lbfgs",
        max_iter: int = 100,
        tol: float = 1e-4,
        cv: Any = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        verbose: Any = 0,
        penalty_factor: Any = None,
        standardize: bool = False,
        lower: Any = None,
        upper: Any = None,
        positive: bool = False,
        select: Any = "min",
        validation: Any = None,
        random_state: Any = None,
        store_coef: bool = False,
        callback: Any = None,
    ) -> None:
        self.loss = loss
        self.loss_options = loss_options
        self.alphas = alphas
        self.eps = eps
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.lower = lower
        self.upper = upper
        self.positive = positive
        self.select = select
        self.validation = validation
        self.random_state = random_state
        self.store_coef = store_coef
        self.callback = callback

    def _check_together(self) -> None:
        if self.validation is not None and self.cv is not None:
            self._refuse("cv", "None where validation is given")

    def _routes(self) -> dict[str, tuple[str, Any]]:
        return {"scorer": ("score", self.scoring), **super()._routes()}

    def _make_loss(self) -> Loss:
        loss = loss_of(self.loss, **(self.loss_options or {}))
        if isinstance(loss, Multinomial):
            raise ValueError(
                "loss is 'multinomial', which GLMCV does not fit; expected another loss. Use"
                " LogisticRegressionCV."
            )
        return loss

    # depends on parameters; other estimators have one loss per class
    @property
    def _loss(self) -> Loss:  # type: ignore[override]
        return self._make_loss()

    @whole
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        *,
        offset: Any = None,
        exposure: Any = None,
        **params: Any,
    ) -> Self:
        """Choose the penalty, and fit the coefficients and the intercept.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features. Or data in parts, with `y` None for `Chunks`: a `Chunks`, a dask array or data
            frame, or a list of delayed (X, y[, sample_weight]); only named scores that are means
            over rows are then possible.
        y : array-like of shape (n_samples,)
            Values to predict, among those that the loss is defined for.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights s of the samples: weight 2 counts the row twice. None: 1.
        groups : array-like of shape (n_samples,) or None, default=None
            Group of each row. Rows of a group are held out together where `cv` is an int or
            `validation` a share; a splitter receives the groups.
        offset : array-like of shape (n_samples,) or None, default=None
            Known term o of the linear predictor. None: 0.
        exposure : array-like of shape (n_samples,) or None, default=None
            Positive factors t of the mean, only for a log link: an offset of log(t). None: 1.
        **params : dict
            Metadata that a splitter or a scorer requests by scikit-learn's metadata routing;
            only under ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        self : GLMCV
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter or an argument is not as documented; the message says what was expected.

        Warns
        -----
        UserWarning
            If the best penalty of an automatic grid lies at its end.
        ConvergenceWarning
            If `tol` was not reached.

        Examples
        --------
        >>> from fastridge import GLMCV
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [1, 2, 4, 7]
        >>> GLMCV("poisson", alphas=[0.01, 1.0], cv=2).fit(X, y).alpha_
        np.float64(0.01)
        """
        from ..model_selection._glm_search import GLMScoring, GLMSearch
        from ..model_selection._search import Scoring
        from ..model_selection._splits import check_share, hold_out, make_splits
        from ..solvers.glm.folds import GLMFolds

        if type(X) is not np.ndarray and in_parts(X):
            self._metadata(sample_weight, groups, params)
            return self._fit_parts(
                X, y, sample_weight, groups=groups, offset=offset, exposure=exposure
            )
        self._check_parameters()
        loss = self._make_loss()
        metadata = self._metadata(sample_weight, groups, params)
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        n, p = A.shape
        target = check_one_target(y, n)
        weight = check_sample_weight(sample_weight, n)
        loss.check_targets(target if weight is None else target[weight > 0])
        known = check_offset(offset, exposure, loss, n)
        held = self._held(p, check_one_target)
        if held is not None and known is not None:
            raise ValueError(
                "offset is given together with validation, for whose rows there is no offset;"
                " expected validation=None and cv."
            )
        splits = []
        left_out = isinstance(self.cv, str)
        if left_out:
            splits = every_row(n, groups)
        elif self.validation is None:
            cv = _DEFAULT_FOLDS if self.cv is None else self.cv
            splits = make_splits(cv, n, X, y, groups, weight, None, metadata.split)
        elif held is None:
            splits = hold_out(check_share(self.validation), n, groups, None, self._rng())
        given = None if isinstance(self.alphas, Integral) else check_alphas(self.alphas)
        recheck(A)
        folds = GLMFolds(
            A, target, loss, 1, weight, splits, self._constraints(p), known, None, held
        )

        def shown(j: int, coef: Any, intercept: Any, Z: Any, eta: Any) -> Any:
            model = _Shown(self.loss, loss_options=self.loss_options)
            model.coef_, model.intercept_ = coef[0], intercept[0]
            model.n_features_in_, model._seen, model._eta = p, Z, eta[:, 0]
            return model

        truth = target if held is None else held[1]
        scoring = Scoring(loss, self.scoring, loss.error_score, False, shown, truth, None)
        scoring.metadata = metadata.score
        if scoring.scorer is not None and held is None and names is not None:
            scoring.frame = X
        ratios = np.atleast_1d(np.asarray(self.l1_ratio, dtype=np.float64))
        options = [self._options(float(ratio)) for ratio in ratios]
        if given is None:
            m = int(self.alphas)
            grids = np.array([folds.grid(o, end_of_grid(self.eps, o.l1_ratio), m) for o in options])
        else:
            grids = np.tile(given, (len(options), 1))
        search = GLMSearch(
            folds,
            options,
            GLMScoring(folds, scoring, weight),
            jobs(self.n_jobs, self.scoring),
            reporter(self.callback, self.verbose, "folds"),
            "loo" if left_out else "folds" if self.validation is None else "held-out",
        )
        try:
            search.run(grids, False)
        except BaseException:
            if search.parts:
                self._finished_folds = search.results(bool(self.store_coef))
            raise
        i = self._decide(search, given is None)
        alpha, ratio = float(self.alpha_), float(self.l1_ratio_)
        result = self._solve(A, target, loss, alpha, ratio, weight, known, None)
        self.coef_ = result.coef
        self.intercept_ = result.coef.dtype.type(result.intercept) if self.fit_intercept else 0.0
        self.n_iter_ = result.n_iter
        fit_intercept = bool(self.fit_intercept)
        self.diagnosis_ = search.diagnose(self.cv_results_, i, self.coef_, fit_intercept)
        self._set_features(p, names)
        return self

    def _decide(self, search: GLMSearch, automatic: bool) -> int:
        """Choose a penalty, and warn of the end of an automatic grid and of unconverged fits."""
        results = self.cv_results_ = search.results(bool(self.store_coef))
        i = search.choose(self.select, results)
        self.alpha_, self.l1_ratio_ = results["alpha"][i], np.float64(results["l1_ratio"][i])
        grids = search.alphas
        self.alphas_ = grids[0] if not automatic or len(grids) == 1 else grids
        if automatic:
            search.warn_of_end(results, i)
        if search.unsettled:
            warn_unsettled(search.unsettled, float(self.tol))
        return i

    set_fit_request: Any = request_setter("fit", "sample_weight", "groups", "offset", "exposure")


class _Shown(StoredPredictor, GLMCV):
    """The model of a fold, as scorers see it."""


# name shown in messages of scorers
_Shown.__name__ = _Shown.__qualname__ = "GLMCV"
