"""Base class of losses: abstract methods that define a loss, and methods derived from them.

A loss is a function of a target y and a linear predictor eta = b + x w. Its mean is
mu = inverse_link(eta). Its unit deviance is twice the difference between the value at eta and the
least value over all eta.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4_000_000  # elements of predictions held at a time

Array = NDArray[Any]


class Interval(NamedTuple):
    """Interval of the targets for which a loss is defined; each end is included or not."""

    low: float = -np.inf
    high: float = np.inf
    low_is_in: bool = True
    high_is_in: bool = True

    def __contains__(self, y: Any) -> bool:
        """Return whether all elements of y lie inside."""
        if self.low == -np.inf and self.high == np.inf:
            return True
        above = y >= self.low if self.low_is_in else y > self.low
        below = y <= self.high if self.high_is_in else y < self.high
        return bool(np.all(above & below))

    def __str__(self) -> str:
        if self.low == -np.inf and self.high == np.inf:
            return "finite numbers"
        ends = "(["[self.low_is_in], ")]"[self.high_is_in and self.high < np.inf]
        return f"numbers in {ends[0]}{self.low:g}, {self.high:g}{ends[1]}"


class Score(NamedTuple):
    """A score (larger is better) that is computed from mean deviances, without predictions.

    Attributes
    ----------
    value : callable
        value(error, spread): scores (..., k), from the mean deviances (..., k) of models and
        those (k,) of the mean.
    deviation : callable
        deviation(error_se, error, spread): standard errors of the scores, to first order, from
        the standard errors of the mean deviances.
    needs : int
        Least number of samples for which the score is defined.
    label : str
        Its name in messages.
    """

    value: Callable[[Array, Array], Array]
    deviation: Callable[[Array, Array, Array], Array]
    needs: int = 1
    label: str = ""


def positive_parameter(name: str, value: Any) -> float:
    """Return a parameter of a loss as a float; raise unless it is finite and above 0."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not is_number or not 0 < value < np.inf:
        raise ValueError(f"{name} is {value!r}; expected a finite number above 0.")
    return float(value)


