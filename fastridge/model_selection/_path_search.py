"""Errors and scores of every penalty by leave-one-out, or generalised cross-validation."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import _sklearn
from .._stack import outside
from ..data.check import guarded
from ..solvers.left_out.gcv import Estimate
from ..solvers.left_out.loo import LeaveOneOut, LeftOut
from ..solvers.ridge_path.folds import Folds
from ..systems.cost import default_memory, fits, left_out_memory
from ._choice import best, spread
from ._scores import right_rows
from ._search import Search
from ._splits import OneOut

_UNSETTLED = 1e-2  # relative error, beyond that of sampling, above which a warning is given


class PathSearch(Search):
    """Search by leave-one-out or generalised cross-validation, from the fit to all rows."""

    n_folds = 0

    def __init__(self, folds, scoring, kind, seed, store, callback) -> None:
        super().__init__(folds, scoring)
        self.kind, self.seed, self.store, self.callback = kind, seed, store, callback
        self.rows = np.arange(folds.A.n_rows)
        self.live = self.rows
        if folds.weight is not None:
            self.live = np.flatnonzero(folds.weight > 0)
        if kind == "loo":
            self.n_folds = len(self.live)
            if self.n_folds < 2:
                raise ValueError(
                    f"X has {self.n_folds} sample(s) of positive weight (n_samples={self.n_folds});"
                    " expected at least 2 to leave one out."
                )
        weight = folds.weight
        self.total = float(folds.A.n_rows if weight is None else weight.sum())
        self.spread = scoring.loss.spread(folds.targets, weight)
        fit_intercept = folds.options["fit_intercept"]
        if kind == "loo":
            y, w = folds.targets[self.live], None if weight is None else weight[self.live]
            self.null = scoring.loss.null_left_out(y, w, fit_intercept)
        else:
            self.null = scoring.loss.null_generalised(folds.targets, weight, fit_intercept)
        self.stored: list[Any] = []

    def _evaluate(self, alphas):
        if self.kind == "loo":
            found = self._leave_one_out(alphas)
        elif self.folds.solver == "cg":
            found = self._estimated(alphas)
        else:
            found = self._generalised(alphas)
        found = {"alpha": alphas, **found, "null": self.null}
        if self.callback is not None and not self._per_row:
            try:
                self.callback(1, 1)
            except StopIteration:
                self.stopped = True
            except BaseException:
                # keep finished results
                self.rounds.append(found)
                self._join()
                raise
        return found

    @property
    def _per_row(self) -> bool:
        """True if each row needs a refit of its own, as leaving it out changes the scaling."""
        return self.kind == "loo" and bool(self.folds.given["standardize"])

    def noise(self, t: int) -> Any:
        if "shift" not in self.table:
            return None
        error, shift = self.table["validation_error"], self.table["shift"]
        # first-order effect of a relative change of share on error = residual / W / share^2
        moved = self.scoring.error_of(-2.0 * error, error, self.spread)
        moved = moved[:, t] if self.scoring.per_target else moved.mean(axis=1)
        effect = moved[:, None] * shift
        score = self.score[:, t] if self.scoring.per_target else self.score.mean(axis=1)
        difference = effect - effect[best(score)]
        return difference.std(axis=1, ddof=1) / np.sqrt(shift.shape[1])

    def _problem(self):
        folds = self.folds
        A, Y, weight = folds.A, folds.Y, folds.weight
        if len(self.live) < len(self.rows):
            A, Y, weight = folds._rows(self.live)
        return folds.problem(A, Y, weight)

    def _leave_one_out(self, alphas):
        folds, scoring = self.folds, self.scoring
        nnz = folds.A.nnz if folds.A.is_sparse else None
        need = left_out_memory(*folds.A.shape, nnz, folds.A.kind, len(alphas) * folds.Y.size)
        most = folds.options["max_memory"]
        if not fits(need, most):
            most = default_memory() if most is None else most
            raise ValueError(
                f"leave-one-out of {folds.A.n_rows} x {folds.A.n_columns} needs matrices of"
                f" {need:.2g} bytes, more than the {most:.2g} allowed; expected cv='gcv' or folds."
            )
        problem = self._problem()
        loo = LeaveOneOut(problem, alphas)
        whole = self.store or not scoring.of_errors or self._per_row
        if whole:
            left = loo.of()
            residuals = self._one_by_one(alphas) if self._per_row else left.residuals
            squares = residuals**2
            error, error_se = self._row_errors(squares, problem.weight)
        else:
            left, error, error_se = self._in_blocks(loo, problem)
        prediction = None
        if not scoring.of_errors or (self.store and scoring.given):
            prediction = folds.targets[self.live].T - residuals
        if scoring.of_errors:
            score = scoring.from_errors(error, self.spread)
            score_se = scoring.error_of(error_se, error, self.spread)
        else:
            score, score_se = self._scored(alphas, problem, prediction)
        if self.store:
            self._store(problem, squares, prediction)
        return {
            "train_error": left.residual / self.total,
            "validation_error": error,
            "validation_error_se": error_se,
            "score": score,
            "score_se": score_se,
            "dof": loo.dof,
            "dof_error": np.zeros(len(alphas)),
            "norm": self._norm(left, alphas),
        }

    def _norm(self, left, alphas):
        """Return the Euclidean norms (m, k) of the coefficients in the units of X."""
        folds = self.folds
        return left.norm if folds.units is None else folds.norm(folds.path(alphas))

    def _row_errors(self, squares, weight):
        """Return mean squared errors (m, k) of left-out rows, and standard errors (m, k or 1)."""
        error = np.average(squares, axis=2, weights=weight)
        rows = squares.transpose(2, 0, 1)
        if not self.scoring.per_target:
            rows = rows.mean(axis=2, keepdims=True)
        return error, spread(rows, weight)

    def _in_blocks(self, loo, problem):
        """Return sums and errors of all targets' residuals, which are computed in blocks."""
        m, k, n = len(loo.alphas), problem.k, problem.n
        per_target, weight = self.scoring.per_target, problem.weight
        columns = [np.empty((m, k)) for _ in range(5)]
        error, error_se, residual, squared_norm, norm = columns
        rows = np.zeros((n, m, 1))
        step = loo.targets_at_once()
        for start in range(0, k, step):
            chosen = slice(start, start + step)
            part = loo.of(chosen)
            squares = part.residuals
            np.square(squares, out=squares)
            error[:, chosen] = np.average(squares, axis=2, weights=weight)
            if per_target:
                error_se[:, chosen] = spread(squares.transpose(2, 0, 1), weight)
            else:
                rows[:, :, 0] += squares.sum(axis=1).T / k
            for out, found in zip((residual, squared_norm, norm), part[1:], strict=True):
                out[:, chosen] = found
        if not per_target:
            error_se = spread(rows, weight)
        return LeftOut(None, residual, squared_norm, norm), error, error_se

    def _one_by_one(self, alphas):
        """Return residuals (m, k, n) of each row from a fit to the others, scaled by these."""
        whole = self.folds
        options = dict(whole.given)
        if whole.solver == "cg":
            options["solver"] = "cholesky" if whole.A.n_columns <= whole.A.n_rows else "dual"
        splits = [OneOut(self.live, i) for i in range(len(self.live))]
        folds = Folds(whole.source, whole.targets, whole.weight, splits, options, prior=whole.prior)
        residuals = np.empty((len(alphas), whole.Y.shape[1], len(splits)))
        for i, split in enumerate(splits):
            y = whole.targets[split.test[0]]

            def visit(j, prediction, coef, intercept, i=i, y=y):
                residuals[j, :, i] = y - prediction[0]

            folds.evaluate(i, alphas, visit=visit)
            if self.callback is not None:
                try:
                    self.callback(i + 1, len(splits))
                except StopIteration:
                    raise ValueError(
                        f"callback stopped the search after {i + 1} of {len(splits)} rows; expected"
                        " all rows, as leave-one-out has no score before."
                    ) from None
        return residuals

    def _scored(self, alphas, problem, prediction):
        """Return scores over all rows, and standard errors of scores that are means over rows."""
        scoring, live, weight = self.scoring, self.live, problem.weight
        codes = None if scoring.codes is None else scoring.codes[live]
        if scoring.own_accuracy:
            right = np.array([right_rows(p.T, codes) for p in prediction]).astype(np.float64)
            score = np.average(right, axis=1, weights=weight)[:, None]
            return score, spread(right.T, weight)[:, None]
        some = None if len(live) == len(self.rows) else live
        source = self.folds.source if some is None else self.folds.rows_given(live)[0]
        X, options = scoring.rows_of(source, some), scoring.options(weight, some)
        scorer = guarded(scoring.scorer, source, *self.folds.designs())
        unknown = np.full((problem.k, source.n_columns), np.nan), np.full(problem.k, np.nan)
        score = np.array(
            [
                scoring.of(
                    *(alpha, prediction[j].T, *unknown, X, scoring.truth[live], codes, weight),
                    *(options, scorer),
                )
                for j, alpha in enumerate(alphas)
            ]
        )
        if scoring.name != "neg_mean_absolute_error":
            return score, np.full(score.shape, np.nan)
        rows = np.abs(scoring.truth[live].reshape(len(live), 1, -1) - prediction.transpose(2, 0, 1))
        return score, spread(rows if scoring.per_target else rows.mean(2, keepdims=True), weight)

    def _store(self, problem, squares, prediction):
        """Keep weighted squared errors, or predictions if `scoring` is given: (m, k, n)."""
        predicts = self.scoring.given
        part = prediction if predicts else squares
        if not predicts and problem.weight is not None:
            part = part * problem.weight
        # rows without weight are not left out
        full = np.full((*part.shape[:2], len(self.rows)), np.nan if predicts else 0.0)
        full[:, :, self.live] = part
        self.stored.append(full)

    def all_stored(self, single: bool) -> Any:
        """Return what was stored: (n, m), or (n, k, m) for several targets."""
        if not self.stored:
            return None
        joined = np.concatenate(self.stored)
        if len(self.rounds) > 1:
            alphas = np.concatenate([r["alpha"] for r in self.rounds])
            joined = joined[np.argsort(-alphas, kind="stable")]
        joined = joined.transpose(2, 1, 0)
        return joined[:, 0] if single else joined

    def _generalised(self, alphas):
        """Evaluate from moments where they suffice, else as for leave-one-out."""
        folds, problem = self.folds, self._problem()
        if folds.solver == "cholesky" and problem.n > problem.p + problem.fit_intercept:
            path = folds.path(alphas)
            error = path.generalised()
            if error is not None:
                train = path.residual / self.total
                share = np.sqrt(train / error)[:, 0]
                coef = path.rough()
                residuals = (problem.Y - problem.A.dot(w.T) for w in coef)
                found = self._of_residuals(problem, residuals, share)
                return {
                    **found,
                    **self._scores(error, found),
                    "train_error": train,
                    "dof": path.dof[0],
                    "dof_error": path.dof[1],
                    "norm": folds.norm(path),
                }
        loo = LeaveOneOut(problem, alphas, generalised=True)
        left = loo.of()
        found = self._of_residuals(problem, (r.T for r in left.residuals), np.ones(len(alphas)))
        return {
            **found,
            **self._scores(found["validation_error"], found),
            "train_error": left.residual / self.total,
            "dof": loo.dof,
            "dof_error": np.zeros(len(alphas)),
            "norm": self._norm(left, alphas),
        }

    def _of_residuals(self, problem, residuals, share):
        """Return the mean squares of residuals (n, k) / share for each penalty, and their errors.

        Standard errors are those of a mean over W rows, with W the sum of the weights.
        """
        weight = problem.weight
        error, error_se = [], []
        count = self.total - 1.0
        for r, s in zip(residuals, share, strict=True):
            live = bool(s > 0) and bool(np.isfinite(r).all())
            squares = (r / s) ** 2 if live else np.zeros_like(r)
            error.append(
                np.average(squares, axis=0, weights=weight) if live else np.full(r.shape[1], np.inf)
            )
            if not self.scoring.per_target:
                squares = squares.mean(axis=1, keepdims=True)
            about = (squares - np.average(squares, axis=0, weights=weight)) ** 2
            variance = np.average(about, axis=0, weights=weight)
            error_se.append(
                np.sqrt(variance / count) if count > 0 else np.full_like(variance, np.nan)
            )
        return {"validation_error": np.array(error), "validation_error_se": np.array(error_se)}

    def _scores(self, error, found):
        """Return the columns for an error (m, k) with a known standard error."""
        scoring = self.scoring
        error_se = found["validation_error_se"]
        return {
            "validation_error": error,
            "score": scoring.from_errors(error, self.spread),
            "score_se": scoring.error_of(error_se, error, self.spread),
        }

    def _estimated(self, alphas):
        """Evaluate with the trace estimated from random vectors, and its error."""
        folds = self.folds
        problem = folds.problem(folds.A, folds.Y, folds.weight)
        estimate = Estimate(problem, alphas, self.seed)
        share = estimate.shares.mean(axis=0)
        m, k = len(alphas), problem.k
        train, norm, gap = np.zeros((m, k)), np.zeros((m, k)), np.zeros((m, k))
        if estimate.by_rows:
            every = []
            for t, (a, width) in enumerate(estimate.solve()):
                coef = estimate.coefficients(a)
                gap[:, t] = width
                train[:, t] = estimate.alphas**2 * (a**2).sum(axis=1) / self.total
                if len(estimate.free):
                    left = problem.Y[:, [t]] - problem.A.dot(np.asfortranarray(coef))
                    coef[estimate.free] = estimate.free_coefficients(problem.rooted(left))
                if self.folds.units is not None:
                    mean = self.folds.units.mean
                    coef = self.folds.units.rotated(coef.T).T
                    coef += 0.0 if mean is None else mean[t][:, None]
                norm[:, t] = np.linalg.norm(coef, axis=0)
                root = np.where(estimate.root > 0, estimate.root, 1.0)
                every.append(a / root * (1.0 if estimate.scaled else estimate.alphas[:, None]))
            residuals = iter(np.stack(every, axis=2))
        else:
            path = folds.path(alphas)
            train = np.maximum(path.residual, 0.0) / self.total
            norm = np.linalg.norm(folds.restored(path.coef.astype(np.float64)), axis=2)
            residuals = (
                problem.Y - problem.A.dot(np.asfortranarray(w.T, dtype=np.float64))
                for w in path.coef
            )
        found = self._of_residuals(problem, residuals, share)
        error = found["validation_error"]
        shift = np.where(share > 0, estimate.shares / np.where(share > 0, share, 1.0) - 1.0, 0.0)
        of_trace = shift.std(axis=0, ddof=1) / np.sqrt(len(shift))
        beyond = gap + 2.0 * estimate.gap[:, None]
        self._warn(alphas, beyond.max(axis=1))
        finite = np.where(np.isfinite(error), error, 0.0)
        noise = finite * np.sqrt((2.0 * of_trace[:, None]) ** 2 + beyond**2)
        if not self.scoring.per_target:
            noise = noise.mean(axis=1, keepdims=True)
        found["validation_error_se"] = np.hypot(found["validation_error_se"], noise)
        return {
            **found,
            **self._scores(error, found),
            "validation_error_noise": noise,
            "shift": shift.T,
            "train_error": train,
            "dof": estimate.dof,
            "dof_error": estimate.dof_error,
            "norm": norm,
        }

    @staticmethod
    def _warn(alphas, width):
        worst = int(np.argmax(width))
        if width[worst] > _UNSETTLED:
            warnings.warn(
                f"generalised cross-validation at alpha={alphas[worst]:g} has a relative error of"
                f" up to {width[worst]:.1g} in addition to its sampling error; try larger"
                " penalties, standardize=True, or a direct solver.",
                _sklearn.exception("ConvergenceWarning"),
                stacklevel=outside(),
            )
