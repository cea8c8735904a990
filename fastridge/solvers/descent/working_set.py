"""The working set of a path: its features, and their Gram matrix or columns."""

from __future__ import annotations

import math

import numpy as np

from ... import _border
from ..._descent import Descent
from ..._matrix import Matrix

# Elements of a Gram matrix up to which it may be larger than the data.
_MOST_ELEMENTS = 2e7
# Working set up to which its Gram matrix is preferred to sparse columns, and the share of n, one
# over this, above which it is preferred again.
_SMALL_SET = 6
_LEAST_SET = 1000
# Share of sparse elements in the working set from which it takes all columns.
_SHARE = 0.25


def _padded(capacity):
    """Round down so that rows of a Gram matrix do not alias in the cache."""
    return (capacity - 8) // 16 * 16 + 8


def take_buffer(buffers):
    """Pop the last element of a list that threads share; return None where it is empty."""
    try:
        return buffers.pop()
    except IndexError:
        return None


class WorkingSet:
    """The features that a path solves for, which only grow in number.

    Attributes
    ----------
    set, inside : ndarray of the features, in the order in which they came; ndarray (p,) of bool
    gram, columns : buffers of the Gram matrix and, for dense data, of the columns
    g, square : ndarray, gradients and squares of the features, with a Gram matrix
    by_columns : Matrix or None, by columns, of the solver "columns"
    buffers : list of pairs of buffers, which paths share
    """

    def _empty(self):
        """Empty the working set."""
        self.descent = Descent()
        self.set = np.zeros(0, dtype=np.int32)
        self.inside = np.zeros(self.problem.p, dtype=bool)
        self.g = self.square = np.zeros(0)
        self.gram = self.columns = np.zeros((0, 0))
        self.capacity, self.memory = 0, None
        self.by_columns = None

    def close(self):
        """Return the workspace for use by other problems; no more solutions follow."""
        self.descent.give_back()

    def release(self):
        """Return the buffers of the working set, which is emptied, for use by other paths."""
        if self.solver != "gram" and len(self.set):
            if self.memory is not None:
                self.buffers.append(self.memory)
            self._empty()
            self.solver = "working"

    def _prefers_columns(self, size):
        """Return whether columns are faster than the Gram matrix of a working set of that size.

        They are for sparse data with more than `_LEAST_SET` features, while the set is small beside
        n, where conjugate gradients take few steps; and where the Gram matrix would take more
        memory than the data.
        """
        stored = self.problem.A.nnz
        if self.problem.A.is_sparse and _LEAST_SET < size < self.problem.n / _SMALL_SET:
            return True
        return float(size) ** 2 > max(float(stored), _MOST_ELEMENTS)

    def _nearly_all(self, new):
        """Return whether the working set plus `new` stores almost all of sparse data."""
        A = self.problem.A
        if not A.is_sparse:
            return False
        lengths = np.diff(A.arrays[2])
        return int(lengths[self.set].sum() + lengths[new].sum()) > _SHARE * A.nnz

    def _take_all(self):
        """Make the working set all features, in their order."""
        q = self.problem
        self.set = np.arange(q.p, dtype=np.int32)
        self.inside[:] = True
        self.gram = self.columns = self.memory = None
        # the state of the last one belongs to other coordinates
        self.descent = Descent()
        self.descent.set_columns(q.A, None, q.weight)

    def _grow(self, new):
        size = len(self.set) + len(new)
        if self.solver == "working" and self._prefers_columns(size):
            self.solver = "columns"
        if self.solver == "columns" and len(new) and self._nearly_all(new):
            self._take_all()
            return
        before = len(self.set)
        self.set = np.concatenate([self.set, new.astype(np.int32)])
        self.inside[new] = True
        if self.solver == "columns":
            self._grow_columns()
        else:
            self._grow_gram(before)

    def _grow_gram(self, before):
        """Compute the rows of the Gram matrix for the new features."""
        q, size = self.problem, len(self.set)
        if size > self.capacity or not self.capacity:
            capacity = min(q.p, max(64, size + size // 2))
            self.capacity = _padded(capacity + 15)
            gram, columns = self._take_buffers()
            gram[:before, :before] = self.gram[:before, :before]
            if before and not q.A.is_sparse:
                columns[:before] = self.columns[:before]
            self.gram, self.columns = gram, columns
        self.descent.set_gram(self.gram)
        if size == before:
            return
        if q.A.is_sparse:
            _border.column_border(q.A, self.set, q.weight, before, size, self.gram)
        else:
            q.A.copy_columns(self.set[before:], self.columns[before:size])
            if q.weight is not None:
                self.columns[before:size] *= np.sqrt(q.weight)
            unit = 1.0 / q.n if q.weight is None else 1.0
            _border.gram_border(self.columns, before, size, unit, self.gram)
        self.descent.set_gram(self.gram)
        chosen = self.set
        u = self.u[chosen]
        live = np.flatnonzero(u)
        fresh = q.cross[chosen[before:]] - self.gram[before:size, live] @ u[live]
        self.g = np.concatenate([self.g, fresh])
        self.square = q.square[chosen]

    def _take_buffers(self):
        """Take buffers for a Gram matrix and, for dense data, columns, of at least `capacity`."""
        q = self.problem
        n = 0 if q.A.is_sparse else q.n
        memory = take_buffer(self.buffers)
        while memory is not None:
            capacity = math.isqrt(len(memory[0]))
            if n:
                capacity = min(capacity, len(memory[1]) // n)
            capacity = _padded(capacity)
            if capacity >= self.capacity:
                break
            memory = take_buffer(self.buffers)
        if memory is None:
            capacity = self.capacity
            memory = np.empty(capacity * capacity), np.empty(capacity * n)
        self.capacity, self.memory = capacity, memory
        gram, columns = memory[0][: capacity * capacity], memory[1][: capacity * n]
        return gram.reshape(capacity, capacity), columns.reshape(capacity, n)

    def _grow_columns(self):
        q = self.problem
        if self.by_columns is None:
            self.by_columns = q.A if q.A.is_sparse else q.weighted_columns()
            self.gram = self.columns = self.memory = None
        self.descent.set_columns(self.by_columns, self.set, q.weight if q.A.is_sparse else None)

    def _open_residual(self):
        """Return the residual at u as the kernel keeps it, and its level."""
        q = self.problem
        r = q.residual(self.u)
        if not q.A.is_sparse:
            if q.weight is not None:
                r *= np.sqrt(q.weight * q.n)
            return r, 0.0
        level = 0.0
        if q.A.shift is not None:
            scaled = self.u if q.A.scale is None else self.u * q.A.scale
            level = float(scaled @ q.A.shift)
            r -= level
        if q.weight is not None:
            r *= q.weight
        return r, level

    def _residual(self, u):
        """Return y - A u for coefficients that are 0 outside the working set."""
        q, size = self.problem, len(self.set)
        if self.solver == "columns" or size == 0 or q.weight is not None or q.A.is_sparse:
            return q.residual(u)
        r = Matrix.from_dense(self.columns[:size]).tdot(u[self.set])
        return np.subtract(q.y, r, out=r)