class Loss(ABC):
    """Base of the losses.

    Attributes
    ----------
    name : str
        Key in `fastridge.losses.LOSSES`.
    targets : Interval
        Targets for which the loss is defined.
    error_name : str
        Name of the mean deviance, in words.
    null_name : str
        Name of the model without features, in words.
    scores : mapping of str to Score
        Scores that follow from mean deviances, by scikit-learn's names.
    error_score, fit_score : str
        Keys of `scores`: the negative mean deviance, and the `score` of an estimator.
    n_dispersion : int
        Number of dispersion parameters that maximum likelihood estimates: 0 or 1.
    kernel : int
        Number of the compiled loop in `fastridge._losses`.
    parameter : float
        Argument of that loop besides y and eta; 0.0 where it takes none.
    is_convex : bool
        Whether the value is convex in eta; otherwise `curvature` is the expected one.
    null_is_mean : bool
        Whether the weighted mean of y is the mean of the null model.
    has_log_link : bool
        Whether mu = exp(eta), so that an exposure t is an offset log(t).
    """

    name: ClassVar[str]
    targets: Interval  # set by the class, or by each instance where it depends on parameters
    error_name: ClassVar[str]
    null_name: ClassVar[str]
    scores: ClassVar[Mapping[str, Score]]
    error_score: ClassVar[str]
    fit_score: ClassVar[str]
    n_dispersion: ClassVar[int]
    kernel: ClassVar[int]
    parameter: float = 0.0
    is_convex: bool = True
    null_is_mean: bool = True
    has_log_link: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return the parameters with which `loss_of`, by its name, makes the same loss."""
        return {}

    @abstractmethod
    def value(self, y: Array, eta: Array) -> Array:
        """Return the loss of each sample."""

    @abstractmethod
    def gradient(self, y: Array, eta: Array) -> Array:
        """Return the derivative of the value by eta."""

    @abstractmethod
    def curvature(self, y: Array, eta: Array) -> Array:
        """Return the second derivative of the value by eta."""

    @abstractmethod
    def conjugate(self, y: Array, u: Array) -> Array:
        """Return the convex conjugate, sup_eta (u eta - value(y, eta)); inf outside its domain."""

    @abstractmethod
    def link(self, mu: Array) -> Array:
        """Return the linear predictor of a mean."""

    @abstractmethod
    def inverse_link(self, eta: Array) -> Array:
        """Return the mean of a linear predictor; possibly eta itself, never changed in place."""

    @abstractmethod
    def deviance(self, y: Array, mu: Array) -> Array:
        """Return the unit deviance of each sample: 0 where mu is y."""

    @abstractmethod
    def unit_variance(self, mu: Array) -> Array:
        """Return the variance of y at a mean, over the dispersion."""

    @abstractmethod
    def minus_twice_log_likelihood(self, error: Array, total: float) -> Array:
        """Return -2 log likelihood of fits of mean deviance `error` and total weight `total`.

        Except for the squared loss, a term that depends on y only is left out.
        """

    def is_near(self, y: Array, eta: Array, move: Any) -> bool:
        """Return whether curvatures change little where predictors move by `move`.

        The third derivative of a loss of an exponential family with its usual links is at most the
        second, so that a move of 1/2 changes curvatures by no more than exp(1/2).
        """
        return float(np.abs(move).max(initial=0.0)) <= 0.5

    def least(self, y: Array) -> Array:
        """Return the infimum over eta of the value of each sample."""
        return self.value(y, self.link(y))

    def evaluate(
        self,
        y: Array,
        eta: Array,
        weight: Array | None = None,
        gradient: Array | None = None,
        curvature: Array | None = None,
        n_threads: int = 0,
    ) -> float:
        """Return the sum of the values, by the compiled loop.

        Parameters
        ----------
        y, eta : ndarray of float64, shape (n,)
        weight : ndarray of float64, shape (n,), or None
            Weights of the samples; None: 1.
        gradient, curvature : ndarray of float64, shape (n,), or None
            Both or none: overwritten with the weighted derivatives by eta.
        n_threads : int, default=0
            0: the number set by `fastridge.set_num_threads`.
        """
        from .._losses import evaluate

        return evaluate(self.kernel, self.parameter, y, eta, weight, gradient, curvature, n_threads)

    def average_mean(self, eta: Array, variance: Array) -> Array:
        """Return the expected mean of a Gaussian linear predictor of mean eta.

        exp(eta + variance / 2) for a log link; eta itself for an identity link.

        Raises
        ------
        ValueError
            If it has no closed form.
        """
        if self.has_log_link:
            return self.inverse_link(eta + 0.5 * variance)
        if self.inverse_link(np.zeros(1) + 0.5)[0] == 0.5:
            return eta
        raise ValueError(f"loss {self.name!r} has no expected mean in closed form.")

    def evaluate_conjugate(
        self, y: Array, theta: Array, weight: Array, n_threads: int = 0
    ) -> float:
        """Return sum_i weight_i l*(y_i, theta_i / weight_i), by the compiled loop if there is one.

        Parameters
        ----------
        y, theta, weight : ndarray of float64, shape (n,)
            A weight of 0 goes with a theta of 0.
        n_threads : int, default=0
            0: the number set by `fastridge.set_num_threads`.

        Returns
        -------
        float
            Infinity if one term is infinite.
        """
        from .._losses import conjugate

        found = conjugate(self.kernel, self.parameter, y, theta, weight, n_threads)
        if found is None:
            live = weight > 0
            w = weight[live]
            found = float(np.sum(w * self.conjugate(y[live], theta[live] / w)))
        return found

    def check_targets(self, y: Array, name: str = "y") -> None:
        """Raise if the loss is not defined for some targets.

        Raises
        ------
        ValueError
            The message has the least and the largest target, and the expected interval.
        """
        if y not in self.targets:
            raise ValueError(
                f"{name} has values from {y.min():g} to {y.max():g}; expected {self.targets} for"
                f" the loss {self.name!r}."
            )

    def mean_deviance(self, y: Array, mu: Array, weight: Array | None, axis: int = 0) -> Array:
        """Return the weighted mean of the deviance over the samples, along `axis`."""
        deviance = self.deviance(y, mu)
        if weight is None:
            # the same numbers as `mean`, at half the cost
            return np.add.reduce(deviance, axis=axis) / deviance.shape[axis]
        return np.average(deviance, axis=axis, weights=weight)

    def null_mean(self, y: Array, weight: Array | None, fit_intercept: bool) -> Any:
        """Return the mean (k,) that the model without features fits to y (n, k).

        The weighted mean of y minimises the deviance of every exponential family; without an
        intercept the linear predictor is 0.
        """
        if fit_intercept:
            if weight is None:
                return np.add.reduce(y, axis=0) / len(y)
            return np.average(y, axis=0, weights=weight)
        return self.inverse_link(np.zeros(y.shape[1:]))

    def null_deviance(self, y: Array, weight: Array | None, fit_intercept: bool) -> Array:
        """Return the mean deviance (k,) of the model without features, on its own rows."""
        return self.mean_deviance(y, self.null_mean(y, weight, fit_intercept), weight)

    def spread(self, y: Array, weight: Array | None) -> Array:
        """Return the mean deviance (k,) of y (n, k) about its mean; exactly 0 of a constant."""
        spread = self.null_deviance(y, weight, True)
        live = y if weight is None else y[weight > 0]
        # the computed mean of equal numbers has round-off
        spread[(live == live[:1]).all(axis=0)] = 0.0
        return spread

    def explained(self, y: Array, mu: Array, weight: Array | None) -> Array:
        """Return the explained deviance (k,), 1 - deviance / spread.

        For a constant target it is 1 if the predictions are exact, else 0.
        """
        spread = self.spread(y, weight)
        error = self.mean_deviance(y, mu, weight)
        constant = spread == 0
        ratio = error / np.where(constant, 1.0, spread)
        return np.where(constant, error == 0, 1.0 - ratio)

    def error_of_rows(
        self,
        A: Any,
        y: Array,
        weight: Array | None,
        coef: Array,
        intercept: Array,
        visit: Callable[[int, Array, Array, Array], None] | None = None,
        rows: Any = slice(None),
    ) -> Array:
        """Return mean deviances (m, k) of models on some rows of A, whose targets are y (n, k).

        Parameters
        ----------
        A : Matrix (n_rows, p)
        y : ndarray (n, k)
        weight : ndarray (n,) or None
        coef : ndarray (m, k, p)
        intercept : ndarray (m, k)
        visit : callable or None
            Called as visit(j, eta (n, k), coef (k, p), intercept (k,)) for each model, with its
            linear predictors.
        rows : slice or ndarray of int
            The n rows to use.
        """
        m, k, p = coef.shape
        out = np.empty((m, k))
        step = max(1, _BLOCK // (A.n_rows * k))
        for start in range(0, m, step):
            part = coef[start : start + step]
            eta = A.dot(part.reshape(-1, p).T).T.reshape(len(part), k, A.n_rows)[:, :, rows]
            eta += intercept[start : start + step, :, None]
            mu = self.inverse_link(eta)
            out[start : start + step] = self.mean_deviance(y.T, mu, weight, axis=2)
            if visit is not None:
                for j, values in enumerate(eta, start):
                    visit(j, values.T, coef[j], intercept[j])
        return out
