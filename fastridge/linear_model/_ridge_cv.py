"""Ridge regression and classification that choose their penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ..data.check import (
    check_design,
    check_sample_weight,
    check_target,
    feature_names,
)
from ..data.parts import in_parts
from ._base import LinearRegressor
from ._choosing import Known
from ._parameters import (
    BOOL,
    PENALTY_MATRIX,
    PRIOR_MEAN,
    Parameter,
    Parameters,
    is_in,
)
from ._ridge import Ridge
from ._ridge_cv_base import BaseRidgeCV
from ._whole import whole

if TYPE_CHECKING:
    pass


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
        squares, and on to that of the least column; where the best one is at an end of the grid
        and the score still improves there, the grid is extended, with a warning.
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
        target, some 20 vectors of n_samples and 64 of n_features elements, and for "gcv" by an
        iterative solver 400 of the smaller of both. Where a direct solver would need more, which is
        computed beforehand, "auto" runs "cg". None: half of the machine's memory. Folds whose rows
        would not fit a second time are masked, not copied; leave-one-out, which needs a direct
        solver, raises an error beyond it.
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
        leaves the finished folds in `cv_results_`, as the only fitted attribute; before that an
        earlier fit stays.
    prior_mean : array-like of shape (n_features,) or (n_targets, n_features), or None
        Coefficients m that the penalty shrinks towards, in the units of `coef_`; None: zero.
    penalty_matrix : array-like or sparse matrix of shape (n_features, n_features), or None
        Symmetric positive semi-definite matrix P of the penalty
        alpha * sum_jl sqrt(f_j f_l) P_jl (w_j - m_j) (w_l - m_l); None: the identity. Its elements
        are multiplied by the standard deviations of both columns where they are standardised. Its
        null space is not penalised, and eigenvalues within the round-off of P count as zero, for
        any alpha. Unless P is diagonal, X is rotated by its eigenvectors, which takes a dense copy,
        of sparse X too; with `standardize` one for each fold. With folds, sparse X and P stay
        sparse with solver "cg", and with "auto" of more than 2,000 features.

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
    memory_estimate : Upper bound on the memory of a fit.
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

    @whole
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
