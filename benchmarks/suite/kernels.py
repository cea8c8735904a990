"""Matrix products, Gram matrices and factors, compared with the NumPy reference."""

import numpy as np

from . import common


class Products:
    """A v and A' u with implicit centring, for each storage."""

    params = (["C", "F", "csr", "csc"], ["float64", "float32"], common.KERNEL_PLAYERS)
    param_names = ("storage", "dtype", "player")

    def setup(self, storage, dtype, player):
        common.pin(player)
        if storage in "CF":
            X = common.dense(20_000, 200, order=storage, dtype=dtype)[0]
        else:
            X = common.one_hot(20_000, 200, 10, format=storage)[0].astype(dtype)
        n, p = X.shape
        rng = np.random.default_rng(1)
        u, v, shift = rng.standard_normal(n), rng.standard_normal(p), rng.standard_normal(p)
        if player == "reference":
            from fastridge import reference

            self.dot = lambda: reference.dot(X, v, shift)
            self.tdot = lambda: reference.tdot(X, u, shift)
        else:
            from fastridge.data.check import check_design

            A = check_design(X).centered(shift)
            self.dot = lambda: A.dot(v)
            self.tdot = lambda: A.tdot(u)

    def time_dot(self, storage, dtype, player):
        self.dot()

    def time_tdot(self, storage, dtype, player):
        self.tdot()


class Gram:
    """A' diag(weight) A and A A', with implicit centring."""

    params = (["C", "csr"], common.KERNEL_PLAYERS)
    param_names = ("storage", "player")

    def setup(self, storage, player):
        common.pin(player)
        if storage == "C":
            X = common.dense(10_000, 200)[0]
            W = common.dense(200, 10_000)[0]
        else:
            X = common.one_hot(10_000, 200, 10)[0]
            W = X[:500]
        rng = np.random.default_rng(1)
        weight, shift = rng.random(X.shape[0]), rng.standard_normal(X.shape[1])
        if player == "reference":
            from fastridge import reference

            self.gram = lambda: reference.gram(X, weight, shift=shift)
            self.gram_rows = lambda: reference.gram_rows(W)
        else:
            from fastridge.data.check import check_design

            A, B = check_design(X).centered(shift), check_design(W)
            self.gram = lambda: A.gram(weight)
            self.gram_rows = lambda: B.gram_rows()

    def time_gram(self, storage, player):
        self.gram()

    def time_gram_rows(self, storage, player):
        self.gram_rows()


class Cholesky:
    """Factor of a positive definite matrix, and a solve with it."""

    params = ([50, 500], common.KERNEL_PLAYERS)
    param_names = ("order", "player")

    def setup(self, order, player):
        common.pin(player)
        X = common.dense(2 * order, order)[0]
        M, b = X.T @ X, np.ones(order)
        if player == "reference":
            from fastridge import reference

            factor = reference.cholesky(M)
            self.factor = lambda: reference.cholesky(M)
            self.solve = lambda: reference.cholesky_solve(factor, b)
        else:
            from fastridge._dense import Cholesky

            found = Cholesky(M.copy())
            # the factor overwrites its matrix: the copy is part of the time
            self.factor = lambda: Cholesky(M.copy())
            self.solve = lambda: found.solve(b.copy())

    def time_factor(self, order, player):
        self.factor()

    def time_solve(self, order, player):
        self.solve()


class Columns:
    """A pass over the columns, one dot and one axpy each, as coordinate descent makes it."""

    params = ("F", "csc")
    param_names = ("storage",)

    def setup(self, storage):
        common.pin("1 thread")
        from fastridge.data.check import check_design

        if storage == "F":
            X = common.dense(2_000, 200, order="F")[0]
        else:
            X = common.one_hot(2_000, 200, 10, format="csc")[0]
        self.A = check_design(X)
        self.u = np.ones(X.shape[0])

    def time_pass(self, storage):
        A, u = self.A, self.u
        for j in range(A.n_columns):
            A.column_axpy(j, -1e-9 * A.column_dot(j, u), u)


class Checks:
    """Cost of validation: a check of every number."""

    params = ("C", "csr")
    param_names = ("storage",)

    def setup(self, storage):
        common.pin("1 thread")
        from fastridge.data.check import check_design

        self.check = check_design
        if storage == "C":
            self.X = common.dense(20_000, 200)[0]
        else:
            self.X = common.one_hot(200_000, 2_000, 10)[0]

    def time_check_design(self, storage):
        self.check(self.X)
