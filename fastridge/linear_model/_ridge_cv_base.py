"""Parameters and search that ridge regressors and classifiers with a chosen penalty share."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix
from .._stack import outside
from ..data.check import (
    check_finite,
    guarded,
    recheck,
)
from ..data.inputs import as_array
from ..data.parameters import check_penalty_factor
from ..exceptions import GridWarning
from ..quadratic.variances import variances
from ..solvers.ridge.options import SOLVERS
from ..solvers.ridge_path.path import down_to_least, penalty_grid
from ._choosing import Choosing, require_numbers
from ._parameters import (
    AT_LEAST_0,
    BOOL,
    CALLBACK,
    COUNT_OR_NONE,
    GRID_SIZE,
    PENALTY_FACTOR,
    RANDOM_STATE,
    SELECT,
    Parameter,
    Parameters,
    is_array_like,
    is_memory,
    one_of,
)

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
        "n_alphas": GRID_SIZE,
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
        from ..model_selection._path_search import PathSearch
        from ..model_selection._search import FoldSearch
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
        callback = guarded(self.callback, *folds.designs())
        if kind in ("folds", "held-out"):
            search = FoldSearch(folds, scoring, self.store_coef, callback, kind)
        else:
            search = PathSearch(folds, scoring, kind, self._seed(), self.store_cv_results, callback)
        alphas = self._alphas(folds.A, weight, folds.options)
        self._run_search(search, folds, alphas, Y.shape[1], single, column)

    def _run_search(
        self,
        search: Search,
        folds: Folds,
        alphas: NDArray[np.float64],
        k: int,
        single: bool,
        column: bool,
    ) -> None:
        """Evaluate the penalties, choose one, fit to all rows and set the attributes."""
        from ..model_selection._choice import describe_extension
        from ..model_selection._path_search import PathSearch
        from ..model_selection._search import FoldSearch, warn_unsettled

        scoring = search.scoring
        automatic = self.alphas is None or isinstance(self.alphas, str)
        try:
            search.add(alphas)
            said = search.extend() if automatic else []
        except BaseException:
            if search.rounds:
                self._finished_folds = search.results(scoring.per_target, single, None)
            raise
        if said:
            warnings.warn(describe_extension(said, search.end()), GridWarning, stacklevel=outside())
        if isinstance(search, FoldSearch):
            search.finish(self._seed)
        if folds.unsettled:
            warn_unsettled(folds.unsettled, self.tol)
        stored = None
        if isinstance(search, PathSearch):
            stored = search.all_stored(single and not column)
        if stored is not None and folds.A.is_float32:
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
            return self._given_alphas(None, None)
        factor = options["factor"]
        if options["standardize"]:
            variance = variances(A, weight)
            factor = variance if factor is None else factor * variance
        mean, variance = A.column_stats(weight)
        total = float(A.n_rows if weight is None else weight.sum())
        squares = total * (variance if self.fit_intercept else variance + mean**2)
        return self._given_alphas(squares, np.ones(A.n_columns) if factor is None else factor)

    def _given_alphas(self, squares: Any, d: Any) -> NDArray[np.float64]:
        """Return the given grid, or the automatic one for sums of squares and factors (p,)."""
        if self.alphas is not None and not isinstance(self.alphas, str):
            values = as_array(self.alphas, "alphas")
            return penalty_grid(values.reshape(1) if values.ndim == 0 else values, 1, None, None)
        return down_to_least(penalty_grid(None, self.n_alphas, lambda: squares, d), squares, d)

    def _decide(
        self, search: Search, folds: Folds, stored: Any, k: int, single: bool, column: bool
    ) -> None:
        """Choose, fit to all rows, and set the attributes."""
        from ..model_selection._choice import choose, warn_without_scores
        from ..model_selection._diagnosis import Freedom, Scores, diagnose

        per_target = search.scoring.per_target
        results = search.results(per_target, single, stored)
        self.cv_results_ = results
        alphas, score, error = search.alphas, search.score, search.score_se
        warn_without_scores(score)
        select = guarded(self.select, *folds.designs())
        chosen = [
            choose(select, alphas, score[:, t], error[:, t], results, search.noise(t))
            for t in range(score.shape[1])
        ]
        if isinstance(self.select, str) and self.select == "1se" and np.isnan(error[chosen]).all():
            warnings.warn(
                "select='1se' chose the best score, as there is no standard error: a held-out set,"
                " or a scorer with leave-one-out, gives a single score; expected folds, or a score"
                " of squared errors.",
                UserWarning,
                stacklevel=outside(),
            )
        table = search.table
        result = folds.fit(alphas[chosen])
        A = folds.A
        null = folds.null_deviance()
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
