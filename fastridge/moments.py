"""Weighted sums of (X, y) that can be added and subtracted, to fit squared losses from."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from . import _matrix, _moments
from ._locks import both_locked
from .data.check import check_design, check_finite, check_target, feature_names, recheck
from .data.parameters import non_negative
from .quadratic.range import (
    joined_levels,
    require_light_rows,
    weight_levels,
    weight_with_rounding,
)

__all__ = ["Moments"]

_EPS = float(np.finfo(np.float64).eps)

# Rows of the Gram matrix updated in one block.
_BLOCK = 256


class Moments:
    """Weighted sums of (X, y) about their means: all that ridge regression needs of the data.

    With weights s, total weight W = sum_i s_i and the weighted means m of X and m_y of y::

        gram  = sum_i s_i (x_i - m)' (x_i - m)
        cross = sum_i s_i (x_i - m)' (y_i - m_y)
        yy    = sum_i s_i (y_i - m_y)^2

    Moments of parts of the data add up to those of the whole, in any order, and a part can be
    subtracted again. They take 8 (p^2 + p k) bytes, however many rows they sum. Sums are taken in
    float64 about values near the means, and a mean is kept as a shift plus an offset, so that means
    far from zero cost no accuracy.

    Parameters
    ----------
    X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features), or None
        Features. float32 and float64, C and F order, CSR and CSC are used without a copy. None,
        with `y` None too: no data yet; `update` and ``+`` may then bring any number of features
        and targets.
    y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
        Values to predict.
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Non-negative weights s: weight 2 counts the row twice. None: 1.

    Attributes
    ----------
    n_features, n_targets : int
        Columns of X and of y.
    n_samples : int
        Rows seen, those of weight zero included.
    total_weight : float
        W.
    mean : ndarray of float64, shape (n_features,)
        Weighted mean of X.
    y_mean : ndarray of float64, shape (n_targets,)
        Weighted mean of y.
    gram : ndarray of float64, shape (n_features, n_features)
        Sums of squares and products of the centred columns. Do not write to `gram`, `cross` or
        `yy`.
    cross : ndarray of float64, shape (n_features, n_targets)
        Sums of products of the centred columns and targets.
    yy : ndarray of float64, shape (n_targets,)
        Sums of squares of the centred targets.
    dtype : numpy.dtype
        float32 where all X were, else float64: the type of fitted coefficients.
    feature_names : ndarray of object, shape (n_features,), or None
        Names of the columns, where a data frame gave them.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it and says what was expected.

    See Also
    --------
    ridge : Fits them: ``ridge(moments, alpha=1.0)``.
    fastridge.Ridge.fit_moments : The same for the estimator.
    save : Writes them to a file.
    Ridge : Least squares with an L2 penalty.
    rolling_ridge : Ridge regression in every window of rows.
    Chunks : Rows that are read a chunk at a time.

    Notes
    -----
    Parts are merged by G = G_a + G_b + (W_a W_b / W) d d' with d the difference of their means, and
    `cross` and `yy` likewise. Subtraction may cancel: the sum of squares that remains carries the
    round-off, 1e-16 relative, of the sum that it was subtracted from.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample variance:
    analysis and recommendations", The American Statistician 37(3), 1983.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 3))
    >>> y = X @ [1.0, 2.0, 3.0] + 5.0
    >>> moments = fastridge.Moments()
    >>> for rows in np.array_split(np.arange(100), 4):
    ...     _ = moments.update(X[rows], y[rows])
    >>> moments
    Moments(n_features=3, n_targets=1, n_samples=100, total_weight=100.0)
    >>> fastridge.ridge(moments, alpha=0.0).coef.round(6)
    array([1., 2., 3.])

    Remove a part without reading the rest again:

    >>> held_out = fastridge.Moments(X[:20], y[:20])
    >>> (moments - held_out).n_samples
    80
    """

    __slots__ = (
        "_dtype",
        "_levels",
        "_offset",
        "_shift",
        "_y_ndim",
        "_y_offset",
        "_y_shift",
        "cross",
        "feature_names",
        "gram",
        "n_samples",
        "total_weight",
        "yy",
    )

    n_samples: int
    total_weight: float
    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    yy: NDArray[np.float64]
    feature_names: NDArray[np.object_] | None
    _shift: NDArray[np.float64]
    _offset: NDArray[np.float64]
    _y_shift: NDArray[np.float64]
    _y_offset: NDArray[np.float64]
    _y_ndim: int
    _dtype: str
    _levels: NDArray[np.float64]  # see weight_levels

    def __init__(self, X: Any = None, y: Any = None, sample_weight: Any = None) -> None:
        if X is None and y is None:
            if sample_weight is not None:
                raise ValueError(
                    "sample_weight is given without X and y; expected X and y as well, or none of"
                    " the three."
                )
            self._set_zero(0, 0, 0)
            self._y_ndim, self._dtype, self.feature_names = 1, "float32", None
            return
        self._sum(X, y, sample_weight)

    @classmethod
    def _of(
        cls, X: Any, y: Any, sample_weight: Any, like: Moments | None = None, caller: str = ""
    ) -> Self:
        """Return moments of data with the columns and targets of `like`."""
        new = cls.__new__(cls)
        if like is None or not like.n_features:
            new._sum(X, y, sample_weight)
        else:
            new._sum(X, y, sample_weight, like.n_features, like.n_targets, caller or cls.__name__)
        return new

    def _sum(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        n_features: int | None = None,
        n_targets: int | None = None,
        caller: str = "",
    ) -> None:
        names = None if type(X) is np.ndarray else feature_names(X)
        A = check_design(X, n_features=n_features, caller=caller, finite=False)
        n = A.n_rows
        Y = check_target(y, n)
        k = 1 if Y.ndim == 1 else Y.shape[1]
        if n_targets is not None and k != n_targets:
            raise ValueError(f"y has {k} target(s); expected {n_targets}, as before.")
        weight = None
        if sample_weight is not None:
            weight = non_negative(sample_weight, n, "sample_weight", "sample", scalar=True)
        self.feature_names = names
        recheck(A)
        self._sum_matrix(A, Y, weight, True)

    @classmethod
    def _of_matrix(
        cls, A: _matrix.Matrix, Y: NDArray[np.float64], weight: NDArray[np.float64] | None
    ) -> Self:
        """Return moments of checked data; dense X may still hold NaN or infinity."""
        new = cls.__new__(cls)
        new.feature_names = None
        new._sum_matrix(A, Y, weight)
        return new

    def _sum_matrix(
        self,
        A: _matrix.Matrix,
        Y: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        refuse: bool = False,
    ) -> None:
        n, p = A.shape
        k = 1 if Y.ndim == 1 else Y.shape[1]
        self._y_ndim = Y.ndim
        self._dtype = "float32" if A.is_float32 else "float64"
        if weight is not None and not weight.any():
            check_finite(A)
            self._set_zero(n, p, k)
            return
        self._levels = weight_levels(weight, n)
        if refuse:
            require_light_rows(self._levels, p)
        targets = Y if Y.ndim == 1 else Y.reshape(-1, order="F")
        sums = _moments.moments(A, targets, k, weight)
        if sums is None:
            check_finite(A)
        # where sums of squares are in range, cross products are finite
        usual = sums is not None and sums[8]
        if sums is None or not (
            usual or (np.isfinite(sums[6]).all() and np.isfinite(sums[7]).all())
        ):
            raise ValueError(
                "X and y, weighted by sample_weight, have sums of squares that overflow float64;"
                " expected smaller numbers: divide them by their largest magnitude."
            )
        if not usual:
            self._check_range(A, Y.reshape(n, k), weight, sums)
        self.n_samples = n
        (
            self.total_weight,
            self._shift,
            self._offset,
            self.gram,
            self._y_shift,
            self._y_offset,
            self.cross,
            self.yy,
            _,
        ) = sums
        if self.gram.base is not None and self.gram.base.size > 1.25 * p * p:
            # release the larger buffer, which also held y
            self.gram = self.gram.copy()
        # round-off that centring about the shift leaves in the sums of a constant column
        share = 8 * _EPS * self.total_weight
        self._clear(share * self._offset**2, share * self._y_offset**2)

    @staticmethod
    def _check_range(A: _matrix.Matrix, Y: NDArray[np.float64], weight: Any, sums: Any) -> None:
        """Refuse sums of squares whose products overflow or underflow."""
        from .quadratic.range import require_range

        total, shift, offset, gram, _, _, _, yy, _ = sums
        squares = np.diagonal(gram)
        require_range(A, Y, squares, shift + offset, total, yy, True, weight, False)

    def _set_zero(self, n_samples: int, p: int, k: int) -> None:
        self.n_samples, self.total_weight = n_samples, 0.0
        self._shift, self._offset = np.zeros(p), np.zeros(p)
        self._y_shift, self._y_offset = np.zeros(k), np.zeros(k)
        self.gram, self.cross, self.yy = np.zeros((p, p)), np.zeros((p, k), order="F"), np.zeros(k)
        self._levels = np.zeros((0, 3))

    def _rounding(self) -> NDArray[np.float64]:
        """Return the round-off in the sum of squares of a constant column: W (4 eps m)^2."""
        return weight_with_rounding(self._levels) * (4 * _EPS * self.mean) ** 2

    def _clear(self, least: NDArray[np.float64], least_y: NDArray[np.float64]) -> None:
        """Set sums of squares up to `least`, which are round-off, and their products to zero."""
        constant = np.diagonal(self.gram) <= np.maximum(least, self._rounding())
        if constant.any():
            self.gram[constant] = 0.0
            self.gram[:, constant] = 0.0
            self.cross[constant] = 0.0
        rounding = weight_with_rounding(self._levels) * (4 * _EPS * self.y_mean) ** 2
        constant = self.yy <= np.maximum(least_y, rounding)
        if constant.any():
            self.yy[constant] = 0.0
            self.cross[:, constant] = 0.0

    @property
    def n_features(self) -> int:
        return self.cross.shape[0]

    @property
    def n_targets(self) -> int:
        return self.cross.shape[1]

    @property
    def mean(self) -> NDArray[np.float64]:
        return self._shift + self._offset

    @property
    def y_mean(self) -> NDArray[np.float64]:
        return self._y_shift + self._y_offset

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self._dtype)

    @property
    def is_float32(self) -> bool:
        """True if `dtype` is float32."""
        return self._dtype == "float32"

    def __repr__(self) -> str:
        return (
            f"Moments(n_features={self.n_features}, n_targets={self.n_targets},"
            f" n_samples={self.n_samples}, total_weight={self.total_weight!r})"
        )

    def copy(self) -> Self:
        """Return a copy that shares no memory with these moments.

        Returns
        -------
        Moments

        Examples
        --------
        >>> from fastridge import Moments
        >>> moments = Moments([[1.0], [2.0]], [1.0, 2.0])
        >>> _ = moments.copy().update([[3.0]], [3.0])
        >>> moments.n_samples
        2
        """
        new = type(self).__new__(type(self))
        with both_locked(self, self):
            for name in Moments.__slots__:
                value = getattr(self, name)
                copied = value.copy(order="K") if isinstance(value, np.ndarray) else value
                setattr(new, name, copied)
        return new

    __copy__ = copy

    def update(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Add the sums of more rows, in place.

        Several threads may update the same moments: rows are summed in parallel, and their sums
        are added one after the other.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Features, with the columns of the rows before.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Values to predict.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Non-negative weights; None: 1.

        Returns
        -------
        self : Moments
            These moments.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described, or does not have the columns and targets of the
            rows before; the moments are then unchanged.

        Examples
        --------
        >>> from fastridge import Moments
        >>> Moments([[1.0], [2.0]], [1.0, 2.0]).update([[3.0]], [3.0]).mean
        array([2.])
        """
        return self._merge(self._of(X, y, sample_weight, like=self), 1)

    def forget(self, factor: float) -> Self:
        """Multiply the weights of all rows so far by a factor, in place.

        ``moments.forget(0.5 ** (1 / half_life)).update(X, y)``, row after row, halves the weight of
        a row every `half_life` rows.

        Parameters
        ----------
        factor : float
            Above 0 and at most 1.

        Returns
        -------
        self : Moments
            These moments. `n_samples` still counts all rows.

        Raises
        ------
        ValueError, TypeError
            If `factor` is not as described, or leaves a total weight that is not a normal number
            of float64; the moments are then unchanged.

        See Also
        --------
        fastridge.rolling_ridge : A fit for every row of a series.

        Examples
        --------
        >>> from fastridge import Moments
        >>> moments = Moments([[1.0], [3.0]], [1.0, 3.0]).forget(0.5)
        >>> moments.total_weight, moments.mean, moments.gram
        (1.0, array([2.]), array([[1.]]))
        """
        if isinstance(factor, bool) or not isinstance(factor, (int, float, np.floating)):
            raise TypeError(f"factor is {factor!r}; expected a number above 0, at most 1.")
        if not 0 < factor <= 1:
            raise ValueError(f"factor is {factor!r}; expected a number above 0, at most 1.")
        with both_locked(self, self):
            total = float(factor) * self.total_weight
            if self.total_weight > 0 and total < np.finfo(np.float64).tiny:
                raise ValueError(
                    f"factor is {factor!r}, which rounds a total weight of {self.total_weight:g} to"
                    " 0; expected a larger factor, or new Moments."
                )
            with np.errstate(under="ignore"):
                for name in ("gram", "cross", "yy"):
                    setattr(self, name, getattr(self, name) * float(factor))
                self._levels = self._levels * (factor, 1.0, factor)
            self.total_weight = total
        return self

    def __add__(self, other: Any) -> Self:
        if not isinstance(other, Moments):
            return NotImplemented
        return self.copy()._merge(other, 1)

    def __radd__(self, other: Any) -> Self:
        # sum(parts) begins with 0
        if type(other) is int and other == 0:
            return self.copy()
        return NotImplemented

    def __iadd__(self, other: Any) -> Self:
        if not isinstance(other, Moments):
            return NotImplemented
        return self._merge(other, 1)

    def __sub__(self, other: Any) -> Self:
        if not isinstance(other, Moments):
            return NotImplemented
        return self.copy()._merge(other, -1)

    def __isub__(self, other: Any) -> Self:
        if not isinstance(other, Moments):
            return NotImplemented
        return self._merge(other, -1)

    def _merge(self, other: Moments, sign: int) -> Self:
        """Add a part, or subtract it (sign -1), under the locks of both."""
        with both_locked(self, other):
            return self._merge_alone(other, sign)

    def _merge_alone(self, other: Moments, sign: int) -> Self:
        """Add a part, or subtract it (sign -1), in place; an error leaves the moments unchanged.

        With v = sign * W_b, W = W_a + v and d the difference of the means::

            G = G_a + sign * G_b + (W_a v / W) d d',  m = m_a + (v / W) d
        """
        self._check_like(other)
        if other.n_features and not self.n_features:
            if sign < 0:
                raise ValueError(
                    "other has data, but these moments have none; expected a part of these moments."
                )
            for name in Moments.__slots__:
                value = getattr(other, name)
                copied = value.copy(order="K") if isinstance(value, np.ndarray) else value
                setattr(self, name, copied)
            return self
        n_samples = self.n_samples + sign * other.n_samples
        total = self.total_weight + sign * other.total_weight
        leaves = n_samples > 0 and total > 64 * _EPS * self.total_weight
        if sign < 0 and other.n_features and not leaves:
            raise ValueError(
                f"other has {other.n_samples} samples of total weight {other.total_weight:g}, and"
                f" these moments have {self.n_samples} of {self.total_weight:g}; expected a part"
                " that leaves a positive weight."
            )
        if other.total_weight == 0:
            self._note(other, n_samples)
            return self
        levels = joined_levels(self._levels, other._levels, sign)
        if sign > 0:
            require_light_rows(levels, self.n_features)
        v = sign * other.total_weight
        factor = self.total_weight * v / total
        root = abs(factor) ** 0.5
        d = (other._shift - self._shift) + (other._offset - self._offset)
        d_y = (other._y_shift - self._y_shift) + (other._y_offset - self._y_offset)
        u, u_y = root * d, root * d_y
        tolerance = _EPS * (64 + max(self.n_samples, other.n_samples) ** 0.5)
        diagonal, rounding = _remainder(np.diagonal(self.gram), np.diagonal(other.gram), u, sign)
        yy, yy_rounding = _remainder(self.yy, other.yy, u_y, sign)
        if sign < 0:
            for name, left, least in (
                ("X", diagonal, tolerance * rounding + self._rounding()),
                ("y", yy, tolerance * yy_rounding),
            ):
                if (left < -least).any():
                    j = int(np.argmin(left + least))
                    raise ValueError(
                        f"other is not a part of these moments: without it, column {j} of {name}"
                        f" has a sum of squares of {left[j]:.3g}; expected at least 0."
                    )
        # each product is the same on both sides of the diagonal, so the sum stays symmetric
        for i in range(0, len(u), _BLOCK):
            rows = slice(i, i + _BLOCK)
            share = u[rows, None] * u
            share += other.gram[rows]
            (np.add if sign > 0 else np.subtract)(self.gram[rows], share, out=self.gram[rows])
        self.cross += sign * (other.cross + u[:, None] * u_y)
        self._offset = self._offset + (v / total) * d
        self._y_offset = self._y_offset + (v / total) * d_y
        self.total_weight = total
        self._levels = levels
        self.yy = yy
        # after a subtraction, a column that no longer varies holds only round-off
        share = tolerance if sign < 0 else 0.0
        self._clear(share * rounding, share * yy_rounding)
        self._note(other, n_samples)
        return self

    def _note(self, other: Moments, n_samples: int) -> None:
        """Update the number of samples, the form of y, the dtype and the names from `other`."""
        self.n_samples = n_samples
        if not other.n_features:
            return
        self._y_ndim = max(self._y_ndim, other._y_ndim)
        if other._dtype == "float64":
            self._dtype = "float64"
        if self.feature_names is None:
            self.feature_names = other.feature_names

    def _check_like(self, other: Moments) -> None:
        """Refuse moments of other columns or targets; moments without data match any."""
        if not (self.n_features and other.n_features):
            return
        for name in ("n_features", "n_targets"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                raise ValueError(f"other has {name}={theirs}; expected {ours}.")
        ours, theirs = self.feature_names, other.feature_names
        if ours is not None and theirs is not None and (ours != theirs).any():
            j = int(np.flatnonzero(ours != theirs)[0])
            raise ValueError(
                f"X has feature name {theirs[j]!r} at position {j}; expected {ours[j]!r}."
            )


def moments_about_zero(
    gram: NDArray[np.float64],
    cross: NDArray[np.float64],
    yy: NDArray[np.float64],
    n_samples: int,
    total_weight: float,
) -> Moments:
    """Return moments of rows of equal weights and of means zero, with given sums; cross is (p, k).

    They stand for w'Gw - 2 C'w + yy, any quadratic function that is bounded from below.
    """
    new = Moments()
    new._set_zero(n_samples, *cross.shape)
    new.gram, new.cross, new.yy, new.total_weight = gram, cross, yy, total_weight
    new._y_ndim, new._dtype = 1 if cross.shape[1] == 1 else 2, "float64"
    new._levels = np.array([[total_weight / n_samples, n_samples, total_weight]])
    return new


def _remainder(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], u: NDArray[np.float64], sign: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sums of squares after a merge, and the magnitude of the numbers summed."""
    share = u * u + theirs
    return ours + sign * share, ours + share
