"""Ridge regression with one penalty for each group of features, chosen from the data."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._stack import outside
from ..data.check import (
    check_design,
    check_finite,
    check_sample_weight,
    check_target,
    feature_names,
    recheck,
)
from ..data.groups import check_groups
from ..data.parameters import check_penalty_factor, check_seed
from ..data.parts import in_parts
from ..quadratic.variances import variances
from ._parameters import (
    ANY,
    AT_LEAST_0,
    BOOL,
    COUNT,
    MAX_MEMORY,
    PENALTY_FACTOR,
    PENALTY_MATRICES,
    PRIOR_MEAN,
    RANDOM_STATE,
    Parameters,
    one_of,
)
from ._posterior import PosteriorRegressor
from ._whole import whole

if TYPE_CHECKING:
    from ..quadratic.posterior import Posterior
    from ..solvers.group_ridge.result import GroupRidgeResult


class GroupRidge(PosteriorRegressor):
    """Ridge regression with a penalty for each group of features, chosen from the data.

    With s = `sample_weight` and f = `penalty_factor` it minimises ::

        sum_i s_i (y_i - b - x_i w)^2 + sum_g alpha_g sum_{j in g} f_j w_j^2,

    which is the posterior mean of the model ::

        y_i ~ N(b + x_i w, noise_variance_ / s_i),    w_j ~ N(0, prior_variance_g / f_j),

    with alpha_g = noise_variance_ / prior_variance_g. The variances maximise the likelihood of y
    with w integrated out, or the penalties minimise generalised cross-validation or leave-one-out
    errors. Each target has its own penalties. Where each group holds the levels of a factor, this
    is a linear mixed model. The data are reduced once; Newton's method with exact derivatives then
    takes the time of a few ridge fits, by features or by samples (see `solver`).

    A group whose prior variance is 0 is out: its penalty is infinite and its coefficients are 0.
    One that would explain more later comes back, but with solver "cg" it is not tried again.

    Parameters
    ----------
    groups : array-like of shape (n_features,), list, mapping, "each" or None, default=None
        A label for each feature, in their order or in a Series indexed by names of columns; or the
        columns of each group, as a list of lists or slices, or a mapping of names to columns:
        indices, names of a data frame, masks or slices. "each": one group per feature (automatic
        relevance determination). None: one group.
    criterion : {"reml", "ml", "gcv", "loo"}, default="reml"
        "reml": the restricted likelihood, with the intercept and the features without a penalty
        integrated out. "ml": the likelihood, maximised over them. "gcv": generalised
        cross-validation. "loo": leave-one-out errors, which keep the rows in memory.
    fit_intercept : bool, default=True
        Fit b; otherwise b = 0.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Factor f of each feature within its group; 0: without a penalty. None: 1.
    standardize : bool, default=False
        Priors in units of the columns' weighted standard deviations.
    tol : float, default=1e-6
        Stop when the derivative of the criterion with respect to the logarithm of each penalty is
        at most this share of the terms that cancel in it.
    max_iter : int, default=200
        Largest number of iterations.
    solver : {"auto", "cholesky", "dual", "schur", "cg"}, default="auto"
        "cholesky": by the Gram matrix of the features, in time proportional to n_features^3 for
        each step and target. "dual", for wide data: by a Gram matrix of the samples for each group,
        in time proportional to n_samples^3 and to the number of groups. "schur", for sparse data
        with a large group of whose features no row has two, as the levels of a factor: these are
        eliminated exactly, and a step takes time proportional to the cube of the number of other
        features (not for "loo"). These give the same result. "cg": by conjugate gradients, with
        traces estimated from random signs, in a few vectors for each; for "reml" alone, and without
        a posterior. "auto": the exact one of least predicted time that fits into `max_memory`; "cg"
        where none does, or would take more than ten minutes and 20 times as long; for "gcv" without
        more samples than features not "cholesky" where "dual" fits, as only it is accurate where
        all samples are fitted exactly.
    max_memory : float or None, default=None
        Memory in bytes that the fit may use in addition to its input. Where every solver would need
        more, which is computed beforehand, an error is raised. None: half of the machine's memory.
    prior_mean : array-like of shape (n_features,) or (n_targets, n_features), or None
        Mean m of the prior, in the units of `coef_`; None: zero. A group that is out has the
        coefficients of m.
    penalty_matrix : matrix of shape (n_features, n_features), mapping, list or None, default=None
        Penalties alpha_g v'P_g v, v_j = sqrt(f_j) (w_j - m_j) of the group, for symmetric positive
        semi-definite matrices P_g, dense or sparse: a mapping of names of groups to them, a list of
        one for each group, or a block-diagonal matrix of all features. None, as a whole or of a
        group: the identity. Elements are multiplied by the standard deviations of both columns
        where they are standardised. The null space of P_g, which includes eigenvalues within the
        round-off of P_g, is not penalised: it counts in `share_`, not in `dof_`. X is rotated by
        the eigenvectors, which takes a dense copy, of sparse X too; not with solver "schur".
    n_probes : int, default=32
        Number of vectors of random signs of solver "cg"; errors fall with its root.
    random_state : int, numpy.random.RandomState or None, default=None
        Seed of these signs. None: the same for every fit.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Posterior mean of w.
    intercept_ : float or ndarray of shape (n_targets,)
        b; 0.0 where `fit_intercept` is False.
    groups_ : ndarray of shape (n_groups,)
        Names of the groups: labels sorted, other names in the given order.
    group_index_ : ndarray of int, shape (n_features,)
        Group of each feature, as an index into `groups_`.
    alpha_ : ndarray of shape (n_groups,) or (n_targets, n_groups)
        Penalties; infinite where a group is out.
    alpha_error_ : ndarray of the shape of `alpha_`
        Relative standard errors of `alpha_` from the random signs of solver "cg", nan where a
        group is out; 0 of other solvers.
    prior_variance_ : ndarray of shape (n_groups,) or (n_targets, n_groups)
        Prior variances of the coefficients, noise_variance_ / alpha_; 0 where a group is out.
    noise_variance_ : float or ndarray of shape (n_targets,)
        Variance of the noise.
    dof_ : ndarray of shape (n_groups,) or (n_targets, n_groups)
        Effective degrees of freedom of each group.
    share_ : ndarray of shape (n_groups,) or (n_targets, n_groups)
        Contribution of each group to R^2: sum_i s_i z_i (2 y_i - yhat_i) / sum_i s_i y_i^2 with z
        the group's part of the prediction yhat, all about their means.
    log_evidence_ : float or ndarray of shape (n_targets,)
        Log restricted likelihood of y; the log likelihood where `criterion` is "ml". Infinite
        where y is constant, and -infinite where a penalty is 0.
    log_evidence_error_ : float or ndarray of shape (n_targets,)
        Standard error of `log_evidence_` from the random signs of solver "cg"; 0 of others.
    relative_gradient_ : float or ndarray of shape (n_targets,)
        Largest derivative of the criterion with respect to the logarithm of a penalty, as a share
        of the terms that cancel in it. Of 16 targets or more it includes the error of degrees of
        freedom that are interpolated, which is estimated and confirmed by exact ones.
    converged_ : bool or ndarray of shape (n_targets,)
        True where `relative_gradient_` is at most `tol`, or at most its round-off where y is fitted
        almost exactly, and no group that is out would re-enter. Where the criterion is best as all
        penalties tend to 0 together, with y fitted exactly, the smallest is fixed as close to 0 as
        round-off allows, and the others are optimal for it; of likelihoods, a warning says so. With
        solver "cg": where each derivative is at most `tol`, or both a hundredth of the terms that
        cancel in it and a twentieth of its standard error, and conjugate gradients solved every
        system.
    n_iter_ : int or ndarray of shape (n_targets,)
        Number of iterations.
    posterior_ : Posterior or list of Posterior
        Covariance of the coefficients, as an operator, for each target.
    solver_ : str
        Solver of the linear systems: "cholesky", "dual", "schur" or "cg".
    X_offset_ : ndarray of shape (n_features,)
        Weighted means by which the columns were centred; 0 without an intercept.
    n_passes_ : int
        Passes over the data; only after a fit of data in parts.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,), dtype object
        Names of the features; only where `X` is a data frame whose column names are strings.

    See Also
    --------
    BayesianRidge : One penalty for all features, with priors of the variances.
    RidgeCV : One penalty, chosen by cross-validation.
    GroupShrinkageDisplay : Coefficients and shrinkage of each group.

    References
    ----------
    S. N. Wood, "Fast stable restricted maximum likelihood and marginal likelihood estimation of
    semiparametric generalized linear models", JRSS B 73(1), 2011. D. Bates, M. Maechler, B. Bolker
    and S. Walker, "Fitting linear mixed-effects models using lme4", Journal of Statistical Software
    67(1), 2015. M. E. Tipping and A. C. Faul, "Fast marginal likelihood maximisation for sparse
    Bayesian models", AISTATS 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import GroupRidge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 30))
    >>> w = np.r_[rng.standard_normal(10), 0.1 * rng.standard_normal(10), np.zeros(10)]
    >>> y = X @ w + rng.standard_normal(200)
    >>> model = GroupRidge({"strong": slice(10), "weak": slice(10, 20), "none": slice(20, 30)})
    >>> model.fit(X, y).groups_
    array(['strong', 'weak', 'none'], dtype=object)
    >>> bool(model.alpha_[0] < model.alpha_[1])
    True
    >>> mean, deviation = model.predict(X[:2], return_std=True)
    """

    _parameters: ClassVar[Parameters] = {
        "groups": ANY,
        "criterion": one_of(("reml", "ml", "gcv", "loo")),
        "fit_intercept": BOOL,
        "penalty_factor": PENALTY_FACTOR,
        "standardize": BOOL,
        "tol": AT_LEAST_0,
        "max_iter": COUNT,
        "solver": one_of(("auto", "cholesky", "dual", "schur", "cg")),
        "max_memory": MAX_MEMORY,
        "prior_mean": PRIOR_MEAN,
        "penalty_matrix": PENALTY_MATRICES,
        "n_probes": COUNT,
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self,
        groups: Any = None,
        *,
        criterion: str = "reml",
        fit_intercept: bool = True,
        penalty_factor: Any = None,
        standardize: bool = False,
        tol: float = 1e-6,
        max_iter: int = 200,
        solver: str = "auto",
        max_memory: float | None = None,
        prior_mean: Any = None,
        penalty_matrix: Any = None,
        n_probes: int = 32,
        random_state: Any = None,
    ) -> None:
        self.groups = groups
        self.criterion = criterion
        self.fit_intercept = fit_intercept
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.tol = tol
        self.max_iter = max_iter
        self.solver = solver
        self.max_memory = max_memory
        self.prior_mean = prior_mean
        self.penalty_matrix = penalty_matrix
        self.n_probes = n_probes
        self.random_state = random_state

    def _is_invariant(self) -> bool:
        # the likelihood takes the prior of a feature's effect at its origin
        return super()._is_invariant() and self.criterion != "ml"

    @whole
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Choose the penalties, and fit the coefficients and the intercept.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features; see `Ridge.fit`. Or data in parts, with `y` None for `Chunks`: a `Chunks`, a
            dask array or data frame, or a list of delayed (X, y[, sample_weight]).
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Values to predict.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights of the samples: weight 2 counts the row twice. None: 1.

        Returns
        -------
        self : GroupRidge
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter or an argument is not as documented; the message says what was expected.

        Examples
        --------
        >>> from fastridge import GroupRidge
        >>> model = GroupRidge().fit([[0.0], [1.0], [2.0], [3.0]], [0.0, 1.1, 1.9, 3.0])
        >>> model.predict([[4.0]]).round(1)
        array([3.9])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._fit_parts(X, y, sample_weight)
        from ..solvers.group_ridge.fit import fit_groups

        self._check_parameters()
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, finite=False)
        n, p = A.shape
        Y = check_target(y, n)
        single = Y.ndim == 1
        weight = check_sample_weight(sample_weight, n)
        factor = check_penalty_factor(self.penalty_factor, p)
        groups = check_groups(self.groups, p, names)
        check_finite(A)
        recheck(A)
        if self.standardize:
            variance = variances(A, weight)
            factor = variance if factor is None else factor * variance
        targets = np.asfortranarray(Y.reshape(n, -1))
        options: dict[str, Any] = {
            "fit_intercept": self.fit_intercept,
            "criterion": self.criterion,
            "tol": float(self.tol),
            "max_iter": int(self.max_iter),
            "solver": self.solver,
            "max_memory": self.max_memory,
            "n_probes": int(self.n_probes),
            "seed": _seed(self.random_state),
        }
        if self.prior_mean is None and self.penalty_matrix is None:
            d = np.ones(p) if factor is None else factor
            count = len(groups.names)
            found, kept = fit_groups(A, targets, weight, d, groups.codes, count, **options)
        else:
            from ..solvers.group_ridge.prior import fit_groups_prior

            prior = {"prior_mean": self.prior_mean, "penalty_matrix": self.penalty_matrix}
            found, kept = fit_groups_prior(A, targets, weight, factor, groups, **prior, **options)
        # all checks are done: attributes of an earlier fit are replaced from here on
        coef, intercept = _in_dtype(found, np.float32 if A.is_float32 else np.float64)
        self.groups_, self.group_index_ = groups.names, groups.codes
        self._kept, self._total = kept, found.total
        self.__dict__.pop("_posteriors", None)
        self.X_offset_ = kept["mean"] if self.fit_intercept else np.zeros(p)
        self._set_result(found, coef, intercept, single)
        self._set_features(p, names)
        if not (found.converged | found.bounded).all():
            self._warn(found)
        if found.noiseless.any():
            warnings.warn(
                "the likelihood is largest without noise: y is fitted exactly, and noise_variance_"
                " is as small as rounding allows; try more samples, fewer features, or"
                " criterion='gcv'.",
                UserWarning,
                stacklevel=outside(),
            )
        if found.bounded.any():
            warnings.warn(
                "the likelihood has no maximum: y is fitted exactly, and the noise variance is as"
                " small as rounding allows; try more samples, or criterion='gcv'.",
                _sklearn.exception("ConvergenceWarning"),
                stacklevel=outside(),
            )
        return self

    def _set_result(self, found: GroupRidgeResult, coef: Any, intercept: Any, single: bool) -> None:
        """Set the fitted attributes for one target or several."""
        at: Any = 0 if single else slice(None)
        self.coef_ = coef[at]
        self.intercept_ = intercept[at] if self.fit_intercept or not single else 0.0
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            prior = found.noise_variance[:, None] / found.alpha
        self.alpha_, self.prior_variance_ = found.alpha[at], prior[at]
        self.noise_variance_ = found.noise_variance[at]
        self.dof_, self.share_ = found.dof[at], found.share[at]
        self.log_evidence_ = found.log_evidence[at]
        self.alpha_error_ = found.alpha_error[at]
        self.log_evidence_error_ = found.log_evidence_error[at]
        self.relative_gradient_ = found.relative_gradient[at]
        self.converged_ = (found.converged & ~found.bounded)[at]
        self.n_iter_ = int(found.n_iter[0]) if single else found.n_iter
        self.solver_ = found.solver

    def _warn(self, found: GroupRidgeResult) -> None:
        wrong = np.flatnonzero(~(found.converged | found.bounded))
        if found.solver == "cg" and found.relative_gradient[wrong].max() <= self.tol:
            text = (
                "conjugate gradients did not solve the systems of the fit, whose columns are"
                " nearly dependent; try columns of similar scales, larger penalties, or an exact"
                " solver."
            )
            warnings.warn(text, _sklearn.exception("ConvergenceWarning"), stacklevel=outside())
            return
        what = "" if len(found.converged) == 1 else f" for {len(wrong)} targets"
        warnings.warn(
            f"the penalties have a relative gradient of {found.relative_gradient[wrong].max():.2g}"
            f" after {int(found.n_iter[wrong].max())} steps{what}, above tol={self.tol:g}; try a"
            " larger max_iter, a larger tol, or columns of similar scales.",
            _sklearn.exception("ConvergenceWarning"),
            stacklevel=outside(),
        )

    @property
    def posterior_(self) -> Posterior | list[Posterior]:
        """Posterior covariance of the coefficients, as an operator, for each target."""
        self._check_fitted("posterior_")
        if self.coef_.ndim == 1:
            return self._posterior_of(0)
        return [self._posterior_of(t) for t in range(len(self.coef_))]

    def _posterior_of(self, target: int) -> Posterior:
        """Return the posterior of one target; cached, as it takes the time of a fit."""
        from ..solvers.group_ridge.posterior import posterior

        known = self.__dict__.setdefault("_posteriors", {})
        if target not in known:
            alpha, noise = np.atleast_2d(self.alpha_), np.atleast_1d(self.noise_variance_)
            if len(known) >= 8:
                known.clear()
            codes = self._kept.get("codes", self.group_index_)
            found = posterior(self._kept, alpha[target][codes], float(noise[target]), target)
            turn = self._kept.get("turn")
            known[target] = found if turn is None else found.rotated(turn)
        return known[target]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_posteriors"}

    def _noise_variances(self) -> NDArray[np.float64]:
        return np.atleast_1d(self.noise_variance_)

    def summary(self, target: int = 0) -> None:
        """Print a table of the groups: features, penalty, prior deviation, degrees of freedom.

        Parameters
        ----------
        target : int, default=0
            Index of the target.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If there is no such target.

        Examples
        --------
        >>> from fastridge import GroupRidge
        >>> model = GroupRidge(["a", "b"]).fit([[0, 1], [1, 0], [2, 1], [3, 3]], [0, 1, 2, 3.1])
        >>> model.summary()  # doctest: +ELLIPSIS
        group  features  alpha  prior sd  dof  share
        ...
        """
        self._check_fitted("summary")
        noise = np.atleast_1d(self.noise_variance_)
        whole = isinstance(target, Integral) and not isinstance(target, bool)
        if not whole or not 0 <= target < len(noise):
            raise ValueError(f"target is {target!r}; expected an int from 0 to {len(noise) - 1}.")
        alpha, prior, dof, share = (
            np.atleast_2d(values)[target]
            for values in (self.alpha_, self.prior_variance_, self.dof_, self.share_)
        )
        penalised = self._kept["factor"] > 0
        bound = set(self._kept.get("codes", self.group_index_)[penalised].tolist())
        counts = np.bincount(self.group_index_, minlength=len(self.groups_))
        table: list[tuple[str, ...]] = [("group", "features", "alpha", "prior sd", "dof", "share")]
        for g, name in enumerate(self.groups_):
            penalty = f"{alpha[g]:.4g}"
            if np.isinf(alpha[g]):
                # features of penalty_factor 0 have no prior, and keep their coefficients
                penalty = "out" if g in bound else "free"
            numbers = [f"{v:.4g}" for v in (np.sqrt(prior[g]), dof[g], share[g])]
            if penalty == "free":
                numbers = ["-"] * 3
            table.append((str(name), str(counts[g]), penalty, *numbers))
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        for row in table:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            print("  ".join(cells))
        evidence = float(np.atleast_1d(self.log_evidence_)[target])
        print(
            f"noise sd {np.sqrt(noise[target]):.4g}, log evidence {evidence:.6g}, {self.criterion}"
        )


def _seed(random_state: Any) -> int:
    if hasattr(random_state, "randint"):
        return int(random_state.randint(2**31 - 1))
    return 0 if random_state is None else check_seed(random_state)


def _in_dtype(found: GroupRidgeResult, dtype: Any) -> tuple[Any, Any]:
    """Return coefficients and intercepts in the dtype of X; raise an error if they overflow."""
    with np.errstate(over="ignore"):
        coef, intercept = found.coef.astype(dtype), found.intercept.astype(dtype)
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        raise ValueError(
            f"y is too large relative to X: the coefficients overflow {np.dtype(dtype)}; expected"
            " smaller numbers."
        )
    return coef, intercept
