"""Moments of (X, y, sample_weight), by the formulas.

With weights s, W = sum_i s_i, and any shift c near the means, d_i = x_i - c and e_i = y_i - c_y::

    offset = sum_i s_i d_i / W,                    m = c + offset
    gram   = sum_i s_i d_i' d_i - W offset' offset
    cross  = sum_i s_i d_i' e_i - W offset' y_offset
    yy     = sum_i s_i e_i^2    - W y_offset^2

which are the sums about the means m and m_y for any c; the closer c is to m, the less cancels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .matrix import operator
from .ridge import Solution


class Sums(NamedTuple):
    """Sums of n rows about their means m = shift + offset.

    total_weight, gram (p, p), cross (p, k), yy (k,), shift and offset (p,), y_shift and y_offset
    (k,), n.
    """

    total_weight: float
    gram: np.ndarray
    cross: np.ndarray
    yy: np.ndarray
    shift: np.ndarray
    offset: np.ndarray
    y_shift: np.ndarray
    y_offset: np.ndarray
    n: int

    @property
    def mean(self):
        return self.shift + self.offset

    @property
    def y_mean(self):
        return self.y_shift + self.y_offset


def moments(X, y, sample_weight=None, shift=None):
    """Sums of (X, y) about their means, taken about a shift.

    Parameters
    ----------
    X : array-like or scipy sparse matrix of shape (n, p)
    y : array-like of shape (n,) or (n, k)
    sample_weight : array-like of shape (n,) or None, default=None
        s; ones where None.
    shift : array-like of shape (p,) or None, default=None
        c; None: the first row of positive weight. c_y is that row's y.

    Returns
    -------
    Sums

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample variance:
    analysis and recommendations", The American Statistician 37(3), 1983.

    Examples
    --------
    >>> sums = moments([[1.0], [3.0]], [10.0, 30.0])
    >>> sums.mean, sums.gram, sums.cross, sums.yy
    (array([2.]), array([[2.]]), array([[20.]]), array([200.]))
    """
    X = operator(X)
    Y = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
    s = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    first = int(np.flatnonzero(s)[0])
    shift = X[first] if shift is None else np.asarray(shift, dtype=np.float64)
    y_shift = Y[first]
    D, E, W = X - shift, Y - y_shift, s.sum()
    offset, y_offset = s @ D / W, s @ E / W
    return Sums(
        float(W),
        (D.T * s) @ D - W * np.outer(offset, offset),
        (D.T * s) @ E - W * np.outer(offset, y_offset),
        s @ E**2 - W * y_offset**2,
        shift,
        offset,
        y_shift,
        y_offset,
        len(X),
    )


def add_moments(a, b):
    """Return sums of the rows of both: G = G_a + G_b + (W_a W_b / W) d d', d = m_b - m_a.

    Shifts are subtracted from shifts and offsets from offsets, so that d does not cancel.

    Examples
    --------
    >>> a, b = moments([[1.0], [3.0]], [1.0, 3.0]), moments([[5.0]], [5.0])
    >>> add_moments(a, b).gram, moments([[1.0], [3.0], [5.0]], [1.0, 3.0, 5.0]).gram
    (array([[8.]]), array([[8.]]))
    """
    return _merged(a, b, 1)


def subtract_moments(a, b):
    """Return sums of the rows of a that are not in b: `add_moments` with weights -s for b.

    Examples
    --------
    >>> a, b = moments([[1.0], [3.0], [5.0]], [1.0, 3.0, 5.0]), moments([[5.0]], [5.0])
    >>> subtract_moments(a, b).gram
    array([[2.]])
    """
    return _merged(a, b, -1)


def forget_moments(a, factor):
    """Return the sums with the weight of every row times a factor.

    Parameters
    ----------
    a : Sums
    factor : float

    Returns
    -------
    Sums
    """
    return a._replace(
        total_weight=factor * a.total_weight,
        gram=factor * a.gram,
        cross=factor * a.cross,
        yy=factor * a.yy,
    )


def _merged(a, b, sign):
    v = sign * b.total_weight
    W = a.total_weight + v
    d = (b.shift - a.shift) + (b.offset - a.offset)
    d_y = (b.y_shift - a.y_shift) + (b.y_offset - a.y_offset)
    share = a.total_weight * v / W
    return Sums(
        W,
        a.gram + sign * b.gram + share * np.outer(d, d),
        a.cross + sign * b.cross + share * np.outer(d, d_y),
        a.yy + sign * b.yy + share * d_y**2,
        a.shift,
        a.offset + v / W * d,
        a.y_shift,
        a.y_offset + v / W * d_y,
        a.n + sign * b.n,
    )


def ridge_of_moments(sums, alpha=1.0, *, penalty_factor=None, fit_intercept=True):
    """Solve ridge from sums: (G + alpha D) w = c, b = m_y - m w.

    Without an intercept, G and c are about zero instead: G + W m m', c + W m m_y'.

    Parameters
    ----------
    sums : Sums
    alpha : float, default=1.0
    penalty_factor : array-like of shape (p,) or None, default=None
        The diagonal of D; ones where None.
    fit_intercept : bool, default=True

    Returns
    -------
    Solution
        coef of shape (k, p), intercept and objective of shape (k,).

    Examples
    --------
    >>> ridge_of_moments(moments([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0]), alpha=2.0).coef
    array([[0.5]])
    """
    m, m_y, W = sums.mean, sums.y_mean, sums.total_weight
    G, c, yy = sums.gram, sums.cross, sums.yy
    if not fit_intercept:
        G, c, yy = G + W * np.outer(m, m), c + W * np.outer(m, m_y), yy + W * m_y**2
    p = len(G)
    D = np.diag(np.ones(p) if penalty_factor is None else np.asarray(penalty_factor))
    w = np.linalg.lstsq(G + alpha * D, c, rcond=None)[0]
    objective = yy - 2 * (w * c).sum(axis=0) + (w * ((G + alpha * D) @ w)).sum(axis=0)
    b = m_y - m @ w if fit_intercept else np.zeros(len(m_y))
    return Solution(w.T, b, objective)
