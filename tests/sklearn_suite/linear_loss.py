"""scikit-learn's private `LinearModelLoss`, computed by fastridge's objectives, for its tests."""

import numpy as np
from sklearn.linear_model._linear_loss import LinearModelLoss as Theirs

from fastridge.data.check import check_design
from fastridge.losses import loss_of
from fastridge.solvers.glm.problem import GLMProblem
from fastridge.solvers.glm.softmax_problem import SoftmaxProblem, common_level, hessian

LOSSES = {"HalfBinomialLoss": "logistic", "HalfPoissonLoss": "poisson"}


class LinearModelLoss(Theirs):
    """Objective, gradient and Hessian of the solvers at coefficients in the units of X.

    Solvers centre the columns: their intercepts are b + W mean.
    """

    def loss(self, coef, X, y, sample_weight=None, l2_reg_strength=0.0, **_):
        return _Point(self, coef, X, y, sample_weight, l2_reg_strength).state.objective

    def gradient(self, coef, X, y, sample_weight=None, l2_reg_strength=0.0, **_):
        return _Point(self, coef, X, y, sample_weight, l2_reg_strength).gradient()

    def loss_gradient(self, coef, X, y, sample_weight=None, l2_reg_strength=0.0, **_):
        point = _Point(self, coef, X, y, sample_weight, l2_reg_strength)
        return point.state.objective, point.gradient()

    def gradient_hessian_product(self, coef, X, y, sample_weight=None, l2_reg_strength=0.0, **_):
        point = _Point(self, coef, X, y, sample_weight, l2_reg_strength)
        return point.gradient(), point.product

    def gradient_hessian(
        self,
        coef,
        X,
        y,
        sample_weight=None,
        l2_reg_strength=0.0,
        gradient_out=None,
        hessian_out=None,
        **_,
    ):
        point = _Point(self, coef, X, y, sample_weight, l2_reg_strength)
        found = [point.gradient(), point.hessian()]
        for i, out in enumerate((gradient_out, hessian_out)):
            if out is not None:
                out[...] = found[i]
                found[i] = out
        return *found, False


class _Point:
    """An objective at coefficients (q,) or (k, q); the last column holds the intercepts."""

    def __init__(self, loss, coef, X, y, sample_weight, l2):
        self.several, self.fit_intercept = loss.base_loss.is_multiclass, loss.fit_intercept
        self.like = np.asarray(coef)
        W, b = loss.weight_intercept(coef)
        A = check_design(X)
        if self.several:
            k = loss.base_loss.n_classes
            options = (A, y.astype(np.int32), k, sample_weight, None)
            self.problem = SoftmaxProblem(*options, loss.fit_intercept, False)
        else:
            of = loss_of(LOSSES[type(loss.base_loss).__name__])
            options = (A, y, of, sample_weight, None, None, None)
            self.problem = GLMProblem(*options, loss.fit_intercept, False)
        self.problem.penalise(l2, 0.0)
        U, b = self.centred(W, b)
        self.state = self.problem.at(U, b)

    def centred(self, W, b):
        """Return coefficients (p,) or (p, k) and intercepts in the units of the solvers."""
        U = np.asfortranarray(W.T) if self.several else np.ascontiguousarray(W)
        return U, b + W @ self.problem.rows.mean if self.fit_intercept else np.zeros_like(b)

    def restored(self, G, level):
        """Return derivatives by coefficients and intercepts in the units of X, like `coef`."""
        if not self.fit_intercept:
            return self.shaped(G.T)
        mean = self.problem.rows.mean
        by = np.outer(level, mean) if self.several else level * mean
        level = np.asarray(level)[..., None]
        return self.shaped(np.concatenate([G.T + by, level], axis=-1))

    def shaped(self, found):
        return found.ravel(order="F") if self.like.ndim == 1 else found

    def gradient(self):
        return self.restored(self.problem.gradient(self.state), self.state.r.sum(axis=0))

    def product(self, s):
        problem, state = self.problem, self.state
        s = np.reshape(s, (problem.k, -1), order="F") if self.several else np.asarray(s)
        W, b = (s[..., :-1], s[..., -1]) if self.fit_intercept else (s, 0.0 * s[..., 0])
        U, move = self.centred(W, b)
        T = problem.A.dot(U)
        T += move
        T = problem.curved(state, T) if self.several else state.h * T
        l2 = problem.l2[:, None] if self.several else problem.l2
        return self.restored(problem.A.tdot(T) + l2 * U, T.sum(axis=0))

    def hessian(self):
        problem, state = self.problem, self.state
        n, p = problem.n, problem.p
        q = p + self.fit_intercept
        # from the coefficients in the units of X to those of the solvers
        T = np.eye(q)
        if self.fit_intercept:
            T[p, :p] = problem.rows.mean
        own = np.zeros(q)
        own[:p] = problem.l2
        if not self.several:
            H = np.empty((q, q))
            H[:p, :p] = problem.A.gram(state.h)
            if self.fit_intercept:
                H[p, :p] = H[:p, p] = problem.A.tdot(state.h)
                H[p, p] = state.h.sum()
            return T.T @ H @ T + np.diag(own)
        k = problem.k
        Z = np.column_stack([problem.A.rows(0, n), np.ones(n)])[:, :q]
        H = hessian(Z, problem.weight, state.prob, state.h)
        blocks = H.reshape(k, q, k, q)
        # the solvers give curvature to the direction in which all classes move together
        blocks -= np.einsum("cd,jl->cjdl", np.ones((k, k)), np.diag(common_level(H, k)))
        blocks = np.einsum("ja,cjdl,lb->acbd", T, blocks, T)
        return blocks.reshape(q * k, q * k) + np.diag(np.repeat(own, k))
