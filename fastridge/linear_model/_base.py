"""Base classes of the estimators: parameters, repr, fitted state, linear predictions, scores."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._checks import all_finite, held
from .._descriptions import defaults_of, expand
from .._estimators import home_of, row_of
from .._stack import outside
from ..data.check import (
    ALIGNED,
    CONTIGUOUS,
    check_design,
    check_sample_weight,
    check_target,
    feature_names,
)
from ..data.inputs import is_sparse, to_dense
from ..data.parts import in_parts
from ..losses import SQUARED, Loss
from ._parameters import Checks, Parameters, checks_of, compile_quick_test

# Elements of X up to which a NumPy product is faster than wrapping X in a Matrix.
_SMALL = 16384


def _docstring_of(name: str) -> str:
    """Import an estimator if needed, and return its docstring."""
    return getattr(import_module(home_of(name)), name).__doc__


def _compile_and_pass(estimator: Any) -> bool:
    """Compile the quick test of a class at its first use, and return its result."""
    cls = type(estimator)
    cls._pass_at_once = compile_quick_test(cls._checks)
    return cls._pass_at_once(estimator)


class Estimator:
    """Base of the estimators, which follows scikit-learn's protocol without importing it.

    A subclass names all its parameters in its constructor, which only stores them, and sets
    ``_estimator_type`` to "regressor" or "classifier".
    """

    _estimator_type: ClassVar[str]
    _loss: ClassVar[Loss] = SQUARED
    _cached_defaults: ClassVar[dict[str, Any]]
    # valid kinds of each parameter, by name; and the checks derived from them
    _parameters: ClassVar[Parameters] = {}
    _checks: ClassVar[Checks] = ()
    _pass_at_once: ClassVar[Callable[[Any], bool]]

    coef_: NDArray[np.floating]
    intercept_: Any
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    _repr_html_ = _sklearn.Borrowed()
    _repr_html_inner = _sklearn.Borrowed()
    _html_repr = _sklearn.Borrowed()
    _get_params_html = _sklearn.Borrowed()
    _get_fitted_attr_html = _sklearn.Borrowed()
    get_metadata_routing = _sklearn.Borrowed()
    _get_metadata_request = _sklearn.Borrowed()
    _get_default_requests = _sklearn.Borrowed()
    _build_request_for_signature = _sklearn.Borrowed()
    _get_class_level_metadata_request_values = _sklearn.Borrowed()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._checks = checks_of(cls.__init__, cls._parameters)
        cls._pass_at_once = _compile_and_pass
        # leave docstrings of subclasses outside this package alone
        if cls.__doc__ and cls.__module__.startswith(f"{__package__}."):
            cls.__doc__ = expand(cls.__doc__, _docstring_of, defaults_of(cls.__init__))

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Return the constructor's parameters, sorted by name, with defaults; cached per class."""
        if "_cached_defaults" not in vars(cls):
            cls._cached_defaults = _constructor_defaults(cls)
        return cls._cached_defaults

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return list(cls._defaults())

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the estimator.

        Parameters
        ----------
        deep : bool, default=True
            Also return the parameters of nested estimators, as ``name__parameter``.

        Returns
        -------
        dict
            Names and values.

        Examples
        --------
        >>> from fastridge import Ridge
        >>> Ridge(alpha=2.0).get_params()["alpha"]
        2.0
        """
        values = {}
        for name in self._defaults():
            value = values[name] = getattr(self, name)
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                values.update((f"{name}__{key}", v) for key, v in value.get_params().items())
        return values

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the estimator.

        Parameters
        ----------
        **params : dict
            Names and values; ``name__parameter`` reaches into a parameter that is an estimator.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If the estimator has no parameter of that name.

        Examples
        --------
        >>> from fastridge import Ridge
        >>> Ridge().set_params(alpha=2.0)
        Ridge(alpha=2.0)
        """
        nested: dict[str, dict[str, Any]] = {}
        for key, value in params.items():
            name, separator, rest = key.partition("__")
            if name not in self._defaults():
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self}; expected one of"
                    f" {self._get_param_names()}."
                )
            if separator:
                nested.setdefault(name, {})[rest] = value
            else:
                setattr(self, name, value)
        for name, values in nested.items():
            getattr(self, name).set_params(**values)
        return self

    @_sklearn.describe_request
    def set_fit_request(self, *, sample_weight: bool | str | None = _sklearn.UNCHANGED) -> Self:
        return _sklearn.request_metadata(self, "fit", sample_weight=sample_weight)

    @_sklearn.describe_request
    def set_score_request(self, *, sample_weight: bool | str | None = _sklearn.UNCHANGED) -> Self:
        return _sklearn.request_metadata(self, "score", sample_weight=sample_weight)

    def __repr__(self) -> str:
        changed = []
        for name, default in self._defaults().items():
            value = getattr(self, name)
            if value is not default:
                shown = " ".join(repr(value).split())
                if shown != repr(default):
                    changed.append(f"{name}={shown if len(shown) <= 70 else shown[:67] + '...'}")
        return f"{type(self).__name__}({', '.join(changed)})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        if hasattr(self, "_repr_html_"):
            bundle["text/html"] = self._repr_html_()
        return bundle

    def __sklearn_tags__(self) -> Any:
        row = row_of(type(self))
        return _sklearn.tags(self._estimator_type, "one" if row is None else row.targets)

    def _check_parameters(self) -> None:
        """Raise an error for parameters that the table of the class does not allow."""
        if self._pass_at_once():
            return
        for name, default, kinds in self._checks:
            value = getattr(self, name)
            if value is not default:
                for kind in kinds:
                    if not kind.holds(value):
                        self._refuse(name, kind.expected)
                    if kind.check is not None:
                        kind.check(name, value)
        self._check_together()

    def _check_together(self) -> None:
        """Raise an error for parameters that conflict; not called where all pass the quick test."""

    def _refuse(self, name: str, expected: str) -> None:
        """Raise the error for a parameter."""
        raise _sklearn.exception("InvalidParameterError")(
            f"The {name!r} parameter of {type(self).__name__} must be {expected}."
            f" Got {getattr(self, name)!r} instead."
        )

    def _fit_parts(self, X: Any, y: Any = None, sample_weight: Any = None, **given: Any) -> Self:
        """Fit data in parts: `Chunks`, or collections of Dask."""
        from ..distributed.fit import fit_parts

        self._check_parameters()
        fit_parts(self, X, y=y, weight=sample_weight, **given)
        return self

    # what fits data in parts in the place of `fit`, and why that does not
    _instead_of_parts: ClassVar[str] = ""

    def _refuse_parts(self) -> None:
        raise TypeError(
            f"X is data in parts, which {type(self).__name__}.fit does not support:"
            f" {self._instead_of_parts}."
        )

    def _learn_parts(self, X: Any, y: Any, sample_weight: Any, **options: Any) -> Self:
        """Learn from data in parts, one after the other."""
        from ..distributed.streams import learn_parts

        self._check_parameters()
        learn_parts(self, X, {"y": y, "weight": sample_weight}, options)
        return self

    def _predict_parts(self, method: str, X: Any, **options: Any) -> Any:
        """Predict for data in parts by a method of rows."""
        from ..distributed.predict import predict_parts

        self._check_fitted(method)
        return predict_parts(self, method, X, options)

    def _score_parts(self, X: Any, y: Any = None, sample_weight: Any = None, **given: Any) -> float:
        """Score data in parts."""
        from ..distributed.predict import score_parts

        self._check_fitted("score")
        return score_parts(self, X, {"y": y, "weight": sample_weight, **given})

    def _is_invariant(self) -> bool:
        """Return whether moving the origin of X and y changes the intercept alone."""
        return bool(self.fit_intercept)  # type: ignore[attr-defined]

    def _move_origin(self, origin: NDArray[np.float64], y_origin: NDArray[np.float64]) -> None:
        """Take over a fit of X and y less their origins, (p,) and (k,)."""
        moved = y_origin - np.atleast_2d(self.coef_) @ origin
        self.intercept_ = self.intercept_ + moved.reshape(np.shape(self.intercept_))

    def _set_features(self, n_features: int, names: NDArray[np.object_] | None) -> None:
        """Set the number and the names of the features; drop names of an earlier fit."""
        self.n_features_in_ = n_features
        self.__dict__.pop("n_passes_", None)
        if names is not None:
            self.feature_names_in_ = names
        elif "feature_names_in_" in self.__dict__:
            del self.feature_names_in_

    def _check_feature_names(self, X: Any) -> None:
        """Compare the names of the columns of X with those of the fit."""
        fitted = self.__dict__.get("feature_names_in_")
        names = feature_names(X)
        who = type(self).__name__
        if fitted is None:
            if names is not None:
                message = f"X has feature names, but {who} was fitted without feature names"
                warnings.warn(message, UserWarning, stacklevel=outside())
        elif names is None:
            message = (
                f"X does not have valid feature names, but {who} was fitted with feature names"
            )
            warnings.warn(message, UserWarning, stacklevel=outside())
        elif len(names) != len(fitted) or (names != fitted).any():
            raise ValueError(_names_differ(fitted, names))

    def _not_fitted(self, what: str) -> Exception:
        """Return the error for a call that needs a fit."""
        error: Exception = _sklearn.exception("NotFittedError")(
            f"This {type(self).__name__} is not fitted yet: call fit(X, y) before {what}."
        )
        return error

    def _check_fitted(self, what: str) -> None:
        # SGD estimators compute coef_ at its first access
        if not hasattr(self, "coef_"):
            raise self._not_fitted(what)

    def _linear_predictor(self, X: Any, method: str) -> NDArray[np.floating]:
        """Return X @ coef_.T + intercept_, of shape (n_samples,) or (n_samples, n_targets)."""
        try:
            coef = self.coef_
        except AttributeError:
            raise self._not_fitted(method) from None
        if (
            type(X) is np.ndarray
            and isinstance(coef, np.ndarray)
            and X.dtype == coef.dtype
            and X.ndim == 2
            and X.shape[1] == self.n_features_in_
            and 0 < X.size <= _SMALL
            and "feature_names_in_" not in self.__dict__
        ):
            flags = X.flags.num
            if not (flags & CONTIGUOUS and flags & ALIGNED):
                X = X.copy(order="A")
            if all_finite(X):
                return X @ coef.T + self.intercept_
        self._check_feature_names(X)
        A = check_design(X, n_features=self.n_features_in_, caller=type(self).__name__)
        if is_sparse(coef):
            coef = to_dense(coef, "coef_")
        values = A.dot(held(coef).T.astype(np.float64, order="F", copy=False))
        values += self.intercept_
        return values.astype(np.promote_types(A.dtype, coef.dtype), copy=False)


