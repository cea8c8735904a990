"""Sums over parts for generalised linear models: column statistics and Newton's equations."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._equations import bordered_about, bordered_gram, equations
from .._losses import softmax, softmax_curve
from .._matrix import Matrix
from ..data.check import check_finite, check_target
from ..data.parts import Part, Sum, row_count
from ..losses import Loss
from ..quadratic.range import require_squares
from ..solvers.glm.options import check_offset
from .sums import Many, Totals, Weights, codes_of, design_of, labels_of, weights_of, weights_of_rows

Array = NDArray[np.float64]

_KEPT = 0.2  # most bytes of second derivatives that stay with a part, as a share of its rows
_TOGETHER = 512  # elements of rows that are compared at once
_CACHED = 1 << 15  # elements of X whose least and largest are found while they are in the cache


class Data(NamedTuple):
    """How rows are read.

    Attributes
    ----------
    loss : Loss or None
        None for several classes.
    classes : ndarray (k,) or None
        Labels that become the codes 0, 1, ...; None: targets are numbers.
    class_weight : ndarray (k,) or None
    may_have_groups : bool
        Whether folds hold out whole groups where rows have these; other fits refuse them.
    """

    loss: Loss | None
    classes: NDArray[Any] | None = None
    class_weight: Array | None = None
    may_have_groups: bool = False


class Rows(NamedTuple):
    """Checked rows of a part."""

    A: Matrix
    y: Array
    weight: Array | None
    offset: Array | None


def read(part: Part, data: Data) -> Rows:
    """Return the rows of a part, after the checks that a local fit does."""
    n = row_count(part.X)
    A = design_of(part)
    weight = weights_of_rows(part, n)
    if data.classes is None:
        y = check_target(part.y, n)
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        if y.ndim != 1:
            raise ValueError(f"y has shape {y.shape}; expected ({n},).")
    else:
        code = _codes(part, data.classes, n)
        y = code.astype(np.float64)
        if data.class_weight is not None:
            by_class = data.class_weight[code]
            weight = by_class if weight is None else weight * by_class
    offset = None
    if part.groups is not None and not data.may_have_groups:
        raise ValueError("groups is given, but this fit does not use it; expected None.")
    if data.loss is not None and (part.offset is not None or part.exposure is not None):
        offset = check_offset(part.offset, part.exposure, data.loss, n)
    return Rows(A, y, weight, offset)


def _codes(part: Part, classes: NDArray[Any], n: int) -> NDArray[np.int32]:
    """Return the numbers of the classes of a part's rows, which are found once."""
    kept = {} if part.memo is None else part.memo.codes
    if "classes" not in kept or not np.array_equal(kept["classes"], classes):
        kept.clear()
        code = codes_of(labels_of(part, n), classes)
        kept["codes"] = code.astype(np.int32 if len(classes) > 127 else np.int8)
        kept["classes"] = classes
    return kept["codes"]


class Known(Sum):
    """Column statistics, the null model's sums, and labels with their weights.

    Attributes
    ----------
    total : float
        Sum of the weights.
    mean, squares, low, high : ndarray (p,)
        Weighted means, sums of squares about them, and the range of each column.
    y_sum, least : float
        Weighted sums of y and of the least loss.
    labels : Weights or None
        Total weight of each label, where y holds labels.
    """

    def __init__(
        self, total: float, columns: tuple[Array, ...], y_sum: float, least: float
    ) -> None:
        self.total, self.y_sum, self.least = total, y_sum, least
        self.mean, self.squares, self.low, self.high = columns
        self.labels: Weights | None = None
        self.has_offset = self.is_float32 = self.is_sparse = False

    def set_classes(self, classes: NDArray[Any], weight: Array) -> None:
        """Note the weights of the classes, whose codes are the targets."""
        self.labels = Weights(classes, weight)
        self.y_sum, self.least = float(weight[-1]), 0.0

    def add(self, other: Known) -> None:
        total = self.total + other.total
        if total > 0:
            share = other.total / total
            d = other.mean - self.mean
            self.squares = self.squares + other.squares + self.total * share * d * d
            self.mean = self.mean + share * d
        self.low, self.high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        self.total, self.y_sum = total, self.y_sum + other.y_sum
        self.least += other.least
        if self.labels is not None and other.labels is not None:
            self.labels.add(other.labels)
        self.has_offset |= other.has_offset
        self.is_float32 &= other.is_float32
        self.is_sparse |= other.is_sparse


