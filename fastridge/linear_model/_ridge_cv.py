"""Ridge regression and classification that choose their penalty."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix
from ..data.check import (
    check_design,
    check_finite,
    check_penalty_factor,
    check_sample_weight,
    check_target,
    feature_names,
    recheck,
)
from ..data.parts import in_parts
from ..quadratic.variances import variances
from ..solvers.ridge.options import SOLVERS
from ..solvers.ridge_path.path import penalty_grid
from ._base import LinearRegressor
from ._choosing import Choosing, Known, require_numbers
from ._parameters import (
    AT_LEAST_0,
    BOOL,
    CALLBACK,
    COUNT,
    COUNT_OR_NONE,
    PENALTY_FACTOR,
    PENALTY_MATRIX,
    PRIOR_MEAN,
    RANDOM_STATE,
    SELECT,
    Parameter,
    Parameters,
    is_array_like,
    is_in,
    is_memory,
    one_of,
)
from ._ridge import Ridge

if TYPE_CHECKING:
    from ..model_selection import CVResults, Diagnosis
    from ..model_selection._search import Scoring, Search
    from ..solvers.ridge_path.folds import Folds


def _are_alphas(value: Any) -> bool:
    return (
        value is None
        or isinstance(value, Real)
        or is_array_like(value)
        or (isinstance(value, str) and value == "auto")
    )


def _check_alphas(name: str, value: Any) -> None:
    if is_array_like(value):
        require_numbers(name, value)


class BaseRidgeCV(Choosing):
    """Parameters and search shared by RidgeCV and RidgeClassifierCV."""

    alphas: Any
    fit_intercept: bool
    scoring: Any
    cv: Any
    store_cv_results: bool
    n_alphas: int
    select: Any
    validation: Any
    penalty_factor: Any
    standardize: bool
    solver: str
    tol: float
    max_iter: int | None
    max_memory: float | None
    random_state: Any
    store_coef: bool
    callback: Any
    # classifiers have neither
    prior_mean: Any = None
    penalty_matrix: Any = None

    alpha_: Any
    best_score_: Any
    solver_: str
    cv_results_: CVResults
    diagnosis_: Diagnosis | tuple[Diagnosis, ...]

    _parameters: ClassVar[Parameters] = {
        "alphas": Parameter(
            _are_alphas, "an array-like of penalties, a number, 'auto' or None", _check_alphas
        ),
        "fit_intercept": BOOL,
        "cv": Parameter(
            lambda value: not isinstance(value, str) or value in ("loo", "gcv"),
            "an int, a splitter, 'loo', 'gcv' or None",
        ),
        "store_cv_results": BOOL,
        "n_alphas": COUNT,
        "select": SELECT,
        "penalty_factor": PENALTY_FACTOR,
        "standardize": BOOL,
        "solver": one_of(name for name in SOLVERS if name not in ("qr", "svd", "lbfgs")),
        "tol": AT_LEAST_0,
        "max_iter": COUNT_OR_NONE,
        "max_memory": Parameter(is_memory, "a number of at least 0, or None"),
        "random_state": RANDOM_STATE,
        "store_coef": BOOL,
        "callback": CALLBACK,
    }

    def _check_together(self) -> None:
        if self.validation is not None and self.cv is not None:
            self._refuse("cv", "None where validation is given")

    def _routes(self) -> dict[str, tuple[str, Any]]:
        return {"scorer": ("score", self.scoring), **super()._routes()}

    def _kind(self) -> str:
        if self.validation is not None:
            return "held-out"
        if self.cv is None:
            return "loo"
        return self.cv if isinstance(self.cv, str) else "folds"

    @np.errstate(under="ignore")
    def _search(
        self,
        A: Matrix,
        Y: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        scoring: Scoring,
        held: Any,
        given: tuple[Any, Any, Any],
        single: bool,
        column: bool,
    ) -> None:
        """Evaluate all penalties, choose, fit to all rows and set the attributes.

        given: X, y and the metadata as passed to `fit`; held: (X, y, weight) of a held-out set or
        None.
        """
        from ..model_selection._choice import describe_extension
        from ..model_selection._path_search import PathSearch
        from ..model_selection._search import FoldSearch, warn_unsettled
        from ..model_selection._splits import check_share, hold_out, make_splits
        from ..solvers.ridge_path.folds import Folds

        check_finite(A)
        n, p = A.shape
        X, y, metadata = given
        scoring.metadata = metadata.score
        kind = self._kind()
        if self.store_cv_results and kind != "loo":
            raise ValueError(
                "cv!=None and store_cv_results=True are incompatible: only leave-one-out has"
                " errors of single rows."
            )
        if self.store_coef and kind in ("loo", "gcv"):
            raise ValueError(
                f"store_coef is True, but cv={self.cv!r} fits no folds; expected folds, or"
                " store_coef=False."
            )
        if kind == "gcv" and not scoring.of_errors:
            raise ValueError(
                f"scoring is {scoring.name!r}, which needs predictions of left-out rows, and"
                " cv='gcv' makes none; expected a score of squared errors, or another cv."
            )
        options = {
            "factor": check_penalty_factor(self.penalty_factor, p),
            "fit_intercept": self.fit_intercept,
            "standardize": self.standardize,
            "solver": self.solver,
            "tol": self.tol,
            "max_iter": self.max_iter,
            "max_memory": self.max_memory,
        }
        labels = scoring.codes if scoring.codes is not None and scoring.codes.ndim == 1 else None
        prior = self._prior(options, Y.shape[1], p)
        splits = []
        if kind == "folds":
            splits = make_splits(self.cv, n, X, y, metadata.groups, weight, labels, metadata.split)
        elif kind == "held-out" and held is None:
            share = check_share(self.validation)
            splits = hold_out(share, n, metadata.groups, labels, self._rng())
        recheck(A)
        if held is not None and metadata.score:
            raise ValueError(
                f"the scorer requests {', '.join(map(repr, metadata.score))}, which is given for"
                " the rows of X, not for those of validation; expected a scorer that requests only"
                " sample_weight."
            )
        source = X if held is None else self.validation[0]
        scoring.frame = source if hasattr(source, "columns") else None
        folds = Folds(A, Y, weight, splits, options, held, prior)
        search: FoldSearch | PathSearch
        if kind in ("folds", "held-out"):
            search = FoldSearch(folds, scoring, self.store_coef, self.callback, kind)
        else:
            search = PathSearch(
                folds, scoring, kind, self._seed(), self.store_cv_results, self.callback
            )
        alphas = self._alphas(folds.A, weight, folds.options)
        automatic = self.alphas is None or isinstance(self.alphas, str)
        k = Y.shape[1]
        try:
            search.add(alphas)
            said = search.extend() if automatic else []
        except BaseException:
            # drop attributes of an earlier fit, which do not belong to these results
            for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("_")]:
                delattr(self, name)
            if search.rounds:
                self.cv_results_ = search.results(scoring.per_target, single, None)
            raise
        if said:
            warnings.warn(describe_extension(said, search.end()), UserWarning, stacklevel=3)
        if isinstance(search, FoldSearch):
            search.finish(self._seed)
        if folds.unsettled:
            warn_unsettled(folds.unsettled, self.tol)
        stored = None
        if isinstance(search, PathSearch):
            stored = search.all_stored(single and not column)
        if stored is not None and A.is_float32:
            stored = stored.astype(np.float32)
        self._decide(search, folds, stored, k, single, column)

    def _prior(self, options: dict[str, Any], k: int, p: int) -> Any:
        """Mean (k, p) and matrix of the prior, each of them or None; None without a prior.

        A diagonal matrix becomes part of the factors in `options`.
        """
        mean, matrix = self.prior_mean, self.penalty_matrix
        if mean is None and matrix is None:
            return None
        from ..data.priors import check_prior_mean
        from ..quadratic.penalty_matrix import factors_and_matrix

        if mean is not None:
            mean = check_prior_mean(mean, k, p)
            mean = mean if mean.any() else None
        options["factor"], matrix = factors_and_matrix(options["factor"], matrix, p)
        return None if mean is None and matrix is None else (mean, matrix)

    def _seed(self) -> int:
        return int(self._rng().integers(2**31))

    def _alphas(
        self, A: Matrix, weight: NDArray[np.float64] | None, options: dict[str, Any]
    ) -> NDArray[np.float64]:
        """Return the given grid, or the automatic one."""
        if self.alphas is not None and not isinstance(self.alphas, str):
            values = np.asarray(self.alphas)
            return penalty_grid(values.reshape(1) if values.ndim == 0 else values, 1, None, None)
        factor = options["factor"]
        if options["standardize"]:
            variance = variances(A, weight)
            factor = variance if factor is None else factor * variance
        mean, variance = A.column_stats(weight)
        total = float(A.n_rows if weight is None else weight.sum())
        squares = total * (variance if self.fit_intercept else variance + mean**2)
        d = np.ones(A.n_columns) if factor is None else factor
        return penalty_grid(None, self.n_alphas, lambda: squares, d)

    def _decide(
        self, search: Search, folds: Folds, stored: Any, k: int, single: bool, column: bool
    ) -> None:
        """Choose, fit to all rows, and set the attributes."""
        from ..model_selection._choice import choose
        from ..model_selection._diagnosis import Freedom, Scores, diagnose

        per_target = search.scoring.per_target
        results = search.results(per_target, single, stored)
        self.cv_results_ = results
        alphas, score, error = search.alphas, search.score, search.score_se
        if np.isnan(score).all():
            warnings.warn(
                "scoring returned NaN for every penalty, so that the first penalty of the grid is"
                " chosen; expected finite scores.",
                UserWarning,
                stacklevel=4,
            )
        chosen = [
            choose(self.select, alphas, score[:, t], error[:, t], results, search.noise(t))
            for t in range(score.shape[1])
        ]
        if isinstance(self.select, str) and self.select == "1se" and np.isnan(error[chosen]).all():
            warnings.warn(
                "select='1se' chose the best score, as there is no standard error: a held-out set,"
                " or a scorer with leave-one-out, gives a single score; expected folds, or a score"
                " of squared errors.",
                UserWarning,
                stacklevel=4,
            )
        table = search.table
        result = folds.fit(alphas[chosen])
        A = folds.A
        null = self._loss.null_deviance(folds.targets, folds.weight, self.fit_intercept)
        by_fold = table.get("fold_score")
        diagnoses = []
        for t, i in enumerate(chosen):
            part = slice(t, t + 1) if per_target else slice(None)
            diagnoses.append(
                diagnose(
                    self._loss,
                    alphas,
                    i,
                    table["train_error"][:, part].mean(axis=1),
                    table["validation_error"][:, part].mean(axis=1),
                    float(np.mean(table["null"][part])),
                    Scores(
                        search.scoring.name,
                        score[:, t],
                        error[:, t],
                        None if by_fold is None else by_fold[:, :, t],
                    ),
                    Freedom(
                        float(np.mean(null[part])),
                        not result.coef[part].any(),
                        table.get("dof"),
                        min(A.n_rows - bool(self.fit_intercept), A.n_columns),
                    ),
                )
            )
        self.alphas_ = alphas
        if per_target:
            self.alpha_ = alphas[chosen]
            self.best_score_ = score[chosen, np.arange(len(chosen))]
            self.diagnosis_ = tuple(diagnoses)
        else:
            self.alpha_ = np.float64(alphas[chosen[0]])
            self.best_score_ = np.float64(score[chosen[0], 0])
            self.diagnosis_ = diagnoses[0]
        self.__dict__.pop("dof_", None)
        if "dof" in table:
            dof = table["dof"][chosen]
            self.dof_ = dof if per_target else np.float64(dof[0])
        coef, intercept = result.coef, result.intercept
        self.coef_ = coef[0] if single else coef
        if not self.fit_intercept:
            self.intercept_ = 0.0
        else:
            self.intercept_ = intercept[0] if single and not column else intercept
        self.solver_ = result.solver
        for name in ("n_iter", "relative_gradient", "relative_error", "objective"):
            value = getattr(result, name)
            setattr(self, f"{name}_", value[0] if single and value is not None else value)


class RidgeCV(BaseRidgeCV, LinearRegressor):
    """Ridge regression that chooses its penalty by cross-validation.

    The objective is that of `Ridge`::

        sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j f_j w_j^2

    with s = `sample_weight` and f = `penalty_factor`. Every penalty is evaluated on held-out rows,
    one is chosen, and the model is fitted to all rows with it. Folds share work: the moments of
    each fold are summed once, those of its training rows are the total minus the fold's, centred
    and standardised within the training rows, and one decomposition serves all penalties.

    Parameters
    ----------
    alphas : array-like of shape (n_alphas,), float, "auto" or None, default=(0.1, 1.0, 10.0)
        Penalties to try, at least 0; `alphas_` and `cv_results_` keep their order. A number is one
        penalty (for `LassoCV` and paths, an int is a number of penalties). "auto" or None:
        `n_alphas` penalties, from 1000 times to a thousandth of the mean of the columns' sums of
        squares; where the best one is at an end of the grid and the score still improves there, the
        grid is extended, with a warning.
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    scoring : str, callable or None, default=None
        Name of a scorer, or scorer(estimator, X, y) where larger is better. None: the negative mean
        squared error for leave-one-out and generalised cross-validation, else R^2. Scores are
        weighted by `sample_weight` where the scorer takes it, unless it is a scorer of scikit-learn
        whose ``set_score_request`` says otherwise.
    cv : int, splitter, iterable of (train, test), {"loo", "gcv"} or None, default=None
        None or "loo": leave one row out, exactly. "gcv": generalised cross-validation, which
        replaces leverages by their mean; on large sparse data, the trace is estimated from random
        vectors, with its error in `cv_results_`. An int: number of folds, of consecutive rows or of
        whole `groups`. A splitter has ``split(X, y, groups)``, like those of scikit-learn.
    gcv_mode : {"auto", "svd", "eigen"} or None, default=None
        Accepted for compatibility and without effect: the method follows from shape and accuracy.
    store_cv_results : bool, default=False
        With leave-one-out, keep each row's squared error (times its weight), or its prediction
        where `scoring` is given (NaN for a row of weight 0): `cv_results_` can then be used as an
        array of shape (n_samples, n_alphas) or (n_samples, n_targets, n_alphas), too.
    alpha_per_target : bool, default=False
        Choose a penalty for each target.
    n_alphas : int, default=50
        Number of penalties of the automatic grid.
    select : {"min", "1se"} or callable, default="min"
        "min": the best mean score; where scores are estimated from random vectors, the largest
        penalty whose score differs from the best by at most one standard error of the difference.
        "1se": the largest penalty whose mean score is within one standard error of the best; the
        error is over the folds, over the rows of leave-one-out, or over the rows' terms of
        generalised cross-validation. A held-out set, and a scorer of all leave-one-out predictions
        (except mean absolute error), have no standard error: the best is then taken, with a
        warning. A callable is given `cv_results_` and returns the position of a penalty.
    validation : float, (X, y), (X, y, sample_weight) or None, default=None
        Held-out set in place of `cv`. A number between 0 and 1: that share of the rows (of
        the `groups`, where given), at random; the model is then fitted to all rows.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor f of the penalty of each feature; 0 leaves it unpenalised.
    standardize : bool, default=False
        Penalise in units of the columns' weighted standard deviations, those of each fold's
        training rows; leave-one-out then decomposes the data again for every row. Generalised
        cross-validation, which leaves no row out, takes those of all rows.
    solver : {"auto", "cholesky", "dual", "cg", ...}, default="auto"
        "auto" chooses by shape and sparsity. "cholesky" and "dual" decompose the Gram matrix of the
        features or of the samples; "cg": preconditioned conjugate gradients. scikit-learn's names
        run the corresponding solver.
    tol : float, default=1e-4
        Relative error allowed to an iterative solver, which stops where
        sum_j g_j^2 / f_j <= tol^2 * alpha * F, with g minus half of the gradient, f the penalty
        factors (times the variances if standardised) and F the objective. F is then above its
        minimum by tol^2 * F at most, and the coefficients are within tol * sqrt(F) of the solution
        in the norm of the system. With alpha = 0 the least Ritz value replaces alpha.
        Direct solvers are exact to round-off.
    max_iter : int or None, default=None
        Largest number of iterations of an iterative solver for each penalty.
    max_memory : float or None, default=None
        Memory in bytes that the fit may use in addition to its input, its result and, per
        target, some 20 vectors of n_samples and 64 of n_features elements. Where a direct solver
        would need more, which is computed beforehand, "auto" runs "cg". None: half of the
        machine's memory. Folds whose rows would not fit a second time are masked, not copied;
        leave-one-out, which needs a direct solver, raises an error beyond it.
    random_state : int, numpy.random.RandomState or None, default=None
        Seed of a random `validation`, and of the random vectors by which "gcv" estimates degrees of
        freedom on large sparse data; None: 0.
    store_coef : bool, default=False
        Keep the coefficients of every fold and penalty, in ``cv_results_["fold_coef"]``; not for
        leave-one-out and generalised cross-validation, which have none.
    callback : callable or None, default=None
        Called as callback(done, total) after each fold; for an iterative solver, after each penalty
        of each fold; for leave-one-out and generalised cross-validation, as callback(1, 1) when all
        penalties are done, or with `standardize` after each row. If it raises StopIteration, the
        search ends and the finished parts decide; any other exception, and Ctrl-C, propagates and
        leaves the finished folds in `cv_results_`.
    prior_mean : array-like of shape (n_features,) or (n_targets, n_features), or None
        Coefficients m that the penalty shrinks towards, in the units of `coef_`; None: zero.
    penalty_matrix : array-like or sparse matrix of shape (n_features, n_features), or None
        Symmetric positive semi-definite matrix P of the penalty
        alpha * sum_jl sqrt(f_j f_l) P_jl (w_j - m_j) (w_l - m_l); None: the identity. Its elements
        are multiplied by the standard deviations of both columns where they are standardised. What
        its null space spans is not penalised. Unless P is diagonal, X is rotated by its
        eigenvectors, which takes a dense copy, of sparse X too; with `standardize` one for each
        fold.

    Attributes
    ----------
    alpha_ : float or ndarray of shape (n_targets,)
        Chosen penalty.
    best_score_ : float or ndarray of shape (n_targets,)
        Mean score of the chosen penalty.
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        w of the fit to all rows.
    intercept_ : float or ndarray of shape (n_targets,)
        b; 0.0 where `fit_intercept` is False.
    alphas_ : ndarray of shape (n_alphas,)
        The grid that was used.
    cv_results_ : fastridge.model_selection.CVResults
        Errors, scores, degrees of freedom and norms of every penalty, as a mapping;
        ``cv_results_.to_frame()`` returns a data frame.
    diagnosis_ : fastridge.model_selection.Diagnosis or tuple of it
        Verdict: under-fitting, over-fitting, about right, or the penalty does not matter; print it
        for an explanation. A tuple where each target has its own penalty.
    dof_ : float or ndarray of shape (n_targets,)
        Effective degrees of freedom of the fit, without the intercept; only where computed.
    n_passes_ : int
        Passes over the data; only after a fit of data in parts.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,), dtype object
        Names of the features; only where `X` is a data frame whose column names are strings.
    solver_, n_iter_, relative_gradient_, relative_error_, objective_
        As for `Ridge`; for the fit to all rows.

    See Also
    --------
    RidgeClassifierCV : The same for class labels.
    ridge_path : All penalties, without a choice.
    Ridge : Least squares with an L2 penalty.
    BayesianRidge : Ridge regression with the penalty of the largest evidence, and intervals.
    GroupRidge : A penalty for each group of features.
    CrossValidationDisplay : Train and validation errors against the penalty.
    ShrinkageDisplay : Shrinkage of each singular direction.
    report : Write an interactive page about the penalty.

    Notes
    -----
    A row of weight 2 counts as two rows: in fits, in the scores of folds, in the number of samples
    of generalised cross-validation, and in the mean over rows of leave-one-out, which leaves out
    the row with its whole weight, like two copies in one group. So `best_score_` with weights is
    that of scikit-learn's ``scoring="neg_mean_squared_error"``; its ``scoring=None`` divides the
    weighted sum of squares by the number of rows instead of the sum of weights.

    References
    ----------
    G. H. Golub, M. Heath and G. Wahba, "Generalized cross-validation as a method for choosing a
    good ridge parameter", Technometrics 21(2), 1979. One standard error: L. Breiman, J. Friedman,
    R. Olshen and C. Stone, "Classification and Regression Trees", Wadsworth, 1984.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import RidgeCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 20))
    >>> y = X[:, 0] + rng.standard_normal(50)
    >>> model = RidgeCV(alphas=np.logspace(-2, 4, 13), cv=5, select="1se").fit(X, y)
    >>> bool(model.alpha_ >= 10.0), len(model.cv_results_["validation_error"])
    (True, 13)
    """

    _parameters: ClassVar[Parameters] = {
        **BaseRidgeCV._parameters,
        "alpha_per_target": BOOL,
        "prior_mean": PRIOR_MEAN,
        "penalty_matrix": PENALTY_MATRIX,
        "gcv_mode": Parameter(
            lambda value: value is None or is_in(("auto", "svd", "eigen"))(value),
            "'auto', 'svd', 'eigen' or None",
        ),
    }

    def __init__(
        self,
        alphas: Any = (0.1, 1.0, 10.0),
        *,
        fit_intercept: bool = True,
        scoring: Any = None,
        cv: Any = None,
        gcv_mode: Any = None,
        store_cv_results: bool = False,
        alpha_per_target: bool = False,
        n_alphas: int = 50,
        select: Any = "min",
        validation: Any = None,
        penalty_factor: Any = None,
        standardize: bool = False,
        solver: str = "auto",
        tol: float = 1e-4,
        max_iter: int | None = None,
        max_memory: float | None = None,
        random_state: Any = None,
        store_coef: bool = False,
        callback: Any = None,
        prior_mean: Any = None,
        penalty_matrix: Any = None,
    ) -> None:
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.gcv_mode = gcv_mode
        self.store_cv_results = store_cv_results
        self.alpha_per_target = alpha_per_target
        self.n_alphas = n_alphas
        self.select = select
        self.validation = validation
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.max_memory = max_memory
        self.random_state = random_state
        self.store_coef = store_coef
        self.callback = callback
        self.prior_mean = prior_mean
        self.penalty_matrix = penalty_matrix

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None, **params: Any
    ) -> Self:
        """Choose the penalty, and fit the coefficients and the intercept.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features; see `Ridge.fit`. Or data in parts, with `y` None for `Chunks`: a `Chunks`, a
            dask array or data frame, or a list of delayed (X, y[, sample_weight]).
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Values to predict.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights of the samples: weight 2 counts the row twice. None: 1.
        groups : array-like of shape (n_samples,) or None, default=None
            Group of each row. Rows of a group are held out together where `cv` is an int or
            `validation` a share; a splitter receives the groups.
        **params : dict
            Metadata that a splitter or a scorer requests by scikit-learn's metadata routing;
            only under ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        self : RidgeCV
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter or an argument is not as documented; the message says what was expected.

        Warns
        -----
        UserWarning
            If the automatic grid was extended.
        ConvergenceWarning
            If an iterative solver did not reach `tol`.

        Examples
        --------
        >>> from fastridge import RidgeCV
        >>> RidgeCV(alphas=[0.1, 1.0]).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]).alpha_
        np.float64(0.1)
        """
        if type(X) is not np.ndarray and in_parts(X):
            self._metadata(sample_weight, groups, params)
            return self._fit_parts(X, y, sample_weight, groups=groups)
        from ..model_selection._search import Scoring

        self._check_parameters()
        metadata = self._metadata(sample_weight, groups, params)
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        Y = check_target(y, A.n_rows)
        weight = check_sample_weight(sample_weight, A.n_rows)
        single = Y.ndim == 1 or Y.shape[1] == 1
        column = Y.ndim == 2 and single
        targets = Y.reshape(A.n_rows, -1)
        held = self._held(A.n_columns, check_target)
        truth = Y if held is None else held[1]
        if held is not None:
            other = held[1].reshape(held[0].n_rows, -1)
            if other.shape[1] != targets.shape[1]:
                raise ValueError(
                    f"validation y has {other.shape[1]} target(s); expected {targets.shape[1]}."
                )
            held = (held[0], other, held[2])

        def shown(alpha: Any, coef: Any, intercept: Any, X: Any, prediction: Any) -> Ridge:
            return _Shown(float(alpha), self.fit_intercept)._show(coef, intercept, X, prediction)

        loss = self._loss
        default = loss.error_score if self._kind() in ("loo", "gcv") else loss.fit_score
        scoring = Scoring(
            loss,
            self.scoring,
            default,
            bool(self.alpha_per_target) and not single,
            shown,
            truth.reshape(-1) if single else truth,
            None,
        )
        self._search(A, targets, weight, scoring, held, (X, Y, metadata), single, column)
        self._set_features(A.n_columns, names)
        return self


class _Shown(Known, Ridge):
    def __init__(self, alpha: float = 1.0, fit_intercept: bool = True) -> None:
        super().__init__(alpha, fit_intercept=fit_intercept)


# name shown in messages of scorers
_Shown.__name__ = _Shown.__qualname__ = "Ridge"