class LinearRegressor(Estimator):
    """Regressor that predicts the mean from the linear predictor X @ coef_.T + intercept_."""

    _estimator_type = "regressor"

    def predict(self, X: Any) -> NDArray[np.floating]:
        """Predict the target: ``X @ coef_.T + intercept_``.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predictions, float32 where both `X` and the coefficients are, else float64.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `X` is not a finite table with the features of the fit.

        Examples
        --------
        >>> from fastridge import Ridge
        >>> Ridge(alpha=0.0).fit([[0.0], [1.0]], [1.0, 3.0]).predict([[2.0]]).round(6)
        array([5.])
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._predict_parts("predict", X)
        return self._loss.inverse_link(self._linear_predictor(X, "predict"))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Coefficient of determination of the predictions for `X`.

        One minus ``sum_i s_i (y_i - prediction_i)^2 / sum_i s_i (y_i - mean(y))^2``, where the
        mean is weighted by s as well; the mean over targets where there are several. A target
        that does not vary scores 1 if it is predicted exactly, else 0.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            True values.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights s of the samples; None: 1.

        Returns
        -------
        float
            At most 1; NaN, with a warning, for fewer than two samples.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the arguments do not fit together or are not finite.

        Examples
        --------
        >>> from fastridge import Ridge
        >>> X, y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
        >>> round(Ridge(alpha=0.0).fit(X, y).score(X, y), 6)
        1.0
        """
        if type(X) is not np.ndarray and in_parts(X):
            return self._score_parts(X, y, sample_weight)
        prediction = self.predict(X)
        n = prediction.shape[0]
        target = check_target(y, n)
        weight = check_sample_weight(sample_weight, n)
        prediction = prediction.reshape(n, -1)
        target = target.reshape(n, -1)
        if target.shape != prediction.shape:
            raise ValueError(
                f"y has {target.shape[1]} target(s); expected {prediction.shape[1]}, as in fit."
            )
        self._loss.check_targets(target)
        needed = self._loss.scores[self._loss.fit_score]
        if n < needed.needs:
            warnings.warn(
                f"{needed.label} is not defined for fewer than two samples.",
                _sklearn.exception("UndefinedMetricWarning"),
                stacklevel=outside(),
            )
            return float("nan")
        return float(self._loss.explained(target, prediction, weight).mean())


