"""Logistic regression that chooses its penalty."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._progress import reporter
from ..data.check import check_design, check_sample_weight, feature_names, recheck
from ..data.labels import accuracy
from ..data.parts import in_parts
from ..losses import LOGISTIC, MULTINOMIAL
from ._choosing import Choosing, require_numbers
from ._glm_base import CV, every_row, jobs, request_setter, warn_unsettled
from ._logistic import BaseLogistic, Classes, check_classes, check_predictor_offset
from ._logistic_cv_legacy import (
    attributes_of_folds,
    deprecated_values,
    is_warn,
    l1_ratios_of,
    legacy_attributes,
)
from ._logistic_cv_scoring import held_codes, scoring_of
from ._logistic_regression import LogisticRegression
from ._parameters import (
    BOOL,
    CALLBACK,
    GRID_SIZE_TEXT,
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


class LogisticRegressionCV(Choosing, BaseLogistic):
    """Logistic regression that chooses its penalty, and its L1 share, by cross-validation.

    The objective is that of `LogisticRegression`, where S is the sum of the weights of a fold's
    training rows. Every penalty is fitted to the training rows of every fold, warm-started from the
    penalty before. Rows are not copied, and folds run in parallel threads.

    Parameters
    ----------
    Cs : int or array-like of shape (n_cs,), default=10
        Inverse strengths of the penalty to try, above 0. An int: so many from 1e-4 to 1e4, on a
        logarithmic scale.
    l1_ratios : array-like of shape (n_l1_ratios,) or None, default="warn"
        Shares of the L1 part of the penalty to try, from 0 to 1. None: 0. Default: 0, with
        scikit-learn's warning that the default will change.
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    cv : int, splitter, iterable of (train, test), "loo" or None, default=None
        An int: number of folds, stratified by class or of whole `groups`. A splitter has
        ``split(X, y, groups)``, like those of scikit-learn. None: 5 folds. "loo", only for two
        classes: leave one row out, approximately, by one Newton step from the fit to all rows (Rad
        & Maleki 2020), at the cost of one path; see `GLMResult.left_out`.
    dual, penalty
        As in `LogisticRegression`.
    scoring : str, callable or None, default="warn"
        Name of a scorer, or scorer(estimator, X, y) where larger is better. None: accuracy.
        Default: accuracy, with scikit-learn's warning that the default will change. Scores are
        weighted by `sample_weight` where the scorer takes it.
    solver, tol, max_iter, class_weight
        As in `LogisticRegression`.
    n_jobs : int or None, default=None
        Threads for the folds; None or negative: as many as the kernels may use.
    verbose : int, default=0
        Show a progress bar over the folds on standard error, by tqdm where installed.
    refit : bool, default=True
        True: fit all rows with the chosen penalty. False: average the coefficients, C and l1_ratio
        of each fold's best penalty.
    intercept_scaling, random_state
        As in `LogisticRegression`.
    use_legacy_attributes : bool, default="warn"
        True: attributes have the first of the shapes below. False: the second. Default: True, with
        scikit-learn's warning that the default will change.
    penalty_factor, standardize, lower, upper, positive
        As in `LogisticRegression`.
    select : {"min", "1se"} or callable, default="min"
        "min": the best mean score over the folds. "1se": the least C of the same share of the L1
        part whose mean score is within one standard error of the best. A callable is given
        `cv_results_` and returns the position of a penalty.
    validation : float, (X, y), (X, y, sample_weight) or None, default=None
        Held-out set in place of `cv`. A number between 0 and 1: that share of the rows (of
        the `groups`, where given), at random; the model is then fitted to all rows.
    store_coef : bool, default=False
        Also keep the coefficients of every fold and penalty in ``cv_results_["fold_coef"]``.
    callback : callable or None, default=None
        Called as callback(done, total) after each fold of each l1_ratio. If it raises
        StopIteration, the search ends and the finished folds decide; any other exception, and
        Ctrl-C, propagates and leaves the finished folds in `cv_results_`, as the only fitted
        attribute; before that an earlier fit stays.

    Attributes
    ----------
    C_ : ndarray of shape (n_classes,), or float
        Chosen C, repeated for each class; of shape (1,) for two classes.
    l1_ratio_ : ndarray of shape (n_classes,), or float
        Chosen share of the L1 part, repeated for each class; of shape (1,) for two classes.
    Cs_ : ndarray of shape (n_cs,)
        The values of C that were tried.
    l1_ratios_ : ndarray of shape (n_l1_ratios,)
        The shares that were tried; None where `l1_ratios` is.
    scores_ : dict of ndarray (n_folds, n_cs, n_l1_ratios), or ndarray (n_folds, n_l1_ratios, n_cs)
        Scores of the folds, the same for each class; without the last axis where `l1_ratios` is
        None.
    coefs_paths_ : dict of ndarray (n_folds, n_cs, n_l1_ratios, n_dof), or ndarray (n_folds, \
n_l1_ratios, n_cs, n_classes, n_dof)
        Coefficients of the folds, the intercept last; for two classes those of the second one.
    n_iter_ : ndarray of shape (1, n_folds, n_cs, n_l1_ratios), or (n_folds, n_l1_ratios, n_cs)
        Iterations of the solver.
    classes_, coef_, intercept_
        As for `LogisticRegression`; in float64.
    cv_results_ : fastridge.model_selection.CVResults
        Errors, which are mean deviances, and scores of every penalty; "alpha" is 1 / (C S) for all
        rows, and "C" is C.
    diagnosis_ : fastridge.model_selection.Diagnosis
        Verdict: under-fitting, over-fitting, about right, or the penalty does not matter.
    n_passes_ : int
        Passes over the data; only after a fit of data in parts.
    n_features_in_, feature_names_in_
        As for `LogisticRegression`.
    solver_, objective_, dual_gap_, relative_gap_
        As for `LogisticRegression`; for the fit to all rows, where `refit` is True.

    See Also
    --------
    LogisticRegression : For one penalty.
    GLMCV : Generalised linear model that chooses its penalty.
    glm_path : Generalised linear models for many penalties.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import LogisticRegressionCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 5))
    >>> y = X[:, 0] + rng.logistic(size=100) > 0
    >>> model = LogisticRegressionCV(
    ...     Cs=5, l1_ratios=(0.0,), scoring="neg_log_loss", use_legacy_attributes=False
    ... ).fit(X, y)
    >>> model.C_, model.scores_.shape
    (1.0, (5, 1, 5))
    """

    Cs: Any
    l1_ratios: Any
    scoring: Any
    refit: bool
    use_legacy_attributes: Any
    n_jobs: int | None
    select: Any
    store_coef: bool
    callback: Any

    C_: Any
    l1_ratio_: Any
    scores_: Any
    coefs_paths_: Any
    n_iter_: Any
    cv_results_: CVResults
    diagnosis_: Diagnosis

    _parameters: ClassVar[Parameters] = {
        **without(BaseLogistic._parameters, "warm_start", "l1_ratio"),
        "Cs": Parameter(
            lambda value: is_array_like(value) or is_grid_size(value),
            f"{GRID_SIZE_TEXT}, or an array-like of numbers above 0; the penalty of the largest"
            " evidence, which needs no folds, is C='evidence' of LogisticRegression",
            lambda name, value: require_numbers(name, value) if is_array_like(value) else None,
        ),
        "l1_ratios": Parameter(
            lambda value: value is None or is_warn(value) or is_array_like(value),
            "an array-like of numbers from 0 to 1, or None",
        ),
        "penalty": Parameter(
            lambda value: (
                isinstance(value, str) and value in ("l1", "l2", "elasticnet", "deprecated")
            ),
            "one of 'l1', 'l2', 'elasticnet'; left at its default",
        ),
        "refit": BOOL,
        "use_legacy_attributes": Parameter(
            lambda value: isinstance(value, (bool, np.bool_)) or is_warn(value), "a bool"
        ),
        "cv": CV,
        "select": SELECT,
        "store_coef": BOOL,
        "callback": CALLBACK,
    }

    def __init__(
        self,
        *,
        Cs: Any = 10,
        l1_ratios: Any = "warn",
        fit_intercept: bool = True,
        cv: Any = None,
        dual: bool = False,
        penalty: Any = "deprecated",
        scoring: Any = "warn",
        solver: str = "lbfgs",
        tol: float = 1e-4,
        max_iter: int = 100,
        class_weight: Any = None,
        n_jobs: int | None = None,
        verbose: Any = 0,
        refit: bool = True,
        intercept_scaling: float = 1.0,
        random_state: Any = None,
        use_legacy_attributes: Any = "warn",
        penalty_factor: Any = None,
        standardize: bool = False,
        lower: Any = None,
        upper: Any = None,
        positive: bool = False,
        select: Any = "min",
        validation: Any = None,
        store_coef: bool = False,
        callback: Any = None,
    ) -> None:
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.dual = dual
        self.penalty = penalty
        self.scoring = scoring
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.refit = refit
        self.intercept_scaling = intercept_scaling
        self.random_state = random_state
        self.use_legacy_attributes = use_legacy_attributes
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.lower = lower
        self.upper = upper
        self.positive = positive
        self.select = select
        self.validation = validation
        self.store_coef = store_coef
        self.callback = callback

    def _check_together(self) -> None:
        if self.validation is not None and self.cv is not None:
            self._refuse("cv", "None where validation is given")

    def _routes(self) -> dict[str, tuple[str, Any]]:
        scoring = None if is_warn(self.scoring) else self.scoring
        return {"scorer": ("score", scoring), **super()._routes()}

    @whole
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        *,
        offset: Any = None,
        **params: Any,
    ) -> Self:
        """Choose the penalty, and fit the coefficients and the intercepts.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features. Or data in parts, with `y` None for `Chunks`: a `Chunks`, a dask array or data
            frame, or a list of delayed (X, y[, sample_weight]); only named scores that are means
            over rows are then possible.
        y : array-like of shape (n_samples,)
            Class labels, whole numbers or strings.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights of the samples: weight 2 counts the row twice. None: 1.
        groups : array-like of shape (n_samples,) or None, default=None
            Group of each row. Rows of a group are held out together where `cv` is an int or
            `validation` a share; a splitter receives the groups.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes) or None, default=None
            Known term o of the linear predictor; the first shape for two classes. None: 0.
        **params : dict
            Metadata that a splitter or a scorer requests by scikit-learn's metadata routing;
            only under ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        self : LogisticRegressionCV
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If `y` or the training rows of a fold have one class, or a parameter or an argument is
            not as documented; the message says what was expected.

        Warns
        -----
        ConvergenceWarning
            If `tol` was not reached.
        FutureWarning
            If a parameter is left at a default, or has a value, that scikit-learn 1.9 warns about.

        Examples
        --------
        >>> from fastridge import LogisticRegressionCV
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]
        >>> model = LogisticRegressionCV(
        ...     Cs=[0.1, 1.0], cv=2, l1_ratios=[0.0], scoring=None, use_legacy_attributes=False
        ... )
        >>> model.fit(X, y).predict([[2.5]])
        array([1])
        """
        from ..model_selection._glm_search import GLMScoring, GLMSearch
        from ..solvers.glm.folds import GLMFolds

        if type(X) is not np.ndarray and in_parts(X):
            self._metadata(sample_weight, groups, params)
            return self._fit_parts(X, y, sample_weight, groups=groups, offset=offset)
        self._check_parameters()
        given_ratios, ratios, scoring, legacy = self._values()
        Cs = self._grid()
        metadata = self._metadata(sample_weight, groups, params)
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        n, p = A.shape
        classes = check_classes(y, n, sample_weight, self.class_weight)
        weight = check_sample_weight(sample_weight, n)
        k = 1 if len(classes.values) == 2 else len(classes.values)
        known = None if offset is None else check_predictor_offset(offset, n, k)
        self.classes_ = classes.values
        held = self._held(p, lambda y, n: held_codes(y, n, classes.values))
        if held is not None and known is not None:
            raise ValueError(
                "offset is given together with validation, for whose rows there is no offset;"
                " expected validation=None and cv."
            )
        splits, kind = self._splits(n, X, y, classes, groups, weight, metadata, held)
        recheck(A)
        model = self._model()
        loss = LOGISTIC if k == 1 else MULTINOMIAL

        def penalties(total: float) -> NDArray[np.float64]:
            return np.minimum(1.0 / (Cs * total), 1e300)

        folds = GLMFolds(
            A,
            classes.codes.astype(np.float64) if k == 1 else classes.codes,
            loss,
            k,
            classes.weight,
            splits,
            self._constraints(p),
            known,
            penalties,
            None
            if held is None
            else (held[0], held[1].astype(np.float64) if k == 1 else held[1], held[2]),
        )
        held_y = None if held is None else held[1]
        scorer = scoring_of(loss, scoring, classes, held_y, X if names is not None else None)
        scorer.metadata = metadata.score
        search = GLMSearch(
            folds,
            [model._options(float(ratio)) for ratio in ratios],
            GLMScoring(folds, scorer, weight),
            jobs(self.n_jobs, scoring),
            reporter(self.callback, self.verbose, "folds"),
            kind,
        )
        try:
            search.run(np.tile(penalties(classes.total()), (len(ratios), 1)), True)
        except BaseException:
            if search.parts:
                self._finished_folds = self._results(search, Cs, ratios)
            raise

        def refit(model: LogisticRegression, alpha: float, ratio: float) -> None:
            fit = model._fit_two if k == 1 else model._fit_several
            fit(A, classes, alpha, ratio, known)

        self._decide(search, model, refit, Cs, ratios)
        self._set_folds(search, Cs, given_ratios, ratios, legacy)
        self._set_features(p, names)
        return self

    def _set_folds(
        self,
        search: GLMSearch,
        Cs: NDArray[np.float64],
        given_ratios: Any,
        ratios: NDArray[np.float64],
        legacy: bool,
    ) -> None:
        """Set the attributes of the folds, and warn of those that did not converge."""
        known_ratios = None if given_ratios is None else ratios
        attributes = attributes_of_folds(search, Cs, known_ratios, bool(self.fit_intercept))
        if legacy:
            attributes |= legacy_attributes(
                attributes,
                self.classes_,
                self.C_,
                self.l1_ratio_,
                given_ratios is None,
                bool(self.refit),
            )
        for name, value in attributes.items():
            setattr(self, name, value)
        if search.unsettled:
            warn_unsettled(search.unsettled, float(self.tol))

    def _grid(self) -> NDArray[np.float64]:
        if isinstance(self.Cs, Integral):
            return np.logspace(-4, 4, int(self.Cs))
        Cs = np.asarray(self.Cs, dtype=np.float64)
        if Cs.ndim != 1 or not len(Cs) or not (Cs > 0).all():
            raise ValueError(f"Cs is {self.Cs!r}; expected an int, or a list of numbers above 0.")
        return Cs

    def _l1_ratios(self) -> NDArray[np.float64]:
        return l1_ratios_of(self)

    def _values(self) -> tuple[Any, NDArray[np.float64], Any, bool]:
        """Return (l1_ratios or None, l1_ratios as numbers, scoring, legacy), with warnings."""
        return deprecated_values(self)

    def _model(self) -> LogisticRegression:
        """Return the estimator for one penalty with these parameters."""
        return LogisticRegression(
            tol=self.tol,
            fit_intercept=self.fit_intercept,
            solver=self.solver,
            max_iter=self.max_iter,
            penalty_factor=self.penalty_factor,
            standardize=self.standardize,
            lower=self.lower,
            upper=self.upper,
            positive=self.positive,
            warm_start=True,
        )

    def _splits(
        self,
        n: int,
        X: Any,
        y: Any,
        classes: Classes,
        groups: Any,
        weight: Any,
        metadata: Any,
        held: Any,
    ) -> tuple[list[Any], str]:
        from ..model_selection._splits import check_share, hold_out, make_splits

        if isinstance(self.cv, str):
            if len(classes.values) > 2:
                raise ValueError(
                    f"cv='loo' is not supported for {len(classes.values)} classes; expected an int"
                    " or a splitter."
                )
            return every_row(n, groups), "loo"
        if self.validation is None:
            cv = _DEFAULT_FOLDS if self.cv is None else self.cv
            codes = classes.codes
            splits = make_splits(cv, n, X, y, groups, weight, codes, metadata.split)
            return splits, "folds"
        if held is not None:
            return [], "held-out"
        share = check_share(self.validation)
        return hold_out(share, n, groups, classes.codes, self._rng()), "held-out"

    def _results(
        self, search: GLMSearch, Cs: NDArray[np.float64], ratios: NDArray[np.float64]
    ) -> CVResults:
        return search.results(bool(self.store_coef), C=np.tile(Cs, len(ratios)))

    def _decide(
        self,
        search: GLMSearch,
        model: LogisticRegression,
        refit: Callable[[LogisticRegression, float, float], Any],
        Cs: NDArray[np.float64],
        ratios: NDArray[np.float64],
    ) -> None:
        """Choose a penalty, and fit all rows or average over the folds.

        refit: fits a model, from its coefficients, to all rows with an alpha and an l1_ratio.
        """
        from ..model_selection._choice import best

        m = len(Cs)
        results = self.cv_results_ = self._results(search, Cs, ratios)
        i = search.choose(self.select, results)
        coef, intercept = search.parts["coef"], search.parts["intercept"]
        if self.refit:
            r, j = divmod(i, m)
            C, ratio = Cs[j], ratios[r]
            model.coef_ = coef[r, :, j].mean(axis=0)
            model.intercept_ = intercept[r, :, j].mean(axis=0)
            model.verbose = max(0, int(self.verbose) - 1)
            alpha = float(results["alpha"][i])
            refit(model, alpha, float(ratio))
            self.coef_ = np.asarray(model.coef_, np.float64)
            self.intercept_ = np.asarray(model.intercept_, np.float64)
            for name in ("solver_", "objective_", "dual_gap_", "relative_gap_"):
                setattr(self, name, getattr(model, name))
        else:
            score = search.parts["score"].transpose(1, 2, 0).reshape(search.n_folds, -1)
            j_of, r_of = np.divmod([best(own) for own in score], len(ratios))
            rows = range(search.n_folds)
            own = zip(r_of, rows, j_of, strict=True)
            places = list(own)
            self.coef_ = np.mean([coef[place] for place in places], axis=0)
            self.intercept_ = np.mean([intercept[place] for place in places], axis=0)
            C, ratio = Cs[j_of].mean(), ratios[r_of].mean()
            for name in ("solver_", "objective_", "dual_gap_", "relative_gap_"):
                self.__dict__.pop(name, None)
        self.C_, self.l1_ratio_ = float(C), float(ratio)
        self.diagnosis_ = search.diagnose(results, i, self.coef_, bool(self.fit_intercept))

    def score(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, offset: Any = None, **params: Any
    ) -> float:
        """Score the predictions by `scoring`.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            True classes.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights of the samples, for a scorer that takes them; None: 1.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes) or None, default=None
            Known term of the linear predictor, only where the score is the accuracy. None: 0.
        **params : dict
            Metadata that the scorer requests by scikit-learn's metadata routing.

        Returns
        -------
        float
            Larger is better.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the arguments do not fit together or are not what was fitted.

        Examples
        --------
        >>> from fastridge import LogisticRegressionCV
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]
        >>> model = LogisticRegressionCV(
        ...     Cs=[1.0], cv=2, l1_ratios=[0.0], scoring="accuracy", use_legacy_attributes=False
        ... )
        >>> model.fit(X, y).score(X, y)
        0.5
        """
        if params and not _sklearn.routes():
            raise ValueError(
                f"{type(self).__name__}.score got {', '.join(map(repr, params))}: passing extra"
                " keyword arguments is only supported if enable_metadata_routing=True."
            )
        scoring = "accuracy" if self.scoring is None or is_warn(self.scoring) else self.scoring
        if scoring == "accuracy":
            return accuracy(self.predict(X, offset=offset), y, sample_weight)
        if offset is not None:
            raise ValueError(
                f"offset is given, but scoring={scoring!r} does not use it; expected None."
            )
        from ..model_selection._scores import make_scorer

        scorer, weighted = make_scorer(scoring, self._loss.scores)
        options = {} if sample_weight is None or not weighted else {"sample_weight": sample_weight}
        return scorer(self, X, y, {**options, **params})

    set_fit_request: Any = request_setter("fit", "sample_weight", "groups", "offset")
