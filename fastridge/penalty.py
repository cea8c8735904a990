"""Convert the strength of an L2 penalty between conventions, and build penalty matrices.

======================= =========================================================================
convention              what is minimised, or assumed
======================= =========================================================================
``"alpha"``             sum_i r_i^2 + alpha * |w|^2: `fastridge.ridge`, scikit-learn's Ridge
``"lambda"``            L(w) + lambda * |w|^2: the textbook; a step multiplies w by
                        1 - 2 * lr * lambda
``"weight_decay"``      L(w) + weight_decay / 2 * |w|^2: `fastridge.optim`, torch; a step
                        multiplies w by 1 - lr * weight_decay
``"C"``                 C * sum_i l_i + |w|^2 / 2: scikit-learn's linear classifiers
``"glm"``               1 / n * sum_i l_i + glm / 2 * |w|^2: `fastridge.glm`, scikit-learn's
                        PoissonRegressor and kin, glum's alpha and glmnet's lambda, with l half
                        the unit deviance; for glmnet's gaussian family, lambda / std(y)
``"prior_variance"``    w_j ~ N(0, prior_variance), y_i ~ N(x_i w, noise_variance): the most
                        probable w, which is also the posterior mean
======================= =========================================================================

L is a loss over the samples, its terms l_i summed or averaged, halved or not; for least squares l_i
is the squared residual r_i^2, for other losses what the table says. The l_i of "glm" is r_i^2 / 2
for least squares, and is converted as that to "alpha" and "prior_variance", which are of least
squares; between "glm" and the others the loss is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

from .data.inputs import as_array, numbers
from .data.parameters import check_count, check_flags

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["convert", "difference"]

# to the strength s of sum_i l_i + s * |w|^2, and back; k: factor of the sum in L, v: noise
# variance, n: samples
_TO_SUM: dict[str, Callable[[Any, float, float, float], Any]] = {
    "alpha": lambda x, k, v, n: x,
    "lambda": lambda x, k, v, n: x / k,
    "weight_decay": lambda x, k, v, n: x / (2.0 * k),
    "C": lambda x, k, v, n: 0.5 / x,
    "glm": lambda x, k, v, n: 0.5 * n * x,
    "prior_variance": lambda x, k, v, n: v / x,
}
_FROM_SUM: dict[str, Callable[[Any, float, float, float], Any]] = {
    "alpha": lambda s, k, v, n: s,
    "lambda": lambda s, k, v, n: s * k,
    "weight_decay": lambda s, k, v, n: 2.0 * k * s,
    "C": lambda s, k, v, n: 0.5 / s,
    "glm": lambda s, k, v, n: s / (0.5 * n),
    "prior_variance": lambda s, k, v, n: v / s,
}
_LOSSES = {"sum": 1.0, "half_sum": 0.5, "mean": 1.0, "half_mean": 0.5}


def _positive(value: Any, name: str) -> float:
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} is {value!r}; expected a positive number.")
    if not 0.0 < float(value) < np.inf:
        raise ValueError(f"{name} is {value!r}; expected a finite positive number.")
    return float(value)


@overload
def convert(
    value: float,
    source: str,
    target: str,
    *,
    loss: str = ...,
    n_samples: float | None = ...,
    noise_variance: float | None = ...,
) -> float: ...
@overload
def convert(
    value: ArrayLike,
    source: str,
    target: str,
    *,
    loss: str = ...,
    n_samples: float | None = ...,
    noise_variance: float | None = ...,
) -> NDArray[np.float64]: ...
def convert(
    value: ArrayLike,
    source: str,
    target: str,
    *,
    loss: str = "sum",
    n_samples: float | None = None,
    noise_variance: float | None = None,
) -> float | NDArray[np.float64]:
    """Convert the strength of an L2 penalty to another convention with the same minimiser.

    Parameters
    ----------
    value : float or array-like
        Strength in the convention `source`, at least 0; may be infinite.
    source, target : {"alpha", "lambda", "weight_decay", "C", "glm", "prior_variance"}
        Conventions; the table of `fastridge.penalty` has their objectives.
    loss : {"sum", "half_sum", "mean", "half_mean"}, default="sum"
        Loss L of "lambda" and "weight_decay": the sum of the terms l_i, or their mean over
        `n_samples`, halved or not. The other conventions fix their loss.
    n_samples : float or None, default=None
        Number of samples, or their total weight; needed between a mean and a convention that has
        a sum.
    noise_variance : float or None, default=None
        Variance of the noise of each y_i; needed for "prior_variance".

    Returns
    -------
    float or ndarray of float64
        Strength in the convention `target`, of the shape of `value`.

    Raises
    ------
    ValueError, TypeError
        For names that are not in the table, for a negative `value`, and where `n_samples` or
        `noise_variance` is needed and missing, or not positive.

    See Also
    --------
    fastridge.optim : Optimizers, whose decay may also be decoupled from the gradient.

    Notes
    -----
    An elastic net without L1 part, (1 / 2n) * sum_i r_i^2 + a / 2 * |w|^2, is the convention
    "weight_decay" with strength a and the loss "half_mean".

    References
    ----------
    C. Bishop, Pattern Recognition and Machine Learning, 2006, sections 3.1.4 and 3.3.1.

    Examples
    --------
    >>> from fastridge import penalty
    >>> penalty.convert(0.5, "lambda", "weight_decay")
    1.0
    >>> penalty.convert(0.1, "weight_decay", "alpha", loss="mean", n_samples=200)
    10.0
    >>> alpha = penalty.convert([1.0, 4.0], "prior_variance", "alpha", noise_variance=2.0)
    >>> alpha
    array([2. , 0.5])
    >>> penalty.convert(alpha, "alpha", "prior_variance", noise_variance=2.0)
    array([1., 4.])
    """
    for name, convention in (("source", source), ("target", target)):
        if convention not in _TO_SUM:
            raise ValueError(f"{name} is {convention!r}; expected one of {', '.join(_TO_SUM)}.")
    if loss not in _LOSSES:
        raise ValueError(f"loss is {loss!r}; expected one of {', '.join(_LOSSES)}.")
    values = numbers(as_array(value, "value"), "value").astype(np.float64)
    if not (values >= 0.0).all():
        raise ValueError("value contains NaN or negative numbers; expected numbers of at least 0.")
    ends, k, v, n = {source, target}, _LOSSES[loss], 1.0, 1.0
    if n_samples is not None:
        n_samples = _positive(n_samples, "n_samples")
    if loss.endswith("mean") and 0 < len(ends & {"lambda", "weight_decay"}) < len(ends):
        if n_samples is None:
            raise ValueError(
                f"n_samples is None; expected the number that loss={loss!r} divides by."
            )
        k /= n_samples
    if "glm" in ends and len(ends) == 2:
        if n_samples is None:
            raise ValueError("n_samples is None; expected the number of samples for 'glm'.")
        # least squares on the other side: the l_i of "glm" is then r_i^2 / 2
        n = 2.0 * n_samples if ends & {"alpha", "prior_variance"} else n_samples
    if noise_variance is not None:
        v = _positive(noise_variance, "noise_variance")
    elif "prior_variance" in ends and len(ends) == 2:
        raise ValueError("noise_variance is None; expected a positive number for 'prior_variance'.")
    with np.errstate(divide="ignore"):
        result = _FROM_SUM[target](_TO_SUM[source](values, k, v, n), k, v, n)
    return float(result) if result.ndim == 0 else result


def difference(n: int, order: int = 1, *, cyclic: bool = False) -> Any:
    """Build the matrix that penalises differences of neighbouring coefficients.

    The matrix is D'D, where Dw holds the differences w_{j+1} - w_j for order 1 and
    w_{j+2} - 2 w_{j+1} + w_j for order 2: w'D'Dw is the sum of their squares. Polynomials in j of
    a lower degree than `order` are not penalised.

    Parameters
    ----------
    n : int
        Number of coefficients, above `order`.
    order : int, default=1
        Order of the differences. 1 shrinks towards a constant, 2 towards a line, as for
        smoothing splines.
    cyclic : bool, default=False
        The first coefficient follows the last one, as for hours of the day. Then only constants
        are not penalised, whatever the order.

    Returns
    -------
    scipy.sparse.csr_array of float64, shape (n, n)
        Banded; exact, as its elements are integers.

    Raises
    ------
    TypeError, ValueError
        If `n` or `order` is not an integer of at least 1, `n` is not above `order`, or `cyclic` is
        not a bool.

    See Also
    --------
    fastridge.Ridge : Takes the matrix as `penalty_matrix`.

    References
    ----------
    P. H. C. Eilers and B. D. Marx, "Flexible smoothing with B-splines and penalties", Statistical
    Science 11(2), 1996.

    Examples
    --------
    >>> from fastridge import penalty
    >>> penalty.difference(4).toarray()
    array([[ 1., -1.,  0.,  0.],
           [-1.,  2., -1.,  0.],
           [ 0., -1.,  2., -1.],
           [ 0.,  0., -1.,  1.]])

    A smoothing spline: B-splines on more knots than needed, neighbouring coefficients penalised
    for their differences.

    >>> import numpy as np
    >>> from fastridge import Ridge
    >>> from scipy.interpolate import BSpline
    >>> rng = np.random.default_rng(0)
    >>> x = np.sort(rng.random(200))
    >>> y = np.sin(6.0 * x) + 0.2 * rng.standard_normal(200)
    >>> knots = np.arange(-3, 34) / 30
    >>> B = BSpline.design_matrix(x, knots, 3)
    >>> P = penalty.difference(B.shape[1], order=2)
    >>> model = Ridge(alpha=1.0, penalty_matrix=P, fit_intercept=False).fit(B, y)
    >>> bool(np.abs(model.predict(B) - np.sin(6.0 * x)).mean() < 0.06)
    True

    The same with the smoothing chosen by REML, and a band of the curve's standard deviations. As a
    mixed model, straight lines are fixed effects, and deviations from them random effects.

    >>> from fastridge import GroupRidge
    >>> smooth = GroupRidge(penalty_matrix=P, fit_intercept=False).fit(B, y)
    >>> bool(0.15 < smooth.noise_variance_**0.5 < 0.25)
    True
    >>> bool(np.abs(smooth.predict(B) - np.sin(6.0 * x)).mean() < 0.06)
    True
    >>> band = smooth.posterior_.variance(B.toarray()) ** 0.5
    """
    from scipy import sparse

    n, order = check_count("n", n), check_count("order", order)
    check_flags(cyclic=cyclic)
    if n <= order:
        raise ValueError(f"n is {n}; expected more than order, which is {order}.")
    D = sparse.eye_array(n, format="csr")
    for _ in range(order):
        if cyclic:
            step = sparse.csr_array(
                (np.ones(n), (np.arange(n), (np.arange(n) + 1) % n)), shape=(n, n)
            )
            D = step @ D - D
        else:
            D = D[1:] - D[:-1]
    found = sparse.csr_array(D.T @ D)
    found.eliminate_zeros()
    found.sort_indices()
    return found