def known_of(part: Part, data: Data, labelled: bool) -> Known | None:
    """Return what is known of a part; labelled: y holds labels that are not known yet."""
    n = row_count(part.X)
    if n == 0:
        return None
    labels = None
    if labelled:
        labels = weights_of(part, "y", True)
        rows = read(part._replace(y=np.zeros(n)), data._replace(classes=None))
    else:
        rows = read(part, data)
    low, high = _range(rows.A)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        check_finite(rows.A)
    mean, variance = rows.A.column_stats(rows.weight)
    total = float(n) if rows.weight is None else float(rows.weight.sum())
    y_sum = least = 0.0
    if not labelled and data.loss is not None:
        w = np.ones(n) if rows.weight is None else rows.weight
        live = w > 0
        data.loss.check_targets(rows.y[live])
        y_sum, least = float(w @ rows.y), float(w[live] @ data.loss.least(rows.y[live]))
    if not total > 0:
        mean = variance = np.zeros(rows.A.n_columns)
    with np.errstate(over="ignore", invalid="ignore"):
        require_squares(float((variance + mean**2).sum()))
    found = Known(total, (mean, total * variance, low, high), y_sum, least)
    found.labels = labels
    found.has_offset = part.offset is not None or part.exposure is not None
    found.is_float32, found.is_sparse = rows.A.is_float32, rows.A.is_sparse
    return found