def as_scalar(value: Any) -> Any:
    """Return a float as a NumPy scalar, which has `shape`, `round` and `item`; others unchanged.

    Examples
    --------
    >>> from fastridge.linear_model._base import as_scalar
    >>> as_scalar(2.5).shape
    ()
    """
    return np.float64(value) if type(value) is float else value


def _constructor_defaults(cls: type) -> dict[str, Any]:
    """Return the parameters of a constructor, sorted by name, with their defaults."""
    from inspect import signature

    parameters = list(signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise RuntimeError(
                f"{cls.__name__}.__init__ takes *{parameter.name}; the constructor of an estimator"
                " must name every parameter."
            )
    named = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
    return {p.name: p.default for p in sorted(named, key=lambda p: p.name)}


def _names_differ(fitted: NDArray[np.object_], names: NDArray[np.object_]) -> str:
    """Return the message for feature names that are not those of the fit."""
    message = "The feature names should match those that were passed during fit.\n"
    unseen = sorted(set(names) - set(fitted))
    missing = sorted(set(fitted) - set(names))
    for title, group in (
        ("Feature names unseen at fit time:", unseen),
        ("Feature names seen at fit time, yet now missing:", missing),
    ):
        if group:
            shown = [f"- {name}" for name in group[:5]]
            if len(group) > 5:
                shown.append("- ...")
            message += "\n".join([title, *shown]) + "\n"
    if not unseen and not missing:
        message += "Feature names must be in the same order as they were in fit.\n"
    return message