def _range(A: Matrix) -> tuple[Array, Array]:
    """Return the least and the largest element of each column; NaN where one is NaN."""
    if not A.is_sparse:
        (X,) = A.arrays
        low, high = np.full(A.n_columns, np.inf), np.full(A.n_columns, -np.inf)
        step = max(1, _CACHED // max(A.n_columns, 1)) if A.kind == "C" else len(X)
        for i in range(0, len(X), step):
            some = X[i : i + step]
            np.minimum(low, _reduced(some, np.minimum), out=low)
            np.maximum(high, _reduced(some, np.maximum), out=high)
        return low, high
    values, indices, indptr = A.arrays
    low, high = np.zeros(A.n_columns), np.zeros(A.n_columns)
    if A.kind == "csc":
        indices = np.repeat(np.arange(A.n_columns), np.diff(indptr))
    np.minimum.at(low, indices, values)
    np.maximum.at(high, indices, values)
    return low, high


def _reduced(X: Any, operation: np.ufunc) -> Array:
    """Return ``operation.reduce(X, axis=0)``; of narrow rows several at a time, which is faster."""
    n, p = X.shape
    step = min(max(1, _TOGETHER // max(p, 1)), n)
    if step > 1 and X.flags.c_contiguous:
        rest, main = X[n - n % step :], X[: n - n % step].reshape(-1, step * p)
        X = np.concatenate([operation.reduce(main, axis=0).reshape(step, p), rest])
    return np.asarray(operation.reduce(X, axis=0), np.float64)


class Equations(Sum):
    """The loss at coefficients, and Newton's equations there, about an origin.

    Attributes
    ----------
    value : float
        Weighted sum of the loss.
    gradient : ndarray (k, p + 1)
        A'r and the sum of r, for each predictor.
    hessian : ndarray (k, p + 1, k, p + 1) or None
    border, squares : ndarray (k, p + 1) or None
        Where there is no Hessian: of each predictor's block, the last row and the diagonal.
    """

    def __init__(self, value: float, gradient: Array, hessian: Array | None) -> None:
        self.value, self.gradient, self.hessian = value, gradient, hessian
        self.border: Array | None = None
        self.squares: Array | None = None

    @property
    def curve(self) -> float:
        """Second derivative by the intercept of the first predictor."""
        if self.border is not None:
            return float(self.border[0, -1])
        assert self.hessian is not None
        return float(self.hessian[0, -1, 0, -1])

    def add(self, other: Equations) -> None:
        self.value += other.value
        self.gradient = self.gradient + other.gradient
        if self.hessian is not None and other.hessian is not None:
            self.hessian += other.hessian
        if other.border is not None and other.squares is not None:
            self.border = other.border if self.border is None else self.border + other.border
            self.squares = other.squares if self.squares is None else self.squares + other.squares


class Derivatives(NamedTuple):
    """The loss of a part at coefficients, with weights of sum 1 over all parts.

    Attributes
    ----------
    A : Matrix
        Less the origin.
    value : float
    r : ndarray (n, k), F order
        Derivatives by the predictors.
    h : ndarray (n, k), F order
        Second derivatives by each predictor.
    prob : ndarray (n, k) or None
        Probabilities of several classes.
    weight : ndarray (n,)
    """

    A: Matrix
    value: float
    r: Array
    h: Array
    prob: Array | None
    weight: Array


def _shared(part: Part, data: Data, origin: Array, total: float) -> Rows:
    """Return the rows of a part about the origin, with weights over the total of all parts."""
    n = row_count(part.X)
    rows = read(part, data)
    weight = np.full(n, 1.0 / total) if rows.weight is None else rows.weight / total
    y = rows.y
    if data.loss is not None and not weight.all() and y not in data.loss.targets:
        y = np.where(weight > 0, y, y[weight.argmax()])
    return Rows(rows.A.centered(origin), y, weight, rows.offset)


def derivatives(part: Part, data: Data, at: Any, origin: Array, total: float) -> Derivatives:
    """Return the derivatives of a part with rows at coefficients and intercepts."""
    return _derivatives(_shared(part, data, origin, total), data, at)


def _derivatives(rows: Rows, data: Data, at: Any) -> Derivatives:
    coef, intercept = at
    A, weight = rows.A, rows.weight
    assert weight is not None
    eta = A.dot(np.asfortranarray(coef.T))
    eta += intercept
    r, h = np.empty_like(eta), np.empty_like(eta)
    if data.loss is None:
        prob = np.empty_like(eta)
        value = softmax(eta, rows.y.astype(np.int32), None, weight, r, prob, h)
        return Derivatives(A, value, r, h, prob, weight)
    if rows.offset is not None:
        eta[:, 0] += rows.offset
    value = float(data.loss.evaluate(rows.y, eta[:, 0], weight, r[:, 0], h[:, 0]))
    return Derivatives(A, value, r, h, None, weight)


def equations_of(
    part: Part, data: Data, at: Any, origin: Array, total: float, is_wide: bool
) -> Equations | None:
    """Return the sums of a part at coefficients and intercepts, with weights over `total`.

    is_wide: without the Hessian.
    """
    if row_count(part.X) == 0:
        return None
    rows = _shared(part, data, origin, total)
    found = _equations(rows, data, at, origin, is_wide)
    if not np.isfinite(found.gradient).all():
        # rows may have changed since they were checked
        check_finite(rows.A)
    return found


def _equations(rows: Rows, data: Data, at: Any, origin: Array, is_wide: bool) -> Equations:
    if data.loss is not None and not is_wide and not rows.A.is_sparse and rows.A.n_columns:
        assert rows.weight is not None
        value, slope, curve = equations(
            *(rows.A, data.loss.kernel, data.loss.parameter, rows.y, rows.weight, rows.offset),
            *(np.ascontiguousarray(at[0][0]), float(at[1][0])),
        )
        return Equations(value, slope[None, :], curve[None, :, None, :])
    d = _derivatives(rows, data, at)
    gradient = np.column_stack([d.A.tdot(d.r).reshape(-1, d.r.shape[1]).T, d.r.sum(axis=0)])
    if not is_wide:
        return Equations(d.value, gradient, _hessian(d))
    found = Equations(d.value, gradient, None)
    found.border, found.squares = np.empty_like(gradient), np.empty_like(gradient)
    for a, h in enumerate(np.maximum(d.h, 0.0).T):
        # those of X itself, about the origin
        mean, variance = d.A.column_stats(h) if h.any() else (origin, 0.0)
        moved = mean - origin
        found.border[a] = h.sum() * np.append(moved, 1.0)
        found.squares[a] = h.sum() * np.append(variance + moved**2, 1.0)
    return found


def pair_of(
    part: Part, data: Data, places: Any, origin: Array, total: float, is_wide: bool
) -> Many | None:
    """Return the loss at the first of two places, and the equations at the second."""
    second = equations_of(part, data, places[1], origin, total, is_wide)
    if second is None:
        return None
    value = derivatives(part, data, places[0], origin, total).value
    return Many([Equations(value, np.zeros(0), None), second])


def products_of(
    part: Part, data: Data, at: Any, origin: Array, total: float, v: Array
) -> Totals | None:
    """Return the product of the Hessian at coefficients with v (k, p + 1)."""
    if row_count(part.X) == 0:
        return None
    A, h, prob = _curves(part, data, at, origin, total)
    u = A.dot(np.asfortranarray(v[:, :-1].T)).reshape(len(h), -1, order="F")
    u += v[:, -1]
    if prob is None:
        u *= h[:, None]
    else:
        # w p (u - p'u)
        softmax_curve(prob, h, u)
    return Totals(np.column_stack([A.tdot(u).reshape(-1, u.shape[1]).T, u.sum(axis=0)]))


def _curves(
    part: Part, data: Data, at: Any, origin: Array, total: float
) -> tuple[Matrix, Array, Array | None]:
    """Return rows about the origin, and what gives second derivatives at coefficients.

    Those of one predictor (n,); of several classes, weights (n,) and probabilities (n, k). They
    stay with a part for the products that follow, where they are small beside its rows.
    """
    kept = None if part.memo is None else part.memo.curves
    key = (*at, total)
    if kept and all(np.array_equal(a, b) for a, b in zip(kept["at"], key, strict=True)):
        return design_of(part).centered(origin), kept["h"], kept["prob"]
    d = derivatives(part, data, at, origin, total)
    h = d.h[:, 0] if d.prob is None else d.weight
    if kept is not None:
        size = h.nbytes + (0 if d.prob is None else d.prob.nbytes)
        kept.clear()
        if size <= _KEPT * sum(array.nbytes for array in d.A.arrays):
            kept.update(at=key, h=h.copy(), prob=d.prob)
    return d.A, h, d.prob


def block_of(
    part: Part, data: Data, at: Any, origin: Array, total: float, columns: Any
) -> Totals | None:
    """Return the Gram matrix of some columns, weighted by the curvatures of one predictor."""
    if row_count(part.X) == 0:
        return None
    d = derivatives(part, data, at, origin, total)
    h = np.ascontiguousarray(np.maximum(d.h[:, 0], 0.0))
    return Totals(d.A.gram(h, columns=columns))


def _bordered(A: Matrix, h: Array) -> Array:
    """Return the Gram matrix of the columns and a column of ones, with weights h."""
    if not A.is_sparse and A.n_columns:
        return bordered_gram(A, h)
    X = A.centered()
    return bordered_about(X.gram(h), X.tdot(h), float(h.sum()), A.shift)


def _hessian(d: Derivatives) -> Array:
    """Return H_ab = A' w p_a (1[a = b] - p_b) A, with a column of ones; of one predictor A'h A."""
    if d.prob is None:
        return _bordered(d.A, np.ascontiguousarray(d.h[:, 0]))[None, :, None, :]
    k, p = d.prob.shape[1], d.A.n_columns
    hessian = np.empty((k, p + 1, k, p + 1))
    for a in range(k):
        for b in range(a + 1):
            h = d.h[:, a] if a == b else d.weight * d.prob[:, a] * d.prob[:, b]
            block = _bordered(d.A, np.ascontiguousarray(h))
            hessian[a, :, b, :] = block if a == b else -block
            hessian[b, :, a, :] = hessian[a, :, b, :].T
    return hessian
